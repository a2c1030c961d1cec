/* A progress line on standard error: a bar where a total is known, redrawn at most ten times a second. By itself (auto)
 * it appears only where standard error is a terminal that we are in the foreground of, and standard output is no pipe:
 * of several programs in a pipe the last one shows its progress, for they share one screen. */
#ifndef LM_BASE_PROGRESS_H
#define LM_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum lm_progress_mode { LM_PROGRESS_AUTO, LM_PROGRESS_ALWAYS, LM_PROGRESS_NEVER } lm_progress_mode;

void lm_progress_mode_set(lm_progress_mode mode);

/* unit: what is counted ("rows", "steps", "B": bytes are shown as MiB). total 0 = not known. One at a time; the strings
 * are kept, not copied. Where standard error is no terminal and the mode is `always`, it writes a line every second. On a
 * narrow terminal the bar goes first, then how many a second, then what it is, so that the note is seen; where that is
 * not enough, the last words go. */
void lm_progress_begin(const char *what, const char *unit, uint64_t total);
bool lm_progress_due(void); /* whether an update now would show anything: for notes that take time to make */
/* `note` (or NULL) stands behind the figures: "loss 2.31 lr 1e-4". Cheap enough to be called for every row. */
void lm_progress_update(uint64_t done, const char *note);
void lm_progress_end(void);

#endif
