/* Short words without merging: their longest tokens, one behind the other, as far as these can stand side by side.
 *
 * Two tokens can, where they are what BPE makes of the two alone. Tokens of which all neighbours can are what it makes of the whole, and
 * what it makes is of that kind (bpe_windows.c). So a word's tokens are looked for from its start on, the longest first, each of which
 * has to be able to stand behind the one before it. What is taken of a word's beginning so is what BPE makes of that beginning, and there
 * is but one such: a place from which nothing led to the end never does, and is not tried again.
 *
 * Whether two tokens can stand side by side is seen by going back in time. Making merges of the lowest rank first leads from state to
 * state: in state t all merges of lower ranks than t are made, as far as there are any. From there to state t + 1 one of rank t is made,
 * the leftmost, then what of lower ranks became possible by it, then the next of rank t. A token's time is the first state in which it
 * is there: 1 more than the highest rank of the merges that made it and its parts. Beside another token that is as if it were alone,
 * until something is joined over the border. Of the two that stand there in the end the one of the higher time was finished last; of two
 * of the same time the right one, since its merges of that rank are further to the right. Before that merge, its part at the border,
 * which let be p, and q the other one, stood beside the other token: since when, and what was made meanwhile, says what the merge over
 * the border would have needed to be made. T is the time of the token that is taken apart.
 *   p's time is lower: p stood there in state T - 1 already, from where a merge of rank T - 1 is next. That over the border comes first if
 *   its rank is lower, or if it is the same (then they join the same two tokens) and the border is to the left of it.
 *   p's time is T, too: p came after a merge of rank T - 1, and the merge of p and q, whose rank is lower, was next, unless q was
 *   still to be finished: right of the border, with a merge of rank T - 1 in it, which then was next.
 * So back to the two bytes at the border. They are the same all the way: where no merge over a border of two such bytes has a rank below
 * T, none comes first from there on, since T only falls and no rank is compared to more than it. Nothing else is compared: each pair of
 * tokens, and so each rank, is there once. Tokens in the vocabulary that BPE never comes to are no part of this; where models take words
 * that are such a token, as ignore_merges says, that is seen at the start.
 *
 * It takes fewer steps than merging where words are few tokens, and the longest is the right one most of the time. That is so where
 * characters are of several bytes and the vocabulary knows more of a word than these: not for languages that it hardly knows, whose
 * tokens are a byte or two, and not for rare words of the Latin alphabet, for which the longest token is the wrong one too often. */
#include "text/models/bpe.h"

#include "base/memory.h"
#include "text/models/trie.h"

#include <stdlib.h>

static bool is_known(const lm_bpe_part *p)
{
    return p->left != LM_NO_TOKEN;
}

/* 0: it is a byte. */
static inline uint32_t time_of(const lm_bpe_part *p)
{
    uint32_t before_left = p->before_left + 1;
    return before_left > p->before_right ? before_left : p->before_right;
}

static inline size_t border_of(unsigned char left, unsigned char right)
{
    return (size_t)left << 8 | right;
}

/* ---------------------------------------------------------------- two tokens */

/* Whether these two stay apart, if a merge over the border that is between them in the end is made where its rank is below `limit`.
 * No merge over such a border has a rank below `least`. */
static inline bool stand_together(const lm_bpe *b, const lm_bpe_part *parts, int32_t left, int32_t right, uint32_t limit, uint32_t least)
{
    const lm_bpe_part *l = &parts[left], *r = &parts[right];
    uint32_t left_time = time_of(l), right_time = time_of(r);
    for (;;) {
        const lm_merge_slot *m = lm_merge_find(b, left, right);
        if (__builtin_expect(m && lm_merge_rank(*m) < limit, 0))
            return false;
        if ((left_time > right_time ? left_time : right_time) <= least)
            return true;
        uint32_t which = -(uint32_t)(left_time > right_time); /* cannot be foreseen: no branch */
        limit = (l->before_left & which) | (r->before_right & ~which);
        left = (int32_t)(((uint32_t)l->right & which) | ((uint32_t)left & ~which));
        right = (int32_t)(((uint32_t)r->left & ~which) | ((uint32_t)right & which));
        l = &parts[left];
        r = &parts[right];
        left_time = time_of(l);
        right_time = time_of(r);
    }
}

