/* Inside the stream floor: an encoding undone while bytes are read. */
#ifndef LM_STREAM_TRANSCODE_H
#define LM_STREAM_TRANSCODE_H

#include "base/buffer.h"
#include "base/status.h"

#include <sys/types.h>

typedef struct lm_transcoder lm_transcoder;

/* Reads up to n bytes; 0 at the end, -1 failed. */
typedef ssize_t lm_raw_read(void *context, void *to, size_t n, lm_status *st);

/* `first`: bytes that have been read already. */
lm_transcoder *lm_transcoder_new(const char *encoding, lm_str first, const char *where, lm_status *st);
void lm_transcoder_free(lm_transcoder *d);
ssize_t lm_transcoder_read(lm_transcoder *d, void *to, size_t n, lm_raw_read *read, void *context, lm_status *st);

#endif
