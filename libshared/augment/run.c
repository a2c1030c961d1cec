/* A run: what is to be done, in stages, and how it ends. */
#include "augment/run.h"
#include "augment/options.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/threads.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    BATCHES_AHEAD = 2,                /* beside one for each worker */
    BLOCK_MAX = 1 << 20, BLOCK_MIN = 32 << 10,
    BATCH_BLOCKS = 16                 /* what a batch takes in memory: so many times its bytes */
};

/* ---------------------------------------------------------------- what is asked for */

static bool fail_no_copies(const char *option, lm_status *st)
{
    return lm_fail(st, LM_USAGE, "%s: none of the operations draws lots, so that copies would all be the same: give one that does "
                   "(see --help)", option);
}

/* Where copies are made, and who says how many. */
static bool plan_copies(lm_augment_run_state *r, lm_status *st)
{
    r->fan_out = r->copies_by = SIZE_MAX;
    for (size_t i = r->step_count; i-- > 0;) {
        if (r->steps[i].kind->varies)
            r->fan_out = i;
        if (r->steps[i].kind->copies && r->copies_by == SIZE_MAX)
            r->copies_by = i;
    }
    r->copying = r->o->copies > 0 || r->copies_by != SIZE_MAX;
    if (r->copies_by != SIZE_MAX && r->copies_by > r->fan_out)
        return lm_fail(st, LM_USAGE, "--%s: says how many copies there are, which --%s makes: give it before that one",
                       r->steps[r->copies_by].kind->name, r->steps[r->fan_out].kind->name);
    if (r->copying && r->fan_out == SIZE_MAX)
        return fail_no_copies(r->o->copies > 0 ? "--copies" : r->steps[r->copies_by].kind->name, st);
    if (!r->copying && r->o->exclude_original)
        return lm_fail(st, LM_USAGE, "--exclude-original: there are no copies that could be written alone: give -n N");
    return true;
}

/* Half of the memory is for batches on their way, the rest for what operations and stages keep. */
static size_t plan_memory(lm_augment_run_state *r)
{
    size_t keepers = 0, limit = (size_t)r->o->memory_limit;
    for (size_t i = 0; i < r->step_count; i++) {
        const lm_operation_kind *k = r->steps[i].kind;
        keepers += (k->observe || k->follow) + (k->observe != NULL);
    }
    r->batch_count = (size_t)r->threads + BATCHES_AHEAD;
    r->block_bytes = limit / 2 / (r->batch_count * BATCH_BLOCKS);
    r->block_bytes = r->block_bytes > BLOCK_MAX ? BLOCK_MAX : r->block_bytes < BLOCK_MIN ? BLOCK_MIN : r->block_bytes;
    size_t batches = r->batch_count * BATCH_BLOCKS * r->block_bytes;
    size_t left = limit > 2 * batches ? limit - batches : limit / 2;
    return r->spool_memory = keepers ? left / keepers : left;
}

