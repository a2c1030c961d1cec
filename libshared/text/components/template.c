/* From the tokens of a text, or of two, to rows: truncation, the windows of an overflow, the template. */
#include "base/memory.h"
#include "text/chat/chat.h"
#include "text/tokenizer_internal.h"

#include <limits.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- memory */

void lm_encoding_reserve(lm_encoding *e, size_t n)
{
    if (n <= (size_t)e->cap)
        return;
    size_t cap = e->cap ? (size_t)e->cap : 32; /* of thousands in hand most are short */
    while (cap < n)
        cap *= 2;
    e->ids = lm_realloc(e->ids, cap, sizeof *e->ids);
    e->types = lm_realloc(e->types, cap, sizeof *e->types);
    e->word_ids = lm_realloc(e->word_ids, cap, sizeof *e->word_ids);
    e->offsets = lm_realloc(e->offsets, cap, 2 * sizeof *e->offsets);
    e->special = lm_realloc(e->special, cap, sizeof *e->special);
    e->loss_mask = lm_realloc(e->loss_mask, cap, sizeof *e->loss_mask);
    e->cap = (int)cap;
}

void lm_encoding_free(lm_encoding *e)
{
    free(e->ids);
    free(e->types);
    free(e->word_ids);
    free(e->offsets);
    free(e->special);
    free(e->loss_mask);
    lm_chat_row_free(e->chat);
    for (int i = 0; i < e->overflow_cap; i++)
        lm_encoding_free(&e->overflow[i]);
    free(e->overflow);
    *e = (lm_encoding){0};
}

static void put_side(lm_encoding *out, const lm_side *side, size_t first, size_t n, uint8_t type)
{
    if (n == 0)
        return;
    memcpy(out->ids + out->len, side->ids + first, n * sizeof *out->ids);
    if (!side->bare) {
        memcpy(out->word_ids + out->len, side->word_ids + first, n * sizeof *out->word_ids);
        memcpy(out->offsets + 2 * out->len, side->offsets + 2 * first, 2 * n * sizeof *out->offsets);
    }
    memset(out->types + out->len, type, n);
    memset(out->special + out->len, 0, n);
    out->len += (int)n;
}

static void swap(void *a, void *b)
{
    void *x = *(void **)a;
    *(void **)a = *(void **)b;
    *(void **)b = x;
}

/* The same of a whole text that is not needed any more, where it is so long that two copies would be too many: the row
 * takes over its memory, and leaves its own. */
static void take_side(lm_encoding *out, lm_side *side, uint8_t type)
{
    size_t before = (size_t)out->len, n = side->n;
    while (side->cap < before + n)
        lm_side_grow(side);
    memmove(side->ids + before, side->ids, n * sizeof *side->ids);
    if (!side->bare) { /* else nothing is there */
        memmove(side->word_ids + before, side->word_ids, n * sizeof *side->word_ids);
        memmove(side->offsets + 2 * before, side->offsets, 2 * n * sizeof *side->offsets);
    }
    if (before) {
        memcpy(side->ids, out->ids, before * sizeof *out->ids);
        memcpy(side->word_ids, out->word_ids, before * sizeof *out->word_ids);
        memcpy(side->offsets, out->offsets, 2 * before * sizeof *out->offsets);
    }
    swap(&out->ids, &side->ids);
    swap(&out->word_ids, &side->word_ids);
    swap(&out->offsets, &side->offsets);
    size_t cap = side->cap;
    side->cap = (size_t)out->cap;
    side->n = 0;
    out->cap = (int)cap;
    out->types = lm_realloc(out->types, cap, sizeof *out->types);
    out->special = lm_realloc(out->special, cap, sizeof *out->special);
    out->loss_mask = lm_realloc(out->loss_mask, cap, sizeof *out->loss_mask);
    memset(out->types + before, type, n);
    memset(out->special + before, 0, n);
    out->len += (int)n;
}

static void put_special(lm_encoding *out, const lm_template_piece *piece)
{
    int i = out->len++;
    out->ids[i] = piece->id;
    out->types[i] = piece->type;
    out->word_ids[i] = -1;
    out->offsets[2 * i] = out->offsets[2 * i + 1] = 0;
    out->special[i] = 1;
}

