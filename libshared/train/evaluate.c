/* Evaluation between steps. */
#include "train/freezing/frozen.h"
#include "train/kept.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EVAL_ROWS = 64 }; /* handed to the evaluator at a time */
/* Masks of an evaluation are the same each time: those of an epoch that no training reaches. */
static const uint64_t EVAL_EPOCH = UINT32_MAX;

lm_data *lm_run_read_beside(const lm_run *r, const char *file, lm_status *st)
{
    lm_strings one = {&file, 1, 1};
    lm_data_options options = {.inputs = &one, .rows_per_step = 1,
                               .keep = r->spec->preference ? lm_preference_columns : lm_denoising_columns(&r->o->denoising)};
    lm_data *data = lm_data_open(&options, st);
    bool ok = data && lm_data_load(data, st);
    const lm_tokenizer_info *mine = ok ? lm_data_tokenizer(data) : NULL, *theirs = lm_data_tokenizer(r->data);
    if (ok && mine->has_xxh3 && theirs->has_xxh3 && mine->xxh3 != theirs->xxh3 && !r->o->force)
        ok = lm_fail(st, LM_FAILED, "%s: its tokens are of another tokenizer than those to train on", file);
    if (ok)
        return data;
    lm_data_free(data);
    return NULL;
}

bool lm_run_load_eval(lm_run *r, lm_status *st)
{
    if (!r->o->eval)
        return true;
    lm_data *data = lm_run_read_beside(r, r->o->eval, st);
    bool ok = data && lm_run_targets_of(r, lm_data_preamble(data), r->o->eval, &r->eval_targets, st);
    r->eval_class_of = (int32_t *)r->eval_targets.class_of;
    r->eval = data;
    return ok && lm_data_arrange(data, &r->examples, st) && lm_data_check(data, &r->eval_targets, st);
}

/* Rows for the evaluator: of packed ones their texts. */
typedef struct text_list {
    lm_tokens_row *items;
    size_t count, cap;
} text_list;

static void stand_in_classes(const lm_run *r, lm_tokens_row *row, lm_arena *room)
{
    size_t classes = (size_t)r->targets.classes;
    float *values = lm_arena_alloc(room, classes + 1, sizeof *values);
    uint8_t *several = lm_arena_alloc(room, classes + 1, 1);
    lm_targets_several(&r->eval_targets, row, values);
    for (size_t c = 0; c < classes; c++)
        several[c] = values[c] != 0;
    row->multi_label = several;
    row->classes = classes;
}

/* A row as the evaluator is to see it; what it is given in place of what stands in the stream lies in `room`. */
static void prepare_row(const lm_run *r, lm_tokens_row *row, lm_arena *room, uint64_t number)
{
    const lm_targets *t = &r->eval_targets;
    const lm_objective *o = r->objective;
    lm_status ignored = LM_STATUS_INIT;
    int32_t class;
    if (o->noise != LM_NOISE_NONE) {
        lm_tokens_row given = *row;
        lm_targets_row(t, &given, EVAL_EPOCH, number, room, row);
    } else if (o->tokens == LM_TOKENS_TAGS) {
        int32_t *tags = lm_arena_alloc(room, row->len + 1, sizeof *tags);
        lm_targets_tokens(t, row, tags);
        row->tags = tags;
    } else if (o->tokens == LM_TOKENS_NEXT && !o->masked_loss) {
        row->loss_mask = NULL;
    } else if (o->row == LM_TARGET_CLASSES) {
        stand_in_classes(r, row, room);
    } else if (t->skip_unknown && o->row == LM_TARGET_CLASS && lm_targets_class(t, row, number, &class, &ignored) &&
               class == LM_IGNORE) {
        row->has_label_word = row->has_label_id = false;
    }
}

/* The row, or the texts that are packed in it. */
static void add_texts(text_list *list, const lm_tokens_row *row)
{
    size_t from = 0;
    for (size_t k = 0; k < (row->seq_count > 1 ? row->seq_count : 1); k++) {
        LM_GROW(list->items, list->count, list->cap);
        lm_tokens_row *text = &list->items[list->count++];
        if (row->seq_count > 1)
            lm_tokens_row_part(row, from, (size_t)row->seq_lengths[k], text);
        else
            *text = *row;
        from += text->len;
    }
}

