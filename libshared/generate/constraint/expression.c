#include "base/memory.h"
#include "generate/constraint/expression_internal.h"

#include <stdlib.h>

enum { FIRST_BUCKETS = 1 << 10, LISTS_PER_NODE = 16 };

lm_expressions *lm_expressions_new(uint32_t limit)
{
    lm_expressions *e = lm_calloc(1, sizeof *e);
    e->limit = limit;
    e->bucket_count = FIRST_BUCKETS;
    e->buckets = lm_calloc(e->bucket_count, sizeof *e->buckets);
    lm_expr_new(e, &(lm_expr_node){.kind = LM_EXPR_IS_NONE});
    lm_expr_new(e, &(lm_expr_node){.kind = LM_EXPR_IS_EMPTY, .empty = true});
    lm_expr_new(e, &(lm_expr_node){
                       .kind = LM_EXPR_IS_NOT, .first = LM_EXPR_NONE, .empty = true, .life = LM_LIFE_YES});
    return e;
}

void lm_expressions_free(lm_expressions *e)
{
    if (!e)
        return;
    for (uint32_t i = 0; i < e->row_blocks; i++)
        free(e->rows[i]);
    free(e->rows);
    free(e->nodes);
    free(e->buckets);
    free(e->sets);
    free(e->lists);
    free(e->names);
    free(e);
}

bool lm_expressions_full(const lm_expressions *e, lm_status *st)
{
    if (e->full)
        lm_fail(st, LM_FAILED,
                "it can go on in too many ways at a time, or counts too far: bound what is repeated, or "
                "leave the "
                "bounds of what holds repetitions away");
    return e->full;
}

size_t lm_expressions_bytes(const lm_expressions *e)
{
    return e->cap * sizeof *e->nodes + e->bucket_count * sizeof *e->buckets + e->set_cap * sizeof *e->sets +
           e->list_cap * sizeof *e->lists + e->row_blocks * sizeof(lm_expr[LM_ROW_BLOCK][256]);
}

/* ---------------------------------------------------------------- nodes */

static uint32_t mix(uint32_t h, uint32_t v)
{
    h = (h ^ v) * 0x9E3779B1u;
    return h ^ h >> 15;
}

static uint32_t hash(const lm_expressions *e, const lm_expr_node *n)
{
    uint32_t h = mix(n->kind, n->least);
    h = mix(h, n->most);
    if (n->kind != LM_EXPR_IS_OR && n->kind != LM_EXPR_IS_AND)
        return mix(mix(h, n->first), n->second);
    for (uint32_t i = 0; i < n->second; i++)
        h = mix(h, e->lists[n->first + i]);
    return h;
}

static bool same(const lm_expressions *e, const lm_expr_node *a, const lm_expr_node *b)
{
    if (a->kind != b->kind || a->second != b->second || a->least != b->least || a->most != b->most)
        return false;
    if (a->kind != LM_EXPR_IS_OR && a->kind != LM_EXPR_IS_AND)
        return a->first == b->first;
    return memcmp(e->lists + a->first, e->lists + b->first, a->second * sizeof *e->lists) == 0;
}

static void more_buckets(lm_expressions *e)
{
    free(e->buckets);
    e->bucket_count *= 2;
    e->buckets = lm_calloc(e->bucket_count, sizeof *e->buckets);
    for (uint32_t i = 1; i < e->count; i++) {
        uint32_t *bucket = &e->buckets[hash(e, &e->nodes[i]) & (e->bucket_count - 1)];
        e->nodes[i].next = *bucket;
        *bucket = i;
    }
}

lm_expr lm_expr_new(lm_expressions *e, const lm_expr_node *like)
{
    uint32_t *bucket = &e->buckets[hash(e, like) & (e->bucket_count - 1)];
    for (uint32_t i = *bucket; i; i = e->nodes[i].next)
        if (same(e, &e->nodes[i], like))
            return i;
    if (e->count >= e->limit || e->list_count / LISTS_PER_NODE >= e->limit) {
        e->full = true;
        return LM_EXPR_NONE;
    }
    LM_GROW(e->nodes, e->count, e->cap);
    e->nodes[e->count] = *like;
    e->nodes[e->count].next = *bucket;
    *bucket = e->count++;
    if (e->count > e->bucket_count)
        more_buckets(e);
    return e->count - 1;
}

