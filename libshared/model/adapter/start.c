/* New adapters, and the values that they begin with. */
#include "model/adapter/adapter_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "model/adapter/svd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START_SEED = 42 }; /* of subspaces: the start of a stored adapter is found again */

/* ------------------------------------------------------------------ parts of the base */

/* [out, in] of a matrix as it is stored, which is freed or handed on. NULL: no memory. */
static float *as_layer(const lm_param *w, float *v, lm_status *st)
{
    if (!v || !w->transposed)
        return v;
    size_t rows = (size_t)w->shape.size[0], columns = (size_t)w->shape.size[1];
    float *turned = lm_try_malloc(w->elements, sizeof *turned, w->name, st);
    for (size_t r = 0; turned && r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            turned[c * rows + r] = v[r * columns + c];
    free(v);
    return turned;
}

/* The base's matrix, [out, in]. */
static float *layer_values(const lm_param *w, lm_status *st)
{
    float *v = lm_try_malloc(w->elements, sizeof *v, w->name, st);
    if (v && !lm_param_read(w, v, st)) {
        free(v);
        return NULL;
    }
    return as_layer(w, v, st);
}

/* scale B A becomes the part of w [out, in] with the largest singular values. */
static bool split_svd(const float *w, int iterations, lm_adapter *a, lm_status *st)
{
    size_t out = (size_t)a->b->shape.size[0], in = (size_t)a->a->shape.size[1], r = (size_t)a->rank;
    float *u = lm_malloc(out * r, sizeof *u), *s = lm_malloc(r, sizeof *s), *v = lm_malloc(in * r, sizeof *v);
    bool ok = lm_svd_truncated(w, (int)out, (int)in, a->rank, iterations, START_SEED, u, s, v, st);
    for (size_t k = 0; ok && k < r; k++) {
        float root = sqrtf(s[k] / fabsf(a->scale));
        for (size_t j = 0; j < in; j++)
            a->a->value[k * in + j] = root * v[j * r + k];
        for (size_t i = 0; i < out; i++)
            a->b->value[i * r + k] = root * u[i * r + k];
    }
    free(u);
    free(s);
    free(v);
    return ok;
}

bool lm_adapter_approximate(lm_adapter *a, const float *values, int iterations, lm_status *st)
{
    bool table = a->place == LM_ADAPTS_TABLE; /* its B A is [width, rows] */
    lm_param shape = {.name = a->weight->name, .shape = a->weight->shape, .elements = a->weight->elements,
                      .transposed = table || a->weight->transposed};
    float *copy = lm_try_malloc(shape.elements, sizeof *copy, shape.name, st);
    if (copy)
        memcpy(copy, values, shape.elements * sizeof *copy);
    float *w = as_layer(&shape, copy, st);
    bool ok = w && split_svd(w, iterations, a, st);
    free(w);
    return ok;
}

/* B becomes the first columns of Q, A the first rows of R (OLoRA, Buyukakyuz 2024, arXiv 2406.01775): B A is then the projection of
 * W on the span of its first columns. */
static void split_qr(const float *w, lm_adapter *a)
{
    size_t out = (size_t)a->b->shape.size[0], in = (size_t)a->a->shape.size[1], r = (size_t)a->rank;
    double *q = lm_calloc(out * r, sizeof *q); /* [r, out] */
    for (size_t k = 0; k < r; k++)
        for (size_t i = 0; i < out; i++)
            q[k * out + i] = w[i * in + k];
    lm_orthonormalise(q, (int)r, (int)out);
    for (size_t k = 0; k < r; k++) {
        for (size_t i = 0; i < out; i++)
            a->b->value[i * r + k] = (float)q[k * out + i];
        for (size_t j = 0; j < in; j++) {
            double sum = 0;
            for (size_t i = 0; i < out; i++)
                sum += q[k * out + i] * (double)w[i * in + j];
            a->a->value[k * in + j] = (float)sum;
        }
    }
    free(q);
}

static bool split_base(const lm_adapter_config *c, lm_adapter *a, lm_status *st)
{
    int iterations = -1; /* "pissa": as exact as can be */
    float *w = layer_values(a->weight, st);
    if (!w)
        return false;
    sscanf(c->init, "pissa_niter_%d", &iterations);
    bool ok = true;
    if (strcmp(c->init, "olora") == 0)
        split_qr(w, a);
    else
        ok = split_svd(w, iterations, a, st);
    free(w);
    return ok;
}

/* Attaches the adapter that takes away what a part of the last adapter began with. */
static bool add_start(lm_model *m, lm_model_adapter *to, size_t i, lm_status *st)
{
    char name[32];
    lm_adapter *a = to->parts[i].adapter;
    snprintf(name, sizeof name, "start%zu", m->adapter_count - 1);
    lm_adapter *start = lm_adapter_attach(m->params, to->parts[i].module,
                                          &(lm_adapter_spec){.rank = a->rank, .scale = -a->scale, .name = name}, st);
    if (!start || !lm_param_initialise(start->a, 0, st) || !lm_param_initialise(start->b, 0, st))
        return false;
    to->parts[i].start = start;
    return split_base(to->config, start, st);
}

bool lm_adapter_reduce(lm_model *m, lm_model_adapter *to, lm_status *st)
{
    if (!lm_adapter_takes_from_base(to->config)) {
        return !lm_adapter_needs_start(to->config) ||
               lm_fail(st, LM_FAILED, "init_lora_weights: %s: the adapter goes with a base that PEFT has changed as it began, which "
                       "cannot be done again from these files: convert it with PEFT (path_initial_model_for_weight_conversion)",
                       to->config->init);
    }
    for (size_t i = 0; i < to->count; i++)
        if (to->parts[i].adapter->place == LM_ADAPTS_LAYER && !add_start(m, to, i, st))
            return false;
    return true;
}

/* ------------------------------------------------------------------ a part's first values */

/* The layer's matrix in the model that was quantised, less what the base has. */
static bool begin_loftq(const lm_model *original, const char *module, lm_adapter *a, lm_status *st)
{
    char name[LM_NAME_MAX];
    snprintf(name, sizeof name, "%.*s.weight", LM_NAME_MAX - 8, module);
    const lm_param *from = lm_params_find(original->params, name);
    if (!from || !lm_shape_equal(&from->shape, &a->weight->shape))
        return lm_fail(st, LM_FAILED, "%s: the model for LoftQ's start has no such matrix, or one of another shape: give the one that "
                       "was quantised", name);
    float *w = layer_values(from, st), *base = w ? layer_values(a->weight, st) : NULL;
    if (base)
        lm_vector_axpy(-1, base, w, a->weight->elements);
    bool ok = base && split_svd(w, -1, a, st);
    free(w);
    free(base);
    return ok;
}

static bool begin_magnitude(lm_adapter *a, lm_status *st)
{
    float *w = lm_try_malloc(a->weight->elements, sizeof *w, a->weight->name, st);
    float *delta = w ? lm_try_malloc(a->weight->elements, sizeof *delta, a->weight->name, st) : NULL;
    bool ok = delta && lm_param_read(a->weight, w, st) && lm_adapter_delta(a, delta, st);
    if (ok) {
        lm_vector_axpy(1, delta, w, a->weight->elements);
        lm_adapter_norms(a, w, a->magnitude->value);
    }
    free(w);
    free(delta);
    return ok;
}

static bool begin(struct lm_adapted_part *part, const lm_adapter_config *c, uint64_t seed, const lm_model *original,
                  lm_status *st)
{
    lm_adapter *a = part->adapter;
    bool layer = a->place == LM_ADAPTS_LAYER;
    if (layer && strcmp(c->init, "gaussian") == 0)
        a->a->init = lm_normal(1.0 / a->rank);
    if (layer && strcmp(c->init, "false") == 0) /* torch.nn.Linear's own */
        a->b->init = lm_uniform(1 / sqrt(a->rank));
    lm_param *all[] = {a->a, a->b, a->bias, a->magnitude};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] && !lm_param_initialise(all[i], seed, st))
            return false;
    if (layer && strcmp(c->init, "loftq") == 0 && !begin_loftq(original, part->module, a, st))
        return false;
    if (layer && lm_adapter_takes_from_base(c)) { /* the same as its start, which is taken away */
        memcpy(a->a->value, part->start->a->value, a->a->elements * sizeof(float));
        memcpy(a->b->value, part->start->b->value, a->b->elements * sizeof(float));
    }
    return !a->magnitude || begin_magnitude(a, st);
}

