#include "text/tokenize/tokenize.h"

#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/threads.h"
#include "base/tool.h"
#include "text/tokenize/turns.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is in hand stays in the cache of a processor. */
enum { BATCH_ROWS = 1024, BATCH_BYTES = 1 << 15 };

typedef struct batch {
    lm_text_batch text;
    lm_encoding *rows, *targets;
    char **why; /* of the rows: what makes one a reject; NULL = nothing */
    size_t row_cap;
    int rc; /* of reading */
    lm_status reading;
    size_t failed; /* the first row that could not be encoded */
    lm_status failure;
} batch;

typedef struct run {
    const lm_tokenize_options *o;
    lm_encode_options encode;
    lm_text_source source;
    lm_tokenizer *tokenizer;
    lm_encoder **encoders; /* by thread */
    lm_chat *chat;         /* NULL: the records are texts, not conversations */
    lm_chat_worker **chat_workers; /* by thread */
    int threads;
    lm_token_sink *sink;
    batch *batches; /* LM_TURN_SLOTS for each thread */
    lm_status *st;
    uint64_t written, rejected, empty, cut;
} run;

/* ---------------------------------------------------------------- limits */

int lm_tokenize_limit(const lm_tokenizer *t, const char *path)
{
    int limit = lm_tokenizer_max_length(t);
    lm_status ignored = LM_STATUS_INIT;
    lm_bundle *b = lm_bundle_at(path) ? lm_bundle_open(path, &ignored) : NULL;
    json_t *config = b && lm_bundle_has(b, "config.json") ? lm_bundle_json(b, "config.json", 0, &ignored) : NULL;
    json_t *positions = json_object_get(config, "max_position_embeddings");
    if (!positions)
        positions = json_object_get(config, "n_positions"); /* GPT-2's name for it */
    if (json_is_integer(positions) && json_integer_value(positions) > 0 &&
        json_integer_value(positions) <= INT_MAX) {
        int n = (int)json_integer_value(positions);
        const char *type = json_string_value(json_object_get(config, "model_type"));
        json_t *pad = json_object_get(config, "pad_token_id");
        if (type && strstr(type, "roberta") &&
            json_is_integer(pad)) /* its first position is pad_token_id + 1 */
            n -= (int)json_integer_value(pad) + 1;
        if (n > 0 && (!limit || n < limit))
            limit = n;
    }
    json_decref(config);
    lm_bundle_close(b);
    return limit;
}

/* ---------------------------------------------------------------- reading, encoding, writing */

static lm_turn_read read_batch(void *self, int slot)
{
    run *r = self;
    batch *b = &r->batches[slot];
    lm_status_clear(&b->reading);
    b->failed = SIZE_MAX;
    lm_status_clear(&b->failure);
    b->rc = lm_signal_check(&b->reading)
                ? lm_text_source_batch(&r->source, BATCH_ROWS, BATCH_BYTES, &b->text, &b->reading)
                : -1;
    if (b->text.count > b->row_cap) {
        b->rows = lm_realloc(b->rows, b->text.count, sizeof *b->rows);
        memset(b->rows + b->row_cap, 0, (b->text.count - b->row_cap) * sizeof *b->rows);
        b->targets = lm_realloc(b->targets, b->text.count, sizeof *b->targets);
        memset(b->targets + b->row_cap, 0, (b->text.count - b->row_cap) * sizeof *b->targets);
        b->why = lm_realloc(b->why, b->text.count, sizeof *b->why);
        memset(b->why + b->row_cap, 0, (b->text.count - b->row_cap) * sizeof *b->why);
        b->row_cap = b->text.count;
    }
    bool flush = b->text.count && b->text.items[b->text.count - 1].flush;
    bool in_order = r->o->records.rejects; /* what is read and what is written may both have something to put there */
    return (lm_turn_read){.flush = flush || in_order, .last = b->rc <= 0};
}

/* A question stays whole, and an answer may stand anywhere in the text: what does not fit becomes rows of its own. The
 * overlap is that of run_squad.py of BERT, or what a short row has room for. */
