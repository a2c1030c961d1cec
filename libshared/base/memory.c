#include "base/memory.h"
#include "base/log.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64 };

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

/* On large pages, where there are so many bytes. NULL: there is no memory. */
static void *malloc_pages(size_t bytes)
{
    enum { LARGE = 1 << 21 };
    void *p = NULL;
    if (posix_memalign(&p, bytes < LARGE ? ALIGNMENT : LARGE, bytes ? bytes : 1) != 0)
        return NULL;
    if (bytes >= LARGE)
        madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

void *lm_malloc_table(size_t count, size_t size)
{
    size_t bytes;
    return checked(lm_mul(count, size, &bytes) ? malloc_pages(bytes) : NULL, count, size);
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

static void *tried(void *p, size_t count, size_t size, const char *what, lm_status *st)
{
    if (!p)
        lm_fail(st, LM_FAILED, "%s: no memory for %zu times %zu bytes", what, count, size);
    return p;
}

void *lm_try_malloc(size_t count, size_t size, const char *what, lm_status *st)
{
    size_t bytes, padded;
    void *p = NULL;
    if (lm_mul(count, size, &bytes) && lm_add_size(bytes, ALIGNMENT, &padded))
        p = aligned_alloc(ALIGNMENT, padded / ALIGNMENT * ALIGNMENT);
    return tried(p, count, size, what, st);
}

void *lm_try_malloc_table(size_t count, size_t size, const char *what, lm_status *st)
{
    size_t bytes;
    return tried(lm_mul(count, size, &bytes) ? malloc_pages(bytes) : NULL, count, size, what, st);
}

void *lm_try_calloc(size_t count, size_t size, const char *what, lm_status *st)
{
    return tried(calloc(count ? count : 1, size ? size : 1), count, size, what, st);
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
