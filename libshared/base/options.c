#include "base/option_table.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void lm_strings_add(lm_strings *list, const char *s)
{
    LM_GROW(list->items, list->count, list->cap);
    list->items[list->count++] = s;
}

void lm_option_steps_add(lm_option_steps *list, const char *name, const char *value)
{
    LM_GROW(list->items, list->count, list->cap);
    list->items[list->count++] = (struct lm_option_step){.name = name, .value = value};
}

/* ---------------------------------------------------------------- names */

static char plain(char c)
{
    return c == '_' ? '-' : c;
}

/* How many characters two names have in common at their start, hyphen and underscore being one. */
static size_t common(lm_str a, lm_str b)
{
    size_t i = 0;
    while (i < a.len && i < b.len && plain(a.data[i]) == plain(b.data[i]))
        i++;
    return i;
}

void lm_option_each_alias(const lm_option *o, void (*visit)(lm_str alias, void *with), void *with)
{
    for (const char *p = o->aliases; p && *p;) {
        size_t n = strcspn(p, " ");
        if (n)
            visit((lm_str){p, n}, with);
        p += n + strspn(p + n, " ");
    }
}

/* One look through all names of a table: calls visit for each option's name, its aliases and, for flags, the same
 * with no- before it. */
typedef struct walk {
    void (*visit)(struct walk *w, const lm_option *o, lm_str name, bool negated);
    const lm_option *option;
} walk;

static void walk_name(lm_str name, void *with)
{
    walk *w = with;
    w->visit(w, w->option, name, false);
    if (w->option->type == LM_OPT_FLAG) {
        char *negated = lm_format("no-%.*s", (int)name.len, name.data);
        w->visit(w, w->option, lm_str_of(negated), true);
        free(negated);
    }
}

static void walk_names(walk *w, const lm_option *options)
{
    for (const lm_option *o = options; !lm_option_is_last(o); o++) {
        if (o->type == LM_OPT_GROUP)
            continue;
        w->option = o;
        walk_name(lm_str_of(o->name), w);
        lm_option_each_alias(o, walk_name, w);
    }
}

typedef struct lookup {
    walk walk;
    lm_str wanted;
    const lm_option *exact, *prefix;
    bool exact_negated, prefix_negated;
    lm_buf candidates; /* names that the wanted one is a prefix of, where they are several */
    int count;
} lookup;

static void look(walk *w, const lm_option *o, lm_str name, bool negated)
{
    lookup *l = (lookup *)w;
    if (common(name, l->wanted) < l->wanted.len)
        return;
    if (name.len == l->wanted.len && !l->exact) {
        l->exact = o;
        l->exact_negated = negated;
    } else if (!o->hidden && !(l->prefix == o && l->prefix_negated == negated)) {
        lm_buf_printf(&l->candidates, "%s--%.*s", l->count ? ", " : "", (int)name.len, name.data);
        l->prefix = o;
        l->prefix_negated = negated;
        l->count++;
    }
}

/* Damerau and Levenshtein's distance (optimal string alignment), or `limit` where it is not less. */
static size_t distance(lm_str a, lm_str b, size_t limit)
{
    enum { LONGEST = 64 };
    size_t rows[3][LONGEST + 1];
    if (a.len > LONGEST || b.len > LONGEST)
        return limit;
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b.len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = plain(a.data[i - 1]) == plain(b.data[j - 1]);
            size_t best = last[j - 1] + !same;
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && plain(a.data[i - 1]) == plain(b.data[j - 2]) &&
                plain(a.data[i - 2]) == plain(b.data[j - 1]) && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        size_t *spare = before;
        before = last, last = now, now = spare;
    }
    return last[b.len] < limit ? last[b.len] : limit;
}

typedef struct nearest {
    walk walk;
    lm_str wanted;
    bool beginning; /* compare with as much of each name as was written */
    size_t best;
    const lm_option *option;
    bool negated;
} nearest;

