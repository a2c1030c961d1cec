/* What balances training: losses over classes that are not alike, subsets, rows mixed in, and what is made of
 * evaluations. */
#include "numbered_rows.h"
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "graph/graph.h"
#include "train/objectives/class_weight.h"
#include "train/data/data.h"
#include "train/optimizer/optimizer.h"
#include "train/objectives/step_rows.h"
#include "train/data/subset.h"
#include "train/reports/watch.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ losses, against PyTorch in double */

enum { ROWS = 4, CLASSES = 3 };

static const float logits[ROWS * CLASSES] = {0.5f, -1.25f, 2, 3, 0.25f, -0.5f, -2, 1.5f, 0.75f, 0, 0, 0};
static const int32_t labels[ROWS] = {2, 1, -100, 0};
static const float targets[ROWS * CLASSES] = {1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0};
static const float class_weights[CLASSES] = {0.5f, 2, 1.25f};

typedef struct loss_case {
    bool binary, weighted;
    float gamma, smoothing;
    double loss;
    double gradient[ROWS * CLASSES];
} loss_case;

/* torch.nn.functional.cross_entropy(weight, label_smoothing, reduction="sum"), (1-p)^2 times it,
 * binary_cross_entropy_with_logits(pos_weight), and that times (1-p)^2. */
static const loss_case losses[] = {
    {false, true, 0, 0, 6.519993984520808,
     {0.22102522763430538, 0.03840842540804554, -0.2594336530423509, 1.827944295973282, -1.8831434307534272,
      0.05519913478014524, 0, 0, 0, -0.33333333333333337, 0.16666666666666666, 0.16666666666666666}},
    {false, true, 0, 0.1f, 6.6164766009551546,
     {0.2043585609676387, -0.028258241258621124, -0.17610031970901766, 1.7427297182076171,
      -1.7541922187668404, 0.011462500559223128, 0, 0, 0, -0.275, 0.125, 0.15}},
    {false, true, 2, 0, 5.292227481754465,
     {0.0264335026449613, 0.004593453993822696, -0.031026956638783996, 2.191767855245176,
      -2.257953509542727, 0.06618565429755124, 0, 0, 0, -0.3109055242471274, 0.15545276212356368,
      0.15545276212356368}},
    {true, true, 0, 0, 11.115500878758533,
     {-0.1887703343990727, 0.22270013882530884, -0.14900365252764702, 0.9525741268224334, 0.5621765008857981,
      -0.7780741640023182, -0.4403985389889412, -0.3648510476127127, 0.679178699175393, 0.5, -1, 0.5}},
    {true, false, 2, 0, 6.187656980211977,
     {-0.1379369973509144, 0.030468855732382425, -0.004870940195392782, 1.1267498806348881,
      0.40624341300202726, -0.5261518218745831, -1.076713730448482, -0.01703110522323593, 0.6497843252438038,
      0.29828679513998635, -0.29828679513998635, 0.29828679513998635}},
};

static lm_tensor *loss_of(lm_graph *g, lm_tensor *x, const loss_case *c, float *per_row)
{
    lm_balance how = {
        .class_weight = c->weighted ? class_weights : NULL, .gamma = c->gamma, .smoothing = c->smoothing};
    return c->binary ? lm_balanced_binary_cross_entropy(g, x, targets, NULL, &how, per_row)
                     : lm_balanced_cross_entropy(g, x, labels, NULL, &how, per_row);
}

static const int32_t row_splits[] = {0, 1, 2, 3, 4}, four_ids[ROWS];
static const lm_batch four = {ROWS, ROWS, row_splits, four_ids, four_ids, four_ids};

START_TEST(losses_as_pytorch)
{
    const loss_case *c = &losses[_i];
    lm_params *params = lm_params_new();
    lm_graph *g = lm_graph_new(params);
    lm_status st = LM_STATUS_INIT;
    float per_row[ROWS];
    double sum = 0;
    lm_graph_begin(g, &four, (lm_step){.training = true});
    lm_tensor *x = lm_graph_input(g, logits, ROWS, CLASSES, true), *loss = loss_of(g, x, c, per_row);
    lm_graph_backward(g, loss, 1);
    ck_assert_double_eq_tol(*lm_tensor_read(g, loss), c->loss, 1e-6 * c->loss);
    for (int r = 0; r < ROWS; r++)
        sum += per_row[r];
    ck_assert_double_eq_tol(sum, c->loss, 1e-5);
    for (int i = 0; i < ROWS * CLASSES; i++)
        ck_assert_double_eq_tol(x->grad[i], c->gradient[i], 1e-6);
    ck_assert(lm_graph_end(g, &st));
    lm_graph_free(g);
    lm_params_free(params);
}
END_TEST

