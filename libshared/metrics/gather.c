#include "metrics/gather.h"
#include "base/memory.h"
#include "metrics/tally.h"

#include <math.h>
#include <stdlib.h>

#define ROOM(g, which, type) ((type *)(g)->room[which].data)

void *lm_room_make(lm_room *r, size_t count, size_t size, const char *what, lm_status *st)
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

void lm_gather_free(lm_gather *g)
{
    for (int i = 0; i < LM_OUTS; i++)
        free(g->room[i].data);
}

/* ------------------------------------------------------------------ what is wanted */

bool lm_gather_hidden(const lm_evaluate_options *options)
{
    return options->emit & LM_EMIT_HIDDEN ||
           (options->emit & LM_EMIT_POOLED && options->pool != LM_POOL_POOLER);
}

bool lm_gather_pooler(const lm_evaluate_options *options)
{
    return options->emit & LM_EMIT_POOLED && options->pool == LM_POOL_POOLER;
}

bool lm_gather_all_tokens(const lm_evaluate_options *options)
{
    return options->emit & (LM_EMIT_LOGITS | LM_EMIT_PROBS | LM_EMIT_PREDICTIONS);
}

bool lm_gather_check(const lm_model *m, lm_measured kind, lm_evaluate_options *options, lm_status *st)
{
    unsigned emit = options->emit,
             of_logits = LM_EMIT_LOGITS | LM_EMIT_PROBS | LM_EMIT_PREDICTIONS | LM_EMIT_LOSS;
    const char *architecture = m->architecture;
    if (kind == LM_MEASURE_NOTHING && emit & of_logits)
        return lm_fail(st, LM_USAGE, "%s has no logits: only hidden and pooled can be had from it",
                       architecture);
    if (kind == LM_MEASURE_VALUES && emit & LM_EMIT_PROBS)
        return lm_fail(st, LM_USAGE,
                       "the model predicts a number and has no probabilities: take predictions");
    if (kind == LM_MEASURE_SPAN && emit & LM_EMIT_PROBS)
        return lm_fail(st, LM_USAGE,
                       "%s says where an answer begins and ends: take predictions, logits or loss",
                       architecture);
    if (emit & LM_EMIT_LOGPROBS && !(m->head->tokens && m->head->columns == LM_COLUMNS_VOCABULARY))
        return lm_fail(st, LM_USAGE,
                       "%s predicts no tokens, so that they have no logprobs: take loss or probs",
                       architecture);
    bool pooler = emit & LM_EMIT_POOLED && lm_model_has_pooler(m);
    if (options->pool == LM_POOL_POOLER && emit & LM_EMIT_POOLED && !pooler)
        return lm_fail(st, LM_USAGE, "%s has no pooler: take --pool mean or --pool cls", architecture);
    if (options->pool == LM_POOL_AUTO)
        options->pool = pooler ? LM_POOL_POOLER : LM_POOL_MEAN;
    return true;
}

/* ------------------------------------------------------------------ room */

static bool room_for_logits(lm_gather *g, lm_row_outputs *out, size_t units, lm_status *st)
{
    unsigned emit = g->options.emit;
    size_t cells, kept;
    if (!lm_mul(units, (size_t)out->columns, &cells) || !lm_mul(units, (size_t)g->top, &kept))
        return lm_fail(st, LM_FAILED, "logits: too many for one record");
    bool values = emit & LM_EMIT_PREDICTIONS && g->kind == LM_MEASURE_VALUES;
    if ((emit & LM_EMIT_LOGITS && !g->top) || values)
        out->logits = lm_room_make(&g->room[LM_OUT_LOGITS], cells, sizeof(float), "logits", st);
    if (values)
        out->values = out->logits;
    if (emit & LM_EMIT_LOGITS && g->top) {
        out->top = g->top;
        out->top_index = lm_room_make(&g->room[LM_OUT_TOP_INDEX], kept, sizeof(int32_t), "logits.index", st);
        out->top_logits = lm_room_make(&g->room[LM_OUT_TOP], kept, sizeof(float), "logits.top", st);
        out->top_rest = lm_room_make(&g->room[LM_OUT_REST], units, sizeof(float), "logits.rest", st);
    }
    if (emit & LM_EMIT_PROBS)
        out->probs = lm_room_make(&g->room[LM_OUT_PROBS], cells, sizeof(float), "probs", st);
    if (emit & LM_EMIT_PREDICTIONS && g->kind == LM_MEASURE_MULTI_LABEL)
        out->chosen = lm_room_make(&g->room[LM_OUT_CHOSEN], cells, 1, "predictions", st);
    else if (emit & LM_EMIT_PREDICTIONS && g->kind == LM_MEASURE_SPAN)
        out->spans =
            lm_room_make(&g->room[LM_OUT_SPANS], (size_t)out->rows, 2 * sizeof(int32_t), "predictions", st);
    else if (emit & LM_EMIT_PREDICTIONS && !values)
        out->classes = lm_room_make(&g->room[LM_OUT_CLASSES], units, sizeof(int32_t), "predictions", st);
    return lm_ok(st);
}

