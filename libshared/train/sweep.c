#include "train/sweep.h"

#include "base/log.h"
#include "base/memory.h"
#include "model/archs.h"
#include "stream/json_tree.h"
#include "train/checkpoint.h"
#include "train/data/data.h"
#include "train/parallel/parallel.h"
#include "train/reports/runlog.h"
#include "train/reports/watch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { AXES_MAX = 8, RUNS_MAX = 1000, NAME_MOST = 200 };

/* An option and the values that it takes in turn. */
typedef struct axis {
    const lm_option *option;
    lm_strings values; /* malloced */
} axis;

typedef struct cell {
    char *name;   /* of the run's directories */
    json_t *done; /* what came of it: steps, train_loss, evaluation; NULL = not run, or failed */
    bool failed;
} cell;

typedef struct sweep {
    const lm_run_spec *spec;
    lm_program program; /* with the common options that can be swept */
    lm_option *options;
    lm_common common; /* of the runs, changed for each */
    lm_strings inputs;
    lm_mix mix;
    axis axes[AXES_MAX];
    size_t axis_count;
    cell *cells;
    size_t cell_count;
    lm_data *data; /* the rows of all runs */
    char digest[17];
    int lock; /* of --checkpoint DIR, where the rows are; -1 = none */
    double started;
} sweep;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ------------------------------------------------------------------ the grid */

static bool is_forbidden(const char *name)
{
    static const char *const names[] = {"output", "checkpoint", "resume", "save-steps", "keep",   "sweep",  "plan",
                                        "eval",   "max-time",   "memory", "force",      "task",   "labels", "objective",
                                        "list-parameters", "list-archs", "json", "mix", "communicator", "tensorboard"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool set_value(const axis *a, size_t value, lm_status *st)
{
    if (a->option->type == LM_OPT_STRINGS)
        ((lm_strings *)a->option->target)->count = 0;
    return lm_option_set(a->option, a->values.items[value], st);
}

/* One NAME=A,B,C. */
static bool add_axis(sweep *s, lm_str word, lm_status *st)
{
    const char *equals = memchr(word.data, '=', word.len);
    int shown = (int)(word.len < 100 ? word.len : 100);
    if (!equals || equals == word.data)
        return lm_fail(st, LM_USAGE, "--sweep %.*s: give NAME=VALUE,VALUE..., such as lr=1e-5,3e-5", shown, word.data);
    if (s->axis_count == AXES_MAX)
        return lm_fail(st, LM_USAGE, "--sweep: more than %d options: a grid of them is too large", AXES_MAX);
    axis *a = &s->axes[s->axis_count];
    a->option = lm_option_find(&s->program, (lm_str){word.data, (size_t)(equals - word.data)}, st);
    if (!a->option)
        return lm_fail_prefix(st, "--sweep");
    if (is_forbidden(a->option->name))
        return lm_fail(st, LM_USAGE, "--sweep %s: this option is one for all runs: give it by itself", a->option->name);
    for (size_t i = 0; i < s->axis_count; i++)
        if (s->axes[i].option == a->option)
            return lm_fail(st, LM_USAGE, "--sweep: %s is there twice", a->option->name);
    s->axis_count++;
    const char *end = word.data + word.len;
    for (const char *p = equals + 1; p <= end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
        if (stop == p)
            return lm_fail(st, LM_USAGE, "--sweep %.*s: an empty value", shown, word.data);
        lm_strings_add(&a->values, lm_strndup(p, (size_t)(stop - p)));
        if (!set_value(a, a->values.count - 1, st))
            return lm_fail_prefix(st, "--sweep");
        p = stop + 1;
    }
    return true;
}

/* The words of an argument, each an axis. */
static bool add_axes(sweep *s, const char *text, lm_status *st)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, " \t\n");
        if (n && !add_axis(s, (lm_str){p, n}, st))
            return false;
        p += n + (p[n] != 0);
    }
    return true;
}

