/* SentencePiece's precompiled character map: a double-array trie from strings to what they become. Format:
 * sentencepiece's normalizer.cc, and darts-clone for the units. */
#ifndef LM_TEXT_PRECOMPILED_H
#define LM_TEXT_PRECOMPILED_H

#include "base/status.h"
#include "text/unicode/chars.h"

typedef struct lm_precompiled {
    uint32_t *units;
    size_t unit_count;
    lm_buf texts; /* what strings become, each with a NUL behind it */
    bool stays[256]; /* by first byte, of ASCII: whether it is left as it is before others of ASCII */
} lm_precompiled;

/* From the map as tokenizer.json has it, in base64. */
bool lm_precompiled_read(lm_precompiled *m, lm_str base64, lm_status *st);
void lm_precompiled_free(lm_precompiled *m);
/* As the reference does: by graphemes, where they are short, and else by characters. */
void lm_precompiled_run(const lm_precompiled *m, lm_pieces *p);
/* The same as text, which is valid UTF-8, appended to `out`. */
void lm_precompiled_text(const lm_precompiled *m, lm_str text, lm_buf *out);
/* Whether it leaves a character as it is that is a grapheme by itself. */
bool lm_precompiled_keeps(const lm_precompiled *m, uint32_t code);

#endif
