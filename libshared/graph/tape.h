/* What the operations share: nodes, and how they are made, run and walked. Private to graph/. */
#ifndef LM_GRAPH_TAPE_H
#define LM_GRAPH_TAPE_H

#include "graph/adapter.h"
#include "graph/graph.h"
#include "kernels/kernels.h"

enum { LM_INPUTS = 4 };

/* One operation on the tape: inputs, parameters and what its forward leaves for its backward. */
struct lm_node {
    const lm_op *op;
    lm_node *previous; /* on the tape */
    uint32_t index;    /* its place there */
    lm_tensor *out, *in[LM_INPUTS];
    lm_param *weight, *bias; /* NULL where there is none */
    union {
        lm_act act;
        float factor;
        int ahead; /* columns whose state stands at the last token */
        struct lm_lstm_node *lstm;
        struct lm_ngrams_node *ngrams;
        struct lm_distillation *distillation;
        struct lm_relation_node *relation;
        struct lm_again *again; /* how a piece is run again */
        struct {
            int first; /* row of the weight, or column where it is transposed */
        } part;
        struct {
            const struct lm_adapter *adapter;
            int first;            /* as part.first */
            const int32_t *index; /* of a table's rows; and the one that trains nothing */
            int skip;
            float *low;           /* [rows, rank] scale A dropout(x) */
            lm_dropout_key key;
            uint8_t *mask; /* NULL = no dropout */
        } low_rank;
        const float *divisor; /* [width] of magnitudes */
        struct {
            const struct lm_adapter *adapter;
            int first;         /* as part.first */
            lm_param *bias;    /* of the layer; NULL = none */
            const float *norm; /* [width] */
            float *low;        /* [rows, rank] scale A x', x' being dropout(x) */
            float *whole;      /* [rows, width] W x' + scale B A x', for the magnitude's gradient; NULL = nobody wants it */
            lm_dropout_key key;
            uint8_t *mask; /* NULL = no dropout */
        } dora;
        struct {
            int table, heads, columns;
        } rope;
        struct {
            const int32_t *label;
            float temperature;
            bool projects; /* the logits are not held */
        } logprobs;
        struct {
            double loss;
            const float *slope;
        } computed;
        struct {
            const int32_t *index;
            int skip;
        } gather;
        struct {
            double eps, offset;
            int heads;
            float *mean, *rstd;
        } norm;
        struct {
            double p;
            lm_dropout_key key;
            uint8_t *mask;
        } dropout;
        struct {
            lm_attention_args args;
            float *log_sum;
        } attention;
        struct {
            lm_custom_op op;
            lm_custom_call call;
        } custom;
        struct {
            const int32_t *label;
            const float *target, *weight;
            lm_balance how;
            float *per_row;
        } loss;
    };
};

enum { LM_POOL = 64 };

/* Cosines and sines of a rotation for positions [0, positions), kept from step to step (graph/rope.c). */
typedef struct lm_turn_table {
    lm_rotation rotation;
    int positions;
    float *turns;
} lm_turn_table;

/* Gradients that are no longer needed. */
typedef struct lm_grad_pool {
    struct {
        float *floats;
        size_t room;
    } at[LM_POOL];
    int count;
} lm_grad_pool;

typedef struct lm_again lm_again;

struct lm_graph {
    lm_params *params;
    lm_arena *arena;
    lm_status status;
    lm_step step;
    const lm_batch *batch;
    const lm_layout *layout; /* of the batch's tokens */
    const lm_batch *target;  /* of a second stack; NULL = none */
    const lm_layout *target_layout;
    lm_node *last;           /* end of the tape */
    uint32_t taped;          /* nodes on it */
    lm_tensor *nothing;      /* what operations return on a failed graph */
    int layer, site, outside_site;
    lm_scope body;
    int memories, outside_memories; /* operations of the layer that remember something, so far */
    bool untaped;        /* a piece that is run again later */
    lm_grad_pool pool;
    lm_turn_table *table; /* [tables] */
    int tables;
    lm_graph_watcher *watch;
    void *watch_context;
    lm_graph_tapper *tap;
    void *tap_context;
    float *carry; /* takes a scope's result past the release */
    size_t carry_room, carry_mallocs;
};

