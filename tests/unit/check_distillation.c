/* Losses against a teacher: against the DistilBERT distiller's own code, against differences, and whole logits against parts. */
#include "unit.h"

#include "base/memory.h"
#include "graph/distillation.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 5, COLUMNS = 37, WIDTH = 6 };

/* ------------------------------------------------------------------ a graph over a few rows */

typedef struct bench {
    lm_params *params;
    lm_graph *g;
    int32_t splits[2], *ids;
    lm_batch batch;
} bench;

static bench bench_new(int rows, bool projects)
{
    bench b = {.params = lm_params_new()};
    lm_status st = LM_STATUS_INIT;
    lm_declare *d = lm_declare_begin(b.params);
    if (projects)
        lm_declare_linear(d, (lm_scope){"words"}, WIDTH, COLUMNS, 0.7);
    ck_assert(lm_declare_end(d, &st));
    for (size_t i = 0; i < lm_params_count(b.params); i++) {
        ck_assert(lm_param_initialise(lm_params_at(b.params, i), 3, &st));
        ck_assert(lm_param_train(lm_params_at(b.params, i), true, &st));
    }
    b.splits[1] = rows;
    b.ids = lm_calloc((size_t)rows, sizeof *b.ids);
    b.batch = (lm_batch){.rows = 1, .tokens = rows, .ids = b.ids, .types = b.ids, .positions = b.ids};
    b.g = lm_graph_new(b.params);
    return b;
}

static void bench_begin(bench *b)
{
    b->batch.row_splits = b->splits;
    lm_graph_begin(b->g, &b->batch, (lm_step){.taping = true});
}

static void bench_free(bench *b)
{
    lm_status st = LM_STATUS_INIT;
    ck_assert_msg(lm_graph_end(b->g, &st), "%s", st.message);
    lm_graph_free(b->g);
    lm_params_free(b->params);
    free(b->ids);
}

/* ------------------------------------------------------------------ the distiller's values */

static float *floats_of(const json_t *j, size_t *n)
{
    if (!json_is_array(j)) {
        float *one = lm_malloc(1, sizeof *one);
        *one = (float)json_number_value(j);
        *n = 1;
        return one;
    }
    float *all = NULL;
    *n = 0;
    for (size_t i = 0; i < json_array_size(j); i++) {
        size_t k;
        float *part = floats_of(json_array_get(j, i), &k);
        all = lm_realloc(all, *n + k, sizeof *all);
        memcpy(all + *n, part, k * sizeof *all);
        *n += k;
        free(part);
    }
    return all;
}

static double number(const json_t *c, const char *name)
{
    return json_number_value(json_object_get(c, name));
}

/* Of logits of a whole batch, [sequences, tokens]: which are attended to, and what is to be predicted at each. */
typedef struct targets {
    size_t n, length;
    float *attended, *labels;
} targets;

static int32_t label_at(const targets *t, const json_t *c, size_t i)
{
    bool shifted = !json_is_true(json_object_get(c, "mlm"));
    bool last = shifted && (i + 1) % t->length == 0;
    return last ? LM_IGNORED : (int32_t)t->labels[i + shifted];
}

typedef struct weights {
    float *soft, *hard, *error, *cosine;
    int32_t *label;
} weights;

static weights weights_of(const targets *t, const json_t *c)
{
    weights w = {lm_calloc(t->n, 4), lm_calloc(t->n, 4), lm_calloc(t->n, 4), lm_calloc(t->n, 4), lm_calloc(t->n, 4)};
    bool masked = json_is_true(json_object_get(c, "restrict_ce_to_mask"));
    double attended = 0, labelled = 0, soft = 0;
    for (size_t i = 0; i < t->n; i++) {
        w.label[i] = label_at(t, c, i);
        w.soft[i] = masked ? w.label[i] != LM_IGNORED : t->attended[i];
        attended += t->attended[i];
        labelled += w.label[i] != LM_IGNORED;
        soft += w.soft[i];
    }
    for (size_t i = 0; i < t->n; i++) {
        w.error[i] = (float)(w.soft[i] * number(c, "alpha_mse") / soft);
        w.soft[i] *= (float)(number(c, "alpha_ce") / soft);
        w.hard[i] = (float)((number(c, "alpha_mlm") + number(c, "alpha_clm")) / labelled);
        w.cosine[i] = (float)(t->attended[i] * number(c, "alpha_cos") / attended);
    }
    return w;
}

