#include "generate/beam.h"
#include "base/memory.h"
#include "base/signals.h"
#include "generate/writing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A beginning of an answer, and the row of the decoder that has read all of it but the last token. */
typedef struct beam {
    lm_writing w;
    int row;
} beam;

/* A request, until it has been handed over. */
typedef struct search {
    const lm_request *request;
    beam *live;       /* [beams] likeliest first; of a request that is not read yet none */
    lm_writing *ended; /* [beams] by descending score */
    int live_count, ended_count;
    bool begun, done;
    struct search *next;
} search;

typedef struct engine {
    lm_model *model;
    const lm_generate_options *o;
    const lm_beam_options *b;
    const lm_generate_calls *calls;
    lm_writing_way way;
    lm_decoding *d;
    lm_sampler *sampler;
    int columns, at_once;
    int kept;                /* continuations of a step that are looked at */
    lm_token_logprob *found; /* [kept] of one row */
    search *first, **last;   /* in the order of the requests */
    bool no_more;            /* requests */
    int32_t *from, *splits, *ids; /* of the decoder's next calls */
    int row_cap, id_cap;
} engine;

/* ------------------------------------------------------------------ requests */

static search *search_new(const engine *e, const lm_request *r)
{
    search *s = lm_calloc(1, sizeof *s);
    s->request = r;
    s->live = lm_calloc((size_t)e->b->beams, sizeof *s->live);
    s->ended = lm_calloc((size_t)e->b->beams + 1, sizeof *s->ended);
    return s;
}

static void drop_live(search *s)
{
    for (int i = 0; i < s->live_count; i++)
        lm_writing_free(&s->live[i].w);
    s->live_count = 0;
}

static void search_free(search *s)
{
    drop_live(s);
    for (int i = 0; i < s->ended_count; i++)
        lm_writing_free(&s->ended[i]);
    free(s->live);
    free(s->ended);
    free(s);
}

/* Takes requests as long as there is room for their beams. */
static bool take(engine *e, lm_status *st)
{
    int going = 0;
    for (const search *s = e->first; s; s = s->next)
        going += !s->done;
    while (going < e->at_once && !e->no_more) {
        const lm_request *r = NULL;
        int got = e->calls->next(e->calls->context, going == 0, &r, st);
        e->no_more = got <= 0;
        if (got <= 0 || !r)
            break;
        if (!lm_request_check(r, e->model, st))
            return false;
        *e->last = search_new(e, r);
        e->last = &(*e->last)->next;
        going++;
    }
    return lm_ok(st);
}

static bool hand_over(engine *e, lm_status *st)
{
    while (e->first && e->first->done && lm_ok(st)) {
        search *s = e->first;
        int samples = e->o->samples > 0 ? e->o->samples : 1, count = s->ended_count < samples ? s->ended_count : samples;
        lm_answer *answers = lm_calloc((size_t)count + 1, sizeof *answers);
        lm_buf *texts = lm_calloc((size_t)count + 1, sizeof *texts);
        bool ok = true;
        for (int i = 0; i < count && ok; i++) {
            answers[i] = (lm_answer){.request = s->request, .sample = i};
            ok = lm_writing_finish(&s->ended[i], &e->way, &answers[i], &texts[i], st);
        }
        if (ok)
            e->calls->done(e->calls->context, answers, count, st);
        for (int i = 0; i < count; i++)
            lm_buf_free(&texts[i]);
        free(texts);
        free(answers);
        e->first = s->next;
        e->last = e->first ? e->last : &e->first;
        search_free(s);
    }
    return lm_ok(st);
}

/* ------------------------------------------------------------------ rows */

static void add_tokens(engine *e, int row, const int32_t *ids, int count)
{
    int n = e->splits[row];
    if (n + count > e->id_cap) {
        e->id_cap = 2 * (n + count);
        e->ids = lm_realloc(e->ids, (size_t)e->id_cap, sizeof *e->ids);
    }
    memcpy(e->ids + n, ids, (size_t)count * sizeof *ids);
    e->splits[row + 1] = n + count;
}

static void make_room(engine *e, int rows)
{
    if (rows < e->row_cap)
        return;
    e->row_cap = 2 * rows + 2;
    e->from = lm_realloc(e->from, (size_t)e->row_cap, sizeof *e->from);
    e->splits = lm_realloc(e->splits, (size_t)e->row_cap, sizeof *e->splits);
}

