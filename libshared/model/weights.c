/* Tensors become the parameters of a model. */
#include "base/log.h"
#include "base/memory.h"
#include "model/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ names */

typedef struct loading {
    lm_model *model;
    bool spare_head;   /* what the head lacks is no error */
    bool fresh_head;   /* what is stored for it is not taken */
    bool quiet;
    const char **from; /* [parameters] stored name of what was taken */
    bool *direct;      /* [parameters] taken under the parameter's own name, not under a tied one */
    struct {
        size_t param;
        const lm_weight *w;
    } *ties; /* stored under a name that is tied to the parameter's */
    size_t tie_count, tie_cap;
    lm_buf problems;
    int problem_count;
    lm_buf dropped, fresh;
    int dropped_count, fresh_count;
    lm_status *st;
} loading;

static void list(lm_buf *out, int *count, const char *format, const char *name)
{
    if ((*count)++)
        lm_buf_puts(out, ", ");
    lm_buf_printf(out, format, name);
}

/* What wrappers of PyTorch put before every name. */
static const char *unwrapped(const char *stored)
{
    static const char *const wrappers[] = {"module.", "_orig_mod."};
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        size_t n = strlen(wrappers[i]);
        if (strncmp(stored, wrappers[i], n) == 0)
            return unwrapped(stored + n);
    }
    return stored;
}

lm_param *lm_weights_resolve(const lm_model *m, const char *stored, char name[LM_NAME_MAX])
{
    char current[LM_NAME_MAX];
    lm_params_current_name(m->params, unwrapped(stored), current);
    const char *body = m->arch.body;
    size_t n = strlen(body);
    lm_param *p = *current ? lm_params_find(m->params, current) : NULL;
    snprintf(name, LM_NAME_MAX, "%s", current);
    if (!p && n && !m->head->bare && n + 1 + strlen(current) < LM_NAME_MAX) {
        snprintf(name, LM_NAME_MAX, "%.*s.%.*s", (int)n, body, (int)(LM_NAME_MAX - n - 2), current);
        p = lm_params_find(m->params, name);
    }
    if (!p && n && m->head->bare && strncmp(current, body, n) == 0 && current[n] == '.') {
        snprintf(name, LM_NAME_MAX, "%s", current + n + 1);
        p = lm_params_find(m->params, name);
    }
    return p;
}

/* ------------------------------------------------------------------ tensors */

static void problem(loading *l, const char *name, const char *what)
{
    lm_buf_printf(&l->problems, "%s%s: %s", l->problem_count++ ? "; " : "", name, what);
}

bool lm_weight_is_by_rows(const lm_weight *w)
{
    return w->quantised && !w->there && (w->dtype == LM_I8 || lm_dtype_block(w->dtype) > 1);
}

static bool is_turned(const lm_param *p, const lm_weight *w)
{
    return p->transposed && lm_weight_is_by_rows(w);
}

/* Numbers that are not stored as the parameter has them. */
static bool take_copy(lm_param *p, const lm_weight *w, lm_status *st)
{
    float *value = lm_try_malloc(p->elements, sizeof *value, p->name, st);
    if (!value || !lm_weight_read(w, 0, p->shape.dims > 1 ? p->shape.size[0] : 1, value)) {
        free(value);
        return false;
    }
    p->data = p->value = value;
    p->dtype = LM_F32;
    p->owned = true;
    return true;
}

/* Whether the numbers of a GGUF file are others, or elsewhere. */
static bool is_moved(const lm_weight *w)
{
    const lm_gguf_weight *how = &w->how;
    return w->there && (how->heads || how->transposed || how->offset != 0 || how->first_row);
}

/* Points the parameter at what is stored; where that has other numbers in other places, it gets a copy. */
static void point(lm_param *p, const lm_weight *w, lm_status *st)
{
    bool quantised = w->quantised && (is_turned(p, w) || w->transposed == p->transposed);
    if (is_moved(w) && !quantised) {
        take_copy(p, w, st);
        return;
    }
    p->data = w->data;
    p->dtype = w->dtype;
    p->quantised = quantised ? w->quantised : NULL;
}

