/* Text records from JSON: a value a line, an array, values one after the other, and LMS kind text. */
#include "base/memory.h"
#include "stream/cells.h"
#include "stream/record.h"

#include <stdlib.h>
#include <string.h>

lm_cell *lm_cell_add(lm_records *r)
{
    LM_GROW(r->cells, r->cell_count, r->cell_cap);
    r->cells[r->cell_count] = (lm_cell){0};
    return &r->cells[r->cell_count++];
}

static bool fail_json(lm_records *r, const lm_json *j, lm_str value, lm_status *st)
{
    return lm_fail_record(r, st, "not JSON: %s (byte %zu)", j->why, (size_t)(j->p - value.data) + 1);
}

/* A name, decoded: a slice of the line, or in the arena. */
static lm_str decoded(lm_records *r, const lm_json *j, lm_str string)
{
    if (!j->name_escapes)
        return (lm_str){string.data + 1, string.len - 2};
    char *out = lm_arena_alloc(r->arena, string.len, 1);
    bool whole;
    size_t n = lm_json_unquote_to(string, out, &whole);
    return (lm_str){out, n};
}

/* The cell of a name that has stood before, or a new one: of two, the last counts. */
static lm_cell *cell_named(lm_records *r, lm_str name, size_t from)
{
    for (size_t i = from; i < r->cell_count; i++)
        if (lm_str_equal(r->cells[i].name, name))
            return &r->cells[i];
    lm_cell *c = lm_cell_add(r);
    c->name = name;
    return c;
}

static bool add_members(lm_records *r, lm_str object, lm_status *st)
{
    lm_json j = lm_json_over(object);
    lm_str name, value;
    bool first = true;
    int rc;
    lm_json_enter(&j, '{');
    while ((rc = lm_json_member(&j, &first, &name, &value)) > 0) {
        if (r->cell_count == LM_TEXT_FIELDS_MAX)
            return lm_fail_record(r, st, "more than %d fields", LM_TEXT_FIELDS_MAX);
        name = decoded(r, &j, name);
        if (j.name_escapes && memchr(name.data, '\0', name.len))
            return lm_fail_record(r, st, "a NUL in the name of a field");
        *cell_named(r, name, 0) = (lm_cell){name, value, true, !j.escapes};
    }
    if (rc == 0)
        lm_json_space(&j);
    if (rc < 0 || j.p != j.end)
        return rc < 0 ? fail_json(r, &j, object, st) : lm_fail_record(r, st, "something stands behind the JSON object");
    return true;
}

static bool add_elements(lm_records *r, lm_str array, lm_status *st)
{
    lm_json j = lm_json_over(array);
    lm_str value;
    bool first = true;
    int rc;
    lm_json_enter(&j, '[');
    while ((rc = lm_json_element(&j, &first, &value)) > 0) {
        if (r->cell_count == LM_TEXT_FIELDS_MAX)
            return lm_fail_record(r, st, "more than %d fields", LM_TEXT_FIELDS_MAX);
        *lm_cell_add(r) = (lm_cell){.value = value, .json = true, .plain = !j.escapes};
    }
    return rc == 0 || fail_json(r, &j, array, st);
}

/* An object's members, an array's elements, or a string by itself, which is the text. */
bool lm_cells_from_json(lm_records *r, lm_str value, lm_status *st)
{
    char c = value.len ? value.data[0] : '\0';
    if (c == '{')
        return add_members(r, value, st);
    if (c == '[')
        return add_elements(r, value, st);
    lm_json j = lm_json_over(value);
    lm_str whole;
    if (!lm_json_value(&j, &whole))
        return fail_json(r, &j, value, st);
    if (c != '"')
        return lm_fail_record(r, st, "a record is an object, a list or a string");
    *lm_cell_add(r) = (lm_cell){.name = lm_str_of("text"), .value = whole, .json = true, .plain = !j.escapes};
    return true;
}

/* ---------------------------------------------------------------------------------------------------- fields */

