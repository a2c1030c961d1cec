/* Adapters: what is added to a layer or a table whose own weight stays as it is, wherever and however that is stored.
 *
 * LoRA (Hu et al. 2021, arXiv 2106.09685): y = W x + b + scale B A dropout(x). DoRA (Liu et al. 2024, arXiv 2402.09353):
 * y = m / |W + scale B A| (W x + scale B A x) + b, the norm that of each output's row and no part of the gradient. Both as PEFT
 * computes them. A table's row: W[id] + scale B A[:, id].
 *
 * A, B and m are parameters of the same table as the layer's own, named as PEFT names them below the layer: "lora_A.weight". So
 * optimisers, checkpoints and logs know nothing of adapters, and neither do plugins: lm_linear, lm_linear_part, lm_vocab_linear and
 * lm_embedding look at lm_param.adapter. A layer may have several, which are added in their order. */
#ifndef LM_GRAPH_ADAPTER_H
#define LM_GRAPH_ADAPTER_H

#include "graph/params.h"

typedef enum lm_adapter_place { LM_ADAPTS_LAYER, LM_ADAPTS_TABLE } lm_adapter_place;

typedef struct lm_adapter {
    struct lm_adapter *next; /* of the same weight */
    lm_param *weight;        /* that it adapts */
    lm_adapter_place place;  /* a table that is a layer's weight, too, has an adapter for each use */
    lm_param *a, *b;         /* layer: [rank, in], [out, rank]; table: [rank, rows], [width, rank] */
    lm_param *bias;          /* of B (PEFT's lora_bias): [out]; NULL = none */
    lm_param *magnitude;     /* of DoRA: [out], of a table [width]; NULL = LoRA */
    int rank;
    float scale;
    double dropout;          /* of a layer's input */
    uint32_t number;         /* among all of the table: what tells its dropout from others' */
    double *squares;         /* DoRA: sum of squares of each row of a frozen W; NULL = not yet known */
    float *norms;            /* DoRA: of W + scale B A, where nothing of it is trained; NULL = not yet known */
} lm_adapter;

typedef struct lm_adapter_spec {
    lm_adapter_place place;
    int rank;
    float scale;
    double dropout;
    bool magnitude, bias;
    const char *name; /* stands between "lora_A" and "weight" in the parameters' names, to tell several adapters apart; "" */
} lm_adapter_spec;

/* Enters an adapter of `module`, whose weight is "MODULE.weight", and its parameters, without values, at the end of the table.
 * Fails where the weight is no matrix, the name is taken, or DoRA would not have the layer to itself. The table owns the adapter. */
lm_adapter *lm_adapter_attach(lm_params *p, const char *module, const lm_adapter_spec *spec, lm_status *st);
/* Takes all adapters of a weight away; their parameters stay in the table, unused. */
void lm_adapter_detach(lm_param *weight);

#endif
