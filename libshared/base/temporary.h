/* Inside base: names and locks of what is being written beside its final name.
 *
 * A temporary is `.NAME.lmutils-KIND-RANDOM` in the directory of NAME, and locked (flock) by its writer as long as that
 * lives. One that nobody holds was left behind by a killed process. */
#ifndef LM_BASE_TEMPORARY_H
#define LM_BASE_TEMPORARY_H

#include <stdbool.h>
#include <stddef.h>

/* The path of a temporary of `kind` for the final path `target`; of fresh random letters. Malloced. */
char *lm_temporary_name(const char *target, const char *kind);
/* Takes the lock of an open file or directory. False: somebody else holds it, or (wait) it has been removed since. */
bool lm_temporary_lock(int fd, const char *path, bool wait);
/* Calls `clear` on the path of each temporary of `kind` beside `target` that nobody holds, its lock held. */
void lm_temporary_clear(const char *target, const char *kind, bool directory,
                        void (*clear)(const char *path, const char *target));
/* The directory part of a path ("." where there is none), malloced; and fsync of it. */
char *lm_parent_of(const char *path);
bool lm_sync_directory(const char *path);
/* What a path that exists stands for, symbolic links resolved; the path itself where it does not exist. Malloced. */
char *lm_resolved(const char *path);

#endif
