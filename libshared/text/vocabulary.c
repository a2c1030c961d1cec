#include "text/vocabulary.h"

#include "base/memory.h"

#include <stdlib.h>

void lm_vocabulary_free(lm_vocabulary *v)
{
    lm_buf_free(&v->bytes);
    free(v->tokens);
    free(v->slots);
    *v = (lm_vocabulary){0};
}

uint64_t lm_vocabulary_hash(uint64_t hash, lm_str bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        hash = lm_vocabulary_hash_byte(hash, (unsigned char)bytes.data[i]);
    return hash;
}

/* FNV leaves its low bits weak. */
static uint64_t mix(uint64_t hash)
{
    hash ^= hash >> 32;
    return hash * 0x9e3779b97f4a7c15u;
}

static void place(lm_vocabulary *v, uint64_t hash, int id)
{
    uint64_t mixed = mix(hash);
    size_t mask = v->slot_count - 1, i = (mixed >> 32) & mask;
    while (v->slots[i].id >= 0)
        i = (i + 1) & mask;
    v->slots[i] = (lm_vocabulary_slot){(uint32_t)mixed, id};
}

void lm_vocabulary_reserve(lm_vocabulary *v, size_t tokens)
{
    if (2 * tokens <= v->slot_count)
        return;
    lm_vocabulary_slot *old = v->slots;
    size_t n = v->slot_count;
    v->slot_count = n ? 2 * n : 1024;
    while (v->slot_count < 2 * tokens)
        v->slot_count *= 2;
    v->slots = lm_malloc(v->slot_count, sizeof *v->slots);
    memset(v->slots, 0xff, v->slot_count * sizeof *v->slots);
    for (size_t i = 0; i < n; i++)
        if (old[i].id >= 0)
            place(v, lm_vocabulary_hash(lm_vocabulary_hash_start(), lm_vocabulary_get(v, old[i].id)),
                  old[i].id);
    free(old);
}

bool lm_vocabulary_may_have(const lm_vocabulary *v, uint64_t hash)
{
    uint64_t mixed = mix(hash);
    size_t mask = v->slot_count - 1, i = (mixed >> 32) & mask;
    while (v->slot_count && v->slots[i].id >= 0 && v->slots[i].tag != (uint32_t)mixed)
        i = (i + 1) & mask;
    return v->slot_count && v->slots[i].id >= 0;
}

int lm_vocabulary_probe(const lm_vocabulary *v, uint64_t hash, lm_str head, lm_str tail)
{
    if (!v->slot_count)
        return -1;
    uint64_t mixed = mix(hash);
    size_t mask = v->slot_count - 1;
    for (size_t i = (mixed >> 32) & mask; v->slots[i].id >= 0; i = (i + 1) & mask) {
        if (v->slots[i].tag != (uint32_t)mixed)
            continue;
        lm_str token = lm_vocabulary_get(v, v->slots[i].id);
        if (token.len == head.len + tail.len &&
            (head.len == 0 || memcmp(token.data, head.data, head.len) == 0) &&
            (tail.len == 0 || memcmp(token.data + head.len, tail.data, tail.len) == 0))
            return v->slots[i].id;
    }
    return -1;
}

int lm_vocabulary_find(const lm_vocabulary *v, lm_str token)
{
    return lm_vocabulary_probe(v, lm_vocabulary_hash(lm_vocabulary_hash_start(), token), (lm_str){NULL, 0},
                               token);
}

void lm_vocabulary_fetch(const lm_vocabulary *v, const lm_str *tokens, size_t n)
{
    for (size_t i = 0; i < n && v->slot_count; i++)
        __builtin_prefetch(&v->slots[(mix(lm_vocabulary_hash(lm_vocabulary_hash_start(), tokens[i])) >> 32) & (v->slot_count - 1)]);
}

