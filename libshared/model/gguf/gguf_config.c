/* The config.json of a model in a GGUF file. */
#include "model/gguf/gguf_families.h"

#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    const lm_gguf *f;
    const lm_gguf_family *family;
    lm_config *c;
    bool carried; /* it began with the one that the file carries */
    lm_status *st;
} reader;

/* ------------------------------------------------------------------ entries and members */

/* ARCH.name, malloced. */
static char *key_of(const reader *r, const char *name)
{
    return lm_format("%s.%s", r->family->architecture, name);
}

/* An integer from 0 to 2^31 - 1; `otherwise` where there is none. */
static int64_t read_int(const reader *r, const char *name, int64_t otherwise)
{
    char *key = key_of(r, name);
    int64_t value = otherwise;
    lm_gguf_int(r->f, key, &value, r->st);
    if (lm_ok(r->st) && value != otherwise && (value < 0 || value > INT32_MAX))
        lm_fail(r->st, LM_FAILED, "%s: \"%s\" is %" PRId64 ", where 0 to %d can be: convert the model again", lm_gguf_name(r->f),
                key, value, INT32_MAX);
    free(key);
    return lm_ok(r->st) ? value : otherwise;
}

static double read_real(const reader *r, const char *name, double otherwise)
{
    char *key = key_of(r, name);
    double value = otherwise;
    lm_gguf_number(r->f, key, &value, r->st);
    if (!isfinite((float)value))
        lm_fail(r->st, LM_FAILED, "%s: \"%s\" is no finite number: convert the model again", lm_gguf_name(r->f), key);
    free(key);
    return lm_ok(r->st) ? value : otherwise;
}

static void set_int(const reader *r, const char *member, int64_t value)
{
    const json_t *now = lm_config_member(r->c, member);
    if (!json_is_integer(now) || json_integer_value(now) != value)
        lm_config_set_int(r->c, member, value);
}

/* The number with the fewest digits that is the same float: 1e-06, which as a double is not the float nearest to it. */
static double shortest(float value)
{
    char text[40];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    return strtod(text, NULL);
}

/* Entries are floats: a member that is the same one as a float stays. */
static void set_real(const reader *r, const char *member, double value)
{
    const json_t *now = lm_config_member(r->c, member);
    if (!json_is_number(now) || (float)json_number_value(now) != (float)value)
        lm_config_set_float(r->c, member, shortest((float)value));
}

static const lm_gguf_tensor *tensor(const reader *r, const char *name)
{
    return lm_gguf_tensor_find(r->f, name);
}

/* ------------------------------------------------------------------ which family */

static bool reads_architecture(lm_str architecture, const lm_gguf_family *f)
{
    return lm_str_is(architecture, f->architecture);
}

/* What a file that names no class holds: BERT's relatives differ in their tokenizers, and DistilBERT has no segments. */
static const lm_gguf_family *guess_family(const lm_gguf *f, lm_str architecture, lm_status *st)
{
    lm_str tokenizer = {NULL, 0};
    lm_gguf_string(f, "tokenizer.ggml.model", &tokenizer, st);
    const char *type = NULL;
    if (lm_str_is(architecture, "bert") && (lm_str_is(tokenizer, "gpt2") || lm_str_is(tokenizer, "t5")))
        type = "roberta";
    else if (lm_str_is(architecture, "bert") && !lm_gguf_tensor_find(f, "token_types.weight"))
        type = "distilbert";
    for (const lm_gguf_family *k = lm_gguf_families; k->architecture; k++)
        if (reads_architecture(architecture, k) && (!type || lm_gguf_is_one_of(k->model_types, type, NULL)))
            return k;
    return NULL;
}

/* The config that the file carries, where it is one of that architecture; else an empty one. */
static void begin(reader *r, lm_str architecture)
{
    lm_str text = {NULL, 0};
    if (!lm_gguf_string(r->f, LM_GGUF_CONFIG_KEY, &text, r->st))
        return;
    if (text.data && (r->c = lm_config_parse(text, lm_gguf_name(r->f), r->st))) {
        const char *type = lm_config_string(r->c, "model_type", ""), *name = lm_config_first(r->c, "architectures");
        for (const lm_gguf_family *k = lm_gguf_families; k->architecture && !r->family; k++)
            for (const lm_gguf_class *l = k->classes; l->names; l++)
                if (reads_architecture(architecture, k) && lm_gguf_is_one_of(k->model_types, type, NULL) && name &&
                    lm_gguf_is_one_of(l->names, name, NULL))
                    r->family = k;
        r->carried = r->family;
        if (r->carried)
            return;
        lm_warn("%s: \"%s\" is of another model than general.architecture says: it is not read", lm_gguf_name(r->f),
                LM_GGUF_CONFIG_KEY);
        lm_config_free(r->c);
        r->c = NULL;
    }
    r->family = lm_ok(r->st) ? guess_family(r->f, architecture, r->st) : NULL;
    if (lm_ok(r->st))
        r->c = lm_config_parse(lm_str_of("{}"), lm_gguf_name(r->f), r->st);
}