/* NAME=VALUES behind the first of a --sweep looks like a file; it is none where there is no such file. */
static bool part_operands(sweep *s, lm_status *st)
{
    const lm_strings *operands = &s->spec->common->operands;
    for (size_t i = 0; i < operands->count; i++) {
        const char *word = operands->items[i], *equals = strchr(word, '=');
        if (equals && access(word, F_OK) != 0) {
            if (!add_axes(s, word, st))
                return false;
        } else {
            lm_strings_add(&s->inputs, word);
        }
    }
    return true;
}

/* The options of the program and those common ones that a grid may have. */
static void widen_table(sweep *s, const lm_program *program)
{
    const lm_option seed = {.name = "seed", .type = LM_OPT_INT, .target = &s->common.seed, .value = "N"};
    const lm_option model = {.name = "model", .type = LM_OPT_DIR, .target = &s->common.model, .value = "DIR"};
    size_t n = 0;
    while (program->options[n].name)
        n++;
    s->options = lm_calloc(n + 3, sizeof *s->options);
    size_t at = 0;
    s->options[at++] = seed;
    s->options[at++] = model;
    for (size_t i = 0; i < n; i++)
        if (strcmp(program->options[i].name, "model") != 0)
            s->options[at++] = program->options[i];
    s->program = *program;
    s->program.options = s->options;
}

/* The value of axis k in cell i; the last axis changes fastest. */
static size_t value_of(const sweep *s, size_t i, size_t k)
{
    for (size_t later = s->axis_count - 1; later > k; later--)
        i /= s->axes[later].values.count;
    return i % s->axes[k].values.count;
}

/* learning-rate=1e-5_batch-size=16, of characters that need no quoting. */
static char *name_of(const sweep *s, size_t i)
{
    lm_buf name = {0};
    for (size_t k = 0; k < s->axis_count; k++) {
        lm_buf_printf(&name, "%s%s=", k ? "_" : "", s->axes[k].option->name);
        for (const char *p = s->axes[k].values.items[value_of(s, i, k)]; *p; p++) {
            bool plain = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                         *p == '.' || *p == '+';
            lm_buf_putc(&name, plain ? *p : '-');
        }
    }
    char *result = lm_strdup(lm_buf_cstr(&name));
    lm_buf_free(&name);
    return result;
}

static bool make_cells(sweep *s, lm_status *st)
{
    s->cell_count = 1;
    for (size_t k = 0; k < s->axis_count; k++) {
        s->cell_count *= s->axes[k].values.count;
        if (s->cell_count > RUNS_MAX)
            return lm_fail(st, LM_USAGE, "--sweep: more than %d runs: name fewer values", RUNS_MAX);
    }
    s->cells = lm_calloc(s->cell_count, sizeof *s->cells);
    for (size_t i = 0; i < s->cell_count; i++) {
        s->cells[i].name = name_of(s, i);
        if (strlen(s->cells[i].name) > NAME_MOST)
            return lm_fail(st, LM_USAGE, "--sweep: %.40s... is too long for the name of a directory: sweep fewer options",
                           s->cells[i].name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(s->cells[i].name, s->cells[k].name) == 0)
                return lm_fail(st, LM_USAGE, "--sweep: two runs would have the name %s: the values are too alike",
                               s->cells[i].name);
    }
    return true;
}

/* ------------------------------------------------------------------ what has been done */

static char *result_file(const sweep *s, const cell *c)
{
    return lm_format("%s/%s/result.json", s->spec->options->checkpoint, c->name);
}

/* A run of this command line and these rows whose model stands there need not be repeated. */
static void recall(const sweep *s, cell *c)
{
    if (!s->spec->options->checkpoint || !s->spec->options->resume)
        return;
    lm_status st = LM_STATUS_INIT;
    char *file = result_file(s, c), *model = lm_format("%s/%s/config.json", s->common.output, c->name);
    json_t *had = access(file, R_OK) == 0 && access(model, R_OK) == 0 ? lm_json_read(file, 0, &st) : NULL;
    const char *command = json_string_value(json_object_get(had, "command"));
    const char *rows = json_string_value(json_object_get(had, "data_xxh3"));
    if (command && rows && strcmp(command, s->spec->common->command_line) == 0 && strcmp(rows, s->digest) == 0)
        c->done = json_incref(had);
    json_decref(had);
    free(file);
    free(model);
}

