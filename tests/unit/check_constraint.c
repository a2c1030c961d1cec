/* What a constraint allows: patterns against PCRE2, schemas against texts that they describe and texts that
 * they do not, and masks of real vocabularies against each token by itself. */
#include "unit.h"

#include "base/memory.h"
#include "base/random.h"
#include "base/utf8.h"
#include "generate/constraint/constraint.h"
#include "generate/constraint/pattern.h"
#include "generate/constraint/schema.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <jansson.h>
#include <pcre2.h>
#include <string.h>

enum { LIMIT = 1 << 20 };

static uint64_t draw(uint64_t seed, uint64_t a, uint64_t b)
{
    uint32_t out[4];
    lm_random_block(lm_random_key(seed, LM_FOR_SAMPLING, 0), a, b, out);
    return (uint64_t)out[0] << 32 | out[1];
}

/* ---------------------------------------------------------------- automata by themselves */

static lm_expr finish(lm_expressions *e, lm_expr a, const char *what)
{
    lm_status st = LM_STATUS_INIT;
    lm_expr_finish(e, &a, &st);
    ck_assert_msg(lm_ok(&st), "%s: %s", what, st.message);
    return a;
}

/* What is left behind the text. */
static lm_expr behind(lm_expressions *e, lm_expr a, lm_str text)
{
    for (size_t i = 0; i < text.len && a != LM_EXPR_NONE; i++)
        a = lm_expr_after(e, a)[(unsigned char)text.data[i]];
    return a;
}

/* Goes on by chance, up to a complete text, with less and less patience for what goes on without end. */
static bool go_on(lm_expressions *e, lm_expr a, uint64_t seed, lm_buf *text)
{
    for (uint64_t step = 0; step < 3000; step++) {
        bool complete = lm_expr_has_empty(e, a);
        if (complete && draw(seed, step, 0) % 100 < 5 + step)
            return true;
        const lm_expr *row = lm_expr_after(e, a);
        int bytes[256], n = 0;
        for (int b = 0; b < 256; b++) {
            /* closing brackets and quotation marks often, lest it nests for ever */
            int times = row[b] == LM_EXPR_NONE ? 0 : 1;
            if (times && (lm_expr_has_empty(e, row[b]) || (strchr("}]\",:", b) && b)) && step > 20)
                for (int k = 0; k < 3 && n < 250; k++)
                    bytes[n++] = b;
            if (times && n < 256)
                bytes[n++] = b;
        }
        if (n == 0)
            return complete;
        int b = bytes[draw(seed, step, 1) % (uint64_t)n];
        lm_buf_putc(text, (char)b);
        a = row[b];
    }
    return false;
}

typedef struct reference {
    pcre2_code *code;
    pcre2_match_data *match;
} reference;

static reference compile(const char *pattern)
{
    int error;
    PCRE2_SIZE at;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, strlen(pattern),
                      PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_ENDANCHORED, &error, &at, NULL);
    ck_assert_ptr_nonnull(code);
    return (reference){code, pcre2_match_data_create(1, NULL)};
}

static void reference_free(reference r)
{
    pcre2_match_data_free(r.match);
    pcre2_code_free(r.code);
}

static bool matches(reference r, lm_str text)
{
    int rc = pcre2_match(r.code, (PCRE2_SPTR)(text.data ? text.data : ""), text.len, 0, 0, r.match, NULL);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
        ck_abort_msg("PCRE2: %d", rc);
    return rc >= 0;
}

