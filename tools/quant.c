/* quant: a model in fewer bits, in another form, or looked into. */
#include "base/atomic.h"
#include "base/tool.h"
#include "metrics/divergence.h"
#include "model/quantise/quantise.h"
#include "tensor/blocks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Types go by numbers of the table in model/quantise/types.h; -1 = none was given. */
typedef struct arguments {
    lm_quantise_options job;
    int type, dtype;
    bool inspect, plan, tsv, json;
    const char *shard_size, *report, *reference;
    int64_t block;
    bool has_dtype, has_block, has_nested;
} arguments;

static const char *const float_names[] = {"f32", "f16", "bf16", NULL};

static const lm_quantise_type *type_named(const char *name)
{
    const lm_quantise_type *t = lm_quantise_types;
    while (strcmp(t->name, name) != 0)
        t++;
    return t;
}

/* The model may be an operand, too. */
static bool take_operand(lm_common *common, lm_status *st)
{
    if (common->operands.count > 1 || (common->operands.count && common->model))
        return lm_fail(st, LM_USAGE, "%s: one model at a time", common->operands.items[common->operands.count - 1]);
    if (common->operands.count)
        common->model = common->operands.items[0];
    return common->model || lm_fail(st, LM_USAGE, "-m: which model? Give a directory, an archive, a GGUF file or - for a stream");
}

/* What goes together. */
static bool check(arguments *a, lm_status *st)
{
    lm_quantise_options *o = &a->job;
    bool makes = a->type >= 0 || o->dequantise || o->target_size;
    if (a->inspect && (makes || a->plan))
        return lm_fail(st, LM_USAGE, "--inspect: looks into the model of -m, and makes none: leave out -t, --plan and --dequantize");
    if ((a->tsv && !a->inspect) || (a->json && !a->inspect && !a->report))
        return lm_fail(st, LM_USAGE, "--tsv and --json: say how --inspect prints, and --json how --report does");
    if (a->tsv && a->json)
        return lm_fail(st, LM_USAGE, "--tsv and --json: one of them at a time");
    if (a->report && (a->inspect || a->plan))
        return lm_fail(st, LM_USAGE, "--report: is about a model that is made, or that of -m beside --reference");
    if (a->reference && (!a->report || makes))
        return lm_fail(st, LM_USAGE, "--reference: goes with --report, where no model is made");
    if (a->inspect || a->reference)
        return true;
    if ((a->type >= 0) + o->dequantise + (o->target_size > 0) != 1)
        return lm_fail(st, LM_USAGE, "-t, --target-size or --dequantize: %s", makes ? "one of them at a time"
                       : "what is to be made? (-t q4_k_m is a good start)");
    if (a->has_dtype && !o->dequantise)
        return lm_fail(st, LM_USAGE, "--dtype: says what --dequantize makes; a type for quantising is -t");
    o->plan.type = type_named(o->dequantise       ? float_names[a->dtype]
                              : o->target_size > 0 ? "q8_0"
                                                   : lm_quantise_type_names[a->type]);
    bool four = o->plan.type->dtype == LM_NF4 || o->plan.type->dtype == LM_FP4;
    if ((a->has_nested || a->has_block) && !four)
        return lm_fail(st, LM_USAGE, "--double-quant and --block-size: are for -t nf4 and fp4");
    if (o->skip.count && !o->plan.type->bnb)
        return lm_fail(st, LM_USAGE, "--skip-modules: is for -t nf4, fp4 and int8; for others there is --tensor-type REGEX=TYPE");
    if (a->block < 32 || a->block > 4096 || (a->block & (a->block - 1)))
        return lm_fail(st, LM_USAGE, "--block-size %lld: a power of two from 32 to 4096 is expected", (long long)a->block);
    o->block = (int)a->block;
    return lm_parse_shard_size(a->shard_size, &o->shard_bytes, st);
}

