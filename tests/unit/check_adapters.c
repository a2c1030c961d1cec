/* Adapters: PEFT's files read and written again, how they begin, and what is trained. Their logits, gradients
 * and training are compared with PEFT's in check_goldens. */
#include "adapted.h"
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "model/adapter/adapter_internal.h"
#include "model/adapter/svd.h"
#include "stream/json_tree.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ singular values */

START_TEST(singular_values)
{
    enum { ROWS = 40, COLUMNS = 30, RANK = 4 };
    float w[ROWS * COLUMNS] = {0}, u[ROWS * RANK], s[RANK], v[ROWS * RANK];
    lm_status st = LM_STATUS_INIT;
    for (int turned = 0; turned < 2; turned++) {
        int rows = turned ? COLUMNS : ROWS, columns = turned ? ROWS : COLUMNS;
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) { /* of rank 4 */
                double sum = 0;
                for (int k = 1; k <= RANK; k++)
                    sum += cos(0.7 * i * k) * sin(0.3 * j * k + k) * k;
                w[i * columns + j] = (float)sum;
            }
        ck_assert(lm_svd_truncated(w, rows, columns, RANK, -1, 1, u, s, v, &st));
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) {
                double sum = 0;
                for (int k = 0; k < RANK; k++)
                    sum += (double)u[i * RANK + k] * (double)s[k] * (double)v[j * RANK + k];
                ck_assert_double_eq_tol(sum, w[i * columns + j], 2e-5);
            }
        for (int k = 0; k < RANK; k++)
            for (int l = 0; l < RANK; l++) {
                double sum = 0;
                for (int i = 0; i < rows; i++)
                    sum += (double)u[i * RANK + k] * (double)u[i * RANK + l];
                ck_assert_double_eq_tol(sum, k == l, 1e-5);
            }
        for (int k = 1; k < RANK; k++)
            ck_assert(s[k] <= s[k - 1] && s[k] > 0);
    }
    /* a matrix of full rank: known values on a diagonal */
    memset(w, 0, sizeof w);
    for (int i = 0; i < COLUMNS; i++)
        w[i * COLUMNS + (i + 7) % COLUMNS] = (float)(COLUMNS - i);
    ck_assert(lm_svd_truncated(w, ROWS, COLUMNS, RANK, -1, 1, u, s, v, &st));
    for (int k = 0; k < RANK; k++)
        ck_assert_double_eq_tol(s[k], COLUMNS - k, 1e-3);
    ck_assert(!lm_svd_truncated(w, ROWS, COLUMNS, COLUMNS + 1, -1, 1, u, s, v, &st));
}
END_TEST

/* ------------------------------------------------------------------ beginning */

static const struct {
    const char *what;
    lm_adapter_options how;
    bool changes; /* what the model gives */
} starts[] = {
    {"kaiming", {.r = 4, .target = "all-linear"}, false},
    {"gaussian", {.r = 4, .target = "all-linear", .init = "gaussian", .dropout = 0.1}, false},
    {"random", {.r = 4, .target = "all-linear", .init = "false"}, true},
    {"dora", {.r = 4, .target = "all-linear", .dora = true}, false},
    {"pissa", {.r = 4, .target = "all-linear", .init = "pissa", .alpha = 12}, false},
    {"fast pissa", {.r = 4, .target = "all-linear", .init = "pissa_niter_4", .rslora = true}, false},
    {"olora", {.r = 4, .target = "all-linear", .init = "olora"}, false},
    {"tables", {.r = 4, .target = "embed_tokens,wte,q_proj,c_attn", .bias = LM_BIAS_ALL}, false},
    {"tables beside pissa", {.r = 4, .target = "embed_tokens,wte,q_proj,c_attn", .init = "pissa"}, false},
    {"tables, dora", {.r = 4, .target = "embed_tokens,wte", .dora = true}, false},
};
enum { STARTS = sizeof starts / sizeof *starts };

