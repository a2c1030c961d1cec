#include "base/atomic.h"
#include "base/memory.h"
#include "model/model.h"
#include "tensor/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Whether every weight still has the bytes that were loaded. */
static bool as_loaded(const lm_model *m)
{
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        const lm_param *p = lm_params_at(m->params, i);
        if (p->trainable || !p->data || (p->owned && p->data == p->value))
            return false;
    }
    return m->checkpoint != NULL;
}

/* What a parameter is written as. A value that is f32 already, mapped or not, is its data. */
static bool describe(lm_param *p, bool loaded, lm_safetensor *t, lm_status *st)
{
    *t = (lm_safetensor){.name = p->name, .dtype = p->dtype, .shape = p->shape, .data = p->data};
    if (!loaded) {
        if (!lm_param_ready(p, st))
            return false;
        t->dtype = LM_F32;
        t->data = p->value;
    }
    if (!lm_tensor_bytes(t->dtype, &t->shape, &t->bytes))
        return lm_fail(st, LM_FAILED, "%s: its size overflows", p->name);
    return true;
}

static bool save_weights(lm_model *m, bool loaded, const char *file, lm_status *st)
{
    size_t n = lm_params_count(m->params);
    lm_safetensor *tensors = lm_calloc(n, sizeof *tensors);
    for (size_t i = 0; i < n && lm_ok(st); i++)
        describe(lm_params_at(m->params, i), loaded, &tensors[i], st);
    int fd = lm_ok(st) ? open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
    if (lm_ok(st) && fd < 0)
        lm_fail_errno(st, LM_FAILED, "%s: cannot create it", file);
    if (fd >= 0) {
        lm_safetensors_write(fd, file, tensors, n, st);
        if (close(fd) && lm_ok(st))
            lm_fail_errno(st, LM_FAILED, "%s: cannot write it", file);
    }
    free(tensors);
    return lm_ok(st);
}

/* torch_dtype is that of the weights; transformers says so of the first floating one. */
static bool save_config(lm_model *m, bool loaded, const char *file, lm_status *st)
{
    static const char *const torch[LM_DTYPE_COUNT] = {
        [LM_F64] = "float64", [LM_F32] = "float32", [LM_F16] = "float16", [LM_BF16] = "bfloat16"};
    lm_dtype dtype = loaded && lm_params_count(m->params) ? lm_params_at(m->params, 0)->dtype : LM_F32;
    lm_config_set_string(m->config, "torch_dtype", torch[dtype]);
    if (!lm_config_has(m->config, "transformers_version"))
        lm_config_set_string(m->config, "transformers_version", LM_TRANSFORMERS_VERSION);
    lm_buf text = {0};
    lm_config_print(m->config, &text);
    lm_file_write(file, text.data, text.len, st);
    lm_buf_free(&text);
    return lm_ok(st);
}

bool lm_model_save(lm_model *m, const char *dir, lm_status *st)
{
    bool loaded = as_loaded(m);
    char *weights = lm_format("%s/model.safetensors", dir), *config = lm_format("%s/config.json", dir);
    bool ok = save_weights(m, loaded, weights, st) && save_config(m, loaded, config, st);
    free(weights);
    free(config);
    return ok;
}
