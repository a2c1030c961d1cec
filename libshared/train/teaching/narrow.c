#include "train/teaching/narrow.h"

#include "base/memory.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ sizes */

/* Families whose layers are named below, and scale nothing by their width. */
static const char *const families[] = {"bert", "distilbert", "roberta", "electra", "llama", "mistral", "qwen2", "qwen3", NULL};

static bool can_be_narrowed(const lm_teaching *t, lm_status *st)
{
    for (const char *const *f = families; *f; f++)
        if (strcmp(t->model->plugin->name, *f) == 0)
            return true;
    return lm_fail(st, LM_USAGE, "--init-from-teacher: layers of %s cannot be made narrower: leave --width, --heads and --inner out, or "
                   "make the student with -a alone", t->model->plugin->name);
}

/* A number of the teacher's config.json, under the name that most families have for it; 0 = it has none. */
static int of_config(const lm_teaching *t, const char *key)
{
    lm_config *c = t->model->config;
    return lm_config_has(c, key) && json_is_integer(lm_config_member(c, key)) ? (int)json_integer_value(lm_config_member(c, key)) : 0;
}

static int inner_width(const lm_teaching *t)
{
    int inner = of_config(t, "intermediate_size");
    inner = inner ? inner : of_config(t, "hidden_dim"); /* DistilBERT's word */
    return inner ? inner : 4 * t->model->arch.width;
}

static bool sizes_can_be(const lm_narrow_sizes *s, const lm_teaching *t, int inner, lm_status *st)
{
    const lm_arch *a = &t->model->arch;
    bool free_heads = of_config(t, "head_dim") > 0;
    int head = a->heads ? a->width / a->heads : 0, kv = of_config(t, "num_key_value_heads");
    if (s->width > a->width || s->heads > a->heads || s->inner > inner)
        return lm_fail(st, LM_USAGE, "--init-from-teacher: the teacher has width %d, %d heads and an inner width of %d, and no part of it "
                       "can become larger (%d, %d, %d): make the student with -a alone", a->width, a->heads, inner, s->width, s->heads,
                       s->inner);
    if (s->width < 2 || s->heads < 1 || s->inner < 1 || (!free_heads && s->heads * head != s->width))
        return lm_fail(st, LM_USAGE, "--init-from-teacher: the teacher's heads are %d wide, and go to the student whole: "
                       "--width %d --heads %d cannot be, but --width %d can", head, s->width, s->heads,
                       s->width > head ? s->width / head * head : head);
    if (kv && s->heads * kv % a->heads)
        return lm_fail(st, LM_USAGE, "--init-from-teacher: %d of the teacher's heads share their keys and values, and go to the student "
                       "together: --heads %d cannot be", a->heads / kv, s->heads);
    return true;
}

bool lm_narrow_sizes_of(lm_narrow_sizes *s, const lm_teaching *t, const lm_new_model *asked, lm_status *st)
{
    const lm_arch *a = &t->model->arch;
    int inner = inner_width(t), kv = of_config(t, "num_key_value_heads"), width = asked->width ? (int)asked->width : a->width;
    bool free_heads = of_config(t, "head_dim") > 0;
    int heads = free_heads ? a->heads : (int)((int64_t)a->heads * width / a->width);
    *s = (lm_narrow_sizes){.width = width, .heads = asked->heads ? (int)asked->heads : heads,
                           .inner = asked->inner ? (int)asked->inner : (int)((int64_t)inner * width / a->width)};
    s->kv_heads = kv && a->heads ? (int)((int64_t)kv * s->heads / a->heads) : 0;
    s->changed = s->width != a->width || s->heads != a->heads || s->inner != inner;
    return !s->changed || (can_be_narrowed(t, st) && sizes_can_be(s, t, inner, st));
}

/* ------------------------------------------------------------------ what a parameter's sides are */

typedef enum side { FIXED, STATE, HEADS, INNER, POOLED } side;

/* The layer that a parameter is of, by the end of its name, what it writes and what it reads. */
typedef struct role {
    const char *layer;
    side out, in;
    bool is_norm;
    bool asks; /* queries and keys: they do not say what a head is worth */
} role;

