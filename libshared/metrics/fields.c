#include "metrics/fields.h"

#include "base/memory.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

struct lm_fields {
    lm_input *in;
    lm_records *records;
    lm_text_record record;
    lm_arena *arena; /* texts of the record */
    lm_str *texts;
    size_t text_count, text_cap;
    char *where;
};

lm_fields *lm_fields_open(const lm_strings *paths, lm_text_format format, lm_status *st)
{
    lm_records_options options = {.format = format, .textless = true, .lines = true, .blank_lines = true, /* and all is fields: */
                                  .text = "", .pair = "", .label = "", .id = "", .answer = ""};
    lm_fields *f = lm_calloc(1, sizeof *f);
    f->arena = lm_arena_new(0);
    f->in = lm_input_open_all(paths, st);
    f->records = f->in ? lm_records_new(f->in, &options, st) : NULL;
    if (f->records)
        return f;
    lm_fields_free(f);
    return NULL;
}

void lm_fields_free(lm_fields *f)
{
    if (!f)
        return;
    lm_records_free(f->records);
    lm_input_close(f->in);
    lm_arena_free(f->arena);
    free(f->texts);
    free(f->where);
    free(f);
}

int lm_fields_next(lm_fields *f, lm_status *st)
{
    lm_arena_reset(f->arena);
    f->text_count = 0;
    int got;
    do
        got = lm_records_next(f->records, &f->record, st);
    while (got == 1 && f->record.flush);
    return got;
}

const char *lm_fields_where(lm_fields *f)
{
    free(f->where);
    return f->where = lm_format("%s:%" PRIu64, f->record.file, f->record.line);
}

const char *lm_fields_name(const lm_fields *f)
{
    return lm_input_name(f->in);
}

bool lm_fields_is_line(const lm_fields *f)
{
    return f->record.format == LM_FORMAT_TEXT;
}

/* ------------------------------------------------------------------ fields */

static bool find(const lm_fields *f, lm_str name, lm_str *json)
{
    for (size_t i = 0; i < f->record.field_count; i++)
        if (lm_str_equal(f->record.fields[i].name, name)) {
            *json = f->record.fields[i].json;
            return true;
        }
    return false;
}

static bool find_number(const lm_fields *f, const char *field, lm_str *json)
{
    char *end;
    if (!isdigit((unsigned char)*field))
        return false;
    unsigned long number = strtoul(field, &end, 10);
    if (*end || number < 1 || number > f->record.field_count)
        return false;
    *json = f->record.fields[number - 1].json;
    return true;
}

bool lm_fields_find(const lm_fields *f, const char *field, lm_str *json)
{
    bool found;
    if (lm_fields_is_line(f)) {
        *json = f->record.fields[0].json;
        return true;
    }
    if (*field == '.') {
        lm_json_path path = lm_json_path_over(field);
        lm_str step;
        found = lm_json_path_next(&path, &step) && find(f, step, json) && lm_json_path_follow(&path, json);
    } else {
        found = find(f, lm_str_of(field), json) || find_number(f, field, json);
    }
    return found && !lm_str_is(*json, "null");
}

bool lm_fields_missing(lm_fields *f, const char *field, const char *option, lm_status *st)
{
    lm_buf names = {0};
    for (size_t i = 0; i < f->record.field_count && i < 20; i++) {
        lm_str name = f->record.fields[i].name;
        lm_buf_printf(&names, "%s%.*s", i ? ", " : "", (int)(name.len < 40 ? name.len : 40), name.data);
    }
    lm_fail(st, LM_FAILED, "%s: no field `%s` (there are: %s): choose one with %s", lm_fields_where(f), field, lm_buf_cstr(&names), option);
    lm_buf_free(&names);
    return false;
}

/* ------------------------------------------------------------------ texts */

static bool add_text(lm_fields *f, const char *field, lm_str json, lm_status *st)
{
    lm_str text = json;
    if (lm_json_is_string(json)) {
        bool whole;
        char *bytes = lm_arena_alloc(f->arena, json.len, 1);
        text = (lm_str){bytes, lm_json_unquote_to(json, bytes, &whole)};
    } else if (memchr("{[n", json.data[0], 3)) {
        return lm_fail(st, LM_FAILED, "%s: field `%s`: a text is expected, and there is %s", lm_fields_where(f), field,
                       json.data[0] == '{' ? "an object" : json.data[0] == '[' ? "a list" : "null");
    }
    LM_GROW(f->texts, f->text_count, f->text_cap);
    f->texts[f->text_count++] = text;
    return true;
}

bool lm_fields_texts(lm_fields *f, const char *field, lm_str json, const lm_str **texts, size_t *count, lm_status *st)
{
    lm_str inner;
    f->text_count = 0;
    if (json.data[0] == '{' && lm_json_find(json, lm_str_of("text"), &inner))
        json = inner;
    bool ok = true, first = true;
    if (json.data[0] == '[') {
        lm_json list = lm_json_over(json);
        lm_json_enter(&list, '[');
        while (ok && lm_json_element(&list, &first, &inner) == 1)
            ok = add_text(f, field, inner, st);
    } else {
        ok = add_text(f, field, json, st);
    }
    *texts = f->texts;
    *count = f->text_count;
    return ok;
}
