#include "generate/speculative.h"
#include "base/memory.h"
#include "base/signals.h"
#include "generate/writing.h"

#include <stdlib.h>
#include <string.h>

/* One of the two models, in the midst of an answer: row 0 has read the prompt, row 1 goes on from there. */
typedef struct reader {
    lm_decoding *d;
    lm_sampler *sampler;
} reader;

enum { PROMPT = 0, ANSWER = 1 };

typedef struct engine {
    const lm_generate_options *o;
    const lm_generate_calls *calls;
    lm_model *model;
    lm_writing_way way;
    lm_sampling drafting; /* as the answer's, without log-probabilities */
    reader large, small;
    int columns, ahead;
    int32_t *drafted; /* [ahead] */
    int32_t *history; /* what the small model goes on from: prompt, answer, and what it has added */
    size_t history_cap;
    float *logits;    /* [columns] behind the prompt */
    lm_speculative_counts counts;
} engine;

static bool reader_open(reader *r, lm_model *m, const lm_generate_options *o, const lm_sampling *how, lm_status *st)
{
    r->d = lm_writing_reader(m, o, 1, st);
    r->sampler = r->d ? lm_sampler_new(how, lm_decoding_columns(r->d), st) : NULL;
    return r->sampler != NULL;
}

static void reader_free(reader *r)
{
    lm_sampler_free(r->sampler);
    lm_decoding_free(r->d);
}

/* The row reads on; logits of the last token, or of every one. */
static const float *read_row(lm_decoding *d, int row, const int32_t *ids, int count, bool every, lm_status *st)
{
    int32_t splits[] = {0, row == PROMPT ? count : 0, count};
    return lm_decoding_read(d, splits, ids, every, st);
}

/* What the answer is to go on from, without the tokens of other answers. */
static bool start_answer(lm_decoding *d, lm_status *st)
{
    return lm_decoding_select(d, (int32_t[]){PROMPT, PROMPT}, 2, st);
}

/* ------------------------------------------------------------------ ahead */

static void remember(engine *e, const int32_t *ids, size_t from, size_t count)
{
    if (from + count > e->history_cap) {
        e->history_cap = 2 * (from + count);
        e->history = lm_realloc(e->history, e->history_cap, sizeof *e->history);
    }
    memcpy(e->history + from, ids, count * sizeof *ids);
}

/* The small model writes on from the answer, as far as it goes, into e->drafted. Returns how many tokens; -1 = failed. */
static int draft(engine *e, const lm_writing *w, int most, lm_status *st)
{
    lm_decoding *d = e->small.d;
    int read = lm_decoding_length(d, ANSWER), n = w->prompt + w->count, room = lm_decoding_room(d, ANSWER) - (n - read);
    most = most < room ? most : room;
    remember(e, w->tokens, 0, (size_t)n);
    for (int i = 0; i < most; i++) {
        const float *logits = read_row(d, ANSWER, e->history + read, n + i - read, false, st);
        lm_sampler_step step = lm_writing_step(w, &e->way);
        lm_choice choice;
        step.history = e->history;
        step.history_count = n + i;
        step.position += (uint64_t)i;
        step.never_count = w->count + i < e->o->min_new_tokens ? step.never_count : 0;
        if (!logits || !lm_sampler_choose(e->small.sampler, logits, &step, &choice, st))
            return -1;
        read = n + i;
        e->drafted[i] = choice.id;
        remember(e, &choice.id, (size_t)(n + i), 1);
    }
    return most > 0 ? most : 0;
}

/* The large model reads the last token and what was drafted, and goes on as far as they are its own choice, and by one. */
static bool go_on(engine *e, lm_writing *w, lm_status *st)
{
    int before = w->count, left = e->o->max_new_tokens - before - 1, room = lm_decoding_room(e->large.d, ANSWER) - 1;
    int most = e->ahead < left ? e->ahead : left;
    int n = draft(e, w, most < room ? most : room, st);
    if (n < 0)
        return false;
    remember(e, e->drafted, (size_t)(w->prompt + before), (size_t)n);
    const float *logits = read_row(e->large.d, ANSWER, e->history + w->prompt + before - 1, n + 1, true, st);
    e->counts.steps++;
    e->counts.drafted += (uint64_t)n;
    for (int i = 0; logits && i <= n; i++) {
        int after = lm_decoding_room(e->large.d, ANSWER) + n - i;
        if (!lm_writing_go_on(w, &e->way, logits + (size_t)i * (size_t)e->columns, after, e->large.sampler, st) || w->ended)
            break;
        if (i == n || w->tokens[w->prompt + before + i] != e->drafted[i])
            break;
        e->counts.accepted++;
    }
    if (!lm_ok(st) || w->ended)
        return lm_ok(st);
    int known = w->prompt + w->count - 1; /* the last token is read with the next ones */
    int small = lm_decoding_length(e->small.d, ANSWER);
    return lm_decoding_shorten(e->large.d, ANSWER, known, st) &&
           lm_decoding_shorten(e->small.d, ANSWER, small < known ? small : known, st);
}

