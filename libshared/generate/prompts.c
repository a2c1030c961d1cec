#include "generate/prompts.h"
#include "base/memory.h"
#include "stream/tokens.h"

#include <inttypes.h>
#include <stdlib.h>

struct lm_prompts {
    lm_prompts_options o;
    const lm_model *model;
    const lm_tokenizer *tokenizer;
    const char *path; /* of the tokenizer */
    lm_encoder *encoder;
    lm_chat *chat;
    lm_chat_worker *worker;
    lm_encoding encoding;
    int room; /* most tokens of a prompt */
    bool used; /* the prompt that was given */
    /* the input in hand */
    size_t next;
    lm_input *in;
    lm_records *records;
    lm_lms_reader *reader; /* or this: of a stream of tokens */
    uint64_t streams;
    lm_tokens_view view; /* of the record in hand, and its next row */
    int64_t row;
    uint64_t number; /* of the next request from tokens */
    lm_prompt *first, **last; /* that were given, and are not answered */
    bool flush;      /* what was asked is to be answered before anything else is read */
};

static lm_str own(lm_str s)
{
    return (lm_str){lm_strndup(s.data, s.len), s.len};
}

static void free_prompt(lm_prompt *p)
{
    free(p->ids);
    lm_buf_free(&p->text);
    free((char *)p->id.data);
    for (size_t i = 0; i < p->field_count; i++) {
        free((char *)p->fields[i].name.data);
        free((char *)p->fields[i].json.data);
    }
    free(p->fields);
    free(p);
}

lm_prompts *lm_prompts_open(const lm_prompts_options *o, const lm_model *m, const lm_tokenizer *t, const char *path,
                            lm_status *st)
{
    lm_prompts *p = lm_calloc(1, sizeof *p);
    *p = (lm_prompts){.o = *o, .model = m, .tokenizer = t, .path = path, .room = lm_generate_room(m)};
    p->last = &p->first;
    p->encoder = lm_encoder_new(t);
    p->o.records.prompts = p->o.records.blank_lines = true;
    p->o.records.pair = p->o.records.label = ""; /* they are fields like any others */
    p->number = p->o.records.offset;
    if (o->chat) {
        p->chat = lm_chat_open(o->chat, t, path, st);
        p->worker = p->chat ? lm_chat_worker_new(p->chat) : NULL;
        lm_chat_prepare_records(&p->o.records);
    }
    if (lm_ok(st))
        return p;
    lm_prompts_close(p);
    return NULL;
}

static void close_input(lm_prompts *p)
{
    if (p->records)
        p->o.records.offset += lm_records_count(p->records);
    lm_records_free(p->records);
    lm_lms_reader_free(p->reader);
    lm_input_close(p->in);
    p->records = NULL;
    p->reader = NULL;
    p->in = NULL;
}

void lm_prompts_close(lm_prompts *p)
{
    if (!p)
        return;
    while (p->first)
        lm_prompts_answered(p);
    close_input(p);
    lm_encoding_free(&p->encoding);
    lm_encoder_free(p->encoder);
    lm_chat_worker_free(p->worker);
    lm_chat_free(p->chat);
    free(p);
}

/* ------------------------------------------------------------------ tokens of a prompt */

/* What a row begins with where its text gives no token at all; -1 = nothing. */
static int first_token(const lm_prompts *p)
{
    const json_t *bos = lm_config_member(p->model->config, "bos_token_id");
    int id = lm_tokenizer_role(p->tokenizer, "bos");
    if (json_is_integer(bos))
        return (int)json_integer_value(bos);
    return id >= 0 ? id : lm_tokenizer_role(p->tokenizer, "eos");
}

/* Keeps the end, and a special token at the beginning. */
static int cut(const lm_prompts *p, int32_t *ids, int count)
{
    int most = p->o.max_new_tokens < p->room / 2 ? p->room - p->o.max_new_tokens : (p->room + 1) / 2;
    int head = lm_tokenizer_is_special(p->tokenizer, ids[0]) && most > 1;
    memmove(ids + head, ids + count - (most - head), (size_t)(most - head) * sizeof *ids);
    return most;
}

