/* What is hidden of a row: the recipes of masking, span corruption and prefixes, against an implementation of their own and
 * the rates of the published ones (denoising.py, denoising.json). */
#include "unit.h"

#include "base/memory.h"
#include "stream/json_tree.h"
#include "train/objectives/step_rows.h"

#include <math.h>
#include <string.h>

enum { VOCAB = 1000, MASK = 4, ROW = 500, ROWS = 400 };
static const int special[] = {0, 2, 3, MASK};
static const lm_masking recipe = {.probability = 0.15, .replaced = 0.8, .random = 0.1, .mask_id = MASK, .vocab_size = VOCAB,
                                  .special = special, .special_count = 4, .seed = 42};

static json_t *open_tables(void)
{
    lm_status st = LM_STATUS_INIT;
    const char *source = getenv("abs_top_srcdir");
    char *path = lm_format("%s/tests/unit/denoising.json", source ? source : "..");
    json_t *tables = lm_json_read(path, 0, &st);
    assert_ok(&st);
    free(path);
    return tables;
}

static json_int_t number(const json_t *of, const char *name)
{
    json_t *value = json_object_get(of, name);
    ck_assert_msg(json_is_number(value) || json_is_boolean(value), "%s", name);
    return json_is_boolean(value) ? json_is_true(value) : (json_int_t)json_number_value(value);
}

static double real(const json_t *of, const char *name)
{
    return json_number_value(json_object_get(of, name));
}

/* A list of numbers; NULL where there is none. */
static int32_t *list(const json_t *of, const char *name, size_t *n)
{
    json_t *values = json_object_get(of, name);
    if (!json_is_array(values))
        return NULL;
    *n = json_array_size(values);
    int32_t *out = lm_calloc(*n + 1, sizeof *out);
    for (size_t i = 0; i < *n; i++)
        out[i] = (int32_t)json_integer_value(json_array_get(values, i));
    return out;
}

static void assert_list(const json_t *of, const char *name, const int32_t *got, size_t n)
{
    size_t wanted_n = 0;
    int32_t *wanted = list(of, name, &wanted_n);
    ck_assert_uint_eq(n, wanted_n);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(got[i] == wanted[i], "%s: %d at %zu of %zu, and %d is wanted", name, got[i], i, n, wanted[i]);
    free(wanted);
}

/* ------------------------------------------------------------------ masks */

/* Tokens that go on with a word: those of denoising.py. */
static const uint8_t *pieces(void)
{
    static uint8_t continues[VOCAB];
    memset(continues + 700, 1, 300);
    return continues;
}

static lm_mask_recipe recipe_of(const char *name)
{
    int k = 0;
    while (lm_mask_recipe_names[k] && strcmp(lm_mask_recipe_names[k], name) != 0)
        k++;
    ck_assert_ptr_nonnull(lm_mask_recipe_names[k]);
    return (lm_mask_recipe)k;
}

START_TEST(masks_by_another_implementation)
{
    json_t *tables = open_tables(), *row;
    lm_arena *room = lm_arena_new(0);
    size_t k, n;
    json_array_foreach(json_object_get(tables, "masks"), k, row) {
        lm_masking m = recipe;
        m.recipe = recipe_of(json_string_value(json_object_get(row, "recipe")));
        m.whole_words = number(row, "whole_words");
        m.probability = real(row, "probability");
        m.replaced = real(row, "replaced");
        m.random = real(row, "random");
        m.most = (int)number(row, "most");
        m.copies = (int)number(row, "copies");
        m.seed = (uint64_t)number(row, "seed");
        m.continues = pieces();
        int32_t *ids = list(row, "ids", &n), *words = list(row, "words", &n), *label = lm_malloc(n, sizeof *label);
        lm_mask_row(&m, (uint64_t)number(row, "epoch"), (uint64_t)number(row, "row"), (int)n, ids, words, label, room);
        assert_list(row, "label", label, n);
        assert_list(row, "masked", ids, n);
        free(ids);
        free(words);
        free(label);
    }
    ck_assert_uint_eq(k, 30);
    lm_arena_free(room);
    json_decref(tables);
}
END_TEST

