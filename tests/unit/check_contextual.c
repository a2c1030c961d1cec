/* Words by a masked language model: which tokens are words, which words are masked, and which one is drawn. */
#include "unit.h"

#include "augment/contextual/contextual.h"
#include "augment/contextual/masked_rows.h"
#include "base/memory.h"
#include "drafts.h"
#include "scratch.h"

#include <math.h>

static lm_status st;

/* ------------------------------------------------------------------ whole words */

START_TEST(letters)
{
    static const char *const good[] = {"word", "don't", "Straße", "영화", "말", "語", "naïve", "e\xCC\x81t"};
    static const char *const bad[] = {"", "a", "3", "a1", "snake_case", "'s", "rock'", "ㅋㅋ", "well-known", "a b", "—", "\xE1\x84\x80"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(lm_is_letters(lm_str_of(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!lm_is_letters(lm_str_of(bad[i])), "%s", bad[i]);
}
END_TEST

/* "id:word id:word ..." of a tokenizer that is made of a vocabulary file. */
static void whole_words(const char *name, const char *bytes, const char *want)
{
    char *dir = scratch_new(), *path = lm_format("%s/%s", dir, name);
    scratch_write(dir, name, bytes, strlen(bytes));
    lm_tokenizer *t = lm_tokenizer_open(path, &st);
    assert_ok(&st);
    lm_whole_words w;
    lm_buf got = {0};
    ck_assert(lm_whole_words_find(&w, t, lm_tokenizer_size(t), &st));
    for (int id = 0; id < w.size; id++)
        if (w.words[id].data)
            lm_buf_printf(&got, "%d:%.*s ", id, (int)w.words[id].len, w.words[id].data);
    ck_assert_str_eq(lm_buf_cstr(&got), want);
    lm_buf_free(&got);
    lm_whole_words_free(&w);
    lm_tokenizer_free(t);
    free(path);
    scratch_discard(dir);
}

START_TEST(tokens_that_are_words)
{
    /* the last but one is a syllable in two parts, as vocabularies without case have it */
    whole_words("vocab.txt",
                "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n##ing\nParis\n.\n42\nx\n\xE1\x84\x86\xE1\x85\xA1\xE1\x86\xAF\n##\xE1\x84\x80\n",
                "5:the 7:Paris 11:말 ");
    whole_words("tokenizer.json",
                "{\"added_tokens\":[{\"id\":0,\"content\":\"<mask>\",\"special\":true}],\"pre_tokenizer\":{\"type\":\"ByteLevel\","
                "\"add_prefix_space\":true},\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"<mask>\":0,"
                "\"word\":1,\"\xC4\xA0word\":2,\"\xC4\xA0\":3,\"\xC4\xA0\xC3\xAB\xC2\xA7\xC4\xB2\":4},\"merges\":[]}}",
                "2:word 4:말 ");
    whole_words("tokenizer.json",
                "{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"▁\",\"prepend_scheme\":\"always\"},\"decoder\":{\"type\":"
                "\"Metaspace\",\"replacement\":\"▁\",\"prepend_scheme\":\"always\"},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,"
                "\"vocab\":[[\"<unk>\",0],[\"▁말\",-1],[\"은\",-1],[\"▁new\",-2],[\"▁\",-3]]}}",
                "1:말 3:new ");
}
END_TEST

/* ------------------------------------------------------------------ drawing */

static lm_str words_of_test[] = {{NULL, 0}, {"one", 3}, {"Two", 3}, {"three", 5}, {"넷", 3}, {"five", 4}};
static lm_str lower_of_test[] = {{NULL, 0}, {"one", 3}, {"two", 3}, {"three", 5}, {"넷", 3}, {"five", 4}};
static const lm_whole_words test_words = {.size = 6, .words = words_of_test, .lower = lower_of_test};

static int draw(const char *not_this, bool syllable, double unit, const float *logits, int top_k)
{
    lm_mask mask = {.not_this = lm_str_of(not_this), .syllable = syllable, .unit = unit};
    return lm_mask_draw(&mask, &test_words, logits, 6, top_k);
}

/* By the softmax over the likeliest, in the order of the ids. */
START_TEST(draws_by_probability)
{
    const float logits[6] = {9, logf(0.1f), logf(0.2f), logf(0.4f), logf(0.6f), logf(0.3f)};
    static const double ends[] = {0.1, 0.3, 0.7, 1.0};
    static const int ids[] = {1, 2, 3, 5};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(draw("zero", false, (i ? ends[i - 1] : 0) + 1e-5, logits, 10), ids[i]);
        ck_assert_int_eq(draw("zero", false, ends[i] - 1e-5, logits, 10), ids[i]);
    }
    ck_assert_int_eq(draw("zero", false, 0.999, logits, 1), 3);
    ck_assert_int_eq(draw("three", false, 0.999, logits, 1), 5); /* never the word that stood there */
    ck_assert_int_eq(draw("zero", false, 0.4 / 0.7 - 1e-5, logits, 2), 3);
    ck_assert_int_eq(draw("zero", false, 0.4 / 0.7 + 1e-5, logits, 2), 5);
    ck_assert_int_eq(draw("two", false, 0.5, logits, 10), 3);
    ck_assert_int_eq(draw("zero", true, 0.5, logits, 10), 4);
    ck_assert_int_eq(draw("넷", true, 0.5, logits, 10), -1);
}
END_TEST

/* The top k of many, against sorting. */
START_TEST(likeliest_of_many)
{
    enum { WORDS = 3000 };
    static lm_str words[WORDS];
    static char spelled[WORDS][3];
    static float logits[WORDS];
    lm_philox_key key = lm_random_key(7, LM_FOR_SAMPLING, 0);
    for (int i = 0; i < WORDS; i++) {
        memcpy(spelled[i], "ab", 3);
        words[i] = (lm_str){spelled[i], 2};
        logits[i] = lm_random_float(key, (uint64_t)i, 0) * 20;
    }
    const lm_whole_words all = {.size = WORDS, .words = words, .lower = words};
    for (int k = 1; k <= LM_TOP_K_MAX; k *= 10) {
        double sum = 0, unit = 0.37, so_far = 0;
        int want = -1;
        for (int i = 0; i < WORDS; i++) {
            int larger = 0;
            for (int j = 0; j < WORDS; j++)
                larger += logits[j] > logits[i];
            sum += larger < k ? exp(logits[i]) : 0;
        }
        for (int i = 0; i < WORDS && want < 0; i++) {
            int larger = 0;
            for (int j = 0; j < WORDS; j++)
                larger += logits[j] > logits[i];
            so_far += larger < k ? exp(logits[i]) / sum : 0;
            want = so_far > unit ? i : -1;
        }
        lm_mask mask = {.not_this = {"x", 1}, .unit = unit};
        ck_assert_int_eq(lm_mask_draw(&mask, &all, logits, WORDS, k), want);
    }
}
END_TEST

/* ------------------------------------------------------------------ with models */

static lm_augment_options options(double share)
{
    lm_augment_options o = lm_augment_defaults;
    o.contextual.share = share;
    return o;
}

static size_t letters_of(const char *s, bool wanted)
{
    size_t n = 0;
    while (s[n] && ((s[n] & 0x80) || strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'", s[n]) != NULL) == wanted)
        n++;
    return n;
}

/* Words in a text, in order, with what stands between them as it was: how many are others now. -1: something else has changed. */
static int count_changes(const char *before, const char *after)
{
    int changes = 0;
    for (;;) {
        size_t gap = letters_of(before, false);
        if (strncmp(before, after, gap) != 0)
            return -1;
        before += gap;
        after += gap;
        size_t a = letters_of(before, true), b = letters_of(after, true);
        if (!a || !b)
            return a || b || *before != *after ? -1 : changes;
        changes += a != b || strncmp(before, after, a) != 0;
        before += a;
        after += b;
    }
}

static void with_model(const char *path, const char *text, int words)
{
    char *model = data_path(path);
    if (!model)
        return;
    static const double shares[] = {0, 0.01, 0.34, 0.5, 1};
    for (int i = 0; i < 5; i++) {
        lm_augment_options o = options(shares[i]);
        char *after = drafts_one(&lm_mlm_kind, model, &o, text), *again = drafts_one(&lm_mlm_kind, model, &o, text);
        int wanted = (int)(shares[i] * words), changes = count_changes(text, after);
        wanted = wanted < 1 && shares[i] > 0 ? 1 : wanted;
        ck_assert_msg(changes == wanted, "%g: %d words have changed, not %d: %s", shares[i], changes, wanted, after);
        ck_assert_str_eq(after, again);
        free(after);
        free(again);
    }
    free(model);
}

START_TEST(share_of_words)
{
    const char *text = "\tThe  quick brown FOX, which isn't \"lazy\";\r\njumps (42 times) over   the dogs  ";
    with_model("goldens/e2e/bert-fillmask", text, 12);
    with_model("goldens/e2e/roberta-fillmask", text, 12);
}
END_TEST

/* Texts of no word, of words that stay, and of more tokens than the model takes at once, or than are looked at together. */
START_TEST(any_text)
{
    char *model = data_path("goldens/e2e/bert-fillmask");
    if (!model)
        return;
    lm_augment_options o = options(1);
    static const char *const texts[] = {"", " ", "42 + 1 = 43?", "http://example.com/words @somebody me@example.com"};
    for (int i = 0; i < 4; i++) {
        char *after = drafts_one(&lm_mlm_kind, model, &o, texts[i]);
        ck_assert_str_eq(after, texts[i]);
        free(after);
    }
    lm_buf text = {0};
    for (int i = 0; i < 30000; i++)
        lm_buf_puts(&text, i % 7 == 6 ? "there,\n" : "there ");
    o = options(0.5);
    char *after = drafts_one(&lm_mlm_kind, model, &o, lm_buf_cstr(&text));
    int changes = count_changes(text.data, after);
    ck_assert_msg(changes > 14500 && changes <= 15000, "%d words have changed", changes); /* some stand where windows meet */
    free(after);
    lm_buf_free(&text);
    free(model);
}
END_TEST

START_TEST(protected_words)
{
    char *model = data_path("goldens/e2e/bert-fillmask"), *dir = scratch_new(), *path = lm_format("%s/words", dir);
    scratch_write(dir, "words", "# names\nFOX\nlazy\n", 17);
    lm_augment_options o = options(1);
    o.protect = path;
    if (model) {
        char *after = drafts_one(&lm_mlm_kind, model, &o, "The quick fox isn't Lazy.");
        ck_assert_int_eq(count_changes("The quick fox isn't Lazy.", after), 3);
        ck_assert_msg(strstr(after, " fox ") && strstr(after, " Lazy."), "%s", after);
        free(after);
    }
    free(path);
    scratch_discard(dir);
    free(model);
}
END_TEST

/* What a copy becomes depends on the record's number, the copy, the place of the operation and the seed. */
START_TEST(draws_of_copies)
{
    char *model = data_path("goldens/e2e/bert-fillmask");
    if (!model)
        return;
    lm_augment_options o = options(0.3);
    drafts *d = drafts_new(), *e = drafts_new();
    for (int i = 0; i < 6; i++) {
        drafts_add(d, "the same words stand here in all of these texts, always in the same order");
        drafts_add(e, "the same words stand here in all of these texts, always in the same order");
    }
    drafts_do(d, &lm_mlm_kind, model, &o, 1);
    drafts_do(e, &lm_mlm_kind, model, &o, 0);
    char *first = lm_strdup(drafts_text(d, 0));
    int differ = 0;
    for (size_t i = 1; i < 6; i++)
        differ += strcmp(first, drafts_text(d, i)) != 0;
    ck_assert_int_ge(differ, 4);
    char *all = lm_strdup(drafts_all(d));
    ck_assert_str_eq(all, drafts_all(e)); /* however many are looked at together */
    free(first);
    free(all);
    drafts_free(d);
    drafts_free(e);
    free(model);
}
END_TEST

START_TEST(no_such_model)
{
    drafts *d = drafts_new();
    lm_augment_options o = options(0.3);
    drafts_add(d, "a text");
    ck_assert(!drafts_try(d, &lm_mlm_kind, "", &o, 0, 0, &st));
    assert_says(&st, "--mlm: give a masked language model");
    ck_assert(!drafts_try(d, &lm_mlm_kind, "/nowhere", &o, 0, 0, &st));
    assert_says(&st, "--mlm: /nowhere");
    char *causal = data_path("goldens/e2e/gpt2-lm");
    if (causal) {
        ck_assert(!drafts_try(d, &lm_mlm_kind, causal, &o, 0, 0, &st));
        assert_says(&st, "mlm");
    }
    free(causal);
    drafts_free(d);
}
END_TEST

static void know_plugins(void)
{
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
}

static Suite *suite(void)
{
    Suite *s = suite_create("contextual");
    TCase *c = tcase_create("words");
    tcase_add_test(c, letters);
    tcase_add_test(c, tokens_that_are_words);
    tcase_add_test(c, draws_by_probability);
    tcase_add_test(c, likeliest_of_many);
    suite_add_tcase(s, c);
    c = tcase_create("models");
    tcase_add_checked_fixture(c, know_plugins, NULL);
    tcase_add_test(c, share_of_words);
    tcase_add_test(c, any_text);
    tcase_add_test(c, protected_words);
    tcase_add_test(c, draws_of_copies);
    tcase_add_test(c, no_such_model);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
