#include "train/optimizer/optimizer_states.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct lm_optimizer {
    lm_optimizer_options how;
    lm_params *params;
    lm_slot *slots; /* in the order of the table */
    size_t slot_count, slot_cap;
    size_t elements;
    float *zeros; /* as many as the widest table by rows has columns */
    int zeros_width;
    float *scratch; /* of Adafactor */
    size_t scratch_size;
};

static int width_of(const lm_slot *s)
{
    return (int)s->param->shape.size[1];
}

/* A gradient of zeros for the rows of this parameter that have none. */
static void prepare_zeros(lm_optimizer *o, const lm_slot *s)
{
    if (!s->by_rows || width_of(s) <= o->zeros_width)
        return;
    free(o->zeros);
    o->zeros_width = width_of(s);
    o->zeros = lm_calloc((size_t)o->zeros_width, sizeof *o->zeros);
}

static bool add_slot(lm_optimizer *o, size_t index, lm_status *st)
{
    lm_slot s = {.param = lm_params_at(o->params, index), .index = index};
    s.by_rows = s.param->row_grad != NULL;
    if (s.by_rows && o->how.kind == LM_OPTIMIZER_ADAFACTOR)
        return lm_fail(st, LM_FAILED, "adafactor: %s has gradients for the rows of a step alone, and the means of all its rows "
                       "and columns are not kept: take another --optimizer", s.param->name);
    lm_slot_lay_out(&s, &o->how);
    if (!lm_slot_allocate(&s, st)) {
        lm_slot_free(&s);
        return false;
    }
    prepare_zeros(o, &s);
    LM_GROW(o->slots, o->slot_count, o->slot_cap);
    o->slots[o->slot_count++] = s;
    o->elements += s.param->elements;
    return true;
}

bool lm_optimizer_follow(lm_optimizer *o, lm_status *st)
{
    lm_slot *had = o->slots;
    size_t count = o->slot_count, next = 0;
    o->slots = NULL;
    o->slot_count = o->slot_cap = o->elements = 0;
    for (size_t i = 0; i < lm_params_count(o->params); i++) {
        bool mine = next < count && had[next].index == i;
        if (!lm_param_learns(lm_params_at(o->params, i)) || !lm_ok(st)) {
            if (mine)
                lm_slot_free(&had[next]);
        } else if (mine) {
            LM_GROW(o->slots, o->slot_count, o->slot_cap);
            o->slots[o->slot_count++] = had[next];
            o->elements += had[next].param->elements;
        } else {
            add_slot(o, i, st);
        }
        next += mine;
    }
    free(had);
    if (lm_ok(st) && o->elements == 0)
        lm_fail(st, LM_FAILED, "optimiser: no parameter is trainable: freeze less");
    return lm_ok(st);
}

lm_optimizer *lm_optimizer_new(lm_params *params, const lm_optimizer_options *how, lm_status *st)
{
    lm_optimizer *o = lm_calloc(1, sizeof *o);
    o->how = *how;
    o->params = params;
    if (lm_optimizer_follow(o, st))
        return o;
    lm_optimizer_free(o);
    return NULL;
}

void lm_optimizer_free(lm_optimizer *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->slot_count; i++)
        lm_slot_free(&o->slots[i]);
    free(o->slots);
    free(o->zeros);
    free(o->scratch);
    free(o);
}

void lm_optimizer_zero_gradients(lm_optimizer *o)
{
    for (size_t i = 0; i < o->slot_count; i++)
        lm_param_zero_grad(o->slots[i].param);
}

static double squares_of(const lm_param *p)
{
    const lm_row_grad *rows = p->row_grad;
    return rows ? lm_vector_sum_squares(rows->value, (size_t)rows->rows.count * (size_t)rows->width)
                : lm_vector_sum_squares(p->grad, p->elements);
}

double lm_optimizer_gradient_norm(lm_optimizer *o)
{
    double sum = 0;
    for (size_t i = 0; i < o->slot_count; i++)
        sum += squares_of(o->slots[i].param);
    return sqrt(sum);
}

double lm_clip_coefficient(double norm, double max_norm)
{
    if (max_norm <= 0)
        return 1;
    double coefficient = max_norm / (norm + 1e-6);
    return coefficient < 1 ? coefficient : 1;
}

/* ------------------------------------------------------------------ updates */

