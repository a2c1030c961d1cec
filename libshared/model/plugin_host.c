#include "model/plugin_host.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"

#include <dlfcn.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ one descriptor */

/* Sizes of the structs when the ABI number was last raised: what was added since may be missing. */
#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
enum {
    FIRST_SIZE = END_OF(lm_plugin, defaults),
    FIRST_ARCH_SIZE = END_OF(lm_arch, decoder_layer),
    FIRST_HEAD_SIZE = END_OF(lm_head, bare)
};

static const lm_head *head_at(const lm_plugin *p, size_t i)
{
    return (const lm_head *)((const char *)p->heads + i * p->head_size);
}

static bool check_heads(const lm_plugin *p, const char *file, lm_status *st)
{
    if (!p->heads || !p->heads[0].name)
        return lm_fail(st, LM_FAILED, "%s: heads: the plugin has none", file);
    const lm_head *h;
    for (size_t i = 0; (h = head_at(p, i))->name; i++) {
        if (!h->architecture)
            return lm_fail(st, LM_FAILED, "%s: heads: \"%s\" names no architecture", file, h->name);
        if (!h->declare)
            return lm_fail(st, LM_FAILED, "%s: heads: \"%s\" has no declare function", file, h->name);
        if (!h->tokens && !h->rows && !h->bare)
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
    const struct {
        const char *name;
        uint32_t is;
        size_t least, most;
    } sizes[] = {{"size", p->size, FIRST_SIZE, sizeof *p},
                 {"arch_size", p->arch_size, FIRST_ARCH_SIZE, sizeof(lm_arch)},
                 {"head_size", p->head_size, FIRST_HEAD_SIZE, sizeof(lm_head)}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i].is < sizes[i].least || sizes[i].is > sizes[i].most || sizes[i].is % _Alignof(lm_head))
            return lm_fail(st, LM_FAILED,
                           "%s: %s: %u bytes, where ABI %u has %zu to %zu: rebuild it with the "
                           "lmutils/plugin.h that is installed",
                           file, sizes[i].name, sizes[i].is, LM_PLUGIN_ABI, sizes[i].least, sizes[i].most);
    }
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

/* Descriptors as this host knows them, for good, as the modules are. */
typedef struct adopted {
    const lm_plugin *original;
    lm_plugin plugin;
    struct adopted *next;
} adopted;

static adopted *all;

/* The descriptor with its table of heads in today's structs: what an older one lacks is zero. */
static const lm_plugin *adopt(const lm_plugin *p)
{
    for (const adopted *a = all; a; a = a->next) {
        if (a->original == p)
            return &a->plugin;
    }
    size_t heads = 0;
    while (head_at(p, heads)->name)
        heads++;
    adopted *a = lm_calloc(1, sizeof *a);
    lm_head *table = lm_calloc(heads + 1, sizeof *table);
    for (size_t i = 0; i < heads; i++)
        memcpy(&table[i], head_at(p, i), p->head_size);
    memcpy(&a->plugin, p, p->size);
    a->plugin.heads = table;
    a->plugin.head_size = sizeof *table;
    a->original = p;
    a->next = all;
    all = a;
    return &a->plugin;
}

lm_str lm_plugin_next_word(const char **rest)
{
    const char *from = *rest + strspn(*rest, " ");
    size_t n = strcspn(from, " ");
    *rest = from + n;
    return (lm_str){from, n};
}

/* Where `word` stands in a list, from 0; -1 = nowhere. */
static int word_index(const char *list, const char *word)
{
    lm_str w;
    for (int i = 0; (w = lm_plugin_next_word(&list)).len; i++) {
        if (lm_str_is(w, word))
            return i;
    }
    return -1;
}

bool lm_plugin_serves(const lm_plugin *p, const char *model_type)
{
    return word_index(p->model_types, model_type) >= 0;
}

/* ------------------------------------------------------------------ loading */

/* What is said if the plugin that is being loaded ends the program; empty while none is. */
static char last_words[PATH_MAX + 256];

static void say_last_words(void)
{
    if (!*last_words)
        return;
    ssize_t n = write(STDERR_FILENO, last_words, strlen(last_words));
    (void)n;
    _exit(LM_FAILED);
}

static void crashed(int signal)
{
    (void)signal;
    say_last_words();
}

/* A shared object runs code of its own as soon as it is loaded. Where that crashes or exits nothing can be saved, but
 * the user is told which file it was, and a pipe does not end as if all were well. */
static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
enum { CRASHES = sizeof crashes / sizeof *crashes };

static void guard(const char *path, struct sigaction before[CRASHES])
{
    static bool watching;
    if (!watching)
        watching = atexit(say_last_words) == 0;
    snprintf(last_words, sizeof last_words,
             "%s: %s: the plugin crashes or exits while it is being loaded: rebuild it, or remove it\n", lm_program_name(),
             path);
    struct sigaction action = {.sa_handler = crashed};
    for (int i = 0; i < CRASHES; i++)
        sigaction(crashes[i], &action, &before[i]);
}

static void unguard(const struct sigaction before[CRASHES])
{
    for (int i = 0; i < CRASHES; i++)
        sigaction(crashes[i], &before[i], NULL);
    *last_words = '\0';
}

static const lm_plugin *load(const char *file, const char *path, lm_status *st)
{
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
    return lm_plugin_check(plugin, file, st) ? adopt(plugin) : NULL;
}

const lm_plugin *lm_plugin_load(const char *file, lm_status *st)
{
    /* a name without a slash would send dlopen to the system's library path */
    char path[PATH_MAX];
    if (!realpath(file, path)) {
        lm_fail_errno(st, LM_FAILED, "%s: cannot open the plugin", file);
        return NULL;
    }
    struct sigaction before[CRASHES];
    guard(path, before);
    const lm_plugin *plugin = load(file, path, st);
    unguard(before);
    return plugin;
}

/* ------------------------------------------------------------------ what a plugin says of itself */

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
        if (word_index(h->architecture, architecture) >= 0)
            return h;
    }
    return NULL;
}

char *lm_plugin_class(const lm_plugin *plugin, const lm_head *head, const char *model_type)
{
    const char *rest = head->architecture;
    lm_str w = lm_plugin_next_word(&rest), next;
    for (int i = word_index(plugin->model_types, model_type); i > 0 && (next = lm_plugin_next_word(&rest)).len; i--)
        w = next;
    return lm_strndup(w.data, w.len);
}

void lm_plugin_rename(const lm_plugin *plugin, lm_config *config)
{
    const char *rest = plugin->renamed ? plugin->renamed : "";
    lm_str pair;
    while ((pair = lm_plugin_next_word(&rest)).len) {
        char *from = lm_strndup(pair.data, pair.len), *to = strchr(from, '=');
        if (to) {
            *to = '\0';
            lm_config_rename(config, from, to + 1);
        }
        free(from);
    }
}