/* Observed rates against their binomial spread (4.5 sigma: one chance in 150,000 for each). */
static void assert_rate(double hits, double draws, double p)
{
    double off = fabs(hits / draws - p);
    ck_assert_msg(off <= 4.5 * sqrt(p * (1 - p) / draws), "%g of %g, and %g is wanted", hits, draws, p);
}

/* What becomes of the chosen tokens, whoever chose them. */
START_TEST(shares_of_what_replaces)
{
    lm_arena *room = lm_arena_new(0);
    static const double shares[][2] = {{0.8, 0.1}, {1, 0}, {0.5, 0.5}, {0, 0}, {0.3, 0.2}};
    for (int way = 0; way < 15; way++) {
        lm_masking m = recipe;
        m.recipe = (lm_mask_recipe)(way % 3);
        m.replaced = shares[way / 3][0];
        m.random = shares[way / 3][1];
        double chosen = 0, masked = 0, kept = 0, other = 0, high = 0, spans = 0;
        for (int r = 0; r < ROWS / 4; r++) {
            int32_t ids[ROW], label[ROW], before[ROW];
            for (int i = 0; i < ROW; i++)
                ids[i] = i % 50 == 0 ? 2 : 5 + (i * 7 + r) % (VOCAB - 5);
            memcpy(before, ids, sizeof ids);
            int n = lm_mask_row(&m, 3, (uint64_t)r, ROW, ids, NULL, label, room), found = 0;
            for (int i = 0; i < ROW; i++) {
                ck_assert(ids[i] >= 0 && ids[i] < VOCAB);
                if (label[i] == LM_IGNORE) {
                    ck_assert_int_eq(ids[i], before[i]);
                    continue;
                }
                ck_assert_int_eq(label[i], before[i]);
                ck_assert_int_ne(before[i], 2);
                found++;
                spans += label[i - 1] == LM_IGNORE;
                masked += ids[i] == MASK;
                kept += ids[i] == before[i];
                other += ids[i] != MASK && ids[i] != before[i];
                high += ids[i] != MASK && ids[i] != before[i] && ids[i] >= VOCAB / 2;
            }
            ck_assert_int_eq(n, found);
            chosen += found;
        }
        /* of spans, one draw is for all of one: as if there were as many fewer draws */
        double each = m.recipe == LM_MASK_SPANS ? 2 * chosen / spans : 1, rest = 1 - m.replaced - m.random;
        assert_rate(masked / each, chosen / each, m.replaced + m.random / VOCAB); /* any token may be the mask token */
        assert_rate(kept / each, chosen / each, rest + m.random / VOCAB);
        assert_rate(other / each, chosen / each, m.random * (1 - 2.0 / VOCAB));
        if (m.random > 0)
            assert_rate(high / each, other / each, 0.5);
    }
    lm_arena_free(room);
}
END_TEST

/* A row's masks are those of (seed, epoch, row, token) and of nothing else; copies come again. */
START_TEST(masking_is_keyed_by_meaning)
{
    lm_arena *room = lm_arena_new(0);
    for (int way = 0; way < 3; way++) {
        int32_t a[ROW], b[ROW], la[ROW], lb[ROW];
        lm_masking m = recipe;
        m.recipe = (lm_mask_recipe)way;
        for (int i = 0; i < ROW; i++)
            a[i] = b[i] = 5 + i;
        lm_mask_row(&m, 1, 7, ROW, a, NULL, la, room);
        if (way == LM_MASK_EACH) { /* what follows does not matter where each token has its own draw */
            lm_mask_row(&m, 1, 7, ROW / 2, b, NULL, lb, room);
            ck_assert_mem_eq(a, b, ROW / 2 * sizeof *a);
            ck_assert_mem_eq(la, lb, ROW / 2 * sizeof *a);
        }
        for (int changed = 0; changed < 6; changed++) {
            lm_masking other = m;
            other.seed += changed == 0;
            other.copies = changed == 3 ? 0 : changed > 3 ? 4 : 0;
            uint64_t epoch = changed == 1 ? 2 : changed == 4 ? 9 : changed == 5 ? 10 : 1;
            for (int i = 0; i < ROW; i++)
                b[i] = 5 + i;
            lm_mask_row(&other, epoch, changed == 2 ? 8 : 7, ROW, b, NULL, lb, room);
            bool same = memcmp(la, lb, sizeof la) == 0 && memcmp(a, b, sizeof a) == 0;
            ck_assert_msg(same == (changed == 3 || changed == 4), "recipe %d, change %d", way, changed);
        }
    }
    lm_arena_free(room);
}
END_TEST

