/* Which modules a config means: names, ends of names, regular expressions, layers (PEFT's check_target_module_exists). */
#include "model/adapter/adapter_internal.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING in PEFT's constants.py, of the families that are served. Those that it
 * lacks are adapted where their relatives are. */
static const char *const defaults[][2] = {
    {"albert", "query,value"},    {"bert", "query,value"},         {"distilbert", "q_lin,v_lin"}, {"electra", "query,value"},
    {"gemma", "q_proj,v_proj"},   {"gpt2", "c_attn"},              {"llama", "q_proj,v_proj"},    {"mistral", "q_proj,v_proj"},
    {"mt5", "q,v"},               {"qwen2", "q_proj,v_proj"},      {"qwen3", "q_proj,v_proj"},    {"roberta", "query,value"},
    {"t5", "q,v"},                {"xlm-roberta", "query,value"},
};

bool lm_default_targets(lm_adapter_config *c, const char *model_type, lm_status *st)
{
    const char *names = NULL;
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (strcmp(defaults[i][0], model_type) == 0)
            names = defaults[i][1];
    if (c->target.count || c->target.regex)
        return true;
    if (!names)
        return lm_fail(st, LM_USAGE, "target_modules: there is no default for %s: name modules, or take all-linear", model_type);
    for (size_t n; *names; names += n + (names[n] == ',')) {
        n = strcspn(names, ",");
        lm_module_names_add(&c->target, names, n);
    }
    return true;
}

/* ------------------------------------------------------------------ modules */

/* "NAME" of "NAME.weight". */
static bool take_module(lm_module *to, const char *parameter, lm_param *p)
{
    size_t n = strlen(parameter);
    if (p->shape.dims != 2 || p->lazy || !lm_ends_in(parameter, ".weight") || n >= LM_NAME_MAX)
        return false;
    *to = (lm_module){.weight = p};
    memcpy(to->name, parameter, n - strlen(".weight"));
    return true;
}

/* A head's matrix with a row for each word. */
static bool is_output(const lm_model *m, const lm_param *p)
{
    return m->head->columns == LM_COLUMNS_VOCABULARY && m->head->tokens && p->index >= m->head_from && !p->transposed &&
           p->shape.size[0] == m->arch.vocab_size;
}

lm_module *lm_modules_of(const lm_model *m, size_t *count)
{
    size_t own = m->adapter_from ? m->adapter_from : lm_params_count(m->params), aliases = lm_params_aliases(m->params);
    lm_module *list = lm_calloc(own + aliases + 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < own; i++) {
        lm_param *p = lm_params_at(m->params, i);
        if (take_module(&list[n], p->name, p)) {
            list[n].place = p->embedding ? LM_ADAPTS_TABLE : LM_ADAPTS_LAYER;
            list[n++].output = !p->embedding && is_output(m, p);
        }
    }
    for (size_t i = 0; i < aliases; i++) { /* a table that is a layer, too; its other names as a table say nothing new */
        lm_param *p;
        const char *name = lm_params_alias(m->params, i, &p);
        if (p->embedding && !strstr(name, "embed") && take_module(&list[n], name, p)) {
            list[n].place = LM_ADAPTS_LAYER;
            list[n++].output = true;
        }
    }
    *count = n;
    return list;
}

/* ------------------------------------------------------------------ expressions */

struct lm_module_matcher {
    const lm_adapter_config *c;
    bool all_linear;
    pcre2_code *target_code, *exclude_code, **rank_code, **alpha_code, **layer_code, **save_code;
    pcre2_match_data *data;
};

static pcre2_code *compile(const char *what, const char *format, const char *pattern, uint32_t how, lm_status *st)
{
    int error;
    PCRE2_SIZE at;
    PCRE2_UCHAR message[128];
    char *text = lm_format(format, pattern);
    pcre2_code *code = lm_ok(st) ? pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP | how, &error, &at, NULL)
                                 : NULL;
    if (!code && lm_ok(st)) {
        pcre2_get_error_message(error, message, sizeof message);
        lm_fail(st, LM_USAGE, "%s: \"%s\": %s: a regular expression of Python's is expected", what, pattern, (const char *)message);
    }
    free(text);
    return code;
}

static bool matches(lm_module_matcher *x, const pcre2_code *code, const char *subject)
{
    return pcre2_match(code, (PCRE2_SPTR)subject, strlen(subject), 0, 0, x->data, NULL) >= 0;
}

static pcre2_code **compile_patterns(const char *what, const lm_adapter_pattern *p, size_t n, lm_status *st)
{
    pcre2_code **codes = lm_calloc(n + 1, sizeof(pcre2_code *));
    for (size_t i = 0; i < n; i++)
        codes[i] = compile(what, "(?:.*\\.)?(?:%s)", p[i].pattern, PCRE2_ANCHORED | PCRE2_ENDANCHORED, st);
    return codes;
}

static pcre2_code **compile_names(const char *what, const char *format, const lm_module_names *names, lm_status *st)
{
    pcre2_code **codes = lm_calloc(names->count + 1, sizeof(pcre2_code *));
    for (size_t i = 0; i < names->count; i++)
        codes[i] = compile(what, format, names->names[i], PCRE2_ANCHORED, st);
    return codes;
}

