/* Guards: what is a spike, and that a run that goes on judges as one that was not stopped. */
#include "unit.h"

#include "train/guard.h"

#include <math.h>

static lm_guard filled(int64_t window, int n)
{
    lm_guard g;
    lm_guard_begin(&g, 4, window);
    for (int i = 0; i < n; i++)
        lm_guard_add(&g, 2 + (i % 2 ? 0.1 : -0.1)); /* mean 2, deviation 0.1 */
    return g;
}

START_TEST(scores)
{
    lm_guard g = filled(50, LM_SPIKE_LEAST - 1);
    ck_assert(lm_guard_score(&g, 100) == 0); /* too few to judge by */
    lm_guard_add(&g, 2.1);
    ck_assert(fabs(lm_guard_score(&g, 2.5) - 5) < 1e-9);
    ck_assert(fabs(lm_guard_score(&g, 1.5) + 5) < 1e-9);
    ck_assert(lm_guard_score(&g, INFINITY) == INFINITY);
    lm_guard_end(&g);
    /* losses that are all alike: a hundredth of them stands in for the deviation */
    lm_guard_begin(&g, 4, 50);
    for (int i = 0; i < 60; i++)
        lm_guard_add(&g, 3);
    ck_assert(fabs(lm_guard_score(&g, 3.06) - 2) < 1e-9);
    lm_guard_end(&g);
    lm_guard_begin(&g, 4, 50);
    for (int i = 0; i < 60; i++)
        lm_guard_add(&g, 0);
    ck_assert(lm_guard_score(&g, 1) == 0);
    lm_guard_end(&g);
    lm_guard_begin(&g, 0, 50); /* no loss is a spike */
    for (int i = 0; i < 60; i++)
        lm_guard_add(&g, i);
    ck_assert(lm_guard_score(&g, 1e9) == 0);
    lm_guard_end(&g);
}
END_TEST

/* One spike does not hide the next; a level that stays is accepted; the window moves. */
START_TEST(windows)
{
    lm_guard g = filled(40, 200);
    lm_guard_add(&g, 1e6);
    ck_assert(lm_guard_score(&g, 3) > 4);
    int steps = 0;
    while (lm_guard_score(&g, 3) > 4) {
        lm_guard_add(&g, 3);
        ck_assert_int_lt(++steps, 20);
    }
    ck_assert_int_gt(steps, 2);
    for (int i = 0; i < 120; i++)
        lm_guard_add(&g, i % 2 ? 7.1 : 6.9);
    ck_assert(fabs(lm_guard_score(&g, 7.5) - 5) < 1e-9);
    lm_guard_end(&g);
}
END_TEST

START_TEST(goes_on)
{
    for (int n = 0; n < 100; n += 33) {
        lm_guard g = filled(40, n), again, shorter;
        g.not_finite = 1, g.spikes = 2, g.empty = 3, g.warned = 4, g.nan_in_a_row = 5;
        json_t *state = lm_guard_state(&g);
        lm_guard_begin(&again, 4, 40);
        lm_guard_restore(&again, state);
        ck_assert(again.not_finite == 1 && again.spikes == 2 && again.empty == 3 && again.warned == 4 && again.nan_in_a_row == 5);
        ck_assert_uint_eq(lm_guard_skipped(&again), 6);
        for (int i = 0; i < 90; i++) {
            double loss = 2 + 0.01 * i;
            ck_assert(lm_guard_score(&g, loss) == lm_guard_score(&again, loss));
            lm_guard_add(&g, loss);
            lm_guard_add(&again, loss);
        }
        lm_guard_begin(&shorter, 4, LM_SPIKE_LEAST);
        lm_guard_restore(&shorter, state);
        ck_assert_int_eq(shorter.count, n < LM_SPIKE_LEAST ? n : LM_SPIKE_LEAST);
        ck_assert_int_lt(shorter.next, LM_SPIKE_LEAST);
        json_decref(state);
        lm_guard_restore(&shorter, NULL);
        ck_assert_int_eq(shorter.count, 0);
        lm_guard_end(&g);
        lm_guard_end(&again);
        lm_guard_end(&shorter);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("guard");
    TCase *t = tcase_create("guard");
    tcase_add_test(t, scores);
    tcase_add_test(t, windows);
    tcase_add_test(t, goes_on);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
