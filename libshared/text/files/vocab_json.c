/* vocab.json and merges.txt: GPT-2's, and what came from it. */
#include "text/files/files.h"

#include "base/memory.h"

#include <stdlib.h>

#define QWEN_SPLIT                                                                                           \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "                                    \
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"                                                           \
    "\\s+(?!\\S)|\\s+"
#define CLIP_SPLIT  "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"
#define END_OF_WORD "</w>"

/* ---------------------------------------------------------------- the files */

static bool take_tokens(lm_draft *d, lm_str bytes, lm_status *st)
{
    json_t *root = lm_json_parse(bytes, d->path, LM_JSON_NUL | LM_JSON_BIG_INTEGERS, st), *id;
    const char *token;
    size_t len;
    if (root && !json_is_object(root))
        lm_fail(st, LM_FAILED, "%s: no object of tokens and ids: fetch the file again", d->path);
    json_object_keylen_foreach(root, token, len, id)
    {
        if (!json_is_integer(id))
            lm_fail(st, LM_FAILED, "%s: the id of token \"%.*s\" is no integer: fetch the file again",
                    d->path, (int)len, token);
        else if (!lm_vocabulary_add(&d->tables.vocabulary, (lm_str){token, len}, json_integer_value(id), st))
            lm_fail_prefix(st, d->path);
        if (!lm_ok(st))
            break;
    }
    json_decref(root);
    const lm_vocabulary *v = &d->tables.vocabulary;
    if (lm_ok(st) && v->count == 0)
        lm_fail(st, LM_FAILED, "%s: the vocabulary is empty: fetch the file again", d->path);
    if (lm_ok(st) && v->size / 64 > v->count)
        lm_fail(st, LM_FAILED, "%s: %d tokens have ids up to %d: the vocabulary has too many holes", d->path,
                v->count, v->size - 1);
    return lm_ok(st);
}

/* "left right" on a line of merges.txt */
static bool take_merge(lm_draft *d, lm_str line, const char *path, size_t number, lm_status *st)
{
    static const char remedy[] =
        "the two files belong to different tokenizers, or one is damaged: fetch both again";
    lm_str left, right;
    if (!lm_merge_parts(line, &left, &right))
        return lm_fail(st, LM_FAILED,
                       "%s:%zu: \"%.*s\" is not two tokens with a space between them: fetch the file again",
                       path, number, (int)line.len, line.data);
    const lm_vocabulary *v = &d->tables.vocabulary;
    uint64_t hash = lm_vocabulary_hash(lm_vocabulary_hash(lm_vocabulary_hash_start(), left), right);
    lm_str lacking = lm_vocabulary_find(v, left) < 0    ? left
                     : lm_vocabulary_find(v, right) < 0 ? right
                                                        : (lm_str){NULL, 0};
    if (lacking.data)
        return lm_fail(st, LM_FAILED, "%s:%zu: \"%.*s\" is no token of vocab.json: %s", path, number,
                       (int)lacking.len, lacking.data, remedy);
    if (lm_vocabulary_probe(v, hash, left, right) < 0)
        return lm_fail(st, LM_FAILED, "%s:%zu: what \"%.*s\" merges to is no token of vocab.json: %s", path,
                       number, (int)line.len, line.data, remedy);
    return lm_token_tables_merge(&d->tables, left, right, st);
}

