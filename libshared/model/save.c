#include "base/memory.h"
#include "base/options.h"
#include "model/model.h"
#include "stream/json_tree.h"

#include <stdlib.h>
#include <string.h>

const char *const lm_save_dtype_names[] = {"auto", "f32", "f16", "bf16", NULL};
const char *const lm_save_dtype_synonyms[] = {"float32", "f32",  "fp32",     "f32",  "float16", "f16", "fp16", "f16",
                                              "half",    "f16",  "bfloat16", "bf16", NULL,      NULL};

static const lm_save_options defaults = {0};

/* ------------------------------------------------------------------ weights */

/* Whether the numbers that were loaded stand one after another, as those of a tensor do. */
static bool is_plain(const lm_param *p)
{
    return lm_torch_dtype(p->dtype) && (!p->quantised || !p->quantised->interleaved_heads) &&
           !(p->quantised && p->transposed);
}

lm_dtype lm_save_dtype_of(lm_save_dtype asked, lm_dtype otherwise)
{
    const lm_dtype dtypes[] = {[LM_SAVE_AUTO] = otherwise, [LM_SAVE_F32] = LM_F32, [LM_SAVE_F16] = LM_F16, [LM_SAVE_BF16] = LM_BF16};
    return dtypes[asked];
}

/* Whether every weight still has the bytes that were loaded. */
static bool as_loaded(const lm_model *m)
{
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        const lm_param *p = lm_params_at(m->params, i);
        if (p->trainable || !p->data || (p->owned && p->data == p->value) || !is_plain(p))
            return false;
    }
    return m->checkpoint != NULL;
}

/* What a parameter becomes on the disk. */
static lm_dtype dtype_of(const lm_param *p, bool loaded, lm_save_dtype asked)
{
    return lm_save_dtype_of(asked, loaded ? p->dtype : LM_F32);
}

/* What was loaded is written from there; what was trained, initialised or quantised, from its value. */
static bool describe(lm_param *p, bool loaded, lm_save_dtype asked, lm_safetensor *t, lm_status *st)
{
    *t = (lm_safetensor){.name = p->name, .dtype = dtype_of(p, loaded, asked), .shape = p->shape, .data = p->data,
                         .from = p->dtype};
    if (!loaded && (p->value || !is_plain(p))) {
        if (!lm_param_ready(p, st))
            return false;
        t->data = p->value;
        t->from = LM_F32;
    }
    t->converted = t->from != t->dtype;
    if (!lm_tensor_bytes(t->dtype, &t->shape, &t->bytes))
        return lm_fail(st, LM_FAILED, "%s: its size overflows", p->name);
    return true;
}

bool lm_model_write_weights(lm_model *m, lm_bundle_writer *w, const lm_save_options *options, lm_status *st)
{
    const lm_save_options *o = options ? options : &defaults;
    bool loaded = as_loaded(m);
    size_t n = m->adapter_from ? m->adapter_from : lm_params_count(m->params);
    lm_safetensor *tensors = lm_calloc(n, sizeof *tensors);
    for (size_t i = 0; i < n && lm_ok(st); i++)
        describe(lm_params_at(m->params, i), loaded, o->dtype, &tensors[i], st);
    if (lm_ok(st))
        lm_bundle_put_tensors(w, tensors, n, o->shard_bytes, st);
    free(tensors);
    return lm_ok(st);
}

/* ------------------------------------------------------------------ config.json and generation_config.json */

const char *lm_torch_dtype(lm_dtype t)
{
    static const char *const names[LM_DTYPE_COUNT] = {
        [LM_F64] = "float64", [LM_F32] = "float32", [LM_F16] = "float16", [LM_BF16] = "bfloat16"};
    return names[t];
}

/* Whether the model makes text: transformers gives these a generation_config.json. */
static bool generates(const lm_model *m)
{
    return (m->arch.causal || m->arch.decoder_layers) && m->head->tokens && m->head->columns == LM_COLUMNS_VOCABULARY;
}

/* What GenerationConfig.from_model_config takes of a config.json. */
static void print_generation(const lm_model *m, lm_buf *out)
{
    static const char *const keys[] = {"bos_token_id", "decoder_start_token_id", "eos_token_id", "pad_token_id"};
    json_t *all = json_pack("{s:b, s:s}", "_from_model_config", 1, "transformers_version", LM_TRANSFORMERS_VERSION);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (lm_config_has(m->config, keys[i]))
            json_object_set(all, keys[i], (json_t *)lm_config_member(m->config, keys[i]));
    lm_json_print(all, &lm_json_python, 0, out);
    lm_buf_putc(out, '\n');
    json_decref(all);
}

static bool write_generation(const lm_model *m, lm_bundle_writer *w, lm_status *st)
{
    lm_buf text = {0};
    if (!generates(m))
        return true;
    if (m->generation_config)
        lm_buf_puts(&text, m->generation_config);
    else
        print_generation(m, &text);
    bool ok = lm_bundle_put(w, "generation_config.json", text.data, text.len, st);
    lm_buf_free(&text);
    return ok;
}

/* torch_dtype is that of the weights; transformers says so of the first floating one. */
bool lm_model_write_config(lm_model *m, lm_bundle_writer *w, const lm_save_options *options, lm_status *st)
{
    const lm_save_options *o = options ? options : &defaults;
    size_t n = lm_params_count(m->params);
    lm_dtype dtype = n ? dtype_of(lm_params_at(m->params, 0), as_loaded(m), o->dtype) : LM_F32;
    lm_config_set_string(m->config, "torch_dtype", lm_torch_dtype(dtype));
    lm_config_remove(m->config, "quantization_config"); /* what was quantised is written as numbers */
    if (!lm_config_has(m->config, "transformers_version"))
        lm_config_set_string(m->config, "transformers_version", LM_TRANSFORMERS_VERSION);
    lm_buf text = {0};
    lm_config_print(m->config, &text);
    bool ok = lm_bundle_put(w, "config.json", text.data, text.len, st) && write_generation(m, w, st);
    lm_buf_free(&text);
    return ok;
}

bool lm_model_save(lm_model *m, const char *dir, lm_status *st)
{
    lm_bundle_writer *w = lm_bundle_into(dir);
    bool ok = lm_model_write_config(m, w, NULL, st) && lm_model_write_weights(m, w, NULL, st);
    if (ok)
        return lm_bundle_publish(w, st);
    lm_bundle_discard(w, st);
    return false;
}

/* ------------------------------------------------------------------ --max-shard-size */

bool lm_parse_shard_size(const char *text, uint64_t *bytes, lm_status *st)
{
    int64_t size = 0, factor = 1;
    double value;
    size_t n = strlen(text);
    bool decimal = n > 2 && (text[n - 1] == 'B') && strchr("KMGT", text[n - 2]); /* 5GB is 5 * 10^9 there, 5GiB is not */
    char *number = lm_strndup(text, decimal ? n - 2 : n);
    for (const char *unit = decimal ? "KMGT" : ""; *unit; unit++) {
        factor *= 1000;
        if (*unit == text[n - 2])
            break;
    }
    bool ok = decimal ? lm_parse_float(number, &value) && value * (double)factor < 0x1p62 : lm_parse_size(text, &size);
    if (ok && decimal)
        size = (int64_t)(value * (double)factor);
    free(number);
    if (!ok || size < 0)
        return lm_fail(st, LM_USAGE, "--max-shard-size %s: a size is expected, such as 5GB or 512M", text);
    *bytes = (uint64_t)size;
    return true;
}
