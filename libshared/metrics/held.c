#include "metrics/held.h"

#include "base/memory.h"

#include <stdlib.h>

/* The rows of a record, or the answers of its pairs. */
static void add_rows(lm_held *h, const lm_held_record *r)
{
    const lm_tokens_view *v = &r->view;
    for (int64_t k = 0; k < r->rows; k++) {
        lm_tokens_row *row = &h->rows[h->row_count++];
        lm_tokens_view_row(v, r->pairs ? k % v->n : k, row);
        if (r->pairs)
            *row = lm_tokens_answer_row(row, k < v->n ? &row->chosen : &row->rejected);
        h->tokens += (int64_t)row->len;
    }
}

bool lm_held_add(lm_held *h, const lm_record *record, bool answers, lm_status *st)
{
    LM_GROW(h->records, h->count, h->cap);
    lm_held_record *r = &h->records[h->count];
    *r = (lm_held_record){.record = lm_record_copy(record, st), .row = h->row_count};
    if (!r->record)
        return false;
    h->count++; /* it is freed with the others from here on */
    if (!lm_tokens_view_read(r->record, &r->view, st))
        return false;
    r->pairs = answers && r->view.chosen.ids && r->view.rejected.ids;
    r->rows = r->pairs ? 2 * r->view.n : r->view.n;
    if ((size_t)(h->row_count + r->rows) > h->row_cap) {
        h->row_cap = 2 * (size_t)(h->row_count + r->rows);
        h->rows = lm_realloc(h->rows, h->row_cap, sizeof *h->rows);
    }
    add_rows(h, r);
    for (size_t i = 0; i < record->column_count; i++)
        h->bytes += record->columns[i].bytes;
    return true;
}

void lm_held_clear(lm_held *h)
{
    for (size_t i = 0; i < h->count; i++)
        lm_record_free(h->records[i].record);
    h->count = h->bytes = 0;
    h->row_count = h->tokens = 0;
}

void lm_held_free(lm_held *h)
{
    lm_held_clear(h);
    free(h->records);
    free(h->rows);
}
