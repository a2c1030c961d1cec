/* The hot loops, an operation each, over whole matrices: threaded, deterministic, without allocation.
 *
 * Matrices are row-major float32 without gaps. Work is cut into tasks by shape alone, never by the number of
 * threads, and each sum is taken in one order, so results are the same bits for any -j. `add` says whether a
 * result is added to what is there or replaces it. Scratch comes from the caller: each function that needs
 * some has a partner that says how many floats. Inner loops exist once for each instruction set
 * (kernels/simd.h) and once in plain C in double precision (kernels/scalar.c), which the unit test holds the
 * others against. */
#ifndef LM_KERNELS_KERNELS_H
#define LM_KERNELS_KERNELS_H

#include "tensor/quantised.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Chooses the best instruction set of this processor; any kernel's first call does it too. */
void lm_kernels_start(void);
const char *lm_kernels_isa(void); /* "avx2" */
/* For tests: name of variant i ("scalar" is 0), NULL past the last; and forces one: false if this processor
 * lacks it. */
const char *lm_kernels_isa_at(size_t i);
bool lm_kernels_use(const char *isa);
/* False where BLAS threads itself (an OpenMP build of OpenBLAS): then results may depend on -j. */
bool lm_kernels_deterministic(void);

/* ---- linear layers (gemm.c): X [m,k], W [n,k], Y [m,n] ---- */

/* Y = X W^T + bias; bias [n] or NULL. */
void lm_linear_forward(const float *x, const float *w, const float *bias, float *y, int m, int n, int k);
/* dX (+)= dY W. */
void lm_linear_backward_input(const float *dy, const float *w, float *dx, int m, int n, int k, bool add);
/* dW += dY^T X. */
void lm_linear_backward_weight(const float *dy, const float *x, float *dw, int m, int n, int k);
/* The same with W stored as its transpose [k,n], whose rows are ldw floats apart. */
void lm_linear_transposed_forward(const float *x, const float *w, int ldw, const float *bias, float *y, int m, int n,
                                  int k);
void lm_linear_transposed_backward_input(const float *dy, const float *w, int ldw, float *dx, int m, int n, int k,
                                         bool add);
void lm_linear_transposed_backward_weight(const float *dy, const float *x, float *dw, int ldw, int m, int n, int k);
/* db += column sums of dY [m,n]. */
size_t lm_column_sums_scratch(int m, int n);
void lm_column_sums(const float *dy, float *db, int m, int n, float *scratch);

/* ---- elementwise (elementwise.c) ---- */

typedef enum lm_act {
    LM_ACT_GELU,
    LM_ACT_GELU_TANH,
    LM_ACT_RELU,
    LM_ACT_SILU,
    LM_ACT_TANH,
    LM_ACT_COUNT
} lm_act;

void lm_activation_forward(lm_act act, const float *x, float *y, size_t n);
/* dx (+)= dy f'(x); dx may be dy where it is not added. */
void lm_activation_backward(lm_act act, const float *x, const float *dy, float *dx, size_t n, bool add);
/* y = f(gate) up. */
void lm_gate_forward(lm_act act, const float *gate, const float *up, float *y, size_t n);
/* dgate (+)= dy up f'(gate), dup (+)= dy f(gate). Either may be NULL; one may be dy where it is not added. */
typedef struct lm_gate_grads {
    float *dgate, *dup;
    bool add_gate, add_up;
} lm_gate_grads;
void lm_gate_backward(lm_act act, const float *gate, const float *up, const float *dy, lm_gate_grads to, size_t n);
void lm_vector_add(const float *a, const float *b, float *y, size_t n); /* y = a + b */
void lm_vector_axpy(float a, const float *x, float *y, size_t n);       /* y += a x */
void lm_vector_scale(float a, const float *x, float *y, size_t n);      /* y = a x; y may be x */
/* Sum of squares, in double over fixed chunks. */
double lm_vector_sum_squares(const float *x, size_t n);

/* ---- norms (norm.c) ---- */

/* y = (x-mean) rstd weight + bias for each row; rstd = 1/sqrt(biased variance + eps). mean, rstd: [rows], or
 * NULL. */
void lm_norm_forward(const float *x, const float *weight, const float *bias, double eps, float *y,
                     float *mean, float *rstd, int rows, int width);
