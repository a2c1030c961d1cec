/* lms: what cat, head, shuf, split and wc are for lines, for streams. */
#include "base/atomic.h"
#include "base/tool.h"
#include "model/repack.h"
#include "stream/filters.h"
#include "text/token_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Which of the modes is asked for; several are a mistake. */
static lm_filter_mode mode_of(const bool flags[], lm_status *st)
{
    static const lm_filter_mode modes[] = {LM_FILTER_VIEW, LM_FILTER_CHECK, LM_FILTER_COUNT, LM_FILTER_SHUFFLE,
                                           LM_FILTER_HEAD, LM_FILTER_SPLIT};
    lm_filter_mode mode = LM_FILTER_CAT;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (flags[i] && mode != LM_FILTER_CAT)
            lm_fail(st, LM_USAGE, "--view, --check, --count, --head, --shuf and --split: one of them at a time");
        if (flags[i])
            mode = modes[i];
    }
    return mode;
}

static void check_model(const lm_common *common, lm_status *st)
{
    lm_buf line = {0};
    if (lm_model_inspect(common->model, common->plugin, &line, st))
        lm_write_all(STDOUT_FILENO, line.data, line.len, "standard output", st);
    lm_buf_free(&line);
}

static void repack(const lm_common *common, int dtype, const char *shard_size, lm_status *st)
{
    lm_save_options save = {.dtype = (lm_save_dtype)dtype};
    const lm_bundle_options stream = {.command = common->command_line};
    if (lm_parse_shard_size(shard_size, &save.shard_bytes, st))
        lm_model_repack(common->model, common->output ? common->output : "-", &save, &stream, st);
}

/* `model`: whose tokenizer says what ids are; or NULL. */
static void run_filter(lm_filter *f, const char *model, lm_status *st)
{
    lm_token_viewer viewer = {0};
    if (model && lm_token_viewer_open(&viewer, model, st))
        f->tokens = &viewer.view;
    if (lm_ok(st))
        lm_filter_run(f, st);
    lm_token_viewer_close(&viewer);
}

