/* Quantisers and their inverses, against ggml's and bitsandbytes' own bytes, for every instruction set that runs here. */
#include "npz.h"
#include "unit.h"

#include "base/memory.h"
#include "tensor/blocks.h"
#include "tensor/blocks/loops.h"
#include "tensor/quantised.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <xxhash.h>

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
        if (p[i] != q[i]) /* an assertion that holds is a system call */
            ck_abort_msg("%s, %s: byte %zu of %zu is %d, not %d", what, isa, i, n, p[i], q[i]);
}

/* The bytes of a file that has so many. */
static void *read_all(size_t bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void *read_all(size_t bytes, const char *format, ...)
{
    char path[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    void *data = lm_malloc(bytes + 1, 1);
    ck_assert_uint_eq(fread(data, 1, bytes + 1, file), bytes);
    fclose(file);
    return data;
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
        if (!lm_quantises((lm_dtype)t) || t == LM_IQ4_NL) /* which another build's are there of */
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

/* The cases of another build of ggml, of which that without importance can be made anew. */
START_TEST(blocks_are_those_of_another_build)
{
    UNIT_NEEDS_DATA(data)
    int types = 0;
    for (int t = 0; t < LM_DTYPE_COUNT; t++) {
        if (!lm_quantises((lm_dtype)t))
            continue;
        types++;
        size_t width = lm_dtype_block((lm_dtype)t) == 256 ? 512 : 64, bytes = 2 * bytes_of((lm_dtype)t, width);
        char name[8] = "";
        for (size_t i = 0; lm_dtype_name((lm_dtype)t)[i]; i++)
            name[i] = (char)tolower(lm_dtype_name((lm_dtype)t)[i]);
        float *x = read_all(2 * width * sizeof *x, "%s/goldens/ggml_quants/%s_%zu_noim_input.bin", data, name, width);
        uint8_t *blocks = read_all(bytes, "%s/goldens/ggml_quants/%s_%zu_noim_expected.bin", data, name, width);
        uint8_t *made = lm_malloc(bytes, 1);
        lm_quantise((lm_dtype)t, x, 2, width, NULL, made);
        assert_same(made, blocks, bytes, "lm_quantise", name);
        free(x);
        free(blocks);
        free(made);
    }
    ck_assert_int_eq(types, 11);
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

/* ---------------------------------------------------------------- numbers of many kinds, the same on any machine */

enum { ROWS = 3, WIDTH = 1280, NUMBERS = ROWS * WIDTH, KINDS = 13 };

static uint32_t word(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}

static float unit(uint64_t *state)
{
    return (float)(word(state) >> 8) * 0x1p-24f;
}

static float bell(uint64_t *state)
{
    float sum = unit(state);
    for (int i = 0; i < 3; i++)
        sum += unit(state);
    return sum - 2;
}

/* Of the words whose bits `mask` keeps the first that is a finite number. */
static float of_bits(uint64_t *state, uint32_t mask)
{
    float f;
    do {
        uint32_t bits = word(state) & mask;
        memcpy(&f, &bits, sizeof f);
    } while (!isfinite(f));
    return f;
}

static float number(int kind, size_t i, uint64_t *state)
{
    switch (kind) {
    case 0: return bell(state);
    case 1: return bell(state) * bell(state) * bell(state);
    case 2: return (float)(int)(word(state) % 7) - 3;
    case 3: return word(state) % 10 ? 0 : bell(state);
    case 4: return word(state) % 2 ? -0.0f : 0.0f;
    case 5: return ldexpf(bell(state), (int)(i / 16 * 7 % 40) - 20); /* groups of very different size */
    case 6: return 1 + unit(state);
    case 7: return -1 - unit(state);
    case 8: return 0.37f;
    case 9: return i % 64 == 5 ? 50 * bell(state) : bell(state);
    case 10: return of_bits(state, 0x807fffff); /* below the normal range */
    case 11: return ldexpf(bell(state), -124);
    default: return of_bits(state, 0xffffffff);
    }
}

static void numbers(int kind, float *x, float *importance)
{
    uint64_t state = 88172645463325252u + (uint64_t)kind;
    for (size_t i = 0; i < NUMBERS; i++)
        x[i] = number(kind, i, &state);
    for (size_t i = 0; i < WIDTH; i++)
        importance[i] = kind % 3 == 2 && word(&state) % 2 ? 0 : unit(&state);
}

/* Digests of what ggml-quants.c (ggml d99724f2) makes of these, compiled for x86-64 without contraction: without
 * importance and with. */
static const struct {
    lm_dtype type;
    uint64_t digests[2];
} ggmls[] = {
    {LM_Q8_0, {0x64dd873630338c69, 0x64dd873630338c69}},
    {LM_Q4_0, {0x245e24277cc981f8, 0xcbf08f50ee2f7d51}},
    {LM_Q4_1, {0xe730615fa385d214, 0xabcd4e7c288529f4}},
    {LM_Q5_0, {0x5d2f8e32b20cc07c, 0x116cac5e5a32f383}},
    {LM_Q5_1, {0xba7c1fff43e39d5c, 0xe5ecdc481beace97}},
    {LM_Q2_K, {0xed4d871c3421fb79, 0x220c386413ec2682}},
    {LM_Q3_K, {0xcef541e496fc4d9d, 0x93d0540bbc01c062}},
    {LM_Q4_K, {0x7498fb333217cab8, 0x1672fa03cd8ef31e}},
    {LM_Q5_K, {0xc812beec6b2dfe3c, 0xc49db932c94b9a16}},
    {LM_Q6_K, {0x828edd752d53183f, 0x6d793bc6a2691833}},
    {LM_IQ4_NL, {0x2a57d5e94d398f68, 0x72c4320bf6130a0e}},
};

START_TEST(blocks_are_ggmls_of_any_numbers)
{
    float x[NUMBERS], importance[WIDTH];
    uint8_t *made = lm_malloc(NUMBERS, 2);
    for (size_t t = 0; t < sizeof ggmls / sizeof *ggmls; t++) {
        size_t row = bytes_of(ggmls[t].type, WIDTH);
        FOR_EACH_LOOPS(l)
        {
            for (int weighed = 0; weighed < 2; weighed++) {
                XXH64_state_t *state = XXH64_createState();
                XXH64_reset(state, 0);
                for (int kind = 0; kind < KINDS; kind++) {
                    numbers(kind, x, importance);
                    for (size_t r = 0; r < ROWS; r++)
                        l->quantise[ggmls[t].type](x + r * WIDTH, WIDTH, weighed ? importance : NULL, made + r * row);
                    XXH64_update(state, made, ROWS * row);
                }
                uint64_t digest = XXH64_digest(state);
                XXH64_freeState(state);
                ck_assert_msg(digest == ggmls[t].digests[weighed], "%s, %s, %s importance: 0x%016llx",
                              lm_dtype_name(ggmls[t].type), l->isa, weighed ? "with" : "without", (unsigned long long)digest);
            }
        }
    }
    free(made);
}
END_TEST

/* Rows do not depend on one another, and lm_quantise is the loops on all of them. */
START_TEST(rows_stand_alone)
{
    float x[NUMBERS], importance[WIDTH];
    uint8_t *all = lm_malloc(NUMBERS, 2), *one = lm_malloc(NUMBERS, 2);
    numbers(0, x, importance);
    for (size_t t = 0; t < sizeof ggmls / sizeof *ggmls; t++) {
        size_t row = bytes_of(ggmls[t].type, WIDTH);
        for (int weighed = 0; weighed < 2; weighed++) {
            lm_quantise(ggmls[t].type, x, ROWS, WIDTH, weighed ? importance : NULL, all);
            for (size_t r = 0; r < ROWS; r++)
                lm_quantise(ggmls[t].type, x + r * WIDTH, 1, WIDTH, weighed ? importance : NULL, one + r * row);
            assert_same(one, all, ROWS * row, "row by row", lm_dtype_name(ggmls[t].type));
        }
    }
    free(all);
    free(one);
}
END_TEST

static double error_of(const float *x, const float *y, const float *importance)
{
    double sum = 0;
    for (size_t i = 0; i < NUMBERS; i++)
        sum += (importance ? importance[i % WIDTH] : 1) * ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
    return sum;
}

/* What comes back is near what went in, the nearer the more bits there are; and importance has what it is for. */
START_TEST(more_bits_are_nearer)
{
    static const lm_dtype by_bits[] = {LM_Q2_K, LM_Q3_K, LM_Q4_0, LM_Q4_K, LM_Q5_K, LM_Q6_K, LM_Q8_0};
    float x[NUMBERS], importance[WIDTH], y[NUMBERS];
    uint8_t *blocks = lm_malloc(NUMBERS, 2);
    numbers(0, x, importance);
    double before = INFINITY;
    for (size_t t = 0; t < sizeof by_bits / sizeof *by_bits; t++) {
        lm_quantise(by_bits[t], x, ROWS, WIDTH, NULL, blocks);
        ck_assert(lm_to_f32(by_bits[t], blocks, NUMBERS, y));
        double error = error_of(x, y, NULL), weighed = error_of(x, y, importance);
        ck_assert_msg(error < before, "%s: %g, and with fewer bits %g", lm_dtype_name(by_bits[t]), error, before);
        before = error;
        lm_quantise(by_bits[t], x, ROWS, WIDTH, importance, blocks);
        ck_assert(lm_to_f32(by_bits[t], blocks, NUMBERS, y));
        ck_assert_msg(error_of(x, y, importance) <= weighed, "%s: importance makes it worse", lm_dtype_name(by_bits[t]));
    }
    ck_assert_double_lt(before, 1e-4 * error_of(x, (float[NUMBERS]){0}, NULL));
    free(blocks);
}
END_TEST

/* Any bytes have an inverse, the same one for every instruction set; bytes lie anywhere. */
START_TEST(any_bytes_have_an_inverse)
{
    enum { COUNT = 8 };
    uint64_t state = 1;
    for (int t = 0; t < LM_DTYPE_COUNT; t++) {
        size_t block = (size_t)lm_dtype_block((lm_dtype)t), n = COUNT * block, bytes = bytes_of((lm_dtype)t, n);
        if (!lm_block_loops_now()->expand[t])
            continue;
        uint8_t *data = lm_malloc(bytes + 1, 1);
        float *expected = lm_malloc(n, sizeof *expected), *y = lm_malloc(n, sizeof *y);
        for (int round = 0; round < 20; round++) {
            for (size_t i = 1; i <= bytes; i++)
                data[i] = (uint8_t)word(&state);
            lm_block_loops_at(0)->expand[t](data + 1, COUNT, expected);
            FOR_EACH_LOOPS(l)
            {
                l->expand[t](data + 1, COUNT, y);
                for (size_t i = 0; i < n; i++)
                    if (isnan(y[i]) ? !isnan(expected[i]) : memcmp(&y[i], &expected[i], sizeof *y) != 0)
                        ck_abort_msg("%s, %s: %g, %g", lm_dtype_name((lm_dtype)t), l->isa, (double)y[i], (double)expected[i]);
            }
        }
        ck_assert(block == 1 || !lm_to_f32((lm_dtype)t, data, n - 1, y));
        free(data);
        free(expected);
        free(y);
    }
}
END_TEST

/* Every half and every bfloat16, and floats of all exponents: as one number alone. */
START_TEST(sixteen_bits_are_rounded_as_one_is)
{
    enum { ALL = 1 << 16 };
    uint16_t *stored = lm_malloc(ALL + 1, sizeof *stored);
    float *y = lm_malloc(ALL + 1, sizeof *y);
    uint64_t state = 7;
    for (int t = LM_F16; t <= LM_BF16; t++) {
        float (*widen)(uint16_t) = t == LM_F16 ? lm_f16_to_f32 : lm_bf16_to_f32;
        uint16_t (*narrow)(float) = t == LM_F16 ? lm_f32_to_f16 : lm_f32_to_bf16;
        FOR_EACH_LOOPS(l)
        {
            for (size_t i = 0; i < ALL; i++)
                stored[i] = (uint16_t)i;
            y[ALL - 1] = 0;
            l->expand[t]((const uint8_t *)stored, ALL - 1, y); /* the last is left over of a vector */
            ck_assert_float_eq(y[ALL - 1], 0);
            for (size_t i = 0; i < ALL - 1; i++) {
                float one = widen((uint16_t)i);
                if (memcmp(&one, &y[i], sizeof one) != 0)
                    ck_abort_msg("%s %zx: %g, not %g", l->isa, i, (double)y[i], (double)one);
            }
            for (size_t i = 0; i < ALL; i++) { /* between neighbours of the type, and anything */
                uint32_t bits = word(&state);
                if (i % 2)
                    memcpy(&y[i], &bits, sizeof *y);
                else
                    y[i] = y[i % (ALL - 1)] * (1 + (float)(bits % 5) * 0x1p-13f);
            }
            l->quantise[t](y, ALL - 1, NULL, (uint8_t *)stored);
            ck_assert_uint_eq(stored[ALL - 1], ALL - 1);
            for (size_t i = 0; i < ALL - 1; i++)
                if (stored[i] != narrow(y[i]))
                    ck_abort_msg("%s %a: %x, not %x", l->isa, (double)y[i], stored[i], narrow(y[i]));
        }
    }
    free(stored);
    free(y);
}
END_TEST

/* Rows of a matrix whose types have their scales elsewhere; heads whose rows are stored in pairs. */
START_TEST(matrices_are_expanded_by_rows)
{
    enum { HEADS = 2, HEIGHT = 4, COLUMNS = 3 };
    int8_t codes[HEADS * HEIGHT * COLUMNS];
    float scale[HEADS * HEIGHT], y[HEADS * HEIGHT * COLUMNS];
    for (int i = 0; i < HEADS * HEIGHT; i++) {
        scale[i] = (float)(1 << i);
        for (int j = 0; j < COLUMNS; j++)
            codes[i * COLUMNS + j] = (int8_t)(j - i);
    }
    lm_quantised q = {.type = LM_I8, .rows = HEADS * HEIGHT, .columns = COLUMNS, .data = codes, .scale = scale};
    ck_assert_uint_eq(lm_quantised_bytes(&q), sizeof codes + sizeof scale);
    for (int interleaved = 0; interleaved < 2; interleaved++) {
        static const int stored[HEADS * HEIGHT] = {0, 2, 1, 3, 4, 6, 5, 7};
        q.interleaved_heads = interleaved ? HEADS : 0;
        lm_quantised_expand(&q, 1, HEADS * HEIGHT - 1, y);
        for (int r = 1; r < HEADS * HEIGHT; r++) {
            int from = interleaved ? stored[r] : r;
            for (int j = 0; j < COLUMNS; j++)
                ck_assert_float_eq(y[(r - 1) * COLUMNS + j], (float)((j - from) * (1 << from)));
        }
    }
}
END_TEST

/* Rows of an odd width begin and end within a byte, and blocks within rows. */
START_TEST(four_bits_by_rows)
{
    enum { HEIGHT = 9, COLUMNS = 37, ALL = HEIGHT * COLUMNS, LONG = 32 };
    float x[ALL], absmax[ALL / LONG + 1], all[ALL], row[COLUMNS];
    uint8_t codes[ALL / 2 + 1];
    uint64_t state = 3;
    for (int i = 0; i < ALL; i++)
        x[i] = bell(&state);
    for (int t = LM_NF4; t <= LM_FP4; t++) {
        lm_bnb_quantise((lm_dtype)t, x, ALL, LONG, codes, absmax);
        lm_quantised q = {.type = (lm_dtype)t, .rows = HEIGHT, .columns = COLUMNS, .data = codes, .scale = absmax, .block = LONG};
        const float *values = t == LM_NF4 ? lm_nf4_values : lm_fp4_values;
        for (int i = 0; i < ALL; i++)
            all[i] = values[i % 2 ? codes[i / 2] & 15 : codes[i / 2] >> 4] * absmax[i / LONG];
        for (int r = 0; r < HEIGHT; r++) {
            lm_quantised_expand(&q, r, 1, row);
            assert_same(row, all + r * COLUMNS, sizeof row, "a row", lm_dtype_name((lm_dtype)t));
        }
    }
}
END_TEST

/* What has no scale, and what is left over of a block. */
START_TEST(zeros_and_ends)
{
    float x[70] = {0}, absmax[2], y[70];
    uint8_t codes[35];
    for (int t = LM_NF4; t <= LM_FP4; t++) {
        lm_bnb_quantise((lm_dtype)t, x, 69, 64, codes, absmax);
        ck_assert_float_eq(absmax[0], 0);
        ck_assert_float_eq(absmax[1], 1e-38f);
        lm_quantised q = {.type = (lm_dtype)t, .rows = 1, .columns = 69, .data = codes, .scale = absmax, .block = 64};
        lm_quantised_expand(&q, 0, 1, y);
        for (int i = 0; i < 69; i++)
            ck_assert_float_eq(y[i], 0);
    }
    int8_t rows[70];
    x[69] = 1e-40f; /* 127 / absmax is infinite */
    lm_bnb_int8(x, 2, 35, rows, absmax);
    for (int i = 0; i < 70; i++)
        ck_assert_int_eq(rows[i], 0);
    ck_assert_float_eq(absmax[1], 1e-40f);
}
END_TEST

static Suite *quantise_suite(void)
{
    Suite *s = suite_create("quantise");
    TCase *t = tcase_create("blocks");
    tcase_add_test(t, blocks_are_ggmls);
    tcase_add_test(t, blocks_are_those_of_another_build);
    tcase_add_test(t, four_bits_are_bitsandbytes);
    tcase_add_test(t, int8_is_bitsandbytes);
    tcase_add_test(t, blocks_are_ggmls_of_any_numbers);
    tcase_add_test(t, rows_stand_alone);
    tcase_add_test(t, more_bits_are_nearer);
    tcase_add_test(t, any_bytes_have_an_inverse);
    tcase_add_test(t, sixteen_bits_are_rounded_as_one_is);
    tcase_add_test(t, matrices_are_expanded_by_rows);
    tcase_add_test(t, four_bits_by_rows);
    tcase_add_test(t, zeros_and_ends);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(quantise_suite)
