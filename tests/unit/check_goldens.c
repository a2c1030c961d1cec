/* Models against transformers: the limits are those that goldens/README.md of the reference data states. */
#include "golden.h"
#include "unit.h"

#include "base/memory.h"
#include "model/adapter/adapter.h"
#include "train/optimizer/optimizer.h"
#include "train/optimizer/schedule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LOGITS  5e-5
#define LOSS    1e-5
#define NORM    2e-5 /* relative */
#define STEPS   10
#define ELEMENT 3e-5 /* of the parameter's largest gradient */
#define TRAINED 1e-4 /* logits and parameters after training */

/* Families that the reference data lack are in tests/unit/goldens, in the same form: small networks of float64 PyTorch, written
 * from the papers with the names of transformers. The last case has outputs alone: its loss is over padded rows, which there
 * are none of here. */
static const char *const cases[] = {
    "albert-cls2",     "albert-mlm",      "albert-tok4",     "electra-cls3",   "electra-mlm",
    "bert-cls2",       "bert-cls3",       "bert-cls4",       "bert-mlm",       "bert-mlm-f16",    "bert-multilabel4",
    "bert-pretrain",   "bert-reg1",       "bert-tok5",       "distilbert-mlm", "distilbert-cls2", "distilbert-cls3",
    "distilbert-cls4", "distilbert-tok5", "roberta-mlm",     "roberta-cls2",   "roberta-cls3",    "roberta-cls4",
    "roberta-tok5",    "gpt2-lm",         "gpt2-cls3",       "llama-gqa",      "llama-cls2",
    "llama-mha-linrope-bias",             "llama-tied-llama3rope",              "llama-sharded",   "llama-bf16",
    "mistral-swa",     "mistral-noswa",   "qwen2-tied",      "qwen2-untied-cls3",
    "qwen3",           "qwen3-tied-bf16", "gemma",           "t5-v1.0-relu",    "t5-v1.1-gated",   "t5-gatedsilu-tied",
    "bert-qa"};
enum { CASES = sizeof cases / sizeof *cases, TRAINED_CASES = CASES - 1 };

/* Adapters of PEFT's on the models above, which they name as their base. */
static const char *const adapted_cases[] = {"bert-lora-cls",  "bert-lora-mlm",         "gpt2-lora-all",
                                            "gpt2-lora-attn", "llama-dora-qv",         "llama-lora-all-rslora",
                                            "llama-lora-qv",  "llama-lora-rankpattern", "t5-lora-qv"};
enum { ADAPTED_CASES = sizeof adapted_cases / sizeof *adapted_cases };

/* Directories with old names, buffers and stored ties, and the case whose values they give. */
static const struct {
    const char *dir, *same_as;
} hub_cases[] = {
    {"bert-gammabeta", "bert-mlm"}, {"bert-tied-stored", "bert-mlm"}, {"roberta-positionids", "roberta-mlm"},
    {"gpt2-hubnames", "gpt2-lm"},   {"llama-rotarybuffers", "llama-gqa"}};
enum { HUB_CASES = sizeof hub_cases / sizeof *hub_cases };

static bool is_own(const char *name)
{
    return strncmp(name, "albert", 6) == 0 || strncmp(name, "electra", 7) == 0;
}

static bool have_data(const char *test)
{
    if (!unit_testdata())
        printf("SKIP %s: LMUTILS_TESTDATA is not set\n", test);
    return unit_testdata() != NULL;
}

static bool have_case(const char *test, const char *name)
{
    return is_own(name) || have_data(test);
}

static bool is_adapted(const char *name)
{
    return strstr(name, "-lora-") || strstr(name, "-dora-");
}

static golden open_case(const char *name)
{
    const char *source = getenv("abs_top_srcdir");
    char *path = is_own(name) ? lm_format("%s/tests/unit/goldens/%s", source ? source : "..", name)
                              : lm_format("goldens/%s/%s", is_adapted(name) ? "lora" : "models", name);
    golden g = is_own(name) ? golden_open_directory(path) : golden_open(path);
    free(path);
    return g;
}

static lm_model *open_model(const char *dir)
{
    lm_status st = LM_STATUS_INIT;
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    lm_model *m = lm_model_open(dir, NULL, &st);
    assert_ok(&st);
    return m;
}

