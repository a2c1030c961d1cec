/* Pairs of sentences out of documents: each by the algorithm, all of them by the published rates. */
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "made_rows.h"
#include "train/data/data.h"

#include <math.h>
#include <string.h>

enum { FIRST = 1000, PER_SENTENCE = 100 };

/* Documents of sentences: sentence k has tokens FIRST + k * PER_SENTENCE + 0, 1, 2 ... */
typedef struct corpus {
    made *rows;
    int count, documents;
    int *first; /* [documents + 1] */
    lm_spool *spool;
} corpus;

/* Documents of up to `most` sentences of up to `longest` tokens; where they are negative, of exactly so many. */
static corpus corpus_of(int documents, int most, int longest)
{
    corpus c = {.documents = documents, .first = lm_malloc((size_t)documents + 1, sizeof *c.first)};
    size_t cap = (size_t)documents * (size_t)abs(most);
    c.rows = lm_malloc(cap, sizeof *c.rows);
    for (int d = 0; d < documents; d++) {
        int n = most < 0 ? -most : 1 + (int)made_draw((uint32_t)most);
        c.first[d] = c.count;
        for (int i = 0; i < n; i++, c.count++)
            c.rows[c.count] = (made){FIRST + c.count * PER_SENTENCE,
                                     longest < 0 ? -longest : 1 + (int)made_draw((uint32_t)longest), d, false, false};
    }
    c.first[documents] = c.count;
    c.spool = made_spool(c.rows, c.count);
    return c;
}

static void free_corpus(corpus *c)
{
    lm_spool_free(c->spool);
    free(c->rows);
    free(c->first);
}

static const lm_instances_options next_sentence = {
    .kind = LM_INSTANCES_NEXT_SENTENCE, .length = 32, .short_share = 0.1, .cls_id = MADE_CLS, .sep_id = MADE_SEP, .seed = 7};

/* What a pair was made of, read off its tokens. */
typedef struct seen {
    int label, len[2], first[2], last[2]; /* tokens of A and B; their first and last sentences */
    int front[2], end[2];                 /* tokens of these that are missing */
} seen;

static seen look_at(const corpus *c, const lm_instances *in, uint64_t i, lm_arena *room)
{
    lm_tokens_row row;
    seen s = {.len = {0, 0}};
    int part = 0;
    lm_instances_get(in, i, room, &row);
    s.label = row.label_id;
    bool sound = row.len == lm_instances_lengths(in)[i] && row.has_label_id && !row.seq_count && row.ids[0] == MADE_CLS &&
                 row.ids[row.len - 1] == MADE_SEP && row.types[0] == 0;
    for (size_t k = 1; k < row.len && sound; k++) {
        int32_t id = row.ids[k], sentence = (id - FIRST) / PER_SENTENCE, at = (id - FIRST) % PER_SENTENCE;
        int32_t before = (row.ids[k - 1] - FIRST) % PER_SENTENCE;
        sound = part < 2 && row.types[k] == part && (id != MADE_SEP || s.len[part] > 0);
        if (sound && id == MADE_SEP) {
            s.end[part] = c->rows[s.last[part]].len - 1 - before;
            part++;
        } else if (sound && !s.len[part]++) {
            s.first[part] = s.last[part] = sentence;
            s.front[part] = at;
        } else if (sound && id != row.ids[k - 1] + 1) { /* the next sentence, from its beginning */
            sound = sentence == s.last[part] + 1 && at == 0 && before == c->rows[s.last[part]].len - 1;
            s.last[part] = sentence;
        }
    }
    ck_assert_msg(sound && part == 2, "pair %d is none", (int)i);
    return s;
}

/* What a document's pairs say of the target that has been drawn for it. */
typedef struct target {
    int least, most;
} target;

/* Sentences were taken until the target was reached, by the last of them; `cut`: or there were no more. */
static void narrow(target *t, int tokens, int last, bool cut)
{
    if (tokens - last >= t->least)
        t->least = tokens - last + 1;
    if (!cut && tokens < t->most)
        t->most = tokens;
    ck_assert_int_le(t->least, t->most);
}

/* Goes through the pairs as create_pretraining_data.py makes them: each begins where the one before says. No document is as
 * long as half of a pair, so that nothing is cut. */
