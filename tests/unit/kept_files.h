/* Good files of kept tables, of every kind of model. */
#ifndef LM_TESTS_KEPT_FILES_H
#define LM_TESTS_KEPT_FILES_H

#include "base/utf8.h"
#include "stream/json_tree.h"
#include "text/components/byte_level.h"
#include "text/files/table_cache.h"

#include <stdlib.h>

static const uint64_t kept_key[2] = {1, 2};

#define BPE(ADDED)                                                                                                                  \
    "{\"version\":\"1.0\",\"added_tokens\":" ADDED ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":3,\"\xc3\xa9\":4," \
    "\"\\u00ea\":5},\"merges\":[\"a b\",\"a b\"],\"unk_token\":\"a\"}}"
#define TOKEN(ID, CONTENT, FLAG) "{\"id\":" ID ",\"content\":\"" CONTENT "\",\"" FLAG "\":true,\"note\":1}"

static const char *const kept_jsons[] = {
    BPE("[]"),
    BPE("[" TOKEN("3", "ab", "special") "," TOKEN("9", "<x>", "lstrip") "]"),
    "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"a\",\"vocab\":{\"a\":0,\"##b\":1,\"ab\":2,\"\xc3\xa9\":3}}}",
    "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"<unk>\",0],[\"x\",-1.5],[\"xy\",-2.25],[\"x\",-3]],\"unk_id\":0}}",
};
enum { KEPT_JSONS = sizeof kept_jsons / sizeof *kept_jsons, KEPT_FILES = KEPT_JSONS + 1 };

static inline void put_byte(lm_buf *out, char byte)
{
    char form[4];
    uint32_t code = lm_byte_level_char((unsigned char)byte);
    if (code == '"' || code == '\\')
        lm_buf_putc(out, '\\');
    lm_buf_append(out, form, lm_utf8_encode(code, form));
}

static inline void put_bytes(lm_buf *out, const char *before, const char *bytes)
{
    for (lm_buf_puts(out, before); *bytes; bytes++)
        put_byte(out, *bytes);
}

/* BPE of bytes: each is a token, and so are some characters of several, and more. */
static inline void put_byte_level(lm_buf *out)
{
    static const char *const merges[][2] = {{"\xc3", "\xa9"},         {"\xea", "\xb0"},         {"\xa9", "\xc3"},
                                            {"\xea\xb0", "\x80"},     {"\xc3\xa9", "\xea\xb0\x80"}, {"\xea\xb0\x80", "\xea\xb0\x80"},
                                            {"\x80", "\xea"},         {"\xea\xb0\x80", "\xc3\xa9"}};
    enum { MERGES = sizeof merges / sizeof *merges };
    lm_buf_puts(out, "{\"model\":{\"type\":\"BPE\",\"vocab\":{");
    for (int byte = 0; byte < 256; byte++) {
        lm_buf_putc(out, '"');
        put_byte(out, (char)byte);
        lm_buf_printf(out, "\":%d,", byte);
    }
    for (int i = 0; i < MERGES; i++) {
        put_bytes(out, "\"", merges[i][0]);
        put_bytes(out, "", merges[i][1]);
        lm_buf_printf(out, "\":%d%s", 256 + i, i + 1 < MERGES ? "," : "},\"merges\":[");
    }
    for (int i = 0; i < MERGES; i++) {
        put_bytes(out, "[\"", merges[i][0]);
        put_bytes(out, "\",\"", merges[i][1]);
        lm_buf_puts(out, i + 1 < MERGES ? "\"]," : "\"]]}}");
    }
}

/* The tokenizer that a file makes, and the file that keeps it. */
static inline lm_tokenizer *kept_tokenizer(const char *json, lm_buf *rest)
{
    lm_token_tables t = {0};
    lm_status st = LM_STATUS_INIT;
    if (!lm_token_tables_scan(&t, lm_str_of(json), rest))
        abort();
    lm_tokenizer *made = lm_tokenizer_from_spec(lm_json_parse(lm_buf_str(rest), "rest", 0, &st), &t, NULL, NULL, NULL, &st);
    if (!made)
        abort();
    return made;
}

static inline lm_buf keep(const char *json, lm_tokenizer **t)
{
    lm_buf out = {0}, rest = {0};
    *t = kept_tokenizer(json, &rest);
    lm_table_cache_print(kept_key, *t, lm_buf_str(&rest), &out);
    lm_buf_free(&rest);
    return out;
}

static inline lm_buf kept_file(int i, lm_tokenizer **t)
{
    if (i < KEPT_JSONS)
        return keep(kept_jsons[i], t);
    lm_buf json = {0};
    put_byte_level(&json);
    lm_buf out = keep(lm_buf_cstr(&json), t);
    if (!(*t)->model.tables.index.parts)
        abort();
    lm_buf_free(&json);
    return out;
}

#endif
