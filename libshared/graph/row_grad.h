/* What is kept of a table for some of its rows alone: the gradient of an embedding, of which a step reads few rows, and
 * the optimiser's states of rows that have ever had one. So nothing has to pass over a table of millions of rows. */
#ifndef LM_GRAPH_ROW_GRAD_H
#define LM_GRAPH_ROW_GRAD_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* Rows of a table, in the order in which they came. */
typedef struct lm_row_set {
    int32_t *place; /* [table's rows] 1 + where a row stands in `row`; 0 = it is not here */
    int32_t *row;   /* [count] */
    int count, room;
} lm_row_set;

/* An empty set of rows of a table of so many; `what` names it in a message that there is too little memory. */
bool lm_row_set_init(lm_row_set *s, int64_t rows, const char *what, lm_status *st);
void lm_row_set_free(lm_row_set *s);
/* Where the row stands; it is taken in if it is not here yet. There has to be room. */
int lm_row_set_add(lm_row_set *s, int32_t row);
/* Makes room for so many rows more. */
bool lm_row_set_reserve(lm_row_set *s, int more, const char *what, lm_status *st);
void lm_row_set_clear(lm_row_set *s);

/* *values, `room` rows of so many bytes, grow to `more` rows behind the first `count`, which stay as they are. */
bool lm_rows_reserve(void **values, int *room, int count, int more, size_t bytes, const char *what, lm_status *st);

/* A gradient by rows: value[i] is that of row rows.row[i]; of all others it is zero. */
typedef struct lm_row_grad {
    lm_row_set rows;
    float *value; /* [rows.count, width] */
    int room, width;
} lm_row_grad;

lm_row_grad *lm_row_grad_new(int64_t rows, int width, const char *what, lm_status *st);
void lm_row_grad_free(lm_row_grad *g);
/* Takes in the rows index[0..n), new ones with zeros, and says where each stands in place[i]; -1 where it is negative or
 * `skip`. */
bool lm_row_grad_take(lm_row_grad *g, const int32_t *index, int n, int skip, int32_t *place, const char *what,
                      lm_status *st);
void lm_row_grad_clear(lm_row_grad *g);

#endif
