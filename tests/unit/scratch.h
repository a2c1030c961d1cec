/* Directories that a test makes and removes, files in them, and what tests say of both. */
#ifndef LM_TESTS_SCRATCH_H
#define LM_TESTS_SCRATCH_H

#include "base/buffer.h"
#include "base/status.h"

char *scratch_new(void);                                /* a new directory */
void scratch_discard(char *dir);                        /* removes it with its files, and frees the name */
lm_str scratch_read(const char *dir, const char *name); /* data is malloced and NUL-terminated */
void scratch_write(const char *dir, const char *name, const char *bytes, size_t n);
void assert_same_file(const char *a, const char *b, const char *name); /* of two directories */

/* `path` below the directory of reference data, malloced; NULL where there is none, having said so. */
char *data_path(const char *path);

/* Fails unless the status has failed with a message that holds `text`; clears it. */
void assert_says(lm_status *st, const char *text);

#endif
