/* The parameters of a model: one table, filled by a plugin's declarations, from which the graph takes weights
 * by name.
 *
 * A parameter has one storage. `data` in `dtype` is what was loaded, often mapped read-only; `value` is
 * float32, the same memory where dtype is F32. Training needs `value` to be writable (lm_params_own) and
 * gives it a gradient (lm_params_train). Tied names lead to one lm_param. Adapters and fake quantisation attach here.
 *
 * A matrix of another type has `quantised` (tensor/quantised.h) beside data, which linear layers and embeddings compute with
 * as long as there is no value: it is never expanded for them. lm_param_ready expands it for everything else, and so does
 * training it; from then on the value counts. */
#ifndef LM_GRAPH_PARAMS_H
#define LM_GRAPH_PARAMS_H

#include "base/arena.h"
#include "base/status.h"
#include "graph/row_grad.h"
#include "kernels/quantised.h"
#include "lmutils/plugin.h"
#include "tensor/dtype.h"

typedef struct lm_param {
    const char *name; /* Hugging Face name, under which it is stored */
    size_t index;     /* in the table */
    lm_shape shape;
    size_t elements;
    lm_init init;
    lm_dtype dtype;   /* of data */
    const void *data; /* as loaded; NULL until loaded or initialised */
    const lm_quantised *quantised; /* data as a matrix that is computed with as it is, [out, in] even where `transposed`; of
                                    * the loader. NULL = it is none */
    float *value;     /* [elements] f32; NULL until needed */
    float *fake_value; /* [elements] what is computed with in place of value (graph/fake.h); NULL = value */
    lm_dtype fake;     /* that it is quantised to there */
    bool fake_known;   /* fake_value is that of value, which is not trained: whoever moves it makes this false */
    float *grad;      /* [elements]; NULL where nothing is trained */
    bool embedding;   /* a table that is looked up in, whatever else it is used for */
    int padding_row;  /* of an embedding; -1 = none */
    bool by_rows;     /* a table of many rows that is only looked up in: row_grad stands in for grad */
    bool lazy;        /* and of it the optimiser moves only rows that the step has touched */
    lm_row_grad *row_grad; /* NULL where nothing is trained */
    bool transposed;  /* the matrix of a layer, stored as [in, out] */
    bool decay; /* weight decay applies: not to biases and norms (conventions: get_decay_parameter_names) */
    bool trainable;
    bool owned; /* value is ours and writable */
    uint32_t first_use; /* nodes that were on the tape when the step first asked for it; UINT32_MAX = it has not. Kept
                         * where lm_step.whole asks for it */
    struct lm_adapter *adapter; /* graph/adapter.h: what is added to a layer or table of this weight; NULL = nothing */
} lm_param;

typedef struct lm_params lm_params;

lm_params *lm_params_new(void);
void lm_params_free(lm_params *p);

/* What becomes of the inputs of layers whose weights are quantised: nothing (F32, as it is at first), or they are rounded. */
void lm_params_set_activations(lm_params *p, lm_activations how);
lm_activations lm_params_activations(const lm_params *p);

size_t lm_params_count(const lm_params *p);
lm_param *lm_params_at(lm_params *p, size_t i);           /* in declaration order */
lm_param *lm_params_find(lm_params *p, const char *name); /* through ties; NULL if absent */
/* The declared name that `stored` (a name in a checkpoint) stands for after old spellings are replaced; in
 * `out`. */
void lm_params_current_name(const lm_params *p, const char *stored, char out[LM_NAME_MAX]);
/* Whether `stored` is the name of something that is no parameter and that nobody misses. */
bool lm_params_ignored(const lm_params *p, const char *stored);
/* Takes the parameters from index `from` on, which are nobody's tied names' target, out of the table. */
void lm_params_forget(lm_params *p, size_t from);
/* Tied pairs, for writers and loaders: alias i of the table, and the parameter it leads to. */
size_t lm_params_aliases(const lm_params *p);
const char *lm_params_alias(const lm_params *p, size_t i, lm_param **target);

/* A declaration handle for plugins' declare functions; failures stick to it and come out of lm_declare_end.
 */
lm_declare *lm_declare_begin(lm_params *p);
bool lm_declare_end(lm_declare *d, lm_status *st);

/* Fills `value` of every parameter that has no data by its initialiser: Philox keyed by (seed, name,
 * element), so the values depend on neither order nor threads. */
bool lm_param_initialise(lm_param *p, uint64_t seed, lm_status *st);
/* Other numbers take the place of those that it has; `data` is kept alive by the caller. */
void lm_param_point(lm_param *p, lm_dtype dtype, const void *data);
/* All of it as float32, in the order in which the parameter has its elements: `out` [elements]. What it holds stays as it is. */
bool lm_param_read(const lm_param *p, float *out, lm_status *st);
/* Makes value readable as f32 (mapped where dtype is F32 and aligned to 4, converted once elsewhere). */
bool lm_param_ready(lm_param *p, lm_status *st);
/* Makes value writable: a copy where it was mapped. */
bool lm_param_own(lm_param *p, lm_status *st);
/* Owns the value and allocates a zeroed gradient; or takes the gradient away. */
bool lm_param_train(lm_param *p, bool trainable, lm_status *st);
static inline bool lm_param_learns(const lm_param *p)
{
    return p->grad || p->row_grad;
}
/* For whoever needs all rows of the gradient at once: from now on grad, with what row_grad has. */
bool lm_param_dense(lm_param *p, lm_status *st);
void lm_param_zero_grad(lm_param *p);
/* What a matrix is computed with. */
static inline const float *lm_param_seen(const lm_param *p)
{
    return p->fake_value ? p->fake_value : p->value;
}

#endif