/* Ids become the prompt's. */
static bool set_ids(const lm_prompts *p, lm_prompt *out, const int32_t *ids, int count, lm_status *st)
{
    out->ids = lm_malloc((size_t)count + 1, sizeof *out->ids);
    if (count)
        memcpy(out->ids, ids, (size_t)count * sizeof *ids);
    if (count == 0 && (out->ids[0] = first_token(p)) >= 0)
        count = 1;
    if (count == 0)
        return lm_fail(st, LM_FAILED, "the prompt is empty, and the model has no token that begins a text: give it a word");
    if (count > p->room && !p->o.truncate)
        return lm_fail(st, LM_FAILED, "the prompt has %d tokens, and the model takes %d: shorten it, or give --truncate", count,
                       p->room);
    if (count > p->room)
        count = cut(p, out->ids, count);
    out->request = (lm_request){.ids = out->ids, .count = count, .record = out->request.record, .tag = out};
    return true;
}

static bool encode_text(lm_prompts *p, lm_prompt *out, lm_str text, lm_status *st)
{
    lm_buf whole = {0};
    lm_buf_append(&out->text, text.data, text.len);
    lm_buf_append(&whole, p->o.before.data, p->o.before.len);
    lm_buf_append(&whole, text.data, text.len);
    bool ok = lm_encode(p->encoder, (lm_str){whole.data ? whole.data : "", whole.len}, (lm_str){NULL, 0},
                        &(lm_encode_options){.row = out->request.record}, &p->encoding, st) &&
              set_ids(p, out, p->encoding.ids, p->encoding.len, st);
    lm_buf_free(&whole);
    return ok;
}

