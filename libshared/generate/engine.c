#include "generate/generate.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "base/threads.h"
#include "generate/writing.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif

/* What becomes of the prompt's tokens is wanted of so many at once: their logits are as wide as the vocabulary. */
enum { SCORED_AT_ONCE = 64 };

/* A request, until all answers to it have been handed over. */
typedef struct job {
    const lm_request *request;
    lm_writing *answers; /* [samples] */
    int begun;        /* of the answers */
    int read;         /* tokens of the prompt that its row had from the beginning */
    float *logits;    /* [columns] behind the prompt; NULL until it has been read */
    float *prompt_logprobs;
    lm_token_logprob *prompt_top;
    struct job *next;
} job;

/* A row of the decoder: a prompt, from which answers begin, or an answer. */
typedef struct row {
    job *job;           /* NULL: it has been handed over, or is none */
    lm_writing *answer; /* NULL: the prompt */
    bool common;        /* no request's, but what prompts begin with */
} row;

typedef struct engine {
    lm_model *model;
    const lm_generate_options *o;
    const lm_generate_calls *calls;
    lm_writing_way way;
    lm_decoding *d;
    lm_sampler **samplers; /* [threads] */
    int threads, columns, batch, samples;
    job *first, **last; /* in the order of the requests */
    int job_count;
    bool no_more;    /* requests */
    lm_status ended; /* how their stream did, where it broke off */
    int32_t start; /* what answers of a second stack begin with */
    row *rows;
    int row_count, row_cap;
    int32_t *common; /* [common_count] what the row begins with that is `common`; 0 = there is none */
    int common_count;
    bool cached;    /* it is in the file o->prompt_cache */
    uint64_t spared; /* requests that begin so */
    int32_t *from, *splits, *ids; /* of the next call of the decoder */
    int from_cap, splits_cap, id_cap;
} engine;

static bool encodes(const engine *e)
{
    return e->model->arch.decoder_layers > 0;
}

/* ------------------------------------------------------------------ requests */

int lm_generate_room(const lm_model *m)
{
    return m->arch.max_length && !m->arch.decoder_layers ? m->arch.max_length : INT_MAX;
}

static job *job_new(const engine *e, const lm_request *r)
{
    job *j = lm_calloc(1, sizeof *j);
    j->request = r;
    j->answers = lm_calloc((size_t)e->samples, sizeof *j->answers);
    return j;
}

static void job_free(engine *e, job *j)
{
    for (int r = 0; r < e->row_count; r++)
        if (e->rows[r].job == j)
            e->rows[r].job = NULL;
    for (int s = 0; s < e->samples; s++)
        lm_writing_free(&j->answers[s]);
    free(j->answers);
    free(j->logits);
    free(j->prompt_logprobs);
    free(j->prompt_top);
    free(j);
}

/* The next request becomes a job, if there is one now: else NULL. */
static job *take(engine *e, bool wait, lm_status *st)
{
    const lm_request *r = NULL;
    int got = e->no_more ? 0 : e->calls->next(e->calls->context, wait, &r, st);
    if (got < 0 && st->code == LM_ENDED) { /* what came whole is answered all the same */
        e->ended = *st;
        lm_status_clear(st);
    }
    e->no_more = got <= 0;
    if (got <= 0 || !r || !lm_request_check(r, e->model, st))
        return NULL;
    job *j = job_new(e, r);
    *e->last = j;
    e->last = &j->next;
    e->job_count++;
    return j;
}

/* ------------------------------------------------------------------ answers */

static bool is_done(const engine *e, const job *j)
{
    int ended = 0;
    while (ended < e->samples && j->answers[ended].ended)
        ended++;
    return ended == e->samples;
}

/* The first answer so far, for whoever looks on while it is written. */
static bool show(const engine *e, const job *j, lm_status *st)
{
    const lm_writing *w = &j->answers[0];
    if (!e->calls->token || !j->begun || w->ended)
        return true;
    lm_answer so_far = lm_writing_so_far(w, &e->way);
    return e->calls->token(e->calls->context, &so_far, st);
}

