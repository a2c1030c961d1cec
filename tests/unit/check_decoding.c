/* Rows that are read piece by piece give what whole rows give: attention of every kind over what is kept, and models. */
#include "unit.h"

#include "base/atomic.h"
#include "base/threads.h"
#include "graph/graph.h"
#include "model/config.h"
#include "model/decode.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 5, HEADS = 4, BUCKETS = 8 };

static const int lengths[ROWS] = {40, 0, 1, 75, 9};
static uint32_t state;

static uint32_t number(uint32_t below)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

static void *copy(const void *from, size_t bytes)
{
    return memcpy(malloc(bytes + 1), from, bytes);
}

/* ------------------------------------------------------------------ rows and pieces of them */

/* Where in its row each piece of a step begins, and how many tokens it has. */
typedef struct piece {
    int rows;
    int from[ROWS], count[ROWS];
    int32_t splits[ROWS + 1];
} piece;

typedef int (*schedule)(int row, int read); /* how many tokens a row reads next */

static int all_at_once(int row, int read)
{
    return lengths[row] - read;
}

static int prefix_then_one(int row, int read)
{
    return read == 0 && lengths[row] > 6 ? lengths[row] - 6 : 1;
}

static int sevens(int row, int read)
{
    (void)row, (void)read;
    return 7;
}

static int anything(int row, int read) /* some rows wait now and then */
{
    (void)row, (void)read;
    return (int)(number(3) ? number(9) : number(40));
}

static const schedule schedules[] = {all_at_once, prefix_then_one, sevens, anything};
enum { SCHEDULES = sizeof schedules / sizeof *schedules };

/* The next piece of all rows; false where they are at their ends. */
static bool next(piece *p, schedule how)
{
    bool more = false;
    p->rows = ROWS;
    for (int r = 0; r < ROWS; r++) {
        p->from[r] += p->count[r];
        int left = lengths[r] - p->from[r], want = how(r, p->from[r]);
        p->count[r] = want < left ? want : left;
        more = more || left > 0;
        p->splits[r + 1] = p->splits[r] + p->count[r];
    }
    return more;
}

static int whole_start(int row)
{
    int at = 0;
    for (int r = 0; r < row; r++)
        at += lengths[r];
    return at;
}

/* The rows of a piece out of a matrix of whole rows; or back to where they come from. */
static float *cut(const piece *p, const float *whole, size_t width)
{
    float *values = malloc(((size_t)p->splits[p->rows] * width + 1) * sizeof *values);
    for (int r = 0; r < p->rows; r++)
        memcpy(values + (size_t)p->splits[r] * width, whole + (size_t)(whole_start(r) + p->from[r]) * width,
               (size_t)p->count[r] * width * sizeof *values);
    return values;
}

static void paste(const piece *p, const float *values, float *whole, size_t width)
{
    for (int r = 0; r < p->rows; r++)
        memcpy(whole + (size_t)(whole_start(r) + p->from[r]) * width, values + (size_t)p->splits[r] * width,
               (size_t)p->count[r] * width * sizeof *whole);
}

static void near(const char *what, const float *got, const float *want, size_t n, double limit)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - want[i]) <= limit, "%s: element %zu is %.9g, not %.9g", what, i,
                      (double)got[i], (double)want[i]);
}

/* ------------------------------------------------------------------ attention */

typedef struct kind {
    const char *name;
    lm_attn how;
    int dim;
    bool relative, memory; /* memory: keys and values are those of another text, given once */
} kind;

static const kind kinds[] = {
    {"causal", {.heads = HEADS, .causal = true}, 8, false, false},
    {"few heads of keys", {.heads = HEADS, .kv_heads = 2, .causal = true, .scale = 0.3}, 20, false, false},
    {"one head of keys", {.heads = HEADS, .kv_heads = 1, .causal = true}, 16, false, false},
    {"window", {.heads = HEADS, .kv_heads = 2, .causal = true, .window = 5}, 8, false, false},
    {"large window", {.heads = HEADS, .causal = true, .window = 33}, 8, false, false},
    {"by distance",
     {.heads = HEADS, .causal = true, .scale = 1, .relative_distance = 20, .relative_one_sided = true}, 8, true, false},
    {"memory", {.heads = HEADS, .kv_heads = 2}, 12, false, true},
};
enum { KINDS = sizeof kinds / sizeof *kinds, MEMORY = 30 };