static const role roles[] = {
    /* BERT, RoBERTa, ELECTRA */
    {.layer = "attention.self.query", .out = HEADS, .in = STATE, .asks = true},
    {.layer = "attention.self.key", .out = HEADS, .in = STATE, .asks = true},
    {.layer = "attention.self.value", .out = HEADS, .in = STATE},
    {.layer = "attention.output.dense", .out = STATE, .in = HEADS},
    {.layer = "intermediate.dense", .out = INNER, .in = STATE},
    {.layer = "output.dense", .out = STATE, .in = INNER},
    {.layer = "word_embeddings", .out = FIXED, .in = STATE},
    {.layer = "position_embeddings", .out = FIXED, .in = STATE},
    {.layer = "token_type_embeddings", .out = FIXED, .in = STATE},
    {.layer = "embeddings_project", .out = STATE, .in = FIXED},
    {.layer = "LayerNorm", .is_norm = true},
    {.layer = "layer_norm", .is_norm = true},
    /* DistilBERT */
    {.layer = "attention.q_lin", .out = HEADS, .in = STATE, .asks = true},
    {.layer = "attention.k_lin", .out = HEADS, .in = STATE, .asks = true},
    {.layer = "attention.v_lin", .out = HEADS, .in = STATE},
    {.layer = "attention.out_lin", .out = STATE, .in = HEADS},
    {.layer = "ffn.lin1", .out = INNER, .in = STATE},
    {.layer = "ffn.lin2", .out = STATE, .in = INNER},
    /* Llama and its like */
    {.layer = "self_attn.q_proj", .out = HEADS, .in = STATE, .asks = true},
    {.layer = "self_attn.k_proj", .out = HEADS, .in = STATE, .asks = true},
    {.layer = "self_attn.v_proj", .out = HEADS, .in = STATE},
    {.layer = "self_attn.o_proj", .out = STATE, .in = HEADS},
    {.layer = "mlp.gate_proj", .out = INNER, .in = STATE},
    {.layer = "mlp.up_proj", .out = INNER, .in = STATE},
    {.layer = "mlp.down_proj", .out = STATE, .in = INNER},
    {.layer = "embed_tokens", .out = FIXED, .in = STATE},
    {.layer = "input_layernorm", .is_norm = true},
    {.layer = "post_attention_layernorm", .is_norm = true},
    {.layer = "norm", .is_norm = true},
    /* heads */
    {.layer = "pooler.dense", .out = POOLED, .in = STATE},
    {.layer = "pre_classifier", .out = POOLED, .in = STATE},
    {.layer = "classifier.dense", .out = POOLED, .in = STATE},
    {.layer = "classifier.out_proj", .out = FIXED, .in = POOLED},
    {.layer = "classifier", .out = FIXED, .in = POOLED},
    {.layer = "seq_relationship", .out = FIXED, .in = POOLED},
    {.layer = "score", .out = FIXED, .in = STATE},
    {.layer = "qa_outputs", .out = FIXED, .in = STATE},
    {.layer = "transform.dense", .out = STATE, .in = STATE},
    {.layer = "generator_predictions.dense", .out = STATE, .in = STATE},
    {.layer = "vocab_transform", .out = STATE, .in = STATE},
    {.layer = "lm_head.dense", .out = STATE, .in = STATE},
    {.layer = "decoder", .out = FIXED, .in = STATE},
    {.layer = "vocab_projector", .out = FIXED, .in = STATE},
    {.layer = "lm_head", .out = FIXED, .in = STATE},
};

/* NULL = it is not known. "self.query.weight" is of "query", and "sa_layer_norm.weight" of "layer_norm". */
static const role *role_of(const char *name)
{
    const char *end = strrchr(name, '.');
    size_t n = end ? (size_t)(end - name) : 0;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        size_t length = strlen(roles[i].layer);
        if (n < length || memcmp(end - length, roles[i].layer, length) != 0)
            continue;
        char before = n > length ? end[-(ptrdiff_t)length - 1] : '.';
        if (before == '.' || (before == '_' && roles[i].is_norm))
            return &roles[i];
    }
    return NULL;
}

static bool is_bias(const char *name)
{
    return strcmp(strrchr(name, '.') ? strrchr(name, '.') : "", ".bias") == 0;
}

/* ------------------------------------------------------------------ which heads, which columns */

/* Of a side that is not mixed, the units (heads with what they share, columns) that the student gets. */
typedef struct units {
    int all, kept; /* all 0: there are none */
    int *unit;     /* [kept] ascending */
} units;

struct lm_narrowing {
    const lm_teaching *t;
    int from, to;      /* widths */
    float *directions; /* [to, from]; NULL = the same width */
    units *heads, *inner; /* of each of the teacher's blocks */
    units pooled;
};

typedef struct worth {
    double written, read;
    int unit;
} worth;

static int by_worth(const void *a, const void *b)
{
    const worth *x = a, *y = b;
    double p = x->written * x->read, q = y->written * y->read;
    return p != q ? (p < q) - (p > q) : (x->unit > y->unit) - (x->unit < y->unit);
}

