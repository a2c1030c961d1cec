/* Every family of tokenizers against what the reference made of nasty texts: ids, spans, special tokens,
 * segments, truncation with its overflow, decoding. Goldens of the same form that tests/differential made are
 * checked as well. */
#include "unit.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/token_bytes.h"
#include "text/tokenizer_internal.h"

#include <jansson.h>
#include <unistd.h>

static lm_str str(json_t *v)
{
    return (lm_str){json_string_value(v), json_string_length(v)};
}

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &error);
    ck_assert_msg(root != NULL, "%s: %s", path, error.text);
    return root;
}

static json_int_t number(json_t *list, int i)
{
    return json_integer_value(json_array_get(list, (size_t)i));
}

/* Ids in a line, for a message. */
static char *in_a_line(const int32_t *ids, int n)
{
    lm_buf b = {0};
    for (int i = 0; i < n && i < 60; i++)
        lm_buf_printf(&b, " %d", (int)ids[i]);
    lm_buf_cstr(&b);
    return b.data;
}

static void check_ids(json_t *ids, const lm_encoding *e, const char *what, int row)
{
    bool same = (size_t)e->len == json_array_size(ids);
    for (int i = 0; i < e->len && same; i++)
        same = e->ids[i] == number(ids, i);
    if (same)
        return;
    char *have = in_a_line(e->ids, e->len), *want = json_dumps(ids, JSON_COMPACT);
    ck_abort_msg("%s %d: ids%s instead of %.600s", what, row, have, want);
}

static void check_bytes(json_t *want, const uint8_t *have, int n, const char *what, int row)
{
    ck_assert_int_eq((int)json_array_size(want), n);
    for (int i = 0; i < n; i++)
        ck_assert_msg(have[i] == number(want, i), "%s %d: at token %d it is %d", what, row, i, have[i]);
}

static void check_offsets(json_t *off, const lm_encoding *e, lm_str text, const char *what, int row)
{
    for (int i = 0; i < e->len; i++)
        for (int k = 0; k < 2; k++) {
            size_t bytes = (size_t)e->offsets[2 * i + k];
            ck_assert_uint_le(bytes, text.len);
            long points = (long)lm_utf8_count(text.data, bytes);
            json_int_t want = number(json_array_get(off, (size_t)i), k);
            ck_assert_msg(points == want, "%s %d: offset %d of token %d is %ld instead of %lld", what, row, k,
                          i, points, (long long)want);
        }
}

static void check_decoded(const lm_tokenizer *t, const int32_t *ids, size_t n, bool skip, json_t *want,
                          const char *what, int row)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf b = {0};
    lm_decode(t, ids, n, skip, &b, &st);
    assert_ok(&st);
    ck_assert_msg(lm_str_equal(lm_buf_str(&b), str(want)), "%s %d: \"%s\" instead of \"%s\"", what, row,
                  lm_buf_cstr(&b), json_string_value(want));
    lm_buf_free(&b);
}

/* ---------------------------------------------------------------- the parts of a golden */

static void golden_single(lm_encoder *e, json_t *golden, json_t *texts, const char *what)
{
    lm_encoding out = {0};
    lm_encode_options options = {0}, bare = {.no_special = true};
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(golden, "single"), i, row) {
        lm_status st = LM_STATUS_INIT;
        int n = (int)json_integer_value(json_object_get(row, "i"));
        lm_str text = str(json_array_get(texts, (size_t)n));
        lm_encode(e, text, (lm_str){NULL, 0}, &options, &out, &st);
        assert_ok(&st);
        check_ids(json_object_get(row, "ids"), &out, what, n);
        check_offsets(json_object_get(row, "off"), &out, text, what, n);
        check_bytes(json_object_get(row, "special"), out.special, out.len, what, n);
        json_t *keep = json_object_get(row, "dec_keep");
        check_decoded(e->t, out.ids, (size_t)out.len, true, json_object_get(row, "dec"), what, n);
        check_decoded(e->t, out.ids, (size_t)out.len, false, keep ? keep : json_object_get(row, "dec"), what,
                      n);

        int kept = 0;
        for (int k = 0; k < out.len; k++)
            if (!out.special[k])
                out.ids[kept++] = out.ids[k];
        int32_t *want = lm_malloc((size_t)kept + 1, sizeof *want);
        memcpy(want, out.ids, (size_t)kept * sizeof *want);
        lm_encode(e, text, (lm_str){NULL, 0}, &bare, &out, &st);
        assert_ok(&st);
        json_t *other = json_object_get(row, "ids_nospecial");
        if (other)
            check_ids(other, &out, what, n);
        else
            ck_assert(out.len == kept && memcmp(out.ids, want, (size_t)kept * sizeof *want) == 0);
        free(want);
    }
    lm_encoding_free(&out);
}

