/* Inside of cleaning: encodings that text was taken for by mistake. Made of what iconv knows, at the first call, then
 * constant. */
#ifndef LM_AUGMENT_CLEAN_ENCODINGS_H
#define LM_AUGMENT_CLEAN_ENCODINGS_H

#include <stdbool.h>
#include <stdint.h>

enum { LM_LEGACY_CODES = 0x2700 /* the characters of these encodings are below, ligatures apart */ };

/* One byte a character, ASCII below 0x80. Bytes without a meaning stand for the control character of the same number, which
 * is what lenient decoders make of them, and browsers of those that Windows-1252 lacks. */
typedef struct lm_legacy_encoding {
    const char *name;
    uint8_t byte_of[LM_LEGACY_CODES]; /* 0x80 to 0xFF; 0 = none */
} lm_legacy_encoding;

/* The likeliest first: Windows-1252 is, and has Latin-1's control characters beside its own. Those that
 * iconv lacks are left out. */
const lm_legacy_encoding *lm_legacy_encodings(int *count);

/* For each character: the encodings (1 << index) in which it can be the first byte of a UTF-8 sequence of several, and those
 * in which it can be a further one. */
typedef struct lm_legacy_roles {
    uint16_t first[LM_LEGACY_CODES], further[LM_LEGACY_CODES];
} lm_legacy_roles;
const lm_legacy_roles *lm_legacy_roles_of(void);

/* The character that Windows-1252 has at 0x80 to 0x9F, where it has one; else the byte. */
uint32_t lm_windows_1252(uint32_t byte);

/* The character of two bytes in CP949 (EUC-KR and its extension); 0: none. */
uint32_t lm_cp949(unsigned first, unsigned second);

#endif
