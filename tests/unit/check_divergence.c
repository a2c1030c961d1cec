/* Two models compared: the sums beside their definitions, and two real models beside what the evaluator says of each. */
#include "unit.h"

#include "base/memory.h"
#include "metrics/divergence.h"
#include "metrics/divergence_internal.h"
#include "metrics/evaluate.h"
#include "scratch.h"
#include "stream/tokens.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static double found(const lm_report *r, const char *name)
{
    double value;
    ck_assert_msg(lm_report_find(r, name, &value), "no %s", name);
    return value;
}

static void near(double a, double b, double within)
{
    ck_assert_msg(fabs(a - b) <= within, "%.12g is not %.12g", a, b);
}

/* ------------------------------------------------------------------ sums */

START_TEST(of_known_distributions)
{
    enum { N = 101 };
    lm_divergence_sums s = {0};
    lm_report *r = lm_report_new();
    double kl[N], sum = 0, squares = 0, loss = 0, was = 0, delta2 = 0;
    int agreed = 0;
    for (int i = 0; i < N; i++) { /* p = (0.7, 0.3), and q moves from it */
        double b = 0.3 + 0.006 * i;
        float p[2] = {logf(0.7F) + 3, logf(0.3F) + 3}, q[2] = {logf((float)(1 - b)), logf((float)b)};
        int32_t label = i % 3 - 1; /* every third is not known */
        lm_divergence_add(&s, LM_MEASURE_NEXT, p, q, &label, 1, 2);
        kl[i] = 0.7 * log(0.7 / (1 - b)) + 0.3 * log(0.3 / b);
        sum += kl[i];
        agreed += b < 0.5;
        if (label >= 0) {
            double own = label ? b : 1 - b, other = label ? 0.3 : 0.7;
            loss -= log(own) / 67;
            was -= log(other) / 67;
            delta2 += (own - other) * (own - other) / 67;
        }
    }
    for (int i = 0; i < N; i++)
        squares += (kl[i] - sum / N) * (kl[i] - sum / N);
    lm_divergence_conclude(&s, r);
    near(found(r, "compared"), N, 0);
    near(found(r, "kl_divergence"), sum / N, 1e-6);
    near(found(r, "kl_divergence_error"), sqrt(squares / (N - 1) / N), 1e-6);
    near(found(r, "kl_divergence_max"), kl[N - 1], 1e-6); /* it grows with i */
    near(found(r, "kl_divergence_median"), kl[50], 1e-6);
    near(found(r, "kl_divergence_p90"), kl[90], 1e-6);
    near(found(r, "kl_divergence_p99.9"), 0.1 * kl[99] + 0.9 * kl[100], 1e-6);
    near(found(r, "top1_agreement"), (double)agreed / N, 1e-9);
    near(found(r, "perplexity"), exp(loss), 1e-5);
    near(found(r, "perplexity_reference"), exp(was), 1e-5);
    near(found(r, "perplexity_ratio"), exp(loss - was), 1e-5);
    near(found(r, "rms_delta_p"), sqrt(delta2), 1e-6);
    lm_report_free(r);
    lm_divergence_sums_free(&s);
}
END_TEST

START_TEST(of_decisions_and_numbers)
{
    lm_divergence_sums s = {0}, v = {0};
    lm_report *r = lm_report_new();
    float p[2] = {0, 2}, q[2] = {1, -1};
    double a = 0.5, b = 1 / (1 + exp(-1.0)), c = 1 / (1 + exp(-2.0)), d = 1 / (1 + exp(1.0));
    lm_divergence_add(&s, LM_MEASURE_MULTI_LABEL, p, q, NULL, 1, 2);
    lm_divergence_conclude(&s, r);
    near(found(r, "kl_divergence"),
         a * log(a / b) + (1 - a) * log((1 - a) / (1 - b)) + c * log(c / d) + (1 - c) * log((1 - c) / (1 - d)), 1e-6);
    near(found(r, "top1_agreement"), 0, 0);
    lm_report_free(r);
    r = lm_report_new();
    lm_divergence_add(&v, LM_MEASURE_VALUES, p, q, NULL, 2, 1);
    lm_divergence_conclude(&v, r);
    near(found(r, "value_error"), sqrt((1 + 9) / 2.0), 1e-6);
    double none;
    ck_assert(!lm_report_find(r, "kl_divergence", &none) && !lm_report_find(r, "perplexity", &none));
    lm_report_free(r);
    lm_divergence_sums_free(&s);
    lm_divergence_sums_free(&v);
}
END_TEST

