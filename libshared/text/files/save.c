/* Tokenizers are written: tokenizer.json, what stands beside it, and the classic files of their kind. */
#include "text/files/files.h"

#include "base/memory.h"
#include "stream/json.h"

#include <stdlib.h>

static bool write_file(lm_bundle_writer *to, const char *name, const lm_buf *b, lm_status *st)
{
    return lm_bundle_put(to, name, b->data, b->len, st);
}

/* ---------------------------------------------------------------- tokenizer.json */

static void line(lm_buf *out, int depth)
{
    lm_buf_printf(out, "\n%*s", 2 * depth, "");
}

static void print_vocab(const lm_token_tables *t, lm_buf *out)
{
    const lm_vocabulary *v = &t->vocabulary;
    bool list = t->scores != NULL, any = false;
    lm_buf_putc(out, list ? '[' : '{');
    for (int id = 0; id < v->size; id++) {
        lm_str token = lm_vocabulary_get(v, id);
        if (!token.data)
            continue;
        if (any)
            lm_buf_putc(out, ',');
        any = true;
        line(out, 3);
        if (list) {
            lm_buf_putc(out, '[');
            line(out, 4);
            lm_json_string(token, out);
            lm_buf_putc(out, ',');
            line(out, 4);
            lm_json_rust_real(t->scores[id], out);
            line(out, 3);
            lm_buf_putc(out, ']');
        } else {
            lm_json_string(token, out);
            lm_buf_printf(out, ": %d", id);
        }
    }
    if (any)
        line(out, 2);
    lm_buf_putc(out, list ? ']' : '}');
}

/* Whether merges can be "left right": no token of one has a blank in it. */
static bool plain_merges(const lm_token_tables *t)
{
    for (size_t i = 0; i < t->merge_count; i++) {
        lm_str left = lm_vocabulary_get(&t->vocabulary, t->merges[i].left),
               right = lm_vocabulary_get(&t->vocabulary, t->merges[i].right);
        for (const char *c = " \n\r"; *c; c++)
            if (memchr(left.data, *c, left.len) || memchr(right.data, *c, right.len))
                return false;
    }
    return true;
}

/* As strings, which every version reads; as pairs where a token has a blank in it, which transformers 4.45
 * and newer read. */
static void print_merges(const lm_token_tables *t, lm_buf *out)
{
    bool plain = plain_merges(t);
    lm_buf both = {0};
    lm_buf_putc(out, '[');
    for (size_t i = 0; i < t->merge_count; i++) {
        lm_str left = lm_vocabulary_get(&t->vocabulary, t->merges[i].left),
               right = lm_vocabulary_get(&t->vocabulary, t->merges[i].right);
        if (i)
            lm_buf_putc(out, ',');
        line(out, 3);
        if (plain) {
            both.len = 0;
            lm_buf_append(&both, left.data, left.len);
            lm_buf_putc(&both, ' ');
            lm_buf_append(&both, right.data, right.len);
            lm_json_string(lm_buf_str(&both), out);
            continue;
        }
        lm_buf_putc(out, '[');
        line(out, 4);
        lm_json_string(left, out);
        lm_buf_putc(out, ',');
        line(out, 4);
        lm_json_string(right, out);
        line(out, 3);
        lm_buf_putc(out, ']');
    }
    if (t->merge_count)
        line(out, 2);
    lm_buf_putc(out, ']');
    lm_buf_free(&both);
}

/* The reference's order: vocab (and merges) at the end, but for Unigram's byte_fallback. */
static void print_model(const lm_tokenizer *t, json_t *model, lm_buf *out)
{
    const char *key;
    json_t *value;
    bool vocab = false;
    lm_buf_putc(out, '{');
    json_object_foreach(model, key, value) {
        if (t->model.tables.scores && strcmp(key, "byte_fallback") == 0) {
            line(out, 2);
            lm_buf_puts(out, "\"vocab\": ");
            print_vocab(&t->model.tables, out);
            lm_buf_putc(out, ',');
            vocab = true;
        }
        line(out, 2);
        lm_json_string(lm_str_of(key), out);
        lm_buf_puts(out, ": ");
        lm_json_print(value, &lm_json_rust, 2, out);
        lm_buf_putc(out, ',');
    }
    if (vocab) {
        out->len--;
    } else {
        line(out, 2);
        lm_buf_puts(out, "\"vocab\": ");
        print_vocab(&t->model.tables, out);
    }
    const char *type = json_string_value(json_object_get(model, "type"));
    if (type && strcmp(type, "BPE") == 0) {
        lm_buf_putc(out, ',');
        line(out, 2);
        lm_buf_puts(out, "\"merges\": ");
        print_merges(&t->model.tables, out);
    }
    line(out, 1);
    lm_buf_putc(out, '}');
}