/* What PEFT calls a parameter while it is trained. */
static char *golden_name(const lm_model *m, const lm_param *p)
{
    if (!m->adapter_count)
        return lm_strdup(p->name);
    const char *last = strrchr(p->name, '.'), *own = p->index < m->adapter_from ? ".modules_to_save" : "";
    if (strcmp(last, ".weight") != 0 && strcmp(last, ".bias") != 0) /* DoRA's magnitude is a module there */
        return lm_format("base_model.model.%s.default.weight", p->name);
    return lm_format("base_model.model.%.*s%s.default%s", (int)(last - p->name), p->name, own, last);
}

static bool is_trained(const lm_model *m, const lm_param *p)
{
    return !m->adapter_count || lm_adapter_trains(m, p);
}

/* One case is ill-conditioned: the reference's own logits with the adapter and with the merged weights are 6.2e-5 apart. */
static bool is_rough(const golden *g)
{
    return strstr(g->dir, "llama-lora-all-rslora") != NULL;
}

static double norm_limit(const golden *g)
{
    return is_rough(g) ? 2e-3 : NORM;
}

static golden_batch read_batch(const lm_model *m, const json_t *json)
{
    int pad_id = lm_config_int(m->config, "pad_token_id", 0);
    return m->arch.decoder_layers ? golden_batch_read_target(json, m->arch.decoder_start_id, pad_id)
                                  : golden_batch_read(json);
}

static const lm_batch *target_of(const golden_batch *b)
{
    return b->target ? &b->target->batch : NULL;
}

/* ------------------------------------------------------------------ comparison */

/* Compares packed values with rows of a padded array. */
static void compare_tokens(const golden *g, const char *name, const float *padded, const golden_batch *b,
                           const float *packed, int width, double limit)
{
    for (int r = 0; r < b->batch.rows; r++) {
        size_t n = (size_t)(b->row_splits[r + 1] - b->row_splits[r]) * (size_t)width;
        double d = golden_difference(packed + (size_t)b->row_splits[r] * (size_t)width,
                                     padded + ((size_t)r * (size_t)b->padded + (size_t)b->first[r]) * (size_t)width, n);
        ck_assert_msg(d <= limit, "%s: %s: row %d differs by %g", g->dir, name, r, d);
    }
}

typedef struct hidden_check {
    const golden *g;
    const golden_batch *b;
    const float *all, *last; /* [layers+1, rows, padded, width], [rows, padded, width]; or NULL */
    int layers, seen;
    struct hidden_check *second; /* of the second stack; NULL = there is none */
} hidden_check;

static void check_hidden(void *context, int layer, const lm_tensor *x)
{
    hidden_check *h = context;
    if (h->second && h->seen == h->layers + 1) {
        check_hidden(h->second, layer - h->seen, x);
        return;
    }
    ck_assert_int_eq(layer, h->seen++);
    size_t size = (size_t)h->b->batch.rows * (size_t)h->b->padded * (size_t)x->width;
    char name[32];
    snprintf(name, sizeof name, "hidden %d", layer);
    if (h->all)
        compare_tokens(h->g, name, h->all + (size_t)layer * size, h->b, x->value, x->width, LOGITS);
    if (h->last && layer == h->layers)
        compare_tokens(h->g, name, h->last, h->b, x->value, x->width, LOGITS);
}

/* The array `batch.what` if the case has it. */
static const float *array_of(const golden *g, const char *batch, const char *what, size_t count)
{
    char *name = lm_format("%s.%s", batch, what);
    const float *a = golden_has(g, name) ? golden_find(g, name, count) : NULL;
    free(name);
    return a;
}

/* The two columns of an answer's logits stand apart in the golden. */
static void compare_span(const golden *g, const char *name, const golden_batch *b, const float *packed)
{
    static const char *const columns[] = {"start_logits", "end_logits"};
    for (int k = 0; k < 2; k++) {
        const float *want = array_of(g, name, columns[k], (size_t)b->batch.rows * (size_t)b->padded);
        ck_assert_msg(want != NULL, "%s: %s", g->dir, columns[k]);
        float *have = lm_calloc((size_t)b->batch.tokens, sizeof *have);
        for (int t = 0; t < b->batch.tokens; t++)
            have[t] = packed[2 * t + k];
        compare_tokens(g, columns[k], want, b, have, 1, LOGITS);
        free(have);
    }
}

