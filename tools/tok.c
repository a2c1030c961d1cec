/* tok: text to tokens and back, and tokenizers out of text. */
#include "base/tool.h"
#include "text/chat/chat.h"
#include "text/tokenize/tokenize.h"
#include "text/train/train.h"

#include <math.h>
#include <stdlib.h>

static const char *const thinking[] = {"keep", "drop", NULL};
static const char *const truncations[] = {"longest_first", "only_first", "only_second", "none", NULL};
static const char *const sides[] = {"right", "left", NULL};
static const char *const accents[] = {"auto", "yes", "no", NULL};
static const char *const strategies[] = {"wrapped", "best-fit", NULL};
static const char *const label_words[] = {"first", "all", NULL};

/* What the command line says beside lm_tokenize_options and lm_tokenizer_training. */
static struct {
    int format, label_type, label_words, header, truncation, side, strategy, think, train;
    int64_t max_length, max_target_length, stride, offset;
    bool decode, ids, pieces, json, stats, fields, has_stride, eos, has_eos, has_strategy;
    const char *tokenizer;
} given = {.train = -1, .max_length = -1, .max_target_length = -1, .fields = true};

static lm_chat_options chat;
static lm_tokenize_options o = {.copies = 1};
static lm_tokenizer_training t = {.vocab_size = 30000, .min_frequency = 2, .limit_alphabet = -1,
                                  .memory = 1 << 30, .lower_case = true, .cjk = true};

#define GROUP(heading)                         {.name = heading, .type = LM_OPT_GROUP}
#define FLAG(option, to, ...)                  {.name = option, .type = LM_OPT_FLAG, .target = &(to), __VA_ARGS__}
#define STRING(option, to, what, ...)                                                                         \
    {.name = option, .type = LM_OPT_STRING, .target = &(to), .value = what, __VA_ARGS__}
#define CHOICE(option, to, what, from, ...)                                                                   \
    {.name = option, .type = LM_OPT_CHOICE, .target = &(to), .value = what, .choices = from, __VA_ARGS__}
#define COUNT(option, to, from, up_to, ...)                                                                   \
    {.name = option, .type = LM_OPT_COUNT, .target = &(to), .value = "N", .min = from, .max = up_to, __VA_ARGS__}

