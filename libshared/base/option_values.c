/* Values as options spell them, and as --help spells them back. */
#include "base/option_table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number at the start of s: digits with a point and an exponent, no inf, no nan, no hexadecimal, no space. The
 * exponent is left out where letters follow as units (`2e` is not a number). NULL if there is none. */
static const char *number(const char *s, double *value)
{
    const char *p = s + (*s == '-' || *s == '+');
    if (!(*p >= '0' && *p <= '9') && !(*p == '.' && p[1] >= '0' && p[1] <= '9'))
        return NULL;
    if (*p == '0' && (p[1] == 'x' || p[1] == 'X'))
        return NULL;
    char *end;
    errno = 0;
    *value = strtod(s, &end);
    return isfinite(*value) ? end : NULL;
}

static bool whole(double value, int64_t *out)
{
    /* 2^53: beyond it a double does not hold every integer, and a count or size would not be what was written */
    if (value != floor(value) || fabs(value) > 0x1p53)
        return false;
    *out = (int64_t)value;
    return true;
}

bool lm_parse_float(const char *s, double *value)
{
    double v;
    const char *end = number(s, &v);
    if (!end)
        return false;
    if (strcmp(end, "%") == 0)
        v /= 100;
    else if (*end)
        return false;
    *value = v;
    return true;
}

bool lm_parse_count(const char *s, int64_t *count)
{
    double v;
    const char *end = number(s, &v);
    if (!end)
        return false;
    switch (*end) {
    case 'k':
    case 'K':
        v *= 1e3, end++;
        break;
    case 'm':
    case 'M':
        v *= 1e6, end++;
        break;
    case 'g':
    case 'G':
    case 'b':
    case 'B':
        v *= 1e9, end++;
        break;
    default:
        break;
    }
    return !*end && whole(v, count);
}

bool lm_parse_size(const char *s, int64_t *bytes)
{
    static const char units[] = "kmgt";
    double v;
    const char *end = number(s, &v);
    if (!end)
        return false;
    char lower = (char)(*end | 0x20);
    const char *unit = *end ? strchr(units, lower) : NULL;
    if (unit) {
        v = ldexp(v, 10 * (int)(unit - units + 1));
        end++;
        if (*end == 'i')
            end++;
    }
    if (*end == 'B' || (*end == 'b' && unit))
        end++;
    return !*end && whole(floor(v), bytes);
}

/* Parts add up: 1h30m. A number without a unit is seconds, and stands alone or last. */
bool lm_parse_duration(const char *s, double *seconds)
{
    double total = 0;
    do {
        double v;
        const char *end = number(s, &v);
        if (!end || v < 0)
            return false;
        switch (*end) {
        case 's':
            break;
        case 'm':
            v *= 60;
            break;
        case 'h':
            v *= 3600;
            break;
        case 'd':
            v *= 86400;
            break;
        case '\0':
            *seconds = total + v;
            return true;
        default:
            return false;
        }
        total += v;
        s = end + 1;
    } while (*s);
    *seconds = total;
    return true;
}

/* ---------------------------------------------------------------- the other way */

static void append_count(int64_t n, lm_buf *out)
{
    if (n && n % 1000000 == 0)
        lm_buf_printf(out, "%lldM", (long long)(n / 1000000));
    else if (n && n % 1000 == 0)
        lm_buf_printf(out, "%lldk", (long long)(n / 1000));
    else
        lm_buf_printf(out, "%lld", (long long)n);
}

static void append_size(int64_t n, lm_buf *out)
{
    static const char units[] = "KMGT";
    int power = 0;
    while (n && n % 1024 == 0 && power < 4)
        n /= 1024, power++;
    lm_buf_printf(out, "%lld%.*s", (long long)n, power ? 1 : 0, power ? units + power - 1 : "");
}

static void append_duration(double seconds, lm_buf *out)
{
    static const struct {
        double length;
        const char *unit;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (seconds >= units[i].length && fmod(seconds, units[i].length) == 0) {
            lm_buf_printf(out, "%g%s", seconds / units[i].length, units[i].unit);
            return;
        }
    }
    lm_buf_printf(out, "%gs", seconds);
}

