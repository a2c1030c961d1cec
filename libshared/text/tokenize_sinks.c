#include "base/atomic.h"
#include "base/memory.h"
#include "stream/tokens.h"
#include "text/tokenize.h"

#include <limits.h>
#include <stdlib.h>

struct lm_token_sink {
    const lm_tokenize_options *o;
    const lm_tokenizer *t;
    int fd;
    char *name;
    lm_lms_writer *lms;
    lm_tokens_writer *rows;
    lm_buf text; /* of the forms that are lines */
    uint64_t count, tokens, pieces, words, unknown, truncated, bytes, longest,
        shortest; /* pieces: not special */
};

enum { TEXT_BUFFER = 1 << 16 };

static json_t *preamble_of(const lm_token_sink *s)
{
    const lm_tokenizer *t = s->t;
    if (!t)
        return NULL;
    lm_tokenizer_info info = LM_TOKENIZER_INFO_NONE;
    info.present = info.has_xxh3 = info.has_behaviour = true;
    info.path = s->o->tokenizer;
    info.xxh3 = lm_tokenizer_digest(t);
    info.behaviour = lm_tokenizer_behaviour(t);
    info.vocab_size = lm_tokenizer_size(t);
    info.pad_id = lm_tokenizer_role(t, "pad");
    info.cls_id = lm_tokenizer_role(t, "cls");
    info.sep_id = lm_tokenizer_role(t, "sep");
    info.mask_id = lm_tokenizer_role(t, "mask");
    info.unk_id = lm_tokenizer_role(t, "unk");
    info.bos_id = lm_tokenizer_role(t, "bos");
    info.eos_id = lm_tokenizer_role(t, "eos");
    info.max_length = lm_tokenizer_max_length(t);
    return lm_tokens_preamble(&info);
}

lm_token_sink *lm_token_sink_new(const lm_tokenize_options *o, const lm_tokenizer *t, json_t *upstream,
                                 int fd, const char *name, lm_status *st)
{
    lm_token_sink *s = lm_calloc(1, sizeof *s);
    *s = (lm_token_sink){.o = o, .t = t, .fd = fd, .name = lm_strdup(name), .shortest = UINT64_MAX};
    if (o->form == LM_FORM_LMS) {
        json_t *preamble = preamble_of(s);
        s->lms = lm_lms_writer_new(fd, name, LM_KIND_TOKENS, preamble, json_object_get(upstream, "via"),
                                   o->command, st);
        json_decref(preamble);
        if (s->lms)
            s->rows = lm_tokens_writer_new(s->lms);
    }
    if (lm_ok(st))
        return s;
    lm_token_sink_free(s);
    return NULL;
}

void lm_token_sink_free(lm_token_sink *s)
{
    if (!s)
        return;
    lm_tokens_writer_free(s->rows);
    lm_lms_writer_free(s->lms);
    lm_buf_free(&s->text);
    free(s->name);
    free(s);
}

/* ---------------------------------------------------------------- a stream of tokens */

/* Segments are worth a column where there are several: in pairs, or where the tokenizer's template says so.
 */
static bool has_types(const lm_text_record *r, const lm_encoding *e)
{
    return r->pair.data || (e->len > 0 && (e->types[0] || e->types[e->len - 1]));
}

