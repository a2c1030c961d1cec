#include "stream/filters.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "base/tool.h"
#include "stream/filters_internal.h"
#include "stream/tokens.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------- in */

/* Streams of different vocabularies make no stream: their ids mean different tokens. */
static bool check_tokenizer(lm_flow *flow, lm_status *st)
{
    lm_tokenizer_info first, now;
    if (!lm_tokenizer_info_read(flow->preamble, &first, st) ||
        !lm_tokenizer_info_read(lm_lms_reader_preamble(flow->reader), &now, st))
        return false;
    bool other = first.present != now.present || (first.has_xxh3 && now.has_xxh3 && first.xxh3 != now.xxh3) ||
                 (first.vocab_size >= 0 && now.vocab_size >= 0 && first.vocab_size != now.vocab_size);
    return !other || lm_fail(st, LM_FAILED, "%s: its tokens were made by another tokenizer than those before it",
                             lm_input_name(flow->in));
}

bool lm_flow_is_tokens(const lm_flow *flow)
{
    return flow->reader && lm_lms_reader_kind(flow->reader) == LM_KIND_TOKENS;
}

bool lm_flow_open(lm_flow *flow, const lm_filter *filter, lm_status *st)
{
    bool is_lms = filter->records.format == LM_FORMAT_LMS;
    *flow = (lm_flow){.filter = filter};
    flow->in = lm_input_open_all(filter->operands, st);
    if (!flow->in || (filter->records.format == LM_FORMAT_AUTO && !lm_lms_detect(flow->in, &is_lms, st)))
        return false;
    if (is_lms && !filter->text) {
        flow->reader = lm_lms_reader_new(flow->in, st);
        if (!flow->reader)
            return false;
        flow->preamble = json_incref(lm_lms_reader_preamble(flow->reader));
        flow->streams = 1;
        return true;
    }
    lm_records_options o = filter->records;
    flow->chosen = o.text || o.pair || o.label || o.id;
    o.textless = !filter->framed && !o.text;
    flow->records = lm_records_new(flow->in, &o, st);
    if (flow->records)
        flow->preamble = json_incref(lm_records_preamble(flow->records));
    return flow->records != NULL;
}

void lm_flow_close(lm_flow *flow)
{
    if (flow->records && lm_records_rejected(flow->records))
        lm_warn("%llu records were rejected: see %s", (unsigned long long)lm_records_rejected(flow->records),
                flow->filter->records.rejects);
    lm_lms_reader_free(flow->reader);
    lm_records_free(flow->records);
    lm_input_close(flow->in);
    json_decref(flow->preamble);
    lm_buf_free(&flow->json);
}

int lm_flow_next(lm_flow *flow, lm_status *st)
{
    if (!lm_signal_check(st))
        return -1;
    if (flow->reader) {
        int rc = lm_lms_next(flow->reader, &flow->record, st);
        if (rc > 0 && lm_lms_reader_streams(flow->reader) != flow->streams) {
            flow->streams = lm_lms_reader_streams(flow->reader);
            if (lm_flow_is_tokens(flow) && !check_tokenizer(flow, st))
                return -1;
        }
        return rc;
    }
    lm_text_record *t = &flow->text;
    int rc = lm_records_next(flow->records, t, st);
    flow->record = (lm_record){.flush = rc > 0 && t->flush, .n = 1};
    flow->json.len = 0;
    if (rc <= 0 || t->flush || flow->filter->mode == LM_FILTER_COUNT || flow->filter->mode == LM_FILTER_CHECK)
        return rc; /* counted alone */
    if (t->source.data && !flow->filter->framed && !flow->chosen)
        lm_buf_append(&flow->json, t->source.data, t->source.len); /* a line stays as it is */
    else
        lm_text_record_json(t, flow->filter->framed, &flow->json);
    return rc;
}

/* ---------------------------------------------------------------------------------------------------- out */

bool lm_filter_out_open(lm_filter_out *out, const lm_flow *flow, const char *path, lm_status *st)
{
    *out = (lm_filter_out){0};
    bool lms = flow->reader || flow->filter->framed;
    out->file = lm_output_file_open(path, st);
    if (!out->file || !lms)
        return out->file != NULL;
    lm_lms_kind kind = flow->reader ? lm_lms_reader_kind(flow->reader) : LM_KIND_TEXT;
    if (!lm_tool_refuse_terminal(lm_output_file_fd(out->file), "streams", st))
        return false;
    out->writer = lm_lms_writer_new(lm_output_file_fd(out->file), lm_output_file_name(out->file), kind, flow->preamble,
                                    json_object_get(flow->preamble, "via"), flow->filter->command, st);
    if (out->writer && kind == LM_KIND_TOKENS)
        out->packer = lm_packer_new(lm_write_sink, out->writer, false);
    return out->writer != NULL;
}

