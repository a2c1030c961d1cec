/* Importance matrices: llama.cpp's forms, by hand, and files that lie. */
#include "unit.h"

#include "base/buffer.h"
#include "tensor/imatrix.h"

#include <math.h>
#include <unistd.h>

static void put(lm_buf *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        lm_buf_putc(b, i < 8 ? (char)(value >> 8 * i) : 0);
}

static void put_float(lm_buf *b, float value)
{
    lm_buf_append(b, &value, sizeof value);
}

static void put_entry(lm_buf *b, const char *name, int calls, int columns, const float *values)
{
    put(b, strlen(name), 4);
    lm_buf_puts(b, name);
    put(b, (uint64_t)calls, 4);
    put(b, (uint64_t)columns, 4);
    for (int i = 0; i < columns; i++)
        put_float(b, values[i]);
}

/* Two matrices of three columns, made of two calls, and of "a.txt". */
static lm_buf dat_file(void)
{
    lm_buf b = {0};
    put(&b, 2, 4);
    put_entry(&b, "blk.1.ffn_up.weight", 2, 3, (float[]){2, 4, 0});
    put_entry(&b, "blk.0.attn_q.weight", 2, 3, (float[]){1, 3, 5});
    put(&b, 7, 4);
    put(&b, 5, 4);
    lm_buf_puts(&b, "a.txt");
    return b;
}

static void put_string(lm_buf *b, const char *s)
{
    put(b, strlen(s), 8);
    lm_buf_puts(b, s);
}

static void put_tensor(lm_buf *b, const char *name, uint64_t columns, uint32_t type, uint64_t offset)
{
    put_string(b, name);
    put(b, 2, 4);
    put(b, columns, 8);
    put(b, 1, 8);
    put(b, type, 4);
    put(b, offset, 8);
}

/* One matrix of three columns and four rows, as llama-imatrix writes it (its sums of plain values too); `count` takes
 * their place. */
static lm_buf gguf_file(const char *type, float count, uint32_t dtype)
{
    lm_buf b = {0};
    lm_buf_puts(&b, "GGUF");
    put(&b, 3, 4);
    put(&b, 3, 8);
    put(&b, 4, 8);
    put_string(&b, "general.type");
    put(&b, 8, 4);
    put_string(&b, type);
    put_string(&b, "imatrix.datasets");
    put(&b, 9, 4);
    put(&b, 8, 4);
    put(&b, 2, 8);
    put_string(&b, "b.txt");
    put_string(&b, "c.txt");
    put_string(&b, "imatrix.chunk_count");
    put(&b, 4, 4);
    put(&b, 9, 4);
    put_string(&b, "imatrix.chunk_size");
    put(&b, 4, 4);
    put(&b, 512, 4);
    put_tensor(&b, "blk.0.attn_q.weight.in_sum2", 3, dtype, 0);
    put_tensor(&b, "blk.0.attn_q.weight.counts", 1, 0, 32);
    put_tensor(&b, "blk.0.attn_q.weight.in_sum", 3, 0, 64);
    while (b.len % 32)
        put(&b, 0, 1);
    for (int i = 0; i < 3; i++)
        put_float(&b, (float)(4 * i + 2));
    put(&b, 0, 20);
    put_float(&b, count);
    put(&b, 0, 28);
    put(&b, 0, 32);
    return b;
}

static void same(float a, double b)
{
    ck_assert_double_eq((double)a, b);
}

START_TEST(reads_dat)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf b = dat_file();
    lm_imatrix *m = lm_imatrix_parse(b.data, b.len, "x.dat", &st);
    const float *mean;
    assert_ok(&st);
    ck_assert_uint_eq(lm_imatrix_count(m), 2);
    ck_assert_str_eq(lm_imatrix_at(m, 0)->name, "blk.0.attn_q.weight");
    ck_assert_str_eq(lm_imatrix_dataset(m), "a.txt");
    ck_assert_int_eq(lm_imatrix_chunks(m), 7);
    ck_assert(lm_imatrix_mean(m, "blk.0.attn_q.weight", 3, &mean, &st));
    same(mean[0], 0.5);
    same(mean[2], 2.5);
    ck_assert(lm_imatrix_mean(m, "blk.0.attn_k.weight", 3, &mean, &st));
    ck_assert_ptr_null(mean);
    ck_assert(!lm_imatrix_mean(m, "blk.0.attn_q.weight", 4, &mean, &st));
    ck_assert_msg(strstr(st.message, "3 columns") && strstr(st.message, "there are 4"), "%s", st.message);
    lm_imatrix_free(m);
    lm_buf_free(&b);
}
END_TEST

START_TEST(reads_gguf)
{
    lm_status st = LM_STATUS_INIT;
    for (int rows = 0; rows <= 4; rows += 4) { /* of no rows: all columns weigh alike */
        lm_buf b = gguf_file("imatrix", (float)rows, 0);
        lm_imatrix *m = lm_imatrix_parse(b.data, b.len, "x.gguf", &st);
        const float *mean;
        assert_ok(&st);
        ck_assert_uint_eq(lm_imatrix_count(m), 1);
        ck_assert_str_eq(lm_imatrix_dataset(m), "c.txt");
        ck_assert_int_eq(lm_imatrix_chunks(m), 9);
        ck_assert(lm_imatrix_mean(m, "blk.0.attn_q.weight", 3, &mean, &st));
        same(mean[0], rows ? 0.5 : 1);
        same(mean[2], rows ? 2.5 : 1);
        lm_imatrix_free(m);
        lm_buf_free(&b);
    }
}
END_TEST

