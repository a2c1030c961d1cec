#include "train/data.h"

#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"
#include "train/subset.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

/* Numbers of rows that are mixed in begin here: beyond those of any input, so that masks are drawn anew. */
static const uint64_t MIXED_ROWS = UINT64_C(1) << 48;

/* Rows that are read as they come: the window in hand, and where the next row of it stands. */
typedef struct block {
    lm_spool *spool;
    lm_order *order;      /* of its rows, as one step */
    const uint32_t *rows; /* in their order */
    uint32_t count, next;
    uint64_t first_row; /* its first row's number in the input */
} block;

/* One row of the step that is being put together. */
typedef struct pick {
    const lm_spool *spool;
    uint64_t row, number, epoch;
    uint32_t length;
    int64_t place;
} pick;

struct lm_data {
    lm_data_options how;
    lm_input *input;
    lm_lms_reader *reader;
    size_t next_input;
    char *name; /* of the input in hand */
    lm_tokenizer_info tokenizer;
    json_t *preamble; /* that tokenizer points into */
    const lm_spool *spool;
    lm_spool *owned;          /* the spool, where it is this one's */
    lm_subset subset;         /* rows that are trained on; `rows` NULL = all */
    char *written;            /* file of the spool, where this run wrote it */
    lm_order *order;
    uint64_t steps;
    const lm_spool *mixed;    /* rows of another stream */
    lm_order *mixed_order;
    double mixed_share;
    const lm_targets *mixed_targets;
    block now, before; /* streaming */
    uint64_t rows_read, blocks_read, digest, next_step;
    pick *picks;
};

/* ------------------------------------------------------------------ inputs */

static void close_input(lm_data *d)
{
    lm_lms_reader_free(d->reader);
    lm_input_close(d->input);
    d->reader = NULL;
    d->input = NULL;
}

static bool same_tokenizer(lm_data *d, json_t *preamble, lm_status *st)
{
    lm_tokenizer_info info = LM_TOKENIZER_INFO_NONE;
    if (!lm_tokenizer_info_read(preamble, &info, st))
        return lm_fail_prefix(st, d->name);
    if (!d->preamble) {
        d->preamble = json_incref(preamble);
        d->tokenizer = info;
    } else if (info.present && d->tokenizer.present && info.xxh3 != d->tokenizer.xxh3) {
        return lm_fail(st, LM_FAILED,
                       "%s: its tokens are of another tokenizer than those before it: use one for all",
                       d->name);
    }
    for (int i = 0; i < 2 && d->preamble != preamble; i++) {
        static const char *const lists[] = {"labels", "tags"};
        json_t *had = json_object_get(d->preamble, lists[i]), *has = json_object_get(preamble, lists[i]);
        if ((had || has) && !json_equal(had, has))
            return lm_fail(st, LM_FAILED,
                           "%s: its %s are other classes than those before it: make the tokens with one list of --labels",
                           d->name, lists[i]);
    }
    return true;
}

/* Opens the next input; *end where there is none. */
static bool open_next(lm_data *d, bool *end, lm_status *st)
{
    const lm_strings *names = d->how.inputs;
    size_t count = names && names->count ? names->count : 1;
    close_input(d);
    *end = d->next_input >= count;
    if (*end)
        return true;
    const char *path = names && names->count ? names->items[d->next_input] : "-";
    d->next_input++;
    if (strcmp(path, "-") == 0 && isatty(STDIN_FILENO))
        return lm_fail(st, LM_USAGE,
                       "tokens are read from standard input, which is a terminal: pipe them in "
                       "(tok -m MODEL FILE | ...), or name a file");
    d->input = lm_input_open(path, st);
    if (!d->input)
        return false;
    free(d->name);
    d->name = lm_strdup(lm_input_name(d->input));
    d->reader = lm_lms_reader_new(d->input, st);
    if (!d->reader)
        return false;
    if (lm_lms_reader_kind(d->reader) != LM_KIND_TOKENS)
        return lm_fail(st, LM_FAILED, "%s: a stream of another kind than tokens: make them with tok -m MODEL",
                       d->name);
    return same_tokenizer(d, lm_lms_reader_preamble(d->reader), st);
}

