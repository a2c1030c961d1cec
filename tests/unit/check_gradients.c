/* Every operation of the table against finite differences of its own forward, in the shapes that break
 * things: odd widths, a row of one token, empty rows, an empty batch. An operation without a case here fails
 * the test. */
#include "unit.h"

#include "graph/adapter.h"
#include "graph/graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TOKENS = 9, SEQUENCES = 4, WIDTH = 6, OUT = 5, ROWS = 7, VOCAB = 1030, MOST = 3, PARAMS = 8, STATE = 3 };

static const int32_t splits[SEQUENCES + 1] = {0, 3, 3, 4, 9};
static const int32_t ids[TOKENS] = {1, 0, 6, 1, 3, 3, 2, 6, 6};
static const int32_t zeros[TOKENS];
static const int32_t places[TOKENS] = {0, 1, 2, 0, 0, 1, 2, 3, 4};
static const lm_batch batch = {SEQUENCES, TOKENS, splits, ids, zeros, places};
static const float waves[] = {1, 0.3f};
static const lm_rotation rotation = {4, waves}, half_rotation = {2, waves + 1};
static const int32_t labels[TOKENS] = {3, 0, 4, -100, 1, 2, 2, -100, 4};
static const int32_t words[TOKENS] = {3, 0, 1029, -100, 1024, 1023, 512, -100, 4};
static const int32_t chosen[] = {0, 3, 4, 8};
static const float row_weights[TOKENS] = {1, 0.5f, 2, 1, 0.25f, 1, 3, 1, 0.125f};
static const float classes[TOKENS * WIDTH] = {1, 0, 1, 0.5f, 0, 1, 1, 1, 0, 0, 0.25f, 1, 0, 0, 0, 1, 1, 1};

static lm_scope at(const char *name)
{
    return lm_in((lm_scope){""}, name);
}

/* ------------------------------------------------------------------ a case for each operation */

typedef struct op_case {
    const char *op; /* its name in the table */
    const char *what;
    lm_tensor *(*build)(lm_graph *g, lm_tensor **in);
    int width[MOST]; /* of the inputs, [TOKENS, width]; 0 ends them */
    const char *params[PARAMS];
    bool loss; /* the result is a loss already */
    int every; /* check each so-manieth element of parameters; 0 = all */
} op_case;

static lm_tensor *embedding(lm_graph *g, lm_tensor **in)
{
    (void)in;
    return lm_embedding(g, at("embedding"), batch.ids, &batch);
}

static lm_tensor *ngrams(lm_graph *g, lm_tensor **in)
{
    (void)in;
    return lm_ngrams(g, at("ngrams"), lm_graph_batch(g), 3, 4);
}

static lm_tensor *words_alone(lm_graph *g, lm_tensor **in)
{
    (void)in;
    return lm_mean_token(g, lm_ngrams(g, at("ngrams"), lm_graph_batch(g), 1, 0));
}

static lm_tensor *linear(lm_graph *g, lm_tensor **in)
{
    return lm_linear(g, at("linear"), in[0]);
}

static lm_tensor *linear_nobias(lm_graph *g, lm_tensor **in)
{
    return lm_linear(g, at("plain"), in[0]);
}

static lm_tensor *linear_twice(lm_graph *g, lm_tensor **in)
{
    return lm_add(g, lm_linear(g, at("linear"), in[0]), lm_linear(g, at("linear"), lm_scale(g, in[0], 0.5f)));
}

static lm_tensor *vocab_read(lm_graph *g, lm_tensor **in)
{
    lm_tensor *t = lm_vocab_linear(g, at("linear"), in[0]);
    lm_tensor_read(g, t);
    return t;
}

static lm_tensor *vocab_loss(lm_graph *g, lm_tensor **in)
{
    return lm_cross_entropy(g, lm_vocab_linear(g, at("vocab"), in[0]), words, row_weights, 0.1f, NULL);
}

static lm_tensor *two_losses(lm_graph *g, lm_tensor **in) /* the second reaches the input's gradient first */
{
    lm_tensor *a = lm_cross_entropy(g, lm_vocab_linear(g, at("vocab"), in[0]), words, NULL, 0, NULL);
    lm_tensor *b = lm_cross_entropy(g, lm_linear(g, at("linear"), in[0]), labels, NULL, 0, NULL);
    return lm_scale(g, lm_add(g, a, b), 0.75f);
}

static lm_tensor *layer_norm(lm_graph *g, lm_tensor **in)
{
    return lm_layer_norm(g, at("norm"), in[0], 1e-5);
}

static lm_tensor *linear_transposed(lm_graph *g, lm_tensor **in)
{
    return lm_linear(g, at("conv1d"), in[0]);
}

static lm_tensor *linear_parts(lm_graph *g, lm_tensor **in) /* which overlap */
{
    return lm_add(g, lm_linear_part(g, at("linear"), in[0], 0, 3), lm_linear_part(g, at("linear"), in[0], 2, 3));
}

static lm_tensor *transposed_parts(lm_graph *g, lm_tensor **in)
{
    return lm_add(g, lm_linear_part(g, at("conv1d"), in[0], 0, 4), lm_linear_part(g, at("conv1d"), in[0], 1, 4));
}

static lm_tensor *rms_norm(lm_graph *g, lm_tensor **in)
{
    return lm_rms_norm(g, at("rms"), in[0], 1e-5, 0);
}

static lm_tensor *rms_norm_heads(lm_graph *g, lm_tensor **in) /* and a second way to the input */
{
    return lm_add(g, lm_rms_norm_heads(g, at("rms_heads"), in[0], 2, 1e-5, 1), in[0]);
}

