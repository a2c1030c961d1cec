/* Decoders beside what check_goldens compares: probabilities of texts that transformers and another program gave, what config.json
 * can say of windows, rotary positions and heads, or must not, the values that a new model begins with, and by which token a
 * padded row is classified. */
#include "unit.h"

#include "base/memory.h"
#include "model/model.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static lm_model *create(const char *config, const char *task, lm_status *st)
{
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    lm_config *c = lm_config_parse(lm_str_of(config), "config.json", st);
    assert_ok(st);
    return lm_model_create(c, &(lm_model_options){.task = task, .seed = 1}, st);
}

static lm_batch one_row(const int32_t *ids, int n)
{
    static int32_t splits[2], zeros[1024], positions[1024];
    ck_assert_int_le(n, 1024);
    splits[1] = n;
    for (int i = 0; i < n; i++)
        positions[i] = i;
    return (lm_batch){1, n, splits, ids, zeros, positions};
}

/* Logits of a row: [n, columns] or [1, columns]; the caller frees them. */
static float *logits_of(lm_model *m, const int32_t *ids, int n)
{
    lm_status st = LM_STATUS_INIT;
    lm_graph *g = lm_graph_new(m->params);
    lm_batch batch = one_row(ids, n);
    lm_graph_begin(g, &batch, (lm_step){0});
    lm_outputs out = lm_model_forward(m, g, &batch, &(lm_select){.token_logits = true, .row_logits = true});
    lm_tensor *t = out.token_logits ? out.token_logits : out.row_logits;
    const float *value = lm_tensor_read(g, t);
    ck_assert_msg(lm_graph_end(g, &st), "%s", st.message);
    size_t count = (size_t)t->rows * (size_t)t->width;
    float *copy = lm_malloc(count, sizeof *copy);
    memcpy(copy, value, count * sizeof *copy);
    lm_graph_free(g);
    return copy;
}

/* ------------------------------------------------------------------ texts */

static double log_probability(const float *logits, int columns, int32_t id)
{
    double sum = 0, max = -INFINITY;
    for (int c = 0; c < columns; c++)
        max = fmax(max, logits[c]);
    for (int c = 0; c < columns; c++)
        sum += exp(logits[c] - max);
    return logits[id] - max - log(sum);
}

/* `want`: the log-probability of each token but the first, times `sign`. */
static void compare_text(const char *dir, const json_t *list, const json_t *want, double sign, double limit)
{
    lm_status st = LM_STATUS_INIT;
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    lm_model *m = lm_model_open(dir, NULL, &st);
    assert_ok(&st);
    int32_t ids[1024];
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    ck_assert_uint_eq(json_array_size(want), n - 1);
    float *logits = logits_of(m, ids, (int)n);
    int columns = m->arch.vocab_size;
    for (size_t i = 0; i + 1 < n; i++) {
        double p = log_probability(logits + i * (size_t)columns, columns, ids[i + 1]);
        ck_assert_double_eq_tol(sign * p, json_number_value(json_array_get(want, i)), limit);
    }
    free(logits);
    lm_model_free(m);
}

START_TEST(texts)
{
    UNIT_NEEDS_DATA(data)
    char *file = lm_format("%s/goldens/extras/golden.json", data);
    json_t *root = json_load_file(file, 0, NULL), *score;
    size_t i, compared = 0;
    ck_assert_ptr_nonnull(root);
    json_array_foreach(json_object_get(root, "scores"), i, score) {
        if (json_object_get(score, "kind")) /* of masked models */
            continue;
        char *dir = lm_format("%s/goldens/models/%s", data, json_string_value(json_object_get(score, "model")));
        compare_text(dir, json_object_get(score, "ids"), json_object_get(score, "token_logprobs"), 1, 5e-5);
        free(dir);
        compared++;
    }
    ck_assert_uint_ge(compared, 18);
    json_decref(root);
    free(file);
}
END_TEST

/* A Llama that has learned something: 260 thousand parameters, stories for children. */
START_TEST(stories)
{
    UNIT_NEEDS_DATA(data)
    char *dir = lm_format("%s/models/stories260K", data), *file = lm_format("%s/golden_forward.json", dir);
    json_t *root = json_load_file(file, 0, NULL);
    ck_assert_ptr_nonnull(root);
    compare_text(dir, json_object_get(root, "input_ids"), json_object_get(root, "nll"), -1, 5e-5);
    json_decref(root);
    free(file);
    free(dir);
}
END_TEST

/* ------------------------------------------------------------------ config.json */

#define NETWORK(layers)                                                                                            \
    "\"vocab_size\":20,\"hidden_size\":16,\"num_hidden_layers\":" layers ",\"num_attention_heads\":4,\"intermediate_size\":24"
#define SMALL NETWORK("4")

