/* Reading rows piece by piece with a causal model, or with the second stack of one that has two: a prefix, then a token,
 * or a few, at a time. The logits are those of the whole rows. */
#ifndef LM_MODEL_DECODE_H
#define LM_MODEL_DECODE_H

#include "model/model.h"

typedef struct lm_decoding lm_decoding;

/* Rows that have no tokens yet. Fails unless the model was opened with a head that predicts words, and sees nothing of what
 * follows. The model outlives it. */
lm_decoding *lm_decoding_new(lm_model *m, int rows, lm_status *st);
void lm_decoding_free(lm_decoding *d);

int lm_decoding_rows(const lm_decoding *d);
int lm_decoding_length(const lm_decoding *d, int row); /* tokens that it has read */
int lm_decoding_room(const lm_decoding *d, int row);   /* that it can still read; INT_MAX = no limit */
int lm_decoding_columns(const lm_decoding *d);         /* of the logits: words of the vocabulary */
size_t lm_decoding_bytes(const lm_decoding *d);        /* what is remembered of the rows takes this much */

/* Reads the rows of the encoder, of a model that has one: once, before anything else. What the second stack asks of them is
 * kept; they are not read again. */
bool lm_decoding_encode(lm_decoding *d, const lm_batch *source, lm_status *st);

/* Reads on: row r has the tokens [splits[r], splits[r+1]) of ids, of any number; none where it waits. Logits of the last
 * token of each row that has any, those rows one after the other, or of `every` token: [n, columns], until the next call.
 * NULL = failed; then the decoder is of no more use, unless nothing was read ("row R: ..."). */
const float *lm_decoding_read(lm_decoding *d, const int32_t *splits, const int32_t *ids, bool every, lm_status *st);

/* Row i is from now on what row from[i] was; -1 = a row without tokens, which a model with an encoder does not have. Rows are
 * permuted, dropped and forked so. Between lm_decoding_encode and the first tokens it fails. */
bool lm_decoding_select(lm_decoding *d, const int32_t *from, int rows, lm_status *st);

#endif
