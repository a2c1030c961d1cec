/* The life of a program, the same for all: descriptors 0 to 2 are open, options are parsed, --help and --version
 * answered, threads and log set, signals caught; at the end standard output is closed and checked, the failure printed
 * as `program: message`, and the exit status is the status's code. */
#ifndef LM_BASE_TOOL_H
#define LM_BASE_TOOL_H

#include "base/options.h"
#include "base/status.h"

/* Common options: which of them a program takes. -h -V -q -v --progress are everybody's. A program may set its own
 * defaults in the fields before lm_tool_begin; the fields it does not take stay as they are. */
typedef struct lm_common {
    const char *model;        /* -m */
    const char *output;       /* -o */
    int64_t threads;          /* -j; 0 = all */
    int64_t seed;             /* --seed */
    const char *log;          /* --log */
    const char *plugin;       /* --plugin */
    lm_strings operands;      /* FILE...; empty = standard input */
    const char *command_line; /* this invocation, quoted for a shell, less what changes nothing in the result (-j,
                                 -q ...); for `via` and model cards */
} lm_common;

#define LM_COMMON_INIT {.seed = 42}

enum { LM_TAKES_MODEL = 1, LM_TAKES_OUTPUT = 2, LM_TAKES_THREADS = 4, LM_TAKES_SEED = 8, LM_TAKES_LOG = 16,
       LM_TAKES_PLUGIN = 32 };

/* Parses and prepares. May exit (--help, --version, usage errors: 0 and 2); main calls it first. A program whose own
 * table has an option of a common name replaces that one (its -o may be a directory, say). */
void lm_tool_begin(const lm_program *program, int takes, lm_common *common, int argc, char **argv);
/* Closes standard output, frees the lists that options and operands filled, and gives main's return value; ends by
 * signal where the status says so. */
int lm_tool_end(lm_status *st);
/* Refuses (LM_USAGE) to write binary to a terminal. False: refused. `what` in the plural: "tokens". */
bool lm_tool_refuse_terminal(int fd, const char *what, lm_status *st);

/* "tok 0.1.0": for the `producer` of streams and for model cards. */
const char *lm_tool_producer(void);

#endif
