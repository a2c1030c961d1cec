#include "model/quantise/plan.h"

#include "base/memory.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ what is quantised at all */

static bool has(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

bool lm_plan_allows(const char *name, int dims, bool keep_output)
{
    static const char *const kept[] = {"_norm.weight", "ffn_gate_inp.weight", "attn_rel_b.weight", ".position_embd"};
    if (dims < 2 || !lm_ends_in(name, "weight"))
        return false;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (has(name, kept[i]))
            return false;
    return strcmp(name, "position_embd.weight") != 0 && strcmp(name, "token_types.weight") != 0 &&
           !(keep_output && strcmp(name, "output.weight") == 0);
}

/* ------------------------------------------------------------------ what a tensor is for */

typedef enum category { EMBEDDING, OUTPUT, ATTN_QKV, ATTN_V, ATTN_OUTPUT, FFN_DOWN, OTHER } category;

static category category_of(const char *name)
{
    static const struct {
        const char *part;
        category category;
    } parts[] = {{"attn_qkv.weight", ATTN_QKV}, {"attn_kv_b.weight", ATTN_V},  {"attn_v.weight", ATTN_V},
                 {"attn_k.weight", OTHER},      {"attn_q.weight", OTHER},      {"attn_output.weight", ATTN_OUTPUT},
                 {"ffn_up", OTHER},             {"ffn_gate", OTHER},           {"ffn_down", FFN_DOWN}};
    if (strcmp(name, "output.weight") == 0)
        return OUTPUT;
    if (strcmp(name, "token_embd.weight") == 0 || strcmp(name, "per_layer_token_embd.weight") == 0)
        return EMBEDDING;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (has(name, parts[i].part))
            return parts[i].category;
    return OTHER;
}

/* How far the walk over the tensors has come. */
typedef struct walk {
    const lm_plan_options *options;
    const lm_plan_facts *facts;
    bool tied;             /* there is no output matrix: the embedding is it */
    int values, value_at;  /* matrices of values in all, and so far */
    int down_at;
} walk;

/* The first and the last eighth of the layers, and every third of those between. */
static bool deserves_more_bits(int i, int n)
{
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

static lm_dtype type_of_values(const walk *w, lm_dtype type)
{
    lm_quantise_mix mix = w->options->type->mix;
    const lm_plan_facts *f = w->facts;
    int i = w->value_at, gqa = f->kv_heads ? f->heads / f->kv_heads : 1;
    bool more = deserves_more_bits(i, w->values);
    switch (mix) {
    case LM_MIX_Q2_K:
        type = gqa >= 4 ? LM_Q4_K : LM_Q3_K;
        break;
    case LM_MIX_Q2_K_S:
        type = gqa >= 4 ? LM_Q4_K : type;
        break;
    case LM_MIX_Q3_K_M:
        type = i < 2 ? LM_Q5_K : LM_Q4_K;
        break;
    case LM_MIX_Q3_K_L:
        type = LM_Q5_K;
        break;
    case LM_MIX_Q4_K_M:
    case LM_MIX_Q5_K_M:
        type = more ? LM_Q6_K : type;
        break;
    case LM_MIX_Q4_K_S:
        type = i < 4 ? LM_Q5_K : type;
        break;
    case LM_MIX_IQ4_NL:
        type = gqa >= 4 ? LM_Q5_K : type;
        break;
    default:
        break;
    }
    /* the eight heads that share a matrix of values in the 70B model */
    if (f->llama && f->layers == 80 && f->heads != f->kv_heads && (type == LM_Q3_K || type == LM_Q4_K))
        type = LM_Q5_K;
    return type;
}

static lm_dtype type_of_down(const walk *w, lm_dtype type)
{
    int i = w->down_at, n = w->facts->layers;
    switch (w->options->type->mix) {
    case LM_MIX_Q2_K:
        return LM_Q3_K;
    case LM_MIX_Q2_K_S:
        return i < n / 8 ? LM_Q4_K : type;
    case LM_MIX_Q3_K_M:
        return i < n / 16 ? LM_Q5_K : LM_Q4_K;
    case LM_MIX_Q3_K_L:
        return LM_Q5_K;
    case LM_MIX_Q4_K_M:
    case LM_MIX_Q5_K_M:
        return deserves_more_bits(i, n) ? LM_Q6_K : type;
    case LM_MIX_Q4_K_S:
        return i < n / 8 ? LM_Q5_K : type;
    case LM_MIX_IQ4_NL:
        return i < n / 8 && !w->facts->importance ? LM_Q5_K : type;
    default:
        /* with an importance matrix Q4_0 and Q5_0 can go astray in the first of them */
        if (w->facts->importance && i < n / 8 && (type == LM_Q4_0 || type == LM_Q5_0))
            return type == LM_Q4_0 ? LM_Q4_1 : LM_Q5_1;
        return type;
    }
}

/* The type that the mix gives to a tensor; counts it. */
static lm_dtype type_by_mix(walk *w, const lm_planned *t, lm_dtype type)
{
    lm_quantise_mix mix = w->options->type->mix;
    category c = category_of(t->name);
    int64_t width = t->shape.size[t->shape.dims - 1];
    if (c == OUTPUT || (c == EMBEDDING && w->tied))
        return width % lm_dtype_block(type) ? LM_Q8_0 : type == LM_Q8_0 ? type : LM_Q6_K;
    if (c == ATTN_V || c == ATTN_QKV) {
        type = type_of_values(w, type);
        w->value_at++;
    } else if (c == FFN_DOWN) {
        type = type_of_down(w, type);
        w->down_at++;
    } else if (c == ATTN_OUTPUT) {
        type = mix == LM_MIX_Q2_K ? LM_Q3_K : mix == LM_MIX_Q3_K_M ? LM_Q4_K : mix == LM_MIX_Q3_K_L ? LM_Q5_K : type;
    }
    return type;
}

lm_dtype lm_plan_fitting(lm_dtype type, int64_t width)
{
    if (width % lm_dtype_block(type) == 0)
        return type;
    lm_dtype smaller = type == LM_Q2_K || type == LM_Q3_K ? LM_Q4_0
                       : type == LM_Q4_K                  ? LM_Q5_0
                       : type == LM_Q5_K                  ? LM_Q5_1
                       : type == LM_Q6_K                  ? LM_Q8_0
                                                          : LM_F16;
    return width % lm_dtype_block(smaller) == 0 ? smaller : LM_F16;
}

/* ------------------------------------------------------------------ what the user says of single tensors */

typedef struct pattern {
    regex_t regex;
    lm_dtype type;
    bool matched;
} pattern;

static bool read_type(const char *option, const char *name, lm_dtype *type, lm_status *st)
{
    return lm_quantise_dtype(name, type) ||
           lm_fail(st, LM_USAGE, "%s %s: no type of a tensor: give f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q2_k, q3_k, "
                   "q4_k, q5_k, q6_k or iq4_nl", option, name);
}

static bool compile(const char *text, pattern *p, lm_status *st)
{
    const char *equals = strrchr(text, '=');
    char why[128];
    if (!equals || equals == text)
        return lm_fail(st, LM_USAGE, "--tensor-type %s: give REGEX=TYPE, such as attn_v=q6_k", text);
    if (!read_type("--tensor-type", equals + 1, &p->type, st))
        return false;
    char *regex = lm_strndup(text, (size_t)(equals - text));
    int code = regcomp(&p->regex, regex, REG_EXTENDED | REG_NOSUB);
    free(regex);
    if (code == 0)
        return true;
    regerror(code, &p->regex, why, sizeof why);
    return lm_fail(st, LM_USAGE, "--tensor-type %s: %s: give an extended regular expression (regex(7))", text, why);
}

static pattern *find_pattern(pattern *patterns, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (regexec(&patterns[i].regex, name, 0, NULL, 0) == 0)
            return &patterns[i];
    return NULL;
}

static bool check_matched(const pattern *patterns, const lm_plan_options *o, const lm_planned *tensors, size_t count, lm_status *st)
{
    for (size_t i = 0; i < o->tensor_types.count; i++) {
        if (patterns[i].matched)
            continue;
        lm_buf some = {0};
        int shown = 0;
        for (size_t k = 0; k < count && shown < 6; k++)
            if (tensors[k].quantisable)
                lm_buf_printf(&some, "%s%s", shown++ ? ", " : "", tensors[k].name);
        lm_fail(st, LM_USAGE, "--tensor-type %s: no tensor that can be quantised is called so (or an expression before it took "
                "them): there are %s ...", o->tensor_types.items[i], lm_buf_cstr(&some));
        lm_buf_free(&some);
    }
    return lm_ok(st);
}

/* ------------------------------------------------------------------ the walk */

static int block_of(const char *name)
{
    int i;
    return sscanf(name, "blk.%d.", &i) == 1 ? i : -1;
}

/* llama.cpp's loader orders tensors so, and the rules count in that order. */
static int by_block(const void *x, const void *y)
{
    const lm_planned *const *a = x, *const *b = y;
    int i = block_of((*a)->name), k = block_of((*b)->name);
    return i != k ? (i > k) - (i < k) : strcmp((*a)->name, (*b)->name);
}

static void plan_one(walk *w, lm_planned *t, pattern *patterns, const lm_dtype *output, const lm_dtype *embedding)
{
    const lm_plan_options *o = w->options;
    lm_dtype type = o->type->dtype;
    category c = category_of(t->name);
    pattern *p = find_pattern(patterns, o->tensor_types.count, t->name);
    t->named = p || (c == EMBEDDING && embedding) || (c == OUTPUT && output);
    if (c == EMBEDDING && embedding)
        type = *embedding;
    else if (c == OUTPUT && output)
        type = *output;
    else if (p)
        type = p->type;
    else if (c == EMBEDDING && w->tied && output)
        type = *output;
    else if (!o->pure && lm_dtype_block(type) > 1)
        type = type_by_mix(w, t, type);
    if (p)
        p->matched = true;
    t->wanted = type;
    t->to = lm_plan_fitting(type, t->shape.size[t->shape.dims - 1]);
}

static bool walk_all(walk *w, lm_planned *tensors, size_t count, pattern *patterns, lm_status *st)
{
    const lm_plan_options *o = w->options;
    lm_dtype output, embedding;
    if ((o->output_type && !read_type("--output-tensor-type", o->output_type, &output, st)) ||
        (o->embedding_type && !read_type("--token-embedding-type", o->embedding_type, &embedding, st)))
        return false;
    lm_planned **order = lm_malloc(count, sizeof *order);
    w->tied = true;
    for (size_t i = 0; i < count; i++) {
        lm_planned *t = order[i] = &tensors[i];
        category c = category_of(t->name);
        w->tied &= c != OUTPUT;
        w->values += c == ATTN_V || c == ATTN_QKV;
        t->quantisable = !t->fixed && lm_plan_allows(t->name, t->shape.dims, o->keep_output);
        t->to = t->wanted = w->facts->keep_types ? t->from : LM_F32;
    }
    qsort(order, count, sizeof *order, by_block);
    for (size_t i = 0; i < count; i++)
        if (order[i]->quantisable)
            plan_one(w, order[i], patterns, o->output_type ? &output : NULL, o->embedding_type ? &embedding : NULL);
    free(order);
    return check_matched(patterns, o, tensors, count, st);
}

bool lm_plan_types(lm_planned *tensors, size_t count, const lm_plan_options *options, const lm_plan_facts *facts, lm_status *st)
{
    size_t n = options->tensor_types.count, compiled = 0;
    pattern *patterns = lm_calloc(n + 1, sizeof *patterns);
    while (compiled < n && compile(options->tensor_types.items[compiled], &patterns[compiled], st))
        compiled++;
    if (lm_ok(st) && options->type->mix == LM_MIX_Q2_K_S && !facts->importance)
        lm_fail(st, LM_USAGE, "-t q2_k_s: needs --imatrix: without one its models are of no use");
    walk w = {.options = options, .facts = facts};
    if (lm_ok(st))
        walk_all(&w, tensors, count, patterns, st);
    for (size_t i = 0; i < compiled; i++)
        regfree(&patterns[i].regex);
    free(patterns);
    return lm_ok(st);
}

/* ------------------------------------------------------------------ facts */

static int first_int(lm_config *c, const char *const *keys)
{
    for (; *keys; keys++)
        if (json_is_integer(lm_config_member(c, *keys)))
            return (int)json_integer_value(lm_config_member(c, *keys));
    return 0;
}

void lm_plan_facts_of(lm_config *c, lm_plan_facts *facts)
{
    static const char *const layers[] = {"num_hidden_layers", "n_layer", "num_layers", "n_layers", NULL},
                             *const heads[] = {"num_attention_heads", "n_head", "num_heads", "n_heads", NULL},
                             *const kv_heads[] = {"num_key_value_heads", NULL};
    facts->layers = first_int(c, layers);
    facts->heads = first_int(c, heads);
    facts->kv_heads = first_int(c, kv_heads);
}
