/* Words replaced by what a masked language model expects in their place (Kobayashi 2018, arXiv 1805.06201, without labels; nlpaug's
 * ContextualWordEmbsAug): `mlm`.
 *
 * Of the words of a text that consist of letters, max(1, floor(share * words)) are drawn and masked, each by one mask token however
 * many tokens it has; one pass of the model sees all of them. Of the vocabulary's tokens that are whole words, but for the word that
 * stood there, the `top_k` likeliest are taken, and one of them is drawn by its probability among them (top_k 1: the likeliest).
 * It gets the case of the word that it stands for. In Korean the particles of a word stay, in the form that goes with the new
 * one, and the model sees them; a syllable gives way to syllables only. All else in the text stays as it is.
 *
 * A text that is longer than the model's rows is cut into windows, each of which is a text of its own to the model. */
#ifndef LM_AUGMENT_CONTEXTUAL_H
#define LM_AUGMENT_CONTEXTUAL_H

#include <stdint.h>

struct lm_augment_entries;
struct lm_operation_kind;

typedef struct lm_contextual_options {
    double share;   /* --mask-share */
    int64_t top_k;
} lm_contextual_options;

#define LM_CONTEXTUAL_DEFAULTS {.share = 0.15, .top_k = 10}
enum { LM_TOP_K_MAX = 1000 };

extern const struct lm_operation_kind lm_mlm_kind;

void lm_contextual_entries(struct lm_augment_entries *to);

#endif
