/* tok: text to tokens and back, and tokenizers out of text. */
#include "base/tool.h"
#include "text/tokenize.h"

#include <math.h>

static const char *const truncations[] = {"longest_first", "only_first", "only_second", "none", NULL};
static const char *const sides[] = {"right", "left", NULL};

int main(int argc, char **argv)
{
    lm_common common = LM_COMMON_INIT;
    lm_tokenize_options o = {.encode.max_length = -1};
    lm_records_options *r = &o.records;
    int format = 0, label_type = 0, header = 0, truncation = 0, side = 0;
    int64_t max_length = -1, offset = 0;
    bool decode = false, special = true, ids = false, pieces = false, json = false, stats = false, fields = true;
    const char *tokenizer = NULL;

    const lm_option table[] = {
        {.name = "tokenizer", .type = LM_OPT_DIR, .target = &tokenizer, .value = "DIR", .aliases = "tokenizer_name",
         .help = "the tokenizer, where it is not the model's: a directory, a tokenizer.json or a vocab.txt"},
        {.name = "decode", .letter = 'd', .type = LM_OPT_FLAG, .target = &decode,
         .help = "tokens (or lines of ids) back to lines of text"},
        {.name = "Text in", .type = LM_OPT_GROUP},
        {.name = "input-format", .type = LM_OPT_CHOICE, .target = &format, .value = "FORMAT", .choices = lm_format_names,
         .help = "of the input; auto goes by its name, then by its first bytes"},
        {.name = "text", .type = LM_OPT_STRING, .target = &r->text, .value = "FIELD[,FIELD...]",
         .aliases = "text_column text_column_name", .shown = "text, or what is obviously it",
         .help = "the field of the text: a name, a JSON path or a number from 1; several are joined by a space"},
        {.name = "pair", .type = LM_OPT_STRING, .target = &r->pair, .value = "FIELD", .shown = "pair, if there is one",
         .help = "the field of the second text"},
        {.name = "label", .type = LM_OPT_STRING, .target = &r->label, .value = "FIELD", .aliases = "label_column_name",
         .shown = "label, if there is one", .help = "the field of the label"},
        {.name = "label-type", .type = LM_OPT_CHOICE, .target = &label_type, .value = "TYPE",
         .choices = lm_label_type_names,
         .help = "word: labels go on as they stand; id: as class numbers from 0; float: as numbers to be met"},
        {.name = "id", .type = LM_OPT_STRING, .target = &r->id, .value = "FIELD", .shown = "id, if there is one",
         .help = "the field that names the record"},
        {.name = "fields", .type = LM_OPT_FLAG, .target = &fields, .help = "pass on the other fields of the input"},
        {.name = "header", .type = LM_OPT_CHOICE, .target = &header, .value = "WHETHER", .choices = lm_header_names,
         .help = "does the first row of a csv or tsv name the columns"},
        {.name = "encoding", .type = LM_OPT_STRING, .target = &r->encoding, .value = "NAME", .shown = "utf-8",
         .help = "of the input: cp949, euc-kr, utf-16, latin1 and what else iconv knows"},
        {.name = "strict", .type = LM_OPT_FLAG, .target = &r->strict,
         .help = "refuse invalid UTF-8 instead of replacing it by U+FFFD"},
        {.name = "rejects", .type = LM_OPT_FILE, .target = &r->rejects, .value = "FILE",
         .help = "put records that cannot be used there, with the reason, and go on"},
        {.name = "require-end", .type = LM_OPT_FLAG, .target = &r->require_end,
         .help = "refuse plain text, whose end cannot be told from a writer's death"},
        {.name = "offset", .type = LM_OPT_COUNT, .target = &offset, .value = "N", .min = 0, .max = INFINITY,
         .help = "number of the first record, where the input is a part of a whole"},
        {.name = "Tokens out", .type = LM_OPT_GROUP},
        {.name = "max-length", .type = LM_OPT_COUNT, .target = &max_length, .value = "N", .min = -1, .max = 1 << 30,
         .aliases = "max_seq_length", .shown = "the model's own limit",
         .help = "most tokens of a row, special ones included; 0 is no limit"},
        {.name = "truncation", .type = LM_OPT_CHOICE, .target = &truncation, .value = "HOW", .choices = truncations,
         .help = "which text of a pair is cut"},
        {.name = "truncation-side", .type = LM_OPT_CHOICE, .target = &side, .value = "SIDE", .choices = sides,
         .help = "where it is cut"},
        {.name = "special", .type = LM_OPT_FLAG, .target = &special, .aliases = "add_special_tokens",
         .help = "add the template's special tokens; with -d, show special tokens"},
        {.name = "offsets", .type = LM_OPT_FLAG, .target = &o.offsets, .help = "add each token's span of bytes"},
        {.name = "word-ids", .type = LM_OPT_FLAG, .target = &o.word_ids, .help = "add the number of each token's word"},
        {.name = "keep-text", .type = LM_OPT_FLAG, .target = &o.keep_text, .help = "add the source texts"},
        {.name = "documents", .type = LM_OPT_FLAG, .target = &o.documents,
         .help = "add document numbers: blank lines of plain text part documents"},
        {.name = "ids", .type = LM_OPT_FLAG, .target = &ids, .help = "write a line of ids a row instead"},
        {.name = "pieces", .type = LM_OPT_FLAG, .target = &pieces, .help = "write a line of tokens a row instead"},
        {.name = "json", .type = LM_OPT_FLAG, .target = &json, .help = "write a JSON object a row instead"},
        {.name = "stats", .type = LM_OPT_FLAG, .target = &stats,
         .help = "write figures instead: tokens per row and per word, share of unknown words"},
        {.name = "force", .type = LM_OPT_FLAG, .target = &o.force,
         .help = "with -d, take a tokenizer that is not the stream's"},
        {0},
    };
    const lm_program program = {
        .name = "tok", .purpose = "turn text into tokens, and back", .operands = "[FILE...]",
        .summary = "Reads text (JSON Lines, JSON, csv, tsv, plain lines or a text stream; compressed or in an archive) and "
                   "writes a stream of tokens for pretrain, finetune and score.",
        .options = table,
        .examples = (const char *const[]){
            "News with labels, for a model to train on",
            "tok -m bert/ news.csv | finetune -m bert/ -o newsbert/",
            "See how words are cut",
            "echo 'unaffable embeddings' | tok -m bert/ --pieces",
            "Back to text",
            "tok -m bert/ news.csv | tok -d",
            NULL}};
    lm_tool_begin(&program, LM_TAKES_MODEL | LM_TAKES_OUTPUT | LM_TAKES_THREADS, &common, argc, argv);

    lm_status st = LM_STATUS_INIT;
    r->format = (lm_text_format)format;
    r->label_type = (lm_label_type)label_type;
    r->header = (lm_header)header;
    r->offset = (uint64_t)offset;
    r->no_fields = o.no_fields = !fields || ids || pieces || json || stats;
    o.tokenizer = tokenizer ? tokenizer : common.model;
    o.output = common.output;
    o.command = common.command_line;
    o.operands = &common.operands;
    o.encode.max_length = (int)max_length;
    o.encode.truncation = (lm_truncation)truncation;
    o.encode.left = side == 1;
    o.encode.no_special = !special;
    o.form = ids ? LM_FORM_IDS : pieces ? LM_FORM_PIECES : json ? LM_FORM_JSON : stats ? LM_FORM_STATS : LM_FORM_LMS;
    o.json = json;
    if (ids + pieces + json + stats > 1)
        lm_fail(&st, LM_USAGE, "--ids, --pieces, --json and --stats are different outputs: give one of them");
    else if (decode)
        lm_detokenize(&o, &st);
    else if (!o.tokenizer)
        lm_fail(&st, LM_USAGE, "which tokenizer? Give -m DIR");
    else
        lm_tokenize(&o, &st);
    return lm_tool_end(&st);
}
