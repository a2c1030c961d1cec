#include "stream/sorted.h"

#include "base/atomic.h"
#include "base/memory.h"
#include "base/signals.h"
#include "stream/lines.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SHORT = 32, WRITE_AT_ONCE = 1 << 14, SORTER_FAN_IN = 64, SMALLEST_BUFFER = 1 << 8 };

/* ------------------------------------------------------------------ in memory
 * By the bytes from the highest on, in place ("American flag sort", McIlroy, Bostic and McIlroy 1993). */

static unsigned byte_of(lm_wide x, int byte)
{
    return (unsigned)((byte < 8 ? x.high >> (56 - 8 * byte) : x.low >> (120 - 8 * byte)) & 0xff);
}

static void sort_few(lm_wide *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        lm_wide x = items[i];
        size_t k = i;
        for (; k && lm_wide_before(x, items[k - 1]); k--)
            items[k] = items[k - 1];
        items[k] = x;
    }
}

static void sort_from(lm_wide *items, size_t n, int byte)
{
    if (n <= SHORT || byte == 16) {
        sort_few(items, n);
        return;
    }
    size_t ends[256] = {0}, at[256], from = 0;
    for (size_t i = 0; i < n; i++)
        ends[byte_of(items[i], byte)]++;
    for (int b = 0; b < 256; b++) {
        at[b] = from;
        from += ends[b];
        ends[b] = from;
    }
    for (unsigned b = 0; b < 256; b++) {
        while (at[b] < ends[b]) {
            lm_wide x = items[at[b]];
            for (unsigned to; (to = byte_of(x, byte)) != b;) {
                lm_wide other = items[at[to]];
                items[at[to]++] = x;
                x = other;
            }
            items[at[b]++] = x;
        }
    }
    from = 0;
    for (int b = 0; b < 256; b++) {
        sort_from(items + from, ends[b] - from, byte + 1);
        from = ends[b];
    }
}

void lm_wide_sort(lm_wide *items, size_t n)
{
    sort_from(items, n, 0);
}

/* ------------------------------------------------------------------ runs */

static void run_free(lm_run *run)
{
    if (run->items)
        munmap((void *)run->items, run->count * sizeof *run->items);
}

void lm_runs_free(lm_runs *r)
{
    for (size_t i = 0; i < r->count; i++)
        run_free(&r->items[i]);
    free(r->items);
    *r = (lm_runs){.fan_in = r->fan_in};
}

void lm_runs_let_go(const lm_runs *r)
{
    for (size_t i = 0; i < r->count; i++)
        madvise((void *)r->items[i].items, r->items[i].count * sizeof(lm_wide), MADV_DONTNEED);
}

static bool run_map(lm_run *run, int fd, const char *name, lm_status *st)
{
    void *map = mmap(NULL, run->count * sizeof *run->items, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return lm_fail_errno(st, LM_FAILED, "%s: cannot map it", name);
    run->items = map;
    return true;
}

const lm_wide *lm_run_find(const lm_run *run, lm_wide least)
{
    uint64_t low = 0, high = run->count;
    /* High words are spread evenly where they are hashes: the first guesses are by value, each with a margin, and
     * only what they leave is halved. */
    for (uint64_t margin = 64; high - low > 4 * margin; margin *= 16) {
        uint64_t guess = (uint64_t)((unsigned __int128)least.high * run->count >> 64);
        uint64_t from = guess > margin ? guess - margin : 0, to = guess + margin;
        if (from > low && from < high) {
            if (lm_wide_before(run->items[from], least))
                low = from + 1;
            else
                high = from;
        }
        if (to >= low && to < high) {
            if (lm_wide_before(run->items[to], least))
                low = to + 1;
            else
                high = to;
        }
    }
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (lm_wide_before(run->items[middle], least))
            low = middle + 1;
        else
            high = middle;
    }
    return low < run->count ? run->items + low : NULL;
}

/* ------------------------------------------------------------------ merging: a heap of cursors, by their numbers */

typedef struct cursor {
    const lm_wide *at, *end, *resident; /* resident: from where on it has not been given back */
} cursor;

typedef struct merger {
    cursor *heap;
    size_t count;
} merger;

static void sift_down(merger *m, size_t i)
{
    cursor x = m->heap[i];
    for (size_t child; (child = 2 * i + 1) < m->count; i = child) {
        if (child + 1 < m->count && lm_wide_before(*m->heap[child + 1].at, *m->heap[child].at))
            child++;
        if (!lm_wide_before(*m->heap[child].at, *x.at))
            break;
        m->heap[i] = m->heap[child];
    }
    m->heap[i] = x;
}

static void merger_begin(merger *m, const lm_run *runs, size_t count)
{
    *m = (merger){lm_malloc(count + 1, sizeof *m->heap), count};
    for (size_t i = 0; i < count; i++) {
        const lm_wide *items = runs[i].items;
        madvise((void *)items, runs[i].count * sizeof *items, MADV_SEQUENTIAL);
        m->heap[i] = (cursor){items, items + runs[i].count, items};
    }
    for (size_t i = count; i-- > 0;)
        sift_down(m, i);
}

