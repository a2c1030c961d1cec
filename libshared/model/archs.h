/* The architectures that there are: --list-archs. */
#ifndef LM_MODEL_ARCHS_H
#define LM_MODEL_ARCHS_H

#include "base/status.h"

/* Prints a line for each plugin, of `file` (--plugin; or NULL) first and then of the search path: its name, its model
 * types, the tasks of its heads, sizes of its own (- = none) and its file, with tabs between and commas within. As JSON: one object,
 * with the classes of transformers that each head has. Fails where there is none, and where `file` is no plugin. */
bool lm_archs_print(const char *file, bool json, lm_status *st);

#endif