/* ---------------------------------------------------------------- truncation */

/* How many tokens of each text stay so that at most `budget` do; `b` < 0: there is no second text. */
static bool truncate_sides(size_t budget, lm_truncation how, bool pair, size_t *a, size_t *b, lm_status *st)
{
    size_t total = *a + (pair ? *b : 0);
    if (budget == 0) {
        *a = *b = 0;
        return true;
    }
    if (total <= budget)
        return true;
    if (how == LM_LONGEST_FIRST) {
        if (!pair) {
            *a = budget;
            return true;
        }
        size_t shorter = *a < *b ? *a : *b;
        bool swapped = *a > *b;
        size_t longer = shorter > budget ? shorter : budget - shorter > shorter ? budget - shorter : shorter;
        if (shorter + longer > budget) {
            shorter = budget / 2;
            longer = shorter + budget % 2;
        }
        if (swapped ? *a > longer : *a > shorter)
            *a = swapped ? longer : shorter;
        if (swapped ? *b > shorter : *b > longer)
            *b = swapped ? shorter : longer;
        return true;
    }
    if (how == LM_ONLY_SECOND && !pair)
        return lm_fail(st, LM_FAILED,
                       "truncation only_second: there is no second text to cut: choose another");
    size_t *cut = how == LM_ONLY_FIRST ? a : b, remove = total - budget;
    if (*cut <= remove)
        return lm_fail(st, LM_FAILED,
                       "truncation %s: the other text alone fills the length: choose longest_first",
                       how == LM_ONLY_FIRST ? "only_first" : "only_second");
    *cut -= remove;
    return true;
}

/* ---------------------------------------------------------------- windows */

/* The parts of a text of `n` tokens: the first has `width`, each further one shares `stride` with it; counted
 * from the side that is kept. */
typedef struct windows {
    size_t n, width, stride, count;
    bool left;
} windows;

static bool windows_of(size_t n, size_t width, const lm_encode_options *o, windows *w, lm_status *st)
{
    *w = (windows){.n = n, .width = width, .stride = (size_t)o->stride, .count = 1, .left = o->left};
    if (n <= width || !o->overflow)
        return true;
    if (w->stride >= width && o->fit_stride && width > 0)
        w->stride = width / 2;
    if (w->stride >= width)
        return lm_fail(st, LM_FAILED,
                       "stride %d: only %zu tokens of this text fit in a row: give a smaller --stride or a "
                       "greater --max-length",
                       o->stride, width);
    w->count = (n - width + (width - w->stride) - 1) / (width - w->stride) + 1;
    return true;
}

static size_t window_begin(const windows *w, size_t i, size_t *length)
{
    size_t skipped = i * (w->width - w->stride); /* from the side that is kept */
    *length = w->n - skipped < w->width ? w->n - skipped : w->width;
    return w->left ? w->n - skipped - *length : skipped;
}

/* ---------------------------------------------------------------- rows */

static bool ends_so(const lm_template *t, const lm_encode_options *o)
{
    return !o->no_special && t->count && t->pieces[t->count - 1].id == o->end_id;
}

bool lm_tokenizer_ends_rows(const lm_tokenizer *t)
{
    const lm_template *single = &t->post_processor.single;
    return single->count && single->pieces[single->count - 1].id >= 0;
}

/* Whether the row is a long text as a whole, and the only one of it. */
static bool may_take(const lm_encoder *e, const lm_template *t, const windows w[2], int side)
{
    enum { LONG = 1 << 20 };
    int uses = 0;
    for (int p = 0; p < t->count; p++)
        uses += t->pieces[p].id == (side ? LM_TEMPLATE_B : LM_TEMPLATE_A);
    return !e->t->post_processor.trim_count && w[side].n >= LONG && w[side].n <= w[side].width && w[!side].count == 1 && uses == 1;
}

