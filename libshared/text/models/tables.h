/* What is large in a model: its tokens, and the merges or scores that belong to them. Read from
 * tokenizer.json, or made by the readers of other files and by training. */
#ifndef LM_TEXT_MODELS_TABLES_H
#define LM_TEXT_MODELS_TABLES_H

#include "base/map.h"
#include "text/vocabulary.h"

#include <jansson.h>

/* Two tokens that BPE joins to the one that is their concatenation (less the prefix of tokens inside a word).
 */
typedef struct lm_merge {
    int32_t left, right;
} lm_merge;

/* What BPE finds its merges and characters by (bpe_index.c). It is made when a model is read, which leaves each pair of tokens in
 * `merges` once, unless it came with them. */
typedef struct lm_merge_index {
    uint64_t *slots; /* a hash table of merges (bpe.h: lm_merge_slot); NULL: there is no index */
    uint8_t *tags;   /* of the slots */
    size_t slot_count;
    int32_t *merged; /* what becomes of them, by rank */
    size_t merged_count;
    uint32_t *pages; /* of code points: those with tokens that are one character, */
    int32_t *chars;  /* and these tokens, LM_CHAR_PAGE for each page */
    size_t page_count;
    uint64_t *crossings; /* see bpe_cut.c; NULL: words are not cut */
    size_t crossing_count;
    struct lm_bpe_part *parts; /* by token: see bpe_match.c; NULL: there is no such trie */
    size_t part_count;
    uint32_t *least; /* with `parts`: by last byte * 256 + first byte of the next, the lowest rank of a merge over such a border */
    uint64_t digest; /* of the merges */
} lm_merge_index;

/* Zero-initialise; free with lm_token_tables_free. */
typedef struct lm_token_tables {
    lm_vocabulary vocabulary;
    lm_merge *merges; /* BPE: the first comes first */
    size_t merge_count, merge_cap;
    double *scores; /* Unigram: a logarithmic probability for each id; else NULL */
    size_t score_cap;
    lm_merge_index index;
    struct lm_token_trie *trie; /* of WordPiece, Unigram, and BPE that has `parts` (trie.h): made when a model is read, unless it came */
    lm_map block; /* where all of this lies, if there is one: then it is read alone, and nothing can be added */
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
/* Whether an index that somebody else made is right for the tables in all that memory depends on. */
bool lm_merge_index_check(const lm_token_tables *t);
/* Its `parts` apart, which belong to the trie, too. */
bool lm_bpe_parts_check(const lm_token_tables *t);
void lm_merge_index_free(lm_merge_index *index);
/* "left right", as merges.txt has it: false if there is not just one space. */
bool lm_merge_parts(lm_str merge, lm_str *left, lm_str *right);

#endif
