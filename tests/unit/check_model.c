#include "scratch.h"
#include "unit.h"

#include "base/atomic.h"
#include "base/memory.h"
#include "model/card.h"
#include "model/config.h"
#include "model/model.h"
#include "text/tokenizer.h"
#include "tensor/safetensors.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static lm_config *config_of(const char *json)
{
    lm_status st = LM_STATUS_INIT;
    lm_config *c = lm_config_parse(lm_str_of(json), "c", &st);
    assert_ok(&st);
    return c;
}

/* ------------------------------------------------------------------ models */

static lm_model *open_model(const char *dir, const lm_model_options *options, lm_status *st)
{
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    return lm_model_open(dir, options, st);
}

static char *saved(lm_model *m)
{
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_new();
    lm_model_save(m, dir, &st);
    assert_ok(&st);
    return dir;
}

static const char small[] = "{\"model_type\":\"bert\",\"hidden_size\":8,\"num_hidden_layers\":2,"
                            "\"num_attention_heads\":2,\"intermediate_size\":12,\"vocab_size\":11,"
                            "\"max_position_embeddings\":6}";

static lm_model *create(const char *config, const char *task, uint64_t seed)
{
    lm_status st = LM_STATUS_INIT;
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    lm_model *m = lm_model_create(config_of(config), &(lm_model_options){.task = task, .seed = seed}, &st);
    assert_ok(&st);
    return m;
}

START_TEST(new_models_have_the_fields_of_transformers)
{
    lm_model *m = create(small, "mlm", 1);
    char *dir = saved(m);
    lm_str text = scratch_read(dir, "config.json");
    ck_assert_str_eq(
        text.data,
        "{\n  \"architectures\": [\n    \"BertForMaskedLM\"\n  ],\n"
        "  \"attention_probs_dropout_prob\": 0.1,\n  \"classifier_dropout\": null,\n"
        "  \"hidden_act\": \"gelu\",\n  \"hidden_dropout_prob\": 0.1,\n  \"hidden_size\": 8,\n"
        "  \"initializer_range\": 0.02,\n  \"intermediate_size\": 12,\n  \"layer_norm_eps\": 1e-12,\n"
        "  \"max_position_embeddings\": 6,\n  \"model_type\": \"bert\",\n  \"num_attention_heads\": 2,\n"
        "  \"num_hidden_layers\": 2,\n  \"pad_token_id\": 0,\n"
        "  \"position_embedding_type\": \"absolute\",\n  \"torch_dtype\": \"float32\",\n"
        "  \"transformers_version\": \"" LM_TRANSFORMERS_VERSION "\",\n  \"type_vocab_size\": 2,\n"
        "  \"use_cache\": true,\n  \"vocab_size\": 11\n}\n");
    free((char *)text.data);
    lm_model_free(m);
    scratch_discard(dir);
}
END_TEST

START_TEST(save_load_save_is_identical)
{
    static const char *const tasks[] = {"base", "mlm", "pretrain", "classify"};
    for (int i = 0; i < 4; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_model *m = create(small, tasks[i], 7);
        char *one = saved(m);
        lm_model_free(m);
        m = open_model(one, NULL, &st);
        assert_ok(&st);
        ck_assert_str_eq(m->head->name, tasks[i]);
        char *two = saved(m);
        assert_same_file(one, two, "config.json");
        assert_same_file(one, two, "model.safetensors");
        lm_model_free(m);
        scratch_discard(one);
        scratch_discard(two);
    }
}
END_TEST

START_TEST(initial_values_follow_the_seed)
{
    lm_model *a = create(small, "mlm", 1), *b = create(small, "pretrain", 1), *c = create(small, "mlm", 2);
    const char *name = "bert.embeddings.word_embeddings.weight";
    const lm_param *x = lm_params_find(a->params, name), *y = lm_params_find(b->params, name);
    const lm_param *z = lm_params_find(c->params, name);
    size_t bytes = x->elements * sizeof *x->value;
    ck_assert(memcmp(x->value, y->value, bytes) == 0 && memcmp(x->value, z->value, bytes) != 0);
    lm_model_free(a);
    lm_model_free(b);
    lm_model_free(c);
}
END_TEST