/* Decay by way of the gradient touches all rows, and so do states then. */
static bool take_all_rows(lm_slot *s, lm_status *st)
{
    int32_t rows = (int32_t)s->param->shape.size[0];
    if (s->seen.count == rows)
        return true;
    if (!lm_slot_reserve(s, rows - s->seen.count, st))
        return false;
    for (int32_t r = 0; r < rows; r++)
        lm_slot_take_row(s, r);
    return true;
}

static bool update_rows(lm_optimizer *o, lm_slot *s, const lm_update *how, lm_status *st)
{
    lm_row_grad *g = s->param->row_grad;
    bool lazy = s->param->lazy;
    if (how->l2 > 0 && !lazy && !take_all_rows(s, st))
        return false;
    if (!lm_slot_reserve(s, g->rows.count, st))
        return false;
    for (int i = 0; i < g->rows.count; i++)
        lm_slot_take_row(s, g->rows.row[i]);
    const lm_row_set *stepped = lazy ? &g->rows : &s->seen;
    const lm_update_rows rows = {.p = s->param->value,
                                 .states = lm_slot_states(s),
                                 .g = g->value,
                                 .zeros = o->zeros,
                                 .row = stepped->row,
                                 .g_place = g->rows.place,
                                 .state_place = s->seen.place,
                                 .count = stepped->count,
                                 .width = g->width};
    lm_update_step_rows(how, &rows);
    if ((how->decay > 0 || how->l1 > 0) && !lazy)
        lm_update_other_rows(how, &rows, s->param->shape.size[0]);
    lm_row_grad_clear(g);
    return true;
}

/* Product of the sizes before the last `but`. */
static size_t leading(const lm_shape *shape, int but)
{
    size_t n = 1;
    for (int i = 0; i < shape->dims - but; i++)
        n *= (size_t)shape->size[i];
    return n;
}

/* how->lr becomes the parameter's. */
static bool update_factored(lm_optimizer *o, lm_slot *s, lm_update *how, lm_status *st)
{
    const lm_shape *shape = &s->param->shape;
    bool vector = shape->dims < 2;
    if (o->how.scale_parameter && s->param->elements)
        how->lr *= fmax(1e-3, sqrt(lm_vector_sum_squares(s->param->value, s->param->elements) / (double)s->param->elements));
    lm_adafactor a = {.step = *how,
                      .epsilon = 1e-30,
                      .clip_threshold = o->how.clip_threshold,
                      .p = s->param->value,
                      .g = s->param->grad,
                      .m = s->state[LM_STATE_FIRST].data,
                      .row = s->state[LM_STATE_ROW].data,
                      .column = s->state[LM_STATE_COLUMN].data,
                      .matrices = vector ? 1 : leading(shape, 2),
                      .rows = vector ? 1 : (size_t)shape->size[shape->dims - 2],
                      .columns = vector ? s->param->elements : (size_t)shape->size[shape->dims - 1]};
    a.step.beta1 = o->how.momentum;
    a.step.beta2 = 1 - pow((double)s->steps, o->how.decay_rate);
    if (lm_adafactor_scratch(&a) > o->scratch_size) {
        free(o->scratch);
        o->scratch_size = lm_adafactor_scratch(&a);
        o->scratch = lm_try_malloc(o->scratch_size, sizeof *o->scratch, "the optimiser's sums", st);
        if (!o->scratch) {
            o->scratch_size = 0;
            return false;
        }
    }
    if (s->param->elements)
        lm_adafactor_step(&a, o->scratch, true);
    return true;
}

/* What of a step is the same for all parameters. */
static lm_update common_update(const lm_optimizer_options *h, double clip)
{
    static const lm_rule rules[LM_OPTIMIZER_KINDS] = {
        [LM_OPTIMIZER_ADAMW] = LM_RULE_ADAM, [LM_OPTIMIZER_ADAM] = LM_RULE_ADAM,      [LM_OPTIMIZER_SGD] = LM_RULE_SGD,
        [LM_OPTIMIZER_LION] = LM_RULE_LION,  [LM_OPTIMIZER_ADAFACTOR] = LM_RULE_SGD /* for it, the rate as it is */};
    return (lm_update){.rule = rules[h->kind],
                       .beta1 = h->kind == LM_OPTIMIZER_SGD ? h->momentum : h->beta1,
                       .beta2 = h->beta2,
                       .eps = h->epsilon,
                       .correction1 = 1,
                       .correction2 = 1,
                       .grad_scale = clip,
                       .grad_limit = h->max_value,
                       .nesterov = h->nesterov};
}

