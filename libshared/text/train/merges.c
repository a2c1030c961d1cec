#include "text/train/merges.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/utf8.h"
#include "stream/scratch.h"

#include <stdlib.h>

/* A word among the symbols: how many symbols it has, its count in two halves, and its symbols. Words are
 * named by the place where they begin. */
enum { WORD_LENGTH, WORD_COUNT, WORD_SYMBOLS = 3 };

typedef struct pair {
    int32_t a, b;
    int64_t count;
    uint32_t touched; /* place in the list of pairs that grew in this round, plus one */
} pair;

/* A pair in the queue, with words that hold it: those of the round in which it was entered. As in the
 * reference a pair may be there several times, each with words of its own. */
typedef struct candidate {
    int64_t count;
    int32_t a, b;
    uint32_t pair, word_count;
    uint64_t words; /* place in the log */
} candidate;

typedef struct touch {
    uint64_t at; /* in the log */
    uint32_t pair, word_count, last_word;
} touch;

typedef struct added {
    uint32_t touch, word;
} added;

typedef struct learner {
    const lm_merges_options *o;
    lm_token_tables *out;
    lm_status *st;
    lm_scratch scratch;
    lm_scratch_array symbols, log, pairs, slots, heap, touches, added;
    size_t symbol_count, log_count, pair_count, slot_count, heap_count, touch_count, added_count;
    int32_t *letter_ids[2]; /* by code point, plus one: at the start of a word, inside */
    uint32_t *lengths;      /* of tokens, in characters; by id */
    size_t length_cap;
} learner;

#define AT(array, type) ((type *)l->array.data)

/* Room for one more element; false where there is no more disk. */
#define ROOM(array, count, type)                                                                             \
    (((count) + 1) * sizeof(type) <= l->array.bytes ||                                                       \
     lm_scratch_reserve(&l->scratch, &l->array, ((count) + 1) * sizeof(type), l->st))

/* ---------------------------------------------------------------- pairs */

static size_t slot_of(const learner *l, int32_t a, int32_t b)
{
    const pair *pairs = l->pairs.data;
    const uint32_t *slots = l->slots.data; /* number of the pair, plus one */
    uint64_t h = ((uint64_t)(uint32_t)a << 32 | (uint32_t)b) * 0x9e3779b97f4a7c15u;
    size_t mask = l->slot_count - 1, i = (h >> 24) & mask;
    while (slots[i] && (pairs[slots[i] - 1].a != a || pairs[slots[i] - 1].b != b))
        i = (i + 1) & mask;
    return i;
}

static bool grow_slots(learner *l)
{
    size_t n = l->slot_count ? 2 * l->slot_count : 1 << 16;
    lm_scratch_free(&l->scratch, &l->slots);
    if (!lm_scratch_resize(&l->scratch, &l->slots, n * sizeof(uint32_t), l->st))
        return false;
    l->slot_count = n;
    for (size_t k = 0; k < l->pair_count; k++) {
        const pair *p = &AT(pairs, pair)[k];
        AT(slots, uint32_t)[slot_of(l, p->a, p->b)] = (uint32_t)k + 1;
        lm_scratch_touch(&l->scratch, 1);
    }
    return true;
}

/* NULL where there is no more room. */
static pair *pair_at(learner *l, int32_t a, int32_t b)
{
    if (2 * (l->pair_count + 1) > l->slot_count && !grow_slots(l))
        return NULL;
    size_t slot = slot_of(l, a, b);
    uint32_t *number = &AT(slots, uint32_t)[slot];
    if (!*number) {
        if (l->pair_count == UINT32_MAX - 1) {
            lm_fail(l->st, LM_FAILED,
                    "the words have too many different pairs to learn from: take a part of the text");
            return NULL;
        }
        if (!ROOM(pairs, l->pair_count, pair))
            return NULL;
        AT(pairs, pair)[l->pair_count] = (pair){.a = a, .b = b};
        *number = (uint32_t)++l->pair_count;
    }
    return &AT(pairs, pair)[*number - 1];
}

static pair *known_pair(learner *l, int32_t a, int32_t b)
{
    return &AT(pairs, pair)[AT(slots, uint32_t)[slot_of(l, a, b)] - 1];
}

static uint64_t word_count(const int32_t *word)
{
    uint64_t count;
    memcpy(&count, word + WORD_COUNT, sizeof count);
    return count;
}

static void take(learner *l, int32_t a, int32_t b, uint64_t count)
{
    pair *p = pair_at(l, a, b);
    if (p)
        p->count -= (int64_t)count;
}

