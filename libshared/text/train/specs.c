#include "text/train/specs.h"

#include "base/memory.h"
#include "text/tokenizer_internal.h"

#include <stdlib.h>

const char *const lm_trained_model_names[] = {"bpe", "wordpiece", "unigram", NULL};
const char *const lm_unicode_normalizer_names[] = {"auto", "none", "nfc", "nfd", "nfkc", "nfkd", NULL};

static const char metaspace[] = "\xE2\x96\x81";

/* ---------------------------------------------------------------- the first tokens */

static const char *const *usual_tokens(const lm_tokenizer_training *o)
{
    static const char *const bert[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", NULL};
    static const char *const gpt2[] = {"<|endoftext|>", NULL};
    static const char *const llama[] = {"<unk>", "<s>", "</s>", NULL};
    static const char *const t5[] = {"<pad>", "</s>", "<unk>", NULL};
    if (o->model == LM_TRAIN_WORDPIECE)
        return bert;
    if (o->model == LM_TRAIN_UNIGRAM)
        return t5;
    return o->byte_fallback ? llama : gpt2;
}

static void add_once(lm_head_tokens *h, lm_str token)
{
    for (size_t i = 0; i < h->count; i++)
        if (lm_str_equal(h->items[i], token))
            return;
    if (token.len)
        h->items[h->count++] = token;
}

void lm_head_tokens_make(const lm_tokenizer_training *o, lm_head_tokens *h)
{
    enum { MOST_USUAL = 8 };
    *h = (lm_head_tokens){.items =
                              lm_malloc(MOST_USUAL + o->special.count + LM_BYTE_TOKENS, sizeof *h->items)};
    for (const char *const *token = usual_tokens(o); *token; token++)
        add_once(h, lm_str_of(*token));
    for (size_t i = 0; i < o->special.count; i++)
        add_once(h, lm_str_of(o->special.items[i]));
    h->special_count = h->count;
    if (!o->byte_fallback)
        return;
    h->bytes = lm_malloc(LM_BYTE_TOKENS, sizeof *h->bytes);
    for (int i = 0; i < LM_BYTE_TOKENS; i++) {
        snprintf(h->bytes[i], sizeof h->bytes[i], "<0x%02X>", (unsigned)i & 0xFF);
        add_once(h, lm_str_of(h->bytes[i]));
    }
}

void lm_head_tokens_free(lm_head_tokens *h)
{
    free(h->items);
    free(h->bytes);
    *h = (lm_head_tokens){0};
}

/* Printable bytes stand for themselves, the others, in order, for the characters from U+0100 (GPT-2's table).
 */
void lm_byte_level_alphabet(uint32_t *out)
{
    uint32_t next = 0x100;
    for (uint32_t byte = 0; byte < LM_BYTE_TOKENS; byte++) {
        bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
        out[byte] = printable ? byte : next++;
    }
}

/* ---------------------------------------------------------------- components */

static json_t *type(const char *name)
{
    return json_pack("{s:s}", "type", name);
}

static json_t *replacement(const char *kind, const char *pattern, const char *content)
{
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", kind, pattern, "content", content);
}

/* NULL for none, one alone, or a Sequence. */
static json_t *sequence(json_t *list, const char *member)
{
    size_t n = json_array_size(list);
    json_t *one = n == 0 ? json_null() : n == 1 ? json_incref(json_array_get(list, 0)) : NULL;
    if (!one)
        one = json_pack("{s:s, s:O}", "type", "Sequence", member, list);
    json_decref(list);
    return one;
}

static json_t *normalizer(const lm_tokenizer_training *o)
{
    static const char *const types[] = {NULL, NULL, "NFC", "NFD", "NFKC", "NFKD"};
    json_t *list = json_array();
    const char *unicode = types[o->unicode_normalizer];
    bool unigram = o->model == LM_TRAIN_UNIGRAM;
    if (unigram && o->unicode_normalizer == 0) { /* as SentencePiece's nmt_nfkc */
        json_array_append_new(list, type("Nmt"));
        unicode = "NFKC";
    }
    if (unicode)
        json_array_append_new(list, type(unicode));
    if (o->lower_case && o->lower_case_given)
        json_array_append_new(list, type("Lowercase"));
    if (unigram) {
        json_array_append_new(
            list, json_pack("{s:s, s:b, s:b}", "type", "Strip", "strip_left", 1, "strip_right", 1));
        json_array_append_new(list, replacement("Regex", " {2,}", " "));
    }
    return sequence(list, "normalizers");
}

static json_t *byte_level(int add_prefix_space, int trim_offsets)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", add_prefix_space,
                     "trim_offsets", trim_offsets, "use_regex", 1);
}

static json_t *spaces(void)
{
    return json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace", "replacement", metaspace, "prepend_scheme",
                     "always", "split", 1);
}

static json_t *bytes_decoder(void)
{
    json_t *list =
        json_pack("[o, o, o, {s:s, s:s, s:i, s:i}]", replacement("String", metaspace, " "),
                  type("ByteFallback"), type("Fuse"), "type", "Strip", "content", " ", "start", 1, "stop", 0);
    return sequence(list, "decoders");
}