START_TEST(pairs_follow_the_documents)
{
    enum { LENGTH = 100 };
    corpus c = corpus_of(60, 9, 5);
    lm_instances_options how = next_sentence;
    how.kind = _i ? LM_INSTANCES_SENTENCE_ORDER : LM_INSTANCES_NEXT_SENTENCE;
    how.length = LENGTH;
    how.short_share = 0.5;
    lm_instances *in = made_instances(c.spool, how);
    lm_arena *room = lm_arena_new(0);
    int kinds[3] = {0, 0, 0}; /* in order, exchanged, of two documents */
    for (uint64_t epoch = 0; epoch < 20; epoch++) {
        uint64_t i = 0;
        lm_instances_lay_out(in, epoch);
        for (int d = 0; d < c.documents; d++) {
            target t = {2, LENGTH - 3};
            for (int at = c.first[d]; at < c.first[d + 1]; i++) {
                seen s = look_at(&c, in, i, room);
                bool other = s.first[1] < c.first[d] || s.first[1] >= c.first[d + 1];
                int a = !other && s.label, b = 1 - a, all = s.len[0] + s.len[1];
                int end = s.last[b] + 1; /* an exchanged pair is one of sentence order; of two documents, of a chunk of one */
                kinds[other ? 2 : a]++;
                ck_assert_int_eq(s.first[a], at);
                ck_assert_int_eq(s.front[0] + s.end[0] + s.front[1] + s.end[1], 0);
                if (other) { /* the rest is put back; where A is enough already, B is one sentence */
                    bool out = false;
                    for (int k = 1; k <= c.documents; k++)
                        out |= c.first[k] == end;
                    ck_assert(s.label && (!_i || s.first[0] == s.last[0]));
                    if (s.first[1] != s.last[1])
                        narrow(&t, all, c.rows[s.last[1]].len, out);
                    at = s.last[0] + 1;
                } else {
                    ck_assert(_i || !s.label);
                    ck_assert_int_eq(s.first[b], s.last[a] + 1);
                    narrow(&t, all, c.rows[s.last[b]].len, end == c.first[d + 1]);
                    at = end;
                }
                ck_assert_int_le(at, c.first[d + 1]);
            }
        }
        ck_assert_uint_eq(i, lm_instances_count(in));
    }
    ck_assert(kinds[0] > 100 && kinds[2] > 100 && (_i ? kinds[1] > 100 : kinds[1] == 0));
    lm_arena_free(room);
    lm_instances_free(in);
    free_corpus(&c);
}
END_TEST

/* |share - p| within four standard deviations. */
static void assert_share(int hits, int n, double p, const char *what)
{
    double deviation = sqrt(p * (1 - p) / n);
    ck_assert_msg(fabs((double)hits / n - p) < 4 * deviation, "%s: %d of %d, and %.4f is wanted", what, hits, n, p);
}

/* Counts are even over `n` outcomes: chi-square within five standard deviations of what it has by chance. */
static void assert_even(const int *counts, int n, const char *what)
{
    double all = 0, chi = 0;
    for (int i = 0; i < n; i++)
        all += counts[i];
    for (int i = 0; i < n; i++)
        chi += (counts[i] - all / n) * (counts[i] - all / n) / (all / n);
    ck_assert_msg(chi < n - 1 + 5 * sqrt(2.0 * (n - 1)), "%s: chi-square %.1f of %d outcomes, %g draws", what, chi, n, all);
}

/* Sentences of a token each in long documents: then a first chunk has as many sentences as its target, and every draw can
 * be read off. */
