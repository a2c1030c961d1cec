/* Puts an evaluator's outputs into the records they came from. For score.c. */
#ifndef LM_METRICS_EMIT_H
#define LM_METRICS_EMIT_H

#include "metrics/evaluate.h"
#include "stream/lms.h"

/* Writes the record with the columns logits, probs, predictions, hidden, pooled, loss that `emit` asks for
 * (LM_EMIT_*) behind its own; columns of these names are replaced, and all else stays as it is. For classes
 * the predicted names go into `fields` as `prediction`. */
bool lm_emit_record(lm_lms_writer *w, const lm_record *record, const lm_row_outputs *out, unsigned emit,
                    const lm_config *config, lm_status *st);

#endif
