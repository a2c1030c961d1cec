/* Mistakes put into texts, and classes made of one size. */
#include "drafts.h"
#include "scratch.h"
#include "unit.h"

#include "augment/balance.h"
#include "augment/noise/noise.h"
#include "augment/noise/spoil.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/hangul.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ the Korean keyboard */

static void assert_written(const char *keys, const char *expected)
{
    lm_codes out = {0};
    lm_buf text = {0};
    lm_keys_write(keys, strlen(keys), &out);
    for (size_t i = 0; i < out.count; i++) {
        char bytes[4];
        lm_buf_append(&text, bytes, lm_utf8_encode(out.at[i], bytes));
    }
    ck_assert_str_eq(lm_buf_cstr(&text), expected);
    lm_codes_free(&out);
    lm_buf_free(&text);
}

START_TEST(dubeolsik)
{
    assert_written("gksrmf", "한글");
    assert_written("dkssudgktpdy", "안녕하세요");
    assert_written("ekfr", "닭");
    assert_written("ekfrdl", "닭이");
    assert_written("ekfrl", "달기"); /* the last consonant moves on */
    assert_written("Rkr", "깍");
    assert_written("rkE", "가ㄸ"); /* which is no final */
    assert_written("dho", "왜");
    assert_written("dml", "의");
    assert_written("hlk", "ㅚㅏ");
    assert_written("rkk", "가ㅏ");
    assert_written("rr", "ㄱㄱ");
    assert_written("zzz", "ㅋㅋㅋ");
    assert_written("GKS", "한"); /* shift changes nothing here */
    assert_written("dOP", "얘ㅖ");
}
END_TEST

/* Syllables come back from their keys: each alone, and each final before each initial. */
START_TEST(keys_of_syllables)
{
    for (uint32_t code = LM_HANGUL_FIRST; code <= LM_HANGUL_LAST; code++) {
        lm_syllable s = lm_syllable_of(code);
        ck_assert_uint_eq(lm_syllable_code(s), code);
        for (int initial = 0; initial < LM_HANGUL_INITIALS; initial++) {
            uint32_t next = lm_syllable_code((lm_syllable){initial, (s.vowel * 5 + initial) % LM_HANGUL_VOWELS, s.final});
            char keys[2 * LM_KEYS_MAX + 1];
            lm_codes out = {0};
            lm_syllable_keys(code, keys);
            lm_syllable_keys(next, keys + strlen(keys));
            lm_keys_write(keys, strlen(keys), &out);
            ck_assert_msg(out.count == 2 && out.at[0] == code && out.at[1] == next, "%s: U+%X U+%X", keys, code, next);
            lm_codes_free(&out);
        }
    }
}
END_TEST

/* ------------------------------------------------------------------ what is hit, and how often */

static char *noisy(const lm_operation_kind *kind, const char *share, uint64_t seed, const char *text)
{
    lm_augment_options o = lm_augment_defaults;
    o.seed = seed;
    return drafts_one(kind, share, &o, text);
}

static const lm_operation_kind *const kinds[] = {&lm_keyboard_kind, &lm_ocr_kind, &lm_jamo_kind, &lm_typo_kind, NULL};

START_TEST(what_stays)
{
    static const char *const texts[] = {"", " \n", "3,000.5 12 (7)!", "see: https://a.b/c?d <URL> [MASK] @you #tag 1", "。、！"};
    for (const lm_operation_kind *const *k = kinds; *k; k++) {
        for (size_t i = 1; i < sizeof texts / sizeof *texts; i++) {
            char *text = noisy(*k, "1", 3, texts[i] + (i == 3 ? 5 : 0));
            ck_assert_str_eq(text, texts[i] + (i == 3 ? 5 : 0));
            free(text);
        }
        char *text = noisy(*k, "0", 3, "Nothing 아무것도");
        ck_assert_str_eq(text, "Nothing 아무것도");
        free(text);
        lm_status st = LM_STATUS_INIT;
        drafts *d = drafts_new();
        ck_assert(!drafts_try(d, *k, "2", NULL, 0, 0, &st));
        assert_says(&st, "is no share");
        drafts_free(d);
    }
    char *dir = scratch_new();
    scratch_write(dir, "p", "same\n같은\n", strlen("same\n같은\n"));
    char *path = lm_format("%s/p", dir);
    lm_augment_options o = lm_augment_defaults;
    o.protect = path;
    for (const lm_operation_kind *const *k = kinds; *k; k++) {
        char *text = drafts_one(*k, "1", &o, "Same 같은, other 다른");
        ck_assert_msg(strncmp(text, "Same 같은, ", strlen("Same 같은, ")) == 0 && strcmp(text, "Same 같은, other 다른") != 0, "%s", text);
        free(text);
    }
    free(path);
    scratch_discard(dir);
}
END_TEST

