#include "check_base.h"

#include "base/memory.h"
#include "base/options.h"

#include <math.h>

static lm_status st;
static const char *model, *name;
static int64_t steps, memory, count;
static double rate, duration;
static int schedule;
static bool shuffle, train, rate_given;
static lm_strings fields, operands;
static lm_option_steps chosen;

static const char *const schedules[] = {"linear", "cosine", "cosine-with-restarts", "constant", NULL};

static bool is_share(const char *word)
{
    double share;
    return lm_parse_float(word, &share);
}

static const lm_option table[] = {
    {.name = "Training", .type = LM_OPT_GROUP},
    {.name = "model", .letter = 'm', .type = LM_OPT_DIR, .target = &model, .help = "the model"},
    {.name = "max-steps", .type = LM_OPT_COUNT, .target = &steps, .help = "stop after", .min = 1, .max = INFINITY},
    {.name = "max-length", .letter = 'l', .type = LM_OPT_INT, .target = &count, .help = "cut at", .min = -5, .max = 512},
    {.name = "memory", .type = LM_OPT_SIZE, .target = &memory, .help = "budget"},
    {.name = "learning-rate", .type = LM_OPT_FLOAT, .target = &rate, .help = "peak", .aliases = "lr  learn_rate",
     .min = 0, .max = 1, .given = &rate_given},
    {.name = "max-time", .type = LM_OPT_DURATION, .target = &duration, .help = "stop after"},
    {.name = "schedule", .type = LM_OPT_CHOICE, .target = &schedule, .choices = schedules, .help = "its shape",
     .aliases = "lr_scheduler_type"},
    {.name = "shuffle", .letter = 's', .type = LM_OPT_FLAG, .target = &shuffle, .help = "in random order"},
    {.name = "train", .letter = 't', .type = LM_OPT_FLAG, .target = &train, .help = "learn"},
    {.name = "text", .type = LM_OPT_STRINGS, .target = &fields, .value = "FIELD", .help = "text's field"},
    {.name = "clean", .type = LM_OPT_STEP, .target = &chosen, .help = "tidy up"},
    {.name = "noise", .type = LM_OPT_STEP, .target = &chosen, .value = "SHARE", .optional = is_share, .help = "spoil"},
    {.name = "join", .type = LM_OPT_STEP, .target = &chosen, .value = "A B", .two_values = true, .help = "put together"},
    {.name = "name", .type = LM_OPT_STRING, .target = &name, .help = "a - b .c \\d"},
    {.name = "secret", .type = LM_OPT_STRING, .target = &name, .hidden = true},
    {0}};

static const lm_program program = {.name = "prog", .purpose = "do things", .operands = "[FILE...]", .options = table};

static void reset(void)
{
    lm_status_clear(&st);
    model = name = NULL;
    steps = memory = count = 0;
    rate = duration = 0;
    schedule = 0;
    shuffle = true, train = rate_given = false;
    fields.count = operands.count = chosen.count = 0;
}

static void release(void)
{
    free(fields.items);
    free(operands.items);
    free(chosen.items);
    chosen = (lm_option_steps){0};
    fields = operands = (lm_strings){0};
}

/* Parses words separated by `|`. */
static bool parse_with(const lm_program *p, const char *line)
{
    static char copy[500];
    static char zero[] = "prog";
    char *words[30] = {zero};
    int n = 1;
    reset();
    snprintf(copy, sizeof copy, "%s", line);
    for (char *s = copy; *line; s++) {
        words[n++] = s;
        s = strchr(s, '|');
        if (!s)
            break;
        *s = '\0';
    }
    return lm_options_parse(p, n, words, &operands, NULL, &st);
}

static void good(const char *line)
{
    ck_assert_msg(parse_with(&program, line), "%s: %s", line, st.message);
}

static void bad(const char *line, const char *message)
{
    ck_assert_msg(!parse_with(&program, line), "%s was taken", line);
    ck_assert_int_eq(st.code, LM_USAGE);
    ck_assert_str_eq(st.message, message);
}