/* The same rows at once, twice: with words that are new in several of them, and then known. */
static void golden_together(const lm_tokenizer *t, json_t *golden, json_t *texts, const char *what)
{
    json_t *single = json_object_get(golden, "single"), *row;
    size_t i, failed, n = json_array_size(single);
    lm_encode_row *rows = lm_calloc(n, sizeof *rows);
    lm_encoding *out = lm_calloc(n, sizeof *out);
    lm_encoder *e = lm_encoder_new(t);
    for (int turn = 0; turn < 2; turn++) {
        lm_status st = LM_STATUS_INIT;
        lm_encode_options options = {.ids_only = true, .valid = turn};
        json_array_foreach(single, i, row) {
            lm_str text = str(json_array_get(texts, (size_t)json_integer_value(json_object_get(row, "i"))));
            rows[i] = (lm_encode_row){text, i, &out[i]};
            options.valid = options.valid && lm_utf8_valid(text.data, text.len);
        }
        ck_assert(lm_encode_rows(e, rows, n, &options, &failed, &st));
        json_array_foreach(single, i, row) {
            check_ids(json_object_get(row, "ids"), &out[i], what, (int)i);
            check_bytes(json_object_get(row, "special"), out[i].special, out[i].len, what, (int)i);
        }
    }
    lm_encoder_free(e);
    for (i = 0; i < n; i++)
        lm_encoding_free(&out[i]);
    free(out);
    free(rows);
}

static lm_encode_options options_of(json_t *row)
{
    const char *strategy = json_string_value(json_object_get(row, "strategy"));
    const char *direction = json_string_value(json_object_get(row, "direction"));
    return (lm_encode_options){
        .max_length = (int)json_integer_value(json_object_get(row, "max_length")),
        .truncation = !strategy || !strcmp(strategy, "longest_first") ? LM_LONGEST_FIRST
                      : !strcmp(strategy, "only_first")               ? LM_ONLY_FIRST
                                                                      : LM_ONLY_SECOND,
        .left = direction && !strcmp(direction, "left"),
        .overflow = true,
        .stride = (int)json_integer_value(json_object_get(row, "stride")),
    };
}

static void check_whole_overflow(json_t *rows, const lm_encoding *out, int number)
{
    ck_assert_int_eq((int)json_array_size(rows), out->overflow_count);
    for (int k = 0; k < out->overflow_count; k++)
        check_ids(json_array_get(rows, (size_t)k), &out->overflow[k], "overflow of row", number);
}

/* From version 0.23 on, which made the goldens, the reference stops cutting a text into words soon after the
 * first row is full, and so loses a part of its overflow: what it has is the beginning of what there is. */
static void check_overflow(json_t *rows, const lm_encoding *out, int number)
{
    size_t n = json_array_size(rows);
    ck_assert_int_le(n, out->overflow_count);
    for (size_t k = 0; k < n; k++) {
        json_t *ids = json_array_get(rows, k);
        const lm_encoding *own = &out->overflow[k];
        size_t len = json_array_size(ids), special = 0;
        while (special < len && own->special[own->len - 1 - (int)special])
            special++;
        ck_assert_int_le(len, own->len);
        for (size_t i = 0; i + special < len; i++)
            ck_assert_msg(own->ids[i] == json_integer_value(json_array_get(ids, i)),
                          "overflow %d, row %zu, token %zu", number, k, i);
    }
}

