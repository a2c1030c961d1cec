/* For pipeline tests: `golden_stream write CASE` makes a tokens stream of a golden's batches, and
 * `golden_stream compare CASE` reads what score has added to it and compares that with transformers' values;
 * `golden_stream texts CASE` prints the texts of an end-to-end golden with their predicted labels as JSON
 * Lines, and `golden_stream items CASE` compares what score says of them. CASE is a directory. Exit status 1
 * where something differs. */
#include "golden.h"

#include "base/memory.h"
#include "stream/lms.h"
#include "stream/tokens.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT 5e-5

static int die(const char *what)
{
    fprintf(stderr, "golden_stream: %s\n", what);
    exit(EXIT_FAILURE);
}

static bool is_mlm(const golden *g)
{
    const char *head = json_string_value(json_object_get(g->json, "head"));
    return strcmp(head, "mlm") == 0 || strcmp(head, "pretrain") == 0;
}

static void write_batch(const golden *g, const json_t *json, lm_tokens_writer *t, lm_status *st)
{
    golden_batch b = golden_batch_read(json);
    for (int r = 0; r < b.batch.rows; r++) {
        size_t at = (size_t)b.row_splits[r], n = (size_t)b.row_splits[r + 1] - at,
               columns = (size_t)b.columns;
        uint8_t *types = lm_calloc(n, 1), *several = lm_calloc(columns + 1, 1);
        for (size_t i = 0; i < n; i++)
            types[i] = (uint8_t)b.types[at + i];
        for (size_t k = 0; k < columns; k++)
            several[k] = b.values[(size_t)r * columns + k] != 0;
        lm_tokens_row row = {.ids = b.ids + at, .len = n, .types = types};
        if (is_mlm(g)) {
            row.mlm_labels = b.labels + at;
        } else if (b.labels) {
            row.has_label_id = true;
            row.label_id = b.labels[r];
        } else if (columns == 1) {
            row.has_label_float = true;
            row.label_float = b.values[r];
        } else {
            row.multi_label = several;
            row.classes = columns;
        }
        lm_tokens_writer_add(t, &row, st);
        lm_tokens_writer_flush(t, st); /* a row a record, as a careful writer might */
        free(types);
        free(several);
    }
    golden_batch_free(&b);
}

static void write_stream(const golden *g, lm_status *st)
{
    lm_lms_writer *w =
        lm_lms_writer_new(STDOUT_FILENO, "standard output", LM_KIND_TOKENS, NULL, NULL, NULL, st);
    lm_tokens_writer *t = lm_tokens_writer_new(w);
    size_t i;
    json_t *batch;
    json_array_foreach(json_object_get(g->json, "batches"), i, batch)
        write_batch(g, batch, t, st);
    lm_tokens_writer_free(t);
    lm_lms_writer_close(w, st);
    lm_lms_writer_free(w);
}

/* Compares a column of the record in hand with row r of a batch. */
static bool compare(const golden *g, const json_t *json, const golden_batch *b, int r,
                    const lm_record *record, const char *column, const char *array)
{
    const lm_column *c = lm_record_column(record, column);
    const char *batch = json_string_value(json_object_get(json, "name"));
    char *name = lm_format("%s.%s", batch, array);
    bool ragged = c && c->rows && strcmp(c->rows, "ids.splits") == 0;
    if (!golden_has(g, name) || !c) {
        bool neither = !golden_has(g, name) && !c;
        free(name);
        return neither;
    }
    size_t width = (size_t)(c->shape.dims > 1 ? c->shape.size[1] : 1);
    size_t rows = (size_t)b->batch.rows * (ragged ? (size_t)b->padded : 1),
           n = (size_t)c->shape.size[0] * width;
    const float *all = golden_find(g, name, rows * width);
    double d = golden_difference(c->data, all + (size_t)r * (ragged ? (size_t)b->padded : 1) * width, n);
    if (d > LIMIT)
        fprintf(stderr, "golden_stream: %s, row %d differs by %g\n", name, r, d);
    free(name);
    return d <= LIMIT;
}

