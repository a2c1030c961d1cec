/* Normalizers and pre-tokenizers by themselves, against what the reference makes of random texts: words,
 * their spans, and each character's. And decoders, on lists of tokens. tests/differential/components.mjs made
 * components.json, and makes more for LMUTILS_COMPONENTS. */
#include "unit.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer_internal.h"

#include <jansson.h>
#include <string.h>

static lm_tokenizer *tokenizer_of(json_t *item)
{
    lm_status st = LM_STATUS_INIT;
    json_t *spec =
        json_pack("{s:O, s:O, s:{s:s, s:{s:i}, s:s}}", "normalizer", json_object_get(item, "normalizer"),
                  "pre_tokenizer", json_object_get(item, "pre_tokenizer"), "model", "type", "WordLevel",
                  "vocab", "?", 0, "unk_token", "?");
    ck_assert_ptr_nonnull(spec);
    lm_tokenizer *t = lm_tokenizer_from_spec(spec, NULL, NULL, NULL, NULL, &st);
    assert_ok(&st);
    return t;
}

static bool same_span(json_t *want, lm_str text, int32_t from, int32_t to)
{
    return json_integer_value(json_array_get(want, 0)) ==
               (json_int_t)lm_utf8_count(text.data, (size_t)from) &&
           json_integer_value(json_array_get(want, 1)) == (json_int_t)lm_utf8_count(text.data, (size_t)to);
}

static bool same_words(const lm_pieces *p, lm_str text, json_t *row)
{
    json_t *words = json_array_get(row, 1), *spans = json_array_get(row, 2),
           *characters = json_array_get(row, 3);
    lm_buf word = {0};
    size_t count = 0;
    bool same = p->word_count == json_array_size(words);
    for (size_t i = 0; i < p->word_count && same; i++) {
        lm_word w = p->words[i];
        json_t *want = json_array_get(words, i);
        word.len = 0;
        lm_chars_utf8(&p->chars, (size_t)w.from, (size_t)w.to, &word);
        same = lm_str_equal(lm_buf_str(&word), (lm_str){json_string_value(want), json_string_length(want)}) &&
               same_span(json_array_get(spans, i), text, p->chars.at[w.from].from, p->chars.at[w.to - 1].to);
        for (int32_t k = w.from; k < w.to && same; k++)
            same =
                same_span(json_array_get(characters, count++), text, p->chars.at[k].from, p->chars.at[k].to);
    }
    lm_buf_free(&word);
    return same && count == json_array_size(characters);
}

static void show(const lm_pieces *p, lm_str text, lm_buf *out)
{
    for (size_t i = 0; i < p->word_count; i++) {
        lm_word w = p->words[i];
        lm_buf_puts(out, " |");
        lm_chars_utf8(&p->chars, (size_t)w.from, (size_t)w.to, out);
        lm_buf_puts(out, "|");
        for (int32_t k = w.from; k < w.to; k++)
            lm_buf_printf(out, " %zu-%zu", lm_utf8_count(text.data, (size_t)p->chars.at[k].from),
                          lm_utf8_count(text.data, (size_t)p->chars.at[k].to));
    }
}

static int check_case(json_t *item)
{
    lm_tokenizer *t = tokenizer_of(item);
    lm_encoder *e = lm_encoder_new(t);
    lm_side *side = &e->sides[0];
    side->limit = SIZE_MAX;
    size_t i;
    json_t *row;
    int failed = 0;
    json_array_foreach(json_object_get(item, "rows"), i, row) {
        json_t *source = json_array_get(row, 0);
        lm_str text = {json_string_value(source), json_string_length(source)};
        side->n = 0;
        side->words = 0;
        e->pieces.word_count = 0;
        lm_encode_components(e, text, 0, text.len, side);
        if (text.len == 0 || same_words(&e->pieces, text, row))
            continue;
        if (failed++)
            continue;
        lm_buf have = {0};
        show(&e->pieces, text, &have);
        char *spec = json_dumps(json_object_get(item, "pre_tokenizer"), JSON_ENCODE_ANY),
             *normalizer = json_dumps(json_object_get(item, "normalizer"), JSON_ENCODE_ANY),
             *want = json_dumps(row, JSON_COMPACT);
        printf("%.300s %.600s\n want %s\n have%s\n", normalizer, spec, want, lm_buf_cstr(&have));
        fflush(stdout);
        free(spec);
        free(normalizer);
        free(want);
        lm_buf_free(&have);
    }
    lm_encoder_free(e);
    lm_tokenizer_free(t);
    return failed;
}

