/* Which parameters a run trains, from which step on, and how fast.
 *
 * The parameters of a model lie on levels, from the embeddings (0) over its blocks (block i: i + 1) to the head
 * and whatever else follows the last block (layers + 1). Which level one is on follows from where the plugin
 * declares it, so every architecture has them, under the names `embeddings`, `layer.N`, `head` and `body`. The blocks of
 * a second stack lie above those of the first: there, `encoder` and `decoder` are names too, `layer.N` is block N of both, and
 * `decoder.layer.N` of one.
 *
 * Gradual unfreezing (Howard and Ruder 2018, ULMFiT, arXiv 1801.06146) begins with the highest level alone and
 * adds the next lower one every so many steps; a level of which nothing is ever trained is passed over. Rates
 * that fall with depth are that paper's discriminative fine-tuning: a level has the rate of the one above it
 * times a factor. */
#ifndef LM_TRAIN_FREEZE_H
#define LM_TRAIN_FREEZE_H

#include "base/options.h"
#include "model/model.h"
#include "train/optimizer/period.h"

typedef struct lm_freeze_options {
    lm_strings freeze, except; /* lists of patterns */
    const char *unfreeze_every; /* "500" steps or "1e" epochs; NULL = all is trained from the start */
    double layer_decay;         /* 1 = one rate for all */
    lm_strings multipliers;     /* REGEX=FACTOR */
    bool cache;                 /* keep the outputs of what is frozen */
    bool list;                  /* print the parameters, and stop */
} lm_freeze_options;

#define LM_FREEZE_OPTIONS_NONE {.layer_decay = 1}

typedef struct lm_trained {
    int level;
    int stage; /* of unfreezing, from which on it is trained; -1 = never */
} lm_trained;

typedef struct lm_freezing {
    lm_trained *of; /* [parameters], in the order of the model's table */
    size_t *home;    /* [parameters] the one that it stands with: of an adapter the weight that it adapts */
    double *rates;  /* [parameters] factors of the learning rate */
    size_t count;
    int stages;      /* at least 1 */
    lm_period every; /* of a stage; never = there is one stage */
} lm_freezing;

/* What can be seen to be wrong without a model (LM_USAGE). */
bool lm_freeze_options_check(const lm_freeze_options *o, lm_status *st);
/* Fails where a pattern or an expression stands for no parameter, or where nothing is left to train. */
lm_freezing *lm_freezing_new(lm_model *m, const lm_freeze_options *o, lm_status *st);
void lm_freezing_free(lm_freezing *f);

/* Steps of a stage; 0 where there is one stage, and UINT64_MAX where stages are epochs and these are endless
 * (steps_per_epoch 0). */
uint64_t lm_freezing_steps(const lm_freezing *f, uint64_t steps_per_epoch);
int lm_freezing_stage(const lm_freezing *f, uint64_t steps_per_epoch, uint64_t step);
/* Whether a parameter is trained in a stage; in the last one that is: ever. */
static inline bool lm_freezing_trains(const lm_freezing *f, size_t i, int stage)
{
    return f->of[i].stage >= 0 && f->of[i].stage <= stage;
}
/* Gives the parameters that a stage trains their gradients, takes them from the others, and makes all readable. */
bool lm_freezing_apply(const lm_freezing *f, lm_params *params, int stage, lm_status *st);

/* What people call a level: "embeddings", "layer.3", "head". */
void lm_level_name(const lm_model *m, int level, char out[32]);
/* A line for each parameter: name, shape, when it is trained ("yes", "no", "from step 500", "from epoch 2",
 * counted from 1) and its rate, with tabs between; the first line has the names of the columns. */
void lm_freezing_print(const lm_freezing *f, lm_model *m, double learning_rate, lm_buf *out);

#endif