static const lm_option table[] = {
    {.name = "tokenizer", .type = LM_OPT_DIR, .target = &given.tokenizer, .value = "DIR",
     .aliases = "tokenizer_name",
     .help = "the tokenizer, where it is not the model's: a directory or a tokenizer's file, GGUF too"},
    FLAG("decode", given.decode, .letter = 'd', .help = "tokens (or lines of ids) back to lines of text"),
    FLAG("keep-special", o.keep_special, .help = "with -d, show special tokens as well"),
    FLAG("force", o.force, .help = "with -d, take a tokenizer that is not the stream's"),
    GROUP("Text in"),
    CHOICE("input-format", given.format, "FORMAT", lm_format_names,
           .help = "of the input; auto goes by its name, then by its first bytes"),
    STRING("text", o.records.text, "FIELD[,FIELD...]", .aliases = "text_column text_column_name",
           .shown = "text, or what is obviously it",
           .help = "the field of the text: a name, a JSON path or a number from 1; several are joined by a space"),
    STRING("pair", o.records.pair, "FIELD", .shown = "pair, if there is one",
           .help = "the field of the second text"),
    STRING("answer", o.records.answer, "FIELD", .shown = "answers, where the fields are SQuAD's",
           .help = "the field of the answer to a question (--text) that stands in a text (--pair)"),
    STRING("target", o.records.target, "FIELD[,FIELD...]", .aliases = "summary_column target_column", .shown = "",
           .help = "the field of the text that is to be written: a translation, a summary, an answer"),
    STRING("label", o.records.label, "FIELD", .aliases = "label_column_name", .shown = "label, if there is one",
           .help = "the field of the label"),
    CHOICE("label-type", given.label_type, "TYPE", lm_label_type_names,
           .help = "word: labels go on as they stand; id: as class numbers from 0; float: as numbers to be met"),
    STRING("label-separator", o.records.label_separator, "TEXT", .shown = "",
           .help = "a label is several labels, with this between them"),
    STRING("labels", o.labels, "A,B,C", .shown = "those that occur, sorted",
           .help = "the classes of tags and of several labels a row, in their order"),
    FLAG("iob1", o.iob1, .help = "the words' tags are IOB1 and become IOB2: each entity begins with B-"),
    CHOICE("label-words", given.label_words, "WHICH", label_words,
           .help = "of a word's tokens, which get its tag: the first (the others are ignored) or all"),
    STRING("drop-label", o.records.drop_label, "LABEL", .shown = "",
           .help = "leave out records with this label, and say how many: MNLI has - where nobody agreed"),
    STRING("weight", o.records.weight, "FIELD", .shown = "",
           .help = "the field of how much the row counts in training"),
    STRING("id", o.records.id, "FIELD", .shown = "id, if there is one",
           .help = "the field that names the record"),
    FLAG("fields", given.fields, .help = "pass on the other fields of the input"),
    CHOICE("header", given.header, "WHETHER", lm_header_names,
           .help = "does the first row of a csv or tsv name the columns"),
    STRING("encoding", o.records.encoding, "NAME", .shown = "utf-8",
           .help = "of the input: cp949, euc-kr, utf-16, latin1 and what else iconv knows"),
    FLAG("strict", o.records.strict, .help = "refuse invalid UTF-8 instead of replacing it by U+FFFD"),
    {.name = "rejects", .type = LM_OPT_FILE, .target = &o.records.rejects, .value = "FILE",
     .help = "put records that cannot be used there, with the reason, and go on"},
    FLAG("require-end", o.records.require_end,
         .help = "refuse plain text, whose end cannot be told from a writer's death"),
    COUNT("offset", given.offset, 0, INFINITY,
          .help = "number of the first record, where the input is a part of a whole"),
    GROUP("Tokens out"),
    COUNT("max-length", given.max_length, -1, 1 << 30, .aliases = "max_seq_length max_source_length",
          .shown = "the model's own limit", .help = "most tokens of a row, special ones included; 0 is no limit"),
    COUNT("max-target-length", given.max_target_length, -1, 1 << 30, .shown = "as --max-length",
          .help = "most tokens of what is to be written (--target), special ones included; 0 is no limit"),
    CHOICE("truncation", given.truncation, "HOW", truncations, .given = &o.truncation_given,
           .help = "which text of a pair is cut; of a question about a text, the text"),
    CHOICE("truncation-side", given.side, "SIDE", sides, .help = "where it is cut"),
    COUNT("stride", given.stride, 0, 1 << 30, .aliases = "doc_stride", .given = &given.has_stride, .shown = "",
          .help = "make rows of what is cut, too; each shares N tokens of text with the one before"),
    FLAG("eos", given.eos, .given = &given.has_eos, .shown = "with --pack",
         .help = "end each text with the tokenizer's end of text"),
    COUNT("pack", o.pack, 0, 1 << 24, .aliases = "block_size", .shown = "",
          .help = "join texts to rows of N tokens; labels, ids and fields stay behind"),
    CHOICE("pack-strategy", given.strategy, "HOW", strategies, .aliases = "packing_strategy",
           .given = &given.has_strategy,
           .help = "wrapped: one run of tokens is cut into rows; best-fit: texts stay whole where a row can hold them"),
    FLAG("drop-last", o.drop_last, .help = "with --pack, leave out the last row if it is shorter than N"),
    {.name = "mlm", .type = LM_OPT_FLOAT, .target = &o.mlm, .value = "SHARE", .max = 1, .shown = "",
     .help = "hide this share of the tokens for good, as BERT's pretraining does, and add what they were (mlm_labels)"},
    COUNT("copies", o.copies, 1, 1 << 20, .aliases = "dupe_factor", .help = "with --mlm, of each row, masked in other places"),
    FLAG("no-special", o.encode.no_special, .help = "without the special tokens of the template"),
    FLAG("offsets", o.offsets, .help = "add each token's span of bytes"),
    FLAG("word-ids", o.word_ids, .help = "add the number of each token's word"),
    FLAG("keep-text", o.keep_text, .help = "add the source texts"),
    FLAG("documents", o.documents, .help = "add document numbers: blank lines of plain text part documents"),
    FLAG("ids", given.ids, .help = "write a line of ids a row instead"),
    FLAG("pieces", given.pieces, .help = "write a line of tokens a row instead"),
    FLAG("json", given.json, .help = "write a JSON object a row instead"),
    FLAG("stats", given.stats,
         .help = "write figures instead: lengths of rows, tokens per word and per byte, share of unknown tokens"),
    GROUP("Conversations"),
    {.name = "chat", .type = LM_OPT_STRING, .target = &chat.template, .value = "TEMPLATE", .shown = "",
     .optional = lm_chat_is_template, .aliases = "chat_template apply_chat_template",
     .help = "records are conversations, written by the tokenizer's template, a named one (chatml, llama3, gemma, alpaca "
             "...) or that of a file; the loss is on what the assistant says"},
    CHOICE("think", given.think, "WHETHER", thinking, .help = "the <think> parts of what the assistant says"),
    FLAG("generation-prompt", chat.generation_prompt, .aliases = "add_generation_prompt",
         .help = "end with what opens an answer, without a loss mask"),
    GROUP("A tokenizer out of text"),
    CHOICE("train", given.train, "MODEL", lm_trained_model_names, .shown = "",
           .help = "learn a tokenizer from the text and write it to the directory -o"),
    COUNT("vocab-size", t.vocab_size, 1, 1 << 24, .help = "tokens of the vocabulary, special ones included"),
    COUNT("min-frequency", t.min_frequency, 0, INFINITY, .given = &t.min_frequency_given,
          .help = "how often a pair must occur to become a token (bpe, wordpiece)"),
    COUNT("limit-alphabet", t.limit_alphabet, -1, 0x110000, .shown = "1000 for wordpiece, else all",
          .help = "most characters of the alphabet, the rarest are left out; 0 keeps all"),
    {.name = "character-coverage", .type = LM_OPT_FLOAT, .target = &t.character_coverage, .value = "SHARE", .max = 1,
     .shown = "0.9995 with --byte-fallback, else 1",
     .help = "leave out the rarest characters that are not needed to make up this share of the text"},
    COUNT("max-token-length", t.max_token_length, 0, INFINITY, .aliases = "max_piece_length max_sentencepiece_length",
          .shown = "16 for unigram, else none", .help = "characters of a token: less than that (bpe, wordpiece), at most that (unigram)"),
    FLAG("byte-fallback", t.byte_fallback,
         .help = "characters outside the alphabet become bytes (bpe of characters instead of bytes, unigram)"),
    {.name = "special", .type = LM_OPT_STRINGS, .target = &t.special, .value = "TOKEN",
     .aliases = "special_tokens",
     .help = "a special token beside those that the model has of itself; may be given again"},
    {.name = "memory", .type = LM_OPT_SIZE, .target = &t.memory, .value = "SIZE", .min = 16 << 20, .max = INFINITY,
     .help = "what training may use; words that do not fit go to files in $TMPDIR or /var/tmp"},
    CHOICE("unicode-normalizer", t.unicode_normalizer, "FORM", lm_unicode_normalizer_names,
           .help = "the tokenizer brings text into this form (bpe, unigram); auto is nfkc for unigram, none for bpe"),
    FLAG("lowercase", t.lower_case, .aliases = "do_lower_case", .given = &t.lower_case_given,
         .shown = "for wordpiece", .help = "the tokenizer makes text lower case"),
    CHOICE("strip-accents", t.strip_accents, "WHETHER", accents,
           .help = "it takes accents off (wordpiece); auto does where it makes lower case"),
    FLAG("chinese-chars", t.cjk, .aliases = "tokenize_chinese_chars",
         .help = "it takes each Chinese character for a word (wordpiece)"),
    {0},
};

