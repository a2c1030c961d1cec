#define UNIT_FORKS /* one of the tests ends by a signal */
#include "check_base.h"

#include "base/arena.h"
#include "base/buffer.h"

START_TEST(first_failure_stays)
{
    lm_status st = LM_STATUS_INIT;
    ck_assert(!lm_fail(&st, LM_ENDED, "a: %d", 1));
    lm_fail(&st, LM_FAILED, "b");
    ck_assert_int_eq(st.code, LM_ENDED);
    lm_fail_prefix(&st, "file");
    ck_assert_str_eq(st.message, "file: a: 1");
    static char longest[LM_MESSAGE_MAX + 10];
    memset(longest, 'x', sizeof longest - 1);
    lm_fail_prefix(&st, longest);
    ck_assert_str_eq(st.message, "file: a: 1");
    longest[LM_MESSAGE_MAX - 6] = '\0';
    lm_fail_prefix(&st, longest);
    ck_assert_uint_eq(strlen(st.message), LM_MESSAGE_MAX - 1);
    ck_assert_str_eq(st.message + LM_MESSAGE_MAX - 6, ": fil");
}
END_TEST

START_TEST(arena_warms_up)
{
    lm_arena *arena = lm_arena_new(128);
    for (int step = 0; step < 3; step++) {
        lm_arena_reset(arena);
        for (int i = 0; i < 100; i++) {
            char *p = lm_arena_alloc(arena, 100, 1);
            ck_assert_uint_eq((size_t)p % 64, 0);
            memset(p, i, 100);
        }
        if (step == 1) {
            size_t warm = lm_arena_chunks(arena);
            lm_arena_reset(arena);
            lm_arena_alloc(arena, 100, 128);
            ck_assert_uint_eq(lm_arena_chunks(arena), warm);
        }
    }
    lm_arena_free(arena);
}
END_TEST

START_TEST(arena_mark_gives_back)
{
    lm_arena *arena = lm_arena_new(0);
    lm_arena_alloc(arena, 10, 1);
    size_t before = lm_arena_used(arena);
    lm_arena_mark mark = lm_arena_mark_get(arena);
    lm_arena_alloc(arena, 1, 1000000);
    lm_arena_release(arena, mark);
    ck_assert_uint_eq(lm_arena_used(arena), before);
    lm_arena_free(arena);
}
END_TEST

START_TEST(buffer_grows)
{
    lm_buf b = {0};
    for (int i = 0; i < 1000; i++)
        lm_buf_printf(&b, "%d,", i);
    ck_assert_uint_eq(b.len, 10 * 2 + 90 * 3 + 900 * 4);
    ck_assert_str_eq(lm_buf_cstr(&b) + b.len - 4, "999,");
    lm_buf_free(&b);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("base");
    TCase *c = tcase_create("base");
    tcase_add_test(c, first_failure_stays);
    tcase_add_test(c, arena_warms_up);
    tcase_add_test(c, arena_mark_gives_back);
    tcase_add_test(c, buffer_grows);
    suite_add_tcase(s, c);
    suite_add_tcase(s, base_numbers_and_text());
    suite_add_tcase(s, base_files());
    suite_add_tcase(s, base_interrupts());
    suite_add_tcase(s, base_options());
    suite_add_tcase(s, base_progress());
    return s;
}

UNIT_MAIN(suite)
