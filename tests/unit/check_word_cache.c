/* Words that came by: found with their tokens, under their own key alone, and however the cache has grown since. */
#include "unit.h"

#include "text/word_cache.h"

enum { WORDS = 60000 };

/* The n-th word: its bytes, zero-padded, and tokens of one byte each from n on; its length is of 1 to LM_WORD_BYTES. */
static size_t make_word(int n, uint64_t key[3], lm_short_tokens *tokens)
{
    char bytes[LM_WORD_BYTES + 1] = {0};
    size_t len = (size_t)snprintf(bytes, sizeof bytes, "%d%.*s", n, n % 17, "abcdefghijklmnopq");
    memcpy(key, bytes, LM_WORD_BYTES);
    tokens->n = (uint32_t)len;
    tokens->ends = (uint32_t)((UINT64_C(1) << len) - 1);
    for (size_t i = 0; i < len; i++)
        tokens->ids[i] = n + (int32_t)i;
    return len;
}

static void put_word(lm_word_cache *c, int n)
{
    uint64_t key[3];
    lm_short_tokens tokens;
    size_t len = make_word(n, key, &tokens);
    lm_word_put(c, lm_word_set(c, key), key, len, &tokens);
}

/* Whether the n-th word is found, which it is with its own tokens then. */
static bool has_word(const lm_word_cache *c, int n)
{
    uint64_t key[3];
    lm_short_tokens tokens;
    int32_t ids[LM_WORD_TOKENS];
    size_t len = make_word(n, key, &tokens);
    const lm_known_word *known = lm_word_find(lm_word_set(c, key), key, len);
    if (!known)
        return false;
    lm_word_ids(known, ids);
    ck_assert_uint_eq(known->count, tokens.n);
    ck_assert_uint_eq(known->ends, tokens.ends);
    ck_assert_int_eq(memcmp(ids, tokens.ids, tokens.n * sizeof *ids), 0);
    return true;
}

START_TEST(words_stay)
{
    lm_word_cache c = {0};
    static bool there[WORDS];
    int grown = 0;
    lm_word_cache_init(&c, LM_WORD_CACHE_BYTES);
    for (int n = 0; n < WORDS; n++) {
        unsigned bits = c.bits;
        put_word(&c, n);
        ck_assert(has_word(&c, n));
        if (LM_WORD_SETS_A_LOSS * c.lost >> bits == 0)
            continue;
        for (int i = 0; i <= n; i++)
            there[i] = has_word(&c, i);
        lm_word_cache_grow(&c);
        grown += c.bits > bits;
        for (int i = 0; i <= n && c.bits > bits; i++)
            ck_assert_int_eq(has_word(&c, i), there[i]);
        if (c.bits == c.most)
            break;
    }
    ck_assert_int_ge(grown, 2);
    lm_word_cache_free(&c);
}
END_TEST

START_TEST(never_larger)
{
    lm_word_cache c = {0};
    lm_word_cache_init(&c, 1 << 20);
    for (int n = 0; n < WORDS; n++) {
        put_word(&c, n);
        lm_word_cache_grow(&c);
        ck_assert_uint_le(2 * sizeof *c.sets << c.bits, 1 << 20);
    }
    lm_word_cache_free(&c);
}
END_TEST

/* What differs in length, or in the last byte alone. */
START_TEST(keys_apart)
{
    static const char zeros[LM_WORD_BYTES] = {0};
    lm_word_cache c = {0};
    uint64_t key[3];
    lm_word_cache_init(&c, LM_WORD_CACHE_BYTES);
    lm_word_key(zeros, 3, key);
    lm_word_put(&c, lm_word_set(&c, key), key, 3, &(lm_short_tokens){.ids = {7}, .ends = 4, .n = 1});
    ck_assert(lm_word_find(lm_word_set(&c, key), key, 3));
    ck_assert(!lm_word_find(lm_word_set(&c, key), key, 2));
    key[2] |= LM_OWN_KEY;
    ck_assert(!lm_word_find(lm_word_set(&c, key), key, 3));
    lm_word_cache_free(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("word_cache");
    TCase *c = tcase_create("word_cache");
    tcase_add_test(c, words_stay);
    tcase_add_test(c, never_larger);
    tcase_add_test(c, keys_apart);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
