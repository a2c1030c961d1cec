/* What rules say of answers, and how rewards add up. */
#include "unit.h"

#include "align/rewards.h"
#include "train/policy/value_head.h"

#include <math.h>
#include <string.h>

static lm_str text(const char *s)
{
    return (lm_str){s, s ? strlen(s) : 0};
}

START_TEST(rules)
{
    static const struct {
        const char *rule, *completion, *label;
        double value;
    } cases[] = {{"exact", " 4\n", "4", 1},
                 {"exact", "4.", "4", 0},
                 {"exact", "<think>2 and 2</think> 4", "4", 1},
                 {"exact", "", "4", 0},
                 {"contains", "it is 서울 now", "서울", 1},
                 {"contains", "it is", "서울", 0},
                 {"contains", "se", "seoul", 0},
                 {"number", "so 3, and then 4.", "4", 1},
                 {"number", "1,234", "1234", 1},
                 {"number", "-5", "-5", 1},
                 {"number", "9-5", "5", 1},
                 {"number", "x = -5", "-5", 1},
                 {"number", "4.50", "4.5", 1},
                 {"number", "none", "4", 0},
                 {"number", "41", "4", 0},
                 {"number", "<think>7</think>no", "7", 0},
                 {"think", "<think>a</think>b", NULL, 1},
                 {"think", " <think></think> b", NULL, 1},
                 {"think", "<think>a</think>", NULL, 0},
                 {"think", "b<think>a</think>b", NULL, 0},
                 {"think", "<think>a", NULL, 0},
                 {"think", "<think>a</think>b</think>c", NULL, 0},
                 {"think", "<think>a<think>b</think>c", NULL, 0},
                 {"length=1-3", "whatever", NULL, 1},
                 {"length=4-9", "whatever", NULL, 0},
                 {"regex=^[가-힣]+$", "안녕", NULL, 1},
                 {"regex=^[가-힣]+$", "hi", NULL, 0},
                 {"regex=(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", NULL, 0},
                 {"regex=b", "\xff\xfe b", NULL, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_reward_options o = LM_REWARD_DEFAULTS;
        lm_strings_add(&o.rewards, cases[i].rule);
        lm_rewards *w = lm_rewards_new(&o, &st);
        ck_assert_msg(w != NULL, "%s", st.message);
        lm_graded a = {.prompt = text("?"), .completion = text(cases[i].completion), .label = text(cases[i].label),
                       .prompt_tokens = 2, .count = 4};
        float total = NAN;
        ck_assert_msg(lm_rewards_grade(w, &a, 1, &total, &st), "%s", st.message);
        ck_assert_msg(total == cases[i].value, "%s of '%s' is %g", cases[i].rule, cases[i].completion, (double)total);
        lm_rewards_free(w);
        free(o.rewards.items);
    }
}
END_TEST

START_TEST(sums)
{
    lm_status st = LM_STATUS_INIT;
    lm_reward_options o = LM_REWARD_DEFAULTS;
    o.weights = "2,-0.5,1";
    lm_strings_add(&o.rewards, "exact");
    lm_strings_add(&o.rewards, "length=0-9");
    lm_strings_add(&o.commands, "sed 's/.*/0.25/'");
    lm_rewards *w = lm_rewards_new(&o, &st);
    ck_assert_msg(w != NULL, "%s", st.message);
    lm_graded a[2] = {{.prompt = text("\"a\n"), .completion = text("x"), .label = text("x"), .count = 2},
                      {.prompt = text("b"), .completion = text(""), .label = text("x"), .count = 2}};
    float total[2];
    ck_assert_msg(lm_rewards_grade(w, a, 2, total, &st), "%s", st.message);
    ck_assert_float_eq(total[0], 1.75f);
    ck_assert_float_eq(total[1], -0.25f);
    ck_assert_int_eq(lm_rewards_count(w), 3);
    ck_assert_str_eq(lm_rewards_names(w)[2], "sed");
    ck_assert_double_eq(lm_rewards_means(w)[0], 0.5);
    ck_assert_double_eq(lm_rewards_value(w, 2, 1), 0.25);
    a[1].label = text(NULL);
    ck_assert(!lm_rewards_grade(w, a, 2, total, &st));
    ck_assert(strstr(st.message, "it has no label") != NULL);
    lm_rewards_free(w);
    free(o.rewards.items);
    free(o.commands.items);
}
END_TEST

/* The head learns a linear function, and goes on from its state as if it had not stopped. */
START_TEST(values)
{
    static const float x[3][2] = {{1, 0}, {0, 1}, {1, 1}};
    static const double want[3] = {2, -1, 1.5};
    lm_value_head h, copy;
    float slope[2];
    lm_value_head_init(&h, 2);
    lm_value_head_init(&copy, 2);
    for (int step = 0; step < 2000; step++) {
        if (step == 1000) {
            json_t *state = lm_value_head_state(&h);
            lm_value_head_restore(&copy, state);
            json_decref(state);
        }
        for (int i = 0; i < 3; i++) {
            double d = (double)lm_value_head_of(&h, x[i]) - want[i];
            lm_value_head_learn(&h, x[i], d, slope);
            ck_assert_float_eq(slope[1], (float)(d * h.weight[1]));
            if (step >= 1000)
                lm_value_head_learn(&copy, x[i], (double)lm_value_head_of(&copy, x[i]) - want[i], slope);
        }
        lm_value_head_update(&h, 0.02);
        if (step >= 1000)
            lm_value_head_update(&copy, 0.02);
    }
    for (int i = 0; i < 3; i++)
        ck_assert_msg(fabs((double)lm_value_head_of(&h, x[i]) - want[i]) < 0.02, "value %d is %g", i, (double)lm_value_head_of(&h, x[i]));
    ck_assert_mem_eq(h.weight, copy.weight, 3 * sizeof *h.weight);
    lm_value_head_free(&h);
    lm_value_head_free(&copy);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rewards");
    TCase *t = tcase_create("rewards");
    tcase_add_test(t, rules);
    tcase_add_test(t, sums);
    tcase_add_test(t, values);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