/* The step of this parameter, whose steps have been counted. */
static void complete_update(const lm_optimizer *o, const lm_slot *s, double lr, lm_update *update)
{
    const lm_optimizer_options *h = &o->how;
    bool pulled = h->starts && h->starts[s->index], coupled = h->kind == LM_OPTIMIZER_ADAM || h->kind == LM_OPTIMIZER_SGD;
    double decay = s->param->decay && !pulled ? h->weight_decay : 0;
    update->lr = h->rates ? lr * h->rates[s->index] : lr;
    update->decay = pulled ? h->pull : coupled ? 0 : decay;
    update->l2 = (s->param->decay ? h->l2 : 0) + (coupled ? decay : 0);
    update->l1 = s->param->decay ? h->l1 : 0;
    update->correction1 = h->bias_correction ? 1 - pow(h->beta1, (double)s->steps) : 1;
    update->correction2 = h->bias_correction ? 1 - pow(h->beta2, (double)s->steps) : 1;
    if (s->form == LM_STATE_BF16) {
        lm_philox_key key = lm_random_key(h->seed, LM_FOR_ROUNDING, (uint64_t)s->steps << 24 | s->index);
        update->key = (uint64_t)key.k[1] << 32 | key.k[0];
    }
}

static bool update_slot(lm_optimizer *o, lm_slot *s, lm_update *how, lm_status *st)
{
    lm_param *p = s->param;
    if (s->by_rows && !p->row_grad && !lm_slot_make_dense(s, st))
        return false;
    if (s->by_rows)
        return update_rows(o, s, how, st);
    if (o->how.kind == LM_OPTIMIZER_ADAFACTOR)
        return update_factored(o, s, how, st);
    lm_states states = lm_slot_states(s);
    lm_update_step(how, p->value, p->grad, &states, p->elements, true);
    return true;
}

bool lm_optimizer_update(lm_optimizer *o, double lr, double clip, lm_status *st)
{
    lm_update update = common_update(&o->how, clip);
    for (size_t i = 0; i < o->slot_count; i++) {
        lm_slot *s = &o->slots[i];
        s->steps++;
        complete_update(o, s, lr, &update);
        if (!update_slot(o, s, &update, st))
            return false;
        const float *start = o->how.starts ? o->how.starts[s->index] : NULL;
        if (start)
            lm_vector_axpy((float)(update.lr * o->how.pull), start, s->param->value, s->param->elements);
    }
    return true;
}

/* ------------------------------------------------------------------ sizes */

size_t lm_optimizer_bytes(const lm_optimizer *o)
{
    size_t bytes = 0;
    for (size_t i = 0; i < o->slot_count; i++)
        bytes += lm_slot_bytes(&o->slots[i]);
    return bytes;
}

size_t lm_optimizer_bytes_as(const lm_optimizer *o, lm_optimizer_kind kind, lm_state_form states)
{
    lm_optimizer_options how = o->how;
    size_t bytes = 0;
    how.kind = kind;
    how.states = states;
    for (size_t i = 0; i < o->slot_count; i++) {
        lm_slot s = o->slots[i];
        lm_slot_lay_out(&s, &how);
        bytes += lm_slot_bytes(&s);
    }
    return bytes;
}

size_t lm_optimizer_growth(const lm_optimizer *o)
{
    size_t bytes = 0;
    for (size_t i = 0; i < o->slot_count; i++) {
        const lm_slot *s = &o->slots[i];
        size_t arrays = s->param->init.kind == LM_INIT_ZERO ? 2 : 1; /* a value of zeros takes no memory before it is written */
        if (s->by_rows) /* beside the gradient */
            bytes += s->param->elements * arrays * sizeof(float) + lm_slot_most_bytes(s) - lm_slot_bytes(s);
    }
    return bytes;
}

size_t lm_optimizer_parameters(const lm_optimizer *o)
{
    return o->elements;
}

/* ------------------------------------------------------------------ on disk */

bool lm_optimizer_save(const lm_optimizer *o, int fd, const char *name, lm_status *st)
{
    return lm_slots_save(o->slots, o->slot_count, fd, name, st);
}

bool lm_optimizer_load(lm_optimizer *o, const lm_safetensors *file, lm_status *st)
{
    return lm_slots_load(o->slots, o->slot_count, file, st);
}
