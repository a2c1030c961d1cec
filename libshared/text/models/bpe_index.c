/* What BPE finds its merges and characters by: made of the vocabulary and the merges, or kept with them. */
#include "text/models/bpe.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/models/models.h"

#include <stdlib.h>

enum { AHEAD = 16, LEAST_SLOTS = 2 * LM_MERGE_GROUP }; /* two groups: no shift of 64 */

static unsigned logarithm(size_t n)
{
    return 63 - (unsigned)__builtin_clzll(n);
}

/* Of the hash table as it stands in the index. */
static void use_slots(lm_bpe *b, const lm_merge_index *index)
{
    b->slots = index->slots;
    b->merged = index->merged;
    b->tags = index->tags;
    b->mask = index->slot_count / LM_MERGE_GROUP - 1;
    b->shift = 64 - logarithm(index->slot_count / LM_MERGE_GROUP);
}

/* ---------------------------------------------------------------- merges */

static bool is_joined(lm_str token, lm_str left, lm_str right)
{
    return token.data && token.len == left.len + right.len && memcmp(token.data, left.data, left.len) == 0 &&
           memcmp(token.data + left.len, right.data, right.len) == 0;
}

/* The token that a merge makes: the left one and what is behind the prefix of the right one. *id is that of the merge before. */
static bool merged_token(const lm_token_model *m, size_t rank, int *id, lm_status *st)
{
    const lm_vocabulary *v = &m->tables.vocabulary;
    int before = *id;
    lm_str left = lm_vocabulary_get(v, m->tables.merges[rank].left),
           right = lm_vocabulary_get(v, m->tables.merges[rank].right);
    if (right.len < m->prefix.len)
        return lm_fail(st, LM_FAILED, "merge %zu: \"%.*s\" is shorter than the prefix inside words", rank + 1,
                       (int)right.len, right.data);
    right = (lm_str){right.data + m->prefix.len, right.len - m->prefix.len};
    for (*id = before; *id <= before + 1; ++*id) /* as most files have them */
        if (is_joined(lm_vocabulary_get(v, *id), left, right))
            return true;
    uint64_t hash = lm_vocabulary_hash(lm_vocabulary_hash(lm_vocabulary_hash_start(), left), right);
    *id = lm_vocabulary_probe(v, hash, left, right);
    if (*id < 0)
        lm_fail(st, LM_FAILED, "merge %zu makes \"%.*s%.*s\", which is not in the vocabulary", rank + 1,
                (int)left.len, left.data, (int)right.len, right.data);
    return lm_ok(st);
}

/* Enters the merge of a rank. What an earlier one said of the same two tokens counts no more: its place in
 * `merges` is marked. */
static void put_merge(lm_bpe *b, lm_merge *merges, size_t rank, int32_t id)
{
    lm_merge m = merges[rank];
    uint64_t hash = lm_merge_hash(m.left, m.right);
    size_t group = hash >> b->shift, i;
    const lm_merge_slot *same = lm_merge_find(b, m.left, m.right);
    unsigned free;
    if (same) {
        merges[lm_merge_rank(*same)].left = -1;
        i = (size_t)(same - b->slots);
    } else {
        while (!(free = lm_merge_group(b->tags + group * LM_MERGE_GROUP, 0)))
            group = (group + 1) & b->mask;
        i = group * LM_MERGE_GROUP + (size_t)__builtin_ctz(free);
    }
    b->tags[i] = lm_merge_tag(hash);
    b->slots[i] = lm_merge_slot_of(m.left, m.right, (uint32_t)rank);
    b->merged[rank] = id;
}

/* What a merge is found and entered by is asked of memory before it is its turn. */
static void fetch_tokens(const lm_vocabulary *v, lm_merge m)
{
    __builtin_prefetch(&v->tokens[m.left]);
    __builtin_prefetch(&v->tokens[m.right]);
}

static void fetch_merge(const lm_vocabulary *v, const lm_bpe *b, lm_merge m)
{
    size_t slot = (lm_merge_hash(m.left, m.right) >> b->shift) * LM_MERGE_GROUP;
    __builtin_prefetch(&b->tags[slot]);
    __builtin_prefetch(&b->slots[slot]);
    __builtin_prefetch(v->bytes.data + v->tokens[m.left].start);
    __builtin_prefetch(v->bytes.data + v->tokens[m.right].start);
}

static void make_slots(lm_merge_index *index, size_t merges)
{
    index->slot_count = LEAST_SLOTS;
    while (index->slot_count / 8 * 7 <= merges)
        index->slot_count *= 2;
    index->slots = lm_malloc_table(index->slot_count, sizeof *index->slots + 1);
    index->tags = (uint8_t *)(index->slots + index->slot_count);
    memset(index->tags, 0, index->slot_count);
    index->slots[0] = lm_merge_slot_of(LM_NO_TOKEN, LM_NO_TOKEN, 0); /* may be looked at before anything is in it */
    index->merged = lm_malloc_table(merges, sizeof *index->merged);
    index->merged_count = merges;
}