static bool take_merges(lm_draft *d, lm_str bytes, const char *path, lm_status *st)
{
    lm_str line;
    for (size_t number = 1; lm_str_take_line(&bytes, &line); number++) {
        bool header = number == 1 && line.len >= 8 && memcmp(line.data, "#version", 8) == 0;
        if (line.len && !header && !take_merge(d, line, path, number, st))
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------- the classes */

typedef struct maker {
    const char *class;
    const char *roles[LM_ROLE_COUNT];
    bool normalized; /* its special tokens are matched in normalised text */
    void (*compose)(lm_draft *d, const lm_beside *beside, lm_status *st);
} maker;

static bool config_bool(const lm_beside *beside, const char *name, bool otherwise, lm_status *st)
{
    return lm_spec_bool(beside->config, name, otherwise, "tokenizer_config.json", st);
}

static json_t *decoder(void)
{
    return lm_spec_byte_level(true, true, true);
}

static void compose_gpt2(lm_draft *d, const lm_beside *beside, lm_status *st)
{
    bool prefix = config_bool(beside, "add_prefix_space", false, st),
         bos = config_bool(beside, "add_bos_token", false, st);
    json_t *post = bos ? lm_draft_template(d, "{bos}:0 $A:0", "{bos}:0 $A:0 $B:1", st)
                       : lm_spec_byte_level(true, false, true);
    lm_draft_compose(d, NULL, lm_spec_byte_level(prefix, true, true), post, decoder(),
                     lm_spec_byte_bpe(false));
}

static json_t *roberta_processing(const lm_draft *d, lm_str cls, lm_str sep, bool prefix, bool trim,
                                  lm_status *st)
{
    int cls_id = lm_draft_id(d, cls), sep_id = lm_draft_id(d, sep);
    if (cls_id < 0 || sep_id < 0) {
        lm_fail(st, LM_FAILED,
                "%s: there is no token to begin or to end a text with: name them in tokenizer_config.json",
                d->path);
        return NULL;
    }
    return json_pack("{s:s, s:[s%, i], s:[s%, i], s:b, s:b}", "type", "RobertaProcessing", "sep", sep.data,
                     sep.len, sep_id, "cls", cls.data, cls.len, cls_id, "trim_offsets", trim,
                     "add_prefix_space", prefix);
}

static void compose_roberta(lm_draft *d, const lm_beside *beside, lm_status *st)
{
    bool prefix = config_bool(beside, "add_prefix_space", false, st);
    json_t *post = roberta_processing(d, d->roles[LM_ROLE_CLS], d->roles[LM_ROLE_SEP], prefix, true, st);
    lm_draft_compose(d, NULL, lm_spec_byte_level(prefix, true, true), post, decoder(),
                     lm_spec_byte_bpe(false));
}

static void compose_deberta(lm_draft *d, const lm_beside *beside, lm_status *st)
{
    bool prefix = config_bool(beside, "add_prefix_space", false, st);
    json_t *post = lm_draft_template(d, "{cls}:0 $A:0 {sep}:0", "{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1", st);
    lm_draft_compose(d, NULL, lm_spec_byte_level(prefix, true, true), post, decoder(),
                     lm_spec_byte_bpe(false));
}

static void compose_qwen2(lm_draft *d, const lm_beside *beside, lm_status *st)
{
    bool prefix = config_bool(beside, "add_prefix_space", false, st);
    json_t *parts = json_pack("[o, o]", lm_spec_split(QWEN_SPLIT), lm_spec_byte_level(prefix, true, false));
    lm_draft_compose(d, lm_spec_of("NFC"), lm_spec_sequence("pretokenizers", parts),
                     lm_spec_byte_level(true, false, true), decoder(), lm_spec_byte_bpe(false));
}

static json_t *word_end_model(const lm_draft *d)
{
    char *unk =
        lm_strndup(d->roles[LM_ROLE_UNK].data ? d->roles[LM_ROLE_UNK].data : "", d->roles[LM_ROLE_UNK].len);
    json_t *model = lm_spec_bpe(unk, false, false);
    json_object_set_new(model, "end_of_word_suffix", json_string(END_OF_WORD));
    free(unk);
    return model;
}

static void compose_clip(lm_draft *d, const lm_beside *beside, lm_status *st)
{
    (void)beside;
    json_t *spaces =
        json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "Regex", "\\s+", "content", " ");
    json_t *split = lm_spec_split(CLIP_SPLIT), *model = word_end_model(d);
    json_object_set_new(split, "behavior", json_string("Removed"));
    json_object_set_new(split, "invert", json_true());
    json_object_set_new(model, "continuing_subword_prefix", json_string(""));
    json_t *normalizers = json_pack("[o, o, o]", lm_spec_of("NFC"), spaces, lm_spec_of("Lowercase"));
    json_t *parts = json_pack("[o, o]", split, lm_spec_byte_level(false, true, true));
    json_t *post = roberta_processing(d, d->roles[LM_ROLE_BOS], d->roles[LM_ROLE_EOS], false, false, st);
    lm_draft_compose(d, lm_spec_sequence("normalizers", normalizers),
                     lm_spec_sequence("pretokenizers", parts), post, decoder(), model);
}

static void compose_openai_gpt(lm_draft *d, const lm_beside *beside, lm_status *st)
{
    (void)beside;
    (void)st;
    json_t *normalizer = json_pack("{s:s, s:b, s:b, s:n, s:b}", "type", "BertNormalizer", "clean_text", 1,
                                   "handle_chinese_chars", 1, "strip_accents", "lowercase", 1);
    json_t *words = json_pack("{s:s, s:s}", "type", "BPEDecoder", "suffix", END_OF_WORD);
    lm_draft_compose(d, normalizer, lm_spec_of("BertPreTokenizer"), NULL, words, word_end_model(d));
}

#define ROLES(pad, cls, sep, mask, unk, bos, eos)                                                            \
    {                                                                                                        \
        pad, cls, sep, mask, unk, bos, eos                                                                   \
    }
#define END "<|endoftext|>"

static const maker makers[] = {
    {"GPT2Tokenizer", ROLES(NULL, NULL, NULL, NULL, END, END, END), true, compose_gpt2},
    {"RobertaTokenizer", ROLES("<pad>", "<s>", "</s>", "<mask>", "<unk>", "<s>", "</s>"), true,
     compose_roberta},
    {"DebertaTokenizer", ROLES("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "[CLS]", "[SEP]"), false,
     compose_deberta},
    {"Qwen2Tokenizer", ROLES(END, NULL, NULL, NULL, END, NULL, END), false, compose_qwen2},
    {"CLIPTokenizer", ROLES(END, NULL, NULL, NULL, END, "<|startoftext|>", END), false, compose_clip},
    {"OpenAIGPTTokenizer", ROLES(NULL, NULL, NULL, NULL, "<unk>", NULL, NULL), false, compose_openai_gpt},
};

static bool has(const lm_draft *d, const char *token)
{
    return lm_vocabulary_find(&d->tables.vocabulary, lm_str_of(token)) >= 0;
}

static const char *guess_class(const lm_draft *d)
{
    if (has(d, "a" END_OF_WORD))
        return has(d, "<|startoftext|>") ? "CLIPTokenizer" : "OpenAIGPTTokenizer";
    if (has(d, "<s>") && has(d, "</s>") && has(d, "<mask>"))
        return "RobertaTokenizer";
    if (has(d, "[CLS]") && has(d, "[SEP]"))
        return "DebertaTokenizer";
    return "GPT2Tokenizer";
}

bool lm_vocab_json_read(lm_draft *d, lm_str bytes, lm_str merges, const char *merges_path,
                        const lm_beside *beside, lm_status *st)
{
    if (!take_tokens(d, bytes, st) || !take_merges(d, merges, merges_path, st))
        return false;
    const char *class = lm_tokenizer_class(beside);
    if (!*class)
        class = guess_class(d);
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        if (strcmp(makers[i].class, class) != 0)
            continue;
        lm_draft_roles(d, beside, makers[i].roles);
        lm_draft_add_beside(
            d, beside,
            (lm_added_flags){.special = true, .left_strip = true, .normalized = makers[i].normalized});
        if (lm_ok(st))
            makers[i].compose(d, beside, st);
        d->config = json_pack("{s:s}", "tokenizer_class", class);
        return lm_ok(st);
    }
    return lm_fail(
        st, LM_FAILED,
        "%s: needs: what \"%s\" makes of vocab.json and merges.txt: save it with its tokenizer.json", d->path,
        class);
}