static void compare_outputs(const golden *g, const char *name, lm_model *m, lm_graph *graph,
                            const golden_batch *b, const lm_outputs *out)
{
    size_t rows = (size_t)b->batch.rows, padded = rows * (size_t)b->padded;
    if (m->head->columns == LM_COLUMNS_SPAN) {
        compare_span(g, name, b, lm_tensor_read(graph, out->token_logits));
    } else if (out->token_logits) {
        int columns = out->token_logits->width;
        ck_assert_int_eq(columns, lm_model_token_columns(m));
        const float *want = array_of(g, name, "logits", padded * (size_t)columns);
        ck_assert(want != NULL);
        compare_tokens(g, "logits", want, b, lm_tensor_read(graph, out->token_logits), columns, is_rough(g) ? 1e-4 : LOGITS);
    }
    if (out->row_logits) {
        size_t n = rows * (size_t)out->row_logits->width;
        const float *want = array_of(g, name, out->token_logits ? "nsp_logits" : "logits", n);
        ck_assert(want != NULL);
        double d = golden_difference(lm_tensor_read(graph, out->row_logits), want, n);
        ck_assert_msg(d <= LOGITS, "%s: row logits differ by %g", g->dir, d);
    }
    const float *pooled = array_of(g, name, "pooled", rows * (size_t)m->arch.width);
    ck_assert(!pooled == !out->pooled || m->adapter_from);
    if (pooled) {
        double d =
            golden_difference(lm_tensor_read(graph, out->pooled), pooled, rows * (size_t)m->arch.width);
        ck_assert_msg(d <= LOGITS, "%s: pooled differs by %g", g->dir, d);
    }
}

/* What is compared of a stack's states; `which` is "", "enc_" or "dec_". */
static hidden_check hidden_of(const golden *g, const char *batch, const char *which, const golden_batch *b, int layers,
                              int width)
{
    size_t size = (size_t)b->batch.rows * (size_t)b->padded * (size_t)width;
    char *all = lm_format("%shidden", which), *last = lm_format("%shidden_last", which);
    hidden_check h = {.g = g,
                      .b = b,
                      .layers = layers,
                      .all = array_of(g, batch, all, size * (size_t)(layers + 1)),
                      .last = array_of(g, batch, last, size)};
    free(all);
    free(last);
    return h;
}

static void check_forward(const golden *g, lm_model *m, bool taping)
{
    lm_graph *graph = lm_graph_new(m->params);
    size_t i;
    json_t *json;
    json_array_foreach(json_object_get(g->json, "batches"), i, json) {
        const char *name = json_string_value(json_object_get(json, "name"));
        golden_batch b = read_batch(m, json);
        lm_status st = LM_STATUS_INIT;
        hidden_check second, hidden = hidden_of(g, name, b.target ? "enc_" : "", &b, m->arch.layers, m->arch.width);
        if (b.target) {
            second = hidden_of(g, name, "dec_", b.target, m->arch.decoder_layers, m->arch.width);
            hidden.second = &second;
        }
        lm_select select = {.target = target_of(&b),
                            .token_logits = true,
                            .row_logits = true,
                            .pooled = lm_model_has_pooler(m),
                            .tap = check_hidden,
                            .tap_context = &hidden};
        ck_assert(lm_model_check_batch(m, &b.batch, &st));
        lm_graph_begin(graph, &b.batch, (lm_step){.taping = taping});
        lm_outputs out = lm_model_forward(m, graph, &b.batch, &select);
        compare_outputs(g, name, m, graph, b.target ? b.target : &b, &out);
        lm_graph_end(graph, &st);
        assert_ok(&st);
        ck_assert_int_eq(hidden.seen, m->arch.layers + 1);
        ck_assert(!b.target || second.seen == m->arch.decoder_layers + 1);
        golden_batch_free(&b);
    }
    lm_graph_free(graph);
}

START_TEST(outputs)
{
    if (!have_case("outputs", cases[_i]))
        return;
    golden g = open_case(cases[_i]);
    lm_model *m = open_model(g.dir);
    check_forward(&g, m, false);
    check_forward(&g, m, true);
    lm_model_free(m);
    golden_close(&g);
}
END_TEST