static void ask(const lm_tokenize_options *o, lm_encode_options *options)
{
    enum { DOC_STRIDE = 128 };
    if (!o->truncation_given)
        options->truncation = LM_ONLY_SECOND;
    if (o->stride_given || options->truncation == LM_NO_TRUNCATION || o->form == LM_FORM_STATS)
        return;
    options->overflow = options->fit_stride = true;
    options->stride = DOC_STRIDE;
    if (options->max_length > 0 && options->max_length / 3 < DOC_STRIDE)
        options->stride = options->max_length / 3;
}

/* The text that is to be written for a record's. */
static bool encode_target(const run *r, lm_encoder *e, const lm_text_record *record, lm_encoding *out, lm_status *st)
{
    lm_encode_options options = r->encode;
    if (!record->target.data)
        return true;
    if (r->o->max_target_length >= 0)
        options.max_length = r->o->max_target_length;
    options.row = record->number;
    options.truncation = options.truncation == LM_NO_TRUNCATION ? LM_NO_TRUNCATION : LM_ONLY_FIRST;
    options.overflow = false;
    return lm_encode(e, record->target, (lm_str){NULL, 0}, &options, out, st) ||
           lm_fail_prefix(st, "the target");
}

/* Row i cannot be encoded. False: there is no use in going on. */
static bool refuse(const run *r, batch *b, size_t i, const lm_status *why)
{
    if (r->o->records.rejects && why->code == LM_FAILED) {
        b->why[i] = lm_strdup(why->message);
        return true;
    }
    b->failed = i;
    b->failure = *why;
    return false;
}

/* False: there is no use in going on. */
static bool encode_row(const run *r, batch *b, size_t i, int thread)
{
    lm_encoder *e = r->encoders[thread];
    const lm_text_record *record = &b->text.items[i];
    lm_encode_options options = r->encode;
    lm_status st;
    lm_status_clear(&st); /* its text need not be zeros, row by row */
    options.row = record->number;
    options.ids_only = r->encode.ids_only && !record->asks;
    if (record->flush)
        return true;
    if (record->asks)
        ask(r->o, &options);
    return ((r->chat ? lm_chat_encode(r->chat_workers[thread], e, record, &options, &b->rows[i], &st)
             : record->words
                 ? lm_encode_split(e, record->text, record->words, record->word_count, &options, &b->rows[i], &st)
                 : lm_encode(e, record->text, record->pair, &options, &b->rows[i], &st)) &&
            encode_target(r, e, record, &b->targets[i], &st)) ||
           refuse(r, b, i, &st);
}

/* Whether the ids of its text are all that is asked for. */
static bool is_plain(const run *r, const lm_text_record *t)
{
    return r->encode.ids_only && !r->chat && !t->flush && !t->asks && !t->words && !t->pair.data && !t->target.data;
}

/* The rows from *i on that are plain, or some first ones of them; behind them *i is then. */
static bool encode_plain_rows(const run *r, batch *b, size_t *i, int thread)
{
    enum { SOME = 64 };
    lm_encode_row rows[SOME];
    lm_status st;
    size_t n = 0, failed;
    for (size_t k = *i; n < SOME && k < b->text.count && is_plain(r, &b->text.items[k]); k++)
        rows[n++] = (lm_encode_row){b->text.items[k].text, b->text.items[k].number, &b->rows[k]};
    lm_status_clear(&st);
    bool ok = lm_encode_rows(r->encoders[thread], rows, n, &r->encode, &failed, &st);
    size_t first = *i;
    *i += ok ? n : failed + 1;
    return ok || refuse(r, b, first + failed, &st);
}

static void encode_batch(void *self, int slot, int thread)
{
    const run *r = self;
    batch *b = &r->batches[slot];
    bool more = true;
    for (size_t i = 0; i < b->text.count && more;) {
        if (is_plain(r, &b->text.items[i])) {
            more = encode_plain_rows(r, b, &i, thread);
        } else {
            more = encode_row(r, b, i, thread);
            i++;
        }
    }
}

/* A conversation as it was given. */
static void talk_json(const lm_text_record *record, lm_buf *out)
{
    for (size_t i = 0; i < record->field_count; i++) {
        lm_buf_putc(out, i ? ',' : '{');
        lm_json_string(record->fields[i].name, out);
        lm_buf_putc(out, ':');
        lm_buf_append(out, record->fields[i].json.data, record->fields[i].json.len);
    }
    if (record->id.data) {
        lm_buf_puts(out, out->len ? ",\"id\":" : "{\"id\":");
        lm_buf_append(out, record->id.data, record->id.len);
    }
    lm_buf_puts(out, out->len ? "}" : "{}");
}

