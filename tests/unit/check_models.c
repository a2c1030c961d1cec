/* The models apart from the components around them: what they make of words, long ones too, and how their
 * tables are read. Ids and spans that stand here are those of Hugging Face's `tokenizers`. */
#include "unit.h"

#include "base/memory.h"
#include "base/random.h"
#include "base/utf8.h"
#include "text/components/byte_level.h"
#include "text/models/bpe.h"
#include "text/models/trie.h"
#include "text/tokenizer_internal.h"
#include "text/unicode/unicode.h"
#include "plain_bpe.h"

#include <stdio.h>

/* ---------------------------------------------------------------- helpers */

/* A tokenizer that is nothing but the model. */
static lm_tokenizer *of_model(const char *model, lm_status *st)
{
    json_error_t error;
    json_t *spec = json_object(), *m = json_loads(model, 0, &error);
    ck_assert_msg(m != NULL, "%s: %s", error.text, model);
    json_object_set_new(spec, "model", m);
    return lm_tokenizer_from_spec(spec, NULL, NULL, NULL, NULL, st);
}

static lm_tokenizer *good_model(const char *model)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *t = of_model(model, &st);
    assert_ok(&st);
    return t;
}

static void refused(const char *model, const char *why)
{
    lm_status st = LM_STATUS_INIT;
    ck_assert_ptr_null(of_model(model, &st));
    ck_assert_msg(strstr(st.message, why) != NULL, "\"%s\" lacks \"%s\"", st.message, why);
}

/* "id:from-to id:from-to ..." in bytes of the text. */
static void encodes(const lm_tokenizer *t, const char *text, const char *want)
{
    lm_status st = LM_STATUS_INIT;
    lm_encoder *e = lm_encoder_new(t);
    lm_encode_options options = {0};
    lm_encoding out = {0};
    lm_buf got = {0};
    for (int again = 0; again < 2; again++) { /* the second time out of the cache */
        lm_encode(e, lm_str_of(text), (lm_str){NULL, 0}, &options, &out, &st);
        assert_ok(&st);
        got.len = 0;
        for (int i = 0; i < out.len; i++)
            lm_buf_printf(&got, "%s%d:%d-%d", i ? " " : "", out.ids[i], out.offsets[2 * i],
                          out.offsets[2 * i + 1]);
        ck_assert_msg(strcmp(lm_buf_cstr(&got), want) == 0, "%s: %s instead of %s", text, lm_buf_cstr(&got),
                      want);
    }
    lm_encoding bare = {0};
    options.ids_only = true;
    lm_encode(e, lm_str_of(text), (lm_str){NULL, 0}, &options, &bare, &st);
    ck_assert_msg(bare.len == out.len && memcmp(bare.ids, out.ids, (size_t)out.len * sizeof *out.ids) == 0,
                  "%s: other ids where they alone are asked for", text);
    lm_encoding_free(&bare);
    lm_buf_free(&got);
    lm_encoding_free(&out);
    lm_encoder_free(e);
}

static void model_encodes(const char *model, const char *text, const char *want)
{
    lm_tokenizer *t = good_model(model);
    encodes(t, text, want);
    lm_tokenizer_free(t);
}

/* ---------------------------------------------------------------- what the reference gives */

#define BPE(options, vocab, merges)                                                                          \
    "{\"type\":\"BPE\"," options "\"vocab\":{" vocab "},\"merges\":[" merges "]}"

