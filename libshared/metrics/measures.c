/* The measures of each kind of outcomes. */
#include "base/memory.h"
#include "metrics/outcomes.h"
#include "metrics/ranking.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ parts of a report */

static void add_prf(lm_report *r, const char *prefix, lm_prf p)
{
    const struct {
        const char *name;
        double value;
    } parts[] = {{"f1", p.f1}, {"precision", p.precision}, {"recall", p.recall}};
    for (int i = 0; i < 3; i++) {
        char name[40];
        snprintf(name, sizeof name, "%s%s", prefix, parts[i].name);
        lm_report_add(r, name, parts[i].value);
    }
}

/* What is counted of each class. */
typedef struct counts {
    int classes;
    char *const *names;
    uint64_t *hit, *truth, *chosen; /* [classes] */
} counts;

static counts new_counts(int classes, char *const *names)
{
    size_t n = (size_t)classes;
    uint64_t *room = lm_calloc(3 * n + 1, sizeof *room);
    return (counts){classes, names, room, room + n, room + 2 * n};
}

static void add_counts(lm_report *r, const counts *c)
{
    for (int k = 0; k < c->classes; k++) {
        lm_prf p = lm_prf_of(c->hit[k], c->truth[k], c->chosen[k]);
        lm_report_add_class(r, "precision", c->names[k], p.precision);
        lm_report_add_class(r, "recall", c->names[k], p.recall);
        lm_report_add_class(r, "f1", c->names[k], p.f1);
        lm_report_count_class(r, "support", c->names[k], p.support);
    }
}

static lm_prf mean_of(const counts *c, lm_average how)
{
    return lm_prf_average(c->hit, c->truth, c->chosen, c->classes, how);
}

/* ------------------------------------------------------------------ scores */

/* The mean over classes of a measure of ranking, over those for which it is defined; two classes that exclude
 * one another have one, that of the second. */
static double mean_ranking(const lm_outcomes *o, const uint32_t *times,
                           double (*measure)(const lm_ranking *, const uint32_t *))
{
    double sum = 0;
    int defined = 0;
    for (int k = o->kind == LM_MEASURE_CLASSES && o->columns == 2; k < o->columns; k++) {
        lm_ranking one = {o->rows, o->columns, k, o->scores, o->truth, o->truths, o->score_order[k]};
        double value = measure(&one, times);
        sum += isnan(value) ? 0 : value;
        defined += !isnan(value);
    }
    return defined ? sum / defined : NAN;
}

static void add_rankings(const lm_outcomes *o, const uint32_t *times, lm_report *r)
{
    lm_report_add(r, "roc_auc", mean_ranking(o, times, lm_roc_auc));
    lm_report_add(r, "average_precision", mean_ranking(o, times, lm_average_precision));
}

/* ------------------------------------------------------------------ kinds */

static lm_confusion *confusion_of(const lm_outcomes *o, const uint32_t *times)
{
    lm_confusion *c = lm_confusion_new(o->columns);
    for (size_t i = 0; i < o->rows && !o->tags; i++)
        lm_confusion_add_times(c, o->truth[i], o->predicted[i], lm_times(times, i));
    for (size_t i = 0; i < o->rows && o->tags; i++) {
        for (size_t t = o->tag_splits[i]; t < o->tag_splits[i + 1]; t++)
            lm_confusion_add_times(c, o->tag_truth[t], o->tag_predicted[t], lm_times(times, i));
    }
    return c;
}

static void add_top_k(const lm_outcomes *o, const uint32_t *times, lm_report *r)
{
    int k = o->how.top_k > 0 ? o->how.top_k : 5;
    uint64_t hits = 0;
    char name[40];
    if (k >= o->columns)
        return;
    for (size_t i = 0; i < o->rows; i++)
        hits += o->place[i] < k ? lm_times(times, i) : 0;
    snprintf(name, sizeof name, "top%d_accuracy", k);
    lm_report_add(r, name, lm_ratio((double)hits, (double)lm_times_total(times, o->rows)));
}

