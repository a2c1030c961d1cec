/* Mistakes put into texts, for models that have to bear them: wrong keys, look-alikes, Korean spelling, slips.
 *
 * A share is the probability with which a place is hit, each by itself: a key press (`keyboard`), a letter or a pair of letters that
 * looks like others (`ocr`), a Hangul syllable (`jamo`), a letter (`typo`). Digits, addresses and placeholders
 * (augment/words/words.h) and protected words stay as they are. */
#ifndef LM_AUGMENT_NOISE_H
#define LM_AUGMENT_NOISE_H

struct lm_augment_entries;
struct lm_operation_kind;

extern const struct lm_operation_kind lm_keyboard_kind, lm_ocr_kind, lm_jamo_kind, lm_typo_kind;

void lm_noise_entries(struct lm_augment_entries *to);

#endif
