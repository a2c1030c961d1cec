#include "train/data/data.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "train/data/paired.h"
#include "train/data/subset.h"
#include "train/data/window.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

/* Numbers of rows tell apart what is drawn for them, such as masks: those of the sources of a mixture that is read as it
 * comes are this many bits apart, and those of rows that are mixed in lie beyond all of them. */
enum { SOURCE_BITS = 40 };
static const uint64_t MIXED_ROWS = (uint64_t)LM_MIX_SOURCES << SOURCE_BITS;
/* Member of a spool's preamble: name and rows of each source of a mixture. */
static const char SOURCES[] = "spool.sources";

/* One row of the step that is being put together. */
typedef struct pick {
    const lm_instances *from;
    uint64_t row, number, epoch; /* which of these; what its draws are keyed by */
    uint32_t length;
    int64_t place;
} pick;

struct lm_data {
    lm_data_options how;
    lm_stream_facts facts;
    lm_source *source;        /* of what is spooled, until it is */
    char *name;               /* of where rows come from, for messages */
    const lm_spool *spool;
    lm_spool *owned;          /* the spool, where it is this one's */
    lm_subset subset;         /* rows that are trained on; `rows` NULL = all */
    char *written;            /* file of the spool, where this run wrote it */
    lm_instances *instances;
    lm_order *order;          /* of the epoch that is laid out */
    uint64_t steps, rows;     /* of the first epoch */
    lm_mixture *mixture;      /* NULL = the inputs are one source */
    const lm_data *mixed;     /* rows of another stream */
    lm_order *mixed_order;
    double mixed_share;
    const lm_targets *mixed_targets;
    lm_window **windows; /* [window_count] streaming: one, or one for each source of the mixture */
    size_t window_count;
    uint64_t dealt, dealt_tokens; /* rows that have been taken of them */
    bool ended;
    uint64_t digest;
    lm_arena *room; /* of the example that is being added to a step */
    pick *picks;
    size_t pick_cap;
};

/* ------------------------------------------------------------------ spooled */

static lm_spool *new_spool(const lm_data *d, const char *file, lm_status *st)
{
    lm_spool_options options = {.memory = d->how.memory, .file = file, .keep = d->how.keep, .uniform = false};
    return lm_spool_new(&options, st);
}

/* The preamble that a spool keeps: the streams' own, and with a mixture how many rows are of each source. */
static json_t *spool_preamble(const lm_data *d, const uint64_t *rows)
{
    json_t *preamble = json_copy(d->facts.preamble);
    json_t *sources = d->how.weights ? json_array() : NULL;
    for (size_t i = 0; sources && i < d->how.inputs->count; i++)
        json_array_append_new(sources, json_pack("{s:s, s:I}", "name", d->how.inputs->items[i], "rows", (json_int_t)rows[i]));
    if (sources)
        json_object_set_new(preamble, SOURCES, sources);
    return preamble;
}

static bool fill_spool(lm_data *d, lm_spool *spool, lm_status *st)
{
    bool end = false;
    lm_record record;
    uint64_t rows = 0, *of = lm_calloc(d->how.inputs ? d->how.inputs->count + 1 : 1, sizeof *of);
    lm_progress_begin("reading", "rows", 0);
    while (lm_source_next(d->source, &record, &end, st) && !end && lm_spool_add(spool, &record, st)) {
        of[lm_source_input(d->source)] += (uint64_t)record.n;
        lm_progress_update(rows += (uint64_t)record.n, NULL);
    }
    lm_progress_end();
    json_t *preamble = spool_preamble(d, of);
    bool ok = lm_ok(st) && lm_spool_finish(spool, preamble, st);
    json_decref(preamble);
    free(of);
    return ok;
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
    return d->facts.preamble;
}

static uint64_t spool_row(const lm_data *d, uint64_t i)
{
    return d->subset.rows ? d->subset.rows[i] : i;
}

void lm_data_log(const lm_data *d)
{
    if (d->instances)
        lm_instances_log(d->instances);
    if (!d->instances || !d->mixture)
        return;
    const uint32_t *first = lm_instances_first(d->instances);
    size_t count = d->how.inputs->count;
    uint64_t *of = lm_malloc(count, sizeof *of);
    lm_mixture_counts(d->mixture, first[count], of);
    for (size_t i = 0; i < count; i++)
        lm_info("mix: %s is %.4g %% of the rows: an epoch reads its %u rows %.3g times", d->how.inputs->items[i],
                100 * (double)of[i] / first[count], first[i + 1] - first[i],
                (double)of[i] / (double)(first[i + 1] - first[i]));
    free(of);
}

