#include "train/parallel/communicator.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "base/threads.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_MOST = 1 << 26, NAME_MOST = 160 };

/* What processes tell one another of themselves when they meet. */
typedef struct peer {
    char host[65];
    char place[65]; /* where its number means something: the host and its name space of processes */
    int64_t process;
    int32_t here; /* processes in the place of the one that is told */
} peer;

struct lm_communicator {
    const lm_communicator_plugin *plugin;
    int rank, size, hosts;
    peer me, *peers; /* [size] of process 0: all; of others: process 0 alone */
    char (*names)[NAME_MOST];
    bool given_up;
    int lost;
    unsigned naps; /* in a row */
    double looked, signalled; /* when */
    bool (*watch)(void *context, lm_status *st);
    void *watch_context;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ------------------------------------------------------------------ transfers */

static const char *name_of(const lm_communicator *c, int rank)
{
    return c->rank == 0 || rank == 0 ? c->names[rank] : "another process";
}

lm_transfer *lm_communicator_send(lm_communicator *c, const void *data, size_t bytes, int to, int tag, lm_status *st)
{
    lm_transfer *t = c->plugin->send(data, bytes, to, tag);
    if (!t)
        lm_fail(st, LM_FAILED, "%s: nothing can be sent to it", name_of(c, to));
    return t;
}

lm_transfer *lm_communicator_receive(lm_communicator *c, void *data, size_t bytes, int from, int tag, lm_status *st)
{
    lm_transfer *t = c->plugin->receive(data, bytes, from, tag);
    if (!t)
        lm_fail(st, LM_FAILED, "%s: nothing can be received from it", name_of(c, from));
    return t;
}

bool lm_communicator_done(lm_communicator *c, lm_transfer **t, lm_status *st)
{
    int how = *t ? c->plugin->test(*t) : LM_TRANSFER_DONE;
    if (how == LM_TRANSFER_PENDING)
        return false;
    *t = NULL;
    c->naps = 0;
    return how == LM_TRANSFER_DONE || lm_fail(st, LM_FAILED, "the connection between the processes is lost");
}

bool lm_communicator_wait(lm_communicator *c, lm_transfer *t, lm_status *st)
{
    if (!t)
        return lm_ok(st);
    while (!lm_communicator_done(c, &t, st))
        if (!lm_ok(st) || !lm_communicator_nap(c, st))
            return false;
    return lm_ok(st);
}

bool lm_communicator_put(lm_communicator *c, const void *data, size_t bytes, int to, int tag, lm_status *st)
{
    for (size_t at = 0; at < bytes;) {
        size_t n = bytes - at < MESSAGE_MOST ? bytes - at : MESSAGE_MOST;
        if (!lm_communicator_wait(c, lm_communicator_send(c, (const char *)data + at, n, to, tag, st), st))
            return false;
        at += n;
    }
    return true;
}

bool lm_communicator_get(lm_communicator *c, void *data, size_t bytes, int from, int tag, lm_status *st)
{
    for (size_t at = 0; at < bytes;) {
        size_t n = bytes - at < MESSAGE_MOST ? bytes - at : MESSAGE_MOST;
        if (!lm_communicator_wait(c, lm_communicator_receive(c, (char *)data + at, n, from, tag, st), st))
            return false;
        at += n;
    }
    return true;
}

/* ------------------------------------------------------------------ waiting */

/* A process number can only be asked about where it means something. */
static bool has_ended(const lm_communicator *c, const peer *p)
{
    return strcmp(p->place, c->me.place) == 0 && kill((pid_t)p->process, 0) != 0 && errno == ESRCH;
}

int lm_communicator_lost(lm_communicator *c)
{
    int known = c->rank == 0 ? c->size : 1;
    for (int r = 0; r < known && c->lost < 0; r++)
        if (r != c->rank && has_ended(c, &c->peers[r]))
            c->lost = r;
    return c->lost;
}

/* Process 0 stops by a signal at once, having saved what there is to save. The others wait for its word, since the launcher
 * may send the signal to all, and might end everybody as soon as one has ended. */
static bool check_signals(lm_communicator *c, lm_status *st)
{
    enum { PATIENCE = 30 };
    if (!lm_signal_pending())
        return true;
    c->signalled = c->signalled > 0 ? c->signalled : now();
    return (c->rank > 0 && now() - c->signalled < PATIENCE) || lm_signal_check(st);
}

bool lm_communicator_nap(lm_communicator *c, lm_status *st)
{
    enum { SPINS = 200, LONGEST = 1000000 };
    if (c->watch && !c->watch(c->watch_context, st))
        return false;
    if (++c->naps <= SPINS) {
        sched_yield();
        return true;
    }
    double time = now();
    if (lm_signal_pending() || time - c->looked > 0.1) { /* a signal may have come since another has ended */
        c->looked = time;
        if (lm_communicator_lost(c) >= 0)
            return lm_fail(st, LM_FAILED, "%s has ended", name_of(c, c->lost));
    }
    if (!check_signals(c, st))
        return false;
    long nanoseconds = 10000L * (long)(c->naps - SPINS);
    nanosleep(&(struct timespec){.tv_nsec = nanoseconds < LONGEST ? nanoseconds : LONGEST}, NULL);
    return true;
}

void lm_communicator_watch(lm_communicator *c, bool (*watch)(void *context, lm_status *st), void *context)
{
    c->watch = watch;
    c->watch_context = context;
}

/* ------------------------------------------------------------------ meeting */

static void introduce(peer *me)
{
    char space[33] = "";
    ssize_t n = readlink("/proc/self/ns/pid", space, sizeof space - 1);
    memset(me, 0, sizeof *me);
    if (gethostname(me->host, sizeof me->host - 1) != 0)
        strcpy(me->host, "?");
    snprintf(me->place, sizeof me->place, "%.30s %.*s", me->host, n > 0 ? (int)n : 0, space);
    me->process = getpid();
}

/* As many threads as leave each process of this place its share of the processors. A launcher that binds processes to
 * processors has seen to it already. */
static void share_processors(const lm_communicator *c, int64_t threads)
{
    cpu_set_t mine;
    long all = sysconf(_SC_NPROCESSORS_ONLN), here = c->me.here > 0 ? c->me.here : 1;
    if (threads > 0 || getenv("OMP_NUM_THREADS") || sched_getaffinity(0, sizeof mine, &mine) != 0)
        return;
    lm_threads_set(0);
    long n = lm_threads(), share = CPU_COUNT(&mine) < all ? all / here : n / here;
    lm_threads_set((int)(share < 1 ? 1 : share < n ? share : n));
}

/* Process 0 learns of all, and tells each how many share its place. */
static bool meet(lm_communicator *c, lm_status *st)
{
    introduce(&c->me);
    if (c->rank > 0)
        return lm_communicator_put(c, &c->me, sizeof c->me, 0, LM_TAG_HELLO, st) &&
               lm_communicator_get(c, &c->peers[0], sizeof c->me, 0, LM_TAG_HELLO, st);
    c->peers[0] = c->me;
    for (int r = 1; r < c->size; r++)
        if (!lm_communicator_get(c, &c->peers[r], sizeof c->me, r, LM_TAG_HELLO, st))
            return false;
    for (int r = c->size - 1; r >= 0; r--) {
        bool first = true;
        c->me.here = 0;
        for (int other = 0; other < c->size; other++)
            c->me.here += strcmp(c->peers[other].place, c->peers[r].place) == 0;
        for (int other = 0; other < r; other++)
            first &= strcmp(c->peers[other].host, c->peers[r].host) != 0;
        c->hosts += first;
        if (r > 0 && !lm_communicator_put(c, &c->me, sizeof c->me, r, LM_TAG_HELLO, st))
            return false;
    }
    return true;
}

lm_communicator *lm_communicator_over(const lm_communicator_plugin *plugin, int64_t threads, lm_status *st)
{
    char message[512] = "";
    lm_communicator *c = lm_calloc(1, sizeof *c);
    c->plugin = plugin;
    c->lost = -1;
    if (!plugin->join(&c->rank, &c->size, message, sizeof message)) {
        free(c);
        lm_fail(st, LM_FAILED, "the processes do not find one another: %s", message);
        return NULL;
    }
    int known = c->rank == 0 ? c->size : 1;
    c->peers = lm_calloc((size_t)known, sizeof *c->peers);
    c->names = lm_calloc((size_t)known, sizeof *c->names);
    for (int r = 0; r < known; r++)
        snprintf(c->names[r], sizeof c->names[r], "rank %d", r);
    if (!meet(c, st))
        c->given_up = true;
    if (c->rank > 0)
        c->me.here = c->peers[0].here;
    for (int r = 0; r < known; r++)
        snprintf(c->names[r], sizeof c->names[r], "rank %d (process %lld on %s)", r, (long long)c->peers[r].process,
                 c->peers[r].host);
    share_processors(c, threads);
    if (lm_ok(st))
        return c;
    lm_communicator_leave(c);
    return NULL;
}

void lm_communicator_leave(lm_communicator *c)
{
    if (!c)
        return;
    if (!c->given_up)
        c->plugin->leave();
    free(c->peers);
    free(c->names);
    free(c);
}

void lm_communicator_give_up(lm_communicator *c)
{
    c->given_up = true;
}

bool lm_communicator_given_up(const lm_communicator *c)
{
    return c->given_up;
}

int lm_communicator_rank(const lm_communicator *c)
{
    return c->rank;
}

int lm_communicator_size(const lm_communicator *c)
{
    return c->size;
}

int lm_communicator_hosts(const lm_communicator *c)
{
    return c->hosts;
}

const char *lm_communicator_name(const lm_communicator *c, int rank)
{
    return name_of(c, rank);
}

/* ------------------------------------------------------------------ finding one */

/* How many processes a launcher has started, as it says; 0 = none has, -1 = it does not say. */
static long launched(void)
{
    static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (getenv(sizes[i]))
            return strtol(getenv(sizes[i]), NULL, 10);
    if (!getenv("PMIX_RANK"))
        return 0;
    const char *tasks = getenv("SLURM_STEP_NUM_TASKS"); /* PMIx itself puts no number there */
    return tasks ? strtol(tasks, NULL, 10) : -1;
}

/* Loads it; the module, and what it needs, are there for one another's own components. NULL and no failure: no such file. */
static const lm_communicator_plugin *load(const char *file, lm_status *st)
{
    if (access(file, F_OK) != 0)
        return NULL;
    void *handle = dlopen(file, RTLD_NOW | RTLD_GLOBAL);
    lm_communicator_entry entry = NULL;
    if (handle)
        *(void **)&entry = dlsym(handle, LM_COMMUNICATOR_ENTRY);
    const lm_communicator_plugin *p = entry ? entry() : NULL;
    if (!handle)
        lm_fail(st, LM_FAILED, "%s: cannot load the communicator: %s", file, dlerror());
    else if (!p || p->magic != LM_COMMUNICATOR_MAGIC)
        lm_fail(st, LM_FAILED, "%s: it is no communicator of lmutils", file);
    else if (p->abi != LM_COMMUNICATOR_ABI)
        lm_fail(st, LM_FAILED, "%s: built for communicator ABI %u, and this is ABI %u: rebuild it", file, p->abi,
                LM_COMMUNICATOR_ABI);
    return lm_ok(st) ? p : NULL;
}

static const lm_communicator_plugin *find(const char *name, lm_status *st)
{
    const char *path = getenv("LMUTILS_COMMUNICATOR_PATH");
    lm_buf tried = {0};
    const lm_communicator_plugin *found = NULL;
    for (const char *from = path ? path : "", *end;; from = end + 1) {
        end = from + strcspn(from, ":");
        char *file = end == from ? lm_format("%s/%s.so", LM_COMMUNICATOR_DIR, name)
                                 : lm_format("%.*s/%s.so", (int)(end - from), from, name);
        found = load(file, st);
        lm_buf_printf(&tried, "%s%s", tried.len ? ", " : "", file);
        free(file);
        if (found || !lm_ok(st) || !*end)
            break;
    }
    if (!found)
        lm_fail(st, LM_FAILED, "no communicator \"%s\" (tried %s): build lmutils where configure finds an MPI, or run one process "
                "(--communicator none)", name, lm_buf_cstr(&tried));
    lm_buf_free(&tried);
    return found;
}

bool lm_communicator_join(const char *name, int64_t threads, lm_communicator **c, lm_status *st)
{
    bool automatic = !name || strcmp(name, "auto") == 0;
    long processes = launched();
    *c = NULL;
    if ((automatic && (processes == 0 || processes == 1)) || (name && strcmp(name, "none") == 0))
        return true;
    if (name && strchr(name, '/'))
        return lm_fail(st, LM_USAGE, "--communicator %s: give its name, such as mpi", name);
    const lm_communicator_plugin *plugin = find(automatic ? "mpi" : name, st);
    if (!plugin && automatic)
        return lm_fail_prefix(st, "started as one of several processes");
    *c = plugin ? lm_communicator_over(plugin, threads, st) : NULL;
    if (!*c || lm_communicator_size(*c) > 1)
        return lm_ok(st);
    lm_communicator_leave(*c);
    *c = NULL;
    return processes < 2 || lm_fail(st, LM_FAILED, "the launcher has started %ld processes, and none finds the others: start "
                                    "them with the mpirun of the MPI that lmutils was built with", processes);
}
