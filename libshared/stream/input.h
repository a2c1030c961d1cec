/* Bytes from somewhere: a file, standard input, decompressed (gzip, xz, zstd, bzip2) or out of an archive (tar, zip)
 * as libarchive recognises them. An archive reads as its regular members one after the other, in their order. */
#ifndef LM_STREAM_INPUT_H
#define LM_STREAM_INPUT_H

#include "base/buffer.h"
#include "base/status.h"

#include <stdint.h>

typedef struct lm_input lm_input;

/* "-" is standard input. */
lm_input *lm_input_open(const char *path, lm_status *st);
lm_input *lm_input_fd(int fd, const char *name, lm_status *st);             /* not owned */
lm_input *lm_input_memory(const void *bytes, size_t size, const char *name); /* borrowed */
void lm_input_close(lm_input *in);
const char *lm_input_name(const lm_input *in); /* for messages: "news.csv", "shards.tar:0001.jsonl", "standard input" */
uint64_t lm_input_offset(const lm_input *in);  /* bytes consumed so far */

/* Makes at least `want` bytes visible if the input still has them; out is what is visible (shorter only at the end).
 * Valid until the next call. */
bool lm_input_peek(lm_input *in, size_t want, lm_str *out, lm_status *st);
void lm_input_skip(lm_input *in, size_t n);    /* n <= what was visible */
/* The next line, without its LF and a CR before it; *end tells that there is none. Longer than `limit`: fails. */
bool lm_input_line(lm_input *in, size_t limit, lm_str *line, bool *end, lm_status *st);
/* True once after the reader has moved to another member of an archive. */
bool lm_input_new_member(lm_input *in);

#endif