static bool finish_answer(const engine *e, const job *j, int sample, lm_answer *out, lm_buf *text, lm_status *st)
{
    *out = (lm_answer){.request = j->request,
                       .sample = sample,
                       .prompt_logprobs = j->prompt_logprobs,
                       .prompt_top = j->prompt_top};
    return lm_writing_finish(&j->answers[sample], &e->way, out, text, st);
}

/* Hands over what is complete, in its order. */
static bool hand_over(engine *e, lm_status *st)
{
    while (e->first && is_done(e, e->first) && lm_ok(st)) {
        job *j = e->first;
        lm_answer *answers = lm_calloc((size_t)e->samples, sizeof *answers);
        lm_buf *texts = lm_calloc((size_t)e->samples, sizeof *texts);
        bool ok = true;
        for (int s = 0; s < e->samples && ok; s++)
            ok = finish_answer(e, j, s, &answers[s], &texts[s], st);
        if (ok)
            e->calls->done(e->calls->context, answers, e->samples, st);
        for (int s = 0; s < e->samples; s++)
            lm_buf_free(&texts[s]);
        free(texts);
        free(answers);
        e->first = j->next;
        e->last = e->first ? e->last : &e->first;
        e->job_count--;
        job_free(e, j);
    }
    return lm_ok(st) && (!e->first || show(e, e->first, st));
}

/* ------------------------------------------------------------------ rows */

static void *room_for(void *items, int *cap, int count, size_t size)
{
    if (count <= *cap)
        return items;
    *cap = count > 2 * *cap ? count : 2 * *cap;
    return lm_realloc(items, (size_t)*cap, size);
}

static void add_row(engine *e, int from, row r)
{
    LM_GROW(e->rows, e->row_count, e->row_cap);
    e->from = room_for(e->from, &e->from_cap, e->row_cap, sizeof *e->from);
    e->from[e->row_count] = from;
    e->rows[e->row_count++] = r;
}

/* ------------------------------------------------------------------ what prompts have in common */

enum { COMMON_LEAST = 32 }; /* tokens of a beginning that is worth a row */

static bool begins_so(const engine *e, const lm_request *r)
{
    return e->common_count && r->count > e->common_count &&
           memcmp(r->ids, e->common, (size_t)e->common_count * sizeof *r->ids) == 0;
}

/* Rows from `first` on are new prompts. How many tokens those that begin otherwise than prompts did have in common, of which at
 * least one is left to each; 0: there are not two of them, nor is it one that o->prompt_cache is to be made of. */
static int beginning_of(const engine *e, int first)
{
    const lm_request *one = NULL;
    int n = 0, count = 0;
    for (int r = first; r < e->row_count; r++) {
        const lm_request *other = e->rows[r].job->request;
        if (e->rows[r].job->read)
            continue;
        n = one && n < other->count - 1 ? n : other->count - 1;
        one = one ? one : other;
        for (int i = 0; i < n; i++)
            if (one->ids[i] != other->ids[i])
                n = i;
        count++;
    }
    bool lone = count == 1 && e->o->prompt_cache && !e->cached && e->no_more;
    return count > 1 || lone ? n : 0;
}

/* Examples before each prompt, a system's words: read once, and kept for prompts to come. Of the decoder's rows those from `first`
 * on are empty, or have what prompts before them had in common. */
static bool read_beginning(engine *e, int first, lm_status *st)
{
    int n = encodes(e) || e->o->prompt_logprobs ? 0 : beginning_of(e, first), reader = first;
    if (n < COMMON_LEAST)
        return true;
    while (e->rows[reader].job->read)
        reader++;
    e->splits = room_for(e->splits, &e->splits_cap, e->row_count + 1, sizeof *e->splits);
    for (int r = 0; r <= e->row_count; r++)
        e->splits[r] = r > reader ? n : 0;
    if (!lm_decoding_read(e->d, e->splits, e->rows[reader].job->request->ids, false, st))
        return false;
    e->common = lm_realloc(e->common, (size_t)n, sizeof *e->common);
    memcpy(e->common, e->rows[reader].job->request->ids, (size_t)n * sizeof *e->common);
    e->common_count = n;
    for (int r = 0; r < e->row_count; r++) {
        e->rows[r].common = false;
        e->from[r] = r;
        if (r >= first && !e->rows[r].job->read) {
            e->rows[r].job->read = n;
            e->from[r] = reader;
        }
    }
    add_row(e, reader, (row){.common = true});
    if (!lm_decoding_select(e->d, e->from, e->row_count, st))
        return false;
    bool save = e->o->prompt_cache && !e->cached;
    e->cached |= save;
    return !save || lm_decoding_save(e->d, e->row_count - 1, e->common, e->o->prompt_cache, st);
}

