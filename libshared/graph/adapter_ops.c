/* What adapters add to layers and look-ups. */
#include "base/memory.h"
#include "graph/tape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool lm_adapts(const lm_param *w, lm_adapter_place place)
{
    for (const lm_adapter *a = w->adapter; a; a = a->next)
        if (a->place == place)
            return true;
    return false;
}

/* Dropout has a number of its own, the same for all parts of a layer: what the model's own dropouts draw does not depend on
 * adapters. The numbers of the graph's sites end below it. */
static lm_dropout_key dropout_key(const lm_graph *g, const lm_adapter *a)
{
    enum { ADAPTERS = 1 << 23 };
    uint32_t site = ADAPTERS | (uint32_t)(g->layer + 1) << 8 | (a->number & 0xff);
    return (lm_dropout_key){g->step.seed, g->step.optimiser_step, site & 0xffffff};
}

static double dropout_of(const lm_graph *g, const lm_adapter *a)
{
    return g->step.training ? a->dropout : 0;
}

/* ------------------------------------------------------------------ y + scale B A dropout(x) */

/* y + the adapter's term; y is not needed any more where `over`, and its room is taken. x NULL: rows of a table. */
static lm_tensor *low_rank(lm_graph *g, const lm_adapter *a, lm_tensor *y, bool over, lm_tensor *x, const lm_node *of,
                           double dropout)
{
    if (!lm_graph_taken(g, a->a) || !lm_graph_taken(g, a->b) || (a->bias && !lm_graph_taken(g, a->bias)))
        return g->nothing;
    lm_node *n = lm_node_new(g, LM_OP_LOW_RANK, y->rows, y->width, y->layout, y, x, NULL);
    n->weight = a->a;
    n->bias = a->b;
    n->low_rank.adapter = a;
    n->low_rank.low = lm_graph_alloc(g, (size_t)y->rows * (size_t)a->rank, sizeof *n->low_rank.low);
    if (x) {
        n->low_rank.first = of->part.first;
    } else {
        n->low_rank.index = of->gather.index;
        n->low_rank.skip = of->gather.skip;
    }
    if (dropout > 0) {
        n->low_rank.key = dropout_key(g, a);
        n->low_rank.mask = lm_graph_alloc(g, lm_dropout_mask_bytes(x->rows, x->width), 1);
    }
    if (!over)
        return lm_node_run(g, n);
    lm_value(g, y);
    lm_node_defer(g, n);
    n->out->value = y->value;
    lm_low_rank_op_forward(g, n);
    return n->out;
}

/* scale A's columns, one for each token. */
static void look_up(const lm_node *n)
{
    const lm_adapter *a = n->low_rank.adapter;
    size_t rows = (size_t)a->a->shape.size[1];
    for (int t = 0; t < n->out->rows; t++)
        for (int k = 0; k < a->rank; k++)
            n->low_rank.low[(size_t)t * (size_t)a->rank + (size_t)k] =
                a->scale * a->a->value[(size_t)k * rows + (size_t)n->low_rank.index[t]];
}

/* x, or in `scratch` what dropout leaves of it; its mask is drawn where it is not there yet. */
static const float *dropped(lm_graph *g, const lm_node *n, bool draw, float *scratch)
{
    lm_tensor *x = n->in[1];
    const lm_adapter *a = n->low_rank.adapter;
    if (!n->low_rank.mask)
        return lm_value(g, x);
    if (draw)
        lm_dropout_forward(n->low_rank.key, a->dropout, x->layout->global_row, x->layout->token, lm_value(g, x), NULL,
                           scratch, n->low_rank.mask, x->rows, x->width);
    else
        lm_dropout_backward(a->dropout, n->low_rank.mask, lm_value(g, x), scratch, false, x->rows, x->width);
    return scratch;
}

static float *room_for(lm_graph *g, const lm_tensor *t)
{
    return lm_graph_alloc(g, lm_elements(t), sizeof(float));
}