/* ------------------------------------------------------------------ models */

enum { ROWS = 5, LONGEST = 9, VOCAB = 40 };

static int32_t ids[ROWS][LONGEST];

static void make_rows(lm_tokens_row *rows)
{
    for (int r = 0; r < ROWS; r++) {
        rows[r] = (lm_tokens_row){.ids = ids[r], .len = (size_t)(LONGEST - 2 * r)};
        for (int t = 0; t < LONGEST; t++)
            ids[r][t] = (7 * r + 11 * t * t + t) % VOCAB;
    }
}

static void write_rows(const char *path, const lm_tokens_row *rows)
{
    lm_status st = LM_STATUS_INIT;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    lm_lms_writer *w = lm_lms_writer_new(fd, path, LM_KIND_TOKENS, NULL, NULL, NULL, &st);
    lm_tokens_writer *t = lm_tokens_writer_new(w);
    for (int r = 0; r < ROWS; r++)
        ck_assert(lm_tokens_writer_add(t, &rows[r], &st));
    ck_assert(lm_tokens_writer_flush(t, &st) && lm_lms_write_end(w, &st));
    lm_tokens_writer_free(t);
    lm_lms_writer_free(w);
    close(fd);
}

/* A model of random weights; in the other one a matrix of block 1 has moved. */
static void save(const char *config, const char *moved, const char *dir)
{
    lm_status st = LM_STATUS_INIT;
    lm_config *c = lm_config_parse(lm_str_of(config), "config.json", &st);
    lm_model *m = c ? lm_model_create(c, &(lm_model_options){.seed = 3, .whole_config = true, .quiet = true}, &st) : NULL;
    assert_ok(&st);
    lm_param *p = moved ? lm_params_find(m->params, moved) : NULL;
    ck_assert(!moved || p);
    for (size_t i = 0; i < lm_params_count(m->params); i++) { /* far from even distributions */
        lm_param *all = lm_params_at(m->params, i);
        for (size_t k = 0; all->shape.dims == 2 && k < all->elements; k++)
            all->value[k] *= 20;
    }
    for (size_t i = 0; p && i < p->elements; i++)
        p->value[i] *= 1.1F;
    ck_assert(lm_model_save(m, dir, &st));
    lm_model_free(m);
}

/* Logits of all tokens, or of all rows. */
static const float *logits_of(const char *dir, const lm_tokens_row *rows, lm_model **m, lm_evaluator **e, lm_row_outputs *out)
{
    lm_status st = LM_STATUS_INIT;
    *m = lm_model_open(dir, &(lm_model_options){.quiet = true}, &st);
    assert_ok(&st);
    *e = lm_evaluator_new(*m, NULL, &(lm_evaluate_options){.emit = LM_EMIT_LOGITS}, &st);
    assert_ok(&st);
    ck_assert(lm_evaluator_run(*e, rows, ROWS, 0, out, &st));
    return out->logits;
}

/* The mean by its definition: of a causal model over all tokens but the last of a row. */
static double expected_kl(const lm_tokens_row *rows, const float *p, const float *q, int columns, bool tokens, int *units)
{
    double sum = 0;
    size_t at = 0;
    *units = 0;
    for (int r = 0; r < ROWS; r++) {
        for (size_t t = 0; t < (tokens ? rows[r].len : 1); t++, at++) {
            const float *a = p + at * (size_t)columns, *b = q + at * (size_t)columns;
            double za = 0, zb = 0;
            for (int c = 0; c < columns; c++) {
                za += exp((double)a[c]);
                zb += exp((double)b[c]);
            }
            if (tokens && t + 1 == rows[r].len)
                continue;
            for (int c = 0; c < columns; c++)
                sum += exp((double)a[c]) / za * ((double)a[c] - log(za) - (double)b[c] + log(zb));
            ++*units;
        }
    }
    return sum / *units;
}