/* An adapter changes nothing as it begins; once it is trained, what is written does the same beside the base as it stands. */
START_TEST(begins_and_goes_on)
{
    char *base = new_base(_i % 2 ? adapted_gpt2 : adapted_llama);
    lm_status st = LM_STATUS_INIT;
    lm_model *plain = open_path(base), *m = open_path(base);
    ck_assert_msg(adapt(m, starts[_i / 2].how, NULL, &st), "%s: %s", starts[_i / 2].what, st.message);
    double d = apart(plain, m);
    ck_assert_msg(starts[_i / 2].changes ? d > 1e-3 : d < 2e-5, "%s: %g", starts[_i / 2].what, d);
    disturb(m);
    ck_assert(apart(plain, m) > 1e-3);
    char *adapter = written(m);
    lm_model *again = open_both(base, adapter);
    d = apart(m, again);
    ck_assert_msg(d < 3e-5, "%s: written, it differs by %g", starts[_i / 2].what, d);
    /* and so does the model that it becomes part of */
    bool table = strncmp(starts[_i / 2].what, "tables", 6) == 0;
    if (table && _i % 2) {
        ck_assert(!lm_model_merge(again, &st));
        assert_says(&st, "the same matrix as lm_head.weight");
    } else {
        ck_assert_msg(lm_model_merge(again, &st), "%s", st.message);
        d = apart(m, again);
        ck_assert_msg(d < 5e-5, "%s: merged, it differs by %g", starts[_i / 2].what, d);
    }
    lm_model_free(again);
    lm_model_free(plain);
    lm_model_free(m);
    scratch_discard(adapter);
    scratch_discard(base);
}
END_TEST

/* LoftQ brings a rough base nearer to what it was. */
START_TEST(loftq_is_nearer)
{
    lm_status st = LM_STATUS_INIT;
    char *base = new_base(adapted_llama);
    lm_model *original = open_path(base), *rough = open_path(base);
    for (size_t i = 0; i < lm_params_count(rough->params); i++) {
        lm_param *p = lm_params_at(rough->params, i);
        ck_assert(lm_param_own(p, &st));
        for (size_t k = 0; p->shape.dims == 2 && !p->embedding && k < p->elements; k++)
            p->value[k] = roundf(p->value[k] * 4) / 4;
    }
    double before = apart(original, rough);
    ck_assert(!adapt(rough, (lm_adapter_options){.r = 8, .target = "q_proj", .init = "loftq"}, NULL, &st));
    assert_says(&st, "needs the model as it was");
    lm_model_adapters_free(rough);
    ck_assert_msg(adapt(rough, (lm_adapter_options){.r = 8, .target = "q_proj,o_proj,up_proj,gate_proj,down_proj,v_proj,k_proj",
                                                    .init = "loftq"}, original, &st), "%s", st.message);
    ck_assert_double_lt(apart(original, rough), 0.8 * before);
    lm_model_free(original);
    lm_model_free(rough);
    scratch_discard(base);
}
END_TEST

/* ------------------------------------------------------------------ targets */

static const struct {
    lm_adapter_options how;
    const char *config;
    size_t modules;
    uint64_t numbers; /* that are trained; 0 = not asked */
} targets[] = {
    {{.r = 2}, adapted_llama, 6, 3 * (2 * 32 + 2 * 24)},                      /* PEFT's default: q_proj, v_proj */
    {{.r = 2}, adapted_gpt2, 2, 2 * 2 * (16 + 48)},                           /* c_attn */
    {{.r = 2, .target = "all-linear"}, adapted_llama, 21, 0},                 /* seven a block, and no lm_head */
    {{.r = 2, .target = "all-linear", .exclude = "down_proj"}, adapted_llama, 18, 0},
    {{.r = 2, .target = "q_proj", .layers = "0,2"}, adapted_llama, 2, 0},
    {{.r = 2, .target = "q_proj", .layers = "1-2", .layers_pattern = "layers"}, adapted_llama, 2, 0},
    {{.r = 2, .target = ".*layers\\.1\\.(self_attn|mlp)\\.(q|up)_proj"}, adapted_llama, 2, 0},
    {{.r = 2, .target = "model.layers.2.mlp.up_proj"}, adapted_llama, 1, 0},
    {{.r = 2, .target = "lm_head"}, adapted_llama, 1, 0},
    {{.r = 2, .target = "c_proj"}, adapted_gpt2, 4, 0},                       /* attention's and the other's */
    {{.r = 2, .target = "mlp.c_proj"}, adapted_gpt2, 2, 0},
    {{.r = 2, .target = "c_attn", .bias = LM_BIAS_LORA_ONLY}, adapted_gpt2, 2, 2 * (2 * (16 + 48) + 48)},
    {{.r = 2, .target = "q_proj", .modules_to_save = "lm_head"}, adapted_llama, 3, 3 * 2 * 32 + 32 * 16},
};
enum { TARGETS = sizeof targets / sizeof *targets };

