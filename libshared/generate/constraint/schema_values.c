#include "base/memory.h"
#include "base/number.h"
#include "generate/constraint/numbers.h"
#include "generate/constraint/schema_internal.h"

#include <math.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- numbers */

static bool read_decimal(lm_schema_reader *r, json_t *v, const char *key, lm_decimal *d)
{
    char digits[LM_DIGITS_MAX];
    if (json_is_integer(v))
        snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v))
        lm_shortest_digits(json_real_value(v), digits);
    else
        return lm_schema_refuse(r, "\"%s\" is no number", key);
    return lm_decimal_read(d, digits) ||
           lm_schema_refuse(r, "\"%s\" has more than %d places", key, LM_PLACES);
}

/* One more bound; of two the one that leaves less stays. `sign`: 1 of a lower bound, -1 of an upper one. */
static bool tighten(lm_schema_reader *r, json_t *v, const char *key, bool open, int sign, bool *has,
                    bool *is_open, lm_decimal *bound)
{
    lm_decimal d;
    if (!read_decimal(r, v, key, &d))
        return false;
    int order = *has ? sign * lm_decimal_compare(&d, bound) : 1;
    if (order > 0)
        *bound = d;
    *is_open = order > 0 ? open : *is_open || (order == 0 && open);
    *has = true;
    return true;
}

/* exclusiveMinimum was true or false beside minimum, and became a number of its own. */
static bool read_bounds(lm_schema_reader *r, json_t *schema, lm_number_range *range)
{
    json_t *least = json_object_get(schema, "minimum"), *above = json_object_get(schema, "exclusiveMinimum");
    json_t *most = json_object_get(schema, "maximum"), *below = json_object_get(schema, "exclusiveMaximum");
    return (!least || tighten(r, least, "minimum", json_is_true(above), 1, &range->has_least, &range->above,
                              &range->least)) &&
           (!above || json_is_boolean(above) ||
            tighten(r, above, "exclusiveMinimum", true, 1, &range->has_least, &range->above,
                    &range->least)) &&
           (!most || tighten(r, most, "maximum", json_is_true(below), -1, &range->has_most, &range->below,
                             &range->most)) &&
           (!below || json_is_boolean(below) ||
            tighten(r, below, "exclusiveMaximum", true, -1, &range->has_most, &range->below, &range->most));
}

/* A whole number, or 0.1, 0.01 and so on. */
static bool read_multiple(lm_schema_reader *r, json_t *v, lm_number_range *range)
{
    double of = json_number_value(v);
    lm_decimal d;
    if (!read_decimal(r, v, "multipleOf", &d))
        return false;
    bool power = of < 1 && d.place_count && d.places[d.place_count - 1] == '1';
    for (int i = 0; i + 1 < d.place_count; i++)
        power = power && d.places[i] == '0';
    if (range->multiple || range->places)
        return lm_schema_refuse(r,
                                "several \"multipleOf\" hold for one value: say their least common multiple");
    if (!(of > 0) || (!power && (of != floor(of) || of > LM_MULTIPLE_MOST)))
        return lm_schema_refuse(r, "\"multipleOf\" is neither a whole number up to %d nor 0.1, 0.01 ...",
                                LM_MULTIPLE_MOST);
    if (power)
        range->places = d.place_count;
    else
        range->multiple = of > 1 ? (int)of : 0, range->whole = true;
    return true;
}

lm_expr lm_schema_number(lm_schema_reader *r, const lm_schema_set *s, bool whole)
{
    lm_number_range range = {.whole = whole};
    for (size_t i = 0; i < s->n; i++) {
        json_t *of = json_object_get(s->all[i], "multipleOf");
        if (!read_bounds(r, s->all[i], &range) || (of && !read_multiple(r, of, &range)))
            return LM_EXPR_NONE;
    }
    return lm_expr_numbers(r->e, &range);
}

/* ---------------------------------------------------------------- strings */

#define DATE                                                                                                 \
    "[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-"  \
    "9]|2[0-8]))"
#define CLOCK "([01][0-9]|2[0-3]):[0-5][0-9]"
#define TIME  CLOCK ":[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]" CLOCK ")"
#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