/* dx may be NULL; dweight and dbias are added to, and NULL together. */
size_t lm_norm_scratch(int rows, int width);
void lm_norm_backward(const float *x, const float *weight, const float *mean, const float *rstd,
                      const float *dy, float *dx, bool add, float *dweight, float *dbias, int rows, int width,
                      float *scratch);

/* y = x rstd (offset + weight) for each row; rstd = 1/sqrt(mean x^2 + eps): [rows], or NULL. */
void lm_rms_norm_forward(const float *x, const float *weight, double offset, double eps, float *y, float *rstd,
                         int rows, int width);
/* dx may be NULL, or dy where it is not added; dweight is added to, or NULL. */
size_t lm_rms_norm_scratch(int rows, int width);
void lm_rms_norm_backward(const float *x, const float *weight, double offset, const float *rstd, const float *dy,
                          float *dx, bool add, float *dweight, int rows, int width, float *scratch);

/* ---- rotary positions (rope.c) ----
 * turns [positions][columns]: for each position the cosines of columns/2 angles, then their sines. */

/* turns of positions [from, to). An angle is the float product of position and frequency, as in transformers; its cosine
 * and sine are exact to a float. */
void lm_rope_turns(const float *frequency, int columns, int from, int to, float *turns);
/* In each of the heads of `width`, columns j and j + columns/2 are turned by the angle of the row's position, or back;
 * those from `columns` on are copied. y (+)=; y may be x where it is not added. */
void lm_rope_rows(const float *x, const int32_t *position, const float *turns, bool back, float *y, bool add, int rows,
                  int heads, int width, int columns);

/* ---- embedding (embedding.c) ---- */

void lm_gather_forward(const float *table, const int32_t *index, float *y, int n, int width);
/* table[index[i]] += dy[i], each element in the order of i; rows whose index is `skip` add nothing (-1: all
 * do). */
void lm_gather_backward(float *dtable, const int32_t *index, const float *dy, int n, int width, int skip);

/* y[i] = scale[i] (table[index[i, 0]] + .. + table[index[i, each - 1]]); what is negative adds nothing. */
void lm_gather_sums_forward(const float *table, const int32_t *index, int each, const float *scale, float *y, int n,
                            int width);
/* table[index[i, j]] += scale[i] dy[i], each element in the order of i. */
void lm_gather_sums_backward(float *dtable, const int32_t *index, int each, const float *scale, const float *dy, int n,
                             int width);

/* ---- means over the rows of segments (embedding.c) ---- */

/* y[s] = mean of x[splits[s]] .. x[splits[s+1] - 1]; zeros where there is none. */
void lm_segment_means(const float *x, const int32_t *splits, float *y, int segments, int width);
/* dx (+)= */
void lm_segment_means_backward(const float *dy, const int32_t *splits, float *dx, bool add, int segments, int width);

/* ---- dropout (dropout.c) ----
 * Element (row, token, feature) of a site is kept iff a 16-bit number of Philox4x32-10 is >= p 65536
 * (rounded). Key: (seed, optimiser step, site); counter: (row, row >> 32, token, block). Feature f = 128 B +
 * 16 s + l is in block 16 B + l, word s/2, half s%2: neighbours are lanes of a vector whatever its width. */

typedef struct lm_dropout_key {
    uint64_t seed, optimiser_step;
    uint32_t site; /* below 2^24 */
} lm_dropout_key;

/* Bytes of a mask: a bit an element, rows padded to bytes. */
size_t lm_dropout_mask_bytes(int rows, int width);
/* y = x mask/(1-p) (+ residual, where not NULL); row_of, token_of: [rows]. */
void lm_dropout_forward(lm_dropout_key key, double p, const int64_t *row_of, const int32_t *token_of,
                        const float *x, const float *residual, float *y, uint8_t *mask, int rows, int width);
/* dx (+)= dy mask/(1-p). dx may be dy where it is not added. */
void lm_dropout_backward(double p, const uint8_t *mask, const float *dy, float *dx, bool add, int rows,
                         int width);

/* ---- signatures of sets (minhash.c) ---- */

/* least[h] = the least of least[h] and, over the items x, (a[h] x + b[h] mod 2^64) mod (2^61 - 1): what Broder (1997) calls a
 * min-wise independent permutation, as datatrove computes it. Begin with INT64_MAX. By this thread alone. */
void lm_minhash(const uint64_t *items, size_t n, const uint64_t *a, const uint64_t *b, int hashes, uint64_t *least);

