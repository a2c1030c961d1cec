#include "metrics/outcomes.h"
#include "base/log.h"
#include "base/memory.h"
#include "metrics/ranking.h"
#include "metrics/tally.h"

#include <math.h>
#include <stdlib.h>

/* Probabilities that are kept for measures of ranking and calibration: a quarter of a gibibyte of them. */
enum { SCORES_MAX = 1 << 26 };

lm_outcomes *lm_outcomes_new(lm_measured kind, int columns, const lm_config *config,
                             const lm_measure_options *how)
{
    lm_outcomes *o = lm_calloc(1, sizeof *o);
    o->kind = kind;
    o->columns = columns;
    o->how = *how;
    bool classes = kind == LM_MEASURE_CLASSES || kind == LM_MEASURE_MULTI_LABEL || kind == LM_MEASURE_TAGS;
    if (!classes)
        return o;
    o->names = lm_calloc((size_t)columns + 1, sizeof *o->names);
    for (int k = 0; k < columns; k++) {
        const char *name = lm_config_label(config, k);
        o->names[k] = name ? lm_strdup(name) : lm_format("LABEL_%d", k);
    }
    if (kind == LM_MEASURE_TAGS)
        o->tags = lm_tag_set_new((const char *const *)o->names, columns);
    return o;
}

static void forget_orders(lm_outcomes *o)
{
    for (int k = 0; o->score_order && k < o->columns; k++)
        free(o->score_order[k]);
    free(o->score_order);
    free(o->value_order);
    free(o->estimate_order);
    o->score_order = NULL;
    o->value_order = o->estimate_order = NULL;
    o->event_count = 0;
    o->prepared = false;
}

void lm_outcomes_free(lm_outcomes *o)
{
    if (!o)
        return;
    forget_orders(o);
    for (int k = 0; o->names && k < o->columns; k++)
        free(o->names[k]);
    lm_tag_set_free(o->tags);
    void *const arrays[] = {o->names,  o->number, o->loss,   o->labels,    o->truth,         o->predicted,
                            o->place,  o->truths, o->chosen, o->scores,    o->value,         o->estimate,
                            o->hits,   o->words,  o->bytes,  o->tag_truth, o->tag_predicted, o->tag_splits,
                            o->events, o->exact,  o->f1,     o->span_score, o->null_score,  o->no_answer};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    free(o);
}

/* ------------------------------------------------------------------ rows */

#define RESIZE(array, per_row) ((array) = lm_realloc((array), o->cap * (per_row), sizeof *(array)))

static void grow(lm_outcomes *o)
{
    size_t columns = (size_t)o->columns;
    o->cap = o->cap ? 2 * o->cap : 256;
    RESIZE(o->number, 1);
    RESIZE(o->loss, 1);
    RESIZE(o->labels, 1);
    switch (o->kind) {
    case LM_MEASURE_CLASSES:
        RESIZE(o->truth, 1);
        RESIZE(o->predicted, 1);
        RESIZE(o->place, 1);
        break;
    case LM_MEASURE_MULTI_LABEL:
        RESIZE(o->truths, columns);
        RESIZE(o->chosen, columns);
        break;
    case LM_MEASURE_VALUES:
        RESIZE(o->value, 1);
        RESIZE(o->estimate, 1);
        break;
    case LM_MEASURE_TAGS:
        o->tag_splits = lm_realloc(o->tag_splits, o->cap + 1, sizeof *o->tag_splits);
        o->tag_splits[0] = 0;
        RESIZE(o->hits, 1);
        break;
    case LM_MEASURE_NEXT:
        RESIZE(o->words, 1);
        RESIZE(o->bytes, 1);
        RESIZE(o->hits, 1);
        break;
    case LM_MEASURE_TOKENS:
    case LM_MEASURE_TARGETS:
        RESIZE(o->hits, 1);
        break;
    case LM_MEASURE_SPAN:
        RESIZE(o->exact, 1);
        RESIZE(o->f1, 1);
        RESIZE(o->span_score, 1);
        RESIZE(o->null_score, 1);
        RESIZE(o->no_answer, 1);
        break;
    case LM_MEASURE_NOTHING:
        break;
    }
}

size_t lm_outcomes_add(lm_outcomes *o, uint64_t number)
{
    if (o->prepared)
        forget_orders(o);
    if (o->rows == o->cap)
        grow(o);
    size_t row = o->rows++;
    o->number[row] = number;
    o->loss[row] = 0;
    o->labels[row] = 0;
    if (o->hits)
        o->hits[row] = 0;
    if (o->words)
        o->words[row] = o->bytes[row] = LM_TEXT_UNKNOWN;
    if (o->tag_splits)
        o->tag_splits[row + 1] = o->tag_count;
    if (o->exact) {
        o->exact[row] = o->f1[row] = 0;
        o->span_score[row] = -INFINITY;
        o->null_score[row] = INFINITY;
        o->no_answer[row] = 1;
    }
    return row;
}

void lm_outcomes_span(lm_outcomes *o, size_t row, const lm_span_found *found)
{
    o->loss[row] += found->loss;
    o->labels[row]++;
    o->no_answer[row] &= found->no_answer;
    o->null_score[row] = fmin(o->null_score[row], found->null_score);
    if (!found->any || !(found->score > o->span_score[row]))
        return;
    o->span_score[row] = found->score;
    o->exact[row] = found->exact;
    o->f1[row] = found->f1;
}

