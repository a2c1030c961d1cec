/* With a draft the answers are those without one, to the token, whatever the draft is worth. */
#include "asked.h"
#include "unit.h"

#include "base/memory.h"
#include "generate/speculative.h"
#include "model/decode.h"

#include <math.h>
#include <string.h>

enum { REQUESTS = 3, SAMPLES_MAX = 3, TOKENS_MAX = 200 };

typedef struct caller {
    asked asked;
    int shown;
    struct reply {
        int32_t ids[TOKENS_MAX];
        float logprobs[TOKENS_MAX];
        int count;
        lm_answer_end end;
    } replies[REQUESTS][SAMPLES_MAX];
} caller;

static bool keep_answers(void *context, const lm_answer *answers, int count, lm_status *st)
{
    caller *c = context;
    int number = answered_next(&c->asked, answers, count);
    (void)st;
    for (int i = 0; i < count; i++) {
        struct reply *r = &c->replies[number][i];
        r->count = answers[i].count;
        r->end = answers[i].end;
        memcpy(r->ids, answers[i].ids, (size_t)r->count * sizeof *r->ids);
        if (answers[i].logprobs)
            memcpy(r->logprobs, answers[i].logprobs, (size_t)r->count * sizeof *r->logprobs);
    }
    return true;
}

static bool count_shown(void *context, const lm_answer *so_far, lm_status *st)
{
    caller *c = context;
    (void)so_far, (void)st;
    c->shown++;
    return true;
}

static const int32_t prompt[] = {5, 9, 20, 33, 7, 12, 60, 17, 3, 44, 2, 8};
static const int prompt_counts[REQUESTS] = {12, 1, 4};

static lm_model *open_model(const char *data, const char *name)
{
    lm_status st = LM_STATUS_INIT;
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    char *dir = lm_format("%s/goldens/models/%s", data, name);
    lm_model *m = lm_model_open(dir, NULL, &st);
    assert_ok(&st);
    free(dir);
    return m;
}

/* how->draft NULL: without one */
static lm_speculative_counts ask(lm_model *m, const lm_generate_options *o, const lm_speculative_options *how, caller *c,
                                 lm_status *st)
{
    lm_speculative_counts counts = {0};
    lm_generate_calls calls = {.context = c, .next = next_asked, .done = keep_answers, .token = count_shown};
    *c = (caller){.asked = {.count = REQUESTS}};
    for (int r = 0; r < REQUESTS; r++)
        c->asked.requests[r] = (lm_request){.ids = prompt + 12 - prompt_counts[r], .count = prompt_counts[r], .record = (uint64_t)r};
    if (how->draft)
        lm_speculative(m, o, how, &calls, &counts, st);
    else
        lm_generate(m, o, &calls, st);
    return counts;
}

static const struct {
    const char *model, *draft;
    int ahead, max_new_tokens, stop_count;
    double temperature, repetition;
} cases[] = {
    {"llama-gqa", "llama-gqa", 0, 30, 0, 0, 1},       {"llama-gqa", "llama-mha-linrope-bias", 3, 30, 2, 0, 1},
    {"llama-gqa", "llama-gqa", 5, 30, 0, 1, 1},       {"llama-gqa", "llama-mha-linrope-bias", 4, 40, 1, 0.7, 1.2},
    {"mistral-swa", "mistral-noswa", 6, 60, 0, 1, 1}, {"mistral-noswa", "mistral-swa", 2, 60, 0, 0, 1.1},
    {"llama-gqa", "gpt2-lm", 4, 150, 0, 0.3, 1},      {"gpt2-lm", "llama-gqa", 4, 150, 0, 0, 1},
};

START_TEST(answers_do_not_depend_on_the_draft)
{
    UNIT_NEEDS_DATA(data)
    static const int32_t stops[] = {40, 71};
    lm_model *m = open_model(data, cases[_i].model), *draft = open_model(data, cases[_i].draft);
    lm_status st = LM_STATUS_INIT;
    lm_sampling s;
    lm_sampling_init(&s);
    s.temperature = cases[_i].temperature;
    s.repetition = cases[_i].repetition;
    s.logprobs = true;
    s.seed = 9;
    lm_generate_options o = {.max_new_tokens = cases[_i].max_new_tokens, .min_new_tokens = 2, .samples = SAMPLES_MAX,
                             .stop = stops, .stop_count = cases[_i].stop_count, .sampling = &s};
    static caller want, got;
    ask(m, &o, &(lm_speculative_options){0}, &want, &st);
    lm_speculative_counts n = ask(m, &o, &(lm_speculative_options){draft, cases[_i].ahead}, &got, &st);
    assert_ok(&st);
    uint64_t tokens = 0;
    for (int r = 0; r < REQUESTS; r++) {
        for (int i = 0; i < SAMPLES_MAX; i++) {
            const struct reply *a = &got.replies[r][i], *b = &want.replies[r][i];
            tokens += (uint64_t)a->count;
            ck_assert_msg(a->count == b->count && a->end == b->end && memcmp(a->ids, b->ids, (size_t)a->count * sizeof *a->ids) == 0,
                          "request %d, sample %d: %d tokens, not %d, or others", r, i, a->count, b->count);
            for (int j = 0; j < a->count; j++)
                if (!(fabsf(a->logprobs[j] - b->logprobs[j]) < 1e-4f))
                    ck_abort_msg("request %d: token %d has %g, not %g", r, j, (double)a->logprobs[j], (double)b->logprobs[j]);
        }
    }
    ck_assert_uint_le(n.accepted, n.drafted);
    ck_assert_uint_ge(n.steps + n.accepted + REQUESTS * SAMPLES_MAX, tokens); /* the first one is the prompt's */
    if (strcmp(cases[_i].model, cases[_i].draft) == 0)
        ck_assert_uint_eq(n.accepted, n.drafted);
    else
        ck_assert_uint_lt(n.accepted, n.drafted);
    ck_assert_int_gt(got.shown, 0);
    lm_model_free(m), lm_model_free(draft);
}
END_TEST

START_TEST(refusals)
{
    UNIT_NEEDS_DATA(data)
    static const struct {
        const char *model, *draft;
        lm_generate_options o;
        const char *says;
    } refused[] = {{"llama-gqa", "t5-v1.0-relu", {.max_new_tokens = 3}, "without an encoder"},
                   {"t5-v1.0-relu", "llama-gqa", {.max_new_tokens = 3}, "without an encoder"},
                   {"llama-gqa", "../e2e/gpt2-lm", {.max_new_tokens = 3}, "must be one and the same"},
                   {"llama-gqa", "llama-gqa", {.max_new_tokens = 0}, "a draft is for answers"}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        lm_status st = LM_STATUS_INIT;
        static caller c;
        lm_model *m = open_model(data, refused[i].model), *draft = open_model(data, refused[i].draft);
        ask(m, &refused[i].o, &(lm_speculative_options){draft, 2}, &c, &st);
        ck_assert_msg(strstr(st.message, refused[i].says) != NULL, "\"%s\" does not say \"%s\"", st.message, refused[i].says);
        lm_model_free(m), lm_model_free(draft);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("speculative");
    TCase *t = tcase_create("speculative");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, answers_do_not_depend_on_the_draft, 0, sizeof cases / sizeof *cases);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
