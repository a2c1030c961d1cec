#include "model/gguf/gguf_families.h"

#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYER_MAX = 100000 };

/* ------------------------------------------------------------------ lists of words */

bool lm_gguf_is_one_of(const char *words, const char *word, int *index)
{
    int i = 0;
    for (const char *at = words; *at; i++) {
        size_t n = strcspn(at, " ");
        if (lm_str_is((lm_str){at, n}, word)) {
            if (index)
                *index = i;
            return true;
        }
        at += n + (at[n] == ' ');
    }
    return false;
}

char *lm_gguf_word(const char *words, int index)
{
    const char *at = words;
    while (index-- > 0 && *at) {
        at += strcspn(at, " ");
        at += *at == ' ';
    }
    return lm_strndup(at, strcspn(at, " "));
}

/* ------------------------------------------------------------------ the family of a config */

static const lm_gguf_class *class_of(const lm_gguf_family *f, const char *name, int *index)
{
    for (const lm_gguf_class *k = f->classes; k->names; k++)
        if (lm_gguf_is_one_of(k->names, name, index))
            return k;
    return NULL;
}

static void name_types(lm_buf *out)
{
    for (const lm_gguf_family *f = lm_gguf_families; f->architecture; f++)
        if (!f[1].architecture || strcmp(f->model_types, f[1].model_types) != 0)
            lm_buf_printf(out, "%s%s", out->len ? ", " : "", f->model_types);
}

static void name_classes(const char *type, lm_buf *out)
{
    int index = 0;
    for (const lm_gguf_family *f = lm_gguf_families; f->architecture; f++)
        for (const lm_gguf_class *k = f->classes; lm_gguf_is_one_of(f->model_types, type, &index) && k->names; k++) {
            char *name = lm_gguf_word(k->names, index);
            lm_buf_printf(out, "%s%s", out->len ? ", " : "", name);
            free(name);
        }
}

/* The family that has both the type and the class; without a class, the first one of the type. */
static bool find_family(lm_gguf_names *n, lm_status *st)
{
    const char *type = lm_config_string(n->config, "model_type", ""), *name = lm_config_first(n->config, "architectures");
    bool known = false;
    for (const lm_gguf_family *f = lm_gguf_families; f->architecture; f++) {
        int index = 0;
        if (!lm_gguf_is_one_of(f->model_types, type, &index))
            continue;
        known = true;
        const lm_gguf_class *k = name ? class_of(f, name, &index) : f->classes;
        if (!k)
            continue;
        n->family = f;
        n->head = k->head;
        n->class_name = lm_gguf_word(k->head == LM_GGUF_MASKED ? f->classes[0].names : k->names, index);
        return true;
    }
    lm_buf names = {0};
    if (known)
        name_classes(type, &names);
    else
        name_types(&names);
    if (known)
        lm_fail(st, LM_FAILED, "%s has no place in a GGUF file, where llama.cpp finds %s: write a directory or a model stream",
                name, lm_buf_cstr(&names));
    else
        lm_fail(st, LM_FAILED,
                "the model type \"%s\" is none that llama.cpp and lmutils both have (%s): write a directory or a model stream",
                type, lm_buf_cstr(&names));
    lm_buf_free(&names);
    return false;
}

/* ------------------------------------------------------------------ what llama.cpp computes otherwise */

static void warn_of_classifier(const lm_gguf_names *n)
{
    if (n->head == LM_GGUF_MASKED)
        lm_warn("%s: a GGUF file has no place for its head: what is written is %s; a model stream (OUT.lms) keeps it",
                lm_config_first(n->config, "architectures"), n->class_name);
    if (n->head == LM_GGUF_CLASSIFIER && strcmp(n->family->body, "distilbert") == 0)
        lm_warn("%s: llama.cpp computes its head with tanh where it is ReLU", n->class_name);
}

static void warn_of_t5(lm_config *c, const lm_gguf_names *n)
{
    const char *form = lm_config_string(c, "feed_forward_proj", "relu");
    int distance = lm_config_int(c, "relative_attention_max_distance", 128);
    if (!lm_gguf_is_one_of("relu gated-gelu", form, NULL))
        lm_warn("feed_forward_proj: %s: llama.cpp computes %s", form, n->gated ? "gated-gelu" : "relu");
    if (distance != 128)
        lm_warn("relative_attention_max_distance: %d: llama.cpp takes 128 always", distance);
    if (n->tied)
        lm_warn("logits of T5 1.0 are scaled by 1/sqrt(d_model), which llama.cpp does not: its probabilities are sharper");
}

