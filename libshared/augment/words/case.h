/* Words in lower case, and in the case of another word. */
#ifndef LM_AUGMENT_CASE_H
#define LM_AUGMENT_CASE_H

#include "base/buffer.h"

/* Appends a text (valid UTF-8) in lower case. */
void lm_lower_case(lm_str text, lm_buf *out);
/* Appends `word` as it would stand where `model` stood: in lower case where the model has no capital, its first letter a
 * capital where that is the model's only one, in capitals where the model (of two letters or more) has no others; else as it
 * is. */
void lm_case_like(lm_str word, lm_str model, lm_buf *out);

#endif
