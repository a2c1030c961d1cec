/* Signals: a handler only sets a flag; loops look at it, finish in good order, and the lifecycle (base/tool.h)
 * re-raises the signal so that the shell sees 128+n. A signal that was ignored when we started stays ignored. */
#ifndef LM_BASE_SIGNALS_H
#define LM_BASE_SIGNALS_H

#include "base/status.h"

/* SIGINT, SIGTERM, SIGHUP and SIGXCPU set the flag from now on; a second SIGINT ends the program at once. */
void lm_signals_catch(void);
/* The signal that has come, or 0. */
int lm_signal_pending(void);
/* Fails with LM_SIGNAL + n if one has come. */
bool lm_signal_check(lm_status *st);

#endif