/* Where each source's rows are in the spool, among those that are trained on: malloced; NULL: failed. */
static uint32_t *find_sources(const lm_data *d, lm_status *st)
{
    const lm_strings *inputs = d->how.inputs;
    json_t *sources = json_object_get(lm_spool_preamble(d->spool), SOURCES);
    uint32_t *first = lm_calloc(inputs->count + 1, sizeof *first);
    uint64_t end = 0, rows = d->subset.rows ? d->subset.count : lm_spool_rows(d->spool);
    bool same = json_array_size(sources) == inputs->count;
    for (size_t i = 0; i < inputs->count && same && lm_ok(st); i++) {
        const json_t *source = json_array_get(sources, i);
        const char *name = json_string_value(json_object_get(source, "name"));
        json_int_t had = json_integer_value(json_object_get(source, "rows"));
        same = name && strcmp(name, inputs->items[i]) == 0 && had >= 0 && (uint64_t)had <= lm_spool_rows(d->spool) - end;
        end += same ? (uint64_t)had : 0;
        first[i + 1] = first[i];
        while (first[i + 1] < rows && spool_row(d, first[i + 1]) < end)
            first[i + 1]++;
        if (same && first[i + 1] == first[i])
            lm_fail(st, LM_FAILED, "--mix: %s: no rows%s: leave it out", inputs->items[i],
                    had ? " among those that are chosen" : "");
    }
    if (!same || (lm_ok(st) && end != lm_spool_rows(d->spool)))
        lm_fail(st, LM_FAILED, "%s: its rows are not those of the files of --mix: remove this file, and give them again",
                d->name);
    if (lm_ok(st))
        return first;
    free(first);
    return NULL;
}

/* A mixture is shuffled already, source by source, unless rows of like length are to be put together. */
static void order_rows(lm_data *d)
{
    lm_order_free(d->order);
    lm_order_options how = {.rows_per_step = d->how.rows_per_step,
                            .tokens_per_step = d->how.tokens_per_step,
                            .shuffle = d->how.shuffle && (!d->mixture || d->how.by_length),
                            .by_length = d->how.by_length,
                            .lengths = d->mixture ? lm_mixture_lengths(d->mixture) : lm_instances_lengths(d->instances),
                            .seed = d->how.seed};
    d->order = lm_order_new((uint32_t)lm_instances_count(d->instances), &how);
}

static bool has_examples(const lm_data *d, const lm_instances_options *how, lm_status *st)
{
    const uint32_t *first = lm_instances_first(d->instances);
    for (size_t i = 0; d->how.weights && i < d->how.inputs->count; i++)
        if (first[i] == first[i + 1])
            return lm_fail(st, LM_FAILED, "--mix: %s: its rows make not one example: leave it out", d->how.inputs->items[i]);
    return lm_instances_count(d->instances) ||
           lm_fail(st, LM_FAILED, "%s: %" PRIu64 " tokens in all, which make not one example of %" PRIu32 ": lower --block-size",
                   d->name, lm_spool_tokens(d->spool), how->length);
}

static bool arrange_spool(lm_data *d, const lm_instances_options *how, lm_status *st)
{
    lm_spool_range rows = {.spool = d->spool,
                       .subset = d->subset.rows ? &d->subset : NULL,
                       .count = d->subset.rows ? d->subset.count : lm_spool_rows(d->spool)};
    bool pairs = how->kind == LM_INSTANCES_NEXT_SENTENCE || how->kind == LM_INSTANCES_SENTENCE_ORDER;
    size_t sources = d->how.weights ? d->how.inputs->count : 1;
    uint32_t *first = d->how.weights ? find_sources(d, st) : NULL;
    lm_instances *in = lm_ok(st) ? lm_instances_new(&rows, first, sources, how, st) : NULL;
    free(first);
    if (!in)
        return lm_fail_prefix(st, d->name);
    lm_instances_free(d->instances);
    d->instances = in;
    if (pairs && lm_instances_kind(in) == how->kind && d->subset.rows)
        return lm_fail(st, LM_USAGE, "--frac and --max-train-samples choose rows, and pairs of sentences are made of whole "
                       "documents: give fewer documents");
    return has_examples(d, how, st);
}

