/* Something else that happens to export the symbol. */
#include "badplug.h"

ENTRY(.magic = 0x12345678, .abi = LM_PLUGIN_ABI, .size = sizeof(lm_plugin), WHOLE)
