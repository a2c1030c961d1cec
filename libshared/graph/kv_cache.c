#include "graph/kv_cache.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

typedef struct page {
    int owners;        /* rows that have it; a page of several is copied before it is written to */
    struct page *next; /* of those that wait */
    _Alignas(64) uint8_t bytes[];
} page;

static page *page_of(uint8_t *bytes)
{
    return (page *)(void *)(bytes - offsetof(page, bytes));
}

/* What one operation remembers: keys and values, or a state. */
typedef struct memory {
    lm_slot at;
    int kv_heads, dim; /* of keys and values; 0 where it is a state */
    lm_dtype type;
    lm_kept *kept;     /* [rows] */
    uint8_t ***pages;  /* [rows] those of kept, to be written to */
    int *room;         /* [rows] of pages */
    page *waiting;     /* pages that no row has */
    size_t page_count; /* with those that wait */
    int width;         /* of a state; 0 where it is keys and values */
    float *state;      /* [rows, width] */
} memory;

struct lm_kv_cache {
    int rows;
    int *length; /* [rows] */
    memory *memories;
    size_t count, cap, last; /* last: found last, since they are asked for in order */
    lm_dtype type;           /* of keys and values that are yet to come */
    bool open;               /* a step has begun to write, and is not finished */
};

lm_kv_cache *lm_kv_cache_new(int rows)
{
    lm_kv_cache *c = lm_calloc(1, sizeof *c);
    c->rows = rows;
    c->type = LM_F32;
    c->length = lm_calloc((size_t)rows, sizeof *c->length);
    return c;
}

void lm_kv_cache_keep_as(lm_kv_cache *c, lm_dtype type)
{
    c->type = type;
}

int lm_kv_cache_rows(const lm_kv_cache *c)
{
    return c->rows;
}

int lm_kv_cache_length(const lm_kv_cache *c, int row)
{
    return c->length[row];
}

static size_t page_bytes(const memory *m)
{
    return sizeof(page) + lm_page_bytes(m->type, m->kv_heads, m->dim);
}

size_t lm_kv_cache_bytes(const lm_kv_cache *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++)
        n += c->memories[i].page_count * page_bytes(&c->memories[i]) +
             (size_t)c->rows * (size_t)c->memories[i].width * sizeof(float);
    return n;
}

/* ------------------------------------------------------------------ pages */

static void leave(memory *m, uint8_t *bytes)
{
    page *p = page_of(bytes);
    if (--p->owners == 0) {
        p->next = m->waiting;
        m->waiting = p;
    }
}

static uint8_t *take(memory *m, lm_status *st)
{
    page *p = m->waiting;
    if (p) {
        m->waiting = p->next;
    } else {
        p = lm_try_malloc(1, page_bytes(m), "the cache of keys and values", st);
        if (!p)
            return NULL;
        m->page_count++;
    }
    p->owners = 1;
    return p->bytes;
}

static int pages_of(const lm_kept *kept)
{
    return (kept->keys + LM_PAGE - 1) / LM_PAGE;
}

static void forget_row(memory *m, int row)
{
    for (int p = 0; p < pages_of(&m->kept[row]); p++)
        leave(m, m->pages[row][p]);
    free(m->pages[row]);
}

/* Leaves the pages that no query from now on sees: the next one is at `keys`. */
static void leave_before(memory *m, int row, int window)
{
    lm_kept *kept = &m->kept[row];
    int gone = window && kept->keys >= window ? (kept->keys - window + 1) / LM_PAGE : 0, all = pages_of(kept);
    if (gone == 0)
        return;
    for (int p = 0; p < gone; p++)
        leave(m, m->pages[row][p]);
    memmove(m->pages[row], m->pages[row] + gone, (size_t)(all - gone) * sizeof *m->pages[row]);
    kept->keys -= gone * LM_PAGE;
}

