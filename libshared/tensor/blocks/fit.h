/* The searches for the scale of a group of 16 or 32 numbers (make_qx_quants and its like in ggml-quants.c). Their sums run from
 * the first number of a group to the last, one at a time, and what is tried next depends on what was found; so a lane has a
 * group of its own, and nothing is rounded otherwise than in the reference. */

enum {
    BATCH = 2 * SUPER,      /* numbers that are fitted in one go: all lanes have a group */
    GROUPS = BATCH / 16,    /* at most */
    LARGEST_GROUP = 32,
};

/* What was found, for each group. */
typedef struct fits {
    float scale[GROUPS];
    float least[GROUPS]; /* what is subtracted, at least 0 */
    float by[GROUPS];    /* the codes were those of by (x - from); of a group that has none by is 0 */
    float from[GROUPS];
    float weight[GROUPS]; /* the sum of a group's weights */
} fits;

/* LANES groups, or what there is of them: element i of group k goes to [i LANES + k]. */
INLINE void side_by_side(const float *x, int n, int groups, float *to)
{
    for (int k = 0; k < LANES; k++)
        for (int i = 0; i < n; i++)
            to[i * LANES + k] = k < groups ? x[k * n + i] : 0;
}

INLINE void put_lanes(float *to, vf v, int groups)
{
    store_part(to, v, (size_t)(groups < LANES ? groups : LANES));
}

/* Codes from 0 to `most` of scale q - least. */
typedef struct above {
    int most;
    float first, step; /* tried are (most + first + i step) / range, 0 <= i <= tries */
    int tries;
    bool absolute; /* the error is |d|, not d^2 */
} above;

INLINE vf error_of(vf difference, bool absolutes)
{
    return absolutes ? absolute(difference) : difference * difference;
}

/* make_qkx2_quants, make_qkx3_quants. `absolutes` is how->absolute, said once more so that it is a constant in the loops. */
INLINE void fit_above(const float *x, const float *w, int n, const above *how, bool absolutes, int groups, int at, fits *to)
{
    vf min = load(x), max = min, sum_w = load(w), sum_x = sum_w * min;
    for (int i = 1; i < n; i++) {
        vf xi = load(x + i * LANES), wi = load(w + i * LANES);
        min = smaller(xi, min);
        max = larger(xi, max);
        sum_w += wi;
        sum_x += wi * xi;
    }
    min = choose(min > 0, splat(0), min);
    vi flat = max == min;
    vf first = min, by = (float)how->most / (max - min), scale = 1.0f / by, best = splat(0), from = min;
    for (int i = 0; i < n; i++) {
        vf xi = load(x + i * LANES), l = from_ints(clamp(nearest(by * (xi - min)), 0, how->most));
        best += load(w + i * LANES) * error_of(scale * l + min - xi, absolutes);
    }
    for (int t = 0; t <= how->tries; t++) {
        float codes[LARGEST_GROUP * LANES] __attribute__((aligned(64)));
        vf tried = (how->first + how->step * (float)t + (float)how->most) / (max - min);
        vf sum_l = splat(0), sum_l2 = sum_l, sum_xl = sum_l, error = sum_l;
        for (int i = 0; i < n; i++) {
            vf xi = load(x + i * LANES), l = from_ints(clamp(nearest(tried * (xi - min)), 0, how->most));
            store(codes + i * LANES, l);
            vf wl = load(w + i * LANES) * l;
            sum_l += wl;
            sum_l2 += wl * l;
            sum_xl += wl * xi;
        }
        vf d = sum_w * sum_l2 - sum_l * sum_l;
        vf slope = (sum_w * sum_xl - sum_x * sum_l) / d, low = (sum_l2 * sum_x - sum_l * sum_xl) / d;
        vi positive = low > 0;
        low = choose(positive, splat(0), low);
        slope = choose(positive, sum_xl / sum_l2, slope);
        for (int i = 0; i < n; i++) {
            vf l = load(codes + i * LANES);
            error += load(w + i * LANES) * error_of(slope * l + low - load(x + i * LANES), absolutes);
        }
        vi better = (d > 0) & (error < best);
        best = choose(better, error, best);
        by = choose(better, tried, by);
        from = choose(better, min, from);
        scale = choose(better, slope, scale);
        min = choose(better, low, min);
    }
    put_lanes(to->scale + at, choose(flat, splat(0), scale), groups);
    put_lanes(to->least + at, -choose(flat, first, min), groups);
    put_lanes(to->by + at, choose(flat, splat(0), by), groups);
    put_lanes(to->from + at, from, groups);
}

