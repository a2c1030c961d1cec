/* The inner loops of which there is one version for each instruction set. Private to kernels/: a function
 * here works on a row, or on a piece that one thread takes; the files beside this one cut the work and call
 * through lm_variant(). */
#ifndef LM_KERNELS_VARIANT_H
#define LM_KERNELS_VARIANT_H

#include "kernels/kernels.h"
#include "kernels/quantised.h"
#include "kernels/rounded.h"

/* One row and one key/value head, with the query heads that share it. Leading dimensions in floats. */
typedef struct lm_attention_task {
    int nq, nk, dim, group; /* group: query heads to this key/value head */
    size_t ldq, ldkv, ldo; /* of q and dq, of k v dk dv, of out and dout; head h of the group is at + h dim */
    const float *q, *k, *v;
    float *out;     /* forward */
    float *log_sum; /* [nq] with step ldl, head h at + h; NULL = not wanted */
    size_t ldl;
    const float *dout; /* backward */
    float *dq, *dk, *dv;
    bool add_q, add_k, add_v;
    float scale;
    bool causal;
    int window;
    uint32_t threshold;          /* of dropout, in 65536ths; 0 = none */
    float keep_scale;            /* 1/(1-p) */
    uint32_t key[2], counter[2]; /* of dropout; the first query head of the group is first_head */
    int first_head;
    /* where keys and values are kept: the pages of the row, and where in each this head's part begins */
    uint8_t *const *pages;
    size_t in_page, in_values;
    lm_dtype kept;
    const float *relative; /* bias of bucket b and head h of the group at b ldr + h; NULL = none */
    size_t ldr;
    const int32_t *bucket; /* of distance 0 */
    int buckets;
    float *drelative; /* [group, buckets] gradient of this row, all to be written; or NULL */
    float *scratch;
} lm_attention_task;

enum { LM_KEPT_ROWS = 48 }; /* queries times heads of one call of attention_kept */

typedef struct lm_update_floats {
    float keep, shrink;           /* 1 - lr decay, lr l1 */
    float l2, grad_scale, limit;  /* limit: infinity where there is none */
    float beta1, rest1;           /* rest = 1 - beta, rounded once */
    float beta2, rest2;
    float step; /* lr, or lr / correction1 */
    float root; /* 1 / sqrt(correction2) */
    float eps;
    bool nesterov;
} lm_update_floats;

typedef void (*lm_update_loop)(float *p, float *g, float *m, float *v, size_t n, const lm_update_floats *how, bool clear);

