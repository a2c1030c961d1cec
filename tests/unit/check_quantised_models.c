/* Models whose weights are stored as blocks, as bitsandbytes' layers or in GGUF files: opened, and computed with as they are. */
#include "golden.h"
#include "scratch.h"
#include "stored_models.h"
#include "unit.h"

#include "base/memory.h"
#include "graph/graph.h"
#include "model/model.h"
#include "stream/bundle.h"
#include "tensor/gguf_write.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

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

static golden_batch batch_of_case(const golden *g, const lm_model *m)
{
    const json_t *first = json_array_get(json_object_get(g->json, "batches"), 0);
    return m->arch.decoder_layers
               ? golden_batch_read_target(first, m->arch.decoder_start_id, lm_config_int(m->config, "pad_token_id", 0))
               : golden_batch_read(first);
}

static double largest(const float *x, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)x[i]));
    return most;
}

/* GGUF files of every family, in float32 and in blocks, against the same numbers under Hugging Face's names. */
static const char *const families[] = {"llama-gqa", "llama-mha-linrope-bias", "llama-tied-llama3rope", "mistral-swa", "qwen2-tied",
                                       "qwen3", "gemma", "gpt2-lm", "bert-cls3", "roberta-cls3", "t5-v1.1-gated"};

START_TEST(gguf_of_families)
{
    UNIT_NEEDS_DATA(data)
    (void)data;
    char *path = lm_format("goldens/models/%s", families[_i]), *dir = scratch_new();
    golden g = golden_open(path);
    lm_model *m = open_model(g.dir);
    golden_batch b = batch_of_case(&g, m);
    size_t n, n2;
    float *want = logits_of(m, &b, &n);
    lm_model_free(m);
    free(path);
    path = stored_gguf(dir, g.dir, LM_F32);
    m = open_model(path);
    float *got = logits_of(m, &b, &n2);
    ck_assert_uint_eq(n, n2);
    ck_assert_msg(golden_difference(got, want, n) <= 1e-6, "%s: %g", families[_i], golden_difference(got, want, n));
    free(got);
    lm_model_free(m);
    free(path);
    path = stored_gguf(dir, g.dir, LM_F16);
    m = open_model(path);
    check_unexpanded(m);
    got = logits_of(m, &b, &n2);
    ck_assert_msg(golden_difference(got, want, n) <= 4e-3 * largest(want, n), "%s: F16 %g", families[_i], golden_difference(got, want, n));
    free(got);
    lm_model_free(m);
    free(want);
    free(path);
    scratch_discard(dir);
    golden_batch_free(&b);
    golden_close(&g);
}
END_TEST

/* ------------------------------------------------------------------ against the same numbers as float32 */

static const struct {
    const char *model, *part;
    bool conv1d;
    stored_kind how;
    lm_dtype dtype;
} mixes[] = {{"llama-gqa", "layers.", false, STORED_BLOCKS, LM_BF16},     {"llama-gqa", "", false, STORED_BLOCKS, LM_F16},
             {"qwen2-tied", "", false, STORED_BLOCKS, LM_F16},            {"gpt2-lm", ".c_", true, STORED_FOUR_BITS, LM_NF4},
             {"gpt2-lm", ".c_", true, STORED_INT8, LM_I8},                {"bert-cls3", "layer.", false, STORED_NESTED, LM_FP4},
             {"bert-cls3", "layer.", false, STORED_INT8, LM_I8},          {"t5-v1.1-gated", ".wi_", false, STORED_FOUR_BITS, LM_NF4}};

/* The gradient of the first vector among the parameters, which comes through all layers. */
static float *gradient_of(lm_model *m, const golden_batch *b, size_t *n)
{
    lm_status st = LM_STATUS_INIT;
    lm_param *p = NULL;
    for (size_t i = 0; i < m->head_from && !p; i++)
        if (lm_params_at(m->params, i)->shape.dims == 1)
            p = lm_params_at(m->params, i);
    ck_assert(p && lm_param_train(p, true, &st));
    lm_graph *g = lm_graph_new(m->params);
    lm_graph_begin(g, &b->batch, (lm_step){.taping = true});
    lm_select select = {.token_logits = true, .row_logits = true, .target = b->target ? &b->target->batch : NULL};
    lm_outputs out = lm_model_forward(m, g, &b->batch, &select);
    lm_tensor *t = out.token_logits ? out.token_logits : out.row_logits;
    int32_t *label = lm_calloc((size_t)t->rows, sizeof *label);
    lm_graph_backward(g, lm_cross_entropy(g, t, label, NULL, 0, NULL), 1);
    ck_assert_msg(lm_graph_end(g, &st), "%s", st.message);
    *n = p->elements;
    float *copy = lm_malloc(*n, sizeof *copy);
    memcpy(copy, p->grad, *n * sizeof *copy);
    free(label);
    lm_graph_free(g);
    return copy;
}

