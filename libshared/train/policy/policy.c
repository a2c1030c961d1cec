#include "train/policy/policy.h"
#include "train/run_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "graph/logprobs.h"
#include "kernels/policy.h"
#include "train/policy/value_head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Since the last line of the log. */
typedef struct sums {
    double steps, answers, reward, square, flat, groups, truncated, length; /* of answers, and groups of them */
    double tokens, clipped, kl, logp, vf_clipped;                           /* of tokens, in all updates */
} sums;
enum { SUMS = sizeof(sums) / sizeof(double), MOST_NAMES = 32 };

struct lm_policy {
    const lm_policy_options *o;
    const lm_rollout_source *source;
    lm_policy_how how;
    double beta;      /* of the distance from the reference */
    int samples, passes;
    lm_model *model;  /* the reference; NULL = none is asked */
    lm_graph *graph;
    lm_value_head head; /* of ppo */
    sums seen;
    char *names[MOST_NAMES]; /* of single rewards */
    double means[MOST_NAMES];
    int name_count;
    /* the step's answers: tokens that are learned are those with a label, one row's after the other's */
    bool ready;
    int32_t *splits;  /* [rows+1] */
    double *weight;   /* [rows] */
    float *old, *reference, *advantage, *value, *returns; /* [tokens] */
    int row_cap, token_cap;
    /* of the micro-batch in hand */
    float *slope, *values, *wide; /* [tokens], [tokens], [tokens of the batch, width] */
    size_t slope_cap, wide_cap;
};

static bool is_ppo(const lm_policy *p)
{
    return p->o->method == LM_POLICY_PPO;
}

/* ------------------------------------------------------------------ life */

static double beta_of(const lm_policy_options *o)
{
    static const double usual[] = {[LM_POLICY_GRPO] = 0, [LM_POLICY_RLOO] = 0.05, [LM_POLICY_PPO] = 0.05};
    return o->has_beta ? o->beta : usual[o->method];
}

int lm_policy_samples(const lm_policy_options *o)
{
    static const int usual[] = {[LM_POLICY_GRPO] = 8, [LM_POLICY_RLOO] = 2, [LM_POLICY_PPO] = 1};
    return o->has_samples ? (int)o->samples : usual[o->method];
}

bool lm_policy_serves(const lm_run *r, lm_status *st)
{
    if (r->spec->communicator)
        return lm_fail(st, LM_USAGE, "rewards and several processes: run one process, with -j threads");
    if (r->o->replay || lm_train_options_join(r->o) || (r->o->freeze && r->o->freeze->cache) ||
        r->o->label_smoothing > 0)
        return lm_fail(st, LM_USAGE, "--replay, --packing, --cache-frozen and --label-smoothing are of rows that are learned from as they "
                       "stand: leave them out");
    if (r->o->memory > 0 || r->o->plan)
        return lm_fail(st, LM_USAGE, "--%s: how long answers become is not known before: leave it out", r->o->plan ? "plan" : "memory");
    return true;
}

static bool open_reference(lm_policy *p, const lm_run *r, lm_status *st)
{
    const lm_model_options how = {.task = r->objective->head, .plugin_path = r->spec->common->plugin, .quiet = true};
    p->model = lm_model_open(p->o->reference ? p->o->reference : r->spec->common->model, &how, st);
    if (!p->model)
        return lm_fail_prefix(st, "the reference");
    if (lm_model_token_columns(p->model) < r->targets.vocab_size)
        return lm_fail(st, LM_FAILED, "the reference knows %d tokens, and the model %d: they have to have one vocabulary",
                       lm_model_token_columns(p->model), r->targets.vocab_size);
    p->graph = lm_graph_new(p->model->params);
    return true;
}

lm_policy *lm_policy_new(lm_run *r, lm_status *st)
{
    const lm_policy_options *o = r->spec->policy->options;
    bool cispo = o->method == LM_POLICY_GRPO && o->loss == LM_POLICY_CISPO;
    lm_policy *p = lm_calloc(1, sizeof *p);
    *p = (lm_policy){.o = o, .source = r->spec->policy->source, .beta = beta_of(o), .samples = lm_policy_samples(o),
                     .passes = o->has_passes ? (int)o->passes : o->method == LM_POLICY_PPO ? 4 : 1};
    p->how = (lm_policy_how){.low = o->epsilon, .high = o->has_high ? o->epsilon_high : cispo ? 5 : o->epsilon, .delta = o->delta,
                             .cispo = cispo, .beta = o->method == LM_POLICY_GRPO ? p->beta : 0,
                             .level = o->method == LM_POLICY_RLOO ? LM_RATIO_SUM : o->level ? LM_RATIO_MEAN : LM_RATIO_TOKEN};
    if (is_ppo(p))
        lm_value_head_init(&p->head, r->model->arch.width);
    if (p->beta <= 0 || open_reference(p, r, st))
        return p;
    lm_policy_free(p);
    return NULL;
}

