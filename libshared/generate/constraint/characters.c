#include "base/memory.h"
#include "base/utf8.h"
#include "generate/constraint/expression.h"

#include <stdio.h>
#include <stdlib.h>

/* Ranges of code points, [n][2], sorted and disjoint. */
typedef struct char_ranges {
    const uint32_t *at;
    size_t n;
} char_ranges;

/* Code points first.. of this many continuation bytes each: what of them is in the ranges. */
static lm_expr continuation(lm_expressions *e, char_ranges r, uint32_t first, int bytes)
{
    uint32_t last = first + (1u << 6 * bytes) - 1;
    while (r.n && r.at[1] < first)
        r = (char_ranges){r.at + 2, r.n - 1};
    if (!r.n || r.at[0] > last)
        return LM_EXPR_NONE;
    if (r.at[0] <= first && r.at[1] >= last) {
        lm_byte_set all = {0};
        lm_byte_set_add(&all, 0x80, 0xBF);
        return lm_expr_repeat(e, lm_expr_bytes(e, &all), (uint32_t)bytes, (uint32_t)bytes);
    }
    lm_expr rest[64], ways[64];
    uint32_t step = 1u << 6 * (bytes - 1);
    for (uint32_t i = 0; i < 64; i++)
        rest[i] = continuation(e, r, first + i * step, bytes - 1);
    size_t n = 0;
    for (int i = 0; i < 64; i++) { /* those with the same rest are one set of bytes */
        lm_byte_set set = {0};
        bool before = false;
        for (int k = 0; k < 64; k++) {
            if (rest[k] != rest[i])
                continue;
            before = before || k < i;
            lm_byte_set_add(&set, 0x80 + k, 0x80 + k);
        }
        if (!before)
            ways[n++] = lm_expr_then(e, lm_expr_bytes(e, &set), rest[i]);
    }
    return lm_expr_any_of(e, ways, n);
}

/* Lead bytes first..last, the code points of the first of which begin at `code`. */
static size_t lead_bytes(lm_expressions *e, char_ranges r, int first, int last, uint32_t code, int bytes,
                         lm_expr *ways)
{
    size_t n = 0;
    lm_expr rest = LM_EXPR_NONE;
    lm_byte_set set = {0};
    for (int b = first; b <= last + 1; b++) { /* neighbours with the same rest are one set */
        uint32_t at = code + ((uint32_t)(b - first) << 6 * bytes);
        lm_expr next = b <= last ? continuation(e, r, at, bytes) : LM_EXPR_NONE;
        if (next != rest || b > last) {
            ways[n++] = lm_expr_then(e, lm_expr_bytes(e, &set), rest);
            set = (lm_byte_set){0};
        }
        rest = next;
        lm_byte_set_add(&set, b, b <= last ? b : b - 1);
    }
    return n;
}

/* The ranges without [first, last], into `out` of n + 1 ranges. */
static size_t without(char_ranges r, uint32_t first, uint32_t last, uint32_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < r.n; i++) {
        uint32_t a = r.at[2 * i], b = r.at[2 * i + 1];
        if (a < first) {
            out[2 * n] = a;
            out[2 * n++ + 1] = b < first ? b : first - 1;
        }
        if (b > last) {
            out[2 * n] = a > last ? a : last + 1;
            out[2 * n++ + 1] = b;
        }
    }
    return n;
}

lm_expr lm_expr_characters(lm_expressions *e, const uint32_t *ranges, size_t n)
{
    uint32_t *kept = lm_malloc(2 * (n + 2), sizeof *kept);
    char_ranges r = {kept, without((char_ranges){ranges, n}, 0xD800, 0xDFFF, kept)};
    lm_byte_set ascii = {0};
    for (size_t i = 0; i < r.n && kept[2 * i] < 0x80; i++)
        lm_byte_set_add(&ascii, (int)kept[2 * i], kept[2 * i + 1] < 0x80 ? (int)kept[2 * i + 1] : 0x7F);
    lm_expr ways[1 + 31 + 17 + 6];
    size_t k = 0;
    ways[k++] = lm_expr_bytes(e, &ascii);
    /* what is shorter is written shorter: 0xC0 and 0xC1 begin nothing, 0xE0 and 0xF0 only what needs them */
    k += lead_bytes(e, r, 0xC2, 0xDF, 0x80, 1, ways + k);
    uint32_t *long_ones = lm_malloc(2 * (r.n + 2), sizeof *long_ones);
    char_ranges three = {long_ones, without(r, 0, 0x7FF, long_ones)};
    k += lead_bytes(e, three, 0xE0, 0xEF, 0, 2, ways + k);
    char_ranges four = {kept, without(three, 0, 0xFFFF, kept)};
    k += lead_bytes(e, four, 0xF0, 0xF4, 0, 3, ways + k);
    lm_expr all = lm_expr_any_of(e, ways, k);
    free(kept);
    free(long_ones);
    return all;
}

static bool has(char_ranges r, uint32_t code)
{
    for (size_t i = 0; i < r.n; i++)
        if (r.at[2 * i] <= code && code <= r.at[2 * i + 1])
            return true;
    return false;
}

/* \u001f, the last digit in either case. */
static lm_expr by_number(lm_expressions *e, uint32_t code)
{
    char text[8];
    snprintf(text, sizeof text, "\\u%04x", (unsigned)code);
    char last = text[5];
    lm_byte_set set = {0};
    lm_byte_set_add(&set, last, last);
    if (last >= 'a')
        lm_byte_set_add(&set, last - 'a' + 'A', last - 'a' + 'A');
    return lm_expr_then(e, lm_expr_text(e, (lm_str){text, 5}), lm_expr_bytes(e, &set));
}

lm_expr lm_expr_json_characters(lm_expressions *e, const uint32_t *ranges, size_t n)
{
    static const char escaped[] = "\"\\\b\f\n\r\t", as[] = "\"\\bfnrt";
    char_ranges all = {ranges, n};
    lm_expr ways[0x20 + 3];
    size_t k = 0;
    for (uint32_t code = 0; code <= '\\'; code++) {
        const char *at = code ? strchr(escaped, (int)code) : NULL;
        if ((code >= 0x20 && !at) || !has(all, code))
            continue;
        ways[k++] =
            at ? lm_expr_text(e, (lm_str){(const char[]){'\\', as[at - escaped]}, 2}) : by_number(e, code);
    }
    uint32_t *a = lm_malloc(2 * (n + 3), sizeof *a), *b = lm_malloc(2 * (n + 3), sizeof *b);
    char_ranges plain = {a, without(all, 0, 0x1F, a)};
    plain = (char_ranges){b, without(plain, '"', '"', b)};
    plain = (char_ranges){a, without(plain, '\\', '\\', a)};
    ways[k++] = lm_expr_characters(e, plain.at, plain.n);
    lm_expr made = lm_expr_any_of(e, ways, k);
    free(a);
    free(b);
    return made;
}
