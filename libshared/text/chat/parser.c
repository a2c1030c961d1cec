/* Templates and their statements. */
#include "base/memory.h"
#include "text/chat/jinja_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- what expressions share */

lm_node *lm_node_make(lm_parser *p, lm_node_kind kind)
{
    lm_node *n = lm_arena_alloc(p->t->arena, 1, sizeof *n);
    *n = (lm_node){.kind = kind, .line = p->at->line};
    return n;
}

bool lm_parse_fail(lm_parser *p, const char *format, ...)
{
    char why[LM_MESSAGE_MAX / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return lm_fail(p->st, LM_FAILED, "%s:%d: %s", p->t->name, p->at->line, why);
}

bool lm_parse_is(const lm_parser *p, const char *s)
{
    return (p->at->kind == LM_TOKEN_OPERATOR || p->at->kind == LM_TOKEN_NAME) && lm_str_is(p->at->text, s);
}

bool lm_parse_skip(lm_parser *p, const char *s)
{
    if (!lm_parse_is(p, s))
        return false;
    p->at++;
    return true;
}

static void describe(const lm_token *t, lm_buf *out)
{
    switch (t->kind) {
    case LM_TOKEN_END:
        lm_buf_puts(out, "the end of the template");
        break;
    case LM_TOKEN_PRINT_END:
        lm_buf_puts(out, "}}");
        break;
    case LM_TOKEN_BLOCK_END:
        lm_buf_puts(out, "%}");
        break;
    case LM_TOKEN_STRING:
        lm_buf_puts(out, "a string");
        break;
    default:
        lm_buf_printf(out, "'%.*s'", (int)(t->text.len < 60 ? t->text.len : 60), t->text.data);
        break;
    }
}

bool lm_parse_expect(lm_parser *p, const char *s)
{
    if (lm_parse_skip(p, s))
        return true;
    lm_buf found = {0};
    describe(p->at, &found);
    lm_parse_fail(p, "'%s' was expected, not %s", s, lm_buf_cstr(&found));
    lm_buf_free(&found);
    return false;
}

bool lm_parse_deeper(lm_parser *p)
{
    if (p->depth == LM_NESTING_MAX)
        return lm_parse_fail(p, "tags or brackets are nested deeper than %d", LM_NESTING_MAX);
    p->depth++;
    return true;
}

/* ---------------------------------------------------------------- statements */

static bool parse_body(lm_parser *p, lm_node **first, const char *const *ends);

static bool expect_name(lm_parser *p, lm_str *name)
{
    if (p->at->kind != LM_TOKEN_NAME)
        return lm_parse_fail(p, "a name is missing");
    *name = p->at++->text;
    return true;
}

static bool block_end(lm_parser *p)
{
    if (p->at->kind == LM_TOKEN_BLOCK_END) {
        p->at++;
        return true;
    }
    return lm_parse_expect(p, "%}");
}

/* A body up to one of the names; what ended it is then the token in hand. */
static bool body_until(lm_parser *p, lm_node **body, const char *const *ends)
{
    return block_end(p) && parse_body(p, body, ends);
}

static bool simple_body(lm_parser *p, lm_node **body, const char *end)
{
    const char *const ends[] = {end, NULL};
    return body_until(p, body, ends) && lm_parse_expect(p, end) && block_end(p);
}

static lm_node *parse_if(lm_parser *p)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL}, *const end[] = {"endif", NULL};
    lm_node *first = NULL, *last = NULL, **at = &first;
    do { /* at if, or at elif */
        lm_node *n = lm_node_make(p, LM_NODE_IF);
        p->at++;
        n->a = lm_parse_tuple(p, false, NULL);
        if (!n->a || !body_until(p, &n->body, ends))
            return NULL;
        *at = last = n;
        at = &n->other;
    } while (lm_parse_is(p, "elif"));
    last->flag = lm_parse_skip(p, "else");
    if (last->flag && !body_until(p, at, end))
        return NULL;
    return lm_parse_expect(p, "endif") && block_end(p) ? first : NULL;
}

