/* Streams, spools and examples for tests of what is made of rows. */
#ifndef LM_TESTS_MADE_ROWS_H
#define LM_TESTS_MADE_ROWS_H

#include "train/data/data.h"

enum { MADE_CLS = 1, MADE_SEP = 2, MADE_MOST = 200 /* tokens of a row */ };

/* A row that a test makes: `len` tokens first, first + 1 ...; of no document where doc is negative. */
typedef struct made {
    int32_t first;
    int len, doc;
    bool wrapped, masked; /* with [CLS] and [SEP]; with a loss_mask, 1 for odd tokens, and word_ids, a word a token */
} made;

void made_write(const char *path, const made *rows, int n); /* a stream */
lm_spool *made_spool(const made *rows, int n); /* with all columns, also those that no trainer keeps */
/* Of all rows, or of a subset; the second one must not fail. */
lm_instances *made_try_instances(const lm_spool *s, const lm_subset *subset, const lm_instances_options *how, lm_status *st);
lm_instances *made_instances(const lm_spool *s, lm_instances_options how);
/* "5 6 | 10 11": an example's tokens, and where its texts part. Malloced. */
char *made_shown(const lm_instances *in, uint64_t i, lm_arena *room);
/* Of the rows at path, shuffled, 8 a step; inputs, seed and these are not the caller's. */
lm_data *made_data(const char *path, lm_data_options options, const lm_instances_options *how);
char *made_step(lm_data *d, uint64_t step, const lm_targets *t, bool *end); /* its ids, with a comma between rows; malloced */
uint32_t made_draw(uint32_t below); /* the same in every run */

#endif