lm_module_matcher *lm_module_matcher_new(const lm_adapter_config *c, lm_status *st)
{
    static const char any_layer[] = ".*?\\.[^.]*\\.(\\d+)\\.";
    enum { WHOLE = PCRE2_ANCHORED | PCRE2_ENDANCHORED };
    lm_module_matcher *x = lm_calloc(1, sizeof *x);
    x->c = c;
    x->data = pcre2_match_data_create(2, NULL);
    x->all_linear = c->target.regex && strcasecmp(c->target.regex, "all-linear") == 0;
    if (c->target.regex && !x->all_linear)
        x->target_code = compile("target_modules", "%s", c->target.regex, WHOLE, st);
    if (c->exclude.regex)
        x->exclude_code = compile("exclude_modules", "%s", c->exclude.regex, WHOLE, st);
    x->rank_code = compile_patterns("rank_pattern", c->rank_pattern, c->rank_patterns, st);
    x->alpha_code = compile_patterns("alpha_pattern", c->alpha_pattern, c->alpha_patterns, st);
    x->save_code = compile_names("modules_to_save", "(?:^|.*\\.)%s(?:$|\\..*)", &c->modules_to_save, st);
    if (c->layers_pattern.count) {
        x->layer_code = compile_names("layers_pattern", ".*?\\.%s\\.(\\d+)\\.", &c->layers_pattern, st);
    } else {
        x->layer_code = lm_calloc(2, sizeof(pcre2_code *));
        x->layer_code[0] = compile("layers_pattern", "%s", any_layer, PCRE2_ANCHORED, st);
    }
    if (lm_ok(st))
        return x;
    lm_module_matcher_free(x);
    return NULL;
}

static void free_codes(pcre2_code **codes, size_t n)
{
    for (size_t i = 0; codes && i < n; i++)
        pcre2_code_free(codes[i]);
    free(codes);
}

void lm_module_matcher_free(lm_module_matcher *x)
{
    if (!x)
        return;
    pcre2_code_free(x->target_code);
    pcre2_code_free(x->exclude_code);
    free_codes(x->rank_code, x->c->rank_patterns);
    free_codes(x->alpha_code, x->c->alpha_patterns);
    free_codes(x->save_code, x->c->modules_to_save.count);
    free_codes(x->layer_code, x->c->layers_pattern.count ? x->c->layers_pattern.count : 1);
    pcre2_match_data_free(x->data);
    free(x);
}

/* ------------------------------------------------------------------ questions */

/* The whole name, or what it ends in from the start of a part; *whole: the former. */
static bool is_named(const lm_module_names *n, const char *module, bool *whole)
{
    bool found = false;
    *whole = false;
    for (size_t i = 0; i < n->count; i++) {
        size_t len = strlen(module), m = strlen(n->names[i]);
        *whole |= strcmp(module, n->names[i]) == 0;
        found |= len > m && module[len - m - 1] == '.' && lm_ends_in(module, n->names[i]);
    }
    return found || *whole;
}

static bool is_in_layers(lm_module_matcher *x, const char *module)
{
    size_t patterns = x->c->layers_pattern.count ? x->c->layers_pattern.count : 1;
    for (size_t i = 0; i < patterns; i++) {
        if (!matches(x, x->layer_code[i], module))
            continue;
        long layer = strtol(module + pcre2_get_ovector_pointer(x->data)[2], NULL, 10);
        for (size_t k = 0; k < x->c->layer_count; k++)
            if (x->c->layers[k] == layer)
                return true;
        return false;
    }
    return false;
}

bool lm_module_is_target(lm_module_matcher *x, const lm_module *module)
{
    const lm_adapter_config *c = x->c;
    bool whole;
    if (x->exclude_code ? matches(x, x->exclude_code, module->name) : is_named(&c->exclude, module->name, &whole))
        return false;
    for (size_t i = 0; i < c->modules_to_save.count; i++)
        if (matches(x, x->save_code[i], module->name))
            return false;
    if (x->all_linear)
        return module->place == LM_ADAPTS_LAYER && !module->output;
    if (c->target.regex)
        return matches(x, x->target_code, module->name);
    return is_named(&c->target, module->name, &whole) && (whole || !c->layer_count || is_in_layers(x, module->name));
}

static double pattern_value(lm_module_matcher *x, pcre2_code **codes, const lm_adapter_pattern *p, size_t n, const char *module,
                            double otherwise)
{
    for (size_t i = 0; i < n; i++)
        if (matches(x, codes[i], module))
            return p[i].value;
    return otherwise;
}

int lm_module_rank(lm_module_matcher *x, const char *module)
{
    return (int)pattern_value(x, x->rank_code, x->c->rank_pattern, x->c->rank_patterns, module, x->c->r);
}

float lm_module_scale(lm_module_matcher *x, const char *module, int rank)
{
    double alpha = pattern_value(x, x->alpha_code, x->c->alpha_pattern, x->c->alpha_patterns, module, x->c->alpha);
    return (float)(alpha / (x->c->rslora ? sqrt(rank) : rank));
}

bool lm_is_saved_module(const lm_adapter_config *c, const char *parameter)
{
    for (const char *dot = strchr(parameter, '.'); dot; dot = strchr(dot + 1, '.')) {
        size_t n = (size_t)(dot - parameter);
        for (size_t i = 0; i < c->modules_to_save.count; i++) {
            size_t m = strlen(c->modules_to_save.names[i]);
            if (n >= m && memcmp(parameter + n - m, c->modules_to_save.names[i], m) == 0)
                return true;
        }
    }
    return false;
}
