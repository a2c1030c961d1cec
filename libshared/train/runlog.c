#include "train/runlog.h"

#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct lm_runlog {
    char *path;
    int fd; /* -1 = no file */
    json_t *history;
};

static void write_entry(lm_runlog *l, const json_t *entry)
{
    if (l->fd < 0)
        return;
    char *text = json_dumps(entry, JSON_COMPACT | JSON_REAL_PRECISION(9));
    char *line = lm_format("%s\n", text ? text : "{}");
    lm_status st = LM_STATUS_INIT;
    if (!lm_write_all(l->fd, line, strlen(line), l->path, &st)) {
        lm_warn("%s: the log ends here", st.message);
        close(l->fd);
        l->fd = -1;
    }
    free(line);
    free(text);
}

lm_runlog *lm_runlog_open(const char *path, json_t *history, lm_status *st)
{
    lm_runlog *l = lm_calloc(1, sizeof *l);
    l->history = history ? history : json_array();
    l->fd = -1;
    if (!path)
        return l;
    l->path = lm_strdup(path);
    l->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (l->fd < 0) {
        lm_fail_errno(st, LM_FAILED, "%s: cannot be written", path);
        lm_runlog_free(l);
        return NULL;
    }
    size_t i;
    json_t *entry;
    json_array_foreach(l->history, i, entry)
        write_entry(l, entry);
    return l;
}

void lm_runlog_free(lm_runlog *l)
{
    if (!l)
        return;
    if (l->fd >= 0)
        close(l->fd);
    json_decref(l->history);
    free(l->path);
    free(l);
}

void lm_runlog_add(lm_runlog *l, json_t *entry)
{
    write_entry(l, entry);
    json_array_append_new(l->history, entry);
}

json_t *lm_runlog_history(const lm_runlog *l)
{
    return l->history;
}

bool lm_runlog_due(uint64_t step, uint64_t every)
{
    if (every == 0)
        return false;
    return step % every == 0 || (step < every && (step & (step - 1)) == 0);
}
