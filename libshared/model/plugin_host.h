/* Plugins: one is loaded, checked and asked (plugin_host.c), all that there are are found (plugin_search.c). */
#ifndef LM_MODEL_PLUGIN_HOST_H
#define LM_MODEL_PLUGIN_HOST_H

#include "base/status.h"
#include "model/config.h"

/* A plugin that is there. Like the modules themselves, it stays. */
typedef struct lm_plugin_file {
    const lm_plugin *plugin;
    const char *file;
} lm_plugin_file;

/* Loads a file and checks its descriptor: another magic or ABI, one that is larger than this host's or smaller than the
 * ABI's first, a missing symbol or function are refused, naming field and file. What comes back is the descriptor in
 * today's structs; what an older plugin lacks is zero. A plugin that ends the process while it is being loaded is named
 * on standard error, and the status is LM_FAILED. */
const lm_plugin *lm_plugin_load(const char *file, lm_status *st);
/* Checks one descriptor field by field; `file` is for messages. */
bool lm_plugin_check(const lm_plugin *plugin, const char *file, lm_status *st);

/* All plugins of the search path, in its order and that of their names, each once. A file that is refused is told of as a
 * warning, once. They are looked for again where LMUTILS_PLUGIN_PATH has changed. */
const lm_plugin_file *lm_plugin_all(size_t *count);
/* The plugin that serves `model_type`. `file` (or NULL) is tried first and must be loadable. Two plugins for one
 * model_type are refused; not found: every path that was tried, and the model types that exist. */
const lm_plugin *lm_plugin_find(const char *model_type, const char *file, lm_status *st);

bool lm_plugin_serves(const lm_plugin *plugin, const char *model_type);
const lm_head *lm_plugin_head_by_task(const lm_plugin *plugin, const char *task);
const lm_head *lm_plugin_head_by_architecture(const lm_plugin *plugin, const char *architecture);
/* The class of a head in a model of that type: "XLMRobertaForMaskedLM". The caller frees it. */
char *lm_plugin_class(const lm_plugin *plugin, const lm_head *head, const char *model_type);
/* Gives members of a config the family's names (lm_plugin.renamed). */
void lm_plugin_rename(const lm_plugin *plugin, lm_config *config);
/* Words of a list that spaces separate: the next one from *rest, empty at the end. */
lm_str lm_plugin_next_word(const char **rest);

#endif
