#include "scratch.h"
#include "unit.h"

#include "base/atomic.h"
#include "base/memory.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *scratch_new(void)
{
    const char *parent = getenv("TMPDIR");
    char *dir = lm_format("%s/lmutils-check-XXXXXX", parent && *parent ? parent : "/tmp");
    ck_assert(mkdtemp(dir) != NULL);
    return dir;
}

void scratch_discard(char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char *path = lm_format("%s/%s", dir, e->d_name);
        unlink(path);
        free(path);
    }
    if (d)
        closedir(d);
    rmdir(dir);
    free(dir);
}

lm_str scratch_read(const char *dir, const char *name)
{
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/%s", dir, name), *bytes;
    size_t n;
    lm_file_read(path, 1 << 26, &bytes, &n, &st);
    assert_ok(&st);
    free(path);
    return (lm_str){bytes, n};
}

void scratch_write(const char *dir, const char *name, const char *bytes, size_t n)
{
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/%s", dir, name);
    lm_file_write(path, bytes, n, &st);
    assert_ok(&st);
    free(path);
}

void assert_same_file(const char *a, const char *b, const char *name)
{
    lm_str x = scratch_read(a, name), y = scratch_read(b, name);
    ck_assert_msg(lm_str_equal(x, y), "%s of %s and %s differ", name, a, b);
    free((char *)x.data);
    free((char *)y.data);
}

char *data_path(const char *path)
{
    if (!unit_testdata()) {
        printf("SKIP %s: LMUTILS_TESTDATA is not set\n", path);
        return NULL;
    }
    return lm_format("%s/%s", unit_testdata(), path);
}

void assert_says(lm_status *st, const char *text)
{
    ck_assert_msg(!lm_ok(st), "no failure; expected: %s", text);
    ck_assert_msg(strstr(st->message, text) != NULL, "\"%s\" does not say \"%s\"", st->message, text);
    lm_status_clear(st);
}