/* Certain and impossible classes: finite losses and gradients. */
START_TEST(losses_of_extreme_logits)
{
    static const float wild[ROWS * CLASSES] = {1e4f, -1e4f, 0, -1e4f, 1e4f, 1e4f, 88, -88, 0, -90, 90, 0};
    static const int32_t wild_labels[ROWS] = {0, 0, 0, 1};
    static const float gammas[] = {0, 0.3f, 1, 2};
    lm_params *params = lm_params_new();
    lm_graph *g = lm_graph_new(params);
    lm_status st = LM_STATUS_INIT;
    for (int i = 0; i < 8; i++) {
        lm_balance how = {.class_weight = class_weights, .gamma = gammas[i / 2]};
        lm_graph_begin(g, &four, (lm_step){.training = true});
        lm_tensor *x = lm_graph_input(g, wild, ROWS, CLASSES, true);
        lm_tensor *loss = i % 2 ? lm_balanced_binary_cross_entropy(g, x, targets, NULL, &how, NULL)
                                : lm_balanced_cross_entropy(g, x, wild_labels, NULL, &how, NULL);
        lm_graph_backward(g, loss, 1);
        ck_assert(isfinite(*lm_tensor_read(g, loss)));
        for (int k = 0; k < ROWS * CLASSES; k++)
            ck_assert(isfinite(x->grad[k]));
        ck_assert(lm_graph_end(g, &st));
    }
    lm_graph_free(g);
    lm_params_free(params);
}
END_TEST

START_TEST(losses_refuse)
{
    static const float bad[CLASSES] = {1, -1, 1};
    static const int32_t beyond[ROWS] = {0, 3, 0, 0};
    const lm_balance hows[] = {{.class_weight = bad},
                               {.gamma = NAN},
                               {.class_weight = class_weights, .smoothing = 1.5f},
                               {.class_weight = class_weights, .gamma = 1}};
    static const char *const says[] = {"class 1 has -1", "gamma", "smoothing", "row 1 has 3"};
    lm_params *params = lm_params_new();
    lm_graph *g = lm_graph_new(params);
    for (int i = 0; i < 4; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_graph_begin(g, &four, (lm_step){.training = true});
        lm_tensor *x = lm_graph_input(g, logits, ROWS, CLASSES, true);
        lm_balanced_cross_entropy(g, x, i == 3 ? beyond : labels, NULL, &hows[i], NULL);
        ck_assert(!lm_graph_end(g, &st));
        assert_says(&st, says[i]);
    }
    lm_graph_free(g);
    lm_params_free(params);
}
END_TEST

/* ------------------------------------------------------------------ rows */


static lm_data *read_rows(const char *path, lm_data_options options)
{
    lm_status st = LM_STATUS_INIT;
    const char *items[] = {path};
    lm_strings inputs = {items, 1, 1};
    options.inputs = &inputs;
    options.rows_per_step = options.rows_per_step ? options.rows_per_step : 8;
    lm_data *d = lm_data_open(&options, &st);
    assert_ok(&st);
    lm_data_load(d, &st);
    assert_ok(&st);
    return d;
}

/* The first token of each row that is trained on. */
static void first_tokens(const lm_data *d, bool *seen)
{
    for (uint64_t i = 0; i < lm_data_rows(d); i++) {
        lm_tokens_row row;
        lm_data_row(d, i, NULL, &row);
        ck_assert_uint_eq(row.len, lm_data_lengths(d)[i]);
        ck_assert(!seen[row.ids[0]]);
        seen[row.ids[0]] = true;
    }
}

