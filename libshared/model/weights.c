#include "model/weights.h"
#include "base/log.h"
#include "base/memory.h"
#include "stream/json_tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { INDEX_MAX = 64 << 20, SHARDS_MAX = 4096 };

struct lm_checkpoint {
    lm_bundle *bundle;
    lm_safetensors **files;
    char **names; /* of the files, within the bundle */
    size_t count, cap;
};

void lm_weights_close(lm_checkpoint *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++) {
        lm_safetensors_close(c->files[i]);
        free(c->names[i]);
    }
    free(c->files);
    free(c->names);
    lm_bundle_close(c->bundle);
    free(c);
}

/* ------------------------------------------------------------------ files */

static bool open_file(lm_checkpoint *c, const char *name, lm_status *st)
{
    lm_map map;
    char *where = lm_bundle_file(c->bundle, name);
    lm_safetensors *file =
        lm_bundle_map(c->bundle, name, &map, st) ? lm_safetensors_from_memory(map.bytes, map.size, where, st) : NULL;
    free(where);
    if (!file)
        return false;
    if (c->count == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 4;
        c->files = lm_realloc(c->files, c->cap, sizeof *c->files);
        c->names = lm_realloc(c->names, c->cap, sizeof *c->names);
    }
    c->files[c->count] = file;
    c->names[c->count++] = lm_strdup(name);
    return true;
}

/* The shard that the index names for a tensor, opened once. NULL and a failed status. */
static const lm_safetensors *open_shard(lm_checkpoint *c, const char *index, const char *name, lm_status *st)
{
    for (size_t i = c->count; i-- > 0;) { /* the last one first: names that follow one another are mostly in one */
        if (strcmp(c->names[i], name) == 0)
            return c->files[i];
    }
    if (strchr(name, '/') || strcmp(name, "..") == 0 || !*name || c->count >= SHARDS_MAX)
        lm_fail(st, LM_FAILED, "%s: \"%s\" is no shard of this directory", index, name);
    else if (!lm_bundle_has(c->bundle, name))
        lm_fail(st, LM_FAILED, "%s: the shard %s is missing: fetch it, too", index, name);
    else if (open_file(c, name, st))
        return c->files[c->count - 1];
    return NULL;
}

/* The shards that the index names; each tensor has to be in the shard where the index puts it. */
static bool open_shards(lm_checkpoint *c, const char *name, lm_status *st)
{
    char *text, *index = lm_bundle_file(c->bundle, name);
    size_t n;
    json_t *root = NULL, *file;
    if (lm_bundle_read(c->bundle, name, INDEX_MAX, &text, &n, st)) {
        root = lm_json_parse((lm_str){text, n}, index, 0, st);
        free(text);
    }
    json_t *map = json_object_get(root, "weight_map");
    if (root && !json_is_object(map))
        lm_fail(st, LM_FAILED, "%s: weight_map is missing: it says which shard each tensor is in", index);
    else if (root && !json_object_size(map))
        lm_fail(st, LM_FAILED, "%s: weight_map is empty", index);
    const char *tensor;
    json_object_foreach(map, tensor, file) {
        if (!json_is_string(file)) {
            lm_fail(st, LM_FAILED, "%s: weight_map: \"%s\" names no file", index, tensor);
            break;
        }
        const lm_safetensors *shard = open_shard(c, index, json_string_value(file), st);
        if (shard && !lm_safetensors_find(shard, tensor))
            lm_fail(st, LM_FAILED, "%s: tensor \"%s\" is not in %s", index, tensor, json_string_value(file));
        if (!lm_ok(st))
            break;
    }
    json_decref(root);
    free(index);
    return lm_ok(st);
}

