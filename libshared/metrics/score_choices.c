#include "metrics/score_choices.h"
#include "config.h"

#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"
#include "metrics/evaluate.h"
#include "metrics/fields.h"
#include "metrics/gates.h"
#include "metrics/metrics.h"
#include "metrics/resampled.h"
#include "model/decode.h"

#include <inttypes.h>
#include <stdlib.h>

enum { BATCH_QUESTIONS = 64 };

/* By what the log-probability of a choice is divided before the largest is taken: nothing, its characters, its bytes. */
enum { BY_NOTHING, BY_CHARACTERS, BY_BYTES, WAYS };
static const char *const names[WAYS] = {"acc", "acc_norm", "acc_bytes"};

typedef struct outcome {
    bool hit[WAYS];
    uint32_t tokens; /* of the right choice */
    double loss;     /* summed over them */
} outcome;

typedef struct run {
    const lm_score_options *o;
    lm_choices_options how;
    lm_model *model;
    lm_tokenizer *tokenizer;
    lm_choice_reader *reader;
    lm_fields *fields;
    lm_gates gates;
    lm_output_file *out;
    lm_question batch[BATCH_QUESTIONS];
    size_t held;
    int64_t tokens; /* of the batch */
    outcome *outcomes;
    size_t count, cap;
    uint64_t digest;
} run;

/* ------------------------------------------------------------------ options */

static bool read_options(run *r, lm_status *st)
{
    const lm_score_options *o = r->o;
    const struct {
        bool given;
        const char *option;
    } others[] = {{o->emit.count, "--emit"}, {o->html, "--html"},           {o->log, "--log"},
                  {o->report, "--report"},   {o->per_class, "--per-class"}, {o->confusion, "--confusion"},
                  {o->compare, "--compare"}, {o->references.count, "--references"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].given)
            return lm_fail(st, LM_USAGE, "%s says nothing of questions with several answers (--choices)", others[i].option);
    if (!o->common->model)
        return lm_fail(st, LM_USAGE, "no model: give it with -m");
    if (o->choices.shots && !o->choices.examples)
        return lm_fail(st, LM_USAGE, "--shots: of what? give --few-shot FILE");
    r->how = o->choices;
    r->how.choices = *o->choices.choices ? o->choices.choices : NULL;
    return lm_gates_read(&r->gates, &o->fail_under, &o->fail_over, st);
}

static bool open_all(run *r, lm_status *st)
{
    const lm_score_options *o = r->o;
    const char *model = o->common->model;
    lm_model_options options = {.task = o->task, .plugin_path = o->common->plugin, .check = o->check};
    r->model = lm_model_open(model, &options, st);
    lm_decoding *d = r->model ? lm_decoding_new(r->model, 1, st) : NULL;
    if (!d)
        return false;
    int room = lm_decoding_room(d, 0);
    lm_decoding_free(d);
    lm_params_set_activations(r->model->params, (lm_activations)o->activations);
    r->tokenizer = lm_tokenizer_open(o->tokenizer ? o->tokenizer : model, st);
    r->reader = r->tokenizer ? lm_choice_reader_new(&r->how, r->model, r->tokenizer, room, st) : NULL;
    r->fields = r->reader ? lm_fields_open(&o->common->operands, (lm_text_format)o->input_format, st) : NULL;
    if (r->fields)
        r->out = lm_output_file_open(o->common->output, st);
    return lm_ok(st);
}

/* ------------------------------------------------------------------ questions */

/* The choice that is largest; of equals the first. */
static size_t best_of(const lm_question *q, int way)
{
    size_t best = 0;
    double largest = 0;
    for (size_t i = 0; i < q->count; i++) {
        const lm_choice *c = &q->choices[i];
        double by = way == BY_CHARACTERS ? (double)c->characters : way == BY_BYTES ? (double)c->bytes : 1, value = c->logprob / by;
        if (i == 0 || value > largest) {
            best = i;
            largest = value;
        }
    }
    return best;
}

static void count(run *r, const lm_question *q)
{
    const lm_choice *right = &q->choices[q->right];
    LM_GROW(r->outcomes, r->count, r->cap);
    outcome *o = &r->outcomes[r->count++];
    for (int way = 0; way < WAYS; way++)
        o->hit[way] = best_of(q, way) == q->right;
    o->tokens = (uint32_t)(right->count - right->from);
    o->loss = -right->logprob;
    r->digest += q->digest;
}

/* The most probable choice, the right one, the number of the question, the log-probabilities. */
static void print(const lm_question *q, lm_buf *out)
{
    lm_buf_printf(out, "%zu\t%zu\t%" PRIu64 "\t", best_of(q, BY_NOTHING), q->right, q->number);
    for (size_t i = 0; i < q->count; i++)
        lm_buf_printf(out, "%s%.6f", i ? " " : "", q->choices[i].logprob);
    lm_buf_putc(out, '\n');
}

