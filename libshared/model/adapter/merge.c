/* Adapters become part of the weights, tensor by tensor. */
#include "model/adapter/merge.h"
#include "model/adapter/adapter_internal.h"

#include "base/atomic.h"
#include "base/memory.h"
#include "base/random.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

const char *const lm_merge_method_names[] = {"linear", "ties", "dare_linear", "dare_ties", NULL};

typedef struct merging {
    const lm_merge_options *o;
    lm_model *m;
    size_t first; /* adapters that are the base's own */
    lm_merge_report *report;
    const lm_param *farthest; /* the tensor with the largest change */
    double changes, numbers;  /* sums for the mean */
    float *values, *scratch; /* of the tensor at hand, of the largest one's size */
    float **deltas;          /* [adapters] the same, where changes are more than added up */
    lm_status *st;
} merging;

static double weight_of(const merging *x, size_t k)
{
    return x->o->weights ? x->o->weights[k] : 1;
}

/* ------------------------------------------------------------------ one tensor's change */

/* values += factor times what adapter k of the model changes in p. */
static bool apply(const merging *x, size_t k, const lm_param *p, float factor, float *values)
{
    return lm_model_adapter_apply(&x->m->adapters[k], p, factor, values, x->scratch, x->st);
}

static void swap(float *a, float *b)
{
    float was = *a;
    *a = *b;
    *b = was;
}

/* The number that would stand at `place` if v fell; v is put in another order (Hoare 1961). */
static float select_falling(float *v, size_t n, size_t place)
{
    size_t from = 0, to = n;
    while (to - from > 1) {
        float pivot = v[from + (to - from) / 2];
        size_t above = from, below = to, i = from; /* [from, above) are larger than the pivot, [below, to) smaller */
        while (i < below) {
            if (v[i] > pivot)
                swap(&v[i++], &v[above++]);
            else if (v[i] < pivot)
                swap(&v[i], &v[--below]);
            else
                i++;
        }
        if (place >= above && place < below)
            return pivot;
        from = place < above ? from : below;
        to = place < above ? above : to;
    }
    return v[from];
}

/* Keeps the largest numbers, `density` of all. */
static void trim(float *delta, float *sizes, size_t n, double density)
{
    size_t keep = (size_t)(density * (double)n);
    if (keep >= n)
        return;
    for (size_t i = 0; i < n; i++)
        sizes[i] = fabsf(delta[i]);
    float least = keep ? select_falling(sizes, n, keep - 1) : INFINITY;
    for (size_t i = 0; i < n; i++)
        if (fabsf(delta[i]) < least)
            delta[i] = 0;
}

/* Drops numbers by chance, and makes those that stay so much larger. */
static void drop(const merging *x, size_t k, const lm_param *p, float *delta)
{
    lm_philox_key key = lm_random_key(x->o->seed, LM_FOR_SAMPLING, k);
    uint64_t name = XXH3_64bits(p->name, strlen(p->name));
    double density = x->o->density;
    for (size_t i = 0; i < p->elements; i++)
        delta[i] = lm_random_float(key, i, name) < (float)density ? (float)((double)delta[i] / density) : 0;
}

/* Of each number the adapters agree on a sign, by the sum of what they want; the mean of those that want it counts. */
static void elect(const merging *x, const lm_param *p)
{
    for (size_t i = 0; i < p->elements; i++) {
        double all = 0, sum = 0;
        size_t n = 0;
        for (size_t k = 0; k < x->o->count; k++)
            all += (double)x->deltas[k][i];
        for (size_t k = 0; k < x->o->count; k++) {
            double d = (double)x->deltas[k][i];
            if (d != 0 && (d > 0) == (all >= 0)) {
                sum += weight_of(x, k) * d;
                n++;
            }
        }
        x->values[i] += n ? (float)(sum / (double)n) : 0;
    }
}

static bool combine(const merging *x, const lm_param *p)
{
    lm_merge_method how = x->o->method;
    for (size_t k = 0; k < x->first; k++)
        if (!apply(x, k, p, 1, x->values))
            return false;
    for (size_t k = 0; k < x->o->count; k++) {
        if (how == LM_MERGE_LINEAR) {
            if (!apply(x, x->first + k, p, (float)weight_of(x, k), x->values))
                return false;
            continue;
        }
        float *delta = x->deltas[k]; /* what the base becomes, less the base */
        memcpy(delta, x->values, p->elements * sizeof *delta);
        if (!apply(x, x->first + k, p, 1, delta))
            return false;
        lm_vector_axpy(-1, x->values, delta, p->elements);
        if (how == LM_MERGE_TIES)
            trim(delta, x->scratch, p->elements, x->o->density);
        else
            drop(x, k, p, delta);
    }
    if (how == LM_MERGE_TIES || how == LM_MERGE_DARE_TIES)
        elect(x, p);
    for (size_t k = 0; how == LM_MERGE_DARE && k < x->o->count; k++)
        lm_vector_axpy((float)weight_of(x, k), x->deltas[k], x->values, p->elements);
    return true;
}