/* Directories that transformers wrote come out byte for byte; those with hub names as transformers would
 * write them. */
START_TEST(golden_directories_are_rewritten)
{
    static const struct {
        const char *from, *same_as;
    } dirs[] = {{"models/bert-cls2", NULL},
                {"models/bert-cls3", NULL},
                {"models/bert-cls4", NULL},
                {"models/bert-mlm", NULL},
                {"models/bert-mlm-f16", NULL},
                {"models/bert-multilabel4", NULL},
                {"models/bert-pretrain", NULL},
                {"models/bert-reg1", NULL},
                {"models/bert-qa", NULL},
                {"models/bert-tok5", NULL},
                {"models/distilbert-cls3", NULL},
                {"models/distilbert-mlm", NULL},
                {"models/distilbert-tok5", NULL},
                {"models/roberta-cls3", NULL},
                {"models/roberta-mlm", NULL},
                {"models/roberta-tok5", NULL},
                {"models/t5-v1.0-relu", NULL},
                {"models/t5-v1.1-gated", NULL},
                {"models/t5-gatedsilu-tied", NULL},
                {"models/gpt2-lm", NULL},
                {"models/gpt2-cls3", NULL},
                {"models/llama-bf16", NULL},
                {"models/llama-cls2", NULL},
                {"models/llama-gqa", NULL},
                {"models/llama-mha-linrope-bias", NULL},
                {"models/llama-tied-llama3rope", NULL},
                {"models/mistral-noswa", NULL},
                {"models/mistral-swa", NULL},
                {"models/qwen2-tied", NULL},
                {"models/qwen2-untied-cls3", NULL},
                {"models/qwen3", NULL},
                {"models/qwen3-tied-bf16", NULL},
                {"models/gemma", NULL},
                {"e2e/gpt2-lm", NULL},
                {"e2e/llama-lm", NULL},
                {"e2e/qwen-lm", NULL},
                {"extras/gpt2-hubnames", "models/gpt2-lm"},
                {"extras/llama-rotarybuffers", "models/llama-gqa"},
                {"e2e/bert-cls", NULL},
                {"e2e/bert-fillmask", NULL},
                {"e2e/distilbert-ner", NULL},
                {"e2e/roberta-fillmask", NULL},
                {"e2e/roberta-nli", NULL},
                {"e2e/t5-s2s", NULL},
                {"extras/bert-gammabeta", "models/bert-mlm"},
                {"extras/bert-tied-stored", "models/bert-mlm"},
                {"extras/roberta-positionids", "models/roberta-mlm"}};
    char *root = data_path("goldens");
    for (size_t i = 0; root && i < sizeof dirs / sizeof *dirs; i++) {
        lm_status st = LM_STATUS_INIT;
        char *from = lm_format("%s/%s", root, dirs[i].from);
        char *want = lm_format("%s/%s", root, dirs[i].same_as ? dirs[i].same_as : dirs[i].from);
        lm_model *m = open_model(from, NULL, &st);
        assert_ok(&st);
        char *dir = saved(m);
        assert_same_file(want, dir, "model.safetensors");
        assert_same_file(want, dir, "config.json");
        lm_model_free(m);
        scratch_discard(dir);
        free(from);
        free(want);
    }
    free(root);
}
END_TEST

START_TEST(weights_are_mapped_not_copied)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = create(small, "mlm", 7);
    char *dir = saved(m);
    lm_model_free(m);
    m = open_model(dir, NULL, &st);
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        lm_param *p = lm_params_at(m->params, i);
        ck_assert(lm_param_ready(p, &st));
        ck_assert_msg(p->value == p->data && !p->owned, "%s is copied", p->name);
    }
    lm_model_free(m);
    scratch_discard(dir);
}
END_TEST

