/* Tokenizer files of text from anywhere: refused or usable, never worse. The input's first byte chooses: 0
 * tokenizer.json, 1 vocab.txt, 2 vocab.json and, behind an empty line, merges.txt, 3 tokenizer_config.json
 * and, behind an empty line, tokenizer.json. What makes a tokenizer is then used on texts, the input itself
 * among them. */
#include "base/log.h"
#include "text/files/files.h"
#include "use_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Beside a vocab.json: by the next two bits. */
static const char *const configs[] = {
    NULL,
    "{\"tokenizer_class\": \"Qwen2Tokenizer\"}",
    "{\"tokenizer_class\": \"RobertaTokenizer\", \"cls_token\": null}",
    "{\"tokenizer_class\": \"OddTokenizer\"}",
};

static lm_tokenizer *open_two(lm_str rest, int kind, lm_status *st)
{
    lm_str first = rest, second = {"", 0};
    const char *middle = rest.len ? memmem(rest.data, rest.len, "\n\n", 2) : NULL;
    if (middle) {
        first.len = (size_t)(middle - rest.data);
        second = (lm_str){middle + 2, rest.len - first.len - 2};
    }
    if ((kind & 3) == 2) {
        json_t *beside = configs[kind >> 2 & 3] ? json_loads(configs[kind >> 2 & 3], 0, NULL) : NULL;
        lm_tokenizer *t = lm_tokenizer_from_vocab_json(first, second, beside, st);
        json_decref(beside);
        return t;
    }
    json_t *config = lm_json_parse(first, "tokenizer_config.json", LM_JSON_NUL | LM_JSON_BIG_INTEGERS, st);
    return config ? lm_tokenizer_from_bytes(second, config, NULL, NULL, "tokenizer.json", st) : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    lm_log_level(LM_ERROR);
    lm_status st = LM_STATUS_INIT;
    lm_str rest = {(const char *)bytes + 1, size - 1};
    int kind = bytes[0] & 3;
    lm_tokenizer *t = kind >= 2 ? open_two(rest, bytes[0], &st)
                                : lm_tokenizer_from_bytes(rest, NULL, NULL, NULL,
                                                          kind == 1 ? "vocab.txt" : "tokenizer.json", &st);
    use_tokenizer(t, rest, &st);
    lm_tokenizer_free(t);
    return 0;
}
