#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/utf8.h"
#include "text/train/train.h"

#include <stdlib.h>

/* Two neighbours, how often they stand together, and the words that may hold them. */
typedef struct pair {
    int32_t a, b;
    int64_t count;
    uint32_t *words;
    uint32_t word_count, word_cap;
    bool touched; /* grew in this round */
} pair;

typedef struct candidate {
    int64_t count;
    uint32_t pair;
} candidate;

typedef struct learner {
    const lm_word_counts *counts;
    lm_vocabulary *vocabulary;
    int32_t *symbols; /* of all words, one after the other */
    size_t *starts;   /* by word */
    uint32_t *lengths;
    pair *pairs;
    size_t pair_count, pair_cap;
    uint32_t *slots; /* hash of pairs; UINT32_MAX = free */
    size_t slot_count;
    candidate *heap;
    size_t heap_count, heap_cap;
    uint32_t *touched;
    size_t touched_count, touched_cap;
} learner;

/* ---------------------------------------------------------------- pairs */

static size_t slot_of(const learner *l, int32_t a, int32_t b)
{
    uint64_t h = ((uint64_t)(uint32_t)a << 32 | (uint32_t)b) * 0x9e3779b97f4a7c15u;
    size_t mask = l->slot_count - 1, i = (h >> 30) & mask;
    while (l->slots[i] != UINT32_MAX && (l->pairs[l->slots[i]].a != a || l->pairs[l->slots[i]].b != b))
        i = (i + 1) & mask;
    return i;
}

static void grow_slots(learner *l)
{
    free(l->slots);
    l->slot_count = l->slot_count ? 2 * l->slot_count : 1 << 16;
    l->slots = lm_malloc(l->slot_count, sizeof *l->slots);
    memset(l->slots, 0xff, l->slot_count * sizeof *l->slots);
    for (size_t k = 0; k < l->pair_count; k++)
        l->slots[slot_of(l, l->pairs[k].a, l->pairs[k].b)] = (uint32_t)k;
}

static pair *pair_at(learner *l, int32_t a, int32_t b)
{
    if (2 * (l->pair_count + 1) > l->slot_count)
        grow_slots(l);
    size_t slot = slot_of(l, a, b);
    if (l->slots[slot] == UINT32_MAX) {
        LM_GROW(l->pairs, l->pair_count, l->pair_cap);
        l->pairs[l->pair_count] = (pair){.a = a, .b = b};
        l->slots[slot] = (uint32_t)l->pair_count++;
    }
    return &l->pairs[l->slots[slot]];
}

static void add(learner *l, int32_t a, int32_t b, uint32_t word)
{
    pair *p = pair_at(l, a, b);
    p->count += (int64_t)l->counts->words[word].count;
    if (!p->word_count || p->words[p->word_count - 1] != word) {
        LM_GROW(p->words, p->word_count, p->word_cap);
        p->words[p->word_count++] = word;
    }
    if (!p->touched) {
        p->touched = true;
        LM_GROW(l->touched, l->touched_count, l->touched_cap);
        l->touched[l->touched_count++] = (uint32_t)(p - l->pairs);
    }
}

static void take(learner *l, int32_t a, int32_t b, uint32_t word)
{
    pair_at(l, a, b)->count -= (int64_t)l->counts->words[word].count;
}

/* ---------------------------------------------------------------- the queue: most frequent first */

static bool before(const learner *l, candidate x, candidate y)
{
    if (x.count != y.count)
        return x.count > y.count;
    const pair *p = &l->pairs[x.pair], *q = &l->pairs[y.pair];
    return p->a != q->a ? p->a < q->a : p->b < q->b;
}

static void push(learner *l, candidate c)
{
    LM_GROW(l->heap, l->heap_count, l->heap_cap);
    size_t i = l->heap_count++;
    for (; i > 0 && before(l, c, l->heap[(i - 1) / 2]); i = (i - 1) / 2)
        l->heap[i] = l->heap[(i - 1) / 2];
    l->heap[i] = c;
}

static candidate pop(learner *l)
{
    candidate top = l->heap[0], last = l->heap[--l->heap_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < l->heap_count; i = child) {
        if (child + 1 < l->heap_count && before(l, l->heap[child + 1], l->heap[child]))
            child++;
        if (!before(l, l->heap[child], last))
            break;
        l->heap[i] = l->heap[child];
    }
    if (l->heap_count)
        l->heap[i] = last;
    return top;
}

