/* Records that outlive their reader. */
#include "base/memory.h"
#include "stream/record.h"

#include <stdlib.h>
#include <string.h>

/* The record comes first: a pointer to it is one to the copy. Its columns lie in `data`, and behind them their names. */
typedef struct copy {
    lm_record record;
    json_t *header;
    void *data;
} copy;

enum { ALIGNMENT = 64 };

/* The columns lie in one payload, whose size is limited: neither this nor their sum overflows. */
static size_t round_up(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static size_t name_bytes(const char *name)
{
    return name ? strlen(name) + 1 : 0;
}

/* *at goes on behind it. */
static const char *copy_name(const char *name, char **at)
{
    size_t n = name_bytes(name);
    const char *copied = name ? memcpy(*at, name, n) : NULL;
    *at += n;
    return copied;
}

lm_record *lm_record_copy(const lm_record *r, lm_status *st)
{
    size_t bytes = 0, names = 1;
    for (size_t i = 0; i < r->column_count; i++) {
        bytes += round_up(r->columns[i].bytes);
        names += name_bytes(r->columns[i].name) + name_bytes(r->columns[i].rows);
    }
    char *at = lm_try_malloc(bytes + names, 1, "a record", st);
    if (!at)
        return NULL;
    char *name = at + bytes;
    copy *c = lm_calloc(1, sizeof *c);
    c->header = json_incref(lm_record_header(r));
    c->record = (lm_record){.header = &c->header,
                            .column_count = r->column_count,
                            .n = r->n,
                            .flush = r->flush,
                            .number = r->number};
    c->record.columns = lm_malloc(r->column_count + 1, sizeof *c->record.columns);
    c->data = at;
    for (size_t i = 0; i < r->column_count; i++) {
        const lm_column *from = &r->columns[i];
        lm_column *to = &c->record.columns[i];
        *to = *from;
        to->data = at;
        to->name = copy_name(from->name, &name);
        to->rows = copy_name(from->rows, &name);
        if (from->bytes)
            memcpy(at, from->data, from->bytes);
        at += round_up(from->bytes);
    }
    return &c->record;
}

void lm_record_free(lm_record *r)
{
    if (!r)
        return;
    copy *c = (copy *)(void *)r;
    json_decref(c->header);
    free(c->record.columns);
    free(c->data);
    free(c);
}
