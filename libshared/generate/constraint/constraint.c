#include "generate/constraint/constraint.h"
#include "base/memory.h"
#include "generate/constraint/pattern.h"
#include "generate/constraint/schema.h"
#include "generate/constraint/byte_trie.h"

#include <math.h>
#include <stdlib.h>

enum {
    EXPRESSIONS_MOST = 2 << 20,
    ROWS_BYTES = 64 << 20,
    MASKS_BYTES = 64 << 20,
    MASKS_LEAST = 64,
    SEARCH_MOST = 10000
};

/* Which states an answer can be finished from with these tokens: only where they lack bytes. */
enum { LIFE_UNKNOWN, LIFE_YES, LIFE_NO };

/* What is known of states: open addressing. */
typedef struct state_map {
    lm_expr *keys; /* LM_EXPR_NONE = free */
    uint32_t *values;
    uint32_t count, size; /* a power of two */
} state_map;

struct lm_constraint {
    lm_expressions *e;
    lm_expr start;
    lm_token_bytes bytes;
    lm_byte_trie trie;
    int columns;
    size_t words;    /* of a mask */
    uint64_t *stop;  /* the mask of stop tokens */
    uint64_t *masks; /* [mask_cap][words] */
    uint32_t mask_count, mask_cap;
    state_map mask_of; /* state: index of its mask */
    state_map life_of;
};

/* ---------------------------------------------------------------- maps */

static uint32_t *find(const state_map *m, lm_expr key, lm_expr **at)
{
    uint32_t i = key * 0x9E3779B1u & (m->size - 1);
    while (m->keys[i] != LM_EXPR_NONE && m->keys[i] != key)
        i = (i + 1) & (m->size - 1);
    *at = &m->keys[i];
    return &m->values[i];
}

static void map_clear(state_map *m, uint32_t size)
{
    free(m->keys);
    free(m->values);
    *m = (state_map){lm_calloc(size, sizeof *m->keys), lm_calloc(size, sizeof *m->values), 0, size};
}

static void map_free(state_map *m)
{
    free(m->keys);
    free(m->values);
}

/* Where the value of a key is, which is there from now on; 0 at first. */
static uint32_t *value_of(state_map *m, lm_expr key)
{
    lm_expr *at;
    if (2 * (m->count + 1) > m->size) {
        state_map old = *m;
        *m = (state_map){0};
        map_clear(m, 2 * old.size);
        m->count = old.count;
        for (uint32_t i = 0; i < old.size; i++)
            if (old.keys[i] != LM_EXPR_NONE) {
                *find(m, old.keys[i], &at) = old.values[i];
                *at = old.keys[i];
            }
        map_free(&old);
    }
    uint32_t *value = find(m, key, &at);
    m->count += *at == LM_EXPR_NONE;
    *at = key;
    return value;
}

/* ---------------------------------------------------------------- tokens that a state takes */

static bool too_large(const lm_constraint *c, lm_status *st)
{
    lm_expressions_full(c->e, st);
    lm_fail_prefix(st, "the constraint");
    return false;
}

/* Calls take(context, id, state) for the tokens that may follow, with the state behind each; once for those
 * of the same bytes. Ends where it says false. */
typedef bool take_token(void *context, int32_t id, lm_expr state);

static inline __attribute__((always_inline)) bool each_token(lm_constraint *c, lm_expr from, take_token *take,
                                                             void *context, lm_status *st)
{
    const lm_expr **rows = lm_malloc((size_t)c->trie.longest + 1, sizeof *rows);
    const lm_trie_node *nodes = c->trie.nodes;
    bool ok = (rows[0] = lm_expr_after(c->e, from)) != NULL;
    for (uint32_t i = 0; i < c->trie.count && ok;) {
        lm_expr state = rows[nodes[i].depth][nodes[i].byte];
        if (state == LM_EXPR_NONE) {
            i = nodes[i].next;
            continue;
        }
        if (nodes[i].id >= 0 && !take(context, nodes[i].id, state))
            break;
        if (nodes[i].next > i + 1)
            ok = (rows[nodes[i].depth + 1] = lm_expr_after(c->e, state)) != NULL;
        i++;
    }
    free(rows);
    return ok || too_large(c, st);
}

/* States that were come to, and from which, in search of a complete one. */
typedef struct reached {
    lm_constraint *c;
    lm_expr *states;
    size_t *from;
    size_t n, state_cap, from_cap, at;
    bool found;
} reached;

static void reach(reached *r, lm_expr state, size_t from)
{
    LM_GROW(r->states, r->n, r->state_cap);
    LM_GROW(r->from, r->n, r->from_cap);
    r->states[r->n] = state;
    r->from[r->n++] = from;
    *value_of(&r->c->life_of, state) = LIFE_NO; /* unless it turns out otherwise */
}

