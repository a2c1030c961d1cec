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

/* The longest token that begins word[start..] behind `at`: its end, or `start` where there is none. */
static size_t longest(const lm_token_trie *trie, lm_token_trie_place at, lm_str word, size_t start, int32_t *id)
{
    size_t end = start;
    uint32_t last = 0;
    for (size_t i = start, n; i < word.len && lm_token_trie_step(trie, &at, lm_token_trie_character(trie, word.data + i, &n));) {
        i += n;
        if (lm_token_trie_ends(at)) {
            last = at.node;
            end = i;
        }
    }
    *id = trie->ids[last];
    return end;
}

static void encode_wordpiece(const lm_token_model *m, lm_str word, size_t chars, lm_model_scratch *scratch,
                             lm_token_list *out)
{
    const wordpiece *w = m->own;
    size_t first = out->n, start = 0;
    lm_token_trie_place at = lm_token_trie_root(&w->trie);
    (void)scratch;
    while (chars <= m->max_chars && start < word.len && (start == 0 || w->has_inside)) {
        int32_t id;
        size_t end = longest(&w->trie, at, word, start, &id);
        if (end == start)
            break;
        lm_token_push(out, id, (int32_t)end);
        start = end;
        at = w->inside;
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

const struct lm_token_model_type lm_wordpiece_type = {
    .read = read_wordpiece,
    .encode = encode_wordpiece,
    .describe = describe_wordpiece,
    .free = free_wordpiece,
};