typedef struct inputs {
    size_t wq, wk; /* widths of queries, of keys and values */
    float *q, *k, *v;
    lm_params *params; /* the bias by distance, and what the memory is looked up in */
} inputs;

static float *some(size_t n)
{
    float *v = malloc((n + 1) * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = (float)number(4001) * 1e-3f - 2;
    return v;
}

static inputs inputs_new(const kind *k)
{
    int kv_heads = k->how.kv_heads ? k->how.kv_heads : k->how.heads;
    inputs in = {.wq = (size_t)(k->how.heads * k->dim), .wk = (size_t)(kv_heads * k->dim)};
    size_t tokens = (size_t)whole_start(ROWS);
    lm_status st = LM_STATUS_INIT;
    state = 5;
    in.q = some(tokens * in.wq);
    in.k = some(tokens * in.wk);
    in.v = some(tokens * in.wk);
    in.params = lm_params_new();
    lm_declare *d = lm_declare_begin(in.params);
    lm_declare_embedding(d, (lm_scope){"distance"}, BUCKETS, HEADS, 1, -1);
    lm_declare_embedding(d, (lm_scope){"keys"}, MEMORY, (int)in.wk, 1, -1);
    lm_declare_embedding(d, (lm_scope){"values"}, MEMORY, (int)in.wk, 1, -1);
    ck_assert(lm_declare_end(d, &st));
    for (size_t i = 0; i < lm_params_count(in.params); i++)
        ck_assert(lm_param_initialise(lm_params_at(in.params, i), 3, &st));
    return in;
}

static void inputs_free(inputs *in)
{
    free(in->q), free(in->k), free(in->v);
    lm_params_free(in->params);
}

/* Another text of each row, or none of it any more. */
static lm_batch memory_of(bool given)
{
    static const int32_t splits[ROWS + 1] = {0, 3, 3, 40, 41, 90}, none[ROWS + 1];
    static int32_t ids[90], zeros[90];
    for (int i = 0; i < 90; i++)
        ids[i] = i * 7 % MEMORY;
    return (lm_batch){ROWS, given ? 90 : 0, given ? splits : none, ids, zeros, zeros};
}

static float *attend(const kind *k, const inputs *in, const piece *p, lm_kv_cache *cache, lm_graph *g)
{
    float *q = cut(p, in->q, in->wq), *keys = cut(p, in->k, in->wk), *values = cut(p, in->v, in->wk);
    int tokens = p->splits[ROWS];
    int32_t *zeros = calloc((size_t)tokens + 1, sizeof *zeros);
    lm_batch batch = {ROWS, tokens, p->splits, zeros, zeros, zeros};
    lm_batch memory = memory_of(cache == NULL || lm_kv_cache_bytes(cache) == 0);
    lm_graph_begin(g, &batch, (lm_step){.cache = cache});
    lm_graph_layer(g, 3);
    lm_tensor *tq = lm_graph_input(g, q, tokens, (int)in->wq, false), *tk, *tv;
    if (k->memory) {
        tk = lm_embedding(g, (lm_scope){"keys"}, memory.ids, &memory);
        tv = lm_embedding(g, (lm_scope){"values"}, memory.ids, &memory);
    } else {
        tk = lm_graph_input(g, keys, tokens, (int)in->wk, false);
        tv = lm_graph_input(g, values, tokens, (int)in->wk, false);
    }
    lm_attn how = k->how;
    how.relative = k->relative ? lm_parameter(g, (lm_scope){"distance"}, "weight") : NULL;
    const float *out = lm_tensor_read(g, lm_attention(g, tq, tk, tv, how));
    lm_status st = LM_STATUS_INIT;
    ck_assert_msg(lm_graph_end(g, &st), "%s", st.message);
    float *result = copy(out, (size_t)tokens * in->wq * sizeof *result);
    if (cache)
        lm_kv_cache_advance(cache, p->splits);
    free(q), free(keys), free(values), free(zeros);
    return result;
}

START_TEST(attention_piece_by_piece)
{
    const kind *k = &kinds[_i / SCHEDULES];
    schedule how = schedules[_i % SCHEDULES];
    inputs in = inputs_new(k);
    lm_graph *g = lm_graph_new(in.params);
    lm_kv_cache *cache = lm_kv_cache_new(ROWS);
    piece p = {0};
    next(&p, all_at_once);
    size_t n = (size_t)whole_start(ROWS) * in.wq;
    float *want = attend(k, &in, &p, NULL, g), *got = calloc(n, sizeof *got);
    memset(&p, 0, sizeof p);
    while (next(&p, how)) {
        float *part = attend(k, &in, &p, cache, g);
        paste(&p, part, got, in.wq);
        free(part);
    }
    near(k->name, got, want, n, 3e-6);
    for (int r = 0; r < ROWS; r++)
        ck_assert_int_eq(lm_kv_cache_length(cache, r), lengths[r]);
    free(want), free(got);
    lm_kv_cache_free(cache);
    lm_graph_free(g);
    inputs_free(&in);
}
END_TEST

/* 32 bits a number, 16, or 8 and a half: and of what pages need beside them less than a hundredth. */
START_TEST(memory_of_fewer_bits)
{
    enum { TOKENS = 4 * LM_PAGE, KV_HEADS = 2, DIM = 64, NUMBERS = TOKENS * 2 * KV_HEADS * DIM };
    static const struct {
        lm_dtype type;
        double bytes;
    } kept[] = {{LM_F32, 4}, {LM_F16, 2}, {LM_Q8_0, 34.0 / 32}};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_kv_cache *c = lm_kv_cache_new(1);
        lm_kv_cache_keep_as(c, kept[i].type);
        ck_assert_ptr_nonnull(lm_kv_cache_keys(c, (lm_slot){0, 0}, KV_HEADS, DIM, 0, (int32_t[]){0, TOKENS}, &st));
        double each = (double)lm_kv_cache_bytes(c) / NUMBERS;
        ck_assert_msg(each >= kept[i].bytes && each <= 1.01 * kept[i].bytes, "%s: %g bytes a number, not %g",
                      lm_dtype_name(kept[i].type), each, kept[i].bytes);
        lm_kv_cache_free(c);
    }
}
END_TEST

