/* Quality filters: words, and what each threshold drops, beside a reading of the published rules of its own (quality.py,
 * quality.json). */
#include "unit.h"

#include "drafts.h"

#include "augment/quality/filters.h"
#include "augment/quality/words.h"
#include "base/memory.h"

#include <jansson.h>
#include <string.h>

static json_t *wanted;

static void read_wanted(void)
{
    const char *source = getenv("abs_top_srcdir");
    char *path = lm_format("%s/tests/unit/quality.json", source ? source : "..");
    json_error_t error;
    wanted = json_load_file(path, 0, &error);
    ck_assert_msg(wanted != NULL, "%s: %s", path, error.text);
    free(path);
}

static void free_wanted(void)
{
    json_decref(wanted);
}

static lm_str string_of(const json_t *object, const char *name)
{
    const json_t *s = json_object_get(object, name);
    ck_assert_msg(json_is_string(s), "%s is missing", name);
    return (lm_str){json_string_value(s), json_string_length(s)};
}

START_TEST(words)
{
    lm_count_words w = {0};
    size_t i, k;
    json_t *one, *word;
    ck_assert_uint_ge(json_array_size(json_object_get(wanted, "words")), 20);
    json_array_foreach(json_object_get(wanted, "words"), i, one) {
        lm_str text = string_of(one, "text");
        lm_count_words_cut(&w, text, false);
        json_array_foreach(json_object_get(one, "words"), k, word) {
            ck_assert_msg(k < w.count, "%s: only %zu words", text.data, w.count);
            ck_assert_msg(lm_str_is((lm_str){text.data + w.items[k].from, w.items[k].len}, json_string_value(word)),
                          "%s: '%.*s', not '%s'", text.data, (int)w.items[k].len, text.data + w.items[k].from,
                          json_string_value(word));
        }
        ck_assert_uint_eq(w.count, k);
        lm_count_words_cut(&w, text, true);
        ck_assert_msg(lm_count_sentences(&w) == (size_t)json_integer_value(json_object_get(one, "sentences")), "%s: %zu sentences",
                      text.data, lm_count_sentences(&w));
    }
    lm_count_words_free(&w);
}
END_TEST

START_TEST(thresholds)
{
    size_t i;
    json_t *one;
    ck_assert_uint_ge(json_array_size(json_object_get(wanted, "filters")), 200);
    json_array_foreach(json_object_get(wanted, "filters"), i, one) {
        const char *filter = json_string_value(json_object_get(one, "filter"));
        lm_str text = string_of(one, "text");
        const json_t *becomes = json_object_get(one, "becomes"), *threshold = json_object_get(one, "threshold");
        drafts *d = drafts_new();
        drafts_add_bytes(d, text);
        drafts_do(d, &lm_filter_kind, filter, NULL, 0);
        const char *dropped = drafts_dropped(d, 0);
        if (threshold) { /* filter:threshold=value: found what */
            char name[64] = "", found[64] = "";
            ck_assert_msg(dropped && sscanf(dropped, "%63[^=]=%*[^:]: %63s", name, found) == 2, "%s: '%s', not %s\n%s", filter,
                          dropped, json_string_value(threshold), text.data);
            char *got = lm_format("%s %s", name, found),
                 *expected = lm_format("%.*s:%s %.6g", (int)strcspn(filter, ":"), filter, json_string_value(threshold),
                                       json_number_value(json_object_get(one, "found")));
            ck_assert_msg(strcmp(got, expected) == 0, "%s: '%s', not '%s'\n%s", filter, got, expected, text.data);
            free(got);
            free(expected);
        } else {
            ck_assert_msg(!dropped, "%s: '%s' drops\n%s", filter, dropped, text.data);
            ck_assert_msg(becomes || drafts_is_untouched(d, 0), "%s changes\n%s", filter, text.data);
            if (becomes)
                ck_assert_str_eq(drafts_text(d, 0), json_string_value(becomes));
        }
        drafts_free(d);
    }
}
END_TEST

static void assert_judged(const lm_operation_kind *kind, const char *value, const char *text, const char *wanted_reason)
{
    drafts *d = drafts_new();
    drafts_add(d, text);
    drafts_do(d, kind, value, NULL, 0);
    const char *why = drafts_dropped(d, 0);
    ck_assert_str_eq(why ? why : "", wanted_reason);
    drafts_free(d);
}