/* The row of window i of the first text and k of the second. */
static void put_row(lm_encoder *e, const lm_template *t, lm_side *sides, const windows w[2], size_t i, size_t k,
                    const lm_encode_options *o, lm_encoding *out)
{
    size_t first[2], n[2];
    first[0] = window_begin(&w[0], i, &n[0]);
    first[1] = window_begin(&w[1], k, &n[1]);
    out->len = out->second = out->second_len = 0;
    for (int p = 0; p < t->count; p++) {
        const lm_template_piece *piece = &t->pieces[p];
        if (piece->id >= 0) {
            lm_encoding_reserve(out, (size_t)out->len + 1);
            if (!o->no_special)
                put_special(out, piece);
            continue;
        }
        int side = piece->id == LM_TEMPLATE_B;
        int start = out->len;
        if (side) {
            out->second = start;
            out->second_len = (int)n[side];
        }
        if (may_take(e, t, w, side)) {
            take_side(out, &sides[side], piece->type);
            continue;
        }
        lm_encoding_reserve(out, (size_t)out->len + n[side] + (size_t)(t->count - p) + 1);
        put_side(out, &sides[side], first[side], n[side], piece->type);
        if (e->t->post_processor.trim_count && !e->bare)
            lm_encoding_trim(e->t, &sides[side], first[side], out, start);
    }
    lm_encoding_reserve(out, (size_t)out->len + 1);
    if (o->end && !ends_so(t, o))
        put_special(out, &(lm_template_piece){o->end_id, out->len ? out->types[out->len - 1] : 0});
}

static lm_encoding *add_overflow(lm_encoding *out)
{
    if (out->overflow_count == out->overflow_cap) {
        int old = out->overflow_cap;
        LM_GROW(out->overflow, out->overflow_count, out->overflow_cap);
        memset(out->overflow + old, 0, (size_t)(out->overflow_cap - old) * sizeof *out->overflow);
    }
    return &out->overflow[out->overflow_count++];
}

/* All windows of the first text with all of the second, in the order in which the reference merges them. */
static void put_rows(lm_encoder *e, const lm_template *t, lm_side *sides, const windows w[2],
                     const lm_encode_options *o, lm_encoding *out)
{
    out->overflow_count = 0;
    out->truncated = w[0].n > w[0].width || w[1].n > w[1].width;
    put_row(e, t, sides, w, 0, 0, o, out);
    for (size_t a = 1; a <= w[0].count; a++)
        for (size_t b = a == w[0].count; b < w[1].count; b++) {
            lm_encoding *row = add_overflow(out);
            row->truncated = true;
            put_row(e, t, sides, w, a % w[0].count, b, o, row);
        }
}

/* What the sides hold, two of them where there is a pair, cut to the length; `budget` tokens of them fit. */
static bool finish(lm_encoder *e, const lm_template *t, lm_side *sides, bool pair, size_t budget, const lm_encode_options *o,
                   lm_encoding *out, lm_status *st)
{
    size_t n[2] = {sides[0].n, pair ? sides[1].n : 0}, keep[2] = {n[0], n[1]};
    windows w[2];
    if (e->scratch.lacks_unk)
        return lm_fail(
            st, LM_FAILED,
            "a part of the text is not in the vocabulary, and the model has no token for the unknown");
    if (budget < SIZE_MAX && !truncate_sides(budget, o->truncation, pair, &keep[0], &keep[1], st))
        return false;
    if (keep[0] + keep[1] + (size_t)t->added > INT_MAX / 2)
        return lm_fail(st, LM_FAILED, "a text of more than a thousand million tokens: split it");
    if (!windows_of(n[0], keep[0], o, &w[0], st) || !windows_of(n[1], keep[1], o, &w[1], st))
        return false;
    put_rows(e, t, sides, w, o, out);
    return true;
}

/* How many tokens of text a row has room for; SIZE_MAX = as many as there are. */
static bool find_budget(const lm_template *t, const lm_encode_options *o, size_t *budget, lm_status *st)
{
    int added = (o->no_special ? 0 : t->added) + (o->end && !ends_so(t, o));
    bool cut = o->max_length > 0 && o->truncation != LM_NO_TRUNCATION;
    *budget = SIZE_MAX;
    if (cut && o->max_length < added)
        return lm_fail(st, LM_USAGE, "max-length %d: the template alone has %d special tokens", o->max_length,
                       added);
    if (cut)
        *budget = (size_t)(o->max_length - added);
    return true;
}

