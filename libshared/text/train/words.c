#include "text/train/words.h"

#include "base/atomic.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"
#include "stream/lines.h"
#include "text/train/string_sort.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_AT_ONCE = 1 << 16, WRITE_AT_ONCE = 1 << 18, MOST_RUNS_AT_ONCE = 1024, FEWEST_RUNS_AT_ONCE = 16 };

/* ---------------------------------------------------------------- the log */

static uint64_t log_size(const lm_word_log *l)
{
    return l->flushed + l->buffer.len;
}

static bool log_flush(lm_word_log *l, lm_status *st)
{
    if (!l->fd) {
        int fd = lm_unlinked_file(&l->name, st);
        if (fd < 0)
            return false;
        l->fd = fd + 1;
    }
    if (!lm_write_all(l->fd - 1, l->buffer.data, l->buffer.len, l->name, st))
        return false;
    l->flushed += l->buffer.len;
    lm_buf_free(&l->buffer);
    return true;
}

static bool log_append(lm_word_log *l, const void *bytes, size_t n, lm_status *st)
{
    lm_buf_append(&l->buffer, bytes, n);
    size_t limit = l->fd ? WRITE_AT_ONCE : l->limit;
    return l->buffer.len <= limit || log_flush(l, st);
}

/* What is appended later is read from the same place: nothing that a run holds may stand in a buffer of a
 * file. */
static bool log_end_run(lm_word_log *l, lm_status *st)
{
    return !l->fd || log_flush(l, st);
}

static bool log_read(const lm_word_log *l, uint64_t at, char *to, size_t n, lm_status *st)
{
    if (!l->fd) {
        memcpy(to, l->buffer.data + at, n);
        return true;
    }
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(l->fd - 1, to + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return lm_fail_errno(st, LM_FAILED, "%s: cannot read back", l->name);
        done += (size_t)got;
    }
    return true;
}

static void log_free(lm_word_log *l)
{
    lm_buf_free(&l->buffer);
    if (l->fd)
        close(l->fd - 1);
    free(l->name);
    *l = (lm_word_log){0};
}

/* ---------------------------------------------------------------- words in a log
 * A word is how many bytes it shares with the one before, how many more it has, these, and its count; every
 * LM_WORDS_BLOCK-th shares none, so that reading may begin there. */

enum { VARINT_MAX = 10 };

static size_t put_varint(uint64_t v, unsigned char *out)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        out[n++] = (unsigned char)(v | 0x80);
    out[n++] = (unsigned char)v;
    return n;
}

typedef struct word_writer {
    lm_word_log *log;
    lm_buf last;
    uint64_t n, occurrences;
} word_writer;

static bool write_word(word_writer *w, lm_str word, uint64_t count, lm_status *st)
{
    size_t shared = 0, most = word.len < w->last.len ? word.len : w->last.len;
    if (w->n % LM_WORDS_BLOCK)
        while (shared < most && word.data[shared] == w->last.data[shared])
            shared++;
    unsigned char numbers[3 * VARINT_MAX];
    size_t n = put_varint(shared, numbers);
    n += put_varint(word.len - shared, numbers + n);
    n += put_varint(count, numbers + n);
    w->last.len = shared;
    lm_buf_append(&w->last, word.data + shared, word.len - shared);
    w->n++;
    w->occurrences += count;
    return log_append(w->log, numbers, n, st) &&
           log_append(w->log, word.data + shared, word.len - shared, st);
}

static void read_log(const lm_word_log *log, uint64_t from, uint64_t to, lm_word_reader *r)
{
    *r = (lm_word_reader){.log = log, .at = from, .to = to};
}

void lm_words_read(const lm_words *w, size_t first_block, size_t end_block, lm_word_reader *r)
{
    uint64_t end = log_size(&w->log);
    uint64_t from = first_block < w->block_count ? w->blocks[first_block] : end;
    read_log(&w->log, from, end_block < w->block_count ? w->blocks[end_block] : end, r);
}

/* Has `n` bytes ready in the buffer, or all there are. */
static bool fill(lm_word_reader *r, size_t n, lm_status *st)
{
    if (r->have - r->pos >= n || r->at == r->to)
        return true;
    if (r->have > r->pos)
        memmove(r->buffer, r->buffer + r->pos, r->have - r->pos);
    r->have -= r->pos;
    r->pos = 0;
    size_t want = n > READ_AT_ONCE ? n : READ_AT_ONCE;
    if (want > r->cap) {
        r->buffer = lm_realloc(r->buffer, want, 1);
        r->cap = want;
    }
    size_t more = r->cap - r->have;
    if (more > r->to - r->at)
        more = (size_t)(r->to - r->at);
    if (!log_read(r->log, r->at, r->buffer + r->have, more, st))
        return false;
    r->have += more;
    r->at += more;
    return true;
}

