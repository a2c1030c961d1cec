/* A longer lm_arch than this host knows. */
#include "badplug.h"

__attribute__((visibility("default"))) const lm_plugin *lm_plugin_entry_point(void);
const lm_plugin *lm_plugin_entry_point(void)
{
    static const lm_plugin plugin = {.magic = LM_PLUGIN_MAGIC, .abi = LM_PLUGIN_ABI, .size = sizeof(lm_plugin),
                                     .arch_size = sizeof(lm_arch) + sizeof(void *), .head_size = sizeof(lm_head), WHOLE};
    return &plugin;
}
