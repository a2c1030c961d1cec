/* Fields that are lists: a text that is split into words, a tag for each word, several labels. */
#include "base/memory.h"
#include "stream/cells.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more in a list that lives in the record's arena. */
static lm_str *grow(lm_records *r, lm_str *items, size_t count, size_t *cap)
{
    if (items && count < *cap)
        return items;
    *cap = items ? 2 * *cap : 16;
    lm_str *more = lm_arena_alloc(r->arena, *cap, sizeof *more);
    if (count)
        memcpy(more, items, count * sizeof *items);
    return more;
}

bool lm_cell_list(lm_records *r, const lm_cell *c, const char *name, const lm_str **out, size_t *count,
                  lm_status *st)
{
    lm_json j = lm_json_over(c->value);
    lm_str *items = grow(r, NULL, 0, count);
    size_t n = 0, cap = *count;
    lm_cell element = {.json = true};
    bool first = true;
    lm_json_enter(&j, '[');
    while (lm_json_element(&j, &first, &element.value) > 0) {
        char kind = element.value.data[0];
        if (kind == '{' || kind == '[' || kind == 'n')
            return lm_fail_record(r, st, "field `%s`: element %zu of the list is %s: strings are needed",
                                  name, n + 1,
                                  kind == '{'   ? "an object"
                                  : kind == '[' ? "a list"
                                                : "null");
        items = grow(r, items, n, &cap);
        if (!lm_cell_plain(r, &element, name, &items[n++], st))
            return false;
    }
    *out = items;
    *count = n;
    return true;
}

/* The cell of a selector that is one field and holds a list; else NULL. */
static const lm_cell *list_cell(const lm_records *r, const lm_selectors *s, lm_cell *found)
{
    const lm_cell *c = s->count == 1 ? lm_cell_find(r, &s->items[0], found) : NULL;
    return c && c->json && c->value.data[0] == '[' ? c : NULL;
}

/* ---------------------------------------------------------------------------------------------------- words
 */

/* The words joined by a space, and the words as slices of that. */
static bool join(lm_records *r, const lm_str *items, size_t count, lm_text_record *out)
{
    size_t total = 1;
    for (size_t i = 0; i < count; i++)
        total += items[i].len + 1;
    char *text = lm_arena_alloc(r->arena, total, 1), *p = text;
    lm_str *words = lm_arena_alloc(r->arena, count + 1, sizeof *words);
    for (size_t i = 0; i < count; i++) {
        if (i)
            *p++ = ' ';
        if (items[i].len)
            memcpy(p, items[i].data, items[i].len);
        words[i] = (lm_str){p, items[i].len};
        p += items[i].len;
    }
    out->text = (lm_str){text, (size_t)(p - text)};
    out->words = words;
    out->word_count = count;
    return true;
}

bool lm_choose_text(lm_records *r, lm_text_record *out, lm_status *st)
{
    lm_cell found;
    const lm_cell *c = list_cell(r, &r->text, &found);
    const lm_str *items;
    size_t count;
    if (!c)
        return lm_choose(r, &r->text, &out->text, st);
    return lm_cell_list(r, c, r->text.items[0].spelling, &items, &count, st) && join(r, items, count, out);
}

/* ---------------------------------------------------------------------------------------------------- labels
 */

static bool read_integer(lm_records *r, lm_str s, int64_t *value)
{
    char *copy = lm_arena_strndup(r->arena, s.data, s.len), *end = copy;
    errno = 0;
    *value = strtoll(copy, &end, 10);
    while (*end == ' ')
        end++;
    return end > copy && (size_t)(end - copy) == s.len && !errno;
}

bool lm_is_unwanted(const lm_records *r, const lm_text_record *out)
{
    return r->options.drop_label && out->label.data && lm_str_is(out->label, r->options.drop_label);
}

static bool read_one(lm_records *r, lm_text_record *out, lm_status *st)
{
    if (!out->label.data || r->options.label_type == LM_LABEL_WORD || lm_is_unwanted(r, out))
        return true;
    char *s = lm_arena_strndup(r->arena, out->label.data, out->label.len), *end = s;
    if (r->options.label_type == LM_LABEL_ID) {
        bool good =
            read_integer(r, out->label, &out->label_id) && out->label_id >= 0 && out->label_id <= INT32_MAX;
        return good || lm_fail_record(r, st, "the label `%.80s` is no class number from 0", s);
    }
    errno = 0;
    out->label_float = strtod(s, &end);
    while (*end == ' ')
        end++;
    bool whole = end > s && (size_t)(end - s) == out->label.len && !errno;
    if (!whole || !isfinite(out->label_float))
        return lm_fail_record(r, st, "the label `%.80s` is no number", s);
    return true;
}