static void warn(lm_gguf_names *n)
{
    lm_config *c = n->config;
    const lm_gguf_family *f = n->family;
    const char *act = f->activation ? lm_config_string(c, f->activation, NULL) : NULL;
    if (act && !lm_gguf_is_one_of(f->activations, act, NULL))
        lm_warn("%s: %s: llama.cpp computes %.*s", f->activation, act, (int)strcspn(f->activations, " "), f->activations);
    if (strcmp(f->model_types, "mistral") == 0 && lm_config_has(c, "sliding_window") &&
        lm_config_int(c, "sliding_window", 0) < lm_config_int(c, f->positions, 0))
        lm_warn("sliding_window: %d: llama.cpp attends to all tokens of a Mistral", lm_config_int(c, "sliding_window", 0));
    if (lm_config_bool(c, "use_sliding_window", false))
        lm_warn("use_sliding_window: llama.cpp attends to all tokens of a %s", f->architecture);
    if (lm_config_bool(c, "scale_attn_by_inverse_layer_idx", false))
        lm_warn("scale_attn_by_inverse_layer_idx: llama.cpp does not scale by layers");
    warn_of_classifier(n);
    if (lm_gguf_is_t5(f))
        warn_of_t5(c, n);
}

/* ------------------------------------------------------------------ making */

static void read_sizes(lm_gguf_names *n)
{
    lm_config *c = n->config;
    const lm_gguf_family *f = n->family;
    n->heads = lm_config_int(c, f->heads, 0);
    n->kv_heads = f->kv_heads ? lm_config_int(c, f->kv_heads, n->heads) : n->heads;
    if (n->heads < 1 || n->kv_heads < 1)
        lm_config_fail(c, "%s: a model has a head at least", f->heads);
    if (f->past_padding)
        n->first_row = lm_config_int(c, "pad_token_id", 1) + 1;
    n->layers = lm_config_int(c, lm_gguf_member(f, "block_count"), 0);
    if (strcmp(f->architecture, "t5") == 0)
        n->layers += lm_config_int(c, "num_decoder_layers", n->layers);
    if (n->layers < 0 || n->layers > LAYER_MAX)
        lm_config_fail(c, "%d blocks are more than any model has", n->layers);
    if (lm_config_has(c, "partial_rotary_factor") && lm_config_float(c, "partial_rotary_factor", 1) != 1)
        lm_config_fail(c, "partial_rotary_factor: llama.cpp turns whole heads: write a directory or a model stream");
}

lm_gguf_names *lm_gguf_names_new(lm_config *c, bool quiet, lm_status *st)
{
    lm_gguf_names *n = lm_calloc(1, sizeof *n);
    n->config = c;
    if (find_family(n, st)) {
        n->tied = lm_gguf_is_tied(c, n->family);
        n->gated = lm_gguf_is_gated(c);
        read_sizes(n);
        if (!lm_config_failed(c, st)) {
            if (!quiet)
                warn(n);
            return n;
        }
    }
    lm_gguf_names_free(n);
    return NULL;
}

void lm_gguf_names_free(lm_gguf_names *n)
{
    if (!n)
        return;
    free(n->class_name);
    free(n);
}

const char *lm_gguf_names_architecture(const lm_gguf_names *n)
{
    return n->family->architecture;
}

int lm_gguf_names_layers(const lm_gguf_names *n)
{
    return n->layers;
}

/* ------------------------------------------------------------------ patterns */

/* Whether `name` is `pattern`, whose '#' is a number as it is printed; *layer becomes that, or -1. */
static bool matches(const char *pattern, lm_str name, bool any_end, int *layer)
{
    size_t i = 0;
    *layer = -1;
    for (; *pattern; pattern++) {
        if (*pattern != '#') {
            if (i == name.len || name.data[i++] != *pattern)
                return false;
            continue;
        }
        size_t start = i;
        int number = 0;
        for (; i < name.len && name.data[i] >= '0' && name.data[i] <= '9' && number < LAYER_MAX; i++)
            number = 10 * number + (name.data[i] - '0');
        if (i == start || (name.data[start] == '0' && i > start + 1))
            return false;
        *layer = number;
    }
    return i == name.len || (any_end && name.data[i] == '.');
}

/* False where it does not fit. */
static bool fill(char *out, size_t size, const char *prefix, const char *pattern, int layer, const char *suffix)
{
    const char *hash = strchr(pattern, '#');
    int before = hash ? (int)(hash - pattern) : (int)strlen(pattern);
    int n = hash ? snprintf(out, size, "%s%.*s%d%s%s", prefix, before, pattern, layer, hash + 1, suffix)
                 : snprintf(out, size, "%s%s%s", prefix, pattern, suffix);
    return n >= 0 && (size_t)n < size;
}

