/* The sampler against the formulas of its filters, written down with a full sort. */
#include "unit.h"

#include "base/random.h"
#include "generate/sampler.h"

#include <math.h>
#include <string.h>

enum { COLUMNS = 700, CASES = 300 };

/* ------------------------------------------------------------------ the formulas */

typedef struct token {
    int id;
    double logit, p, by; /* by: what they are sorted by, largest first */
} token;

typedef struct reference {
    token tokens[COLUMNS];
    int n;
} reference;

static int compare(const void *a, const void *b)
{
    const token *x = a, *y = b;
    return x->by != y->by ? (x->by < y->by) - (x->by > y->by) : (x->id > y->id) - (x->id < y->id);
}

static void softmax(reference *r)
{
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < r->n; i++)
        most = fmax(most, r->tokens[i].logit);
    for (int i = 0; i < r->n; i++)
        sum += exp(r->tokens[i].logit - most);
    for (int i = 0; i < r->n; i++)
        r->tokens[i].p = exp(r->tokens[i].logit - most) / sum;
}

/* By descending logit, or by how near -log p is to the entropy. */
static void sort(reference *r, bool typical)
{
    double entropy = 0;
    softmax(r);
    for (int i = 0; i < r->n; i++)
        entropy -= r->tokens[i].p > 0 ? r->tokens[i].p * log(r->tokens[i].p) : 0;
    for (int i = 0; i < r->n; i++)
        r->tokens[i].by = typical ? -fabs(-log(r->tokens[i].p) - entropy) : r->tokens[i].logit;
    qsort(r->tokens, (size_t)r->n, sizeof *r->tokens, compare);
}

static void cut_mass(reference *r, double p)
{
    double mass = 0;
    int n = 0;
    while (n < r->n && (n == 0 || mass < p))
        mass += r->tokens[n++].p;
    r->n = n;
}

static void cut_below(reference *r, double least)
{
    int n = 0;
    for (int i = 0; i < r->n; i++)
        if (r->tokens[i].logit >= least)
            r->tokens[n++] = r->tokens[i];
    r->n = n;
}

static void penalise(reference *r, const lm_sampling *s, const int32_t *history, int count)
{
    for (int i = 0; i < r->n; i++) {
        token *t = &r->tokens[i];
        int times = 0;
        for (int j = 0; j < count; j++)
            times += (s->penalty_last < 0 || count - j <= s->penalty_last) && history[j] == t->id;
        if (times == 0)
            continue;
        t->logit = t->logit > 0 ? t->logit / s->repetition : t->logit * s->repetition;
        t->logit -= s->presence + times * s->frequency;
    }
}

static void apply(reference *r, const lm_sampling *s, lm_filter filter, const int32_t *history, int count)
{
    double mean = 0, variance = 0;
    sort(r, filter == LM_FILTER_TYPICAL);
    for (int i = 0; i < r->n; i++)
        mean += r->tokens[i].logit / r->n;
    for (int i = 0; i < r->n; i++)
        variance += (r->tokens[i].logit - mean) * (r->tokens[i].logit - mean) / r->n;
    if (filter == LM_FILTER_PENALTIES)
        penalise(r, s, history, count);
    if (filter == LM_FILTER_TEMPERATURE)
        for (int i = 0; i < r->n; i++)
            r->tokens[i].logit /= s->temperature;
    if (filter == LM_FILTER_TOP_K && s->top_k && s->top_k < r->n)
        r->n = (int)s->top_k;
    if (filter == LM_FILTER_TOP_P && s->top_p < 1)
        cut_mass(r, s->top_p);
    if (filter == LM_FILTER_TYPICAL && s->typical < 1)
        cut_mass(r, s->typical);
    if (filter == LM_FILTER_MIN_P && s->min_p > 0)
        cut_below(r, r->tokens[0].logit + log(s->min_p));
    if (filter == LM_FILTER_TOP_N_SIGMA && s->top_n_sigma > 0)
        cut_below(r, r->tokens[0].logit - s->top_n_sigma * sqrt(variance));
}

