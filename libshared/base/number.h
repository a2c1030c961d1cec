/* Numbers as text. */
#ifndef LM_BASE_NUMBER_H
#define LM_BASE_NUMBER_H

enum { LM_DIGITS_MAX = 32 };

/* A finite double in scientific notation (-1.25e-07) with the fewest digits that read back as the same one;
 * returns how many digits. */
int lm_shortest_digits(double value, char text[LM_DIGITS_MAX]);

#endif
