/* Importance matrices: what the columns of weights are multiplied with, which says how much an error in each of them weighs. For
 * each matrix, by the name that GGUF files give it ("blk.0.attn_q.weight"), the sum of the squares of its inputs by column.
 *
 * Both forms of llama.cpp's llama-imatrix are read and written: a GGUF file (general.type "imatrix"; NAME.in_sum2 and
 * NAME.counts), and the older one (.dat), whose sums are divided by tokens and multiplied with calls, and whose count is that of
 * calls: the means are the same. */
#ifndef LM_TENSOR_IMATRIX_H
#define LM_TENSOR_IMATRIX_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lm_imatrix_entry {
    char *name;
    size_t columns;
    float *sum2;  /* [columns] */
    float *mean;  /* [columns] sum2 / count: what lm_quantise takes; 1 where the count is 0, as llama-quantize has it */
    double count; /* rows that were added up (.dat: calls) */
} lm_imatrix_entry;

typedef struct lm_imatrix lm_imatrix;

lm_imatrix *lm_imatrix_new(void);
void lm_imatrix_free(lm_imatrix *m);
/* Reads a file of either form. Sums have to be finite and not negative, names different. */
lm_imatrix *lm_imatrix_read(const char *path, lm_status *st);
/* The same from bytes; `name` is for messages. */
lm_imatrix *lm_imatrix_parse(const void *bytes, size_t size, const char *name, lm_status *st);

size_t lm_imatrix_count(const lm_imatrix *m);
const lm_imatrix_entry *lm_imatrix_at(const lm_imatrix *m, size_t i); /* sorted by name */
/* *mean of the matrix, NULL where the file has none of it. Fails where it has other columns than these: it is of another model. */
bool lm_imatrix_mean(const lm_imatrix *m, const char *name, size_t columns, const float **mean, lm_status *st);
/* The text that it was made of, as the file names it (the last one); NULL = it does not say. And its chunks, 0 = unknown. */
const char *lm_imatrix_dataset(const lm_imatrix *m);
int64_t lm_imatrix_chunks(const lm_imatrix *m);

/* ---- making one ---- */

enum { LM_IMATRIX_CHUNK = 512 }; /* rows of a chunk, by which llama-imatrix counts */

void lm_imatrix_set_dataset(lm_imatrix *m, const char *dataset);
/* An entry of `count` rows. */
bool lm_imatrix_add(lm_imatrix *m, const char *name, const double *sum2, size_t columns, uint64_t count, lm_status *st);
/* After the last one: sorts them, and refuses names that are there twice. */
bool lm_imatrix_settle(lm_imatrix *m, lm_status *st);

typedef enum lm_imatrix_form { LM_IMATRIX_GGUF, LM_IMATRIX_DAT } lm_imatrix_form;

/* Writes what has been settled. */
bool lm_imatrix_write(const lm_imatrix *m, lm_imatrix_form form, int fd, const char *name, lm_status *st);

#endif
