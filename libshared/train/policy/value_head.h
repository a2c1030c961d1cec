/* PPO's value function: a number for each token, linear in the policy's last hidden state, which learns by Adam at the policy's rate. It
 * is no part of the model that is written. */
#ifndef LM_TRAIN_VALUE_HEAD_H
#define LM_TRAIN_VALUE_HEAD_H

#include <jansson.h>

typedef struct lm_value_head {
    int width;
    double *weight, *gradient, *m, *v; /* [width + 1], the last one the bias */
    double steps;
} lm_value_head;

void lm_value_head_init(lm_value_head *h, int width); /* all 0 */
void lm_value_head_free(lm_value_head *h);
float lm_value_head_of(const lm_value_head *h, const float *hidden);
/* Adds what the derivative `slope` by the value gives: the head's gradient, and dhidden[width] = slope weight. */
void lm_value_head_learn(lm_value_head *h, const float *hidden, double slope, float *dhidden);
void lm_value_head_update(lm_value_head *h, double rate); /* and forgets the gradient */
json_t *lm_value_head_state(const lm_value_head *h);
void lm_value_head_restore(lm_value_head *h, const json_t *state);

#endif