START_TEST(heads_change)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = create(small, "mlm", 7);
    char *mlm = saved(m);
    lm_model_free(m);

    ck_assert_ptr_null(open_model(mlm, &(lm_model_options){.task = "classify"}, &st));
    ck_assert(strstr(st.message, "bert.pooler.dense.bias: is missing") &&
              strstr(st.message, "classifier.weight"));
    lm_status_clear(&st);
    ck_assert_ptr_null(open_model(mlm, &(lm_model_options){.task = "sing"}, &st));
    ck_assert_int_eq(st.code, LM_USAGE);
    assert_says(&st, "unknown task of bert: known are base, mlm");

    m = open_model(mlm, &(lm_model_options){.task = "classify", .allow_missing_head = true, .seed = 3}, &st);
    assert_ok(&st);
    ck_assert_int_eq(m->missing, 4);
    char *classify = saved(m);
    lm_model_free(m);
    lm_str text = scratch_read(classify, "config.json");
    ck_assert(strstr(text.data, "BertForSequenceClassification"));
    free((char *)text.data);

    /* other classes than before: the old classifier does not fit and is made anew */
    lm_config *c = config_of(small);
    lm_config_set_labels(c, (const char *[]){"a", "b", "c"}, 3);
    lm_model_options three = {.task = "classify", .config = c};
    ck_assert_ptr_null(open_model(classify, &three, &st));
    assert_says(&st, "classifier.bias: has shape [2], config.json asks for [3]");
    c = config_of(small);
    lm_config_set_labels(c, (const char *[]){"a", "b", "c"}, 3);
    three = (lm_model_options){.task = "classify", .config = c, .allow_missing_head = true};
    m = open_model(classify, &three, &st);
    assert_ok(&st);
    ck_assert_int_eq(m->missing, 2);
    lm_model_free(m);

    /* the bare body has no prefix; it serves where one is wanted, and the other way round */
    m = open_model(classify, &(lm_model_options){.task = "base"}, &st);
    assert_ok(&st);
    ck_assert(lm_params_find(m->params, "embeddings.LayerNorm.weight") && lm_model_has_pooler(m));
    char *base = saved(m);
    lm_model_free(m);
    m = open_model(base, &(lm_model_options){.task = "pretrain", .allow_missing_head = true}, &st);
    assert_ok(&st);
    ck_assert_int_eq(m->missing, 7);
    lm_model_free(m);
    m = open_model(mlm, NULL, &st);
    ck_assert(!lm_model_has_pooler(m));
    lm_model_free(m);
    m = open_model(mlm, &(lm_model_options){.random_weights = true, .seed = 7, .task = "pretrain"}, &st);
    assert_ok(&st);
    ck_assert_int_eq(m->missing, 0);
    lm_model_free(m);
    scratch_discard(mlm);
    scratch_discard(classify);
    scratch_discard(base);
}
END_TEST

/* ------------------------------------------------------------------ directories that are wrong */

/* Rewrites a directory's tensors: `drop` (or NULL) left out, `reshape` turned to one dimension, `integer`
 * said to be I32, `twice` stored under its name of old too. */
static void spoil(const char *dir, const char *drop, const char *reshape, const char *integer,
                  const char *twice)
{
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/model.safetensors", dir), *other = lm_format("%s/other", dir);
    lm_safetensors *f = lm_safetensors_open(path, &st);
    assert_ok(&st);
    size_t n = 0;
    lm_safetensor *t = lm_calloc(lm_safetensors_count(f) + 1, sizeof *t);
    for (size_t i = 0; i < lm_safetensors_count(f); i++) {
        const lm_safetensor *s = lm_safetensors_at(f, i);
        if (drop && strcmp(s->name, drop) == 0)
            continue;
        t[n] = *s;
        if (reshape && strcmp(s->name, reshape) == 0)
            t[n].shape = (lm_shape){1, {(int64_t)(s->bytes / 4)}};
        if (integer && strcmp(s->name, integer) == 0)
            t[n].dtype = LM_I32;
        n++;
        if (twice && strcmp(s->name, twice) == 0) {
            t[n] = *s;
            t[n++].name = "bert.embeddings.LayerNorm.gamma";
        }
    }
    int fd = open(other, O_WRONLY | O_CREAT, 0600);
    lm_safetensors_write(fd, other, t, n, &st);
    assert_ok(&st);
    close(fd);
    lm_safetensors_close(f);
    ck_assert(rename(other, path) == 0);
    free(t);
    free(path);
    free(other);
}