/* ------------------------------------------------------------------ choosing */

/* "query, key, value, dense": what names of modules end in. */
static void list_endings(const lm_module *modules, size_t n, lm_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const char *end = strrchr(modules[i].name, '.');
        end = end ? end + 1 : modules[i].name;
        bool known = false;
        for (size_t k = 0; k < i && !known; k++) {
            const char *other = strrchr(modules[k].name, '.');
            known = strcmp(other ? other + 1 : modules[k].name, end) == 0;
        }
        if (!known)
            lm_buf_printf(out, "%s%s", out->len ? ", " : "", end);
    }
}

static bool fail_nothing(const lm_adapter_config *c, const lm_module *modules, size_t n, lm_status *st)
{
    lm_buf named = {0}, there = {0};
    for (size_t i = 0; i < c->target.count; i++)
        lm_buf_printf(&named, "%s%s", i ? "," : "", c->target.names[i]);
    list_endings(modules, n, &there);
    lm_fail(st, LM_USAGE, "target_modules: %s: no module of this model is called so: its modules end in %s; or take all-linear",
            c->target.regex ? c->target.regex : named.len ? lm_buf_cstr(&named) : "its default", lm_buf_cstr(&there));
    lm_buf_free(&named);
    lm_buf_free(&there);
    return false;
}

