/* Which type each tensor becomes. The expected ones are those that llama.cpp's own llama_model_quantize gave to models of 17 layers. */
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "model/quantise/plan.h"

#include <string.h>

enum { LAYERS = 17, WIDTH = 256 };

/* A model: eight heads over two of values, or over eight with tied embeddings, or GPT-2's. */
typedef enum kind { GROUPED, TIED, FUSED } kind;

typedef struct tensors {
    lm_planned *list;
    size_t count, cap;
} tensors;

static void add(tensors *t, char *name, int dims, int64_t width)
{
    LM_GROW(t->list, t->count, t->cap);
    t->list[t->count] = (lm_planned){.name = name, .shape = {dims, {dims == 1 ? width : 8, width}}, .from = LM_BF16};
    t->count++;
}

static tensors tensors_of(kind k, int64_t width)
{
    static const char *const separate[] = {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down", NULL},
                             *const fused[] = {"attn_qkv", "attn_output", "ffn_up", "ffn_down", NULL};
    tensors t = {0};
    add(&t, lm_strdup("token_embd.weight"), 2, width);
    add(&t, lm_strdup("position_embd.weight"), 2, width);
    add(&t, lm_strdup("output_norm.weight"), 1, width);
    if (k == GROUPED)
        add(&t, lm_strdup("output.weight"), 2, width);
    for (int i = LAYERS; i-- > 0;) { /* backwards: the rules do not go by the order that is given */
        for (const char *const *name = k == FUSED ? fused : separate; *name; name++) {
            add(&t, lm_format("blk.%d.%s.weight", i, *name), 2, width);
            add(&t, lm_format("blk.%d.%s.bias", i, *name), 1, width);
        }
        add(&t, lm_format("blk.%d.attn_norm.weight", i), 2, width);
    }
    return t;
}

static void tensors_free(tensors *t)
{
    for (size_t i = 0; i < t->count; i++)
        free((char *)t->list[i].name);
    free(t->list);
}

static const lm_quantise_type *type_of(const char *name)
{
    for (const lm_quantise_type *t = lm_quantise_types; t->name; t++)
        if (strcmp(t->name, name) == 0)
            return t;
    ck_abort_msg("no type %s", name);
}

static lm_plan_facts facts_of(kind k)
{
    return (lm_plan_facts){.layers = LAYERS, .heads = 8, .kv_heads = k == GROUPED ? 2 : 8};
}

static const lm_planned *find(const tensors *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->list[i].name, name) == 0)
            return &t->list[i];
    ck_abort_msg("no tensor %s", name);
}

/* The digit of a type: of Q4_K its bits, 8 of Q8_0, a of Q4_0, Q of IQ4_NL. */
static char sign_of(lm_dtype t)
{
    return t == LM_Q4_0 ? 'a' : lm_dtype_name(t)[1];
}

static void assert_layers(const tensors *t, const char *part, const char *expected, const char *type)
{
    char got[LAYERS + 1] = "";
    for (int i = 0; i < LAYERS; i++) {
        char *name = lm_format("blk.%d.%s.weight", i, part);
        got[i] = sign_of(find(t, name)->to);
        free(name);
    }
    ck_assert_msg(memcmp(got, expected, LAYERS) == 0, "%s %s: %.17s instead of %s", type, part, got, expected);
}

static const struct {
    kind kind;
    const char *type, *ends, *values, *outputs, *downs, *ups; /* ends: embedding and output */
} expected[] = {
    {GROUPED, "q2_k", "26", "44444444444444444", "33333333333333333", "33333333333333333", "22222222222222222"},
    {GROUPED, "q3_k_s", "36", "33333333333333333", "33333333333333333", "33333333333333333", "33333333333333333"},
    {GROUPED, "q3_k_m", "36", "55444444444444444", "44444444444444444", "54444444444444444", "33333333333333333"},
    {GROUPED, "q3_k_l", "36", "55555555555555555", "55555555555555555", "55555555555555555", "33333333333333333"},
    {GROUPED, "q4_k_s", "46", "55554444444444444", "44444444444444444", "55444444444444444", "44444444444444444"},
    {GROUPED, "q4_k_m", "46", "66446446446446666", "44444444444444444", "66446446446446666", "44444444444444444"},
    {GROUPED, "q5_k_s", "56", "55555555555555555", "55555555555555555", "55555555555555555", "55555555555555555"},
    {GROUPED, "q5_k_m", "56", "66556556556556666", "55555555555555555", "66556556556556666", "55555555555555555"},
    {GROUPED, "q8_0", "88", "88888888888888888", "88888888888888888", "88888888888888888", "88888888888888888"},
    {GROUPED, "q4_0", "a6", "aaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaa"},
    {GROUPED, "iq4_nl", "Q6", "55555555555555555", "QQQQQQQQQQQQQQQQQ", "55QQQQQQQQQQQQQQQ", "QQQQQQQQQQQQQQQQQ"},
    {TIED, "iq4_nl", "6", "QQQQQQQQQQQQQQQQQ", "QQQQQQQQQQQQQQQQQ", "55QQQQQQQQQQQQQQQ", "QQQQQQQQQQQQQQQQQ"},
    {TIED, "q2_k", "6", "33333333333333333", "33333333333333333", "33333333333333333", "22222222222222222"},
    {TIED, "q4_k_m", "6", "66446446446446666", "44444444444444444", "66446446446446666", "44444444444444444"},
    {TIED, "q8_0", "8", "88888888888888888", "88888888888888888", "88888888888888888", "88888888888888888"},
    {FUSED, "q3_k_m", "6", "55444444444444444", "44444444444444444", "54444444444444444", "33333333333333333"},
    {FUSED, "q4_k_m", "6", "66446446446446666", "44444444444444444", "66446446446446666", "44444444444444444"},
    {FUSED, "q4_0", "6", "aaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaa"},
};

