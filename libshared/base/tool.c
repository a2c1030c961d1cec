#include "base/tool.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/option_table.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/terminal.h"
#include "base/threads.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const progress_modes[] = {"auto", "always", "never", NULL};

static struct {
    bool quiet, verbose, help, version;
    int progress;
    const char *generate;
} everybody;

/* ---------------------------------------------------------------- the table */

static bool has_option(const lm_option *options, const char *name)
{
    for (const lm_option *o = options; o && !lm_option_is_last(o); o++)
        if (o->type != LM_OPT_GROUP && strcmp(o->name, name) == 0)
            return true;
    return false;
}

typedef struct table {
    lm_option *items;
    size_t count, cap;
} table;

static void add(table *t, lm_option o)
{
    LM_GROW(t->items, t->count, t->cap);
    t->items[t->count++] = o;
}

/* Adds a common option unless the program has not asked for it, or brings its own. */
static void add_common(table *t, const lm_program *program, bool taken, lm_option o)
{
    if (taken && !has_option(program->options, o.name))
        add(t, o);
}

/* Where the model is and where the result goes come first, what every program knows comes last. */
static lm_option *common_table(const lm_program *p, int takes, lm_common *c)
{
    table t = {0};
    add_common(&t, p, takes & LM_TAKES_MODEL,
               (lm_option){.name = "model", .letter = 'm', .type = LM_OPT_FILE, .target = &c->model, .value = "MODEL",
                           .help = "the model: a Hugging Face directory, an archive of one (.tar, .tar.zst, .zip ...), or a "
                                   "model stream (- is standard input)",
                           .aliases = "model_name_or_path"});
    add_common(&t, p, takes & LM_TAKES_OUTPUT,
               (lm_option){.name = "output", .letter = 'o', .type = LM_OPT_FILE, .target = &c->output,
                           .help = "where the result goes", .shown = "standard output", .aliases = "output_dir"});
    for (const lm_option *o = p->options; o && !lm_option_is_last(o); o++)
        add(&t, *o);
    add(&t, (lm_option){.name = "Common options", .type = LM_OPT_GROUP});
    add_common(&t, p, takes & LM_TAKES_THREADS,
               (lm_option){.name = "threads", .letter = 'j', .type = LM_OPT_INT, .target = &c->threads, .max = 4096,
                           .help = "how many threads compute", .shown = "0: one for each processor", .unrecorded = true});
    add_common(&t, p, takes & LM_TAKES_SEED,
               (lm_option){.name = "seed", .type = LM_OPT_INT, .target = &c->seed, .max = INFINITY,
                           .help = "where random numbers start: the same seed gives the same result"});
    add_common(&t, p, takes & LM_TAKES_LOG,
               (lm_option){.name = "log", .type = LM_OPT_FILE, .target = &c->log,
                           .help = "write one JSON object for each event to this file"});
    add_common(&t, p, takes & LM_TAKES_PLUGIN,
               (lm_option){.name = "plugin", .type = LM_OPT_FILE, .target = &c->plugin,
                           .help = "the plugin that knows the model's architecture",
                           .shown = "by the model's type, from $LMUTILS_PLUGIN_PATH and the installed ones"});
    add(&t, (lm_option){.name = "progress", .type = LM_OPT_CHOICE, .target = &everybody.progress,
                        .choices = progress_modes, .value = "WHEN",
                        .help = "show progress on standard error; auto is on a terminal only", .unrecorded = true});
    add(&t, (lm_option){.name = "quiet", .letter = 'q', .type = LM_OPT_FLAG, .target = &everybody.quiet,
                        .help = "say nothing but errors and warnings", .unrecorded = true});
    add(&t, (lm_option){.name = "verbose", .letter = 'v', .type = LM_OPT_FLAG, .target = &everybody.verbose,
                        .help = "say more", .unrecorded = true});
    add(&t, (lm_option){.name = "help", .letter = 'h', .type = LM_OPT_FLAG, .target = &everybody.help,
                        .help = "print this help and exit"});
    add(&t, (lm_option){.name = "version", .letter = 'V', .type = LM_OPT_FLAG, .target = &everybody.version,
                        .help = "print the version and exit"});
    add(&t, (lm_option){.name = "generate", .type = LM_OPT_STRING, .target = &everybody.generate, .hidden = true});
    add(&t, (lm_option){0});
    return t.items;
}

