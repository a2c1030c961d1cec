#include "align/rollouts.h"

#include "base/memory.h"
#include "generate/generate.h"
#include "stream/json.h"
#include "text/tokenizer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STOPS = 64 };

struct lm_rollout_maker {
    const lm_rollout_options *o;
    lm_rewards *rewards;
    lm_tokenizer *tokenizer;
    FILE *log;
    /* of the answers in hand */
    const lm_prompt *prompts;
    int count, samples, next, done;
    lm_request *requests;
    lm_rollout *items;
    lm_graded *graded;
    lm_buf *texts; /* [2 answers]: prompt, completion */
    int room;
};

void lm_rollout_option_table(lm_rollout_options *o, lm_option *table)
{
    const lm_option all[LM_ROLLOUT_OPTIONS] = {
        {.name = "reward", .type = LM_OPT_STRINGS, .target = &o->rewards.rewards, .value = "WHAT",
         .aliases = "reward_funcs reward_model_path",
         .help = "what an answer is worth: exact, contains or number compare it (what stands behind </think>) with the row's label; think: "
                 "it begins with <think>...</think>; length=A-B tokens; regex=RE; or a model of align --method reward. Several add up"},
        {.name = "reward-cmd", .type = LM_OPT_STRINGS, .target = &o->rewards.commands, .value = "COMMAND",
         .help = "a program that reads a line of JSON for each answer (prompt, completion, label) and writes a number"},
        {.name = "reward-weights", .type = LM_OPT_STRING, .target = &o->rewards.weights, .value = "X,X...", .shown = "1 each",
         .help = "how much each reward counts, those of --reward first"},
        {.name = "reward-timeout", .type = LM_OPT_DURATION, .target = &o->rewards.timeout, .value = "TIME", .min = 0.01, .max = 1e6,
         .help = "a program that neither reads nor writes for so long is ended"},
        {.name = "top-p", .type = LM_OPT_FLOAT, .target = &o->top_p, .value = "P", .min = 1e-6, .max = 1, .help = "of the answers"},
        {.name = "top-k", .type = LM_OPT_COUNT, .target = &o->top_k, .value = "K", .min = 0, .max = 1e9, .shown = "all",
         .help = "of the answers"},
        {.name = "generation-batch-size", .type = LM_OPT_COUNT, .target = &o->batch, .value = "N", .min = 1, .max = 1 << 16,
         .help = "answers that are written at a time: changes speed and memory alone"},
        {.name = "rollouts", .type = LM_OPT_FILE, .target = &o->log, .value = "FILE",
         .help = "write all answers and their rewards as JSON Lines"},
    };
    memcpy(table, all, sizeof all);
}

/* ------------------------------------------------------------------ life */

lm_rollout_maker *lm_rollout_maker_new(const lm_rollout_options *o, lm_status *st)
{
    lm_rollout_maker *m = lm_calloc(1, sizeof *m);
    m->o = o;
    m->rewards = lm_rewards_new(&o->rewards, st);
    if (m->rewards)
        m->tokenizer = lm_tokenizer_open(o->tokenizer ? o->tokenizer : o->model, st);
    if (m->tokenizer && o->log && !(m->log = fopen(o->log, "we")))
        lm_fail_errno(st, LM_FAILED, "%s", o->log);
    if (lm_ok(st))
        return m;
    lm_rollout_maker_free(m);
    return NULL;
}

static void forget(lm_rollout_maker *m)
{
    for (int i = 0; i < m->room; i++) {
        free((int32_t *)m->items[i].ids);
        lm_buf_free(&m->texts[2 * i]);
        lm_buf_free(&m->texts[2 * i + 1]);
    }
    free(m->requests);
    free(m->items);
    free(m->graded);
    free(m->texts);
    m->room = 0;
    m->requests = NULL;
    m->items = NULL;
    m->graded = NULL;
    m->texts = NULL;
}

bool lm_rollout_maker_finish(lm_rollout_maker *m, lm_status *st)
{
    FILE *log = m->log;
    m->log = NULL;
    return !log || fclose(log) == 0 || lm_fail_errno(st, LM_FAILED, "%s: cannot write", m->o->log);
}

void lm_rollout_maker_free(lm_rollout_maker *m)
{
    if (!m)
        return;
    forget(m);
    if (m->log)
        fclose(m->log);
    lm_rewards_free(m->rewards);
    lm_tokenizer_free(m->tokenizer);
    free(m);
}

/* ------------------------------------------------------------------ writing answers */

static int next_request(void *context, bool wait, const lm_request **request, lm_status *st)
{
    lm_rollout_maker *m = context;
    (void)wait;
    (void)st;
    if (m->next == m->count)
        return 0;
    *request = &m->requests[m->next++];
    return 1;
}

