#include "metrics/tally.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void lm_tally_clear(lm_tally *t)
{
    lm_confusion_free(t->confusion);
    lm_confusion_free(t->next);
    lm_multi_label_free(t->several);
    free(t->truth);
    free(t->predicted);
    *t = (lm_tally){.kind = t->kind, .columns = t->columns, .config = t->config};
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
        lm_buf classes = {0};
        lm_fail(st, LM_FAILED, "%s: label \"%.*s\" is none of the model's classes (%s)", where,
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

/* log(sum exp x), shifted by the largest so that nothing overflows. */
static double log_sum_exp(const float *x, int n)
{
    double largest = x[lm_argmax(x, n)], sum = 0;
    for (int i = 0; i < n; i++)
        sum += exp(x[i] - largest);
    return largest + log(sum);
}

void lm_softmax_row(const float *x, int n, float *out)
{
    double all = log_sum_exp(x, n);
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
    return log_sum_exp(logits, n) - logits[class];
}

/* Mean over the classes of log(1+exp(x)) - y x, in the form that does not overflow. */
static double binary_cross_entropy(const float *x, const uint8_t *y, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += fmax(x[i], 0) - (y[i] ? x[i] : 0) + log1p(exp(-fabs(x[i])));
    return sum / n;
}

static double count_several(lm_tally *t, const lm_truth *truth, const float *logits)
{
    if (!t->several)
        t->several = lm_multi_label_new(t->columns);
    uint8_t *chosen = lm_malloc((size_t)t->columns, 1);
    lm_choose_row(logits, t->columns, chosen);
    lm_multi_label_add(t->several, truth->several, chosen);
    free(chosen);
    return binary_cross_entropy(logits, truth->several, t->columns);
}

static double count_value(lm_tally *t, const lm_truth *truth, const float *logits)
{
    LM_GROW(t->truth, t->labelled, t->truth_cap);
    LM_GROW(t->predicted, t->labelled, t->predicted_cap);
    t->truth[t->labelled] = truth->value;
    t->predicted[t->labelled] = logits[0];
    return (logits[0] - truth->value) * (logits[0] - truth->value);
}

double lm_tally_row(lm_tally *t, const lm_truth *truth, const float *logits)
{
    if (!truth->labelled)
        return NAN;
    double loss;
    if (t->kind == LM_MEASURE_MULTI_LABEL) {
        loss = count_several(t, truth, logits);
    } else if (t->kind == LM_MEASURE_VALUES) {
        loss = count_value(t, truth, logits);
    } else {
        if (!t->confusion)
            t->confusion = lm_confusion_new(t->columns);
        lm_confusion_add(t->confusion, truth->class, lm_argmax(logits, t->columns));
        loss = lm_nll(logits, t->columns, truth->class);
    }
    t->labelled++;
    lm_sum_add(&t->loss, loss);
    return loss;
}

double lm_tally_token(lm_tally *t, int32_t label, const float *logits)
{
    double loss = lm_nll(logits, t->columns, label);
    t->labelled++;
    t->hits += lm_argmax(logits, t->columns) == label;
    lm_sum_add(&t->loss, loss);
    return loss;
}

double lm_tally_next(lm_tally *t, int32_t label, const float *logits, int columns)
{
    if (!t->next)
        t->next = lm_confusion_new(columns);
    lm_confusion_add(t->next, label, lm_argmax(logits, columns));
    double loss = lm_nll(logits, columns, label);
    lm_sum_add(&t->next_loss, loss);
    return loss;
}

/* ------------------------------------------------------------------ report */

static void add_average(lm_report *r, const char *how, lm_prf p)
{
    const struct {
        const char *name;
        double value;
    } parts[] = {{"f1", p.f1}, {"precision", p.precision}, {"recall", p.recall}};
    for (int i = 0; i < 3; i++) {
        char name[40];
        snprintf(name, sizeof name, "%s_%s", how, parts[i].name);
        lm_report_add(r, name, parts[i].value);
    }
}

typedef lm_prf (*class_measure)(const void *counts, int k);

static lm_prf of_confusion(const void *counts, int k)
{
    return lm_confusion_class(counts, k);
}

static lm_prf of_several(const void *counts, int k)
{
    return lm_multi_label_class(counts, k);
}

static void add_classes(const lm_tally *t, lm_report *r, class_measure measure, const void *counts)
{
    for (int k = 0; k < t->columns; k++) {
        lm_prf p = measure(counts, k);
        const char *label = lm_config_label(t->config, k);
        const struct {
            const char *name;
            double value;
        } parts[] = {{"precision", p.precision}, {"recall", p.recall}, {"f1", p.f1}};
        for (int i = 0; i < 3; i++) {
            char *name = lm_format("%s[%s]", parts[i].name, label ? label : "?");
            lm_report_add(r, name, parts[i].value);
            free(name);
        }
        char *name = lm_format("support[%s]", label ? label : "?");
        lm_report_count(r, name, p.support);
        free(name);
    }
}

static void add_labels(const lm_tally *t, lm_report *r)
{
    json_t *labels = json_array();
    for (int k = 0; k < t->columns; k++)
        json_array_append_new(labels, json_string(lm_config_label(t->config, k)));
    lm_report_detail(r, "labels", labels);
}

static void report_classes(const lm_tally *t, lm_report *r, bool per_class)
{
    const lm_confusion *c = t->confusion;
    lm_report_add(r, "accuracy", lm_confusion_accuracy(c));
    add_average(r, "macro", lm_confusion_average(c, LM_MACRO));
    lm_report_add(r, "micro_f1", lm_confusion_average(c, LM_MICRO).f1);
    add_average(r, "weighted", lm_confusion_average(c, LM_WEIGHTED));
    lm_report_add(r, "mcc", lm_confusion_mcc(c));
    if (!per_class)
        return;
    add_classes(t, r, of_confusion, c);
    add_labels(t, r);
    json_t *matrix = json_array();
    for (int i = 0; i < c->classes; i++) {
        json_t *row = json_array();
        for (int k = 0; k < c->classes; k++)
            json_array_append_new(
                row, json_integer((json_int_t)c->count[(size_t)i * (size_t)c->classes + (size_t)k]));
        json_array_append_new(matrix, row);
    }
    lm_report_detail(r, "confusion_matrix", matrix);
}

static void report_several(const lm_tally *t, lm_report *r, bool per_class)
{
    const lm_multi_label *m = t->several;
    lm_report_add(r, "accuracy", lm_multi_label_accuracy(m));
    lm_report_add(r, "hamming_loss", lm_multi_label_hamming(m));
    add_average(r, "micro", lm_multi_label_average(m, LM_MICRO));
    add_average(r, "macro", lm_multi_label_average(m, LM_MACRO));
    add_average(r, "weighted", lm_multi_label_average(m, LM_WEIGHTED));
    if (per_class) {
        add_classes(t, r, of_several, m);
        add_labels(t, r);
    }
}

static void report_values(const lm_tally *t, lm_report *r)
{
    size_t n = t->labelled;
    double mse = lm_mean_squared_error(t->truth, t->predicted, n);
    lm_report_add(r, "mse", mse);
    lm_report_add(r, "rmse", sqrt(mse));
    lm_report_add(r, "mae", lm_mean_absolute_error(t->truth, t->predicted, n));
    lm_report_add(r, "r2", lm_r2(t->truth, t->predicted, n));
    lm_report_add(r, "pearson", lm_pearson(t->truth, t->predicted, n));
    lm_report_add(r, "spearman", lm_spearman(t->truth, t->predicted, n));
}

static void report_tokens(const lm_tally *t, lm_report *r)
{
    double loss = lm_sum_mean(&t->loss);
    lm_report_add(r, "perplexity", lm_perplexity(loss));
    lm_report_add(r, "accuracy", (double)t->hits / (double)t->labelled);
    if (t->next) {
        lm_report_add(r, "mlm_loss", loss);
        lm_report_add(r, "nsp_loss", lm_sum_mean(&t->next_loss));
        lm_report_add(r, "nsp_accuracy", lm_confusion_accuracy(t->next));
    }
}

lm_report *lm_tally_report(const lm_tally *t, bool per_class)
{
    lm_report *r = lm_report_new();
    lm_report_count(r, "rows", t->rows);
    lm_report_count(r, "tokens", t->tokens);
    lm_report_count(r, "labelled", t->labelled);
    if (!t->labelled)
        return r;
    lm_report_add(r, "loss", lm_sum_mean(&t->loss) + lm_sum_mean(&t->next_loss));
    if (t->kind == LM_MEASURE_CLASSES)
        report_classes(t, r, per_class);
    else if (t->kind == LM_MEASURE_MULTI_LABEL)
        report_several(t, r, per_class);
    else if (t->kind == LM_MEASURE_VALUES)
        report_values(t, r);
    else
        report_tokens(t, r);
    return r;
}
