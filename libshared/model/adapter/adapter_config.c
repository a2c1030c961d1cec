/* adapter_config.json. */
#include "base/log.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/options.h"
#include "model/adapter/adapter_internal.h"
#include "stream/json_tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *task_type, *head;
} tasks[] = {{"SEQ_CLS", "classify"},     {"TOKEN_CLS", "tag"},           {"QUESTION_ANS", "answer"}, {"CAUSAL_LM", "clm"},
             {"SEQ_2_SEQ_LM", "seq2seq"}, {"FEATURE_EXTRACTION", "base"}};

const char *lm_adapter_task_of(const char *head)
{
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (strcmp(head, tasks[i].head) == 0)
            return tasks[i].task_type;
    return NULL;
}

const char *lm_adapter_head_of(const char *task_type)
{
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (strcmp(task_type, tasks[i].task_type) == 0)
            return tasks[i].head;
    return NULL;
}

const char *const lm_adapter_bias_names[] = {"none", "all", "lora_only", NULL};

static void free_names(lm_module_names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->names[i]);
    free(n->names);
    free(n->regex);
}

static void free_patterns(lm_adapter_pattern *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(p[i].pattern);
    free(p);
}

void lm_adapter_config_free(lm_adapter_config *c)
{
    if (!c)
        return;
    free_names(&c->target);
    free_names(&c->exclude);
    free_names(&c->modules_to_save);
    free_names(&c->layers_pattern);
    free_patterns(c->rank_pattern, c->rank_patterns);
    free_patterns(c->alpha_pattern, c->alpha_patterns);
    free(c->layers);
    free(c->init);
    free(c->base);
    free(c->task_type);
    json_decref(c->rest);
    free(c);
}

void lm_module_names_add(lm_module_names *n, const char *name, size_t len)
{
    n->names = lm_realloc(n->names, n->count + 1, sizeof *n->names);
    n->names[n->count++] = lm_strndup(name, len);
}

static void add_pattern(lm_adapter_pattern **list, size_t *count, const char *pattern, size_t len, double value)
{
    *list = lm_realloc(*list, *count + 1, sizeof **list);
    (*list)[(*count)++] = (lm_adapter_pattern){lm_strndup(pattern, len), value};
}

/* ------------------------------------------------------------------ a command line */

/* Whether a text is a list of names, and no expression. */
static bool is_list(const char *text)
{
    for (const char *s = text; *s; s++)
        if (!strchr(".,_-", *s) && !(*s >= '0' && *s <= '9') && !((*s | 32) >= 'a' && (*s | 32) <= 'z'))
            return false;
    return strcmp(text, "all-linear") != 0;
}

static void split_names(const char *text, lm_module_names *n)
{
    if (!text || !*text)
        return;
    if (!is_list(text)) {
        n->regex = lm_strdup(text);
        return;
    }
    for (const char *s = text; *s;) {
        size_t len = strcspn(s, ",");
        if (len)
            lm_module_names_add(n, s, len);
        s += len + (s[len] == ',');
    }
}

static bool split_patterns(const char *option, const lm_strings *from, double least, lm_adapter_pattern **list, size_t *count,
                           lm_status *st)
{
    for (size_t i = 0; i < from->count; i++) {
        const char *equals = strrchr(from->items[i], '=');
        double value;
        if (!equals || equals == from->items[i] || !lm_parse_float(equals + 1, &value) || value < least || value > 1e6)
            return lm_fail(st, LM_USAGE, "%s %s: a module's name or a regular expression for it, =, and a number are expected",
                           option, from->items[i]);
        add_pattern(list, count, from->items[i], (size_t)(equals - from->items[i]), value);
    }
    return true;
}

static bool split_layers(const char *text, lm_adapter_config *c, lm_status *st)
{
    if (!text || !*text)
        return true;
    c->layers = lm_number_list(text, 100001, &c->layer_count);
    return c->layers ||
           lm_fail(st, LM_USAGE, "--layers-to-transform %s: numbers of layers are expected, such as 0,1,2 or 0-5", text);
}

static bool known_init(const char *init)
{
    static const char *const known[] = {"true", "false", "gaussian", "pissa", "olora", "loftq"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(init, known[i]) == 0)
            return true;
    int n = 0, end = 0;
    return sscanf(init, "pissa_niter_%d%n", &n, &end) == 1 && !init[end] && n >= 0;
}

bool lm_adapter_takes_from_base(const lm_adapter_config *c)
{
    return strncmp(c->init, "pissa", 5) == 0 || strcmp(c->init, "olora") == 0;
}