START_TEST(mixes)
{
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        lm_status st = LM_STATUS_INIT;
        kind k = expected[i].kind;
        tensors t = tensors_of(k, WIDTH);
        lm_plan_facts facts = facts_of(k);
        const char *type = expected[i].type;
        ck_assert(lm_plan_types(t.list, t.count, &(lm_plan_options){.type = type_of(type)}, &facts, &st));
        ck_assert_int_eq(sign_of(find(&t, "token_embd.weight")->to), expected[i].ends[0]);
        if (k == GROUPED)
            ck_assert_int_eq(sign_of(find(&t, "output.weight")->to), expected[i].ends[1]);
        assert_layers(&t, k == FUSED ? "attn_qkv" : "attn_v", expected[i].values, type);
        assert_layers(&t, "attn_output", expected[i].outputs, type);
        assert_layers(&t, "ffn_down", expected[i].downs, type);
        assert_layers(&t, "ffn_up", expected[i].ups, type);
        const char *const floats[] = {"position_embd.weight", "output_norm.weight", "blk.3.attn_norm.weight", "blk.3.ffn_up.bias"};
        for (size_t f = 0; f < sizeof floats / sizeof *floats; f++)
            ck_assert_int_eq(find(&t, floats[f])->to, LM_F32);
        tensors_free(&t);
    }
}
END_TEST

/* With an importance matrix the first of Q4_0's layers are Q4_1; what is no matrix stays as it is in a GGUF file. */
START_TEST(circumstances)
{
    lm_status st = LM_STATUS_INIT;
    tensors t = tensors_of(GROUPED, WIDTH);
    lm_plan_facts facts = facts_of(GROUPED);
    facts.importance = facts.keep_types = true;
    ck_assert(lm_plan_types(t.list, t.count, &(lm_plan_options){.type = type_of("q4_0")}, &facts, &st));
    ck_assert_int_eq(find(&t, "blk.1.ffn_down.weight")->to, LM_Q4_1);
    ck_assert_int_eq(find(&t, "blk.2.ffn_down.weight")->to, LM_Q4_0);
    ck_assert_int_eq(find(&t, "output_norm.weight")->to, LM_BF16);
    ck_assert(lm_plan_types(t.list, t.count, &(lm_plan_options){.type = type_of("q2_k_s")}, &facts, &st));
    facts.importance = false;
    ck_assert(!lm_plan_types(t.list, t.count, &(lm_plan_options){.type = type_of("q2_k_s")}, &facts, &st));
    assert_says(&st, "needs --imatrix");
    /* the 70B model of Llama */
    facts.llama = true;
    facts.layers = 80;
    ck_assert(lm_plan_types(t.list, t.count, &(lm_plan_options){.type = type_of("q3_k_s")}, &facts, &st));
    ck_assert_int_eq(find(&t, "blk.9.attn_v.weight")->to, LM_Q5_K);
    tensors_free(&t);
}
END_TEST