static int by_place(const void *a, const void *b)
{
    const int *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Adds the squares of p to the units whose side it writes or reads; a unit is as many columns of each parameter as these have. */
static bool weigh(lm_param *p, const role *r, side s, worth *w, int all, lm_status *st)
{
    int rows = (int)p->shape.size[0], columns = p->shape.dims > 1 ? (int)p->shape.size[1] : 1, length = r->out == s ? rows : columns;
    if (length % all)
        return lm_fail(st, LM_FAILED, "--init-from-teacher: %s has %d columns, which are no multiple of %d", p->name, length, all);
    if (!lm_param_ready(p, st))
        return false;
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
            double x = p->value[(size_t)i * (size_t)columns + (size_t)j];
            worth *unit = &w[(r->out == s ? i : j) / (length / all)];
            *(r->out == s ? &unit->written : &unit->read) += x * x;
        }
    }
    return true;
}

static bool is_of(const char *name, const char *scope)
{
    size_t n = strlen(scope);
    return !scope[0] || (strncmp(name, scope, n) == 0 && name[n] == '.');
}

/* The units of side s, of the parameters below scope. */
static bool choose(lm_narrowing *n, const char *scope, side s, int all, int kept, units *out, lm_status *st)
{
    worth *w = lm_calloc((size_t)all + 1, sizeof *w);
    for (int i = 0; i < all; i++)
        w[i].unit = i;
    lm_params *params = n->t->model->params;
    for (size_t i = 0; i < lm_params_count(params) && lm_ok(st); i++) {
        lm_param *p = lm_params_at(params, i);
        const role *r = is_of(p->name, scope) && !is_bias(p->name) ? role_of(p->name) : NULL;
        if (r && !r->asks && (r->out == s || r->in == s))
            weigh(p, r, s, w, all, st);
    }
    qsort(w, (size_t)all, sizeof *w, by_worth);
    *out = (units){.all = all, .kept = kept, .unit = lm_calloc((size_t)kept + 1, sizeof *out->unit)};
    for (int i = 0; i < kept; i++)
        out->unit[i] = w[i].unit;
    qsort(out->unit, (size_t)kept, sizeof *out->unit, by_place);
    free(w);
    return lm_ok(st);
}

/* Whether its norms take the mean away: those that do have a bias. */
static bool takes_means(const lm_model *m)
{
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        const char *name = lm_params_at(m->params, i)->name;
        const role *r = role_of(name);
        if (r && r->is_norm && is_bias(name))
            return true;
    }
    return false;
}

/* The side of a pooler, which is as wide as the hidden state. */
static bool has_pooler(const lm_model *m)
{
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        const role *r = role_of(lm_params_at(m->params, i)->name);
        if (r && r->out == POOLED)
            return true;
    }
    return false;
}

static int student_inner(const lm_model *m, int otherwise)
{
    const char *key = lm_config_has(m->config, "hidden_dim") ? "hidden_dim" : "intermediate_size";
    return lm_config_int(m->config, key, otherwise);
}

/* Heads, inner columns and a pooler's. */
static bool choose_all(lm_narrowing *n, const lm_narrow_sizes *s, lm_status *st)
{
    const lm_model *m = n->t->model;
    int kv = of_config(n->t, "num_key_value_heads"), groups = kv ? kv : m->arch.heads;
    for (int i = 0; i < m->arch.layers; i++) {
        lm_scope block = lm_model_block(m, i);
        if (!choose(n, block.name, HEADS, groups, groups * s->heads / m->arch.heads, &n->heads[i], st) ||
            !choose(n, block.name, INNER, inner_width(n->t), s->inner, &n->inner[i], st))
            return false;
    }
    return !has_pooler(m) || choose(n, "", POOLED, n->from, n->to, &n->pooled, st);
}

lm_narrowing *lm_narrowing_new(const lm_teaching *t, const lm_model *student, lm_status *st)
{
    const lm_arch *a = &t->model->arch, *b = &student->arch;
    lm_new_model is = {.width = b->width, .heads = b->heads, .inner = student_inner(student, inner_width(t))};
    lm_narrow_sizes sizes;
    if (!lm_narrow_sizes_of(&sizes, t, &is, st) || !sizes.changed)
        return NULL;
    lm_narrowing *n = lm_calloc(1, sizeof *n);
    *n = (lm_narrowing){.t = t, .from = a->width, .to = b->width};
    n->heads = lm_calloc(2 * (size_t)a->layers + 1, sizeof *n->heads);
    n->inner = n->heads + a->layers;
    bool ok = choose_all(n, &sizes, st);
    if (ok && n->from != n->to)
        ok = (n->directions = lm_narrow_directions(t, n->to, takes_means(t->model), st)) != NULL;
    if (ok)
        return n;
    lm_narrowing_free(n);
    return NULL;
}

void lm_narrowing_free(lm_narrowing *n)
{
    if (!n)
        return;
    for (int i = 0; i < 2 * n->t->model->arch.layers; i++)
        free(n->heads[i].unit);
    free(n->heads);
    free(n->pooled.unit);
    free(n->directions);
    free(n);
}

