#include "generate/gen.h"
#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/terminal.h"
#include "generate/answers.h"
#include "generate/beam.h"
#include "generate/constraint/constraint.h"
#include "generate/speculative.h"
#include "generate/token_rows.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { STOPS_MAX = 64, SCHEMA_MAX = 64 << 20 };

const char *const lm_beam_early_names[] = {"heuristic", "first", "never", NULL};
const char *const lm_kept_names[] = {"f32", "f16", "q8_0", NULL};

typedef struct run {
    const lm_gen_options *o;
    lm_model *model, *draft;
    lm_tokenizer *tokenizer;
    const char *tokenizer_path;
    lm_prompts *prompts;
    lm_shots shots;
    lm_chat_options chat;
    lm_buf before;
    lm_output_file *out;
    lm_token_rows *rows; /* of the output; NULL: it is lines */
    lm_answer_form form;
    lm_generate_options how;
    lm_sampling sampling;
    int32_t stops[STOPS_MAX];
    char **strings; /* stop strings, as they are meant */
    lm_logit_bias *bias;
    lm_constraint *constraint;
    uint64_t answered;
    lm_buf text;  /* to be written */
    size_t shown; /* of the text that is being written on a terminal; 0: none of it yet */
    bool begun;   /* its prompt is there */
} run;

/* ------------------------------------------------------------------ what the options mean */

/* \n, \t, \r and \\ in a word of the command line. */
static char *unescape(const char *s)
{
    static const char from[] = "ntr\\", to[] = "\n\t\r\\";
    char *out = lm_strdup(s), *end = out;
    for (; *s; s++) {
        const char *known = s[0] == '\\' && s[1] ? strchr(from, s[1]) : NULL;
        *end++ = known ? to[known - from] : *s;
        s += known != NULL;
    }
    *end = 0;
    return out;
}

/* The id that a word means: a number, or what a token is called. */
static bool find_token(const run *r, const char *option, lm_str word, int32_t *id, lm_status *st)
{
    int columns = lm_model_token_columns(r->model), found = lm_tokenizer_id(r->tokenizer, word);
    int64_t number = 0;
    size_t digits = 0;
    while (digits < word.len && isdigit((unsigned char)word.data[digits]) && number < INT32_MAX)
        number = 10 * number + (word.data[digits++] - '0');
    if (word.len && digits == word.len && number < columns)
        found = (int)number;
    *id = found;
    return found >= 0 || lm_fail(st, LM_USAGE, "%s %.*s: this is neither an id below %d nor a token of %s", option,
                                 (int)word.len, word.data, columns, r->tokenizer_path);
}

static bool choose_stops(run *r, lm_status *st)
{
    const lm_gen_options *o = r->o;
    int n = o->ignore_eos ? 0 : lm_generate_stops(r->model, r->tokenizer, r->stops, STOPS_MAX);
    for (size_t i = 0; i < o->stop_tokens.count; i++) {
        if (n == STOPS_MAX)
            return lm_fail(st, LM_USAGE, "--stop-token: more than %d", STOPS_MAX);
        if (!find_token(r, "--stop-token", lm_str_of(o->stop_tokens.items[i]), &r->stops[n++], st))
            return false;
    }
    r->strings = lm_calloc(o->stop.count + 1, sizeof *r->strings);
    for (size_t i = 0; i < o->stop.count; i++) {
        r->strings[i] = unescape(o->stop.items[i]);
        if (!*r->strings[i])
            return lm_fail(st, LM_USAGE, "--stop: an empty text stands everywhere: give at least a character");
    }
    r->how.stop = r->stops;
    r->how.stop_count = n;
    r->how.stop_strings = (const char *const *)r->strings;
    r->how.stop_string_count = (int)o->stop.count;
    return true;
}

/* TOKEN=NUMBER, or as llama.cpp has it, ID+NUMBER or ID-NUMBER. */
static bool parse_bias(const run *r, const char *word, lm_logit_bias *bias, lm_status *st)
{
    const char *equals = strrchr(word, '='), *at = equals;
    double add = -INFINITY;
    if (!equals || equals == word)
        at = word + strspn(word, "0123456789");
    const char *number = at + (*at == '=' || *at == '+');
    if (at == word || (strcmp(number, "-inf") != 0 && !lm_parse_float(number, &add)) || isnan(add))
        return lm_fail(st, LM_USAGE, "--logit-bias %s: give TOKEN=NUMBER, such as 50256=-5 or yes=1.5; -inf forbids it", word);
    bias->add = (float)add;
    return find_token(r, "--logit-bias", (lm_str){word, (size_t)(at - word)}, &bias->id, st);
}

