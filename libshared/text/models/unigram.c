/* Unigram (Kudo 2018): of all ways to write a word with tokens, the one with the largest sum of scores. */
#include "text/models/models.h"
#include "text/models/trie.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

typedef struct unigram {
    lm_token_trie trie;
    double unk_score;
    int32_t byte_ids[256];
} unigram;

static void free_unigram(lm_token_model *m)
{
    unigram *u = m->own;
    if (u)
        lm_token_trie_free(&u->trie);
    free(u);
}

static bool read_unigram(lm_token_model *m, json_t *spec, lm_status *st)
{
    const double penalty = 10; /* SentencePiece's kUnkPenalty */
    const lm_token_tables *t = &m->tables;
    json_t *unk = json_object_get(spec, "unk_id");
    m->byte_fallback = lm_spec_bool(spec, "byte_fallback", false, "Unigram", st);
    if (!lm_ok(st))
        return false;
    if (unk && !json_is_null(unk)) {
        if (!json_is_integer(unk) || json_integer_value(unk) < 0 ||
            json_integer_value(unk) >= t->vocabulary.size)
            return lm_fail(st, LM_FAILED, "Unigram: \"unk_id\" is no id of the vocabulary");
        m->unk_id = (int)json_integer_value(unk);
    }
    unigram *u = m->own = lm_calloc(1, sizeof *u);
    double min = t->scores[0];
    for (int id = 1; id < t->vocabulary.size; id++)
        if (t->scores[id] < min)
            min = t->scores[id];
    u->unk_score = min - penalty;
    lm_token_model_bytes(&t->vocabulary, u->byte_ids);
    lm_token_trie_build(&u->trie, &t->vocabulary);
    return true;
}

static void describe_unigram(const lm_token_model *m, lm_buf *out)
{
    const lm_token_tables *t = &m->tables;
    lm_buf_printf(out, "(scores=%016" PRIx64 ",unk=%d,byte_fallback=%d)",
                  (uint64_t)XXH3_64bits(t->scores, (size_t)t->vocabulary.size * sizeof *t->scores), m->unk_id,
                  m->byte_fallback);
}

/* The best way to write the bytes before one. */
typedef struct node {
    double score;
    int32_t start; /* of the last token; -1 = no way found yet */
    int32_t id;    /* the last token */
} node;

static inline void offer(node *n, double score, size_t start, int32_t id)
{
    if (n->start < 0 || score > n->score)
        *n = (node){score, (int32_t)start, id};
}

/* Viterbi, from left to right; of equals the one that was found first stays, whose last token is longer. */
static void find_best(const lm_token_model *m, lm_str word, node *best, lm_model_scratch *scratch)
{
    const unigram *u = m->own;
    const double *scores = m->tables.scores;
    best[0] = (node){0, 0, 0};
    for (size_t i = 1; i <= word.len; i++)
        best[i].start = -1;
    for (size_t i = 0, n; i < word.len; i += n) {
        double so_far = best[i].score;
        uint32_t code;
        n = lm_utf8_decode(word.data + i, word.len - i, &code);
        bool single = false;
        uint32_t at = 0;
        for (size_t k = i, bytes; k < word.len; k += bytes) {
            if (!lm_token_trie_step(&u->trie, &at, lm_token_trie_character(&u->trie, word.data + k, &bytes)))
                break;
            if (!lm_token_trie_ends(&u->trie, at))
                continue;
            int32_t id = u->trie.ids[at];
            offer(&best[k + bytes], scores[id] + so_far, i, id);
            single |= k == i;
        }
        if (!single) {
            node *next = &best[i + n];
            if (m->unk_id < 0 && (next->start < 0 || u->unk_score + so_far > next->score))
                scratch->lacks_unk = true;
            offer(next, u->unk_score + so_far, i, m->unk_id);
        }
    }
}

/* What stands for word[from..to), which is unknown: the token that it is after all, its bytes, or the unknown
 * token. */
static void push_unknown(const lm_token_model *m, lm_str word, int32_t from, int32_t to, lm_token_list *out)
{
    const unigram *u = m->own;
    lm_str part = {word.data + from, (size_t)(to - from)};
    int id = lm_vocabulary_find(&m->tables.vocabulary, part);
    bool bytes = id < 0 && m->byte_fallback;
    for (size_t i = 0; i < part.len && bytes; i++)
        bytes = u->byte_ids[(unsigned char)part.data[i]] >= 0;
    if (!bytes) {
        lm_token_push(out, id < 0 ? m->unk_id : id, to);
        return;
    }
    for (size_t i = 0; i < part.len; i++)
        lm_token_push(out, u->byte_ids[(unsigned char)part.data[i]], to);
}

static void encode_unigram(const lm_token_model *m, lm_str word, size_t chars, lm_model_scratch *scratch,
                           lm_token_list *out)
{
    (void)chars;
    node *best = lm_model_scratch_get(scratch, word.len + 1, sizeof *best);
    find_best(m, word, best, scratch);
    int32_t next = 0; /* now `start` is made to say where the token behind ends */
    for (int32_t end = (int32_t)word.len; end > 0;) {
        int32_t start = best[end].start;
        best[end].start = next;
        next = end;
        end = start;
    }
    for (int32_t from = 0, end = next; end > 0;) {
        int32_t id = best[end].id, behind = best[end].start;
        while (id == m->unk_id && behind > 0 && best[behind].id == id) { /* unknown neighbours are one */
            end = behind;
            behind = best[end].start;
        }
        if (id == m->unk_id)
            push_unknown(m, word, from, end, out);
        else
            lm_token_push(out, id, end);
        from = end;
        end = behind;
    }
}

const struct lm_token_model_type lm_unigram_type = {
    .read = read_unigram,
    .encode = encode_unigram,
    .describe = describe_unigram,
    .free = free_unigram,
};
