#include "metrics/report.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

typedef struct item {
    char *name;
    double value;
    bool whole, interval, of_class;
    double low, high;
} item;

struct lm_report {
    item *items;
    size_t count, cap;
    json_t *texts, *details; /* objects, or NULL */
};

lm_report *lm_report_new(void)
{
    return lm_calloc(1, sizeof(lm_report));
}

void lm_report_free(lm_report *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++)
        free(r->items[i].name);
    free(r->items);
    json_decref(r->texts);
    json_decref(r->details);
    free(r);
}

static void append(lm_report *r, item it)
{
    LM_GROW(r->items, r->count, r->cap);
    r->items[r->count++] = it;
}

void lm_report_add(lm_report *r, const char *name, double value)
{
    append(r, (item){.name = lm_strdup(name), .value = value});
}

void lm_report_count(lm_report *r, const char *name, uint64_t value)
{
    append(r, (item){.name = lm_strdup(name), .value = (double)value, .whole = true});
}

void lm_report_add_class(lm_report *r, const char *what, const char *class, double value)
{
    append(r, (item){.name = lm_format("%s[%s]", what, class), .value = value, .of_class = true});
}

void lm_report_count_class(lm_report *r, const char *what, const char *class, uint64_t value)
{
    append(r, (item){.name = lm_format("%s[%s]", what, class), .value = (double)value, .whole = true, .of_class = true});
}

void lm_report_drop_classes(lm_report *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (r->items[i].of_class)
            free(r->items[i].name);
        else
            r->items[kept++] = r->items[i];
    }
    r->count = kept;
}

void lm_report_interval(lm_report *r, size_t i, double low, double high)
{
    r->items[i].interval = true;
    r->items[i].low = low;
    r->items[i].high = high;
}

static void set(json_t **object, const char *name, json_t *value)
{
    if (!*object)
        *object = json_object();
    json_object_set_new(*object, name, value);
}

void lm_report_text(lm_report *r, const char *name, const char *text)
{
    set(&r->texts, name, json_string(text));
}

void lm_report_detail(lm_report *r, const char *name, json_t *value)
{
    set(&r->details, name, value);
}

json_t *lm_report_detail_of(const lm_report *r, const char *name)
{
    return json_object_get(r->details, name);
}

void lm_report_drop_details(lm_report *r)
{
    json_decref(r->details);
    r->details = NULL;
}

size_t lm_report_size(const lm_report *r)
{
    return r->count;
}

const char *lm_report_at(const lm_report *r, size_t i, double *value)
{
    if (i >= r->count)
        return NULL;
    *value = r->items[i].value;
    return r->items[i].name;
}

bool lm_report_is_count(const lm_report *r, size_t i)
{
    return r->items[i].whole;
}

bool lm_report_find(const lm_report *r, const char *name, double *value)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->items[i].name, name) == 0) {
            *value = r->items[i].value;
            return true;
        }
    }
    return false;
}

/* A name is a word or a class behind it; a tab or line feed in a class would break the line. */
static void put_word(const char *s, lm_buf *out)
{
    for (; *s; s++)
        lm_buf_putc(out, (unsigned char)*s < 0x20 ? ' ' : *s);
}

void lm_report_print(const lm_report *r, lm_buf *out)
{
    for (size_t i = 0; i < r->count; i++) {
        const item *it = &r->items[i];
        put_word(it->name, out);
        lm_buf_printf(out, it->whole ? "\t%.0f" : "\t%.6g", it->value);
        if (it->interval)
            lm_buf_printf(out, "\t%.6g\t%.6g", it->low, it->high);
        lm_buf_putc(out, '\n');
    }
    const char *name;
    json_t *text;
    json_object_foreach(r->texts, name, text) {
        put_word(name, out);
        lm_buf_putc(out, '\t');
        put_word(json_string_value(text), out);
        lm_buf_putc(out, '\n');
    }
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *lm_report_json(const lm_report *r)
{
    json_t *object = json_object(), *intervals = NULL;
    for (size_t i = 0; i < r->count; i++) {
        const item *it = &r->items[i];
        json_object_set_new(object, it->name,
                            it->whole ? json_integer((json_int_t)it->value) : number(it->value));
        if (it->interval)
            set(&intervals, it->name, json_pack("[oo]", number(it->low), number(it->high)));
    }
    if (intervals)
        json_object_set_new(object, "ci", intervals);
    if (r->texts)
        json_object_update(object, r->texts);
    if (r->details)
        json_object_update(object, r->details);
    return object;
}

bool lm_report_write(const lm_report *r, bool json, bool confusion, lm_output_file *out, lm_status *st)
{
    lm_buf text = {0};
    if (json) {
        json_t *object = lm_report_json(r);
        char *line = json_dumps(object, JSON_REAL_PRECISION(9));
        lm_buf_printf(&text, "%s\n", line);
        free(line);
        json_decref(object);
    } else {
        lm_report_print(r, &text);
        if (confusion)
            lm_report_print_confusion(r, &text);
    }
    bool ok = lm_write_all(lm_output_file_fd(out), text.data, text.len, lm_output_file_name(out), st);
    lm_buf_free(&text);
    return ok;
}