static double number_of(const json_t *object, const char *name, double otherwise)
{
    const json_t *member = json_object_get(object, name);
    return json_is_number(member) ? json_number_value(member) : otherwise;
}

/* --sample: what generation_config.json says of all that the command line leaves as it was. */
static void read_generation_config(run *r)
{
    json_t *config = r->model->generation_config ? json_loads(r->model->generation_config, 0, NULL) : NULL;
    lm_sampling *s = &r->sampling, unset;
    lm_sampling_init(&unset);
    if (s->temperature == unset.temperature)
        s->temperature = number_of(config, "temperature", 1);
    if (s->top_k == unset.top_k)
        s->top_k = (int64_t)number_of(config, "top_k", (double)unset.top_k);
    if (s->top_p == unset.top_p)
        s->top_p = number_of(config, "top_p", unset.top_p);
    if (s->min_p == unset.min_p)
        s->min_p = number_of(config, "min_p", unset.min_p);
    if (s->typical == unset.typical)
        s->typical = number_of(config, "typical_p", unset.typical);
    if (s->repetition == unset.repetition)
        s->repetition = number_of(config, "repetition_penalty", unset.repetition);
    json_decref(config);
}

static bool choose_sampling(run *r, lm_status *st)
{
    const lm_gen_options *o = r->o;
    r->sampling = o->sampling;
    if (o->sample)
        read_generation_config(r);
    r->sampling.seed = (uint64_t)o->common->seed;
    r->sampling.logprobs = o->logprobs || o->prompt_logprobs;
    r->sampling.top_logprobs = (int)o->top;
    r->bias = lm_calloc(o->logit_bias.count + 1, sizeof *r->bias);
    for (size_t i = 0; i < o->logit_bias.count; i++)
        if (!parse_bias(r, o->logit_bias.items[i], &r->bias[i], st))
            return false;
    r->sampling.bias = r->bias;
    r->sampling.bias_count = (int)o->logit_bias.count;
    r->how.sampling = &r->sampling;
    return lm_sampling_check(&r->sampling, lm_model_token_columns(r->model), st);
}

/* A schema, or the file that has it. */
static bool read_schema(const char *given, lm_buf *out, lm_status *st)
{
    char *bytes;
    size_t n;
    if (*given == '{' || strcmp(given, "true") == 0) {
        lm_buf_puts(out, given);
        return true;
    }
    if (!lm_file_read(given, SCHEMA_MAX, &bytes, &n, st))
        return false;
    lm_buf_append(out, bytes, n);
    lm_buf_reserve(out, 1); /* an empty file is one, too */
    free(bytes);
    return true;
}

static bool choose_form(run *r, lm_status *st)
{
    const lm_gen_options *o = r->o;
    lm_buf schema = {0};
    if (o->regex || (o->schema && read_schema(o->schema, &schema, st))) {
        bool literal = o->schema && *o->schema == '{';
        lm_constraint_options form = {.regex = lm_str_of(o->regex),
                                      .schema = lm_buf_str(&schema),
                                      .what = o->regex ? "--regex" : literal ? "--json-schema" : o->schema,
                                      .tokenizer = r->tokenizer,
                                      .columns = lm_model_token_columns(r->model),
                                      .stop = r->how.stop,
                                      .stop_count = r->how.stop_count,
                                      .begins = true};
        r->constraint = lm_constraint_new(&form, st);
        if (!r->constraint && (o->regex || literal))
            st->code = LM_USAGE;
    }
    r->how.constraint = r->constraint;
    lm_buf_free(&schema);
    return lm_ok(st);
}

/* ------------------------------------------------------------------ the engine's calls */

static int next(void *context, bool wait, const lm_request **request, lm_status *st)
{
    run *r = context;
    lm_prompt *p;
    if (wait && r->rows && !lm_token_rows_flush(r->rows, st))
        return -1;
    int got = lm_prompts_next(r->prompts, wait, &p, st);
    *request = p ? &p->request : NULL;
    return got;
}

static bool write_out(run *r, lm_status *st)
{
    bool ok = lm_write_all(lm_output_file_fd(r->out), r->text.data, r->text.len, lm_output_file_name(r->out), st);
    r->text.len = 0;
    return ok;
}

