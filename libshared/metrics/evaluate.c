#include "metrics/evaluate.h"
#include "base/memory.h"
#include "metrics/compare.h"
#include "metrics/packing.h"
#include "metrics/pseudo.h"
#include "metrics/tally.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Tokens of a batch; and tokens whose logits over the vocabulary exist at once. */
enum { LOGIT_TOKENS = 128, IGNORED = -100, SPECIALS = 5 };

/* A row as a window of its source (tok --stride): tokens that a window before has had are not predicted
 * again. */
typedef struct window {
    bool of_source;
    int32_t source, end; /* the row's `row`, and where in the source's text the window ends */
    size_t fresh;        /* tokens before this one are no longer to be predicted */
    uint64_t number;     /* of the source's first row */
} window;

struct lm_evaluator {
    lm_model *model;
    lm_graph *graph;
    bool own_graph;
    lm_evaluate_options options;
    bool decided; /* the kind stands: problem_type has said it, or labels have been seen */
    lm_tally tally;
    lm_packing first, second; /* what the stacks read of the batch */
    lm_room wanted;        /* its tokens whose logits are needed */
    lm_gather gather;      /* of the call */
    int32_t *tag_classes; /* [tag_count] the model's class of a stream's tag; NULL = the same number */
    size_t tag_count;
    window last;      /* of the row before */
    lm_room windows;  /* [rows] of the call */
    const float *given; /* logits of the call's units, which are not computed; NULL = they are */
    lm_evaluate_prefix prefix;
    lm_room prefix_values, prefix_splits;
    lm_pseudo pseudo; /* for logprobs of a masked language model */
    int32_t special[SPECIALS];
};

/* ------------------------------------------------------------------ life */