static int check_decoder(json_t *item)
{
    lm_status st = LM_STATUS_INIT;
    json_t *vocab = json_object(), *token, *row, *id;
    size_t i, n;
    json_array_foreach(json_object_get(item, "tokens"), i, token)
        json_object_set_new(vocab, json_string_value(token), json_integer((json_int_t)i));
    json_t *spec = json_pack("{s:O, s:{s:s, s:o, s:s}}", "decoder", json_object_get(item, "decoder"), "model",
                             "type", "WordLevel", "vocab", vocab, "unk_token", ".");
    lm_tokenizer *t = lm_tokenizer_from_spec(spec, NULL, NULL, NULL, NULL, &st);
    assert_ok(&st);
    lm_buf text = {0};
    int failed = 0;
    json_array_foreach(json_object_get(item, "rows"), i, row) {
        int32_t ids[32];
        json_t *want = json_array_get(row, 1);
        json_array_foreach(json_array_get(row, 0), n, id)
            ids[n] = (int32_t)json_integer_value(id);
        text.len = 0;
        lm_decode(t, ids, n, false, &text, &st);
        assert_ok(&st);
        if (lm_str_equal(lm_buf_str(&text), (lm_str){json_string_value(want), json_string_length(want)}) ||
            failed++)
            continue;
        char *decoder = json_dumps(json_object_get(item, "decoder"), JSON_ENCODE_ANY),
             *line = json_dumps(row, 0);
        printf("%s\n want %s\n have %s\n", decoder, line, lm_buf_cstr(&text));
        fflush(stdout);
        free(decoder);
        free(line);
    }
    lm_buf_free(&text);
    lm_tokenizer_free(t);
    return failed;
}

static void check_file(const char *path)
{
    json_error_t error;
    json_t *cases = json_load_file(path, JSON_ALLOW_NUL, &error), *item;
    ck_assert_msg(json_array_size(cases) > 0, "%s: %s", path, error.text);
    size_t i;
    int failed = 0;
    json_array_foreach(cases, i, item)
        failed += json_object_get(item, "decoder") ? check_decoder(item) : check_case(item);
    json_decref(cases);
    ck_assert_msg(failed == 0, "%s: %d texts are not as the reference has them", path, failed);
}

START_TEST(components)
{
    const char *source = getenv("abs_top_srcdir");
    char *path = lm_format("%s/tests/unit/components.json", source ? source : "..");
    check_file(path);
    free(path);
}
END_TEST

START_TEST(further_components)
{
    const char *path = getenv("LMUTILS_COMPONENTS");
    if (path)
        check_file(path);
}
END_TEST

/* ---------------------------------------------------------------- what is refused, and what takes long */

#define MODEL "\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":0},\"unk_token\":\"?\"}"
#define SPLIT(regex)                                                                                         \
    "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex                                 \
    "\"},\"behavior\":\"Isolated\","                                                                         \
    "\"invert\":false}," MODEL "}"
#define NORMALIZER(members)    "{\"normalizer\":{" members "}," MODEL "}"
#define PRE_TOKENIZER(members) "{\"pre_tokenizer\":{" members "}," MODEL "}"
#define PROCESSOR(members)     "{\"post_processor\":{" members "}," MODEL "}"
#define DECODER(members)       "{\"decoder\":{" members "}," MODEL "}"
#define TRIM                   "{\"type\":\"ByteLevel\",\"trim_offsets\":true}"
#define BERT                   "{\"type\":\"BertProcessing\",\"cls\":[\"?\",0],\"sep\":[\"?\",0]}"