/* The next record of all inputs; *end where there is none. */
static bool next_record(lm_data *d, lm_record *record, bool *end, lm_status *st)
{
    *end = false;
    while (d->reader) {
        if (!lm_signal_check(st))
            return false;
        int got = lm_lms_next(d->reader, record, st);
        if (got < 0)
            return false;
        if (got > 0 && record->flush)
            continue;
        if (got > 0)
            return same_tokenizer(d, lm_lms_reader_preamble(d->reader), st);
        if (!open_next(d, end, st))
            return false;
    }
    *end = true;
    return true;
}

/* ------------------------------------------------------------------ spooled */

static lm_spool *new_spool(const lm_data *d, const char *file, lm_status *st)
{
    lm_spool_options options = {
        .memory = d->how.memory, .file = file, .keep = lm_training_columns, .uniform = false};
    return lm_spool_new(&options, st);
}

static bool fill_spool(lm_data *d, lm_spool *spool, lm_status *st)
{
    bool end = false;
    lm_record record;
    uint64_t rows = 0;
    lm_progress_begin("reading", "rows", 0);
    while (next_record(d, &record, &end, st) && !end && lm_spool_add(spool, &record, st))
        lm_progress_update(rows += (uint64_t)record.n, NULL);
    lm_progress_end();
    return lm_ok(st) && lm_spool_finish(spool, d->preamble, st);
}

static bool read_all(lm_data *d, lm_status *st)
{
    const char *file = d->how.spool_file;
    /* under its own name only when it is whole: a resume must not take half an input for all of it */
    char *partial = file ? lm_format("%s.part", file) : NULL;
    d->spool = d->owned = new_spool(d, partial, st);
    bool ok = d->owned && fill_spool(d, d->owned, st);
    if (ok && partial && rename(partial, file) != 0)
        ok = lm_fail_errno(st, LM_FAILED, "%s: cannot be given its name", file);
    if (ok && file)
        d->written = lm_strdup(file);
    if (!ok && partial)
        unlink(partial);
    free(partial);
    return ok;
}

json_t *lm_data_preamble(const lm_data *d)
{
    return d->preamble;
}

bool lm_data_load(lm_data *d, lm_status *st)
{
    if (d->how.streaming)
        return true;
    if (!d->spool && !read_all(d, st))
        return false;
    close_input(d);
    uint64_t rows = lm_spool_rows(d->spool);
    if (rows == 0)
        return lm_fail(st, LM_FAILED, "%s: no rows: there is nothing to train on",
                       d->name ? d->name : "the spool");
    if (rows > UINT32_MAX - 1)
        return lm_fail(st, LM_FAILED,
                       "%" PRIu64 " rows, and at most %" PRIu32 " can be shuffled: train in one pass "
                       "(--epochs 1 --shuffle-window 100k)",
                       rows, UINT32_MAX - 1);
    if ((d->how.share > 0 || d->how.most) &&
        !lm_subset_choose(d->spool, d->how.share > 0 ? d->how.share : 1, d->how.most, &d->subset, st))
        return false;
    d->order = lm_order_new((uint32_t)lm_data_rows(d), d->how.rows_per_step, d->how.shuffle, d->how.by_length,
                            lm_data_lengths(d), d->how.seed);
    d->steps = lm_order_steps(d->order);
    d->digest = lm_spool_digest(d->spool);
    return true;
}

bool lm_data_check(const lm_data *d, const lm_targets *t, lm_status *st)
{
    uint64_t rows = d->spool ? lm_spool_rows(d->spool) : 0;
    for (uint64_t i = 0; i < rows; i++) {
        lm_tokens_row row;
        lm_spool_row(d->spool, i, &row);
        if (!lm_targets_check(t, &row, i, st))
            return lm_fail_prefix(st, d->name ? d->name : "the spool");
    }
    return true;
}

/* ------------------------------------------------------------------ streaming */

static void free_block(block *b)
{
    lm_spool_free(b->spool);
    lm_order_free(b->order);
    memset(b, 0, sizeof *b);
}

/* Reads the next window; the one before it stays until the step is whole, since a step may take rows of both.
 */
