#include "generate/writing.h"
#include "base/memory.h"
#include "generate/stop_strings.h"

#include <inttypes.h>
#include <stdlib.h>

const char *const lm_answer_end_names[] = {"stop", "stop_string", "full", "length", "context", NULL};

void lm_writing_way_init(lm_writing_way *way, const lm_generate_options *o, bool encodes, int columns, bool shown)
{
    *way = (lm_writing_way){.o = o, .encodes = encodes, .follows = o->tokenizer && (o->stop_string_count || shown)};
    lm_sampling_init(&way->sampling);
    if (o->sampling)
        way->sampling = *o->sampling;
    way->sampling.logprobs |= way->sampling.top_logprobs > 0;
    if (way->sampling.top_logprobs > columns)
        way->sampling.top_logprobs = columns;
}

bool lm_request_check(const lm_request *r, const lm_model *m, lm_status *st)
{
    if (r->count < 1)
        return lm_fail(st, LM_FAILED, "record %" PRIu64 ": there is nothing to go on from: begin with a token", r->record);
    if (r->count > lm_generate_room(m))
        return lm_fail(st, LM_FAILED, "record %" PRIu64 ": the prompt has %d tokens, and the model takes %d: make it shorter",
                       r->record, r->count, lm_generate_room(m));
    return true;
}

bool lm_request_name(const lm_request *r, lm_status *st)
{
    char where[40];
    snprintf(where, sizeof where, "record %" PRIu64, r->record);
    return lm_fail_prefix(st, where);
}

lm_decoding *lm_writing_reader(lm_model *m, const lm_generate_options *o, int rows, lm_status *st)
{
    lm_decoding *d = lm_decoding_new(m, rows, st);
    if (d && (o->kept == LM_F16 || o->kept == LM_Q8_0))
        lm_decoding_keep_as(d, o->kept);
    return d;
}

void lm_writing_begin(lm_writing *w, const lm_writing_way *way, const lm_request *r, int sample)
{
    *w = (lm_writing){.request = r, .sample = sample, .prompt = way->encodes ? 0 : r->count};
    w->form = way->o->constraint ? lm_constraint_start(way->o->constraint) : 0;
    w->tokens = lm_malloc((size_t)w->prompt + 1, sizeof *w->tokens);
    if (w->prompt)
        memcpy(w->tokens, r->ids, (size_t)w->prompt * sizeof *w->tokens);
}

void lm_writing_free(lm_writing *w)
{
    free(w->tokens);
    free(w->logprobs);
    free(w->top);
    lm_buf_free(&w->text.text);
}

void lm_writing_end(lm_writing *w, lm_answer_end end)
{
    w->ended = true;
    w->end = end;
}

static bool is_stop(const lm_generate_options *o, int32_t id)
{
    for (int i = 0; i < o->stop_count; i++)
        if (o->stop[i] == id)
            return true;
    return false;
}

/* The text up to here; true where a stop string is complete in it. */
static bool reads_stop_string(lm_writing *w, const lm_writing_way *way, lm_status *st)
{
    const lm_generate_options *o = way->o;
    size_t before = w->text.text.len, longest = 0;
    if (!way->follows || !lm_running_text_add(&w->text, o->tokenizer, w->tokens + w->prompt, w->count, st))
        return false;
    for (int i = 0; i < o->stop_string_count; i++)
        longest = strlen(o->stop_strings[i]) > longest ? strlen(o->stop_strings[i]) : longest;
    size_t from = before > longest ? before - longest : 0;
    return lm_find_stop(lm_buf_str(&w->text.text), from, o->stop_strings, o->stop_string_count) != SIZE_MAX;
}

lm_writing lm_writing_copy(const lm_writing *w, const lm_writing_way *way)
{
    lm_writing copy = *w;
    size_t count = (size_t)w->count, top = (size_t)way->sampling.top_logprobs;
    copy.cap = w->count + 16;
    copy.tokens = lm_malloc((size_t)w->prompt + (size_t)copy.cap, sizeof *copy.tokens);
    memcpy(copy.tokens, w->tokens, ((size_t)w->prompt + count) * sizeof *copy.tokens);
    copy.logprobs = way->sampling.logprobs ? lm_malloc((size_t)copy.cap, sizeof *copy.logprobs) : NULL;
    copy.top = top ? lm_malloc((size_t)copy.cap * top, sizeof *copy.top) : NULL;
    if (copy.logprobs && count)
        memcpy(copy.logprobs, w->logprobs, count * sizeof *copy.logprobs);
    if (copy.top && count)
        memcpy(copy.top, w->top, count * top * sizeof *copy.top);
    copy.text.text = (lm_buf){0};
    lm_buf_append(&copy.text.text, w->text.text.data, w->text.text.len);
    return copy;
}

