/* Finding and checking plugins: --plugin FILE, $LMUTILS_PLUGIN_PATH (an empty element means the default), the
 * installed directory; never the current one. RTLD_NOW|RTLD_LOCAL, never unloaded. */
#ifndef LM_MODEL_PLUGIN_HOST_H
#define LM_MODEL_PLUGIN_HOST_H

#include "base/status.h"
#include "model/config.h"

/* The plugin that serves `model_type`. `file` (or NULL) is tried first and must be loadable. A descriptor of
 * another magic or ABI, one that is larger than this host's or smaller than the ABI's first, a missing symbol or
 * function, and two plugins for one model_type are refused, naming field and file; not found: every path that was
 * tried, and the model types that exist. */
const lm_plugin *lm_plugin_find(const char *model_type, const char *file, lm_status *st);
/* Checks one descriptor field by field; `file` is for messages. */
bool lm_plugin_check(const lm_plugin *plugin, const char *file, lm_status *st);
const lm_head *lm_plugin_head_by_task(const lm_plugin *plugin, const char *task);
const lm_head *lm_plugin_head_by_architecture(const lm_plugin *plugin, const char *architecture);
/* The class of a head in a model of that type: "XLMRobertaForMaskedLM". The caller frees it. */
char *lm_plugin_class(const lm_plugin *plugin, const lm_head *head, const char *model_type);
/* Gives members of a config the family's names (lm_plugin.renamed). */
void lm_plugin_rename(const lm_plugin *plugin, lm_config *config);

#endif
