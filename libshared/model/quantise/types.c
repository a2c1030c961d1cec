#include "model/quantise/types.h"

#include <strings.h>

/* llama_ftype of llama.h gives the numbers. */
const lm_quantise_type lm_quantise_types[] = {
    {"f32", LM_F32, LM_MIX_NONE, 0, false},
    {"f16", LM_F16, LM_MIX_NONE, 1, false},
    {"bf16", LM_BF16, LM_MIX_NONE, 32, false},
    {"q8_0", LM_Q8_0, LM_MIX_NONE, 7, false},
    {"q6_k", LM_Q6_K, LM_MIX_NONE, 18, false},
    {"q5_k_m", LM_Q5_K, LM_MIX_Q5_K_M, 17, false},
    {"q5_k_s", LM_Q5_K, LM_MIX_Q5_K_S, 16, false},
    {"q5_1", LM_Q5_1, LM_MIX_NONE, 9, false},
    {"q5_0", LM_Q5_0, LM_MIX_NONE, 8, false},
    {"q4_k_m", LM_Q4_K, LM_MIX_Q4_K_M, 15, false},
    {"q4_k_s", LM_Q4_K, LM_MIX_Q4_K_S, 14, false},
    {"iq4_nl", LM_IQ4_NL, LM_MIX_IQ4_NL, 25, false},
    {"q4_1", LM_Q4_1, LM_MIX_NONE, 3, false},
    {"q4_0", LM_Q4_0, LM_MIX_NONE, 2, false},
    {"q3_k_l", LM_Q3_K, LM_MIX_Q3_K_L, 13, false},
    {"q3_k_m", LM_Q3_K, LM_MIX_Q3_K_M, 12, false},
    {"q3_k_s", LM_Q3_K, LM_MIX_Q3_K_S, 11, false},
    {"q2_k", LM_Q2_K, LM_MIX_Q2_K, 10, false},
    {"q2_k_s", LM_Q2_K, LM_MIX_Q2_K_S, 21, false},
    {"nf4", LM_NF4, LM_MIX_NONE, -1, true},
    {"fp4", LM_FP4, LM_MIX_NONE, -1, true},
    {"int8", LM_I8, LM_MIX_NONE, -1, true},
    {0},
};

const char *const lm_quantise_type_names[] = {
    "f32",    "f16",  "bf16", "q8_0",   "q6_k",   "q5_k_m", "q5_k_s", "q5_1",   "q5_0", "q4_k_m", "q4_k_s",
    "iq4_nl", "q4_1", "q4_0", "q3_k_l", "q3_k_m", "q3_k_s", "q2_k",   "q2_k_s", "nf4",  "fp4",    "int8",   NULL};

const char *const lm_quantise_type_synonyms[] = {
    "q5_k", "q5_k_m", "q4_k", "q4_k_m", "q3_k", "q3_k_m", "q8",   "q8_0", "q4",       "q4_k_m", "float32", "f32",
    "fp32", "f32",    "float16", "f16", "fp16", "f16",    "half", "f16",  "bfloat16", "bf16",   "8bit",    "int8",
    "i8",   "int8",   "4bit",    "nf4", NULL};

bool lm_quantise_dtype(const char *name, lm_dtype *out)
{
    static const lm_dtype all[] = {LM_F32,  LM_F16,  LM_BF16, LM_Q8_0, LM_Q4_0, LM_Q4_1, LM_Q5_0,
                                   LM_Q5_1, LM_Q2_K, LM_Q3_K, LM_Q4_K, LM_Q5_K, LM_Q6_K, LM_IQ4_NL};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcasecmp(name, lm_dtype_name(all[i])) == 0) {
            *out = all[i];
            return true;
        }
    return false;
}