void lm_low_rank_op_forward(lm_graph *g, lm_node *n)
{
    const lm_adapter *a = n->low_rank.adapter;
    const float *y = lm_value(g, n->in[0]);
    float *out = n->out->value, *low = n->low_rank.low;
    int rows = n->out->rows, width = n->out->width, r = a->rank;
    if (out != y)
        memcpy(out, y, lm_elements(n->out) * sizeof *out);
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    if (n->in[1]) {
        const float *x = dropped(g, n, true, n->low_rank.mask ? room_for(g, n->in[1]) : NULL);
        lm_linear_forward(x, a->a->value, NULL, low, rows, r, n->in[1]->width);
        lm_vector_scale(a->scale, low, low, (size_t)rows * (size_t)r);
    } else {
        look_up(n);
    }
    lm_arena_release(g->arena, mark);
    /* y += low B^T */
    lm_linear_transposed_backward_input(low, a->b->value + (size_t)n->low_rank.first * (size_t)r, r, out, rows, r, width, true);
    for (int t = 0; a->bias && t < rows; t++)
        lm_vector_axpy(a->scale, a->bias->value + n->low_rank.first, out + (size_t)t * (size_t)width, (size_t)width);
}

/* What reaches A, and dx, the gradient of the input below it (NULL = nobody wants it). dlow: [rows, rank]. */
static void below_a(lm_graph *g, lm_node *n, const float *dlow, float *dx, bool add)
{
    const lm_adapter *a = n->low_rank.adapter;
    const lm_tensor *x = n->in[1];
    int rows = n->out->rows, r = a->rank;
    float *scratch = n->low_rank.mask ? room_for(g, x) : NULL;
    if (a->a->trainable)
        lm_linear_backward_weight(dlow, dropped(g, n, false, scratch), a->a->grad, rows, r, x->width);
    if (dx && !n->low_rank.mask) {
        lm_linear_backward_input(dlow, a->a->value, dx, rows, r, x->width, add);
    } else if (dx) {
        lm_linear_backward_input(dlow, a->a->value, scratch, rows, r, x->width, false);
        lm_dropout_backward(a->dropout, n->low_rank.mask, scratch, dx, add, rows, x->width);
    }
}

static void below_table(const lm_node *n, const float *dlow)
{
    const lm_adapter *a = n->low_rank.adapter;
    size_t rows = (size_t)a->a->shape.size[1], r = (size_t)a->rank;
    for (int t = 0; a->a->trainable && t < n->out->rows; t++)
        for (size_t k = 0; k < r && n->low_rank.index[t] != n->low_rank.skip; k++)
            a->a->grad[k * rows + (size_t)n->low_rank.index[t]] += dlow[(size_t)t * r + k];
}

/* to += scale times the sums of dy's columns. */
static void add_column_sums(lm_graph *g, float scale, const float *dy, float *to, int rows, int width)
{
    float *sums = lm_graph_alloc(g, (size_t)width, sizeof *sums);
    memset(sums, 0, (size_t)width * sizeof *sums);
    lm_column_sums(dy, sums, rows, width, lm_graph_alloc(g, lm_column_sums_scratch(rows, width), sizeof(float)));
    lm_vector_axpy(scale, sums, to, (size_t)width);
}

void lm_low_rank_op_backward(lm_graph *g, lm_node *n)
{
    const lm_adapter *a = n->low_rank.adapter;
    int rows = n->out->rows, width = n->out->width, r = a->rank;
    size_t from = (size_t)n->low_rank.first * (size_t)r, count = (size_t)rows * (size_t)r;
    const float *dy = n->out->grad;
    bool add = false;
    float *dx = n->in[1] ? lm_grad_of(g, n->in[1], &add) : NULL;
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    if (a->b->trainable)
        lm_linear_backward_weight(dy, n->low_rank.low, a->b->grad + from, rows, width, r);
    if (a->bias && a->bias->trainable)
        add_column_sums(g, a->scale, dy, a->bias->grad + n->low_rank.first, rows, width);
    float *dlow = lm_graph_alloc(g, count, sizeof *dlow);
    lm_linear_backward_input(dy, a->b->value + from, dlow, rows, width, r, false);
    lm_vector_scale(a->scale, dlow, dlow, count);
    if (n->in[1])
        below_a(g, n, dlow, dx, add);
    else
        below_table(n, dlow);
    lm_arena_release(g->arena, mark);
    lm_grad_pass(g, n, n->in[0]);
}

