/* Losses of preferences, policies and values: the values and derivatives of TRL's own code, and a pair's whole way through a model. */
#include "unit.h"

#include "kernels/policy.h"
#include "kernels/preference.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 64 };

static double at(const json_t *list, size_t i)
{
    return json_number_value(json_array_get(list, i));
}

static double of(const json_t *object, const char *name, double otherwise)
{
    const json_t *j = json_object_get(object, name);
    return json_is_number(j) ? json_number_value(j) : otherwise;
}

static const char *word(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

static void near(double have, double want, const char *what)
{
    ck_assert_msg(fabs(have - want) <= 2e-6 * fmax(1, fabs(want)), "%s: %.9g, and %.9g is right", what, have, want);
}

/* Within a float's last places of a derivative. */
static void near_slope(double have, double want, const char *what)
{
    ck_assert_msg(fabs(have - want) <= 1e-6 + 2e-5 * fabs(want), "%s: a derivative of %.9g, and %.9g is right", what, have, want);
}

/* ------------------------------------------------------------------ pairs */

static lm_preference loss_of(const char *name)
{
    static const struct {
        const char *name;
        lm_preference loss;
    } all[] = {{"sigmoid", LM_PREFER_SIGMOID}, {"robust", LM_PREFER_ROBUST}, {"hinge", LM_PREFER_HINGE}, {"ipo", LM_PREFER_IPO},
               {"exo_pair", LM_PREFER_EXO}, {"nca_pair", LM_PREFER_NCA}, {"sppo_hard", LM_PREFER_SPPO},
               {"apo_zero", LM_PREFER_APO_ZERO}, {"apo_down", LM_PREFER_APO_DOWN}, {"aot", LM_PREFER_AOT},
               {"aot_pair", LM_PREFER_AOT_PAIR}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i].name, name))
            return all[i].loss;
    ck_abort_msg("a loss that is not known: %s", name);
}

static json_t *read_goldens(const char *data)
{
    char path[4096];
    json_error_t error;
    snprintf(path, sizeof path, "%s/goldens/losses/golden.json", data);
    json_t *all = json_load_file(path, 0, &error);
    ck_assert_msg(all != NULL, "%s: %s", path, error.text);
    return all;
}

START_TEST(pairs_as_trl)
{
    UNIT_NEEDS_DATA(data)
    json_t *all = read_goldens(data), *dpo = json_object_get(all, "dpo"), *in = json_object_get(dpo, "inputs"), *c;
    const char *names[] = {"policy_chosen_logps", "policy_rejected_logps", "reference_chosen_logps", "reference_rejected_logps"};
    double score[MOST], reference[MOST], loss[MOST], slope[MOST];
    int n = (int)json_array_size(json_object_get(in, names[0]));
    size_t i;
    ck_assert_int_gt(n, 2);
    for (int k = 0; k < 2 * n; k++) {
        score[k] = at(json_object_get(in, names[k % 2]), (size_t)k / 2);
        reference[k] = at(json_object_get(in, names[2 + k % 2]), (size_t)k / 2);
    }
    json_array_foreach(json_object_get(dpo, "cases"), i, c)
    {
        lm_preference_how how = {.loss = loss_of(word(c, "loss_type")), .beta = of(c, "beta", 0), .smoothing = of(c, "label_smoothing", 0)};
        bool alone = json_is_true(json_object_get(c, "reference_free"));
        double mean = 0;
        lm_preference_losses(&how, n, score, alone ? NULL : reference, NULL, NULL, loss, slope);
        for (int k = 0; k < n; k++) {
            mean += loss[k] / n;
            near(loss[k], at(json_object_get(c, "losses"), (size_t)k), word(c, "loss_type"));
            near_slope(slope[2 * k] / n, at(json_object_get(c, "grad_policy_chosen"), (size_t)k), word(c, "loss_type"));
            near_slope(slope[2 * k + 1] / n, at(json_object_get(c, "grad_policy_rejected"), (size_t)k), word(c, "loss_type"));
        }
        near(mean, of(c, "mean", NAN), word(c, "loss_type"));
    }
    ck_assert_uint_ge(i, 14);
    json_decref(all);
}
END_TEST