/* What excludes what, here and in PEFT. */
static bool check(const lm_adapter_config *c, lm_status *st)
{
    if (c->r < 1)
        return lm_fail(st, LM_USAGE, "r: %d: a rank of 1 or more is expected", c->r);
    if (!(c->dropout >= 0 && c->dropout < 1))
        return lm_fail(st, LM_USAGE, "lora_dropout: %g: a number from 0 to 1 is expected", c->dropout);
    if (!known_init(c->init))
        return lm_fail(st, LM_USAGE,
                       "init_lora_weights: %s: known are true, false, gaussian, pissa, pissa_niter_N, olora and loftq", c->init);
    if (c->dora && (lm_adapter_takes_from_base(c) || strcmp(c->init, "loftq") == 0))
        return lm_fail(st, LM_USAGE, "use_dora: not together with init_lora_weights %s: leave one of them out", c->init);
    if (c->dora && c->lora_bias)
        return lm_fail(st, LM_USAGE, "lora_bias: not together with use_dora");
    if (c->target.regex && strcmp(c->target.regex, "all-linear") != 0 && (c->layer_count || c->layers_pattern.count))
        return lm_fail(st, LM_USAGE, "layers_to_transform: the targets are a regular expression, which can say so itself: leave "
                       "one of them out");
    if (c->layers_pattern.count && !c->layer_count)
        return lm_fail(st, LM_USAGE, "layers_pattern: says nothing without layers_to_transform: give that, too");
    return true;
}

lm_adapter_config *lm_adapter_config_new(const lm_adapter_options *o, lm_status *st)
{
    lm_adapter_config *c = lm_calloc(1, sizeof *c);
    *c = (lm_adapter_config){.r = o->r ? (int)o->r : 8, .dropout = o->dropout, .rslora = o->rslora, .dora = o->dora,
                             .bias = (lm_adapter_bias)o->bias, .init = lm_strdup(o->init ? o->init : "true"),
                             .rest = json_object()};
    c->alpha = o->alpha > 0 ? o->alpha : c->r;
    split_names(o->target, &c->target);
    split_names(o->exclude, &c->exclude);
    split_names(o->modules_to_save, &c->modules_to_save);
    split_names(o->layers_pattern, &c->layers_pattern);
    if (split_patterns("--rank-pattern", &o->rank_pattern, 1, &c->rank_pattern, &c->rank_patterns, st) &&
        split_patterns("--alpha-pattern", &o->alpha_pattern, 0, &c->alpha_pattern, &c->alpha_patterns, st) &&
        split_layers(o->layers, c, st) && check(c, st))
        return c;
    lm_adapter_config_free(c);
    return NULL;
}

/* ------------------------------------------------------------------ a file */

typedef struct reading {
    json_t *root; /* what has been taken is removed from it */
    lm_status *st;
} reading;

/* The member, taken out; NULL where it is absent or null. The caller frees it. */
static json_t *take(reading *r, const char *key)
{
    json_t *v = json_object_get(r->root, key);
    json_incref(v);
    json_object_del(r->root, key);
    if (!json_is_null(v))
        return v;
    json_decref(v);
    return NULL;
}

static void wrong(reading *r, const char *key, const char *expected)
{
    if (lm_ok(r->st))
        lm_fail(r->st, LM_FAILED, "%s: %s is expected", key, expected);
}

static double take_number(reading *r, const char *key, double otherwise)
{
    json_t *v = take(r, key);
    double value = v ? json_number_value(v) : otherwise;
    if (v && (!json_is_number(v) || !isfinite(value) || fabs(value) > 1e9))
        wrong(r, key, "a number");
    json_decref(v);
    return value;
}

static bool take_bool(reading *r, const char *key)
{
    json_t *v = take(r, key);
    bool value = json_is_true(v);
    if (v && !json_is_boolean(v))
        wrong(r, key, "true or false");
    json_decref(v);
    return value;
}

static char *take_string(reading *r, const char *key)
{
    json_t *v = take(r, key);
    char *value = json_is_string(v) ? lm_strdup(json_string_value(v)) : NULL;
    if (v && !value)
        wrong(r, key, "a string");
    json_decref(v);
    return value;
}

static lm_module_names take_names(reading *r, const char *key, bool expression)
{
    lm_module_names n = {0};
    json_t *v = take(r, key), *name;
    size_t i;
    json_array_foreach(v, i, name) {
        if (json_is_string(name))
            lm_module_names_add(&n, json_string_value(name), json_string_length(name));
        else
            wrong(r, key, "a list of names");
    }
    if (json_is_string(v) && expression)
        n.regex = lm_strdup(json_string_value(v));
    else if (json_is_string(v))
        lm_module_names_add(&n, json_string_value(v), json_string_length(v));
    else if (v && !json_is_array(v))
        wrong(r, key, "a list of names");
    json_decref(v);
    return n;
}