static const lm_program program = {
    .name = "tok",
    .purpose = "turn text into tokens, and back",
    .operands = "[FILE...]",
    .summary = "Reads text (JSON Lines, JSON, csv, tsv, plain lines, CoNLL blocks, WebDataset archives or a text "
               "stream; compressed or not) and writes a stream of tokens for pretrain, finetune and score. With --train it learns a "
               "tokenizer from the text.",
    .options = table,
    .examples = (const char *const[]){"News with labels, for a model to train on",
                                      "tok -m bert/ news.csv | finetune -m bert/ -o newsbert/",
                                      "See how words are cut",
                                      "echo 'unaffable embeddings' | tok -m bert/ --pieces",
                                      "Learn a vocabulary",
                                      "tok --train wordpiece --vocab-size 8k -o tokenizer/ corpus.txt",
                                      "Conversations, with the loss on the answers",
                                      "tok -m qwen/ --chat talks.jsonl | lms --check",
                                      "Back to text",
                                      "tok -m bert/ news.csv | tok -d",
                                      NULL},
};

/* What the command line says, in the terms of the library. */
static void fill_options(const lm_common *common)
{
    lm_records_options *r = &o.records;
    r->format = (lm_text_format)given.format;
    r->label_type = (lm_label_type)given.label_type;
    r->header = (lm_header)given.header;
    r->offset = (uint64_t)given.offset;
    o.form = given.ids      ? LM_FORM_IDS
             : given.pieces ? LM_FORM_PIECES
             : given.json   ? LM_FORM_JSON
             : given.stats  ? LM_FORM_STATS
                            : LM_FORM_LMS;
    o.json = given.json;
    o.tokenizer = given.tokenizer ? given.tokenizer : common->model;
    o.command = common->command_line;
    o.output = t.output = common->output;
    o.operands = t.operands = &common->operands;
    o.encode.max_length = (int)given.max_length;
    o.max_target_length = (int)given.max_target_length;
    o.encode.truncation = (lm_truncation)given.truncation;
    o.encode.left = given.side == 1;
    o.encode.overflow = o.stride_given = given.has_stride;
    o.encode.stride = (int)given.stride;
    o.encode.seed = (uint64_t)common->seed;
    o.end = given.has_eos ? given.eos : -1;
    o.best_fit = given.strategy == 1;
    o.label_all = given.label_words == 1;
    r->no_fields = o.no_fields = !given.fields || o.form != LM_FORM_LMS || o.pack || given.train >= 0;
    chat.drop_think = given.think == 1;
    if (chat.template) {
        chat.text = r->text;
        chat.pair = r->pair;
        lm_chat_prepare_records(r);
        o.chat = &chat;
    }
    t.records = *r;
    t.model = (lm_trained_model)given.train;
    if (given.max_length > 0)
        t.max_length = given.max_length;
}

