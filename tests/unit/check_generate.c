/* Greedy continuations against those of transformers and llama.cpp, and what does not change them. */
#include "asked.h"
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "generate/generate.h"
#include "text/tokenizer.h"

#include <jansson.h>
#include <string.h>


/* Rows of ids, as a step reads them. */
typedef struct prompts {
    lm_batch batch;
    int32_t splits[ASKED_MAX + 1], *ids;
} prompts;

static void add_row(prompts *p, const json_t *ids)
{
    int n = (int)json_array_size(ids), at = p->splits[p->batch.rows];
    ck_assert_int_lt(p->batch.rows, ASKED_MAX);
    p->ids = lm_realloc(p->ids, (size_t)(at + n) + 1, sizeof *p->ids);
    for (int i = 0; i < n; i++)
        p->ids[at + i] = (int32_t)json_integer_value(json_array_get(ids, (size_t)i));
    p->splits[++p->batch.rows] = at + n;
    p->batch.tokens = at + n;
    p->batch.row_splits = p->splits;
    p->batch.ids = p->ids;
}

static lm_model *open_model(const char *dir)
{
    lm_status st = LM_STATUS_INIT;
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    lm_model *m = lm_model_open(dir, NULL, &st);
    assert_ok(&st);
    return m;
}

static json_t *read_json(const char *path)
{
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);
    ck_assert_msg(json != NULL, "%s: %s", path, error.text);
    return json;
}

/* What a request was answered. */
typedef struct reply {
    int32_t ids[1024];
    int count;
    lm_answer_end end;
    char *text;
} reply;

/* A caller who has all requests at once, and keeps the answers. */
typedef struct caller {
    asked asked;
    int shown;
    reply *replies; /* [count * samples] */
} caller;

static bool keep_answers(void *context, const lm_answer *answers, int count, lm_status *st)
{
    caller *c = context;
    (void)st;
    int number = answered_next(&c->asked, answers, count);
    for (int s = 0; s < count; s++) {
        const lm_answer *a = &answers[s];
        reply *r = &c->replies[number * count + s];
        ck_assert_int_le(a->count, 1024);
        if (a->count)
            memcpy(r->ids, a->ids, (size_t)a->count * sizeof *a->ids);
        r->count = a->count;
        r->end = a->end;
        r->text = a->text.data ? lm_strndup(a->text.data, a->text.len) : NULL;
    }
    return true;
}

static void caller_free(caller *c, int samples)
{
    for (int i = 0; i < c->asked.answered * samples; i++)
        free(c->replies[i].text);
    free(c->replies);
}

/* Of the rows of p. Replies are freed with caller_free. */
static caller ask(lm_model *m, const prompts *p, const lm_generate_options *o, lm_status *st)
{
    int samples = o->samples > 0 ? o->samples : 1;
    caller c = {.asked = {.count = p->batch.rows}, .replies = calloc((size_t)(p->batch.rows * samples) + 1, sizeof(reply))};
    for (int r = 0; r < c.asked.count; r++)
        c.asked.requests[r] = (lm_request){.ids = p->ids + p->splits[r], .count = p->splits[r + 1] - p->splits[r],
                                     .record = (uint64_t)r};
    lm_generate_calls calls = {.context = &c, .next = next_asked, .done = keep_answers};
    if (lm_generate(m, o, &calls, st))
        ck_assert_int_eq(c.asked.answered, c.asked.count);
    return c;
}

static void same_ids(const char *what, int row, const reply *c, const json_t *want)
{
    ck_assert_msg(c->count == (int)json_array_size(want), "%s: row %d: %d tokens, not %zu", what, row, c->count,
                  json_array_size(want));
    for (int i = 0; i < c->count; i++)
        ck_assert_msg(c->ids[i] == json_integer_value(json_array_get(want, (size_t)i)),
                      "%s: row %d: token %d is %d, not %d", what, row, i, (int)c->ids[i],
                      (int)json_integer_value(json_array_get(want, (size_t)i)));
}

