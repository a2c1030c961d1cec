/* JSON text as Python's json.dumps(value, indent=2, sort_keys=True) writes it, which is how transformers
 * writes its files: so that what we write back differs from what was read only where it was changed. */
#ifndef LM_MODEL_PYTHON_JSON_H
#define LM_MODEL_PYTHON_JSON_H

#include "base/buffer.h"

#include <jansson.h>

/* Appends the text, without a final newline. Keys are sorted by code point; those of an object whose keys are
 * all decimal integers by number, since Python holds such a map (id2label) with integer keys. */
void lm_python_json(const json_t *value, lm_buf *out);

#endif