START_TEST(pairs_have_the_published_rates)
{
    enum { DOCUMENTS = 50, SENTENCES = 60, EPOCHS = 200, MOST = 29 };
    corpus c = corpus_of(DOCUMENTS, -SENTENCES, -1);
    lm_instances_options how = next_sentence;
    how.kind = _i ? LM_INSTANCES_SENTENCE_ORDER : LM_INSTANCES_NEXT_SENTENCE;
    lm_instances *in = made_instances(c.spool, how);
    lm_arena *room = lm_arena_new(0);
    int n = 0, ones = 0, whole = 0, full = 0, halves[MOST] = {0}, targets[MOST + 1] = {0}, starts[SENTENCES] = {0};
    int others[DOCUMENTS] = {0}, drawn = 0;
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        lm_instances_lay_out(in, epoch);
        for (uint64_t i = 0; i < lm_instances_count(in); i++) {
            seen s = look_at(&c, in, i, room);
            int of_a = s.first[0] / SENTENCES, of_b = s.first[1] / SENTENCES;
            int begin = of_a == of_b && s.first[1] < s.first[0] ? s.first[1] : s.first[0];
            if (begin % SENTENCES) /* not the first pair of its document */
                continue;
            n++;
            ones += s.label;
            if (of_a != of_b) {
                others[(of_b - of_a + DOCUMENTS) % DOCUMENTS]++;
                starts[s.first[1] % SENTENCES]++;
                drawn++;
            } else { /* the whole chunk */
                int all = s.len[0] + s.len[1];
                whole++;
                full += all == MOST;
                targets[all]++;
                if (all == MOST)
                    halves[s.len[s.label]]++; /* A, or where it stands behind B */
            }
        }
    }
    ck_assert_int_eq(n, DOCUMENTS * EPOCHS);
    ck_assert(how.kind == LM_INSTANCES_NEXT_SENTENCE ? drawn == ones : drawn == 0);
    assert_share(ones, n, 0.5, "label 1");
    assert_share(whole - full, whole, 0.1 * 27 / 28, "shorter targets"); /* one of the 28 is not shorter */
    assert_even(targets + 2, MOST - 2, "targets of 2 to 28");
    assert_even(halves + 1, MOST - 1, "the length of A");
    if (drawn) {
        assert_even(others + 1, DOCUMENTS - 1, "other documents");
        assert_even(starts, SENTENCES, "where B begins");
    }
    lm_arena_free(room);
    lm_instances_free(in);
    free_corpus(&c);
}
END_TEST

/* What is too long loses tokens from the longer of the two, at either end alike. */
START_TEST(long_pairs_are_cut)
{
    corpus c = corpus_of(40, -4, -40);
    lm_instances *in = made_instances(c.spool, next_sentence);
    lm_arena *room = lm_arena_new(0);
    int front = 0, all = 0;
    for (uint64_t epoch = 0; epoch < 20; epoch++) {
        lm_instances_lay_out(in, epoch);
        for (uint64_t i = 0; i < lm_instances_count(in); i++) { /* a sentence reaches any target */
            seen s = look_at(&c, in, i, room);
            ck_assert_int_eq(s.len[0], 15);
            ck_assert_int_eq(s.len[1], 14);
            ck_assert_int_eq(s.label, 1);
            front += s.front[0] + s.front[1];
            all += s.front[0] + s.front[1] + s.end[0] + s.end[1];
        }
    }
    ck_assert_int_eq(all, 40 * 4 * 20 * (80 - 29));
    assert_share(front, all, 0.5, "tokens cut at the front");
    lm_arena_free(room);
    lm_instances_free(in);
    free_corpus(&c);
}
END_TEST

/* All pairs of an epoch, as one text. */
static char *all_pairs(lm_instances *in, uint64_t epoch)
{
    lm_buf b = {0};
    lm_arena *room = lm_arena_new(0);
    lm_instances_lay_out(in, epoch);
    for (uint64_t i = 0; i < lm_instances_count(in); i++) {
        char *one = made_shown(in, i, room);
        lm_buf_printf(&b, "%s\n", one);
        free(one);
    }
    lm_arena_free(room);
    lm_buf_cstr(&b);
    return b.data;
}

static void assert_pairs(lm_instances *a, uint64_t epoch_a, lm_instances *b, uint64_t epoch_b, bool same)
{
    char *x = all_pairs(a, epoch_a), *y = all_pairs(b, epoch_b);
    ck_assert((strcmp(x, y) == 0) == same);
    free(x);
    free(y);
}

