/* A file mapped read-only: what is not looked at is not read, and several processes share its memory. */
#ifndef LM_BASE_MAP_H
#define LM_BASE_MAP_H

#include "base/status.h"

#include <stddef.h>

typedef struct lm_map {
    const void *bytes; /* NULL where size is 0 */
    size_t size;
} lm_map;

/* Maps a regular file; anything else fails. */
bool lm_map_open(const char *path, lm_map *map, lm_status *st);
bool lm_map_fd(int fd, const char *name, lm_map *map, lm_status *st); /* the file may be closed after it */
void lm_map_close(lm_map *map); /* and zeroes it; nothing on a zeroed one */
/* These bytes will not be looked at again soon: where they lie in a file that is mapped, its pages no longer count as memory of this
 * process. Other memory is left alone. */
void lm_map_forget(const void *bytes, size_t n);

#endif
