#include "unit.h"

#include "base/memory.h"
#include "base/random.h"
#include "base/utf8.h"
#include "text/components/byte_level.h"
#include "text/models/bpe.h"
#include "text/tokenizer_internal.h"
#include "plain_bpe.h"

static lm_philox_key key;
static uint64_t drawn;

static unsigned draw(unsigned below)
{
    return (unsigned)lm_random_below(key, 0, drawn++, below);
}

/* Words are of these bytes, all of which are beyond ASCII: the first one begins a character. */
enum { FIRST = 0xE0 };

static lm_str written(const char *bytes, size_t n, lm_buf *out)
{
    char form[4];
    out->len = 0;
    for (size_t i = 0; i < n; i++)
        lm_buf_append(out, form, lm_utf8_encode(lm_byte_level_char((unsigned char)bytes[i]), form));
    return lm_buf_str(out);
}

static void add_token(lm_token_tables *t, lm_str token)
{
    lm_status st = LM_STATUS_INIT;
    if (lm_vocabulary_find(&t->vocabulary, token) < 0)
        lm_vocabulary_add(&t->vocabulary, token, t->vocabulary.size, &st);
    assert_ok(&st);
}

/* A token that stands for more than a byte, or one of the letters. */
static lm_str some_token(const lm_token_tables *t, unsigned letters)
{
    unsigned n = draw(letters + (unsigned)t->vocabulary.size - 256);
    return lm_vocabulary_get(&t->vocabulary, (int)(n < letters ? FIRST + n : 256 + n - letters));
}

/* Merges come in any order, some twice, several make the same token; some tokens none makes. */
static void random_model(lm_token_model *m, unsigned letters, unsigned merges, bool whole)
{
    lm_token_tables t = {0};
    lm_status st = LM_STATUS_INIT;
    lm_buf form = {0};
    char bytes[8];
    for (int byte = 0; byte < 256; byte++)
        add_token(&t, written(&(char){(char)byte}, 1, &form));
    for (unsigned i = 0; i < merges; i++) {
        lm_str a = some_token(&t, letters), b = some_token(&t, letters);
        char *left = lm_format("%.*s", (int)a.len, a.data), *right = lm_format("%.*s", (int)b.len, b.data);
        char *both = lm_format("%s%s", left, right);
        add_token(&t, lm_str_of(both));
        ck_assert(lm_token_tables_merge(&t, lm_str_of(left), lm_str_of(right), &st));
        free(left);
        free(right);
        free(both);
    }
    for (unsigned i = 0, n = draw(4); i < n; i++) {
        size_t len = 2 + draw(sizeof bytes - 2);
        for (size_t k = 0; k < len; k++)
            bytes[k] = (char)(FIRST + draw(letters));
        add_token(&t, written(bytes, len, &form));
    }
    json_t *spec = json_pack("{s:s, s:b}", "type", "BPE", "ignore_merges", whole);
    ck_assert(lm_token_model_read(m, spec, &t, &st));
    assert_ok(&st);
    json_decref(spec);
    lm_buf_free(&form);
}

/* The last bytes of these tokens: of as many as they have characters. */
static uint64_t ends_of(const lm_token_model *m, const int32_t *ids, size_t n)
{
    uint64_t ends = 0;
    size_t end = 0;
    for (size_t i = 0; i < n; i++) {
        lm_str token = lm_vocabulary_get(&m->tables.vocabulary, ids[i]);
        for (size_t k = 0; k < token.len; k++)
            end += (token.data[k] & 0xC0) != 0x80;
        ends |= UINT64_C(1) << (end - 1);
    }
    return ends;
}

static void check_word(const lm_token_model *m, const char *bytes, size_t len)
{
    const lm_bpe *b = m->own;
    int32_t want[LM_BPE_SHORT], ids[LM_BPE_SHORT];
    uint64_t ends = 0;
    lm_buf form = {0};
    int whole = m->ignore_merges ? lm_vocabulary_find(&m->tables.vocabulary, written(bytes, len, &form)) : -1;
    size_t n = 1;
    for (size_t i = 0; i < len; i++)
        want[i] = b->symbols[(unsigned char)bytes[i]];
    if (whole >= 0)
        want[0] = whole;
    else
        n = merge_plainly(b, want, len);
    ck_assert_uint_eq(lm_bpe_match(b, (lm_str){bytes, len}, m->ignore_merges, ids, &ends), n);
    ck_assert(ends == ends_of(m, want, n) && memcmp(ids, want, n * sizeof *ids) == 0);
    lm_buf_free(&form);
}

