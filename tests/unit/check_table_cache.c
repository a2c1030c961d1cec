#include "unit.h"

#include "base/memory.h"
#include "base/random.h"
#include "text/files/table_cache.h"
#include "used_tables.h"

#include <sys/stat.h>
#include <unistd.h>

static const uint64_t key[2] = {1, 2};

static const char *const files[] = {
    "{\"version\":\"1.0\",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":3,\"\xc3\xa9\":4,\"\\u00ea\":5},"
    "\"merges\":[\"a b\"],\"unk_token\":\"a\"},\"added_tokens\":[]}",
    "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"<unk>\",0],[\"x\",-1.5],[\"xy\",-2.25],[\"x\",-3]],\"unk_id\":0}}",
};

static lm_buf print(const char *json, lm_token_tables *t, lm_buf *rest)
{
    lm_buf out = {0};
    ck_assert(lm_token_tables_scan(t, lm_str_of(json), rest));
    lm_table_cache_print(key, t, lm_buf_str(rest), &out);
    return out;
}

static void check_same(const lm_token_tables *a, const lm_token_tables *b)
{
    const lm_vocabulary *v = &a->vocabulary, *w = &b->vocabulary;
    ck_assert_int_eq(v->size, w->size);
    ck_assert_int_eq(v->count, w->count);
    ck_assert_uint_eq(v->longest, w->longest);
    ck_assert_uint_eq(a->merge_count, b->merge_count);
    ck_assert(!a->scores == !b->scores);
    for (int id = 0; id < v->size; id++) {
        lm_str x = lm_vocabulary_get(v, id), y = lm_vocabulary_get(w, id);
        ck_assert(!x.data == !y.data && lm_str_equal(x, y));
        ck_assert(!x.data || lm_vocabulary_find(v, x) == lm_vocabulary_find(w, x));
        ck_assert(!a->scores || a->scores[id] == b->scores[id]);
    }
    for (size_t i = 0; i < a->merge_count; i++)
        ck_assert(a->merges[i].left == b->merges[i].left && a->merges[i].right == b->merges[i].right);
}

START_TEST(there_and_back)
{
    lm_token_tables t = {0}, again = {0};
    lm_buf rest = {0}, other = {0}, file = print(files[_i], &t, &rest);
    ck_assert(lm_table_cache_parse(lm_buf_str(&file), key, &again, &other));
    check_same(&t, &again);
    ck_assert(lm_str_equal(lm_buf_str(&rest), lm_buf_str(&other)));
    lm_status st = LM_STATUS_INIT;
    ck_assert(lm_vocabulary_add(&again.vocabulary, (lm_str){"another", 7}, 9, &st)); /* it can grow */
    ck_assert_int_eq(lm_vocabulary_find(&again.vocabulary, (lm_str){"another", 7}), 9);
    lm_token_tables_free(&again);
    ck_assert(!lm_table_cache_parse(lm_buf_str(&file), (uint64_t[]){1, 3}, &again, &other));
    for (size_t n = 0; n < file.len; n++)
        ck_assert(!lm_table_cache_parse((lm_str){file.data, n}, key, &again, &other));
    lm_buf_putc(&file, 0);
    ck_assert(!lm_table_cache_parse(lm_buf_str(&file), key, &again, &other));
    file.len--;
    for (size_t i = 0; i < file.len; i++) { /* what is damaged by chance */
        file.data[i] ^= 4;
        ck_assert(!lm_table_cache_parse(lm_buf_str(&file), key, &again, &other));
        file.data[i] ^= 4;
    }
    lm_token_tables_free(&t);
    lm_buf_free(&rest);
    lm_buf_free(&other);
    lm_buf_free(&file);
}
END_TEST

