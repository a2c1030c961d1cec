#include "augment/overlap/overlap.h"

#include "augment/augment.h"
#include "augment/overlap/words.h"
#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A row of fewer words is found only where a record is that row (the least n of Brown et al.). */
enum { PHRASE_WORDS = 8 };

typedef struct gram {
    uint64_t key; /* 0 = free */
    uint32_t row;
} gram;

typedef struct test_set {
    char *name; /* as a member of the input has it, for messages */
    size_t n;
    gram *grams; /* open addressing, at most half full */
    size_t slots, used;
    uint64_t *filter; /* a bit for each key's low bits: most words of a text are in no test set */
    size_t filter_mask;
    bool *lengths;   /* [n + 1]: of the grams */
    uint64_t *powers; /* [n + 1]: of BASE */
    uint64_t *lines; /* of the rows */
    _Atomic bool *hit; /* of the rows */
    size_t row_count, row_cap;
    atomic_uint_fast64_t seen, contaminated;
} test_set;

/* ------------------------------------------------------------------ hashes of words in a row */

static const uint64_t BASE = 0x9e3779b97f4a7c15u; /* odd; the words' hashes are well mixed, and so is what comes out */

static uint64_t mixed(uint64_t h, uint64_t salt)
{
    h ^= salt * 0xd6e8feb86659fd93u;
    h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
    h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
    h ^= h >> 32;
    return h ? h : 1;
}

/* Of words [from, from + length), from sums[i] = the polynomial of the first i words. */
static uint64_t gram_key(const test_set *t, const uint64_t *sums, size_t from, size_t length)
{
    return mixed(sums[from + length] - sums[from] * t->powers[length], length);
}

static uint64_t whole_key(const uint64_t *sums, size_t count)
{
    return mixed(sums[count], ~(uint64_t)count);
}

typedef struct room {
    lm_compared_words words;
    uint64_t *sums;
    size_t cap;
} room;

static void add_up(room *r)
{
    if (r->words.count + 1 > r->cap) {
        r->cap = 2 * (r->words.count + 1);
        r->sums = lm_realloc(r->sums, r->cap, sizeof *r->sums);
    }
    r->sums[0] = 0;
    for (size_t i = 0; i < r->words.count; i++)
        r->sums[i + 1] = r->sums[i] * BASE + r->words.hashes[i];
}

/* ------------------------------------------------------------------ the table */

static gram *slot_of(gram *grams, size_t slots, uint64_t key)
{
    size_t i = key & (slots - 1);
    while (grams[i].key && grams[i].key != key)
        i = (i + 1) & (slots - 1);
    return &grams[i];
}

static bool grow(test_set *t, lm_status *st)
{
    size_t slots = t->slots ? 2 * t->slots : 1024;
    gram *grams = lm_try_calloc(slots, sizeof *grams, "the words of the test set", st);
    if (!grams)
        return false;
    for (size_t i = 0; i < t->slots; i++)
        if (t->grams[i].key)
            *slot_of(grams, slots, t->grams[i].key) = t->grams[i];
    free(t->grams);
    t->grams = grams;
    t->slots = slots;
    return true;
}

/* The first row that has it keeps it. */
static bool enter(test_set *t, uint64_t key, uint32_t row, lm_status *st)
{
    if (2 * (t->used + 1) > t->slots && !grow(t, st))
        return false;
    gram *g = slot_of(t->grams, t->slots, key);
    if (!g->key) {
        *g = (gram){key, row};
        t->used++;
    }
    return true;
}

static bool make_filter(test_set *t, lm_status *st)
{
    t->filter_mask = 8 * t->slots - 1; /* 16 bits or more for each key */
    t->filter = lm_try_calloc((t->filter_mask + 1) / 64, sizeof *t->filter, "the words of the test set", st);
    if (!t->filter)
        return false;
    for (size_t i = 0; i < t->slots; i++) {
        uint64_t bit = t->grams[i].key >> 24 & t->filter_mask;
        if (t->grams[i].key)
            t->filter[bit / 64] |= (uint64_t)1 << bit % 64;
    }
    return true;
}

static const gram *find(const test_set *t, uint64_t key)
{
    uint64_t bit = key >> 24 & t->filter_mask;
    if (!(t->filter[bit / 64] >> bit % 64 & 1))
        return NULL;
    const gram *g = slot_of(t->grams, t->slots, key);
    return g->key ? g : NULL;
}

/* ------------------------------------------------------------------ the test set */

static bool enter_row(test_set *t, const room *r, uint32_t row, lm_status *st)
{
    size_t count = r->words.count;
    if (count == 0)
        return true;
    if (count < PHRASE_WORDS && count < t->n)
        return enter(t, whole_key(r->sums, count), row, st);
    size_t length = count < t->n ? count : t->n;
    t->lengths[length] = true;
    for (size_t i = 0; i + length <= count; i++)
        if (!enter(t, gram_key(t, r->sums, i, length), row, st))
            return false;
    return true;
}

