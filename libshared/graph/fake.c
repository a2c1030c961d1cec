#include "graph/fake.h"

#include "base/memory.h"
#include "tensor/blocks.h"
#include "tensor/quantised.h"

#include <stdlib.h>
#include <string.h>

/* Rows that a thread takes at a time: whole blocks of NF4, whatever their width. */
enum { TILE = LM_BNB_BLOCK };

bool lm_fakes(lm_dtype type)
{
    return lm_quantises(type) || type == LM_NF4 || type == LM_FP4 || type == LM_I8 || type == LM_F16 || type == LM_BF16;
}

/* A matrix as its layer sees it. */
typedef struct matrix {
    lm_dtype type;
    int64_t rows, columns;
    bool transposed;
} matrix;

static matrix matrix_of(const lm_param *p, lm_dtype type)
{
    return (matrix){type, p->shape.size[p->transposed ? 1 : 0], p->shape.size[p->transposed ? 0 : 1], p->transposed};
}

bool lm_param_fake(lm_param *p, lm_dtype type, lm_status *st)
{
    if (p->shape.dims != 2 || p->shape.size[0] > INT32_MAX || p->shape.size[1] > INT32_MAX || !lm_fakes(type))
        return lm_fail(st, LM_FAILED, "%s: cannot be quantised to %s", p->name, lm_dtype_name(type));
    matrix m = matrix_of(p, type);
    int block = type == LM_NF4 || type == LM_FP4 ? 1 : lm_dtype_block(type);
    if (m.columns % block)
        return lm_fail(st, LM_FAILED, "%s: rows of %lld are no whole blocks of %s, which are of %d", p->name, (long long)m.columns,
                       lm_dtype_name(type), block);
    if (!lm_param_ready(p, st))
        return false;
    if (!p->fake_value)
        p->fake_value = lm_try_malloc(p->elements, sizeof *p->fake_value, p->name, st);
    p->fake = type;
    p->fake_known = false;
    return p->fake_value != NULL;
}

/* Room of a thread. */
typedef struct room {
    float *tile;    /* [TILE, columns] */
    uint8_t *codes; /* of a tile */
    float *scale;   /* of its rows, or of its blocks, of which there are as many as columns */
} room;

static room new_room(const matrix *m)
{
    size_t elements = TILE * (size_t)m->columns;
    return (room){.tile = lm_malloc(m->transposed ? elements : 1, sizeof(float)),
                  .codes = lm_malloc(elements, sizeof(float)), /* no type takes more */
                  .scale = lm_malloc(m->columns > TILE ? (size_t)m->columns : TILE, sizeof(float))};
}

static void free_room(room *r)
{
    free(r->tile);
    free(r->codes);
    free(r->scale);
}

/* [rows, columns] x as it is after quantisation. */
static void round_trip(const matrix *m, const float *x, size_t rows, room *r, float *out)
{
    size_t columns = (size_t)m->columns, n = rows * columns;
    if (lm_quantises(m->type)) {
        lm_quantise(m->type, x, rows, columns, NULL, r->codes);
    } else if (m->type == LM_F16 || m->type == LM_BF16) {
        lm_from_f32(m->type, x, n, r->codes);
    } else {
        lm_quantised q = {.type = m->type, .rows = (int)rows, .columns = (int)columns, .data = r->codes, .scale = r->scale,
                          .block = LM_BNB_BLOCK};
        if (m->type == LM_I8)
            lm_bnb_int8(x, rows, columns, (int8_t *)r->codes, r->scale);
        else
            lm_bnb_quantise(m->type, x, n, LM_BNB_BLOCK, r->codes, r->scale);
        for (size_t i = 0; m->type == LM_I8 && i < rows; i++)
            r->scale[i] /= 127;
        lm_quantised_expand(&q, 0, (int)rows, out);
        return;
    }
    lm_to_f32(m->type, r->codes, n, out);
}

/* Rows [first, first + rows) of the matrix. */
static void fake_tile(const matrix *m, const float *value, int64_t first, int64_t rows, room *r, float *fake)
{
    size_t stride = (size_t)m->rows, columns = (size_t)m->columns;
    if (!m->transposed) {
        round_trip(m, value + (size_t)first * columns, (size_t)rows, r, fake + (size_t)first * columns);
        return;
    }
    for (size_t c = 0; c < columns; c++)
        for (size_t i = 0; i < (size_t)rows; i++)
            r->tile[i * columns + c] = value[c * stride + (size_t)first + i];
    round_trip(m, r->tile, (size_t)rows, r, r->tile);
    for (size_t c = 0; c < columns; c++)
        for (size_t i = 0; i < (size_t)rows; i++)
            fake[c * stride + (size_t)first + i] = r->tile[i * columns + c];
}

static void fake_again(lm_param *p)
{
    matrix m = matrix_of(p, p->fake);
#pragma omp parallel
    {
        room r = new_room(&m);
#pragma omp for schedule(dynamic)
        for (int64_t first = 0; first < m.rows; first += TILE)
            fake_tile(&m, p->value, first, m.rows - first < TILE ? m.rows - first : TILE, &r, p->fake_value);
        free_room(&r);
    }
}

void lm_params_fake_again(lm_params *params)
{
    for (size_t i = 0; i < lm_params_count(params); i++) {
        lm_param *p = lm_params_at(params, i);
        if (!p->fake_value || p->fake_known)
            continue;
        fake_again(p);
        p->fake_known = !p->trainable; /* of what nobody moves */
    }
}
