#include "train/optimizer/optimizer_states.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static const char memory[] = "the optimiser's states";

static size_t width_of(const lm_slot *s)
{
    return (size_t)s->param->shape.size[1];
}

/* One number for each of the parameter's. */
static lm_state like_the_parameter(const lm_slot *s, const char *name, lm_dtype type)
{
    return (lm_state){.name = name, .dtype = type, .shape = s->param->shape,
                      .count = s->by_rows ? width_of(s) : s->param->elements};
}

static lm_state vector_of(const char *name, lm_dtype type, size_t n)
{
    return (lm_state){.name = name, .dtype = type, .shape = {.dims = 1, .size = {(int64_t)n}}, .count = n};
}

/* Means of rows and columns of what has two dimensions, and v itself of what has one. */
static void lay_out_factors(lm_slot *s)
{
    const lm_shape *whole = &s->param->shape;
    lm_shape row = *whole, column = *whole;
    if (whole->dims < 2) {
        s->state[LM_STATE_COLUMN] = like_the_parameter(s, "exp_avg_sq", LM_F32);
        return;
    }
    row.dims = column.dims = whole->dims - 1;
    column.size[column.dims - 1] = whole->size[whole->dims - 1];
    size_t rows = 1, columns = 1;
    lm_shape_elements(&row, &rows); /* of a parameter that exists */
    lm_shape_elements(&column, &columns);
    s->state[LM_STATE_ROW] = (lm_state){.name = "exp_avg_sq_row", .dtype = LM_F32, .shape = row, .count = rows};
    s->state[LM_STATE_COLUMN] = (lm_state){.name = "exp_avg_sq_col", .dtype = LM_F32, .shape = column, .count = columns};
}

void lm_slot_lay_out(lm_slot *s, const lm_optimizer_options *how)
{
    static const lm_dtype types[] = {LM_F32, LM_BF16, LM_U8};
    bool few = s->by_rows || s->param->elements < LM_SMALL_STATES;
    memset(s->state, 0, sizeof s->state);
    s->form = how->kind == LM_OPTIMIZER_ADAFACTOR || (how->states == LM_STATE_8BIT && few) ? LM_STATE_F32 : how->states;
    bool averages = how->kind == LM_OPTIMIZER_SGD || how->kind == LM_OPTIMIZER_ADAFACTOR ? how->momentum > 0 : true;
    bool squares = how->kind == LM_OPTIMIZER_ADAMW || how->kind == LM_OPTIMIZER_ADAM, sgd = how->kind == LM_OPTIMIZER_SGD;
    size_t blocks = (s->param->elements + LM_STATE_BLOCK - 1) / LM_STATE_BLOCK;
    if (averages)
        s->state[LM_STATE_FIRST] = like_the_parameter(s, sgd ? "momentum_buffer" : "exp_avg", types[s->form]);
    if (squares)
        s->state[LM_STATE_SECOND] = like_the_parameter(s, "exp_avg_sq", types[s->form]);
    if (averages && s->form == LM_STATE_8BIT)
        s->state[LM_STATE_FIRST_SCALE] = vector_of(sgd ? "momentum_buffer.absmax" : "exp_avg.absmax", LM_F32, blocks);
    if (squares && s->form == LM_STATE_8BIT)
        s->state[LM_STATE_SECOND_SCALE] = vector_of("exp_avg_sq.absmax", LM_F32, blocks);
    if (how->kind == LM_OPTIMIZER_ADAFACTOR)
        lay_out_factors(s);
}

static size_t bytes_of(const lm_state *x)
{
    return x->name ? x->count * lm_dtype_block_bytes(x->dtype) : 0;
}

bool lm_slot_allocate(lm_slot *s, lm_status *st)
{
    if (s->by_rows)
        return lm_row_set_init(&s->seen, s->param->shape.size[0], memory, st);
    for (int k = 0; k < LM_STATE_ROLES; k++)
        if (s->state[k].name && !(s->state[k].data = lm_try_calloc(bytes_of(&s->state[k]), 1, memory, st)))
            return false;
    return true;
}

void lm_slot_free(lm_slot *s)
{
    for (int k = 0; k < LM_STATE_ROLES; k++) {
        free(s->state[k].data);
        s->state[k].data = NULL;
    }
    lm_row_set_free(&s->seen);
}

lm_states lm_slot_states(const lm_slot *s)
{
    return (lm_states){.form = s->form,
                       .m = s->state[LM_STATE_FIRST].data,
                       .v = s->state[LM_STATE_SECOND].data,
                       .m_scale = s->state[LM_STATE_FIRST_SCALE].data,
                       .v_scale = s->state[LM_STATE_SECOND_SCALE].data};
}

/* Of one row where they are by rows. */
static size_t all_bytes(const lm_slot *s)
{
    size_t bytes = 0;
    for (int k = 0; k < LM_STATE_ROLES; k++)
        bytes += bytes_of(&s->state[k]);
    return bytes;
}

size_t lm_slot_bytes(const lm_slot *s)
{
    return all_bytes(s) * (s->by_rows ? (size_t)s->seen.count : 1);
}

size_t lm_slot_most_bytes(const lm_slot *s)
{
    return all_bytes(s) * (s->by_rows ? (size_t)s->param->shape.size[0] : 1);
}

bool lm_slot_reserve(lm_slot *s, int more, lm_status *st)
{
    if (!lm_row_set_reserve(&s->seen, more, memory, st))
        return false;
    for (int k = 0; k < LM_STATE_ROLES; k++)
        if (s->state[k].name && !lm_rows_reserve(&s->state[k].data, &s->state[k].room, s->seen.count, more,
                                                 bytes_of(&s->state[k]), memory, st))
            return false;
    return true;
}

