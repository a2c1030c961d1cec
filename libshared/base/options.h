/* The command line. One table per program is its parser, its --help, its man page's OPTIONS and SYNOPSIS, and its
 * shell completions.
 *
 * Long options may be cut to a unique prefix, hyphens and underscores are one, `--name=value` and `--name value` both
 * work, short ones cluster (-qv), `--` ends them. A name that is not known gets its nearest match. */
#ifndef LM_BASE_OPTIONS_H
#define LM_BASE_OPTIONS_H

#include "base/buffer.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef enum lm_option_type {
    LM_OPT_FLAG,      /* bool: --name, --no-name */
    LM_OPT_STRING,    /* const char * */
    LM_OPT_FILE,      /* const char *, completed as a file */
    LM_OPT_DIR,       /* const char *, completed as a directory */
    LM_OPT_INT,       /* int64_t, within min..max */
    LM_OPT_COUNT,     /* int64_t, 10k, 2M (powers of 1000) */
    LM_OPT_SIZE,      /* int64_t bytes, 512M, 2G (powers of 1024) */
    LM_OPT_FLOAT,     /* double, within min..max; 5% is 0.05 */
    LM_OPT_DURATION,  /* double seconds: 90, 30m, 2h, 1d */
    LM_OPT_CHOICE,    /* int: index into choices */
    LM_OPT_STRINGS,   /* lm_strings: repeatable */
    LM_OPT_STEP,      /* lm_option_steps: something to be done, in its turn; repeatable, and without a value where `value` is NULL */
    LM_OPT_GROUP      /* no option: a heading in --help and the man page */
} lm_option_type;

typedef struct lm_strings {
    const char **items;
    size_t count, cap;
} lm_strings;

/* Steps of several options, in the order of the command line. */
typedef struct lm_option_steps {
    struct lm_option_step {
        const char *name;  /* the option's */
        const char *value; /* "" for none */
        const char *second; /* of an option that takes two; else NULL */
    } *items;
    size_t count, cap;
} lm_option_steps;

/* One option. The default is what the target holds when the table is parsed, so --help shows the truth; `shown` says
 * it in words where the value does not ("the model's own"), "" for none. A choice of -1 is none. */
typedef struct lm_option {
    const char *name;         /* long name, with hyphens; the heading of a group */
    char letter;              /* short name, or 0 */
    lm_option_type type;
    void *target;             /* of the type above */
    const char *value;        /* what stands for the value in --help: FILE, N; NULL for flags */
    const char *help;         /* a sentence without a full stop */
    const char *const *choices; /* NULL-terminated */
    const char *const *synonyms; /* of choices: pairs of another spelling and the choice, NULL-terminated; or NULL */
    const char *aliases;      /* other long names that are accepted, separated by spaces (Hugging Face's spellings) */
    const char *shown;        /* the default in words, or NULL */
    double min, max;          /* of a number, where min < max; an infinity is no limit */
    bool hidden;              /* accepted, not shown */
    bool unrecorded;          /* changes nothing in the result (-j, -q): left out where command lines are kept */
    bool *given;              /* set to true when the option is on the command line; or NULL */
    bool two_values;          /* of a step: the word behind the value belongs to it, too */
    bool (*optional)(const char *word); /* not NULL: the value may be left out, and is "" then; behind a blank it is taken
                               * for the value only where this says that it is one */
} lm_option;

typedef struct lm_program {
    const char *name;         /* "tok" */
    const char *purpose;      /* one line, lower case: "turn text into tokens" */
    const char *operands;     /* "[FILE...]" or NULL for none; several forms of the command on lines of their own */
    const char *summary;      /* a paragraph for --help */
    const lm_option *options; /* ends with a zero entry; the common ones are added by base/tool.h */
    const char *const *examples; /* pairs of comment and command line; NULL-terminated */
} lm_program;

/* Parses argv; operands go to `operands`, and to `recorded` (or NULL) all words but those of unrecorded options.
 * False: LM_USAGE with a message. What it fills points into argv. */
bool lm_options_parse(const lm_program *program, int argc, char **argv, lm_strings *operands, lm_strings *recorded,
                      lm_status *st);

/* The option of a program's table with this long name or alias, spelled as on a command line but without `--`.
 * NULL: LM_USAGE with the nearest match. */
const lm_option *lm_option_find(const lm_program *program, lm_str name, lm_status *st);
/* Does what --NAME=VALUE does. The value stays the caller's and must live as long as the target is used. */
bool lm_option_set(const lm_option *o, const char *value, lm_status *st);

/* Appends to a list (also one that starts zeroed). The list's array is malloced, the strings are not its own. */
void lm_strings_add(lm_strings *list, const char *s);
void lm_option_steps_add(lm_option_steps *list, const char *name, const char *value);

/* Renderings of the table. */
void lm_options_help(const lm_program *program, int columns, lm_buf *out);
void lm_options_man_synopsis(const lm_program *program, lm_buf *out); /* man(7) markup */
void lm_options_man_options(const lm_program *program, lm_buf *out);
void lm_options_aliases(const lm_program *program, lm_buf *out); /* lines: alias, tab, option, tab, program */
void lm_options_completion(const lm_program *program, const char *shell, lm_buf *out); /* bash, zsh, fish */

/* Values as options spell them; the whole string or false. */
bool lm_parse_size(const char *s, int64_t *bytes);        /* 512M, 1.5GiB, 4096 */
bool lm_parse_count(const char *s, int64_t *count);       /* 10k, 2M, 1e6, 500 */
bool lm_parse_duration(const char *s, double *seconds);   /* 90, 30m, 2h, 1d, 1h30m */
bool lm_parse_float(const char *s, double *value);        /* 2e-5, 10% */

#endif
