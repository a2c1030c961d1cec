/* For pipeline tests: `golden_stream write CASE` makes a tokens stream of a golden's batches, and
 * `golden_stream compare CASE` reads what score has added to it and compares that with transformers' values;
 * `golden_stream texts CASE` prints the texts of an end-to-end golden with their predicted labels as JSON
 * Lines, `golden_stream masked CASE` their tokens as a stream in which those that are to be guessed are hidden, and
 * `golden_stream pairs CASE` writes preference pairs, `golden_stream items CASE` compares what tok and score say of
 * them. CASE is a directory. Exit status 1 where
 * something differs. */
#include "golden.h"

#include "base/memory.h"
#include "model/config.h"
#include "stream/lms.h"
#include "stream/tokens.h"
#include "text/tokenizer.h"

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
    static const char *const members[] = {"text", "pair", "label", "target_text"};
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)items, i, item) {
        json_t *line = json_object();
        for (size_t k = 0; k < sizeof members / sizeof *members; k++)
            if (json_object_get(item, members[k]))
                json_object_set(line, members[k], json_object_get(item, members[k]));
        char *text = json_dumps(line, JSON_COMPACT);
        puts(text);
        free(text);
        json_decref(line);
    }
}

static int masked_position(const json_t *item)
{
    const json_t *at = json_object_get(item, "masked_position");
    return at ? (int)json_integer_value(at) : -1;
}