static void assert_refused(const char *dir, const char *says)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = open_model(dir, NULL, &st);
    ck_assert_msg(!m, "accepted; expected: %s", says);
    ck_assert_msg(strstr(st.message, dir), "%s", st.message);
    assert_says(&st, says);
}

START_TEST(spoilt_tensors_are_named)
{
    static const char norm[] = "bert.embeddings.LayerNorm.weight", bias[] = "cls.predictions.bias";
    static const char query[] = "bert.encoder.layer.1.attention.self.query.weight";
    lm_model *m = create(small, "mlm", 7);
    char *dir = saved(m);
    spoil(dir, norm, NULL, NULL, NULL);
    assert_refused(
        dir, "1 tensor does not fit config.json and task mlm: bert.embeddings.LayerNorm.weight: is missing");
    scratch_discard(dir);
    dir = saved(m);
    spoil(dir, bias, query, norm, NULL);
    assert_refused(
        dir, "bert.encoder.layer.1.attention.self.query.weight: has shape [64], config.json asks for [8, 8]");
    assert_refused(dir, "cls.predictions.bias: is missing");
    assert_refused(dir, "bert.embeddings.LayerNorm.weight: dtype I32");
    assert_refused(dir, "3 tensors do not fit");
    scratch_discard(dir);
    dir = saved(m);
    spoil(dir, NULL, NULL, NULL, norm);
    assert_refused(dir, "the same parameter, stored twice");
    scratch_discard(dir);

    dir = saved(m);
    lm_str bytes = scratch_read(dir, "model.safetensors");
    static const size_t cuts[] = {0, 7, 8, 100, 3000};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        scratch_write(dir, "model.safetensors", bytes.data, cuts[i]);
        assert_refused(dir, "cut off");
    }
    scratch_write(dir, "model.safetensors", bytes.data, bytes.len - 1);
    assert_refused(dir, "cut off");
    free((char *)bytes.data);
    scratch_discard(dir);
    lm_model_free(m);
}
END_TEST

/* A head may be made anew; a body that does not fit is refused even then. */
START_TEST(a_spoilt_body_is_refused)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = create(small, "mlm", 7);
    char *dir = saved(m);
    lm_model_free(m);
    spoil(dir, NULL, "bert.encoder.layer.1.attention.self.query.weight", NULL, NULL);
    lm_model_options options = {.task = "classify", .allow_missing_head = true};
    ck_assert_ptr_null(open_model(dir, &options, &st));
    assert_says(&st, "1 tensor does not fit");
    scratch_discard(dir);
}
END_TEST

/* A tied weight that is stored as well, with other values: the parameter's own name counts. */
START_TEST(stored_ties_do_not_count)
{
    char *mlm = data_path("goldens/models/bert-mlm"), *from = data_path("goldens/extras/bert-tied-stored");
    if (!mlm)
        return;
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_new();
    lm_str config = scratch_read(from, "config.json");
    lm_str weights = scratch_read(from, "model.safetensors");
    lm_safetensors *f = lm_safetensors_from_memory(weights.data, weights.len, "f", &st);
    const lm_safetensor *tied = lm_safetensors_find(f, "cls.predictions.decoder.weight");
    memset((char *)weights.data + ((const char *)tied->data - weights.data), 0, tied->bytes);
    lm_safetensors_close(f);
    scratch_write(dir, "config.json", config.data, config.len);
    scratch_write(dir, "model.safetensors", weights.data, weights.len);
    lm_model *m = open_model(dir, NULL, &st);
    assert_ok(&st);
    char *again = saved(m);
    assert_same_file(mlm, again, "model.safetensors");
    lm_model_free(m);
    free((char *)config.data);
    free((char *)weights.data);
    scratch_discard(dir);
    scratch_discard(again);
    free(mlm);
    free(from);
}
END_TEST

