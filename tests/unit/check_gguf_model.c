/* Models as GGUF files: every family there and back, names, configurations, and what is refused. That llama.cpp itself computes
 * the same with such files was tried with its own library; here are the facts that this rests on. */
#include "unit.h"

#include "base/log.h"
#include "base/memory.h"
#include "model/gguf/gguf_model.h"
#include "model/weights.h"

#include <math.h>
#include <string.h>

static lm_config *parsed(const char *text)
{
    lm_status st = LM_STATUS_INIT;
    lm_config *c = lm_config_parse(lm_str_of(text), "config.json", &st);
    assert_ok(&st);
    return c;
}

/* ------------------------------------------------------------------ there and back */

typedef struct model {
    lm_bundle *bundle;
    lm_config *config;
    lm_checkpoint *checkpoint;
    lm_gguf_names *names;
} model;

static model open_model(const char *data, const char *name)
{
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/goldens/%s", data, name);
    model m = {.bundle = lm_bundle_open(path, &st)};
    m.config = lm_config_open(m.bundle, &st);
    m.checkpoint = lm_checkpoint_open(m.bundle, &st);
    assert_ok(&st);
    m.names = lm_gguf_names_new(m.config, true, &st);
    assert_ok(&st);
    free(path);
    return m;
}

static void close_model(model *m)
{
    lm_gguf_names_free(m->names);
    lm_checkpoint_close(m->checkpoint);
    lm_config_free(m->config);
    lm_bundle_close(m->bundle);
}

/* As the functions count rows: a vector is one, but for one that is interleaved. */
static int64_t rows_of(const lm_gguf_weight *w, const lm_shape *s)
{
    return s->dims > 1 || w->heads ? s->size[0] : 1;
}

/* The values of a tensor there, in pieces of three rows. */
static float *values_there(const lm_gguf_weight *w, const lm_safetensor *t, const lm_shape *there, size_t *elements)
{
    ck_assert(lm_shape_elements(there, elements));
    float *x = malloc((*elements + 1) * sizeof *x);
    int64_t rows = rows_of(w, there), width = rows ? (int64_t)*elements / rows : 0;
    for (int64_t r = 0; r < rows; r += 3)
        ck_assert(lm_gguf_rows_there(w, &t->shape, t->dtype, t->data, r, rows - r < 3 ? rows - r : 3, x + r * width));
    return x;
}

static lm_buf write_model(const model *m, bool with_config)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf b = {0}, all = {0};
    lm_gguf_writer *w = lm_gguf_writer_new("x.gguf");
    ck_assert(lm_gguf_describe(w, m->names, &(lm_gguf_description){.vocab_size = lm_config_int(m->config, "vocab_size", 0)}, &st));
    lm_checkpoint_place at = {0};
    lm_gguf_weight k;
    lm_shape there;
    const lm_safetensor *t;
    while ((t = lm_checkpoint_next(m->checkpoint, &at)))
        if (lm_gguf_place_of(m->names, t->name, &k) == LM_GGUF_STORED && lm_gguf_shape_there(&k, &t->shape, &there))
            lm_gguf_put_tensor(w, k.there, LM_F32, &there);
    ck_assert_msg(lm_gguf_write_header(w, lm_buf_write, &all, &st) && lm_gguf_extra_data(w, m->names, &st), "%s", st.message);
    for (at = (lm_checkpoint_place){0}; (t = lm_checkpoint_next(m->checkpoint, &at));) {
        lm_gguf_place place = lm_gguf_place_of(m->names, t->name, &k);
        ck_assert_msg(place != LM_GGUF_UNKNOWN, "%s", t->name);
        if (place == LM_GGUF_OMITTED)
            continue;
        size_t n;
        ck_assert(lm_gguf_shape_there(&k, &t->shape, &there));
        float *x = values_there(&k, t, &there, &n);
        ck_assert(lm_gguf_write_data(w, x, n * sizeof *x, &st));
        free(x);
    }
    ck_assert(lm_gguf_write_end(w, &st));
    lm_gguf_writer_free(w);
    if (with_config)
        return all;
    /* the same file without the entry that carries config.json */
    lm_gguf *f = lm_gguf_from_memory(all.data, all.len, "x.gguf", &st);
    w = lm_gguf_writer_new("y.gguf");
    for (size_t i = 0; i < lm_gguf_entries(f); i++)
        if (!lm_str_is(lm_gguf_entry_at(f, i)->key, "lmutils.config"))
            lm_gguf_put_entry(w, lm_gguf_entry_at(f, i));
    for (size_t i = 0; i < lm_gguf_tensors(f); i++) {
        char *name = lm_strndup(lm_gguf_tensor_at(f, i)->name.data, lm_gguf_tensor_at(f, i)->name.len);
        lm_gguf_put_tensor(w, name, LM_F32, &lm_gguf_tensor_at(f, i)->shape);
        free(name);
    }
    ck_assert(lm_gguf_write_header(w, lm_buf_write, &b, &st));
    for (size_t i = 0; i < lm_gguf_tensors(f); i++)
        ck_assert(lm_gguf_write_data(w, lm_gguf_tensor_at(f, i)->data, lm_gguf_tensor_at(f, i)->bytes, &st));
    ck_assert(lm_gguf_write_end(w, &st));
    lm_gguf_writer_free(w);
    lm_gguf_close(f);
    lm_buf_free(&all);
    return b;
}

