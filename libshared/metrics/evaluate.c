#include "metrics/evaluate.h"
#include "base/memory.h"
#include "metrics/tally.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Tokens of a batch; and tokens whose logits over the vocabulary exist at once. */
enum { BATCH_TOKENS = 4096, LOGIT_TOKENS = 128, IGNORED = -100 };

typedef struct room {
    void *data;
    size_t bytes;
} room;

/* Outputs of a call: one block for each kind. */
enum { OUT_LOGITS, OUT_PROBS, OUT_CLASSES, OUT_CHOSEN, OUT_HIDDEN, OUT_POOLED, OUT_LOSS, OUTPUTS };

struct lm_evaluator {
    lm_model *model;
    lm_graph *graph;
    bool own_graph;
    lm_evaluate_options options;
    bool decided; /* the kind stands: problem_type has said it, or labels have been seen */
    lm_tally tally;
    room splits, ids, types, positions, wanted; /* of the batch */
    room out[OUTPUTS];
};

/* Room for `count` elements; what was there is lost. */
static void *make_room(room *r, size_t count, size_t size, const char *what, lm_status *st)
{
    size_t bytes;
    if (!lm_mul(count, size, &bytes)) {
        lm_fail(st, LM_FAILED, "%s: %zu times %zu bytes are too many", what, count, size);
        return NULL;
    }
    if (bytes > r->bytes || !r->data) {
        free(r->data);
        r->bytes = 0;
        r->data = lm_try_malloc(bytes ? bytes : 1, 1, what, st);
        if (r->data)
            r->bytes = bytes;
    }
    return r->data;
}

/* ------------------------------------------------------------------ life */

/* As transformers derives it where problem_type is not given. */
static lm_measured kind_of(lm_model *m, bool *decided)
{
    const char *type = lm_config_string(m->config, "problem_type", "");
    *decided = true;
    if (m->head->tokens)
        return LM_MEASURE_TOKENS;
    if (m->head->bare)
        return LM_MEASURE_NOTHING;
    if (strcmp(type, "regression") == 0)
        return LM_MEASURE_VALUES;
    if (strcmp(type, "multi_label_classification") == 0)
        return LM_MEASURE_MULTI_LABEL;
    if (strcmp(type, "single_label_classification") == 0)
        return LM_MEASURE_CLASSES;
    if (lm_config_labels(m->config) == 1)
        return LM_MEASURE_VALUES;
    *decided = false;
    return LM_MEASURE_CLASSES;
}

static bool check_emit(const lm_evaluator *e, lm_status *st)
{
    unsigned emit = e->options.emit,
             of_logits = LM_EMIT_LOGITS | LM_EMIT_PROBS | LM_EMIT_PREDICTIONS | LM_EMIT_LOSS;
    const char *architecture = e->model->head->architecture;
    if (e->tally.kind == LM_MEASURE_NOTHING && emit & of_logits)
        return lm_fail(st, LM_USAGE, "%s has no logits: only hidden and pooled can be had from it",
                       architecture);
    if (e->tally.kind == LM_MEASURE_VALUES && emit & LM_EMIT_PROBS)
        return lm_fail(st, LM_USAGE,
                       "the model predicts a number and has no probabilities: take predictions");
    if (emit & LM_EMIT_POOLED && !lm_model_has_pooler(e->model))
        return lm_fail(st, LM_USAGE, "%s has no pooler: only hidden can be had from it", architecture);
    return true;
}

lm_evaluator *lm_evaluator_new(lm_model *model, lm_graph *graph, const lm_evaluate_options *options,
                               lm_status *st)
{
    lm_evaluator *e = lm_calloc(1, sizeof *e);
    e->model = model;
    e->own_graph = !graph;
    e->graph = graph ? graph : lm_graph_new(model->params);
    e->options = *options;
    if (e->options.batch_tokens <= 0)
        e->options.batch_tokens = BATCH_TOKENS;
    e->tally.kind = kind_of(model, &e->decided);
    e->tally.columns = model->head->tokens ? lm_model_token_columns(model) : lm_config_labels(model->config);
    e->tally.config = model->config;
    if (lm_config_failed(model->config, st) || !check_emit(e, st)) {
        lm_evaluator_free(e);
        return NULL;
    }
    return e;
}

