/* How models with byte-level BPE split words, by the name that GGUF files give (tokenizer.ggml.pre): the
 * expressions of their tokenizer.json, which llama.cpp's llama-vocab.cpp quotes. */
#include "text/files/files.h"

#include "base/memory.h"

#define CLITICS    "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define TAIL       " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SLASH_TAIL " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LLAMA3     CLITICS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|" TAIL
#define QWEN2      CLITICS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|" TAIL
#define QWEN35                                                                                               \
    CLITICS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| "                                                \
            "?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SEED                                                                                                 \
    CLITICS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| "                                                     \
            "?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define BAILING                                                                                              \
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| "                                          \
    "?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"
#define EXAONE_MOE                                                                                           \
    CLITICS "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| "                          \
            "?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|"                                                                \
            "\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(after)                                                                                         \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" after "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" after "|"
#define BLOOM     " ?[^(\\s|.,!?\xE2\x80\xA6\xE3\x80\x82\xEF\xBC\x8C\xE3\x80\x81\xE0\xA5\xA4\xDB\x94\xD8\x8C)]+"
#define HAN_KANA  "[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F\xE3\x82\xA0-\xE3\x83\xBF]+"
#define CODER_HAN "[\xE4\xB8\x80-\xE9\xBE\xA5\xE0\xA0\x80-\xE4\xB8\x80\xEA\xB0\x80-\xED\x9F\xBF]+"
#define DEEPSEEK3                                                                                            \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"     \
    " ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const lm_gguf_pre pres[] = {
    {.names = "gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum jais trillion "
              "granite-docling "
              "exaone4",
     .words = true},
    {.names = "mpt olmo modern-bert", .words = true, .nfc = true},
    {.names = "roberta-bpe jina-v1-en jina-v2-code", .words = true, .roberta = true},
    {.names = "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
     .regexes = {LLAMA3},
     .ignore_merges = true,
     .add_bos = true},
    {.names = "dbrx smaug-bpe glm4 chatglm-bpe", .regexes = {LLAMA3}},
    {.names = "qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2", .regexes = {QWEN2}, .nfc = true},
    {.names = "hunyuan solar-open grok-2", .regexes = {QWEN2}},
    {.names = "qwen35", .regexes = {QWEN35}, .nfc = true},
    {.names = "seed-coder", .regexes = {SEED}},
    {.names = "bailingmoe bailingmoe2 llada-moe", .regexes = {BAILING}},
    {.names = "exaone-moe", .regexes = {EXAONE_MOE}},
    {.names = "gpt-4o llama4 kanana2 talkie minimax-m2",
     .regexes = {CASED(CLITICS "?") "\\p{N}{1,3}|" SLASH_TAIL}},
    {.names = "tekken", .regexes = {CASED("") "\\p{N}|" SLASH_TAIL}, .ignore_merges = true, .add_bos = true},
    {.names = "starcoder refact smollm codeshell exaone minerva-7b mellum2", .digits = true, .words = true},
    {.names = "command-r", .digits = true, .words = true, .nfc = true},
    {.names = "bloom poro-chat gpt3-finnish", .regexes = {BLOOM}},
    {.names = "viking", .regexes = {BLOOM, "\\p{N}"}},
    {.names = "deepseek-coder",
     .regexes = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CODER_HAN},
     .digits = true},
    {.names = "deepseek-v3 hunyuan-dense joyai-llm hy_v4", .regexes = {"\\p{N}{1,3}", HAN_KANA, DEEPSEEK3}},
    {.names = "default",
     .regexes = {"[\\p{P}\\$\\+<=>\\^~\\|]+",
                 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)", "\\p{N}+",
                 "[0-9][0-9][0-9]"}},
};

const lm_gguf_pre *lm_gguf_pre_find(lm_str name)
{
    for (size_t i = 0; i < sizeof pres / sizeof *pres; i++)
        for (const char *at = pres[i].names; *at;) {
            size_t n = strcspn(at, " ");
            if (lm_str_equal((lm_str){at, n}, name))
                return &pres[i];
            at += n + (at[n] == ' ');
        }
    return NULL;
}