START_TEST(lengths)
{
    assert_judged(&lm_min_length_kind, "5", "가나다라마", "");
    assert_judged(&lm_min_length_kind, "5", "가나다라", "min-length=5: 4 characters");
    assert_judged(&lm_max_length_kind, "5", "caf\xC3\xA9s", "");
    assert_judged(&lm_max_length_kind, "5", "caf\xC3\xA9s!", "max-length=5: 6 characters");
    assert_judged(&lm_min_length_kind, "3w", " one\ttwo\xE3\x80\x80three ", "");
    assert_judged(&lm_min_length_kind, "3w", "one two-three", "min-length=3w: 2 words");
    assert_judged(&lm_max_length_kind, "2w", "하나 둘 셋", "max-length=2w: 3 words");
    assert_judged(&lm_max_length_kind, "0", "", "");
    assert_judged(&lm_min_length_kind, "1k", "short", "min-length=1000: 5 characters");
}
END_TEST

START_TEST(several_texts)
{
    drafts *d = drafts_new();
    drafts_add_texts(d, "A title\tand what it says.", NULL);
    drafts_do(d, &lm_filter_kind, "gopher-quality:min-doc-words=7", NULL, 0);
    ck_assert_str_eq(drafts_dropped(d, 0), "gopher-quality:min-doc-words=7: 6 words");
    drafts_free(d);

    d = drafts_new();
    drafts_add_texts(d, "Menu\nThis line is kept.\tSo is this one.\nClick here\t", NULL);
    drafts_add(d, "Nothing here.");
    drafts_do(d, &lm_filter_kind, "c4:min_num_sentences=2", NULL, 0);
    ck_assert_str_eq(drafts_all(d), "This line is kept.\tSo is this one.\t\n");
    ck_assert_ptr_nonnull(strstr(d->report.data, "filter: c4: 1 records dropped (min-num-sentences 1)"));
    drafts_free(d);
}
END_TEST

static void assert_refused(const lm_operation_kind *kind, const char *value, const char *why)
{
    lm_status st = LM_STATUS_INIT;
    const lm_augment_options o = {0};
    ck_assert_ptr_null(kind->open(value, &o, 0, &st));
    ck_assert_int_eq(st.code, LM_USAGE);
    ck_assert_msg(strstr(st.message, why) != NULL, "%s: %s", value, st.message);
}

START_TEST(values)
{
    assert_refused(&lm_filter_kind, "", "give gopher-quality");
    assert_refused(&lm_filter_kind, "gopher,nothing", "'nothing'");
    assert_refused(&lm_filter_kind, "c4:min-words=3", "it has min-num-sentences, min-words-per-line");
    assert_refused(&lm_filter_kind, "c4:min-words-per-line", "NAME=VALUE");
    assert_refused(&lm_filter_kind, "c4:min-words-per-line=-1", "0 to turn the rule off");
    assert_refused(&lm_filter_kind, "c4:min-words-per-line=nan", "0 to turn the rule off");
    assert_refused(&lm_filter_kind, "fineweb:language=kr", "give en, ko or auto");
    assert_refused(&lm_filter_kind, "c4,c4,c4,c4,c4,c4,c4,c4,c4,c4,c4,c4,c4,c4,c4,c4,c4", "more than 16");
    assert_refused(&lm_min_length_kind, "", "give a number");
    assert_refused(&lm_min_length_kind, "w", "give a number");
    assert_refused(&lm_max_length_kind, "-1", "give a number");
    assert_judged(&lm_filter_kind, "gopher-quality:language=ko:min_doc_words=5:max-non-alpha-words-ratio=90%", "나라의 강을 a b c 9",
                  "gopher-quality:min-alpha-words-ratio=0.9: 0.833333 of the words have letters");
    assert_judged(&lm_filter_kind, "gopher-quality:language=en:min-doc-words=2", "나라의 강을",
                  "gopher-quality:min-avg-word-length=3: 2.5 characters a word");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("quality");
    TCase *tc = tcase_create("quality");
    tcase_add_unchecked_fixture(tc, read_wanted, free_wanted);
    tcase_add_test(tc, words);
    tcase_add_test(tc, thresholds);
    tcase_add_test(tc, lengths);
    tcase_add_test(tc, several_texts);
    tcase_add_test(tc, values);
    suite_add_tcase(s, tc);
    return s;
}

UNIT_MAIN(suite)
