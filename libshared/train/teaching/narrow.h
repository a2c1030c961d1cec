/* A student narrower than its teacher that begins with the teacher's weights, projected (--init-from-teacher with --width).
 *
 * What the student's hidden state x' [d] is of the teacher's x [D] is one linear map for all layers, x' = P x, whose rows are
 * orthonormal: the principal directions of the teacher's hidden states (after the embedding and after each block, of rows that the
 * student is to learn from), each centred and of length 1, as a norm sees them. Then, W' y' being what W y is of a projected y,
 *
 *     reads the hidden state      W' = W P^T      (tables are such: a word's row is P times its row)
 *     writes it                   W' = P W,  b' = P b
 *     norm                        b' = P b,  g'_j = sqrt(D/d) sum_i P_ji^2 g_i
 *
 * Norms that take the mean away keep their meaning: the direction that they take away, (1 ... 1) / sqrt(D), is mapped to that of the
 * student, (1 ... 1) / sqrt(d), and principal are d - 1 directions that are orthogonal to it. A norm of the student divides by its
 * own sqrt(d), hence the root. (Ashkboos et al. 2024, SliceGPT, arXiv 2401.15024, turn hidden states so in models whose norms have no
 * scale.) So a teacher whose hidden states lie in d dimensions, and whose norms scale all columns alike, gives a student with the same
 * logits; scales that differ become their means, and an activation between two maps (the transform before words are predicted) is no
 * longer the teacher's.
 *
 * What is not the hidden state is not mixed: of attention whole heads are taken (with the keys and values that they share), of the
 * inner layer and of a pooler whole columns; those whose writers and readers have the largest product of Euclidean lengths, in the
 * teacher's order. So the heads stay as wide as they are. A side that is as wide as the teacher's stays as it is. */
#ifndef LM_TRAIN_TEACHING_NARROW_H
#define LM_TRAIN_TEACHING_NARROW_H

#include "train/teaching/internal.h"

/* The student's sizes: those that are asked for, and the others in proportion to the teacher's. LM_USAGE: none such can be. */
typedef struct lm_narrow_sizes {
    int width, heads, inner;
    int kv_heads; /* 0 = the config does not name them */
    bool changed; /* one of them is not the teacher's */
} lm_narrow_sizes;
bool lm_narrow_sizes_of(lm_narrow_sizes *s, const lm_teaching *t, const lm_new_model *asked, lm_status *st);

/* P [width, the teacher's width], malloced: it reads rows of the run. `means`: the norms take the mean away. */
float *lm_narrow_directions(const lm_teaching *t, int width, bool means, lm_status *st);

typedef struct lm_narrowing lm_narrowing;

/* For a student of other sizes than t's teacher, whose families have to be of BERT's or Llama's kind. NULL: it has the same sizes, or
 * (LM_USAGE, LM_FAILED) it cannot be. */
lm_narrowing *lm_narrowing_new(const lm_teaching *t, const lm_model *student, lm_status *st);
void lm_narrowing_free(lm_narrowing *n);
/* `to` (owned) becomes what it is of the teacher's `from`, which is `block`'s (-1: no block's). *done false: it cannot come of it. */
bool lm_narrowing_give(lm_narrowing *n, lm_param *from, int block, lm_param *to, bool *done, lm_status *st);

#endif
