#include "unit.h"

#include "base/memory.h"
#include "base/random.h"
#include "base/utf8.h"
#include "text/tokenizer_internal.h"
#include "text/unicode/unicode.h"
#include "text/word_starts.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

/* ---------------------------------------------------------------- helpers */

static lm_tokenizer *tokenizer_of(const char *json)
{
    lm_status st = LM_STATUS_INIT;
    json_error_t error;
    json_t *spec = json_loads(json, 0, &error);
    ck_assert_msg(spec != NULL, "%s", error.text);
    lm_tokenizer *t = lm_tokenizer_from_spec(spec, NULL, NULL, NULL, NULL, &st);
    assert_ok(&st);
    return t;
}

static void refused(const char *json, const char *why)
{
    lm_status st = LM_STATUS_INIT;
    json_error_t error;
    json_t *spec = json_loads(json, JSON_DECODE_ANY, &error);
    ck_assert_msg(spec != NULL, "%s", error.text);
    ck_assert_ptr_null(lm_tokenizer_from_spec(spec, NULL, NULL, NULL, NULL, &st));
    ck_assert_msg(strstr(st.message, why) != NULL, "\"%s\" lacks \"%s\"", st.message, why);
}

/* Row by row against what another encoding found. */
static void same_sides(const lm_side *a, const lm_side *b, const char *what)
{
    ck_assert_msg(a->n == b->n, "%s: %zu tokens, %zu", what, a->n, b->n);
    ck_assert_msg(a->n == 0 || (memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0 &&
                                memcmp(a->word_ids, b->word_ids, a->n * sizeof *a->word_ids) == 0 &&
                                memcmp(a->offsets, b->offsets, 2 * a->n * sizeof *a->offsets) == 0),
                  "%s", what);
}

/* ---------------------------------------------------------------- vocab.txt */

START_TEST(vocab_txt_agrees)
{
    const char *data = unit_testdata();
    if (!data) {
        printf("SKIP vocab.txt against tokenizer.json: LMUTILS_TESTDATA is not set\n");
        return;
    }
    static const char *const names[] = {"goldens/tokenizer/bert-uncased-small",
                                        "goldens/tokenizer/bert-cased-small", "tokenizers/bert-base-uncased"};
    for (int i = 0; i < 3; i++) {
        lm_status st = LM_STATUS_INIT;
        char *directory = lm_format("%s/%s", data, names[i]), *vocab = lm_format("%s/vocab.txt", directory);
        lm_tokenizer *a = lm_tokenizer_open(directory, &st), *b = lm_tokenizer_open(vocab, &st);
        assert_ok(&st);
        ck_assert(lm_tokenizer_digest(a) == lm_tokenizer_digest(b));
        ck_assert(lm_tokenizer_behaviour(a) == lm_tokenizer_behaviour(b));
        ck_assert_int_eq(lm_tokenizer_role(a, "mask"), lm_tokenizer_role(b, "mask"));
        lm_tokenizer_free(a);
        lm_tokenizer_free(b);
        free(directory);
        free(vocab);
    }
}
END_TEST

/* ---------------------------------------------------------------- the quick path against the components */

#define SMALL_MODEL                                                                                          \
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","        \
    "\"max_input_chars_per_word\":20,\"vocab\":{\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2,\"a\":3,\"##a\":4,"      \
    "\"b\":5,"                                                                                               \
    "\"##b\":6,\"ab\":7,\"##i\":8,\"i\":9,\"e\":10,\"##e\":11,\"\xE4\xB8\xAD\":12,\"!\":13,\"\xCC\x88\":14," \
    "\"##\xCC\x88\":15,\"\xE1\x84\x92\":16,\"##\xE1\x85\xA1\":17,\"##\xE1\x86\xAB\":18,\"\xED\x95\x9C\":19," \
    "\"##\xED\x95\x9C\":20,\"A\":21,\"##A\":22,\"`\":23,\"\xC3\xA9\":24,\"##\xC3\xA9\":25}}"

