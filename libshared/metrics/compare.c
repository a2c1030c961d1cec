#include "metrics/compare.h"
#include "base/memory.h"
#include "metrics/resampled.h"
#include "stream/input.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 1 << 26 };

/* The file while it is read. */
typedef struct reading {
    lm_tally *t;
    lm_outcomes *other;
    const char *path;
    uint64_t line; /* from 1 */
    size_t row;    /* of the outcomes: the next that is to be filled */
    uint8_t *chosen;
} reading;

static bool bad_line(const reading *f, lm_status *st, const char *what, lm_str word)
{
    int shown = word.len < 60 ? (int)word.len : 60;
    return lm_fail(st, LM_FAILED,
                   "%s:%" PRIu64 ": \"%.*s\" is %s: the lines of score --tsv for the same rows are expected",
                   f->path, f->line, shown, word.data, what);
}

/* ------------------------------------------------------------------ what a line predicts */

static int class_of(const reading *f, lm_str name)
{
    for (int k = 0; k < f->t->columns; k++) {
        if (lm_str_is(name, f->other->names[k]))
            return k;
    }
    return -1;
}

static bool take_class(reading *f, lm_str word, lm_status *st)
{
    int class = class_of(f, word);
    if (class < 0)
        return bad_line(f, st, "none of the model's classes", word);
    f->other->predicted[f->row] = class;
    return true;
}

/* Classes by name with ", " between. A name may hold that itself: the longest one that fits is taken. */
static bool take_classes(reading *f, lm_str words, lm_status *st)
{
    uint8_t *chosen = f->other->chosen + f->row * (size_t)f->t->columns;
    memset(chosen, 0, (size_t)f->t->columns);
    for (lm_str rest = words; rest.len;) {
        int found = -1;
        size_t taken = 0;
        for (int k = 0; k < f->t->columns; k++) {
            size_t n = strlen(f->other->names[k]);
            bool fits = n <= rest.len && memcmp(rest.data, f->other->names[k], n) == 0 &&
                        (n == rest.len || (n + 2 <= rest.len && memcmp(rest.data + n, ", ", 2) == 0));
            if (fits && (found < 0 || n > taken)) {
                found = k;
                taken = n;
            }
        }
        if (found < 0)
            return bad_line(f, st, "none of the model's classes", rest);
        chosen[found] = 1;
        taken += taken < rest.len ? 2 : 0;
        rest = (lm_str){rest.data + taken, rest.len - taken};
    }
    return true;
}

static bool take_number(reading *f, lm_str word, lm_status *st)
{
    char text[64];
    if (word.len < sizeof text) {
        memcpy(text, word.data, word.len);
        text[word.len] = '\0';
    }
    if (word.len >= sizeof text || !lm_parse_float(text, &f->other->estimate[f->row]))
        return bad_line(f, st, "no number", word);
    return true;
}

/* Tags with spaces between, one for each token that has a label. */
static bool take_tags(reading *f, lm_str words, lm_status *st)
{
    lm_outcomes *o = f->other;
    size_t at = o->tag_splits[f->row], end = o->tag_splits[f->row + 1];
    for (lm_str rest = words; rest.len;) {
        const char *blank = memchr(rest.data, ' ', rest.len);
        lm_str word = {rest.data, blank ? (size_t)(blank - rest.data) : rest.len};
        size_t taken = word.len + (blank != NULL);
        int class = class_of(f, word);
        if (class < 0)
            return bad_line(f, st, "none of the model's tags", word);
        if (at == end)
            return bad_line(f, st, "a list of more tags than the row has labels", words);
        o->hits[f->row] += class == o->tag_truth[at];
        o->tag_predicted[at++] = class;
        rest = (lm_str){rest.data + taken, rest.len - taken};
    }
    return at == end || bad_line(f, st, "a list of fewer tags than the row has labels", words);
}

static bool take_line(reading *f, lm_str line, lm_status *st)
{
    const lm_outcomes *mine = f->t->outcomes;
    const char *tab = line.len ? memchr(line.data, '\t', line.len) : NULL;
    lm_str word = {line.data, tab ? (size_t)(tab - line.data) : line.len};
    f->line++;
    if (f->row == mine->rows || mine->number[f->row] != f->line - 1)
        return true; /* the row has no label */
    bool ok = false;
    switch (f->t->kind) {
    case LM_MEASURE_CLASSES:
        ok = take_class(f, word, st);
        break;
    case LM_MEASURE_MULTI_LABEL:
        ok = take_classes(f, word, st);
        break;
    case LM_MEASURE_VALUES:
        ok = take_number(f, word, st);
        break;
    case LM_MEASURE_TAGS:
        ok = take_tags(f, word, st);
        break;
    case LM_MEASURE_NOTHING:
    case LM_MEASURE_TOKENS:
    case LM_MEASURE_NEXT:
    case LM_MEASURE_TARGETS:
    case LM_MEASURE_SPAN:
        lm_fail(st, LM_USAGE,
                "--compare %s: lines of predictions can be compared for classes, numbers and tags: give the other model's "
                "directory, or its tokens with logits (score --emit logits)", f->path);
        break;
    }
    f->row++;
    return ok;
}

