/* An evaluator's outputs, put into the records they came from or written as lines of text. For score.c. */
#ifndef LM_METRICS_EMIT_H
#define LM_METRICS_EMIT_H

#include "base/options.h"
#include "metrics/wording.h"
#include "stream/lms.h"

enum { LM_EMIT_WORDS = 7 };

/* What --emit asks for. */
typedef struct lm_emit {
    unsigned flags;                /* LM_EMIT_* */
    unsigned order[LM_EMIT_WORDS]; /* each flag once, as it was given */
    int count;
} lm_emit;

/* Each of `given` is a word, or several joined by commas. */
bool lm_emit_read(const lm_strings *given, lm_emit *emit, lm_status *st);

/* Writes the record with the columns that `emit` asks for (lmstream(5)) behind its own; columns of these
 * names are replaced, and all else stays as it is. Predictions stand as words too, in `fields` as
 * `prediction`. */
bool lm_emit_record(lm_lms_writer *w, const lm_record *record, const lm_tokens_row *rows,
                    const lm_row_outputs *out, unsigned emit, const lm_wording *wording, lm_status *st);

/* Writes a record of preference pairs with chosen.logprobs and rejected.logprobs, of `out` for all chosen answers and then all rejected
 * ones. */
bool lm_emit_answers(lm_lms_writer *w, const lm_record *record, const lm_tokens_view *view, const lm_row_outputs *out, lm_status *st);

/* Appends a line for each row, fields with tabs between: what `emit` asks for in its order, the row's id (its
 * number where it has none, counted from `first`), its label, its text, and its second text if there is one.
 * In a field of numbers spaces part the tokens or the columns, and commas the columns of a token. */
void lm_emit_lines(const lm_emit *emit, const lm_wording *wording, const lm_tokens_view *view,
                   const lm_tokens_row *rows, const lm_row_outputs *out, uint64_t first, lm_buf *lines);

#endif