static bool compare_stream(const golden *g, lm_status *st)
{
    lm_input *in = lm_input_open("-", st);
    lm_lms_reader *reader = in ? lm_lms_reader_new(in, st) : NULL;
    bool same = reader != NULL;
    size_t i;
    json_t *batch;
    json_array_foreach(json_object_get(g->json, "batches"), i, batch) {
        golden_batch b = golden_batch_read(batch);
        for (int r = 0; r < b.batch.rows && same; r++) {
            lm_record record;
            same = lm_lms_next(reader, &record, st) == 1 && lm_record_column(&record, "logits") &&
                   compare(g, batch, &b, r, &record, "logits", "logits") &&
                   lm_record_column(&record, "ids") &&
                   (!lm_record_column(&record, "pooled") ||
                    compare(g, batch, &b, r, &record, "pooled", "pooled")) &&
                   (!golden_has(g, "A.hidden_last") || i || !lm_record_column(&record, "hidden") ||
                    compare(g, batch, &b, r, &record, "hidden", "hidden_last"));
        }
        golden_batch_free(&b);
    }
    lm_record end;
    same = same && lm_lms_next(reader, &end, st) == 0;
    lm_lms_reader_free(reader);
    lm_input_close(in);
    return same;
}

static json_t *open_items(const char *dir)
{
    char *path = lm_format("%s/golden.json", dir);
    json_t *root = json_load_file(path, 0, NULL), *items = json_incref(json_object_get(root, "items"));
    free(path);
    json_decref(root);
    return items ? items : (die(dir), NULL);
}

static void print_texts(const json_t *items)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)items, i, item) {
        json_t *line = json_pack("{s:O, s:O}", "text", json_object_get(item, "text"), "label",
                                 json_object_get(item, "label"));
        if (json_object_get(item, "pair"))
            json_object_set(line, "pair", json_object_get(item, "pair"));
        char *text = json_dumps(line, JSON_COMPACT);
        puts(text);
        free(text);
        json_decref(line);
    }
}

static bool near_list(const json_t *want, const float *have)
{
    bool near = true;
    size_t k;
    json_t *v;
    json_array_foreach((json_t *)want, k, v)
        near = near && fabs(json_number_value(v) - (double)have[k]) <= LIMIT;
    return near;
}

/* Logits, probabilities and the name of the predicted class of each text, in order. */
static bool compare_items(const json_t *items, lm_status *st)
{
    lm_input *in = lm_input_open("-", st);
    lm_lms_reader *reader = in ? lm_lms_reader_new(in, st) : NULL;
    lm_record record;
    size_t i = 0;
    bool same = reader != NULL;
    while (same && lm_lms_next(reader, &record, st) == 1) {
        const lm_column *logits = lm_record_column(&record, "logits"),
                        *probs = lm_record_column(&record, "probs");
        const json_t *names = json_object_get(json_object_get(record.header, "fields"), "prediction");
        for (int64_t r = 0; r < record.n && same; r++, i++) {
            const json_t *item = json_array_get(items, i), *name = json_array_get(names, (size_t)r);
            same = logits && probs && json_equal(name, json_object_get(item, "label")) &&
                   near_list(json_object_get(item, "logits"),
                             (const float *)logits->data + r * logits->shape.size[1]) &&
                   near_list(json_object_get(item, "probs"),
                             (const float *)probs->data + r * probs->shape.size[1]);
            if (!same)
                fprintf(stderr, "golden_stream: text %zu differs\n", i);
        }
    }
    lm_lms_reader_free(reader);
    lm_input_close(in);
    return same && i == json_array_size(items);
}

static int end_to_end(const char *what, const char *dir)
{
    lm_status st = LM_STATUS_INIT;
    json_t *items = open_items(dir);
    bool same = true;
    if (strcmp(what, "texts") == 0)
        print_texts(items);
    else
        same = compare_items(items, &st);
    json_decref(items);
    return same && lm_ok(&st) ? EXIT_SUCCESS
                              : die(lm_ok(&st) ? "what score says is not the reference" : st.message);
}

int main(int argc, char **argv)
{
    lm_status st = LM_STATUS_INIT;
    if (argc != 3)
        return die("write, compare, texts or items, and the directory of a golden");
    if (strcmp(argv[1], "texts") == 0 || strcmp(argv[1], "items") == 0)
        return end_to_end(argv[1], argv[2]);
    golden g = golden_open_directory(argv[2]);
    bool same = true;
    if (strcmp(argv[1], "write") == 0)
        write_stream(&g, &st);
    else
        same = compare_stream(&g, &st);
    golden_close(&g);
    if (!lm_ok(&st))
        return die(st.message);
    return same ? EXIT_SUCCESS : die("the stream is not what transformers computed");
}
