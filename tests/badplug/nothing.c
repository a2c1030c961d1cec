/* The entry point gives no descriptor. */
#include "lmutils/plugin.h"

__attribute__((visibility("default"))) const lm_plugin *lm_plugin_entry_point(void);
const lm_plugin *lm_plugin_entry_point(void)
{
    return NULL;
}