static const uint32_t interesting[] = {
    'a',    'b',    'A',     'B',     'i',     'e',    ' ',    '\t',   '\n',   '!',     '`',
    '#',    0,      1,       0x0B,    0x7F,    0x85,   0xA0,   0xE9,   0xC9,   0x130,   0x308,
    0x301,  0x316,  0x334,   0x345,   0x344,   0x37E,  0x1FEF, 0x4E2D, 0xF900, 0x2F800, 0x3000,
    0xD55C, 0x1112, 0x1161,  0x11AB,  0xFFFD,  0x200D, 0xAD,   0xE000, 0x2028, 0x1F468, 0xFB01,
    0x1E9E, 0x3A3,  0x10400, 0xE0100, 0x30000, 0x1734, 0x0E4D, 0x0F73,
};

START_TEST(quick_path_is_the_components)
{
    lm_philox_key key = lm_random_key(1, LM_FOR_SAMPLING, 0);
    lm_buf text = {0};
    uint64_t draw = 0;
    for (int variant = 0; variant < 16; variant++) {
        char json[4096];
        snprintf(json, sizeof json,
                 "{\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":%s,\"handle_chinese_chars\":%s,"
                 "\"strip_accents\":%s,\"lowercase\":%s},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"
                 "," SMALL_MODEL "}",
                 variant & 1 ? "true" : "false", variant & 2 ? "true" : "false",
                 variant & 4 ? "true" : "false", variant & 8 ? "true" : "false");
        lm_tokenizer *t = tokenizer_of(json);
        ck_assert(t->bert.usable);
        lm_encoder *quick = lm_encoder_new(t), *slow = lm_encoder_new(t);
        quick->sides[0].limit = slow->sides[0].limit = SIZE_MAX;
        for (int round = 0; round < 3000; round++) {
            text.len = 0;
            uint64_t n = lm_random_below(key, draw++, 0, 24);
            for (uint64_t i = 0; i < n; i++) {
                uint32_t kind = (uint32_t)lm_random_below(key, draw++, 1, 20), code;
                char bytes[4];
                if (kind == 0)
                    code = (uint32_t)lm_random_below(key, draw++, 2, 0x110000);
                else if (kind == 1)
                    code = (uint32_t)lm_random_below(key, draw++, 3, 0x3000);
                else
                    code = interesting[lm_random_below(key, draw++, 4,
                                                       sizeof interesting / sizeof *interesting)];
                if (kind == 2)
                    lm_buf_putc(&text, (char)lm_random_below(key, draw++, 5, 256)); /* often ill-formed */
                else if (code < 0xD800 || code > 0xDFFF)
                    lm_buf_append(&text, bytes, lm_utf8_encode(code, bytes));
            }
            lm_side *a = &quick->sides[0], *b = &slow->sides[0];
            a->n = b->n = 0;
            a->words = b->words = 0;
            lm_bert_encode(quick, lm_buf_str(&text), 0, text.len, a);
            lm_words_finish(quick, a);
            lm_encode_components(slow, lm_buf_str(&text), 0, text.len, b);
            same_sides(a, b, lm_buf_cstr(&text));
        }
        lm_encoder_free(quick);
        lm_encoder_free(slow);
        lm_tokenizer_free(t);
    }
    lm_buf_free(&text);
}
END_TEST

/* ---------------------------------------------------------------- components */

static void expect(const char *json, const char *text, const char *want)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *t = tokenizer_of(json);
    lm_encoder *e = lm_encoder_new(t);
    lm_encoding out = {0};
    lm_encode_options options = {0};
    lm_buf b = {0};
    lm_encode(e, lm_str_of(text), (lm_str){NULL, 0}, &options, &out, &st);
    assert_ok(&st);
    for (int i = 0; i < out.len; i++) {
        lm_str token = lm_tokenizer_token(t, out.ids[i]);
        lm_buf_printf(&b, "%s%.*s@%d-%d", i ? " " : "", (int)token.len, token.data, out.offsets[2 * i],
                      out.offsets[2 * i + 1]);
    }
    ck_assert_str_eq(lm_buf_cstr(&b), want);
    lm_buf_free(&b);
    lm_encoding_free(&out);
    lm_encoder_free(e);
    lm_tokenizer_free(t);
}