START_TEST(bpe_of_the_reference)
{
#define VOCAB  "\"u\":0,\"a\":1,\"b\":2,\"ab\":3,\"aba\":4,\"한\":5,\"<0xEA>\":6,\"<0xB0>\":7,\"<0x80>\":8"
#define MERGES "\"a b\",[\"ab\",\"a\"]"
    const char *fused = BPE("\"unk_token\":\"u\",\"fuse_unk\":true,", VOCAB, MERGES);
    model_encodes(fused, "abab", "3:0-2 3:2-4");
    model_encodes(fused, "xyab한z", "0:0-2 3:2-4 5:4-7 0:7-8");
    model_encodes(BPE("\"unk_token\":\"u\",", VOCAB, MERGES), "xyab", "0:0-1 0:1-2 3:2-4");
    /* what is dropped moves the spans of what follows */
    model_encodes(BPE("\"unk_token\":null,", VOCAB, MERGES), "axb", "3:0-2");
    const char *bytes = BPE("\"unk_token\":\"u\",\"byte_fallback\":true,", VOCAB, MERGES);
    model_encodes(bytes, "a가b", "1:0-1 6:1-4 7:1-4 8:1-4 2:4-5");
    /* of 각 the vocabulary lacks a byte; tokens of bytes overtake an unknown one */
    model_encodes(bytes, "각가", "6:0-3 7:0-3 8:0-3 0:3-6");
    model_encodes(BPE("\"ignore_merges\":true,", VOCAB ",\"bab\":9", MERGES), "bab", "9:0-3");
    model_encodes(BPE("\"ignore_merges\":true,", VOCAB ",\"bab\":9", MERGES), "baba", "2:0-1 4:1-4");
    /* of the same merge the later place counts */
    model_encodes(BPE("", VOCAB ",\"ba\":9", "\"a b\",\"b a\",\"a b\""), "aba", "1:0-1 9:1-3");
    model_encodes(
        BPE("\"continuing_subword_prefix\":\"##\",", "\"a\":0,\"##b\":1,\"ab\":2,\"##a\":3", "\"a ##b\""),
        "aba", "2:0-2 3:2-3");
    model_encodes(
        BPE("\"end_of_word_suffix\":\"</w>\",", "\"a\":0,\"b</w>\":1,\"ab</w>\":2,\"b\":3", "\"a b</w>\""),
        "bab", "3:0-1 2:1-3");
}
END_TEST

#define UNIGRAM(options, vocab) "{\"type\":\"Unigram\"," options "\"vocab\":[[\"<unk>\",0]," vocab "]}"

START_TEST(unigram_of_the_reference)
{
#define PIECES "[\"a\",0],[\"b\",0],[\"c\",0],[\"d\",0],[\"cd\",1],[\"ab\",2],[\"abc\",5],[\"abcd\",10]"
    model_encodes(UNIGRAM("\"unk_id\":0,", PIECES), "abcdacdxx", "8:0-4 1:4-5 5:5-7 0:7-9");
    model_encodes(UNIGRAM("\"unk_id\":0,", PIECES), "<unk>xa", "0:0-6 1:6-7");
    /* of equal sums the one with the longer last token */
    model_encodes(UNIGRAM("\"unk_id\":0,", "[\"a\",-1],[\"b\",-1],[\"ab\",-2],[\"bb\",-2]"), "abb",
                  "1:0-1 4:1-3");
    /* a token that is there twice: the later id and score */
    model_encodes(UNIGRAM("\"unk_id\":0,", "[\"a\",-1],[\"ab\",-9],[\"b\",-1],[\"ab\",-1]"), "ab", "4:0-2");
    const char *bytes = UNIGRAM("\"unk_id\":0,\"byte_fallback\":true,",
                                "[\"a\",-1],[\"<0xEA>\",-2],[\"<0xB0>\",-2],[\"<0x80>\",-2],[\"<0x78>\",-2]");
    model_encodes(bytes, "a가a", "1:0-1 2:1-4 3:1-4 4:1-4 1:4-5");
    model_encodes(bytes, "x가", "5:0-4 2:0-4 3:0-4 4:0-4"); /* unknown neighbours have one span */
    model_encodes(bytes, "가y", "0:0-4");
}
END_TEST

START_TEST(word_level_of_the_reference)
{
    const char *model = "{\"type\":\"WordLevel\",\"unk_token\":\"?\",\"vocab\":{\"a\":0,\"?\":1,\"bc\":2}}";
    model_encodes(model, "bc", "2:0-2");
    model_encodes(model, "b", "1:0-1");
}
END_TEST

/* ---------------------------------------------------------------- what has no token */

static void fails(const char *model, const char *text)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *t = good_model(model);
    lm_encoder *e = lm_encoder_new(t);
    lm_encode_options options = {0};
    lm_encoding out = {0};
    for (int again = 0; again < 2; again++) {
        lm_status_clear(&st);
        ck_assert(!lm_encode(e, lm_str_of(text), (lm_str){NULL, 0}, &options, &out, &st));
        ck_assert(strstr(st.message, "no token for the unknown") != NULL);
    }
    lm_status_clear(&st);
    ck_assert(lm_encode(e, lm_str_of("a"), (lm_str){NULL, 0}, &options, &out, &st) && out.len == 1);
    lm_encoding_free(&out);
    lm_encoder_free(e);
    lm_tokenizer_free(t);
}

START_TEST(no_unknown_token)
{
    fails("{\"type\":\"WordLevel\",\"unk_token\":\"?\",\"vocab\":{\"a\":0}}", "b");
    fails("{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1]]}", "ab");
    fails(BPE("\"unk_token\":\"u\",", "\"a\":0", ""), "ab");
}
END_TEST

