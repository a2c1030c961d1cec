#include "unit.h"

#include "base/atomic.h"
#include "base/memory.h"
#include "base/random.h"
#include "text/files/table_cache.h"
#include "text/models/bpe.h"
#include "kept_files.h"
#include "used_tables.h"

#include <sys/stat.h>
#include <unistd.h>

static lm_map map_of(const lm_buf *file)
{
    return (lm_map){file->data, file->len};
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
    ck_assert_uint_eq(a->index.part_count, b->index.part_count);
    ck_assert(!a->index.parts || (memcmp(a->index.parts, b->index.parts, a->index.part_count * sizeof *a->index.parts) == 0 &&
                                  memcmp(a->index.least, b->index.least, LM_BYTE_PAIRS * sizeof *a->index.least) == 0));
}

/* Its tokenizer.json (malloced). */
static char *written(const lm_tokenizer *t)
{
    char directory[] = "/tmp/check_table_cache.XXXXXX", *bytes;
    lm_status st = LM_STATUS_INIT;
    size_t n;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    char *path = lm_format("%s/tokenizer.json", directory), *remove = lm_format("rm -r %s", directory);
    lm_tokenizer_save(t, directory, &st);
    assert_ok(&st);
    ck_assert(lm_file_read(path, 1 << 20, &bytes, &n, &st));
    ck_assert_int_eq(system(remove), 0);
    free(path);
    free(remove);
    return bytes;
}

START_TEST(there_and_back)
{
    lm_tokenizer *t, *again;
    lm_kept_tables kept;
    lm_buf file = kept_file(_i, &t);
    lm_status st = LM_STATUS_INIT;
    ck_assert(lm_table_cache_parse(map_of(&file), kept_key, &kept));
    check_same(&t->model.tables, &kept.tables);
    json_t *spec = lm_json_parse(kept.rest, "rest", 0, &st);
    ck_assert(!kept.added_text.data || json_is_null(json_object_get(spec, "added_tokens")));
    again = lm_tokenizer_from_kept(spec, &kept, NULL, NULL, NULL, &st);
    assert_ok(&st);
    ck_assert_uint_eq(t->digest, again->digest);
    ck_assert_uint_eq(t->behaviour, again->behaviour);
    ck_assert_uint_eq(t->added.count, again->added.count);
    for (size_t i = 0; i < t->added.count; i++) {
        lm_added_token a = t->added.items[i], b = again->added.items[i];
        ck_assert(a.id == b.id && a.single_word == b.single_word && a.left_strip == b.left_strip && a.right_strip == b.right_strip &&
                  a.normalized == b.normalized && a.special == b.special);
    }
    char *first = written(t), *second = written(again); /* what was set aside is there */
    ck_assert_str_eq(first, second);
    free(first);
    free(second);
    lm_tokenizer_free(again);
    ck_assert(!lm_table_cache_parse(map_of(&file), (uint64_t[]){1, 3}, &kept));
    for (size_t n = 0; n < file.len; n++)
        ck_assert(!lm_table_cache_parse((lm_map){file.data, n}, kept_key, &kept));
    lm_buf_putc(&file, 0);
    ck_assert(!lm_table_cache_parse(map_of(&file), kept_key, &kept));
    file.len--;
    for (size_t i = 0; i < file.len; i++) { /* what is damaged by chance */
        file.data[i] ^= 4;
        ck_assert(!lm_table_cache_parse(map_of(&file), kept_key, &kept));
        file.data[i] ^= 4;
    }
    lm_tokenizer_free(t);
    lm_buf_free(&file);
}
END_TEST

/* What was made by another way of hashing is not taken. */
START_TEST(other_hashes)
{
    lm_tokenizer *t;
    lm_kept_tables kept;
    lm_buf rest = {0}, file = {0};
    t = kept_tokenizer(kept_jsons[0], &rest);
    lm_merge_index *index = &t->model.tables.index;
    for (size_t i = 0; i < index->slot_count; i++)
        index->tags[i] ^= index->tags[i] ? 0x40 : 0;
    lm_table_cache_print(kept_key, t, lm_buf_str(&rest), &file);
    ck_assert(!lm_table_cache_parse(map_of(&file), kept_key, &kept));
    lm_tokenizer_free(t);
    file.len = rest.len = 0;
    t = kept_tokenizer(kept_jsons[0], &rest);
    for (size_t i = 0; i < t->model.tables.vocabulary.slot_count; i++)
        t->model.tables.vocabulary.slots[i].tag ^= 0x40;
    lm_table_cache_print(kept_key, t, lm_buf_str(&rest), &file);
    ck_assert(!lm_table_cache_parse(map_of(&file), kept_key, &kept));
    lm_tokenizer_free(t);
    lm_buf_free(&rest);
    lm_buf_free(&file);
}
END_TEST

