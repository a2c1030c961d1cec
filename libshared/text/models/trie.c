#include "text/models/trie.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/train/string_sort.h"

#include <stdlib.h>

void lm_token_trie_free(lm_token_trie *t)
{
    if (!t)
        return;
    free(t->nodes);
    free(t->ids);
    free(t->numbers);
    *t = (lm_token_trie){0};
}

/* ---------------------------------------------------------------- the characters */

typedef struct frequent {
    uint32_t code, count;
} frequent;

static uint32_t *number_of(const lm_token_trie *t, uint32_t code)
{
    return &t->numbers[(uint32_t)t->pages[code >> 8] << 8 | (code & 255)];
}

static int by_count(const void *a, const void *b)
{
    const frequent *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : x->code < y->code ? -1 : x->code > y->code;
}

/* What the tokens are made of, once for each time that it is there. */
static void count_characters(lm_token_trie *t, const lm_vocabulary *v)
{
    size_t pages = 1;
    t->numbers = lm_calloc(256, sizeof *t->numbers);
    for (int id = 0; id < v->size; id++) {
        lm_str token = lm_vocabulary_get(v, id);
        uint32_t code;
        for (size_t i = 0; i < token.len; ++*number_of(t, code)) {
            i += lm_utf8_decode(token.data + i, token.len - i, &code);
            if (t->pages[code >> 8])
                continue;
            t->pages[code >> 8] = (uint16_t)pages;
            t->numbers = lm_realloc(t->numbers, ++pages * 256, sizeof *t->numbers);
            memset(t->numbers + (pages - 1) * 256, 0, 256 * sizeof *t->numbers);
        }
    }
}

/* Numbers them; returns how many there are. */
static uint32_t number_characters(lm_token_trie *t, const lm_vocabulary *v)
{
    frequent *all = NULL;
    size_t n = 0, cap = 0;
    count_characters(t, v);
    for (uint32_t code = 0; code < 0x110000; code++) {
        if (code % 256 == 0 && !t->pages[code >> 8])
            code += 255;
        else if (*number_of(t, code)) {
            LM_GROW(all, n, cap);
            all[n++] = (frequent){code, *number_of(t, code)};
        }
    }
    if (n)
        qsort(all, n, sizeof *all, by_count);
    for (size_t i = 0; i < n; i++)
        *number_of(t, all[i].code) = (uint32_t)i + 1;
    free(all);
    return (uint32_t)n;
}

/* ---------------------------------------------------------------- the tree */

/* The sorted tokens [from, to), which have the first `depth` bytes in common, are those of a node, and of the nodes behind it. */
typedef struct node {
    uint32_t from, to, depth;
    int32_t id;     /* of the token that ends here */
    uint32_t first; /* nodes [first, that of the next one) are its children */
} node;

/* Level by level. */
typedef struct tree {
    lm_sort_item *tokens;
    node *nodes;
    uint32_t *characters; /* by node: what leads to it */
    size_t count, cap;    /* of the nodes */
} tree;

static size_t sort_tokens(tree *r, const lm_vocabulary *v)
{
    size_t n = 0;
    r->tokens = lm_malloc((size_t)v->size + 1, sizeof *r->tokens);
    for (int id = 0; id < v->size; id++) {
        lm_str token = lm_vocabulary_get(v, id);
        if (token.len && lm_utf8_valid(token.data, token.len))
            r->tokens[n++] = (lm_sort_item){.data = token.data, .len = (uint32_t)token.len, .tag = (uint32_t)id};
    }
    lm_string_sort_serial(r->tokens, n);
    return n;
}

static void add_node(tree *r, uint32_t from, uint32_t to, uint32_t depth, uint32_t character)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 1 << 14;
        r->nodes = lm_realloc(r->nodes, r->cap, sizeof *r->nodes);
        r->characters = lm_realloc(r->characters, r->cap, sizeof *r->characters);
    }
    r->characters[r->count] = character;
    r->nodes[r->count++] = (node){from, to, depth, -1, 0};
}