static bool next_block(lm_data *d, bool *end, lm_status *st)
{
    free_block(&d->before);
    d->before = d->now;
    memset(&d->now, 0, sizeof d->now);
    block *b = &d->now;
    b->spool = new_spool(d, NULL, st);
    uint64_t rows = 0, wanted = d->how.window > d->how.rows_per_step ? d->how.window : d->how.rows_per_step;
    lm_record record;
    *end = false;
    while (b->spool && rows < wanted && next_record(d, &record, end, st) && !*end &&
           lm_spool_add(b->spool, &record, st))
        rows += (uint64_t)record.n;
    if (!lm_ok(st) || !lm_spool_finish(b->spool, NULL, st))
        return false;
    *end = rows == 0;
    b->first_row = d->rows_read;
    d->rows_read += rows;
    uint64_t both[2] = {d->digest, lm_spool_digest(b->spool)};
    d->digest = rows ? XXH3_64bits(both, sizeof both) : d->digest;
    b->order = lm_order_new((uint32_t)rows, (uint32_t)rows, d->how.shuffle && d->how.window > 1, false,
                            lm_spool_lengths(b->spool), d->how.seed);
    b->rows = rows ? lm_order_step(b->order, d->blocks_read++, 0, &b->count) : NULL;
    return true;
}

static bool pick_streaming(lm_data *d, uint32_t *count, lm_status *st)
{
    bool end = false;
    for (*count = 0; *count < d->how.rows_per_step;) {
        if (d->now.next >= d->now.count) {
            if (!next_block(d, &end, st))
                return false;
            if (end)
                return true;
        }
        uint32_t row = d->now.rows[d->now.next++];
        d->picks[*count] =
            (pick){d->now.spool, row, d->now.first_row + row, 0, lm_spool_lengths(d->now.spool)[row], *count};
        ++*count;
    }
    return true;
}

/* ------------------------------------------------------------------ steps */

uint64_t lm_data_rows(const lm_data *d)
{
    return d->subset.rows ? d->subset.count : d->spool ? lm_spool_rows(d->spool) : 0;
}

const uint32_t *lm_data_lengths(const lm_data *d)
{
    return d->subset.rows ? d->subset.lengths : lm_spool_lengths(d->spool);
}

static uint64_t spool_row(const lm_data *d, uint64_t i)
{
    return d->subset.rows ? d->subset.rows[i] : i;
}

void lm_data_row(const lm_data *d, uint64_t i, lm_tokens_row *row)
{
    lm_spool_row(d->spool, spool_row(d, i), row);
}

void lm_data_mix(lm_data *d, const lm_spool *other, double share, const lm_targets *targets)
{
    uint32_t rows = lm_spool_rows(other) < UINT32_MAX ? (uint32_t)lm_spool_rows(other) : UINT32_MAX;
    d->mixed = other;
    d->mixed_share = share;
    d->mixed_targets = targets;
    d->mixed_order = lm_order_new(rows, rows, d->how.shuffle, false, NULL, d->how.seed + 1);
    d->picks = lm_realloc(d->picks, d->how.rows_per_step + (size_t)ceil(d->how.rows_per_step * share) + 1,
                          sizeof *d->picks);
    uint64_t both[2] = {d->digest, lm_spool_digest(other)};
    d->digest = XXH3_64bits(both, sizeof both);
}

