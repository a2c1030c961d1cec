#include "train/parallel/exchange.h"

#include "base/memory.h"
#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOW = 8, PIECE = 1 << 18, PIECES_MOST = LM_TAG_MAX - LM_TAG_PIECE, CHILDREN_MOST = 32 };

/* Part of a parameter: what travels at a time. Its tag is LM_TAG_PIECE + its place in the list. */
typedef struct piece {
    lm_param *param;
    size_t at, count; /* floats */
} piece;

typedef struct pieces {
    piece *items;
    size_t count, cap;
} pieces;

/* A parameter with a gradient by rows. */
typedef struct table {
    lm_param *param;
    bool lazy;         /* when the list was made; what it is used for may make it dense later, here or elsewhere */
    int32_t *touched;  /* [touched_count] lazy: rows of the last sum, in process 0 */
    int touched_count;
} table;

struct lm_exchange {
    lm_communicator *c;
    int parent; /* -1 = process 0 */
    int child[CHILDREN_MOST], children;
    pieces sums;       /* of gradients, the last parameter's first: about the order in which backward makes them whole */
    pieces values;     /* of weights, in the order in which forward needs them */
    table *tables;
    size_t table_count;
    /* the sum under way */
    size_t whole;                  /* pieces of our own that backward is done with */
    uint64_t expected, begun, added; /* pieces of all children: piece after piece, child after child */
    lm_transfer *arriving[WINDOW];
    bool arrived[WINDOW];
    float *buffer[WINDOW]; /* [piece_room]; NULL until one arrives there */
    size_t piece_room;
    lm_transfer **sending; /* [sums.count] */
    size_t sent, gone;     /* pieces */
    lm_status st;          /* of what has failed during backward */
};

/* ------------------------------------------------------------------ what there is to exchange */

static void add_pieces(pieces *list, lm_param *p, size_t room)
{
    for (size_t at = 0; at < p->elements; at += room) {
        LM_GROW(list->items, list->count, list->cap);
        list->items[list->count++] = (piece){p, at, p->elements - at < room ? p->elements - at : room};
    }
}

/* So large that tags suffice for all of them. */
static size_t room_of_pieces(lm_params *params)
{
    size_t elements = 0, count = lm_params_count(params), room = PIECE;
    for (size_t i = 0; i < count; i++)
        elements += lm_params_at(params, i)->elements;
    while (elements / room + count > PIECES_MOST && room < (size_t)1 << 27)
        room *= 2;
    return room;
}

static void find_place(lm_exchange *e)
{
    int rank = lm_communicator_rank(e->c), size = lm_communicator_size(e->c);
    e->parent = -1;
    for (int step = 1; step < size && e->parent < 0; step *= 2) {
        if (rank & step)
            e->parent = rank - step;
        else if (rank + step < size)
            e->child[e->children++] = rank + step;
    }
}

lm_exchange *lm_exchange_new(lm_communicator *c, lm_params *params, bool all)
{
    lm_exchange *e = lm_calloc(1, sizeof *e);
    size_t count = lm_params_count(params);
    e->c = c;
    e->piece_room = room_of_pieces(params);
    e->tables = lm_calloc(count + 1, sizeof *e->tables);
    find_place(e);
    for (size_t i = 0; i < count; i++) {
        lm_param *p = lm_params_at(params, i);
        if (all || (lm_param_learns(p) && !(p->row_grad && p->lazy)))
            add_pieces(&e->values, p, e->piece_room);
        if (!all && p->row_grad)
            e->tables[e->table_count++] = (table){.param = p, .lazy = p->lazy};
    }
    for (size_t i = count; i-- > 0 && !all;)
        if (lm_params_at(params, i)->grad)
            add_pieces(&e->sums, lm_params_at(params, i), e->piece_room);
    e->sending = lm_calloc(e->sums.count + 1, sizeof(lm_transfer *));
    return e;
}

void lm_exchange_free(lm_exchange *e)
{
    if (!e)
        return;
    for (int i = 0; i < WINDOW; i++)
        free(e->buffer[i]);
    for (size_t i = 0; i < e->table_count; i++)
        free(e->tables[i].touched);
    free(e->tables);
    free(e->sums.items);
    free(e->values.items);
    free(e->sending);
    free(e);
}

/* ------------------------------------------------------------------ gradients */

static float *gradient_of(const piece *p)
{
    return p->param->grad + p->at;
}

/* Receivers for what comes next, as far as the window goes. */
static void expect(lm_exchange *e)
{
    while (e->begun < e->expected && e->begun < e->added + WINDOW && lm_ok(&e->st)) {
        size_t i = (size_t)(e->begun / (uint64_t)e->children), slot = (size_t)(e->begun % WINDOW);
        if (!e->buffer[slot])
            e->buffer[slot] = lm_try_malloc(e->piece_room, sizeof(float), "gradients of other processes", &e->st);
        if (!e->buffer[slot])
            return;
        e->arrived[slot] = false;
        e->arriving[slot] =
            lm_communicator_receive(e->c, e->buffer[slot], e->sums.items[i].count * sizeof(float),
                                    e->child[e->begun % (uint64_t)e->children], LM_TAG_PIECE + (int)i, &e->st);
        e->begun++;
    }
}

