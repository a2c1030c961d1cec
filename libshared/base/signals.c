#include "base/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t pending;
static struct timespec first_time; /* written before `pending`, in the handler alone */

static double seconds_since(struct timespec then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then.tv_sec) + 1e-9 * (double)(now.tv_nsec - then.tv_nsec);
}

/* A signal that comes just before a write waits interrupts nothing: from the first one on there is another each second. */
static void on_alarm(int number)
{
    (void)number;
    alarm(1);
}

static void on_signal(int number)
{
    int saved = errno;
    if (!pending) {
        clock_gettime(CLOCK_MONOTONIC, &first_time);
        pending = number;
        alarm(1);
    } else if (number == SIGINT && seconds_since(first_time) > 0.5) {
        signal(number, SIG_DFL);
        raise(number); /* delivered as this handler returns */
    }
    errno = saved;
}

void lm_signals_catch(void)
{
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGXCPU};
    struct sigaction action = {.sa_handler = on_signal}, again = {.sa_handler = on_alarm};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
        sigaddset(&action.sa_mask, caught[i]);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
        struct sigaction old;
        if (sigaction(caught[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(caught[i], &action, NULL);
    }
    sigemptyset(&again.sa_mask);
    sigaction(SIGALRM, &again, NULL);
}

int lm_signal_pending(void)
{
    return pending;
}

bool lm_signal_check(lm_status *st)
{
    int number = pending;
    if (!number)
        return true;
    return lm_fail(st, LM_SIGNAL + number, "stopped by signal %d (%s)", number, strsignal(number));
}

void lm_signal_raise(int number)
{
    signal(number, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    _Exit(LM_SIGNAL + number); /* its default action was not to end the program */
}
