/* lmutils/plugin.h: all that an architecture plugin needs, and all that it may use.
 *
 * A plugin is a shared object that serves one family of architectures. It states, in the words of the paper and with
 * the parameter names of Hugging Face, what the family computes: it reads config.json (configure), lists its
 * parameters (declare), and writes the forward pass (embed, block, finish, and the heads). The host does the rest:
 * it loops over the blocks, records the tape and runs it backwards, loads, ties, freezes, quantises and adapts
 * parameters, caches, recomputes and saves. A plugin is linked against liblmutils and includes this header alone.
 * lmplugin(7) goes through one from its first line to its last.
 *
 * In this order: names, config.json, parameters, what a step reads, operations, operations of one's own, and the descriptor
 * with its heads. Then what families of one kind share; nobody else needs it.
 *
 * Values are matrices of packed tokens: [rows, width] in float32, where the rows of a batch's sequences lie one after
 * the other without padding and row_splits says where each begins. A sequence-level value has one row a sequence.
 *
 * Errors are sticky: after the first failure on a graph, a declaration or a config every call is a harmless no-op
 * that returns a usable value, and the host reports the failure. So no result is checked.
 *
 * Ownership: the host owns everything; what lm_config_alloc returns lives as long as the model, a tensor as long as
 * the step. Plugins keep no state of their own and must be callable from several models in one process.
 */
#ifndef LMUTILS_PLUGIN_H
#define LMUTILS_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LM_PLUGIN_MAGIC 0x4c4d5047u /* "LMPG" */
/* Raised by every change that a built plugin would notice. Others are new functions, new values of an enumeration, and new
 * members at the end of a struct: their sizes travel with the plugin, and what an older one does not have is 0. */
#define LM_PLUGIN_ABI   1u

typedef struct lm_graph lm_graph;       /* one step: its values and its tape */
typedef struct lm_tensor lm_tensor;     /* one value on it */
typedef struct lm_config lm_config;     /* config.json, while it is read */
typedef struct lm_declare lm_declare;   /* the parameter table, while it is filled */

/* ------------------------------------------------------------------ names */

enum { LM_NAME_MAX = 192 };

/* The path of a module, as in "bert.encoder.layer.3.attention". A parameter is a scope and a last part:
 * "weight", "bias". By value, so that nobody owns it; a path that is too long fails where it is used. */
typedef struct lm_scope {
    char name[LM_NAME_MAX];
} lm_scope;

lm_scope lm_in(lm_scope scope, const char *part);          /* scope.part; an empty scope gives part alone */
lm_scope lm_in_index(lm_scope scope, const char *part, int index); /* scope.part.index */

/* ------------------------------------------------------------------ config.json */

/* A member by its name, or the fallback where it is absent or null; "rope_scaling.factor" is a member of a member, and
 * "layer_types.0" an element of a list. A value of the wrong type, an integer outside [0, 2^31) or a float that is not finite
 * fails, with the member named. */
