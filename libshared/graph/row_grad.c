#include "graph/row_grad.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

bool lm_row_set_init(lm_row_set *s, int64_t rows, const char *what, lm_status *st)
{
    *s = (lm_row_set){.place = lm_try_calloc((size_t)rows, sizeof *s->place, what, st)};
    return s->place != NULL;
}

void lm_row_set_free(lm_row_set *s)
{
    free(s->place);
    free(s->row);
    *s = (lm_row_set){0};
}

/* Twice the room, or as much as is wanted; -1 = that many rows have no numbers. */
static int grown(int room, int count, int more, const char *what, lm_status *st)
{
    int64_t twice = 2 * (int64_t)room, wanted = (int64_t)count + more;
    if (wanted <= INT32_MAX)
        return twice > wanted && twice <= INT32_MAX ? (int)twice : (int)wanted;
    lm_fail(st, LM_FAILED, "%s: %lld rows at a time: take smaller batches", what, (long long)wanted);
    return -1;
}

/* Moves `count` elements of so many bytes to where there is room for `more`; NULL: they stay. */
static void *moved(void *from, int *room, int count, int more, size_t bytes, const char *what, lm_status *st)
{
    int wanted = grown(*room, count, more, what, st);
    void *to = wanted > 0 ? lm_try_malloc((size_t)wanted, bytes, what, st) : NULL;
    if (!to)
        return NULL;
    if (count)
        memcpy(to, from, (size_t)count * bytes);
    free(from);
    *room = wanted;
    return to;
}

bool lm_row_set_reserve(lm_row_set *s, int more, const char *what, lm_status *st)
{
    if (more <= s->room - s->count)
        return true;
    int32_t *row = moved(s->row, &s->room, s->count, more, sizeof *row, what, st);
    if (row)
        s->row = row;
    return row != NULL;
}

int lm_row_set_add(lm_row_set *s, int32_t row)
{
    if (!s->place[row]) {
        s->row[s->count++] = row;
        s->place[row] = s->count;
    }
    return s->place[row] - 1;
}

void lm_row_set_clear(lm_row_set *s)
{
    for (int i = 0; i < s->count; i++)
        s->place[s->row[i]] = 0;
    s->count = 0;
}

bool lm_rows_reserve(void **values, int *room, int count, int more, size_t bytes, const char *what, lm_status *st)
{
    if (more <= *room - count)
        return true;
    void *larger = moved(*values, room, count, more, bytes, what, st);
    if (larger)
        *values = larger;
    return larger != NULL;
}

lm_row_grad *lm_row_grad_new(int64_t rows, int width, const char *what, lm_status *st)
{
    lm_row_grad *g = lm_calloc(1, sizeof *g);
    g->width = width;
    if (lm_row_set_init(&g->rows, rows, what, st))
        return g;
    free(g);
    return NULL;
}

void lm_row_grad_free(lm_row_grad *g)
{
    if (!g)
        return;
    lm_row_set_free(&g->rows);
    free(g->value);
    free(g);
}

bool lm_row_grad_take(lm_row_grad *g, const int32_t *index, int n, int skip, int32_t *place, const char *what,
                      lm_status *st)
{
    int had = g->rows.count;
    if (!lm_row_set_reserve(&g->rows, n, what, st))
        return false;
    for (int i = 0; i < n; i++)
        place[i] = index[i] < 0 || index[i] == skip ? -1 : lm_row_set_add(&g->rows, index[i]);
    int fresh = g->rows.count - had;
    void *values = g->value;
    if (!lm_rows_reserve(&values, &g->room, had, fresh, (size_t)g->width * sizeof *g->value, what, st))
        return false;
    g->value = values;
    if (fresh)
        memset(g->value + (size_t)had * (size_t)g->width, 0, (size_t)fresh * (size_t)g->width * sizeof *g->value);
    return true;
}

void lm_row_grad_clear(lm_row_grad *g)
{
    lm_row_set_clear(&g->rows);
}