static uint64_t numbers_trained(const lm_model *m)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        const lm_param *p = lm_params_at(m->params, i);
        sum += lm_adapter_trains(m, p) ? p->elements : 0;
    }
    return sum;
}

START_TEST(target_modules)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = create(targets[_i].config, NULL, 1);
    ck_assert_msg(adapt(m, targets[_i].how, NULL, &st), "%d: %s", _i, st.message);
    ck_assert_msg(m->adapters[0].count == targets[_i].modules, "%d: %zu modules", _i, m->adapters[0].count);
    if (targets[_i].numbers)
        ck_assert_uint_eq(numbers_trained(m), targets[_i].numbers);
    lm_model_free(m);
}
END_TEST

START_TEST(patterns)
{
    lm_status st = LM_STATUS_INIT;
    const char *ranks[] = {"up_proj=3", "model.layers.1.mlp.gate_proj=5"}, *alphas[] = {".*2\\.mlp\\.up_proj=30"};
    lm_model *m = create(adapted_llama, NULL, 1);
    ck_assert(adapt(m, (lm_adapter_options){.r = 2, .alpha = 8, .target = "up_proj,gate_proj", .rank_pattern = {ranks, 2, 2},
                                            .alpha_pattern = {alphas, 1, 1}}, NULL, &st));
    for (size_t i = 0; i < m->adapters[0].count; i++) {
        const struct lm_adapted_part *part = &m->adapters[0].parts[i];
        bool up = strstr(part->module, "up_proj"), last = strstr(part->module, "layers.2"), middle = strstr(part->module, "layers.1");
        int rank = up ? 3 : middle ? 5 : 2;
        ck_assert_msg(part->adapter->rank == rank, "%s: %d", part->module, part->adapter->rank);
        ck_assert_float_eq_tol(part->adapter->scale, (up && last ? 30.0f : 8.0f) / (float)rank, 1e-6f);
    }
    lm_model_free(m);
}
END_TEST

static const struct {
    lm_adapter_options how;
    const char *config, *says;
} bad_targets[] = {
    {{.target = "query"}, adapted_llama, "query: no module of this model is called so: its modules end in embed_tokens, q_proj, k_proj, "
                                 "v_proj, o_proj, gate_proj, up_proj, down_proj, lm_head"},
    {{.target = "(q_proj"}, adapted_llama, "\"(q_proj\": "},
    {{.r = 17, .target = "q_proj"}, adapted_llama, "r: a rank of 17 for model.layers.0.self_attn.q_proj, whose weight is [16, 16]"},
    {{.init = "zeros"}, adapted_llama, "init_lora_weights: zeros: known are"},
    {{.init = "pissa", .dora = true}, adapted_llama, "use_dora: not together with init_lora_weights pissa"},
    {{.layers = "x"}, adapted_llama, "--layers-to-transform x"},
    {{.layers_pattern = "layers"}, adapted_llama, "layers_pattern: says nothing without"},
    {{.target = ".*q_proj", .layers = "1"}, adapted_llama, "layers_to_transform: the targets are a regular expression"},
    {{.dropout = 1.5}, adapted_llama, "lora_dropout: 1.5"},
    {{.r = 0}, "{\"model_type\":\"lstm\",\"architectures\":[\"LSTMForCausalLM\"],\"vocab_size\":9,\"hidden_size\":4,\"embedding_size\":4}",
     "there is no default for lstm"},
};
enum { BAD_TARGETS = sizeof bad_targets / sizeof *bad_targets };

START_TEST(targets_that_cannot_be)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = create(bad_targets[_i].config, NULL, 1);
    ck_assert(!adapt(m, bad_targets[_i].how, NULL, &st));
    assert_says(&st, bad_targets[_i].says);
    lm_model_free(m);
}
END_TEST

/* ------------------------------------------------------------------ files */

static json_t *settings_in(const char *dir)
{
    lm_status st = LM_STATUS_INIT;
    char *name = lm_format("%s/" LM_ADAPTER_CONFIG, dir);
    json_t *all = lm_json_read(name, 0, &st);
    assert_ok(&st);
    free(name);
    return all;
}

