#include "metrics/score.h"
#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"
#include "metrics/emit.h"
#include "metrics/evaluate.h"
#include "metrics/gates.h"
#include "metrics/held.h"
#include "metrics/html.h"
#include "metrics/importance.h"
#include "metrics/rival.h"
#include "model/model.h"
#include "stream/lms.h"
#include "stream/tokens.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { MISTAKES = 100 }; /* that a page shows */

/* What is held of a stream until its rows go through the model, in batches of which only the last is not full. */
enum { HELD_BATCHES = 16, HELD_ROWS = 1 << 14, HELD_BYTES = 64 << 20 };

typedef struct score {
    const lm_score_options *o;
    lm_model *model;
    lm_evaluator *evaluator;
    lm_rival *rival; /* of --compare; NULL = none */
    lm_emit emit;
    bool weighs;             /* --emit imatrix: what goes out is an importance matrix */
    lm_graph *graph;         /* that it watches; NULL = the evaluator's own */
    lm_importance *importance;
    bool lines;              /* what is emitted is lines of text (--tsv) */
    lm_tokenizer *tokenizer; /* the model's, for what is put into words; NULL = none */
    lm_wording wording;
    lm_gates gates;
    lm_output_file *out, *html;
    lm_findings *findings; /* for the page; NULL = none */
    lm_curves *curves;
    bool texts;            /* a row has had its text, or the tokens could be read */
    lm_lms_writer *writer; /* of the stream in hand, when emitting tokens */
    json_t *preamble;      /* of the stream in hand */
    lm_held held;          /* its records that have not gone through the model */
    lm_buf text;           /* lines of a record */
    uint64_t stream, checked; /* streams seen; the vocabulary that was compared last */
    uint64_t number;          /* rows so far */
} score;

/* ------------------------------------------------------------------ options */

static bool read_options(score *s, lm_status *st)
{
    const lm_score_options *o = s->o;
    static const char *const predictions[] = {"predictions"};
    lm_strings usual = {(const char **)predictions, 1, 1};
    if (!o->common->model)
        return lm_fail(st, LM_USAGE, "no model: give it with -m");
    s->weighs = o->emit.count == 1 && strcmp(o->emit.items[0], "imatrix") == 0;
    if (s->weighs && (o->tsv || o->top || o->html || o->compare))
        return lm_fail(st, LM_USAGE, "--emit imatrix writes an importance matrix: --tsv, --top, --html and --compare are for others");
    if ((!s->weighs && !lm_emit_read(o->tsv && o->emit.count == 0 ? &usual : &o->emit, &s->emit, st)) ||
        !lm_gates_read(&s->gates, &o->fail_under, &o->fail_over, st))
        return false;
    s->lines = o->tsv;
    if (o->log && !o->html)
        return lm_fail(st, LM_USAGE, "--log names a log whose curves --html shows: give --html too");
    if (o->report && !s->emit.flags && !s->weighs)
        return lm_fail(st, LM_USAGE, "--report is for a report beside --emit: without that, use -o");
    if (o->top && !(s->emit.flags & LM_EMIT_LOGITS))
        return lm_fail(st, LM_USAGE, "--top says how many logits to keep: it goes with --emit logits");
    if (o->pool != LM_POOL_AUTO && !(s->emit.flags & LM_EMIT_POOLED))
        return lm_fail(st, LM_USAGE, "--pool says how a row is pooled: it goes with --emit pooled");
    return true;
}

/* The tokenizer for what people read: the one that is named, or the one beside the model. */
static bool open_tokenizer(score *s, lm_status *st)
{
    const char *dir = s->o->tokenizer ? s->o->tokenizer : s->o->common->model;
    if ((s->lines || s->o->html || s->emit.flags & LM_EMIT_PREDICTIONS) &&
        (s->o->tokenizer || lm_model_has_tokenizer(dir)))
        s->tokenizer = lm_tokenizer_open(dir, st);
    s->wording = (lm_wording){.config = s->model->config, .tokenizer = s->tokenizer};
    return lm_ok(st);
}

/* The page is opened before hours of work, and not after. */
static bool open_page(score *s, lm_status *st)
{
    if (!s->o->html)
        return true;
    if (lm_evaluator_kind(s->evaluator) == LM_MEASURE_NOTHING)
        return lm_fail(st, LM_USAGE, "--html: %s has nothing to measure", s->model->architecture);
    lm_evaluator_also(s->evaluator, LM_FINDINGS_NEED);
    s->findings = lm_findings_new(MISTAKES);
    s->texts = s->tokenizer != NULL;
    if (s->o->log)
        s->curves = lm_curves_read(s->o->log, st);
    if (lm_ok(st))
        s->html = lm_output_file_open(s->o->html, st);
    return lm_ok(st);
}