/* The first that is largest in magnitude, of each lane. */
INLINE vf extremes(const float *x, int n, vf *most)
{
    vf max = splat(0);
    *most = max;
    for (int i = 0; i < n; i++) {
        vf xi = load(x + i * LANES), size = absolute(xi);
        vi larger_still = size > *most;
        *most = choose(larger_still, size, *most);
        max = choose(larger_still, xi, max);
    }
    return max;
}

static const float nothing = 1e-15f; /* GROUP_MAX_EPS */

/* Codes from -half to half - 1 of scale q: make_qx_quants with rmse_type 1. */
INLINE void fit_around(const float *x, const float *w, int n, int half, int groups, int at, fits *to)
{
    vf most, max = extremes(x, n, &most), by = splat(0), scale = by, best = by;
    for (int t = 0; t < 19; t++) { /* the plain one first, then nine to each side */
        int step = t == 0 ? 0 : t <= 9 ? t - 10 : t - 9;
        vf tried = -((float)half + 0.1f * (float)step) / max, sum_lx = splat(0), sum_l2 = sum_lx;
        for (int i = 0; i < n; i++) {
            vf xi = load(x + i * LANES), wi = load(w + i * LANES), l = from_ints(clamp(nearest(tried * xi), -half, half - 1));
            sum_lx += wi * xi * l;
            sum_l2 += wi * l * l;
        }
        vi better = t == 0 ? (vi){0} - 1 : (sum_l2 > 0) & (sum_lx * sum_lx > best * sum_l2);
        vf found = choose(sum_l2 != 0, sum_lx / sum_l2, splat(0));
        by = choose(better, tried, by);
        scale = choose(better, found, scale);
        best = choose(better, found * sum_lx, best);
    }
    vi none = most < nothing;
    put_lanes(to->scale + at, choose(none, splat(0), scale), groups);
    put_lanes(to->by + at, choose(none, splat(0), by), groups);
}

/* The code of the nearest of 16 ascending values, of two as near the upper one: best_index_int8, also of what is no number. */
INLINE vi nearest_value(const float *values, vf x)
{
    vi at = {0};
    for (int step = 8; step; step /= 2)
        at += ~(x < pick(values, at + step)) & step;
    vi upper = clamp(at + 1, 0, 15), lower_is_nearer = x - pick(values, at) < pick(values, upper) - x;
    return at + (~lower_is_nearer & (upper - at));
}

/* Codes of values that do not lie evenly: quantize_row_iq4_nl_impl with 7 tries to each side. */
INLINE void fit_by_values(const float *x, const float *w, int n, const float *values, int groups, int at, fits *to)
{
    enum { TRIES = 7 };
    vf most, max = extremes(x, n, &most), scale = splat(0), best = scale;
    for (int t = -TRIES - 1; t <= TRIES; t++) { /* the plain one first */
        bool plain = t < -TRIES;
        vf tried = plain ? 1.0f / (-max / values[0]) : ((float)t + values[0]) / max, sum_qx = splat(0), sum_q2 = sum_qx;
        for (int i = 0; i < n; i++) {
            vf xi = load(x + i * LANES), wi = load(w + i * LANES), q = pick(values, nearest_value(values, tried * xi));
            sum_qx += wi * q * xi;
            sum_q2 += wi * q * q;
        }
        vi better = plain ? (vi){0} - 1 : (sum_q2 > 0) & (sum_qx * sum_qx > best * sum_q2);
        vf found = choose(sum_q2 > 0, sum_qx / sum_q2, splat(0));
        scale = choose(better, found, scale);
        best = choose(better, found * sum_qx, best);
    }
    scale = choose(most < nothing, splat(0), scale);
    put_lanes(to->scale + at, scale, groups);
    put_lanes(to->by + at, choose(scale != 0, 1.0f / scale, splat(0)), groups);
}