static bool take_reached(void *context, int32_t id, lm_expr state)
{
    reached *r = context;
    uint32_t known = *value_of(&r->c->life_of, state);
    (void)id;
    r->found = known == LIFE_YES || lm_expr_has_empty(r->c->e, state);
    if (!r->found && known == LIFE_UNKNOWN && r->n < SEARCH_MOST)
        reach(r, state, r->at);
    return !r->found;
}

/* Whether tokens lead from the state to a complete one; what is too far to tell counts as so. */
static bool can_end(lm_constraint *c, lm_expr state, bool *can, lm_status *st)
{
    *can = true;
    if (c->trie.every_byte || lm_expr_has_empty(c->e, state))
        return true;
    uint32_t known = *value_of(&c->life_of, state);
    *can = known == LIFE_YES;
    if (known != LIFE_UNKNOWN)
        return true;
    reached r = {.c = c};
    bool ok = true;
    reach(&r, state, 0);
    for (; r.at < r.n && ok; r.at++)
        if (!(ok = each_token(c, r.states[r.at], take_reached, &r, st)) || r.found)
            break;
    *can = r.found || r.n >= SEARCH_MOST;
    if (*can) {
        for (size_t i = 0; i < r.n; i++)
            *value_of(&c->life_of, r.states[i]) = LIFE_UNKNOWN;
        for (size_t i = r.found ? r.at : 0;; i = r.from[i]) {
            *value_of(&c->life_of, r.states[i]) = LIFE_YES;
            if (i == 0)
                break;
        }
    }
    free(r.states);
    free(r.from);
    return ok;
}

typedef struct marking {
    lm_constraint *c;
    uint64_t *mask;
    lm_status *st;
} marking;

static bool take_marked(void *context, int32_t id, lm_expr state)
{
    marking *m = context;
    bool can;
    if (!can_end(m->c, state, &can, m->st))
        return false;
    for (; can && id >= 0; id = m->c->trie.same[id])
        m->mask[id >> 6] |= UINT64_C(1) << (id & 63);
    return true;
}

static bool make_mask(lm_constraint *c, lm_expr state, uint64_t *mask, lm_status *st)
{
    marking m = {c, mask, st};
    memset(mask, 0, c->words * sizeof *mask);
    if (!each_token(c, state, take_marked, &m, st) || !lm_ok(st))
        return false;
    uint64_t any = 0;
    bool complete = lm_expr_has_empty(c->e, state);
    for (size_t i = 0; i < c->words; i++) {
        mask[i] &= ~c->stop[i];
        if (complete)
            mask[i] |= c->stop[i];
        any |= mask[i];
    }
    return any || complete ||
           lm_fail(st, LM_FAILED,
                   "the tokens of this model cannot write what has to follow: use another tokenizer, or "
                   "another form");
}

/* ---------------------------------------------------------------- the constraint */

lm_constraint_state lm_constraint_start(const lm_constraint *c)
{
    return c->start;
}

bool lm_constraint_complete(const lm_constraint *c, lm_constraint_state state)
{
    return lm_expr_has_empty(c->e, state);
}

const uint64_t *lm_constraint_mask(const lm_constraint *constraint, lm_constraint_state state, lm_status *st)
{
    lm_constraint *c = (lm_constraint *)constraint; /* what is kept does not show */
    lm_expr_forget(c->e, ROWS_BYTES);
    uint32_t *known = value_of(&c->mask_of, state);
    if (*known)
        return c->masks + (size_t)(*known - 1) * c->words;
    if (c->mask_count == c->mask_cap) {
        c->mask_count = 0;
        map_clear(&c->mask_of, c->mask_of.size);
        known = value_of(&c->mask_of, state);
    }
    uint64_t *mask = c->masks + (size_t)c->mask_count * c->words;
    if (!make_mask(c, state, mask, st))
        return NULL;
    *known = ++c->mask_count;
    return mask;
}

bool lm_constraint_full(const lm_constraint *c, lm_constraint_state state, lm_status *st)
{
    if (!lm_constraint_complete(c, state))
        return false;
    const uint64_t *mask = lm_constraint_mask(c, state, st);
    uint64_t any = 0;
    for (size_t w = 0; mask && w < c->words; w++)
        any |= mask[w] & ~c->stop[w];
    return mask && !any;
}

bool lm_constraint_apply(const lm_constraint *c, lm_constraint_state state, float *logits, lm_status *st)
{
    const uint64_t *mask = lm_constraint_mask(c, state, st);
    for (size_t w = 0; mask && w < c->words; w++) {
        size_t first = 64 * w, n = (size_t)c->columns - first < 64 ? (size_t)c->columns - first : 64;
        if (mask[w] == UINT64_MAX)
            continue;
        for (size_t i = 0; i < n; i++)
            logits[first + i] = mask[w] >> i & 1 ? logits[first + i] : -INFINITY;
    }
    return mask != NULL;
}

