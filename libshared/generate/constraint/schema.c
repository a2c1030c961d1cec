#include "base/memory.h"
#include "base/python_float.h"
#include "generate/constraint/schema_internal.h"
#include "stream/json_tree.h"

#include <ctype.h>
#include <stdlib.h>

enum { DEPTH_MOST = 100, VALUES_MOST = 50000, REFERENCES_MOST = 1000 };

struct lm_schema_memo {
    json_t **key; /* the schemas, NULL, and the lists that were chosen from, each sorted */
    size_t key_count;
    lm_expr is, name; /* name: what refers to it while it is being read; LM_EXPR_NONE = nobody did */
    bool done;
};

/* ---------------------------------------------------------------- sets */

static void add_pointer(json_t ***list, size_t *n, size_t *cap, json_t *p)
{
    for (size_t i = 0; i < *n; i++)
        if ((*list)[i] == p)
            return;
    LM_GROW(*list, *n, *cap);
    (*list)[(*n)++] = p;
}

void lm_schema_add(lm_schema_set *s, json_t *schema)
{
    add_pointer(&s->all, &s->n, &s->cap, schema);
}

static lm_schema_set copy_of(const lm_schema_set *s, json_t *chosen)
{
    lm_schema_set copy = {0};
    for (size_t i = 0; i < s->n; i++)
        lm_schema_add(&copy, s->all[i]);
    for (size_t i = 0; i < s->chosen_count; i++)
        add_pointer(&copy.chosen, &copy.chosen_count, &copy.chosen_cap, s->chosen[i]);
    add_pointer(&copy.chosen, &copy.chosen_count, &copy.chosen_cap, chosen);
    return copy;
}

static bool is_chosen(const lm_schema_set *s, const json_t *list)
{
    for (size_t i = 0; i < s->chosen_count; i++)
        if (s->chosen[i] == list)
            return true;
    return false;
}

void lm_schema_set_free(lm_schema_set *s)
{
    free(s->all);
    free(s->chosen);
    *s = (lm_schema_set){0};
}

lm_expr lm_schema_refuse(lm_schema_reader *r, const char *format, ...)
{
    va_list args;
    if (!lm_ok(r->st))
        return LM_EXPR_NONE;
    va_start(args, format);
    lm_vfail(r->st, LM_FAILED, format, args);
    va_end(args);
    lm_fail_prefix(r->st, r->path.len ? lm_buf_cstr(&r->path) : "/");
    return LM_EXPR_NONE;
}

uint32_t lm_schema_count(lm_schema_reader *r, const lm_schema_set *s, const char *key, uint32_t otherwise,
                         bool largest)
{
    for (size_t i = 0; i < s->n; i++) {
        json_t *v = json_object_get(s->all[i], key);
        double n = json_number_value(v);
        if (v && (!json_is_number(v) || n < 0 || n != (double)(long long)n))
            lm_schema_refuse(r, "\"%s\" is no count", key);
        else if (v && (largest ? n > otherwise : n < otherwise))
            otherwise = n < LM_MANY ? (uint32_t)n : LM_MANY - 1;
    }
    return otherwise;
}

/* ---------------------------------------------------------------- references */

/* One step of a JSON pointer, ~1 and %25 undone. */
static lm_str take_step(lm_str *rest, lm_buf *step)
{
    step->len = 0;
    while (rest->len && rest->data[0] != '/') {
        char c = rest->data[0];
        size_t n = 1;
        if (c == '%' && rest->len > 2 && isxdigit((unsigned char)rest->data[1]) &&
            isxdigit((unsigned char)rest->data[2])) {
            c = (char)strtol((char[]){rest->data[1], rest->data[2], 0}, NULL, 16);
            n = 3;
        } else if (c == '~' && rest->len > 1 && (rest->data[1] == '0' || rest->data[1] == '1')) {
            c = rest->data[1] == '0' ? '~' : '/';
            n = 2;
        }
        lm_buf_putc(step, c);
        *rest = (lm_str){rest->data + n, rest->len - n};
    }
    return lm_buf_str(step);
}

