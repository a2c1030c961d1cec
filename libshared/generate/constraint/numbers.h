/* JSON's numbers within bounds, as texts: digits are compared one by one with those of the bound. */
#ifndef LM_GENERATE_CONSTRAINT_NUMBERS_H
#define LM_GENERATE_CONSTRAINT_NUMBERS_H

#include "generate/constraint/expression.h"

enum { LM_WHOLE_DIGITS = 20, LM_PLACES = 17, LM_EXPONENT_DIGITS = 3, LM_MULTIPLE_MOST = 1000 };

/* A decimal number: digits before the point without leading zeros, and behind it without those at the end. */
typedef struct lm_decimal {
    bool negative;
    int whole_count, place_count;
    char whole[LM_WHOLE_DIGITS + 1],
        places[LM_PLACES]; /* one digit more: larger than anything that is written */
} lm_decimal;

/* From the text of a number; false: more places than LM_PLACES. */
bool lm_decimal_read(lm_decimal *d, const char *text);
/* -1, 0, 1. */
int lm_decimal_compare(const lm_decimal *a, const lm_decimal *b);

typedef struct lm_number_range {
    bool whole;                             /* no point */
    bool has_least, has_most, above, below; /* above, below: not the bound itself */
    lm_decimal least, most;
    int multiple; /* of it, a whole number then; 0 = any */
    int places;   /* behind the point at most; 0 = LM_PLACES */
} lm_number_range;

lm_expr lm_expr_numbers(lm_expressions *e, const lm_number_range *r);

#endif
