#include "train/preference/preference.h"
#include "train/run_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "graph/logprobs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What pairs, or answers that are judged, came to. Of the latter the chosen ones are those that are good. */
typedef struct sums {
    double pairs, right, chosen, rejected, chosen_logps, rejected_logps, kl, steps;
    double chosen_count, rejected_count;
} sums;

struct lm_preferring {
    const lm_preference_options *o;
    lm_preference_how how;
    double sft;
    bool reward, pairs, asks; /* rewards are learned; answers come in pairs; the reference is a model here */
    lm_model *model;          /* it; NULL = none */
    lm_graph *graph;
    sums seen;
    double chosen_tokens;     /* of the step, by weight */
    lm_targets mixed_targets;
    lm_step_rows mixed;       /* kto: prompts with the answers of others */
    /* of the micro-batch in hand */
    int32_t *splits;          /* [rows+1] of the tokens that are asked for */
    double *score, *reference, *slope, *loss, *weight;
    float *margin, *token_slope;
    int row_cap, token_cap;
};

/* ------------------------------------------------------------------ life */

static bool uses_reference(const lm_preference_options *o)
{
    return (o->method == LM_METHOD_DPO && !o->reference_free) || o->method == LM_METHOD_KTO;
}

static lm_preference_how how_of(const lm_preference_options *o)
{
    static const lm_preference losses[] = {[LM_METHOD_REWARD] = LM_PREFER_REWARD, [LM_METHOD_SIMPO] = LM_PREFER_SIMPO,
                                           [LM_METHOD_ORPO] = LM_PREFER_ORPO, [LM_METHOD_KTO] = LM_PREFER_KTO};
    lm_preference loss = o->method == LM_METHOD_DPO ? (lm_preference)o->loss : losses[o->method];
    double smoothing = o->has_smoothing ? o->smoothing : loss == LM_PREFER_EXO ? 1e-3 : 0;
    return (lm_preference_how){.loss = loss, .beta = o->beta, .smoothing = smoothing, .gamma = o->gamma, .center = o->center,
                               .desirable = o->desirable, .undesirable = o->undesirable};
}

/* Whether the rows bring log-probabilities of a reference: the first one says. */
static bool rows_bring(const lm_preferring *p, const lm_run *r)
{
    lm_tokens_row row;
    if (!lm_data_spool(r->data) || !lm_spool_rows(lm_data_spool(r->data)))
        return false;
    lm_spool_row(lm_data_spool(r->data), 0, &row);
    return p->pairs ? row.chosen.logprobs && row.rejected.logprobs : row.logprobs != NULL;
}

/* The reference of the rows, else a model, which then gives the mismatched answers of kto too. */
static bool find_reference(lm_preferring *p, lm_run *r, lm_status *st)
{
    const lm_model_options how = {.task = r->objective->head, .plugin_path = r->spec->common->plugin, .quiet = true};
    bool stored = rows_bring(p, r) && !p->o->reference && p->pairs;
    r->targets.reference = stored;
    p->asks = !stored;
    if (stored)
        return true;
    p->model = lm_model_open(p->o->reference ? p->o->reference : r->spec->common->model, &how, st);
    if (!p->model || (p->o->reference &&
                      !lm_model_check_tokenizer(p->model, NULL, lm_data_tokenizer(r->data), r->o->force, st)))
        return lm_fail_prefix(st, p->o->reference ? "--ref-model" : "the reference");
    if (lm_model_token_columns(p->model) < r->targets.vocab_size)
        return lm_fail(st, LM_FAILED, "the reference knows %d tokens, and the model %d: they have to have one vocabulary",
                       lm_model_token_columns(p->model), r->targets.vocab_size);
    p->graph = lm_graph_new(p->model->params);
    return true;
}

bool lm_preferring_serves(const lm_run *r, lm_status *st)
{
    if (r->spec->communicator)
        return lm_fail(st, LM_USAGE, "preferences and several processes: run one process, with -j threads");
    if (r->o->replay || lm_train_options_join(r->o))
        return lm_fail(st, LM_USAGE, "--replay and --packing are of rows with one text: leave them out");
    if (r->o->label_smoothing > 0)
        return lm_fail(st, LM_USAGE, "--label-smoothing is of labels: --preference-smoothing says how probable it is that pairs stand the "
                       "wrong way round");
    if (r->o->freeze && r->o->freeze->cache)
        return lm_fail(st, LM_USAGE, "--cache-frozen keeps what rows of one text give: leave it out");
    return true;
}

