/* Attention, of keys and values that lie in matrices and of those that are kept in pages. */
#include "check_kernels.h"

#include "tensor/blocks.h"

typedef struct attention_case {
    int heads, kv_heads, dim, sequences;
    int32_t q_splits[5], k_splits[5];
    bool causal;
    double dropout;
    int buckets; /* of a bias by distance; 0 = none */
    int window;
} attention_case;

static const attention_case attention_cases[] = {
    {1, 1, 8, 1, {0, 1}, {0, 1}, false, 0, 0, 0},
    {2, 2, 8, 4, {0, 3, 3, 4, 60}, {0, 3, 3, 4, 60}, false, 0, 0, 0},
    {2, 2, 16, 4, {0, 3, 3, 4, 60}, {0, 3, 3, 4, 60}, true, 0, 0, 0},
    {3, 3, 5, 3, {0, 17, 34, 83}, {0, 17, 34, 83}, true, 0.2, 0, 0},
    {2, 2, 64, 2, {0, 130, 230}, {0, 130, 230}, false, 0.1, 0, 0},
    {4, 2, 32, 3, {0, 10, 20, 71}, {0, 10, 20, 71}, false, 0.3, 0, 0},
    {4, 1, 12, 2, {0, 50, 99}, {0, 50, 99}, true, 0.3, 0, 0},
    {2, 2, 128, 1, {0, 20}, {0, 20}, false, 0, 0, 0},
    {2, 2, 20, 4, {0, 3, 5, 5, 60}, {0, 30, 31, 40, 40}, false, 0, 0, 0}, /* a memory; queries without keys */
    {2, 2, 20, 3, {0, 3, 4, 9}, {0, 30, 31, 40}, true, 0, 0, 0},          /* more keys than queries */
    {2, 2, 8, 4, {0, 3, 3, 4, 60}, {0, 3, 3, 4, 60}, false, 0.2, 7, 0},
    {4, 2, 12, 3, {0, 50, 51, 99}, {0, 50, 51, 99}, true, 0, 3, 0},
    {3, 1, 20, 4, {0, 3, 3, 4, 9}, {0, 30, 37, 37, 40}, false, 0, 5, 0},
    {4, 2, 12, 3, {0, 50, 51, 120}, {0, 50, 51, 120}, true, 0.3, 0, 7},
    {1, 1, 16, 2, {0, 170, 180}, {0, 170, 180}, true, 0, 0, 40},
    {2, 1, 8, 3, {0, 3, 4, 60}, {0, 70, 71, 150}, true, 0, 0, 33}, /* more keys than queries, in a window */
    {2, 2, 8, 2, {0, 20, 25}, {0, 10, 15}, true, 0.2, 0, 4},       /* queries without keys */
    {2, 2, 8, 2, {0, 50, 90}, {0, 50, 90}, true, 0.2, 5, 30}, /* bias by distance, in a window */
};

typedef struct attention_result {
    float *out, *log_sum, *dq, *dk, *dv, *dr;
} attention_result;

static attention_result attend(const lm_attention_args *a, const float *dout, size_t nq, size_t nk, bool add)
{
    size_t wq = (size_t)(a->heads * a->dim), wk = (size_t)(a->kv_heads * a->dim);
    attention_result r = {vector(nq * wq, 0, 0), vector(nq * (size_t)a->heads, 0, 0), vector(nq * wq, 1, 1),
                          vector(nk * wk, 1, 1), vector(nk * wk, 1, 1), vector((size_t)(a->buckets * a->heads) + 1, 1, 1)};
    float *scratch =
        malloc((lm_attention_scratch(a, true) + lm_attention_scratch(a, false)) * sizeof *scratch);
    lm_attention_forward(a, r.out, r.log_sum, scratch);
    lm_attention_grads grads = {dout, r.log_sum, r.dq, r.dk, r.dv, add, add, add, a->relative ? r.dr : NULL};
    lm_attention_backward(a, &grads, scratch);
    free(scratch);
    return r;
}

static void attention_free(attention_result r)
{
    free(r.out), free(r.log_sum), free(r.dq), free(r.dk), free(r.dv), free(r.dr);
}

