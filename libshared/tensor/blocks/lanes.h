/* Integers and floats in lanes, beyond base/vector.h. */

INLINE vf from_ints(vi v)
{
    return __builtin_convertvector(v, vf);
}

/* Truncated; `x` is within the range of int. */
INLINE vi to_ints(vf x)
{
    return __builtin_convertvector(x, vi);
}

INLINE bool any(vi mask)
{
    int all = 0;
    for (int k = 0; k < LANES; k++)
        all |= mask[k];
    return all;
}

INLINE vi clamp(vi v, int low, int high)
{
    vi least = (vi){0} + low, most = (vi){0} + high;
#if defined(__AVX512F__)
    return (vi)_mm512_max_epi32(_mm512_min_epi32((__m512i)v, (__m512i)most), (__m512i)least);
#elif defined(__AVX2__)
    return (vi)_mm256_max_epi32(_mm256_min_epi32((__m256i)v, (__m256i)most), (__m256i)least);
#else
    vi above = v > most;
    v = (above & most) | (~above & v);
    vi below = v < least;
    return (below & least) | (~below & v);
#endif
}

/* nearest_int of ggml-quants.c, also of what is no number or too large for it. */
INLINE vi nearest(vf x)
{
    return ((vi)(x + 12582912.0f) & 0x7fffff) - 0x400000;
}

INLINE int nearest_one(float x)
{
    float moved = x + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &moved, sizeof bits);
    return (bits & 0x7fffff) - 0x400000;
}