lm_preferring *lm_preferring_new(lm_run *r, lm_status *st)
{
    const lm_preference_options *o = r->spec->preference;
    lm_preferring *p = lm_calloc(1, sizeof *p);
    *p = (lm_preferring){.o = o, .how = how_of(o), .reward = o->method == LM_METHOD_REWARD,
                         .pairs = o->method != LM_METHOD_KTO,
                         .sft = o->has_sft ? o->sft : o->method == LM_METHOD_ORPO};
    if (!uses_reference(o) || find_reference(p, r, st))
        return p;
    lm_preferring_free(p);
    return NULL;
}

void lm_preferring_free(lm_preferring *p)
{
    if (!p)
        return;
    if (p->graph)
        lm_graph_free(p->graph);
    lm_model_free(p->model);
    lm_step_rows_free(&p->mixed);
    free(p->splits);
    free(p->score);
    free(p->reference);
    free(p->slope);
    free(p->loss);
    free(p->weight);
    free(p->margin);
    free(p->token_slope);
    free(p);
}

lm_graph *lm_preferring_graph(const lm_preferring *p)
{
    return p->graph;
}

bool lm_preferring_is_whole(const lm_preferring *p)
{
    return lm_preference_sorts(p->how.loss);
}

void lm_preferring_select(const lm_preferring *p, lm_select *select)
{
    select->row_logits = p->reward;
}

/* ------------------------------------------------------------------ what answers are given */

static void grow(lm_preferring *p, const lm_micro_batch *m)
{
    int rows = m->batch.rows, tokens = m->count > rows ? m->count : rows;
    if (rows > p->row_cap) {
        p->row_cap = rows;
        size_t n = (size_t)rows;
        p->splits = lm_realloc(p->splits, n + 1, sizeof *p->splits);
        p->score = lm_realloc(p->score, n, sizeof *p->score);
        p->reference = lm_realloc(p->reference, n, sizeof *p->reference);
        p->slope = lm_realloc(p->slope, n, sizeof *p->slope);
        p->loss = lm_realloc(p->loss, n, sizeof *p->loss);
        p->weight = lm_realloc(p->weight, n, sizeof *p->weight);
        p->margin = lm_realloc(p->margin, n, sizeof *p->margin);
    }
    if (tokens > p->token_cap) {
        p->token_cap = tokens;
        p->token_slope = lm_realloc(p->token_slope, (size_t)tokens, sizeof *p->token_slope);
    }
}

/* Which of the values that are asked for are of which row. */
static void split(lm_preferring *p, const lm_micro_batch *m)
{
    p->splits[0] = 0;
    for (int r = 0, i = 0; r < m->batch.rows; r++) {
        if (p->reward)
            i++;
        while (!p->reward && i < m->count && m->selected[i] < m->batch.row_splits[r + 1])
            i++;
        p->splits[r + 1] = i;
    }
}

static int values_of(const lm_preferring *p, int row)
{
    return p->splits[row + 1] - p->splits[row];
}

/* By what a sum over an answer's tokens is divided. */
static double divisor(const lm_preferring *p, int row)
{
    int n = values_of(p, row);
    return lm_preference_averages(p->how.loss) && n > 0 ? n : 1;
}

static void sum_up(const lm_preferring *p, int rows, const float *values, double *score)
{
    for (int r = 0; r < rows; r++) {
        double sum = 0;
        for (int i = p->splits[r]; i < p->splits[r + 1]; i++)
            sum += values[i];
        score[r] = sum / divisor(p, r);
    }
}

/* What a model gives the answers of m, without gradients. */
static bool read_answers(const lm_preferring *p, lm_model *model, lm_graph *g, const lm_micro_batch *m, double *score, lm_status *st)
{
    lm_select select = {.tokens = m->selected, .count = m->count, .token_logits = true};
    lm_graph_begin(g, &m->batch, (lm_step){0});
    lm_outputs out = lm_model_forward(model, g, &m->batch, &select);
    const float *values = m->count ? lm_tensor_read(g, lm_token_logprobs(g, out.token_logits, m->label, 1)) : NULL;
    if (values || !m->count)
        sum_up(p, m->batch.rows, values, score);
    return lm_graph_end(g, st);
}

/* The reference's, as the policy's are summed. */
static bool ask_reference(lm_preferring *p, const lm_micro_batch *m, const lm_step_rows *s, lm_status *st)
{
    if (p->asks)
        return read_answers(p, p->model, p->graph, m, p->reference, st) || lm_fail_prefix(st, "the reference");
    for (int r = 0; r < m->batch.rows; r++)
        p->reference[r] = (double)s->reference[m->first + r] / divisor(p, r);
    return true;
}