static uint64_t get_varint(lm_word_reader *r)
{
    uint64_t v = 0;
    for (int shift = 0; r->pos < r->have; shift += 7) {
        unsigned char byte = (unsigned char)r->buffer[r->pos++];
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            break;
    }
    return v;
}

int lm_word_reader_next(lm_word_reader *r, lm_status *st)
{
    if (!fill(r, 3 * VARINT_MAX, st))
        return -1;
    if (r->pos == r->have)
        return 0;
    size_t shared = get_varint(r), more = get_varint(r);
    r->count = get_varint(r);
    if (!fill(r, more, st))
        return -1;
    r->word.len = shared;
    lm_buf_append(&r->word, r->buffer + r->pos, more);
    r->pos += more;
    return 1;
}

void lm_word_reader_close(lm_word_reader *r)
{
    free(r->buffer);
    lm_buf_free(&r->word);
    *r = (lm_word_reader){0};
}

void lm_words_free(lm_words *w)
{
    log_free(&w->log);
    free(w->blocks);
    *w = (lm_words){0};
}

/* ---------------------------------------------------------------- counting */

typedef struct run {
    int log;
    uint64_t from, to;
} run;

struct lm_word_counter {
    int threads;
    size_t memory;
    lm_word_counts *tables; /* by thread */
    lm_word_log *logs;
    run **runs;
    size_t *run_count, *run_cap;
};

lm_word_counter *lm_word_counter_new(int threads, size_t memory)
{
    lm_word_counter *c = lm_calloc(1, sizeof *c);
    size_t n = (size_t)threads;
    c->threads = threads;
    c->memory = memory;
    c->tables = lm_calloc(n, sizeof *c->tables);
    c->logs = lm_calloc(n, sizeof *c->logs);
    c->runs = lm_calloc(n, sizeof *c->runs);
    c->run_count = lm_calloc(n, sizeof *c->run_count);
    c->run_cap = lm_calloc(n, sizeof *c->run_cap);
    for (size_t i = 0; i < n; i++)
        c->logs[i].limit = memory / 4 / n; /* half is for the tables, a quarter for the result */
    return c;
}

void lm_word_counter_free(lm_word_counter *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->threads; i++) {
        lm_word_counts_free(&c->tables[i]);
        log_free(&c->logs[i]);
        free(c->runs[i]);
    }
    free(c->tables);
    free(c->logs);
    free(c->runs);
    free(c->run_count);
    free(c->run_cap);
    free(c);
}

lm_word_counts *lm_word_counter_table(lm_word_counter *c, int thread)
{
    return &c->tables[thread];
}

bool lm_word_counter_full(const lm_word_counter *c, int thread)
{
    return lm_word_counts_memory(&c->tables[thread]) >= c->memory / 2 / (size_t)c->threads;
}

bool lm_word_counter_on_disk(const lm_word_counter *c)
{
    for (int i = 0; i < c->threads; i++)
        if (c->logs[i].fd)
            return true;
    return false;
}

static void add_run(lm_word_counter *c, int log, uint64_t from)
{
    LM_GROW(c->runs[log], c->run_count[log], c->run_cap[log]);
    c->runs[log][c->run_count[log]++] = (run){log, from, log_size(&c->logs[log])};
}

bool lm_word_counter_spill(lm_word_counter *c, int thread, lm_status *st)
{
    lm_word_counts *t = &c->tables[thread];
    lm_sort_item *items = lm_malloc(t->n + 1, sizeof *items);
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->words[i].count)
            items[n++] = (lm_sort_item){0, t->bytes.data + t->words[i].start, t->words[i].len, (uint32_t)i};
    lm_string_sort_serial(items, n);
    lm_word_log *log = &c->logs[thread];
    uint64_t from = log_size(log);
    word_writer w = {.log = log};
    for (size_t i = 0; i < n && lm_ok(st); i++)
        write_word(&w, (lm_str){items[i].data, items[i].len}, t->words[items[i].tag].count, st);
    lm_buf_free(&w.last);
    free(items);
    lm_word_counts_free(t);
    if (!lm_ok(st) || !log_end_run(log, st))
        return false;
    if (n)
        add_run(c, thread, from);
    return true;
}

/* ---------------------------------------------------------------- merging: a heap of readers, by their words
 */

static bool reads_before(const lm_word_reader *a, const lm_word_reader *b)
{
    int d = memcmp(a->word.data, b->word.data, a->word.len < b->word.len ? a->word.len : b->word.len);
    return d ? d < 0 : a->word.len < b->word.len;
}

