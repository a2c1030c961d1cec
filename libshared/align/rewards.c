#include "align/rewards.h"

#include "base/line_filter.h"
#include "base/memory.h"
#include "model/model.h"
#include "stream/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_TOKENS = 2048 };

/* One of them: a rule, a model or a command. */
typedef struct reward {
    lm_reward_rule *rule;
    lm_model *model;
    lm_graph *graph;
    lm_line_filter *command;
    const char *spec;
    double weight;
    double *values; /* [answers] */
} reward;

struct lm_rewards {
    reward *items;
    const char **names;
    double *means;
    int count, room;
};

/* ------------------------------------------------------------------ life */

/* What it is called in the log: the last part of a path, the first word of a command. */
static char *name_of(const char *spec, bool command)
{
    size_t n = command ? strcspn(spec, " \t") : strlen(spec);
    while (n > 1 && spec[n - 1] == '/')
        n--;
    size_t from = n;
    while (from && spec[from - 1] != '/')
        from--;
    return lm_strndup(spec + from, n - from);
}

static bool open_model(reward *r, const char *plugin, lm_status *st)
{
    r->model = lm_model_open(r->spec, &(lm_model_options){.task = "classify", .plugin_path = plugin, .quiet = true}, st);
    if (!r->model)
        return lm_fail_prefix(st, "--reward");
    if (lm_config_labels(r->model->config) != 1)
        return lm_fail(st, LM_FAILED, "--reward %s: it has %d classes, and a model of rewards has one number: make one with align --method "
                       "reward", r->spec, lm_config_labels(r->model->config));
    r->graph = lm_graph_new(r->model->params);
    return true;
}

static bool take_weights(lm_rewards *w, const char *list, lm_status *st)
{
    int n = 0;
    for (const char *from = list; from; n++) {
        size_t length = strcspn(from, ",");
        char *word = lm_strndup(from, length);
        double value = 0;
        bool good = lm_parse_float(word, &value) && isfinite(value);
        free(word);
        if (!good)
            return lm_fail(st, LM_USAGE, "--reward-weights %s: give numbers with commas between, such as 1,0.5", list);
        if (n < w->count)
            w->items[n].weight = value;
        from = from[length] ? from + length + 1 : NULL;
    }
    return !list || n == w->count || lm_fail(st, LM_USAGE, "--reward-weights %s: %d numbers, and there are %d rewards: one for each, those "
                                             "of --reward first", list, n, w->count);
}

lm_rewards *lm_rewards_new(const lm_reward_options *o, lm_status *st)
{
    lm_rewards *w = lm_calloc(1, sizeof *w);
    size_t most = o->rewards.count + o->commands.count;
    w->items = lm_calloc(most + 1, sizeof *w->items);
    w->names = lm_calloc(most + 1, sizeof *w->names);
    w->means = lm_calloc(most + 1, sizeof *w->means);
    if (!most)
        lm_fail(st, LM_USAGE, "what are answers worth? Give --reward RULE, --reward MODEL or --reward-cmd COMMAND");
    for (size_t i = 0; i < most && lm_ok(st); i++) {
        bool command = i >= o->rewards.count;
        reward *r = &w->items[w->count];
        r->spec = command ? o->commands.items[i - o->rewards.count] : o->rewards.items[i];
        r->weight = 1;
        w->names[w->count++] = name_of(r->spec, command);
        if (command)
            r->command = lm_line_filter_new(&(lm_line_filter_options){.command = r->spec, .timeout = o->timeout, .jobs = 1,
                                                                      .end = LM_END_LINE});
        else if (lm_reward_rule_is(r->spec))
            r->rule = lm_reward_rule_new(r->spec, st);
        else
            open_model(r, o->plugin, st);
    }
    if (lm_ok(st) && take_weights(w, o->weights, st))
        return w;
    lm_rewards_free(w);
    return NULL;
}

void lm_rewards_free(lm_rewards *w)
{
    if (!w)
        return;
    for (int i = 0; i < w->count; i++) {
        reward *r = &w->items[i];
        lm_reward_rule_free(r->rule);
        if (r->graph)
            lm_graph_free(r->graph);
        lm_model_free(r->model);
        if (r->command)
            lm_line_filter_free(r->command);
        free(r->values);
        free((char *)w->names[i]);
    }
    free(w->items);
    free(w->names);
    free(w->means);
    free(w);
}

/* ------------------------------------------------------------------ commands */

static void write_line(const lm_graded *a, lm_buf *out)
{
    lm_buf_puts(out, "{\"prompt\":");
    lm_json_string(a->prompt, out);
    lm_buf_puts(out, ",\"completion\":");
    lm_json_string(a->completion, out);
    if (a->label.data) {
        lm_buf_puts(out, ",\"label\":");
        lm_json_string(a->label, out);
    }
    lm_buf_puts(out, "}");
}