/* What the base becomes, in x->values, and how far that is. */
static bool merge_tensor(merging *x, const lm_param *p)
{
    double squares = 0, change = 0;
    lm_merge_report *r = x->report;
    if (!lm_param_read(p, x->values, x->st) || !combine(x, p) ||
        !lm_param_read(p, x->scratch, x->st))
        return false;
    for (size_t i = 0; i < p->elements; i++) {
        double was = (double)x->scratch[i], d = fabs((double)x->values[i] - was);
        squares += was * was;
        change += d * d;
        x->changes += d;
        if (d > r->largest || !x->farthest) {
            x->farthest = p;
            r->largest = d;
        }
    }
    x->numbers += (double)p->elements;
    r->tensors++;
    r->largest_ratio = fmax(r->largest_ratio, squares > 0 ? sqrt(change / squares) : 0);
    return true;
}

/* ------------------------------------------------------------------ writing */

/* The type of a merged model: that of the base's matrices, where they are no blocks. */
static lm_dtype output_type(const lm_model *m, lm_save_dtype asked)
{
    for (size_t i = 0; i < m->adapter_from; i++) {
        const lm_param *p = lm_params_at(m->params, i);
        if (p->shape.dims == 2 && p->index < m->head_from)
            return lm_save_dtype_of(asked, p->dtype == LM_F16 || p->dtype == LM_BF16 ? p->dtype : LM_F32);
    }
    return lm_save_dtype_of(asked, LM_F32);
}

/* One tensor, converted some numbers at a time. */
static bool put(lm_bundle_pieces *out, size_t i, lm_safetensor *t, const float *values, size_t n, lm_status *st)
{
    enum { AT_ONCE = 1 << 16 };
    char *bytes = lm_malloc(AT_ONCE, sizeof(float));
    size_t width = lm_dtype_block_bytes(t->dtype);
    t->data = values;
    t->from = LM_F32;
    t->converted = t->dtype != LM_F32;
    for (size_t at = 0; at < n && lm_ok(st); at += AT_ONCE) {
        size_t k = n - at < AT_ONCE ? n - at : AT_ONCE;
        if (!t->converted)
            lm_bundle_put_piece(out, i, values + at, k * sizeof *values, st);
        else if (lm_safetensor_convert(t, at, k, bytes, st))
            lm_bundle_put_piece(out, i, bytes, k * width, st);
    }
    free(bytes);
    return lm_ok(st);
}

static bool put_all(merging *x, lm_bundle_pieces *out, lm_safetensor *tensors)
{
    for (size_t i = 0; i < x->m->adapter_from && lm_ok(x->st); i++) {
        lm_param *p = lm_params_at(x->m->params, i);
        if (lm_adapters_change(x->m, p) ? merge_tensor(x, p) : lm_param_read(p, x->values, x->st))
            put(out, i, &tensors[i], x->values, p->elements, x->st);
    }
    return lm_ok(x->st);
}

static bool make_room(merging *x)
{
    size_t most = 1;
    bool ok = true;
    for (size_t i = 0; i < x->m->adapter_from; i++) {
        size_t n = lm_params_at(x->m->params, i)->elements;
        most = n > most ? n : most;
    }
    x->values = lm_try_malloc(most, sizeof *x->values, "the largest tensor", x->st);
    x->scratch = x->values ? lm_try_malloc(most, sizeof *x->scratch, "the largest tensor", x->st) : NULL;
    x->deltas = lm_calloc(x->o->count, sizeof *x->deltas);
    for (size_t k = 0; x->o->method != LM_MERGE_LINEAR && ok && k < x->o->count; k++)
        ok = (x->deltas[k] = lm_try_malloc(most, sizeof **x->deltas, "the largest tensor's change", x->st)) != NULL;
    return ok && x->scratch;
}

