#include "text/components/added_tokens.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/unicode.h"

#include <stdlib.h>

typedef struct lm_trie_edge {
    uint32_t node, symbol, child; /* child 0 = free: no edge leads to the root */
} edge;

/* ---------------------------------------------------------------- the trie */

static size_t slot_of(const lm_trie *t, uint32_t node, uint32_t symbol)
{
    uint64_t h = ((uint64_t)node << 32 | symbol) * 0x9e3779b97f4a7c15u;
    size_t mask = t->slot_count - 1, i = (h >> 32) & mask;
    while (t->edges[i].child && (t->edges[i].node != node || t->edges[i].symbol != symbol))
        i = (i + 1) & mask;
    return i;
}

static uint32_t child_of(const lm_trie *t, uint32_t node, uint32_t symbol)
{
    return t->slot_count ? t->edges[slot_of(t, node, symbol)].child : 0;
}

static uint32_t new_node(lm_trie *t)
{
    LM_GROW(t->accepts, t->node_count, t->node_cap);
    t->accepts[t->node_count] = -1;
    return (uint32_t)t->node_count++;
}

static void grow(lm_trie *t)
{
    edge *old = t->edges;
    size_t n = t->slot_count;
    t->slot_count = n ? 2 * n : 256;
    t->edges = lm_calloc(t->slot_count, sizeof *t->edges);
    for (size_t i = 0; i < n; i++)
        if (old[i].child)
            t->edges[slot_of(t, old[i].node, old[i].symbol)] = old[i];
    free(old);
}

static uint32_t step(lm_trie *t, uint32_t node, uint32_t symbol)
{
    if (node == 0) {
        t->starts[symbol & 255] = true;
        int low = (int)(symbol & 255);
        t->only = t->only == -2 || t->only == low ? low : -1;
    }
    uint32_t child = child_of(t, node, symbol);
    if (child)
        return child;
    if (2 * (t->edge_count + 1) > t->slot_count)
        grow(t);
    child = new_node(t);
    t->edges[slot_of(t, node, symbol)] = (edge){node, symbol, child};
    t->edge_count++;
    return child;
}

static void trie_free(lm_trie *t)
{
    free(t->edges);
    free(t->accepts);
    *t = (lm_trie){0};
}

/* ---------------------------------------------------------------- the tokens */