static void compare(const char *what, const float *got, const json_t *want)
{
    if (json_is_null(want))
        return;
    size_t n;
    float *all = floats_of(want, &n);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - all[i]) < 2e-6, "%s: %zu is %.9g, the reference has %.9g", what, i, (double)got[i],
                      (double)all[i]);
    free(all);
}

static void one_case(const json_t *inputs, const json_t *c, targets *t)
{
    size_t n, k;
    float *student = floats_of(json_object_get(inputs, "student_logits"), &n);
    float *teacher = floats_of(json_object_get(inputs, "teacher_logits"), &n);
    float *state = floats_of(json_object_get(inputs, "student_hidden"), &k);
    float *teacher_state = floats_of(json_object_get(inputs, "teacher_hidden"), &k);
    t->labels = floats_of(json_object_get(c, "labels"), &t->n);
    weights w = weights_of(t, c);
    int columns = (int)(n / t->n), width = (int)(k / t->n), rows = (int)t->n;
    bench b = bench_new(rows, false);
    bench_begin(&b);
    lm_tensor *x = lm_graph_input(b.g, student, rows, columns, true), *h = lm_graph_input(b.g, state, rows, width, true);
    double sums[2], errors[2];
    lm_distillation how = {.teacher = {.columns = columns, .logits = teacher}, .temperature = (float)number(c, "temperature"),
                           .soft = w.soft, .label = w.label, .hard = w.hard, .sums = sums};
    lm_distillation error = {.teacher = how.teacher, .divergence = LM_LOGIT_ERROR, .temperature = 1, .soft = w.error, .sums = errors};
    lm_tensor *loss = lm_add(b.g, lm_distillation_loss(b.g, x, &how), lm_distillation_loss(b.g, x, &error));
    loss = lm_add(b.g, loss, lm_cosine_loss(b.g, h, teacher_state, w.cosine));
    lm_graph_backward(b.g, loss, 1);
    double want = number(c, "loss");
    ck_assert_double_eq_tol(*lm_tensor_read(b.g, loss), want, 1e-6 * want);
    ck_assert_double_eq_tol(sums[0], number(c, "alpha_ce") * number(c, "loss_ce"), 1e-6 * want);
    compare("logits", x->grad, json_object_get(c, "grad_student_logits"));
    compare("hidden", h->grad, json_object_get(c, "grad_student_hidden"));
    bench_free(&b);
    void *all[] = {student, teacher, state, teacher_state, t->labels, w.soft, w.hard, w.error, w.cosine, w.label};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

START_TEST(distiller)
{
    UNIT_NEEDS_DATA(data);
    char *path = lm_format("%s/goldens/losses/golden.json", data);
    json_t *all = json_load_file(path, 0, NULL), *part = json_object_get(all, "distill"), *c;
    ck_assert_msg(part != NULL, "%s", path);
    json_t *inputs = json_object_get(part, "inputs");
    targets t = {0};
    t.attended = floats_of(json_object_get(inputs, "attention_mask"), &t.n);
    t.length = json_array_size(json_array_get(json_object_get(inputs, "attention_mask"), 0));
    size_t i;
    ck_assert_uint_eq(json_array_size(json_object_get(part, "cases")), 6);
    json_array_foreach(json_object_get(part, "cases"), i, c)
        one_case(inputs, c, &t);
    free(t.attended);
    json_decref(all);
    free(path);
}
END_TEST

/* ------------------------------------------------------------------ by differences */

static float noise(uint32_t *state, double scale)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(scale * ((double)(*state >> 8) * 0x1p-23 - 1));
}

typedef struct example {
    float x[ROWS * COLUMNS], teacher[ROWS * COLUMNS], soft[ROWS], hard[ROWS], top[ROWS * COLUMNS], rest[ROWS];
    int32_t label[ROWS], index[ROWS * COLUMNS];
    lm_distillation how;
} example;

/* The k largest of `n` logits, and the log-sum-exp of the others. */
static void largest(example *e, int k, int n)
{
    for (int r = 0; r < ROWS; r++) {
        const float *y = e->teacher + r * n;
        bool taken[COLUMNS] = {false};
        for (int i = 0; i < k; i++) {
            int best = -1;
            for (int j = 0; j < n; j++)
                if (!taken[j] && (best < 0 || y[j] > y[best]))
                    best = j;
            taken[best] = true;
            e->index[r * k + i] = best;
            e->top[r * k + i] = y[best];
        }
        double sum = 0;
        for (int j = 0; j < n; j++)
            sum += taken[j] ? 0 : exp((double)y[j]);
        e->rest[r] = (float)log(sum);
    }
}