static bool write_weights(merging *x, lm_bundle_writer *w, lm_dtype dtype)
{
    size_t n = x->m->adapter_from;
    lm_safetensor *tensors = lm_calloc(n, sizeof *tensors);
    for (size_t i = 0; i < n && lm_ok(x->st); i++) {
        const lm_param *p = lm_params_at(x->m->params, i);
        tensors[i] = (lm_safetensor){.name = p->name, .dtype = dtype, .shape = p->shape};
        if (!lm_tensor_bytes(dtype, &p->shape, &tensors[i].bytes))
            lm_fail(x->st, LM_FAILED, "%s: its size overflows", p->name);
    }
    lm_bundle_pieces *out = lm_ok(x->st) ? lm_bundle_begin_pieces(w, tensors, n, x->o->save.shard_bytes, x->st) : NULL;
    if (out) {
        put_all(x, out, tensors);
        lm_bundle_end_pieces(out, x->st);
    }
    free(tensors);
    return lm_ok(x->st);
}

static bool check(const lm_merge_options *o, lm_status *st)
{
    if (!o->count)
        return lm_fail(st, LM_USAGE, "no adapter: name at least one");
    if (!(o->density >= 0 && o->density <= 1))
        return lm_fail(st, LM_USAGE, "density: %g: a share from 0 to 1 is expected", o->density);
    for (size_t k = 0; o->weights && k < o->count; k++)
        if (!isfinite(o->weights[k]))
            return lm_fail(st, LM_USAGE, "weights: %g is no weight", o->weights[k]);
    return true;
}

bool lm_adapter_merge(const lm_merge_options *o, lm_bundle_writer *w, lm_merge_report *report, lm_status *st)
{
    merging x = {.o = o, .report = report, .st = st};
    *report = (lm_merge_report){0};
    if (check(o, st))
        x.m = lm_model_open(o->base, &(lm_model_options){.plugin_path = o->plugin_path, .adapters = o->adapters,
                                                         .adapter_count = o->count}, st);
    if (x.m && lm_adapters_may_merge(x.m, st) && make_room(&x)) {
        x.first = x.m->adapter_count - o->count;
        lm_dtype dtype = output_type(x.m, o->save.dtype);
        lm_save_options save = {.dtype = dtype == LM_F16 ? LM_SAVE_F16 : dtype == LM_BF16 ? LM_SAVE_BF16 : LM_SAVE_F32};
        lm_config_remove(x.m->config, "quantization_config");
        bool tokenizer = lm_model_has_tokenizer(o->base);
        if (lm_model_write_config(x.m, w, &save, st) && (!tokenizer || lm_model_copy_tokenizer(o->base, w, st)))
            write_weights(&x, w, dtype);
        report->mean = x.numbers > 0 ? x.changes / x.numbers : 0;
        report->where = x.farthest ? lm_strdup(x.farthest->name) : NULL;
    }
    free(x.values);
    free(x.scratch);
    for (size_t k = 0; x.deltas && k < o->count; k++)
        free(x.deltas[k]);
    free(x.deltas);
    lm_model_free(x.m);
    return lm_ok(st);
}

/* ------------------------------------------------------------------ and quantised */

static bool write_floats(const lm_merge_options *o, const char *dir, lm_merge_report *report, lm_status *st)
{
    lm_merge_options floats = *o;
    floats.save = (lm_save_options){.dtype = LM_SAVE_F32};
    if (mkdir(dir, 0700) != 0)
        return lm_fail_errno(st, LM_FAILED, "%s: cannot be made", dir);
    lm_bundle_writer *w = lm_bundle_into(dir);
    if (lm_adapter_merge(&floats, w, report, st))
        return lm_bundle_publish(w, st);
    lm_bundle_discard(w, st);
    return false;
}

bool lm_adapter_merge_quantised(const lm_merge_options *o, const lm_quantise_options *to, lm_merge_report *report, lm_status *st)
{
    char *beside = lm_format("%s.merged", to->output), *base = lm_bundle_base(o->base), *title = lm_bundle_title(base);
    lm_output_dir *room = lm_output_dir_open(beside, st);
    char *dir = room ? lm_format("%s/%s", lm_output_dir_path(room), title) : NULL; /* what the model is called, in GGUF files, too */
    lm_quantise_options all = *to;
    all.model = dir;
    if (dir && write_floats(o, dir, report, st))
        lm_quantise_model(&all, st);
    if (room)
        lm_output_dir_discard(room);
    free(beside);
    free(base);
    free(title);
    free(dir);
    return lm_ok(st);
}