static void push_touched(learner *l)
{
    for (size_t i = 0; i < l->touched_count; i++) {
        pair *p = &l->pairs[l->touched[i]];
        p->touched = false;
        if (p->count > 0)
            push(l, (candidate){p->count, l->touched[i]});
    }
    l->touched_count = 0;
}

/* ---------------------------------------------------------------- the alphabet */

typedef struct letter {
    uint32_t code;
    uint64_t count;
    bool inside; /* occurs behind the first place of a word */
} letter;

static int rarest_first(const void *a, const void *b)
{
    const letter *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    return x->code > y->code ? -1 : 1; /* codes differ */
}

static int by_code(const void *a, const void *b)
{
    const letter *x = a, *y = b;
    return (x->code > y->code) - (x->code < y->code);
}

/* The letters that stay, by code point; *n of them. */
static letter *count_letters(const lm_word_counts *counts, int64_t limit, size_t *n)
{
    letter *all = lm_calloc(0x110000, sizeof *all);
    for (size_t w = 0; w < counts->n; w++) {
        lm_str s = lm_word_counts_word(counts, w);
        for (size_t i = 0; i < s.len;) {
            uint32_t code;
            size_t len = lm_utf8_decode(s.data + i, s.len - i, &code);
            all[code].count += counts->words[w].count;
            all[code].inside |= i > 0;
            i += len;
        }
    }
    *n = 0;
    for (uint32_t code = 0; code < 0x110000; code++)
        if (all[code].count) {
            letter l = all[code];
            l.code = code;
            all[(*n)++] = l;
        }
    if (limit > 0 && *n > (size_t)limit) {
        size_t drop = *n - (size_t)limit;
        qsort(all, *n, sizeof *all, rarest_first);
        memmove(all, all + drop, (size_t)limit * sizeof *all);
        *n = (size_t)limit;
        qsort(all, *n, sizeof *all, by_code);
        lm_info("%zu rare characters are left out of the alphabet of %zu (--limit-alphabet)", drop, *n);
    }
    return all;
}

static bool add_token(lm_vocabulary *v, lm_str token, lm_status *st)
{
    return lm_vocabulary_find(v, token) >= 0 || lm_vocabulary_add(v, token, v->size, st);
}

static size_t letter_token(uint32_t code, bool inside, char out[8])
{
    memcpy(out, "##", 2);
    return inside ? 2 + lm_utf8_encode(code, out + 2) : lm_utf8_encode(code, out);
}

static bool add_alphabet(lm_vocabulary *v, const letter *letters, size_t n, lm_status *st)
{
    char token[8];
    for (int inside = 0; inside < 2; inside++)
        for (size_t i = 0; i < n; i++)
            if (!inside || letters[i].inside)
                if (!add_token(v, (lm_str){token, letter_token(letters[i].code, inside, token)}, st))
                    return false;
    return true;
}

/* ---------------------------------------------------------------- words as symbols */

static bool known(const letter *letters, size_t n, uint32_t code)
{
    letter key = {.code = code};
    return n && bsearch(&key, letters, n, sizeof *letters, by_code) != NULL;
}

/* Characters outside the alphabet are passed over, as the reference does. */
static void split_words(learner *l, const letter *letters, size_t n)
{
    const lm_word_counts *c = l->counts;
    size_t used = 0;
    for (size_t w = 0; w < c->n; w++) {
        lm_str s = lm_word_counts_word(c, w);
        l->starts[w] = used;
        for (size_t i = 0; i < s.len;) {
            uint32_t code;
            char token[8];
            size_t len = lm_utf8_decode(s.data + i, s.len - i, &code);
            if (known(letters, n, code))
                l->symbols[used++] =
                    lm_vocabulary_find(l->vocabulary, (lm_str){token, letter_token(code, i > 0, token)});
            i += len;
        }
        l->lengths[w] = (uint32_t)(used - l->starts[w]);
        const int32_t *symbols = l->symbols + l->starts[w];
        for (uint32_t i = 0; i + 1 < l->lengths[w]; i++)
            add(l, symbols[i], symbols[i + 1], (uint32_t)w);
    }
    push_touched(l);
}

