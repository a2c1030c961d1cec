/* Inside metrics/written/: how each measure cuts a text. Words become numbers by `words`, the same for all texts of a row; characters
 * are their code points. What is found is appended to `out`. Texts are valid UTF-8; blanks are Python's (str.isspace). */
#ifndef LM_METRICS_WRITTEN_TOKENS_H
#define LM_METRICS_WRITTEN_TOKENS_H

#include "metrics/written/grams.h"
#include "metrics/written/written.h"

/* What is kept from text to text. Zero-initialise. */
typedef struct lm_cutter {
    lm_pairs words;
    lm_buf text, other; /* on its way through rules */
    lm_ids codes, spare;
} lm_cutter;

void lm_cutter_free(lm_cutter *c);

/* The code points of a text, in place of what was in `out`. */
void lm_codes_of(lm_str text, lm_ids *out);

void lm_cut_bleu(lm_cutter *c, lm_bleu_tokens how, lm_str text, lm_ids *out);
/* All characters but blanks; words, of which a mark of ASCII's punctuation at the end, or else at the beginning, is a word by itself
 * (Popovic 2017). */
void lm_cut_chrf(lm_cutter *c, lm_str text, lm_ids *characters, lm_ids *words);
void lm_cut_blanks(lm_cutter *c, lm_str text, lm_ids *out);
void lm_cut_rouge(lm_cutter *c, lm_rouge_tokens how, bool stemmer, lm_str text, lm_ids *out);

/* The stem of an English word: Porter 1980 with the changes that NLTK makes to it. `word`: n > 0 letters a-z
 * or digits; it becomes the stem, which is not longer, and whose length is returned. */
size_t lm_porter_stem(char *word, size_t n);

#endif