START_TEST(subsets_are_nested)
{
    enum { N = 1000 };
    char *dir = scratch_new(), *path = numbered_rows(dir, "rows.lms", N, 0);
    static const double shares[] = {0.01, 0.1, 0.5, 1};
    static const uint64_t counts[] = {10, 100, 500, 1000};
    bool last[N] = {false};
    for (int i = 0; i < 4; i++) {
        bool seen[N] = {false}, other_seed[N] = {false};
        lm_data *d = read_rows(path, (lm_data_options){.share = shares[i], .shuffle = true, .seed = 1});
        ck_assert_uint_eq(lm_data_rows(d), counts[i]);
        ck_assert_uint_eq(lm_data_steps(d), (counts[i] + 7) / 8);
        ck_assert_uint_eq(lm_spool_rows(lm_data_spool(d)), N);
        first_tokens(d, seen);
        for (int k = 0; k < N; k++)
            ck_assert(!last[k] || seen[k]);
        memcpy(last, seen, sizeof last);
        lm_data_free(d);
        d = read_rows(path, (lm_data_options){.most = counts[i], .seed = 99});
        first_tokens(d, other_seed);
        ck_assert_mem_eq(seen, other_seed, sizeof seen);
        lm_data_free(d);
    }
    /* not the first ones */
    lm_data *d = read_rows(path, (lm_data_options){.most = 20});
    bool seen[N] = {false};
    first_tokens(d, seen);
    int early = 0;
    for (int k = 0; k < 100; k++)
        early += seen[k];
    ck_assert_int_lt(early, 10);
    lm_data_free(d);
    d = read_rows(path, (lm_data_options){.share = 1e-9});
    ck_assert_uint_eq(lm_data_rows(d), 1);
    lm_data_free(d);
    free(path);
    scratch_discard(dir);
}
END_TEST

/* Rows of another stream: as many as the share says, all of them before any comes again, and a step does not
 * depend on the steps before it. */
START_TEST(mixed_rows)
{
    enum { OWN = 60, OTHER = 10, FIRST = 5000, STEPS = 24 };
    char *dir = scratch_new(), *path = numbered_rows(dir, "rows.lms", OWN, 0);
    char *other_path = numbered_rows(dir, "other.lms", OTHER, FIRST);
    lm_status st = LM_STATUS_INIT;
    lm_targets t = {.objective = lm_objective_find("classify"), .classes = 3, .vocab_size = 10000};
    lm_data *other = read_rows(other_path, (lm_data_options){0});
    lm_data *d = read_rows(path, (lm_data_options){.shuffle = true, .seed = 3});
    uint64_t plain = lm_data_digest(d);
    lm_data_mix(d, other, 0.3, &t);
    ck_assert(lm_data_digest(d) != plain);
    int times[OTHER] = {0}, own = 0, mixed = 0;
    lm_step_rows rows = {0}, again = {0};
    for (uint64_t step = 0; step < STEPS; step++) {
        bool end;
        ck_assert(lm_data_step(d, step, &t, &rows, &end, &st));
        int here = 0;
        for (int r = 0; r < rows.rows; r++) {
            int token = rows.ids[rows.row_splits[r]];
            ck_assert(r == 0 || rows.row_splits[r] - rows.row_splits[r - 1] >=
                                    rows.row_splits[r + 1] - rows.row_splits[r]);
            if (token < FIRST)
                continue;
            ck_assert_int_eq(rows.row_class[r], (token - FIRST) % 3);
            times[token - FIRST]++;
            here++;
        }
        own += rows.rows - here;
        mixed += here;
        ck_assert_int_eq(mixed, (int)floor(0.3 * own + 1e-9));
        if (mixed == OTHER)
            for (int k = 0; k < OTHER; k++)
                ck_assert_int_eq(times[k], 1);
    }
    ck_assert_int_eq(own, OWN * STEPS / 8);
    lm_data_step(d, 5, &t, &rows, &(bool){false}, &st);
    lm_data_step(d, 17, &t, &again, &(bool){false}, &st);
    lm_data_step(d, 5, &t, &again, &(bool){false}, &st);
    ck_assert_int_eq(rows.tokens, again.tokens);
    ck_assert_mem_eq(rows.ids, again.ids, (size_t)rows.tokens * sizeof *rows.ids);
    lm_step_rows_free(&rows);
    lm_step_rows_free(&again);
    lm_data_free(d);
    lm_data_free(other);
    free(path);
    free(other_path);
    scratch_discard(dir);
}
END_TEST

/* Masks of a step of eight rows and the same rows mixed in: pattern[place], a bit a token. */
static void mask_patterns(lm_data *d, const lm_targets *t, uint64_t step, unsigned pattern[16])
{
    lm_status st = LM_STATUS_INIT;
    lm_step_rows s = {0};
    bool end;
    ck_assert(lm_data_step(d, step, t, &s, &end, &st));
    ck_assert_int_eq(s.rows, 16);
    for (int r = 0; r < 16; r++) {
        pattern[s.place[r]] = 0;
        for (int i = s.row_splits[r]; i < s.row_splits[r + 1]; i++)
            pattern[s.place[r]] |= (unsigned)(s.token_label[i] != LM_IGNORE) << (i - s.row_splits[r]);
    }
    lm_step_rows_free(&s);
}