/* ---------------------------------------------------------------- templates */

static json_t *piece(const char *kind, const char *id)
{
    return json_pack("{s:{s:s, s:i}}", kind, "id", id, "type_id", 0);
}

/* The special token before each text, or behind it. */
static json_t *template_of(const char *token, const lm_vocabulary *v, bool before)
{
    json_t *lists[2];
    for (int pair = 0; pair < 2; pair++) {
        lists[pair] = json_array();
        for (int text = 0; text <= pair; text++) {
            if (before)
                json_array_append_new(lists[pair], piece("SpecialToken", token));
            json_array_append_new(lists[pair], piece("Sequence", text ? "B" : "A"));
            if (!before)
                json_array_append_new(lists[pair], piece("SpecialToken", token));
        }
    }
    int id = lm_vocabulary_find(v, lm_str_of(token));
    return json_pack("{s:s, s:o, s:o, s:{s:{s:s, s:[i], s:[s]}}}", "type", "TemplateProcessing", "single",
                     lists[0], "pair", lists[1], "special_tokens", token, "id", token, "ids", id, "tokens",
                     token);
}

/* ---------------------------------------------------------------- the whole */

static json_t *bpe_model(bool byte_fallback)
{
    return json_pack("{s:s, s:n, s:s?, s:n, s:n, s:b, s:b, s:b}", "type", "BPE", "dropout", "unk_token",
                     byte_fallback ? "<unk>" : NULL, "continuing_subword_prefix", "end_of_word_suffix",
                     "fuse_unk", byte_fallback, "byte_fallback", byte_fallback, "ignore_merges", 0);
}

static json_t *added_tokens(const lm_head_tokens *head, const lm_vocabulary *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < head->special_count; i++)
        json_array_append_new(list, json_pack("{s:i, s:s%, s:b, s:b, s:b, s:b, s:b}", "id",
                                              lm_vocabulary_find(v, head->items[i]), "content",
                                              head->items[i].data, head->items[i].len, "single_word", 0,
                                              "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1));
    return list;
}

static json_t *bert_spec(const lm_tokenizer_training *o, const lm_head_tokens *head, const lm_vocabulary *v,
                         lm_status *st)
{
    lm_bert_options options = {
        .lower_case = o->lower_case,
        .clean_text = true,
        .cjk = o->cjk,
        .strip_accents = o->strip_accents == 0 ? -1 : o->strip_accents == 1,
        .unk = head->items[1],
        .cls = head->items[2],
        .sep = head->items[3],
        .special = head->items,
        .special_count = head->special_count,
    };
    return lm_bert_spec(&options, v, st);
}

json_t *lm_trained_spec(const lm_tokenizer_training *o, const lm_head_tokens *head, const lm_vocabulary *v,
                        lm_status *st)
{
    if (o->model == LM_TRAIN_WORDPIECE)
        return bert_spec(o, head, v, st);
    bool unigram = o->model == LM_TRAIN_UNIGRAM, bytes = !unigram && !o->byte_fallback;
    json_t *model =
        unigram ? json_pack("{s:s, s:i, s:b}", "type", "Unigram", "unk_id",
                            lm_vocabulary_find(v, lm_str_of("<unk>")), "byte_fallback", o->byte_fallback)
                : bpe_model(o->byte_fallback);
    json_t *spec =
        json_pack("{s:s, s:n, s:n, s:o, s:o, s:o, s:o, s:o, s:o}", "version", "1.0", "truncation", "padding",
                  "added_tokens", added_tokens(head, v), "normalizer", normalizer(o), "pre_tokenizer",
                  bytes ? byte_level(0, 1) : spaces(), "post_processor",
                  bytes ? byte_level(1, 0) : template_of(unigram ? "</s>" : "<s>", v, !unigram), "decoder",
                  bytes              ? byte_level(1, 1)
                  : o->byte_fallback ? bytes_decoder()
                                     : spaces(),
                  "model", model);
    if (!spec)
        lm_fail(st, LM_FAILED, "a special token is not valid UTF-8");
    return spec;
}

json_t *lm_trained_config(const lm_tokenizer_training *o)
{
    if (o->model == LM_TRAIN_WORDPIECE)
        return NULL;
    bool unigram = o->model == LM_TRAIN_UNIGRAM, bytes = !unigram && !o->byte_fallback;
    const char *end = bytes ? "<|endoftext|>" : "</s>";
    json_t *config = json_pack("{s:s, s:s, s:b, s:s, s:s}", "tokenizer_class", "PreTrainedTokenizerFast",
                               "padding_side", "right", "clean_up_tokenization_spaces", 0, "eos_token", end,
                               "unk_token", bytes ? end : "<unk>");
    if (!unigram)
        json_object_set_new(config, "bos_token", json_string(bytes ? end : "<s>"));
    if (unigram)
        json_object_set_new(config, "pad_token", json_string("<pad>"));
    if (o->max_length > 0)
        json_object_set_new(config, "model_max_length", json_integer(o->max_length));
    return config;
}