static void refused(lm_buf *b, const char *why)
{
    lm_status st = LM_STATUS_INIT;
    char *copy = malloc(b->len ? b->len : 1);
    if (b->len)
        memcpy(copy, b->data, b->len);
    ck_assert_ptr_null(lm_imatrix_parse(copy, b->len, "bad", &st));
    ck_assert_msg(strstr(st.message, why) && strncmp(st.message, "bad: ", 5) == 0, "\"%s\" lacks \"%s\"", st.message, why);
    free(copy);
    lm_buf_free(b);
}

START_TEST(refuses)
{
    lm_buf b = dat_file();
    for (size_t n = 0; n < b.len - 13; n++) { /* behind that nothing has to stand */
        lm_buf cut = {0};
        lm_buf_append(&cut, b.data, n);
        refused(&cut, n < 4 ? "is no importance matrix" : "cut off");
    }
    lm_buf_free(&b);
    put(&b, 1, 4);
    put_entry(&b, "w", 1, 1, (float[]){-1});
    refused(&b, "column 0 is -1");
    put(&b, 1, 4);
    put_entry(&b, "w", 1, 2, (float[]){1, NAN});
    refused(&b, "column 1 is");
    put(&b, 2, 4);
    put_entry(&b, "w", 1, 1, (float[]){1});
    put_entry(&b, "w", 1, 1, (float[]){1});
    refused(&b, "w is there twice");
    put(&b, 1, 4);
    put_entry(&b, "", 1, 1, (float[]){1});
    refused(&b, "the name of entry 1");
    put(&b, 1, 4);
    put_entry(&b, "w", -1, 1, (float[]){1});
    refused(&b, "cut off or damaged");
    put(&b, 1, 4);
    put(&b, 1, 4);
    lm_buf_puts(&b, "w");
    put(&b, 1, 4);
    put(&b, INT32_MAX, 4);
    refused(&b, "cut off or damaged");
    b = gguf_file("model", 1, 0);
    refused(&b, "no importance matrix");
    b = gguf_file("imatrix", -1, 0);
    refused(&b, "is of -1 rows");
    b = gguf_file("imatrix", INFINITY, 0);
    refused(&b, "is of inf rows");
    b = gguf_file("imatrix", 1, 26);
    refused(&b, "not in F32");
    lm_status st = LM_STATUS_INIT;
    ck_assert_ptr_null(lm_imatrix_read("/nowhere/x", &st));
}
END_TEST

START_TEST(writes_both)
{
    static const char *const names[] = {"blk.1.ffn_up.weight", "blk.0.attn_q.weight"};
    for (int form = LM_IMATRIX_GGUF; form <= LM_IMATRIX_DAT; form++) {
        lm_status st = LM_STATUS_INIT;
        lm_imatrix *m = lm_imatrix_new();
        lm_imatrix_set_dataset(m, "calibration.txt");
        ck_assert(lm_imatrix_add(m, names[0], (double[]){513, 0, 51.3}, 3, 1026, &st));
        ck_assert(lm_imatrix_add(m, names[1], (double[]){2, 6}, 2, 4, &st));
        ck_assert(lm_imatrix_settle(m, &st));
        char path[] = "/tmp/lmutils-check-XXXXXX";
        int fd = mkstemp(path);
        ck_assert(lm_imatrix_write(m, (lm_imatrix_form)form, fd, path, &st));
        close(fd);
        lm_imatrix *back = lm_imatrix_read(path, &st);
        unlink(path);
        assert_ok(&st);
        ck_assert_uint_eq(lm_imatrix_count(back), 2);
        ck_assert_str_eq(lm_imatrix_dataset(back), "calibration.txt");
        ck_assert_int_eq(lm_imatrix_chunks(back), 2);
        for (size_t i = 0; i < 2; i++) {
            const lm_imatrix_entry *a = lm_imatrix_at(m, i), *b = lm_imatrix_at(back, i);
            ck_assert_str_eq(a->name, names[1 - i]);
            ck_assert_str_eq(b->name, a->name);
            ck_assert_uint_eq(b->columns, a->columns);
            ck_assert(form == LM_IMATRIX_DAT ? b->count == (i ? 3 : 1) : b->count == a->count);
            for (size_t c = 0; c < a->columns; c++)
                ck_assert(fabsf(b->mean[c] - a->mean[c]) <= 1e-7F * a->mean[c]);
        }
        lm_imatrix_free(m);
        lm_imatrix_free(back);
    }
    lm_status st = LM_STATUS_INIT;
    lm_imatrix *twice = lm_imatrix_new();
    ck_assert(lm_imatrix_add(twice, "w", (double[]){1}, 1, 1, &st) && lm_imatrix_add(twice, "w", (double[]){1}, 1, 1, &st));
    ck_assert(!lm_imatrix_settle(twice, &st) && strstr(st.message, "w is there twice"));
    lm_imatrix_free(twice);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("imatrix");
    TCase *t = tcase_create("imatrix");
    tcase_add_test(t, reads_dat);
    tcase_add_test(t, reads_gguf);
    tcase_add_test(t, refuses);
    tcase_add_test(t, writes_both);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
