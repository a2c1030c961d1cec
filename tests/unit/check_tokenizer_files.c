/* Every format of tokenizer files against the tokenizer.json that transformers made of the same vocabulary;
 * writing and reading back; what is refused. */
#include "unit.h"
#include "scratch.h"

#include "base/memory.h"
#include "text/files/files.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---------------------------------------------------------------- helpers */

static json_t *load(const char *data, const char *path)
{
    json_error_t error;
    char *full = lm_format("%s/%s", data, path);
    json_t *root = json_load_file(full, JSON_ALLOW_NUL, &error);
    ck_assert_msg(root != NULL, "%s: %s", full, error.text);
    free(full);
    return root;
}

static lm_tokenizer *open_at(const char *data, const char *path)
{
    lm_status st = LM_STATUS_INIT;
    char *full = lm_format("%s/%s", data, path);
    lm_tokenizer *t = lm_tokenizer_open(full, &st);
    assert_ok(&st);
    free(full);
    return t;
}

static lm_str str(json_t *v)
{
    return (lm_str){json_string_value(v), json_string_length(v)};
}

static int by_ids(const void *x, const void *y)
{
    const lm_merge *a = x, *b = y;
    if (a->left != b->left)
        return a->left < b->left ? -1 : 1;
    return (a->right > b->right) - (a->right < b->right);
}

/* The same merges, in whatever order: older versions of transformers have the pairs that make the same token
 * in another one. */
static void same_set_of_merges(const lm_token_tables *x, const lm_token_tables *y, const char *what)
{
    ck_assert_msg(x->merge_count == y->merge_count, "%s: %zu merges, %zu", what, x->merge_count,
                  y->merge_count);
    lm_merge *a = lm_malloc(x->merge_count + 1, sizeof *a), *b = lm_malloc(x->merge_count + 1, sizeof *b);
    if (x->merge_count) {
        memcpy(a, x->merges, x->merge_count * sizeof *a);
        memcpy(b, y->merges, x->merge_count * sizeof *b);
    }
    qsort(a, x->merge_count, sizeof *a, by_ids);
    qsort(b, x->merge_count, sizeof *b, by_ids);
    ck_assert_msg(memcmp(a, b, x->merge_count * sizeof *a) == 0, "%s: other merges", what);
    free(a);
    free(b);
}

/* The same tokens, merges and scores: then the ids of all texts are the same. */
static void same_tokens(const lm_tokenizer *a, const lm_tokenizer *b, bool in_order, const char *what)
{
    const lm_token_tables *x = &a->model.tables, *y = &b->model.tables;
    ck_assert_msg(lm_tokenizer_size(a) == lm_tokenizer_size(b), "%s: %d tokens, %d", what,
                  lm_tokenizer_size(a), lm_tokenizer_size(b));
    for (int id = 0; id < lm_tokenizer_size(a); id++) {
        lm_str s = lm_tokenizer_token(a, id), t = lm_tokenizer_token(b, id);
        ck_assert_msg(lm_str_equal(s, t), "%s: token %d is \"%.*s\", \"%.*s\"", what, id, (int)s.len, s.data,
                      (int)t.len, t.data);
        ck_assert_msg(lm_tokenizer_is_special(a, id) == lm_tokenizer_is_special(b, id),
                      "%s: token %d, \"%.*s\": special?", what, id, (int)s.len, s.data);
    }
    ck_assert_msg(lm_tokenizer_digest(a) == lm_tokenizer_digest(b), "%s: digest", what);
    same_set_of_merges(x, y, what);
    for (size_t i = 0; in_order && i < x->merge_count; i++)
        ck_assert_msg(x->merges[i].left == y->merges[i].left && x->merges[i].right == y->merges[i].right,
                      "%s: merge %zu", what, i);
    ck_assert_msg(!x->scores == !y->scores, "%s: scores", what);
    for (int i = 0; x->scores && i < x->vocabulary.size; i++)
        ck_assert_msg(x->scores[i] == y->scores[i], "%s: score %d: %.17g, %.17g", what, i, x->scores[i],
                      y->scores[i]);
}

static void check_ids(lm_encoder *e, lm_str text, lm_str pair, bool bare, json_t *want, const char *what,
                      int row)
{
    static lm_encoding out;
    lm_status st = LM_STATUS_INIT;
    lm_encode_options options = {.no_special = bare};
    lm_encode(e, text, pair, &options, &out, &st);
    assert_ok(&st);
    bool same = (size_t)out.len == json_array_size(want);
    for (int i = 0; same && i < out.len; i++)
        same = out.ids[i] == json_integer_value(json_array_get(want, (size_t)i));
    ck_assert_msg(same, "%s: text %d", what, row);
}

