/* Where plugins are looked for: LMUTILS_PLUGIN_PATH, whose empty elements are the installed ones; never the current
 * directory. */
#include "model/plugin_host.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the search path holds, for as long as it is the same. */
static struct {
    char *path; /* NULL = not looked yet */
    lm_plugin_file *items;
    size_t count, cap;
    lm_buf tried; /* every directory, and each file that was refused with why, one after the other */
} there;

static int is_module(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return e->d_name[0] != '.' && n > 3 && strcmp(e->d_name + n - 3, ".so") == 0;
}

static void add_word(lm_buf *list, const char *word, size_t n)
{
    lm_buf_printf(list, "%s%.*s", list->len ? ", " : "", (int)n, word);
}

static void add_plugin(const lm_plugin *plugin, const char *file)
{
    for (size_t i = 0; i < there.count; i++)
        if (there.items[i].plugin == plugin)
            return; /* one file, reached twice */
    LM_GROW(there.items, there.count, there.cap);
    there.items[there.count++] = (lm_plugin_file){plugin, lm_strdup(file)};
}

static void look_in(const char *dir)
{
    struct dirent **entries;
    int n = scandir(dir, &entries, is_module, alphasort);
    add_word(&there.tried, dir, strlen(dir));
    if (n < 0) {
        lm_buf_printf(&there.tried, " (%s)", strerror(errno));
        return;
    }
    for (int i = 0; i < n; i++) {
        lm_status refused = LM_STATUS_INIT;
        char *file = lm_format("%s/%s", dir, entries[i]->d_name);
        const lm_plugin *plugin = lm_plugin_load(file, &refused);
        if (plugin) {
            add_plugin(plugin, file);
        } else {
            lm_warn("plugin refused: %s", refused.message);
            add_word(&there.tried, refused.message, strlen(refused.message));
        }
        free(file);
        free(entries[i]);
    }
    free(entries);
}

static void forget(void)
{
    for (size_t i = 0; i < there.count; i++)
        free((char *)there.items[i].file);
    there.count = 0;
    lm_buf_free(&there.tried);
    free(there.path);
}

const lm_plugin_file *lm_plugin_all(size_t *count)
{
    const char *path = getenv("LMUTILS_PLUGIN_PATH");
    if (!path)
        path = "";
    if (!there.path || strcmp(there.path, path) != 0) {
        forget();
        there.path = lm_strdup(path);
        for (const char *end;; path = end + 1) {
            end = path + strcspn(path, ":");
            char *dir = end == path ? lm_strdup(LM_PLUGIN_DIR) : lm_strndup(path, (size_t)(end - path));
            look_in(dir);
            free(dir);
            if (!*end)
                break;
        }
    }
    *count = there.count;
    return there.items;
}

/* All model types that exist. */
static void list_types(lm_buf *out)
{
    for (size_t i = 0; i < there.count; i++) {
        const char *rest = there.items[i].plugin->model_types;
        lm_str type;
        while ((type = lm_plugin_next_word(&rest)).len)
            add_word(out, type.data, type.len);
    }
}

const lm_plugin *lm_plugin_find(const char *model_type, const char *file, lm_status *st)
{
    if (file) {
        const lm_plugin *plugin = lm_plugin_load(file, st);
        if (!plugin || lm_plugin_serves(plugin, model_type))
            return plugin;
        static const lm_plugin *told;
        if (plugin != told)
            lm_warn("%s: serves %s, not \"%s\": searching on", file, plugin->model_types, model_type);
        told = plugin;
    }
    size_t count;
    const lm_plugin_file *all = lm_plugin_all(&count), *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!lm_plugin_serves(all[i].plugin, model_type))
            continue;
        if (found) {
            lm_fail(st, LM_FAILED,
                    "two plugins serve the model_type \"%s\": %s and %s: remove one, or choose with --plugin FILE",
                    model_type, found->file, all[i].file);
            return NULL;
        }
        found = &all[i];
    }
    if (found)
        return found->plugin;
    lm_buf known = {0};
    list_types(&known);
    lm_fail(st, LM_FAILED, "model_type \"%s\": no plugin serves it (known: %s): tried %s", model_type,
            known.len ? lm_buf_cstr(&known) : "none", lm_buf_cstr(&there.tried));
    lm_buf_free(&known);
    return NULL;
}