/* The node's own token, and its children. */
static void grow(tree *r, const lm_token_trie *t, size_t n)
{
    node x = r->nodes[n];
    for (; x.from < x.to && r->tokens[x.from].len == x.depth; x.from++)
        x.id = (int32_t)r->tokens[x.from].tag > x.id ? (int32_t)r->tokens[x.from].tag : x.id;
    x.first = (uint32_t)r->count;
    r->nodes[n] = x;
    for (uint32_t i = x.from, last = 0; i < x.to; i++) {
        size_t len;
        uint32_t character = lm_token_trie_character(t, r->tokens[i].data + x.depth, &len);
        if (character != last)
            add_node(r, i, i, x.depth + (uint32_t)len, character);
        r->nodes[r->count - 1].to = i + 1;
        last = character;
    }
}

static void grow_tree(tree *r, const lm_token_trie *t, const lm_vocabulary *v)
{
    add_node(r, 0, (uint32_t)sort_tokens(r, v), 0, 0);
    for (size_t n = 0; n < r->count; n++)
        grow(r, t, n);
}

/* ---------------------------------------------------------------- the array */

typedef struct layout {
    const tree *r;
    uint32_t *base;
    uint64_t *taken; /* bits of places */
    size_t words;
    size_t full;     /* as many words have no free bit; */
    size_t few;      /* as many hardly any where there would be room for as many children as are placed now */
} layout;

static uint32_t first_child(const tree *r, size_t n)
{
    return n < r->count ? r->nodes[n].first : (uint32_t)r->count;
}

static uint32_t count_children(const tree *r, size_t n)
{
    return first_child(r, n + 1) - r->nodes[n].first;
}

/* Which of 64 places from `at` on are taken. */
static uint64_t taken_from(const layout *l, size_t at)
{
    size_t word = at / 64, bit = at % 64;
    uint64_t low = word < l->words ? l->taken[word] : 0, high = word + 1 < l->words ? l->taken[word + 1] : 0;
    return bit ? low >> bit | high << (64 - bit) : low;
}

static void take(layout *l, size_t at)
{
    size_t word = at / 64, larger = l->words ? l->words : 64;
    if (word >= l->words) {
        while (larger <= word)
            larger *= 2;
        l->taken = lm_realloc(l->taken, larger, sizeof *l->taken);
        memset(l->taken + l->words, 0, (larger - l->words) * sizeof *l->taken);
        l->words = larger;
    }
    l->taken[word] |= UINT64_C(1) << at % 64;
}

/* A base with room for n children by these characters: 64 at a time are tried. Where the first ones are all taken, others begin further
 * on. */
static uint32_t find_base(layout *l, const uint32_t *characters, size_t n)
{
    uint32_t least = characters[0];
    for (size_t i = 1; i < n; i++)
        least = characters[i] < least ? characters[i] : least;
    while (l->full < l->words && l->taken[l->full] == UINT64_MAX)
        l->full++;
    l->few = l->few > l->full ? l->few : l->full;
    size_t base = 64 * l->few > least ? 64 * l->few - least : 1;
    for (size_t tries = 0;; base += 64, tries++) {
        uint64_t taken = 0;
        for (size_t i = 0; i < n && taken != UINT64_MAX; i++)
            taken |= taken_from(l, base + characters[i]);
        if (taken != UINT64_MAX) {
            l->few += tries / 2;
            return (uint32_t)(base + (size_t)__builtin_ctzll(~taken));
        }
    }
}