/* Names that an answer has itself. */
static bool is_ours(lm_str name)
{
    static const char *const names[] = {"prompt", "text", "id", "sample", "finish_reason", "tokens", "logprob", "prompt_tokens",
                                        "prompt_logprob", "score"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (lm_str_is(name, names[i]))
            return true;
    return false;
}

static void keep_fields(lm_prompt *out, lm_str id, const lm_field *fields, size_t count)
{
    if (id.data)
        out->id = own(id);
    for (size_t i = 0; i < count; i++) {
        if (is_ours(fields[i].name))
            continue;
        LM_GROW(out->fields, out->field_count, out->field_cap);
        out->fields[out->field_count++] = (lm_field){own(fields[i].name), own(fields[i].json)};
    }
}

/* A record of a conversation; a line of plain text is what the user says. */
static bool encode_talk(lm_prompts *p, lm_prompt *out, const lm_text_record *r, lm_status *st)
{
    lm_text_record talk = *r;
    lm_field said = {.name = lm_str_of("prompt")};
    if (r->field_count == 1 && lm_str_is(r->fields[0].name, "1")) {
        said.json = r->fields[0].json;
        talk.fields = &said;
    }
    if (!lm_chat_encode(p->worker, p->encoder, &talk, &(lm_encode_options){.row = r->number}, &p->encoding, st))
        return false;
    const lm_chat_row *row = p->encoding.chat;
    lm_buf_append(&out->text, row->text.data, row->text.len);
    keep_fields(out, r->id, row->fields, row->field_count);
    return set_ids(p, out, p->encoding.ids, p->encoding.len, st);
}

static bool encode_record(lm_prompts *p, lm_prompt *out, const lm_text_record *r, lm_status *st)
{
    out->request.record = r->number;
    if (p->chat)
        return encode_talk(p, out, r, st);
    keep_fields(out, r->id, r->fields, r->field_count);
    return encode_text(p, out, r->text, st);
}

/* ------------------------------------------------------------------ where they come from */

static bool open_next(lm_prompts *p, lm_status *st)
{
    bool tokens = false;
    const char *path = p->o.operands->count ? p->o.operands->items[p->next] : "-";
    p->next++;
    p->in = lm_input_open(path, st);
    if (!p->in || !lm_lms_detect_kind(p->in, LM_KIND_TOKENS, &tokens, st))
        return false;
    if (tokens)
        p->reader = lm_lms_reader_new(p->in, st);
    else
        p->records = lm_records_new(p->in, &p->o.records, st);
    p->streams = 0;
    p->row = p->view.n = 0;
    return lm_ok(st);
}

static int next_text(lm_prompts *p, lm_prompt *out, lm_status *st)
{
    lm_text_record r;
    int got = lm_records_next(p->records, &r, st);
    if (got <= 0)
        return got;
    p->flush = r.flush;
    if (r.flush || encode_record(p, out, &r, st))
        return 1;
    char *where = lm_format("%s:%" PRIu64, r.file, r.line);
    lm_fail_prefix(st, where);
    free(where);
    return -1;
}

/* The record of tokens that follows; 0: there is none. */
static int next_tokens_record(lm_prompts *p, lm_status *st)
{
    lm_record record;
    lm_tokenizer_info info = LM_TOKENIZER_INFO_NONE;
    int got = lm_lms_next(p->reader, &record, st);
    if (got <= 0)
        return got;
    if (lm_lms_reader_streams(p->reader) != p->streams) {
        p->streams = lm_lms_reader_streams(p->reader);
        if (!lm_tokenizer_info_read(lm_lms_reader_preamble(p->reader), &info, st) ||
            !lm_model_check_tokenizer(p->model, p->path, &info, p->o.force, st))
            return -1;
    }
    p->row = p->view.n = 0;
    p->flush = record.flush;
    if (!record.flush && !lm_tokens_view_read(&record, &p->view, st)) {
        lm_fail_prefix(st, lm_lms_reader_where(p->reader));
        return -1;
    }
    return 1;
}

static int next_tokens(lm_prompts *p, lm_prompt *out, lm_status *st)
{
    while (p->row == p->view.n) {
        int got = next_tokens_record(p, st);
        if (got <= 0 || p->flush)
            return got;
    }
    lm_tokens_row row;
    lm_tokens_view_row(&p->view, p->row++, &row);
    out->request.record = p->number++;
    if (row.text.data)
        lm_buf_append(&out->text, row.text.data, row.text.len);
    else if (!lm_decode(p->tokenizer, row.ids, row.len, true, &out->text, st))
        return -1;
    keep_fields(out, row.id, NULL, 0);
    if (row.len <= INT32_MAX && set_ids(p, out, row.ids, (int)row.len, st))
        return 1;
    lm_fail_prefix(st, lm_lms_reader_where(p->reader));
    return -1;
}

/* The prompt of the command line, as if it had been a line of text. */
static int only_one(lm_prompts *p, lm_prompt *out, lm_status *st)
{
    lm_buf json = {0};
    if (p->used)
        return 0;
    p->used = true;
    lm_json_string(lm_str_of(p->o.given), &json);
    lm_field said = {lm_str_of("prompt"), lm_buf_str(&json)};
    const lm_text_record r = {.text = lm_str_of(p->o.given), .fields = &said, .field_count = p->chat != NULL,
                              .number = p->o.records.offset};
    bool ok = encode_record(p, out, &r, st);
    lm_buf_free(&json);
    return ok ? 1 : -1;
}

static int read_one(lm_prompts *p, lm_prompt *out, lm_status *st)
{
    if (p->o.given)
        return only_one(p, out, st);
    for (;;) {
        int got = p->reader ? next_tokens(p, out, st) : next_text(p, out, st);
        if (got != 0 || p->next >= p->o.operands->count)
            return got;
        close_input(p);
        if (!open_next(p, st))
            return -1;
    }
}

static bool is_ready(const lm_prompts *p)
{
    return p->o.given || (p->reader && p->row < p->view.n) || lm_input_ready(p->in);
}

int lm_prompts_next(lm_prompts *p, bool wait, lm_prompt **out, lm_status *st)
{
    int got;
    *out = NULL;
    if (!p->o.given && !p->in && !open_next(p, st))
        return -1;
    if (!wait && (p->flush || !is_ready(p)))
        return 1;
    p->flush = false;
    lm_prompt *one = lm_calloc(1, sizeof *one);
    while ((got = read_one(p, one, st)) == 1 && p->flush && wait)
        p->flush = false; /* all that came before it has been answered */
    if (got == 1 && !p->flush) {
        *p->last = *out = one;
        p->last = &one->next;
    } else {
        free_prompt(one);
    }
    return got;
}

void lm_prompts_answered(lm_prompts *p)
{
    lm_prompt *one = p->first;
    p->first = one->next;
    p->last = p->first ? p->last : &p->first;
    free_prompt(one);
}