static void golden_rows(lm_encoder *e, json_t *golden, json_t *texts, const char *part)
{
    lm_encoding out = {0};
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(golden, part), i, row) {
        lm_status st = LM_STATUS_INIT;
        json_t *b = json_object_get(row, "b");
        lm_encode_options options = options_of(row);
        lm_str text = str(json_array_get(texts, (size_t)json_integer_value(json_object_get(row, "a"))));
        lm_str pair = json_is_integer(b) ? str(json_array_get(texts, (size_t)json_integer_value(b)))
                                         : (lm_str){NULL, 0};
        bool ok = lm_encode(e, text, pair, &options, &out, &st);
        ck_assert_msg(ok == !json_object_get(row, "error"), "%s %zu: %s", part, i, st.message);
        if (!ok)
            continue;
        check_ids(json_object_get(row, "ids"), &out, part, (int)i);
        check_bytes(json_object_get(row, "type_ids"), out.types, out.len, part, (int)i);
        if (json_object_get(row, "special"))
            check_bytes(json_object_get(row, "special"), out.special, out.len, part, (int)i);
        if (json_object_get(golden, "whole_overflow") && json_object_get(row, "overflow"))
            check_whole_overflow(json_object_get(row, "overflow"), &out, (int)i);
        else if (json_object_get(row, "overflow") && !pair.data && !options.left)
            check_overflow(json_object_get(row, "overflow"), &out, (int)i);
    }
    lm_encoding_free(&out);
}

static void golden_decode(const lm_tokenizer *t, json_t *golden)
{
    size_t i, k;
    json_t *row, *id;
    json_array_foreach(json_object_get(golden, "decode_random"), i, row) {
        int32_t ids[256];
        json_array_foreach(json_object_get(row, "ids"), k, id)
            ids[k] = (int32_t)json_integer_value(id);
        check_decoded(t, ids, k, true, json_object_get(row, "skip"), "decode_random", (int)i);
        check_decoded(t, ids, k, false, json_object_get(row, "keep"), "decode_random", (int)i);
    }
}

/* What tokens add one by one is together what the reference makes of all of them. */
static void golden_token_bytes(const lm_tokenizer *t, json_t *golden, const char *what)
{
    lm_status st = LM_STATUS_INIT;
    lm_token_bytes bytes = {0};
    lm_token_bytes_read(&bytes, t, &st);
    assert_ok(&st);
    size_t i, k;
    json_t *row, *id;
    json_array_foreach(json_object_get(golden, "single"), i, row) {
        lm_buf all = {0};
        json_array_foreach(json_object_get(row, "ids"), k, id) {
            lm_str token = lm_token_bytes_get(&bytes, (int)json_integer_value(id));
            lm_buf_append(&all, token.data, token.len);
        }
        lm_str have = lm_buf_str(&all), want = str(json_object_get(row, "dec"));
        if (bytes.drops_space && have.len && have.data[0] == ' ')
            have = (lm_str){have.data + 1, have.len - 1};
        ck_assert_msg(!lm_utf8_valid(have.data, have.len) || lm_str_equal(have, want), "%s %zu: \"%.*s\" instead of \"%s\"",
                      what, i, (int)have.len, have.data, want.data);
        lm_buf_free(&all);
    }
    lm_token_bytes_free(&bytes);
}

static void check_golden(const char *tokenizer, const char *golden_path, const char *texts_path)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *t = lm_tokenizer_open(tokenizer, &st);
    assert_ok(&st);
    json_t *root = load(texts_path), *golden = load(golden_path);
    json_t *texts = json_is_array(root) ? root : json_object_get(root, "texts");
    ck_assert_uint_gt(json_array_size(texts), 0);
    ck_assert_uint_gt(json_array_size(json_object_get(golden, "single")), 0);
    bool bert = t->bert.usable, bytes = t->bytes.usable;
    for (int way = 0; way <= (bert || bytes); way++) { /* the short cut, and the components */
        t->bert.usable = bert && way == 0;
        t->bytes.usable = bytes && way == 0;
        lm_encoder *e = lm_encoder_new(t);
        golden_single(e, golden, texts, tokenizer);
        golden_rows(e, golden, texts, "pairs");
        golden_rows(e, golden, texts, "truncation");
        golden_together(t, golden, texts, tokenizer);
        lm_encoder_free(e);
    }
    golden_decode(t, golden);
    golden_token_bytes(t, golden, tokenizer);
    json_decref(root);
    json_decref(golden);
    lm_tokenizer_free(t);
}

/* ---------------------------------------------------------------- the tests */

