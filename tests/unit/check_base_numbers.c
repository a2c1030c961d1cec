#include "check_base.h"

#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "base/threads.h"
#include "base/utf8.h"

#include <math.h>

/* The known answers that come with Random123 (kat_vectors, philox4x32 10). */
START_TEST(philox_known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        lm_philox((lm_philox_key){{known[i].key[0], known[i].key[1]}}, known[i].counter, out);
        for (int j = 0; j < 4; j++)
            ck_assert_uint_eq(out[j], known[i].out[j]);
    }
}
END_TEST

START_TEST(keys_differ_by_each_part)
{
    lm_philox_key keys[] = {lm_random_key(42, LM_FOR_DROPOUT, 0), lm_random_key(43, LM_FOR_DROPOUT, 0),
                            lm_random_key(42, LM_FOR_MASKING, 0), lm_random_key(42, LM_FOR_DROPOUT, 1),
                            lm_random_key(42 + (UINT64_C(1) << 32), LM_FOR_DROPOUT, 0),
                            lm_random_key(42, LM_FOR_DROPOUT, UINT64_C(1) << 32)};
    enum { N = sizeof keys / sizeof *keys };
    for (int i = 0; i < N; i++)
        for (int j = 0; j < i; j++)
            ck_assert(memcmp(&keys[i], &keys[j], sizeof keys[i]) != 0);
}
END_TEST

START_TEST(below_is_uniform_and_in_range)
{
    lm_philox_key key = lm_random_key(1, LM_FOR_SAMPLING, 0);
    enum { BOUND = 7, N = 70000 };
    int seen[BOUND] = {0};
    for (uint64_t i = 0; i < N; i++)
        seen[lm_random_below(key, 3, i, BOUND)]++;
    double chi2 = 0;
    for (int i = 0; i < BOUND; i++)
        chi2 += (seen[i] - N / BOUND) * (double)(seen[i] - N / BOUND) / (N / BOUND);
    ck_assert_msg(chi2 < 22.5, "chi2 %g on 6 degrees of freedom: p < 0.001", chi2);
    /* a bound that rejects nearly half of the draws */
    uint64_t big = (UINT64_C(1) << 63) + 1;
    for (uint64_t i = 0; i < 1000; i++)
        ck_assert_uint_lt(lm_random_below(key, 4, i, big), big);
    int rejected = 0;
    for (uint64_t i = 0; i < 1000; i++) { /* the first word pair of the block that is not surplus decides */
        uint32_t w[4];
        lm_random_block(key, 4, i, w);
        for (int j = 0; j < 4; j += 2) {
            unsigned __int128 product = (unsigned __int128)((uint64_t)w[j + 1] << 32 | w[j]) * big;
            if ((uint64_t)product >= -big % big) {
                ck_assert_uint_eq(lm_random_below(key, 4, i, big), (uint64_t)(product >> 64));
                break;
            }
            rejected++;
        }
    }
    ck_assert_int_gt(rejected, 300);
    ck_assert_uint_eq(lm_random_below(key, 0, 0, 1), 0);
}
END_TEST

START_TEST(normal_has_its_moments)
{
    lm_philox_key key = lm_random_key(2, LM_FOR_INIT, 0);
    enum { N = 100000 };
    double sum = 0, squares = 0, fourth = 0;
    for (uint64_t i = 0; i < N; i++) {
        double x = lm_random_normal(key, i, 0);
        ck_assert(isfinite(x));
        sum += x, squares += x * x, fourth += x * x * x * x;
    }
    ck_assert_double_eq_tol(sum / N, 0, 0.02);
    ck_assert_double_eq_tol(squares / N, 1, 0.03);
    ck_assert_double_eq_tol(fourth / N, 3, 0.2);
}
END_TEST

START_TEST(floats_are_below_one)
{
    ck_assert(lm_random_unit(0xffffffff) < 1.0f);
    ck_assert(lm_random_unit(0) == 0.0f);
    lm_philox_key key = lm_random_key(3, LM_FOR_SPLIT, 0);
    ck_assert_uint_eq(lm_random_u32(key, 1, 2), (uint32_t)lm_random_u64(key, 1, 2));
}
END_TEST

START_TEST(permutation_is_one)
{
    enum { N = 1000 };
    uint32_t a[N], b[N];
    bool seen[N] = {false};
    lm_philox_key key = lm_random_key(4, LM_FOR_SHUFFLE, 0);
    lm_random_permutation(key, 0, a, N);
    lm_random_permutation(key, 1, b, N);
    ck_assert(memcmp(a, b, sizeof a) != 0);
    for (int i = 0; i < N; i++) {
        ck_assert(a[i] < N && !seen[a[i]]);
        seen[a[i]] = true;
    }
    lm_random_permutation(key, 0, b, N);
    ck_assert_mem_eq(a, b, sizeof a);
    lm_random_permutation(key, 0, NULL, 0);
}
END_TEST