static json_t *follow(json_t *at, lm_str pointer)
{
    lm_buf step = {0};
    while (at && pointer.len && pointer.data[0] == '/') {
        pointer = (lm_str){pointer.data + 1, pointer.len - 1};
        lm_str name = take_step(&pointer, &step);
        if (json_is_array(at))
            at = name.len && isdigit((unsigned char)name.data[0])
                     ? json_array_get(at, strtoul(lm_buf_cstr(&step), NULL, 10))
                     : NULL;
        else
            at = json_object_getn(at, name.data ? name.data : "", name.len);
    }
    lm_buf_free(&step);
    return pointer.len ? NULL : at;
}

/* The schema that calls itself so. */
static json_t *find_anchor(json_t *at, const char *name, int depth)
{
    const char *anchor = json_string_value(json_object_get(at, "$anchor")),
               *id = json_string_value(json_object_get(at, "$id"));
    if ((anchor && strcmp(anchor, name) == 0) || (id && id[0] == '#' && strcmp(id + 1, name) == 0))
        return at;
    json_t *found = NULL, *value;
    const char *key;
    size_t i;
    if (depth > DEPTH_MOST)
        return NULL;
    json_object_foreach(at, key, value)
        if (!found)
            found = find_anchor(value, name, depth + 1);
    json_array_foreach(at, i, value)
        if (!found)
            found = find_anchor(value, name, depth + 1);
    return found;
}

static json_t *resolve(lm_schema_reader *r, const char *reference)
{
    const char *id = json_string_value(json_object_get(r->root, "$id"));
    size_t n = id ? strcspn(id, "#") : 0;
    const char *local = n && strncmp(reference, id, n) == 0 ? reference + n : reference;
    json_t *found = NULL;
    if (*local == '#' || *local == 0)
        found = local[0] && local[1] && local[1] != '/' ? find_anchor(r->root, local + 1, 0)
                                                        : follow(r->root, lm_str_of(local + (*local == '#')));
    if (!found)
        lm_schema_refuse(r, "\"$ref\" to \"%.200s\", which is not in this schema: put it into its \"$defs\"",
                         reference);
    return found;
}

/* ---------------------------------------------------------------- what holds */

/* Words that would forbid something, and are not understood; `unless`: the value that forbids nothing. */
static bool is_understood(lm_schema_reader *r, json_t *schema)
{
    static const struct {
        const char *word;
        json_type unless;
    } words[] = {{"not", JSON_FALSE},
                 {"if", JSON_STRING},
                 {"contains", JSON_STRING},
                 {"uniqueItems", JSON_FALSE},
                 {"dependencies", JSON_STRING},
                 {"dependentRequired", JSON_STRING},
                 {"dependentSchemas", JSON_STRING},
                 {"unevaluatedItems", JSON_TRUE},
                 {"unevaluatedProperties", JSON_TRUE},
                 {"$dynamicRef", JSON_NULL},
                 {"$recursiveRef", JSON_NULL}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        json_t *v = json_object_get(schema, words[i].word);
        if (v && json_typeof(v) != words[i].unless)
            return lm_schema_refuse(r, "\"%s\" is not understood, and would be violated: leave it out",
                                    words[i].word);
    }
    return true;
}

/* Adds a schema, and what it refers to. *none: nothing meets it. */
static bool spread(lm_schema_reader *r, json_t *schema, lm_schema_set *to, bool *none)
{
    size_t before = to->n, i;
    json_t *v, *part;
    if (json_is_boolean(schema)) {
        *none = *none || json_is_false(schema);
        return true;
    }
    if (!json_is_object(schema))
        return lm_schema_refuse(r, "a schema is an object, true or false");
    lm_schema_add(to, schema);
    if (to->n == before)
        return true; /* it is there */
    if (to->n > REFERENCES_MOST)
        return lm_schema_refuse(r, "more than %d schemas hold for one value", REFERENCES_MOST);
    if ((v = json_object_get(schema, "$ref"))) {
        json_t *other = json_is_string(v) ? resolve(r, json_string_value(v)) : NULL;
        if (!other)
            return lm_schema_refuse(r, "\"$ref\" is no string");
        if (!spread(r, other, to, none))
            return false;
    }
    v = json_object_get(schema, "allOf");
    if (v && !json_is_array(v))
        return lm_schema_refuse(r, "\"allOf\" is no list");
    json_array_foreach(v, i, part)
        if (!spread(r, part, to, none))
            return false;
    return is_understood(r, schema);
}