void lm_policy_free(lm_policy *p)
{
    if (!p)
        return;
    if (p->graph)
        lm_graph_free(p->graph);
    lm_model_free(p->model);
    lm_value_head_free(&p->head);
    for (int i = 0; i < p->name_count; i++)
        free(p->names[i]);
    free(p->splits);
    free(p->weight);
    free(p->old);
    free(p->reference);
    free(p->advantage);
    free(p->value);
    free(p->returns);
    free(p->slope);
    free(p->values);
    free(p->wide);
    free(p);
}

int lm_policy_passes(const lm_policy *p)
{
    return p->passes;
}

void lm_policy_select(const lm_policy *p, lm_select *select)
{
    select->hidden = is_ppo(p);
}

/* ------------------------------------------------------------------ the step's answers */

static float *longer(float *x, size_t n)
{
    x = lm_realloc(x, n, sizeof *x);
    memset(x, 0, n * sizeof *x);
    return x;
}

/* Room for what the tokens of s are to teach, all 0. */
static void lay_out(lm_policy *p, const lm_step_rows *s)
{
    if (s->rows > p->row_cap) {
        p->row_cap = s->rows;
        p->splits = lm_realloc(p->splits, (size_t)s->rows + 1, sizeof *p->splits);
        p->weight = lm_realloc(p->weight, (size_t)s->rows, sizeof *p->weight);
    }
    p->splits[0] = 0;
    for (int r = 0; r < s->rows; r++) {
        p->splits[r + 1] = p->splits[r];
        p->weight[r] = 0;
        for (int i = s->row_splits[r]; i < s->row_splits[r + 1]; i++)
            p->splits[r + 1] += s->token_label[i] != LM_IGNORE;
    }
    size_t n = (size_t)p->splits[s->rows] + 1;
    p->old = longer(p->old, n);
    p->reference = longer(p->reference, n);
    p->advantage = longer(p->advantage, n);
    p->value = longer(p->value, n);
    p->returns = longer(p->returns, n);
}

static void grow_part(lm_policy *p, const lm_micro_batch *m, int width)
{
    size_t tokens = (size_t)m->count + 1, wide = (size_t)m->batch.tokens * (size_t)width;
    if (tokens > p->slope_cap) {
        p->slope_cap = tokens;
        p->slope = lm_realloc(p->slope, tokens, sizeof *p->slope);
        p->values = lm_realloc(p->values, tokens, sizeof *p->values);
    }
    if (wide > p->wide_cap) {
        p->wide_cap = wide;
        p->wide = lm_realloc(p->wide, wide, sizeof *p->wide);
    }
}

/* What a model gives the answers' tokens, without gradients; and, where it is asked for, their values. */
static bool read_step(lm_policy *p, lm_run *r, lm_model *model, lm_graph *g, float *logp, float *value, lm_status *st)
{
    lm_micro_batch m = {0};
    bool ok = true;
    for (int first = 0; ok && first < r->rows.rows;) {
        int at = first;
        ok = lm_signal_check(st);
        first = lm_micro_batch_cut(&m, &r->rows, &r->targets, first, r->micro_tokens, INT32_MAX);
        if (!ok || !m.count)
            continue;
        lm_select select = {.tokens = m.selected, .count = m.count, .token_logits = true, .hidden = value != NULL};
        lm_graph_begin(g, &m.batch, (lm_step){0});
        lm_outputs out = lm_model_forward(model, g, &m.batch, &select);
        const float *given = lm_tensor_read(g, lm_token_logprobs(g, out.token_logits, m.label, (float)p->o->temperature));
        const float *hidden = value && given ? lm_tensor_read(g, out.hidden) : NULL;
        if (given)
            memcpy(logp + p->splits[at], given, (size_t)m.count * sizeof *logp);
        for (int i = 0; hidden && i < m.count; i++)
            value[p->splits[at] + i] = lm_value_head_of(&p->head, hidden + (size_t)m.selected[i] * (size_t)p->head.width);
        ok = lm_graph_end(g, st);
    }
    lm_micro_batch_free(&m);
    return ok;
}