static bool check_rank(const lm_module *module, int rank, lm_status *st)
{
    const lm_shape *s = &module->weight->shape;
    int64_t most = s->size[0] < s->size[1] ? s->size[0] : s->size[1];
    if (rank <= most)
        return true;
    lm_buf shape = {0};
    lm_shape_print(s, &shape);
    lm_fail(st, LM_USAGE, "r: a rank of %d for %s, whose weight is %s: %lld is the most that says anything", rank, module->name,
            lm_buf_cstr(&shape), (long long)most);
    lm_buf_free(&shape);
    return false;
}

/* What of the model's own parameters goes with the adapter. */
static void mark_saved(lm_model *m, lm_model_adapter *to)
{
    for (size_t i = 0; i < m->adapter_from; i++) {
        const lm_param *p = lm_params_at(m->params, i);
        to->saved[i] = lm_is_saved_module(to->config, p->name) || (to->config->bias == LM_BIAS_ALL && lm_ends_in(p->name, ".bias"));
    }
    for (size_t i = 0; to->config->bias == LM_BIAS_LORA_ONLY && i < to->count; i++) {
        if (to->parts[i].bias)
            to->saved[to->parts[i].bias->index] = true;
    }
}

static bool attach_targets(lm_model *m, lm_model_adapter *to, lm_module_matcher *matcher, lm_status *st)
{
    char slot[24] = "";
    size_t n;
    lm_module *modules = lm_modules_of(m, &n);
    if (m->adapter_count > 1)
        snprintf(slot, sizeof slot, "%zu", m->adapter_count - 1);
    for (size_t i = 0; i < n && lm_ok(st); i++) {
        if (!lm_module_is_target(matcher, &modules[i]))
            continue;
        int rank = lm_module_rank(matcher, modules[i].name);
        lm_adapter_spec spec = {.place = modules[i].place, .rank = rank, .scale = lm_module_scale(matcher, modules[i].name, rank),
                                .dropout = to->config->dropout, .magnitude = to->config->dora,
                                .bias = to->config->lora_bias && modules[i].place == LM_ADAPTS_LAYER, .name = slot};
        if (check_rank(&modules[i], rank, st) && lm_model_adapter_add(m, modules[i].name, &spec, st))
            to->config->fan_in_fan_out |= modules[i].weight->transposed;
    }
    if (lm_ok(st) && !to->count)
        fail_nothing(to->config, modules, n, st);
    free(modules);
    return lm_ok(st);
}

bool lm_model_adapt(lm_model *m, lm_adapter_config *config, uint64_t seed, lm_model *original, lm_status *st)
{
    lm_model_adapter *to = lm_model_adapter_new(m, config);
    if (!lm_default_targets(config, lm_config_string(m->config, "model_type", ""), st))
        return false;
    if (strcmp(config->init, "loftq") == 0 && !original)
        return lm_fail(st, LM_USAGE, "init_lora_weights: loftq: needs the model as it was before it was quantised: name it, too");
    lm_module_matcher *matcher = lm_module_matcher_new(config, st);
    bool ok = matcher && attach_targets(m, to, matcher, st);
    lm_module_matcher_free(matcher);
    if (!ok)
        return false;
    mark_saved(m, to);
    for (size_t i = 0; i < to->count; i++) {
        bool starts = lm_adapter_takes_from_base(config) && to->parts[i].adapter->place == LM_ADAPTS_LAYER;
        if ((starts && !add_start(m, to, i, st)) || !begin(&to->parts[i], config, seed, original, st))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ what is trained */

bool lm_adapter_trains(const lm_model *m, const lm_param *p)
{
    if (!m->adapter_count)
        return false;
    const lm_model_adapter *last = &m->adapters[m->adapter_count - 1];
    if (p->index < m->adapter_from)
        return last->saved[p->index];
    for (size_t i = 0; i < last->count; i++) {
        const lm_adapter *a = last->parts[i].adapter;
        if (p == a->a || p == a->b || p == a->bias || p == a->magnitude)
            return true;
    }
    return false;
}