/* The rows from `first` on, before `rows`. */
static bool run_rows(lm_run *r, lm_evaluator *e, uint64_t first, uint64_t rows, lm_status *st)
{
    lm_arena *room = lm_arena_new(0);
    text_list texts = {0};
    for (; first < rows && lm_ok(st) && lm_signal_check(st); first += EVAL_ROWS) {
        texts.count = 0;
        for (uint64_t i = first; i < first + EVAL_ROWS && i < rows; i++) {
            lm_tokens_row row;
            lm_data_row(r->eval, i, room, &row);
            prepare_row(r, &row, room, i);
            add_texts(&texts, &row);
        }
        lm_evaluator_run(e, texts.items, (int)texts.count, 0, NULL, st);
        lm_arena_reset(room);
    }
    free(texts.items);
    lm_arena_free(room);
    return lm_ok(st);
}

/* The best weights so far, kept beside those that are trained. */
static void keep_best(lm_run *r, lm_status *st)
{
    if (r->best)
        lm_kept_take(r, r->best);
    else
        r->best = lm_kept_new(r, "the best weights", st);
}

void lm_run_restore_best(lm_run *r)
{
    if (!r->best || r->watch.best_step == r->step)
        return;
    lm_kept_put(r, r->best);
    lm_info("the weights of step %" PRIu64 " are written (evaluation %s %.4f)", r->watch.best_step,
            lm_train_metric(r->o), r->watch.best);
}

static bool fail_metric(const lm_report *report, const char *name, lm_status *st)
{
    lm_buf names = {0};
    double value;
    for (size_t i = 0; i < lm_report_size(report); i++)
        lm_buf_printf(&names, "%s%s", i ? ", " : "", lm_report_at(report, i, &value));
    lm_fail(st, LM_USAGE, "--best-metric %s: the evaluation has no such value: it has %s", name,
            lm_buf_cstr(&names));
    lm_buf_free(&names);
    return false;
}

/* What the evaluation means for the run: the best so far is kept, an end without progress, overfitting. */
static bool judge(lm_run *r, const lm_report *report, lm_watch_verdict *verdict, lm_status *st)
{
    const char *metric = lm_train_metric(r->o);
    double loss = NAN, value = NAN, least = r->watch.least_loss, train = r->watch.least_train;
    lm_report_find(report, "loss", &loss);
    if (!lm_report_find(report, metric, &value)) /* it was there before the first step: this time it has no value */
        value = NAN;
    *verdict = lm_watch_evaluation(&r->watch, r->step, loss, value, lm_metric_rises(metric));
    if (verdict->best && r->o->keep_best)
        keep_best(r, st);
    if (verdict->parted)
        lm_warn("overfitting: since step %" PRIu64 " the evaluation loss has risen from %.4f to %.4f while "
                "the training loss fell from %.4f to %.4f: --keep-best keeps the weights of the best "
                "evaluation, --patience stops there; fewer --epochs, more --dropout or --l2-sp",
                r->watch.least_step, least, loss, train, verdict->train_loss);
    r->stopped_early = r->o->patience > 0 && r->watch.stale >= (uint64_t)r->o->patience;
    return lm_ok(st);
}

/* Where memory is limited, batches are no larger than those that are trained. */
static lm_evaluate_options evaluate_options(const lm_run *r)
{
    return (lm_evaluate_options){.batch_tokens = r->o->memory > 0 ? (int)r->micro_tokens : 0};
}

/* At most so many of the rows. */
static lm_report *measure(lm_run *r, uint64_t most, lm_status *st)
{
    if (r->preferring || r->policy) {
        lm_report *own = r->policy ? lm_policy_evaluate(r->policy, r, most, st) : lm_preferring_evaluate(r->preferring, r, most, st);
        lm_run_note_memory(r);
        return own;
    }
    lm_evaluate_options options = evaluate_options(r);
    lm_evaluator *e = lm_evaluator_new(r->model, r->graph, &options, st);
    bool whole = most >= lm_data_rows(r->eval);
    bool ready = e && lm_run_quantise(r, st) && (!r->frozen || !whole || lm_frozen_evaluate(r->frozen, r, e, st));
    uint64_t all = lm_data_rows(r->eval);
    lm_report *report = ready && run_rows(r, e, 0, whole ? all : most, st) ? lm_evaluator_report(e, false) : NULL;
    lm_run_note_memory(r);
    lm_evaluator_free(e);
    return report;
}

