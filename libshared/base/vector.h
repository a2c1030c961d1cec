/* Vectors of the instruction set that a translation unit is compiled for, through the vector extensions that gcc and
 * clang share. For sources that are compiled once for each instruction set, with its flags: kernels/simd/, tensor/blocks/. */
#ifndef LM_BASE_VECTOR_H
#define LM_BASE_VECTOR_H

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

/* Full lanes out of 16 and 8 bits without a sign, and their low 16 or 8 bits. (Compilers convert by way of single numbers.) */
INLINE vu from_halves(const uint16_t *p)
{
#if defined(__AVX512F__)
    return (vu)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
#elif defined(__AVX2__)
    return (vu)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
#elif defined(__x86_64__)
    return (vu)_mm_unpacklo_epi16(_mm_loadl_epi64((const __m128i *)p), _mm_setzero_si128());
#else
    vu v = {0};
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
#elif defined(__x86_64__)
    __m128i whole = _mm_srai_epi32(_mm_slli_epi32((__m128i)v, 16), 16); /* what is packed has a sign */
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi32(whole, whole));
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
#elif defined(__x86_64__)
    int32_t four;
    memcpy(&four, p, sizeof four);
    __m128i none = _mm_setzero_si128();
    return (vi)_mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(four), none), none);
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
#elif defined(__x86_64__)
    __m128i low = _mm_and_si128((__m128i)v, _mm_set1_epi32(255)), halves = _mm_packs_epi32(low, low);
    int32_t four = _mm_cvtsi128_si32(_mm_packus_epi16(halves, halves));
    memcpy(p, &four, sizeof four);
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