bool lm_data_arrange(lm_data *d, const lm_instances_options *how, lm_status *st)
{
    for (size_t i = 0; i < d->window_count; i++)
        lm_window_arrange(d->windows[i], how);
    if (d->how.streaming)
        return true;
    if (!arrange_spool(d, how, st))
        return false;
    if (d->how.weights) {
        lm_mixture_free(d->mixture);
        d->mixture = lm_mixture_new(d->how.weights, d->how.inputs->count);
        lm_mixture_take_rows(d->mixture, lm_instances_first(d->instances), lm_instances_lengths(d->instances), d->how.shuffle,
                             d->how.seed);
        lm_mixture_deal(d->mixture, 0);
    }
    order_rows(d);
    d->steps = lm_order_steps(d->order);
    d->rows = lm_instances_count(d->instances);
    return true;
}

const lm_instances *lm_data_instances(const lm_data *d)
{
    return d->instances;
}

bool lm_data_load(lm_data *d, lm_status *st)
{
    if (d->how.streaming)
        return true;
    if (!d->spool && !read_all(d, st))
        return false;
    lm_source_close(d->source);
    d->source = NULL;
    uint64_t rows = lm_spool_rows(d->spool);
    if (rows == 0)
        return lm_fail(st, LM_FAILED, "%s: no rows: there is nothing to train on", d->name);
    if (rows > UINT32_MAX - 1)
        return lm_fail(st, LM_FAILED,
                       "%" PRIu64 " rows, and at most %" PRIu32 " can be shuffled: train in one pass "
                       "(--epochs 1 --shuffle-window 100k)",
                       rows, UINT32_MAX - 1);
    if ((d->how.share > 0 || d->how.most) &&
        !lm_subset_choose(d->spool, d->how.share > 0 ? d->how.share : 1, d->how.most, &d->subset, st))
        return false;
    d->digest = lm_spool_digest(d->spool);
    return lm_data_arrange(d, &(lm_instances_options){.kind = LM_INSTANCES_ROWS}, st);
}

bool lm_data_check(const lm_data *d, const lm_targets *t, lm_status *st)
{
    uint64_t rows = d->spool ? lm_spool_rows(d->spool) : 0;
    lm_targets targets = *t;
    lm_objective part = *t->objective;
    if (rows && lm_instances_kind(d->instances) != LM_INSTANCES_ROWS) { /* a part has no length, label or spans of its own */
        part.row = LM_TARGET_NONE;
        targets.objective = &part;
        targets.max_length = 0;
        targets.spans.sentinel_count = INT32_MAX;
    }
    for (uint64_t i = 0; i < rows; i++) {
        lm_tokens_row row;
        lm_spool_row(d->spool, i, &row);
        if (!lm_targets_check(&targets, &row, i, st))
            return lm_fail_prefix(st, d->name);
    }
    return true;
}

/* ------------------------------------------------------------------ streaming */

/* A name that is wrong is seen before the files before it are read. */
static bool can_read(const lm_data *d, lm_status *st)
{
    const lm_strings *inputs = d->how.inputs;
    for (size_t i = 0; inputs && i < inputs->count; i++)
        if (strcmp(inputs->items[i], "-") != 0 && access(inputs->items[i], R_OK) != 0)
            return lm_fail_errno(st, LM_FAILED, "%s", inputs->items[i]);
    return true;
}

static bool open_windows(lm_data *d, lm_status *st)
{
    const lm_strings *inputs = d->how.inputs;
    const char *const *names = inputs ? inputs->items : NULL;
    size_t count = inputs ? inputs->count : 0, windows = d->how.weights ? count : 1;
    uint32_t rows = d->how.window > d->how.rows_per_step ? d->how.window : d->how.rows_per_step;
    d->windows = lm_calloc(windows, sizeof *d->windows);
    d->mixture = d->how.weights ? lm_mixture_new(d->how.weights, count) : NULL;
    for (d->window_count = 0; d->window_count < windows; d->window_count++) {
        size_t i = d->window_count;
        lm_source *source = lm_source_open(d->mixture ? names + i : names, d->mixture ? 1 : count, &d->facts, st);
        if (!source)
            return false;
        d->windows[i] = lm_window_new(source, &(lm_window_options){.rows = rows,
                                                                   .shuffle = d->how.shuffle && d->how.window > 1,
                                                                   .again = d->mixture != NULL,
                                                                   .memory = d->how.memory,
                                                                   .keep = d->how.keep,
                                                                   .seed = d->how.seed + i});
    }
    return true;
}

static void add_pick(lm_data *d, uint32_t *count, pick p)
{
    LM_GROW(d->picks, *count, d->pick_cap);
    p.length = lm_instances_lengths(p.from)[p.row];
    p.place = *count;
    d->picks[(*count)++] = p;
}

/* Whether step `step`, which has `count` rows, takes another one. */
static bool has_room(const lm_data *d, uint64_t step, uint32_t count)
{
    if (!d->how.tokens_per_step)
        return count < d->how.rows_per_step;
    return count == 0 || d->dealt_tokens < d->how.tokens_per_step * (step + 1);
}

