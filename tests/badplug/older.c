/* A descriptor from before its last member, which is not the host's to read; otherwise nothing is wrong. */
#include "badplug.h"

ENTRY(.magic = LM_PLUGIN_MAGIC, .abi = LM_PLUGIN_ABI, .size = offsetof(lm_plugin, renamed), WHOLE, .renamed = "a=b")
