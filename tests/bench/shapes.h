/* The models and batches that are timed: sizes that everybody knows, random weights, random ids. */
#ifndef LM_BENCH_SHAPES_H
#define LM_BENCH_SHAPES_H

#include "model/model.h"

typedef struct bench_shape {
    const char *name;
    const char *config;  /* config.json, less the dropout */
    const char *task;    /* lm_model_options.task */
    const char *batches; /* those that are timed unless others are asked for */
    double dropout;      /* of a train step, unless another is asked for */
} bench_shape;

const bench_shape *bench_shape_at(size_t i); /* NULL past the last */
const bench_shape *bench_shape_find(const char *name);

/* A batch and what is to be learned from it. */
typedef struct bench_batch {
    lm_batch rows, targets; /* targets: what the second stack reads; no rows where there is none */
    int32_t *selected;      /* tokens whose logits are wanted; NULL = all */
    int count;
    int32_t *label; /* of rows, or of the tokens that are wanted */
} bench_batch;

/* 32x128: rows of a length; 16x128+32: with targets of a length; ag: 32 rows of the lengths of AG News (46 tokens on average,
 * 88 at most). False: no such form. */
bool bench_batch_make(bench_batch *b, const char *form, const lm_model *m, const char *task);

/* Multiplications and additions of the matrices: 2 a weight and token, and attention's, of keys that are seen; three times
 * that for a step. Look-ups, norms and activations are not counted. */
double bench_flops(const lm_model *m, const bench_batch *b, bool step);

#endif