int main(int argc, char **argv)
{
    lm_common common = LM_COMMON_INIT;
    lm_filter f = {0};
    lm_records_options *r = &f.records;
    bool view = false, check = false, count = false, shuffle = false, heads = false;
    int format = 0, header = 0;
    int64_t memory = 256 << 20;
    int dtype = LM_SAVE_AUTO;
    const char *shard_size = LM_SHARD_SIZE;
    struct {
        bool dtype, shards;
    } models = {0};
    const char *by = "hash";

    const lm_option table[] = {
        {.name = "view", .type = LM_OPT_FLAG, .target = &view,
         .help = "write what is in it in a readable form; with -m, ids as tokens and text, too, and where tokens "
                 "end in it, where it is not ASCII"},
        {.name = "check", .type = LM_OPT_FLAG, .target = &check,
         .help = "read each input to its end, check every rule of the format, and say so; with -m, check a model: its files, "
                 "names and shapes, every weight, and the tokenizer"},
        {.name = "count", .type = LM_OPT_FLAG, .target = &count, .help = "write the numbers of records, rows and tokens"},
        {.name = "head", .letter = 'n', .type = LM_OPT_COUNT, .target = &f.head, .value = "N", .min = 0, .max = INFINITY,
         .given = &heads, .shown = "all", .help = "pass on the first N rows"},
        {.name = "shuf", .type = LM_OPT_FLAG, .target = &shuffle, .aliases = "shuffle",
         .help = "pass on the rows in a random order, which --seed fixes"},
        {.name = "split", .type = LM_OPT_STRING, .target = &f.split, .value = "NAME=SHARE[,NAME=SHARE...]",
         .shown = "no", .help = "part the rows among the files NAME.lms (with -o PREFIX, PREFIXNAME.lms)"},
        {.name = "by", .type = LM_OPT_STRING, .target = &by, .value = "hash|row|FIELD",
         .help = "by what --split parts: the hash of the text (or of the ids), the number of the row, or the value of "
                 "a field, so that rows with the same value stay together"},
        {.name = "part", .type = LM_OPT_STRING, .target = &f.part, .value = "NAME", .shown = "all, each to its file",
         .help = "with --split, write this part alone, to the output"},
        {.name = "memory", .type = LM_OPT_SIZE, .target = &memory, .value = "SIZE", .min = 1, .max = INFINITY,
         .help = "what --shuf keeps in memory; more goes to a file in $TMPDIR or /var/tmp"},
        {.name = "Models", .type = LM_OPT_GROUP},
        {.name = "dtype", .type = LM_OPT_CHOICE, .target = &dtype, .value = "TYPE", .choices = lm_save_dtype_names,
         .synonyms = lm_save_dtype_synonyms, .given = &models.dtype, .aliases = "torch_dtype",
         .help = "of the weights that are written; auto leaves each as it is"},
        {.name = "max-shard-size", .type = LM_OPT_STRING, .target = &shard_size, .value = "SIZE", .given = &models.shards,
         .help = "weights that take more are written as several files, with an index"},
        {.name = "Text", .type = LM_OPT_GROUP},
        {.name = "framed", .type = LM_OPT_FLAG, .target = &f.framed, .help = "make plain text a stream of kind text"},
        {.name = "plain", .type = LM_OPT_FLAG, .target = &f.text, .help = "make a stream of kind text JSON Lines"},
        {.name = "input-format", .type = LM_OPT_CHOICE, .target = &format, .value = "FORMAT", .choices = lm_format_names,
         .help = "of plain text; auto goes by its name, then by its first bytes"},
        {.name = "text", .type = LM_OPT_STRING, .target = &r->text, .value = "FIELD[,FIELD...]",
         .shown = "text, or what is obviously it",
         .help = "the field of the text: a name, a JSON path or a number from 1; several are joined by a space"},
        {.name = "pair", .type = LM_OPT_STRING, .target = &r->pair, .value = "FIELD", .shown = "pair, if there is one",
         .help = "the field of the second text"},
        {.name = "label", .type = LM_OPT_STRING, .target = &r->label, .value = "FIELD",
         .shown = "label, if there is one", .help = "the field of the label"},
        {.name = "label-separator", .type = LM_OPT_STRING, .target = &r->label_separator, .value = "TEXT", .shown = "",
         .help = "a label is several labels, with this between them"},
        {.name = "id", .type = LM_OPT_STRING, .target = &r->id, .value = "FIELD", .shown = "id, if there is one",
         .help = "the field that names the record"},
        {.name = "header", .type = LM_OPT_CHOICE, .target = &header, .value = "WHETHER", .choices = lm_header_names,
         .help = "does the first row of a csv or tsv name the columns"},
        {.name = "encoding", .type = LM_OPT_STRING, .target = &r->encoding, .value = "NAME", .shown = "utf-8",
         .help = "of plain text: cp949, euc-kr, utf-16, latin1 and what else iconv knows"},
        {.name = "strict", .type = LM_OPT_FLAG, .target = &r->strict,
         .help = "refuse invalid UTF-8 instead of replacing it by U+FFFD"},
        {.name = "rejects", .type = LM_OPT_FILE, .target = &r->rejects, .value = "FILE",
         .help = "put text records that cannot be used there, with the reason, and go on"},
        {.name = "require-end", .type = LM_OPT_FLAG, .target = &r->require_end,
         .help = "refuse plain text, whose end cannot be told from a writer's death"},
        {0},
    };
    const lm_program program = {
        .name = "lms", .purpose = "look into streams and models, check, cut, mix and join them", .operands = "[FILE...]",
        .summary = "Reads streams of any kind, or text, and does for them what cat, head, shuf, split and wc do for "
                   "lines. Without an option it makes one stream out of all inputs.",
        .options = table,
        .examples = (const char *const[]){
            "Is the download whole?", "lms --check news.lms",
            "The first three rows, to look at", "lms --head 3 news.lms | lms --view",
            "What the model sees", "lms --head 3 news.lms | lms --view -m bert/",
            "One row in ten for a test; the same text is always on the same side",
            "lms --split train=0.9,test=0.1 news.lms",
            "A model in one file, in half the bytes",
            "lms -m news -o news.tar.zst --dtype bf16",
            "Are its weights all there, and numbers?",
            "lms --check -m news.tar.zst", NULL}};
    lm_tool_begin(&program, LM_TAKES_MODEL | LM_TAKES_OUTPUT | LM_TAKES_SEED | LM_TAKES_PLUGIN, &common, argc, argv);

    lm_status st = LM_STATUS_INIT;
    f.mode = mode_of((const bool[]){view, check, count, shuffle, heads, f.split != NULL}, &st);
    f.operands = &common.operands;
    f.output = common.output;
    f.command = common.command_line;
    f.seed = (uint64_t)common.seed;
    f.memory = (size_t)memory;
    r->format = (lm_text_format)format;
    r->header = (lm_header)header;
    f.by = !strcmp(by, "hash") ? LM_BY_HASH : !strcmp(by, "row") ? LM_BY_ROW : LM_BY_FIELD;
    f.field = by;
    if (r->label_separator && !*r->label_separator)
        lm_fail(&st, LM_USAGE, "--label-separator: what stands between labels cannot be empty");
    if (f.framed && f.text)
        lm_fail(&st, LM_USAGE, "--framed and --plain: one of them at a time");
    if (f.part && !f.split)
        lm_fail(&st, LM_USAGE, "--part: of what? --split names the parts");
    if (common.model && f.mode != LM_FILTER_VIEW && (common.operands.count || (f.mode != LM_FILTER_CAT && !check)))
        lm_fail(&st, LM_USAGE, "-m: goes with --view (for its tokenizer), with --check, or with -o alone, and these take no "
                "other input");
    if ((models.dtype || models.shards) && (!common.model || f.mode != LM_FILTER_CAT))
        lm_fail(&st, LM_USAGE, "--dtype and --max-shard-size: say how the model of -m is written");
    if (lm_ok(&st) && common.model && f.mode == LM_FILTER_CHECK)
        check_model(&common, &st);
    else if (lm_ok(&st) && common.model && f.mode == LM_FILTER_CAT)
        repack(&common, dtype, shard_size, &st);
    else if (lm_ok(&st))
        run_filter(&f, common.model, &st);
    return lm_tool_end(&st);
}