START_TEST(bad_models)
{
    refused("{\"vocab\":{}}", "empty");
    refused("{\"vocab\":7}", "missing or no object or array");
    refused("{\"type\":\"GPT\",\"vocab\":{\"a\":0}}", "needs: model \"GPT\"");
    refused(BPE("", "\"a\":0", "\"a b\""), "merge 1, \"a b\": \"b\" is not in the vocabulary");
    refused(BPE("", "\"a\":0", "\"a a\""), "merge 1 makes \"aa\", which is not in the vocabulary");
    refused(BPE("", "\"a\":0", "\"a\""), "merge 1 is neither");
    refused(BPE("", "\"a\":0", "\"a a a\""), "merge 1 is neither");
    refused(BPE("", "\"a\":0", "[\"a\",1]"), "merge 1 is neither");
    refused(BPE("\"dropout\":1.5,", "\"a\":0", ""), "dropout");
    refused(BPE("\"dropout\":\"x\",", "\"a\":0", ""), "dropout");
    refused(BPE("\"fuse_unk\":1,", "\"a\":0", ""), "fuse_unk");
    refused(BPE("\"unk_token\":1,", "\"a\":0", ""), "unk_token");
    refused("{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":{}}", "\"merges\" is no array");
    refused("{\"type\":\"BPE\",\"vocab\":[[\"a\",0]]}", "an object, not an array");
    refused("{\"type\":\"Unigram\",\"vocab\":{\"a\":0}}", "an array of [token, score]");
    refused("{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}", "is not [token, score]");
    refused("{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"a\",0]]}", "unk_id");
    refused("{\"type\":\"Unigram\",\"unk_id\":-1,\"vocab\":[[\"a\",0]]}", "unk_id");
    refused("{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}}", "unk_token");
}
END_TEST

/* Files of old do not say their type. */
START_TEST(types_are_guessed)
{
    static const char *const specs[][2] = {
        {"{\"vocab\":{\"a\":0},\"merges\":[]}", "BPE"},
        {"{\"vocab\":[[\"a\",0]]}", "Unigram"},
        {"{\"vocab\":{\"a\":0},\"unk_token\":\"a\"}", "WordLevel"},
        {"{\"vocab\":{\"a\":0},\"unk_token\":\"a\",\"continuing_subword_prefix\":\"#\"}", "WordPiece"},
    };
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        lm_tokenizer *t = good_model(specs[i][0]);
        ck_assert_str_eq(t->model.name, specs[i][1]);
        lm_tokenizer_free(t);
    }
}
END_TEST

/* ---------------------------------------------------------------- words long and random */

static lm_philox_key key;
static uint64_t drawn;

static unsigned draw(unsigned below)
{
    return (unsigned)lm_random_below(key, drawn++, 0, below);
}

/* Random merges over `letters` letters from a on; u is unknown. */
static lm_tokenizer *random_bpe(unsigned letters, unsigned merges, const char *options)
{
    lm_buf json = {0}, list = {0};
    lm_token_tables t = {0};
    lm_status st = LM_STATUS_INIT;
    for (unsigned i = 0; i < letters; i++)
        lm_vocabulary_add(&t.vocabulary, (lm_str){&(char){(char)('a' + i)}, 1}, (int)i, &st);
    for (unsigned i = 0; i < merges; i++) {
        lm_str a = lm_vocabulary_get(&t.vocabulary, (int)draw((unsigned)t.vocabulary.size)),
               b = lm_vocabulary_get(&t.vocabulary, (int)draw((unsigned)t.vocabulary.size));
        char *both = lm_format("%.*s%.*s", (int)a.len, a.data, (int)b.len, b.data);
        lm_buf_printf(&list, "%s\"%.*s %.*s\"", list.len ? "," : "", (int)a.len, a.data, (int)b.len, b.data);
        if (lm_vocabulary_find(&t.vocabulary, lm_str_of(both)) < 0)
            lm_vocabulary_add(&t.vocabulary, lm_str_of(both), t.vocabulary.size, &st);
        free(both);
    }
    assert_ok(&st);
    lm_buf_printf(&json, "{\"type\":\"BPE\",%s\"merges\":[%s],\"vocab\":{", options, lm_buf_cstr(&list));
    for (int i = 0; i < t.vocabulary.size; i++) {
        lm_str token = lm_vocabulary_get(&t.vocabulary, i);
        lm_buf_printf(&json, "%s\"%.*s\":%d", i ? "," : "", (int)token.len, token.data, i);
    }
    lm_buf_printf(&json, ",\"u\":%d}}", t.vocabulary.size);
    lm_tokenizer *made = good_model(lm_buf_cstr(&json));
    lm_token_tables_free(&t);
    lm_buf_free(&json);
    lm_buf_free(&list);
    return made;
}