START_TEST(rewards_as_trl)
{
    UNIT_NEEDS_DATA(data)
    json_t *all = read_goldens(data), *reward = json_object_get(all, "reward"), *in = json_object_get(reward, "inputs"), *c;
    double score[MOST], loss[MOST], slope[MOST];
    float margin[MOST];
    int n = (int)json_array_size(json_object_get(in, "chosen"));
    size_t i;
    for (int k = 0; k < 2 * n; k++)
        score[k] = at(json_object_get(in, k % 2 ? "rejected" : "chosen"), (size_t)k / 2);
    json_array_foreach(json_object_get(reward, "cases"), i, c)
    {
        const json_t *margins = json_object_get(c, "margin");
        lm_preference_how how = {.loss = LM_PREFER_REWARD, .center = of(c, "center_rewards_coefficient", 0)};
        double mean = 0;
        for (int k = 0; k < n; k++)
            margin[k] = json_is_array(margins) ? (float)at(margins, (size_t)k) : 0;
        lm_preference_losses(&how, n, score, NULL, margin, NULL, loss, slope);
        for (int k = 0; k < n; k++) {
            mean += loss[k] / n;
            near_slope(slope[2 * k] / n, at(json_object_get(c, "grad_chosen"), (size_t)k), "reward");
            near_slope(slope[2 * k + 1] / n, at(json_object_get(c, "grad_rejected"), (size_t)k), "reward");
        }
        near(mean, of(c, "loss", NAN), "reward");
    }
    ck_assert_uint_ge(i, 4);
    json_decref(all);
}
END_TEST

/* What no golden has, against its formula written down again, and every derivative against differences. */
START_TEST(formulas)
{
    static const double score[8] = {-0.9, -1.4, -0.2, -0.75, -2.5, -0.4, -1.1, -1.05};
    static const double reference[8] = {-1.0, -1.2, -0.6, -0.5, -2.2, -0.9, -1, -1.3};
    static const uint8_t desirable[8] = {1, 0, 0, 1, 1, 1, 0, 0};
    static const float margin[4] = {0.5f, 0, 1, -0.25f};
    for (int l = LM_PREFER_SIGMOID; l <= LM_PREFER_KTO; l++) {
        lm_preference_how how = {.loss = (lm_preference)l, .beta = 0.7, .smoothing = 0.15, .gamma = 0.4, .center = 0.03,
                                 .desirable = 1.2, .undesirable = 0.8, .kl = 0.1};
        int each = l == LM_PREFER_KTO ? 1 : 2, n = 8 / each;
        const double *against = l == LM_PREFER_ORPO || l == LM_PREFER_SIMPO ? NULL : reference;
        double loss[8], slope[8], changed[8], ignored[8], x[8];
        lm_preference_losses(&how, n, score, against, margin, desirable, loss, slope);
        for (int k = 0; k < 8; k++) {
            double sum[2] = {0, 0};
            for (int side = 0; side < 2; side++) {
                memcpy(x, score, sizeof x);
                x[k] += side ? -1e-6 : 1e-6;
                lm_preference_losses(&how, n, x, against, margin, desirable, changed, ignored);
                for (int i = 0; i < n; i++)
                    sum[side] += changed[i];
            }
            ck_assert_msg(fabs((sum[0] - sum[1]) / 2e-6 - slope[k]) < 1e-6, "loss %d: derivative %d is %g, and differences give %g", l, k,
                          slope[k], (sum[0] - sum[1]) / 2e-6);
        }
    }
    double loss[4], slope[8];
    lm_preference_how how = {.loss = LM_PREFER_ORPO, .beta = 0.3};
    lm_preference_losses(&how, 1, score, NULL, NULL, NULL, loss, slope);
    double odds = log(exp(-0.9) / (1 - exp(-0.9))) - log(exp(-1.4) / (1 - exp(-1.4)));
    near(loss[0], -0.3 * log(1 / (1 + exp(-odds))), "orpo");
    how = (lm_preference_how){.loss = LM_PREFER_SIMPO, .beta = 2, .gamma = 0.5};
    lm_preference_losses(&how, 1, score, NULL, NULL, NULL, loss, slope);
    near(loss[0], log(1 + exp(-(2 * 0.5 - 0.5))), "simpo");
    how = (lm_preference_how){.loss = LM_PREFER_KTO, .beta = 0.5, .desirable = 1, .undesirable = 3, .kl = 0.2};
    lm_preference_losses(&how, 2, score, reference, NULL, desirable, loss, slope);
    near(loss[0], 1 - 1 / (1 + exp(-0.5 * (0.1 - 0.2))), "kto, a good answer");
    near(loss[1], 3 * (1 - 1 / (1 + exp(-0.5 * (0.2 + 0.2)))), "kto, a bad answer");
    /* far out nothing overflows */
    for (int l = LM_PREFER_SIGMOID; l <= LM_PREFER_KTO; l++) {
        static const double far[4] = {-1e-9, -4000, -3000, 0};
        how = (lm_preference_how){.loss = (lm_preference)l, .beta = 0.1, .smoothing = 0.1, .desirable = 1, .undesirable = 1};
        lm_preference_losses(&how, l == LM_PREFER_KTO ? 4 : 2, far, NULL, NULL, desirable, loss, slope);
        for (int k = 0; k < 4; k++)
            ck_assert_msg(l == LM_PREFER_DISCOPOP || isfinite(slope[k]), "loss %d: a derivative of %g", l, slope[k]);
    }
}
END_TEST