/* A row that is mixed in has masks of its own, and others each time that it comes. */
START_TEST(mixed_rows_are_masked_anew)
{
    char *dir = scratch_new(), *path = numbered_rows(dir, "rows.lms", 8, 100);
    lm_targets t = {.objective = lm_objective_find("mlm"),
                    .vocab_size = 10000,
                    .masking = {.probability = 0.5, .mask_id = 9999, .vocab_size = 10000, .seed = 4}};
    lm_data *d = read_rows(path, (lm_data_options){0}), *other = read_rows(path, (lm_data_options){0});
    lm_data_mix(d, other, 1, &t);
    unsigned first[16], second[16];
    mask_patterns(d, &t, 0, first);
    mask_patterns(d, &t, 1, second);
    ck_assert(memcmp(first, first + 8, 8 * sizeof *first) != 0);
    ck_assert(memcmp(first, second, 8 * sizeof *first) != 0);
    ck_assert(memcmp(first + 8, second + 8, 8 * sizeof *first) != 0);
    lm_data_free(d);
    lm_data_free(other);
    free(path);
    scratch_discard(dir);
}
END_TEST

/* Rows that one lm_data has read serve another. */
START_TEST(shared_rows)
{
    char *dir = scratch_new(), *path = numbered_rows(dir, "rows.lms", 50, 0);
    lm_data *first = read_rows(path, (lm_data_options){0});
    lm_data *second = read_rows("nowhere", (lm_data_options){.shared = lm_data_spool(first), .share = 0.5});
    ck_assert_uint_eq(lm_data_rows(second), 25);
    ck_assert_ptr_eq(lm_data_spool(first), lm_data_spool(second));
    lm_data_free(second);
    lm_tokens_row row;
    lm_data_row(first, 49, NULL, &row);
    ck_assert_int_eq(row.ids[0], 49);
    lm_data_free(first);
    free(path);
    scratch_discard(dir);
}
END_TEST

/* ------------------------------------------------------------------ weights of classes */

/* sklearn.utils.class_weight.compute_class_weight("balanced"): n / (classes * bincount). */
START_TEST(weights_are_counted)
{
    char *dir = scratch_new(), *path = numbered_rows(dir, "rows.lms", 50, 0);
    lm_status st = LM_STATUS_INIT;
    lm_targets t = {.objective = lm_objective_find("classify"), .classes = 4, .vocab_size = 100};
    lm_data *d = read_rows(path, (lm_data_options){0});
    float w[4];
    ck_assert(lm_class_weights_auto(d, &t, w, &st));
    ck_assert_float_eq_tol(w[0], 50.0f / (4 * 17), 1e-6f);
    ck_assert_float_eq_tol(w[1], 50.0f / (4 * 17), 1e-6f);
    ck_assert_float_eq_tol(w[2], 50.0f / (4 * 16), 1e-6f);
    ck_assert_float_eq(w[3], 1); /* of this class there is none */
    lm_data_free(d);
    /* only the rows that are trained on count */
    d = read_rows(path, (lm_data_options){.most = 1});
    lm_tokens_row row;
    lm_data_row(d, 0, NULL, &row);
    ck_assert(lm_class_weights_auto(d, &t, w, &st));
    for (int c = 0; c < 4; c++)
        ck_assert_float_eq(w[c], c == row.label_id ? 0.25f : 1);
    lm_data_free(d);
    free(path);
    scratch_discard(dir);
}
END_TEST

