#include "metrics/score_written.h"
#include "config.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"
#include "metrics/fields.h"
#include "metrics/gates.h"
#include "metrics/resampled.h"

#include <inttypes.h>
#include <stdlib.h>

/* Rows that are measured at once, and about how many bytes of them at most. */
enum { BATCH_ROWS = 1024, BATCH_BYTES = 8 << 20 };

/* Texts of some rows, one after the other: what was written and, of --compare, what another wrote, then the references. */
typedef struct batch {
    lm_buf bytes;
    struct part {
        size_t at, len;
    } *parts;
    size_t part_count, part_cap, rows;
    size_t first[BATCH_ROWS + 1]; /* part of each row, and the end */
} batch;

typedef struct run {
    const lm_score_options *o;
    lm_fields *own, *rival; /* rival: NULL = none */
    lm_fields **references; /* [o->references.count]; none: they are in the records themselves */
    lm_written *mine, *theirs;
    lm_gates gates;
    lm_output_file *out;
    batch batch;
} run;

/* ------------------------------------------------------------------ options */

static bool read_options(run *r, lm_status *st)
{
    const lm_score_options *o = r->o;
    const struct {
        bool given;
        const char *option;
    } others[] = {{o->common->model, "-m"}, {o->emit.count, "--emit"}, {o->html, "--html"},        {o->log, "--log"},
                  {o->report, "--report"},  {o->per_class, "--per-class"}, {o->confusion, "--confusion"}, {o->task, "--task"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].given)
            return lm_fail(st, LM_USAGE, "%s is about a model, and texts that were written (--references, --target) are measured without",
                           others[i].option);
    return lm_gates_read(&r->gates, &o->fail_under, &o->fail_over, st);
}

static bool open_all(run *r, lm_status *st)
{
    const lm_score_options *o = r->o;
    lm_text_format format = (lm_text_format)o->input_format;
    lm_written_options how = o->written;
    how.answers = o->measures.answers;
    for (size_t i = 0; i < o->metrics.count; i++)
        if (!lm_written_choose(&how, o->metrics.items[i], st))
            return false;
    r->references = lm_calloc(o->references.count + 1, sizeof *r->references);
    for (size_t i = 0; i < o->references.count; i++) {
        r->references[i] = lm_fields_open(&(lm_strings){&o->references.items[i], 1, 1}, format, st);
        if (!r->references[i])
            return false;
    }
    r->mine = lm_written_new(&how);
    r->own = lm_fields_open(&o->common->operands, format, st);
    if (lm_ok(st) && o->compare) {
        const char *path = o->compare;
        r->rival = lm_fields_open(&(lm_strings){&path, 1, 1}, format, st);
        r->theirs = lm_written_new(&how);
    }
    if (lm_ok(st))
        r->out = lm_output_file_open(o->common->output, st);
    return lm_ok(st);
}

/* ------------------------------------------------------------------ rows */

static void keep(batch *b, lm_str text)
{
    LM_GROW(b->parts, b->part_count, b->part_cap);
    b->parts[b->part_count++] = (struct part){b->bytes.len, text.len};
    lm_buf_append(&b->bytes, text.data, text.len);
}

/* The texts of a field, or the one text where `single`. */
static bool keep_field(batch *b, lm_fields *f, const char *field, const char *option, bool single, lm_status *st)
{
    lm_str json;
    const lm_str *texts;
    size_t n;
    if (!lm_fields_find(f, field, &json))
        return lm_fields_missing(f, field, option, st);
    if (!lm_fields_texts(f, field, json, &texts, &n, st))
        return false;
    if (n == 0 || (single && n > 1))
        return lm_fail(st, LM_FAILED, "%s: field `%s` is a list of %zu texts: %s is expected", lm_fields_where(f), field, n,
                       single ? "one" : "one or more");
    for (size_t i = 0; i < n; i++)
        keep(b, texts[i]);
    return true;
}