static bool open_checkpoint(lm_checkpoint *c, lm_status *st)
{
    static const char single[] = "model.safetensors", sharded[] = "model.safetensors.index.json";
    const lm_bundle *b = c->bundle;
    if (lm_bundle_is_stream(b) || lm_bundle_has(b, single))
        return lm_bundle_is_stream(b) || open_file(c, single, st);
    if (lm_bundle_has(b, sharded))
        return open_shards(c, sharded, st);
    if (lm_bundle_has(b, "pytorch_model.bin") || lm_bundle_has(b, "pytorch_model.bin.index.json"))
        return lm_fail(st, LM_FAILED,
                       "%s: pytorch_model.bin is a pickle, which can run any code and is never read: "
                       "convert it to model.safetensors",
                       lm_bundle_name(b));
    return lm_fail(st, LM_FAILED, "%s: no model.safetensors", lm_bundle_name(b));
}

lm_checkpoint *lm_checkpoint_open(lm_bundle *b, lm_status *st)
{
    lm_checkpoint *c = lm_calloc(1, sizeof *c);
    c->bundle = lm_bundle_ref(b);
    if (open_checkpoint(c, st))
        return c;
    lm_weights_close(c);
    return NULL;
}

const lm_safetensor *lm_checkpoint_next(const lm_checkpoint *c, lm_checkpoint_place *at)
{
    if (lm_bundle_is_stream(c->bundle))
        return at->tensor < lm_bundle_tensors(c->bundle) ? lm_bundle_tensor(c->bundle, at->tensor++) : NULL;
    while (at->file < c->count && at->tensor >= lm_safetensors_count(c->files[at->file])) {
        at->file++;
        at->tensor = 0;
    }
    return at->file < c->count ? lm_safetensors_at(c->files[at->file], at->tensor++) : NULL;
}

/* ------------------------------------------------------------------ names */

