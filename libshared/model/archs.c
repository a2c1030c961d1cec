#include "model/archs.h"

#include "model/plugin_host.h"
#include "stream/json_tree.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *words(const char *list)
{
    json_t *all = json_array();
    lm_str word;
    while ((word = lm_plugin_next_word(&list)).len)
        json_array_append_new(all, json_stringn(word.data, word.len));
    return all;
}

/* A head, with its class for each model type. */
static json_t *describe_head(const lm_plugin *plugin, const lm_head *head)
{
    json_t *classes = json_array(), *types = words(plugin->model_types), *type;
    size_t i;
    json_array_foreach(types, i, type) {
        char *class = lm_plugin_class(plugin, head, json_string_value(type));
        json_array_append_new(classes, json_string(class));
        free(class);
    }
    json_decref(types);
    return json_pack("{s:s, s:o}", "task", head->name, "architectures", classes);
}

static json_t *describe(const lm_plugin_file *p)
{
    json_t *heads = json_array(), *sizes = json_array();
    for (const lm_head *h = p->plugin->heads; h->name; h++)
        json_array_append_new(heads, describe_head(p->plugin, h));
    for (const lm_size *s = p->plugin->sizes; s && s->name; s++)
        json_array_append_new(sizes, json_string(s->name));
    return json_pack("{s:s, s:o, s:o, s:o, s:s}", "name", p->plugin->name, "model_types", words(p->plugin->model_types),
                     "heads", heads, "sizes", sizes, "file", p->file);
}

static void add(lm_buf *out, bool first, const char *word)
{
    lm_buf_printf(out, "%s%s", first ? "" : ",", word);
}

static void print_line(const lm_plugin_file *p, lm_buf *out)
{
    const char *rest = p->plugin->model_types;
    lm_str type;
    lm_buf_printf(out, "%s\t", p->plugin->name);
    for (bool first = true; (type = lm_plugin_next_word(&rest)).len; first = false)
        lm_buf_printf(out, "%s%.*s", first ? "" : ",", (int)type.len, type.data);
    lm_buf_putc(out, '\t');
    for (const lm_head *h = p->plugin->heads; h->name; h++)
        add(out, h == p->plugin->heads, h->name);
    lm_buf_putc(out, '\t');
    const lm_size *sizes = p->plugin->sizes;
    if (!sizes || !sizes->name)
        lm_buf_putc(out, '-');
    for (const lm_size *s = sizes; s && s->name; s++)
        add(out, s == sizes, s->name);
    lm_buf_printf(out, "\t%s\n", p->file);
}

bool lm_archs_print(const char *file, bool json, lm_status *st)
{
    lm_plugin_file given = {.file = file};
    if (file && !(given.plugin = lm_plugin_load(file, st)))
        return false;
    size_t count;
    const lm_plugin_file *all = lm_plugin_all(&count);
    if (!count && !file)
        return lm_plugin_find("", NULL, st) != NULL; /* its message says where was looked */
    lm_buf out = {0};
    json_t *list = json_array();
    for (size_t i = 0; i < count + 1; i++) {
        const lm_plugin_file *p = i ? &all[i - 1] : &given;
        if (!p->plugin || (i && p->plugin == given.plugin))
            continue; /* none was given, or it stands first already */
        if (json)
            json_array_append_new(list, describe(p));
        else
            print_line(p, &out);
    }
    json_t *object = json_pack("{s:o}", "plugins", list);
    if (json) {
        lm_json_print(object, &lm_json_python, 0, &out);
        lm_buf_putc(&out, '\n');
    }
    json_decref(object);
    fputs(lm_buf_cstr(&out), stdout);
    lm_buf_free(&out);
    return true;
}
