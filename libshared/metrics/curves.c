#include "metrics/curves.h"
#include "base/atomic.h"
#include "base/memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { LOG_MAX = 1 << 28, CURVES_MAX = 1000 };

void lm_curves_free(lm_curves *c)
{
    for (size_t i = 0; c && i < c->count; i++) {
        free(c->items[i].name);
        free(c->items[i].step);
        free(c->items[i].value);
    }
    if (c)
        free(c->items);
    free(c);
}

static lm_curve *find(const lm_curves *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->items[i].name, name) == 0)
            return &c->items[i];
    }
    return NULL;
}

const lm_curve *lm_curves_find(const lm_curves *c, const char *name)
{
    return find(c, name);
}

static void add_point(lm_curves *c, const char *name, double step, double value)
{
    lm_curve *curve = find(c, name);
    if (!curve) {
        if (c->count == CURVES_MAX)
            return;
        LM_GROW(c->items, c->count, c->cap);
        curve = &c->items[c->count++];
        *curve = (lm_curve){.name = lm_strdup(name)};
    }
    LM_GROW(curve->step, curve->count, curve->step_cap);
    LM_GROW(curve->value, curve->count, curve->value_cap);
    curve->step[curve->count] = step;
    curve->value[curve->count++] = value;
}

static bool add_line(lm_curves *c, const char *line, size_t n)
{
    json_t *entry = json_loadb(line, n, 0, NULL), *step = json_object_get(entry, "step"), *value;
    const char *name;
    bool ok = json_is_object(entry);
    if (json_is_number(step)) {
        json_object_foreach(entry, name, value) {
            if (json_is_number(value) && strcmp(name, "step") != 0)
                add_point(c, name, json_number_value(step), json_number_value(value));
        }
    }
    json_decref(entry);
    return ok;
}

lm_curves *lm_curves_read(const char *path, lm_status *st)
{
    char *text;
    size_t n;
    if (!lm_file_read(path, LOG_MAX, &text, &n, st))
        return NULL;
    lm_curves *c = lm_calloc(1, sizeof *c);
    size_t number = 1;
    for (size_t at = 0; at < n && lm_ok(st); number++) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t len = end ? (size_t)(end - (text + at)) : n - at;
        if (len > 0 && !add_line(c, text + at, len))
            lm_fail(st, LM_FAILED, "%s:%zu: no JSON object: give the file that finetune --log has written",
                    path, number);
        at += len + 1;
    }
    free(text);
    if (lm_ok(st) && !lm_curves_find(c, "loss") && !lm_curves_find(c, "eval_loss"))
        lm_fail(st, LM_FAILED, "%s: no step and loss in it: give the file that finetune --log has written",
                path);
    if (lm_ok(st))
        return c;
    lm_curves_free(c);
    return NULL;
}
