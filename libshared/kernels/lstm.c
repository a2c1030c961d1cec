/* LSTM over ragged rows. Rows are independent of one another, so they are dealt into groups, each of which one thread
 * takes through all its times: no thread waits for another between two of them. At each time the rows of a group that
 * are not over yet are its first ones, and one product serves them all. */
#include "kernels/tasks.h"
#include "kernels/variant.h"

#include <stdlib.h>
#include <string.h>

/* How many rows a group has at least, where there are so many groups: the weights pass through the cache once a time and
 * group, which pays for some rows only. */
static int groups_of(int rows)
{
    static const int least[] = {3, 12, 16, 16};
    int groups = 1;
    for (size_t i = 0; i < sizeof least / sizeof *least && rows >= 2 * groups * least[i]; i++)
        groups *= 2;
    return groups;
}

typedef struct group {
    int first, step, rows; /* row i is order[first + i step] */
} group;

static group group_at(const lm_lstm_args *a, int groups, int i)
{
    return (group){i, groups, a->sequences > i ? lm_divide_up(a->sequences - i, groups) : 0};
}

static int sequence_of(const lm_lstm_args *a, group g, int i)
{
    return a->order[g.first + i * g.step];
}

static int length_of(const lm_lstm_args *a, int sequence)
{
    return a->row_splits[sequence + 1] - a->row_splits[sequence];
}

/* The token that a row reads at time t. */
static size_t token_at(const lm_lstm_args *a, int sequence, int t)
{
    return (size_t)(a->reverse ? a->row_splits[sequence + 1] - 1 - t : a->row_splits[sequence] + t);
}

/* How many rows of a group are longer than t, of `rows` at most. */
static int alive(const lm_lstm_args *a, group g, int rows, int t)
{
    while (rows > 0 && length_of(a, sequence_of(a, g, rows - 1)) <= t)
        rows--;
    return rows;
}

typedef struct shorter {
    int length, sequence;
} shorter;