typedef struct loading {
    lm_model *model;
    size_t head_from;
    bool spare_head;   /* what the head lacks is no error */
    bool fresh_head;   /* what is stored for it is not taken */
    bool quiet;
    const char **from; /* [parameters] stored name of what was taken */
    bool *direct;      /* [parameters] taken under the parameter's own name, not under a tied one */
    struct {
        size_t param;
        const lm_safetensor *t;
    } *ties; /* stored under a name that is tied to the parameter's */
    size_t tie_count, tie_cap;
    lm_buf problems;
    int problem_count;
    lm_buf dropped, fresh;
    int dropped_count, fresh_count;
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

/* Takes a stored tensor for parameter p (index i), or notes what is wrong with it. */
static void take(loading *l, lm_param *p, size_t i, const lm_safetensor *t)
{
    lm_buf what = {0};
    if (!lm_shape_equal(&p->shape, &t->shape)) {
        lm_buf_puts(&what, "has shape ");
        lm_shape_print(&t->shape, &what);
        lm_buf_puts(&what, ", config.json asks for ");
        lm_shape_print(&p->shape, &what);
    } else if (t->dtype != LM_F32 && t->dtype != LM_F16 && t->dtype != LM_BF16 && t->dtype != LM_F64) {
        lm_buf_printf(&what, "dtype %s is not one that weights can have", lm_dtype_name(t->dtype));
    }
    if (!what.len) {
        p->data = t->data;
        p->dtype = t->dtype;
    } else if (l->spare_head && i >= l->head_from) {
        list(&l->dropped, &l->dropped_count, "%s", t->name);
    } else {
        problem(l, t->name, lm_buf_cstr(&what));
    }
    lm_buf_free(&what);
    l->from[i] = t->name;
}

/* A pooler comes with the heads that need one, and yet is the body's. */
static bool is_in_body(const lm_model *m, const lm_param *p)
{
    size_t n = strlen(m->arch.body);
    return strncmp(p->name, m->arch.body, n) == 0 && p->name[n] == '.';
}

static void place(loading *l, const lm_safetensor *t)
{
    char name[LM_NAME_MAX];
    lm_param *p = lm_weights_resolve(l->model, t->name, name);
    if (!p) {
        if (!lm_params_ignored(l->model->params, unwrapped(t->name)))
            list(&l->dropped, &l->dropped_count, "%s", t->name);
        return;
    }
    size_t i = p->index;
    if (l->fresh_head && i >= l->head_from && !is_in_body(l->model, p)) {
        list(&l->dropped, &l->dropped_count, "%s", t->name);
        return;
    }
    bool direct = strcmp(p->name, name) == 0;
    if (!direct) {
        LM_GROW(l->ties, l->tie_count, l->tie_cap);
        l->ties[l->tie_count].param = i;
        l->ties[l->tie_count++].t = t;
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

/* Stored copies of tied weights are not read: who trained them apart wants to know. */
static void compare_ties(const loading *l)
{
    for (size_t i = 0; i < l->tie_count && !l->quiet; i++) {
        const lm_param *p = lm_params_at(l->model->params, l->ties[i].param);
        const lm_safetensor *t = l->ties[i].t;
        if (!p->data || p->data == t->data ||
            (p->dtype == t->dtype && lm_shape_equal(&p->shape, &t->shape) && same_bytes(p->data, t->data, t->bytes)))
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
        if (l->spare_head && i >= l->head_from)
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

bool lm_weights_load(lm_model *m, size_t head_from, const lm_model_options *options, lm_status *st)
{
    m->checkpoint = lm_checkpoint_open(m->bundle, st);
    if (!m->checkpoint)
        return false;
    size_t n = lm_params_count(m->params);
    loading l = {.model = m, .head_from = head_from, .spare_head = options->allow_missing_head || options->fresh_head,
                 .fresh_head = options->fresh_head, .quiet = options->quiet};
    l.from = lm_calloc(n, sizeof *l.from);
    l.direct = lm_calloc(n, sizeof *l.direct);
    lm_checkpoint_place at = {0};
    for (const lm_safetensor *t; (t = lm_checkpoint_next(m->checkpoint, &at));)
        place(&l, t);
    find_missing(&l);
    bool ok = conclude(&l, options->seed, st);
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

bool lm_tensor_check(const lm_safetensor *t, lm_buf *what)
{
    enum { AT_ONCE = 4096 };
    float values[AT_ONCE];
    size_t width = lm_dtype_block_bytes(t->dtype), n = t->bytes / width, nan = 0, infinite = 0, first = 0;
    if (!lm_to_f32(t->dtype, t->data, 0, values))
        return true; /* no floating type */
    for (size_t at = 0; at < n; at += AT_ONCE) {
        size_t k = n - at < AT_ONCE ? n - at : AT_ONCE;
        lm_to_f32(t->dtype, (const char *)t->data + at * width, k, values);
        for (size_t i = 0; i < k; i++) {
            if (isfinite(values[i]))
                continue;
            if (!nan && !infinite)
                first = at + i;
            if (isnan(values[i]))
                nan++;
            else
                infinite++;
        }
    }
    if (!nan && !infinite)
        return true;
    lm_buf_printf(what, "%s: %zu NaN and %zu infinite of %zu, the first at ", t->name, nan, infinite, n);
    print_place(&t->shape, first, what);
    return false;
}

bool lm_weights_check(const lm_checkpoint *c, lm_status *st)
{
    enum { SHOWN = 5 };
    lm_buf bad = {0}, one = {0};
    int count = 0;
    lm_checkpoint_place at = {0};
    for (const lm_safetensor *t; (t = lm_checkpoint_next(c, &at));) {
        if (lm_tensor_check(t, &one))
            continue;
        if (count++ < SHOWN)
            lm_buf_printf(&bad, "%s%s", count > 1 ? "; " : "", lm_buf_cstr(&one));
        one.len = 0;
    }
    if (count)
        lm_fail(st, LM_FAILED, "%s: %d tensor%s hold%s values that are no finite numbers: %s%s", lm_bundle_name(c->bundle), count,
                count > 1 ? "s" : "", count > 1 ? "" : "s", lm_buf_cstr(&bad), count > SHOWN ? "; ..." : "");
    lm_buf_free(&bad);
    lm_buf_free(&one);
    return !count;
}