/* Real adapters, on networks of their bases' shapes but for what they do not touch. */
static const struct {
    const char *dir, *config, *task;
    size_t modules;
} real[] = {
    {"bert_gpt2_multitask", "{\"model_type\":\"bert\",\"hidden_size\":768,\"num_hidden_layers\":12,\"num_attention_heads\":12,"
                            "\"intermediate_size\":4,\"vocab_size\":8,\"max_position_embeddings\":8}", "classify", 24},
    {"distilbert_emotion", "{\"model_type\":\"distilbert\",\"dim\":768,\"n_layers\":6,\"n_heads\":12,\"hidden_dim\":4,\"vocab_size\":8,"
                           "\"max_position_embeddings\":8,\"num_labels\":6}", "classify", 12},
    {"distilbert_imdb", "{\"model_type\":\"distilbert\",\"dim\":768,\"n_layers\":6,\"n_heads\":12,\"hidden_dim\":4,\"vocab_size\":8,"
                        "\"max_position_embeddings\":8}", "classify", 12},
    {"gpt2_peft", "{\"model_type\":\"gpt2\",\"n_embd\":768,\"n_layer\":12,\"n_head\":12,\"n_inner\":4,\"vocab_size\":8,"
                  "\"n_positions\":8,\"num_labels\":6}", "classify", 12},
    {"gpt2_tigrinya", "{\"model_type\":\"gpt2\",\"n_embd\":768,\"n_layer\":12,\"n_head\":12,\"n_inner\":3072,\"vocab_size\":8,"
                      "\"n_positions\":8}", "clm", 36},
};
enum { REAL = sizeof real / sizeof *real };

/* Every tensor comes out as it went in, and so does every setting. */
START_TEST(real_adapters)
{
    UNIT_NEEDS_DATA(data);
    lm_status st = LM_STATUS_INIT;
    char *dir = lm_format("%s/models/peft-adapters/%s", data, real[_i].dir);
    lm_model *m = create(real[_i].config, real[_i].task, 1);
    lm_bundle *b = lm_bundle_open(dir, &st);
    ck_assert_msg(b && lm_model_attach(m, b, &(lm_model_options){0}, &st), "%s", st.message);
    ck_assert_uint_eq(m->adapters[0].count, real[_i].modules);
    char *copy = written(m), *one = lm_format("%s/" LM_ADAPTER_WEIGHTS, dir), *two = lm_format("%s/" LM_ADAPTER_WEIGHTS, copy);
    lm_safetensors *x = lm_safetensors_open(one, &st), *y = lm_safetensors_open(two, &st);
    assert_ok(&st);
    ck_assert_uint_eq(lm_safetensors_count(x), lm_safetensors_count(y));
    for (size_t i = 0; i < lm_safetensors_count(x); i++) {
        const lm_safetensor *s = lm_safetensors_at(x, i), *t = lm_safetensors_find(y, s->name);
        ck_assert_msg(t && t->bytes == s->bytes && t->dtype == s->dtype && memcmp(t->data, s->data, s->bytes) == 0, "%s", s->name);
    }
    json_t *was = settings_in(dir), *is = settings_in(copy), *v;
    const char *key;
    json_object_foreach(was, key, v) {
        json_t *w = json_object_get(is, key);
        bool nothing = json_is_null(v) || json_is_false(v); /* need not be said */
        ck_assert_msg((!w && nothing) || json_equal(v, w) || (json_is_number(v) && json_number_value(v) == json_number_value(w)),
                      "%s", key);
    }
    json_decref(was);
    json_decref(is);
    lm_safetensors_close(x);
    lm_safetensors_close(y);
    lm_bundle_close(b);
    lm_model_free(m);
    free(one);
    free(two);
    free(dir);
    scratch_discard(copy);
}
END_TEST

static const struct {
    const char *member, *says; /* NULL: it is kept */
} members[] = {
    {"\"note\":\"mine\"", NULL},
    {"\"layer_replication\":null", NULL},
    {"\"use_something\":false", NULL},
    {"\"peft_version\":\"0.20.0\"", NULL},
    {"\"qalora_group_size\":16", NULL},
    {"\"layer_replication\":[[0,2],[1,3]]", "layer_replication: [[0,2],[1,3]]: this lmutils does not know what it changes"},
    {"\"use_something\":true", "use_something: true"},
    {"\"trainable_token_indices\":[3]", "trainable_token_indices: [3]"},
    {"\"target_parameters\":[\"x\"]", "target_parameters"},
    {"\"use_qalora\":true", "use_qalora"},
    {"\"lora_alpha\":\"8\"", "lora_alpha: a number is expected"},
    {"\"r\":2.5", "r: a whole number is expected"},
    {"\"r\":0", "r: 0: a rank of 1 or more"},
    {"\"bias\":\"some\"", "bias: some: none, all or lora_only"},
    {"\"layers_pattern\":\"h\"", "layers_pattern: says nothing without layers_to_transform"},
    {"\"target_modules\":[1]", "target_modules: a list of names"},
    {"\"rank_pattern\":[1]", "rank_pattern: an object"},
    {"\"layers_to_transform\":[-1]", "layers_to_transform: a list of numbers of layers"},
    {"\"peft_type\":\"IA3\"", "peft_type: IA3: LORA alone is served"},
    {"\"init_lora_weights\":\"corda\"", "init_lora_weights: corda"},
};
enum { MEMBERS = sizeof members / sizeof *members };