lm_expr lm_expr_bytes(lm_expressions *e, const lm_byte_set *set)
{
    static const lm_byte_set nothing;
    if (memcmp(set, &nothing, sizeof *set) == 0)
        return LM_EXPR_NONE;
    uint32_t i = 0;
    while (i < e->set_count && memcmp(&e->sets[i], set, sizeof *set) != 0)
        i++;
    if (i == e->set_count) {
        LM_GROW(e->sets, e->set_count, e->set_cap);
        e->sets[e->set_count++] = *set;
    }
    return lm_expr_new(e, &(lm_expr_node){.kind = LM_EXPR_IS_BYTES, .first = i});
}

lm_expr lm_expr_text(lm_expressions *e, lm_str text)
{
    lm_expr all = LM_EXPR_EMPTY;
    for (size_t i = text.len; i-- > 0;) {
        lm_byte_set one = {0};
        lm_byte_set_add(&one, (unsigned char)text.data[i], (unsigned char)text.data[i]);
        all = lm_expr_then(e, lm_expr_bytes(e, &one), all);
    }
    return all;
}

/* a is no THEN. */
static lm_expr join(lm_expressions *e, lm_expr a, lm_expr b)
{
    if (a == LM_EXPR_NONE || b == LM_EXPR_NONE)
        return LM_EXPR_NONE;
    if (a == LM_EXPR_EMPTY || b == LM_EXPR_EMPTY)
        return a == LM_EXPR_EMPTY ? b : a;
    const lm_expr_node *x = lm_expr_at(e, a), *y = lm_expr_at(e, b);
    return lm_expr_new(e, &(lm_expr_node){.kind = LM_EXPR_IS_THEN,
                                          .first = a,
                                          .second = b,
                                          .empty = x->empty && y->empty,
                                          .doubted = x->doubted || y->doubted});
}

lm_expr lm_expr_then(lm_expressions *e, lm_expr a, lm_expr b)
{
    if (lm_expr_at(e, a)->kind != LM_EXPR_IS_THEN)
        return join(e, a, b);
    size_t n = 1;
    for (lm_expr i = a; lm_expr_at(e, i)->kind == LM_EXPR_IS_THEN; i = lm_expr_at(e, i)->second)
        n++;
    lm_expr *parts = lm_malloc(n, sizeof *parts);
    for (size_t i = 0; i + 1 < n; i++, a = lm_expr_at(e, a)->second)
        parts[i] = lm_expr_at(e, a)->first;
    parts[n - 1] = a;
    for (size_t i = n; i-- > 0;)
        b = join(e, parts[i], b);
    free(parts);
    return b;
}

lm_expr lm_expr_repeat(lm_expressions *e, lm_expr a, uint32_t least, uint32_t most)
{
    if (most == 0 || a == LM_EXPR_EMPTY)
        return LM_EXPR_EMPTY;
    if (a == LM_EXPR_NONE)
        return least ? LM_EXPR_NONE : LM_EXPR_EMPTY;
    if (least == 1 && most == 1)
        return a;
    const lm_expr_node *x = lm_expr_at(e, a);
    if (x->empty)
        least = 0;
    return lm_expr_new(e, &(lm_expr_node){.kind = LM_EXPR_IS_REPEAT,
                                          .first = a,
                                          .least = least,
                                          .most = most,
                                          .empty = least == 0,
                                          .doubted = x->doubted});
}

lm_expr lm_expr_not(lm_expressions *e, lm_expr a)
{
    const lm_expr_node *x = lm_expr_at(e, a);
    if (x->kind == LM_EXPR_IS_NOT)
        return x->first;
    if (a == LM_EXPR_NONE)
        return LM_EXPR_ANY;
    return lm_expr_new(
        e, &(lm_expr_node){.kind = LM_EXPR_IS_NOT, .first = a, .empty = !x->empty, .doubted = true});
}

lm_expr lm_expr_name(lm_expressions *e, bool has_empty)
{
    LM_GROW(e->names, e->name_count, e->name_cap);
    e->names[e->name_count] = LM_EXPR_NONE;
    return lm_expr_new(
        e, &(lm_expr_node){.kind = LM_EXPR_IS_NAME, .first = e->name_count++, .empty = has_empty});
}

void lm_expr_define(lm_expressions *e, lm_expr name, lm_expr is)
{
    if (lm_expr_at(e, name)->kind == LM_EXPR_IS_NAME) /* or there was no room for it */
        e->names[lm_expr_at(e, name)->first] = is;
}