/* Takes a stored weight for parameter p (index i), or notes what is wrong with it. */
static void take(loading *l, lm_param *p, size_t i, const lm_weight *w)
{
    lm_buf what = {0};
    lm_shape shape = p->shape;
    if (is_turned(p, w))
        shape = (lm_shape){2, {p->shape.size[1], p->shape.size[0]}};
    float none;
    if (!lm_shape_equal(&shape, &w->shape)) {
        lm_buf_puts(&what, "has shape ");
        lm_shape_print(&w->shape, &what);
        lm_buf_puts(&what, ", config.json asks for ");
        lm_shape_print(&shape, &what);
    } else if (!w->quantised && !lm_to_f32(w->dtype, w->data, 0, &none)) {
        lm_buf_printf(&what, "dtype %s is not one that weights can have", lm_dtype_name(w->dtype));
    }
    if (!what.len)
        point(p, w, l->st);
    else if (l->spare_head && i >= l->model->head_from)
        list(&l->dropped, &l->dropped_count, "%s", w->name);
    else
        problem(l, w->name, lm_buf_cstr(&what));
    lm_buf_free(&what);
    l->from[i] = w->name;
}

static void place(loading *l, const lm_weight *t)
{
    char name[LM_NAME_MAX];
    lm_param *p = lm_weights_resolve(l->model, t->name, name);
    if (!p) {
        if (!lm_params_ignored(l->model->params, unwrapped(t->name)))
            list(&l->dropped, &l->dropped_count, "%s", t->name);
        return;
    }
    size_t i = p->index;
    if (l->fresh_head && !lm_model_in_body(l->model, p)) {
        list(&l->dropped, &l->dropped_count, "%s", t->name);
        return;
    }
    bool direct = strcmp(p->name, name) == 0;
    if (!direct) {
        LM_GROW(l->ties, l->tie_count, l->tie_cap);
        l->ties[l->tie_count].param = i;
        l->ties[l->tie_count++].w = t;
    }
    if (l->from[i] && l->direct[i] && direct) {
        char *both = lm_format("and %s are the same parameter, stored twice", l->from[i]);
        problem(l, t->name, both);
        free(both);
    } else if (!l->from[i] || direct) { /* a tied name serves only where the parameter's own is absent */
        take(l, p, i, t);
        l->direct[i] = direct;
    }
}

/* Whether two tensors of one type and size hold the same; of large ones, whether a sample of their bytes does. */
static bool same_bytes(const void *a, const void *b, size_t n)
{
    enum { WHOLE = 1 << 20, PIECE = 64, PIECES = 256 };
    const char *x = a, *y = b;
    if (n <= WHOLE)
        return memcmp(x, y, n) == 0;
    for (size_t i = 0; i < PIECES; i++) {
        size_t at = (n - PIECE) / PIECES * i;
        if (memcmp(x + at, y + at, PIECE) != 0)
            return false;
    }
    return true;
}

static bool same_weight(const lm_param *p, const lm_weight *w)
{
    size_t bytes;
    return lm_shape_equal(&p->shape, &w->shape) && lm_tensor_bytes(w->dtype, &w->shape, &bytes) &&
           same_bytes(p->data, w->data, bytes);
}

/* Stored copies of tied weights are not read: who trained them apart wants to know. */
static void compare_ties(const loading *l)
{
    for (size_t i = 0; i < l->tie_count && !l->quiet; i++) {
        const lm_param *p = lm_params_at(l->model->params, l->ties[i].param);
        const lm_weight *t = l->ties[i].w;
        if (!p->data || p->data == t->data || (p->dtype == t->dtype && same_weight(p, t)))
            continue;
        lm_warn("%s: %s is tied to %s, and stored with other values: those of %s are taken (with tie_word_embeddings "
                "false in config.json they would be two)",
                lm_bundle_name(l->model->bundle), t->name, p->name, p->name);
    }
}

static void find_missing(loading *l)
{
    lm_model *m = l->model;
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        lm_param *p = lm_params_at(m->params, i);
        if (p->data)
            continue;
        if (l->spare_head && i >= l->model->head_from)
            list(&l->fresh, &l->fresh_count, "%s", p->name);
        else if (!l->from[i])
            problem(l, p->name, "is missing");
    }
    m->missing = l->fresh_count;
}

static bool conclude(loading *l, uint64_t seed, lm_status *st)
{
    const lm_model *m = l->model;
    if (l->problem_count)
        return lm_fail(st, LM_FAILED, "%s: %d tensor%s do%s not fit config.json and task %s: %s", lm_bundle_name(m->bundle),
                       l->problem_count, l->problem_count > 1 ? "s" : "", l->problem_count > 1 ? "" : "es",
                       m->head->name, lm_buf_cstr(&l->problems));
    if (l->quiet)
        return true;
    if (l->dropped_count)
        lm_info("%s: dropped %d tensors that have no place in the new %s: %s", lm_bundle_name(m->bundle), l->dropped_count,
                m->architecture, lm_buf_cstr(&l->dropped));
    if (l->fresh_count)
        lm_info("%s: initialised %d parameters that it does not give (seed %llu): %s", lm_bundle_name(m->bundle),
                l->fresh_count, (unsigned long long)seed, lm_buf_cstr(&l->fresh));
    return true;
}