/* Lone surrogates, which are no characters, become \ufffd; in place. */
static void mend_surrogates(char *s, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        if (s[i] != '\\')
            continue;
        if (s[i + 1] != 'u') {
            i++;
            continue;
        }
        lm_str escape = {s + i, 6};
        unsigned long code = strtoul((char[]){escape.data[2], escape.data[3], escape.data[4], escape.data[5], 0}, NULL, 16);
        bool high = code >= 0xD800 && code < 0xDC00, low = code >= 0xDC00 && code < 0xE000;
        if (high && i + 12 <= n && s[i + 6] == '\\' && s[i + 7] == 'u') {
            unsigned long next = strtoul((char[]){s[i + 8], s[i + 9], s[i + 10], s[i + 11], 0}, NULL, 16);
            if (next >= 0xDC00 && next < 0xE000) {
                i += 11;
                continue;
            }
        }
        if (high || low)
            memcpy(s + i, "\\ufffd", 6);
        i += 5;
    }
}

/* Whether there is an escape in \u, which may be half of a surrogate pair. */
static bool has_code(lm_str value)
{
    const char *p = value.data, *end = value.data + value.len;
    while ((p = memchr(p, '\\', (size_t)(end - p))) && p[1] != 'u')
        p += 2; /* checked: something stands behind it */
    return p != NULL;
}

bool lm_json_field(lm_records *r, lm_str name, lm_str value, lm_str *out, lm_status *st)
{
    enum { DEEP = LM_LMS_DEPTH_MAX - 4, FLAGS = JSON_DECODE_ANY | JSON_ALLOW_NUL };
    json_error_t error;
    *out = value;
    if (lm_json_is_string(value) && !has_code(value))
        return true;
    bool object = memchr(value.data, '{', value.len) != NULL;
    if (!object && !memchr(value.data, '\\', value.len) && !memchr(value.data, '[', value.len))
        return true;
    if (lm_header_nesting(value) > DEEP)
        return lm_fail_record(r, st, "field `%.*s` is nested deeper than %d", (int)(name.len < 80 ? name.len : 80),
                              name.data, DEEP);
    char *copy = lm_arena_strndup(r->arena, value.data, value.len);
    mend_surrogates(copy, value.len);
    for (size_t i = 0; i < value.len; i++) /* between values, as an array over several lines has them */
        if (copy[i] == '\n' || copy[i] == '\r')
            copy[i] = ' ';
    *out = (lm_str){copy, value.len};
    if (!object)
        return true;
    json_t *v = json_loadb(copy, value.len, FLAGS | JSON_REJECT_DUPLICATES, &error);
    if (!v && json_error_code(&error) == json_error_duplicate_key) {
        v = json_loadb(copy, value.len, FLAGS, &error);
        char *dump = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        if (dump) {
            *out = (lm_str){lm_arena_strndup(r->arena, dump, strlen(dump)), strlen(dump)};
            free(dump);
        }
    }
    bool ok = v || json_error_code(&error) == json_error_numeric_overflow;
    json_decref(v);
    return ok || lm_fail_record(r, st, "field `%.*s`: %s", (int)(name.len < 80 ? name.len : 80), name.data, error.text);
}

/* ---------------------------------------------------------------------------------------------------- lines */

/* An end or abort record where no stream is: a preamble was lost. */
static bool is_lms_end(lm_str line)
{
    static const char *const starts[] = {"{\"end\":{\"records\":", "{\"abort\":{\"by\":"};
    for (size_t i = 0; i < 2; i++)
        if (line.len % 64 == 63 && line.len > strlen(starts[i]) && !memcmp(line.data, starts[i], strlen(starts[i])))
            return true;
    return false;
}

