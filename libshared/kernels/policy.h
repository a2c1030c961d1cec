/* Policy gradients: what a step makes of answers that the policy has written itself, and of the rewards that they got.
 *
 * A token's ratio is exp(log pi - log old), old the policy that wrote it; of GSPO (Zheng et al. 2025, arXiv 2507.18071) exp of the mean
 * over the answer's tokens, of RLOO (Ahmadian et al. 2024, arXiv 2402.14740) of their sum. With the advantage A a token loses
 *   -min(ratio A, clip(ratio, 1 - low, 1 + high) A) + beta kl,  kl = exp(ref - pi) - (ref - pi) - 1
 * (Schulman et al. 2017, arXiv 1707.06347; Shao et al. 2024, arXiv 2402.03300), or by CISPO (arXiv 2506.13585)
 *   -min(ratio, high) A log pi, the ratio a constant. */
#ifndef LM_KERNELS_POLICY_H
#define LM_KERNELS_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum lm_ratio_level { LM_RATIO_TOKEN, LM_RATIO_MEAN, LM_RATIO_SUM } lm_ratio_level;

typedef struct lm_policy_how {
    lm_ratio_level level;
    bool cispo;
    double low, high; /* epsilon_low, epsilon_high */
    double delta;     /* no ratio counts for more; 0 = no such limit (two-sided clipping, arXiv 2505.07291) */
    double beta;      /* of kl; 0 = no reference is read */
} lm_policy_how;

/* Sums over tokens, to be divided by `tokens`; of PPO's value loss vf_clipped alone. */
typedef struct lm_policy_tally {
    double tokens, clipped, kl, approx_kl, ratio, vf_clipped;
} lm_policy_tally;

/* Tokens [splits[r], splits[r+1]) are answer r, of `rows`. old may be NULL: pi itself. weight[rows]: what a token's loss is multiplied
 * with. Returns the sum; slope[tokens], its derivatives by logp, or NULL. */
double lm_policy_loss(const lm_policy_how *how, int rows, const int32_t *splits, const float *logp, const float *old,
                      const float *reference, const float *advantage, const double *weight, float *slope, lm_policy_tally *sums);

/* weight max((v - R)^2, (clip(v, old - range, old + range) - R)^2) / 2 over n tokens: PPO's loss of the value function. */
double lm_value_loss(int n, double range, double weight, const float *value, const float *old, const float *returns, float *slope,
                     lm_policy_tally *sums);

/* How far the policy has gone from the reference at a token: log pi - log ref, its magnitude, or half its square. */
typedef enum lm_kl_penalty { LM_KL_PLAIN, LM_KL_ABS, LM_KL_SQUARE } lm_kl_penalty;
/* PPO's rewards: -coefficient kl at each token, and the answer's score at the last one. An answer without tokens has none. */
void lm_token_rewards(lm_kl_penalty penalty, double coefficient, int rows, const int32_t *splits, const float *logp,
                      const float *reference, const float *score, float *reward);
/* Generalised advantage estimation (Schulman et al. 2015, arXiv 1506.02438), and returns, advantage + value. */
void lm_gae(double gamma, double lambda, int rows, const int32_t *splits, const float *reward, const float *value, float *advantage,
            float *returns);
/* x = (x - mean) / sqrt(variance + 1e-8), the variance unbiased; without `shift` the mean is added again. */
void lm_whiten(size_t n, float *x, bool shift);

/* Advantages of the rewards of groups of answers to one prompt, which stand one behind the other. */
typedef enum lm_advantage { LM_ADVANTAGE_GROUP, LM_ADVANTAGE_BATCH, LM_ADVANTAGE_NONE, LM_ADVANTAGE_LEAVE_ONE_OUT } lm_advantage;
/* r - mean of the group, divided by the unbiased standard deviation + 1e-4 of the group, of the batch, or by nothing; or r - mean of the
 * group's others. Returns how many groups have one reward throughout: nothing is learned from these. */
int lm_group_advantages(lm_advantage kind, int groups, int size, const float *reward, float *advantage);

#endif