/* Of `shared` columns of the student's, the k largest alone; k 0: all. */
static void make(example *e, lm_divergence divergence, float temperature, int shared, int k)
{
    uint32_t state = 7;
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        e->x[i] = noise(&state, 3);
        e->teacher[i] = noise(&state, 4);
    }
    for (int r = 0; r < ROWS; r++) {
        e->soft[r] = r == 3 ? 0 : 0.5f + (float)r;
        e->hard[r] = 0.25f * (float)(r + 1);
        e->label[r] = r == 1 ? LM_IGNORED : (r * 11) % COLUMNS;
    }
    e->how = (lm_distillation){.teacher = {.columns = shared, .logits = k ? NULL : e->teacher, .k = k, .index = e->index,
                                           .top = e->top, .rest = e->rest},
                               .divergence = divergence, .temperature = temperature, .beta = 0.3f, .soft = e->soft,
                               .label = e->label, .hard = e->hard};
    if (k)
        largest(e, k, shared);
}

static double loss_at(example *e, float *gradient)
{
    bench b = bench_new(ROWS, false);
    bench_begin(&b);
    lm_tensor *x = lm_graph_input(b.g, e->x, ROWS, COLUMNS, true), *loss = lm_distillation_loss(b.g, x, &e->how);
    lm_graph_backward(b.g, loss, 1);
    double value = *lm_tensor_read(b.g, loss);
    if (gradient)
        memcpy(gradient, x->grad, sizeof e->x);
    bench_free(&b);
    return value;
}

static void by_differences(example *e, const char *what)
{
    float gradient[ROWS * COLUMNS];
    loss_at(e, gradient);
    double norm = 0;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        norm = fmax(norm, fabs((double)gradient[i]));
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        const float step = 0.02f, at = e->x[i];
        e->x[i] = at + step;
        double above = loss_at(e, NULL);
        e->x[i] = at - step;
        double below = loss_at(e, NULL), slope = (above - below) / (2 * (double)step);
        e->x[i] = at;
        ck_assert_msg(fabs(slope - gradient[i]) < 3e-3 * norm, "%s: %d has gradient %g, differences give %g", what, i,
                      (double)gradient[i], slope);
    }
}

START_TEST(gradients_by_differences)
{
    static example e;
    for (int d = LM_FORWARD_KL; d <= LM_LOGIT_ERROR; d++) {
        make(&e, (lm_divergence)d, 2, COLUMNS, 0);
        by_differences(&e, "all logits");
        make(&e, (lm_divergence)d, 1, COLUMNS - 5, 0);
        by_differences(&e, "the first columns");
        if (d == LM_LOGIT_ERROR)
            continue; /* of the largest alone it says nothing of the others */
        make(&e, (lm_divergence)d, 1.5f, COLUMNS - 5, 6);
        by_differences(&e, "the largest");
    }
}
END_TEST

/* Of all columns, the largest are the whole; of one fewer the others are one column. */
START_TEST(largest_of_all)
{
    static example whole, part;
    float a[ROWS * COLUMNS], b[ROWS * COLUMNS];
    for (int d = LM_FORWARD_KL; d <= LM_JSD; d++) {
        for (int k = COLUMNS - 1; k <= COLUMNS; k++) {
            make(&whole, (lm_divergence)d, 2, COLUMNS, 0);
            make(&part, (lm_divergence)d, 2, COLUMNS, k);
            ck_assert_double_eq_tol(loss_at(&whole, a), loss_at(&part, b), 2e-5);
            for (int i = 0; i < ROWS * COLUMNS; i++)
                ck_assert_float_eq_tol(a[i], b[i], 5e-5f);
        }
    }
}
END_TEST

/* KL(t||s), by its definition in double. */
START_TEST(defined)
{
    static example e;
    make(&e, LM_FORWARD_KL, 3, COLUMNS, 0);
    e.how.label = NULL;
    e.how.hard = NULL;
    double want = 0;
    for (int r = 0; r < ROWS; r++) {
        double s = 0, t = 0;
        for (int j = 0; j < COLUMNS; j++) {
            s += exp((double)e.x[r * COLUMNS + j] / 3);
            t += exp((double)e.teacher[r * COLUMNS + j] / 3);
        }
        for (int j = 0; j < COLUMNS; j++) {
            double log_s = (double)e.x[r * COLUMNS + j] / 3 - log(s), log_t = (double)e.teacher[r * COLUMNS + j] / 3 - log(t);
            want += e.soft[r] * 9 * exp(log_t) * (log_t - log_s);
        }
    }
    ck_assert_double_eq_tol(loss_at(&e, NULL), want, 1e-5 * want);
}
END_TEST