/* What divides a row's loss. */
static void weigh(lm_policy *p, const lm_step_rows *s, const lm_rollout *items)
{
    double answers = 0, tokens = 0;
    for (int r = 0; r < s->rows; r++) {
        int n = p->splits[r + 1] - p->splits[r];
        bool counts = n > 0 && !(p->o->mask_truncated && items[s->place[r]].truncated);
        p->weight[r] = counts;
        answers += counts;
        tokens += counts ? n : 0;
    }
    for (int r = 0; r < s->rows; r++) {
        double n = p->splits[r + 1] - p->splits[r];
        bool by_answers = p->o->method == LM_POLICY_RLOO || (p->o->method == LM_POLICY_GRPO && p->o->loss == LM_POLICY_BY_ANSWERS);
        bool by_length = p->o->method == LM_POLICY_GRPO && p->o->loss == LM_POLICY_BY_LENGTH;
        if (p->weight[r] > 0)
            p->weight[r] = by_answers ? 1 / (n * answers) : by_length ? 1 / ((double)p->o->max_new * answers) : 1 / tokens;
    }
}

/* The advantage of every token; rewards[prompts * samples] in the order of the source. */
static void find_advantages(lm_policy *p, const lm_step_rows *s, int prompts, float *rewards, float *scratch)
{
    lm_advantage kind = p->o->method == LM_POLICY_RLOO ? LM_ADVANTAGE_LEAVE_ONE_OUT : (lm_advantage)p->o->scale;
    int n = p->splits[s->rows];
    if (is_ppo(p)) {
        for (int r = 0; r < s->rows; r++)
            scratch[r] = rewards[s->place[r]];
        float *reward = p->returns; /* becomes them */
        lm_token_rewards(LM_KL_PLAIN, p->beta, s->rows, p->splits, p->old, p->model ? p->reference : NULL, scratch, reward);
        if (p->o->whiten_rewards)
            lm_whiten((size_t)n, reward, false);
        float *kept = lm_malloc((size_t)n + 1, sizeof *kept);
        memcpy(kept, reward, (size_t)n * sizeof *kept);
        lm_gae(p->o->gamma, p->o->lambda, s->rows, p->splits, kept, p->value, p->advantage, p->returns);
        lm_whiten((size_t)n, p->advantage, true);
        free(kept);
        return;
    }
    for (int r = 0; p->o->method == LM_POLICY_RLOO && p->model && r < s->rows; r++) /* the distance is part of the reward */
        for (int i = p->splits[r]; i < p->splits[r + 1]; i++)
            rewards[s->place[r]] -= (float)(p->beta * ((double)p->old[i] - (double)p->reference[i]));
    p->seen.flat += lm_group_advantages(kind, prompts, p->samples, rewards, scratch);
    p->seen.groups += prompts;
    for (int r = 0; r < s->rows; r++)
        for (int i = p->splits[r]; i < p->splits[r + 1]; i++)
            p->advantage[i] = scratch[s->place[r]];
}

static void note_answers(lm_policy *p, const lm_rollouts *all, int count)
{
    for (int i = 0; i < count; i++) {
        const lm_rollout *x = &all->items[i];
        p->seen.reward += (double)x->reward;
        p->seen.square += (double)x->reward * (double)x->reward;
        p->seen.length += x->count - x->prompt;
        p->seen.truncated += x->truncated;
    }
    p->seen.answers += count;
    p->seen.steps++;
    for (int i = 0; i < all->name_count && i < MOST_NAMES; i++) {
        if (i == p->name_count)
            p->names[p->name_count++] = lm_strdup(all->names[i]);
        p->means[i] += all->means[i];
    }
}

static bool fill_rows(lm_run *r, const lm_rollout *items, int count, lm_status *st)
{
    int64_t tokens = 0;
    int longest = 1;
    for (int i = 0; i < count; i++) {
        tokens += items[i].count;
        longest = items[i].count > longest ? items[i].count : longest;
    }
    if (tokens > INT32_MAX / 2)
        return lm_fail(st, LM_FAILED, "answers of %lld tokens in one step: lower --batch-size", (long long)tokens);
    uint8_t *mask = lm_malloc((size_t)longest, 1);
    lm_step_rows_begin(&r->rows, &r->targets, count, tokens);
    for (int i = 0; i < count && lm_ok(st); i++) {
        memset(mask, 0, (size_t)items[i].prompt);
        memset(mask + items[i].prompt, 1, (size_t)(items[i].count - items[i].prompt));
        lm_tokens_row row = {.ids = items[i].ids, .len = (size_t)items[i].count, .loss_mask = mask};
        lm_step_rows_add(&r->rows, &r->targets, &row, 0, (uint64_t)i, i, st);
    }
    free(mask);
    return lm_ok(st);
}

