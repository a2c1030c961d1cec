/* --memory: how a step is cut so that a run stays within a limit. */
#include "train/plan.h"

#include "base/log.h"
#include "base/memory.h"
#include "train/freezing/frozen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tokens of a forward pass where nobody asks for another number: enough for the matrix products to run at
 * full speed, few enough that activations stay small. */
enum { DEFAULT_MICRO_TOKENS = 2048, PROBE_ROWS = 4096 };

void lm_run_note_memory(lm_run *r)
{
    int64_t now = lm_anonymous_memory();
    r->memory.seen = now > r->memory.seen ? now : r->memory.seen;
}

/* ------------------------------------------------------------------ rows */

static int64_t all_of(lm_row_size s)
{
    return (int64_t)s.tokens + s.target;
}

static int longest_first(const void *a, const void *b)
{
    int64_t x = all_of(*(const lm_row_size *)a), y = all_of(*(const lm_row_size *)b);
    return (x < y) - (x > y);
}

lm_row_size *lm_run_row_sizes(const lm_run *r, uint64_t *n)
{
    const lm_spool *spool = lm_data_spool(r->data);
    bool second = r->objective->tokens == LM_TOKENS_TARGETS;
    *n = spool ? lm_data_rows(r->data) : PROBE_ROWS;
    lm_row_size *sizes = lm_malloc(*n, sizeof *sizes);
    uint32_t usual = r->examples.kind != LM_INSTANCES_ROWS ? r->examples.length
                     : r->targets.max_length            ? (uint32_t)r->targets.max_length
                                                        : 512;
    lm_arena *room = lm_arena_new(0);
    for (uint64_t i = 0; i < *n; i++) {
        lm_tokens_row row = {.len = spool ? lm_data_lengths(r->data)[i] : usual, .target_len = usual};
        if (spool && second)
            lm_data_row(r->data, i, room, &row);
        lm_targets_lengths(&r->targets, &row, &sizes[i].tokens, &sizes[i].target);
        lm_arena_reset(room);
    }
    lm_arena_free(room);
    if (spool)
        qsort(sizes, *n, sizeof *sizes, longest_first);
    return sizes;
}

uint32_t lm_run_rows_of(const lm_run *r, const lm_row_size *sizes, uint64_t n, int64_t tokens)
{
    int64_t sum = 0;
    uint32_t rows = 0;
    while (rows < n && rows < lm_train_batch_rows(r->o) && (rows == 0 || sum + all_of(sizes[rows]) <= tokens))
        sum += all_of(sizes[rows++]);
    return rows;
}

/* ------------------------------------------------------------------ measuring */

/* That of the model which reads along: a reference, or a teacher. NULL: none does. */
static lm_graph *second_graph(const lm_run *r)
{
    return r->preferring ? lm_preferring_graph(r->preferring) : r->teaching ? lm_teaching_graph(r->teaching) : NULL;
}

static void forget_graphs(lm_run *r)
{
    lm_graph *second = second_graph(r);
    lm_graph_forget(r->graph);
    if (second)
        lm_graph_forget(second);
}

static int64_t graph_bytes(const lm_run *r)
{
    const lm_graph *second = second_graph(r);
    return (int64_t)(lm_graph_bytes(r->graph) + (second ? lm_graph_bytes(second) : 0));
}

/* Puts made-up rows of these lengths into r->rows. */
static bool make_up_rows(lm_run *r, const lm_row_size *sizes, uint32_t rows, lm_status *st)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < rows; i++) {
        most = sizes[i].tokens > most ? sizes[i].tokens : most;
        most = sizes[i].target > most ? sizes[i].target : most;
    }
    int32_t *ids = lm_malloc(most + 1, sizeof *ids);
    int32_t *other = lm_calloc(most + 1, sizeof *other); /* two answers that are the same teach nothing */
    size_t columns = (size_t)(r->targets.class_of ? r->targets.stream_classes : r->targets.classes);
    uint8_t *classes = lm_calloc(columns + 1, 1), *all = lm_malloc(most + 1, 1);
    int32_t *tags = lm_calloc(most + 1, sizeof *tags);
    float *zeros = lm_calloc(most + 1, sizeof *zeros);
    static const int32_t answer[2] = {0, 0};
    memset(all, 1, most + 1);
    for (uint32_t i = 0; i <= most; i++)
        ids[i] = r->targets.vocab_size - 1;
    lm_step_rows_begin(&r->rows, &r->targets, (int)rows, most);
    for (uint32_t i = 0; i < rows && lm_ok(st); i++) {
        uint32_t half = (sizes[i].tokens + 1) / 2;
        lm_tokens_row row = {.ids = ids,
                             .len = sizes[i].tokens,
                             .chosen = {.ids = ids, .len = half, .loss_mask = all, .logprobs = zeros},
                             .rejected = {.ids = other, .len = sizes[i].tokens - half, .loss_mask = all, .logprobs = zeros},
                             .has_desirable = true,
                             .has_label_id = true,
                             .multi_label = classes,
                             .classes = columns,
                             .tags = tags,
                             .loss_mask = all,
                             .answer = answer,
                             .target_ids = ids,
                             .target_len = sizes[i].target};
        lm_step_rows_add(&r->rows, &r->targets, &row, 0, i, i, st);
    }
    free(ids);
    free(other);
    free(classes);
    free(all);
    free(tags);
    free(zeros);
    return lm_ok(st);
}

