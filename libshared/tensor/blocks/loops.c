/* The loops for one instruction set: compiled once for each, with its flags and LM_ISA. */
#include "tensor/blocks/loops.h"
#include "base/vector.h"
#include "tensor/blocks.h"
#include "tensor/blocks/layout.h"

#include <float.h>

#ifdef __FAST_MATH__
#error "the bytes of blocks are those of the reference: compile without -ffast-math"
#endif

#include "tensor/blocks/lanes.h"

#include "tensor/blocks/expand.h"
#include "tensor/blocks/plain.h"
#include "tensor/blocks/fit.h"
#include "tensor/blocks/super.h"
#include "tensor/blocks/simple.h"

static bool usable(void)
{
#if defined(__AVX512F__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
#elif defined(__AVX2__)
    return __builtin_cpu_supports("avx2"); /* all that have it have F16C, which not every compiler can ask for */
#else
    return true;
#endif
}

#define NAME_(isa) lm_block_loops_##isa
#define NAME(isa)  NAME_(isa)
#define TEXT_(isa) #isa
#define TEXT(isa)  TEXT_(isa)

const lm_block_loops NAME(LM_ISA) = {
    .isa = TEXT(LM_ISA),
    .usable = usable,
    .quantise =
        {
            [LM_F16] = narrow_f16,
            [LM_BF16] = narrow_bf16,
            [LM_Q8_0] = quantise_q8_0,
            [LM_Q4_0] = quantise_q4_0,
            [LM_Q4_1] = quantise_q4_1,
            [LM_Q5_0] = quantise_q5_0,
            [LM_Q5_1] = quantise_q5_1,
            [LM_Q2_K] = quantise_q2_k,
            [LM_Q3_K] = quantise_q3_k,
            [LM_Q4_K] = quantise_q4_k,
            [LM_Q5_K] = quantise_q5_k,
            [LM_Q6_K] = quantise_q6_k,
            [LM_IQ4_NL] = quantise_iq4_nl,
        },
    .expand =
        {
            [LM_F16] = expand_f16,
            [LM_BF16] = expand_bf16,
            [LM_Q8_0] = expand_q8_0,
            [LM_Q4_0] = expand_q4_0,
            [LM_Q4_1] = expand_q4_1,
            [LM_Q5_0] = expand_q5_0,
            [LM_Q5_1] = expand_q5_1,
            [LM_Q2_K] = expand_q2_k,
            [LM_Q3_K] = expand_q3_k,
            [LM_Q4_K] = expand_q4_k,
            [LM_Q5_K] = expand_q5_k,
            [LM_Q6_K] = expand_q6_k,
            [LM_IQ4_NL] = expand_iq4_nl,
        },
    .magnitude = magnitude,
    .greatest = greatest,
    .fours = fours,
    .int8 = int8,
};