/* One more a b in a word. The pair's number among those that grew in this round, or UINT32_MAX. */
static uint32_t add(learner *l, int32_t a, int32_t b, uint32_t word, uint64_t count)
{
    pair *p = pair_at(l, a, b);
    if (!p)
        return UINT32_MAX;
    p->count += (int64_t)count;
    if (!p->touched) {
        if (!ROOM(touches, l->touch_count, touch))
            return UINT32_MAX;
        AT(touches, touch)
        [l->touch_count++] = (touch){.pair = (uint32_t)(p - AT(pairs, pair)), .last_word = UINT32_MAX};
        p->touched = (uint32_t)l->touch_count;
    }
    touch *t = &AT(touches, touch)[p->touched - 1];
    if (t->last_word == word)
        return UINT32_MAX;
    t->last_word = word;
    t->word_count++;
    return p->touched - 1;
}

/* ---------------------------------------------------------------- the queue: most frequent first */

static bool before(const candidate *x, const candidate *y)
{
    if (x->count != y->count)
        return x->count > y->count;
    return x->a != y->a ? x->a < y->a : x->b < y->b;
}

static void push(learner *l, candidate c)
{
    if (!ROOM(heap, l->heap_count, candidate))
        return;
    candidate *heap = AT(heap, candidate);
    size_t i = l->heap_count++;
    for (; i > 0 && before(&c, &heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = c;
}

static candidate pop(learner *l)
{
    candidate *heap = AT(heap, candidate);
    candidate top = heap[0], last = heap[--l->heap_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < l->heap_count; i = child) {
        if (child + 1 < l->heap_count && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &last))
            break;
        heap[i] = heap[child];
    }
    if (l->heap_count)
        heap[i] = last;
    return top;
}

/* Gives the pairs that grew in this round their places in the log. */
static bool place_touched(learner *l)
{
    uint64_t at = l->log_count;
    for (size_t i = 0; i < l->touch_count; i++) {
        touch *t = &AT(touches, touch)[i];
        t->at = at;
        at += t->word_count;
        t->word_count = 0;
    }
    l->log_count = at;
    return lm_scratch_reserve(&l->scratch, &l->log, at * sizeof(uint32_t), l->st);
}

static void log_word(learner *l, touch *t, uint32_t word)
{
    AT(log, uint32_t)[t->at + t->word_count++] = word;
    lm_scratch_touch(&l->scratch, 1);
}

/* Puts the pairs that grew into the queue, with the words where they did. */
static void push_touched(learner *l)
{
    for (size_t i = 0; i < l->touch_count; i++) {
        const touch *t = &AT(touches, touch)[i];
        pair *p = &AT(pairs, pair)[t->pair];
        p->touched = 0;
        if (p->count > 0)
            push(l, (candidate){p->count, p->a, p->b, t->pair, t->word_count, t->at});
    }
    l->touch_count = 0;
    l->added_count = 0;
}

/* ---------------------------------------------------------------- the vocabulary */

static void set_length(learner *l, int id, uint32_t length)
{
    if ((size_t)id >= l->length_cap) {
        size_t cap = (size_t)id + 1024;
        l->lengths = lm_realloc(l->lengths, cap, sizeof *l->lengths);
        memset(l->lengths + l->length_cap, 0, (cap - l->length_cap) * sizeof *l->lengths);
        l->length_cap = cap;
    }
    l->lengths[id] = length;
}

/* The id of a token, new or known; -1 where it cannot be. */
static int token_id(learner *l, lm_str token, uint32_t length)
{
    lm_vocabulary *v = &l->out->vocabulary;
    int id = lm_vocabulary_find(v, token);
    if (id < 0) {
        id = v->size;
        if (!lm_vocabulary_add(v, token, id, l->st))
            return -1;
    }
    set_length(l, id, length);
    return id;
}

static bool add_letters(learner *l, const lm_alphabet *a)
{
    lm_buf token = {0};
    char utf8[4];
    for (int inside = 0; inside < 2; inside++) {
        for (size_t i = 0; i < a->n && lm_ok(l->st); i++) {
            const lm_letter *x = &a->letters[i];
            size_t n = lm_utf8_encode(x->code, utf8);
            token.len = 0;
            if (inside)
                lm_buf_append(&token, l->o->prefix.data, l->o->prefix.len);
            lm_buf_append(&token, utf8, n);
            if (!inside || x->inside)
                l->letter_ids[inside][x->code] = token_id(l, lm_buf_str(&token), 1) + 1;
        }
    }
    lm_buf_free(&token);
    return lm_ok(l->st);
}

static bool start_vocabulary(learner *l, const lm_words *words)
{
    const lm_merges_options *o = l->o;
    for (size_t i = 0; i < o->head_count; i++)
        if (lm_vocabulary_find(&l->out->vocabulary, o->head[i]) < 0 &&
            token_id(l, o->head[i], (uint32_t)lm_utf8_count(o->head[i].data, o->head[i].len)) < 0)
            return false;
    lm_alphabet a = {0};
    bool ok = lm_alphabet_count(words, &o->alphabet, &a, l->st) && add_letters(l, &a);
    lm_alphabet_free(&a);
    if (ok && l->out->vocabulary.count > o->vocab_size)
        lm_warn("the alphabet alone has %d tokens, more than --vocab-size %lld: the vocabulary is that large",
                l->out->vocabulary.count, (long long)o->vocab_size);
    return ok;
}

/* ---------------------------------------------------------------- words as symbols */

static bool add_word(learner *l, lm_str word, uint64_t count)
{
    if (!lm_scratch_reserve(&l->scratch, &l->symbols,
                            (l->symbol_count + WORD_SYMBOLS + word.len) * sizeof(int32_t), l->st))
        return false;
    int32_t *at = AT(symbols, int32_t) + l->symbol_count;
    int32_t n = 0;
    for (size_t i = 0; i < word.len;) {
        uint32_t code;
        size_t len = lm_utf8_decode(word.data + i, word.len - i, &code);
        int32_t id = l->letter_ids[i > 0][code];
        if (id)
            at[WORD_SYMBOLS + n++] = id - 1;
        i += len;
    }
    if (n < 2)
        return true; /* it has no pair */
    at[WORD_LENGTH] = n;
    memcpy(at + WORD_COUNT, &count, sizeof count);
    l->symbol_count += WORD_SYMBOLS + (size_t)n;
    if (l->symbol_count > UINT32_MAX)
        return lm_fail(l->st, LM_FAILED, "too many different words to learn from: take a part of the text");
    lm_scratch_touch(&l->scratch, (size_t)n / 64 + 1);
    return true;
}

static bool read_words(learner *l, const lm_words *words)
{
    lm_word_reader r;
    lm_words_read(words, 0, words->block_count, &r);
    while (lm_signal_check(l->st) && lm_word_reader_next(&r, l->st) > 0)
        if (!add_word(l, lm_buf_str(&r.word), r.count))
            break;
    lm_word_reader_close(&r);
    return lm_ok(l->st);
}

/* Calls add for all pairs of all words; `note`: once more, to write the words into the log. */
static bool visit_pairs(learner *l, bool note)
{
    for (size_t w = 0; w < l->symbol_count && lm_ok(l->st);) {
        const int32_t *word = AT(symbols, int32_t) + w, *s = word + WORD_SYMBOLS;
        int32_t n = word[WORD_LENGTH];
        for (int32_t i = 0; i + 1 < n; i++) {
            if (!note) {
                add(l, s[i], s[i + 1], (uint32_t)w, word_count(word));
                continue;
            }
            touch *t = &AT(touches, touch)[known_pair(l, s[i], s[i + 1])->touched - 1];
            if (t->last_word != (uint32_t)w)
                log_word(l, t, (uint32_t)w);
            t->last_word = (uint32_t)w;
        }
        w += WORD_SYMBOLS + (size_t)n;
    }
    return lm_ok(l->st);
}

static bool count_pairs(learner *l)
{
    if (!visit_pairs(l, false) || !place_touched(l))
        return false;
    for (size_t i = 0; i < l->touch_count; i++)
        AT(touches, touch)[i].last_word = UINT32_MAX;
    if (!visit_pairs(l, true))
        return false;
    push_touched(l);
    return lm_ok(l->st);
}

/* ---------------------------------------------------------------- merging */

static void add_new(learner *l, int32_t a, int32_t b, uint32_t word, uint64_t count)
{
    uint64_t limit = l->o->max_token_length > 0 ? (uint64_t)l->o->max_token_length : UINT64_MAX;
    if ((uint64_t)l->lengths[a] + l->lengths[b] >= limit)
        return;
    uint32_t t = add(l, a, b, word, count);
    if (t != UINT32_MAX && ROOM(added, l->added_count, added))
        AT(added, added)[l->added_count++] = (added){t, word};
}

/* Puts `to` for every a b in a word. The count of a b itself is not taken back: it never comes to the queue's
 * head again but where another way to the same tokens makes it anew, and there the reference counts so, too.
 */
static void merge_in_word(learner *l, uint32_t place, int32_t a, int32_t b, int32_t to)
{
    int32_t *word = AT(symbols, int32_t) + place, *s = word + WORD_SYMBOLS;
    int32_t n = word[WORD_LENGTH], out = 0;
    uint64_t count = word_count(word);
    for (int32_t i = 0; i < n;) {
        if (s[i] != a || i + 1 >= n || s[i + 1] != b) {
            s[out++] = s[i++];
            continue;
        }
        if (out > 0) {
            take(l, s[out - 1], a, count);
            add_new(l, s[out - 1], to, place, count);
        }
        if (i + 2 < n) {
            take(l, b, s[i + 2], count);
            add_new(l, to, s[i + 2], place, count);
        }
        s[out++] = to;
        i += 2;
    }
    word[WORD_LENGTH] = out;
    lm_scratch_touch(&l->scratch, 1);
}

/* The token that a and b make. */
static int32_t joined(learner *l, int32_t a, int32_t b)
{
    lm_str first = lm_vocabulary_get(&l->out->vocabulary, a),
           second = lm_vocabulary_get(&l->out->vocabulary, b);
    lm_str prefix = l->o->prefix;
    bool inside = prefix.len && second.len >= prefix.len && memcmp(second.data, prefix.data, prefix.len) == 0;
    size_t skip = inside ? prefix.len : 0;
    lm_buf token = {0};
    lm_buf_append(&token, first.data, first.len);
    lm_buf_append(&token, second.data + skip, second.len - skip);
    int32_t id = token_id(l, lm_buf_str(&token), l->lengths[a] + l->lengths[b]);
    lm_buf_free(&token);
    return id;
}

static bool merge(learner *l, const candidate *c)
{
    int32_t to = joined(l, c->a, c->b);
    if (to < 0)
        return false;
    LM_GROW(l->out->merges, l->out->merge_count, l->out->merge_cap);
    l->out->merges[l->out->merge_count++] = (lm_merge){c->a, c->b};
    for (uint32_t i = 0; i < c->word_count && lm_ok(l->st); i++)
        merge_in_word(l, AT(log, uint32_t)[c->words + i], c->a, c->b, to);
    if (!lm_ok(l->st) || !place_touched(l))
        return false;
    for (size_t i = 0; i < l->added_count; i++) {
        added x = AT(added, added)[i];
        log_word(l, &AT(touches, touch)[x.touch], x.word);
    }
    push_touched(l);
    return lm_ok(l->st);
}

static bool merge_pairs(learner *l)
{
    const lm_merges_options *o = l->o;
    lm_progress_begin("merges", "tokens", (uint64_t)o->vocab_size);
    while (l->out->vocabulary.count < o->vocab_size && l->heap_count && lm_ok(l->st) &&
           lm_signal_check(l->st)) {
        candidate top = pop(l);
        int64_t count = AT(pairs, pair)[top.pair].count;
        if (top.count != count) { /* it has become rarer, or more frequent elsewhere, since */
            top.count = count;
            if (count > 0)
                push(l, top);
            continue;
        }
        if (count < 1 || count < o->min_frequency || !merge(l, &top))
            break;
        lm_progress_update((uint64_t)l->out->vocabulary.count, NULL);
    }
    lm_progress_end();
    return lm_ok(l->st);
}

/* A pair that was merged twice keeps its last place, as in the reference, where the later rank overwrites the
 * earlier. */
static void drop_repeated(learner *l)
{
    lm_token_tables *t = l->out;
    size_t kept = t->merge_count;
    for (size_t i = t->merge_count; i-- > 0;) {
        pair *p = known_pair(l, t->merges[i].left, t->merges[i].right);
        if (!p->touched)
            t->merges[--kept] = t->merges[i];
        p->touched = 1; /* the rounds are over: it marks what was seen */
    }
    t->merge_count -= kept;
    if (t->merge_count)
        memmove(t->merges, t->merges + kept, t->merge_count * sizeof *t->merges);
}

bool lm_learn_merges(const lm_words *words, const lm_merges_options *o, lm_token_tables *out, lm_status *st)
{
    learner l = {.o = o, .out = out, .st = st};
    for (int i = 0; i < 2; i++) /* what is not touched takes no memory */
        l.letter_ids[i] = lm_calloc(LM_CODE_POINTS, sizeof *l.letter_ids[i]);
    lm_scratch_begin(&l.scratch, o->memory);
    lm_scratch_account(&l.scratch, (ptrdiff_t)words->log.buffer.len);
    if (start_vocabulary(&l, words) && read_words(&l, words) && count_pairs(&l) && merge_pairs(&l))
        drop_repeated(&l);
    lm_scratch_array *arrays[] = {&l.symbols, &l.log, &l.pairs, &l.slots, &l.heap, &l.touches, &l.added};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        lm_scratch_free(&l.scratch, arrays[i]);
    lm_scratch_end(&l.scratch);
    for (int i = 0; i < 2; i++)
        free(l.letter_ids[i]);
    free(l.lengths);
    return lm_ok(st);
}