START_TEST(bpe_is_the_plain_one)
{
    key = lm_random_key(7, LM_FOR_SAMPLING, (uint64_t)_i);
    lm_tokenizer *t = random_bpe(2 + draw(5), draw(60), "\"unk_token\":\"u\",");
    lm_encoder *e = lm_encoder_new(t);
    for (int round = 0; round < 100; round++) {
        char word[400];
        int32_t ids[sizeof word];
        size_t n = 1 + draw(round % 4 ? 40 : sizeof word - 1);
        unsigned letters = 2 + draw(5);
        for (size_t i = 0; i < n; i++) {
            word[i] = (char)('a' + draw(letters));
            ids[i] = lm_vocabulary_find(&t->model.tables.vocabulary, (lm_str){word + i, 1});
            if (ids[i] < 0)
                ids[i] = t->model.unk_id;
        }
        size_t want = merge_plainly(t->model.own, ids, n);
        e->tokens.n = 0;
        lm_token_model_encode(&t->model, (lm_str){word, n}, n, &e->scratch, &e->tokens);
        ck_assert_uint_eq(e->tokens.n, want);
        for (size_t i = 0; i < want; i++)
            ck_assert_int_eq(e->tokens.at[i].id, ids[i]);
        const lm_side *cut = lm_encode_words(e, (lm_str){word, n});
        ck_assert(cut->n == want && memcmp(cut->ids, ids, want * sizeof *ids) == 0);
    }
    lm_encoder_free(e);
    lm_tokenizer_free(t);
}
END_TEST

static void plain_piece(const lm_token_model *m, lm_str piece, lm_model_scratch *scratch, lm_token_list *out)
{
    lm_token_model_encode(m, piece, piece.len, scratch, out);
}

/* Some tokens are longer than a window, and windows have to be looked at again when what was made of them was given away already. */
START_TEST(windows_give_parts)
{
    enum { N = 20000 };
    key = lm_random_key(10, LM_FOR_SAMPLING, (uint64_t)_i);
    unsigned letters = 1 + draw(4);
    lm_tokenizer *t = random_bpe(letters, 1 + draw(20), "\"unk_token\":\"u\",");
    lm_model_scratch scratch = {0};
    lm_token_list whole = {0}, part = {0};
    int32_t *ids = lm_malloc(N, sizeof *ids);
    char *word = lm_malloc(N, 1);
    for (size_t i = 0; i < N; i++)
        word[i] = i && draw(30) ? word[i - 1] : (char)('a' + draw(letters));
    plain_piece(&t->model, (lm_str){word, N}, &scratch, &whole);
    lm_word_walk walk = {0};
    bool more = true;
    while (more) {
        walk.first += (int64_t)part.n;
        part.n = 0;
        more = lm_bpe_in_windows(&t->model, (lm_str){word, N}, true, plain_piece, &scratch, &walk, 1 + draw(9), &part);
        for (size_t i = 0; i < part.n; i++)
            ids[(size_t)walk.first + i] = part.at[i].id;
    }
    ck_assert_uint_eq((size_t)walk.first + part.n, whole.n);
    for (size_t i = 0; i < whole.n; i++)
        ck_assert_int_eq(ids[i], whole.at[i].id);
    free(ids);
    free(word);
    lm_token_list_free(&whole);
    lm_token_list_free(&part);
    lm_model_scratch_free(&scratch);
    lm_tokenizer_free(t);
}
END_TEST

/* Without cuts a text is one word of a quarter of a million characters; what comes out has to be the same. */
START_TEST(long_words)
{
    enum { N = 1 << 18 };
    key = lm_random_key(8, LM_FOR_SAMPLING, 0);
    lm_tokenizer *t = random_bpe(6, 200, "\"unk_token\":\"u\",");
    lm_encoder *e = lm_encoder_new(t);
    char *word = lm_malloc(N, 1);
    for (size_t i = 0; i < N; i++)
        word[i] = (char)('a' + draw(7));
    for (int same = 0; same < 2; same++) {
        lm_token_list whole = {0};
        lm_token_model_encode(&t->model, (lm_str){word, N}, N, &e->scratch, &whole);
        const lm_side *cut = lm_encode_words(e, (lm_str){word, N});
        ck_assert_uint_eq(cut->n, whole.n);
        for (size_t i = 0; i < whole.n; i++)
            ck_assert(cut->ids[i] == whole.at[i].id && cut->offsets[2 * i + 1] == whole.at[i].end);
        lm_token_list_free(&whole);
        memset(word, 'b', N); /* all pairs of one rank */
    }
    free(word);
    lm_encoder_free(e);
    lm_tokenizer_free(t);
}
END_TEST