/* What has been trained is written as it was computed, whatever it was loaded from. */
START_TEST(trained_halves_are_saved_whole)
{
    char *from = data_path("goldens/models/bert-mlm-f16");
    if (!from)
        return;
    lm_status st = LM_STATUS_INIT;
    lm_model *m = open_model(from, NULL, &st);
    assert_ok(&st);
    lm_param *p = lm_params_find(m->params, "cls.predictions.bias");
    lm_param_train(p, true, &st);
    assert_ok(&st);
    p->value[0] = 1.0f / 3;
    char *dir = saved(m), *path = lm_format("%s/model.safetensors", dir);
    lm_model_free(m);
    lm_safetensors *f = lm_safetensors_open(path, &st);
    assert_ok(&st);
    for (size_t i = 0; i < lm_safetensors_count(f); i++)
        ck_assert_int_eq(lm_safetensors_at(f, i)->dtype, LM_F32);
    ck_assert(*(const float *)lm_safetensors_find(f, "cls.predictions.bias")->data == 1.0f / 3);
    lm_safetensors_close(f);
    lm_str config = scratch_read(dir, "config.json");
    ck_assert(strstr(config.data, "\"torch_dtype\": \"float32\""));
    free((char *)config.data);
    free(path);
    free(from);
    scratch_discard(dir);
}
END_TEST

START_TEST(bad_directories_are_refused)
{
    lm_status st = LM_STATUS_INIT;
    assert_refused("/nonexistent", "cannot open the model");
    assert_refused("/dev/null", "a model is a directory");
    char *dir = scratch_new();
    assert_refused(dir, "config.json");
    scratch_write(dir, "config.json", "{}", 2);
    assert_refused(dir, "model_type is missing");
    scratch_write(dir, "config.json", "{\"model_type\":3}", 16);
    assert_refused(dir, "model_type: a string is expected");
    scratch_write(dir, "config.json", "{\"model_type\":\"gpt9\"}", 21);
    assert_refused(dir, "no plugin serves it (known: albert, bert, ");
    scratch_write(dir, "config.json", "{\"model_type\":\"bert\"}", 21);
    assert_refused(dir, "architectures: none is named");
    static const char unknown[] = "{\"model_type\":\"bert\",\"architectures\":[\"BertForX\"]}";
    scratch_write(dir, "config.json", unknown, strlen(unknown));
    assert_refused(dir, "unknown \"BertForX\"");
    static const char plain[] = "{\"model_type\":\"bert\",\"architectures\":[\"BertModel\"]}";
    scratch_write(dir, "config.json", plain, strlen(plain));
    assert_refused(dir, "no model.safetensors");
    scratch_write(dir, "pytorch_model.bin", "", 0);
    assert_refused(dir, "pickle");
    scratch_write(dir, "model.safetensors", "PK\3\4 and so on", 14);
    assert_refused(dir, "pickle");
    scratch_write(dir, "model.safetensors", "\x80\x02}q\0 and so on", 16);
    assert_refused(dir, "pickle");
    lm_bundle_writer *to = lm_bundle_into(dir);
    ck_assert(!lm_model_copy_tokenizer(dir, to, &st));
    lm_bundle_discard(to, &st);
    assert_says(&st, "no tokenizer.json");
    scratch_discard(dir);
}
END_TEST