static const struct {
    const char *name;
    int type;
} types[] = {{"null", LM_TYPE_NULL},       {"boolean", LM_TYPE_BOOLEAN},
             {"integer", LM_TYPE_INTEGER}, {"number", LM_TYPE_NUMBER | LM_TYPE_INTEGER},
             {"string", LM_TYPE_STRING},   {"array", LM_TYPE_ARRAY},
             {"object", LM_TYPE_OBJECT}};

static int type_called(lm_schema_reader *r, json_t *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (json_is_string(name) && strcmp(json_string_value(name), types[i].name) == 0)
            return types[i].type;
    lm_schema_refuse(r, "\"type\" is none of null, boolean, integer, number, string, array, object");
    return 0;
}

/* What a schema without type is about. */
static int types_meant(json_t *schema)
{
    static const struct {
        const char *word;
        int type;
    } about[] = {{"properties", LM_TYPE_OBJECT},
                 {"required", LM_TYPE_OBJECT},
                 {"additionalProperties", LM_TYPE_OBJECT},
                 {"patternProperties", LM_TYPE_OBJECT},
                 {"propertyNames", LM_TYPE_OBJECT},
                 {"minProperties", LM_TYPE_OBJECT},
                 {"maxProperties", LM_TYPE_OBJECT},
                 {"items", LM_TYPE_ARRAY},
                 {"prefixItems", LM_TYPE_ARRAY},
                 {"additionalItems", LM_TYPE_ARRAY},
                 {"minItems", LM_TYPE_ARRAY},
                 {"maxItems", LM_TYPE_ARRAY},
                 {"minLength", LM_TYPE_STRING},
                 {"maxLength", LM_TYPE_STRING},
                 {"pattern", LM_TYPE_STRING},
                 {"format", LM_TYPE_STRING},
                 {"minimum", LM_TYPE_NUMBER | LM_TYPE_INTEGER},
                 {"maximum", LM_TYPE_NUMBER | LM_TYPE_INTEGER},
                 {"exclusiveMinimum", LM_TYPE_NUMBER | LM_TYPE_INTEGER},
                 {"exclusiveMaximum", LM_TYPE_NUMBER | LM_TYPE_INTEGER},
                 {"multipleOf", LM_TYPE_NUMBER | LM_TYPE_INTEGER}};
    int meant = 0;
    for (size_t i = 0; i < sizeof about / sizeof *about; i++)
        if (json_object_get(schema, about[i].word))
            meant |= about[i].type;
    return meant ? meant : LM_TYPE_ALL;
}

static int types_of(lm_schema_reader *r, const lm_schema_set *s)
{
    int all = LM_TYPE_ALL, meant = LM_TYPE_ALL;
    bool said = false;
    for (size_t i = 0; i < s->n; i++) {
        json_t *v = json_object_get(s->all[i], "type"), *one;
        size_t k;
        int listed = 0;
        meant &= types_meant(s->all[i]);
        if (!v)
            continue;
        said = true;
        json_array_foreach(v, k, one)
            listed |= type_called(r, one);
        all &= json_is_array(v) ? listed : type_called(r, v);
    }
    return said ? all : meant;
}

/* ---------------------------------------------------------------- values */

/* Of those listed, what the rest of the set allows. */
static lm_expr listed(lm_schema_reader *r, const lm_schema_set *s, json_t *key, json_t *const *values,
                      size_t n)
{
    lm_schema_set rest = copy_of(s, key);
    lm_expr allowed = lm_schema_value(r, &rest, NULL), all = LM_EXPR_NONE;
    for (size_t i = 0; i < n; i++) {
        lm_buf text = {0};
        char *dumped = json_is_real(values[i]) ? NULL : json_dumps(values[i], JSON_COMPACT | JSON_ENCODE_ANY);
        if (dumped)
            lm_buf_puts(&text, dumped);
        else
            lm_python_float(json_real_value(values[i]), &text);
        if (lm_expr_matches(r->e, allowed, lm_buf_str(&text)))
            all = lm_expr_or(r->e, all, lm_expr_text(r->e, lm_buf_str(&text)));
        lm_buf_free(&text);
        free(dumped);
    }
    lm_schema_set_free(&rest);
    return all;
}

/* Whether what a schema refers to has alternatives of which one was chosen on the way to it. */
static bool comes_back(lm_schema_reader *r, json_t *schema, const lm_schema_set *chosen)
{
    lm_schema_set all = {0};
    bool none = false, back = false;
    spread(r, schema, &all, &none);
    for (size_t i = 0; i < all.n; i++)
        back = back || is_chosen(chosen, json_object_get(all.all[i], "anyOf")) ||
               is_chosen(chosen, json_object_get(all.all[i], "oneOf"));
    lm_schema_set_free(&all);
    return back;
}

