/* Beam search against the arrays of transformers' (beams that are not there have the score -1e9, and everything is computed anew
 * for each step), and what does not change its answers. */
#include "asked.h"
#include "unit.h"

#include "base/memory.h"
#include "generate/beam.h"
#include "model/decode.h"

#include <math.h>
#include <string.h>

enum { BEAMS_MAX = 5, TOKENS_MAX = 12, REQUESTS = 3, PROMPT_MAX = 6 };

static const char *models_dir;

static lm_model *open_model(const char *name)
{
    lm_status st = LM_STATUS_INIT;
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    char *dir = lm_format("%s/goldens/models/%s", models_dir, name);
    lm_model *m = lm_model_open(dir, NULL, &st);
    assert_ok(&st);
    free(dir);
    return m;
}

/* ------------------------------------------------------------------ the reference */

typedef struct sequence {
    int32_t ids[TOKENS_MAX];
    int count;
    double score;
    bool ended;
} sequence;

typedef struct scorer {
    lm_model *model;
    const int32_t *prompt;
    int prompt_count, columns;
    const lm_sampling *sampling;
} scorer;

/* Log-probabilities of what follows the prompt and `s`, computed with nothing kept; with a penalty as transformers applies it. */
static void log_probabilities(const scorer *of, const sequence *s, double *out)
{
    lm_status st = LM_STATUS_INIT;
    lm_decoding *d = lm_decoding_new(of->model, 1, &st);
    assert_ok(&st);
    int32_t ids[PROMPT_MAX + TOKENS_MAX + 1];
    int n = 0;
    bool encodes = of->model->arch.decoder_layers > 0;
    if (encodes) {
        lm_batch source = {.rows = 1, .tokens = of->prompt_count, .row_splits = (int32_t[]){0, of->prompt_count}, .ids = of->prompt};
        ck_assert(lm_decoding_encode(d, &source, &st));
        ids[n++] = of->model->arch.decoder_start_id;
    }
    for (int i = 0; i < of->prompt_count && !encodes; i++)
        ids[n++] = of->prompt[i];
    for (int i = 0; i < s->count; i++)
        ids[n++] = s->ids[i];
    const float *logits = lm_decoding_read(d, (int32_t[]){0, n}, ids, false, &st);
    assert_ok(&st);
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < of->columns; i++)
        most = fmax(most, (double)logits[i]);
    for (int i = 0; i < of->columns; i++)
        sum += exp((double)logits[i] - most);
    for (int i = 0; i < of->columns; i++)
        out[i] = (double)logits[i] - most - log(sum);
    bool seen[1000] = {false};
    for (int i = encodes; i < n && of->sampling; i++) {
        if (!seen[ids[i]])
            out[ids[i]] *= of->sampling->repetition;
        seen[ids[i]] = true;
    }
    lm_decoding_free(d);
}

