/* libFuzzer target: any bytes as an archive of a model, or as a model stream; behind an `L` and a number of records, as the
 * body of one whose end is made right. What is opened keeps its promises: names stay
 * inside, every file can be read to its end, and the weights, with or without an index of shards, are found or refused. */
#include "base/log.h"
#include "model/config.h"
#include "model/weights.h"
#include "stream/bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static volatile unsigned seen;

/* Looks at every byte. */
static void read_all(const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        seen += ((const unsigned char *)bytes)[i];
}

static void check_files(lm_bundle *b)
{
    const char *name;
    for (size_t i = 0; (name = lm_bundle_at_index(b, i)); i++) {
        lm_status st = LM_STATUS_INIT;
        char *bytes = NULL;
        size_t n = 0;
        lm_map map;
        if (!*name) /* beside the model */
            continue;
        must(*name != '/' && strncmp(name, "../", 3) != 0 && !strstr(name, "/../") && lm_bundle_has(b, name));
        bool mapped = lm_bundle_map(b, name, &map, &st);
        must(mapped == lm_ok(&st));
        if (!mapped)
            continue;
        must(lm_bundle_read(b, name, SIZE_MAX, &bytes, &n, &st) && n == map.size);
        must(!n || memcmp(bytes, map.bytes, n) == 0);
        must(n == 0 || !lm_bundle_read(b, name, n - 1, &bytes, &n, &st));
        free(bytes);
    }
}

static void check_weights(lm_bundle *b)
{
    lm_status st = LM_STATUS_INIT;
    lm_checkpoint *c = lm_checkpoint_open(b, &st);
    must((c != NULL) == lm_ok(&st));
    if (!c)
        return;
    lm_checkpoint_place at = {0};
    for (const lm_safetensor *t; (t = lm_checkpoint_next(c, &at));)
        read_all(t->data, t->bytes);
    lm_weights_check(c, &st);
    lm_checkpoint_close(c);
}

static void write_stream(int fd, int records, const uint8_t *body, size_t size)
{
    char end[128], padded[130];
    snprintf(end, sizeof end, "{\"end\":{\"records\":%d,\"examples\":0,\"xxh3\":\"%016llx\"}}", records,
             (unsigned long long)XXH3_64bits(body, size));
    int n = snprintf(padded, sizeof padded, "%-*s\n", strlen(end) < 64 ? 63 : 127, end);
    must(write(fd, body, size) == (ssize_t)size && write(fd, padded, (size_t)n) == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lm_status st = LM_STATUS_INIT;
    char path[32];
    int fd = memfd_create("model", 0);
    lm_log_level(LM_ERROR);
    if (size > 2 && data[0] == 'L')
        write_stream(fd, data[1], data + 2, size - 2);
    else
        must(write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    lm_bundle *b = lm_bundle_open(path, &st);
    must((b != NULL) == lm_ok(&st));
    must(!b || lm_bundle_at(path));
    if (b) {
        check_files(b);
        check_weights(b);
        lm_config_free(lm_config_open(b, &st));
    }
    lm_bundle_close(b);
    close(fd);
    return 0;
}