START_TEST(dropout)
{
    key = lm_random_key(9, LM_FOR_SAMPLING, 0);
    lm_tokenizer *all = random_bpe(4, 50, "\"dropout\":1,"), *some = random_bpe(4, 50, "\"dropout\":0.5,");
    lm_status st = LM_STATUS_INIT;
    lm_encoder *e = lm_encoder_new(all), *f = lm_encoder_new(some), *g = lm_encoder_new(some);
    lm_encoding a = {0}, b = {0};
    lm_encode_options options = {.seed = 42};
    lm_str text = lm_str_of("abcdabcddcbaaabbccddabcabd"), none = {NULL, 0};
    ck_assert(lm_encode(e, text, none, &options, &a, &st) && a.len == (int)text.len);
    int shortest = INT32_MAX, longest = 0;
    for (int row = 0; row < 200; row++) { /* in any order, and by any encoder, a row is what it is */
        options.row = (uint64_t)row;
        ck_assert(lm_encode(f, text, none, &options, &a, &st));
        options.row = (uint64_t)(199 - row);
        ck_assert(lm_encode(g, text, none, &options, &b, &st));
        options.row = (uint64_t)row;
        ck_assert(lm_encode(g, text, none, &options, &b, &st));
        ck_assert(a.len == b.len && memcmp(a.ids, b.ids, (size_t)a.len * sizeof *a.ids) == 0);
        shortest = a.len < shortest ? a.len : shortest;
        longest = a.len > longest ? a.len : longest;
    }
    ck_assert_int_lt(shortest, longest);
    lm_encoding_free(&a);
    lm_encoding_free(&b);
    lm_encoder_free(e);
    lm_encoder_free(f);
    lm_encoder_free(g);
    lm_tokenizer_free(all);
    lm_tokenizer_free(some);
}
END_TEST

/* Of up to four bytes each, up to n bytes in all: returns how many. Every third character is one of `few`. */
static size_t random_characters(char *out, size_t n, unsigned few)
{
    size_t len = 0;
    for (size_t k = 0; len + 4 <= n; k++)
        len += lm_utf8_encode(k % 3 ? draw(1u << draw(21)) : draw(few), out + len);
    return len;
}

START_TEST(trie_finds_the_vocabulary)
{
    key = lm_random_key(10, LM_FOR_SAMPLING, (uint64_t)_i);
    lm_vocabulary v = {0};
    lm_status st = LM_STATUS_INIT;
    for (unsigned i = draw(3000); i > 0; i--) {
        char token[40];
        size_t n = 4 + draw(i % 50 ? 8 : sizeof token - 4);
        n = random_characters(token, n, 4);
        if (lm_vocabulary_find(&v, (lm_str){token, n}) < 0)
            lm_vocabulary_add(&v, (lm_str){token, n}, v.size, &st);
    }
    assert_ok(&st);
    lm_token_trie t = {0};
    lm_token_trie_build(&t, &v);
    for (int round = 0; round < 20000; round++) {
        char text[48];
        size_t n = draw(sizeof text);
        lm_str token = v.size ? lm_vocabulary_get(&v, (int)draw((unsigned)v.size)) : (lm_str){NULL, 0};
        if (round % 2 && token.len) {
            memcpy(text, token.data, token.len);
            n = token.len + random_characters(text + token.len, sizeof text - token.len, 4);
        } else {
            n = random_characters(text, n, 4);
        }
        lm_token_trie_place at = lm_token_trie_root(&t);
        bool goes_on = true;
        for (size_t k = 0, bytes; k < n; k += bytes) {
            goes_on = goes_on && lm_token_trie_step(&t, &at, lm_token_trie_character(&t, text + k, &bytes));
            if (!goes_on)
                lm_token_trie_character(&t, text + k, &bytes);
            int32_t id = goes_on && lm_token_trie_ends(at) ? t.ids[at.node] : -1;
            ck_assert_int_eq(id, lm_vocabulary_find(&v, (lm_str){text, k + bytes}));
        }
    }
    lm_token_trie_free(&t);
    lm_vocabulary_free(&v);
}
END_TEST

