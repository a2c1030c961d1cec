#include "kernels/policy.h"

#include <math.h>

/* ------------------------------------------------------------------ the policy's loss */

typedef struct token {
    double loss, slope; /* by log pi, the ratio's own derivative apart */
    double by_ratio;
} token;

static double clip(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* Of the clipped objective: loss, and its derivative by the ratio. */
static token clipped(const lm_policy_how *how, double ratio, double advantage, bool *is_clipped)
{
    double bounded = clip(ratio, 1 - how->low, 1 + how->high), free_ratio = ratio;
    bool capped = how->delta > 0 && ratio > how->delta;
    if (capped)
        free_ratio = how->delta;
    double plain = free_ratio * advantage, held = bounded * advantage;
    *is_clipped = (ratio < 1 - how->low && advantage < 0) || (ratio > 1 + how->high && advantage > 0);
    token t = {.loss = -fmin(plain, held)};
    if (plain == held && bounded == ratio && !capped)
        t.by_ratio = -advantage;
    else if (plain < held)
        t.by_ratio = capped ? 0 : -advantage;
    else
        t.by_ratio = bounded == ratio ? -advantage : 0;
    return t;
}

static token cispo(const lm_policy_how *how, double ratio, double advantage, double logp, bool *is_clipped)
{
    double bounded = fmin(ratio, how->high);
    *is_clipped = ratio > how->high && advantage > 0;
    return (token){.loss = -bounded * advantage * logp, .slope = -bounded * advantage};
}

/* log of the ratio that all tokens of an answer have. */
static double of_answer(lm_ratio_level level, int n, const float *logp, const float *old)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)logp[i] - (double)(old ? old[i] : logp[i]);
    return level == LM_RATIO_SUM ? sum : sum / n;
}

double lm_policy_loss(const lm_policy_how *how, int rows, const int32_t *splits, const float *logp, const float *old,
                      const float *reference, const float *advantage, const double *weight, float *slope, lm_policy_tally *sums)
{
    double all = 0;
    for (int r = 0; r < rows; r++) {
        int from = splits[r], n = splits[r + 1] - from;
        double shared = 0, by_shared = 0; /* the log of one ratio for all, and the loss's derivative by it */
        bool together = how->level != LM_RATIO_TOKEN;
        if (together && n)
            shared = of_answer(how->level, n, logp + from, old ? old + from : NULL);
        for (int i = from; i < from + n; i++) {
            double log_ratio = together ? shared : old ? (double)logp[i] - (double)old[i] : 0, ratio = exp(log_ratio);
            bool is_clipped;
            token t = how->cispo ? cispo(how, ratio, advantage[i], logp[i], &is_clipped)
                                 : clipped(how, ratio, advantage[i], &is_clipped);
            if (how->beta > 0 && reference) {
                double d = (double)reference[i] - (double)logp[i], e = exp(d);
                t.loss += how->beta * (e - d - 1);
                t.slope += how->beta * (1 - e);
                sums->kl += e - d - 1;
            }
            all += weight[r] * t.loss;
            by_shared += t.by_ratio * ratio;
            if (slope)
                slope[i] = (float)(weight[r] * (t.slope + (together ? 0 : t.by_ratio * ratio)));
            sums->tokens++;
            sums->clipped += is_clipped;
            sums->ratio += ratio;
            sums->approx_kl += 0.5 * log_ratio * log_ratio;
        }
        for (int i = from; together && slope && i < from + n; i++)
            slope[i] += (float)(weight[r] * by_shared / (how->level == LM_RATIO_MEAN ? n : 1));
    }
    return all;
}

/* ------------------------------------------------------------------ values */

double lm_value_loss(int n, double range, double weight, const float *value, const float *old, const float *returns, float *slope,
                     lm_policy_tally *sums)
{
    double all = 0;
    for (int i = 0; i < n; i++) {
        double v = value[i], held = clip(v, (double)old[i] - range, (double)old[i] + range), target = returns[i];
        double plain = (v - target) * (v - target), bounded = (held - target) * (held - target);
        bool is_held = bounded > plain;
        all += weight * 0.5 * fmax(plain, bounded);
        sums->vf_clipped += is_held;
        if (slope)
            slope[i] = (float)(is_held && held != v ? 0 : weight * (v - target));
    }
    return all;
}

void lm_token_rewards(lm_kl_penalty penalty, double coefficient, int rows, const int32_t *splits, const float *logp,
                      const float *reference, const float *score, float *reward)
{
    for (int r = 0; r < rows; r++) {
        for (int i = splits[r]; i < splits[r + 1]; i++) {
            double d = reference ? (double)logp[i] - (double)reference[i] : 0;
            double kl = penalty == LM_KL_ABS ? fabs(d) : penalty == LM_KL_SQUARE ? 0.5 * d * d : d;
            reward[i] = (float)(-coefficient * kl + (i + 1 == splits[r + 1] ? (double)score[r] : 0));
        }
    }
}

void lm_gae(double gamma, double lambda, int rows, const int32_t *splits, const float *reward, const float *value, float *advantage,
            float *returns)
{
    for (int r = 0; r < rows; r++) {
        double last = 0, next = 0;
        for (int i = splits[r + 1] - 1; i >= splits[r]; i--) {
            last = (double)reward[i] + gamma * next - (double)value[i] + gamma * lambda * last;
            next = value[i];
            advantage[i] = (float)last;
            returns[i] = (float)(last + next);
        }
    }
}

/* ------------------------------------------------------------------ what is subtracted and divided by */

typedef struct moments {
    double mean, variance; /* unbiased; of one number 0 */
} moments;

static moments moments_of(size_t n, const float *x)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    double mean = n ? sum / (double)n : 0;
    for (size_t i = 0; i < n; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    return (moments){mean, n > 1 ? squares / (double)(n - 1) : 0};
}

void lm_whiten(size_t n, float *x, bool shift)
{
    moments m = moments_of(n, x);
    double factor = 1 / sqrt(m.variance + 1e-8);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(((double)x[i] - m.mean) * factor + (shift ? 0 : m.mean));
}

static const double LEAST = 1e-4; /* of what advantages are divided by */

int lm_group_advantages(lm_advantage kind, int groups, int size, const float *reward, float *advantage)
{
    int flat = 0;
    double all = sqrt(moments_of((size_t)groups * (size_t)size, reward).variance);
    for (int g = 0; g < groups; g++) {
        const float *r = reward + (size_t)g * (size_t)size;
        moments m = moments_of((size_t)size, r);
        double by = kind == LM_ADVANTAGE_GROUP             ? sqrt(m.variance) + LEAST
                    : kind == LM_ADVANTAGE_BATCH           ? all + LEAST
                    : kind == LM_ADVANTAGE_LEAVE_ONE_OUT && size > 1 ? (double)(size - 1) / size
                                                           : 1;
        for (int i = 0; i < size; i++)
            advantage[(size_t)g * (size_t)size + (size_t)i] = (float)(((double)r[i] - m.mean) / by);
        flat += m.variance == 0;
    }
    return flat;
}
