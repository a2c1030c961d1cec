/* Where the tensors go: a GGUF file, or what stream/bundle.h writes. */
#include "model/quantise/job.h"

#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/tool.h"
#include "text/tokenizer.h"

#include <stdlib.h>

struct lm_quantise_sink {
    lm_quantise_job *job;
    lm_output_file *file; /* of GGUF, and */
    lm_gguf_writer *gguf;
    lm_bundle_writer *bundle;
    lm_bundle_pieces *pieces;
};

static bool to_file(void *sink, const void *bytes, size_t n, lm_status *st)
{
    lm_quantise_sink *s = sink;
    return lm_write_all(lm_output_file_fd(s->file), bytes, n, lm_output_file_name(s->file), st);
}

/* ------------------------------------------------------------------ GGUF */

static bool is_of_split(lm_str key)
{
    return key.len > 6 && memcmp(key.data, "split.", 6) == 0;
}

/* The metadata of a file that becomes another: all but what says how it is quantised, and cut. */
static void copy_entries(lm_gguf_writer *w, const lm_quantise_job *j, const lm_gguf *f)
{
    static const char file_type[] = "general.file_type", version[] = "general.quantization_version";
    for (size_t i = 0; i < lm_gguf_entries(f); i++) {
        const lm_gguf_entry *e = lm_gguf_entry_at(f, i);
        if (!lm_str_is(e->key, file_type) && !lm_str_is(e->key, version) && !is_of_split(e->key))
            lm_gguf_put_entry(w, e);
    }
    lm_gguf_put_u32(w, version, 2);
    lm_gguf_put_u32(w, file_type, (uint32_t)j->type->file_type);
}

static int64_t vocabulary(const lm_quantise_job *j)
{
    for (size_t i = 0; i < j->count; i++)
        if (strcmp(j->tensors[i].name, "token_embd.weight") == 0)
            return j->tensors[i].shape.size[0];
    return 0;
}

enum { TEMPLATE_MAX = 4 << 20 };

static bool describe(lm_gguf_writer *w, const lm_quantise_job *j, lm_status *st)
{
    const char *model = j->options->model;
    bool has = lm_model_has_tokenizer(model);
    lm_tokenizer *tokenizer = has ? lm_tokenizer_open(model, st) : NULL;
    if (has && !tokenizer)
        return false;
    if (!has)
        lm_warn("%s: has no tokenizer, and so the GGUF file will have none: llama.cpp does not run it", lm_bundle_name(j->bundle));
    char *name = lm_bundle_title(model), *template = NULL;
    size_t n = 0;
    static const char beside[] = "chat_template.jinja"; /* goes before the tokenizer's own, as in transformers */
    bool ok = !lm_bundle_has(j->bundle, beside) || lm_bundle_read(j->bundle, beside, TEMPLATE_MAX, &template, &n, st);
    ok = ok && lm_gguf_describe(w, j->names,
                                &(lm_gguf_description){.name = name, .file_type = j->type->file_type, .tokenizer = tokenizer,
                                                       .chat_template = {template, n}, .vocab_size = vocabulary(j)}, st);
    free(template);
    free(name);
    lm_tokenizer_free(tokenizer);
    return ok;
}

lm_gguf_writer *lm_quantise_header(const lm_quantise_job *j, lm_status *st)
{
    const lm_gguf *from = lm_bundle_gguf(j->bundle);
    lm_gguf_writer *w = lm_gguf_writer_new(strcmp(j->options->output, "-") == 0 ? "standard output" : j->options->output);
    if (from)
        copy_entries(w, j, from);
    else if (!describe(w, j, st)) {
        lm_gguf_writer_free(w);
        return NULL;
    }
    for (size_t i = 0; i < j->count; i++)
        lm_gguf_put_tensor(w, j->tensors[i].name, j->tensors[i].to, &j->tensors[i].shape);
    return w;
}