/* How tokens are made ends at bytes, whatever a file says. */
START_TEST(bad_parts)
{
    enum { MADE = 256 + 3 }; /* of three bytes */
    static const lm_bpe_part faults[] = {{MADE, 0x80, 9, 9}, {0xEA, MADE, 9, 9},    {MADE + 1, 0x80, 9, 9},
                                         {-1, 0x80, 9, 9},   {0xEA, 256 + 8, 9, 9}, {LM_NO_TOKEN, LM_NO_TOKEN, 9, 9}};
    lm_tokenizer *t;
    lm_kept_tables kept;
    lm_buf file = kept_file(KEPT_JSONS, &t);
    lm_bpe_part *part = &t->model.tables.index.parts[MADE], good = *part;
    for (size_t i = 0; i <= sizeof faults / sizeof *faults; i++) {
        bool is_good = i == sizeof faults / sizeof *faults;
        *part = is_good ? good : faults[i];
        file.len = 0;
        lm_table_cache_print(kept_key, t, lm_str_of("{}"), &file);
        ck_assert_int_eq(lm_table_cache_parse(map_of(&file), kept_key, &kept), is_good);
    }
    free(kept.tables.trie);
    lm_added_tokens_free(&kept.added);
    lm_tokenizer_free(t);
    lm_buf_free(&file);
}
END_TEST

/* Files that somebody has made with care: their digests are right. */
START_TEST(hostile)
{
    enum { TURNS = 40000 };
    lm_tokenizer *t;
    lm_buf file = kept_file(_i, &t);
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
        taken += use_tables(bytes, file.len, kept_key);
    }
    ck_assert_uint_gt(taken, TURNS / 100); /* some changes change nothing that matters */
    lm_tokenizer_free(t);
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
        lm_kept_tables again;
        json.len = rest.len = 0;
        lm_buf_printf(&json, "%*d%s", LM_TABLE_CACHE_LEAST, i, kept_jsons[0]);
        lm_tokenizer *t = kept_tokenizer(kept_jsons[0], &rest);
        lm_table_cache_find(&c, lm_buf_str(&json));
        ck_assert_ptr_nonnull(strstr(c.path, "/lmutils/tokenizer-"));
        ck_assert(!lm_table_cache_read(&c, &again));
        lm_table_cache_write(&c, t, lm_buf_str(&rest));
        ck_assert(lm_table_cache_read(&c, &again));
        check_same(&t->model.tables, &again.tables);
        lm_kept_tables_free(&again);
        ck_assert(stat(c.path, &s) == 0 && (s.st_mode & 0777) == 0600);
        chmod(c.path, 0620);
        ck_assert(!lm_table_cache_read(&c, &again));
        chmod(c.path, 0600);
        lm_table_cache_free(&c);
        lm_tokenizer_free(t);
    }
    lm_table_cache_find(&c, (lm_str){json.data, LM_TABLE_CACHE_LEAST - 1});
    ck_assert_ptr_null(c.path);
    char *count = lm_format("test $(ls %s/lmutils | wc -l) = %d && rm -r %s", base, LM_TABLE_CACHE_FILES, base);
    ck_assert_int_eq(system(count), 0);
    setenv("LMUTILS_CACHE", "", 1);
    lm_table_cache_find(&c, lm_buf_str(&json));
    ck_assert_ptr_null(c.path);
    setenv("LMUTILS_CACHE", "/proc/nowhere", 1); /* nothing comes of it, and nothing is said */
    lm_kept_tables none;
    rest.len = 0;
    lm_tokenizer *t = kept_tokenizer(kept_jsons[0], &rest);
    lm_table_cache_find(&c, lm_buf_str(&json));
    ck_assert(!lm_table_cache_read(&c, &none));
    lm_table_cache_write(&c, t, lm_buf_str(&rest));
    lm_table_cache_free(&c);
    lm_tokenizer_free(t);
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
    tcase_add_loop_test(c, there_and_back, 0, KEPT_FILES);
    tcase_add_loop_test(c, hostile, 0, KEPT_FILES);
    tcase_add_test(c, other_hashes);
    tcase_add_test(c, bad_parts);
    tcase_add_test(c, directory);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