/* ---------------------------------------------------------------- the path of bytes */

/* Byte-level BPE with some merges that random text meets, and the given members around it. */
static lm_tokenizer *byte_level(const char *members, lm_status *st)
{
    static const char *const merges[][2] = {{"t", "h"}, {"th", "e"}, {"Ġ", "the"}, {"Ġ", "Ġ"},
                                            {"e", "r"}, {"í", "ķ"},  {"íķ", "ľ"},  {"1", "2"},
                                            {"Ċ", "Ċ"}, {"'", "s"},  {"Ã", "©"},   {"Ġ", "a"}};
    json_error_t error;
    json_t *spec = json_loads(members, 0, &error), *vocab = json_object(), *list = json_array();
    ck_assert_msg(spec != NULL, "%s", error.text);
    for (int byte = 0; byte < 256; byte++) {
        char token[5] = "";
        lm_utf8_encode(lm_byte_level_char((unsigned char)byte), token);
        json_object_set_new(vocab, token, json_integer(byte));
    }
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
        char *both = lm_format("%s%s", merges[i][0], merges[i][1]);
        json_object_set_new(vocab, both, json_integer(256 + (json_int_t)i));
        json_array_append_new(list, json_pack("[s, s]", merges[i][0], merges[i][1]));
        free(both);
    }
    json_object_set_new(vocab, "Ġthere", json_integer(300)); /* by ignore_merges alone */
    bool ignore = json_is_true(json_object_get(spec, "ignore"));
    json_object_set_new(spec, "model",
                        json_pack("{s:s, s:o, s:o, s:b}", "type", "BPE", "vocab", vocab, "merges", list,
                                  "ignore_merges", ignore));
    return lm_tokenizer_from_spec(spec, NULL, NULL, NULL, NULL, st);
}