/* A copy of `object` with the value that `text` was read from (tokenizer_internal.h: added_text); with NULL the object itself. */
static json_t *complete(json_t *object, const char *member, lm_str text, lm_status *st)
{
    json_t *value = text.data ? lm_json_parse(text, member, LM_JSON_NUL | LM_JSON_BIG_INTEGERS, st) : NULL;
    if (!value)
        return json_incref(object);
    object = json_copy(object);
    json_object_set_new(object, member, value);
    return object;
}

static bool write_tokenizer_json(const lm_tokenizer *t, lm_bundle_writer *to, lm_status *st)
{
    const lm_vocabulary *v = &t->model.tables.vocabulary;
    if (t->model.tables.scores && v->count != v->size)
        return lm_fail(st, LM_FAILED, "tokenizer.json: it cannot hold a vocabulary that has a token twice");
    lm_buf b = {0};
    const char *key;
    json_t *value, *spec = complete(t->spec, "added_tokens", t->added_text, st);
    bool first = true;
    lm_buf_putc(&b, '{');
    json_object_foreach(spec, key, value) {
        if (!first)
            lm_buf_putc(&b, ',');
        first = false;
        line(&b, 1);
        lm_json_string(lm_str_of(key), &b);
        lm_buf_puts(&b, ": ");
        if (strcmp(key, "model") == 0)
            print_model(t, value, &b);
        else
            lm_json_print(value, &lm_json_rust, 1, &b);
    }
    lm_buf_puts(&b, "\n}");
    bool ok = lm_ok(st) && write_file(to, "tokenizer.json", &b, st);
    json_decref(spec);
    lm_buf_free(&b);
    return ok;
}

/* ---------------------------------------------------------------- what stands beside */

static bool write_json(lm_bundle_writer *to, const char *name, json_t *root, lm_status *st)
{
    lm_buf b = {0};
    lm_json_print(root, &lm_json_rust, 0, &b);
    lm_buf_putc(&b, '\n');
    bool ok = write_file(to, name, &b, st);
    lm_buf_free(&b);
    return ok;
}

static void put_roles(const lm_tokenizer *t, json_t *object)
{
    for (int r = 0; r < LM_ROLE_COUNT; r++) {
        char name[16];
        snprintf(name, sizeof name, "%s_token", lm_role_names[r]);
        lm_str token = lm_tokenizer_token(t, t->roles[r]);
        if (token.data)
            json_object_set_new(object, name, json_stringn(token.data, token.len));
    }
}

/* What transformers needs beside tokenizer.json, where none was read. */
static json_t *default_config(const lm_tokenizer *t)
{
    bool bert = lm_normalizer_is_bert(&t->normalizer);
    json_t *config =
        json_pack("{s:s, s:s, s:b}", "tokenizer_class", bert ? "BertTokenizer" : "PreTrainedTokenizerFast",
                  "padding_side", "right", "clean_up_tokenization_spaces", bert);
    if (bert) {
        const lm_normalizer *n = &t->normalizer;
        json_object_set_new(config, "do_lower_case", json_boolean(n->lower_case));
        json_object_set_new(config, "strip_accents",
                            n->strip_accents == n->lower_case ? json_null() : json_boolean(n->strip_accents));
        json_object_set_new(config, "tokenize_chinese_chars", json_boolean(n->cjk));
    }
    put_roles(t, config);
    json_object_set_new(config, "model_max_length",
                        t->max_length ? json_integer(t->max_length)
                        : bert        ? json_integer(512)
                                      : json_real(1e30));
    return config;
}

static json_t *default_special_map(const lm_tokenizer *t)
{
    json_t *map = json_object();
    put_roles(t, map);
    return map;
}

/* ---------------------------------------------------------------- the classic files */

/* One token a line. With holes or line ends in tokens there is no such file, and tokenizer.json alone says it
 * all. */
static bool write_vocab_txt(const lm_tokenizer *t, lm_bundle_writer *to, lm_status *st)
{
    lm_buf b = {0};
    bool possible = true;
    for (int id = 0; id < lm_tokenizer_size(t) && possible; id++) {
        lm_str token = lm_tokenizer_token(t, id);
        possible = token.data && !memchr(token.data, '\n', token.len) && !memchr(token.data, '\r', token.len);
        lm_buf_append(&b, token.data, token.len);
        lm_buf_putc(&b, '\n');
    }
    bool ok = !possible || write_file(to, "vocab.txt", &b, st);
    lm_buf_free(&b);
    return ok;
}

