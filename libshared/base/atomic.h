/* Outputs appear whole or not at all: files and directories are made beside their final name, synced, and renamed.
 * A directory that exists is exchanged (renameat2 RENAME_EXCHANGE; else moved aside) and then removed, also where it
 * is the model that is mapped. What a killed process left behind is recognised by its name and cleared next time. */
#ifndef LM_BASE_ATOMIC_H
#define LM_BASE_ATOMIC_H

#include "base/status.h"

#include <stddef.h>

typedef struct lm_output_file lm_output_file;

/* path "-" or NULL is standard output (written directly). */
lm_output_file *lm_output_file_open(const char *path, lm_status *st);
int lm_output_file_fd(const lm_output_file *f);
const char *lm_output_file_name(const lm_output_file *f);
/* fsync, rename, fsync of the directory. Frees f in any case. */
bool lm_output_file_publish(lm_output_file *f, lm_status *st);
/* Drops it; keep_partial renames what is there to PATH.partial. Frees f. */
void lm_output_file_discard(lm_output_file *f, bool keep_partial);

typedef struct lm_output_dir lm_output_dir;

/* Makes a temporary directory beside `path`. Refuses a `path` that exists and is no directory. */
lm_output_dir *lm_output_dir_open(const char *path, lm_status *st);
const char *lm_output_dir_path(const lm_output_dir *d);  /* of the temporary: put files here */
bool lm_output_dir_publish(lm_output_dir *d, lm_status *st); /* frees d in any case */
void lm_output_dir_discard(lm_output_dir *d);

/* Whole files. `what` is for messages. */
bool lm_write_all(int fd, const void *bytes, size_t n, const char *what, lm_status *st); /* EINTR, short writes */
bool lm_file_write(const char *path, const void *bytes, size_t n, lm_status *st);
bool lm_file_copy(const char *from, const char *to, lm_status *st);
/* Reads at most `limit` bytes; a longer file fails. *out is malloced and NUL-terminated. */
bool lm_file_read(const char *path, size_t limit, char **out, size_t *n, lm_status *st);

#endif