/* How far `model` is from `reference` on the rows of --report. */
static void compare(const arguments *a, const char *model, const char *reference, lm_buf *text, lm_status *st)
{
    lm_report *r = lm_divergence(&(lm_divergence_options){.model = model, .reference = reference, .rows = a->report,
                                                          .plugin = a->job.plugin_path}, st);
    if (r && a->json) {
        json_t *all = lm_report_json(r);
        char *line = json_dumps(all, JSON_COMPACT);
        lm_buf_printf(text, "%s\n", line);
        free(line);
        json_decref(all);
    } else if (r) {
        lm_report_print(r, text);
    }
    lm_report_free(r);
}

static void make(const arguments *a, lm_buf *text, lm_status *st)
{
    if (a->report && (strcmp(a->job.output, "-") == 0 || strcmp(a->job.model, "-") == 0))
        lm_fail(st, LM_USAGE, "--report: reads both models, which have to be files: name them with -m and -o");
    else if (lm_quantise_model(&a->job, st) && a->report)
        compare(a, a->job.output, a->job.model, text, st);
}

static void print(const lm_buf *text, lm_status *st)
{
    lm_write_all(STDOUT_FILENO, text->data, text->len, "standard output", st);
}

int main(int argc, char **argv)
{
    lm_common common = LM_COMMON_INIT;
    arguments a = {.job = {.block = LM_BNB_BLOCK}, .type = -1, .shard_size = LM_SHARD_SIZE, .block = LM_BNB_BLOCK};
    lm_plan_options *p = &a.job.plan;
    const lm_option table[] = {
        {.name = "type", .letter = 't', .type = LM_OPT_CHOICE, .target = &a.type, .value = "TYPE",
         .choices = lm_quantise_type_names, .synonyms = lm_quantise_type_synonyms, .aliases = "outtype", .shown = "",
         .help = "what matrices become: ggml's types and llama.cpp's mixes of them, floats, or bitsandbytes' nf4, fp4 and int8"},
        {.name = "to", .type = LM_OPT_CHOICE, .target = &a.job.form, .value = "FORM", .choices = lm_quantise_form_names,
         .aliases = "output-format", .help = "form of the output; auto goes by its name (NAME.gguf, NAME.lms, a directory or an "
                                             "archive), - being a stream"},
        {.name = "dequantize", .type = LM_OPT_FLAG, .target = &a.job.dequantise, .aliases = "dequantise",
         .help = "write floats (see --dtype), whatever the model has"},
        {.name = "dtype", .type = LM_OPT_CHOICE, .target = &a.dtype, .value = "TYPE", .choices = float_names,
         .synonyms = lm_quantise_type_synonyms, .given = &a.has_dtype, .aliases = "torch_dtype", .help = "of --dequantize"},
        {.name = "target-size", .type = LM_OPT_SIZE, .target = &a.job.target_size, .value = "SIZE", .min = 1, .max = INFINITY,
         .shown = "", .help = "choose a type for each matrix, so that the file has at most this size and the errors are least"},
        {.name = "imatrix", .type = LM_OPT_FILE, .target = &a.job.importance, .value = "FILE", .shown = "none",
         .help = "how much errors in each column weigh: an importance matrix of score --emit imatrix or of llama-imatrix"},
        {.name = "max-shard-size", .type = LM_OPT_STRING, .target = &a.shard_size, .value = "SIZE",
         .help = "weights in a directory that take more are written as several files, with an index"},
        {.name = "Types of single tensors", .type = LM_OPT_GROUP},
        {.name = "tensor-type", .type = LM_OPT_STRINGS, .target = &p->tensor_types, .value = "REGEX=TYPE",
         .help = "of tensors whose name in GGUF matches (attn_v=q6_k); the first expression that matches counts"},
        {.name = "output-tensor-type", .type = LM_OPT_STRING, .target = &p->output_type, .value = "TYPE",
         .shown = "by the mix", .help = "of the output matrix"},
        {.name = "token-embedding-type", .type = LM_OPT_STRING, .target = &p->embedding_type, .value = "TYPE",
         .shown = "by the mix", .help = "of the embedding"},
        {.name = "leave-output-tensor", .type = LM_OPT_FLAG, .target = &p->keep_output, .help = "the output matrix stays a float"},
        {.name = "pure", .type = LM_OPT_FLAG, .target = &p->pure, .help = "no mix: all matrices become this one type"},
        {.name = "bitsandbytes", .type = LM_OPT_GROUP},
        {.name = "double-quant", .type = LM_OPT_FLAG, .target = &a.job.nested, .given = &a.has_nested,
         .aliases = "bnb_4bit_use_double_quant double_quantization", .help = "quantise the scales, too"},
        {.name = "block-size", .type = LM_OPT_INT, .target = &a.block, .value = "N", .min = 1, .max = 1 << 20,
         .given = &a.has_block, .help = "numbers that share a scale"},
        {.name = "skip-modules", .type = LM_OPT_STRINGS, .target = &a.job.skip, .value = "MODULE",
         .aliases = "llm_int8_skip_modules", .shown = "heads", .help = "layers that stay as they are"},
        {.name = "Looking", .type = LM_OPT_GROUP},
        {.name = "inspect", .type = LM_OPT_FLAG, .target = &a.inspect,
         .help = "print the tensors of the model: name, shape, type, bytes, and totals"},
        {.name = "tsv", .type = LM_OPT_FLAG, .target = &a.tsv, .help = "with --inspect: columns with tabs between them, no totals"},
        {.name = "json", .type = LM_OPT_FLAG, .target = &a.json, .help = "with --inspect and --report: one object"},
        {.name = "report", .type = LM_OPT_FILE, .target = &a.report, .value = "TOKENS", .shown = "none",
         .help = "when the model is made, run it and that of -m over this stream, and print how far they are apart: "
                 "Kullback-Leibler divergence, perplexity, agreement, errors of weights and layers"},
        {.name = "reference", .type = LM_OPT_FILE, .target = &a.reference, .value = "MODEL", .shown = "none",
         .help = "with --report: make none, but compare the model of -m with this one"},
        {.name = "plan", .type = LM_OPT_FLAG, .target = &a.plan, .aliases = "dry-run",
         .help = "print what each tensor would become, and how large the result is, and stop"},
        {0},
    };
    const lm_program program = {
        .name = "quant", .purpose = "make models smaller: GGUF, NF4, int8", .operands = "[MODEL]",
        .summary = "Writes a model with weights of fewer bits: as the GGUF file that llama.cpp runs, as a directory that "
                   "transformers loads with bitsandbytes, or as a stream. Tensor by tensor, in the memory of one.",
        .options = table,
        .examples = (const char *const[]){
            "A model for llama.cpp, in 4.8 bits a weight", "quant -t q4_k_m -m story -o story.gguf",
            "What is in it?", "quant --inspect story.gguf",
            "How far is it from the floats?", "quant --report text.lms --reference story -m story.gguf",
            "A directory that transformers loads in 4 bits", "quant -t nf4 --double-quant -m story -o story-nf4",
            "And back to floats", "quant --dequantize -m story.gguf -o story-f32", NULL}};
    lm_tool_begin(&program, LM_TAKES_MODEL | LM_TAKES_OUTPUT | LM_TAKES_THREADS | LM_TAKES_PLUGIN, &common, argc, argv);

    lm_status st = LM_STATUS_INIT;
    lm_buf text = {0};
    if (take_operand(&common, &st) && check(&a, &st)) {
        a.job.model = common.model;
        a.job.output = common.output ? common.output : "-";
        a.job.plugin_path = common.plugin;
        a.job.command = common.command_line;
        if (a.inspect)
            lm_quantise_inspect(common.model, a.tsv ? LM_TABLE_TSV : a.json ? LM_TABLE_JSON : LM_TABLE_TEXT, &text, &st);
        else if (a.plan)
            lm_quantise_plan(&a.job, &text, &st);
        else if (a.reference)
            compare(&a, common.model, a.reference, &text, &st);
        else
            make(&a, &text, &st);
    }
    if (lm_ok(&st) && text.len)
        print(&text, &st);
    lm_buf_free(&text);
    return lm_tool_end(&st);
}
