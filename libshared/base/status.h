/* How a failure travels: one status, filled once, carried up to main, which alone prints it and exits.
 *
 * A function that can fail takes a `lm_status *` and returns false (or NULL). Whoever finds the failure fills the
 * status; those above only pass it on. The first failure stays: filling a failed status again does nothing, so a
 * sequence of calls may be checked once at its end.
 */
#ifndef LM_BASE_STATUS_H
#define LM_BASE_STATUS_H

#include <stdarg.h>
#include <stdbool.h>

/* The codes are the exit statuses of the programs (lmutils(7)). */
typedef enum lm_code {
    LM_OK = 0,
    LM_FAILED = 1,  /* it failed; a damaged stream too */
    LM_USAGE = 2,   /* the command line is wrong */
    LM_ENDED = 3,   /* the input stream ended early or was aborted by its writer */
    LM_GATE = 4,    /* a gate such as --fail-under was not met */
    LM_STOPPED = 5, /* stopped as asked (--max-time), resumable */
    LM_SIGNAL = 128 /* 128+n: ended by signal n */
} lm_code;

enum { LM_MESSAGE_MAX = 2048 };

typedef struct lm_status {
    int code; /* a lm_code, or LM_SIGNAL + signal number */
    char message[LM_MESSAGE_MAX];
} lm_status;

#define LM_STATUS_INIT {0}

/* Records a failure unless one stands already. The message reads `where: what is wrong: what to do`, without a
 * program name and without a newline. Returns false always, so that `return lm_fail(...)` serves. */
bool lm_fail(lm_status *st, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool lm_vfail(lm_status *st, int code, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

/* As lm_fail, and appends `: ` and the text of the present errno. */
bool lm_fail_errno(lm_status *st, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts `prefix: ` before the message of a failed status (a file name, say); nothing on a good one. Returns false. */
bool lm_fail_prefix(lm_status *st, const char *prefix);

static inline bool lm_ok(const lm_status *st)
{
    return st->code == LM_OK;
}

/* Makes the status good again. */
void lm_status_clear(lm_status *st);

#endif