/* What prompts began with in a run before this one. */
static bool open_cache(engine *e, lm_status *st)
{
    const char *path = e->o->prompt_cache;
    if (!path || access(path, F_OK) != 0)
        return true;
    add_row(e, -1, (row){.common = true});
    e->common = lm_decoding_select(e->d, e->from, 1, st) ? lm_decoding_restore(e->d, path, &e->common_count, st) : NULL;
    e->cached = e->common != NULL;
    return e->cached;
}

/* Rows that have ended leave, answers begin from prompts that were read, and prompts join. *more: there is something to do. */
static bool arrange(engine *e, bool *more, lm_status *st)
{
    int old = e->row_count, limit = 4 * e->batch + 16;
    int common = -1;
    row *rows = e->rows;
    e->rows = NULL;
    e->row_count = e->row_cap = 0;
    for (int r = 0; r < old; r++) {
        common = rows[r].common ? r : common;
        if (!rows[r].job)
            continue;
        if (rows[r].answer ? !rows[r].answer->ended : !rows[r].job->logits)
            add_row(e, r, rows[r]);
    }
    int free_rows = e->batch - e->row_count;
    for (int r = 0; r < old; r++) { /* prompts that have been read */
        job *j = rows[r].job;
        if (!j || rows[r].answer || !j->logits)
            continue;
        for (; free_rows > 0 && j->begun < e->samples; free_rows--) {
            lm_writing_begin(&j->answers[j->begun], &e->way, j->request, j->begun);
            add_row(e, r, (row){.job = j, .answer = &j->answers[j->begun++]});
        }
        if (j->begun < e->samples)
            add_row(e, r, (row){.job = j});
    }
    int going = e->row_count, first = going + (common >= 0);
    if (common >= 0)
        add_row(e, common, rows[common]);
    for (job *j; free_rows > 0 && e->job_count < limit; free_rows--) {
        if (!(j = take(e, going == 0 && e->row_count == first, st)))
            break;
        j->read = begins_so(e, j->request) ? e->common_count : 0;
        e->spared += j->read > 0;
        add_row(e, j->read ? common : -1, (row){.job = j});
    }
    *more = e->row_count > first || going > 0;
    free(rows);
    return lm_ok(st) && lm_decoding_select(e->d, e->from, e->row_count, st) && read_beginning(e, first, st);
}

/* ------------------------------------------------------------------ steps */

/* How many tokens row r reads next, and which. */
static int unread(const engine *e, int r, const int32_t **ids)
{
    const job *j = e->rows[r].job;
    const lm_writing *w = e->rows[r].answer;
    if (!j)
        return 0;
    if (w) {
        *ids = w->tokens + w->prompt + w->count - 1;
        return w->count > 0 && !w->ended;
    }
    *ids = encodes(e) ? &e->start : j->request->ids + j->read;
    return j->logits ? 0 : encodes(e) ? 1 : j->request->count - j->read;
}

/* What is put into e->splits and e->ids: row by row, what `of` says. Returns the number of tokens. */
static int gather(engine *e, int (*of)(const engine *e, int r, const int32_t **ids))
{
    int n = 0;
    e->splits = room_for(e->splits, &e->splits_cap, e->row_count + 1, sizeof *e->splits);
    for (int r = 0; r < e->row_count; r++) {
        const int32_t *ids;
        int count = of(e, r, &ids);
        e->splits[r] = n;
        e->ids = room_for(e->ids, &e->id_cap, n + count + 1, sizeof *e->ids);
        if (count)
            memcpy(e->ids + n, ids, (size_t)count * sizeof *ids);
        n += count;
    }
    e->splits[e->row_count] = n;
    return n;
}

