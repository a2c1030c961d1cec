/* The host's side of the graph: an eager tape of fused operations.
 *
 * lmutils/plugin.h has the operations that a forward pass is written with; each runs at once and, while
 * training, leaves a node on the tape. lm_graph_backward walks the tape from the end. Values and nodes live
 * in one arena that lm_graph_begin resets: after the largest step no call reaches malloc. In inference
 * nothing is taped, and lm_graph_scope_* give back what a block has allocated but its result.
 *
 * All sums have a fixed order that does not depend on the number of threads. */
#ifndef LM_GRAPH_GRAPH_H
#define LM_GRAPH_GRAPH_H

#include "base/arena.h"
#include "base/status.h"
#include "graph/kv_cache.h"
#include "graph/params.h"
#include "lmutils/plugin.h"

typedef struct lm_node lm_node;

/* What the rows of a value are. Dropout is keyed by it, attention runs over its sequences. */
typedef struct lm_layout {
    int rows;
    int sequences;               /* 0 where the rows are not whole sequences */
    const int32_t *row_splits;   /* [sequences+1], or NULL */
    const int64_t *sequence_row; /* [sequences] numbers of the sequences in the optimiser step */
    const int64_t *global_row;   /* [rows] the same for each row */
    const int32_t *token;        /* [rows] place in the sequence */
    const int32_t *position;     /* [rows] lm_batch.positions; NULL where the rows are not those of a batch */
} lm_layout;

struct lm_tensor {
    int rows, width;
    float *value;            /* [rows, width]; NULL while deferred: read through lm_tensor_read */
    float *grad;             /* [rows, width] during backward; afterwards kept for inputs alone */
    size_t grad_room;        /* floats behind grad */
    const lm_layout *layout; /* never NULL */
    lm_node *node;           /* what computes it; NULL = an input */
    bool needs_grad;
};

typedef struct lm_step {
    bool training; /* tape and dropout on */
    bool taping;   /* tape on: gradients wanted even where dropout is off (gradient checks) */
    bool recompute; /* pieces (lm_graph_piece) keep what they read, and are run again in backward */
    uint64_t seed;
    uint64_t optimiser_step;   /* keys dropout */
    const int64_t *global_row; /* [sequences] numbers of the rows in the optimiser step, which key dropout, so
                                  that k micro-batches draw what one batch draws; NULL = 0, 1, 2 ... */
    /* Called during backward, after each operation: nothing more is added in this step to the gradients of parameters whose
     * first_use is at least `from`. NULL = nobody asks. */
    void (*whole)(void *context, uint32_t from);
    void *whole_context;
    lm_kv_cache *cache; /* of an incremental step, in inference: the batch has the tokens that follow, and its positions
                      * count those that were read. lm_kv_cache_advance ends the step. NULL = whole rows */
} lm_step;

lm_graph *lm_graph_new(lm_params *params);
void lm_graph_free(lm_graph *g);
void lm_graph_forget(lm_graph *g); /* gives back what its steps have grown to: its values end */

/* From now on told what layers multiply their matrix with: x [rows, columns of the layer's input]; of a matrix that is used in parts, with
 * the part that begins it. NULL = nobody is told. */
typedef void lm_graph_watcher(void *context, const lm_param *weight, const float *x, int rows);
void lm_graph_watch(lm_graph *g, lm_graph_watcher *watch, void *context);

/* What attention is given: q [tokens, heads * dim], k and v [tokens of the keys, kv_heads * dim], turned by their positions where the
 * family does that. */
typedef struct lm_attended {
    int layer; /* as lm_graph_layer says */
    lm_tensor *q, *k, *v;
    int heads, kv_heads;
    float scale;
    bool causal;
    int window;
} lm_attended;

/* From now on told of each attention before it is computed (with step.recompute once more when its piece runs again). In inference the
 * values live until the piece ends. NULL = nobody is told. */
typedef void lm_graph_tapper(void *context, const lm_attended *what);
void lm_graph_tap(lm_graph *g, lm_graph_tapper *tap, void *context);

/* Resets the arena and starts a step over `batch`. */
void lm_graph_begin(lm_graph *g, const lm_batch *batch, lm_step step);
/* The failure that stands on the graph, if any, moves into st. */
bool lm_graph_end(lm_graph *g, lm_status *st);
/* The blocks number their dropout sites: site = (layer, count inside the layer). -1 = outside the blocks,
 * where the count goes on from where it was. */
void lm_graph_layer(lm_graph *g, int layer);
/* Says that values over `batch`, beside the step's own, come next: rows that are as many, with other tokens, which a second
 * stack reads. It has to live as long as the step. */
void lm_graph_target(lm_graph *g, const lm_batch *batch);
/* What lm_body gives, from now on. */
void lm_graph_body(lm_graph *g, lm_scope body);

/* d(scale*loss)/d(everything): adds into the gradients of the parameters. loss is [1,1]; once a step. */
void lm_graph_backward(lm_graph *g, lm_tensor *loss, float scale);

/* [rows, width]; computes what was deferred. While taping, a cross-entropy over a vocabulary projection is
 * deferred too, and so are the sum and the multiple of such a loss: backward computes logits, loss and
 * gradients in one pass. So read a loss (and per_row) after lm_graph_backward; before it costs one more
 * projection. */
const float *lm_tensor_read(lm_graph *g, lm_tensor *t);
lm_tensor *lm_graph_input(lm_graph *g, const float *values, int rows, int width,
                          bool needs_grad); /* copied */
