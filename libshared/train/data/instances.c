#include "train/data/instances.h"

#include "base/memory.h"
#include "train/data/packed_rows.h"
#include "train/data/sentence_pairs.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is made of a source's rows: one of the two, or of rows as they stand none. */
typedef struct source_part {
    lm_packed_rows *packed;
    lm_sentence_pairs *pairs;
} source_part;

struct lm_instances {
    lm_instances_options how;
    lm_spool_range rows;
    size_t sources;
    source_part *parts; /* [sources] */
    uint32_t *first;    /* [sources+1] */
    uint32_t *lengths;  /* of all sources, where there are several; else NULL */
    uint64_t epoch;
};

/* ------------------------------------------------------------------ rows */

uint64_t lm_spool_range_number(const lm_spool_range *range, uint64_t i)
{
    return range->subset ? range->subset->rows[range->first + i] : range->first + i;
}

void lm_spool_range_get(const lm_spool_range *range, uint64_t i, lm_tokens_row *row)
{
    lm_spool_row(range->spool, lm_spool_range_number(range, i), row);
}

bool lm_spool_range_fail(const lm_spool_range *range, uint64_t i, lm_status *st, const char *format, ...)
{
    char row[32];
    va_list args;
    va_start(args, format);
    lm_vfail(st, LM_FAILED, format, args);
    va_end(args);
    snprintf(row, sizeof row, "row %" PRIu64, range->number + lm_spool_range_number(range, i) + 1);
    return lm_fail_prefix(st, row);
}

static const uint32_t *row_lengths(const lm_spool_range *range)
{
    return (range->subset ? range->subset->lengths : lm_spool_lengths(range->spool)) + range->first;
}

/* ------------------------------------------------------------------ laying out */

static bool is_pairs(lm_instance_kind kind)
{
    return kind == LM_INSTANCES_NEXT_SENTENCE || kind == LM_INSTANCES_SENTENCE_ORDER;
}

/* Somebody has made the pairs already. */
static bool has_labels(const lm_spool_range *rows)
{
    lm_tokens_row row = {0};
    if (rows->count)
        lm_spool_range_get(rows, 0, &row);
    return row.has_label_id || row.has_label_word;
}

static uint32_t count_of(const source_part *p)
{
    return p->pairs ? lm_sentence_pairs_count(p->pairs) : lm_packed_rows_count(p->packed);
}

static const uint32_t *lengths_of(const source_part *p)
{
    return p->pairs ? lm_sentence_pairs_lengths(p->pairs) : lm_packed_rows_lengths(p->packed);
}

/* Counts the examples of each source, and lines up their lengths. */
static void line_up(lm_instances *in)
{
    for (size_t k = 0; k < in->sources; k++)
        in->first[k + 1] = in->first[k] + count_of(&in->parts[k]);
    if (in->sources == 1)
        return;
    in->lengths = lm_realloc(in->lengths, (size_t)in->first[in->sources] + 1, sizeof *in->lengths);
    for (size_t k = 0; k < in->sources; k++)
        memcpy(in->lengths + in->first[k], lengths_of(&in->parts[k]), count_of(&in->parts[k]) * sizeof *in->lengths);
}

static bool make_part(lm_instances *in, size_t source, const uint32_t *first, lm_status *st)
{
    source_part *p = &in->parts[source];
    lm_spool_range rows = in->rows;
    if (first) {
        rows.first += first[source];
        rows.count = first[source + 1] - first[source];
    }
    if (is_pairs(in->how.kind))
        p->pairs = lm_sentence_pairs_new(&rows, &in->how, st);
    else
        p->packed = lm_packed_rows_new(&rows, &in->how, st);
    return lm_ok(st);
}

lm_instances *lm_instances_new(const lm_spool_range *rows, const uint32_t *first, size_t sources, const lm_instances_options *how,
                               lm_status *st)
{
    lm_instances *in = lm_calloc(1, sizeof *in);
    *in = (lm_instances){.how = *how, .rows = *rows, .sources = first ? sources : 1};
    in->parts = lm_calloc(in->sources, sizeof *in->parts);
    in->first = lm_calloc(in->sources + 1, sizeof *in->first);
    if (is_pairs(how->kind) && has_labels(rows))
        in->how.kind = LM_INSTANCES_ROWS;
    in->first[in->sources] = (uint32_t)rows->count;
    if (in->how.kind == LM_INSTANCES_ROWS) {
        if (first)
            memcpy(in->first, first, (sources + 1) * sizeof *first);
        return in;
    }
    for (size_t k = 0; k < in->sources; k++)
        if (!make_part(in, k, first, st)) {
            lm_instances_free(in);
            return NULL;
        }
    line_up(in);
    return in;
}

void lm_instances_free(lm_instances *in)
{
    if (!in)
        return;
    for (size_t k = 0; k < in->sources; k++) {
        lm_packed_rows_free(in->parts[k].packed);
        lm_sentence_pairs_free(in->parts[k].pairs);
    }
    free(in->parts);
    free(in->first);
    free(in->lengths);
    free(in);
}

lm_instance_kind lm_instances_kind(const lm_instances *in)
{
    return in->how.kind;
}

bool lm_instances_lay_out(lm_instances *in, uint64_t epoch)
{
    if (in->sources > 1 || !in->parts[0].pairs || epoch == in->epoch)
        return false;
    lm_sentence_pairs_lay_out(in->parts[0].pairs, epoch);
    line_up(in);
    in->epoch = epoch;
    return true;
}

uint64_t lm_instances_count(const lm_instances *in)
{
    return in->first[in->sources];
}

const uint32_t *lm_instances_first(const lm_instances *in)
{
    return in->first;
}

const uint32_t *lm_instances_lengths(const lm_instances *in)
{
    return in->how.kind == LM_INSTANCES_ROWS ? row_lengths(&in->rows) : in->lengths ? in->lengths : lengths_of(&in->parts[0]);
}

/* ------------------------------------------------------------------ putting together */

void lm_instances_get(const lm_instances *in, uint64_t i, lm_arena *room, lm_tokens_row *row)
{
    size_t k = 0;
    while (i >= in->first[k + 1])
        k++;
    const source_part *p = &in->parts[k];
    uint32_t at = (uint32_t)(i - in->first[k]);
    if (p->pairs)
        lm_sentence_pairs_get(p->pairs, at, room, row);
    else if (p->packed)
        lm_packed_rows_get(p->packed, at, room, row);
    else
        lm_spool_range_get(&in->rows, i, row);
    if (in->how.across) {
        row->seq_lengths = NULL;
        row->seq_count = 0;
    }
}

uint64_t lm_instances_number(const lm_instances *in, uint64_t i)
{
    return in->how.kind == LM_INSTANCES_ROWS ? lm_spool_range_number(&in->rows, i) : i;
}

void lm_instances_log(const lm_instances *in)
{
    for (size_t k = 0; k < in->sources; k++) {
        if (in->parts[k].pairs)
            lm_sentence_pairs_log(in->parts[k].pairs);
        if (in->parts[k].packed)
            lm_packed_rows_log(in->parts[k].packed);
    }
}