/* ------------------------------------------------------------------ m / norm y */

/* Rows of a table, whose adapter's term they have. */
static lm_tensor *magnitude(lm_graph *g, const lm_adapter *a, lm_tensor *y, const float *norm)
{
    if (!lm_graph_taken(g, a->magnitude))
        return g->nothing;
    lm_node *n = lm_node_new(g, LM_OP_MAGNITUDE, y->rows, y->width, y->layout, y, NULL, NULL);
    n->weight = a->magnitude;
    n->divisor = norm;
    return lm_node_run(g, n);
}

/* m / norm of each column. */
static float *factors(lm_graph *g, const float *m, const float *norm, int width)
{
    float *f = lm_graph_alloc(g, (size_t)width, sizeof *f);
    for (int j = 0; j < width; j++)
        f[j] = m[j] / norm[j];
    return f;
}

/* [rows, width] to = (add ? to : bias) + f y; bias NULL: zeros. */
static void add_scaled(const float *f, const float *y, const float *bias, bool add, float *to, long rows, int columns)
{
    size_t width = (size_t)columns;
#pragma omp parallel for schedule(static) if (rows * (long)width > 65536)
    for (long t = 0; t < rows; t++)
        for (size_t j = 0; j < width; j++) {
            size_t at = (size_t)t * width + j;
            to[at] = y[at] * f[j] + (add ? to[at] : bias ? bias[j] : 0);
        }
}

/* dm += sums of dy y / norm. */
static void below_magnitude(lm_graph *g, const float *dy, const float *y, const float *norm, float *dm, int rows, int width)
{
    size_t n = (size_t)rows * (size_t)width;
    float *products = lm_graph_alloc(g, n, sizeof *products), *sums = lm_graph_alloc(g, (size_t)width, sizeof *sums);
    memset(sums, 0, (size_t)width * sizeof *sums);
    for (size_t i = 0; i < n; i++)
        products[i] = dy[i] * y[i];
    add_column_sums(g, 1, products, sums, rows, width);
    for (int j = 0; j < width; j++)
        dm[j] += sums[j] / norm[j];
}

void lm_magnitude_op_forward(lm_graph *g, lm_node *n)
{
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    const float *f = factors(g, n->weight->value, n->divisor, n->out->width);
    add_scaled(f, lm_value(g, n->in[0]), NULL, false, n->out->value, n->out->rows, n->out->width);
    lm_arena_release(g->arena, mark);
}

void lm_magnitude_op_backward(lm_graph *g, lm_node *n)
{
    int rows = n->out->rows, width = n->out->width;
    const float *dy = n->out->grad;
    bool add = false;
    float *dx = lm_grad_of(g, n->in[0], &add);
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    if (n->weight->trainable)
        below_magnitude(g, dy, lm_value(g, n->in[0]), n->divisor, n->weight->grad, rows, width);
    if (dx)
        add_scaled(factors(g, n->weight->value, n->divisor, width), dy, NULL, add, dx, rows, width);
    lm_arena_release(g->arena, mark);
}

/* ------------------------------------------------------------------ norms of W + scale B A */

/* Sums of squares of W's rows, of a table its columns. A quantised one is expanded row by row; it has outputs as rows. */
static void squares_of(const lm_adapter *a, double *sum)
{
    const lm_param *w = a->weight;
    const lm_quantised *q = w->value ? NULL : w->quantised;
    bool across = a->place == LM_ADAPTS_TABLE || (w->transposed && !q);
    size_t rows = q ? (size_t)q->rows : (size_t)w->shape.size[0], columns = q ? (size_t)q->columns : (size_t)w->shape.size[1];
    float *one = q ? lm_malloc(columns, sizeof *one) : NULL;
    memset(sum, 0, (across ? columns : rows) * sizeof *sum);
    for (size_t r = 0; r < rows; r++) {
        const float *row = q ? one : w->value + r * columns;
        if (q)
            lm_quantised_expand(q, (int)r, 1, one);
        for (size_t c = 0; c < columns; c++)
            sum[across ? c : r] += (double)row[c] * (double)row[c];
    }
    free(one);
}