/* Room for the keys of one row, appended one by one. */
static const lm_kept *one_more(lm_kv_cache *c, int window, int count)
{
    lm_status st = LM_STATUS_INIT;
    const int32_t splits[] = {0, count};
    const lm_kept *kept = lm_kv_cache_keys(c, (lm_slot){0, 0}, 2, 8, window, splits, &st);
    assert_ok(&st);
    lm_kv_cache_advance(c, splits);
    return kept;
}

START_TEST(memory_grows_with_tokens)
{
    lm_kv_cache *c = lm_kv_cache_new(1);
    size_t page = 0;
    for (int t = 1; t <= 1000; t++) {
        ck_assert_int_eq(one_more(c, 0, 1)->keys, t);
        page = t == 1 ? lm_kv_cache_bytes(c) : page;
        ck_assert_uint_eq(lm_kv_cache_bytes(c), page * (size_t)((t + LM_PAGE - 1) / LM_PAGE));
    }
    lm_kv_cache_free(c);
    c = lm_kv_cache_new(1); /* no more than the window, a page that is filled, and one that is left in part */
    for (int t = 1; t <= 1000; t++) {
        const lm_kept *kept = one_more(c, 50, 1);
        ck_assert_int_ge(kept->keys, t < 50 ? t : 50);
        ck_assert_int_le(kept->keys, 50 + LM_PAGE);
    }
    ck_assert_uint_le(lm_kv_cache_bytes(c), 4 * page);
    ck_assert_int_eq(lm_kv_cache_length(c, 0), 1000);
    lm_kv_cache_free(c);
}
END_TEST

