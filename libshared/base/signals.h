/* Signals: a handler only sets a flag; loops look at it, finish in good order, and the lifecycle (base/tool.h)
 * re-raises the signal so that the shell sees 128+n. A signal that was ignored when we started stays ignored. */
#ifndef LM_BASE_SIGNALS_H
#define LM_BASE_SIGNALS_H

#include "base/status.h"

/* SIGINT, SIGTERM, SIGHUP and SIGXCPU set the flag from now on, and interrupt a read or write that waits (EINTR),
 * once more each second until the program ends. A second SIGINT ends it at once, unless it comes within half a second:
 * timeout(1) and some shells send each signal twice. */
void lm_signals_catch(void);
/* The signal that has come, or 0. */
int lm_signal_pending(void);
/* Fails with LM_SIGNAL + n if one has come. True if none has. */
bool lm_signal_check(lm_status *st);
/* Ends the program by this signal, with its default action, as if it had never been caught. */
void lm_signal_raise(int signal_number);

#endif
