#include "model/plugin_host.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ one descriptor */

static bool check_heads(const lm_plugin *p, const char *file, lm_status *st)
{
    if (!p->heads || !p->heads[0].name)
        return lm_fail(st, LM_FAILED, "%s: heads: the plugin has none", file);
    for (const lm_head *h = p->heads; h->name; h++) {
        if (!h->architecture)
            return lm_fail(st, LM_FAILED, "%s: heads: \"%s\" names no architecture", file, h->name);
        if (!h->declare)
            return lm_fail(st, LM_FAILED, "%s: heads: \"%s\" has no declare function", file, h->name);
        if (!h->tokens && !h->rows)
            return lm_fail(st, LM_FAILED, "%s: heads: \"%s\" has neither a tokens nor a rows function", file,
                           h->name);
    }
    return true;
}

bool lm_plugin_check(const lm_plugin *p, const char *file, lm_status *st)
{
    if (!p)
        return lm_fail(st, LM_FAILED, "%s: %s() gave no descriptor", file, LM_PLUGIN_ENTRY);
    if (p->magic != LM_PLUGIN_MAGIC)
        return lm_fail(st, LM_FAILED, "%s: magic: 0x%08x, where a plugin has 0x%08x: it is something else",
                       file, p->magic, LM_PLUGIN_MAGIC);
    if (p->abi != LM_PLUGIN_ABI)
        return lm_fail(st, LM_FAILED,
                       "%s: abi: built for plugin ABI %u, and this is ABI %u: rebuild it with the "
                       "lmutils/plugin.h that is installed",
                       file, p->abi, LM_PLUGIN_ABI);
    if (p->size != sizeof *p)
        return lm_fail(st, LM_FAILED,
                       "%s: size: a descriptor of %u bytes, where ABI %u has %zu: rebuild it with the "
                       "lmutils/plugin.h that is installed",
                       file, p->size, LM_PLUGIN_ABI, sizeof *p);
    if (!p->name || !*p->name)
        return lm_fail(st, LM_FAILED, "%s: name: the plugin has none", file);
    if (!p->model_types || !p->model_types[strspn(p->model_types, " ")])
        return lm_fail(st, LM_FAILED, "%s: model_types: the plugin serves none", file);
    const struct {
        const char *name;
        bool there;
    } functions[] = {
        {"configure", p->configure}, {"declare", p->declare}, {"embed", p->embed}, {"block", p->block}};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (!functions[i].there)
            return lm_fail(st, LM_FAILED, "%s: %s: the function is missing", file, functions[i].name);
    }
    return check_heads(p, file, st);
}

static bool serves(const lm_plugin *p, const char *model_type)
{
    size_t n = strlen(model_type);
    for (const char *s = p->model_types; n && (s = strstr(s, model_type)); s += n) {
        if ((s == p->model_types || s[-1] == ' ') && (s[n] == ' ' || !s[n]))
            return true;
    }
    return false;
}

/* Loads a file, for good, and checks its descriptor. A name without a slash would send dlopen to the system's
 * library path, so it is made absolute first. */
static const lm_plugin *load(const char *file, lm_status *st)
{
    char path[PATH_MAX];
    if (!realpath(file, path)) {
        lm_fail_errno(st, LM_FAILED, "%s: cannot open the plugin", file);
        return NULL;
    }
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        lm_fail(st, LM_FAILED, "%s: cannot load the plugin: %s", file, dlerror());
        return NULL;
    }
    lm_plugin_entry entry;
    *(void **)&entry = dlsym(handle, LM_PLUGIN_ENTRY);
    if (!entry) {
        lm_fail(st, LM_FAILED, "%s: no symbol %s: it is no lmutils plugin, or lacks LM_PLUGIN(...)", file,
                LM_PLUGIN_ENTRY);
        return NULL;
    }
    const lm_plugin *plugin = entry();
    return lm_plugin_check(plugin, file, st) ? plugin : NULL;
}

/* ------------------------------------------------------------------ the search */