int lm_constraint_step(const lm_constraint *constraint, lm_constraint_state *state, int32_t id, lm_status *st)
{
    lm_constraint *c = (lm_constraint *)constraint;
    lm_expr at = *state;
    if (id < 0 || id >= c->columns)
        return 0;
    if (c->stop[id >> 6] >> (id & 63) & 1)
        return lm_expr_has_empty(c->e, at);
    lm_str bytes = id < c->bytes.count ? lm_token_bytes_get(&c->bytes, id) : (lm_str){NULL, 0};
    if (bytes.len == 0 || bytes.len > LM_TOKEN_LONGEST)
        return 0;
    lm_expr_forget(c->e, ROWS_BYTES);
    for (size_t i = 0; i < bytes.len && at != LM_EXPR_NONE; i++) {
        const lm_expr *row = lm_expr_after(c->e, at);
        if (!row)
            return too_large(c, st) - 1;
        at = row[(unsigned char)bytes.data[i]];
    }
    bool can = at != LM_EXPR_NONE;
    if (can && !can_end(c, at, &can, st))
        return -1;
    if (can)
        *state = at;
    return can;
}

/* The same texts, before any of which a space may stand, and has to where it begins with one: the first one
 * is dropped. */
static lm_expr behind_space(lm_expressions *e, lm_expr all)
{
    lm_expr ways[258] = {lm_expr_then(e, lm_expr_text(e, lm_str_of(" ")), all),
                         lm_expr_has_empty(e, all) ? LM_EXPR_EMPTY : LM_EXPR_NONE};
    const lm_expr *row = lm_expr_after(e, all);
    for (int b = 0; row && b < 256; b++) {
        char byte = (char)b;
        ways[2 + b] = b == ' ' ? LM_EXPR_NONE : lm_expr_then(e, lm_expr_text(e, (lm_str){&byte, 1}), row[b]);
    }
    return lm_expr_any_of(e, ways, 258);
}

/* What is to be written, without the tokens that write it. */
static bool make_expression(lm_constraint *c, const lm_constraint_options *o, lm_status *st)
{
    lm_classes classes = {.use = LM_PATTERN_WHOLE};
    c->start =
        o->regex.data ? lm_expr_pattern(c->e, &classes, o->regex, st) : lm_expr_schema(c->e, o->schema, st);
    lm_classes_free(&classes);
    if (!lm_ok(st) || lm_expressions_full(c->e, st) || !lm_expr_finish(c->e, &c->start, st))
        return false;
    if (c->start == LM_EXPR_NONE)
        return lm_fail(st, LM_FAILED, "nothing meets it: it wants what it forbids");
    if (c->start == LM_EXPR_EMPTY)
        return lm_fail(st, LM_FAILED, "only an empty answer meets it");
    if (o->begins && c->bytes.drops_space)
        c->start = behind_space(c->e, c->start);
    return !lm_expressions_full(c->e, st);
}

static void allocate(lm_constraint *c, const lm_constraint_options *o)
{
    c->columns = o->columns;
    c->words = ((size_t)o->columns + 63) / 64;
    c->stop = lm_calloc(c->words, sizeof *c->stop);
    for (int i = 0; i < o->stop_count; i++)
        if (o->stop[i] >= 0 && o->stop[i] < o->columns)
            c->stop[o->stop[i] >> 6] |= UINT64_C(1) << (o->stop[i] & 63);
    size_t fit = MASKS_BYTES / (c->words * sizeof *c->masks);
    c->mask_cap = fit < MASKS_LEAST ? MASKS_LEAST : (uint32_t)fit;
    c->masks = lm_malloc((size_t)c->mask_cap * c->words, sizeof *c->masks);
    map_clear(&c->mask_of, 256);
    map_clear(&c->life_of, 256);
}

lm_constraint *lm_constraint_new(const lm_constraint_options *o, lm_status *st)
{
    lm_constraint *c = lm_calloc(1, sizeof *c);
    c->e = lm_expressions_new(EXPRESSIONS_MOST);
    if (lm_token_bytes_read(&c->bytes, o->tokenizer, st) && make_expression(c, o, st)) {
        bool can;
        lm_byte_trie_make(&c->trie, &c->bytes, o->columns);
        allocate(c, o);
        if (lm_constraint_mask(c, c->start, st) && can_end(c, c->start, &can, st) && !can)
            lm_fail(st, LM_FAILED, "the tokens of this model cannot write any text that meets it");
    }
    if (lm_ok(st))
        return c;
    lm_fail_prefix(st, o->what);
    lm_constraint_free(c);
    return NULL;
}

void lm_constraint_free(lm_constraint *c)
{
    if (!c)
        return;
    lm_expressions_free(c->e);
    lm_token_bytes_free(&c->bytes);
    lm_byte_trie_free(&c->trie);
    map_free(&c->mask_of);
    map_free(&c->life_of);
    free(c->stop);
    free(c->masks);
    free(c);
}
