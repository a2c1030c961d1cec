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

const char *headers_differ(lm_str given, bool *quick)
{
    char *copy = lm_malloc(given.len, 1); /* so that a sanitizer sees a byte too many */
    memcpy(copy, given.data, given.len);
    lm_str line = {copy, given.len};
    lm_status st = LM_STATUS_INIT;
    lm_header_view v = {0};
    *quick = lm_header_scan(line, &v);
    json_t *header = lm_header_parse(line, "header", &st);
    const char *why = NULL;
    if (*quick && !header)
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
