/* --filter: the published quality filters, which drop records that are no text worth learning from.
 *
 *   gopher-quality     Rae et al. 2021 (Gopher), A1.1: words, their length, symbols, bullets, letters, stop words
 *   gopher-repetition  its table A1: lines, paragraphs and n-grams that come again
 *   gopher             both
 *   c4                 Raffel et al. 2020: keeps lines that are sentences, drops what has too few of them
 *   fineweb            Penedo et al. 2024: lines that end in no full stop, short ones, ones that come again
 *
 * Rules, thresholds, order and arithmetic are those of datatrove (src/datatrove/pipeline/filters, 2026-08), and so are the
 * names of thresholds. Words are those of words.h. A record of which most letters are Hangul is measured by FineWeb2's thresholds and stop
 * words for Korean (huggingface/fineweb-2, configs/kor_Hang.yml) where it has some; a stop word is found at the end of a word, too, then,
 * where particles and endings stand.
 *
 * Several texts of a record are judged as one, with a blank between them; c4, which changes texts, goes through the lines of each. */
#ifndef LM_AUGMENT_FILTERS_H
#define LM_AUGMENT_FILTERS_H

#include "augment/options.h"

/* NAME[:THRESHOLD=VALUE]..., separated by commas; a VALUE of 0 turns a rule off; language=en or ko says what texts are, auto looks. */
extern const lm_operation_kind lm_filter_kind;

/* --min-length, --max-length: N characters, or Nw words between white space. */
extern const lm_operation_kind lm_min_length_kind, lm_max_length_kind;

void lm_quality_entries(lm_augment_entries *to);

#endif
