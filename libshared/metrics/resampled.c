#include "metrics/resampled.h"

#include "base/memory.h"
#include "metrics/bootstrap.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

typedef struct resampled {
    const lm_measurable *mine, *other; /* other: NULL = none */
    const lm_report *named;            /* whose names are wanted; of `other`, those that both have */
} resampled;

static lm_report *report_of(const lm_measurable *m, const uint32_t *times)
{
    lm_report *r = lm_report_new();
    m->measure(m->of, times, r);
    return r;
}

static double value_of(const lm_report *r, const char *name)
{
    double value = NAN;
    lm_report_find(r, name, &value);
    return value;
}

static void values_of(const void *context, const uint32_t *times, double *values)
{
    const resampled *s = context;
    lm_report *r = report_of(s->mine, times);
    for (size_t i = 0; i < lm_report_size(s->named); i++)
        lm_report_at(r, i, &values[i]);
    lm_report_free(r);
}

/* This one's less the other's, of each measure that both have. */
static void differences(const void *context, const uint32_t *times, double *values)
{
    const resampled *s = context;
    lm_report *mine = report_of(s->mine, times), *other = report_of(s->other, times);
    for (size_t i = 0; i < lm_report_size(s->named); i++) {
        double theirs;
        const char *name = lm_report_at(other, i, &theirs);
        values[i] = value_of(mine, name) - theirs;
    }
    lm_report_free(mine);
    lm_report_free(other);
}

void lm_add_intervals(const lm_measurable *m, size_t rows, const lm_measure_options *how, size_t first, lm_report *r)
{
    lm_report *named = report_of(m, NULL);
    resampled s = {m, NULL, named};
    size_t count = lm_report_size(named);
    double *values = lm_bootstrap(rows, how->resamples, how->seed, count, values_of, &s);
    for (size_t i = 0; i < count; i++) {
        lm_interval ci = lm_bootstrap_interval(values, how->resamples, count, i, how->level);
        if (!lm_report_is_count(r, first + i))
            lm_report_interval(r, first + i, ci.low, ci.high);
    }
    free(values);
    lm_report_free(named);
}

static void add_named(lm_report *r, const char *what, const char *name, double value)
{
    char *full = lm_format("%s_%s", what, name);
    lm_report_add(r, full, value);
    free(full);
}

void lm_add_comparison(const lm_measurable *mine, const lm_measurable *other, size_t rows, const lm_measure_options *how, lm_report *r)
{
    lm_report *named = report_of(other, NULL);
    resampled s = {mine, other, named};
    size_t count = lm_report_size(named);
    int n = how->resamples;
    double *observed = lm_malloc(count + 1, sizeof *observed);
    differences(&s, NULL, observed);
    double *values = lm_bootstrap(rows, n, how->seed, count, differences, &s);
    for (size_t i = 0; i < count; i++) {
        double theirs;
        const char *name = lm_report_at(named, i, &theirs);
        add_named(r, "other", name, theirs);
        add_named(r, "delta", name, observed[i]);
        lm_interval ci = lm_bootstrap_interval(values, n, count, i, how->level);
        if (how->intervals)
            lm_report_interval(r, lm_report_size(r) - 1, ci.low, ci.high);
        add_named(r, "p", name, lm_bootstrap_p(values, n, count, i, observed[i]));
    }
    char *text = lm_format("paired-bootstrap,%d,%" PRIu64, n, how->seed);
    lm_report_text(r, "comparison", text);
    free(text);
    free(values);
    free(observed);
    lm_report_free(named);
}

void lm_sign_intervals(const lm_measure_options *how, lm_buf *out)
{
    lm_buf_printf(out, "ci:percentile,%g,%d,%" PRIu64, 100 * how->level, how->resamples, how->seed);
}
