/* Statements, scopes, macros, and the rendering as a whole. */
#include "base/memory.h"
#include "text/chat/jinja_internal.h"

#include <stdlib.h>

/* How a body ended. */
typedef enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;

static flow run_body(lm_eval *e, const lm_node *first);

/* ---------------------------------------------------------------- scopes */

lm_jinja_scope *lm_jinja_scope_new(lm_eval *e, lm_jinja_scope *parent)
{
    lm_jinja_scope *s = lm_jinja_alloc(e->m, 1, sizeof *s);
    s->parent = parent;
    return s;
}

lm_value *lm_jinja_scope_find(lm_jinja_scope *s, lm_str name)
{
    for (; s; s = s->parent)
        for (size_t i = s->count; i-- > 0;)
            if (lm_str_equal(s->items[i].name, name))
                return &s->items[i].value;
    return NULL;
}

void lm_jinja_scope_set(lm_eval *e, lm_jinja_scope *s, lm_str name, lm_value v)
{
    for (size_t i = 0; i < s->count; i++)
        if (lm_str_equal(s->items[i].name, name)) {
            s->items[i].value = v;
            return;
        }
    if (s->count == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 8;
        lm_variable *items = lm_jinja_alloc(e->m, cap, sizeof *items);
        if (!lm_ok(e->st))
            return;
        if (s->count)
            memcpy(items, s->items, s->count * sizeof *items);
        s->items = items;
        s->cap = cap;
    }
    s->items[s->count++] = (lm_variable){name, v};
}

static void assign_member(lm_eval *e, const lm_node *target, lm_value v)
{
    lm_value *ns = lm_jinja_scope_find(e->scope, target->name);
    if (!ns)
        ns = lm_value_find(e->variables.dict, lm_value_string(target->name));
    if (!ns || ns->kind != LM_VALUE_NAMESPACE)
        lm_eval_fail(e, "%.*s is no namespace: its members cannot be set", (int)target->name.len,
                     target->name.data);
    else
        lm_value_put(e->m, *ns, target->value, v);
}

static void assign(lm_eval *e, const lm_node *target, lm_value v)
{
    if (!lm_ok(e->st))
        return;
    if (target->kind == LM_NODE_NAME) {
        lm_jinja_scope_set(e, e->scope, target->name, v);
    } else if (target->kind == LM_NODE_MEMBER_TARGET) {
        assign_member(e, target, v);
    } else {
        const lm_value_list *items = lm_items_of(e, v);
        size_t i = 0;
        for (const lm_node *n = target->items; n && lm_ok(e->st); n = n->next, i++) {
            if (i >= items->count)
                lm_eval_fail(e, "there are more names than the %zu values for them", items->count);
            else
                assign(e, n, items->items[i]);
        }
        if (lm_ok(e->st) && i < items->count)
            lm_eval_fail(e, "there are %zu values for %zu names", items->count, i);
    }
}

/* ---------------------------------------------------------------- output */

static void put(lm_eval *e, lm_str s)
{
    if (s.len > e->run->limits.output - e->out->len)
        lm_eval_fail(e, "the text becomes longer than %zu MiB", e->run->limits.output >> 20);
    else if (lm_eval_step(e, s.len / 64))
        lm_buf_append(e->out, s.data, s.len);
}

static void print(lm_eval *e, lm_value v)
{
    if (v.kind == LM_VALUE_STRING) {
        put(e, v.text);
        return;
    }
    lm_buf b = {0};
    lm_value_print(v, &b);
    put(e, lm_buf_str(&b));
    lm_buf_free(&b);
}

/* What a body writes, as a value, in a scope of its own. */
static lm_value capture(lm_eval *e, const lm_node *body, lm_jinja_scope *scope)
{
    lm_buf text = {0}, *out = e->out;
    lm_jinja_scope *outside = e->scope;
    e->out = &text;
    e->scope = scope;
    e->capturing++;
    lm_execute(e, body);
    e->capturing--;
    e->scope = outside;
    e->out = out;
    return lm_value_from_buf(e, &text);
}