/* The rows of `items` (members `prompt` and "continuation"), so many at a time. */
static void compare(lm_model *m, const char *what, json_t *const *items, int count, const char *prompt)
{
    static const int batches[] = {1, 3, ASKED_MAX};
    lm_status st = LM_STATUS_INIT;
    prompts all = {0};
    for (int i = 0; i < count; i++)
        add_row(&all, json_object_get(items[i], prompt));
    for (int b = 0; b < 3; b++) {
        lm_generate_options o = {.batch = batches[b],
                                 .max_new_tokens = (int)json_array_size(json_object_get(items[0], "continuation"))};
        caller c = ask(m, &all, &o, &st);
        ck_assert_msg(lm_ok(&st), "%s: %s", what, st.message);
        for (int i = 0; i < count; i++)
            same_ids(what, i, &c.replies[i], json_object_get(items[i], "continuation"));
        caller_free(&c, 1);
    }
    free(all.ids);
}

START_TEST(continuations_of_goldens)
{
    UNIT_NEEDS_DATA(data)
    char *path = lm_format("%s/goldens/extras/golden.json", data);
    json_t *json = read_json(path), *greedy = json_object_get(json, "greedy");
    ck_assert_uint_gt(json_array_size(greedy), 20);
    json_t *items[ASKED_MAX];
    for (size_t i = 0; i < json_array_size(greedy);) { /* those of a model stand together */
        const char *name = json_string_value(json_object_get(json_array_get(greedy, i), "model"));
        int count = 0;
        for (; i < json_array_size(greedy); i++) {
            items[count] = json_array_get(greedy, i);
            if (strcmp(json_string_value(json_object_get(items[count], "model")), name) != 0)
                break;
            count++;
        }
        char *dir = lm_format("%s/goldens/models/%s", data, name);
        lm_model *m = open_model(dir);
        compare(m, name, items, count, "prompt");
        lm_model_free(m);
        free(dir);
    }
    json_decref(json);
    free(path);
}
END_TEST

START_TEST(continuations_of_texts)
{
    static const char *const tasks[] = {"gpt2-lm", "llama-lm", "qwen-lm", "t5-s2s"};
    UNIT_NEEDS_DATA(data)
    char *dir = lm_format("%s/goldens/e2e/%s", data, tasks[_i]), *path = lm_format("%s/golden.json", dir);
    json_t *json = read_json(path), *all = json_object_get(json, "items"), *items[ASKED_MAX];
    int count = (int)json_array_size(all);
    ck_assert(count > 0 && count <= ASKED_MAX);
    for (int i = 0; i < count; i++)
        items[i] = json_array_get(all, (size_t)i);
    lm_model *m = open_model(dir);
    compare(m, tasks[_i], items, count, "ids");
    lm_model_free(m);
    json_decref(json);
    free(path), free(dir);
}
END_TEST

static prompts begin_with(int32_t id)
{
    prompts p = {0};
    json_t *row = json_pack("[i]", (int)id);
    add_row(&p, row);
    json_decref(row);
    return p;
}

START_TEST(a_story)
{
    UNIT_NEEDS_DATA(data)
    char *dir = lm_format("%s/models/stories260K", data);
    lm_model *m = open_model(dir);
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *t = lm_tokenizer_open(dir, &st);
    assert_ok(&st);
    prompts begin = begin_with(1);
    lm_generate_options o = {.max_new_tokens = 256, .tokenizer = t};
    caller c = ask(m, &begin, &o, &st), stopped, full;
    assert_ok(&st);
    ck_assert_int_eq(c.replies[0].count, 256);
    lm_str want = scratch_read(dir, "greedy.txt");
    ck_assert_int_eq(strlen(c.replies[0].text) + 1, want.len); /* the end of the file */
    ck_assert_int_eq(strncmp(c.replies[0].text, want.data, want.len - 1), 0);
    /* it ends where it is told to, or where the model can take no more */
    int32_t at = c.replies[0].ids[5];
    o.stop = &at, o.stop_count = 1;
    stopped = ask(m, &begin, &o, &st);
    assert_ok(&st);
    ck_assert_int_eq(stopped.replies[0].end, LM_END_STOP);
    ck_assert(stopped.replies[0].ids[stopped.replies[0].count - 1] == at && stopped.replies[0].count <= 6);
    o.stop_count = 0, o.max_new_tokens = 1000;
    full = ask(m, &begin, &o, &st);
    assert_ok(&st);
    ck_assert_int_eq(full.replies[0].count, 512);
    ck_assert_int_eq(full.replies[0].end, LM_END_CONTEXT);
    ck_assert_mem_eq(full.replies[0].ids, c.replies[0].ids, 256 * sizeof(int32_t));
    caller_free(&c, 1), caller_free(&stopped, 1), caller_free(&full, 1);
    free(begin.ids);
    free((char *)(uintptr_t)want.data);
    lm_tokenizer_free(t);
    lm_model_free(m);
    free(dir);
}
END_TEST