static int by_score(const void *a, const void *b)
{
    const sequence *x = a, *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

static bool is_stop(const lm_generate_options *o, int32_t id)
{
    for (int i = 0; i < o->stop_count; i++)
        if (o->stop[i] == id)
            return true;
    return false;
}

/* Every continuation of every beam. Returns how many there are. */
static int all_continuations(const scorer *of, const sequence *running, int beams, sequence *out)
{
    double *scores = lm_malloc((size_t)of->columns, sizeof *scores);
    int n = 0;
    for (int b = 0; b < beams; b++) {
        log_probabilities(of, &running[b], scores);
        for (int32_t id = 0; id < of->columns; id++) {
            out[n] = running[b];
            out[n].ids[out[n].count++] = id;
            out[n++].score += scores[id];
        }
    }
    free(scores);
    return n;
}

/* finished[beams]: the answers, the best first. */
static void reference(const scorer *of, const lm_generate_options *o, const lm_beam_options *b, sequence *finished)
{
    enum { WORST = -1000000000 };
    int beams = b->beams, keep = beams * (o->stop_count > 1 ? 1 + o->stop_count : 2);
    sequence running[BEAMS_MAX] = {0}, *top = lm_calloc((size_t)(beams * of->columns), sizeof *top), merged[4 * BEAMS_MAX];
    bool improvable = true, open = true, more = true;
    for (int i = 0; i < beams; i++) {
        running[i].score = i ? WORST : 0;
        finished[i] = (sequence){.score = WORST};
    }
    for (int length = 1; improvable && open && more; length++) {
        int n = all_continuations(of, running, beams, top), going = 0, full = 0;
        qsort(top, (size_t)n, sizeof *top, by_score);
        for (int i = 0; i < beams; i++)
            full += finished[i].ended;
        memcpy(merged, finished, (size_t)beams * sizeof *finished);
        for (int i = 0; i < keep; i++) {
            bool ends = is_stop(o, top[i].ids[length - 1]) || length == o->max_new_tokens;
            if (!ends && going < beams)
                running[going++] = top[i];
            if (i < beams) {
                merged[beams + i] = top[i];
                merged[beams + i].score /= pow(length, b->length_penalty);
                merged[beams + i].score += !ends || (b->early == LM_BEAM_FIRST && full == beams) ? WORST : 0;
                merged[beams + i].ended = ends;
            }
        }
        qsort(merged, (size_t)(2 * beams), sizeof *merged, by_score);
        memcpy(finished, merged, (size_t)beams * sizeof *finished);
        more = going > 0;
        int hypothetical = b->early == LM_BEAM_NEVER && b->length_penalty > 0 ? o->max_new_tokens : length;
        double possible = running[0].score / pow(hypothetical, b->length_penalty);
        improvable = open = false;
        for (int i = 0; i < beams; i++) {
            improvable |= possible > (finished[i].ended ? finished[beams - 1].score : WORST);
            open |= !finished[i].ended || b->early != LM_BEAM_FIRST;
        }
    }
    free(top);
}

/* ------------------------------------------------------------------ and the program */

typedef struct caller {
    asked asked;
    sequence answers[REQUESTS][BEAMS_MAX];
    int answer_count[REQUESTS];
    double own[REQUESTS]; /* the sum of the best answer's log-probabilities, where they are asked for */
} caller;

static bool keep_answers(void *context, const lm_answer *answers, int count, lm_status *st)
{
    caller *c = context;
    (void)st;
    int r = answered_next(&c->asked, answers, count);
    for (int i = 0; i < count; i++) {
        sequence *s = &c->answers[r][i];
        *s = (sequence){.count = answers[i].count, .score = answers[i].score};
        memcpy(s->ids, answers[i].ids, (size_t)s->count * sizeof *s->ids);
    }
    for (int i = 0; answers[0].logprobs && i < answers[0].count; i++)
        c->own[r] += (double)answers[0].logprobs[i];
    c->answer_count[r] = count;
    return true;
}

static const int32_t prompts[REQUESTS][PROMPT_MAX] = {{5, 9, 20, 33, 7, 12}, {60}, {17, 3, 44, 2}};
static const int prompt_counts[REQUESTS] = {6, 1, 4};

static caller search(lm_model *m, const lm_generate_options *o, const lm_beam_options *b, lm_status *st)
{
    caller c = {.asked = {.count = REQUESTS}};
    for (int r = 0; r < REQUESTS; r++)
        c.asked.requests[r] = (lm_request){.ids = prompts[r], .count = prompt_counts[r], .record = (uint64_t)r};
    lm_generate_calls calls = {.context = &c, .next = next_asked, .done = keep_answers};
    lm_beam_search(m, o, b, &calls, st);
    return c;
}

typedef struct beam_case {
    const char *model;
    lm_beam_options how;
    int max_new_tokens, samples, stop_count;
    double repetition; /* 0 = none */
} beam_case;

static const int32_t stops[] = {11, 40, 71, 25, 90, 3, 58};

static const beam_case cases[] = {
    {"gpt2-lm", {1, 1, LM_BEAM_HEURISTIC}, 6, 1, 1, 0},
    {"gpt2-lm", {4, 1, LM_BEAM_HEURISTIC}, 8, 4, 7, 0},
    {"gpt2-lm", {3, 0, LM_BEAM_NEVER}, 8, 2, 7, 0},
    {"llama-gqa", {5, 2, LM_BEAM_HEURISTIC}, 7, 5, 7, 0},
    {"llama-gqa", {3, -1, LM_BEAM_NEVER}, 7, 3, 7, 0},
    {"llama-gqa", {2, 0.6, LM_BEAM_FIRST}, 9, 2, 7, 0},
    {"gpt2-lm", {3, 1, LM_BEAM_FIRST}, 6, 1, 0, 0},
    {"gpt2-lm", {3, 1, LM_BEAM_NEVER}, 8, 3, 7, 1.3},
    {"t5-v1.1-gated", {4, 1, LM_BEAM_HEURISTIC}, 7, 4, 7, 0},
    {"t5-v1.0-relu", {3, 2, LM_BEAM_NEVER}, 6, 2, 7, 1.2},
    {"mistral-swa", {4, 0.5, LM_BEAM_HEURISTIC}, 10, 3, 7, 0},
};

START_TEST(answers_are_those_of_the_reference)
{
    UNIT_NEEDS_DATA(data)
    models_dir = data;
    const beam_case *c = &cases[_i];
    lm_model *m = open_model(c->model);
    lm_sampling penalised;
    lm_sampling_init(&penalised);
    penalised.repetition = c->repetition;
    for (int batch = 1; batch <= 3 * BEAMS_MAX; batch += 7) { /* one request at a time, two, three */
        lm_status st = LM_STATUS_INIT;
        lm_generate_options o = {.batch = batch, .max_new_tokens = c->max_new_tokens, .samples = c->samples, .stop = stops,
                                 .stop_count = c->stop_count, .sampling = c->repetition > 0 ? &penalised : NULL};
        caller got = search(m, &o, &c->how, &st);
        assert_ok(&st);
        ck_assert_int_eq(got.asked.answered, REQUESTS);
        for (int r = 0; r < REQUESTS; r++) {
            sequence want[BEAMS_MAX];
            scorer of = {m, prompts[r], prompt_counts[r], lm_model_token_columns(m), o.sampling};
            reference(&of, &o, &c->how, want);
            ck_assert_int_eq(got.answer_count[r], c->samples);
            for (int i = 0; i < c->samples; i++) {
                const sequence *s = &got.answers[r][i];
                ck_assert_msg(fabs(s->score - want[i].score) < 1e-4, "request %d: answer %d has the score %.7g, not %.7g", r, i,
                              s->score, want[i].score);
                ck_assert_msg(s->count == want[i].count && memcmp(s->ids, want[i].ids, (size_t)s->count * sizeof *s->ids) == 0,
                              "request %d: answer %d, %d tokens, is not that of the reference, %d", r, i, s->count, want[i].count);
            }
        }
    }
    lm_model_free(m);
}
END_TEST

/* Without a penalty the score is what the tokens' own log-probabilities say. */
START_TEST(log_probabilities_of_the_answer)
{
    UNIT_NEEDS_DATA(data)
    models_dir = data;
    lm_model *m = open_model("gpt2-lm");
    lm_status st = LM_STATUS_INIT;
    lm_sampling s;
    lm_sampling_init(&s);
    s.logprobs = true;
    lm_generate_options o = {.batch = 9, .max_new_tokens = 7, .stop = stops, .stop_count = 3, .sampling = &s};
    caller c = search(m, &o, &(lm_beam_options){3, 1, LM_BEAM_HEURISTIC}, &st);
    assert_ok(&st);
    for (int r = 0; r < REQUESTS; r++)
        ck_assert(fabs(c.own[r] / c.answers[r][0].count - c.answers[r][0].score) < 1e-5);
    lm_model_free(m);
}
END_TEST

START_TEST(refusals)
{
    UNIT_NEEDS_DATA(data)
    models_dir = data;
    lm_model *m = open_model("gpt2-lm");
    static const struct {
        lm_generate_options o;
        int beams;
        const char *says;
    } refused[] = {{{.max_new_tokens = 3, .samples = 4}, 3, "4 answers of 3 beams"},
                   {{.max_new_tokens = 3}, 0, "0 answers of 0 beams"},
                   {{.max_new_tokens = 0}, 2, "writes answers"},
                   {{.max_new_tokens = 3, .prompt_logprobs = true}, 2, "writes answers"}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        lm_status st = LM_STATUS_INIT;
        search(m, &refused[i].o, &(lm_beam_options){refused[i].beams, 1, LM_BEAM_FIRST}, &st);
        ck_assert_msg(strstr(st.message, refused[i].says) != NULL, "\"%s\" does not say \"%s\"", st.message, refused[i].says);
        ck_assert_int_eq(st.code, LM_USAGE);
    }
    lm_model_free(m);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("beam");
    TCase *t = tcase_create("beam");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, answers_are_those_of_the_reference, 0, sizeof cases / sizeof *cases);
    tcase_add_test(t, log_probabilities_of_the_answer);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
