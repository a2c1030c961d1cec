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

static Suite *suite(void)
{
    Suite *s = suite_create("components");
    TCase *c = tcase_create("components");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, components);
    tcase_add_test(c, further_components);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