/* ------------------------------------------------------------------ policies */

typedef struct answers {
    int rows, tokens, width;
    int32_t splits[MOST + 1];
    const json_t *mask;
} answers;

static answers answers_of(const json_t *mask)
{
    answers a = {.rows = (int)json_array_size(mask), .mask = mask, .width = (int)json_array_size(json_array_get(mask, 0))};
    for (int r = 0; r < a.rows; r++) {
        for (int i = 0; i < a.width; i++)
            a.tokens += at(json_array_get(mask, (size_t)r), (size_t)i) != 0;
        a.splits[r + 1] = a.tokens;
    }
    return a;
}

/* The values under the mask, one row behind the other. */
static void pack(const answers *a, const json_t *table, float *out)
{
    for (int r = 0, n = 0; r < a->rows; r++)
        for (int i = 0; i < a->width; i++)
            if (at(json_array_get(a->mask, (size_t)r), (size_t)i) != 0)
                out[n++] = (float)at(json_array_get(table, (size_t)r), (size_t)i);
}

static void compare(const answers *a, const float *have, const json_t *table, const char *what)
{
    float want[256];
    pack(a, table, want);
    for (int i = 0; i < a->tokens; i++)
        near_slope(have[i], want[i], what);
}

START_TEST(grpo_as_trl)
{
    UNIT_NEEDS_DATA(data)
    json_t *all = read_goldens(data), *grpo = json_object_get(all, "grpo"), *in = json_object_get(grpo, "inputs"), *c;
    answers a = answers_of(json_object_get(in, "completion_mask"));
    float logp[256], old[256], reference[256], reward[MOST], scaled[MOST], unscaled[MOST], advantage[256], slope[256];
    size_t i;
    pack(&a, json_object_get(in, "logps"), logp);
    pack(&a, json_object_get(in, "old_logps"), old);
    pack(&a, json_object_get(in, "ref_logps"), reference);
    int size = (int)of(in, "group_size", 0);
    for (int r = 0; r < a.rows; r++)
        reward[r] = (float)at(json_object_get(in, "rewards"), (size_t)r);
    ck_assert_int_eq(lm_group_advantages(LM_ADVANTAGE_GROUP, a.rows / size, size, reward, scaled), 0);
    lm_group_advantages(LM_ADVANTAGE_NONE, a.rows / size, size, reward, unscaled);
    for (int r = 0; r < a.rows; r++) {
        near_slope(scaled[r], at(json_object_get(in, "advantages_scaled"), (size_t)r), "advantages");
        near_slope(unscaled[r], at(json_object_get(in, "advantages_unscaled"), (size_t)r), "advantages that are not scaled");
    }
    json_array_foreach(json_object_get(grpo, "cases"), i, c)
    {
        const char *type = word(c, "loss_type");
        lm_policy_how how = {.low = of(c, "epsilon_low", 0), .high = of(c, "epsilon_high", 0), .delta = of(c, "delta", 0),
                             .beta = of(c, "beta", 0), .cispo = !strcmp(type, "cispo"),
                             .level = !strcmp(word(c, "importance_sampling_level"), "sequence") ? LM_RATIO_MEAN : LM_RATIO_TOKEN};
        bool has_old = json_is_true(json_object_get(c, "old_logps")), is_scaled = !strcmp(word(c, "advantages"), "scaled");
        double weight[MOST], loss;
        lm_policy_tally sums = {0};
        for (int r = 0; r < a.rows; r++) {
            double n = a.splits[r + 1] - a.splits[r];
            weight[r] = !strcmp(type, "grpo")      ? 1 / (n * a.rows)
                        : !strcmp(type, "dr_grpo") ? 1 / (of(c, "max_completion_length", 0) * a.rows)
                                                   : 1.0 / a.tokens;
            for (int t = a.splits[r]; t < a.splits[r + 1]; t++)
                advantage[t] = is_scaled ? scaled[r] : unscaled[r];
        }
        loss = lm_policy_loss(&how, a.rows, a.splits, logp, has_old ? old : NULL, reference, advantage, weight, slope, &sums);
        near(loss, of(c, "loss", NAN), type);
        compare(&a, slope, json_object_get(c, "grad_logps"), type);
        ck_assert_double_eq(sums.tokens, a.tokens);
    }
    ck_assert_uint_ge(i, 19);
    json_decref(all);
}
END_TEST

