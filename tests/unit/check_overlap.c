/* Passages that stand elsewhere, against plain implementations that compare everything with everything. */
#include "unit.h"

#include "augment/overlap/overlap.h"
#include "augment/overlap/words.h"
#include "base/memory.h"
#include "drafts.h"
#include "scratch.h"

#include <ctype.h>

static const lm_philox_key key = {{7, 9}};

static size_t below(uint64_t *draw, size_t bound)
{
    return (size_t)lm_random_below(key, ++*draw, 0, bound);
}

/* ------------------------------------------------------------------ words */

static bool same_words(const char *a, const char *b)
{
    lm_compared_words x = {0}, y = {0};
    lm_compared_words_add(&x, lm_str_of(a));
    lm_compared_words_add(&y, lm_str_of(b));
    bool same = x.count == y.count && (x.count == 0 || memcmp(x.hashes, y.hashes, x.count * sizeof *x.hashes) == 0);
    lm_compared_words_free(&x);
    lm_compared_words_free(&y);
    return same;
}

static size_t word_count(const char *text)
{
    lm_compared_words x = {0};
    lm_compared_words_add(&x, lm_str_of(text));
    size_t n = x.count;
    lm_compared_words_free(&x);
    return n;
}

START_TEST(compared_words)
{
    ck_assert(same_words("Hello, World!", "  hello world"));
    ck_assert(same_words("the well-known ÉTÉ", "The well known été"));
    ck_assert(same_words("e\xcc\x81t\xc3\xa9", "\xc3\xa9te\xcc\x81")); /* composed and not */
    ck_assert(same_words("한국어", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab\xe1\x84\x80\xe1\x85\xae\xe1\x86\xa8\xe1\x84\x8b\xe1\x85\xa5"));
    ck_assert(same_words("soft\xc2\xadware", "software"));
    ck_assert(same_words("漢字「かな」", "漢 字 か な"));
    ck_assert(same_words("a\xe3\x80\x80" "b\xc2\xa0" "c", "a b c"));
    ck_assert(!same_words("ab c", "a bc"));
    ck_assert(!same_words("재미있는 영화", "재미있는영화"));
    ck_assert_uint_eq(word_count("나는 어제 영화를 봤다."), 4);
    ck_assert_uint_eq(word_count("-- ... !?"), 0);
    ck_assert_uint_eq(word_count(""), 0);
}
END_TEST

/* Long texts are composed piece by piece: as many words, wherever a piece ends. */
START_TEST(long_texts)
{
    lm_buf text = {0};
    for (size_t i = 0; i < 30000; i++)
        lm_buf_puts(&text, i % 3 ? "caf\xc3\xa9 " : "cafe\xcc\x81 ");
    lm_compared_words w = {0};
    lm_compared_words_add(&w, lm_buf_str(&text));
    ck_assert_uint_eq(w.count, 30000);
    for (size_t i = 1; i < w.count; i++)
        ck_assert_uint_eq(w.hashes[i], w.hashes[0]);
    lm_compared_words_free(&w);
    lm_buf_free(&text);
}
END_TEST

/* ------------------------------------------------------------------ substrings */

/* Kind 0: few letters; 1: two of them; 2: runs of one; 3: Hangul; passages are copied about in all. */
static void make_text(int kind, uint64_t *draw, const lm_buf *earlier, lm_buf *text)
{
    size_t parts = 1 + below(draw, 4);
    for (size_t p = 0; p < parts; p++) {
        if (earlier->len && below(draw, 3) == 0) {
            size_t from = below(draw, earlier->len), n = below(draw, 120);
            for (; from < earlier->len && ((unsigned char)earlier->data[from] & 0xC0) == 0x80; from++)
                continue;
            n = n < earlier->len - from ? n : earlier->len - from;
            for (; from + n < earlier->len && ((unsigned char)earlier->data[from + n] & 0xC0) == 0x80; n++)
                continue;
            lm_buf_append(text, earlier->data + from, n);
            continue;
        }
        for (size_t i = below(draw, 90), run = 0; i > 0; i--) {
            if (kind == 3)
                lm_buf_printf(text, "%s", (const char *[]){"가", "나", "다", "라 "}[below(draw, 4)]);
            else if (kind == 2 && (run = run ? run - 1 : below(draw, 80)))
                lm_buf_puts(text, "=-");
            else
                lm_buf_putc(text, (char)('a' + below(draw, kind == 1 ? 2 : 6)));
        }
    }
}

/* What is left of texts[i], all windows compared with all before them. */
static void cut_plainly(lm_buf *texts, size_t count, size_t n, lm_buf *left)
{
    lm_buf all = {0};
    for (size_t i = 0; i < count; i++) {
        lm_buf_append(&all, texts[i].data, texts[i].len);
        lm_buf_putc(&all, '\xff');
    }
    bool *cut = lm_calloc(all.len + 1, 1);
    for (size_t p = n; p + n <= all.len; p++) {
        bool repeat = memchr(all.data + p, 0xff, n) == NULL, found = false;
        for (size_t q = 0; repeat && !found && q + n <= p; q++)
            found = all.data[q] == all.data[p] && memcmp(all.data + q, all.data + p, n) == 0;
        if (found)
            memset(cut + p, 1, n);
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++, at++) {
        size_t end = at + texts[i].len;
        bool last = texts[i].len && cut[end - 1];
        while (at < end) { /* a character goes if all of it is cut */
            size_t len = 1;
            bool whole = cut[at];
            for (; at + len < end && ((unsigned char)all.data[at + len] & 0xC0) == 0x80; len++)
                whole = whole && cut[at + len];
            if (!whole)
                lm_buf_append(&left[i], all.data + at, len);
            at += len;
        }
        while (last && left[i].len && isspace((unsigned char)left[i].data[left[i].len - 1]))
            left[i].len--;
    }
    free(cut);
    lm_buf_free(&all);
}

static bool is_blank(const lm_buf *text)
{
    for (size_t i = 0; i < text->len; i++)
        if (!isspace((unsigned char)text->data[i]))
            return false;
    return true;
}

static void substrings(int kind, size_t n, size_t memory, size_t per_batch, uint64_t *draw)
{
    enum { TEXTS = 24 };
    lm_buf texts[TEXTS] = {{0}}, left[TEXTS] = {{0}}, earlier = {0};
    drafts *d = drafts_new();
    for (size_t i = 0; i < TEXTS; i++) {
        make_text(kind, draw, &earlier, &texts[i]);
        lm_buf_append(&earlier, texts[i].data, texts[i].len);
        drafts_add_bytes(d, lm_buf_str(&texts[i]));
    }
    cut_plainly(texts, TEXTS, n, left);
    lm_augment_options o = lm_augment_defaults;
    o.memory = memory;
    char value[32];
    snprintf(value, sizeof value, "%zu", n);
    drafts_do(d, &lm_dedup_substring_kind, value, &o, per_batch);
    for (size_t i = 0; i < TEXTS; i++) {
        if (left[i].len < texts[i].len && is_blank(&left[i])) {
            ck_assert_str_eq(drafts_dropped(d, i), "dedup-substring: all of it stood before");
            continue;
        }
        ck_assert_msg(drafts_text(d, i) && strcmp(drafts_text(d, i), lm_buf_cstr(&left[i])) == 0,
                      "kind %d, n %zu: of \"%s\" is left \"%s\", not \"%s\"", kind, n, lm_buf_cstr(&texts[i]), drafts_text(d, i),
                      lm_buf_cstr(&left[i]));
    }
    for (size_t i = 0; i < TEXTS; i++) {
        lm_buf_free(&texts[i]);
        lm_buf_free(&left[i]);
    }
    lm_buf_free(&earlier);
    drafts_free(d);
}

START_TEST(substrings_of_all_kinds)
{
    uint64_t draw = (uint64_t)_i << 32;
    for (int kind = 0; kind < 4; kind++) {
        for (size_t n = 16; n < 60; n += 7)
            substrings(kind, n, n % 2 ? (size_t)1 << 24 : 1 << 12, 1 + below(&draw, 30), &draw);
    }
}
END_TEST

/* A long run costs no more than another text, and what comes in and behind it is found. */
START_TEST(runs)
{
    enum { LONG = 3000000 };
    char *text = lm_malloc(LONG + 100, 1);
    memset(text, ' ', LONG);
    strcpy(text + LONG, "and this is how it ends, said Alice to the rabbit");
    drafts *d = drafts_new();
    drafts_add(d, text);
    drafts_add(d, text + LONG - 500);
    drafts_add(d, text + LONG);
    drafts_do(d, &lm_dedup_substring_kind, "32", NULL, 0);
    lm_buf first = {0};
    lm_buf_printf(&first, "%32sand this is how it ends, said Alice to the rabbit", "");
    ck_assert_str_eq(drafts_text(d, 0), lm_buf_cstr(&first));
    ck_assert_ptr_nonnull(drafts_dropped(d, 1));
    ck_assert_ptr_nonnull(drafts_dropped(d, 2));
    lm_buf_free(&first);
    drafts_free(d);
    free(text);
}
END_TEST

START_TEST(substring_values)
{
    drafts *d = drafts_new();
    static const char *const bad[] = {"", "15", "-3", "many", "100000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lm_status st = LM_STATUS_INIT;
        ck_assert(!drafts_try(d, &lm_dedup_substring_kind, bad[i], NULL, 0, 0, &st));
        ck_assert_int_eq(st.code, LM_USAGE);
    }
    drafts_free(d);
}
END_TEST

/* ------------------------------------------------------------------ lines and sentences */

START_TEST(lines)
{
    drafts *d = drafts_new();
    drafts_add(d, "Share this page\nOne.\n\nTwo.\n");
    drafts_add(d, "share this PAGE!\r\nThree.\n\n--\nOne\n");
    drafts_add(d, "공유하기\n첫 번째 소식");
    drafts_add(d, "두 번째 소식\n공유하기");
    drafts_add(d, "One.\nShare this page");
    drafts_add(d, "--\n\n");
    drafts_do(d, &lm_dedup_lines_kind, "", NULL, 2);
    ck_assert(drafts_is_untouched(d, 0));
    ck_assert_str_eq(drafts_text(d, 1), "Three.\n\n--");
    ck_assert(drafts_is_untouched(d, 2));
    ck_assert_str_eq(drafts_text(d, 3), "두 번째 소식");
    ck_assert_str_eq(drafts_dropped(d, 4), "dedup-lines: all of it stood before");
    ck_assert(drafts_is_untouched(d, 5));
    ck_assert_ptr_nonnull(strstr(lm_buf_cstr(&d->report), "in 3 of 6 records; nothing is left of 1\n"));
    drafts_free(d);
}
END_TEST

START_TEST(sentences)
{
    static const struct {
        const char *first, *second, *left;
    } cases[] = {
        {"A b. C d! E f? G h.", "X y. A b. C d! E f? Z.", "X y. Z."},
        {"A b. C d! E f? G h.", "A b. C d! X.", "A b. C d! X."}, /* two in a row are no span */
        {"A b. C d! E f? G h.", "X. \"C d!\" E f? G h.", "X."},
        {"Version 1.2 is out. Get it (now.) It is good.", "Version 1.2 is out. Get it (now.) It is good. More.", "More."},
        {"비가 왔다. 우산이 없었다. 그래서 뛰었다.", "어제였다. 비가 왔다. 우산이 없었다. 그래서 뛰었다.", "어제였다."},
        {"雨です。傘がない。走る。", "昨日。雨です。傘がない。走る。終り。", "昨日。終り。"},
        {"Only one.", "only one", NULL},
        {"Aa b. C d. A a.\nE f. G h. I j.", "E f.\nG h. I j. Tail", "Tail"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        drafts *d = drafts_new();
        drafts_add(d, cases[i].first);
        drafts_add(d, cases[i].second);
        drafts_do(d, &lm_dedup_sentences_kind, "", NULL, 1);
        ck_assert(drafts_is_untouched(d, 0));
        if (cases[i].left)
            ck_assert_str_eq(drafts_text(d, 1), cases[i].left);
        else
            ck_assert_ptr_nonnull(drafts_dropped(d, 1));
        drafts_free(d);
    }
}
END_TEST

/* However little memory, and however the records come: the same lines are left. */
START_TEST(lines_out_of_memory)
{
    char *expected = NULL;
    static const struct {
        size_t memory, per_batch;
    } ways[] = {{1 << 30, 0}, {1 << 30, 7}, {1 << 14, 100}, {0, 333}};
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        uint64_t draw = 5;
        lm_augment_options o = lm_augment_defaults;
        o.memory = ways[way].memory;
        drafts *d = drafts_new();
        for (size_t i = 0; i < 2000; i++) {
            lm_buf text = {0};
            for (size_t k = 1 + below(&draw, 6); k > 0; k--)
                lm_buf_printf(&text, "line %zu\n", below(&draw, 3000));
            drafts_add_bytes(d, lm_buf_str(&text));
            lm_buf_free(&text);
        }
        drafts_do(d, &lm_dedup_lines_kind, "", &o, ways[way].per_batch);
        if (!expected)
            expected = lm_strdup(drafts_all(d));
        ck_assert_str_eq(drafts_all(d), expected);
        drafts_free(d);
    }
    ck_assert_uint_gt(strlen(expected), 1000);
    free(expected);
}
END_TEST

/* ------------------------------------------------------------------ test sets */

/* A file in a directory of its own. */
static char *file_of(const char *bytes, size_t n, char **dir)
{
    *dir = scratch_new();
    scratch_write(*dir, "test.jsonl", bytes, n);
    return lm_format("%s/test.jsonl", *dir);
}

#define TWELVE "one two three four five six seven eight nine ten eleven twelve"

static const char *const test_set =
    "{\"text\": \"" TWELVE " thirteen fourteen\"}\n"
    "{\"text\": \"Alpha, beta; gamma delta -- epsilon zeta eta theta!\"}\n"
    "{\"text\": \"정말 재미있는 영화였다\"}\n"
    "{\"text\": \"who is it\", \"pair\": \"a1 a2 a3 a4 a5 a6 a7 a8 a9 a10 a11 a12 a13 a14\"}\n";

START_TEST(contaminated)
{
    static const struct {
        const char *text;
        int words, row; /* 0: it is clean */
    } cases[] = {
        {"so " TWELVE " thirteen and so on", 13, 1},
        {"so " TWELVE " and so on", 0, 0},
        {"ONE two THREE, four five six seven eight nine ten eleven twelve\nthirteen", 13, 1},
        {"two three four five six seven eight nine ten eleven twelve thirteen fourteen", 13, 1},
        {"we saw alpha beta gamma delta epsilon zeta eta theta there", 8, 2},
        {"we saw alpha beta gamma delta epsilon zeta eta there", 0, 0},
        {"정말, 재미있는 영화였다!", 3, 3},
        {"정말 재미있는 영화였다 다시 보고 싶다", 0, 0},
        {"x a2 a3 a4 a5 a6 a7 a8 a9 a10 a11 a12 a13 a14", 13, 4},
        {"who is it", 3, 4},
        {"", 0, 0},
        {"-- !", 0, 0},
    };
    char *dir, *path = file_of(test_set, strlen(test_set), &dir);
    drafts *d = drafts_new();
    const size_t count = sizeof cases / sizeof *cases;
    for (size_t i = 0; i < count; i++)
        drafts_add(d, cases[i].text);
    drafts_do(d, &lm_decontaminate_kind, path, NULL, 5);
    for (size_t i = 0; i < count; i++) {
        char *why = lm_format("decontaminate: %d words in a row stand in %s:%d", cases[i].words, path, cases[i].row);
        if (cases[i].row)
            ck_assert_str_eq(drafts_dropped(d, i), why);
        else
            ck_assert(drafts_is_untouched(d, i));
        free(why);
    }
    ck_assert_ptr_nonnull(strstr(lm_buf_cstr(&d->report), "7 of 12 records have words of"));
    ck_assert_ptr_nonnull(strstr(lm_buf_cstr(&d->report), "of 4 of its 4 rows"));
    drafts_free(d);
    free(path);
    scratch_discard(dir);
}
END_TEST

/* Against looking at every place. */
START_TEST(contaminated_plainly)
{
    enum { ROWS = 60, RECORDS = 400, N = 5, LONGEST = 20 };
    uint64_t draw = 11;
    unsigned char words[ROWS + RECORDS][LONGEST];
    size_t lengths[ROWS + RECORDS];
    lm_buf set = {0};
    drafts *d = drafts_new();
    for (size_t i = 0; i < ROWS + RECORDS; i++) {
        lm_buf text = {0};
        lengths[i] = 1 + below(&draw, LONGEST);
        for (size_t k = 0; k < lengths[i]; k++)
            lm_buf_printf(&text, "w%d ", words[i][k] = (unsigned char)below(&draw, 6));
        if (i < ROWS)
            lm_buf_printf(&set, "{\"text\":\"%s\"}\n", lm_buf_cstr(&text));
        else
            drafts_add_bytes(d, lm_buf_str(&text));
        lm_buf_free(&text);
    }
    char *dir, *path = file_of(set.data, set.len, &dir);
    lm_augment_options o = lm_augment_defaults;
    o.overlap.decontaminate_ngram = N;
    drafts_do(d, &lm_decontaminate_kind, path, &o, 64);
    size_t dirty = 0;
    for (size_t i = ROWS; i < ROWS + RECORDS; i++) {
        bool found = false;
        for (size_t row = 0; row < ROWS && !found; row++) {
            found = lengths[row] < N && lengths[row] == lengths[i] && memcmp(words[row], words[i], lengths[i]) == 0;
            for (size_t a = 0; a + N <= lengths[row] && !found; a++)
                for (size_t b = 0; b + N <= lengths[i] && !found; b++)
                    found = memcmp(words[row] + a, words[i] + b, N) == 0;
        }
        ck_assert_msg(found == (drafts_dropped(d, i - ROWS) != NULL), "record %zu", i - ROWS);
        dirty += found;
    }
    ck_assert(dirty > RECORDS / 10 && dirty < RECORDS - RECORDS / 10);
    drafts_free(d);
    lm_buf_free(&set);
    free(path);
    scratch_discard(dir);
}
END_TEST

START_TEST(no_test_set)
{
    char *dirs[2], *empty = file_of("{\"text\":\"--\"}\n", 14, &dirs[0]), *bad = file_of("{\"text\":\n", 9, &dirs[1]);
    const char *const values[] = {"", "/nowhere/test.jsonl", empty, bad};
    drafts *d = drafts_new();
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        lm_status st = LM_STATUS_INIT;
        ck_assert(!drafts_try(d, &lm_decontaminate_kind, values[i], NULL, 0, 0, &st));
        ck_assert_msg(strncmp(st.message, "--decontaminate", 15) == 0, "%s", st.message);
    }
    drafts_free(d);
    free(empty);
    free(bad);
    scratch_discard(dirs[0]);
    scratch_discard(dirs[1]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("overlap");
    TCase *t = tcase_create("overlap");
    tcase_add_test(t, compared_words);
    tcase_add_test(t, long_texts);
    tcase_add_loop_test(t, substrings_of_all_kinds, 0, 4);
    tcase_add_test(t, runs);
    tcase_add_test(t, substring_values);
    tcase_add_test(t, lines);
    tcase_add_test(t, sentences);
    tcase_add_test(t, lines_out_of_memory);
    tcase_add_test(t, contaminated);
    tcase_add_test(t, contaminated_plainly);
    tcase_add_test(t, no_test_set);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