static lm_tensor *rope(lm_graph *g, lm_tensor **in)
{
    return lm_rope(g, in[0], 2, &rotation);
}

static lm_tensor *rope_half(lm_graph *g, lm_tensor **in) /* of each head; and a second way to the input */
{
    return lm_add(g, in[0], lm_rope(g, in[0], 2, &half_rotation));
}

static lm_tensor *gate_silu(lm_graph *g, lm_tensor **in)
{
    return lm_gate(g, in[0], in[1], LM_SILU);
}

static lm_tensor *gate_twice(lm_graph *g, lm_tensor **in) /* gradients that are there already, and one value as both */
{
    lm_tensor *y = lm_add(g, lm_gate(g, in[0], in[1], LM_GELU_TANH), lm_gate(g, in[1], in[0], LM_GELU_TANH));
    return lm_add(g, y, lm_gate(g, in[0], in[0], LM_TANH));
}

static lm_tensor *attention_window(lm_graph *g, lm_tensor **in)
{
    return lm_attention(g, in[0], in[1], in[2], (lm_attn){.heads = 2, .causal = true, .window = 2, .dropout = 0.3});
}

static lm_tensor *last_with_id(lm_graph *g, lm_tensor **in) /* which one row has twice, and one not at all */
{
    return lm_last_with_id(g, in[0], 3);
}

static lm_tensor *last_token(lm_graph *g, lm_tensor **in) /* after which two rows are padded, one of them all through */
{
    return lm_last_token(g, in[0], 6);
}

#define ACTIVATION(name, which)                                                                              \
    static lm_tensor *name(lm_graph *g, lm_tensor **in)                                                      \
    {                                                                                                        \
        return lm_activate(g, in[0], which);                                                                 \
    }
ACTIVATION(gelu, LM_GELU)
ACTIVATION(gelu_tanh, LM_GELU_TANH)
ACTIVATION(relu, LM_RELU)
ACTIVATION(silu, LM_SILU)
ACTIVATION(tanh_of, LM_TANH)

static lm_tensor *shared_input(lm_graph *g, lm_tensor **in) /* gradients that come in from several sides */
{
    lm_tensor *y = lm_add(g, lm_activate(g, in[0], LM_TANH), lm_scale(g, in[0], 2));
    y = lm_add(g, y, y);
    return lm_add(g, lm_layer_norm(g, at("norm"), y, 1e-5), lm_dropout(g, y, 0.25));
}

static lm_tensor *add(lm_graph *g, lm_tensor **in)
{
    return lm_add(g, in[0], in[1]);
}

static lm_tensor *scale(lm_graph *g, lm_tensor **in)
{
    return lm_scale(g, in[0], -1.5f);
}

static lm_tensor *dropout(lm_graph *g, lm_tensor **in)
{
    return lm_dropout(g, in[0], 0.4);
}

static lm_tensor *dropout_add(lm_graph *g, lm_tensor **in)
{
    return lm_dropout_add(g, in[0], in[1], 0.4);
}

static lm_tensor *attention(lm_graph *g, lm_tensor **in)
{
    return lm_attention(g, in[0], in[1], in[2], (lm_attn){.heads = 2});
}

static lm_tensor *attention_causal(lm_graph *g, lm_tensor **in)
{
    return lm_attention(g, in[0], in[1], in[2],
                        (lm_attn){.heads = 3, .causal = true, .scale = 0.7, .dropout = 0.3});
}

static lm_tensor *attention_grouped(lm_graph *g, lm_tensor **in)
{
    return lm_attention(g, in[0], in[1], in[2], (lm_attn){.heads = 4, .kv_heads = 2, .dropout = 0.3});
}

static lm_tensor *attention_self(lm_graph *g, lm_tensor **in) /* one value three times */
{
    return lm_attention(g, in[0], in[0], in[0], (lm_attn){.heads = 2});
}

static lm_tensor *parameter(lm_graph *g, lm_tensor **in)
{
    (void)in;
    return lm_add(g, lm_parameter(g, at("bias"), "weight"), lm_parameter(g, at("bias"), "weight"));
}

static lm_tensor *attention_biased(lm_graph *g, lm_tensor **in)
{
    return lm_attention(g, in[0], in[1], in[2],
                        (lm_attn){.heads = 3, .scale = 0.7, .dropout = 0.3,
                                  .relative = lm_parameter(g, at("bias"), "weight"), .relative_distance = 4});
}

/* A table that two attentions share. */
static lm_tensor *attention_one_sided(lm_graph *g, lm_tensor **in)
{
    lm_attn how = {.heads = 3, .causal = true, .relative = lm_parameter(g, at("bias"), "weight"), .relative_distance = 5,
                   .relative_one_sided = true};
    return lm_attention(g, lm_attention(g, in[0], in[1], in[2], how), in[1], in[2], how);
}

/* y = scale x z, with the product x z kept. */
static void gate_forward(const lm_custom_call *c)
{
    for (int i = 0; i < c->rows * c->width; i++) {
        c->kept[i] = c->x[0][i] * c->x[1][i];
        c->y[i] = c->kept[i] * *(const float *)c->options;
    }
}

static void gate_backward(const lm_custom_call *c)
{
    float scale = *(const float *)c->options;
    for (int i = 0; i < c->rows * c->width; i++) {
        if (c->dx[0])
            c->dx[0][i] += c->dy[i] * scale * c->x[1][i];
        if (c->dx[1])
            c->dx[1][i] += c->dy[i] * scale * (c->x[0][i] != 0 ? c->kept[i] / c->x[1][i] : 0);
    }
}