/* The rows of r as prompts: of those that hold an answer what stands before it. malloced, with their tokens behind them. */
static lm_prompt *prompts_of(const lm_run *r, const lm_data *data, const lm_step_rows *s)
{
    lm_prompt *prompts = lm_calloc((size_t)s->rows + 1, sizeof *prompts);
    for (int k = 0; k < s->rows; k++) {
        int from = s->row_splits[k], n = s->row_splits[k + 1] - from, at = 0;
        while (at < n && s->token_label[from + at] == LM_IGNORE)
            at++;
        prompts[k] = (lm_prompt){.ids = s->ids + from, .count = at < n ? at + 1 : n, .record = (uint64_t)k};
        bool mixed;
        if (data == r->data && lm_data_spool(data)) {
            lm_tokens_row row;
            prompts[k].record = lm_data_picked(data, (uint32_t)k, &mixed);
            lm_data_row(data, prompts[k].record, NULL, &row);
            prompts[k].label = row.label_word;
        }
    }
    return prompts;
}

bool lm_policy_answer(lm_policy *p, lm_run *r, lm_status *st)
{
    int prompts = r->rows.rows, count = prompts * p->samples;
    lm_prompt *list = prompts_of(r, r->data, &r->rows);
    lm_rollouts all = {0};
    bool ok = p->source->answer(p->source->context, r->model, list, prompts, p->samples, false, r->step, &all, st);
    free(list);
    if (!ok || !fill_rows(r, all.items, count, st))
        return false;
    note_answers(p, &all, count);
    lay_out(p, &r->rows);
    weigh(p, &r->rows, all.items);
    bool asks_old = p->passes > 1 || p->o->method != LM_POLICY_GRPO;
    if ((asks_old && !read_step(p, r, r->model, r->graph, p->old, is_ppo(p) ? p->value : NULL, st)) ||
        (p->model && !read_step(p, r, p->model, p->graph, p->reference, NULL, st)))
        return false;
    float *rewards = lm_malloc((size_t)count + 1, sizeof *rewards), *scratch = lm_malloc((size_t)count + 1, sizeof *scratch);
    for (int i = 0; i < count; i++)
        rewards[i] = all.items[i].reward;
    find_advantages(p, &r->rows, prompts, rewards, scratch);
    free(rewards);
    free(scratch);
    p->ready = true;
    return true;
}

/* ------------------------------------------------------------------ the loss */

/* What the values lose, and the derivative by the hidden states that they are read from. */
static lm_tensor *value_part(lm_policy *p, const lm_micro_batch *m, int at, double weight, lm_tensor *hidden, lm_graph *g)
{
    const float *x = lm_tensor_read(g, hidden);
    size_t width = (size_t)p->head.width;
    lm_policy_tally of_part = {0};
    for (int i = 0; i < m->count; i++)
        p->values[i] = lm_value_head_of(&p->head, x + (size_t)m->selected[i] * width);
    double loss = lm_value_loss(m->count, p->o->value_clip, weight, p->values, p->value + at, p->returns + at, p->slope, &of_part);
    memset(p->wide, 0, (size_t)hidden->rows * width * sizeof *p->wide);
    for (int i = 0; i < m->count; i++) {
        size_t token = (size_t)m->selected[i] * width;
        lm_value_head_learn(&p->head, x + token, p->slope[i], p->wide + token);
    }
    p->seen.vf_clipped += of_part.vf_clipped;
    return lm_computed_loss(g, hidden, loss, p->wide);
}

