#include "metrics/rival.h"

#include "base/memory.h"

#include <stdlib.h>
#include <unistd.h>

struct lm_rival {
    lm_rival_options o;
    lm_model *model; /* NULL: the path is a file */
    lm_evaluator *evaluator;
};

/* A model in any of its forms; else tokens or lines, as they are or compressed. */
static bool is_model(const char *path)
{
    lm_status ignored = LM_STATUS_INIT;
    lm_bundle *b = lm_bundle_at(path) ? lm_bundle_open(path, &ignored) : NULL;
    bool is = b && (lm_bundle_is_directory(b) || lm_bundle_gguf(b) || lm_bundle_has(b, "config.json"));
    lm_bundle_close(b);
    lm_status_clear(&ignored);
    return is;
}

lm_rival *lm_rival_open(const lm_rival_options *options, lm_status *st)
{
    lm_rival *v = lm_calloc(1, sizeof *v);
    v->o = *options;
    char *base = lm_bundle_base(v->o.path); /* of a model with adapters beside it */
    bool model = is_model(base);
    if (access(base, R_OK) != 0)
        lm_fail_errno(st, LM_FAILED, "%s", base);
    free(base);
    if (lm_ok(st) && model) {
        lm_model_options how = {.task = v->o.task, .plugin_path = v->o.plugin};
        v->model = lm_model_open(v->o.path, &how, st);
        if (v->model)
            lm_params_set_activations(v->model->params, v->o.activations);
        if (v->model)
            v->evaluator = lm_evaluator_new(v->model, NULL, &v->o.evaluate, st);
    }
    if (lm_ok(st))
        return v;
    lm_rival_free(v);
    lm_fail_prefix(st, "--compare");
    return NULL;
}

void lm_rival_free(lm_rival *v)
{
    if (!v)
        return;
    lm_evaluator_free(v->evaluator);
    lm_model_free(v->model);
    free(v);
}

/* What the streams that an evaluator reads are checked for. */
static bool begin(lm_evaluator *e, json_t *preamble, lm_status *st)
{
    return lm_evaluator_tags(e, json_object_get(preamble, "tags"), st) &&
           lm_evaluator_columns(e, json_object_get(preamble, "labels"), st);
}

bool lm_rival_begin(lm_rival *v, json_t *preamble, const lm_tokenizer_info *info, lm_status *st)
{
    if (!v->model)
        return true;
    return ((!info || lm_model_check_tokenizer(v->model, v->o.tokenizer, info, v->o.force, st)) &&
            begin(v->evaluator, preamble, st)) ||
           lm_fail_prefix(st, v->o.path);
}

bool lm_rival_run(lm_rival *v, const lm_tokens_row *rows, int64_t n, lm_status *st)
{
    return !v->model || lm_evaluator_run(v->evaluator, rows, n, 0, NULL, st) || lm_fail_prefix(st, v->o.path);
}

/* ------------------------------------------------------------------ tokens with logits */

/* How many rows of logits the rows of a record need. */
static int64_t units_of(lm_evaluator *e, const lm_tokens_row *rows, int64_t n)
{
    int64_t units = 0;
    for (int64_t i = 0; i < n; i++)
        units += lm_measured_units(lm_evaluator_kind(e), &rows[i]);
    return units;
}

static bool take_record(lm_evaluator *e, const lm_record *record, lm_status *st)
{
    lm_tokens_view view;
    if (!lm_tokens_view_read(record, &view, st))
        return false;
    lm_tokens_row *rows = lm_malloc((size_t)view.n + 1, sizeof *rows);
    for (int64_t i = 0; i < view.n; i++)
        lm_tokens_view_row(&view, i, &rows[i]);
    /* which kind of labels there are is seen from the rows */
    bool ok = lm_evaluator_check(e, rows, view.n, 0, st), tokens = lm_measured_per_token(lm_evaluator_kind(e));
    const lm_column *logits = lm_record_column(record, "logits");
    if (ok && (!logits || logits->shape.size[0] != units_of(e, rows, view.n) ||
               (int64_t)view.logits.width != lm_evaluator_logits(e)))
        ok = lm_fail(st, LM_FAILED, "it has no logits of %d numbers for each %s: make them with score --emit logits",
                     lm_evaluator_logits(e), tokens ? "token" : "row");
    ok = ok && lm_evaluator_take(e, rows, view.n, view.logits.all, st);
    free(rows);
    return ok;
}

static bool read_tokens(lm_evaluator *e, lm_input *in, lm_status *st)
{
    lm_lms_reader *reader = lm_lms_reader_new(in, st);
    uint64_t streams = 0;
    lm_record record;
    while (reader && lm_lms_next(reader, &record, st) > 0) {
        if (lm_lms_reader_streams(reader) != streams && !begin(e, lm_lms_reader_preamble(reader), st))
            break;
        streams = lm_lms_reader_streams(reader);
        if (!record.flush && !take_record(e, &record, st)) {
            lm_fail_prefix(st, lm_lms_reader_where(reader));
            break;
        }
    }
    lm_lms_reader_free(reader);
    return lm_ok(st);
}

static bool compare_tokens(const lm_rival *v, lm_input *in, lm_evaluator *mine, lm_model *model, lm_report *report,
                           lm_status *st)
{
    lm_evaluator *other = lm_evaluator_new(model, NULL, &v->o.evaluate, st);
    bool ok = other && read_tokens(other, in, st) && lm_evaluator_compare_with(mine, other, v->o.path, report, st);
    lm_evaluator_free(other);
    return ok;
}

bool lm_rival_compare(lm_rival *v, lm_evaluator *mine, lm_model *model, lm_report *report, lm_status *st)
{
    if (v->model)
        return lm_evaluator_compare_with(mine, v->evaluator, v->o.path, report, st);
    bool is_lms;
    lm_input *in = lm_input_open(v->o.path, st);
    if (in && lm_lms_detect(in, &is_lms, st))
        (void)(is_lms ? compare_tokens(v, in, mine, model, report, st) : lm_evaluator_compare(mine, in, report, st));
    lm_input_close(in);
    return lm_ok(st);
}
