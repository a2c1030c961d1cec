/* Synonyms of the words of a text, out of the user's thesauri or WordNet.
 *
 * A word that nobody knows is tried without what is written together with it: the English genitive ('s) and the Korean particles
 * and verbs (학교에서, 공부했다); its synonyms then come with them, particles in the form that goes with the new word. */
#ifndef LM_AUGMENT_SYNONYMS_H
#define LM_AUGMENT_SYNONYMS_H

#include "augment/augment.h"
#include "augment/words/words.h"

typedef struct lm_synonyms lm_synonyms;

/* WordNet where `o` names no thesaurus, or names WordNet itself too. Where there is none, a failure that says how to get one. */
lm_synonyms *lm_synonyms_open(const lm_augment_options *o, lm_status *st);
void lm_synonyms_close(lm_synonyms *s);
/* For lm_text_words_split: the words of languages without spaces. */
lm_longest_entry *lm_synonyms_longest(const lm_synonyms *s, const void **entries);

/* What has been looked up, by one thread. */
typedef struct lm_synonym_cache lm_synonym_cache;
lm_synonym_cache *lm_synonym_cache_new(void);
void lm_synonym_cache_free(lm_synonym_cache *c);

/* The synonyms of a word in lower case: each once, none of them the word itself, spelled as the source has them. The list and its
 * strings are good until the cache is emptied. False: failed. */
bool lm_synonyms_find(const lm_synonyms *s, lm_synonym_cache *c, lm_str word, const lm_str **list, size_t *count, lm_status *st);
/* At the beginning of a batch: empties the cache if it has become large. */
void lm_synonym_cache_trim(lm_synonym_cache *c);

#endif
