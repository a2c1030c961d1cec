#include "kernels/tasks.h"
#include "kernels/variant.h"
#include "tensor/blocks.h"

#include <string.h>

static int longest(const int32_t *splits, int sequences)
{
    int most = 0;
    for (int s = 0; s < sequences; s++)
        most = splits[s + 1] - splits[s] > most ? splits[s + 1] - splits[s] : most;
    return most;
}

static size_t scratch_of_thread(const lm_attention_args *a, bool backward)
{
    const lm_variant *v = lm_variant_now();
    int most = 0;
    for (int s = 0; a->kept && s < a->sequences; s++)
        most = a->kept[s].keys > most ? a->kept[s].keys : most;
    size_t n = a->kept ? v->attention_kept_scratch(longest(a->q_splits, a->sequences), most, a->dim)
                       : v->attention_scratch(longest(a->q_splits, a->sequences), longest(a->k_splits, a->sequences),
                                              a->dim, backward);
    return (n + 15) / 16 * 16;
}

/* Gradients of the bias by distance, which each task has its own of. */
static size_t relative_parts(const lm_attention_args *a)
{
    return a->relative ? (size_t)a->sequences * (size_t)a->heads * (size_t)a->buckets : 0;
}

size_t lm_attention_scratch(const lm_attention_args *a, bool backward)
{
    return scratch_of_thread(a, backward) * (size_t)lm_threads() + (backward ? relative_parts(a) : 0);
}

static double operations(const lm_attention_args *a)
{
    double n = 0;
    for (int s = 0; s < a->sequences; s++)
        n += (double)(a->q_splits[s + 1] - a->q_splits[s]) *
             (a->kept ? a->kept[s].keys : a->k_splits[s + 1] - a->k_splits[s]);
    return 2 * n * a->heads * a->dim;
}

/* What all tasks have in common. */
static lm_attention_task common(const lm_attention_args *a)
{
    lm_attention_task t = {.dim = a->dim,
                           .group = a->heads / a->kv_heads,
                           .ldq = (size_t)a->heads * (size_t)a->dim,
                           .ldkv = (size_t)a->kv_heads * (size_t)a->dim,
                           .ldo = (size_t)a->heads * (size_t)a->dim,
                           .ldl = (size_t)a->heads,
                           .scale = a->scale,
                           .causal = a->causal,
                           .window = a->causal ? a->window : 0,
                           .threshold = lm_dropout_threshold(a->dropout)};
    t.keep_scale = a->dropout < 1 ? (float)(1 / (1 - a->dropout)) : 0;
    t.ldr = (size_t)a->heads;
    t.bucket = a->bucket;
    t.buckets = a->buckets;
    lm_dropout_words(a->key, t.key);
    return t;
}

static void place(lm_attention_task *t, const lm_attention_args *a, int sequence, int kv_head)
{
    size_t q = (size_t)a->q_splits[sequence] * t->ldq + (size_t)(kv_head * t->group) * (size_t)t->dim;
    size_t kv = (size_t)a->k_splits[sequence] * t->ldkv + (size_t)kv_head * (size_t)t->dim;
    uint64_t row = (uint64_t)a->global_row[sequence];
    t->nq = a->q_splits[sequence + 1] - a->q_splits[sequence];
    t->nk = a->k_splits[sequence + 1] - a->k_splits[sequence];
    t->q = a->q + q;
    if (a->kept) {
        t->nk = a->kept[sequence].keys;
        t->kept = a->kept[sequence].type;
        t->pages = a->kept[sequence].pages;
        t->in_page = lm_page_bytes(t->kept, kv_head, t->dim);
        t->in_values = t->in_page + lm_page_part(t->kept, t->dim, (size_t)t->dim);
    } else {
        t->k = a->k + kv;
        t->v = a->v + kv;
    }
    t->first_head = kv_head * t->group;
    t->relative = a->relative ? a->relative + t->first_head : NULL;
    t->counter[0] = (uint32_t)row;
    t->counter[1] = (uint32_t)(row >> 32);
}

/* A task is a block of queries: there may be few sequences and few heads, and a page is read as it lies. */
static void forward_kept(const lm_attention_args *a, float *out, float *scratch)
{
    const lm_variant *v = lm_variant_now();
    const lm_attention_task all = common(a);
    size_t per_thread = scratch_of_thread(a, false);
    int blocks = lm_divide_up(longest(a->q_splits, a->sequences) * all.group, LM_KEPT_ROWS);
#pragma omp parallel for schedule(dynamic, 1) collapse(3) LM_THREADS_IF(operations(a))
    for (int s = 0; s < a->sequences; s++) {
        for (int h = 0; h < a->kv_heads; h++) {
            for (int b = 0; b < blocks; b++) {
                lm_attention_task t = all;
                place(&t, a, s, h);
                int from = b * LM_KEPT_ROWS, rows = t.nq * t.group - from;
                if (rows <= 0)
                    continue;
                t.scratch = scratch + per_thread * (size_t)lm_thread_number();
                t.out = out + (t.q - a->q);
                v->attention_kept(&t, from, rows < LM_KEPT_ROWS ? rows : LM_KEPT_ROWS);
            }
        }
    }
}

/* Where scales lie apart, of a code. */
static size_t element_bytes(lm_dtype type)
{
    return type == LM_F32 ? sizeof(float) : type == LM_F16 ? sizeof(uint16_t) : 1;
}

