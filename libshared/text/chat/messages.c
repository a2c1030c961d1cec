/* Records to messages, from every form that chat.h lists. */
#include "base/memory.h"
#include "text/chat/chat_internal.h"

#include <stdlib.h>

typedef struct reader {
    lm_jinja_memory *m;
    const lm_text_record *r;
    const lm_chat_options *o;
    bool *used;
    lm_status *st;
} reader;

static bool fail(reader *x, const char *what)
{
    return lm_fail(x->st, LM_FAILED, "%s", what);
}

/* ---------------------------------------------------------------- fields */

static bool is_blank_value(lm_value v)
{
    return v.kind == LM_VALUE_UNDEFINED || v.kind == LM_VALUE_NONE;
}

/* The text of a list or object that somebody put into a string, as csv must and some data sets do. */
static lm_value unfold(reader *x, lm_value v)
{
    if (v.kind != LM_VALUE_STRING)
        return v;
    lm_str s = lm_text_trim(v.text, NULL, true, true);
    lm_json j = lm_json_over(s);
    lm_str value;
    if (!s.len || (s.data[0] != '[' && s.data[0] != '{') || !lm_json_value(&j, &value) || value.len != s.len)
        return v;
    return lm_value_from_json(x->m, s);
}

static lm_value field_value(reader *x, const char *name)
{
    for (size_t i = 0; i < x->r->field_count; i++)
        if (lm_str_is(x->r->fields[i].name, name)) {
            x->used[i] = true;
            return lm_value_from_json(x->m, x->r->fields[i].json);
        }
    return lm_value_undefined(lm_str_of(name));
}

/* The first of the fields that is there and not null; names are separated by spaces. */
static lm_value first_field(reader *x, const char *names)
{
    lm_value v = lm_value_undefined(lm_str_of(names));
    for (const char *p = names; *p && is_blank_value(v);) {
        size_t n = strcspn(p, " ");
        char *name = lm_strndup(p, n);
        v = field_value(x, name);
        free(name);
        p += n + strspn(p + n, " ");
    }
    return v;
}

/* A field that an option names: a name, or a path such as .data.turns. */
static lm_value chosen_field(reader *x, const char *option, const char *spec)
{
    lm_value v = lm_value_undefined(lm_str_of(""));
    bool there = false;
    for (size_t i = 0; i < x->r->field_count && !there; i++) {
        lm_str name = x->r->fields[i].name, json = x->r->fields[i].json, step;
        lm_json_path path = lm_json_path_over(spec);
        if (lm_str_is(name, spec)) {
            there = true;
        } else if (*spec == '.' && lm_json_path_next(&path, &step) && lm_str_equal(step, name)) {
            there = lm_json_path_follow(&path, &json);
        }
        if (there) {
            x->used[i] = true;
            v = lm_value_from_json(x->m, json);
        }
    }
    if (!there)
        lm_fail(x->st, LM_FAILED, "there is no field `%s`, which --%s asks for", spec, option);
    return v;
}

/* ---------------------------------------------------------------- messages */

static lm_value message(reader *x, const char *role, lm_value content)
{
    lm_value v = lm_value_dict_new(x->m, LM_VALUE_DICT);
    lm_value_put_name(x->m, v, "role", lm_value_string(lm_str_of(role)));
    lm_value_put_name(x->m, v, "content", content);
    return v;
}

static void push(reader *x, lm_value list, const char *role, lm_value content)
{
    lm_value_push(x->m, list, message(x, role, content));
}