static void assert_rate(int found, int times, double p)
{
    double deviation = sqrt(times * p * (1 - p));
    ck_assert_msg(fabs(found - times * p) <= 5 * deviation, "%d of %d, not %g", found, times, times * p);
}

/* How many of so many times the same letter or word (which a blank follows) differ. */
static int hits(const lm_operation_kind *kind, const char *share, const char *word, int times)
{
    lm_buf text = {0};
    int differ = 0, words = 0;
    for (int i = 0; i < times; i++)
        lm_buf_puts(&text, word), lm_buf_putc(&text, ' ');
    char *out = noisy(kind, share, 11, lm_buf_cstr(&text));
    for (char *p = strtok(out, " "); p; p = strtok(NULL, " "), words++)
        differ += strcmp(p, word) != 0;
    ck_assert_int_eq(words, times);
    lm_buf_free(&text);
    free(out);
    return differ;
}

START_TEST(rates)
{
    assert_rate(hits(&lm_keyboard_kind, "0.1", "a", 20000), 20000, 0.1);
    assert_rate(hits(&lm_keyboard_kind, "5%", "ㅋ", 20000), 20000, 0.05);
    assert_rate(hits(&lm_keyboard_kind, "0.1", "한", 20000), 20000, 1 - 0.9 * 0.9 * 0.9); /* three keys */
    assert_rate(hits(&lm_ocr_kind, "0.1", "A", 20000), 20000, 0.1);
    assert_rate(hits(&lm_ocr_kind, "0.2", "강", 20000), 20000, 0.2);
    ck_assert_int_eq(hits(&lm_ocr_kind, "1", "p", 100), 0); /* nothing looks like it */
    assert_rate(hits(&lm_jamo_kind, "0.1", "간", 20000), 20000, 0.1);
    ck_assert_int_eq(hits(&lm_jamo_kind, "1", "a", 100), 0);
}
END_TEST

/* Hits a text until each outcome was seen, and (all) no other. */
static void assert_seen(const lm_operation_kind *kind, const char *text, bool all, const char *const *outcomes)
{
    int seen[64] = {0}, n;
    for (uint64_t seed = 0; seed < 600; seed++) {
        char *out = noisy(kind, "1", seed, text);
        for (n = 0; outcomes[n] && strcmp(outcomes[n], out) != 0; n++)
            ;
        ck_assert_msg(outcomes[n] || !all, "%s from %s", out, text);
        seen[n] += outcomes[n] != NULL;
        free(out);
    }
    for (n = 0; outcomes[n]; n++)
        ck_assert_msg(seen[n], "never: %s", outcomes[n]);
}

#define OUTCOMES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define assert_outcomes(kind, text, outcomes) assert_seen(kind, text, true, outcomes)