/* The rows that fall to this step; it is the last one where a source that cannot be read again has come to its end. */
static bool pick_streaming(lm_data *d, uint64_t step, uint32_t *count, lm_status *st)
{
    *count = 0;
    for (size_t i = 0; i < d->window_count; i++)
        lm_window_forget(d->windows[i]);
    while (!d->ended && has_room(d, step, *count)) {
        size_t source = d->mixture ? lm_mixture_source(d->mixture, d->dealt) : 0;
        lm_window_row r;
        if (!lm_window_next(d->windows[source], &r, &d->ended, st))
            return false;
        if (d->ended)
            break;
        add_pick(d, count, (pick){.from = r.from, .row = r.row, .number = ((uint64_t)source << SOURCE_BITS) + r.number,
                                  .epoch = r.pass});
        d->dealt++;
        d->dealt_tokens += d->picks[*count - 1].length;
    }
    return true;
}

/* ------------------------------------------------------------------ steps */

uint64_t lm_data_rows(const lm_data *d)
{
    return d->rows;
}

const uint32_t *lm_data_lengths(const lm_data *d)
{
    return lm_instances_lengths(d->instances);
}

void lm_data_row(const lm_data *d, uint64_t i, lm_arena *room, lm_tokens_row *row)
{
    lm_instances_get(d->instances, i, room, row);
}

void lm_data_mix(lm_data *d, const lm_data *other, double share, const lm_targets *targets)
{
    uint32_t rows = (uint32_t)lm_data_rows(other);
    d->mixed = other;
    d->mixed_share = share;
    d->mixed_targets = targets;
    d->mixed_order =
        lm_order_new(rows, &(lm_order_options){.rows_per_step = rows, .shuffle = d->how.shuffle, .seed = d->how.seed + 1});
    uint64_t both[2] = {d->digest, lm_data_digest(other)};
    d->digest = XXH3_64bits(both, sizeof both);
}