/* ------------------------------------------------------------------ kto: answers to other prompts */

/* A step's prompts, each with the answer to the one before it; rows stay in their order, so that lengths stay about the same. */
static bool mix(lm_preferring *p, const lm_step_rows *s, lm_status *st)
{
    lm_step_rows_begin(&p->mixed, &p->mixed_targets, s->rows, s->tokens);
    int32_t *ids = lm_malloc(2 * (size_t)s->tokens + 1, sizeof *ids);
    uint8_t *mask = lm_malloc(2 * (size_t)s->tokens + 1, 1);
    for (int r = 0; r < s->rows && lm_ok(st); r++) {
        int other = r ? r - 1 : s->rows - 1, n = 0, from = s->row_splits[other];
        for (int i = s->row_splits[r]; i < s->row_splits[r + 1]; i++) { /* up to the token that predicts the answer's first */
            ids[n] = s->ids[i];
            mask[n++] = 0;
            if (s->token_label[i] != LM_IGNORE)
                break;
        }
        for (; from < s->row_splits[other + 1]; from++) {
            if (s->token_label[from] == LM_IGNORE)
                continue;
            ids[n] = s->token_label[from];
            mask[n++] = 1;
        }
        int most = p->mixed_targets.max_length;
        lm_tokens_row row = {.ids = ids, .len = (size_t)(most && n > most ? most : n), .loss_mask = mask, .has_desirable = true};
        lm_step_rows_add(&p->mixed, &p->mixed_targets, &row, 0, (uint64_t)r, r, st);
    }
    free(ids);
    free(mask);
    return lm_ok(st);
}

/* How much more the policy gives answers than the reference does where they answer nothing, on average, not below 0: KTO's
 * reference point. */
static bool find_kl(lm_preferring *p, lm_run *r, const lm_step_rows *s, lm_status *st)
{
    lm_micro_batch m = {0};
    double sum = 0;
    p->mixed_targets = r->targets;
    p->mixed_targets.reference = false;
    bool ok = mix(p, s, st);
    for (int first = 0; ok && first < p->mixed.rows;) {
        first = lm_micro_batch_cut(&m, &p->mixed, &p->mixed_targets, first, r->micro_tokens, INT32_MAX);
        grow(p, &m);
        split(p, &m);
        ok = read_answers(p, r->model, r->graph, &m, p->score, st) && ask_reference(p, &m, &p->mixed, st);
        for (int i = 0; ok && i < m.batch.rows; i++)
            sum += p->score[i] - p->reference[i];
    }
    lm_micro_batch_free(&m);
    p->how.kl = ok && p->mixed.rows ? fmax(0, sum / p->mixed.rows) : 0;
    p->seen.kl += p->how.kl;
    p->seen.steps++;
    return ok;
}

bool lm_preferring_begin(lm_preferring *p, lm_run *r, const lm_step_rows *s, lm_status *st)
{
    p->chosen_tokens = 0;
    for (int k = 0; k < s->rows && p->sft > 0; k += 2)
        for (int i = s->row_splits[k]; i < s->row_splits[k + 1]; i++)
            p->chosen_tokens += s->token_label[i] != LM_IGNORE ? (double)s->weight[k] : 0;
    return p->pairs || find_kl(p, r, s, st);
}

/* ------------------------------------------------------------------ the loss */

static void note(lm_preferring *p, const lm_micro_batch *m, const lm_step_rows *s)
{
    sums *x = &p->seen;
    double beta = p->reward ? 1 : p->how.beta;
    for (int r = 0; r < m->batch.rows; r++) {
        bool good = p->pairs ? r % 2 == 0 : s->desirable[m->first + r] != 0, counts = s->weight[m->first + r] > 0;
        double reward = beta * (p->score[r] - p->reference[r]);
        if (!counts)
            continue;
        *(good ? &x->chosen : &x->rejected) += reward;
        *(good ? &x->chosen_logps : &x->rejected_logps) += p->score[r];
        *(good ? &x->chosen_count : &x->rejected_count) += 1;
        if (p->pairs && good) {
            x->pairs++;
            x->right += reward > beta * (p->score[r + 1] - p->reference[r + 1]);
        }
    }
}

