#include "base/number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int lm_shortest_digits(double value, char text[LM_DIGITS_MAX])
{
    enum { SURE = 15 }; /* so many digits come back from every double as they went in */
    int digits = fabs(value) < DBL_MIN ? 1 : SURE; /* a denormal has fewer */
    do {
        snprintf(text, LM_DIGITS_MAX, "%.*e", digits - 1, value);
    } while (strtod(text, NULL) != value && ++digits <= 17);
    if (digits == SURE) {
        char *exponent = strchr(text, 'e'), *end = exponent;
        while (end[-1] == '0' && digits > 1) {
            end--;
            digits--;
        }
        end -= digits == 1; /* the point */
        memmove(end, exponent, strlen(exponent) + 1);
    }
    return digits;
}
