/* Frequent substrings, from the sorted suffixes of all units. The suffixes, cut after one character more than
 * a piece may have, are sorted as many at a time as the budget holds; one pass over the sorted list finds the
 * inner nodes of the suffix tree as ranges with a common prefix (Abouelhoda et al. 2004). */
#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "base/utf8.h"
#include "text/train/string_sort.h"
#include "text/train/unigram_internal.h"

#include <math.h>
#include <stdlib.h>

typedef struct found {
    uint64_t score;
    const char *data;
    uint32_t len, chars;
} found;

typedef struct node {
    uint32_t bytes, chars; /* of the common prefix */
    uint64_t first;        /* suffix */
} node;

typedef struct seeker {
    const lm_unigram_text *text;
    size_t max_length, most; /* characters of a piece; pieces to be found */
    found *heap;             /* the least is first */
    size_t heap_count;
    node *stack;
    size_t depth;
    lm_sort_item last; /* suffix */
    uint64_t seen;     /* suffixes */
    lm_scratch_array items;
    size_t item_count;
} seeker;

/* ---------------------------------------------------------------- the best */

static bool better(const found *x, const found *y)
{
    if (x->score != y->score)
        return x->score > y->score;
    int d = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);
    return d ? d > 0 : x->len > y->len;
}

static int best_first(const void *a, const void *b)
{
    return better(a, b) ? -1 : 1; /* no two are the same */
}

static void sift_down(found *heap, size_t n)
{
    found x = heap[0];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && better(&heap[child], &heap[child + 1]))
            child++;
        if (!better(&x, &heap[child]))
            break;
        heap[i] = heap[child];
    }
    heap[i] = x;
}