/* The same by moving one code at a time: make_q3_quants. codes: the groups' own, one after the other, each plus half. */
INLINE void fit_by_turns(const float *x, int n, int half, int groups, int at, fits *to, uint8_t *codes)
{
    float l[LARGEST_GROUP * LANES] __attribute__((aligned(64)));
    vf most, max = extremes(x, n, &most), by = -(float)half / max, sum_lx = splat(0), sum_l2 = sum_lx;
    for (int i = 0; i < n; i++) {
        vf xi = load(x + i * LANES), w = xi * xi, li = from_ints(clamp(nearest(by * xi), -half, half - 1));
        store(l + i * LANES, li);
        sum_lx += w * xi * li;
        sum_l2 += w * li * li;
    }
    vi changed = (vi){0} - 1;
    for (int turn = 0; turn < 5 && any(changed); turn++) {
        changed = (vi){0};
        for (int i = 0; i < n; i++) {
            vf xi = load(x + i * LANES), w = xi * xi, wx = w * xi, li = load(l + i * LANES);
            vf lx = sum_lx - wx * li, l2 = sum_l2 - w * li * li;
            vf moved = from_ints(clamp(nearest(xi * l2 / lx), -half, half - 1));
            vi better = (lx > 0) & (moved != li);
            lx += wx * moved;
            l2 += w * moved * moved;
            better &= (l2 > 0) & (lx * lx * sum_l2 > sum_lx * sum_lx * l2);
            changed |= better;
            store(l + i * LANES, choose(better, moved, li));
            sum_lx = choose(better, lx, sum_lx);
            sum_l2 = choose(better, l2, sum_l2);
        }
    }
    vi none = most < nothing;
    put_lanes(to->scale + at, choose(~none & (sum_l2 > 0), sum_lx / sum_l2, splat(0)), groups);
    for (int k = 0; k < LANES && k < groups; k++)
        for (int i = 0; i < n; i++)
            codes[k * n + i] = none[k] ? 0 : (uint8_t)(l[i * LANES + k] + (float)half);
}

/* Scales of a super-block to codes from 0 to `most`, each error weighed: make_qp_quants. The scale of the codes. */
static float fit_scales(const float *x, const float *w, int n, int most, uint8_t *codes)
{
    float max = 0;
    for (int i = 0; i < n; i++) {
        max = max > x[i] ? max : x[i];
        codes[i] = 0;
    }
    if (max < nothing)
        return 0;
    float by = (float)most / max, best = 0;
    for (int i = 0; i < n; i++) {
        float d = x[i] - 1.0f / by * (float)(uint8_t)nearest_one(by * x[i]);
        best += w[i] * d * d;
    }
    for (int step = -4; step <= 4; step++) {
        float tried = (0.1f * (float)step + (float)most) / max, scale = 1.0f / tried, error = 0;
        for (int i = 0; i < n && step; i++) {
            int l = nearest_one(tried * x[i]);
            float d = x[i] - scale * (float)(l < most ? l : most);
            error += w[i] * d * d;
        }
        if (step && error < best) {
            best = error;
            by = tried;
        }
    }
    float sum_lx = 0, sum_l2 = 0;
    for (int i = 0; i < n; i++) {
        int l = nearest_one(by * x[i]);
        l = l < most ? l : most;
        codes[i] = (uint8_t)l;
        sum_lx += w[i] * x[i] * (float)l;
        sum_l2 += w[i] * (float)l * (float)l;
    }
    for (int turn = 0, changed = 1; turn < 5 && changed; turn++) {
        changed = 0;
        for (int i = 0; i < n; i++) {
            float wx = w[i] * x[i], l = codes[i], lx = sum_lx - wx * l, l2 = sum_l2 - w[i] * l * l;
            if (!(lx > 0 && l2 > 0))
                continue;
            int moved = nearest_one(x[i] * l2 / lx);
            moved = moved < most ? moved : most;
            lx += wx * (float)moved;
            l2 += w[i] * (float)moved * (float)moved;
            if (moved != codes[i] && lx * lx * sum_l2 > sum_lx * sum_lx * l2) {
                codes[i] = (uint8_t)moved;
                sum_lx = lx;
                sum_l2 = l2;
                changed = 1;
            }
        }
    }
    return sum_l2 > 0 ? sum_lx / sum_l2 : 0;
}
