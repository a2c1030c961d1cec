/* Numbers as text. */
#ifndef LM_BASE_NUMBER_H
#define LM_BASE_NUMBER_H

#include <stddef.h>

enum { LM_DIGITS_MAX = 32 };

/* A finite double in scientific notation (-1.25e-07) with the fewest digits that read back as the same one;
 * returns how many digits. */
int lm_shortest_digits(double value, char text[LM_DIGITS_MAX]);

/* "0,2,4" or "0-3,7": whole numbers below `most`, with commas between; malloced. NULL: it is no such list. */
int *lm_number_list(const char *text, int most, size_t *count);

#endif
