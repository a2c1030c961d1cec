/* What words.c goes by: what a character is, and which words are cut, or left whole, as wholes. */
#ifndef LM_AUGMENT_WORD_RULES_H
#define LM_AUGMENT_WORD_RULES_H

#include "base/buffer.h"

#include <stdint.h>

enum {
    LM_CC_ALPHA = 1,
    LM_CC_LOWER = 2,     /* lower case, or of a script that has no case */
    LM_CC_UPPER = 4,     /* upper case, or of a script that has no case */
    LM_CC_DIGIT = 8,     /* 0 to 9 */
    LM_CC_SPACE = 16,    /* str.isspace of Python */
    LM_CC_SYMBOL = 32,   /* in datatrove's PUNCTUATION_SET */
    LM_CC_PUNCT = 64,    /* category P */
    LM_CC_STOP = 128,    /* a full stop: in datatrove's TERMINAL_PUNCTUATION */
    LM_CC_EDGE = 256,    /* goes off both ends of a word */
    LM_CC_PREFIX = 512,  /* goes off its beginning */
    LM_CC_QUOTE = 1024,
    LM_CC_ENDS = 2048,   /* behind it a full stop ends a sentence, not an abbreviation */
    LM_CC_ICON = 4096,   /* parts words wherever it stands */
    LM_CC_MONEY = 8192,
    LM_CC_HANGUL = 16384
};

/* Of code points below LM_CC_TABLE; made at the first call, then constant. */
enum { LM_CC_TABLE = 0x20000 };
const uint16_t *lm_count_classes(void);
uint16_t lm_count_class(uint32_t code);

/* Is this a word that goes by no rule? *cuts are then the places, in bytes, where it is cut, at most two of them, 0 for none. */
enum { LM_SPECIAL_LONGEST = 16 }; /* bytes */
bool lm_special_word(lm_str word, uint8_t cuts[2]);

/* Is it an address: of a page, a host, a mailbox? */
bool lm_is_address(lm_str word);

#endif
