/* Rows as a batch, one behind the other without padding. */
#ifndef LM_METRICS_PACKING_H
#define LM_METRICS_PACKING_H

#include "lmutils/plugin.h"
#include "metrics/gather.h"
#include "stream/tokens.h"

typedef struct lm_packing {
    lm_room splits, ids, types, positions;
} lm_packing;

void lm_packing_free(lm_packing *p);
/* The batch of n rows, whose arrays are the packing's. `target`: of their targets, as the second stack of such a model reads them:
 * shifted by one behind its first token. */
bool lm_packing_make(lm_packing *p, const lm_arch *arch, bool target, const lm_tokens_row *rows, int n, lm_batch *batch, lm_status *st);

#endif