bool lm_gather_begin(lm_gather *g, const lm_evaluate_options *options, lm_measured kind, int columns,
                     int width, lm_row_outputs *out, lm_status *st)
{
    unsigned emit = options->emit;
    g->options = *options;
    g->kind = out->kind = kind;
    g->columns = out->columns = kind == LM_MEASURE_NOTHING ? 0 : columns;
    g->width = out->width = width;
    g->top = options->top < g->columns ? options->top : g->columns;
    out->per_token = lm_measured_per_token(kind);
    size_t rows = (size_t)out->rows, tokens = (size_t)out->tokens, state = (size_t)width * sizeof(float);
    if (!room_for_logits(g, out, (size_t)out->units, st))
        return false;
    if (emit & LM_EMIT_HIDDEN)
        out->hidden = lm_room_make(&g->room[LM_OUT_HIDDEN], tokens, state, "hidden", st);
    if (emit & LM_EMIT_POOLED)
        out->pooled = lm_room_make(&g->room[LM_OUT_POOLED], rows, state, "pooled", st);
    if (emit & LM_EMIT_LOSS)
        out->loss = lm_room_make(&g->room[LM_OUT_LOSS], rows, sizeof(float), "loss", st);
    if (emit & LM_EMIT_LOGPROBS) {
        size_t predicted = kind == LM_MEASURE_TARGETS ? (size_t)out->units : tokens;
        out->logprobs = lm_room_make(&g->room[LM_OUT_LOGPROBS], predicted, sizeof(float), "logprobs", st);
        for (size_t t = 0; t < predicted && out->logprobs; t++)
            ROOM(g, LM_OUT_LOGPROBS, float)[t] = NAN;
    }
    return lm_ok(st);
}

/* ------------------------------------------------------------------ logits */

