/* Models whose weights are stored as blocks, as bitsandbytes' layers or in GGUF files: opened, and computed with as they are. */
#include "golden.h"
#include "scratch.h"
#include "stored_models.h"
#include "unit.h"

#include "base/memory.h"
#include "graph/graph.h"
#include "model/model.h"

#include <string.h>

static lm_model *open_model(const char *path)
{
    lm_status st = LM_STATUS_INIT;
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    lm_model *m = lm_model_open(path, &(lm_model_options){.check = true}, &st);
    assert_ok(&st);
    return m;
}

/* ------------------------------------------------------------------ logits */

/* Of all tokens of a batch, malloced; *n numbers. */
static float *logits_of(lm_model *m, const golden_batch *b, size_t *n)
{
    lm_status st = LM_STATUS_INIT;
    lm_graph *g = lm_graph_new(m->params);
    lm_graph_begin(g, &b->batch, (lm_step){0});
    lm_select select = {.token_logits = true, .row_logits = true, .target = b->target ? &b->target->batch : NULL};
    lm_outputs out = lm_model_forward(m, g, &b->batch, &select);
    lm_tensor *t = out.token_logits ? out.token_logits : out.row_logits;
    ck_assert(t != NULL);
    const float *values = lm_tensor_read(g, t);
    *n = (size_t)t->rows * (size_t)t->width;
    float *copy = lm_malloc(*n, sizeof *copy);
    memcpy(copy, values, *n * sizeof *copy);
    ck_assert(lm_graph_end(g, &st));
    lm_graph_free(g);
    return copy;
}

/* No matrix that a layer multiplies with has become float32. */
static void check_unexpanded(lm_model *m)
{
    int quantised = 0;
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        const lm_param *p = lm_params_at(m->params, i);
        quantised += p->quantised != NULL;
        ck_assert_msg(!p->quantised || !p->value, "%s is expanded", p->name);
    }
    ck_assert_int_gt(quantised, 0);
}

static const struct {
    const char *name; /* of the golden's array */
    stored_kind how;
    lm_dtype dtype;
} schemes[] = {{"Q8_0", STORED_BLOCKS, LM_Q8_0}, {"Q4_0", STORED_BLOCKS, LM_Q4_0}, {"Q4_K", STORED_BLOCKS, LM_Q4_K},
               {"Q5_K", STORED_BLOCKS, LM_Q5_K}, {"Q6_K", STORED_BLOCKS, LM_Q6_K}, {"NF4_dq_b64", STORED_NESTED, LM_NF4}};

/* A batch of rows that are alike long, of literal ids. */
static golden_batch batch_of(const json_t *rows)
{
    json_t *mask = json_deep_copy(rows), *row;
    size_t i;
    json_array_foreach(mask, i, row)
        for (size_t t = 0; t < json_array_size(row); t++)
            json_array_set_new(row, t, json_integer(1));
    json_t *all = json_pack("{s:O, s:o}", "input_ids", rows, "attention_mask", mask);
    golden_batch b = golden_batch_read(all);
    json_decref(all);
    return b;
}

START_TEST(logits_of_the_reference)
{
    UNIT_NEEDS_DATA(data)
    (void)data;
    golden g = golden_open("goldens/quant/model");
    golden_batch b = batch_of(json_object_get(g.json, "input_ids"));
    char *dir = scratch_new(), *path = stored_model(dir, g.dir, "model.layers.", schemes[_i].how, schemes[_i].dtype, false);
    lm_model *m = open_model(path);
    size_t n;
    float *got = logits_of(m, &b, &n);
    check_unexpanded(m);
    double d = golden_difference(got, golden_find(&g, schemes[_i].name, n), n);
    ck_assert_msg(d <= 1e-4, "%s differs by %g", schemes[_i].name, d);
    free(got);
    lm_model_free(m);
    free(path);
    scratch_discard(dir);
    golden_batch_free(&b);
    golden_close(&g);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("quantised_models");
    TCase *c = tcase_create("logits");
    tcase_add_loop_test(c, logits_of_the_reference, 0, sizeof schemes / sizeof *schemes);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