static void sift_down(lm_word_reader **heap, size_t n, size_t i)
{
    lm_word_reader *x = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && reads_before(heap[child + 1], heap[child]))
            child++;
        if (!reads_before(heap[child], x))
            break;
        heap[i] = heap[child];
    }
    heap[i] = x;
}

/* Writes the words of all readers in order, each once; `words` (or NULL) notes where blocks begin. */
static bool merge_readers(lm_word_reader **heap, size_t n, word_writer *out, lm_words *words, lm_status *st)
{
    lm_buf word = {0};
    for (size_t i = n; i-- > 0;)
        sift_down(heap, n, i);
    while (n && lm_ok(st) && lm_signal_check(st)) {
        word.len = 0;
        lm_buf_append(&word, heap[0]->word.data, heap[0]->word.len);
        uint64_t count = 0;
        while (n && lm_str_equal(lm_buf_str(&heap[0]->word), lm_buf_str(&word))) {
            count += heap[0]->count;
            int rc = lm_word_reader_next(heap[0], st);
            if (rc < 0)
                break;
            if (rc == 0)
                heap[0] = heap[--n];
            if (n)
                sift_down(heap, n, 0);
        }
        if (words && out->n % LM_WORDS_BLOCK == 0) {
            LM_GROW(words->blocks, words->block_count, words->block_cap);
            words->blocks[words->block_count++] = log_size(out->log);
        }
        write_word(out, lm_buf_str(&word), count, st);
        lm_progress_update(out->n, NULL);
    }
    lm_buf_free(&word);
    return lm_ok(st);
}

static bool merge_runs(lm_word_counter *c, const run *runs, size_t n, word_writer *out, lm_words *words,
                       lm_status *st)
{
    lm_word_reader *readers = lm_calloc(n, sizeof *readers), **heap = lm_malloc(n + 1, sizeof *heap);
    size_t live = 0;
    for (size_t i = 0; i < n && lm_ok(st); i++) {
        read_log(&c->logs[runs[i].log], runs[i].from, runs[i].to, &readers[i]);
        if (lm_word_reader_next(&readers[i], st) > 0)
            heap[live++] = &readers[i];
    }
    bool ok = lm_ok(st) && merge_readers(heap, live, out, words, st);
    for (size_t i = 0; i < n; i++)
        lm_word_reader_close(&readers[i]);
    free(readers);
    free(heap);
    return ok;
}

/* As many runs as memory has buffers for become one, again and again. */
static bool merge_all(lm_word_counter *c, run *runs, size_t n, lm_words *out, lm_status *st)
{
    size_t most = c->memory / 4 / READ_AT_ONCE;
    most = most < FEWEST_RUNS_AT_ONCE ? FEWEST_RUNS_AT_ONCE
           : most > MOST_RUNS_AT_ONCE ? MOST_RUNS_AT_ONCE
                                      : most;
    while (n > most && lm_ok(st)) {
        word_writer w = {.log = &c->logs[0]};
        uint64_t from = log_size(w.log);
        if (merge_runs(c, runs, most, &w, NULL, st) && log_end_run(w.log, st)) {
            memmove(runs, runs + most, (n - most) * sizeof *runs);
            n -= most;
            runs[n++] = (run){0, from, log_size(w.log)};
        }
        lm_buf_free(&w.last);
    }
    word_writer w = {.log = &out->log};
    bool ok = lm_ok(st) && merge_runs(c, runs, n, &w, out, st) && log_end_run(w.log, st);
    out->n = w.n;
    out->occurrences = w.occurrences;
    lm_buf_free(&w.last);
    return ok;
}

bool lm_word_counter_finish(lm_word_counter *c, lm_words *out, lm_status *st)
{
    lm_status *states = lm_calloc((size_t)c->threads, sizeof *states);
#pragma omp parallel for num_threads(c->threads) schedule(static, 1)
    for (int i = 0; i < c->threads; i++)
        lm_word_counter_spill(c, i, &states[i]);
    size_t n = 0;
    for (int i = 0; i < c->threads; i++) {
        if (!lm_ok(&states[i]))
            lm_fail(st, states[i].code, "%s", states[i].message);
        n += c->run_count[i];
    }
    free(states);
    run *runs = lm_malloc(n + 1, sizeof *runs);
    n = 0;
    for (int i = 0; i < c->threads; i++) {
        for (size_t k = 0; k < c->run_count[i]; k++)
            runs[n++] = c->runs[i][k];
    }
    out->log.limit = c->memory / 4;
    lm_progress_begin("merging", "words", 0);
    bool ok = lm_ok(st) && merge_all(c, runs, n, out, st);
    lm_progress_end();
    free(runs);
    return ok;
}
