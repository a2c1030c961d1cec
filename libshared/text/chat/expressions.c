/* Expressions, in the order in which Jinja's operators bind: choice, or, and, not, comparison, + -, ~, * / //
 * %, **, sign, and what stands behind a value: members, calls, filters, tests. */
#include "base/memory.h"
#include "text/chat/jinja_internal.h"

#include <errno.h>
#include <stdlib.h>

static lm_node *parse_sign(lm_parser *p, bool filters);

/* ---------------------------------------------------------------- values */

static lm_node *constant(lm_parser *p, lm_value v)
{
    lm_node *n = lm_node_make(p, LM_NODE_CONST);
    n->value = v;
    p->at++;
    return n;
}

static lm_node *parse_number(lm_parser *p)
{
    lm_str s = p->at->text;
    if (p->at->kind == LM_TOKEN_FLOAT)
        return constant(p, lm_value_float(strtod(s.data, NULL)));
    int base = s.len < 3 || s.data[0] != '0' ? 10
               : (s.data[1] | 32) == 'x'     ? 16
               : (s.data[1] | 32) == 'b'     ? 2
               : (s.data[1] | 32) == 'o'     ? 8
                                             : 10;
    char *end;
    errno = 0;
    long long v = strtoll(base == 10 ? s.data : s.data + 2, &end, base);
    if (errno || *end) {
        lm_parse_fail(p, "%s is no integer that can be computed with", s.data);
        return NULL;
    }
    return constant(p, lm_value_int(v));
}

static lm_node *parse_strings(lm_parser *p) /* several beside one another are one */
{
    lm_buf all = {0};
    lm_node *n = lm_node_make(p, LM_NODE_CONST);
    for (; p->at->kind == LM_TOKEN_STRING; p->at++)
        lm_buf_append(&all, p->at->text.data, p->at->text.len);
    n->value =
        lm_value_string((lm_str){lm_arena_strndup(p->t->arena, all.data ? all.data : "", all.len), all.len});
    lm_buf_free(&all);
    return n;
}

static lm_node *parse_name(lm_parser *p)
{
    static const struct {
        const char *spelling[2];
        lm_value_kind kind;
        bool truth;
    } words[] = {{{"true", "True"}, LM_VALUE_BOOL, true},
                 {{"false", "False"}, LM_VALUE_BOOL, false},
                 {{"none", "None"}, LM_VALUE_NONE, false}};
    for (int i = 0; i < 3; i++)
        if (lm_parse_is(p, words[i].spelling[0]) || lm_parse_is(p, words[i].spelling[1]))
            return constant(p, (lm_value){.kind = (uint8_t)words[i].kind, .truth = words[i].truth});
    p->uses |= lm_parse_is(p, "caller")    ? LM_USES_CALLER
               : lm_parse_is(p, "varargs") ? LM_USES_VARARGS
               : lm_parse_is(p, "kwargs")  ? LM_USES_KWARGS
                                           : 0;
    lm_node *n = lm_node_make(p, LM_NODE_NAME);
    n->name = p->at++->text;
    lm_jinja *t = p->t;
    for (size_t i = 0; i < t->name_count; i++)
        if (lm_str_equal(t->names[i], n->name))
            return n;
    LM_GROW(t->names, t->name_count, t->name_cap);
    t->names[t->name_count++] = n->name;
    return n;
}

static lm_node *parse_list(lm_parser *p)
{
    lm_node *n = lm_node_make(p, LM_NODE_LIST), **items = &n->items;
    p->at++;
    while (!lm_parse_is(p, "]")) {
        if (n->items && !lm_parse_expect(p, ","))
            return NULL;
        if (lm_parse_is(p, "]"))
            break;
        if (!(*items = lm_parse_expression(p, true)))
            return NULL;
        items = &(*items)->next;
    }
    return lm_parse_expect(p, "]") ? n : NULL;
}