/* Each beam goes on from the row that it comes from; requests that are new begin rows. Returns how many there are. */
static int arrange(engine *e)
{
    int rows = 0;
    for (search *s = e->first; s; s = s->next) {
        if (s->done)
            continue;
        make_room(e, rows + s->live_count + 1);
        if (!s->begun)
            e->from[rows++] = -1;
        for (int i = 0; i < s->live_count; i++)
            e->from[rows++] = s->live[i].row;
    }
    return rows;
}

/* The tokens of each row that come next: for the encoder, those of requests that are new, or for what answers. Returns how many rows. */
static int lay_out(engine *e, bool to_encode)
{
    int row = 0;
    e->splits[0] = 0;
    for (const search *s = e->first; s; s = s->next) {
        if (s->done)
            continue;
        for (int i = 0; i < s->live_count; i++, row++)
            add_tokens(e, row, s->live[i].w.tokens + s->live[i].w.prompt + s->live[i].w.count - 1, !to_encode);
        if (!s->begun && e->way.encodes && !to_encode)
            add_tokens(e, row++, &e->model->arch.decoder_start_id, 1);
        else if (!s->begun)
            add_tokens(e, row++, s->request->ids, s->request->count);
    }
    return row;
}

static bool encode(engine *e, lm_status *st)
{
    int rows = lay_out(e, true);
    lm_batch source = {.rows = rows, .tokens = e->splits[rows], .row_splits = e->splits, .ids = e->ids};
    return source.tokens == 0 || lm_decoding_encode(e->d, &source, st);
}

static const float *read_on(engine *e, lm_status *st)
{
    lay_out(e, false);
    return lm_decoding_read(e->d, e->splits, e->ids, false, st);
}

/* ------------------------------------------------------------------ a step of one request */

typedef struct continuation {
    int beam;
    int32_t id;
    double score;
} continuation;

static int by_score(const void *a, const void *b)
{
    const continuation *x = a, *y = b;
    if (x->score != y->score)
        return (x->score < y->score) - (x->score > y->score);
    return x->beam != y->beam ? (x->beam > y->beam) - (x->beam < y->beam) : (x->id > y->id) - (x->id < y->id);
}

/* Those of all beams, likeliest first; logits [beams, columns]. Returns how many are looked at; 0 = failed. */
static int continuations(engine *e, const search *s, const float *logits, continuation *out, lm_status *st)
{
    int n = 0;
    for (int i = 0; i < s->live_count; i++) {
        const lm_writing *w = &s->live[i].w;
        lm_sampler_step step = lm_writing_step(w, &e->way);
        if (e->o->constraint && !(step.allowed = lm_constraint_mask(e->o->constraint, w->form, st)))
            return 0;
        int count = lm_sampler_best(e->sampler, logits + (size_t)i * (size_t)e->columns, &step, e->kept, e->found, st);
        if (count == 0)
            return 0;
        for (int j = 0; j < count; j++)
            out[n++] = (continuation){i, e->found[j].id, w->score + (double)e->found[j].logprob};
    }
    qsort(out, (size_t)n, sizeof *out, by_score);
    return n < e->kept ? n : e->kept;
}

/* An ended answer, among the best of them. */
static void end(const engine *e, search *s, lm_writing *w)
{
    w->score /= pow(w->count, e->b->length_penalty);
    int at = s->ended_count;
    while (at > 0 && s->ended[at - 1].score < w->score)
        at--;
    memmove(&s->ended[at + 1], &s->ended[at], (size_t)(s->ended_count - at) * sizeof *s->ended);
    s->ended[at] = *w;
    if (++s->ended_count > e->b->beams)
        lm_writing_free(&s->ended[--s->ended_count]);
}

/* Whether what goes on could yet be better than what has ended. */
static bool could_improve(const engine *e, const search *s)
{
    if (s->live_count == 0)
        return false;
    if (s->ended_count < e->b->beams)
        return true;
    if (e->b->early == LM_BEAM_FIRST)
        return false;
    const lm_writing *best = &s->live[0].w;
    int length = best->count;
    if (e->b->early == LM_BEAM_NEVER && e->b->length_penalty > 0) {
        int room = lm_decoding_room(e->d, s->live[0].row) + best->count;
        length = e->o->max_new_tokens < room ? e->o->max_new_tokens : room;
    }
    return best->score / pow(length, e->b->length_penalty) > s->ended[s->ended_count - 1].score;
}