/* Of what lies beyond the limit, only that it is there matters. */
static size_t limit_of(size_t budget, bool pair, const lm_encode_options *o)
{
    bool whole = o->left || o->overflow || (pair && o->truncation == LM_LONGEST_FIRST);
    return whole ? SIZE_MAX : budget;
}

static bool begin(lm_encoder *e, const lm_template *t, lm_str text, lm_str pair, const lm_encode_options *o,
                  size_t *budget, lm_status *st)
{
    if (text.len > INT32_MAX || pair.len > INT32_MAX)
        return lm_fail(st, LM_FAILED, "a text of more than 2 GiB: split it");
    e->scratch.lacks_unk = false;
    e->scratch.seed = o->seed;
    e->bare = o->ids_only;
    e->valid = o->valid;
    e->scratch.row = o->row;
    e->scratch.draws = 0;
    return find_budget(t, o, budget, st);
}

bool lm_encode(lm_encoder *e, lm_str text, lm_str pair, const lm_encode_options *options, lm_encoding *out,
               lm_status *st)
{
    bool two = pair.data != NULL;
    const lm_template *t = two ? &e->t->post_processor.pair : &e->t->post_processor.single;
    size_t budget;
    if (!begin(e, t, text, pair, options, &budget, st))
        return false;
    size_t limit = limit_of(budget, two, options);
    lm_encode_text(e, text, limit, &e->sides[0]);
    if (two)
        lm_encode_text(e, pair, limit, &e->sides[1]);
    return finish(e, t, e->sides, two, budget, options, out, st);
}

/* Rows of short texts, for which no limit saves work. */
static bool encode_group(lm_encoder *e, const lm_encode_row *rows, size_t count, const lm_encode_options *o, lm_status *st)
{
    const lm_template *t = &e->t->post_processor.single;
    size_t budget, ends[LM_ROWS_AT_ONCE], from = 0;
    if (!begin(e, t, rows[0].text, (lm_str){NULL, 0}, o, &budget, st))
        return false;
    lm_encode_texts(e, rows, count, &e->sides[0], ends);
    for (size_t i = 0; i < count; i++) {
        lm_side side = e->sides[0];
        side.ids += from;
        side.n = ends[i] - from;
        from = ends[i];
        if (!finish(e, t, &side, false, budget, o, rows[i].out, st))
            return false;
    }
    return true;
}

/* How many from the first on may be encoded together. */
static size_t group_of(const lm_encoder *e, const lm_encode_row *rows, size_t count)
{
    enum { SHORT = 1 << 12 }; /* bytes */
    size_t n = 0;
    while (n < count && n < LM_ROWS_AT_ONCE && e->cache.sets && rows[n].text.len <= SHORT)
        n++;
    return n ? n : 1;
}

bool lm_encode_rows(lm_encoder *e, const lm_encode_row *rows, size_t count, const lm_encode_options *options, size_t *failed,
                    lm_status *st)
{
    lm_encode_options o = *options;
    for (size_t i = 0, end; i < count; i = end) {
        lm_status ignored = LM_STATUS_INIT; /* one by one it shows which of them fails */
        end = i + group_of(e, rows + i, count - i);
        if (end > i + 1 && encode_group(e, rows + i, end - i, &o, &ignored))
            continue;
        for (*failed = i; *failed < end; ++*failed) {
            const lm_encode_row *r = &rows[*failed];
            o.row = r->row;
            if (!lm_encode(e, r->text, (lm_str){NULL, 0}, &o, r->out, st))
                return false;
        }
    }
    return true;
}

bool lm_encode_split(lm_encoder *e, lm_str text, const lm_str *words, size_t count,
                     const lm_encode_options *options, lm_encoding *out, lm_status *st)
{
    const lm_template *t = &e->t->post_processor.single;
    size_t budget;
    if (!begin(e, t, text, (lm_str){NULL, 0}, options, &budget, st))
        return false;
    lm_encode_split_text(e, text, words, count, limit_of(budget, false, options), &e->sides[0]);
    return finish(e, t, e->sides, false, budget, options, out, st);
}
