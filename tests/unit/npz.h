/* Reads the arrays of a numpy zip. Anything that is not as expected ends the test. */
#ifndef LM_TESTS_NPZ_H
#define LM_TESTS_NPZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the test; Check's own assertions work in its tests alone, and golden_stream is none. */
#define MUST(condition, ...)                                                                                 \
    ((condition) ? (void)0 : (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), abort()))

typedef struct npz_array {
    char *name, *type; /* "<f4", "|u1" */
    void *data;
    size_t count;
} npz_array;

typedef struct npz {
    char *path;
    npz_array *arrays;
    size_t count;
} npz;

npz npz_open(const char *path);
void npz_close(npz *z);
bool npz_has(const npz *z, const char *name);
/* The elements of an array of this type, whose number goes to *count. */
const void *npz_find(const npz *z, const char *name, const char *type, size_t *count);

#endif