/* Sizes that a damaged config asks for cost nothing before they are compared with the file. */
START_TEST(absurd_sizes_cost_nothing)
{
    static const char *const members[] = {"\"hidden_size\":2147483646,\"num_attention_heads\":2",
                                          "\"num_hidden_layers\":2147483647",
                                          "\"num_hidden_layers\":10000",
                                          "\"vocab_size\":2147483647",
                                          "\"intermediate_size\":2147483647",
                                          "\"max_position_embeddings\":2147483647",
                                          "\"vocab_size\":0",
                                          "\"hidden_size\":7",
                                          "\"num_attention_heads\":0",
                                          "\"pad_token_id\":11",
                                          "\"num_labels\":0",
                                          "\"type_vocab_size\":0",
                                          "\"hidden_size\":-8",
                                          "\"position_embedding_type\":\"relative_key\"",
                                          "\"hidden_act\":\"mish\"",
                                          "\"is_decoder\":true"};
    lm_model *m = create(small, "classify", 7);
    char *dir = saved(m);
    lm_model_free(m);
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
#if !defined __SANITIZE_ADDRESS__
    limit.rlim_cur = (rlim_t)2 << 30; /* the tests run in processes of their own */
    setrlimit(RLIMIT_AS, &limit);
#endif
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        json_t *root = json_loads(small, 0, NULL);
        char *extra = lm_format("{\"architectures\":[\"BertForSequenceClassification\"],%s}", members[i]);
        json_t *changes = json_loads(extra, 0, NULL);
        json_object_update(root, changes);
        char *text = json_dumps(root, 0);
        scratch_write(dir, "config.json", text, strlen(text));
        lm_status st = LM_STATUS_INIT;
        ck_assert_msg(!open_model(dir, NULL, &st), "accepted: %s", members[i]);
        ck_assert_int_eq(st.code, LM_FAILED);
        json_decref(root);
        json_decref(changes);
        free(text);
        free(extra);
    }
    scratch_discard(dir);
}
END_TEST

START_TEST(shards)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = create(small, "mlm", 7);
    char *whole = saved(m), *dir = scratch_new();
    lm_model_free(m);
    char *path = lm_format("%s/model.safetensors", whole);
    lm_safetensors *f = lm_safetensors_open(path, &st);
    size_t n = lm_safetensors_count(f), half = n / 2;
    lm_safetensor *t = lm_calloc(n, sizeof *t);
    json_t *map = json_object();
    for (size_t i = 0; i < n; i++) {
        t[i] = *lm_safetensors_at(f, i);
        json_object_set_new(map, t[i].name, json_string(i < half ? "a.safetensors" : "b.safetensors"));
    }
    for (int i = 0; i < 2; i++) {
        char *shard = lm_format("%s/%c.safetensors", dir, 'a' + i);
        int fd = open(shard, O_WRONLY | O_CREAT, 0600);
        lm_safetensors_write(fd, shard, i ? t + half : t, i ? n - half : half, &st);
        close(fd);
        free(shard);
    }
    json_t *index = json_pack("{s:O}", "weight_map", map);
    char *text = json_dumps(index, 0);
    scratch_write(dir, "model.safetensors.index.json", text, strlen(text));
    free(text);
    lm_str config = scratch_read(whole, "config.json");
    scratch_write(dir, "config.json", config.data, config.len);
    m = open_model(dir, NULL, &st);
    assert_ok(&st);
    char *again = saved(m);
    assert_same_file(whole, again, "model.safetensors");
    lm_model_free(m);

    static const char *const lies[] = {"../a.safetensors", "b.safetensors", "c.safetensors"};
    static const char *const says[] = {"no shard of this directory", "is not in b.safetensors",
                                       "shard c.safetensors is missing"};
    for (int i = 0; i < 3; i++) {
        json_object_set_new(map, t[0].name, json_string(lies[i]));
        text = json_dumps(index, 0);
        scratch_write(dir, "model.safetensors.index.json", text, strlen(text));
        free(text);
        assert_refused(dir, says[i]);
    }
    scratch_write(dir, "model.safetensors.index.json", "{}", 2);
    assert_refused(dir, "weight_map is missing");
    json_decref(index);
    json_decref(map);
    free(t);
    free(path);
    free((char *)config.data);
    lm_safetensors_close(f);
    scratch_discard(whole);
    scratch_discard(dir);
    scratch_discard(again);
}
END_TEST

