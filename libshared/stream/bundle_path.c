/* Paths that name a model and what is added to it. */
#include "stream/bundle.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_there(const char *path)
{
    struct stat s;
    return strcmp(path, "-") == 0 || stat(path, &s) == 0;
}

/* The length of the shortest part of a path that ends at a plus sign and is there; all of it where there is none. */
static size_t first_part(const char *path)
{
    char *part = lm_strdup(path);
    size_t n = strlen(path);
    for (char *plus = is_there(path) ? NULL : strchr(part, '+'); plus; plus = strchr(plus + 1, '+')) {
        *plus = '\0';
        bool there = plus > part && is_there(part);
        *plus = '+';
        if (there) {
            n = (size_t)(plus - part);
            break;
        }
    }
    free(part);
    return n;
}

size_t lm_bundle_parts(const char *path, char ***parts)
{
    size_t count = 0;
    *parts = NULL;
    for (const char *at = path;; at++) {
        size_t n = first_part(at);
        *parts = lm_realloc(*parts, count + 1, sizeof **parts);
        (*parts)[count++] = lm_strndup(at, n);
        at += n;
        if (!*at)
            return count;
    }
}

void lm_bundle_parts_free(char **parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(parts[i]);
    free(parts);
}

char *lm_bundle_base(const char *path)
{
    return lm_strndup(path, first_part(path));
}

bool lm_bundle_is_one(const char *path, lm_status *st)
{
    char *base = lm_bundle_base(path);
    bool one = strcmp(base, path) == 0;
    free(base);
    return one || lm_fail(st, LM_USAGE, "%s: a model and an adapter, where the weights of one model are read: merge them first, as in "
                          "lora --merge -m BASE ADAPTER -o -", path);
}
