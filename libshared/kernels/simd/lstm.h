/* The cell of an LSTM, one row at one time: kernels/kernels.h has the formulas. Part of variant.c. */

INLINE void lstm_forward_step(size_t at, size_t count, const float *sums, float *gates, const float *c_before, float *c,
                              float *h, size_t hidden)
{
    vf gate[4], slope;
    for (size_t q = 0; q < 4; q++) {
        gate[q] = get(gates + q * hidden + at, count);
        if (sums)
            gate[q] += get(sums + q * hidden + at, count);
    }
    vf in = sigmoid(gate[0], &slope), forget = sigmoid(gate[1], &slope), fresh = hyperbolic_tangent(gate[2]),
       out = sigmoid(gate[3], &slope), cell = in * fresh;
    if (c_before)
        cell += forget * get(c_before + at, count);
    put(gates + at, in, count);
    put(gates + hidden + at, forget, count);
    put(gates + 2 * hidden + at, fresh, count);
    put(gates + 3 * hidden + at, out, count);
    put(c + at, cell, count);
    put(h + at, out * hyperbolic_tangent(cell), count);
}

static void lstm_forward(const float *sums, float *gates, const float *c_before, float *c, float *h, int hidden)
{
    EACH(hidden, lstm_forward_step, sums, gates, c_before, c, h, (size_t)hidden);
}

INLINE void lstm_backward_step(size_t at, size_t count, float *gates, const float *c_before, const float *c,
                               const float *dout, const float *dh, float *dc, bool later, size_t hidden)
{
    vf in = get(gates + at, count), forget = get(gates + hidden + at, count), fresh = get(gates + 2 * hidden + at, count),
       out = get(gates + 3 * hidden + at, count), shown = hyperbolic_tangent(get(c + at, count)),
       d = get(dout + at, count);
    if (dh)
        d += get(dh + at, count);
    vf cell = d * out * (1.0f - shown * shown);
    if (later)
        cell += get(dc + at, count);
    vf before = c_before ? get(c_before + at, count) : splat(0);
    put(gates + at, cell * fresh * in * (1.0f - in), count);
    put(gates + hidden + at, cell * before * forget * (1.0f - forget), count);
    put(gates + 2 * hidden + at, cell * in * (1.0f - fresh * fresh), count);
    put(gates + 3 * hidden + at, d * shown * out * (1.0f - out), count);
    put(dc + at, cell * forget, count);
}

static void lstm_backward(float *gates, const float *c_before, const float *c, const float *dout, const float *dh,
                          float *dc, bool later, int hidden)
{
    EACH(hidden, lstm_backward_step, gates, c_before, c, dout, dh, dc, later, (size_t)hidden);
}