static void name_class(reader *r)
{
    const lm_gguf_family *f = r->family;
    lm_str tokenizer = {NULL, 0};
    lm_gguf_string(r->f, "tokenizer.ggml.model", &tokenizer, r->st);
    int index = strcmp(f->body, "roberta") == 0 && lm_str_is(tokenizer, "t5"); /* xlm-roberta */
    const lm_gguf_class *k = f->classes;
    while (k->names && tensor(r, "cls.output.weight") && k->head != LM_GGUF_CLASSIFIER)
        k++;
    if (!k->names)
        k = f->classes;
    char *type = lm_gguf_word(f->model_types, index), *name = lm_gguf_word(k->names, index);
    const char *const list[] = {name};
    lm_config_set_string(r->c, "model_type", type);
    lm_config_set_strings(r->c, "architectures", list, 1);
    free(type);
    free(name);
}

/* ------------------------------------------------------------------ members */

/* A config.json that the file carries need not say what is so anyway. */
static void read_keys(reader *r)
{
    for (const lm_gguf_key *k = r->family->keys; k->there && lm_ok(r->st); k++) {
        char *key = key_of(r, k->there);
        double value = k->otherwise;
        if (isnan(value) && !lm_gguf_entry_find(r->f, key))
            lm_fail(r->st, LM_FAILED, "%s: does not say \"%s\": convert the model again", lm_gguf_name(r->f), key);
        else
            value = k->real ? read_real(r, k->there, value) : (double)read_int(r, k->there, isnan(value) ? 0 : (int64_t)value);
        bool usual = (float)value == (float)k->otherwise && r->carried && !lm_config_has(r->c, k->here);
        if (lm_ok(r->st) && !usual && k->real)
            set_real(r, k->here, value);
        else if (lm_ok(r->st) && !usual)
            set_int(r, k->here, (int64_t)value);
        free(key);
    }
}

static void read_vocabulary(reader *r)
{
    static const struct {
        const char *there, *here;
    } ids[] = {{"tokenizer.ggml.bos_token_id", "bos_token_id"},
               {"tokenizer.ggml.eos_token_id", "eos_token_id"},
               {"tokenizer.ggml.padding_token_id", "pad_token_id"}};
    const lm_gguf_tensor *words = tensor(r, "token_embd.weight");
    if (!words || words->shape.dims != 2 || words->shape.size[0] > INT32_MAX)
        lm_fail(r->st, LM_FAILED, "%s: has no tensor token_embd.weight: the file is cut, or no model", lm_gguf_name(r->f));
    else
        set_int(r, "vocab_size", words->shape.size[0]);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        int64_t id = -1;
        if (!lm_config_member(r->c, ids[i].here) && lm_gguf_int(r->f, ids[i].there, &id, r->st) && id >= 0 && id <= INT32_MAX)
            set_int(r, ids[i].here, id);
    }
}

static void read_output(reader *r)
{
    bool tied = !tensor(r, "output.weight");
    if (lm_gguf_is_tied(r->c, r->family) == tied)
        return;
    lm_config_remove(r->c, "scale_decoder_outputs");
    lm_config_set_bool(r->c, "tie_word_embeddings", tied);
}

static void read_heads(reader *r)
{
    const lm_gguf_family *f = r->family;
    int heads = lm_config_int(r->c, f->heads, 0), width = lm_config_int(r->c, lm_gguf_member(f, "embedding_length"), 0);
    if (!f->kv_heads)
        return;
    set_int(r, f->kv_heads, read_int(r, "attention.head_count_kv", heads));
    int64_t usual = heads > 0 ? width / heads : 0, columns = read_int(r, "attention.key_length", usual);
    int64_t turned = read_int(r, "rope.dimension_count", columns);
    if (lm_ok(r->st) && turned != columns)
        lm_fail(r->st, LM_FAILED, "%s: needs: rotary positions of %d of a head's %d columns, which this version does not have",
                lm_gguf_name(r->f), (int)turned, (int)columns);
    if (f->head_width || columns != usual || lm_config_has(r->c, "head_dim"))
        set_int(r, "head_dim", columns);
    bool biases = tensor(r, "blk.0.attn_q.bias"), inner = tensor(r, "blk.0.ffn_up.bias");
    if (strcmp(f->model_types, "qwen2") != 0 && biases != lm_config_bool(r->c, "attention_bias", false))
        lm_config_set_bool(r->c, "attention_bias", biases);
    if (inner != lm_config_bool(r->c, "mlp_bias", false))
        lm_config_set_bool(r->c, "mlp_bias", inner);
}