static bool open_steps(lm_augment_run_state *r, const lm_augment_options *own, lm_status *st)
{
    for (size_t i = 0; i < r->step_count; i++) {
        lm_augment_step *s = &r->steps[i];
        s->self = s->kind->open_two ? s->kind->open_two(s->value, s->second, own, (int)i, st)
                                    : s->kind->open(s->value, own, (int)i, st);
        if (!s->self)
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------- stages */

static size_t next_observer(const lm_augment_run_state *r, size_t i)
{
    while (i < r->step_count && !r->steps[i].kind->observe)
        i++;
    return i;
}

/* What the stage kept, for the next one. */
static bool turn_over(lm_augment_run_state *r, lm_status *st)
{
    const lm_augment_step *s = &r->steps[r->to];
    lm_lines_free(r->kept);
    r->kept = r->keeping;
    r->keeping = NULL;
    r->from = r->to;
    return lm_lines_finish(r->kept, st) && (!s->kind->settle || s->kind->settle(s->self, st));
}

static void finish_steps(lm_augment_run_state *r, lm_status *st)
{
    for (size_t i = 0; i < r->step_count && lm_ok(st); i++)
        if (r->steps[i].kind->finish)
            r->steps[i].kind->finish(r->steps[i].self, st);
}

static void run_stages(lm_augment_run_state *r, lm_status *st)
{
    for (r->to = next_observer(r, 0);; r->to = next_observer(r, r->to + 1)) {
        bool final = r->to >= r->step_count;
        r->keeping = final ? NULL : lm_lines_new(r->spool_memory);
        lm_progress_begin(final ? "augment" : r->steps[r->to].kind->name, "records", 0);
        bool good = lm_augment_stage(r);
        lm_progress_end();
        if (!good || final || !turn_over(r, st))
            return;
    }
}

/* ---------------------------------------------------------------- opening and closing */

static bool open_run(lm_augment_run_state *r, lm_status *st)
{
    const lm_augment_options *o = r->o;
    lm_blocks_options options = {.records = o->records, .framed = o->framed, .extra = o->provenance ? "aug" : NULL,
                                 .bytes = r->block_bytes};
    options.records.format = (lm_text_format)o->input_format;
    options.records.header = (lm_header)o->header;
    options.records.offset = (uint64_t)o->offset;
    r->in = lm_input_open_all(o->operands, st);
    r->blocks = r->in ? lm_blocks_new(r->in, &options, st) : NULL;
    if (r->blocks)
        r->writer = lm_blocks_writer_new(r->blocks, lm_output_file_fd(r->out), lm_output_file_name(r->out), o->command, st);
    return r->writer != NULL;
}

static void close_run(lm_augment_run_state *r)
{
    for (size_t i = 0; i < r->batch_count && r->batches; i++)
        lm_augment_batch_free(r, &r->batches[i]);
    free(r->batches);
    for (size_t i = 0; i < r->step_count; i++)
        if (r->steps[i].self && r->steps[i].kind->close)
            r->steps[i].kind->close(r->steps[i].self);
    lm_lines_free(r->kept);
    lm_lines_free(r->keeping);
    lm_blocks_writer_free(r->writer);
    lm_blocks_free(r->blocks);
    lm_input_close(r->in);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->changed);
}

static void run_to_output(lm_augment_run_state *r, const lm_augment_options *own, lm_status *st)
{
    r->out = lm_output_file_open(r->o->output, st);
    if (!r->out)
        return;
    if (open_run(r, st) && open_steps(r, own, st))
        run_stages(r, st);
    finish_steps(r, st);
    if (r->writer)
        lm_blocks_writer_close(r->writer, st);
    if (lm_ok(st))
        lm_output_file_publish(r->out, st);
    else
        lm_output_file_discard(r->out, st->code == LM_ENDED);
    if (lm_ok(st))
        lm_augment_summary(r);
}

static bool show_plan(const lm_augment_run_state *r, lm_status *st)
{
    lm_buf text = {0};
    lm_augment_plan(r, &text);
    bool good = lm_write_all(STDOUT_FILENO, text.data, text.len, "standard output", st);
    lm_buf_free(&text);
    return good;
}

bool lm_augment_run_kinds(const lm_augment_options *o, const lm_operation_kind *const *kinds, const lm_option_steps *steps,
                          lm_status *st)
{
    lm_augment_options own = *o;
    lm_augment_run_state r = {.o = o, .step_count = steps->count, .threads = o->threads > 0 ? o->threads : lm_threads(), .st = st};
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.changed, NULL);
    r.steps = lm_calloc(r.step_count + 1, sizeof *r.steps);
    for (size_t i = 0; i < r.step_count; i++)
        r.steps[i] = (lm_augment_step){.kind = kinds[i], .value = steps->items[i].value, .second = steps->items[i].second};
    own.threads = r.threads;
    own.memory = plan_memory(&r);
    if (plan_copies(&r, st)) {
        r.batches = lm_calloc(r.batch_count, sizeof *r.batches);
        if (o->plan)
            show_plan(&r, st);
        else
            run_to_output(&r, &own, st);
    }
    close_run(&r);
    free(r.steps);
    return lm_ok(st);
}

bool lm_augment_run(const lm_augment_options *o, const lm_option_steps *steps, lm_status *st)
{
    const lm_operation_kind **kinds = lm_calloc(steps->count + 1, sizeof *kinds);
    for (size_t i = 0; i < steps->count && lm_ok(st); i++) {
        kinds[i] = lm_operation_find(steps->items[i].name);
        if (!kinds[i])
            lm_fail(st, LM_USAGE, "--%s: this is no operation", steps->items[i].name);
    }
    if (lm_ok(st) && lm_augment_details_check(o, steps, st))
        lm_augment_run_kinds(o, kinds, steps, st);
    free(kinds);
    return lm_ok(st);
}