static const struct {
    const char *name, *architecture;
    const char *body; /* of a head that is left out: the class that is written */
    const char *read_as; /* type where the file does not carry a config.json; NULL: the same one */
} cases[] = {
    {"models/bert-cls2", "bert", NULL, NULL},
    {"models/bert-cls3", "bert", NULL, NULL},
    {"models/bert-mlm", "bert", "BertModel", NULL},
    {"models/bert-mlm-f16", "bert", "BertModel", NULL},
    {"models/bert-pretrain", "bert", "BertModel", NULL},
    {"models/bert-reg1", "bert", NULL, NULL},
    {"models/distilbert-cls3", "bert", NULL, NULL},
    {"models/distilbert-mlm", "bert", "DistilBertModel", NULL},
    {"models/roberta-cls3", "bert", NULL, "bert"},
    {"models/roberta-mlm", "bert", "RobertaModel", "bert"},
    {"models/gemma", "gemma", NULL, NULL},
    {"models/gpt2-lm", "gpt2", NULL, NULL},
    {"models/llama-bf16", "llama", NULL, NULL},
    {"models/llama-gqa", "llama", NULL, NULL},
    {"models/llama-mha-linrope-bias", "llama", NULL, NULL},
    {"models/llama-sharded", "llama", NULL, NULL},
    {"models/mistral-noswa", "llama", NULL, "llama"},
    {"models/mistral-swa", "llama", NULL, "llama"},
    {"models/llama-tied-llama3rope", "llama", NULL, NULL},
    {"models/qwen2-tied", "qwen2", NULL, NULL},
    {"models/qwen3", "qwen3", NULL, NULL},
    {"models/qwen3-tied-bf16", "qwen3", NULL, NULL},
    {"models/t5-v1.0-relu", "t5", NULL, NULL},
    {"models/t5-v1.1-gated", "t5", NULL, NULL},
    {"extras/bert-gammabeta", "bert", "BertModel", NULL},
    {"extras/gpt2-hubnames", "gpt2", NULL, NULL},
    {"extras/llama-rotarybuffers", "llama", NULL, NULL},
    {"extras/roberta-positionids", "bert", "RobertaModel", "bert"},
};

static char *text_of(const lm_config *c)
{
    lm_buf b = {0};
    lm_config_print(c, &b);
    char *text = lm_strdup(lm_buf_cstr(&b));
    lm_buf_free(&b);
    return text;
}

/* Whether a name is `wanted`, but for the body's prefix and BERT's older spelling. */
static bool same_name(const char *is, const char *wanted)
{
    static const char *const prefixes[] = {"bert.", "roberta.", "distilbert.", "transformer.", "model."};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t n = strlen(prefixes[i]);
        is += strncmp(is, prefixes[i], n) == 0 ? n : 0;
        wanted += strncmp(wanted, prefixes[i], n) == 0 ? n : 0;
    }
    size_t n = strlen(wanted);
    if (n > 6 && strcmp(wanted + n - 6, ".gamma") == 0)
        return strncmp(is, wanted, n - 5) == 0 && strcmp(is + n - 5, "weight") == 0;
    if (n > 5 && strcmp(wanted + n - 5, ".beta") == 0)
        return strncmp(is, wanted, n - 4) == 0 && strcmp(is + n - 4, "bias") == 0;
    return strcmp(is, wanted) == 0;
}

