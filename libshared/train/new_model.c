#include "train/new_model.h"

#include "base/memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* heads 64 wide, the inner layer four times as wide */
const lm_size lm_new_model_sizes[] = {
    {"tiny", 2, 128, 2, 512, NULL},   {"mini", 4, 256, 4, 1024, NULL},   {"small", 4, 512, 8, 2048, NULL},
    {"medium", 8, 512, 8, 2048, NULL}, {"base", 12, 768, 12, 3072, NULL}, {"large", 24, 1024, 16, 4096, NULL},
    {0},
};

static const lm_size *size_in(const lm_size *sizes, const char *name)
{
    for (; sizes && sizes->name; sizes++)
        if (strcmp(sizes->name, name) == 0)
            return sizes;
    return NULL;
}

/* Of another family's size a family takes what its own have. */
static bool find_size(const lm_plugin *plugin, const char *name, lm_size *out, lm_status *st)
{
    const lm_size *own = plugin->sizes, *found = size_in(own, name), *usual = size_in(lm_new_model_sizes, name);
    if (found || usual) {
        *out = found ? *found : *usual;
        if (!found && own && own->name && !own->heads)
            out->heads = 0;
        if (!found && own && own->name && !own->inner)
            out->inner = 0;
        return true;
    }
    lm_buf known = {0};
    for (const lm_size *s = lm_new_model_sizes; s->name; s++)
        lm_buf_printf(&known, "%s%s", known.len ? ", " : "", s->name);
    for (const lm_size *s = plugin->sizes; s && s->name; s++)
        if (!size_in(lm_new_model_sizes, s->name))
            lm_buf_printf(&known, ", %s", s->name);
    lm_fail(st, LM_USAGE, "--size %s: unknown: %s has %s", name, plugin->name, lm_buf_cstr(&known));
    lm_buf_free(&known);
    return false;
}

/* The file of --config, or nothing yet; its model_type is set. */
static lm_config *begin(const lm_new_model *n, lm_status *st)
{
    lm_config *c = n->config ? lm_config_read(n->config, st) : lm_config_parse(lm_str_of("{}"), n->architecture, st);
    if (!c)
        return NULL;
    const char *type = lm_config_string(c, "model_type", n->architecture);
    if (!lm_config_failed(c, st) && !type)
        lm_fail(st, LM_FAILED, "%s: model_type is missing: put it there, or give -a NAME", n->config);
    if (lm_ok(st) && n->architecture && strcmp(type, n->architecture) != 0)
        lm_fail(st, LM_USAGE, "-a %s: but %s is of the family %s: give one of them", n->architecture, n->config, type);
    if (lm_ok(st)) {
        lm_config_set_string(c, "model_type", type);
        return c;
    }
    lm_config_free(c);
    return NULL;
}

/* `part` of a size, in proportion to another width; at least 1. */
static int64_t in_proportion(int part, int64_t width, const lm_size *size)
{
    int64_t scaled = size->width ? part * width / size->width : part;
    return part && scaled < 1 ? 1 : scaled;
}

static void set_number(lm_config *c, const char *key, int64_t value)
{
    if (value)
        lm_config_set_int(c, key, value);
}

/* `size`: what is asked for, or what proportions are taken from where a width alone is given; sized: set it all. */
static bool set_sizes(lm_config *c, const lm_new_model *n, const lm_size *size, bool sized, const json_t *defaults,
                      lm_status *st)
{
    int64_t width = n->width ? n->width : sized ? size->width : 0;
    int64_t layers = n->layers ? n->layers : sized ? size->layers : 0;
    int64_t heads = n->heads ? n->heads : width ? in_proportion(size->heads, width, size) : 0;
    int64_t inner = n->inner ? n->inner : width ? in_proportion(size->inner, width, size) : 0;
    bool as_published = sized && heads == size->heads;
    if (sized && size->more && !lm_config_replace(c, size->more))
        return lm_fail(st, LM_FAILED, "sizes: \"%s\": `more` is no JSON object: the plugin is at fault", size->name);
    set_number(c, "hidden_size", width);
    set_number(c, "num_hidden_layers", layers);
    set_number(c, "num_attention_heads", heads);
    set_number(c, "intermediate_size", inner);
    /* groups of heads that share keys and values: as many as before are no divisor of another number of heads */
    const char *kv_heads = "num_key_value_heads";
    if (heads && json_object_get(defaults, kv_heads) && !(as_published && size->more && strstr(size->more, kv_heads)))
        lm_config_set_int(c, kv_heads, heads);
    set_number(c, "max_position_embeddings", n->max_length);
    return true;
}

