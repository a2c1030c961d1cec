#include "model/model.h"
#include "base/log.h"
#include "base/memory.h"
#include "model/adapter/adapter.h"
#include "model/plugin_host.h"
#include "model/weights.h"

#include <stdlib.h>
#include <sys/sysinfo.h>

/* More blocks than any architecture has: a config that says more is damaged, and each costs memory before its
 * tensors are looked for. */
enum { LAYERS_MAX = 10000 };

static const lm_model_options no_options = {0};

const char *const lm_activation_names[] = {[LM_ACTIVATIONS_F32] = "f32", [LM_ACTIVATIONS_INT8] = "int8", NULL};

static void list_heads(const lm_plugin *plugin, const char *type, bool tasks, lm_buf *out)
{
    for (const lm_head *h = plugin->heads; h->name; h++) {
        char *class = lm_plugin_class(plugin, h, type);
        lm_buf_printf(out, "%s%s", h == plugin->heads ? "" : ", ", tasks ? h->name : class);
        free(class);
    }
}

static const lm_head *choose_head(const lm_plugin *plugin, const char *type, const lm_config *config,
                                  const char *task, lm_status *st)
{
    const char *architecture = lm_config_first(config, "architectures");
    const lm_head *head = NULL;
    lm_buf known = {0};
    if (task && !(head = lm_plugin_head_by_task(plugin, task))) {
        list_heads(plugin, type, true, &known);
        lm_fail(st, LM_USAGE, "%s: unknown task of %s: known are %s", task, plugin->name,
                lm_buf_cstr(&known));
    } else if (!task && !architecture) {
        list_heads(plugin, type, true, &known);
        lm_fail(st, LM_FAILED, "config.json: architectures: none is named: give the task, one of %s",
                lm_buf_cstr(&known));
    } else if (!task && !(head = lm_plugin_head_by_architecture(plugin, architecture))) {
        list_heads(plugin, type, false, &known);
        lm_fail(st, LM_FAILED, "config.json: architectures: unknown \"%s\": plugin %s has %s", architecture,
                plugin->name, lm_buf_cstr(&known));
    }
    lm_buf_free(&known);
    return head;
}

static bool check_arch(const lm_arch *arch, const lm_plugin *plugin, lm_status *st)
{
    if (arch->layers < 0 || arch->layers > LAYERS_MAX || arch->decoder_layers < 0 ||
        arch->decoder_layers > LAYERS_MAX || arch->groups < 0 || arch->groups > LAYERS_MAX)
        return lm_fail(st, LM_FAILED, "config.json: %d layers: at most %d are possible",
                       arch->layers > LAYERS_MAX ? arch->layers : arch->decoder_layers, LAYERS_MAX);
    if (arch->width < 1 || arch->vocab_size < 1 || !arch->body || !arch->layer)
        return lm_fail(st, LM_FAILED,
                       "plugin %s: configure has not filled in width, vocab_size, body or layer", plugin->name);
    bool second = plugin->decoder_declare && plugin->decoder_embed && plugin->decoder_block && arch->decoder_layer;
    if (arch->decoder_layers && !second)
        return lm_fail(st, LM_FAILED, "plugin %s: a second stack without decoder_declare, _embed, _block or _layer",
                       plugin->name);
    if (arch->decoder_layers && (arch->decoder_start_id < 0 || arch->decoder_start_id >= arch->vocab_size))
        return lm_fail(st, LM_FAILED, "config.json: decoder_start_token_id: %d is not in the vocabulary of %d",
                       arch->decoder_start_id, arch->vocab_size);
    return true;
}

lm_scope lm_model_body(const lm_model *m)
{
    return lm_in((lm_scope){""}, m->head->bare ? "" : m->arch.body);
}

bool lm_model_in_body(const lm_model *m, const lm_param *p)
{
    size_t n = strlen(m->arch.body);
    return p->index < m->head_from || (n && strncmp(p->name, m->arch.body, n) == 0 && p->name[n] == '.');
}

lm_scope lm_model_block(const lm_model *m, int i)
{
    if (m->arch.layer_suffix)
        return lm_in(lm_model_body(m), m->arch.layer);
    int stored = m->arch.groups ? (int)((int64_t)i * m->arch.groups / m->arch.layers) : i;
    return lm_in_index(lm_model_body(m), m->arch.layer, stored);
}