static void run_generation(lm_eval *e, const lm_node *n)
{
    lm_jinja_run *r = e->run;
    size_t from = e->out->len;
    lm_jinja_scope *outside = e->scope;
    e->scope = lm_jinja_scope_new(e, outside);
    lm_execute(e, n->body);
    e->scope = outside;
    if (e->capturing) {
        r->spans_lost = true;
        return;
    }
    LM_GROW(r->spans, r->span_count, r->span_cap);
    r->spans[r->span_count++] = (lm_jinja_span){from, e->out->len};
}

/* ---------------------------------------------------------------- macros */

static lm_value macro(lm_eval *e, const lm_node *n, lm_jinja_scope *scope)
{
    lm_function *f = lm_jinja_alloc(e->m, 1, sizeof *f);
    *f = (lm_function){.macro = n, .scope = scope, .name = n->name.data ? n->name : lm_str_of("caller")};
    return (lm_value){.kind = LM_VALUE_FUNCTION, .function = f};
}

static lm_value *named_argument(const lm_call *call, lm_str name)
{
    for (size_t i = 0; i < call->named_count; i++)
        if (lm_str_equal(lm_value_text(call->named[i].key), name))
            return &call->named[i].value;
    return NULL;
}

/* Positional arguments beyond the parameters, and named ones that are none, if the body asks for them. */
static void bind_rest(lm_eval *e, const lm_function *f, const lm_call *call, size_t parameters,
                      lm_jinja_scope *scope)
{
    const lm_node *n = f->macro;
    lm_value rest = lm_value_list_new(e->m, LM_IS_TUPLE, 0), names = lm_value_dict_new(e->m, LM_VALUE_DICT);
    for (size_t i = parameters; i < call->count; i++)
        lm_value_push(e->m, rest, call->args[i]);
    for (size_t i = 0; i < call->named_count && lm_ok(e->st); i++) {
        const lm_node *p = n->items;
        lm_str name = lm_value_text(call->named[i].key);
        while (p && !lm_str_equal(p->name, name))
            p = p->next;
        if (p)
            continue;
        if (lm_str_is(name, "caller") && n->uses & LM_USES_CALLER)
            lm_jinja_scope_set(e, scope, name, call->named[i].value);
        else if (n->uses & LM_USES_KWARGS)
            lm_value_put(e->m, names, call->named[i].key, call->named[i].value);
        else
            lm_eval_fail(e, "the macro %.*s has no parameter '%.*s'", (int)f->name.len, f->name.data,
                         (int)name.len, name.data);
    }
    if (rest.list->count && !(n->uses & LM_USES_VARARGS))
        lm_eval_fail(e, "the macro %.*s takes %zu arguments, not %zu", (int)f->name.len, f->name.data,
                     parameters, call->count);
    if (n->uses & LM_USES_VARARGS)
        lm_jinja_scope_set(e, scope, lm_str_of("varargs"), rest);
    if (n->uses & LM_USES_KWARGS)
        lm_jinja_scope_set(e, scope, lm_str_of("kwargs"), names);
}

lm_value lm_run_macro(lm_eval *e, const lm_function *f, const lm_call *call)
{
    lm_jinja_scope *scope = lm_jinja_scope_new(e, f->scope), *outside = e->scope;
    size_t count = 0;
    if (e->depth > LM_EVAL_DEPTH_MAX - 10)
        return lm_eval_fail(e, "the macro %.*s calls itself without end", (int)f->name.len, f->name.data);
    e->depth += 10;
    for (const lm_node *p = f->macro->items; p && lm_ok(e->st); p = p->next, count++) {
        const lm_value *named = named_argument(call, p->name);
        if (count < call->count) {
            lm_jinja_scope_set(e, scope, p->name, call->args[count]);
        } else if (named) {
            lm_jinja_scope_set(e, scope, p->name, *named);
        } else if (p->a) {
            e->scope = scope;
            lm_jinja_scope_set(e, scope, p->name, lm_evaluate(e, p->a));
            e->scope = outside;
        } else {
            lm_jinja_scope_set(e, scope, p->name,
                               lm_value_undefined(lm_str_of("a parameter of the macro was not given")));
        }
    }
    bind_rest(e, f, call, count, scope);
    lm_value v = lm_ok(e->st) ? capture(e, f->macro->body, scope) : lm_value_none();
    e->depth -= 10;
    return v;
}