/* An id of the tokenizer, where the family's config.json has a member for it. */
static void set_special(lm_config *c, const char *key, int id, const json_t *defaults)
{
    if (!lm_config_has(c, key) && !json_object_get(defaults, key))
        return;
    if (id >= 0)
        lm_config_set_int(c, key, id);
    else
        lm_config_set_null(c, key);
}

static void set_vocabulary(lm_config *c, const lm_new_vocabulary *v, const json_t *defaults)
{
    if (!v->size)
        return;
    lm_config_set_int(c, "vocab_size", v->size);
    set_special(c, "bos_token_id", v->bos, defaults);
    set_special(c, "eos_token_id", v->eos, defaults);
    if (v->pad < 0)
        return;
    /* a decoder that is started by padding (T5) is started by this one's */
    json_t *start = json_object_get(defaults, "decoder_start_token_id");
    if (start && json_equal(start, json_object_get(defaults, "pad_token_id")))
        lm_config_set_int(c, "decoder_start_token_id", v->pad);
    lm_config_set_int(c, "pad_token_id", v->pad);
}

static const lm_plugin *plugin_of(lm_config *c, const char *plugin_file, lm_status *st)
{
    return lm_plugin_find(lm_config_string(c, "model_type", ""), plugin_file, st);
}

const lm_plugin *lm_new_model_plugin(const lm_new_model *n, const char *plugin_file, lm_status *st)
{
    lm_config *c = begin(n, st);
    const lm_plugin *plugin = c ? plugin_of(c, plugin_file, st) : NULL;
    lm_config_free(c);
    return plugin;
}

lm_config *lm_new_model_config(const lm_new_model *n, const char *plugin_file, const lm_new_vocabulary *vocabulary,
                               lm_status *st)
{
    lm_config *c = begin(n, st);
    if (!c)
        return NULL;
    const lm_plugin *plugin = plugin_of(c, plugin_file, st);
    lm_size size;
    if (plugin && find_size(plugin, n->size ? n->size : "mini", &size, st)) {
        json_t *defaults = plugin->defaults ? json_loads(plugin->defaults, 0, NULL) : NULL;
        lm_plugin_rename(plugin, c);
        if (set_sizes(c, n, &size, n->size || !n->config, defaults, st))
            set_vocabulary(c, vocabulary, defaults);
        if (plugin->defaults)
            lm_config_complete(c, plugin->defaults); /* --dropout sets members that are there */
        json_decref(defaults);
        lm_config_failed(c, st);
    }
    if (lm_ok(st))
        return c;
    lm_config_free(c);
    return NULL;
}

char *lm_new_model_words(const lm_new_model *n)
{
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"layers", n->layers}, {"width", n->width}, {"heads", n->heads}, {"inner", n->inner},
                   {"max-length", n->max_length}};
    lm_buf words = {0};
    lm_buf_puts(&words, n->architecture ? n->architecture : "");
    if (n->config)
        lm_buf_printf(&words, "%s--config %s", words.len ? " " : "", n->config);
    if (n->size)
        lm_buf_printf(&words, " --size %s", n->size);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value)
            lm_buf_printf(&words, " --%s %lld", numbers[i].name, (long long)numbers[i].value);
    lm_buf_cstr(&words);
    return words.data;
}
