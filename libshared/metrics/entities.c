#include "metrics/entities.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

const char *const lm_scheme_names[LM_SCHEMES + 1] = {"lenient", "iob1",  "iob2",  "ioe1",
                                                     "ioe2",    "iobes", "bilou", NULL};

/* ------------------------------------------------------------------ tags */

/* The type in a tag's name: what follows the prefix and its hyphen. */
static const char *type_in(const char *name)
{
    const char *rest = name + (*name != '\0');
    rest += *rest == '-';
    return *rest ? rest : "_";
}

static bool is_entity_tag(const char *name)
{
    return strcmp(name, "O") == 0 || (*name && strchr("BIESULM", *name) && (name[1] == '-' || !name[1]));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

lm_tag_set *lm_tag_set_new(const char *const *names, int tags)
{
    lm_tag_set *s = lm_calloc(1, sizeof *s);
    size_t n = (size_t)tags;
    s->tags = tags;
    s->prefix = lm_calloc(n + 1, 1);
    s->type = lm_calloc(n + 1, sizeof *s->type);
    s->type_names = lm_calloc(n + 1, sizeof *s->type_names);
    s->entities = tags > 0;
    const char **all = lm_malloc(n + 1, sizeof *all);
    size_t typed = 0;
    for (size_t i = 0; i < n; i++) {
        s->prefix[i] = *names[i];
        s->entities = s->entities && is_entity_tag(names[i]);
        if (strcmp(names[i], "O") != 0)
            all[typed++] = type_in(names[i]);
    }
    qsort(all, typed, sizeof *all, by_name);
    for (size_t i = 0; i < typed; i++) {
        if (i == 0 || strcmp(all[i], all[i - 1]) != 0)
            s->type_names[s->types++] = lm_strdup(all[i]);
    }
    for (size_t i = 0; i < n; i++) {
        s->type[i] = strcmp(names[i], "O") == 0 ? -1 : 0;
        while (s->type[i] >= 0 && strcmp(s->type_names[s->type[i]], type_in(names[i])) != 0)
            s->type[i]++;
    }
    free(all);
    return s;
}

void lm_tag_set_free(lm_tag_set *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->types; i++)
        free(s->type_names[i]);
    free(s->type_names);
    free(s->type);
    free(s->prefix);
    free(s);
}

/* ------------------------------------------------------------------ schemes */

/* A rule about a tag and the one before it: letters that they may have ("" = any), and how their types
 * compare. */
typedef struct rule {
    const char *before, *now;
    enum { ANY, SAME, OTHER } type;
} rule;

enum { RULES = 7 };

/* seqeval's tables: where an entity begins, what goes on inside it, and after what it is a whole one. A list
 * ends with an entry whose `now` is NULL. */
typedef struct scheme_rules {
    const char *prefixes;
    rule start[RULES], inside[RULES], end[RULES];
} scheme_rules;

static const scheme_rules schemes[LM_SCHEMES] = {
    [LM_SCHEME_IOB1] = {"IOB",
                        {{"OB", "I", ANY}, {"I", "I", OTHER}, {"IB", "B", SAME}},
                        {{"BI", "I", SAME}},
                        {{"IB", "I", OTHER}, {"IB", "O", ANY}, {"I", "B", ANY}, {"B", "B", SAME}}},
    [LM_SCHEME_IOB2] = {"IOB",
                        {{"", "B", ANY}},
                        {{"BI", "I", SAME}},
                        {{"IB", "O", ANY}, {"IB", "I", OTHER}, {"IB", "B", ANY}}},
    [LM_SCHEME_IOE1] = {"IOE",
                        {{"OE", "I", ANY}, {"I", "I", OTHER}, {"E", "E", SAME}},
                        {{"I", "IE", SAME}},
                        {{"I", "IE", OTHER}, {"I", "O", ANY}, {"E", "IE", SAME}}},
    [LM_SCHEME_IOE2] = {"IOE",
                        {{"OE", "IE", ANY}, {"I", "IE", OTHER}},
                        {{"I", "IE", SAME}},
                        {{"E", "", ANY}}},
    [LM_SCHEME_IOBES] = {"IOBES", {{"", "BS", ANY}}, {{"BI", "IE", SAME}}, {{"SE", "", ANY}}},
    [LM_SCHEME_BILOU] = {"BILOU", {{"", "BU", ANY}}, {{"BI", "IL", SAME}}, {{"UL", "", ANY}}},
};

int lm_tag_set_misfit(const lm_tag_set *s, lm_scheme scheme)
{
    for (int i = 0; scheme != LM_SCHEME_LENIENT && i < s->tags; i++) {
        if (!strchr(schemes[scheme].prefixes, s->prefix[i]))
            return i;
    }
    return -1;
}

/* A tag as the rules see it. */
typedef struct tag {
    char prefix;
    int type;
} tag;

static bool has(const char *letters, char prefix)
{
    return !*letters || strchr(letters, prefix);
}

static bool applies(const rule *rules, tag before, tag now)
{
    for (const rule *r = rules; r->now; r++) {
        if (has(r->before, before.prefix) && has(r->now, now.prefix) &&
            (r->type == ANY || (r->type == SAME) == (before.type == now.type)))
            return true;
    }
    return false;
}

/* Tag i of a sequence, O past its end. */
static tag tag_at(const lm_tag_set *s, const int32_t *tags, size_t n, size_t i)
{
    return i < n ? (tag){s->prefix[tags[i]], s->type[tags[i]]} : (tag){'O', -1};
}

static size_t find_strict(const lm_tag_set *s, const scheme_rules *rules, const int32_t *tags, size_t n,
                          lm_entity *found)
{
    size_t count = 0;
    tag before = {'O', -1};
    for (size_t i = 0; i < n;) {
        tag first = tag_at(s, tags, n, i);
        size_t end = i + 1;
        if (applies(rules->start, before, first)) {
            while (end < n && applies(rules->inside, tag_at(s, tags, n, end - 1), tag_at(s, tags, n, end)))
                end++;
            if (applies(rules->end, tag_at(s, tags, n, end - 1), tag_at(s, tags, n, end)))
                found[count++] = (lm_entity){first.type, (int32_t)i, (int32_t)end};
        }
        i = end;
        before = tag_at(s, tags, n, i - 1);
    }
    return count;
}

/* conlleval's two questions about neighbours. */
static bool ends_between(tag before, tag now)
{
    if (has("ES", before.prefix) || (has("BI", before.prefix) && has("BSO", now.prefix)))
        return true;
    return before.prefix != 'O' && before.type != now.type;
}

static bool starts_at(tag before, tag now)
{
    if (has("BS", now.prefix) || (has("ESO", before.prefix) && has("EI", now.prefix)))
        return true;
    return now.prefix != 'O' && before.type != now.type;
}

static size_t find_lenient(const lm_tag_set *s, const int32_t *tags, size_t n, lm_entity *found)
{
    size_t count = 0, begin = 0;
    tag before = {'O', -1};
    for (size_t i = 0; i <= n; i++) {
        tag now = tag_at(s, tags, n, i);
        if (ends_between(before, now))
            found[count++] = (lm_entity){before.type, (int32_t)begin, (int32_t)i};
        if (starts_at(before, now))
            begin = i;
        before = now;
    }
    return count;
}

size_t lm_entities_find(const lm_tag_set *s, lm_scheme scheme, const int32_t *tags, size_t n,
                        lm_entity *found)
{
    if (scheme == LM_SCHEME_LENIENT)
        return find_lenient(s, tags, n, found);
    return find_strict(s, &schemes[scheme], tags, n, found);
}