/* ------------------------------------------------------------------ over a vocabulary */

static bool read_rows(void *context, int first, int n, float *logits, lm_status *st)
{
    (void)st;
    memcpy(logits, (const float *)context + first * COLUMNS, (size_t)n * COLUMNS * sizeof *logits);
    return true;
}

static bool read_nothing(void *context, int first, int n, float *logits, lm_status *st)
{
    (void)context, (void)first, (void)n, (void)logits;
    return lm_fail(st, LM_FAILED, "teacher: gone");
}

/* The loss of projected rows, and all gradients, behind one another. */
static double projected(example *e, const float *rows, bool deferred, float *gradients)
{
    bench b = bench_new(ROWS, true);
    bench_begin(&b);
    lm_tensor *x = lm_graph_input(b.g, rows, ROWS, WIDTH, true);
    lm_tensor *y = lm_vocab_linear(b.g, (lm_scope){"words"}, x);
    if (!deferred)
        lm_tensor_read(b.g, y);
    lm_tensor *loss = lm_scale(b.g, lm_distillation_loss(b.g, y, &e->how), 0.5f);
    lm_graph_backward(b.g, loss, 1);
    double value = *lm_tensor_read(b.g, loss);
    memcpy(gradients, x->grad, ROWS * WIDTH * sizeof *gradients);
    memcpy(gradients + ROWS * WIDTH, lm_params_at(b.params, 0)->grad, COLUMNS * WIDTH * sizeof *gradients);
    memcpy(gradients + (ROWS + COLUMNS) * WIDTH, lm_params_at(b.params, 1)->grad, COLUMNS * sizeof *gradients);
    bench_free(&b);
    return value;
}

START_TEST(vocabularies)
{
    enum { N = (ROWS + COLUMNS) * WIDTH + COLUMNS };
    static example e;
    float rows[ROWS * WIDTH], a[N], b[N];
    uint32_t state = 11;
    for (int i = 0; i < ROWS * WIDTH; i++)
        rows[i] = noise(&state, 1);
    for (int asked = 0; asked < 2; asked++) {
        make(&e, LM_FORWARD_KL, 2, COLUMNS, 0);
        if (asked) {
            e.how.teacher.logits = NULL;
            e.how.read = read_rows;
            e.how.context = e.teacher;
        }
        ck_assert_double_eq_tol(projected(&e, rows, true, a), projected(&e, rows, false, b), 1e-5);
        for (int i = 0; i < N; i++)
            ck_assert_float_eq_tol(a[i], b[i], 1e-5f);
    }
}
END_TEST

/* ------------------------------------------------------------------ relations */

enum { TOKENS = 7, HEADS = 2 };

/* The loss of tokens [from, to) by its definition: a is [tokens, HEADS dim]. */
static double related(const lm_relation *how, const float *a, const float *b, int dim, int from, int to)
{
    double sum = 0, pairs = 0;
    for (int h = 0; h < HEADS; h++) {
        for (int i = from; i < to; i++) {
            double s[TOKENS], t[TOKENS], total_s = 0, total_t = 0;
            int first = how->causal && how->window && i - how->window + 1 > from ? i - how->window + 1 : from;
            int end = how->causal ? i + 1 : to;
            for (int j = first; j < end; j++) {
                int width = HEADS * dim, theirs = HEADS * how->teacher.dim;
                s[j] = t[j] = 0;
                for (int c = 0; c < dim; c++)
                    s[j] += (double)a[i * width + h * dim + c] * b[j * width + h * dim + c] * how->scale;
                for (int c = h * how->teacher.dim; c < (h + 1) * how->teacher.dim; c++)
                    t[j] += (double)how->teacher.a[i * theirs + c] * how->teacher.b[j * theirs + c] * how->teacher.scale;
                total_s += exp(s[j]);
                total_t += exp(t[j]);
                pairs++;
            }
            for (int j = first; j < end; j++)
                sum += how->scores ? (s[j] - t[j]) * (s[j] - t[j])
                                   : exp(t[j]) / total_t * (t[j] - log(total_t) - s[j] + log(total_s));
        }
    }
    return from == to ? 0 : sum / (how->scores ? pairs : HEADS * (to - from));
}

