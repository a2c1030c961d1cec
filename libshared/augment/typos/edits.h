/* The words that one slip of the fingers may have made into a given one: a key too many, one too few, another one, or two in the
 * wrong order. */
#ifndef LM_AUGMENT_TYPOS_EDITS_H
#define LM_AUGMENT_TYPOS_EDITS_H

#include "augment/typos/keys.h"

/* How likely a slip is beside others: of 1 to 8. */
typedef void lm_edit_visit(void *context, lm_str word, int likelihood);

/* Calls `visit` for each, some of them more than once; `letters` are those of the language. `word` is reused from call to call. */
void lm_edits(const lm_keys *keys, const uint32_t *letters, int letter_count, lm_buf *word, lm_edit_visit *visit, void *context);

#endif