#define TOKENIZER(normalizer, pre, added)                                                                    \
    "{\"normalizer\":" normalizer ",\"pre_tokenizer\":" pre ",\"added_tokens\":[" added "]," SMALL_MODEL "}"

START_TEST(normalizers_and_pre_tokenizers)
{
    expect(TOKENIZER("{\"type\":\"Lowercase\"}", "{\"type\":\"Whitespace\"}", ""), "AB! A",
           "ab@0-2 !@2-3 a@4-5");
    expect(TOKENIZER("{\"type\":\"NFC\"}", "{\"type\":\"WhitespaceSplit\"}", ""),
           "e\xCC\x81 \xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", "\xC3\xA9@0-1 \xED\x95\x9C@4-7");
    expect(TOKENIZER("{\"type\":\"NFD\"}", "null", ""), "\xED\x95\x9C",
           "\xE1\x84\x92@0-3 ##\xE1\x85\xA1@0-3 ##\xE1\x86\xAB@0-3");
    expect(
        TOKENIZER("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"},{\"type\":\"StripAccents\"}]}",
                  "null", ""),
        "\xC3\xA9"
        "a",
        "e@0-2 ##a@2-3");
    expect(TOKENIZER("{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}", "null", ""), "  ab ",
           "ab@2-4");
    expect(TOKENIZER("{\"type\":\"Prepend\",\"prepend\":\"a\"}", "null", ""), "b", "ab@0-1");
    expect(TOKENIZER("null", "{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"-\"}", ""), "a-b",
           "a@0-1 b@2-3");
    expect(TOKENIZER("null", "{\"type\":\"Punctuation\",\"behavior\":\"MergedWithPrevious\"}", ""), "a!b",
           "[UNK]@0-2 b@2-3");
    expect(TOKENIZER("null",
                     "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},{\"type\":"
                     "\"Punctuation\"}]}",
                     ""),
           "a! b", "a@0-1 !@1-2 b@3-4");
}
END_TEST

#define ADDED(id, content, flags) "{\"id\":" #id ",\"content\":\"" content "\"," flags "}"

START_TEST(added_tokens)
{
    expect(TOKENIZER("null", "{\"type\":\"BertPreTokenizer\"}",
                     ADDED(30, "<x>", "\"special\":true,\"lstrip\":true,\"rstrip\":true")),
           "a  <x>  b", "a@0-1 <x>@1-8 b@8-9");
    expect(TOKENIZER("null", "{\"type\":\"BertPreTokenizer\"}",
                     ADDED(30, "ib", "\"special\":true,\"single_word\":true")),
           "ib aib ib!", "ib@0-2 a@3-4 ##i@4-5 ##b@5-6 ib@7-9 !@9-10");
    /* matched in the normalised text */
    expect(TOKENIZER("{\"type\":\"Lowercase\"}", "{\"type\":\"BertPreTokenizer\"}",
                     ADDED(30, "IB", "\"normalized\":true,\"special\":false")),
           "aIb", "a@0-1 IB@1-3");
    expect(TOKENIZER("{\"type\":\"Lowercase\"}", "{\"type\":\"BertPreTokenizer\"}",
                     ADDED(30, "IB", "\"normalized\":false,\"special\":false")),
           "Ib IB", "i@0-1 ##b@1-2 IB@3-5");
    /* the longest of those that begin leftmost */
    expect(TOKENIZER("null", "null",
                     ADDED(30, "ii", "\"special\":true") "," ADDED(31, "iiii", "\"special\":true")),
           "aiiiiii", "a@0-1 iiii@1-5 ii@5-7");
}
END_TEST

