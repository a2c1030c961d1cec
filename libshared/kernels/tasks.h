/* When it pays to wake the other threads. Private to kernels/. */
#ifndef LM_KERNELS_TASKS_H
#define LM_KERNELS_TASKS_H

#include "base/threads.h"

#ifdef _OPENMP
#include <omp.h>
#endif

/* Multiply-adds, or as many simple operations, that take about ten times as long as waking a thread. */
#define LM_WORTH_THREADS 200000.0

/* Clauses of a parallel loop over `work` operations. Which thread does what never changes a result. */
#define LM_THREADS_IF(work) num_threads(lm_threads()) if ((work) > LM_WORTH_THREADS)

/* Of a loop that reads a large matrix once: each thread gets runs of neighbouring tasks, long ones first. What a task asks for ahead is
 * its own next one's then; with tasks in turn it would be another processor's, and two would read no faster than one. */
#define LM_LONG_RUNS schedule(guided, 1)

static inline int lm_divide_up(int a, int b)
{
    return (a + b - 1) / b;
}

/* Of the thread that runs, from 0: where its scratch is. */
static inline int lm_thread_number(void)
{
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

#endif