static void check_golden(const lm_tokenizer *t, const char *data, const char *golden_path, const char *what)
{
    json_t *golden = load(data, golden_path), *texts = load(data, "goldens/tokenizer/texts.json"), *row;
    json_t *list = json_object_get(texts, "texts");
    lm_encoder *e = lm_encoder_new(t);
    size_t i, rows = 0;
    json_array_foreach(json_object_get(golden, "single"), i, row) {
        int n = (int)json_integer_value(json_object_get(row, "i"));
        check_ids(e, str(json_array_get(list, (size_t)n)), (lm_str){NULL, 0}, false,
                  json_object_get(row, "ids"), what, n);
        rows++;
    }
    ck_assert_uint_gt(rows, 200);
    json_array_foreach(json_object_get(golden, "pairs"), i, row) {
        lm_str a = str(json_array_get(list, (size_t)json_integer_value(json_object_get(row, "a"))));
        lm_str b = str(json_array_get(list, (size_t)json_integer_value(json_object_get(row, "b"))));
        check_ids(e, a, b, false, json_object_get(row, "ids"), what, (int)i);
    }
    lm_encoder_free(e);
    json_decref(golden);
    json_decref(texts);
}

static void check_lines(const lm_tokenizer *t, const char *data, const char *path, const char *what)
{
    char *full = lm_format("%s/%s", data, path);
    FILE *f = fopen(full, "r");
    ck_assert_ptr_nonnull(f);
    lm_encoder *e = lm_encoder_new(t);
    json_error_t error;
    int rows = 0;
    for (json_t *row; (row = json_loadf(f, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error)) != NULL;
         rows++) {
        lm_str text = str(json_object_get(row, "text"));
        check_ids(e, text, (lm_str){NULL, 0}, true, json_object_get(row, "ids"), what, rows);
        check_ids(e, text, (lm_str){NULL, 0}, false, json_object_get(row, "ids_special"), what, rows);
        json_decref(row);
    }
    ck_assert_int_eq(rows, 278);
    lm_encoder_free(e);
    fclose(f);
    free(full);
}

/* On the goldens' texts, and every line of a nasty list and of the declaration of human rights in all
 * languages. */
static void same_ids(const lm_tokenizer *a, const lm_tokenizer *b, const char *data, const char *what)
{
    static const char *const lists[] = {"goldens/tokenizer/texts.json", "data/nasty/blns.txt",
                                        "data/nasty/udhr_all.tsv"};
    lm_encoder *x = lm_encoder_new(a), *y = lm_encoder_new(b);
    lm_encoding out[2] = {{0}, {0}};
    lm_encode_options options = {0};
    size_t lines = 0;
    for (int i = 0; i < 3; i++) {
        char *path = lm_format("%s/%s", data, lists[i]), *line = NULL;
        json_t *root = i ? NULL : load(data, lists[0]), *texts = json_object_get(root, "texts");
        FILE *f = fopen(path, "r");
        ck_assert_msg(f != NULL, "%s", path);
        size_t cap = 0, at = 0;
        for (ssize_t n; texts ? at < json_array_size(texts) : (n = getline(&line, &cap, f)) > 0;
             at++, lines++) {
            lm_status st = LM_STATUS_INIT;
            lm_str text = texts ? str(json_array_get(texts, at)) : (lm_str){line, (size_t)n};
            lm_encode(x, text, (lm_str){NULL, 0}, &options, &out[0], &st);
            lm_encode(y, text, (lm_str){NULL, 0}, &options, &out[1], &st);
            assert_ok(&st);
            ck_assert_msg(out[0].len == out[1].len &&
                              memcmp(out[0].ids, out[1].ids, (size_t)out[0].len * 4) == 0,
                          "%s: %s:%zu", what, lists[i], at + 1);
        }
        fclose(f);
        json_decref(root);
        free(line);
        free(path);
    }
    ck_assert_uint_gt(lines, 900);
    lm_encoding_free(&out[0]);
    lm_encoding_free(&out[1]);
    lm_encoder_free(x);
    lm_encoder_free(y);
}

/* ---------------------------------------------------------------- each classic file alone */

