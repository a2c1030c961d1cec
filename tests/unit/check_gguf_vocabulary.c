/* Tokenizers in GGUF files: written, and read back. */
#include "unit.h"

#include "base/memory.h"
#include "text/files/files.h"

static lm_tokenizer *parsed(const char *json)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *t = lm_tokenizer_from_bytes(lm_str_of(json), NULL, NULL, NULL, "tokenizer.json", &st);
    assert_ok(&st);
    return t;
}

/* The file of a tokenizer alone; NULL and a failed status where it is refused. */
static lm_gguf *written(const lm_tokenizer *t, int size, lm_buf *b, lm_status *st)
{
    lm_gguf_writer *w = lm_gguf_writer_new("x.gguf");
    lm_gguf *f = NULL;
    if (lm_tokenizer_put_gguf(t, size, (lm_str){NULL, 0}, w, st)) {
        ck_assert(lm_gguf_write_header(w, lm_buf_write, b, st));
        f = lm_gguf_from_memory(b->data, b->len, "x.gguf", st);
        assert_ok(st);
    }
    lm_gguf_writer_free(w);
    return f;
}

static lm_str string_of(const lm_gguf *f, const char *key)
{
    lm_status st = LM_STATUS_INIT;
    lm_str s = {NULL, 0};
    lm_gguf_string(f, key, &s, &st);
    assert_ok(&st);
    return s;
}

static int64_t int_of(const lm_gguf *f, const char *key)
{
    lm_status st = LM_STATUS_INIT;
    int64_t v = -1;
    lm_gguf_int(f, key, &v, &st);
    assert_ok(&st);
    return v;
}

static int type_at(const lm_gguf *f, int id)
{
    lm_status st = LM_STATUS_INIT;
    return (int)lm_gguf_number_at(lm_gguf_numbers(f, "tokenizer.ggml.token_type", &st), (size_t)id);
}

static lm_str token_at(const lm_gguf *f, int id)
{
    lm_status st = LM_STATUS_INIT;
    const lm_gguf_entry *e = lm_gguf_strings(f, "tokenizer.ggml.tokens", &st);
    const unsigned char *at = e->data;
    ck_assert((size_t)id < e->count);
    while (id-- > 0)
        lm_gguf_next_string(&at);
    return lm_gguf_next_string(&at);
}

/* ---------------------------------------------------------------- tokenizers of others */

static const struct {
    const char *dir, *model, *pre;
    bool bos, eos;
} known[] = {
    {"goldens/tokenizer/bert-uncased-small", "bert", "default", false, false}, /* which is not said of BERTs */
    {"goldens/tokenizer/bert-cased-small", "bert", "default", false, false},
    {"goldens/tokenizer/gemma-small", "llama", "default", true, false},
    {"goldens/tokenizer/llama2-small", "llama", "default", true, false},
    {"goldens/tokenizer/llama2-small-nonlegacy", "llama", "default", true, false},
    {"goldens/tokenizer/gpt2-small", "gpt2", "gpt-2", false, false},
    {"goldens/tokenizer/llama3-small", "gpt2", "llama-bpe", true, false},
    {"goldens/tokenizer/qwen-small", "gpt2", "qwen2", false, false},
    {"goldens/tokenizer/roberta-small", "gpt2", "roberta-bpe", true, true},
    {"goldens/tokenizer/t5-small", "t5", "default", false, true},
    {"models/stories260K", "llama", "default", true, false},
};

static void encode(const lm_tokenizer *t, const char *text, lm_encoding *out)
{
    lm_status st = LM_STATUS_INIT;
    lm_encoder *e = lm_encoder_new(t);
    ck_assert_msg(lm_encode(e, lm_str_of(text), (lm_str){NULL, 0}, &(lm_encode_options){0}, out, &st), "%s", st.message);
    lm_encoder_free(e);
}