/* What of a record is compared: each of these texts by itself. */
static bool enter_record(test_set *t, room *r, const lm_text_record *record, lm_status *st)
{
    if (t->row_count == UINT32_MAX)
        return lm_fail(st, LM_FAILED, "%s: more than %u rows: is this a test set?", t->name, UINT32_MAX);
    if (t->row_count == t->row_cap) {
        t->row_cap = t->row_cap ? 2 * t->row_cap : 256;
        t->lines = lm_realloc(t->lines, t->row_cap, sizeof *t->lines);
    }
    uint32_t row = (uint32_t)t->row_count++;
    t->lines[row] = record->line;
    const lm_str texts[] = {record->text, record->pair, record->target};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        lm_compared_words_clear(&r->words);
        lm_compared_words_add(&r->words, texts[i]);
        add_up(r);
        if (!enter_row(t, r, row, st))
            return false;
    }
    return true;
}

static void room_free(void *room_)
{
    room *r = room_;
    lm_compared_words_free(&r->words);
    free(r->sums);
    free(r);
}

static bool read_test_set(test_set *t, const char *path, const lm_augment_options *o, lm_status *st)
{
    lm_input *in = lm_input_open(path, st);
    const lm_overlap_options *own = &o->overlap;
    lm_records_options options = {.text = own->decontaminate_text ? own->decontaminate_text : o->records.text,
                                  .encoding = o->records.encoding,
                                  .tsv_quotes = o->records.tsv_quotes,
                                  .no_fields = true};
    lm_records *records = in ? lm_records_new(in, &options, st) : NULL;
    room *r = lm_calloc(1, sizeof *r);
    lm_text_record record;
    int more = records ? 1 : -1;
    while (more > 0 && (more = lm_records_next(records, &record, st)) > 0)
        if (!record.flush && !enter_record(t, r, &record, st))
            more = -1;
    room_free(r);
    lm_records_free(records);
    lm_input_close(in);
    if (more < 0)
        return lm_fail_prefix(st, "--decontaminate");
    if (t->used == 0)
        return lm_fail(st, LM_FAILED, "--decontaminate: %s: no words in it: is it the file that was meant?", t->name);
    t->hit = lm_calloc(t->row_count, sizeof *t->hit);
    return make_filter(t, st);
}

static void set_close(void *self)
{
    test_set *t = self;
    if (!t)
        return;
    free(t->name);
    free(t->grams);
    free(t->filter);
    free(t->lengths);
    free(t->powers);
    free(t->lines);
    free((void *)t->hit);
    free(t);
}

static void *set_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    (void)place;
    if (!*value) {
        lm_fail(st, LM_USAGE, "--decontaminate: which test set? Give its FILE");
        return NULL;
    }
    test_set *t = lm_calloc(1, sizeof *t);
    t->name = lm_strdup(value);
    t->n = (size_t)o->overlap.decontaminate_ngram;
    t->lengths = lm_calloc(t->n + 1, sizeof *t->lengths);
    t->powers = lm_malloc(t->n + 1, sizeof *t->powers);
    t->powers[0] = 1;
    for (size_t i = 0; i < t->n; i++)
        t->powers[i + 1] = t->powers[i] * BASE;
    if (!read_test_set(t, value, o, st)) {
        set_close(t);
        return NULL;
    }
    return t;
}

/* ------------------------------------------------------------------ records */

/* The first row of which a record has words, and how many; all rows are marked. */
static const gram *contamination(test_set *t, const room *r, size_t *words)
{
    const gram *first = NULL, *g;
    size_t count = r->words.count;
    if (count > 0 && (g = find(t, whole_key(r->sums, count)))) {
        atomic_store_explicit(&t->hit[g->row], true, memory_order_relaxed);
        first = g;
        *words = count;
    }
    for (size_t length = t->n; length > 0; length--) {
        for (size_t i = 0; t->lengths[length] && i + length <= count; i++) {
            if (!(g = find(t, gram_key(t, r->sums, i, length))))
                continue;
            atomic_store_explicit(&t->hit[g->row], true, memory_order_relaxed);
            if (!first) {
                first = g;
                *words = length;
            }
        }
    }
    return first;
}

static bool set_apply(void *self, void *room_, lm_drafts *batch, lm_status *st)
{
    (void)st;
    test_set *t = self;
    room *r = room_;
    uint64_t contaminated = 0;
    for (size_t i = 0; i < batch->count; i++) {
        lm_draft *d = batch->items[i];
        lm_compared_words_clear(&r->words);
        for (int k = 0; k < d->text_count; k++)
            lm_compared_words_add(&r->words, d->texts[k]);
        add_up(r);
        size_t words = 0;
        const gram *g = contamination(t, r, &words);
        if (!g)
            continue;
        contaminated++;
        char *why = lm_format("decontaminate: %zu words in a row stand in %s:%" PRIu64, words, t->name, t->lines[g->row]);
        d->dropped = lm_arena_strndup(batch->arena, why, strlen(why));
        free(why);
    }
    atomic_fetch_add(&t->seen, batch->count);
    atomic_fetch_add(&t->contaminated, contaminated);
    return true;
}

static void set_report(const void *self, lm_buf *out)
{
    const test_set *t = self;
    size_t rows = 0;
    for (size_t i = 0; i < t->row_count; i++)
        rows += t->hit[i];
    lm_buf_printf(out, "decontaminate: %" PRIu64 " of %" PRIu64 " records have words of %s, of %zu of its %zu rows\n",
                  (uint64_t)t->contaminated, (uint64_t)t->seen, t->name, rows, t->row_count);
}

const lm_operation_kind lm_decontaminate_kind = {
    .name = "decontaminate",
    .open = set_open,
    .close = set_close,
    .room_bytes = sizeof(room),
    .room_free = room_free,
    .apply = set_apply,
    .report = set_report,
};