static const struct {
    const char *file, *golden;
} alone[] = {
    {"goldens/tokenizer/bert-cased-small/vocab.txt", "goldens/tokenizer/bert-cased-small"},
    {"goldens/tokenizer/bert-uncased-small/vocab.txt", "goldens/tokenizer/bert-uncased-small"},
    {"goldens/tokenizer/gpt2-small/vocab.json", "goldens/tokenizer/gpt2-small"},
    {"goldens/tokenizer/gpt2-small/merges.txt", "goldens/tokenizer/gpt2-small"},
    {"goldens/tokenizer/roberta-small/vocab.json", "goldens/tokenizer/roberta-small"},
    {"goldens/tokenizer/roberta-small/merges.txt", "goldens/tokenizer/roberta-small"},
    {"goldens/tokenizer/llama2-small/tokenizer.model", "goldens/tokenizer/llama2-small"},
    {"goldens/tokenizer/llama2-small-nonlegacy/tokenizer.model", "goldens/tokenizer/llama2-small-nonlegacy"},
    {"goldens/tokenizer/gemma-small/tokenizer.model", "goldens/tokenizer/gemma-small"},
    /* the tokenizer.json in t5-small is an older conversion; transformers' own makes that of t5-small-conv */
    {"goldens/tokenizer/t5-small/spiece.model", "goldens/tokenizer/t5-small-conv"},
};

START_TEST(classic_files_alone)
{
    UNIT_NEEDS_DATA(data);
    char *golden = lm_format("%s/golden.json", alone[_i].golden),
         *json = lm_format("%s/tokenizer.json", alone[_i].golden);
    lm_tokenizer *a = open_at(data, alone[_i].file), *b = open_at(data, json);
    same_tokens(a, b, true, alone[_i].file);
    ck_assert(lm_tokenizer_behaviour(a) == lm_tokenizer_behaviour(b));
    static const char *const roles[] = {"bos", "eos", "unk", "pad", "cls", "sep", "mask"};
    for (int r = 0; r < 7; r++)
        if (lm_tokenizer_role(b, roles[r]) >= 0)
            ck_assert_int_eq(lm_tokenizer_role(a, roles[r]), lm_tokenizer_role(b, roles[r]));
    check_golden(a, data, golden, alone[_i].file);
    lm_tokenizer_free(a);
    lm_tokenizer_free(b);
    free(golden);
    free(json);
}
END_TEST

static const struct {
    const char *file, *json, *lines;
} real[] = {
    {"tokenizers/gpt2/vocab.json", "tokenizers/gpt2/tokenizer.json", "goldens/tokenizers-real/gpt2.jsonl"},
    {"tokenizers/roberta-base/vocab.json", "tokenizers/roberta-base/tokenizer.json",
     "goldens/tokenizers-real/roberta-base.jsonl"},
    {"tokenizers/llama2/tokenizer.model", "tokenizers/llama2/tokenizer.json",
     "goldens/tokenizers-real/llama2.jsonl"},
    {"tokenizers/bert-base-uncased/vocab.txt", "tokenizers/bert-base-uncased/tokenizer.json",
     "goldens/tokenizers-real/bert-base-uncased.jsonl"},
};

START_TEST(real_classic_files)
{
    UNIT_NEEDS_DATA(data);
    lm_tokenizer *a = open_at(data, real[_i].file), *b = open_at(data, real[_i].json);
    same_tokens(a, b, _i != 2, real[_i].file);
    check_lines(a, data, real[_i].lines, real[_i].file);
    same_ids(a, b, data, real[_i].file);
    lm_tokenizer_free(a);
    lm_tokenizer_free(b);
}
END_TEST

/* Mistral's third vocabulary is its first with 768 control tokens and bytes moved behind <unk>, <s> and </s>.
 * The goldens called llama2 are of the first one. */
START_TEST(mistral)
{
    UNIT_NEEDS_DATA(data);
    enum { CONTROLS = 768 };
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *t = open_at(data, "tokenizers/mistral/tokenizer.model");
    ck_assert_int_eq(lm_tokenizer_size(t), 32768);
    ck_assert_int_eq(lm_tokenizer_id(t, lm_str_of("[INST]")), 3);
    ck_assert_int_eq(lm_tokenizer_role(t, "bos"), 1);
    json_t *golden = load(data, "goldens/tokenizer/real-llama2.golden.json"),
           *texts = load(data, "goldens/tokenizer/texts.json"), *row;
    lm_encoder *e = lm_encoder_new(t);
    lm_encoding out = {0};
    lm_encode_options options = {0};
    size_t i;
    json_array_foreach(json_object_get(golden, "single"), i, row) {
        json_t *ids = json_object_get(row, "ids");
        lm_str text = str(json_array_get(json_object_get(texts, "texts"),
                                         (size_t)json_integer_value(json_object_get(row, "i"))));
        lm_encode(e, text, (lm_str){NULL, 0}, &options, &out, &st);
        assert_ok(&st);
        ck_assert_uint_eq((size_t)out.len, json_array_size(ids));
        for (int k = 0; k < out.len; k++) {
            int want = (int)json_integer_value(json_array_get(ids, (size_t)k));
            ck_assert_int_eq(out.ids[k], want < 3 ? want : want + CONTROLS);
        }
    }
    lm_encoding_free(&out);
    lm_encoder_free(e);
    lm_tokenizer_free(t);
    json_decref(golden);
    json_decref(texts);
}
END_TEST