START_TEST(of_others)
{
    UNIT_NEEDS_DATA(data);
    static const char *const texts[] = {"", "The quick brown fox doesn't jump 42 times.",
                                        ("\xEB\x82\x98\xEB\x8A\x94 \xEC\x98\xA4\xEB\x8A\x98 \xEC\x95\x84\xEC\xB9\xA8\xEC\x97\x90 "
                                         "\xEB\xB0\xA5\xEC\x9D\x84 \xEB\xA8\xB9\xEC\x97\x88\xEB\x8B\xA4.")};
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/%s", data, known[_i].dir);
    lm_tokenizer *t = lm_tokenizer_open(path, &st);
    assert_ok(&st);
    int size = lm_tokenizer_size(t);
    lm_buf b = {0};
    lm_gguf *f = written(t, size + 3, &b, &st);
    ck_assert_msg(f != NULL, "%s", st.message);
    ck_assert(lm_str_is(string_of(f, "tokenizer.ggml.model"), known[_i].model));
    ck_assert(lm_str_is(string_of(f, "tokenizer.ggml.pre"), known[_i].pre));
    bool bos = false, eos = false;
    lm_gguf_bool(f, "tokenizer.ggml.add_bos_token", &bos, &st);
    lm_gguf_bool(f, "tokenizer.ggml.add_eos_token", &eos, &st);
    ck_assert(bos == known[_i].bos && eos == known[_i].eos);
    char *last = lm_format("[PAD%d]", size + 2);
    ck_assert(lm_str_is(token_at(f, size + 2), last) && type_at(f, size + 2) == LM_PIECE_UNUSED);
    lm_tokenizer *again = lm_tokenizer_from_bytes(lm_buf_str(&b), NULL, NULL, NULL, "x.gguf", &st);
    assert_ok(&st);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        lm_encoding one = {0}, other = {0};
        encode(t, texts[i], &one);
        encode(again, texts[i], &other);
        ck_assert_int_eq(one.len, other.len);
        ck_assert(!one.len || memcmp(one.ids, other.ids, (size_t)one.len * sizeof *one.ids) == 0);
        lm_encoding_free(&one);
        lm_encoding_free(&other);
    }
    lm_tokenizer_free(again);
    lm_gguf_close(f);
    lm_buf_free(&b);
    lm_tokenizer_free(t);
    free(last);
    free(path);
}
END_TEST

/* ---------------------------------------------------------------- kinds */

#define BERT                                                                                                 \
    "{\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,\"strip_accents\":null,"       \
    "\"lowercase\":true},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":{\"type\":\"BertProcessing\","         \
    "\"sep\":[\"[SEP]\",2],\"cls\":[\"[CLS]\",1]},\"added_tokens\":[{\"id\":0,\"content\":\"[UNK]\",\"special\":true},"              \
    "{\"id\":1,\"content\":\"[CLS]\",\"special\":true},{\"id\":2,\"content\":\"[SEP]\",\"special\":true}],"                          \
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":"   \
    "100,\"vocab\":{\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2,\"un\":3,\"##aff\":4,\"##able\":5}}}"

START_TEST(words_of_bert)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *t = parsed(BERT);
    lm_buf b = {0};
    lm_gguf *f = written(t, 6, &b, &st);
    ck_assert_msg(f != NULL, "%s", st.message);
    ck_assert(lm_str_is(token_at(f, 1), "[CLS]") && type_at(f, 1) == LM_PIECE_CONTROL && type_at(f, 0) == LM_PIECE_CONTROL);
    ck_assert(lm_str_is(token_at(f, 3), "\xE2\x96\x81un") && type_at(f, 3) == LM_PIECE_NORMAL);
    ck_assert(lm_str_is(token_at(f, 4), "aff"));
    ck_assert_int_eq(int_of(f, "tokenizer.ggml.bos_token_id"), 1);
    ck_assert_int_eq(int_of(f, "tokenizer.ggml.cls_token_id"), 1);
    ck_assert_int_eq(int_of(f, "tokenizer.ggml.eos_token_id"), 2);
    ck_assert_int_eq(int_of(f, "tokenizer.ggml.seperator_token_id"), 2);
    ck_assert_int_eq(int_of(f, "tokenizer.ggml.unknown_token_id"), 0);
    ck_assert(!lm_gguf_entry_find(f, "tokenizer.ggml.normalizer.strip_accents"));
    lm_gguf_close(f);
    lm_buf_free(&b);
    lm_tokenizer_free(t);
}
END_TEST

