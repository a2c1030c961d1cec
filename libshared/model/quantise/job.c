/* What is to be made of which tensor. */
#include "model/quantise/job.h"

#include "base/log.h"
#include "base/memory.h"
#include "model/quantise/params.h"

#include <stdlib.h>
#include <sys/stat.h>

const char *const lm_quantise_form_names[] = {"auto", "gguf", "hf", "stream", NULL};

/* ------------------------------------------------------------------ where it goes */

/* Types that nothing but GGUF and streams have. */
static bool is_blocks(const lm_quantise_type *t)
{
    return !t->bnb && lm_dtype_block(t->dtype) > 1;
}

static bool choose_form(lm_quantise_job *j, lm_status *st)
{
    const lm_quantise_options *o = j->options;
    const lm_quantise_type *type = j->type;
    bool file = is_blocks(type) || o->target_size;
    lm_bundle_form named = lm_bundle_form_of(o->output);
    struct stat s;
    bool directory = stat(o->output, &s) == 0 && S_ISDIR(s.st_mode);
    j->form = (lm_quantise_form)o->form;
    if (j->form == LM_QUANTISE_AUTO)
        j->form = lm_ends_in(o->output, ".gguf")                                                ? LM_QUANTISE_GGUF
                  : named == LM_BUNDLE_STREAM                                                ? LM_QUANTISE_STREAM
                  : named == LM_BUNDLE_DIRECTORY && !directory && file                       ? LM_QUANTISE_GGUF
                                                                                             : LM_QUANTISE_HF;
    if (o->target_size && j->form != LM_QUANTISE_GGUF)
        return lm_fail(st, LM_USAGE, "--target-size: is the size of a GGUF file: name the output NAME.gguf");
    if (j->form == LM_QUANTISE_GGUF && directory)
        return lm_fail(st, LM_USAGE, "%s: is a directory, and a GGUF file is one file: give it a name of its own", o->output);
    if (j->form == LM_QUANTISE_GGUF && type->bnb)
        return lm_fail(st, LM_USAGE, "-t %s: GGUF has no such type: name a directory, or take q4_0, q4_k_m or q8_0", type->name);
    if (j->form == LM_QUANTISE_HF && is_blocks(type))
        return lm_fail(st, LM_USAGE, "-t %s: Hugging Face's files have no such type: name the output NAME.gguf, or take nf4 or int8",
                       type->name);
    if (j->form == LM_QUANTISE_HF && named == LM_BUNDLE_STREAM)
        return lm_fail(st, LM_USAGE, "%s: is a stream, and --to hf writes a directory or an archive", o->output);
    return true;
}

/* ------------------------------------------------------------------ tensors */

bool lm_quantise_is_codes(const lm_weight *w)
{
    return w->dtype == LM_NF4 || w->dtype == LM_FP4 || (w->dtype == LM_I8 && w->quantised);
}

static lm_quantise_tensor *add(lm_quantise_job *j, const lm_weight *w, const char *name)
{
    LM_GROW(j->tensors, j->count, j->cap);
    lm_quantise_tensor *t = &j->tensors[j->count++];
    *t = (lm_quantise_tensor){.from = w, .name = lm_strdup(name), .shape = w->shape, .to = w->dtype};
    t->step = w->there ? LM_STEP_HERE : LM_STEP_STORED;
    return t;
}

/* The tensor of a GGUF file as it stands there, whatever model it is of. */
static bool add_stored(lm_quantise_job *j, const lm_weight *w, lm_status *st)
{
    if (w->dtype == LM_DTYPE_COUNT)
        return lm_fail(st, LM_FAILED, "%s: tensor \"%s\" has a type of ggml that is not read here", lm_bundle_name(j->bundle),
                       w->name);
    char *name = w->there ? lm_strndup(w->there->name.data, w->there->name.len) : lm_strdup(w->name);
    lm_quantise_tensor *t = add(j, w, name);
    free(name);
    t->step = LM_STEP_STORED;
    if (w->there)
        t->shape = w->there->shape;
    return true;
}

static bool add_there(lm_quantise_job *j, const lm_weight *w, lm_status *st)
{
    lm_gguf_weight how;
    switch (lm_gguf_place_of(j->names, w->name, &how)) {
    case LM_GGUF_OMITTED:
        return true;
    case LM_GGUF_UNKNOWN:
        return lm_fail(st, LM_FAILED, "%s: tensor \"%s\" has no place in a GGUF file of this model, which would be another model "
                       "without it: --to hf keeps it", lm_bundle_name(j->bundle), w->name);
    case LM_GGUF_STORED:
        break;
    }
    lm_quantise_tensor *t = add(j, w, how.there);
    how.transposed &= !lm_weight_is_by_rows(w);
    t->how = how;
    t->step = LM_STEP_THERE;
    if (lm_gguf_shape_there(&how, &w->shape, &t->shape))
        return true;
    return lm_fail(st, LM_FAILED, "%s: tensor \"%s\" has a shape that such a tensor cannot have", lm_bundle_name(j->bundle), w->name);
}

