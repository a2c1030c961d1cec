/* Mixtures: which source a row is of, what an epoch reads of each, and sources that are read as they come. */
#include "base/memory.h"
#include "numbered_rows.h"
#include "scratch.h"
#include "train/data/data.h"
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------ who is next */

START_TEST(shares)
{
    static const double weights[][4] = {{0.7, 0.3, 0, 0}, {1, 1, 1, 0}, {5, 3, 1, 1}, {1e-6, 1, 1e6, 1}, {1, 0, 0, 0}};
    static const size_t counts[] = {2, 3, 4, 4, 1};
    for (int k = 0; k < 5; k++) {
        lm_mixture *m = lm_mixture_new(weights[k], counts[k]);
        double sum = 0;
        for (size_t i = 0; i < counts[k]; i++)
            sum += weights[k][i];
        uint64_t had[4] = {0}, has[4];
        for (uint64_t n = 1; n <= 2000; n++) {
            uint64_t all = 0, grown = 0;
            bool good = true;
            lm_mixture_counts(m, n, has);
            for (size_t i = 0; i < counts[k]; i++) {
                good &= has[i] >= had[i];
                grown += has[i] - had[i];
                all += has[i];
                /* within a row for each source before it, and for itself */
                good &= fabs((double)has[i] - (double)n * weights[k][i] / sum) <= (double)i + 1;
            }
            ck_assert(good && grown == 1 && all == n);
            memcpy(had, has, sizeof had);
        }
        lm_mixture_free(m);
    }
    /* whole numbers come out whole: ten rows of 0.7 and 0.3 */
    lm_mixture *m = lm_mixture_new(weights[0], 2);
    uint64_t of[2];
    for (uint64_t n = 10; n <= 100000; n += 10) {
        lm_mixture_counts(m, n, of);
        ck_assert_uint_eq(of[0], n / 10 * 7);
    }
    lm_mixture_free(m);
}
END_TEST

START_TEST(the_option)
{
    char *dir = scratch_new(), *a = numbered_rows(dir, "a=b.lms", 1, 0);
    char *good = lm_format("%s=70%%", a);
    const char *words[] = {good}, *others[] = {"-=2"};
    lm_strings option = {words, 1, 1}, operands = {others, 1, 1}, none = {0};
    lm_status st = LM_STATUS_INIT;
    lm_mix mix = {0};
    ck_assert(lm_mix_read(&none, &operands, &mix, &st) && !mix.weights);
    ck_assert(lm_mix_read(&option, &operands, &mix, &st));
    ck_assert_uint_eq(mix.inputs.count, 2);
    ck_assert_str_eq(mix.inputs.items[0], a);
    ck_assert_str_eq(mix.inputs.items[1], "-");
    ck_assert(mix.weights[0] == 0.7 && mix.weights[1] == 2);
    lm_mix_free(&mix);
    static const char *const wrong[] = {"-", "=1", "-=", "-=0", "-=-1", "-=nan", "-=inf", "-=x", "-=1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *pair[] = {"-=1", wrong[i]};
        lm_strings two = {pair, 2, 2};
        lm_status bad = LM_STATUS_INIT;
        ck_assert_msg(!lm_mix_read(&two, &none, &mix, &bad), "%s", wrong[i]);
        ck_assert_int_eq(bad.code, LM_USAGE);
        lm_mix_free(&mix);
    }
    free(good);
    free(a);
    scratch_discard(dir);
}
END_TEST

/* ------------------------------------------------------------------ rows at hand */

enum { A = 70, B = 9, C = 21, STEP = 10, FIRST_B = 1000, FIRST_C = 2000 };

typedef struct three {
    char *dir;
    const char *items[3];
    lm_strings inputs;
    double weights[3];
    lm_targets targets;
} three;

static void three_sources(three *t)
{
    *t = (three){.dir = scratch_new(), .weights = {3, 6, 1}};
    t->items[0] = numbered_rows(t->dir, "a.lms", A, 0);
    t->items[1] = numbered_rows(t->dir, "b.lms", B, FIRST_B);
    t->items[2] = numbered_rows(t->dir, "c.lms", C, FIRST_C);
    t->inputs = (lm_strings){t->items, 3, 3};
    t->targets = (lm_targets){.objective = lm_objective_find("classify"), .classes = 3, .vocab_size = 10000};
}

