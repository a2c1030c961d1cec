/* Measures of texts that were written (translations, summaries, answers) beside texts that would have been right: what the
 * tools of the field compute, in numbers that can be compared with theirs.
 *
 * A measure makes whole numbers of a text and its references; they are added over the rows, and the sums make its values. So
 * a value depends on the rows alone, not on their order, and a bootstrap adds other rows. */
#ifndef LM_METRICS_WRITTEN_WRITTEN_H
#define LM_METRICS_WRITTEN_WRITTEN_H

#include "metrics/answers.h"
#include "metrics/report.h"

/* How BLEU cuts a text into words, as sacreBLEU's tokenizers of these names do (WMT's mteval-v13a and -v14, characters, Chinese
 * characters and mteval's words, blanks). */
typedef enum lm_bleu_tokens { LM_BLEU_13A, LM_BLEU_INTL, LM_BLEU_CHAR, LM_BLEU_ZH, LM_BLEU_NONE } lm_bleu_tokens;
extern const char *const lm_bleu_token_names[]; /* "13a", "intl", "char", "zh", "none", NULL */

/* What stands for a precision of 0 (Chen and Cherry 2014): half of the last one and so on, a value in the numerator, a value added
 * to both sides, or nothing. */
typedef enum lm_bleu_smooth { LM_SMOOTH_EXP, LM_SMOOTH_FLOOR, LM_SMOOTH_ADD_K, LM_SMOOTH_NONE } lm_bleu_smooth;
extern const char *const lm_bleu_smooth_names[]; /* "exp", "floor", "add-k", "none", NULL */

/* The words of ROUGE, in lower case: runs of a-z and 0-9 as rouge-score has them, runs of letters, marks and numbers of any script, or
 * each of these by itself. */
typedef enum lm_rouge_tokens { LM_ROUGE_LATIN, LM_ROUGE_WORDS, LM_ROUGE_CHARS } lm_rouge_tokens;
extern const char *const lm_rouge_token_names[]; /* "latin", "words", "chars", NULL */

typedef struct lm_written_options {
    unsigned measures;      /* 1 << row of the table of measures; 0 = the usual ones */
    int bleu_tokens;        /* lm_bleu_tokens */
    int smooth;             /* lm_bleu_smooth */
    double smooth_value;    /* of floor and add-k; negative = 0.1 and 1 */
    bool lowercase;         /* BLEU and chrF see lower case */
    int rouge_tokens;       /* lm_rouge_tokens */
    bool stemmer;           /* ROUGE sees stems of English words */
    lm_answer_style answers;
} lm_written_options;

extern const char *const lm_written_names[]; /* of the measures, in their order; NULL-terminated */

/* Adds the measures that are named (several, separated by commas; "all") to o->measures. */
bool lm_written_choose(lm_written_options *o, const char *names, lm_status *st);

typedef struct lm_written lm_written;

lm_written *lm_written_new(const lm_written_options *o);
void lm_written_free(lm_written *w);

/* A text and its references, at least one. Valid UTF-8. */
typedef struct lm_written_row {
    lm_str text;
    const lm_str *references;
    size_t count;
} lm_written_row;

/* Counts n more rows; on several threads. */
void lm_written_add(lm_written *w, const lm_written_row *rows, size_t n);
size_t lm_written_rows(const lm_written *w);
/* Appends the values of one row, those that a report of it alone would have, with a tab between. BLEU ends with the longest words that
 * the row has (sacreBLEU's effective order). */
void lm_written_print_row(const lm_written *w, size_t row, lm_buf *out);

/* Adds the values of all rows, each counted so many times (NULL = once): always the same names in the same order. */
void lm_written_measure(const lm_written *w, const uint32_t *times, lm_report *r);
/* Adds the signature of each measure that has choices in it, as sacreBLEU writes them: NAME_signature. `bootstrap` stands in
 * them (bs:1000|seed:42), or is "". */
void lm_written_signatures(const lm_written *w, const char *bootstrap, lm_report *r);
uint64_t lm_written_digest(const lm_written *w); /* of all references, whatever the order of the rows */
/* Rows whose references have no word for ROUGE though there is text: of another script, most often. */
size_t lm_written_unseen(const lm_written *w);

#endif