/* ---- attention (attention.c) ---- */

/* Keys and values of a sequence that are kept from step to step, in pages of LM_PAGE tokens: for each key/value head the
 * keys transposed, [dim, LM_PAGE], then the values, [LM_PAGE, lm_page_width(dim)], their padding zero. They are LM_F32,
 * LM_F16 or LM_Q8_0: of that each token's 32 elements have a scale, as in blocks of ggml's, but codes and scales lie apart, which
 * are [lm_page_scales(dim), LM_PAGE] behind the codes of the keys, and [LM_PAGE, lm_page_scales(dim)] behind those of the values. */
typedef struct lm_kept {
    lm_dtype type;
    int keys;              /* that are there */
    uint8_t *const *pages; /* key j is in page j / LM_PAGE */
} lm_kept;

enum { LM_PAGE = 32 };

static inline size_t lm_page_width(int dim) /* whole vectors of any instruction set */
{
    return ((size_t)dim + 15) / 16 * 16;
}

static inline size_t lm_page_scales(int dim)
{
    return ((size_t)dim + 31) / 32;
}

/* Bytes of the keys of a head, or of its values: LM_PAGE of `width` elements. */
static inline size_t lm_page_part(lm_dtype type, int dim, size_t width)
{
    size_t codes = LM_PAGE * width;
    return type == LM_F32 ? codes * sizeof(float)
         : type == LM_F16 ? codes * sizeof(uint16_t)
                          : codes + LM_PAGE * lm_page_scales(dim) * sizeof(uint16_t);
}

static inline size_t lm_page_bytes(lm_dtype type, int kv_heads, int dim)
{
    return (size_t)kv_heads * (lm_page_part(type, dim, (size_t)dim) + lm_page_part(type, dim, lm_page_width(dim)));
}

typedef struct lm_attention_args {
    int sequences;
    const int32_t *q_splits, *k_splits; /* [sequences+1] */
    int heads, kv_heads, dim;           /* width of q = heads*dim, of k and v = kv_heads*dim */
    float scale;
    bool causal;               /* query i of nq sees keys 0 .. i + nk - nq */
    double dropout;            /* 0 = none */
    lm_dropout_key key;        /* counter: (row, row>>32 xor head<<16, query, block of keys) */
    const int64_t *global_row; /* [sequences] */
    const float *q, *k, *v;
    /* [sequences], or NULL. Where there is one, lm_attention_keep writes k and v as the last of each sequence's keys,
     * which `keys` counts already; and the forward reads what is kept in place of k and v. No backward. */
    const lm_kept *kept;
    /* A bias by distance: relative[bucket[d]][head] is added to the scaled score of the key that stands d places behind the
     * query (d < 0: before it); query i of nq stands at key i + nk - nq. */
    const float *relative; /* [buckets, heads]; NULL = none */
    const int32_t *bucket; /* of distance 0; its neighbours are those of all distances that occur: 1 - nk to nq - 1 */
    int buckets;
    int window; /* a causal query sees no more than the last so many of its keys; 0 = all */
} lm_attention_args;

/* Floats of scratch for all threads. */
size_t lm_attention_scratch(const lm_attention_args *a, bool backward);
/* out [queries, heads*dim]; log_sum [queries, heads]: log of the sum of exp(scale q.k), for the backward; may
 * be NULL. */
void lm_attention_forward(const lm_attention_args *a, float *out, float *log_sum, float *scratch);
void lm_attention_keep(const lm_attention_args *a);
/* Probabilities are computed again from q, k and log_sum. Any of dq, dk, dv may be NULL. */
typedef struct lm_attention_grads {
    const float *dout, *log_sum;
    float *dq, *dk, *dv;
    bool add_q, add_k, add_v;
    float *drelative; /* [buckets, heads], added to in the order of sequences; or NULL */
} lm_attention_grads;
void lm_attention_backward(const lm_attention_args *a, const lm_attention_grads *grads, float *scratch);

/* ---- LSTM (lstm.c) ----
 * One layer in one direction. With a = W_ih x_t + b_ih + b_hh + W_hh h_(t-1), cut into the gates i f g o (the order of
 * torch.nn.LSTM): c_t = sigmoid(f) c_(t-1) + sigmoid(i) tanh(g), h_t = sigmoid(o) tanh(c_t) (Hochreiter and Schmidhuber
 * 1997; forget gates: Gers et al. 2000). */

