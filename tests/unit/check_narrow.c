/* A student that is narrower than its teacher, and begins as what the teacher is of it. */
#include "adapted.h"
#include "made_rows.h"
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "metrics/packing.h"
#include "model/adapter/svd.h"
#include "train/run_internal.h"
#include "train/teaching/narrow.h"

#include <math.h>
#include <string.h>

enum { WIDE = 32, NARROW = 16, ROWS = 60 };

static const char wide_bert[] = "{\"model_type\":\"bert\",\"architectures\":[\"BertForSequenceClassification\"],\"hidden_size\":32,"
                                "\"num_hidden_layers\":3,\"num_attention_heads\":4,\"intermediate_size\":24,\"vocab_size\":40,"
                                "\"max_position_embeddings\":20,\"initializer_range\":0.3,"
                                "\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"}}";
static const char wide_llama[] = "{\"model_type\":\"llama\",\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":32,"
                                 "\"num_hidden_layers\":3,\"num_attention_heads\":8,\"num_key_value_heads\":4,\"intermediate_size\":24,"
                                 "\"vocab_size\":40,\"max_position_embeddings\":20,\"initializer_range\":0.3,"
                                 "\"tie_word_embeddings\":true}";

/* ------------------------------------------------------------------ a teacher of few dimensions */

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n >= k && strcmp(name + n - k, end) == 0;
}

static bool is_one_of(const char *name, const char *const *ends)
{
    for (; *ends; ends++)
        if (ends_with(name, *ends))
            return true;
    return false;
}

/* Columns [from, to) of w [rows, columns] become zeros. */
static void drop_columns(lm_param *p, int from, int to)
{
    for (int r = 0; r < p->shape.size[0]; r++)
        for (int i = from; i < to; i++)
            p->value[(size_t)r * (size_t)p->shape.size[1] + (size_t)i] = 0;
}

/* x, of WIDE numbers that are `step` apart, keeps what it has of the rows of basis. */
static void keep_basis(float *x, size_t step, const double *basis)
{
    double out[WIDE] = {0};
    for (int k = 0; k < NARROW; k++) {
        double along = 0;
        for (int i = 0; i < WIDE; i++)
            along += basis[k * WIDE + i] * x[(size_t)i * step];
        for (int i = 0; i < WIDE; i++)
            out[i] += along * basis[k * WIDE + i];
    }
    for (int i = 0; i < WIDE; i++)
        x[(size_t)i * step] = (float)out[i];
}

/* Hidden states of NARROW dimensions, with the mean's among them; of heads, inner columns and pooler a part does nothing. */
static void make_poor(lm_model *m)
{
    static const char *const tables[] = {"embeddings.weight", "embed_tokens.weight", NULL};
    static const char *const writers[] = {"attention.output.dense.weight", "o_proj.weight", "output.dense.weight", "down_proj.weight",
                                          NULL};
    static const char *const biases[] = {"output.dense.bias", "LayerNorm.bias", NULL};
    static const char *const scales[] = {"LayerNorm.weight", "norm.weight", NULL};
    lm_status st = LM_STATUS_INIT;
    double basis[NARROW * WIDE];
    for (int i = 0; i < NARROW * WIDE; i++)
        basis[i] = i < WIDE ? 1 : (double)made_draw(1000) / 500 - 1;
    lm_orthonormalise(basis, NARROW, WIDE);
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        lm_param *p = lm_params_at(m->params, i);
        ck_assert(lm_param_own(p, &st));
        size_t columns = p->shape.dims > 1 ? (size_t)p->shape.size[1] : 1;
        if (ends_with(p->name, ".bias"))
            for (size_t k = 0; k < p->elements; k++)
                p->value[k] = (float)made_draw(1000) / 1000 - 0.5f;
        if (is_one_of(p->name, scales))
            for (size_t k = 0; k < p->elements; k++)
                p->value[k] = 0.75f;
        for (size_t r = 0; is_one_of(p->name, tables) && r < (size_t)p->shape.size[0]; r++)
            keep_basis(p->value + r * columns, 1, basis);
        for (size_t c = 0; is_one_of(p->name, writers) && c < columns; c++)
            keep_basis(p->value + c, columns, basis);
        if (is_one_of(p->name, biases))
            keep_basis(p->value, 1, basis);
        if (ends_with(p->name, "attention.output.dense.weight"))
            drop_columns(p, 8, 24); /* the inner two of four heads */
        else if (ends_with(p->name, "o_proj.weight"))
            drop_columns(p, 0, 16); /* the first two of four pairs of heads */
        else if (ends_with(p->name, "output.dense.weight") || ends_with(p->name, "down_proj.weight"))
            drop_columns(p, 5, 17);
        else if (ends_with(p->name, "classifier.weight"))
            drop_columns(p, 1, 17);
    }
}

/* ------------------------------------------------------------------ teacher and student */

typedef struct lesson {
    lm_teaching_options options;
    lm_teaching t;
    lm_run run;
    char *dir;
} lesson;