void lm_evaluator_free(lm_evaluator *e)
{
    if (!e)
        return;
    if (e->own_graph)
        lm_graph_free(e->graph);
    lm_tally_clear(&e->tally);
    room *rooms[] = {&e->splits, &e->ids, &e->types, &e->positions, &e->wanted};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        free(rooms[i]->data);
    for (int i = 0; i < OUTPUTS; i++)
        free(e->out[i].data);
    free(e);
}

lm_measured lm_evaluator_kind(const lm_evaluator *e)
{
    return e->tally.kind;
}

void lm_evaluator_reset(lm_evaluator *e)
{
    lm_tally_clear(&e->tally);
}

lm_report *lm_evaluator_report(const lm_evaluator *e, bool per_class)
{
    return lm_tally_report(&e->tally, per_class);
}

/* ------------------------------------------------------------------ rows in */

typedef struct place {
    uint64_t record;
    int64_t row;
    char text[64];
} place;

static const char *where(place *p)
{
    if (p->record)
        snprintf(p->text, sizeof p->text, "record %llu, row %lld", (unsigned long long)p->record,
                 (long long)p->row + 1);
    else
        snprintf(p->text, sizeof p->text, "row %lld", (long long)p->row + 1);
    return p->text;
}

static bool check_row(const lm_evaluator *e, const lm_tokens_row *row, place *p, lm_status *st)
{
    const lm_arch *arch = &e->model->arch;
    int types = arch->type_vocab_size ? arch->type_vocab_size : 1;
    if (arch->max_length && row->len > (size_t)arch->max_length)
        return lm_fail(st, LM_FAILED, "%s: %zu tokens, and the model takes %d: use tok --max-length %d",
                       where(p), row->len, arch->max_length, arch->max_length);
    for (size_t t = 0; t < row->len; t++) {
        if (row->ids[t] < 0 || row->ids[t] >= arch->vocab_size)
            return lm_fail(st, LM_FAILED,
                           "%s: token id %d is not in the model's vocabulary of %d: use the model's "
                           "tokenizer",
                           where(p), row->ids[t], arch->vocab_size);
        if (row->types && row->types[t] >= types)
            return lm_fail(st, LM_FAILED, "%s: segment %d, and the model has 0 to %d", where(p),
                           row->types[t], types - 1);
        int32_t label = row->mlm_labels && e->tally.kind == LM_MEASURE_TOKENS ? row->mlm_labels[t] : IGNORED;
        if (label != IGNORED && (label < 0 || label >= e->tally.columns))
            return lm_fail(st, LM_FAILED, "%s: mlm_labels: id %d is not in the model's vocabulary of %d",
                           where(p), label, arch->vocab_size);
    }
    return true;
}

/* Packs rows into a batch; they have been checked. */
static bool pack(lm_evaluator *e, const lm_tokens_row *rows, int n, lm_batch *batch, lm_status *st)
{
    size_t tokens = 0, at = 0;
    for (int i = 0; i < n; i++)
        tokens += rows[i].len;
    if (tokens > INT_MAX)
        return lm_fail(st, LM_FAILED, "%zu tokens are too many for one batch", tokens);
    int32_t *splits = make_room(&e->splits, (size_t)n + 1, sizeof *splits, "a batch", st);
    int32_t *ids = make_room(&e->ids, tokens, sizeof *ids, "a batch", st);
    int32_t *types = make_room(&e->types, tokens, sizeof *types, "a batch", st);
    int32_t *positions = make_room(&e->positions, tokens, sizeof *positions, "a batch", st);
    if (!lm_ok(st))
        return false;
    splits[0] = 0;
    for (int i = 0; i < n; i++) {
        for (size_t t = 0; t < rows[i].len; t++, at++) {
            ids[at] = rows[i].ids[t];
            types[at] = rows[i].types ? rows[i].types[t] : 0;
            positions[at] = (int32_t)t;
        }
        splits[i + 1] = (int32_t)at;
    }
    *batch = (lm_batch){n, (int)tokens, splits, ids, types, positions};
    return true;
}