/* ---------------------------------------------------------------- GGUF */

START_TEST(gguf_of_stories)
{
    UNIT_NEEDS_DATA(data);
    lm_tokenizer *a = open_at(data, "models/stories260K/stories260K.f32.gguf"),
                 *b = open_at(data, "models/stories260K");
    same_tokens(a, b, false, "stories260K.f32.gguf");
    same_ids(a, b, data, "stories260K.f32.gguf");
    ck_assert_int_eq(lm_tokenizer_max_length(a), 512);
    ck_assert_int_eq(lm_tokenizer_role(a, "bos"), 1);
    ck_assert_int_eq(lm_tokenizer_role(a, "unk"), 0);
    lm_tokenizer_free(a);
    lm_tokenizer_free(b);
}
END_TEST

static void put(lm_buf *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        lm_buf_putc(b, (char)(value >> 8 * i));
}

static void put_string(lm_buf *b, lm_str s)
{
    put(b, s.len, 8);
    lm_buf_append(b, s.data, s.len);
}

static void put_key(lm_buf *b, const char *key, int type)
{
    put_string(b, lm_str_of(key));
    put(b, (uint64_t)type, 4);
    b->data[16]++; /* the number of entries, below 256 */
}

static void put_text(lm_buf *b, const char *key, const char *value)
{
    put_key(b, key, LM_GGUF_STRING);
    put_string(b, lm_str_of(value));
}

static void put_array(lm_buf *b, const char *key, int type, size_t count)
{
    put_key(b, key, LM_GGUF_ARRAY);
    put(b, (uint64_t)type, 4);
    put(b, count, 8);
}

static void put_id(lm_buf *b, const char *key, int id)
{
    if (id < 0)
        return;
    put_key(b, key, LM_GGUF_U32);
    put(b, (uint64_t)id, 4);
}

/* As the converter writes WordPiece's tokens. */
static void put_phantom(lm_buf *b, lm_str s)
{
    lm_buf t = {0};
    bool special = s.data[0] == '[' && s.data[s.len - 1] == ']',
         inside = s.len > 1 && memcmp(s.data, "##", 2) == 0;
    if (!special && !inside)
        lm_buf_puts(&t, "\xE2\x96\x81");
    lm_buf_append(&t, s.data + 2 * inside, s.len - 2 * (size_t)inside);
    put_string(b, lm_buf_str(&t));
    lm_buf_free(&t);
}

