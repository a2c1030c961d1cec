/* Vectors of the instruction set that this translation unit is compiled for, through the vector extensions
 * that gcc and clang share, and the functions that the formulas need. variant.c includes it once for each
 * instruction set. */
#ifndef LM_KERNELS_SIMD_VECTOR_H
#define LM_KERNELS_SIMD_VECTOR_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef uint32_t vu __attribute__((vector_size(4 * LANES)));

#define INLINE static inline __attribute__((always_inline))

INLINE vf load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, vf v)
{
    memcpy(p, &v, sizeof v);
}

/* The first n < LANES elements; the others read as 0 and are not written. */
INLINE vf load_part(const float *p, size_t n)
{
    vf v = {0};
    memcpy(&v, p, n * sizeof *p);
    return v;
}

INLINE void store_part(float *p, vf v, size_t n)
{
    memcpy(p, &v, n * sizeof *p);
}

INLINE vf splat(float x)
{
    return x - (vf){0};
}

INLINE vf choose(vi mask, vf yes, vf no)
{
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}

INLINE vf larger(vf a, vf b)
{
    return choose(a > b, a, b);
}

INLINE vf smaller(vf a, vf b)
{
    return choose(a < b, a, b);
}

INLINE vf absolute(vf x)
{
    return (vf)((vi)x & 0x7fffffff);
}

INLINE vf root(vf x)
{
#if defined(__AVX512F__)
    return (vf)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
    return (vf)_mm256_sqrt_ps((__m256)x);
#elif defined(__x86_64__)
    return (vf)_mm_sqrt_ps((__m128)x);
#else
    for (int i = 0; i < LANES; i++)
        x[i] = sqrtf(x[i]);
    return x;
#endif
}

/* a b + c, rounded once where the processor can. A compiler that fuses by itself chooses among the products of a sum, and not
 * always the same one for what is left over of a row: this is for results that must not depend on where a row is cut. */
INLINE vf fused(vf a, vf b, vf c)
{
#if defined(__AVX512F__)
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

/* Halves are added to one another, or the larger of two taken: the order is fixed. */
#if defined(__x86_64__)
#define HALVES(name, op)                                                                                     \
    INLINE float name(vf v)                                                                                  \
    {                                                                                                        \
        __m128 x = FIRST_QUARTER(v, op);                                                                     \
        x = op(x, _mm_movehl_ps(x, x));                                                                      \
        x = op(x, _mm_shuffle_ps(x, x, 1));                                                                  \
        return _mm_cvtss_f32(x);                                                                             \
    }
#if defined(__AVX512F__)
#define FIRST_QUARTER(v, op)                                                                                 \
    op(op(_mm512_extractf32x4_ps((__m512)(v), 0), _mm512_extractf32x4_ps((__m512)(v), 2)),                   \
       op(_mm512_extractf32x4_ps((__m512)(v), 1), _mm512_extractf32x4_ps((__m512)(v), 3)))
#elif defined(__AVX2__)
#define FIRST_QUARTER(v, op) op(_mm256_castps256_ps128((__m256)(v)), _mm256_extractf128_ps((__m256)(v), 1))
#else
#define FIRST_QUARTER(v, op) (__m128)(v)
#endif
HALVES(sum_of, _mm_add_ps)
HALVES(max_of, _mm_max_ps)
#else
INLINE float sum_of(vf v)
{
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            v[i] += v[i + half];
    return v[0];
}

INLINE float max_of(vf v)
{
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            v[i] = v[i] > v[i + half] ? v[i] : v[i + half];
    return v[0];
}
#endif

/* exp x = 2^n exp r with |r| <= ln(2)/2; exp r = 1 + r + r^2 P(r), P minimax of degree 4 (relative error
 * 3e-9). 0 below the normal range; infinity above the range of float. NaN stays NaN. */
INLINE vf exponential(vf x)
{
    const float shift = 12582912.0f; /* 1.5 2^23: adding it rounds to an integer */
    vf clamped = smaller(larger(x, splat(-87.5f)), splat(88.8f));
    vf t = clamped * 1.44269504f + shift;
    vf n = t - shift;
    vf r = clamped - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    vf p = r * 1.3814614e-3f + 8.3687110e-3f;
    p = p * r + 4.1668387e-2f;
    p = p * r + 0.16666521f;
    p = p * r + 0.49999993f;
    p = p * (r * r) + r + 1.0f;
    /* in two steps: 2^128 alone is no float */
    vi whole = ((vi)t - 0x4b400000), half = whole >> 1;
    vf y = p * (vf)((half + 127) << 23) * (vf)((whole - half + 127) << 23);
    y = choose(x < -87.33654f, splat(0), y);
    return choose(x == x, y, x);
}

/* 1/(1 + exp -x), and its derivative, neither by subtracting from 1. */
INLINE vf sigmoid(vf x, vf *slope)
{
    vf e = exponential((vf)((vi)x | (vi)splat(-0.0f))), t = 1.0f / (1.0f + e);
    *slope = e * t * t;
    return choose(x > 0, t, e * t);
}

/* The standard normal distribution function and its density. Phi(-x) = exp(-x^2/2) Q(x) for x >= 0, with Q =
 * t P(t), t = 1/(1 + 0.35 x), P minimax of degree 8 on [0, 14] (relative error 3e-8). */
INLINE vf normal_cdf(vf x, vf *density)
{
    vf a = absolute(x), e = exponential(x * x * -0.5f), t = 1.0f / (a * 0.35f + 1.0f);
    vf p = t * -0.029145440866f + 0.143969605159f;
    p = p * t + -0.255710515559f;
    p = p * t + 0.159170540786f;
    p = p * t + -0.023107777517f;
    p = p * t + 0.105507309583f;
    p = p * t + 0.119833000990f;
    p = p * t + 0.139861856785f;
    p = p * t + 0.139621404744f;
    vf tail = p * t * e;
    *density = e * 0.398942280401f;
    return choose(x > 0, 1.0f - tail, tail);
}

/* Odd polynomial (relative error 7e-9) near 0, 1 - 2/(exp 2x + 1) elsewhere. */
INLINE vf hyperbolic_tangent(vf x)
{
    vf s = x * x;
    vf p = s * -5.5150486e-3f + 2.0469313e-2f;
    p = p * s + -5.3687990e-2f;
    p = p * s + 0.1333083f;
    p = p * s + -0.33333260f;
    vf near = p * s * x + x;
    vf far = 1.0f - 2.0f / (exponential(absolute(x) * 2.0f) + 1.0f);
    far = (vf)((vi)far | ((vi)x & (vi)splat(-0.0f)));
    return choose(absolute(x) < 0.625f, near, far);
}

/* Full lanes out of 16 and 8 bits without a sign, and their low 16 or 8 bits. (Compilers convert by way of single numbers.) */
INLINE vu from_halves(const uint16_t *p)
{
#if defined(__AVX512F__)
    return (vu)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
#elif defined(__AVX2__)
    return (vu)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
#else
    vu v;
    for (int i = 0; i < LANES; i++)
        v[i] = p[i];
    return v;
#endif
}

INLINE void to_halves(uint16_t *p, vu v)
{
#if defined(__AVX512F__)
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16((__m512i)v));
#elif defined(__AVX2__)
    __m256i low = (__m256i)(v & 0xffff);
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08)));
#else
    for (int i = 0; i < LANES; i++)
        p[i] = (uint16_t)v[i];