START_TEST(forms)
{
    good("-m|bert|--learning-rate|2e-5|a|--max_steps=10k|-|--memory=1.5G");
    ck_assert_str_eq(model, "bert");
    ck_assert_double_eq(rate, 2e-5);
    ck_assert(rate_given);
    ck_assert_int_eq(steps, 10000);
    ck_assert_int_eq(memory, (int64_t)3 << 29);
    ck_assert_uint_eq(operands.count, 2);
    ck_assert_str_eq(operands.items[1], "-");
    good("-tmbert|--|-x|--train");
    ck_assert(train && !rate_given);
    ck_assert_str_eq(model, "bert");
    ck_assert_uint_eq(operands.count, 2);
    ck_assert_str_eq(operands.items[0], "-x");
    good("--text|a|--text=b|--name=|--name=--train");
    ck_assert_uint_eq(fields.count, 2);
    ck_assert_str_eq(fields.items[1], "b");
    ck_assert_str_eq(name, "--train");
    ck_assert(!train);
    good("-l|-3");
    ck_assert_int_eq(count, -3);
    good("");
}
END_TEST

/* In the order of the command line, whatever the option. */
START_TEST(steps_in_order)
{
    good("--noise|0.5|--clean|a.csv|--noise|b.csv|--noise=c|--clean");
    static const char *const want[][2] = {{"noise", "0.5"}, {"clean", ""}, {"noise", ""}, {"noise", "c"}, {"clean", ""}};
    ck_assert_uint_eq(chosen.count, 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_str_eq(chosen.items[i].name, want[i][0]);
        ck_assert_str_eq(chosen.items[i].value, want[i][1]);
    }
    ck_assert_uint_eq(operands.count, 2);
    bad("--clean=much", "option --clean takes no value: leave out 'much'");
    good("--join|a b|c|--clean|--join=d|e|f");
    ck_assert_uint_eq(chosen.count, 3);
    ck_assert_str_eq(chosen.items[0].value, "a b");
    ck_assert_str_eq(chosen.items[0].second, "c");
    ck_assert_ptr_null(chosen.items[1].second);
    ck_assert_str_eq(chosen.items[2].value, "d");
    ck_assert_str_eq(chosen.items[2].second, "e");
    ck_assert_str_eq(operands.items[0], "f");
    bad("--join|a", "option --join needs two values: --join A B");
    bad("--join=a|--clean", "option --join needs two values: --join A B");
    release();
}
END_TEST

START_TEST(names)
{
    good("--learning_rate=.5");
    ck_assert_double_eq(rate, 0.5);
    good("--learn|10%"); /* the prefix of a name and of its own alias */
    ck_assert_double_eq(rate, 0.1);
    good("--lr=1"); /* exact, though --lr_scheduler_type begins so too */
    ck_assert_double_eq(rate, 1);
    good("--lr-sched=cosine");
    ck_assert_int_eq(schedule, 1);
    good("--no-shuffle");
    ck_assert(!shuffle);
    good("--no-sh|--tr|--no-tr");
    ck_assert(!shuffle && !train);
    good("--shuffle=no|--train=TRUE");
    ck_assert(!shuffle && train);
    good("--no-shuffle=no");
    ck_assert(shuffle);
    good("--secret=x");
    bad("--max=3", "option --max could be any of --max-steps, --max-length, --max-time: write more of it");
    bad("--sec=x", "unknown option --sec: see prog --help");
}
END_TEST

/* Options that something else than a command line names and sets. */
START_TEST(found_and_set)
{
    static const struct {
        const char *written, *name; /* NULL: not found */
    } cases[] = {{"learning-rate", "learning-rate"}, {"learn_rate", "learning-rate"}, {"lr", "learning-rate"},
                 {"sched", "schedule"}, {"max", NULL}, {"epochs", NULL}, {"Training", NULL}};
    reset();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const lm_option *o = lm_option_find(&program, lm_str_of(cases[i].written), &st);
        ck_assert_msg(o ? cases[i].name && strcmp(o->name, cases[i].name) == 0 : !cases[i].name, "%s", cases[i].written);
        ck_assert_int_eq(st.code, o ? LM_OK : LM_USAGE);
        lm_status_clear(&st);
    }
    ck_assert(lm_option_set(lm_option_find(&program, lm_str_of("lr"), &st), "2e-3", &st));
    ck_assert_double_eq(rate, 2e-3);
    ck_assert(rate_given);
    ck_assert(lm_option_set(lm_option_find(&program, lm_str_of("shuffle"), &st), "no", &st));
    ck_assert(!shuffle);
    ck_assert(!lm_option_set(lm_option_find(&program, lm_str_of("lr"), &st), "2", &st));
    ck_assert_int_eq(st.code, LM_USAGE);
    release();
}
END_TEST