/* One class a unit: a row, or of tags a token. */
static void measure_classes(const lm_outcomes *o, const uint32_t *times, bool per_class, lm_report *r)
{
    lm_confusion *c = confusion_of(o, times);
    counts k = new_counts(o->columns, o->names);
    lm_confusion_counts(c, k.hit, k.truth, k.chosen);
    lm_report_add(r, "accuracy", lm_confusion_accuracy(c));
    add_prf(r, "macro_", mean_of(&k, LM_MACRO));
    lm_report_add(r, "micro_f1", mean_of(&k, LM_MICRO).f1);
    add_prf(r, "weighted_", mean_of(&k, LM_WEIGHTED));
    lm_report_add(r, "mcc", lm_confusion_mcc(c));
    if (o->place)
        add_top_k(o, times, r);
    if (o->scores) {
        lm_probabilities p = {o->rows, o->columns, o->scores, o->truth};
        add_rankings(o, times, r);
        lm_report_add(r, "brier", lm_brier(&p, times));
        lm_report_add(r, "ece", lm_expected_calibration_error(&p, times));
    }
    if (per_class)
        add_counts(r, &k);
    free(k.hit);
    lm_confusion_free(c);
}

static void measure_several(const lm_outcomes *o, const uint32_t *times, bool per_class, lm_report *r)
{
    lm_multi_label *m = lm_multi_label_new(o->columns);
    for (size_t i = 0; i < o->rows; i++) {
        size_t at = i * (size_t)o->columns;
        lm_multi_label_add_times(m, o->truths + at, o->chosen + at, lm_times(times, i));
    }
    counts k = {o->columns, o->names, m->hit, m->truth, m->chosen};
    lm_report_add(r, "accuracy", lm_multi_label_accuracy(m));
    lm_report_add(r, "hamming_loss", lm_multi_label_hamming(m));
    add_prf(r, "micro_", mean_of(&k, LM_MICRO));
    add_prf(r, "macro_", mean_of(&k, LM_MACRO));
    add_prf(r, "weighted_", mean_of(&k, LM_WEIGHTED));
    if (o->scores)
        add_rankings(o, times, r);
    if (per_class)
        add_counts(r, &k);
    lm_multi_label_free(m);
}

static void measure_values(const lm_outcomes *o, const uint32_t *times, lm_report *r)
{
    size_t n = o->rows;
    double mse = lm_mean_squared_error(o->value, o->estimate, times, n);
    lm_report_add(r, "mse", mse);
    lm_report_add(r, "rmse", sqrt(mse));
    lm_report_add(r, "mae", lm_mean_absolute_error(o->value, o->estimate, times, n));
    lm_report_add(r, "r2", lm_r2(o->value, o->estimate, times, n));
    lm_report_add(r, "pearson", lm_pearson(o->value, o->estimate, times, n));
    lm_report_add(r, "spearman",
                  lm_spearman(o->value, o->estimate, o->value_order, o->estimate_order, times, n));
}

/* Of all labelled tokens, those predicted right. */
static double token_accuracy(const lm_outcomes *o, const uint32_t *times)
{
    uint64_t hits = 0, labels = 0;
    for (size_t i = 0; i < o->rows; i++) {
        hits += o->hits[i] * lm_times(times, i);
        labels += o->labels[i] * lm_times(times, i);
    }
    return lm_ratio((double)hits, (double)labels);
}

static void measure_tokens(const lm_outcomes *o, const uint32_t *times, lm_report *r)
{
    lm_report_add(r, "perplexity", lm_perplexity(lm_outcomes_loss(o, times)));
    lm_report_add(r, "accuracy", token_accuracy(o, times));
}

/* exp(loss of all tokens / how many words or bytes they are), as lm-evaluation-harness computes them:
 * comparable between tokenizers. Nothing where the text of some row is not known. */
static void add_text_perplexities(const lm_outcomes *o, const uint32_t *times, lm_report *r)
{
    uint64_t words = 0, bytes = 0, labels = 0;
    for (size_t i = 0; i < o->rows; i++) {
        if (o->bytes[i] == LM_TEXT_UNKNOWN)
            return;
        words += o->words[i] * lm_times(times, i);
        bytes += o->bytes[i] * lm_times(times, i);
        labels += o->labels[i] * lm_times(times, i);
    }
    double loss = lm_outcomes_loss(o, times) * (double)labels;
    lm_report_add(r, "word_perplexity", words ? exp(loss / (double)words) : NAN);
    lm_report_add(r, "byte_perplexity", bytes ? exp(loss / (double)bytes) : NAN);
    lm_report_add(r, "bits_per_byte", bytes ? loss / (double)bytes / log(2) : NAN);
}

static void measure_next(const lm_outcomes *o, const uint32_t *times, lm_report *r)
{
    measure_tokens(o, times, r);
    add_text_perplexities(o, times, r);
}