/* A tokenizer as llama.cpp's converter would write it. */
static lm_buf gguf_of(const lm_tokenizer *t, const char *model, const char *pre)
{
    lm_buf b = {0};
    const lm_token_tables *tables = &t->model.tables;
    int size = lm_tokenizer_size(t);
    lm_buf_puts(&b, "GGUF");
    put(&b, 3, 4);
    put(&b, 0, 8);
    put(&b, 0, 8);
    put_text(&b, "tokenizer.ggml.model", model);
    put_text(&b, "tokenizer.chat_template", "{{ messages }}");
    if (pre)
        put_text(&b, "tokenizer.ggml.pre", pre);
    put_array(&b, "tokenizer.ggml.tokens", LM_GGUF_STRING, (size_t)size);
    for (int i = 0; i < size; i++)
        strcmp(model, "bert") == 0 ? put_phantom(&b, lm_tokenizer_token(t, i))
                                   : put_string(&b, lm_tokenizer_token(t, i));
    put_array(&b, "tokenizer.ggml.token_type", LM_GGUF_I32, (size_t)size);
    for (int i = 0; i < size; i++) {
        const lm_added_token *added = lm_added_tokens_get(&t->added, i);
        put(&b, !added ? LM_PIECE_NORMAL : added->special ? LM_PIECE_CONTROL : LM_PIECE_USER_DEFINED, 4);
    }
    if (tables->scores) {
        put_array(&b, "tokenizer.ggml.scores", LM_GGUF_F32, (size_t)size);
        for (int i = 0; i < size; i++) {
            float score = i < tables->vocabulary.size ? (float)tables->scores[i] : 0;
            uint32_t bits;
            memcpy(&bits, &score, 4);
            put(&b, bits, 4);
        }
    }
    if (tables->merge_count) {
        put_array(&b, "tokenizer.ggml.merges", LM_GGUF_STRING, tables->merge_count);
        for (size_t i = 0; i < tables->merge_count; i++) {
            lm_str x = lm_vocabulary_get(&tables->vocabulary, tables->merges[i].left),
                   y = lm_vocabulary_get(&tables->vocabulary, tables->merges[i].right);
            put(&b, x.len + y.len + 1, 8);
            lm_buf_append(&b, x.data, x.len);
            lm_buf_putc(&b, ' ');
            lm_buf_append(&b, y.data, y.len);
        }
    }
    put_id(&b, "tokenizer.ggml.bos_token_id", lm_tokenizer_role(t, "bos"));
    put_id(&b, "tokenizer.ggml.eos_token_id", lm_tokenizer_role(t, "eos"));
    put_id(&b, "tokenizer.ggml.unknown_token_id", lm_tokenizer_role(t, "unk"));
    put_id(&b, "tokenizer.ggml.padding_token_id", lm_tokenizer_role(t, "pad"));
    put_id(&b, "tokenizer.ggml.seperator_token_id", lm_tokenizer_role(t, "sep"));
    put_id(&b, "tokenizer.ggml.cls_token_id", lm_tokenizer_role(t, "cls"));
    put_id(&b, "tokenizer.ggml.mask_token_id", lm_tokenizer_role(t, "mask"));
    if (strcmp(model, "t5") == 0) { /* what lm_sentencepiece_print puts into a model, taken out of it again */
        lm_buf proto = {0};
        lm_sentencepiece m;
        lm_status st = LM_STATUS_INIT;
        ck_assert(lm_sentencepiece_print(t, &proto));
        ck_assert(lm_sentencepiece_parse(&m, lm_buf_str(&proto), "m", &st));
        put_array(&b, "tokenizer.ggml.precompiled_charsmap", LM_GGUF_U8, m.charsmap.len);
        lm_buf_append(&b, m.charsmap.data, m.charsmap.len);
        lm_sentencepiece_free(&m);
        lm_buf_free(&proto);
    }
    while (b.len % 32)
        lm_buf_putc(&b, 0);
    return b;
}

static const struct {
    const char *name, *model, *pre;
} ggufs[] = {
    {"bert-uncased-small", "bert", NULL}, {"bert-cased-small", "bert", NULL},
    {"gpt2-small", "gpt2", "gpt-2"},      {"roberta-small", "gpt2", "roberta-bpe"},
    {"qwen-small", "gpt2", "qwen2"},      {"llama3-small", "gpt2", "llama-bpe"},
    {"t5-small-conv", "t5", NULL},
};

START_TEST(gguf_of_others)
{
    UNIT_NEEDS_DATA(data);
    lm_status st = LM_STATUS_INIT;
    char *dir = lm_format("goldens/tokenizer/%s", ggufs[_i].name), *golden = lm_format("%s/golden.json", dir);
    lm_tokenizer *t = open_at(data, dir);
    lm_buf b = gguf_of(t, ggufs[_i].model, ggufs[_i].pre);
    lm_tokenizer *again = lm_tokenizer_from_bytes(lm_buf_str(&b), NULL, NULL, NULL, "x.gguf", &st);
    assert_ok(&st);
    check_golden(again, data, golden, ggufs[_i].name);
    ck_assert_str_eq(json_string_value(json_object_get(again->config, "chat_template")), "{{ messages }}");
    for (size_t n = 0; n < b.len - 32; n += n < 200 ? 1 : 997) { /* cut anywhere */
        lm_status cut = LM_STATUS_INIT;
        char *copy = malloc(n ? n : 1);
        memcpy(copy, b.data, n);
        ck_assert_ptr_null(lm_tokenizer_from_bytes((lm_str){copy, n}, NULL, NULL, NULL, "x.gguf", &cut));
        ck_assert(strstr(cut.message, "x.gguf"));
        free(copy);
    }
    lm_tokenizer_free(t);
    lm_tokenizer_free(again);
    lm_buf_free(&b);
    free(dir);
    free(golden);
}
END_TEST