/* The logits with the adapter; and its weights, and the logits with them, when it is part of the model. */
START_TEST(adapted_outputs)
{
    if (!have_data("adapted_outputs"))
        return;
    golden g = open_case(adapted_cases[_i]);
    lm_model *m = open_model(g.dir);
    check_forward(&g, m, false);
    check_forward(&g, m, true);
    lm_status st = LM_STATUS_INIT;
    size_t own = m->adapter_from, compared = 0;
    lm_model_merge(m, &st);
    assert_ok(&st);
    ck_assert_uint_eq(lm_params_count(m->params), own);
    for (size_t i = 0; i < own; i++) {
        const lm_param *p = lm_params_at(m->params, i);
        char *name = lm_format("merged/%s", p->name);
        if (golden_has(&g, name)) {
            double d = golden_difference(p->value, golden_find(&g, name, p->elements), p->elements);
            ck_assert_msg(d <= 2e-6, "%s: %s differs by %g", g.dir, name, d);
            compared++;
        }
        free(name);
    }
    ck_assert_uint_ge(compared, 1);
    check_forward(&g, m, false);
    lm_model_free(m);
    golden_close(&g);
}
END_TEST

START_TEST(hub_names)
{
    if (!have_data("hub_names"))
        return;
    golden g = open_case(hub_cases[_i].same_as);
    char *dir = lm_format("%s/goldens/extras/%s", unit_testdata(), hub_cases[_i].dir);
    lm_model *m = open_model(dir);
    check_forward(&g, m, false);
    lm_model_free(m);
    free(dir);
    golden_close(&g);
}
END_TEST

/* ------------------------------------------------------------------ losses and gradients */

/* What token t of row r is to give; a language model the token after it. */
static int32_t label_of(const lm_model *m, const golden_batch *b, int r, int t)
{
    if (!m->arch.causal || m->head->columns != LM_COLUMNS_VOCABULARY)
        return b->labels[t];
    return t + 1 < b->row_splits[r + 1] ? b->labels[t + 1] : -100;
}

static lm_tensor *token_loss(lm_model *m, lm_graph *g, const golden_batch *b, lm_tensor **row_logits)
{
    const golden_batch *of = b->target ? b->target : b;
    size_t tokens = (size_t)of->batch.tokens;
    int32_t *at = lm_arena_alloc(lm_graph_arena(g), tokens, sizeof *at); /* read by the backward pass too */
    int32_t *label = lm_arena_alloc(lm_graph_arena(g), tokens, sizeof *label);
    int n = 0;
    for (int r = 0; r < b->batch.rows; r++) {
        for (int t = of->row_splits[r]; t < of->row_splits[r + 1]; t++) {
            label[n] = label_of(m, b, r, t);
            at[n] = t;
            n += label[n] != -100;
        }
    }
    lm_select select = {
        .target = target_of(b), .tokens = at, .count = n, .token_logits = true, .row_logits = true};
    lm_outputs out = lm_model_forward(m, g, &b->batch, &select);
    lm_tensor *loss =
        lm_scale(g, lm_cross_entropy(g, out.token_logits, label, NULL, 0, NULL), 1.0f / (float)n);
    *row_logits = out.row_logits;
    return loss;
}

/* The loss as transformers defines it: means over the batch, MLM + NSP added. */
static lm_tensor *loss_of(lm_model *m, lm_graph *g, const golden_batch *b)
{
    float rows = (float)b->batch.rows;
    if (m->head->tokens) {
        lm_tensor *row_logits, *loss = token_loss(m, g, b, &row_logits);
        if (!b->next)
            return loss;
        return lm_add(g, loss,
                      lm_scale(g, lm_cross_entropy(g, row_logits, b->next, NULL, 0, NULL), 1 / rows));
    }
    lm_tensor *logits = lm_model_forward(m, g, &b->batch, &(lm_select){.row_logits = true}).row_logits;
    if (b->labels)
        return lm_scale(g, lm_cross_entropy(g, logits, b->labels, NULL, 0, NULL), 1 / rows);
    if (b->columns == 1)
        return lm_scale(g, lm_squared_error(g, logits, b->values, NULL, NULL), 1 / rows);
    return lm_scale(g, lm_binary_cross_entropy(g, logits, b->values, NULL, NULL),
                    1 / (rows * (float)b->columns));
}

static void train_all(lm_model *m)
{
    lm_status st = LM_STATUS_INIT;
    for (size_t i = 0; i < lm_params_count(m->params); i++)
        lm_param_train(lm_params_at(m->params, i), is_trained(m, lm_params_at(m->params, i)), &st);
    assert_ok(&st);
}

/* Forward, and backward from `weight` times the loss, which is returned. */
static double step(lm_model *m, lm_graph *graph, const golden_batch *b, float weight)
{
    lm_status st = LM_STATUS_INIT;
    lm_graph_begin(graph, &b->batch, (lm_step){.taping = true, .training = true});
    lm_tensor *loss = loss_of(m, graph, b);
    double value = lm_tensor_read(graph, loss)[0];
    lm_graph_backward(graph, loss, weight);
    lm_graph_end(graph, &st);
    assert_ok(&st);
    return value;
}

