/* Matrices in bitsandbytes' layout (functional.py, QuantState.as_dict(packed=True); nn/modules.py, Linear8bitLt): the tensors
 * beside the codes, and what config.json says. */
#include "model/quantise/job.h"

#include "base/memory.h"
#include "tensor/blocks.h"

#include <math.h>
#include <stdlib.h>

/* The state is JSON whose length follows from the shape alone, so that sizes are known before the first weight: the mean of the
 * scales is written with all the digits that a double can have. */
enum { STATE_MAX = 512 };

static size_t blocks_of(const lm_quantise_job *j, const lm_quantise_tensor *t)
{
    size_t n;
    lm_shape_elements(&t->shape, &n);
    return (n + (size_t)j->options->block - 1) / (size_t)j->options->block;
}

static int print_state(const lm_quantise_job *j, const lm_quantise_tensor *t, float offset, char out[STATE_MAX])
{
    const char *type = t->to == LM_NF4 ? "nf4" : "fp4", *was = lm_torch_dtype(t->from->dtype);
    lm_buf s = {0};
    lm_buf_printf(&s, "{\"quant_type\": \"%s\", \"blocksize\": %d, \"dtype\": \"%s\", \"shape\": ", type, j->options->block,
                  was ? was : "float32");
    lm_shape_print(&t->shape, &s);
    if (j->options->nested)
        lm_buf_printf(&s, ", \"nested_blocksize\": %d, \"nested_dtype\": \"float32\", \"nested_offset\": %.16e", LM_BNB_NESTED,
                      (double)offset);
    lm_buf_putc(&s, '}');
    int n = (int)s.len;
    memcpy(out, s.data, s.len);
    lm_buf_free(&s);
    return n;
}

static void add(lm_quantise_tensor *t, const char *suffix, lm_dtype dtype, int64_t size)
{
    lm_safetensor *p = &t->parts[t->outputs++];
    *p = (lm_safetensor){.name = lm_format("%s%s", t->name, suffix), .dtype = dtype, .shape = {1, {size}}};
}

/* X of X.weight, with another end. */
static void add_beside(lm_quantise_tensor *t, const char *end, lm_dtype dtype, lm_shape shape)
{
    lm_safetensor *p = &t->parts[t->outputs++];
    size_t n = strlen(t->name) - strlen("weight");
    *p = (lm_safetensor){.name = lm_format("%.*s%s", (int)n, t->name, end), .dtype = dtype, .shape = shape};
}

void lm_quantise_bnb_parts(const lm_quantise_job *j, lm_quantise_tensor *t)
{
    enum { MOST = 6 };
    char state[STATE_MAX];
    int64_t blocks = (int64_t)blocks_of(j, t), nested = (blocks + LM_BNB_NESTED - 1) / LM_BNB_NESTED;
    t->parts = lm_calloc(MOST, sizeof *t->parts);
    t->outputs = 1;
    t->parts[0] = (lm_safetensor){.name = t->name, .dtype = t->to, .shape = t->shape};
    if (t->to == LM_I8) {
        add_beside(t, "SCB", LM_F32, (lm_shape){1, {t->shape.size[0]}});
        add_beside(t, "weight_format", LM_U8, (lm_shape){0});
        return;
    }
    size_t n;
    lm_shape_elements(&t->shape, &n);
    t->parts[0].dtype = LM_U8;
    t->parts[0].shape = (lm_shape){2, {(int64_t)(n + 1) / 2, 1}};
    add(t, ".absmax", j->options->nested ? LM_U8 : LM_F32, blocks);
    if (j->options->nested) {
        add(t, ".nested_absmax", LM_F32, nested);
        add(t, ".nested_quant_map", LM_F32, 256);
    }
    add(t, ".quant_map", LM_F32, 16);
    add(t, t->to == LM_NF4 ? ".quant_state.bitsandbytes__nf4" : ".quant_state.bitsandbytes__fp4", LM_U8,
        print_state(j, t, 0, state));
}

static bool put_nested(const lm_quantise_tensor *t, const float *absmax, size_t blocks, float *offset, lm_quantise_sink *s,
                       lm_status *st)
{
    size_t at = t->output + 1, nested = (blocks + LM_BNB_NESTED - 1) / LM_BNB_NESTED;
    uint8_t *code = lm_malloc(blocks, 1);
    float *scale = lm_malloc(nested, sizeof *scale);
    lm_bnb_nest(absmax, blocks, code, scale, offset);
    bool ok = isfinite(*offset) ||
              lm_fail(st, LM_FAILED, "%s: its scales are too large for --double-quant: leave that out", t->name);
    ok = ok && lm_quantise_sink_put(s, at, code, blocks, st) &&
              lm_quantise_sink_put(s, at + 1, scale, nested * sizeof *scale, st) &&
              lm_quantise_sink_put(s, at + 2, lm_bnb_dynamic_map, sizeof lm_bnb_dynamic_map, st);
    free(scale);
    free(code);
    return ok;
}

bool lm_quantise_bnb_put(const lm_quantise_job *j, const lm_quantise_tensor *t, const float *absmax, lm_quantise_sink *s,
                         lm_status *st)
{
    static const uint8_t row_major = 0; /* weight_format */
    size_t at = t->output + 1, blocks = blocks_of(j, t);
    if (t->to == LM_I8)
        return lm_quantise_sink_put(s, at, absmax, (size_t)t->shape.size[0] * sizeof *absmax, st) &&
               lm_quantise_sink_put(s, at + 1, &row_major, 1, st);
    float offset = 0;
    char state[STATE_MAX];
    if (j->options->nested ? !put_nested(t, absmax, blocks, &offset, s, st)
                           : !lm_quantise_sink_put(s, at, absmax, blocks * sizeof *absmax, st))
        return false;
    at += j->options->nested ? 3 : 1;
    int n = print_state(j, t, offset, state);
    return lm_quantise_sink_put(s, at, t->to == LM_NF4 ? lm_nf4_values : lm_fp4_values, 16 * sizeof(float), st) &&
           lm_quantise_sink_put(s, at + 1, state, (size_t)n, st);
}

void lm_quantise_bnb_config(const lm_quantise_job *j, lm_config *c, const lm_strings *skipped)
{
    const lm_quantise_type *type = j->type;
    bool four = type->dtype != LM_I8;
    json_t *modules = skipped->count ? json_array() : json_null();
    for (size_t i = 0; i < skipped->count; i++)
        json_array_append_new(modules, json_string(skipped->items[i]));
    json_t *all = json_pack("{s:{s:b, s:b, s:s, s:s, s:s, s:b, s:b, s:b, s:o, s:f, s:b, s:b, s:s}}", "quantization_config",
                            "_load_in_4bit", four, "_load_in_8bit", !four, "bnb_4bit_compute_dtype", "float32",
                            "bnb_4bit_quant_storage", "uint8", "bnb_4bit_quant_type", four ? type->name : "fp4",
                            "bnb_4bit_use_double_quant", four && j->options->nested, "llm_int8_enable_fp32_cpu_offload", 0,
                            "llm_int8_has_fp16_weight", 0, "llm_int8_skip_modules", modules, "llm_int8_threshold", 6.0,
                            "load_in_4bit", four, "load_in_8bit", !four, "quant_method", "bitsandbytes");
    char *text = json_dumps(all, 0);
    lm_config_replace(c, text);
    free(text);
    json_decref(all);
}