/* The tensor there holds what the one here does. */
static void compare_values(const lm_gguf_weight *w, const lm_gguf_tensor *there, const lm_safetensor *t)
{
    lm_shape here;
    size_t n;
    ck_assert(lm_gguf_shape_here(w, &there->shape, &here));
    ck_assert_msg(lm_shape_equal(&here, &t->shape), "%s", t->name);
    lm_shape_elements(&here, &n);
    float *back = malloc((n + 1) * sizeof *back), *was = malloc((n + 1) * sizeof *was);
    int64_t rows = rows_of(w, &here), width = rows ? (int64_t)n / rows : 0;
    for (int64_t r = 0; r < rows; r += 2)
        ck_assert(lm_gguf_rows_here(w, &there->shape, there->dtype, there->data, r, rows - r < 2 ? rows - r : 2, back + r * width));
    ck_assert(lm_to_f32(t->dtype, t->data, n, was));
    for (size_t i = 0; i < n; i++) {
        float wanted = i < (size_t)(w->first_row * width) ? 0 : was[i];
        float room = w->offset != 0 ? 2e-7f : 0; /* 1 was added and taken off again */
        ck_assert_msg(fabsf(back[i] - wanted) <= room, "%s [%zu]: %g, not %g", t->name, i, back[i], wanted);
    }
    free(back);
    free(was);
}

START_TEST(there_and_back)
{
    UNIT_NEEDS_DATA(data);
    lm_status st = LM_STATUS_INIT;
    model m = open_model(data, cases[_i].name);
    ck_assert_str_eq(lm_gguf_names_architecture(m.names), cases[_i].architecture);
    lm_buf b = write_model(&m, true);
    lm_gguf *f = lm_gguf_from_memory(b.data, b.len, "x.gguf", &st);
    assert_ok(&st);
    lm_config *c = lm_gguf_config(f, &st);
    assert_ok(&st);
    if (cases[_i].body)
        lm_config_set_strings(m.config, "architectures", &cases[_i].body, 1);
    if (strcmp(cases[_i].architecture, "gpt2") == 0) /* which the converters of others ask for */
        lm_config_set_int(m.config, "n_ctx", lm_config_int(m.config, "n_positions", 0));
    char *was = text_of(m.config), *is = text_of(c);
    ck_assert_str_eq(is, was);
    lm_gguf_names *names = lm_gguf_names_new(c, true, &st);
    lm_checkpoint_place at = {0};
    lm_gguf_weight there, here;
    const lm_safetensor *t;
    size_t stored = 0;
    while ((t = lm_checkpoint_next(m.checkpoint, &at))) {
        if (lm_gguf_place_of(m.names, t->name, &there) != LM_GGUF_STORED)
            continue;
        const lm_gguf_tensor *s = lm_gguf_tensor_find(f, there.there);
        ck_assert_msg(s && lm_gguf_weight_of(names, s->name, &here) == LM_GGUF_STORED, "%s", there.there);
        ck_assert_msg(same_name(here.here, t->name), "%s becomes %s, which is %s", t->name, there.there, here.here);
        ck_assert_int_eq(here.layer, there.layer);
        compare_values(&here, s, t);
        stored++;
    }
    ck_assert_uint_eq(stored + (lm_gguf_tensor_find(f, "rope_freqs.weight") != NULL), lm_gguf_tensors(f));
    lm_gguf_names_free(names);
    lm_config_free(c);
    lm_gguf_close(f);
    free(was);
    free(is);
    lm_buf_free(&b);
    close_model(&m);
}
END_TEST

/* As a file of llama.cpp's converter: what its entries and tensors say is what config.json said. */
START_TEST(without_a_config)
{
    UNIT_NEEDS_DATA(data);
    lm_status st = LM_STATUS_INIT;
    model m = open_model(data, cases[_i].name);
    if (strstr(cases[_i].name, "llama3rope")) { /* its original length is none of the published ones */
        close_model(&m);
        return;
    }
    lm_buf b = write_model(&m, false);
    lm_gguf *f = lm_gguf_from_memory(b.data, b.len, "x.gguf", &st);
    lm_config *c = lm_gguf_config(f, &st);
    assert_ok(&st);
    char *text = text_of(c);
    json_t *is = json_loads(text, 0, NULL), *value;
    const char *key;
    json_object_foreach(is, key, value) {
        const json_t *was = lm_config_member(m.config, key);
        if (strcmp(key, "architectures") == 0 || strcmp(key, "model_type") == 0 || !was || json_is_null(was))
            continue;
        bool bert_of_roberta = strcmp(key, "max_position_embeddings") == 0 && strstr(cases[_i].name, "roberta");
        if (json_is_number(was))
            ck_assert_msg(fabs(json_number_value(was) - json_number_value(value)) <= 1e-7 * fabs(json_number_value(was)) ||
                              bert_of_roberta,
                          "%s: %g", key, json_number_value(value));
        else
            ck_assert_msg(json_equal(was, value), "%s", key);
    }
    const char *type = lm_config_string(c, "model_type", "");
    ck_assert_str_eq(type, cases[_i].read_as ? cases[_i].read_as : lm_config_string(m.config, "model_type", ""));
    lm_gguf_names *names = lm_gguf_names_new(c, true, &st);
    assert_ok(&st);
    lm_gguf_weight w;
    for (size_t i = 0; i < lm_gguf_tensors(f); i++)
        ck_assert(lm_gguf_weight_of(names, lm_gguf_tensor_at(f, i)->name, &w) == LM_GGUF_STORED);
    lm_gguf_names_free(names);
    json_decref(is);
    free(text);
    lm_config_free(c);
    lm_gguf_close(f);
    lm_buf_free(&b);
    close_model(&m);
}
END_TEST

