/* How many threads a program uses. Results do not depend on it: every kernel has a fixed tiling of its own. */
#ifndef LM_BASE_THREADS_H
#define LM_BASE_THREADS_H

/* n = 0: as many as there are processors that this process may run on (or OMP_NUM_THREADS). */
void lm_threads_set(int n);
int lm_threads(void);

#endif