START_TEST(settings)
{
    lm_status st = LM_STATUS_INIT;
    const char *member = members[_i].member;
    char *dir = scratch_new(), *key = lm_strndup(member, strcspn(member + 1, "\"") + 2);
    char *text = lm_format("{%s%s%s%s}", strstr(key, "peft_type") ? "" : "\"peft_type\":\"LORA\",",
                           strstr(key, "\"r\"") ? "" : "\"r\":4,", strstr(key, "target_modules") ? "" : "\"target_modules\":[\"q\"],",
                           member);
    scratch_write(dir, LM_ADAPTER_CONFIG, text, strlen(text));
    lm_bundle *b = lm_bundle_open(dir, &st);
    lm_adapter_config *c = lm_adapter_config_read(b, &st);
    if (members[_i].says) {
        ck_assert(!c);
        ck_assert_int_eq(st.code, LM_FAILED); /* a file is no command line */
        assert_says(&st, members[_i].says);
    } else {
        ck_assert_msg(c != NULL, "%s", st.message);
        lm_buf out = {0};
        lm_adapter_config_print(c, &out);
        ck_assert_msg(strstr(lm_buf_cstr(&out), key) != NULL, "%s", lm_buf_cstr(&out));
        lm_buf_free(&out);
    }
    lm_adapter_config_free(c);
    lm_bundle_close(b);
    free(text);
    free(key);
    scratch_discard(dir);
}
END_TEST

/* ------------------------------------------------------------------ damage */

static void refused(const char *base, const char *adapter, const char *says)
{
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s+%s", base, adapter);
    ck_assert(!lm_model_open(path, NULL, &st));
    ck_assert_int_eq(st.code, LM_FAILED);
    assert_says(&st, says);
    free(path);
}

START_TEST(damage)
{
    char *base = new_base(adapted_llama), *other = new_base(adapted_gpt2), *dir = new_adapter(base, (lm_adapter_options){.r = 2});
    lm_str weights = scratch_read(dir, LM_ADAPTER_WEIGHTS), config = scratch_read(dir, LM_ADAPTER_CONFIG);
    refused(other, dir, "the adapter is of a llama, and the base is a gpt2");
    char *own = lm_format("%s/config.json", dir);
    unlink(own); /* as PEFT writes it: without */
    free(own);
    refused(other, dir, "this model has no module of that name: the adapter is of another base");
    refused(base, other, "is no adapter");
    refused(base, "/nowhere", "/nowhere");
    for (size_t n = 0; n < weights.len; n += 1 + weights.len / 40) {
        scratch_write(dir, LM_ADAPTER_WEIGHTS, weights.data, n);
        refused(base, dir, LM_ADAPTER_WEIGHTS);
    }
    char *renamed = lm_strndup(weights.data, weights.len);
    char *b = memmem(renamed, weights.len, "lora_B.weight", 13);
    memcpy(b, "lora_C.weight", 13);
    scratch_write(dir, LM_ADAPTER_WEIGHTS, renamed, weights.len);
    refused(base, dir, "its B is missing: the file is not whole");
    memcpy(b, "lora_B.weight", 13);
    scratch_write(dir, LM_ADAPTER_WEIGHTS, weights.data, weights.len);
    char *rank = strstr((char *)config.data, "\"r\": 2");
    rank[5] = '3';
    scratch_write(dir, LM_ADAPTER_CONFIG, config.data, config.len);
    refused(base, dir, "has rank 2, and r in adapter_config.json says 3");
    char *spoiled = lm_strndup(config.data, config.len), *list = strstr(spoiled, "\"target_modules\": ["), *end = strchr(list, ']');
    memset(list + 18, ' ', (size_t)(end - list) - 17);
    memcpy(list + 18, "\"(\"", 3);
    scratch_write(dir, LM_ADAPTER_CONFIG, spoiled, config.len);
    refused(base, dir, "target_modules: \"(\"");
    free(spoiled);
    /* of a base with other sizes */
    char *wide = strdup(adapted_llama), *size = strstr(wide, "\"hidden_size\":16");
    memcpy(size, "\"hidden_size\":32", 16);
    char *large = new_base(wide);
    rank[5] = '2';
    scratch_write(dir, LM_ADAPTER_CONFIG, config.data, config.len);
    refused(large, dir, "has shape [2, 16], and this model needs [2, 32]: the adapter is of another base");
    char *file = lm_format("%s/" LM_ADAPTER_WEIGHTS, dir);
    unlink(file);
    free(file);
    scratch_write(dir, "adapter_model.bin", "x", 1);
    refused(base, dir, "is a pickle");
    free((char *)weights.data);
    free((char *)config.data);
    free(renamed);
    free(wide);
    scratch_discard(large);
    scratch_discard(base);
    scratch_discard(other);
    scratch_discard(dir);
}
END_TEST

