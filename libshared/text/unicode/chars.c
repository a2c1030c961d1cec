#include "text/unicode/chars.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/regex/regex.h"
#include "text/unicode/unicode.h"

#include <stdlib.h>

/* A decomposed character: `extra` for those that the decomposition added behind the first. */
typedef struct lm_sort_entry {
    uint32_t code;
    uint8_t class;
    bool extra;
} sort_entry;

void lm_pieces_free(lm_pieces *p)
{
    free(p->chars.at);
    free(p->spare.at);
    free(p->words);
    free(p->spare_words);
    free(p->order);
    lm_buf_free(&p->utf8);
    lm_matcher_free(p->matcher);
    *p = (lm_pieces){0};
}

void lm_chars_reserve(lm_chars *c, size_t n)
{
    if (n <= c->cap)
        return;
    size_t cap = c->cap ? c->cap : 256;
    while (cap < n)
        cap *= 2;
    c->at = lm_realloc(c->at, cap, sizeof *c->at);
    c->cap = cap;
}

void lm_pieces_read(lm_pieces *p, lm_str text, size_t from, size_t to)
{
    p->chars.n = 0;
    p->word_count = p->spare_count = 0;
    lm_chars_reserve(&p->chars, to - from);
    lm_char *at = p->chars.at;
    while (from < to) {
        unsigned char byte = (unsigned char)text.data[from];
        uint32_t code = byte;
        size_t len = byte < 0x80 ? 1 : lm_utf8_decode(text.data + from, to - from, &code);
        *at++ = (lm_char){code, (int32_t)from, (int32_t)(from + len)};
        from += len;
    }
    p->chars.n = (size_t)(at - p->chars.at);
}

void lm_pieces_push_word(lm_pieces *p, int32_t from, int32_t to, int32_t id)
{
    if (from == to)
        return;
    LM_GROW(p->spare_words, p->spare_count, p->spare_cap);
    p->spare_words[p->spare_count++] = (lm_word){from, to, id};
}

void lm_pieces_swap_words(lm_pieces *p)
{
    lm_word *words = p->words;
    size_t cap = p->word_cap;
    p->words = p->spare_words;
    p->word_cap = p->spare_cap;
    p->word_count = p->spare_count;
    p->spare_words = words;
    p->spare_cap = cap;
    p->spare_count = 0;
}

void lm_pieces_one_word(lm_pieces *p)
{
    p->spare_count = 0;
    lm_pieces_push_word(p, 0, (int32_t)p->chars.n, -1);
    lm_pieces_swap_words(p);
}

void lm_chars_utf8(const lm_chars *c, size_t from, size_t to, lm_buf *out)
{
    lm_buf_reserve(out, 4 * (to - from));
    for (size_t i = from; i < to; i++)
        out->len += lm_utf8_encode(c->at[i].code, out->data + out->len);
}

void lm_pieces_put(lm_pieces *p, uint32_t code, long change)
{
    size_t n = p->chars.n, s = change > 0 ? (p->source ? p->source - 1 : 0) : p->source;
    if (s >= n)
        s = n - 1;
    lm_chars_push(&p->spare, code, p->chars.at[s].from, p->chars.at[s].to);
    if (change <= 0)
        p->source += 1 + (size_t)-change;
}

void lm_pieces_close_word(lm_pieces *p, size_t from, int32_t id)
{
    lm_pieces_push_word(p, (int32_t)from, (int32_t)p->spare.n, id);
}

void lm_pieces_copy(lm_pieces *p, lm_word w)
{
    size_t n = (size_t)(w.to - w.from);
    lm_chars_reserve(&p->spare, p->spare.n + n);
    if (n)
        memcpy(p->spare.at + p->spare.n, p->chars.at + w.from, n * sizeof *p->chars.at);
    p->spare.n += n;
}

void lm_pieces_remove(lm_pieces *p, unsigned properties)
{
    const uint16_t *table = lm_unicode_table();
    size_t kept = 0;
    for (size_t i = 0; i < p->chars.n; i++)
        if (!(lm_unicode_is(table, p->chars.at[i].code) & properties))
            p->chars.at[kept++] = p->chars.at[i];
    p->chars.n = kept;
}

void lm_pieces_lower_case(lm_pieces *p)
{
    const uint16_t *table = lm_unicode_table();
    lm_chars *out = &p->spare;
    out->n = 0;
    for (size_t i = 0; i < p->chars.n; i++) {
        lm_char c = p->chars.at[i];
        uint32_t lower[2] = {c.code};
        int n = lm_unicode_is(table, c.code) & LM_CP_LOWER ? lm_unicode_lower_case(c.code, lower) : 1;
        for (int k = 0; k < n; k++)
            lm_chars_push(out, lower[k], c.from, c.to);
    }
    lm_pieces_swap(p);
}