/* ------------------------------------------------------------------ an answer */

static bool show(const engine *e, const lm_writing *w, lm_status *st)
{
    if (!e->calls->token || w->sample || w->ended)
        return true;
    lm_answer so_far = lm_writing_so_far(w, &e->way);
    return e->calls->token(e->calls->context, &so_far, st);
}

static bool answer(engine *e, lm_writing *w, const lm_request *r, int sample, lm_status *st)
{
    lm_writing_begin(w, &e->way, r, sample);
    if (!start_answer(e->large.d, st) || !start_answer(e->small.d, st))
        return false;
    if (!lm_writing_go_on(w, &e->way, e->logits, lm_decoding_room(e->large.d, ANSWER), e->large.sampler, st))
        return false;
    while (!w->ended && lm_signal_check(st))
        if (!show(e, w, st) || !go_on(e, w, st))
            return false;
    return lm_ok(st);
}

/* Both models read the prompt, anew. */
static bool read_prompt(engine *e, const lm_request *r, lm_status *st)
{
    static const int32_t nothing[] = {-1};
    int room = lm_decoding_room(e->small.d, PROMPT) + lm_decoding_length(e->small.d, PROMPT);
    int short_of = r->count < room ? r->count : room;
    if (!lm_decoding_select(e->large.d, nothing, 1, st) || !lm_decoding_select(e->small.d, nothing, 1, st))
        return false;
    const float *logits = read_row(e->large.d, PROMPT, r->ids, r->count, false, st);
    if (!logits || !read_row(e->small.d, PROMPT, r->ids, short_of, false, st))
        return false;
    memcpy(e->logits, logits, (size_t)e->columns * sizeof *logits);
    return true;
}

static bool serve(engine *e, const lm_request *r, lm_status *st)
{
    int samples = e->o->samples > 0 ? e->o->samples : 1;
    lm_writing *writings = lm_calloc((size_t)samples, sizeof *writings);
    lm_answer *answers = lm_calloc((size_t)samples, sizeof *answers);
    lm_buf *texts = lm_calloc((size_t)samples, sizeof *texts);
    bool ok = lm_request_check(r, e->model, st) && read_prompt(e, r, st);
    for (int s = 0; s < samples && ok; s++) {
        answers[s] = (lm_answer){.request = r, .sample = s};
        ok = answer(e, &writings[s], r, s, st) || lm_request_name(r, st);
        ok = ok && lm_writing_finish(&writings[s], &e->way, &answers[s], &texts[s], st);
    }
    ok = ok && e->calls->done(e->calls->context, answers, samples, st);
    for (int s = 0; s < samples; s++) {
        lm_writing_free(&writings[s]);
        lm_buf_free(&texts[s]);
    }
    free(writings);
    free(answers);
    free(texts);
    return ok;
}

/* ------------------------------------------------------------------ all of them */

static bool open_engine(engine *e, lm_model *draft_model, lm_status *st)
{
    const lm_generate_options *o = e->o;
    if (o->max_new_tokens < 1 || o->prompt_logprobs)
        return lm_fail(st, LM_USAGE, "a draft is for answers: the log-probabilities of prompts go without one");
    int columns = lm_model_token_columns(e->model), of_draft = lm_model_token_columns(draft_model);
    if (e->model->arch.decoder_layers || draft_model->arch.decoder_layers)
        return lm_fail(st, LM_FAILED, "a draft is for models without an encoder: leave it out");
    if (columns != of_draft)
        return lm_fail(st, LM_FAILED, "%s: the draft's vocabulary has %d tokens, the model's %d: they must be one and the same",
                       draft_model->path ? draft_model->path : draft_model->plugin->name, of_draft, columns);
    lm_writing_way_init(&e->way, o, false, columns, e->calls->token != NULL);
    e->drafting = e->way.sampling;
    e->drafting.logprobs = false;
    e->drafting.top_logprobs = 0;
    e->columns = columns;
    e->drafted = lm_malloc((size_t)e->ahead, sizeof *e->drafted);
    e->logits = lm_malloc((size_t)columns, sizeof *e->logits);
    return reader_open(&e->large, e->model, o, &e->way.sampling, st) && reader_open(&e->small, draft_model, o, &e->drafting, st);
}

bool lm_speculative(lm_model *m, const lm_generate_options *o, const lm_speculative_options *s, const lm_generate_calls *calls,
                    lm_speculative_counts *counts, lm_status *st)
{
    engine e = {.o = o, .calls = calls, .model = m, .ahead = s->ahead > 0 ? s->ahead : 4};
    const lm_request *r = NULL;
    if (open_engine(&e, s->draft, st))
        while (lm_signal_check(st) && calls->next(calls->context, true, &r, st) > 0 && serve(&e, r, st))
            continue;
    if (counts) {
        counts->steps += e.counts.steps;
        counts->drafted += e.counts.drafted;
        counts->accepted += e.counts.accepted;
    }
    reader_free(&e.large);
    reader_free(&e.small);
    free(e.drafted);
    free(e.history);
    free(e.logits);
    return lm_ok(st);
}