static bool is_noise(const char *name)
{
    /* zero analytically: softmax ignores a constant */
    return strstr(name, "attention.self.key.bias") || strstr(name, "attention.key.bias") || strstr(name, "attention.k_lin.bias") ||
           strstr(name, "attn.c_attn.bias");
}

static void compare_gradient(const golden *g, const lm_param *p, const json_t *want)
{
    double norm = 0, absmax = json_number_value(json_object_get(want, "absmax"));
    double want_norm = json_number_value(json_object_get(want, "norm"));
    for (size_t i = 0; i < p->elements; i++)
        norm += (double)p->grad[i] * (double)p->grad[i];
    norm = sqrt(norm);
    ck_assert_msg(fabs(norm - want_norm) <= norm_limit(g) * want_norm, "%s: gradient of %s has norm %.9g, not %.9g",
                  g->dir, p->name, norm, want_norm);
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(want, "first4"), i, v) {
        ck_assert_msg(fabs((double)p->grad[i] - json_number_value(v)) <= ELEMENT * absmax,
                      "%s: gradient of %s: element %zu", g->dir, p->name, i);
    }
    char *name = lm_format("grad/%s", p->name);
    if (golden_has(g, name)) {
        double d = golden_difference(p->grad, golden_find(g, name, p->elements), p->elements);
        ck_assert_msg(d <= ELEMENT * absmax, "%s: gradient of %s differs by %g", g->dir, p->name, d);
    }
    free(name);
}

static void check_gradients(const char *name)
{
    golden g = open_case(name);
    lm_model *m = open_model(g.dir);
    lm_graph *graph = lm_graph_new(m->params);
    train_all(m);
    const json_t *grad = json_object_get(g.json, "grad"), *params = json_object_get(grad, "params");
    size_t i;
    json_t *json;
    json_array_foreach(json_object_get(g.json, "batches"), i, json) {
        golden_batch b = read_batch(m, json);
        bool first = i == 0; /* the gradients are of batch A, which is the first */
        if (!b.labels && !b.values) { /* outputs alone */
            golden_batch_free(&b);
            continue;
        }
        for (size_t k = 0; k < lm_params_count(m->params); k++) {
            lm_param *p = lm_params_at(m->params, k);
            if (p->grad)
                memset(p->grad, 0, p->elements * sizeof *p->grad);
        }
        double loss = step(m, graph, &b, 1);
        ck_assert_msg(fabs(loss - b.loss) <= LOSS, "%s: loss %.9g, not %.9g", g.dir, loss, b.loss);
        size_t trained = 0;
        for (size_t k = 0; first && k < lm_params_count(m->params); k++) {
            lm_param *p = lm_params_at(m->params, k);
            char *called = golden_name(m, p);
            const json_t *want = json_object_get(params, called);
            ck_assert_msg(!p->grad == !want, "%s: gradient of %s", g.dir, called);
            trained += p->grad != NULL;
            if (want && !is_noise(p->name))
                compare_gradient(&g, p, want);
            free(called);
        }
        if (first)
            ck_assert_uint_eq(json_object_size(params), trained);
        golden_batch_free(&b);
    }
    lm_graph_free(graph);
    lm_model_free(m);
    golden_close(&g);
}

START_TEST(gradients)
{
    if (have_case("gradients", cases[_i]))
        check_gradients(cases[_i]);
}
END_TEST

START_TEST(adapted_gradients)
{
    if (have_data("adapted_gradients"))
        check_gradients(adapted_cases[_i]);
}
END_TEST

/* ------------------------------------------------------------------ two batches in one step */

static double norm_of(const lm_param *p)
{
    double squares = 0;
    for (size_t i = 0; i < p->elements; i++)
        squares += (double)p->grad[i] * (double)p->grad[i];
    return sqrt(squares);
}