static const lm_custom_op gate_op = {.name = "gate", .forward = gate_forward, .backward = gate_backward, .kept = WIDTH};
static const float gate_scale = 1.5f;

static lm_tensor *custom(lm_graph *g, lm_tensor **in)
{
    return lm_custom(g, &gate_op, WIDTH, (lm_tensor *[]){in[0], in[1]}, 2, &gate_scale);
}

static lm_tensor *custom_same(lm_graph *g, lm_tensor **in) /* both inputs are one value */
{
    return lm_custom(g, &gate_op, WIDTH, (lm_tensor *[]){in[0], in[0]}, 2, &gate_scale);
}

/* Each token's three columns times a table's first row, and the token's before it times the second. */
static void before_forward(const lm_custom_call *c)
{
    for (int s = 0; s < c->sequences; s++)
        for (int t = c->row_splits[s]; t < c->row_splits[s + 1]; t++)
            for (int j = 0; j < 3; j++)
                c->y[t * 3 + j] = c->x[0][t * 3 + j] * c->x[1][j] +
                                  (t > c->row_splits[s] ? c->x[0][(t - 1) * 3 + j] * c->x[1][3 + j] : 0);
}

static void before_backward(const lm_custom_call *c)
{
    for (int s = 0; s < c->sequences; s++)
        for (int t = c->row_splits[s]; t < c->row_splits[s + 1]; t++)
            for (int k = 0; k < 2 && t - k >= c->row_splits[s]; k++)
                for (int j = 0; j < 3; j++) {
                    float dy = c->dy[t * 3 + j];
                    if (c->dx[0])
                        c->dx[0][(t - k) * 3 + j] += dy * c->x[1][k * 3 + j];
                    if (c->dx[1])
                        c->dx[1][k * 3 + j] += dy * c->x[0][(t - k) * 3 + j];
                }
}

static const lm_custom_op before_op = {.name = "before", .forward = before_forward, .backward = before_backward,
                                       .sequences = true};

static lm_tensor *custom_sequences(lm_graph *g, lm_tensor **in) /* twice: the second gradient's buffer is a used one */
{
    lm_tensor *table = lm_parameter(g, at("bias"), "weight");
    lm_tensor *x = lm_custom(g, &before_op, 3, (lm_tensor *[]){in[0], table}, 2, NULL);
    return lm_custom(g, &before_op, 3, (lm_tensor *[]){x, table}, 2, NULL);
}

static lm_tensor *lstm(lm_graph *g, lm_tensor **in)
{
    return lm_lstm(g, at("lstm"), in[0], 0, false);
}

static lm_tensor *lstm_both_ways(lm_graph *g, lm_tensor **in)
{
    return lm_lstm(g, at("lstm"), in[0], 1, true);
}

static lm_tensor *lstm_stacked(lm_graph *g, lm_tensor **in) /* and what is below comes in from two sides */
{
    lm_tensor *x = lm_lstm(g, at("lstm"), in[0], 1, true);
    return lm_add(g, lm_lstm(g, at("plain_lstm"), x, 0, true), x);
}

static lm_tensor *look_up(lm_graph *g, const void *context, lm_tensor *x, lm_tensor *memory)
{
    (void)context, (void)x, (void)memory;
    return lm_dropout(g, lm_embedding(g, at("embedding"), batch.ids, &batch), 0.25);
}

static lm_tensor *attend(lm_graph *g, const void *context, lm_tensor *x, lm_tensor *memory)
{
    lm_attn how = {.heads = 2, .dropout = 0.3};
    lm_tensor *y = lm_attention(g, lm_dropout(g, x, *(const double *)context), memory, memory, how);
    return lm_layer_norm(g, at("norm"), lm_dropout_add(g, y, x, 0.25), 1e-5);
}

static lm_tensor *halve(lm_graph *g, const void *context, lm_tensor *x, lm_tensor *memory)
{
    (void)context, (void)memory;
    return lm_scale(g, x, 0.5f); /* its gradient is computed in place */
}

static lm_tensor *recompute(lm_graph *g, lm_tensor **in) /* two pieces that read one value, and more ways to each value */
{
    static const double rate[] = {0.25, 0.5};
    lm_arena_mark start = lm_graph_scope_open(g);
    lm_tensor *x = lm_graph_piece(g, start, (lm_piece){attend, &rate[0]}, in[0], in[1]);
    lm_tensor *y = lm_graph_piece(g, start, (lm_piece){halve, NULL}, x, NULL);
    y = lm_graph_piece(g, start, (lm_piece){attend, &rate[1]}, y, in[1]);
    return lm_dropout_add(g, lm_add(g, y, in[1]), x, 0.25);
}

static lm_tensor *recompute_look_up(lm_graph *g, lm_tensor **in)
{
    (void)in;
    return lm_dropout(g, lm_graph_piece(g, lm_graph_scope_open(g), (lm_piece){look_up, NULL}, NULL, NULL), 0.25);
}

static lm_tensor *final_state(lm_graph *g, lm_tensor **in)
{
    return lm_final_state(g, in[0], false);
}

static lm_tensor *final_states(lm_graph *g, lm_tensor **in) /* its gradient is added to one that is there */
{
    lm_tensor *last = lm_dropout(g, lm_final_state(g, in[0], true), 0.3);
    return lm_add(g, last, lm_first_token(g, in[0]));
}

static lm_tensor *mean_token(lm_graph *g, lm_tensor **in)
{
    return lm_add(g, lm_mean_token(g, in[0]), lm_first_token(g, in[0]));
}

static lm_tensor *first_token(lm_graph *g, lm_tensor **in)
{
    return lm_first_token(g, in[0]);
}

