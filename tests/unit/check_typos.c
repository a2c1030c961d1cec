/* Typos: words as keys, the slips, how often words occur, and what a word should be, with dictionaries made here. */
#include "unit.h"

#include "augment/typos/corrector.h"
#include "augment/typos/edits.h"
#include "augment/typos/typos.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "config.h"
#include "drafts.h"
#include "scratch.h"
#include "text/unicode/hangul.h"

/* ------------------------------------------------------------------ keys */

static const char *typed(const char *word)
{
    static char text[LM_KEYS_MAX + 1];
    lm_keys keys;
    if (!lm_keys_of(lm_str_of(word), &keys))
        return NULL;
    for (int i = 0; i < keys.count; i++)
        text[i] = (char)keys.at[i];
    text[keys.count] = 0;
    return text;
}

static lm_keys hangul_keys(const char *letters)
{
    lm_keys keys = {.hangul = true};
    for (; *letters; letters++)
        keys.at[keys.count++] = (unsigned char)*letters;
    return keys;
}

START_TEST(hangul_is_typed)
{
    ck_assert_str_eq(typed("안녕하세요"), "dkssudgktpdy");
    ck_assert_str_eq(typed("꽃을"), "Rhcdmf");
    ck_assert_str_eq(typed("뷁"), "qnpfr");
    ck_assert_str_eq(typed("word"), "word");
    ck_assert_ptr_null(typed("한a"));
    ck_assert_ptr_null(typed("a한"));
    ck_assert_ptr_null(typed("하ㅋ"));
    ck_assert_ptr_null(typed("어어어어어어어어어어어어어어어어어어어어어어어어어어"));
    static const struct {
        const char *keys, *word; /* NULL: no whole syllables */
    } cases[] = {
        {"gksrmf", "한글"}, {"rkqtdl", "값이"}, {"rkqtl", "갑시"}, {"dkfrdms", "앍은"}, {"rhk", "과"}, {"Ekddml", "땅의"},
        {"rkr", "각"}, {"rkrk", "가가"}, {"rkEk", "가따"}, {"rkE", NULL}, {"rrk", NULL}, {"rkrr", NULL}, {"rk1", NULL},
        {"k", NULL}, {"r", NULL}, {"", ""},
    };
    lm_buf out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_keys keys = hangul_keys(cases[i].keys);
        out.len = 0;
        ck_assert_msg(lm_keys_word(&keys, &out) == (cases[i].word != NULL), "%s", cases[i].keys);
        ck_assert_str_eq(lm_buf_cstr(&out), cases[i].word ? cases[i].word : "");
    }
    lm_buf_free(&out);
}
END_TEST

/* Every syllable, alone and with others behind it, comes out of its keys. */
START_TEST(every_syllable)
{
    static const uint32_t next[] = {0, 0xAC00, 0xC544, 0xB530}; /* none, 가, 아, 따 */
    lm_buf word = {0}, out = {0};
    for (uint32_t code = LM_HANGUL_FIRST; code <= LM_HANGUL_LAST; code++) {
        for (size_t i = 0; i < sizeof next / sizeof *next; i++) {
            char bytes[4];
            word.len = out.len = 0;
            lm_buf_append(&word, bytes, lm_utf8_encode(code, bytes));
            if (next[i])
                lm_buf_append(&word, bytes, lm_utf8_encode(next[i], bytes));
            lm_keys keys;
            ck_assert(lm_keys_of(lm_buf_str(&word), &keys) && keys.hangul);
            ck_assert(lm_keys_word(&keys, &out));
            ck_assert_str_eq(lm_buf_cstr(&out), lm_buf_cstr(&word));
        }
    }
    lm_buf_free(&word);
    lm_buf_free(&out);
}
END_TEST

START_TEST(touching_keys)
{
    static const char *const touch[] = {"qw", "qa", "as", "az", "gh", "gt", "gy", "gv", "gb", "op", "lk", "lo", "lp",
                                        "nm", "mj", "Gh", "tT"};
    static const char *const apart[] = {"qs", "qe", "ad", "gr", "gu", "gc", "gn", "pm", "aa", "TT", "q1", "p;", "zq"};
    for (size_t i = 0; i < sizeof touch / sizeof *touch; i++)
        ck_assert_msg(lm_keys_touch((unsigned char)touch[i][0], (unsigned char)touch[i][1]) &&
                          lm_keys_touch((unsigned char)touch[i][1], (unsigned char)touch[i][0]), "%s", touch[i]);
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++)
        ck_assert_msg(!lm_keys_touch((unsigned char)apart[i][0], (unsigned char)apart[i][1]), "%s", apart[i]);
    ck_assert(!lm_keys_touch(0xE9, 'e'));
}
END_TEST