static lm_node *parse_for(lm_parser *p)
{
    static const char *const ends[] = {"else", "endfor", NULL}, *const end[] = {"endfor", NULL};
    lm_node *n = lm_node_make(p, LM_NODE_FOR);
    p->at++;
    n->a = lm_parse_target(p, false, "in");
    if (!n->a || !lm_parse_expect(p, "in"))
        return NULL;
    n->b = lm_parse_tuple(p, false, "recursive");
    if (!n->b || (lm_parse_skip(p, "if") && !(n->c = lm_parse_expression(p, true))))
        return NULL;
    n->flag = lm_parse_skip(p, "recursive");
    if (!body_until(p, &n->body, ends))
        return NULL;
    if (lm_parse_skip(p, "else") && !body_until(p, &n->other, end))
        return NULL;
    return lm_parse_expect(p, "endfor") && block_end(p) ? n : NULL;
}

static lm_node *parse_set(lm_parser *p)
{
    lm_node *n = lm_node_make(p, LM_NODE_SET);
    p->at++;
    n->a = lm_parse_target(p, true, NULL);
    if (!n->a)
        return NULL;
    if (lm_parse_skip(p, "=")) {
        n->b = lm_parse_tuple(p, true, NULL);
        return n->b && block_end(p) ? n : NULL;
    }
    n->kind = LM_NODE_SET_BLOCK;
    if (lm_parse_is(p, "|") && !(n->b = lm_parse_filters(p, lm_node_make(p, LM_NODE_HOLE), true)))
        return NULL;
    return simple_body(p, &n->body, "endset") ? n : NULL;
}

/* (a, b=1) */
static bool parse_parameters(lm_parser *p, lm_node **first)
{
    lm_node **items = first;
    bool defaults = false;
    if (!lm_parse_expect(p, "("))
        return false;
    while (!lm_parse_is(p, ")")) {
        if (*first && !lm_parse_expect(p, ","))
            return false;
        if (lm_parse_is(p, ")"))
            break;
        lm_node *n = lm_node_make(p, LM_NODE_PARAMETER);
        if (!expect_name(p, &n->name))
            return false;
        if (lm_parse_skip(p, "=")) {
            defaults = true;
            if (!(n->a = lm_parse_expression(p, true)))
                return false;
        } else if (defaults) {
            return lm_parse_fail(p, "a parameter without a default follows one that has one");
        }
        *items = n;
        items = &n->next;
    }
    return lm_parse_expect(p, ")");
}

static lm_node *parse_macro(lm_parser *p)
{
    lm_node *n = lm_node_make(p, LM_NODE_MACRO);
    p->at++;
    unsigned before = p->uses;
    if (!expect_name(p, &n->name) || !parse_parameters(p, &n->items))
        return NULL;
    p->uses = 0;
    bool ok = simple_body(p, &n->body, "endmacro");
    n->uses = p->uses;
    p->uses = before;
    return ok ? n : NULL;
}

static lm_node *parse_call_block(lm_parser *p)
{
    lm_node *n = lm_node_make(p, LM_NODE_CALL_BLOCK);
    p->at++;
    if (lm_parse_is(p, "(") && !parse_parameters(p, &n->items))
        return NULL;
    n->a = lm_parse_expression(p, true);
    if (!n->a)
        return NULL;
    if (n->a->kind != LM_NODE_CALL) {
        lm_parse_fail(p, "{%% call needs the call of a macro");
        return NULL;
    }
    return simple_body(p, &n->body, "endcall") ? n : NULL;
}

static lm_node *parse_filter_block(lm_parser *p)
{
    lm_node *n = lm_node_make(p, LM_NODE_FILTER_BLOCK);
    p->at++;
    n->b = lm_parse_filters(p, lm_node_make(p, LM_NODE_HOLE), false);
    return n->b && simple_body(p, &n->body, "endfilter") ? n : NULL;
}

static lm_node *parse_with(lm_parser *p)
{
    lm_node *n = lm_node_make(p, LM_NODE_WITH), **items = &n->items;
    p->at++;
    while (p->at->kind != LM_TOKEN_BLOCK_END) {
        if (n->items && !lm_parse_expect(p, ","))
            return NULL;
        lm_node *s = lm_node_make(p, LM_NODE_SET);
        if (!(s->a = lm_parse_target(p, false, NULL)) || !lm_parse_expect(p, "=") ||
            !(s->b = lm_parse_expression(p, true)))
            return NULL;
        *items = s;
        items = &s->next;
    }
    return simple_body(p, &n->body, "endwith") ? n : NULL;
}