/* Class numbers where they are asked for; among tags, -100 is a word that is not looked at. */
static bool check_list(lm_records *r, const lm_text_record *out, lm_status *st)
{
    if (out->words && out->label_count != out->word_count)
        return lm_fail_record(r, st, "%zu tags for %zu words", out->label_count, out->word_count);
    if (r->options.label_type == LM_LABEL_FLOAT)
        return lm_fail_record(r, st, "a list of labels cannot be numbers to be met: --label-type word or id");
    for (size_t i = 0; i < out->label_count && r->options.label_type == LM_LABEL_ID; i++) {
        int64_t id;
        bool number = read_integer(r, out->labels[i], &id);
        if (!number || id > INT32_MAX || (id < 0 && !(out->words && id == -100)))
            return lm_fail_record(r, st, "the label `%.*s` is no class number from 0",
                                  (int)(out->labels[i].len < 80 ? out->labels[i].len : 80),
                                  out->labels[i].data);
    }
    return true;
}

/* "a; b" with the separator ";": the labels a and b. */
static void part_label(lm_records *r, lm_text_record *out)
{
    const char *separator = r->options.label_separator;
    size_t step = strlen(separator), cap = 0, n = 0;
    lm_str rest = out->label, *items = grow(r, NULL, 0, &cap);
    for (bool more = true; more;) {
        const char *at = memmem(rest.data, rest.len, separator, step);
        lm_str one = {rest.data, at ? (size_t)(at - rest.data) : rest.len};
        more = at != NULL;
        if (more)
            rest = (lm_str){at + step, rest.len - one.len - step};
        while (one.len && one.data[0] == ' ')
            one = (lm_str){one.data + 1, one.len - 1};
        while (one.len && one.data[one.len - 1] == ' ')
            one.len--;
        if (!one.len)
            continue;
        items = grow(r, items, n, &cap);
        items[n++] = one;
    }
    out->labels = items;
    out->label_count = n;
    out->label = (lm_str){NULL, 0};
}

bool lm_choose_label(lm_records *r, lm_text_record *out, lm_status *st)
{
    lm_cell found;
    const lm_cell *c = list_cell(r, &r->label, &found);
    if (c)
        return lm_cell_list(r, c, r->label.items[0].spelling, &out->labels, &out->label_count, st) &&
               check_list(r, out, st);
    if (!lm_choose(r, &r->label, &out->label, st))
        return false;
    if (!out->label.data || !r->options.label_separator)
        return read_one(r, out, st);
    part_label(r, out);
    return check_list(r, out, st);
}

/* ---------------------------------------------------------------------------------------------------- weights, pairs */

bool lm_choose_weight(lm_records *r, lm_text_record *out, lm_status *st)
{
    lm_str value;
    if (!r->weight.count)
        return true;
    if (!lm_choose(r, &r->weight, &value, st))
        return false;
    char *s = lm_arena_strndup(r->arena, value.data ? value.data : "", value.len), *end = s;
    double weight = strtod(s, &end);
    while (*end == ' ')
        end++;
    if (end == s || (size_t)(end - s) != value.len || !(weight >= 0) || !isfinite((float)weight))
        return lm_fail_record(r, st, "the weight `%.80s` is no finite number from 0 on", s);
    out->has_weight = true;
    out->weight = (float)weight;
    return true;
}

/* In a table a cell that is empty is one that is missing; JSON has null for that. */
static bool is_missing(const lm_records *r, lm_str text)
{
    return !text.data || (lm_is_table(r->format) && !text.len);
}

bool lm_choose_target(lm_records *r, lm_text_record *out, lm_status *st)
{
    if (!r->target.count)
        return true;
    if (!lm_choose(r, &r->target, &out->target, st))
        return false;
    return !is_missing(r, out->target) ||
           lm_fail_record(r, st, "the target is missing: correct it, or have such records put aside with --rejects FILE");
}

bool lm_check_pair(lm_records *r, const lm_text_record *out, lm_status *st)
{
    if (!r->pair.given || !r->pair.count || r->options.textless)
        return true;
    bool first = is_missing(r, out->text), second = is_missing(r, out->pair);
    return !(first || second) ||
           lm_fail_record(r, st, "the %s of the pair is missing: correct it, or have such records put aside with --rejects FILE",
                          first && second ? "first and the second text" : first ? "first text" : "second text");
}