/* What is not served is named, and nothing is approximated in silence. */
START_TEST(refused)
{
    static const struct {
        const char *config, *says;
    } cases[] = {
        {"{\"model_type\":\"llama\"," SMALL ",\"num_key_value_heads\":3}", "num_key_value_heads: 3 does not divide"},
        {"{\"model_type\":\"llama\"," SMALL ",\"hidden_act\":\"quick_gelu\"}", "hidden_act: unknown activation \"quick_gelu\""},
        {"{\"model_type\":\"llama\"," SMALL ",\"head_dim\":5}", "an even number of a head's columns, not 5"},
        {"{\"model_type\":\"llama\"," SMALL ",\"pad_token_id\":20}", "pad_token_id: 20 is not in the vocabulary of 20"},
        {"{\"model_type\":\"llama\"," SMALL ",\"pad_token_id\":-1}", "pad_token_id: an integer from 0"},
        {"{\"model_type\":\"llama\"," SMALL ",\"rope_scaling\":{\"rope_type\":\"dynamic\",\"factor\":2}}",
         "rope_scaling: the type \"dynamic\" is not served: default, linear and llama3 are"},
        {"{\"model_type\":\"llama\"," SMALL ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2}}", "the type \"yarn\""},
        {"{\"model_type\":\"llama\"," SMALL ",\"rope_parameters\":{\"rope_type\":\"longrope\",\"rope_theta\":1e4}}",
         "the type \"longrope\""},
        {"{\"model_type\":\"llama\"," SMALL ",\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"default\"}}}",
         "rope_parameters: only one set of them"},
        {"{\"model_type\":\"llama\"," SMALL ",\"rope_scaling\":{\"rope_type\":\"linear\"}}",
         "rope_scaling.factor: a number above 0"},
        {"{\"model_type\":\"llama\"," SMALL ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,"
         "\"high_freq_factor\":4,\"original_max_position_embeddings\":64}}",
         "high_freq_factor: has to be above"},
        {"{\"model_type\":\"llama\"," SMALL ",\"rope_theta\":0}", "rope_theta: 0 has to be above 0"},
        {"{\"model_type\":\"llama\"," NETWORK("2000000000") "}", "layers: at most"},
        {"{\"model_type\":\"llama\"," NETWORK("\"4\"") "}", "num_hidden_layers: an integer"},
        {"{\"model_type\":\"qwen2\"," SMALL ",\"layer_types\":[\"full_attention\",\"chunked_attention\",\"full_attention\","
         "\"full_attention\"],\"num_key_value_heads\":4}",
         "layer_types.1: \"chunked_attention\" is not served"},
        {"{\"model_type\":\"qwen2\"," SMALL ",\"layer_types\":[\"full_attention\"],\"num_key_value_heads\":4}",
         "layer_types: one for each of num_hidden_layers, 4"},
        {"{\"model_type\":\"qwen3\"," SMALL ",\"layer_types\":[\"sliding_attention\",\"full_attention\",\"full_attention\","
         "\"full_attention\"],\"num_key_value_heads\":4}",
         "layer_types.0: sliding_attention needs sliding_window"},
        {"{\"model_type\":\"gemma\"," SMALL ",\"use_bidirectional_attention\":true,\"num_key_value_heads\":4}",
         "use_bidirectional_attention"},
        {"{\"model_type\":\"gpt2\",\"vocab_size\":20,\"n_embd\":15,\"n_layer\":1,\"n_head\":4}", "n_embd: 15 is no multiple"},
        {"{\"model_type\":\"gpt2\",\"vocab_size\":20,\"n_embd\":16,\"n_layer\":1,\"n_head\":4,\"add_cross_attention\":true}",
         "add_cross_attention"},
        {"{\"model_type\":\"gpt2\",\"vocab_size\":20,\"n_embd\":2000000000,\"n_layer\":1,\"n_head\":4}", "n_embd: 2000000000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_status st = LM_STATUS_INIT;
        ck_assert_msg(create(cases[i].config, "clm", &st) == NULL, "%s", cases[i].config);
        ck_assert_msg(strstr(st.message, cases[i].says) != NULL, "%s\n%s", cases[i].config, st.message);
        lm_status_clear(&st);
    }
}
END_TEST

static const int32_t row[] = {3, 1, 4, 1, 5, 9, 2, 6};
enum { ROW = sizeof row / sizeof *row, VOCAB = 20 };