static void begin(lesson *l, lm_model *teacher, const char *layers)
{
    lm_status st = LM_STATUS_INIT;
    made rows[ROWS];
    for (int i = 0; i < ROWS; i++)
        rows[i] = (made){.first = 3 + (int)made_draw(20), .len = 1 + (int)made_draw(16), .doc = -1, .wrapped = true};
    *l = (lesson){.options = LM_TEACHING_DEFAULTS};
    l->dir = saved(teacher);
    char *path = lm_format("%s/rows.lms", l->dir);
    made_write(path, rows, ROWS);
    l->run.data = made_data(path, (lm_data_options){0}, &(lm_instances_options){0});
    free(path);
    l->options.teacher = l->dir;
    l->options.layers = layers;
    l->t = (lm_teaching){.o = &l->options, .run = &l->run, .model = open_path(l->dir)};
    l->t.graph = lm_graph_new(l->t.model->params);
    assert_ok(&st);
}

static void end(lesson *l)
{
    lm_graph_free(l->t.graph);
    lm_model_free(l->t.model);
    lm_data_free(l->run.data);
    scratch_discard(l->dir);
}

/* NULL: it could not be. */
static lm_model *student_of(lesson *l, lm_new_model asked, lm_status *st)
{
    const lm_new_vocabulary vocabulary = {40, -1, -1, -1};
    const char *task = l->t.model->arch.causal ? "clm" : "classify";
    lm_config *c = lm_teaching_student_config(&l->t, &asked, NULL, &vocabulary, st);
    lm_model *m = c ? lm_model_create(c, &(lm_model_options){.task = task, .seed = 9}, st) : NULL;
    if (m && !lm_teaching_give_weights(&l->t, m, st)) {
        lm_model_free(m);
        m = NULL;
    }
    return m;
}

/* Logits of a few rows, malloced; *n of them. */
static float *logits_of(lm_model *m, size_t *n)
{
    lm_status st = LM_STATUS_INIT;
    lm_graph *g = lm_graph_new(m->params);
    int32_t ids[] = {1, 5, 9, 33, 2, 1, 39, 38, 2}, types[] = {0, 0, 1, 1, 1, 0, 0, 0, 0}, positions[] = {0, 1, 2, 3, 4, 0, 1, 2, 3};
    lm_batch batch = {2, 9, (int32_t[]){0, 5, 9}, ids, types, positions};
    bool words = m->arch.causal;
    lm_graph_begin(g, &batch, (lm_step){0});
    lm_outputs out = lm_model_forward(m, g, &batch, &(lm_select){.count = 9, .token_logits = words, .row_logits = !words});
    lm_tensor *x = words ? out.token_logits : out.row_logits;
    const float *value = lm_tensor_read(g, x);
    *n = (size_t)x->rows * (size_t)x->width;
    float *copy = lm_malloc(*n, sizeof *copy);
    memcpy(copy, value, *n * sizeof *copy);
    ck_assert_msg(lm_graph_end(g, &st), "%s", st.message);
    lm_graph_free(g);
    return copy;
}

static void assert_same_logits(lm_model *a, lm_model *b, double limit)
{
    size_t n, m;
    float *x = logits_of(a, &n), *y = logits_of(b, &m);
    double most = 0;
    ck_assert_uint_eq(n, m);
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    ck_assert_double_gt(most, 0.1);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs(x[i] - y[i]) <= limit * most, "logit %zu: %g and %g", i, x[i], y[i]);
    free(x);
    free(y);
}

/* ------------------------------------------------------------------ tests */

START_TEST(a_teacher_of_few_dimensions_keeps_its_logits)
{
    const struct {
        const char *config, *task;
        int heads;
    } cases[] = {{wide_bert, "classify", 2}, {wide_llama, "clm", 4}};
    lm_status st = LM_STATUS_INIT;
    lesson l;
    lm_model *wide = create(cases[_i].config, cases[_i].task, 4);
    make_poor(wide);
    begin(&l, wide, "0,1,2");
    lm_model *m = student_of(&l, (lm_new_model){.width = NARROW}, &st);
    assert_ok(&st);
    ck_assert_int_eq(m->arch.width, NARROW);
    ck_assert_int_eq(m->arch.heads, cases[_i].heads);
    assert_same_logits(l.t.model, m, 1e-4);
    lm_model_free(m);
    end(&l);
}
END_TEST

START_TEST(the_same_width_is_the_same_weights)
{
    lm_status st = LM_STATUS_INIT;
    lesson l;
    begin(&l, create(wide_bert, "classify", 4), "0,2");
    lm_model *m = student_of(&l, (lm_new_model){.architecture = "bert", .width = WIDE, .heads = 4, .inner = 24}, &st);
    assert_ok(&st);
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        lm_param *mine = lm_params_at(m->params, i);
        char name[LM_NAME_MAX];
        snprintf(name, sizeof name, "%s", mine->name);
        char *second = strstr(name, "layer.1.");
        if (second)
            memcpy(second, "layer.2.", 8);
        lm_param *theirs = lm_params_find(l.t.model->params, name);
        ck_assert(theirs && lm_param_ready(theirs, &st) && lm_param_ready(mine, &st));
        ck_assert_mem_eq(mine->value, theirs->value, mine->elements * sizeof *mine->value);
    }
    lm_model_free(m);
    end(&l);
}
END_TEST

