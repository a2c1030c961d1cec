/* Rows in an order that the seed gives, in bounded memory. */
#include "base/random.h"
#include "base/signals.h"
#include "stream/filters_internal.h"
#include "stream/lines.h"

enum { AHEAD = 32, BLOCK = 128 * 1024 }; /* rows that are asked for before they are read; what is written at a time */

/* All have come: puts them into the order of the seed. */
static bool finish(lm_lines *lines, uint64_t seed, lm_status *st)
{
    if (!lm_lines_finish(lines, st))
        return false;
    if (lm_lines_count(lines) > UINT32_MAX)
        return lm_fail(st, LM_FAILED, "%llu rows are more than can be shuffled: --split them first",
                       (unsigned long long)lm_lines_count(lines));
    lm_lines_shuffle(lines, lm_random_key(seed, LM_FOR_SHUFFLE, 0));
    return true;
}

/* The next row in that order. */
static lm_str row_at(const lm_lines *lines, uint64_t i)
{
    if (i + AHEAD < lm_lines_count(lines))
        lm_lines_expect(lines, i + AHEAD);
    return lm_lines_at(lines, i);
}

static bool shuffle_tokens(lm_flow *flow, lm_lines *lines, lm_filter_out *out, lm_status *st)
{
    lm_row_strings *strings = lm_row_strings_new();
    while (lm_flow_next(flow, st) > 0)
        if (!lm_row_strings_write(strings, &flow->record, lines, st))
            break;
    if (lm_ok(st) && finish(lines, flow->filter->seed, st))
        for (uint64_t i = 0; i < lm_lines_count(lines); i++)
            if (!lm_packer_add_string(out->packer, strings, row_at(lines, i), st) || !lm_signal_check(st))
                break;
    lm_row_strings_free(strings);
    return lm_ok(st);
}

/* Lines that are records as they stand, many at a time. */
static bool put_records(const lm_lines *lines, lm_lms_writer *writer, lm_status *st)
{
    lm_buf block = {0};
    uint64_t n = lm_lines_count(lines), in_block = 0;
    lm_buf_reserve(&block, BLOCK);
    for (uint64_t i = 0; i < n; i++) {
        lm_str line = row_at(lines, i);
        if (block.cap - block.len < line.len) {
            if (!lm_lms_write_lines(writer, lm_buf_str(&block), in_block, st) || !lm_signal_check(st))
                break;
            block.len = in_block = 0;
        }
        lm_buf_append(&block, line.data, line.len);
        in_block++;
    }
    if (lm_ok(st))
        lm_lms_write_lines(writer, lm_buf_str(&block), in_block, st);
    lm_buf_free(&block);
    return lm_ok(st);
}

static bool shuffle_records(lm_flow *flow, lm_lines *lines, lm_filter_out *out, lm_status *st)
{
    lm_str more;
    while (lm_flow_next(flow, st) > 0)
        if ((!flow->record.flush && !lm_lines_add(lines, flow->record.line, st)) ||
            (lm_lms_next_lines(flow->reader, UINT64_MAX, &more) && !lm_lines_add_framed(lines, more, st)))
            break;
    return lm_ok(st) && finish(lines, flow->filter->seed, st) && put_records(lines, out->writer, st);
}

static bool shuffle_text(lm_flow *flow, lm_lines *lines, lm_filter_out *out, lm_status *st)
{
    while (lm_flow_next(flow, st) > 0)
        if (!flow->record.flush && !lm_lines_add(lines, lm_buf_str(&flow->json), st))
            break;
    if (lm_ok(st) && finish(lines, flow->filter->seed, st))
        for (uint64_t i = 0; i < lm_lines_count(lines); i++)
            if (!lm_filter_out_line(out, row_at(lines, i), st) || !lm_signal_check(st))
                break;
    return lm_ok(st);
}

bool lm_filter_shuffle(const lm_filter *filter, lm_status *st)
{
    lm_flow flow;
    lm_filter_out out = {0};
    lm_lines *lines = lm_lines_new(filter->memory);
    if (lm_flow_open(&flow, filter, st)) {
        if (flow.reader && lm_lms_reader_kind(flow.reader) == LM_KIND_MODEL)
            lm_fail(st, LM_FAILED, "%s: a model has no rows", lm_input_name(flow.in));
        else if (!lm_filter_out_open(&out, &flow, filter->output, st))
            ;
        else if (lm_flow_is_tokens(&flow))
            shuffle_tokens(&flow, lines, &out, st);
        else if (flow.reader)
            shuffle_records(&flow, lines, &out, st);
        else
            shuffle_text(&flow, lines, &out, st);
    }
    lm_filter_out_close(&out, st);
    lm_flow_close(&flow);
    lm_lines_free(lines);
    return lm_ok(st);
}