static const char *const patterns[] = {
    "",
    "a",
    "abc|abd|b",
    "(a|b)*c",
    "a{2,4}b{0,2}c{3}",
    "(?:ab?){1,3}?c+",
    "[a-c]+-[^a-c]*",
    "\\d{3}-\\d{4}",
    "\\w+ \\w+",
    "\\p{Hangul}+",
    "한국(어|인)?[가-힣]*",
    "[^\\x{AC00}-\\x{D7A3}a]{1,3}",
    "(?i)abc한K",
    "(?i:a)b(?-i)c",
    ".*",
    "(?s).{0,3}",
    "a.c",
    "(?x) a b # both\n | c ",
    "^a$",
    "(^a|b)c$",
    "a$\\n?",
    "\\Aab\\z",
    "(?=.*b)a[abc]*",
    "(?!.*bb)[ab]{0,5}",
    "(?:(?!ab).)*c?",
    "(?:(?=[ab])\\w){2,3}",
    "(?:a(?=b)|b)*",
    "[[:alpha:]]+[[:digit:]]?",
    "[]a]+[\\]-]",
    "\\x41\\x{ac00}\\t?\\.",
    "(?<year>[0-9]{4})-(?'m'[0-9]{2})",
    "{a}",
    "\\s\\S\\h?\\v?",
    "((a|b)(c|a)?){0,3}",
    "(a|ab)(c|bcd)(d*)",
    "[\\d\\-a]{2}",
    "a|b|",
    "(|a)(b|)",
    "\\-\\/\\@",
    "[😀-😃é]+",
    "(?:(?:a{1,2}){1,2}){1,2}",
};

static const char alphabet[][5] = {"a",  "b",  "c",  "d",  "-", "1", "2", "A",  "K", "k",
                                   " ",  "\n", "\t", ".",  "]", "{", "}", ",",  "/", "@",
                                   "가", "한", "국", "어", "é", "😀", "K", "\r", "#", "\xE2\x80\xA8"};

/* Texts of characters of the alphabet, and the same through both; prefixes of matches live, and what lives
 * can be ended. */
static void compare(lm_expressions *e, lm_classes *classes, const char *pattern)
{
    lm_status st = LM_STATUS_INIT;
    lm_expr a = lm_expr_pattern(e, classes, lm_str_of(pattern), &st);
    ck_assert_msg(lm_ok(&st), "%s: %s", pattern, st.message);
    a = finish(e, a, pattern);
    reference code = compile(pattern);
    uint64_t n = sizeof alphabet / sizeof *alphabet;
    for (uint64_t i = 0; i < 1500; i++) {
        lm_buf text = {0};
        uint64_t length = draw(7, i, 99) % 7, few = draw(7, i, 98) % 3;
        for (uint64_t k = 0; k < length; k++)
            lm_buf_puts(&text, alphabet[draw(7, i, k) % (few ? 3 + 4 * few : n)]);
        lm_expr left = behind(e, a, lm_buf_str(&text));
        bool want = matches(code, lm_buf_str(&text)), have = lm_expr_has_empty(e, left);
        if (want != have)
            ck_abort_msg("%s: \"%.*s\": %d, not %d", pattern, (int)text.len, text.data, have, want);
        if (left != LM_EXPR_NONE && i < 200) {
            if (!go_on(e, left, i, &text) || !matches(code, lm_buf_str(&text)))
                ck_abort_msg("%s: \"%.*s\" was thought to go on", pattern, (int)text.len, text.data);
        }
        lm_buf_free(&text);
    }
    for (uint64_t i = 0; i < 50; i++) {
        lm_buf text = {0};
        if (!go_on(e, a, 1000 + i, &text) || !matches(code, lm_buf_str(&text)))
            ck_abort_msg("%s: \"%.*s\" does not match", pattern, (int)text.len, text.data);
        lm_buf_free(&text);
    }
    reference_free(code);
}

START_TEST(patterns_match_as_pcre2)
{
    lm_expressions *e = lm_expressions_new(LIMIT);
    lm_classes classes = {.use = LM_PATTERN_WHOLE};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        compare(e, &classes, patterns[i]);
    lm_classes_free(&classes);
    lm_expressions_free(e);
}
END_TEST

static const char *const refused_patterns[][2] = {
    {"(a", "missing closing parenthesis"},
    {"a)", "unmatched closing parenthesis"},
    {"[a", "missing terminating ]"},
    {"(a)\\1", "back reference"},
    {"(?<n>a)\\k<n>", "not understood"},
    {"\\bword\\b", "look back"},
    {"(?<=a)b", "looks back"},
    {"(?>a+)b", "atomic"},
    {"a++b", "possessive"},
    {"(?R)?a", "recursive"},
    {"(?m)^a$", "(?m)"},
    {"x*^a", "behind what may be empty"},
    {"(^a)+", "within a repetition"},
    {"(?:(?=a))*b", "without characters of its own"},
    {"(*UTF)a", "verb"},
    {"a{,3}", "write repetitions as"},
    {"\xFF", "UTF-8"},
};

