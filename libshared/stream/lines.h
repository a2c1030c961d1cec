/* Inside the stream floor: strings kept for reading in any order: in memory up to a budget, past it in an unlinked file
 * in $TMPDIR or /var/tmp. */
#ifndef LM_STREAM_LINES_H
#define LM_STREAM_LINES_H

#include "base/buffer.h"
#include "base/random.h"
#include "base/status.h"

#include <stdint.h>

/* A new file without a name; *name is for messages, malloced. -1: failed. */
int lm_unlinked_file(char **name, lm_status *st);

typedef struct lm_lines lm_lines;

lm_lines *lm_lines_new(size_t memory); /* 0 = 256 MiB */
void lm_lines_free(lm_lines *l);
bool lm_lines_add(lm_lines *l, lm_str line, lm_status *st);
/* One more line, of n bytes, which are the caller's to write before anything else is asked for. */
char *lm_lines_more(lm_lines *l, size_t n, lm_status *st);
/* Lines one behind the other, each padded to a multiple of 64 bytes of which the last is its only line feed, as those of LMS are. */
bool lm_lines_add_framed(lm_lines *l, lm_str lines, lm_status *st);
bool lm_lines_finish(lm_lines *l, lm_status *st); /* no more: reading may begin */
uint64_t lm_lines_count(const lm_lines *l);
/* Puts fewer than 2^32 of them into the order of lm_random_permutation(key, 0): line i is then what was line permutation[i]. */
void lm_lines_shuffle(lm_lines *l, lm_philox_key key);
lm_str lm_lines_at(const lm_lines *l, uint64_t i);
/* Line i is one of the next to be read: brings it near. */
void lm_lines_expect(const lm_lines *l, uint64_t i);

#endif
