#include "base/memory.h"
#include "text/components.h"

#include <stdlib.h>

struct lm_token_model_type {
    const char *name;
    bool (*read)(lm_token_model *m, json_t *spec, lm_status *st); /* the vocabulary stands already */
    void (*encode)(const lm_token_model *m, lm_str word, size_t chars, lm_token_list *out);
    void (*describe)(const lm_token_model *m, lm_buf *out);
};

void lm_token_list_grow(lm_token_list *t)
{
    LM_GROW(t->at, t->n, t->cap);
}

void lm_token_list_free(lm_token_list *t)
{
    free(t->at);
    *t = (lm_token_list){0};
}

/* ---------------------------------------------------------------- WordPiece */

static bool read_wordpiece(lm_token_model *m, json_t *spec, lm_status *st)
{
    lm_str unk = lm_spec_string(spec, "unk_token", lm_str_of("[UNK]"), "WordPiece", st);
    lm_str prefix = lm_spec_string(spec, "continuing_subword_prefix", lm_str_of("##"), "WordPiece", st);
    lm_buf_append(&m->prefix, prefix.data, prefix.len);
    m->unk_id = lm_vocabulary_find(&m->vocabulary, unk);
    if (lm_ok(st) && m->unk_id < 0)
        return lm_fail(st, LM_FAILED, "the vocabulary lacks the unknown token \"%.*s\"", (int)unk.len,
                       unk.data);
    json_t *max = json_object_get(spec, "max_input_chars_per_word");
    if (max && (!json_is_integer(max) || json_integer_value(max) < 0))
        return lm_fail(st, LM_FAILED, "WordPiece: \"max_input_chars_per_word\" is no count");
    m->max_chars = max ? (size_t)json_integer_value(max) : 100;
    return lm_ok(st);
}

/* The longest token that begins word[start..], behind `head`; its end, or `start` where there is none. */
static size_t longest(const lm_token_model *m, lm_str word, size_t start, lm_str head, uint64_t hash,
                      uint64_t *hashes, int *id)
{
    size_t end = start + m->vocabulary.longest;
    if (end > word.len)
        end = word.len;
    for (size_t i = start; i < end; i++)
        hashes[i - start] = hash = lm_vocabulary_hash_byte(hash, (unsigned char)word.data[i]);
    for (; end > start; end--) {
        if (end < word.len && ((unsigned char)word.data[end] & 0xC0) == 0x80)
            continue; /* not between characters */
        lm_str tail = {word.data + start, end - start};
        *id = lm_vocabulary_probe(&m->vocabulary, hashes[end - start - 1], head, tail);
        if (*id >= 0)
            return end;
    }
    return start;
}

enum { HASHES_ON_STACK = 1024 };

/* Greedy longest match first (Schuster and Nakajima 2012; BERT's WordpieceTokenizer). */
static void encode_wordpiece(const lm_token_model *m, lm_str word, size_t chars, lm_token_list *out)
{
    size_t first = out->n, start = 0;
    uint64_t on_stack[HASHES_ON_STACK], *hashes = on_stack;
    if (chars <= m->max_chars) {
        size_t most = word.len < m->vocabulary.longest ? word.len : m->vocabulary.longest;
        if (most > HASHES_ON_STACK)
            hashes = lm_malloc(most, sizeof *hashes);
        uint64_t empty = lm_vocabulary_hash_start();
        lm_str head = {NULL, 0};
        uint64_t hash = empty;
        while (start < word.len) {
            int id;
            size_t end = longest(m, word, start, head, hash, hashes, &id);
            if (end == start)
                break;
            lm_token_push(out, id, (int32_t)end);
            if (start == 0) {
                head = lm_buf_str(&m->prefix);
                hash = lm_vocabulary_hash(empty, head);
            }
            start = end;
        }
        if (hashes != on_stack)
            free(hashes);
    }
    if (start < word.len) {
        out->n = first;
        lm_token_push(out, m->unk_id, (int32_t)word.len);
    }
}

static void describe_wordpiece(const lm_token_model *m, lm_buf *out)
{
    lm_buf_printf(out, "(prefix=%.*s,unk=%d,max=%zu)", (int)m->prefix.len,
                  m->prefix.data ? m->prefix.data : "", m->unk_id, m->max_chars);
}

/* ---------------------------------------------------------------- the table */

static const struct lm_token_model_type types[] = {
    {"WordPiece", read_wordpiece, encode_wordpiece, describe_wordpiece},
};

static bool read_vocabulary(lm_vocabulary *v, json_t *spec, lm_status *st)
{
    json_t *vocab = json_object_get(spec, "vocab");
    if (!json_is_object(vocab))
        return lm_fail(st, LM_FAILED, "the model's \"vocab\" is missing or no object");
    const char *token;
    size_t len;
    json_t *id;
    json_object_keylen_foreach(vocab, token, len, id)
    {
        if (!json_is_integer(id))
            return lm_fail(st, LM_FAILED, "the id of token \"%.*s\" is no integer", (int)len, token);
        if (!lm_vocabulary_add(v, (lm_str){token, len}, json_integer_value(id), st))
            return false;
    }
    if (v->count == 0)
        return lm_fail(st, LM_FAILED, "the vocabulary is empty");
    if (v->size / 64 > v->count)
        return lm_fail(st, LM_FAILED, "%d tokens have ids up to %d: the vocabulary has too many holes",
                       v->count, v->size - 1);
    return true;
}

bool lm_token_model_read(lm_token_model *m, json_t *spec, lm_vocabulary *vocabulary, lm_status *st)
{
    *m = (lm_token_model){.unk_id = -1};
    if (!json_is_object(spec))
        return lm_fail(st, LM_FAILED, "it has no \"model\"");
    if (!json_object_get(spec, "type")) { /* as older files have it: the members tell */
        const char *type = json_object_get(spec, "merges")                 ? "BPE"
                           : json_is_array(json_object_get(spec, "vocab")) ? "Unigram"
                                                                           : "WordPiece";
        json_object_set_new(spec, "type", json_string(type));
    }
    int i = lm_spec_type(spec, types, sizeof types / sizeof *types, sizeof *types, "model", st);
    if (i < 0)
        return false;
    m->type = &types[i];
    if (vocabulary) {
        m->vocabulary = *vocabulary;
        *vocabulary = (lm_vocabulary){0};
    } else if (!read_vocabulary(&m->vocabulary, spec, st)) {
        return false;
    }
    return m->type->read(m, spec, st);
}

void lm_token_model_free(lm_token_model *m)
{
    lm_vocabulary_free(&m->vocabulary);
    lm_buf_free(&m->prefix);
    *m = (lm_token_model){.unk_id = -1};
}

void lm_token_model_encode(const lm_token_model *m, lm_str word, size_t chars, lm_token_list *out)
{
    m->type->encode(m, word, chars, out);
}

void lm_token_model_describe(const lm_token_model *m, lm_buf *out)
{
    lm_buf_puts(out, m->type->name);
    m->type->describe(m, out);
}