#endif
}

INLINE vi from_bytes(const uint8_t *p)
{
#if defined(__AVX512F__)
    return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
#elif defined(__AVX2__)
    return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
#else
    vi v;
    for (int i = 0; i < LANES; i++)
        v[i] = p[i];
    return v;
#endif
}

INLINE void to_bytes(uint8_t *p, vi v)
{
#if defined(__AVX512F__)
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8((__m512i)v));
#elif defined(__AVX2__)
    __m256i four = _mm256_shuffle_epi8((__m256i)v, _mm256_set1_epi32(0x0c080400)); /* the first bytes of each half */
    _mm_storel_epi64((__m128i *)p, _mm_unpacklo_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1)));
#else
    for (int i = 0; i < LANES; i++)
        p[i] = (uint8_t)v[i];
#endif
}

/* table[index] of each lane, for indices whose low four bits are all that counts. */
INLINE vf pick(const float table[16], vi index)
{
#if defined(__AVX512F__)
    return (vf)_mm512_permutexvar_ps((__m512i)index, _mm512_loadu_ps(table));
#elif defined(__AVX2__)
    __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), (__m256i)index);
    __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), (__m256i)index);
    return (vf)_mm256_blendv_ps(low, high, (__m256)(index << 28));
#else
    vf v;
    for (int i = 0; i < LANES; i++)
        v[i] = table[index[i] & 15];
    return v;
#endif
}

/* `count` is LANES, a constant, in the loop over full vectors and less in what is left over. */
INLINE vf get(const float *p, size_t count)
{
    return count == LANES ? load(p) : load_part(p, count);
}

INLINE void put(float *p, vf v, size_t count)
{
    if (count == LANES)
        store(p, v);
    else
        store_part(p, v, count);
}

/* step(at, count, ...) for each vector of n elements. */
#define EACH(n, step, ...)                                                                                   \
    do {                                                                                                     \
        size_t at_ = 0, n_ = (size_t)(n);                                                                    \
        for (; at_ + LANES <= n_; at_ += LANES)                                                              \
            step(at_, LANES, __VA_ARGS__);                                                                   \
        if (at_ < n_)                                                                                        \
            step(at_, n_ - at_, __VA_ARGS__);                                                                \
    } while (0)

#endif
