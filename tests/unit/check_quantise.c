/* Quantisers and their inverses, against ggml's and bitsandbytes' own bytes, for every instruction set that runs here. */
#include "npz.h"
#include "unit.h"

#include "base/memory.h"
#include "base/random.h"
#include "tensor/blocks.h"
#include "tensor/blocks/loops.h"
#include "tensor/quantised.h"

#include <math.h>
#include <string.h>

static npz open_npz(const char *data, const char *name)
{
    char *path = lm_format("%s/goldens/quant/%s", data, name);
    npz z = npz_open(path);
    free(path);
    return z;
}

static const void *find(const npz *z, const char *type, size_t *count, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static const void *find(const npz *z, const char *type, size_t *count, const char *format, ...)
{
    char name[100];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return npz_find(z, name, type, count);
}

/* Which byte differs first, in words. */
static void assert_same(const void *a, const void *b, size_t n, const char *isa, const char *what)
{
    const uint8_t *p = a, *q = b;
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(p[i] == q[i], "%s, %s: byte %zu of %zu is %d, not %d", what, isa, i, n, p[i], q[i]);
}

static size_t bytes_of(lm_dtype t, size_t n)
{
    return n / (size_t)lm_dtype_block(t) * lm_dtype_block_bytes(t);
}

/* The loops of every instruction set that runs here. */
#define FOR_EACH_LOOPS(l)                                                                                    \
    for (size_t l##_at = 0; lm_block_loops_at(l##_at); l##_at++)                                             \
        for (const lm_block_loops *l = lm_block_loops_at(l##_at); l && l->usable(); l = NULL)

START_TEST(blocks_are_ggmls)
{
    UNIT_NEEDS_DATA(data)
    npz z = open_npz(data, "gguf.npz");
    size_t n, bytes, values;
    const float *x = find(&z, "<f4", &n, "x");
    int types = 0;
    for (int t = 0; t < LM_DTYPE_COUNT; t++) {
        if (!lm_quantises((lm_dtype)t))
            continue;
        types++;
        const uint8_t *blocks = find(&z, "|u1", &bytes, "%s.blocks", lm_dtype_name((lm_dtype)t));
        ck_assert_uint_eq(bytes, bytes_of((lm_dtype)t, n));
        uint8_t *made = lm_malloc(bytes, 1);
        FOR_EACH_LOOPS(l)
        {
            l->quantise[t](x, n, NULL, made);
            assert_same(made, blocks, bytes, l->isa, lm_dtype_name((lm_dtype)t));
        }
        free(made);
        static const char *const inputs[] = {"blocks", "rand_blocks"}, *const outputs[] = {"dequant", "rand_dequant"};
        for (int i = 0; i < 2; i++) {
            blocks = find(&z, "|u1", &bytes, "%s.%s", lm_dtype_name((lm_dtype)t), inputs[i]);
            const float *expected = find(&z, "<f4", &values, "%s.%s", lm_dtype_name((lm_dtype)t), outputs[i]);
            ck_assert_uint_eq(bytes, bytes_of((lm_dtype)t, values));
            float *back = lm_malloc(values, sizeof *back);
            FOR_EACH_LOOPS(l)
            {
                l->expand[t](blocks, values / (size_t)lm_dtype_block((lm_dtype)t), back);
                assert_same(back, expected, values * sizeof *back, l->isa, lm_dtype_name((lm_dtype)t));
            }
            free(back);
        }
    }
    ck_assert_int_eq(types, 10);
    npz_close(&z);
}
END_TEST

/* One case of bnb.npz: what it is made to, and its inverse. */
static void check_bnb(const npz *z, const char *shape, int rows, int columns, lm_dtype t, int block, bool nested)
{
    char key[64];
    snprintf(key, sizeof key, "%s.%s.b%d.%s", shape, t == LM_NF4 ? "nf4" : "fp4", block, nested ? "dq" : "plain");
    size_t n, bytes, blocks, values;
    const float *x = find(z, "<f4", &n, "W_%s", shape);
    const uint8_t *packed = find(z, "|u1", &bytes, "%s.packed", key);
    const float *dequant = find(z, "<f4", &values, "%s.dequant", key);
    ck_assert_uint_eq(values, n);
    ck_assert_uint_eq(bytes, (n + 1) / 2);
    blocks = (n + (size_t)block - 1) / (size_t)block;
    uint8_t *made = lm_malloc(bytes, 1), code[256];
    float absmax[256], scale[4], offset, *back = lm_malloc(n, sizeof *back);
    lm_bnb_quantise(t, x, n, block, made, absmax);
    assert_same(made, packed, bytes, key, "packed");
    lm_quantised q = {.type = t, .rows = rows, .columns = columns, .data = made, .scale = absmax, .block = block};
    size_t count;
    if (nested) {
        lm_bnb_nest(absmax, blocks, code, scale, &offset);
        const float *expected = find(z, "<f4", &count, "%s.offset", key);
        assert_same(&offset, expected, sizeof offset, key, "offset");
        assert_same(code, find(z, "|u1", &count, "%s.absmax_q8", key), blocks, key, "codes of absmax");
        ck_assert_uint_eq(count, blocks);
        assert_same(scale, find(z, "<f4", &count, "%s.nested_absmax", key), sizeof *scale, key, "nested absmax");
        ck_assert_uint_eq(count, 1);
        q.scale = NULL;
        q.nested.code = code;
        q.nested.map = lm_bnb_dynamic_map;
        q.nested.scale = scale;
        q.nested.block = LM_BNB_NESTED;
        q.nested.offset = offset;
    } else {
        assert_same(absmax, find(z, "<f4", &count, "%s.absmax", key), blocks * sizeof *absmax, key, "absmax");
        ck_assert_uint_eq(count, blocks);
    }
    lm_quantised_expand(&q, 0, rows, back);
    assert_same(back, dequant, n * sizeof *back, key, "the inverse");
    memset(back, 0, n * sizeof *back);
    lm_quantised_expand(&q, 3, 2, back);
    assert_same(back, dequant + 3 * columns, 2 * (size_t)columns * sizeof *back, key, "rows 3 and 4");
    free(made);
    free(back);
}

START_TEST(four_bits_are_bitsandbytes)
{
    UNIT_NEEDS_DATA(data)
    npz z = open_npz(data, "bnb.npz");
    size_t count;
    assert_same(find(&z, "<f4", &count, "nf4_code"), lm_nf4_values, sizeof lm_nf4_values, "NF4", "values");
    assert_same(find(&z, "<f4", &count, "fp4_code"), lm_fp4_values, sizeof lm_fp4_values, "FP4", "values");
    assert_same(find(&z, "<f4", &count, "dynamic_map_256"), lm_bnb_dynamic_map, sizeof lm_bnb_dynamic_map, "map", "values");
    ck_assert_uint_eq(count, 256);
    for (int i = 0; i < 8; i++) {
        lm_dtype t = i & 1 ? LM_FP4 : LM_NF4;
        check_bnb(&z, "64x96", 64, 96, t, i & 2 ? 128 : 64, i & 4);
        check_bnb(&z, "33x70", 33, 70, t, i & 2 ? 128 : 64, i & 4);
    }
    npz_close(&z);
}
END_TEST

START_TEST(int8_is_bitsandbytes)
{
    UNIT_NEEDS_DATA(data)
    npz z = open_npz(data, "bnb.npz");
    size_t n, count, rows;
    const float *x = find(&z, "<f4", &n, "int8row.x"), *absmax = find(&z, "<f4", &rows, "int8row.absmax");
    const int8_t *q = find(&z, "|i1", &count, "int8row.q");
    ck_assert_uint_eq(n, count);
    int8_t *made = lm_malloc(n, 1);
    float *most = lm_malloc(rows, sizeof *most);
    lm_bnb_int8(x, rows, n / rows, made, most);
    assert_same(made, q, n, "int8", "codes");
    assert_same(most, absmax, rows * sizeof *most, "int8", "absmax");
    free(made);
    free(most);
    npz_close(&z);
}
END_TEST

static Suite *quantise_suite(void)
{
    Suite *s = suite_create("quantise");
    TCase *t = tcase_create("blocks");
    tcase_add_test(t, blocks_are_ggmls);
    tcase_add_test(t, four_bits_are_bitsandbytes);
    tcase_add_test(t, int8_is_bitsandbytes);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(quantise_suite)