#define BYTE_BPE(pre, added, config)                                                                         \
    "{\"added_tokens\":[" added "],\"normalizer\":null,\"pre_tokenizer\":" pre ",\"post_processor\":null,\"decoder\":{\"type\":"       \
    "\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"\xC4\xA0\":2,\"ab\":3,\"\xC4\xA0\xC4\xA0\":4,"            \
    "\"x y\":5,\"<|im_end|>\":6,\"<tool>\":7,\"<|odd|>\":8},\"merges\":[\"a b\",\"\xC4\xA0 \xC4\xA0\"]" config "}}"
#define ADDED(id, text, special) "{\"id\":" #id ",\"content\":\"" text "\",\"special\":" #special "}"
#define BYTES                    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}"

/* What the converter calls control tokens, and what stays text. */
START_TEST(types_of_tokens)
{
    lm_status st = LM_STATUS_INIT;
    static const char json[] =
        BYTE_BPE(BYTES, ADDED(6, "<|im_end|>", true) "," ADDED(7, "<tool>", false) "," ADDED(8, "<|odd|>", false), "");
    lm_tokenizer *t = parsed(json);
    lm_buf b = {0};
    lm_gguf_writer *w = lm_gguf_writer_new("x.gguf");
    ck_assert_msg(lm_tokenizer_put_gguf(t, 9, lm_str_of("{{ m }}<|im_end|>"), w, &st), "%s", st.message);
    ck_assert(lm_gguf_write_header(w, lm_buf_write, &b, &st));
    lm_gguf *f = lm_gguf_from_memory(b.data, b.len, "x.gguf", &st);
    ck_assert(type_at(f, 0) == LM_PIECE_NORMAL && type_at(f, 6) == LM_PIECE_CONTROL && type_at(f, 7) == LM_PIECE_USER_DEFINED &&
              type_at(f, 8) == LM_PIECE_CONTROL);
    ck_assert(lm_str_is(string_of(f, "tokenizer.chat_template"), "{{ m }}<|im_end|>"));
    ck_assert_int_eq(int_of(f, "tokenizer.ggml.eot_token_id"), 6);
    ck_assert_int_eq(int_of(f, "tokenizer.ggml.unknown_token_id"), -1);
    const lm_gguf_entry *merges = lm_gguf_strings(f, "tokenizer.ggml.merges", &st);
    const unsigned char *at = merges->data;
    ck_assert(merges->count == 2 && lm_str_is(lm_gguf_next_string(&at), "a b") &&
              lm_str_is(lm_gguf_next_string(&at), "\xC4\xA0 \xC4\xA0"));
    lm_gguf_close(f);
    lm_gguf_writer_free(w);
    lm_buf_free(&b);
    lm_tokenizer_free(t);
}
END_TEST

/* A list of templates has one that is meant. */
START_TEST(template_of_several)
{
    lm_status st = LM_STATUS_INIT;
    json_t *config = json_pack("{s:[{s:s, s:s}, {s:s, s:s}]}", "chat_template", "name", "tool_use", "template", "no", "name", "default",
                               "template", "yes");
    lm_tokenizer *t = lm_tokenizer_from_bytes(lm_str_of(BERT), config, NULL, NULL, "tokenizer.json", &st);
    assert_ok(&st);
    lm_buf b = {0};
    lm_gguf *f = written(t, 6, &b, &st);
    ck_assert_msg(f != NULL, "%s", st.message);
    ck_assert(lm_str_is(string_of(f, "tokenizer.chat_template"), "yes"));
    lm_gguf_close(f);
    lm_buf_free(&b);
    lm_tokenizer_free(t);
}
END_TEST