/* Rows of nothing, of special tokens alone, of one word that is too long: no token, and no harm. */
START_TEST(rows_without_a_token_to_hide)
{
    lm_arena *room = lm_arena_new(0);
    static const int32_t bare[] = {2, 3}, word[] = {2, 10, 710, 711, 3};
    for (int way = 0; way < 6; way++) {
        lm_masking m = recipe;
        m.recipe = (lm_mask_recipe)(way % 3);
        m.whole_words = way >= 3;
        m.continues = pieces();
        int32_t ids[5], label[5];
        ck_assert_int_eq(lm_mask_row(&m, 0, 0, 0, ids, NULL, label, room), 0);
        memcpy(ids, bare, sizeof bare);
        ck_assert(!lm_mask_any(&m, 2, ids));
        ck_assert_int_eq(lm_mask_row(&m, 0, 0, 2, ids, NULL, label, room), 0);
        ck_assert_mem_eq(ids, bare, sizeof bare);
        memcpy(ids, word, sizeof word);
        ck_assert(lm_mask_any(&m, 5, ids));
        int n = lm_mask_row(&m, 0, 0, 5, ids, NULL, label, room);
        if (m.recipe == LM_MASK_NUMBER) /* round(5 * 0.15) is 1 */
            ck_assert_int_eq(n, m.whole_words ? 0 : 1);
        if (m.recipe == LM_MASK_SPANS) /* ceil(3 * 0.15) */
            ck_assert_int_eq(n, 1);
        m.probability = 1;
        m.most = 0;
        memcpy(ids, word, sizeof word);
        ck_assert_int_eq(lm_mask_row(&m, 0, 0, 5, ids, NULL, label, room), 3);
    }
    lm_arena_free(room);
}
END_TEST

/* ------------------------------------------------------------------ rates */

typedef struct tally {
    double hits[64], runs[12];
    int n;
} tally;

/* Which of n tokens are hidden, in one draw. */
static void count(tally *t, const bool *hidden)
{
    int length = 0;
    for (int i = 0; i <= t->n; i++) {
        if (i < t->n && hidden[i]) {
            t->hits[i]++;
            length++;
        } else if (length) {
            t->runs[length < 11 ? length : 11]++;
            length = 0;
        }
    }
}

/* Two counts of the same thing, of two generators: 4.5 sigma of their difference. `each`: how much one draw may add. */
static void assert_alike(double got, double wanted, double each, const char *what, const char *way, size_t i)
{
    ck_assert_msg(fabs(got - wanted) <= 4.5 * sqrt(each * (got + wanted)) + 1e-9, "%s: %s %zu: %g, and %g is wanted", way, what,
                  i, got, wanted);
}

static void mask_draw(const lm_masking *m, const int32_t *words, tally *t, uint64_t row, lm_arena *room)
{
    int32_t ids[66], label[66];
    bool hidden[64];
    for (int i = 0; i < t->n + 2; i++)
        ids[i] = words[i] < 0 ? 2 : 10;
    lm_mask_row(m, 0, row, t->n + 2, ids, words, label, room);
    for (int i = 0; i < t->n; i++)
        hidden[i] = label[i + 1] != LM_IGNORE;
    count(t, hidden);
}

static void span_draw(const lm_span_noise *how, tally *t, uint64_t row, lm_arena *room)
{
    int32_t ids[64];
    bool hidden[64];
    for (int i = 0; i < t->n; i++) {
        ids[i] = 100 + i;
        hidden[i] = true;
    }
    lm_tokens_row r = {.ids = ids, .len = (size_t)t->n};
    lm_corrupt_spans(how, 0, row, &r, room);
    for (size_t i = 0; i < r.len; i++)
        if (r.ids[i] >= 100 && r.ids[i] < 200)
            hidden[r.ids[i] - 100] = false;
    count(t, hidden);
    lm_arena_reset(room);
}