static const char *role_of(lm_str name)
{
    static const struct {
        const char *name, *role;
    } known[] = {{"human", "user"},       {"gpt", "assistant"},
                 {"bot", "assistant"},    {"chatgpt", "assistant"},
                 {"bard", "assistant"},   {"bing", "assistant"},
                 {"model", "assistant"},  {"ai", "assistant"},
                 {"observation", "tool"}, {"function_response", "tool"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (lm_str_is(name, known[i].name))
            return known[i].role;
    return NULL;
}

/* A call, or a list of calls, as ShareGPT's function_call writes it, in the form of tool_calls. */
static lm_value function_calls(reader *x, lm_value value)
{
    lm_value given = unfold(x, value), calls = lm_value_list_new(x->m, LM_IS_LIST, 1);
    lm_value m = message(x, "assistant", lm_value_string(lm_str_of("")));
    lm_value list = given;
    if (given.kind == LM_VALUE_DICT) {
        list = lm_value_list_new(x->m, LM_IS_LIST, 1);
        lm_value_push(x->m, list, given);
    }
    if (list.kind != LM_VALUE_LIST)
        return message(x, "assistant", value);
    for (size_t i = 0; i < list.list->count; i++) {
        lm_value call = lm_value_dict_new(x->m, LM_VALUE_DICT);
        lm_value_put_name(x->m, call, "type", lm_value_string(lm_str_of("function")));
        lm_value_put_name(x->m, call, "function", list.list->items[i]);
        lm_value_push(x->m, calls, call);
    }
    lm_value_put_name(x->m, m, "tool_calls", calls);
    return m;
}

/* {from, value} as {role, content}; what is in this form already stays as it is. */
static bool one_message(reader *x, lm_value item, lm_value *out)
{
    if (item.kind != LM_VALUE_DICT)
        return fail(x, "a message is no object with role and content");
    const lm_value *role = lm_value_find_name(item, "role"), *content = lm_value_find_name(item, "content");
    bool share = !role;
    if (share) {
        role = lm_value_find_name(item, "from");
        content = lm_value_find_name(item, "value");
    }
    if (!role || role->kind != LM_VALUE_STRING)
        return fail(x, "a message says not who speaks: it needs `role` (or `from`)");
    if (!content && !lm_value_find_name(item, "tool_calls"))
        return fail(x, "a message has no words: it needs `content` (or `value`)");
    const char *known = role_of(role->text);
    *out = item;
    if (share && lm_str_is(role->text, "function_call")) {
        *out = function_calls(x, *content);
    } else if (share || known) {
        *out = lm_value_dict_new(x->m, LM_VALUE_DICT);
        lm_value_put_name(x->m, *out, "role", known ? lm_value_string(lm_str_of(known)) : *role);
        if (content)
            lm_value_put_name(x->m, *out, "content", *content);
        for (size_t i = 0; i < item.dict->count; i++) {
            lm_str name = item.dict->pairs[i].key.text;
            if (!lm_str_is(name, "from") && !lm_str_is(name, "value") && !lm_str_is(name, "role"))
                lm_value_put(x->m, *out, item.dict->pairs[i].key, item.dict->pairs[i].value);
        }
    }
    return true;
}

/* "\n\nHuman: ...\n\nAssistant: ...", the form of a well-known set of preferences; false where it is not
 * that. */
static bool dialogue(reader *x, lm_str s, lm_value out)
{
    static const char *const marks[] = {"\n\nHuman:", "\n\nAssistant:"}, *const roles[] = {"user",
                                                                                           "assistant"};
    int who = -1;
    const char *p = s.data, *end = s.data + s.len, *from = p;
    for (; p <= end; p++) {
        int next = -1;
        for (int i = 0; i < 2; i++)
            if ((size_t)(end - p) >= strlen(marks[i]) && memcmp(p, marks[i], strlen(marks[i])) == 0)
                next = i;
        if (next < 0 && p < end)
            continue;
        if (who < 0 && p != s.data)
            return false;
        if (who >= 0)
            push(x, out, roles[who],
                 lm_value_string(lm_text_trim((lm_str){from, (size_t)(p - from)}, NULL, true, true)));
        if (next < 0)
            break;
        who = next;
        from = p + strlen(marks[next]);
    }
    return who >= 0;
}

/* Whether something that stood in a string is meant as messages: an answer may well be a list of its own. */
static bool is_talk(lm_value v)
{
    if (v.kind == LM_VALUE_DICT)
        return lm_value_find_name(v, "role") || lm_value_find_name(v, "from");
    bool all = v.kind == LM_VALUE_LIST && v.list->count > 0;
    for (size_t i = 0; all && i < v.list->count; i++)
        all = v.list->items[i].kind == LM_VALUE_DICT && is_talk(v.list->items[i]);
    return all;
}

/* Appends the messages of a list, of one message, or of a text that `role` says. */
static bool append(reader *x, lm_value v, const char *role, lm_value out)
{
    lm_value one, inside = unfold(x, v);
    if (!role || is_talk(inside))
        v = inside;
    if (v.kind == LM_VALUE_STRING) {
        if (!role)
            return fail(x, "the messages are no list");
        if (!dialogue(x, v.text, out))
            push(x, out, role, v);
        return lm_ok(x->st);
    }
    if (v.kind == LM_VALUE_DICT) {
        if (one_message(x, v, &one))
            lm_value_push(x->m, out, one);
        return lm_ok(x->st);
    }
    if (v.kind != LM_VALUE_LIST)
        return fail(x, "what should be messages is neither a list nor text");
    for (size_t i = 0; i < v.list->count && lm_ok(x->st); i++)
        if (one_message(x, v.list->items[i], &one))
            lm_value_push(x->m, out, one);
    return lm_ok(x->st);
}

/* ---------------------------------------------------------------- prompts */

static const char message_fields[] = "messages conversations conversation";
static const char prompt_fields[] = "prompt instruction question query";
static const char answer_fields[] = "completion output response answer";

static lm_value joined(reader *x, lm_value a, lm_value b)
{
    char *p = lm_jinja_alloc(x->m, a.text.len + b.text.len + 1, 1);
    if (!lm_ok(x->st))
        return a;
    memcpy(p, a.text.data, a.text.len);
    p[a.text.len] = '\n';
    memcpy(p + a.text.len + 1, b.text.data, b.text.len);
    return lm_value_string((lm_str){p, a.text.len + b.text.len + 1});
}

/* Alpaca's instruction and input are one message, which keeps both for the template that wants them apart. */
static bool append_prompt(reader *x, lm_value prompt, lm_value out)
{
    lm_value history = field_value(x, "history"), input = field_value(x, "input");
    if (prompt.kind == LM_VALUE_STRING && history.kind == LM_VALUE_LIST)
        for (size_t i = 0; i < history.list->count; i++) {
            const lm_value turn = history.list->items[i];
            if (turn.kind != LM_VALUE_LIST || turn.list->count != 2)
                return fail(x, "`history` is no list of pairs");
            push(x, out, "user", turn.list->items[0]);
            push(x, out, "assistant", turn.list->items[1]);
        }
    if (prompt.kind != LM_VALUE_STRING || input.kind != LM_VALUE_STRING || !input.text.len)
        return append(x, prompt, "user", out);
    lm_value m = message(x, "user", joined(x, prompt, input));
    lm_value_put_name(x->m, m, "instruction", prompt);
    lm_value_put_name(x->m, m, "input", input);
    lm_value_push(x->m, out, m);
    return lm_ok(x->st);
}

static bool role_is(lm_value m, const char *role)
{
    const lm_value *r = lm_value_find_name(m, "role");
    return r && r->kind == LM_VALUE_STRING && lm_str_is(r->text, role);
}

/* `system` of the record, or of the options, goes before everything, unless the messages begin with one; then come the options'
 * examples. */
static lm_value with_system(reader *x, lm_value messages)
{
    lm_value system = field_value(x, "system");
    bool begins = messages.list->count && role_is(messages.list->items[0], "system");
    size_t shots = x->o->shot_count, at = 0;
    if (is_blank_value(system) && x->o->system)
        system = lm_value_string(lm_str_of(x->o->system));
    bool has = !begins && system.kind == LM_VALUE_STRING && system.text.len;
    if (!has && !shots)
        return messages;
    lm_value out = lm_value_list_new(x->m, LM_IS_LIST, messages.list->count + 2 * shots + 1);
    if (begins)
        lm_value_push(x->m, out, messages.list->items[at++]);
    if (has)
        push(x, out, "system", system);
    for (size_t i = 0; i < shots && lm_ok(x->st); i++) {
        push(x, out, "user", lm_value_string(x->o->shots[i].prompt));
        push(x, out, "assistant", lm_value_string(x->o->shots[i].answer));
    }
    for (; at < messages.list->count && lm_ok(x->st); at++)
        lm_value_push(x->m, out, messages.list->items[at]);
    return out;
}

/* The messages up to the last one that somebody else than the assistant says. */
static lm_value without_answer(reader *x, lm_value messages)
{
    size_t count = messages.list->count;
    while (count && role_is(messages.list->items[count - 1], "assistant"))
        count--;
    lm_value out = lm_value_list_new(x->m, LM_IS_LIST, count);
    for (size_t i = 0; i < count && lm_ok(x->st); i++)
        lm_value_push(x->m, out, messages.list->items[i]);
    return out;
}

/* ---------------------------------------------------------------- preference pairs */

static void cut_front(reader *x, lm_value *list, size_t n)
{
    lm_value rest = lm_value_list_new(x->m, LM_IS_LIST, 0);
    for (size_t i = n; i < list->list->count; i++)
        lm_value_push(x->m, rest, list->list->items[i]);
    *list = rest;
}

/* What chosen and rejected begin with in common, or the prompt where it is repeated in them, is the prompt.
 */
static bool part_answers(reader *x, lm_conversation *c)
{
    const lm_value_list *a = c->chosen.list, *b = c->rejected.list;
    size_t common = 0, prompt = c->messages.list->count;
    while (common < a->count && common < b->count && lm_value_equal(a->items[common], b->items[common]))
        common++;
    if (prompt == 0) {
        for (size_t i = 0; i < common; i++)
            lm_value_push(x->m, c->messages, a->items[i]);
    } else {
        size_t same = 0;
        while (same < common && same < prompt &&
               lm_value_equal(a->items[same], c->messages.list->items[same]))
            same++;
        common = same == prompt ? prompt : 0;
    }
    cut_front(x, &c->chosen, common);
    cut_front(x, &c->rejected, common);
    if (!lm_ok(x->st))
        return false;
    if (!c->chosen.list->count || !c->rejected.list->count)
        return fail(x, "`chosen` and `rejected` are the same, or one is the beginning of the other");
    return c->messages.list->count > 0 ||
           fail(x, "`chosen` and `rejected` have no prompt, and begin with nothing in common");
}

static bool read_preference(reader *x, lm_value chosen, lm_value rejected, lm_conversation *c)
{
    lm_value talk = first_field(x, message_fields), prompt = lm_value_none();
    c->preference = true;
    c->chosen = lm_value_list_new(x->m, LM_IS_LIST, 0);
    c->rejected = lm_value_list_new(x->m, LM_IS_LIST, 0);
    if (!is_blank_value(talk)) {
        if (!append(x, talk, NULL, c->messages))
            return false;
    } else {
        prompt = first_field(x, prompt_fields);
        if (!is_blank_value(prompt) && !append_prompt(x, prompt, c->messages))
            return false;
    }
    return append(x, chosen, "assistant", c->chosen) && append(x, rejected, "assistant", c->rejected) &&
           part_answers(x, c);
}

/* ---------------------------------------------------------------- records */

static bool read_talk(reader *x, lm_conversation *c)
{
    lm_value talk, prompt, answer;
    if (x->o->text) {
        talk = prompt = chosen_field(x, "text", x->o->text);
        answer = x->o->pair ? chosen_field(x, "pair", x->o->pair) : lm_value_none();
        if (!lm_ok(x->st))
            return false;
        if (!x->o->pair && (talk.kind == LM_VALUE_LIST || is_talk(unfold(x, talk))))
            return append(x, talk, NULL, c->messages);
    } else {
        talk = first_field(x, message_fields);
        if (!is_blank_value(talk))
            return append(x, talk, NULL, c->messages);
        prompt = first_field(x, prompt_fields);
        answer = first_field(x, answer_fields);
    }
    if (is_blank_value(prompt))
        return fail(
            x,
            "no conversation in the record: it needs `messages`, `conversations`, `prompt` and `completion`, "
            "`instruction` and `output`, or `chosen` and `rejected`; or name the fields by --text and "
            "--pair");
    if (!append_prompt(x, prompt, c->messages))
        return false;
    c->first = c->messages.list->count;
    if (is_blank_value(answer))
        c->first = 0;
    return is_blank_value(answer) || append(x, answer, "assistant", c->messages);
}

bool lm_conversation_read(lm_jinja_memory *m, const lm_chat_options *o, const lm_text_record *r,
                          lm_conversation *out, bool *used, lm_status *st)
{
    reader x = {m, r, o, used, st};
    for (size_t i = 0; i < r->field_count; i++)
        used[i] = false;
    *out = (lm_conversation){.messages = lm_value_list_new(m, LM_IS_LIST, 0)};
    lm_value chosen = field_value(&x, "chosen"), rejected = field_value(&x, "rejected");
    bool preference = !is_blank_value(chosen) && !is_blank_value(rejected);
    if (preference ? !read_preference(&x, chosen, rejected, out) : !read_talk(&x, out))
        return false;
    if (o->asks) {
        out->preference = false;
        out->first = 0;
        out->messages = without_answer(&x, out->messages);
    }
    size_t before = out->messages.list->count;
    out->messages = with_system(&x, out->messages);
    out->first += out->first ? out->messages.list->count - before : 0;
    out->tools = unfold(&x, field_value(&x, "tools"));
    out->documents = unfold(&x, field_value(&x, "documents"));
    out->arguments = unfold(&x, field_value(&x, "chat_template_kwargs"));
    return lm_ok(st);
}
