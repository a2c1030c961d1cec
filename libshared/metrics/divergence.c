#include "metrics/divergence.h"

#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"
#include "metrics/divergence_internal.h"
#include "metrics/evaluate.h"
#include "metrics/held.h"
#include "metrics/packing.h"
#include "stream/lms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Logits that exist at once, rows that wait for a batch, and bytes of the hidden states that are kept of one. */
enum { LOGIT_TOKENS = 64, HELD_ROWS = 1 << 14, KEPT_BYTES = 64 << 20, BATCH_TOKENS = 2048, IGNORED = -100 };

typedef struct side {
    lm_model *model;
    lm_graph *graph;
    lm_outputs out;
} side;

typedef struct comparison {
    const lm_divergence_options *o;
    side of, reference;
    lm_evaluator *evaluator; /* of the reference: which rows it takes, and what is predicted of them */
    lm_measured kind;
    int layers, most_tokens;
    float *hidden;           /* [layers][tokens of the batch, width] of the reference */
    size_t hidden_room;
    double *moved, *length;  /* [layers] sums of squares: of the differences, and of what the reference gives */
    lm_packing first, second;
    lm_room wanted, labels;
    lm_held held;
    lm_divergence_sums sums;
} comparison;

/* ------------------------------------------------------------------ models */

static bool open_side(side *s, const char *path, const lm_divergence_options *o, lm_status *st)
{
    lm_model_options options = {.plugin_path = o->plugin};
    s->model = lm_model_open(path, &options, st);
    s->graph = s->model ? lm_graph_new(s->model->params) : NULL;
    return s->graph != NULL;
}

static void close_side(side *s)
{
    if (s->graph)
        lm_graph_free(s->graph);
    lm_model_free(s->model);
}

static bool check_shapes(const comparison *c, lm_status *st)
{
    const lm_arch *a = &c->of.model->arch, *b = &c->reference.model->arch;
    if (a->width == b->width && a->layers == b->layers && a->decoder_layers == b->decoder_layers && a->vocab_size == b->vocab_size &&
        strcmp(c->of.model->head->name, c->reference.model->head->name) == 0)
        return true;
    return lm_fail(st, LM_FAILED, "%s (%s, %d blocks of width %d, %d tokens) is not made of %s (%s, %d of %d, %d)", c->o->model,
                   c->of.model->architecture, a->layers, a->width, a->vocab_size, c->o->reference, c->reference.model->architecture,
                   b->layers, b->width, b->vocab_size);
}

static bool open_models(comparison *c, lm_status *st)
{
    if (!open_side(&c->reference, c->o->reference, c->o, st) || !open_side(&c->of, c->o->model, c->o, st) || !check_shapes(c, st))
        return false;
    lm_params_set_activations(c->of.model->params, c->o->activations);
    lm_evaluate_options options = {0};
    c->evaluator = lm_evaluator_new(c->reference.model, c->reference.graph, &options, st);
    if (!c->evaluator)
        return false;
    const lm_arch *a = &c->reference.model->arch;
    c->layers = a->layers + 1 + (a->decoder_layers ? a->decoder_layers + 1 : 0);
    int64_t fit = KEPT_BYTES / ((int64_t)sizeof(float) * a->width * c->layers);
    c->most_tokens = (int)(fit > BATCH_TOKENS ? BATCH_TOKENS : fit < 1 ? 1 : fit);
    c->moved = lm_calloc((size_t)c->layers, sizeof *c->moved);
    c->length = lm_calloc((size_t)c->layers, sizeof *c->length);
    return true;
}

/* ------------------------------------------------------------------ hidden states */

/* A forward pass in which blocks are looked at. */
typedef struct look {
    comparison *c;
    size_t at; /* in c->hidden */
    bool keep; /* what is seen is the reference's */
    lm_graph *graph;
    lm_status *st;
} look;

static void see_layer(void *context, int layer, const lm_tensor *x)
{
    look *l = context;
    comparison *c = l->c;
    size_t n = (size_t)x->rows * (size_t)x->width;
    const float *value = x->value;
    if (!value || layer >= c->layers)
        return;
    if (l->keep && l->at + n > c->hidden_room) {
        c->hidden_room = 2 * (l->at + n);
        c->hidden = lm_realloc(c->hidden, c->hidden_room, sizeof *c->hidden);
    }
    float *kept = c->hidden + l->at;
    l->at += n;
    if (l->keep) {
        memcpy(kept, value, n * sizeof *kept);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double was = (double)kept[i], now = (double)value[i];
        c->moved[layer] += (now - was) * (now - was);
        c->length[layer] += was * was;
    }
}

/* ------------------------------------------------------------------ what is predicted */

