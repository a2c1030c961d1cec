/* What a run takes: measured on rows of the real lengths before work starts. */
#include "train/frozen.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "base/threads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Tokens of a forward pass where nobody asks for another number: enough for the matrix products to run at
 * full speed, few enough that activations stay small. */
enum { DEFAULT_MICRO_TOKENS = 2048, PROBE_ROWS = 4096 };

int64_t lm_run_memory(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    long long kib = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "RssAnon: %lld kB", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return (int64_t)kib * 1024;
}

/* A row's tokens, and those that a second stack reads for it. */
typedef struct row_size {
    uint32_t tokens, target;
} row_size;

static int64_t all_of(row_size s)
{
    return (int64_t)s.tokens + s.target;
}

static int longest_first(const void *a, const void *b)
{
    int64_t x = all_of(*(const row_size *)a), y = all_of(*(const row_size *)b);
    return (x < y) - (x > y);
}

/* The lengths of all rows, longest first; of a pipe, rows as long as the model takes. */
static row_size *sorted_lengths(const lm_run *r, uint64_t *n)
{
    const lm_spool *spool = lm_data_spool(r->data);
    bool second = r->objective->tokens == LM_TOKENS_TARGETS;
    *n = spool ? lm_data_rows(r->data) : PROBE_ROWS;
    row_size *sizes = lm_malloc(*n, sizeof *sizes);
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

/* One micro-batch, forward and backward, over made-up rows of these lengths; the gradients are dropped. */
static bool probe(lm_run *r, const row_size *sizes, uint32_t rows, lm_status *st)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < rows; i++) {
        most = sizes[i].tokens > most ? sizes[i].tokens : most;
        most = sizes[i].target > most ? sizes[i].target : most;
    }
    int32_t *ids = lm_malloc(most + 1, sizeof *ids);
    size_t columns = (size_t)(r->targets.class_of ? r->targets.stream_classes : r->targets.classes);
    uint8_t *classes = lm_calloc(columns + 1, 1), *all = lm_malloc(most + 1, 1);
    int32_t *tags = lm_calloc(most + 1, sizeof *tags);
    static const int32_t answer[2] = {0, 0};
    memset(all, 1, most + 1);
    for (uint32_t i = 0; i <= most; i++)
        ids[i] = r->targets.vocab_size - 1;
    lm_step_rows_begin(&r->rows, &r->targets, (int)rows, most);
    for (uint32_t i = 0; i < rows && lm_ok(st); i++) {
        lm_tokens_row row = {.ids = ids,
                             .len = sizes[i].tokens,
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
    double loss;
    bool ok = lm_ok(st) && lm_run_gradients(r, &loss, st);
    /* now, with all activations in place; but rows that have not been touched yet take none */
    int64_t memory = lm_run_memory() + (int64_t)lm_optimizer_growth(r->optimizer);
    r->probed_memory = memory > r->probed_memory ? memory : r->probed_memory;
    lm_optimizer_zero_gradients(r->optimizer);
    free(ids);
    free(classes);
    free(all);
    free(tags);
    return ok;
}

/* How many of the longest rows a micro-batch of so many tokens may hold. */
static uint32_t rows_of(const lm_run *r, const row_size *sizes, uint64_t n, int64_t tokens)
{
    int64_t sum = 0;
    uint32_t rows = 0;
    while (rows < n && rows < r->o->batch_size && (rows == 0 || sum + all_of(sizes[rows]) <= tokens))
        sum += all_of(sizes[rows++]);
    return rows;
}

static char *in_mib(int64_t bytes)
{
    return lm_format("%.0fM", (double)bytes / (1 << 20) + 0.5);
}

/* Measures one and two of the longest rows, and extrapolates to what fits. */
static bool fit_memory(lm_run *r, const row_size *sizes, uint64_t n, lm_status *st)
{
    int64_t longest = all_of(sizes[0]), limit = r->o->memory, most = r->micro_tokens ? r->micro_tokens : DEFAULT_MICRO_TOKENS;
    int64_t later = r->o->keep_best ? (int64_t)lm_run_trained(r, true, NULL) * 4 : 0;
    later += r->frozen ? (int64_t)lm_frozen_bytes(r->frozen, r, true) : 0;
    if (!probe(r, sizes, 1, st))
        return false;
    int64_t one = r->probed_memory + later;
    if (one > limit) {
        char *needs = in_mib(one), *has = in_mib(limit);
        lm_fail(st, LM_FAILED,
                "--memory %s: the longest row alone (%" PRId64 " tokens) takes the run to %s: allow that much, "
                "shorten the rows (tok --max-length), or take a smaller model",
                has, longest, needs);
        free(needs);
        free(has);
        return false;
    }
    r->micro_tokens = longest;
    if (n < 2 || r->o->batch_size < 2)
        return true;
    r->micro_tokens = most;
    uint32_t rows = rows_of(r, sizes, n, 2 * longest);
    if (!probe(r, sizes, rows < 2 ? 2 : rows, st))
        return false;
    int64_t two = r->probed_memory + later, each = two - one > 4096 ? two - one : 4096;
    int64_t more = two > limit ? 0 : (limit - two) / each;
    int64_t tokens = two > limit ? longest : (2 + more) * longest;
    r->micro_tokens = tokens < most ? tokens : most;
    return true;
}

bool lm_run_plan_memory(lm_run *r, lm_status *st)
{
    r->recompute = r->o->recompute;
    if (r->micro_tokens) /* of the run that is resumed */
        return true;
    r->micro_tokens = r->o->micro_tokens;
    bool ok = true;
    if (r->o->memory > 0) {
        uint64_t n;
        row_size *sizes = sorted_lengths(r, &n);
        ok = fit_memory(r, sizes, n, st);
        free(sizes);
    }
    if (!r->micro_tokens)
        r->micro_tokens = DEFAULT_MICRO_TOKENS;
    return ok;
}

/* ------------------------------------------------------------------ --plan */

/* Floating-point operations for a row or token: 2 for each weight of a matrix forward, 2 more where it is trained, and
 * 2 for the gradient of its input where something below is. `kept`: of what --cache-frozen runs once; `second`: for a token
 * of the second stack. */
static void weights_flops(const lm_run *r, double *every_epoch, double *kept, double *second)
{
    const lm_freezing *f = r->freezing;
    int lowest = lm_run_lowest_level(r), parts = r->frozen ? lm_frozen_parts(r->frozen, r->stage) : 0;
    int layers = r->model->arch.layers;
    bool two = r->model->arch.decoder_layers > 0;
    *every_epoch = *kept = *second = 0;
    for (size_t i = 0; i < f->count; i++) {
        const lm_param *p = lm_params_at(r->model->params, i);
        if (p->shape.dims != 2 || strstr(p->name, "embedding"))
            continue;
        double flops = 2 + 2 * lm_freezing_trains(f, i, r->stage) + 2 * (f->of[i].level > lowest);
        int level = f->of[i].level;
        *(level > layers && two ? second : level <= layers && level < parts ? kept : every_epoch) +=
            flops * (double)p->elements;
    }
}

/* Of training for so many epochs: the matrices, attention's 4 len^2 width forward and 8 backward for each block, and the
 * vocabulary at masked tokens. */
static double all_flops(const lm_run *r, const row_size *sizes, uint64_t n, double epochs, double *tokens)
{
    double each, kept, second, targets = 0, crossed = 0, squares = 0, width = r->model->arch.width;
    int layers = r->model->arch.layers, parts = r->frozen ? lm_frozen_parts(r->frozen, r->stage) : 0;
    int frozen = lm_run_lowest_level(r) - 1; /* blocks without a backward */
    frozen = frozen < 0 ? 0 : frozen < layers ? frozen : layers;
    int once = parts > 1 ? (parts - 1 < layers ? parts - 1 : layers) : 0;
    weights_flops(r, &each, &kept, &second);
    *tokens = 0;
    for (uint64_t i = 0; i < n; i++) {
        double own = sizes[i].tokens, target = sizes[i].target;
        *tokens += own;
        squares += own * own;
        targets += target;
        crossed += target * (own + target);
    }
    double attention = squares * width * (12.0 * (layers - frozen) + 4.0 * (frozen > once ? frozen - once : 0));
    attention += 12.0 * crossed * width * r->model->arch.decoder_layers;
    double flops =
        epochs * (each * *tokens + second * targets + attention) + kept * *tokens + 4 * squares * width * once;
    if (r->objective->tokens != LM_TOKENS_NONE && r->model->head->columns == LM_COLUMNS_VOCABULARY)
        flops += epochs * 6 * width * r->targets.vocab_size *
                 (r->objective->tokens == LM_TOKENS_TARGETS ? targets : *tokens) *
                 (r->objective->tokens == LM_TOKENS_MASKED ? r->targets.masking.probability : 1);
    return flops;
}

bool lm_run_plan_print(lm_run *r, lm_status *st)
{
    uint64_t n;
    row_size *sizes = sorted_lengths(r, &n);
    uint32_t rows = rows_of(r, sizes, n, r->micro_tokens);
    double epochs = r->steps_per_epoch ? (double)r->total_steps / (double)r->steps_per_epoch : 0;
    double tokens, flops = all_flops(r, sizes, n, epochs, &tokens);
    if (!probe(r, sizes, rows, st)) { /* the largest batch: memory, and everything is warm */
        free(sizes);
        return false;
    }
    /* speed, on rows from the middle: the usual ones */
    uint64_t middle = n / 2 + rows <= n ? n / 2 : 0;
    double begun = lm_now(), done = 0, once = r->frozen ? -lm_frozen_seconds(r->frozen) : 0;
    while (lm_ok(st) && lm_now() - begun < 2) {
        probe(r, sizes + middle, rows, st);
        for (uint32_t i = 0; i < rows; i++)
            done += sizes[middle + i].tokens;
    }
    once += r->frozen ? lm_frozen_seconds(r->frozen) : 0; /* of which what is run once */
    double speed = done / (lm_now() - begun - once);
    free(sizes);
    bool spooled = lm_data_spool(r->data) != NULL;
    printf("parameters\t%zu\n", lm_optimizer_parameters(r->optimizer));
    if (r->freezing->stages > 1)
        printf("unfreeze_every\t%" PRIu64 "\n", lm_freezing_steps(r->freezing, r->steps_per_epoch));
    if (spooled)
        printf("rows\t%" PRIu64 "\ntokens\t%.0f\nsteps_per_epoch\t%" PRIu64 "\n", n, tokens,
               r->steps_per_epoch);
    if (r->total_steps != UINT64_MAX)
        printf("steps\t%" PRIu64 "\nwarmup_steps\t%" PRIu64 "\n", r->total_steps, r->schedule.warmup);
    printf("micro_tokens\t%" PRId64 "\nmemory_mib\t%.0f\nthreads\t%d\ntokens_per_second\t%.0f\n",
           r->micro_tokens, (double)r->probed_memory / (1 << 20), lm_threads(), speed);
    if (r->frozen)
        printf("cached_layers\t%d\ncache_mib\t%.1f\n", lm_frozen_parts(r->frozen, r->stage) - 1,
               (double)lm_frozen_bytes(r->frozen, r, false) / (1 << 20));
    if (spooled)
        printf("flops\t%.4g\nseconds\t%.0f\n", flops, tokens * epochs / speed + (done > 0 ? tokens * once / done : 0));
    lm_buf rates = {0};
    lm_schedule_print(&r->schedule, lm_schedule_peak(r->schedule.kind, r->o->learning_rate), lm_terminal_columns(STDOUT_FILENO), &rates);
    fputs(lm_buf_cstr(&rates), stdout);
    lm_buf_free(&rates);
    return lm_ok(st);
}