/* Of rows that are encoded together, too, it is said which one cannot be. */
START_TEST(one_of_several_rows)
{
    lm_tokenizer *t = tokenizer_of("{\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},\"model\":{\"type\":\"WordLevel\","
                                   "\"vocab\":{\"a\":0,\"b\":1},\"unk_token\":\"none\"}}");
    lm_encoder *e = lm_encoder_new(t);
    lm_encoding out[4] = {0};
    lm_encode_row rows[] = {{lm_str_of("a b"), 0, &out[0]}, {lm_str_of(""), 1, &out[1]}, {lm_str_of("b c"), 2, &out[2]},
                            {lm_str_of("a"), 3, &out[3]}};
    lm_encode_options options = {.ids_only = true};
    lm_status st = LM_STATUS_INIT;
    size_t failed = 0;
    ck_assert(!lm_encode_rows(e, rows, 4, &options, &failed, &st));
    ck_assert_uint_eq(failed, 2);
    ck_assert_ptr_nonnull(strstr(st.message, "not in the vocabulary"));
    ck_assert(out[0].len == 2 && out[0].ids[1] == 1 && out[1].len == 0);
    lm_status_clear(&st);
    rows[2].text = lm_str_of("b");
    options.max_length = 1;
    ck_assert(lm_encode_rows(e, rows, 4, &options, &failed, &st));
    ck_assert(out[0].len == 1 && out[0].truncated && out[2].len == 1 && out[2].ids[0] == 1 && !out[2].truncated && out[3].ids[0] == 0);
    for (int i = 0; i < 4; i++)
        lm_encoding_free(&out[i]);
    lm_encoder_free(e);
    lm_tokenizer_free(t);
}
END_TEST

START_TEST(bad_tokenizers)
{
    refused("[]", "no JSON object");
    refused("{}", "no \"model\"");
    refused("{\"model\":{\"type\":\"Nonesuch\",\"vocab\":{\"a\":0}}}", "needs: model \"Nonesuch\"");
    refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}", "empty");
    refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":[]}}", "vocab");
    refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}}", "lacks the unknown token \"[UNK]\"");
    refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0,\"b\":0}}}", "id 0 belongs to two tokens");
    refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":-1}}}", "not from 0 to");
    refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":4294967296}}}", "not from 0 to");
    refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":16000000}}}", "too many holes");
    refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":\"x\"}}}", "no integer");
    refused("{\"normalizer\":{\"type\":\"Nonesuch\"}," SMALL_MODEL "}", "needs: normalizer \"Nonesuch\"");
    refused("{\"normalizer\":{}," SMALL_MODEL "}", "has no \"type\"");
    refused("{\"pre_tokenizer\":{\"type\":\"ByteLevelest\"}," SMALL_MODEL "}", "needs: pre-tokenizer");
    refused("{\"decoder\":{\"type\":\"Nonesuch\"}," SMALL_MODEL "}", "needs: decoder");
    refused("{\"post_processor\":{\"type\":\"Nonesuch\"}," SMALL_MODEL "}", "needs: post-processor");
    refused(
        "{\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"x\",99],\"sep\":[\"y\",1]}," SMALL_MODEL
        "}",
        "not in the vocabulary");
    refused("{\"added_tokens\":[{\"id\":3,\"content\":\"b\"}]," SMALL_MODEL "}", "but 5 in the vocabulary");
    refused("{\"added_tokens\":[{\"id\":3,\"content\":\"zz\"}]," SMALL_MODEL "}", "which is \"a\"");
}
END_TEST

/* A tokenizer.json cut at every byte is refused, whatever else may be said of it. */
START_TEST(cut_at_every_byte)
{
    static const char whole[] = TOKENIZER("{\"type\":\"NFC\"}", "{\"type\":\"Whitespace\"}",
                                          ADDED(30, "<x>", "\"special\":true"));
    for (size_t n = 0; n < sizeof whole; n++) {
        lm_status st = LM_STATUS_INIT;
        lm_tokenizer *t = lm_tokenizer_from_bytes((lm_str){whole, n}, NULL, NULL, NULL, "tokenizer.json", &st);
        ck_assert_msg((t != NULL) == (n == sizeof whole - 1), "cut behind byte %zu", n);
        lm_tokenizer_free(t);
    }
}
END_TEST

