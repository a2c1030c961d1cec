/* Streams for people: a rendering, a check, counts. */
#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "stream/filters_internal.h"
#include "stream/rows_internal.h"
#include "stream/tokens.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------- values */

static void print_number(lm_dtype t, const char *p, lm_buf *out)
{
    union {
        float f;
        double d;
        int64_t i64;
        int32_t i32;
        int16_t i16;
        int8_t i8;
        uint8_t u8;
    } v;
    memcpy(&v, p, lm_dtype_block_bytes(t));
    switch (t) {
    case LM_F64: lm_buf_printf(out, "%.17g", v.d); break;
    case LM_I64: lm_buf_printf(out, "%" PRId64, v.i64); break;
    case LM_I32: lm_buf_printf(out, "%" PRId32, v.i32); break;
    case LM_I16: lm_buf_printf(out, "%d", v.i16); break;
    case LM_I8: lm_buf_printf(out, "%d", v.i8); break;
    case LM_U8: lm_buf_printf(out, "%u", v.u8); break;
    case LM_BOOL: lm_buf_puts(out, v.u8 ? "true" : "false"); break;
    default:
        if (lm_to_f32(t, p, 1, &v.f))
            lm_buf_printf(out, "%.9g", (double)v.f);
    }
}

/* The values of a row, the elements of the last dimensions in brackets. */
static void print_values(const lm_column *c, lm_str bytes, lm_buf *out)
{
    size_t size = lm_dtype_block_bytes(c->dtype), width = 1;
    if (lm_dtype_block(c->dtype) > 1) {
        lm_buf_printf(out, " (%zu bytes)", bytes.len);
        return;
    }
    for (int d = 1; d < c->shape.dims; d++)
        width *= (size_t)c->shape.size[d];
    for (size_t i = 0; i * size < bytes.len; i++) {
        bool group = c->shape.dims > 1 && width > 0;
        lm_buf_puts(out, group && i % width == 0 ? " [" : group ? "," : " ");
        print_number(c->dtype, bytes.data + i * size, out);
        lm_buf_puts(out, group && (i + 1) % width == 0 ? "]" : "");
    }
}

static bool is_text(const lm_column *c)
{
    return c->dtype == LM_U8 && (!strcmp(c->name, "text") || !strcmp(c->name, "pair"));
}

/* Control characters could do things to a terminal. */
static void print_text(lm_str s, lm_buf *out)
{
    lm_buf valid = {0};
    lm_utf8_replace_invalid(s, &valid);
    for (size_t i = 0; i < valid.len; i++) {
        unsigned char c = (unsigned char)valid.data[i];
        if (c == '\n')
            lm_buf_puts(out, "\n    ");
        else if (c < 0x20 ? c != '\t' : c == 0x7f)
            lm_buf_printf(out, "\\x%02x", c);
        else
            lm_buf_putc(out, (char)c);
    }
    lm_buf_free(&valid);
}

/* ---------------------------------------------------------------------------------------------------- rows */

static void view_members(const lm_rows *rows, int64_t i, lm_buf *out)
{
    lm_str label = lm_rows_member(rows, "labels", i), id = lm_rows_member(rows, "id", i);
    if (id.data)
        lm_buf_printf(out, "  id %.*s\n", (int)id.len, id.data);
    if (label.data)
        lm_buf_printf(out, "  label %.*s\n", (int)label.len, label.data);
    for (size_t f = 0; f < rows->field_count; f++) {
        lm_str v = rows->fields[f].values[i], name = rows->fields[f].name;
        lm_buf_puts(out, "  field ");
        print_text(name, out);
        lm_buf_printf(out, " %.*s\n", (int)v.len, v.data);
    }
}

static bool is_ids(const lm_column *c)
{
    static const char *const names[] = {"ids", "target_ids", "chosen.ids", "rejected.ids", NULL};
    for (int i = 0; names[i]; i++)
        if (!strcmp(c->name, names[i]))
            return c->dtype == LM_I32 && c->shape.dims == 1;
    return false;
}

static bool view_row(const lm_rows *rows, int64_t i, uint64_t number, const lm_token_view *tokens, lm_buf *out,
                     lm_status *st)
{
    lm_buf_printf(out, "row %" PRIu64 ": %zu tokens\n", number, lm_rows_length(rows, i));
    view_members(rows, i, out);
    for (size_t k = 0; k < rows->count && lm_ok(st); k++) {
        const lm_row_column *c = &rows->columns[k];
        size_t begin, end;
        if (c->role.kind == LM_SPLITS)
            continue;
        lm_row_span(rows, c, i, &begin, &end);
        lm_str bytes = {(const char *)c->column->data + begin, end - begin};
        lm_buf_puts(out, "  ");
        print_text(lm_str_of(c->column->name), out);
        if (is_text(c->column)) {
            lm_buf_putc(out, ' ');
            print_text(bytes, out);
        } else {
            print_values(c->column, bytes, out);
        }
        lm_buf_putc(out, '\n');
        if (tokens && is_ids(c->column))
            tokens->show(tokens->context, (const int32_t *)(const void *)bytes.data, bytes.len / sizeof(int32_t), "    ",
                         out, st);
    }
    return lm_ok(st);
}