START_TEST(rows_share_pages_until_they_differ)
{
    lm_kv_cache *c = lm_kv_cache_new(1);
    lm_status st = LM_STATUS_INIT;
    const lm_kept *kept = one_more(c, 0, LM_PAGE + 3);
    size_t two_pages = lm_kv_cache_bytes(c);
    kept->pages[1][0] = 7;
    ck_assert(lm_kv_cache_select(c, (int32_t[]){0, -1, 0, 0}, 4, &st));
    ck_assert_uint_eq(lm_kv_cache_bytes(c), two_pages);
    ck_assert_int_eq(lm_kv_cache_length(c, 1), 0);
    ck_assert_int_eq(lm_kv_cache_length(c, 3), LM_PAGE + 3);
    const int32_t splits[] = {0, 1, 2, 3, 3};
    kept = lm_kv_cache_keys(c, (lm_slot){0, 0}, 2, 8, 0, splits, &st);
    assert_ok(&st);
    ck_assert_uint_eq(lm_kv_cache_bytes(c), two_pages / 2 * 5); /* row 3 keeps the page that rows 0 and 2 copied */
    ck_assert_ptr_eq(kept[0].pages[0], kept[3].pages[0]);
    ck_assert_ptr_ne(kept[0].pages[1], kept[2].pages[1]);
    ck_assert_ptr_ne(kept[0].pages[1], kept[3].pages[1]);
    for (int r = 0; r < 4; r += 2)
        ck_assert_uint_eq(kept[r].pages[1][0], 7);
    lm_kv_cache_advance(c, splits);
    ck_assert(lm_kv_cache_select(c, (int32_t[]){1}, 1, &st)); /* the others' pages are used again */
    one_more(c, 0, 3 * LM_PAGE);
    ck_assert_uint_eq(lm_kv_cache_bytes(c), two_pages / 2 * 5);
    ck_assert(!lm_kv_cache_select(c, (int32_t[]){0, 1}, 2, &st));
    ck_assert_ptr_nonnull(strstr(st.message, "row 1 is to be row 1 of 1"));
    lm_kv_cache_free(c);
}
END_TEST

START_TEST(states_go_with_their_rows)
{
    lm_kv_cache *c = lm_kv_cache_new(2);
    lm_status st = LM_STATUS_INIT;
    float *s = lm_kv_cache_state(c, (lm_slot){1, 0}, 3, &st);
    for (int i = 0; i < 6; i++) {
        ck_assert_float_eq(s[i], 0);
        s[i] = (float)i;
    }
    lm_kv_cache_advance(c, (int32_t[]){0, 1, 1});
    ck_assert(lm_kv_cache_select(c, (int32_t[]){1, -1, 0, 1}, 4, &st));
    s = lm_kv_cache_state(c, (lm_slot){1, 0}, 3, &st);
    static const float want[] = {3, 4, 5, 0, 0, 0, 0, 1, 2, 3, 4, 5};
    ck_assert_mem_eq(s, want, sizeof want);
    ck_assert_ptr_null(lm_kv_cache_state(c, (lm_slot){1, 0}, 4, &st));
    ck_assert_ptr_nonnull(strstr(st.message, "another model's"));
    lm_status_clear(&st);
    ck_assert_ptr_null(lm_kv_cache_keys(c, (lm_slot){1, 0}, 1, 3, 0, (int32_t[]){0, 0, 0, 0, 0}, &st));
    lm_status_clear(&st);
    ck_assert(!lm_kv_cache_begin(c, &st)); /* what a failed step has written is there in part */
    lm_kv_cache_free(c);
}
END_TEST

/* ------------------------------------------------------------------ models */

#define LLAMALIKE                                                                                            \
    "\"vocab_size\":61,\"hidden_size\":32,\"num_hidden_layers\":2,\"num_attention_heads\":4,\"intermediate_size\":48,"    \
    "\"max_position_embeddings\":100,"