bool lm_expr_has_empty(const lm_expressions *e, lm_expr a)
{
    return lm_expr_at(e, a)->empty;
}

/* ---------------------------------------------------------------- OR and AND */

static int by_number(const void *a, const void *b)
{
    lm_expr x = *(const lm_expr *)a, y = *(const lm_expr *)b;
    return (x > y) - (x < y);
}

/* Of an OR: single bytes become one set of them. */
static size_t join_bytes(lm_expressions *e, lm_expr *list, size_t n)
{
    lm_byte_set all = {0};
    size_t kept = 0, sets = 0;
    for (size_t i = 0; i < n; i++) {
        const lm_expr_node *x = lm_expr_at(e, list[i]);
        if (x->kind != LM_EXPR_IS_BYTES) {
            list[kept++] = list[i];
            continue;
        }
        sets++;
        for (int k = 0; k < 4; k++)
            all.bits[k] |= e->sets[x->first].bits[k];
    }
    if (sets)
        list[kept++] = lm_expr_bytes(e, &all);
    return kept;
}

static lm_expr of_list(lm_expressions *e, lm_expr_kind kind, lm_expr *list, size_t n)
{
    bool either = kind == LM_EXPR_IS_OR;
    lm_expr neutral = either ? LM_EXPR_NONE : LM_EXPR_ANY, decides = either ? LM_EXPR_ANY : LM_EXPR_NONE;
    if (either)
        n = join_bytes(e, list, n);
    qsort(list, n, sizeof *list, by_number);
    size_t kept = 0;
    bool empty = !either, doubted = !either;
    for (size_t i = 0; i < n; i++) {
        if (list[i] == decides)
            return decides;
        if (list[i] == neutral || (kept && list[kept - 1] == list[i]))
            continue;
        const lm_expr_node *x = lm_expr_at(e, list[i]);
        empty = either ? empty || x->empty : empty && x->empty;
        doubted = doubted || x->doubted;
        list[kept++] = list[i];
    }
    if (kept < 2)
        return kept ? list[0] : neutral;
    if (!either && list[0] == LM_EXPR_EMPTY)
        return empty ? LM_EXPR_EMPTY : LM_EXPR_NONE;
    uint32_t at = e->list_count;
    for (size_t i = 0; i < kept; i++) {
        LM_GROW(e->lists, e->list_count, e->list_cap);
        e->lists[e->list_count++] = list[i];
    }
    uint32_t before = e->count;
    lm_expr made = lm_expr_new(e, &(lm_expr_node){.kind = (uint8_t)kind,
                                                  .first = at,
                                                  .second = (uint32_t)kept,
                                                  .empty = empty,
                                                  .doubted = doubted});
    if (e->count == before) /* it was there */
        e->list_count = at;
    return made;
}

/* Those of that kind with their lists in their place. */
static lm_expr of_all(lm_expressions *e, lm_expr_kind kind, const lm_expr *of, size_t n)
{
    size_t total = 0, k = 0;
    for (size_t i = 0; i < n; i++)
        total += lm_expr_at(e, of[i])->kind == kind ? lm_expr_at(e, of[i])->second : 1;
    lm_expr *list = lm_malloc(total + 1, sizeof *list);
    for (size_t i = 0; i < n; i++) {
        const lm_expr_node *x = lm_expr_at(e, of[i]);
        if (x->kind == kind)
            for (uint32_t j = 0; j < x->second; j++)
                list[k++] = e->lists[x->first + j];
        else
            list[k++] = of[i];
    }
    lm_expr made = of_list(e, kind, list, k);
    free(list);
    return made;
}

lm_expr lm_expr_any_of(lm_expressions *e, const lm_expr *of, size_t n)
{
    return of_all(e, LM_EXPR_IS_OR, of, n);
}

lm_expr lm_expr_all_of(lm_expressions *e, const lm_expr *of, size_t n)
{
    return of_all(e, LM_EXPR_IS_AND, of, n);
}

lm_expr lm_expr_or(lm_expressions *e, lm_expr a, lm_expr b)
{
    return of_all(e, LM_EXPR_IS_OR, (lm_expr[]){a, b}, 2);
}

lm_expr lm_expr_and(lm_expressions *e, lm_expr a, lm_expr b)
{
    return of_all(e, LM_EXPR_IS_AND, (lm_expr[]){a, b}, 2);
}
