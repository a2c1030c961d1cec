#include "train/data/packed_rows.h"

#include "base/best_fit.h"
#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>

/* `len` tokens from token `from` of a row on, which may go on into the rows after it. */
typedef struct piece {
    uint32_t row, from, len;
} piece;

struct lm_packed_rows {
    lm_instances_options how;
    lm_spool_range rows;
    unsigned columns; /* that some row has */
    uint64_t texts, tokens;
    piece *pieces;
    uint64_t piece_count, piece_cap;
    lm_bins bins; /* of best fit; wrapped, each piece is an example */
    uint32_t count, *lengths;
};

/* Whether a row goes on with the text of the one before. */
static bool goes_on(const lm_tokens_row *before, const lm_tokens_row *row)
{
    return before->has_doc && row->has_doc && before->doc == row->doc;
}

/* The pieces of an example are numbers [first, last) of ... */
static void range_of(const lm_packed_rows *p, uint32_t i, uint32_t *first, uint32_t *last)
{
    *first = p->bins.splits ? p->bins.splits[i] : i;
    *last = p->bins.splits ? p->bins.splits[i + 1] : i + 1;
}

static const piece *piece_at(const lm_packed_rows *p, uint32_t k)
{
    return &p->pieces[p->bins.pieces ? p->bins.pieces[k] : k];
}

/* ------------------------------------------------------------------ laying out */

/* Columns that a row needs once another one has them; types alone have a value that says nothing. */
static bool same_columns(const lm_packed_rows *p, const lm_tokens_row *row, uint64_t i, lm_status *st)
{
    static const char *const names[LM_JOINED_COLUMNS] = {"ids", "types", "word_ids", "loss_mask", "mlm_labels"};
    unsigned other = (lm_joined_columns(row) ^ p->columns) & ~(unsigned)LM_JOINED_TYPES;
    for (int c = 0; c < LM_JOINED_COLUMNS && p->tokens && row->len; c++)
        if (other & 1u << c)
            return lm_spool_range_fail(&p->rows, i, st, "some rows have a column %s and others none: they cannot be packed "
                                   "together (--packing)", names[c]);
    if (row->has_weight && row->weight != 1)
        return lm_spool_range_fail(&p->rows, i, st, "a weight is that of a row, and --packing joins rows: leave out one of the two");
    if (row->target_ids)
        return lm_spool_range_fail(&p->rows, i, st, "a target is that of a row, and --packing joins rows: leave out one of the two");
    return true;
}

static void add_piece(lm_packed_rows *p, piece *x)
{
    LM_GROW(p->pieces, p->piece_count, p->piece_cap);
    p->pieces[p->piece_count++] = *x;
    x->len = 0;
}

/* Cuts the rows into pieces: of `length` tokens each, or of texts, none longer. */
static bool cut(lm_packed_rows *p, lm_status *st)
{
    bool whole = p->how.kind == LM_INSTANCES_BEST_FIT;
    piece x = {0};
    lm_tokens_row before = {0}, row;
    for (uint64_t i = 0; i < p->rows.count; i++, before = row) {
        lm_spool_range_get(&p->rows, i, &row);
        if (!same_columns(p, &row, i, st))
            return false;
        p->columns |= row.len ? lm_joined_columns(&row) : 0;
        bool begins = i == 0 || !goes_on(&before, &row);
        p->texts += begins;
        p->tokens += row.len;
        if (begins && whole && x.len)
            add_piece(p, &x);
        for (size_t at = 0; at < row.len;) {
            if (!x.len)
                x = (piece){(uint32_t)i, (uint32_t)at, 0};
            size_t room = p->how.length - x.len, n = row.len - at < room ? row.len - at : room;
            x.len += (uint32_t)n;
            at += n;
            if (x.len == p->how.length)
                add_piece(p, &x);
        }
    }
    if (whole && x.len)
        add_piece(p, &x);
    if (p->piece_count > UINT32_MAX - 1)
        return lm_fail(st, LM_FAILED, "%" PRIu64 " packed rows, and at most %" PRIu32 " can be shuffled: train in one pass "
                       "(--epochs 1 --shuffle-window 100k)", p->piece_count, UINT32_MAX - 1);
    return true;
}

static void fill_bins(lm_packed_rows *p)
{
    uint32_t n = (uint32_t)p->piece_count;
    uint32_t *lengths = lm_malloc((size_t)n + 1, sizeof *lengths);
    for (uint32_t i = 0; i < n; i++)
        lengths[i] = p->pieces[i].len;
    lm_best_fit(lengths, n, p->how.length, &p->bins);
    free(lengths);
    p->count = p->bins.count;
}

lm_packed_rows *lm_packed_rows_new(const lm_spool_range *rows, const lm_instances_options *how, lm_status *st)
{
    lm_packed_rows *p = lm_calloc(1, sizeof *p);
    *p = (lm_packed_rows){.how = *how, .rows = *rows};
    if (!cut(p, st)) {
        lm_packed_rows_free(p);
        return NULL;
    }
    p->count = (uint32_t)p->piece_count;
    if (how->kind == LM_INSTANCES_BEST_FIT)
        fill_bins(p);
    p->lengths = lm_calloc((size_t)p->count + 1, sizeof *p->lengths);
    for (uint32_t i = 0; i < p->count; i++) {
        uint32_t k, last;
        for (range_of(p, i, &k, &last); k < last; k++)
            p->lengths[i] += piece_at(p, k)->len;
    }
    return p;
}

void lm_packed_rows_free(lm_packed_rows *p)
{
    if (!p)
        return;
    lm_bins_free(&p->bins);
    free(p->pieces);
    free(p->lengths);
    free(p);
}

uint32_t lm_packed_rows_count(const lm_packed_rows *p)
{
    return p->count;
}

const uint32_t *lm_packed_rows_lengths(const lm_packed_rows *p)
{
    return p->lengths;
}

void lm_packed_rows_log(const lm_packed_rows *p)
{
    uint64_t kept = 0;
    for (uint32_t i = 0; i < p->count; i++)
        kept += p->lengths[i];
    lm_info("packing: %" PRIu64 " texts of %" PRIu64 " tokens make %" PRIu32 " rows of up to %" PRIu32 " (%.1f %% full); %" PRIu64
            " tokens at the end are left out", p->texts, p->tokens, p->count, p->how.length,
            100.0 * (double)kept / ((double)p->count * p->how.length), p->tokens - kept);
}

/* ------------------------------------------------------------------ putting together */

static void append_piece(const lm_packed_rows *p, const piece *x, lm_joined_row *j)
{
    uint32_t left = x->len, from = x->from;
    lm_tokens_row before = {0}, row, part;
    for (uint64_t i = x->row; left; i++, from = 0, before = row) {
        lm_spool_range_get(&p->rows, i, &row);
        if (i == x->row || !goes_on(&before, &row))
            lm_joined_row_begin_text(j);
        uint32_t n = row.len - from < left ? (uint32_t)(row.len - from) : left;
        lm_tokens_row_part(&row, from, n, &part);
        lm_joined_row_add(j, &part);
        left -= n;
    }
}

void lm_packed_rows_get(const lm_packed_rows *p, uint32_t i, lm_arena *room, lm_tokens_row *row)
{
    uint32_t k, last;
    lm_joined_row j;
    lm_joined_row_begin(&j, p->columns, p->lengths[i], room);
    for (range_of(p, i, &k, &last); k < last; k++)
        append_piece(p, piece_at(p, k), &j);
    lm_joined_row_give(&j, row);
}
