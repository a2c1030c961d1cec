#include "compared_headers.h"

#include "base/memory.h"
#include "stream/json.h"

#include <stdlib.h>
#include <string.h>

static json_t *value_of(lm_str value)
{
    return json_loadb(value.data, value.len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
}

static bool kinds_fit(const lm_header_member *m, json_t *list)
{
    bool strings = json_is_array(list), scalars = strings;
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v) {
        strings &= json_is_string(v);
        scalars &= json_is_string(v) || json_is_number(v);
    }
    return m->strings == strings && m->scalars == scalars;
}

static const char *objects_differ(const lm_header_view *v, const lm_header_member *m, json_t *object, size_t level)
{
    const char *name, *why = NULL;
    json_t *value;
    lm_buf decoded = {0};
    json_object_foreach(object, name, value) {
        if (!m || m->level != level) {
            why = "a member is missing";
            break;
        }
        json_t *again = value_of(m->value);
        size_t count = json_is_object(value) ? json_object_size(value) : json_array_size(value);
        decoded.len = 0;
        lm_json_unquote((lm_str){m->name.data - 1, m->name.len + 2}, &decoded);
        if (!lm_str_is(lm_buf_str(&decoded), name))
            why = "another name";
        else if (!json_equal(value, again))
            why = "another value";
        else if (m->count != count || !kinds_fit(m, value))
            why = "another list or object";
        else if (json_is_object(value) && level < LM_HEADER_LEVELS)
            why = objects_differ(v, lm_header_first(m), value, level + 1);
        json_decref(again);
        if (why)
            break;
        m = lm_header_next(v, m);
    }
    lm_buf_free(&decoded);
    return why ? why : m ? "a member more" : NULL;
}

/* Of a line that is said to be a text's alone. */
static const char *texts_differ(lm_str line, const lm_header_view *v)
{
    lm_record record = {0};
    lm_status st = LM_STATUS_INIT;
    if (v->count != 1 || !lm_record_check(&record, v, LM_KIND_TEXT, &st))
        return "a header that is not a text's is taken for one";
    return lm_header_is_text((lm_str){line.data, line.len - 1}) ? "a line that is cut is taken for a text's" : NULL;
}

const char *headers_differ(lm_str given, bool *quick)
{
    char *copy = lm_malloc(given.len, 1); /* so that a sanitizer sees a byte too many */
    memcpy(copy, given.data, given.len);
    lm_str line = {copy, given.len};
    lm_status st = LM_STATUS_INIT;
    lm_header_view v = {0};
    *quick = line.len && lm_header_scan(line, &v) == line.len;
    json_t *header = lm_header_parse(line, "header", &st);
    const char *why = NULL;
    size_t text = lm_header_is_text(line);
    if (text && (text != line.len || !*quick))
        why = "a line that is not right is taken for a text's";
    else if (text && (why = texts_differ(line, &v)))
        ;
    else if (*quick && !header)
        why = "the scanner takes what jansson refuses";
    else if (header && !*quick && !lm_header_view_json(header, &v))
        why = "the scanner refuses what jansson has written";
    else if (header)
        why = objects_differ(&v, v.count ? v.members : NULL, header, 1);
    json_decref(header);
    lm_header_view_free(&v);
    free(copy);
    return why;
}

static const char *strings_differ(lm_str string, json_t *theirs)
{
    lm_buf text = {0};
    lm_json_unquote(string, &text);
    bool same = lm_str_equal(lm_buf_str(&text), (lm_str){json_string_value(theirs), json_string_length(theirs)});
    lm_buf quoted = {0};
    lm_json_string(lm_buf_str(&text), &quoted);
    json_t *again = value_of(lm_buf_str(&quoted));
    bool kept = json_equal(again, theirs);
    json_decref(again);
    lm_buf_free(&text);
    lm_buf_free(&quoted);
    return !same ? "a string means something else" : !kept ? "a string is written as something else" : NULL;
}

/* Whether it is known of a name or a value if there are escapes in it. */
static bool knows(bool escapes, lm_str of)
{
    return escapes == (memchr(of.data, '\\', of.len) != NULL);
}

/* The members in their order; of a name that stands twice the last one counts. */
static const char *members_differ(lm_str object, json_t *theirs)
{
    lm_json j = lm_json_over(object);
    lm_str name, value;
    lm_buf plain = {0};
    bool first = true;
    const char *why = NULL;
    int rc;
    lm_json_enter(&j, '{');
    while (!why && (rc = lm_json_member(&j, &first, &name, &value)) > 0) {
        plain.len = 0;
        lm_json_unquote(name, &plain);
        json_t *its = json_object_get(theirs, lm_buf_cstr(&plain));
        lm_str last = value;
        if (!its || !lm_json_find(object, lm_buf_str(&plain), &last))
            why = "a member that is not there";
        else if (!knows(j.name_escapes, name) || !knows(j.escapes, value))
            why = "of a member it is not known whether there are escapes in it";
        else if (last.data == value.data && json_is_string(its))
            why = strings_differ(value, its);
    }
    lm_buf_free(&plain);
    return why ? why : rc != 0 ? "an object does not end" : NULL;
}

const char *values_differ(lm_str given, bool *good)
{
    char *copy = lm_malloc(given.len, 1);
    if (given.len)
        memcpy(copy, given.data, given.len);
    lm_json j = lm_json_over((lm_str){copy, given.len});
    lm_str value;
    json_error_t error;
    *good = lm_json_value(&j, &value);
    bool known = !*good || knows(j.escapes, value);
    lm_json_space(&j);
    *good &= j.p == j.end;
    json_t *theirs = json_loadb(copy, given.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    bool surrogates = memmem(copy, given.len, "\\ud", 3) || memmem(copy, given.len, "\\uD", 3);
    bool nul = memmem(copy, given.len, "\\u0000", 6) != NULL; /* which a name of jansson's cannot have */
    bool byte = memchr(copy, '\0', given.len) != NULL; /* which it passes over behind a number */
    const char *why = NULL;
    if (!known)
        why = "of a value it is not known whether there are escapes in it";
    else if (theirs && !*good && byte)
        ;
    else if (theirs && !*good)
        why = "we refuse what jansson takes";
    else if (!theirs && *good && !surrogates && !nul && json_error_code(&error) != json_error_numeric_overflow)
        why = "we take what jansson refuses";
    else if (theirs && json_is_string(theirs))
        why = strings_differ(value, theirs);
    else if (theirs && json_is_object(theirs))
        why = members_differ(value, theirs);
    json_decref(theirs);
    free(copy);
    return why;
}