/* What there is of an answer more than a moment ago, to the terminal. */
static bool show(void *context, const lm_answer *a, lm_status *st)
{
    run *r = context;
    if (!a->text.len)
        return true;
    if (!r->begun && r->form.echo && !lm_answer_echo(a, a->request->tag, r->tokenizer, &r->text, st))
        return false;
    r->begun = true;
    if (a->text.len > r->shown)
        lm_buf_append(&r->text, a->text.data + r->shown, a->text.len - r->shown);
    r->shown = a->text.len > r->shown ? a->text.len : r->shown;
    return write_out(r, st);
}

static bool done(void *context, const lm_answer *answers, int count, lm_status *st)
{
    run *r = context;
    lm_prompt *p = answers[0].request->tag;
    bool ok = true;
    if (r->begun) {
        lm_buf_append(&r->text, answers[0].text.data + r->shown,
                      answers[0].text.len > r->shown ? answers[0].text.len - r->shown : 0);
        lm_buf_putc(&r->text, '\n');
    }
    for (int i = r->begun; i < count && ok; i++)
        ok = r->rows ? lm_token_rows_answer(r->rows, &answers[i], p, &r->form, r->model->arch.decoder_layers > 0, st)
                     : lm_answer_print(&answers[i], p, r->tokenizer, &r->form, &r->text, st);
    r->begun = false;
    r->shown = 0;
    lm_prompts_answered(r->prompts);
    lm_progress_update(++r->answered, NULL);
    return ok && write_out(r, st);
}

static bool filled(void *context, const lm_filled *f, lm_status *st)
{
    run *r = context;
    bool ok = r->rows ? lm_token_rows_filled(r->rows, f, f->request->tag, &r->form, st)
                      : lm_filled_print(f, f->request->tag, r->tokenizer, &r->form, &r->text, st);
    lm_prompts_answered(r->prompts);
    lm_progress_update(++r->answered, NULL);
    return ok && write_out(r, st);
}

/* ------------------------------------------------------------------ the run */

static bool open_prompts(run *r, lm_status *st)
{
    const lm_gen_options *o = r->o;
    char *separator = unescape(o->separator);
    if (o->shots && lm_shots_read(&r->shots, o->shots, (size_t)o->shot_count, st) && !o->chat)
        lm_shots_print(&r->shots, lm_str_of(separator), &r->before);
    free(separator);
    lm_prompts_options options = {.given = o->prompt,
                                  .operands = &o->common->operands,
                                  .records = o->records,
                                  .before = lm_buf_str(&r->before),
                                  .max_new_tokens = (int)o->max_new_tokens,
                                  .truncate = o->truncate,
                                  .force = o->force};
    if (o->chat) {
        r->chat = *o->chat;
        r->chat.shots = r->shots.items;
        r->chat.shot_count = r->shots.count;
        options.chat = &r->chat;
    }
    for (size_t i = 0; i < r->shots.count && o->chat && lm_ok(st); i++)
        if (!r->shots.items[i].answer.data)
            lm_fail(st, LM_FAILED, "%s: example %zu has no answer, which a conversation needs: give it a field `answer`", o->shots,
                    i + 1);
    r->prompts = lm_ok(st) ? lm_prompts_open(&options, r->model, r->tokenizer, r->tokenizer_path, st) : NULL;
    return r->prompts != NULL;
}

static bool open_run(run *r, lm_status *st)
{
    static const lm_dtype kept[] = {LM_F32, LM_F16, LM_Q8_0};
    const lm_gen_options *o = r->o;
    r->model = lm_model_open(o->common->model, &(lm_model_options){.plugin_path = o->common->plugin, .check = o->check}, st);
    if (!r->model)
        return false;
    lm_params_set_activations(r->model->params, (lm_activations)o->activations);
    if (o->draft) {
        r->draft = lm_model_open(o->draft, &(lm_model_options){.plugin_path = o->common->plugin, .check = o->check}, st);
        if (!r->draft)
            return false;
        lm_params_set_activations(r->draft->params, (lm_activations)o->activations);
    }
    r->tokenizer_path = o->tokenizer ? o->tokenizer : o->common->model;
    r->tokenizer = lm_tokenizer_open(r->tokenizer_path, st);
    if (!r->tokenizer)
        return false;
    r->how = (lm_generate_options){.batch = (int)o->batch,
                                   .max_new_tokens = (int)o->max_new_tokens,
                                   .min_new_tokens = (int)o->min_new_tokens,
                                   .samples = (int)o->samples,
                                   .tokenizer = r->tokenizer,
                                   .prompt_logprobs = o->prompt_logprobs,
                                   .kept = kept[o->kept],
                                   .prompt_cache = o->prompt_cache};
    r->form = (lm_answer_form){.json = o->json || o->logprobs || o->prompt_logprobs || o->top,
                               .lines = !o->prompt,
                               .echo = o->echo,
                               .samples = o->samples > 1,
                               .top = (int)o->top};
    if (o->echo && r->model->arch.decoder_layers)
        return lm_fail(st, LM_USAGE, "--echo: an answer of %s does not go on from the text that it answers", r->model->architecture);
    if (o->tokens && o->logprobs && r->model->arch.decoder_layers)
        return lm_fail(st, LM_USAGE, "--tokens --logprobs: an answer of %s is no part of the row that has them: leave one out",
                       r->model->architecture);
    if (o->prompt_cache && (r->model->arch.decoder_layers || lm_fills_masks(r->model)))
        return lm_fail(st, LM_USAGE, "--prompt-cache: %s reads no prompt that answers go on from: leave it out", r->model->architecture);
    return choose_stops(r, st) && choose_sampling(r, st) && choose_form(r, st) && open_prompts(r, st);
}