START_TEST(weights_are_read)
{
    static const char *const names[] = {"sport", "world news", "\xEA\xB8\x8D\xEC\xA0\x95"};
    static const struct {
        const char *text, *says; /* NULL = good */
    } files[] = {
        {"sport 2\nworld news\t0.5\n\xEA\xB8\x8D\xEC\xA0\x95 1e-1\n", NULL},
        {"\xEF\xBB\xBF" "world news 0.5\r\n\r\n\xEA\xB8\x8D\xEC\xA0\x95  10%\r\nsport\t2", NULL},
        {"{\"sport\":2, \"world news\":0.5, \"\xEA\xB8\x8D\xEC\xA0\x95\":0.1}", NULL},
        {"sport 2\nworld news 0.5\n", "no weight for class '\xEA\xB8\x8D"},
        {"sport 2\nsport 2\n", "'sport' has a weight twice"},
        {"sports 2\n", "'sports' is none of the 3 classes"},
        {"sport -1\n", "finite"},
        {"sport 1e300\n", "finite"},
        {"world news 1\nsport\n", "file:2: no class and weight"},
        {"{\"sport\":\"2\"}", "no number"},
        {"{\"sport\":2", "file:1"},
        {"", "no weight for class 'sport'"},
        {"{\"sport\":0, \"world news\":0, \"\xEA\xB8\x8D\xEC\xA0\x95\":0}", "every class has weight 0"},
    };
    char *dir = scratch_new(), *path = lm_format("%s/file", dir);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        lm_status st = LM_STATUS_INIT;
        float w[3];
        scratch_write(dir, "file", files[i].text, strlen(files[i].text));
        bool ok = lm_class_weights_read(path, names, 3, w, &st);
        ck_assert_msg(ok == !files[i].says, "%zu: %s", i, st.message);
        if (!ok) {
            assert_says(&st, files[i].says);
            continue;
        }
        ck_assert_float_eq(w[0], 2);
        ck_assert_float_eq(w[1], 0.5f);
        ck_assert_float_eq(w[2], 0.1f);
    }
    free(path);
    scratch_discard(dir);
}
END_TEST

/* What divides the loss is the sum of the weights of the targets, so that it is torch's mean. */
START_TEST(weights_divide)
{
    static const int32_t ids[] = {5, 6, 7, 8}, tags[] = {1, LM_IGNORE, 0, 2};
    lm_status st = LM_STATUS_INIT;
    lm_targets t = {
        .objective = lm_objective_find("classify"), .classes = 3, .vocab_size = 100, .class_weight = class_weights};
    lm_tokens_row row = {.ids = ids, .len = 4, .tags = tags, .has_label_id = true};
    lm_step_rows s = {0};
    lm_step_rows_begin(&s, &t, 4, 16);
    for (int i = 0; i < ROWS; i++) {
        row.label_id = labels[i];
        lm_step_rows_add(&s, &t, &row, 0, (uint64_t)i, i, &st);
    }
    ck_assert_double_eq(s.row_count, 1.25 + 2 + 0.5);
    ck_assert_double_eq_tol(losses[0].loss / s.row_count, 1.7386650625388822, 1e-9); /* reduction="mean" */
    t.objective = lm_objective_find("tag");
    row.has_weight = true;
    row.weight = 2;
    lm_step_rows_begin(&s, &t, 1, 4);
    lm_step_rows_add(&s, &t, &row, 0, 0, 0, &st);
    assert_ok(&st);
    ck_assert_double_eq(s.token_count, 2 * (2 + 0.5 + 1.25));
    lm_step_rows_free(&s);
}
END_TEST

/* ------------------------------------------------------------------ decay towards the start */

START_TEST(weights_are_pulled)
{
    lm_status st = LM_STATUS_INIT;
    lm_params *params = lm_params_new();
    lm_declare *declaration = lm_declare_begin(params);
    lm_declare_linear(declaration, (lm_scope){"a"}, 3, 2, 0.5);
    lm_declare_end(declaration, &st);
    for (size_t i = 0; i < 2; i++) {
        lm_param_initialise(lm_params_at(params, i), 1, &st);
        lm_param_train(lm_params_at(params, i), true, &st);
    }
    lm_param *w = lm_params_find(params, "a.weight"), *b = lm_params_find(params, "a.bias");
    static const float start[6] = {1, -2, 3, 0, 0.5f, 4};
    const float *starts[2] = {start, NULL};
    lm_optimizer_options how = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-6, .weight_decay = 0.1,
                            .bias_correction = true, .pull = 0.25, .starts = starts};
    lm_optimizer *o = lm_optimizer_new(params, &how, &st);
    assert_ok(&st);
    double p = w->value[2], q = b->value[0], m = 0, v = 0;
    for (int t = 1; t <= 3; t++) {
        double lr = 0.1 * t, g = 0.3 * t, step;
        w->grad[2] = b->grad[0] = (float)g;
        ck_assert(lm_optimizer_update(o, lr, 1, &st));
        m = 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        step = lr * m / (1 - pow(0.9, t)) / (sqrt(v / (1 - pow(0.999, t))) + 1e-6);
        p += -lr * 0.25 * (p - start[2]) - step;
        q -= step; /* a bias without a start does not decay */
        ck_assert_double_eq_tol(w->value[2], p, 1e-5);
        ck_assert_double_eq_tol(b->value[0], q, 1e-5);
    }
    lm_optimizer_free(o);
    lm_params_free(params);
}
END_TEST

