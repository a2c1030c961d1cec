/* Operations that a plugin brings. */
#include "base/memory.h"
#include "graph/tape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)LM_CUSTOM_INPUTS <= (int)LM_INPUTS, "a node holds all inputs of a custom operation");

static bool adopt(lm_custom_op *own, const lm_custom_op *op, size_t size)
{
    memset(own, 0, sizeof *own);
    if (size > sizeof *own)
        return false;
    memcpy(own, op, size);
    return true;
}

static const char *fault_of(const lm_custom_op *op, int width, int count)
{
    if (!op->name)
        return "it has no name";
    if (!op->forward)
        return "it has no forward";
    if (!op->backward)
        return "it has no backward, and without one nothing below it can be trained";
    if (count < 1 || count > LM_CUSTOM_INPUTS)
        return "it takes from one to four inputs";
    if (width < 1 || op->kept < 0 || op->history < 0)
        return "it has a result without columns";
    return NULL;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* A row's kept rows, [history, width] of which the last are its newest, take in `count` new ones. */
static void take_in(float *kept, size_t history, const float *new, size_t count, size_t width)
{
    size_t stay = count < history ? history - count : 0, more = history - stay;
    memmove(kept, kept + more * width, stay * width * sizeof *kept);
    if (more)
        memcpy(kept + stay * width, new + (count - more) * width, more * width * sizeof *kept);
}

/* In an incremental step what the operation looks back at was kept: it stands before the new rows of the first input.
 * False: the graph has failed. */
static bool look_back(lm_graph *g, lm_node *n)
{
    lm_custom_call *c = &n->custom.call;
    const lm_custom_op *op = &n->custom.op;
    lm_kv_cache *cache = lm_graph_cache(g, c->sequences);
    int width = c->x_width[0], state_width;
    if (!cache)
        return lm_graph_ok(g);
    if (!op->history || __builtin_mul_overflow(op->history, width, &state_width)) {
        lm_graph_fail(g, op->name, "rows are to be read piece by piece, and it needs them whole (lm_custom_op.history): this "
                                   "model does not generate");
        return false;
    }
    float *state = lm_kv_cache_state(cache, lm_graph_slot(g), state_width, &g->status);
    if (!state)
        return false;
    int32_t *splits = lm_graph_alloc(g, (size_t)c->sequences + 1, sizeof *splits);
    splits[0] = 0;
    for (int s = 0; s < c->sequences; s++) {
        int count = c->row_splits[s + 1] - c->row_splits[s];
        splits[s + 1] = splits[s] + count + (count ? least(op->history, lm_kv_cache_length(cache, s)) : 0);
    }
    c->x_splits = splits;
    c->x_rows[0] = splits[c->sequences];
    size_t row = (size_t)width, history = (size_t)op->history;
    const float *new = lm_value(g, n->in[0]);
    float *x = lm_graph_alloc(g, (size_t)c->x_rows[0] * row, sizeof *x);
    c->x[0] = x;
    for (int s = 0; s < c->sequences; s++, state += state_width) {
        size_t count = (size_t)(c->row_splits[s + 1] - c->row_splits[s]);
        size_t before = (size_t)(splits[s + 1] - splits[s]) - count;
        if (!count)
            continue;
        memcpy(x, state + (history - before) * row, before * row * sizeof *x);
        memcpy(x + before * row, new, count * row * sizeof *x);
        take_in(state, history, new, count, row);
        x += (before + count) * row;
        new += count * row;
    }
    return true;
}

lm_tensor *lm_custom_sized(lm_graph *g, const lm_custom_op *op, size_t size, int width, lm_tensor *const *inputs, int count,
                           const void *options)
{
    lm_custom_op own;
    if (!lm_graph_ok(g))
        return g->nothing;
    if (!adopt(&own, op, size))
        return lm_graph_fail(g, "custom", "the plugin was built for a newer version: rebuild it with the lmutils/plugin.h "
                                          "that is installed");
    const char *name = own.name ? own.name : "custom", *fault = fault_of(&own, width, count);
    if (fault)
        return lm_graph_fail(g, name, "%s: check the plugin", fault);
    const lm_layout *layout = inputs[0]->layout;
    if (own.sequences && !layout->row_splits)
        return lm_graph_fail(g, name, "its input is not whole sequences: check the plugin");
    lm_node *n = lm_node_new(g, LM_OP_CUSTOM, inputs[0]->rows, width, layout, NULL, NULL, NULL);
    lm_custom_call *c = &n->custom.call;
    n->custom.op = own;
    *c = (lm_custom_call){.rows = inputs[0]->rows, .width = width, .count = count, .sequences = layout->sequences,
                          .row_splits = layout->row_splits, .x_splits = layout->row_splits, .options = options};
    for (int i = 0; i < count; i++) {
        n->in[i] = inputs[i];
        c->x_rows[i] = inputs[i]->rows;
        c->x_width[i] = inputs[i]->width;
    }
    if (own.sequences && !look_back(g, n))
        return g->nothing;
    return lm_node_run(g, n);
}

void lm_custom_op_forward(lm_graph *g, lm_node *n)
{
    lm_custom_call *c = &n->custom.call;
    for (int i = 0; i < c->count; i++)
        if (!c->x[i]) /* not put together already */
            c->x[i] = lm_value(g, n->in[i]);
    c->y = n->out->value;
    c->kept = lm_graph_alloc(g, (size_t)c->rows * (size_t)n->custom.op.kept, sizeof(float));
    if (c->rows)
        n->custom.op.forward(c);
}

void lm_custom_op_backward(lm_graph *g, lm_node *n)
{
    lm_custom_call *c = &n->custom.call;
    c->dy = n->out->grad;
    for (int i = 0; i < c->count; i++)
        c->dx[i] = lm_grad_to_add(g, n->in[i]);
    if (c->rows)
        n->custom.op.backward(c);
}

/* ------------------------------------------------------------------ by differences */

enum { TRIAL_ROWS = 9 };

/* in (-1, 1) */
static float spread(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)((double)(*state >> 8) / (1 << 23) - 1);
}