static void keep(lm_writing *w, const lm_sampling *s, const lm_choice *choice)
{
    size_t top = (size_t)s->top_logprobs;
    if (w->count == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 32;
        w->tokens = lm_realloc(w->tokens, (size_t)w->prompt + (size_t)w->cap, sizeof *w->tokens);
        if (s->logprobs)
            w->logprobs = lm_realloc(w->logprobs, (size_t)w->cap, sizeof *w->logprobs);
        if (top)
            w->top = lm_realloc(w->top, (size_t)w->cap * top, sizeof *w->top);
    }
    if (s->logprobs)
        w->logprobs[w->count] = choice->logprob;
    if (top)
        memcpy(w->top + (size_t)w->count * top, choice->top, top * sizeof *w->top);
    w->tokens[w->prompt + w->count++] = choice->id;
    w->score += (double)choice->logprob;
}

/* The next token, and the state of the constraint behind it. The likeliest of all is tried before it is found out what may come,
 * where that is what would be chosen. */
static bool choose(lm_writing *w, const lm_writing_way *way, const float *logits, lm_sampler_step *step, lm_sampler *sampler,
                   lm_choice *choice, lm_status *st)
{
    const lm_constraint *c = way->o->constraint;
    if (!c || way->sampling.temperature == 0) {
        if (!lm_sampler_choose(sampler, logits, step, choice, st) || !c)
            return lm_ok(st);
        int may = lm_constraint_step(c, &w->form, choice->id, st);
        if (may != 0)
            return may > 0;
    }
    step->allowed = lm_constraint_mask(c, w->form, st);
    return step->allowed && lm_sampler_choose(sampler, logits, step, choice, st) &&
           lm_constraint_step(c, &w->form, choice->id, st) > 0;
}

lm_sampler_step lm_writing_step(const lm_writing *w, const lm_writing_way *way)
{
    const lm_generate_options *o = way->o;
    return (lm_sampler_step){.history = w->tokens,
                             .history_count = w->prompt + w->count,
                             .record = w->request->record,
                             .sample = (uint64_t)w->sample,
                             .position = (uint64_t)w->count,
                             .never = o->stop,
                             .never_count = w->count < o->min_new_tokens ? o->stop_count : 0};
}

bool lm_writing_go_on(lm_writing *w, const lm_writing_way *way, const float *logits, int room, lm_sampler *sampler,
                      lm_status *st)
{
    lm_choice choice;
    lm_sampler_step step = lm_writing_step(w, way);
    return choose(w, way, logits, &step, sampler, &choice, st) && lm_writing_add(w, way, &choice, room, st);
}

bool lm_writing_add(lm_writing *w, const lm_writing_way *way, const lm_choice *choice, int room, lm_status *st)
{
    const lm_generate_options *o = way->o;
    keep(w, &way->sampling, choice);
    if (is_stop(o, choice->id))
        lm_writing_end(w, LM_END_STOP);
    else if (reads_stop_string(w, way, st))
        lm_writing_end(w, LM_END_STRING);
    else if (o->constraint && lm_constraint_full(o->constraint, w->form, st))
        lm_writing_end(w, LM_END_FULL);
    else if (w->count >= o->max_new_tokens)
        lm_writing_end(w, LM_END_LENGTH);
    else if (room == 0)
        lm_writing_end(w, LM_END_CONTEXT);
    return lm_ok(st);
}

lm_answer lm_writing_so_far(const lm_writing *w, const lm_writing_way *way)
{
    lm_answer so_far = {.request = w->request, .ids = w->tokens + w->prompt, .count = w->count, .text_count = w->count};
    so_far.text = lm_buf_str(&w->text.text);
    so_far.text.len = lm_before_stop(so_far.text, way->o->stop_strings, way->o->stop_string_count);
    return so_far;
}

bool lm_writing_finish(const lm_writing *w, const lm_writing_way *way, lm_answer *out, lm_buf *text, lm_status *st)
{
    const lm_generate_options *o = way->o;
    out->ids = w->tokens + w->prompt;
    out->count = w->count;
    out->text_count = w->count - (w->end == LM_END_STOP);
    out->end = w->end;
    out->score = w->score;
    out->logprobs = w->logprobs;
    out->top = w->top;
    if (!o->tokenizer)
        return true;
    if (!lm_text_of_tokens(o->tokenizer, out->ids, out->text_count, text, st))
        return false;
    size_t stop = lm_find_stop(lm_buf_str(text), 0, o->stop_strings, o->stop_string_count);
    if (w->end == LM_END_STRING && stop != SIZE_MAX)
        text->len = stop;
    lm_buf_reserve(text, 1); /* an empty text is one, too */
    out->text = lm_buf_str(text);
    return true;
}