/* ------------------------------------------------------------------ slips */

typedef struct visits {
    size_t count;
    const char *looked_for;
    int likelihood; /* the most that it was given */
} visits;

static void visit(void *context, lm_str word, int likelihood)
{
    visits *v = context;
    v->count++;
    if (lm_str_is(word, v->looked_for) && likelihood > v->likelihood)
        v->likelihood = likelihood;
}

static visits visits_of(const char *word, const char *looked_for)
{
    uint32_t letters[33];
    for (int i = 0; i < 33; i++)
        letters[i] = (unsigned char)"abcdefghijklmnopqrstuvwxyzQWERTOP"[i];
    visits v = {.looked_for = looked_for};
    lm_keys keys;
    lm_buf buf = {0};
    ck_assert(lm_keys_of(lm_str_of(word), &keys));
    lm_edits(&keys, letters, keys.hangul ? 33 : 26, &buf, visit, &v);
    lm_buf_free(&buf);
    return v;
}

START_TEST(slips)
{
    static const struct {
        const char *word, *from;
        int likelihood;
    } cases[] = {
        {"wrold", "world", 8}, {"owrld", "world", 4}, {"wprld", "world", 8}, {"wzrld", "world", 2}, {"worrld", "world", 8},
        {"workld", "world", 8}, {"wormld", "world", 2}, {"wold", "world", 4}, {"hapy", "happy", 8}, {"orld", "world", 2},
        {"worl", "world", 4}, {"world", "world", 0}, {"wrdlo", "world", 0},
        {"학겨", "학교", 8}, {"하교", "학교", 8}, {"학굠", "학교", 2},
        {"재미있능", "재미있는", 8}, {"안뇽", "안녕", 8}, {"하굥", "학교", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        visits v = visits_of(cases[i].word, cases[i].from);
        ck_assert_msg(v.likelihood == cases[i].likelihood, "%s from %s: %d", cases[i].word, cases[i].from, v.likelihood);
    }
    ck_assert_uint_eq(visits_of("abcd", "").count, 3 + 4 * 25 + 4 + 5 * 26);
    ck_assert_uint_eq(visits_of("a", "").count, 25 + 2 * 26);
}
END_TEST

/* ------------------------------------------------------------------ frequencies */

START_TEST(frequencies)
{
    static const size_t memory[] = {1 << 24, 1 << 12};
    for (size_t m = 0; m < 2; m++) {
        lm_status st = LM_STATUS_INIT;
        lm_frequencies *f = lm_frequencies_new(memory[m]);
        for (uint64_t round = 1; round <= 3; round++) {
            lm_wide words[2000];
            for (uint64_t i = 0; i < 2000; i++)
                words[i] = (lm_wide){(i + 1) * 0x9e3779b97f4a7c15u, i % 7 * round};
            ck_assert(lm_frequencies_add(f, words, 2000, &st));
        }
        ck_assert(lm_frequencies_settle(f, &st));
        for (uint64_t i = 0; i < 2000; i++)
            ck_assert_uint_eq(lm_frequency(f, (i + 1) * 0x9e3779b97f4a7c15u), i % 7 * 6);
        ck_assert_uint_eq(lm_frequency(f, 0), 0);
        ck_assert_uint_eq(lm_frequencies_total(f), 6 * 5995);
        ck_assert_uint_eq(lm_frequency(f, UINT64_MAX), 0);
        lm_frequencies_free(f);
    }
    lm_status st = LM_STATUS_INIT;
    lm_frequencies *none = lm_frequencies_new(1 << 20);
    ck_assert(lm_frequencies_settle(none, &st));
    ck_assert_uint_eq(lm_frequency(none, 1), 0);
    lm_frequencies_free(none);
}
END_TEST

/* ------------------------------------------------------------------ with a dictionary */

#ifdef HAVE_HUNSPELL

static void write_dictionary(const char *dir, const char *name, const char *aff, const char *dic)
{
    char *file = lm_format("%s.aff", name);
    scratch_write(dir, file, aff, strlen(aff));
    free(file);
    file = lm_format("%s.dic", name);
    scratch_write(dir, file, dic, strlen(dic));
    free(file);
}

/* English, German in Latin-1, and Korean, each of a few words. */
static char *dictionaries(void)
{
    char *dir = scratch_new();
    write_dictionary(dir, "en", "SET UTF-8\nTRY esianrtolcdugmphbyfvkwz\nSFX S Y 1\nSFX S 0 s .\n",
                     "15\nworld/S\ngovernment/S\nhappy\nthe\nis\nround\nthere\nthen\nwould\nword/S\nKaspar\nform\nfrom\nhere\nare\n");
    write_dictionary(dir, "de", "SET ISO8859-1\nTRY esijanrtolcdugmphbyf\xe4\xfc\xf6\xdf\n", "2\nsch\xf6n\ngr\xfc\xdf" "e\n");
    write_dictionary(dir, "kr", "SET UTF-8\n", "3\n재미있는\n영화\n학교에서\n");
    return dir;
}

static char *paths(const char *dir)
{
    return lm_format("%s/en.dic,%s/de,%s/kr.dic", dir, dir, dir);
}

START_TEST(corrections)
{
    static const char *const texts[] = {
        "the world is round, world of worlds",
        "the word is round",
        "the word is here",
        "the goverment is happy",
        "there are worlds",
        "from here",
        "the wrold is rounnd",
        "kaspar is hapy",
        "qwerty qwerty qwerty qwerty qwerty qwerty qwerty qwerty qwerty qwerty qwerto",
        "The Goverment https://wrold.com wrold2 WRLOD, wrold!",
        "das ist shcön und grüse",
        "재미있능 영화",
        "학겨에서, 재미있는",
        "fom here",
        "owrd",
        "Wordl wrld x",
    };
    static const char *const fixed[] = {
        "the world is round, world of worlds",
        "the word is round",
        "the word is here",
        "the government is happy",
        "there are worlds",
        "from here",
        "the world is round",
        "kaspar is happy",
        "qwerty qwerty qwerty qwerty qwerty qwerty qwerty qwerty qwerty qwerty qwerto",
        "The Goverment https://wrold.com wrold2 WRLOD, world!",
        "das is schön und grüße",
        "재미있는 영화",
        "학교에서, 재미있는",
        "from here",
        "word",
        "Wordl world x",
    };
    char *dir = dictionaries(), *names = paths(dir);
    for (size_t per_batch = 0; per_batch < 4; per_batch++) {
        drafts *d = drafts_new();
        lm_augment_options o = lm_augment_defaults;
        o.typos.dictionary = names;
        o.memory = per_batch % 2 ? 1 << 24 : 1 << 12;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            drafts_add(d, texts[i]);
        drafts_do(d, &lm_fix_typos_kind, "", &o, per_batch);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            ck_assert_str_eq(drafts_text(d, i), fixed[i]);
            ck_assert_int_eq(drafts_is_untouched(d, i), strcmp(texts[i], fixed[i]) == 0);
        }
        drafts_free(d);
    }
    free(names);
    scratch_discard(dir);
}
END_TEST

