#include "graph/distillation.h"
#include "graph/tape.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ logits */

/* Logits that nobody has computed, of a matrix of floats: they are taken some rows at a time. */
static bool fused(const lm_node *n)
{
    const lm_tensor *logits = n->in[0];
    return !logits->value && logits->node && logits->node->op == lm_op_at(LM_OP_VOCAB_LINEAR) && logits->node->weight->value;
}

static bool is_sound(lm_graph *g, const lm_tensor *logits, const lm_distillation *how)
{
    const lm_soft_targets *t = &how->teacher;
    bool known = t->logits || how->read || (t->k > 0 && t->k <= t->columns);
    if (t->columns < 1 || t->columns > logits->width || !known) {
        lm_graph_fail(g, "teacher", "%d columns, %d of them given, for logits of %d", t->columns, t->k, logits->width);
        return false;
    }
    if (!(how->temperature > 0) || !(how->beta >= 0 && how->beta <= 1)) {
        lm_graph_fail(g, "distillation", "temperature %g, beta %g: the one is above 0, the other from 0 to 1",
                      (double)how->temperature, (double)how->beta);
        return false;
    }
    return !how->label || lm_loss_labels_fit(g, logits, how->label);
}

lm_tensor *lm_distillation_loss(lm_graph *g, lm_tensor *logits, const lm_distillation *how)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    if (!is_sound(g, logits, how))
        return g->nothing;
    lm_node *n = lm_node_new(g, LM_OP_DISTILLATION, 1, 1, NULL, logits, NULL, NULL);
    lm_distillation *kept = lm_graph_alloc(g, 1, sizeof *kept);
    *kept = *how;
    n->distillation = kept;
    bool wants_grad = logits->needs_grad && (g->step.training || g->step.taping);
    return fused(n) && wants_grad ? lm_node_defer(g, n) : lm_node_run(g, n);
}

enum { AT_ONCE = 8 * 1024 * 1024, MOST_ROWS = 512 }; /* floats of logits; rows: a product packs the whole matrix anew for each part */

typedef struct pass {
    const lm_distillation *how;
    lm_graph *g;
    lm_node *node;
    lm_soft_loss_args args;
    float *logits, *teacher, *soft_loss, *hard_loss, *scratch;
    int rows; /* at a time */
    double sums[2];
} pass;

static void begin(pass *p, lm_graph *g, lm_node *n, bool backward)
{
    const lm_distillation *how = n->distillation;
    int rows = n->in[0]->rows, columns = n->in[0]->width, most = AT_ONCE / columns, parts;
    most = most < 16 ? 16 : most > MOST_ROWS ? MOST_ROWS : most;
    parts = rows > most ? (rows + most - 1) / most : 1; /* of one size */
    *p = (pass){.how = how, .g = g, .node = n, .rows = (rows + parts - 1) / parts};
    p->args = (lm_soft_loss_args){.columns = columns,
                                  .teacher = how->teacher,
                                  .divergence = how->divergence,
                                  .temperature = how->temperature,
                                  .beta = how->beta,
                                  .backward = backward,
                                  .scale = backward ? n->out->grad[0] : 0};
    size_t room = (size_t)p->rows;
    p->logits = lm_graph_alloc(g, room * (size_t)columns, sizeof *p->logits);
    p->soft_loss = lm_graph_alloc(g, room, sizeof *p->soft_loss);
    p->hard_loss = lm_graph_alloc(g, room, sizeof *p->hard_loss);
    if (how->read)
        p->args.teacher.logits = p->teacher = lm_graph_alloc(g, room * (size_t)how->teacher.columns, sizeof *p->teacher);
    p->scratch = lm_graph_alloc(g, lm_soft_loss_scratch(columns, &p->args.teacher), sizeof *p->scratch);
    p->args.logits = p->logits;
    p->args.soft_loss = p->soft_loss;
    p->args.hard_loss = p->hard_loss;
}

/* Rows [first, first + n), whose logits are in p->logits: their losses, and with backward their gradient in place of them. */
static bool some_rows(pass *p, int first, int n)
{
    const lm_distillation *how = p->how;
    size_t at = (size_t)first, k = (size_t)how->teacher.k;
    p->args.rows = n;
    p->args.soft = how->soft + at;
    p->args.label = how->label ? how->label + at : NULL;
    p->args.hard = how->hard ? how->hard + at : NULL;
    if (how->read && !how->read(how->context, first, n, p->teacher, &p->g->status))
        return false;
    if (how->teacher.logits)
        p->args.teacher.logits = how->teacher.logits + at * (size_t)how->teacher.columns;
    if (k) {
        p->args.teacher.index = how->teacher.index + at * k;
        p->args.teacher.top = how->teacher.top + at * k;
        p->args.teacher.rest = how->teacher.rest + at;
    }
    lm_soft_loss(&p->args, p->scratch);
    for (int r = 0; r < n; r++) {
        p->sums[0] += (double)how->soft[first + r] * p->soft_loss[r];
        p->sums[1] += how->hard ? (double)how->hard[first + r] * p->hard_loss[r] : 0;
    }
    return true;
}

static void tell(const pass *p)
{
    p->node->out->value[0] = (float)(p->sums[0] + p->sums[1]);
    if (p->how->sums)
        memcpy(p->how->sums, p->sums, sizeof p->sums);
}

