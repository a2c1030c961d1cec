/* Losses against a teacher, for the host alone. What the teacher says is constant, and lives until the loss has been read and
 * lm_graph_backward is done. Each is a sum over rows, [1,1]. */
#ifndef LM_GRAPH_DISTILLATION_H
#define LM_GRAPH_DISTILLATION_H

#include "graph/graph.h"
#include "kernels/distillation.h"
#include "kernels/relation.h"

/* Gives the teacher's logits of rows [first, first + n): [n, teacher.columns]. */
typedef bool (*lm_soft_read)(void *context, int first, int n, float *logits, lm_status *st);

typedef struct lm_distillation {
    lm_soft_targets teacher; /* logits NULL and k 0: */
    lm_soft_read read;       /* they are asked for, some rows at a time, in backward (and once more by whoever reads the loss before) */
    void *context;
    lm_divergence divergence;
    float temperature, beta;
    const float *soft;    /* [rows] weights of the loss against the teacher */
    const int32_t *label; /* [rows], LM_IGNORED = none, and */
    const float *hard;    /* [rows] weights of their cross-entropy; both NULL = without */
    double *sums;         /* [2] receives both sums, weighted; or NULL */
} lm_distillation;

/* sum of soft[r] T^2 D(s, t) + hard[r] cross-entropy (kernels/distillation.h). Logits over a vocabulary (lm_vocab_linear) never exist
 * as a whole, and the loss of such is known after lm_graph_backward. */
lm_tensor *lm_distillation_loss(lm_graph *g, lm_tensor *logits, const lm_distillation *how);

/* sum of weight[r] (1 - cos(x_r, target_r)), target [rows, width]; weight NULL = ones (torch's CosineEmbeddingLoss of pairs that
 * belong together, as the DistilBERT distiller has it). */
lm_tensor *lm_cosine_loss(lm_graph *g, lm_tensor *x, const float *target, const float *weight);

/* Relations of a teacher's tokens, and of which of the student's to compare with them. */
typedef struct lm_relation {
    int heads, b_heads;       /* of the student's a and b (lm_relation_side): b_heads divides heads */
    float scale;
    lm_relation_side teacher; /* of the same tokens */
    bool causal;
    int window;
    bool scores;
    const float *weight;      /* [sequences] */
} lm_relation;

/* sum over sequences of weight[r] (how the tokens of sequence r are related by a and b, against the teacher: kernels/relation.h). a and
 * b have a row for each token of whole sequences, and may be one value. */
lm_tensor *lm_relation_loss(lm_graph *g, lm_tensor *a, lm_tensor *b, const lm_relation *how);

#endif