/* The next record of another file, which has one for each. */
static bool next_beside(const run *r, lm_fields *f, lm_status *st)
{
    int got = lm_fields_next(f, st);
    if (got == 0)
        lm_fail(st, LM_FAILED, "%s ends before %s: a text for each line or record is expected", lm_fields_name(f),
                lm_fields_where(r->own));
    return got > 0;
}

static const char *text_field(const run *r)
{
    return r->o->text ? r->o->text : "text";
}

static bool read_row(run *r, lm_status *st)
{
    const lm_score_options *o = r->o;
    batch *b = &r->batch;
    if (!keep_field(b, r->own, text_field(r), "--text", true, st))
        return false;
    if (r->rival && (!next_beside(r, r->rival, st) || !keep_field(b, r->rival, text_field(r), "--text", true, st)))
        return false;
    for (size_t i = 0; i < o->references.count; i++) {
        const char *field = o->target ? o->target : "text";
        if (!next_beside(r, r->references[i], st) || !keep_field(b, r->references[i], field, "--target", false, st))
            return false;
    }
    if (!o->references.count && lm_fields_is_line(r->own))
        return lm_fail(st, LM_FAILED, "%s: a line of text has no field `%s`: give the references with --references FILE",
                       lm_fields_where(r->own), o->target);
    if (!o->references.count && !keep_field(b, r->own, o->target, "--target", false, st))
        return false;
    b->first[++b->rows] = b->part_count;
    return true;
}

/* A line for each row: its values, and the text without tabs and line feeds. */
static bool print_rows(run *r, size_t from, const lm_written_row *rows, lm_status *st)
{
    lm_buf out = {0};
    for (size_t i = 0; i < r->batch.rows; i++) {
        lm_written_print_row(r->mine, from + i, &out);
        lm_buf_printf(&out, "\t%zu\t", from + i + 1);
        for (size_t k = 0; k < rows[i].text.len; k++)
            lm_buf_putc(&out, (unsigned char)rows[i].text.data[k] < 0x20 ? ' ' : rows[i].text.data[k]);
        lm_buf_putc(&out, '\n');
    }
    bool ok = lm_write_all(lm_output_file_fd(r->out), out.data, out.len, lm_output_file_name(r->out), st);
    lm_buf_free(&out);
    return ok;
}

static bool measure_batch(run *r, lm_status *st)
{
    batch *b = &r->batch;
    if (b->rows == 0)
        return true;
    size_t from = lm_written_rows(r->mine), written = r->rival ? 2 : 1;
    lm_str *texts = lm_malloc(b->part_count + 1, sizeof *texts);
    lm_written_row *rows = lm_malloc(b->rows + 1, sizeof *rows);
    for (size_t i = 0; i < b->part_count; i++)
        texts[i] = (lm_str){b->bytes.data + b->parts[i].at, b->parts[i].len};
    for (size_t i = 0; i < b->rows; i++) {
        size_t first = b->first[i];
        rows[i] = (lm_written_row){texts[first], texts + first + written, b->first[i + 1] - first - written};
    }
    lm_written_add(r->mine, rows, b->rows);
    bool ok = !r->o->tsv || print_rows(r, from, rows, st);
    for (size_t i = 0; i < b->rows; i++)
        rows[i].text = texts[b->first[i] + 1];
    if (r->theirs)
        lm_written_add(r->theirs, rows, b->rows);
    free(texts);
    free(rows);
    b->bytes.len = b->part_count = b->rows = 0;
    return ok;
}

