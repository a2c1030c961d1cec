/* The importance matrix of a model, beside what its first layers are known to read. */
#include "unit.h"

#include "metrics/importance.h"
#include "tensor/imatrix.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 24, TOKENS = 6 };

static const char bert[] = "{\"architectures\":[\"BertForMaskedLM\"],\"model_type\":\"bert\",\"vocab_size\":30,\"hidden_size\":24,"
                           "\"num_hidden_layers\":2,\"num_attention_heads\":2,\"intermediate_size\":40,\"max_position_embeddings\":16}";
static const char gpt2[] = "{\"architectures\":[\"GPT2LMHeadModel\"],\"model_type\":\"gpt2\",\"vocab_size\":30,\"n_embd\":24,\"n_layer\":1,"
                           "\"n_head\":2,\"n_positions\":16}";

static const int32_t splits[] = {0, 2, 6}, ids[TOKENS] = {1, 2, 3, 29, 5, 1}, types[TOKENS], places[TOKENS] = {0, 1, 0, 1, 2, 3};
static const lm_batch batch = {2, TOKENS, splits, ids, types, places};

static lm_model *make(const char *config)
{
    lm_status st = LM_STATUS_INIT;
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    lm_config *c = lm_config_parse(lm_str_of(config), "config.json", &st);
    lm_model *m = c ? lm_model_create(c, &(lm_model_options){.seed = 3, .whole_config = true, .quiet = true}, &st) : NULL;
    assert_ok(&st);
    return m;
}

/* The sums of squares of what the embedding gives. */
static void see(void *context, int layer, const lm_tensor *x)
{
    double *sum = context;
    for (int i = 0; layer == 0 && i < x->rows * x->width; i++)
        sum[i % x->width] += (double)x->value[i] * (double)x->value[i];
}

static lm_imatrix *collect(const char *config, int times, double *sum)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = make(config);
    lm_graph *g = lm_graph_new(m->params);
    lm_importance *i = lm_importance_new(m, g, &st);
    assert_ok(&st);
    for (int k = 0; k < times; k++) {
        lm_graph_begin(g, &batch, (lm_step){0});
        lm_select select = {.token_logits = true, .tap = see, .tap_context = sum};
        lm_outputs out = lm_model_forward(m, g, &batch, &select);
        lm_tensor_read(g, out.token_logits);
        lm_graph_end(g, &st);
        assert_ok(&st);
    }
    char path[] = "/tmp/lmutils-check-XXXXXX";
    int fd = mkstemp(path);
    ck_assert(lm_importance_write(i, "rows", fd, path, &st));
    close(fd);
    lm_imatrix *read = lm_imatrix_read(path, &st);
    unlink(path);
    assert_ok(&st);
    lm_importance_free(i);
    lm_graph_free(g);
    lm_model_free(m);
    return read;
}

START_TEST(what_layers_read)
{
    lm_status st = LM_STATUS_INIT;
    static const char *const first[] = {"blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"};
    double sum[WIDTH] = {0};
    lm_imatrix *m = collect(bert, 3, sum);
    const float *mean, *value = NULL;
    ck_assert_uint_eq(lm_imatrix_count(m), 12); /* six matrices of each block: neither head nor embedding */
    for (size_t i = 0; i < lm_imatrix_count(m); i++)
        ck_assert(strncmp(lm_imatrix_at(m, i)->name, "blk.", 4) == 0 && lm_imatrix_at(m, i)->count == 3 * TOKENS);
    for (int i = 0; i < 3; i++) {
        ck_assert(lm_imatrix_mean(m, first[i], WIDTH, &mean, &st) && mean);
        for (int c = 0; c < WIDTH; c++)
            ck_assert_double_eq_tol((double)mean[c], sum[c] / (3 * TOKENS), 1e-6 * sum[c]);
        value = value ? value : mean;
        ck_assert(memcmp(mean, value, WIDTH * sizeof *mean) == 0);
    }
    ck_assert(lm_imatrix_mean(m, "blk.1.ffn_down.weight", 40, &mean, &st) && mean);
    lm_imatrix_free(m);
}
END_TEST

START_TEST(fused_and_turned)
{
    double sum[WIDTH] = {0};
    lm_imatrix *m = collect(gpt2, 1, sum);
    static const char *const names[] = {"blk.0.attn_output.weight", "blk.0.attn_qkv.weight", "blk.0.ffn_down.weight",
                                        "blk.0.ffn_up.weight"};
    static const size_t columns[] = {WIDTH, WIDTH, 4 * WIDTH, WIDTH};
    ck_assert_uint_eq(lm_imatrix_count(m), 4);
    for (size_t i = 0; i < 4; i++) { /* queries, keys and values are parts of one matrix, whose rows count once */
        ck_assert_str_eq(lm_imatrix_at(m, i)->name, names[i]);
        ck_assert_uint_eq(lm_imatrix_at(m, i)->columns, columns[i]);
        ck_assert(lm_imatrix_at(m, i)->count == TOKENS);
    }
    lm_imatrix_free(m);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("importance");
    TCase *t = tcase_create("importance");
    tcase_add_test(t, what_layers_read);
    tcase_add_test(t, fused_and_turned);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
