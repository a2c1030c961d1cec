/* Inside train: pairs of sentences out of documents, as BERT and ALBERT are pretrained on (LM_INSTANCES_NEXT_SENTENCE and
 * LM_INSTANCES_SENTENCE_ORDER; Devlin et al. 2018, arXiv 1810.04805; Lan et al. 2019, arXiv 1909.11942), as the
 * create_pretraining_data.py of each makes them.
 *
 * A row is a sentence, and those of one `doc` in their order a document. A document is gone through in chunks of as many
 * sentences as reach `length` - 3 tokens, or with probability `short_share` a target of 2 to `length` - 3 that is drawn for
 * the document. A is the first 1 to n-1 sentences of a chunk. For next-sentence prediction B is with probability 1/2, and
 * where the chunk has one sentence, what follows a random sentence of a random other document until the target is reached
 * (label 1), and then the rest of the chunk is gone through again; else B is the rest (label 0). For sentence order B is
 * always the rest, and A and B change places with probability 1/2 (label 1); of a chunk of one sentence B is as above, of
 * another document. What is too long loses tokens from the longer of the two, one by one, at its front or its end with
 * probability 1/2 each.
 *
 * Each epoch draws anew. Draws are keyed by (epoch, document), those of the cuts by (epoch, pair). */
#ifndef LM_TRAIN_SENTENCE_PAIRS_H
#define LM_TRAIN_SENTENCE_PAIRS_H

#include "train/data/instances.h"

typedef struct lm_sentence_pairs lm_sentence_pairs;

/* A row that begins with `cls_id` and ends with `sep_id` is the sentence between them; fails where either stands elsewhere,
 * or where the rows are no documents. */
lm_sentence_pairs *lm_sentence_pairs_new(const lm_spool_range *rows, const lm_instances_options *how, lm_status *st);
void lm_sentence_pairs_free(lm_sentence_pairs *p);
void lm_sentence_pairs_lay_out(lm_sentence_pairs *p, uint64_t epoch);
uint32_t lm_sentence_pairs_count(const lm_sentence_pairs *p);
const uint32_t *lm_sentence_pairs_lengths(const lm_sentence_pairs *p);
void lm_sentence_pairs_get(const lm_sentence_pairs *p, uint32_t i, lm_arena *room, lm_tokens_row *row);
void lm_sentence_pairs_log(const lm_sentence_pairs *p);

#endif