static bool write_lines(lm_filter_out *out, lm_status *st)
{
    size_t n = out->lines.len;
    out->lines.len = 0;
    return lm_write_all(lm_output_file_fd(out->file), out->lines.data, n, lm_output_file_name(out->file), st);
}

bool lm_filter_out_line(lm_filter_out *out, lm_str line, lm_status *st)
{
    enum { BUFFER = 256 * 1024 };
    out->rows++;
    if (!out->writer) {
        lm_buf_append(&out->lines, line.data, line.len);
        lm_buf_putc(&out->lines, '\n');
        return out->lines.len < BUFFER || write_lines(out, st);
    }
    if (line.len && line.data[line.len - 1] == '\n')
        return lm_lms_write_verbatim(out->writer, &(lm_record){.line = line, .n = 1}, st);
    return lm_lms_write_members(out->writer, (lm_str){line.data + 1, line.len - 2}, 1, NULL, 0, st);
}

bool lm_filter_out_put(lm_filter_out *out, lm_flow *flow, lm_status *st)
{
    if (out->packer && !lm_packer_flush(out->packer, st))
        return false;
    if (flow->record.flush && !out->writer)
        return write_lines(out, st);
    if (flow->record.flush && !flow->reader)
        return lm_lms_write_flush(out->writer, st);
    if (!flow->reader)
        return lm_filter_out_line(out, lm_buf_str(&flow->json), st);
    out->rows += (uint64_t)flow->record.n;
    return lm_lms_write_verbatim(out->writer, &flow->record, st);
}

bool lm_filter_out_close(lm_filter_out *out, lm_status *st)
{
    if (out->writer) {
        if (lm_ok(st) && out->packer)
            lm_packer_flush(out->packer, st);
        lm_lms_writer_close(out->writer, st);
    } else if (out->file && out->lines.len) {
        lm_status ignored = LM_STATUS_INIT;
        write_lines(out, lm_ok(st) ? st : &ignored);
    }
    if (out->file && lm_ok(st))
        lm_output_file_publish(out->file, st);
    else if (out->file)
        lm_output_file_discard(out->file, st->code != LM_USAGE);
    lm_packer_free(out->packer);
    lm_lms_writer_free(out->writer);
    lm_buf_free(&out->lines);
    *out = (lm_filter_out){0};
    return lm_ok(st);
}

/* ---------------------------------------------------------------------------------------------------- cat, head */

/* Puts the first rows of the record in hand; *left is how many may still go out. */
static bool put_some(lm_filter_out *out, lm_flow *flow, lm_rows *rows, int64_t *left, lm_status *st)
{
    if (flow->record.n <= *left || flow->record.flush || !lm_flow_is_tokens(flow)) {
        *left -= flow->record.flush ? 0 : flow->record.n;
        return lm_filter_out_put(out, flow, st);
    }
    bool ok = lm_rows_read(rows, &flow->record, st) && lm_packer_add(out->packer, rows, 0, *left, st);
    *left = 0;
    return ok;
}

/* And the text records that have come with it. */
static bool put_lines(lm_filter_out *out, lm_flow *flow, int64_t *left, lm_status *st)
{
    lm_str lines;
    uint64_t n = flow->reader ? lm_lms_next_lines(flow->reader, (uint64_t)*left, &lines) : 0;
    *left -= (int64_t)n;
    out->rows += n;
    return !n || lm_lms_write_lines(out->writer, lines, n, st);
}

static bool cat(const lm_filter *filter, int64_t most, lm_status *st)
{
    lm_flow flow;
    lm_filter_out out = {0};
    lm_rows *rows = lm_rows_new(NULL);
    int64_t left = most;
    if (lm_flow_open(&flow, filter, st)) {
        if (filter->mode == LM_FILTER_HEAD && flow.reader && lm_lms_reader_kind(flow.reader) == LM_KIND_MODEL)
            lm_fail(st, LM_FAILED, "%s: a model has no rows", lm_input_name(flow.in));
        else if (lm_filter_out_open(&out, &flow, filter->output, st))
            while (left > 0 && lm_flow_next(&flow, st) > 0)
                if (!put_some(&out, &flow, rows, &left, st) || !put_lines(&out, &flow, &left, st))
                    break;
    }
    lm_filter_out_close(&out, st);
    lm_flow_close(&flow);
    lm_rows_free(rows);
    return lm_ok(st);
}

bool lm_filter_run(const lm_filter *filter, lm_status *st)
{
    switch (filter->mode) {
    case LM_FILTER_HEAD: return cat(filter, filter->head, st);
    case LM_FILTER_SHUFFLE: return lm_filter_shuffle(filter, st);
    case LM_FILTER_SPLIT: return lm_filter_split(filter, st);
    case LM_FILTER_VIEW: return lm_filter_view(filter, st);
    case LM_FILTER_CHECK: return lm_filter_check(filter, st);
    case LM_FILTER_COUNT: return lm_filter_count(filter, st);
    default: return cat(filter, INT64_MAX, st);
    }
}