/* Of rows of four, no and three tokens: what MiniLM and TinyBERT lose, to a teacher of another width. */
START_TEST(relations)
{
    enum { DIM = 3, THEIRS = 5 };
    static const int32_t splits[] = {0, 4, 4, 7}, ids[TOKENS];
    static const float weight[] = {0.5f, 3, 2};
    float a[TOKENS * HEADS * DIM], b[TOKENS * HEADS * DIM], ta[TOKENS * HEADS * THEIRS], tb[TOKENS * HEADS * THEIRS];
    uint32_t state = 3;
    for (int i = 0; i < TOKENS * HEADS * DIM; i++) {
        a[i] = noise(&state, 2);
        b[i] = noise(&state, 2);
    }
    for (int i = 0; i < TOKENS * HEADS * THEIRS; i++) {
        ta[i] = noise(&state, 1.5);
        tb[i] = noise(&state, 1.5);
    }
    for (int form = 0; form < 6; form++) {
        lm_relation how = {.heads = HEADS, .b_heads = HEADS, .scale = 0.6f, .scores = form % 2, .causal = form > 1,
                           .window = form > 3 ? 2 : 0, .weight = weight,
                           .teacher = {.a = ta, .b = tb, .b_heads = HEADS, .dim = THEIRS, .scale = 0.45f}};
        bench of = bench_new(TOKENS, false);
        lm_batch batch = {3, TOKENS, splits, ids, ids, ids};
        lm_graph_begin(of.g, &batch, (lm_step){.taping = form % 2});
        lm_tensor *x = lm_graph_input(of.g, a, TOKENS, HEADS * DIM, true), *y = lm_graph_input(of.g, b, TOKENS, HEADS * DIM, true);
        double got = *lm_tensor_read(of.g, lm_relation_loss(of.g, x, y, &how)), want = 0;
        for (int r = 0; r < 3; r++)
            want += weight[r] * related(&how, a, b, DIM, splits[r], splits[r + 1]);
        ck_assert_msg(fabs(got - want) < 1e-5 * want, "form %d: %.9g, and by its definition %.9g", form, got, want);
        bench_free(&of);
    }
}
END_TEST

START_TEST(relations_refused)
{
    float x[TOKENS * 6] = {0};
    lm_relation how = {.heads = 4, .b_heads = 4, .weight = x, .teacher = {.a = x, .b = x, .b_heads = 4, .dim = 1}};
    for (int fault = 0; fault < 3; fault++) {
        bench of = bench_new(TOKENS, false);
        lm_status st = LM_STATUS_INIT;
        bench_begin(&of);
        if (fault) /* four heads do not divide six columns; then heads that share none; a teacher without columns */
            how = (lm_relation){.heads = 3, .b_heads = fault == 1 ? 2 : 3, .weight = x,
                                .teacher = {.a = x, .b = x, .b_heads = 3, .dim = fault == 2 ? 0 : 1}};
        lm_tensor *t = lm_graph_input(of.g, x, TOKENS, 6, true);
        lm_relation_loss(of.g, t, t, &how);
        ck_assert_msg(!lm_graph_end(of.g, &st) && strstr(st.message, "do not divide"), "%d: %s", fault, st.message);
        lm_status_clear(&st);
        bench_free(&of);
    }
}
END_TEST

static void fails(example *e, const char *what)
{
    bench b = bench_new(ROWS, false);
    lm_status st = LM_STATUS_INIT;
    bench_begin(&b);
    lm_distillation_loss(b.g, lm_graph_input(b.g, e->x, ROWS, COLUMNS, true), &e->how);
    ck_assert_msg(!lm_graph_end(b.g, &st) && strstr(st.message, what), "%s: %s", what, st.message);
    lm_status_clear(&st);
    bench_free(&b);
}

START_TEST(refused)
{
    static example e;
    make(&e, LM_FORWARD_KL, 2, COLUMNS + 1, 0);
    fails(&e, "columns");
    make(&e, LM_FORWARD_KL, 0, COLUMNS, 0);
    fails(&e, "temperature");
    make(&e, LM_FORWARD_KL, 2, COLUMNS, 0);
    e.label[0] = COLUMNS;
    fails(&e, "label");
    make(&e, LM_FORWARD_KL, 2, COLUMNS, 0);
    e.how.teacher.logits = NULL;
    e.how.read = read_nothing;
    fails(&e, "gone");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("distillation");
    TCase *tc = tcase_create("losses");
    tcase_add_test(tc, distiller);
    tcase_add_test(tc, gradients_by_differences);
    tcase_add_test(tc, largest_of_all);
    tcase_add_test(tc, defined);
    tcase_add_test(tc, vocabularies);
    tcase_add_test(tc, relations);
    tcase_add_test(tc, relations_refused);
    tcase_add_test(tc, refused);
    suite_add_tcase(s, tc);
    return s;
}

UNIT_MAIN(suite)