/* Whether what was read back from a classic file is the tokenizer that it was made of. */
static bool same(const lm_tokenizer *t, lm_tokenizer *again)
{
    bool is = again && lm_tokenizer_digest(again) == lm_tokenizer_digest(t) &&
              lm_tokenizer_behaviour(again) == lm_tokenizer_behaviour(t);
    lm_tokenizer_free(again);
    return is;
}

static void print_vocab_json(const lm_vocabulary *v, lm_buf *out)
{
    lm_buf_putc(out, '{');
    for (int id = 0; id < v->size; id++) {
        lm_str token = lm_vocabulary_get(v, id);
        if (!token.data)
            continue;
        if (out->len > 1)
            lm_buf_putc(out, ',');
        lm_json_string(token, out);
        lm_buf_printf(out, ":%d", id);
    }
    lm_buf_putc(out, '}');
}

/* Where the two files with `config` beside them are the same tokenizer again. */
static bool write_vocab_json(const lm_tokenizer *t, json_t *config, lm_bundle_writer *to, lm_status *st)
{
    const lm_token_tables *tables = &t->model.tables;
    if (!plain_merges(tables))
        return true;
    lm_buf vocab = {0}, merges = {0};
    lm_status trial = LM_STATUS_INIT;
    print_vocab_json(&tables->vocabulary, &vocab);
    lm_buf_puts(&merges, "#version: 0.2\n");
    for (size_t i = 0; i < tables->merge_count; i++) {
        lm_str left = lm_vocabulary_get(&tables->vocabulary, tables->merges[i].left),
               right = lm_vocabulary_get(&tables->vocabulary, tables->merges[i].right);
        lm_buf_append(&merges, left.data, left.len);
        lm_buf_putc(&merges, ' ');
        lm_buf_append(&merges, right.data, right.len);
        lm_buf_putc(&merges, '\n');
    }
    if (same(t, lm_tokenizer_from_vocab_json(lm_buf_str(&vocab), lm_buf_str(&merges), config, &trial)))
        (void)(write_file(to, "vocab.json", &vocab, st) &&
               write_file(to, "merges.txt", &merges, st));
    lm_buf_free(&vocab);
    lm_buf_free(&merges);
    return lm_ok(st);
}

static bool write_sentencepiece(const lm_tokenizer *t, json_t *config, lm_bundle_writer *to, lm_status *st)
{
    lm_buf b = {0};
    lm_status trial = LM_STATUS_INIT;
    bool unigram = t->model.tables.scores != NULL;
    if (lm_sentencepiece_print(t, &b) &&
        same(t, lm_tokenizer_from_bytes(lm_buf_str(&b), json_incref(config), NULL, NULL, "tokenizer.model",
                                        &trial)))
        write_file(to, unigram ? "spiece.model" : "tokenizer.model", &b, st);
    lm_buf_free(&b);
    return lm_ok(st);
}

static bool write_classic(const lm_tokenizer *t, json_t *config, lm_bundle_writer *to, lm_status *st)
{
    const char *type = json_string_value(json_object_get(json_object_get(t->spec, "model"), "type"));
    if (strcmp(type, "WordPiece") == 0)
        return write_vocab_txt(t, to, st);
    if (strcmp(type, "Unigram") == 0 || t->model.byte_fallback)
        return write_sentencepiece(t, config, to, st);
    return strcmp(type, "BPE") != 0 || write_vocab_json(t, config, to, st);
}

bool lm_tokenizer_write(const lm_tokenizer *t, lm_bundle_writer *to, lm_status *st)
{
    lm_str decoder = {t->decoder_text, t->decoder_text ? strlen(t->decoder_text) : 0};
    json_t *config = t->config ? complete(t->config, "added_tokens_decoder", decoder, st) : default_config(t);
    json_t *map = t->special_map ? json_incref(t->special_map) : default_special_map(t);
    bool ok = lm_ok(st) && write_tokenizer_json(t, to, st) && write_json(to, "tokenizer_config.json", config, st) &&
              write_json(to, "special_tokens_map.json", map, st) && write_classic(t, config, to, st);
    json_decref(config);
    json_decref(map);
    return ok;
}

bool lm_tokenizer_save(const lm_tokenizer *t, const char *dir, lm_status *st)
{
    lm_bundle_writer *to = lm_bundle_into(dir);
    if (lm_tokenizer_write(t, to, st))
        return lm_bundle_publish(to, st);
    lm_bundle_discard(to, st);
    return false;
}