/* ---------------------------------------------------------------- a word */

typedef struct matcher {
    const lm_bpe *b;
    const unsigned char *bytes;
    uint32_t size;
} matcher;

/* The tokens that the word has from a byte on: bits of their last bytes, counted from it, and the longest one's id. *rest: the id of
 * what is a token from there to the end, even if BPE never comes to it; else -1. */
static inline uint64_t look_up(const matcher *w, uint32_t from, int32_t *longest, int32_t *rest)
{
    const lm_token_trie *trie = &w->b->trie;
    lm_token_trie_place at = lm_token_trie_root(trie);
    uint64_t ends = 0;
    uint32_t last = 0, i = from;
    for (; i < w->size && lm_token_trie_step(trie, &at, w->b->numbers[w->bytes[i]]); i++) {
        uint32_t is = lm_token_trie_ends(at);
        ends |= (uint64_t)is << (i - from);
        last = is ? at.node : last;
    }
    *longest = trie->ids[last];
    *rest = i == w->size ? trie->ids[at.node] : -1;
    return ends;
}

/* The id of one of these that has n bytes. */
static int32_t token_of(const matcher *w, uint32_t from, uint32_t n)
{
    const lm_token_trie *trie = &w->b->trie;
    lm_token_trie_place at = lm_token_trie_root(trie);
    for (uint32_t i = from; i < from + n; i++)
        lm_token_trie_step(trie, &at, w->b->numbers[w->bytes[i]]);
    return trie->ids[at.node];
}

static uint32_t highest(uint64_t bits)
{
    return 63 - (uint32_t)__builtin_clzll(bits);
}

/* From its start on, where the tokens are `ends`, the longest of which is `id`. */
static uint32_t match(const matcher *w, uint64_t ends, int32_t id, int32_t *ids, uint64_t *all_ends)
{
    const lm_bpe *b = w->b;
    uint64_t left[LM_BPE_SHORT]; /* by place: the tokens that are still to be tried */
    uint64_t dead = 0, done = 0; /* bits of last bytes: nothing leads on from behind them; tokens end there */
    uint32_t starts[LM_BPE_SHORT], from = 0, n = 0;
    int32_t rest;
    left[0] = ends;
    for (;;) {
        if (ends) {
            uint32_t last = highest(ends);
            left[from] &= ~(UINT64_C(1) << last);
            if (!n || stand_together(b, b->parts, ids[n - 1], id, LM_NO_MERGE, b->least[border_of(w->bytes[from - 1], w->bytes[from])])) {
                starts[n] = from;
                ids[n++] = id;
                from += last + 1;
                done |= UINT64_C(1) << (from - 1);
                if (from == w->size)
                    break;
                ends = left[from] = look_up(w, from, &id, &rest);
                if (!dead)
                    continue;
            }
        } else {
            if (!n)
                return 0;
            dead |= UINT64_C(1) << (from - 1);
            done &= ~(UINT64_C(1) << (from - 1));
            from = starts[--n];
        }
        ends = left[from] & ~(dead >> from);
        if (ends)
            id = token_of(w, from, highest(ends) + 1);
    }
    *all_ends = done;
    return n;
}

uint32_t lm_bpe_match(const lm_bpe *b, lm_str word, bool whole, int32_t *ids, uint64_t *ends)
{
    matcher w = {b, (const unsigned char *)word.data, (uint32_t)word.len};
    int32_t id, rest;
    uint64_t first = look_up(&w, 0, &id, &rest);
    if (whole && rest >= 0) {
        ids[0] = rest;
        *ends = UINT64_C(1) << (word.len - 1);
        return 1;
    }
    return match(&w, first, id, ids, ends);
}

