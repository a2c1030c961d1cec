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

const lm_variant NAME(LM_ISA) = {.isa = TEXT(LM_ISA), LM_VARIANT_KERNELS};