static lm_expr one_of(lm_schema_reader *r, const lm_schema_set *s, json_t *list)
{
    lm_expr all = LM_EXPR_NONE;
    json_t *way;
    size_t i;
    json_array_foreach(list, i, way) {
        lm_schema_set with = copy_of(s, list);
        if (comes_back(r, way, &with))
            lm_schema_refuse(
                r,
                "it refers to itself before anything is written: let something stand before the reference");
        lm_schema_add(&with, way);
        all = lm_expr_or(r->e, all, lm_schema_value(r, &with, NULL));
        lm_schema_set_free(&with);
    }
    return all;
}

static lm_expr of_types(lm_schema_reader *r, const lm_schema_set *s)
{
    int all = types_of(r, s);
    lm_expr ways[7] = {LM_EXPR_NONE};
    if (all & LM_TYPE_NULL)
        ways[1] = lm_expr_text(r->e, lm_str_of("null"));
    if (all & LM_TYPE_BOOLEAN)
        ways[2] =
            lm_expr_or(r->e, lm_expr_text(r->e, lm_str_of("true")), lm_expr_text(r->e, lm_str_of("false")));
    if (all & LM_TYPE_INTEGER)
        ways[3] = lm_schema_number(r, s, !(all & LM_TYPE_NUMBER));
    if (all & LM_TYPE_STRING)
        ways[4] = lm_schema_string(r, s);
    if (all & LM_TYPE_ARRAY)
        ways[5] = lm_schema_array(r, s);
    if (all & LM_TYPE_OBJECT)
        ways[6] = lm_schema_object(r, s);
    return lm_expr_any_of(r->e, ways, 7);
}

/* Alternatives are taken one after the other, the first that is found first. */
static lm_expr alternatives(lm_schema_reader *r, const lm_schema_set *s)
{
    static const char *const words[] = {"anyOf", "oneOf", "enum"};
    for (size_t i = 0; i < s->n; i++) {
        json_t *v = json_object_get(s->all[i], "const");
        if (v && !is_chosen(s, v))
            return listed(r, s, v, &v, 1);
        for (int w = 0; w < 3; w++) {
            v = json_object_get(s->all[i], words[w]);
            if (!v || is_chosen(s, v))
                continue;
            if (!json_is_array(v))
                return lm_schema_refuse(r, "\"%s\" is no list", words[w]);
            if (w < 2)
                return one_of(r, s, v);
            size_t n = json_array_size(v);
            json_t **values = lm_malloc(n + 1, sizeof *values);
            for (size_t k = 0; k < n; k++)
                values[k] = json_array_get(v, k);
            lm_expr all = listed(r, s, v, values, n);
            free(values);
            return all;
        }
    }
    return of_types(r, s);
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (json_t *const *)a, y = (uintptr_t) * (json_t *const *)b;
    return (x > y) - (x < y);
}

/* The entry of what holds; a new one is being read. */
static size_t remember(lm_schema_reader *r, lm_schema_set *s, bool *known)
{
    size_t n = s->n + 1 + s->chosen_count;
    json_t **key = lm_malloc(n, sizeof *key);
    for (size_t i = 0; i < n; i++)
        key[i] = i < s->n ? s->all[i] : i == s->n ? NULL : s->chosen[i - s->n - 1];
    qsort(key, s->n, sizeof *key, by_address);
    qsort(key + s->n + 1, s->chosen_count, sizeof *key, by_address);
    for (size_t i = 0; i < r->memo_count; i++) {
        *known = r->memo[i].key_count == n && memcmp(r->memo[i].key, key, n * sizeof *key) == 0;
        if (*known) {
            free(key);
            return i;
        }
    }
    *known = false;
    LM_GROW(r->memo, r->memo_count, r->memo_cap);
    r->memo[r->memo_count] = (lm_schema_memo){.key = key, .key_count = n};
    return r->memo_count++;
}