/* The units of a batch whose distributions are compared, and what they should be (IGNORED: not known). Rows of a head over rows, else
 * tokens: of a causal model all but the last of a row, of others those that are hidden, or all where the stream hides none. */
static int choose_units(comparison *c, const lm_tokens_row *rows, const lm_batch *batch, lm_status *st)
{
    int32_t *wanted = lm_room_make(&c->wanted, (size_t)batch->tokens + 1, sizeof *wanted, "a batch", st);
    int32_t *labels = lm_room_make(&c->labels, (size_t)batch->tokens + 1, sizeof *labels, "a batch", st);
    int n = 0;
    for (int r = 0; wanted && labels && r < batch->rows; r++) {
        const lm_tokens_row *row = &rows[r];
        for (int32_t t = batch->row_splits[r]; t < batch->row_splits[r + 1]; t++) {
            size_t i = (size_t)(t - batch->row_splits[r]);
            int32_t label = IGNORED;
            if (c->kind == LM_MEASURE_NEXT && (t + 1 == batch->row_splits[r + 1] || (row->loss_mask && !row->loss_mask[i + 1])))
                continue;
            if (c->kind == LM_MEASURE_TOKENS && row->mlm_labels && row->mlm_labels[i] == IGNORED)
                continue;
            if (c->kind == LM_MEASURE_NEXT)
                label = batch->ids[t + 1];
            else if (c->kind == LM_MEASURE_TOKENS && row->mlm_labels)
                label = row->mlm_labels[i];
            else if (c->kind == LM_MEASURE_TARGETS)
                label = row->target_ids[i];
            wanted[n] = t;
            labels[n++] = label;
        }
    }
    return n;
}

static bool forward(comparison *c, side *s, bool keep, const lm_batch *batch, const lm_batch *target, lm_status *st)
{
    look l = {.c = c, .keep = keep, .graph = s->graph, .st = st};
    lm_select select = {.target = target, .hidden = lm_measured_per_token(c->kind), .tap = see_layer, .tap_context = &l,
                        .row_logits = !lm_measured_per_token(c->kind) && c->kind != LM_MEASURE_NOTHING};
    lm_graph_begin(s->graph, batch, (lm_step){0});
    s->out = lm_model_forward(s->model, s->graph, batch, &select);
    return true;
}

/* Of both sides the logits of `n` units: given ones of the tokens' hidden states, or all rows. */
static const float *logits_of(side *s, bool tokens, const int32_t *wanted, int n, int *columns)
{
    lm_tensor *t = tokens ? lm_model_token_logits(s->model, s->graph, s->out.hidden, wanted, n) : s->out.row_logits;
    const float *x = t ? lm_tensor_read(s->graph, t) : NULL;
    *columns = t ? t->width : 0;
    return t && t->rows == n ? x : NULL; /* else a failure stands on the graph */
}

static bool compare_units(comparison *c, bool tokens, int n, lm_status *st)
{
    const int32_t *wanted = c->wanted.data, *labels = c->labels.data;
    for (int from = 0; from < n; from += LOGIT_TOKENS) {
        int count = tokens && n - from > LOGIT_TOKENS ? LOGIT_TOKENS : n - from, columns[2];
        lm_arena_mark marks[2] = {lm_graph_scope_open(c->of.graph), lm_graph_scope_open(c->reference.graph)};
        const float *p = logits_of(&c->reference, tokens, wanted + from, count, &columns[0]);
        const float *q = logits_of(&c->of, tokens, wanted + from, count, &columns[1]);
        if (!p || !q)
            return true;
        if (columns[0] != columns[1])
            return lm_fail(st, LM_FAILED, "%s gives %d numbers where %s gives %d", c->o->model, columns[1], c->o->reference, columns[0]);
        lm_divergence_add(&c->sums, c->kind, p, q, tokens ? labels + from : NULL, count, columns[0]);
        lm_arena_release(lm_graph_arena(c->of.graph), marks[0]);
        lm_arena_release(lm_graph_arena(c->reference.graph), marks[1]);
        if (!tokens)
            return true;
    }
    return true;
}

static bool run_batch(comparison *c, const lm_tokens_row *rows, int n, lm_status *st)
{
    lm_batch batch, target;
    const lm_arch *a = &c->reference.model->arch;
    bool second = c->kind == LM_MEASURE_TARGETS, tokens = lm_measured_per_token(c->kind);
    if (!lm_packing_make(&c->first, a, false, rows, n, &batch, st) ||
        (second && !lm_packing_make(&c->second, a, true, rows, n, &target, st)))
        return false;
    int units = tokens ? choose_units(c, rows, second ? &target : &batch, st) : n;
    bool ok = lm_ok(st) && forward(c, &c->reference, true, &batch, second ? &target : NULL, st) &&
              forward(c, &c->of, false, &batch, second ? &target : NULL, st) &&
              (c->kind == LM_MEASURE_NOTHING || compare_units(c, tokens, units, st));
    bool whole = lm_graph_end(c->reference.graph, st), both = lm_graph_end(c->of.graph, st);
    c->sums.rows += (uint64_t)n;
    c->sums.tokens += (uint64_t)batch.tokens;
    return ok && whole && both;
}

