/* Inside noise: mistakes in the characters of a word. */
#ifndef LM_AUGMENT_SPOIL_H
#define LM_AUGMENT_SPOIL_H

#include "augment/draws.h"

#include <stddef.h>

typedef struct lm_codes {
    uint32_t *at;
    size_t count, cap;
} lm_codes;

void lm_codes_add(lm_codes *c, uint32_t code);
void lm_codes_free(lm_codes *c);

/* Appends the word with mistakes in it to `out`. */
typedef void lm_spoil(const lm_codes *word, double share, lm_draws *draws, lm_codes *out);

lm_spoil lm_spoil_keyboard, lm_spoil_ocr, lm_spoil_jamo, lm_spoil_typo;

/* The parts of syllables (numbers of lm_syllable) that are paired with `part` in a list of pairs, which ends with {0, 0}; returns how
 * many. */
enum { LM_LIKE_MAX = 12 };
int lm_parts_like(const unsigned char pairs[][2], int part, int out[LM_LIKE_MAX]);

/* The key presses of a Hangul syllable on the Korean keyboard (dubeolsik), as the letters that the keys bear in Latin, capitals for
 * shift; at most LM_KEYS_MAX of them and a NUL. */
enum { LM_KEYS_MAX = 5 };
void lm_syllable_keys(uint32_t syllable, char keys[LM_KEYS_MAX + 1]);
/* What these key presses write, letter by letter into syllables as the keyboard does it. */
void lm_keys_write(const char *keys, size_t count, lm_codes *out);

#endif