/* Stable insertion sort of the marks behind a starter: they are few, and mostly in order. */
static void sort_marks(sort_entry *e, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        sort_entry x = e[i];
        size_t k = i;
        for (; k > 0 && e[k - 1].class > x.class; k--)
            e[k] = e[k - 1];
        e[k] = x;
    }
}

/* For runs of thousands of marks ("zalgo" text): a counting sort by class, stable as well. */
static void sort_many_marks(sort_entry *e, size_t n)
{
    size_t start[257] = {0};
    for (size_t i = 0; i < n; i++)
        start[e[i].class + 1]++;
    for (int c = 0; c < 256; c++)
        start[c + 1] += start[c];
    sort_entry *copy = lm_malloc(n, sizeof *copy);
    memcpy(copy, e, n * sizeof *copy);
    for (size_t i = 0; i < n; i++)
        e[start[copy[i].class]++] = copy[i];
    free(copy);
}

/* Fills p->order with the canonical decomposition in canonical order; returns its length. */
static size_t decompose(lm_pieces *p, bool compatibility)
{
    const uint16_t *table = lm_unicode_table();
    unsigned touched = LM_CP_NFD | (compatibility ? LM_CP_NFKD : 0);
    size_t n = 0, marks = 0; /* marks: where the run of non-starters begins */
    for (size_t i = 0; i <= p->chars.n; i++) {
        uint32_t parts[LM_DECOMPOSITION_MAX];
        int count = 0;
        if (i < p->chars.n) {
            parts[0] = p->chars.at[i].code;
            count = lm_unicode_is(table, parts[0]) & touched
                        ? lm_unicode_decompose(parts[0], compatibility, parts)
                        : 1;
        }
        while (n + LM_DECOMPOSITION_MAX > p->order_cap) {
            p->order_cap = p->order_cap ? 2 * p->order_cap : 256;
            p->order = lm_realloc(p->order, p->order_cap, sizeof *p->order);
        }
        for (int k = 0; k < count; k++) {
            int class = lm_unicode_is(table, parts[k]) & LM_CP_NFD ? lm_unicode_class(parts[k]) : 0;
            if (class == 0) {
                if (n - marks > 1)
                    (n - marks < 64 ? sort_marks : sort_many_marks)(p->order + marks, n - marks);
                marks = n + 1;
            }
            p->order[n++] = (sort_entry){parts[k], (uint8_t) class, k > 0};
        }
    }
    if (n > marks + 1)
        (n - marks < 64 ? sort_marks : sort_many_marks)(p->order + marks, n - marks);
    return n;
}

/* The reference gives a character that replaces one the next source character in turn, and one that is added
 * the source of the one before: after reordering that need not be where it came from, but spans must be
 * equal. */
void lm_pieces_decompose(lm_pieces *p, bool compatibility)
{
    size_t n = decompose(p, compatibility), source = 0;
    p->spare.n = 0;
    lm_chars_reserve(&p->spare, n);
    for (size_t i = 0; i < n; i++) {
        size_t s = p->order[i].extra ? (source ? source - 1 : 0) : source++;
        lm_chars_push(&p->spare, p->order[i].code, p->chars.at[s].from, p->chars.at[s].to);
    }
    lm_pieces_swap(p);
}

void lm_pieces_compose(lm_pieces *p, bool compatibility)
{
    size_t n = decompose(p, compatibility);
    lm_pieces_rewrite(p);
    size_t i = 0;
    while (i < n && p->order[i].class != 0) { /* marks without a starter */
        lm_pieces_put(p, p->order[i].code, p->order[i].extra);
        i++;
    }
    while (i < n) {
        uint32_t starter = p->order[i].code;
        long change = p->order[i].extra;
        int last = -1;                /* class of the last mark that stayed */
        size_t kept = ++i, first = i; /* marks that stay are moved to order[first..kept) */
        for (; i < n; i++) {
            sort_entry e = p->order[i];
            uint32_t composite = last < e.class ? lm_unicode_compose(starter, e.code) : 0;
            if (composite) {
                starter = composite;
                change += (long)e.extra - 1;
            } else if (e.class == 0) {
                break;
            } else {
                last = e.class;
                p->order[kept++] = e;
            }
        }
        lm_pieces_put(p, starter, change);
        for (size_t k = first; k < kept; k++)
            lm_pieces_put(p, p->order[k].code, p->order[k].extra);
    }
    lm_pieces_swap(p);
}