/* The layer's own product y = W x, of outputs from `first` on. */
static lm_node product_of(const lm_adapter *a, int first, lm_param *bias, lm_tensor *x, lm_tensor *y)
{
    lm_node n = {.weight = a->weight, .bias = bias, .in = {x}, .out = y};
    n.part.first = first;
    return n;
}

/* [rank, count]: A times columns [first, first + count) of W^T. */
static const float *projected(lm_graph *g, const lm_adapter *a, int first, int count)
{
    float *out = lm_graph_alloc(g, (size_t)a->rank * (size_t)count, sizeof *out);
    int in = (int)a->a->shape.size[1];
    if (a->place == LM_ADAPTS_TABLE) {
        if (!lm_param_ready(a->weight, &g->status)) {
            memset(out, 0, (size_t)a->rank * (size_t)count * sizeof *out);
            return out;
        }
        lm_linear_transposed_forward(a->a->value, a->weight->value, count, NULL, out, a->rank, count, in);
        return out;
    }
    lm_tensor rows = {.rows = a->rank, .width = in, .value = a->a->value}, result = {.rows = a->rank, .width = count, .value = out};
    lm_node product = product_of(a, first, NULL, &rows, &result);
    lm_activations rounded = lm_params_activations(g->params); /* this is about weights */
    lm_graph_watcher *watch = g->watch;
    g->watch = NULL;
    lm_params_set_activations(g->params, LM_ACTIVATIONS_F32);
    lm_linear_op_forward(g, &product);
    lm_params_set_activations(g->params, rounded);
    g->watch = watch;
    return out;
}

/* Of outputs [first, first + count): |w|^2 + 2 scale b.(A w) + scale^2 b.(A A^T b) is the square of |w + scale b A|. */
static void compute_norms(lm_graph *g, const lm_adapter *a, const double *squares, int first, int count, float *norm)
{
    size_t r = (size_t)a->rank, in = (size_t)a->a->shape.size[1], n = (size_t)count;
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    const float *aw = projected(g, a, first, count);
    double *aa = lm_graph_alloc(g, r * r, sizeof *aa), scale = a->scale;
    for (size_t i = 0; i < r; i++) {
        for (size_t k = 0; k <= i; k++) {
            double sum = 0;
            for (size_t j = 0; j < in; j++)
                sum += (double)a->a->value[i * in + j] * (double)a->a->value[k * in + j];
            aa[i * r + k] = aa[k * r + i] = sum;
        }
    }
    for (size_t o = 0; o < n; o++) {
        const float *b = a->b->value + ((size_t)first + o) * r;
        double sum = squares[(size_t)first + o];
        for (size_t i = 0; i < r; i++) {
            double inner = 0;
            for (size_t k = 0; k < r; k++)
                inner += aa[i * r + k] * (double)b[k];
            sum += scale * (double)b[i] * (2 * (double)aw[i * n + o] + scale * inner);
        }
        norm[o] = (float)sqrt(sum > 0 ? sum : 0);
    }
    lm_arena_release(g->arena, mark);
}

/* The norms of some outputs: kept where nothing of them is trained. */
static const float *norms_of(lm_graph *g, lm_adapter *a, int first, int count)
{
    const lm_param *w = a->weight;
    int all = (int)a->b->shape.size[0];
    bool kept = !a->a->trainable && !a->b->trainable && !w->trainable;
    if (!a->squares || w->trainable) {
        if (!a->squares)
            a->squares = lm_calloc((size_t)all, sizeof *a->squares);
        squares_of(a, a->squares);
    }
    if (kept && !a->norms) {
        a->norms = lm_calloc((size_t)all, sizeof *a->norms);
        compute_norms(g, a, a->squares, 0, all, a->norms);
    }
    if (kept)
        return a->norms + first;
    float *norm = lm_graph_alloc(g, (size_t)count, sizeof *norm);
    compute_norms(g, a, a->squares, first, count, norm);
    return norm;
}

