/* Bytes from somewhere: files, standard input, decompressed (gzip, bzip2, xz, zstd, lz4) or out of archives (tar, zip,
 * cpio, 7-zip) as libarchive recognises them by their first bytes. Plain files are read directly.
 *
 * An input is a sequence of members: each operand is one, and each regular file of an archive is one, in their order.
 * Bytes of two members are never joined: peeking and lines stop at the end of a member, and lm_input_next_member moves
 * on. An empty operand is a member of no bytes; an archive without regular files has none. */
#ifndef LM_STREAM_INPUT_H
#define LM_STREAM_INPUT_H

#include "base/buffer.h"
#include "base/options.h"
#include "base/status.h"

#include <stdint.h>

typedef struct lm_input lm_input;

/* The input stands in its first member (if there is one) when it has been opened. "-" is standard input. */
lm_input *lm_input_open(const char *path, lm_status *st);
/* Several, one after the other; none at all means standard input. The names are borrowed. A file is opened when its
 * turn comes. */
lm_input *lm_input_open_all(const lm_strings *paths, lm_status *st);
lm_input *lm_input_fd(int fd, const char *name, lm_status *st);              /* fd not owned */
lm_input *lm_input_fd_after(lm_str seen, int fd, const char *name, lm_status *st); /* `seen` has been read from it already */
lm_input *lm_input_memory(const void *bytes, size_t size, const char *name); /* borrowed; never decompressed */
void lm_input_close(lm_input *in);

/* The member being read, for messages: "news.csv", "shards.tar:0001.jsonl", "standard input". Valid until the next
 * member is moved to. */
const char *lm_input_name(const lm_input *in);
uint64_t lm_input_offset(const lm_input *in); /* bytes consumed of this member */
/* The member's path within its archive; NULL where the input is no archive. Valid as lm_input_name is. */
const char *lm_input_member(const lm_input *in);
/* The path of the archive's next file, where all of this member is visible already (else, at the archive's end and where
 * there is none, *path is NULL). Valid until the next member is moved to. */
bool lm_input_next_path(lm_input *in, const char **path, lm_status *st);

/* Makes at least `want` bytes visible if the member still has them; out is what is visible, often more (shorter than
 * `want` only at the member's end). Valid until the next call. False: reading failed. */
bool lm_input_peek(lm_input *in, size_t want, lm_str *out, lm_status *st);
/* Whether reading a line would not wait for whoever writes the input: false where none is complete and the descriptor has no
 * more bytes at present. */
bool lm_input_ready(const lm_input *in);
void lm_input_skip(lm_input *in, size_t n); /* n <= what was visible */
/* Copies the next n bytes to `to`; *got < n only at the member's end, or where reading failed behind them. Large
 * amounts are read straight into `to`. */
bool lm_input_read(lm_input *in, void *to, size_t n, size_t *got, lm_status *st);
/* The next line of the member without its LF; *end tells that there is none, *complete (or NULL) that it had an LF.
 * Longer than `limit`: fails. Valid until the next call. */
bool lm_input_line(lm_input *in, size_t limit, lm_str *line, bool *end, bool *complete, lm_status *st);
/* The same, and the line still comes. */
bool lm_input_peek_line(lm_input *in, size_t limit, lm_str *line, bool *end, bool *complete, lm_status *st);
/* From here to the end of the member the bytes are taken for text of that encoding (as iconv knows it) and become UTF-8;
 * what means nothing in it becomes the byte 0xFF, which is invalid. An unknown name fails (LM_USAGE). */
bool lm_input_decode(lm_input *in, const char *encoding, lm_status *st);
/* Whether a file that begins so (512 bytes of it, or all) is compressed or an archive. */
bool lm_input_is_packed(lm_str first);
/* Standard input is for somebody who does not read it through an lm_input: to open "-" fails from now on. Fails where it
 * has been opened already. */
bool lm_input_claim_stdin(lm_status *st);
/* Moves to the next member, skipping what is left of this one. 1: there is one; 0: there is none; -1: failed. */
int lm_input_next_member(lm_input *in, lm_status *st);

#endif