static bool take_answer(const reward *r, const lm_line_answer *said, lm_str line, double *value, lm_status *st)
{
    int shown = (int)(line.len < 200 ? line.len : 200);
    if (said->fault)
        return lm_fail(st, LM_FAILED, "--reward-cmd %s: %s, asked about %.*s", r->spec, said->fault, shown, line.data);
    char *text = lm_strndup(said->text.data, said->text.len);
    text[strcspn(text, "\r")] = 0;
    bool good = lm_parse_float(text, value) && isfinite(*value);
    if (!good)
        lm_fail(st, LM_FAILED, "--reward-cmd %s: it answered '%.60s' to %.*s: a number a line is expected, and nothing else", r->spec, text,
                shown, line.data);
    free(text);
    return good;
}

static bool ask_command(reward *r, const lm_graded *answers, int n, lm_status *st)
{
    lm_arena *arena = lm_arena_new(0);
    lm_str *lines = lm_calloc((size_t)n + 1, sizeof *lines);
    lm_line_answer *said = lm_calloc((size_t)n + 1, sizeof *said);
    lm_buf text = {0};
    size_t *ends = lm_calloc((size_t)n + 1, sizeof *ends);
    for (int i = 0; i < n; i++) {
        write_line(&answers[i], &text);
        ends[i + 1] = text.len;
    }
    for (int i = 0; i < n; i++)
        lines[i] = (lm_str){text.data + ends[i], ends[i + 1] - ends[i]};
    bool ok = lm_line_filter_ask(r->command, lines, (size_t)n, said, arena, st);
    if (!ok && lm_ok(st))
        ok = lm_fail(st, LM_FAILED, "it answers nothing right");
    if (!ok)
        lm_fail_prefix(st, "--reward-cmd");
    for (int i = 0; ok && i < n; i++)
        ok = take_answer(r, &said[i], lines[i], &r->values[i], st);
    free(lines);
    free(said);
    free(ends);
    lm_buf_free(&text);
    lm_arena_free(arena);
    return ok;
}

/* ------------------------------------------------------------------ models */

static bool ask_model(reward *r, const lm_graded *answers, int n, lm_status *st)
{
    bool ok = true;
    for (int first = 0, last; ok && first < n; first = last) {
        size_t tokens = 0;
        for (last = first; last < n && (last == first || tokens + (size_t)answers[last].count <= BATCH_TOKENS); last++)
            tokens += (size_t)answers[last].count;
        int rows = last - first;
        int32_t *splits = lm_calloc((size_t)rows + 1, sizeof *splits), *ids = lm_calloc(3 * tokens + 1, sizeof *ids);
        int32_t *types = ids + tokens, *positions = types + tokens;
        for (int k = 0; k < rows; k++) {
            const lm_graded *a = &answers[first + k];
            for (int i = 0; i < a->count; i++) {
                ids[splits[k] + i] = a->ids[i];
                positions[splits[k] + i] = i;
            }
            splits[k + 1] = splits[k] + a->count;
        }
        lm_batch batch = {.rows = rows, .tokens = (int)tokens, .row_splits = splits, .ids = ids, .types = types, .positions = positions};
        ok = lm_model_check_batch(r->model, &batch, st);
        if (ok) {
            lm_graph_begin(r->graph, &batch, (lm_step){0});
            lm_outputs out = lm_model_forward(r->model, r->graph, &batch, &(lm_select){.row_logits = true});
            const float *value = lm_tensor_read(r->graph, out.row_logits);
            for (int k = 0; value && k < rows; k++)
                r->values[first + k] = (double)value[k];
            ok = lm_graph_end(r->graph, st);
        }
        free(splits);
        free(ids);
    }
    return ok || lm_fail_prefix(st, "--reward");
}

/* ------------------------------------------------------------------ all */

bool lm_rewards_grade(lm_rewards *w, const lm_graded *answers, int n, float *total, lm_status *st)
{
    for (int i = 0; i < n; i++)
        total[i] = 0;
    for (int k = 0; k < w->count; k++) {
        reward *r = &w->items[k];
        if (n > w->room || !r->values)
            r->values = lm_realloc(r->values, (size_t)(n > w->room ? n : w->room) + 1, sizeof *r->values);
        bool ok = true;
        if (r->command)
            ok = ask_command(r, answers, n, st);
        else if (r->model)
            ok = ask_model(r, answers, n, st);
        for (int i = 0; r->rule && ok && i < n; i++)
            ok = lm_reward_rule_value(r->rule, &answers[i], &r->values[i], st);
        if (!ok)
            return false;
        w->means[k] = 0;
        for (int i = 0; i < n; i++) {
            total[i] += (float)(r->weight * r->values[i]);
            w->means[k] += r->values[i] / n;
        }
    }
    w->room = n > w->room ? n : w->room;
    return true;
}

int lm_rewards_count(const lm_rewards *w)
{
    return w->count;
}

const char *const *lm_rewards_names(const lm_rewards *w)
{
    return w->names;
}

double lm_rewards_value(const lm_rewards *w, int which, int answer)
{
    return w->items[which].values[answer];
}

const double *lm_rewards_means(const lm_rewards *w)
{
    return w->means;
}
