#include "train/schedule.h"

#include <math.h>
#include <stddef.h>

const char *const lm_schedule_names[] = {"linear", "cosine", "constant", "inverse-sqrt", "cosine-restarts", "polynomial",
                                         "stable-decay", NULL};
const char *const lm_schedule_synonyms[] = {
    "constant_with_warmup", "constant",        "cosine_with_restarts", "cosine-restarts",
    "cosine_with_min_lr",   "cosine",          "inverse_sqrt",         "inverse-sqrt",
    "warmup_stable_decay",  "stable-decay",    NULL};

bool lm_schedule_has_end(lm_schedule_kind kind)
{
    return kind != LM_SCHEDULE_CONSTANT && kind != LM_SCHEDULE_INVERSE_SQRT;
}

uint64_t lm_schedule_warmup_steps(double ratio, uint64_t total)
{
    /* 0.1*30 is a little more than 3 in binary: a rounding error must not add a step */
    double steps = ratio * (double)total;
    double nearest = nearbyint(steps);
    return (uint64_t)(fabs(steps - nearest) < 1e-9 * (1 + nearest) ? nearest : ceil(steps));
}

static double wave(double cycles, double progress)
{
    return fmax(0, 0.5 * (1 + cos(2 * M_PI * cycles * progress)));
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
        return wave(0.5, fmin(1, fmax(0, after - span + decay) / fmax(1, decay)));
    default:
        return 1 - progress;
    }
}

double lm_schedule_factor(const lm_schedule *s, uint64_t step)
{
    if (step < s->warmup)
        return (double)step / (double)s->warmup;
    double after = (double)(step - s->warmup);
    double span = s->total > s->warmup ? (double)(s->total - s->warmup) : 1;
    if (lm_schedule_has_end(s->kind))
        return s->floor + (1 - s->floor) * fall(s, after, span);
    if (s->kind == LM_SCHEDULE_CONSTANT)
        return 1;
    double scale = s->warmup ? (double)s->warmup : 10000; /* transformers' default time scale */
    return 1 / sqrt((after + scale) / scale);
}
