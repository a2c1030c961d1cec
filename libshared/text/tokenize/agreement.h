/* Whether the ids of a stream are those of a tokenizer, and how a stream says so. */
#ifndef LM_TEXT_AGREEMENT_H
#define LM_TEXT_AGREEMENT_H

#include "stream/tokens.h"
#include "text/tokenizer.h"

/* Compares the digests in a stream's preamble (`info`) with those of the tokenizer that was opened from `path`. Another
 * vocabulary is refused, or with `force` warned about; so is a difference in behaviour alone. A preamble without a
 * digest agrees with everything. */
bool lm_tokenizer_agrees(const lm_tokenizer *t, const char *path, const lm_tokenizer_info *info, bool force,
                         lm_status *st);

/* What the preamble of a stream says of the tokenizer that was opened from `path`, which is borrowed. */
lm_tokenizer_info lm_tokenizer_info_of(const lm_tokenizer *t, const char *path);

#endif
