/* What is compared of texts, and how more of it is held than memory does: against plain implementations, and against datatrove's
 * recipe as dedup.py reads it (dedup.json). */
#include "drafts.h"
#include "unit.h"

#include "augment/augment.h"
#include "augment/dedup/clusters.h"
#include "augment/dedup/seen.h"
#include "augment/dedup/signature.h"
#include "augment/dedup/simplify.h"
#include "base/memory.h"
#include "stream/json_tree.h"

#include <inttypes.h>

static const lm_philox_key key = {{1, 2}};

static json_t *open_tables(void)
{
    lm_status st = LM_STATUS_INIT;
    const char *source = getenv("abs_top_srcdir");
    char *path = lm_format("%s/tests/unit/dedup.json", source ? source : "..");
    json_t *tables = lm_json_read(path, 0, &st);
    assert_ok(&st);
    free(path);
    return tables;
}

static lm_str json_text(const json_t *s)
{
    return (lm_str){json_string_value(s), json_string_length(s)};
}

/* ------------------------------------------------------------------ sorting */

static int by_number(const void *a, const void *b)
{
    const lm_wide *x = a, *y = b;
    return lm_wide_before(*y, *x) - lm_wide_before(*x, *y);
}

/* Kind 0: any; 1: few different ones; 2: all but the last bits the same; 3: falling; 4: all the same. */
static lm_wide *numbers(int kind, size_t n)
{
    lm_wide *items = lm_malloc(n, sizeof *items);
    for (size_t i = 0; i < n; i++) {
        uint64_t high = lm_random_u64(key, i, 0), low = lm_random_u64(key, i, 1);
        items[i] = kind == 0   ? (lm_wide){high, low}
                   : kind == 1 ? (lm_wide){high % 5, low % 3}
                   : kind == 2 ? (lm_wide){~(uint64_t)0, low >> 40}
                   : kind == 3 ? (lm_wide){n - i, i}
                               : (lm_wide){7, 7};
    }
    return items;
}

START_TEST(sorting)
{
    enum { N = 60000 };
    static const size_t memory[] = {1 << 30, 1 << 18, 0};
    for (int kind = 0; kind < 5; kind++) {
        lm_wide *items = numbers(kind, N), *want = lm_malloc(N, sizeof *want);
        memcpy(want, items, N * sizeof *want);
        qsort(want, N, sizeof *want, by_number);
        for (size_t m = 0; m < sizeof memory / sizeof *memory; m++) {
            lm_status st = LM_STATUS_INIT;
            lm_sorter *s = lm_sorter_new(memory[m]);
            for (size_t i = 0, some; i < N; i += some) {
                some = i % 977 + 1 < N - i ? i % 977 + 1 : N - i;
                ck_assert(lm_sorter_add(s, items + i, some, &st));
            }
            ck_assert(lm_sorter_finish(s, &st));
            ck_assert_int_eq(lm_sorter_on_disk(s), m > 0);
            lm_wide x;
            for (size_t i = 0; i < N; i++) {
                ck_assert(lm_sorter_next(s, &x));
                ck_assert_msg(x.high == want[i].high && x.low == want[i].low, "kind %d, memory %zu: %zu", kind, memory[m], i);
            }
            ck_assert(!lm_sorter_next(s, &x));
            lm_sorter_free(s);
        }
        free(items), free(want);
    }
    lm_sorter *none = lm_sorter_new(0);
    lm_status st = LM_STATUS_INIT;
    lm_wide x;
    ck_assert(lm_sorter_finish(none, &st) && !lm_sorter_next(none, &x));
    lm_sorter_free(none);
}
END_TEST

