/* WordPiece (Schuster and Nakajima 2012): the longest token first. */
#include "text/models/models.h"
#include "text/models/trie.h"

#include "base/memory.h"

#include <stdlib.h>

typedef struct wordpiece {
    lm_token_trie trie; /* the tables' */
    lm_token_trie_place inside; /* behind the prefix that tokens inside a word have, */
    bool has_inside;            /* if there are any */
} wordpiece;

static void free_wordpiece(lm_token_model *m)
{
    free(m->own);
}

static bool read_wordpiece(lm_token_model *m, json_t *spec, lm_status *st)
{
    lm_str unk = lm_spec_string(spec, "unk_token", lm_str_of("[UNK]"), "WordPiece", st);
    lm_str prefix = lm_spec_string(spec, "continuing_subword_prefix", lm_str_of("##"), "WordPiece", st);
    lm_buf_append(&m->prefix, prefix.data, prefix.len);
    m->unk_id = lm_vocabulary_find(&m->tables.vocabulary, unk);
    if (lm_ok(st) && m->unk_id < 0)
        return lm_fail(st, LM_FAILED, "the vocabulary lacks the unknown token \"%.*s\"", (int)unk.len,
                       unk.data);
    json_t *max = json_object_get(spec, "max_input_chars_per_word");
    if (max && (!json_is_integer(max) || json_integer_value(max) < 0))
        return lm_fail(st, LM_FAILED, "WordPiece: \"max_input_chars_per_word\" is no count");
    m->max_chars = max ? (size_t)json_integer_value(max) : 100;
    if (!lm_ok(st))
        return false;
    wordpiece *w = m->own = lm_calloc(1, sizeof *w);
    w->trie = *lm_token_trie_of(&m->tables);
    w->has_inside = true;
    w->inside = lm_token_trie_root(&w->trie);
    for (size_t i = 0, n; i < m->prefix.len && w->has_inside; i += n)
        w->has_inside = lm_token_trie_step(&w->trie, &w->inside, lm_token_trie_character(&w->trie, m->prefix.data + i, &n));
    return true;
}

/* A character: its number in the trie, and where it ends. */
typedef struct character {
    uint32_t number, end;
} character;

static size_t read_characters(const lm_token_trie *trie, lm_str word, character *out)
{
    size_t n = 0;
    for (size_t i = 0, bytes; i < word.len; n++) {
        out[n].number = lm_token_trie_character(trie, word.data + i, &bytes);
        out[n].end = (uint32_t)(i += bytes);
    }
    return n;
}

/* The longest token that begins with character `from` of n behind `at`: the character behind it, or `from` where there is none. */
static size_t longest(const lm_token_trie *trie, lm_token_trie_place at, const character *word, size_t from, size_t n, int32_t *id)
{
    size_t end = from;
    uint32_t last = 0;
    for (size_t i = from; i < n && lm_token_trie_step(trie, &at, word[i].number);) {
        i++;
        if (lm_token_trie_ends(at)) {
            last = at.node;
            end = i;
        }
    }
    *id = trie->ids[last];
    return end;
}

/* False where a part of it is no token. */
static bool cut(const wordpiece *w, const character *word, size_t n, lm_token_list *out)
{
    lm_token_trie_place at = lm_token_trie_root(&w->trie);
    for (size_t start = 0, end; start < n; start = end) {
        int32_t id;
        end = start == 0 || w->has_inside ? longest(&w->trie, at, word, start, n, &id) : start;
        if (end == start)
            return false;
        lm_token_push(out, id, (int32_t)word[end - 1].end);
        at = w->inside;
    }
    return true;
}

static void encode_wordpiece(const lm_token_model *m, lm_str word, size_t chars, lm_model_scratch *scratch,
                             lm_token_list *out)
{
    const wordpiece *w = m->own;
    size_t first = out->n;
    if (chars <= m->max_chars) {
        character *characters = lm_model_scratch_get(scratch, word.len, sizeof *characters);
        if (cut(w, characters, read_characters(&w->trie, word, characters), out))
            return;
    }
    out->n = first;
    lm_token_push(out, m->unk_id, (int32_t)word.len);
}

static void describe_wordpiece(const lm_token_model *m, lm_buf *out)
{
    lm_buf_printf(out, "(prefix=%.*s,unk=%d,max=%zu)", (int)m->prefix.len,
                  m->prefix.data ? m->prefix.data : "", m->unk_id, m->max_chars);
}

const struct lm_token_model_type lm_wordpiece_type = {
    .read = read_wordpiece,
    .encode = encode_wordpiece,
    .describe = describe_wordpiece,
    .free = free_wordpiece,
};
