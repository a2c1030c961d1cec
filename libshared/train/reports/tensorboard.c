#include "train/reports/tensorboard.h"

#include "base/atomic.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "train/checkpoint.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "events.out.tfevents."

struct lm_tensorboard {
    char *path;
    int fd;
};

/* ------------------------------------------------------------------ records */

uint32_t lm_crc32c(const void *data, size_t n)
{
    static const uint32_t POLYNOMIAL = 0x82f63b78; /* reflected */
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= ((const uint8_t *)data)[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
    }
    return ~crc;
}

static void put_little(lm_buf *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        lm_buf_putc(b, (char)(value >> (8 * i)));
}

static void put_masked_crc(lm_buf *b, const void *data, size_t n)
{
    uint32_t crc = lm_crc32c(data, n);
    put_little(b, (crc >> 15 | crc << 17) + 0xa282ead8U, 4);
}

static void put_record(lm_buf *file, const lm_buf *event)
{
    size_t at = file->len;
    put_little(file, event->len, 8);
    put_masked_crc(file, file->data + at, 8);
    lm_buf_append(file, event->data, event->len);
    put_masked_crc(file, event->data, event->len);
}

/* ------------------------------------------------------------------ protocol buffers */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void put_varint(lm_buf *b, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        lm_buf_putc(b, (char)(value | 0x80));
    lm_buf_putc(b, (char)value);
}

static void put_key(lm_buf *b, unsigned field, unsigned wire)
{
    put_varint(b, field << 3 | wire);
}

static void put_bytes(lm_buf *b, unsigned field, const void *data, size_t n)
{
    put_key(b, field, BYTES);
    put_varint(b, n);
    lm_buf_append(b, data, n);
}

static void begin_event(lm_buf *b, double wall, uint64_t step)
{
    uint64_t bits;
    memcpy(&bits, &wall, sizeof bits);
    b->len = 0;
    put_key(b, 1, FIXED64);
    put_little(b, bits, 8);
    if (step) {
        put_key(b, 2, VARINT);
        put_varint(b, step);
    }
}

static void put_scalar(lm_buf *event, const char *tag, double value)
{
    float single = (float)value;
    uint32_t bits;
    lm_buf inner = {0}, summary = {0};
    memcpy(&bits, &single, sizeof bits);
    put_bytes(&inner, 1, tag, strlen(tag));
    put_key(&inner, 2, FIXED32);
    put_little(&inner, bits, 4);
    put_bytes(&summary, 1, inner.data, inner.len);
    put_bytes(event, 5, summary.data, summary.len);
    lm_buf_free(&inner);
    lm_buf_free(&summary);
}

/* ------------------------------------------------------------------ files */

/* Removes those that the run has written before, by their names' end. */
static void remove_older(const char *dir, const char *run, const char *now)
{
    DIR *d = opendir(dir);
    char *tail = lm_format(".%s", run);
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t n = strlen(e->d_name), m = strlen(tail);
        if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) == 0 && n > m && strcmp(e->d_name + n - m, tail) == 0 &&
            strcmp(e->d_name, now) != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    free(tail);
    if (d)
        closedir(d);
}

static bool write_head(lm_tensorboard *t, double wall, bool again, lm_status *st)
{
    static const char version[] = "brain.Event:2", start[] = {1 << 3 | VARINT, 1};
    lm_buf file = {0}, event = {0};
    begin_event(&event, wall, 0);
    put_bytes(&event, 3, version, strlen(version));
    put_record(&file, &event);
    if (again) {
        begin_event(&event, wall, 0);
        put_bytes(&event, 7, start, sizeof start);
        put_record(&file, &event);
    }
    bool ok = lm_write_all(t->fd, file.data, file.len, t->path, st);
    lm_buf_free(&file);
    lm_buf_free(&event);
    return ok;
}

lm_tensorboard *lm_tensorboard_open(const char *dir, const char *run, bool again, lm_status *st)
{
    char host[256] = "localhost";
    if (!lm_make_directories(dir, st))
        return NULL;
    if (gethostname(host, sizeof host) != 0 || strchr(host, '/'))
        strcpy(host, "localhost");
    host[sizeof host - 1] = 0;
    time_t now = time(NULL);
    char *name = lm_format(PREFIX "%010" PRId64 ".%s.%s", (int64_t)now, host, run);
    lm_tensorboard *t = lm_calloc(1, sizeof *t);
    t->path = lm_format("%s/%s", dir, name);
    t->fd = open(t->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool ok = t->fd >= 0 ? write_head(t, (double)now, again, st) : lm_fail_errno(st, LM_FAILED, "%s: cannot be written", t->path);
    if (ok && again)
        remove_older(dir, run, name);
    free(name);
    if (ok)
        return t;
    lm_tensorboard_free(t);
    return NULL;
}

void lm_tensorboard_free(lm_tensorboard *t)
{
    if (!t)
        return;
    if (t->fd >= 0)
        close(t->fd);
    free(t->path);
    free(t);
}

bool lm_tensorboard_add(lm_tensorboard *t, double wall, const json_t *entry, lm_status *st)
{
    const char *name;
    json_t *value;
    uint64_t step = (uint64_t)json_integer_value(json_object_get(entry, "step"));
    lm_buf file = {0}, event = {0};
    json_object_foreach((json_t *)entry, name, value) {
        if (!json_is_number(value) || strcmp(name, "step") == 0)
            continue;
        bool eval = strncmp(name, "eval_", 5) == 0;
        char *tag = lm_format("%s/%s", eval ? "eval" : "train", eval ? name + 5 : name);
        begin_event(&event, wall, step);
        put_scalar(&event, tag, json_number_value(value));
        put_record(&file, &event);
        free(tag);
    }
    bool ok = lm_write_all(t->fd, file.data, file.len, t->path, st);
    lm_buf_free(&file);
    lm_buf_free(&event);
    return ok;
}