START_TEST(finding_in_runs)
{
    enum { N = 20000 };
    for (int kind = 0; kind < 5; kind++) {
        lm_wide *items = numbers(kind, N);
        lm_wide_sort(items, N);
        lm_runs runs = {.fan_in = 4};
        lm_status st = LM_STATUS_INIT;
        ck_assert(lm_runs_add(&runs, items, N, &st));
        for (size_t i = 0; i < N; i += 7) {
            lm_wide near_it = {items[i].high, items[i].low + (i % 3) - 1};
            size_t at = 0;
            for (size_t low = 0, high = N; low < high; at = low) {
                size_t middle = (low + high) / 2;
                if (lm_wide_before(items[middle], near_it))
                    low = middle + 1;
                else
                    high = middle;
            }
            const lm_wide *found = lm_run_find(&runs.items[0], near_it);
            ck_assert_int_eq(found == NULL, at == N);
            ck_assert(!found || (size_t)(found - runs.items[0].items) == at);
        }
        ck_assert_ptr_null(lm_run_find(&runs.items[0], (lm_wide){~(uint64_t)0, ~(uint64_t)0}));
        lm_runs_free(&runs);
        free(items);
    }
}
END_TEST

START_TEST(no_room_for_runs)
{
    ck_assert_int_eq(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
    lm_status st = LM_STATUS_INIT;
    lm_sorter *s = lm_sorter_new(0);
    lm_wide *items = numbers(0, 1 << 13);
    ck_assert(!lm_sorter_add(s, items, 1 << 13, &st));
    ck_assert_ptr_nonnull(strstr(st.message, "/nowhere/at/all"));
    lm_sorter_free(s);
    free(items);
    unsetenv("TMPDIR");
}
END_TEST

/* ------------------------------------------------------------------ what was seen */

START_TEST(seen_keys)
{
    enum { N = 60000, DIFFERENT = 25000 };
    static const size_t memory[] = {1 << 26, 1 << 17, 0};
    for (size_t m = 0; m < sizeof memory / sizeof *memory; m++) {
        uint64_t *first = lm_malloc(DIFFERENT, sizeof *first);
        memset(first, 0xff, DIFFERENT * sizeof *first);
        lm_seen *s = lm_seen_new(memory[m]);
        lm_status st = LM_STATUS_INIT;
        for (uint64_t i = 0; i < N; i++) {
            uint64_t which = lm_random_below(key, i, 3, DIFFERENT), number = i;
            /* which 0 is the key that is all zero */
            lm_wide k = which ? lm_key_of(lm_random_u64(key, which, 4), lm_random_u64(key, which, 5)) : (lm_wide){0, 0};
            ck_assert_int_eq(lm_seen_has(s, k), first[which] != UINT64_MAX);
            int rc = lm_seen_or_add(s, k, &number, &st);
            ck_assert_int_eq(rc, first[which] != UINT64_MAX);
            if (rc == 0)
                first[which] = i;
            ck_assert_uint_eq(number, first[which]);
        }
        ck_assert_int_eq(lm_seen_on_disk(s), m > 0);
        lm_seen_free(s);
        free(first);
    }
}
END_TEST

START_TEST(joined_clusters)
{
    enum { N = 3000, PAIRS = 1800 };
    int group[N];
    lm_clusters c;
    lm_status st = LM_STATUS_INIT;
    lm_clusters_begin(&c, 0);
    for (int i = 0; i < N; i++) {
        group[i] = i;
        ck_assert(lm_clusters_add(&c, 10 * (uint64_t)i, &st));
    }
    for (uint64_t p = 0; p < PAIRS; p++) {
        uint64_t a = lm_random_below(key, p, 6, N), b = lm_random_below(key, p, 7, N);
        lm_clusters_join(&c, a, b);
        int from = group[a] > group[b] ? group[a] : group[b], to = group[a] > group[b] ? group[b] : group[a];
        for (int i = 0; i < N; i++)
            group[i] = group[i] == from ? to : group[i];
    }
    lm_clusters_found found = lm_clusters_look(&c), want = {0};
    for (uint64_t i = 0; i < N; i++) {
        ck_assert_uint_eq(lm_clusters_root(&c, i), (uint64_t)group[i]);
        ck_assert_uint_eq(lm_clusters_number(&c, i), 10 * i);
        uint64_t size = 0;
        for (int k = 0; k < N; k++)
            size += group[k] == group[i];
        want.records += size > 1;
        want.clusters += size > 1 && group[i] == (int)i;
        if (size > want.largest[0].records)
            want.largest[0] = (struct lm_cluster){size, 10 * i};
    }
    ck_assert_uint_eq(found.clusters, want.clusters);
    ck_assert_uint_eq(found.records, want.records);
    ck_assert_int_eq(found.shown, LM_LARGEST_CLUSTERS);
    ck_assert_uint_eq(found.largest[0].records, want.largest[0].records);
    ck_assert_uint_eq(found.largest[0].number, want.largest[0].number);
    for (int i = 1; i < found.shown; i++) {
        const struct lm_cluster *before = &found.largest[i - 1], *this = &found.largest[i];
        ck_assert(before->records > this->records || (before->records == this->records && before->number < this->number));
        uint64_t size = 0;
        for (int k = 0; k < N; k++)
            size += (uint64_t)group[k] == this->number / 10;
        ck_assert_uint_eq(size, this->records);
    }
    lm_clusters_end(&c);
}
END_TEST

/* ------------------------------------------------------------------ texts */

static void assert_simplified(unsigned ignored, lm_str text, lm_str want)
{
    lm_simplifier s;
    lm_simplifier_init(&s, ignored);
    lm_buf out = {0};
    lm_buf_puts(&out, "before");
    lm_simplify(&s, text, &out);
    lm_str got = {out.data + 6, out.len - 6};
    ck_assert_msg(lm_str_equal(got, want), "'%.*s' became '%.*s', and '%.*s' is wanted", (int)text.len, text.data, (int)got.len,
                  got.data, (int)want.len, want.data);
    lm_buf_free(&out);
}

START_TEST(simplified_as_datatrove)
{
    json_t *tables = open_tables(), *pair;
    size_t i;
    json_array_foreach(json_object_get(tables, "simplified"), i, pair)
        assert_simplified(LM_SIMPLIFY_DATATROVE, json_text(json_array_get(pair, 0)), json_text(json_array_get(pair, 1)));
    ck_assert_uint_gt(i, 60);
    json_decref(tables);
}
END_TEST

START_TEST(simplified_in_part)
{
    static const struct {
        unsigned ignored;
        const char *text, *want;
    } cases[] = {
        {0, " A,\t1.5 é\n", " A,\t1.5 e\u0301\n"},
        {LM_IGNORE_CASE, " ABC É Σ ΑΣ ", " abc e\u0301 σ ας "},
        {LM_IGNORE_SPACE, "\n A  b\u3000\u00a0C\t", "A b C"},
        {LM_IGNORE_PUNCTUATION, "a,b «c» ·'x'", "a b  c    x "},
        {LM_IGNORE_PUNCTUATION | LM_IGNORE_SPACE, "'a', «b»。", "a b"},
        {LM_IGNORE_NUMBERS, "12.50 ٣ 1.2.3", "0 0 0.0"},
        {LM_IGNORE_ACCENTS, "Crème ệ", "Creme e"},
        {LM_IGNORE_CASE | LM_IGNORE_SPACE, "한글\t각", "\u1112\u1161\u11ab\u1100\u1173\u11af \u1100\u1161\u11a8"},
        /* marks in the order of their classes, whatever it was: below (220) before above (230), of one class as they stood */
        {0, "a\u0307\u0323\u0301b", "a\u0323\u0307\u0301b"},
        {0, "\u0307\u0323", "\u0323\u0307"},
        {LM_IGNORE_SPACE, " \u0307\u0323 ", "\u0323\u0307"},
        {0, "\u1e0b\u0323", "d\u0323\u0307"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_simplified(cases[i].ignored, lm_str_of(cases[i].text), lm_str_of(cases[i].want));
}
END_TEST

/* A long run of marks that stand in the wrong order takes no time that grows with its square, and what decomposes into most
 * finds room. */
START_TEST(simplified_marks)
{
    enum { MARKS = 200000 };
    lm_buf text = {0}, want = {0};
    lm_buf_putc(&text, 'a');
    lm_buf_putc(&want, 'a');
    for (int i = 0; i < MARKS; i++)
        lm_buf_puts(&text, i % 2 ? "\u0323" : "\u0307");
    for (int i = 0; i < MARKS; i++)
        lm_buf_puts(&want, i < MARKS / 2 ? "\u0323" : "\u0307");
    assert_simplified(0, lm_buf_str(&text), lm_buf_str(&want));
    text.len = want.len = 0;
    for (int i = 0; i < 1000; i++) {
        lm_buf_puts(&text, "\u1f82");
        lm_buf_puts(&want, "α\u0313\u0300\u0345");
    }
    assert_simplified(0, lm_buf_str(&text), lm_buf_str(&want));
    lm_buf_free(&text);
    lm_buf_free(&want);
}
END_TEST

/* ------------------------------------------------------------------ signatures */

static uint64_t big(const json_t *s)
{
    return strtoull(json_string_value(s), NULL, 10);
}

START_TEST(signatures_as_datatrove)
{
    json_t *tables = open_tables(), *functions = json_object_get(tables, "functions"), *one;
    lm_minhasher m = {.ngram = 5, .buckets = 14, .hashes = 8};
    lm_minhasher_init(&m, 1);
    static const int places[] = {0, 1, 2, 111};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(m.a[places[i]], big(json_array_get(json_object_get(functions, "a"), i)));
        ck_assert_uint_eq(m.b[places[i]], big(json_array_get(json_object_get(functions, "b"), i)));
    }
    lm_minhasher_free(&m);
    lm_simplifier s;
    lm_simplifier_init(&s, LM_SIMPLIFY_DATATROVE);
    size_t i;
    json_array_foreach(json_object_get(tables, "signatures"), i, one) {
        const json_t *want = json_object_get(one, "signature");
        m = (lm_minhasher){.ngram = (int)json_integer_value(json_object_get(one, "ngram")), .buckets = 1,
                           .hashes = json_is_null(want) ? 112 : (int)json_array_size(want)};
        lm_minhasher_init(&m, (uint32_t)json_integer_value(json_object_get(one, "seed")));
        lm_buf text = {0};
        lm_simplify(&s, json_text(json_object_get(one, "text")), &text);
        lm_shingles shingles = {0};
        for (int keep_all = 0; keep_all < 2; keep_all++) {
            ck_assert_int_eq(lm_minhash_text(&m, lm_buf_str(&text), keep_all, &shingles), !json_is_null(want));
            for (int h = 0; !json_is_null(want) && h < m.hashes; h++)
                ck_assert_uint_eq(shingles.least[h], big(json_array_get(want, (size_t)h)));
        }
        lm_shingles_free(&shingles);
        lm_minhasher_free(&m);
        lm_buf_free(&text);
    }
    ck_assert_uint_eq(i, 6);
    json_decref(tables);
}
END_TEST

START_TEST(similarities)
{
    json_t *tables = open_tables(), *one;
    size_t i;
    json_array_foreach(json_object_get(tables, "jaccard"), i, one) {
        lm_minhasher m = {.ngram = (int)json_integer_value(json_object_get(one, "ngram")), .buckets = 1, .hashes = 1};
        lm_minhasher_init(&m, 1);
        lm_shingles of[2] = {{0}};
        for (size_t k = 0; k < 2; k++) {
            lm_minhash_text(&m, json_text(json_array_get(json_object_get(one, "texts"), k)), true, &of[k]);
            lm_shingles_make_set(&of[k]);
        }
        ck_assert_double_eq_tol(lm_jaccard(of[0].at, of[0].count, of[1].at, of[1].count),
                                json_real_value(json_object_get(one, "similarity")), 1e-12);
        lm_shingles_free(&of[0]);
        lm_shingles_free(&of[1]);
        lm_minhasher_free(&m);
    }
    ck_assert_uint_eq(i, 3);
    json_decref(tables);
}
END_TEST

/* Characters are what is seen as one: a syllable and its jamo, three of which are a shingle here. */
START_TEST(shingles_of_characters)
{
    lm_simplifier s;
    lm_simplifier_init(&s, LM_SIMPLIFY_DATATROVE);
    lm_minhasher m = {.ngram = 3, .characters = true, .buckets = 1, .hashes = 1};
    lm_minhasher_init(&m, 1);
    static const struct {
        const char *text;
        size_t shingles;
    } cases[] = {{"안녕", 0}, {"안녕하", 1}, {"안녕하세요", 3}, {"ab", 0}, {"a b", 1}, {"日本語の", 2}, {"ㅋㅋㅋㅋ", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_buf text = {0};
        lm_shingles shingles = {0};
        lm_simplify(&s, lm_str_of(cases[i].text), &text);
        ck_assert_int_eq(lm_minhash_text(&m, lm_buf_str(&text), true, &shingles), cases[i].shingles > 0);
        ck_assert_msg(shingles.count == cases[i].shingles, "%s: %zu", cases[i].text, shingles.count);
        lm_shingles_free(&shingles);
        lm_buf_free(&text);
    }
    lm_minhasher_free(&m);
}
END_TEST

/* ------------------------------------------------------------------ the operations */

static void assert_dropped(const drafts *d, size_t i, const char *why)
{
    const char *got = drafts_dropped(d, i);
    ck_assert_msg(got && why ? strcmp(got, why) == 0 : got == why, "record %zu: %s, and %s is wanted", i, got ? got : "kept",
                  why ? why : "kept");
}

static const char *const texts[] = {
    "The same  Text", "안녕하세요 세계",   "the same text", "안녕하세요 세계", "The same text.", " THE\tSAME TEXT\n",
    "",               "\u1112\u1161\u11ab", "한",            " ",
};
enum { TEXTS = sizeof texts / sizeof *texts };

static drafts *drafts_of_texts(void)
{
    drafts *d = drafts_new();
    for (size_t i = 0; i < TEXTS; i++)
        drafts_add(d, texts[i]);
    return d;
}

START_TEST(exact_duplicates)
{
    static const char *const same[TEXTS] = {
        [2] = "dedup: duplicate of record 0", [3] = "dedup: duplicate of record 1", [5] = "dedup: duplicate of record 0",
        [8] = "dedup: duplicate of record 7", [9] = "dedup: duplicate of record 6",
    };
    for (size_t per_batch = 0; per_batch < 4; per_batch++) {
        drafts *d = drafts_of_texts();
        drafts_do(d, &lm_dedup_kind, "", NULL, per_batch);
        for (size_t i = 0; i < TEXTS; i++)
            assert_dropped(d, i, same[i]);
        ck_assert_str_eq(lm_buf_cstr(&d->report), "dedup: 5 of 10 records are duplicates\n");
        drafts_free(d);
    }
}
END_TEST

START_TEST(what_is_ignored)
{
    static const struct {
        const char *value;
        int kept;
    } cases[] = {{"none", 9}, {"case", 8}, {"space", 7}, {"punctuation,space,case", 4}, {"case,space", 5}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        drafts *d = drafts_of_texts();
        drafts_do(d, &lm_dedup_kind, cases[c].value, NULL, 0);
        int kept = 0;
        for (size_t i = 0; i < TEXTS; i++)
            kept += !drafts_dropped(d, i);
        ck_assert_msg(kept == cases[c].kept, "%s: %d kept, %d wanted", cases[c].value, kept, cases[c].kept);
        drafts_free(d);
    }
    static const char *const wrong[] = {"cases", "case,", ",case", "case;space", "0.7"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        lm_status st = LM_STATUS_INIT;
        ck_assert_ptr_null(lm_dedup_kind.open(wrong[i], &lm_augment_defaults, 0, &st));
        ck_assert_int_eq(st.code, LM_USAGE);
        ck_assert_ptr_nonnull(strstr(st.message, "punctuation"));
        ck_assert(!lm_dedup_takes(wrong[i]));
    }
    ck_assert(lm_dedup_takes("accents,numbers") && lm_dedup_takes("none") && !lm_dedup_takes("news.csv"));
}
END_TEST

/* Texts are told apart from one another, labels only said to differ. */
START_TEST(texts_and_labels)
{
    drafts *d = drafts_new();
    drafts_add_texts(d, "a b\tc", "x");
    drafts_add_texts(d, "a\tb c", "x");
    drafts_add_texts(d, "A b\tc", "x");
    drafts_add_texts(d, "a b\tC", "y");
    drafts_add_texts(d, "a b\tc", NULL);
    drafts_do(d, &lm_dedup_kind, "", NULL, 2);
    static const char *const why[] = {NULL, NULL, "dedup: duplicate of record 0",
                                      "dedup: duplicate of record 0, which has another label", "dedup: duplicate of record 0"};
    for (size_t i = 0; i < 5; i++)
        assert_dropped(d, i, why[i]);
    ck_assert_ptr_nonnull(strstr(lm_buf_cstr(&d->report), "3 of 5 records are duplicates, 1 of them with another label"));
    drafts_free(d);
}
END_TEST

START_TEST(exact_with_little_memory)
{
    enum { N = 6000, DIFFERENT = 2500 };
    static const size_t memory[] = {1 << 26, 1};
    for (size_t m = 0; m < 2; m++) {
        drafts *d = drafts_new();
        bool was_there[DIFFERENT] = {false};
        for (uint64_t i = 0; i < N; i++) {
            char text[64];
            snprintf(text, sizeof text, "기록 number %" PRIu64, lm_random_below(key, i, 8, DIFFERENT));
            drafts_add(d, text);
        }
        lm_augment_options o = lm_augment_defaults;
        o.memory = memory[m];
        drafts_do(d, &lm_dedup_kind, "none", &o, 700);
        for (uint64_t i = 0; i < N; i++) {
            bool *seen = &was_there[lm_random_below(key, i, 8, DIFFERENT)];
            ck_assert_int_eq(drafts_dropped(d, i) != NULL, *seen);
            *seen = true;
        }
        ck_assert_int_eq(strstr(lm_buf_cstr(&d->report), "on disk") != NULL, m == 1);
        drafts_free(d);
    }
}
END_TEST

static drafts *drafts_of_corpus(const json_t *tables)
{
    drafts *d = drafts_new();
    json_t *text;
    size_t i;
    json_array_foreach(json_object_get(tables, "corpus"), i, text)
        drafts_add(d, json_string_value(text));
    return d;
}

START_TEST(near_duplicates_as_datatrove)
{
    json_t *tables = open_tables(), *roots = json_object_get(tables, "roots");
    for (size_t per_batch = 0; per_batch < 60; per_batch += 29) {
        lm_augment_options o = lm_augment_defaults;
        o.memory = per_batch == 29 ? 1 : 1 << 26;
        drafts *d = drafts_of_corpus(tables);
        drafts_do(d, &lm_near_dedup_kind, "", &o, per_batch);
        int dropped = 0;
        for (size_t i = 0; i < json_array_size(roots); i++) {
            uint64_t root = (uint64_t)json_integer_value(json_array_get(roots, i));
            char why[80];
            snprintf(why, sizeof why, "near-dedup: near duplicate of record %" PRIu64, root);
            assert_dropped(d, i, root == i ? NULL : why);
            dropped += root != i;
        }
        ck_assert_int_gt(dropped, 50);
        ck_assert_int_eq(strstr(lm_buf_cstr(&d->report), "on disk") != NULL, per_batch == 29);
        drafts_free(d);
    }
    json_decref(tables);
}
END_TEST

/* With a threshold, what is dropped is as similar as that to another one, and what is very similar to one before is dropped. */
START_TEST(near_duplicates_above)
{
    enum { CORPUS_MAX = 1000 };
    json_t *tables = open_tables();
    lm_minhasher m = {.ngram = 5, .buckets = 1, .hashes = 1};
    lm_minhasher_init(&m, 1);
    static const char *const thresholds[] = {"0.5", "0.8", "1"};
    int dropped[3] = {0};
    for (int t = 0; t < 3; t++) {
        drafts *d = drafts_of_corpus(tables);
        lm_shingles sets[CORPUS_MAX] = {{0}};
        ck_assert_uint_le(d->all.count, CORPUS_MAX);
        for (size_t i = 0; i < d->all.count; i++) {
            lm_minhash_text(&m, d->all.items[i]->texts[0], true, &sets[i]);
            lm_shingles_make_set(&sets[i]);
        }
        lm_augment_options o = lm_augment_defaults;
        o.memory = t == 1 ? 1 : 1 << 26;
        drafts_do(d, &lm_near_dedup_kind, thresholds[t], &o, 50);
        for (size_t i = 0; i < d->all.count; i++) {
            double before = 0, most = 0;
            for (size_t k = 0; k < d->all.count; k++) {
                double s = i != k && sets[i].count && sets[k].count
                               ? lm_jaccard(sets[i].at, sets[i].count, sets[k].at, sets[k].count)
                               : 0;
                most = s > most ? s : most;
                before = k < i && s > before ? s : before;
            }
            bool is_dropped = drafts_dropped(d, i);
            dropped[t] += is_dropped;
            ck_assert(!is_dropped || most >= atof(thresholds[t]));
            ck_assert(is_dropped || before < (t == 2 ? 1 : 0.98));
        }
        for (size_t i = 0; i < d->all.count; i++)
            lm_shingles_free(&sets[i]);
        drafts_free(d);
    }
    ck_assert_int_gt(dropped[0], dropped[1]);
    ck_assert_int_gt(dropped[1], dropped[2]);
    ck_assert_int_gt(dropped[2], 0);
    lm_minhasher_free(&m);
    json_decref(tables);
}
END_TEST

START_TEST(near_duplicates_of_characters)
{
    static const char *const reviews[] = {
        "정말 재미있는 영화였습니다 배우들의 연기도 훌륭했어요", "정말 재미있는 영화 였습니다! 배우들의 연기도 훌륭했어요.",
        "지루해서 보다가 잠들었네요 시간이 아까운 작품",
    };
    lm_augment_options o = lm_augment_defaults;
    o.near = (lm_near_options){.ngram = 3, .ngram_of = 1, .buckets = 20, .hashes = 3, .seed = 1};
    drafts *d = drafts_new();
    for (int i = 0; i < 3; i++)
        drafts_add(d, reviews[i]);
    drafts_do(d, &lm_near_dedup_kind, "0.5", &o, 0);
    assert_dropped(d, 0, NULL);
    assert_dropped(d, 1, "near-dedup: near duplicate of record 0");
    assert_dropped(d, 2, NULL);
    drafts_free(d);
}
END_TEST

START_TEST(near_values)
{
    static const char *const wrong[] = {"0", "1.5", "-1", "0.5x", "nan", "news.csv"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        lm_status st = LM_STATUS_INIT;
        ck_assert_ptr_null(lm_near_dedup_kind.open(wrong[i], &lm_augment_defaults, 0, &st));
        ck_assert_int_eq(st.code, LM_USAGE);
        ck_assert_ptr_nonnull(strstr(st.message, wrong[i]));
        ck_assert(!lm_near_dedup_takes(wrong[i]));
    }
    ck_assert(lm_near_dedup_takes("0.7") && lm_near_dedup_takes("70%") && lm_near_dedup_takes("1"));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("dedup");
    TCase *t = tcase_create("dedup");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, sorting);
    tcase_add_test(t, finding_in_runs);
    tcase_add_test(t, no_room_for_runs);
    tcase_add_test(t, seen_keys);
    tcase_add_test(t, joined_clusters);
    tcase_add_test(t, simplified_as_datatrove);
    tcase_add_test(t, simplified_in_part);
    tcase_add_test(t, simplified_marks);
    tcase_add_test(t, signatures_as_datatrove);
    tcase_add_test(t, similarities);
    tcase_add_test(t, shingles_of_characters);
    tcase_add_test(t, exact_duplicates);
    tcase_add_test(t, what_is_ignored);
    tcase_add_test(t, texts_and_labels);
    tcase_add_test(t, exact_with_little_memory);
    tcase_add_test(t, near_duplicates_as_datatrove);
    tcase_add_test(t, near_duplicates_above);
    tcase_add_test(t, near_duplicates_of_characters);
    tcase_add_test(t, near_values);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