typedef struct lm_variant {
    const char *isa;
    bool (*usable)(void);
    void (*activation_forward)(lm_act act, const float *x, float *y, size_t n);
    void (*activation_backward)(lm_act act, const float *x, const float *dy, float *dx, size_t n, bool add);
    void (*gate_forward)(lm_act act, const float *gate, const float *up, float *y, size_t n);
    void (*gate_backward)(lm_act act, const float *gate, const float *up, const float *dy, lm_gate_grads to, size_t n);
    void (*add)(const float *a, const float *b, float *y, size_t n);
    void (*axpy)(float a, const float *x, float *y, size_t n);
    void (*scale)(float a, const float *x, float *y, size_t n);
    double (*sum_squares)(const float *x, size_t n);
    /* y[j] += sum over `rows` of x[r, j], x with leading dimension ld */
    void (*column_sums)(const float *x, size_t ld, int rows, float *y, int n);
    /* y [m, n] with leading dimension ldy = x [m, k] w [n, k]^T + bias [n], or NULL; each element the same bits
     * whatever m and n are */
    void (*few_rows)(const float *x, int m, const float *w, int n, size_t k, const float *bias, float *y, size_t ldy);
    /* the same for w [k, n], whose rows are ldw apart */
    void (*few_rows_across)(const float *x, int m, const float *w, size_t ldw, int n, size_t k, const float *bias,
                            float *y, size_t ldy);
    void (*norm_forward)(const float *x, const float *weight, const float *bias, float eps, float *y,
                         float *mean, float *rstd, int width);
    void (*norm_backward)(const float *x, const float *weight, float mean, float rstd, const float *dy,
                          float *dx, bool add, float *dweight, float *dbias, int width);
    float (*rms_norm_forward)(const float *x, const float *weight, float offset, float eps, float *y, int width);
    void (*rms_norm_backward)(const float *x, const float *weight, float offset, float rstd, const float *dy, float *dx,
                              bool add, float *dweight, int width);
    /* one head: y (+)= x turned by `half` angles, whose cosines and then sines are in `turns`; the sines times `sign` */
    void (*rope)(const float *x, const float *turns, float sign, float *y, bool add, int half);
    /* counter: row, row >> 32, token */
    void (*dropout_forward)(const uint32_t key[2], const uint32_t counter[3], uint32_t threshold, float scale,
                            const float *x, const float *residual, float *y, uint8_t *mask, int width);
    void (*dropout_backward)(const uint8_t *mask, float scale, const float *dy, float *dx, bool add,
                             int width);
    size_t (*attention_scratch)(int nq, int nk, int dim, bool backward);
    void (*attention_forward)(const lm_attention_task *t);
    void (*attention_backward)(const lm_attention_task *t);
    size_t (*attention_kept_scratch)(int nq, int nk, int dim);
    /* rows [from, from + rows) of nq * group, head r % group of query r / group; LM_KEPT_ROWS at most */
    void (*attention_kept)(const lm_attention_task *t, int from, int rows);
    /* max of x, sum of exp(x-max) and sum of x */
    void (*log_sum_parts)(const float *x, int n, float *max, float *exps, float *sum);
    /* x = (exp(x - log_sum) - less) * factor */
    void (*softmax_grad)(float *x, int n, float log_sum, float less, float factor);
    void (*blend)(float share, float rest, const float *from, float *to, size_t n);
    lm_update_loop update[LM_RULES];
    /* bfloat16, with 16 random bits for each number: Philox at (block, counter), which dropout draws in the same order */
    void (*bf16_read)(const uint16_t *from, float *to, size_t n);
    void (*bf16_write)(const float *from, uint16_t *to, size_t n, const uint32_t key[2], const uint32_t counter[3],
                       uint32_t block);
    /* a block of LM_STATE_BLOCK at most */
    void (*code_read)(const uint8_t *from, float scale, bool is_signed, float *to, size_t n);
    float (*code_write)(const float *from, bool is_signed, uint8_t *to, size_t n); /* the scale */
    /* a row of Adafactor's: sum of d^2, which is also added to the columns; sum of (d row column)^2; and the step
     * itself. p may be NULL in the first two where l2 is 0 */
    float (*factor_squares)(const float *p, const float *g, const lm_update_floats *how, float *columns, size_t n);
    float (*factor_size)(const float *p, const float *g, const lm_update_floats *how, float row, const float *column, size_t n);
    void (*factor_move)(float *p, float *g, float *m, const lm_update_floats *how, float row, const float *column, size_t n,
                        bool clear);
    /* A matrix [depth, columns] that many products have on their right, element (k, j) at b[k down + j across], packed:
     * depth * panels_width(columns) floats. c[rows, panels_width(columns)] = a[rows, depth] times it, lda and ldc apart */
    int (*panels_width)(int columns);
    void (*panels_pack)(const float *b, size_t down, size_t across, int depth, int columns, float *panels);
    void (*panels_product)(const float *a, size_t lda, const float *panels, float *c, size_t ldc, int rows, int columns,
                           int depth);
    /* A cell of an LSTM: gates + sums (NULL = zeros) to their sigmoids and tanh, c and h; c_before NULL = zeros. And
     * back: gates to their gradients, and dc, which is of this time's c where `later`, to that of c_before's; the
     * gradient of h is dout + dh (NULL = zeros) */
    void (*lstm_forward)(const float *sums, float *gates, const float *c_before, float *c, float *h, int hidden);
    void (*lstm_backward)(float *gates, const float *c_before, const float *c, const float *dout, const float *dh,
                          float *dc, bool later, int hidden);
    void (*minhash)(const uint64_t *items, size_t n, const uint64_t *a, const uint64_t *b, int hashes, uint64_t *least);
    /* Columns [from, from + n) of a row as float32, the numbers of lm_quantised_expand; they begin where a block begins. */
    void (*weights_expand)(const lm_quantised *w, int row, int from, int n, float *out);
    /* y[j] = row first + j of w times x, + bias[j], or NULL; x in the order that weights_order gives it, which is itself, or in
     * room [columns] */
    const float *(*weights_order)(const lm_quantised *w, const float *x, float *room);
    void (*weights_dots)(const lm_quantised *w, int first, int count, const float *x, const float *bias, float *y);
    void (*round_row)(const float *x, int columns, lm_rounded *to, int row);
    /* As weights_dots, with the first `rows` rows of x, which were rounded, for which each row of the matrix is unpacked once; y is ldy
     * apart. A row's results are the same bits whatever rows are beside it, and how many. */
    void (*rounded_dots)(const lm_quantised *w, int first, int count, const lm_rounded *x, int rows, const float *bias, float *y,
                         size_t ldy);
    /* The same for rows [from, from + rows) of x, from rows of the matrix that are packed for it, `count` of them */
    size_t (*rounded_panels_bytes)(const lm_quantised *w, int count);
    void (*rounded_pack)(const lm_quantised *w, int first, int count, void *panels);
    void (*rounded_products)(const lm_quantised *w, const void *panels, int count, const lm_rounded *x, int from, int rows,
                             const float *bias, float *y, size_t ldy);
} lm_variant;