static bool run_batch(run *r, lm_status *st)
{
    lm_buf lines = {0};
    bool ok = r->held == 0 || lm_choices_run(r->model, r->batch, r->held, st);
    for (size_t i = 0; i < r->held; i++) {
        lm_question *q = &r->batch[i];
        if (ok) {
            count(r, q);
            print(q, &lines);
        }
        lm_question_free(q);
    }
    r->held = 0;
    r->tokens = 0;
    if (ok && r->o->tsv)
        ok = lm_write_all(lm_output_file_fd(r->out), lines.data, lines.len, lm_output_file_name(r->out), st);
    lm_buf_free(&lines);
    return ok;
}

static int64_t tokens_of(const lm_question *q)
{
    int64_t n = q->shared + q->source_count;
    for (size_t i = 0; i < q->count; i++)
        n += q->choices[i].count - q->shared;
    return n;
}

static bool read_all(run *r, lm_status *st)
{
    int got;
    int64_t most = r->o->batch_tokens ? r->o->batch_tokens : LM_BATCH_TOKENS;
    while ((got = lm_fields_next(r->fields, st)) > 0) {
        lm_question *q = &r->batch[r->held++];
        if (!lm_signal_check(st) || !lm_choice_read(r->reader, r->fields, q, st))
            return false;
        q->number = r->count + r->held;
        r->tokens += tokens_of(q);
        if ((r->held == BATCH_QUESTIONS || r->tokens >= most) && !run_batch(r, st))
            return false;
        lm_progress_update(r->count, NULL);
    }
    if (got == 0 && run_batch(r, st) && r->count == 0)
        lm_fail(st, LM_FAILED, "%s: there is no question", lm_fields_name(r->fields));
    return lm_ok(st);
}

/* ------------------------------------------------------------------ report */

static void measure(const void *of, const uint32_t *times, lm_report *report)
{
    const run *r = of;
    uint64_t hits[WAYS] = {0}, tokens = 0, rows = lm_times_total(times, r->count);
    lm_exact_sum loss = {0};
    for (size_t i = 0; i < r->count; i++) {
        const outcome *o = &r->outcomes[i];
        uint64_t n = lm_times(times, i);
        for (int way = 0; way < WAYS; way++)
            hits[way] += n * o->hit[way];
        tokens += n * o->tokens;
        lm_sum_add_times(&loss, o->loss, n);
    }
    lm_report_add(report, "loss", lm_ratio(lm_sum_total(&loss), (double)tokens));
    for (int way = 0; way < WAYS; way++)
        lm_report_add(report, names[way], lm_ratio((double)hits[way], (double)rows));
}

static void add_signature(const run *r, lm_report *report)
{
    const lm_measure_options *how = &r->o->measures;
    lm_buf s = {0};
    lm_buf_printf(&s, "measure:choices|rows:%zu|data:%016" PRIx64 "|norm:characters", r->count, r->digest);
    if (how->intervals) {
        lm_buf_putc(&s, '|');
        lm_sign_intervals(how, &s);
    }
    lm_buf_printf(&s, "|lmutils:%s", PACKAGE_VERSION);
    lm_report_text(report, "signature", lm_buf_cstr(&s));
    lm_buf_free(&s);
}

static void conclude(run *r, lm_status *st)
{
    lm_report *report = lm_report_new();
    lm_report_count(report, "rows", r->count);
    measure(r, NULL, report);
    if (r->o->measures.intervals)
        lm_add_intervals(&(lm_measurable){measure, r}, r->count, &r->o->measures, 1, report);
    add_signature(r, report);
    if (!r->o->tsv)
        lm_report_write(report, r->o->json, false, r->out, st);
    lm_gates_publish(&r->gates, report, r->out, st);
    r->out = NULL;
    lm_report_free(report);
}

bool lm_score_choices(const lm_score_options *o, lm_status *st)
{
    run *r = lm_calloc(1, sizeof *r);
    r->o = o;
    if (read_options(r, st) && open_all(r, st)) {
        lm_progress_begin("scoring", "questions", 0);
        bool ok = read_all(r, st);
        lm_progress_end();
        if (ok)
            conclude(r, st);
    }
    if (r->out)
        lm_output_file_discard(r->out, false);
    for (size_t i = 0; i < r->held; i++)
        lm_question_free(&r->batch[i]);
    lm_gates_free(&r->gates);
    lm_fields_free(r->fields);
    lm_choice_reader_free(r->reader);
    lm_tokenizer_free(r->tokenizer);
    lm_model_free(r->model);
    free(r->outcomes);
    free(r);
    return lm_ok(st);
}