/* ------------------------------------------------------------------ names */

#define LLAMA "\"hidden_size\":8,\"num_attention_heads\":2,\"num_hidden_layers\":3,\"num_key_value_heads\":1,\"vocab_size\":9," \
              "\"intermediate_size\":16,\"max_position_embeddings\":32"
#define LLAMA_OF(type, class) "{\"architectures\":[\"" class "\"],\"model_type\":\"" type "\"," LLAMA "}"
#define BERT_OF(class) "{\"architectures\":[\"" class "\"],\"model_type\":\"bert\",\"hidden_size\":8,\"num_attention_heads\":2," \
                       "\"num_hidden_layers\":3,\"intermediate_size\":16,\"max_position_embeddings\":32,\"vocab_size\":9}"

static const struct {
    const char *config, *here;
    lm_gguf_place place;
    const char *there;
    int heads, layer;
} names[] = {
    {LLAMA_OF("llama", "LlamaForCausalLM"), "model.layers.2.self_attn.q_proj.weight", LM_GGUF_STORED, "blk.2.attn_q.weight", 2, 2},
    {LLAMA_OF("llama", "LlamaForCausalLM"), "model.layers.10.self_attn.k_proj.bias", LM_GGUF_STORED, "blk.10.attn_k.bias", 1, 10},
    {LLAMA_OF("llama", "LlamaForCausalLM"), "model.layers.0.self_attn.v_proj.weight", LM_GGUF_STORED, "blk.0.attn_v.weight", 0, 0},
    {LLAMA_OF("llama", "LlamaForCausalLM"), "layers.0.mlp.down_proj.bias", LM_GGUF_STORED, "blk.0.ffn_down.bias", 0, 0},
    {LLAMA_OF("llama", "LlamaForCausalLM"), "lm_head.weight", LM_GGUF_STORED, "output.weight", 0, -1},
    {LLAMA_OF("gemma", "GemmaForCausalLM"), "lm_head.weight", LM_GGUF_OMITTED, NULL, 0, 0},
    {LLAMA_OF("llama", "LlamaForCausalLM"), "model.norm.weight", LM_GGUF_STORED, "output_norm.weight", 0, -1},
    {LLAMA_OF("llama", "LlamaForCausalLM"), "model.layers.0.self_attn.rotary_emb.inv_freq", LM_GGUF_OMITTED, NULL, 0, 0},
    {LLAMA_OF("llama", "LlamaForCausalLM"), "model.layers.00.mlp.up_proj.weight", LM_GGUF_UNKNOWN, NULL, 0, 0},
    {LLAMA_OF("llama", "LlamaForCausalLM"), "model.layers.1.mlp.up_proj", LM_GGUF_UNKNOWN, NULL, 0, 0},
    {LLAMA_OF("llama", "LlamaForCausalLM"), "model.layers..mlp.up_proj.weight", LM_GGUF_UNKNOWN, NULL, 0, 0},
    {LLAMA_OF("llama", "LlamaForCausalLM"), "model", LM_GGUF_UNKNOWN, NULL, 0, 0},
    {LLAMA_OF("llama", "LlamaForCausalLM"), "model.", LM_GGUF_UNKNOWN, NULL, 0, 0},
    {LLAMA_OF("llama", "LlamaForCausalLM"), "model.lm_head.weight", LM_GGUF_UNKNOWN, NULL, 0, 0},
    {LLAMA_OF("qwen2", "Qwen2ForCausalLM"), "model.layers.1.self_attn.q_proj.bias", LM_GGUF_STORED, "blk.1.attn_q.bias", 0, 1},
    {LLAMA_OF("qwen2", "Qwen2ForCausalLM"), "model.layers.1.self_attn.o_proj.bias", LM_GGUF_UNKNOWN, NULL, 0, 0},
    {LLAMA_OF("qwen3", "Qwen3ForSequenceClassification"), "score.weight", LM_GGUF_STORED, "cls.output.weight", 0, -1},
    {BERT_OF("BertModel"), "embeddings.LayerNorm.gamma", LM_GGUF_STORED, "token_embd_norm.weight", 0, -1},
    {BERT_OF("BertModel"), "bert.embeddings.position_ids", LM_GGUF_OMITTED, NULL, 0, 0},
    {BERT_OF("BertModel"), "pooler.dense.weight", LM_GGUF_OMITTED, NULL, 0, 0},
    {BERT_OF("BertForSequenceClassification"), "bert.pooler.dense.weight", LM_GGUF_STORED, "cls.weight", 0, -1},
    {BERT_OF("BertForSequenceClassification"), "classifier.bias", LM_GGUF_STORED, "cls.output.bias", 0, -1},
    {BERT_OF("BertForMaskedLM"), "cls.predictions.transform.dense.weight", LM_GGUF_OMITTED, NULL, 0, 0},
};