static bool list_tensors(lm_quantise_job *j, lm_status *st)
{
    const lm_gguf *f = lm_bundle_gguf(j->bundle);
    size_t n = lm_checkpoint_weights(j->checkpoint);
    for (size_t i = 0; i < n && lm_ok(st); i++) {
        const lm_weight *w = lm_checkpoint_weight(j->checkpoint, i);
        if (j->form != LM_QUANTISE_GGUF)
            add(j, w, w->name);
        else if (f)
            add_stored(j, w, st);
        else
            add_there(j, w, st);
    }
    if (lm_ok(st) && !j->count)
        lm_fail(st, LM_FAILED, "%s: has no tensors", lm_bundle_name(j->bundle));
    return lm_ok(st);
}

/* ------------------------------------------------------------------ types */

static bool is_real(lm_dtype t)
{
    return t == LM_F64 || t == LM_F32 || t == LM_F16 || t == LM_BF16;
}

/* Whether it is what types are about: no mask, no positions. */
static bool is_number(const lm_weight *w)
{
    return is_real(w->dtype) || w->quantised || lm_dtype_block(w->dtype) > 1;
}

static bool facts_of_file(const lm_gguf *f, lm_plan_facts *facts, lm_status *st)
{
    lm_str arch = {0};
    int64_t layers = 0, heads = 0, kv_heads = 0;
    lm_gguf_string(f, "general.architecture", &arch, st);
    char *prefix = lm_strndup(arch.data ? arch.data : "", arch.len);
    char *keys[] = {lm_format("%s.block_count", prefix), lm_format("%s.attention.head_count", prefix),
                    lm_format("%s.attention.head_count_kv", prefix)};
    lm_status ignored = LM_STATUS_INIT; /* heads may be a list, one for each layer */
    lm_gguf_int(f, keys[0], &layers, st);
    lm_gguf_int(f, keys[1], &heads, &ignored);
    kv_heads = heads;
    lm_gguf_int(f, keys[2], &kv_heads, &ignored);
    for (int i = 0; i < 3; i++)
        free(keys[i]);
    facts->llama = strcmp(prefix, "llama") == 0;
    facts->layers = (int)layers;
    facts->heads = (int)heads;
    facts->kv_heads = (int)kv_heads;
    free(prefix);
    return lm_ok(st);
}

static bool facts_of(const lm_quantise_job *j, lm_plan_facts *facts, lm_status *st)
{
    const lm_gguf *f = lm_bundle_gguf(j->bundle);
    *facts = (lm_plan_facts){.importance = j->importance != NULL, .keep_types = f || j->form != LM_QUANTISE_GGUF};
    if (f)
        return facts_of_file(f, facts, st);
    lm_plan_facts_of(j->config, facts);
    facts->llama = j->names && strcmp(lm_gguf_names_architecture(j->names), "llama") == 0;
    return true;
}

/* A name by which the rules know a tensor that stays under Hugging Face's name. */
static const char *planned_name(const lm_quantise_job *j, lm_quantise_tensor *t, bool *fixed)
{
    static const char *const kept[] = {"norm", "Norm", "position", "token_type", "relative_attention_bias", "wpe"};
    if (j->form == LM_QUANTISE_GGUF)
        return t->name;
    if (j->names && lm_gguf_place_of(j->names, t->name, &t->how) == LM_GGUF_STORED)
        return t->how.there;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        *fixed |= strstr(t->name, kept[i]) != NULL;
    return t->name;
}

static bool find_importance(lm_quantise_job *j, const lm_planned *p, lm_quantise_tensor *t, lm_status *st)
{
    if (!j->importance || lm_dtype_block(t->to) == 1 || t->shape.dims != 2)
        return true;
    if (!lm_imatrix_mean(j->importance, p->name, (size_t)t->shape.size[1], &t->importance, st))
        return false;
    if (!t->importance)
        lm_debug("%s: has no entry in %s: all columns count alike", p->name, j->options->importance);
    return true;
}

static bool is_conv1d(const lm_quantise_tensor *t)
{
    return t->how.transposed && t->shape.dims == 2;
}

/* The matrix of a Conv1D becomes the layer's, or the other way round. */
static void turn(lm_quantise_tensor *t)
{
    const lm_weight *w = t->from;
    t->how = (lm_gguf_weight){.transposed = true};
    t->step = w->there ? LM_STEP_STORED : LM_STEP_THERE;
    lm_gguf_shape_there(&t->how, &w->shape, &t->shape);
}