/* TRL's own code goes on behind the end of an answer, up to the longest, where rewards that were whitened are not 0. */
static void padded_gae(const answers *a, double gamma, double lambda, const float *reward, const float *values, double padding,
                       float *advantage, float *returns)
{
    for (int r = 0; r < a->rows; r++) {
        float all[3][MOST], out[MOST];
        int n = a->splits[r + 1] - a->splits[r], one[2] = {0, padding != 0 ? a->width : n};
        for (int i = 0; i < a->width; i++) {
            all[0][i] = i < n ? reward[a->splits[r] + i] : (float)padding;
            all[1][i] = i < n ? values[a->splits[r] + i] : 0;
        }
        lm_gae(gamma, lambda, 1, one, all[0], all[1], out, all[2]);
        memcpy(advantage + a->splits[r], out, (size_t)n * sizeof *out);
        memcpy(returns + a->splits[r], all[2], (size_t)n * sizeof *out);
    }
}

START_TEST(ppo_as_trl)
{
    UNIT_NEEDS_DATA(data)
    json_t *all = read_goldens(data), *ppo = json_object_get(all, "ppo"), *in = json_object_get(ppo, "inputs"), *c;
    answers a = answers_of(json_object_get(in, "mask"));
    float logp[256], old[256], reference[256], values[256], vpreds[256], score[MOST], reward[256], advantage[256], returns[256], slope[256];
    size_t i;
    pack(&a, json_object_get(in, "logprobs"), logp);
    pack(&a, json_object_get(in, "old_logprobs"), old);
    pack(&a, json_object_get(in, "ref_logprobs"), reference);
    pack(&a, json_object_get(in, "values"), values);
    pack(&a, json_object_get(in, "vpreds"), vpreds);
    for (int r = 0; r < a.rows; r++)
        score[r] = (float)at(json_object_get(in, "scores"), (size_t)r);
    json_array_foreach(json_object_get(ppo, "cases"), i, c)
    {
        const char *penalty = word(c, "kl_penalty");
        lm_kl_penalty kl = !strcmp(penalty, "abs") ? LM_KL_ABS : !strcmp(penalty, "mse") ? LM_KL_SQUARE : LM_KL_PLAIN;
        lm_policy_how how = {.low = of(c, "cliprange", 0), .high = of(c, "cliprange", 0)};
        lm_policy_tally sums = {0};
        double weight[MOST], vf = of(c, "vf_coef", 0);
        for (int r = 0; r < a.rows; r++)
            weight[r] = 1.0 / a.tokens;
        lm_token_rewards(kl, of(c, "kl_coef", 0), a.rows, a.splits, old, reference, score, reward);
        compare(&a, reward, json_object_get(c, "token_rewards"), "rewards of tokens");
        double padding = 0;
        if (json_is_true(json_object_get(c, "whiten_rewards"))) {
            double first = reward[0], second = reward[1];
            lm_whiten((size_t)a.tokens, reward, false);
            padding = reward[0] - first * (reward[1] - reward[0]) / (second - first); /* what it makes of the 0 behind an end */
        }
        padded_gae(&a, of(c, "gamma", 0), of(c, "lam", 0), reward, values, padding, advantage, returns);
        compare(&a, returns, json_object_get(c, "returns"), "returns");
        lm_whiten((size_t)a.tokens, advantage, true);
        compare(&a, advantage, json_object_get(c, "advantages"), "advantages");
        near(lm_policy_loss(&how, a.rows, a.splits, logp, old, NULL, advantage, weight, slope, &sums), of(c, "policy_loss", NAN), "ppo");
        compare(&a, slope, json_object_get(c, "grad_logprobs"), "ppo");
        near(sums.clipped / a.tokens, of(c, "clipfrac", NAN), "clipped");
        near(sums.approx_kl / a.tokens, of(c, "approxkl", NAN), "kl");
        near(lm_value_loss(a.tokens, of(c, "cliprange_value", 0), vf / a.tokens, vpreds, values, returns, slope, &sums),
             of(c, "value_loss_times_vf_coef", NAN), "values");
        compare(&a, slope, json_object_get(c, "grad_vpreds"), "values");
        near(sums.vf_clipped / a.tokens, of(c, "vf_clipfrac", NAN), "clipped values");
    }
    ck_assert_uint_ge(i, 4);
    json_decref(all);
}
END_TEST