bool lm_weights_load(lm_model *m, const lm_model_options *options, lm_status *st)
{
    m->checkpoint = lm_checkpoint_open(m->bundle, st);
    if (!m->checkpoint)
        return false;
    size_t n = lm_params_count(m->params);
    loading l = {.model = m, .spare_head = options->allow_missing_head || options->fresh_head,
                 .fresh_head = options->fresh_head, .quiet = options->quiet, .st = st};
    l.from = lm_calloc(n, sizeof *l.from);
    l.direct = lm_calloc(n, sizeof *l.direct);
    for (size_t i = 0; i < lm_checkpoint_weights(m->checkpoint) && lm_ok(st); i++)
        place(&l, lm_checkpoint_weight(m->checkpoint, i));
    find_missing(&l);
    bool ok = lm_ok(st) && conclude(&l, options->seed, st);
    if (ok)
        compare_ties(&l);
    free(l.from);
    free(l.direct);
    free(l.ties);
    lm_buf_free(&l.problems);
    lm_buf_free(&l.dropped);
    lm_buf_free(&l.fresh);
    return ok;
}

/* ------------------------------------------------------------------ --check */

/* Element `at` of a tensor, as people count: [3, 17]. */
static void print_place(const lm_shape *s, size_t at, lm_buf *out)
{
    lm_shape place = *s;
    for (int d = s->dims; d-- > 0;) {
        place.size[d] = (int64_t)(at % (size_t)s->size[d]);
        at /= (size_t)s->size[d];
    }
    lm_shape_print(&place, out);
}

typedef struct faults {
    size_t nan, infinite, first; /* the first of either */
} faults;

static void count_faults(const float *values, size_t n, size_t from, faults *f)
{
    for (size_t i = 0; i < n; i++) {
        if (isfinite(values[i]))
            continue;
        if (!f->nan && !f->infinite)
            f->first = from + i;
        if (isnan(values[i]))
            f->nan++;
        else
            f->infinite++;
    }
}

bool lm_weight_check(const lm_weight *w, lm_buf *what)
{
    enum { AT_ONCE = 4096 };
    float none;
    size_t elements;
    if (!lm_shape_elements(&w->shape, &elements) || !elements || (!w->quantised && !lm_to_f32(w->dtype, w->data, 0, &none)))
        return true; /* no floating type */
    int64_t rows = w->shape.dims > 1 ? w->shape.size[0] : 1;
    size_t width = elements / (size_t)rows;
    int64_t most = width < AT_ONCE ? AT_ONCE / (int64_t)width : 1;
    float *values = lm_malloc((size_t)(most < rows ? most : rows) * width, sizeof *values);
    faults f = {0};
    for (int64_t r = 0; r < rows; r += most) {
        int64_t n = rows - r < most ? rows - r : most;
        lm_weight_read(w, r, n, values);
        count_faults(values, (size_t)n * width, (size_t)r * width, &f);
    }
    free(values);
    if (!f.nan && !f.infinite)
        return true;
    lm_buf_printf(what, "%s: %zu NaN and %zu infinite of %zu, the first at ", w->name, f.nan, f.infinite, elements);
    print_place(&w->shape, f.first, what);
    return false;
}

bool lm_weights_check(const lm_checkpoint *c, lm_status *st)
{
    enum { SHOWN = 5 };
    lm_buf bad = {0}, one = {0};
    int count = 0;
    for (size_t i = 0; i < lm_checkpoint_weights(c); i++) {
        if (lm_weight_check(lm_checkpoint_weight(c, i), &one))
            continue;
        if (count++ < SHOWN)
            lm_buf_printf(&bad, "%s%s", count > 1 ? "; " : "", lm_buf_cstr(&one));
        one.len = 0;
    }
    if (count)
        lm_fail(st, LM_FAILED, "%s: %d tensor%s hold%s values that are no finite numbers: %s%s", lm_checkpoint_name(c), count,
                count > 1 ? "s" : "", count > 1 ? "" : "s", lm_buf_cstr(&bad), count > SHOWN ? "; ..." : "");
    lm_buf_free(&bad);
    lm_buf_free(&one);
    return !count;
}