static void look_up_all(lm_token_model *m)
{
    lm_bpe *b = m->own;
    ck_assert_ptr_nonnull(b->parts);
    memset(b->leads_on, 0xff, sizeof b->leads_on);
}

START_TEST(all_short_words)
{
    enum { MODELS = 60 };
    key = lm_random_key(1, LM_FOR_SAMPLING, (uint64_t)_i);
    for (int k = 0; k < MODELS; k++) {
        lm_token_model m;
        unsigned letters = 1 + draw(3), longest = letters == 1 ? 30 : letters == 2 ? 9 : 6;
        random_model(&m, letters, 1 + draw(20), draw(2));
        look_up_all(&m);
        for (size_t len = 2; len <= longest; len++) {
            char word[32] = "";
            size_t count = 1;
            for (size_t i = 0; i < len; i++)
                count *= letters;
            for (size_t n = 0; n < count; n++) {
                for (size_t i = 0, rest = n; i < len; i++, rest /= letters)
                    word[i] = (char)(FIRST + rest % letters);
                check_word(&m, word, len);
            }
        }
        lm_token_model_free(&m);
    }
}
END_TEST

START_TEST(some_longer_words)
{
    enum { MODELS = 60, WORDS = 200 };
    key = lm_random_key(2, LM_FOR_SAMPLING, (uint64_t)_i);
    for (int k = 0; k < MODELS; k++) {
        lm_token_model m;
        unsigned letters = 1 + draw(6);
        random_model(&m, letters, 1 + draw(200), draw(2));
        look_up_all(&m);
        for (int n = 0; n < WORDS; n++) {
            char word[LM_BPE_SHORT];
            size_t len = 2 + draw(LM_BPE_SHORT - 1);
            for (size_t i = 0; i < len; i++)
                word[i] = (char)(FIRST + draw(letters));
            check_word(&m, word, len);
        }
        lm_token_model_free(&m);
    }
}
END_TEST

/* Words of a script of which the vocabulary knows characters, and those of others. */
START_TEST(which_words)
{
    lm_token_tables t = {0};
    lm_token_model m;
    lm_status st = LM_STATUS_INIT;
    lm_buf form = {0};
    for (int byte = 0; byte < 256; byte++)
        add_token(&t, written(&(char){(char)byte}, 1, &form));
    static const char *const joined[][2] = {{" ", "\xec"},       {" \xec", "\x95"}, {" \xec\x95", "\x88"},
                                            {" \xec", "\x96"},   {" \xec", "\x97"}, {"t", "h"},
                                            {"th", "e"},         {" ", "\xed"},     {" \xed", "\x95"}};
    for (size_t i = 0; i < sizeof joined / sizeof *joined; i++) {
        lm_buf left = {0}, right = {0};
        written(joined[i][0], strlen(joined[i][0]), &left);
        written(joined[i][1], strlen(joined[i][1]), &right);
        char *both = lm_format("%s%s", lm_buf_cstr(&left), lm_buf_cstr(&right));
        add_token(&t, lm_str_of(both));
        ck_assert(lm_token_tables_merge(&t, lm_buf_str(&left), lm_buf_str(&right), &st));
        lm_buf_free(&left);
        lm_buf_free(&right);
        free(both);
    }
    json_t *spec = json_pack("{s:s}", "type", "BPE");
    ck_assert(lm_token_model_read(&m, spec, &t, &st));
    static const struct {
        const char *word;
        bool looks_up;
    } words[] = {{" \xec\x95\x88\xeb\x85\x95", true}, {" \xed\x95\x88", false}, {"\xec\x95\x88", false},
                 {"the", false}, {" the", false}, {" ", false}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        ck_assert_int_eq(lm_bpe_looks_up(m.own, lm_str_of(words[i].word)), words[i].looks_up);
    check_word(&m, words[0].word, strlen(words[0].word));
    json_decref(spec);
    lm_token_model_free(&m);
    lm_buf_free(&form);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("bpe_match");
    TCase *c = tcase_create("bpe_match");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, all_short_words, 0, 8);
    tcase_add_loop_test(c, some_longer_words, 0, 8);
    tcase_add_test(c, which_words);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
