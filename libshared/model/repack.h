/* Models as files, whatever computes them: from one form into another, and looked through. */
#ifndef LM_MODEL_REPACK_H
#define LM_MODEL_REPACK_H

#include "model/model.h"

/* Writes the files and tensors of the model `from` to `to` (stream/bundle.h says which forms there are): as they are, or
 * in another type, or cut into other shards. What is no file of a model stays behind. No plugin is needed. */
bool lm_model_repack(const char *from, const char *to, const lm_save_options *save, const lm_bundle_options *stream,
                     lm_status *st);

/* Looks at all there is: config.json, names and shapes as the plugin wants them, every weight (NaN and infinite ones
 * fail), the tokenizer and its size. Appends a line on what it is. */
bool lm_model_inspect(const char *path, const char *plugin_path, lm_buf *out, lm_status *st);

#endif