/* The sum of the result, each element times a weight of its own. */
static double total(const lm_custom_op *op, const lm_custom_call *c, const float *weight)
{
    double sum = 0;
    op->forward(c);
    for (size_t i = 0; i < (size_t)c->rows * (size_t)c->width; i++)
        sum += (double)c->y[i] * weight[i];
    return sum;
}

static double error_of_input(const lm_custom_op *op, const lm_custom_call *forward, int input, const float *gradient,
                             const float *weight)
{
    double worst = 0, scale = 1e-3, h = 4e-3;
    float *x = (float *)forward->x[input];
    size_t n = (size_t)forward->x_rows[input] * (size_t)forward->x_width[input];
    for (size_t i = 0; i < n; i++)
        scale = fmax(scale, fabs((double)gradient[i]));
    for (size_t i = 0; i < n; i++) {
        float was = x[i];
        x[i] = (float)(was + h);
        double up = x[i], above = total(op, forward, weight);
        x[i] = (float)(was - h);
        double down = x[i], below = total(op, forward, weight);
        x[i] = was;
        double error = fabs((above - below) / (up - down) - (double)gradient[i]) / scale;
        if (error > worst || isnan(error))
            worst = error; /* and NaN stays */
    }
    return worst;
}

static float *random_matrix(int rows, int width, uint32_t *state)
{
    size_t n = (size_t)rows * (size_t)width;
    float *m = lm_calloc(n, sizeof *m);
    for (size_t i = 0; i < n; i++)
        m[i] = spread(state);
    return m;
}

double lm_custom_error_sized(const lm_custom_op *op, size_t size, int width, const int *rows, const int *widths, int count,
                             const void *options)
{
    static const int32_t splits[] = {0, 3, 3, 4, TRIAL_ROWS};
    lm_custom_op own;
    if (!adopt(&own, op, size) || fault_of(&own, width, count) || rows[0] != TRIAL_ROWS)
        return NAN;
    for (int i = 0; i < count; i++)
        if (rows[i] < 1 || widths[i] < 1)
            return NAN;
    uint32_t state = 7;
    lm_custom_call c = {.rows = TRIAL_ROWS, .width = width, .count = count, .sequences = 4, .row_splits = splits,
                        .x_splits = splits, .options = options};
    float *weight = random_matrix(c.rows, width, &state), *gradient[LM_CUSTOM_INPUTS] = {0};
    c.y = lm_calloc((size_t)c.rows * (size_t)width, sizeof *c.y);
    c.kept = lm_calloc((size_t)c.rows * (size_t)(own.kept ? own.kept : 1), sizeof *c.kept);
    for (int i = 0; i < count; i++) {
        c.x_rows[i] = rows[i];
        c.x_width[i] = widths[i];
        c.x[i] = random_matrix(rows[i], widths[i], &state);
        gradient[i] = lm_calloc((size_t)rows[i] * (size_t)widths[i], sizeof(float));
    }
    lm_custom_call backward = c;
    backward.dy = weight;
    memcpy(backward.dx, gradient, sizeof gradient);
    own.forward(&c);
    own.backward(&backward);
    double worst = 0;
    for (int i = 0; i < count; i++) {
        double error = error_of_input(&own, &c, i, gradient[i], weight);
        if (error > worst || isnan(error))
            worst = error;
    }
    for (int i = 0; i < count; i++) {
        free((float *)c.x[i]);
        free(gradient[i]);
    }
    free(c.kept);
    free(c.y);
    free(weight);
    return worst;
}
