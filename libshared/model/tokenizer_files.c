#include "model/model.h"

/* What transformers' tokenizers save; the first ones are enough by themselves. */
static const char *const files[] = {
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
};
enum { VOCABULARIES = 6, FILES = sizeof files / sizeof *files };

static bool has_vocabulary(const lm_bundle *b)
{
    for (int i = 0; i < VOCABULARIES; i++)
        if (lm_bundle_has(b, files[i]))
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

bool lm_model_copy_tokenizer(const char *from, lm_bundle_writer *to, lm_status *st)
{
    lm_bundle *b = lm_bundle_open(from, st);
    if (b && !has_vocabulary(b))
        lm_fail(st, LM_FAILED,
                "%s: no tokenizer.json or vocabulary: name a directory that has one with "
                "--tokenizer",
                from);
    for (int i = 0; i < FILES && lm_ok(st); i++)
        if (lm_bundle_has(b, files[i]))
            lm_bundle_copy(to, b, files[i], st);
    lm_bundle_close(b);
    return lm_ok(st);
}
