/* Relations among the tokens of a sequence, of a student against those of a teacher.
 *
 * A relation is what attention computes before it looks at values: of each head the scores s_ij = scale a_i . b_j, where a and b are
 * queries and keys, or any other two projections of the tokens, twice the same one perhaps (values with values: Wang et al. 2020,
 * arXiv 2002.10957; queries with queries, keys with keys: Wang et al. 2021, arXiv 2012.15828). Student and teacher may have other
 * widths, and have as many heads. */
#ifndef LM_KERNELS_RELATION_H
#define LM_KERNELS_RELATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows of all tokens, one after the other: a [tokens, heads * dim], b [tokens, b_heads * dim], where b_heads divides the heads, and
 * that many heads of a in a row share one of b. */
typedef struct lm_relation_side {
    const float *a, *b;
    int b_heads, dim;
    float scale;
} lm_relation_side;

typedef struct lm_relation_args {
    int sequences, heads;
    const int32_t *splits; /* [sequences+1] of the tokens */
    lm_relation_side student, teacher;
    bool causal; /* token i has relations to tokens 0..i alone, and with a window to i-window+1..i */
    int window;
    bool scores;         /* the loss is the mean of (s - t)^2 over heads and pairs (TinyBERT: Jiao et al. 2019, arXiv 1909.10351); else
                          * the mean over heads and tokens i of KL(softmax_j t_ij || softmax_j s_ij) (MiniLM) */
    const float *weight; /* [sequences] of their losses in the gradient */
    float *da, *db;      /* of the student's a and b, added to; they may be one. NULL = without */
    double *loss;        /* [sequences] unweighted; 0 of one without tokens */
} lm_relation_args;

size_t lm_compare_relations_scratch(const lm_relation_args *a); /* floats */
void lm_compare_relations(const lm_relation_args *a, float *scratch);

#endif