/* Losses of the pairs, or answers; the derivatives by what they are given; and all of it weighted, as one loss. */
static double weigh(lm_preferring *p, const lm_micro_batch *m, const lm_step_rows *s)
{
    int rows = m->batch.rows, each = p->pairs ? 2 : 1, n = rows / each;
    double all = 0;
    for (int i = 0; i < n; i++)
        p->margin[i] = s->margin[m->first + each * i];
    lm_preference_losses(&p->how, n, p->score, p->reference, p->margin, s->desirable + m->first, p->loss, p->slope);
    for (int i = 0; i < n; i++) {
        double weight = s->row_count > 0 ? (double)s->weight[m->first + each * i] / s->row_count : 0;
        all += weight > 0 ? weight * p->loss[i] : 0;
        for (int k = 0; k < each; k++)
            p->weight[each * i + k] = weight > 0 ? weight * p->slope[each * i + k] / divisor(p, each * i + k) : 0;
    }
    return all;
}

lm_tensor *lm_preferring_loss(lm_preferring *p, const lm_micro_batch *m, const lm_step_rows *s, lm_outputs out, lm_graph *g,
                              lm_status *st)
{
    int rows = m->batch.rows;
    grow(p, m);
    split(p, m);
    lm_tensor *given = p->reward ? out.row_logits : lm_token_logprobs(g, out.token_logits, m->label, 1);
    const float *values = lm_tensor_read(g, given);
    if (!values) {
        lm_graph_end(g, st);
        return NULL;
    }
    sum_up(p, rows, values, p->score);
    for (int r = 0; r < rows; r++)
        p->reference[r] = 0;
    if (uses_reference(p->o) && !ask_reference(p, m, s, st))
        return NULL;
    double loss = weigh(p, m, s);
    for (int r = 0; r < rows; r++) {
        bool taught = p->sft > 0 && r % 2 == 0 && p->chosen_tokens > 0;
        double sft = taught ? p->sft * (double)s->weight[m->first + r] / p->chosen_tokens : 0;
        for (int i = p->splits[r]; i < p->splits[r + 1]; i++)
            p->token_slope[i] = (float)(p->weight[r] - sft);
        loss -= sft * p->score[r] * divisor(p, r);
    }
    note(p, m, s);
    return lm_computed_loss(g, given, loss, p->token_slope);
}

/* ------------------------------------------------------------------ what is said of it */

/* Names and values of what was seen. */
static int measures(const lm_preferring *p, const sums *x, const char *name[8], double value[8])
{
    int n = 0;
    double chosen = x->chosen / x->chosen_count, rejected = x->rejected / x->rejected_count;
    name[n] = "rewards/chosen", value[n++] = chosen;
    name[n] = "rewards/rejected", value[n++] = rejected;
    name[n] = "rewards/margins", value[n++] = chosen - rejected;
    if (p->pairs)
        name[n] = "rewards/accuracies", value[n++] = x->right / x->pairs;
    else
        name[n] = "kl", value[n++] = x->kl / x->steps;
    if (!p->reward) {
        name[n] = "logps/chosen", value[n++] = x->chosen_logps / x->chosen_count;
        name[n] = "logps/rejected", value[n++] = x->rejected_logps / x->rejected_count;
    }
    return n;
}

void lm_preferring_tell(lm_preferring *p, json_t *entry)
{
    const char *name[8];
    double value[8];
    int n = measures(p, &p->seen, name, value);
    for (int i = 0; i < n; i++)
        json_object_set_new(entry, name[i], isfinite(value[i]) ? json_real(value[i]) : json_null());
    p->seen = (sums){0};
}

enum { SUMS = sizeof(sums) / sizeof(double) };

json_t *lm_preferring_sums(const lm_preferring *p)
{
    double numbers[SUMS];
    json_t *list = json_array();
    memcpy(numbers, &p->seen, sizeof numbers);
    for (int i = 0; i < SUMS; i++)
        json_array_append_new(list, json_real(numbers[i]));
    return list;
}

void lm_preferring_restore(lm_preferring *p, const json_t *list)
{
    double numbers[SUMS];
    for (int i = 0; i < SUMS; i++)
        numbers[i] = json_number_value(json_array_get(list, (size_t)i));
    memcpy(&p->seen, numbers, sizeof numbers);
}

void lm_preferring_log(const lm_preferring *p)
{
    const lm_preference_options *o = p->o;
    const char *reference = !uses_reference(o) ? "no reference" : !p->asks ? "a reference that has read the rows"
                            : o->reference    ? lm_bundle_shown(o->reference) : "the model as it begins for reference";
    if (p->reward)
        lm_info("method reward: -log sigmoid of the difference of two rewards%s", p->how.center > 0 ? ", which are held around 0" : "");
    else
        lm_info("method %s%s%s, beta %g, %s", lm_preference_methods[o->method], o->method == LM_METHOD_DPO ? " " : "",
                o->method == LM_METHOD_DPO ? lm_preference_names[o->loss] : "", p->how.beta, reference);
}