/* The page that is filled in part must be this row's alone, once it is written to. */
static bool own_last(memory *m, int row, lm_status *st)
{
    const lm_kept *kept = &m->kept[row];
    if (kept->keys % LM_PAGE == 0)
        return true;
    uint8_t **last = &m->pages[row][kept->keys / LM_PAGE];
    if (page_of(*last)->owners == 1)
        return true;
    uint8_t *own = take(m, st);
    if (!own)
        return false;
    memcpy(own, *last, lm_page_bytes(m->type, m->kv_heads, m->dim));
    leave(m, *last);
    *last = own;
    return true;
}

static bool append(memory *m, int row, int count, int window, lm_status *st)
{
    lm_kept *kept = &m->kept[row];
    if (count == 0)
        return true;
    leave_before(m, row, window);
    if (!own_last(m, row, st))
        return false;
    if (count > INT32_MAX - LM_PAGE - kept->keys)
        return lm_fail(st, LM_FAILED, "row %d: more tokens than a cache counts", row);
    int have = pages_of(kept), want = (kept->keys + count + LM_PAGE - 1) / LM_PAGE;
    if (want > m->room[row]) {
        m->room[row] = want > 2 * m->room[row] ? want : 2 * m->room[row];
        m->pages[row] = lm_realloc(m->pages[row], (size_t)m->room[row], sizeof *m->pages[row]);
        kept->pages = m->pages[row];
    }
    for (int p = have; p < want; p++) {
        if ((m->pages[row][p] = take(m, st)))
            continue;
        while (p-- > have)
            leave(m, m->pages[row][p]);
        return false;
    }
    kept->keys += count;
    return true;
}

static void begin_keys(memory *m, int kv_heads, int dim, lm_dtype type, int rows)
{
    m->kv_heads = kv_heads;
    m->dim = dim;
    m->type = type;
    m->kept = lm_calloc((size_t)rows, sizeof *m->kept);
    m->pages = lm_calloc((size_t)rows, sizeof *m->pages);
    m->room = lm_calloc((size_t)rows, sizeof *m->room);
}

/* ------------------------------------------------------------------ rows */

void lm_kv_cache_free(lm_kv_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++) {
        memory *m = &c->memories[i];
        for (int r = 0; m->kv_heads && r < c->rows; r++)
            forget_row(m, r);
        for (page *p = m->waiting, *next; p; p = next) {
            next = p->next;
            free(p);
        }
        free(m->kept);
        free(m->pages);
        free(m->room);
        free(m->state);
    }
    free(c->memories);
    free(c->length);
    free(c);
}

static void select_pages(memory *m, int old_rows, const int32_t *from, int rows)
{
    memory now = *m;
    now.kept = lm_calloc((size_t)rows, sizeof *now.kept);
    now.pages = lm_calloc((size_t)rows, sizeof *now.pages);
    now.room = lm_calloc((size_t)rows, sizeof *now.room);
    for (int i = 0; i < rows; i++) {
        int n = from[i] >= 0 ? pages_of(&m->kept[from[i]]) : 0;
        if (n == 0)
            continue;
        now.room[i] = n;
        now.pages[i] = lm_malloc((size_t)n, sizeof *now.pages[i]);
        for (int p = 0; p < n; p++) {
            now.pages[i][p] = m->pages[from[i]][p];
            page_of(now.pages[i][p])->owners++;
        }
        now.kept[i] = (lm_kept){m->type, m->kept[from[i]].keys, now.pages[i]};
    }
    for (int r = 0; r < old_rows; r++)
        forget_row(m, r);
    now.waiting = m->waiting;
    free(m->kept);
    free(m->pages);
    free(m->room);
    *m = now;
}

static void select_state(memory *m, const int32_t *from, int rows)
{
    size_t width = (size_t)m->width;
    float *now = lm_calloc((size_t)rows, width * sizeof *now);
    for (int i = 0; i < rows; i++)
        if (from[i] >= 0)
            memcpy(now + (size_t)i * width, m->state + (size_t)from[i] * width, width * sizeof *now);
    free(m->state);
    m->state = now;
}