static lm_take take_value(lm_records *r, lm_str value, lm_status *st)
{
    r->source = value;
    if (!lm_records_utf8(r, value, false, &value, st))
        return LM_TAKE_BAD;
    r->base = value.data;
    lm_json j = lm_json_over(value);
    lm_json_space(&j);
    value = (lm_str){j.p, (size_t)(j.end - j.p)};
    if (!lm_cells_from_json(r, value, st))
        return LM_TAKE_BAD;
    if (!lm_squad_begin(r) || !r->keeps)
        return LM_TAKE_RECORD;
    lm_squad_free(r->squad);
    r->squad = NULL;
    lm_fail_record(r, st, "a document of questions is no record: give --framed, or make records of it with lms --plain");
    return LM_TAKE_BAD;
}

static lm_take take_json_line(lm_records *r, lm_status *st)
{
    lm_str line;
    bool end;
    do {
        if (!lm_input_line(r->in, LM_TEXT_RECORD_MAX, &line, &end, NULL, st))
            return LM_TAKE_FAILED;
        if (end)
            return LM_TAKE_END;
        r->line = r->next_line++;
    } while (lm_is_blank_line(r->format, line));
    if (is_lms_end(line)) {
        lm_fail_record(r, st, "the end of an LMS stream whose preamble is damaged");
        return LM_TAKE_FAILED;
    }
    while (line.len && lm_json_is_space(line.data[line.len - 1]))
        line.len--;
    return take_value(r, line, st);
}

/* ---------------------------------------------------------------------------------------------------- values */

static void skip(lm_records *r, size_t n)
{
    lm_str s = {"", 0};
    lm_status st = LM_STATUS_INIT;
    if (lm_input_peek(r->in, 0, &s, &st)) /* what is visible already: cannot fail */
        r->next_line += lm_count_lines((lm_str){s.data, n});
    lm_input_skip(r->in, n);
}

/* The next byte that is no white space: 1, 0 at the end, -1. */
static int peek_byte(lm_records *r, char *c, lm_status *st)
{
    for (;;) {
        lm_str s;
        if (!lm_input_peek(r->in, 1, &s, st))
            return -1;
        size_t i = 0;
        while (i < s.len && memchr(" \t\r\n", s.data[i], 4))
            i++;
        if (i < s.len)
            *c = s.data[i];
        bool found = i < s.len, end = s.len == 0;
        skip(r, i);
        if (found || end)
            return found;
    }
}

/* Makes the whole next value visible. */
static lm_take find_value(lm_records *r, lm_str *value, lm_status *st)
{
    size_t want = 1;
    for (;;) {
        lm_str s;
        if (want > LM_TEXT_RECORD_MAX) {
            lm_fail_record(r, st, "a record of more than %d bytes", LM_TEXT_RECORD_MAX);
            return LM_TAKE_FAILED;
        }
        if (!lm_input_peek(r->in, want, &s, st))
            return LM_TAKE_FAILED;
        lm_json j = lm_json_over(s);
        bool ok = lm_json_value(&j, value), end = s.len < want;
        bool closed = ok && (j.p < j.end || strchr("}]\"", j.p[-1])); /* a number might go on */
        if (closed || (ok && end))
            return LM_TAKE_RECORD;
        if (!end && (ok || j.end - j.p < 12)) { /* cut, or so near the end that it may be */
            want = 2 * s.len;
            continue;
        }
        lm_fail_record(r, st, "not JSON: %s (%zu lines below)", j.why ? j.why : "damaged",
                       lm_count_lines((lm_str){s.data, (size_t)(j.p - s.data)}));
        return LM_TAKE_FAILED;
    }
}

