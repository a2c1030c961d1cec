/* A library to preload, which lets a program come to grief at its Nth call that changes a file. LMUTILS_FAULT says how:
 *
 *   kill:N   it is killed in the middle of the call: half of a write has been done, of another call nothing
 *   term:N   a SIGTERM comes before the call, which is then done
 *   late:N   a SIGTERM comes when the program has worked for 20 ms more
 *   full:N   from this call on the disk is full: write, pwrite, fsync and mkdir fail with ENOSPC
 *   count    nothing happens; the number of calls is written to the file $LMUTILS_FAULT_COUNT at the end
 *
 * Standard output and error are no files here. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_long calls;
static long at = -1;
static enum { NOTHING, KILL, TERM, LATE, FULL, COUNT } kind;

__attribute__((constructor)) static void begin(void)
{
    const char *fault = getenv("LMUTILS_FAULT"), *colon = fault ? strchr(fault, ':') : NULL;
    if (!fault)
        return;
    kind = fault[0] == 'k' ? KILL : fault[0] == 't' ? TERM : fault[0] == 'l' ? LATE : fault[0] == 'f' ? FULL : COUNT;
    at = colon ? strtol(colon + 1, NULL, 10) : -1;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("LMUTILS_FAULT_COUNT");
    int fd = kind == COUNT && path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    if (fd < 0)
        return;
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", atomic_load(&calls));
    if (syscall(SYS_write, fd, text, (size_t)n) != n)
        abort();
    close(fd);
}

/* In time of the processor, so that it does not matter how busy the machine is. */
static void terminate_later(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM};
    struct itimerspec when = {.it_value.tv_nsec = 20000000};
    timer_t timer;
    if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) != 0 || timer_settime(timer, 0, &when, NULL) != 0)
        abort();
}

/* Counts a call. True: the disk is full. *last: the process is to be killed in it. */
static bool fails(bool *last)
{
    long n = atomic_fetch_add(&calls, 1) + 1;
    *last = kind == KILL && n == at;
    if (kind == TERM && n == at)
        raise(SIGTERM);
    if (kind == LATE && n == at)
        terminate_later();
    return kind == FULL && n >= at;
}

static int no_room(void)
{
    errno = ENOSPC;
    return -1;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t n)
{
    bool last = false;
    if (fd > STDERR_FILENO && fails(&last))
        return no_room();
    ssize_t done = syscall(SYS_write, fd, bytes, last ? n / 2 : n);
    if (last)
        die();
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    bool last;
    if (fails(&last))
        return no_room();
    ssize_t done = REAL(pwrite)(fd, bytes, last ? n / 2 : n, offset);
    if (last)
        die();
    return done;
}

int fsync(int fd)
{
    bool last;
    if (fails(&last))
        return no_room();
    if (last)
        die();
    return REAL(fsync)(fd);
}

int mkdir(const char *path, mode_t mode)
{
    bool last;
    if (fails(&last))
        return no_room();
    if (last)
        die();
    return REAL(mkdir)(path, mode);
}

/* The others need no room. */
static void count(void)
{
    bool last;
    fails(&last);
    if (last)
        die();
}

int rename(const char *from, const char *to)
{
    count();
    return REAL(rename)(from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    count();
    return REAL(renameat)(from_dir, from, to_dir, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    count();
    return REAL(renameat2)(from_dir, from, to_dir, to, flags);
}

int unlink(const char *path)
{
    count();
    return REAL(unlink)(path);
}

int unlinkat(int dir, const char *path, int flags)
{
    count();
    return REAL(unlinkat)(dir, path, flags);
}

int rmdir(const char *path)
{
    count();
    return REAL(rmdir)(path);
}
