/* What is in a model, and what would become of it. */
#include "model/quantise/job.h"

#include "base/memory.h"
#include "stream/json_tree.h"

#include <stdlib.h>

typedef struct row {
    const char *name;
    lm_shape shape;
    lm_dtype type;
    uint64_t bytes;
    lm_dtype to; /* of a plan */
    uint64_t bytes_to;
} row;

typedef struct total {
    size_t tensors, numbers;
    uint64_t bytes;
} total;

/* ------------------------------------------------------------------ tables */

static void print_shape(const lm_shape *s, lm_buf *out)
{
    for (int d = 0; d < s->dims; d++)
        lm_buf_printf(out, d ? "x%lld" : "%lld", (long long)s->size[d]);
}

static size_t numbers_of(const row *r)
{
    size_t n = 0;
    lm_shape_elements(&r->shape, &n);
    return n;
}

static void add_totals(const row *rows, size_t count, bool planned, total of[LM_DTYPE_COUNT], total *all)
{
    for (size_t i = 0; i < count; i++) {
        total *by[] = {&of[planned ? rows[i].to : rows[i].type], all};
        for (int k = 0; k < 2; k++) {
            by[k]->tensors++;
            by[k]->numbers += numbers_of(&rows[i]);
            by[k]->bytes += planned ? rows[i].bytes_to : rows[i].bytes;
        }
    }
}

static void print_totals(const row *rows, size_t count, bool planned, lm_buf *out)
{
    total of[LM_DTYPE_COUNT] = {0}, all = {0};
    add_totals(rows, count, planned, of, &all);
    for (int t = 0; t < LM_DTYPE_COUNT; t++)
        if (of[t].tensors)
            lm_buf_printf(out, "%-6s %5zu tensors %14zu numbers %14llu bytes\n", lm_dtype_name((lm_dtype)t), of[t].tensors,
                          of[t].numbers, (unsigned long long)of[t].bytes);
    lm_buf_printf(out, "total  %5zu tensors %14zu numbers %14llu bytes, %.3f bits a number\n", all.tensors, all.numbers,
                  (unsigned long long)all.bytes, all.numbers ? 8.0 * (double)all.bytes / (double)all.numbers : 0.0);
}

static void print_text(const row *rows, size_t count, bool planned, lm_buf *out)
{
    int widest = 4;
    for (size_t i = 0; i < count; i++)
        widest = (int)strlen(rows[i].name) > widest ? (int)strlen(rows[i].name) : widest;
    lm_buf_printf(out, "%-*s  %-14s  %-6s  %12s%s\n", widest, "name", "shape", "type", "bytes",
                  planned ? "      becomes         bytes" : "");
    for (size_t i = 0; i < count; i++) {
        const row *r = &rows[i];
        lm_buf shape = {0};
        print_shape(&r->shape, &shape);
        lm_buf_printf(out, "%-*s  %-14s  %-6s  %12llu", widest, r->name, lm_buf_cstr(&shape), lm_dtype_name(r->type),
                      (unsigned long long)r->bytes);
        if (planned)
            lm_buf_printf(out, "      %-6s   %12llu", lm_dtype_name(r->to), (unsigned long long)r->bytes_to);
        lm_buf_putc(out, '\n');
        lm_buf_free(&shape);
    }
    lm_buf_putc(out, '\n');
    print_totals(rows, count, planned, out);
}

static void print_tsv(const row *rows, size_t count, lm_buf *out)
{
    lm_buf_puts(out, "name\tshape\ttype\tbytes\n");
    for (size_t i = 0; i < count; i++) {
        lm_buf_printf(out, "%s\t", rows[i].name);
        print_shape(&rows[i].shape, out);
        lm_buf_printf(out, "\t%s\t%llu\n", lm_dtype_name(rows[i].type), (unsigned long long)rows[i].bytes);
    }
}