/* Whether logit a stands before logit b: the larger one, and of equals the first. */
static bool before(const float *logits, int32_t a, int32_t b)
{
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

/* Puts `heap[at]` where it belongs in a heap whose first is the last in order. */
static void sift(const float *logits, int32_t *heap, int n, int at)
{
    for (int child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && before(logits, heap[child], heap[child + 1]);
        if (!before(logits, heap[at], heap[child]))
            return;
        int32_t other = heap[at];
        heap[at] = heap[child];
        heap[child] = other;
    }
}

/* log-sum-exp of the logits that are not among the k of `top` (in order); -inf where all are. */
static double rest_of(const float *logits, int n, const int32_t *top, int k)
{
    int32_t least = top[k - 1];
    float largest = -INFINITY;
    double sum = 0;
    for (int32_t i = 0; i < n; i++)
        largest = before(logits, least, i) && logits[i] > largest ? logits[i] : largest;
    for (int32_t i = 0; i < n; i++)
        sum += before(logits, least, i) ? expf(logits[i] - largest) : 0;
    return sum > 0 ? largest + log(sum) : -INFINITY;
}

/* The `k` largest of n logits, the largest first, and the log-sum-exp of the rest. */
static void take_top(const float *logits, int n, int k, int32_t *index, float *top, float *rest)
{
    for (int i = 0; i < k; i++)
        index[i] = i;
    for (int i = k / 2; i-- > 0;)
        sift(logits, index, k, i);
    for (int32_t i = k; i < n; i++) {
        if (!before(logits, i, index[0]))
            continue;
        index[0] = i;
        sift(logits, index, k, 0);
    }
    for (int last = k - 1; last > 0; last--) { /* the last in order to the end */
        int32_t worst = index[0];
        index[0] = index[last];
        index[last] = worst;
        sift(logits, index, last, 0);
    }
    for (int i = 0; i < k; i++)
        top[i] = logits[index[i]];
    *rest = (float)rest_of(logits, n, index, k);
}

void lm_gather_logits(lm_gather *g, const float *logits, int64_t at)
{
    unsigned emit = g->options.emit;
    size_t n = (size_t)g->columns, from = (size_t)at * n, kept = (size_t)at * (size_t)g->top;
    bool several = g->kind == LM_MEASURE_MULTI_LABEL, values = g->kind == LM_MEASURE_VALUES;
    if ((emit & LM_EMIT_LOGITS && !g->top) || (emit & LM_EMIT_PREDICTIONS && values))
        memcpy(ROOM(g, LM_OUT_LOGITS, float) + from, logits, n * sizeof *logits);
    if (emit & LM_EMIT_LOGITS && g->top)
        take_top(logits, (int)n, g->top, ROOM(g, LM_OUT_TOP_INDEX, int32_t) + kept,
                 ROOM(g, LM_OUT_TOP, float) + kept, ROOM(g, LM_OUT_REST, float) + at);
    if (emit & LM_EMIT_PROBS)
        (several ? lm_sigmoid_row : lm_softmax_row)(logits, (int)n, ROOM(g, LM_OUT_PROBS, float) + from);
    if (!(emit & LM_EMIT_PREDICTIONS))
        return;
    if (several)
        lm_choose_row(logits, (int)n, ROOM(g, LM_OUT_CHOSEN, uint8_t) + from);
    else if (!values && g->kind != LM_MEASURE_SPAN)
        ROOM(g, LM_OUT_CLASSES, int32_t)[at] = lm_argmax(logits, (int)n);
}

void lm_gather_loss(lm_gather *g, int64_t row, double loss)
{
    if (g->options.emit & LM_EMIT_LOSS)
        ROOM(g, LM_OUT_LOSS, float)[row] = (float)loss;
}

void lm_gather_span(lm_gather *g, int64_t row, int32_t first, int32_t last)
{
    if (!(g->options.emit & LM_EMIT_PREDICTIONS))
        return;
    ROOM(g, LM_OUT_SPANS, int32_t)[2 * row] = first;
    ROOM(g, LM_OUT_SPANS, int32_t)[2 * row + 1] = last;
}

float *lm_gather_logprobs(lm_gather *g, int64_t token)
{
    return g->options.emit & LM_EMIT_LOGPROBS ? ROOM(g, LM_OUT_LOGPROBS, float) + token : NULL;
}

/* ------------------------------------------------------------------ parts */

#define FROM(array, unit, width) ((array) ? (array) + (unit) * (width) : NULL)

void lm_place_next(lm_place *p, lm_measured kind)
{
    p->token += (int64_t)p->row->len;
    p->unit += lm_measured_units(kind, p->row);
    p->at++;
    p->row++;
}

lm_row_outputs lm_row_outputs_part(const lm_row_outputs *o, lm_place *from, int64_t n)
{
    lm_row_outputs p = *o;
    int64_t first = from->at, token = from->token, unit = from->unit;
    while (from->at < first + n)
        lm_place_next(from, o->kind);
    p.rows = n;
    p.tokens = from->token - token;
    p.units = from->unit - unit;
    p.logits = FROM(o->logits, unit, o->columns);
    p.top_index = FROM(o->top_index, unit, o->top);
    p.top_logits = FROM(o->top_logits, unit, o->top);
    p.top_rest = FROM(o->top_rest, unit, 1);
    p.probs = FROM(o->probs, unit, o->columns);
    p.classes = FROM(o->classes, unit, 1);
    p.chosen = FROM(o->chosen, first, o->columns);
    p.spans = FROM(o->spans, first, 2);
    p.values = FROM(o->values, first, o->columns);
    p.hidden = FROM(o->hidden, token, o->width);
    p.pooled = FROM(o->pooled, first, o->width);
    p.logprobs = FROM(o->logprobs, o->kind == LM_MEASURE_TARGETS ? unit : token, 1);
    p.loss = FROM(o->loss, first, 1);
    return p;
}

/* ------------------------------------------------------------------ states */

/* One row of what its tokens have in common; zeros for a row without tokens. */
static void pool_row(lm_pool pool, const float *hidden, int tokens, int width, float *out)
{
    for (int c = 0; c < width; c++) {
        double sum = 0;
        for (int t = 0; t < tokens && (t == 0 || pool == LM_POOL_MEAN); t++)
            sum += hidden[(size_t)t * (size_t)width + (size_t)c];
        out[c] = (float)(pool == LM_POOL_MEAN && tokens ? sum / tokens : sum);
    }
}

void lm_gather_state(lm_gather *g, lm_graph *graph, const lm_outputs *out, const lm_batch *batch, int64_t row,
                     int64_t token)
{
    size_t width = (size_t)g->width;
    float *pooled = ROOM(g, LM_OUT_POOLED, float) + (size_t)row * width;
    const float *hidden = NULL;
    lm_tensor *states = out->memory ? out->memory : out->hidden;
    if (lm_gather_hidden(&g->options) && states->rows == batch->tokens)
        hidden = lm_tensor_read(graph, states);
    if (g->options.emit & LM_EMIT_HIDDEN && hidden)
        memcpy(ROOM(g, LM_OUT_HIDDEN, float) + (size_t)token * width, hidden,
               (size_t)batch->tokens * width * sizeof(float));
    if (!(g->options.emit & LM_EMIT_POOLED))
        return;
    if (g->options.pool == LM_POOL_POOLER && out->pooled->rows == batch->rows)
        memcpy(pooled, lm_tensor_read(graph, out->pooled), (size_t)batch->rows * width * sizeof(float));
    for (int r = 0; r < batch->rows && hidden && g->options.pool != LM_POOL_POOLER; r++) {
        int from = batch->row_splits[r];
        pool_row(g->options.pool, hidden + (size_t)from * width, batch->row_splits[r + 1] - from, g->width,
                 pooled + (size_t)r * width);
    }
}