static void append_number(lm_option_type type, double value, lm_buf *out)
{
    switch (type) {
    case LM_OPT_COUNT:
        append_count((int64_t)value, out);
        break;
    case LM_OPT_SIZE:
        append_size((int64_t)value, out);
        break;
    case LM_OPT_DURATION:
        append_duration(value, out);
        break;
    default: {
        char text[32];
        snprintf(text, sizeof text, "%.10g", value);
        char *zero = strstr(text, "e-0"); /* 5e-5, as people write it */
        if (zero)
            memmove(zero + 2, zero + 3, strlen(zero + 3) + 1);
        lm_buf_puts(out, text);
    }
    }
}

bool lm_option_default(const lm_option *o, lm_buf *out)
{
    size_t before = out->len;
    if (o->shown) {
        lm_buf_puts(out, o->shown);
        return out->len > before;
    }
    if (!o->target)
        return false;
    switch (o->type) {
    case LM_OPT_FLAG:
        lm_buf_puts(out, *(const bool *)o->target ? "yes" : ""); /* off goes without saying */
        break;
    case LM_OPT_STRING:
    case LM_OPT_FILE:
    case LM_OPT_DIR:
        if (*(const char *const *)o->target)
            lm_buf_puts(out, *(const char *const *)o->target);
        break;
    case LM_OPT_INT:
    case LM_OPT_COUNT:
    case LM_OPT_SIZE:
        append_number(o->type, (double)*(const int64_t *)o->target, out);
        break;
    case LM_OPT_FLOAT:
    case LM_OPT_DURATION:
        append_number(o->type, *(const double *)o->target, out);
        break;
    case LM_OPT_CHOICE:
        if (*(const int *)o->target >= 0)
            lm_buf_puts(out, o->choices[*(const int *)o->target]);
        break;
    case LM_OPT_STRINGS:
    case LM_OPT_STEP:
    case LM_OPT_GROUP:
        break;
    }
    return out->len > before;
}

/* What a table gives for "no limit": an infinity, or the ends of a 64-bit integer and what is near them. */
static bool unlimited(double bound)
{
    return fabs(bound) >= 1e18;
}

bool lm_option_range(const lm_option *o, lm_buf *out)
{
    if (!(o->min < o->max) || (unlimited(o->min) && unlimited(o->max)))
        return false;
    if (unlimited(o->max)) {
        lm_buf_puts(out, "at least ");
        append_number(o->type, o->min, out);
    } else if (unlimited(o->min)) {
        lm_buf_puts(out, "at most ");
        append_number(o->type, o->max, out);
    } else {
        append_number(o->type, o->min, out);
        lm_buf_puts(out, " to ");
        append_number(o->type, o->max, out);
    }
    return true;
}

void lm_option_value_name(const lm_option *o, lm_buf *out)
{
    if (o->value) {
        lm_buf_puts(out, o->value);
        return;
    }
    switch (o->type) {
    case LM_OPT_CHOICE:
        for (size_t i = 0; o->choices[i]; i++)
            lm_buf_printf(out, "%s%s", i ? "|" : "", o->choices[i]);
        break;
    case LM_OPT_FILE:
        lm_buf_puts(out, "FILE");
        break;
    case LM_OPT_DIR:
        lm_buf_puts(out, "DIR");
        break;
    case LM_OPT_SIZE:
        lm_buf_puts(out, "SIZE");
        break;
    case LM_OPT_DURATION:
        lm_buf_puts(out, "TIME");
        break;
    case LM_OPT_INT:
    case LM_OPT_COUNT:
    case LM_OPT_FLOAT:
        lm_buf_puts(out, "N");
        break;
    case LM_OPT_FLAG:
    case LM_OPT_GROUP:
        break;
    default:
        lm_buf_puts(out, "TEXT");
    }
}
