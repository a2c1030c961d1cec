#include "metrics/gates.h"

#include "base/memory.h"

#include <stdlib.h>

static bool read(lm_gates *g, const lm_strings *given, bool at_most, lm_status *st)
{
    for (size_t i = 0; i < given->count; i++) {
        const char *equal = strrchr(given->items[i], '=');
        double bound;
        if (!equal || equal == given->items[i] || !lm_parse_float(equal + 1, &bound))
            return lm_fail(st, LM_USAGE, "--fail-%s %s: NAME=VALUE is expected, as in accuracy=0.9", at_most ? "over" : "under",
                           given->items[i]);
        LM_GROW(g->items, g->count, g->cap);
        g->items[g->count++] = (struct lm_gate){lm_strndup(given->items[i], (size_t)(equal - given->items[i])), bound, at_most};
    }
    return true;
}

bool lm_gates_read(lm_gates *g, const lm_strings *under, const lm_strings *over, lm_status *st)
{
    return read(g, under, false, st) && read(g, over, true, st);
}

void lm_gates_free(lm_gates *g)
{
    for (size_t i = 0; i < g->count; i++)
        free(g->items[i].name);
    free(g->items);
    *g = (lm_gates){0};
}

static bool no_such_measure(const struct lm_gate *g, const lm_report *report, lm_status *st)
{
    lm_buf names = {0};
    const char *name;
    double value;
    for (size_t k = 0; (name = lm_report_at(report, k, &value)); k++)
        lm_buf_printf(&names, "%s%s", k ? ", " : "", name);
    lm_fail(st, LM_USAGE, "--fail-%s %s: no such measure: there are %s", g->at_most ? "over" : "under", g->name, lm_buf_cstr(&names));
    lm_buf_free(&names);
    return false;
}

static bool check(const lm_gates *gates, const lm_report *report, lm_status *st)
{
    for (size_t i = 0; i < gates->count; i++) {
        const struct lm_gate *g = &gates->items[i];
        double value;
        if (!lm_report_find(report, g->name, &value))
            return no_such_measure(g, report, st);
        if (g->at_most ? !(value <= g->bound) : !(value >= g->bound)) /* NaN fails too */
            return lm_fail(st, LM_GATE, "%s is %.6g, %s the %.6g that is asked for", g->name, value, g->at_most ? "over" : "under",
                           g->bound);
    }
    return true;
}

bool lm_gates_publish(const lm_gates *g, const lm_report *report, lm_output_file *out, lm_status *st)
{
    if (lm_ok(st))
        return lm_output_file_publish(out, st) && check(g, report, st);
    if (out)
        lm_output_file_discard(out, false);
    return false;
}
