/* Losses of answers that somebody has compared or judged, from the log-probabilities that a policy and a reference give them,
 * as TRL's trainers compute them.
 *
 * Of a pair a and b are log pi(y|x) - log ref(y|x) of the chosen and the rejected answer, d = a - b, s the sigmoid and e the
 * label smoothing:
 *   sigmoid    -(1-e) log s(beta d) - e log s(-beta d)                 Rafailov et al. 2023, arXiv 2305.18290 (DPO)
 *   robust     [-(1-e) log s(beta d) + e log s(-beta d)] / (1-2e)      Chowdhury et al. 2024, arXiv 2403.00409
 *   hinge      max(0, 1 - beta d)                                      Zhao et al. 2023, arXiv 2305.10425 (SLiC)
 *   ipo        (d - 1/(2 beta))^2, of means over tokens                Azar et al. 2023, arXiv 2310.12036
 *   exo        s(beta d) (log s(beta d) - log(1-e)) + s(-beta d) (log s(-beta d) - log e)     Ji et al. 2024, arXiv 2402.00856
 *   nca        -log s(beta a) - [log s(-beta a) + log s(-beta b)] / 2  Chen et al. 2024, arXiv 2402.05369
 *   sppo       (a - 1/(2 beta))^2 + (b + 1/(2 beta))^2                 Wu et al. 2024, arXiv 2405.00675
 *   apo-zero   1 - s(beta a) + s(beta b)                               D'Oosterlinck et al. 2024, arXiv 2408.06266
 *   apo-down   s(beta a) + 1 - s(beta d)                               the same
 *   discopop   (1-m) -log s(beta d) + m exp(-beta d), m = s(beta d / 0.05)      Lu et al. 2024, arXiv 2406.08414
 *   aot        as sigmoid, d between the sorted differences of policy and reference           Melnyk et al. 2024, arXiv 2406.05882
 *   aot-pair   as sigmoid, d between the sorted a and the sorted b     the same
 *   simpo      as sigmoid, with d - gamma/beta, of means over tokens and without a reference  Meng et al. 2024, arXiv 2405.14734
 *   orpo       -beta log s(odds(a) - odds(b)), odds(x) = x - log(1 - exp x), of means over tokens, without a reference
 *                                                                      Hong et al. 2024, arXiv 2403.07691
 *   reward     -log s(d - margin) + center (a + b)^2, a and b rewards  Ouyang et al. 2022, arXiv 2203.02155; centring:
 *                                                                      Eisenstein et al. 2023, arXiv 2312.09244
 * An answer that is judged alone (KTO, Ethayarajh et al. 2024, arXiv 2402.01306) loses weight (1 - s(beta (a - kl))) where it is
 * desirable, and weight (1 - s(beta (kl - a))) where it is not. */
#ifndef LM_KERNELS_PREFERENCE_H
#define LM_KERNELS_PREFERENCE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum lm_preference {
    LM_PREFER_SIGMOID,
    LM_PREFER_ROBUST,
    LM_PREFER_HINGE,
    LM_PREFER_IPO,
    LM_PREFER_EXO,
    LM_PREFER_NCA,
    LM_PREFER_SPPO,
    LM_PREFER_APO_ZERO,
    LM_PREFER_APO_DOWN,
    LM_PREFER_DISCOPOP,
    LM_PREFER_AOT,
    LM_PREFER_AOT_PAIR,
    LM_PREFER_SIMPO,
    LM_PREFER_ORPO,
    LM_PREFER_REWARD,
    LM_PREFER_KTO
} lm_preference;

typedef struct lm_preference_how {
    lm_preference loss;
    double beta;       /* above 0, but for LM_PREFER_REWARD */
    double smoothing;  /* e, from 0 to below 0.5; of exo above 0 */
    double gamma;      /* of simpo */
    double center;     /* of reward; 0 = none */
    double desirable, undesirable; /* weights of kto */
    double kl;         /* of kto, not negative */
} lm_preference_how;

/* Whether log-probabilities are means over an answer's tokens; else their sums. */
bool lm_preference_averages(lm_preference loss);
/* Whether the pairs of a step lose together, so that a step cannot be cut. */
bool lm_preference_sorts(lm_preference loss);

/* n pairs: score[2 i] is the policy's log-probability (or reward) of the chosen answer of pair i, score[2 i + 1] of the rejected
 * one; reference the same, or NULL = 0; margin[n] of reward, or NULL = 0. loss[n], and slope[2 n] its derivatives by score: of
 * losses that sort, those of the sum of all. Of kto n answers with score[n], reference[n], slope[n] and desirable[n]. */
void lm_preference_losses(const lm_preference_how *how, int n, const double *score, const double *reference, const float *margin,
                          const uint8_t *desirable, double *loss, double *slope);

#endif