START_TEST(names_of_tensors)
{
    lm_status st = LM_STATUS_INIT;
    lm_config *c = parsed(names[_i].config);
    lm_gguf_names *n = lm_gguf_names_new(c, true, &st);
    lm_gguf_weight w = {0};
    assert_ok(&st);
    ck_assert_int_eq(lm_gguf_place_of(n, names[_i].here, &w), names[_i].place);
    if (names[_i].place == LM_GGUF_STORED) {
        ck_assert_str_eq(w.there, names[_i].there);
        ck_assert_int_eq(w.heads, names[_i].heads);
        ck_assert_int_eq(w.layer, names[_i].layer);
    }
    lm_gguf_names_free(n);
    lm_config_free(c);
}
END_TEST

/* Permuting is what llama.cpp does: rows of a head of six, 0 1 2 | 3 4 5, are stored as 0 3 1 4 2 5. */
START_TEST(values_are_moved)
{
    float in[12], out[12], back[12];
    for (int i = 0; i < 12; i++)
        in[i] = (float)i;
    lm_gguf_weight w = {.heads = 2};
    lm_shape vector = {.dims = 1, .size = {12}}, matrix = {.dims = 2, .size = {3, 4}}, other;
    ck_assert(lm_gguf_rows_there(&w, &vector, LM_F32, in, 0, 12, out));
    static const float stored[] = {0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11};
    ck_assert(memcmp(out, stored, sizeof stored) == 0);
    ck_assert(lm_gguf_rows_here(&w, &vector, LM_F32, out, 0, 12, back) && memcmp(back, in, sizeof in) == 0);
    w = (lm_gguf_weight){.transposed = true};
    ck_assert(lm_gguf_shape_there(&w, &matrix, &other) && other.size[0] == 4 && other.size[1] == 3);
    ck_assert(lm_gguf_rows_there(&w, &matrix, LM_F32, in, 1, 2, out) && out[0] == 1 && out[1] == 5 && out[3] == 2);
    w = (lm_gguf_weight){.first_row = 2};
    ck_assert(lm_gguf_shape_there(&w, &matrix, &other) && other.size[0] == 1);
    ck_assert(lm_gguf_rows_there(&w, &matrix, LM_F32, in, 0, 1, out) && out[0] == 8);
    ck_assert(lm_gguf_rows_here(&w, &other, LM_F32, out, 1, 2, back) && back[3] == 0 && back[4] == 8);
    static const struct {
        lm_gguf_weight w;
        lm_shape s;
    } odd[] = {{{.heads = 2}, {.dims = 1, .size = {5}}},       {{.heads = 2}, {.dims = 1, .size = {6}}},
               {{.transposed = true}, {.dims = 1, .size = {6}}}, {{.first_row = 4}, {.dims = 2, .size = {3, 4}}},
               {{.heads = 1}, {.dims = 0}},                     {{.heads = 1}, {.dims = 1, .size = {-2}}}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        ck_assert(!lm_gguf_shape_there(&odd[i].w, &odd[i].s, &other));
}
END_TEST

/* ------------------------------------------------------------------ what is refused */

static const struct {
    const char *config, *why;
} refused_configs[] = {
    {"{\"model_type\":\"lstm\"}", "\"lstm\" is none that llama.cpp and lmutils both have (llama, mistral, qwen2"},
    {BERT_OF("BertForTokenClassification"),
     "BertForTokenClassification has no place in a GGUF file, where llama.cpp finds BertModel, BertForSequenceClassification, "},
    {LLAMA_OF("llama", "LlamaForSequenceClassification"), "where llama.cpp finds LlamaForCausalLM, LlamaModel: "},
    {"{\"model_type\":\"llama\",\"num_hidden_layers\":1}", "num_attention_heads: a model has a head at least"},
    {"{\"model_type\":\"llama\",\"partial_rotary_factor\":0.5," LLAMA "}", "llama.cpp turns whole heads"},
    {"{\"model_type\":\"llama\",\"num_hidden_layers\":200000,\"num_attention_heads\":1}", "more than any model has"},
};

START_TEST(configs_are_refused)
{
    lm_status st = LM_STATUS_INIT;
    lm_config *c = parsed(refused_configs[_i].config);
    ck_assert(!lm_gguf_names_new(c, true, &st));
    ck_assert_msg(strstr(st.message, refused_configs[_i].why), "\"%s\" lacks \"%s\"", st.message, refused_configs[_i].why);
    lm_config_free(c);
}
END_TEST

static const struct {
    const char *config, *why;
} undescribed[] = {
    {"{\"model_type\":\"llama\",\"num_attention_heads\":2,\"num_hidden_layers\":3}", "max_position_embeddings: is missing"},
    {"{\"model_type\":\"llama\",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":2}," LLAMA "}", "\"yarn\" is not served"},
    {"{\"model_type\":\"qwen2\",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":2,\"low_freq_factor\":1,"
     "\"high_freq_factor\":4,\"original_max_position_embeddings\":16}," LLAMA "}",
     "scales as Llama 3 does in Llamas alone"},
    {"{\"model_type\":\"roberta\",\"pad_token_id\":40,\"hidden_size\":8,\"num_attention_heads\":2,\"num_hidden_layers\":3,"
     "\"intermediate_size\":16,\"max_position_embeddings\":32}",
     "32 leave no room for a token"},
};

