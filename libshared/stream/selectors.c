/* Which field is meant: a name, a JSON path, a number. */
#include "base/memory.h"
#include "stream/cells.h"

#include <stdlib.h>
#include <string.h>

void lm_selectors_set(lm_selectors *s, const char *name, long number)
{
    LM_GROW(s->items, s->count, s->cap);
    lm_selector *x = &s->items[s->count++];
    *x = (lm_selector){.number = number};
    x->spelling = name ? name : "";
    if (name)
        x->name = lm_str_of(name);
}

void lm_selectors_free(lm_selectors *s)
{
    for (size_t i = 0; s->given && i < s->count; i++)
        free((char *)s->items[i].spelling);
    free(s->items);
}

static bool check_path(const char *path)
{
    lm_json_path p = lm_json_path_over(path);
    lm_str step;
    while (lm_json_path_next(&p, &step))
        ;
    return p.ok;
}

bool lm_selectors_parse(const char *spec, const char *option, lm_selectors *out, lm_status *st)
{
    if (!spec)
        return true;
    out->given = true;
    while (*spec) {
        size_t n = strcspn(spec, ",");
        if (!n)
            return lm_fail(st, LM_USAGE, "%s: a field has no name: FIELD[,FIELD...], by name, .path or number", option);
        LM_GROW(out->items, out->count, out->cap);
        lm_selector *x = &out->items[out->count++];
        *x = (lm_selector){.spelling = lm_strndup(spec, n)};
        if (x->spelling[0] == '.') {
            x->path = x->spelling;
            if (!check_path(x->path))
                return lm_fail(st, LM_USAGE, "%s: `%s` is no JSON path: .name.name[0]", option, x->path);
        } else if (strspn(x->spelling, "0123456789") == n && n < 10) {
            x->number = atol(x->spelling);
            if (!x->number)
                return lm_fail(st, LM_USAGE, "%s: fields are numbered from 1", option);
        } else {
            x->name = (lm_str){x->spelling, n};
        }
        if (out->count > 16)
            return lm_fail(st, LM_USAGE, "%s: more than 16 fields", option);
        spec += n + (spec[n] == ',');
        if (spec[-1] == ',' && !*spec)
            return lm_fail(st, LM_USAGE, "%s: a field has no name behind the last comma", option);
    }
    return true;
}