static bool note(const sweep *s, cell *c, const lm_run_result *result, lm_status *st)
{
    c->done = json_pack("{s:s, s:s, s:I, s:f, s:o}", "command", s->spec->common->command_line, "data_xxh3", s->digest,
                        "steps", (json_int_t)result->steps, "seconds", result->seconds, "evaluation",
                        result->evaluation ? json_incref(result->evaluation) : json_object());
    if (!isnan(result->train_loss))
        json_object_set_new(c->done, "train_loss", json_real(result->train_loss));
    if (!s->spec->options->checkpoint)
        return true;
    char *file = result_file(s, c);
    bool ok = lm_json_write(file, c->done, st);
    free(file);
    return ok;
}

/* ------------------------------------------------------------------ runs */

/* One run; the values of its options are in place. */
static bool run_cell(sweep *s, cell *c, lm_status *st)
{
    const lm_train_options *all = s->spec->options;
    lm_train_options options = *all;
    lm_run_result result = {0};
    lm_run_spec spec = *s->spec;
    char *output = s->common.output ? lm_format("%s/%s", s->common.output, c->name) : NULL;
    char *checkpoint = all->checkpoint ? lm_format("%s/%s", all->checkpoint, c->name) : NULL;
    char *log = s->spec->common->log ? lm_format("%s.%s", s->spec->common->log, c->name) : NULL;
    char *board = all->tensorboard ? lm_format("%s/%s", all->tensorboard, c->name) : NULL;
    lm_common common = s->common;
    common.output = output;
    common.log = log;
    options.checkpoint = checkpoint;
    options.tensorboard = board;
    if (all->max_time > 0)
        options.max_time = fmax(all->max_time - (now() - s->started), 1e-3);
    spec.common = &common;
    spec.options = &options;
    spec.shared = lm_data_spool(s->data);
    spec.result = &result;
    if (all->plan)
        printf("run\t%s\n", c->name);
    bool ok = lm_train_run(&spec, st);
    if (ok && !all->plan)
        ok = note(s, c, &result, st);
    c->failed = !ok && result.began && st->code == LM_FAILED;
    json_decref(result.evaluation);
    free(output);
    free(checkpoint);
    free(log);
    free(board);
    return ok;
}

static bool run_cells(sweep *s, lm_status *st)
{
    size_t failed = 0;
    for (size_t i = 0; i < s->cell_count; i++) {
        cell *c = &s->cells[i];
        for (size_t k = 0; k < s->axis_count; k++)
            if (!set_value(&s->axes[k], value_of(s, i, k), st))
                return false;
        recall(s, c);
        lm_info("run %zu of %zu: %s%s", i + 1, s->cell_count, c->name, c->done ? ": done before" : "");
        if (c->done || run_cell(s, c, st))
            continue;
        if (!c->failed) {
            lm_fail_prefix(st, c->name);
            return false;
        }
        lm_warn("%s: %s", c->name, st->message);
        lm_status_clear(st);
        failed++;
    }
    return failed < s->cell_count || lm_fail(st, LM_FAILED, "--sweep: every run failed");
}

/* ------------------------------------------------------------------ the table */

/* Measures of all that was evaluated, not of single classes. */
static bool is_column(const char *key)
{
    return lm_runlog_is_measure(key) && !strpbrk(key, ".:[ ");
}

static int loss_first(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    int first = (strcmp(y, "eval_loss") == 0) - (strcmp(x, "eval_loss") == 0);
    return first ? first : strcmp(x, y);
}