/* ------------------------------------------------------------------ DoRA of a layer */

/* As PEFT has it: without dropout f (W x + scale B A x) + b, f = m / norm; with it, what is added to W x + b is
 * (f - 1) W x' + f scale B A x', x' = dropout(x). Beside its result it keeps a mask, and W x' + scale B A x' where m is trained. */
static lm_tensor *dora(lm_graph *g, lm_adapter *a, const lm_node *layer)
{
    lm_tensor *x = layer->in[0];
    if (!lm_graph_taken(g, a->a) || !lm_graph_taken(g, a->b) || !lm_graph_taken(g, a->magnitude))
        return g->nothing;
    bool taped = (g->step.training || g->step.taping) && !g->untaped, dropout = dropout_of(g, a) > 0;
    lm_node *n = lm_node_new(g, LM_OP_DORA, x->rows, layer->out->width, layer->out->layout, x, NULL, NULL);
    lm_param *learn[] = {a->a, a->b, a->magnitude, a->weight};
    for (size_t i = 0; i < sizeof learn / sizeof *learn; i++) /* by these the tape knows whether anything is trained */
        n->weight = !n->weight || learn[i]->trainable ? learn[i] : n->weight;
    n->bias = layer->bias;
    n->dora.adapter = a;
    n->dora.first = layer->part.first;
    n->dora.bias = layer->bias;
    n->dora.norm = norms_of(g, a, layer->part.first, layer->out->width);
    n->dora.low = lm_graph_alloc(g, (size_t)x->rows * (size_t)a->rank, sizeof *n->dora.low);
    if (taped && a->magnitude->trainable)
        n->dora.whole = room_for(g, n->out);
    if (dropout) {
        n->dora.key = dropout_key(g, a);
        n->dora.mask = lm_graph_alloc(g, lm_dropout_mask_bytes(x->rows, x->width), 1);
    }
    return lm_node_run(g, n);
}

void lm_dora_op_forward(lm_graph *g, lm_node *n)
{
    const lm_adapter *a = n->dora.adapter;
    const lm_param *b = n->dora.bias;
    int rows = n->out->rows, width = n->out->width, r = a->rank, first = n->dora.first;
    float *low = n->dora.low;
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    lm_tensor x = *n->in[0], whole = {.rows = rows, .width = width, .value = n->dora.whole};
    if (!whole.value)
        whole.value = room_for(g, n->out);
    if (n->dora.mask) {
        lm_node all = product_of(a, first, n->dora.bias, n->in[0], n->out);
        lm_linear_op_forward(g, &all);
        x.value = room_for(g, &x);
        lm_dropout_forward(n->dora.key, a->dropout, x.layout->global_row, x.layout->token, lm_value(g, n->in[0]), NULL, x.value,
                           n->dora.mask, rows, x.width);
    }
    lm_node product = product_of(a, first, NULL, &x, &whole);
    lm_linear_op_forward(g, &product);
    if (n->dora.mask)
        lm_vector_axpy(-1, whole.value, n->out->value, lm_elements(n->out));
    lm_linear_forward(x.value, a->a->value, NULL, low, rows, r, x.width);
    lm_vector_scale(a->scale, low, low, (size_t)rows * (size_t)r);
    lm_linear_transposed_backward_input(low, a->b->value + (size_t)first * (size_t)r, r, whole.value, rows, r, width, true);
    add_scaled(factors(g, a->magnitude->value + first, n->dora.norm, width), whole.value, b ? b->value + first : NULL,
               n->dora.mask != NULL, n->out->value, rows, width);
    lm_arena_release(g->arena, mark);
}

