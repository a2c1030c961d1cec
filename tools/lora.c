/* lora: tokens in, an adapter of a model out; and what is done with adapters. */
#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "metrics/divergence.h"
#include "model/adapter/merge.h"
#include "tensor/blocks.h"
#include "train/sweep.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is to be done in place of training. */
typedef struct job {
    bool merge, extract, gguf, rescale;
    double factor;        /* of --scale */
    const char *weights;  /* of --merge */
    int method, type; /* of lm_quantise_types */
    double density;
    const char *shard_size, *report;
    bool has_method, has_density, has_type, has_shard_size;
} job;

/* ------------------------------------------------------------------ --merge */

/* A number for each adapter, with commas between. */
static double *parse_weights(const char *list, size_t count, lm_status *st)
{
    double *weights = lm_calloc(count, sizeof *weights);
    size_t n = 0;
    for (const char *from = list;; from++) {
        size_t length = strcspn(from, ",");
        char *word = lm_strndup(from, length);
        double value = 0;
        bool good = lm_parse_float(word, &value);
        free(word);
        if (!good)
            lm_fail(st, LM_USAGE, "--weights %s: give numbers with commas between, such as 0.7,0.3", list);
        if (n < count)
            weights[n] = value;
        n++;
        from += length;
        if (!good || !*from)
            break;
    }
    if (lm_ok(st) && n != count)
        lm_fail(st, LM_USAGE, "--weights %s: %zu numbers, and there are %zu adapters: give one for each", list, n, count);
    if (lm_ok(st))
        return weights;
    free(weights);
    return NULL;
}

static bool write_floats(const lm_merge_options *o, const lm_common *c, lm_merge_report *report, lm_status *st)
{
    lm_bundle_writer *w = lm_bundle_create(c->output, &(lm_bundle_options){.command = c->command_line}, st);
    if (w && lm_adapter_merge(o, w, report, st))
        return lm_bundle_publish(w, st);
    lm_bundle_discard(w, st);
    return false;
}

/* How far what was written is from the base with its adapters beside it. */
static bool compare(const lm_merge_options *o, const lm_common *c, const char *rows, lm_status *st)
{
    lm_buf reference = {0}, text = {0};
    lm_buf_puts(&reference, o->base);
    for (size_t i = 0; i < o->count; i++)
        lm_buf_printf(&reference, "+%s", o->adapters[i]);
    lm_report *r = lm_divergence(&(lm_divergence_options){.model = c->output, .reference = lm_buf_cstr(&reference), .rows = rows,
                                                          .plugin = c->plugin}, st);
    if (r)
        lm_report_print(r, &text);
    bool ok = r && lm_write_all(STDOUT_FILENO, text.data, text.len, "standard output", st);
    lm_report_free(r);
    lm_buf_free(&reference);
    lm_buf_free(&text);
    return ok;
}

static bool write_merged(const lm_merge_options *o, const job *j, const lm_common *c, lm_status *st)
{
    static const lm_save_dtype floats[] = {LM_SAVE_F32, LM_SAVE_F16, LM_SAVE_BF16}; /* the first of lm_quantise_types */
    lm_merge_report report = {0};
    lm_merge_options with = *o;
    bool quantised = j->has_type && ((size_t)j->type >= sizeof floats / sizeof *floats || lm_ends_in(c->output, ".gguf"));
    with.save.dtype = j->has_type && !quantised ? floats[j->type] : LM_SAVE_AUTO;
    const lm_quantise_options to = {.output = c->output, .plugin_path = c->plugin, .plan.type = &lm_quantise_types[j->type],
                                    .block = LM_BNB_BLOCK, .shard_bytes = o->save.shard_bytes, .command = c->command_line};
    bool ok = quantised ? lm_adapter_merge_quantised(o, &to, &report, st) : write_floats(&with, c, &report, st);
    if (ok)
        lm_info("%zu tensors are changed, by %.3g on average and %.3g at most (%s); relative to its weight the largest change "
                "has a norm of %.3g", report.tensors, report.mean, report.largest, report.where, report.largest_ratio);
    free(report.where);
    return ok && (!j->report || compare(o, c, j->report, st));
}