lm_scope lm_model_decoder_block(const lm_model *m, int i)
{
    return lm_in_index(lm_model_body(m), m->arch.decoder_layer, i);
}

/* Fills the parameter table. */
static bool declare(lm_model *m, lm_status *st)
{
    m->params = lm_params_new();
    lm_declare *d = lm_declare_begin(m->params);
    m->plugin->declare(d, lm_model_body(m), m->plugin_config);
    m->decoder_from = lm_params_count(m->params);
    if (m->arch.decoder_layers)
        m->plugin->decoder_declare(d, lm_model_body(m), m->plugin_config);
    m->head_from = lm_params_count(m->params);
    m->head->declare(d, (lm_scope){""}, m->plugin_config);
    return lm_declare_end(d, st);
}

/* From a config to a table of parameters without values. Takes the config over. */
static lm_model *assemble(lm_config *config, const lm_model_options *options, bool fresh,
                          lm_status *st)
{
    lm_model *m = lm_calloc(1, sizeof *m);
    m->config = config;
    const char *type = lm_config_string(config, "model_type", "");
    if (!lm_config_failed(config, st) && !*type)
        lm_fail(st, LM_FAILED, "config.json: model_type is missing: it says which plugin serves the model");
    if (lm_ok(st))
        m->plugin = lm_plugin_find(type, options->plugin_path, st);
    if (m->plugin)
        lm_plugin_rename(m->plugin, config);
    if (m->plugin && fresh && !(m->plugin->defaults && lm_config_complete(config, m->plugin->defaults)))
        lm_fail(st, LM_FAILED, "plugin %s: it has no defaults to make a new model from", m->plugin->name);
    if (lm_ok(st))
        m->head = choose_head(m->plugin, type, config, options->task, st);
    if (m->head) {
        m->architecture = lm_plugin_class(m->plugin, m->head, type);
        m->plugin_config = m->plugin->configure(config, &m->arch);
        if (m->head->encoder_only)
            m->arch.decoder_layers = 0;
        if (!lm_config_failed(config, st) && check_arch(&m->arch, m->plugin, st) && declare(m, st)) {
            lm_config_set_strings(config, "architectures", (const char *const *)&m->architecture, 1);
            return m;
        }
    }
    lm_model_free(m);
    return NULL;
}

/* The bytes that the initialisers would fill have to be there: config.json may ask for anything. */
static bool check_memory(const lm_model *m, lm_status *st)
{
    size_t bytes = 0;
    struct sysinfo machine;
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        const lm_param *p = lm_params_at(m->params, i);
        if (!p->data && !lm_add_size(bytes, p->elements * sizeof(float), &bytes))
            bytes = SIZE_MAX;
    }
    if (sysinfo(&machine) != 0)
        return true;
    double have = ((double)machine.totalram + (double)machine.totalswap) * machine.mem_unit;
    return (double)bytes <= have ||
           lm_fail(st, LM_FAILED, "config.json: the weights to be initialised take %.1f GB, and this machine has %.1f: choose "
                   "a smaller model", (double)bytes / 1e9, have / 1e9);
}

static bool initialise(lm_model *m, uint64_t seed, lm_status *st)
{
    if (!check_memory(m, st))
        return false;
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        lm_param *p = lm_params_at(m->params, i);
        if (!p->data && !lm_param_initialise(p, seed, st))
            return false;
    }
    return true;
}

/* The config of a path's base, with what its adapters bring. */
static lm_config *adapted_config(lm_adapter_stack *s, lm_bundle *base, lm_status *st)
{
    lm_config *c = lm_config_open(base, st);
    if (!c || lm_adapter_stack_adapt(s, c, st))
        return c;
    lm_config_free(c);
    return NULL;
}

lm_config *lm_model_config(const char *path, lm_status *st)
{
    lm_adapter_stack s;
    lm_bundle *b = lm_adapter_stack_open(&s, path, NULL, 0, st) ? lm_bundle_open(s.parts[0], st) : NULL;
    lm_config *c = b ? adapted_config(&s, b, st) : NULL;
    lm_bundle_close(b);
    lm_adapter_stack_close(&s);
    return c;
}