/* The operations, in the order of the table. */
typedef enum lm_op_id {
    LM_OP_EMBEDDING,
    LM_OP_LINEAR,
    LM_OP_VOCAB_LINEAR,
    LM_OP_LOW_RANK,
    LM_OP_MAGNITUDE,
    LM_OP_DORA,
    LM_OP_LAYER_NORM,
    LM_OP_RMS_NORM,
    LM_OP_ACTIVATE,
    LM_OP_PARAMETER,
    LM_OP_GATE,
    LM_OP_ROPE,
    LM_OP_ADD,
    LM_OP_DROPOUT,
    LM_OP_DROPOUT_ADD,
    LM_OP_ATTENTION,
    LM_OP_NGRAMS,
    LM_OP_LSTM,
    LM_OP_FINAL_STATE,
    LM_OP_MEAN_TOKEN,
    LM_OP_FIRST_TOKEN,
    LM_OP_LAST_TOKEN,
    LM_OP_GATHER_ROWS,
    LM_OP_SCALE,
    LM_OP_RECOMPUTE,
    LM_OP_CUSTOM,
    LM_OP_CROSS_ENTROPY,
    LM_OP_SQUARED_ERROR,
    LM_OP_BINARY_CROSS_ENTROPY,
    LM_OP_BALANCED_CROSS_ENTROPY,
    LM_OP_BALANCED_BINARY_CROSS_ENTROPY,
    LM_OP_SPAN_CROSS_ENTROPY,
    LM_OP_DISTILLATION,
    LM_OP_COSINE,
    LM_OP_RELATION,
    LM_OP_LOGPROBS,
    LM_OP_COMPUTED_LOSS,
    LM_OP_COUNT
} lm_op_id;

static inline bool lm_graph_ok(const lm_graph *g)
{
    return g->status.code == LM_OK;
}