static bool read_all(run *r, lm_status *st)
{
    int got;
    while ((got = lm_fields_next(r->own, st)) > 0) {
        if (!lm_signal_check(st) || !read_row(r, st))
            return false;
        if ((r->batch.rows == BATCH_ROWS || r->batch.bytes.len >= BATCH_BYTES) && !measure_batch(r, st))
            return false;
        lm_progress_update(lm_written_rows(r->mine) + r->batch.rows, NULL);
    }
    if (got < 0 || !measure_batch(r, st))
        return false;
    if (!lm_written_rows(r->mine))
        return lm_fail(st, LM_FAILED, "%s: there is no text", lm_fields_name(r->own));
    for (size_t i = 0; i <= r->o->references.count; i++) {
        lm_fields *f = i < r->o->references.count ? r->references[i] : r->rival;
        if (f && lm_fields_next(f, st) > 0)
            return lm_fail(st, LM_FAILED, "%s goes on behind the %zu texts of %s: a text for each line or record is expected",
                           lm_fields_where(f), lm_written_rows(r->mine), lm_fields_name(r->own));
    }
    return lm_ok(st);
}

/* ------------------------------------------------------------------ report */

static void measure(const void *of, const uint32_t *times, lm_report *report)
{
    lm_written_measure(of, times, report);
}

static void add_signatures(const run *r, lm_report *report)
{
    const lm_measure_options *how = &r->o->measures;
    lm_buf bootstrap = {0}, all = {0};
    if (how->intervals)
        lm_buf_printf(&bootstrap, "bs:%d|seed:%" PRIu64, how->resamples, how->seed);
    lm_written_signatures(r->mine, bootstrap.len ? lm_buf_cstr(&bootstrap) : "", report);
    lm_buf_printf(&all, "measure:written|rows:%zu|data:%016" PRIx64, lm_written_rows(r->mine), lm_written_digest(r->mine));
    if (how->intervals) {
        lm_buf_putc(&all, '|');
        lm_sign_intervals(how, &all);
    }
    lm_buf_printf(&all, "|lmutils:%s", PACKAGE_VERSION);
    lm_report_text(report, "signature", lm_buf_cstr(&all));
    lm_buf_free(&bootstrap);
    lm_buf_free(&all);
}

static lm_report *report_of(const run *r)
{
    const lm_measure_options *how = &r->o->measures;
    lm_report *report = lm_report_new();
    size_t rows = lm_written_rows(r->mine), unseen = lm_written_unseen(r->mine);
    lm_measurable mine = {measure, r->mine}, theirs = {measure, r->theirs};
    if (unseen)
        lm_warn("ROUGE sees nothing in the references of %zu of %zu texts: its words are runs of a-z and 0-9: --rouge-tokens words or "
                "chars takes letters of any script", unseen, rows);
    lm_report_count(report, "rows", rows);
    lm_written_measure(r->mine, NULL, report);
    if (how->intervals)
        lm_add_intervals(&mine, rows, how, 1, report);
    if (r->theirs)
        lm_add_comparison(&mine, &theirs, rows, how, report);
    add_signatures(r, report);
    return report;
}

static void conclude(run *r, lm_status *st)
{
    lm_report *report = report_of(r);
    if (!r->o->tsv)
        lm_report_write(report, r->o->json, false, r->out, st);
    lm_gates_publish(&r->gates, report, r->out, st);
    r->out = NULL;
    lm_report_free(report);
}

bool lm_score_written(const lm_score_options *o, lm_status *st)
{
    run *r = lm_calloc(1, sizeof *r);
    r->o = o;
    if (read_options(r, st) && open_all(r, st)) {
        lm_progress_begin("scoring", "texts", 0);
        bool ok = read_all(r, st);
        lm_progress_end();
        if (ok)
            conclude(r, st);
    }
    if (r->out)
        lm_output_file_discard(r->out, false);
    lm_fields_free(r->own);
    lm_fields_free(r->rival);
    for (size_t i = 0; r->references && i < o->references.count; i++)
        lm_fields_free(r->references[i]);
    free(r->references);
    lm_written_free(r->mine);
    lm_written_free(r->theirs);
    lm_gates_free(&r->gates);
    lm_buf_free(&r->batch.bytes);
    free(r->batch.parts);
    free(r);
    return lm_ok(st);
}
