/* Reading rows piece by piece with a causal model, or with the second stack of one that has two: a prefix, then a token,
 * or a few, at a time. The logits are those of the whole rows. */
#ifndef LM_MODEL_DECODE_H
#define LM_MODEL_DECODE_H

#include "model/model.h"

typedef struct lm_decoding lm_decoding;

/* Rows that have no tokens yet. Fails unless the model was opened with a head that predicts words, and sees nothing of what
 * follows. The model outlives it. */
lm_decoding *lm_decoding_new(lm_model *m, int rows, lm_status *st);
/* Keys and values are kept in type from now on: LM_F32 (if this is not called), or with less memory and exactness LM_F16 or
 * LM_Q8_0. Before anything is read. */
void lm_decoding_keep_as(lm_decoding *d, lm_dtype type);
void lm_decoding_free(lm_decoding *d);

int lm_decoding_rows(const lm_decoding *d);
int lm_decoding_length(const lm_decoding *d, int row); /* tokens that it has read */
int lm_decoding_room(const lm_decoding *d, int row);   /* that it can still read; INT_MAX = no limit */
int lm_decoding_columns(const lm_decoding *d);         /* of the logits: words of the vocabulary */
size_t lm_decoding_bytes(const lm_decoding *d);        /* what is remembered of the rows takes this much */

/* Reads rows of the encoder, of a model that has one: each once, before anything else of it is read; those that have no tokens
 * in `source` were encoded before, or wait. What the second stack asks of them is kept; they are not read again. */
bool lm_decoding_encode(lm_decoding *d, const lm_batch *source, lm_status *st);

/* Reads on: row r has the tokens [splits[r], splits[r+1]) of ids, of any number; none where it waits. Logits of the last
 * token of each row that has any, those rows one after the other, or of `every` token: [n, columns], until the next call.
 * NULL = failed; then the decoder is of no more use, unless nothing was read ("row R: ..."). */
const float *lm_decoding_read(lm_decoding *d, const int32_t *splits, const int32_t *ids, bool every, lm_status *st);

/* What the decoder remembers of a row that has read ids, [lm_decoding_length], to the file `path` (safetensors; as a whole or not at
 * all), and back: the decoder, of one row without tokens, has read the ids that are returned then, [*count], to be freed. NULL:
 * failed, as with the file of another model or of another lm_decoding_keep_as. Not of a model with an encoder. */
bool lm_decoding_save(const lm_decoding *d, int row, const int32_t *ids, const char *path, lm_status *st);
int32_t *lm_decoding_restore(lm_decoding *d, const char *path, int *count, lm_status *st);

/* Row i is from now on what row from[i] was; -1 = a row without tokens, to be encoded first where there is an encoder. Rows are
 * permuted, dropped and forked so. Between lm_decoding_encode and the first tokens it fails. */
bool lm_decoding_select(lm_decoding *d, const int32_t *from, int rows, lm_status *st);
/* The row forgets its last tokens, and has `length`. Exact for those that the last call of lm_decoding_read has read; of more a
 * window (lm_attn) has let go what it would see again. Fails for a model that keeps states, or reads an encoder's. */
bool lm_decoding_shorten(lm_decoding *d, int row, int length, lm_status *st);

#endif