/* Room for the probabilities of a row; NULL where they are not kept, or no longer. */
static float *scores_of(lm_outcomes *o, size_t row)
{
    size_t columns = (size_t)o->columns, needed = (row + 1) * columns;
    if (!o->how.ranks)
        return NULL;
    if (needed > SCORES_MAX) {
        lm_warn("%zu rows of %d classes: too many to keep all probabilities: ranking and calibration are "
                "left out",
                row, o->columns);
        free(o->scores);
        o->scores = NULL;
        o->how.ranks = false;
        return NULL;
    }
    if (needed > o->scores_cap) {
        o->scores_cap = o->cap * columns;
        o->scores = lm_realloc(o->scores, o->scores_cap, sizeof *o->scores);
    }
    return o->scores + row * columns;
}

void lm_outcomes_class(lm_outcomes *o, size_t row, int truth, const float *logits)
{
    float *scores = scores_of(o, row);
    if (scores)
        lm_softmax_row(logits, o->columns, scores);
    o->truth[row] = truth;
    o->predicted[row] = lm_argmax(logits, o->columns);
    o->place[row] = 0;
    for (int k = 0; k < o->columns; k++)
        o->place[row] += logits[k] > logits[truth] || (logits[k] == logits[truth] && k < truth);
    o->labels[row] = 1;
}

void lm_outcomes_classes(lm_outcomes *o, size_t row, const uint8_t *truth, const float *logits)
{
    float *scores = scores_of(o, row);
    size_t at = row * (size_t)o->columns;
    if (scores)
        lm_sigmoid_row(logits, o->columns, scores);
    for (int k = 0; k < o->columns; k++)
        o->truths[at + (size_t)k] = truth[k] != 0;
    lm_choose_row(logits, o->columns, o->chosen + at);
    o->labels[row] = 1;
}

void lm_outcomes_value(lm_outcomes *o, size_t row, double truth, double estimate)
{
    o->value[row] = truth;
    o->estimate[row] = estimate;
    o->labels[row] = 1;
}

void lm_outcomes_token(lm_outcomes *o, int32_t truth, int32_t predicted, double loss)
{
    size_t row = o->rows - 1;
    o->loss[row] += loss;
    o->labels[row]++;
    o->hits[row] += truth == predicted;
    if (!o->tags)
        return;
    if (o->tag_count == o->tag_cap) {
        o->tag_cap = o->tag_cap ? 2 * o->tag_cap : 1024;
        o->tag_truth = lm_realloc(o->tag_truth, o->tag_cap, sizeof *o->tag_truth);
        o->tag_predicted = lm_realloc(o->tag_predicted, o->tag_cap, sizeof *o->tag_predicted);
    }
    o->tag_truth[o->tag_count] = truth;
    o->tag_predicted[o->tag_count] = predicted;
    o->tag_splits[row + 1] = ++o->tag_count;
}

/* ------------------------------------------------------------------ preparation */

static void add_event(lm_outcomes *o, lm_entity_event event)
{
    LM_GROW(o->events, o->event_count, o->event_cap);
    o->events[o->event_count++] = event;
}

/* -1, 0, 1: which of two entities comes first; equal ones are the same entity. */
static int compare(const lm_entity *a, const lm_entity *b)
{
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    if (a->last != b->last)
        return a->last < b->last ? -1 : 1;
    return a->type < b->type ? -1 : a->type > b->type;
}

static void find_events(lm_outcomes *o)
{
    lm_entity *truth = NULL, *predicted = NULL;
    size_t room = 0;
    for (size_t row = 0; row < o->rows; row++) {
        size_t from = o->tag_splits[row], n = o->tag_splits[row + 1] - from;
        if (n >= room) {
            room = 2 * n + 2;
            truth = lm_realloc(truth, room, sizeof *truth);
            predicted = lm_realloc(predicted, room, sizeof *predicted);
        }
        size_t t = 0, p = 0, truths = lm_entities_find(o->tags, o->how.scheme, o->tag_truth + from, n, truth);
        size_t found = lm_entities_find(o->tags, o->how.scheme, o->tag_predicted + from, n, predicted);
        while (t < truths || p < found) {
            int order = t == truths ? 1 : p == found ? -1 : compare(&truth[t], &predicted[p]);
            add_event(o, (lm_entity_event){(uint32_t)row, order <= 0 ? truth[t].type : predicted[p].type,
                                           order <= 0, order >= 0});
            t += order <= 0;
            p += order >= 0;
        }
    }
    free(truth);
    free(predicted);
}

void lm_outcomes_prepare(lm_outcomes *o)
{
    if (o->prepared)
        return;
    o->prepared = true;
    if (o->scores) {
        o->score_order = lm_calloc((size_t)o->columns, sizeof *o->score_order);
        for (int k = 0; k < o->columns; k++)
            o->score_order[k] = lm_ranking_order(o->scores, o->rows, o->columns, k);
    }
    if (o->kind == LM_MEASURE_VALUES) {
        o->value_order = lm_order(o->value, o->rows);
        o->estimate_order = lm_order(o->estimate, o->rows);
    }
    if (o->tags && o->tags->entities)
        find_events(o);
}