/* Fails the graph; returns a tensor that every operation takes. */
lm_tensor *lm_graph_fail(lm_graph *g, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A node and its result, not yet computed. The caller fills in parameters and options, then runs it. */
lm_node *lm_node_new(lm_graph *g, lm_op_id op, int rows, int width, const lm_layout *layout, lm_tensor *a,
                     lm_tensor *b, lm_tensor *c);
/* Computes it, after its inputs, and tapes it if anything below is trained. */
lm_tensor *lm_node_run(lm_graph *g, lm_node *n);
/* Tapes it, and leaves computing to whoever reads it. */
lm_tensor *lm_node_defer(lm_graph *g, lm_node *n);
/* Tapes it, whose result is there. */
void lm_node_tape(lm_graph *g, lm_node *n);
/* The backward of all nodes from g->last on. */
void lm_tape_backward(lm_graph *g);

/* The node of a loss [1,1] over logits; label or target NULL where it has none. */
lm_node *lm_loss_node(lm_graph *g, lm_op_id op, lm_tensor *x, const int32_t *label, const float *target,
                      const float *weight, float *per_row);
/* Whether these are logits that nobody has computed: a loss takes them in blocks. */
bool lm_loss_projects(const lm_tensor *logits);
/* Whether each of n ids is one of `rows` rows; else the graph fails. */
bool lm_ids_fit(lm_graph *g, lm_scope scope, const int32_t *index, int n, int64_t rows);
/* Whether each label is a column of logits, or ignored; else the graph fails. */
bool lm_loss_labels_fit(lm_graph *g, const lm_tensor *logits, const int32_t *label);

void *lm_graph_alloc(lm_graph *g, size_t count, size_t size); /* until the next step */
const float *lm_value(lm_graph *g, lm_tensor *t);             /* computes what is deferred */

/* A gradient's buffer, uninitialised, and how many floats it has room for; and one that is no longer needed. */
float *lm_grad_buffer(lm_graph *g, size_t floats, size_t *room);
void lm_grad_give_back(lm_graph *g, lm_tensor *t);
/* Where the gradient of t goes, with *add set if something is there already; NULL if it is not wanted. */
float *lm_grad_of(lm_graph *g, lm_tensor *t, bool *add);
/* The same for who adds to some of it only: zeros, if nothing is there yet. */
float *lm_grad_to_add(lm_graph *g, lm_tensor *t);
/* dt (+)= the gradient of n's result, by handing the buffer over where that is possible. */
void lm_grad_pass(lm_graph *g, lm_node *n, lm_tensor *t);
/* Whether dt may be computed in place: it takes over the buffer of n's result's gradient. */
bool lm_grad_take(lm_node *n, lm_tensor *t);

/* A matrix [out, in] and its bias behind lm_linear: the one place where weights are looked at, so that
 * adapters, quantised weights and fake quantisation have one place to be. */
typedef struct lm_weight_view {
    const float *weight, *bias; /* bias NULL where there is none */
    const lm_quantised *quantised; /* NULL, or what there is in place of weight: its rows from `first` on */
    int first;
    float *dweight, *dbias;     /* NULL where frozen */
    int out, in;
    int transposed; /* 0, or the floats from row to row where weight and dweight are stored as [in, out] */
} lm_weight_view;

lm_param *lm_graph_param(lm_graph *g, lm_scope scope, const char *name); /* ready to be read; NULL = failed */
/* The same for one that is looked up in by rows, and whose gradient may be by rows: the others have a dense one. */
lm_param *lm_graph_table(lm_graph *g, lm_scope scope, const char *name);
lm_weight_view lm_weight_of(const lm_node *n);
/* A parameter that an operation is about to take, ready to be read; NULL: the graph has failed. */
lm_param *lm_graph_taken(lm_graph *g, lm_param *p);
/* Runs the node of a layer, or of a look-up, and adds what its weight's adapters add (adapter_ops.c). */
lm_tensor *lm_layer_run(lm_graph *g, lm_node *n);
lm_tensor *lm_look_up_run(lm_graph *g, lm_node *n);
bool lm_adapts(const lm_param *w, lm_adapter_place place);

size_t lm_elements(const lm_tensor *t);
/* layout NULL: rows that nobody knows, numbered from 0. */
lm_tensor *lm_tensor_new(lm_graph *g, int rows, int width, const lm_layout *layout);
uint32_t lm_graph_site(lm_graph *g); /* number of the next dropout */
/* The step's cache; NULL: it has none, or not of as many rows, and the graph has failed. */
lm_kv_cache *lm_graph_cache(lm_graph *g, int sequences);
lm_slot lm_graph_slot(lm_graph *g); /* of what the next operation remembers in a cache */
lm_layout *lm_layout_new(lm_graph *g, int rows);
/* Of a batch's tokens: that of the step's own, of a second stack's, or a new one. */
const lm_layout *lm_layout_of(lm_graph *g, const lm_batch *batch);

/* forward and backward of each operation, for the table */
#define LM_OP_PAIR(name)                                                                                     \
    void lm_##name##_op_forward(lm_graph *g, lm_node *n);                                                    \
    void lm_##name##_op_backward(lm_graph *g, lm_node *n)
LM_OP_PAIR(embedding);
LM_OP_PAIR(linear);
LM_OP_PAIR(low_rank);
LM_OP_PAIR(magnitude);
LM_OP_PAIR(dora);
LM_OP_PAIR(layer_norm);
LM_OP_PAIR(rms_norm);
LM_OP_PAIR(activate);
LM_OP_PAIR(parameter);
LM_OP_PAIR(gate);
LM_OP_PAIR(rope);
LM_OP_PAIR(add);
LM_OP_PAIR(dropout);
LM_OP_PAIR(attention);
LM_OP_PAIR(ngrams);
LM_OP_PAIR(lstm);
LM_OP_PAIR(final_state);
LM_OP_PAIR(mean_token);
LM_OP_PAIR(first_token);
LM_OP_PAIR(last_token);
LM_OP_PAIR(gather_rows);
LM_OP_PAIR(scale);
LM_OP_PAIR(custom);
void lm_recompute_op_backward(lm_graph *g, lm_node *n);
LM_OP_PAIR(cross_entropy);
LM_OP_PAIR(squared_error);
LM_OP_PAIR(binary_cross_entropy);
LM_OP_PAIR(balanced_cross_entropy);
LM_OP_PAIR(balanced_binary_cross_entropy);
LM_OP_PAIR(span_cross_entropy);
LM_OP_PAIR(distillation);
LM_OP_PAIR(cosine);
LM_OP_PAIR(relation);
LM_OP_PAIR(logprobs);
LM_OP_PAIR(computed_loss);

#endif