/* Weights that a library of another name has quantised are called otherwise, or are no numbers at all. */
static bool check_quantisation(const lm_bundle *b, const lm_config *c, lm_status *st)
{
    static const char key[] = "quantization_config";
    const char *method = json_string_value(json_object_get(lm_config_member(c, key), "quant_method"));
    return !method || strcmp(method, "bitsandbytes") == 0 ||
           lm_fail(st, LM_FAILED, "%s: config.json: %s: weights of %s are not read: known are those of bitsandbytes (NF4, FP4, "
                   "int8) and GGUF files", lm_bundle_name(b), key, method);
}

/* generation_config.json goes with a model wherever it goes. */
static bool read_generation(lm_model *m, lm_status *st)
{
    enum { MOST = 1 << 20 };
    static const char file[] = "generation_config.json";
    size_t n;
    return !lm_bundle_has(m->bundle, file) || lm_bundle_read(m->bundle, file, MOST, &m->generation_config, &n, st);
}

/* Takes the bundle over. */
static lm_model *open_bundle(lm_bundle *b, const char *path, const lm_model_options *options, lm_status *st)
{
    lm_config *config = options->config ? options->config : lm_config_open(b, st);
    lm_model *m = config ? assemble(config, options, false, st) : NULL;
    if (!m) {
        if (!strstr(st->message, lm_bundle_name(b)))
            lm_fail_prefix(st, lm_bundle_name(b));
        lm_bundle_close(b);
        return NULL;
    }
    m->bundle = b;
    m->path = lm_strdup(path);
    if (options->no_weights)
        return m;
    bool ok = check_quantisation(b, config, st) && read_generation(m, st) &&
              (options->random_weights || lm_weights_load(m, options, st)) &&
              (!options->check || !m->checkpoint || lm_weights_check(m->checkpoint, st));
    if (ok && initialise(m, options->seed, st))
        return m;
    lm_model_free(m);
    return NULL;
}

/* Takes the bundle over. */
static lm_model *open_adapted(lm_adapter_stack *s, lm_bundle *b, const char *path, const lm_model_options *options, lm_status *st)
{
    lm_model_options o = *options;
    if (o.config)
        lm_adapter_stack_adapt(s, NULL, st); /* which has them already: what their head is called is asked */
    else
        o.config = adapted_config(s, b, st);
    if (!lm_ok(st)) {
        lm_config_free(o.config);
        lm_bundle_close(b);
        return NULL;
    }
    o.task = o.task ? o.task : s->task;
    o.allow_missing_head = o.quiet = true; /* until the adapters are there */
    lm_model *m = open_bundle(b, path, &o, st);
    if (m && lm_adapter_stack_attach(s, m, options, st) && (!o.merge_adapters || lm_model_merge(m, st)))
        return m;
    lm_model_free(m);
    return NULL;
}

lm_model *lm_model_open(const char *path, const lm_model_options *options, lm_status *st)
{
    lm_adapter_stack s;
    if (!options)
        options = &no_options;
    bool there = lm_adapter_stack_open(&s, path, options->adapters, options->adapter_count, st);
    lm_bundle *b = there ? lm_bundle_open(s.parts[0], st) : NULL;
    lm_model *m = NULL;
    if (!b)
        lm_config_free(options->config);
    else if (s.count > 1)
        m = open_adapted(&s, b, path, options, st);
    else
        m = open_bundle(b, path, options, st);
    lm_adapter_stack_close(&s);
    return m;
}

lm_model *lm_model_create(lm_config *config, const lm_model_options *options, lm_status *st)
{
    if (!options)
        options = &no_options;
    lm_model *m = assemble(config, options, !options->whole_config, st);
    if (m && !initialise(m, options->seed, st)) {
        lm_model_free(m);
        return NULL;
    }
    return m;
}

void lm_model_free(lm_model *m)
{
    if (!m)
        return;
    lm_params_free(m->params);
    lm_model_adapters_free(m);
    lm_checkpoint_close(m->checkpoint);
    lm_bundle_close(m->bundle);
    free(m->generation_config);
    lm_config_free(m->config);
    free((char *)m->path);
    free(m->architecture);
    free(m);
}
