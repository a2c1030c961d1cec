/* From the command line's words to templates, and from records to rows. */
#include "text/chat/chat.h"

#include "base/log.h"
#include "base/memory.h"
#include "text/chat/chat_internal.h"
#include "text/tokenizer_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

/* ---------------------------------------------------------------- templates */

bool lm_chat_is_template(const char *word)
{
    size_t n = strlen(word);
    return lm_named_template_find(word) || (n > 6 && strcmp(word + n - 6, ".jinja") == 0);
}

void lm_chat_list_names(lm_buf *out)
{
    for (const lm_named_template *t = lm_named_templates; t->name; t++)
        lm_buf_printf(out, "%s%s", t == lm_named_templates ? "" : ", ", t->name);
}

enum { TEMPLATE_MAX = 4 << 20 };

static bool read_file(const char *path, lm_buf *out, lm_status *st)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return lm_fail_errno(st, LM_FAILED, "%s", path);
    char part[4096];
    size_t n;
    while ((n = fread(part, 1, sizeof part, f)) > 0 && out->len <= TEMPLATE_MAX)
        lm_buf_append(out, part, n);
    bool bad = ferror(f);
    fclose(f);
    if (bad)
        return lm_fail_errno(st, LM_FAILED, "%s", path);
    return out->len <= TEMPLATE_MAX ||
           lm_fail(st, LM_FAILED, "%s: more than 4 MiB: this is no chat template", path);
}

static lm_jinja *parse_source(lm_str source, const char *path, lm_status *st)
{
    json_t *json = source.len && source.data[0] == '{' ? json_loadb(source.data, source.len, 0, NULL) : NULL;
    json_t *member = json_object_get(json, "chat_template"); /* tokenizer_config.json, chat_template.json */
    lm_str text = json_is_string(member) ? (lm_str){json_string_value(member), json_string_length(member)} : source;
    lm_jinja *t = lm_jinja_parse(text, path, st);
    json_decref(json);
    return t;
}

static lm_jinja *parse_file(const char *path, lm_status *st)
{
    lm_buf source = {0};
    lm_jinja *t = read_file(path, &source, st) ? parse_source(lm_buf_str(&source), path, st) : NULL;
    lm_buf_free(&source);
    return t;
}

/* The file of a tokenizer's directory; NULL without a failure where there is none. */
static lm_jinja *parse_beside(lm_bundle *b, const char *name, lm_status *st)
{
    char *bytes, *path = lm_bundle_file(b, name);
    size_t n;
    lm_jinja *t = NULL;
    if (lm_bundle_has(b, name) && lm_bundle_read(b, name, TEMPLATE_MAX, &bytes, &n, st)) {
        t = parse_source((lm_str){bytes, n}, path, st);
        free(bytes);
    }
    free(path);
    return t;
}

/* chat_template of tokenizer_config.json: a text, or a list of named ones. */
static lm_jinja *parse_member(json_t *member, const char *name, lm_status *st)
{
    size_t i;
    json_t *item;
    if (json_is_string(member) && strcmp(name, "default") == 0)
        return lm_jinja_parse((lm_str){json_string_value(member), json_string_length(member)},
                              "chat_template", st);
    json_array_foreach(member, i, item) {
        const char *called = json_string_value(json_object_get(item, "name"));
        json_t *text = json_object_get(item, "template");
        if (called && strcmp(called, name) == 0 && json_is_string(text))
            return lm_jinja_parse((lm_str){json_string_value(text), json_string_length(text)},
                                  "chat_template", st);
    }
    return NULL;
}