/* ------------------------------------------------------------------ outputs */

/* Where the outputs of a batch go: its first row and token within the call. */
typedef struct target {
    int64_t row, token;
} target;

#define OUT(e, which, type) ((type *)(e)->out[which].data)

/* Copies one row of logits (number `at` of its kind) to what was asked for. */
static void emit_logits(lm_evaluator *e, const float *logits, int64_t at)
{
    unsigned emit = e->options.emit;
    size_t n = (size_t)e->tally.columns, from = (size_t)at * n;
    bool several = e->tally.kind == LM_MEASURE_MULTI_LABEL;
    if (emit & LM_EMIT_LOGITS || (emit & LM_EMIT_PREDICTIONS && e->tally.kind == LM_MEASURE_VALUES))
        memcpy(OUT(e, OUT_LOGITS, float) + from, logits, n * sizeof *logits);
    if (emit & LM_EMIT_PROBS)
        (several ? lm_sigmoid_row : lm_softmax_row)(logits, (int)n, OUT(e, OUT_PROBS, float) + from);
    if (!(emit & LM_EMIT_PREDICTIONS))
        return;
    if (several)
        lm_choose_row(logits, (int)n, OUT(e, OUT_CHOSEN, uint8_t) + from);
    else if (e->tally.kind != LM_MEASURE_VALUES)
        OUT(e, OUT_CLASSES, int32_t)[at] = lm_argmax(logits, (int)n);
}

/* Makes room for the outputs of a call. */
static bool prepare(lm_evaluator *e, lm_row_outputs *out, lm_status *st)
{
    unsigned emit = e->options.emit;
    lm_measured kind = e->tally.kind;
    out->kind = kind;
    out->columns = kind == LM_MEASURE_NOTHING ? 0 : e->tally.columns;
    out->width = e->model->arch.width;
    size_t rows = (size_t)out->rows, tokens = (size_t)out->tokens, width = (size_t)out->width, cells;
    size_t units = kind == LM_MEASURE_TOKENS ? tokens : rows;
    if (!lm_mul(units, (size_t)out->columns, &cells))
        return lm_fail(st, LM_FAILED, "logits: too many for one record");
    bool values = emit & LM_EMIT_PREDICTIONS && kind == LM_MEASURE_VALUES;
    if (emit & LM_EMIT_LOGITS || values)
        out->logits = make_room(&e->out[OUT_LOGITS], cells, sizeof(float), "logits", st);
    if (values)
        out->values = out->logits;
    if (emit & LM_EMIT_PROBS)
        out->probs = make_room(&e->out[OUT_PROBS], cells, sizeof(float), "probs", st);
    if (emit & LM_EMIT_PREDICTIONS && kind == LM_MEASURE_MULTI_LABEL)
        out->chosen = make_room(&e->out[OUT_CHOSEN], cells, 1, "predictions", st);
    else if (emit & LM_EMIT_PREDICTIONS && !values)
        out->classes = make_room(&e->out[OUT_CLASSES], units, sizeof(int32_t), "predictions", st);
    if (emit & LM_EMIT_HIDDEN)
        out->hidden = make_room(&e->out[OUT_HIDDEN], tokens, width * sizeof(float), "hidden", st);
    if (emit & LM_EMIT_POOLED)
        out->pooled = make_room(&e->out[OUT_POOLED], rows, width * sizeof(float), "pooled", st);
    if (emit & LM_EMIT_LOSS)
        out->loss = make_room(&e->out[OUT_LOSS], rows, sizeof(float), "loss", st);
    return lm_ok(st);
}

static void emit_loss(lm_evaluator *e, int64_t row, double loss)
{
    if (e->options.emit & LM_EMIT_LOSS)
        OUT(e, OUT_LOSS, float)[row] = (float)loss;
}

/* ------------------------------------------------------------------ measuring */