static void three_end(three *t)
{
    for (int i = 0; i < 3; i++)
        free((char *)t->items[i]);
    scratch_discard(t->dir);
}

static lm_data *open_three(three *t, lm_data_options options)
{
    lm_status st = LM_STATUS_INIT;
    options.inputs = &t->inputs;
    options.weights = t->weights;
    options.rows_per_step = STEP;
    options.seed = 7;
    lm_data *d = lm_data_open(&options, &st);
    assert_ok(&st);
    lm_data_load(d, &st);
    assert_ok(&st);
    return d;
}

/* Counts, of each source, the rows of a step, and how often each row has come. False at the end. */
static bool count_step(lm_data *d, uint64_t step, const lm_targets *targets, int of[3], int *times)
{
    lm_status st = LM_STATUS_INIT;
    lm_step_rows rows = {0};
    bool end;
    ck_assert(lm_data_step(d, step, targets, &rows, &end, &st));
    memset(of, 0, 3 * sizeof *of);
    for (int r = 0; r < (end ? 0 : rows.rows); r++) {
        int token = rows.ids[rows.row_splits[r]];
        of[token >= FIRST_C ? 2 : token >= FIRST_B]++;
        times[token]++;
    }
    lm_step_rows_free(&rows);
    return !end;
}

static void assert_even(const int *times, int rows)
{
    int least = times[0], most = times[0];
    for (int i = 1; i < rows; i++) {
        least = times[i] < least ? times[i] : least;
        most = times[i] > most ? times[i] : most;
    }
    ck_assert_int_le(most - least, 1);
    ck_assert_int_gt(most, 0);
}

START_TEST(spooled)
{
    three t;
    three_sources(&t);
    lm_data *d = open_three(&t, (lm_data_options){.shuffle = true});
    ck_assert_uint_eq(lm_data_rows(d), A + B + C);
    ck_assert_uint_eq(lm_data_steps(d), 10);
    int times[3000] = {0}, of[3];
    for (uint64_t step = 0; step < 40; step++) {
        ck_assert(count_step(d, step, &t.targets, of, times));
        ck_assert_int_eq(of[0], 3);
        ck_assert_int_eq(of[1], 6);
        ck_assert_int_eq(of[2], 1);
        assert_even(times + FIRST_B, B);
    }
    assert_even(times, A);
    assert_even(times + FIRST_C, C);
    /* a step depends on no other: another one that begins in the middle of an epoch reads the same rows */
    lm_data *late = open_three(&t, (lm_data_options){.shuffle = true});
    lm_step_rows one = {0}, two = {0};
    lm_status st = LM_STATUS_INIT;
    bool end;
    for (uint64_t step = 34; step < 37; step++) {
        lm_data_step(late, step, &t.targets, &one, &end, &st);
        lm_data_step(d, step, &t.targets, &two, &end, &st);
        ck_assert_int_eq(one.tokens, two.tokens);
        ck_assert_mem_eq(one.ids, two.ids, (size_t)one.tokens * sizeof *one.ids);
    }
    lm_step_rows_free(&one);
    lm_step_rows_free(&two);
    lm_data_free(late);
    lm_data_free(d);
    /* part of the rows, of each source its own */
    d = open_three(&t, (lm_data_options){.shuffle = true, .most = 50});
    memset(times, 0, sizeof times);
    for (uint64_t step = 0; step < lm_data_steps(d); step++)
        ck_assert(count_step(d, step, &t.targets, of, times) && of[0] == 3 && of[1] == 6 && of[2] == 1);
    lm_data_free(d);
    /* in length order the shares of an epoch stay */
    d = open_three(&t, (lm_data_options){.shuffle = true, .by_length = true});
    int all[3] = {0};
    for (uint64_t step = 0; step < lm_data_steps(d); step++) {
        count_step(d, step, &t.targets, of, times);
        for (int i = 0; i < 3; i++)
            all[i] += of[i];
    }
    ck_assert(all[0] == 30 && all[1] == 60 && all[2] == 10);
    lm_data_free(d);
    three_end(&t);
}
END_TEST