/* In a directory or stream: blocks and codes are those of the layer's rows, floats are a Conv1D's. */
static void turn_if_needed(lm_quantise_tensor *t)
{
    bool rows = lm_dtype_block(t->to) > 1 || t->to == LM_NF4 || t->to == LM_FP4 || t->to == LM_I8;
    if (is_conv1d(t) && rows != lm_weight_is_by_rows(t->from))
        turn(t);
}

static void say_fallen(const lm_planned *p, size_t count)
{
    enum { SHOWN = 4 };
    lm_buf which = {0};
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (p[i].to != p[i].wanted && n++ < SHOWN)
            lm_buf_printf(&which, "%s%s (%lld columns) %s, not %s", n > 1 ? ", " : "", p[i].name,
                          (long long)p[i].shape.size[p[i].shape.dims - 1], lm_dtype_name(p[i].to), lm_dtype_name(p[i].wanted));
    if (n)
        lm_warn("%zu tensor%s rows that no block divides, and %s another type: %s%s", n, n > 1 ? "s have" : " has",
                n > 1 ? "get" : "gets", lm_buf_cstr(&which), n > SHOWN ? " ..." : "");
    lm_buf_free(&which);
}

/* Types by the rules of ggml's mixes. */
static bool plan_blocks(lm_quantise_job *j, lm_status *st)
{
    lm_planned *p = lm_calloc(j->count, sizeof *p);
    lm_plan_facts facts;
    for (size_t i = 0; i < j->count; i++) {
        lm_quantise_tensor *t = &j->tensors[i];
        p[i].name = planned_name(j, t, &p[i].fixed);
        p[i].shape = t->shape;
        if (j->form == LM_QUANTISE_STREAM && is_conv1d(t) && !lm_weight_is_by_rows(t->from))
            p[i].shape = (lm_shape){2, {t->shape.size[1], t->shape.size[0]}};
        p[i].from = lm_quantise_is_codes(t->from) ? LM_F32 : t->from->dtype;
    }
    bool ok = facts_of(j, &facts, st) && lm_plan_types(p, j->count, &j->options->plan, &facts, st);
    for (size_t i = 0; ok && i < j->count; i++) {
        lm_quantise_tensor *t = &j->tensors[i];
        t->to = is_number(t->from) ? p[i].to : t->from->dtype;
        if (j->form == LM_QUANTISE_STREAM)
            turn_if_needed(t);
        t->free = is_number(t->from) && p[i].quantisable && !p[i].named;
        ok = find_importance(j, &p[i], t, st);
    }
    if (ok)
        say_fallen(p, j->count);
    free(p);
    return ok;
}

/* All numbers with a point in one type: a model that is not quantised. */
static void plan_floats(lm_quantise_job *j)
{
    for (size_t i = 0; i < j->count; i++) {
        lm_quantise_tensor *t = &j->tensors[i];
        if (!is_number(t->from))
            continue;
        t->to = j->type->dtype;
        if (j->names && lm_gguf_place_of(j->names, t->name, &t->how) == LM_GGUF_STORED)
            turn_if_needed(t);
    }
}

/* ------------------------------------------------------------------ bitsandbytes */

/* The module of a weight: its name without .weight. */
static char *module_of(const char *name)
{
    size_t n = strlen(name);
    return lm_strndup(name, n > 7 && strcmp(name + n - 7, ".weight") == 0 ? n - 7 : n);
}

/* Whether a module is one of these, or lies in one: `classifier`, `layer.0`, `intermediate.dense`. */
static bool is_skipped(const lm_strings *skip, const char *module)
{
    for (size_t i = 0; i < skip->count; i++) {
        size_t n = strlen(skip->items[i]);
        for (const char *at = module; (at = strstr(at, skip->items[i])); at++)
            if ((at == module || at[-1] == '.') && (!at[n] || at[n] == '.'))
                return true;
    }
    return false;
}

/* The layers of the body. */
static bool plan_bnb(lm_quantise_job *j, lm_status *st)
{
    const lm_quantise_options *o = j->options;
    lm_model *m = lm_model_open(o->model, &(lm_model_options){.plugin_path = o->plugin_path, .no_weights = true, .quiet = true}, st);
    if (!m)
        return false;
    lm_strings skipped = {0};
    char found[LM_NAME_MAX];
    for (size_t i = 0; i < j->count; i++) {
        lm_quantise_tensor *t = &j->tensors[i];
        const lm_param *p = lm_weights_resolve(m, t->name, found);
        if (is_number(t->from) && !is_real(t->from->dtype))
            t->to = LM_F32;
        if (!p || p->embedding || t->shape.dims != 2 || !is_number(t->from) || !lm_ends_in(t->name, ".weight"))
            continue;
        char *module = module_of(t->name);
        if (o->skip.count ? is_skipped(&o->skip, module) : !lm_quantise_is_layer(m, p)) {
            lm_strings_add(&skipped, module);
            continue;
        }
        free(module);
        t->to = j->type->dtype;
        t->how.transposed = p->transposed;
        turn_if_needed(t);
    }
    lm_quantise_bnb_config(j, j->config, &skipped);
    for (size_t i = 0; i < skipped.count; i++)
        free((char *)skipped.items[i]);
    free(skipped.items);
    lm_model_free(m);
    return true;
}