static bool put_lms(lm_token_sink *s, const lm_text_record *r, const lm_encoding *e, lm_status *st)
{
    const lm_tokenize_options *o = s->o;
    if (r->flush)
        return lm_tokens_writer_flush(s->rows, st) && lm_lms_write_flush(s->lms, st);
    lm_tokens_row row = {
        .ids = e->ids,
        .len = (size_t)e->len,
        .types = has_types(r, e) ? e->types : NULL,
        .word_ids = o->word_ids ? e->word_ids : NULL,
        .offsets = o->offsets ? e->offsets : NULL,
        .has_row = true,
        .row = (int32_t)(r->number & INT32_MAX),
        .has_truncated = true,
        .truncated = e->truncated,
        .has_doc = o->documents,
        .doc = (int32_t)(r->doc & INT32_MAX),
        .id = r->id,
        .fields = o->no_fields ? NULL : r->fields,
        .field_count = o->no_fields ? 0 : r->field_count,
    };
    if (r->label.data && o->records.label_type == LM_LABEL_WORD) {
        row.has_label_word = true;
        row.label_word = r->label;
    } else if (r->label.data && o->records.label_type == LM_LABEL_ID) {
        if (r->label_id < INT32_MIN || r->label_id > INT32_MAX)
            return lm_fail(st, LM_FAILED, "%s:%llu: the label %lld is no class id: give --label-type word",
                           r->file, (unsigned long long)r->line, (long long)r->label_id);
        row.has_label_id = true;
        row.label_id = (int32_t)r->label_id;
    } else if (r->label.data) {
        row.has_label_float = true;
        row.label_float = (float)r->label_float;
    }
    if (o->keep_text) {
        row.text = r->text.data ? r->text : (lm_str){"", 0};
        row.pair = r->pair;
    }
    return lm_tokens_writer_add(s->rows, &row, st);
}

/* ---------------------------------------------------------------- lines */

static void put_piece(lm_token_sink *s, int id)
{
    lm_str token = lm_tokenizer_token(s->t, id);
    bool plain = token.len > 0;
    for (size_t i = 0; i < token.len && plain; i++)
        plain = (unsigned char)token.data[i] > ' ' && token.data[i] != '\\' && token.data[i] != 0x7F;
    if (plain)
        lm_buf_append(&s->text, token.data, token.len);
    else
        lm_json_string(token, &s->text);
}

static void put_numbers(lm_buf *out, const char *name, const int32_t *v, int n)
{
    lm_buf_printf(out, ",\"%s\":[", name);
    for (int i = 0; i < n; i++)
        lm_buf_printf(out, i ? ",%d" : "%d", (int)v[i]);
    lm_buf_putc(out, ']');
}

static void put_json(lm_token_sink *s, const lm_text_record *r, const lm_encoding *e)
{
    const lm_tokenize_options *o = s->o;
    lm_buf *b = &s->text;
    lm_buf_printf(b, "{\"row\":%llu", (unsigned long long)r->number);
    if (r->id.data) {
        lm_buf_puts(b, ",\"id\":");
        lm_buf_append(b, r->id.data, r->id.len);
    }
    put_numbers(b, "ids", e->ids, e->len);
    lm_buf_puts(b, ",\"tokens\":[");
    for (int i = 0; i < e->len; i++) {
        if (i)
            lm_buf_putc(b, ',');
        lm_json_string(lm_tokenizer_token(s->t, e->ids[i]), b);
    }
    lm_buf_putc(b, ']');
    if (has_types(r, e)) {
        lm_buf_puts(b, ",\"types\":[");
        for (int i = 0; i < e->len; i++)
            lm_buf_printf(b, i ? ",%d" : "%d", e->types[i]);
        lm_buf_putc(b, ']');
    }
    if (o->word_ids)
        put_numbers(b, "word_ids", e->word_ids, e->len);
    if (o->offsets) {
        lm_buf_puts(b, ",\"offsets\":[");
        for (int i = 0; i < e->len; i++)
            lm_buf_printf(b, "%s[%d,%d]", i ? "," : "", (int)e->offsets[2 * i], (int)e->offsets[2 * i + 1]);
        lm_buf_putc(b, ']');
    }
    if (e->truncated)
        lm_buf_puts(b, ",\"truncated\":true");
    if (r->label.data) {
        lm_buf_puts(b, ",\"label\":");
        lm_json_string(r->label, b);
    }
    if (o->keep_text) {
        lm_buf_puts(b, ",\"text\":");
        lm_json_string(r->text, b);
        if (r->pair.data) {
            lm_buf_puts(b, ",\"pair\":");
            lm_json_string(r->pair, b);
        }
    }
    lm_buf_puts(b, "}\n");
}

