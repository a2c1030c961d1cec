#include "train/reports/runlog.h"

#include "base/atomic.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "train/reports/tensorboard.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct lm_runlog {
    char *path;
    int fd; /* -1 = no file */
    lm_tensorboard *board; /* NULL = none */
    json_t *history, *times; /* entries, and when each was made (seconds since 1970) */
    char *run; /* what tells the event files of this run from those of others */
};

static bool write_line(lm_runlog *l, const json_t *entry, lm_status *st)
{
    char *text = json_dumps(entry, JSON_COMPACT | JSON_REAL_PRECISION(9));
    char *line = lm_format("%s\n", text ? text : "{}");
    bool ok = lm_write_all(l->fd, line, strlen(line), l->path, st);
    free(line);
    free(text);
    return ok;
}

static void write_entry(lm_runlog *l, double wall, const json_t *entry)
{
    lm_status st = LM_STATUS_INIT;
    if (l->fd >= 0 && !write_line(l, entry, &st)) {
        lm_warn("%s: the log ends here", st.message);
        close(l->fd);
        l->fd = -1;
        lm_status_clear(&st);
    }
    if (l->board && !lm_tensorboard_add(l->board, wall, entry, &st)) {
        lm_warn("%s: the log ends here", st.message);
        lm_tensorboard_free(l->board);
        l->board = NULL;
    }
}

static void add(lm_runlog *l, double wall, json_t *entry)
{
    write_entry(l, wall, entry);
    json_array_append_new(l->history, entry);
    json_array_append_new(l->times, json_real(wall));
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool open_files(lm_runlog *l, const lm_runlog_options *how, lm_status *st)
{
    if (how->file) {
        l->path = lm_strdup(how->file);
        l->fd = open(l->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (l->fd < 0)
            return lm_fail_errno(st, LM_FAILED, "%s: cannot be written", l->path);
    }
    if (how->tensorboard)
        l->board = lm_tensorboard_open(how->tensorboard, l->run, how->state != NULL, st);
    return lm_ok(st);
}

lm_runlog *lm_runlog_open(const lm_runlog_options *how, lm_status *st)
{
    lm_runlog *l = lm_calloc(1, sizeof *l);
    const char *run = json_string_value(json_object_get(how->state, "run"));
    const json_t *times = json_object_get(how->state, "times");
    l->history = json_array();
    l->times = json_array();
    l->fd = -1;
    l->run = run ? lm_strdup(run) : lm_format("%ld.%" PRId64, (long)getpid(), (int64_t)time(NULL));
    if (!open_files(l, how, st)) {
        lm_runlog_free(l);
        return NULL;
    }
    for (size_t i = 0; i < json_array_size(how->history); i++)
        add(l, json_number_value(json_array_get(times, i)), json_incref(json_array_get(how->history, i)));
    return l;
}

void lm_runlog_free(lm_runlog *l)
{
    if (!l)
        return;
    if (l->fd >= 0)
        close(l->fd);
    lm_tensorboard_free(l->board);
    json_decref(l->history);
    json_decref(l->times);
    free(l->path);
    free(l->run);
    free(l);
}

void lm_runlog_add(lm_runlog *l, json_t *entry)
{
    add(l, seconds_now(), entry);
}

json_t *lm_runlog_history(const lm_runlog *l)
{
    return l->history;
}

json_t *lm_runlog_state(const lm_runlog *l)
{
    return json_pack("{s:s, s:O}", "run", l->run, "times", l->times);
}

bool lm_runlog_due(uint64_t step, uint64_t every)
{
    if (every == 0)
        return false;
    return step % every == 0 || (step < every && (step & (step - 1)) == 0);
}

bool lm_runlog_is_time(const char *key)
{
    static const char *const ends[] = {"_runtime", "_per_second"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (lm_ends_in(key, ends[i]))
            return true;
    return false;
}

bool lm_runlog_is_measure(const char *key)
{
    static const char *const amounts[] = {"eval_rows", "eval_tokens", "eval_labelled"};
    for (size_t i = 0; i < sizeof amounts / sizeof *amounts; i++)
        if (strcmp(key, amounts[i]) == 0)
            return false;
    return strncmp(key, "eval_", 5) == 0 && !lm_runlog_is_time(key);
}