START_TEST(patterns_refused)
{
    lm_status st = LM_STATUS_INIT;
    lm_classes classes = {.use = LM_PATTERN_WHOLE};
    lm_expressions *e = lm_expressions_new(LIMIT);
    lm_expr_pattern(e, &classes, lm_str_of(refused_patterns[_i][0]), &st);
    ck_assert_msg(strstr(st.message, refused_patterns[_i][1]) != NULL, "%s: \"%s\"", refused_patterns[_i][0],
                  st.message);
    lm_classes_free(&classes);
    lm_expressions_free(e);
}
END_TEST

/* ---------------------------------------------------------------- schemas */

static lm_expr schema_of(lm_expressions *e, const char *schema)
{
    lm_status st = LM_STATUS_INIT;
    lm_expr a = lm_expr_schema(e, lm_str_of(schema), &st);
    ck_assert_msg(lm_ok(&st), "%s: %s", schema, st.message);
    return finish(e, a, schema);
}

enum { TEXTS_MOST = 24 };

/* A schema, texts that it describes, NULL, and texts that it does not. */
static const char *const schemas[][TEXTS_MOST] = {
    {"{}",
     "1",
     "-0.5e+10",
     "\"\"",
     "[]",
     "{}",
     "[1, [2], {\"a\": {\"b\": [null,true]}}]",
     "\"\\u00e9\\ud83d\\ude00\\/\"",
     "\"한국어\"",
     NULL,
     "",
     "01",
     "1.",
     "+1",
     "\"\\ud83d\"",
     "\"a\nb\"",
     "[1,]",
     "{\"a\"}",
     "{\"a\":1,}",
     "nul",
     "1 ",
     "[1\n]",
     "\"\\x\""},
    {"true", "1", NULL, ""},
    {"{\"type\":\"boolean\"}", "true", "false", NULL, "null", "True", "1"},
    {"{\"type\":[\"null\",\"integer\"]}", "null", "0", "-12", "99999999999999999999", NULL, "1.0", "1e3",
     "00", "-", "\"1\""},
    {"{\"enum\":[\"a\",\"b\\\"\\u001f\",1,2.5,null,[1,{\"x\":2}],true]}", "\"a\"", "\"b\\\"\\u001F\"", "1",
     "2.5", "null", "[1,{\"x\":2}]", "true", NULL, "\"c\"", "2", "[1]", "\"a\" "},
    {"{\"enum\":[\"a\",\"bb\",3,\"한국\"],\"type\":\"string\",\"minLength\":2}", "\"bb\"", "\"한국\"", NULL,
     "\"a\"", "3"},
    {"{\"const\":\"x\"}", "\"x\"", NULL, "\"y\""},
    {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}", "\"ab\"", "\"한국어\"", "\"a\\n\"",
     "\"\\u0041b\"", "\"\\ud83d\\ude00😀\"", NULL, "\"a\"", "\"abcd\"", "\"\""},
    {"{\"type\":\"string\",\"pattern\":\"^[A-Z]{2}-\\\\d+$\"}", "\"AB-1\"", "\"XY-123\"", NULL, "\"AB-\"",
     "\"xAB-1\"", "\"AB-1x\"", "\"AB-١\""},
    {"{\"type\":\"string\",\"pattern\":\"b+\"}", "\"b\"", "\"abc\"", "\"한b국\"", "\"\\\"b\\n\"", NULL,
     "\"\"", "\"ac\""},
    {"{\"type\":\"string\",\"pattern\":\"^(a|b\\\"|/)*$\",\"maxLength\":2}", "\"\"", "\"b\\\"\"", "\"//\"",
     NULL, "\"aaa\"", "\"b\"", "\"ab\\\"\"", "\"b\"\""},
    {"{\"type\":\"string\",\"pattern\":\"^(?=.*[0-9])(?=.*[a-z])\",\"minLength\":3}", "\"a1b\"", "\"12a\"",
     NULL, "\"abc\"", "\"a1\"", "\"123\""},
    {"{\"allOf\":[{\"type\":\"string\",\"pattern\":\"a\"},{\"pattern\":\"b$\"}]}", "\"ab\"", "\"cacb\"", NULL,
     "\"ba\"", "\"b\""},
    {"{\"type\":\"string\",\"format\":\"date\"}", "\"2024-02-28\"", "\"1999-12-31\"", NULL, "\"2024-02-30\"",
     "\"2024-13-01\"", "\"24-01-01\""},
    {"{\"type\":\"string\",\"format\":\"date-time\"}", "\"2024-01-31T23:59:59Z\"",
     "\"2024-01-31T00:00:00.5+09:00\"", NULL, "\"2024-01-31\"", "\"2024-01-31T24:00:00Z\""},
    {"{\"type\":\"string\",\"format\":\"ipv4\"}", "\"1.2.3.255\"", NULL, "\"1.2.3.256\"", "\"1.2.3\"",
     "\"01.2.3.4\""},
    {"{\"type\":\"string\",\"format\":\"uuid\"}", "\"123e4567-e89b-12d3-a456-426614174000\"", NULL,
     "\"123e4567\""},
    {"{\"type\":\"string\",\"format\":\"email\"}", "\"a.b@c-d.org\"", NULL, "\".a@b.c\"", "\"a@b\"",
     "\"a@-b.c\""},
    {"{\"type\":\"integer\",\"minimum\":-5,\"maximum\":123}", "-5", "0", "9", "10", "99", "100", "123", NULL,
     "-6", "-10", "124", "200", "1000", "1.5"},
    {"{\"type\":\"integer\",\"exclusiveMinimum\":10,\"exclusiveMaximum\":12}", "11", NULL, "10", "12", "1",
     "-11"},
    {"{\"type\":\"integer\",\"minimum\":10,\"exclusiveMinimum\":true}", "11", "100", NULL, "10", "9"},
    {"{\"type\":\"number\",\"minimum\":0.25,\"maximum\":10.5}", "0.25", "0.250", "0.3", "1", "9.99", "10",
     "10.5", "10.50", "10.49", NULL, "0.2", "0.249", "0", "10.51", "11", "-1", "1e0", "1."},
    {"{\"type\":\"number\",\"exclusiveMinimum\":-1.5,\"exclusiveMaximum\":1}", "-1.4", "-1.49", "-1", "-0.5",
     "0", "0.999", NULL, "-1.5", "-1.50", "-1.51", "-2", "1", "1.0", "1.1"},
    {"{\"type\":\"number\",\"maximum\":-3}", "-3", "-3.5", "-10", NULL, "-2", "-2.9", "0", "3"},
    {"{\"type\":\"integer\",\"minimum\":0.5,\"maximum\":1e30}", "1", "12345678901234567890", NULL, "0", "-1"},
    {"{\"type\":\"integer\",\"multipleOf\":7}", "0", "7", "-14", "7007", NULL, "1", "8", "7.0"},
    {"{\"type\":\"integer\",\"multipleOf\":7,\"minimum\":20,\"maximum\":30}", "21", "28", NULL, "14", "35",
     "22"},
    {"{\"type\":\"number\",\"multipleOf\":0.01}", "1", "1.5", "-0.25", NULL, "0.125", "1e2"},
    {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}", "[1,2]",
     "[1, 2, 3]", "[ 1,2 ]", NULL, "[1]", "[]", "[1,2,3,4]", "[1,\"2\"]"},
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"string\"},{\"type\":\"null\"}],\"items\":{\"type\":"
     "\"integer\"},\"maxItems\":3}",
     "[]", "[\"a\"]", "[\"a\", null]", "[\"a\",null,1]", NULL, "[1]", "[\"a\",1]", "[\"a\",null,1,2]"},
    {"{\"items\":[{\"const\":1}],\"additionalItems\":false,\"minItems\":1}", "[1]", NULL, "[]", "[1,1]", "1"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"boolean\"},\"c\":{}"
     "},\"required\":[\"b\"]}",
     "{\"b\":true}", "{\"a\": 1, \"b\": false}", "{ \"a\":1,\"b\":true,\"c\":[] }", NULL, "{}", "{\"a\":1}",
     "{\"b\":1}", "{\"b\":true,\"a\":1}", "{\"b\":true,\"d\":1}", "{\"a\":1,\"a\":1,\"b\":true}"},
    {"{\"type\":\"object\",\"properties\":{\"ab\":{\"type\":\"integer\"}},\"additionalProperties\":{\"type\":"
     "\"string\"}}",
     "{}", "{\"ab\":1}", "{\"ab\":1,\"x\":\"y\"}", "{\"a\":\"\",\"abc\":\"\"}", "{\"한\":\"국\"}", NULL,
     "{\"ab\":\"1\"}", "{\"x\":1}", "{\"x\":\"\",\"ab\":\"\"}", "{\"\\u0061b\":\"\"}"},
    {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"},\"minProperties\":1,"
     "\"maxProperties\":2}",
     "{\"a\":1}", "{\"a\":1,\"b\":2}", NULL, "{}", "{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":\"\"}"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1},\"b\":{\"const\":2},\"c\":{\"const\":3}},"
     "\"minProperties\":2,\"maxProperties\":2,"
     "\"additionalProperties\":false}",
     "{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":3}", "{\"b\":2,\"c\":3}", NULL, "{}", "{\"a\":1}", "{\"c\":3}",
     "{\"a\":1,\"b\":2,\"c\":3}"},
    {"{\"patternProperties\":{\"^n_\":{\"type\":\"integer\"},\"_s$\":{\"type\":\"string\"}},"
     "\"additionalProperties\":false}",
     "{\"n_a\":1}", "{\"x_s\":\"\",\"n_\":2}", NULL, "{\"x\":1}", "{\"n_a\":\"\"}", "{\"n_s\":1}"},
    {"{\"properties\":{\"n_a\":{\"minimum\":3}},\"patternProperties\":{\"^n_\":{\"type\":\"integer\"}}}",
     "{\"n_a\":3}", "{\"n_a\":4,\"n_b\":1}", NULL, "{\"n_a\":2}", "{\"n_a\":3.5}", "{\"z\":1}"},
    {"{\"type\":\"object\",\"propertyNames\":{\"enum\":[\"x\",\"y\"]}}", "{}", "{\"x\":1}",
     "{\"y\":[],\"x\":1}", NULL, "{\"z\":1}"},
    {"{\"required\":[\"q\"],\"additionalProperties\":{\"const\":0}}", "{\"q\":0}", "{\"q\":0,\"r\":0}", NULL,
     "{}", "{\"r\":0}", "{\"q\":1}"},
    {"{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\",\"maxLength\":1}]}", "1", "\"a\"", NULL,
     "\"ab\"", "null"},
    {"{\"type\":\"object\",\"properties\":{\"k\":{}},\"required\":[\"k\"],\"oneOf\":[{\"properties\":{\"k\":{"
     "\"const\":1},\"v\":{\"type\":\"null\"}}},"
     "{\"properties\":{\"k\":{\"const\":2}}}]}",
     "{\"k\":1}", "{\"k\":2}", "{\"k\":1,\"v\":null}", NULL, "{\"k\":3}", "{\"k\":1,\"v\":1}"},
    {"{\"allOf\":[{\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"]},{\"properties\":{"
     "\"a\":{\"minimum\":5},\"b\":{}}}]}",
     "{\"a\":5}", "{\"a\":6,\"b\":1}", NULL, "{}", "{\"a\":4}", "{\"a\":\"\"}"},
    {"{\"$defs\":{\"node\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\"},\"next\":{"
     "\"anyOf\":[{\"type\":\"null\"},"
     "{\"$ref\":\"#/$defs/node\"}]}},\"required\":[\"v\",\"next\"]}},\"$ref\":\"#/$defs/node\"}",
     "{\"v\":1,\"next\":null}", "{\"v\":1,\"next\":{\"v\":2,\"next\":{\"v\":3,\"next\":null}}}", NULL,
     "{\"v\":1}", "{\"v\":1,\"next\":{}}"},
    {"{\"type\":\"array\",\"items\":{\"$ref\":\"#\"},\"maxItems\":2}", "[]", "[[],[[]]]", NULL, "[[],[],[]]",
     "[1]"},
    {"{\"type\":\"object\",\"properties\":{\"a/b\":{\"type\":\"null\"},\"again\":{\"$ref\":\"#/properties/"
     "a~1b\"}}}",
     "{\"a/b\":null,\"again\":null}", NULL, "{\"again\":1}"},
    {"{\"$id\":\"https://x.org/"
     "s\",\"definitions\":{\"d\":{\"$anchor\":\"d\",\"const\":4}},\"items\":{\"$ref\":\"https://x.org/"
     "s#d\"}}",
     "[4]", NULL, "[5]"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1},\"n\":{\"$ref\":\"#/$defs/"
     "never\"}},\"$defs\":{\"never\":{\"type\":\"object\","
     "\"required\":[\"x\"],\"properties\":{\"x\":{\"$ref\":\"#/$defs/never\"}}}}}",
     "{}", "{\"a\":1}", NULL, "{\"n\":{}}", "{\"a\":1,\"n\":{"},
    {"{\"properties\":{\"a\":false,\"b\":true}}", "{\"b\":1}", "{}", NULL, "{\"a\":1}"},
};