static int by_id(const void *a, const void *b)
{
    const lm_added_token *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

bool lm_added_tokens_add(lm_added_tokens *a, lm_str content, int64_t id, lm_added_token flags, lm_status *st)
{
    if (!lm_vocabulary_add(&a->vocabulary, content, id, st))
        return lm_fail_prefix(st, "added tokens");
    LM_GROW(a->items, a->count, a->cap);
    flags.id = (int32_t)id;
    a->items[a->count++] = flags;
    return true;
}

bool lm_added_tokens_read(lm_added_tokens *a, json_t *list, const lm_vocabulary *model, lm_status *st)
{
    if (!list || json_is_null(list))
        return true;
    if (!json_is_array(list))
        return lm_fail(st, LM_FAILED, "\"added_tokens\" is no list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *spec = json_array_get(list, i), *id = json_object_get(spec, "id");
        lm_str content = lm_spec_string(spec, "content", (lm_str){NULL, 0}, "added token", st);
        if (!lm_ok(st))
            return false;
        if (!json_is_integer(id) || !content.data)
            return lm_fail(st, LM_FAILED, "added token %zu has no content or no id", i + 1);
        if (content.len == 0)
            continue; /* the reference passes over it, too */
        int known = lm_vocabulary_find(model, content);
        if (known >= 0 && known != json_integer_value(id))
            return lm_fail(st, LM_FAILED, "added token \"%.*s\" has the id %lld, but %d in the vocabulary",
                           (int)content.len, content.data, (long long)json_integer_value(id), known);
        lm_str other = lm_vocabulary_get(model, (int)json_integer_value(id));
        if (known < 0 && json_integer_value(id) < model->size && other.data)
            return lm_fail(st, LM_FAILED,
                           "added token \"%.*s\" has the id %lld, which is \"%.*s\" in the vocabulary",
                           (int)content.len, content.data, (long long)json_integer_value(id), (int)other.len,
                           other.data);
        bool special = lm_spec_bool(spec, "special", false, "added token", st);
        lm_added_token flags = {
            .single_word = lm_spec_bool(spec, "single_word", false, "added token", st),
            .left_strip = lm_spec_bool(spec, "lstrip", false, "added token", st),
            .right_strip = lm_spec_bool(spec, "rstrip", false, "added token", st),
            .normalized = lm_spec_bool(spec, "normalized", !special, "added token", st),
            .special = special,
        };
        if (!lm_added_tokens_add(a, content, json_integer_value(id), flags, st))
            return false;
    }
    if (a->count)
        qsort(a->items, a->count, sizeof *a->items, by_id);
    return lm_ok(st);
}

void lm_added_tokens_ready(lm_added_tokens *a, const lm_normalizer *n)
{
    lm_pieces p = {0};
    a->raw.only = a->normalized.only = -2;
    new_node(&a->raw);
    new_node(&a->normalized);
    for (size_t i = 0; i < a->count; i++) {
        lm_str content = lm_vocabulary_get(&a->vocabulary, a->items[i].id);
        uint32_t node = 0;
        if (a->items[i].normalized) {
            lm_pieces_read(&p, content, 0, content.len);
            lm_normalizer_run(n, &p);
            for (size_t k = 0; k < p.chars.n; k++)
                node = step(&a->normalized, node, p.chars.at[k].code);
            if (node)
                a->normalized.accepts[node] = (int32_t)i;
        } else {
            for (size_t k = 0; k < content.len; k++)
                node = step(&a->raw, node, (unsigned char)content.data[k]);
            a->raw.accepts[node] = (int32_t)i;
        }
    }
    lm_pieces_free(&p);
}

void lm_added_tokens_free(lm_added_tokens *a)
{
    free(a->items);
    lm_vocabulary_free(&a->vocabulary);
    trie_free(&a->raw);
    trie_free(&a->normalized);
    *a = (lm_added_tokens){0};
}

const lm_added_token *lm_added_tokens_get(const lm_added_tokens *a, int32_t id)
{
    lm_added_token key = {.id = id};
    return a->count ? bsearch(&key, a->items, a->count, sizeof *a->items, by_id) : NULL;
}

/* ---------------------------------------------------------------- matching in the source text */

static bool word_before(lm_str s, size_t at)
{
    if (at == 0)
        return false;
    size_t i = at - 1;
    while (i > 0 && at - i < 4 && ((unsigned char)s.data[i] & 0xC0) == 0x80)
        i--;
    uint32_t code;
    lm_utf8_decode(s.data + i, at - i, &code);
    return lm_unicode_properties(code) & LM_CP_WORD;
}

static bool word_at(lm_str s, size_t at)
{
    uint32_t code;
    return at < s.len && lm_utf8_decode(s.data + at, s.len - at, &code) &&
           lm_unicode_properties(code) & LM_CP_WORD;
}

static size_t spaces_before(lm_str s, size_t at)
{
    while (at > 0) {
        size_t i = at - 1;
        while (i > 0 && at - i < 4 && ((unsigned char)s.data[i] & 0xC0) == 0x80)
            i--;
        uint32_t code;
        if (lm_utf8_decode(s.data + i, at - i, &code) != at - i ||
            !(lm_unicode_properties(code) & LM_CP_SPACE))
            break;
        at = i;
    }
    return at;
}

static size_t spaces_at(lm_str s, size_t at)
{
    while (at < s.len) {
        uint32_t code;
        size_t n = lm_utf8_decode(s.data + at, s.len - at, &code);
        if (!(lm_unicode_properties(code) & LM_CP_SPACE))
            break;
        at += n;
    }
    return at;
}

/* Leftmost, then longest. */
static bool next_raw(const lm_trie *t, lm_str text, size_t start, size_t *begin, size_t *end, int32_t *index)
{
    if (t->only == -2)
        return false;
    for (size_t i = start; i < text.len; i++) {
        if (t->only >= 0) {
            const char *hit = memchr(text.data + i, t->only, text.len - i);
            if (!hit)
                return false;
            i = (size_t)(hit - text.data);
        } else if (!t->starts[(unsigned char)text.data[i]]) {
            continue;
        }
        *index = -1;
        uint32_t node = 0;
        for (size_t k = i; k < text.len; k++) {
            node = child_of(t, node, (unsigned char)text.data[k]);
            if (!node)
                break;
            if (t->accepts[node] >= 0) {
                *index = t->accepts[node];
                *end = k + 1;
            }
        }
        if (*index >= 0) {
            *begin = i;
            return true;
        }
    }
    return false;
}

bool lm_added_tokens_find(const lm_added_tokens *a, lm_str text, size_t start, size_t done, lm_match *m)
{
    size_t begin, end;
    int32_t index;
    while (next_raw(&a->raw, text, start, &begin, &end, &index)) {
        const lm_added_token *token = &a->items[index];
        if (token->single_word && (word_before(text, begin) || word_at(text, end))) {
            start = end;
            continue;
        }
        *m = (lm_match){begin, end, end, token->id};
        if (token->left_strip) {
            m->from = spaces_before(text, begin);
            if (m->from < done) /* which the token before may have taken, even beyond this one's beginning */
                m->from = done < begin ? done : begin;
        }
        if (token->right_strip)
            m->to = spaces_at(text, end);
        return true;
    }
    return false;
}

/* ---------------------------------------------------------------- matching in normalised text */

static bool char_is(const lm_chars *c, size_t at, unsigned properties)
{
    return at < c->n && lm_unicode_properties(c->at[at].code) & properties;
}

static bool next_normalized(const lm_trie *t, const lm_chars *c, size_t start, size_t *begin, size_t *end,
                            int32_t *index)
{
    for (size_t i = start; i < c->n; i++) {
        if (!t->starts[c->at[i].code & 255])
            continue;
        *index = -1;
        uint32_t node = 0;
        for (size_t k = i; k < c->n && (node = child_of(t, node, c->at[k].code)) != 0; k++)
            if (t->accepts[node] >= 0) {
                *index = t->accepts[node];
                *end = k + 1;
            }
        if (*index >= 0) {
            *begin = i;
            return true;
        }
    }
    return false;
}

void lm_added_tokens_split(const lm_added_tokens *a, lm_pieces *p)
{
    const lm_chars *c = &p->chars;
    size_t start = 0, done = 0, begin, end;
    int32_t index;
    p->spare_count = 0;
    while (a->normalized.only != -2 && next_normalized(&a->normalized, c, start, &begin, &end, &index)) {
        const lm_added_token *token = &a->items[index];
        start = end;
        if (token->single_word &&
            ((begin > 0 && char_is(c, begin - 1, LM_CP_WORD)) || char_is(c, end, LM_CP_WORD)))
            continue;
        if (token->left_strip)
            while (begin > done && char_is(c, begin - 1, LM_CP_SPACE))
                begin--;
        if (token->right_strip)
            while (char_is(c, end, LM_CP_SPACE))
                end++;
        if (done < begin)
            lm_pieces_push_word(p, (int32_t)done, (int32_t)begin, -1);
        lm_pieces_push_word(p, (int32_t)begin, (int32_t)end, token->id);
        done = end;
    }
    if (done < c->n)
        lm_pieces_push_word(p, (int32_t)done, (int32_t)c->n, -1);
    lm_pieces_swap_words(p);
}
