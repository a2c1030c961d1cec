/* Spelling dictionaries of hunspell: a word is right where one of several has it. For one thread at a time; opening is not safe
 * beside other opening either. */
#ifndef LM_AUGMENT_TYPOS_DICTIONARY_H
#define LM_AUGMENT_TYPOS_DICTIONARY_H

#include "base/buffer.h"
#include "base/status.h"

#include <stdint.h>

typedef struct lm_dictionary lm_dictionary;

/* `names`, separated by commas: of dictionaries that are installed (en_US, ko), or paths (FILE.dic, with FILE.aff beside it).
 * Fails (LM_USAGE) where one is not found, and always in a library that was built without hunspell. */
lm_dictionary *lm_dictionary_open(const char *names, lm_status *st);
void lm_dictionary_close(lm_dictionary *d);
/* `word` is valid UTF-8. */
bool lm_dictionary_has(lm_dictionary *d, lm_str word);
/* The lower-case letters of its languages, a to z among them: what TRY of the .aff files names. */
const uint32_t *lm_dictionary_letters(const lm_dictionary *d, int *count);

#endif