/* ---------------------------------------------------------------- how tokens are made */

/* Merges by the length of what they make. Returns how many. */
static size_t by_length(const lm_token_tables *t, lm_merge_slot *order)
{
    const lm_merge_index *index = &t->index;
    size_t sum = 0, *start = lm_calloc(t->vocabulary.longest + 1, sizeof *start);
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < index->slot_count; i++) {
            if (!index->tags[i])
                continue;
            size_t *at = &start[lm_vocabulary_get(&t->vocabulary, index->merged[lm_merge_rank(index->slots[i])]).len];
            if (turn)
                order[*at] = index->slots[i];
            ++*at;
        }
        for (size_t len = 0; !turn && len <= t->vocabulary.longest; len++) {
            size_t n = start[len];
            start[len] = sum;
            sum += n;
        }
    }
    free(start);
    return sum;
}

static lm_bpe_part part_of(const lm_bpe_part *parts, int32_t l, int32_t r, uint32_t rank)
{
    uint32_t left = time_of(&parts[l]), right = time_of(&parts[r]), time = rank + 1;
    time = left > time ? left : time;
    time = right > time ? right : time;
    return (lm_bpe_part){l, r, right == time ? rank : time - 1, left == time && right < time ? rank + 1 : time};
}

/* Of those that BPE comes to. A token is what the merge of two such is that nothing over their border comes before. */
static void find_parts(const lm_token_tables *t, const lm_bpe *b, lm_bpe_part *parts, uint32_t *least)
{
    lm_merge_slot *order = lm_malloc(t->merge_count, sizeof *order);
    unsigned char *first = lm_calloc((size_t)t->vocabulary.size, 1), *last = lm_calloc((size_t)t->vocabulary.size, 1); /* bytes of each */
    size_t n = by_length(t, order);
    for (int id = 0; id < t->vocabulary.size; id++)
        parts[id] = (lm_bpe_part){LM_NO_TOKEN, LM_NO_TOKEN, UINT32_MAX, 0};
    for (int byte = 0; byte < 256; byte++) {
        parts[b->symbols[byte]].left = 0;
        first[b->symbols[byte]] = last[b->symbols[byte]] = (unsigned char)byte;
    }
    memset(least, 0xFF, LM_BYTE_PAIRS * sizeof *least);
    for (size_t i = 0; i < n; i++) {
        uint32_t rank = lm_merge_rank(order[i]);
        int32_t left = lm_merge_left(order[i]), right = lm_merge_right(order[i]), id = b->merged[rank];
        if (!is_known(&parts[left]) || !is_known(&parts[right]))
            continue;
        uint32_t *lowest = &least[border_of(last[left], first[right])];
        *lowest = rank < *lowest ? rank : *lowest;
        if (is_known(&parts[id]) || !stand_together(b, parts, left, right, rank, 0))
            continue;
        parts[id] = part_of(parts, left, right, rank);
        first[id] = first[left];
        last[id] = last[right];
    }
    free(order);
    free(first);
    free(last);
}

/* In the trie those alone end that BPE comes to. False: it has not all tokens, each once. */
static bool mark_ends(const lm_vocabulary *v, lm_token_trie *t, const lm_bpe_part *parts)
{
    int found = 0;
    for (size_t i = 0; i < t->places; i++) {
        if (t->ids[i] < 0)
            continue;
        found++;
        if (!is_known(&parts[t->ids[i]]))
            t->nodes[i].base &= ~LM_TRIE_ENDS;
    }
    return found == v->count;
}