static void *copy(const void *data, size_t count, size_t size)
{
    void *to = lm_malloc(count + 1, size);
    if (count)
        memcpy(to, data, count * size);
    return to;
}

/* Outcomes with the truth of others, and nothing predicted yet. */
static lm_outcomes *same_truth(const lm_tally *t)
{
    const lm_outcomes *mine = t->outcomes;
    lm_measure_options how = t->how;
    how.ranks = false;
    lm_outcomes *o = lm_outcomes_new(mine->kind, mine->columns, t->config, &how);
    size_t n = mine->rows;
    for (size_t i = 0; i < n; i++) {
        lm_outcomes_add(o, mine->number[i]);
        o->labels[i] = mine->labels[i];
    }
    if (mine->kind == LM_MEASURE_CLASSES)
        memcpy(o->truth, mine->truth, n * sizeof *o->truth);
    if (mine->kind == LM_MEASURE_MULTI_LABEL)
        memcpy(o->truths, mine->truths, n * (size_t)mine->columns);
    if (mine->kind == LM_MEASURE_VALUES)
        memcpy(o->value, mine->value, n * sizeof *o->value);
    if (mine->kind == LM_MEASURE_TAGS) {
        memcpy(o->tag_splits, mine->tag_splits, (n + 1) * sizeof *o->tag_splits);
        o->tag_truth = copy(mine->tag_truth, mine->tag_count, sizeof *o->tag_truth);
        o->tag_predicted = lm_calloc(mine->tag_count + 1, sizeof *o->tag_predicted);
        o->tag_count = o->tag_cap = mine->tag_count;
    }
    free(o->place); /* what a line predicts has no order of classes */
    o->place = NULL;
    return o;
}

static lm_outcomes *read_other(lm_tally *t, lm_input *in, lm_status *st)
{
    reading f = {.t = t, .other = same_truth(t), .path = lm_input_name(in)};
    bool end = false;
    while (lm_ok(st)) {
        lm_str line;
        if (!lm_input_line(in, LINE_MAX_BYTES, &line, &end, NULL, st) || end)
            break;
        take_line(&f, line, st);
    }
    if (lm_ok(st) && f.line != t->rows)
        lm_fail(st, LM_FAILED,
                "%s: %" PRIu64 " lines, and there are %" PRIu64 " rows: the lines of score --tsv for the "
                "same rows are expected",
                f.path, f.line, t->rows);
    if (lm_ok(st))
        return f.other;
    lm_outcomes_free(f.other);
    return NULL;
}

/* ------------------------------------------------------------------ the test */

static void measure_tally(const void *of, const uint32_t *times, lm_report *r)
{
    lm_tally_measure(of, times, false, r);
}

/* What the other has predicted alone is known. */
static void measure_predictions(const void *of, const uint32_t *times, lm_report *r)
{
    lm_outcomes_measure(of, times, false, r);
}

static void test(const lm_tally *mine, const lm_measurable *other, lm_report *r)
{
    lm_add_comparison(&(lm_measurable){measure_tally, mine}, other, mine->outcomes->rows, &mine->how, r);
}

bool lm_compare_lines(lm_tally *t, lm_input *in, lm_report *r, lm_status *st)
{
    lm_outcomes *other = t->outcomes ? read_other(t, in, st) : NULL;
    if (!other)
        return lm_ok(st);
    lm_outcomes_prepare(other);
    test(t, &(lm_measurable){measure_predictions, other}, r);
    lm_outcomes_free(other);
    return true;
}

/* Whether both have measured the same rows, in the same way. */
static bool comparable(const lm_tally *mine, const lm_tally *other, const char *name, lm_status *st)
{
    const lm_outcomes *a = mine->outcomes, *b = other->outcomes;
    if (mine->kind != other->kind)
        return lm_fail(st, LM_FAILED, "--compare %s: it predicts something else than the model of -m", name);
    if (mine->rows != other->rows || mine->digest != other->digest)
        return lm_fail(st, LM_FAILED, "--compare %s: not of the same rows: it has %" PRIu64 ", and there are %" PRIu64, name,
                       other->rows, mine->rows);
    if (b && !mine->next != !other->next) /* whose losses are sums of different things */
        return lm_fail(st, LM_FAILED, "--compare %s: the next sentence is measured of one of the two alone: give --task mlm",
                       name);
    bool same = b && a->rows == b->rows && memcmp(a->number, b->number, a->rows * sizeof *a->number) == 0;
    return same || lm_fail(st, LM_FAILED, "--compare %s: the two models do not know the labels of the same rows", name);
}

bool lm_compare(lm_tally *mine, lm_tally *other, const char *name, lm_report *r, lm_status *st)
{
    if (!mine->outcomes || !comparable(mine, other, name, st))
        return lm_ok(st);
    lm_outcomes_prepare(other->outcomes);
    test(mine, &(lm_measurable){measure_tally, other}, r);
    return true;
}
