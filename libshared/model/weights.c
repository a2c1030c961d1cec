#include "model/weights.h"
#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "tensor/safetensors.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { INDEX_MAX = 64 << 20, SHARDS_MAX = 10000 };

struct lm_checkpoint {
    lm_safetensors **files;
    char **names; /* of the files, without directory */
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
    free(c);
}

/* ------------------------------------------------------------------ files */

static bool open_file(lm_checkpoint *c, const char *dir, const char *name, lm_status *st)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->names[i], name) == 0)
            return true;
    }
    if (strchr(name, '/') || c->count >= SHARDS_MAX)
        return lm_fail(st, LM_FAILED,
                       "%s: model.safetensors.index.json: \"%s\" is no shard of this directory", dir, name);
    char *path = lm_format("%s/%s", dir, name);
    lm_safetensors *file = lm_safetensors_open(path, st);
    free(path);
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

/* The shards that the index names; each tensor has to be in the shard where the index puts it. */
static bool open_shards(lm_checkpoint *c, const char *dir, const char *index, lm_status *st)
{
    char *text;
    size_t n;
    if (!lm_file_read(index, INDEX_MAX, &text, &n, st))
        return false;
    json_error_t error;
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    free(text);
    const json_t *map = json_object_get(root, "weight_map");
    if (!root)
        lm_fail(st, LM_FAILED, "%s:%d: %s", index, error.line, error.text);
    else if (!json_is_object(map))
        lm_fail(st, LM_FAILED, "%s: weight_map is missing", index);
    const char *tensor;
    json_t *file;
    json_object_foreach((json_t *)map, tensor, file) {
        if (!json_is_string(file)) {
            lm_fail(st, LM_FAILED, "%s: weight_map: \"%s\" names no file", index, tensor);
            break;
        }
        if (!open_file(c, dir, json_string_value(file), st))
            break;
        bool found = false;
        for (size_t i = 0; i < c->count; i++) {
            if (strcmp(c->names[i], json_string_value(file)) == 0)
                found = lm_safetensors_find(c->files[i], tensor) != NULL;
        }
        if (!found) {
            lm_fail(st, LM_FAILED, "%s: tensor \"%s\" is not in %s", index, tensor, json_string_value(file));
            break;
        }
    }
    json_decref(root);
    return lm_ok(st);
}

static bool exists(const char *dir, const char *name)
{
    char *path = lm_format("%s/%s", dir, name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static bool open_checkpoint(lm_checkpoint *c, const char *dir, lm_status *st)
{
    static const char single[] = "model.safetensors", sharded[] = "model.safetensors.index.json";
    if (exists(dir, single))
        return open_file(c, dir, single, st);
    if (exists(dir, sharded)) {
        char *index = lm_format("%s/%s", dir, sharded);
        bool ok = open_shards(c, dir, index, st);
        free(index);
        return ok;
    }
    if (exists(dir, "pytorch_model.bin") || exists(dir, "pytorch_model.bin.index.json"))
        return lm_fail(st, LM_FAILED,
                       "%s: pytorch_model.bin is a pickle, which can run any code and is never read: "
                       "convert it to model.safetensors",
                       dir);
    return lm_fail(st, LM_FAILED, "%s: no model.safetensors", dir);
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

static size_t index_of(lm_params *params, const lm_param *p)
{
    size_t i = 0;
    while (lm_params_at(params, i) != p)
        i++;
    return i;
}

/* The parameter that a stored name means: as it is, with the body's prefix, or without it. `name` becomes the
 * name under which it was found. */
static lm_param *resolve(const lm_model *m, const char *stored, char name[LM_NAME_MAX])
{
    char current[LM_NAME_MAX];
    lm_params_current_name(m->params, stored, current);
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
    lm_params *params = l->model->params;
    lm_param *p = resolve(l->model, t->name, name);
    if (!p) {
        if (!lm_params_ignored(params, t->name))
            list(&l->dropped, &l->dropped_count, "%s", t->name);
        return;
    }
    size_t i = index_of(params, p);
    if (l->fresh_head && i >= l->head_from && !is_in_body(l->model, p)) {
        list(&l->dropped, &l->dropped_count, "%s", t->name);
        return;
    }
    bool direct = strcmp(p->name, name) == 0;
    if (l->from[i] && l->direct[i] && direct) {
        char *both = lm_format("and %s are the same parameter, stored twice", l->from[i]);
        problem(l, t->name, both);
        free(both);
    } else if (!l->from[i] || direct) { /* a tied name serves only where the parameter's own is absent */
        take(l, p, i, t);
        l->direct[i] = direct;
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
        return lm_fail(st, LM_FAILED, "%s: %d tensor%s do%s not fit config.json and task %s: %s", m->path,
                       l->problem_count, l->problem_count > 1 ? "s" : "", l->problem_count > 1 ? "" : "es",
                       m->head->name, lm_buf_cstr(&l->problems));
    if (l->quiet)
        return true;
    if (l->dropped_count)
        lm_info("%s: dropped %d tensors that have no place in the new %s: %s", m->path, l->dropped_count,
                m->architecture, lm_buf_cstr(&l->dropped));
    if (l->fresh_count)
        lm_info("%s: initialised %d parameters that it does not give (seed %llu): %s", m->path,
                l->fresh_count, (unsigned long long)seed, lm_buf_cstr(&l->fresh));
    return true;
}

bool lm_weights_load(lm_model *m, size_t head_from, const lm_model_options *options, lm_status *st)
{
    m->checkpoint = lm_calloc(1, sizeof *m->checkpoint);
    if (!open_checkpoint(m->checkpoint, m->path, st))
        return false;
    size_t n = lm_params_count(m->params);
    loading l = {.model = m, .head_from = head_from, .spare_head = options->allow_missing_head || options->fresh_head,
                 .fresh_head = options->fresh_head, .quiet = options->quiet};
    l.from = lm_calloc(n, sizeof *l.from);
    l.direct = lm_calloc(n, sizeof *l.direct);
    for (size_t f = 0; f < m->checkpoint->count; f++) {
        const lm_safetensors *file = m->checkpoint->files[f];
        for (size_t i = 0; i < lm_safetensors_count(file); i++)
            place(&l, lm_safetensors_at(file, i));
    }
    find_missing(&l);
    bool ok = conclude(&l, options->seed, st);
    free(l.from);
    free(l.direct);
    lm_buf_free(&l.problems);
    lm_buf_free(&l.dropped);
    lm_buf_free(&l.fresh);
    return ok;
}
