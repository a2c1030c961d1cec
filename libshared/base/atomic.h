/* Outputs appear whole or not at all: files and directories are made beside their final name, synced, and renamed.
 * A directory that exists is exchanged (renameat2 RENAME_EXCHANGE; else moved aside) and then removed, also where it
 * is the model that is mapped. What a killed process left behind is recognised by its name and cleared next time. */
#ifndef LM_BASE_ATOMIC_H
#define LM_BASE_ATOMIC_H

#include "base/status.h"

#include <stddef.h>

typedef struct lm_output_file lm_output_file;

/* path "-" or NULL is standard output (written directly), and so is what exists and is no regular file (a FIFO,
 * /dev/full). A symbolic link is followed: what it points to is replaced. */
lm_output_file *lm_output_file_open(const char *path, lm_status *st);
int lm_output_file_fd(const lm_output_file *f);
const char *lm_output_file_name(const lm_output_file *f); /* for messages */
/* fsync, rename, fsync of the directory. Frees f in any case. */
bool lm_output_file_publish(lm_output_file *f, lm_status *st);
/* Drops it; keep_partial renames what is there to PATH.partial, and says so. Frees f. */
void lm_output_file_discard(lm_output_file *f, bool keep_partial);

typedef struct lm_output_dir lm_output_dir;

/* Makes an empty temporary directory beside `path`. Refuses a `path` that exists and is no directory. */
lm_output_dir *lm_output_dir_open(const char *path, lm_status *st);
const char *lm_output_dir_path(const lm_output_dir *d); /* of the temporary: put files here */
/* Syncs every file, and gives the directory its final name. What a model directory consists of is replaced as a
 * whole; anything else that the old directory held (.git, the user's notes) and the new one has not is carried over.
 * Frees d in any case. */
bool lm_output_dir_publish(lm_output_dir *d, lm_status *st);
void lm_output_dir_discard(lm_output_dir *d);

/* Whole files. `what` is for messages. */
/* Writes all of it (EINTR, short writes). A reader that has gone (EPIPE) gives the code LM_SIGNAL + SIGPIPE, a signal
 * that came while a pipe or terminal would not take more gives LM_SIGNAL + n. */
bool lm_write_all(int fd, const void *bytes, size_t n, const char *what, lm_status *st);
void lm_pipe_widen(int fd); /* a pipe then holds a megabyte, where the system lets it: those at its ends wait less often */
bool lm_file_write(const char *path, const void *bytes, size_t n, lm_status *st); /* creates or replaces, not atomic */
bool lm_file_copy(const char *from, const char *to, lm_status *st);
/* Reads at most `limit` bytes; a longer file fails. *out is malloced and NUL-terminated. */
bool lm_file_read(const char *path, size_t limit, char **out, size_t *n, lm_status *st);

#endif