void lm_vocabulary_find_all(const lm_vocabulary *v, const lm_str *tokens, size_t n, int *ids)
{
    uint64_t hashes[LM_VOCABULARY_AT_ONCE];
    const lm_vocabulary_slot *first[LM_VOCABULARY_AT_ONCE];
    for (size_t i = 0; i < n; i++) {
        hashes[i] = lm_vocabulary_hash(lm_vocabulary_hash_start(), tokens[i]);
        first[i] = v->slot_count ? &v->slots[(mix(hashes[i]) >> 32) & (v->slot_count - 1)] : NULL;
        __builtin_prefetch(first[i]);
    }
    for (size_t i = 0; i < n; i++) /* where the token is that most often is the one */
        if (first[i] && first[i]->id >= 0)
            __builtin_prefetch(&v->tokens[first[i]->id]);
    for (size_t i = 0; i < n; i++)
        if (first[i] && first[i]->id >= 0)
            __builtin_prefetch(v->bytes.data + v->tokens[first[i]->id].start);
    for (size_t i = 0; i < n; i++)
        ids[i] = lm_vocabulary_probe(v, hashes[i], (lm_str){NULL, 0}, tokens[i]);
}

/* The slot that finds token `id`. */
static lm_vocabulary_slot *slot_of(lm_vocabulary *v, int id)
{
    uint64_t mixed = mix(lm_vocabulary_hash(lm_vocabulary_hash_start(), lm_vocabulary_get(v, id)));
    size_t mask = v->slot_count - 1, i = (mixed >> 32) & mask;
    while (v->slots[i].id != id)
        i = (i + 1) & mask;
    return &v->slots[i];
}

static void reach(lm_vocabulary *v, int id)
{
    while (v->size <= id) {
        LM_GROW(v->tokens, v->size, v->cap);
        v->tokens[v->size++] = (lm_vocabulary_token){0, -1};
    }
}

bool lm_vocabulary_add(lm_vocabulary *v, lm_str token, int64_t id, lm_status *st)
{
    if (id < 0 || id > LM_MAX_TOKEN_ID)
        return lm_fail(st, LM_FAILED, "token \"%.*s\" has the id %lld, which is not from 0 to %d",
                       (int)token.len, token.data ? token.data : "", (long long)id, LM_MAX_TOKEN_ID);
    if (token.len > INT32_MAX / 2 || v->bytes.len + token.len > UINT32_MAX)
        return lm_fail(st, LM_FAILED, "the vocabulary's tokens are longer than 4 GiB");
    uint64_t hash = lm_vocabulary_hash(lm_vocabulary_hash_start(), token);
    if (lm_vocabulary_probe(v, hash, (lm_str){NULL, 0}, token) >= 0)
        return lm_fail(st, LM_FAILED, "token \"%.*s\" is there twice", (int)token.len,
                       token.data ? token.data : "");
    if (id < v->size && v->tokens[id].len >= 0)
        return lm_fail(st, LM_FAILED, "id %d belongs to two tokens, \"%.*s\" and \"%.*s\"", (int)id,
                       (int)v->tokens[id].len, v->bytes.data + v->tokens[id].start, (int)token.len,
                       token.data ? token.data : "");
    lm_vocabulary_reserve(v, (size_t)v->count + 1);
    reach(v, (int)id);
    v->tokens[id] = (lm_vocabulary_token){(uint32_t)v->bytes.len, (int32_t)token.len};
    lm_buf_append(&v->bytes, token.data, token.len);
    lm_buf_reserve(&v->bytes, 1);
    place(v, hash, (int)id);
    v->count++;
    if (token.len > v->longest)
        v->longest = token.len;
    return true;
}

bool lm_vocabulary_repeat(lm_vocabulary *v, int known, lm_status *st)
{
    if (v->size > LM_MAX_TOKEN_ID)
        return lm_fail(st, LM_FAILED, "the vocabulary has more than %d tokens", LM_MAX_TOKEN_ID);
    int id = v->size;
    slot_of(v, known)->id = id;
    reach(v, id);
    v->tokens[id] = v->tokens[known];
    v->count++;
    return true;
}

void lm_vocabulary_move(lm_vocabulary *v, int from, int to)
{
    reach(v, to);
    slot_of(v, from)->id = to;
    v->tokens[to] = v->tokens[from];
    v->tokens[from].len = -1;
}