static lm_tensor *gather_rows(lm_graph *g, lm_tensor **in)
{
    return lm_dropout(g, lm_gather_rows(g, in[0], chosen, 4), 0.2);
}

static lm_tensor *cross_entropy(lm_graph *g, lm_tensor **in)
{
    return lm_cross_entropy(g, in[0], labels, row_weights, 0.1f, NULL);
}

static lm_tensor *squared_error(lm_graph *g, lm_tensor **in)
{
    return lm_squared_error(g, in[0], classes, row_weights, NULL);
}

static lm_tensor *binary_cross_entropy(lm_graph *g, lm_tensor **in)
{
    return lm_binary_cross_entropy(g, in[0], classes, row_weights, NULL);
}

static const float class_weights[] = {0.5f, 2, 0, 1.5f, 3};

static lm_tensor *weighted(lm_graph *g, lm_tensor **in)
{
    lm_balance how = {.class_weight = class_weights, .smoothing = 0.2f};
    return lm_balanced_cross_entropy(g, in[0], labels, row_weights, &how, NULL);
}

static lm_tensor *focal(lm_graph *g, lm_tensor **in)
{
    lm_balance how = {.class_weight = class_weights, .gamma = 2};
    return lm_balanced_cross_entropy(g, in[0], labels, row_weights, &how, NULL);
}

static lm_tensor *focal_below_one(lm_graph *g, lm_tensor **in) /* and a second way to the input */
{
    lm_balance how = {.gamma = 0.5f, .smoothing = 0.1f};
    lm_tensor *a = lm_balanced_cross_entropy(g, in[0], labels, NULL, &how, NULL);
    return lm_add(g, a, lm_cross_entropy(g, in[0], labels, NULL, 0, NULL));
}

static lm_tensor *weighted_binary(lm_graph *g, lm_tensor **in)
{
    lm_balance how = {.class_weight = class_weights, .smoothing = 0.1f};
    return lm_balanced_binary_cross_entropy(g, in[0], classes, row_weights, &how, NULL);
}

static lm_tensor *focal_binary(lm_graph *g, lm_tensor **in)
{
    lm_balance how = {.class_weight = class_weights, .gamma = 1.5f};
    lm_tensor *a = lm_balanced_binary_cross_entropy(g, in[0], classes, row_weights, &how, NULL);
    return lm_add(g, a, lm_binary_cross_entropy(g, in[0], classes, NULL, NULL));
}

static lm_tensor *span_cross_entropy(lm_graph *g, lm_tensor **in)
{
    static const int32_t span[SEQUENCES * 2] = {2, 0, -100, -100, 0, 0, 1, 4};
    static const int32_t none[SEQUENCES * 2] = {-100, -100, -100, -100, -100, -100, -100, -100};
    return lm_span_cross_entropy(g, in[0], in[0]->rows ? span : none, row_weights, NULL);
}

static lm_tensor *span_twice(lm_graph *g, lm_tensor **in) /* its gradient is added to one that is there */
{
    return lm_add(g, span_cross_entropy(g, in), span_cross_entropy(g, in));
}

static lm_tensor *adapted(lm_graph *g, lm_tensor **in) /* by two, one with dropout, and a second way to the input */
{
    return lm_add(g, lm_linear(g, at("adapted"), in[0]), lm_linear(g, at("plain"), in[0]));
}

static lm_tensor *adapted_parts(lm_graph *g, lm_tensor **in) /* of a matrix that is stored across */
{
    return lm_add(g, lm_linear_part(g, at("adapted1d"), in[0], 0, 4), lm_linear_part(g, at("adapted1d"), in[0], 1, 4));
}

static lm_tensor *adapted_vocabulary(lm_graph *g, lm_tensor **in)
{
    return lm_cross_entropy(g, lm_vocab_linear(g, at("adapted"), in[0]), labels, row_weights, 0.1f, NULL);
}

static lm_tensor *adapted_table(lm_graph *g, lm_tensor **in)
{
    (void)in;
    return lm_embedding(g, at("words"), batch.ids, &batch);
}

/* Norms have no gradient, so what they depend on is not compared. */
static lm_tensor *dora(lm_graph *g, lm_tensor **in)
{
    return lm_add(g, lm_linear(g, at("dora"), in[0]), lm_linear_part(g, at("dora"), in[0], 0, OUT));
}

static lm_tensor *dora_dropped(lm_graph *g, lm_tensor **in)
{
    return lm_linear(g, at("dropped"), in[0]);
}

static lm_tensor *dora_table(lm_graph *g, lm_tensor **in)
{
    (void)in;
    return lm_embedding(g, at("dora_words"), batch.ids, &batch);
}

