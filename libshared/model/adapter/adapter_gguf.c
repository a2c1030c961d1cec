/* Adapters in llama.cpp's form (src/llama-adapter.cpp there says what it reads). */
#include "model/adapter/merge.h"
#include "model/adapter/adapter_internal.h"

#include "base/atomic.h"
#include "base/memory.h"
#include "model/gguf/gguf_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A or B of a module, as it stands there. */
typedef struct half {
    char name[LM_GGUF_NAME_MAX + 16];
    lm_shape shape;
    float *values;
} half;

typedef struct writing {
    lm_gguf_names *names;
    half *halves;
    size_t count;
    float alpha; /* of all: what is otherwise is part of B */
} writing;

/* What llama.cpp has no place for. */
static bool check(const lm_model *m, lm_status *st)
{
    const lm_model_adapter *a = &m->adapters[0];
    if (m->adapter_count > 1)
        return lm_fail(st, LM_USAGE, "%s: the base has an adapter of its own, and a file for llama.cpp has one: give the bare base",
                       m->path);
    for (size_t i = 0; i < m->adapter_from; i++)
        if (a->saved[i])
            return lm_fail(st, LM_FAILED, "%s: goes with the adapter as a whole, and llama.cpp's adapters have low-rank matrices "
                           "alone: merge it (lora --merge), and convert the model", lm_params_at(m->params, i)->name);
    for (size_t i = 0; i < a->count; i++) {
        const struct lm_adapted_part *p = &a->parts[i];
        const lm_adapter *of = p->adapter;
        const char *what = of->magnitude ? "DoRA's magnitudes" : of->bias ? "biases of B" : p->start ? "PiSSA's start" : NULL;
        if (what)
            return lm_fail(st, LM_FAILED, "%s: llama.cpp's adapters have no place for %s: merge it (lora --merge), and convert the "
                           "model", p->module, what);
    }
    return true;
}

static bool is_table(const lm_adapter *a)
{
    return a->place == LM_ADAPTS_TABLE;
}

/* A, which for a table stands there by words; or B, whose rows go where those of the weight do. */
static bool convert(half *h, const lm_adapter *a, bool first, const lm_gguf_weight *weight, float factor, lm_status *st)
{
    lm_param *p = first ? a->a : a->b;
    lm_gguf_weight how = *weight;
    lm_shape here = p->shape;
    if (!lm_param_ready(p, st))
        return false;
    const float *values = p->value;
    float *turned = NULL;
    if (first && is_table(a)) {
        size_t r = (size_t)here.size[0], n = (size_t)here.size[1];
        here = (lm_shape){2, {(int64_t)n, (int64_t)r}};
        turned = lm_malloc(r * n, sizeof *turned);
        for (size_t k = 0; k < r; k++)
            for (size_t j = 0; j < n; j++)
                turned[j * r + k] = p->value[k * n + j];
        values = turned;
    }
    if (first != is_table(a)) /* the other side of the matrix is as it was */
        how.heads = how.first_row = 0;
    how.transposed = false;
    how.offset = 0;
    snprintf(h->name, sizeof h->name, "%s.lora_%c", how.there, first ? 'a' : 'b');
    bool ok = lm_gguf_shape_there(&how, &here, &h->shape);
    if (ok) {
        h->values = lm_malloc((size_t)h->shape.size[0] * (size_t)h->shape.size[1], sizeof *h->values);
        ok = lm_gguf_rows_there(&how, &here, LM_F32, values, 0, h->shape.size[0], h->values);
        for (size_t i = 0; ok && !first && factor != 1 && i < p->elements; i++)
            h->values[i] *= factor;
    }
    free(turned);
    return ok || lm_fail(st, LM_FAILED, "%s: has no shape that a GGUF file could hold", p->name);
}

static bool collect(writing *w, const lm_model *m, lm_status *st)
{
    const lm_model_adapter *a = &m->adapters[0];
    w->halves = lm_calloc(2 * a->count + 1, sizeof *w->halves);
    for (size_t i = 0; i < a->count; i++) {
        const lm_adapter *p = a->parts[i].adapter;
        lm_gguf_weight how;
        char *name = lm_format("%s.weight", a->parts[i].module);
        lm_gguf_place place = lm_gguf_place_of(w->names, name, &how);
        if (place != LM_GGUF_STORED || strlen(how.there) + strlen(".lora_a") > LM_GGUF_NAME_MAX)
            lm_fail(st, LM_FAILED, "%s: has no name in GGUF files: leave it out of the targets", name);
        free(name);
        float alpha = p->scale * (float)p->rank;
        w->alpha = i ? w->alpha : alpha;
        for (int first = 1; lm_ok(st) && first >= 0; first--)
            convert(&w->halves[w->count++], p, first, &how, alpha / w->alpha, st);
        if (!lm_ok(st))
            return false;
    }
    return true;
}

static bool to_file(void *context, const void *bytes, size_t n, lm_status *st)
{
    lm_output_file *f = context;
    return lm_write_all(lm_output_file_fd(f), bytes, n, lm_output_file_name(f), st);
}

static bool write_file(const writing *w, const char *output, lm_status *st)
{
    lm_gguf_writer *g = lm_gguf_writer_new(output);
    lm_gguf_put_string(g, "general.type", lm_str_of("adapter"));
    lm_gguf_put_string(g, "general.architecture", lm_str_of(lm_gguf_names_architecture(w->names)));
    lm_gguf_put_string(g, "adapter.type", lm_str_of("lora"));
    lm_gguf_put_f32(g, "adapter.lora.alpha", w->alpha);
    for (size_t i = 0; i < w->count; i++)
        lm_gguf_put_tensor(g, w->halves[i].name, LM_F32, &w->halves[i].shape);
    lm_output_file *f = lm_output_file_open(output, st);
    bool ok = f && lm_gguf_write_header(g, to_file, f, st);
    for (size_t i = 0; ok && i < w->count; i++) {
        const lm_shape *s = &w->halves[i].shape;
        ok = lm_gguf_write_data(g, w->halves[i].values, (size_t)s->size[0] * (size_t)s->size[1] * sizeof(float), st);
    }
    ok = ok && lm_gguf_write_end(g, st);
    lm_gguf_writer_free(g);
    if (ok)
        return lm_output_file_publish(f, st);
    if (f)
        lm_output_file_discard(f, false);
    return false;
}

bool lm_adapter_write_gguf(const char *adapter, const char *base, const char *output, lm_status *st)
{
    writing w = {0};
    lm_model *m = lm_model_open(base, &(lm_model_options){.adapters = &adapter, .adapter_count = 1}, st);
    bool ok = m && check(m, st) && (w.names = lm_gguf_names_new(m->config, true, st)) && collect(&w, m, st) &&
              write_file(&w, output, st);
    for (size_t i = 0; i < w.count; i++)
        free(w.halves[i].values);
    free(w.halves);
    lm_gguf_names_free(w.names);
    lm_model_free(m);
    return ok;
}
