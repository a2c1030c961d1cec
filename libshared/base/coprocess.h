/* A command of the user's that runs beside us: a shell starts it, records go into its standard input, and for each of them
 * one is to come out of its standard output.
 *
 * Nothing that a command does can hang or fill us: what goes in and what comes out is moved at the same time, there is a limit
 * to how long it may do nothing and to how much it may say. Its standard error is ours. It has a process group of its own,
 * which is ended as a whole. base/line_filter.h is what programs use. */
#ifndef LM_BASE_COPROCESS_H
#define LM_BASE_COPROCESS_H

#include "base/buffer.h"
#include "base/status.h"

typedef struct lm_coprocess lm_coprocess;

/* How records, and answers, end. */
typedef enum lm_record_end {
    LM_END_PARAGRAPH, /* with an empty line. A command that answers line by line answers that with another. Where one says too
                       * much it is seen at once, and one that joins lines into sentences keeps them apart */
    LM_END_LINE,
    LM_END_NUL        /* records may hold lines */
} lm_record_end;
extern const char *const lm_record_end_names[]; /* "paragraphs", "lines", "null", NULL */

/* `timeout`: seconds for which it may neither take nor answer anything. The command is borrowed. NULL: failed (no process to be
 * had; a command that does not exist ends with status 127). */
lm_coprocess *lm_coprocess_start(const char *command, double timeout, lm_record_end end, lm_status *st);

/* When its standard input is closed: the program is at its end then. */
typedef enum lm_coprocess_input {
    LM_INPUT_KEPT,     /* not */
    LM_INPUT_CLOSED,   /* behind the records */
    LM_INPUT_ANSWERED  /* when it has answered all, or has taken the records and says nothing for a second: it may want to see the
                        * end first (lm_coprocess_saw_end) */
} lm_coprocess_input;

typedef enum lm_exchange {
    LM_EXCHANGE_DONE,   /* each record has its answer, and there is nothing more */
    LM_EXCHANGE_FEW,    /* it ended, and there are fewer answers */
    LM_EXCHANGE_MANY,   /* there are more, or an answer is more than a line */
    LM_EXCHANGE_DIED,   /* it ended with a failure before it had answered */
    LM_EXCHANGE_LATE,   /* it did nothing for the whole time */
    LM_EXCHANGE_LONG,   /* it says what no answer can be: bytes without end */
    LM_EXCHANGE_ASTRAY, /* before it was asked, it had more to say about the records before: their answers may be others' */
    LM_EXCHANGE_STOPPED /* a signal for us, or the system failed: the status has failed */
} lm_exchange;

/* Gives it the records, which hold no line ends (LM_END_NUL: no NUL), and fills answers[count], without their ends, which are
 * valid until the next call. *answered: how many came (also where not all did). After anything but DONE, it is to be stopped. */
lm_exchange lm_coprocess_exchange(lm_coprocess *p, const lm_str *records, size_t count, lm_coprocess_input input,
                                  lm_str *answers, size_t *answered, lm_status *st);
/* Whether more can be asked. */
bool lm_coprocess_open(const lm_coprocess *p);
/* Whether it had not answered all, in the last exchange, when its input ended. */
bool lm_coprocess_saw_end(const lm_coprocess *p);
/* Closes its standard input and waits for its end: DONE, or ASTRAY where it had more to say, or LATE. To be stopped then. */
lm_exchange lm_coprocess_finish(lm_coprocess *p, lm_status *st);
/* How it ended, for people, appended: "exit status 3", "signal 9 (Killed)"; and its exit status, -1 where it has none. */
int lm_coprocess_fate(const lm_coprocess *p, lm_buf *out);
/* Ends it, if it still runs, with all that it has started, and frees it. NULL is allowed. */
void lm_coprocess_stop(lm_coprocess *p);

#endif