static void put_line(lm_token_sink *s, const lm_encoding *e)
{
    for (int i = 0; i < e->len; i++) {
        if (i)
            lm_buf_putc(&s->text, ' ');
        if (s->o->form == LM_FORM_PIECES)
            put_piece(s, e->ids[i]);
        else
            lm_buf_printf(&s->text, "%d", (int)e->ids[i]);
    }
    lm_buf_putc(&s->text, '\n');
}

static bool write_text(lm_token_sink *s, lm_status *st)
{
    bool ok = lm_write_all(s->fd, s->text.data, s->text.len, s->name, st);
    s->text.len = 0;
    return ok;
}

/* ---------------------------------------------------------------- figures */

static void count(lm_token_sink *s, const lm_text_record *r, const lm_encoding *e)
{
    int unk = lm_tokenizer_role(s->t, "unk");
    int32_t word = -1;
    uint8_t type = 0;
    for (int i = 0; i < e->len; i++) {
        s->unknown += e->ids[i] == unk && !e->special[i];
        s->pieces += !e->special[i];
        s->words += !e->special[i] && (e->word_ids[i] != word || e->types[i] != type);
        word = e->word_ids[i];
        type = e->types[i];
    }
    uint64_t n = (uint64_t)e->len;
    s->tokens += n;
    s->bytes += r->text.len + r->pair.len;
    s->truncated += e->truncated;
    s->longest = n > s->longest ? n : s->longest;
    s->shortest = n < s->shortest ? n : s->shortest;
}

static void put_figures(lm_token_sink *s)
{
    lm_buf *b = &s->text;
    double rows = s->count ? (double)s->count : 1, words = s->words ? (double)s->words : 1;
    lm_buf_printf(b, "rows\t%llu\ntokens\t%llu\n", (unsigned long long)s->count,
                  (unsigned long long)s->tokens);
    lm_buf_printf(b, "tokens_per_row\t%.2f\nshortest_row\t%llu\nlongest_row\t%llu\n",
                  (double)s->tokens / rows, (unsigned long long)(s->count ? s->shortest : 0),
                  (unsigned long long)s->longest);
    lm_buf_printf(b, "words\t%llu\ntokens_per_word\t%.4f\nunknown_words\t%llu\nunknown_rate\t%.6f\n",
                  (unsigned long long)s->words, (double)s->pieces / words, (unsigned long long)s->unknown,
                  (double)s->unknown / words);
    lm_buf_printf(b, "bytes\t%llu\nbytes_per_token\t%.3f\ntruncated_rows\t%llu\n",
                  (unsigned long long)s->bytes, (double)s->bytes / (s->tokens ? (double)s->tokens : 1),
                  (unsigned long long)s->truncated);
}

/* ---------------------------------------------------------------- all of them */

bool lm_token_sink_put(lm_token_sink *s, const lm_text_record *r, const lm_encoding *e, lm_status *st)
{
    if (s->o->form == LM_FORM_LMS)
        return put_lms(s, r, e, st);
    if (r->flush)
        return write_text(s, st);
    s->count++;
    switch (s->o->form) {
    case LM_FORM_JSON:
        put_json(s, r, e);
        break;
    case LM_FORM_STATS:
        count(s, r, e);
        break;
    default:
        put_line(s, e);
        break;
    }
    return s->text.len < TEXT_BUFFER || write_text(s, st);
}

bool lm_token_sink_close(lm_token_sink *s, lm_status *st)
{
    if (s->lms) {
        if (lm_ok(st))
            lm_tokens_writer_flush(s->rows, st);
        return lm_lms_writer_close(s->lms, st);
    }
    if (s->o->form == LM_FORM_STATS && lm_ok(st))
        put_figures(s);
    lm_status ignored = LM_STATUS_INIT;
    write_text(s, lm_ok(st) ? st : &ignored);
    return lm_ok(st);
}
