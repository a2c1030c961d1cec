#include "train/freezing/frozen.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_MEMORY = 256 << 20 };

/* Rows one after the other, and what is kept for them. */
typedef struct source {
    const char *name;
    void (*row)(const lm_run *r, uint64_t i, lm_tokens_row *row);
    uint64_t total;
    uint32_t *lengths; /* [total] */
    lm_prefix_cache *cache;
    int kept; /* parts that the cache is of */
} source;

struct lm_frozen {
    int *parts; /* [stages] whose outputs are kept in a stage; 0 = none */
    bool first_tokens; /* the head looks at nothing else */
    size_t width;      /* of a vector */
    source train; /* the rows that are trained on, then those that are mixed in */
    uint64_t own; /* of them those that are trained on */
    source eval;  /* of --eval */
    /* what lm_frozen_take has taken */
    float *values;
    size_t room;
    lm_batch batch;   /* of one token a row */
    int32_t *splits;  /* [rows+1] its */
    int split_cap;
    int taken, tokens; /* parts, and their rows in values */
    double seconds;    /* that went into computing them */
};

/* ------------------------------------------------------------------ what can be kept */

/* The parts that nothing trains in a stage. */
static int parts_of_stage(lm_run *r, int stage, lm_status *st)
{
    lm_params *params = r->model->params;
    for (size_t i = 0; i < r->freezing->count; i++)
        lm_params_at(params, i)->trainable = lm_freezing_trains(r->freezing, i, stage);
    int parts = lm_model_frozen_parts(r->model, r->graph, st);
    for (size_t i = 0; i < r->freezing->count; i++)
        lm_params_at(params, i)->trainable = lm_param_learns(lm_params_at(params, i));
    return parts > 1 ? parts : 0; /* the embedding alone is had faster than kept */
}

/* Whether outputs that are kept for one stage are read again. */
static bool lasts(const lm_run *r, int stage)
{
    return stage + 1 == r->freezing->stages ||
           lm_freezing_steps(r->freezing, r->steps_per_epoch) > r->steps_per_epoch;
}

static bool find_parts(lm_frozen *f, lm_run *r, lm_status *st)
{
    int stages = r->freezing->stages, most = 0;
    f->parts = lm_malloc((size_t)stages, sizeof *f->parts);
    for (int s = stages - 1; s >= 0 && lm_ok(st); s--) {
        f->parts[s] = lasts(r, s) ? parts_of_stage(r, s, st) : f->parts[stages - 1];
        most = f->parts[s] > most ? f->parts[s] : most;
    }
    if (lm_ok(st) && most == 0)
        return lm_fail(st, LM_USAGE,
                       "--cache-frozen: no block stays frozen for longer than an epoch with all that is below it: "
                       "freeze the embeddings and the lower blocks (--freeze embeddings,layer.0-5), or leave it out");
    return lm_ok(st);
}

/* Whether rows of the stream are packed of several texts. */
static bool is_packed(const lm_data *d)
{
    lm_tokens_row row = {0};
    for (uint64_t i = 0; i < lm_data_rows(d) && row.seq_count <= 1; i++)
        lm_data_row(d, i, NULL, &row);
    return row.seq_count > 1;
}

static bool fits_the_run(const lm_run *r, lm_status *st)
{
    if (!lm_data_spool(r->data))
        return lm_fail(st, LM_USAGE,
                       "--cache-frozen: a single pass over a pipe reads nothing twice: leave it out");
    if (r->objective->noise != LM_NOISE_NONE)
        return lm_fail(st, LM_USAGE,
                       "--cache-frozen: other tokens are hidden in every epoch, so that nothing stays the same: "
                       "leave it out");
    if (lm_instances_kind(lm_data_instances(r->data)) != LM_INSTANCES_ROWS || is_packed(r->data))
        return lm_fail(st, LM_USAGE,
                       "--cache-frozen: keeps what comes of the rows as they stand, and here several texts make one: leave it out");
    if (r->total_steps < r->steps_per_epoch)
        lm_warn("--cache-frozen: the run is shorter than an epoch: it costs more than it spares");
    return true;
}

