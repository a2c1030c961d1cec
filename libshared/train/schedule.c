#include "train/schedule.h"

#include <math.h>
#include <stddef.h>

const char *const lm_schedule_names[] = {"linear", "cosine", "constant", "inverse-sqrt", NULL};

uint64_t lm_schedule_warmup_steps(double ratio, uint64_t total)
{
    /* 0.1*30 is a little more than 3 in binary: a rounding error must not add a step */
    double steps = ratio * (double)total;
    double nearest = nearbyint(steps);
    return (uint64_t)(fabs(steps - nearest) < 1e-9 * (1 + nearest) ? nearest : ceil(steps));
}

double lm_schedule_factor(const lm_schedule *s, uint64_t step)
{
    if (step < s->warmup)
        return (double)step / (double)s->warmup;
    double after = (double)(step - s->warmup);
    double span = s->total > s->warmup ? (double)(s->total - s->warmup) : 1;
    switch (s->kind) {
    case LM_SCHEDULE_LINEAR:
        return fmax(0, (span - after) / span);
    case LM_SCHEDULE_COSINE:
        return after >= span ? 0 : 0.5 * (1 + cos(M_PI * after / span));
    case LM_SCHEDULE_INVERSE_SQRT: {
        double scale = s->warmup ? (double)s->warmup : 10000; /* transformers' default time scale */
        return 1 / sqrt((after + scale) / scale);
    }
    case LM_SCHEDULE_CONSTANT:
        break;
    }
    return 1;
}