static const char *format_pattern(const char *format)
{
    static const char *const formats[][2] = {
        {"date", "^" DATE "$"},
        {"time", "^" TIME "$"},
        {"date-time", "^" DATE "T" TIME "$"},
        {"uuid", "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"},
        {"ipv4", "^" OCTET "(\\." OCTET "){3}$"},
        {"email", "^[A-Za-z0-9_%+-]+(\\.[A-Za-z0-9_%+-]+)*@" LABEL "(\\." LABEL ")+$"}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (format && strcmp(format, formats[i][0]) == 0)
            return formats[i][1];
    return NULL;
}

static lm_expr pattern(lm_schema_reader *r, const char *word, lm_str pattern)
{
    lm_expr is = lm_expr_pattern(r->e, &r->classes, pattern, r->st);
    if (lm_ok(r->st))
        return is;
    char *where = lm_format("%s: \"%s\"", r->path.len ? lm_buf_cstr(&r->path) : "/", word);
    lm_fail_prefix(r->st, where);
    free(where);
    return LM_EXPR_NONE;
}

static lm_str string_of(json_t *v)
{
    return (lm_str){json_string_value(v), json_string_length(v)};
}

/* What stands between the quotation marks. */
static lm_expr contents(lm_schema_reader *r, const lm_schema_set *s)
{
    lm_expr all = LM_EXPR_ANY;
    for (size_t i = 0; i < s->n; i++) {
        json_t *v = json_object_get(s->all[i], "pattern");
        const char *format = format_pattern(json_string_value(json_object_get(s->all[i], "format")));
        if (v && !json_is_string(v))
            return lm_schema_refuse(r, "\"pattern\" is no string");
        if (v)
            all = lm_expr_and(r->e, all, pattern(r, "pattern", string_of(v)));
        if (format)
            all = lm_expr_and(r->e, all, pattern(r, "format", lm_str_of(format)));
    }
    uint32_t least = lm_schema_count(r, s, "minLength", 0, true),
             most = lm_schema_count(r, s, "maxLength", LM_MANY, false);
    if (least > most)
        return LM_EXPR_NONE;
    if (all == LM_EXPR_ANY)
        return lm_expr_repeat(r->e, r->any_character, least, most);
    return least > 0 || most < LM_MANY
               ? lm_expr_and(r->e, all, lm_expr_repeat(r->e, r->character, least, most))
               : all;
}

static lm_expr quoted(lm_schema_reader *r, lm_expr contents)
{
    lm_expr mark = text(r, "\"");
    return then(r, mark, then(r, contents, mark));
}

lm_expr lm_schema_string(lm_schema_reader *r, const lm_schema_set *s)
{
    return quoted(r, contents(r, s));
}

/* ---------------------------------------------------------------- arrays */

/* The schemas of what stands first, NULL where there are none, and of what follows. Before 2020, both were
 * called items. */
static json_t *first_items(json_t *schema)
{
    json_t *first = json_object_get(schema, "prefixItems"), *items = json_object_get(schema, "items");
    return first ? first : json_is_array(items) ? items : NULL;
}

static json_t *other_items(json_t *schema)
{
    json_t *items = json_object_get(schema, "items");
    return json_is_array(items) ? json_object_get(schema, "additionalItems") : items;
}

static lm_expr item(lm_schema_reader *r, const lm_schema_set *s, size_t at)
{
    lm_schema_set of = {0};
    char name[32];
    for (size_t i = 0; i < s->n; i++) {
        json_t *first = first_items(s->all[i]);
        json_t *schema = at < json_array_size(first) ? json_array_get(first, at) : other_items(s->all[i]);
        if (schema)
            lm_schema_add(&of, schema);
    }
    snprintf(name, sizeof name, "items/%zu", at);
    lm_expr is = lm_schema_value(r, &of, name);
    lm_schema_set_free(&of);
    return is;
}

lm_expr lm_schema_listing(lm_schema_reader *r, lm_expr of, uint32_t least, uint32_t most, bool precedes, const char *bracket)
{
    lm_expr next = then(r, text(r, ","), then(r, r->space, of)), close = then(r, r->space, text(r, bracket));
    if (most < least)
        return LM_EXPR_NONE;
    if (precedes)
        return then(r, lm_expr_repeat(r->e, next, least, most), close);
    lm_expr none = least ? LM_EXPR_NONE : text(r, bracket);
    lm_expr some = then(r, then(r, of, lm_expr_repeat(r->e, next, less(least, 1), less(most, 1))), close);
    return most ? lm_expr_or(r->e, none, some) : none;
}

lm_expr lm_schema_array(lm_schema_reader *r, const lm_schema_set *s)
{
    uint32_t least = lm_schema_count(r, s, "minItems", 0, true),
             most = lm_schema_count(r, s, "maxItems", LM_MANY, false);
    size_t first = 0;
    for (size_t i = 0; i < s->n; i++)
        if (json_array_size(first_items(s->all[i])) > first)
            first = json_array_size(first_items(s->all[i]));
    lm_expr close = then(r, r->space, text(r, "]")), all = LM_EXPR_NONE;
    if (first <= most)
        all = lm_schema_listing(r, item(r, s, first), less(least, first), less(most, first), first > 0, "]");
    for (size_t i = first; i-- > 0;) {
        lm_expr next = i < most ? then(r, item(r, s, i), all) : LM_EXPR_NONE;
        if (i > 0)
            next = then(r, text(r, ","), then(r, r->space, next));
        if (i >= least && i <= most)
            next = lm_expr_or(r->e, next, i ? close : text(r, "]"));
        all = next;
    }
    return then(r, text(r, "["), then(r, r->space, all));
}