/* Options that do not go together. */
static bool check_options(const lm_common *common, lm_status *st)
{
    if (given.ids + given.pieces + given.json + given.stats > 1)
        return lm_fail(st, LM_USAGE, "--ids, --pieces, --json and --stats are different outputs: give one of them");
    if (given.decode && given.train >= 0)
        return lm_fail(st, LM_USAGE, "-d and --train are different jobs: give one of them");
    if (given.train >= 0 && !common->output)
        return lm_fail(st, LM_USAGE, "where does the new tokenizer go? Give -o DIR");
    if (!o.pack && (o.drop_last || given.has_strategy))
        return lm_fail(st, LM_USAGE, "%s: how many tokens has a packed row? Give --pack N",
                       o.drop_last ? "--drop-last" : "--pack-strategy");
    if (o.pack && (o.offsets || o.word_ids || o.keep_text || o.documents || given.has_stride || given.stats))
        return lm_fail(st, LM_USAGE, "--pack joins texts: --offsets, --word-ids, --keep-text, --documents, --stride and "
                       "--stats are about one text: leave them out");
    if (!o.chat && (chat.generation_prompt || chat.drop_think))
        return lm_fail(st, LM_USAGE, "%s is about conversations: give --chat too",
                       chat.generation_prompt ? "--generation-prompt" : "--think");
    if (o.chat && (given.has_stride || o.end == 1))
        return lm_fail(st, LM_USAGE, "--chat: %s", given.has_stride ? "a conversation is one row: leave out --stride"
                                                                    : "the template ends the rows: leave out --eos");
    if (o.records.target && (o.pack || o.chat || given.has_stride || given.stats || given.train >= 0))
        return lm_fail(st, LM_USAGE, "--target: a row has one text and one that is written for it, so that it does not go "
                       "with --pack, --chat, --stride, --stats or --train");
    if (!o.records.target && given.max_target_length >= 0)
        return lm_fail(st, LM_USAGE, "--max-target-length: of which text? Give --target FIELD");
    if (o.mlm > 0 ? o.form != LM_FORM_LMS || o.records.target : o.copies > 1)
        return lm_fail(st, LM_USAGE, o.mlm > 0 ? "--mlm: masks are for a stream of tokens without targets"
                                               : "--copies of what? Rows differ by their masks: give --mlm");
    if (o.best_fit && o.drop_last)
        return lm_fail(st, LM_USAGE, "--drop-last: with --pack-strategy best-fit any row may be short, and none is "
                       "the last: leave it out");
    if (o.records.label_separator && !*o.records.label_separator)
        return lm_fail(st, LM_USAGE, "--label-separator: what stands between labels cannot be empty");
    if (given.has_stride && o.encode.truncation == LM_NO_TRUNCATION)
        return lm_fail(st, LM_USAGE,
                       "--stride and --truncation none: nothing is cut, so there is nothing to make rows of");
    return true;
}

static void run(const lm_common *common, lm_status *st)
{
    fill_options(common);
    if (!check_options(common, st))
        return;
    if (given.train >= 0)
        lm_train_tokenizer(&t, st);
    else if (given.decode)
        lm_detokenize(&o, st);
    else if (!o.tokenizer)
        lm_fail(st, LM_USAGE, "which tokenizer? Give -m DIR");
    else
        lm_tokenize(&o, st);
}

int main(int argc, char **argv)
{
    lm_common common = LM_COMMON_INIT;
    lm_status st = LM_STATUS_INIT;
    lm_tool_begin(&program, LM_TAKES_MODEL | LM_TAKES_OUTPUT | LM_TAKES_THREADS | LM_TAKES_SEED, &common, argc, argv);
    run(&common, &st);
    return lm_tool_end(&st);
}
