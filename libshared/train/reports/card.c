/* The model card of a run: where its weights come from, by what, and what came of it. */
#include "config.h"

#include "train/run_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "model/card.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Rows of the table of results, and metrics beside the loss in it. */
enum { RESULTS_MAX = 40, METRICS_MAX = 8, FIXED = 3 };

typedef struct items {
    lm_card_item *list;
    size_t count, cap;
} items;

static void add_item(items *all, const char *name, char *value)
{
    LM_GROW(all->list, all->count, all->cap);
    all->list[all->count++] = (lm_card_item){lm_strdup(name), value};
}

static void free_items(items *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free((char *)all->list[i].name);
        free((char *)all->list[i].value);
    }
    free(all->list);
}

static void add_metrics(const lm_run *r, items *metrics)
{
    json_t *value;
    const char *name;
    json_object_foreach(lm_run_evaluation(r), name, value)
        if (json_is_number(value) && lm_runlog_is_measure(name))
            add_item(metrics, name, lm_format("%.6g", json_number_value(value)));
}

/* ------------------------------------------------------------------ the results of training */

/* A table of what was logged: columns are the training loss, epoch and step, and metrics of evaluations. */
typedef struct results {
    const char *column[FIXED + METRICS_MAX];
    size_t columns, rows;
    char *cell[RESULTS_MAX][FIXED + METRICS_MAX];
} results;

static void find_columns(const lm_run *r, results *t)
{
    json_t *value;
    const char *name;
    t->column[0] = "training loss";
    t->column[1] = "epoch";
    t->column[2] = "step";
    t->columns = FIXED;
    json_object_foreach(lm_run_evaluation(r), name, value) {
        if (json_is_number(value) && lm_runlog_is_measure(name) && t->columns < FIXED + METRICS_MAX)
            t->column[t->columns++] = name;
    }
}

static char *number_or(const json_t *value, const char *otherwise)
{
    return json_is_number(value) ? lm_format("%.6g", json_number_value(value)) : lm_strdup(otherwise);
}

/* A row for each evaluation, or where there is none for each line of the log; of too many, some, and the last. */
static void find_results(const lm_run *r, results *t)
{
    json_t *history = lm_runlog_history(r->log), *entry, *loss = NULL;
    const char *key = lm_run_evaluation(r) ? "eval_loss" : "loss";
    size_t i, all = 0, seen = 0;
    find_columns(r, t);
    json_array_foreach(history, i, entry)
        all += json_object_get(entry, key) != NULL;
    json_array_foreach(history, i, entry) {
        if (json_object_get(entry, "loss"))
            loss = json_object_get(entry, "loss");
        if (!json_object_get(entry, key))
            continue;
        bool wanted = all <= RESULTS_MAX || seen == t->rows * (all - 1) / (RESULTS_MAX - 1);
        seen++;
        if (!wanted)
            continue;
        char **cell = t->cell[t->rows++];
        cell[0] = number_or(loss, "not logged");
        for (size_t k = 1; k < t->columns; k++)
            cell[k] = number_or(json_object_get(entry, t->column[k]), "");
    }
}

static void free_results(results *t)
{
    for (size_t i = 0; i < t->rows; i++)
        for (size_t k = 0; k < t->columns; k++)
            free(t->cell[i][k]);
}

/* ------------------------------------------------------------------ the card */

bool lm_run_write_card(const lm_run *r, lm_bundle_writer *to, lm_status *st)
{
    const lm_common *common = r->spec->common;
    items settings = {0}, metrics = {0};
    json_t *options = lm_run_options(r), *value;
    const char *key;
    json_object_foreach(options, key, value) {
        char *text = json_is_string(value) ? lm_strdup(json_string_value(value))
                     : json_is_real(value) ? lm_format("%.6g", json_real_value(value))
                                           : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        if (text)
            add_item(&settings, key, text);
    }
    add_metrics(r, &metrics);
    results went = {0};
    find_results(r, &went);
    const char *cells[RESULTS_MAX * (FIXED + METRICS_MAX)];
    for (size_t i = 0; i < went.rows * went.columns; i++)
        cells[i] = went.cell[i / went.columns][i % went.columns];
    char *eval = r->o->eval ? lm_bundle_title(r->o->eval) : NULL;
    char *name = lm_bundle_title(common->output);
    const lm_spool *spool = lm_data_spool(r->data);
    uint64_t rows = lm_data_rows(r->data), tokens = 0;
    for (uint64_t i = 0; i < rows; i++)
        tokens += lm_data_lengths(r->data)[i];
    char *data =
        spool ? lm_format("%" PRIu64 " %s, %" PRIu64 " tokens", rows, lm_run_example_name(r), tokens) : NULL;
    json_t *via = spool ? json_object_get(lm_spool_preamble(spool), "via") : NULL;
    const char *lines[64];
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(via) && n < sizeof lines / sizeof *lines; i++)
        if (json_is_string(json_array_get(via, i)))
            lines[n++] = json_string_value(json_array_get(via, i));
    char *base = common->model ? lm_bundle_base(common->model) : NULL;
    char *program = lm_format("%s %s", lm_program_name(), PACKAGE_VERSION);
    lm_card card = {.name = name,
                    .base_model = r->spec->random_weights ? NULL : lm_bundle_shown(base),
                    .adapter = r->o->adapting != NULL,
                    .task = r->model->head->name,
                    .program = program,
                    .command_line = common->command_line,
                    .via = lines,
                    .via_count = n,
                    .data = data,
                    .settings = settings.list,
                    .setting_count = settings.count,
                    .metrics = metrics.list,
                    .metric_count = metrics.count,
                    .eval_data = eval,
                    .columns = went.column,
                    .column_count = went.columns,
                    .cells = cells,
                    .row_count = went.rows};
    bool ok = lm_card_write(&card, to, st);
    free(base);
    free(program);
    free(data);
    free(name);
    free_items(&settings);
    free_items(&metrics);
    free_results(&went);
    free(eval);
    json_decref(options);
    return ok;
}

