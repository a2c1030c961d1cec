/* The inner loops for one instruction set: compiled once for each, with its flags and LM_ISA. */
#include "kernels/variant.h"
#include "kernels/simd/vector.h"

#include "kernels/simd/elementwise.h"
#include "kernels/simd/few.h"
#include "kernels/simd/norm.h"
#include "kernels/simd/rope.h"
#include "kernels/simd/dropout.h"
#include "kernels/simd/attention.h"
#include "kernels/simd/attention_kept.h"
#include "kernels/simd/loss.h"
#include "kernels/simd/optimiser.h"
#include "kernels/simd/panels.h"
#include "kernels/simd/lstm.h"
#include "kernels/simd/minhash.h"
#include "kernels/simd/codes.h"
#include "kernels/simd/weights.h"
#include "kernels/simd/row_products.h"
#include "kernels/simd/rounded.h"
#include "kernels/simd/rounded_groups.h"
#include "kernels/simd/rounded_rows.h"
#include "kernels/simd/rounded_panels.h"

/* (all that have AVX2 have F16C, which not every compiler can ask for) */
static bool usable(void)
{
#if defined(__AVX512F__)
#if defined(__AVX512VNNI__)
    bool vnni = __builtin_cpu_supports("avx512vnni");
#else
    bool vnni = true;
#endif
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("fma") && vnni;
#elif defined(__AVX2__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return true;
#endif
}

#define NAME_(isa) lm_variant_##isa
#define NAME(isa)  NAME_(isa)
#define TEXT_(isa) #isa
#define TEXT(isa)  TEXT_(isa)

const lm_variant NAME(LM_ISA) = {
    .isa = TEXT(LM_ISA),
    .usable = usable,
    .activation_forward = activation_forward,
    .activation_backward = activation_backward,
    .gate_forward = gate_forward,
    .gate_backward = gate_backward,
    .add = add_vectors,
    .axpy = axpy,
    .scale = scale,
    .sum_squares = sum_squares,
    .column_sums = column_sums,
    .few_rows = few_rows,
    .few_rows_across = few_rows_across,
    .norm_forward = norm_forward,
    .norm_backward = norm_backward,
    .rms_norm_forward = rms_norm_forward,
    .rms_norm_backward = rms_norm_backward,
    .rope = rope,
    .dropout_forward = dropout_forward,
    .dropout_backward = dropout_backward,
    .attention_scratch = attention_scratch,
    .attention_forward = attention_forward,
    .attention_backward = attention_backward,
    .attention_kept_scratch = attention_kept_scratch,
    .attention_kept = attention_kept,
    .log_sum_parts = log_sum_parts,
    .softmax_grad = softmax_grad,
    .blend = blend,
    .update = {adam, sgd, lion},
    .bf16_read = bf16_read,
    .bf16_write = bf16_write,
    .code_read = code_read,
    .code_write = code_write,
    .factor_squares = factor_squares,
    .factor_size = factor_size,
    .factor_move = factor_move,
    .panels_width = panels_width,
    .panels_pack = panels_pack,
    .panels_product = panels_product,
    .lstm_forward = lstm_forward,
    .lstm_backward = lstm_backward,
    .minhash = minhash,
    .weights_expand = weights_expand,
    .weights_order = weights_order,
    .weights_dots = weights_dots,
    .round_row = round_row,
    .rounded_dots = rounded_dots,
    .rounded_panels_bytes = rounded_panels_bytes,
    .rounded_pack = rounded_pack,
    .rounded_products = rounded_products,
};
