/* The path of byte-level BPE: words are cut out of the source and given to the model as bytes. */
#ifndef LM_TEXT_BYTE_PATH_H
#define LM_TEXT_BYTE_PATH_H

#include "text/regex/regex.h"

/* Which words a pre-tokenizer's expression finds. */
enum lm_scanner { LM_SCAN_REGEX, LM_SCAN_GPT2, LM_SCAN_CL100K };

typedef struct lm_byte_path {
    bool usable;
    unsigned odd;          /* classes of characters (LM_CLASS_...) that are sent the long way */
    int start;             /* the byte with which begin added tokens that normalised text is searched for; -1 = none */
    const uint8_t *class;  /* of all code points */
    const lm_regex *regex; /* the pre-tokenizer's (borrowed) */
    enum lm_scanner scanner;
    size_t digits; /* LM_SCAN_CL100K: numbers are cut into so many */
} lm_byte_path;

/* What expressions ask of characters: one of the first four, and the others added. */
enum {
    LM_CLASS_OTHER,
    LM_CLASS_LETTER, /* \p{L} */
    LM_CLASS_NUMBER, /* \p{N} */
    LM_CLASS_SPACE,  /* \s */
    LM_CLASS_KIND = 3,
    LM_CLASS_LATE = 4, /* is shown to the expressions as another one (LM_CP_LATE), of this class */
    LM_CLASS_NFC = 8   /* NFC may change it, or it its neighbours */
};

/* Made at the first call, then constant. */
const uint8_t *lm_char_classes(void);

/* Where the word ends that begins at s[i]; it may reach to s[to]. All of s[i..to) is well-formed. Same as the expression of the
 * scanner, of which gpt2 is 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ and cl100k, with digits 3
 * or 1 (then it ends in "\p{N}" alone), (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
 * ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
size_t lm_scan_gpt2(const uint8_t *class, const char *s, size_t i, size_t to);
size_t lm_scan_cl100k(const uint8_t *class, const char *s, size_t i, size_t to, size_t digits);
/* The bytes of the letters of a contraction behind the apostrophe at s[i]; 0: it is none. */
size_t lm_contraction(const char *s, size_t i, size_t to, bool any_case);
/* The scanner for an expression, by its text; sets *digits. */
enum lm_scanner lm_scanner_of(lm_str expression, size_t *digits);

#endif