static void approach(walk *w, const lm_option *o, lm_str name, bool negated)
{
    nearest *n = (nearest *)w;
    if (o->hidden)
        return;
    if (n->beginning && name.len > n->wanted.len)
        name.len = n->wanted.len + 1;
    size_t d = distance(n->wanted, name, n->best);
    if (d < n->best) {
        n->best = d;
        n->option = o;
        n->negated = negated;
    }
}

static bool unknown(const lm_program *program, const char *written, lm_str name, lm_status *st)
{
    nearest n = {.walk.visit = approach, .wanted = name, .best = name.len / 3 + 2};
    if (n.best > name.len)
        n.best = name.len; /* a name that shares nothing is no suggestion */
    walk_names(&n.walk, program->options);
    if (!n.option && name.len > 2) { /* --bach for --batch-size */
        n.beginning = true;
        n.best = name.len / 4 + 2;
        walk_names(&n.walk, program->options);
    }
    if (n.option)
        return lm_fail(st, LM_USAGE, "unknown option %s: did you mean --%s%s?", written, n.negated ? "no-" : "",
                       n.option->name);
    return lm_fail(st, LM_USAGE, "unknown option %s: see %s --help", written, program->name);
}

/* The option of this long name. */
static const lm_option *find(const lm_program *program, lm_str name, bool *negated, lm_status *st)
{
    lookup l = {.walk.visit = look, .wanted = name};
    walk_names(&l.walk, program->options);
    const lm_option *found = l.exact ? l.exact : l.count == 1 ? l.prefix : NULL;
    *negated = l.exact ? l.exact_negated : l.prefix_negated;
    if (!found && l.count > 1) {
        lm_fail(st, LM_USAGE, "option --%.*s could be any of %s: write more of it", (int)name.len, name.data,
                lm_buf_cstr(&l.candidates));
    } else if (!found) {
        char *written = lm_format("--%.*s", (int)name.len, name.data);
        unknown(program, written, name, st);
        free(written);
    }
    lm_buf_free(&l.candidates);
    return found;
}

/* ---------------------------------------------------------------- values */

static bool bad_value(const lm_option *o, const char *value, const char *wanted, lm_status *st)
{
    return lm_fail(st, LM_USAGE, "option --%s: '%s' is not %s", o->name, value, wanted);
}

static bool in_range(const lm_option *o, double number, const char *value, lm_status *st)
{
    if (!(o->min < o->max) || (number >= o->min && number <= o->max))
        return true;
    lm_buf range = {0};
    lm_option_range(o, &range);
    lm_fail(st, LM_USAGE, "option --%s: %s is out of range: give %s", o->name, value, lm_buf_cstr(&range));
    lm_buf_free(&range);
    return false;
}

static bool parse_int(const char *s, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (end == s || *end || errno || strchr(" \t\n\v\f\r", *s))
        return false;
    *out = v;
    return true;
}

static bool store_integer(const lm_option *o, const char *value, lm_status *st)
{
    int64_t v;
    if (o->type == LM_OPT_INT && !parse_int(value, &v))
        return bad_value(o, value, "a whole number", st);
    if (o->type == LM_OPT_COUNT && !lm_parse_count(value, &v))
        return bad_value(o, value, "a count, such as 500, 10k or 2M", st);
    if (o->type == LM_OPT_SIZE && !lm_parse_size(value, &v))
        return bad_value(o, value, "a size, such as 512M or 2G", st);
    if (!in_range(o, (double)v, value, st))
        return false;
    *(int64_t *)o->target = v;
    return true;
}

static bool store_real(const lm_option *o, const char *value, lm_status *st)
{
    double v;
    if (o->type == LM_OPT_FLOAT && !lm_parse_float(value, &v))
        return bad_value(o, value, "a number, such as 0.1, 2e-5 or 10%", st);
    if (o->type == LM_OPT_DURATION && !lm_parse_duration(value, &v))
        return bad_value(o, value, "a duration, such as 90s, 30m or 1h30m", st);
    if (!in_range(o, v, value, st))
        return false;
    *(double *)o->target = v;
    return true;
}