bool lm_run_probe(lm_run *r, const lm_row_size *sizes, uint32_t rows, lm_status *st)
{
    double loss;
    bool ok = make_up_rows(r, sizes, rows, st) && lm_run_gradients(r, &loss, st);
    lm_run_note_memory(r);
    lm_optimizer_zero_gradients(r->optimizer);
    return ok;
}

/* What the run will take beside what is there by now. */
static int64_t later_bytes(const lm_run *r)
{
    int64_t best = r->o->keep_best ? (int64_t)lm_run_trained(r, true, NULL) * (int64_t)sizeof(float) : 0;
    int64_t cache = r->frozen ? (int64_t)lm_frozen_bytes(r->frozen, r, true) : 0;
    return best + cache + (int64_t)lm_optimizer_growth(r->optimizer) + lm_run_quantised_bytes(r);
}

static int64_t spared_bytes(const lm_run *r)
{
    size_t now = lm_optimizer_bytes(r->optimizer);
    size_t codes = lm_optimizer_bytes_as(r->optimizer, LM_OPTIMIZER_ADAMW, LM_STATE_8BIT);
    return now > codes ? (int64_t)(now - codes) : 0;
}

static void take_stock(lm_run *r)
{
    lm_memory *m = &r->memory;
    *m = (lm_memory){.seen = m->seen, .before = m->before};
    for (size_t i = 0; i < lm_params_count(r->model->params); i++) {
        const lm_param *p = lm_params_at(r->model->params, i);
        m->weights += p->fake_value ? (int64_t)(p->elements * sizeof *p->fake_value) : 0;
        m->weights += p->owned ? (int64_t)(p->elements * sizeof *p->value) : 0;
        m->gradients += p->grad ? (int64_t)(p->elements * sizeof *p->grad) : 0;
    }
    m->states = (int64_t)lm_optimizer_bytes(r->optimizer);
    m->activations = graph_bytes(r);
    m->later = later_bytes(r);
    m->total = m->seen + m->later;
    m->spared = spared_bytes(r);
    m->other = m->seen - m->weights - m->gradients - m->states - m->activations;
}

bool lm_run_measure_memory(lm_run *r, const lm_row_size *sizes, uint64_t n, lm_status *st)
{
    r->memory.seen = 0; /* and what the graph has grown to is given back: the micro-batches may have become smaller */
    forget_graphs(r);
    uint32_t rows = lm_run_rows_of(r, sizes, n, r->micro_tokens);
    bool ok = lm_run_probe(r, sizes, rows, st); /* the graph finds out what it needs, and has it from the second time on */
    ok = ok && lm_run_probe(r, sizes, rows, st) && lm_optimizer_update(r->optimizer, 0, 1, st);
    lm_run_note_memory(r);
    ok = ok && lm_run_probe_evaluation(r, st);
    take_stock(r);
    return ok && lm_run_make_optimizer(r, st);
}

/* ------------------------------------------------------------------ choosing */

static void in_mib(char text[24], int64_t bytes)
{
    snprintf(text, 24, "%" PRId64 "M", (bytes + (1 << 20) - 1) >> 20);
}

/* What micro-batches of one row take: bytes for each token, and beside them. */
typedef struct slope {
    double each, base;
} slope;

/* Two rows that are shorter than the longest are enough to see it. */
static bool measure_slope(lm_run *r, lm_row_size longest, slope *s, lm_status *st)
{
    double bytes[2], tokens[2];
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t part = i ? 2 : 4;
        lm_row_size one = {longest.tokens / part + 1, longest.target ? longest.target / part + 1 : 0};
        forget_graphs(r);
        r->micro_tokens = all_of(one);
        if (!lm_run_probe(r, &one, 1, st))
            return false;
        bytes[i] = (double)graph_bytes(r);
        tokens[i] = (double)all_of(one);
    }
    s->each = tokens[1] > tokens[0] ? (bytes[1] - bytes[0]) / (tokens[1] - tokens[0]) : bytes[1];
    s->base = bytes[1] - s->each * tokens[1];
    return true;
}

