#include "base/atomic.h"
#include "base/memory.h"
#include "model/model.h"

#include <stdlib.h>
#include <unistd.h>

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

bool lm_model_has_tokenizer(const char *dir)
{
    for (int i = 0; i < VOCABULARIES; i++) {
        char *path = lm_format("%s/%s", dir, files[i]);
        bool there = access(path, F_OK) == 0;
        free(path);
        if (there)
            return true;
    }
    return false;
}

bool lm_model_copy_tokenizer(const char *from, const char *to, lm_status *st)
{
    if (!lm_model_has_tokenizer(from))
        return lm_fail(st, LM_FAILED,
                       "%s: no tokenizer.json or vocabulary: name a directory that has one with "
                       "--tokenizer",
                       from);
    for (int i = 0; i < FILES && lm_ok(st); i++) {
        char *source = lm_format("%s/%s", from, files[i]), *target = lm_format("%s/%s", to, files[i]);
        if (access(source, F_OK) == 0)
            lm_file_copy(source, target, st);
        free(source);
        free(target);
    }
    return lm_ok(st);
}