/* ---------------------------------------------------------------- answers */

static const char *producer;

const char *lm_tool_producer(void)
{
    return producer ? producer : "lmutils " PACKAGE_VERSION;
}

static int screen_columns(void)
{
    const char *set = getenv("COLUMNS");
    int columns = set ? atoi(set) : 0;
    if (columns <= 0)
        columns = lm_terminal_columns(STDOUT_FILENO);
    return columns <= 0 ? 80 : columns > 120 ? 120 : columns;
}

static void print_and_exit(lm_buf *text)
{
    lm_status st = LM_STATUS_INIT;
    fwrite(text->data, 1, text->len, stdout);
    lm_buf_free(text);
    exit(lm_tool_end(&st));
}

/* A rendering of the table, for the build. */
static void generate(const lm_program *p, const char *what)
{
    lm_buf out = {0};
    if (strcmp(what, "man-synopsis") == 0)
        lm_options_man_synopsis(p, &out);
    else if (strcmp(what, "man-options") == 0)
        lm_options_man_options(p, &out);
    else if (strcmp(what, "aliases") == 0)
        lm_options_aliases(p, &out);
    else if (strcmp(what, "purpose") == 0)
        lm_buf_printf(&out, "%s\n", p->purpose);
    else if (strcmp(what, "bash") == 0 || strcmp(what, "zsh") == 0 || strcmp(what, "fish") == 0)
        lm_options_completion(p, what, &out);
    else {
        lm_error("option --generate: '%s' is none of man-synopsis, man-options, aliases, purpose, bash, zsh, fish",
                 what);
        exit(LM_USAGE);
    }
    print_and_exit(&out);
}

static void answer(const lm_program *p)
{
    lm_buf out = {0};
    bool help = everybody.help, version = everybody.version;
    everybody.help = everybody.version = false; /* they are among the defaults that --help prints */
    if (help)
        lm_options_help(p, screen_columns(), &out);
    else if (version)
        lm_buf_printf(&out, "%s (lmutils) %s\n", p->name, PACKAGE_VERSION);
    else if (everybody.generate)
        generate(p, everybody.generate);
    else
        return;
    print_and_exit(&out);
}

/* Answers before anything is parsed, so that the defaults shown are the defaults, whatever else is on the line. */
static void answer_first(const lm_program *p, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        everybody.help |= strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0;
        everybody.version |= strcmp(argv[i], "-V") == 0 || strcmp(argv[i], "--version") == 0;
        if (strncmp(argv[i], "--generate=", 11) == 0)
            everybody.generate = argv[i] + 11;
    }
    answer(p);
}

/* ---------------------------------------------------------------- begin and end */

/* A descriptor that the caller closed would go to the next file opened. It gets /dev/null, opened the wrong way
 * round: reading nothing as if it were an empty input, or writing a result nowhere, stays an error. */
static void open_standard(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            _Exit(LM_FAILED);
}

static bool safe_for_shell(const char *word)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_^";
    return *word && word[strspn(word, safe)] == '\0';
}

static char *command_line; /* until the end */

static char *quoted_command(const char *name, const lm_strings *words)
{
    lm_buf line = {0};
    lm_buf_puts(&line, name);
    for (size_t i = 0; i < words->count; i++) {
        lm_buf_putc(&line, ' ');
        if (safe_for_shell(words->items[i])) {
            lm_buf_puts(&line, words->items[i]);
            continue;
        }
        lm_buf_putc(&line, '\'');
        for (const char *p = words->items[i]; *p; p++) {
            if (*p == '\'')
                lm_buf_puts(&line, "'\\''");
            else
                lm_buf_putc(&line, *p);
        }
        lm_buf_putc(&line, '\'');
    }
    lm_buf_cstr(&line);
    return line.data;
}