static const op_case cases[] = {
    {"low_rank", "two, of a layer", adapted, {WIDTH}, {"adapted.lora_A.weight", "adapted.lora_B.weight",
     "adapted.lora_A.two.weight", "adapted.lora_B.two.weight", "adapted.lora_B.two.bias", "adapted.weight", "adapted.bias"},
     false, 0},
    {"low_rank", "in parts", adapted_parts, {WIDTH}, {"adapted1d.lora_A.weight", "adapted1d.lora_B.weight",
     "adapted1d.lora_B.bias", "adapted1d.weight"}, false, 0},
    {"low_rank", "of a vocabulary", adapted_vocabulary, {WIDTH}, {"adapted.lora_A.weight", "adapted.lora_B.two.weight"},
     true, 0},
    {"low_rank", "of a table", adapted_table, {0}, {"words.lora_embedding_A", "words.lora_embedding_B", "words.weight"}, false, 0},
    {"magnitude", "", dora, {WIDTH}, {"dora.lora_magnitude_vector", "dora.bias"}, false, 0},
    {"magnitude", "with dropout", dora_dropped, {WIDTH}, {"dropped.lora_magnitude_vector", "dropped.bias"}, false, 0},
    {"magnitude", "of a table", dora_table, {0}, {"dora_words.lora_magnitude_vector"}, false, 0},
    {"embedding", "with a padding row", embedding, {0}, {"embedding.weight"}, false, 0},
    {"ngrams", "of up to three", ngrams, {0}, {"ngrams.weight"}, false, 0},
    {"ngrams", "words alone", words_alone, {0}, {"ngrams.weight"}, false, 0},
    {"linear", "with bias", linear, {WIDTH}, {"linear.weight", "linear.bias"}, false, 0},
    {"linear", "without bias", linear_nobias, {WIDTH}, {"plain.weight"}, false, 0},
    {"linear", "used twice", linear_twice, {WIDTH}, {"linear.weight", "linear.bias"}, false, 0},
    {"linear", "transposed", linear_transposed, {WIDTH}, {"conv1d.weight", "conv1d.bias"}, false, 0},
    {"linear", "in parts", linear_parts, {WIDTH}, {"linear.weight", "linear.bias"}, false, 0},
    {"linear", "transposed, in parts", transposed_parts, {WIDTH}, {"conv1d.weight", "conv1d.bias"}, false, 0},
    {"vocab_linear", "read", vocab_read, {WIDTH}, {"linear.weight", "linear.bias"}, false, 0},
    {"vocab_linear", "in the loss", vocab_loss, {WIDTH}, {"vocab.weight", "vocab.bias"}, true, 13},
    {"vocab_linear", "in a sum of losses", two_losses, {WIDTH}, {"vocab.weight", "linear.weight"}, true, 29},
    {"layer_norm", "", layer_norm, {WIDTH}, {"norm.weight", "norm.bias"}, false, 0},
    {"rms_norm", "", rms_norm, {WIDTH}, {"rms.weight"}, false, 0},
    {"rms_norm", "of heads, with an offset", rms_norm_heads, {WIDTH}, {"rms_heads.weight"}, false, 0},
    {"rope", "", rope, {8}, {0}, false, 0},
    {"rope", "of a part of each head", rope_half, {WIDTH}, {0}, false, 0},
    {"gate", "silu", gate_silu, {WIDTH, WIDTH}, {0}, false, 0},
    {"gate", "both ways", gate_twice, {WIDTH, WIDTH}, {0}, false, 0},
    {"activate", "gelu", gelu, {WIDTH}, {0}, false, 0},
    {"activate", "gelu_tanh", gelu_tanh, {WIDTH}, {0}, false, 0},
    {"activate", "relu", relu, {WIDTH}, {0}, false, 0},
    {"activate", "silu", silu, {WIDTH}, {0}, false, 0},
    {"activate", "tanh", tanh_of, {WIDTH}, {0}, false, 0},
    {"add", "", add, {WIDTH, WIDTH}, {0}, false, 0},
    {"add", "shared input", shared_input, {WIDTH}, {"norm.weight"}, false, 0},
    {"scale", "", scale, {WIDTH}, {0}, false, 0},
    {"dropout", "", dropout, {WIDTH}, {0}, false, 0},
    {"dropout_add", "", dropout_add, {WIDTH, WIDTH}, {0}, false, 0},
    {"attention", "", attention, {WIDTH, WIDTH, WIDTH}, {0}, false, 0},
    {"attention", "causal, scaled, dropout", attention_causal, {WIDTH, WIDTH, WIDTH}, {0}, false, 0},
    {"attention", "grouped", attention_grouped, {8, 4, 4}, {0}, false, 0},
    {"attention", "of one value", attention_self, {WIDTH}, {0}, false, 0},
    {"attention", "bias by distance", attention_biased, {WIDTH, WIDTH, WIDTH}, {"bias.weight"}, false, 0},
    {"attention", "bias by distance, causal", attention_one_sided, {WIDTH, WIDTH, WIDTH}, {"bias.weight"}, false, 0},
    {"parameter", "", parameter, {0}, {"bias.weight"}, false, 0},
    {"attention", "in a window", attention_window, {WIDTH, WIDTH, WIDTH}, {0}, false, 0},
    {"last_token", "", last_token, {WIDTH}, {0}, false, 0},
    {"last_token", "with an id", last_with_id, {WIDTH}, {0}, false, 0},
    {"lstm", "", lstm, {WIDTH}, {"lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.bias_ih_l0", "lstm.bias_hh_l0"}, false, 0},
    {"lstm", "both ways", lstm_both_ways, {WIDTH}, {"lstm.weight_ih_l1", "lstm.weight_hh_l1", "lstm.bias_ih_l1",
     "lstm.bias_hh_l1", "lstm.weight_ih_l1_reverse", "lstm.weight_hh_l1_reverse", "lstm.bias_ih_l1_reverse",
     "lstm.bias_hh_l1_reverse"}, false, 0},
    {"lstm", "stacked, without bias", lstm_stacked, {WIDTH}, {"lstm.weight_ih_l1", "lstm.weight_hh_l1_reverse",
     "plain_lstm.weight_ih_l0", "plain_lstm.weight_hh_l0", "plain_lstm.weight_hh_l0_reverse"}, false, 0},
    {"recompute", "", recompute, {WIDTH, WIDTH}, {"norm.weight", "norm.bias"}, false, 0},
    {"recompute", "reads no value", recompute_look_up, {0}, {"embedding.weight"}, false, 0},
    {"final_state", "", final_state, {WIDTH}, {0}, false, 0},
    {"final_state", "both ways", final_states, {WIDTH}, {0}, false, 0},
    {"mean_token", "", mean_token, {WIDTH}, {0}, false, 0},
    {"first_token", "", first_token, {WIDTH}, {0}, false, 0},
    {"gather_rows", "", gather_rows, {WIDTH}, {0}, false, 0},
    {"custom", "rows", custom, {WIDTH, WIDTH}, {0}, false, 0},
    {"custom", "one value twice", custom_same, {WIDTH}, {0}, false, 0},
    {"custom", "sequences, with a parameter", custom_sequences, {3}, {"bias.weight"}, false, 0},
    {"cross_entropy", "", cross_entropy, {OUT}, {0}, true, 0},
    {"squared_error", "", squared_error, {OUT}, {0}, true, 0},
    {"binary_cross_entropy", "", binary_cross_entropy, {OUT}, {0}, true, 0},
    {"balanced_cross_entropy", "weights, smoothing", weighted, {OUT}, {0}, true, 0},
    {"balanced_cross_entropy", "focal", focal, {OUT}, {0}, true, 0},
    {"balanced_cross_entropy", "focal below one", focal_below_one, {OUT}, {0}, true, 0},
    {"balanced_binary_cross_entropy", "weights, smoothing", weighted_binary, {OUT}, {0}, true, 0},
    {"balanced_binary_cross_entropy", "focal", focal_binary, {OUT}, {0}, true, 0},
    {"span_cross_entropy", "", span_cross_entropy, {2}, {0}, true, 0},
    {"span_cross_entropy", "twice", span_twice, {2}, {0}, true, 0},
};