START_TEST(fixtures_from_the_wild)
{
    static const char *const bad[] = {"truncated_model.safetensors", "test.pt", "test_with_key.pt",
                                      "fortran_tensor_3d.pth", "empty.gguf"};
    char *dir = data_path("data/bad/fixtures");
    for (size_t i = 0; dir && i < sizeof bad / sizeof *bad; i++) {
        lm_status st = LM_STATUS_INIT;
        char *path = lm_format("%s/%s", dir, bad[i]);
        ck_assert_msg(!lm_safetensors_open(path, &st), "accepted: %s", path);
        ck_assert_msg(strstr(st.message, bad[i]), "%s", st.message);
        free(path);
    }
    free(dir);
}
END_TEST

/* ------------------------------------------------------------------ the rest */

START_TEST(batches_are_checked)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = create(small, "mlm", 7);
    int32_t ids[8] = {1, 2, 3, 4, 5, 6, 7, 8}, types[8] = {0, 0, 1}, positions[8] = {0};
    int32_t splits[] = {0, 3, 3, 8}, long_row[] = {0, 0, 0, 8};
    lm_batch b = {3, 8, splits, ids, types, positions};
    ck_assert(lm_model_check_batch(m, &b, &st));
    b.row_splits = long_row;
    ck_assert(!lm_model_check_batch(m, &b, &st));
    assert_says(&st, "row 2: 8 tokens, and the model takes 6");
    b.row_splits = splits;
    ids[4] = 11;
    ck_assert(!lm_model_check_batch(m, &b, &st));
    assert_says(&st, "row 2: token id 11 is not in the model's vocabulary of 11");
    ids[4] = -1;
    ck_assert(!lm_model_check_batch(m, &b, &st));
    assert_says(&st, "row 2: token id -1");
    ids[4] = 0;
    types[0] = 2;
    ck_assert(!lm_model_check_batch(m, &b, &st));
    assert_says(&st, "row 0: segment id 2");
    lm_model_free(m);
}
END_TEST

START_TEST(tokenizers_are_copied_and_compared)
{
    char *from = data_path("goldens/e2e/bert-cls");
    if (!from)
        return;
    lm_status st = LM_STATUS_INIT;
    char *to = scratch_new();
    ck_assert(lm_model_has_tokenizer(from) && !lm_model_has_tokenizer(to));
    lm_bundle_writer *writer = lm_bundle_into(to);
    lm_model_copy_tokenizer(from, writer, &st);
    lm_bundle_publish(writer, &st);
    assert_ok(&st);
    assert_same_file(from, to, "tokenizer.json");
    assert_same_file(from, to, "vocab.txt");
    assert_same_file(from, to, "tokenizer_config.json");
    lm_tokenizer *t = lm_tokenizer_open(from, &st);
    lm_tokenizer_info info = LM_TOKENIZER_INFO_NONE;
    lm_model *m = open_model(from, NULL, &st);
    assert_ok(&st);
    ck_assert(lm_model_check_tokenizer(m, NULL, &info, false, &st)); /* nothing is said: a warning */
    info.present = info.has_xxh3 = info.has_behaviour = true;
    info.xxh3 = lm_tokenizer_digest(t);
    info.behaviour = lm_tokenizer_behaviour(t);
    ck_assert(lm_model_check_tokenizer(m, NULL, &info, false, &st));
    ck_assert(lm_model_check_tokenizer(m, to, &info, false, &st));
    info.behaviour++;
    ck_assert(lm_model_check_tokenizer(m, NULL, &info, false, &st));
    info.xxh3++;
    ck_assert(lm_model_check_tokenizer(m, NULL, &info, true, &st));
    ck_assert(!lm_model_check_tokenizer(m, NULL, &info, false, &st));
    assert_says(&st, "--force");
    lm_tokenizer_free(t);
    lm_model_free(m);
    scratch_discard(to);
    free(from);
}
END_TEST

