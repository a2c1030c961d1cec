/* Greedy continuations against those of transformers and llama.cpp, and what does not change them. */
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "generate/greedy.h"
#include "text/tokenizer.h"

#include <jansson.h>
#include <string.h>

enum { ROWS_MAX = 64 };

/* Rows of ids, as a step reads them. */
typedef struct prompts {
    lm_batch batch;
    int32_t splits[ROWS_MAX + 1], *ids;
} prompts;

static void add_row(prompts *p, const json_t *ids)
{
    int n = (int)json_array_size(ids), at = p->splits[p->batch.rows];
    ck_assert_int_lt(p->batch.rows, ROWS_MAX);
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

static void free_all(lm_continuation *c, int rows)
{
    for (int r = 0; r < rows; r++)
        lm_continuation_free(&c[r]);
}

static void same_ids(const char *what, int row, const lm_continuation *c, const json_t *want)
{
    ck_assert_msg(c->count == (int)json_array_size(want), "%s: row %d: %d tokens, not %zu", what, row, c->count,
                  json_array_size(want));
    for (int i = 0; i < c->count; i++)
        ck_assert_msg(c->ids[i] == json_integer_value(json_array_get(want, (size_t)i)),
                      "%s: row %d: token %d is %d, not %d", what, row, i, (int)c->ids[i],
                      (int)json_integer_value(json_array_get(want, (size_t)i)));
}

/* The rows of `items` (members `prompt` and "continuation") together, and each alone. */
static void compare(lm_model *m, const char *what, json_t *const *items, int count, const char *prompt)
{
    lm_continuation out[ROWS_MAX] = {{0}};
    lm_status st = LM_STATUS_INIT;
    int most = 0;
    prompts all = {0};
    for (int i = 0; i < count; i++) {
        int n = (int)json_array_size(json_object_get(items[i], "continuation"));
        most = n > most ? n : most;
        add_row(&all, json_object_get(items[i], prompt));
    }
    ck_assert_msg(lm_greedy(m, &all.batch, &(lm_greedy_options){.max_new_tokens = most}, out, &st), "%s: %s", what,
                  st.message);
    for (int i = 0; i < count; i++) {
        lm_continuation one = {0};
        prompts alone = {0};
        const json_t *want = json_object_get(items[i], "continuation");
        same_ids(what, i, &out[i], want);
        add_row(&alone, json_object_get(items[i], prompt));
        ck_assert(lm_greedy(m, &alone.batch, &(lm_greedy_options){.max_new_tokens = most}, &one, &st));
        same_ids(what, i, &one, want);
        free(alone.ids);
        lm_continuation_free(&one);
    }
    free(all.ids);
    free_all(out, count);
}

START_TEST(continuations_of_goldens)
{
    UNIT_NEEDS_DATA(data)
    char *path = lm_format("%s/goldens/extras/golden.json", data);
    json_t *json = read_json(path), *greedy = json_object_get(json, "greedy");
    ck_assert_uint_gt(json_array_size(greedy), 20);
    json_t *items[ROWS_MAX];
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
    json_t *json = read_json(path), *all = json_object_get(json, "items"), *items[ROWS_MAX];
    int count = (int)json_array_size(all);
    ck_assert(count > 0 && count <= ROWS_MAX);
    for (int i = 0; i < count; i++)
        items[i] = json_array_get(all, (size_t)i);
    lm_model *m = open_model(dir);
    compare(m, tasks[_i], items, count, "ids");
    lm_model_free(m);
    json_decref(json);
    free(path), free(dir);
}
END_TEST

START_TEST(a_story)
{
    UNIT_NEEDS_DATA(data)
    char *dir = lm_format("%s/models/stories260K", data);
    lm_model *m = open_model(dir);
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *t = lm_tokenizer_open(dir, &st);
    assert_ok(&st);
    const int32_t ids[] = {1}, splits[] = {0, 1};
    const lm_batch begin = {.rows = 1, .tokens = 1, .row_splits = splits, .ids = ids};
    lm_continuation c = {0};
    ck_assert_msg(lm_greedy(m, &begin, &(lm_greedy_options){.max_new_tokens = 256}, &c, &st), "%s", st.message);
    ck_assert_int_eq(c.count, 256);
    lm_buf text = {0};
    ck_assert(lm_decode(t, c.ids, (size_t)c.count, true, &text, &st));
    lm_buf_printf(&text, "\n"); /* the end of the file */
    lm_str want = scratch_read(dir, "greedy.txt");
    ck_assert_str_eq(lm_buf_cstr(&text), want.data);
    /* it ends where it is told to, or where the model can take no more */
    lm_continuation stopped = {0}, full = {0};
    int32_t at = c.ids[5];
    ck_assert(lm_greedy(m, &begin, &(lm_greedy_options){.max_new_tokens = 256, .stop = &at, .stop_count = 1}, &stopped,
                        &st));
    ck_assert(stopped.stopped && stopped.ids[stopped.count - 1] == at && stopped.count <= 6);
    ck_assert(lm_greedy(m, &begin, &(lm_greedy_options){.max_new_tokens = 1000}, &full, &st));
    ck_assert_int_eq(full.count, 512);
    ck_assert(!full.stopped);
    ck_assert_mem_eq(full.ids, c.ids, 256 * sizeof *c.ids);
    lm_continuation_free(&c), lm_continuation_free(&stopped), lm_continuation_free(&full);
    free((char *)(uintptr_t)want.data);
    lm_buf_free(&text);
    lm_tokenizer_free(t);
    lm_model_free(m);
    free(dir);
}
END_TEST

START_TEST(refusals)
{
    UNIT_NEEDS_DATA(data)
    const int32_t ids[] = {1, 2}, splits[] = {0, 1, 1, 2};
    const lm_batch hole = {.rows = 3, .tokens = 2, .row_splits = splits, .ids = ids};
    static const struct {
        const char *model, *says;
    } cases[] = {{"gpt2-lm", "row 1: there is nothing to go on from"},
                 {"bert-mlm", "sees the words that follow"},
                 {"gpt2-cls3", "does not predict words"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *dir = lm_format("%s/goldens/models/%s", data, cases[i].model);
        lm_model *m = open_model(dir);
        lm_status st = LM_STATUS_INIT;
        lm_continuation out[3] = {{0}};
        ck_assert(!lm_greedy(m, &hole, &(lm_greedy_options){.max_new_tokens = 3}, out, &st));
        assert_says(&st, cases[i].says);
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
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
