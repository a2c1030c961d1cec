/* What a GGUF file says of a model, in the order of llama.cpp's converter. */
#include "model/gguf/gguf_families.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POOLING_RANK = 4, QUANTIZATION_VERSION = 2 };

typedef struct describer {
    lm_gguf_writer *w;
    const lm_gguf_names *n;
    lm_config *c;
} describer;

static char *key_of(const describer *d, const char *name)
{
    return lm_format("%s.%s", d->n->family->architecture, name);
}

static void put_int(describer *d, const char *name, int value)
{
    char *key = key_of(d, name);
    lm_gguf_put_u32(d->w, key, (uint32_t)value);
    free(key);
}

static void put_real(describer *d, const char *name, double value)
{
    char *key = key_of(d, name);
    lm_gguf_put_f32(d->w, key, (float)value);
    free(key);
}

static void put_bool(describer *d, const char *name, bool value)
{
    char *key = key_of(d, name);
    lm_gguf_put_bool(d->w, key, value);
    free(key);
}

static void put_word(describer *d, const char *name, const char *value)
{
    char *key = key_of(d, name);
    lm_gguf_put_string(d->w, key, lm_str_of(value));
    free(key);
}

static void put_keys(describer *d)
{
    for (const lm_gguf_key *k = d->n->family->keys; k->there; k++) {
        if (isnan(k->otherwise) && !lm_config_has(d->c, k->here))
            lm_config_fail(d->c, "%s: is missing", k->here);
        if (k->real)
            put_real(d, k->there, lm_config_float(d->c, k->here, k->otherwise));
        else
            put_int(d, k->there, lm_config_int(d->c, k->here, isnan(k->otherwise) ? 0 : (int)k->otherwise));
    }
}

/* ------------------------------------------------------------------ single families */

static void put_scaling(describer *d)
{
    const char *type = lm_config_string(d->c, "rope_scaling.rope_type", lm_config_string(d->c, "rope_scaling.type", "default"));
    int n = 0;
    if (strcmp(type, "linear") == 0) {
        put_word(d, "rope.scaling.type", "linear");
        put_real(d, "rope.scaling.factor", lm_config_float(d->c, "rope_scaling.factor", 1));
    } else if (strcmp(type, "llama3") == 0) {
        float *factors = lm_gguf_rope_factors(d->c, d->n->family, &n);
        if (strcmp(d->n->family->architecture, "llama") != 0)
            lm_config_fail(d->c, "rope_scaling: llama.cpp scales as Llama 3 does in Llamas alone: write a directory or a model stream");
        lm_gguf_put_tensor(d->w, LM_GGUF_ROPE_FACTORS, LM_F32, &(lm_shape){.dims = 1, .size = {n}});
        free(factors);
    } else if (strcmp(type, "default") != 0) {
        lm_config_fail(d->c, "rope_scaling: the type \"%s\" is not served: default, linear and llama3 are", type);
    }
}

static void describe_llamalike(describer *d)
{
    const lm_gguf_family *f = d->n->family;
    int columns = lm_gguf_head_width(d->c, f);
    put_int(d, "attention.head_count_kv", d->n->kv_heads);
    if (lm_config_has(d->c, "head_dim")) {
        put_int(d, "attention.key_length", columns);
        put_int(d, "attention.value_length", columns);
    }
    if (strcmp(f->architecture, "llama") == 0)
        put_int(d, "rope.dimension_count", columns);
    put_scaling(d);
}

static void describe_classifier(describer *d)
{
    int labels = lm_config_labels(d->c);
    char *key = key_of(d, "classifier.output_labels");
    lm_gguf_put_strings(d->w, key, (size_t)labels);
    for (int i = 0; i < labels; i++)
        lm_gguf_put_next(d->w, lm_str_of(lm_config_label(d->c, i)));
    free(key);
    put_int(d, "pooling_type", POOLING_RANK);
}