/* Each name of the table is found by what it stands for. */
START_TEST(names_of_splits)
{
    static const char *const names[] = {"gpt-2",   "mpt",       "roberta-bpe", "llama-bpe", "dbrx",   "qwen2",  "hunyuan",
                                        "qwen35",  "seed-coder", "bailingmoe",  "gpt-4o",    "tekken", "starcoder",
                                        "command-r", "bloom",   "viking",      "deepseek-coder", "deepseek-v3", "default"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lm_status st = LM_STATUS_INIT;
        const lm_gguf_pre *pre = lm_gguf_pre_find(lm_str_of(names[i]));
        ck_assert_msg(pre != NULL, "%s", names[i]);
        json_t *spec = json_loads(BYTE_BPE(BYTES, "", ""), 0, NULL);
        json_object_set_new(spec, "pre_tokenizer", lm_gguf_pre_spec(pre));
        json_object_set_new(json_object_get(spec, "model"), "ignore_merges", json_boolean(pre->ignore_merges));
        if (pre->nfc)
            json_object_set_new(spec, "normalizer", lm_spec_of("NFC"));
        if (pre->roberta)
            json_object_set_new(spec, "post_processor",
                                json_pack("{s:s, s:[s,i], s:[s,i], s:b, s:b}", "type", "RobertaProcessing", "sep", "a", 0, "cls", "b",
                                          1, "trim_offsets", 1, "add_prefix_space", 0));
        lm_tokenizer *t = lm_tokenizer_from_spec(spec, NULL, NULL, NULL, "t", &st);
        assert_ok(&st);
        const lm_gguf_pre *found = lm_gguf_pre_of(t);
        ck_assert_msg(found == pre, "%s is taken for %s", names[i], found ? found->names : "none");
        ck_assert(strncmp(found->names, names[i], strlen(names[i])) == 0);
        lm_tokenizer_free(t);
    }
}
END_TEST

static const struct {
    const char *json;
    int size;
    const char *why;
} refused[] = {
    {BYTE_BPE(BYTES, "", ""), 8, "9 tokens, where the model has rows for 8"},
    {BYTE_BPE("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a-c]+\"},\"behavior\":"
              "\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]}",
              "", ""),
     9, "llama.cpp has no name for the way it splits words"},
    {BYTE_BPE("{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":true}", "", ""), 9,
     "has other tokens then: write a directory"},
    {BYTE_BPE("{\"type\":\"Whitespace\"}", "", ""), 9, "llama.cpp has no tokenizer of its kind (BPE)"},
    {BYTE_BPE(BYTES, "", ",\"end_of_word_suffix\":\"</w>\""), 9, "llama.cpp has no tokenizer of its kind (BPE)"},
    {"{\"added_tokens\":[],\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},"
     "\"unk_token\":\"a\"}}",
     1, "no tokenizer of its kind (WordLevel)"},
};

START_TEST(what_llama_cpp_cannot)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *t = parsed(refused[_i].json);
    lm_buf b = {0};
    ck_assert(!written(t, refused[_i].size, &b, &st));
    ck_assert_msg(strstr(st.message, refused[_i].why) && strncmp(st.message, "tokenizer.json: ", 16) == 0, "\"%s\" lacks \"%s\"",
                  st.message, refused[_i].why);
    lm_buf_free(&b);
    lm_tokenizer_free(t);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("gguf_vocabulary");
    TCase *c = tcase_create("gguf_vocabulary");
    tcase_add_loop_test(c, of_others, 0, sizeof known / sizeof *known);
    tcase_add_test(c, words_of_bert);
    tcase_add_test(c, types_of_tokens);
    tcase_add_test(c, template_of_several);
    tcase_add_test(c, names_of_splits);
    tcase_add_loop_test(c, what_llama_cpp_cannot, 0, sizeof refused / sizeof *refused);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
