/* How far a model has moved from another one of the same shape, a quantised one from the float one that it was made of: both run over
 * the same rows, and their distributions are compared at each token that is predicted, or each row that is classified.
 *
 *   kl_divergence             mean of sum p ln(p / q) in nats, p of the reference; with _error (standard error of the mean), _max,
 *                             _p99.9 _p99 _p95 _p90 _median: as llama-perplexity --kl-divergence has them
 *   top1_agreement            share whose most probable token or class is the same
 *   perplexity, perplexity_reference, perplexity_ratio, rms_delta_p
 *                             where the next token, a hidden one or a target's is known: exp of the mean loss of both, the first
 *                             divided by the second, and the root of the mean square by which the right one's probability moved
 *   value_error               of a head that gives numbers, in place of these: root of the mean square of the differences
 *   weights_error[NAME]       |W' - W| / |W| of each matrix that differs
 *   hidden_error[LAYER]       |h' - h| / |h| of what each block gives: 0 is the embedding's result */
#ifndef LM_METRICS_DIVERGENCE_H
#define LM_METRICS_DIVERGENCE_H

#include "metrics/report.h"
#include "model/model.h"

typedef struct lm_divergence_options {
    const char *model, *reference; /* what lm_model_open takes */
    const char *rows;              /* a stream of tokens; "-" is standard input */
    const char *plugin;            /* --plugin FILE; NULL = search */
    const char *tokenizer;         /* directory of the tokenizer that the rows are to be of; NULL = the reference's */
    lm_activations activations;    /* of the quantised layers of `model` */
    bool force;                    /* rows of another tokenizer are taken */
} lm_divergence_options;

/* The report; NULL on failure: a model that cannot be opened, another shape, rows that the model does not take, no rows at all. */
lm_report *lm_divergence(const lm_divergence_options *o, lm_status *st);

#endif
