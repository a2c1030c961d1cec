/* WordNet's database as it is on disk (wndb(5WN), wninput(5WN)): mapped, and searched by halving, so that opening it costs
 * nothing. */
#ifndef LM_AUGMENT_WORDNET_H
#define LM_AUGMENT_WORDNET_H

#include "base/buffer.h"
#include "base/status.h"

typedef struct lm_wordnet lm_wordnet;

/* Where it is if nobody says: $WNSEARCHDIR, else $WNHOME/dict, else where Debian's wordnet-base has it and others do. NULL:
 * none of these exists. Malloced. */
char *lm_wordnet_directory(void);

lm_wordnet *lm_wordnet_open(const char *directory, lm_status *st);
void lm_wordnet_close(lm_wordnet *w);

/* Calls `found` on each lemma of each synset that `word` (in lower case) is in, with spaces for underscores, in WordNet's order:
 * as a noun, verb, adjective and adverb, by all its base forms. Inflected words have those of Morphy (morphy(7WN)) as NLTK reads
 * it: an exception list's, else what the rules of detachment make of the word, applied again while nothing is found. A
 * damaged file fails. */
bool lm_wordnet_synonyms(const lm_wordnet *w, lm_str word, void (*found)(void *to, lm_str lemma), void *to, lm_status *st);

#endif