START_TEST(descriptions_are_refused)
{
    lm_status st = LM_STATUS_INIT;
    lm_config *c = parsed(undescribed[_i].config);
    lm_gguf_names *n = lm_gguf_names_new(c, true, &st);
    assert_ok(&st);
    lm_gguf_writer *w = lm_gguf_writer_new("x.gguf");
    ck_assert(!lm_gguf_describe(w, n, &(lm_gguf_description){0}, &st));
    ck_assert_msg(strstr(st.message, undescribed[_i].why), "\"%s\" lacks \"%s\"", st.message, undescribed[_i].why);
    lm_gguf_writer_free(w);
    lm_gguf_names_free(n);
    lm_config_free(c);
}
END_TEST

/* ------------------------------------------------------------------ files that are not in order */

typedef struct entry {
    const char *key, *text; /* text NULL: a number */
    double value;
} entry;

/* A Llama's entries, with those of `more` instead; a value NAN leaves one out. */
static lm_gguf *file_of(const entry *more, bool embedding, lm_buf *b)
{
    static const entry usual[] = {{"general.architecture", "llama", 0},    {"llama.block_count", NULL, 1},
                                  {"llama.context_length", NULL, 32},      {"llama.embedding_length", NULL, 8},
                                  {"llama.feed_forward_length", NULL, 16}, {"llama.attention.head_count", NULL, 2}};
    lm_status st = LM_STATUS_INIT;
    static const float zeros[9 * 8];
    lm_gguf_writer *w = lm_gguf_writer_new("bad.gguf");
    for (size_t i = 0; i < 6; i++) {
        const entry *e = &usual[i];
        bool replaced = false;
        for (const entry *k = more; k->key; k++)
            replaced = replaced || strcmp(k->key, e->key) == 0;
        if (!replaced && e->text)
            lm_gguf_put_string(w, e->key, lm_str_of(e->text));
        else if (!replaced)
            lm_gguf_put_u32(w, e->key, (uint32_t)e->value);
    }
    for (const entry *k = more; k->key; k++)
        if (k->text)
            lm_gguf_put_string(w, k->key, lm_str_of(k->text));
        else if (isfinite(k->value) && k->value == floor(k->value))
            lm_gguf_put_i32(w, k->key, (int32_t)k->value);
        else if (!isnan(k->value))
            lm_gguf_put_f32(w, k->key, (float)k->value);
    if (embedding)
        lm_gguf_put_tensor(w, "token_embd.weight", LM_F32, &(lm_shape){.dims = 2, .size = {9, 8}});
    ck_assert_msg(lm_gguf_write_header(w, lm_buf_write, b, &st), "%s", st.message);
    if (embedding)
        lm_gguf_write_data(w, zeros, sizeof zeros, &st);
    lm_gguf_write_end(w, &st);
    lm_gguf_writer_free(w);
    lm_gguf *f = lm_gguf_from_memory(b->data, b->len, "bad.gguf", &st);
    assert_ok(&st);
    return f;
}