/* The first is the tests' own. */
static const struct {
    const char *json, *task;
} families[] = {
    {"{\"model_type\":\"test-causal\",\"vocab_size\":61,\"hidden_size\":24,\"num_hidden_layers\":2,"
     "\"num_attention_heads\":3,\"max_position_embeddings\":100}", "clm"},
    {"{\"model_type\":\"gpt2\",\"vocab_size\":61,\"n_embd\":24,\"n_layer\":2,\"n_head\":3,\"n_positions\":100}", "clm"},
    {"{\"model_type\":\"llama\"," LLAMALIKE "\"num_key_value_heads\":2,\"rope_scaling\":{\"rope_type\":\"linear\","
     "\"factor\":2.0}}", "clm"},
    {"{\"model_type\":\"mistral\"," LLAMALIKE "\"num_key_value_heads\":1,\"sliding_window\":7}", "clm"},
    {"{\"model_type\":\"mistral\"," LLAMALIKE "\"num_key_value_heads\":4,\"sliding_window\":40}", "clm"},
    {"{\"model_type\":\"qwen2\"," LLAMALIKE "\"num_key_value_heads\":2,\"use_sliding_window\":true,"
     "\"sliding_window\":5,\"max_window_layers\":1}", "clm"},
    {"{\"model_type\":\"qwen3\"," LLAMALIKE "\"num_key_value_heads\":2,\"head_dim\":12}", "clm"},
    {"{\"model_type\":\"gemma\"," LLAMALIKE "\"num_key_value_heads\":1,\"head_dim\":16}", "clm"},
    {"{\"model_type\":\"gconv\",\"vocab_size\":61,\"hidden_size\":24,\"num_hidden_layers\":3,\"intermediate_size\":40,"
     "\"conv_kernel\":3,\"dilation_cycle\":3}", "clm"}, /* the example's: its convolution is an operation of its own */
    {"{\"model_type\":\"lstm\",\"vocab_size\":61,\"hidden_size\":24,\"num_hidden_layers\":2}", "clm"},
    {"{\"model_type\":\"t5\",\"vocab_size\":61,\"d_model\":24,\"d_kv\":8,\"d_ff\":40,\"num_layers\":2,"
     "\"num_decoder_layers\":3,\"num_heads\":3,\"relative_attention_num_buckets\":8,"
     "\"relative_attention_max_distance\":20,\"feed_forward_proj\":\"gated-gelu\"}", "seq2seq"},
};
enum { FAMILIES = sizeof families / sizeof *families, T5 = FAMILIES - 1 };

static lm_model *model_from(const char *json, const char *task)
{
    lm_status st = LM_STATUS_INIT;
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR ":" TESTPLUG_DIR, 1);
    lm_config *c = lm_config_parse((lm_str){json, strlen(json)}, "config", &st);
    assert_ok(&st);
    lm_model *m = lm_model_create(c, &(lm_model_options){.task = task, .seed = 1}, &st);
    assert_ok(&st);
    for (size_t i = 0; i < lm_params_count(m->params); i++) { /* large enough for each to tell */
        lm_param *p = lm_params_at(m->params, i);
        ck_assert(lm_param_own(p, &st));
        for (size_t j = 0; p->init.kind == LM_INIT_NORMAL && p->init.std < 0.05 && j < p->elements; j++)
            p->value[j] *= 8;
    }
    return m;
}

static lm_model *model_of(int family)
{
    return model_from(families[family].json, families[family].task);
}

static int32_t *some_ids(int vocab)
{
    int n = whole_start(ROWS);
    int32_t *ids = calloc((size_t)n, sizeof *ids);
    state = 11;
    for (int i = 0; i < n; i++)
        ids[i] = (int32_t)number((uint32_t)vocab);
    return ids;
}

/* Logits of all tokens of whole rows: [tokens, columns]. */
static float *whole_logits(lm_model *m, const int32_t *ids)
{
    piece p = {0};
    next(&p, all_at_once);
    int tokens = p.splits[ROWS];
    int32_t *positions = calloc((size_t)tokens, sizeof *positions), *zeros = calloc((size_t)tokens, sizeof *zeros);
    for (int r = 0; r < ROWS; r++)
        for (int t = 0; t < p.count[r]; t++)
            positions[p.splits[r] + t] = t;
    lm_batch batch = {ROWS, tokens, p.splits, ids, zeros, positions}, source = memory_of(true);
    lm_select select = {.token_logits = true, .target = m->arch.decoder_layers ? &batch : NULL};
    const lm_batch *first = m->arch.decoder_layers ? &source : &batch;
    lm_graph *g = lm_graph_new(m->params);
    lm_graph_begin(g, first, (lm_step){0});
    lm_outputs out = lm_model_forward(m, g, first, &select);
    float *logits = copy(lm_tensor_read(g, out.token_logits),
                         (size_t)tokens * (size_t)lm_model_token_columns(m) * sizeof *logits);
    lm_status st = LM_STATUS_INIT;
    ck_assert_msg(lm_graph_end(g, &st), "%s", st.message);
    lm_graph_free(g);
    free(positions), free(zeros);
    return logits;
}

