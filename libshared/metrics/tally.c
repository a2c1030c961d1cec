#include "metrics/tally.h"
#include "config.h"

#include "base/memory.h"
#include "kernels/kernels.h"
#include "metrics/resampled.h"
#include "metrics/ranking.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

void lm_tally_clear(lm_tally *t)
{
    lm_outcomes_free(t->outcomes);
    lm_outcomes_free(t->next);
    *t = (lm_tally){.kind = t->kind, .columns = t->columns, .config = t->config, .how = t->how};
}

/* ------------------------------------------------------------------ truth */

/* All class names, for a message. */
static const char *class_list(const lm_tally *t, lm_buf *out)
{
    enum { SHOWN = 12 };
    for (int i = 0; i < t->columns && i < SHOWN; i++) {
        const char *name = lm_config_label(t->config, i);
        lm_buf_printf(out, "%s%s", i ? ", " : "", name ? name : "?");
    }
    if (t->columns > SHOWN)
        lm_buf_puts(out, ", ...");
    return lm_buf_cstr(out);
}

bool lm_tally_nameless(const lm_tally *t)
{
    for (int k = 0; k < t->columns; k++) {
        const char *name = lm_config_label(t->config, k);
        char usual[24];
        snprintf(usual, sizeof usual, "LABEL_%d", k);
        if (!name || strcmp(name, usual) != 0)
            return false;
    }
    return true;
}

/* A class by its name. A model whose classes have no names of their own (LABEL_3) also takes their numbers.
 */
static int find_class(const lm_tally *t, lm_str word)
{
    int id = lm_config_label_id(t->config, word);
    if (id >= 0 || word.len > 10)
        return id;
    char name[24];
    snprintf(name, sizeof name, "LABEL_%.*s", (int)word.len, word.data);
    return lm_config_label_id(t->config, lm_str_of(name));
}

static bool class_truth(const lm_tally *t, const lm_tokens_row *row, const char *where, lm_truth *truth,
                        lm_status *st)
{
    if (row->has_label_word) {
        truth->class = find_class(t, row->label_word);
        if (truth->class >= 0 && truth->class < t->columns)
            return truth->labelled = true;
        if (t->how.skip_unknown)
            return true;
        lm_buf classes = {0};
        lm_fail(st, LM_FAILED, "%s: label \"%.*s\" is none of the model's classes (%s): --skip-unknown leaves such rows out", where,
                (int)row->label_word.len, row->label_word.data, class_list(t, &classes));
        lm_buf_free(&classes);
        return false;
    }
    if (row->has_label_float)
        return lm_fail(st, LM_FAILED,
                       "%s: the label is a number, and the model has classes: use tok --label-type word "
                       "or id",
                       where);
    if (!row->has_label_id || row->label_id == -100)
        return true;
    if (t->how.skip_unknown && row->label_id >= t->columns)
        return true;
    if (row->label_id < 0 || row->label_id >= t->columns)
        return lm_fail(st, LM_FAILED, "%s: class %d, and the model has 0 to %d", where, row->label_id,
                       t->columns - 1);
    truth->class = row->label_id;
    return truth->labelled = true;
}

static bool value_truth(const lm_tally *t, const lm_tokens_row *row, const char *where, lm_truth *truth,
                        lm_status *st)
{
    if (row->has_label_float) {
        truth->value = row->label_float;
    } else if (row->has_label_id) {
        truth->value = row->label_id;
    } else if (row->has_label_word) {
        char text[64], *end = text;
        snprintf(text, sizeof text, "%.*s", (int)row->label_word.len, row->label_word.data);
        truth->value = strtod(text, &end);
        if (row->label_word.len >= sizeof text || end == text || *end || !isfinite(truth->value))
            return lm_fail(st, LM_FAILED, "%s: label \"%s\" is no number, and the model predicts one", where,
                           text);
    } else {
        return true;
    }
    if (t->columns != 1)
        return lm_fail(st, LM_FAILED, "%s: one number, and the model predicts %d", where, t->columns);
    return truth->labelled = true;
}

bool lm_tally_truth(const lm_tally *t, const lm_tokens_row *row, const char *where, lm_truth *truth,
                    lm_status *st)
{
    *truth = (lm_truth){0};
    switch (t->kind) {
    case LM_MEASURE_CLASSES:
        return class_truth(t, row, where, truth, st);
    case LM_MEASURE_VALUES:
        return value_truth(t, row, where, truth, st);
    case LM_MEASURE_MULTI_LABEL:
        if (!row->multi_label)
            return true;
        if (row->classes != (size_t)t->columns)
            return lm_fail(st, LM_FAILED, "%s: multi_label has %zu classes, and the model %d", where,
                           row->classes, t->columns);
        truth->several = row->multi_label;
        return truth->labelled = true;
    case LM_MEASURE_NOTHING:
    case LM_MEASURE_TOKENS:
    case LM_MEASURE_TAGS:
    case LM_MEASURE_NEXT:
    case LM_MEASURE_TARGETS:
    case LM_MEASURE_SPAN:
        break;
    }
    return true;
}