static lm_node *parse_dict(lm_parser *p)
{
    lm_node *n = lm_node_make(p, LM_NODE_DICT), **items = &n->items;
    p->at++;
    while (!lm_parse_is(p, "}")) {
        if (n->items && !lm_parse_expect(p, ","))
            return NULL;
        if (lm_parse_is(p, "}"))
            break;
        lm_node *pair = lm_node_make(p, LM_NODE_PAIR);
        if (!(pair->a = lm_parse_expression(p, true)) || !lm_parse_expect(p, ":") ||
            !(pair->b = lm_parse_expression(p, true)))
            return NULL;
        *items = pair;
        items = &pair->next;
    }
    return lm_parse_expect(p, "}") ? n : NULL;
}

static lm_node *parse_primary(lm_parser *p)
{
    switch (p->at->kind) {
    case LM_TOKEN_NAME:
        return parse_name(p);
    case LM_TOKEN_STRING:
        return parse_strings(p);
    case LM_TOKEN_INTEGER:
    case LM_TOKEN_FLOAT:
        return parse_number(p);
    default:
        break;
    }
    if (lm_parse_is(p, "["))
        return parse_list(p);
    if (lm_parse_is(p, "{"))
        return parse_dict(p);
    if (lm_parse_skip(p, "(")) {
        lm_node *n = NULL;
        if (lm_parse_is(p, ")"))
            n = lm_node_make(p, LM_NODE_TUPLE);
        else
            n = lm_parse_tuple(p, true, NULL);
        return n && lm_parse_expect(p, ")") ? n : NULL;
    }
    lm_parse_fail(p, "a value is missing");
    return NULL;
}

/* ---------------------------------------------------------------- members, calls, filters, tests */

/* An index, or a slice. */
static lm_node *parse_index(lm_parser *p)
{
    lm_node *parts[3] = {NULL, NULL, NULL}, *n = NULL;
    int i = 0;
    bool slice = false;
    for (;;) {
        if (!lm_parse_is(p, ":") && !lm_parse_is(p, "]") && !lm_parse_is(p, ",") &&
            !(parts[i] = lm_parse_expression(p, true)))
            return NULL;
        if (i == 2 || !lm_parse_skip(p, ":"))
            break;
        slice = true;
        i++;
    }
    if (!slice) {
        if (!parts[0])
            lm_parse_fail(p, "the index is missing");
        return parts[0];
    }
    n = lm_node_make(p, LM_NODE_SLICE);
    n->a = parts[0];
    n->b = parts[1];
    n->c = parts[2];
    return n;
}

static lm_node *parse_subscript(lm_parser *p, lm_node *of)
{
    lm_node *n = lm_node_make(p, LM_NODE_ITEM);
    n->a = of;
    if (lm_parse_skip(p, ".")) {
        if (p->at->kind == LM_TOKEN_NAME) {
            n->kind = LM_NODE_MEMBER;
            n->name = p->at++->text;
            return n;
        }
        if (p->at->kind == LM_TOKEN_INTEGER)
            return (n->b = parse_number(p)) ? n : NULL;
        lm_parse_fail(p, "a name or a number is missing behind the point");
        return NULL;
    }
    p->at++; /* [ */
    if (!(n->b = parse_index(p)))
        return NULL;
    if (lm_parse_is(p, ",")) {
        lm_parse_fail(p, "needs: an index of several parts, which no value of a chat template has");
        return NULL;
    }
    return lm_parse_expect(p, "]") ? n : NULL;
}

lm_node *lm_parse_arguments(lm_parser *p)
{
    lm_node *first = NULL, **items = &first;
    if (!lm_parse_expect(p, "("))
        return NULL;
    while (!lm_parse_is(p, ")")) {
        if (first && !lm_parse_expect(p, ","))
            return NULL;
        if (lm_parse_is(p, ")"))
            break;
        lm_node *n = lm_node_make(p, LM_NODE_ARGUMENT);
        if (lm_parse_skip(p, "*")) {
            n->op = '*';
        } else if (lm_parse_skip(p, "**")) {
            n->op = 'd';
        } else if (p->at->kind == LM_TOKEN_NAME && p->at[1].kind == LM_TOKEN_OPERATOR &&
                   lm_str_is(p->at[1].text, "=")) {
            n->name = p->at->text;
            p->at += 2;
        }
        if (!(n->a = lm_parse_expression(p, true)))
            return NULL;
        *items = n;
        items = &n->next;
    }
    lm_parse_expect(p, ")");
    return first;
}

