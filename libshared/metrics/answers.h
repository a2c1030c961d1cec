/* Answers that stand in a text: which one the logits of a row name, and how near it is to the right ones. */
#ifndef LM_METRICS_ANSWERS_H
#define LM_METRICS_ANSWERS_H

#include "base/buffer.h"
#include "stream/tokens.h"

/* How two texts are compared, as the evaluation scripts of two data sets do it. Both compare lower case without ASCII
 * punctuation and surplus blanks.
 *   SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250, and 2018, arXiv 1806.03822): without English articles; F1 over words
 *   KorQuAD 1.0 (Lim et al. 2019, arXiv 1909.07005): quotes and brackets part words; F1 over characters, since a word of
 *   Korean carries its particles with it */
typedef enum lm_answer_style { LM_ANSWERS_SQUAD, LM_ANSWERS_KORQUAD } lm_answer_style;
extern const char *const lm_answer_style_names[]; /* "squad", "korquad", NULL */

/* Appends what is compared of an answer. */
void lm_answer_normalize(lm_answer_style style, lm_str text, lm_buf *out);
/* Of two normalised answers: the harmonic mean of the shares of words, or characters, in common. */
double lm_answer_f1(lm_answer_style style, lm_str predicted, lm_str gold);
/* A text beside n right answers: raises *exact and *f1 to those of the nearest one. As in SQuAD 2.0's script those that are normalised
 * to nothing do not count, and where there are no others, nothing is right. */
void lm_answer_compare(lm_answer_style style, lm_str text, const lm_str *right, size_t n, double *exact, double *f1);

/* What a row of the stream, one window of its text, makes of a question. */
typedef struct lm_span_found {
    bool labelled;        /* the stream has its answer */
    double loss;          /* mean of the two cross-entropies, over the tokens of the row */
    bool no_answer;       /* the right answer is that there is none */
    bool any;             /* there is a span of the text to be an answer */
    int32_t first, last;  /* the best one's tokens */
    double score;         /* of the best one: its two logits added */
    double null_score;    /* of the first token, which says that there is none */
    double exact, f1;     /* of the best span, against the nearest of the right answers */
} lm_span_found;

/* logits [row->len, 2]. The best span is the one of at most 30 tokens within the text (max_answer_length of run_qa.py). Right
 * answers are those of the record's field `answers`, where the stream has it and the text; else the span in the column
 * `answer`, which is compared token by token. Without `offsets`, all tokens but the first are text. */
lm_span_found lm_span_find(lm_answer_style style, const lm_tokens_row *row, const float *logits);

#endif