void lm_preferring_run_options(const lm_preferring *p, json_t *all)
{
    const lm_preference_how *h = &p->how;
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"beta", p->reward ? 0 : h->beta}, {"preference-smoothing", h->smoothing},
                   {"simpo-gamma", h->loss == LM_PREFER_SIMPO ? h->gamma : 0}, {"center-rewards", h->center}, {"sft-weight", p->sft},
                   {"desirable-weight", p->pairs ? 0 : h->desirable}, {"undesirable-weight", p->pairs ? 0 : h->undesirable}};
    json_object_set_new(all, "method", json_string(lm_preference_methods[p->o->method]));
    if (p->o->method == LM_METHOD_DPO)
        json_object_set_new(all, "loss-type", json_string(lm_preference_names[p->o->loss]));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value > 0)
            json_object_set_new(all, numbers[i].name, json_real(numbers[i].value));
    if (uses_reference(p->o))
        json_object_set_new(all, "reference", json_string(!p->asks ? "column" : p->o->reference ? p->o->reference : "start"));
    if (p->o->reference_free)
        json_object_set_new(all, "reference-free", json_true());
}

/* ------------------------------------------------------------------ evaluation */

enum { EVAL_ROWS = 64 };

/* Rows [first, last) of r->eval: what they lose, by what they count. */
static bool evaluate_rows(lm_preferring *p, lm_run *r, lm_step_rows *s, uint64_t first, uint64_t last, double *loss, lm_status *st)
{
    lm_micro_batch m = {0};
    int64_t tokens = 0;
    for (uint64_t i = first; i < last; i++)
        tokens += lm_data_lengths(r->eval)[i];
    lm_step_rows_begin(s, &r->eval_targets, (int)(last - first), tokens);
    for (uint64_t i = first; i < last && lm_ok(st); i++) {
        lm_tokens_row row;
        lm_data_row(r->eval, i, NULL, &row);
        lm_step_rows_add(s, &r->eval_targets, &row, 0, i, (int64_t)(i - first), st);
    }
    bool ok = lm_ok(st) && lm_preferring_begin(p, r, s, st);
    for (int at = 0; ok && at < s->rows;) {
        int64_t most = lm_preferring_is_whole(p) ? INT64_MAX : r->micro_tokens;
        at = lm_micro_batch_cut(&m, s, &r->eval_targets, at, most, INT32_MAX);
        lm_select select = lm_micro_batch_select(&m, s, &r->eval_targets);
        lm_preferring_select(p, &select);
        if (!select.token_logits && !select.row_logits)
            continue;
        lm_graph_begin(r->graph, &m.batch, (lm_step){0});
        lm_outputs out = lm_model_forward(r->model, r->graph, &m.batch, &select);
        lm_tensor *part = lm_preferring_loss(p, &m, s, out, r->graph, st);
        *loss += part ? (double)*lm_tensor_read(r->graph, part) * s->row_count : 0;
        ok = part && lm_graph_end(r->graph, st);
    }
    lm_micro_batch_free(&m);
    return ok;
}

lm_report *lm_preferring_evaluate(lm_preferring *p, lm_run *r, uint64_t most, lm_status *st)
{
    uint64_t rows = lm_data_rows(r->eval), count = most < rows ? most : rows;
    lm_step_rows s = {0};
    sums before = p->seen;
    double loss = 0, counted = 0;
    bool ok = lm_run_quantise(r, st);
    p->seen = (sums){0};
    for (uint64_t first = 0; ok && first < count && (ok = lm_signal_check(st)); first += EVAL_ROWS) {
        ok = evaluate_rows(p, r, &s, first, first + EVAL_ROWS < count ? first + EVAL_ROWS : count, &loss, st);
        counted += s.row_count;
    }
    lm_report *report = ok ? lm_report_new() : NULL;
    if (report) {
        const char *name[8];
        double value[8];
        int n = measures(p, &p->seen, name, value);
        lm_report_count(report, "rows", count);
        lm_report_add(report, "loss", loss / counted);
        for (int i = 0; i < n; i++)
            lm_report_add(report, name[i], value[i]);
    }
    p->seen = before;
    lm_step_rows_free(&s);
    return report;
}
