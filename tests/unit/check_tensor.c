#include "unit.h"

#include "tensor/dtype.h"

#include <math.h>

START_TEST(dtypes_have_names_and_sizes)
{
    for (int t = 0; t < LM_DTYPE_COUNT; t++) {
        lm_dtype found;
        ck_assert(lm_dtype_find(lm_str_of(lm_dtype_name((lm_dtype)t)), &found));
        ck_assert_int_eq(found, t);
        ck_assert_int_gt(lm_dtype_block((lm_dtype)t), 0);
        ck_assert_uint_gt(lm_dtype_block_bytes((lm_dtype)t), 0);
    }
    lm_dtype none;
    ck_assert(!lm_dtype_find(lm_str_of("f32"), &none));
    ck_assert(!lm_dtype_find(lm_str_of(""), &none));
    ck_assert(!lm_dtype_find(lm_str_of("F8_E4M3"), &none));
}
END_TEST

START_TEST(sizes_are_checked)
{
    size_t n;
    ck_assert(lm_tensor_bytes(LM_F32, &(lm_shape){0}, &n));
    ck_assert_uint_eq(n, 4);
    ck_assert(lm_tensor_bytes(LM_F16, &(lm_shape){2, {3, 5}}, &n));
    ck_assert_uint_eq(n, 30);
    ck_assert(lm_tensor_bytes(LM_F16, &(lm_shape){2, {3, 0}}, &n));
    ck_assert_uint_eq(n, 0);
    ck_assert(lm_tensor_bytes(LM_Q4_K, &(lm_shape){2, {3, 512}}, &n));
    ck_assert_uint_eq(n, 3 * 2 * 144);
    ck_assert(!lm_tensor_bytes(LM_Q4_K, &(lm_shape){2, {512, 3}}, &n));
    ck_assert(!lm_tensor_bytes(LM_Q8_0, &(lm_shape){0}, &n));
    ck_assert(!lm_tensor_bytes(LM_U8, &(lm_shape){1, {-1}}, &n));
    ck_assert(!lm_tensor_bytes(LM_U8, &(lm_shape){3, {INT64_MAX, INT64_MAX, 0}}, &n));
    ck_assert(!lm_tensor_bytes(LM_F64, &(lm_shape){1, {INT64_MAX}}, &n));
    ck_assert(!lm_tensor_bytes(LM_U8, &(lm_shape){.dims = LM_MAX_DIMS + 1}, &n));
}
END_TEST

START_TEST(shapes_compare_and_print)
{
    lm_shape a = {2, {2, 3}}, b = {2, {2, 3}}, c = {1, {2}};
    ck_assert(lm_shape_equal(&a, &b));
    b.size[1] = 4;
    ck_assert(!lm_shape_equal(&a, &b));
    ck_assert(!lm_shape_equal(&a, &c));
    lm_buf out = {0};
    lm_shape_print(&a, &out);
    lm_shape_print(&(lm_shape){0}, &out);
    ck_assert_str_eq(lm_buf_cstr(&out), "[2, 3][]");
    lm_buf_free(&out);
}
END_TEST

/* Every half is exact in f32 and comes back; the spacing around every half rounds to nearest, ties to even. */
START_TEST(halves_round_to_even)
{
    for (unsigned h = 0; h < 0x10000; h++) {
        float f = lm_f16_to_f32((uint16_t)h);
        if ((h & 0x7c00) == 0x7c00 && (h & 0x3ff)) {
            ck_assert(isnan(f) && isnan(lm_f16_to_f32(lm_f32_to_f16(f))));
            continue;
        }
        ck_assert_uint_eq(lm_f32_to_f16(f), h);
        if ((h & 0x7fff) >= 0x7bff)
            continue;
        float next = lm_f16_to_f32((uint16_t)(h + 1)), middle = f / 2 + next / 2; /* exact */
        unsigned even = h & 1 ? h + 1 : h;
        ck_assert_uint_eq(lm_f32_to_f16(middle), even);
        ck_assert_uint_eq(lm_f32_to_f16(nextafterf(middle, f)), h);
        ck_assert_uint_eq(lm_f32_to_f16(nextafterf(middle, next)), h + 1);
    }
    ck_assert_uint_eq(lm_f32_to_f16(65519.99f), 0x7bff);
    ck_assert_uint_eq(lm_f32_to_f16(65520.0f), 0x7c00);
    ck_assert_uint_eq(lm_f32_to_f16(-INFINITY), 0xfc00);
    ck_assert_uint_eq(lm_f32_to_f16(0x1p-26f), 0);
    ck_assert_uint_eq(lm_f32_to_f16(-0.0f), 0x8000);
    ck_assert_float_eq(lm_f16_to_f32(0x3c00), 1.0f);
    ck_assert_float_eq(lm_f16_to_f32(0x0001), 0x1p-24f);
}
END_TEST

START_TEST(bfloats_round_to_even)
{
    for (unsigned h = 0; h < 0x10000; h++) {
        float f = lm_bf16_to_f32((uint16_t)h);
        if (isnan(f)) {
            ck_assert(isnan(lm_bf16_to_f32(lm_f32_to_bf16(f))));
            continue;
        }
        ck_assert_uint_eq(lm_f32_to_bf16(f), h);
    }
    ck_assert_uint_eq(lm_f32_to_bf16(1.00390625f), 0x3f80);  /* tie: 1 + 2^-8 goes to even */
    ck_assert_uint_eq(lm_f32_to_bf16(1.01171875f), 0x3f82);  /* tie: 1 + 3*2^-8 */
    ck_assert_uint_eq(lm_f32_to_bf16(1.00390637f), 0x3f81);
    ck_assert_uint_eq(lm_f32_to_bf16(3.4028235e38f), 0x7f80);
}
END_TEST

START_TEST(arrays_convert_unaligned)
{
    const float in[5] = {0, -1.5f, 1e-3f, 70000, 3.0e38f};
    const lm_dtype all[] = {LM_F64, LM_F32, LM_F16, LM_BF16};
    unsigned char bytes[1 + sizeof in * 2];
    float out[5];
    for (int t = 0; t < 4; t++) {
        ck_assert(lm_from_f32(all[t], in, 5, bytes + 1));
        ck_assert(lm_to_f32(all[t], bytes + 1, 5, out));
        for (int i = 0; i < 5; i++) {
            float expect = all[t] == LM_F16    ? lm_f16_to_f32(lm_f32_to_f16(in[i]))
                           : all[t] == LM_BF16 ? lm_bf16_to_f32(lm_f32_to_bf16(in[i]))
                                               : in[i];
            ck_assert_float_eq(out[i], expect);
        }
    }
    ck_assert(!lm_to_f32(LM_I32, bytes, 1, out));
    ck_assert(!lm_from_f32(LM_Q8_0, in, 1, bytes));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tensor");
    TCase *c = tcase_create("dtype");
    tcase_add_test(c, dtypes_have_names_and_sizes);
    tcase_add_test(c, sizes_are_checked);
    tcase_add_test(c, shapes_compare_and_print);
    tcase_add_test(c, halves_round_to_even);
    tcase_add_test(c, bfloats_round_to_even);
    tcase_add_test(c, arrays_convert_unaligned);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
