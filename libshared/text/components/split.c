#include "text/components/split.h"

#include "text/unicode/unicode.h"

/* A word that is being cut into segments, delimiters and what is between them; what becomes of the delimiters
 * is `behavior`, as in the reference. */
typedef struct cutter {
    lm_pieces *p;
    lm_split behavior;
    int32_t from, to; /* the new word so far */
    bool open;        /* there is one */
    bool matched;     /* the last segment was a delimiter */
} cutter;

static void close_word(cutter *c)
{
    if (c->open)
        lm_pieces_push_word(c->p, c->from, c->to, -1);
    c->open = false;
}

static void segment(cutter *c, int32_t from, int32_t to, bool match)
{
    bool join = false;
    switch (c->behavior) {
    case LM_SPLIT_REMOVED:
    case LM_SPLIT_ISOLATED:
        break;
    case LM_SPLIT_CONTIGUOUS:
        join = c->open && match == c->matched;
        break;
    case LM_SPLIT_PREVIOUS: /* a delimiter joins the text before it, a second one stands alone */
        join = c->open && match && !c->matched;
        break;
    case LM_SPLIT_NEXT: /* the text joins the delimiter before it */
        join = c->open && !match && c->matched;
        break;
    }
    if (!join) {
        close_word(c);
        c->from = from;
        c->open = !(match && c->behavior == LM_SPLIT_REMOVED);
    }
    c->to = to;
    c->matched = match;
}

static bool is_delimiter(const lm_delimiter *d, const uint16_t *table, uint32_t code)
{
    return d->properties ? (lm_unicode_is(table, code) & d->properties) != 0 : code == d->code;
}

/* Each character that is a delimiter is one by itself. */
static void split_word(cutter *c, lm_word w, const lm_delimiter *d)
{
    const uint16_t *table = lm_unicode_table();
    int32_t start = w.from;
    for (int32_t i = w.from; i < w.to; i++) {
        if (!is_delimiter(d, table, c->p->chars.at[i].code))
            continue;
        if (start < i)
            segment(c, start, i, false);
        segment(c, i, i + 1, true);
        start = i + 1;
    }
    if (start < w.to)
        segment(c, start, w.to, false);
    close_word(c);
}

void lm_split_words(lm_pieces *p, lm_delimiter d, lm_split behavior)
{
    for (size_t i = 0; i < p->word_count; i++) {
        lm_word w = p->words[i];
        if (w.id >= 0)
            lm_pieces_push_word(p, w.from, w.to, w.id);
        else
            split_word(&(cutter){.p = p, .behavior = behavior}, w, &d);
    }
    lm_pieces_swap_words(p);
}

static void split_word_by_pattern(cutter *c, lm_word w, const lm_pattern *pattern, bool invert)
{
    lm_matches m;
    int32_t done = w.from;
    lm_matches_begin(&m, pattern, c->p, (size_t)w.from, (size_t)w.to);
    while (lm_matches_next(&m)) {
        if (done != (int32_t)m.begin)
            segment(c, done, (int32_t)m.begin, invert);
        segment(c, (int32_t)m.begin, (int32_t)m.end, !invert);
        done = (int32_t)m.end;
    }
    if (done != w.to)
        segment(c, done, w.to, invert);
    close_word(c);
}

void lm_split_words_by_pattern(lm_pieces *p, const lm_pattern *pattern, lm_split behavior, bool invert)
{
    for (size_t i = 0; i < p->word_count; i++) {
        lm_word w = p->words[i];
        if (w.id >= 0)
            lm_pieces_push_word(p, w.from, w.to, w.id);
        else
            split_word_by_pattern(&(cutter){.p = p, .behavior = behavior}, w, pattern, invert);
    }
    lm_pieces_swap_words(p);
}

void lm_prepend_words(lm_pieces *p, uint32_t code, lm_char_test *wanted, const void *option)
{
    size_t count = 0;
    for (size_t i = 0; i < p->word_count; i++)
        count += p->words[i].id < 0 && wanted(option, &p->chars.at[p->words[i].from]);
    if (count == 0)
        return;
    lm_pieces_rewrite(p);
    lm_chars_reserve(&p->spare, p->chars.n + count);
    for (size_t i = 0; i < p->word_count; i++) {
        lm_word w = p->words[i];
        lm_char first = p->chars.at[w.from];
        size_t start = p->spare.n;
        if (w.id < 0 && wanted(option, &first))
            lm_chars_push(&p->spare, code, first.from, first.to);
        lm_pieces_copy(p, w);
        lm_pieces_close_word(p, start, w.id);
    }
    lm_pieces_swap(p);
    lm_pieces_swap_words(p);
}