static const char *const refusals[][2] = {
    {SPLIT("("), "closing parenthesis"},
    {SPLIT("a)"), "closing parenthesis too many"},
    {SPLIT("[a"), "closing bracket"},
    {SPLIT("[b-a]"), "backwards"},
    {SPLIT("*a"), "repetition of nothing"},
    {SPLIT("a\\\\"), "backslash"},
    {SPLIT("\\\\p{Nonesuch}"), "regular expression"},
    {SPLIT("\\\\p"), "without {name}"},
    {SPLIT("\\\\x{110000}"), "beyond U+10FFFF"},
    {SPLIT("(?~a)"), "kind of group"},
    {SPLIT("a{3,2}"), "regular expression"},
    {SPLIT("((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((a"), "too deep"},
    {SPLIT("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[a"), "too deep"},
    {PRE_TOKENIZER("\"type\":\"Split\",\"behavior\":\"Isolated\""), "pattern"},
    {PRE_TOKENIZER("\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Odd\""), "unknown"},
    {PRE_TOKENIZER("\"type\":\"Metaspace\",\"replacement\":\"ab\""), "one character"},
    {PRE_TOKENIZER("\"type\":\"Metaspace\",\"prepend_scheme\":\"often\""), "unknown"},
    {PRE_TOKENIZER("\"type\":\"FixedLength\",\"length\":0"), "not from 1"},
    {PRE_TOKENIZER("\"type\":\"FixedLength\",\"length\":\"x\""), "no count"},
    {PRE_TOKENIZER("\"type\":\"CharDelimiterSplit\""), "delimiter"},
    {NORMALIZER("\"type\":\"Replace\",\"pattern\":\"a\",\"content\":\"\""), "neither"},
    {NORMALIZER("\"type\":\"Precompiled\",\"precompiled_charsmap\":\"!\""), "base64"},
    {NORMALIZER("\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAA=\""), "does not fit"},
    {NORMALIZER("\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\""), "does not fit"},
    {NORMALIZER("\"type\":\"Precompiled\",\"precompiled_charsmap\":\"BAAAAAAAAAD/\""), "not UTF-8"},
    {PROCESSOR("\"type\":\"RobertaProcessing\",\"cls\":[\"x\",7],\"sep\":[\"y\",0]"),
     "not in the vocabulary"},
    {PROCESSOR("\"type\":\"Sequence\",\"processors\":[" BERT "," BERT "]"), "some already"},
    {PROCESSOR("\"type\":\"Sequence\",\"processors\":[" TRIM "," TRIM "," TRIM "," TRIM "," TRIM "]"),
     "more than"},
    {PROCESSOR("\"type\":\"Sequence\""), "no list"},
    {DECODER("\"type\":\"Strip\",\"content\":\"ab\",\"start\":1,\"stop\":0"), "one character"},
    {DECODER("\"type\":\"Strip\",\"content\":\"a\",\"start\":-1,\"stop\":0"), "no count"},
    {DECODER("\"type\":\"Sequence\",\"decoders\":{}"), "no list"},
    {DECODER("\"type\":\"Replace\",\"content\":\"\""), "pattern"},
};

START_TEST(refused)
{
    lm_status st = LM_STATUS_INIT;
    json_error_t error;
    json_t *spec = json_loads(refusals[_i][0], 0, &error);
    ck_assert_msg(spec != NULL, "%s: %s", refusals[_i][0], error.text);
    ck_assert_ptr_null(lm_tokenizer_from_spec(spec, NULL, NULL, NULL, NULL, &st));
    ck_assert_msg(strstr(st.message, refusals[_i][1]) != NULL, "\"%s\" lacks \"%s\"", st.message,
                  refusals[_i][1]);
}
END_TEST

static size_t words_of(const char *json, lm_str text)
{
    lm_status st = LM_STATUS_INIT;
    json_error_t error;
    lm_tokenizer *t = lm_tokenizer_from_spec(json_loads(json, 0, &error), NULL, NULL, NULL, NULL, &st);
    assert_ok(&st);
    lm_encoder *e = lm_encoder_new(t);
    size_t n = lm_encode_words(e, text)->n;
    lm_encoder_free(e);
    lm_tokenizer_free(t);
    return n;
}

/* Runs of a million characters take a moment, and an expression that goes astray ends. */
START_TEST(long_runs)
{
    lm_buf text = {0};
    for (int i = 0; i < 1000000; i++)
        lm_buf_putc(&text, ' ');
    for (int i = 0; i < 500000; i++)
        lm_buf_puts(&text, "\xEA\xB0\x80");
    for (int i = 0; i < 1000000; i++)
        lm_buf_putc(&text, '!');
    lm_str s = lm_buf_str(&text);
    ck_assert_uint_eq(words_of(PRE_TOKENIZER("\"type\":\"ByteLevel\",\"add_prefix_space\":false"), s), 3);
    ck_assert_uint_eq(words_of(SPLIT("(?:a|[^b])*+|b"), s), 1);
    ck_assert_uint_eq(words_of(SPLIT("(?:.|\\\\s)*!"), s), 1);
    ck_assert_uint_eq(words_of(PRE_TOKENIZER("\"type\":\"Metaspace\""), s), 1000000);
    ck_assert_uint_eq(words_of(SPLIT("(?:!*)*\\\\?"), (lm_str){s.data + s.len - 5000, 5000}), 1);
    lm_buf_free(&text);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("components");
    TCase *c = tcase_create("components");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, components);
    tcase_add_test(c, further_components);
    tcase_add_loop_test(c, refused, 0, sizeof refusals / sizeof *refusals);
    tcase_add_test(c, long_runs);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
