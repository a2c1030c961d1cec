/* What the filters share: a record that is being judged, and what a filter is. */
#ifndef LM_AUGMENT_JUDGING_H
#define LM_AUGMENT_JUDGING_H

#include "augment/quality/repeats.h"
#include "augment/quality/stop_words.h"
#include "augment/quality/words.h"
#include "augment/augment.h"

enum { LM_THRESHOLDS_MOST = 16, LM_LANGUAGES = 2 }; /* English, Korean */

typedef struct lm_threshold {
    const char *name, *alias;
    double value[LM_LANGUAGES]; /* 0: the rule is off */
} lm_threshold;

/* A batch's room: what is known of the record in hand, and memory that is used again. */
typedef struct lm_judging {
    lm_draft *draft;
    lm_arena *arena;           /* of the batch */
    lm_str text;               /* all texts of the record */
    const lm_stop_words *stop_words;
    bool korean;               /* most letters are Hangul, or somebody said so */
    bool cut;                  /* `words` are the text's */
    lm_count_words words;
    lm_repeats repeats;
    lm_buf joined, line, lower;
    uint64_t *found;           /* which stop words, as bits */
    struct lm_gram_word *gram_words;
    size_t gram_cap;
} lm_judging;

/* The words of the text, cut once. */
const lm_count_words *lm_judging_words(lm_judging *j);
/* Takes all texts of the draft for the text, or what they have become. */
void lm_judging_take(lm_judging *j);
void lm_judging_free(lm_judging *j); /* and zeroes it */

/* Why a record is dropped: a threshold of the filter, and what was found: a number, and of what. */
typedef struct lm_verdict {
    int threshold;
    double found;
    const char *what;
} lm_verdict;

/* True: it is dropped, and *v says why. `limit` has the values of the filter's thresholds. */
typedef bool lm_judge(lm_judging *j, const double *limit, lm_verdict *v);

static inline bool lm_drops(lm_verdict *v, int threshold, double found, const char *what)
{
    *v = (lm_verdict){threshold, found, what};
    return true;
}

typedef struct lm_quality_filter {
    const char *name;
    const lm_threshold *thresholds; /* ends with a name of NULL */
    lm_judge *judge;
} lm_quality_filter;

extern const lm_quality_filter lm_gopher_quality_filter, lm_gopher_repetition_filter, lm_c4_filter, lm_fineweb_filter;

/* The parts of a text between runs of `least` or more LF (all of them where `runs`, else one LF each). */
bool lm_take_part(lm_str *rest, size_t least, bool runs, lm_str *part);

#endif
