/* Inside metrics/written/: what a measure is. */
#ifndef LM_METRICS_WRITTEN_KINDS_H
#define LM_METRICS_WRITTEN_KINDS_H

#include "metrics/written/tokens.h"
#include "text/unicode/python_text.h"

enum { LM_WRITTEN_SUMS = 24 }; /* most numbers that a measure has of a row */

/* What is no whole number is one in this unit: added up it is exact. */
#define LM_WRITTEN_UNIT 4294967296.0

/* Memory of a thread. Zero-initialise. */
typedef struct lm_written_room {
    lm_cutter cutter;
    lm_grams grams;
    lm_ids text, text_words;                  /* the text, cut; its words beside its characters */
    lm_ids *references, *reference_words;     /* [room] */
    size_t references_cap, reference_words_cap;
    struct lm_ter *ter;
    struct lm_lcs *lcs;
    lm_buf normal[2]; /* answers as they are compared */
} lm_written_room;

typedef struct lm_written_kind lm_written_kind;

/* What a measure does. Not all of them look at everything. */
#define LM_WRITTEN_COUNT(name)                                                                                \
    void name(UNUSED lm_written_room *room, UNUSED const lm_written_kind *k, UNUSED const lm_written_options *o, \
              const lm_written_row *row, int64_t *sums)
#define LM_WRITTEN_REPORT(name)                                                                               \
    void name(UNUSED const lm_written_kind *k, UNUSED const lm_written_options *o, const int64_t *sums,       \
              UNUSED uint64_t rows, UNUSED bool alone, lm_report *r)
#define LM_WRITTEN_SIGN(name) \
    void name(UNUSED const lm_written_kind *k, UNUSED const lm_written_options *o, lm_buf *out)
#define UNUSED __attribute__((unused))

struct lm_written_kind {
    const char *name;
    int sums;
    int word_order; /* of chrF */
    LM_WRITTEN_COUNT((*count)); /* writes the numbers of a row, which are 0 */
    LM_WRITTEN_REPORT((*report)); /* adds what comes of their sums over the rows; `alone`: of one row, by itself */
    LM_WRITTEN_SIGN((*sign)); /* appends the choices that are in it, "|name:value" each; NULL = none */
};

/* Empties `count` lists, of which there are then at least so many. */
void lm_written_lists(lm_ids **lists, size_t *cap, size_t count);

LM_WRITTEN_COUNT(lm_count_bleu);
LM_WRITTEN_REPORT(lm_report_bleu);
LM_WRITTEN_SIGN(lm_sign_bleu);

LM_WRITTEN_COUNT(lm_count_chrf);
LM_WRITTEN_REPORT(lm_report_chrf);
LM_WRITTEN_SIGN(lm_sign_chrf);

LM_WRITTEN_COUNT(lm_count_ter);
LM_WRITTEN_REPORT(lm_report_ter);
LM_WRITTEN_SIGN(lm_sign_ter);
void lm_ter_free(struct lm_ter *t);

enum { LM_ROUGE_SUMS = 5, LM_ROUGE_UNSEEN = 4 }; /* the last: there is no word in any reference, though there is text */
LM_WRITTEN_COUNT(lm_count_rouge);
LM_WRITTEN_REPORT(lm_report_rouge);
LM_WRITTEN_SIGN(lm_sign_rouge);

/* Longest common subsequences, 64 columns at a time (Hyyro 2004). */
typedef struct lm_lcs lm_lcs;
lm_lcs *lm_lcs_new(void);
void lm_lcs_free(lm_lcs *l);
size_t lm_lcs_length(lm_lcs *l, const lm_ids *a, const lm_ids *b);
/* Sets marks[i] for each a.at[i] of one of the longest, that which going back from the ends of both finds where a word that
 * neither ends in is taken from `a`, unless leaving out b's keeps it longer. */
void lm_lcs_mark(lm_lcs *l, const lm_ids *a, const lm_ids *b, uint8_t *marks);

#endif