static void run_call_block(lm_eval *e, const lm_node *n)
{
    /* the call, with the body as one more argument `caller` */
    lm_node argument = {.kind = LM_NODE_ARGUMENT, .line = n->line, .name = lm_str_of("caller")}, constant,
            call = *n->a;
    constant = (lm_node){.kind = LM_NODE_CONST, .line = n->line, .value = macro(e, n, e->scope)};
    argument.a = &constant;
    argument.next = call.items;
    call.items = &argument;
    print(e, lm_evaluate(e, &call));
}

/* ---------------------------------------------------------------- loops */

static lm_value filtered(lm_eval *e, const lm_node *n, const lm_value_list *items, lm_jinja_scope *scope)
{
    lm_value kept = lm_value_list_new(e->m, LM_IS_LIST, 0);
    for (size_t i = 0; i < items->count && lm_ok(e->st); i++) {
        scope->count = 0;
        assign(e, n->a, items->items[i]);
        if (lm_value_truth(lm_evaluate(e, n->c)) && lm_ok(e->st))
            lm_value_push(e->m, kept, items->items[i]);
    }
    return kept;
}

/* The body for each item; false where there is none. */
static bool run_items(lm_eval *e, const lm_node *n, lm_value over, int depth, lm_jinja_scope *around)
{
    lm_jinja_scope *scope = lm_jinja_scope_new(e, around), *outside = e->scope;
    lm_loop *loop = lm_jinja_alloc(e->m, 1, sizeof *loop);
    lm_value_list *items = lm_items_of(e, over);
    if (!lm_ok(e->st))
        return true;
    e->scope = scope;
    *loop = (lm_loop){.items = {.kind = LM_VALUE_LIST, .list = items},
                      .depth = depth,
                      .changed = lm_value_undefined((lm_str){"", 0}),
                      .node = n->flag ? n : NULL,
                      .scope = around};
    if (n->c)
        loop->items = filtered(e, n, items, scope);
    items = loop->items.list;
    for (; loop->index < items->count && lm_ok(e->st); loop->index++) {
        scope->count = 0;
        lm_jinja_scope_set(e, scope, lm_str_of("loop"), (lm_value){.kind = LM_VALUE_LOOP, .loop = loop});
        assign(e, n->a, items->items[loop->index]);
        if (run_body(e, n->body) == FLOW_BREAK)
            break;
    }
    e->scope = outside;
    return items->count > 0;
}

static void run_for(lm_eval *e, const lm_node *n)
{
    lm_value over = lm_evaluate(e, n->b);
    if (!lm_ok(e->st) || run_items(e, n, over, 0, e->scope) || !n->other)
        return;
    lm_jinja_scope *outside = e->scope;
    e->scope = lm_jinja_scope_new(e, outside);
    lm_execute(e, n->other);
    e->scope = outside;
}

lm_value lm_run_recursion(lm_eval *e, lm_loop *outer, lm_value items)
{
    lm_buf text = {0}, *out = e->out;
    if (!outer->node)
        return lm_eval_fail(e, "the loop calls itself, but is not marked as recursive");
    if (e->depth > LM_EVAL_DEPTH_MAX - 10)
        return lm_eval_fail(e, "the loop calls itself without end");
    e->depth += 10;
    e->out = &text;
    e->capturing++;
    run_items(e, outer->node, items, outer->depth + 1, outer->scope);
    e->capturing--;
    e->out = out;
    e->depth -= 10;
    return lm_value_from_buf(e, &text);
}

/* ---------------------------------------------------------------- statements */

static flow run_if(lm_eval *e, const lm_node *n)
{
    for (;; n = n->other) {
        bool yes = lm_value_truth(lm_evaluate(e, n->a));
        if (!lm_ok(e->st))
            return FLOW_ON;
        if (yes)
            return run_body(e, n->body);
        if (n->flag || !n->other)
            return run_body(e, n->other);
    }
}

