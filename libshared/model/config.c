#include "model/config.h"
#include "base/arena.h"
#include "base/atomic.h"
#include "base/memory.h"
#include "model/gguf/gguf_model.h"
#include "stream/json_tree.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 64 << 20, LABELS_MAX = 1 << 20 };

struct lm_config {
    json_t *root;
    char *name;          /* for messages */
    lm_status failure;   /* of a getter */
    lm_arena *arena;     /* what getters return */
    const char **labels; /* [label_count] names of the classes, in the arena */
    int label_count;
};

/* ------------------------------------------------------------------ reading */

/* transformers 5 calls torch_dtype `dtype` and puts rope_theta and rope_scaling together as rope_parameters.
 */
static void from_version_5(json_t *root)
{
    json_t *dtype = json_object_get(root, "dtype"), *rope = json_object_get(root, "rope_parameters");
    bool changed = false;
    if (json_is_string(dtype) && !json_object_get(root, "torch_dtype")) {
        json_object_set(root, "torch_dtype", dtype);
        json_object_del(root, "dtype");
        changed = true;
    }
    if (json_is_object(rope) && !json_is_object(json_object_iter_value(json_object_iter(rope)))) {
        json_t *theta = json_object_get(rope, "rope_theta"), *scaling = json_copy(rope);
        const char *type = json_string_value(json_object_get(rope, "rope_type"));
        if (theta)
            json_object_set(root, "rope_theta", theta);
        json_object_del(scaling, "rope_theta");
        if (type && strcmp(type, "default") != 0)
            json_object_set(root, "rope_scaling", scaling);
        json_decref(scaling);
        json_object_del(root, "rope_parameters");
        changed = true;
    }
    if (changed)
        json_object_set_new(root, "transformers_version", json_string(LM_TRANSFORMERS_VERSION));
}

static const char *keep(lm_config *c, const char *s)
{
    return lm_arena_strndup(c->arena, s, strlen(s));
}

static const char *numbered_label(lm_config *c, int id)
{
    char name[32];
    snprintf(name, sizeof name, "LABEL_%d", id);
    return keep(c, name);
}

/* The class names: id2label, or num_labels of them, or the default two. */
static void read_labels(lm_config *c)
{
    const json_t *map = json_object_get(c->root, "id2label"),
                 *number = json_object_get(c->root, "num_labels");
    bool mapped = json_is_object(map);
    json_int_t n = mapped                    ? (json_int_t)json_object_size(map)
                   : json_is_integer(number) ? json_integer_value(number)
                                             : 2;
    if (n < 0 || n > LABELS_MAX) {
        lm_config_fail(c, "num_labels: %lld is not a number of classes (at most %d)", (long long)n,
                       LABELS_MAX);
        n = 0;
    }
    c->label_count = (int)n;
    c->labels = lm_arena_alloc(c->arena, (size_t)n, sizeof *c->labels);
    for (int i = 0; i < n; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        const json_t *label = mapped ? json_object_get(map, key) : NULL;
        if (json_is_string(label))
            c->labels[i] = keep(c, json_string_value(label));
        else
            c->labels[i] = numbered_label(c, i);
        if (mapped && !json_is_string(label))
            lm_config_fail(c, "id2label: %d classes, but class %d has no name: number them from 0", (int)n,
                           i);
    }
}

lm_config *lm_config_parse(lm_str json, const char *name, lm_status *st)
{
    json_t *root = lm_json_parse(json, name, 0, st);
    if (!root)
        return NULL;
    if (!json_is_object(root)) {
        lm_fail(st, LM_FAILED, "%s: a JSON object is expected", name);
        json_decref(root);
        return NULL;
    }
    lm_config *c = lm_calloc(1, sizeof *c);
    c->root = root;
    c->name = lm_strdup(name);
    c->arena = lm_arena_new(0);
    from_version_5(root);
    read_labels(c);
    return c;
}

lm_config *lm_config_read(const char *file, lm_status *st)
{
    char *text;
    size_t n;
    if (!lm_file_read(file, FILE_MAX, &text, &n, st))
        return NULL;
    lm_config *c = lm_config_parse((lm_str){text, n}, file, st);
    free(text);
    return c;
}