static bool merge(const job *j, const lm_common *c, lm_status *st)
{
    lm_merge_options o = {.base = c->model, .adapters = c->operands.items, .count = c->operands.count,
                          .method = (lm_merge_method)j->method, .density = j->density, .seed = (uint64_t)c->seed,
                          .plugin_path = c->plugin};
    if (!c->model || !c->operands.count)
        return lm_fail(st, LM_USAGE, "--merge: of what, into what? lora --merge -m BASE ADAPTER... -o OUT");
    if (j->has_density && j->method == LM_MERGE_LINEAR)
        return lm_fail(st, LM_USAGE, "--density: a linear merge keeps all: give --method ties, dare_linear or dare_ties");
    if (j->report && (j->weights || j->method != LM_MERGE_LINEAR))
        return lm_fail(st, LM_USAGE, "--report: compares with the base and its adapters as they are (-m BASE+ADAPTER), which a model of "
                       "--weights or --method is not meant to be: quant --report compares any two");
    if (strcmp(c->output, "-") == 0 && (j->report || (j->has_type && !lm_torch_dtype(lm_quantise_types[j->type].dtype))))
        return lm_fail(st, LM_USAGE, "-o -: a stream of floats alone: name the output, or send it on to quant");
    if (!lm_parse_shard_size(j->shard_size, &o.save.shard_bytes, st))
        return false;
    double *weights = j->weights ? parse_weights(j->weights, o.count, st) : NULL;
    o.weights = weights;
    bool ok = lm_ok(st) && write_merged(&o, j, c, st);
    free(weights);
    return ok;
}

/* ------------------------------------------------------------------ --extract, --scale, --gguf */

/* FULL -m BASE, or FULL BASE. */
static bool extract(const lm_adapter_options *how, const lm_common *c, lm_status *st)
{
    size_t n = c->operands.count;
    if (n + (c->model != NULL) != 2)
        return lm_fail(st, LM_USAGE, "--extract: the difference of what? lora --extract FULL -m BASE -r 16 -o ADAPTER");
    lm_adapter_config *config = lm_adapter_config_new(how, st);
    lm_bundle_writer *w = config ? lm_bundle_create(c->output, &(lm_bundle_options){.command = c->command_line}, st) : NULL;
    lm_merge_report report = {0};
    bool ok = w && lm_adapter_extract(c->operands.items[0], n > 1 ? c->operands.items[1] : c->model, config, c->plugin, w, &report, st);
    ok = ok ? lm_bundle_publish(w, st) : (lm_bundle_discard(w, st), false);
    if (ok)
        lm_info("%zu matrices: the adapter holds %.2f%% of the squared change where it holds the least (%s)", report.tensors,
                100 * report.largest_ratio, report.where);
    free(report.where);
    lm_adapter_config_free(config);
    return ok;
}

static bool one_adapter(const lm_common *c, const char *option, lm_status *st)
{
    return c->operands.count == 1 || lm_fail(st, LM_USAGE, "%s: one adapter at a time, and %zu are named", option,
                                             c->operands.count);
}

static bool rescale(const job *j, const lm_common *c, lm_status *st)
{
    if (!one_adapter(c, "--scale", st))
        return false;
    lm_bundle_writer *w = lm_bundle_create(c->output, &(lm_bundle_options){.command = c->command_line}, st);
    if (w && lm_adapter_rescale(c->operands.items[0], j->factor, w, st))
        return lm_bundle_publish(w, st);
    lm_bundle_discard(w, st);
    return false;
}

static bool write_gguf(const lm_common *c, lm_status *st)
{
    if (!c->model)
        return lm_fail(st, LM_USAGE, "--gguf: what is the adapter of? Its names depend on it: lora --gguf -m BASE ADAPTER -o "
                       "NAME.gguf");
    return one_adapter(c, "--gguf", st) && lm_adapter_write_gguf(c->operands.items[0], c->model, c->output, st);
}

static bool run(const job *j, const lm_run_spec *spec, const lm_program *program, lm_status *st)
{
    const lm_common *c = spec->common;
    int jobs = j->merge + j->extract + j->gguf + j->rescale;
    if (jobs > 1)
        return lm_fail(st, LM_USAGE, "--merge, --extract, --scale and --gguf are different jobs: give one of them");
    if (!j->merge && (j->weights || j->has_method || j->has_density || j->has_type || j->has_shard_size || j->report))
        return lm_fail(st, LM_USAGE, "--weights, --method, --density, --as, --report and --max-shard-size are about merging: give "
                       "--merge too");
    if (jobs && !c->output)
        return lm_fail(st, LM_USAGE, "no name for the result: give -o NAME");
    return j->merge     ? merge(j, c, st)
           : j->extract ? extract(&spec->options->adapting->how, c, st)
           : j->gguf    ? write_gguf(c, st)
           : j->rescale ? rescale(j, c, st)
                        : lm_train_program(spec, program, st);
}

