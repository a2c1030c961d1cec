#include "generate/constraint/byte_trie.h"
#include "base/memory.h"

#include <stdlib.h>

typedef struct entry {
    lm_str bytes;
    int32_t id;
} entry;

static int by_bytes(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    size_t n = x->bytes.len < y->bytes.len ? x->bytes.len : y->bytes.len;
    int order = memcmp(x->bytes.data, y->bytes.data, n);
    if (order == 0)
        order = (x->bytes.len > y->bytes.len) - (x->bytes.len < y->bytes.len);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

static size_t shared(lm_str a, lm_str b)
{
    size_t n = 0;
    while (n < a.len && n < b.len && a.data[n] == b.data[n])
        n++;
    return n;
}

/* open[d]: the node of depth d + 1 that what comes next is below of, or behind. */
static void add(lm_byte_trie *t, entry now, lm_str before, uint32_t *open)
{
    size_t same = shared(now.bytes, before);
    if (same == now.bytes.len && same == before.len) {
        int32_t id = t->nodes[open[same - 1]].id;
        while (t->same[id] >= 0)
            id = t->same[id];
        t->same[id] = now.id;
        return;
    }
    for (size_t d = same; d < before.len; d++)
        t->nodes[open[d]].next = t->count;
    for (size_t d = same; d < now.bytes.len; d++) {
        LM_GROW(t->nodes, t->count, t->cap);
        t->nodes[t->count] =
            (lm_trie_node){.id = -1, .depth = (uint16_t)d, .byte = (uint8_t)now.bytes.data[d]};
        open[d] = t->count++;
    }
    t->nodes[open[now.bytes.len - 1]].id = now.id;
}

static bool has_every_byte(const lm_byte_trie *t)
{
    bool single[256] = {0};
    for (uint32_t i = 0; i < t->count; i = t->nodes[i].next)
        single[t->nodes[i].byte] = t->nodes[i].id >= 0;
    for (int b = 0; b < 0xF5; b++)
        if (!single[b] && b != 0xC0 && b != 0xC1) /* no character has these */
            return false;
    return true;
}

void lm_byte_trie_make(lm_byte_trie *t, const lm_token_bytes *bytes, int columns)
{
    int tokens = columns < bytes->count ? columns : bytes->count, n = 0;
    entry *all = lm_malloc((size_t)tokens + 1, sizeof *all);
    t->same = lm_malloc((size_t)tokens + 1, sizeof *t->same);
    for (int id = 0; id < tokens; id++) {
        lm_str s = lm_token_bytes_get(bytes, id);
        t->same[id] = -1;
        if (s.len == 0 || s.len > LM_TOKEN_LONGEST)
            continue;
        if (s.len > t->longest)
            t->longest = (uint16_t)s.len;
        all[n++] = (entry){s, id};
    }
    qsort(all, (size_t)n, sizeof *all, by_bytes);
    uint32_t *open = lm_malloc((size_t)t->longest + 1, sizeof *open);
    lm_str before = {"", 0};
    for (int i = 0; i < n; before = all[i++].bytes)
        add(t, all[i], before, open);
    for (size_t d = 0; d < before.len; d++)
        t->nodes[open[d]].next = t->count;
    t->every_byte = has_every_byte(t);
    free(open);
    free(all);
}

void lm_byte_trie_free(lm_byte_trie *t)
{
    free(t->nodes);
    free(t->same);
    *t = (lm_byte_trie){0};
}