/* The tokenizer's own: chat_template.jinja beside it, else the member of its configuration. */
static bool open_own(lm_chat *c, const char *path, lm_status *st)
{
    const char *name;
    lm_bundle *b = lm_bundle_at(path) ? lm_bundle_open(path, st) : lm_bundle_beside(path, &name);
    c->main = b ? parse_beside(b, "chat_template.jinja", st) : NULL;
    lm_bundle_close(b);
    json_t *member = json_object_get(c->tokenizer->config, "chat_template");
    if (!c->main && lm_ok(st))
        c->main = parse_member(member, "default", st);
    if (lm_ok(st))
        c->with_tools = parse_member(member, "tool_use", st);
    if (!lm_ok(st))
        return lm_fail_prefix(st, path);
    if (c->main)
        return true;
    lm_buf names = {0};
    lm_chat_list_names(&names);
    lm_fail(st, LM_USAGE,
            "%s: the tokenizer has no chat template: give one, as in --chat=chatml (%s, or a file)", path,
            lm_buf_cstr(&names));
    lm_buf_free(&names);
    return false;
}

static bool open_named(lm_chat *c, const char *name, lm_status *st)
{
    struct stat s;
    const lm_named_template *t = lm_named_template_find(name);
    if (t) {
        c->main = lm_jinja_parse(lm_str_of(t->source), name, st);
    } else if (stat(name, &s) == 0) {
        c->main = parse_file(name, st);
    } else {
        lm_buf names = {0};
        lm_chat_list_names(&names);
        lm_fail(st, LM_USAGE,
                "--chat=%s: neither a file nor a template that is known: give a file, or one of %s", name,
                lm_buf_cstr(&names));
        lm_buf_free(&names);
    }
    return c->main != NULL;
}

lm_chat *lm_chat_open(const lm_chat_options *options, const lm_tokenizer *t, const char *path, lm_status *st)
{
    lm_chat *c = lm_calloc(1, sizeof *c);
    c->options = *options;
    c->tokenizer = t;
    c->now = (int64_t)time(NULL);
    const char *epoch = getenv("SOURCE_DATE_EPOCH"); /* reproducible-builds.org */
    if (epoch && *epoch) {
        c->now = strtoll(epoch, NULL, 10);
        c->utc = true;
    }
    bool named = options->template && *options->template;
    if (named ? !open_named(c, options->template, st) : !open_own(c, path, st)) {
        lm_chat_free(c);
        return NULL;
    }
    if (!c->utc && lm_jinja_names(c->main, "strftime_now"))
        lm_warn("the chat template asks for the date: set SOURCE_DATE_EPOCH for tokens that are the same "
                "tomorrow");
    return c;
}

void lm_chat_free(lm_chat *c)
{
    if (!c)
        return;
    lm_jinja_free(c->main);
    lm_jinja_free(c->with_tools);
    free(c);
}

void lm_chat_prepare_records(lm_records_options *o)
{
    o->text = o->pair = "";
    o->textless = true;
    o->no_fields = false;
}

/* ---------------------------------------------------------------- workers and rows */

lm_chat_worker *lm_chat_worker_new(const lm_chat *c)
{
    lm_chat_worker *w = lm_calloc(1, sizeof *w);
    w->c = c;
    w->run = lm_jinja_run_new(NULL);
    w->run->now = c->now;
    w->run->utc = c->utc;
    return w;
}

void lm_chat_worker_free(lm_chat_worker *w)
{
    if (!w)
        return;
    lm_jinja_run_free(w->run);
    lm_buf_free(&w->full);
    lm_buf_free(&w->prefix);
    lm_buf_free(&w->upto);
    lm_buf_free(&w->other);
    free(w->spans);
    free(w->used);
    free(w);
}

void lm_chat_row_free(lm_chat_row *r)
{
    if (!r)
        return;
    for (int i = 0; i < 2; i++)
        lm_chat_row_free(r->answers[i]);
    lm_encoding_free(&r->tokens);
    lm_buf_free(&r->text);
    free(r->fields);
    free(r);
}

static void clear_row(lm_chat_row *r)
{
    r->text.len = 0;
    r->preference = r->left_out = false;
    r->turns = r->unmarked = r->cut = r->unended = r->extended = 0;
    r->field_count = 0;
}

