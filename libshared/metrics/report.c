#include "metrics/report.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

typedef struct item {
    char *name;
    double value;
    bool whole;
} item;

struct lm_report {
    item *items;
    size_t count, cap;
    json_t *details;
};

lm_report *lm_report_new(void)
{
    lm_report *r = lm_calloc(1, sizeof *r);
    r->details = json_object();
    return r;
}

void lm_report_free(lm_report *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++)
        free(r->items[i].name);
    free(r->items);
    json_decref(r->details);
    free(r);
}

static void append(lm_report *r, const char *name, double value, bool whole)
{
    LM_GROW(r->items, r->count, r->cap);
    r->items[r->count++] = (item){lm_strdup(name), value, whole};
}

void lm_report_add(lm_report *r, const char *name, double value)
{
    append(r, name, value, false);
}

void lm_report_count(lm_report *r, const char *name, uint64_t value)
{
    append(r, name, (double)value, true);
}

void lm_report_detail(lm_report *r, const char *name, json_t *value)
{
    json_object_set_new(r->details, name, value);
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
static void put_name(const char *s, lm_buf *out)
{
    for (; *s; s++)
        lm_buf_putc(out, (unsigned char)*s < 0x20 ? ' ' : *s);
}

void lm_report_print(const lm_report *r, lm_buf *out)
{
    for (size_t i = 0; i < r->count; i++) {
        put_name(r->items[i].name, out);
        if (r->items[i].whole)
            lm_buf_printf(out, "\t%.0f\n", r->items[i].value);
        else
            lm_buf_printf(out, "\t%.6g\n", r->items[i].value);
    }
}

json_t *lm_report_json(const lm_report *r)
{
    json_t *object = json_object();
    for (size_t i = 0; i < r->count; i++) {
        double v = r->items[i].value;
        json_t *value = r->items[i].whole ? json_integer((json_int_t)v)
                        : isfinite(v)     ? json_real(v)
                                          : json_null();
        json_object_set_new(object, r->items[i].name, value);
    }
    json_object_update(object, r->details);
    return object;
}