static void offer(seeker *s, found x)
{
    if (s->heap_count == s->most) {
        if (s->most && better(&x, &s->heap[0])) {
            s->heap[0] = x;
            sift_down(s->heap, s->most);
        }
        return;
    }
    size_t i = s->heap_count++;
    for (; i > 0 && better(&s->heap[(i - 1) / 2], &x); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = x;
}

/* ---------------------------------------------------------------- the sorted list */

static bool continues(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

static node common_prefix(const lm_sort_item *x, const lm_sort_item *y)
{
    uint32_t most = x->len < y->len ? x->len : y->len, n = 0, chars = 0;
    while (n < most && x->data[n] == y->data[n])
        chars += !continues(x->data[n++]);
    if (n > 0 && ((n < x->len && continues(x->data[n])) || (n < y->len && continues(y->data[n])))) {
        chars--; /* they part within a character */
        while (continues(x->data[--n]))
            continue;
    }
    return (node){n, chars, 0};
}

/* The node with all its suffixes: those from n.first to the one before `end`. */
static void close_node(seeker *s, node n, uint64_t end)
{
    const char *data = s->last.data;
    if (n.chars < 2 || n.chars > s->max_length || (unsigned char)data[n.bytes - 1] == LM_UNIGRAM_END)
        return;
    offer(s, (found){(end - n.first) * n.chars, data, n.bytes, n.chars});
}

/* The next suffix in order. s->last is one of the nodes that end here. */
static void next_suffix(seeker *s, const lm_sort_item *item)
{
    if (s->seen > 0) {
        node n = common_prefix(&s->last, item);
        n.first = s->seen - 1;
        while (s->depth && s->stack[s->depth - 1].chars > n.chars) {
            n.first = s->stack[--s->depth].first;
            close_node(s, s->stack[s->depth], s->seen);
        }
        if (n.chars > (s->depth ? s->stack[s->depth - 1].chars : 0))
            s->stack[s->depth++] = n;
    }
    s->last = *item;
    s->seen++;
}

static void last_suffix(seeker *s)
{
    while (s->depth)
        close_node(s, s->stack[--s->depth], s->seen);
}

/* ---------------------------------------------------------------- the suffixes */

/* The first eight bytes of what begins at p and goes to the end of its unit, as a number. */
static uint64_t first_bytes(const char *p)
{
    uint64_t key = 0;
    size_t i = 0;
    while (i < 8) {
        unsigned char byte = (unsigned char)p[i++];
        key = key << 8 | byte;
        if (byte == LM_UNIGRAM_END)
            break;
    }
    return key << 8 * (8 - i);
}

/* A suffix of two characters at least: the end counts as one. NULL behind the last. */
static const char *next_start(const lm_unigram_text *text, const char *p)
{
    const char *bytes = text->bytes.data, *end = bytes + text->length;
    for (p = p ? p + 1 : bytes; p < end; p++)
        if ((unsigned char)*p != LM_UNIGRAM_END && !continues(*p))
            return p;
    return NULL;
}

static uint32_t suffix_length(const char *p, size_t chars)
{
    uint32_t n = 0;
    for (; chars > 0; chars--) {
        if ((unsigned char)p[n++] == LM_UNIGRAM_END)
            break;
        while (continues(p[n]))
            n++;
    }
    return n;
}

static bool collect(seeker *s, uint64_t from, uint64_t to, lm_status *st)
{
    lm_scratch *scratch = s->text->scratch;
    s->item_count = 0;
    for (const char *p = NULL; (p = next_start(s->text, p)) && lm_signal_check(st);) {
        uint64_t key = first_bytes(p);
        if (key < from || key >= to)
            continue;
        if (!lm_scratch_reserve(scratch, &s->items, (s->item_count + 1) * sizeof(lm_sort_item), st))
            return false;
        ((lm_sort_item *)s->items.data)[s->item_count++] =
            (lm_sort_item){0, p, suffix_length(p, s->max_length + 1), 0};
    }
    return lm_ok(st);
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Keys that part the suffixes into `parts` ranges of about the same size: *n of them, malloced. */
static uint64_t *splitters(const lm_unigram_text *text, size_t parts, size_t *n)
{
    enum { SAMPLE = 1 << 16 };
    uint64_t *sample = lm_malloc(SAMPLE, sizeof *sample);
    size_t count = 0, step = text->characters / SAMPLE + 1, i = 0;
    for (const char *p = NULL; (p = next_start(text, p)); i++)
        if (i % step == 0 && count < SAMPLE)
            sample[count++] = first_bytes(p);
    qsort(sample, count, sizeof *sample, by_number);
    *n = 0;
    for (size_t k = 1; k < parts; k++) {
        uint64_t key = sample[k * count / parts];
        if (*n == 0 || key > sample[*n - 1])
            sample[(*n)++] = key;
    }
    return sample;
}

static bool seek(seeker *s, lm_status *st)
{
    lm_scratch *scratch = s->text->scratch;
    size_t room = scratch->budget > scratch->used ? scratch->budget - scratch->used : 0;
    size_t need = s->text->characters * sizeof(lm_sort_item), parts = 1;
    enum { LEAST_ROOM = 1 << 20, MOST_PARTS = 4096 };
    if (room < LEAST_ROOM)
        room = LEAST_ROOM;
    if (need > room)
        parts = 5 * (need / room + 1) / 4; /* grow in steps: a fifth to spare */
    if (parts > MOST_PARTS)
        parts = MOST_PARTS;
    size_t n = 0;
    uint64_t *keys = splitters(s->text, parts, &n);
    for (size_t k = 0; k <= n && lm_ok(st); k++) {
        if (!collect(s, k ? keys[k - 1] : 0, k < n ? keys[k] : UINT64_MAX, st))
            break;
        lm_string_sort(s->items.data, s->item_count);
        for (size_t i = 0; i < s->item_count; i++)
            next_suffix(s, (const lm_sort_item *)s->items.data + i);
        lm_scratch_look(scratch);
    }
    last_suffix(s);
    free(keys);
    lm_scratch_free(scratch, &s->items);
    return lm_ok(st);
}

/* ---------------------------------------------------------------- all together */

static int most_frequent_first(const void *a, const void *b)
{
    const lm_letter *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return (x->code < y->code) - (x->code > y->code);
}

static void add_letters(const lm_alphabet *alphabet, lm_piece_list *out)
{
    lm_letter *letters = lm_malloc(alphabet->n + 1, sizeof *letters);
    memcpy(letters, alphabet->letters, alphabet->n * sizeof *letters);
    qsort(letters, alphabet->n, sizeof *letters, most_frequent_first);
    for (size_t i = 0; i < alphabet->n; i++) {
        char utf8[4];
        size_t n = lm_utf8_encode(letters[i].code, utf8);
        lm_piece_list_add(out, (lm_str){utf8, n}, (double)letters[i].count);
    }
    free(letters);
}

bool lm_unigram_seeds(const lm_unigram_text *text, const lm_alphabet *alphabet, size_t max_length,
                      lm_piece_list *out, lm_status *st)
{
    seeker s = {.text = text, .max_length = max_length};
    s.most = alphabet->n < LM_UNIGRAM_SEEDS ? LM_UNIGRAM_SEEDS - alphabet->n : 1;
    if (s.most > text->characters)
        s.most = text->characters; /* a tree has fewer inner nodes than leaves */
    s.heap = lm_malloc(s.most + 1, sizeof *s.heap);
    s.stack = lm_malloc(max_length + 3, sizeof *s.stack);
    ptrdiff_t account =
        (ptrdiff_t)(s.most * (2 * sizeof *s.heap + sizeof(lm_piece))); /* sorting needs as much again */
    lm_scratch_account(text->scratch, account);
    lm_piece_list_add(out, (lm_str){"", 0}, 0);
    add_letters(alphabet, out);
    if (seek(&s, st)) {
        qsort(s.heap, s.heap_count, sizeof *s.heap, best_first);
        for (size_t i = 0; i < s.heap_count; i++)
            lm_piece_list_add(out, (lm_str){s.heap[i].data, s.heap[i].len}, (double)s.heap[i].score);
        double sum = 0;
        for (size_t i = 1; i < out->n; i++)
            sum += out->at[i].score;
        for (size_t i = 1; i < out->n; i++)
            out->at[i].score = log(out->at[i].score) - log(sum);
    }
    free(s.heap);
    free(s.stack);
    lm_scratch_account(text->scratch, -account);
    return lm_ok(st);
}