int main(int argc, char **argv)
{
    lm_common common = {.seed = 42};
    lm_train_options train = lm_train_defaults;
    lm_adapting adapting = LM_ADAPTING_DEFAULTS;
    lm_freeze_options freeze = LM_FREEZE_OPTIONS_NONE;
    lm_run_spec spec = {.common = &common, .options = &train};
    job j = {.density = 0.5, .shard_size = LM_SHARD_SIZE};

    const lm_option own[] = {
        {.name = "model", .letter = 'm', .type = LM_OPT_FILE, .target = &common.model, .value = "MODEL",
         .aliases = "model_name_or_path base_model",
         .help = "what the adapter is for, which stays as it is: a Hugging Face directory, an archive of one, a GGUF file, "
                 "quantised or not; or a model stream (- is standard input). With MODEL+ADAPTER that adapter is trained on"},
        {.name = "output", .letter = 'o', .type = LM_OPT_FILE, .target = &common.output, .value = "ADAPTER",
         .aliases = "output_dir",
         .help = "the adapter, in PEFT's form: a directory or an archive of one"},
        {.name = "Adapters that there are", .type = LM_OPT_GROUP},
        {.name = "merge", .type = LM_OPT_FLAG, .target = &j.merge, .aliases = "merge_and_unload",
         .help = "write the model of -m with the ADAPTERs in its weights, tensor by tensor"},
        {.name = "weights", .type = LM_OPT_STRING, .target = &j.weights, .value = "X,X...", .shown = "1 each",
         .aliases = "adapter_weights", .help = "how much each of them counts"},
        {.name = "method", .type = LM_OPT_CHOICE, .target = &j.method, .value = "NAME", .choices = lm_merge_method_names,
         .given = &j.has_method, .aliases = "combination_type",
         .help = "how several changes become one: their sum; ties, what most of them agree on; dare, of each a random part, "
                 "scaled up"},
        {.name = "density", .type = LM_OPT_FLOAT, .target = &j.density, .value = "SHARE", .min = 0, .max = 1,
         .given = &j.has_density, .help = "how much of a change ties and dare keep"},
        {.name = "as", .type = LM_OPT_CHOICE, .target = &j.type, .value = "TYPE", .choices = lm_quantise_type_names,
         .synonyms = lm_quantise_type_synonyms, .shown = "of the base's floats", .given = &j.has_type,
         .help = "of the weights that are written: floats, or any that quant -t knows, in the form that goes with it and the name"},
        {.name = "report", .type = LM_OPT_FILE, .target = &j.report, .value = "TOKENS", .shown = "none",
         .help = "when it is written, run it and MODEL+ADAPTER over this stream, and print how far they are apart"},
        {.name = "max-shard-size", .type = LM_OPT_STRING, .target = &j.shard_size, .value = "SIZE", .given = &j.has_shard_size,
         .help = "weights that take more are written as several files, with an index"},
        {.name = "extract", .type = LM_OPT_FLAG, .target = &j.extract,
         .help = "make an adapter of the difference of two models, FULL and -m"},
        {.name = "scale", .type = LM_OPT_FLOAT, .target = &j.factor, .value = "X", .min = -1e6, .max = 1e6, .shown = "",
         .given = &j.rescale, .help = "write an ADAPTER that changes the model X times as much"},
        {.name = "gguf", .type = LM_OPT_FLAG, .target = &j.gguf, .help = "write an ADAPTER as llama.cpp reads it"},
        {0},
    };
    train.has_tasks = true;
    train.learning_rate = 2e-4;
    train.adapting = &adapting;
    train.freeze = &freeze;
    lm_option table[LM_TRAIN_OPTION_MAX];
    lm_train_option_table(&train, own, table);
    const lm_program program = {
        .name = "lora", .purpose = "train, merge and convert adapters",
        .operands = "[FILE...]\n--merge -m MODEL ADAPTER...\n--extract -m MODEL FULL\n--scale X ADAPTER\n--gguf -m MODEL ADAPTER",
        .summary = "Reads a stream of tokens (made by tok) and trains an adapter for the model of -m: low-rank terms beside its "
                   "layers, which alone are learned and written, in PEFT's form. The model may be quantised. Every program "
                   "takes MODEL+ADAPTER for -m.",
        .options = table,
        .examples = (const char *const[]){
            "Learn to tell the classes of a csv file (label in column 1, texts in 2 and 3)",
            "tok -m bert --text 2,3 --label 1 train.csv | lora -m bert -r 8 --alpha 16 -o news",
            "The accuracy on other rows",
            "tok -m bert+news --text 2,3 --label 1 test.csv | score -m bert+news",
            "Conversations, with the model in 4 bits",
            "tok -m llama.gguf --chat talks.jsonl | lora -m llama.gguf -r 16 --target all-linear -o talker",
            "One model of both", "lora --merge -m bert news -o newsbert",
            NULL}};
    int takes = LM_TAKES_THREADS | LM_TAKES_SEED | LM_TAKES_LOG | LM_TAKES_PLUGIN;
    lm_tool_begin(&program, takes, &common, argc, argv);

    lm_status st = LM_STATUS_INIT;
    spec.objective = lm_task_objective(train.task);
    run(&j, &spec, &program, &st);
    return lm_tool_end(&st);
}
