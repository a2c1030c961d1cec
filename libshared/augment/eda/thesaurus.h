/* A thesaurus of the user's, in any language. A line is
 *
 *     word<TAB>synonym, synonym, ...     what stands for the word
 *     word, word, word                   each stands for each other one
 *
 * in UTF-8; blank lines and those that begin with # are passed over. MyThes files (th_en_US_v2.dat, as LibreOffice and Debian's
 * mythes-* have them) are known by their first lines and read too; terms of theirs in brackets, such as (generic term), are left
 * out, and antonyms with them. */
#ifndef LM_AUGMENT_THESAURUS_H
#define LM_AUGMENT_THESAURUS_H

#include "base/buffer.h"
#include "base/status.h"

typedef struct lm_thesaurus lm_thesaurus;

/* A new one, of no words; files are added to it. */
lm_thesaurus *lm_thesaurus_new(void);
void lm_thesaurus_free(lm_thesaurus *t);
bool lm_thesaurus_read(lm_thesaurus *t, const char *path, lm_status *st);
/* No more files: looking up may begin. */
void lm_thesaurus_finish(lm_thesaurus *t);
/* Calls `found` on each synonym of a word (in lower case), in the order of the files. */
void lm_thesaurus_synonyms(const lm_thesaurus *t, lm_str word, void (*found)(void *to, lm_str synonym), void *to);
/* A lm_longest_entry (augment/words/words.h). */
size_t lm_thesaurus_longest(const void *thesaurus, lm_str text);

#endif