typedef struct lm_lstm_args {
    int sequences, hidden;
    const int32_t *row_splits;     /* [sequences+1] */
    const int32_t *order;          /* [sequences], of lm_lstm_order */
    bool reverse;                  /* each row from its last token to its first */
    const float *w;                /* W_hh [4 hidden, hidden] */
    float *gates;                  /* [tokens, 4 hidden]: W_ih x + b_ih + b_hh; after the forward sigmoid or tanh of a, after
                                    * the backward the gradient of a */
    float *c;                      /* [tokens, hidden] */
    float *h;                      /* [tokens, hidden], rows ldh apart */
    size_t ldh;
    const float *h_first, *c_first; /* [sequences, hidden] states before the first token; NULL = zeros */
    float *h_last, *c_last;         /* [sequences, hidden] those after the last, untouched where a row is empty; or NULL */
} lm_lstm_args;

/* The rows from the longest to the shortest. scratch: [2 sequences]. */
void lm_lstm_order(const int32_t *row_splits, int sequences, int32_t *order, int32_t *scratch);
size_t lm_lstm_scratch(const lm_lstm_args *a, bool backward);
void lm_lstm_forward(const lm_lstm_args *a, float *scratch);
/* dh: gradients of h as they come from outside, rows ldh apart. The states before the first token get none. */
void lm_lstm_backward(const lm_lstm_args *a, const float *dh, float *scratch);
/* h_(t-1) of each token: [tokens, hidden]. */
void lm_lstm_states_before(const lm_lstm_args *a, float *before);

/* ---- losses (loss.c): sums are the caller's; row_loss [rows] is unweighted, 0 where the label is ignored
 * ---- */

enum { LM_IGNORED = -100 };

/* The log of the sum of exponents of x [n], n > 0, whose parts are added in double precision, and all of few; *best (or NULL): where
 * the largest stands, the first of equals. */
double lm_log_sum(const float *x, int n, int *best);

/* (1-e) NLL + e mean over columns of -log p. dlogits (NULL = none) (+)= scale weight[r] d row_loss. */
void lm_cross_entropy_rows(const float *logits, const int32_t *label, float smoothing, float *row_loss,
                           int rows, int columns);
void lm_cross_entropy_grad(const float *logits, const int32_t *label, const float *weight, float smoothing,
                           float scale, float *dlogits, bool add, int rows, int columns);

/* The same with logits = X W^T + bias [vocab], which exist for some rows at a time only. */
typedef struct lm_vocab_args {
    const float *x, *w, *bias; /* [rows, width], [vocab, width], [vocab] or NULL */
    const lm_quantised *quantised; /* NULL, or what there is in place of w; it gets no gradient */
    int rows, width, vocab;
    const int32_t *label;
    const float *weight; /* [rows], or NULL = ones */
    float smoothing;
    float *row_loss; /* [rows] */
    bool backward;   /* gradients of scale * sum of weight * loss: */
    float scale;
    float *dx; /* [rows, width], or NULL */
    bool add_x;
    float *dw, *dbias; /* added to, or NULL */
} lm_vocab_args;
size_t lm_vocab_scratch(const lm_vocab_args *a); /* of the sizes, quantised and backward */
void lm_vocab_cross_entropy(const lm_vocab_args *a, float *scratch);

/* ---- optimisers (optimiser.c, states.c, adafactor.c) ---- */

/* How a step moves each number p by its gradient g. The gradient that it sees is d = scaled g, no further from 0 than the
 * limit, + l2 p; then
 *   LM_RULE_ADAM  m = b1 m + (1-b1) d; v = b2 v + (1-b2) d^2; u = lr (m/correction1) / (sqrt(v/correction2) + eps)
 *   LM_RULE_SGD   m = b1 m + d; u = lr m, or lr (d + b1 m) with `nesterov`; u = lr d where there is no m
 *   LM_RULE_LION  u = lr sign(b1 m + (1-b1) d); m = b2 m + (1-b2) d
 * p = (1 - lr decay) p - u, and |p| is less by lr l1, or 0: torch.optim's Adam, AdamW and SGD, and Lion of Chen et al. 2023
 * (arXiv 2302.06675). What l1 takes is the proximal step of the penalty l1 |p|. */