enum { CASES = sizeof cases / sizeof *cases };

/* ------------------------------------------------------------------ the check */

static float spread(uint32_t *state) /* in (-1.5, 1.5) */
{
    *state = *state * 1664525u + 1013904223u;
    return (float)((double)(*state >> 8) / (1 << 24) * 3 - 1.5);
}

static void attach(lm_params *p, const char *module, lm_adapter_spec spec)
{
    lm_status st = LM_STATUS_INIT;
    ck_assert_msg(lm_adapter_attach(p, module, &spec, &st) != NULL, "%s", st.message);
}

static lm_params *make_params(void)
{
    lm_params *p = lm_params_new();
    lm_declare *d = lm_declare_begin(p);
    lm_declare_embedding(d, at("embedding"), ROWS, WIDTH, 1, 3);
    lm_declare_linear(d, at("linear"), WIDTH, OUT, 1);
    lm_declare_linear_nobias(d, at("plain"), WIDTH, OUT, 1);
    lm_declare_linear(d, at("vocab"), WIDTH, VOCAB, 1);
    lm_declare_layer_norm(d, at("norm"), WIDTH);
    lm_declare_embedding(d, at("bias"), 6, 3, 1, -1);
    lm_declare_conv1d(d, at("conv1d"), WIDTH, OUT, 1);
    lm_declare_rms_norm(d, at("rms"), WIDTH, 0);
    lm_declare_rms_norm(d, at("rms_heads"), WIDTH / 2, 1);
    lm_declare_param(d, at("ngrams"), "weight", (int64_t[4]){ROWS + 4, WIDTH}, lm_normal(1));
    lm_declare_lstm(d, at("lstm"), WIDTH, 5, 0, false, true);
    lm_declare_lstm(d, at("lstm"), WIDTH, STATE, 1, true, true);
    lm_declare_lstm(d, at("plain_lstm"), 2 * STATE, STATE, 0, true, false);
    lm_declare_linear(d, at("adapted"), WIDTH, OUT, 1);
    lm_declare_conv1d(d, at("adapted1d"), WIDTH, OUT, 1);
    lm_declare_linear(d, at("dora"), WIDTH, OUT, 1);
    lm_declare_linear(d, at("dropped"), WIDTH, OUT, 1);
    lm_declare_embedding(d, at("words"), ROWS, WIDTH, 1, -1);
    lm_declare_embedding(d, at("dora_words"), ROWS, WIDTH, 1, -1);
    lm_status st = LM_STATUS_INIT;
    ck_assert(lm_declare_end(d, &st));
    attach(p, "adapted", (lm_adapter_spec){.rank = 2, .scale = 0.75f, .name = ""});
    attach(p, "adapted", (lm_adapter_spec){.rank = 3, .scale = 1.5f, .dropout = 0.3, .bias = true, .name = "two"});
    attach(p, "adapted1d", (lm_adapter_spec){.rank = 2, .scale = 0.5f, .dropout = 0.3, .bias = true, .name = ""});
    attach(p, "dora", (lm_adapter_spec){.rank = 2, .scale = 0.5f, .magnitude = true, .name = ""});
    attach(p, "dropped", (lm_adapter_spec){.rank = 2, .scale = 0.5f, .magnitude = true, .dropout = 0.3, .name = ""});
    attach(p, "words", (lm_adapter_spec){.place = LM_ADAPTS_TABLE, .rank = 2, .scale = 0.5f, .name = ""});
    attach(p, "dora_words", (lm_adapter_spec){.place = LM_ADAPTS_TABLE, .rank = 2, .scale = 2, .magnitude = true, .name = ""});
    for (size_t i = 0; i < lm_params_count(p); i++) {
        lm_param *q = lm_params_at(p, i);
        uint32_t state = (uint32_t)i + 77;
        ck_assert(lm_param_initialise(q, 1, &st) && lm_param_train(q, true, &st));
        for (size_t e = 0; e < q->elements; e++)
            q->value[e] = spread(&state);
    }
    return p;
}