static void take_patterns(reading *r, const char *key, double least, lm_adapter_pattern **list, size_t *count)
{
    json_t *v = take(r, key), *number;
    const char *pattern;
    if (v && !json_is_object(v))
        wrong(r, key, "an object of names and numbers");
    json_object_foreach(v, pattern, number) {
        double value = json_number_value(number);
        if (!json_is_number(number) || !(value >= least && value <= 1e6))
            wrong(r, key, "an object of names and numbers");
        add_pattern(list, count, pattern, strlen(pattern), value);
    }
    json_decref(v);
}

static void take_layers(reading *r, lm_adapter_config *c)
{
    json_t *v = take(r, "layers_to_transform"), *one;
    size_t n = json_is_array(v) ? json_array_size(v) : v ? 1 : 0;
    c->layers = lm_calloc(n ? n : 1, sizeof *c->layers);
    for (size_t i = 0; i < n; i++) {
        one = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_integer(one) || json_integer_value(one) < 0 || json_integer_value(one) > INT32_MAX)
            wrong(r, "layers_to_transform", "a list of numbers of layers");
        c->layers[c->layer_count++] = (int)json_integer_value(one);
    }
    json_decref(v);
}

static void take_init(reading *r, lm_adapter_config *c)
{
    json_t *v = take(r, "init_lora_weights");
    c->init = lm_strdup(json_is_string(v) ? json_string_value(v) : json_is_false(v) ? "false" : "true");
    if (v && !json_is_string(v) && !json_is_boolean(v))
        wrong(r, "init_lora_weights", "true, false or a name");
    json_decref(v);
}

/* Ways to begin that leave the base's weights alone have no say in what a trained adapter gives. */
bool lm_adapter_needs_start(const lm_adapter_config *c)
{
    static const char *const over[] = {"gaussian", "eva", "orthogonal", "mica", "true", "false"};
    for (size_t i = 0; i < sizeof over / sizeof *over; i++)
        if (strcmp(c->init, over[i]) == 0)
            return false;
    return true;
}

/* What is left of a file says nothing of the result where it is off, or one of these. Other members that are on, and no text, may
 * mean anything. */
static bool check_rest(json_t *rest, lm_status *st)
{
    static const char *const harmless[] = {"auto_mapping",   "inference_mode",  "revision",   "loftq_config",  "eva_config",
                                           "corda_config",   "lora_ga_config",  "megatron_core", "runtime_config",
                                           "peft_version",   "qalora_group_size", "velora_config"};
    const char *key;
    json_t *v;
    json_object_foreach(rest, key, v) {
        bool off = json_is_null(v) || json_is_false(v) || (json_is_array(v) && !json_array_size(v)) ||
                   (json_is_object(v) && !json_object_size(v)) || (json_is_number(v) && json_number_value(v) == 0);
        bool known = off || json_is_string(v);
        for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
            known |= strcmp(key, harmless[i]) == 0;
        if (!known) {
            char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
            lm_fail(st, LM_FAILED, "%s: %.60s: this lmutils does not know what it changes in the result: use the adapter with "
                    "PEFT, merge it there, or remove the member if it changes nothing", key, text ? text : "");
            free(text);
            return false;
        }
    }
    return true;
}

static bool read_all(reading *r, lm_adapter_config *c)
{
    lm_status *st = r->st;
    char *type = take_string(r, "peft_type");
    if (lm_ok(st) && !type)
        lm_fail(st, LM_FAILED, "peft_type is missing: this is no adapter of PEFT");
    else if (lm_ok(st) && strcmp(type, "LORA") != 0)
        lm_fail(st, LM_FAILED, "peft_type: %s: LORA alone is served: merge the adapter with PEFT", type);
    free(type);
    double rank = take_number(r, "r", 8);
    if (rank != floor(rank))
        wrong(r, "r", "a whole number");
    c->r = (int)rank;
    c->alpha = take_number(r, "lora_alpha", 8);
    c->dropout = take_number(r, "lora_dropout", 0);
    c->rslora = take_bool(r, "use_rslora");
    c->dora = take_bool(r, "use_dora");
    c->lora_bias = take_bool(r, "lora_bias");
    c->fan_in_fan_out = take_bool(r, "fan_in_fan_out");
    take_init(r, c);
    c->target = take_names(r, "target_modules", true);
    c->exclude = take_names(r, "exclude_modules", true);
    c->modules_to_save = take_names(r, "modules_to_save", false);
    c->layers_pattern = take_names(r, "layers_pattern", false);
    take_patterns(r, "rank_pattern", 1, &c->rank_pattern, &c->rank_patterns);
    take_patterns(r, "alpha_pattern", 0, &c->alpha_pattern, &c->alpha_patterns);
    take_layers(r, c);
    c->base = take_string(r, "base_model_name_or_path");
    c->task_type = take_string(r, "task_type");
    char *bias = take_string(r, "bias");
    for (int i = 0; bias && lm_adapter_bias_names[i]; i++)
        if (strcmp(bias, lm_adapter_bias_names[i]) == 0)
            c->bias = (lm_adapter_bias)i;
    if (bias && strcmp(bias, lm_adapter_bias_names[c->bias]) != 0 && lm_ok(st))
        lm_fail(st, LM_FAILED, "bias: %s: none, all or lora_only is expected", bias);
    free(bias);
    if (lm_ok(st) && !lm_adapter_needs_start(c)) {
        char *init = c->init; /* kept for the file, and no other's business */
        c->init = lm_strdup("true");
        bool ok = check(c, st);
        free(c->init);
        c->init = init;
        return ok && check_rest(c->rest, st);
    }
    return lm_ok(st) && check(c, st) && check_rest(c->rest, st);
}

