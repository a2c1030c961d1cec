#include "train/optimizer.h"

#include "base/memory.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct slot {
    lm_param *param;
    size_t index; /* of the parameter in the table */
    float *m, *v;
    int64_t steps;
    bool by_rows;    /* m[i] and v[i] are those of row seen.row[i]; of all others they are zero */
    lm_row_set seen; /* rows that have had a gradient */
    int m_room, v_room;
} slot;

struct lm_optimizer {
    lm_adamw_options how;
    lm_params *params;
    slot *slots; /* in the order of the table */
    size_t slot_count, slot_cap;
    size_t elements;
    float *zeros; /* as many as the widest table by rows has columns */
    int zeros_width;
};

static int width_of(const slot *s)
{
    return (int)s->param->shape.size[1];
}

static void free_states(slot *s)
{
    free(s->m);
    free(s->v);
    lm_row_set_free(&s->seen);
    s->m = s->v = NULL;
}

/* States of zero. */
static bool new_states(lm_optimizer *o, slot *s, lm_status *st)
{
    static const char what[] = "the optimiser's states";
    const lm_param *p = s->param;
    s->by_rows = p->row_grad != NULL;
    if (!s->by_rows) {
        s->m = lm_try_calloc(p->elements, sizeof *s->m, what, st);
        s->v = s->m ? lm_try_calloc(p->elements, sizeof *s->v, what, st) : NULL;
        return s->v != NULL;
    }
    if (width_of(s) > o->zeros_width) {
        free(o->zeros);
        o->zeros_width = width_of(s);
        o->zeros = lm_calloc((size_t)o->zeros_width, sizeof *o->zeros);
    }
    return lm_row_set_init(&s->seen, p->shape.size[0], what, st);
}

static bool add_slot(lm_optimizer *o, size_t index, lm_status *st)
{
    slot s = {.param = lm_params_at(o->params, index), .index = index};
    if (!new_states(o, &s, st)) {
        free_states(&s);
        return false;
    }
    LM_GROW(o->slots, o->slot_count, o->slot_cap);
    o->slots[o->slot_count++] = s;
    o->elements += s.param->elements;
    return true;
}