/* What comes to W x' + scale B A x', [rows, width] dwhole, goes to B, A, and x', whose gradient is added to. */
static void below_low_rank(lm_graph *g, const lm_node *n, const float *dwhole, const lm_tensor *x)
{
    const lm_adapter *a = n->dora.adapter;
    int rows = n->out->rows, width = n->out->width, r = a->rank;
    size_t from = (size_t)n->dora.first * (size_t)r, count = (size_t)rows * (size_t)r;
    if (a->b->trainable)
        lm_linear_backward_weight(dwhole, n->dora.low, a->b->grad + from, rows, width, r);
    float *dlow = lm_graph_alloc(g, count, sizeof *dlow);
    lm_linear_backward_input(dwhole, a->b->value + from, dlow, rows, width, r, false);
    lm_vector_scale(a->scale, dlow, dlow, count);
    if (a->a->trainable)
        lm_linear_backward_weight(dlow, x->value, a->a->grad, rows, r, x->width);
    if (x->grad)
        lm_linear_backward_input(dlow, a->a->value, x->grad, rows, r, x->width, true);
}

void lm_dora_op_backward(lm_graph *g, lm_node *n)
{
    const lm_adapter *a = n->dora.adapter;
    int rows = n->out->rows, width = n->out->width, first = n->dora.first;
    const float *dy = n->out->grad;
    float *dx = lm_grad_to_add(g, n->in[0]);
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    lm_tensor x = *n->in[0], result = {.rows = rows, .width = width, .grad = room_for(g, n->out)};
    x.value = n->in[0]->value;
    if (n->dora.mask) { /* x' */
        x.value = room_for(g, &x);
        lm_dropout_backward(a->dropout, n->dora.mask, n->in[0]->value, x.value, false, rows, x.width);
        x.grad = dx ? room_for(g, &x) : NULL;
        if (dx)
            memset(x.grad, 0, lm_elements(&x) * sizeof *x.grad);
    }
    if (n->dora.bias && n->dora.bias->trainable)
        add_column_sums(g, 1, dy, n->dora.bias->grad + first, rows, width);
    if (a->magnitude->trainable)
        below_magnitude(g, dy, n->dora.whole, n->dora.norm, a->magnitude->grad + first, rows, width);
    add_scaled(factors(g, a->magnitude->value + first, n->dora.norm, width), dy, NULL, false, result.grad, rows, width);
    below_low_rank(g, n, result.grad, &x);
    if (n->dora.mask)
        lm_vector_axpy(-1, dy, result.grad, lm_elements(n->out));
    lm_node product = product_of(a, first, NULL, &x, &result);
    lm_linear_op_backward(g, &product);
    if (n->dora.mask) {
        lm_node all = product_of(a, first, NULL, n->in[0], n->out);
        lm_linear_op_backward(g, &all);
        if (dx)
            lm_dropout_backward(a->dropout, n->dora.mask, x.grad, dx, true, rows, x.width);
    }
    lm_arena_release(g->arena, mark);
}

/* ------------------------------------------------------------------ layers and look-ups */

lm_tensor *lm_layer_run(lm_graph *g, lm_node *n)
{
    lm_tensor *x = n->in[0], *y = NULL;
    for (lm_adapter *a = n->weight->adapter; a && lm_graph_ok(g); a = a->next) {
        if (a->place != LM_ADAPTS_LAYER)
            continue;
        if (a->magnitude)
            return dora(g, a, n);
        y = low_rank(g, a, y ? y : lm_node_run(g, n), true, x, n, dropout_of(g, a));
    }
    return y ? y : lm_node_run(g, n);
}

lm_tensor *lm_look_up_run(lm_graph *g, lm_node *n)
{
    lm_tensor *y = lm_node_run(g, n);
    for (lm_adapter *a = n->weight->adapter; a && lm_graph_ok(g); a = a->next) {
        if (a->place != LM_ADAPTS_TABLE)
            continue;
        y = low_rank(g, a, y, true, NULL, n, 0);
        if (a->magnitude && lm_graph_ok(g))
            y = magnitude(g, a, y, norms_of(g, a, 0, y->width));
    }
    return y;
}