bool lm_run_probe_evaluation(lm_run *r, lm_status *st)
{
    uint64_t rows = r->eval && !r->preferring && !r->policy ? lm_data_rows(r->eval) : 0, longest = 0, most = 0; /* as a step is cut */
    for (uint64_t first = 0; first < rows; first += EVAL_ROWS) {
        uint64_t tokens = 0;
        for (uint64_t i = first; i < rows && i < first + EVAL_ROWS; i++)
            tokens += lm_data_lengths(r->eval)[i];
        longest = tokens > most ? first : longest;
        most = tokens > most ? tokens : most;
    }
    lm_evaluate_options options = evaluate_options(r);
    lm_evaluator *e = rows ? lm_evaluator_new(r->model, r->graph, &options, st) : NULL;
    if (e)
        run_rows(r, e, longest, longest + EVAL_ROWS < rows ? longest + EVAL_ROWS : rows, st);
    lm_run_note_memory(r);
    lm_evaluator_free(e);
    return lm_ok(st);
}

/* A misspelt metric costs no epoch. Some are missing where few rows are of one class, so all are asked before no is said. */
bool lm_run_check_metric(lm_run *r, lm_status *st)
{
    enum { SOME = 1000 };
    bool found = !r->eval || !r->o->best_metric;
    for (int all = 0; all < 2 && !found; all++) {
        lm_report *report = measure(r, all ? UINT64_MAX : SOME, st);
        double value;
        found = report && lm_report_find(report, lm_train_metric(r->o), &value);
        if (report && all && !found)
            fail_metric(report, lm_train_metric(r->o), st);
        lm_report_free(report);
        if (!lm_ok(st))
            return false;
    }
    return true;
}

static bool evaluate(lm_run *r, lm_status *st)
{
    double begun = lm_now();
    lm_report *report = measure(r, UINT64_MAX, st);
    if (!lm_ok(st)) {
        lm_report_free(report);
        return lm_fail_prefix(st, "evaluation");
    }
    r->evaluated = r->step;
    double seconds = lm_now() - begun, value;
    lm_watch_verdict verdict = {.train_loss = NAN};
    bool ok = judge(r, report, &verdict, st);
    json_t *entry = json_object();
    lm_buf line = {0};
    for (size_t i = 0; i < lm_report_size(report); i++) {
        const char *name = lm_report_at(report, i, &value);
        char *key = lm_format("eval_%s", name);
        json_object_set_new(entry, key, isfinite(value) ? json_real(value) : json_null());
        free(key);
        if (strcmp(name, "rows") && strcmp(name, "tokens") && strcmp(name, "labelled") && i < 8)
            lm_buf_printf(&line, "  %s %.4f", name, value);
    }
    json_object_set_new(entry, "eval_runtime", json_real(seconds));
    json_object_set_new(entry, "eval_samples_per_second",
                        json_real((double)lm_data_rows(r->eval) / seconds));
    json_object_set_new(entry, "eval_steps_per_second",
                        json_real((double)((lm_data_rows(r->eval) + EVAL_ROWS - 1) / EVAL_ROWS) / seconds));
    json_object_set_new(entry, "epoch", json_real(lm_run_epoch(r)));
    json_object_set_new(entry, "step", json_integer((json_int_t)r->step));
    lm_runlog_add(r->log, entry);
    char beside[48] = "";
    if (!isnan(verdict.train_loss))
        snprintf(beside, sizeof beside, "training loss %.4f, ", verdict.train_loss);
    lm_info("step %" PRIu64 ": %sevaluation%s%s", r->step, beside, lm_buf_cstr(&line),
            verdict.best && r->o->keep_best ? "  (best)" : "");
    lm_buf_free(&line);
    lm_report_free(report);
    r->logged_at += lm_now() - begun; /* the speed that is said is that of training */
    return ok;
}

bool lm_run_evaluate(lm_run *r, lm_status *st)
{
    if (r->average)
        lm_kept_swap(r, r->average);
    bool ok = evaluate(r, st);
    if (r->average)
        lm_kept_swap(r, r->average);
    return ok;
}