START_TEST(mistakes)
{
    bad("--lerning-rate=2", "unknown option --lerning-rate: did you mean --learning-rate?");
    bad("--shufle", "unknown option --shufle: did you mean --shuffle?");
    bad("--no-shufle", "unknown option --no-shufle: did you mean --no-shuffle?");
    bad("--memroy=3", "unknown option --memroy: did you mean --memory?");
    bad("--learnign|3", "unknown option --learnign: did you mean --learning-rate?");
    bad("--zzz", "unknown option --zzz: see prog --help");
    bad("--quantization-method=x", "unknown option --quantization-method: see prog --help");
    bad("-x", "unknown option -x: see prog --help");
    bad("-lr=3", "option --max-length: 'r=3' is not a whole number");
    bad("-train", "unknown option -train: did you mean --train?");
    bad("--model", "option --model needs a value: --model DIR");
    bad("-m", "option --model needs a value: --model DIR");
    bad("--model=", "option --model: the name is empty: is a shell variable not set?");
    bad("--train=maybe", "option --train: 'maybe' is neither yes nor no: it needs no value");
    bad("--max-steps=0", "option --max-steps: 0 is out of range: give at least 1");
    bad("--max-length=513", "option --max-length: 513 is out of range: give -5 to 512");
    bad("--max-length=12x", "option --max-length: '12x' is not a whole number");
    bad("--max-length=99999999999999999999", "option --max-length: '99999999999999999999' is not a whole number");
    bad("--lr=1.5", "option --learning-rate: 1.5 is out of range: give 0 to 1");
    bad("--lr=nan", "option --learning-rate: 'nan' is not a number, such as 0.1, 2e-5 or 10%");
    bad("--memory=1Q", "option --memory: '1Q' is not a size, such as 512M or 2G");
    bad("--max-time=2w", "option --max-time: '2w' is not a duration, such as 90s, 30m or 1h30m");
    bad("--schedule=cos", "option --schedule: 'cos' is none of linear, cosine, cosine-with-restarts, constant");
    bad("--schedule=linaer",
        "option --schedule: 'linaer' is none of linear, cosine, cosine-with-restarts, constant: did you mean linear?");
    lm_program none = program;
    none.operands = NULL;
    ck_assert(!parse_with(&none, "file"));
    ck_assert_str_eq(st.message, "unexpected operand 'file': see prog --help");
}
END_TEST