START_TEST(template_and_truncation)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *t =
        tokenizer_of("{\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":{\"type\":"
                     "\"BertProcessing\",\"cls\":[\"[CLS]\",1],\"sep\":[\"[SEP]\",2]}," SMALL_MODEL "}");
    lm_encoder *e = lm_encoder_new(t);
    lm_encoding out = {0};
    lm_str a = lm_str_of("a b a b a b"), b = lm_str_of("i i i");
    lm_encode_options options = {.max_length = 8};
    ck_assert(lm_encode(e, a, b, &options, &out, &st));
    ck_assert_int_eq(out.len, 8);
    ck_assert(out.truncated);
    static const int want[] = {1, 3, 5, 3, 2, 9, 9, 2};
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(out.ids[i], want[i]);
    options.max_length = 12;
    ck_assert(lm_encode(e, a, b, &options, &out, &st));
    ck_assert(!out.truncated);
    options.max_length = 2;
    ck_assert(!lm_encode(e, a, b, &options, &out, &st));
    lm_status_clear(&st);
    options.truncation = LM_ONLY_SECOND;
    options.max_length = 5;
    ck_assert(!lm_encode(e, a, (lm_str){NULL, 0}, &options, &out, &st));
    lm_encoding_free(&out);
    lm_encoder_free(e);
    lm_tokenizer_free(t);
}
END_TEST

START_TEST(save_and_load)
{
    const char *data = unit_testdata();
    if (!data) {
        printf("SKIP saving: LMUTILS_TESTDATA is not set\n");
        return;
    }
    lm_status st = LM_STATUS_INIT;
    char one[] = "/tmp/check_text.XXXXXX", two[] = "/tmp/check_text.XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(one));
    ck_assert_ptr_nonnull(mkdtemp(two));
    char *from = lm_format("%s/goldens/tokenizer/bert-cased-small/vocab.txt", data);
    lm_tokenizer *a = lm_tokenizer_open(from, &st);
    assert_ok(&st);
    ck_assert(lm_tokenizer_save(a, one, &st));
    lm_tokenizer *b = lm_tokenizer_open(one, &st);
    assert_ok(&st);
    ck_assert(lm_tokenizer_digest(a) == lm_tokenizer_digest(b) &&
              lm_tokenizer_behaviour(a) == lm_tokenizer_behaviour(b));
    ck_assert_int_eq(lm_tokenizer_max_length(b), 512);
    ck_assert(lm_tokenizer_save(b, two, &st));
    char *compare = lm_format("diff -r %s %s && rm -r %s %s", one, two, one, two);
    ck_assert_int_eq(system(compare), 0);
    free(compare);
    free(from);
    lm_tokenizer_free(a);
    lm_tokenizer_free(b);
}
END_TEST

START_TEST(unicode_facts)
{
    uint32_t out[LM_DECOMPOSITION_MAX];
    ck_assert_int_eq(lm_unicode_lower_case(0x130, out), 2);
    ck_assert_uint_eq(out[1], 0x307);
    uint32_t wrong = UINT32_MAX;
    for (uint32_t c = 0; c < 0x110000; c++) {
        unsigned p = lm_unicode_properties(c);
        int n = lm_unicode_lower_case(c, out);
        bool good = p & LM_CP_LOWER ? n == 2 || out[0] != c : out[0] == c;
        good &= !(p & LM_CP_NONSPACING) || p & LM_CP_MARK || c == 0x1734; /* U+1734 was Mn, and is Mc now */
        n = lm_unicode_decompose(c, true, out);
        if (!good || n < 1 || n > LM_DECOMPOSITION_MAX)
            wrong = c;
    }
    ck_assert_uint_eq(wrong, UINT32_MAX);
    ck_assert_int_eq(lm_unicode_decompose(0x1F82, false, out), 4);
    ck_assert_uint_eq(lm_unicode_compose(0x1112, 0x1161), 0xD558);
    ck_assert_uint_eq(lm_unicode_compose('e', 0x301), 0xE9);
    ck_assert_uint_eq(lm_unicode_compose('q', 0x301), 0);
    ck_assert_uint_eq(lm_unicode_compose(0x0915, 0x093C), 0); /* excluded from composition */
}
END_TEST