static void print_json(const row *rows, size_t count, lm_buf *out)
{
    total of[LM_DTYPE_COUNT] = {0}, all = {0};
    json_t *tensors = json_array(), *types = json_object();
    add_totals(rows, count, false, of, &all);
    for (size_t i = 0; i < count; i++) {
        json_t *shape = json_array();
        for (int d = 0; d < rows[i].shape.dims; d++)
            json_array_append_new(shape, json_integer(rows[i].shape.size[d]));
        json_array_append_new(tensors, json_pack("{s:s, s:o, s:s, s:I}", "name", rows[i].name, "shape", shape, "type",
                                                 lm_dtype_name(rows[i].type), "bytes", (json_int_t)rows[i].bytes));
    }
    for (int t = 0; t < LM_DTYPE_COUNT; t++)
        if (of[t].tensors)
            json_object_set_new(types, lm_dtype_name((lm_dtype)t),
                                json_pack("{s:I, s:I, s:I}", "tensors", (json_int_t)of[t].tensors, "numbers",
                                          (json_int_t)of[t].numbers, "bytes", (json_int_t)of[t].bytes));
    json_t *root = json_pack("{s:o, s:o, s:I, s:I, s:I}", "tensors", tensors, "types", types, "count", (json_int_t)all.tensors,
                             "numbers", (json_int_t)all.numbers, "bytes", (json_int_t)all.bytes);
    char *text = json_dumps(root, JSON_COMPACT);
    lm_buf_puts(out, text ? text : "");
    lm_buf_putc(out, '\n');
    free(text);
    json_decref(root);
}

/* ------------------------------------------------------------------ models */

/* The tensors of a GGUF file, of whatever architecture. */
static bool rows_of_file(const lm_gguf *f, row **rows, size_t *count, char ***names, lm_status *st)
{
    *count = lm_gguf_tensors(f);
    *rows = lm_calloc(*count + 1, sizeof **rows);
    *names = lm_calloc(*count + 1, sizeof **names);
    for (size_t i = 0; i < *count; i++) {
        const lm_gguf_tensor *t = lm_gguf_tensor_at(f, i);
        if (t->dtype == LM_DTYPE_COUNT)
            return lm_fail(st, LM_FAILED, "%s: tensor \"%.*s\" is of ggml's type %u, which is not known here", lm_gguf_name(f),
                           (int)t->name.len, t->name.data, (unsigned)t->type);
        (*names)[i] = lm_strndup(t->name.data, t->name.len);
        (*rows)[i] = (row){.name = (*names)[i], .shape = t->shape, .type = t->dtype, .bytes = t->bytes};
    }
    return true;
}

static row *rows_of_checkpoint(const lm_checkpoint *c, size_t *count)
{
    *count = lm_checkpoint_weights(c);
    row *rows = lm_calloc(*count + 1, sizeof *rows);
    for (size_t i = 0; i < *count; i++) {
        const lm_weight *w = lm_checkpoint_weight(c, i);
        rows[i] = (row){.name = w->name, .shape = w->shape, .type = w->dtype, .bytes = w->bytes};
    }
    return rows;
}

bool lm_quantise_inspect(const char *model, lm_table_form form, lm_buf *out, lm_status *st)
{
    row *rows = NULL;
    char **names = NULL;
    size_t count = 0;
    lm_bundle *b = lm_bundle_is_one(model, st) ? lm_bundle_open_forward(model, st) : NULL;
    const lm_gguf *f = b ? lm_bundle_gguf(b) : NULL;
    lm_checkpoint *c = b && !f ? lm_checkpoint_open(b, st) : NULL;
    if (f)
        rows_of_file(f, &rows, &count, &names, st);
    else if (c && lm_checkpoint_bring(c, NULL, st))
        rows = rows_of_checkpoint(c, &count);
    if (lm_ok(st) && form == LM_TABLE_TEXT)
        print_text(rows, count, false, out);
    else if (lm_ok(st) && form == LM_TABLE_TSV)
        print_tsv(rows, count, out);
    else if (lm_ok(st))
        print_json(rows, count, out);
    for (size_t i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
    free(rows);
    lm_checkpoint_close(c);
    lm_bundle_close(b);
    return lm_ok(st);
}

bool lm_quantise_plan(const lm_quantise_options *options, lm_buf *out, lm_status *st)
{
    lm_quantise_job j;
    if (!lm_quantise_job_open(&j, options, st))
        return false;
    if (!lm_checkpoint_bring(j.checkpoint, NULL, st)) { /* a stream that comes is whole, or there is no plan for it */
        lm_quantise_job_close(&j);
        return false;
    }
    row *rows = lm_calloc(j.count + 1, sizeof *rows);
    for (size_t i = 0; i < j.count; i++) {
        const lm_quantise_tensor *t = &j.tensors[i];
        rows[i] = (row){.name = t->name, .shape = t->shape, .type = t->from->dtype, .bytes = t->from->bytes, .to = t->to};
        for (size_t k = 0; k < t->outputs; k++)
            rows[i].bytes_to += j.outputs[t->output + k].bytes;
    }
    print_text(rows, j.count, true, out);
    free(rows);
    lm_quantise_job_close(&j);
    return true;
}