/* A record without rows, or whose columns are not by rows: what it holds, with the range of the values. */
static void view_column(const lm_column *c, lm_buf *out)
{
    size_t size = lm_dtype_block_bytes(c->dtype), n = c->bytes / size;
    double low = INFINITY, high = -INFINITY, sum = 0;
    lm_buf_puts(out, "  tensor ");
    print_text(lm_str_of(c->name), out);
    lm_buf_printf(out, " %s ", lm_dtype_name(c->dtype));
    lm_shape_print(&c->shape, out);
    for (size_t i = 0; i < n && lm_dtype_block(c->dtype) == 1; i++) {
        float f;
        if (!lm_to_f32(c->dtype, (const char *)c->data + i * size, 1, &f))
            break;
        low = fmin(low, (double)f);
        high = fmax(high, (double)f);
        sum += (double)f;
    }
    if (low <= high)
        lm_buf_printf(out, " from %.6g to %.6g, mean %.6g", low, high, sum / (double)n);
    lm_buf_putc(out, '\n');
}

static void view_header(const char *title, json_t *header, lm_buf *out)
{
    json_t *copy = json_copy(header);
    json_object_del(copy, "tensors");
    char *s = json_dumps(copy, JSON_COMPACT);
    lm_buf_printf(out, "%s %s\n", title, s ? s : "{}");
    free(s);
    json_decref(copy);
}

static bool view_lms(lm_flow *flow, lm_rows *rows, uint64_t *number, lm_buf *out, lm_status *st)
{
    const lm_record *r = &flow->record;
    if (r->flush) {
        lm_buf_puts(out, "flush\n");
        return true;
    }
    if (!lm_flow_is_tokens(flow) || !r->n) {
        view_header("record", lm_record_header(r), out);
        for (size_t i = 0; i < r->column_count; i++)
            view_column(&r->columns[i], out);
        *number += (uint64_t)r->n;
        return true;
    }
    if (!lm_rows_read(rows, r, st))
        return false;
    for (int64_t i = 0; i < r->n; i++)
        if (!view_row(rows, i, (*number)++, flow->filter->tokens, out, st))
            return lm_fail_prefix(st, lm_lms_reader_where(flow->reader));
    lm_str others = lm_buf_str(&rows->others);
    if (others.len)
        lm_buf_printf(out, "  also {%.*s}\n", (int)others.len - 1, others.data + 1);
    return true;
}

static void view_string(const char *name, lm_str value, lm_buf *out)
{
    if (!value.data)
        return;
    lm_buf_printf(out, "  %s ", name);
    print_text(value, out);
    lm_buf_putc(out, '\n');
}

static void view_text(const lm_text_record *t, lm_buf *out)
{
    lm_buf_printf(out, "row %" PRIu64 ":\n", t->number);
    if (t->id.data)
        lm_buf_printf(out, "  id %.*s\n", (int)t->id.len, t->id.data);
    view_string("label", t->label, out);
    for (size_t i = 0; i < t->label_count && !t->words; i++)
        view_string("label", t->labels[i], out);
    for (size_t i = 0; i < t->word_count; i++) {
        lm_buf_puts(out, "  word ");
        print_text(t->words[i], out);
        lm_buf_puts(out, t->labels ? " " : "");
        print_text(t->labels ? t->labels[i] : (lm_str){"", 0}, out);
        lm_buf_putc(out, '\n');
    }
    for (size_t i = 0; i < t->field_count; i++) {
        lm_buf_puts(out, "  field ");
        print_text(t->fields[i].name, out);
        lm_buf_printf(out, " %.*s\n", (int)t->fields[i].json.len, t->fields[i].json.data);
    }
    view_string("text", t->text, out);
    view_string("pair", t->pair, out);
}