/* ---------------------------------------------------------------- writing */

static const struct {
    const char *directory, *classic;
} saved[] = {
    {"goldens/tokenizer/bert-cased-small", "vocab.txt"},
    {"goldens/tokenizer/bert-uncased-small", "vocab.txt"},
    {"goldens/tokenizer/gpt2-small", "vocab.json"},
    {"goldens/tokenizer/roberta-small", "vocab.json"},
    {"goldens/tokenizer/llama2-small", "tokenizer.model"},
    {"goldens/tokenizer/llama2-small-nonlegacy", "tokenizer.model"},
    {"goldens/tokenizer/gemma-small", "tokenizer.model"},
    {"goldens/tokenizer/t5-small-conv", "spiece.model"},
    {"goldens/tokenizer/llama3-small", NULL},
    {"goldens/tokenizer/qwen-small", NULL},
    {"goldens/tokenizer/t5-small", NULL},
    {"tokenizers/gpt2", "vocab.json"},
    {"tokenizers/mistral", "tokenizer.model"},
    {"tokenizers/klue-roberta", "vocab.txt"},
};

START_TEST(save_and_load)
{
    UNIT_NEEDS_DATA(data);
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *a = open_at(data, saved[_i].directory);
    char *one = scratch_new(), *two = scratch_new();
    ck_assert_msg(lm_tokenizer_save(a, one, &st), "%s", st.message);
    lm_tokenizer *b = lm_tokenizer_open(one, &st);
    assert_ok(&st);
    same_tokens(a, b, true, saved[_i].directory);
    ck_assert(lm_tokenizer_behaviour(a) == lm_tokenizer_behaviour(b));
    ck_assert_msg(lm_tokenizer_save(b, two, &st), "%s", st.message);
    static const char *const files[] = {"tokenizer.json",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "vocab.txt",
                                        "vocab.json",
                                        "merges.txt",
                                        "tokenizer.model",
                                        "spiece.model"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = lm_format("%s/%s", one, files[i]);
        bool there = access(path, F_OK) == 0;
        ck_assert_msg(there ==
                          (i < 3 || (saved[_i].classic && strcmp(files[i], saved[_i].classic) == 0) ||
                           (i == 5 && saved[_i].classic && strcmp(saved[_i].classic, "vocab.json") == 0)),
                      "%s: %s", saved[_i].directory, path);
        if (there)
            assert_same_file(one, two, files[i]);
        free(path);
    }
    if (saved[_i].classic) { /* which is the tokenizer by itself */
        char *path = lm_format("%s/%s", one, saved[_i].classic);
        lm_tokenizer *c = lm_tokenizer_open(path, &st);
        assert_ok(&st);
        ck_assert(lm_tokenizer_digest(a) == lm_tokenizer_digest(c));
        lm_tokenizer_free(c);
        free(path);
    }
    lm_tokenizer_free(a);
    lm_tokenizer_free(b);
    scratch_discard(one);
    scratch_discard(two);
}
END_TEST

START_TEST(numbers_and_strings_as_the_reference)
{
    static const struct {
        double value;
        const char *text;
    } numbers[] = {{0, "0.0"},
                   {-2, "-2.0"},
                   {0.1, "0.1"},
                   {-11.30240249633789, "-11.30240249633789"},
                   {1e-5, "0.00001"},
                   {1.5e-6, "1.5e-6"},
                   {1e16, "1e16"},
                   {1e15, "1000000000000000.0"},
                   {123456789012345680, "1.2345678901234568e17"},
                   {1e30, "1000000000000000019884624838656"}};
    lm_buf b = {0};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        b.len = 0;
        lm_json_rust_real(numbers[i].value, &b);
        ck_assert_str_eq(lm_buf_cstr(&b), numbers[i].text);
    }
    json_t *v =
        json_pack("{s:[], s:{}, s:[i, n, b], s:s}", "a", "b", "c", 1, 1, "d", "\"\\\n\x1f\xC3\xA9\x7f");
    b.len = 0;
    lm_json_print(v, &lm_json_rust, 0, &b);
    ck_assert_str_eq(lm_buf_cstr(&b),
                     "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    null,\n    true\n  ],\n  "
                     "\"d\": \"\\\"\\\\\\n\\u001f\xC3\xA9\x7f\"\n}");
    json_decref(v);
    lm_buf_free(&b);
}
END_TEST