int lm_config_int(lm_config *c, const char *key, int fallback);
double lm_config_float(lm_config *c, const char *key, double fallback);
bool lm_config_bool(lm_config *c, const char *key, bool fallback);
const char *lm_config_string(lm_config *c, const char *key, const char *fallback); /* lives as long as the model */
bool lm_config_has(lm_config *c, const char *key);         /* present and not null */
bool lm_config_is_null(lm_config *c, const char *key);     /* present, and null: where that is not the same as absent */
int lm_config_labels(lm_config *c);                        /* classes of a head: id2label or num_labels; else 2 */
void *lm_config_alloc(lm_config *c, size_t size);          /* zeroed; lives as long as the model */
/* The model asks for what is not there: "member: what: what to do". */
void lm_config_fail(lm_config *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

typedef enum lm_activation {
    LM_GELU,      /* x/2 (1+erf(x/sqrt 2)); "gelu" */
    LM_GELU_TANH, /* the tanh approximation; "gelu_new", "gelu_pytorch_tanh" */
    LM_RELU,
    LM_SILU,      /* x sigmoid(x); "silu", "swish" */
    LM_TANH
} lm_activation;

/* An activation by Hugging Face's name; an unknown name fails with the known ones listed. */
lm_activation lm_config_activation(lm_config *c, const char *key, const char *fallback);

/* Rotary positions (Su et al. 2021, arXiv 2104.09864) of heads. */
typedef struct lm_rotation {
    int width;              /* columns of a head that are turned, even; those after them stay as they are */
    const float *frequency; /* [width/2] radians from one position to the next of columns j and j + width/2 */
} lm_rotation;

/* As config.json has them: rope_theta (else `theta`), partial_rotary_factor, and rope_scaling of the types "linear" and
 * "llama3"; or rope_parameters, as transformers 5 writes them. Another type fails. Lives as long as the model. */
const lm_rotation *lm_config_rope(lm_config *c, int head_width, double theta);

/* What the host has to know of any architecture. configure fills it in: width, vocab_size, body and layer always, 0 and NULL
 * where it says so. */
typedef struct lm_arch {
    int layers;             /* blocks of the (first) stack */
    int width;              /* columns of the hidden state */
    int heads;              /* attention heads; 0 for families without */
    int vocab_size;         /* rows of the embedding */
    int max_length;         /* most tokens of a row; 0 = no limit */
    int type_vocab_size;    /* segment ids that exist; 0 = the family has none */
    int decoder_layers;     /* blocks of the second stack; 0 = none */
    bool causal;            /* a token sees only those before it */
    const char *body;       /* name of the body inside a model with a head ("bert"); "" where heads add no prefix */
    const char *layer;      /* scope of block i below the body, less ".i": "encoder.layer" */
    const char *decoder_layer; /* the same for the second stack; NULL = none */
    int groups;             /* of the stack's blocks, one after the other, that share their parameters: block i stands
                             * at layer.(i * groups / layers). 0 = each block has its own, at layer.i */
    int decoder_start_id;   /* what the second stack reads before the first token of its text */
    const char *layer_suffix; /* where block i has no module of its own but its number behind its parameters' names: "_l"
                             * for layer.weight_ih_l<i>, as torch.nn.LSTM has them. Its scope is `layer`. NULL = none */
} lm_arch;

/* ------------------------------------------------------------------ parameters */

typedef enum lm_init_kind { LM_INIT_ZERO, LM_INIT_ONE, LM_INIT_NORMAL, LM_INIT_UNIFORM } lm_init_kind;

typedef struct lm_init {
    lm_init_kind kind;
    double std; /* of LM_INIT_NORMAL, mean 0; of LM_INIT_UNIFORM the bound: in [-std, std) */
} lm_init;

static inline lm_init lm_normal(double std)
{
    lm_init init = {LM_INIT_NORMAL, std};
    return init;
}

static inline lm_init lm_uniform(double bound)
{
    lm_init init = {LM_INIT_UNIFORM, bound};
    return init;
}

/* One parameter, name and shape as in the Hugging Face state dict. Its order is the one to declare in, for large models are
 * cut into files by it. Dimensions past the first 0 do not exist. */
void lm_declare_param(lm_declare *d, lm_scope scope, const char *name, const int64_t shape[4], lm_init init);
/* weight [out, in] and bias [out]. */
void lm_declare_linear(lm_declare *d, lm_scope scope, int in, int out, double std);
/* weight [out, in] alone. */
void lm_declare_linear_nobias(lm_declare *d, lm_scope scope, int in, int out, double std);
/* weight [in, out], which is the transpose of a linear layer's, and bias [out]: GPT-2's Conv1D. lm_linear reads either. */
void lm_declare_conv1d(lm_declare *d, lm_scope scope, int in, int out, double std);
/* weight [rows, width]. padding_row: its look-ups train nothing and its initial value is zero, as
 * nn.Embedding(padding_idx) has it; -1 = none. */
void lm_declare_embedding(lm_declare *d, lm_scope scope, int rows, int width, double std, int padding_row);
/* weight [rows, width] of a table of which a step touches few rows, millions of n-grams say. The optimiser moves those
 * alone, as torch.optim.SparseAdam does: no decay, and no row is moved by what earlier steps have left. For lm_embedding
 * and lm_ngrams; another operation makes it an ordinary parameter. */
void lm_declare_sparse_embedding(lm_declare *d, lm_scope scope, int rows, int width, lm_init init);
/* weight [width] = 1 and bias [width] = 0; neither is decayed. */
void lm_declare_layer_norm(lm_declare *d, lm_scope scope, int width);
/* weight [width] of lm_rms_norm, that starts at 1 - offset; it is not decayed. */
void lm_declare_rms_norm(lm_declare *d, lm_scope scope, int width, double offset);
/* Layer `layer` of torch.nn.LSTM: weight_ih_l<layer> [4 hidden, in], weight_hh_l<layer> [4 hidden, hidden], and, with
 * `bias`, bias_ih_l<layer> and bias_hh_l<layer>; the same with _reverse behind for the other direction. As there, uniform
 * in 1/sqrt(hidden). */
void lm_declare_lstm(lm_declare *d, lm_scope scope, int in, int hidden, int layer, bool bidirectional, bool bias);
/* `scope.name` is the same parameter as `other` (a full name, declared before): stored once, under `other`. */
void lm_declare_tied(lm_declare *d, lm_scope scope, const char *name, lm_scope other, const char *other_name);
/* An older spelling of a last part of a name ("gamma" for "weight" below any LayerNorm) that checkpoints may carry. */
void lm_declare_old_name(lm_declare *d, const char *old_suffix, const char *new_suffix);
/* The last parts of the name of a tensor that is no parameter, and that checkpoints may carry all the same: a buffer
 * ("rotary_emb.inv_freq"). Loading passes over it in silence. */
void lm_declare_ignored(lm_declare *d, const char *suffix);

/* A head that this config cannot have: "member: what: what to do". */
void lm_declare_fail(lm_declare *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ------------------------------------------------------------------ what a step reads */

/* The rows of a step, packed. Arrays belong to the host and live as long as the step. */
typedef struct lm_batch {
    int rows;                  /* sequences */
    int tokens;                /* of all rows together */
    const int32_t *row_splits; /* [rows+1]; row r holds tokens [row_splits[r], row_splits[r+1]) */
    const int32_t *ids;        /* [tokens], each in [0, vocab_size) */
    const int32_t *types;      /* [tokens] segment ids in [0, type_vocab_size); zeros where the input has none */
    const int32_t *positions;  /* [tokens] place in the row from 0; a cached prefix counts */
} lm_batch;

/* ------------------------------------------------------------------ operations
 * Each is fused, has a forward and a backward, and stands in one table that the gradient checker walks. Shapes that
 * do not fit fail on the graph, naming the scope. */

/* ---- rows of a table ---- */

/* weight[index[t]]: [n, width]. Indices outside the table fail. */
lm_tensor *lm_embedding(lm_graph *g, lm_scope scope, const int32_t *index, const lm_batch *batch);
/* weight[id] of each token plus the rows of the n-grams of 2 to `longest` tokens of its row that end with it: [tokens, width].
 * The table's last `buckets` rows are the n-grams', which share them by a hash of their ids (Joulin et al. 2016, arXiv
 * 1607.01759). All of a row is multiplied by its tokens / (its tokens + its n-grams), so that lm_mean_token gives the mean
 * over both, torch.nn.EmbeddingBag's. The hash: h = 0; for each id h = (h ^ (id+1)) 0x9e3779b97f4a7c15 mod 2^64 and
 * h ^= h >> 32; the bucket is (h mod 2^32) buckets / 2^32. */
lm_tensor *lm_ngrams(lm_graph *g, lm_scope scope, const lm_batch *batch, int longest, int buckets);
/* For position embeddings that begin after the padding's (RoBERTa): an id other than pad_id is at pad_id + how many such
 * ids its row has up to it, pad_id itself at pad_id. [tokens], to be used as an index of lm_embedding. */
const int32_t *lm_positions_past_padding(lm_graph *g, const lm_batch *batch, int pad_id);

/* ---- matrices ---- */

/* x weight^T + bias: [rows, out]. The one door to every weight matrix: adapters, quantised and frozen weights and
 * fake quantisation are behind it. A scope without a bias parameter adds none. */
lm_tensor *lm_linear(lm_graph *g, lm_scope scope, lm_tensor *x);
/* Columns [first, first + count) of what lm_linear gives, and nothing computed but these: for layers in one (queries, keys
 * and values). */
lm_tensor *lm_linear_part(lm_graph *g, lm_scope scope, lm_tensor *x, int first, int count);
/* As lm_linear, for logits over a large vocabulary: not computed until somebody reads it, and a cross-entropy reads
 * it in chunks, so that all logits never exist at once. */
lm_tensor *lm_vocab_linear(lm_graph *g, lm_scope scope, lm_tensor *x);

/* ---- norms, over the columns of each row ---- */

/* (x-mean)/sqrt(var+eps) weight + bias over each row (biased variance; Ba et al. 2016, arXiv 1607.06450). */
lm_tensor *lm_layer_norm(lm_graph *g, lm_scope scope, lm_tensor *x, double eps);
/* x / sqrt(mean x^2 + eps) (offset + weight) over each row (Zhang and Sennrich 2019, arXiv 1910.07467). The offset is 0, or 1
 * where what is stored is the difference from 1 (Gemma). */
lm_tensor *lm_rms_norm(lm_graph *g, lm_scope scope, lm_tensor *x, double eps, double offset);
/* The same over each of the heads of a row, which share a weight [width of x / heads]. */
lm_tensor *lm_rms_norm_heads(lm_graph *g, lm_scope scope, lm_tensor *x, int heads, double eps, double offset);

/* ---- element by element ---- */

lm_tensor *lm_activate(lm_graph *g, lm_tensor *x, lm_activation activation); /* activation(x) */
/* activation(gate) up, in one pass (Shazeer 2020, arXiv 2002.05202). */
lm_tensor *lm_gate(lm_graph *g, lm_tensor *gate, lm_tensor *up, lm_activation activation);
lm_tensor *lm_add(lm_graph *g, lm_tensor *a, lm_tensor *b);   /* a + b, which have one shape */
lm_tensor *lm_scale(lm_graph *g, lm_tensor *x, float factor); /* factor x */
/* Inverted dropout while training (kept values are divided by 1-p); x itself otherwise or where p is 0. */
lm_tensor *lm_dropout(lm_graph *g, lm_tensor *x, double p);
/* dropout(x) + residual in one pass. */
lm_tensor *lm_dropout_add(lm_graph *g, lm_tensor *x, lm_tensor *residual, double p);

/* ---- tokens of a sequence with one another ---- */

/* Turns the columns j and j + width/2 of each head by position times frequency[j] (queries and keys, before attention); x
 * has a row for each token of its batch, whose positions it takes. */
lm_tensor *lm_rope(lm_graph *g, lm_tensor *x, int heads, const lm_rotation *rotation);

/* How to attend. Grows at its end, and 0 there means: without. */
typedef struct lm_attn {
    int heads;               /* of the queries; width of q = heads * head width */
    int kv_heads;            /* of keys and values; 0 = as many as heads */
    bool causal;             /* token t sees keys 0..t of its row */
    double scale;            /* of q.k; 0 = 1/sqrt(head width) */
    double dropout;          /* on the probabilities, while training */
    lm_tensor *relative;     /* a bias by distance (T5): [buckets, heads], added to the scaled scores; see lm_parameter */
    int relative_distance;   /* from this distance on all are in the last bucket */
    bool relative_one_sided; /* all buckets are of keys before the query; else the half of them */
    int window;              /* of causal attention: token t sees keys t-window+1..t at most */
} lm_attn;

/* softmax(scale q k^T) v in each head of each row (Vaswani et al. 2017, arXiv 1706.03762): [rows of q, width of q].
 * Keys and values may come from other rows than the queries (a decoder's memory): as many sequences, of any length.
 * Where a sequence has more keys than queries, its queries are the last of them (an incremental step). */
lm_tensor *lm_attention_sized(lm_graph *g, lm_tensor *q, lm_tensor *k, lm_tensor *v, const lm_attn *how, size_t size);

/* What plugins call: it passes the size of lm_attn as the plugin knows it, so that members can be added at its end. */
static inline lm_tensor *lm_attention(lm_graph *g, lm_tensor *q, lm_tensor *k, lm_tensor *v, lm_attn how)
{
    return lm_attention_sized(g, q, k, v, &how, sizeof how);
}

/* Layer `layer` of torch.nn.LSTM, from states of zeros, and in an incremental step from those that the step before has
 * left (Hochreiter and Schmidhuber 1997): h_t of each token, [rows, hidden]. In both directions [rows, 2 hidden]: h_t from
 * the left, then from the right. */
lm_tensor *lm_lstm(lm_graph *g, lm_scope scope, lm_tensor *x, int layer, bool bidirectional);

/* ---- one row a sequence ---- */

/* The first token of each row: [sequences, width]. An empty sequence gives zeros, here and below. */
lm_tensor *lm_first_token(lm_graph *g, lm_tensor *x);
/* The last token of each row whose id is not pad_id (-1: the last token; where all are pad_id, the first): the state that
 * decoders classify a row by. [sequences, width]; x holds all tokens of the batch. */
lm_tensor *lm_last_token(lm_graph *g, lm_tensor *x, int pad_id);
/* The same of the last token with this id (where a row has none, of its last token): x is what the second stack makes of the
 * batch's own rows (T5 classifies by the end of the text). */
lm_tensor *lm_last_with_id(lm_graph *g, lm_tensor *x, int id);
/* What a recurrent layer ends with in each row, torch's h_n: its last token's h, one row a sequence; in both directions
 * the left half of the last token's and the right half of the first token's. */
lm_tensor *lm_final_state(lm_graph *g, lm_tensor *x, bool bidirectional);
/* The mean over the tokens of each row: [sequences, width]. */
lm_tensor *lm_mean_token(lm_graph *g, lm_tensor *x);

/* ---- parameters themselves ---- */

/* A parameter of one or two dimensions as a value: [1, width] or [rows, width]. */
lm_tensor *lm_parameter(lm_graph *g, lm_scope scope, const char *name);
/* The body's scope, for a block that uses what another one holds (T5's bias by distance stands in block 0). */
lm_scope lm_body(const lm_graph *g);

/* ------------------------------------------------------------------ an operation of one's own
 * For what the operations above cannot say: a forward and a backward over plain arrays. Matrices are float32, rows one
 * after the other. Whatever can be written with lm_linear should be: adapters and quantised weights are behind it alone. */

enum { LM_CUSTOM_INPUTS = 4 };

/* What both functions get. */
typedef struct lm_custom_call {
    int rows, width;                   /* of the result; never without rows */
    float *y;                          /* [rows, width]: forward fills it in, backward may read it */
    const float *dy;                   /* [rows, width] its gradient; NULL in forward */
    int count;                         /* of inputs */
    const float *x[LM_CUSTOM_INPUTS];  /* [x_rows, x_width] each. The first has the result's rows; see x_splits */
    float *dx[LM_CUSTOM_INPUTS];       /* the same: backward ADDS to it. NULL = nobody wants it, and in forward */
    int x_rows[LM_CUSTOM_INPUTS], x_width[LM_CUSTOM_INPUTS];
    int sequences;
    const int32_t *row_splits;         /* [sequences+1]: sequence s is rows [row_splits[s], row_splits[s+1]); may be none */
    float *kept;                       /* [rows, lm_custom_op.kept]: what forward leaves for backward */
    const void *options;               /* lm_custom's */
    /* [sequences+1] the same for the first input. It is row_splits; but where rows are read piece by piece, as many rows as
     * lm_custom_op.history says, or as there are, stand before the new ones: the result's rows are the last of a sequence. */
    const int32_t *x_splits;
} lm_custom_call;

/* 0 = without. */
typedef struct lm_custom_op {
    const char *name;                         /* for messages */
    void (*forward)(const lm_custom_call *c);
    void (*backward)(const lm_custom_call *c);
    bool sequences;                           /* rows depend on other rows of their sequence; else row_splits may be NULL */
    int kept;                                 /* columns of `kept` */
    /* Of an operation over sequences: how many rows before its own a row of the result depends on, and on none behind it. Then
     * a model can read rows piece by piece, to generate; without, whole rows alone. */
    int history;
} lm_custom_op;

/* The operation over inputs[count], the first of which gives the result its rows: [rows of inputs[0], width]. A parameter
 * goes in by lm_parameter. Either function missing, or no input, fails. `op` is copied; `options` has to live as long as the
 * step. */
lm_tensor *lm_custom_sized(lm_graph *g, const lm_custom_op *op, size_t size, int width, lm_tensor *const *inputs, int count,
                           const void *options);
static inline lm_tensor *lm_custom(lm_graph *g, const lm_custom_op *op, int width, lm_tensor *const *inputs, int count,
                                   const void *options)
{
    return lm_custom_sized(g, op, sizeof *op, width, inputs, count, options);
}

/* For the plugin's tests: the largest difference between the gradients that backward gives and those by differences of
 * forward, of random inputs of these shapes ([0] of 9 rows: sequences of 3, none, 1 and 5), over the largest gradient. A
 * sound operation stays below 0.01. NaN: a function is missing, or a shape is none. */
double lm_custom_error_sized(const lm_custom_op *op, size_t size, int width, const int *rows, const int *widths, int count,
                             const void *options);
static inline double lm_custom_error(const lm_custom_op *op, int width, const int *rows, const int *widths, int count,
                                     const void *options)
{
    return lm_custom_error_sized(op, sizeof *op, width, rows, widths, count, options);
}

/* ------------------------------------------------------------------ the descriptor */

/* What the columns of a head's token logits are. */
typedef enum lm_columns {
    LM_COLUMNS_VOCABULARY, /* an id of the vocabulary each: lm_arch.vocab_size of them */
    LM_COLUMNS_CLASSES,    /* a class each: token classification; lm_config_labels of them */
    LM_COLUMNS_SPAN        /* two: the answer starts here, the answer ends here (extractive question answering) */
} lm_columns;

/* A head turns the last hidden state into logits. Either function may be NULL; both only where it is the body's own.
 *   tokens: x holds the rows of the tokens that are asked for (only labelled ones, say): [n, width] -> [n, columns]
 *   rows:   x holds all tokens: [tokens, width] -> [sequences, columns]
 * `scope` is the empty scope: heads stand beside the body. The body's own head (its model without a task) is one too. */
typedef struct lm_head {
    const char *name;         /* what --task calls it, and what objectives ask for: "base", "mlm", "pretrain", "clm", "classify",
                               * "tag", "answer", "seq2seq", "encoder" */
    const char *architecture; /* the class in config.json's `architectures`; where model types have classes of their own,
                               * those, separated by spaces, in the order of lm_plugin.model_types */
    void (*declare)(lm_declare *d, lm_scope scope, const void *config);
    lm_tensor *(*tokens)(lm_graph *g, lm_scope scope, const void *config, lm_tensor *x);
    lm_tensor *(*rows)(lm_graph *g, lm_scope scope, const void *config, lm_tensor *x);
    bool bare;                /* the body's parameters carry no prefix: the body alone, or a model that does not set it apart */
    lm_columns columns;       /* of `tokens` */
    bool encoder_only;        /* stands on the first stack: the second one and its parameters are not there */
} lm_head;

/* A network of a published size, for `pretrain -a NAME --size`. The numbers go into config.json under the names that most
 * families have (hidden_size, num_hidden_layers, num_attention_heads, intermediate_size; see `renamed`); 0 = the family
 * has no such member. This struct does not grow. */
typedef struct lm_size {
    const char *name;         /* "base"; every family also has tiny, mini, small, medium, base and large of BERT's shapes */
    int layers, width, heads, inner;
    const char *more;         /* other members that go with the size, a JSON object; NULL = none */
} lm_size;

/* What a plugin says of itself. LM_PLUGIN fills in the numbers; name, model_types, configure, declare, embed, block and heads
 * are required. Where a function says `config`, it is what configure has returned. */
typedef struct lm_plugin {
    uint32_t magic, abi;
    uint32_t size;            /* of this struct, as the plugin knows it */
    uint32_t arch_size;       /* of lm_arch, and of lm_head: the table's step. A host takes smaller ones, not larger */
    uint32_t head_size;
    const char *name;         /* "bert" */
    const char *model_types;  /* those of config.json that it serves, separated by spaces */
    /* Reads the config, fills arch, and returns what the other functions get as `config` (lm_config_alloc). */
    const void *(*configure)(lm_config *c, lm_arch *arch);
    /* All parameters of the body, below `body`. */
    void (*declare)(lm_declare *d, lm_scope body, const void *config);
    lm_tensor *(*embed)(lm_graph *g, lm_scope body, const void *config, const lm_batch *batch);
    /* `layer` is body.<arch.layer>.<index>; arch.groups may say otherwise. */
    lm_tensor *(*block)(lm_graph *g, lm_scope layer, const void *config, int index, lm_tensor *x);
    /* After the last block; NULL where nothing follows. */
    lm_tensor *(*finish)(lm_graph *g, lm_scope body, const void *config, lm_tensor *x);
    const lm_head *heads;     /* ends with an entry whose name is NULL */
    /* A JSON object: the members that transformers writes into config.json for this family, with their defaults. A new
     * model's config is completed from it. NULL = none can be made from nothing. */
    const char *defaults;
    /* Members of config.json that this family calls otherwise, as transformers' attribute_map has them, separated by spaces:
     * "hidden_size=dim". The host gives such a member the family's name before configure. NULL = none. */
    const char *renamed;
    const lm_size *sizes;     /* ends with an entry whose name is NULL. NULL = BERT's shapes alone */
    /* The second stack of an encoder-decoder, where lm_arch.decoder_layers is not 0: its parameters, its embedding of a batch
     * that has the same rows with other tokens, its blocks, and what follows them or NULL. `memory` is the first stack's
     * result. Heads stand on this stack: x is its result. */
    void (*decoder_declare)(lm_declare *d, lm_scope body, const void *config);
    lm_tensor *(*decoder_embed)(lm_graph *g, lm_scope body, const void *config, const lm_batch *batch);
    lm_tensor *(*decoder_block)(lm_graph *g, lm_scope layer, const void *config, int index, lm_tensor *x, lm_tensor *memory);
    lm_tensor *(*decoder_finish)(lm_graph *g, lm_scope body, const void *config, lm_tensor *x);
} lm_plugin;

/* The one symbol that a plugin exports, which LM_PLUGIN(.name = ..., ...) defines. */
typedef const lm_plugin *(*lm_plugin_entry)(void);
#define LM_PLUGIN_ENTRY "lm_plugin_entry_point"

#ifdef __cplusplus
#define LM_PLUGIN_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define LM_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

#define LM_PLUGIN(...)                                                                                        \
    LM_PLUGIN_EXPORT const lm_plugin *lm_plugin_entry_point(void);                                            \
    const lm_plugin *lm_plugin_entry_point(void)                                                              \
    {                                                                                                         \
        static const lm_plugin plugin = {                                                                     \
            .magic = LM_PLUGIN_MAGIC, .abi = LM_PLUGIN_ABI, .size = sizeof(lm_plugin),                        \
            .arch_size = sizeof(lm_arch), .head_size = sizeof(lm_head), __VA_ARGS__};                         \
        return &plugin;                                                                                       \
    }

/* ------------------------------------------------------------------ encoders
 * What BERT and its kin share: embeddings of words, positions and segments, a stack of post-norm blocks, and the heads on
 * it. Such a family is a description: configure makes one and returns it, and the functions below are the plugin's, or
 * its heads'. They are written in the operations above and no others (libshared/model/bertlike.c), which is where to look
 * for how a forward pass is written; a family that differs in more than the description can say writes its own.
 *
 * A name is a path below what its comment says. lm_bertlike_new fills in BERT-base's sizes, rates and names; the host
 * makes the struct, so that members can be added at its end: there, 0 and NULL mean without. */
typedef struct lm_bertlike {
    int vocab_size, layers, width, heads, inner, positions, types, labels;
    int embedding_width;      /* of the embeddings, where another than width: `projection` makes them wide */
    int groups;               /* lm_arch.groups */
    int group_blocks;         /* blocks that stand in a group's scope, at `group_block`.j; 0 = its own are one block */
    int pad_id;               /* its word embedding is not trained */
    bool past_padding;        /* positions as lm_positions_past_padding counts them */
    bool tie;                 /* the decoder's weight is the word embedding's */
    double std, eps;
    double dropout;           /* of the embeddings */
    double attention_dropout; /* of attention's probabilities */
    double attention_output_dropout, output_dropout; /* before the block's two sums */
    double classify_input_dropout, classify_dropout, next_dropout, tag_dropout, answer_dropout;
    lm_activation activation; /* of the inner layer */
    lm_activation mlm_activation, classify_activation;
    const char *body, *layer;        /* lm_arch's */
    const char *projection;          /* linear, below the body; NULL = none */
    const char *group_block;         /* below a group */
    const char *query, *key, *value, *attention_output, *attention_norm, *intermediate, *output, *output_norm;
                                     /* below a block */
    const char *pooler;              /* linear on the first token, then tanh; below the body; NULL = none */
    const char *mlm_dense, *mlm_norm, *mlm_decoder; /* below nothing, as all that follow */
    const char *mlm_bias;            /* module whose `bias` is the decoder's too; NULL = the decoder has its own */
    const char *next;                /* linear on what is pooled: do two sentences follow each other? */
    const char *classify_dense;      /* linear on the first token, then classify_activation; NULL = the pooler */
    const char *classify;            /* linear: classes of a row */
    const char *tag;                 /* linear: classes of a token */
    const char *answer;              /* linear: an answer's start and end */
} lm_bertlike;

lm_bertlike *lm_bertlike_new_sized(lm_config *c, size_t size);
static inline lm_bertlike *lm_bertlike_new(lm_config *c)
{
    return lm_bertlike_new_sized(c, sizeof(lm_bertlike));
}
/* Reads what config.json has under the names of BERT's config: sizes, rates, activation, labels, pad_token_id. A member that
 * is absent leaves what e has. hidden_dropout_prob is dropout, attention_output_dropout and output_dropout;
 * classifier_dropout, which falls back on it, is classify_dropout and tag_dropout. */
void lm_bertlike_read(lm_config *c, lm_bertlike *e);
/* Fails where sizes do not fit each other, or config.json asks for a decoder or for positions that are not absolute; else
 * fills in arch. To be called last. */
void lm_bertlike_arch(lm_config *c, const lm_bertlike *e, lm_arch *arch);

/* lm_plugin's functions; config is the lm_bertlike. */
void lm_bertlike_declare(lm_declare *d, lm_scope body, const void *config);
lm_tensor *lm_bertlike_embed(lm_graph *g, lm_scope body, const void *config, const lm_batch *batch);
lm_tensor *lm_bertlike_block(lm_graph *g, lm_scope layer, const void *config, int index, lm_tensor *x);
/* lm_head's. The body alone, with its pooler if it has one: */
void lm_bertlike_base_declare(lm_declare *d, lm_scope scope, const void *config);
lm_tensor *lm_bertlike_pooled(lm_graph *g, lm_scope scope, const void *config, lm_tensor *x);
/* masked language modelling; with next sentences beside it: */
void lm_bertlike_mlm_declare(lm_declare *d, lm_scope scope, const void *config);
lm_tensor *lm_bertlike_mlm(lm_graph *g, lm_scope scope, const void *config, lm_tensor *x);
void lm_bertlike_pretrain_declare(lm_declare *d, lm_scope scope, const void *config);
lm_tensor *lm_bertlike_next(lm_graph *g, lm_scope scope, const void *config, lm_tensor *x);
/* classes of rows, classes of tokens, and answers: */
void lm_bertlike_classify_declare(lm_declare *d, lm_scope scope, const void *config);
lm_tensor *lm_bertlike_classify(lm_graph *g, lm_scope scope, const void *config, lm_tensor *x);
void lm_bertlike_tag_declare(lm_declare *d, lm_scope scope, const void *config);
lm_tensor *lm_bertlike_tag(lm_graph *g, lm_scope scope, const void *config, lm_tensor *x);
void lm_bertlike_answer_declare(lm_declare *d, lm_scope scope, const void *config);
lm_tensor *lm_bertlike_answer(lm_graph *g, lm_scope scope, const void *config, lm_tensor *x);

/* ------------------------------------------------------------------ decoders
 * What Llama and its kin share: pre-norm blocks with RMS norms, rotary positions, grouped keys and values and a gated inner
 * layer, under the same names. As for encoders, such a family is a description (libshared/model/llamalike.c).
 * lm_llamalike_new fills in LlamaConfig's defaults; members are added at its end, where 0 and NULL mean without. */
typedef struct lm_llamalike {
    int vocab_size, layers, width, heads, inner, positions, labels;
    int kv_heads;             /* 0 = heads */
    int head_width;           /* 0 = width / heads */
    int pad_id;               /* its embedding is not trained, and no row is classified by it; -1 = none */
    double std, eps, theta;
    double norm_offset;       /* of lm_rms_norm */
    double embedding_scale;   /* of what is looked up */
    double attention_dropout, tag_dropout;
    lm_activation activation; /* of the gate */
    bool tie;                 /* the head's weight is the embedding's */
    bool query_bias;          /* of queries, keys and values */
    bool output_bias;         /* of attention's output */
    bool mlp_bias;
    bool head_norms;          /* a norm of each head's queries and one of its keys */
    int window;               /* keys that a token of a windowed block sees */
    const bool *windowed;     /* [layers]; NULL = each of them, if there is a window */
    const lm_rotation *rotation;
} lm_llamalike;

lm_llamalike *lm_llamalike_new_sized(lm_config *c, size_t size);
static inline lm_llamalike *lm_llamalike_new(lm_config *c)
{
    return lm_llamalike_new_sized(c, sizeof(lm_llamalike));
}
/* Reads what config.json has under the names of Llama's config, hidden_act, attention_bias and mlp_bias excepted, which
 * families differ in. A member that is absent leaves what e has. */
void lm_llamalike_read(lm_config *c, lm_llamalike *e);
/* A window of sliding_window keys, if use_sliding_window, for the blocks that layer_types names, else for those from
 * max_window_layers on (Qwen). */
void lm_llamalike_read_windows(lm_config *c, lm_llamalike *e, int max_window_layers);
/* Fails where sizes do not fit each other; else fills in the rotation and arch. To be called last. */
void lm_llamalike_arch(lm_config *c, lm_llamalike *e, lm_arch *arch);

/* lm_plugin's functions; config is the lm_llamalike. */
void lm_llamalike_declare(lm_declare *d, lm_scope body, const void *config);
lm_tensor *lm_llamalike_embed(lm_graph *g, lm_scope body, const void *config, const lm_batch *batch);
lm_tensor *lm_llamalike_block(lm_graph *g, lm_scope layer, const void *config, int index, lm_tensor *x);
lm_tensor *lm_llamalike_finish(lm_graph *g, lm_scope body, const void *config, lm_tensor *x);
/* lm_head's: the body alone; the next token; classes of rows, by their last token; classes of tokens. */
void lm_llamalike_base_declare(lm_declare *d, lm_scope scope, const void *config);
void lm_llamalike_clm_declare(lm_declare *d, lm_scope scope, const void *config);
lm_tensor *lm_llamalike_clm(lm_graph *g, lm_scope scope, const void *config, lm_tensor *x);
void lm_llamalike_classify_declare(lm_declare *d, lm_scope scope, const void *config);
lm_tensor *lm_llamalike_classify(lm_graph *g, lm_scope scope, const void *config, lm_tensor *x);
void lm_llamalike_tag_declare(lm_declare *d, lm_scope scope, const void *config);
lm_tensor *lm_llamalike_tag(lm_graph *g, lm_scope scope, const void *config, lm_tensor *x);

#ifdef __cplusplus
}
#endif
#endif