static lm_take take_json_value(lm_records *r, lm_status *st)
{
    char c = '\0';
    int rc;
    for (;;) {
        if ((rc = peek_byte(r, &c, st)) < 0)
            return LM_TAKE_FAILED;
        r->line = r->next_line;
        if (rc == 0) {
            if (!r->json_array)
                return LM_TAKE_END;
            lm_fail_record(r, st, "the file ends inside its list: it was cut");
            return LM_TAKE_FAILED;
        }
        if (!r->json_array && c == '[') {
            r->json_array = true;
            r->json_later = false;
            skip(r, 1);
        } else if (r->json_array && c == ']') {
            r->json_array = false;
            skip(r, 1);
        } else if (r->json_array && r->json_later && c == ',') {
            r->json_later = false;
            skip(r, 1);
        } else {
            break;
        }
    }
    if (r->json_array && r->json_later) {
        lm_fail_record(r, st, "not JSON: a comma is missing between two records");
        return LM_TAKE_FAILED;
    }
    r->json_later = r->json_array;
    lm_str value;
    lm_take take = find_value(r, &value, st);
    if (take != LM_TAKE_RECORD)
        return take;
    skip(r, value.len); /* the bytes stay until the next call */
    return take_value(r, value, st);
}

lm_take lm_take_json(lm_records *r, lm_status *st)
{
    for (;;) {
        lm_take t = r->squad ? lm_take_question(r, st) : LM_TAKE_END;
        if (t != LM_TAKE_END)
            return t;
        t = r->format == LM_FORMAT_JSONL ? take_json_line(r, st) : take_json_value(r, st);
        if (t != LM_TAKE_RECORD || !r->squad)
            return t;
    }
}

/* ---------------------------------------------------------------------------------------------------- kind text */

static bool is_reserved(lm_str name)
{
    static const char *const names[] = {"text", "pair", "label", "id", "words", "tags", "labels", NULL};
    for (size_t i = 0; names[i]; i++)
        if (lm_str_is(name, names[i]))
            return true;
    return false;
}

/* Reserved members are cells, those of `fields` too; unknown ones are kept as they stand. */
static bool cells_from_lms(lm_records *r, lm_str line, lm_status *st)
{
    lm_json j = lm_json_over(line);
    lm_str name, value, fields = {NULL, 0};
    bool first = true;
    int rc;
    lm_json_enter(&j, '{');
    while ((rc = lm_json_member(&j, &first, &name, &value)) > 0) {
        lm_str plain = decoded(r, &j, name);
        if (lm_str_is(plain, "fields")) {
            fields = value;
        } else if (is_reserved(plain)) {
            *lm_cell_add(r) = (lm_cell){plain, value, true, !j.escapes};
        } else {
            lm_buf_putc(&r->members, ',');
            lm_buf_append(&r->members, name.data, name.len);
            lm_buf_putc(&r->members, ':');
            lm_buf_append(&r->members, value.data, value.len);
        }
    }
    if (rc < 0)
        return fail_json(r, &j, line, st);
    size_t own = r->cell_count;
    if (!fields.data)
        return true;
    j = lm_json_over(fields);
    first = true;
    lm_json_enter(&j, '{');
    while (lm_json_member(&j, &first, &name, &value) > 0) {
        lm_str plain = decoded(r, &j, name);
        *cell_named(r, plain, own) = (lm_cell){plain, value, true, !j.escapes};
    }
    return true;
}

/* A record's line by itself, out of a block. */
static lm_take take_lms_line(lm_records *r, lm_status *st)
{
    lm_str line;
    bool end;
    if (!lm_input_line(r->in, LM_TEXT_RECORD_MAX, &line, &end, NULL, st))
        return LM_TAKE_FAILED;
    if (end)
        return LM_TAKE_END;
    r->line = r->next_line++;
    r->source = line;
    r->base = line.data;
    return cells_from_lms(r, line, st) ? LM_TAKE_RECORD : LM_TAKE_BAD;
}

lm_take lm_take_lms(lm_records *r, lm_status *st)
{
    if (r->keeps)
        return take_lms_line(r, st);

    lm_record record;
    int rc = lm_lms_next(r->lms, &record, st);
    if (rc < 0)
        return LM_TAKE_FAILED;
    if (rc == 0)
        return LM_TAKE_END;
    if (record.flush)
        return LM_TAKE_FLUSH;
    r->line = record.number;
    r->source = record.line;
    return cells_from_lms(r, record.line, st) ? LM_TAKE_RECORD : LM_TAKE_BAD;
}
