/* Any bytes as the GGUF file of a model: its config.json is refused or one that the names are read by, and every tensor that has
 * a name here goes back to the one there, with a shape and values that come back. */
#include "base/log.h"
#include "model/gguf/gguf_model.h"

#include <stdlib.h>
#include <string.h>

enum { ELEMENTS_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void walk_values(const lm_gguf_weight *w, const lm_gguf_tensor *t, const lm_shape *here)
{
    static float out[ELEMENTS_MAX], back[ELEMENTS_MAX];
    size_t n;
    must(lm_shape_elements(here, &n));
    if (n > ELEMENTS_MAX || t->dtype == LM_DTYPE_COUNT)
        return;
    int64_t rows = here->dims > 1 || w->heads ? here->size[0] : 1, stored = t->shape.dims > 1 || w->heads ? t->shape.size[0] : 1;
    if (!lm_gguf_rows_here(w, &t->shape, t->dtype, t->data, 0, rows, out))
        return; /* integers */
    must(lm_gguf_rows_there(w, here, LM_F32, out, 0, stored, back));
}

static void walk_tensor(const lm_gguf_names *n, const lm_gguf_tensor *t)
{
    lm_gguf_weight w, again;
    lm_shape here, there;
    if (lm_gguf_weight_of(n, t->name, &w) != LM_GGUF_STORED)
        return;
    must(lm_gguf_place_of(n, w.here, &again) == LM_GGUF_STORED && strcmp(again.there, w.there) == 0);
    if (!lm_gguf_shape_here(&w, &t->shape, &here))
        return;
    must(lm_gguf_shape_there(&w, &here, &there) && lm_shape_equal(&there, &t->shape));
    walk_values(&w, t, &here);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    lm_log_level(LM_ERROR);
    lm_status st = LM_STATUS_INIT;
    lm_gguf *f = lm_gguf_from_memory(bytes, size, "fuzz", &st);
    lm_config *c = f ? lm_gguf_config(f, &st) : NULL;
    must((c != NULL) == lm_ok(&st));
    lm_gguf_names *n = c ? lm_gguf_names_new(c, false, &st) : NULL;
    for (size_t i = 0; n && i < lm_gguf_tensors(f); i++)
        walk_tensor(n, lm_gguf_tensor_at(f, i));
    lm_gguf_names_free(n);
    lm_config_free(c);
    lm_gguf_close(f);
    return 0;
}