static void make_parts(lm_token_tables *t, const lm_bpe *b)
{
    lm_bpe_part *parts = lm_malloc_table((size_t)t->vocabulary.size, sizeof *parts);
    uint32_t *least = lm_malloc(LM_BYTE_PAIRS, sizeof *least);
    find_parts(t, b, parts, least);
    lm_token_trie_of(t);
    if (mark_ends(&t->vocabulary, t->trie, parts)) {
        t->index.parts = parts;
        t->index.part_count = (size_t)t->vocabulary.size;
        t->index.least = least;
        return;
    }
    lm_token_trie_free(t->trie);
    free(t->trie);
    free(parts);
    free(least);
    t->trie = NULL;
}

/* Whether a byte is a token of the trie, and not another one. */
static bool has_byte(const lm_bpe *b, int byte)
{
    lm_token_trie_place at = lm_token_trie_root(&b->trie);
    return lm_token_trie_step(&b->trie, &at, b->numbers[byte]) && lm_token_trie_ends(at) && b->trie.ids[at.node] == b->symbols[byte];
}

/* How many tokens and beginnings of some go on from there by one byte of a longer character, or two; no more are counted than `most`. */
static int ways_on(const lm_bpe *b, lm_token_trie_place from, int bytes, int most)
{
    int n = 0;
    for (int byte = 0x80; byte < 256 && n < most && bytes > 0; byte++) {
        lm_token_trie_place at = from;
        if (lm_token_trie_step(&b->trie, &at, b->numbers[byte]))
            n += 1 + ways_on(b, at, bytes - 1, most - n - 1);
    }
    return n;
}

/* The second bytes of longer characters from which the vocabulary has SOME such ways on. */
static uint64_t second_bytes(const lm_bpe *b, int first)
{
    enum { SOME = 4 };
    uint64_t bits = 0;
    for (int k = 0; k < 64; k++) {
        int second = (first < 0x80 ? 0xC0 : 0x80) + k; /* it begins a character, or goes on with it */
        lm_token_trie_place at = lm_token_trie_root(&b->trie);
        if (lm_token_trie_step(&b->trie, &at, b->numbers[first]) && lm_token_trie_step(&b->trie, &at, b->numbers[second]))
            bits |= (uint64_t)(ways_on(b, at, 2, SOME) == SOME) << k;
    }
    return bits;
}

void lm_bpe_find_parts(lm_token_model *m, lm_bpe *b, bool kept)
{
    lm_token_tables *t = &m->tables;
    if (!b->takes_bytes || !t->merge_count)
        return;
    if (!kept)
        make_parts(t, b);
    if (!t->index.parts || !t->trie)
        return;
    b->trie = *t->trie;
    for (int byte = 0; byte < 256; byte++) {
        size_t len;
        char form[4] = {(char)b->forms[byte], (char)(b->forms[byte] >> 8)};
        b->numbers[byte] = lm_token_trie_character(&b->trie, form, &len);
        if (!has_byte(b, byte))
            return;
    }
    for (int first = 0; first < 256; first++)
        if ((first & 0xC0) != 0x80) /* a word begins with a whole character */
            b->leads_on[first] = second_bytes(b, first);
    b->parts = t->index.parts;
    b->least = t->index.least;
}

bool lm_bpe_parts_check(const lm_token_tables *t)
{
    const lm_merge_index *index = &t->index;
    const lm_vocabulary_token *tokens = t->vocabulary.tokens;
    uint32_t size = (uint32_t)t->vocabulary.size, bad = 0;
    if (index->part_count && (index->part_count != size || !t->trie))
        return false;
    for (size_t id = 0; id < index->part_count; id++) {
        const lm_bpe_part *p = &index->parts[id];
        uint32_t left = (uint32_t)p->left, right = (uint32_t)p->right;
        if (time_of(p) == 0)
            continue;
        if (left >= size || right >= size)
            return false;
        bad |= tokens[left].len >= tokens[id].len || tokens[right].len >= tokens[id].len; /* taking it apart comes to an end */
    }
    return !bad;
}