/* A record that only the tokenizer sees to be of no use, behind what the reader of the records has rejected by now. */
static bool reject(run *r, const lm_text_record *record, const char *why, lm_status *st)
{
    lm_buf line = {0}, json = {0};
    const char *path = r->o->records.rejects;
    if (r->chat)
        talk_json(record, &json);
    else
        lm_text_record_json(record, false, &json);
    lm_reject_line(record->file, record->line, why, lm_buf_str(&json), &line);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    bool ok = fd >= 0 ? lm_write_all(fd, line.data, line.len, path, st)
                      : lm_fail_errno(st, LM_FAILED, "%s: cannot write", path);
    if (fd >= 0)
        close(fd);
    r->rejected++;
    lm_buf_free(&line);
    lm_buf_free(&json);
    return ok;
}

static bool write_batch(void *self, int slot)
{
    run *r = self;
    batch *b = &r->batches[slot];
    lm_status *st = r->st;
    lm_status why = LM_STATUS_INIT;
    for (size_t i = 0; i < b->text.count && lm_ok(st); i++) {
        const lm_text_record *record = &b->text.items[i];
        if (i == b->failed)
            return lm_fail(st, b->failure.code, "%s:%" PRIu64 ": %s", record->file, record->line,
                           b->failure.message);
        const lm_chat_row *talk = record->flush ? NULL : b->rows[i].chat;
        if (b->why[i]) {
            reject(r, record, b->why[i], st);
            free(b->why[i]);
            b->why[i] = NULL;
            continue;
        }
        if (talk)
            lm_chat_count(r->chat, talk);
        if (talk && talk->left_out)
            continue;
        if (!talk && !record->flush && r->o->records.rejects && !lm_token_sink_knows(r->sink, record, &why)) {
            reject(r, record, why.message, st);
            lm_status_clear(&why);
            continue;
        }
        r->empty += !talk && !record->flush && !record->text.len && !record->pair.len;
        r->cut += !record->flush && b->rows[i].truncated && !b->rows[i].overflow_count;
        lm_token_sink_put(r->sink, record, &b->rows[i], record->target.data ? &b->targets[i] : NULL, st);
        r->written += !record->flush;
    }
    lm_progress_update(r->written, NULL);
    if (lm_ok(st) && b->rc < 0)
        *st = b->reading;
    return lm_ok(st);
}

/* ---------------------------------------------------------------- the run */

static void free_run(run *r)
{
    for (int i = 0; i < r->threads * LM_TURN_SLOTS; i++) {
        for (size_t k = 0; k < r->batches[i].row_cap; k++)
            lm_encoding_free(&r->batches[i].rows[k]);
        for (size_t k = 0; k < r->batches[i].row_cap; k++)
            lm_encoding_free(&r->batches[i].targets[k]);
        for (size_t k = 0; k < r->batches[i].row_cap; k++)
            free(r->batches[i].why[k]);
        free(r->batches[i].why);
        free(r->batches[i].rows);
        free(r->batches[i].targets);
        lm_text_batch_free(&r->batches[i].text);
    }
    free(r->batches);
    for (int i = 0; i < r->threads; i++) {
        lm_encoder_free(r->encoders[i]);
        lm_chat_worker_free(r->chat_workers[i]);
    }
    free(r->encoders);
    free(r->chat_workers);
    lm_chat_free(r->chat);
    lm_token_sink_free(r->sink);
    lm_text_source_close(&r->source);
    lm_tokenizer_free(r->tokenizer);
}

static void say_what_happened(const run *r)
{
    if (r->source.rejected + r->rejected)
        lm_warn("%" PRIu64 " records rejected, see %s", r->source.rejected + r->rejected, r->o->records.rejects);
    if (r->source.dropped)
        lm_warn("%" PRIu64 " records with the label `%s` are left out (--drop-label)", r->source.dropped,
                r->o->records.drop_label);
    if (r->empty)
        lm_warn("%" PRIu64 " of %" PRIu64 " records have an empty text", r->empty, r->written);
    if (r->cut && r->cut == r->written && r->written > 1 && !r->encode.overflow)
        lm_warn("all %" PRIu64 " rows are longer than --max-length %d, and were cut", r->written, r->encode.max_length);
    if (r->source.replaced)
        lm_warn("%" PRIu64 " records had invalid UTF-8, replaced by U+FFFD", r->source.replaced);
    if (r->chat)
        lm_chat_report(r->chat);
}