static bool fill(run *r, const lm_generate_calls *calls, lm_status *st)
{
    int mask = lm_tokenizer_role(r->tokenizer, "mask"), columns = lm_model_token_columns(r->model);
    if (mask < 0)
        return lm_fail(st, LM_FAILED, "%s: the tokenizer has no mask token, and %s fills masks", r->tokenizer_path,
                       r->model->architecture);
    r->form.top = r->form.top < 1 ? 1 : r->form.top > columns ? columns : r->form.top;
    return lm_fill_masks(r->model, mask, r->form.top, r->how.batch, calls, filled, st);
}

static bool answer_all(run *r, const lm_generate_calls *calls, lm_status *st)
{
    const lm_gen_options *o = r->o;
    const lm_beam_options beams = {(int)o->beams, o->length_penalty, (lm_beam_early)o->early};
    const lm_speculative_options ahead = {r->draft, (int)o->draft_tokens};
    if (lm_fills_masks(r->model) && (o->beams > 1 || r->draft))
        return lm_fail(st, LM_USAGE, "--beams, --draft: %s fills masks, and writes no answers: leave them out", r->model->architecture);
    if (lm_fills_masks(r->model))
        return fill(r, calls, st);
    if (o->beams > 1)
        return lm_beam_search(r->model, &r->how, &beams, calls, st);
    if (!r->draft)
        return lm_generate(r->model, &r->how, calls, st);
    lm_speculative_counts n = {0};
    lm_speculative(r->model, &r->how, &ahead, calls, &n, st);
    if (n.steps)
        lm_info("%" PRIu64 " steps; of %" PRIu64 " tokens of the draft %" PRIu64 " were kept", n.steps, n.drafted, n.accepted);
    return lm_ok(st);
}

static bool open_rows(run *r, lm_status *st)
{
    int fd = lm_output_file_fd(r->out);
    if (!r->o->tokens)
        return true;
    if (!lm_tool_refuse_terminal(fd, "tokens", st))
        return false;
    r->rows = lm_token_rows_new(fd, lm_output_file_name(r->out), r->tokenizer, r->tokenizer_path, r->o->common->command_line, st);
    return r->rows != NULL;
}

bool lm_gen(const lm_gen_options *o, lm_status *st)
{
    run r = {.o = o};
    lm_generate_calls calls = {.context = &r, .next = next, .done = done};
    if (open_run(&r, st) && (r.out = lm_output_file_open(o->common->output, st)) && open_rows(&r, st)) {
        bool terminal = !r.form.json && !r.rows && lm_terminal_columns(lm_output_file_fd(r.out)) > 0;
        calls.token = terminal ? show : NULL;
        r.form.lines = r.form.lines && !terminal;
        if (!terminal)
            lm_progress_begin("answers", "records", 0);
        answer_all(&r, &calls, st);
        lm_progress_end();
    }
    lm_token_rows_close(r.rows, st);
    if (r.out && lm_ok(st))
        lm_output_file_publish(r.out, st);
    else if (r.out)
        lm_output_file_discard(r.out, st->code == LM_ENDED);
    lm_prompts_close(r.prompts);
    lm_shots_free(&r.shots);
    lm_constraint_free(r.constraint);
    lm_tokenizer_free(r.tokenizer);
    lm_model_free(r.model);
    lm_model_free(r.draft);
    for (size_t i = 0; r.strings && i < o->stop.count; i++)
        free(r.strings[i]);
    free(r.strings);
    free(r.bias);
    lm_buf_free(&r.before);
    lm_buf_free(&r.text);
    return lm_ok(st);
}
