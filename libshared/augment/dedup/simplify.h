/* What is left of a text when it is compared with others.
 *
 * With everything ignored it is what datatrove's simplify_text makes with its defaults (src/datatrove/utils/text.py), but for the
 * versions of Unicode. Canonically equivalent texts become the same always (NFD): a Hangul syllable and its jamo are one. */
#ifndef LM_AUGMENT_DEDUP_SIMPLIFY_H
#define LM_AUGMENT_DEDUP_SIMPLIFY_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LM_IGNORE_CASE = 1,
    LM_IGNORE_SPACE = 2,         /* white space is one blank, and none at the ends */
    LM_IGNORE_PUNCTUATION = 4,   /* a blank stands for P* and what ASCII has of symbols */
    LM_IGNORE_NUMBERS = 8,       /* 0 stands for digits, with one decimal separator among them */
    LM_IGNORE_ACCENTS = 16,      /* nonspacing marks are left out */
    LM_IGNORE_AS_DATATROVE = 32, /* all of the above, with datatrove's own list of punctuation: LM_SIMPLIFY_DATATROVE */
    LM_SIMPLIFY_DATATROVE = 63
};

/* A table for the ignored things; constant once made. */
typedef struct lm_simplifier {
    unsigned ignored;
    uint8_t bytes[256]; /* what stands for one that is a character, or one of the values in simplify.c */
    const uint16_t *unicode;
} lm_simplifier;

void lm_simplifier_init(lm_simplifier *s, unsigned ignored);
/* Appends what is left of a text (valid UTF-8). */
void lm_simplify(const lm_simplifier *s, lm_str text, lm_buf *out);

#endif