/* Hyphens and underscores are one. */
static bool spelled_alike(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
            return false;
    return *a == *b;
}

static bool store_choice(const lm_option *o, const char *value, lm_status *st)
{
    for (size_t i = 0; o->synonyms && o->synonyms[i]; i += 2)
        if (spelled_alike(value, o->synonyms[i]))
            value = o->synonyms[i + 1];
    lm_str wanted = lm_str_of(value);
    int prefix = -1, count = 0, near = -1;
    size_t best = wanted.len / 3 + 2;
    lm_buf all = {0};
    for (int i = 0; o->choices[i]; i++) {
        lm_str name = lm_str_of(o->choices[i]);
        if (common(name, wanted) == wanted.len && wanted.len) {
            if (name.len == wanted.len) {
                *(int *)o->target = i;
                lm_buf_free(&all);
                return true;
            }
            prefix = i, count++;
        }
        size_t d = distance(wanted, name, best);
        if (d < best)
            best = d, near = i;
        lm_buf_printf(&all, "%s%s", i ? ", " : "", name.data);
    }
    if (count == 1)
        *(int *)o->target = prefix;
    else if (near >= 0 && !count)
        lm_fail(st, LM_USAGE, "option --%s: '%s' is none of %s: did you mean %s?", o->name, value, lm_buf_cstr(&all),
                o->choices[near]);
    else
        lm_fail(st, LM_USAGE, "option --%s: '%s' is none of %s", o->name, value, lm_buf_cstr(&all));
    lm_buf_free(&all);
    return count == 1;
}

static bool store(const lm_option *o, const char *value, lm_status *st)
{
    switch (o->type) {
    case LM_OPT_FILE:
    case LM_OPT_DIR:
        if (!*value)
            return lm_fail(st, LM_USAGE, "option --%s: the name is empty: is a shell variable not set?", o->name);
        *(const char **)o->target = value;
        return true;
    case LM_OPT_STRING:
        *(const char **)o->target = value;
        return true;
    case LM_OPT_STRINGS:
        lm_strings_add(o->target, value);
        return true;
    case LM_OPT_STEP:
        if (value && !o->value)
            return lm_fail(st, LM_USAGE, "option --%s takes no value: leave out '%s'", o->name, value);
        lm_option_steps_add(o->target, o->name, value ? value : "");
        return true;
    case LM_OPT_INT:
    case LM_OPT_COUNT:
    case LM_OPT_SIZE:
        return store_integer(o, value, st);
    case LM_OPT_FLOAT:
    case LM_OPT_DURATION:
        return store_real(o, value, st);
    case LM_OPT_CHOICE:
        return store_choice(o, value, st);
    case LM_OPT_FLAG:
    case LM_OPT_GROUP:
        break;
    }
    return true;
}

