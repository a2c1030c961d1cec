#include "base/python_float.h"
#include "base/number.h"

#include <math.h>
#include <stdlib.h>

void lm_python_float(double value, lm_buf *out)
{
    if (!isfinite(value)) {
        lm_buf_puts(out, isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
        return;
    }
    char digits[LM_DIGITS_MAX];
    int precision = lm_shortest_digits(value, digits);
    int exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent >= -4 && exponent < 16) {
        int decimals = precision - 1 - exponent;
        lm_buf_printf(out, "%.*f", decimals > 0 ? decimals : 1, value);
    } else {
        lm_buf_puts(out, digits);
    }
}