bool lm_kv_cache_select(lm_kv_cache *c, const int32_t *from, int rows, lm_status *st)
{
    bool same = rows == c->rows;
    for (int i = 0; i < rows; i++) {
        if (from[i] < -1 || from[i] >= c->rows)
            return lm_fail(st, LM_FAILED, "row %d is to be row %d of %d: this is a mistake in the program", i,
                           (int)from[i], c->rows);
        same = same && from[i] == i;
    }
    if (same)
        return true;
    int *length = lm_calloc((size_t)rows, sizeof *length);
    for (int i = 0; i < rows; i++)
        length[i] = from[i] >= 0 ? c->length[from[i]] : 0;
    for (size_t i = 0; i < c->count; i++) {
        if (c->memories[i].kv_heads)
            select_pages(&c->memories[i], c->rows, from, rows);
        else
            select_state(&c->memories[i], from, rows);
    }
    free(c->length);
    c->length = length;
    c->rows = rows;
    return true;
}

bool lm_kv_cache_shorten(lm_kv_cache *c, int row, int length, lm_status *st)
{
    int less = c->length[row] - length;
    for (size_t i = 0; i < c->count; i++) {
        if (c->memories[i].width)
            return lm_fail(st, LM_FAILED, "layer %d remembers a state: tokens cannot be taken back from it", c->memories[i].at.layer);
        if (less < 0 || less > c->memories[i].kept[row].keys)
            return lm_fail(st, LM_FAILED, "row %d of %d tokens is to have %d: this is a mistake in the program", row,
                           c->length[row], length);
    }
    for (size_t i = 0; i < c->count; i++) {
        memory *m = &c->memories[i];
        int have = pages_of(&m->kept[row]);
        m->kept[row].keys -= less;
        for (int p = pages_of(&m->kept[row]); p < have; p++)
            leave(m, m->pages[row][p]);
    }
    c->length[row] = length;
    return true;
}

/* ------------------------------------------------------------------ parts */

size_t lm_kv_cache_parts(const lm_kv_cache *c)
{
    return c->count;
}

lm_kv_part lm_kv_cache_part(const lm_kv_cache *c, size_t i, int row, lm_buf *bytes)
{
    const memory *m = &c->memories[i];
    lm_kv_part part = {.layer = m->at.layer, .number = m->at.number, .kv_heads = m->kv_heads, .dim = m->dim, .type = m->type,
                       .width = m->width};
    bytes->len = 0;
    if (m->width)
        lm_buf_append(bytes, (const char *)(m->state + (size_t)row * (size_t)m->width), (size_t)m->width * sizeof *m->state);
    else
        part.keys = m->kept[row].keys;
    for (int p = 0; !m->width && p < pages_of(&m->kept[row]); p++)
        lm_buf_append(bytes, (const char *)m->pages[row][p], lm_page_bytes(m->type, m->kv_heads, m->dim));
    part.bytes = bytes->data;
    part.size = bytes->len;
    return part;
}

static memory *find(lm_kv_cache *c, lm_slot at);

static bool restore_state(memory *m, const lm_kv_part *part)
{
    if ((size_t)part->width > SIZE_MAX / sizeof *m->state || part->size != (size_t)part->width * sizeof *m->state)
        return false;
    m->width = part->width;
    m->state = lm_malloc((size_t)m->width, sizeof *m->state);
    memcpy(m->state, part->bytes, part->size);
    return true;
}