/* A flag's value, as in --name=yes. */
static bool parse_bool(const char *s, bool *out)
{
    static const char *const yes[] = {"yes", "true", "on", "1"}, *const no[] = {"no", "false", "off", "0"};
    for (int i = 0; i < 4; i++) {
        if (strcasecmp(s, yes[i]) == 0 || strcasecmp(s, no[i]) == 0) {
            *out = strcasecmp(s, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

/* ---------------------------------------------------------------- the command line */

static bool set(const lm_option *o, bool negated, const char *value, lm_status *st)
{
    if (o->given)
        *o->given = true;
    if (o->type != LM_OPT_FLAG)
        return store(o, value, st);
    bool on = true;
    if (value && !parse_bool(value, &on))
        return lm_fail(st, LM_USAGE, "option --%s: '%s' is neither yes nor no: it needs no value", o->name, value);
    *(bool *)o->target = on != negated;
    return true;
}

const lm_option *lm_option_find(const lm_program *program, lm_str name, lm_status *st)
{
    bool negated;
    return find(program, name, &negated, st);
}

bool lm_option_set(const lm_option *o, const char *value, lm_status *st)
{
    return set(o, false, value, st);
}

static bool needs_value(const lm_option *o, lm_status *st)
{
    lm_buf name = {0};
    lm_option_value_name(o, &name);
    lm_fail(st, LM_USAGE, "option --%s needs %s: --%s %s", o->name, o->two_values ? "two values" : "a value", o->name,
            lm_buf_cstr(&name));
    lm_buf_free(&name);
    return false;
}

/* One long option at argv[*i]; moves *i to its value where that is the next argument. *record where it is to be kept. */
static bool parse_long(const lm_program *program, int argc, char **argv, int *i, bool *record, lm_status *st)
{
    const char *written = argv[*i] + 2, *equals = strchr(written, '='), *value = equals ? equals + 1 : NULL;
    bool negated;
    const lm_option *o = find(program, (lm_str){written, equals ? (size_t)(equals - written) : strlen(written)},
                              &negated, st);
    if (!o)
        return false;
    *record = !o->unrecorded;
    if (lm_option_takes_value(o) && !value) {
        bool next = *i + 1 < argc && (!o->optional || o->optional(argv[*i + 1]));
        if (!next && !o->optional)
            return needs_value(o, st);
        value = next ? argv[++*i] : "";
    }
    if (o->two_values && (*i + 1 >= argc || argv[*i + 1][0] == '-'))
        return needs_value(o, st);
    if (!set(o, negated, value, st))
        return false;
    if (o->two_values) {
        lm_option_steps *steps = o->target;
        steps->items[steps->count - 1].second = argv[++*i];
    }
    return true;
}

static bool parse_short(const lm_program *program, int argc, char **argv, int *i, bool *record, lm_status *st)
{
    for (const char *p = argv[*i] + 1; *p; p++) {
        const lm_option *o = program->options;
        while (!lm_option_is_last(o) && o->letter != *p)
            o++;
        if (lm_option_is_last(o)) { /* -lr as other programs write --lr */
            bool negated;
            lm_status none = LM_STATUS_INIT;
            const char *whole_word = argv[*i] + 1;
            const lm_option *meant =
                whole_word[1] ? find(program, (lm_str){whole_word, strcspn(whole_word, "=")}, &negated, &none) : NULL;
            if (meant)
                return lm_fail(st, LM_USAGE, "unknown option %s: did you mean --%s?", argv[*i], meant->name);
            return lm_fail(st, LM_USAGE, "unknown option -%c: see %s --help", *p, program->name);
        }
        *record |= !o->unrecorded;
        if (!lm_option_takes_value(o)) {
            if (!set(o, false, NULL, st))
                return false;
            continue;
        }
        const char *value = p[1] ? p + 1 : NULL;
        if (!value && *i + 1 >= argc)
            return needs_value(o, st);
        return set(o, false, value ? value : argv[++*i], st);
    }
    return true;
}

bool lm_options_parse(const lm_program *program, int argc, char **argv, lm_strings *operands, lm_strings *recorded,
                      lm_status *st)
{
    bool options_end = false;
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        int first = i;
        bool good = true, record = false;
        if (options_end || word[0] != '-' || !word[1]) {
            record = true;
            if (!program->operands || !operands)
                good = lm_fail(st, LM_USAGE, "unexpected operand '%s': see %s --help", word, program->name);
            else
                lm_strings_add(operands, word);
        } else if (strcmp(word, "--") == 0) {
            options_end = record = true;
        } else if (word[1] == '-') {
            good = parse_long(program, argc, argv, &i, &record, st);
        } else {
            good = parse_short(program, argc, argv, &i, &record, st);
        }
        if (!good)
            return false;
        for (int k = first; recorded && record && k <= i; k++)
            lm_strings_add(recorded, argv[k]);
    }
    return true;
}