/* ---------------------------------------------------------------- where words begin */

static size_t scan(const lm_byte_path *b, const char *s, size_t i, size_t to)
{
    return b->scanner == LM_SCAN_GPT2 ? lm_scan_gpt2(b->class, s, i, to) : lm_scan_cl100k(b->class, s, i, to, b->digits);
}

/* Every beginning that is told, by the scanner that goes character by character. */
static void starts_are_scanned(const lm_byte_path *b, const char *s, size_t to)
{
    for (size_t i = 0, sure; i < to; i = sure) {
        size_t from = i;
        uint64_t starts = lm_word_starts(b, s, i, to, &sure);
        ck_assert(starts & 1);
        if (sure == i)
            sure = scan(b, s, i, to);
        while (from < sure) {
            size_t end = scan(b, s, from, to);
            starts &= starts - 1;
            size_t told = starts ? i + (size_t)__builtin_ctzll(starts) : sure;
            ck_assert_msg(end == told, "scanner %d, %zu digits, \"%.*s\" at %zu: a word ends at %zu, not %zu", (int)b->scanner,
                          b->digits, (int)to, s, from, end, told);
            from = end;
        }
        ck_assert_uint_eq(from, sure);
    }
}

START_TEST(word_starts)
{
    static const char *const parts[] = {"a", "the", "S", "'s", "'re", "'", "'LL", "1", "12", "1234567", " ", "  ", "\t", "\n",
                                        "\r\n", "\n\n", ".", "(", "...", "\"", "\xC3\xA9", "\xED\x95\x9C\xEA\xB5\xAD",
                                        "\xC2\xA0", "\xE3\x80\x80", "\xC2\xB2", "\xF0\x9F\x98\x80", "\xC5\xBF", "_", "\x01",
                                        "internationalisation", "\xE2\x80\xA6", "\x0B",
                                        /* around those that are letters by their first two bytes: U+4DC0, 5000, 8FFF, 9000, */
                                        "\xE4\xB7\x80", "\xE5\x80\x80", "\xE8\xBF\xBF", "\xE9\x80\x80",
                                        /* U+ABFF, AC00, D77F, D7A3, D7FF and U+A9D0, a number */
                                        "\xEA\xAF\xBF", "\xEA\xB0\x80", "\xED\x9D\xBF", "\xED\x9E\xA3", "\xED\x9F\xBF",
                                        "\xEA\xA7\x90"};
    enum { PARTS = sizeof parts / sizeof *parts };
    lm_byte_path paths[] = {{.scanner = LM_SCAN_GPT2}, {.scanner = LM_SCAN_CL100K, .digits = 3},
                            {.scanner = LM_SCAN_CL100K, .digits = 1}};
    lm_philox_key key = lm_random_key(7, LM_FOR_SAMPLING, 0);
    lm_buf text = {0};
    for (uint64_t turn = 0; turn < 60000; turn++) {
        uint64_t few = 1 + lm_random_below(key, turn, 0, PARTS), shift = lm_random_below(key, turn, 1, PARTS);
        text.len = 0;
        for (uint64_t n = 1 + lm_random_below(key, turn, 2, turn % 3 ? 60 : 8); n > 0; n--)
            lm_buf_puts(&text, parts[(shift + lm_random_below(key, turn, 2 + n, few)) % PARTS]);
        char *exact = lm_malloc(text.len, 1); /* of its size: a byte too many that is read is found */
        memcpy(exact, text.data, text.len);
        for (int i = 0; i < 3; i++) {
            paths[i].class = lm_char_classes();
            starts_are_scanned(&paths[i], exact, text.len);
        }
        free(exact);
    }
    lm_buf_free(&text);
}
END_TEST

/* ---------------------------------------------------------------- classes of characters, as libraries find them */

