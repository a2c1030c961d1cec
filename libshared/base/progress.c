#include "base/progress.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/terminal.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static lm_progress_mode mode = LM_PROGRESS_AUTO;

static struct {
    bool shown, terminal, drawn;
    const char *what, *unit;
    uint64_t total, first; /* first: where this run started counting (a resumed one not at 0) */
    bool started;
    double begin, last;
} progress;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void lm_progress_mode_set(lm_progress_mode m)
{
    mode = m;
}

static bool wanted(bool terminal)
{
    if (mode != LM_PROGRESS_AUTO)
        return mode == LM_PROGRESS_ALWAYS;
    struct stat out;
    bool piped = fstat(STDOUT_FILENO, &out) == 0 && (S_ISFIFO(out.st_mode) || S_ISSOCK(out.st_mode));
    return terminal && !piped && tcgetpgrp(STDERR_FILENO) == getpgrp();
}

void lm_progress_begin(const char *what, const char *unit, uint64_t total)
{
    lm_progress_end();
    progress.terminal = isatty(STDERR_FILENO);
    progress.shown = wanted(progress.terminal);
    progress.drawn = progress.started = false;
    progress.what = what;
    progress.unit = unit;
    progress.total = total;
    progress.begin = progress.last = now();
}

static void append_amount(lm_buf *line, double n, const char *unit)
{
    if (strcmp(unit, "B") == 0)
        lm_buf_printf(line, "%.1f MiB", n / (1 << 20));
    else
        lm_buf_printf(line, n < 100 && n != (double)(uint64_t)n ? "%.1f %s" : "%.0f %s", n, unit);
}

static void append_time(lm_buf *line, double seconds)
{
    unsigned long s = (unsigned long)seconds;
    if (s >= 3600)
        lm_buf_printf(line, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        lm_buf_printf(line, "%lu:%02lu", s / 60, s % 60);
}

static void append_bar(lm_buf *line, double part)
{
    enum { WIDTH = 20 };
    int full = (int)(part * WIDTH);
    lm_buf_printf(line, " %3d%% [", (int)(part * 100));
    for (int i = 0; i < WIDTH; i++)
        lm_buf_putc(line, i < full ? '=' : i == full ? '>' : ' ');
    lm_buf_puts(line, "]");
}

/* How much of a line is left out where there is no room for it. */
typedef enum brevity { WHOLE, NO_BAR, NO_RATE, NO_NAME, BREVITIES } brevity;

/* what 45% [=====>    ] 450/1000 rows, 90.0 rows/s, 0:06 left, loss 2.31 */
static void compose(lm_buf *line, uint64_t done, const char *note, double seconds, brevity brief)
{
    if (brief < NO_NAME)
        lm_buf_puts(line, progress.what);
    double rate = seconds > 0 ? (double)(done - progress.first) / seconds : 0;
    if (progress.total) {
        double part = done < progress.total ? (double)done / (double)progress.total : 1;
        if (brief == WHOLE)
            append_bar(line, part);
        else if (brief == NO_BAR)
            lm_buf_printf(line, " %d%%", (int)(part * 100));
        if (line->len)
            lm_buf_putc(line, ' ');
        if (strcmp(progress.unit, "B") != 0)
            lm_buf_printf(line, "%llu/", (unsigned long long)done);
        append_amount(line, (double)progress.total, progress.unit);
    } else {
        if (line->len)
            lm_buf_puts(line, ": ");
        append_amount(line, (double)done, progress.unit);
    }
    if (rate > 0) {
        if (brief < NO_RATE) {
            lm_buf_puts(line, ", ");
            append_amount(line, rate, progress.unit);
            lm_buf_puts(line, "/s");
        }
        if (done < progress.total && seconds > 1) {
            lm_buf_puts(line, ", ");
            append_time(line, (double)(progress.total - done) / rate);
            lm_buf_puts(line, " left");
        }
    }
    if (note && *note)
        lm_buf_printf(line, ", %s", note);
}

/* Shortens line to at most size bytes: whole words of it, since a part of a number is another number. */
static void cut(lm_buf *line, size_t size)
{
    while (size && line->data[size] != ' ')
        size--;
    line->len = size;
}

static bool is_due(double t)
{
    return t - progress.last >= (progress.terminal ? 0.1 : 1.0);
}

bool lm_progress_due(void)
{
    return progress.shown && (!progress.started || is_due(now())); /* the first update says where counting began */
}

void lm_progress_update(uint64_t done, const char *note)
{
    if (!progress.shown)
        return;
    if (!progress.started) {
        progress.started = true;
        progress.first = done;
    }
    double t = now();
    if (!is_due(t))
        return;
    progress.last = t;
    size_t columns = progress.terminal ? (size_t)lm_terminal_columns(STDERR_FILENO) : SIZE_MAX;
    lm_buf line = {0};
    for (int brief = WHOLE; brief < BREVITIES && (brief == WHOLE || line.len >= columns); brief++) {
        line.len = 0;
        compose(&line, done, note, t - progress.begin, (brevity)brief);
    }
    if (progress.terminal) {
        if (line.len >= columns)
            cut(&line, columns - 1); /* a longer one would wrap, and could not be cleared */
        lm_log_standing(lm_buf_cstr(&line));
        progress.drawn = true;
    } else {
        lm_info("%s", lm_buf_cstr(&line));
    }
    lm_buf_free(&line);
}

void lm_progress_end(void)
{
    if (progress.drawn)
        lm_log_standing(NULL);
    progress.drawn = progress.shown = false;
}