/* ------------------------------------------------------------------ rows */

static bool run_held(comparison *c, lm_status *st)
{
    lm_held *h = &c->held;
    for (int64_t first = 0; first < h->row_count && lm_ok(st);) {
        int64_t last = first, tokens = 0;
        while (last < h->row_count && (last == first || tokens + (int64_t)(h->rows[last].len + h->rows[last].target_len) <= c->most_tokens))
            tokens += (int64_t)(h->rows[last].len + h->rows[last].target_len), last++;
        run_batch(c, h->rows + first, (int)(last - first), st);
        first = last;
    }
    lm_held_clear(h);
    return lm_ok(st);
}

static bool begin_stream(comparison *c, lm_lms_reader *reader, lm_status *st)
{
    lm_tokenizer_info info = LM_TOKENIZER_INFO_NONE;
    if (lm_lms_reader_kind(reader) != LM_KIND_TOKENS)
        return lm_fail(st, LM_FAILED, "%s: a stream of kind %s, and tokens are expected: send it through tok",
                       lm_lms_reader_where(reader), lm_lms_kind_name(lm_lms_reader_kind(reader)));
    return lm_tokenizer_info_read(lm_lms_reader_preamble(reader), &info, st) &&
           lm_model_check_tokenizer(c->reference.model, c->o->tokenizer, &info, c->o->force, st);
}

static bool take_record(comparison *c, const lm_record *record, lm_status *st)
{
    if (record->flush)
        return true;
    if (!lm_held_add(&c->held, record, false, st))
        return false;
    const lm_held_record *r = &c->held.records[c->held.count - 1];
    return lm_evaluator_check(c->evaluator, c->held.rows + r->row, r->view.n, 0, st) &&
           (c->held.tokens < 4 * (int64_t)c->most_tokens && c->held.row_count < HELD_ROWS ? true : run_held(c, st));
}

static bool read_rows(comparison *c, lm_status *st)
{
    lm_input *in = lm_input_open(c->o->rows, st);
    lm_lms_reader *reader = in ? lm_lms_reader_new(in, st) : NULL;
    uint64_t streams = 0;
    lm_record record;
    lm_progress_begin("comparing", "rows", 0);
    while (reader && lm_lms_next(reader, &record, st) > 0 && lm_signal_check(st)) {
        bool begins = lm_lms_reader_streams(reader) != streams;
        streams = lm_lms_reader_streams(reader);
        if ((begins && !begin_stream(c, reader, st)) || !take_record(c, &record, st)) {
            lm_fail_prefix(st, lm_lms_reader_where(reader));
            break;
        }
        lm_progress_update(lm_lms_reader_examples(reader), NULL);
    }
    if (lm_ok(st))
        run_held(c, st);
    lm_progress_end();
    lm_lms_reader_free(reader);
    lm_input_close(in);
    return lm_ok(st);
}

lm_report *lm_divergence(const lm_divergence_options *o, lm_status *st)
{
    comparison c = {.o = o};
    lm_report *report = NULL;
    if (open_models(&c, st)) {
        c.kind = lm_evaluator_kind(c.evaluator);
        if (read_rows(&c, st) && !c.sums.rows)
            lm_fail(st, LM_FAILED, "%s: has no rows: there is nothing to compare", o->rows);
    }
    if (lm_ok(st)) {
        report = lm_report_new();
        lm_divergence_conclude(&c.sums, report);
        lm_divergence_weights(c.reference.model, c.of.model, report, st);
        for (int i = 0; i < c.layers; i++) {
            char layer[16];
            snprintf(layer, sizeof layer, "%d", i);
            lm_report_add_class(report, "hidden_error", layer, c.length[i] > 0 ? sqrt(c.moved[i] / c.length[i]) : 0);
        }
    }
    lm_evaluator_free(c.evaluator);
    close_side(&c.of);
    close_side(&c.reference);
    lm_divergence_sums_free(&c.sums);
    lm_held_free(&c.held);
    lm_packing_free(&c.first);
    lm_packing_free(&c.second);
    free(c.wanted.data);
    free(c.labels.data);
    free(c.hidden);
    free(c.moved);
    free(c.length);
    if (lm_ok(st))
        return report;
    lm_report_free(report);
    return NULL;
}
