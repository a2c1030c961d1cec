#include "base/number.h"

#include "base/memory.h"

#include <ctype.h>
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

int *lm_number_list(const char *text, int most, size_t *count)
{
    int *all = NULL;
    *count = 0;
    for (const char *at = text;; at++) {
        char *end;
        long from = isdigit((unsigned char)*at) ? strtol(at, &end, 10) : -1, to = from;
        if (from >= 0 && *end == '-' && isdigit((unsigned char)end[1]))
            to = strtol(end + 1, &end, 10);
        if (from < 0 || to < from || to >= most || (*end && *end != ',')) {
            free(all);
            return NULL;
        }
        all = lm_realloc(all, *count + (size_t)(to - from) + 1, sizeof *all);
        for (long i = from; i <= to; i++)
            all[(*count)++] = (int)i;
        if (!*end)
            return all;
        at = end;
    }
}