/* The tokens whose logits are needed: all where they are handed out, else those that carry a label. */
static bool choose_tokens(lm_evaluator *e, const lm_tokens_row *rows, const lm_batch *batch, int *count,
                          lm_status *st)
{
    bool all = e->options.emit & (LM_EMIT_LOGITS | LM_EMIT_PROBS | LM_EMIT_PREDICTIONS);
    int32_t *wanted = make_room(&e->wanted, (size_t)batch->tokens, sizeof *wanted, "a batch", st);
    *count = 0;
    for (int r = 0; wanted && r < batch->rows; r++) {
        for (size_t t = 0; t < rows[r].len; t++) {
            if (all || (rows[r].mlm_labels && rows[r].mlm_labels[t] != IGNORED))
                wanted[(*count)++] = batch->row_splits[r] + (int32_t)t;
        }
    }
    return wanted != NULL;
}

typedef struct row_loss {
    int row; /* being summed */
    double sum;
    int64_t count;
} row_loss;

static void finish_rows(lm_evaluator *e, row_loss *l, const target *to, int before)
{
    for (; l->row < before; l->row++, l->sum = 0, l->count = 0)
        emit_loss(e, to->row + l->row, l->count ? l->sum / (double)l->count : NAN);
}

/* Logits of the wanted tokens, a few at a time. */
static void measure_tokens(lm_evaluator *e, const lm_tokens_row *rows, const lm_batch *batch,
                           lm_tensor *hidden, int count, const target *to)
{
    const int32_t *wanted = e->wanted.data;
    row_loss loss = {0};
    for (int from = 0; from < count; from += LOGIT_TOKENS) {
        int n = count - from < LOGIT_TOKENS ? count - from : LOGIT_TOKENS;
        lm_arena_mark mark = lm_graph_scope_open(e->graph);
        lm_tensor *t = lm_model_token_logits(e->model, e->graph, hidden, wanted + from, n);
        const float *logits = lm_tensor_read(e->graph, t);
        if (t->rows != n || t->width != e->tally.columns)
            return; /* a failure stands on the graph */
        for (int i = 0; i < n; i++) {
            int token = wanted[from + i], row = loss.row;
            const float *x = logits + (size_t)i * (size_t)t->width;
            while (token >= batch->row_splits[row + 1])
                row++;
            finish_rows(e, &loss, to, row);
            emit_logits(e, x, to->token + token);
            const int32_t *labels = rows[row].mlm_labels;
            int32_t label = labels ? labels[token - batch->row_splits[row]] : IGNORED;
            if (label != IGNORED) {
                loss.sum += lm_tally_token(&e->tally, label, x);
                loss.count++;
            }
        }
        lm_arena_release(lm_graph_arena(e->graph), mark);
    }
    finish_rows(e, &loss, to, batch->rows);
}

/* The rows head of a pretraining model, where the rows carry its label. */
static bool measure_next(lm_evaluator *e, const lm_tokens_row *rows, const lm_batch *batch,
                         lm_tensor *row_logits, uint64_t record, const target *to, lm_status *st)
{
    const float *logits = lm_tensor_read(e->graph, row_logits);
    for (int r = 0; r < batch->rows && row_logits->rows == batch->rows; r++) {
        place p = {.record = record, .row = to->row + r};
        if (!rows[r].has_label_id || rows[r].label_id == IGNORED)
            continue;
        if (rows[r].label_id < 0 || rows[r].label_id >= row_logits->width)
            return lm_fail(st, LM_FAILED, "%s: next-sentence label %d: 0 or 1 is expected", where(&p),
                           rows[r].label_id);
        lm_tally_next(&e->tally, rows[r].label_id, logits + (size_t)r * (size_t)row_logits->width,
                      row_logits->width);
    }
    return true;
}

static bool measure_rows(lm_evaluator *e, const lm_tokens_row *rows, const lm_batch *batch,
                         lm_tensor *row_logits, uint64_t record, const target *to, lm_status *st)
{
    const float *logits = lm_tensor_read(e->graph, row_logits);
    if (row_logits->rows != batch->rows || row_logits->width != e->tally.columns)
        return true; /* a failure stands on the graph */
    for (int r = 0; r < batch->rows; r++) {
        place p = {.record = record, .row = to->row + r};
        const float *x = logits + (size_t)r * (size_t)e->tally.columns;
        lm_truth truth;
        if (!lm_tally_truth(&e->tally, &rows[r], where(&p), &truth, st))
            return false;
        emit_logits(e, x, to->row + r);
        emit_loss(e, to->row + r, lm_tally_row(&e->tally, &truth, x));
    }
    return true;
}