/* ------------------------------------------------------------------ predictions */

int lm_argmax(const float *x, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++) {
        if (x[i] > x[best])
            best = i;
    }
    return best;
}

void lm_softmax_row(const float *x, int n, float *out)
{
    double all = lm_log_sum(x, n, NULL);
    for (int i = 0; i < n; i++)
        out[i] = (float)exp(x[i] - all);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

void lm_sigmoid_row(const float *x, int n, float *out)
{
    for (int i = 0; i < n; i++)
        out[i] = (float)sigmoid(x[i]);
}

void lm_choose_row(const float *x, int n, uint8_t *out)
{
    for (int i = 0; i < n; i++)
        out[i] = x[i] >= 0;
}

double lm_nll(const float *logits, int n, int class)
{
    return lm_log_sum(logits, n, NULL) - (double)logits[class];
}

/* Mean over the classes of log(1+exp(x)) - y x, in the form that does not overflow. */
static double binary_cross_entropy(const float *x, const uint8_t *y, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += fmax(x[i], 0) - (y[i] ? x[i] : 0) + log1p(exp(-fabs(x[i])));
    return sum / n;
}

/* ------------------------------------------------------------------ counting */

static uint64_t mixed(uint64_t hash, const void *data, size_t bytes)
{
    return data ? XXH3_64bits_withSeed(data, bytes, hash) : hash;
}

void lm_tally_seen(lm_tally *t, const lm_tokens_row *row)
{
    uint64_t h = mixed(0, row->ids, row->len * sizeof *row->ids);
    if (row->has_label_word)
        h = mixed(h, row->label_word.data, row->label_word.len);
    if (row->has_label_id)
        h = mixed(h, &row->label_id, sizeof row->label_id);
    if (row->has_label_float)
        h = mixed(h, &row->label_float, sizeof row->label_float);
    h = mixed(h, row->multi_label, row->classes);
    h = mixed(h, row->tags, row->len * sizeof *row->tags);
    h = mixed(h, row->mlm_labels, row->len * sizeof *row->mlm_labels);
    h = mixed(h, row->loss_mask, row->len);
    h = mixed(h, row->target_ids, row->target_len * sizeof *row->target_ids);
    h = mixed(h, row->answer, 2 * sizeof *row->answer);
    t->digest += h;
    t->rows++;
    t->tokens += row->len;
}

/* The outcomes of a kind, made when they are first needed; a new row in them unless it is the last. */
static size_t row_of(lm_tally *t, lm_outcomes **o, lm_measured kind, int columns, uint64_t number)
{
    if (!*o)
        *o = lm_outcomes_new(kind, columns, t->config, &t->how);
    if ((*o)->rows && (*o)->number[(*o)->rows - 1] == number)
        return (*o)->rows - 1;
    return lm_outcomes_add(*o, number);
}

double lm_tally_row(lm_tally *t, uint64_t number, const lm_truth *truth, const float *logits)
{
    if (!truth->labelled)
        return NAN;
    size_t row = row_of(t, &t->outcomes, t->kind, t->columns, number);
    lm_outcomes *o = t->outcomes;
    if (t->kind == LM_MEASURE_MULTI_LABEL) {
        lm_outcomes_classes(o, row, truth->several, logits);
        o->loss[row] = binary_cross_entropy(logits, truth->several, t->columns);
    } else if (t->kind == LM_MEASURE_VALUES) {
        lm_outcomes_value(o, row, truth->value, logits[0]);
        o->loss[row] = (logits[0] - truth->value) * (logits[0] - truth->value);
    } else {
        lm_outcomes_class(o, row, truth->class, logits);
        o->loss[row] = lm_nll(logits, t->columns, truth->class);
    }
    return o->loss[row];
}

double lm_tally_token(lm_tally *t, uint64_t number, int32_t label, const float *logits)
{
    int predicted;
    double loss = lm_log_sum(logits, t->columns, &predicted) - (double)logits[label];
    row_of(t, &t->outcomes, t->kind, t->columns, number);
    lm_outcomes_token(t->outcomes, label, predicted, loss);
    return loss;
}

double lm_tally_span(lm_tally *t, uint64_t number, const lm_span_found *found)
{
    if (!found->labelled)
        return NAN;
    size_t at = row_of(t, &t->outcomes, t->kind, t->columns, number);
    lm_outcomes_span(t->outcomes, at, found);
    return found->loss;
}

void lm_tally_text(lm_tally *t, uint64_t number, uint32_t words, uint32_t bytes)
{
    size_t row = row_of(t, &t->outcomes, t->kind, t->columns, number);
    t->outcomes->words[row] = words;
    t->outcomes->bytes[row] = bytes;
}

double lm_tally_next(lm_tally *t, uint64_t number, int32_t label, const float *logits, int columns)
{
    size_t row = row_of(t, &t->next, LM_MEASURE_CLASSES, columns, number);
    lm_outcomes_class(t->next, row, label, logits);
    return t->next->loss[row] = lm_nll(logits, columns, label);
}

/* ------------------------------------------------------------------ report */

static double loss_of(const lm_outcomes *o, const uint32_t *times)
{
    return o ? lm_outcomes_loss(o, times) : 0;
}

/* The second head's rows are counted along where they are as many. */
void lm_tally_measure(const lm_tally *t, const uint32_t *times, bool per_class, lm_report *r)
{
    const uint32_t *next_times = t->next && t->next->rows == t->outcomes->rows ? times : NULL;
    lm_report_add(r, "loss", loss_of(t->outcomes, times) + loss_of(t->next, next_times));
    lm_outcomes_measure(t->outcomes, times, per_class, r);
    if (!t->next)
        return;
    lm_report *next = lm_report_new();
    double accuracy = 0;
    lm_outcomes_measure(t->next, next_times, false, next);
    lm_report_find(next, "accuracy", &accuracy);
    lm_report_free(next);
    lm_report_add(r, "mlm_loss", loss_of(t->outcomes, times));
    lm_report_add(r, "nsp_loss", loss_of(t->next, next_times));
    lm_report_add(r, "nsp_accuracy", accuracy);
}

typedef struct measured {
    const lm_tally *t;
    bool per_class;
} measured;

static void measure(const void *of, const uint32_t *times, lm_report *r)
{
    const measured *m = of;
    lm_tally_measure(m->t, times, m->per_class, r);
}

/* What was computed, of what, and how: two numbers may be compared where this is the same. */
static void add_signature(const lm_tally *t, lm_report *r)
{
    static const char *const kinds[] = {[LM_MEASURE_NOTHING] = "nothing",
                                        [LM_MEASURE_CLASSES] = "classes",
                                        [LM_MEASURE_MULTI_LABEL] = "multilabel",
                                        [LM_MEASURE_VALUES] = "numbers",
                                        [LM_MEASURE_TOKENS] = "masked",
                                        [LM_MEASURE_TAGS] = "tags",
                                        [LM_MEASURE_NEXT] = "next",
                                        [LM_MEASURE_TARGETS] = "targets",
                                        [LM_MEASURE_SPAN] = "answers"};
    const lm_outcomes *o = t->outcomes;
    lm_buf s = {0};
    lm_buf_printf(&s, "measure:%s|rows:%zu|data:%016" PRIx64, kinds[t->kind], o->rows, t->digest);
    if (o->names)
        lm_buf_printf(&s, "|classes:%d|macro:present|zero:0", o->columns);
    if (o->scores)
        lm_buf_printf(&s, "|auc:%s",
                      o->kind == LM_MEASURE_CLASSES && o->columns == 2 ? "binary" : "ovr-macro");
    if (o->scores && o->kind == LM_MEASURE_CLASSES)
        lm_buf_printf(&s, "|ece:%d", LM_ECE_BINS);
    if (o->tags)
        lm_buf_printf(&s, "|scheme:%s", o->tags->entities ? lm_scheme_names[t->how.scheme] : "none");
    if (o->kind == LM_MEASURE_SPAN)
        lm_buf_printf(&s, "|answers:%s", lm_answer_style_names[t->how.answers]);
    if (t->how.intervals) {
        lm_buf_putc(&s, '|');
        lm_sign_intervals(&t->how, &s);
    }
    lm_buf_printf(&s, "|lmutils:%s", PACKAGE_VERSION);
    lm_report_text(r, "signature", lm_buf_cstr(&s));
    lm_buf_free(&s);
}

static uint64_t labels_of(const lm_outcomes *o)
{
    uint64_t labels = 0;
    for (size_t i = 0; o && i < o->rows; i++)
        labels += o->labels[i];
    return labels;
}

lm_report *lm_tally_report(lm_tally *t, bool per_class)
{
    lm_report *r = lm_report_new();
    uint64_t labelled = labels_of(t->outcomes);
    lm_report_count(r, "rows", t->rows);
    lm_report_count(r, "tokens", t->tokens);
    lm_report_count(r, "labelled", labelled);
    if (!labelled)
        return r;
    lm_outcomes_prepare(t->outcomes);
    size_t first = lm_report_size(r);
    lm_tally_measure(t, NULL, per_class, r);
    measured of = {t, per_class};
    if (t->how.intervals)
        lm_add_intervals(&(lm_measurable){measure, &of}, t->outcomes->rows, &t->how, first, r);
    if (per_class)
        lm_outcomes_detail(t->outcomes, r);
    add_signature(t, r);
    return r;
}
