#include "generate/constraint/numbers.h"
#include "base/memory.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- decimals */

bool lm_decimal_read(lm_decimal *d, const char *text)
{
    enum { MOST = 64 };
    char digits[MOST];
    int n = 0, point = 0;
    bool behind = false;
    *d = (lm_decimal){.negative = *text == '-'};
    for (text += d->negative; *text && *text != 'e' && *text != 'E'; text++) {
        if (*text == '.') {
            behind = true;
        } else if (n == 0 && *text == '0') {
            point -= behind; /* 0.00x */
        } else {
            point += !behind;
            if (n < MOST)
                digits[n++] = *text;
        }
    }
    long exponent = *text ? strtol(text + 1, NULL, 10) : 0;
    while (n && digits[n - 1] == '0')
        n--;
    long whole = n ? point + exponent : 0;
    if (whole > LM_WHOLE_DIGITS) { /* 10^20 */
        memset(d->whole, '0', sizeof d->whole);
        d->whole[0] = '1';
        d->whole_count = LM_WHOLE_DIGITS + 1;
        return true;
    }
    if (n - whole > LM_PLACES)
        return false;
    for (long i = whole < 0 ? whole : 0; i < n || i < whole; i++) {
        char digit = i >= 0 && i < n ? digits[i] : '0';
        if (i < whole)
            d->whole[d->whole_count++] = digit;
        else
            d->places[d->place_count++] = digit;
    }
    if (d->whole_count == 0)
        d->whole[d->whole_count++] = '0';
    d->negative = d->negative && n;
    return true;
}

int lm_decimal_compare(const lm_decimal *a, const lm_decimal *b)
{
    int sign = a->negative ? -1 : 1;
    if (a->negative != b->negative)
        return sign;
    if (a->whole_count != b->whole_count)
        return a->whole_count < b->whole_count ? -sign : sign;
    int order = memcmp(a->whole, b->whole, (size_t)a->whole_count);
    int places = a->place_count < b->place_count ? a->place_count : b->place_count;
    if (order == 0)
        order = memcmp(a->places, b->places, (size_t)places);
    if (order == 0)
        order = a->place_count - b->place_count;
    return order < 0 ? -sign : order > 0 ? sign : 0;
}

/* ---------------------------------------------------------------- digits */

typedef struct writer {
    lm_expressions *e;
    bool whole;
    int places;
} writer;

/* One digit, from first to last; none where these are the wrong way round. */
static lm_expr digit(const writer *w, int first, int last)
{
    lm_byte_set set = {0};
    lm_byte_set_add(&set, '0' + first, '0' + last);
    return lm_expr_bytes(w->e, &set);
}

static lm_expr digits(const writer *w, int least, int most)
{
    return most < least ? LM_EXPR_NONE
                        : lm_expr_repeat(w->e, digit(w, 0, 9), (uint32_t)least, (uint32_t)most);
}

static lm_expr then(const writer *w, lm_expr a, lm_expr b)
{
    return lm_expr_then(w->e, a, b);
}

static lm_expr or (const writer *w, lm_expr a, lm_expr b)
{
    return lm_expr_or(w->e, a, b);
}

static lm_expr text(const writer *w, const char *s)
{
    return lm_expr_text(w->e, lm_str_of(s));
}

/* Any digits behind the point, or no point. */
static lm_expr any_places(const writer *w)
{
    return w->whole ? LM_EXPR_EMPTY : or (w, LM_EXPR_EMPTY, then(w, text(w, "."), digits(w, 1, w->places)));
}

/* Digits with one among them that is not 0. */
static lm_expr some_places(const writer *w, int most)
{
    lm_expr all = LM_EXPR_NONE, zeros = LM_EXPR_EMPTY;
    for (int i = 0; i < most; i++, zeros = then(w, zeros, digit(w, 0, 0)))
        all = or (w, all, then(w, zeros, then(w, digit(w, 1, 9), digits(w, 0, most - i - 1))));
    return all;
}

/* Behind the point, from place i on, where all before is as in the bound: what makes it less, or greater. */
static lm_expr bounded_places(const writer *w, const lm_decimal *d, int i, bool less, bool open)
{
    int left = w->places - i;
    if (i == d->place_count) { /* equal so far */
        if (less)
            return open ? LM_EXPR_NONE
                        : lm_expr_repeat(w->e, digit(w, 0, 0), 0, (uint32_t)(left > 0 ? left : 0));
        return open ? some_places(w, left) : digits(w, 0, left > 0 ? left : 0);
    }
    if (left <= 0)
        return less ? LM_EXPR_EMPTY : LM_EXPR_NONE;
    int at = d->places[i] - '0';
    lm_expr apart = less ? digit(w, 0, at - 1) : digit(w, at + 1, 9);
    lm_expr all = or (w, then(w, apart, digits(w, 0, left - 1)),
                      then(w, digit(w, at, at), bounded_places(w, d, i + 1, less, open)));
    return less && i > 0 ? or (w, LM_EXPR_EMPTY, all) : all; /* what ends here is less */
}