START_TEST(directions_are_orthonormal_and_keep_the_mean)
{
    lm_status st = LM_STATUS_INIT;
    lesson l;
    begin(&l, create(wide_bert, "classify", 4), "0");
    float *p = lm_narrow_directions(&l.t, NARROW, true, &st);
    assert_ok(&st);
    for (int a = 0; a < NARROW; a++) {
        double sum = 0;
        for (int b = 0; b < NARROW; b++) {
            double product = 0;
            for (int i = 0; i < WIDE; i++)
                product += (double)p[a * WIDE + i] * p[b * WIDE + i];
            ck_assert_double_eq_tol(product, a == b, 1e-6);
        }
        for (int i = 0; i < WIDE; i++)
            sum += p[a * WIDE + i];
        ck_assert_double_eq_tol(sum, sqrt((double)WIDE / NARROW), 1e-5); /* of (1 ... 1): the same in all columns */
    }
    free(p);
    end(&l);
}
END_TEST

START_TEST(parts_that_do_most_are_kept)
{
    lm_status st = LM_STATUS_INIT;
    lesson l;
    lm_model *wide = create(wide_bert, "classify", 4);
    lm_param *reads = lm_params_find(wide->params, "bert.encoder.layer.0.output.dense.weight");
    ck_assert(lm_param_own(reads, &st));
    drop_columns(reads, 0, 7);
    drop_columns(reads, 9, 12);
    begin(&l, wide, "0");
    lm_model *m = student_of(&l, (lm_new_model){.inner = 14}, &st);
    assert_ok(&st);
    lm_param *theirs = lm_params_find(l.t.model->params, "bert.encoder.layer.0.intermediate.dense.weight"),
             *mine = lm_params_find(m->params, "bert.encoder.layer.0.intermediate.dense.weight");
    ck_assert(lm_param_ready(theirs, &st) && lm_param_ready(mine, &st));
    for (int i = 0; i < 14; i++)
        ck_assert_mem_eq(mine->value + (size_t)i * WIDE, theirs->value + (size_t)(i < 2 ? 7 + i : 10 + i) * WIDE, WIDE * sizeof(float));
    lm_model_free(m);
    end(&l);
}
END_TEST

START_TEST(sizes_that_cannot_be_are_refused)
{
    const struct {
        lm_new_model asked;
        const char *says;
    } cases[] = {
        {{.width = 64}, "no part of it can become larger"}, {{.inner = 25}, "no part of it can become larger"},
        {{.width = 20}, "--width 16 can"},                  {{.width = 16, .heads = 4}, "8 wide, and go to the student whole"},
        {{.layers = 2}, "leave --layers and --size out"},   {{.size = "tiny"}, "leave --layers and --size out"},
    };
    lm_status st = LM_STATUS_INIT;
    lesson l;
    begin(&l, create(wide_bert, "classify", 4), "0,1");
    ck_assert_ptr_null(student_of(&l, cases[_i].asked, &st));
    ck_assert_int_eq(st.code, LM_USAGE);
    assert_says(&st, cases[_i].says);
    end(&l);
}
END_TEST

START_TEST(heads_that_share_keys_stay_together)
{
    lm_status st = LM_STATUS_INIT;
    lesson l;
    begin(&l, create(wide_llama, "clm", 4), "0,1");
    ck_assert_ptr_null(student_of(&l, (lm_new_model){.width = 12}, &st));
    assert_says(&st, "2 of the teacher's heads share");
    end(&l);
}
END_TEST

START_TEST(other_families_are_refused)
{
    lm_status st = LM_STATUS_INIT;
    lesson l;
    begin(&l, create(adapted_gpt2, "clm", 4), "0");
    ck_assert_ptr_null(student_of(&l, (lm_new_model){.width = 8}, &st));
    assert_says(&st, "layers of gpt2 cannot be made narrower");
    lm_model *m = student_of(&l, (lm_new_model){0}, &st); /* but be taken as they are */
    assert_ok(&st);
    lm_model_free(m);
    end(&l);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("narrow");
    TCase *c = tcase_create("narrow");
    tcase_add_loop_test(c, a_teacher_of_few_dimensions_keeps_its_logits, 0, 2);
    tcase_add_test(c, the_same_width_is_the_same_weights);
    tcase_add_test(c, directions_are_orthonormal_and_keep_the_mean);
    tcase_add_test(c, parts_that_do_most_are_kept);
    tcase_add_loop_test(c, sizes_that_cannot_be_are_refused, 0, 6);
    tcase_add_test(c, heads_that_share_keys_stay_together);
    tcase_add_test(c, other_families_are_refused);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