typedef struct search {
    const char *model_type;
    const lm_plugin *found;
    char *found_in;
    lm_buf tried; /* every directory, and each file that was refused with why, one after the other */
    lm_buf known; /* model types that were seen */
} search;

static int is_module(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return e->d_name[0] != '.' && n > 3 && strcmp(e->d_name + n - 3, ".so") == 0;
}

static void add(lm_buf *list, const char *item)
{
    lm_buf_printf(list, "%s%s", list->len ? ", " : "", item);
}

static bool consider(search *s, const lm_plugin *plugin, const char *file, lm_status *st)
{
    if (plugin == s->found)
        return true; /* one file, reached twice */
    add(&s->known, plugin->model_types);
    if (!serves(plugin, s->model_type))
        return true;
    if (s->found)
        return lm_fail(st, LM_FAILED,
                       "two plugins serve the model_type \"%s\": %s and %s: remove one, or choose with "
                       "--plugin FILE",
                       s->model_type, s->found_in, file);
    s->found = plugin;
    s->found_in = lm_strdup(file);
    return true;
}

/* A file that is no good plugin is refused and told of; it ends the search only if nothing else serves. */
static bool search_directory(search *s, const char *dir, lm_status *st)
{
    struct dirent **entries;
    int n = scandir(dir, &entries, is_module, alphasort);
    if (n < 0) {
        lm_buf why = {0};
        lm_buf_printf(&why, "%s (%s)", dir, strerror(errno));
        add(&s->tried, lm_buf_cstr(&why));
        lm_buf_free(&why);
        return true;
    }
    add(&s->tried, dir);
    bool ok = true;
    for (int i = 0; i < n; i++) {
        lm_status refused = LM_STATUS_INIT;
        char *file = lm_format("%s/%s", dir, entries[i]->d_name);
        const lm_plugin *plugin = ok ? load(file, &refused) : NULL;
        if (plugin) {
            ok = consider(s, plugin, file, st);
        } else if (!lm_ok(&refused)) {
            lm_warn("plugin refused: %s", refused.message);
            add(&s->tried, refused.message);
        }
        free(file);
        free(entries[i]);
    }
    free(entries);
    return ok;
}

static bool search_path(search *s, lm_status *st)
{
    const char *path = getenv("LMUTILS_PLUGIN_PATH");
    if (!path)
        path = "";
    bool ok = true;
    for (const char *end;; path = end + 1) {
        end = path + strcspn(path, ":");
        char *dir = end == path ? lm_strdup(LM_PLUGIN_DIR) : lm_strndup(path, (size_t)(end - path));
        ok = search_directory(s, dir, st);
        free(dir);
        if (!ok || !*end)
            return ok;
    }
}

const lm_plugin *lm_plugin_find(const char *model_type, const char *file, lm_status *st)
{
    if (file) {
        const lm_plugin *plugin = load(file, st);
        if (!plugin || serves(plugin, model_type))
            return plugin;
        lm_warn("%s: serves %s, not \"%s\": searching on", file, plugin->model_types, model_type);
    }
    search s = {.model_type = model_type};
    if (search_path(&s, st) && !s.found)
        lm_fail(st, LM_FAILED, "model_type \"%s\": no plugin serves it (known: %s): tried %s", model_type,
                s.known.len ? lm_buf_cstr(&s.known) : "none", lm_buf_cstr(&s.tried));
    lm_buf_free(&s.tried);
    lm_buf_free(&s.known);
    free(s.found_in);
    return lm_ok(st) ? s.found : NULL;
}

const lm_head *lm_plugin_head_by_task(const lm_plugin *plugin, const char *task)
{
    for (const lm_head *h = plugin->heads; h->name; h++) {
        if (strcmp(h->name, task) == 0)
            return h;
    }
    return NULL;
}

const lm_head *lm_plugin_head_by_architecture(const lm_plugin *plugin, const char *architecture)
{
    for (const lm_head *h = plugin->heads; h->name; h++) {
        if (strcmp(h->architecture, architecture) == 0)
            return h;
    }
    return NULL;
}