/* ------------------------------------------------------------------ evaluations */

static lm_watch_verdict after(lm_watch *w, uint64_t step, double train, double loss, double value, bool rises)
{
    lm_watch_step(w, train - 0.5);
    lm_watch_step(w, train + 0.5);
    return lm_watch_evaluation(w, step, loss, value, rises);
}

START_TEST(best_and_patience)
{
    lm_watch w = lm_watch_new();
    lm_watch_verdict v = lm_watch_evaluation(&w, 0, 2, NAN, true);
    ck_assert(!v.best && isnan(v.train_loss));
    v = after(&w, 10, 1.5, 1, 0.5, true);
    ck_assert(v.best);
    ck_assert_double_eq_tol(v.train_loss, 1.5, 1e-12);
    v = after(&w, 20, 1.4, 0.9, 0.4, true);
    ck_assert(!v.best);
    ck_assert_uint_eq(w.stale, 1);
    v = after(&w, 30, 1.3, 0.8, 0.5, true); /* as good is not better */
    ck_assert(!v.best);
    ck_assert_uint_eq(w.stale, 2);
    ck_assert(after(&w, 40, 1.2, 0.7, 0.51, true).best);
    ck_assert_uint_eq(w.stale, 0);
    ck_assert_uint_eq(w.best_step, 40);
    w = lm_watch_new(); /* less is better */
    ck_assert(after(&w, 1, 1, 3, 3, false).best);
    ck_assert(!after(&w, 2, 1, 4, 4, false).best);
    ck_assert(after(&w, 3, 1, 2, 2, false).best);
    static const char *const falls[] = {"loss", "mse", "mae", "brier", "ece", "perplexity", "bits_per_byte"};
    for (size_t i = 0; i < sizeof falls / sizeof *falls; i++)
        ck_assert(!lm_metric_rises(falls[i]));
    ck_assert(lm_metric_rises("accuracy") && lm_metric_rises("f1_macro") && lm_metric_rises("pearson") &&
              lm_metric_rises("mcc"));
}
END_TEST

START_TEST(losses_part)
{
    lm_watch w = lm_watch_new();
    ck_assert(!after(&w, 10, 1.0, 0.9, 0.9, false).parted);
    ck_assert(!after(&w, 20, 0.6, 0.8, 0.8, false).parted);
    ck_assert(!after(&w, 30, 0.4, 0.85, 0.85, false).parted); /* once is noise */
    json_t *state = lm_watch_state(&w);
    lm_watch back = lm_watch_new();
    lm_watch_restore(&back, state);
    json_decref(state);
    ck_assert(after(&back, 40, 0.3, 0.95, 0.95, false).parted); /* a resumed run sees it too */
    ck_assert_uint_eq(back.least_step, 20);
    ck_assert(!after(&back, 50, 0.2, 1.2, 1.2, false).parted); /* and says it once */
    w = lm_watch_new(); /* both get worse: that is no overfitting */
    after(&w, 10, 1.0, 0.9, 0.9, false);
    ck_assert(!after(&w, 20, 1.2, 1.0, 1.0, false).parted);
    ck_assert(!after(&w, 30, 1.3, 1.1, 1.1, false).parted);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("balance");
    TCase *t = tcase_create("balance");
    tcase_add_loop_test(t, losses_as_pytorch, 0, sizeof losses / sizeof *losses);
    tcase_add_test(t, losses_of_extreme_logits);
    tcase_add_test(t, losses_refuse);
    tcase_add_test(t, subsets_are_nested);
    tcase_add_test(t, mixed_rows);
    tcase_add_test(t, mixed_rows_are_masked_anew);
    tcase_add_test(t, shared_rows);
    tcase_add_test(t, weights_are_counted);
    tcase_add_test(t, weights_are_read);
    tcase_add_test(t, weights_divide);
    tcase_add_test(t, weights_are_pulled);
    tcase_add_test(t, best_and_patience);
    tcase_add_test(t, losses_part);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