static lm_node *parse_generation(lm_parser *p)
{
    lm_node *n = lm_node_make(p, LM_NODE_GENERATION);
    p->at++;
    p->t->marks_generation = true;
    return simple_body(p, &n->body, "endgeneration") ? n : NULL;
}

static lm_node *parse_jump(lm_parser *p)
{
    lm_node *n = lm_node_make(p, lm_parse_is(p, "break") ? LM_NODE_BREAK : LM_NODE_CONTINUE);
    p->at++;
    return block_end(p) ? n : NULL;
}

static lm_node *parse_statement(lm_parser *p)
{
    static const struct {
        const char *name;
        lm_node *(*parse)(lm_parser *);
    } tags[] = {{"if", parse_if},
                {"for", parse_for},
                {"set", parse_set},
                {"macro", parse_macro},
                {"generation", parse_generation},
                {"break", parse_jump},
                {"continue", parse_jump},
                {"call", parse_call_block},
                {"filter", parse_filter_block},
                {"with", parse_with}};
    lm_node *n = NULL;
    if (!lm_parse_deeper(p))
        return NULL;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (lm_parse_is(p, tags[i].name)) {
            n = tags[i].parse(p);
            p->depth--;
            return n;
        }
    lm_buf found = {0};
    describe(p->at, &found);
    if (p->at->kind == LM_TOKEN_NAME && p->at->text.len > 3 && memcmp(p->at->text.data, "end", 3) == 0)
        lm_parse_fail(p, "{%% %.*s closes what is not open", (int)p->at->text.len, p->at->text.data);
    else
        lm_parse_fail(p, "needs: the tag %s, which chat templates do not have", lm_buf_cstr(&found));
    lm_buf_free(&found);
    return NULL;
}

static lm_node *parse_print(lm_parser *p)
{
    lm_node *n = lm_node_make(p, LM_NODE_PRINT);
    p->at++;
    n->a = lm_parse_tuple(p, true, NULL);
    if (!n->a)
        return NULL;
    if (p->at->kind != LM_TOKEN_PRINT_END) {
        lm_parse_expect(p, "}}");
        return NULL;
    }
    p->at++;
    return n;
}

/* Statements until a block begins with one of `ends` (or, where that is NULL, until the end). */
static bool parse_body(lm_parser *p, lm_node **first, const char *const *ends)
{
    for (;;) {
        lm_node *n = NULL;
        switch (p->at->kind) {
        case LM_TOKEN_DATA:
            n = lm_node_make(p, LM_NODE_TEXT);
            n->value = lm_value_string(p->at++->text);
            break;
        case LM_TOKEN_PRINT:
            n = parse_print(p);
            break;
        case LM_TOKEN_BLOCK:
            p->at++;
            for (size_t i = 0; ends && ends[i]; i++)
                if (lm_parse_is(p, ends[i]))
                    return true;
            n = parse_statement(p);
            break;
        default:
            return !ends ||
                   lm_parse_fail(p, "the template ends within a block: {%% %s %%} is missing", ends[0]);
        }
        if (!n)
            return false;
        *first = n;
        first = &n->next;
    }
}

/* ---------------------------------------------------------------- a template */

lm_jinja *lm_jinja_parse(lm_str source, const char *name, lm_status *st)
{
    lm_jinja *t = lm_calloc(1, sizeof *t);
    t->name = lm_strdup(name);
    t->arena = lm_arena_new(0);
    lm_token *tokens = lm_jinja_tokens(source, name, t->arena, st);
    lm_parser p = {.t = t, .at = tokens, .st = st};
    bool ok = tokens && parse_body(&p, &t->body, NULL);
    free(tokens);
    if (ok)
        return t;
    lm_jinja_free(t);
    return NULL;
}

void lm_jinja_free(lm_jinja *t)
{
    if (!t)
        return;
    lm_arena_free(t->arena);
    free(t->names);
    free(t->name);
    free(t);
}

bool lm_jinja_marks_generation(const lm_jinja *t)
{
    return t->marks_generation;
}

bool lm_jinja_names(const lm_jinja *t, const char *name)
{
    for (size_t i = 0; i < t->name_count; i++)
        if (lm_str_is(t->names[i], name))
            return true;
    return false;
}