static bool refuse(const lm_run *r, const char *what, int64_t bytes, int64_t shorter, lm_status *st)
{
    char has[24], needs[24], less[24], cut[80] = "", codes[100] = "";
    int64_t spared = r->optimizer ? spared_bytes(r) : 0;
    in_mib(has, r->o->memory);
    in_mib(needs, bytes);
    in_mib(less, bytes - spared);
    if (shorter > 0)
        snprintf(cut, sizeof cut, "cut them to %" PRId64 " tokens (tok --max-length), ", shorter);
    if (spared > 0)
        snprintf(codes, sizeof codes, "give --optimizer adamw_8bit, with which it is %s, ", less);
    return lm_fail(st, LM_FAILED, "--memory %s: %s the run to %s: allow that much, %s%sfreeze more, or take a smaller model",
                   has, what, needs, cut, codes);
}

bool lm_run_check_least(const lm_run *r, lm_status *st)
{
    int64_t least = lm_anonymous_memory();
    for (size_t i = 0; i < r->freezing->count && r->o->memory > 0; i++) {
        const lm_param *p = lm_params_at(r->model->params, i);
        bool trained = lm_freezing_trains(r->freezing, i, r->freezing->stages - 1), dense = trained && !p->by_rows;
        least += (int64_t)(p->elements * sizeof(float)) * ((trained && !p->owned) + dense);
    }
    return r->o->memory == 0 || least <= r->o->memory || refuse(r, "weights and gradients take", least, 0, st);
}

/* Without micro-batches of more than the longest row nothing has to be run again; where that does not fit either, it has. */
static bool choose(lm_run *r, const lm_row_size *sizes, lm_status *st)
{
    int64_t limit = r->o->memory, longest = all_of(sizes[0]), most = r->micro_tokens;
    int64_t fixed = r->memory.before + (int64_t)lm_optimizer_bytes(r->optimizer) + later_bytes(r);
    if (fixed > limit)
        return refuse(r, "weights, gradients and the optimiser's states take", fixed, 0, st);
    lm_optimizer_zero_gradients(r->optimizer);
    if (!lm_optimizer_update(r->optimizer, 0, 1, st)) /* from now on the states are there */
        return false;
    for (;;) {
        slope s;
        if (!measure_slope(r, sizes[0], &s, st))
            return false;
        fixed = lm_anonymous_memory() - graph_bytes(r) + later_bytes(r);
        double room = (double)(limit - fixed) - s.base, fits = s.each > 0 ? room / s.each : (double)most;
        if (fits < (double)longest && r->recompute) {
            char what[120];
            snprintf(what, sizeof what, "the longest row alone (%" PRId64 " tokens), with blocks run again, takes", longest);
            return refuse(r, what, fixed + (int64_t)(s.base + s.each * (double)longest),
                          fits >= 1 ? (int64_t)fits * sizes[0].tokens / longest : 0, st);
        }
        if (fits >= (double)longest) {
            r->micro_tokens = fits < (double)most ? (int64_t)fits : most;
            return true;
        }
        r->recompute = true;
    }
}

/* Measures what was chosen, and takes smaller micro-batches where it is a little too much. */
static bool settle(lm_run *r, const lm_row_size *sizes, uint64_t n, lm_status *st)
{
    int64_t limit = r->o->memory, longest = all_of(sizes[0]);
    while (lm_run_measure_memory(r, sizes, n, st) && r->memory.total > limit) {
        double each = (double)r->memory.activations / (double)r->micro_tokens;
        int64_t over = (int64_t)((double)(r->memory.total - limit) / each) + 1;
        if (r->micro_tokens == longest && r->recompute)
            return refuse(r, "micro-batches of the longest row take", r->memory.total, 0, st);
        r->recompute |= r->micro_tokens == longest;
        r->micro_tokens = r->micro_tokens - over > longest ? r->micro_tokens - over : longest;
    }
    return lm_ok(st);
}

static void say_plan(const lm_run *r)
{
    const lm_memory *m = &r->memory;
    char total[24], limit[24], weights[24], gradients[24], states[24], activations[24];
    in_mib(total, m->total);
    in_mib(limit, r->o->memory);
    in_mib(weights, m->weights);
    in_mib(gradients, m->gradients);
    in_mib(states, m->states);
    in_mib(activations, m->activations);
    lm_info("memory: %s of %s: weights %s, gradients %s, the optimiser's states %s, activations %s in micro-batches of %" PRId64
            " tokens%s", total, limit, weights, gradients, states, activations, r->micro_tokens,
            r->recompute ? ", blocks run again in the backward pass" : "");
}

bool lm_run_plan_memory(lm_run *r, lm_status *st)
{
    r->recompute |= r->o->recompute;
    if (r->micro_tokens) /* of the run that is resumed */
        return true;
    r->micro_tokens = r->o->micro_tokens ? r->o->micro_tokens : DEFAULT_MICRO_TOKENS;
    if (!r->o->memory)
        return true;
    uint64_t n;
    lm_row_size *sizes = lm_run_row_sizes(r, &n);
    bool ok = choose(r, sizes, st) && settle(r, sizes, n, st);
    free(sizes);
    if (ok)
        say_plan(r);
    return ok;
}
