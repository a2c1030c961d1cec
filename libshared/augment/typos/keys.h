/* Words as they are typed: on a QWERTY keyboard, Korean with the layout of two sets (dubeolsik, KS X 5002), where each jamo is a
 * letter's key and the doubled ones are that of the capital letter. */
#ifndef LM_AUGMENT_TYPOS_KEYS_H
#define LM_AUGMENT_TYPOS_KEYS_H

#include "base/buffer.h"

#include <stdint.h>

/* A word as a row of keys. A Hangul one is its jamo's letters; any other its characters. */
enum { LM_KEYS_MAX = 48 };
typedef struct lm_keys {
    uint32_t at[LM_KEYS_MAX];
    int count;
    bool hangul;
} lm_keys;

/* False: it has more, is partly Hangul, or has a jamo that is no part of a syllable. `word` is valid UTF-8. */
bool lm_keys_of(lm_str word, lm_keys *keys);
/* Appends what comes of typing them. False, with nothing appended: keys of Hangul that do not make whole syllables. */
bool lm_keys_word(const lm_keys *keys, lm_buf *out);
/* Whether one of two keys may be hit for the other: they touch, or are one key with and without shift. Other characters than ASCII
 * letters have no neighbours. */
bool lm_keys_touch(uint32_t a, uint32_t b);

#endif
