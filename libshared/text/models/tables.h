/* What is large in a model: its tokens, and the merges or scores that belong to them. Read from
 * tokenizer.json, or made by the readers of other files and by training. */
#ifndef LM_TEXT_MODELS_TABLES_H
#define LM_TEXT_MODELS_TABLES_H

#include "text/vocabulary.h"

#include <jansson.h>

/* Two tokens that BPE joins to the one that is their concatenation (less the prefix of tokens inside a word).
 */
typedef struct lm_merge {
    int32_t left, right;
} lm_merge;

/* Zero-initialise; free with lm_token_tables_free. */
typedef struct lm_token_tables {
    lm_vocabulary vocabulary;
    lm_merge *merges; /* BPE: the first comes first */
    size_t merge_count, merge_cap;
    double *scores; /* Unigram: a logarithmic probability for each id; else NULL */
    size_t score_cap;
} lm_token_tables;

void lm_token_tables_free(lm_token_tables *t);
/* One more token of Unigram, with the next id. It may be there already; then the later id counts. */
bool lm_token_tables_score(lm_token_tables *t, lm_str token, double score, lm_status *st);
/* One more merge, of tokens that have to be in the vocabulary already. */
bool lm_token_tables_merge(lm_token_tables *t, lm_str left, lm_str right, lm_status *st);
/* n more, n <= LM_VOCABULARY_AT_ONCE / 2: left and right of each. False: one of them is not in the vocabulary. */
bool lm_token_tables_merges(lm_token_tables *t, const lm_str *parts, size_t n);
/* From the members "vocab" and "merges" of a model in tokenizer.json, in all forms that it has had: vocab an
 * object of ids, or (Unigram) an array of [token, score]; merges an array of "left right" or of [left,
 * right]. */
bool lm_token_tables_read(lm_token_tables *t, json_t *model, lm_status *st);
/* The same, quickly, out of the bytes of a tokenizer.json: appends to `rest` what else stands in it, with
 * both members empty. False, and nothing is taken, where something is not as it should be, or only unusual.
 */
bool lm_token_tables_scan(lm_token_tables *t, lm_str json, lm_buf *rest);
/* "left right", as merges.txt has it: false if there is not just one space. */
bool lm_merge_parts(lm_str merge, lm_str *left, lm_str *right);

#endif