/* Whether the last token's logits follow from its last `n` tokens alone, whatever was before. */
static bool sees_only(const char *config, int n)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = create(config, "clm", &st);
    assert_ok(&st);
    for (size_t i = 0; i < lm_params_count(m->params); i++) { /* large enough that what is seen shows */
        lm_param *p = lm_params_at(m->params, i);
        for (size_t e = 0; e < p->elements && p->shape.dims == 2; e++)
            p->value[e] *= 20;
    }
    int32_t other[ROW];
    memcpy(other, row, sizeof row);
    for (int i = 0; i < ROW - n; i++)
        other[i] = (row[i] + 7) % VOCAB;
    float *a = logits_of(m, row, ROW), *b = logits_of(m, other, ROW);
    size_t last = (ROW - 1) * (size_t)VOCAB;
    bool same = memcmp(a + last, b + last, VOCAB * sizeof *a) == 0;
    free(a), free(b);
    lm_model_free(m);
    return same;
}

#define ONE_LAYER(family, more) "{\"model_type\":\"" family "\"," NETWORK("1") ",\"num_key_value_heads\":2" more "}"

START_TEST(windows)
{
    ck_assert(sees_only(ONE_LAYER("mistral", ",\"sliding_window\":3"), 3));
    ck_assert(!sees_only(ONE_LAYER("mistral", ",\"sliding_window\":3"), 2));
    ck_assert(!sees_only(ONE_LAYER("mistral", ",\"sliding_window\":null"), ROW - 1));
    const char *slides = ONE_LAYER("qwen2", ",\"sliding_window\":3,\"use_sliding_window\":true,\"max_window_layers\":0");
    ck_assert(sees_only(slides, 3) && !sees_only(slides, 2));
    ck_assert(!sees_only(ONE_LAYER("qwen2", ",\"sliding_window\":3,\"use_sliding_window\":false,\"max_window_layers\":0"), 3));
    ck_assert(!sees_only(ONE_LAYER("qwen2", ",\"sliding_window\":3,\"use_sliding_window\":true,\"max_window_layers\":1"), 3));
    /* layer_types goes before max_window_layers */
    ck_assert(sees_only(ONE_LAYER("qwen3", ",\"sliding_window\":3,\"use_sliding_window\":true,\"max_window_layers\":1,"
                                           "\"layer_types\":[\"sliding_attention\"]"), 3));
    ck_assert(!sees_only(ONE_LAYER("qwen3", ",\"sliding_window\":3,\"use_sliding_window\":true,\"max_window_layers\":0,"
                                            "\"layer_types\":[\"full_attention\"]"), 3));
}
END_TEST

/* Two configs of the same weights: do they compute the same? */
static bool same_function(const char *one, const char *two)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *a = create(one, "clm", &st);
    assert_ok(&st);
    lm_model *b = create(two, "clm", &st);
    assert_ok(&st);
    float *x = logits_of(a, row, ROW), *y = logits_of(b, row, ROW);
    bool same = memcmp(x, y, ROW * (size_t)VOCAB * sizeof *x) == 0;
    free(x), free(y);
    lm_model_free(a), lm_model_free(b);
    return same;
}

#define LLAMA(more) "{\"model_type\":\"llama\"," SMALL more "}"
#define GPT2(more)  "{\"model_type\":\"gpt2\",\"vocab_size\":20,\"n_embd\":16,\"n_layer\":2,\"n_head\":4" more "}"
#define GEMMA(more) "{\"model_type\":\"gemma\"," SMALL ",\"num_key_value_heads\":4,\"head_dim\":4" more "}"