static json_t *first_evaluation(const sweep *s)
{
    for (size_t i = 0; i < s->cell_count; i++)
        if (s->cells[i].done)
            return json_object_get(s->cells[i].done, "evaluation");
    return NULL;
}

static void print_number(const json_t *value)
{
    if (json_is_number(value))
        printf("\t%.6g", json_number_value(value));
    else
        printf("\t-");
}

/* The values' names, in one order whether they were measured now or read back; they point into the evaluation. */
static lm_strings columns_of(const sweep *s)
{
    lm_strings columns = {0};
    json_t *value;
    const char *key;
    json_object_foreach(first_evaluation(s), key, value)
        if (is_column(key))
            lm_strings_add(&columns, key);
    if (columns.count)
        qsort(columns.items, columns.count, sizeof *columns.items, loss_first);
    return columns;
}

static void print_table(const sweep *s)
{
    lm_strings columns = columns_of(s);
    printf("run");
    for (size_t k = 0; k < s->axis_count; k++)
        printf("\t%s", s->axes[k].option->name);
    printf("\tsteps\ttrain_loss");
    for (size_t i = 0; i < columns.count; i++)
        printf("\t%s", columns.items[i]);
    printf("\n");
    for (size_t i = 0; i < s->cell_count; i++) {
        const cell *c = &s->cells[i];
        if (!c->done && !c->failed)
            continue;
        printf("%s", c->name);
        for (size_t k = 0; k < s->axis_count; k++)
            printf("\t%s", s->axes[k].values.items[value_of(s, i, k)]);
        print_number(json_object_get(c->done, "steps"));
        print_number(json_object_get(c->done, "train_loss"));
        for (size_t k = 0; k < columns.count; k++)
            print_number(json_object_get(json_object_get(c->done, "evaluation"), columns.items[k]));
        printf("\n");
    }
    free(columns.items);
}

static const cell *best_cell(const sweep *s, const char *metric, double *value)
{
    char *key = lm_format("eval_%s", metric);
    const cell *best = NULL;
    for (size_t i = 0; i < s->cell_count; i++) {
        const json_t *x = json_object_get(json_object_get(s->cells[i].done, "evaluation"), key);
        double v = json_is_number(x) ? json_number_value(x) : NAN;
        if (!isnan(v) && (!best || (lm_metric_rises(metric) ? v > *value : v < *value))) {
            best = &s->cells[i];
            *value = v;
        }
    }
    free(key);
    return best;
}

/* OUTPUT/best, a symbolic link, appears whole. */
static bool link_best(const sweep *s, const cell *best, lm_status *st)
{
    char *name = lm_format("%s/best", s->common.output), *fresh = lm_format("%s/.best.%ld", s->common.output, (long)getpid());
    bool ok = symlink(best->name, fresh) == 0 && rename(fresh, name) == 0;
    if (!ok) {
        lm_fail_errno(st, LM_FAILED, "%s: cannot be made", name);
        unlink(fresh);
    }
    free(name);
    free(fresh);
    return ok;
}

static bool conclude(const sweep *s, lm_status *st)
{
    const char *metric = lm_train_metric(s->spec->options);
    double value = NAN;
    const cell *best = best_cell(s, metric, &value);
    print_table(s);
    if (!best)
        return lm_fail(st, LM_FAILED, "--sweep: no run has an evaluation %s to compare", metric);
    lm_info("best: %s/%s (evaluation %s %.4f)", s->common.output, best->name, metric, value);
    return link_best(s, best, st);
}

/* ------------------------------------------------------------------ the whole */