static int longest_first(const void *a, const void *b)
{
    const pick *x = a, *y = b;
    if (x->length != y->length)
        return x->length > y->length ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static void pick_spooled(lm_data *d, uint64_t step, uint32_t *count)
{
    uint64_t epoch = step / d->steps;
    const uint32_t *rows = lm_order_step(d->order, epoch, step % d->steps, count);
    const uint32_t *lengths = lm_data_lengths(d);
    for (uint32_t i = 0; i < *count; i++) {
        uint64_t row = spool_row(d, rows[i]);
        d->picks[i] = (pick){d->spool, row, row, epoch, lengths[rows[i]], i};
    }
}

/* Adds the rows of the other stream that fall to this step of `count` own rows. */
static void pick_mixed(lm_data *d, uint64_t step, uint32_t *count)
{
    uint64_t before = d->how.streaming ? step * d->how.rows_per_step
                                       : step / d->steps * lm_data_rows(d) + step % d->steps * d->how.rows_per_step;
    uint64_t rows = lm_spool_rows(d->mixed);
    uint64_t first = (uint64_t)floor((double)before * d->mixed_share + 1e-9);
    uint64_t last = (uint64_t)floor((double)(before + *count) * d->mixed_share + 1e-9);
    for (uint64_t i = first; i < last; i++) {
        uint32_t all;
        uint64_t row = lm_order_step(d->mixed_order, i / rows, 0, &all)[i % rows];
        d->picks[*count] = (pick){d->mixed, row, MIXED_ROWS + row, i / rows, lm_spool_lengths(d->mixed)[row], *count};
        ++*count;
    }
}

bool lm_data_step(lm_data *d, uint64_t step, const lm_targets *targets, lm_step_rows *out, bool *end,
                  lm_status *st)
{
    uint32_t count;
    if (!d->how.streaming)
        pick_spooled(d, step, &count);
    else if (!pick_streaming(d, &count, st))
        return false;
    *end = count == 0;
    if (*end || !targets)
        return true;
    if (d->mixed)
        pick_mixed(d, step, &count);
    qsort(d->picks, count, sizeof *d->picks, longest_first);
    int64_t tokens = 0;
    for (uint32_t i = 0; i < count; i++)
        tokens += d->picks[i].length;
    if (tokens > INT32_MAX / 2)
        return lm_fail(st, LM_FAILED, "a step of %" PRId64 " tokens: lower --batch-size", tokens);
    lm_step_rows_begin(out, targets, (int)count, tokens);
    for (uint32_t i = 0; i < count; i++) {
        const pick *p = &d->picks[i];
        lm_tokens_row row;
        lm_spool_row(p->spool, p->row, &row);
        if (d->how.streaming && p->spool != d->mixed && !lm_targets_check(targets, &row, p->number, st))
            return lm_fail_prefix(st, d->name);
        if (!lm_step_rows_add(out, p->spool == d->mixed ? d->mixed_targets : targets, &row, p->epoch, p->number, p->place, st))
            return false;
    }
    return true;
}

uint64_t lm_data_picked(const lm_data *d, uint32_t j, bool *mixed)
{
    uint64_t row = d->picks[j].row;
    *mixed = d->mixed && d->picks[j].spool == d->mixed;
    if (*mixed || !d->subset.rows)
        return row;
    uint32_t from = 0, to = d->subset.count; /* rows of the subset ascend */
    while (to - from > 1) {
        uint32_t middle = from + (to - from) / 2;
        *(d->subset.rows[middle] <= row ? &from : &to) = middle;
    }
    return from;
}

/* ------------------------------------------------------------------ life */

lm_data *lm_data_open(const lm_data_options *options, lm_status *st)
{
    lm_data *d = lm_calloc(1, sizeof *d);
    d->how = *options;
    d->tokenizer = (lm_tokenizer_info)LM_TOKENIZER_INFO_NONE;
    d->picks = lm_malloc(options->rows_per_step, sizeof *d->picks);
    bool end;
    if (options->shared) {
        d->spool = options->shared;
        d->name = lm_strdup("the rows");
        if (lm_spool_preamble(d->spool))
            same_tokenizer(d, lm_spool_preamble(d->spool), st);
    } else if (options->spool_file && access(options->spool_file, F_OK) == 0) {
        lm_status damage = LM_STATUS_INIT;
        d->spool = d->owned = lm_spool_reopen(options->spool_file, NULL, &damage);
        if (!d->spool)
            lm_fail(st, LM_FAILED, "%s: remove this file, and give the input again", damage.message);
        d->name = lm_strdup(options->spool_file);
        if (d->spool && lm_spool_preamble(d->spool))
            same_tokenizer(d, lm_spool_preamble(d->spool), st);
    } else {
        open_next(d, &end, st);
    }
    if (lm_ok(st))
        return d;
    lm_data_free(d);
    return NULL;
}

void lm_data_free(lm_data *d)
{
    if (!d)
        return;
    close_input(d);
    free_block(&d->now);
    free_block(&d->before);
    lm_order_free(d->order);
    lm_order_free(d->mixed_order);
    lm_subset_free(&d->subset);
    lm_spool_free(d->owned);
    json_decref(d->preamble);
    free(d->picks);
    free(d->written);
    free(d->name);
    free(d);
}

const lm_tokenizer_info *lm_data_tokenizer(const lm_data *d)
{
    return &d->tokenizer;
}

const lm_spool *lm_data_spool(const lm_data *d)
{
    return d->spool;
}

lm_spool *lm_data_take_spool(lm_data *d)
{
    lm_spool *spool = d->owned;
    d->spool = d->owned = NULL;
    return spool;
}

void lm_data_drop_file(lm_data *d)
{
    if (d->written)
        unlink(d->written);
}

uint64_t lm_data_steps(const lm_data *d)
{
    return d->steps;
}

uint64_t lm_data_digest(const lm_data *d)
{
    return d->digest;
}
