/* gen: prompts in, what a model answers out, one for one. */
#include "generate/gen.h"

/* What the command line says beside lm_gen_options. */
static struct {
    int format, header;
    int64_t offset;
    bool talks, tempered;
    const char *order;
} given;

static lm_chat_options chat = {.generation_prompt = true, .asks = true};
static lm_gen_options o = {.separator = "\\n\\n", .batch = 8, .max_new_tokens = 256, .samples = 1, .beams = 1,
                           .length_penalty = 1, .draft_tokens = 4};

#define GROUP(heading)        {.name = heading, .type = LM_OPT_GROUP}
#define FLAG(option, to, ...) {.name = option, .type = LM_OPT_FLAG, .target = &(to), __VA_ARGS__}
#define STRING(option, to, what, ...)                                                                         \
    {.name = option, .type = LM_OPT_STRING, .target = &(to), .value = what, __VA_ARGS__}
#define STRINGS(option, to, what, ...)                                                                        \
    {.name = option, .type = LM_OPT_STRINGS, .target = &(to), .value = what, __VA_ARGS__}
#define CHOICE(option, to, what, from, ...)                                                                   \
    {.name = option, .type = LM_OPT_CHOICE, .target = &(to), .value = what, .choices = from, __VA_ARGS__}
#define COUNT(option, to, from, up_to, ...)                                                                   \
    {.name = option, .type = LM_OPT_COUNT, .target = &(to), .value = "N", .min = from, .max = up_to, __VA_ARGS__}
#define FLOAT(option, to, what, from, up_to, ...)                                                             \
    {.name = option, .type = LM_OPT_FLOAT, .target = &(to), .value = what, .min = from, .max = up_to, __VA_ARGS__}

static const char *const early_synonyms[] = {"true", "first", "false", "heuristic", NULL}; /* of transformers */