static void measure_entities(const lm_outcomes *o, const uint32_t *times, bool per_class, lm_report *r)
{
    counts k = new_counts(o->tags->types, o->tags->type_names);
    for (size_t i = 0; i < o->event_count; i++) {
        const lm_entity_event *e = &o->events[i];
        uint64_t n = lm_times(times, e->row);
        k.hit[e->type] += e->truth && e->predicted ? n : 0;
        k.truth[e->type] += e->truth ? n : 0;
        k.chosen[e->type] += e->predicted ? n : 0;
    }
    lm_report_add(r, "accuracy", token_accuracy(o, times));
    add_prf(r, "", mean_of(&k, LM_MICRO));
    add_prf(r, "macro_", mean_of(&k, LM_MACRO));
    add_prf(r, "weighted_", mean_of(&k, LM_WEIGHTED));
    if (per_class)
        add_counts(r, &k);
    free(k.hit);
}

/* ------------------------------------------------------------------ answers */

/* The mean over rows with or without an answer, or all (-1), of how good what is said is: the best span, or, where some
 * rows have no answer, nothing if that scores higher (threshold 0 of run_qa.py). */
static double mean_answer(const lm_outcomes *o, const double *good, bool some_none, int none, const uint32_t *times)
{
    lm_exact_sum sum = {0};
    uint64_t rows = 0;
    for (size_t i = 0; i < o->rows; i++) {
        if (none >= 0 && o->no_answer[i] != none)
            continue;
        bool says_none = some_none && o->null_score[i] > o->span_score[i];
        double value = o->no_answer[i] || says_none ? o->no_answer[i] && says_none : good[i];
        lm_sum_add_times(&sum, value, lm_times(times, i));
        rows += lm_times(times, i);
    }
    return lm_ratio(lm_sum_total(&sum), (double)rows);
}

static void measure_spans(const lm_outcomes *o, const uint32_t *times, lm_report *r)
{
    bool none = false;
    for (size_t i = 0; i < o->rows; i++)
        none |= o->no_answer[i];
    lm_report_add(r, "exact_match", mean_answer(o, o->exact, none, -1, times));
    lm_report_add(r, "f1", mean_answer(o, o->f1, none, -1, times));
    if (!none)
        return;
    lm_report_add(r, "has_answer_exact_match", mean_answer(o, o->exact, none, 0, times));
    lm_report_add(r, "has_answer_f1", mean_answer(o, o->f1, none, 0, times));
    lm_report_add(r, "no_answer_exact_match", mean_answer(o, o->exact, none, 1, times));
}

/* ------------------------------------------------------------------ all */

double lm_outcomes_loss(const lm_outcomes *o, const uint32_t *times)
{
    lm_exact_sum sum = {0};
    uint64_t labels = 0;
    for (size_t i = 0; i < o->rows; i++) {
        lm_sum_add_times(&sum, o->loss[i], lm_times(times, i));
        labels += o->labels[i] * lm_times(times, i);
    }
    return lm_ratio(lm_sum_total(&sum), (double)labels);
}

void lm_outcomes_measure(const lm_outcomes *o, const uint32_t *times, bool per_class, lm_report *r)
{
    switch (o->kind) {
    case LM_MEASURE_CLASSES:
        measure_classes(o, times, per_class, r);
        break;
    case LM_MEASURE_MULTI_LABEL:
        measure_several(o, times, per_class, r);
        break;
    case LM_MEASURE_VALUES:
        measure_values(o, times, r);
        break;
    case LM_MEASURE_TOKENS:
    case LM_MEASURE_TARGETS:
        measure_tokens(o, times, r);
        break;
    case LM_MEASURE_NEXT:
        measure_next(o, times, r);
        break;
    case LM_MEASURE_TAGS:
        (o->tags->entities ? measure_entities : measure_classes)(o, times, per_class, r);
        break;
    case LM_MEASURE_SPAN:
        measure_spans(o, times, r);
        break;
    case LM_MEASURE_NOTHING:
        break;
    }
}

void lm_outcomes_detail(const lm_outcomes *o, lm_report *r)
{
    if (!o->names)
        return;
    json_t *labels = json_array(), *matrix = json_array();
    for (int k = 0; k < o->columns; k++)
        json_array_append_new(labels, json_string(o->names[k]));
    lm_report_detail(r, "labels", labels);
    lm_confusion *c = o->truths ? NULL : confusion_of(o, NULL);
    for (int i = 0; c && i < c->classes; i++) {
        json_t *row = json_array();
        for (int k = 0; k < c->classes; k++)
            json_array_append_new(
                row, json_integer((json_int_t)c->count[(size_t)i * (size_t)c->classes + (size_t)k]));
        json_array_append_new(matrix, row);
    }
    if (c)
        lm_report_detail(r, "confusion_matrix", matrix);
    else
        json_decref(matrix);
    lm_confusion_free(c);
}