typedef struct trial {
    const op_case *c;
    lm_graph *g;
    lm_params *params;
    float input[MOST][TOKENS * 8];
    lm_tensor *in[MOST];
} trial;

/* The loss of a trial in double: the case's own, or the squares of the differences from 0.1, 0.2 ... */
static double run(trial *t, bool backward)
{
    lm_graph_begin(t->g, &batch, (lm_step){.training = true, .recompute = true, .seed = 5, .optimiser_step = 3});
    for (int i = 0; i < MOST && t->c->width[i]; i++)
        t->in[i] = lm_graph_input(t->g, t->input[i], TOKENS, t->c->width[i], true);
    lm_tensor *y = t->c->build(t->g, t->in);
    lm_status st = LM_STATUS_INIT;
    if (t->c->loss) {
        if (backward)
            lm_graph_backward(t->g, y, 1);
        double loss = *lm_tensor_read(t->g, y);
        ck_assert_msg(lm_graph_end(t->g, &st), "%s", st.message);
        return loss;
    }
    float target[TOKENS * 8];
    for (int i = 0; i < y->rows * y->width; i++)
        target[i] = 0.1f * (float)(i % 7);
    const float *value = lm_tensor_read(t->g, y);
    double loss = 0;
    for (int i = 0; i < y->rows * y->width; i++)
        loss += ((double)value[i] - target[i]) * ((double)value[i] - target[i]);
    if (backward)
        lm_graph_backward(t->g, lm_squared_error(t->g, y, target, NULL, NULL), 1);
    ck_assert_msg(lm_graph_end(t->g, &st), "%s", st.message);
    return loss;
}

static void compare(trial *t, const char *name, float *value, const float *grad, size_t n, size_t step)
{
    double scale_of = 1e-3, h = t->c->loss ? 2e-2 : 5e-3; /* a loss is one float: its last bits limit h */
    for (size_t i = 0; i < n; i++)
        scale_of = fmax(scale_of, fabs(grad[i]));
    for (size_t i = 0; i < n; i += step) {
        float old = value[i];
        value[i] = (float)(old + h);
        double up = value[i], above = run(t, false);
        value[i] = (float)(old - h);
        double down = value[i], below = run(t, false), slope = (above - below) / (up - down);
        value[i] = old;
        ck_assert_msg(fabs(slope - grad[i]) < 4e-3 * scale_of, "%s (%s): d %s[%zu] is %g, by differences %g",
                      t->c->op, t->c->what, name, i, (double)grad[i], slope);
    }
}

static void check_case(const op_case *c, lm_params *params)
{
    trial t = {.c = c, .params = params, .g = lm_graph_new(params)};
    float *grads[MOST];
    uint32_t state = 99;
    for (int i = 0; i < MOST; i++)
        for (size_t e = 0; e < TOKENS * 8; e++)
            t.input[i][e] = spread(&state);
    for (size_t i = 0; i < lm_params_count(params); i++)
        memset(lm_params_at(params, i)->grad, 0, lm_params_at(params, i)->elements * sizeof(float));
    run(&t, true);
    for (int i = 0; i < MOST && c->width[i]; i++) {
        size_t n = (size_t)TOKENS * (size_t)c->width[i];
        ck_assert_ptr_nonnull(t.in[i]->grad);
        grads[i] = malloc(n * sizeof(float));
        memcpy(grads[i], t.in[i]->grad, n * sizeof(float));
    }
    for (int i = 0; i < MOST && c->width[i]; i++) {
        compare(&t, "input", t.input[i], grads[i], (size_t)TOKENS * (size_t)c->width[i], 1);
        free(grads[i]);
    }
    for (int i = 0; i < PARAMS && c->params[i]; i++) {
        lm_param *p = lm_params_find(params, c->params[i]);
        if (p->padding_row >= 0) { /* its look-ups train nothing */
            for (int j = 0; j < WIDTH; j++)
                ck_assert_float_eq(p->grad[p->padding_row * WIDTH + j], 0);
            memset(p->value + p->padding_row * WIDTH, 0, WIDTH * sizeof(float));
            continue;
        }
        compare(&t, c->params[i], p->value, p->grad, p->elements, c->every ? (size_t)c->every : 1);
    }
    lm_graph_free(t.g);
}

START_TEST(gradients)
{
    lm_params *p = make_params();
    check_case(&cases[_i], p);
    lm_params_free(p);
}
END_TEST

/* The embedding's rows but the padding one, each against the sum of what reaches it. */
START_TEST(embedding_rows)
{
    lm_params *p = make_params();
    trial t = {.c = &cases[0], .params = p, .g = lm_graph_new(p)};
    run(&t, true);
    lm_param *e = lm_params_find(p, "embedding.weight");
    for (size_t row = 0; row < ROWS; row++)
        if ((int)row != e->padding_row)
            compare(&t, "embedding.weight", e->value + row * WIDTH, e->grad + row * WIDTH, WIDTH, 1);
    lm_graph_free(t.g);
    lm_params_free(p);
}
END_TEST

/* What a plugin's author checks an operation with. */
START_TEST(custom_errors_are_seen)
{
    const int rows[] = {TOKENS, TOKENS}, gates[] = {WIDTH, WIDTH}, table[] = {TOKENS, 6}, widths[] = {3, 3};
    ck_assert_double_lt(lm_custom_error(&gate_op, WIDTH, rows, gates, 2, &gate_scale), 0.01);
    ck_assert_double_lt(lm_custom_error(&before_op, 3, table, widths, 2, NULL), 0.01);
    lm_custom_op wrong = gate_op;
    wrong.backward = before_backward; /* of another operation */
    ck_assert_double_gt(lm_custom_error(&wrong, 3, rows, widths, 2, &gate_scale), 0.1);
    wrong.backward = NULL;
    ck_assert(isnan(lm_custom_error(&wrong, WIDTH, rows, gates, 2, &gate_scale)));
}
END_TEST