static lm_value captured(lm_eval *e, const lm_node *n)
{
    lm_value text = capture(e, n->body, lm_jinja_scope_new(e, e->scope)), hole = e->hole;
    if (!n->b || !lm_ok(e->st))
        return text;
    e->hole = text;
    text = lm_evaluate(e, n->b);
    e->hole = hole;
    return text;
}

static void run_with(lm_eval *e, const lm_node *n)
{
    lm_jinja_scope *scope = lm_jinja_scope_new(e, e->scope), *outside = e->scope;
    for (const lm_node *s = n->items; s && lm_ok(e->st); s = s->next) {
        lm_value v = lm_evaluate(e, s->b);
        e->scope = scope;
        assign(e, s->a, v);
        e->scope = outside;
    }
    e->scope = scope;
    lm_execute(e, n->body);
    e->scope = outside;
}

static flow run_statement(lm_eval *e, const lm_node *n)
{
    switch (n->kind) {
    case LM_NODE_TEXT:
        put(e, n->value.text);
        break;
    case LM_NODE_PRINT:
        print(e, lm_evaluate(e, n->a));
        break;
    case LM_NODE_IF:
        return run_if(e, n);
    case LM_NODE_FOR:
        run_for(e, n);
        break;
    case LM_NODE_SET:
        assign(e, n->a, lm_evaluate(e, n->b));
        break;
    case LM_NODE_SET_BLOCK:
        assign(e, n->a, captured(e, n));
        break;
    case LM_NODE_MACRO:
        lm_jinja_scope_set(e, e->scope, n->name, macro(e, n, e->scope));
        break;
    case LM_NODE_CALL_BLOCK:
        run_call_block(e, n);
        break;
    case LM_NODE_FILTER_BLOCK:
        print(e, captured(e, n));
        break;
    case LM_NODE_WITH:
        run_with(e, n);
        break;
    case LM_NODE_GENERATION:
        run_generation(e, n);
        break;
    case LM_NODE_BREAK:
        return FLOW_BREAK;
    default:
        return FLOW_CONTINUE;
    }
    return FLOW_ON;
}

static flow run_body(lm_eval *e, const lm_node *first)
{
    for (const lm_node *n = first; n && lm_eval_step(e, 0); n = n->next) {
        e->line = n->line;
        flow f = run_statement(e, n);
        if (f != FLOW_ON)
            return f;
    }
    return FLOW_ON;
}

void lm_execute(lm_eval *e, const lm_node *body)
{
    if (run_body(e, body) != FLOW_ON)
        lm_eval_fail(e, "break or continue stands in no loop");
}

/* ---------------------------------------------------------------- renderings */

lm_jinja_run *lm_jinja_run_new(const lm_jinja_limits *limits)
{
    lm_jinja_run *r = lm_calloc(1, sizeof *r);
    r->memory.arena = lm_arena_new(0);
    r->limits = limits ? *limits : (lm_jinja_limits){0};
    r->limits.steps = r->limits.steps ? r->limits.steps : 100000000;
    r->limits.memory = r->limits.memory ? r->limits.memory : (size_t)1 << 30;
    r->limits.output = r->limits.output ? r->limits.output : (size_t)1 << 28;
    r->memory.limit = r->limits.memory;
    r->now = -1;
    return r;
}

void lm_jinja_run_free(lm_jinja_run *r)
{
    if (!r)
        return;
    lm_arena_free(r->memory.arena);
    lm_buf_free(&r->out);
    free(r->spans);
    free(r);
}

void lm_jinja_run_reset(lm_jinja_run *r, lm_status *st)
{
    lm_arena_reset(r->memory.arena);
    r->memory.chunk = NULL;
    r->memory.left = r->memory.used = 0;
    r->memory.status = st;
}

bool lm_jinja_render(const lm_jinja *t, lm_jinja_run *r, lm_value variables, lm_status *st)
{
    lm_eval e = {.t = t, .run = r, .m = &r->memory, .st = st, .variables = variables, .out = &r->out};
    lm_status *around = r->memory.status;
    r->memory.status = st;
    r->out.len = 0;
    r->span_count = 0;
    r->spans_lost = false;
    e.scope = lm_jinja_scope_new(&e, NULL);
    lm_execute(&e, t->body);
    r->memory.status = around;
    return lm_ok(st);
}