/* For the inputs of its layers a model needs no head; a second stack has to have one. */
static bool open_model(score *s, lm_status *st)
{
    const lm_score_options *o = s->o;
    lm_model_options options = {.task = o->task, .plugin_path = o->common->plugin, .check = o->check};
    if (s->weighs && !o->task && !o->report && !s->gates.count) {
        options.config = lm_model_config(o->common->model, st);
        if (!options.config)
            return false;
        bool two = lm_config_bool(options.config, "is_encoder_decoder", false);
        options.task = two ? NULL : "base";
        options.quiet = !two;
    }
    s->model = lm_model_open(o->common->model, &options, st);
    if (!s->model || !s->weighs)
        return s->model != NULL;
    s->graph = lm_graph_new(s->model->params);
    s->importance = lm_importance_new(s->model, s->graph, st);
    return s->importance != NULL;
}

static bool open_all(score *s, lm_status *st)
{
    const lm_common *common = s->o->common;
    if (!read_options(s, st) || !open_model(s, st))
        return false;
    if (!open_tokenizer(s, st))
        return false;
    lm_params_set_activations(s->model->params, (lm_activations)s->o->activations);
    lm_evaluate_options evaluate = {.batch_tokens = (int)s->o->batch_tokens,
                                    .emit = s->emit.flags,
                                    .top = (int)s->o->top,
                                    .pool = (lm_pool)s->o->pool,
                                    .measures = s->o->measures};
    s->evaluator = lm_evaluator_new(s->model, s->graph, &evaluate, st);
    if (s->evaluator && !s->emit.flags && !s->weighs && lm_evaluator_kind(s->evaluator) == LM_MEASURE_NOTHING)
        lm_fail(st, LM_USAGE, "%s: %s has nothing to measure: give --emit hidden or pooled", common->model,
                s->model->architecture);
    evaluate.emit = 0;
    lm_rival_options rival = {.path = s->o->compare,
                              .tokenizer = s->o->tokenizer,
                              .plugin = common->plugin,
                              .task = s->o->task,
                              .force = s->o->force,
                              .activations = (lm_activations)s->o->activations,
                              .evaluate = evaluate};
    if (lm_ok(st) && s->o->compare)
        s->rival = lm_rival_open(&rival, st);
    if (lm_ok(st) && open_page(s, st))
        s->out = lm_output_file_open(common->output, st);
    if (!lm_ok(st) || s->lines || !(s->emit.flags || s->weighs))
        return lm_ok(st);
    return lm_tool_refuse_terminal(lm_output_file_fd(s->out), s->weighs ? "importance matrices" : "tokens", st);
}

/* ------------------------------------------------------------------ records */