#define CL100K(number)                                                                                       \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" number                           \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define SPLIT(regex)                                                                                         \
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{"          \
    "\"Regex\":\"" regex                                                                                     \
    "\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"    \
    "\"use_regex\":false}]}"

static const struct {
    const char *members;
    enum lm_scanner scanner;
} byte_paths[] = {
    {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"added_tokens\":[{\"id\":400,"
     "\"content\":"
     "\"<x>\",\"normalized\":true,\"special\":true}]}",
     LM_SCAN_GPT2},
    {"{\"ignore\":true," SPLIT(CL100K("\\\\p{N}{1,3}")) "}", LM_SCAN_CL100K},
    {"{\"normalizer\":{\"type\":\"NFC\"}," SPLIT(CL100K("\\\\p{N}")) "}", LM_SCAN_CL100K},
    {"{" SPLIT("\\\\p{L}+|\\\\d") "}", LM_SCAN_REGEX},
};

static void random_text(lm_buf *text)
{
    static const char *const parts[] = {"the",
                                        " the",
                                        "there",
                                        " ",
                                        "  ",
                                        "\n",
                                        "\r\n",
                                        "\t",
                                        "'s",
                                        "'S",
                                        "'ll",
                                        "'Re",
                                        "'ſ",
                                        "12",
                                        "3456",
                                        "²",
                                        "한",
                                        "글",
                                        "가\xE1\x86\xA8",
                                        "e\xCC\x81",
                                        "é",
                                        "ñ",
                                        "中文",
                                        "、",
                                        "😀",
                                        "\xE2\x80\x8D",
                                        "\xE2\x80\x83",
                                        "\xC2\xA0",
                                        "\xC2\x85",
                                        "<x>",
                                        "<",
                                        "...",
                                        "!'s",
                                        "\xEF\xBF\xBD",
                                        "'",
                                        "Ǆ",
                                        "ⅷ",
                                        "𝟘",
                                        "\xF0\xB0\x80\x80",
                                        "\xE1\x82\x80",
                                        "\xEA\x9F\x9A"};
    text->len = 0;
    for (unsigned i = draw(25); i > 0; i--) {
        char bytes[4];
        unsigned kind = draw(30);
        uint32_t code = draw(kind == 0 ? 0x110000 : 0x3000);
        if (kind < 2)
            lm_buf_append(text, bytes, lm_utf8_encode(code, bytes));
        else if (kind == 2 && draw(4) == 0)
            lm_buf_putc(text, (char)draw(256));
        else
            lm_buf_puts(text, parts[draw(sizeof parts / sizeof *parts)]);
    }
}

START_TEST(path_of_bytes_is_the_components)
{
    key = lm_random_key(11, LM_FOR_SAMPLING, (uint64_t)_i);
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *t = byte_level(byte_paths[_i].members, &st);
    assert_ok(&st);
    ck_assert(t->bytes.usable && t->bytes.scanner == byte_paths[_i].scanner);
    lm_encoder *quick = lm_encoder_new(t), *slow = lm_encoder_new(t);
    lm_side *a = &quick->sides[0], *b = &slow->sides[0];
    a->limit = b->limit = SIZE_MAX;
    lm_buf text = {0};
    for (int round = 0; round < 20000; round++) {
        random_text(&text);
        a->n = b->n = 0;
        a->words = b->words = 0;
        lm_byte_path_encode(quick, lm_buf_str(&text), 0, text.len, a);
        lm_words_finish(quick, a);
        lm_encode_components(slow, lm_buf_str(&text), 0, text.len, b);
        ck_assert_msg(a->n == b->n && a->words == b->words, "\"%s\": %zu tokens, %zu", lm_buf_cstr(&text),
                      a->n, b->n);
        ck_assert_msg(a->n == 0 || (memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0 &&
                                    memcmp(a->word_ids, b->word_ids, a->n * sizeof *a->word_ids) == 0 &&
                                    memcmp(a->offsets, b->offsets, 2 * a->n * sizeof *a->offsets) == 0),
                      "\"%s\"", lm_buf_cstr(&text));
    }
    lm_buf_free(&text);
    lm_encoder_free(quick);
    lm_encoder_free(slow);
    lm_tokenizer_free(t);
}
END_TEST

/* Every character alone and between others: their classes are those that the expressions see. */
START_TEST(path_of_bytes_knows_all_characters)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *t = byte_level(byte_paths[_i].members, &st);
    assert_ok(&st);
    lm_encoder *quick = lm_encoder_new(t), *slow = lm_encoder_new(t);
    lm_side *a = &quick->sides[0], *b = &slow->sides[0];
    a->limit = b->limit = SIZE_MAX;
    uint32_t wrong = UINT32_MAX;
    for (uint32_t c = 0; c < 0x110000; c += c < LM_CP_TABLE ? 1 : 251) {
        char text[32] = "a", *end = text + 1;
        for (int k = 0; k < 3; k++) {
            end += lm_utf8_encode(c, end);
            *end++ = "1! "[k];
        }
        lm_str s = {text, (size_t)(end - text)};
        a->n = b->n = 0;
        a->words = b->words = 0;
        lm_byte_path_encode(quick, s, 0, s.len, a);
        lm_words_finish(quick, a);
        lm_encode_components(slow, s, 0, s.len, b);
        if (a->n != b->n || memcmp(a->ids, b->ids, a->n * sizeof *a->ids) != 0 ||
            memcmp(a->word_ids, b->word_ids, a->n * sizeof *a->word_ids) != 0)
            wrong = c;
    }
    ck_assert_uint_eq(wrong, UINT32_MAX);
    lm_encoder_free(quick);
    lm_encoder_free(slow);
    lm_tokenizer_free(t);
}
END_TEST

/* ---------------------------------------------------------------- reading */

static void scans(const char *json, bool should, const char *remains)
{
    lm_token_tables quick = {0}, slow = {0};
    lm_status st = LM_STATUS_INIT;
    lm_buf rest = {0};
    ck_assert_msg(lm_token_tables_scan(&quick, lm_str_of(json), &rest) == should, "%s", json);
    if (should) {
        json_error_t error;
        json_t *root = json_loads(json, 0, &error);
        ck_assert(lm_token_tables_read(&slow, json_object_get(root, "model"), &st));
        ck_assert_str_eq(lm_buf_cstr(&rest), remains);
        ck_assert(quick.vocabulary.size == slow.vocabulary.size && quick.merge_count == slow.merge_count);
        for (int i = 0; i < slow.vocabulary.size; i++) {
            ck_assert(lm_str_equal(lm_vocabulary_get(&quick.vocabulary, i),
                                   lm_vocabulary_get(&slow.vocabulary, i)));
            ck_assert(!slow.scores || quick.scores[i] == slow.scores[i]);
        }
        for (size_t i = 0; i < slow.merge_count; i++)
            ck_assert(quick.merges[i].left == slow.merges[i].left &&
                      quick.merges[i].right == slow.merges[i].right);
        json_decref(root);
    } else {
        ck_assert(quick.vocabulary.size == 0 && quick.merge_count == 0 && !quick.scores);
    }
    lm_token_tables_free(&quick);
    lm_token_tables_free(&slow);
    lm_buf_free(&rest);
}