static void train_row(const lm_run *r, uint64_t i, lm_tokens_row *row)
{
    uint64_t own = lm_data_rows(r->data);
    if (i < own)
        lm_data_row(r->data, i, NULL, row);
    else
        lm_data_row(r->replay, i - own, NULL, row);
}

static void eval_row(const lm_run *r, uint64_t i, lm_tokens_row *row)
{
    lm_data_row(r->eval, i, NULL, row);
}

static void find_rows(lm_frozen *f, const lm_run *r)
{
    const lm_data *mixed = r->replay;
    source *t = &f->train, *e = &f->eval;
    f->own = lm_data_rows(r->data);
    *t = (source){.name = "rows", .row = train_row, .total = f->own + (mixed ? lm_data_rows(mixed) : 0)};
    t->lengths = lm_malloc(t->total + 1, sizeof *t->lengths);
    memcpy(t->lengths, lm_data_lengths(r->data), f->own * sizeof *t->lengths);
    if (mixed)
        memcpy(t->lengths + f->own, lm_data_lengths(mixed), lm_data_rows(mixed) * sizeof *t->lengths);
    *e = (source){.name = "rows of the evaluation", .row = eval_row, .total = r->eval ? lm_data_rows(r->eval) : 0};
    e->lengths = lm_malloc(e->total + 1, sizeof *e->lengths);
    if (e->total)
        memcpy(e->lengths, lm_data_lengths(r->eval), e->total * sizeof *e->lengths);
}

lm_frozen *lm_frozen_new(lm_run *r, lm_status *st)
{
    if (!r->o->freeze || !r->o->freeze->cache)
        return NULL;
    lm_frozen *f = lm_calloc(1, sizeof *f);
    f->width = (size_t)r->model->arch.width;
    if (fits_the_run(r, st) && find_parts(f, r, st)) {
        f->first_tokens = r->objective->tokens == LM_TOKENS_NONE && r->objective->row != LM_TARGET_SPAN &&
                          lm_model_reads_first_tokens(r->model, r->graph, st);
        find_rows(f, r);
    }
    if (lm_ok(st))
        return f;
    lm_frozen_free(f);
    return NULL;
}

void lm_frozen_free(lm_frozen *f)
{
    if (!f)
        return;
    lm_prefix_cache_free(f->train.cache);
    lm_prefix_cache_free(f->eval.cache);
    free(f->parts);
    free(f->train.lengths);
    free(f->eval.lengths);
    free(f->values);
    free(f->splits);
    free(f);
}

int lm_frozen_parts(const lm_frozen *f, int stage)
{
    return f->parts[stage];
}

double lm_frozen_seconds(const lm_frozen *f)
{
    return f->seconds;
}

/* Whether one vector a row is all that is needed of so many parts. */
static bool compact(const lm_frozen *f, const lm_run *r, int parts)
{
    return f->first_tokens && parts == lm_model_parts(r->model);
}

static size_t budget(const lm_run *r)
{
    return r->o->memory > 0 ? (size_t)r->o->memory / 4 : DEFAULT_MEMORY;
}

static uint64_t bytes_of(const lm_frozen *f, const lm_run *r, const source *rows, int parts)
{
    uint64_t vectors = parts ? rows->total : 0;
    for (uint64_t i = 0; i < rows->total && parts && !compact(f, r, parts); i++)
        vectors += rows->lengths[i] - UINT64_C(1);
    return vectors * (uint64_t)r->model->arch.width * sizeof(float);
}

/* What is left of the budget for the rows of the evaluation, beside those that are trained on. */
static uint64_t rest_of_budget(const lm_frozen *f, const lm_run *r, int parts)
{
    uint64_t train = bytes_of(f, r, &f->train, parts);
    return budget(r) - (train <= budget(r) ? train : 0);
}