static lm_expr read_value(lm_schema_reader *r, lm_schema_set *holds)
{
    bool known;
    size_t i = remember(r, holds, &known);
    if (known && !r->memo[i].done && r->memo[i].name == LM_EXPR_NONE)
        r->memo[i].name = lm_expr_name(r->e, false);
    if (known)
        return r->memo[i].done ? r->memo[i].is : r->memo[i].name;
    lm_expr is = alternatives(r, holds);
    lm_schema_memo *m = &r->memo[i];
    if (m->name != LM_EXPR_NONE) { /* it is a part of itself */
        lm_expr_define(r->e, m->name, is);
        is = m->name;
    }
    m->is = is;
    m->done = true;
    return is;
}

lm_expr lm_schema_value(lm_schema_reader *r, const lm_schema_set *s, const char *name)
{
    lm_schema_set holds = {0};
    bool none = false, ok = true;
    size_t before = r->path.len;
    if (name)
        lm_buf_printf(&r->path, "/%s", name);
    if (r->depth >= DEPTH_MOST || r->values++ >= VALUES_MOST)
        ok = lm_schema_refuse(r, "it is nested too deep, or has too many alternatives");
    for (size_t i = 0; i < s->n && ok; i++)
        ok = spread(r, s->all[i], &holds, &none);
    for (size_t i = 0; i < s->chosen_count; i++)
        add_pointer(&holds.chosen, &holds.chosen_count, &holds.chosen_cap, s->chosen[i]);
    r->depth++;
    lm_expr is = ok && !none ? read_value(r, &holds) : LM_EXPR_NONE;
    r->depth--;
    r->path.len = before;
    lm_schema_set_free(&holds);
    return is;
}

/* ---------------------------------------------------------------- the whole */

static lm_expr one_byte(lm_expressions *e, const char *of)
{
    lm_byte_set set = {0};
    for (; *of; of++)
        lm_byte_set_add(&set, *of, *of);
    return lm_expr_bytes(e, &set);
}

/* Escapes that need not be, too: \/ and \uXXXX, of which those of surrogates go in pairs. */
static lm_expr any_character(lm_expressions *e, lm_expr plain)
{
    lm_expr digit = one_byte(e, "0123456789abcdefABCDEF"), d = one_byte(e, "dD"),
            escape = lm_expr_text(e, lm_str_of("\\u"));
    lm_expr two = lm_expr_repeat(e, digit, 2, 2);
    lm_expr low = lm_expr_then(e, lm_expr_then(e, escape, d), lm_expr_then(e, one_byte(e, "cdefCDEF"), two));
    lm_expr high = lm_expr_then(e, one_byte(e, "89abAB"), lm_expr_then(e, two, low));
    lm_expr below = lm_expr_then(e, one_byte(e, "01234567"), two);
    lm_expr others = lm_expr_then(e, one_byte(e, "0123456789abcABCefEF"), lm_expr_repeat(e, digit, 3, 3));
    lm_expr number =
        lm_expr_then(e, escape, lm_expr_or(e, others, lm_expr_then(e, d, lm_expr_or(e, below, high))));
    return lm_expr_any_of(e, (lm_expr[]){plain, lm_expr_text(e, lm_str_of("\\/")), number}, 3);
}

static lm_expr read_schema(lm_expressions *e, json_t *root, lm_status *st)
{
    lm_schema_reader r = {.e = e, .classes.use = LM_PATTERN_STRING, .root = root, .st = st};
    r.space = lm_expr_repeat(e, lm_expr_text(e, lm_str_of(" ")), 0, 1);
    r.character = lm_expr_json_characters(e, (const uint32_t[]){0, 0x10FFFF}, 1);
    r.any_character = any_character(e, r.character);
    lm_schema_set all = {0};
    lm_schema_add(&all, root);
    lm_expr is = lm_schema_value(&r, &all, NULL);
    lm_schema_set_free(&all);
    for (size_t i = 0; i < r.memo_count; i++)
        free(r.memo[i].key);
    free(r.memo);
    lm_buf_free(&r.path);
    lm_classes_free(&r.classes);
    return lm_ok(st) ? is : LM_EXPR_NONE;
}

lm_expr lm_expr_schema(lm_expressions *e, lm_str schema, lm_status *st)
{
    bool word = lm_str_is(schema, "true") || lm_str_is(schema, "false");
    json_t *root =
        word ? json_boolean(lm_str_is(schema, "true")) : lm_json_parse(schema, "the schema", 0, st);
    lm_expr is = root ? read_schema(e, root, st) : LM_EXPR_NONE;
    json_decref(root);
    return is;
}
