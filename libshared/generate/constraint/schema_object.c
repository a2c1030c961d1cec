#include "base/memory.h"
#include "generate/constraint/schema_internal.h"

#include <stdlib.h>

enum { MEMBERS_MOST = 10000 };

/* A member that is declared or required. */
typedef struct member {
    const char *name;
    lm_expr pair; /* name, colon, value */
    bool required;
} member;

typedef struct object {
    lm_schema_reader *r;
    const lm_schema_set *s;
    member *members;
    size_t n, cap;
    lm_expr others; /* a pair whose name is none of these; LM_EXPR_NONE: there are none */
    uint32_t least, most;
} object;

static json_t *get(json_t *schema, const char *word, const char *name)
{
    return json_object_get(json_object_get(schema, word), name);
}

/* ---------------------------------------------------------------- names */

static member *find(object *o, const char *name)
{
    for (size_t i = 0; i < o->n; i++)
        if (strcmp(o->members[i].name, name) == 0)
            return &o->members[i];
    return NULL;
}

static member *declare(object *o, const char *name)
{
    member *m = find(o, name);
    if (m)
        return m;
    LM_GROW(o->members, o->n, o->cap);
    o->members[o->n] = (member){.name = name};
    return &o->members[o->n++];
}

static bool find_members(object *o)
{
    for (size_t i = 0; i < o->s->n; i++) {
        json_t *schema = o->s->all[i], *properties = json_object_get(schema, "properties"), *v;
        json_t *required = json_object_get(schema, "required");
        const char *name;
        size_t k;
        if ((properties && !json_is_object(properties)) || json_object_size(properties) > MEMBERS_MOST)
            return lm_schema_refuse(o->r, "\"properties\" is no object, or has more than %d members",
                                    MEMBERS_MOST);
        json_object_foreach(properties, name, v)
            declare(o, name);
        if (required && !json_is_boolean(required) && !json_is_array(required)) /* a boolean: draft 3 */
            return lm_schema_refuse(o->r, "\"required\" is no list");
        json_array_foreach(required, k, v) {
            if (!json_is_string(v) || o->n > MEMBERS_MOST)
                return lm_schema_refuse(o->r, "\"required\" is no list of names, or too long a one");
            declare(o, json_string_value(v))->required = true;
        }
    }
    return true;
}

/* Adds what a schema says of members that it does not declare. */
static void add_others(lm_schema_set *to, json_t *schema)
{
    json_t *v = json_object_get(schema, "additionalProperties");
    if (v)
        lm_schema_add(to, v);
}

static lm_expr pair(object *o, lm_expr name, const lm_schema_set *of, const char *step)
{
    lm_schema_reader *r = o->r;
    lm_expr value = lm_schema_value(r, of, step);
    return then(r, name, then(r, text(r, ":"), then(r, r->space, value)));
}

/* A name as it is written. */
static char *written(const char *name)
{
    json_t *string = json_string(name);
    char *text = json_dumps(string, JSON_ENCODE_ANY);
    json_decref(string);
    return text;
}

static lm_expr quoted(lm_schema_reader *r, lm_expr contents)
{
    lm_expr mark = text(r, "\"");
    return then(r, mark, then(r, contents, mark));
}

/* Names, quoted, of which propertyNames says yes; LM_EXPR_ANY where nothing is said. */
static lm_expr names_allowed(object *o)
{
    lm_schema_set of = {0};
    for (size_t i = 0; i < o->s->n; i++) {
        json_t *v = json_object_get(o->s->all[i], "propertyNames");
        if (v)
            lm_schema_add(&of, v);
    }
    lm_expr is = of.n ? lm_schema_value(o->r, &of, "propertyNames") : LM_EXPR_ANY;
    lm_schema_set_free(&of);
    return is;
}

/* ---------------------------------------------------------------- members that are declared */

static bool read_member(object *o, member *m, lm_expr allowed)
{
    lm_schema_set of = {0};
    for (size_t i = 0; i < o->s->n; i++) {
        json_t *schema = o->s->all[i], *own = get(schema, "properties", m->name), *v;
        const char *pattern;
        bool said = own != NULL, found;
        if (own)
            lm_schema_add(&of, own);
        json_object_foreach(json_object_get(schema, "patternProperties"), pattern, v) {
            if (!lm_pattern_finds(lm_str_of(pattern), lm_str_of(m->name), &found, o->r->st))
                return false;
            if (found)
                lm_schema_add(&of, v);
            said = said || found;
        }
        if (!said)
            add_others(&of, schema);
    }
    char *step = lm_format("properties/%s", m->name), *name = written(m->name);
    if (lm_expr_matches(o->r->e, allowed, lm_str_of(name)))
        m->pair = pair(o, text(o->r, name), &of, step);
    free(step);
    free(name);
    lm_schema_set_free(&of);
    return lm_ok(o->r->st);
}

/* ---------------------------------------------------------------- others */

/* Whether members that nobody declares may be there: all say so, one way or the other. */
static bool open_to_others(const object *o)
{
    bool asked = false, declared = false;
    for (size_t i = 0; i < o->s->n; i++) {
        json_t *v = json_object_get(o->s->all[i], "additionalProperties");
        if (json_is_false(v))
            return false;
        asked = asked || v;
        declared = declared || json_object_get(o->s->all[i], "properties") ||
                   json_object_get(o->s->all[i], "patternProperties");
    }
    return asked || !declared;
}

