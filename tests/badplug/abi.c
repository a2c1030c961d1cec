/* Built against another ABI. */
#include "badplug.h"

ENTRY(.magic = LM_PLUGIN_MAGIC, .abi = LM_PLUGIN_ABI + 1, .size = sizeof(lm_plugin), WHOLE)
