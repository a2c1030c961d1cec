/* Texts packed into rows of a length: cut out of one long run of tokens, or laid into rows where they fit
 * best.
 *
 * A row knows how long the texts are that lie in it, so that attention and positions can be kept within a
 * text. */
#include "base/memory.h"
#include "text/tokenize/sinks.h"

#include <stdlib.h>

/* Best fit looks at so many tokens of text at a time. */
enum { WINDOW_TOKENS = 1 << 22 };

/* A text, or a part of one that is longer than a row: tokens [from, from + len) of the window. */
typedef struct piece {
    size_t from;
    int len;
    int next; /* the next piece in its row, -1 = none */
    uint64_t number;
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
    size_t piece_count, piece_cap;
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

/* The rows of a window that have room, by how much: a tree over the rooms 0..length, each node with the
 * number of rows below it, to find the smallest room that suffices; and for each room the rows that have it,
 * as a stack. */
typedef struct rooms {
    int size; /* leaves, a power of two above length */
    int *counts, *heads;
} rooms;

static void rooms_count(rooms *r, int room, int by)
{
    for (int i = r->size + room; i >= 1; i /= 2)
        r->counts[i] += by;
}

/* The smallest room of at least `least` that some row has; -1 if none does. */
static int rooms_find(const rooms *r, int least)
{
    int i = r->size + least;
    if (r->counts[i])
        return least;
    for (; i > 1; i /= 2)
        if (i % 2 == 0 && r->counts[i + 1]) {
            i++;
            while (i < r->size)
                i = r->counts[2 * i] ? 2 * i : 2 * i + 1;
            return i - r->size;
        }
    return -1;
}

/* A row of the window. */
typedef struct bin {
    int head, last,
        lowest;      /* pieces: the first and the last that were laid, and the one of the earliest text */
    int room, below; /* below: the next row of that room */
} bin;

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int by_lowest(const void *a, const void *b)
{
    int x = ((const bin *)a)->lowest, y = ((const bin *)b)->lowest;
    return (x > y) - (x < y);
}

static void lay(lm_token_blocks *b, rooms *r, bin *bins, int *count, int p)
{
    piece *x = &b->pieces[p];
    int room = rooms_find(r, x->len), at = room < 0 ? (*count)++ : r->heads[room];
    bin *y = &bins[at];
    x->next = -1;
    if (room < 0) {
        *y = (bin){p, p, p, b->length - x->len, -1};
    } else {
        r->heads[room] = y->below;
        rooms_count(r, room, -1);
        b->pieces[y->last].next = p;
        y->last = p;
        y->lowest = p < y->lowest ? p : y->lowest;
        y->room = room - x->len;
    }
    y->below = r->heads[y->room];
    r->heads[y->room] = at;
    rooms_count(r, y->room, 1);
}

/* The pieces of a row in the order of the texts. */
static bool put_bin(lm_token_blocks *b, const bin *row, uint64_t *keys, lm_status *st)
{
    size_t n = 0;
    for (int p = row->head; p >= 0; p = b->pieces[p].next)
        keys[n++] = (uint64_t)p;
    qsort(keys, n, sizeof *keys, by_key);
    b->number = b->pieces[row->lowest].number;
    for (size_t i = 0; i < n; i++)
        append(b, b->tokens + b->pieces[keys[i]].from, b->masked ? b->masks + b->pieces[keys[i]].from : NULL,
               b->pieces[keys[i]].len);
    return put(b, st);
}

/* Best-fit decreasing over the window's pieces, those of one length in the order of the texts; rows in the
 * order of their earliest texts. */
static bool put_window(lm_token_blocks *b, lm_status *st)
{
    size_t n = b->piece_count;
    int count = 0;
    bool ok = true;
    rooms r = {.size = 1};
    while (r.size <= b->length)
        r.size *= 2;
    r.counts = lm_calloc(2 * (size_t)r.size, sizeof *r.counts);
    r.heads = lm_malloc((size_t)r.size, sizeof *r.heads);
    memset(r.heads, 0xff, (size_t)r.size * sizeof *r.heads);
    bin *bins = lm_malloc(n, sizeof *bins);
    uint64_t *keys = lm_malloc(n, sizeof *keys);
    for (size_t i = 0; i < n; i++)
        keys[i] = (uint64_t)(b->length - b->pieces[i].len) << 32 | i;
    qsort(keys, n, sizeof *keys, by_key);
    for (size_t i = 0; i < n; i++)
        lay(b, &r, bins, &count, (int)(keys[i] & UINT32_MAX));
    qsort(bins, (size_t)count, sizeof *bins, by_lowest);
    for (int i = 0; i < count && ok; i++)
        ok = put_bin(b, &bins[i], keys, st);
    free(r.counts);
    free(r.heads);
    free(bins);
    free(keys);
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
        int len = n - i < (size_t)b->length ? (int)(n - i) : b->length;
        LM_GROW(b->pieces, b->piece_count, b->piece_cap);
        b->pieces[b->piece_count++] = (piece){b->token_count + i, len, -1, number};
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