START_TEST(rates_as_published)
{
    json_t *tables = open_tables(), *rates = json_object_get(tables, "rates"), *ways = json_object_get(rates, "ways"), *way;
    uint64_t draws = (uint64_t)number(rates, "draws");
    size_t count_of_words;
    int32_t *lengths = list(rates, "words", &count_of_words), words[66] = {-1};
    int n = 0;
    for (size_t w = 0; w < count_of_words; w++)
        for (int k = 0; k < lengths[w]; k++)
            words[++n] = (int32_t)w;
    words[n + 1] = -1;
    lm_arena *room = lm_arena_new(0);
    static int32_t sentinels[64];
    const char *name;
    int ways_tried = 0;
    json_object_foreach(ways, name, way) {
        bool spans = strncmp(name, "spans", 5) == 0;
        lm_masking m = recipe;
        m.whole_words = strstr(name, "words") != NULL;
        m.recipe = strncmp(name, "google", 6) == 0 ? LM_MASK_NUMBER : strcmp(name, "spanbert") == 0 ? LM_MASK_SPANS : LM_MASK_EACH;
        m.most = m.recipe == LM_MASK_NUMBER ? 20 : 0;
        lm_span_noise how = {.density = strstr(name, "half") ? 0.5 : 0.15, .mean_length = 3, .sentinels = sentinels,
                             .sentinel_count = 64, .eos_id = 1, .seed = 42};
        tally t = {.n = n};
        for (uint64_t row = 0; row < draws; row++)
            if (spans)
                span_draw(&how, &t, row, room);
            else
                mask_draw(&m, words, &t, row, room);
        for (size_t i = 0; i < (size_t)n; i++)
            assert_alike(t.hits[i], json_number_value(json_array_get(json_object_get(way, "hits"), i)), 1, "token", name, i);
        for (size_t i = 1; i < 12; i++)
            assert_alike(t.runs[i], json_number_value(json_array_get(json_object_get(way, "runs"), i)), 2, "run of", name, i);
        ways_tried++;
    }
    ck_assert_int_eq(ways_tried, 7);
    free(lengths);
    lm_arena_free(room);
    json_decref(tables);
}
END_TEST

/* SpanBERT's lengths: 1 to 10, geometric with p = 0.2, 3.8 on average. Spans are far apart where few tokens are hidden. */
START_TEST(span_lengths)
{
    enum { LONG = 2000, DRAWS = 4000 };
    lm_arena *room = lm_arena_new(0);
    lm_masking m = recipe;
    m.recipe = LM_MASK_SPANS;
    m.probability = 10.0 / LONG; /* one span, unless it is shorter than 10 */
    int32_t *ids = lm_malloc(LONG, sizeof *ids), *label = lm_malloc(LONG, sizeof *label);
    double first[12] = {0}, spans = 0;
    for (uint64_t row = 0; row < DRAWS; row++) {
        for (int i = 0; i < LONG; i++)
            ids[i] = 10;
        ck_assert_int_eq(lm_mask_row(&m, 0, row, LONG, ids, NULL, label, room), 10);
        int runs = 0, shortest = 11;
        for (int i = 0, length = 0; i < LONG; i++) {
            length = label[i] == LM_IGNORE ? 0 : length + 1;
            if (length && (i + 1 == LONG || label[i + 1] == LM_IGNORE)) {
                runs++;
                shortest = length < shortest ? length : shortest;
            }
        }
        first[runs == 1 ? 10 : 0]++;
        spans += runs;
    }
    /* all ten at once: the first span has length 10 (neighbours that meet by chance are rare) */
    double p = 0.2 * pow(0.8, 9) / (1 - pow(0.8, 10));
    ck_assert_double_eq_tol(first[10] / DRAWS, p, 4.5 * sqrt(p / DRAWS) + 0.01);
    ck_assert(spans / DRAWS > 2.5 && spans / DRAWS < 4);
    free(ids);
    free(label);
    lm_arena_free(room);
}
END_TEST

/* ------------------------------------------------------------------ spans */