static int32_t *cut_ids(const piece *p, const int32_t *ids)
{
    return (int32_t *)(void *)cut(p, (const float *)(const void *)ids, 1);
}

START_TEST(model_piece_by_piece)
{
    int family = _i / SCHEDULES;
    schedule how = schedules[_i % SCHEDULES];
    lm_model *m = model_of(family);
    lm_status st = LM_STATUS_INIT;
    int32_t *ids = some_ids(61);
    float *want = whole_logits(m, ids), *got = calloc((size_t)whole_start(ROWS) * 61, sizeof *got);
    lm_decoding *d = lm_decoding_new(m, ROWS, &st);
    ck_assert_int_eq(lm_decoding_columns(d), 61);
    lm_batch source = memory_of(true);
    ck_assert(family != T5 || lm_decoding_encode(d, &source, &st));
    piece p = {0};
    while (next(&p, how)) {
        int32_t *some_of = cut_ids(&p, ids);
        const float *logits = lm_decoding_read(d, p.splits, some_of, true, &st);
        assert_ok(&st);
        paste(&p, logits, got, 61);
        free(some_of);
    }
    near(m->plugin->name, got, want, (size_t)whole_start(ROWS) * 61, 5e-5);
    ck_assert_int_eq(lm_decoding_length(d, 3), 75);
    ck_assert_int_eq(lm_decoding_room(d, 3), m->arch.max_length ? 25 : INT_MAX - 75);
    lm_decoding_free(d);
    free(want), free(got), free(ids);
    lm_model_free(m);
}
END_TEST

/* A prompt so long that it is read in parts is read as a whole. */
START_TEST(long_prompts)
{
    enum { LONG = 2500, SHORT = 1300 };
    static const char json[] = "{\"model_type\":\"mistral\",\"vocab_size\":61,\"hidden_size\":8,\"num_hidden_layers\":2,"
                               "\"num_attention_heads\":2,\"num_key_value_heads\":1,\"intermediate_size\":8,"
                               "\"max_position_embeddings\":3000,\"sliding_window\":100}";
    lm_status st = LM_STATUS_INIT;
    lm_model *m = model_from(json, "clm");
    int32_t *ids = calloc(LONG + SHORT, sizeof *ids);
    for (int i = 0; i < LONG + SHORT; i++)
        ids[i] = (int32_t)number(61);
    const int32_t splits[] = {0, LONG, LONG, LONG + SHORT};
    lm_decoding *parts = lm_decoding_new(m, 3, &st), *whole = lm_decoding_new(m, 3, &st);
    const float *got = lm_decoding_read(parts, splits, ids, false, &st);
    const float *want = lm_decoding_read(whole, splits, ids, true, &st);
    assert_ok(&st);
    near("the long one", got, want + (size_t)(LONG - 1) * 61, 61, 1e-5);
    near("the short one", got + 61, want + (size_t)(LONG + SHORT - 1) * 61, 61, 1e-5);
    ck_assert_int_eq(lm_decoding_length(parts, 0), LONG);
    ck_assert_int_eq(lm_decoding_length(parts, 2), SHORT);
    lm_decoding_free(parts), lm_decoding_free(whole);
    free(ids);
    lm_model_free(m);
}
END_TEST