lm_tensor *lm_policy_part(lm_policy *p, const lm_micro_batch *m, const lm_step_rows *s, lm_outputs out, lm_graph *g, lm_status *st)
{
    int rows = m->batch.rows;
    if (!p->ready) /* rows that were made up to see what a step takes */
        lay_out(p, s);
    int at = p->splits[m->first];
    lm_tensor *given = lm_token_logprobs(g, out.token_logits, m->label, (float)p->o->temperature);
    const float *logp = lm_tensor_read(g, given);
    if (!logp) {
        lm_graph_end(g, st);
        return NULL;
    }
    grow_part(p, m, is_ppo(p) ? p->head.width : 0);
    int32_t *splits = lm_malloc((size_t)rows + 1, sizeof *splits);
    for (int r = 0; r <= rows; r++)
        splits[r] = p->splits[m->first + r] - at;
    bool has_old = p->passes > 1 || p->o->method != LM_POLICY_GRPO;
    lm_policy_tally of_part = {0};
    double loss = lm_policy_loss(&p->how, rows, splits, logp, p->ready && has_old ? p->old + at : NULL, p->model ? p->reference + at : NULL,
                                 p->advantage + at, p->weight + m->first, p->slope, &of_part);
    free(splits);
    p->seen.tokens += m->count;
    p->seen.clipped += of_part.clipped;
    for (int i = 0; i < m->count; i++) {
        double d = p->model ? (double)p->reference[at + i] - (double)logp[i] : 0;
        p->seen.kl += exp(d) - d - 1;
        p->seen.logp += (double)logp[i];
    }
    lm_tensor *part = lm_computed_loss(g, given, loss, p->slope);
    if (!is_ppo(p))
        return part;
    double tokens = p->splits[s->rows];
    return lm_add(g, part, value_part(p, m, at, tokens > 0 && p->ready ? p->o->value_weight / tokens : 0, out.hidden, g));
}

void lm_policy_updated(lm_policy *p, double rate)
{
    if (is_ppo(p))
        lm_value_head_update(&p->head, rate);
}

/* ------------------------------------------------------------------ what is said of it */

void lm_policy_tell(lm_policy *p, json_t *entry)
{
    const sums *x = &p->seen;
    double mean = x->reward / x->answers;
    const struct {
        const char *name;
        double value;
        bool shown;
    } all[] = {{"reward", mean, true},
               {"reward_std", sqrt(fmax(0, x->square / x->answers - mean * mean)), true},
               {"frac_reward_zero_std", x->flat / x->groups, !is_ppo(p)},
               {"completions/mean_length", x->length / x->answers, true},
               {"completions/clipped_ratio", x->truncated / x->answers, true},
               {"kl", x->kl / x->tokens, p->model != NULL},
               {"entropy", -x->logp / x->tokens, true},
               {"clip_ratio", x->clipped / x->tokens, true},
               {"val/clipfrac", x->vf_clipped / x->tokens, is_ppo(p)}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].shown)
            json_object_set_new(entry, all[i].name, isfinite(all[i].value) ? json_real(all[i].value) : json_null());
    for (int i = 0; i < p->name_count; i++) {
        char *key = lm_format("rewards/%s/mean", p->names[i]);
        json_object_set_new(entry, key, json_real(p->means[i] / x->steps));
        free(key);
        p->means[i] = 0;
    }
    p->seen = (sums){0};
}

json_t *lm_policy_sums(const lm_policy *p)
{
    double numbers[SUMS];
    json_t *list = json_array(), *names = json_object();
    memcpy(numbers, &p->seen, sizeof numbers);
    for (int i = 0; i < SUMS; i++)
        json_array_append_new(list, json_real(numbers[i]));
    for (int i = 0; i < p->name_count; i++)
        json_object_set_new(names, p->names[i], json_real(p->means[i]));
    json_t *all = json_pack("{s:o, s:o}", "sums", list, "means", names);
    if (is_ppo(p))
        json_object_set_new(all, "value_head", lm_value_head_state(&p->head));
    return all;
}

void lm_policy_restore(lm_policy *p, const json_t *all)
{
    double numbers[SUMS];
    const char *name;
    json_t *value;
    for (int i = 0; i < SUMS; i++)
        numbers[i] = json_number_value(json_array_get(json_object_get(all, "sums"), (size_t)i));
    memcpy(&p->seen, numbers, sizeof numbers);
    json_object_foreach(json_object_get(all, "means"), name, value) {
        if (p->name_count == MOST_NAMES)
            break;
        p->means[p->name_count] = json_number_value(value);
        p->names[p->name_count++] = lm_strdup(name);
    }
    if (is_ppo(p))
        lm_value_head_restore(&p->head, json_object_get(all, "value_head"));
}