/* Whether every operation on the tape that reads x is lm_first_token. */
bool lm_graph_reads_first_tokens(const lm_graph *g, const lm_tensor *x);
const lm_batch *lm_graph_batch(const lm_graph *g); /* of the step */
lm_arena *lm_graph_arena(lm_graph *g);
size_t lm_graph_bytes(const lm_graph *g);   /* memory of the largest step so far */
size_t lm_graph_mallocs(const lm_graph *g); /* constant once the largest step has been seen */

/* Everything allocated between open and close is given back but `keep`, which moves: in inference, and while training as
 * long as nothing is taped (below what is trained, all is as in inference). No-ops otherwise. */
lm_arena_mark lm_graph_scope_open(lm_graph *g);
lm_tensor *lm_graph_scope_close(lm_graph *g, lm_arena_mark mark, lm_tensor *keep);

/* A piece of the forward pass, from the values that it reads (either may be NULL) to the one that it gives. */
typedef struct lm_piece {
    lm_tensor *(*run)(lm_graph *g, const void *context, lm_tensor *x, lm_tensor *memory);
    const void *context; /* lives as long as the step */
} lm_piece;

/* Runs it. `start` is from lm_graph_scope_open, before the first piece: as lm_graph_scope_close has it, all since then is
 * given back as long as nothing is taped. With step.recompute the tape keeps x, memory and the result alone; backward
 * runs the piece again and then its tape backward, and gives that back: the same bits for about a third more work (Chen et
 * al. 2016, arXiv 1604.06174). x and memory are two values; the result has the rows of x, or of a batch. */
lm_tensor *lm_graph_piece(lm_graph *g, lm_arena_mark start, lm_piece piece, lm_tensor *x, lm_tensor *memory);

/* ---- operations for the host alone ---- */

lm_tensor *lm_gather_rows(lm_graph *g, lm_tensor *x, const int32_t *index,
                          int n); /* [n, width]; indices ascending */

/* What the losses are given (label, target, span, weight, per_row) must live until the loss has been read and
 * lm_graph_backward is done. */

/* Sum over rows of w[r] * loss(logits[r], label[r]); rows whose label is -100 count nothing. Result [1,1].
 * weight: [rows] or NULL (ones). smoothing e: (1-e) NLL + e mean over classes of -log p (transformers'
 * LabelSmoother). per_row, when not NULL, receives each row's unweighted loss (0 where ignored). */
lm_tensor *lm_cross_entropy(lm_graph *g, lm_tensor *logits, const int32_t *label, const float *weight,
                            float smoothing, float *per_row);
/* Sum over rows and columns of w[r] (x-target)^2; target [rows, width]. */
lm_tensor *lm_squared_error(lm_graph *g, lm_tensor *x, const float *target, const float *weight,
                            float *per_row);
/* Sum of w[r] * binary cross-entropy with logits, over rows and columns; target [rows, width] in [0,1]. */
lm_tensor *lm_binary_cross_entropy(lm_graph *g, lm_tensor *logits, const float *target, const float *weight,
                                   float *per_row);
/* Sum over the sequences of w[r] * (the cross-entropy of where its answer begins + that of where it ends) / 2: logits
 * [tokens, 2] of all tokens of the batch, each column a softmax over the tokens of its row; span [sequences][2] the first
 * and the last token of the answer, from the row's first, or -100, which counts nothing (BertForQuestionAnswering in
 * transformers, over rows that are not padded). weight: [sequences] or NULL; per_row: [sequences] or NULL. */
lm_tensor *lm_span_cross_entropy(lm_graph *g, lm_tensor *logits, const int32_t *span, const float *weight,
                                 float *per_row);

/* What rows lose by the plain cross-entropy, each once: what an evaluation says of them. */
typedef struct lm_plain_loss {
    double sum;    /* binary cross-entropy: of the rows' means over classes */
    uint64_t rows; /* that are not ignored */
} lm_plain_loss;

/* Classes that are not alike. The target of a row is q_c = (1-e) [c = label] + e/classes, and its loss the sum
 * over classes of q_c w_c (1-p_c)^gamma (-log p_c): with gamma 0 that of torch.nn.CrossEntropyLoss(weight,
 * label_smoothing), with gamma the focal loss (Lin et al. 2017, arXiv 1708.02002). */
typedef struct lm_balance {
    const float *class_weight; /* [columns] w, finite and not negative; NULL = ones */
    float gamma;               /* of the focal loss; 0 = none */
    float smoothing;           /* e, from 0 to 1 */
    lm_plain_loss *plain;      /* where there are weights or gamma, the rows are added to it; or NULL */
} lm_balance;

/* As lm_cross_entropy, balanced. What divides the sum is the caller's: torch's mean divides by the sum of
 * w[label]. class_weight must live as long as the label does. */
lm_tensor *lm_balanced_cross_entropy(lm_graph *g, lm_tensor *logits, const int32_t *label, const float *weight,
                                     const lm_balance *how, float *per_row);
/* As lm_binary_cross_entropy, balanced: class_weight weighs a class where it is present (pos_weight of
 * torch.nn.BCEWithLogitsLoss), t becomes (1-e) t + e/2, and both sides have their focal factor. */
lm_tensor *lm_balanced_binary_cross_entropy(lm_graph *g, lm_tensor *logits, const float *target,
                                            const float *weight, const lm_balance *how, float *per_row);

/* ---- the table of operations, which the gradient checker walks ---- */

typedef struct lm_op {
    const char *name;
    void (*forward)(lm_graph *g, lm_node *n); /* NULL where the result is there before its node */
    void (*backward)(lm_graph *g, lm_node *n); /* never NULL */
} lm_op;

const lm_op *lm_op_at(size_t i); /* NULL past the end */

#endif
