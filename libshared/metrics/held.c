#include "metrics/held.h"

#include "base/memory.h"

#include <stdlib.h>

bool lm_held_add(lm_held *h, const lm_record *record, lm_status *st)
{
    LM_GROW(h->records, h->count, h->cap);
    lm_held_record *r = &h->records[h->count];
    *r = (lm_held_record){.record = lm_record_copy(record, st), .row = h->row_count};
    if (!r->record)
        return false;
    h->count++; /* it is freed with the others from here on */
    if (!lm_tokens_view_read(r->record, &r->view, st))
        return false;
    if ((size_t)(h->row_count + r->view.n) > h->row_cap) {
        h->row_cap = 2 * (size_t)(h->row_count + r->view.n);
        h->rows = lm_realloc(h->rows, h->row_cap, sizeof *h->rows);
    }
    for (int64_t i = 0; i < r->view.n; i++)
        lm_tokens_view_row(&r->view, i, &h->rows[h->row_count++]);
    h->tokens += r->view.tokens;
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