START_TEST(served)
{
    ck_assert(same_function(LLAMA(""), LLAMA(",\"rope_scaling\":{\"rope_type\":\"default\"},\"pretraining_tp\":2")));
    ck_assert(same_function(LLAMA(""), LLAMA(",\"num_key_value_heads\":null,\"head_dim\":null")));
    ck_assert(same_function(LLAMA(",\"rope_theta\":50.0"), LLAMA(",\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":50.0}")));
    ck_assert(!same_function(LLAMA(",\"rope_theta\":50.0"), LLAMA("")));
    ck_assert(!same_function(LLAMA(",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}"), LLAMA("")));
    ck_assert(!same_function(LLAMA(",\"hidden_act\":\"relu\""), LLAMA("")));
    ck_assert(!same_function(LLAMA(",\"rms_norm_eps\":0.1"), LLAMA("")));
    ck_assert(same_function(GPT2(""), GPT2(",\"reorder_and_upcast_attn\":true,\"n_inner\":64,\"tie_word_embeddings\":true")));
    ck_assert(!same_function(GPT2(""), GPT2(",\"scale_attn_weights\":false")));
    ck_assert(!same_function(GPT2(""), GPT2(",\"scale_attn_by_inverse_layer_idx\":true")));
    ck_assert(!same_function(GPT2(""), GPT2(",\"tie_word_embeddings\":false")));
    /* the names that Gemma's activation has had */
    ck_assert(same_function(GEMMA(""), GEMMA(",\"hidden_activation\":null,\"hidden_act\":\"gelu\"")));
    ck_assert(same_function(GEMMA(""), GEMMA(",\"hidden_activation\":\"gelu_pytorch_tanh\",\"hidden_act\":\"relu\"")));
    ck_assert(!same_function(GEMMA(""), GEMMA(",\"hidden_activation\":\"relu\"")));
}
END_TEST

/* ------------------------------------------------------------------ new models */

static double deviation(lm_model *m, const char *name)
{
    lm_param *p = lm_params_find(m->params, name);
    ck_assert_msg(p != NULL, "%s", name);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < p->elements; i++) {
        sum += p->value[i];
        squares += (double)p->value[i] * p->value[i];
    }
    double mean = sum / (double)p->elements;
    return sqrt(squares / (double)p->elements - mean * mean);
}

static void check_constant(lm_model *m, const char *name, float value)
{
    lm_param *p = lm_params_find(m->params, name);
    ck_assert_msg(p != NULL, "%s", name);
    for (size_t i = 0; i < p->elements; i++)
        ck_assert_float_eq(p->value[i], value);
}

START_TEST(initial_values)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = create("{\"model_type\":\"gpt2\",\"vocab_size\":200,\"n_embd\":128,\"n_layer\":8,\"n_head\":4}", "clm", &st);
    assert_ok(&st);
    double narrow = 0.02 / sqrt(16);
    ck_assert_double_eq_tol(deviation(m, "transformer.wte.weight"), 0.02, 4e-4);
    ck_assert_double_eq_tol(deviation(m, "transformer.h.3.attn.c_attn.weight"), 0.02, 4e-4);
    ck_assert_double_eq_tol(deviation(m, "transformer.h.3.attn.c_proj.weight"), narrow, 2e-4);
    ck_assert_double_eq_tol(deviation(m, "transformer.h.7.mlp.c_proj.weight"), narrow, 2e-4);
    check_constant(m, "transformer.h.0.attn.c_attn.bias", 0);
    check_constant(m, "transformer.ln_f.weight", 1);
    ck_assert_ptr_eq(lm_params_find(m->params, "lm_head.weight"), lm_params_find(m->params, "transformer.wte.weight"));
    lm_model_free(m);
    m = create("{\"model_type\":\"gemma\",\"vocab_size\":200,\"hidden_size\":128,\"num_hidden_layers\":1,\"head_dim\":32,"
               "\"num_attention_heads\":4,\"num_key_value_heads\":1,\"intermediate_size\":256,\"initializer_range\":0.05}",
               "clm", &st);
    assert_ok(&st);
    check_constant(m, "model.norm.weight", 0);
    check_constant(m, "model.layers.0.input_layernorm.weight", 0);
    ck_assert_double_eq_tol(deviation(m, "model.layers.0.mlp.down_proj.weight"), 0.05, 1e-3);
    const float *padding = lm_params_find(m->params, "model.embed_tokens.weight")->value;
    for (int i = 0; i < 128; i++)
        ck_assert_float_eq(padding[i], 0);
    lm_model_free(m);
    m = create(LLAMA(",\"tie_word_embeddings\":false"), "clm", &st);
    assert_ok(&st);
    check_constant(m, "model.norm.weight", 1);
    ck_assert(lm_params_find(m->params, "lm_head.weight") != lm_params_find(m->params, "model.embed_tokens.weight"));
    lm_model_free(m);
}
END_TEST

/* Rows are classified by their last token that is not padding, which is what rows without it give. */
START_TEST(padded_rows)
{
    static const int32_t plain[] = {3, 0, 4, 1}, padded[] = {3, 0, 4, 1, 0, 0}, nothing[] = {0, 0}, first[] = {0};
    static const char *const configs[] = {LLAMA(",\"pad_token_id\":0"), GPT2(",\"pad_token_id\":0")};
    for (int i = 0; i < 2; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_model *m = create(configs[i], "classify", &st);
        assert_ok(&st);
        float *a = logits_of(m, plain, 4), *b = logits_of(m, padded, 6);
        ck_assert_mem_eq(a, b, 2 * sizeof *a);
        free(a), free(b);
        a = logits_of(m, nothing, 2), b = logits_of(m, first, 1);
        ck_assert_mem_eq(a, b, 2 * sizeof *a);
        free(a), free(b);
        lm_model_free(m);
    }
    lm_status st = LM_STATUS_INIT;
    lm_model *m = create(GPT2(""), "classify", &st); /* no padding: the last token, whatever it is */
    assert_ok(&st);
    float *a = logits_of(m, plain, 4), *b = logits_of(m, padded, 6);
    ck_assert(memcmp(a, b, 2 * sizeof *a) != 0);
    free(a), free(b);
    lm_model_free(m);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("decoders");
    TCase *t = tcase_create("decoders");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, texts);
    tcase_add_test(t, stories);
    tcase_add_test(t, refused);
    tcase_add_test(t, windows);
    tcase_add_test(t, served);
    tcase_add_test(t, initial_values);
    tcase_add_test(t, padded_rows);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
