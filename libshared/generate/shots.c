#include "base/memory.h"
#include "generate/prompts.h"

#include <stdlib.h>

static lm_str keep(lm_str s)
{
    return (lm_str){lm_strndup(s.len ? s.data : "", s.len), s.len};
}

/* The answer of an example, a copy; data NULL = it has none. */
static lm_str answer_of(const lm_text_record *r)
{
    static const char *const names[] = {"completion", "output", "response", "answer", "target", "summary", "label"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        for (size_t i = 0; i < r->field_count; i++) {
            const lm_field *f = &r->fields[i];
            if (!lm_str_is(f->name, names[n]) || lm_str_is(f->json, "null"))
                continue;
            lm_buf plain = {0};
            if (lm_json_is_string(f->json))
                lm_json_unquote(f->json, &plain);
            lm_str kept = keep(lm_json_is_string(f->json) ? lm_buf_str(&plain) : f->json);
            lm_buf_free(&plain);
            return kept;
        }
    }
    return (lm_str){NULL, 0};
}

bool lm_shots_read(lm_shots *s, const char *path, size_t most, lm_status *st)
{
    lm_records_options options = {.prompts = true, .pair = "", .label = ""};
    lm_input *in = lm_input_open(path, st);
    lm_records *records = in ? lm_records_new(in, &options, st) : NULL;
    lm_text_record r;
    while (records && (most == 0 || s->count < most) && lm_records_next(records, &r, st) > 0) {
        if (r.flush)
            continue;
        LM_GROW(s->items, s->count, s->cap);
        s->items[s->count++] = (lm_chat_shot){keep(r.text), answer_of(&r)};
    }
    lm_records_free(records);
    lm_input_close(in);
    if (lm_ok(st) && s->count < (most ? most : 1))
        lm_fail(st, LM_FAILED, "%s: %zu examples, and %zu are asked for", path, s->count, most ? most : 1);
    return lm_ok(st);
}

void lm_shots_free(lm_shots *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free((char *)(uintptr_t)s->items[i].prompt.data);
        free((char *)(uintptr_t)s->items[i].answer.data);
    }
    free(s->items);
    *s = (lm_shots){0};
}

void lm_shots_print(const lm_shots *s, lm_str separator, lm_buf *out)
{
    for (size_t i = 0; i < s->count; i++) {
        lm_buf_append(out, s->items[i].prompt.data, s->items[i].prompt.len);
        if (s->items[i].answer.data)
            lm_buf_append(out, s->items[i].answer.data, s->items[i].answer.len);
        lm_buf_append(out, separator.data, separator.len);
    }
}
