/* JSON text in place: values are checked and cut out as slices of the source, so that what passes through keeps its
 * spelling (numbers above all) and a record costs no allocation. Files and headers that are looked into deeply are
 * jansson's business. */
#ifndef LM_STREAM_JSON_H
#define LM_STREAM_JSON_H

#include "base/buffer.h"

/* A cursor over bytes that are valid UTF-8 (lm_json does not check that). Zero-initialise `why`. */
typedef struct lm_json {
    const char *p, *end;
    const char *why; /* what was wrong at p, once something failed */
    bool name_escapes, escapes; /* whether there is a backslash in the name, and in the value, that was cut out last */
} lm_json;

enum { LM_JSON_DEPTH_MAX = 256 };

static inline lm_json lm_json_over(lm_str s)
{
    return (lm_json){.p = s.data, .end = s.data + s.len};
}

static inline bool lm_json_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline void lm_json_space(lm_json *j) /* skips white space */
{
    while (j->p < j->end && lm_json_is_space(*j->p))
        j->p++;
}

/* The first byte from p on that means something within a string: a quote, a backslash or a control character; else `end`.
 * *ascii becomes false where a byte that it passes is none. */
const char *lm_json_plain(const char *p, const char *end, bool *ascii);
/* Moves behind the escape at the cursor, whose backslash is there. *whole: it is no half of a surrogate pair. */
bool lm_json_escape(lm_json *j, bool *whole);
/* Cuts out the next value, checking it down to the leaves. */
bool lm_json_value(lm_json *j, lm_str *value);
/* Enters an object or array at the cursor; then its members one by one: 1 (name as it stands, quotes included, and
 * value), 0 at its end, -1. `*first` is true before the first one. */
bool lm_json_enter(lm_json *j, char open);
int lm_json_member(lm_json *j, bool *first, lm_str *name, lm_str *value);
int lm_json_element(lm_json *j, bool *first, lm_str *value);

/* The member of an object (a checked value) by its decoded name, the last one where it stands twice; false if absent or
 * the value is no object. */
bool lm_json_find(lm_str object, lm_str name, lm_str *value);
/* Element i of an array. */
bool lm_json_at(lm_str array, size_t i, lm_str *value);
/* Appends an object (text that need not be checked) with null for the member of this name, whose value is cut out as it stands. False,
 * and nothing is appended: it has none, or more than one, or is no valid object. */
bool lm_json_set_aside(lm_str object, lm_str name, lm_buf *rest, lm_str *value);
bool lm_json_is_string(lm_str value);
/* Appends what a (checked) string means. A lone surrogate becomes U+FFFD; returns false if there was one. */
bool lm_json_unquote(lm_str string, lm_buf *out);
/* The same to `out`, which has room for string.len bytes; returns the length, and whether nothing was replaced. */
size_t lm_json_unquote_to(lm_str string, char *out, bool *whole);
/* Whether a (checked) string means exactly `s`. */
bool lm_json_string_is(lm_str string, lm_str s);
/* Appends s (valid UTF-8) quoted and escaped. */
void lm_json_string(lm_str s, lm_buf *out);

/* A path such as `.meta.title` or `.turns[0].text`, step by step: a step is a name, or an index in brackets. */
typedef struct lm_json_path {
    const char *p;
    bool ok; /* false: what stands at p is no step */
} lm_json_path;

lm_json_path lm_json_path_over(const char *path);
/* The next step, `[0]` with its brackets; false at the end, or where !ok. */
bool lm_json_path_next(lm_json_path *path, lm_str *step);
/* Goes the steps that are left from *value; false where there is nothing. */
bool lm_json_path_follow(lm_json_path *path, lm_str *value);

#endif
