#include "golden.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

golden golden_open(const char *path)
{
    char *dir = lm_format("%s/%s", getenv("LMUTILS_TESTDATA"), path);
    golden g = golden_open_directory(dir);
    free(dir);
    return g;
}

golden golden_open_directory(const char *dir)
{
    golden g = {.dir = lm_strdup(dir)};
    char *json = lm_format("%s/golden.json", g.dir), *arrays = lm_format("%s/golden.npz", g.dir);
    g.json = json_load_file(json, 0, NULL);
    MUST(g.json != NULL, "%s", json);
    g.arrays = npz_open(arrays);
    free(json);
    free(arrays);
    return g;
}

void golden_close(golden *g)
{
    npz_close(&g->arrays);
    free(g->dir);
    json_decref(g->json);
}

bool golden_has(const golden *g, const char *name)
{
    return npz_has(&g->arrays, name);
}

const float *golden_find(const golden *g, const char *name, size_t count)
{
    size_t found;
    const float *data = npz_find(&g->arrays, name, "<f4", &found);
    MUST(found == count, "%s: %s has %zu elements, not %zu", g->dir, name, found, count);
    return data;
}

static int32_t integer(const json_t *rows, size_t r, size_t t)
{
    return (int32_t)json_integer_value(json_array_get(json_array_get(rows, r), t));
}

static void read_labels(golden_batch *b, const json_t *json)
{
    const json_t *labels = json_object_get(json, "labels"), *first = json_array_get(labels, 0);
    const json_t *element = json_is_array(first) ? json_array_get(first, 0) : first;
    size_t rows = (size_t)b->batch.rows, tokens = (size_t)b->batch.tokens;
    if (json_is_real(element)) {
        b->columns = json_is_array(first) ? (int)json_array_size(first) : 1;
        b->values = lm_calloc(rows * (size_t)b->columns, sizeof *b->values);
        for (size_t r = 0; r < rows; r++) {
            for (size_t k = 0; k < (size_t)b->columns; k++) {
                const json_t *row = json_array_get(labels, r);
                const json_t *v = json_is_array(row) ? json_array_get(row, k) : row;
                b->values[r * (size_t)b->columns + k] = (float)json_number_value(v);
            }
        }
        return;
    }
    b->labels = lm_calloc(json_is_array(first) ? tokens : rows, sizeof *b->labels);
    for (size_t r = 0; r < rows; r++) {
        if (!json_is_array(first)) {
            b->labels[r] = (int32_t)json_integer_value(json_array_get(labels, r));
            continue;
        }
        for (int32_t t = b->row_splits[r]; t < b->row_splits[r + 1]; t++)
            b->labels[t] = integer(labels, r, (size_t)(b->first[r] + t - b->row_splits[r]));
    }
}

static golden_batch read_inputs(const json_t *json)
{
    golden_batch b = {0};
    const json_t *ids = json_object_get(json, "input_ids"), *mask = json_object_get(json, "attention_mask");
    const json_t *types = json_object_get(json, "token_type_ids"),
                 *positions = json_object_get(json, "position_ids"),
                 *next = json_object_get(json, "next_sentence_label");
    size_t rows = json_array_size(ids), padded = json_array_size(json_array_get(ids, 0)), n = 0;
    b.padded = (int)padded;
    b.row_splits = lm_calloc(rows + 1, sizeof *b.row_splits);
    b.ids = lm_calloc(rows * padded, sizeof *b.ids);
    b.types = lm_calloc(rows * padded, sizeof *b.types);
    b.positions = lm_calloc(rows * padded, sizeof *b.positions);
    b.first = lm_calloc(rows, sizeof *b.first);
    for (size_t r = 0; r < rows; r++) {
        size_t from = 0;
        while (from < padded && !integer(mask, r, from))
            from++;
        b.first[r] = (int32_t)from;
        for (size_t t = from; t < padded && integer(mask, r, t); t++, n++) {
            b.ids[n] = integer(ids, r, t);
            b.types[n] = types ? integer(types, r, t) : 0;
            b.positions[n] = positions ? integer(positions, r, t) : (int32_t)(t - from);
        }
        b.row_splits[r + 1] = (int32_t)n;
    }
    b.batch = (lm_batch){.rows = (int)rows,
                         .tokens = (int)n,
                         .row_splits = b.row_splits,
                         .ids = b.ids,
                         .types = b.types,
                         .positions = b.positions};
    if (next) {
        b.next = lm_calloc(rows, sizeof *b.next);
        for (size_t r = 0; r < rows; r++)
            b.next[r] = (int32_t)json_integer_value(json_array_get(next, r));
    }
    const json_t *loss = json_object_get(json, "loss");
    b.loss = loss ? json_number_value(loss) : NAN;
    return b;
}

golden_batch golden_batch_read(const json_t *json)
{
    golden_batch b = read_inputs(json);
    if (json_object_get(json, "labels"))
        read_labels(&b, json);
    return b;
}

golden_batch golden_batch_read_target(const json_t *json, int32_t start_id, int32_t pad_id)
{
    golden_batch b = read_inputs(json), *t = lm_calloc(1, sizeof *t);
    const json_t *labels = json_object_get(json, "labels");
    size_t rows = (size_t)b.batch.rows, padded = json_array_size(json_array_get(labels, 0)), n = rows * padded;
    *t = (golden_batch){.padded = (int)padded,
                        .row_splits = lm_calloc(rows + 1, sizeof *t->row_splits),
                        .ids = lm_calloc(n, sizeof *t->ids),
                        .types = lm_calloc(n, sizeof *t->types),
                        .positions = lm_calloc(n, sizeof *t->positions),
                        .first = lm_calloc(rows, sizeof *t->first)};
    b.labels = lm_calloc(n, sizeof *b.labels);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0, at = r * padded; i < padded; i++, at++) {
            b.labels[at] = integer(labels, r, i);
            t->ids[at] = i == 0 ? start_id : b.labels[at - 1] == -100 ? pad_id : b.labels[at - 1];
            t->positions[at] = (int32_t)i;
        }
        t->row_splits[r + 1] = (int32_t)((r + 1) * padded);
    }
    t->batch = (lm_batch){.rows = (int)rows, .tokens = (int)n, .row_splits = t->row_splits, .ids = t->ids,
                          .types = t->types, .positions = t->positions};
    b.target = t;
    return b;
}

void golden_batch_free(golden_batch *b)
{
    free(b->row_splits);
    free(b->ids);
    free(b->types);
    free(b->positions);
    free(b->first);
    free(b->labels);
    free(b->values);
    free(b->next);
    if (b->target)
        golden_batch_free(b->target);
    free(b->target);
}

double golden_difference(const float *a, const float *b, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        largest = isnan(d) ? INFINITY : fmax(largest, d);
    }
    return largest;
}
