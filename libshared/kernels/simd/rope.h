/* Rotary positions of one head. Part of variant.c. */

INLINE void rope_step(size_t at, size_t count, const float *x, const float *turns, float sign, float *y, bool add,
                      size_t half)
{
    vf c = get(turns + at, count), s = get(turns + half + at, count) * sign;
    vf a = get(x + at, count), b = get(x + half + at, count), u = a * c - b * s, v = b * c + a * s;
    put(y + at, add ? get(y + at, count) + u : u, count);
    put(y + half + at, add ? get(y + half + at, count) + v : v, count);
}

static void rope(const float *x, const float *turns, float sign, float *y, bool add, int half)
{
    EACH(half, rope_step, x, turns, sign, y, add, (size_t)half);
}