/* Files that somebody has made with care: their digests are right. */
START_TEST(hostile)
{
    enum { TURNS = 40000 };
    lm_token_tables t = {0};
    lm_buf rest = {0}, file = print(files[_i], &t, &rest);
    char *bytes = lm_malloc(file.len, 1);
    size_t taken = 0;
    for (uint64_t turn = 0; turn < TURNS; turn++) {
        lm_philox_key draws = lm_random_key(3, LM_FOR_SHUFFLE, (uint64_t)_i);
        memcpy(bytes, file.data, file.len);
        for (uint64_t k = 0; k <= turn % 3; k++) {
            uint64_t draw = lm_random_u64(draws, turn, k);
            size_t at = draw % (turn & 4 ? TABLES_HEADER : file.len);
            static const char values[] = {0, 1, -1, 2, 127, -128, 64};
            bytes[at] = values[(draw >> 32) % sizeof values];
        }
        taken += use_tables(bytes, file.len, key);
    }
    ck_assert_uint_gt(taken, TURNS / 100); /* some changes change nothing that matters */
    lm_token_tables_free(&t);
    lm_buf_free(&rest);
    lm_buf_free(&file);
    free(bytes);
}
END_TEST

/* The directory: made when it is needed, its files the user's alone, no more than some. */
START_TEST(directory)
{
    char base[] = "/tmp/check_table_cache.XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(base));
    setenv("XDG_CACHE_HOME", base, 1);
    unsetenv("LMUTILS_CACHE");
    lm_buf json = {0}, rest = {0};
    lm_buf_reserve(&json, 2 * LM_TABLE_CACHE_LEAST);
    lm_table_cache c;
    struct stat s;
    for (int i = 0; i < LM_TABLE_CACHE_FILES + 3; i++) {
        lm_token_tables t = {0}, again = {0};
        json.len = rest.len = 0;
        lm_buf_printf(&json, "%*d%s", LM_TABLE_CACHE_LEAST, i, files[0]);
        ck_assert(lm_token_tables_scan(&t, lm_str_of(files[0]), &rest));
        lm_table_cache_find(&c, lm_buf_str(&json));
        ck_assert_ptr_nonnull(strstr(c.path, "/lmutils/tokenizer-"));
        ck_assert(!lm_table_cache_read(&c, &again, &rest));
        lm_table_cache_write(&c, &t, lm_buf_str(&rest));
        ck_assert(lm_table_cache_read(&c, &again, &rest));
        check_same(&t, &again);
        lm_token_tables_free(&again);
        ck_assert(stat(c.path, &s) == 0 && (s.st_mode & 0777) == 0600);
        chmod(c.path, 0620);
        ck_assert(!lm_table_cache_read(&c, &again, &rest));
        chmod(c.path, 0600);
        lm_table_cache_free(&c);
        lm_token_tables_free(&t);
    }
    lm_table_cache_find(&c, (lm_str){json.data, LM_TABLE_CACHE_LEAST - 1});
    ck_assert_ptr_null(c.path);
    char *count = lm_format("test $(ls %s/lmutils | wc -l) = %d && rm -r %s", base, LM_TABLE_CACHE_FILES, base);
    ck_assert_int_eq(system(count), 0);
    setenv("LMUTILS_CACHE", "", 1);
    lm_table_cache_find(&c, lm_buf_str(&json));
    ck_assert_ptr_null(c.path);
    setenv("LMUTILS_CACHE", "/proc/nowhere", 1); /* nothing comes of it, and nothing is said */
    lm_token_tables t = {0};
    lm_table_cache_find(&c, lm_buf_str(&json));
    ck_assert(!lm_table_cache_read(&c, &t, &rest));
    lm_table_cache_write(&c, &t, lm_buf_str(&rest));
    lm_table_cache_free(&c);
    free(count);
    lm_buf_free(&json);
    lm_buf_free(&rest);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("table_cache");
    TCase *c = tcase_create("table_cache");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, there_and_back, 0, 2);
    tcase_add_loop_test(c, hostile, 0, 2);
    tcase_add_test(c, directory);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