/* A stream begins: its tokenizer is compared with the model's, and the stream that goes out begins too. */
static bool begin_stream(score *s, lm_lms_reader *reader, lm_status *st)
{
    json_t *preamble = lm_lms_reader_preamble(reader);
    lm_tokenizer_info info = LM_TOKENIZER_INFO_NONE;
    if (lm_lms_reader_kind(reader) != LM_KIND_TOKENS)
        return lm_fail(st, LM_FAILED, "%s: a stream of kind %s, and score reads tokens: send it through tok",
                       lm_lms_reader_where(reader), lm_lms_kind_name(lm_lms_reader_kind(reader)));
    if (!lm_tokenizer_info_read(preamble, &info, st))
        return false;
    if (!lm_evaluator_tokenizer(s->evaluator, &info, st) ||
        !lm_evaluator_tags(s->evaluator, json_object_get(preamble, "tags"), st) ||
        !lm_evaluator_columns(s->evaluator, json_object_get(preamble, "labels"), st))
        return false;
    json_decref(s->preamble);
    s->preamble = json_incref(preamble);
    s->wording.tags = json_object_get(preamble, "tags");
    bool check = !s->stream++ || info.xxh3 != s->checked;
    if (check && !lm_model_check_tokenizer(s->model, s->o->tokenizer, &info, s->o->force, st))
        return false;
    s->checked = info.xxh3;
    if (s->rival && !lm_rival_begin(s->rival, preamble, check ? &info : NULL, st))
        return false;
    if (!s->emit.flags || s->lines)
        return true;
    if (s->writer && !lm_lms_write_end(s->writer, st))
        return false;
    lm_lms_writer_free(s->writer);
    json_t *members = json_copy(preamble);
    static const char *const own[] = {"lms", "kind", "producer", "via"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        json_object_del(members, own[i]);
    s->writer = lm_lms_writer_new(lm_output_file_fd(s->out), lm_output_file_name(s->out), LM_KIND_TOKENS,
                                  members, json_object_get(preamble, "via"), s->o->common->command_line, st);
    json_decref(members);
    return s->writer != NULL;
}

/* What was made of a record's rows goes on. */
static bool emit(score *s, const lm_held_record *r, const lm_tokens_row *rows, const lm_row_outputs *out, lm_status *st)
{
    if (!s->emit.flags)
        return true;
    if (!s->lines)
        return r->pairs ? lm_emit_answers(s->writer, r->record, &r->view, out, st)
                        : lm_emit_record(s->writer, r->record, rows, out, s->emit.flags, &s->wording, st);
    s->text.len = 0;
    lm_emit_lines(&s->emit, &s->wording, &r->view, rows, out, s->number + 1, &s->text);
    return lm_write_all(lm_output_file_fd(s->out), s->text.data, s->text.len, lm_output_file_name(s->out),
                        st);
}

/* The records that are held go through the model, and on. */
static bool run_held(score *s, lm_status *st)
{
    lm_held *h = &s->held;
    lm_row_outputs all;
    if (h->count == 0)
        return lm_ok(st);
    if (!lm_evaluator_run(s->evaluator, h->rows, h->row_count, 0, &all, st) ||
        (s->rival && !lm_rival_run(s->rival, h->rows, h->row_count, st)))
        return false;
    lm_place at = {.row = h->rows};
    for (size_t i = 0; i < h->count; i++) {
        const lm_held_record *r = &h->records[i];
        const lm_tokens_row *rows = h->rows + r->row;
        lm_row_outputs out = lm_row_outputs_part(&all, &at, r->rows);
        if (!emit(s, r, rows, &out, st))
            return false;
        if (s->findings) {
            lm_findings_add(s->findings, &s->wording, r->view.id, rows, &out, s->number + 1);
            s->texts = s->texts || r->view.text;
        }
        s->number += (uint64_t)r->view.n;
    }
    lm_held_clear(h);
    return true;
}

/* Whether no more is to be held. Outputs of all tokens are as large as they are: one record's at a time. */
static bool is_full(const score *s)
{
    const lm_held *h = &s->held;
    unsigned large = LM_EMIT_HIDDEN | (lm_measured_per_token(lm_evaluator_kind(s->evaluator)) && !s->o->top
                                           ? LM_EMIT_LOGITS | LM_EMIT_PROBS
                                           : 0);
    return s->emit.flags & large || h->row_count >= HELD_ROWS || h->bytes >= HELD_BYTES ||
           h->tokens >= HELD_BATCHES * (int64_t)lm_evaluator_batch_tokens(s->evaluator);
}

static bool read_record(score *s, const lm_record *record, lm_status *st)
{
    if (record->flush)
        return run_held(s, st) && (!s->writer || lm_lms_write_flush(s->writer, st));
    if (!lm_held_add(&s->held, record, s->emit.flags == LM_EMIT_LOGPROBS && !s->lines, st))
        return false;
    const lm_held_record *r = &s->held.records[s->held.count - 1];
    /* now, while the message can name the record */
    if (!lm_evaluator_check(s->evaluator, s->held.rows + r->row, r->rows, 0, st))
        return false;
    return !is_full(s) || run_held(s, st);
}

static bool read_input(score *s, const char *path, lm_status *st)
{
    lm_input *in = lm_input_open(path, st);
    lm_lms_reader *reader = in ? lm_lms_reader_new(in, st) : NULL;
    uint64_t streams = 0;
    while (reader) {
        lm_record record;
        int got = lm_lms_next(reader, &record, st);
        if (lm_lms_reader_streams(reader) != streams && lm_ok(st) && run_held(s, st)) {
            streams = lm_lms_reader_streams(reader);
            begin_stream(s, reader, st);
        }
        if (got <= 0 || !lm_ok(st) || !lm_signal_check(st))
            break;
        if (!read_record(s, &record, st)) {
            lm_fail_prefix(st, lm_lms_reader_where(reader));
            break;
        }
        lm_progress_update(lm_lms_reader_examples(reader), NULL);
    }
    lm_status ended = LM_STATUS_INIT;
    if (lm_ok(st) || st->code == LM_ENDED) /* of a stream that broke off, what came whole goes on */
        run_held(s, lm_ok(st) ? st : &ended);
    lm_status_clear(&ended);
    lm_lms_reader_free(reader);
    lm_input_close(in);
    return lm_ok(st);
}

/* ------------------------------------------------------------------ report */

/* `report`: lm_report_json of all, single classes included. */
static void print_page(score *s, json_t *report, lm_status *st)
{
    lm_page page = {.model = s->o->common->model,
                    .architecture = s->model->architecture,
                    .command_line = s->o->common->command_line,
                    .report = report,
                    .findings = s->findings,
                    .curves = s->curves,
                    .texts = s->texts};
    lm_buf text = {0};
    for (size_t i = 0; i < lm_params_count(s->model->params); i++)
        page.parameters += lm_params_at(s->model->params, i)->elements;
    lm_findings_sort(s->findings);
    lm_page_print(&page, &text);
    lm_write_all(lm_output_file_fd(s->html), text.data, text.len, lm_output_file_name(s->html), st);
    if (lm_ok(st))
        lm_output_file_publish(s->html, st);
    else
        lm_output_file_discard(s->html, false);
    s->html = NULL;
    lm_buf_free(&text);
}

/* All that is measured is measured once, the bootstrap above all. *page: what the page shows of it, NULL where there is
 * none; what the report is not asked for is dropped from it. */
static lm_report *measure(score *s, json_t **page, lm_status *st)
{
    const lm_score_options *o = s->o;
    lm_report *report = lm_evaluator_report(s->evaluator, o->per_class || o->confusion || s->html);
    *page = s->html ? lm_report_json(report) : NULL;
    double labelled = 0;
    lm_report_find(report, "labelled", &labelled);
    if (!o->per_class)
        lm_report_drop_classes(report);
    if (!o->per_class && !o->confusion)
        lm_report_drop_details(report);
    if (o->confusion && labelled > 0 && !lm_report_detail_of(report, "confusion_matrix"))
        lm_fail(st, LM_USAGE, "--confusion: a matrix is of rows or tokens with one class each, and %s predicts others",
                s->model->architecture);
    if (s->rival && labelled > 0 && lm_ok(st))
        lm_rival_compare(s->rival, s->evaluator, s->model, report, st);
    return report;
}

/* The report goes to the output, or, beside a stream, to its own file. */
static bool conclude(score *s, lm_status *st)
{
    json_t *page;
    lm_report *report = measure(s, &page, st);
    double labelled = 0;
    lm_report_find(report, "labelled", &labelled);
    size_t files = s->o->common->operands.count;
    if (lm_ok(st) && s->weighs)
        lm_importance_write(s->importance, files ? s->o->common->operands.items[files - 1] : "standard input",
                            lm_output_file_fd(s->out), lm_output_file_name(s->out), st);
    bool measures = !s->emit.flags && !s->weighs;
    if (!lm_ok(st)) {
        /* nothing is printed */
    } else if (measures && !(labelled > 0)) {
        lm_fail(st, LM_FAILED,
                "no row has a label: there is nothing to measure: make tokens with tok --label, or give "
                "--emit");
    } else if (measures) {
        lm_report_write(report, s->o->json, s->o->confusion, s->out, st);
    } else if (s->o->report) {
        lm_output_file *file = lm_output_file_open(s->o->report, st);
        if (file) {
            lm_report_write(report, s->o->json, s->o->confusion, file, st);
            if (lm_ok(st))
                lm_output_file_publish(file, st);
            else
                lm_output_file_discard(file, false);
        }
    }
    if (lm_ok(st) && s->html)
        print_page(s, page, st);
    json_decref(page);
    lm_gates_publish(&s->gates, report, s->out, st);
    s->out = NULL;
    lm_report_free(report);
    return lm_ok(st);
}

bool lm_score(const lm_score_options *o, lm_status *st)
{
    score s = {.o = o};
    if (open_all(&s, st)) {
        lm_progress_begin("scoring", "rows", 0);
        size_t files = o->common->operands.count;
        for (size_t i = 0; i < (files ? files : 1) && lm_ok(st); i++)
            read_input(&s, files ? o->common->operands.items[i] : "-", st);
        lm_progress_end();
        if (s.writer)
            lm_lms_writer_close(s.writer, st);
        if (lm_ok(st))
            conclude(&s, st);
    }
    if (s.out)
        lm_output_file_discard(s.out, s.emit.flags && st->code == LM_ENDED);
    if (s.html)
        lm_output_file_discard(s.html, false);
    lm_findings_free(s.findings);
    lm_curves_free(s.curves);
    lm_lms_writer_free(s.writer);
    lm_rival_free(s.rival);
    lm_evaluator_free(s.evaluator);
    if (s.graph)
        lm_graph_free(s.graph);
    lm_importance_free(s.importance);
    lm_model_free(s.model);
    lm_tokenizer_free(s.tokenizer);
    lm_buf_free(&s.text);
    lm_gates_free(&s.gates);
    lm_held_free(&s.held);
    json_decref(s.preamble);
    return lm_ok(st);
}