/* Half an operation is refused, and so is one that cannot be. */
START_TEST(custom_operations_are_whole)
{
    static const struct {
        lm_custom_op op;
        int width, count;
        const char *says;
    } bad[] = {{{.name = "half", .forward = gate_forward}, 3, 1, "half: it has no backward"},
               {{.name = "half", .backward = gate_backward}, 3, 1, "half: it has no forward"},
               {{.forward = gate_forward, .backward = gate_backward}, 3, 1, "custom: it has no name"},
               {{.name = "none", .forward = gate_forward, .backward = gate_backward}, 3, 0, "from one to four inputs"},
               {{.name = "none", .forward = gate_forward, .backward = gate_backward}, 0, 1, "a result without columns"},
               {{.name = "row", .forward = gate_forward, .backward = gate_backward, .sequences = true}, 3, 1,
                "row: its input is not whole sequences"}};
    lm_params *p = make_params();
    lm_graph *g = lm_graph_new(p);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_graph_begin(g, &batch, (lm_step){0});
        lm_tensor *table = lm_parameter(g, at("bias"), "weight");
        lm_custom(g, &bad[i].op, bad[i].width, &table, bad[i].count, NULL);
        ck_assert(!lm_graph_end(g, &st));
        ck_assert_msg(strstr(st.message, bad[i].says) != NULL, "%s", st.message);
    }
    lm_status st = LM_STATUS_INIT;
    lm_graph_begin(g, &batch, (lm_step){0});
    lm_tensor *table = lm_parameter(g, at("bias"), "weight");
    lm_custom_sized(g, &gate_op, sizeof gate_op + 8, 3, &table, 1, NULL);
    ck_assert(!lm_graph_end(g, &st) && strstr(st.message, "built for a newer version"));
    /* one that does not say how far it looks back has whole rows, or nothing */
    lm_status_clear(&st);
    lm_kv_cache *cache = lm_kv_cache_new(SEQUENCES);
    const float zero[TOKENS * 3] = {0};
    lm_graph_begin(g, &batch, (lm_step){.cache = cache});
    lm_tensor *in = lm_graph_input(g, zero, TOKENS, 3, false);
    custom_sequences(g, &in);
    ck_assert(!lm_graph_end(g, &st) && strstr(st.message, "before: rows are to be read piece by piece, and it needs"));
    lm_kv_cache_free(cache);
    lm_graph_free(g);
    lm_params_free(p);
}
END_TEST

START_TEST(every_operation_is_checked)
{
    for (size_t i = 0; lm_op_at(i); i++) {
        const lm_op *op = lm_op_at(i);
        bool found = false;
        ck_assert(op->forward || strcmp(op->name, "recompute") == 0);
        ck_assert_ptr_nonnull(op->backward);
        for (size_t c = 0; c < CASES; c++)
            found |= strcmp(cases[c].op, op->name) == 0;
        ck_assert_msg(found, "operation %s has no case in check_gradients.c", op->name);
    }
}
END_TEST

/* Each operation on no tokens at all: nothing happens, and nothing is trained. */
START_TEST(empty_batch)
{
    static const int32_t none[3] = {0, 0, 0};
    for (int rows = 0; rows < 3; rows++) {
        lm_params *p = make_params();
        lm_graph *g = lm_graph_new(p);
        lm_batch nothing = {rows, 0, none, ids, zeros, zeros};
        const op_case *c = &cases[_i];
        lm_tensor *in[MOST] = {NULL};
        float value[1] = {0};
        lm_status st = LM_STATUS_INIT;
        lm_graph_begin(g, &nothing, (lm_step){.training = true, .recompute = true});
        for (int i = 0; i < MOST && c->width[i]; i++)
            in[i] = lm_graph_input(g, value, 0, c->width[i], true);
        bool skip = c->build == gather_rows || c->build == embedding || c->build == recompute_look_up ||
                    c->build == parameter || c->build == adapted_table || c->build == dora_table; /* which no tokens reach */
        if (!skip) {
            lm_tensor *y = c->build(g, in);
            float target[3 * 8] = {0};
            lm_tensor *loss = c->loss ? y : lm_squared_error(g, y, target, NULL, NULL);
            lm_graph_backward(g, loss, 1);
            ck_assert_float_eq(*lm_tensor_read(g, loss), 0);
        } else {
            lm_tensor *y = lm_embedding(g, at("embedding"), ids, &nothing);
            y = lm_gather_rows(g, y, chosen, 0);
            ck_assert_int_eq(y->rows, 0);
            lm_graph_backward(g, lm_squared_error(g, y, value, NULL, NULL), 1);
        }
        ck_assert_msg(lm_graph_end(g, &st), "%s (%s): %s", c->op, c->what, st.message);
        lm_graph_free(g);
        lm_params_free(p);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("gradients");
    TCase *t = tcase_create("table");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_operation_is_checked);
    tcase_add_loop_test(t, gradients, 0, CASES);
    tcase_add_test(t, embedding_rows);
    tcase_add_test(t, custom_errors_are_seen);
    tcase_add_test(t, custom_operations_are_whole);
    tcase_add_loop_test(t, empty_batch, 0, CASES);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
