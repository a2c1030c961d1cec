/* Tensors whose bytes come in pieces: the files are those of lm_bundle_put_tensors. */
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "stream/bundle.h"

#include <unistd.h>

enum { COUNT = 5 };

static const char *const names[COUNT] = {"b.weight", "a.bias", "b.absmax", "empty", "scalar"};
static char bytes[COUNT][64];

static void tensors_of(lm_safetensor t[COUNT])
{
    static const lm_dtype types[COUNT] = {LM_F32, LM_F16, LM_U8, LM_F32, LM_I64};
    static const lm_shape shapes[COUNT] = {{2, {4, 3}}, {1, {5}}, {1, {7}}, {2, {0, 3}}, {0, {0}}};
    for (int i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < sizeof bytes[i]; k++)
            bytes[i][k] = (char)(i * 64 + (int)k);
        t[i] = (lm_safetensor){.name = names[i], .dtype = types[i], .shape = shapes[i], .data = bytes[i]};
        ck_assert(lm_tensor_bytes(types[i], &shapes[i], &t[i].bytes));
    }
}

static void put_whole(const char *path, uint64_t shard, lm_status *st)
{
    lm_safetensor t[COUNT];
    tensors_of(t);
    lm_bundle_writer *w = lm_bundle_create(path, NULL, st);
    ck_assert_ptr_nonnull(w);
    ck_assert(lm_bundle_put(w, "config.json", "{}", 2, st));
    ck_assert(lm_bundle_put_tensors(w, t, COUNT, shard, st));
    ck_assert(lm_bundle_publish(w, st));
}

/* In pieces of three bytes; from the last tensor to the first where the form takes any order. */
static void put_pieces(const char *path, uint64_t shard, bool backwards, lm_status *st)
{
    lm_safetensor t[COUNT];
    tensors_of(t);
    lm_bundle_writer *w = lm_bundle_create(path, NULL, st);
    ck_assert_ptr_nonnull(w);
    ck_assert(lm_bundle_put(w, "config.json", "{}", 2, st));
    lm_bundle_pieces *p = lm_bundle_begin_pieces(w, t, COUNT, shard, st);
    ck_assert_ptr_nonnull(p);
    for (size_t k = 0; k < COUNT; k++) {
        size_t i = backwards ? COUNT - 1 - k : k;
        for (size_t at = 0; at < t[i].bytes; at += 3)
            ck_assert(lm_bundle_put_piece(p, i, bytes[i] + at, t[i].bytes - at < 3 ? t[i].bytes - at : 3, st));
    }
    ck_assert_msg(lm_bundle_end_pieces(p, st), "%s", st->message);
    ck_assert(lm_bundle_publish(w, st));
}

START_TEST(directories)
{
    char *dir = scratch_new();
    lm_status st = LM_STATUS_INIT;
    for (int shards = 0; shards < 2; shards++) {
        char *whole = lm_format("%s/whole%d", dir, shards), *pieces = lm_format("%s/pieces%d", dir, shards);
        put_whole(whole, shards ? 40 : 0, &st);
        put_pieces(pieces, shards ? 40 : 0, true, &st);
        static const char *const files[2][4] = {
            {"config.json", "model.safetensors"},
            {"model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}};
        for (int f = 0; f < 4 && files[shards][f]; f++)
            assert_same_file(whole, pieces, files[shards][f]);
        scratch_discard(whole);
        scratch_discard(pieces);
    }
    scratch_discard(dir);
}
END_TEST

START_TEST(archives)
{
    char *dir = scratch_new();
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/m.tar", dir);
    put_whole(path, 0, &st);
    lm_str whole = scratch_read(dir, "m.tar");
    put_pieces(path, 0, true, &st);
    lm_str pieces = scratch_read(dir, "m.tar");
    ck_assert(lm_str_equal(whole, pieces));
    free((char *)whole.data);
    free((char *)pieces.data);
    free(path);
    scratch_discard(dir);
}
END_TEST

START_TEST(streams)
{
    char *dir = scratch_new();
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/m.lms", dir);
    put_pieces(path, 0, false, &st);
    lm_bundle *b = lm_bundle_open(path, &st);
    ck_assert_msg(b != NULL, "%s", st.message);
    ck_assert_uint_eq(lm_bundle_tensors(b), COUNT);
    lm_safetensor t[COUNT];
    tensors_of(t);
    for (size_t i = 0; i < COUNT; i++) {
        const lm_safetensor *got = lm_bundle_tensor(b, i);
        ck_assert_str_eq(got->name, t[i].name);
        ck_assert_uint_eq(got->bytes, t[i].bytes);
        ck_assert_mem_eq(got->data, t[i].data, t[i].bytes);
    }
    lm_bundle_close(b);
    free(path);
    scratch_discard(dir);
}
END_TEST

/* What is missing, too much, or comes after its turn is said. */
START_TEST(mistakes)
{
    char *dir = scratch_new();
    for (int mistake = 0; mistake < 3; mistake++) {
        lm_status st = LM_STATUS_INIT;
        char *path = lm_format("%s/%s", dir, mistake == 2 ? "m.lms" : "m");
        lm_safetensor t[COUNT];
        tensors_of(t);
        lm_bundle_writer *w = lm_bundle_create(path, NULL, &st);
        lm_bundle_pieces *p = lm_bundle_begin_pieces(w, t, COUNT, 0, &st);
        ck_assert(lm_bundle_put_piece(p, 0, bytes[0], t[0].bytes, &st));
        if (mistake == 1)
            ck_assert(!lm_bundle_put_piece(p, 0, bytes[0], 1, &st));
        if (mistake == 2)
            ck_assert(lm_bundle_put_piece(p, 1, bytes[1], t[1].bytes, &st) && !lm_bundle_put_piece(p, 0, bytes[0], 1, &st));
        ck_assert(!lm_bundle_end_pieces(p, &st));
        lm_bundle_discard(w, &st);
        assert_says(&st, mistake ? "more bytes than its shape has, or after its turn" : "is not complete");
        ck_assert_int_ne(access(path, F_OK), 0);
        free(path);
    }
    scratch_discard(dir);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pieces");
    TCase *c = tcase_create("pieces");
    tcase_add_test(c, directories);
    tcase_add_test(c, archives);
    tcase_add_test(c, streams);
    tcase_add_test(c, mistakes);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
