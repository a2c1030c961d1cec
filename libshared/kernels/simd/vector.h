/* What the formulas of the kernels need on top of base/vector.h: functions of vectors. variant.c includes it once for each
 * instruction set. */
#ifndef LM_KERNELS_SIMD_VECTOR_H
#define LM_KERNELS_SIMD_VECTOR_H

#include "base/vector.h"

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

#endif
