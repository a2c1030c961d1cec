#include "base/coprocess.h"
#include "base/memory.h"
#include "base/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Seconds of silence after which a command may be waiting for the end of its input; and between two looks at whether it has
 * taken all, whether we are to stop, or whether it has ended. */
static const double SILENCE = 1, GLANCE = 0.05;
/* Bytes that all answers together may have: so many, and so many for each that went in. */
enum { READ_AT_ONCE = 65536, ANSWERS_MAX = 16 << 20, ANSWERS_MAX_TIMES = 64 };

const char *const lm_record_end_names[] = {"paragraphs", "lines", "null", NULL};

struct lm_coprocess {
    const char *command;
    double timeout;
    lm_str end;       /* of records and answers */
    bool one_line;    /* an answer is one line, though its end does not show it */
    pid_t pid;        /* and its process group */
    int in, out;      /* our ends; -1 = closed */
    bool ended;       /* the shell has; it is waited for in the end, so that the number of its group stays its own */
    siginfo_t fate;   /* how */
    lm_buf said;      /* in the present exchange */
    size_t said_lines, looked; /* whole answers in it, and bytes of it that were looked at */
    size_t last_end;  /* where the last whole answer ends */
    bool saw_end;     /* its input was closed before it had answered all */
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ------------------------------------------------------------------ life */

extern char **environ;

static int spawn(lm_coprocess *p, int in, int out)
{
    char shell[] = "sh", dash_c[] = "-c";
    char *command = lm_strdup(p->command), *argv[] = {shell, dash_c, command, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawnattr_init(&how);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&how, 0);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &defaults);
    int error = posix_spawn(&p->pid, "/bin/sh", &files, &how, argv, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    free(command);
    return error;
}

lm_coprocess *lm_coprocess_start(const char *command, double timeout, lm_record_end end, lm_status *st)
{
    static const lm_str ends[] = {{"\n\n", 2}, {"\n", 1}, {"", 1}};
    int to[2] = {-1, -1}, from[2] = {-1, -1};
    lm_coprocess *p = lm_calloc(1, sizeof *p);
    *p = (lm_coprocess){
        .command = command, .timeout = timeout, .end = ends[end], .one_line = end == LM_END_PARAGRAPH, .in = -1, .out = -1};
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) {
        lm_fail_errno(st, LM_FAILED, "'%s': no pipe to it", command);
    } else if ((errno = spawn(p, to[0], from[1])) != 0) {
        p->pid = 0;
        lm_fail_errno(st, LM_FAILED, "'%s': it cannot be started", command);
    } else {
        p->in = to[1], to[1] = -1;
        p->out = from[0], from[0] = -1;
        fcntl(p->in, F_SETFL, O_NONBLOCK);
        fcntl(p->out, F_SETFL, O_NONBLOCK);
    }
    for (int i = 0; i < 2; i++) {
        if (to[i] >= 0)
            close(to[i]);
        if (from[i] >= 0)
            close(from[i]);
    }
    if (lm_ok(st))
        return p;
    lm_coprocess_stop(p);
    return NULL;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void lm_coprocess_stop(lm_coprocess *p)
{
    if (!p)
        return;
    close_end(&p->in);
    close_end(&p->out);
    if (p->pid > 0)
        kill(-p->pid, SIGKILL); /* what the shell has started, too, also where it has ended itself */
    while (p->pid > 0 && waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    lm_buf_free(&p->said);
    free(p);
}

bool lm_coprocess_open(const lm_coprocess *p)
{
    return p->in >= 0 && !p->ended;
}

bool lm_coprocess_saw_end(const lm_coprocess *p)
{
    return p->saw_end;
}

int lm_coprocess_fate(const lm_coprocess *p, lm_buf *out)
{
    int number = p->fate.si_status;
    bool exited = p->ended && p->fate.si_code == CLD_EXITED;
    if (!p->ended)
        lm_buf_puts(out, "it still runs");
    else if (exited)
        lm_buf_printf(out, "exit status %d", number);
    else
        lm_buf_printf(out, "signal %d (%s)", number, strsignal(number));
    return exited ? number : -1;
}

/* Waits until it has ended, or for as long as it may do nothing. */
static bool wait_for_end(lm_coprocess *p, lm_status *st)
{
    double until = now() + p->timeout, pause = 1e-4;
    while (lm_signal_check(st)) {
        p->fate.si_pid = 0;
        p->ended = waitid(P_PID, (id_t)p->pid, &p->fate, WEXITED | WNOHANG | WNOWAIT) == 0 && p->fate.si_pid;
        if (p->ended || now() > until)
            break;
        nanosleep(&(struct timespec){0, (long)(1e9 * pause)}, NULL);
        pause = pause * 2 < GLANCE ? pause * 2 : GLANCE;
    }
    return p->ended;
}

/* ------------------------------------------------------------------ bytes in and out */

/* What is to be written: the records, each with its end. */
typedef struct outgoing {
    const lm_str *records;
    size_t count, next, written; /* the record in hand, and how much of it and its end went */
} outgoing;

/* A program that has ended or closed its input is no reason for us to die of SIGPIPE. */
static ssize_t write_quietly(int fd, const void *bytes, size_t n)
{
    sigset_t pipe_signal, before, waiting;
    int number, error;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    ssize_t done = write(fd, bytes, n);
    error = errno;
    if (done < 0 && error == EPIPE && sigpending(&waiting) == 0 && sigismember(&waiting, SIGPIPE) &&
        !sigismember(&before, SIGPIPE))
        sigwait(&pipe_signal, &number);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return done;
}

/* Moves on by a part of the record in hand and its end. */
static void move_on(const lm_coprocess *p, outgoing *to, size_t part)
{
    to->written += part;
    if (to->written == to->records[to->next].len + p->end.len) {
        to->next++;
        to->written = 0;
    }
}

/* Puts records one behind the other, since each write costs: returns how many bytes. */
static size_t fill(const lm_coprocess *p, outgoing to, char *block, size_t room)
{
    size_t n = 0;
    while (to.next < to.count && n < room) {
        lm_str r = to.records[to.next];
        lm_str from = to.written < r.len ? (lm_str){r.data + to.written, r.len - to.written}
                                         : (lm_str){p->end.data + (to.written - r.len), p->end.len - (to.written - r.len)};
        size_t part = from.len < room - n ? from.len : room - n;
        memcpy(block + n, from.data, part);
        n += part;
        move_on(p, &to, part);
    }
    return n;
}

static void went(const lm_coprocess *p, outgoing *to, size_t n)
{
    while (n) {
        size_t left = to->records[to->next].len + p->end.len - to->written, part = n < left ? n : left;
        n -= part;
        move_on(p, to, part);
    }
}

/* True: something went. */
static bool write_some(lm_coprocess *p, outgoing *to)
{
    char block[16384];
    size_t n = fill(p, *to, block, sizeof block);
    ssize_t done = write_quietly(p->in, block, n);
    if (done < 0 && errno != EAGAIN && errno != EINTR) { /* it reads no more: what it says all the same is still to come */
        close_end(&p->in);
        to->next = to->count;
    }
    if (done > 0)
        went(p, to, (size_t)done);
    return done > 0;
}

/* Reads what is there; at its end `out` is closed. */
static void read_some(lm_coprocess *p)
{
    lm_buf_reserve(&p->said, READ_AT_ONCE);
    ssize_t n = read(p->out, p->said.data + p->said.len, READ_AT_ONCE);
    if (n > 0)
        p->said.len += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        close_end(&p->out);
}

/* The answers that are whole now. True: there are more than before. */
static bool count_answers(lm_coprocess *p)
{
    size_t before = p->said_lines;
    const char *data = p->said.data, *at;
    while ((at = memmem(data + p->looked, p->said.len - p->looked, p->end.data, p->end.len))) {
        p->looked = p->last_end = (size_t)(at - data) + p->end.len;
        p->said_lines++;
    }
    if (p->said.len - p->looked >= p->end.len) /* the rest may have the beginning of an end */
        p->looked = p->said.len - (p->end.len - 1);
    return p->said_lines > before;
}

/* Whether what was written has been read. */
static bool has_taken_all(const lm_coprocess *p)
{
    int waiting = 0;
    return ioctl(p->in, FIONREAD, &waiting) != 0 || waiting == 0;
}

/* ------------------------------------------------------------------ an exchange */

typedef struct exchange {
    outgoing to;
    lm_coprocess_input input;
    size_t most;          /* bytes that answers may have */
    double progress, heard; /* when it last took or answered something; when it last said something, or had not taken all */
} exchange;

/* Moves bytes once, after waiting for a moment at most. */
static void move(lm_coprocess *p, exchange *x)
{
    struct pollfd fds[2] = {{.fd = p->out, .events = POLLIN}, {.fd = -1, .events = POLLOUT}};
    if (p->in >= 0 && x->to.next < x->to.count)
        fds[1].fd = p->in;
    poll(fds, 2, (int)(1000 * GLANCE));
    if (fds[1].revents && write_some(p, &x->to))
        x->progress = now();
    if (fds[0].revents) {
        size_t before = p->said.len;
        read_some(p);
        if (p->said.len > before)
            x->heard = now();
        if (count_answers(p))
            x->progress = x->heard;
    }
    if (p->in < 0 || x->to.next < x->to.count)
        return;
    bool all = p->said_lines >= x->to.count, if_answered = x->input == LM_INPUT_ANSWERED;
    if (if_answered && !has_taken_all(p))
        x->heard = now();
    if (x->input == LM_INPUT_CLOSED || (if_answered && (all || now() - x->heard > SILENCE))) {
        close_end(&p->in);
        p->saw_end = !all;
    }
}

/* Its output is at its end. A last answer that lacks its end counts where the program says that all went well. */
static lm_exchange judge_end(lm_coprocess *p, size_t count, lm_status *st)
{
    if (!wait_for_end(p, st))
        return lm_ok(st) ? LM_EXCHANGE_LATE : LM_EXCHANGE_STOPPED;
    bool well = p->fate.si_code == CLD_EXITED && p->fate.si_status == 0;
    if (well && p->last_end < p->said.len) {
        size_t has = 0; /* what is there of its end */
        while (has < p->end.len - 1 && p->said.len - p->last_end > has && p->said.data[p->said.len - 1 - has] == p->end.data[0])
            has++;
        lm_buf_append(&p->said, p->end.data + has, p->end.len - has);
        p->last_end = p->said.len;
        p->said_lines++;
    }
    if (p->said_lines > count || (p->said_lines == count && p->last_end < p->said.len))
        return LM_EXCHANGE_MANY;
    if (p->said_lines == count)
        return LM_EXCHANGE_DONE;
    return well ? LM_EXCHANGE_FEW : LM_EXCHANGE_DIED;
}

static lm_exchange run(lm_coprocess *p, exchange *x, lm_status *st)
{
    size_t count = x->to.count;
    x->progress = x->heard = now();
    for (;;) {
        move(p, x);
        if (!lm_signal_check(st))
            return LM_EXCHANGE_STOPPED;
        if (p->said_lines > count)
            return LM_EXCHANGE_MANY;
        if (p->out < 0)
            return judge_end(p, count, st);
        bool all = p->said_lines == count && x->to.next == count;
        if (all && p->last_end < p->said.len)
            return LM_EXCHANGE_MANY;
        if (all && p->in >= 0 && x->input == LM_INPUT_KEPT)
            return LM_EXCHANGE_DONE;
        if (p->said.len > x->most)
            return LM_EXCHANGE_LONG;
        if (now() - x->progress > p->timeout)
            return LM_EXCHANGE_LATE;
    }
}

/* Whether it has something to say now that nobody asked for. */
static bool has_more(lm_coprocess *p)
{
    struct pollfd fd = {.fd = p->out, .events = POLLIN};
    size_t before = p->said.len;
    if (p->out >= 0 && poll(&fd, 1, 0) > 0)
        read_some(p);
    return p->said.len > before;
}

lm_exchange lm_coprocess_exchange(lm_coprocess *p, const lm_str *records, size_t count, lm_coprocess_input input,
                                  lm_str *answers, size_t *answered, lm_status *st)
{
    exchange x = {.to = {.records = records, .count = count}, .input = input};
    size_t bytes = count;
    for (size_t i = 0; i < count; i++)
        bytes += records[i].len;
    if (!lm_mul(bytes, ANSWERS_MAX_TIMES, &x.most) || !lm_add_size(x.most, ANSWERS_MAX, &x.most))
        x.most = SIZE_MAX;
    p->said.len = p->said_lines = p->looked = p->last_end = *answered = 0;
    p->saw_end = false;
    if (has_more(p))
        return LM_EXCHANGE_ASTRAY;
    lm_exchange result = run(p, &x, st);
    if (result == LM_EXCHANGE_DONE && has_more(p))
        result = LM_EXCHANGE_MANY;
    lm_str rest = lm_buf_str(&p->said);
    for (; *answered < count && *answered < p->said_lines; ++*answered) {
        size_t len = (size_t)((const char *)memmem(rest.data, rest.len, p->end.data, p->end.len) - rest.data);
        answers[*answered] = (lm_str){rest.data, len};
        rest = (lm_str){rest.data + len + p->end.len, rest.len - len - p->end.len};
        if (p->one_line && memchr(answers[*answered].data, '\n', len))
            return result == LM_EXCHANGE_DONE ? LM_EXCHANGE_MANY : result;
    }
    return result;
}

lm_exchange lm_coprocess_finish(lm_coprocess *p, lm_status *st)
{
    size_t answered;
    lm_exchange e = lm_coprocess_exchange(p, NULL, 0, LM_INPUT_CLOSED, NULL, &answered, st);
    return e == LM_EXCHANGE_MANY || e == LM_EXCHANGE_LONG ? LM_EXCHANGE_ASTRAY : e;
}