static void compare_models(const char *config, const char *moved, bool tokens)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokens_row rows[ROWS];
    lm_model *m[2];
    lm_evaluator *e[2];
    lm_row_outputs out[2];
    int units;
    char *a = scratch_new(), *b = scratch_new(), *lms = lm_format("%s/rows.lms", a);
    make_rows(rows);
    write_rows(lms, rows);
    save(config, NULL, a);
    save(config, moved, b);
    const float *p = logits_of(a, rows, &m[0], &e[0], &out[0]), *q = logits_of(b, rows, &m[1], &e[1], &out[1]);
    double kl = expected_kl(rows, p, q, out[0].columns, tokens, &units);
    lm_report *r = lm_divergence(&(lm_divergence_options){.model = b, .reference = a, .rows = lms}, &st);
    assert_ok(&st);
    ck_assert(kl > 1e-4);
    near(found(r, "kl_divergence"), kl, 1e-4 * kl);
    near(found(r, "compared"), units, 0);
    near(found(r, "rows"), ROWS, 0);
    ck_assert(found(r, "top1_agreement") <= 1);
    char *weight = lm_format("weights_error[%s]", moved);
    near(found(r, weight), 0.1, 1e-5);
    near(found(r, "hidden_error[0]"), 0, 0);
    near(found(r, "hidden_error[1]"), 0, 0); /* block 0 */
    ck_assert(found(r, "hidden_error[2]") > 1e-3);
    double other;
    ck_assert(lm_report_find(r, "perplexity", &other) == tokens);
    lm_report_free(r);
    r = lm_divergence(&(lm_divergence_options){.model = a, .reference = a, .rows = lms}, &st);
    near(found(r, "kl_divergence_max"), 0, 1e-9);
    near(found(r, "top1_agreement"), 1, 0);
    lm_report_free(r);
    for (int i = 0; i < 2; i++) {
        lm_evaluator_free(e[i]);
        lm_model_free(m[i]);
    }
    free(weight);
    scratch_discard(a);
    scratch_discard(b);
    free(lms);
}

static const char gpt2[] = "{\"architectures\":[\"GPT2LMHeadModel\"],\"model_type\":\"gpt2\",\"vocab_size\":40,\"n_embd\":24,\"n_layer\":2,"
                           "\"n_head\":2,\"n_positions\":16}";
static const char bert[] =
    "{\"architectures\":[\"BertForSequenceClassification\"],\"model_type\":\"bert\",\"vocab_size\":40,\"hidden_size\":24,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":2,\"intermediate_size\":40,\"max_position_embeddings\":16,\"num_labels\":3,"
    "\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"},\"label2id\":{\"a\":0,\"b\":1,\"c\":2}}";

START_TEST(of_models)
{
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    compare_models(gpt2, "transformer.h.1.mlp.c_fc.weight", true);
    compare_models(bert, "bert.encoder.layer.1.attention.self.value.weight", false);
}
END_TEST

START_TEST(refuses)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokens_row rows[ROWS];
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    char *a = scratch_new(), *b = scratch_new(), *lms = lm_format("%s/rows.lms", a);
    save(gpt2, NULL, a);
    save(bert, NULL, b);
    make_rows(rows);
    ids[1][2] = VOCAB;
    write_rows(lms, rows);
    ck_assert_ptr_null(lm_divergence(&(lm_divergence_options){.model = b, .reference = a, .rows = lms}, &st));
    ck_assert_msg(strstr(st.message, "is not made of"), "%s", st.message);
    lm_status_clear(&st);
    ck_assert_ptr_null(lm_divergence(&(lm_divergence_options){.model = a, .reference = a, .rows = lms}, &st));
    ck_assert_msg(strstr(st.message, "id 40 is not"), "%s", st.message);
    scratch_discard(a);
    scratch_discard(b);
    free(lms);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("divergence");
    TCase *t = tcase_create("divergence");
    tcase_add_test(t, of_known_distributions);
    tcase_add_test(t, of_decisions_and_numbers);
    tcase_add_test(t, of_models);
    tcase_add_test(t, refuses);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
