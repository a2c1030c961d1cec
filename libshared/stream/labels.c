#include "stream/labels.h"

#include "base/memory.h"

#include <ctype.h>
#include <stdlib.h>
#include <xxhash.h>

struct lm_labels {
    const char **names;
    int count, cap;
    int *table;   /* open addressing: id + 1, 0 = free */
    size_t slots; /* a power of two */
};

lm_labels *lm_labels_new(void)
{
    lm_labels *l = lm_calloc(1, sizeof *l);
    l->slots = 64;
    l->table = lm_calloc(l->slots, sizeof *l->table);
    return l;
}

void lm_labels_free(lm_labels *l)
{
    if (!l)
        return;
    for (int i = 0; i < l->count; i++)
        free((char *)l->names[i]);
    free(l->names);
    free(l->table);
    free(l);
}

/* The slot of a word, or the free one where it belongs. */
static size_t slot_of(const lm_labels *l, lm_str word)
{
    size_t i = XXH3_64bits(word.data, word.len) & (l->slots - 1);
    while (l->table[i] && !lm_str_is(word, l->names[l->table[i] - 1]))
        i = (i + 1) & (l->slots - 1);
    return i;
}

static void rebuild(lm_labels *l)
{
    memset(l->table, 0, l->slots * sizeof *l->table);
    for (int i = 0; i < l->count; i++)
        l->table[slot_of(l, lm_str_of(l->names[i]))] = i + 1;
}

int lm_labels_add(lm_labels *l, lm_str word)
{
    size_t slot = slot_of(l, word);
    if (l->table[slot])
        return l->table[slot] - 1;
    LM_GROW(l->names, l->count, l->cap);
    l->names[l->count++] = lm_strndup(word.data, word.len);
    l->table[slot] = l->count;
    if ((size_t)l->count * 2 > l->slots) {
        l->slots *= 2;
        l->table = lm_realloc(l->table, l->slots, sizeof *l->table);
        rebuild(l);
    }
    return l->count - 1;
}

int lm_labels_find(const lm_labels *l, lm_str word)
{
    return l->table[slot_of(l, word)] - 1;
}

int lm_labels_count(const lm_labels *l)
{
    return l->count;
}

const char *lm_labels_name(const lm_labels *l, int id)
{
    return id >= 0 && id < l->count ? l->names[id] : NULL;
}

const char *const *lm_labels_names(const lm_labels *l)
{
    return l->names;
}

/* ------------------------------------------------------------------ order */

static const char *digits_of(const char *s, bool *negative)
{
    *negative = *s == '-';
    s += *negative;
    while (*s == '0' && s[1])
        s++;
    return s;
}

static bool is_integer(const char *s)
{
    s += *s == '-';
    if (!*s)
        return false;
    for (; *s; s++)
        if (!isdigit((unsigned char)*s))
            return false;
    return true;
}

/* Integers of any length, by value; equal ones ("1", "01") bytewise. */
static int by_number(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    bool minus_x, minus_y;
    const char *dx = digits_of(x, &minus_x), *dy = digits_of(y, &minus_y);
    bool zero = strcmp(dx, "0") == 0 && strcmp(dy, "0") == 0;
    int order = 0;
    if (zero)
        order = 0;
    else if (minus_x != minus_y)
        order = minus_x ? -1 : 1;
    else if (strlen(dx) != strlen(dy))
        order = strlen(dx) < strlen(dy) ? -1 : 1;
    else
        order = strcmp(dx, dy);
    if (minus_x && minus_y && !zero)
        order = -order;
    return order ? order : strcmp(x, y);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void lm_labels_sort(lm_labels *l)
{
    if (l->count == 0)
        return;
    bool numbers = true;
    for (int i = 0; i < l->count && numbers; i++)
        numbers = is_integer(l->names[i]);
    qsort(l->names, (size_t)l->count, sizeof *l->names, numbers ? by_number : by_bytes);
    rebuild(l);
}

lm_labels *lm_labels_parse(const char *list, lm_status *st)
{
    lm_labels *l = lm_labels_new();
    for (const char *s = list;;) {
        size_t n = strcspn(s, ",");
        lm_str word = {s, n};
        if (n == 0)
            lm_fail(st, LM_USAGE, "--labels %s: an empty name: separate the names by single commas", list);
        else if (lm_labels_find(l, word) >= 0)
            lm_fail(st, LM_USAGE, "--labels %s: %.*s stands there twice: name each class once", list, (int)n,
                    s);
        else
            lm_labels_add(l, word);
        if (!lm_ok(st)) {
            lm_labels_free(l);
            return NULL;
        }
        if (!s[n])
            return l;
        s += n + 1;
    }
}

int32_t *lm_labels_map(const lm_labels *l, json_t *names)
{
    enum { NO_CLASS = -100 };
    int32_t *map = lm_malloc(json_array_size(names) + 1, sizeof *map);
    json_t *name;
    size_t i;
    json_array_foreach(names, i, name) {
        if (!json_is_string(name)) {
            free(map);
            return NULL;
        }
        int id = lm_labels_find(l, (lm_str){json_string_value(name), json_string_length(name)});
        map[i] = id < 0 ? NO_CLASS : id;
    }
    return map;
}