static lm_node *parse_call(lm_parser *p, lm_node *callee)
{
    lm_node *n = lm_node_make(p, LM_NODE_CALL);
    n->a = callee;
    n->items = lm_parse_arguments(p);
    return lm_ok(p->st) ? n : NULL;
}

static lm_node *parse_suffixes(lm_parser *p, lm_node *n)
{
    while (n && (lm_parse_is(p, ".") || lm_parse_is(p, "[") || lm_parse_is(p, "(")))
        n = lm_parse_is(p, "(") ? parse_call(p, n) : parse_subscript(p, n);
    return n;
}

lm_node *lm_parse_postfix(lm_parser *p)
{
    return parse_suffixes(p, parse_primary(p));
}

lm_node *lm_parse_filters(lm_parser *p, lm_node *over, bool piped)
{
    while (!piped || lm_parse_skip(p, "|")) {
        piped = true;
        lm_node *n = lm_node_make(p, LM_NODE_FILTER);
        if (p->at->kind != LM_TOKEN_NAME) {
            lm_parse_fail(p, "the name of a filter is missing");
            return NULL;
        }
        n->name = p->at++->text;
        n->a = over;
        if (lm_parse_is(p, "("))
            n->items = lm_parse_arguments(p);
        if (!lm_ok(p->st))
            return NULL;
        over = n;
    }
    return over;
}

/* Whether a test without brackets has an argument here: `x is divisibleby 3`. */
static bool is_bare_argument(const lm_parser *p)
{
    switch (p->at->kind) {
    case LM_TOKEN_NAME:
        return !lm_parse_is(p, "else") && !lm_parse_is(p, "or") && !lm_parse_is(p, "and") &&
               !lm_parse_is(p, "if") && !lm_parse_is(p, "is") && !lm_parse_is(p, "not") &&
               !lm_parse_is(p, "in");
    case LM_TOKEN_STRING:
    case LM_TOKEN_INTEGER:
    case LM_TOKEN_FLOAT:
        return true;
    default:
        return lm_parse_is(p, "[") || lm_parse_is(p, "{");
    }
}

static lm_node *parse_test(lm_parser *p, lm_node *of)
{
    lm_node *n = lm_node_make(p, LM_NODE_TEST);
    bool negated = lm_parse_skip(p, "not");
    if (p->at->kind != LM_TOKEN_NAME) {
        lm_parse_fail(p, "the name of a test is missing behind `is`");
        return NULL;
    }
    n->name = p->at++->text;
    n->a = of;
    if (lm_parse_is(p, "(")) {
        n->items = lm_parse_arguments(p);
    } else if (is_bare_argument(p)) {
        n->items = lm_node_make(p, LM_NODE_ARGUMENT);
        n->items->a = lm_parse_postfix(p);
    }
    if (!lm_ok(p->st))
        return NULL;
    if (!negated)
        return n;
    lm_node *not = lm_node_make(p, LM_NODE_NOT);
    not ->a = n;
    return not ;
}

static lm_node *parse_filters_and_tests(lm_parser *p, lm_node *n)
{
    while (n) {
        if (lm_parse_is(p, "|"))
            n = lm_parse_filters(p, n, true);
        else if (lm_parse_skip(p, "is"))
            n = parse_test(p, n);
        else if (lm_parse_is(p, "("))
            n = parse_call(p, n);
        else
            break;
    }
    return n;
}

/* ---------------------------------------------------------------- operators */

