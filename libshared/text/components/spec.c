#include "base/utf8.h"
#include "text/components/components.h"

bool lm_spec_bool(json_t *spec, const char *name, bool otherwise, const char *what, lm_status *st)
{
    json_t *v = json_object_get(spec, name);
    if (!v || json_is_null(v))
        return otherwise;
    if (!json_is_boolean(v))
        lm_fail(st, LM_FAILED, "%s: \"%s\" is neither true nor false", what, name);
    return json_is_true(v);
}

lm_str lm_spec_string(json_t *spec, const char *name, lm_str otherwise, const char *what, lm_status *st)
{
    json_t *v = json_object_get(spec, name);
    if (!v || json_is_null(v))
        return otherwise;
    if (!json_is_string(v)) {
        lm_fail(st, LM_FAILED, "%s: \"%s\" is no string", what, name);
        return otherwise;
    }
    return (lm_str){json_string_value(v), json_string_length(v)};
}

size_t lm_spec_count(json_t *spec, const char *name, size_t otherwise, const char *what, lm_status *st)
{
    json_t *v = json_object_get(spec, name);
    if (!v || json_is_null(v))
        return otherwise;
    if (json_is_integer(v) && json_integer_value(v) >= 0)
        return (size_t)json_integer_value(v);
    lm_fail(st, LM_FAILED, "%s: \"%s\" is no count", what, name);
    return otherwise;
}

uint32_t lm_spec_character(json_t *spec, const char *name, uint32_t otherwise, const char *what,
                           lm_status *st)
{
    lm_str s = lm_spec_string(spec, name, (lm_str){NULL, 0}, what, st);
    uint32_t code = otherwise;
    if (s.data && (s.len == 0 || lm_utf8_decode(s.data, s.len, &code) != s.len))
        lm_fail(st, LM_FAILED, "%s: \"%s\" is not one character", what, name);
    return code;
}

int lm_spec_type(json_t *spec, const void *table, size_t count, size_t stride, const char *kind,
                 lm_status *st)
{
    json_t *type = json_object_get(spec, "type");
    if (!json_is_string(type)) {
        lm_fail(st, LM_FAILED, "the %s has no \"type\"", kind);
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        if (strcmp(*(const char *const *)((const char *)table + i * stride), json_string_value(type)) == 0)
            return (int)i;
    lm_fail(st, LM_FAILED, "needs: %s \"%.100s\", which this version does not have", kind,
            json_string_value(type));
    return -1;
}