START_TEST(spans_by_another_implementation)
{
    json_t *tables = open_tables(), *row;
    lm_arena *room = lm_arena_new(0);
    size_t k, n, count_of_sentinels;
    json_array_foreach(json_object_get(tables, "spans"), k, row) {
        int32_t *ids = list(row, "ids", &n), *sentinels = list(row, "sentinels", &count_of_sentinels);
        lm_span_noise how = {.density = real(row, "density"), .mean_length = real(row, "mean"), .sentinels = sentinels,
                             .sentinel_count = (int)count_of_sentinels, .eos_id = 1, .seed = (uint64_t)number(row, "seed")};
        for (int ended = 0; ended < 2; ended++) {
            ids[n] = 1; /* an end that is there already is as if it were not */
            lm_tokens_row r = {.ids = ids, .len = n + (size_t)ended, .has_weight = true, .weight = 2, .types = (uint8_t *)ids};
            lm_corrupt_spans(&how, (uint64_t)number(row, "epoch"), (uint64_t)number(row, "row"), &r, room);
            assert_list(row, "input", r.ids, r.len);
            assert_list(row, "target", r.target_ids, r.target_len);
            ck_assert(r.has_weight && r.weight == 2 && !r.types);
        }
        int input, target;
        lm_span_lengths(&how, (int)n, &input, &target);
        ck_assert_uint_eq((unsigned)input, json_array_size(json_object_get(row, "input")));
        ck_assert_uint_eq((unsigned)target, json_array_size(json_object_get(row, "target")));
        free(ids);
        free(sentinels);
    }
    ck_assert_uint_eq(k, 9);
    json_array_foreach(json_object_get(tables, "helper"), k, row) {
        lm_span_noise how = {.density = real(row, "density"), .mean_length = real(row, "mean")};
        int target;
        ck_assert_int_eq(lm_span_tokens(&how, (int)number(row, "input"), &target), (int)number(row, "tokens"));
        ck_assert_int_eq(target, (int)number(row, "target"));
    }
    lm_span_noise t5 = {.density = 0.15, .mean_length = 3};
    int target;
    ck_assert_int_eq(lm_span_tokens(&t5, 512, &target), 568); /* as the paper's own code says */
    ck_assert_int_eq(target, 114);
    ck_assert_int_eq(lm_span_tokens(&t5, 1, &target), 0);
    ck_assert_int_eq(target, 0);
    t5.density = 1;
    ck_assert_int_gt(lm_span_tokens(&t5, 512, &target), 512); /* ends, though next to nothing is left of any number */
    lm_arena_free(room);
    json_decref(tables);
}
END_TEST

START_TEST(prefixes)
{
    json_t *tables = open_tables(), *row;
    lm_arena *room = lm_arena_new(0);
    int32_t ids[301];
    size_t k;
    for (int i = 0; i < 301; i++)
        ids[i] = 100 + i;
    json_array_foreach(json_object_get(tables, "prefixes"), k, row) {
        size_t n = (size_t)number(row, "n"), prefix = (size_t)number(row, "prefix");
        lm_span_noise how = {.eos_id = 1, .seed = n};
        lm_tokens_row split = {.ids = ids, .len = n}, masked = split;
        lm_split_prefix(&how, 2, n + 1, &split, room);
        ck_assert_uint_eq(split.len, prefix + 1);
        ck_assert_uint_eq(split.target_len, n - prefix + 1);
        ck_assert_int_eq(split.ids[prefix], 1);
        ck_assert_int_eq(split.target_ids[n - prefix], 1);
        ck_assert_mem_eq(split.ids, ids, prefix * sizeof *ids);
        ck_assert_mem_eq(split.target_ids, ids + prefix, (n - prefix) * sizeof *ids);
        lm_mask_prefix(&how, 2, n + 1, &masked, room);
        ck_assert_ptr_eq(masked.ids, ids);
        for (size_t i = 0; i < n; i++)
            ck_assert_int_eq(masked.loss_mask[i], i >= prefix);
    }
    ck_assert_uint_eq(k, 5);
    /* each text of a row has a prefix of its own, the first that of a row of it alone */
    static const int32_t lengths[] = {20, 1, 20};
    lm_span_noise of_texts = {.eos_id = 1, .seed = 9};
    lm_tokens_row alone = {.ids = ids, .len = 20}, three = {.ids = ids, .len = 41, .seq_lengths = lengths, .seq_count = 3};
    lm_mask_prefix(&of_texts, 2, 10, &alone, room);
    lm_mask_prefix(&of_texts, 2, 10, &three, room);
    ck_assert_mem_eq(alone.loss_mask, three.loss_mask, 20);
    ck_assert_mem_ne(alone.loss_mask, three.loss_mask + 21, 20);
    ck_assert(three.loss_mask[20] && !three.loss_mask[21] && three.loss_mask[40]);
    /* uniform from 1 to n - 1 */
    enum { N = 6, DRAWS = 50000 };
    double seen[N] = {0};
    lm_span_noise how = {.eos_id = 1, .seed = 9};
    for (uint64_t r = 0; r < DRAWS; r++) {
        lm_tokens_row split = {.ids = ids, .len = N};
        lm_split_prefix(&how, 0, r, &split, room);
        seen[split.len - 1]++;
        lm_arena_reset(room);
    }
    ck_assert_double_eq(seen[0], 0);
    for (int i = 1; i < N; i++)
        assert_rate(seen[i], DRAWS, 1.0 / (N - 1));
    lm_arena_free(room);
    json_decref(tables);
}
END_TEST