static int longest_first(const void *x, const void *y)
{
    const shorter *a = x, *b = y;
    return a->length != b->length ? (a->length < b->length) - (a->length > b->length)
                                  : (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

void lm_lstm_order(const int32_t *row_splits, int sequences, int32_t *order, int32_t *scratch)
{
    shorter *all = (shorter *)(void *)scratch;
    for (int s = 0; s < sequences; s++)
        all[s] = (shorter){row_splits[s + 1] - row_splits[s], s};
    if (sequences)
        qsort(all, (size_t)sequences, sizeof *all, longest_first);
    for (int s = 0; s < sequences; s++)
        order[s] = all[s].sequence;
}

/* What a row of a group has of scratch: its gradients of gates or its state, what the product gives, and dc. */
static size_t row_floats(const lm_lstm_args *a, bool backward)
{
    const lm_variant *v = lm_variant_now();
    size_t n = (size_t)a->hidden;
    return backward ? 5 * n + (size_t)v->panels_width(a->hidden) : n + (size_t)v->panels_width(4 * a->hidden);
}

static size_t panel_floats(const lm_lstm_args *a, bool backward)
{
    const lm_variant *v = lm_variant_now();
    return backward ? (size_t)v->panels_width(a->hidden) * 4 * (size_t)a->hidden
                    : (size_t)v->panels_width(4 * a->hidden) * (size_t)a->hidden;
}

size_t lm_lstm_scratch(const lm_lstm_args *a, bool backward)
{
    return panel_floats(a, backward) + row_floats(a, backward) * (size_t)a->sequences;
}

/* Multiply-adds of all times together. */
static double work_of(const lm_lstm_args *a)
{
    return 4.0 * a->row_splits[a->sequences] * a->hidden * a->hidden;
}

static void keep_last(const lm_lstm_args *a, int sequence, size_t token)
{
    size_t n = (size_t)a->hidden;
    if (a->h_last)
        memcpy(a->h_last + (size_t)sequence * n, a->h + token * a->ldh, n * sizeof *a->h);
    if (a->c_last)
        memcpy(a->c_last + (size_t)sequence * n, a->c + token * n, n * sizeof *a->c);
}

static void forward_group(const lm_lstm_args *a, group g, const float *panels, float *scratch)
{
    const lm_variant *v = lm_variant_now();
    size_t n = (size_t)a->hidden, width = (size_t)v->panels_width(4 * a->hidden);
    float *state = scratch, *sums = scratch + (size_t)g.rows * n;
    int rows = alive(a, g, g.rows, 0);
    for (int i = 0; a->h_first && i < rows; i++)
        memcpy(state + (size_t)i * n, a->h_first + (size_t)sequence_of(a, g, i) * n, n * sizeof *state);
    for (int t = 0; rows > 0; rows = alive(a, g, rows, ++t)) {
        bool before = t > 0 || a->h_first;
        if (before)
            v->panels_product(state, n, panels, sums, width, rows, 4 * a->hidden, a->hidden);
        for (int i = 0; i < rows; i++) {
            int s = sequence_of(a, g, i);
            size_t token = token_at(a, s, t);
            const float *c = t ? a->c + token_at(a, s, t - 1) * n : a->c_first ? a->c_first + (size_t)s * n : NULL;
            v->lstm_forward(before ? sums + (size_t)i * width : NULL, a->gates + token * 4 * n, c, a->c + token * n,
                            a->h + token * a->ldh, a->hidden);
            memcpy(state + (size_t)i * n, a->h + token * a->ldh, n * sizeof *state);
            if (t + 1 == length_of(a, s))
                keep_last(a, s, token);
        }
    }
}

void lm_lstm_forward(const lm_lstm_args *a, float *scratch)
{
    const lm_variant *v = lm_variant_now();
    int groups = groups_of(a->sequences);
    float *rows = scratch + panel_floats(a, false);
    v->panels_pack(a->w, 1, (size_t)a->hidden, a->hidden, 4 * a->hidden, scratch);
#pragma omp parallel for schedule(dynamic, 1) LM_THREADS_IF(groups > 1 ? work_of(a) : 0)
    for (int i = 0; i < groups; i++) {
        size_t before = 0;
        for (int j = 0; j < i; j++)
            before += (size_t)group_at(a, groups, j).rows;
        forward_group(a, group_at(a, groups, i), scratch, rows + before * row_floats(a, false));
    }
}

static void backward_group(const lm_lstm_args *a, group g, const float *dh, const float *panels, float *scratch)
{
    const lm_variant *v = lm_variant_now();
    size_t n = (size_t)a->hidden, width = (size_t)v->panels_width(a->hidden);
    float *later = scratch, *sums = later + (size_t)g.rows * 4 * n, *dc = sums + (size_t)g.rows * width;
    int times = g.rows ? length_of(a, sequence_of(a, g, 0)) : 0, had = 0;
    for (int t = times - 1; t >= 0; t--) {
        int rows = alive(a, g, g.rows, t);
        if (had)
            v->panels_product(later, 4 * n, panels, sums, width, had, a->hidden, 4 * a->hidden);
        for (int i = 0; i < rows; i++) {
            int s = sequence_of(a, g, i);
            size_t token = token_at(a, s, t);
            const float *c = t ? a->c + token_at(a, s, t - 1) * n : a->c_first ? a->c_first + (size_t)s * n : NULL;
            v->lstm_backward(a->gates + token * 4 * n, c, a->c + token * n, dh + token * a->ldh,
                             i < had ? sums + (size_t)i * width : NULL, dc + (size_t)i * n, i < had, a->hidden);
            memcpy(later + (size_t)i * 4 * n, a->gates + token * 4 * n, 4 * n * sizeof *later);
        }
        had = rows;
    }
}

void lm_lstm_backward(const lm_lstm_args *a, const float *dh, float *scratch)
{
    const lm_variant *v = lm_variant_now();
    int groups = groups_of(a->sequences);
    float *rows = scratch + panel_floats(a, true);
    v->panels_pack(a->w, (size_t)a->hidden, 1, 4 * a->hidden, a->hidden, scratch);
#pragma omp parallel for schedule(dynamic, 1) LM_THREADS_IF(groups > 1 ? work_of(a) : 0)
    for (int i = 0; i < groups; i++) {
        size_t before = 0;
        for (int j = 0; j < i; j++)
            before += (size_t)group_at(a, groups, j).rows;
        backward_group(a, group_at(a, groups, i), dh, scratch, rows + before * row_floats(a, true));
    }
}

void lm_lstm_states_before(const lm_lstm_args *a, float *before)
{
    size_t n = (size_t)a->hidden;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)a->row_splits[a->sequences] * a->hidden)
    for (int s = 0; s < a->sequences; s++) {
        for (int t = 0; t < length_of(a, s); t++) {
            float *to = before + token_at(a, s, t) * n;
            if (t)
                memcpy(to, a->h + token_at(a, s, t - 1) * a->ldh, n * sizeof *to);
            else if (a->h_first)
                memcpy(to, a->h_first + (size_t)s * n, n * sizeof *to);
            else
                memset(to, 0, n * sizeof *to);
        }
    }
}