uint64_t lm_frozen_bytes(const lm_frozen *f, const lm_run *r, bool in_memory)
{
    uint64_t most = 0;
    for (int s = 0; s < r->freezing->stages; s++) {
        int parts = f->parts[s];
        uint64_t train = bytes_of(f, r, &f->train, parts), eval = bytes_of(f, r, &f->eval, parts);
        train = in_memory && train > budget(r) ? 0 : train;
        eval = in_memory && eval > rest_of_budget(f, r, parts) ? 0 : eval;
        most = train + eval > most ? train + eval : most;
    }
    return most;
}

/* ------------------------------------------------------------------ computing */

static void make_room(lm_frozen *f, const lm_run *r, int tokens)
{
    size_t floats = (size_t)tokens * (size_t)r->model->arch.width;
    if (floats > f->room) {
        f->room = floats;
        f->values = lm_realloc(f->values, floats, sizeof *f->values);
    }
    f->tokens = tokens;
}

/* The outputs of the first `parts` for the rows of r->micro, into f->values. */
static bool compute(lm_frozen *f, lm_run *r, int parts, lm_status *st)
{
    const lm_batch *batch = &r->micro.batch;
    size_t width = (size_t)r->model->arch.width;
    lm_graph_begin(r->graph, batch, (lm_step){0});
    lm_tensor *x = lm_model_prefix(r->model, r->graph, batch, parts);
    const float *values = lm_tensor_read(r->graph, x);
    if (!lm_graph_end(r->graph, st))
        return false;
    if (!compact(f, r, parts)) {
        make_room(f, r, batch->tokens);
        if (batch->tokens)
            memcpy(f->values, values, (size_t)batch->tokens * width * sizeof *values);
        return true;
    }
    make_room(f, r, batch->rows);
    for (int i = 0; i < batch->rows; i++) {
        float *to = f->values + (size_t)i * width;
        if (batch->row_splits[i] < batch->row_splits[i + 1])
            memcpy(to, values + (size_t)batch->row_splits[i] * width, width * sizeof *to);
        else
            memset(to, 0, width * sizeof *to); /* what lm_first_token gives for an empty row */
    }
    return true;
}

bool lm_frozen_due(const lm_frozen *f, int stage)
{
    return f->parts[stage] != f->train.kept;
}

/* Rows from `first` on into r->rows and r->micro, as many as one pass of a step takes (its memory is planned for);
 * returns where they end. */
static uint64_t next_rows(const source *from, lm_run *r, uint64_t first, lm_status *st)
{
    static const lm_objective no_loss = {.tokens = LM_TOKENS_NONE, .row = LM_TARGET_NONE};
    lm_targets targets = r->targets;
    targets.objective = &no_loss;
    uint64_t last = first;
    uint64_t rows = (uint64_t)r->o->batch_size;
    lm_step_rows_begin(&r->rows, &targets, (int)rows, 0);
    while (last < from->total && last - first < rows &&
           (last == first || r->rows.tokens + (int64_t)from->lengths[last] <= r->micro_tokens)) {
        lm_tokens_row row;
        from->row(r, last, &row);
        if (!lm_step_rows_add(&r->rows, &targets, &row, 0, last, (int64_t)(last - first), st))
            return last;
        last++;
    }
    lm_micro_batch_cut(&r->micro, &r->rows, &targets, 0, INT64_MAX, INT_MAX);
    return last;
}

/* Runs so many parts over all rows of a source, and keeps the outputs, in `memory` bytes or a file. */
static bool fill(lm_frozen *f, lm_run *r, source *from, int parts, size_t memory, lm_status *st)
{
    double begun = lm_now();
    lm_prefix_cache_free(from->cache);
    from->cache = NULL;
    from->kept = 0;
    if (!parts)
        return true; /* everything is trained now */
    from->cache =
        lm_prefix_cache_new(from->total, compact(f, r, parts) ? NULL : from->lengths, r->model->arch.width, memory, st);
    lm_progress_begin("running what is frozen", from->name, from->total);
    for (uint64_t first = 0, last; from->cache && first < from->total && lm_signal_check(st); first = last) {
        last = next_rows(from, r, first, st);
        if (!lm_ok(st) || !compute(f, r, parts, st) ||
            !lm_prefix_cache_add(from->cache, last - first, f->values, st))
            break;
        lm_progress_update(last, NULL);
    }
    lm_progress_end();
    if (!lm_ok(st) || !lm_prefix_cache_finish(from->cache, st))
        return false;
    from->kept = parts;
    int blocks = parts - 1 < r->model->arch.layers ? parts - 1 : r->model->arch.layers;
    lm_info("the embeddings and %d blocks have run once over %" PRIu64 " %s in %.1f s, without dropout: %.1f MiB "
            "are kept in %s",
            blocks, from->total, from->name, lm_now() - begun, (double)lm_prefix_cache_bytes(from->cache) / (1 << 20),
            lm_prefix_cache_in_memory(from->cache) ? "memory" : "a file");
    return true;
}

