/* --plan: what a run would take, measured on rows of the real lengths. */
#include "train/plan.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "base/threads.h"
#include "train/freezing/frozen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Floating-point operations for a row or token: 2 for each weight of a matrix forward, and again where blocks are run again,
 * 2 more where it is trained, and 2 for the gradient of its input where something below is. `kept`: of what --cache-frozen
 * runs once; `second`: for a token of the second stack. */
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
        int level = f->of[i].level;
        bool again = r->recompute && level >= lowest && f->home[i] < r->model->head_from;
        double flops = 2 + 2 * again + 2 * lm_freezing_trains(f, i, r->stage) + 2 * (level > lowest);
        *(level > layers && two ? second : level <= layers && level < parts ? kept : every_epoch) +=
            flops * (double)p->elements;
    }
}

/* Of training for so many epochs: the matrices, attention's 4 len^2 width forward (and again) and 8 backward for each block,
 * and the vocabulary at masked tokens. */
static double all_flops(const lm_run *r, const lm_row_size *sizes, uint64_t n, double epochs, double *tokens)
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
    double both = r->recompute ? 16 : 12;
    double attention = squares * width * (both * (layers - frozen) + 4.0 * (frozen > once ? frozen - once : 0));
    attention += both * crossed * width * r->model->arch.decoder_layers;
    double flops =
        epochs * (each * *tokens + second * targets + attention) + kept * *tokens + 4 * squares * width * once;
    if (r->objective->tokens != LM_TOKENS_NONE && r->model->head->columns == LM_COLUMNS_VOCABULARY)
        flops += epochs * 6 * width * r->targets.vocab_size *
                 (r->objective->tokens == LM_TOKENS_TARGETS ? targets : *tokens) *
                 (r->objective->tokens == LM_TOKENS_MASKED ? r->targets.masking.probability : 1);
    return flops;
}

/* Of an update; the first one has the states' pages to fetch. */
static double update_seconds(lm_run *r, lm_status *st)
{
    double begun = 0;
    for (int i = 0; i < 2; i++) {
        begun = lm_now();
        lm_optimizer_update(r->optimizer, 0, 1, st);
    }
    return lm_now() - begun;
}

static void print_memory(const lm_run *r)
{
    const lm_memory *m = &r->memory;
    const struct {
        const char *name;
        int64_t bytes;
    } parts[] = {{"memory_mib", m->total}, {"weights_mib", m->weights}, {"gradients_mib", m->gradients},
                 {"optimizer_mib", m->states}, {"activations_mib", m->activations}, {"kept_later_mib", m->later},
                 {"other_mib", m->other}, {"with_adamw_8bit_mib", m->total - m->spared}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        printf("%s\t%.0f\n", parts[i].name, (double)parts[i].bytes / (1 << 20));
}

bool lm_run_plan_print(lm_run *r, lm_status *st)
{
    uint64_t n;
    lm_row_size *sizes = lm_run_row_sizes(r, &n);
    uint32_t rows = lm_run_rows_of(r, sizes, n, r->micro_tokens);
    double epochs = r->steps_per_epoch ? (double)r->total_steps / (double)r->steps_per_epoch : 0;
    double tokens, flops = all_flops(r, sizes, n, epochs, &tokens);
    if (!lm_run_measure_memory(r, sizes, n, st)) {
        free(sizes);
        return false;
    }
    /* speed, on rows from the middle: the usual ones */
    uint64_t middle = n / 2 + rows <= n ? n / 2 : 0;
    double begun = lm_now(), done = 0, once = r->frozen ? -lm_frozen_seconds(r->frozen) : 0;
    while (lm_ok(st) && lm_now() - begun < 2) {
        lm_run_probe(r, sizes + middle, rows, st);
        for (uint32_t i = 0; i < rows; i++)
            done += sizes[middle + i].tokens;
    }
    once += r->frozen ? lm_frozen_seconds(r->frozen) : 0; /* of which what is run once */
    double each = (lm_now() - begun - once) / done, update = update_seconds(r, st);
    double in_step = r->steps_per_epoch ? tokens / (double)r->steps_per_epoch
                     : r->o->batch_tokens ? (double)(r->o->batch_tokens * r->o->accumulation)
                                          : (double)(r->o->batch_size * r->o->accumulation) * sizes[0].tokens;
    double speed = in_step / (in_step * each + update);
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
    printf("micro_tokens\t%" PRId64 "\nrecompute\t%s\n", r->micro_tokens, r->recompute ? "yes" : "no");
    print_memory(r);
    printf("threads\t%d\ntokens_per_second\t%.0f\n", lm_threads(), speed);
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