/* ------------------------------------------------------------------ filters */

/* A random number for each place it is asked for at, and number `i` of that place. */
static double drawn(uint64_t place, uint64_t i)
{
    return (double)lm_random_float(lm_random_key(7, LM_FOR_NOISE, 0), place, i);
}

/* Logits far enough from one another that rounding does not change their order; some are -inf. */
static void fill_logits(float *logits, int columns, uint64_t test)
{
    uint32_t order[COLUMNS];
    lm_random_permutation(lm_random_key(3, LM_FOR_NOISE, 0), test, order, (uint32_t)columns);
    double steepness = 0.2 + 8 * drawn(test, 1), from = 4 * drawn(test, 2);
    for (int i = 0; i < columns; i++) {
        double rank = (order[i] + 0.3 * drawn(test, 100 + (uint64_t)i)) / columns;
        logits[i] = order[i] % 50 == 49 ? -INFINITY : (float)(from - steepness * pow(rank, 0.4) - rank);
    }
}

static reference reference_of(const float *logits, int columns)
{
    reference r = {0};
    for (int i = 0; i < columns; i++)
        if (logits[i] > -INFINITY)
            r.tokens[r.n++] = (token){.id = i, .logit = (double)logits[i]};
    return r;
}

static double log_difference(const reference *r, double p, bool typical)
{
    reference sorted = *r;
    double mass = 0, nearest = 1;
    sort(&sorted, typical);
    for (int i = 0; i < sorted.n; i++) {
        mass += sorted.tokens[i].p;
        nearest = fmin(nearest, fabs(mass - p));
        if (typical && i > 0)
            nearest = fmin(nearest, (sorted.tokens[i - 1].by - sorted.tokens[i].by));
    }
    return nearest;
}