/* ------------------------------------------------------------------ scaled rotary positions */

static bool same_factors(reader *r, const lm_gguf_tensor *stored)
{
    int n = 0;
    float *factors = lm_gguf_rope_factors(r->c, r->family, &n);
    bool same = factors && stored->dtype == LM_F32 && stored->bytes == (size_t)n * sizeof *factors;
    for (int j = 0; same && j < n; j++) {
        float value;
        memcpy(&value, (const char *)stored->data + (size_t)j * sizeof value, sizeof value);
        same = fabsf(value - factors[j]) <= 1e-4f * factors[j];
    }
    free(factors);
    return same;
}

/* Sets members; steals them. */
static void replace(reader *r, json_t *members)
{
    char *text = members ? json_dumps(members, 0) : NULL;
    if (!text || !lm_config_replace(r->c, text))
        lm_fail(r->st, LM_FAILED, "%s: the type of its rotary positions is not UTF-8: convert the model again", lm_gguf_name(r->f));
    free(text);
    json_decref(members);
}

/* The file has the factors alone. They are the published ones, of Llama 3.1 and later, with another factor at most. */
static void read_factors(reader *r, const lm_gguf_tensor *stored)
{
    if (same_factors(r, stored))
        return;
    float largest = 0;
    for (size_t at = 0; stored->dtype == LM_F32 && at < stored->bytes; at += sizeof largest) {
        float value;
        memcpy(&value, (const char *)stored->data + at, sizeof value);
        largest = value > largest ? value : largest;
    }
    replace(r, json_pack("{s:{s:f, s:f, s:f, s:i, s:s}}", "rope_scaling", "factor",
                         shortest(largest > 0 && largest < 1e9f ? largest : 1), "high_freq_factor", 4.0, "low_freq_factor", 1.0,
                         "original_max_position_embeddings", 8192, "rope_type", "llama3"));
    if (!same_factors(r, stored))
        lm_fail(r->st, LM_FAILED, "%s: needs: rotary positions scaled by the factors in %s, which are not those of Llama 3",
                lm_gguf_name(r->f), LM_GGUF_ROPE_FACTORS);
}

static void read_scaling(reader *r)
{
    const lm_gguf_tensor *factors = tensor(r, LM_GGUF_ROPE_FACTORS);
    char *key = key_of(r, "rope.scaling.type");
    lm_str type = {NULL, 0};
    lm_gguf_string(r->f, key, &type, r->st);
    free(key);
    if (!r->family->kv_heads || !lm_ok(r->st))
        return;
    if (factors) {
        read_factors(r, factors);
    } else if (type.data && !lm_str_is(type, "none")) {
        double factor = shortest((float)read_real(r, "rope.scaling.factor", 1));
        const char *now = lm_config_string(r->c, "rope_scaling.rope_type", lm_config_string(r->c, "rope_scaling.type", ""));
        if (!lm_str_is(type, now) || lm_config_float(r->c, "rope_scaling.factor", 0) != factor)
            replace(r, json_pack("{s:{s:f, s:s%}}", "rope_scaling", "factor", factor, "rope_type", type.data, type.len));
    } else if (lm_config_has(r->c, "rope_scaling")) {
        lm_config_set_null(r->c, "rope_scaling");
    }
}

/* ------------------------------------------------------------------ single families */