static bool restore_keys(memory *m, const lm_kv_part *part, int length, lm_status *st)
{
    enum { MOST = 1 << 16 }; /* heads, and numbers of each: then a page is less than 2^46 bytes */
    if (part->kv_heads < 1 || part->kv_heads > MOST || part->dim < 1 || part->dim > MOST || part->keys < 0 || part->keys > length)
        return false;
    size_t each = lm_page_bytes(part->type, part->kv_heads, part->dim), pages = ((size_t)part->keys + LM_PAGE - 1) / LM_PAGE;
    if (part->size / each != pages || part->size % each)
        return false;
    begin_keys(m, part->kv_heads, part->dim, part->type, 1);
    m->kept[0].type = m->type;
    if (!append(m, 0, part->keys, 0, st))
        return false;
    for (size_t p = 0; p < pages; p++)
        memcpy(m->pages[0][p], (const char *)part->bytes + p * each, each);
    return true;
}

bool lm_kv_cache_restore(lm_kv_cache *c, int length, const lm_kv_part *parts, size_t count, lm_status *st)
{
    for (size_t i = 0; i < count; i++) {
        memory *m = find(c, (lm_slot){parts[i].layer, parts[i].number});
        if (m->kv_heads || m->width || c->rows != 1)
            return lm_fail(st, LM_FAILED, "layer %d is remembered twice: it is damaged", parts[i].layer);
        if (!parts[i].width && parts[i].type != c->type)
            return lm_fail(st, LM_FAILED, "keys and values are kept as %s there, and as %s here: give the same --kv-type, or remove it",
                           lm_dtype_name(parts[i].type), lm_dtype_name(c->type));
        if (parts[i].width > 0 ? !restore_state(m, &parts[i]) : !restore_keys(m, &parts[i], length, st))
            return lm_fail(st, LM_FAILED, "what layer %d remembers has another size than it says: it is damaged", parts[i].layer);
    }
    c->length[0] = length;
    c->open = false;
    return true;
}

/* ------------------------------------------------------------------ a step */

bool lm_kv_cache_begin(lm_kv_cache *c, lm_status *st)
{
    if (c->open)
        return lm_fail(st, LM_FAILED, "a step before this one failed: begin with an empty cache");
    return true;
}

void lm_kv_cache_advance(lm_kv_cache *c, const int32_t *splits)
{
    for (int r = 0; r < c->rows; r++)
        c->length[r] += splits[r + 1] - splits[r];
    c->open = false;
}

static memory *find(lm_kv_cache *c, lm_slot at)
{
    c->open = true;
    for (size_t i = 0; i < c->count; i++) {
        c->last = c->last + 1 < c->count ? c->last + 1 : 0;
        if (c->memories[c->last].at.layer == at.layer && c->memories[c->last].at.number == at.number)
            return &c->memories[c->last];
    }
    LM_GROW(c->memories, c->count, c->cap);
    c->last = c->count++;
    c->memories[c->last] = (memory){.at = at};
    return &c->memories[c->last];
}

static void *another(lm_slot at, lm_status *st)
{
    lm_fail(st, LM_FAILED, "layer %d does not remember in this step what it did before: is the cache another model's?",
            at.layer);
    return NULL;
}

const lm_kept *lm_kv_cache_keys(lm_kv_cache *c, lm_slot at, int kv_heads, int dim, int window, const int32_t *splits,
                             lm_status *st)
{
    memory *m = find(c, at);
    if (!m->kv_heads && !m->width)
        begin_keys(m, kv_heads, dim, c->type, c->rows);
    if (m->kv_heads != kv_heads || m->dim != dim)
        return another(at, st);
    for (int r = 0; r < c->rows; r++)
        m->kept[r].type = m->type;
    for (int r = 0; r < c->rows; r++)
        if (!append(m, r, splits[r + 1] - splits[r], window, st))
            return NULL;
    return m->kept;
}

float *lm_kv_cache_state(lm_kv_cache *c, lm_slot at, int width, lm_status *st)
{
    memory *m = find(c, at);
    if (!m->kv_heads && !m->width) {
        m->width = width;
        m->state = lm_calloc((size_t)c->rows, (size_t)width * sizeof *m->state);
    }
    return m->width == width ? m->state : another(at, st);
}
