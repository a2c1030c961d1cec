/* Which rows of two streams are of one source record. */
#ifndef LM_TRAIN_DATA_PAIRED_H
#define LM_TRAIN_DATA_PAIRED_H

#include "stream/spool.h"

/* Rows in the order in which messages name them. */
typedef struct lm_named_rows {
    const lm_spool *rows;
    const char *name;
} lm_named_rows;

/* Finds for each row of `a` the row of `b` that comes of the same record: with the same `id` where all rows of both have one, else
 * with the same number (`row`), else at the same place. *places [rows of a], malloced; NULL: all stand at the same place. `b` may have
 * further records, and others between, which is said on the log. A record of several rows (--stride, streams one behind the other) is
 * told from its like by the order alone, which then has to be the same in all of both. Rows that belong together have the same label.
 * LM_FAILED: the first record that is missing, or has another label, or several rows in another order. */
bool lm_pair_rows(lm_named_rows a, lm_named_rows b, uint64_t **places, lm_status *st);

#endif