static bool merger_next(merger *m, lm_wide *out)
{
    enum { GIVEN_BACK = 1 << 16 }; /* numbers: whole pages of any size */
    if (!m->count)
        return false;
    cursor *c = &m->heap[0];
    *out = *c->at++;
    if (c->at - c->resident == GIVEN_BACK) {
        madvise((void *)c->resident, GIVEN_BACK * sizeof *c->at, MADV_DONTNEED);
        c->resident = c->at;
    }
    if (c->at == c->end)
        *c = m->heap[--m->count];
    if (m->count)
        sift_down(m, 0);
    return true;
}

/* The last fan_in runs become one. */
static bool merge_last(lm_runs *r, lm_status *st)
{
    lm_run *first = r->items + r->count - r->fan_in, merged = {.tier = first->tier + 1};
    char *name;
    int fd = lm_unlinked_file(&name, st);
    if (fd < 0) {
        free(name);
        return false;
    }
    merger m;
    merger_begin(&m, first, r->fan_in);
    lm_wide *some = lm_malloc(WRITE_AT_ONCE, sizeof *some);
    size_t n = 0;
    for (bool more = true; more && lm_ok(st);) {
        more = merger_next(&m, &some[n]);
        n += more;
        if (n == WRITE_AT_ONCE || !more) {
            lm_write_all(fd, some, n * sizeof *some, name, st);
            merged.count += n;
            n = 0;
            lm_signal_check(st);
        }
    }
    free(some);
    free(m.heap);
    bool ok = lm_ok(st) && run_map(&merged, fd, name, st);
    close(fd);
    free(name);
    if (!ok)
        return false;
    for (size_t i = 0; i < r->fan_in; i++)
        run_free(&first[i]);
    r->count -= r->fan_in;
    r->items[r->count++] = merged;
    return true;
}

bool lm_runs_add(lm_runs *r, const lm_wide *sorted, size_t n, lm_status *st)
{
    char *name;
    int fd = lm_unlinked_file(&name, st);
    lm_run run = {.count = n};
    bool ok = fd >= 0 && lm_write_all(fd, sorted, n * sizeof *sorted, name, st) && run_map(&run, fd, name, st);
    if (fd >= 0)
        close(fd);
    free(name);
    if (!ok)
        return false;
    LM_GROW(r->items, r->count, r->cap);
    r->items[r->count++] = run;
    /* tiers fall from the first run to the last, as the digits of a number */
    while (ok && r->count >= r->fan_in && r->items[r->count - r->fan_in].tier == r->items[r->count - 1].tier)
        ok = merge_last(r, st);
    return ok;
}

/* ------------------------------------------------------------------ the sorter */

struct lm_sorter {
    lm_wide *items;
    size_t count, cap, most, given;
    lm_runs runs;
    merger merger;
};

lm_sorter *lm_sorter_new(size_t memory)
{
    lm_sorter *s = lm_calloc(1, sizeof *s);
    s->most = memory / sizeof *s->items > SMALLEST_BUFFER ? memory / sizeof *s->items : SMALLEST_BUFFER;
    s->runs.fan_in = SORTER_FAN_IN;
    return s;
}

void lm_sorter_free(lm_sorter *s)
{
    if (!s)
        return;
    free(s->items);
    lm_runs_free(&s->runs);
    free(s->merger.heap);
    free(s);
}

static bool spill(lm_sorter *s, lm_status *st)
{
    lm_wide_sort(s->items, s->count);
    bool ok = lm_runs_add(&s->runs, s->items, s->count, st);
    s->count = 0;
    return ok;
}

bool lm_sorter_add(lm_sorter *s, const lm_wide *items, size_t n, lm_status *st)
{
    while (n) {
        if (s->count == s->most && !spill(s, st))
            return false;
        if (s->count == s->cap) {
            s->cap = s->cap ? 2 * s->cap : SMALLEST_BUFFER;
            s->cap = s->cap < s->most ? s->cap : s->most;
            s->items = lm_realloc(s->items, s->cap, sizeof *s->items);
        }
        size_t some = s->cap - s->count < n ? s->cap - s->count : n;
        memcpy(s->items + s->count, items, some * sizeof *items);
        s->count += some;
        items += some;
        n -= some;
    }
    return true;
}

bool lm_sorter_finish(lm_sorter *s, lm_status *st)
{
    if (!s->runs.count) {
        lm_wide_sort(s->items, s->count);
        return true;
    }
    if (s->count && !spill(s, st))
        return false;
    free(s->items);
    s->items = NULL;
    merger_begin(&s->merger, s->runs.items, s->runs.count);
    return true;
}

bool lm_sorter_next(lm_sorter *s, lm_wide *out)
{
    if (s->merger.heap)
        return merger_next(&s->merger, out);
    if (s->given == s->count)
        return false;
    *out = s->items[s->given++];
    return true;
}

bool lm_sorter_on_disk(const lm_sorter *s)
{
    return s->runs.count > 0;
}
