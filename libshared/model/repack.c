#include "model/repack.h"
#include "base/memory.h"
#include "model/weights.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ from one form into another */

/* Tensors are found again in the order of their bytes: how many, and all of them. */
static lm_safetensor *all_tensors(const lm_checkpoint *c, size_t *count)
{
    lm_safetensor *list = NULL;
    size_t cap = 0;
    lm_checkpoint_place at = {0};
    *count = 0;
    for (const lm_safetensor *t; (t = lm_checkpoint_next(c, &at));) {
        LM_GROW(list, *count, cap);
        list[(*count)++] = *t;
    }
    return list;
}

/* Numbers with a point become `dtype`; others stay. */
static bool convert(lm_safetensor *t, lm_dtype dtype, lm_status *st)
{
    bool real = t->dtype == LM_F64 || t->dtype == LM_F32 || t->dtype == LM_F16 || t->dtype == LM_BF16;
    if (!real || t->dtype == dtype)
        return true;
    t->from = t->dtype;
    t->dtype = dtype;
    t->converted = true;
    return lm_tensor_bytes(dtype, &t->shape, &t->bytes) || lm_fail(st, LM_FAILED, "%s: its size overflows", t->name);
}

static bool write_config(lm_bundle *b, lm_bundle_writer *w, lm_save_dtype dtype, lm_status *st)
{
    if (dtype == LM_SAVE_AUTO)
        return lm_bundle_copy(w, b, "config.json", st);
    lm_config *c = lm_config_open(b, st);
    if (!c)
        return false;
    lm_buf text = {0};
    lm_config_set_string(c, "torch_dtype", lm_torch_dtype(lm_save_dtype_of(dtype, LM_F32)));
    lm_config_print(c, &text);
    bool ok = lm_bundle_put(w, "config.json", text.data, text.len, st);
    lm_buf_free(&text);
    lm_config_free(c);
    return ok;
}

/* Packed weights become others by quant alone. */
static bool can_convert(const lm_checkpoint *c, lm_status *st)
{
    for (size_t i = 0; i < lm_checkpoint_weights(c); i++) {
        const lm_weight *w = lm_checkpoint_weight(c, i);
        if (w->quantised && !lm_torch_dtype(w->dtype))
            return lm_fail(st, LM_FAILED, "%s: %s is quantised (%s), and --dtype converts plain numbers: use quant --dequantize",
                           lm_checkpoint_name(c), w->name, lm_dtype_name(w->dtype));
    }
    return true;
}

static bool write_tensors(const lm_checkpoint *c, lm_bundle_writer *w, const lm_save_options *save, lm_status *st)
{
    size_t count;
    if (save->dtype != LM_SAVE_AUTO && !can_convert(c, st))
        return false;
    lm_safetensor *tensors = all_tensors(c, &count);
    for (size_t i = 0; i < count && lm_ok(st); i++)
        convert(&tensors[i], lm_save_dtype_of(save->dtype, tensors[i].dtype), st);
    if (lm_ok(st))
        lm_bundle_put_tensors(w, tensors, count, save->shard_bytes, st);
    free(tensors);
    return lm_ok(st);
}

bool lm_model_repack(const char *from, const char *to, const lm_save_options *save, const lm_bundle_options *stream,
                     lm_status *st)
{
    lm_bundle *b = lm_bundle_is_one(from, st) ? lm_bundle_open(from, st) : NULL;
    if (b && lm_bundle_gguf(b))
        lm_fail(st, LM_USAGE, "%s: a GGUF file becomes another form of a model by quant: quant --dequantize", from);
    lm_checkpoint *c = b && lm_ok(st) ? lm_checkpoint_open(b, st) : NULL;
    lm_bundle_options options = *stream;
    options.via = b ? lm_bundle_via(b) : NULL;
    lm_bundle_writer *w = c ? lm_bundle_create(to, &options, st) : NULL;
    if (w)
        write_config(b, w, save->dtype, st);
    for (size_t i = 0; w && lm_model_files[i] && lm_ok(st); i++)
        if (lm_bundle_has(b, lm_model_files[i]))
            lm_bundle_copy(w, b, lm_model_files[i], st);
    bool ok = w && lm_ok(st) && write_tensors(c, w, save, st);
    if (ok)
        ok = lm_bundle_publish(w, st);
    else
        lm_bundle_discard(w, st);
    lm_checkpoint_close(c);
    lm_bundle_close(b);
    return ok;
}

/* ------------------------------------------------------------------ --check */

/* "F32", or "F32 and BF16" with their numbers of tensors. */
static void print_dtypes(const lm_checkpoint *c, lm_buf *out)
{
    size_t of[LM_DTYPE_COUNT] = {0}, kinds = 0, shown = 0;
    for (size_t i = 0; i < lm_checkpoint_weights(c); i++)
        kinds += of[lm_checkpoint_weight(c, i)->dtype]++ == 0;
    for (int d = 0; d < LM_DTYPE_COUNT; d++) {
        if (!of[d])
            continue;
        lm_buf_printf(out, "%s%s", shown++ ? " and " : "", lm_dtype_name((lm_dtype)d));
        if (kinds > 1)
            lm_buf_printf(out, " (%zu)", of[d]);
    }
}

static bool print_tokenizer(const lm_model *m, const char *path, lm_buf *out, lm_status *st)
{
    if (!lm_model_has_tokenizer(path)) {
        lm_buf_puts(out, "no tokenizer");
        return true;
    }
    lm_tokenizer *t = lm_tokenizer_open(path, st);
    if (!t)
        return false;
    int size = lm_tokenizer_size(t);
    lm_tokenizer_free(t);
    if (size > m->arch.vocab_size)
        return lm_fail(st, LM_FAILED, "%s: the tokenizer has %d ids, and the model's vocabulary %d: they do not belong "
                       "together", path, size, m->arch.vocab_size);
    lm_buf_printf(out, "a tokenizer of %d ids", size);
    return true;
}

bool lm_model_inspect(const char *path, const char *plugin_path, lm_buf *out, lm_status *st)
{
    lm_model *m = lm_model_open(path, &(lm_model_options){.plugin_path = plugin_path, .check = true}, st);
    if (!m)
        return false;
    size_t numbers = 0, n = lm_params_count(m->params);
    for (size_t i = 0; i < n; i++)
        numbers += lm_params_at(m->params, i)->elements;
    lm_buf_printf(out, "%s: good: %s, %zu numbers in %zu tensors, ", lm_bundle_name(m->bundle), m->architecture, numbers, n);
    print_dtypes(m->checkpoint, out);
    lm_buf_puts(out, ", ");
    bool ok = print_tokenizer(m, path, out, st);
    lm_buf_putc(out, '\n');
    lm_model_free(m);
    return ok;
}
