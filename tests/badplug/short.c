/* A descriptor that ends before what the first of this ABI had. */
#include "badplug.h"

ENTRY(.magic = LM_PLUGIN_MAGIC, .abi = LM_PLUGIN_ABI, .size = offsetof(lm_plugin, heads), WHOLE)