/* Takes the last part off *name: ".weight" or ".bias"; NULL where it is neither. BERT's older checkpoints say gamma and beta. */
static const char *take_suffix(lm_str *name)
{
    static const struct {
        const char *stored, *meant;
    } known[] = {{".weight", ".weight"}, {".bias", ".bias"}, {".gamma", ".weight"}, {".beta", ".bias"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i].stored);
        if (name->len > n && memcmp(name->data + name->len - n, known[i].stored, n) == 0) {
            name->len -= n;
            return known[i].meant;
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------ from one to the other */

/* Whether a row is meant by models of this config. */
static bool is_used(const lm_gguf_names *n, const lm_gguf_row *r)
{
    return !((r->flags & LM_GGUF_IF_GATED) && !n->gated) && !((r->flags & LM_GGUF_UNLESS_GATED) && n->gated);
}

static bool is_omitted(const lm_gguf_names *n, const lm_gguf_row *r)
{
    return !r->here || !r->there || ((r->flags & LM_GGUF_UNLESS_TIED) && n->tied) ||
           ((r->flags & LM_GGUF_OF_CLASSIFIER) && n->head != LM_GGUF_CLASSIFIER);
}

static lm_gguf_place describe(const lm_gguf_names *n, const lm_gguf_row *r, int layer, const char *suffix, lm_gguf_weight *w)
{
    bool bias = strcmp(suffix, ".bias") == 0;
    if (is_omitted(n, r))
        return LM_GGUF_OMITTED;
    if (bias && !(r->flags & LM_GGUF_BIAS) && !((r->flags & LM_GGUF_INNER_BIAS) && n->family->inner_bias))
        return LM_GGUF_UNKNOWN;
    const char *body = n->family->body;
    bool prefixed = *body && n->head != LM_GGUF_BARE && n->head != LM_GGUF_MASKED && !(r->flags & LM_GGUF_OUTSIDE);
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s%s", prefixed ? body : "", prefixed ? "." : "");
    *w = (lm_gguf_weight){.layer = layer, .transposed = !bias && (r->flags & LM_GGUF_TRANSPOSED)};
    if (n->family->interleaved && (r->flags & (LM_GGUF_QUERY | LM_GGUF_KEY)))
        w->heads = r->flags & LM_GGUF_QUERY ? n->heads : n->kv_heads;
    if (r->flags & LM_GGUF_NORM)
        w->offset = n->family->norm_offset;
    if (r->flags & LM_GGUF_POSITIONS)
        w->first_row = n->first_row;
    return fill(w->here, sizeof w->here, prefix, r->here, layer, suffix) &&
                   fill(w->there, sizeof w->there, "", r->there, layer, suffix)
               ? LM_GGUF_STORED
               : LM_GGUF_UNKNOWN;
}

lm_gguf_place lm_gguf_place_of(const lm_gguf_names *n, const char *here, lm_gguf_weight *out)
{
    lm_str whole = lm_str_of(here), stem = whole;
    size_t body = strlen(n->family->body);
    const char *suffix = take_suffix(&stem);
    bool prefixed = body && strncmp(here, n->family->body, body) == 0 && here[body] == '.';
    for (const lm_gguf_row *r = n->family->rows; r->here || r->there; r++) {
        size_t skip = prefixed && !(r->flags & LM_GGUF_OUTSIDE) ? body + 1 : 0;
        bool any_end = r->flags & LM_GGUF_ANY_END;
        lm_str name = any_end ? whole : stem;
        int layer;
        if (!r->here || !is_used(n, r) || name.len < skip ||
            !matches(r->here, (lm_str){name.data + skip, name.len - skip}, any_end, &layer))
            continue;
        if (any_end)
            return LM_GGUF_OMITTED;
        return suffix ? describe(n, r, layer, suffix, out) : LM_GGUF_UNKNOWN;
    }
    return LM_GGUF_UNKNOWN;
}

lm_gguf_place lm_gguf_weight_of(const lm_gguf_names *n, lm_str there, lm_gguf_weight *out)
{
    const char *suffix = take_suffix(&there);
    for (const lm_gguf_row *r = n->family->rows; suffix && (r->here || r->there); r++) {
        int layer;
        if (r->there && is_used(n, r) && matches(r->there, there, false, &layer))
            return describe(n, r, layer, suffix, out);
    }
    return LM_GGUF_UNKNOWN;
}
