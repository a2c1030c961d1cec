/* What the families of BERT's kin differ in, where no golden says it: layers that share their parameters,
 * narrow embeddings, positions past the padding's, names of config.json and of classes. */
#include "unit.h"

#include "base/memory.h"
#include "model/model.h"

#include <math.h>
#include <string.h>

#define LIMIT 1e-5

static lm_model *create(const char *json, const char *task)
{
    lm_status st = LM_STATUS_INIT;
    lm_config *c = lm_config_parse(lm_str_of(json), "c", &st);
    assert_ok(&st);
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    lm_model *m = lm_model_create(c, &(lm_model_options){.task = task}, &st);
    assert_ok(&st);
    return m;
}

/* Element i of a parameter: 0.5 sin(k + 1.7 i), one more in a norm's weight; k is the sum of its name's
 * bytes. */
static void fill(lm_model *m)
{
    lm_status st = LM_STATUS_INIT;
    for (size_t n = 0; n < lm_params_count(m->params); n++) {
        lm_param *p = lm_params_at(m->params, n);
        ck_assert(lm_param_train(p, true, &st)); /* its values are its own from here on */
        int k = 0;
        for (const char *s = p->name; *s; s++)
            k += *s;
        for (size_t i = 0; i < p->elements; i++)
            p->value[i] = (float)((strstr(p->name, "orm.weight") != NULL) + 0.5 * sin(k + 1.7 * (double)i));
    }
    assert_ok(&st);
}

static const int32_t splits[] = {0, 3, 9};
static const int32_t ids[] = {2, 7, 3, 2, 5, 9, 3, 11, 3};
static const int32_t types[] = {0, 0, 0, 0, 0, 0, 0, 1, 1};
static const int32_t positions[] = {0, 1, 2, 0, 1, 2, 3, 4, 5};
static const lm_batch batch = {2, 9, splits, ids, types, positions};

#define SIZES                                                                                                \
    "\"vocab_size\":20,\"embedding_size\":4,\"hidden_size\":8,\"intermediate_size\":12,\"num_hidden_"        \
    "layers\":3,"                                                                                            \
    "\"num_attention_heads\":2,\"max_position_embeddings\":10"
#define ELECTRA "{\"model_type\":\"electra\"," SIZES "}"
#define ALBERT  "{\"model_type\":\"albert\",\"num_hidden_groups\":2,\"inner_group_num\":2," SIZES "}"

/* The logits of both rows; where tokens have them the first four of each row's last. Computed in float64 by
 * another program, written from the papers and from transformers' names. */
static const struct {
    const char *config, *task, *architecture;
    int columns;
    float want[2][4];
} cases[] = {
    {ELECTRA,
     "classify",
     "ElectraForSequenceClassification",
     2,
     {{-0.999456f, 0.139362f}, {-0.989839f, 0.145526f}}},
    {ELECTRA,
     "mlm",
     "ElectraForMaskedLM",
     4,
     {{0.723806f, 1.441255f, 0.833188f, 0.436683f}, {0.355366f, 1.185430f, 0.756801f, 0.559687f}}},
    {ALBERT,
     "classify",
     "AlbertForSequenceClassification",
     2,
     {{0.768238f, -0.564997f}, {0.759562f, -0.519404f}}},
    {ALBERT,
     "mlm",
     "AlbertForMaskedLM",
     4,
     {{-0.210283f, -0.318662f, 0.633139f, 1.497081f}, {-0.079011f, -0.185173f, 0.733978f, 1.538930f}}}};

START_TEST(logits)
{
    lm_model *m = create(cases[_i].config, cases[_i].task);
    ck_assert_str_eq(m->architecture, cases[_i].architecture);
    fill(m);
    lm_graph *g = lm_graph_new(m->params);
    lm_status st = LM_STATUS_INIT;
    lm_graph_begin(g, &batch, (lm_step){0});
    bool tokens = m->head->tokens != NULL;
    lm_outputs out =
        lm_model_forward(m, g, &batch, &(lm_select){.token_logits = tokens, .row_logits = !tokens});
    lm_tensor *t = tokens ? out.token_logits : out.row_logits;
    const float *have = lm_tensor_read(g, t);
    ck_assert(lm_graph_end(g, &st));
    for (int r = 0; r < batch.rows; r++) {
        const float *row = have + (size_t)(tokens ? splits[r + 1] - 1 : r) * (size_t)t->width;
        for (int k = 0; k < cases[_i].columns; k++)
            ck_assert_msg(fabs((double)(row[k] - cases[_i].want[r][k])) <= LIMIT, "%s: row %d, column %d: %f",
                          cases[_i].architecture, r, k, (double)row[k]);
    }
    lm_graph_free(g);
    lm_model_free(m);
}
END_TEST