static void read_labels(reader *r)
{
    char *key = key_of(r, "classifier.output_labels");
    const lm_gguf_entry *e = lm_gguf_strings(r->f, key, r->st);
    const lm_gguf_tensor *out = tensor(r, "cls.output.weight");
    free(key);
    if (!out || out->shape.dims != 2 || out->shape.size[0] < 1 || out->shape.size[0] > 1 << 20 || !lm_ok(r->st))
        return;
    int n = (int)out->shape.size[0];
    char **names = lm_calloc((size_t)n, sizeof *names);
    const unsigned char *at = e ? e->data : NULL;
    bool same = lm_config_labels(r->c) == n;
    for (int i = 0; i < n; i++) {
        lm_str name = e && (size_t)i < e->count ? lm_gguf_next_string(&at) : (lm_str){NULL, 0};
        names[i] = name.data ? lm_strndup(name.data, name.len) : lm_format("LABEL_%d", i);
        same = same && strcmp(lm_config_label(r->c, i), names[i]) == 0;
    }
    if (!same)
        lm_config_set_labels(r->c, (const char *const *)names, n);
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static void read_bert(reader *r)
{
    int first = r->family->past_padding ? lm_config_int(r->c, "pad_token_id", 1) + 1 : 0;
    const lm_gguf_tensor *types = tensor(r, "token_types.weight");
    set_int(r, r->family->positions, read_int(r, "context_length", 512) + first);
    if (strcmp(r->family->body, "distilbert") != 0)
        set_int(r, "type_vocab_size", types && types->shape.dims == 2 && types->shape.size[0] < INT32_MAX ? types->shape.size[0] : 0);
}

static void read_gpt2(reader *r)
{
    int64_t usual = 4 * (int64_t)lm_config_int(r->c, "n_embd", 0), inner = read_int(r, "feed_forward_length", usual);
    if (inner != lm_config_int(r->c, "n_inner", usual <= INT32_MAX ? (int)usual : 0))
        set_int(r, "n_inner", inner);
    set_int(r, "n_ctx", lm_config_int(r->c, "n_positions", 0));
}

static void read_t5(reader *r)
{
    bool gated = tensor(r, "enc.blk.0.ffn_gate.weight");
    if (gated != lm_gguf_is_gated(r->c)) {
        lm_config_remove(r->c, "is_gated_act");
        lm_config_remove(r->c, "dense_act_fn");
        lm_config_set_string(r->c, "feed_forward_proj", gated ? "gated-gelu" : "relu");
    }
    if (strcmp(r->family->architecture, "t5") != 0)
        return;
    set_int(r, "num_decoder_layers", read_int(r, "decoder_block_count", lm_config_int(r->c, "num_layers", 0)));
    set_int(r, "decoder_start_token_id", read_int(r, "decoder_start_token_id", 0));
    lm_config_set_bool(r->c, "is_encoder_decoder", true);
}

/* ------------------------------------------------------------------ */

static void read_members(reader *r)
{
    const char *architecture = r->family->architecture;
    read_keys(r);
    read_vocabulary(r);
    if (!lm_ok(r->st))
        return;
    read_heads(r);
    read_scaling(r);
    read_labels(r);
    if (strcmp(architecture, "bert") == 0)
        read_bert(r);
    else
        read_output(r);
    if (strcmp(architecture, "gpt2") == 0)
        read_gpt2(r);
    if (lm_gguf_is_t5(r->family))
        read_t5(r);
}

static bool find_architecture(reader *r, lm_str *architecture)
{
    lm_str type = {NULL, 0};
    if (!lm_gguf_string(r->f, "general.type", &type, r->st) ||
        !lm_gguf_string(r->f, "general.architecture", architecture, r->st))
        return false;
    if (lm_str_is(type, "adapter"))
        return lm_fail(r->st, LM_FAILED, "%s: is an adapter, no model: name its base", lm_gguf_name(r->f));
    if (!architecture->data)
        return lm_fail(r->st, LM_FAILED, "%s: names no architecture: it is no model", lm_gguf_name(r->f));
    for (const lm_gguf_family *k = lm_gguf_families; k->architecture; k++)
        if (reads_architecture(*architecture, k))
            return true;
    lm_buf known = {0};
    for (const lm_gguf_family *k = lm_gguf_families; k->architecture; k++)
        if (k == lm_gguf_families || strcmp(k[-1].architecture, k->architecture) != 0)
            lm_buf_printf(&known, "%s%s", known.len ? ", " : "", k->architecture);
    lm_fail(r->st, LM_FAILED, "%s: needs: the architecture \"%.*s\", which this version does not have: it has %s",
            lm_gguf_name(r->f), (int)(architecture->len < 60 ? architecture->len : 60), architecture->data, lm_buf_cstr(&known));
    lm_buf_free(&known);
    return false;
}

lm_config *lm_gguf_config(const lm_gguf *f, lm_status *st)
{
    reader r = {.f = f, .st = st};
    lm_str architecture = {NULL, 0};
    if (find_architecture(&r, &architecture))
        begin(&r, architecture);
    if (r.c) {
        if (!lm_config_first(r.c, "architectures"))
            name_class(&r);
        read_members(&r);
        lm_config_failed(r.c, st);
    }
    if (lm_ok(st))
        return r.c;
    lm_config_free(r.c);
    return NULL;
}
