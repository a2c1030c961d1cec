#include "train/optimizer/period.h"

#include "base/memory.h"
#include "base/options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool lm_period_parse(const char *text, lm_period *out)
{
    size_t n = strlen(text);
    int64_t steps;
    *out = (lm_period){.in_epochs = n > 1 && text[n - 1] == 'e'};
    if (out->in_epochs) {
        char *number = lm_strndup(text, n - 1);
        bool ok = lm_parse_float(number, &out->every) && isfinite(out->every) && out->every > 0;
        free(number);
        return ok;
    }
    if (!lm_parse_count(text, &steps) || steps < 1)
        return false;
    out->every = (double)steps;
    return true;
}

uint64_t lm_period_steps(lm_period p, uint64_t steps_per_epoch)
{
    double steps = p.in_epochs ? ceil(p.every * (double)steps_per_epoch - 1e-9) : p.every;
    return steps >= 1 && steps < 0x1p63 ? (uint64_t)steps : UINT64_MAX;
}
