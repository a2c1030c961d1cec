/* Inside train: texts packed into examples of a length (LM_INSTANCES_WRAPPED and LM_INSTANCES_BEST_FIT). */
#ifndef LM_TRAIN_PACKED_ROWS_H
#define LM_TRAIN_PACKED_ROWS_H

#include "train/data/instances.h"

typedef struct lm_packed_rows lm_packed_rows;

lm_packed_rows *lm_packed_rows_new(const lm_spool_range *rows, const lm_instances_options *how, lm_status *st);
void lm_packed_rows_free(lm_packed_rows *p);
uint32_t lm_packed_rows_count(const lm_packed_rows *p);
const uint32_t *lm_packed_rows_lengths(const lm_packed_rows *p);
void lm_packed_rows_get(const lm_packed_rows *p, uint32_t i, lm_arena *room, lm_tokens_row *row);
void lm_packed_rows_log(const lm_packed_rows *p);

#endif
