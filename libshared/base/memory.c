#include "base/memory.h"
#include "base/log.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *checked(void *p, size_t count, size_t size)
{
    if (p || !count || !size)
        return p;
    fprintf(stderr, "%s: out of memory (%zu times %zu bytes): give it less to do at a time, or more memory\n",
            lm_program_name(), count, size);
    exit(LM_FAILED);
}

void *lm_malloc(size_t count, size_t size)
{
    size_t bytes;
    return checked(lm_mul(count, size, &bytes) ? malloc(bytes ? bytes : 1) : NULL, count, size);
}

void *lm_calloc(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1), count, size);
}

void *lm_realloc(void *p, size_t count, size_t size)
{
    size_t bytes;
    return checked(lm_mul(count, size, &bytes) ? realloc(p, bytes ? bytes : 1) : NULL, count, size);
}

void *lm_malloc_table(size_t count, size_t size)
{
    enum { LARGE = 1 << 21 };
    size_t bytes;
    void *p = NULL;
    if (!lm_mul(count, size, &bytes) || bytes < LARGE)
        return lm_malloc(count, size);
    if (posix_memalign(&p, LARGE, bytes) != 0)
        p = NULL;
    checked(p, count, size);
    madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

char *lm_strndup(const char *s, size_t n)
{
    char *copy = lm_malloc(n + 1, 1);
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *lm_strdup(const char *s)
{
    return lm_strndup(s, strlen(s));
}

char *lm_format(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *s = NULL;
    int n = vasprintf(&s, format, args);
    va_end(args);
    return checked(n < 0 ? NULL : s, 1, 1);
}

void *lm_try_malloc(size_t count, size_t size, const char *what, lm_status *st)
{
    enum { ALIGNMENT = 64 };
    size_t bytes, padded;
    void *p = NULL;
    if (lm_mul(count, size, &bytes) && lm_add_size(bytes, ALIGNMENT, &padded))
        p = aligned_alloc(ALIGNMENT, padded / ALIGNMENT * ALIGNMENT);
    if (!p)
        lm_fail(st, LM_FAILED, "%s: no memory for %zu times %zu bytes", what, count, size);
    return p;
}

void *lm_try_calloc(size_t count, size_t size, const char *what, lm_status *st)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        lm_fail(st, LM_FAILED, "%s: no memory for %zu times %zu bytes", what, count, size);
    return p;
}

void lm_memory_setup(void)
{
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

int64_t lm_anonymous_memory(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    long long kib = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "RssAnon: %lld kB", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return (int64_t)kib * 1024;
}