/* The nodes, those with the most children first; returns how many have any. */
static size_t order_nodes(const tree *r, uint32_t *order)
{
    size_t n = r->count, *start = lm_calloc(n + 1, sizeof *start), sum = 0;
    for (size_t i = 0; i < n; i++)
        start[n - count_children(r, i)]++;
    size_t leaves = start[n];
    for (size_t k = 0; k <= n; k++) {
        size_t count = start[k];
        start[k] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        order[start[n - count_children(r, i)]++] = (uint32_t)i;
    free(start);
    return n - leaves;
}

/* Nodes with many children are placed while there is room; those with one fill what is left. */
static void place_nodes(layout *l)
{
    uint32_t *order = lm_malloc(l->r->count, sizeof *order), before = 0;
    size_t n = order_nodes(l->r, order);
    l->base = lm_calloc(l->r->count, sizeof *l->base);
    take(l, 0);
    for (size_t k = 0; k < n; k++) {
        uint32_t first = l->r->nodes[order[k]].first, count = count_children(l->r, order[k]);
        const uint32_t *characters = l->r->characters + first;
        if (count < before)
            l->few = 0;
        before = count;
        uint32_t base = l->base[order[k]] = find_base(l, characters, count);
        for (uint32_t i = 0; i < count; i++)
            take(l, base + characters[i]);
    }
    free(order);
}

/* From numbers of nodes to places. */
static void fill(lm_token_trie *t, const layout *l, uint32_t characters)
{
    const tree *r = l->r;
    size_t n = 64 * l->words + characters + 1; /* beyond every base and character */
    uint32_t *place = lm_calloc(r->count, sizeof *place);
    t->places = n;
    t->nodes = lm_malloc_table(n, sizeof *t->nodes);
    t->ids = lm_malloc(n, sizeof *t->ids);
    memset(t->nodes, 0xff, n * sizeof *t->nodes);
    memset(t->ids, 0xff, n * sizeof *t->ids);
    t->nodes[0].from = LM_TRIE_FREE;
    for (size_t i = 0; i < r->count; i++) { /* parents come before their children */
        t->nodes[place[i]].base = l->base[i] | (r->nodes[i].id >= 0 ? LM_TRIE_ENDS : 0);
        t->ids[place[i]] = r->nodes[i].id;
        for (uint32_t child = r->nodes[i].first; child < first_child(r, i + 1); child++) {
            place[child] = l->base[i] + r->characters[child];
            t->nodes[place[child]].from = place[i];
        }
    }
    free(place);
}

void lm_token_trie_build(lm_token_trie *t, const lm_vocabulary *v)
{
    tree r = {0};
    layout l = {.r = &r};
    uint32_t characters = number_characters(t, v);
    grow_tree(&r, t, v);
    place_nodes(&l);
    fill(t, &l, characters);
    free(r.tokens);
    free(r.nodes);
    free(r.characters);
    free(l.base);
    free(l.taken);
}

const lm_token_trie *lm_token_trie_of(lm_token_tables *t)
{
    if (!t->trie) {
        t->trie = lm_calloc(1, sizeof *t->trie);
        lm_token_trie_build(t->trie, &t->vocabulary);
    }
    return t->trie;
}

size_t lm_token_trie_pages(const lm_token_trie *t)
{
    size_t last = 0;
    for (size_t i = 0; i < sizeof t->pages / sizeof *t->pages; i++)
        last = t->pages[i] > last ? t->pages[i] : last;
    return last + 1;
}

bool lm_token_trie_check(const lm_token_trie *t, size_t pages, uint32_t size)
{
    uint32_t base = 0, number = 0, bad = 0;
    if (pages != lm_token_trie_pages(t) || !t->places)
        return false;
#pragma omp simd reduction(max : number)
    for (size_t i = 0; i < 256 * pages; i++)
        number = t->numbers[i] > number ? t->numbers[i] : number;
#pragma omp simd reduction(max : base) reduction(| : bad)
    for (size_t i = 0; i < t->places; i++) {
        uint32_t own = t->nodes[i].base, first = own & ~LM_TRIE_ENDS, id = (uint32_t)t->ids[i];
        uint32_t used = (t->nodes[i].from != LM_TRIE_FREE) | (i == 0), ends = own >> 31, low = used ? first : 0;
        base = low > base ? low : base;
        bad |= (id + 1 > size) | (used & ends & (id >= size));
    }
    return !bad && (uint64_t)base + number < t->places;
}
