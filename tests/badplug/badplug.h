/* Plugins that the host must refuse, one fault each: a whole descriptor, of which a file changes one member. */
#ifndef LM_TESTS_BADPLUG_H
#define LM_TESTS_BADPLUG_H

#include "lmutils/plugin.h"

static const void *configure(lm_config *c, lm_arch *arch)
{
    *arch = (lm_arch){.width = 1, .vocab_size = 1, .body = "", .layer = "layer"};
    return c;
}

static void declare(lm_declare *d, lm_scope s, const void *config)
{
    (void)config;
    lm_declare_linear(d, s, 1, 1, 0.02);
}

static inline lm_tensor *embed(lm_graph *g, lm_scope s, const void *config, const lm_batch *batch)
{
    (void)config;
    return lm_embedding(g, s, batch->ids, batch);
}

static inline lm_tensor *block(lm_graph *g, lm_scope s, const void *config, int index, lm_tensor *x)
{
    (void)config;
    (void)index;
    return lm_linear(g, s, x);
}

static inline lm_tensor *rows(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    (void)s;
    (void)config;
    return lm_first_token(g, x);
}

__attribute__((unused)) static const lm_head heads[] = {
    {.name = "base", .architecture = "BadModel", .declare = declare, .rows = rows, .bare = true}, {0}};

#define WHOLE                                                                                                 \
    .name = "bad", .model_types = "bad", .configure = configure, .declare = declare, .embed = embed,            \
    .block = block, .heads = heads

/* The entry point that gives any descriptor. */
#define ENTRY(...)                                                                                            \
    __attribute__((visibility("default"))) const lm_plugin *lm_plugin_entry_point(void);                      \
    const lm_plugin *lm_plugin_entry_point(void)                                                              \
    {                                                                                                         \
        static const lm_plugin plugin = {                                                                     \
            .arch_size = sizeof(lm_arch), .head_size = sizeof(lm_head), __VA_ARGS__};                           \
        return &plugin;                                                                                       \
    }

#endif