lm_adapter_config *lm_adapter_config_read(lm_bundle *b, lm_status *st)
{
    lm_adapter_config *c = lm_calloc(1, sizeof *c);
    c->rest = lm_bundle_json(b, LM_ADAPTER_CONFIG, 0, st);
    char *name = lm_bundle_file(b, LM_ADAPTER_CONFIG);
    reading r = {c->rest, st};
    if (lm_ok(st) && !json_is_object(c->rest))
        lm_fail(st, LM_FAILED, "%s: an object is expected", name);
    else if (lm_ok(st) && !read_all(&r, c)) {
        lm_fail_prefix(st, name);
        st->code = LM_FAILED; /* whatever it would be on a command line */
    }
    free(name);
    if (lm_ok(st))
        return c;
    lm_adapter_config_free(c);
    return NULL;
}

/* ------------------------------------------------------------------ printing */

static json_t *print_names(const lm_module_names *n)
{
    if (n->regex)
        return json_string(n->regex);
    if (!n->count)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < n->count; i++)
        json_array_append_new(list, json_string(n->names[i]));
    return list;
}

/* Whole numbers without a point, as PEFT has them. */
static json_t *print_number(double value)
{
    return value == floor(value) && fabs(value) < 1e9 ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *print_patterns(const lm_adapter_pattern *p, size_t n)
{
    json_t *all = json_object();
    for (size_t i = 0; i < n; i++)
        json_object_set_new(all, p[i].pattern, print_number(p[i].value));
    return all;
}

static json_t *print_layers(const lm_adapter_config *c)
{
    if (!c->layer_count)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < c->layer_count; i++)
        json_array_append_new(list, json_integer(c->layers[i]));
    return list;
}

static json_t *print_init(const char *init)
{
    return strcmp(init, "true") == 0 ? json_true() : strcmp(init, "false") == 0 ? json_false() : json_string(init);
}

static json_t *string_or_null(const char *s)
{
    return s ? json_string(s) : json_null();
}

void lm_adapter_config_print(const lm_adapter_config *c, lm_buf *out)
{
    json_t *all = json_pack("{s:n, s:b, s:n, s:n, s:{}, s:n, s:s, s:n}", "auto_mapping", "inference_mode", 1,
                            "layer_replication", "layers_pattern", "loftq_config", "megatron_config", "megatron_core",
                            "megatron.core", "revision");
    json_object_update(all, c->rest);
    json_object_set_new(all, "alpha_pattern", print_patterns(c->alpha_pattern, c->alpha_patterns));
    json_object_set_new(all, "base_model_name_or_path", string_or_null(c->base));
    json_object_set_new(all, "bias", json_string(lm_adapter_bias_names[c->bias]));
    json_object_set_new(all, "fan_in_fan_out", json_boolean(c->fan_in_fan_out));
    json_object_set_new(all, "init_lora_weights", print_init(c->init));
    json_object_set_new(all, "layers_pattern", print_names(&c->layers_pattern));
    json_object_set_new(all, "layers_to_transform", print_layers(c));
    json_object_set_new(all, "lora_alpha", print_number(c->alpha));
    json_object_set_new(all, "lora_dropout", json_real(c->dropout));
    json_object_set_new(all, "modules_to_save", print_names(&c->modules_to_save));
    json_object_set_new(all, "peft_type", json_string("LORA"));
    json_object_set_new(all, "r", json_integer(c->r));
    json_object_set_new(all, "rank_pattern", print_patterns(c->rank_pattern, c->rank_patterns));
    json_object_set_new(all, "target_modules", print_names(&c->target));
    json_object_set_new(all, "task_type", string_or_null(c->task_type));
    json_object_set_new(all, "use_dora", json_boolean(c->dora));
    json_object_set_new(all, "use_rslora", json_boolean(c->rslora));
    if (c->lora_bias) /* members that older versions of PEFT do not have stand where they say something */
        json_object_set_new(all, "lora_bias", json_true());
    if (c->exclude.count || c->exclude.regex)
        json_object_set_new(all, "exclude_modules", print_names(&c->exclude));
    lm_json_print(all, &lm_json_python, 0, out);
    json_decref(all);
}