START_TEST(computed_with_as_expanded)
{
    UNIT_NEEDS_DATA(data)
    lm_status st = LM_STATUS_INIT;
    char *from = lm_format("%s/goldens/models/%s", data, mixes[_i].model), *case_name = lm_format("goldens/models/%s", mixes[_i].model);
    golden g = golden_open(case_name);
    char *dir = scratch_new(),
         *path = stored_model(dir, from, mixes[_i].part, mixes[_i].how, mixes[_i].dtype, mixes[_i].conv1d);
    lm_model *packed = open_model(path), *plain = open_model(path);
    for (size_t i = 0; i < lm_params_count(plain->params); i++)
        ck_assert(lm_param_ready(lm_params_at(plain->params, i), &st));
    golden_batch b = batch_of_case(&g, packed);
    size_t n;
    float *got = logits_of(packed, &b, &n), *want = logits_of(plain, &b, &n);
    ck_assert_msg(golden_difference(got, want, n) <= 2e-5 * largest(want, n), "%s: %g", mixes[_i].model,
                  golden_difference(got, want, n));
    check_unexpanded(packed);
    free(got), free(want);
    got = gradient_of(packed, &b, &n);
    want = gradient_of(plain, &b, &n);
    ck_assert(largest(want, n) > 0);
    ck_assert_msg(golden_difference(got, want, n) <= 1e-4 * largest(want, n), "%s: gradient %g of %g", mixes[_i].model,
                  golden_difference(got, want, n), largest(want, n));
    free(got), free(want);
    lm_model_free(packed);
    lm_model_free(plain);
    free(path), free(from), free(case_name);
    scratch_discard(dir);
    golden_batch_free(&b);
    golden_close(&g);
}
END_TEST

/* ------------------------------------------------------------------ GGUF files in parts */

static bool to_buffer(void *context, const void *bytes, size_t n, lm_status *st)
{
    lm_buf_append(context, bytes, n);
    return lm_ok(st);
}

/* Every `count`th tensor of a file from `number` on, as that part of it; with its metadata where it is the first. */
static void write_part(const lm_gguf *f, const char *dir, const char *name, uint32_t number, uint32_t count, uint32_t tensors)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf out = {0};
    lm_gguf_writer *w = lm_gguf_writer_new(name);
    for (size_t i = 0; number == 0 && i < lm_gguf_entries(f); i++)
        lm_gguf_put_entry(w, lm_gguf_entry_at(f, i));
    lm_gguf_put_u32(w, "split.no", number);
    lm_gguf_put_u32(w, "split.count", count);
    lm_gguf_put_i32(w, "split.tensors.count", (int32_t)tensors);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = number; i < lm_gguf_tensors(f); i += count) {
            const lm_gguf_tensor *t = lm_gguf_tensor_at(f, i);
            char *of = lm_strndup(t->name.data, t->name.len);
            if (pass)
                lm_gguf_write_data(w, t->data, t->bytes, &st);
            else
                lm_gguf_put_tensor(w, of, t->dtype, &t->shape);
            free(of);
        }
        ck_assert(pass || lm_gguf_write_header(w, to_buffer, &out, &st));
    }
    ck_assert(lm_gguf_write_end(w, &st));
    lm_gguf_writer_free(w);
    scratch_write(dir, name, out.data, out.len);
    lm_buf_free(&out);
}

static void assert_refused(const char *dir, const char *name, const char *why)
{
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/%s", dir, name);
    ck_assert(!lm_bundle_open(path, &st));
    assert_says(&st, why);
    free(path);
}

START_TEST(gguf_in_parts)
{
    UNIT_NEEDS_DATA(data)
    enum { PARTS = 3 };
    static const char *const names[PARTS] = {"m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"};
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_new(), *from = lm_format("%s/goldens/models/llama-gqa", data), *whole = stored_gguf(dir, from, LM_Q8_0),
         *first = lm_format("%s/%s", dir, names[0]);
    lm_gguf *f = lm_gguf_open(whole, &st);
    uint32_t n = (uint32_t)lm_gguf_tensors(f);
    for (uint32_t i = 0; i < PARTS; i++)
        write_part(f, dir, names[i], i, PARTS, n);
    lm_bundle *b = lm_bundle_open(first, &st);
    assert_ok(&st);
    ck_assert_uint_eq(lm_gguf_tensors(lm_bundle_gguf(b)), n);
    for (size_t i = 0; i < n; i++) {
        const lm_gguf_tensor *t = lm_gguf_tensor_at(f, i);
        char *name = lm_strndup(t->name.data, t->name.len);
        const lm_gguf_tensor *again = lm_gguf_tensor_find(lm_bundle_gguf(b), name);
        ck_assert_msg(again && again->bytes == t->bytes && memcmp(again->data, t->data, t->bytes) == 0, "%s", name);
        free(name);
    }
    lm_bundle_close(b);
    lm_model_free(open_model(first)); /* nothing is missing */

    assert_refused(dir, names[1], "number 2 of 3 files");
    write_part(f, dir, "other.gguf", 0, PARTS, n);
    assert_refused(dir, "other.gguf", "a name that ends in -00001-of-00003.gguf");
    /* the first is written anew each time: a bundle is remembered as long as its file is the same */
    write_part(f, dir, names[2], 1, PARTS, n);
    write_part(f, dir, names[0], 0, PARTS, n);
    assert_refused(dir, names[0], "number 2 of 3");
    write_part(f, dir, names[2], 2, PARTS, n);
    write_part(f, dir, names[0], 0, PARTS, n + 1);
    assert_refused(dir, names[0], "one of them is of another model");
    write_part(f, dir, names[0], 0, PARTS, n);
    char *last = lm_format("%s/%s", dir, names[2]);
    ck_assert_int_eq(unlink(last), 0);
    assert_refused(dir, names[0], names[2]);
    lm_gguf_close(f);
    free(last), free(first), free(whole), free(from);
    scratch_discard(dir);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("quantised_models");
    TCase *c = tcase_create("logits");
    tcase_add_loop_test(c, logits_of_the_reference, 0, sizeof schemes / sizeof *schemes);
    tcase_add_loop_test(c, gguf_of_families, 0, sizeof families / sizeof *families);
    tcase_add_test(c, gguf_in_parts);
    tcase_add_loop_test(c, computed_with_as_expanded, 0, sizeof mixes / sizeof *mixes);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