static lm_node *parse_signed(lm_parser *p, bool filters)
{
    lm_node *n;
    if (lm_parse_is(p, "-") || lm_parse_is(p, "+")) {
        n = lm_node_make(p, lm_parse_is(p, "-") ? LM_NODE_NEGATIVE : LM_NODE_POSITIVE);
        p->at++;
        if (!(n->a = parse_sign(p, false)))
            return NULL;
    } else {
        n = parse_primary(p);
    }
    n = parse_suffixes(p, n);
    return filters ? parse_filters_and_tests(p, n) : n;
}

static lm_node *parse_sign(lm_parser *p, bool filters)
{
    if (!lm_parse_deeper(p))
        return NULL;
    lm_node *n = parse_signed(p, filters);
    p->depth--;
    return n;
}

static lm_node *parse_power(lm_parser *p)
{
    lm_node *n = parse_sign(p, true);
    while (n && lm_parse_is(p, "**")) {
        lm_node *b = lm_node_make(p, LM_NODE_BINARY);
        p->at++;
        b->op = LM_OP_POWER;
        b->a = n;
        n = (b->b = parse_sign(p, true)) ? b : NULL;
    }
    return n;
}

typedef struct spelling {
    const char *text;
    lm_operator op;
} spelling;

static const spelling products[] = {{"*", LM_OP_MULTIPLY},
                                    {"//", LM_OP_FLOOR_DIVIDE},
                                    {"/", LM_OP_DIVIDE},
                                    {"%", LM_OP_MODULO},
                                    {NULL, LM_OP_ADD}},
                      sums[] = {{"+", LM_OP_ADD}, {"-", LM_OP_SUBTRACT}, {NULL, LM_OP_ADD}},
                      comparisons[] = {{"==", LM_OP_EQUAL},      {"!=", LM_OP_UNEQUAL},
                                       {"<=", LM_OP_LESS_EQUAL}, {">=", LM_OP_GREATER_EQUAL},
                                       {"<", LM_OP_LESS},        {">", LM_OP_GREATER},
                                       {"in", LM_OP_IN},         {NULL, LM_OP_ADD}};

static bool skip_operator(lm_parser *p, const spelling *among, int *op)
{
    for (; among->text; among++)
        if (lm_parse_skip(p, among->text)) {
            *op = among->op;
            return true;
        }
    return false;
}

static lm_node *parse_binary(lm_parser *p, const spelling *operators, lm_node *(*operand)(lm_parser *))
{
    lm_node *n = operand(p);
    int op;
    while (n && skip_operator(p, operators, &op)) {
        lm_node *b = lm_node_make(p, LM_NODE_BINARY);
        b->op = op;
        b->a = n;
        n = (b->b = operand(p)) ? b : NULL;
    }
    return n;
}

static lm_node *parse_product(lm_parser *p)
{
    return parse_binary(p, products, parse_power);
}

static lm_node *parse_concat(lm_parser *p)
{
    lm_node *first = parse_product(p);
    if (!first || !lm_parse_is(p, "~"))
        return first;
    lm_node *n = lm_node_make(p, LM_NODE_CONCAT), **items = &first->next;
    n->items = first;
    while (lm_parse_skip(p, "~")) {
        if (!(*items = parse_product(p)))
            return NULL;
        items = &(*items)->next;
    }
    return n;
}

static lm_node *parse_sum(lm_parser *p)
{
    return parse_binary(p, sums, parse_concat);
}

static lm_node *parse_comparison(lm_parser *p)
{
    lm_node *first = parse_sum(p), *n = NULL, **items = NULL;
    while (first) {
        int op = LM_OP_NOT_IN;
        bool not_in =
            lm_parse_is(p, "not") && p->at[1].kind == LM_TOKEN_NAME && lm_str_is(p->at[1].text, "in");
        if (not_in)
            p->at += 2;
        else if (!skip_operator(p, comparisons, &op))
            break;
        if (!n) {
            n = lm_node_make(p, LM_NODE_COMPARE);
            n->a = first;
            items = &n->items;
        }
        *items = lm_node_make(p, LM_NODE_COMPARISON);
        (*items)->op = op;
        if (!((*items)->a = parse_sum(p)))
            return NULL;
        items = &(*items)->next;
    }
    return n ? n : first;
}