/* Packed texts are not cut unless that is asked for, and each ends with a token that says so. */
static bool choose_options(run *r, lm_status *st)
{
    const lm_tokenize_options *o = r->o;
    int limit = lm_tokenize_limit(r->tokenizer, o->tokenizer), eos = lm_tokenizer_role(r->tokenizer, "eos");
    bool end = o->end < 0 ? o->pack > 0 && !o->chat : o->end;
    r->encode.ids_only = !o->offsets && !o->word_ids && !o->chat;
    r->encode.valid = !o->chat; /* as the texts of records are; what a template makes of them is looked at */
    if (r->encode.max_length < 0)
        r->encode.max_length = o->pack || o->form == LM_FORM_STATS ? 0 : limit;
    else if (o->form == LM_FORM_STATS)
        r->encode.max_length = 0; /* how many are longer is counted */
    if (o->pack && limit && o->pack > limit)
        lm_warn("rows of %" PRId64
                " tokens are longer than the %d that the model or its tokenizer is made for",
                o->pack, limit);
    if (!end)
        return true;
    r->encode.end = eos >= 0;
    r->encode.end_id = eos;
    return eos >= 0 || (o->end < 0 && !r->encode.no_special && lm_tokenizer_ends_rows(r->tokenizer)) ||
           lm_fail(st, LM_FAILED,
                   "%s: this tokenizer has no end of text (eos_token) to put between texts: --no-eos packs "
                   "them without",
                   o->tokenizer);
}

/* Whoever reads the stream learns of what goes wrong, of a tokenizer that cannot be opened, too. */
static bool open_run(run *r, lm_output_file *out, lm_status *st)
{
    const lm_tokenize_options *o = r->o;
    r->tokenizer = lm_tokenizer_open(o->tokenizer, st);
    for (int i = 0; r->tokenizer && i < r->threads; i++)
        r->encoders[i] = lm_encoder_new(r->tokenizer);
    if (r->tokenizer && o->chat)
        r->chat = lm_chat_open(o->chat, r->tokenizer, o->tokenizer, st);
    for (int i = 0; r->chat && i < r->threads; i++)
        r->chat_workers[i] = lm_chat_worker_new(r->chat);
    bool ok = lm_ok(st) && choose_options(r, st) &&
              lm_text_source_open(&r->source, o->operands, &o->records, st);
    lm_status writing = LM_STATUS_INIT;
    r->sink = lm_token_sink_new(o, r->tokenizer, r->source.preamble, lm_output_file_fd(out),
                                lm_output_file_name(out), &writing);
    if (ok && !r->sink)
        *st = writing;
    return lm_ok(st);
}

bool lm_tokenize(const lm_tokenize_options *o, lm_status *st)
{
    run r = {.o = o, .encode = o->encode, .threads = lm_threads(), .st = st};
    if (o->form == LM_FORM_LMS && !o->output && !lm_tool_refuse_terminal(STDOUT_FILENO, "tokens", st))
        return false;
    lm_output_file *out = lm_output_file_open(o->output, st);
    if (!out)
        return false;
    r.batches = lm_calloc((size_t)r.threads * LM_TURN_SLOTS, sizeof *r.batches);
    r.encoders = lm_calloc((size_t)r.threads, sizeof *r.encoders);
    r.chat_workers = lm_calloc((size_t)r.threads, sizeof *r.chat_workers);
    if (open_run(&r, out, st)) {
        lm_progress_begin("tokens", "rows", 0);
        lm_turns_run(&(lm_turn_hands){&r, read_batch, encode_batch, write_batch}, r.threads);
        lm_progress_end();
    }
    if (r.sink)
        lm_token_sink_close(r.sink, st);
    if (lm_ok(st))
        lm_output_file_publish(out, st);
    else
        lm_output_file_discard(out, st->code == LM_ENDED);
    lm_text_source_close(&r.source);
    say_what_happened(&r);
    free_run(&r);
    return lm_ok(st);
}