lm_config *lm_config_open(lm_bundle *b, lm_status *st)
{
    static const char file[] = "config.json";
    if (lm_bundle_gguf(b))
        return lm_gguf_config(lm_bundle_gguf(b), st);
    char *text, *name = lm_bundle_file(b, file);
    size_t n;
    lm_config *c = NULL;
    if (!lm_bundle_is_directory(b) && !lm_bundle_has(b, file)) {
        lm_fail(st, LM_FAILED, "%s: no config.json: it is no model", lm_bundle_name(b));
    } else if (lm_bundle_read(b, file, FILE_MAX, &text, &n, st)) {
        c = lm_config_parse((lm_str){text, n}, name, st);
        free(text);
    }
    free(name);
    return c;
}

void lm_config_free(lm_config *c)
{
    if (!c)
        return;
    json_decref(c->root);
    lm_arena_free(c->arena);
    free(c->name);
    free(c);
}

bool lm_config_failed(lm_config *c, lm_status *st)
{
    if (lm_ok(&c->failure))
        return false;
    lm_fail(st, c->failure.code, "%s: %s", c->name, c->failure.message);
    lm_status_clear(&c->failure);
    return true;
}

/* ------------------------------------------------------------------ getters */

void lm_config_fail(lm_config *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    lm_vfail(&c->failure, LM_FAILED, format, args);
    va_end(args);
}

/* The member, or NULL where it is absent. A dot leads into a member. */
static const json_t *find(const lm_config *c, const char *key)
{
    const json_t *v = c->root;
    for (size_t n; v && *key; key += n + (key[n] == '.')) {
        n = strcspn(key, ".");
        char *part = lm_strndup(key, n);
        v = json_is_array(v) ? json_array_get(v, strtoul(part, NULL, 10)) : json_object_get(v, part);
        free(part);
    }
    return v;
}

/* The member, or NULL where it is absent, null, or an earlier getter has failed. */
static const json_t *member(lm_config *c, const char *key)
{
    const json_t *v = find(c, key);
    return lm_ok(&c->failure) && v && !json_is_null(v) ? v : NULL;
}

bool lm_config_has(lm_config *c, const char *key)
{
    return member(c, key) != NULL;
}

bool lm_config_is_null(lm_config *c, const char *key)
{
    return json_is_null(find(c, key));
}

int lm_config_int(lm_config *c, const char *key, int fallback)
{
    const json_t *v = member(c, key);
    if (!v)
        return fallback;
    if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= INT32_MAX)
        return (int)json_integer_value(v);
    lm_config_fail(c, "%s: an integer from 0 to %d is expected", key, INT32_MAX);
    return fallback;
}

double lm_config_float(lm_config *c, const char *key, double fallback)
{
    const json_t *v = member(c, key);
    if (!v)
        return fallback;
    if (json_is_number(v) && isfinite(json_number_value(v)))
        return json_number_value(v);
    lm_config_fail(c, "%s: a number is expected", key);
    return fallback;
}

bool lm_config_bool(lm_config *c, const char *key, bool fallback)
{
    const json_t *v = member(c, key);
    if (!v)
        return fallback;
    if (json_is_boolean(v))
        return json_is_true(v);
    lm_config_fail(c, "%s: true or false is expected", key);
    return fallback;
}

const char *lm_config_string(lm_config *c, const char *key, const char *fallback)
{
    const json_t *v = member(c, key);
    if (!v)
        return fallback;
    if (json_is_string(v))
        return keep(c, json_string_value(v));
    lm_config_fail(c, "%s: a string is expected", key);
    return fallback;
}

int lm_config_labels(lm_config *c)
{
    return c->label_count;
}

void *lm_config_alloc(lm_config *c, size_t size)
{
    void *p = lm_arena_alloc(c->arena, size, 1);
    memset(p, 0, size);
    return p;
}