bool lm_optimizer_follow(lm_optimizer *o, lm_status *st)
{
    slot *had = o->slots;
    size_t count = o->slot_count, next = 0;
    o->slots = NULL;
    o->slot_count = o->slot_cap = o->elements = 0;
    for (size_t i = 0; i < lm_params_count(o->params); i++) {
        bool mine = next < count && had[next].index == i;
        if (!lm_param_learns(lm_params_at(o->params, i)) || !lm_ok(st)) {
            if (mine)
                free_states(&had[next]);
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

lm_optimizer *lm_optimizer_new(lm_params *params, const lm_adamw_options *how, lm_status *st)
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
        free_states(&o->slots[i]);
    free(o->slots);
    free(o->zeros);
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

/* The parameter's gradient is no longer by rows: nor are the states. */
static bool make_dense(lm_optimizer *o, slot *s, lm_status *st)
{
    slot was = *s;
    s->m = s->v = NULL;
    s->seen = (lm_row_set){0};
    bool ok = new_states(o, s, st);
    size_t width = (size_t)width_of(s), bytes = width * sizeof *s->m;
    for (int i = 0; ok && i < was.seen.count; i++) {
        size_t to = (size_t)was.seen.row[i] * width, from = (size_t)i * width;
        memcpy(s->m + to, was.m + from, bytes);
        memcpy(s->v + to, was.v + from, bytes);
    }
    free_states(&was);
    return ok;
}

/* Room for the states of `more` rows behind those that are there. */
static bool reserve_states(slot *s, int more, lm_status *st)
{
    static const char what[] = "the optimiser's states";
    return lm_row_set_reserve(&s->seen, more, what, st) &&
           lm_rows_reserve(&s->m, &s->m_room, s->seen.count, more, width_of(s), what, st) &&
           lm_rows_reserve(&s->v, &s->v_room, s->seen.count, more, width_of(s), what, st);
}

/* Rows that never had a gradient have no states, so that decay is all that comes of an update. */
static void decay_unseen(const slot *s, const lm_adamw *how)
{
    const float keep = (float)(1 - how->lr * how->weight_decay);
    size_t width = (size_t)width_of(s);
    long rows = (long)s->param->shape.size[0];
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; r++)
        if (!s->seen.place[r])
            lm_vector_scale(keep, s->param->value + (size_t)r * width, s->param->value + (size_t)r * width, width);
}

static bool update_rows(lm_optimizer *o, slot *s, const lm_adamw *how, lm_status *st)
{
    lm_row_grad *g = s->param->row_grad;
    size_t bytes = (size_t)g->width * sizeof *s->m;
    if (!reserve_states(s, g->rows.count, st))
        return false;
    for (int i = 0; i < g->rows.count; i++) {
        int had = s->seen.count, at = lm_row_set_add(&s->seen, g->rows.row[i]);
        if (at == had) {
            memset(s->m + (size_t)at * (size_t)g->width, 0, bytes);
            memset(s->v + (size_t)at * (size_t)g->width, 0, bytes);
        }
    }
    const lm_row_set *moved = s->param->lazy ? &g->rows : &s->seen;
    lm_adamw_step_rows(&(lm_adamw_rows){.p = s->param->value,
                                        .m = s->m,
                                        .v = s->v,
                                        .g = g->value,
                                        .zeros = o->zeros,
                                        .row = moved->row,
                                        .g_place = g->rows.place,
                                        .state_place = s->seen.place,
                                        .count = moved->count,
                                        .width = g->width},
                       how);
    if (how->weight_decay > 0 && !s->param->lazy)
        decay_unseen(s, how);
    lm_row_grad_clear(g);
    return true;
}

bool lm_optimizer_update(lm_optimizer *o, double lr, double clip, lm_status *st)
{
    const lm_adamw_options *h = &o->how;
    lm_adamw update = {.beta1 = h->beta1, .beta2 = h->beta2, .eps = h->epsilon, .grad_scale = clip};
    int64_t corrected = 0; /* the count of steps that the corrections are for */
    for (size_t i = 0; i < o->slot_count; i++) {
        slot *s = &o->slots[i];
        if (++s->steps != corrected) {
            corrected = s->steps;
            update.correction1 = h->bias_correction ? 1 - pow(h->beta1, (double)corrected) : 1;
            update.correction2 = h->bias_correction ? 1 - pow(h->beta2, (double)corrected) : 1;
        }
        update.lr = h->rates ? lr * h->rates[s->index] : lr;
        const float *start = h->starts ? h->starts[s->index] : NULL;
        update.weight_decay = start ? h->pull : s->param->decay ? h->weight_decay : 0;
        if (s->by_rows && !s->param->row_grad && !make_dense(o, s, st))
            return false;
        if (s->by_rows && !update_rows(o, s, &update, st))
            return false;
        if (!s->by_rows)
            lm_adamw_step(s->param->value, s->param->grad, s->m, s->v, s->param->elements, &update, true);
        if (start)
            lm_vector_axpy((float)(update.lr * h->pull), start, s->param->value, s->param->elements);
    }
    return true;
}

static size_t state_bytes(const slot *s)
{
    size_t elements = s->by_rows ? (size_t)s->seen.count * (size_t)width_of(s) : s->param->elements;
    return elements * 2 * sizeof *s->m;
}

size_t lm_optimizer_bytes(const lm_optimizer *o)
{
    size_t bytes = 0;
    for (size_t i = 0; i < o->slot_count; i++)
        bytes += state_bytes(&o->slots[i]);
    return bytes;
}

size_t lm_optimizer_growth(const lm_optimizer *o)
{
    size_t bytes = 0;
    for (size_t i = 0; i < o->slot_count; i++) {
        const slot *s = &o->slots[i];
        int arrays = s->param->init.kind == LM_INIT_ZERO ? 4 : 3; /* a value of zeros takes no memory before it is written */
        if (s->by_rows)
            bytes += s->param->elements * (size_t)arrays * sizeof(float) - state_bytes(s);
    }
    return bytes;
}

size_t lm_optimizer_parameters(const lm_optimizer *o)
{
    return o->elements;
}

/* ------------------------------------------------------------------ states on disk */

enum { STATES = 4 };
static const char *const state_names[STATES] = {"rows", "exp_avg", "exp_avg_sq", "step"};

/* State k of a slot as a tensor; its name is malloced, and NULL where the slot has no such state. */
static lm_safetensor state_of(slot *s, size_t k)
{
    lm_safetensor t = {.dtype = LM_F32, .shape = s->param->shape, .data = k == 1 ? s->m : s->v,
                       .bytes = s->param->elements * sizeof(float)};
    if (s->by_rows) {
        t.shape.size[0] = s->seen.count;
        t.bytes = (size_t)s->seen.count * (size_t)width_of(s) * sizeof(float);
    }
    if (k == 0) {
        t.dtype = LM_I32;
        t.shape = (lm_shape){.dims = 1, .size = {s->seen.count}};
        t.data = s->seen.row;
        t.bytes = (size_t)s->seen.count * sizeof *s->seen.row;
    } else if (k == 3) {
        t.dtype = LM_I64;
        t.shape = (lm_shape){.dims = 1, .size = {1}};
        t.data = &s->steps;
        t.bytes = sizeof s->steps;
    }
    if (k > 0 || s->by_rows)
        t.name = lm_format("%s.%s", s->param->name, state_names[k]);
    return t;
}

bool lm_optimizer_save(const lm_optimizer *o, int fd, const char *name, lm_status *st)
{
    size_t count = 0;
    lm_safetensor *tensors = lm_calloc(STATES * o->slot_count, sizeof *tensors);
    for (size_t i = 0; i < STATES * o->slot_count; i++) {
        tensors[count] = state_of(&o->slots[i / STATES], i % STATES);
        count += tensors[count].name != NULL;
    }
    bool ok = lm_safetensors_write(fd, name, tensors, count, st);
    for (size_t i = 0; i < count; i++)
        free((char *)tensors[i].name);
    free(tensors);
    return ok;
}

/* The rows that a checkpoint has states of, and room for these. */
static bool load_rows(slot *s, const lm_safetensors *file, lm_status *st)
{
    char *name = lm_format("%s.%s", s->param->name, state_names[0]);
    const lm_safetensor *t = lm_safetensors_find(file, name);
    int64_t rows = s->param->shape.size[0];
    lm_row_set_clear(&s->seen);
    if (!t)
        lm_fail(st, LM_FAILED, "%s: missing: the checkpoint is not one of this model", name);
    else if (t->dtype != LM_I32 || t->shape.dims != 1 || t->shape.size[0] > rows)
        lm_fail(st, LM_FAILED, "%s: another dtype or shape: the checkpoint is not one of this model", name);
    else
        reserve_states(s, (int)t->shape.size[0], st);
    for (int64_t i = 0; lm_ok(st) && i < t->shape.size[0]; i++) {
        int32_t row;
        memcpy(&row, (const char *)t->data + (size_t)i * sizeof row, sizeof row);
        if (row < 0 || row >= rows || s->seen.place[row])
            lm_fail(st, LM_FAILED, "%s: row %d of %lld%s: the checkpoint is damaged", name, (int)row, (long long)rows,
                    row >= 0 && row < rows ? " twice" : "");
        else
            lm_row_set_add(&s->seen, row);
    }
    free(name);
    return lm_ok(st);
}

bool lm_optimizer_load(lm_optimizer *o, const lm_safetensors *file, lm_status *st)
{
    for (size_t i = 0; i < STATES * o->slot_count; i++) {
        slot *s = &o->slots[i / STATES];
        if (i % STATES == 0) {
            if (s->by_rows && !load_rows(s, file, st))
                return false;
            continue;
        }
        lm_safetensor want = state_of(s, i % STATES);
        const lm_safetensor *t = lm_safetensors_find(file, want.name);
        bool ok = t && t->dtype == want.dtype && lm_shape_equal(&t->shape, &want.shape);
        if (ok && t->bytes)
            memcpy(i % STATES == 1 ? (void *)s->m : i % STATES == 2 ? (void *)s->v : (void *)&s->steps, t->data, t->bytes);
        if (ok && s->steps < 0)
            ok = lm_fail(st, LM_FAILED, "%s: %lld steps: the checkpoint is damaged", want.name,
                         (long long)s->steps);
        else if (!ok)
            lm_fail(st, LM_FAILED, "%s: %s: the checkpoint is not one of this model", want.name,
                    t ? "another dtype or shape" : "missing");
        free((char *)want.name);
        if (!ok)
            return false;
    }
    return true;
}