static void copy_state(lm_evaluator *e, const lm_outputs *out, const lm_batch *batch, const target *to)
{
    size_t width = (size_t)e->model->arch.width;
    if (e->options.emit & LM_EMIT_HIDDEN && out->hidden->rows == batch->tokens)
        memcpy(OUT(e, OUT_HIDDEN, float) + (size_t)to->token * width, lm_tensor_read(e->graph, out->hidden),
               (size_t)batch->tokens * width * sizeof(float));
    if (e->options.emit & LM_EMIT_POOLED && out->pooled->rows == batch->rows)
        memcpy(OUT(e, OUT_POOLED, float) + (size_t)to->row * width, lm_tensor_read(e->graph, out->pooled),
               (size_t)batch->rows * width * sizeof(float));
}

static bool run_batch(lm_evaluator *e, const lm_tokens_row *rows, int n, uint64_t record, const target *to,
                      lm_status *st)
{
    lm_batch batch;
    lm_measured kind = e->tally.kind;
    int wanted = 0;
    if (!pack(e, rows, n, &batch, st) ||
        (kind == LM_MEASURE_TOKENS && !choose_tokens(e, rows, &batch, &wanted, st)))
        return false;
    lm_select select = {.hidden = kind == LM_MEASURE_TOKENS || e->options.emit & LM_EMIT_HIDDEN,
                        .pooled = e->options.emit & LM_EMIT_POOLED,
                        .row_logits = kind != LM_MEASURE_NOTHING};
    lm_graph_begin(e->graph, &batch, (lm_step){0});
    lm_outputs out = lm_model_forward(e->model, e->graph, &batch, &select);
    copy_state(e, &out, &batch, to);
    bool ok = true;
    if (kind == LM_MEASURE_TOKENS) {
        measure_tokens(e, rows, &batch, out.hidden, wanted, to);
        ok = !out.row_logits || measure_next(e, rows, &batch, out.row_logits, record, to, st);
    } else if (kind != LM_MEASURE_NOTHING) {
        ok = measure_rows(e, rows, &batch, out.row_logits, record, to, st);
    }
    return lm_graph_end(e->graph, st) && ok;
}

/* Where config.json leaves it open, several labels a row make it a multi-label problem. */
static void decide(lm_evaluator *e, const lm_tokens_row *rows, int64_t n)
{
    for (int64_t i = 0; !e->decided && i < n; i++) {
        if (rows[i].multi_label)
            e->tally.kind = LM_MEASURE_MULTI_LABEL;
        e->decided = rows[i].multi_label || rows[i].has_label_id || rows[i].has_label_word;
    }
}

bool lm_evaluator_run(lm_evaluator *e, const lm_tokens_row *rows, int64_t n, uint64_t record,
                      lm_row_outputs *out, lm_status *st)
{
    lm_row_outputs spare;
    if (!out)
        out = &spare;
    *out = (lm_row_outputs){.rows = n};
    decide(e, rows, n);
    for (int64_t i = 0; i < n; i++) {
        place p = {.record = record, .row = i};
        if (!check_row(e, &rows[i], &p, st))
            return false;
        out->tokens += (int64_t)rows[i].len;
    }
    if (!prepare(e, out, st))
        return false;
    target to = {0};
    for (int64_t first = 0; first < n;) {
        int64_t last = first, tokens = 0;
        while (last < n && last - first < INT_MAX - 1 &&
               (last == first || tokens + (int64_t)rows[last].len <= e->options.batch_tokens))
            tokens += (int64_t)rows[last++].len;
        if (!run_batch(e, rows + first, (int)(last - first), record, &to, st))
            return false;
        to.row += last - first;
        to.token += tokens;
        first = last;
    }
    e->tally.rows += (uint64_t)n;
    e->tally.tokens += (uint64_t)out->tokens;
    return true;
}
