/* A filter of the user's, any command that answers each line with a line (a translator, a judge, tr): many threads ask it, and a
 * line that it cannot take is told apart from the others.
 *
 * A command that answers line by line is kept running, one for each job. One that wants to see the end of its input first is
 * started for each call. Which of both it is, is found out in the first call: it has a second after it has taken the lines, and
 * its answers are counted to the end. A command that dies,
 * hangs, or answers with fewer or more lines than it was given is started again, with fewer and fewer of them, until the lines
 * that it fails at have been found; the others keep their answers. One that answers nothing right fails as a whole. */
#ifndef LM_BASE_LINE_FILTER_H
#define LM_BASE_LINE_FILTER_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/coprocess.h"

#include <stdint.h>

typedef enum lm_filter_runs {
    LM_RUNS_AUTO,
    LM_RUNS_KEPT, /* it answers line by line, however long it thinks */
    LM_RUNS_BATCH /* it is started for each call */
} lm_filter_runs;
extern const char *const lm_filter_runs_names[]; /* "auto", "kept", "batch", NULL */

typedef struct lm_line_filter_options {
    const char *command; /* for sh -c; borrowed */
    double timeout;      /* seconds for which it may neither take nor answer a line */
    int jobs;            /* that run at once; further calls wait */
    lm_record_end end;   /* of lines and answers */
    lm_filter_runs runs;
    bool first_fault;    /* the caller gives up at a fault: do not look for others */
} lm_line_filter_options;

typedef struct lm_line_answer {
    lm_str text;       /* without its end; in the arena */
    const char *fault; /* why there is none, in the arena: "exit status 3", "no answer for 60 seconds"; NULL = there is one */
} lm_line_answer;

typedef struct lm_line_filter lm_line_filter;

lm_line_filter *lm_line_filter_new(const lm_line_filter_options *options);
/* Answers the lines, which hold no line ends (LM_END_NUL: no NUL); any thread. With first_fault, lines may have neither an
 * answer nor a fault where another has one. False: the command is no good at all, or a signal has come. */
bool lm_line_filter_ask(lm_line_filter *f, const lm_str *lines, size_t count, lm_line_answer *answers, lm_arena *arena,
                        lm_status *st);
/* Ends the commands that are kept. False where one has said more than it was asked: its answers may be those of other lines. */
bool lm_line_filter_finish(lm_line_filter *f, lm_status *st);
void lm_line_filter_free(lm_line_filter *f);

typedef struct lm_line_filter_counts {
    uint64_t answered, faults; /* lines that have an answer, and those that have none */
    uint64_t starts;           /* of the command */
} lm_line_filter_counts;
lm_line_filter_counts lm_line_filter_counted(const lm_line_filter *f); /* with no thread asking */

#endif