/* ------------------------------------------------------------------ rows of a step */

static int32_t text[40];

static lm_targets targets_of(const char *name)
{
    static const int32_t sentinels[] = {99, 98, 97};
    for (int i = 0; i < 40; i++)
        text[i] = 10 + i;
    lm_targets t = {.objective = lm_objective_find(name), .vocab_size = 100, .masking = recipe, .start_id = 0};
    t.spans = (lm_span_noise){.density = 0.15, .mean_length = 3, .sentinels = sentinels, .sentinel_count = 3, .eos_id = 1,
                              .seed = 5};
    return t;
}

/* The second stack reads its target shifted by one, and predicts it, ends included. */
START_TEST(steps_of_hidden_spans)
{
    lm_status st = LM_STATUS_INIT;
    lm_targets t = targets_of("span-corruption");
    lm_step_rows s = {0};
    lm_arena *room = lm_arena_new(0);
    lm_tokens_row row = {.ids = text, .len = 40}, alone;
    ck_assert(lm_targets_check(&t, &row, 0, &st) && lm_targets_any(&t, &row));
    lm_step_rows_begin(&s, &t, 2, 80);
    for (uint64_t r = 0; r < 2; r++)
        ck_assert(lm_step_rows_add(&s, &t, &row, 4, r, (int64_t)r, &st));
    for (uint64_t r = 0; r < 2; r++) {
        lm_targets_row(&t, &row, 4, r, room, &alone);
        ck_assert_mem_eq(s.ids + s.row_splits[r], alone.ids, alone.len * sizeof *alone.ids);
        const int32_t *label = s.target_label + s.target_splits[r], *reads = s.target_ids + s.target_splits[r];
        ck_assert_int_eq(s.target_splits[r + 1] - s.target_splits[r], (int)alone.target_len);
        ck_assert_mem_eq(label, alone.target_ids, alone.target_len * sizeof *label);
        ck_assert_int_eq(reads[0], 0);
        ck_assert_mem_eq(reads + 1, label, (alone.target_len - 1) * sizeof *label);
        ck_assert_int_eq(label[0], 99);
        ck_assert_int_eq(label[alone.target_len - 1], 1);
    }
    uint32_t tokens, target;
    lm_targets_lengths(&t, &row, &tokens, &target);
    ck_assert_uint_eq(tokens, (uint32_t)s.row_splits[1]);
    ck_assert_uint_eq(target, (uint32_t)s.target_splits[1]);
    ck_assert_double_eq(s.token_count, 2 * target);
    /* a row that is made already is taken as it is */
    row.target_ids = text + 5;
    row.target_len = 2;
    lm_targets_row(&t, &row, 4, 0, room, &alone);
    ck_assert(alone.ids == text && alone.len == 40 && alone.target_len == 2);
    /* too many spans for the sentinels there are */
    static int32_t many[120];
    row = (lm_tokens_row){.ids = many, .len = 120};
    ck_assert(!lm_targets_check(&t, &row, 6, &st));
    ck_assert_msg(strstr(st.message, "row 7: 120 tokens have 6 hidden spans") != NULL, "%s", st.message);
    lm_arena_free(room);
    lm_step_rows_free(&s);
}
END_TEST