typedef enum lm_rule { LM_RULE_ADAM, LM_RULE_SGD, LM_RULE_LION, LM_RULES } lm_rule;

typedef struct lm_update {
    lm_rule rule;
    double lr, beta1, beta2, eps;
    double correction1, correction2; /* 1 - beta^t, or 1 where bias is not corrected */
    double decay, l2, l1;
    double grad_scale; /* of g: the clip coefficient, say */
    double grad_limit; /* 0 = none */
    bool nesterov;
    uint64_t key; /* of what is drawn to round states: another in each step and for each parameter */
} lm_update;

/* In what form m and v are kept. LM_STATE_BF16 rounds up or down by chance, by how near each is, so that what is less than
 * the last place adds up over the steps. LM_STATE_8BIT has a code for each number and a scale, the greatest magnitude, for
 * each block of LM_STATE_BLOCK: the dynamic 8-bit types, signed and unsigned, of Dettmers et al. 2022 (arXiv 2110.02861), in
 * the order of bitsandbytes' tables. The update itself is done in float32. */
typedef enum lm_state_form { LM_STATE_F32, LM_STATE_BF16, LM_STATE_8BIT } lm_state_form;
enum { LM_STATE_BLOCK = 256 };

/* m and v of n numbers, or of rows of a table. A rule may have none, or m alone. */
typedef struct lm_states {
    lm_state_form form;
    void *m, *v;             /* float, uint16_t (bfloat16) or uint8_t, one a number; NULL = none */
    float *m_scale, *v_scale; /* LM_STATE_8BIT: one a block */
} lm_states;

/* g is set to zero for the next step when `clear`. */
void lm_update_step(const lm_update *how, float *p, float *g, const lm_states *states, size_t n, bool clear);

/* The same for some rows of a table p [.., width]: g and the states have rows of their own, that of row r at g_place[r] - 1
 * and so on; g_place 0 = its gradient is zero, state_place 0 = so are its states, and the row is not for this call. g stays as
 * it is. The states are no codes. */
typedef struct lm_update_rows {
    float *p;
    lm_states states;
    const float *g, *zeros; /* zeros: [width] */
    const int32_t *row;     /* [count] */
    const int32_t *g_place, *state_place;
    int count, width;
} lm_update_rows;
void lm_update_step_rows(const lm_update *how, const lm_update_rows *rows);
/* What the step is to rows [0, count) of p that are not in state_place: no gradient and no states, so that decay and l1 are
 * all that comes of it. */
void lm_update_other_rows(const lm_update *how, const lm_update_rows *rows, int64_t count);

/* Numbers [from, from + n) of m (`first`) or of v, to float32 and back; nothing where there is none. Of codes `from` begins
 * a block. What is drawn in rounding is a function of the key, m or v, the table's row and the place in it. */
void lm_states_read(const lm_states *states, bool first, size_t from, size_t n, float *to);
void lm_states_write(const lm_states *states, bool first, size_t from, size_t n, const float *values, uint64_t key, uint32_t row,
                     size_t place);

/* Adafactor (Shazeer and Stern 2018, arXiv 1804.04235; transformers.optimization.Adafactor). v of a matrix [rows, columns] is
 * kept as the means of its rows and of its columns:
 *   row = b2 row + (1-b2) (mean of d^2 over the columns + epsilon), column likewise
 *   u = d / sqrt(row column / mean of row), divided by max(1, RMS(u) / clip_threshold), times lr
 *   m = b1 m + (1-b1) u, which is u then (where there is an m); p = (1 - lr decay) p - u
 * A vector, row NULL, has v itself in `column`. The mean, RMS(u), is over all `matrices`. */
typedef struct lm_adafactor {
    lm_update step;        /* lr, decay, l2, l1, grad_scale, grad_limit, beta1 (of m), beta2 (b2 of this step) */
    double epsilon, clip_threshold;
    float *p, *g, *m;      /* [matrices, rows, columns]; m NULL = none */
    float *row;            /* [matrices, rows]; NULL where rows is 1 */
    float *column;         /* [matrices, columns] */
    size_t matrices, rows, columns;
} lm_adafactor;
size_t lm_adafactor_scratch(const lm_adafactor *a); /* floats */
void lm_adafactor_step(const lm_adafactor *a, float *scratch, bool clear);

/* to = share from + (1 - share) to: a moving average. */
void lm_vector_blend(double share, const float *from, float *to, size_t n);

#endif