/* ------------------------------------------------------------------ a parameter */

static const units *units_of(const lm_narrowing *n, side s, int block)
{
    if (s == POOLED)
        return n->pooled.all ? &n->pooled : NULL;
    return block < 0 ? NULL : s == HEADS ? &n->heads[block] : s == INNER ? &n->inner[block] : NULL;
}

/* A classifier without a pooler before it reads the hidden state. */
static side as_it_is(const lm_narrowing *n, side s)
{
    return s == POOLED && !n->pooled.all ? STATE : s;
}

/* Which of `from` columns are the `to` that the student has; NULL: none can be. Malloced. */
static int *columns_of(const lm_narrowing *n, side s, int block, int from, int to)
{
    const units *u = units_of(n, s, block);
    int each = u ? from / u->all : 1;
    if (u ? from % u->all || to != u->kept * each : from != to)
        return NULL;
    int *columns = lm_calloc((size_t)to + 1, sizeof *columns);
    for (int i = 0; i < to; i++)
        columns[i] = u ? u->unit[i / each] * each + i % each : i;
    return columns;
}

/* Whether a side is the hidden state, which is mixed; the embeddings of some models (ELECTRA) have a width of their own. */
static bool is_mixed(const lm_narrowing *n, side s, int from)
{
    return s == STATE && n->directions && from == n->from;
}

/* What is read: x [rows, from] becomes [rows, to], malloced; NULL: it cannot. */
static float *narrow_in(const lm_narrowing *n, side s, int block, const float *x, int rows, int from, int to)
{
    bool mixed = is_mixed(n, s, from);
    int *columns = mixed ? NULL : columns_of(n, s, block, from, to);
    if (mixed ? to != n->to : !columns)
        return NULL;
    float *y = lm_malloc((size_t)rows * (size_t)to + 1, sizeof *y);
    if (mixed)
        lm_linear_forward(x, n->directions, NULL, y, rows, to, from);
    for (int r = 0; columns && r < rows; r++)
        for (int i = 0; i < to; i++)
            y[(size_t)r * (size_t)to + (size_t)i] = x[(size_t)r * (size_t)from + (size_t)columns[i]];
    free(columns);
    return y;
}

/* What is written: x [from, columns] becomes [to, columns], in y. */
static bool narrow_out(const lm_narrowing *n, side s, int block, const float *x, int from, int to, int columns, float *y)
{
    bool mixed = is_mixed(n, s, from);
    int *rows = mixed ? NULL : columns_of(n, s, block, from, to);
    if (mixed ? to != n->to : !rows)
        return false;
    if (mixed)
        lm_linear_backward_input(n->directions, x, y, to, from, columns, false);
    for (int i = 0; rows && i < to; i++)
        memcpy(y + (size_t)i * (size_t)columns, x + (size_t)rows[i] * (size_t)columns, (size_t)columns * sizeof *y);
    free(rows);
    return true;
}

/* Scales of a norm: of each of the student's columns their mean, by the squares of what it has of the teacher's. */
static void narrow_scales(const lm_narrowing *n, const float *from, float *to)
{
    double root = sqrt((double)n->from / n->to);
    for (int j = 0; j < n->to; j++) {
        const float *p = n->directions + (size_t)j * (size_t)n->from;
        double sum = 0;
        for (int i = 0; i < n->from; i++)
            sum += (double)p[i] * p[i] * from[i];
        to[j] = (float)(root * sum);
    }
}

bool lm_narrowing_give(lm_narrowing *n, lm_param *from, int block, lm_param *to, bool *done, lm_status *st)
{
    const role *r = role_of(from->name);
    int rank = from->shape.dims, rows = (int)from->shape.size[0], columns = rank > 1 ? (int)from->shape.size[1] : 1;
    int to_rows = (int)to->shape.size[0], to_columns = rank > 1 ? (int)to->shape.size[1] : 1;
    *done = false;
    if (!r || rank > 2 || to->shape.dims != rank || from->transposed || to->transposed)
        return true;
    if (!lm_param_ready(from, st) || !lm_param_own(to, st))
        return false;
    bool vector = rank == 1, scales = r->is_norm && !is_bias(from->name);
    side out = r->is_norm ? STATE : as_it_is(n, r->out), in = vector ? FIXED : as_it_is(n, r->in);
    if (scales && is_mixed(n, STATE, rows)) {
        *done = to_rows == n->to;
        if (*done)
            narrow_scales(n, from->value, to->value);
        return true;
    }
    float *half = narrow_in(n, in, block, from->value, rows, columns, to_columns);
    *done = half && narrow_out(n, out, block, half, rows, to_rows, to_columns, to->value);
    free(half);
    return true;
}
