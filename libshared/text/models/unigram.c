/* Unigram (Kudo 2018): of all ways to write a word with tokens, the one with the largest sum of scores. */
#include "text/models/models.h"
#include "text/models/trie.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

typedef struct unigram {
    lm_token_trie trie; /* the tables' */
    double *scores; /* by node of the trie */
    double unk_score;
    int32_t byte_ids[256];
} unigram;

static void free_unigram(lm_token_model *m)
{
    unigram *u = m->own;
    if (u)
        free(u->scores);
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
    u->trie = *lm_token_trie_of(&m->tables);
    u->scores = lm_malloc(u->trie.places, sizeof *u->scores);
    for (size_t i = 0; i < u->trie.places; i++)
        u->scores[i] = u->trie.ids[i] < 0 ? 0 : t->scores[u->trie.ids[i]];
    return true;
}

static void describe_unigram(const lm_token_model *m, lm_buf *out)
{
    const lm_token_tables *t = &m->tables;
    lm_buf_printf(out, "(scores=%016" PRIx64 ",unk=%d,byte_fallback=%d)",
                  (uint64_t)XXH3_64bits(t->scores, (size_t)t->vocabulary.size * sizeof *t->scores), m->unk_id,
                  m->byte_fallback);
}

/* A character, and the best way to write those before it. */
typedef struct node {
    double score;
    int32_t start;      /* the character with which the last token begins; -1 = no way found yet */
    uint32_t token;     /* the last token, as a node of the trie; 0 = the character before this one is unknown */
    uint32_t character; /* its number in the trie */
    int32_t at;         /* its first byte */
} node;

static inline void offer(node *n, double score, size_t start, uint32_t token)
{
    if (n->start < 0 || score > n->score) {
        n->score = score;
        n->start = (int32_t)start;
        n->token = token;
    }
}

/* The characters of a word, `most` of them at most; returns how many. Behind them is one more node. */
static size_t read_characters(const unigram *u, lm_str word, size_t most, node *best)
{
    size_t n = 0, i = 0;
    for (size_t len; i < word.len && n < most; i += len, n++) {
        best[n].character = lm_token_trie_character(&u->trie, word.data + i, &len);
        best[n].at = (int32_t)i;
        best[n].start = -1;
    }
    best[n].at = (int32_t)i;
    best[n].start = -1;
    return n;
}

/* Viterbi, from left to right; of equals the one that was found first stays, whose last token is longer. */
static void find_best(const lm_token_model *m, node *best, size_t n, double score, lm_model_scratch *scratch)
{
    const unigram *u = m->own;
    best[0].score = score;
    best[0].start = 0;
    for (size_t i = 0; i < n; i++) {
        double so_far = best[i].score;
        bool single = false;
        lm_token_trie_place at = lm_token_trie_root(&u->trie);
        for (size_t k = i; k < n && lm_token_trie_step(&u->trie, &at, best[k].character);) {
            k++;
            if (!lm_token_trie_ends(at))
                continue;
            offer(&best[k], u->scores[at.node] + so_far, i, at.node);
            single |= k == i + 1;
        }
        if (!single) {
            node *next = &best[i + 1];
            if (m->unk_id < 0 && (next->start < 0 || u->unk_score + so_far > next->score))
                scratch->lacks_unk = true;
            offer(next, u->unk_score + so_far, i, 0);
        }
    }
}

/* The token that is all of these characters; -1 = there is none. */
static int32_t find_token(const unigram *u, const node *from, const node *to)
{
    lm_token_trie_place at = lm_token_trie_root(&u->trie);
    while (from < to && lm_token_trie_step(&u->trie, &at, from->character))
        from++;
    return from == to && lm_token_trie_ends(at) ? u->trie.ids[at.node] : -1;
}

/* What stands for the characters [from, to) of a word, which are unknown: the token that they are after all, their bytes, or the unknown
 * token. */
static void push_unknown(const lm_token_model *m, lm_str word, const node *from, const node *to, lm_token_list *out)
{
    const unigram *u = m->own;
    lm_str part = {word.data + from->at, (size_t)(to->at - from->at)};
    int32_t id = find_token(u, from, to);
    bool bytes = id < 0 && m->byte_fallback;
    for (size_t i = 0; i < part.len && bytes; i++)
        bytes = u->byte_ids[(unsigned char)part.data[i]] >= 0;
    if (!bytes) {
        lm_token_push(out, id < 0 ? m->unk_id : id, to->at);
        return;
    }
    for (size_t i = 0; i < part.len; i++)
        lm_token_push(out, u->byte_ids[(unsigned char)part.data[i]], to->at);
}