/* What the encoder reads of row r: prompts that are new. */
static int source_of(const engine *e, int r, const int32_t **ids)
{
    const job *j = e->rows[r].job;
    *ids = j->request->ids;
    return e->rows[r].answer || j->logits ? 0 : j->request->count;
}

static bool encode(engine *e, lm_status *st)
{
    int n = encodes(e) ? gather(e, source_of) : 0;
    lm_batch source = {.rows = e->row_count, .tokens = n, .row_splits = e->splits, .ids = e->ids};
    return n == 0 || lm_decoding_encode(e->d, &source, st);
}

static int thread_number(void)
{
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

/* Answers that go on by a token: their rows, and the logits for it. */
typedef struct turn {
    int row;
    const float *logits;
} turn;

static bool choose(engine *e, const turn *turns, int count, lm_status *st)
{
    int failed = INT_MAX;
    lm_status failure = LM_STATUS_INIT;
#pragma omp parallel for schedule(dynamic, 1) num_threads(e->threads) if (count > 1 && e->threads > 1 && !e->o->constraint)
    for (int i = 0; i < count; i++) {
        const row *r = &e->rows[turns[i].row];
        lm_status own = LM_STATUS_INIT;
        if (lm_writing_go_on(r->answer, &e->way, turns[i].logits, lm_decoding_room(e->d, turns[i].row),
                             e->samplers[thread_number()], &own))
            continue;
#pragma omp critical(lm_generate_failure)
        if (i < failed) {
            failed = i;
            failure = own;
        }
    }
    if (failed == INT_MAX)
        return true;
    *st = failure;
    return lm_request_name(e->rows[turns[failed].row].job->request, st);
}

/* A prompt has been read, up to these logits. */
static void prompt_is_read(const engine *e, job *j, const float *logits)
{
    size_t bytes = (size_t)e->columns * sizeof *logits;
    j->logits = memcpy(lm_malloc(1, bytes), logits, bytes);
    for (int s = 0; s < e->samples && e->o->max_new_tokens < 1; s++) {
        lm_writing_begin(&j->answers[s], &e->way, j->request, s);
        lm_writing_end(&j->answers[s], LM_END_LENGTH);
    }
}

/* The first tokens of answers that begin. */
static bool begin_answers(engine *e, lm_status *st)
{
    turn *turns = lm_malloc((size_t)e->row_count + 1, sizeof *turns);
    int count = 0;
    for (int r = 0; r < e->row_count; r++)
        if (e->rows[r].answer && e->rows[r].answer->count == 0)
            turns[count++] = (turn){r, e->rows[r].job->logits};
    bool ok = choose(e, turns, count, st);
    free(turns);
    return ok;
}

/* Each row reads what it has not read: prompts, and the last tokens of answers, which go on then. */
static bool read_on(engine *e, lm_status *st)
{
    if (gather(e, unread) == 0)
        return true;
    const float *logits = lm_decoding_read(e->d, e->splits, e->ids, false, st);
    turn *turns = lm_malloc((size_t)e->row_count, sizeof *turns);
    int count = 0;
    for (int r = 0; r < e->row_count && logits; r++) {
        if (e->splits[r] == e->splits[r + 1])
            continue;
        if (e->rows[r].answer)
            turns[count++] = (turn){r, logits};
        else
            prompt_is_read(e, e->rows[r].job, logits);
        logits += e->columns;
    }
    bool ok = lm_ok(st) && choose(e, turns, count, st);
    free(turns);
    return ok;
}

/* ------------------------------------------------------------------ log-probabilities of prompts */

/* Those of tokens [at, at + n) of the prompt, of the logits behind the tokens before them. */
static void score_tokens(engine *e, job *j, const float *logits, int at, int n)
{
    int top = e->way.sampling.top_logprobs;
    for (int i = at; i < at + n; i++, logits += e->columns) {
        lm_choice found = lm_sampler_report(e->samplers[0], logits, j->request->ids[i]);
        j->prompt_logprobs[i] = found.logprob;
        if (top)
            memcpy(j->prompt_top + (size_t)i * (size_t)top, found.top, (size_t)top * sizeof *found.top);
    }
}

/* Reads the prompt of row r alone, a part at a time. */
static bool score_prompt(engine *e, int r, lm_status *st)
{
    job *j = e->rows[r].job;
    int count = j->request->count, top = e->way.sampling.top_logprobs;
    j->prompt_logprobs = lm_malloc((size_t)count, sizeof *j->prompt_logprobs);
    j->prompt_logprobs[0] = NAN;
    if (top)
        j->prompt_top = lm_calloc((size_t)count * (size_t)top, sizeof *j->prompt_top);
    e->splits = room_for(e->splits, &e->splits_cap, e->row_count + 1, sizeof *e->splits);
    for (int at = 0, n; at < count; at += n) {
        n = count - at < SCORED_AT_ONCE ? count - at : SCORED_AT_ONCE;
        for (int i = 0; i <= e->row_count; i++)
            e->splits[i] = i > r ? n : 0;
        const float *logits = lm_decoding_read(e->d, e->splits, j->request->ids + at, true, st);
        if (!logits)
            return false;
        score_tokens(e, j, logits, at + 1, at + n < count ? n : n - 1);
        if (at + n == count)
            prompt_is_read(e, j, logits + (size_t)(n - 1) * (size_t)e->columns);
    }
    return true;
}

static bool score_prompts(engine *e, lm_status *st)
{
    for (int r = 0; r < e->row_count && lm_ok(st) && e->o->prompt_logprobs; r++)
        if (!e->rows[r].answer && !e->rows[r].job->logits)
            score_prompt(e, r, st);
    return lm_ok(st);
}

/* ------------------------------------------------------------------ all of it */

static bool open_engine(engine *e, lm_status *st)
{
    const lm_generate_options *o = e->o;
    if (o->prompt_logprobs && encodes(e))
        return lm_fail(st, LM_USAGE, "%s: a prompt that an encoder reads has no log-probabilities: leave them out",
                       e->model->path ? e->model->path : e->model->plugin->name);
    e->d = lm_writing_reader(e->model, o, 0, st);
    if (!e->d)
        return false;
    e->start = e->model->arch.decoder_start_id;
    e->columns = lm_decoding_columns(e->d);
    e->batch = o->batch > 0 ? o->batch : 1;
    e->samples = o->samples > 0 ? o->samples : 1;
    e->threads = lm_threads();
    e->samplers = lm_calloc((size_t)e->threads, sizeof *e->samplers);
    lm_writing_way_init(&e->way, o, encodes(e), e->columns, e->calls->token != NULL);
    for (int t = 0; t < e->threads && lm_ok(st); t++)
        e->samplers[t] = lm_sampler_new(&e->way.sampling, e->columns, st);
    return lm_ok(st) && open_cache(e, st);
}

static void say_what_was_cached(const engine *e)
{
    if (!e->o->prompt_cache)
        return;
    if (!e->cached)
        lm_warn("%s: not made: prompts that are read together do not begin with %d equal tokens", e->o->prompt_cache, COMMON_LEAST);
    else if (e->spared)
        lm_info("%s: %d tokens of %" PRIu64 " prompts were there", e->o->prompt_cache, e->common_count, e->spared);
}

static void close_engine(engine *e)
{
    for (job *j = e->first, *next; j; j = next) {
        next = j->next;
        job_free(e, j);
    }
    for (int t = 0; e->samplers && t < e->threads; t++)
        lm_sampler_free(e->samplers[t]);
    free(e->samplers);
    lm_decoding_free(e->d);
    free(e->rows);
    free(e->common);
    free(e->from);
    free(e->splits);
    free(e->ids);
}

bool lm_generate(lm_model *m, const lm_generate_options *o, const lm_generate_calls *calls, lm_status *st)
{
    engine e = {.model = m, .o = o, .calls = calls};
    e.last = &e.first;
    if (open_engine(&e, st)) {
        bool more;
        while (lm_signal_check(st) && arrange(&e, &more, st) && more)
            if (!begin_answers(&e, st) || !encode(&e, st) || !score_prompts(&e, st) || !read_on(&e, st) || !hand_over(&e, st))
                break;
    }
    if (lm_ok(st))
        say_what_was_cached(&e);
    close_engine(&e);
    if (lm_ok(st))
        *st = e.ended;
    return lm_ok(st);
}