bool lm_frozen_fill(lm_frozen *f, lm_run *r, lm_status *st)
{
    return fill(f, r, &f->train, f->parts[r->stage], budget(r), st);
}

/* ------------------------------------------------------------------ evaluations */

static void take_eval(void *context, uint64_t first, int n, float *to)
{
    const lm_frozen *f = context;
    const source *from = &f->eval;
    for (int i = 0; i < n; i++) {
        uint32_t count;
        const float *vectors = lm_prefix_cache_row(from->cache, first + (uint64_t)i, &count);
        if (count)
            memcpy(to, vectors, count * f->width * sizeof *to);
        to += count * f->width;
    }
}

bool lm_frozen_evaluate(lm_frozen *f, lm_run *r, lm_evaluator *e, lm_status *st)
{
    int parts = f->parts[r->stage];
    if (f->eval.kept != parts && !fill(f, r, &f->eval, parts, rest_of_budget(f, r, parts), st))
        return false;
    if (parts)
        lm_evaluator_begin_behind(
            e, &(lm_evaluate_prefix){.parts = parts, .first_tokens = compact(f, r, parts), .take = take_eval, .context = f});
    return true;
}

/* ------------------------------------------------------------------ taking */

static void gather(lm_frozen *f, const lm_run *r)
{
    const lm_micro_batch *m = &r->micro;
    size_t width = (size_t)r->model->arch.width, at = 0;
    make_room(f, r, compact(f, r, f->train.kept) ? m->batch.rows : m->batch.tokens);
    for (int i = 0; i < m->batch.rows; i++) {
        bool mixed;
        uint64_t row = lm_data_picked(r->data, (uint32_t)(m->first + i), &mixed);
        uint32_t vectors;
        const float *from = lm_prefix_cache_row(f->train.cache, row + (mixed ? f->own : 0), &vectors);
        if (vectors)
            memcpy(f->values + at, from, vectors * width * sizeof *from);
        at += vectors * width;
    }
}

/* The rows of r->micro with one token each: nothing else of them is looked at. */
static const lm_batch *one_token_a_row(lm_frozen *f, const lm_batch *batch)
{
    if (batch->rows + 1 > f->split_cap) {
        f->split_cap = batch->rows + 1;
        f->splits = lm_realloc(f->splits, (size_t)f->split_cap, sizeof *f->splits);
        for (int i = 0; i < f->split_cap; i++)
            f->splits[i] = i;
    }
    f->batch = (lm_batch){.rows = batch->rows, .tokens = batch->rows, .row_splits = f->splits};
    return &f->batch;
}

const lm_batch *lm_frozen_take(lm_frozen *f, lm_run *r, lm_status *st)
{
    f->taken = f->parts[r->stage];
    if (!f->taken)
        return &r->micro.batch;
    double begun = lm_now();
    if (f->train.kept == f->taken)
        gather(f, r);
    else if (!compute(f, r, f->taken, st))
        return NULL;
    else
        f->seconds += lm_now() - begun;
    return compact(f, r, f->taken) ? one_token_a_row(f, &r->micro.batch) : &r->micro.batch;
}

void lm_frozen_give(const lm_frozen *f, const lm_run *r, lm_select *select)
{
    if (!f->taken)
        return;
    select->prefix = lm_graph_input(r->graph, f->values, f->tokens, r->model->arch.width, false);
    select->prefix_parts = f->taken;
}