static inline int32_t id_of(const lm_token_model *m, const node *n)
{
    const unigram *u = m->own;
    return n->token ? u->trie.ids[n->token] : m->unk_id;
}

/* The tokens of the best way to the n-th character; the word begins with the first node's. */
static void push_best(const lm_token_model *m, lm_str word, node *best, size_t n, lm_token_list *out)
{
    int32_t next = 0; /* now `start` is made to say where the token behind ends */
    for (int32_t end = (int32_t)n; end > 0;) {
        int32_t start = best[end].start;
        best[end].start = next;
        next = end;
        end = start;
    }
    for (int32_t from = 0, end = next; end > 0;) {
        int32_t id = id_of(m, &best[end]), behind = best[end].start;
        while (id == m->unk_id && behind > 0 && id_of(m, &best[behind]) == id) { /* unknown neighbours are one */
            end = behind;
            behind = best[end].start;
        }
        if (id == m->unk_id)
            push_unknown(m, word, &best[from], &best[end], out);
        else
            lm_token_push(out, id, best[end].at);
        from = end;
        end = behind;
    }
}

static void encode_unigram(const lm_token_model *m, lm_str word, size_t chars, lm_model_scratch *scratch,
                           lm_token_list *out)
{
    (void)chars;
    node *best = lm_model_scratch_get(scratch, word.len + 1, sizeof *best);
    size_t n = read_characters(m->own, word, word.len, best);
    find_best(m, best, n, 0, scratch);
    push_best(m, word, best, n, out);
}

/* ---------------------------------------------------------------- long words */

/* Whatever follows, the best way passes one of the last characters, since no token is longer than all of them together. Where the best
 * ways to these have one place in common, that before it is settled. What is beside those ways does not count behind that place: it lost
 * against them, and loses again where the lattice begins there, with the score that was reached. Returns that place, behind a token that
 * is known, so that unknown neighbours stay together; 0 = there is none. `is_live` has room for n + 1. */
static size_t settled(const lm_token_model *m, const node *best, size_t n, bool *is_live)
{
    size_t longest = m->tables.vocabulary.longest, first = n > longest ? n - longest : 0, live = n - first, i = n;
    memset(is_live, 0, first + 1);
    memset(is_live + first + 1, 1, live);
    for (; i > 0 && (live > 1 || !is_live[i]); i--) {
        if (!is_live[i])
            continue;
        bool *start = &is_live[best[i].start];
        live -= *start;
        *start = true;
    }
    while (i > 0 && id_of(m, &best[i]) == m->unk_id)
        i = (size_t)best[i].start;
    return i;
}

static bool walk_unigram(const lm_token_model *m, lm_str word, bool bytes, lm_word_walk *walk, lm_model_scratch *scratch,
                         lm_token_list *out)
{
    enum { CHARACTERS = 1 << 13 };
    lm_str rest = {word.data + walk->now.from, word.len - walk->now.from};
    node *best;
    size_t n, done = 0;
    (void)bytes;
    if (m->unk_id < 0) {
        encode_unigram(m, word, word.len, scratch, out);
        return false;
    }
    walk->shortest = walk->shortest ? walk->shortest : CHARACTERS;
    for (; !done; walk->shortest *= done ? 1 : 2) {
        best = lm_model_scratch_get(scratch, walk->shortest + 1, sizeof *best + sizeof(bool));
        n = read_characters(m->own, rest, walk->shortest, best);
        find_best(m, best, n, walk->score, scratch);
        done = (size_t)best[n].at == rest.len ? n : settled(m, best, n, (bool *)(best + walk->shortest + 1));
    }
    walk->score = best[done].score;
    push_best(m, rest, best, done, out);
    for (size_t i = 0; i < out->n; i++)
        out->at[i].end += (int32_t)walk->now.from;
    walk->now.from += (size_t)best[done].at;
    return walk->now.from < word.len;
}

const struct lm_token_model_type lm_unigram_type = {
    .read = read_unigram,
    .encode = encode_unigram,
    .walk = walk_unigram,
    .describe = describe_unigram,
    .free = free_unigram,
};