static const lm_option table[] = {
    STRING("prompt", o.prompt, "TEXT", .letter = 'p', .shown = "",
           .help = "the only prompt, whose answer is written as it is, line ends included; else they are read"),
    GROUP("Prompts"),
    CHOICE("input-format", given.format, "FORMAT", lm_format_names,
           .help = "of the input, unless it is a stream of tokens; auto goes by its name, then by its first bytes"),
    STRING("text", o.records.text, "FIELD[,FIELD...]", .shown = "prompt, else text",
           .help = "the field of the prompt: a name, a JSON path or a number from 1; several are joined by a space"),
    CHOICE("header", given.header, "WHETHER", lm_header_names,
           .help = "does the first row of a csv or tsv name the columns"),
    STRING("encoding", o.records.encoding, "NAME", .shown = "utf-8",
           .help = "of the input: cp949, euc-kr, utf-16, latin1 and what else iconv knows"),
    COUNT("offset", given.offset, 0, 1e15, .help = "number of the first record, where the input is a part of a larger one"),
    {.name = "chat", .type = LM_OPT_STRING, .target = &chat.template, .value = "TEMPLATE", .given = &given.talks,
     .aliases = "apply_chat_template chat-template", .optional = lm_chat_is_template, .shown = "",
     .help = "records are conversations, and the assistant answers: messages, or a prompt, in the template of that name or file, "
             "or the tokenizer's own"},
    STRING("system", chat.system, "TEXT", .aliases = "system-prompt", .shown = "",
           .help = "with --chat, what the system says where a record does not say it"),
    {.name = "few-shot", .type = LM_OPT_FILE, .target = &o.shots, .value = "FILE",
     .help = "examples before each prompt: the records of a file, with their answers"},
    COUNT("shots", o.shot_count, 0, 1e6, .letter = 'k', .aliases = "num_fewshot", .shown = "all",
          .help = "how many of them, from the first on"),
    STRING("separator", o.separator, "TEXT", .help = "between examples and prompt; \\n is a line end"),
    FLAG("truncate", o.truncate,
         .help = "a prompt that is longer than the model takes loses its beginning, instead of being refused"),
    GROUP("Answers"),
    COUNT("max-new-tokens", o.max_new_tokens, 0, 1e9, .aliases = "max_tokens n-predict predict",
          .help = "most tokens of an answer"),
    COUNT("min-new-tokens", o.min_new_tokens, 0, 1e9, .help = "fewest tokens of an answer, if no stop string ends it"),
    STRINGS("stop", o.stop, "TEXT", .aliases = "stop_strings reverse-prompt",
            .help = "an answer ends before this text; \\n is a line end"),
    STRINGS("stop-token", o.stop_tokens, "TOKEN", .aliases = "eos_token_id",
            .help = "an answer ends at this token, too: its id, or what it is called"),
    STRING("regex", o.regex, "PATTERN", .aliases = "guided_regex",
           .help = "an answer is a text that matches the regular expression, from end to end, and no other"),
    STRING("json-schema", o.schema, "FILE|SCHEMA", .aliases = "guided_json json-schema-file",
           .help = "an answer is JSON, on one line, that the JSON Schema describes; {} is any"),
    FLAG("ignore-eos", o.ignore_eos, .help = "go on where the model says that the answer ends"),
    COUNT("samples", o.samples, 1, 1e6, .letter = 'n', .aliases = "num_return_sequences",
          .help = "answers to each prompt, one after the other"),
    GROUP("Choice of tokens"),
    FLAG("sample", o.sample, .aliases = "do_sample",
         .help = "draw tokens as generation_config.json says, or from the model's probabilities; else the likeliest one is "
                 "taken, unless an option below asks for chance"),
    FLOAT("temperature", o.sampling.temperature, "T", 0, 1e6, .aliases = "temp", .given = &given.tempered,
          .help = "draw from probabilities made sharper (below 1) or flatter; 0 is the likeliest token always"),
    COUNT("top-k", o.sampling.top_k, 0, 1e9, .help = "draw from the K likeliest; 0 = from all"),
    FLOAT("top-p", o.sampling.top_p, "P", 0, 1, .aliases = "nucleus",
          .help = "draw from the fewest likeliest ones that have this probability together"),
    FLOAT("min-p", o.sampling.min_p, "P", 0, 1, .help = "draw from those at least P times as likely as the likeliest"),
    FLOAT("typical", o.sampling.typical, "P", 0, 1, .aliases = "typical_p",
          .help = "draw from those that surprise about as much as is to be expected, of this probability together"),
    FLOAT("top-n-sigma", o.sampling.top_n_sigma, "N", 0, 1e6, .shown = "off",
          .help = "draw from those whose logit is at most N standard deviations below the largest"),
    FLOAT("repetition-penalty", o.sampling.repetition, "R", 1e-6, 1e6, .aliases = "repeat-penalty",
          .help = "logits of tokens that came before, in the prompt too, are divided by R, or multiplied below 0"),
    FLOAT("presence-penalty", o.sampling.presence, "X", -1e6, 1e6,
          .help = "taken from the logit of a token that came before"),
    FLOAT("frequency-penalty", o.sampling.frequency, "X", -1e6, 1e6, .help = "... for each time that it came"),
    COUNT("penalty-last", o.sampling.penalty_last, -1, 1e9, .aliases = "repeat-last-n", .shown = "all",
          .help = "of how many tokens the penalties are reckoned"),
    STRINGS("logit-bias", o.logit_bias, "TOKEN=X",
            .help = "added to a token's logit, by its id or what it is called; -inf forbids it"),
    STRING("samplers", given.order, "NAME,...", .aliases = "sampler-seq", .shown = "hf",
           .help = "the order of penalties, temperature, top-k, top-p, min-p, typical and top-n-sigma, or hf, or llama"),
    GROUP("Search"),
    COUNT("beams", o.beams, 1, 1e5, .aliases = "num_beams beam-size",
          .help = "beam search: of all beginnings of an answer so many go on at each step; 1 = none. --samples are the best of them"),
    FLOAT("length-penalty", o.length_penalty, "X", -1e3, 1e3,
          .help = "an answer's log-probability is divided by its length to this power: above 0 prefers longer answers"),
    CHOICE("early-stopping", o.early, "WHEN", lm_beam_early_names, .synonyms = early_synonyms,
           .help = "when there are as many answers as beams: end at once (first), where the best beam is not better now (heuristic), "
                   "or where it cannot become better (never)"),
    {.name = "draft", .type = LM_OPT_DIR, .target = &o.draft, .value = "MODEL", .aliases = "assistant_model model-draft",
     .help = "a small model of the same vocabulary that writes ahead; the large one reads several tokens in a step. The answers "
             "are those without it"},
    COUNT("draft-tokens", o.draft_tokens, 1, 1000, .aliases = "num_assistant_tokens draft-max", .unrecorded = true,
          .help = "how many tokens it writes at a time"),
    GROUP("What is written"),
    FLAG("json", o.json, .help = "an object for each answer: prompt, text, finish_reason, and the record's other fields"),
    FLAG("tokens", o.tokens, .help = "a stream of tokens instead, for score, finetune, lms and gen itself: prompt and answer in a row"),
    FLAG("echo", o.echo, .help = "the prompt before the answer"),
    FLAG("logprobs", o.logprobs, .help = "with each token of an answer its log-probability; implies --json"),
    FLAG("prompt-logprobs", o.prompt_logprobs,
         .help = "... of the prompt, behind those before it; with --max-new-tokens 0, of nothing else"),
    COUNT("top-logprobs", o.top, 0, 1e6, .aliases = "top", .help = "... and the N likeliest tokens that might have stood there"),
    GROUP("The model"),
    COUNT("batch-size", o.batch, 1, 1e6, .letter = 'b', .aliases = "parallel", .unrecorded = true,
          .help = "answers that are written at a time; they do not depend on it, but for the last bits of a logit"),
    {.name = "tokenizer", .type = LM_OPT_DIR, .target = &o.tokenizer, .value = "DIR", .shown = "the model's own",
     .help = "the tokenizer"},
    FLAG("force", o.force, .help = "take the tokens of another tokenizer"),
    FLAG("check", o.check, .help = "look at every weight before anything else: NaN or infinite ones are an error"),
    CHOICE("kv-type", o.kept, "TYPE", lm_kept_names, .aliases = "cache-type cache-type-k cache-type-v",
           .help = "of the keys and values that are remembered of each row: f16 takes half the memory, q8_0 about a quarter"),
    {.name = "prompt-cache", .type = LM_OPT_FILE, .target = &o.prompt_cache, .value = "FILE",
     .help = "what the model remembers of how the prompts begin (--few-shot, a system's words, a long text): read from FILE, which is "
             "made where it is not there. Answers are the same with and without"},
    CHOICE("activations", o.activations, "TYPE", lm_activation_names,
           .help = "what quantised weights are multiplied with: int8 rounds the inputs of their layers, which is faster"),
    {0},
};