static bool read_data(sweep *s, lm_status *st)
{
    const lm_train_options *o = s->spec->options;
    if (!lm_mix_read(&o->mix, &s->inputs, &s->mix, st))
        return false;
    char *file = o->checkpoint ? lm_format("%s/spool.lms", o->checkpoint) : NULL;
    s->lock = file ? lm_checkpoint_lock(o->checkpoint, st) : -1;
    if (s->lock >= 0 && !o->resume)
        unlink(file);
    lm_data_options options = {.inputs = s->mix.weights ? &s->mix.inputs : &s->inputs,
                               .weights = s->mix.weights,
                               .spool_file = file,
                               .memory = o->memory > 0 ? (size_t)o->memory / 4 : 0,
                               .keep = lm_denoising_columns(&o->denoising),
                               .rows_per_step = 1};
    s->data = lm_ok(st) ? lm_data_open(&options, st) : NULL;
    bool ok = s->data && lm_data_load(s->data, st);
    if (ok)
        snprintf(s->digest, sizeof s->digest, "%016" PRIx64, lm_data_digest(s->data));
    free(file);
    return ok;
}

static bool check_output(const sweep *s, lm_status *st)
{
    if (s->spec->options->plan)
        return true;
    if (!s->common.output)
        return lm_fail(st, LM_USAGE, "no name for the models: give -o DIR");
    if (lm_bundle_form_of(s->common.output) != LM_BUNDLE_DIRECTORY)
        return lm_fail(st, LM_USAGE, "-o %s: a sweep makes a directory of models: name one", s->common.output);
    char *file = lm_format("%s/config.json", s->common.output);
    bool model = access(file, F_OK) == 0;
    free(file);
    if (model)
        return lm_fail(st, LM_USAGE, "-o %s is a model, and a sweep makes a directory of models: name another",
                       s->common.output);
    return lm_make_directories(s->common.output, st);
}

static bool sweep_run(sweep *s, const lm_program *program, lm_status *st)
{
    const lm_strings *given = &s->spec->options->sweep;
    widen_table(s, program);
    for (size_t i = 0; i < given->count; i++)
        if (!add_axes(s, given->items[i], st))
            return false;
    if (!part_operands(s, st))
        return false;
    s->common.operands = s->inputs;
    if (s->axis_count == 0)
        return lm_fail(st, LM_USAGE, "--sweep: no option to sweep: give NAME=VALUE,VALUE...");
    if (!lm_train_options_check(s->spec->options, st) || !make_cells(s, st) || !check_output(s, st) || !read_data(s, st))
        return false;
    if (s->spec->options->plan)
        return run_cells(s, st);
    if (run_cells(s, st))
        return conclude(s, st);
    if (first_evaluation(s))
        print_table(s); /* as far as it has come */
    return false;
}

static bool one_process(const lm_run_spec *spec, const lm_program *program, lm_status *st)
{
    const lm_new_model *n = spec->options->new_model;
    if (n && n->list)
        return lm_archs_print(spec->common->plugin, n->json, st);
    if (!spec->options->sweep.count)
        return lm_train_run(spec, st);
    sweep s = {.spec = spec, .common = *spec->common, .lock = -1, .started = now()};
    bool ok = sweep_run(&s, program, st);
    for (size_t i = 0; i < s.cell_count; i++) {
        free(s.cells[i].name);
        json_decref(s.cells[i].done);
    }
    for (size_t k = 0; k < s.axis_count; k++) {
        for (size_t i = 0; i < s.axes[k].values.count; i++)
            free((char *)s.axes[k].values.items[i]);
        free(s.axes[k].values.items);
    }
    lm_data_free(s.data);
    if (s.lock >= 0)
        close(s.lock);
    lm_mix_free(&s.mix);
    free(s.inputs.items);
    free(s.options);
    free(s.cells);
    return ok;
}

bool lm_train_program(const lm_run_spec *spec, const lm_program *program, lm_status *st)
{
    lm_run_spec first = *spec;
    lm_communicator *c;
    if (!lm_communicator_join(spec->options->communicator, spec->common->threads, &c, st))
        return false;
    bool ok;
    if (c && lm_communicator_rank(c) > 0) {
        ok = lm_parallel_serve(c, spec, st);
    } else {
        first.communicator = c;
        ok = one_process(&first, program, st);
        if (c)
            lm_parallel_dismiss(c);
    }
    lm_communicator_leave(c);
    return ok;
}