/* Names that match a pattern, and what holds for their members. */
typedef struct name_pattern {
    const char *text;
    lm_expr names; /* quoted */
} name_pattern;

static name_pattern *name_patterns(object *o, size_t *n)
{
    name_pattern *all = NULL;
    size_t cap = 0;
    for (size_t i = 0; i < o->s->n; i++) {
        const char *text;
        json_t *v;
        json_object_foreach(json_object_get(o->s->all[i], "patternProperties"), text, v) {
            size_t k = 0;
            while (k < *n && strcmp(all[k].text, text) != 0)
                k++;
            if (k < *n)
                continue;
            LM_GROW(all, *n, cap);
            lm_expr names = lm_expr_pattern(o->r->e, &o->r->classes, lm_str_of(text), o->r->st);
            all[(*n)++] = (name_pattern){text, quoted(o->r, names)};
        }
    }
    return all;
}

/* Pairs with these names, of which the pattern holds, or none where it is NULL. */
static void add_pairs(object *o, lm_expr names, const char *pattern)
{
    lm_schema_set of = {0};
    for (size_t i = 0; i < o->s->n; i++) {
        json_t *v = pattern ? get(o->s->all[i], "patternProperties", pattern) : NULL;
        if (v)
            lm_schema_add(&of, v);
        else
            add_others(&of, o->s->all[i]);
    }
    lm_expr more = pair(o, names, &of, pattern ? "patternProperties" : "additionalProperties");
    o->others = lm_expr_or(o->r->e, o->others, more);
    lm_schema_set_free(&of);
}

/* Where patterns overlap, names that match several are not written. */
static void read_others(object *o, lm_expr allowed)
{
    lm_schema_reader *r = o->r;
    size_t n = 0;
    name_pattern *patterns = name_patterns(o, &n);
    lm_expr taken = LM_EXPR_NONE;
    for (size_t i = 0; i < o->n; i++) {
        char *name = written(o->members[i].name);
        taken = lm_expr_or(r->e, taken, text(r, name));
        free(name);
    }
    bool any = taken == LM_EXPR_NONE && n == 0 && allowed == LM_EXPR_ANY;
    lm_expr names = quoted(r, lm_expr_repeat(r->e, any ? r->any_character : r->character, 0, LM_MANY));
    names = lm_expr_and(r->e, lm_expr_and(r->e, names, allowed), lm_expr_not(r->e, taken));
    for (size_t i = 0; i < n && lm_ok(r->st); i++) {
        lm_expr own = names;
        for (size_t k = 0; k < n; k++)
            own = lm_expr_and(r->e, own, k == i ? patterns[k].names : lm_expr_not(r->e, patterns[k].names));
        add_pairs(o, own, patterns[i].text);
    }
    if (lm_ok(r->st) && open_to_others(o)) {
        for (size_t i = 0; i < n; i++)
            names = lm_expr_and(r->e, names, lm_expr_not(r->e, patterns[i].names));
        add_pairs(o, names, NULL);
    }
    free(patterns);
}

/* ---------------------------------------------------------------- the object */

static lm_expr comma(lm_schema_reader *r, lm_expr next)
{
    return then(r, text(r, ","), then(r, r->space, next));
}

/* Others, and the closing bracket, behind `count` members. */
static lm_expr ending(object *o, uint32_t count, bool counted)
{
    if (counted && count > o->most)
        return LM_EXPR_NONE;
    return lm_schema_listing(o->r, o->others, counted ? less(o->least, count) : 0, counted ? less(o->most, count) : LM_MANY,
                             count > 0, "}");
}

/* rest[k]: what may be written from member i on behind k others, of which, where nobody counts, 1 stands for
 * any number. */
static lm_expr in_order(object *o)
{
    lm_schema_reader *r = o->r;
    bool counted = o->least > 0 || o->most < LM_MANY;
    size_t states = (counted ? o->n : 1) + 1;
    lm_expr *rest = lm_malloc(states, sizeof *rest);
    for (size_t k = 0; k < states; k++)
        rest[k] = ending(o, (uint32_t)k, counted);
    for (size_t i = o->n; i-- > 0;) {
        const member *m = &o->members[i];
        for (size_t k = 0; k < states;
             k++) { /* rest[k + 1] is still that of i + 1; behind all of them nobody asks */
            lm_expr with = then(r, m->pair, rest[k + 1 < states ? k + 1 : k]);
            if (k > 0)
                with = comma(r, with);
            rest[k] = m->required ? with : lm_expr_or(r->e, with, rest[k]);
        }
    }
    lm_expr all = then(r, text(r, "{"), then(r, r->space, rest[0]));
    free(rest);
    return all;
}

lm_expr lm_schema_object(lm_schema_reader *r, const lm_schema_set *s)
{
    object o = {.r = r,
                .s = s,
                .least = lm_schema_count(r, s, "minProperties", 0, true),
                .most = lm_schema_count(r, s, "maxProperties", LM_MANY, false)};
    lm_expr allowed = names_allowed(&o), all = LM_EXPR_NONE;
    bool ok = find_members(&o);
    for (size_t i = 0; i < o.n && ok; i++)
        ok = read_member(&o, &o.members[i], allowed);
    if (ok)
        read_others(&o, allowed);
    if (ok && lm_ok(r->st))
        all = in_order(&o);
    free(o.members);
    return all;
}