static bool index_merges(lm_token_model *m, lm_bpe *b, lm_status *st)
{
    lm_token_tables *t = &m->tables;
    if (t->vocabulary.size > LM_NO_TOKEN || t->merge_count >> LM_MERGE_RANK_BITS)
        return lm_fail(st, LM_FAILED, "BPE: %d tokens and %zu merges are more than %d and %d", t->vocabulary.size, t->merge_count,
                       LM_NO_TOKEN, 1 << LM_MERGE_RANK_BITS);
    make_slots(&t->index, t->merge_count);
    use_slots(b, &t->index);
    int id = -1;
    for (size_t i = 0; i < t->merge_count; i++) {
        if (i + 2 * AHEAD < t->merge_count)
            fetch_tokens(&t->vocabulary, t->merges[i + 2 * AHEAD]);
        if (i + AHEAD < t->merge_count)
            fetch_merge(&t->vocabulary, b, t->merges[i + AHEAD]);
        if (!merged_token(m, i, &id, st))
            return false;
        put_merge(b, t->merges, i, id);
    }
    size_t kept = 0;
    for (size_t i = 0; i < t->merge_count; i++)
        if (t->merges[i].left >= 0)
            t->merges[kept++] = t->merges[i];
    t->merge_count = kept;
    t->index.digest = XXH3_64bits(t->merges, kept * sizeof *t->merges);
    return true;
}

/* ---------------------------------------------------------------- characters */

/* The character that a token is; false: it is none, or more. */
static bool char_of(lm_str token, uint32_t *code)
{
    return token.len > 0 && token.len <= 4 && lm_utf8_decode(token.data, token.len, code) == token.len;
}

static void index_chars(const lm_vocabulary *v, lm_merge_index *index)
{
    bool has[LM_CHAR_PAGES] = {false};
    uint32_t code, number[LM_CHAR_PAGES];
    for (int id = 0; id < v->size; id++)
        if (char_of(lm_vocabulary_get(v, id), &code))
            has[code / LM_CHAR_PAGE] = true;
    for (uint32_t page = 0; page < LM_CHAR_PAGES; page++)
        index->page_count += has[page];
    index->pages = lm_malloc(index->page_count, sizeof *index->pages);
    index->chars = lm_malloc(index->page_count, LM_CHAR_PAGE * sizeof *index->chars);
    memset(index->chars, 0xff, index->page_count * LM_CHAR_PAGE * sizeof *index->chars);
    for (uint32_t page = 0, n = 0; page < LM_CHAR_PAGES; page++)
        if (has[page]) {
            number[page] = n;
            index->pages[n++] = page;
        }
    for (int id = 0; id < v->size; id++)
        if (char_of(lm_vocabulary_get(v, id), &code))
            index->chars[number[code / LM_CHAR_PAGE] * LM_CHAR_PAGE + code % LM_CHAR_PAGE] = id;
}

static void use_chars(lm_bpe *b, const lm_merge_index *index)
{
    for (size_t i = 0; i < index->page_count; i++)
        b->pages[index->pages[i]] = index->chars + i * LM_CHAR_PAGE;
}

/* ---------------------------------------------------------------- together */

bool lm_bpe_find_merges(lm_token_model *m, lm_bpe *b, lm_status *st)
{
    lm_merge_index *index = &m->tables.index;
    bool kept = index->slots != NULL;
    if (!kept)
        index_chars(&m->tables.vocabulary, index);
    use_chars(b, index);
    if (kept)
        use_slots(b, index);
    else if (!index_merges(m, b, st))
        return false;
    lm_bpe_find_crossings(m, b, kept);
    return true;
}

/* Whether all ids are those of a vocabulary, or, where `none` is 1, -1. */
static bool are_ids(const int32_t *ids, size_t n, uint32_t size, uint32_t none)
{
    uint32_t bad = 0;
#pragma omp simd reduction(| : bad)
    for (size_t i = 0; i < n; i++)
        bad |= (uint32_t)ids[i] + none >= size + none;
    return !bad;
}

static bool check_slots(const lm_merge_index *index, uint32_t size)
{
    const lm_merge_slot nothing = lm_merge_slot_of(LM_NO_TOKEN, LM_NO_TOKEN, 0);
    uint32_t bad = 0, free = 0;
    if (index->slot_count < LEAST_SLOTS || (index->slot_count & (index->slot_count - 1)) || size > LM_NO_TOKEN)
        return false;
#pragma omp simd reduction(| : bad) reduction(| : free)
    for (size_t i = 0; i < index->slot_count; i++) {
        lm_merge_slot s = index->slots[i];
        uint32_t none = index->tags[i] == 0, left = (uint32_t)lm_merge_left(s), right = (uint32_t)lm_merge_right(s);
        bad |= none ? s != nothing : left >= size || right >= size || lm_merge_rank(s) >= index->merged_count;
        free |= none;
    }
    return !bad && free; /* looking one up ends at a free one */
}

/* Whether some of the merges are found: they are not where hashes were once made in another way. */
static bool finds_merges(const lm_token_tables *t)
{
    enum { SOME = 64 };
    lm_bpe b = {0};
    use_slots(&b, &t->index);
    for (size_t k = 0; k < SOME && k < t->merge_count; k++) {
        lm_merge m = t->merges[t->merge_count * k / SOME];
        if (!lm_merge_find(&b, m.left, m.right))
            return false;
    }
    return true;
}

bool lm_merge_index_check(const lm_token_tables *t)
{
    const lm_merge_index *index = &t->index;
    uint32_t size = (uint32_t)t->vocabulary.size;
    for (size_t i = 0; i < index->page_count; i++)
        if (index->pages[i] >= LM_CHAR_PAGES)
            return false;
    return are_ids(index->chars, index->page_count * LM_CHAR_PAGE, size, 1) && are_ids(index->merged, index->merged_count, size, 0) &&
           check_slots(index, size) && finds_merges(t) &&
           (!index->crossings || (index->crossing_count & (index->crossing_count - 1)) == 0);
}

void lm_merge_index_free(lm_merge_index *index)
{
    free(index->slots);
    free(index->merged);
    free(index->crossings);
    free(index->parts);
    free(index->least);
    free(index->pages);
    free(index->chars);
}