/* ------------------------------------------------------------------ paths, and heads */

START_TEST(paths)
{
    static const char bert[] = "{\"model_type\":\"bert\",\"hidden_size\":16,\"num_hidden_layers\":2,\"num_attention_heads\":2,"
                               "\"intermediate_size\":24,\"vocab_size\":32,\"max_position_embeddings\":16,\"num_labels\":5}";
    lm_status st = LM_STATUS_INIT;
    char *base = saved(create(bert, "mlm", 3));
    /* an adapter of a classifier, on a base that has another head */
    const char *labels[] = {"a", "b", "c", "d", "e"};
    lm_config *c = lm_model_config(base, &st);
    lm_config_set_labels(c, labels, 5);
    lm_model *m = lm_model_open(base, &(lm_model_options){.task = "classify", .allow_missing_head = true, .config = c, .quiet = true},
                                &st);
    assert_ok(&st);
    ck_assert(adapt(m, (lm_adapter_options){.r = 2, .modules_to_save = "classifier,pooler"}, NULL, &st));
    disturb(m);
    char *adapter = written(m);
    lm_model *again = open_both(base, adapter);
    ck_assert_str_eq(again->head->name, "classify");
    ck_assert_str_eq(lm_config_label(again->config, 4), "e");
    const lm_param *one = lm_params_find(m->params, "classifier.weight"), *two = lm_params_find(again->params, "classifier.weight");
    ck_assert(lm_param_ready(lm_params_find(again->params, "classifier.weight"), &st));
    ck_assert(memcmp(one->value, two->value, one->elements * sizeof(float)) == 0);
    lm_model_free(again);
    /* two at once cannot both bring it */
    char *twice = lm_format("%s+%s+%s", base, adapter, adapter);
    ck_assert(!lm_model_open(twice, NULL, &st));
    assert_says(&st, "another adapter brings it, too");
    /* an adapter alone knows its base, where that is said; a plus sign in a name is no more than that */
    ck_assert(!lm_model_open(adapter, NULL, &st));
    assert_says(&st, "say where its base is");
    char *plus = lm_format("%s/c++", base), **parts;
    ck_assert_uint_eq(lm_bundle_parts(plus, &parts), 1);
    lm_bundle_parts_free(parts, 1);
    ck_assert(lm_bundle_is_one(plus, &st) && !lm_bundle_is_one(twice, &st));
    assert_says(&st, "merge them first");
    ck_assert_uint_eq(lm_bundle_parts(twice, &parts), 3);
    ck_assert_str_eq(parts[0], base);
    ck_assert_str_eq(parts[2], adapter);
    lm_bundle_parts_free(parts, 3);
    free(plus);
    free(twice);
    lm_model_free(m);
    scratch_discard(adapter);
    scratch_discard(base);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("adapters");
    TCase *t = tcase_create("adapters");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, singular_values);
    tcase_add_loop_test(t, begins_and_goes_on, 0, 2 * STARTS);
    tcase_add_test(t, loftq_is_nearer);
    tcase_add_loop_test(t, target_modules, 0, TARGETS);
    tcase_add_test(t, patterns);
    tcase_add_loop_test(t, targets_that_cannot_be, 0, BAD_TARGETS);
    tcase_add_loop_test(t, real_adapters, 0, REAL);
    tcase_add_loop_test(t, settings, 0, MEMBERS);
    tcase_add_test(t, damage);
    tcase_add_test(t, paths);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
