#include "base/atomic.h"
#include "base/memory.h"
#include "base/signals.h"
#include "stream/tokens.h"
#include "text/tokenize/agreement.h"
#include "text/tokenize/tokenize.h"

#include <ctype.h>
#include <stdlib.h>

enum { LINE_LIMIT = 1 << 28, TEXT_BUFFER = 1 << 16 };

typedef struct run {
    const lm_tokenize_options *o;
    lm_tokenizer *t;
    lm_output_file *out;
    lm_buf text, row;
    int32_t *ids;
    size_t id_cap;
} run;

static bool write_text(run *r, lm_status *st)
{
    bool ok =
        lm_write_all(lm_output_file_fd(r->out), r->text.data, r->text.len, lm_output_file_name(r->out), st);
    r->text.len = 0;
    return ok;
}

static bool put(run *r, const int32_t *ids, size_t n, lm_status *st)
{
    r->row.len = 0;
    if (!lm_decode(r->t, ids, n, !r->o->keep_special, &r->row, st))
        return false;
    if (r->o->json) {
        lm_buf_puts(&r->text, "{\"text\":");
        lm_json_string(lm_buf_str(&r->row), &r->text);
        lm_buf_putc(&r->text, '}');
    } else {
        for (size_t i = 0; i < r->row.len; i++)
            if (r->row.data[i] == '\n' || r->row.data[i] == '\r')
                r->row.data[i] = ' ';
        lm_buf_append(&r->text, r->row.data, r->row.len);
    }
    lm_buf_putc(&r->text, '\n');
    return r->text.len < TEXT_BUFFER || write_text(r, st);
}

/* ---------------------------------------------------------------- from a stream of tokens */

static bool open_tokenizer(run *r, json_t *preamble, lm_status *st)
{
    lm_tokenizer_info info = LM_TOKENIZER_INFO_NONE;
    if (preamble && !lm_tokenizer_info_read(preamble, &info, st))
        return false;
    const char *path = r->o->tokenizer ? r->o->tokenizer : info.path;
    if (!path)
        return lm_fail(st, LM_USAGE, "which tokenizer? The stream names none: give -m DIR");
    if (!r->t)
        r->t = lm_tokenizer_open(path, st);
    return r->t && lm_tokenizer_agrees(r->t, path, &info, r->o->force, st);
}

static bool decode_lms(run *r, lm_input *in, lm_status *st)
{
    lm_lms_reader *reader = lm_lms_reader_new(in, st);
    if (!reader)
        return false;
    uint64_t streams = 0;
    lm_record record;
    while (lm_signal_check(st) && lm_lms_next(reader, &record, st) > 0) {
        if (lm_lms_reader_kind(reader) != LM_KIND_TOKENS) {
            lm_fail(st, LM_FAILED, "%s: this is no stream of tokens", lm_input_name(in));
            break;
        }
        if (streams != lm_lms_reader_streams(reader)) {
            streams = lm_lms_reader_streams(reader);
            if (!open_tokenizer(r, lm_lms_reader_preamble(reader), st))
                break;
        }
        if (record.flush) {
            write_text(r, st);
            continue;
        }
        lm_tokens_view view;
        if (!lm_tokens_view_read(&record, &view, st))
            break;
        for (int64_t i = 0; i < view.n && lm_ok(st); i++)
            put(r, view.ids + view.ids_splits[i], (size_t)(view.ids_splits[i + 1] - view.ids_splits[i]), st);
        if (!lm_ok(st) && st->code == LM_FAILED) {
            lm_fail_prefix(st, lm_lms_reader_where(reader));
            break;
        }
    }
    lm_lms_reader_free(reader);
    return lm_ok(st);
}

/* ---------------------------------------------------------------- from lines of ids */

static bool read_ids(run *r, lm_str line, size_t *n, lm_status *st)
{
    *n = 0;
    for (size_t i = 0; i < line.len;) {
        if (line.data[i] == ' ' || line.data[i] == '\t' || line.data[i] == '\r' || line.data[i] == ',') {
            i++;
            continue;
        }
        int64_t id = 0;
        size_t start = i;
        for (; i < line.len && isdigit((unsigned char)line.data[i]) && id <= INT32_MAX; i++)
            id = 10 * id + (line.data[i] - '0');
        if (i == start || id > INT32_MAX)
            return lm_fail(st, LM_FAILED, "neither a stream of tokens nor a line of ids");
        LM_GROW(r->ids, *n, r->id_cap);
        r->ids[(*n)++] = (int32_t)id;
    }
    return true;
}

static bool decode_lines(run *r, lm_input *in, lm_status *st)
{
    if (!open_tokenizer(r, NULL, st))
        return false;
    lm_str line;
    bool end = false;
    for (uint64_t number = 1;
         lm_signal_check(st) && lm_input_line(in, LINE_LIMIT, &line, &end, NULL, st) && !end; number++) {
        size_t n;
        if (!read_ids(r, line, &n, st) || !put(r, r->ids, n, st)) {
            if (st->code == LM_FAILED) {
                char *where = lm_format("%s:%llu", lm_input_name(in), (unsigned long long)number);
                lm_fail_prefix(st, where);
                free(where);
            }
            break;
        }
    }
    return lm_ok(st);
}

/* ---------------------------------------------------------------- the run */

bool lm_detokenize(const lm_tokenize_options *o, lm_status *st)
{
    run r = {.o = o};
    r.out = lm_output_file_open(o->output, st);
    size_t files = o->operands->count ? o->operands->count : 1;
    for (size_t i = 0; r.out && i < files && lm_ok(st); i++) {
        lm_input *in = lm_input_open(o->operands->count ? o->operands->items[i] : "-", st);
        bool is_lms = false;
        if (in && lm_lms_detect(in, &is_lms, st))
            (is_lms ? decode_lms : decode_lines)(&r, in, st);
        lm_input_close(in);
    }
    lm_status ignored = LM_STATUS_INIT;
    if (r.out)
        write_text(&r, lm_ok(st) ? st : &ignored);
    if (r.out && lm_ok(st))
        lm_output_file_publish(r.out, st);
    else if (r.out)
        lm_output_file_discard(r.out, st->code == LM_ENDED);
    lm_tokenizer_free(r.t);
    lm_buf_free(&r.text);
    lm_buf_free(&r.row);
    free(r.ids);
    return lm_ok(st);
}
