#include "config.h"

#include "tests/bench/shapes.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

#define BERT(layers, width, heads, inner)                                                                           \
    "{\"model_type\":\"bert\",\"num_hidden_layers\":" #layers ",\"hidden_size\":" #width                            \
    ",\"num_attention_heads\":" #heads ",\"intermediate_size\":" #inner ",\"vocab_size\":30522,\"num_labels\":4}"
#define BERT_BATCHES "32x128 ag"

static const bench_shape shapes[] = {
    {"tiny", BERT(2, 128, 2, 512), "classify", BERT_BATCHES, 0.1},
    {"mini", BERT(4, 256, 4, 1024), "classify", BERT_BATCHES, 0.1},
    {"minilm", BERT(6, 384, 12, 1536), "classify", BERT_BATCHES, 0.1},
    {"distilbert", BERT(6, 768, 12, 3072), "classify", BERT_BATCHES, 0.1},
    {"base", BERT(12, 768, 12, 3072), "classify", BERT_BATCHES, 0.1},
    /* llm.c has no dropout: none for any of the three, so that the work is the same */
    {"gpt2",
     "{\"model_type\":\"gpt2\",\"n_layer\":12,\"n_embd\":768,\"n_head\":12,\"n_positions\":1024,\"vocab_size\":50257}",
     "clm", "4x64 4x256", 0},
    /* Qwen2's 0.5B, as a llama: 494 million weights */
    {"llama-0.5b",
     "{\"model_type\":\"llama\",\"num_hidden_layers\":24,\"hidden_size\":896,\"num_attention_heads\":14,"
     "\"num_key_value_heads\":2,\"intermediate_size\":4864,\"vocab_size\":151936,\"tie_word_embeddings\":true,"
     "\"max_position_embeddings\":4096,\"rms_norm_eps\":1e-6,\"rope_theta\":10000.0}",
     "clm", "4x128", 0},
    {"t5-small",
     "{\"model_type\":\"t5\",\"num_layers\":6,\"num_decoder_layers\":6,\"d_model\":512,\"num_heads\":8,\"d_kv\":64,"
     "\"d_ff\":2048,\"vocab_size\":32128,\"feed_forward_proj\":\"relu\",\"is_encoder_decoder\":true,"
     "\"decoder_start_token_id\":0,\"pad_token_id\":0,\"eos_token_id\":1}",
     "seq2seq", "16x128+32", 0.1},
};

enum { SHAPES = sizeof shapes / sizeof *shapes, AG_ROWS = 32 };

const bench_shape *bench_shape_at(size_t i)
{
    return i < SHAPES ? &shapes[i] : NULL;
}

const bench_shape *bench_shape_find(const char *name)
{
    for (size_t i = 0; i < SHAPES; i++)
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    return NULL;
}

/* ------------------------------------------------------------------ batches */

static int ag_length(int row) /* 22 to 64 evenly, one of 88: 1.9 times the tokens if padded */
{
    return row == 5 ? 88 : 22 + row * 42 / (AG_ROWS - 1) + row % 3;
}

static uint32_t state = 1;

/* Small ids are frequent, as words are. */
static int32_t any_id(int vocab)
{
    state = state * 1664525u + 1013904223u;
    double u = (double)(state >> 8) / (1 << 24);
    return (int32_t)(vocab * u * u * u);
}

static lm_batch rows_of(int rows, int length, int vocab) /* length 0: those of AG News */
{
    int32_t *splits = lm_calloc((size_t)rows + 1, sizeof *splits);
    for (int r = 0; r < rows; r++)
        splits[r + 1] = splits[r] + (length ? length : ag_length(r));
    size_t tokens = (size_t)splits[rows];
    int32_t *ids = lm_calloc(tokens, sizeof *ids), *positions = lm_calloc(tokens, sizeof *positions);
    for (int r = 0; r < rows; r++) {
        for (int t = splits[r]; t < splits[r + 1]; t++) {
            ids[t] = any_id(vocab);
            positions[t] = t - splits[r];
        }
    }
    return (lm_batch){.rows = rows,
                      .tokens = splits[rows],
                      .row_splits = splits,
                      .ids = ids,
                      .types = lm_calloc(tokens, sizeof(int32_t)),
                      .positions = positions};
}

bool bench_batch_make(bench_batch *b, const char *form, const lm_model *m, const char *task)
{
    int rows = AG_ROWS, length = 0, target = 0, vocab = m->arch.vocab_size;
    if (strcmp(form, "ag") != 0 && sscanf(form, "%dx%d+%d", &rows, &length, &target) < 2)
        return false;
    *b = (bench_batch){.rows = rows_of(rows, length, vocab)};
    if (target)
        b->targets = rows_of(rows, target, vocab);
    const lm_batch *learned = target ? &b->targets : &b->rows;
    bool mlm = strcmp(task, "mlm") == 0, classify = strcmp(task, "classify") == 0;
    size_t n = (size_t)learned->tokens;
    b->label = lm_calloc(n, sizeof *b->label);
    b->selected = mlm ? lm_calloc(n, sizeof *b->selected) : NULL;
    for (int t = 0; mlm && t < learned->tokens; t++) /* every seventh token: 15 % */
        if (t % 7 == 3)
            b->selected[b->count++] = t;
    if (!mlm && !classify)
        b->count = learned->tokens;
    for (int i = 0; i < learned->tokens; i++)
        b->label[i] = classify ? i % 4 : any_id(vocab);
    return true;
}

/* ------------------------------------------------------------------ work */

static bool has(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

/* How many rows a matrix is multiplied with. */
static double times(const bench_batch *b, const char *name)
{
    if (has(name, "pooler") || has(name, "classifier"))
        return b->rows.rows;
    if (has(name, "cls.") || has(name, "lm_head"))
        return b->count;
    if (has(name, "embed") || has(name, "wte") || has(name, "wpe") || has(name, "shared") || has(name, "relative_"))
        return 0;
    bool of_memory = has(name, "EncDecAttention.k") || has(name, "EncDecAttention.v");
    return has(name, "decoder.") && !of_memory ? b->targets.tokens : b->rows.tokens;
}

static double pairs(const lm_batch *queries, const lm_batch *keys, bool causal)
{
    double n = 0;
    for (int r = 0; r < queries->rows; r++) {
        double q = queries->row_splits[r + 1] - queries->row_splits[r];
        double k = keys->row_splits[r + 1] - keys->row_splits[r];
        n += causal ? q * (q + 1) / 2 : q * k;
    }
    return n;
}

double bench_flops(const lm_model *m, const bench_batch *b, bool step)
{
    double n = 0, width = m->arch.width;
    bool tied = true; /* the vocabulary projection is one of the look-up tables */
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        const lm_param *p = lm_params_at(m->params, i);
        tied &= !has(p->name, "lm_head");
        if (p->shape.dims == 2)
            n += 2 * times(b, p->name) * (double)p->elements;
    }
    if (tied && b->count)
        n += 2.0 * b->count * width * m->arch.vocab_size;
    n += 4 * width * m->arch.layers * pairs(&b->rows, &b->rows, m->arch.causal && !b->targets.rows);
    n += 4 * width * m->arch.decoder_layers *
         (pairs(&b->targets, &b->targets, true) + pairs(&b->targets, &b->rows, false));
    return step ? 3 * n : n;
}