bool lm_filter_view(const lm_filter *filter, lm_status *st)
{
    lm_flow flow = {0};
    lm_buf out = {0};
    lm_rows *rows = lm_rows_new(NULL);
    lm_output_file *file = lm_output_file_open(filter->output, st);
    uint64_t number = 0, streams = 0;
    bool open = file && lm_flow_open(&flow, filter, st);
    while (open && lm_flow_next(&flow, st) > 0) {
        if (flow.reader && lm_lms_reader_streams(flow.reader) != streams) {
            streams = lm_lms_reader_streams(flow.reader);
            view_header("stream", lm_lms_reader_preamble(flow.reader), &out);
            if (filter->tokens && lm_flow_is_tokens(&flow) &&
                !filter->tokens->begin(filter->tokens->context, lm_lms_reader_preamble(flow.reader), st))
                break;
        }
        if (!flow.reader && !flow.record.flush)
            view_text(&flow.text, &out);
        else if (flow.reader && !view_lms(&flow, rows, &number, &out, st))
            break;
        if (!lm_write_all(lm_output_file_fd(file), out.data, out.len, lm_output_file_name(file), st))
            break;
        out.len = 0;
    }
    if (file && lm_ok(st))
        lm_output_file_publish(file, st);
    else if (file)
        lm_output_file_discard(file, true);
    lm_flow_close(&flow);
    lm_rows_free(rows);
    lm_buf_free(&out);
    return lm_ok(st);
}

/* ---------------------------------------------------------------------------------------------------- counts */

typedef struct counts {
    const char *kind;
    uint64_t streams, records, examples, tokens;
} counts;

static uint64_t tokens_of(const lm_record *r)
{
    const lm_column *ids = lm_record_column(r, "ids");
    return ids && ids->shape.dims == 1 ? (uint64_t)ids->shape.size[0] : 0;
}

/* Reads it all. */
static bool count_all(const lm_filter *filter, counts *c, lm_status *st)
{
    lm_flow flow;
    lm_str lines;
    *c = (counts){.kind = "plain text"};
    if (lm_flow_open(&flow, filter, st)) {
        while (lm_flow_next(&flow, st) > 0)
            if (flow.reader) {
                c->tokens += tokens_of(&flow.record);
                lm_lms_next_lines(flow.reader, UINT64_MAX, &lines);
            }
        if (flow.reader) {
            c->kind = lm_lms_kind_name(lm_lms_reader_kind(flow.reader));
            c->streams = lm_lms_reader_streams(flow.reader);
            c->records = lm_lms_reader_records(flow.reader);
            c->examples = lm_lms_reader_examples(flow.reader);
        } else {
            c->records = c->examples = lm_records_count(flow.records);
        }
    }
    lm_flow_close(&flow);
    return lm_ok(st);
}

static bool say(const lm_filter *filter, const lm_buf *out, lm_status *st)
{
    lm_output_file *file = lm_output_file_open(filter->output, st);
    if (!file)
        return false;
    if (!lm_write_all(lm_output_file_fd(file), out->data, out->len, lm_output_file_name(file), st)) {
        lm_output_file_discard(file, false);
        return false;
    }
    return lm_output_file_publish(file, st);
}

bool lm_filter_count(const lm_filter *filter, lm_status *st)
{
    counts c;
    lm_buf out = {0};
    bool ok = count_all(filter, &c, st);
    if (ok) {
        lm_buf_printf(&out, "kind\t%s\n", c.kind);
        if (c.streams)
            lm_buf_printf(&out, "streams\t%" PRIu64 "\n", c.streams);
        lm_buf_printf(&out, "records\t%" PRIu64 "\nexamples\t%" PRIu64 "\n", c.records, c.examples);
        if (!strcmp(c.kind, "tokens"))
            lm_buf_printf(&out, "tokens\t%" PRIu64 "\n", c.tokens);
        ok = say(filter, &out, st);
    }
    lm_buf_free(&out);
    return ok;
}

/* Plain text without any record. */
static bool is_nothing(const counts *c)
{
    return !c->streams && !c->records;
}

/* Each operand by itself, so that one that is bad does not hide the others; the first failure is the status. */
bool lm_filter_check(const lm_filter *filter, lm_status *st)
{
    static const char *const standard = "-";
    lm_buf out = {0};
    size_t n = filter->operands->count ? filter->operands->count : 1;
    for (size_t i = 0; i < n; i++) {
        lm_status own = LM_STATUS_INIT;
        const char *name = filter->operands->count ? filter->operands->items[i] : standard;
        lm_strings one = {.items = &name, .count = 1};
        lm_filter f = *filter;
        counts c;
        f.operands = &one;
        if (count_all(&f, &c, &own) && is_nothing(&c)) /* a writer that died before its first byte leaves this */
            lm_fail(&own, LM_ENDED, "%s: there is nothing in it: neither a stream, which has at least a preamble and an "
                    "end, nor a line of text", strcmp(name, "-") ? name : "standard input");
        if (lm_ok(&own)) {
            lm_buf_printf(&out, "%s: good: %s, %" PRIu64 " records, %" PRIu64 " examples\n",
                          strcmp(name, "-") ? name : "standard input", c.kind, c.records, c.examples);
        } else if (lm_ok(st)) {
            *st = own;
        } else {
            lm_error("%s", own.message);
        }
    }
    lm_status saying = LM_STATUS_INIT;
    if (!say(filter, &out, &saying) && lm_ok(st))
        *st = saying;
    lm_buf_free(&out);
    return lm_ok(st);
}