/* Moves on what can be moved; whether anything was. */
static bool progress(lm_exchange *e)
{
    bool moved = false;
    expect(e);
    while (e->added < e->begun && lm_ok(&e->st)) {
        size_t i = (size_t)(e->added / (uint64_t)e->children), slot = (size_t)(e->added % WINDOW);
        e->arrived[slot] = e->arrived[slot] || lm_communicator_done(e->c, &e->arriving[slot], &e->st);
        if (!e->arrived[slot] || i >= e->whole)
            break;
        lm_vector_axpy(1, e->buffer[slot], gradient_of(&e->sums.items[i]), e->sums.items[i].count);
        e->added++;
        moved = true;
        expect(e);
    }
    size_t summed = e->children ? (size_t)(e->added / (uint64_t)e->children) : e->whole;
    for (; e->parent >= 0 && e->sent < summed && lm_ok(&e->st); e->sent++, moved = true)
        e->sending[e->sent] =
            lm_communicator_send(e->c, gradient_of(&e->sums.items[e->sent]), e->sums.items[e->sent].count * sizeof(float),
                                 e->parent, LM_TAG_PIECE + (int)e->sent, &e->st);
    for (; e->gone < e->sent && lm_communicator_done(e->c, &e->sending[e->gone], &e->st); e->gone++)
        moved = true;
    return moved;
}

void lm_exchange_begin(lm_exchange *e)
{
    e->whole = e->sent = e->gone = 0;
    e->begun = e->added = 0;
    e->expected = (uint64_t)e->sums.count * (uint64_t)e->children;
    lm_status_clear(&e->st);
    progress(e);
}

void lm_exchange_whole(void *exchange, uint32_t from)
{
    lm_exchange *e = exchange;
    while (e->whole < e->sums.count && e->sums.items[e->whole].param->first_use >= from)
        e->whole++;
    progress(e);
}

/* ------------------------------------------------------------------ tables by rows */

/* Adds the gradients of some rows, which are in the order in which the sender came to them. */
static bool add_rows(lm_param *p, const int32_t *row, const float *value, int count, lm_status *st)
{
    size_t width = (size_t)p->shape.size[1];
    lm_row_grad *g = p->row_grad;
    int32_t *place = lm_try_malloc((size_t)count + 1, sizeof *place, p->name, st);
    bool ok = place && (!g || lm_row_grad_take(g, row, count, -1, place, p->name, st));
    for (int i = 0; ok && i < count; i++) {
        float *to = g ? g->value + (size_t)place[i] * width : p->grad + (size_t)row[i] * width;
        lm_vector_axpy(1, value + (size_t)i * width, to, width);
    }
    free(place);
    return ok;
}

/* Some rows of a table, as a message: their number, which they are, and a vector for each. */
static bool put_rows(lm_exchange *e, int to, const int32_t *row, const float *value, int64_t count, size_t width,
                     lm_status *st)
{
    return lm_communicator_put(e->c, &count, sizeof count, to, LM_TAG_TABLE, st) &&
           lm_communicator_put(e->c, row, (size_t)count * sizeof *row, to, LM_TAG_TABLE, st) &&
           lm_communicator_put(e->c, value, (size_t)count * width * sizeof *value, to, LM_TAG_TABLE, st);
}

static bool get_rows(lm_exchange *e, int from, const lm_param *p, int32_t **row, float **value, int64_t *count, lm_status *st)
{
    size_t width = (size_t)p->shape.size[1];
    *row = NULL;
    *value = NULL;
    if (!lm_communicator_get(e->c, count, sizeof *count, from, LM_TAG_TABLE, st))
        return false;
    if (*count < 0 || *count > p->shape.size[0])
        return lm_fail(st, LM_FAILED, "%s: %lld rows of %lld: the processes are not of one version of lmutils", p->name,
                       (long long)*count, (long long)p->shape.size[0]);
    *row = lm_try_malloc((size_t)*count + 1, sizeof **row, p->name, st);
    *value = *row ? lm_try_malloc((size_t)*count * width + 1, sizeof **value, p->name, st) : NULL;
    bool ok = *value && lm_communicator_get(e->c, *row, (size_t)*count * sizeof **row, from, LM_TAG_TABLE, st) &&
              lm_communicator_get(e->c, *value, (size_t)*count * width * sizeof **value, from, LM_TAG_TABLE, st);
    for (int64_t i = 0; ok && i < *count; i++)
        if ((*row)[i] < 0 || (*row)[i] >= p->shape.size[0])
            ok = lm_fail(st, LM_FAILED, "%s: row %d of %lld", p->name, (int)(*row)[i], (long long)p->shape.size[0]);
    return ok;
}

/* All rows there are: of a table that has turned out to be used as a matrix too (lm_param_dense). */
static int32_t *every_row(const lm_param *p)
{
    int32_t *row = lm_malloc((size_t)p->shape.size[0] + 1, sizeof *row);
    for (int64_t i = 0; i < p->shape.size[0]; i++)
        row[i] = (int32_t)i;
    return row;
}