/* lm_generate hands answers over in the order of the requests. */
static bool take_answers(void *context, const lm_answer *answers, int count, lm_status *st)
{
    lm_rollout_maker *m = context;
    for (int k = 0; k < count; k++, m->done++) {
        const lm_answer *a = &answers[k];
        const lm_prompt *p = &m->prompts[m->done / m->samples];
        int n = p->count + a->count;
        int32_t *ids = lm_malloc((size_t)n + 1, sizeof *ids);
        memcpy(ids, p->ids, (size_t)p->count * sizeof *ids);
        if (a->count)
            memcpy(ids + p->count, a->ids, (size_t)a->count * sizeof *ids);
        m->items[m->done] = (lm_rollout){.ids = ids, .prompt = p->count, .count = n,
                                         .truncated = a->end == LM_END_LENGTH || a->end == LM_END_CONTEXT};
        lm_buf *prompt = &m->texts[2 * m->done], *completion = prompt + 1;
        if (!lm_decode(m->tokenizer, ids, (size_t)p->count, false, prompt, st) ||
            !lm_decode(m->tokenizer, ids + p->count, (size_t)a->text_count, false, completion, st))
            return false;
        m->graded[m->done] = (lm_graded){.prompt = lm_buf_str(prompt), .completion = lm_buf_str(completion), .label = p->label,
                                         .ids = ids, .prompt_tokens = p->count, .count = n};
    }
    return true;
}

static bool write_answers(lm_rollout_maker *m, lm_model *model, bool greedy, uint64_t step, lm_status *st)
{
    int32_t stops[MOST_STOPS];
    lm_sampling sampling;
    lm_sampling_init(&sampling);
    sampling.temperature = greedy ? 0 : m->o->policy->temperature;
    sampling.top_p = m->o->top_p;
    sampling.top_k = m->o->top_k;
    sampling.seed = m->o->seed + 0x9e3779b97f4a7c15u * (step + 1); /* another answer to the same prompt in each step */
    lm_generate_options how = {.batch = (int)m->o->batch, .max_new_tokens = (int)m->o->policy->max_new, .samples = m->samples,
                               .stop = stops,
                               .stop_count = lm_generate_stops(model, m->tokenizer, stops, MOST_STOPS), .tokenizer = m->tokenizer,
                               .sampling = &sampling};
    lm_generate_calls calls = {.context = m, .next = next_request, .done = take_answers};
    return lm_generate(model, &how, &calls, st);
}

static void log_answers(lm_rollout_maker *m, uint64_t step, bool greedy)
{
    lm_buf line = {0};
    for (int i = 0; m->log && i < m->count * m->samples; i++) {
        const lm_graded *g = &m->graded[i];
        line.len = 0;
        lm_buf_printf(&line, "{\"step\":%llu,\"record\":%llu,\"%s\":", (unsigned long long)step,
                      (unsigned long long)m->prompts[i / m->samples].record, greedy ? "evaluation\":true,\"prompt" : "prompt");
        lm_json_string(g->prompt, &line);
        lm_buf_puts(&line, ",\"completion\":");
        lm_json_string(g->completion, &line);
        if (g->label.data) {
            lm_buf_puts(&line, ",\"label\":");
            lm_json_string(g->label, &line);
        }
        lm_buf_printf(&line, ",\"tokens\":%d,\"truncated\":%s,\"reward\":%.9g,\"rewards\":{", g->count - g->prompt_tokens,
                      m->items[i].truncated ? "true" : "false", (double)m->items[i].reward);
        for (int k = 0; k < lm_rewards_count(m->rewards); k++) {
            const char *name = lm_rewards_names(m->rewards)[k];
            lm_buf_puts(&line, k ? "," : "");
            lm_json_string((lm_str){name, strlen(name)}, &line);
            lm_buf_printf(&line, ":%.9g", lm_rewards_value(m->rewards, k, i));
        }
        lm_buf_puts(&line, "}}\n");
        fwrite(line.data, 1, line.len, m->log);
    }
    lm_buf_free(&line);
}

static bool answer(void *context, lm_model *model, const lm_prompt *prompts, int count, int samples, bool greedy, uint64_t step,
                   lm_rollouts *out, lm_status *st)
{
    lm_rollout_maker *m = context;
    int n = count * samples;
    forget(m);
    m->prompts = prompts;
    m->count = count;
    m->samples = samples;
    m->next = m->done = 0;
    m->room = n;
    m->requests = lm_calloc((size_t)count + 1, sizeof *m->requests);
    m->items = lm_calloc((size_t)n + 1, sizeof *m->items);
    m->graded = lm_calloc((size_t)n + 1, sizeof *m->graded);
    m->texts = lm_calloc(2 * (size_t)n + 2, sizeof *m->texts);
    for (int i = 0; i < count; i++)
        m->requests[i] = (lm_request){.ids = prompts[i].ids, .count = prompts[i].count, .record = prompts[i].record};
    float *total = lm_calloc((size_t)n + 1, sizeof *total);
    bool ok = write_answers(m, model, greedy, step, st) && lm_rewards_grade(m->rewards, m->graded, n, total, st);
    for (int i = 0; ok && i < n; i++)
        m->items[i].reward = total[i];
    free(total);
    if (!ok)
        return false;
    log_answers(m, step, greedy);
    *out = (lm_rollouts){.items = m->items, .names = lm_rewards_names(m->rewards), .means = lm_rewards_means(m->rewards),
                         .name_count = lm_rewards_count(m->rewards)};
    return true;
}

lm_rollout_source lm_rollout_maker_source(lm_rollout_maker *m)
{
    return (lm_rollout_source){m, answer};
}