/* Who asks for a filter, or a number of answers, asks for chance. */
static bool finish(lm_status *st)
{
    const lm_sampling *s = &o.sampling;
    bool filters = s->top_k || s->top_p < 1 || s->min_p > 0 || s->typical < 1 || s->top_n_sigma > 0;
    o.records.format = (lm_text_format)given.format;
    o.records.header = (lm_header)given.header;
    o.records.offset = (uint64_t)given.offset;
    if (given.talks) {
        chat.text = o.records.text;
        o.chat = &chat;
    }
    bool searched = o.beams > 1;
    o.sample |= !given.tempered && (filters || (o.samples > 1 && !searched));
    if (searched && (o.sample || s->temperature > 0))
        return lm_fail(st, LM_USAGE, "--beams: nothing is drawn by chance: leave out --sample, --temperature and the filters");
    if (searched && o.samples > o.beams)
        return lm_fail(st, LM_USAGE, "--samples %d of --beams %d: ask for fewer answers, or search with more beams", (int)o.samples,
                       (int)o.beams);
    if (searched && o.draft)
        return lm_fail(st, LM_USAGE, "--draft: a beam search goes without: leave out one of them");
    if ((searched || o.draft) && (o.prompt_logprobs || o.max_new_tokens == 0))
        return lm_fail(st, LM_USAGE, "--prompt-logprobs: nothing is searched for, nor drafted: leave out --beams and --draft");
    if (o.prompt_cache && (searched || o.draft || o.prompt_logprobs))
        return lm_fail(st, LM_USAGE, "--prompt-cache: not with --beams, --draft or --prompt-logprobs, which read prompts as a whole");
    if (given.tempered && s->temperature == 0 && ((o.samples > 1 && !searched) || o.sample))
        return lm_fail(st, LM_USAGE, "--temperature 0: all answers would be the same: leave out --samples, or give a temperature");
    if (chat.system && !o.chat)
        return lm_fail(st, LM_USAGE, "--system: only a conversation has one: give --chat");
    if (o.tokens && (o.json || o.echo || o.top))
        return lm_fail(st, LM_USAGE, "--tokens: a row is neither text nor an object: leave out --json, --echo and --top-logprobs");
    if (o.regex && o.schema)
        return lm_fail(st, LM_USAGE, "--regex and --json-schema: an answer has one form: give one of them");
    if (o.shot_count && !o.shots)
        return lm_fail(st, LM_USAGE, "--shots: of what? give --few-shot FILE");
    if (o.prompt && o.common->operands.count)
        return lm_fail(st, LM_USAGE, "%s: with --prompt nothing is read: give one or the other", o.common->operands.items[0]);
    return !given.order || lm_sampling_order(&o.sampling, given.order, st);
}

int main(int argc, char **argv)
{
    lm_common common = LM_COMMON_INIT;
    lm_status st = LM_STATUS_INIT;
    o.common = &common;
    o.activations = LM_ACTIVATIONS_INT8;
    lm_sampling_init(&o.sampling);
    const lm_program program = {
        .name = "gen",
        .purpose = "write on from prompts with a model",
        .operands = "[FILE...]",
        .summary = "Reads prompts, a line or a record each, and writes what the model of -m answers to them, a line each, in their "
                   "order, and nothing else. Prompts are text, conversations (--chat) or tokens (made by tok).",
        .options = table,
        .examples = (const char *const[]){
            "How would it go on?", "gen -m llama -p 'Once upon a time'",
            "A line of answer for each line of questions", "gen -m llama --chat questions.txt > answers.txt",
            "Drawn by chance, four answers to each, as objects", "gen -m llama --temperature 0.8 --top-p 0.95 -n 4 --json prompts.jsonl",
            "With four solved examples before each, up to the end of the line",
            "gen -m llama --few-shot solved.jsonl -k 4 --stop '\\n' exercises.txt",
            "How probable texts are", "gen -m llama --prompt-logprobs --max-new-tokens 0 texts.txt", NULL}};
    lm_tool_begin(&program, LM_TAKES_MODEL | LM_TAKES_OUTPUT | LM_TAKES_THREADS | LM_TAKES_SEED | LM_TAKES_PLUGIN, &common,
                  argc, argv);
    if (!common.model)
        lm_fail(&st, LM_USAGE, "no model: give it with -m");
    else if (finish(&st))
        lm_gen(&o, &st);
    return lm_tool_end(&st);
}