/* Puts `to` for every a b in a word. The count of a b itself is not taken back: it never comes to the queue's
 * head again but where another way to the same tokens makes it anew, and there the reference counts so, too.
 */
static void merge_in_word(learner *l, uint32_t word, int32_t a, int32_t b, int32_t to)
{
    int32_t *s = l->symbols + l->starts[word];
    uint32_t n = l->lengths[word], out = 0;
    for (uint32_t i = 0; i < n;) {
        if (s[i] != a || i + 1 >= n || s[i + 1] != b) {
            s[out++] = s[i++];
            continue;
        }
        if (out > 0) {
            take(l, s[out - 1], a, word);
            add(l, s[out - 1], to, word);
        }
        if (i + 2 < n) {
            take(l, b, s[i + 2], word);
            add(l, to, s[i + 2], word);
        }
        s[out++] = to;
        i += 2;
    }
    l->lengths[word] = out;
}

static bool merge(learner *l, uint32_t which, lm_status *st)
{
    int32_t a = l->pairs[which].a, b = l->pairs[which].b;
    lm_buf token = {0};
    lm_str first = lm_vocabulary_get(l->vocabulary, a), second = lm_vocabulary_get(l->vocabulary, b);
    size_t prefix = second.len >= 2 && memcmp(second.data, "##", 2) == 0 ? 2 : 0;
    lm_buf_append(&token, first.data, first.len);
    lm_buf_append(&token, second.data + prefix, second.len - prefix);
    bool ok = add_token(l->vocabulary, lm_buf_str(&token), st);
    int32_t to = lm_vocabulary_find(l->vocabulary, lm_buf_str(&token));
    lm_buf_free(&token);
    uint32_t *words = l->pairs[which].words, n = l->pairs[which].word_count;
    l->pairs[which].words = NULL;
    l->pairs[which].word_count = l->pairs[which].word_cap = 0;
    for (uint32_t i = 0; ok && i < n; i++)
        merge_in_word(l, words[i], a, b, to);
    free(words);
    push_touched(l);
    return ok;
}

static void merge_pairs(learner *l, const lm_tokenizer_training *o, lm_status *st)
{
    lm_progress_begin("merges", "tokens", (uint64_t)o->vocab_size);
    while (l->vocabulary->count < o->vocab_size && l->heap_count && lm_signal_check(st)) {
        candidate top = pop(l);
        int64_t count = l->pairs[top.pair].count;
        if (top.count != count) { /* it has become rarer since */
            if (count > 0)
                push(l, (candidate){count, top.pair});
            continue;
        }
        if (count < 1 || count < o->min_frequency || !merge(l, top.pair, st))
            break;
        lm_progress_update((uint64_t)l->vocabulary->count, NULL);
    }
    lm_progress_end();
}

bool lm_wordpiece_learn(const lm_word_counts *counts, const lm_tokenizer_training *o, const lm_str *special,
                        size_t special_count, lm_vocabulary *out, lm_status *st)
{
    for (size_t i = 0; i < special_count; i++)
        if (!add_token(out, special[i], st))
            return false;
    size_t n;
    letter *letters = count_letters(counts, o->limit_alphabet, &n);
    learner l = {.counts = counts, .vocabulary = out};
    if (add_alphabet(out, letters, n, st)) {
        if (out->count > o->vocab_size)
            lm_warn(
                "the alphabet alone has %d tokens, more than --vocab-size %lld: the vocabulary is that large",
                out->count, (long long)o->vocab_size);
        l.symbols = lm_malloc(counts->bytes.len + 1, sizeof *l.symbols);
        l.starts = lm_malloc(counts->n + 1, sizeof *l.starts);
        l.lengths = lm_malloc(counts->n + 1, sizeof *l.lengths);
        split_words(&l, letters, n);
        merge_pairs(&l, o, st);
    }
    for (size_t i = 0; i < l.pair_count; i++)
        free(l.pairs[i].words);
    free(l.pairs);
    free(l.slots);
    free(l.heap);
    free(l.touched);
    free(l.symbols);
    free(l.starts);
    free(l.lengths);
    free(letters);
    return lm_ok(st);
}