/* As its definition has it, for numbers of items that its blocks divide and that they do not; and items in that order. */
START_TEST(permutation_by_definition)
{
    enum { MOST = 2000 };
    uint32_t p[MOST], q[MOST];
    uint64_t items[MOST];
    lm_philox_key key = lm_random_key(9, LM_FOR_SHUFFLE, 2);
    for (uint32_t n = 1; n <= MOST; n += n < 200 ? 1 : 361) {
        for (uint32_t i = 0; i < n; i++) {
            uint32_t j = (uint32_t)lm_random_below(key, 3, i, (uint64_t)i + 1);
            p[i] = p[j];
            p[j] = i;
            items[i] = (uint64_t)i << 33 | 1;
        }
        lm_random_permutation(key, 3, q, n);
        ck_assert_mem_eq(p, q, n * sizeof *p);
        lm_random_shuffle(key, 3, items, n);
        for (uint32_t i = 0; i < n; i++)
            ck_assert_uint_eq(items[i], (uint64_t)p[i] << 33 | 1);
    }
}
END_TEST

/* The same numbers for good: seeds stand in papers. */
START_TEST(below_is_as_ever)
{
    lm_philox_key key = lm_random_key(4, LM_FOR_SHUFFLE, 0);
    static const uint64_t bounds[] = {1, 2, 3, 1000, (uint64_t)1 << 40, UINT64_MAX / 2 + 2};
    uint64_t hash = 0;
    for (uint64_t i = 0; i < 600; i++) {
        uint64_t below = lm_random_below(key, 1, i, bounds[i % 6]);
        ck_assert(below < bounds[i % 6]);
        hash = hash * 0x9E3779B97F4A7C15u + below;
    }
    ck_assert_uint_eq(hash, 0x166423ad3f7ffeebu);
}
END_TEST

START_TEST(threads_are_some)
{
    ck_assert_int_ge(lm_threads(), 1);
    lm_threads_set(3);
    ck_assert_int_eq(lm_threads(), 3);
    lm_threads_set(0);
    ck_assert_int_ge(lm_threads(), 1);
}
END_TEST

/* Every code point goes round; every lone surrogate does not. */
START_TEST(utf8_round_trip)
{
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        char bytes[4];
        size_t n = lm_utf8_encode(code, bytes);
        uint32_t back;
        bool surrogate = code >= 0xD800 && code <= 0xDFFF;
        ck_assert(lm_utf8_valid(bytes, n));
        ck_assert_uint_eq(lm_utf8_decode(bytes, n, &back), n);
        ck_assert_uint_eq(back, surrogate ? 0xFFFD : code);
    }
}
END_TEST