static const struct {
    entry entries[3];
    const char *why;
} bad_files[] = {
    {{{"general.architecture", NULL, NAN}}, "names no architecture"},
    {{{"general.architecture", "mamba", 0}}, "the architecture \"mamba\", which this version does not have: it has llama, qwen2"},
    {{{"general.type", "adapter", 0}}, "is an adapter, no model"},
    {{{"llama.block_count", NULL, NAN}}, "does not say \"llama.block_count\""},
    {{{"llama.block_count", NULL, -1}}, "\"llama.block_count\" is -1"},
    {{{"llama.block_count", "many", 0}}, "\"llama.block_count\" is no integer"},
    {{{"llama.rope.freq_base", NULL, INFINITY}}, "\"llama.rope.freq_base\" is no finite number"},
    {{{"llama.rope.dimension_count", NULL, 2}}, "rotary positions of 2 of a head's 4 columns"},
    {{{"lmutils.config", "{", 0}}, "bad.gguf:"},
    {{{"lmutils.config", NULL, 3}}, "\"lmutils.config\" is no string"},
};

START_TEST(bad_files_are_refused)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf b = {0};
    lm_gguf *f = file_of(bad_files[_i].entries, true, &b);
    ck_assert(!lm_gguf_config(f, &st));
    ck_assert_msg(strstr(st.message, bad_files[_i].why) && strncmp(st.message, "bad.gguf:", 9) == 0, "\"%s\" lacks \"%s\"", st.message,
                  bad_files[_i].why);
    lm_gguf_close(f);
    lm_buf_free(&b);
}
END_TEST

START_TEST(no_embedding)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf b = {0};
    lm_gguf *f = file_of((const entry[]){{0}}, false, &b);
    ck_assert(!lm_gguf_config(f, &st) && strstr(st.message, "has no tensor token_embd.weight"));
    lm_gguf_close(f);
    lm_buf_free(&b);
}
END_TEST

/* What the file carries counts as far as its entries do not say otherwise. */
START_TEST(entries_go_before_the_config)
{
    lm_status st = LM_STATUS_INIT;
    static const entry entries[] = {{"lmutils.config", LLAMA_OF("mistral", "MistralForCausalLM"), 0},
                                    {"llama.rope.freq_base", NULL, 5e5},
                                    {"llama.rope.scaling.type", "linear", 0},
                                    {"llama.rope.scaling.factor", NULL, 2.5},
                                    {0}};
    lm_buf b = {0};
    lm_gguf *f = file_of(entries, true, &b);
    lm_config *c = lm_gguf_config(f, &st);
    assert_ok(&st);
    ck_assert_str_eq(lm_config_string(c, "model_type", ""), "mistral");
    ck_assert_int_eq(lm_config_int(c, "num_hidden_layers", 0), 1);
    ck_assert(lm_config_float(c, "rope_theta", 0) == 5e5);
    ck_assert_str_eq(lm_config_string(c, "rope_scaling.rope_type", ""), "linear");
    ck_assert(lm_config_float(c, "rope_scaling.factor", 0) == 2.5);
    ck_assert(lm_config_bool(c, "tie_word_embeddings", false)); /* there is no output.weight */
    lm_config_free(c);
    lm_gguf_close(f);
    lm_buf_free(&b);
}
END_TEST

/* One of another architecture is not read, which a warning says. */
START_TEST(config_of_another_model)
{
    lm_status st = LM_STATUS_INIT;
    static const entry entries[] = {{"lmutils.config", BERT_OF("BertModel"), 0}, {0}};
    lm_buf b = {0};
    lm_gguf *f = file_of(entries, true, &b);
    lm_config *c = lm_gguf_config(f, &st);
    assert_ok(&st);
    ck_assert_str_eq(lm_config_string(c, "model_type", ""), "llama");
    ck_assert(!lm_config_has(c, "type_vocab_size"));
    lm_config_free(c);
    lm_gguf_close(f);
    lm_buf_free(&b);
}
END_TEST

