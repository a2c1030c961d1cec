#include "tensor/dtype.h"
#include "base/memory.h"
#include "tensor/blocks/loops.h"

/* Blocks of the GGML types as ggml-common.h lays them out: a scale (and minimum) in half precision and the
 * packed values; the K types hold 256 values in a super-block. */
static const struct {
    const char *name;
    uint16_t block, bytes;
} types[LM_DTYPE_COUNT] = {
    [LM_F64] = {"F64", 1, 8},       [LM_F32] = {"F32", 1, 4},       [LM_F16] = {"F16", 1, 2},
    [LM_BF16] = {"BF16", 1, 2},     [LM_I64] = {"I64", 1, 8},       [LM_I32] = {"I32", 1, 4},
    [LM_I16] = {"I16", 1, 2},       [LM_I8] = {"I8", 1, 1},         [LM_U8] = {"U8", 1, 1},
    [LM_BOOL] = {"BOOL", 1, 1},     [LM_Q8_0] = {"Q8_0", 32, 34},   [LM_Q4_0] = {"Q4_0", 32, 18},
    [LM_Q4_1] = {"Q4_1", 32, 20},   [LM_Q5_0] = {"Q5_0", 32, 22},   [LM_Q5_1] = {"Q5_1", 32, 24},
    [LM_Q2_K] = {"Q2_K", 256, 84},  [LM_Q3_K] = {"Q3_K", 256, 110}, [LM_Q4_K] = {"Q4_K", 256, 144},
    [LM_Q5_K] = {"Q5_K", 256, 176}, [LM_Q6_K] = {"Q6_K", 256, 210},
    [LM_NF4] = {"NF4", 2, 1},       [LM_FP4] = {"FP4", 2, 1},       [LM_IQ4_NL] = {"IQ4_NL", 32, 18},
};

const char *lm_dtype_name(lm_dtype t)
{
    return types[t].name;
}

bool lm_dtype_find(lm_str name, lm_dtype *out)
{
    for (int t = 0; t < LM_DTYPE_COUNT; t++) {
        if (lm_str_is(name, types[t].name) && t != LM_NF4 && t != LM_FP4) {
            *out = (lm_dtype)t;
            return true;
        }
    }
    return false;
}

int lm_dtype_block(lm_dtype t)
{
    return types[t].block;
}

size_t lm_dtype_block_bytes(lm_dtype t)
{
    return types[t].bytes;
}

bool lm_shape_elements(const lm_shape *s, size_t *elements)
{
    if (s->dims < 0 || s->dims > LM_MAX_DIMS)
        return false;
    size_t n = 1;
    for (int i = 0; i < s->dims; i++) {
        if (s->size[i] < 0 || (uint64_t)s->size[i] > SIZE_MAX || !lm_mul(n, (size_t)s->size[i], &n))
            return false;
    }
    *elements = n;
    return true;
}

bool lm_tensor_bytes(lm_dtype t, const lm_shape *s, size_t *bytes)
{
    size_t n, block = types[t].block;
    if (!lm_shape_elements(s, &n))
        return false;
    if (block > 1 && (s->dims == 0 || (size_t)s->size[s->dims - 1] % block))
        return false;
    return lm_mul(n / block, types[t].bytes, bytes);
}

bool lm_shape_equal(const lm_shape *a, const lm_shape *b)
{
    if (a->dims != b->dims)
        return false;
    for (int i = 0; i < a->dims; i++) {
        if (a->size[i] != b->size[i])
            return false;
    }
    return true;
}

void lm_shape_print(const lm_shape *s, lm_buf *out)
{
    lm_buf_putc(out, '[');
    for (int i = 0; i < s->dims; i++)
        lm_buf_printf(out, "%s%lld", i ? ", " : "", (long long)s->size[i]);
    lm_buf_putc(out, ']');
}

/* ------------------------------------------------------------------ float conversion */

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float lm_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 0x1f, mantissa = h & 0x3ff;
    if (exponent == 0x1f) /* infinity, NaN: the payload moves up */
        return float_of(sign | 0x7f800000 | mantissa << 13);
    if (exponent == 0) { /* zero, subnormal: mantissa * 2^-24 is exact in f32 */
        float f = (float)mantissa * 0x1p-24f;
        return float_of(sign | bits_of(f));
    }
    return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t lm_f32_to_f16(float f)
{
    uint32_t u = bits_of(f), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
    if (a > 0x7f800000) /* NaN: its upper payload, made quiet so that it cannot become an infinity */
        return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x3ff));
    if (a >= 0x477ff000) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (a < 0x38800000) { /* below 2^-14: adding 0.5 lets the FPU round to a multiple of 2^-24 */
        float shifted = float_of(a) + 0.5f;
        return (uint16_t)(sign | (bits_of(shifted) - bits_of(0.5f)));
    }
    uint32_t odd = a >> 13 & 1;
    return (uint16_t)(sign | (a - (112u << 23) + 0xfff + odd) >> 13);
}

float lm_bf16_to_f32(uint16_t b)
{
    return float_of((uint32_t)b << 16);
}

uint16_t lm_f32_to_bf16(float f)
{
    uint32_t u = bits_of(f);
    if ((u & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

bool lm_to_f32(lm_dtype t, const void *data, size_t n, float *out)
{
    const unsigned char *p = data;
    double wide;
    switch (t) {
    case LM_F32:
        if (n)
            memcpy(out, p, n * sizeof *out);
        return true;
    case LM_F64:
        for (size_t i = 0; i < n; i++) {
            memcpy(&wide, p + i * sizeof wide, sizeof wide);
            out[i] = (float)wide;
        }
        return true;
    default:
        if (!lm_block_loops_now()->expand[t] || n % types[t].block)
            return false;
        if (n)
            lm_block_loops_now()->expand[t](data, n / types[t].block, out);
        return true;
    }
}

bool lm_from_f32(lm_dtype t, const float *in, size_t n, void *out)
{
    unsigned char *p = out;
    switch (t) {
    case LM_F32:
        if (n)
            memcpy(p, in, n * sizeof *in);
        return true;
    case LM_F64:
        for (size_t i = 0; i < n; i++)
            memcpy(p + i * sizeof(double), &(double){in[i]}, sizeof(double));
        return true;
    case LM_F16:
    case LM_BF16:
        if (n)
            lm_block_loops_now()->quantise[t](in, n, NULL, out);
        return true;
    default:
        return false;
    }
}