static int longest_first(const void *a, const void *b)
{
    const pick *x = a, *y = b;
    if (x->length != y->length)
        return x->length > y->length ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* Which step of its epoch it is. */
static uint64_t step_of_epoch(const lm_data *d, uint64_t step)
{
    return step % d->steps % lm_order_steps(d->order);
}

static void pick_spooled(lm_data *d, uint64_t step, uint32_t *count)
{
    uint64_t epoch = step / d->steps;
    if (lm_instances_lay_out(d->instances, epoch))
        order_rows(d);
    if (d->mixture)
        lm_mixture_deal(d->mixture, epoch);
    uint32_t n;
    const uint32_t *rows = lm_order_step(d->order, epoch, step_of_epoch(d, step), &n);
    for (*count = 0; *count < n; rows++) {
        uint32_t at = d->mixture ? lm_mixture_row(d->mixture)[*rows] : *rows;
        uint64_t pass = d->mixture ? lm_mixture_pass(d->mixture)[*rows] : epoch;
        add_pick(d, count, (pick){.from = d->instances, .row = at, .number = lm_instances_number(d->instances, at), .epoch = pass});
    }
}

/* Adds the rows of the other stream that fall to this step of `count` own rows. */
static void pick_mixed(lm_data *d, uint64_t step, uint32_t *count)
{
    uint64_t before = d->how.streaming ? d->dealt - *count
                                       : step / d->steps * lm_data_rows(d) + lm_order_before(d->order, step_of_epoch(d, step));
    const lm_instances *other = d->mixed->instances;
    uint64_t rows = lm_data_rows(d->mixed);
    uint64_t first = (uint64_t)floor((double)before * d->mixed_share + 1e-9);
    uint64_t last = (uint64_t)floor((double)(before + *count) * d->mixed_share + 1e-9);
    for (uint64_t i = first; i < last; i++) {
        uint32_t all;
        uint64_t row = lm_order_step(d->mixed_order, i / rows, 0, &all)[i % rows];
        add_pick(d, count, (pick){.from = other, .row = row, .number = MIXED_ROWS + lm_instances_number(other, row),
                                  .epoch = i / rows});
    }
}

static bool is_mixed(const lm_data *d, const pick *p)
{
    return d->mixed && p->from == d->mixed->instances;
}

/* A row that has been read for this step. */
static bool check_read(const lm_data *d, const lm_targets *targets, const pick *p, const lm_tokens_row *row, lm_status *st)
{
    uint64_t source = p->number >> SOURCE_BITS;
    return lm_targets_check(targets, row, p->number - (source << SOURCE_BITS), st) ||
           lm_fail_prefix(st, lm_window_name(d->windows[source]));
}

bool lm_data_step(lm_data *d, uint64_t step, const lm_targets *targets, lm_step_rows *out, bool *end,
                  lm_status *st)
{
    uint32_t count;
    if (!d->how.streaming)
        pick_spooled(d, step, &count);
    else if (!pick_streaming(d, step, &count, st))
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
        return lm_fail(st, LM_FAILED, "a step of %" PRId64 " tokens: lower --batch-size or --batch-tokens", tokens);
    lm_step_rows_begin(out, targets, (int)count, tokens);
    for (uint32_t i = 0; i < count; i++) {
        const pick *p = &d->picks[i];
        lm_tokens_row row;
        lm_arena_reset(d->room);
        lm_instances_get(p->from, p->row, d->room, &row);
        if (d->how.streaming && !is_mixed(d, p) && !check_read(d, targets, p, &row, st))
            return false;
        if (!lm_step_rows_add(out, is_mixed(d, p) ? d->mixed_targets : targets, &row, p->epoch, p->number, p->place, st))
            return false;
    }
    return true;
}

uint64_t lm_data_picked(const lm_data *d, uint32_t j, bool *mixed)
{
    *mixed = is_mixed(d, &d->picks[j]);
    return d->picks[j].row;
}

/* ------------------------------------------------------------------ life */

static bool open_source(lm_data *d, lm_status *st)
{
    const lm_strings *inputs = d->how.inputs;
    d->source = lm_source_open(inputs ? inputs->items : NULL, inputs ? inputs->count : 0, &d->facts, st);
    d->name = d->source ? lm_strdup(lm_source_name(d->source)) : NULL;
    return d->source != NULL;
}

lm_data *lm_data_open(const lm_data_options *options, lm_status *st)
{
    lm_data *d = lm_calloc(1, sizeof *d);
    d->how = *options;
    d->facts = (lm_stream_facts)LM_STREAM_FACTS_NONE;
    d->room = lm_arena_new(0);
    if (options->shared) {
        d->spool = options->shared;
        d->name = lm_strdup("the rows");
        if (lm_spool_preamble(d->spool))
            lm_stream_facts_take(&d->facts, lm_spool_preamble(d->spool), d->name, st);
    } else if (options->spool_file && access(options->spool_file, F_OK) == 0) {
        lm_status damage = LM_STATUS_INIT;
        d->spool = d->owned = lm_spool_reopen(options->spool_file, NULL, &damage);
        if (!d->spool)
            lm_fail(st, LM_FAILED, "%s: remove this file, and give the input again", damage.message);
        d->name = lm_strdup(options->spool_file);
        if (d->spool && lm_spool_preamble(d->spool))
            lm_stream_facts_take(&d->facts, lm_spool_preamble(d->spool), d->name, st);
    } else if (can_read(d, st)) {
        options->streaming ? open_windows(d, st) : open_source(d, st);
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
    lm_source_close(d->source);
    for (size_t i = 0; i < d->window_count; i++)
        lm_window_free(d->windows[i]);
    free(d->windows);
    lm_mixture_free(d->mixture);
    lm_order_free(d->order);
    lm_order_free(d->mixed_order);
    lm_instances_free(d->instances);
    lm_arena_free(d->room);
    lm_subset_free(&d->subset);
    lm_spool_free(d->owned);
    lm_stream_facts_clear(&d->facts);
    free(d->picks);
    free(d->written);
    free(d->name);
    free(d);
}

const lm_tokenizer_info *lm_data_tokenizer(const lm_data *d)
{
    return &d->facts.tokenizer;
}

bool lm_data_take_logits(lm_data *d, const lm_data *other, lm_status *st)
{
    uint64_t both[2] = {d->digest, other->digest}, *places;
    if (!d->owned)
        return lm_fail(st, LM_USAGE, "several runs share the rows: let these bring the logits themselves");
    if (!lm_pair_rows((lm_named_rows){d->spool, d->name}, (lm_named_rows){other->spool, other->name}, &places, st)) {
        free(places);
        return false;
    }
    lm_spool_take_logits(d->owned, other->spool, places);
    d->digest = XXH3_64bits(both, sizeof both);
    return true;
}

const lm_spool *lm_data_spool(const lm_data *d)
{
    return d->spool;
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
    uint64_t digest = d->digest;
    for (size_t i = 0; i < d->window_count; i++) {
        uint64_t both[2] = {digest, lm_window_digest(d->windows[i])};
        digest = XXH3_64bits(both, sizeof both);
    }
    return digest;
}