/* ---------------------------------------------------------------- rendering */

/* What a rendering makes is given back at its end: a long conversation is rendered for each of its turns. */
bool lm_chat_render(lm_chat_worker *w, const lm_jinja *t, lm_value messages, size_t count,
                    bool generation_prompt, lm_buf *out, lm_status *st)
{
    lm_jinja_memory *m = &w->run->memory, before = *m;
    lm_arena_mark mark = lm_arena_mark_get(m->arena);
    lm_value some = messages;
    if (count < messages.list->count) {
        some = lm_value_list_new(m, LM_IS_LIST, count);
        for (size_t i = 0; i < count && lm_ok(m->status); i++)
            lm_value_push(m, some, messages.list->items[i]);
    }
    lm_value_put_name(m, w->variables, "messages", some);
    lm_value_put_name(m, w->variables, "add_generation_prompt", lm_value_bool(generation_prompt));
    bool ok = lm_jinja_render(t, w->run, w->variables, st);
    lm_buf swap = *out;
    *out = w->run->out;
    w->run->out = swap;
    lm_value_put_name(m, w->variables, "messages", lm_value_none());
    lm_arena_release(m->arena, mark);
    *m = before;
    return ok;
}

/* What apply_chat_template of transformers hands over beside the messages. */
static void set_variables(lm_chat_worker *w, const lm_conversation *c)
{
    lm_jinja_memory *m = &w->run->memory;
    static const char *const names[] = {"bos_token", "eos_token", "unk_token",  "sep_token",
                                        "pad_token", "cls_token", "mask_token", NULL};
    w->variables = lm_value_dict_new(m, LM_VALUE_DICT);
    lm_value_put_name(m, w->variables, "messages",
                      lm_value_none()); /* so that renderings only replace them */
    lm_value_put_name(m, w->variables, "add_generation_prompt", lm_value_none());
    for (int i = 0; names[i]; i++) {
        char role[8] = "";
        memcpy(role, names[i], strcspn(names[i], "_"));
        int id = lm_tokenizer_role(w->c->tokenizer, role);
        if (id >= 0)
            lm_value_put_name(m, w->variables, names[i],
                              lm_value_string(lm_tokenizer_token(w->c->tokenizer, id)));
    }
    bool tools = c->tools.kind == LM_VALUE_LIST, documents = c->documents.kind == LM_VALUE_LIST;
    lm_value_put_name(m, w->variables, "tools", tools ? c->tools : lm_value_none());
    lm_value_put_name(m, w->variables, "documents", documents ? c->documents : lm_value_none());
    for (size_t i = 0; c->arguments.kind == LM_VALUE_DICT && i < c->arguments.dict->count; i++)
        lm_value_put(m, w->variables, c->arguments.dict->pairs[i].key, c->arguments.dict->pairs[i].value);
}

/* The text without <think> parts, the white space behind them included; a part that was opened before the
 * text (by the generation prompt) goes as well. */
static lm_str without_think(lm_jinja_memory *m, lm_str s)
{
    static const char open[] = "<think>", shut[] = "</think>";
    const char *close = s.len ? memmem(s.data, s.len, shut, sizeof shut - 1) : NULL;
    const char *first = s.len ? memmem(s.data, s.len, open, sizeof open - 1) : NULL;
    lm_buf b = {0};
    if (!close && !first)
        return s;
    if (close && (!first || close < first))
        s = lm_text_trim(
            (lm_str){close + sizeof shut - 1, (size_t)(s.data + s.len - close) - (sizeof shut - 1)}, NULL,
            true, false);
    while (s.len && (first = memmem(s.data, s.len, open, sizeof open - 1))) {
        lm_buf_append(&b, s.data, (size_t)(first - s.data));
        size_t left = (size_t)(s.data + s.len - first);
        close = memmem(first, left, shut, sizeof shut - 1);
        s = (lm_str){s.data + s.len, 0};
        if (close)
            s = lm_text_trim((lm_str){close + sizeof shut - 1, (size_t)(s.data - close) - (sizeof shut - 1)},
                             NULL, true, false);
    }
    lm_buf_append(&b, s.data, s.len);
    lm_str out = lm_jinja_copy(m, lm_buf_str(&b));
    lm_buf_free(&b);
    return out;
}

