#include "train/optimizer/schedule.h"

#include "base/plot.h"
#include "base/terminal.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

/* Lines of a table of rates, and a plot's rows. */
enum { LISTED = 50, PLOT_ROWS = 8 };

static const double SLANTED_FLOOR = 1.0 / 32;

const char *const lm_schedule_names[] = {"linear",       "cosine",      "constant",     "inverse-sqrt", "cosine-restarts",
                                         "polynomial",   "stable-decay", "slanted-triangular", "exponential", "step",
                                         "relative-step", "relative-step-warmup", NULL};
const char *const lm_schedule_synonyms[] = {
    "constant_with_warmup", "constant",     "cosine_with_restarts", "cosine-restarts", "cosine_with_min_lr", "cosine",
    "inverse_sqrt",         "inverse-sqrt", "warmup_stable_decay",  "stable-decay",    "wsd",                "stable-decay",
    "stlr",                 "slanted-triangular", NULL};
const char *const lm_schedule_shapes[] = {"linear", "cosine", "1-sqrt", NULL};

bool lm_schedule_has_rate(lm_schedule_kind kind)
{
    return kind == LM_SCHEDULE_EXPONENTIAL || kind == LM_SCHEDULE_STEP;
}

bool lm_schedule_has_end(lm_schedule_kind kind)
{
    return kind != LM_SCHEDULE_CONSTANT && kind != LM_SCHEDULE_INVERSE_SQRT && !lm_schedule_has_rate(kind) &&
           !lm_schedule_is_absolute(kind);
}

bool lm_schedule_is_absolute(lm_schedule_kind kind)
{
    return kind == LM_SCHEDULE_RELATIVE || kind == LM_SCHEDULE_RELATIVE_WARMUP;
}

double lm_schedule_peak(lm_schedule_kind kind, double learning_rate)
{
    return lm_schedule_is_absolute(kind) ? 1 : learning_rate;
}

uint64_t lm_schedule_warmup_steps(lm_schedule_kind kind, double ratio, uint64_t total)
{
    if (lm_schedule_is_absolute(kind))
        return 0;
    /* 0.1*30 is a little more than 3 in binary: a rounding error must not add a step */
    double steps = ratio * (double)total;
    double nearest = nearbyint(steps);
    if (fabs(steps - nearest) < 1e-9 * (1 + nearest))
        return (uint64_t)nearest;
    return (uint64_t)(kind == LM_SCHEDULE_SLANTED_TRIANGULAR ? floor(steps) : ceil(steps));
}

static double wave(double cycles, double progress)
{
    return fmax(0, 0.5 * (1 + cos(2 * M_PI * cycles * progress)));
}

/* From 0 to 1. */
static double rise(lm_schedule_shape shape, double progress)
{
    return shape == LM_SHAPE_LINEAR ? progress : shape == LM_SHAPE_COSINE ? 1 - wave(0.5, progress) : 1 - sqrt(1 - progress);
}

/* The last steps of STABLE_DECAY, from 1 to 0. */
static double fall_at_last(const lm_schedule *s, double progress)
{
    if (s->decay_shape == LM_SHAPE_COSINE)
        return wave(s->cycles > 0 ? s->cycles : 0.5, progress);
    return 1 - (s->decay_shape == LM_SHAPE_LINEAR ? progress : sqrt(progress));
}

/* From 1 to 0, over progress from 0 to 1. */
static double fall(const lm_schedule *s, double after, double span)
{
    double progress = fmin(1, after / span), decay = s->decay ? (double)s->decay : ceil((double)s->total / 10);
    switch (s->kind) {
    case LM_SCHEDULE_COSINE:
        return wave(s->cycles > 0 ? s->cycles : 0.5, progress);
    case LM_SCHEDULE_COSINE_RESTARTS:
        return progress < 1 ? wave(0.5, fmod((s->cycles > 0 ? s->cycles : 1) * progress, 1)) : 0;
    case LM_SCHEDULE_POLYNOMIAL:
        return pow(1 - progress, s->power > 0 ? s->power : 1);
    case LM_SCHEDULE_STABLE_DECAY:
        return progress < 1 ? fall_at_last(s, fmin(1, fmax(0, after - span + decay) / fmax(1, decay))) : 0;
    default:
        return 1 - progress;
    }
}

double lm_schedule_factor(const lm_schedule *s, uint64_t step)
{
    bool slanted = s->kind == LM_SCHEDULE_SLANTED_TRIANGULAR;
    double floor_of = slanted && s->floor <= 0 ? SLANTED_FLOOR : s->floor;
    if (step < s->warmup) {
        double risen = rise(s->warmup_shape, (double)step / (double)s->warmup);
        return slanted ? floor_of + (1 - floor_of) * risen : risen;
    }
    double after = (double)(step - s->warmup);
    double span = s->total > s->warmup ? (double)(s->total - s->warmup) : 1;
    if (lm_schedule_has_end(s->kind))
        return floor_of + (1 - floor_of) * fall(s, after, span);
    if (s->kind == LM_SCHEDULE_CONSTANT)
        return 1;
    if (lm_schedule_is_absolute(s->kind))
        return fmin(s->kind == LM_SCHEDULE_RELATIVE ? 1e-2 : 1e-6 * (after + 1), 1 / sqrt(after + 1));
    if (lm_schedule_has_rate(s->kind)) {
        double times = after / (double)(s->decay_every ? s->decay_every : 1);
        return pow(s->decay_rate, s->kind == LM_SCHEDULE_STEP ? floor(times) : times);
    }
    double scale = s->warmup ? (double)s->warmup : 10000; /* transformers' default time scale */
    return 1 / sqrt((after + scale) / scale);
}

/* ------------------------------------------------------------------ for people and programs */

typedef struct rates {
    const lm_schedule *schedule;
    double rate;
} rates;

static double rate_at(const void *context, double x)
{
    const rates *r = context;
    return r->rate * lm_schedule_factor(r->schedule, (uint64_t)(x - 0.5)); /* rounded, and counted from 0 */
}

static void put_line(const rates *r, uint64_t step, lm_buf *out)
{
    lm_buf_printf(out, "learning_rate\t%" PRIu64 "\t%.9g\n", step + 1, r->rate * lm_schedule_factor(r->schedule, step));
}

static void list(const rates *r, lm_buf *out)
{
    uint64_t warmup = r->schedule->warmup, said = UINT64_MAX;
    for (int i = 0; i < LISTED; i++) {
        uint64_t step = (uint64_t)nearbyint((double)(r->schedule->total - 1) * i / (LISTED - 1));
        if (said < warmup && warmup < step)
            put_line(r, warmup, out);
        if (step != said)
            put_line(r, step, out);
        said = step;
    }
}

void lm_schedule_print(const lm_schedule *s, double rate, int columns, lm_buf *out)
{
    const rates r = {s, rate};
    if (s->total == 0 || s->total == UINT64_MAX)
        return;
    if (columns <= 0) {
        list(&r, out);
        return;
    }
    lm_plot plot = {.title = "learning rate", .unit = "step", .first = 1, .last = (double)s->total, .columns = columns,
                    .rows = PLOT_ROWS, .ascii = !lm_terminal_utf8()};
    lm_plot_print(&plot, rate_at, &r, out);
}
