/* The tokenizer that goes with a model: found, compared with the one that the tokens were made with, and
 * copied. */
#ifndef LM_TRAIN_TOKENIZER_FILES_H
#define LM_TRAIN_TOKENIZER_FILES_H

#include "base/status.h"
#include "stream/tokens.h"
#include "text/tokenizer.h"

/* Where a run takes its tokenizer files from. */
typedef struct lm_tokenizer_source {
    char *path;      /* a directory or a file; NULL = there is none to write */
    lm_tokenizer *tokenizer; /* opened from there; NULL = there is none */
    int size;        /* ids, added tokens included; 0 where there is none */
    int mask_id, cls_id, sep_id; /* -1 = none */
    int special[16]; /* ids that masking leaves alone */
    int special_count;
} lm_tokenizer_source;

/* `option`: --tokenizer; `model`: -m, which need not hold one; `info`: of the stream. The first of option,
 * model, and the stream's own path that holds a tokenizer is taken. It must have the stream's digest: of the
 * model's another one is refused unless `force`, of the stream's path it means that the path has changed
 * since. Fails before step one where the stream names a tokenizer and none can be had. */
bool lm_tokenizer_source_find(lm_tokenizer_source *out, const char *option, const char *model,
                              const lm_tokenizer_info *info, bool force, lm_status *st);
void lm_tokenizer_source_free(lm_tokenizer_source *s);
void lm_tokenizer_source_close(lm_tokenizer_source *s); /* the tokenizer alone: its files can still be copied */
/* The files: as they are from a directory or an archive, else as the tokenizer writes itself. */
bool lm_tokenizer_source_copy(const lm_tokenizer_source *s, lm_bundle_writer *to, lm_status *st);

#endif
