/* What is taken out of the texts of all records: an operation that has seen them marks it, and the records lose it when they come
 * by again.
 *
 * Marks are bits. An operation counts places through all records: so many for each as it needs, bytes or lines. A bit for each
 * place and eight bytes a record are kept, in memory or past the budget in a file. */
#ifndef LM_AUGMENT_OVERLAP_CUTS_H
#define LM_AUGMENT_OVERLAP_CUTS_H

#include "augment/augment.h"
#include "augment/overlap/stretches.h"
#include "stream/scratch.h"

#include <stdatomic.h>

typedef struct lm_cuts {
    const char *name;        /* of the operation */
    lm_scratch *scratch;     /* the operation's */
    lm_scratch_array starts; /* uint64_t for each record: its first place */
    lm_scratch_array bits;
    uint64_t records, places;
    atomic_uint_fast64_t bytes, cut, changed, dropped; /* bytes and records, for the report */
} lm_cuts;

void lm_cuts_free(lm_cuts *c);
/* The next record in the order of the input has so many places; they begin at c->places. */
bool lm_cuts_enter(lm_cuts *c, uint64_t places, lm_status *st);
/* Behind the last record, before the first mark. */
bool lm_cuts_ready(lm_cuts *c, lm_status *st);
/* Marks the places [from, to). Any thread. */
void lm_cuts_mark(lm_cuts *c, uint64_t from, uint64_t to);
/* The first place in [from, to) that is marked (or is not); `to` where there is none. */
uint64_t lm_cuts_next(const lm_cuts *c, uint64_t from, uint64_t to, bool marked);

/* Lists what of a text is to be cut: bytes of it, in ascending order, into `out`, which is empty. `place` is the first of this text, and
 * is moved behind its last. */
typedef void lm_cuts_of_text(void *self, lm_str text, uint64_t *place, lm_stretches *out);
/* Cuts it out of a batch's texts, whole characters only, with the white space that comes to stand at the end of a text. A record of
 * which nothing but white space is left is dropped. Any thread. */
void lm_cuts_apply(lm_cuts *c, lm_cuts_of_text *of_text, void *self, lm_drafts *batch);
/* For lm_operation_kind.report. */
void lm_cuts_report(const lm_cuts *c, lm_buf *out);

#endif