START_TEST(attention)
{
    const attention_case *c = &attention_cases[_i];
    size_t nq = (size_t)c->q_splits[c->sequences], nk = (size_t)c->k_splits[c->sequences];
    size_t wq = (size_t)(c->heads * c->dim), wk = (size_t)(c->kv_heads * c->dim);
    float *q = vector(nq * wq, -2, 2), *k = vector(nk * wk, -2, 2), *v = vector(nk * wk, -2, 2);
    float *dout = vector(nq * wq, -1, 1), *table = vector((size_t)(c->buckets * c->heads) + 1, -2, 2);
    const int64_t rows[] = {3, 0, 1 << 20, 77};
    lm_attention_args a = {.sequences = c->sequences, .q_splits = c->q_splits, .k_splits = c->k_splits,
                           .heads = c->heads, .kv_heads = c->kv_heads, .dim = c->dim,
                           .scale = 1 / sqrtf((float)c->dim), .causal = c->causal, .dropout = c->dropout,
                           .key = {1, 2, 3}, .global_row = rows, .q = q, .k = k, .v = v,
                           .relative = c->buckets ? table : NULL, .bucket = buckets_of(c->buckets ? c->buckets : 1),
                           .buckets = c->buckets, .window = c->window};
    for (int add = 0; add < 2; add++) {
        use("scalar");
        attention_result want = attend(&a, dout, nq, nk, add);
        FOR_EACH_ISA(isa)
        {
            attention_result got = attend(&a, dout, nq, nk, add);
            near("attention", got.out, want.out, nq * wq, 2e-6, 20);
            near("log of sums", got.log_sum, want.log_sum, nq * (size_t)c->heads, 2e-6, 8);
            near("dq", got.dq, want.dq, nq * wq, 2e-5, 20);
            near("dk", got.dk, want.dk, nk * wk, 2e-5, 20);
            near("dv", got.dv, want.dv, nk * wk, 2e-5, 20);
            near("d relative", got.dr, want.dr, (size_t)(c->buckets * c->heads), 2e-5, 20);
            attention_free(got);
        }
        attention_free(want);
    }
    free(q), free(k), free(v), free(dout), free(table);
}
END_TEST

static uint8_t *page_of_nan(size_t bytes) /* in whatever type it is read */
{
    return memset(malloc(bytes), 0xff, bytes);
}

/* The keys and values of a case in pages: those of each sequence in two parts, as two steps would leave them there. */
static lm_kept *keep(const lm_attention_args *whole, lm_dtype type)
{
    size_t width = (size_t)(whole->kv_heads * whole->dim);
    lm_kept *kept = calloc((size_t)whole->sequences, sizeof *kept);
    uint8_t ***pages = calloc((size_t)whole->sequences, sizeof *pages);
    for (int s = 0; s < whole->sequences; s++) {
        int n = whole->k_splits[s + 1] - whole->k_splits[s], half = n / 3;
        pages[s] = calloc((size_t)n / LM_PAGE + 1, sizeof **pages);
        for (int p = 0; p <= n / LM_PAGE; p++) /* never read before they are written, but for what the mask hides */
            pages[s][p] = page_of_nan(lm_page_bytes(type, whole->kv_heads, whole->dim));
        kept[s].pages = pages[s];
        kept[s].type = type;
        const int32_t parts[][2] = {{0, half}, {0, n - half}};
        for (int part = 0; part < 2; part++) {
            lm_attention_args a = *whole;
            size_t at = (size_t)(whole->k_splits[s] + (part ? half : 0)) * width;
            kept[s].keys += parts[part][1];
            a.sequences = 1;
            a.k_splits = parts[part];
            a.kept = &kept[s];
            a.k += at, a.v += at;
            lm_attention_keep(&a);
        }
    }
    free(pages);
    return kept;
}

static void kept_free(lm_kept *kept, int sequences)
{
    for (int s = 0; s < sequences; s++) {
        for (int p = 0; p <= kept[s].keys / LM_PAGE; p++)
            free(kept[s].pages[p]);
        free((void *)(uintptr_t)kept[s].pages);
    }
    free(kept);
}