START_TEST(protected_words)
{
    char *dir = dictionaries(), *names = paths(dir), *list = lm_format("%s/list", dir);
    scratch_write(dir, "list", "wrold\n", 6);
    lm_augment_options o = lm_augment_defaults;
    o.typos.dictionary = names;
    char *changed = drafts_one(&lm_fix_typos_kind, "", &o, "the wrold is hapy");
    ck_assert_str_eq(changed, "the world is happy");
    free(changed);
    o.protect = list;
    changed = drafts_one(&lm_fix_typos_kind, "", &o, "the wrold is hapy");
    ck_assert_str_eq(changed, "the wrold is happy");
    free(changed);
    free(list);
    free(names);
    scratch_discard(dir);
}
END_TEST

START_TEST(no_dictionary)
{
    static const char *const names[] = {"xx_YY", "en_US,/nowhere/a.dic", ""};
    drafts *d = drafts_new();
    drafts_add(d, "text");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_augment_options o = lm_augment_defaults;
        o.typos.dictionary = names[i];
        ck_assert(!drafts_try(d, &lm_fix_typos_kind, "", &o, 0, 0, &st));
        ck_assert_int_eq(st.code, LM_USAGE);
        assert_says(&st, "there is no such dictionary");
    }
    drafts_free(d);
}
END_TEST

#else

START_TEST(without_hunspell)
{
    lm_status st = LM_STATUS_INIT;
    drafts *d = drafts_new();
    ck_assert(!drafts_try(d, &lm_fix_typos_kind, "", NULL, 0, 0, &st));
    assert_says(&st, "built without hunspell");
    drafts_free(d);
}
END_TEST

#endif

static Suite *suite(void)
{
    Suite *s = suite_create("typos");
    TCase *t = tcase_create("typos");
    tcase_add_test(t, hangul_is_typed);
    tcase_add_test(t, every_syllable);
    tcase_add_test(t, touching_keys);
    tcase_add_test(t, slips);
    tcase_add_test(t, frequencies);
#ifdef HAVE_HUNSPELL
    tcase_add_test(t, corrections);
    tcase_add_test(t, protected_words);
    tcase_add_test(t, no_dictionary);
#else
    tcase_add_test(t, without_hunspell);
#endif
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