/* Batches whose gradients are added up, each batch with its weight: alike, or by its share of the targets. */
START_TEST(accumulation)
{
    if (!have_data("accumulation"))
        return;
    char *file = lm_format("%s/goldens/extras/golden.json", unit_testdata());
    json_t *root = json_load_file(file, 0, NULL), *want;
    const char *way, *name;
    golden g = open_case("llama-gqa");
    const json_t *batches = json_object_get(json_object_get(g.json, "train"), "batches");
    int ways = 0;
    ck_assert_ptr_nonnull(root);
    json_object_foreach(json_object_get(root, "accumulation"), way, want) {
        const json_t *weights = json_object_get(want, "weights");
        if (!weights)
            continue;
        lm_model *m = open_model(g.dir);
        lm_graph *graph = lm_graph_new(m->params);
        train_all(m);
        double loss = 0;
        for (size_t i = 0; i < json_array_size(weights); i++) {
            golden_batch b = golden_batch_read(json_array_get(batches, i));
            double weight = json_number_value(json_array_get(weights, i));
            loss += weight * step(m, graph, &b, (float)weight);
            golden_batch_free(&b);
        }
        ck_assert_double_eq_tol(loss, json_number_value(json_object_get(want, "loss")), LOSS);
        json_t *norm;
        json_object_foreach(json_object_get(want, "param_grad_norms"), name, norm) {
            double is = norm_of(lm_params_find(m->params, name)), should = json_number_value(norm);
            ck_assert_msg(fabs(is - should) <= NORM * should, "%s: %s: %.9g, not %.9g", way, name, is, should);
        }
        ways++;
        lm_graph_free(graph);
        lm_model_free(m);
    }
    ck_assert_int_eq(ways, 2);
    json_decref(root);
    golden_close(&g);
    free(file);
}
END_TEST

/* The logits of two rows of five tokens, their labels shifted or not, and what a smoothed loss has as gradient. */
static void check_smoothing(const json_t *of, const json_t *want)
{
    enum { ROWS = 2, TOKENS = 5, COLUMNS = 7 };
    float logits[ROWS * TOKENS * COLUMNS];
    int32_t label[ROWS * TOKENS];
    bool shifted = json_is_true(json_object_get(want, "shift_labels"));
    float smoothing = (float)json_number_value(json_object_get(want, "epsilon"));
    int n = 0;
    for (int t = 0; t < ROWS * TOKENS; t++) {
        const json_t *row = json_array_get(json_object_get(of, "logits"), (size_t)(t / TOKENS));
        const json_t *labels = json_array_get(json_object_get(of, "labels"), (size_t)(t / TOKENS));
        size_t at = (size_t)(t % TOKENS);
        const json_t *value = json_array_get(labels, at + shifted);
        label[t] = value ? (int32_t)json_integer_value(value) : -100;
        n += label[t] != -100;
        for (size_t c = 0; c < COLUMNS; c++)
            logits[t * COLUMNS + (int)c] = (float)json_number_value(json_array_get(json_array_get(row, at), c));
    }
    lm_params *none = lm_params_new();
    lm_graph *g = lm_graph_new(none);
    lm_graph_begin(g, lm_graph_batch(g), (lm_step){.taping = true});
    lm_tensor *x = lm_graph_input(g, logits, ROWS * TOKENS, COLUMNS, true);
    lm_tensor *loss = lm_scale(g, lm_cross_entropy(g, x, label, NULL, smoothing, NULL), 1 / (float)n);
    ck_assert_double_eq_tol(*lm_tensor_read(g, loss), json_number_value(json_object_get(want, "loss")), LOSS);
    lm_graph_backward(g, loss, 1);
    for (int i = 0; i < ROWS * TOKENS * COLUMNS; i++) {
        const json_t *row = json_array_get(json_object_get(want, "grad"), (size_t)(i / COLUMNS / TOKENS));
        double should = json_number_value(
            json_array_get(json_array_get(row, (size_t)(i / COLUMNS % TOKENS)), (size_t)(i % COLUMNS)));
        ck_assert_double_eq_tol(x->grad[i], should, 1e-7);
    }
    lm_graph_free(g);
    lm_params_free(none);
}

START_TEST(label_smoothing)
{
    if (!have_data("label_smoothing"))
        return;
    char *file = lm_format("%s/goldens/extras/golden.json", unit_testdata());
    json_t *root = json_load_file(file, 0, NULL), *of = json_object_get(root, "label_smoothing"), *want;
    size_t i;
    json_array_foreach(json_object_get(of, "cases"), i, want)
        check_smoothing(of, want);
    ck_assert_uint_eq(i, 4);
    json_decref(root);
    free(file);
}
END_TEST

/* ------------------------------------------------------------------ ten steps of AdamW */

