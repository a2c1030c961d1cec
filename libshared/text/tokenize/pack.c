/* Texts packed into rows of a length: cut out of one long run of tokens, or laid into rows where they fit
 * best.
 *
 * A row knows how long the texts are that lie in it, so that attention and positions can be kept within a
 * text. */
#include "base/best_fit.h"
#include "base/memory.h"
#include "text/tokenize/sinks.h"

#include <stdlib.h>

/* Best fit looks at so many tokens of text at a time. */
enum { WINDOW_TOKENS = 1 << 22 };

/* A text, or a part of one that is longer than a row: tokens of the window from `from` on. */
typedef struct piece {
    size_t from;
    uint64_t number; /* of the text */
} piece;

struct lm_token_blocks {
    lm_token_sink *sink;
    int length;
    lm_encoding row; /* wrapped: the row in hand; best fit: the row being written */
    int32_t *lengths;
    size_t length_count, length_cap;
    uint64_t number; /* wrapped: of the row's first text */

    /* best fit */
    int32_t *tokens;
    uint8_t *masks; /* like tokens */
    bool masked;    /* of conversations, and then all of them are */
    size_t token_count, token_cap;
    piece *pieces;
    uint32_t *piece_lengths; /* like pieces */
    size_t piece_count, piece_cap, piece_length_cap;
};

lm_token_blocks *lm_token_blocks_new(lm_token_sink *s)
{
    lm_token_blocks *b = lm_calloc(1, sizeof *b);
    b->sink = s;
    b->length = (int)s->o->pack;
    return b;
}

void lm_token_blocks_free(lm_token_blocks *b)
{
    if (!b)
        return;
    lm_encoding_free(&b->row);
    free(b->lengths);
    free(b->tokens);
    free(b->masks);
    free(b->pieces);
    free(b->piece_lengths);
    free(b);
}

/* ---------------------------------------------------------------- a row */

/* `mask` NULL: there is none. */
static void append(lm_token_blocks *b, const int32_t *ids, const uint8_t *mask, int n)
{
    lm_encoding_reserve(&b->row, (size_t)b->row.len + (size_t)n);
    memcpy(b->row.ids + b->row.len, ids, (size_t)n * sizeof *ids);
    if (mask)
        memcpy(b->row.loss_mask + b->row.len, mask, (size_t)n);
    b->row.masked = mask != NULL;
    b->row.len += n;
    LM_GROW(b->lengths, b->length_count, b->length_cap);
    b->lengths[b->length_count++] = n;
}

static bool put(lm_token_blocks *b, lm_status *st)
{
    lm_token_row row = {
        .e = &b->row, .number = b->number, .seq_lengths = b->lengths, .seq_count = b->length_count};
    bool ok = lm_token_sink_row(b->sink, &row, st);
    b->row.len = 0;
    b->length_count = 0;
    return ok;
}

/* ---------------------------------------------------------------- concatenate and cut */

static bool add_wrapped(lm_token_blocks *b, const lm_encoding *e, uint64_t number, lm_status *st)
{
    for (int i = 0; i < e->len;) {
        int room = b->length - b->row.len, n = e->len - i < room ? e->len - i : room;
        if (b->row.len == 0)
            b->number = number;
        append(b, e->ids + i, e->masked ? e->loss_mask + i : NULL, n);
        i += n;
        if (b->row.len == b->length && !put(b, st))
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------- best fit */

/* Best-fit decreasing over the window's pieces; in a row they are in the order of the texts, and rows in that of their earliest
 * texts. */
static bool put_window(lm_token_blocks *b, lm_status *st)
{
    lm_bins bins;
    bool ok = true;
    lm_best_fit(b->piece_lengths, (uint32_t)b->piece_count, (uint32_t)b->length, &bins);
    for (uint32_t i = 0; i < bins.count && ok; i++) {
        b->number = b->pieces[bins.pieces[bins.splits[i]]].number;
        for (uint32_t k = bins.splits[i]; k < bins.splits[i + 1]; k++) {
            const piece *x = &b->pieces[bins.pieces[k]];
            append(b, b->tokens + x->from, b->masked ? b->masks + x->from : NULL, (int)b->piece_lengths[bins.pieces[k]]);
        }
        ok = put(b, st);
    }
    lm_bins_free(&bins);
    b->piece_count = b->token_count = 0;
    return ok;
}

static bool add_best_fit(lm_token_blocks *b, const lm_encoding *e, uint64_t number, lm_status *st)
{
    size_t n = (size_t)e->len;
    if (b->token_count && b->token_count + n > WINDOW_TOKENS && !put_window(b, st))
        return false;
    if (b->token_count + n > b->token_cap) {
        b->token_cap = b->token_count + n > 2 * b->token_cap ? b->token_count + n : 2 * b->token_cap;
        b->tokens = lm_realloc(b->tokens, b->token_cap, sizeof *b->tokens);
        b->masks = lm_realloc(b->masks, b->token_cap, sizeof *b->masks);
    }
    b->masked = e->masked;
    if (n)
        memcpy(b->tokens + b->token_count, e->ids, n * sizeof *e->ids);
    if (n && e->masked)
        memcpy(b->masks + b->token_count, e->loss_mask, n);
    for (size_t i = 0; i < n; i += (size_t)b->length) {
        LM_GROW(b->piece_lengths, b->piece_count, b->piece_length_cap);
        b->piece_lengths[b->piece_count] = (uint32_t)(n - i < (size_t)b->length ? n - i : (size_t)b->length);
        LM_GROW(b->pieces, b->piece_count, b->piece_cap);
        b->pieces[b->piece_count++] = (piece){b->token_count + i, number};
    }
    b->token_count += n;
    return true;
}

/* ---------------------------------------------------------------- both */

bool lm_token_blocks_add(lm_token_blocks *b, const lm_encoding *e, uint64_t number, lm_status *st)
{
    if (e->chat && e->chat->preference)
        return lm_fail(st, LM_FAILED, "row %llu: a preference pair cannot be packed: leave out --pack",
                       (unsigned long long)number);
    return b->sink->o->best_fit ? add_best_fit(b, e, number, st) : add_wrapped(b, e, number, st);
}

bool lm_token_blocks_finish(lm_token_blocks *b, lm_status *st)
{
    if (b->sink->o->best_fit)
        return !b->piece_count || put_window(b, st);
    return !b->row.len || b->sink->o->drop_last || put(b, st);
}