/* Llama 3's scaling is in the file as factors alone. */
START_TEST(factors_of_llama3)
{
    lm_status st = LM_STATUS_INIT;
    lm_config *c = parsed("{\"model_type\":\"llama\",\"rope_theta\":500000.0,\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":32.0,"
                          "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192},"
                          "\"hidden_size\":128,\"num_attention_heads\":2,\"num_hidden_layers\":1,\"num_key_value_heads\":1,"
                          "\"intermediate_size\":16,\"max_position_embeddings\":131072}");
    for (int spoilt = 0; spoilt < 2; spoilt++) {
        lm_gguf_names *n = lm_gguf_names_new(c, true, &st);
        lm_gguf_writer *w = lm_gguf_writer_new("x.gguf"), *again = lm_gguf_writer_new("y.gguf");
        lm_buf b = {0}, bare = {0};
        static const float words[9 * 128];
        lm_shape factors = {.dims = 1, .size = {32}}, embedding = {.dims = 2, .size = {9, 128}};
        ck_assert(lm_gguf_describe(w, n, &(lm_gguf_description){.vocab_size = 9}, &st));
        ck_assert(lm_gguf_write_header(w, lm_buf_write, &b, &st) && lm_gguf_extra_data(w, n, &st) && lm_gguf_write_end(w, &st));
        lm_gguf *f = lm_gguf_from_memory(b.data, b.len, "x.gguf", &st);
        for (size_t i = 0; i < lm_gguf_entries(f); i++)
            if (!lm_str_is(lm_gguf_entry_at(f, i)->key, "lmutils.config"))
                lm_gguf_put_entry(again, lm_gguf_entry_at(f, i));
        float values[32];
        memcpy(values, lm_gguf_tensor_find(f, "rope_freqs.weight")->data, sizeof values);
        ck_assert(values[0] == 1 && values[31] == 32);
        values[20] += spoilt ? 1 : 0;
        lm_gguf_put_tensor(again, "rope_freqs.weight", LM_F32, &factors);
        lm_gguf_put_tensor(again, "token_embd.weight", LM_F32, &embedding);
        ck_assert(lm_gguf_write_header(again, lm_buf_write, &bare, &st) && lm_gguf_write_data(again, values, sizeof values, &st) &&
                  lm_gguf_write_data(again, words, sizeof words, &st) && lm_gguf_write_end(again, &st));
        lm_gguf_close(f);
        f = lm_gguf_from_memory(bare.data, bare.len, "y.gguf", &st);
        lm_config *read = lm_gguf_config(f, &st);
        if (spoilt)
            ck_assert(!read && strstr(st.message, "which are not those of Llama 3"));
        else
            ck_assert_msg(read && lm_config_float(read, "rope_scaling.factor", 0) == 32 &&
                              lm_config_int(read, "rope_scaling.original_max_position_embeddings", 0) == 8192,
                          "%s", st.message);
        lm_status_clear(&st);
        lm_config_free(read);
        lm_gguf_close(f);
        lm_gguf_writer_free(w);
        lm_gguf_writer_free(again);
        lm_gguf_names_free(n);
        lm_buf_free(&b);
        lm_buf_free(&bare);
    }
    lm_config_free(c);
}
END_TEST

static Suite *suite(void)
{
    enum { CASES = sizeof cases / sizeof *cases };
    Suite *s = suite_create("gguf_model");
    TCase *c = tcase_create("gguf_model");
    tcase_add_loop_test(c, there_and_back, 0, CASES);
    tcase_add_loop_test(c, without_a_config, 0, CASES);
    tcase_add_loop_test(c, names_of_tensors, 0, sizeof names / sizeof *names);
    tcase_add_test(c, values_are_moved);
    tcase_add_loop_test(c, configs_are_refused, 0, sizeof refused_configs / sizeof *refused_configs);
    tcase_add_loop_test(c, descriptions_are_refused, 0, sizeof undescribed / sizeof *undescribed);
    tcase_add_loop_test(c, bad_files_are_refused, 0, sizeof bad_files / sizeof *bad_files);
    tcase_add_test(c, no_embedding);
    tcase_add_test(c, entries_go_before_the_config);
    tcase_add_test(c, config_of_another_model);
    tcase_add_test(c, factors_of_llama3);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
