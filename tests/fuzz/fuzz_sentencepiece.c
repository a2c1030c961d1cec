/* Any bytes as a SentencePiece model: refused or usable. The first byte chooses what tokenizer_config.json
 * beside it says. What is accepted and printed as a model again is accepted again, with the same pieces. */
#include "base/log.h"
#include "text/files/files.h"
#include "use_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char *const configs[] = {
    NULL,
    "{\"tokenizer_class\": \"LlamaTokenizer\", \"legacy\": false, \"add_eos_token\": true}",
    "{\"tokenizer_class\": \"LlamaTokenizerFast\", \"add_prefix_space\": false, \"add_bos_token\": false}",
    "{\"tokenizer_class\": \"GemmaTokenizer\"}",
    "{\"tokenizer_class\": \"T5Tokenizer\", \"extra_ids\": 3, \"legacy\": false}",
    "{\"tokenizer_class\": \"XLMRobertaTokenizer\"}",
    "{\"tokenizer_class\": \"CamembertTokenizer\"}",
    "{\"tokenizer_class\": \"MBartTokenizer\"}",
    "{\"tokenizer_class\": \"XGLMTokenizer\"}",
    "{\"tokenizer_class\": \"AlbertTokenizer\", \"do_lower_case\": false}",
    "{\"tokenizer_class\": \"XLNetTokenizer\", \"keep_accents\": true}",
    "{\"tokenizer_class\": \"DebertaV2Tokenizer\", \"do_lower_case\": true, \"split_by_punct\": true}",
    "{\"tokenizer_class\": \"BigBirdTokenizer\", \"mask_token\": {\"content\": \"[M]\", \"lstrip\": true}}",
    "{\"tokenizer_class\": \"ReformerTokenizer\", \"additional_special_tokens\": [\"<x>\", {\"content\": "
    "\"<y>\"}]}",
    "{\"tokenizer_class\": \"\", \"added_tokens_decoder\": {\"7\": {\"content\": \"<x>\", \"special\": "
    "true}, \"a\": 1}}",
    "{\"tokenizer_class\": \"OddTokenizer\"}",
};

static void print_again(const lm_tokenizer *t)
{
    lm_buf b = {0};
    lm_sentencepiece m;
    lm_status st = LM_STATUS_INIT;
    if (lm_sentencepiece_print(t, &b)) {
        if (!lm_sentencepiece_parse(&m, lm_buf_str(&b), "printed", &st))
            __builtin_trap();
        for (size_t i = 0; i < m.count; i++)
            if (!lm_str_equal(m.pieces[i].text, lm_vocabulary_get(&t->model.tables.vocabulary, (int)i)))
                __builtin_trap();
        lm_sentencepiece_free(&m);
    }
    lm_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    lm_log_level(LM_ERROR);
    lm_status st = LM_STATUS_INIT;
    lm_str rest = {(const char *)bytes + 1, size - 1};
    const char *text = configs[bytes[0] % (sizeof configs / sizeof *configs)];
    json_t *config = text ? json_loads(text, 0, NULL) : NULL;
    lm_tokenizer *t = lm_tokenizer_from_bytes(rest, config, NULL, NULL, "spiece.model", &st);
    use_tokenizer(t, rest, &st);
    if (t)
        print_again(t);
    lm_tokenizer_free(t);
    return 0;
}
