#include "augment/balance.h"

#include "augment/options.h"
#include "base/memory.h"
#include "text/train/word_counts.h"

#include <inttypes.h>
#include <stdlib.h>

typedef struct balance {
    lm_word_counts classes; /* their labels; `count` is how many records they have */
    struct balanced {
        uint32_t number[2]; /* of the record, its low and high half */
        uint32_t is;        /* its class; when settled, its copies */
    } *of;                  /* in the order of their numbers */
    size_t count, cap, most;
    uint64_t size;          /* that classes are to have; 0 = the largest one's */
    uint64_t smallest, largest, copies; /* for the report */
} balance;

static void *balance_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    int64_t size = 0;
    (void)place;
    if (*value && (!lm_parse_count(value, &size) || size < 1)) {
        lm_fail(st, LM_USAGE, "--balance: '%s' is no size of a class: give a number of records, or none for the largest class's",
                value);
        return NULL;
    }
    balance *b = lm_calloc(1, sizeof *b);
    *b = (balance){.size = (uint64_t)size, .most = o->memory / sizeof *b->of};
    return b;
}

static void balance_close(void *self)
{
    balance *b = self;
    lm_word_counts_free(&b->classes);
    free(b->of);
    free(b);
}

/* All is done in order. */
static bool balance_observe(void *self, void *room, const lm_drafts *batch, lm_status *st)
{
    (void)self, (void)room, (void)batch, (void)st;
    return true;
}

static bool balance_collect(void *self, void *room, const lm_drafts *batch, lm_status *st)
{
    balance *b = self;
    (void)room;
    for (size_t i = 0; i < batch->count; i++) {
        const lm_draft *d = batch->items[i];
        if (!d->label.data)
            return lm_fail(st, LM_FAILED, "--balance: record %" PRIu64 " has no label: say which field is the label (--label FIELD)",
                           d->number);
        if (b->count == b->most)
            return lm_fail(st, LM_FAILED, "--balance: more than %zu records, of which %zu bytes each are kept: give more --memory",
                           b->most, sizeof *b->of);
        int32_t class = lm_word_counts_number(&b->classes, d->label);
        b->classes.words[class].count++;
        LM_GROW(b->of, b->count, b->cap);
        b->of[b->count++] = (struct balanced){{(uint32_t)d->number, (uint32_t)(d->number >> 32)}, (uint32_t)class};
    }
    return true;
}

/* Copies of the record that is number `rank` of its class: the class's share out evenly. */
static uint64_t copies_of(uint64_t missing, uint64_t rank, uint64_t count)
{
    return (uint64_t)((unsigned __int128)missing * (rank + 1) / count - (unsigned __int128)missing * rank / count);
}

static bool balance_settle(void *self, lm_status *st)
{
    balance *b = self;
    size_t n = b->classes.n;
    b->smallest = UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        uint64_t count = b->classes.words[i].count;
        b->smallest = count < b->smallest ? count : b->smallest;
        b->largest = count > b->largest ? count : b->largest;
    }
    if (!b->size)
        b->size = b->largest;
    if (n && (b->size - 1) / b->smallest >= LM_COPIES_MAX)
        return lm_fail(st, LM_FAILED, "--balance: the smallest class has %" PRIu64 " records and would need more than %d copies of each: "
                                      "give a smaller size (--balance N)", b->smallest, LM_COPIES_MAX);
    uint64_t *rank = lm_calloc(n + 1, sizeof *rank);
    for (size_t i = 0; i < b->count; i++) {
        uint32_t class = b->of[i].is;
        uint64_t count = b->classes.words[class].count, missing = b->size > count ? b->size - count : 0;
        b->of[i].is = (uint32_t)copies_of(missing, rank[class]++, count);
        b->copies += b->of[i].is;
    }
    free(rank);
    return true;
}

static int by_number(const void *key, const void *item)
{
    const struct balanced *b = item;
    uint64_t wanted = *(const uint64_t *)key, is = (uint64_t)b->number[1] << 32 | b->number[0];
    return (wanted > is) - (wanted < is);
}

static int64_t balance_copies(const void *self, const lm_draft *d)
{
    const balance *b = self;
    const struct balanced *of = bsearch(&d->number, b->of, b->count, sizeof *b->of, by_number);
    return of ? of->is : 0;
}

static void balance_report(const void *self, lm_buf *out)
{
    const balance *b = self;
    if (b->count)
        lm_buf_printf(out, "balance: %zu classes of %" PRIu64 " to %" PRIu64 " records; %" PRIu64 " copies for %" PRIu64 " each\n",
                      b->classes.n, b->smallest, b->largest, b->copies, b->size);
}

/* It draws no lots, but what it gives back is copies. */
const lm_operation_kind lm_balance_kind = {.name = "balance", .varies = true, .open = balance_open, .close = balance_close,
                                           .observe = balance_observe, .collect = balance_collect, .settle = balance_settle,
                                           .copies = balance_copies, .report = balance_report};

static bool is_size(const char *word)
{
    int64_t size;
    return lm_parse_count(word, &size);
}

void lm_balance_entries(lm_augment_entries *to)
{
    const lm_option entries[] = {
        LM_ENTRY_STEP("balance", "SIZE", .optional = is_size, .aliases = "oversample",
                      .help = "copy records of small classes until each class has as many as the largest, or SIZE; operations that "
                              "draw lots and stand behind it change the copies"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}
