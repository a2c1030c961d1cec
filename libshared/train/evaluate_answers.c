/* How well answers are found, between steps: by their tokens, since the rows of a spool have no text. */
#include "train/run_internal.h"

enum { ROWS_AT_ONCE = 64, LONGEST_ANSWER = 30 };

typedef struct answers {
    uint64_t rows, tokens, labelled, exact;
    double loss;
} answers;

/* The most probable span of at most LONGEST_ANSWER tokens (max_answer_length of run_qa.py), the first of equals. */
static void best_span(const float *logits, int tokens, int32_t span[2])
{
    float best = 0;
    span[0] = span[1] = -1;
    for (int from = 0; from < tokens; from++)
        for (int to = from; to < tokens && to < from + LONGEST_ANSWER; to++) {
            float score = logits[2 * from] + logits[2 * to + 1];
            if (span[0] >= 0 && !(score > best))
                continue;
            best = score;
            span[0] = from;
            span[1] = to;
        }
}

static bool measure(lm_run *r, const lm_micro_batch *m, const lm_step_rows *rows, answers *sum, lm_status *st)
{
    lm_select select = lm_micro_batch_select(m, rows, &r->eval_targets);
    float loss[ROWS_AT_ONCE] = {0};
    if (!select.token_logits)
        return true;
    lm_graph_begin(r->graph, &m->batch, (lm_step){0});
    lm_tensor *logits = lm_model_forward(r->model, r->graph, &m->batch, &select).token_logits;
    const int32_t *span = rows->span + 2 * (size_t)m->first;
    lm_tensor_read(r->graph, lm_span_cross_entropy(r->graph, logits, span, NULL, loss));
    const float *value = lm_tensor_read(r->graph, logits);
    for (int k = 0; k < m->batch.rows && logits->rows == m->batch.tokens; k++) {
        int32_t found[2], from = m->batch.row_splits[k];
        if (span[2 * k] == LM_IGNORE)
            continue;
        best_span(value + 2 * (size_t)from, m->batch.row_splits[k + 1] - from, found);
        sum->exact += found[0] == span[2 * k] && found[1] == span[2 * k + 1];
        sum->loss += loss[k];
        sum->labelled++;
    }
    return lm_graph_end(r->graph, st);
}

lm_report *lm_run_measure_answers(lm_run *r, lm_status *st)
{
    lm_step_rows rows = {0};
    lm_micro_batch m = {0};
    answers sum = {.rows = lm_spool_rows(r->eval), .tokens = lm_spool_tokens(r->eval)};
    for (uint64_t first = 0; first < sum.rows && lm_ok(st); first += ROWS_AT_ONCE) {
        lm_step_rows_begin(&rows, &r->eval_targets, ROWS_AT_ONCE, 0);
        for (uint64_t i = first; i < sum.rows && i < first + ROWS_AT_ONCE && lm_ok(st); i++) {
            lm_tokens_row row;
            lm_spool_row(r->eval, i, &row);
            lm_step_rows_add(&rows, &r->eval_targets, &row, 0, i, 0, st);
        }
        for (int at = 0; at < rows.rows && lm_ok(st);) {
            at = lm_micro_batch_cut(&m, &rows, &r->eval_targets, at, r->micro_tokens, ROWS_AT_ONCE);
            measure(r, &m, &rows, &sum, st);
        }
    }
    lm_step_rows_free(&rows);
    lm_micro_batch_free(&m);
    lm_report *report = lm_report_new();
    lm_report_count(report, "rows", sum.rows);
    lm_report_count(report, "tokens", sum.tokens);
    lm_report_count(report, "labelled", sum.labelled);
    if (sum.labelled) {
        lm_report_add(report, "loss", sum.loss / (double)sum.labelled);
        lm_report_add(report, "exact_match", (double)sum.exact / (double)sum.labelled);
    }
    return report;
}