/* Rows that are forked, dropped and change places go on as the rows they were. */
START_TEST(beams)
{
    lm_model *m = model_of(_i);
    lm_status st = LM_STATUS_INIT;
    int32_t *ids = some_ids(61);
    float *want = whole_logits(m, ids);
    lm_decoding *d = lm_decoding_new(m, ROWS, &st);
    lm_batch source = memory_of(true);
    ck_assert(_i != T5 || lm_decoding_encode(d, &source, &st));
    piece p = {0};
    p.rows = ROWS;
    for (int r = 0; r < ROWS; r++) {
        p.count[r] = lengths[r] < 38 ? lengths[r] : 38;
        p.splits[r + 1] = p.splits[r] + p.count[r];
    }
    int32_t *some_of = cut_ids(&p, ids);
    const float *last = lm_decoding_read(d, p.splits, some_of, false, &st);
    assert_ok(&st);
    near("row 0", last, want + 37 * 61, 61, 5e-5); /* row 1 has no tokens, so row 3's are the third */
    near("row 3", last + 2 * 61, want + (size_t)(whole_start(3) + 37) * 61, 61, 5e-5);
    static const int from[] = {3, 0, 3, -1, 0, 2};
    ck_assert(lm_decoding_select(d, from, 6, &st));
    if (_i == T5) { /* the row that begins answers to the first one's text, while the others go on */
        const lm_batch again = {6, 3, (int32_t[]){0, 0, 0, 0, 3, 3, 3}, source.ids, source.types, source.positions};
        ck_assert_ptr_null(lm_decoding_read(d, (int32_t[]){0, 0, 0, 0, 1, 1, 1}, ids, false, &st));
        ck_assert_msg(strstr(st.message, "row 3: there is nothing encoded") != NULL, "%s", st.message);
        lm_status_clear(&st);
        ck_assert_msg(lm_decoding_encode(d, &again, &st), "%s", st.message);
    }
    for (int step = 0; step < 2; step++) { /* two each that go different ways */
        int32_t splits[] = {0, 1, 2, 3, 4, 4, 4}, now[4];
        int at = 38 + step;
        now[0] = ids[whole_start(3) + at], now[1] = ids[at], now[2] = 1, now[3] = ids[step];
        const float *logits = lm_decoding_read(d, splits, now, false, &st);
        assert_ok(&st);
        near("forked", logits, want + (size_t)(whole_start(3) + at) * 61, 61, 5e-5);
        near("moved", logits + 61, want + (size_t)at * 61, 61, 5e-5);
        near("begun", logits + 3 * 61, want + (size_t)step * 61, 61, 5e-5);
    }
    ck_assert_int_eq(lm_decoding_length(d, 4), 38);
    ck_assert_int_eq(lm_decoding_length(d, 3), 2);
    free(some_of), free(ids), free(want);
    lm_decoding_free(d);
    lm_model_free(m);
}
END_TEST

enum { BEGINNING = 38, AFTER = 2 };

/* What a decoder that has read the beginning from a file says of the tokens after it; false: the file is refused. */
static bool restored(lm_model *m, const char *path, const int32_t *ids, float *logits, lm_status *st)
{
    lm_decoding *d = lm_decoding_new(m, 1, st);
    int count = 0;
    int32_t *read = lm_decoding_restore(d, path, &count, st);
    const float *got = read && count < 90 ? lm_decoding_read(d, (int32_t[]){0, AFTER}, ids + BEGINNING, false, st) : NULL;
    if (got)
        memcpy(logits, got, 61 * sizeof *logits);
    if (got && count == BEGINNING)
        got = memcmp(read, ids, BEGINNING * sizeof *ids) == 0 ? got : NULL;
    free(read);
    lm_decoding_free(d);
    return got != NULL;
}

