/* Inside train/teaching. */
#ifndef LM_TRAIN_TEACHING_INTERNAL_H
#define LM_TRAIN_TEACHING_INTERNAL_H

#include "kernels/distillation.h"
#include "train/data/data.h"
#include "train/teaching/teaching.h"

/* Which losses there are, of which weights, and of what. */
typedef struct lm_recipe {
    double temperature, soft, hard, cosine;
    double relation, hidden, embedding;
    const char *relations; /* "qk,vv" */
    bool scores;           /* relations are compared as scores, by their squares; else as probabilities */
    bool first_token;      /* hidden states of first tokens, of length 1; else of all tokens */
    const char *map;       /* which layer learns from which: "uniform", "inner", "last", or "0:1,1:3" */
} lm_recipe;

/* That of --recipe, or else of the objective, with what is said otherwise. */
void lm_recipe_choose(lm_recipe *r, const lm_teaching_options *o, bool masks);
bool lm_recipe_compares_layers(const lm_recipe *r);
bool lm_recipe_check(const lm_recipe *r, const lm_teaching_options *o, lm_status *st); /* LM_USAGE */

/* What is compared layer by layer (layers.c). */
typedef struct lm_taps lm_taps;
lm_taps *lm_taps_new(lm_teaching *t, lm_run *r, lm_status *st); /* when the student is there; may add a projection to its parameters */
void lm_taps_free(lm_taps *taps);
/* Before the student, and the teacher, read a batch. */
void lm_taps_student(lm_taps *taps, lm_graph *g, lm_select *select);
void lm_taps_teacher(lm_taps *taps, lm_graph *g, lm_select *select);
/* After both have: what is lost there is added to *loss (NULL = nothing so far). */
bool lm_taps_loss(lm_taps *taps, const lm_micro_batch *m, const lm_step_rows *s, lm_graph *g, lm_tensor **loss, lm_status *st);
char *lm_taps_words(const lm_taps *taps); /* what is compared with what; malloced */

struct lm_teaching {
    const lm_teaching_options *o;
    const lm_objective *objective;
    const lm_run *run;
    lm_model *model; /* NULL = its logits stand in the stream */
    lm_graph *graph;
    lm_data *heard; /* --logits; NULL = the rows bring them themselves */
    lm_soft_form form; /* of the stream's logits */
    lm_divergence divergence;
    lm_recipe how;
    lm_taps *taps; /* NULL = layers are not compared */
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

/* a + b, where a may not be there yet. */
static inline lm_tensor *lm_plus(lm_graph *g, lm_tensor *a, lm_tensor *b)
{
    return a ? lm_add(g, a, b) : b;
}

#endif
