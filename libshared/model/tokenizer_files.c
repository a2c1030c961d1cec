#include "model/model.h"
#include "text/tokenizer.h"

/* What stands in a model's directory beside config.json and the weights. First what transformers' tokenizers save, of
 * which the first ones are enough by themselves. */
const char *const lm_model_files[] = {
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "README.md",
    "trainer_state.json",
    NULL,
};
enum { VOCABULARIES = 6, FILES = 12 };

static bool has_vocabulary(const lm_bundle *b)
{
    if (lm_bundle_gguf(b)) {
        lm_status ignored = LM_STATUS_INIT;
        lm_str model = {0};
        return lm_gguf_string(lm_bundle_gguf(b), "tokenizer.ggml.model", &model, &ignored) && model.len && !lm_str_is(model, "none");
    }
    for (int i = 0; i < VOCABULARIES; i++)
        if (lm_bundle_has(b, lm_model_files[i]))
            return true;
    return false;
}

bool lm_model_has_tokenizer(const char *path)
{
    lm_status ignored = LM_STATUS_INIT;
    lm_bundle *b = lm_bundle_at(path) ? lm_bundle_open(path, &ignored) : NULL;
    bool has = b && has_vocabulary(b);
    lm_bundle_close(b);
    return has;
}

static bool unpack_tokenizer(const char *from, lm_bundle_writer *to, lm_status *st)
{
    lm_tokenizer *t = lm_tokenizer_open(from, st);
    bool ok = t && lm_tokenizer_write(t, to, st);
    lm_tokenizer_free(t);
    return ok;
}

bool lm_model_copy_tokenizer(const char *from, lm_bundle_writer *to, lm_status *st)
{
    lm_bundle *b = lm_bundle_open(from, st);
    if (b && !has_vocabulary(b))
        lm_fail(st, LM_FAILED,
                "%s: no tokenizer.json or vocabulary: name a directory that has one with "
                "--tokenizer",
                from);
    else if (b && lm_bundle_gguf(b))
        unpack_tokenizer(from, to, st);
    for (int i = 0; i < FILES && lm_ok(st); i++)
        if (lm_bundle_has(b, lm_model_files[i]))
            lm_bundle_copy(to, b, lm_model_files[i], st);
    lm_bundle_close(b);
    return lm_ok(st);
}