/* ---------------------------------------------------------------- what stands beside, and what is refused */

static lm_tokenizer *open_dir(const char *dir, const char *name, lm_status *st)
{
    char *path = lm_format("%s/%s", dir, name);
    lm_tokenizer *t = lm_tokenizer_open(path, st);
    free(path);
    return t;
}

#define VOCAB "{\"a\":0,\"b\":1,\"ab\":2,\"<|endoftext|>\":3}"

static void write_text(const char *dir, const char *name, const char *text)
{
    scratch_write(dir, name, text, strlen(text));
}

START_TEST(files_beside)
{
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_new();
    write_text(dir, "vocab.json", VOCAB);
    write_text(dir, "merges.txt", "#version: 0.2\r\na b\r\n\r\n");
    write_text(dir, "added_tokens.json", "{\"<x>\": 4, \"<y>\": 6}");
    write_text(dir, "special_tokens_map.json",
               "{\"pad_token\": \"<x>\", \"additional_special_tokens\": [\"<z>\"]}");
    lm_tokenizer *t = lm_tokenizer_open(dir, &st);
    assert_ok(&st);
    ck_assert_int_eq(lm_tokenizer_role(t, "eos"), 3);
    ck_assert_int_eq(lm_tokenizer_role(t, "pad"), 4);
    ck_assert(lm_tokenizer_is_special(t, 4) && !lm_tokenizer_is_special(t, 6) &&
              lm_tokenizer_is_special(t, 7));
    ck_assert_int_eq(lm_tokenizer_id(t, lm_str_of("<z>")), 7);
    lm_tokenizer_free(t);
    write_text(
        dir, "tokenizer_config.json",
        "{\"tokenizer_class\": \"GPT2TokenizerFast\", \"add_bos_token\": true, \"bos_token\": {\"content\": "
        "\"<|endoftext|>\"},"
        " \"added_tokens_decoder\": {\"4\": {\"content\": \"<x>\", \"special\": true, \"lstrip\": true}},"
        " \"model_max_length\": 1000000000000000019884624838656}");
    t = lm_tokenizer_open(dir, &st);
    assert_ok(&st);
    ck_assert(lm_added_tokens_get(&t->added, 4)->left_strip);
    ck_assert_int_eq(lm_tokenizer_role(t, "bos"), 3);
    lm_encoder *e = lm_encoder_new(t);
    json_t *want = json_pack("[i, i, i]", 3, 2, 4);
    check_ids(e, lm_str_of("ab <x>"), (lm_str){NULL, 0}, false, want, "files beside", 0);
    json_decref(want);
    lm_encoder_free(e);
    lm_tokenizer_free(t);
    scratch_discard(dir);
}
END_TEST