START_TEST(the_quick_way_to_the_tables)
{
    scans("{ \"a\": [1, {\"model\": 2}], \"model\" : {\"vocab\": "
          "{\"x\\\"\\u00e9\\ud55c\\ud83d\\ude00\\n\\/\": 1, \"b\" :0 ,"
          "\"\\u0120\":2, \"\\u0120b\":3}, \"merges\":[\"\\u0120 b\", [ \"\\u0120\" , \"b\" ] ], "
          "\"z\":\"vocab\"}, \"b\": null}",
          true,
          "{ \"a\": [1, {\"model\": 2}], \"model\" : {\"vocab\": {}, \"merges\":[], \"z\":\"vocab\"}, \"b\": "
          "null}");
    scans("{\"model\":{\"merges\":[],\"vocab\":{\"\":0}}}", true, "{\"model\":{\"merges\":[],\"vocab\":{}}}");
    scans("{\"model\":{\"vocab\":[[\"a\",-1.5e-1],[\"b\",0],[\"a\",-12]]}}", true,
          "{\"model\":{\"vocab\":[]}}");
    static const char *const unusual[] = {
        "",
        "[]",
        "{}",
        "{\"model\":{}}",
        "{\"model\":{\"vocab\":3}}",
        "{\"model\":{\"vocab\":{\"a\":0}}",
        "{\"model\":{\"vocab\":{\"a\":0}}}}",
        "{\"model\":{\"vocab\":{\"a\":0,}}}",
        "{\"model\":{\"vocab\":{\"a\":0 \"b\":1}}}",
        "{\"model\":{\"vocab\":{\"a\":1.0}}}",
        "{\"model\":{\"vocab\":{\"a\":-1}}}",
        "{\"model\":{\"vocab\":{\"a\":1e3}}}",
        "{\"model\":{\"vocab\":{\"a\":1,\"a\":2}}}",
        "{\"model\":{\"vocab\":{\"a\":1},\"vocab\":{\"b\":1}}}",
        "{\"model\":{\"vocab\":{\"a\":99999999999}}}",
        "{\"model\":{\"vocab\":{\"a\\u0000\":1}}}",
        "{\"model\":{\"vocab\":{\"\\ud83d\":1}}}",
        "{\"model\":{\"vocab\":{\"\\x\":1}}}",
        "{\"model\":{\"vocab\":{\"\xff\":1}}}",
        "{\"model\":{\"vocab\":{\"a\n\":1}}}",
        "{\"model\":{\"vocab\":{\"a\":1},\"merges\":[\"a b\"]}}",
        "{\"model\":{\"vocab\":{\"a\":1},\"merges\":[\"a\"]}}",
        "{\"model\":{\"vocab\":{\"a\":1},\"merges\":[[\"a\",\"a\",\"a\"]]}}",
        "{\"model\":{\"vocab\":[[\"a\",01]]}}",
        "{\"model\":{\"vocab\":[[\"a\",nan]]}}",
        "{\"model\":{\"vocab\":[[\"a\",1.]]}}",
        "{\"model\":{\"vocab\":[[\"a\",1",
        "{\"model\":{\"vocab\":{\"a",
        "{\"model\":{\"vocab\":{\"a\\",
        "{\"model\":{\"vocab\":{\"a\\ud83d\\u",
    };
    for (size_t i = 0; i < sizeof unusual / sizeof *unusual; i++)
        scans(unusual[i], false, NULL);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("models");
    TCase *c = tcase_create("models");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, bpe_of_the_reference);
    tcase_add_test(c, unigram_of_the_reference);
    tcase_add_test(c, word_level_of_the_reference);
    tcase_add_test(c, no_unknown_token);
    tcase_add_test(c, bad_models);
    tcase_add_test(c, types_are_guessed);
    tcase_add_loop_test(c, bpe_is_the_plain_one, 0, 20);
    tcase_add_loop_test(c, windows_give_parts, 0, 60);
    tcase_add_test(c, long_words);
    tcase_add_test(c, dropout);
    tcase_add_loop_test(c, trie_finds_the_vocabulary, 0, 5);
    tcase_add_loop_test(c, path_of_bytes_is_the_components, 0, sizeof byte_paths / sizeof *byte_paths);
    tcase_add_loop_test(c, path_of_bytes_knows_all_characters, 0, 3);
    tcase_add_test(c, the_quick_way_to_the_tables);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
