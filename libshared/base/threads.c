#include "base/threads.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#endif

/* A container's CPU quota (cgroup v2: "max 100000" or "150000 100000"), in whole processors; 0 = none. More threads
 * than that would wait for one another. */
static int quota(void)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!f)
        return 0;
    long long microseconds, period;
    int n = fscanf(f, "%lld %lld", &microseconds, &period);
    fclose(f);
    if (n != 2 || microseconds <= 0 || period <= 0 || microseconds / period > 65536)
        return 0;
    return (int)((microseconds + period - 1) / period);
}

static int chosen;

static int all(void)
{
#ifdef _OPENMP
    int n = omp_get_max_threads(); /* the processors of this process's affinity mask, or OMP_NUM_THREADS */
#else
    int n = 1;
#endif
    int limit = getenv("OMP_NUM_THREADS") ? 0 : quota();
    return limit && limit < n ? limit : n;
}

void lm_threads_set(int n)
{
    chosen = n > 0 ? n : all();
#ifdef _OPENMP
    omp_set_num_threads(chosen);
#endif
}

int lm_threads(void)
{
    if (!chosen)
        lm_threads_set(0);
    return chosen;
}
