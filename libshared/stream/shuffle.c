/* Rows in an order that the seed gives, in bounded memory. */
#include "base/memory.h"
#include "base/random.h"
#include "base/signals.h"
#include "stream/filters_internal.h"
#include "stream/lines.h"
#include "stream/spool.h"

#include <stdlib.h>

enum { NEAR = 8, FAR = 16 }; /* rows ahead: memory is slow where it is read in a random order */

static uint32_t *permutation_of(uint64_t rows, uint64_t seed, lm_status *st)
{
    if (rows > UINT32_MAX)
        return lm_fail(st, LM_FAILED, "%llu rows are more than can be shuffled: --split them first",
                       (unsigned long long)rows), NULL;
    uint32_t *p = lm_try_malloc(rows ? rows : 1, sizeof *p, "the order of the rows", st);
    if (p)
        lm_random_permutation(lm_random_key(seed, LM_FOR_SHUFFLE, 0), 0, p, (uint32_t)rows);
    return p;
}

static bool shuffle_tokens(lm_flow *flow, lm_filter_out *out, lm_status *st)
{
    const lm_filter *f = flow->filter;
    lm_spool *spool = lm_spool_new(&(lm_spool_options){.memory = f->memory}, st);
    uint32_t *order = NULL;
    while (spool && lm_flow_next(flow, st) > 0)
        if (!lm_spool_add(spool, &flow->record, st))
            break;
    if (lm_ok(st) && lm_spool_finish(spool, NULL, st))
        order = permutation_of(lm_spool_rows(spool), f->seed, st);
    for (uint64_t i = 0, rows = order ? lm_spool_rows(spool) : 0; i < rows; i++) {
        if (i + FAR < rows)
            lm_spool_expect(spool, order[i + FAR], false);
        if (i + NEAR < rows)
            lm_spool_expect(spool, order[i + NEAR], true);
        if (!lm_spool_pack(spool, order[i], out->packer, st) || !lm_signal_check(st))
            break;
    }
    free(order);
    lm_spool_free(spool);
    return lm_ok(st);
}

/* The text records that have come with the one in hand. */
static bool add_lines(lm_lines *lines, lm_lms_reader *reader, lm_status *st)
{
    lm_str all;
    return !lm_lms_next_lines(reader, UINT64_MAX, &all) || lm_lines_add_framed(lines, all, st);
}

static bool shuffle_text(lm_flow *flow, lm_filter_out *out, lm_status *st)
{
    lm_lines *lines = lm_lines_new(flow->filter->memory);
    uint32_t *order = NULL;
    while (lm_flow_next(flow, st) > 0)
        if ((!flow->record.flush &&
             !lm_lines_add(lines, flow->reader ? flow->record.line : lm_buf_str(&flow->json), st)) ||
            (flow->reader && !add_lines(lines, flow->reader, st)))
            break;
    if (lm_ok(st) && lm_lines_finish(lines, st))
        order = permutation_of(lm_lines_count(lines), flow->filter->seed, st);
    for (uint64_t i = 0, n = order ? lm_lines_count(lines) : 0; i < n; i++) {
        if (i + FAR < n)
            lm_lines_expect(lines, order[i + FAR], false);
        if (i + NEAR < n)
            lm_lines_expect(lines, order[i + NEAR], true);
        if (!lm_filter_out_line(out, lm_lines_at(lines, order[i]), st) || !lm_signal_check(st))
            break;
    }
    free(order);
    lm_lines_free(lines);
    return lm_ok(st);
}

bool lm_filter_shuffle(const lm_filter *filter, lm_status *st)
{
    lm_flow flow;
    lm_filter_out out = {0};
    if (lm_flow_open(&flow, filter, st)) {
        if (flow.reader && lm_lms_reader_kind(flow.reader) == LM_KIND_MODEL)
            lm_fail(st, LM_FAILED, "%s: a model has no rows", lm_input_name(flow.in));
        else if (!lm_filter_out_open(&out, &flow, filter->output, st))
            ;
        else if (lm_flow_is_tokens(&flow))
            shuffle_tokens(&flow, &out, st);
        else
            shuffle_text(&flow, &out, st);
    }
    lm_filter_out_close(&out, st);
    lm_flow_close(&flow);
    return lm_ok(st);
}