START_TEST(outcomes)
{
    assert_outcomes(&lm_keyboard_kind, "s", OUTCOMES("a", "d", "w", "e", "z", "x"));
    assert_outcomes(&lm_keyboard_kind, "Q", OUTCOMES("W", "A"));
    assert_outcomes(&lm_keyboard_kind, "m", OUTCOMES("n", "j", "k"));
    assert_outcomes(&lm_keyboard_kind, "ㅣ", OUTCOMES("ㅏ", "ㅐ", "ㅔ"));
    assert_outcomes(&lm_keyboard_kind, "\xC3\xA9", OUTCOMES("\xC3\xA9"));
    assert_outcomes(&lm_ocr_kind, "m", OUTCOMES("rn"));
    assert_outcomes(&lm_ocr_kind, "rn", OUTCOMES("m", "tri", "th", "tu")); /* as one, or by itself and then n */
    assert_outcomes(&lm_ocr_kind, "x0", OUTCOMES("X0")); /* digits stay */
    assert_outcomes(&lm_jamo_kind, "에", OUTCOMES("애", "예", "헤", "ㅇㅔ"));
    assert_seen(&lm_jamo_kind, "있어", false, OUTCOMES("이써", "잇허", "이아"));
    assert_seen(&lm_jamo_kind, "안해", false, OUTCOMES("않애", "아애", "앉헤"));
    assert_seen(&lm_jamo_kind, "아니", false, OUTCOMES("안늬"));
}
END_TEST

/* One of four slips, each as likely. */
START_TEST(slips)
{
    int longer = 0, shorter = 0, swapped = 0, replaced = 0;
    enum { TIMES = 4000 };
    for (uint64_t seed = 0; seed < TIMES; seed++) {
        char *out = noisy(&lm_typo_kind, "0.5", seed, "3x5"); /* one letter, with nothing to swap it with */
        size_t n = strlen(out);
        longer += n == 4;
        shorter += n == 2;
        replaced += n == 3 && strcmp(out, "3x5") != 0;
        ck_assert(out[0] == '3' && out[n - 1] == '5');
        free(out);
        out = noisy(&lm_typo_kind, "0.5", seed, "ab");
        swapped += strcmp(out, "ba") == 0;
        ck_assert(*out);
        free(out);
        out = noisy(&lm_typo_kind, "1", seed, "b");
        ck_assert(*out);
        free(out);
    }
    assert_rate(longer, TIMES, 0.125);
    assert_rate(shorter, TIMES, 0.125);
    assert_rate(replaced, TIMES, 0.25);
    ck_assert_int_gt(swapped, TIMES / 10);
    assert_outcomes(&lm_typo_kind, "3K5", OUTCOMES("35", "3A5", "3B5", "3C5", "3D5", "3E5", "3F5", "3G5", "3H5", "3I5",
                                                   "3J5", "3L5", "3M5", "3N5", "3O5", "3P5", "3Q5", "3R5", "3S5", "3T5",
                                                   "3U5", "3V5", "3W5", "3X5", "3Y5", "3Z5", "3KA5", "3KB5", "3KC5", "3KD5",
                                                   "3KE5", "3KF5", "3KG5", "3KH5", "3KI5", "3KJ5", "3KL5", "3KM5", "3KN5",
                                                   "3KO5", "3KP5", "3KQ5", "3KR5", "3KS5", "3KT5", "3KU5", "3KV5", "3KW5",
                                                   "3KX5", "3KY5", "3KZ5"));
}
END_TEST

/* All of Unicode, and long words, at all strengths: what comes out is UTF-8. */
START_TEST(any_text)
{
    lm_buf text = {0};
    for (uint32_t code = 0x21; code < 0x30000; code += 1 + code / 97) {
        char bytes[4];
        lm_buf_append(&text, bytes, lm_utf8_encode(code, bytes));
        if (code % 5 == 0)
            lm_buf_putc(&text, ' ');
    }
    for (uint32_t code = LM_HANGUL_FIRST; code <= LM_HANGUL_LAST; code += 7) { /* in one word */
        char bytes[4];
        lm_buf_append(&text, bytes, lm_utf8_encode(code, bytes));
    }
    for (const lm_operation_kind *const *k = kinds; *k; k++)
        for (int share = 1; share <= 4; share++) {
            char value[8];
            snprintf(value, sizeof value, "%d%%", share * 25);
            char *out = noisy(*k, value, (uint64_t)share, lm_buf_cstr(&text));
            ck_assert(lm_utf8_valid(out, strlen(out)));
            ck_assert_str_ne(out, lm_buf_cstr(&text));
            free(out);
        }
    lm_buf_free(&text);
}
END_TEST