json_t *lm_gguf_pre_spec(const lm_gguf_pre *pre)
{
    json_t *parts = json_array();
    for (int i = 0; i < LM_GGUF_PRE_REGEXES && pre->regexes[i]; i++)
        json_array_append_new(parts, lm_spec_split(pre->regexes[i]));
    if (pre->digits)
        json_array_append_new(parts, json_pack("{s:s, s:b}", "type", "Digits", "individual_digits", 1));
    json_t *bytes = lm_spec_byte_level(false, true, pre->words);
    if (json_array_size(parts) == 0) {
        json_decref(parts);
        return bytes;
    }
    json_array_append_new(parts, bytes);
    return lm_spec_sequence("pretokenizers", parts);
}

/* ---------------------------------------------------------------- from tokenizer.json */

static bool is_type(json_t *part, const char *type)
{
    const char *is = json_string_value(json_object_get(part, "type"));
    return is && strcmp(is, type) == 0;
}

/* Adds what a part of a pre-tokenizer does. False where no row of the table does such a thing. */
static bool add_part(lm_gguf_pre *pre, int *regexes, json_t *part)
{
    json_t *parts = json_object_get(part, "pretokenizers"), *p;
    size_t i;
    bool ok = true;
    if (is_type(part, "Sequence")) {
        json_array_foreach(parts, i, p)
            ok = ok && add_part(pre, regexes, p);
        return ok;
    }
    if (is_type(part, "Digits")) {
        pre->digits = true;
        return json_is_true(json_object_get(part, "individual_digits"));
    }
    if (is_type(part, "ByteLevel")) {
        json_t *words = json_object_get(part, "use_regex");
        pre->words = !words || json_is_true(words);
        return true;
    }
    const char *regex = json_string_value(json_object_get(json_object_get(part, "pattern"), "Regex"));
    const char *behaviour = json_string_value(json_object_get(part, "behavior"));
    if (!is_type(part, "Split") || !regex || !behaviour || *regexes == LM_GGUF_PRE_REGEXES)
        return false;
    /* to remove what is not matched is to isolate what is, where every character is matched */
    pre->regexes[(*regexes)++] = regex;
    return strcmp(behaviour, json_is_true(json_object_get(part, "invert")) ? "Removed" : "Isolated") == 0;
}

static bool splits_alike(const lm_gguf_pre *a, const lm_gguf_pre *b)
{
    for (int i = 0; i < LM_GGUF_PRE_REGEXES; i++)
        if (!a->regexes[i] != !b->regexes[i] || (a->regexes[i] && strcmp(a->regexes[i], b->regexes[i]) != 0))
            return false;
    return a->digits == b->digits && a->words == b->words;
}

static bool has_part(json_t *part, const char *member, const char *type)
{
    json_t *p;
    size_t i;
    json_array_foreach(json_object_get(part, member), i, p)
        if (has_part(p, member, type))
            return true;
    return is_type(part, type);
}

const lm_gguf_pre *lm_gguf_pre_of(const lm_tokenizer *t)
{
    lm_gguf_pre is = {.nfc = has_part(json_object_get(t->spec, "normalizer"), "normalizers", "NFC"),
                      .ignore_merges = t->model.ignore_merges,
                      .roberta = has_part(json_object_get(t->spec, "post_processor"), "processors", "RobertaProcessing")};
    int regexes = 0, most = -1;
    const lm_gguf_pre *best = NULL;
    if (!add_part(&is, &regexes, json_object_get(t->spec, "pre_tokenizer")))
        return NULL;
    for (size_t i = 0; i < sizeof pres / sizeof *pres; i++) {
        int like = 4 * (pres[i].ignore_merges == is.ignore_merges) + 2 * (pres[i].roberta == is.roberta) +
                   (pres[i].nfc == is.nfc);
        if (splits_alike(&pres[i], &is) && like > most) {
            best = &pres[i];
            most = like;
        }
    }
    return best;
}