static bool begin_gguf(lm_quantise_sink *s, lm_status *st)
{
    lm_quantise_job *j = s->job;
    s->gguf = lm_quantise_header(j, st);
    s->file = s->gguf ? lm_output_file_open(j->options->output, st) : NULL;
    return s->file && lm_tool_refuse_terminal(lm_output_file_fd(s->file), "models", st) &&
           lm_gguf_write_header(s->gguf, to_file, s, st) &&
           (lm_bundle_gguf(j->bundle) || lm_gguf_extra_data(s->gguf, j->names, st));
}

/* ------------------------------------------------------------------ bundles */

static bool put_config(lm_quantise_sink *s, lm_status *st)
{
    lm_buf text = {0};
    lm_config_print(s->job->config, &text);
    bool ok = lm_bundle_put(s->bundle, "config.json", text.data, text.len, st);
    lm_buf_free(&text);
    return ok;
}

/* What else belongs to the model; of a GGUF file its tokenizer. */
static bool put_files(lm_quantise_sink *s, lm_status *st)
{
    lm_bundle *from = s->job->bundle;
    if (lm_bundle_gguf(from))
        return !lm_model_has_tokenizer(s->job->options->model) ||
               lm_model_copy_tokenizer(s->job->options->model, s->bundle, st);
    for (size_t i = 0; lm_model_files[i] && lm_ok(st); i++)
        if (lm_bundle_has(from, lm_model_files[i]))
            lm_bundle_copy(s->bundle, from, lm_model_files[i], st);
    return lm_ok(st);
}

static bool begin_bundle(lm_quantise_sink *s, lm_status *st)
{
    lm_quantise_job *j = s->job;
    const lm_bundle_options options = {.via = lm_bundle_via(j->bundle), .command = j->options->command};
    s->bundle = lm_bundle_create(j->options->output, &options, st);
    if (s->bundle && put_config(s, st) && put_files(s, st))
        s->pieces = lm_bundle_begin_pieces(s->bundle, j->outputs, j->output_count, j->options->shard_bytes, st);
    return s->pieces != NULL;
}

/* ------------------------------------------------------------------ both */

lm_quantise_sink *lm_quantise_sink_open(lm_quantise_job *j, lm_status *st)
{
    lm_quantise_sink *s = lm_calloc(1, sizeof *s);
    s->job = j;
    if (j->form == LM_QUANTISE_GGUF ? begin_gguf(s, st) : begin_bundle(s, st))
        return s;
    lm_quantise_sink_discard(s, st);
    return NULL;
}

bool lm_quantise_sink_put(lm_quantise_sink *s, size_t output, const void *bytes, size_t n, lm_status *st)
{
    return s->gguf ? lm_gguf_write_data(s->gguf, bytes, n, st) : lm_bundle_put_piece(s->pieces, output, bytes, n, st);
}

static void sink_free(lm_quantise_sink *s)
{
    lm_gguf_writer_free(s->gguf);
    free(s);
}

bool lm_quantise_sink_publish(lm_quantise_sink *s, lm_status *st)
{
    bool ok = s->gguf ? lm_gguf_write_end(s->gguf, st) : lm_bundle_end_pieces(s->pieces, st);
    s->pieces = NULL;
    if (!ok) {
        lm_quantise_sink_discard(s, st);
        return false;
    }
    ok = s->gguf ? lm_output_file_publish(s->file, st) : lm_bundle_publish(s->bundle, st);
    sink_free(s);
    return ok;
}

void lm_quantise_sink_discard(lm_quantise_sink *s, const lm_status *why)
{
    if (!s)
        return;
    lm_status failed = *why;
    if (s->pieces)
        lm_bundle_end_pieces(s->pieces, &failed);
    if (s->bundle)
        lm_bundle_discard(s->bundle, why);
    if (s->file)
        lm_output_file_discard(s->file, false);
    sink_free(s);
}
