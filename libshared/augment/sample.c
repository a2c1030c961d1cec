/* --sample SHARE: some of the records, drawn by lot. */
#include "augment/sample.h"
#include "base/memory.h"

#include <stdlib.h>

typedef struct sample {
    lm_philox_key key;
    double share;
} sample;

static void *sample_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    double share;
    if (!lm_parse_float(value, &share) || !(share >= 0 && share <= 1)) {
        lm_fail(st, LM_USAGE, "--sample: '%s' is no share of the records: give a number from 0 to 1, such as 0.1 or 10%%", value);
        return NULL;
    }
    sample *s = lm_malloc(1, sizeof *s);
    *s = (sample){.key = lm_draw_key(o->seed, place, 0), .share = share};
    return s;
}

static bool sample_apply(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    const sample *s = self;
    (void)room, (void)st;
    for (size_t i = 0; i < batch->count; i++)
        if (lm_random_float(s->key, lm_draw_at(batch->items[i]), 0) >= s->share)
            batch->items[i]->dropped = "sample: was not drawn";
    return true;
}

const lm_operation_kind lm_sample_kind = {.name = "sample", .open = sample_open, .close = free, .apply = sample_apply};