static lm_value dropped(lm_jinja_memory *m, lm_value messages)
{
    static const char *const names[] = {"reasoning_content", "reasoning", "thinking", "thought", NULL};
    lm_value out = lm_value_list_new(m, LM_IS_LIST, messages.list->count);
    for (size_t i = 0; i < messages.list->count; i++) {
        lm_value given = messages.list->items[i], changed = lm_value_dict_new(m, LM_VALUE_DICT);
        const lm_value *role = lm_value_find_name(given, "role");
        bool assistant = role && role->kind == LM_VALUE_STRING && lm_str_is(role->text, "assistant");
        for (size_t k = 0; assistant && k < given.dict->count; k++) {
            lm_value_pair p = given.dict->pairs[k];
            bool skip = false;
            for (int n = 0; names[n]; n++)
                skip |= p.key.kind == LM_VALUE_STRING && lm_str_is(p.key.text, names[n]);
            if (p.key.kind == LM_VALUE_STRING && lm_str_is(p.key.text, "content") &&
                p.value.kind == LM_VALUE_STRING)
                p.value.text = without_think(m, p.value.text);
            if (!skip)
                lm_value_put(m, changed, p.key, p.value);
        }
        lm_value_push(m, out, assistant ? changed : given);
    }
    return out;
}

/* ---------------------------------------------------------------- records to rows */

/* Renders and encodes; the loss is on what the assistant says from message `first` on. */
static bool encode_talk(lm_chat_worker *w, lm_encoder *e, const lm_jinja *t, lm_value messages, size_t first,
                        bool prompt, const lm_encode_options *options, lm_encoding *out, lm_chat_row *row,
                        lm_status *st)
{
    lm_encode_options o = *options;
    o.no_special = true; /* the template writes them */
    if (w->c->options.drop_think)
        messages = dropped(&w->run->memory, messages);
    if (!lm_chat_render(w, t, messages, messages.list->count, prompt, &w->full, st))
        return false;
    if (!prompt)
        lm_chat_find_spans(w, t, messages, first, row);
    if (!prompt && !w->span_count && row->unmarked)
        return lm_fail(
            st, LM_FAILED,
            "none of the assistant's %u turns can be found in what the template writes, so that "
            "nothing would be learned: give a template with {%% generation %%} blocks, or one by name",
            row->unmarked);
    if (!prompt && !w->span_count)
        return lm_fail(st, LM_FAILED,
                       "the assistant says nothing in this conversation, so that nothing would be learned: "
                       "leave it out, or give --generation-prompt");
    out->masked = false;
    if (!lm_encode(e, lm_buf_str(&w->full), (lm_str){NULL, 0}, &o, out, st))
        return false;
    if (!prompt)
        lm_chat_mask(w, out, row);
    lm_buf_append(&row->text, w->full.data, w->full.len);
    return true;
}

static lm_value together(lm_jinja_memory *m, lm_value a, lm_value b)
{
    lm_value out = lm_value_list_new(m, LM_IS_LIST, a.list->count + b.list->count);
    for (size_t i = 0; i < a.list->count; i++)
        lm_value_push(m, out, a.list->items[i]);
    for (size_t i = 0; i < b.list->count; i++)
        lm_value_push(m, out, b.list->items[i]);
    return out;
}