START_TEST(schemas_describe)
{
    const char *const *row = schemas[_i];
    lm_expressions *e = lm_expressions_new(LIMIT);
    lm_expr a = schema_of(e, row[0]);
    bool want = true;
    for (int i = 1; i < TEXTS_MOST && (row[i] || want); i++) {
        if (!row[i]) {
            want = false;
            continue;
        }
        lm_expr left = behind(e, a, lm_str_of(row[i]));
        ck_assert_msg(lm_expr_has_empty(e, left) == want, "%s: %s", row[0], row[i]);
    }
    ck_assert(!want);
    for (uint64_t i = 0; i < 30; i++) { /* what it writes by itself is JSON */
        lm_buf text = {0};
        json_error_t error;
        if (go_on(e, a, i, &text)) {
            json_t *json = json_loadb(text.data, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
            bool large = json_error_code(&error) == json_error_numeric_overflow;
            ck_assert_msg(json || large, "%s: %.*s: %s", row[0], (int)text.len, text.data, error.text);
            json_decref(json);
        }
        lm_buf_free(&text);
    }
    lm_expressions_free(e);
}
END_TEST

static const char *const refused_schemas[][2] = {
    {"{\"type\":\"strng\"}", "/: \"type\""},
    {"{\"properties\":{\"a\":{\"items\":{\"pattern\":\"(\"}}}}",
     "/properties/a/items/0: \"pattern\": at byte 1"},
    {"{\"properties\":{\"a\":{\"not\":{\"const\":1}}}}", "/properties/a: \"not\" is not understood"},
    {"{\"uniqueItems\":true}", "\"uniqueItems\""},
    {"{\"$ref\":\"other.json\"}", "not in this schema"},
    {"{\"$ref\":\"#/$defs/x\"}", "not in this schema"},
    {"{\"$ref\":1}", "\"$ref\" is no string"},
    {"{\"minLength\":-1}", "no count"},
    {"{\"minimum\":\"1\"}", "no number"},
    {"{\"multipleOf\":0.3}", "neither a whole number"},
    {"{\"anyOf\":{}}", "no list"},
    {"{\"required\":[1]}", "no list of names"},
    {"[1]", "a schema is an object"},
    {"{\"a\":1,}", "not valid JSON"},
    {"{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]}", "refers to itself before anything"},
    {"{\"anyOf\":[{\"$ref\":\"#/$defs/b\"}],\"$defs\":{\"b\":{\"oneOf\":[{\"$ref\":\"#\"}]}}}",
     "refers to itself before anything"},
};

START_TEST(schemas_refused)
{
    lm_status st = LM_STATUS_INIT;
    lm_expressions *e = lm_expressions_new(LIMIT);
    lm_expr a = lm_expr_schema(e, lm_str_of(refused_schemas[_i][0]), &st);
    if (lm_ok(&st))
        lm_expr_finish(e, &a, &st);
    ck_assert_msg(strstr(st.message, refused_schemas[_i][1]) != NULL, "%s: \"%s\"", refused_schemas[_i][0],
                  st.message);
    lm_expressions_free(e);
}
END_TEST

static const char *const empty_schemas[] = {
    "false",
    "{\"type\":\"string\",\"enum\":[1]}",
    "{\"minimum\":3,\"maximum\":2}",
    "{\"type\":\"string\",\"pattern\":\"^a$\",\"minLength\":2}",
    "{\"allOf\":[{\"type\":\"null\"},{\"type\":\"string\"}]}",
    "{\"required\":[\"a\"],\"properties\":{\"a\":false}}",
    "{\"type\":\"object\",\"required\":[\"x\"],\"properties\":{\"x\":{\"$ref\":\"#\"}}}",
    "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\",\"pattern\":\"(?!.*).\"}}"};

START_TEST(schemas_without_texts)
{
    lm_expressions *e = lm_expressions_new(LIMIT);
    ck_assert_msg(schema_of(e, empty_schemas[_i]) == LM_EXPR_NONE, "%s", empty_schemas[_i]);
    lm_expressions_free(e);
}
END_TEST

/* ---------------------------------------------------------------- tokens */

static const char *const vocabularies[] = {"gpt2", "llama3", "llama2", "t5-small", "koelectra"};

static lm_constraint *constraint_of(const lm_tokenizer *t, const char *regex, const char *schema, bool begins,
                                    lm_status *st)
{
    const int32_t stop[] = {lm_tokenizer_size(t) - 4}; /* the last one, of nothing that is wanted here */
    lm_constraint_options o = {.regex = lm_str_of(regex),
                               .schema = lm_str_of(schema),
                               .what = "it",
                               .tokenizer = t,
                               .columns = lm_tokenizer_size(t) - 3,
                               .stop = stop,
                               .stop_count = 1,
                               .begins = begins};
    return lm_constraint_new(&o, st);
}

/* Token by token, each state's mask as the steps say; the text at its end. */
static bool walk(const lm_constraint *c, const lm_tokenizer *t, uint64_t seed, lm_buf *text)
{
    lm_status st = LM_STATUS_INIT;
    lm_constraint_state state = lm_constraint_start(c);
    int columns = lm_tokenizer_size(t) - 3, stop = columns - 1;
    int32_t ids[200], *allowed = lm_malloc((size_t)columns, sizeof *allowed);
    float *logits = lm_calloc((size_t)columns, sizeof *logits);
    size_t n = 0;
    while (n < 200 && !lm_constraint_full(c, state, &st) &&
           !(lm_constraint_complete(c, state) && draw(seed, n, 5) % 2)) {
        const uint64_t *mask = lm_constraint_mask(c, state, &st);
        assert_ok(&st);
        memset(logits, 0, (size_t)columns * sizeof *logits);
        ck_assert(lm_constraint_apply(c, state, logits, &st));
        uint64_t count = 0;
        for (int32_t id = 0; id < columns; id++) {
            bool may = mask[id >> 6] >> (id & 63) & 1;
            if (id % 7 == (int)(n % 7) || may) {
                lm_constraint_state next = state;
                if (lm_constraint_step(c, &next, id, &st) != may)
                    ck_abort_msg("id %d: the mask says %d", (int)id, may);
            }
            if ((logits[id] == 0) != may)
                ck_abort_msg("id %d: %f", (int)id, (double)logits[id]);
            if (may && id != stop)
                allowed[count++] = id;
        }
        mask = lm_constraint_mask(c, state, &st);
        ck_assert_int_eq(mask[stop >> 6] >> (stop & 63) & 1, lm_constraint_complete(c, state));
        if (count == 0) { /* what could follow has no tokens */
            ck_assert(lm_constraint_complete(c, state));
            break;
        }
        ids[n] = allowed[draw(seed, n, 6) % count];
        ck_assert_int_eq(lm_constraint_step(c, &state, ids[n++], &st), 1);
    }
    assert_ok(&st);
    lm_decode(t, ids, n, true, text, &st);
    free(allowed);
    free(logits);
    return lm_constraint_complete(c, state);
}

/* A form that is met within a few tokens, whatever these are. */
START_TEST(tokens_write_what_matches)
{
    UNIT_NEEDS_DATA(data);
    static const char *const regexes[] = {"[가-힣]{1,4} [a-z]{2}[0-9]{1,3}(요|다)?",
                                          " (a|New York)", "(서울|부산|New York)시?"};
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"이름\":{\"type\":\"string\","
                                 "\"minLength\":1,\"maxLength\":6},\"n\":"
                                 "{\"type\":\"integer\",\"maximum\":99,\"minimum\":-9},\"t\":{\"enum\":["
                                 "\"가\",null]}},\"required\":[\"이름\",\"n\"]}";
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/tokenizers/%s", data, vocabularies[_i]);
    lm_tokenizer *t = lm_tokenizer_open(path, &st);
    assert_ok(&st);
    bool t5 = strcmp(vocabularies[_i], "t5-small") == 0, bert = strcmp(vocabularies[_i], "koelectra") == 0;
    for (int i = 0; i < 4; i++) {
        lm_constraint *c = constraint_of(t, i < 3 ? regexes[i] : NULL, i < 3 ? NULL : schema, true, &st);
        if (t5 ? i % 3 == 0 : bert && i % 2 == 1) { /* which have no Korean; no space, or bracket, by itself */
            ck_assert_msg(!c && strstr(st.message, "cannot write"), "%s", st.message);
            lm_status_clear(&st);
            continue;
        }
        assert_ok(&st);
        for (uint64_t seed = 0; seed < 4; seed++) {
            lm_buf text = {0};
            ck_assert(walk(c, t, seed, &text));
            if (i < 3 && !bert) { /* whose decoding moves spaces before punctuation */
                reference code = compile(regexes[i]);
                ck_assert_msg(matches(code, lm_buf_str(&text)), "%s: \"%s\"", regexes[i], lm_buf_cstr(&text));
                reference_free(code);
            } else if (!bert) {
                json_error_t error;
                json_t *json = json_loadb(text.data, text.len, 0, &error);
                ck_assert_msg(json != NULL, "%s: %s", lm_buf_cstr(&text), error.text);
                ck_assert(json_string_length(json_object_get(json, "이름")) > 0);
                json_decref(json);
            }
            lm_buf_free(&text);
        }
        lm_constraint_free(c);
    }
    lm_tokenizer_free(t);
    free(path);
}
END_TEST

/* What is too much is said, and not computed for ever. */
static const char *const too_much[] = {"(?:(?:a|aa|aaa){1,20}){1,20}b",
                                       "(?=.{0,5000}a.{5000}b)(?=.{0,4000}b.{4000}c).*",
                                       "(?:.*a.{28}|(?:[ab]c?)*b.{27})*"};

START_TEST(bounded)
{
    UNIT_NEEDS_DATA(data);
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/goldens/tokenizer/llama2-small", data);
    lm_tokenizer *t = lm_tokenizer_open(path, &st);
    assert_ok(&st);
    lm_constraint *c = constraint_of(t, too_much[_i], NULL, false, &st);
    if (c) {
        lm_constraint_state state = lm_constraint_start(c);
        int columns = lm_tokenizer_size(t) - 3;
        for (int n = 0; n < 40 && lm_ok(&st) && !lm_constraint_full(c, state, &st); n++) {
            const uint64_t *mask = lm_constraint_mask(c, state, &st);
            for (int32_t id = 3; mask && id < columns; id++)
                if (mask[id >> 6] >> (id & 63) & 1) {
                    lm_constraint_step(c, &state, id, &st);
                    break;
                }
        }
    }
    ck_assert_msg(lm_ok(&st) || strstr(st.message, "too many ways"), "%s", st.message);
    lm_constraint_free(c);
    lm_tokenizer_free(t);
    free(path);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("constraint");
    TCase *c = tcase_create("constraint");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, patterns_match_as_pcre2);
    tcase_add_loop_test(c, patterns_refused, 0, sizeof refused_patterns / sizeof *refused_patterns);
    tcase_add_loop_test(c, schemas_describe, 0, sizeof schemas / sizeof *schemas);
    tcase_add_loop_test(c, schemas_refused, 0, sizeof refused_schemas / sizeof *refused_schemas);
    tcase_add_loop_test(c, schemas_without_texts, 0, sizeof empty_schemas / sizeof *empty_schemas);
    tcase_add_loop_test(c, tokens_write_what_matches, 0, sizeof vocabularies / sizeof *vocabularies);
    tcase_add_loop_test(c, bounded, 0, sizeof too_much / sizeof *too_much);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