/* x [dim], and zeros up to `width`, become a token of a page: its elements are `step` apart, its scales `scale_step`. */
static void keep_token(lm_dtype type, const float *x, size_t dim, size_t width, uint8_t *to, size_t step, uint8_t *scales,
                       size_t scale_step)
{
    enum { BLOCK = 32, SCALE = sizeof(uint16_t) };
    size_t size = element_bytes(type);
    for (size_t c = 0; c < width; c += BLOCK) {
        size_t n = width - c < BLOCK ? width - c : BLOCK;
        float block[BLOCK] = {0};
        uint8_t stored[BLOCK * sizeof(float)];
        memcpy(block, x + c, (dim - c < n ? dim - c : n) * sizeof *block);
        const uint8_t *codes = stored;
        if (type == LM_Q8_0) {
            lm_quantise(type, block, 1, BLOCK, NULL, stored);
            memcpy(scales + c / BLOCK * scale_step, stored, SCALE);
            codes += SCALE;
        } else {
            lm_from_f32(type, block, n, stored);
        }
        for (size_t i = 0; i < n; i++)
            memcpy(to + (c + i) * step, codes + i * size, size);
    }
}

static void keep(const lm_attention_args *a, int sequence, int kv_head)
{
    const lm_kept *kept = &a->kept[sequence];
    size_t dim = (size_t)a->dim, width = lm_page_width(a->dim), ld = (size_t)a->kv_heads * dim, scales = lm_page_scales(a->dim);
    size_t size = element_bytes(kept->type);
    int from = a->k_splits[sequence], count = a->k_splits[sequence + 1] - from;
    for (int i = 0; i < count; i++) {
        size_t at = (size_t)(kept->keys - count + i), in = at % LM_PAGE, row = (size_t)(from + i) * ld + (size_t)kv_head * dim;
        uint8_t *keys = kept->pages[at / LM_PAGE] + lm_page_bytes(kept->type, kv_head, a->dim);
        uint8_t *values = keys + lm_page_part(kept->type, a->dim, dim);
        uint8_t *key_scales = keys + LM_PAGE * dim, *value_scales = values + LM_PAGE * width;
        keep_token(kept->type, a->k + row, dim, dim, keys + in * size, LM_PAGE * size, key_scales + in * 2, LM_PAGE * 2);
        keep_token(kept->type, a->v + row, dim, width, values + in * width * size, size, value_scales + in * scales * 2, 2);
    }
}

void lm_attention_keep(const lm_attention_args *a)
{
    double work = 4.0 * a->k_splits[a->sequences] * a->kv_heads * a->dim;
#pragma omp parallel for schedule(static) collapse(2) LM_THREADS_IF(work)
    for (int s = 0; s < a->sequences; s++)
        for (int h = 0; h < a->kv_heads; h++)
            keep(a, s, h);
}

void lm_attention_forward(const lm_attention_args *a, float *out, float *log_sum, float *scratch)
{
    if (a->kept) {
        forward_kept(a, out, scratch);
        return;
    }
    const lm_variant *v = lm_variant_now();
    const lm_attention_task all = common(a);
    size_t per_thread = scratch_of_thread(a, false);
#pragma omp parallel for schedule(dynamic, 1) collapse(2) LM_THREADS_IF(operations(a))
    for (int s = 0; s < a->sequences; s++) {
        for (int h = 0; h < a->kv_heads; h++) {
            lm_attention_task t = all;
            place(&t, a, s, h);
            if (t.nq == 0)
                continue;
            t.scratch = scratch + per_thread * (size_t)lm_thread_number();
            t.out = out + (t.q - a->q);
            if (log_sum)
                t.log_sum = log_sum + (size_t)a->q_splits[s] * t.ldl + (size_t)t.first_head;
            v->attention_forward(&t);
        }
    }
}

/* What the sequences give, [sequences, heads, buckets], is added up in their order. */
static void add_relative(const lm_attention_args *a, const float *parts, float *drelative)
{
    size_t each = (size_t)a->heads * (size_t)a->buckets;
    for (int h = 0; h < a->heads; h++) {
        for (int b = 0; b < a->buckets; b++) {
            const float *part = parts + (size_t)h * (size_t)a->buckets + (size_t)b;
            double sum = 0;
            for (int s = 0; s < a->sequences; s++)
                sum += (double)part[(size_t)s * each];
            drelative[(size_t)b * (size_t)a->heads + (size_t)h] += (float)sum;
        }
    }
}

void lm_attention_backward(const lm_attention_args *a, const lm_attention_grads *grads, float *scratch)
{
    const lm_variant *v = lm_variant_now();
    const lm_attention_task all = common(a);
    size_t per_thread = scratch_of_thread(a, true);
    float *parts = grads->drelative ? scratch + per_thread * (size_t)lm_threads() : NULL;
#pragma omp parallel for schedule(dynamic, 1) collapse(2) LM_THREADS_IF(4 * operations(a))
    for (int s = 0; s < a->sequences; s++) {
        for (int h = 0; h < a->kv_heads; h++) {
            lm_attention_task t = all;
            place(&t, a, s, h);
            t.scratch = scratch + per_thread * (size_t)lm_thread_number();
            t.dout = grads->dout + (t.q - a->q);
            t.log_sum =
                (float *)(uintptr_t)grads->log_sum + (size_t)a->q_splits[s] * t.ldl + (size_t)t.first_head;
            t.dq = grads->dq ? grads->dq + (t.q - a->q) : NULL;
            t.dk = grads->dk ? grads->dk + (t.k - a->k) : NULL;
            t.dv = grads->dv ? grads->dv + (t.v - a->v) : NULL;
            t.add_q = grads->add_q;
            t.add_k = grads->add_k;
            t.add_v = grads->add_v;
            if (parts)
                t.drelative = parts + ((size_t)s * (size_t)a->heads + (size_t)t.first_head) * (size_t)a->buckets;
            v->attention_backward(&t);
        }
    }
    if (parts)
        add_relative(a, parts, grads->drelative);
}