/* As transformers derives it where problem_type is not given. */
static lm_measured kind_of(lm_model *m, bool *decided)
{
    const char *type = lm_config_string(m->config, "problem_type", "");
    *decided = true;
    if (m->head->tokens && m->head->columns == LM_COLUMNS_CLASSES)
        return LM_MEASURE_TAGS;
    if (m->head->tokens && m->head->columns == LM_COLUMNS_SPAN)
        return LM_MEASURE_SPAN;
    if (m->head->tokens && m->arch.decoder_layers)
        return LM_MEASURE_TARGETS;
    if (m->head->tokens)
        return m->arch.causal ? LM_MEASURE_NEXT : LM_MEASURE_TOKENS;
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

/* Whether the model's tags are ones of the scheme that entities are to be read by. */
static bool check_scheme(const lm_evaluator *e, lm_status *st)
{
    const lm_tally *t = &e->tally;
    if (t->how.scheme == LM_SCHEME_LENIENT)
        return true;
    const char *scheme = lm_scheme_names[t->how.scheme];
    if (t->kind != LM_MEASURE_TAGS)
        return lm_fail(st, LM_USAGE, "--scheme %s: the model does not tag tokens", scheme);
    lm_outcomes *o = lm_outcomes_new(t->kind, t->columns, t->config, &t->how);
    int misfit = o->tags->entities ? lm_tag_set_misfit(o->tags, t->how.scheme) : 0;
    if (misfit >= 0)
        lm_fail(st, LM_USAGE, "--scheme %s: the model's tag \"%s\" is none of that scheme", scheme,
                o->names[misfit]);
    lm_outcomes_free(o);
    return lm_ok(st);
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
        e->options.batch_tokens = LM_BATCH_TOKENS;
    e->tally.kind = kind_of(model, &e->decided);
    e->tally.columns = model->head->tokens ? lm_model_token_columns(model) : lm_config_labels(model->config);
    e->tally.config = model->config;
    e->tally.how = options->measures;
    if (lm_config_failed(model->config, st) || !check_scheme(e, st) ||
        !lm_gather_check(model, e->tally.kind, &e->options, st)) {
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
    free(e->tag_classes);
    lm_packing_free(&e->first);
    lm_packing_free(&e->second);
    lm_room *rooms[] = {&e->wanted, &e->windows, &e->prefix_values, &e->prefix_splits};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        free(rooms[i]->data);
    lm_gather_free(&e->gather);
    free(e);
}

lm_measured lm_evaluator_kind(const lm_evaluator *e)
{
    return e->tally.kind;
}

void lm_evaluator_also(lm_evaluator *e, unsigned emit)
{
    lm_status st = LM_STATUS_INIT;
    const lm_head *head = e->model->head;
    for (unsigned flag = 1; flag <= emit; flag <<= 1) {
        lm_evaluate_options one = {.emit = emit & flag};
        if (!(head->tokens && head->columns == LM_COLUMNS_VOCABULARY) &&
            lm_gather_check(e->model, e->tally.kind, &one, &st))
            e->options.emit |= one.emit;
        lm_status_clear(&st);
    }
}

bool lm_evaluator_tokenizer(lm_evaluator *e, const lm_tokenizer_info *info, lm_status *st)
{
    if (!(e->options.emit & LM_EMIT_LOGPROBS) || e->model->arch.causal || e->tally.kind == LM_MEASURE_TARGETS)
        return true;
    if (info->mask_id < 0 || info->mask_id >= e->model->arch.vocab_size)
        return lm_fail(
            st, LM_FAILED,
            "logprobs of a masked language model are made by masking, and the stream names no token "
            "for that that the model has: make tokens with tok -m");
    const int32_t ids[SPECIALS] = {info->cls_id, info->sep_id, info->pad_id, info->bos_id, info->eos_id};
    memcpy(e->special, ids, sizeof ids);
    e->pseudo = (lm_pseudo){e->model, e->graph, e->options.batch_tokens, info->mask_id, e->special, SPECIALS};
    return true;
}

bool lm_measured_per_token(lm_measured kind)
{
    return kind == LM_MEASURE_TOKENS || kind == LM_MEASURE_TAGS || kind == LM_MEASURE_NEXT ||
           kind == LM_MEASURE_SPAN || kind == LM_MEASURE_TARGETS;
}

int64_t lm_measured_units(lm_measured kind, const lm_tokens_row *row)
{
    return kind == LM_MEASURE_TARGETS ? (int64_t)row->target_len : lm_measured_per_token(kind) ? (int64_t)row->len : 1;
}

bool lm_evaluator_tags(lm_evaluator *e, const json_t *names, lm_status *st)
{
    const lm_tally *t = &e->tally;
    free(e->tag_classes);
    e->tag_classes = NULL;
    e->tag_count = json_array_size(names);
    if (t->kind != LM_MEASURE_TAGS || e->tag_count == 0)
        return true;
    e->tag_classes = lm_malloc(e->tag_count, sizeof *e->tag_classes);
    for (size_t i = 0; i < e->tag_count; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        e->tag_classes[i] = lm_config_label_id(t->config, lm_str_of(name ? name : ""));
        if (e->tag_classes[i] < 0 && e->tag_count == (size_t)t->columns && lm_tally_nameless(t))
            e->tag_classes[i] = (int32_t)i;
        if (e->tag_classes[i] >= 0 && e->tag_classes[i] < t->columns)
            continue;
        e->tag_classes[i] = IGNORED;
        if (!t->how.skip_unknown)
            return lm_fail(st, LM_FAILED,
                           "tag \"%s\" is none of the model's classes (--skip-unknown leaves its words out)",
                           name ? name : "?");
    }
    return true;
}

bool lm_evaluator_columns(lm_evaluator *e, const json_t *names, lm_status *st)
{
    const lm_tally *t = &e->tally;
    size_t n = json_array_size(names);
    for (size_t i = 0; i < n && t->kind == LM_MEASURE_MULTI_LABEL && !lm_tally_nameless(t); i++) {
        const char *name = json_string_value(json_array_get(names, i)), *mine = lm_config_label(t->config, (int)i);
        if (name && mine && strcmp(name, mine) == 0)
            continue;
        return lm_fail(st, LM_FAILED,
                       "column %zu of multi_label is \"%s\", and the model's class \"%s\": make the tokens with "
                       "tok --labels and the model's classes, in their order",
                       i + 1, name ? name : "?", mine ? mine : "none");
    }
    return true;
}

void lm_evaluator_reset(lm_evaluator *e)
{
    lm_tally_clear(&e->tally);
}

lm_report *lm_evaluator_report(lm_evaluator *e, bool per_class)
{
    return lm_tally_report(&e->tally, per_class);
}

bool lm_evaluator_compare(lm_evaluator *e, lm_input *in, lm_report *report, lm_status *st)
{
    return lm_compare_lines(&e->tally, in, report, st);
}

bool lm_evaluator_compare_with(lm_evaluator *e, lm_evaluator *other, const char *name, lm_report *report, lm_status *st)
{
    return lm_compare(&e->tally, &other->tally, name, report, st);
}

int lm_evaluator_batch_tokens(const lm_evaluator *e)
{
    return e->options.batch_tokens;
}

int lm_evaluator_logits(const lm_evaluator *e)
{
    return e->tally.columns;
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

/* What token t of a row is to be, as the row has it; IGNORED where nothing is asked. */
static int32_t given_label(const lm_evaluator *e, const lm_tokens_row *row, size_t t)
{
    switch (e->tally.kind) {
    case LM_MEASURE_TOKENS:
        return row->mlm_labels ? row->mlm_labels[t] : IGNORED;
    case LM_MEASURE_TAGS:
        if (!row->tags || row->tags[t] == IGNORED)
            return IGNORED;
        if (!e->tag_classes)
            return row->tags[t];
        return row->tags[t] >= 0 && (size_t)row->tags[t] < e->tag_count ? e->tag_classes[row->tags[t]] : -1;
    case LM_MEASURE_NEXT:
        return t + 1 < row->len && (!row->loss_mask || row->loss_mask[t + 1]) ? row->ids[t + 1] : IGNORED;
    case LM_MEASURE_TARGETS:
        return row->target_ids[t];
    case LM_MEASURE_NOTHING:
    case LM_MEASURE_CLASSES:
    case LM_MEASURE_MULTI_LABEL:
    case LM_MEASURE_VALUES:
    case LM_MEASURE_SPAN:
        break;
    }
    return IGNORED;
}

/* Of a row that stands in a batch by the side of others with a target, one is wanted where its logits are. */
static bool check_target(const lm_evaluator *e, const lm_tokens_row *row, place *p, lm_status *st)
{
    const lm_arch *arch = &e->model->arch;
    bool wanted = e->options.emit & ~(unsigned)(LM_EMIT_HIDDEN | LM_EMIT_POOLED | LM_EMIT_LOSS);
    if (!row->target_ids && wanted)
        return lm_fail(st, LM_FAILED, "%s: no target_ids: what is to be written is named with tok --target", where(p));
    if (arch->max_length && row->target_len > (size_t)arch->max_length)
        return lm_fail(st, LM_FAILED, "%s: a target of %zu tokens, and the model takes %d: use tok --max-target-length %d",
                       where(p), row->target_len, arch->max_length, arch->max_length);
    for (size_t t = 0; t < row->target_len; t++)
        if (row->target_ids[t] < 0 || row->target_ids[t] >= arch->vocab_size)
            return lm_fail(st, LM_FAILED,
                           "%s: target_ids: id %d is not in the model's vocabulary of %d: use the model's tokenizer",
                           where(p), row->target_ids[t], arch->vocab_size);
    return true;
}

/* A span of the row's tokens, or -100. */
static bool check_answer(const lm_tokens_row *row, place *p, lm_status *st)
{
    const int32_t *a = row->answer;
    if (!a || (a[0] == IGNORED && a[1] == IGNORED) || (a[0] >= 0 && a[0] <= a[1] && (size_t)a[1] < row->len))
        return true;
    return lm_fail(st, LM_FAILED, "%s: an answer from token %d to %d, of %zu", where(p), a[0], a[1], row->len);
}

static bool check_row(const lm_evaluator *e, const lm_tokens_row *row, place *p, lm_status *st)
{
    const lm_arch *arch = &e->model->arch;
    int types = arch->type_vocab_size; /* a model without segments is not shown them */
    if (e->tally.kind == LM_MEASURE_SPAN && !check_answer(row, p, st))
        return false;
    if (e->tally.kind == LM_MEASURE_TARGETS && !check_target(e, row, p, st))
        return false;
    if (arch->max_length && row->len > (size_t)arch->max_length)
        return lm_fail(st, LM_FAILED, "%s: %zu tokens, and the model takes %d: use tok --max-length %d",
                       where(p), row->len, arch->max_length, arch->max_length);
    for (size_t t = 0; t < row->len; t++) {
        if (row->ids[t] < 0 || row->ids[t] >= arch->vocab_size)
            return lm_fail(st, LM_FAILED,
                           "%s: token id %d is not in the model's vocabulary of %d: use the model's "
                           "tokenizer",
                           where(p), row->ids[t], arch->vocab_size);
        if (row->types && types && row->types[t] >= types)
            return lm_fail(st, LM_FAILED, "%s: segment %d, and the model has 0 to %d", where(p),
                           row->types[t], types - 1);
        int32_t label = e->tally.kind == LM_MEASURE_TARGETS ? IGNORED : given_label(e, row, t);
        if (label == IGNORED || (label >= 0 && label < e->tally.columns))
            continue;
        if (e->tally.kind == LM_MEASURE_TAGS)
            return lm_fail(st, LM_FAILED, "%s: tag %d, and the model has 0 to %d", where(p), label,
                           e->tally.columns - 1);
        return lm_fail(st, LM_FAILED, "%s: mlm_labels: id %d is not in the model's vocabulary of %d",
                       where(p), label, arch->vocab_size);
    }
    return true;
}

/* The label of a row for a head over rows; of a pretraining model its next-sentence label. */
static bool check_label(const lm_evaluator *e, const lm_tokens_row *row, place *p, lm_status *st)
{
    lm_truth truth;
    bool pretraining = lm_measured_per_token(e->tally.kind) && e->model->head->rows;
    if (pretraining && row->has_label_id && row->label_id != IGNORED && row->label_id != 0 && row->label_id != 1)
        return lm_fail(st, LM_FAILED, "%s: next-sentence label %d: 0 or 1 is expected", where(p), row->label_id);
    return lm_tally_truth(&e->tally, row, where(p), &truth, st);
}

/* Where the outputs of a batch go: its first row, token and unit of logits within the call. */
typedef struct target {
    int64_t row, token, unit;
} target;

/* ------------------------------------------------------------------ measuring */

static uint64_t number_of(const lm_evaluator *e, const target *to, int r)
{
    return e->tally.rows + (uint64_t)(to->row + r);
}

/* Finds for each row of a call which of its tokens are new, by their places in the source. */
static bool find_windows(lm_evaluator *e, const lm_tokens_row *rows, int64_t n, lm_status *st)
{
    window *w = lm_room_make(&e->windows, (size_t)n, sizeof *w, "a batch", st);
    for (int64_t i = 0; w && i < n; i++) {
        const lm_tokens_row *row = &rows[i];
        const int32_t *ends = row->offsets ? row->offsets + 1 : NULL;
        w[i] = (window){
            .of_source = ends && row->has_row, .source = row->row, .number = e->tally.rows + (uint64_t)i};
        if (w[i].of_source && e->last.of_source && e->last.source == row->row) {
            w[i].number = e->last.number;
            w[i].end = e->last.end;
            while (w[i].fresh < row->len && ends[2 * w[i].fresh] <= e->last.end)
                w[i].fresh++;
        }
        for (size_t t = 0; ends && t < row->len; t++)
            w[i].end = ends[2 * t] > w[i].end ? ends[2 * t] : w[i].end;
        e->last = w[i];
    }
    return w != NULL;
}

/* What token t of row r of a batch is to be; of the text that windows share each token once. */
static int32_t label_of(const lm_evaluator *e, const lm_tokens_row *rows, const target *to, int r, size_t t)
{
    const window *w = (const window *)e->windows.data + to->row + r;
    if (e->tally.kind == LM_MEASURE_NEXT && t + 1 < w->fresh)
        return IGNORED;
    return given_label(e, &rows[r], t);
}

/* The tokens whose logits are needed: all where they are handed out, else those that carry a label. `batch` is what the head
 * stands on. */
static bool choose_tokens(lm_evaluator *e, const lm_tokens_row *rows, const lm_batch *batch, const target *to,
                          int *count, lm_status *st)
{
    bool all =
        lm_gather_all_tokens(&e->options) || (e->model->arch.causal && e->options.emit & LM_EMIT_LOGPROBS);
    int32_t *wanted = lm_room_make(&e->wanted, (size_t)batch->tokens, sizeof *wanted, "a batch", st);
    *count = 0;
    for (int r = 0; wanted && r < batch->rows; r++) {
        for (size_t t = 0; t < (size_t)lm_measured_units(e->tally.kind, &rows[r]); t++) {
            if (all || label_of(e, rows, to, r, t) != IGNORED)
                wanted[(*count)++] = batch->row_splits[r] + (int32_t)t;
        }
    }
    return wanted != NULL;
}

static uint32_t words_in(lm_str text)
{
    uint32_t words = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool blank = isspace((unsigned char)text.data[i]);
        words += !blank && (i == 0 || isspace((unsigned char)text.data[i - 1]));
    }
    return words;
}

/* The length of the text that a row's tokens predict, where all of it is predicted and the stream keeps it.
 */
static void count_text(lm_evaluator *e, const lm_tokens_row *row, uint64_t number)
{
    size_t bytes = row->text.len + row->pair.len;
    if (e->tally.kind == LM_MEASURE_NEXT && row->text.data && !row->loss_mask && bytes < LM_TEXT_UNKNOWN)
        lm_tally_text(&e->tally, number, words_in(row->text) + words_in(row->pair), (uint32_t)bytes);
}

typedef struct row_loss {
    int row; /* being summed */
    double sum;
    int64_t count;
} row_loss;

static void finish_rows(lm_evaluator *e, row_loss *l, const target *to, int before)
{
    for (; l->row < before; l->row++, l->sum = 0, l->count = 0)
        lm_gather_loss(&e->gather, to->row + l->row, l->count ? l->sum / (double)l->count : NAN);
}

/* Counts a token of the row being summed whose logits are given. */
static void count_token(lm_evaluator *e, const lm_tokens_row *rows, const target *to, size_t t,
                        const float *x, row_loss *loss)
{
    const window *w = (const window *)e->windows.data + to->row + loss->row;
    uint64_t own = number_of(e, to, loss->row), number = e->tally.kind == LM_MEASURE_NEXT ? w->number : own;
    int32_t label = label_of(e, rows, to, loss->row, t);
    if (label == IGNORED)
        return;
    loss->sum += lm_tally_token(&e->tally, number, label, x);
    if (loss->count++ == 0 && number == own)
        count_text(e, &rows[loss->row], number);
}

/* Logits of a batch's unit number `i`, where they are given. */
static const float *given(const lm_evaluator *e, int64_t first, int i)
{
    return e->given + (size_t)(first + i) * (size_t)e->tally.columns;
}

/* Logits of the wanted tokens, a few at a time. */
static void measure_tokens(lm_evaluator *e, const lm_tokens_row *rows, const lm_batch *batch,
                           lm_tensor *hidden, int count, const target *to)
{
    const int32_t *wanted = e->wanted.data;
    bool targets = e->tally.kind == LM_MEASURE_TARGETS;
    float *logprobs = e->model->arch.causal || targets ? lm_gather_logprobs(&e->gather, to->unit) : NULL;
    row_loss loss = {0};
    for (int from = 0; from < count; from += LOGIT_TOKENS) {
        int n = count - from < LOGIT_TOKENS ? count - from : LOGIT_TOKENS;
        lm_arena_mark mark = lm_graph_scope_open(e->graph);
        int columns = e->tally.columns;
        const float *logits = NULL;
        if (!e->given) {
            lm_tensor *t = lm_model_token_logits(e->model, e->graph, hidden, wanted + from, n);
            logits = lm_tensor_read(e->graph, t);
            if (t->rows != n || t->width != columns)
                return; /* a failure stands on the graph */
        }
        for (int i = 0; i < n; i++) {
            int token = wanted[from + i], row = loss.row;
            const float *x = logits ? logits + (size_t)i * (size_t)columns : given(e, to->unit, token);
            while (token >= batch->row_splits[row + 1])
                row++;
            finish_rows(e, &loss, to, row);
            lm_gather_logits(&e->gather, x, to->unit + token);
            if (logprobs && targets)
                logprobs[token] = (float)-lm_nll(x, columns, rows[row].target_ids[token - batch->row_splits[row]]);
            else if (logprobs && token + 1 < batch->row_splits[row + 1])
                logprobs[token + 1] = (float)-lm_nll(x, columns, batch->ids[token + 1]);
            count_token(e, rows, to, (size_t)(token - batch->row_splits[row]), x, &loss);
        }
        lm_arena_release(lm_graph_arena(e->graph), mark);
    }
    finish_rows(e, &loss, to, batch->rows);
}

/* Where an answer begins and ends is looked for among all tokens of its row. */
static void measure_spans(lm_evaluator *e, const lm_tokens_row *rows, const lm_batch *batch, lm_tensor *hidden,
                          const target *to)
{
    const window *w = (const window *)e->windows.data + to->row;
    size_t columns = (size_t)e->tally.columns;
    const float *logits = e->given ? given(e, to->unit, 0) : NULL;
    if (!logits) {
        lm_tensor *t = lm_model_token_logits(e->model, e->graph, hidden, NULL, batch->tokens);
        logits = lm_tensor_read(e->graph, t);
        if (t->rows != batch->tokens || t->width != e->tally.columns)
            return; /* a failure stands on the graph */
    }
    for (int i = 0; i < batch->tokens; i++)
        lm_gather_logits(&e->gather, logits + (size_t)i * columns, to->unit + i);
    for (int r = 0; r < batch->rows; r++) {
        const float *x = logits + (size_t)batch->row_splits[r] * columns;
        lm_span_found best = lm_span_find(e->tally.how.answers, &rows[r], x);
        bool answered = best.any && best.score >= best.null_score;
        lm_gather_span(&e->gather, to->row + r, answered ? best.first : 0, answered ? best.last : 0);
        lm_gather_loss(&e->gather, to->row + r, lm_tally_span(&e->tally, w[r].number, &best));
    }
}

/* The rows head of a pretraining model, where the rows carry its label. */
static void measure_next(lm_evaluator *e, const lm_tokens_row *rows, const lm_batch *batch, lm_tensor *row_logits,
                         const target *to)
{
    const float *logits = lm_tensor_read(e->graph, row_logits);
    for (int r = 0; r < batch->rows && row_logits->rows == batch->rows; r++) {
        if (!rows[r].has_label_id || rows[r].label_id == IGNORED || rows[r].label_id >= row_logits->width)
            continue;
        lm_tally_next(&e->tally, number_of(e, to, r), rows[r].label_id,
                      logits + (size_t)r * (size_t)row_logits->width, row_logits->width);
    }
}

static bool measure_rows(lm_evaluator *e, const lm_tokens_row *rows, const lm_batch *batch,
                         lm_tensor *row_logits, uint64_t record, const target *to, lm_status *st)
{
    const float *logits = e->given ? given(e, to->row, 0) : lm_tensor_read(e->graph, row_logits);
    if (!e->given && (row_logits->rows != batch->rows || row_logits->width != e->tally.columns))
        return true; /* a failure stands on the graph */
    for (int r = 0; r < batch->rows; r++) {
        place p = {.record = record, .row = to->row + r};
        const float *x = logits + (size_t)r * (size_t)e->tally.columns;
        lm_truth truth;
        if (!lm_tally_truth(&e->tally, &rows[r], where(&p), &truth, st))
            return false;
        lm_gather_logits(&e->gather, x, to->row + r);
        lm_gather_loss(&e->gather, to->row + r, lm_tally_row(&e->tally, number_of(e, to, r), &truth, x));
    }
    return true;
}

/* Begins the graph behind what is known of the batch. Returns the batch to run: its rows have one token each where no more
 * is known of them. NULL: failed. */
static const lm_batch *begin_behind_prefix(lm_evaluator *e, const lm_batch *batch, const target *to, lm_batch *short_one,
                                           lm_select *select, lm_status *st)
{
    const lm_evaluate_prefix *p = &e->prefix;
    int vectors = p->first_tokens ? batch->rows : batch->tokens, width = e->model->arch.width;
    float *values = lm_room_make(&e->prefix_values, (size_t)vectors, (size_t)width * sizeof *values, "a batch", st);
    int32_t *splits = lm_room_make(&e->prefix_splits, (size_t)batch->rows + 1, sizeof *splits, "a batch", st);
    if (!values || !splits)
        return NULL;
    for (int i = 0; i <= batch->rows; i++)
        splits[i] = i;
    *short_one = (lm_batch){.rows = batch->rows, .tokens = batch->rows, .row_splits = splits};
    const lm_batch *run = p->first_tokens ? short_one : batch;
    p->take(p->context, number_of(e, to, 0), batch->rows, values);
    lm_graph_begin(e->graph, run, (lm_step){0});
    select->prefix = lm_graph_input(e->graph, values, vectors, width, false);
    select->prefix_parts = p->parts;
    return run;
}

static bool run_batch(lm_evaluator *e, const lm_tokens_row *rows, int n, uint64_t record, const target *to,
                      lm_status *st)
{
    lm_batch batch, second_batch, short_one;
    lm_measured kind = e->tally.kind;
    bool second = kind == LM_MEASURE_TARGETS;
    const lm_batch *units = second ? &second_batch : &batch; /* what the head stands on */
    int wanted = 0;
    if (!lm_packing_make(&e->first, &e->model->arch, false, rows, n, &batch, st) ||
        (second && !lm_packing_make(&e->second, &e->model->arch, true, rows, n, &second_batch, st)) ||
        (lm_measured_per_token(kind) && !choose_tokens(e, rows, units, to, &wanted, st)))
        return false;
    bool states = lm_gather_hidden(&e->options) && !e->model->arch.decoder_layers; /* else they are the first stack's */
    lm_select select = {.target = second ? &second_batch : NULL,
                        .hidden = lm_measured_per_token(kind) || states,
                        .pooled = lm_gather_pooler(&e->options),
                        .row_logits = kind != LM_MEASURE_NOTHING};
    const lm_batch *run = &batch;
    if (e->prefix.take)
        run = begin_behind_prefix(e, &batch, to, &short_one, &select, st);
    else
        lm_graph_begin(e->graph, run, (lm_step){0});
    if (!run)
        return false;
    lm_outputs out = {0};
    if (!e->given) {
        out = lm_model_forward(e->model, e->graph, run, &select);
        lm_gather_state(&e->gather, e->graph, &out, &batch, to->row, to->token);
    }
    bool ok = true;
    if (kind == LM_MEASURE_SPAN) {
        measure_spans(e, rows, &batch, out.hidden, to);
    } else if (lm_measured_per_token(kind)) {
        measure_tokens(e, rows, units, out.hidden, wanted, to);
        if (out.row_logits)
            measure_next(e, rows, &batch, out.row_logits, to);
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

bool lm_evaluator_check(lm_evaluator *e, const lm_tokens_row *rows, int64_t n, uint64_t record, lm_status *st)
{
    decide(e, rows, n);
    for (int64_t i = 0; i < n; i++) {
        place p = {.record = record, .row = i};
        if (!check_row(e, &rows[i], &p, st) || !check_label(e, &rows[i], &p, st))
            return false;
    }
    return true;
}

void lm_evaluator_begin_behind(lm_evaluator *e, const lm_evaluate_prefix *prefix)
{
    e->prefix = *prefix;
}

bool lm_evaluator_take(lm_evaluator *e, const lm_tokens_row *rows, int64_t n, const float *logits, lm_status *st)
{
    e->given = logits;
    bool ok = lm_evaluator_run(e, rows, n, 0, NULL, st);
    e->given = NULL;
    return ok;
}

bool lm_evaluator_run(lm_evaluator *e, const lm_tokens_row *rows, int64_t n, uint64_t record,
                      lm_row_outputs *out, lm_status *st)
{
    lm_row_outputs spare;
    if (!out)
        out = &spare;
    *out = (lm_row_outputs){.rows = n};
    if (!lm_evaluator_check(e, rows, n, record, st))
        return false;
    for (int64_t i = 0; i < n; i++) {
        out->tokens += (int64_t)rows[i].len;
        out->units += lm_measured_units(e->tally.kind, &rows[i]);
    }
    if (!lm_gather_begin(&e->gather, &e->options, e->tally.kind, e->tally.columns, e->model->arch.width, out,
                         st))
        return false;
    if (!find_windows(e, rows, n, st))
        return false;
    target to = {0};
    for (int64_t first = 0; first < n;) {
        int64_t last = first, tokens = 0, units = 0, targets = 0;
        while (last < n && last - first < INT_MAX - 1 &&
               (last == first || tokens + targets + (int64_t)(rows[last].len + rows[last].target_len) <=
                                     e->options.batch_tokens)) {
            tokens += (int64_t)rows[last].len;
            targets += (int64_t)rows[last].target_len;
            units += lm_measured_units(e->tally.kind, &rows[last++]);
        }
        if (!run_batch(e, rows + first, (int)(last - first), record, &to, st))
            return false;
        to.row += last - first;
        to.token += tokens;
        to.unit += units;
        first = last;
    }
    int64_t token = 0;
    for (int64_t i = 0; i < n && e->pseudo.model; token += (int64_t)rows[i++].len) {
        if (!lm_pseudo_logprobs(&e->pseudo, &rows[i], lm_gather_logprobs(&e->gather, token), st))
            return false;
    }
    for (int64_t i = 0; i < n; i++)
        lm_tally_seen(&e->tally, &rows[i]);
    return true;
}