static bool sum_table(lm_exchange *e, table *t, lm_status *st)
{
    lm_param *p = t->param;
    for (int k = 0; k < e->children; k++) {
        int32_t *row;
        float *value;
        int64_t count;
        bool ok = get_rows(e, e->child[k], p, &row, &value, &count, st) && add_rows(p, row, value, (int)count, st);
        free(row);
        free(value);
        if (!ok)
            return false;
    }
    const lm_row_grad *g = p->row_grad;
    int64_t count = g ? g->rows.count : p->shape.size[0];
    int32_t *all = g ? NULL : every_row(p);
    const int32_t *row = g ? g->rows.row : all;
    bool ok = e->parent < 0 ||
              put_rows(e, e->parent, row, g ? g->value : p->grad, count, (size_t)p->shape.size[1], st);
    if (e->parent < 0 && t->lazy) { /* an update forgets which they were */
        t->touched = lm_realloc(t->touched, (size_t)count + 1, sizeof *t->touched);
        t->touched_count = (int)count;
        if (count)
            memcpy(t->touched, row, (size_t)count * sizeof *t->touched);
    }
    free(all);
    return ok;
}

bool lm_exchange_finish(lm_exchange *e, lm_status *st)
{
    e->whole = e->sums.count;
    while (lm_ok(&e->st) && (e->added < e->expected || (e->parent >= 0 && e->gone < e->sums.count)))
        if (!progress(e) && !lm_communicator_nap(e->c, &e->st))
            break;
    if (!lm_ok(&e->st))
        return lm_fail(st, e->st.code, "%s", e->st.message);
    for (size_t i = 0; i < e->table_count; i++)
        if (!sum_table(e, &e->tables[i], st))
            return false;
    return true;
}

/* ------------------------------------------------------------------ weights */

/* Transfers to the children that are under way, in a ring. */
typedef struct ring {
    lm_transfer *of[4 * WINDOW];
    size_t next;
} ring;

/* Waits for the oldest of the ring's. */
static bool make_place(lm_exchange *e, ring *r, lm_status *st)
{
    lm_transfer **oldest = &r->of[r->next % (sizeof r->of / sizeof *r->of)];
    bool ok = lm_communicator_wait(e->c, *oldest, st);
    *oldest = NULL;
    return ok;
}

static bool pass_on(lm_exchange *e, ring *r, size_t i, lm_status *st)
{
    const piece *p = &e->values.items[i];
    for (int k = 0; k < e->children; k++) {
        if (!make_place(e, r, st))
            return false;
        r->of[r->next++ % (sizeof r->of / sizeof *r->of)] =
            lm_communicator_send(e->c, p->param->value + p->at, p->count * sizeof(float), e->child[k], LM_TAG_PIECE + (int)i, st);
    }
    return lm_ok(st);
}

static bool spread_values(lm_exchange *e, lm_status *st)
{
    ring going = {0};
    lm_transfer *coming[WINDOW];
    for (size_t begun = 0, i = 0; i < e->values.count; i++) {
        for (; e->parent >= 0 && begun < e->values.count && begun < i + WINDOW; begun++) {
            const piece *p = &e->values.items[begun];
            coming[begun % WINDOW] = lm_communicator_receive(e->c, p->param->value + p->at, p->count * sizeof(float),
                                                             e->parent, LM_TAG_PIECE + (int)begun, st);
        }
        if ((e->parent >= 0 && !lm_communicator_wait(e->c, coming[i % WINDOW], st)) || !pass_on(e, &going, i, st))
            return false;
    }
    for (size_t i = 0; i < sizeof going.of / sizeof *going.of; i++, going.next++)
        if (!make_place(e, &going, st))
            return false;
    return lm_ok(st);
}

static bool spread_rows(lm_exchange *e, const table *t, lm_status *st)
{
    lm_param *p = t->param;
    size_t width = (size_t)p->shape.size[1];
    int32_t *row = NULL;
    float *value = NULL;
    int64_t count = t->touched_count;
    if (e->parent >= 0) {
        if (get_rows(e, e->parent, p, &row, &value, &count, st))
            for (int64_t i = 0; i < count; i++)
                memcpy(p->value + (size_t)row[i] * width, value + (size_t)i * width, width * sizeof *value);
    } else {
        value = lm_try_malloc((size_t)count * width + 1, sizeof *value, p->name, st);
        for (int64_t i = 0; value && i < count; i++)
            memcpy(value + (size_t)i * width, p->value + (size_t)t->touched[i] * width, width * sizeof *value);
    }
    for (int k = 0; k < e->children && lm_ok(st); k++)
        put_rows(e, e->child[k], e->parent >= 0 ? row : t->touched, value, count, width, st);
    free(row);
    free(value);
    return lm_ok(st);
}

bool lm_exchange_spread(lm_exchange *e, lm_status *st)
{
    if (!spread_values(e, st))
        return false;
    for (size_t i = 0; i < e->table_count; i++)
        if (e->tables[i].lazy && !spread_rows(e, &e->tables[i], st))
            return false;
    return true;
}