START_TEST(notes)
{
    lm_augment_options o = lm_augment_defaults;
    o.provenance = true;
    for (const lm_operation_kind *const *k = kinds; *k; k++) {
        drafts *d = drafts_new();
        drafts_add_texts(d, "one\ttwo", NULL);
        drafts_do(d, *k, "", &o, 0);
        char *expected = lm_format("\"op\":\"%s\",\"share\":0.05", (*k)->name);
        ck_assert_str_eq(lm_buf_cstr(d->all.items[0]->note), expected);
        free(expected);
        drafts_free(d);
    }
}
END_TEST

/* ------------------------------------------------------------------ balance */

/* Takes records of these labels through observe to settle, and sums the copies of each class up. */
static void *settled(drafts *d, const char *labels, const char *size, size_t memory, lm_status *st)
{
    lm_augment_options o = lm_augment_defaults;
    o.memory = memory;
    for (const char *l = labels; *l; l++) {
        char label[2] = {*l, 0};
        drafts_add_texts(d, "text", *l == '-' ? NULL : label)->number = 1000 + 3 * (uint64_t)(l - labels); /* some were dropped before */
    }
    void *self = lm_balance_kind.open(size, &o, 0, st);
    if (!self)
        return NULL;
    if (lm_balance_kind.observe(self, NULL, &d->all, st) && lm_balance_kind.collect(self, NULL, &d->all, st) &&
        lm_balance_kind.settle(self, st))
        return self;
    lm_balance_kind.close(self);
    return NULL;
}

static void assert_balanced(const char *labels, const char *size, const char *expected)
{
    drafts *d = drafts_new();
    lm_status st = LM_STATUS_INIT;
    void *self = settled(d, labels, size, 1 << 20, &st);
    assert_ok(&st);
    lm_buf copies = {0};
    for (size_t i = 0; i < d->all.count; i++)
        lm_buf_printf(&copies, "%d", (int)lm_balance_kind.copies(self, d->all.items[i]));
    ck_assert_str_eq(lm_buf_cstr(&copies), expected);
    lm_buf_free(&copies);
    lm_balance_kind.close(self);
    drafts_free(d);
}

START_TEST(balance)
{
    assert_balanced("aaabab", "", "000101");
    assert_balanced("abcc", "", "1100");
    assert_balanced("aaaab", "", "00003");
    assert_balanced("aaab", "5", "0114"); /* shared out */
    assert_balanced("aaab", "2", "0001"); /* larger classes stay */
    assert_balanced("aa", "", "00");
    assert_balanced("", "", "");
    static const struct { const char *labels, *size, *says; size_t memory; } bad[] = {
        {"ab-a", "", "record 1006 has no label", 1 << 20},
        {"ab", "0", "'0' is no size", 1 << 20},
        {"ab", "x", "'x' is no size", 1 << 20},
        {"aabb", "", "more than 3 records", 40},
        {"ab", "1M", "more than 65535 copies", 1 << 20},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lm_status st = LM_STATUS_INIT;
        drafts *d = drafts_new();
        ck_assert_ptr_null(settled(d, bad[i].labels, bad[i].size, bad[i].memory, &st));
        assert_says(&st, bad[i].says);
        drafts_free(d);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("noise");
    TCase *keyboard = tcase_create("keyboard"), *noise = tcase_create("noise"), *classes = tcase_create("balance");
    tcase_set_timeout(keyboard, 60);
    tcase_set_timeout(noise, 60);
    tcase_add_test(keyboard, dubeolsik);
    tcase_add_test(keyboard, keys_of_syllables);
    tcase_add_test(noise, what_stays);
    tcase_add_test(noise, rates);
    tcase_add_test(noise, outcomes);
    tcase_add_test(noise, slips);
    tcase_add_test(noise, any_text);
    tcase_add_test(noise, notes);
    tcase_add_test(classes, balance);
    suite_add_tcase(s, keyboard);
    suite_add_tcase(s, noise);
    suite_add_tcase(s, classes);
    return s;
}

UNIT_MAIN(suite)