static const char *const utf8_parts[] = {"a", "abcdefgh", "\xc3\xa9", "\xed\x95\x9c\xea\xb8\x80", "\xf0\x9f\x98\x80", "\xed\x9f\xbf",
                                         "\xee\x80\x80", "\xf4\x8f\xbf\xbf", "\xe0\xa0\x80", "\xf0\x90\x80\x80", "\xef\xbf\xbd", "\xc2\x80",
                                         /* ill-formed from here on */
                                         "\xff", "\x80", "\xc0\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                                         "\xf5\x80\x80\x80", "\xc1\xbf", "\xe3\x81", "\xf0\x9f\x98", "\xc3"};
enum { UTF8_GOOD = 12, UTF8_PARTS = sizeof utf8_parts / sizeof *utf8_parts };

/* Against decoding one by one; of a copy, so that a sanitizer sees what is read behind it. */
static void check_valid_prefix(const char *s, size_t len)
{
    size_t good = 0, n = 0;
    for (uint32_t code = 0; good < len; good += n) {
        n = lm_utf8_decode(s + good, len - good, &code);
        if (code == 0xFFFD && (n != 3 || memcmp(s + good, "\xef\xbf\xbd", 3) != 0))
            break;
    }
    char *copy = lm_malloc(len, 1);
    memcpy(copy, s, len);
    ck_assert_uint_eq(lm_utf8_valid_prefix(copy, len), good);
    free(copy);
}

/* Texts long enough to be looked at in blocks. */
START_TEST(utf8_long)
{
    uint64_t state = 7;
    for (int i = 0; i < 20000; i++) {
        lm_buf b = {0};
        size_t pieces = 1 + (size_t)i % 90, ill = (size_t)i % 3;
        for (size_t k = 0; k < pieces; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            bool damage = ill && k + ill >= pieces - (state >> 60) % (pieces + 1);
            ill -= damage;
            lm_buf_puts(&b, utf8_parts[(state >> 33) % (damage ? UTF8_PARTS : UTF8_GOOD)]);
        }
        check_valid_prefix(b.data, b.len);
        lm_buf_free(&b);
    }
}
END_TEST

/* Every part at every place of texts of every length up to a few blocks. */
START_TEST(utf8_anywhere)
{
    enum { LONGEST = 56 };
    static const char *const around[] = {"a", "\xc3\xa9", "\xed\x95\x9c", "\xf0\x9f\x98\x80"};
    for (size_t f = 0; f < sizeof around / sizeof *around; f++)
        for (size_t k = 0; k < UTF8_PARTS; k++)
            for (size_t before = 0; before < LONGEST; before++) {
                lm_buf b = {0};
                while (b.len < before)
                    lm_buf_puts(&b, around[f]);
                lm_buf_puts(&b, utf8_parts[k]);
                while (b.len < LONGEST)
                    lm_buf_puts(&b, around[f]);
                for (size_t len = before; len <= b.len; len++)
                    check_valid_prefix(b.data, len);
                lm_buf_free(&b);
            }
}
END_TEST

/* Bytes at random, of those where a rule changes: most of them good as long as it goes. */
START_TEST(utf8_random)
{
    static const unsigned char bytes[] = {0x00, 'a', 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
                                          0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    uint64_t state = 11;
    for (int i = 0; i < 20000; i++) {
        char text[96];
        size_t good = (size_t)i % 64, n = good;
        memset(text, 'a', good);
        for (; n < sizeof text; n++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            text[n] = (char)bytes[(state >> 33) % sizeof bytes];
        }
        for (n = good; n <= sizeof text; n += 5)
            check_valid_prefix(text, n);
    }
}
END_TEST

/* What Rust's String::from_utf8_lossy gives (its documentation and tests), and Unicode 15 table 3-8. */
START_TEST(utf8_ill_formed)
{
    static const struct {
        const char *in, *out;
        size_t good;
    } cases[] = {
        {"Hello \xF0\x90\x80World", "Hello \xEF\xBF\xBDWorld", 6},
        {"\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD", 0},
        {"\xF0\x80\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 0},
        {"\xED\xA0\x80x", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDx", 0},
        {"\xF5\x80", "\xEF\xBF\xBD\xEF\xBF\xBD", 0},
        {"\xE0\x80\x41", "\xEF\xBF\xBD\xEF\xBF\xBD\x41", 0},
        {"\xF4\x91\x92\x93\xFF", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 0},
        {"abcdefgh\xE2\x82", "abcdefgh\xEF\xBF\xBD", 8},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x41", 0},
        {"\xEA\xB0\x80 ok", "\xEA\xB0\x80 ok", 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_buf out = {0};
        ck_assert_uint_eq(lm_utf8_valid_prefix(cases[i].in, strlen(cases[i].in)), cases[i].good);
        lm_utf8_replace_invalid(lm_str_of(cases[i].in), &out);
        ck_assert_str_eq(lm_buf_cstr(&out), cases[i].out);
        ck_assert_uint_eq(lm_utf8_count(cases[i].in, strlen(cases[i].in)), lm_utf8_count(out.data, out.len));
        lm_buf_free(&out);
    }
    ck_assert_uint_eq(lm_utf8_valid_prefix("a\0b\xff", 4), 3);
}
END_TEST

static void lists(const char *text, const char *as)
{
    size_t count;
    int *all = lm_number_list(text, 12, &count);
    lm_buf out = {0};
    for (size_t i = 0; all && i < count; i++)
        lm_buf_printf(&out, "%s%d", i ? " " : "", all[i]);
    ck_assert_msg((all != NULL) == (as != NULL) && (!as || strcmp(lm_buf_cstr(&out), as) == 0), "%s: %s", text, lm_buf_cstr(&out));
    lm_buf_free(&out);
    free(all);
}

START_TEST(lists_of_numbers)
{
    static const char *const bad[] = {"", ",", "1,", ",1", "12", "-1", "1-", "3-2", "1-12", "a", "1 2", "1,,2", "99999999999999999999"};
    lists("0", "0");
    lists("11,0,2", "11 0 2");
    lists("2-4,4,0-0", "2 3 4 4 0");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        lists(bad[i], NULL);
}
END_TEST

TCase *base_numbers_and_text(void)
{
    TCase *c = tcase_create("numbers and text");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, philox_known_answers);
    tcase_add_test(c, keys_differ_by_each_part);
    tcase_add_test(c, below_is_uniform_and_in_range);
    tcase_add_test(c, normal_has_its_moments);
    tcase_add_test(c, floats_are_below_one);
    tcase_add_test(c, permutation_is_one);
    tcase_add_test(c, permutation_by_definition);
    tcase_add_test(c, below_is_as_ever);
    tcase_add_test(c, threads_are_some);
    tcase_add_test(c, lists_of_numbers);
    tcase_add_test(c, utf8_round_trip);
    tcase_add_test(c, utf8_long);
    tcase_add_test(c, utf8_anywhere);
    tcase_add_test(c, utf8_random);
    tcase_add_test(c, utf8_ill_formed);
    return c;
}