/* What follows the digits of the bound itself. */
static lm_expr behind_whole(const writer *w, const lm_decimal *d, bool less, bool open)
{
    bool ends = less ? d->place_count > 0 || !open : d->place_count == 0 && !open;
    lm_expr all = ends ? LM_EXPR_EMPTY : LM_EXPR_NONE;
    if (w->whole)
        return all;
    lm_expr places = bounded_places(w, d, 0, less, open);
    if (lm_expr_has_empty(w->e, places)) /* a point has a digit behind it */
        places = lm_expr_and(w->e, places, digits(w, 1, w->places));
    return or (w, all, then(w, text(w, "."), places));
}

/* Without sign: less than the bound, or greater, or equal unless open. */
static lm_expr bounded(const writer *w, const lm_decimal *d, bool less, bool open)
{
    int n = d->whole_count;
    lm_expr all = behind_whole(w, d, less, open);
    for (int i = n - 1; i >= 0; i--) {
        int at = d->whole[i] - '0', lowest = i == 0 && n > 1 ? 1 : 0;
        lm_expr apart = less ? digit(w, lowest, at - 1) : digit(w, at + 1, 9);
        lm_expr rest = then(w, digits(w, n - 1 - i, n - 1 - i), any_places(w));
        all = or (w, then(w, apart, rest), then(w, digit(w, at, at), all));
    }
    if (less && n > 1) /* fewer digits */
        all =
            or (w, all,
                then(w, or (w, digit(w, 0, 0), then(w, digit(w, 1, 9), digits(w, 0, n - 2))), any_places(w)));
    if (!less) /* more of them */
        all = or (w, all, then(w, then(w, digit(w, 1, 9), digits(w, n, LM_WHOLE_DIGITS - 1)), any_places(w)));
    return all;
}

/* Without sign, between two of them; NULL = not bounded. */
static lm_expr between(const writer *w, const lm_decimal *least, bool above, const lm_decimal *most,
                       bool below)
{
    lm_expr all = LM_EXPR_ANY;
    if (least)
        all = bounded(w, least, false, above);
    if (most)
        all = lm_expr_and(w->e, all, bounded(w, most, true, below));
    return all;
}

/* Numbers without bounds, exponents among them. */
static lm_expr unbounded(const writer *w)
{
    lm_expr whole = or (w, digit(w, 0, 0), then(w, digit(w, 1, 9), digits(w, 0, LM_WHOLE_DIGITS - 1)));
    lm_expr all = then(w, then(w, lm_expr_repeat(w->e, text(w, "-"), 0, 1), whole), any_places(w));
    if (w->whole || w->places < LM_PLACES)
        return all;
    lm_expr sign = lm_expr_repeat(w->e, or (w, text(w, "-"), text(w, "+")), 0, 1);
    lm_expr exponent =
        then(w, then(w, or (w, text(w, "e"), text(w, "E")), sign), digits(w, 1, LM_EXPONENT_DIGITS));
    return then(w, all, lm_expr_repeat(w->e, exponent, 0, 1));
}

/* Digits that leave nothing when they are divided by it: what is left so far is the state. */
static lm_expr multiples(const writer *w, int of)
{
    lm_expr *left = lm_malloc((size_t)of, sizeof *left);
    for (int i = 0; i < of; i++)
        left[i] = lm_expr_name(w->e, i == 0);
    for (int i = 0; i < of; i++) {
        lm_expr ways[11] = {i == 0 ? LM_EXPR_EMPTY : LM_EXPR_NONE};
        for (int d = 0; d < 10; d++)
            ways[1 + d] = then(w, digit(w, d, d), left[(10 * i + d) % of]);
        lm_expr_define(w->e, left[i], lm_expr_any_of(w->e, ways, 11));
    }
    lm_expr all = then(w, lm_expr_repeat(w->e, text(w, "-"), 0, 1), left[0]);
    free(left);
    return all;
}

lm_expr lm_expr_numbers(lm_expressions *e, const lm_number_range *r)
{
    const lm_decimal zero = {.whole_count = 1, .whole = "0"};
    writer w = {e, r->whole || r->multiple, r->places ? r->places : LM_PLACES};
    lm_expr all = LM_EXPR_NONE;
    if (!r->has_least && !r->has_most)
        all = unbounded(&w);
    bool bounds = r->has_least || r->has_most;
    bool negative_least = !r->has_least || r->least.negative;
    if (bounds && !(r->has_most && r->most.negative)) /* from 0 on */
        all = between(&w, negative_least ? &zero : &r->least, !negative_least && r->above,
                      r->has_most ? &r->most : NULL, r->below);
    if (bounds && negative_least) { /* below it, where what is larger is less */
        bool at_most = r->has_most && lm_decimal_compare(&r->most, &zero) <= 0;
        lm_expr below = between(&w, at_most ? &r->most : &zero, at_most && r->below,
                                r->has_least ? &r->least : NULL, r->above);
        all = or (&w, all, then(&w, text(&w, "-"), below));
    }
    return r->multiple ? lm_expr_and(e, all, multiples(&w, r->multiple)) : all;
}