START_TEST(blocks_that_do_not_fit)
{
    static const struct {
        lm_dtype type, of_32, of_30;
    } cases[] = {{LM_Q2_K, LM_Q4_0, LM_F16}, {LM_Q3_K, LM_Q4_0, LM_F16}, {LM_Q4_K, LM_Q5_0, LM_F16}, {LM_Q5_K, LM_Q5_1, LM_F16},
                 {LM_Q6_K, LM_Q8_0, LM_F16}, {LM_Q8_0, LM_Q8_0, LM_F16}, {LM_Q4_0, LM_Q4_0, LM_F16}, {LM_BF16, LM_BF16, LM_BF16}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(lm_plan_fitting(cases[i].type, 512), cases[i].type);
        ck_assert_int_eq(lm_plan_fitting(cases[i].type, 96), cases[i].of_32);
        ck_assert_int_eq(lm_plan_fitting(cases[i].type, 30), cases[i].of_30);
    }
    lm_status st = LM_STATUS_INIT;
    tensors t = tensors_of(GROUPED, 96);
    lm_plan_facts facts = facts_of(GROUPED);
    ck_assert(lm_plan_types(t.list, t.count, &(lm_plan_options){.type = type_of("q4_k_m")}, &facts, &st));
    const lm_planned *values = find(&t, "blk.0.attn_v.weight");
    ck_assert_int_eq(values->to, LM_Q8_0);
    ck_assert_int_eq(values->wanted, LM_Q6_K);
    ck_assert_int_eq(find(&t, "blk.2.attn_v.weight")->to, LM_Q5_0);
    ck_assert_int_eq(find(&t, "output.weight")->to, LM_Q8_0);
    tensors_free(&t);
}
END_TEST

START_TEST(single_tensors)
{
    lm_status st = LM_STATUS_INIT;
    const char *patterns[] = {"blk\\.(0|1)\\.ffn_up=q6_k", "ffn_up=Q3_K"};
    lm_plan_options o = {.type = type_of("q4_0"), .tensor_types = {patterns, 2, 2}, .output_type = "f16", .embedding_type = "q5_1"};
    lm_plan_facts facts = facts_of(GROUPED);
    tensors t = tensors_of(GROUPED, WIDTH);
    ck_assert(lm_plan_types(t.list, t.count, &o, &facts, &st));
    ck_assert_int_eq(find(&t, "blk.1.ffn_up.weight")->to, LM_Q6_K);
    ck_assert_int_eq(find(&t, "blk.2.ffn_up.weight")->to, LM_Q3_K);
    ck_assert_int_eq(find(&t, "blk.2.ffn_down.weight")->to, LM_Q4_0);
    ck_assert_int_eq(find(&t, "output.weight")->to, LM_F16);
    ck_assert_int_eq(find(&t, "token_embd.weight")->to, LM_Q5_1);
    o = (lm_plan_options){.type = type_of("q4_k_m"), .pure = true, .keep_output = true};
    ck_assert(lm_plan_types(t.list, t.count, &o, &facts, &st));
    ck_assert_int_eq(find(&t, "blk.0.attn_v.weight")->to, LM_Q4_K);
    ck_assert_int_eq(find(&t, "token_embd.weight")->to, LM_Q4_K);
    ck_assert_int_eq(find(&t, "output.weight")->to, LM_F32);
    tensors_free(&t);
}
END_TEST

START_TEST(mistakes)
{
    static const struct {
        const char *pattern, *output, *says;
    } cases[] = {{"ffn_up", NULL, "give REGEX=TYPE"},
                 {"ffn_up=q9", NULL, "no type of a tensor"},
                 {"ffn_up=nf4", NULL, "no type of a tensor"},
                 {"(=q8_0", NULL, "regular expression"},
                 {"mlp=q8_0", NULL, "no tensor that can be quantised is called so"},
                 {"attn_norm=q8_0", NULL, "no tensor that can be quantised is called so"},
                 {"ffn_up=q8_0", "int4", "--output-tensor-type int4"}};
    tensors t = tensors_of(GROUPED, WIDTH);
    lm_plan_facts facts = facts_of(GROUPED);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_status st = LM_STATUS_INIT;
        const char *patterns[] = {cases[i].pattern};
        lm_plan_options o = {.type = type_of("q4_0"), .tensor_types = {patterns, 1, 1}, .output_type = cases[i].output};
        ck_assert(!lm_plan_types(t.list, t.count, &o, &facts, &st));
        ck_assert_int_eq(st.code, LM_USAGE);
        assert_says(&st, cases[i].says);
    }
    tensors_free(&t);
}
END_TEST

/* The names of options are those of the table. */
START_TEST(names)
{
    size_t n = 0;
    for (; lm_quantise_types[n].name; n++)
        ck_assert_str_eq(lm_quantise_types[n].name, lm_quantise_type_names[n]);
    ck_assert_ptr_null(lm_quantise_type_names[n]);
    for (size_t i = 0; lm_quantise_type_synonyms[i]; i += 2)
        type_of(lm_quantise_type_synonyms[i + 1]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("quantise");
    TCase *c = tcase_create("plan");
    tcase_add_test(c, mixes);
    tcase_add_test(c, circumstances);
    tcase_add_test(c, blocks_that_do_not_fit);
    tcase_add_test(c, single_tensors);
    tcase_add_test(c, mistakes);
    tcase_add_test(c, names);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