/* The ids of the items, where one that is to be guessed is the mask. */
static void write_masked(const char *dir, const json_t *items, lm_status *st)
{
    lm_tokenizer *tokenizer = lm_tokenizer_open(dir, st);
    if (!tokenizer)
        return;
    lm_lms_writer *w =
        lm_lms_writer_new(STDOUT_FILENO, "standard output", LM_KIND_TOKENS, NULL, NULL, NULL, st);
    lm_tokens_writer *t = lm_tokens_writer_new(w);
    size_t i, k;
    json_t *item, *id;
    json_array_foreach((json_t *)items, i, item) {
        const json_t *list = json_object_get(item, "ids");
        int32_t *ids = lm_calloc(json_array_size(list), sizeof *ids);
        json_array_foreach((json_t *)list, k, id)
            ids[k] = (int)k == masked_position(item) ? lm_tokenizer_role(tokenizer, "mask")
                                                     : (int32_t)json_integer_value(id);
        lm_tokens_row row = {.ids = ids, .len = json_array_size(list)};
        lm_tokens_writer_add(t, &row, st);
        free(ids);
    }
    lm_tokens_writer_flush(t, st);
    lm_tokens_writer_free(t);
    lm_lms_writer_close(w, st);
    lm_lms_writer_free(w);
    lm_tokenizer_free(tokenizer);
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

/* One text in a record that came back: its row, and its tokens in all that is ragged. */
typedef struct answer {
    const lm_record *record;
    const lm_config *config;
    int64_t row, from, to;
} answer;

static const float *floats_of(const answer *a, const char *column, bool ragged)
{
    const lm_column *c = lm_record_column(a->record, column);
    return c ? (const float *)c->data + (ragged ? a->from : a->row) * c->shape.size[1] : NULL;
}

static bool same_ids(const answer *a, const json_t *item)
{
    const int32_t *ids = (const int32_t *)lm_record_column(a->record, "ids")->data + a->from;
    size_t k;
    json_t *id;
    bool same = (size_t)(a->to - a->from) == json_array_size(json_object_get(item, "ids"));
    json_array_foreach(json_object_get(item, "ids"), k, id)
        same = same && ((int)k == masked_position(item) || ids[k] == json_integer_value(id));
    return same;
}

/* Logits, probabilities and the name of the predicted class. */
static bool same_class(const answer *a, const json_t *item)
{
    const float *logits = floats_of(a, "logits", false), *probs = floats_of(a, "probs", false);
    const json_t *names = json_object_get(json_object_get(lm_record_header(a->record), "fields"), "prediction");
    return logits && probs &&
           json_equal(json_array_get(names, (size_t)a->row), json_object_get(item, "label")) &&
           near_list(json_object_get(item, "logits"), logits) &&
           near_list(json_object_get(item, "probs"), probs);
}

/* The class of each token, and its probability. */
static bool same_tags(const answer *a, const json_t *item)
{
    const lm_column *classes = lm_record_column(a->record, "predictions"),
                    *probs = lm_record_column(a->record, "probs");
    if (!classes || !probs)
        return false;
    bool same = true;
    for (int64_t t = a->from; t < a->to && same; t++) {
        int32_t class = ((const int32_t *)classes->data)[t];
        size_t k = (size_t)(t - a->from);
        double score = (double)((const float *)probs->data)[t * probs->shape.size[1] + class];
        const char *want = json_string_value(json_array_get(json_object_get(item, "token_labels"), k));
        same = want && strcmp(want, lm_config_label(a->config, class)) == 0 &&
               fabs(json_number_value(json_array_get(json_object_get(item, "token_scores"), k)) - score) <= LIMIT;
    }
    return same;
}

/* The likeliest tokens behind each mask. */
static bool same_guesses(const answer *a, const json_t *item)
{
    const lm_column *probs = lm_record_column(a->record, "probs");
    const float *all = floats_of(a, "probs", true);
    size_t i, k;
    json_t *mask, *id;
    bool same = all != NULL;
    json_array_foreach(json_object_get(item, "masks"), i, mask) {
        const float *row = all + json_integer_value(json_object_get(mask, "position")) * probs->shape.size[1];
        json_array_foreach(json_object_get(mask, "top_ids"), k, id)
            same = same && fabs(json_number_value(json_array_get(json_object_get(mask, "top_probs"), k)) -
                                (double)row[json_integer_value(id)]) <= LIMIT;
    }
    return same;
}

/* The log-probability of a text. */
static bool same_probability(const answer *a, const json_t *item)
{
    const lm_column *logprobs = lm_record_column(a->record, "logprobs");
    double sum = 0, want = json_number_value(json_object_get(item, "nll"));
    for (int64_t t = a->from + 1; logprobs && t < a->to; t++) /* nothing comes before the first */
        sum -= (double)((const float *)logprobs->data)[t];
    return logprobs && fabs(sum - want) <= LIMIT * (double)(a->to - a->from);
}

/* The tokens of the text that is to be written, and their mean loss. */
static bool same_target(const answer *a, const json_t *item)
{
    const lm_column *ids = lm_record_column(a->record, "target_ids"), *loss = lm_record_column(a->record, "loss"),
                    *column = lm_record_column(a->record, "target_ids.splits");
    if (!ids || !loss)
        return false;
    const int32_t *splits = (const int32_t *)column->data + a->row;
    const json_t *want = json_object_get(item, "target_ids");
    bool same = (size_t)(splits[1] - splits[0]) == json_array_size(want) &&
                fabs(json_number_value(json_object_get(item, "loss")) - (double)((const float *)loss->data)[a->row]) <= 1e-5;
    size_t k;
    json_t *id;
    json_array_foreach((json_t *)want, k, id)
        same = same && ((const int32_t *)ids->data)[(size_t)splits[0] + k] == json_integer_value(id);
    return same;
}

static bool same_item(const answer *a, const json_t *item)
{
    if (!same_ids(a, item))
        return false;
    return json_object_get(item, "nll")            ? same_probability(a, item)
           : json_object_get(item, "target_ids")   ? same_target(a, item)
           : json_object_get(item, "masks")        ? same_guesses(a, item)
           : json_object_get(item, "token_labels") ? same_tags(a, item)
                                                   : same_class(a, item);
}

static bool compare_items(const char *dir, const json_t *items, lm_status *st)
{
    char *file = lm_format("%s/config.json", dir);
    lm_config *config = lm_config_read(file, st);
    lm_input *in = config ? lm_input_open("-", st) : NULL;
    lm_lms_reader *reader = in ? lm_lms_reader_new(in, st) : NULL;
    lm_record record;
    size_t i = 0;
    bool same = reader != NULL;
    while (same && lm_lms_next(reader, &record, st) == 1) {
        const int32_t *splits = (const int32_t *)lm_record_column(&record, "ids.splits")->data;
        for (int64_t r = 0; r < record.n && same; r++, i++) {
            const answer a = {&record, config, r, splits[r], splits[r + 1]};
            same = same_item(&a, json_array_get(items, i));
            if (!same)
                fprintf(stderr, "golden_stream: text %zu differs\n", i);
        }
    }
    lm_lms_reader_free(reader);
    lm_input_close(in);
    lm_config_free(config);
    free(file);
    return same && i == json_array_size(items);
}

static int end_to_end(const char *what, const char *dir)
{
    lm_status st = LM_STATUS_INIT;
    json_t *items = open_items(dir);
    bool same = true;
    if (strcmp(what, "texts") == 0)
        print_texts(items);
    else if (strcmp(what, "masked") == 0)
        write_masked(dir, items, &st);
    else
        same = compare_items(dir, items, &st);
    json_decref(items);
    return same && lm_ok(&st) ? EXIT_SUCCESS
                              : die(lm_ok(&st) ? "what score says is not the reference" : st.message);
}

/* The preference pairs of goldens/losses. */
static size_t ids_of(const json_t *pair, const char *name, int32_t *ids, uint8_t *mask, size_t n, bool loss)
{
    size_t i;
    json_t *id, *list = json_object_get(pair, name);
    json_array_foreach(list, i, id)
    {
        if (n == 64)
            die("a pair that is too long");
        mask[n] = loss;
        ids[n++] = (int32_t)json_integer_value(id);
    }
    return n;
}

static int write_pairs(const char *dir)
{
    char *path = lm_format("%s/golden.json", dir);
    json_t *all = json_load_file(path, 0, NULL), *pair;
    json_t *pairs = json_object_get(json_object_get(all, "dpo_e2e"), "pairs");
    lm_status st = LM_STATUS_INIT;
    lm_lms_writer *w = lm_lms_writer_new(STDOUT_FILENO, "standard output", LM_KIND_TOKENS, NULL, NULL, "golden_stream", &st);
    lm_tokens_writer *t = w ? lm_tokens_writer_new(w) : NULL;
    size_t i;
    if (!json_array_size(pairs))
        die("no pairs");
    json_array_foreach(pairs, i, pair)
    {
        int32_t ids[3][64];
        uint8_t mask[3][64];
        size_t n[3];
        static const char *const sides[] = {NULL, "chosen", "rejected"};
        for (int k = 0; k < 3; k++) {
            n[k] = ids_of(pair, "prompt", ids[k], mask[k], 0, false);
            if (sides[k])
                n[k] = ids_of(pair, sides[k], ids[k], mask[k], n[k], true);
        }
        lm_tokens_row row = {.ids = ids[0], .len = n[0], .chosen = {.ids = ids[1], .len = n[1], .loss_mask = mask[1]},
                             .rejected = {.ids = ids[2], .len = n[2], .loss_mask = mask[2]}};
        if (t)
            lm_tokens_writer_add(t, &row, &st);
    }
    if (t && lm_tokens_writer_flush(t, &st))
        lm_lms_writer_close(w, &st);
    lm_tokens_writer_free(t);
    lm_lms_writer_free(w);
    json_decref(all);
    free(path);
    return lm_ok(&st) ? EXIT_SUCCESS : die(st.message);
}

int main(int argc, char **argv)
{
    lm_status st = LM_STATUS_INIT;
    if (argc != 3)
        return die("write, compare, texts, masked, items or pairs, and the directory of a golden");
    if (strcmp(argv[1], "texts") == 0 || strcmp(argv[1], "masked") == 0 || strcmp(argv[1], "items") == 0)
        return end_to_end(argv[1], argv[2]);
    if (strcmp(argv[1], "pairs") == 0)
        return write_pairs(argv[2]);
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