static bool encode_pair(lm_chat_worker *w, lm_encoder *e, const lm_jinja *t, const lm_conversation *c,
                        const lm_encode_options *options, lm_encoding *out, lm_chat_row *row, lm_status *st)
{
    row->preference = true;
    if (!encode_talk(w, e, t, c->messages, 0, true, options, out, row, st))
        return false;
    for (int i = 0; i < 2; i++) {
        if (!row->answers[i])
            row->answers[i] = lm_calloc(1, sizeof **row->answers);
        lm_chat_row *a = row->answers[i];
        clear_row(a);
        lm_value all = together(&w->run->memory, c->messages, i ? c->rejected : c->chosen);
        if (!encode_talk(w, e, t, all, c->messages.list->count, false, options, &a->tokens, a, st))
            return lm_fail_prefix(st, i ? "rejected" : "chosen");
        row->left_out |= a->left_out;
        row->turns += a->turns;
        row->unmarked += a->unmarked;
        row->cut += a->cut;
        row->unended += a->unended;
        row->extended += a->extended;
    }
    return true;
}

static void keep_fields(lm_chat_worker *w, const lm_text_record *r, lm_chat_row *row)
{
    for (size_t i = 0; i < r->field_count; i++) {
        if (w->used[i])
            continue;
        LM_GROW(row->fields, row->field_count, row->field_cap);
        row->fields[row->field_count++] = r->fields[i];
    }
}

bool lm_chat_encode(lm_chat_worker *w, lm_encoder *e, const lm_text_record *r,
                    const lm_encode_options *options, lm_encoding *out, lm_status *st)
{
    lm_conversation c;
    if (!out->chat)
        out->chat = lm_calloc(1, sizeof *out->chat);
    lm_chat_row *row = out->chat;
    clear_row(row);
    if (r->field_count > w->used_cap) {
        w->used_cap = r->field_count;
        w->used = lm_realloc(w->used, w->used_cap, sizeof *w->used);
    }
    lm_jinja_run_reset(w->run, st);
    if (!lm_conversation_read(&w->run->memory, &w->c->options, r, &c, w->used, st))
        return false;
    set_variables(w, &c);
    keep_fields(w, r, row);
    bool tools = c.tools.kind == LM_VALUE_LIST && c.tools.list->count;
    const lm_jinja *t = tools && w->c->with_tools ? w->c->with_tools : w->c->main;
    if (c.preference)
        return encode_pair(w, e, t, &c, options, out, row, st);
    return encode_talk(w, e, t, c.messages, c.first, w->c->options.generation_prompt, options, out, row, st);
}

/* ---------------------------------------------------------------- what it came to */

void lm_chat_count(lm_chat *c, const lm_chat_row *row)
{
    c->rows++;
    c->left_out += row->left_out;
    c->cut_rows += row->cut > 0 && !row->left_out;
    c->turns += row->turns;
    c->unended += row->unended;
    c->extended += row->extended;
    c->unmarked += row->unmarked;
}

void lm_chat_report(const lm_chat *c)
{
    if (c->left_out)
        lm_warn("%" PRIu64 " of %" PRIu64
                " conversations are left out: all that the assistant says lies beyond the length of "
                "a row: raise --max-length, or cut at the other side with --truncation-side",
                c->left_out, c->rows);
    if (c->cut_rows)
        lm_warn("%" PRIu64 " of %" PRIu64
                " conversations are cut within or before what the assistant says: raise --max-length",
                c->cut_rows, c->rows);
    if (c->unmarked)
        lm_warn("%" PRIu64 " of the assistant's turns could not be found in what the template writes, and "
                "carry no loss: give "
                "a template with {%% generation %%} blocks",
                c->unmarked);
    if (c->unended)
        lm_warn("%" PRIu64 " of %" PRIu64
                " of the assistant's turns do not end with a special token of this tokenizer: the "
                "model will not learn where to stop: choose a template that ends turns",
                c->unended, c->turns);
    if (c->extended)
        lm_warn("the template's {%% generation %%} blocks end before the end-of-turn token: it carries loss "
                "all the same "
                "(%" PRIu64 " turns)",
                c->extended);
}