/* Three layers in two groups: the first two are the first group's. */
START_TEST(groups_share_their_parameters)
{
    static const char *const stored[] = {"0", "0", "1"};
    lm_model *m = create(ALBERT, "base");
    for (int i = 0; i < 3; i++) {
        lm_scope block = lm_model_block(m, i);
        ck_assert_str_eq(strrchr(block.name, '.') + 1, stored[i]);
        ck_assert(lm_params_find(m->params, lm_in(block, "albert_layers.1.ffn.weight").name) != NULL);
    }
    ck_assert(!lm_params_find(m->params, "encoder.albert_layer_groups.2.albert_layers.0.ffn.weight"));
    lm_model_free(m);
}
END_TEST

START_TEST(positions_count_from_the_padding)
{
    static const int32_t some[] = {0, 5, 2, 0, 1, 1, 4, 1, 2};
    static const int32_t want[] = {2, 3, 4, 2, 1,
                                   1, 3, 1, 4}; /* the padding's own is 1, and it is not counted */
    lm_batch b = batch;
    b.ids = some;
    lm_params *none = lm_params_new();
    lm_graph *g = lm_graph_new(none);
    lm_status st = LM_STATUS_INIT;
    lm_graph_begin(g, &b, (lm_step){0});
    ck_assert(!memcmp(lm_positions_past_padding(g, &b, 1), want, sizeof want));
    ck_assert(lm_graph_end(g, &st));
    lm_graph_free(g);
    lm_params_free(none);
}
END_TEST

/* A model has room for as many tokens as positions past the padding's, and the class of its type. */
START_TEST(types_have_classes_of_their_own)
{
    static const char *const wanted[][2] = {{"roberta", "RobertaForTokenClassification"},
                                            {"xlm-roberta", "XLMRobertaForTokenClassification"},
                                            {"camembert", "CamembertForTokenClassification"}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char *json = lm_format("{\"model_type\":\"%s\"," SIZES ",\"pad_token_id\":1}", wanted[i][0]);
        lm_model *m = create(json, "tag");
        ck_assert_str_eq(m->architecture, wanted[i][1]);
        ck_assert_str_eq(lm_config_first(m->config, "architectures"), wanted[i][1]);
        ck_assert_int_eq(m->arch.max_length, 8);
        ck_assert_int_eq(lm_model_token_columns(m), 2);
        lm_model_free(m);
        free(json);
    }
}
END_TEST

/* BERT's names of sizes are taken for DistilBERT's, as transformers' attribute_map has it. */
START_TEST(members_are_renamed)
{
    lm_model *m =
        create("{\"model_type\":\"distilbert\",\"hidden_size\":8,\"n_heads\":2,\"num_hidden_layers\":1,"
               "\"hidden_dim\":12,\"vocab_size\":20}",
               "answer");
    ck_assert_int_eq(m->arch.width, 8);
    ck_assert_int_eq(m->arch.layers, 1);
    ck_assert_int_eq(lm_config_int(m->config, "dim", 0), 8);
    ck_assert(!lm_config_has(m->config, "hidden_size") && !lm_config_has(m->config, "num_hidden_layers"));
    ck_assert(!lm_params_find(m->params, "distilbert.embeddings.token_type_embeddings.weight"));
    ck_assert_int_eq(lm_model_token_columns(m), 2);
    ck_assert(!lm_model_has_pooler(m));
    lm_model_free(m);
}
END_TEST

START_TEST(sizes_have_to_fit)
{
    static const struct {
        const char *config, *says;
    } bad[] = {
        {"{\"model_type\":\"roberta\"," SIZES ",\"pad_token_id\":9}", "none is left for a token"},
        {"{\"model_type\":\"roberta\"," SIZES ",\"pad_token_id\":20}", "is not in the vocabulary"},
        {"{\"model_type\":\"albert\",\"num_hidden_groups\":4," SIZES "}", "cannot stand in 4 groups"},
        {"{\"model_type\":\"albert\",\"inner_group_num\":2147483647," SIZES "}", "cannot stand in"},
        {"{\"model_type\":\"albert\",\"num_hidden_groups\":0," SIZES "}", "has to be at least 1"},
        {"{\"model_type\":\"electra\",\"embedding_size\":0,\"vocab_size\":20}", "embedding_size"},
        {"{\"model_type\":\"distilbert\",\"dim\":7,\"n_heads\":2}", "no multiple of the number of heads"},
        {"{\"model_type\":\"distilbert\",\"n_layers\":100000}", "layers: at most"}};
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_config *c = lm_config_parse(lm_str_of(bad[i].config), "c", &st);
        ck_assert_ptr_null(lm_model_create(c, &(lm_model_options){.task = "mlm"}, &st));
        ck_assert_msg(strstr(st.message, bad[i].says) != NULL, "%s", st.message);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("bertlike");
    TCase *c = tcase_create("families");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, logits, 0, sizeof cases / sizeof *cases);
    tcase_add_test(c, groups_share_their_parameters);
    tcase_add_test(c, positions_count_from_the_padding);
    tcase_add_test(c, types_have_classes_of_their_own);
    tcase_add_test(c, members_are_renamed);
    tcase_add_test(c, sizes_have_to_fit);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