void lm_slot_take_row(lm_slot *s, int32_t row)
{
    int had = s->seen.count, at = lm_row_set_add(&s->seen, row);
    for (int k = 0; k < LM_STATE_ROLES && at == had; k++)
        if (s->state[k].name)
            memset((char *)s->state[k].data + (size_t)at * bytes_of(&s->state[k]), 0, bytes_of(&s->state[k]));
}

bool lm_slot_make_dense(lm_slot *s, lm_status *st)
{
    lm_slot was = *s;
    s->by_rows = false;
    s->seen = (lm_row_set){0};
    for (int k = 0; k < LM_STATE_ROLES; k++) {
        s->state[k].data = NULL;
        s->state[k].count *= (size_t)s->param->shape.size[0];
    }
    bool ok = lm_slot_allocate(s, st);
    for (int k = 0; ok && k < LM_STATE_ROLES; k++) {
        size_t bytes = bytes_of(&was.state[k]);
        for (int i = 0; bytes && i < was.seen.count; i++)
            memcpy((char *)s->state[k].data + (size_t)was.seen.row[i] * bytes, (char *)was.state[k].data + (size_t)i * bytes,
                   bytes);
    }
    lm_slot_free(&was);
    return ok;
}

/* ------------------------------------------------------------------ on disk */

/* Beside the states, the rows that they are of and the count of steps. */
enum { ROWS = 0, FIRST = 1, STEP = FIRST + LM_STATE_ROLES, TENSORS };

/* A tensor of a slot; its name is malloced, and NULL where the slot has no such tensor. */
static lm_safetensor tensor_of(lm_slot *s, int which)
{
    if (which == ROWS)
        return !s->by_rows ? (lm_safetensor){0}
                           : (lm_safetensor){.name = lm_format("%s.rows", s->param->name),
                                             .dtype = LM_I32,
                                             .shape = {.dims = 1, .size = {s->seen.count}},
                                             .data = s->seen.row,
                                             .bytes = (size_t)s->seen.count * sizeof *s->seen.row};
    if (which == STEP)
        return (lm_safetensor){.name = lm_format("%s.step", s->param->name),
                               .dtype = LM_I64,
                               .shape = {.dims = 1, .size = {1}},
                               .data = &s->steps,
                               .bytes = sizeof s->steps};
    const lm_state *x = &s->state[which - FIRST];
    if (!x->name)
        return (lm_safetensor){0};
    lm_safetensor t = {.name = lm_format("%s.%s", s->param->name, x->name), .dtype = x->dtype, .shape = x->shape,
                       .data = x->data, .bytes = bytes_of(x)};
    if (s->by_rows) {
        t.shape.size[0] = s->seen.count;
        t.bytes *= (size_t)s->seen.count;
    }
    return t;
}

bool lm_slots_save(lm_slot *slots, size_t slot_count, int fd, const char *name, lm_status *st)
{
    size_t count = 0;
    lm_safetensor *tensors = lm_calloc(TENSORS * slot_count, sizeof *tensors);
    for (size_t i = 0; i < TENSORS * slot_count; i++) {
        tensors[count] = tensor_of(&slots[i / TENSORS], (int)(i % TENSORS));
        count += tensors[count].name != NULL;
    }
    bool ok = lm_safetensors_write(fd, name, tensors, count, st);
    for (size_t i = 0; i < count; i++)
        free((char *)tensors[i].name);
    free(tensors);
    return ok;
}

/* The rows that a checkpoint has states of, and room for these. */
static bool load_rows(lm_slot *s, const lm_safetensors *file, lm_status *st)
{
    char *name = lm_format("%s.rows", s->param->name);
    const lm_safetensor *t = lm_safetensors_find(file, name);
    int64_t rows = s->param->shape.size[0];
    lm_row_set_clear(&s->seen);
    if (!t)
        lm_fail(st, LM_FAILED, "%s: missing: the checkpoint is not one of this model", name);
    else if (t->dtype != LM_I32 || t->shape.dims != 1 || t->shape.size[0] > rows)
        lm_fail(st, LM_FAILED, "%s: another dtype or shape: the checkpoint is not one of this model", name);
    else
        lm_slot_reserve(s, (int)t->shape.size[0], st);
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

static bool load_slot(lm_slot *s, const lm_safetensors *file, lm_status *st)
{
    if (s->by_rows && !load_rows(s, file, st))
        return false;
    for (int which = FIRST; which < TENSORS && lm_ok(st); which++) {
        lm_safetensor want = tensor_of(s, which);
        if (!want.name)
            continue;
        const lm_safetensor *t = lm_safetensors_find(file, want.name);
        bool ok = t && t->dtype == want.dtype && lm_shape_equal(&t->shape, &want.shape);
        if (ok && t->bytes)
            memcpy((void *)(uintptr_t)want.data, t->data, t->bytes);
        if (!ok)
            lm_fail(st, LM_FAILED, "%s: %s: the checkpoint is not one of this model", want.name,
                    t ? "another dtype or shape" : "missing");
        else if (s->steps < 0)
            lm_fail(st, LM_FAILED, "%s: %lld steps: the checkpoint is damaged", want.name, (long long)s->steps);
        free((char *)want.name);
    }
    return lm_ok(st);
}

bool lm_slots_load(lm_slot *slots, size_t count, const lm_safetensors *file, lm_status *st)
{
    for (size_t i = 0; i < count; i++)
        if (!load_slot(&slots[i], file, st))
            return false;
    return true;
}
