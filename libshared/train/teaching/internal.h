/* Inside train/teaching. */
#ifndef LM_TRAIN_TEACHING_INTERNAL_H
#define LM_TRAIN_TEACHING_INTERNAL_H

#include "kernels/distillation.h"
#include "train/teaching/teaching.h"

struct lm_teaching {
    const lm_teaching_options *o;
    const lm_objective *objective;
    lm_model *model; /* NULL = its logits stand in the stream */
    lm_graph *graph;
    lm_soft_form form; /* of the stream's logits */
    lm_divergence divergence;
    double soft, hard, cosine;
    int columns; /* that both vocabularies, or lists of classes, have */
    /* of the micro-batch in hand */
    lm_tensor *hidden;       /* the teacher's */
    const int32_t *selected; /* tokens that are asked for */
    int32_t *all_tokens, *label;
    float *soft_weight, *hard_weight, *cosine_weight, *probability;
    int32_t *index; /* the stream's logits of the tokens that are asked for, where not all are */
    float *top, *rest;
    int token_cap, row_cap;
};

#endif