static lm_node *parse_not(lm_parser *p)
{
    if (!lm_parse_is(p, "not"))
        return parse_comparison(p);
    if (!lm_parse_deeper(p))
        return NULL;
    lm_node *n = lm_node_make(p, LM_NODE_NOT);
    p->at++;
    n->a = parse_not(p);
    p->depth--;
    return n->a ? n : NULL;
}

static lm_node *parse_logic(lm_parser *p, bool or)
{
    lm_node *n = or ? parse_logic(p, false) : parse_not(p);
    while (n && lm_parse_skip(p, or ? "or" : "and")) {
        lm_node *b = lm_node_make(p, or ? LM_NODE_OR : LM_NODE_AND);
        b->a = n;
        n = (b->b = or ? parse_logic(p, false) : parse_not(p)) ? b : NULL;
    }
    return n;
}

static lm_node *parse_choice(lm_parser *p)
{
    lm_node *n = parse_logic(p, true);
    while (n && lm_parse_skip(p, "if")) {
        lm_node *c = lm_node_make(p, LM_NODE_CHOICE);
        c->a = n;
        if (!(c->b = parse_logic(p, true)) ||
            (lm_parse_skip(p, "else") && !(c->c = lm_parse_expression(p, true))))
            return NULL;
        n = c;
    }
    return n;
}

lm_node *lm_parse_expression(lm_parser *p, bool choices)
{
    if (!lm_parse_deeper(p))
        return NULL;
    lm_node *n = choices ? parse_choice(p) : parse_logic(p, true);
    p->depth--;
    return n;
}

/* ---------------------------------------------------------------- tuples and targets */

static bool ends_tuple(const lm_parser *p, const char *stop)
{
    return p->at->kind == LM_TOKEN_PRINT_END || p->at->kind == LM_TOKEN_BLOCK_END || lm_parse_is(p, ")") ||
           (stop && lm_parse_is(p, stop));
}

lm_node *lm_parse_tuple(lm_parser *p, bool choices, const char *stop)
{
    lm_node *first = lm_parse_expression(p, choices);
    if (!first || !lm_parse_is(p, ","))
        return first;
    lm_node *n = lm_node_make(p, LM_NODE_TUPLE), **items = &first->next;
    n->items = first;
    while (lm_parse_skip(p, ",") && !ends_tuple(p, stop)) {
        if (!(*items = lm_parse_expression(p, choices)))
            return NULL;
        items = &(*items)->next;
    }
    return n;
}

static lm_node *parse_one_target(lm_parser *p, bool members)
{
    lm_node *n = lm_node_make(p, LM_NODE_NAME);
    if (lm_parse_skip(p, "(")) {
        n = lm_parse_target(p, members, NULL);
        return n && lm_parse_expect(p, ")") ? n : NULL;
    }
    if (p->at->kind != LM_TOKEN_NAME) {
        lm_parse_fail(p, "the name of a variable is missing");
        return NULL;
    }
    n->name = p->at++->text;
    if (members && lm_parse_skip(p, ".")) {
        n->kind = LM_NODE_MEMBER_TARGET;
        if (p->at->kind != LM_TOKEN_NAME) {
            lm_parse_fail(p, "the name of a member is missing");
            return NULL;
        }
        n->value = lm_value_string(p->at++->text);
    }
    return n;
}

lm_node *lm_parse_target(lm_parser *p, bool members, const char *stop)
{
    if (!lm_parse_deeper(p))
        return NULL;
    lm_node *first = parse_one_target(p, members);
    if (first && lm_parse_is(p, ",")) {
        lm_node *n = lm_node_make(p, LM_NODE_TUPLE), **items = &first->next;
        n->items = first;
        while (lm_parse_skip(p, ",") && !ends_tuple(p, stop) && !lm_parse_is(p, "=")) {
            if (!(*items = parse_one_target(p, members)))
                return NULL;
            items = &(*items)->next;
        }
        first = n;
    }
    p->depth--;
    return lm_ok(p->st) ? first : NULL;
}