lm_activation lm_config_activation(lm_config *c, const char *key, const char *fallback)
{
    static const struct {
        const char *name;
        lm_activation is;
    } known[] = {
        {"gelu", LM_GELU},
        {"gelu_python", LM_GELU},
        {"gelu_new", LM_GELU_TANH},
        {"gelu_fast", LM_GELU_TANH},
        {"gelu_pytorch_tanh", LM_GELU_TANH},
        {"relu", LM_RELU},
        {"silu", LM_SILU},
        {"swish", LM_SILU},
        {"tanh", LM_TANH},
    };
    const char *name = lm_config_string(c, key, fallback);
    lm_buf list = {0};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) == 0) {
            lm_buf_free(&list);
            return known[i].is;
        }
        lm_buf_printf(&list, "%s%s", i ? ", " : "", known[i].name);
    }
    lm_config_fail(c, "%s: unknown activation \"%s\": known are %s", key, name, lm_buf_cstr(&list));
    lm_buf_free(&list);
    return LM_GELU;
}

const char *lm_config_first(const lm_config *c, const char *key)
{
    return json_string_value(json_array_get(json_object_get(c->root, key), 0));
}

const char *lm_config_label(const lm_config *c, int id)
{
    return id >= 0 && id < c->label_count ? c->labels[id] : NULL;
}

int lm_config_label_id(const lm_config *c, lm_str name)
{
    for (int i = 0; i < c->label_count; i++) {
        if (lm_str_is(name, c->labels[i]))
            return i;
    }
    return -1;
}

/* ------------------------------------------------------------------ setters */

void lm_config_set_int(lm_config *c, const char *key, int64_t value)
{
    json_object_set_new(c->root, key, json_integer(value));
}

void lm_config_set_float(lm_config *c, const char *key, double value)
{
    json_object_set_new(c->root, key, json_real(value));
}

void lm_config_set_bool(lm_config *c, const char *key, bool value)
{
    json_object_set_new(c->root, key, json_boolean(value));
}

void lm_config_set_string(lm_config *c, const char *key, const char *value)
{
    json_object_set_new(c->root, key, json_string(value));
}

void lm_config_set_strings(lm_config *c, const char *key, const char *const *values, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_string(values[i]));
    json_object_set_new(c->root, key, list);
}

void lm_config_set_labels(lm_config *c, const char *const *names, int n)
{
    json_t *by_id = json_object(), *by_label = json_object();
    bool usual = n == 2;
    for (int i = 0; i < n; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        json_object_set_new(by_id, key, json_string(names[i]));
        json_object_set_new(by_label, names[i], json_integer(i));
        usual = usual && strcmp(names[i], numbered_label(c, i)) == 0;
    }
    json_object_del(c->root, "num_labels");
    if (usual) {
        json_object_del(c->root, "id2label");
        json_object_del(c->root, "label2id");
    } else {
        json_object_set(c->root, "id2label", by_id);
        json_object_set(c->root, "label2id", by_label);
    }
    json_decref(by_id);
    json_decref(by_label);
    read_labels(c);
}

void lm_config_rename(lm_config *c, const char *from, const char *to)
{
    json_t *value = json_object_get(c->root, from);
    if (value)
        json_object_set(c->root, to, value);
    json_object_del(c->root, from);
}

void lm_config_set_null(lm_config *c, const char *key)
{
    json_object_set_new(c->root, key, json_null());
}

void lm_config_remove(lm_config *c, const char *key)
{
    json_object_del(c->root, key);
}

static bool merge(lm_config *c, const char *text, int (*update)(json_t *, json_t *))
{
    json_t *members = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    bool ok = json_is_object(members);
    if (ok) {
        update(c->root, members);
        read_labels(c);
    }
    json_decref(members);
    return ok;
}

bool lm_config_complete(lm_config *c, const char *defaults)
{
    return merge(c, defaults, json_object_update_missing);
}

bool lm_config_replace(lm_config *c, const char *members)
{
    return merge(c, members, json_object_update);
}

const json_t *lm_config_member(const lm_config *c, const char *key)
{
    return json_object_get(c->root, key);
}

void lm_config_print(const lm_config *c, lm_buf *out)
{
    lm_json_print(c->root, &lm_json_python, 0, out);
    lm_buf_putc(out, '\n');
}