/* s->live[0..live_count) have read all but the token that `logits` are for; their rows are in order from `row` on. */
static bool advance(engine *e, search *s, const float *logits, lm_status *st)
{
    continuation *next = lm_malloc((size_t)s->live_count * (size_t)e->kept, sizeof *next);
    beam *live = lm_calloc((size_t)e->b->beams, sizeof *live);
    int count = continuations(e, s, logits, next, st), live_count = 0;
    bool full = e->b->early == LM_BEAM_FIRST && s->ended_count == e->b->beams;
    for (int i = 0; i < count && lm_ok(st) && (i < e->b->beams || live_count < e->b->beams); i++) {
        const beam *from = &s->live[next[i].beam];
        const float *of_beam = logits + (size_t)next[i].beam * (size_t)e->columns;
        lm_choice choice = {.id = next[i].id};
        if (e->way.sampling.logprobs)
            choice = lm_sampler_report(e->sampler, of_beam, choice.id);
        lm_writing w = lm_writing_copy(&from->w, &e->way);
        bool ok = !e->o->constraint || lm_constraint_step(e->o->constraint, &w.form, choice.id, st) > 0;
        ok = ok && lm_writing_add(&w, &e->way, &choice, lm_decoding_room(e->d, from->row), st);
        w.score = next[i].score;
        if (ok && w.ended && i < e->b->beams && !full)
            end(e, s, &w);
        else if (ok && !w.ended && live_count < e->b->beams)
            live[live_count++] = (beam){w, from->row};
        else
            lm_writing_free(&w);
    }
    drop_live(s);
    free(s->live);
    s->live = live;
    s->live_count = live_count;
    s->done = !could_improve(e, s);
    free(next);
    return lm_ok(st);
}

/* What follows the prompt: one beam, of no tokens yet. */
static void begin(const engine *e, search *s)
{
    lm_writing_begin(&s->live[0].w, &e->way, s->request, 0);
    s->live_count = 1;
    s->begun = true;
}

static bool advance_all(engine *e, const float *logits, lm_status *st)
{
    int row = 0;
    for (search *s = e->first; s && lm_ok(st); s = s->next) {
        if (s->done)
            continue;
        if (!s->begun)
            begin(e, s);
        int rows = s->live_count;
        for (int i = 0; i < rows; i++)
            s->live[i].row = row + i;
        if (!advance(e, s, logits + (size_t)row * (size_t)e->columns, st))
            lm_request_name(s->request, st);
        row += rows;
    }
    return lm_ok(st);
}

/* ------------------------------------------------------------------ all of it */

static bool open_engine(engine *e, lm_status *st)
{
    const lm_generate_options *o = e->o;
    if (e->b->beams < 1 || o->samples > e->b->beams)
        return lm_fail(st, LM_USAGE, "%d answers of %d beams: ask for as many beams, or fewer answers", o->samples, e->b->beams);
    if (o->max_new_tokens < 1 || o->prompt_logprobs)
        return lm_fail(st, LM_USAGE, "a beam search writes answers: the log-probabilities of prompts go without one");
    e->d = lm_writing_reader(e->model, o, 0, st);
    if (!e->d)
        return false;
    e->columns = lm_decoding_columns(e->d);
    e->at_once = o->batch > e->b->beams ? o->batch / e->b->beams : 1;
    e->kept = e->b->beams * (o->stop_count > 1 ? 1 + o->stop_count : 2);
    e->found = lm_malloc((size_t)e->kept, sizeof *e->found);
    lm_writing_way_init(&e->way, o, e->model->arch.decoder_layers > 0, e->columns, false);
    e->sampler = lm_sampler_new(&e->way.sampling, e->columns, st);
    return e->sampler != NULL;
}

static void close_engine(engine *e)
{
    for (search *s = e->first, *next; s; s = next) {
        next = s->next;
        search_free(s);
    }
    lm_sampler_free(e->sampler);
    lm_decoding_free(e->d);
    free(e->found);
    free(e->from);
    free(e->splits);
    free(e->ids);
}

static bool step(engine *e, lm_status *st)
{
    int rows = arrange(e);
    if (!lm_decoding_select(e->d, e->from, rows, st) || (e->way.encodes && !encode(e, st)))
        return false;
    const float *logits = read_on(e, st);
    return logits && advance_all(e, logits, st) && hand_over(e, st);
}

bool lm_beam_search(lm_model *m, const lm_generate_options *o, const lm_beam_options *b, const lm_generate_calls *calls,
                    lm_status *st)
{
    engine e = {.model = m, .o = o, .b = b, .calls = calls};
    e.last = &e.first;
    if (open_engine(&e, st))
        while (lm_signal_check(st) && take(&e, st) && e.first && step(&e, st))
            continue;
    close_engine(&e);
    return lm_ok(st);
}
