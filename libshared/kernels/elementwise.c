#include "kernels/tasks.h"
#include "kernels/variant.h"

enum { PIECE = 16384 }; /* floats of a task: three streams of them fit the second cache */

#define PIECES(n)      (((n) + PIECE - 1) / PIECE)
#define PIECE_AT(i, n) ((n) - (i)*PIECE < PIECE ? (n) - (i)*PIECE : PIECE)

void lm_activation_forward(lm_act act, const float *x, float *y, size_t n)
{
    const lm_variant *v = lm_variant_now();
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n * 8)
    for (size_t i = 0; i < PIECES(n); i++)
        v->activation_forward(act, x + i * PIECE, y + i * PIECE, PIECE_AT(i, n));
}

void lm_activation_backward(lm_act act, const float *x, const float *dy, float *dx, size_t n, bool add)
{
    const lm_variant *v = lm_variant_now();
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n * 8)
    for (size_t i = 0; i < PIECES(n); i++)
        v->activation_backward(act, x + i * PIECE, dy + i * PIECE, dx + i * PIECE, PIECE_AT(i, n), add);
}

void lm_gate_forward(lm_act act, const float *gate, const float *up, float *y, size_t n)
{
    const lm_variant *v = lm_variant_now();
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n * 8)
    for (size_t i = 0; i < PIECES(n); i++)
        v->gate_forward(act, gate + i * PIECE, up + i * PIECE, y + i * PIECE, PIECE_AT(i, n));
}

void lm_gate_backward(lm_act act, const float *gate, const float *up, const float *dy, lm_gate_grads to, size_t n)
{
    const lm_variant *v = lm_variant_now();
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n * 12)
    for (size_t i = 0; i < PIECES(n); i++) {
        lm_gate_grads piece = to;
        piece.dgate = to.dgate ? to.dgate + i * PIECE : NULL;
        piece.dup = to.dup ? to.dup + i * PIECE : NULL;
        v->gate_backward(act, gate + i * PIECE, up + i * PIECE, dy + i * PIECE, piece, PIECE_AT(i, n));
    }
}

void lm_vector_add(const float *a, const float *b, float *y, size_t n)
{
    const lm_variant *v = lm_variant_now();
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n * 2)
    for (size_t i = 0; i < PIECES(n); i++)
        v->add(a + i * PIECE, b + i * PIECE, y + i * PIECE, PIECE_AT(i, n));
}

void lm_vector_axpy(float a, const float *x, float *y, size_t n)
{
    const lm_variant *v = lm_variant_now();
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n * 2)
    for (size_t i = 0; i < PIECES(n); i++)
        v->axpy(a, x + i * PIECE, y + i * PIECE, PIECE_AT(i, n));
}

void lm_vector_scale(float a, const float *x, float *y, size_t n)
{
    const lm_variant *v = lm_variant_now();
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n * 2)
    for (size_t i = 0; i < PIECES(n); i++)
        v->scale(a, x + i * PIECE, y + i * PIECE, PIECE_AT(i, n));
}

double lm_vector_sum_squares(const float *x, size_t n)
{
    enum { AT_ONCE = 64 };
    const lm_variant *v = lm_variant_now();
    double total = 0;
    for (size_t from = 0; from < PIECES(n); from += AT_ONCE) {
        double part[AT_ONCE];
        size_t count = PIECES(n) - from < AT_ONCE ? PIECES(n) - from : AT_ONCE;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)count *PIECE * 2)
        for (size_t i = 0; i < count; i++)
            part[i] = v->sum_squares(x + (from + i) * PIECE, PIECE_AT(from + i, n));
        for (size_t i = 0; i < count; i++)
            total += part[i];
    }
    return total;
}