START_TEST(advantages)
{
    static const float reward[8] = {1, 0, 0, 1, 2, 2, 2, 2};
    float advantage[8];
    ck_assert_int_eq(lm_group_advantages(LM_ADVANTAGE_LEAVE_ONE_OUT, 2, 4, reward, advantage), 1);
    near(advantage[0], 1 - 1.0 / 3, "the mean of the others");
    near(advantage[1], -2.0 / 3, "the mean of the others");
    near(advantage[5], 0, "rewards that are all the same");
    ck_assert_int_eq(lm_group_advantages(LM_ADVANTAGE_BATCH, 2, 4, reward, advantage), 1);
    near(advantage[3], 0.5 / (sqrt(5.5 / 7) + 1e-4), "the deviation of the batch"); /* mean 1.25: 4 (.75)^2 + 2 (.25)^2 + 2 (1.25)^2 */
    lm_group_advantages(LM_ADVANTAGE_GROUP, 8, 1, reward, advantage);
    near(advantage[4], 0, "groups of one");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("preference");
    TCase *t = tcase_create("losses");
    tcase_add_test(t, pairs_as_trl);
    tcase_add_test(t, rewards_as_trl);
    tcase_add_test(t, formulas);
    tcase_add_test(t, grpo_as_trl);
    tcase_add_test(t, ppo_as_trl);
    tcase_add_test(t, advantages);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