static const char *const golden_names[][2] = {
    {"goldens/tokenizer/bert-uncased-small", "bert-uncased-small/golden.json"},
    {"goldens/tokenizer/bert-cased-small", "bert-cased-small/golden.json"},
    {"goldens/tokenizer/gpt2-small", "gpt2-small/golden.json"},
    {"goldens/tokenizer/roberta-small", "roberta-small/golden.json"},
    {"goldens/tokenizer/llama2-small", "llama2-small/golden.json"},
    {"goldens/tokenizer/llama2-small-nonlegacy", "llama2-small-nonlegacy/golden.json"},
    {"goldens/tokenizer/llama3-small", "llama3-small/golden.json"},
    {"goldens/tokenizer/qwen-small", "qwen-small/golden.json"},
    {"goldens/tokenizer/gemma-small", "gemma-small/golden.json"},
    {"goldens/tokenizer/t5-small", "t5-small/golden.json"},
    {"goldens/tokenizer/t5-small-conv", "t5-small-conv/golden.json"},
    {"tokenizers/bert-base-uncased", "real-bert-base-uncased.golden.json"},
    {"tokenizers/gpt2", "real-gpt2.golden.json"},
    {"tokenizers/qwen3", "real-qwen3.golden.json"},
    {"tokenizers/gemma3", "real-gemma3.golden.json"},
};

START_TEST(goldens)
{
    UNIT_NEEDS_DATA(data);
    char *tokenizer = lm_format("%s/%s", data, golden_names[_i][0]);
    char *golden = lm_format("%s/goldens/tokenizer/%s", data, golden_names[_i][1]);
    char *texts = lm_format("%s/goldens/tokenizer/texts.json", data);
    check_golden(tokenizer, golden, texts);
    free(tokenizer);
    free(golden);
    free(texts);
}
END_TEST

static const char *const real_names[] = {"bert-base-uncased",
                                         "bert-base-multilingual-cased",
                                         "klue-roberta",
                                         "koelectra",
                                         "gpt2",
                                         "roberta-base",
                                         "llama2",
                                         "llama3",
                                         "qwen3",
                                         "gemma3",
                                         "t5-small"};

static int check_lines(lm_encoder *e, FILE *f, const char *name)
{
    lm_status st = LM_STATUS_INIT;
    json_error_t error;
    lm_encoding out = {0};
    int rows = 0;
    for (json_t *row; (row = json_loadf(f, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error)) != NULL;
         rows++) {
        lm_str text = str(json_object_get(row, "text"));
        for (int bare = 0; bare < 2; bare++) {
            lm_encode_options options = {.no_special = bare};
            lm_encode(e, text, (lm_str){NULL, 0}, &options, &out, &st);
            assert_ok(&st);
            check_ids(json_object_get(row, bare ? "ids" : "ids_special"), &out, name, rows);
        }
        check_decoded(e->t, out.ids, (size_t)out.len, false, json_object_get(row, "decoded"), name, rows);
        json_decref(row);
    }
    lm_encoding_free(&out);
    return rows;
}

START_TEST(real_tokenizers)
{
    UNIT_NEEDS_DATA(data);
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/tokenizers/%s", data, real_names[_i]);
    char *lines = lm_format("%s/goldens/tokenizers-real/%s.jsonl", data, real_names[_i]);
    lm_tokenizer *t = lm_tokenizer_open(path, &st);
    assert_ok(&st);
    lm_encoder *e = lm_encoder_new(t);
    FILE *f = fopen(lines, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(check_lines(e, f, real_names[_i]), 278);
    fclose(f);
    lm_encoder_free(e);
    lm_tokenizer_free(t);
    free(path);
    free(lines);
}
END_TEST

/* LMUTILS_GOLDENS names lists: a line holds a tokenizer, a golden and its texts, with tabs between. */
START_TEST(further_goldens)
{
    const char *list = getenv("LMUTILS_GOLDENS");
    FILE *f = list ? fopen(list, "r") : NULL;
    ck_assert_msg(!list || f, "%s: cannot be read", list);
    char *line = NULL;
    size_t cap = 0;
    while (f && getline(&line, &cap, f) > 0) {
        char *rest = line, *paths[3];
        for (int i = 0; i < 3; i++)
            ck_assert_ptr_nonnull(paths[i] = strsep(&rest, "\t\n"));
        check_golden(paths[0], paths[1], paths[2]);
    }
    free(line);
    if (f)
        fclose(f);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tokenizers");
    TCase *c = tcase_create("tokenizers");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, goldens, 0, sizeof golden_names / sizeof *golden_names);
    tcase_add_loop_test(c, real_tokenizers, 0, sizeof real_names / sizeof *real_names);
    tcase_add_test(c, further_goldens);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