/* An epoch is a function of the seed and its number; special tokens around the sentences make no difference. */
START_TEST(pairs_are_functions_of_seed_and_epoch)
{
    corpus c = corpus_of(30, 9, 20);
    for (int i = 0; i < c.count; i++)
        c.rows[i].wrapped = true;
    lm_spool *wrapped = made_spool(c.rows, c.count);
    lm_instances_options another = next_sentence;
    another.seed++;
    lm_instances *a = made_instances(c.spool, next_sentence), *b = made_instances(wrapped, next_sentence),
                 *x = made_instances(c.spool, another);
    for (uint64_t epoch = 0; epoch < 4; epoch++)
        assert_pairs(a, epoch, b, epoch, true);
    assert_pairs(a, 0, b, 2, false);
    assert_pairs(a, 2, b, 2, true);
    assert_pairs(a, 0, x, 0, false);
    lm_instances_free(a);
    lm_instances_free(b);
    lm_instances_free(x);
    lm_spool_free(wrapped);
    free_corpus(&c);
}
END_TEST

START_TEST(what_makes_no_pairs)
{
    static const struct {
        made rows[3];
        int32_t cls;
        const char *says;
    } cases[] = {
        {{{10, 3, 0, 0, 0}, {20, 3, -1, 0, 0}, {30, 3, 1, 0, 0}}, MADE_CLS, "row 2: neither a label nor the number of a document"},
        {{{10, 3, 0, 0, 0}, {20, 3, 0, 0, 0}, {30, 3, 0, 0, 0}}, MADE_CLS, "1 documents, and pairs of sentences need several"},
        {{{10, 3, 0, 0, 0}, {0, 3, 0, 0, 0}, {30, 3, 1, 0, 0}}, MADE_CLS, "row 2: a special token within it"},
        {{{10, 3, 0, 0, 0}, {20, 3, 0, 0, 0}, {30, 3, 1, 0, 0}}, -1, "no cls token, which stands before"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_instances_options how = next_sentence;
        how.cls_id = cases[i].cls;
        lm_spool *s = made_spool(cases[i].rows, 3);
        ck_assert(!made_try_instances(s, NULL, &how, &st));
        assert_says(&st, cases[i].says);
        lm_spool_free(s);
    }
}
END_TEST

/* ------------------------------------------------------------------ steps */

/* Every epoch has as many steps as the first, and a step is a function of its number. */
START_TEST(steps_of_pairs)
{
    char *dir = scratch_new(), *path = lm_format("%s/rows.lms", dir);
    corpus c = corpus_of(200, 9, 20);
    made_write(path, c.rows, c.count);
    lm_targets t = {.objective = lm_objective_find("pretrain"), .vocab_size = 1 << 20, .type_vocab_size = 2, .classes = 2};
    lm_data *d = made_data(path, (lm_data_options){0}, &next_sentence), *other = made_data(path, (lm_data_options){0}, &next_sentence);
    lm_status st = LM_STATUS_INIT;
    uint64_t steps = lm_data_steps(d);
    bool end = false;
    ck_assert(lm_data_check(d, &t, &st));
    ck_assert_uint_eq(steps, (lm_data_rows(d) + 7) / 8);
    char *first = made_step(d, 0, &t, &end), *second = made_step(d, steps, &t, &end);
    ck_assert_str_ne(first, second);
    for (uint64_t step = 0; step < 6 * steps; step++) {
        char *one = made_step(d, step, &t, &end);
        ck_assert(!end && one[0]);
        if (step % 7 == 0) { /* out of order */
            char *again = made_step(other, 6 * steps - 1 - step, &t, &end), *same = made_step(d, 6 * steps - 1 - step, &t, &end);
            ck_assert_str_eq(again, same);
            free(again);
            free(same);
        }
        free(one);
    }
    free(first);
    free(second);
    lm_data_free(d);
    lm_data_free(other);
    free_corpus(&c);
    free(path);
    scratch_discard(dir);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pairs of sentences");
    TCase *pairs = tcase_create("pairs");
    tcase_add_loop_test(pairs, pairs_follow_the_documents, 0, 2);
    tcase_add_loop_test(pairs, pairs_have_the_published_rates, 0, 2);
    tcase_add_test(pairs, long_pairs_are_cut);
    tcase_add_test(pairs, pairs_are_functions_of_seed_and_epoch);
    tcase_add_test(pairs, what_makes_no_pairs);
    tcase_add_test(pairs, steps_of_pairs);
    suite_add_tcase(s, pairs);
    return s;
}

UNIT_MAIN(suite)