static void describe_bert(describer *d)
{
    const lm_gguf_family *f = d->n->family;
    int positions = lm_config_int(d->c, f->positions, 0);
    if (positions <= d->n->first_row)
        lm_config_fail(d->c, "%s: %d leave no room for a token", f->positions, positions);
    else
        put_int(d, "context_length", positions - d->n->first_row);
    if (strcmp(f->body, "distilbert") == 0)
        put_real(d, "attention.layer_norm_epsilon", 1e-12); /* modeling_distilbert.py */
    put_bool(d, "attention.causal", false);
    /* llama.cpp asks for it, and that it is not 0, though DistilBERT has no segments */
    int types = strcmp(f->body, "distilbert") == 0 ? 1 : lm_config_int(d->c, "type_vocab_size", 2);
    lm_gguf_put_u32(d->w, "tokenizer.ggml.token_type_count", (uint32_t)types);
}

static void describe_gpt2(describer *d)
{
    int width = lm_config_int(d->c, "n_embd", 0);
    put_int(d, "feed_forward_length", lm_config_int(d->c, "n_inner", width <= INT32_MAX / 4 ? 4 * width : 0));
}

static void describe_t5(describer *d)
{
    if (strcmp(d->n->family->architecture, "t5") != 0)
        return;
    put_int(d, "decoder_block_count", lm_config_int(d->c, "num_decoder_layers", lm_config_int(d->c, "num_layers", 0)));
    put_int(d, "decoder_start_token_id", lm_config_int(d->c, "decoder_start_token_id", 0));
}

static void describe_family(describer *d)
{
    const char *architecture = d->n->family->architecture;
    put_keys(d);
    if (strcmp(architecture, "bert") == 0)
        describe_bert(d);
    else if (strcmp(architecture, "gpt2") == 0)
        describe_gpt2(d);
    else if (lm_gguf_is_t5(d->n->family))
        describe_t5(d);
    else
        describe_llamalike(d);
    if (d->n->head == LM_GGUF_CLASSIFIER)
        describe_classifier(d);
}

/* ------------------------------------------------------------------ */

/* The text of config.json, of the class that is written, and without how the weights were stored. */
static bool put_config(describer *d, lm_status *st)
{
    lm_buf text = {0};
    lm_config_print(d->c, &text);
    lm_config *copy = lm_config_parse(lm_buf_str(&text), "config.json", st);
    if (copy) {
        const char *const list[] = {d->n->class_name};
        lm_config_set_strings(copy, "architectures", list, 1);
        lm_config_remove(copy, "quantization_config");
        text.len = 0;
        lm_config_print(copy, &text);
        lm_gguf_put_string(d->w, LM_GGUF_CONFIG_KEY, lm_buf_str(&text));
    }
    lm_config_free(copy);
    lm_buf_free(&text);
    return copy != NULL;
}

bool lm_gguf_describe(lm_gguf_writer *w, const lm_gguf_names *n, const lm_gguf_description *description, lm_status *st)
{
    describer d = {.w = w, .n = n, .c = n->config};
    const char *architecture = n->family->architecture;
    lm_gguf_put_string(w, "general.architecture", lm_str_of(architecture));
    lm_gguf_put_string(w, "general.type", lm_str_of("model"));
    if (description->name)
        lm_gguf_put_string(w, "general.name", lm_str_of(description->name));
    describe_family(&d);
    if (lm_config_failed(d.c, st))
        return false;
    lm_gguf_put_u32(w, "general.file_type", (uint32_t)description->file_type);
    lm_gguf_put_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
    if (strcmp(architecture, "llama") == 0 || !description->tokenizer)
        put_int(&d, "vocab_size", description->vocab_size);
    if (!put_config(&d, st))
        return false;
    if (!description->tokenizer) {
        lm_gguf_put_string(w, "tokenizer.ggml.model", lm_str_of("none"));
        return true;
    }
    return lm_tokenizer_put_gguf(description->tokenizer, description->vocab_size, description->chat_template, w, st);
}

bool lm_gguf_extra_data(lm_gguf_writer *w, const lm_gguf_names *n, lm_status *st)
{
    int count = 0;
    float *factors = lm_gguf_rope_factors(n->config, n->family, &count);
    bool ok = !factors || lm_gguf_write_data(w, factors, (size_t)count * sizeof *factors, st);
    free(factors);
    return ok;
}