static void compare_trained(const golden *g, lm_model *m, const json_t *train)
{
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        lm_param *p = lm_params_at(m->params, i);
        char *called = golden_name(m, p);
        const json_t *want = json_object_get(json_object_get(train, "final_params"), called);
        ck_assert_msg(!want == !p->trainable, "%s: final %s", g->dir, called);
        free(called);
        if (!want || is_noise(p->name))
            continue;
        size_t k;
        json_t *v;
        json_array_foreach(json_object_get(want, "first4"), k, v)
            ck_assert_msg(fabs((double)p->value[k] - json_number_value(v)) <= TRAINED, "%s: trained %s", g->dir, p->name);
        double norm = 0;
        for (k = 0; k < p->elements; k++)
            norm += (double)p->value[k] * (double)p->value[k];
        double limit = TRAINED * sqrt((double)p->elements);
        ck_assert_msg(fabs(sqrt(norm) - json_number_value(json_object_get(want, "norm"))) <= limit, "%s: norm of trained %s", g->dir,
                      p->name);
    }
}

static void check_decay(const golden *g, lm_model *m, const json_t *decayed)
{
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        lm_param *p = lm_params_at(m->params, i);
        if (!is_trained(m, p))
            continue;
        char *called = golden_name(m, p);
        bool wanted = false;
        size_t k;
        json_t *name;
        json_array_foreach((json_t *)decayed, k, name)
            wanted = wanted || strcmp(json_string_value(name), called) == 0;
        ck_assert_msg(wanted == p->decay, "%s: decay of %s", g->dir, called);
        free(called);
    }
}

/* The recipe of all cases: losses and gradient norms of its steps, and what the model says afterwards. */
typedef struct course {
    double loss[STEPS], norm[STEPS];
    float *logits; /* [rows, width] of the first batch; malloced */
    int rows, width;
} course;

static double rate_at(size_t step, size_t steps)
{
    lm_schedule schedule = {.kind = LM_SCHEDULE_LINEAR, .warmup = 3, .total = steps};
    return 1e-3 * lm_schedule_factor(&schedule, step);
}

/* Of the first batch's tokens, or rows. */
static void logits_after(const golden *g, lm_model *m, lm_graph *graph, course *c)
{
    golden_batch b = read_batch(m, json_array_get(json_object_get(g->json, "batches"), 0));
    lm_select select = {.target = target_of(&b), .token_logits = true, .row_logits = !m->head->tokens};
    lm_status st = LM_STATUS_INIT;
    lm_graph_begin(graph, &b.batch, (lm_step){0});
    lm_outputs out = lm_model_forward(m, graph, &b.batch, &select);
    lm_tensor *t = out.token_logits ? out.token_logits : out.row_logits;
    c->rows = t->rows;
    c->width = t->width;
    size_t n = (size_t)t->rows * (size_t)t->width;
    c->logits = memcpy(lm_malloc(n, sizeof(float)), lm_tensor_read(graph, t), n * sizeof(float));
    lm_graph_end(graph, &st);
    assert_ok(&st);
    golden_batch_free(&b);
}

static void train(const golden *g, lm_model *m, lm_graph *graph, course *c)
{
    lm_status st = LM_STATUS_INIT;
    const lm_optimizer_options adam = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01, .bias_correction = true};
    lm_optimizer *optimizer = lm_optimizer_new(m->params, &adam, &st);
    assert_ok(&st);
    const char *base = json_string_value(json_object_get(g->json, "base")); /* whose batches an adapter is trained with */
    golden rows_of = open_case(base ? base : strrchr(g->dir, '/') + 1);
    const json_t *rows = json_object_get(rows_of.json, "train"), *order = json_object_get(rows, "batch_order");
    ck_assert_uint_eq(json_array_size(order), STEPS);
    for (size_t i = 0; i < STEPS; i++) {
        size_t which = (size_t)json_integer_value(json_array_get(order, i));
        golden_batch b = read_batch(m, json_array_get(json_object_get(rows, "batches"), which));
        c->loss[i] = step(m, graph, &b, 1);
        c->norm[i] = lm_optimizer_gradient_norm(optimizer);
        ck_assert(lm_optimizer_update(optimizer, rate_at(i, STEPS), lm_clip_coefficient(c->norm[i], 1), &st));
        golden_batch_free(&b);
    }
    lm_optimizer_free(optimizer);
    golden_close(&rows_of);
    logits_after(g, m, graph, c);
}

