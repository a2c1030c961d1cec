/* A longer descriptor than this host knows. */
#include "badplug.h"

ENTRY(.magic = LM_PLUGIN_MAGIC, .abi = LM_PLUGIN_ABI, .size = sizeof(lm_plugin) + sizeof(void *), WHOLE)