/* A row goes on from a file as it does where it was read; of other models, and of damage, is said what is wrong, if nothing more. */
START_TEST(rows_in_files)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = model_of(_i), *other = model_of(_i == 0);
    int32_t *ids = some_ids(61);
    char path[] = "/tmp/check_decoding-XXXXXX";
    close(mkstemp(path));
    lm_decoding *d = lm_decoding_new(m, 2, &st);
    float want[61], got[61];
    ck_assert_ptr_nonnull(lm_decoding_read(d, (int32_t[]){0, 0, BEGINNING}, ids, false, &st));
    ck_assert(lm_decoding_save(d, 1, ids, path, &st));
    memcpy(want, lm_decoding_read(d, (int32_t[]){0, 0, AFTER}, ids + BEGINNING, false, &st), sizeof want);
    lm_decoding_free(d);
    ck_assert(restored(m, path, ids, got, &st));
    ck_assert_msg(memcmp(got, want, sizeof want) == 0, "other logits");
    ck_assert(!restored(other, path, ids, got, &st) && strstr(st.message, "another model") != NULL);
    lm_status_clear(&st);
    lm_decoding *halves = lm_decoding_new(m, 1, &st);
    lm_decoding_keep_as(halves, LM_F16);
    int count;
    int32_t *none = lm_decoding_restore(halves, path, &count, &st);
    bool states = strstr(families[_i].json, "\"lstm\"") || strstr(families[_i].json, "\"gconv\""); /* and no keys and values */
    ck_assert((none != NULL) == states);
    free(none);
    lm_decoding_free(halves);
    lm_status_clear(&st);
    char *bytes;
    size_t n;
    lm_file_read(path, 1 << 24, &bytes, &n, &st);
    assert_ok(&st);
    state = 5;
    for (int i = 0; i < 150; i++) {
        size_t at = number(i % 3 && n > 1200 ? 1200 : (uint32_t)n), cut = i % 10 ? n : at;
        char kept = bytes[at];
        bytes[at] = (char)number(256);
        ck_assert(lm_file_write(path, bytes, cut, &st));
        if (!restored(m, path, ids, got, &st))
            lm_status_clear(&st);
        bytes[at] = kept;
    }
    unlink(path);
    free(bytes);
    free(ids);
    lm_model_free(m);
    lm_model_free(other);
}
END_TEST

START_TEST(refusals)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = model_of(0);
    lm_decoding *d = lm_decoding_new(m, 1, &st);
    int32_t ids[101] = {0};
    ck_assert_ptr_null(lm_decoding_read(d, (int32_t[]){0, 101}, ids, false, &st));
    ck_assert_msg(strstr(st.message, "row 0: 0 tokens and 101 more, and the model takes 100") != NULL, "%s", st.message);
    lm_status_clear(&st);
    ids[3] = 61;
    ck_assert_ptr_null(lm_decoding_read(d, (int32_t[]){0, 5}, ids, false, &st));
    ck_assert_msg(strstr(st.message, "61") != NULL, "%s", st.message);
    lm_status_clear(&st);
    ck_assert_ptr_nonnull(lm_decoding_read(d, (int32_t[]){0, 3}, ids, false, &st)); /* nothing was read of either */
    ck_assert_int_eq(lm_decoding_length(d, 0), 3);
    /* a step whose cache is of other rows; then the rest of it is refused */
    const int32_t splits[] = {0, 1, 2};
    lm_kv_cache *cache = lm_kv_cache_new(3);
    lm_batch batch = {2, 2, splits, ids, ids, ids};
    lm_graph *g = lm_graph_new(m->params);
    lm_graph_begin(g, &batch, (lm_step){.cache = cache});
    lm_model_forward(m, g, &batch, &(lm_select){.token_logits = true});
    ck_assert(!lm_graph_end(g, &st));
    ck_assert_msg(strstr(st.message, "cache: it has 3 rows, and the batch 2") != NULL, "%s", st.message);
    lm_status_clear(&st);
    lm_graph_begin(g, &batch, (lm_step){.cache = cache, .training = true});
    ck_assert(!lm_graph_end(g, &st));
    ck_assert_msg(strstr(st.message, "training") != NULL, "%s", st.message);
    lm_status_clear(&st);
    lm_graph_free(g);
    lm_kv_cache_free(cache);
    lm_decoding_free(d);
    lm_model_free(m);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("decoding");
    TCase *t = tcase_create("kept");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, attention_piece_by_piece, 0, KINDS * SCHEDULES);
    tcase_add_test(t, memory_of_fewer_bits);
    tcase_add_test(t, memory_grows_with_tokens);
    tcase_add_test(t, rows_share_pages_until_they_differ);
    tcase_add_test(t, states_go_with_their_rows);
    tcase_add_loop_test(t, model_piece_by_piece, 0, FAMILIES * SCHEDULES);
    tcase_add_test(t, long_prompts);
    tcase_add_loop_test(t, beams, 0, FAMILIES);
    tcase_add_loop_test(t, rows_in_files, 0, T5);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