static void compare_after_training(const golden *g, lm_model *m, const course *c, double limit)
{
    golden_batch b = read_batch(m, json_array_get(json_object_get(g->json, "batches"), 0));
    const golden_batch *read = b.target ? b.target : &b;
    bool tokens = c->rows != b.batch.rows;
    size_t n = (size_t)b.batch.rows * (size_t)c->width * (size_t)(tokens ? read->padded : 1);
    const float *want = golden_find(g, "after_train.A.logits", n);
    if (tokens)
        compare_tokens(g, "logits after training", want, read, c->logits, c->width, limit);
    else
        ck_assert_msg(golden_difference(c->logits, want, n) <= limit, "%s: logits after training", g->dir);
    golden_batch_free(&b);
}

/* How far apart norms (relative) and logits are where weights differ by their last bit alone: no program in float32 can be nearer
 * to another than that. */
typedef struct condition {
    double norm[STEPS], logits;
} condition;

static void nudge(lm_model *m, uint32_t run)
{
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        lm_param *p = lm_params_at(m->params, i);
        for (size_t k = 0; k < p->elements && p->trainable; k++)
            p->value[k] = nextafterf(p->value[k], (k * 2654435761u >> 7) % 8 < run ? INFINITY : -INFINITY);
    }
}

static condition condition_of(const golden *g, const course *c)
{
    condition apart = {0};
    for (uint32_t run = 1; run <= 8; run++) {
        lm_model *m = open_model(g->dir);
        lm_graph *graph = lm_graph_new(m->params);
        course near;
        train_all(m);
        nudge(m, run);
        train(g, m, graph, &near);
        for (size_t i = 0; i < STEPS; i++)
            apart.norm[i] = fmax(apart.norm[i], fabs(near.norm[i] / c->norm[i] - 1));
        apart.logits = fmax(apart.logits, golden_difference(near.logits, c->logits, (size_t)c->rows * (size_t)c->width));
        free(near.logits);
        lm_graph_free(graph);
        lm_model_free(m);
    }
    return apart;
}

static void check_training(const char *name)
{
    golden g = open_case(name);
    lm_model *m = open_model(g.dir);
    lm_graph *graph = lm_graph_new(m->params);
    train_all(m);
    const json_t *want = json_object_get(g.json, "train");
    check_decay(&g, m, json_object_get(want, "decayed_params"));
    course c;
    condition apart = {0};
    train(&g, m, graph, &c);
    if (is_rough(&g))
        apart = condition_of(&g, &c);
    for (size_t i = 0; i < STEPS; i++) {
        double loss = json_number_value(json_array_get(json_object_get(want, "loss"), i));
        double norm = json_number_value(json_array_get(json_object_get(want, "grad_norm_before_clip"), i));
        ck_assert_double_eq_tol(rate_at(i, STEPS), json_number_value(json_array_get(json_object_get(want, "lr_per_step"), i)), 1e-12);
        ck_assert_msg(fabs(c.loss[i] - loss) <= LOSS, "%s: step %zu: loss %.9g, not %.9g", g.dir, i, c.loss[i], loss);
        ck_assert_msg(fabs(c.norm[i] - norm) <= fmax(norm_limit(&g), 2 * apart.norm[i]) * norm, "%s: step %zu: norm %.9g, not %.9g "
                      "(a last bit changes it by %.2g of it)", g.dir, i, c.norm[i], norm, apart.norm[i]);
    }
    compare_trained(&g, m, want);
    compare_after_training(&g, m, &c, fmax(TRAINED, 2 * apart.logits));
    free(c.logits);
    lm_graph_free(graph);
    lm_model_free(m);
    golden_close(&g);
}

START_TEST(training)
{
    if (have_case("training", cases[_i]))
        check_training(cases[_i]);
}
END_TEST

START_TEST(adapted_training)
{
    if (have_data("adapted_training"))
        check_training(adapted_cases[_i]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("goldens");
    TCase *c = tcase_create("encoders");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, outputs, 0, CASES);
    tcase_add_loop_test(c, hub_names, 0, HUB_CASES);
    tcase_add_loop_test(c, gradients, 0, TRAINED_CASES);
    tcase_add_test(c, accumulation);
    tcase_add_test(c, label_smoothing);
    tcase_add_loop_test(c, training, 0, TRAINED_CASES);
    tcase_add_loop_test(c, adapted_outputs, 0, ADAPTED_CASES);
    tcase_add_loop_test(c, adapted_gradients, 0, ADAPTED_CASES);
    tcase_add_loop_test(c, adapted_training, 0, ADAPTED_CASES);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