START_TEST(steps_of_prefixes)
{
    lm_status st = LM_STATUS_INIT;
    lm_targets t = targets_of("prefix-lm");
    ck_assert_str_eq(t.objective->head, "seq2seq");
    for (size_t i = 0; lm_objective_at(i); i++)
        if (strcmp(lm_objective_at(i)->name, "prefix-lm") == 0)
            t.objective = lm_objective_at(i);
    ck_assert_str_eq(t.objective->head, "clm");
    lm_step_rows s = {0};
    lm_arena *room = lm_arena_new(0);
    lm_tokens_row row = {.ids = text, .len = 40}, learned;
    ck_assert(lm_targets_check(&t, &row, 0, &st) && lm_targets_any(&t, &row));
    lm_step_rows_begin(&s, &t, 1, 40);
    ck_assert(lm_step_rows_add(&s, &t, &row, 0, 3, 0, &st));
    lm_targets_row(&t, &row, 0, 3, room, &learned);
    int carried = 0;
    for (int i = 0; i < 40; i++) {
        int32_t wanted = i < 39 && learned.loss_mask[i + 1] ? text[i + 1] : LM_IGNORE;
        ck_assert_int_eq(s.token_label[i], wanted);
        carried += wanted != LM_IGNORE;
    }
    ck_assert(carried > 0 && carried < 40);
    ck_assert_double_eq(s.token_count, carried);
    row.len = 1;
    ck_assert(!lm_targets_any(&t, &row));
    lm_arena_free(room);
    lm_step_rows_free(&s);
}
END_TEST

/* Whole words cannot be told from nothing. */
START_TEST(words_must_be_known)
{
    lm_status st = LM_STATUS_INIT;
    lm_targets t = targets_of("mlm");
    lm_tokens_row row = {.ids = text, .len = 40};
    static const int32_t words[40], labels[40];
    ck_assert(lm_targets_check(&t, &row, 0, &st));
    for (int way = 0; way < 2; way++) {
        t.masking.whole_words = way == 0;
        t.masking.recipe = way == 0 ? LM_MASK_EACH : LM_MASK_SPANS;
        t.masking.continues = NULL;
        row.word_ids = row.mlm_labels = NULL;
        ck_assert(!lm_targets_check(&t, &row, 0, &st));
        ck_assert_msg(strstr(st.message, "tok --word-ids") != NULL, "%s", st.message);
        lm_status_clear(&st);
        row.word_ids = words;
        ck_assert(lm_targets_check(&t, &row, 0, &st));
        row.word_ids = NULL;
        row.mlm_labels = labels;
        ck_assert(lm_targets_check(&t, &row, 0, &st));
        row.mlm_labels = NULL;
        t.masking.continues = pieces();
        ck_assert(lm_targets_check(&t, &row, 0, &st));
    }
    row = (lm_tokens_row){.ids = (const int32_t[]){2, 3}, .len = 2};
    ck_assert(!lm_targets_any(&t, &row)); /* nothing but special tokens */
}
END_TEST

static Suite *suite(void)
{
    const struct {
        const char *name;
        const TTest *test;
    } tests[] = {{"masks", masks_by_another_implementation},
                 {"masks", shares_of_what_replaces},
                 {"masks", masking_is_keyed_by_meaning},
                 {"masks", rows_without_a_token_to_hide},
                 {"masks", words_must_be_known},
                 {"rates", rates_as_published},
                 {"rates", span_lengths},
                 {"spans", spans_by_another_implementation},
                 {"spans", prefixes},
                 {"steps", steps_of_hidden_spans},
                 {"steps", steps_of_prefixes}};
    Suite *s = suite_create("denoising");
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        TCase *c = tcase_create(tests[i].name);
        tcase_set_timeout(c, 60);
        tcase_add_test(c, tests[i].test);
        suite_add_tcase(s, c);
    }
    return s;
}

UNIT_MAIN(suite)