/* Masks are drawn anew whenever a row comes again, also within an epoch. */
START_TEST(masks_differ)
{
    three t;
    three_sources(&t);
    t.targets.objective = lm_objective_find("mlm");
    t.targets.masking = (lm_masking){.probability = 0.5, .mask_id = 9000, .vocab_size = 10000, .seed = 1};
    for (int streaming = 0; streaming < 2; streaming++) {
        lm_data *d = open_three(&t, (lm_data_options){.shuffle = true, .streaming = streaming, .window = 30});
        lm_step_rows rows = {0};
        lm_status st = LM_STATUS_INIT;
        int seen = 0, masks[32] = {0};
        bool end;
        for (uint64_t step = 0; step < 30; step++) {
            ck_assert(lm_data_step(d, step, &t.targets, &rows, &end, &st));
            for (int r = 0; r < rows.rows; r++) {
                const int32_t *label = rows.token_label + rows.row_splits[r], *ids = rows.ids + rows.row_splits[r];
                int first = label[0] == LM_IGNORE ? ids[0] : label[0], mask = 0;
                if (first != FIRST_B + 5)
                    continue;
                for (int k = 1; k < 6; k++)
                    mask |= (label[k] != LM_IGNORE) << (k - 1);
                masks[mask]++;
                seen++;
            }
        }
        int different = 0;
        for (int i = 0; i < 32; i++)
            different += masks[i] > 0;
        ck_assert_int_eq(seen, 20);
        ck_assert_int_gt(different, 8);
        lm_step_rows_free(&rows);
        lm_data_free(d);
    }
    three_end(&t);
}
END_TEST

/* ------------------------------------------------------------------ rows as they come */

START_TEST(streaming)
{
    three t;
    three_sources(&t);
    static const uint32_t windows[] = {1, 10, 16, 1000};
    for (int k = 0; k < 4; k++) {
        lm_data *d = open_three(&t, (lm_data_options){.streaming = true, .shuffle = k > 0, .window = windows[k]});
        ck_assert_ptr_null(lm_data_spool(d));
        int times[3000] = {0}, of[3];
        for (uint64_t step = 0; step < 60; step++) {
            ck_assert(count_step(d, step, &t.targets, of, times));
            ck_assert(of[0] == 3 && of[1] == 6 && of[2] == 1);
            assert_even(times + FIRST_B, B); /* begun anew only when it is used up, in every window */
        }
        assert_even(times, A);
        assert_even(times + FIRST_C, C);
        lm_data_free(d);
    }
    three_end(&t);
}
END_TEST

/* What cannot be read again is the end of the run; a file that has no rows is none at all. */
START_TEST(the_end)
{
    three t;
    three_sources(&t);
    lm_status st = LM_STATUS_INIT;
    char *fifo = lm_format("%s/fifo", t.dir);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    const char *rows = t.items[0];
    t.items[0] = fifo;
    pid_t writer = fork();
    if (writer == 0) {
        execlp("cp", "cp", rows, fifo, (char *)NULL);
        _exit(1);
    }
    lm_data *d = open_three(&t, (lm_data_options){.streaming = true, .shuffle = true, .window = 12});
    int times[3000] = {0}, of[3], steps = 0;
    while (count_step(d, (uint64_t)steps, &t.targets, of, times))
        steps++;
    ck_assert_int_eq(steps, A / 3 + 1);
    for (int i = 0; i < A; i++)
        ck_assert_int_eq(times[i], 1);
    lm_data_free(d);
    t.items[0] = rows;
    free(fifo);
    char *empty = numbered_rows(t.dir, "empty.lms", 0, 0);
    free((char *)t.items[1]);
    t.items[1] = empty;
    lm_data_options options = {.inputs = &t.inputs, .weights = t.weights, .rows_per_step = STEP};
    d = lm_data_open(&options, &st);
    ck_assert(d && !lm_data_load(d, &st));
    ck_assert_ptr_nonnull(strstr(st.message, "empty.lms"));
    lm_data_free(d);
    lm_status_clear(&st);
    options.streaming = true;
    d = lm_data_open(&options, &st);
    lm_step_rows unused = {0};
    bool end;
    ck_assert(d && !lm_data_step(d, 0, &t.targets, &unused, &end, &st));
    ck_assert_ptr_nonnull(strstr(st.message, "empty.lms"));
    lm_data_free(d);
    three_end(&t);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("mixture");
    TCase *t = tcase_create("mixture");
    tcase_add_test(t, shares);
    tcase_add_test(t, the_option);
    tcase_add_test(t, spooled);
    tcase_add_test(t, masks_differ);
    tcase_add_test(t, streaming);
    tcase_add_test(t, the_end);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