/* ------------------------------------------------------------------ the job */

/* What is written, and how large it is. */
static bool list_outputs(lm_quantise_job *j, lm_status *st)
{
    size_t cap = 0;
    for (size_t i = 0; i < j->count && lm_ok(st); i++) {
        lm_quantise_tensor *t = &j->tensors[i];
        lm_safetensor whole = {.name = t->name, .dtype = t->to, .shape = t->shape};
        t->output = j->output_count;
        t->outputs = 1;
        t->parts = &whole;
        if (t->to == LM_NF4 || t->to == LM_FP4 || t->to == LM_I8)
            lm_quantise_bnb_parts(j, t);
        for (size_t k = 0; k < t->outputs; k++) {
            lm_safetensor *part = &t->parts[k];
            if (!lm_tensor_bytes(part->dtype, &part->shape, &part->bytes))
                lm_fail(st, LM_FAILED, "%s: its size overflows", t->name);
            j->bytes_after += part->bytes;
            LM_GROW(j->outputs, j->output_count, cap);
            j->outputs[j->output_count++] = *part;
        }
        if (t->parts == &whole)
            t->parts = NULL;
        j->bytes_before += t->from->bytes;
    }
    return lm_ok(st);
}

static lm_config *config_of(const lm_quantise_job *j, lm_status *st)
{
    const lm_gguf *f = lm_bundle_gguf(j->bundle);
    return f ? lm_gguf_config(f, st) : lm_config_open(j->bundle, st);
}

/* What config.json says of types. */
static void set_types(lm_quantise_job *j)
{
    lm_config_remove(j->config, "quantization_config");
    if (!j->type->bnb && lm_torch_dtype(j->type->dtype) && j->form != LM_QUANTISE_GGUF)
        lm_config_set_string(j->config, "torch_dtype", lm_torch_dtype(j->type->dtype));
}

static bool plan(lm_quantise_job *j, lm_status *st)
{
    if (j->type->bnb)
        return plan_bnb(j, st);
    if (j->form != LM_QUANTISE_GGUF && lm_dtype_block(j->type->dtype) == 1) {
        plan_floats(j);
        return true;
    }
    return plan_blocks(j, st) && (!j->options->target_size || lm_quantise_fit(j, st));
}

/* GGUF's names: without them nothing can become GGUF; elsewhere they tell which tensors are which. */
static bool find_names(lm_quantise_job *j, lm_status *st)
{
    lm_status ignored = LM_STATUS_INIT;
    bool needed = j->form == LM_QUANTISE_GGUF && !lm_bundle_gguf(j->bundle);
    j->names = lm_gguf_names_new(j->config, !needed, needed ? st : &ignored);
    return j->names || !needed;
}

/* A size that is aimed at looks at all tensors before the first is made. */
static lm_bundle *open_bundle(const lm_quantise_options *o, lm_status *st)
{
    return o->target_size ? lm_bundle_open(o->model, st) : lm_bundle_open_forward(o->model, st);
}

bool lm_quantise_job_open(lm_quantise_job *j, const lm_quantise_options *options, lm_status *st)
{
    *j = (lm_quantise_job){.options = options, .type = options->plan.type};
    bool one = lm_bundle_is_one(options->model, st);
    j->bundle = one && choose_form(j, st) ? open_bundle(options, st) : NULL;
    j->checkpoint = j->bundle ? lm_checkpoint_open(j->bundle, st) : NULL;
    j->config = j->checkpoint ? config_of(j, st) : NULL;
    if (j->config) {
        set_types(j);
        if (options->importance)
            j->importance = lm_imatrix_read(options->importance, st);
    }
    if (j->config && lm_ok(st) && find_names(j, st) && list_tensors(j, st) && plan(j, st) && list_outputs(j, st))
        return true;
    lm_quantise_job_close(j);
    return false;
}

void lm_quantise_job_close(lm_quantise_job *j)
{
    for (size_t i = 0; i < j->count; i++) {
        free(j->tensors[i].name);
        for (size_t k = 1; j->tensors[i].parts && k < j->tensors[i].outputs; k++)
            free((char *)j->tensors[i].parts[k].name);
        free(j->tensors[i].parts);
    }
    free(j->tensors);
    free(j->outputs);
    lm_imatrix_free(j->importance);
    lm_gguf_names_free(j->names);
    lm_config_free(j->config);
    lm_checkpoint_close(j->checkpoint);
    lm_bundle_close(j->bundle);
    *j = (lm_quantise_job){0};
}
