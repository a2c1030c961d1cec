#include "train/objectives/class_weight.h"

#include "base/atomic.h"
#include "base/memory.h"
#include "base/options.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 64 << 20 };

/* ------------------------------------------------------------------ counted */

typedef struct counts {
    double *of; /* [classes] */
    double all;
    int32_t *label; /* scratch: of the tokens of a row */
    size_t cap;
} counts;

static void count_tokens(counts *n, const lm_targets *t, const lm_tokens_row *row, double weight)
{
    if (row->len > n->cap) {
        n->cap = 2 * row->len;
        n->label = lm_realloc(n->label, n->cap, sizeof *n->label);
    }
    lm_targets_tokens(t, row, n->label);
    for (size_t i = 0; i < row->len; i++)
        if (n->label[i] != LM_IGNORE) {
            n->of[n->label[i]] += weight;
            n->all += weight;
        }
}

static bool count_row(counts *n, const lm_targets *t, const lm_tokens_row *row, uint64_t number, lm_status *st)
{
    double weight = row->has_weight ? (double)row->weight : 1;
    int32_t class = LM_IGNORE;
    if (t->objective->tokens == LM_TOKENS_TAGS) {
        count_tokens(n, t, row, weight);
    } else if (t->objective->row == LM_TARGET_CLASSES) {
        for (int c = 0; c < t->classes; c++)
            n->of[c] += row->multi_label[c] ? weight : 0;
        n->all += weight;
    } else if (!lm_targets_class(t, row, number, &class, st)) {
        return false;
    } else if (class != LM_IGNORE) {
        n->of[class] += weight;
        n->all += weight;
    }
    return true;
}

bool lm_class_counts(const lm_data *d, const lm_targets *t, double *of, double *all, lm_status *st)
{
    counts n = {.of = of};
    uint64_t rows = lm_data_rows(d);
    memset(of, 0, (size_t)t->classes * sizeof *of);
    for (uint64_t i = 0; i < rows && lm_ok(st); i++) {
        lm_tokens_row row;
        lm_data_row(d, i, NULL, &row);
        count_row(&n, t, &row, i, st);
    }
    *all = n.all;
    free(n.label);
    return lm_ok(st);
}

bool lm_class_weights_auto(const lm_data *d, const lm_targets *t, float *weight, lm_status *st)
{
    double *of = lm_calloc((size_t)t->classes, sizeof *of), all;
    bool several = t->objective->row == LM_TARGET_CLASSES;
    bool ok = lm_class_counts(d, t, of, &all, st);
    for (int c = 0; c < t->classes && ok; c++) {
        double w = several ? (all - of[c]) / of[c] : all / (t->classes * of[c]);
        weight[c] = of[c] > 0 ? (float)w : 1;
    }
    free(of);
    return ok;
}

/* ------------------------------------------------------------------ given */

typedef struct reading {
    const char *file;
    const char *const *names;
    int n;
    float *weight; /* NaN where the class has not been named yet */
} reading;

static bool put(const reading *r, lm_str name, double weight, lm_status *st)
{
    int class = 0;
    while (class < r->n && !lm_str_is(name, r->names[class]))
        class++;
    int shown = (int)(name.len < 100 ? name.len : 100);
    if (class == r->n)
        return lm_fail(st, LM_FAILED, "%s: '%.*s' is none of the %d classes (%s ...): correct it", r->file, shown,
                       name.data, r->n, r->names[0]);
    if (!isnan(r->weight[class]))
        return lm_fail(st, LM_FAILED, "%s: '%.*s' has a weight twice", r->file, shown, name.data);
    if (!(weight >= 0) || !isfinite((float)weight))
        return lm_fail(st, LM_FAILED, "%s: '%.*s' has weight %g: give a finite one that is not negative", r->file, shown,
                       name.data, weight);
    r->weight[class] = (float)weight;
    return true;
}

static bool put_object(const reading *r, const char *text, size_t n, lm_status *st)
{
    json_error_t error;
    json_t *all = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error), *value;
    const char *name;
    if (!all)
        return lm_fail(st, LM_FAILED, "%s:%d: %s", r->file, error.line, error.text);
    json_object_foreach(all, name, value) {
        if (!json_is_number(value))
            lm_fail(st, LM_FAILED, "%s: the weight of '%s' is no number", r->file, name);
        else
            put(r, lm_str_of(name), json_number_value(value), st);
        if (!lm_ok(st))
            break;
    }
    json_decref(all);
    return lm_ok(st);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The weight is what follows the last white space; the name may hold some. */
static bool put_line(const reading *r, lm_str line, size_t number, lm_status *st)
{
    while (line.len && is_blank(line.data[line.len - 1]))
        line.len--;
    if (!line.len)
        return true;
    size_t at = line.len;
    while (at && !is_blank(line.data[at - 1]))
        at--;
    lm_str name = {line.data, at};
    while (name.len && is_blank(name.data[name.len - 1]))
        name.len--;
    char *text = lm_strndup(line.data + at, line.len - at);
    double weight;
    bool good = name.len && lm_parse_float(text, &weight);
    free(text);
    if (!good)
        return lm_fail(st, LM_FAILED, "%s:%zu: no class and weight, such as `sport 2.5`", r->file, number);
    return put(r, name, weight, st);
}

static bool put_lines(const reading *r, const char *text, size_t n, lm_status *st)
{
    const char *end = text + n;
    for (size_t number = 1; text < end && lm_ok(st); number++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        stop = stop ? stop : end;
        put_line(r, (lm_str){text, (size_t)(stop - text)}, number, st);
        text = stop + (stop < end);
    }
    return lm_ok(st);
}

bool lm_class_weights_read(const char *file, const char *const *names, int n, float *weight, lm_status *st)
{
    reading r = {file, names, n, weight};
    char *text = NULL;
    size_t length;
    for (int c = 0; c < n; c++)
        weight[c] = NAN;
    if (!lm_file_read(file, FILE_MAX, &text, &length, st))
        return false;
    size_t at = length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    bool object = at < length && text[at] == '{';
    bool ok = object ? put_object(&r, text + at, length - at, st) : put_lines(&r, text + at, length - at, st);
    free(text);
    float sum = 0;
    for (int c = 0; c < n && ok; c++) {
        if (isnan(weight[c]))
            ok = lm_fail(st, LM_FAILED, "%s: no weight for class '%s': give each class one", file, names[c]);
        sum += ok ? weight[c] : 0;
    }
    if (ok && !(sum > 0))
        ok = lm_fail(st, LM_FAILED, "%s: every class has weight 0: nothing would be learned", file);
    return ok;
}