void lm_distillation_op_forward(lm_graph *g, lm_node *n)
{
    const float *logits = lm_value(g, n->in[0]);
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    size_t columns = (size_t)n->in[0]->width;
    pass p;
    begin(&p, g, n, false);
    for (int first = 0, take; first < n->in[0]->rows; first += take) {
        take = n->in[0]->rows - first < p.rows ? n->in[0]->rows - first : p.rows;
        memcpy(p.logits, logits + (size_t)first * columns, (size_t)take * columns * sizeof *logits);
        if (!some_rows(&p, first, take))
            break;
    }
    tell(&p);
    lm_arena_release(g->arena, mark);
}

static void from_logits(pass *p, lm_tensor *x, float *dx, bool add)
{
    size_t columns = (size_t)x->width;
    for (int first = 0, take; dx && first < x->rows; first += take) {
        take = x->rows - first < p->rows ? x->rows - first : p->rows;
        size_t at = (size_t)first * columns, n = (size_t)take * columns;
        memcpy(p->logits, x->value + at, n * sizeof *dx);
        if (!some_rows(p, first, take))
            return;
        if (add)
            lm_vector_axpy(1, p->logits, dx + at, n);
        else
            memcpy(dx + at, p->logits, n * sizeof *dx);
    }
}

/* From what is projected to the vocabulary: the projection, its loss, and back, for some rows after others. */
static void from_projection(pass *p, lm_node *projection, float *dx, bool add)
{
    lm_weight_view w = lm_weight_of(projection);
    lm_tensor *x = projection->in[0];
    const float *value = x->value;
    float *scratch = lm_graph_alloc(p->g, lm_column_sums_scratch(p->rows, w.out), sizeof *scratch);
    for (int first = 0, take; first < x->rows; first += take) {
        take = x->rows - first < p->rows ? x->rows - first : p->rows;
        const float *rows = value + (size_t)first * (size_t)w.in;
        lm_linear_forward(rows, w.weight, w.bias, p->logits, take, w.out, w.in);
        if (!some_rows(p, first, take))
            return;
        if (dx)
            lm_linear_backward_input(p->logits, w.weight, dx + (size_t)first * (size_t)w.in, take, w.out, w.in, add);
        if (w.dweight)
            lm_linear_backward_weight(p->logits, rows, w.dweight, take, w.out, w.in);
        if (w.dbias)
            lm_column_sums(p->logits, w.dbias, take, w.out, scratch);
    }
}

void lm_distillation_op_backward(lm_graph *g, lm_node *n)
{
    bool projects = fused(n), add;
    lm_tensor *x = projects ? n->in[0]->node->in[0] : n->in[0];
    lm_value(g, x);
    float *dx = lm_grad_of(g, x, &add);
    if (projects && !n->out->value)
        n->out->value = lm_graph_alloc(g, 1, sizeof(float));
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    pass p;
    begin(&p, g, n, true);
    if (projects)
        from_projection(&p, n->in[0]->node, dx, add);
    else
        from_logits(&p, x, dx, add);
    if (projects)
        tell(&p);
    lm_arena_release(g->arena, mark);
}

/* ------------------------------------------------------------------ hidden states */

#define EPSILON 1e-12 /* of torch's cosine_embedding_loss */

typedef struct angle {
    double dot, xx, tt;
} angle;

static angle angle_of(const float *x, const float *t, int width)
{
    angle a = {0, EPSILON, EPSILON};
    for (int j = 0; j < width; j++) {
        a.dot += (double)x[j] * t[j];
        a.xx += (double)x[j] * x[j];
        a.tt += (double)t[j] * t[j];
    }
    return a;
}

lm_tensor *lm_cosine_loss(lm_graph *g, lm_tensor *x, const float *target, const float *weight)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    lm_value(g, x);
    return lm_node_run(g, lm_loss_node(g, LM_OP_COSINE, x, NULL, target, weight, NULL));
}

void lm_cosine_op_forward(lm_graph *g, lm_node *n)
{
    (void)g;
    const lm_tensor *x = n->in[0];
    double sum = 0;
    for (int r = 0; r < x->rows; r++) {
        size_t at = (size_t)r * (size_t)x->width;
        angle a = angle_of(x->value + at, n->loss.target + at, x->width);
        sum += (n->loss.weight ? (double)n->loss.weight[r] : 1) * (1 - a.dot / sqrt(a.xx * a.tt));
    }
    n->out->value[0] = (float)sum;
}

void lm_cosine_op_backward(lm_graph *g, lm_node *n)
{
    lm_tensor *x = n->in[0];
    bool add;
    float *dx = lm_grad_of(g, x, &add);
    for (int r = 0; dx && r < x->rows; r++) {
        size_t at = (size_t)r * (size_t)x->width;
        const float *u = x->value + at, *t = n->loss.target + at;
        angle a = angle_of(u, t, x->width);
        double factor = -(double)n->out->grad[0] * (n->loss.weight ? (double)n->loss.weight[r] : 1) / sqrt(a.xx * a.tt);
        for (int j = 0; j < x->width; j++)
            dx[at + (size_t)j] = (add ? dx[at + (size_t)j] : 0) + (float)(factor * (t[j] - a.dot / a.xx * u[j]));
    }
}
