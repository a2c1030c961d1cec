#include "adapted.h"
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

const char adapted_llama[] = "{\"model_type\":\"llama\",\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":16,"
                            "\"num_hidden_layers\":3,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"intermediate_size\":24,"
                            "\"vocab_size\":32,\"max_position_embeddings\":16,\"initializer_range\":0.3}";
const char adapted_gpt2[] = "{\"model_type\":\"gpt2\",\"architectures\":[\"GPT2LMHeadModel\"],\"n_embd\":16,\"n_layer\":2,\"n_head\":2,"
                           "\"n_inner\":24,\"vocab_size\":32,\"n_positions\":16,\"initializer_range\":0.3}";

lm_model *create(const char *config, const char *task, uint64_t seed)
{
    lm_status st = LM_STATUS_INIT;
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    lm_model *m = lm_model_create(lm_config_parse(lm_str_of(config), "config.json", &st),
                                  &(lm_model_options){.task = task, .seed = seed}, &st);
    assert_ok(&st);
    return m;
}

/* Saved in a new directory, and freed. */
char *saved(lm_model *m)
{
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_new();
    ck_assert_msg(lm_model_save(m, dir, &st), "%s", st.message);
    lm_model_free(m);
    return dir;
}

char *new_base(const char *config)
{
    return saved(create(config, NULL, 3));
}

lm_model *open_path(const char *path)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = lm_model_open(path, NULL, &st);
    assert_ok(&st);
    return m;
}

lm_model *open_both(const char *base, const char *adapter)
{
    char *path = lm_format("%s+%s", base, adapter);
    lm_model *m = open_path(path);
    free(path);
    return m;
}

char *written(lm_model *m)
{
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_new();
    lm_bundle_writer *w = lm_bundle_into(dir);
    ck_assert_msg(lm_adapter_write_config(m, NULL, w, &st) && lm_adapter_write_weights(m, w, NULL, &st), "%s", st.message);
    ck_assert(lm_bundle_publish(w, &st));
    return dir;
}

/* Adapts a model as a command line would say. */
bool adapt(lm_model *m, lm_adapter_options o, lm_model *original, lm_status *st)
{
    lm_adapter_config *c = lm_adapter_config_new(&o, st);
    return c && lm_model_adapt(m, c, 7, original, st);
}

enum { TOKENS = 6, VOCABULARY = 32 };

/* The logits of a row, [TOKENS, VOCABULARY]; malloced. */
static float *logits_of(lm_model *m)
{
    static const int32_t splits[] = {0, TOKENS}, ids[] = {1, 5, 9, 30, 2, 17}, types[TOKENS], places[] = {0, 1, 2, 3, 4, 5};
    static const lm_batch batch = {1, TOKENS, splits, ids, types, places};
    lm_status st = LM_STATUS_INIT;
    lm_graph *g = lm_graph_new(m->params);
    lm_graph_begin(g, &batch, (lm_step){0});
    lm_tensor *y = lm_model_forward(m, g, &batch, &(lm_select){.token_logits = true}).token_logits;
    float *logits = lm_malloc(TOKENS * VOCABULARY, sizeof *logits);
    memcpy(logits, lm_tensor_read(g, y), TOKENS * VOCABULARY * sizeof *logits);
    ck_assert_msg(lm_graph_end(g, &st), "%s", st.message);
    lm_graph_free(g);
    return logits;
}

static double difference(const float *a, const float *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

double apart(lm_model *a, lm_model *b)
{
    float *x = logits_of(a), *y = logits_of(b);
    double d = difference(x, y, TOKENS * VOCABULARY);
    free(x);
    free(y);
    return d;
}

/* Moves what is trained, as training would. */
void disturb(lm_model *m)
{
    lm_status st = LM_STATUS_INIT;
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        lm_param *p = lm_params_at(m->params, i);
        if (!lm_adapter_trains(m, p))
            continue;
        ck_assert(lm_param_train(p, true, &st));
        for (size_t k = 0; k < p->elements; k++)
            p->value[k] += 0.05f * (float)((int)((i * 31 + k * 17) % 13) - 6);
    }
}

/* An adapter of q_proj and v_proj, trained a little; the directory. */
char *new_adapter(const char *base, lm_adapter_options how)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = open_path(base);
    ck_assert_msg(adapt(m, how, NULL, &st), "%s", st.message);
    disturb(m);
    char *dir = written(m);
    lm_model_free(m);
    return dir;
}