START_TEST(cards)
{
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_new();
    const lm_card_item settings[] = {{"learning_rate", "5e-05"}, {"a|b", "x\ny"}};
    const lm_card_item metrics[] = {{"eval_accuracy", "0.91"}, {"note", "n/a"}};
    const char *columns[] = {"step", "loss"}, *cells[] = {"10", "0.7", "20", "0.5"};
    const char *via[] = {"tok -m bert 'news.csv'"};
    lm_card card = {.name = "news",
                    .base_model = "bert \"tiny\"",
                    .task = "classify",
                    .program = "finetune 0.1.0",
                    .command_line = "finetune -m a|b",
                    .via = via,
                    .via_count = 1,
                    .data = "2,000 rows.",
                    .settings = settings,
                    .setting_count = 2,
                    .metrics = metrics,
                    .metric_count = 2,
                    .eval_data = "test.lms",
                    .columns = columns,
                    .cells = cells,
                    .column_count = 2,
                    .row_count = 2};
    lm_bundle_writer *to = lm_bundle_into(dir);
    lm_card_write(&card, to, &st);
    assert_ok(&st);
    lm_str text = scratch_read(dir, "README.md");
    ck_assert_str_eq(
        text.data,
        "---\nbase_model: \"bert \\\"tiny\\\"\"\nlibrary_name: transformers\n"
        "pipeline_tag: text-classification\ntags:\n- lmutils\n- generated_from_trainer\n"
        "model-index:\n- name: \"news\"\n  results:\n  - task:\n      type: text-classification\n"
        "    dataset:\n      name: \"test.lms\"\n      type: \"test.lms\"\n"
        "    metrics:\n    - name: \"eval_accuracy\"\n      type: \"accuracy\"\n      value: 0.91\n"
        "    - name: \"note\"\n      type: \"note\"\n      value: \"n/a\"\n---\n\n# news\n\n"
        "Made by `finetune 0.1.0` from `bert \"tiny\"`.\n\n## Data\n\n2,000 rows.\n\n## Command\n\n"
        "    tok -m bert 'news.csv'\n    finetune -m a|b\n\n## Hyper-parameters\n\n| name | value |\n"
        "|---|---|\n| learning_rate | 5e-05 |\n| a\\|b | x y |\n\n"
        "## Training results\n\n| step | loss |\n|---|---|\n| 10 | 0.7 |\n| 20 | 0.5 |\n\n## Evaluation\n\n| metric | value |\n"
        "|---|---|\n| eval_accuracy | 0.91 |\n| note | n/a |\n\n");
    free((char *)text.data);
    lm_card_write(&(lm_card){.program = "pretrain 0.1.0"}, to, &st);
    lm_bundle_publish(to, &st);
    assert_ok(&st);
    text = scratch_read(dir, "README.md");
    ck_assert_str_eq(text.data,
                     "---\nlibrary_name: transformers\ntags:\n- lmutils\n- generated_from_trainer\n---\n\n"
                     "# model\n\nMade by `pretrain 0.1.0` from random weights.\n\n");
    free((char *)text.data);
    scratch_discard(dir);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("model");
    TCase *c = tcase_create("models");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, new_models_have_the_fields_of_transformers);
    tcase_add_test(c, save_load_save_is_identical);
    tcase_add_test(c, initial_values_follow_the_seed);
    tcase_add_test(c, golden_directories_are_rewritten);
    tcase_add_test(c, weights_are_mapped_not_copied);
    tcase_add_test(c, heads_change);
    tcase_add_test(c, spoilt_tensors_are_named);
    tcase_add_test(c, a_spoilt_body_is_refused);
    tcase_add_test(c, stored_ties_do_not_count);
    tcase_add_test(c, trained_halves_are_saved_whole);
    tcase_add_test(c, bad_directories_are_refused);
    tcase_add_test(c, absurd_sizes_cost_nothing);
    tcase_add_test(c, shards);
    tcase_add_test(c, fixtures_from_the_wild);
    tcase_add_test(c, batches_are_checked);
    tcase_add_test(c, tokenizers_are_copied_and_compared);
    tcase_add_test(c, cards);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