static const struct {
    const char *name, *text, *other, *other_text, *why;
} bad[] = {
    {"vocab.json", VOCAB, NULL, NULL, "merges.txt: is missing"},
    {"merges.txt", "a b\n", NULL, NULL, "vocab.json: is missing"},
    {"vocab.json", "[]", "merges.txt", "", "vocab.json: no object of tokens"},
    {"vocab.json", "{\"a\":0,\n\"b\":}", "merges.txt", "", "vocab.json:2: "},
    {"vocab.json", "{\"a\":0,\"a\":1}", "merges.txt", "", "duplicate"},
    {"vocab.json", "{\"a\":\"0\"}", "merges.txt", "", "\"a\" is no integer"},
    {"vocab.json", "{\"a\":0,\"b\":0}", "merges.txt", "", "id 0 belongs to two tokens"},
    {"vocab.json", "{\"a\":-1}", "merges.txt", "", "not from 0 to"},
    {"vocab.json", "{\"a\":16000000}", "merges.txt", "", "too many holes"},
    {"vocab.json", "{}", "merges.txt", "", "the vocabulary is empty"},
    {"vocab.json", VOCAB, "merges.txt", "#version: 0.2\na b\na c\n", "merges.txt:3: \"c\" is no token"},
    {"vocab.json", VOCAB, "merges.txt", "b a\n", "merges.txt:1: what \"b a\" merges to"},
    {"vocab.json", VOCAB, "merges.txt", "a b\nab\n", "merges.txt:2: \"ab\" is not two tokens"},
    {"vocab.json", VOCAB, "merges.txt", "a b b\n", "merges.txt:1: \"a b b\" is not two tokens"},
    {"vocab.json", VOCAB, "tokenizer_config.json", "{\"tokenizer_class\": \"OddTokenizer\"}",
     "merges.txt: is missing"},
    {"config.json", "{\"model_type\": \"bert\"}", NULL, NULL, "no tokenizer.json"},
    {"tokenizer.model", "", NULL, NULL, "the vocabulary is empty"},
    {"tokenizer.model", "hello, no protobuf", NULL, NULL, "no SentencePiece model"},
    {"tokenizer.model", "\n\x05\n\x01x\x18\x09", NULL, NULL, "has type 9"},
    {"tokenizer.model", "\n\x02\x18\x02", NULL, NULL, "piece 0 is empty"},
    {"tokenizer.model", "\n\x03\n\x01\xff", NULL, NULL, "piece 0 is not valid UTF-8"},
    {"tokenizer.model", "\n\x03\n\x01x\n\x03\n\x01x", NULL, NULL, "\"x\" is there twice"},
    {"tokenizer.model", "\n\x03\n\x01x\n\x70\n\x01y", NULL, NULL, "breaks off behind piece 1"},
    {"tokenizer.model", "\n\x03\n\x01x\x12\x03\xc0\x02\x05", NULL, NULL,
     "the unknown token would be piece 5"},
    {"tokenizer.model", "\n\x03\n\x01x\x12\x02\x18\x04", NULL, NULL, "needs: a SentencePiece model of words"},
    {"spiece.model", "\n\x03\n\x01x", "tokenizer_config.json", "{\"tokenizer_class\": \"OddTokenizer\"}",
     "needs: what \"OddTokenizer\" makes"},
    {"spiece.model", "\n\x03\n\x01x", "tokenizer_config.json",
     "{\"tokenizer_class\": \"T5Tokenizer\", \"extra_ids\": -3}", "\"extra_ids\""},
    {"spiece.model", "\n\x03\n\x01x", "tokenizer_config.json",
     "{\"tokenizer_class\": \"T5Tokenizer\", \"eos_token\": null}", "lacks the special token \"{eos}\""},
    {"x.gguf", "GGUF", NULL, NULL, "cut off"},
    {"x.gguf", "{}", NULL, NULL, "no GGUF file"},
};

START_TEST(bad_files)
{
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_new();
    write_text(dir, bad[_i].name, bad[_i].text);
    if (bad[_i].other)
        write_text(dir, bad[_i].other, bad[_i].other_text);
    ck_assert_ptr_null(open_dir(dir, bad[_i].name, &st));
    ck_assert_msg(strstr(st.message, bad[_i].why) != NULL, "\"%s\" lacks \"%s\"", st.message, bad[_i].why);
    ck_assert_msg(strstr(st.message, dir) != NULL || strstr(st.message, "tokenizer_config"),
                  "no file: \"%s\"", st.message);
    scratch_discard(dir);
}
END_TEST

/* A model cut at any byte is refused, or is one of fewer pieces, as protobuf has no end. */
START_TEST(cut_models)
{
    UNIT_NEEDS_DATA(data);
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer *t = open_at(data, "goldens/tokenizer/llama2-small/tokenizer.model");
    lm_buf b = {0};
    ck_assert(lm_sentencepiece_print(t, &b));
    for (size_t n = 0; n < b.len; n += n < 300 || n > b.len - 60 ? 1 : 211) {
        lm_sentencepiece m;
        char *copy = malloc(n ? n : 1);
        memcpy(copy, b.data, n);
        lm_status_clear(&st);
        bool ok = lm_sentencepiece_parse(&m, (lm_str){copy, n}, "m", &st);
        ck_assert(ok == lm_ok(&st) && (!ok || m.count <= 1000));
        lm_sentencepiece_free(&m);
        free(copy);
    }
    lm_tokenizer_free(t);
    lm_buf_free(&b);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tokenizer files");
    TCase *c = tcase_create("files");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, classic_files_alone, 0, sizeof alone / sizeof *alone);
    tcase_add_loop_test(c, real_classic_files, 0, sizeof real / sizeof *real);
    tcase_add_test(c, mistral);
    tcase_add_test(c, gguf_of_stories);
    tcase_add_loop_test(c, gguf_of_others, 0, sizeof ggufs / sizeof *ggufs);
    tcase_add_loop_test(c, save_and_load, 0, sizeof saved / sizeof *saved);
    tcase_add_test(c, numbers_and_strings_as_the_reference);
    tcase_add_test(c, files_beside);
    tcase_add_loop_test(c, bad_files, 0, sizeof bad / sizeof *bad);
    tcase_add_test(c, cut_models);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