void lm_policy_log(const lm_policy *p)
{
    bool typed = p->o->method == LM_POLICY_GRPO;
    lm_info("method %s%s%s: %d answers to each prompt, of at most %d tokens, %d update%s of them%s",
            lm_preference_methods[LM_METHOD_GRPO + p->o->method], typed ? ", " : "",
            typed ? lm_preference_names[LM_PREFERENCE_LOSSES + p->o->loss] : "", p->samples,
            (int)p->o->max_new, p->passes, p->passes == 1 ? "" : "s", p->model ? "" : ", no reference");
}

void lm_policy_run_options(const lm_policy *p, json_t *all)
{
    const lm_policy_options *o = p->o;
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"beta", p->beta}, {"epsilon", o->epsilon}, {"epsilon-high", p->how.high}, {"delta", o->delta},
                   {"num-generations", p->samples}, {"num-iterations", p->passes}, {"max-new-tokens", (double)o->max_new},
                   {"temperature", o->temperature}, {"scale-rewards", o->scale}, {"importance-sampling-level", o->level},
                   {"mask-truncated", o->mask_truncated}, {"discount", is_ppo(p) ? o->gamma : 0}, {"lambda", is_ppo(p) ? o->lambda : 0},
                   {"value-clip", is_ppo(p) ? o->value_clip : 0}, {"value-weight", is_ppo(p) ? o->value_weight : 0},
                   {"whiten-rewards", o->whiten_rewards}};
    json_object_set_new(all, "method", json_string(lm_preference_methods[LM_METHOD_GRPO + o->method]));
    if (o->method == LM_POLICY_GRPO)
        json_object_set_new(all, "loss-type", json_string(lm_preference_names[LM_PREFERENCE_LOSSES + o->loss]));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value != 0)
            json_object_set_new(all, numbers[i].name, json_real(numbers[i].value));
    if (p->model)
        json_object_set_new(all, "reference", json_string(o->reference ? o->reference : "start"));
}

/* ------------------------------------------------------------------ evaluation */

enum { EVAL_ROWS = 64 };

lm_report *lm_policy_evaluate(lm_policy *p, lm_run *r, uint64_t most, lm_status *st)
{
    uint64_t rows = lm_data_rows(r->eval), count = most < rows ? most : rows;
    double reward = 0, length = 0, means[MOST_NAMES] = {0};
    const char *const *names = NULL;
    int name_count = 0;
    lm_step_rows s = {0};
    bool ok = lm_run_quantise(r, st);
    for (uint64_t first = 0; ok && first < count; first += EVAL_ROWS) {
        int n = (int)(first + EVAL_ROWS < count ? EVAL_ROWS : count - first);
        lm_step_rows_begin(&s, &r->eval_targets, n, 1);
        lm_str labels[EVAL_ROWS];
        for (int i = 0; i < n && lm_ok(st); i++) {
            lm_tokens_row row;
            lm_data_row(r->eval, first + (uint64_t)i, NULL, &row);
            labels[i] = row.label_word;
            lm_step_rows_add(&s, &r->eval_targets, &row, 0, first + (uint64_t)i, i, st);
        }
        lm_prompt *prompts = prompts_of(r, r->eval, &s);
        for (int i = 0; i < n; i++) {
            prompts[i].label = labels[i];
            prompts[i].record = first + (uint64_t)i;
        }
        lm_rollouts all = {0};
        ok = lm_ok(st) && p->source->answer(p->source->context, r->model, prompts, n, 1, true, r->step, &all, st);
        for (int i = 0; ok && i < n; i++) {
            reward += (double)all.items[i].reward / (double)count;
            length += (double)(all.items[i].count - all.items[i].prompt) / (double)count;
        }
        names = all.names;
        name_count = all.name_count < MOST_NAMES ? all.name_count : MOST_NAMES;
        for (int i = 0; ok && i < name_count; i++)
            means[i] += all.means[i] * n / (double)count;
        free(prompts);
    }
    lm_report *report = ok ? lm_report_new() : NULL;
    if (report) {
        lm_report_count(report, "rows", count);
        lm_report_add(report, "loss", -reward);
        lm_report_add(report, "reward", reward);
        for (int i = 0; i < name_count; i++) {
            char *key = lm_format("rewards/%s/mean", names[i]);
            lm_report_add(report, key, means[i]);
            free(key);
        }
        lm_report_add(report, "completions/mean_length", length);
    }
    lm_step_rows_free(&s);
    return report;
}