START_TEST(numbers)
{
    static const struct {
        const char *text;
        double size, count, seconds, real; /* -1: refused */
    } cases[] = {
        {"0", 0, 0, 0, 0},
        {"90", 90, 90, 90, 90},
        {"512M", 512 << 20, 512e6, -1, -1},
        {"2GiB", 2147483648.0, -1, -1, -1},
        {"1.5k", 1536, 1500, -1, -1},
        {"3T", 3298534883328.0, -1, -1, -1},
        {"10B", 10, 10e9, -1, -1},
        {"1e6", 1e6, 1e6, 1e6, 1e6},
        {"0.5", 0, -1, 0.5, 0.5},
        {"1h30m", -1, -1, 5400, -1},
        {"2d", -1, -1, 172800, -1},
        {"30m", 30 << 20, 30e6, 1800, -1},
        {"1m30", -1, -1, 90, -1},
        {"5%", -1, -1, -1, 0.05},
        {"", -1, -1, -1, -1},
        {" 1", -1, -1, -1, -1},
        {"1 ", -1, -1, -1, -1},
        {"0x10", -1, -1, -1, -1},
        {"inf", -1, -1, -1, -1},
        {"1e999", -1, -1, -1, -1},
        {"99999999999999999999", -1, -1, 1e20, 1e20},
        {"k", -1, -1, -1, -1},
        {"1,5", -1, -1, -1, -1},
        {"1kk", -1, -1, -1, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t whole = -1;
        double real = -1;
        const char *text = cases[i].text;
        ck_assert_msg((lm_parse_size(text, &whole) ? (double)whole : -1) == cases[i].size, "size %s", text);
        ck_assert_msg((lm_parse_count(text, &whole) ? (double)whole : -1) == cases[i].count, "count %s", text);
        ck_assert_msg((lm_parse_duration(text, &real) ? real : -1) == cases[i].seconds, "duration %s", text);
        ck_assert_msg((lm_parse_float(text, &real) ? real : -1) == cases[i].real, "float %s", text);
    }
    double real;
    int64_t whole;
    ck_assert(lm_parse_float("-2.5e-3", &real) && real == -2.5e-3);
    ck_assert(!lm_parse_duration("-1s", &real));
    ck_assert(lm_parse_count("-3k", &whole) && whole == -3000);
}
END_TEST

static const char *render(void (*how)(const lm_program *, lm_buf *))
{
    static lm_buf out;
    out.len = 0;
    how(&program, &out);
    return lm_buf_cstr(&out);
}

static void help_at_80(const lm_program *p, lm_buf *out)
{
    lm_options_help(p, 80, out);
}

static void help_at_40(const lm_program *p, lm_buf *out)
{
    lm_options_help(p, 40, out);
}

#define holds(text, part) ck_assert_msg(strstr((text), (part)), "no %s in:\n%s", (part), (text))

START_TEST(help_shows_the_truth)
{
    reset();
    rate = 5e-5, memory = 1 << 30, steps = 20000, duration = 7200, schedule = 2;
    const char *help = render(help_at_80);
    holds(help, "Usage: prog [OPTION]... [FILE...]\nDo things.\n");
    holds(help, "\nTraining:\n  -m, --model DIR");
    holds(help, "[default: 20k; at least 1]");
    holds(help, "[default: 0; -5 to 512]");
    holds(help, "[default: 5e-5; 0 to 1]");
    holds(help, "[default: 1G]");
    holds(help, "[default: 2h]");
    holds(help, "[default: cosine-with-restarts]");
    holds(help, "[default: yes; --no-shuffle]");
    holds(help, "--text FIELD");
    ck_assert_ptr_null(strstr(help, "secret"));
    help = render(help_at_40);
    for (const char *line = help; *line; line += strcspn(line, "\n") + 1) {
        if (strncmp(line, "\nExit status", 12) == 0)
            break;
        ck_assert_msg(strcspn(line, "\n") <= 80, "%s", line);
    }
}
END_TEST

START_TEST(man_and_aliases)
{
    reset();
    const char *man = render(lm_options_man_options);
    holds(man, ".SS Training\n.TP\n\\fB\\-m\\fR, \\fB\\-\\-model\\fR \\fIDIR\\fR\nThe model.\n");
    holds(man, "\nA \\- b .c \\ed.\n");
    holds(man, "Also accepted: \\fB\\-\\-lr\\fR, \\fB\\-\\-learn_rate\\fR.\n");
    holds(man, "Default: yes; \\-\\-no\\-shuffle turns it off.");
    ck_assert_ptr_null(strstr(man, "secret"));
    holds(render(lm_options_aliases), "--learn_rate\t--learning-rate\tprog\n");
    holds(render(lm_options_man_synopsis), ".B prog\n[\\fIOPTION\\fR]...\n[\\fIFILE\\fR...]\n");
}
END_TEST

TCase *base_options(void)
{
    TCase *c = tcase_create("options");
    tcase_add_checked_fixture(c, reset, release);
    tcase_add_test(c, forms);
    tcase_add_test(c, steps_in_order);
    tcase_add_test(c, names);
    tcase_add_test(c, found_and_set);
    tcase_add_test(c, mistakes);
    tcase_add_test(c, numbers);
    tcase_add_test(c, help_shows_the_truth);
    tcase_add_test(c, man_and_aliases);
    return c;
}