/* NFC's quick check: characters that do not stay as they are, that come in an order, or that one before them
 * may take in, are no plain ones. */
static void mark_nfc(const uint16_t *table, uint8_t *classes)
{
    for (uint32_t c = 0; c < LM_CP_TABLE; c++) {
        uint32_t parts[LM_DECOMPOSITION_MAX];
        if (!(table[c] & LM_CP_NFD))
            continue;
        int n = lm_unicode_decompose(c, false, parts);
        uint32_t again = parts[0];
        for (int k = 1; k < n && again; k++)
            again = lm_unicode_compose(again, parts[k]);
        if (again != c || lm_unicode_class(c))
            classes[c] |= LM_CLASS_NFC;
        for (int k = 1; k < n; k++)
            if (parts[k] < LM_CP_TABLE)
                classes[parts[k]] |= LM_CLASS_NFC;
    }
}

static void mark_kind(lm_str text, const char *expression, uint8_t kind, uint8_t *classes)
{
    lm_status st = LM_STATUS_INIT;
    lm_regex *re = lm_regex_new(lm_str_of(expression), "", &st);
    assert_ok(&st);
    lm_matcher *m = lm_matcher_new();
    lm_find f = {.subject = text};
    while (lm_regex_find(re, m, &f))
        for (size_t i = f.from; i < f.to;) {
            uint32_t code;
            i += lm_utf8_decode(text.data + i, f.to - i, &code);
            classes[code] = (uint8_t)(classes[code] | kind);
        }
    lm_matcher_free(m);
    lm_regex_free(re);
}

START_TEST(char_classes)
{
    enum { ASSIGNED = 0x40000, ALL = 0x110000 };
    const uint8_t *kept = lm_char_classes();
    uint8_t *classes = lm_calloc(ALL, 1);
    lm_buf text = {0};
    for (uint32_t c = 0; c < ASSIGNED; c++) {
        char bytes[4];
        if (lm_unicode_properties(c) & LM_CP_LATE)
            classes[c] |= LM_CLASS_LATE;
        else if (!(c >= 0xD800 && c < 0xE000))
            lm_buf_append(&text, bytes, lm_utf8_encode(c, bytes));
    }
    mark_kind(lm_buf_str(&text), "\\p{L}+", LM_CLASS_LETTER, classes);
    mark_kind(lm_buf_str(&text), "\\p{N}+", LM_CLASS_NUMBER, classes);
    mark_kind(lm_buf_str(&text), "\\s+", LM_CLASS_SPACE, classes);
    for (uint32_t c = 0; c < ASSIGNED; c++)
        if (classes[c] & LM_CLASS_LATE)
            classes[c] |= classes[lm_unicode_stand_in(c)] & LM_CLASS_KIND;
    mark_nfc(lm_unicode_table(), classes);
    for (uint32_t c = 0; c < ALL; c++)
        ck_assert_msg(kept[c] == classes[c], "U+%04X is of class %d, not %d", c, classes[c], kept[c]);
    for (uint32_t c = 0; c < ALL; c++) /* others the path of bytes does not look at */
        ck_assert(!(kept[c] & LM_CLASS_NFC) || (c >= 0x300 && (c < 0x4000 || c >= 0xA000) && (c < 0xB000 || c >= 0xE000) &&
                                                (c < 0xFFC0 || c > 0xFFFF)));
    lm_buf_free(&text);
    free(classes);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("text");
    TCase *c = tcase_create("text");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, vocab_txt_agrees);
    tcase_add_test(c, quick_path_is_the_components);
    tcase_add_test(c, normalizers_and_pre_tokenizers);
    tcase_add_test(c, added_tokens);
    tcase_add_test(c, one_of_several_rows);
    tcase_add_test(c, bad_tokenizers);
    tcase_add_test(c, cut_at_every_byte);
    tcase_add_test(c, template_and_truncation);
    tcase_add_test(c, save_and_load);
    tcase_add_test(c, unicode_facts);
    tcase_add_test(c, word_starts);
    tcase_add_test(c, char_classes);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
