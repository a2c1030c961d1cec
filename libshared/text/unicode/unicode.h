/* What a code point is and becomes, as Hugging Face's `tokenizers` sees it (text/unicode/unicode_data.c says from
 * where). Decompositions and combining classes come from utf8proc, held back to what the reference knows. */
#ifndef LM_TEXT_UNICODE_H
#define LM_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LM_CP_SPACE = 1,      /* White_Space */
    LM_CP_CONTROL = 2,    /* removed by BERT's clean_text; U+FFFD too */
    LM_CP_PUNCT = 4,      /* P* and ASCII symbols */
    LM_CP_NONSPACING = 8, /* Mn */
    LM_CP_MARK = 16,      /* M* */
    LM_CP_NFD = 32,       /* decomposes or reorders under NFD */
    LM_CP_LOWER = 64,     /* has another lower case */
    LM_CP_WORD = 128,     /* \w */
    LM_CP_NFKD = 256,     /* decomposes further under NFKD */
    LM_CP_CJK = 512,      /* BERT puts spaces around it */
    LM_CP_NUMBER = 1024,  /* N* */
    LM_CP_LATE = 2048,    /* not the same in all Unicode versions since 14: see lm_unicode_stand_in */
    LM_CP_EXTEND = 4096,  /* in one grapheme with what stands before */
    LM_CP_PREPEND = 8192, /* in one grapheme with what follows */
    LM_CP_BREAK = 16384   /* a grapheme by itself */
};

enum { LM_CP_TABLE = 0x30000, LM_DECOMPOSITION_MAX = 32 };

/* Properties of the code points below LM_CP_TABLE; made at the first call, then constant. */
const uint16_t *lm_unicode_table(void);
unsigned lm_unicode_properties(uint32_t code);

static inline unsigned lm_unicode_is(const uint16_t *table, uint32_t code)
{
    return code < LM_CP_TABLE ? table[code] : lm_unicode_properties(code);
}

/* Lower case: writes 1 or 2 code points and returns how many. */
int lm_unicode_lower_case(uint32_t code, uint32_t out[2]);
/* Full canonical (or compatibility) decomposition; returns the number of code points, at least 1. */
int lm_unicode_decompose(uint32_t code, bool compatibility, uint32_t out[LM_DECOMPOSITION_MAX]);
/* Canonical combining class. */
int lm_unicode_class(uint32_t code);
/* The primary composite of a and b, or 0. */
uint32_t lm_unicode_compose(uint32_t a, uint32_t b);
/* An older character of the same kind for one that is LM_CP_LATE. */
uint32_t lm_unicode_stand_in(uint32_t code);
/* A number for the script as UnicodeScripts sees it; 0 = none. */
int lm_unicode_script(uint32_t code);

#endif