/* x [n, dim] as they are once they have been kept: by ggml's blocks, of which the last of each row is filled up with zeros. */
static void round_to(lm_dtype type, float *x, size_t n, size_t dim)
{
    float block[32], rounded[32];
    uint8_t stored[sizeof block];
    for (size_t i = 0; i < n * dim; i += dim) {
        for (size_t c = 0; c < dim; c += 32) {
            size_t part = dim - c < 32 ? dim - c : 32;
            memset(block, 0, sizeof block);
            memcpy(block, x + i + c, part * sizeof *block);
            if (type == LM_Q8_0)
                lm_quantise(type, block, 1, 32, NULL, stored);
            else
                lm_from_f32(type, block, 32, stored);
            lm_to_f32(type, stored, 32, rounded);
            memcpy(x + i + c, rounded, part * sizeof *x);
        }
    }
}

static const lm_dtype kept_types[] = {LM_F32, LM_F16, LM_Q8_0};
enum { KEPT_TYPES = sizeof kept_types / sizeof *kept_types };

START_TEST(attention_kept)
{
    const attention_case *c = &attention_cases[_i / KEPT_TYPES];
    lm_dtype type = kept_types[_i % KEPT_TYPES];
    size_t nq = (size_t)c->q_splits[c->sequences], nk = (size_t)c->k_splits[c->sequences];
    size_t wq = (size_t)(c->heads * c->dim), wk = (size_t)(c->kv_heads * c->dim);
    float *q = vector(nq * wq, -2, 2), *k = vector(nk * wk, -2, 2), *v = vector(nk * wk, -2, 2);
    float *rounded_k = copy(k, nk * wk), *rounded_v = copy(v, nk * wk);
    float *table = vector((size_t)(c->buckets * c->heads) + 1, -2, 2);
    const int64_t rows[] = {3, 0, 1 << 20, 77};
    lm_attention_args a = {.sequences = c->sequences, .q_splits = c->q_splits, .k_splits = c->k_splits,
                           .heads = c->heads, .kv_heads = c->kv_heads, .dim = c->dim,
                           .scale = 1 / sqrtf((float)c->dim), .causal = c->causal, .global_row = rows,
                           .q = q, .k = k, .v = v, .relative = c->buckets ? table : NULL,
                           .bucket = buckets_of(c->buckets ? c->buckets : 1), .buckets = c->buckets,
                           .window = c->window};
    lm_attention_args as_kept = a;
    round_to(type, rounded_k, nk * (size_t)c->kv_heads, (size_t)c->dim);
    round_to(type, rounded_v, nk * (size_t)c->kv_heads, (size_t)c->dim);
    as_kept.k = rounded_k;
    as_kept.v = rounded_v;
    use("scalar");
    float *want = vector(nq * wq, 0, 0), *got = vector(nq * wq, 0, 0), *scratch;
    scratch = malloc(lm_attention_scratch(&a, false) * sizeof *scratch);
    lm_attention_forward(&as_kept, want, NULL, scratch);
    free(scratch);
    for (size_t isa = 0; lm_kernels_isa_at(isa); isa++) {
        if (!lm_kernels_use(lm_kernels_isa_at(isa)))
            continue;
        lm_attention_args from_pages = a;
        lm_kept *kept = keep(&a, type);
        from_pages.kept = kept;
        from_pages.k = from_pages.v = NULL;
        scratch = malloc(lm_attention_scratch(&from_pages, false) * sizeof *scratch);
        lm_attention_forward(&from_pages, got, NULL, scratch);
        near("attention over what is kept", got, want, nq * wq, 2e-6, 20);
        kept_free(kept, c->sequences);
        free(scratch);
    }
    free(q), free(k), free(v), free(rounded_k), free(rounded_v), free(want), free(got), free(table);
}
END_TEST

TCase *kernels_attention(void)
{
    TCase *t = tcase_create("attention");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, attention, 0, sizeof attention_cases / sizeof *attention_cases);
    tcase_add_loop_test(t, attention_kept, 0, KEPT_TYPES * sizeof attention_cases / sizeof *attention_cases);
    return t;
}