/* A variant is made of static functions of the same names. */
#define LM_VARIANT_KERNELS \
    .usable = usable, .activation_forward = activation_forward, .activation_backward = activation_backward, \
    .gate_forward = gate_forward, .gate_backward = gate_backward, .add = add_vectors, .axpy = axpy, \
    .scale = scale, .sum_squares = sum_squares, .column_sums = column_sums, .few_rows = few_rows, \
    .few_rows_across = few_rows_across, .norm_forward = norm_forward, .norm_backward = norm_backward, \
    .rms_norm_forward = rms_norm_forward, .rms_norm_backward = rms_norm_backward, .rope = rope, \
    .dropout_forward = dropout_forward, .dropout_backward = dropout_backward, \
    .attention_scratch = attention_scratch, .attention_forward = attention_forward, \
    .attention_backward = attention_backward, .attention_kept_scratch = attention_kept_scratch, \
    .attention_kept = attention_kept, .log_sum_parts = log_sum_parts, .softmax_grad = softmax_grad, \
    .blend = blend, .update = {adam, sgd, lion}, .bf16_read = bf16_read, .bf16_write = bf16_write, \
    .code_read = code_read, .code_write = code_write, .factor_squares = factor_squares, \
    .factor_size = factor_size, .factor_move = factor_move, .panels_width = panels_width, \
    .panels_pack = panels_pack, .panels_product = panels_product, .lstm_forward = lstm_forward, \
    .lstm_backward = lstm_backward, .minhash = minhash, .weights_expand = weights_expand, \
    .weights_order = weights_order, .weights_dots = weights_dots, .round_row = round_row, \
    .rounded_dots = rounded_dots, .rounded_panels_bytes = rounded_panels_bytes, .rounded_pack = rounded_pack, \
    .rounded_products = rounded_products

const lm_variant *lm_variant_now(void);

/* The floats of a step, rounded once. */
lm_update_floats lm_update_floats_of(const lm_update *how);

/* The dynamic 8-bit types. A magnitude is a whole number q; 2^e <= q < 2^(e+1) are the middles of 2^e equal parts of the
 * decade that ends at 10^(e-decades), and q = 2^(decades+1) is 1. Signed, q is 0 to 128 and the code 127+q or 127-q; unsigned,
 * q is 1 (which is 0 here) to 256 and the code q-1. */
enum { LM_CODE_DECADES_SIGNED = 6, LM_CODE_DECADES_UNSIGNED = 7 };

extern const lm_variant lm_variant_scalar, lm_variant_base, lm_variant_avx2, lm_variant_avx512, lm_variant_vnni;

/* weights_expand by lm_quantised_expand and lm_to_f32: the reference, and the way of blocks that end within 32 columns. */
void lm_quantised_part(const lm_quantised *w, int row, int from, int n, float *out);

/* The key and threshold of dropout, which all variants share. */
void lm_dropout_words(lm_dropout_key key, uint32_t out[2]);
uint32_t lm_dropout_threshold(double p);

#endif