/* libgomp's threads spin for milliseconds at every barrier unless told otherwise, and it listens only to the environment
 * that a program starts with. On a machine that has other things to do that costs several times the work itself; so the
 * program begins again, once, with a short spin. A user's own setting stands. */
static void spin_shortly(char **argv)
{
    if (lm_threads() < 2 || getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY"))
        return;
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0 || setenv("GOMP_SPINCOUNT", "1000", 1) != 0)
        return;
    path[n] = 0;
    execv(path, argv); /* where that fails the program goes on as it is */
}

static lm_program whole; /* the program with the common options; kept for its whole life */
static lm_common *shared;

static void forget(lm_strings *list)
{
    free(list->items);
    *list = (lm_strings){0};
}

static void forget_steps(lm_option_steps *list)
{
    free(list->items);
    *list = (lm_option_steps){0};
}

/* The lists that the command line filled. */
static void forget_lists(void)
{
    for (const lm_option *o = whole.options; o && !lm_option_is_last(o); o++)
        if (o->type == LM_OPT_STRINGS)
            forget(o->target);
        else if (o->type == LM_OPT_STEP)
            forget_steps(o->target);
    if (shared)
        forget(&shared->operands);
}

void lm_tool_begin(const lm_program *program, int takes, lm_common *common, int argc, char **argv)
{
    static char *made_by;
    open_standard();
    lm_memory_setup();
    lm_program_name_set(program->name);
    shared = common;
    whole = *program;
    whole.options = common_table(program, takes, common);
    made_by = lm_format("%s %s", program->name, PACKAGE_VERSION);
    producer = made_by;
    answer_first(&whole, argc, argv);

    lm_status st = LM_STATUS_INIT;
    lm_strings words = {0};
    bool good = lm_options_parse(&whole, argc, argv, &common->operands, &words, &st);
    free(command_line);
    common->command_line = command_line = quoted_command(program->name, &words);
    forget(&words);
    if (!good)
        exit(lm_tool_end(&st));
    answer(&whole);
    lm_log_level(everybody.quiet ? LM_WARNING : everybody.verbose ? LM_DEBUG : LM_INFO);
    lm_progress_mode_set(everybody.quiet && !everybody.progress ? LM_PROGRESS_NEVER
                                                                : (lm_progress_mode)everybody.progress);
    if (takes & LM_TAKES_THREADS) {
        lm_threads_set((int)common->threads);
        spin_shortly(argv);
    }
    lm_signals_catch();
}

static void close_stdout(lm_status *st)
{
    bool bad = ferror(stdout) != 0;
    if (fclose(stdout) == 0 && !bad)
        return;
    if (errno == EPIPE)
        lm_fail(st, LM_SIGNAL + SIGPIPE, "standard output: its reader has gone");
    else
        lm_fail_errno(st, LM_FAILED, "standard output: cannot be written");
}

int lm_tool_end(lm_status *st)
{
    lm_progress_end();
    close_stdout(st);
    if (st->code > LM_SIGNAL) {
        if (st->code != LM_SIGNAL + SIGPIPE)
            lm_info("%s", st->message);
        lm_signal_raise(st->code - LM_SIGNAL);
    }
    if (!lm_ok(st))
        lm_error("%s", st->message);
    free(command_line);
    command_line = NULL;
    forget_lists();
    return st->code;
}

bool lm_tool_refuse_terminal(int fd, const char *what, lm_status *st)
{
    if (!isatty(fd))
        return true;
    return lm_fail(st, LM_USAGE, "standard output: is a terminal, and %s are binary: redirect it, pipe it, or give -o",
                   what);
}