/* Prompts that begin alike, and some that do not, one at a time and together: what they have in common is read once then. */
START_TEST(a_common_beginning)
{
    enum { COMMON = 50, PROMPTS = 9 };
    UNIT_NEEDS_DATA(data)
    char *dir = lm_format("%s/models/stories260K", data);
    lm_model *m = open_model(dir);
    lm_status st = LM_STATUS_INIT;
    prompts p = {0};
    for (int r = 0; r < PROMPTS; r++) {
        json_t *row = json_array();
        json_array_append_new(row, json_integer(1));
        for (int i = 1; i < COMMON; i++)
            json_array_append_new(row, json_integer(3 + (r % 4 == 3 ? 11 : 7) * i % 500));
        for (int i = 0; i < r % 3; i++)
            json_array_append_new(row, json_integer(300 + 10 * r + i));
        add_row(&p, row);
        json_decref(row);
    }
    lm_generate_options o = {.max_new_tokens = 12, .samples = 2};
    lm_sampling by_chance;
    lm_sampling_init(&by_chance);
    by_chance.temperature = 1;
    o.sampling = &by_chance;
    caller alone = ask(m, &p, &o, &st);
    assert_ok(&st);
    for (o.batch = 2; o.batch <= 8; o.batch += 3) {
        caller together = ask(m, &p, &o, &st);
        assert_ok(&st);
        for (int i = 0; i < 2 * PROMPTS; i++)
            ck_assert_msg(alone.replies[i].count == together.replies[i].count &&
                              memcmp(alone.replies[i].ids, together.replies[i].ids, 12 * sizeof(int32_t)) == 0,
                          "answer %d, %d rows at a time", i, o.batch);
        caller_free(&together, 2);
    }
    caller_free(&alone, 2);
    free(p.ids);
    lm_model_free(m);
    free(dir);
}
END_TEST

START_TEST(refusals)
{
    UNIT_NEEDS_DATA(data)
    int32_t ids[1000] = {1, 2};
    static const struct {
        const char *model, *says;
        int count;
    } cases[] = {{"gpt2-lm", "record 1: there is nothing to go on from", 0},
                 {"gpt2-lm", "record 1: the prompt has 900 tokens, and the model takes", 900},
                 {"bert-mlm", "sees the words that follow", 1},
                 {"gpt2-cls3", "does not predict words", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *dir = lm_format("%s/goldens/models/%s", data, cases[i].model);
        lm_model *m = open_model(dir);
        lm_status st = LM_STATUS_INIT;
        prompts p = {.ids = ids, .splits = {0, 1, 1 + cases[i].count}};
        p.batch.rows = 2;
        caller c = ask(m, &p, &(lm_generate_options){.max_new_tokens = 3}, &st);
        assert_says(&st, cases[i].says);
        caller_free(&c, 1);
        lm_model_free(m);
        free(dir);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("generate");
    TCase *t = tcase_create("greedy");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, continuations_of_goldens);
    tcase_add_loop_test(t, continuations_of_texts, 0, 4);
    tcase_add_test(t, a_story);
    tcase_add_test(t, a_common_beginning);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