static int compare_ids(const void *a, const void *b)
{
    const token *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static void same_candidates(const lm_candidates *c, reference *want, uint64_t test)
{
    double sum = 0;
    softmax(want);
    qsort(want->tokens, (size_t)want->n, sizeof *want->tokens, compare_ids);
    ck_assert_msg(c->count == want->n, "case %d: %d tokens are left, not %d", (int)test, c->count, want->n);
    for (int i = 0; i < c->count; i++) {
        sum += c->probability[i];
        if (c->ids[i] != want->tokens[i].id || !(fabs(c->probability[i] - want->tokens[i].p) < 2e-6 * want->tokens[i].p + 1e-12))
            ck_abort_msg("case %d: token %d with %.9g, not %d with %.9g", (int)test, (int)c->ids[i], c->probability[i],
                         want->tokens[i].id, want->tokens[i].p);
    }
    ck_assert(fabs(sum - 1) < 1e-12);
}

static const char *const chains[] = {
    "hf", "llama", "top-k", "top-p", "min-p", "typical", "top_n_sigma", "penalties", "temp;top-p", "typ_p,top-k", "",
};

/* What a case asks for; where it would cut between two masses that rounding cannot tell apart, something else. */
static lm_sampling sampling_of(uint64_t test)
{
    lm_status st = LM_STATUS_INIT;
    lm_sampling s;
    lm_sampling_init(&s);
    s.temperature = 0.3 + 1.5 * drawn(test, 10);
    s.top_k = (int64_t)(drawn(test, 11) * 300);
    s.top_p = drawn(test, 12) < 0.2 ? 1 : 0.5 + 0.499 * drawn(test, 13);
    s.min_p = drawn(test, 14) < 0.3 ? 0 : 0.2 * drawn(test, 15);
    s.typical = drawn(test, 16) < 0.3 ? 1 : 0.3 + 0.69 * drawn(test, 17);
    s.top_n_sigma = drawn(test, 18) < 0.5 ? 0 : 0.5 + 2 * drawn(test, 19);
    s.repetition = 0.8 + 0.7 * drawn(test, 20);
    s.presence = drawn(test, 21) - 0.3;
    s.frequency = drawn(test, 22) - 0.3;
    s.penalty_last = (int64_t)(drawn(test, 23) * 60) - 1;
    ck_assert(lm_sampling_order(&s, chains[test % (sizeof chains / sizeof *chains)], &st));
    return s;
}

START_TEST(filters_are_their_formulas)
{
    enum { HISTORY = 50 };
    int compared = 0;
    for (uint64_t test = 0; test < CASES; test++) {
        lm_status st = LM_STATUS_INIT;
        int columns = 1 + (int)(drawn(test, 0) * (COLUMNS - 1));
        float logits[COLUMNS];
        int32_t history[HISTORY];
        fill_logits(logits, columns, test);
        for (uint64_t i = 0; i < HISTORY; i++)
            history[i] = (int32_t)(drawn(test, 30 + i) * drawn(test, 30 + i) * columns * 1.1);
        lm_sampling s = sampling_of(test);
        reference want = reference_of(logits, columns);
        bool clear = want.n > 0;
        for (int i = 0; i < s.order_count; i++) {
            if (s.order[i] == LM_FILTER_TOP_P || s.order[i] == LM_FILTER_TYPICAL)
                clear = clear && log_difference(&want, s.order[i] == LM_FILTER_TOP_P ? s.top_p : s.typical,
                                                s.order[i] == LM_FILTER_TYPICAL) > 1e-6;
            apply(&want, &s, s.order[i], history, HISTORY);
        }
        if (!clear)
            continue;
        lm_sampler *sampler = lm_sampler_new(&s, columns, &st);
        lm_candidates got;
        lm_sampler_step step = {.history = history, .history_count = HISTORY};
        for (int again = 0; again < 2; again++) { /* nothing is left behind from one step to the next */
            bool ok = lm_sampler_candidates(sampler, logits, &step, &got, &st);
            assert_ok(&st);
            ck_assert(ok);
            same_candidates(&got, &want, test);
        }
        lm_sampler_free(sampler);
        compared++;
    }
    ck_assert_int_gt(compared, CASES * 3 / 4);
}
END_TEST

static lm_candidates candidates(lm_sampler *sampler, const float *logits, const lm_sampler_step *step)
{
    lm_status st = LM_STATUS_INIT;
    lm_candidates c = {0};
    lm_sampler_candidates(sampler, logits, step, &c, &st);
    assert_ok(&st);
    return c;
}

static void left(const lm_sampling *s, const float *logits, int columns, const lm_sampler_step *step, const char *want)
{
    lm_status st = LM_STATUS_INIT;
    char text[200] = "";
    lm_sampler *sampler = lm_sampler_new(s, columns, &st);
    assert_ok(&st);
    lm_candidates c = candidates(sampler, logits, step);
    for (int i = 0; i < c.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i ? " " : "", (int)c.ids[i]);
    ck_assert_str_eq(text, want);
    lm_sampler_free(sampler);
}

/* Of equal logits the smallest ids stay, there is always one, and a limit that is met is met. */
START_TEST(limits)
{
    const float logits[] = {1, 3, 3, -INFINITY, 3, 2};
    const lm_sampler_step step = {0};
    lm_sampling s, all;
    lm_sampling_init(&all);
    all.temperature = 1;
    left(&all, logits, 6, &step, "0 1 2 4 5");
    s = all, s.top_k = 2;
    left(&s, logits, 6, &step, "1 2");
    s = all, s.top_k = 100;
    left(&s, logits, 6, &step, "0 1 2 4 5");
    s = all, s.top_p = 0;
    left(&s, logits, 6, &step, "1");
    s = all, s.typical = 0;
    left(&s, logits, 6, &step, "1");
    s = all, s.min_p = 1;
    left(&s, logits, 6, &step, "1 2 4");
    s = all, s.temperature = 0, s.typical = 0.1;
    left(&s, logits, 6, &step, "1");
    s.repetition = 4;
    const int32_t history[] = {1, 2, 4, 7, -1};
    left(&s, logits, 6, &(lm_sampler_step){.history = history, .history_count = 5}, "5");
    s.penalty_last = 3;
    left(&s, logits, 6, &(lm_sampler_step){.history = history, .history_count = 5}, "1");
    const float zero[] = {-0.0f, 0.0f, 0.0f};
    s = all, s.top_k = 1;
    left(&s, zero, 3, &step, "0");
}
END_TEST

START_TEST(what_may_not_come)
{
    const float logits[] = {1, 3, 3, -INFINITY, 3, 2};
    const lm_logit_bias bias[] = {{1, -INFINITY}, {5, 0.75f}, {5, 0.75f}, {3, 100}};
    const int32_t never[] = {2, -5, 600};
    const uint64_t allowed[] = {0x3d};
    lm_sampling s;
    lm_sampling_init(&s);
    left(&s, logits, 6, &(lm_sampler_step){.never = never, .never_count = 3}, "1");
    left(&s, logits, 6, &(lm_sampler_step){.allowed = allowed}, "2");
    left(&s, logits, 6, &(lm_sampler_step){.allowed = allowed, .never = never, .never_count = 3}, "4");
    s.bias = bias, s.bias_count = 4;
    left(&s, logits, 6, &(lm_sampler_step){0}, "5");
    s.temperature = 1;
    left(&s, logits, 6, &(lm_sampler_step){.never = never, .never_count = 3}, "0 4 5");
}
END_TEST

static lm_choice chosen(lm_sampler *sampler, const float *logits, const lm_sampler_step *step)
{
    lm_status st = LM_STATUS_INIT;
    lm_choice c = {0};
    lm_sampler_choose(sampler, logits, step, &c, &st);
    assert_ok(&st);
    return c;
}

/* Tokens come as often as they are likely, and the same ones for the same seed, record, sample and position. */
START_TEST(draws)
{
    enum { DRAWS = 40000, WORDS = 6 };
    const float logits[WORDS] = {0, 1, -2, 0.5f, -INFINITY, 2};
    lm_status st = LM_STATUS_INIT;
    lm_sampling s;
    lm_sampling_init(&s);
    s.temperature = 1.3;
    s.seed = 11;
    lm_sampler *sampler = lm_sampler_new(&s, WORDS, &st);
    double sum = 0;
    for (int i = 0; i < WORDS; i++)
        sum += exp((double)logits[i] / 1.3);
    for (int what = 0; what < 3; what++) {
        int times[WORDS] = {0};
        for (uint64_t i = 0; i < DRAWS; i++) {
            lm_sampler_step step = {.record = what == 0 ? i : 5, .sample = what == 1 ? i : 5, .position = what == 2 ? i : 5};
            times[chosen(sampler, logits, &step).id]++;
        }
        for (int i = 0; i < WORDS; i++) {
            double p = exp((double)logits[i] / 1.3) / sum, deviation = sqrt(p * (1 - p) / DRAWS);
            ck_assert_msg(fabs((double)times[i] / DRAWS - p) <= 4 * deviation, "token %d came %d times of %d, not %g", i, times[i],
                          DRAWS, p * DRAWS);
        }
    }
    int seeds = 0;
    for (uint64_t i = 0; i < 100; i++) {
        lm_sampler_step step = {.record = i, .position = 3};
        lm_sampling other = s;
        other.seed = 12;
        lm_sampler *second = lm_sampler_new(&other, WORDS, &st);
        int32_t id = chosen(sampler, logits, &step).id;
        ck_assert_int_eq(chosen(sampler, logits, &step).id, id);
        seeds += chosen(second, logits, &step).id != id;
        lm_sampler_free(second);
    }
    ck_assert_int_gt(seeds, 30);
    lm_sampler_free(sampler);
}
END_TEST

/* Bits that lie between the probabilities added up, and the ends. */
START_TEST(draw_is_the_inverse_of_the_distribution)
{
    const int32_t ids[] = {3, 5, 8, 9, 11};
    const double p[] = {0, 0.25, 0.5, 0.25, 0};
    const lm_candidates c = {ids, p, 5};
    ck_assert_int_eq(lm_candidates_draw(&c, 0), 5);
    ck_assert_int_eq(lm_candidates_draw(&c, 0x3fffffffffffffff), 5);
    ck_assert_int_eq(lm_candidates_draw(&c, 0x4000000000000000), 8);
    ck_assert_int_eq(lm_candidates_draw(&c, 0xbfffffffffffffff), 8);
    ck_assert_int_eq(lm_candidates_draw(&c, 0xc000000000000000), 9);
    ck_assert_int_eq(lm_candidates_draw(&c, UINT64_MAX), 9);
}
END_TEST

START_TEST(log_probabilities_are_the_models)
{
    float logits[COLUMNS];
    lm_status st = LM_STATUS_INIT;
    fill_logits(logits, COLUMNS, 4);
    reference r = reference_of(logits, COLUMNS);
    sort(&r, false);
    lm_sampling s;
    lm_sampling_init(&s);
    s.temperature = 2;
    s.top_k = 20;
    s.top_logprobs = 900;
    lm_sampler *sampler = lm_sampler_new(&s, COLUMNS, &st);
    for (uint64_t i = 0; i < 30; i++) {
        lm_choice c = chosen(sampler, logits, &(lm_sampler_step){.record = i});
        ck_assert_int_eq(c.top_count, COLUMNS);
        int at = 0;
        while (r.tokens[at].id != c.id)
            at++;
        ck_assert_int_lt(at, 20);
        ck_assert(fabs((double)c.logprob - log(r.tokens[at].p)) < 2e-6);
        for (int j = 0; j < r.n; j++)
            if (c.top[j].id != r.tokens[j].id || !(fabs((double)c.top[j].logprob - log(r.tokens[j].p)) < 2e-6))
                ck_abort_msg("%d: token %d with %g, not %d with %g", j, (int)c.top[j].id, (double)c.top[j].logprob, r.tokens[j].id,
                             log(r.tokens[j].p));
        ck_assert(isinf(c.top[r.n].logprob));
    }
    lm_sampler_free(sampler);
    s.top_logprobs = 0, s.logprobs = true, s.temperature = 0;
    sampler = lm_sampler_new(&s, COLUMNS, &st);
    lm_choice c = chosen(sampler, logits, &(lm_sampler_step){0});
    ck_assert_int_eq(c.id, r.tokens[0].id);
    ck_assert(fabs((double)c.logprob - log(r.tokens[0].p)) < 2e-6);
    ck_assert_int_eq(c.top_count, 0);
    lm_sampler_free(sampler);
}
END_TEST

/* ------------------------------------------------------------------ what is refused */

static void refused(const lm_sampling *s, const float *logits, int columns, const lm_sampler_step *step, const char *message)
{
    lm_status st = LM_STATUS_INIT;
    lm_choice c;
    lm_sampler *sampler = lm_sampler_new(s, columns, &st);
    if (sampler)
        ck_assert(!lm_sampler_choose(sampler, logits, step, &c, &st));
    ck_assert_msg(strstr(st.message, message) != NULL, "\"%s\" does not say \"%s\"", st.message, message);
    ck_assert_int_eq(st.code, sampler ? LM_FAILED : LM_USAGE);
    lm_sampler_free(sampler);
}

START_TEST(damage)
{
    const float good[] = {1, 2, 3}, nan_last[] = {1, 2, NAN}, nan_first[] = {NAN, 2, 1}, infinite[] = {1, INFINITY, 2};
    const float none[] = {-INFINITY, -INFINITY, -INFINITY};
    const uint64_t allowed[] = {0};
    const int32_t never[] = {0, 1, 2};
    lm_sampling s;
    lm_sampling_init(&s);
    for (int warm = 0; warm < 2; warm++) {
        s.temperature = warm;
        refused(&s, nan_last, 3, &(lm_sampler_step){0}, "not numbers");
        refused(&s, nan_first, 3, &(lm_sampler_step){0}, "not numbers");
        refused(&s, infinite, 3, &(lm_sampler_step){0}, "not numbers");
        refused(&s, none, 3, &(lm_sampler_step){0}, "not numbers");
        refused(&s, none, 0, &(lm_sampler_step){0}, "not numbers");
        refused(&s, good, 3, &(lm_sampler_step){.allowed = allowed}, "no token may come");
        refused(&s, good, 3, &(lm_sampler_step){.never = never, .never_count = 3}, "no token may come");
    }
}
END_TEST

START_TEST(options_out_of_range)
{
    const float logits[] = {1, 2, 3};
    const lm_sampler_step step = {0};
    lm_sampling s, good;
    lm_sampling_init(&good);
    s = good, s.temperature = -1;
    refused(&s, logits, 3, &step, "temperature is -1: give a number from");
    s = good, s.temperature = NAN;
    refused(&s, logits, 3, &step, "temperature");
    s = good, s.temperature = 1e-9;
    refused(&s, logits, 3, &step, "temperature");
    s = good, s.top_k = -1;
    refused(&s, logits, 3, &step, "top-k");
    s = good, s.top_p = 1.1;
    refused(&s, logits, 3, &step, "top-p");
    s = good, s.min_p = -0.1;
    refused(&s, logits, 3, &step, "min-p");
    s = good, s.typical = 2;
    refused(&s, logits, 3, &step, "typical-p");
    s = good, s.repetition = 0;
    refused(&s, logits, 3, &step, "repetition-penalty");
    s = good, s.presence = INFINITY;
    refused(&s, logits, 3, &step, "presence-penalty");
    s = good, s.penalty_last = -2;
    refused(&s, logits, 3, &step, "penalty-last");
    s = good, s.bias_count = 1;
    s.bias = &(lm_logit_bias){3, 1};
    refused(&s, logits, 3, &step, "there is no token 3");
    s.bias = &(lm_logit_bias){2, NAN};
    refused(&s, logits, 3, &step, "logit-bias of token 2");
}
END_TEST

START_TEST(orders)
{
    lm_status st = LM_STATUS_INIT;
    lm_sampling s;
    lm_sampling_init(&s);
    ck_assert(lm_sampling_order(&s, "top_k;typical-p,temp", &st));
    ck_assert_int_eq(s.order_count, 3);
    ck_assert(s.order[0] == LM_FILTER_TOP_K && s.order[1] == LM_FILTER_TYPICAL && s.order[2] == LM_FILTER_TEMPERATURE);
    ck_assert(!lm_sampling_order(&s, "top-k,dry", &st));
    ck_assert(strstr(st.message, "\"dry\" is no filter: give some of penalties,temperature") != NULL);
    ck_assert_int_eq(st.code, LM_USAGE);
    lm_status_clear(&st);
    ck_assert(!lm_sampling_order(&s, "top-k,,top-p", &st));
    lm_status_clear(&st);
    ck_assert(!lm_sampling_order(&s, "top-k,top_k", &st));
    ck_assert(strstr(st.message, "twice") != NULL);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sampler");
    TCase *c = tcase_create("sampler");
    tcase_add_test(c, filters_are_their_formulas);
    tcase_add_test(c, limits);
    tcase_add_test(c, what_may_not_come);
    tcase_add_test(c, draws);
    tcase_add_test(c, draw_is_the_inverse_of_the_distribution);
    tcase_add_test(c, log_probabilities_are_the_models);
    tcase_add_test(c, damage);
    tcase_add_test(c, options_out_of_range);
    tcase_add_test(c, orders);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
