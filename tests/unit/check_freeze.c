/* What is trained, from which step on and how fast; and what a frozen prefix spares. */
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "model/adapter/adapter.h"
#include "train/freezing/freeze.h"
#include "train/kept.h"
#include "train/optimizer/optimizer.h"
#include "train/freezing/prefix_cache.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static const char tiny[] = "{\"model_type\":\"bert\",\"hidden_size\":8,\"num_hidden_layers\":3,"
                           "\"num_attention_heads\":2,\"intermediate_size\":16,\"vocab_size\":20,"
                           "\"max_position_embeddings\":16}";

static lm_model *model_of(const char *json, const char *task)
{
    lm_status st = LM_STATUS_INIT;
    lm_config *c = lm_config_parse(lm_str_of(json), "config", &st);
    assert_ok(&st);
    lm_model *m = lm_model_create(c, &(lm_model_options){.task = task, .seed = 1}, &st);
    assert_ok(&st);
    return m;
}

static void add(lm_strings *list, const char *item)
{
    if (item)
        lm_strings_add(list, item);
}

static lm_freezing *freezing_of(lm_model *m, const char *freeze, const char *except, const char *every,
                                lm_status *st)
{
    lm_freeze_options o = LM_FREEZE_OPTIONS_NONE;
    add(&o.freeze, freeze);
    add(&o.except, except);
    o.unfreeze_every = every;
    lm_freezing *f = lm_freezing_new(m, &o, st);
    free(o.freeze.items);
    free(o.except.items);
    return f;
}

static int stage_of(const lm_model *m, const lm_freezing *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(lm_params_at(m->params, i)->name, name) == 0)
            return f->of[i].stage;
    ck_abort_msg("no parameter %s", name);
    return 0;
}

#define WORDS  "bert.embeddings.word_embeddings.weight"
#define QUERY0 "bert.encoder.layer.0.attention.self.query.weight"
#define BIAS1  "bert.encoder.layer.1.output.dense.bias"
#define NORM2  "bert.encoder.layer.2.output.LayerNorm.weight"
#define POOLER "bert.pooler.dense.weight"
#define HEAD   "classifier.weight"

START_TEST(patterns)
{
    static const char *const names[] = {WORDS, QUERY0, BIAS1, NORM2, POOLER, HEAD};
    static const struct {
        const char *freeze, *except, *frozen; /* a letter for each name */
    } cases[] = {
        {"embeddings", NULL, "f....."},
        {"layer.0", NULL, ".f...."},
        {"layer.0-1", NULL, ".ff..."},
        {"embeddings,layer.1-2", NULL, "f.ff.."},
        {"layer.*", NULL, ".fff.."},
        {"layer.[02]", NULL, ".f.f.."},
        {"layer.[0,2],classifier", NULL, ".f.f.f"},
        {"layer.0-2.attention", NULL, ".f...."},
        {"encoder.layer.0-2.output", NULL, "..ff.."},
        {"*.bias", NULL, "..f..."},
        {"LayerNorm", NULL, "...f.."},
        {QUERY0, NULL, ".f...."},
        {"bert", NULL, "fffff."},  /* as in transformers: model.bert has the pooler */
        {"body", NULL, "ffff.."},  /* and the pooler belongs to the head that uses it */
        {"head", NULL, "....ff"},
        {NULL, "head", "ffff.."},
        {NULL, "classifier,layer.2", "fff.f."},
        {"bert", "pooler", "ffff.."},
        {"layer.0-1", "*.bias", ".f...."},
    };
    lm_model *m = model_of(tiny, "classify");
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        lm_status st = LM_STATUS_INIT;
        lm_freezing *f = freezing_of(m, cases[k].freeze, cases[k].except, NULL, &st);
        assert_ok(&st);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            ck_assert_msg((stage_of(m, f, names[i]) < 0) == (cases[k].frozen[i] == 'f'), "--freeze %s -except %s: %s",
                          cases[k].freeze, cases[k].except, names[i]);
        ck_assert_int_eq(f->stages, 1);
        lm_freezing_free(f);
    }
    lm_model_free(m);
}
END_TEST

START_TEST(adapters_stand_with_what_they_adapt)
{
    static const char *const trained[] = {"bert.encoder.layer.1.attention.self.query.lora_A.weight",
                                          "bert.encoder.layer.2.output.dense.lora_B.weight", HEAD};
    static const char *const frozen[] = {WORDS, QUERY0, BIAS1, NORM2, POOLER,
                                         "bert.encoder.layer.0.attention.self.query.lora_A.weight",
                                         "bert.encoder.layer.0.attention.self.query.lora_B.weight"};
    lm_status st = LM_STATUS_INIT;
    lm_model *m = model_of(tiny, "classify");
    lm_adapter_options how = {.r = 2, .target = "query,dense", .modules_to_save = "classifier"};
    lm_adapter_config *c = lm_adapter_config_new(&how, &st);
    ck_assert(c && lm_model_adapt(m, c, 1, NULL, &st));
    lm_freezing *f = freezing_of(m, "layer.0", NULL, "100", &st);
    assert_ok(&st);
    for (size_t i = 0; i < sizeof trained / sizeof *trained; i++)
        ck_assert_msg(stage_of(m, f, trained[i]) >= 0, "%s", trained[i]);
    for (size_t i = 0; i < sizeof frozen / sizeof *frozen; i++)
        ck_assert_msg(stage_of(m, f, frozen[i]) < 0, "%s", frozen[i]);
    for (size_t i = 0; i < m->adapters[0].count; i++) {
        const lm_adapter *part = m->adapters[0].parts[i].adapter;
        ck_assert_int_eq(f->of[part->a->index].level, f->of[part->weight->index].level);
        ck_assert_int_eq(f->of[part->b->index].level, f->of[part->weight->index].level);
    }
    ck_assert_int_eq(stage_of(m, f, HEAD), 0); /* from the top: the head, block 2, block 1 */
    ck_assert_int_eq(stage_of(m, f, trained[1]), 1);
    ck_assert_int_eq(stage_of(m, f, trained[0]), 2);
    lm_freezing_free(f);
    lm_model_free(m);
}
END_TEST

START_TEST(bad_options_are_refused)
{
    static const struct {
        const char *freeze, *except, *every, *multiplier, *says;
    } cases[] = {
        {"layer.3", NULL, NULL, NULL, "--freeze layer.3: no parameter has such a name"},
        {"layer.1-3", NULL, NULL, NULL, "--freeze layer.3: no parameter has such a name"},
        {"layer.2-1", NULL, NULL, NULL, "layer.2-1: a range that runs backwards"},
        {"layer.0-999999", NULL, NULL, NULL, "too many modules"},
        {"layer.0-99.0-99.0-99", NULL, NULL, NULL, "too many modules"},
        {"embeddings,,head", NULL, NULL, NULL, "an empty name"},
        {"", NULL, NULL, NULL, "an empty name"},
        {NULL, "haed", NULL, NULL, "--freeze-except haed: no parameter has such a name"},
        {"*", NULL, NULL, NULL, "every parameter is frozen"},
        {NULL, NULL, "0", NULL, "--unfreeze-every 0"},
        {NULL, NULL, "e", NULL, "--unfreeze-every e"},
        {NULL, NULL, "-1e", NULL, "--unfreeze-every -1e"},
        {NULL, NULL, "1epoch", NULL, "--unfreeze-every 1epoch"},
        {NULL, NULL, NULL, "classifier", "--lr-mult classifier: give REGEX=FACTOR"},
        {NULL, NULL, NULL, "=2", "--lr-mult =2"},
        {NULL, NULL, NULL, "classifier=0", "--lr-mult classifier=0"},
        {NULL, NULL, NULL, "classifier=-1", "--lr-mult classifier=-1"},
        {NULL, NULL, NULL, "(=2", "extended regular expression"},
        {NULL, NULL, NULL, "pooler$=2", "no parameter's name matches"},
    };
    lm_model *m = model_of(tiny, "classify");
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        lm_status st = LM_STATUS_INIT;
        lm_freeze_options o = LM_FREEZE_OPTIONS_NONE;
        add(&o.freeze, cases[k].freeze);
        add(&o.except, cases[k].except);
        add(&o.multipliers, cases[k].multiplier);
        o.unfreeze_every = cases[k].every;
        ck_assert_ptr_null(lm_freezing_new(m, &o, &st));
        ck_assert_int_eq(st.code, LM_USAGE);
        assert_says(&st, cases[k].says);
        free(o.freeze.items);
        free(o.except.items);
        free(o.multipliers.items);
    }
    lm_model_free(m);
}
END_TEST

START_TEST(stages_from_the_top)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = model_of(tiny, "classify");
    lm_freezing *f = freezing_of(m, NULL, NULL, "10", &st);
    ck_assert_int_eq(f->stages, 5);
    ck_assert_int_eq(stage_of(m, f, HEAD), 0);
    ck_assert_int_eq(stage_of(m, f, POOLER), 0);
    ck_assert_int_eq(stage_of(m, f, NORM2), 1);
    ck_assert_int_eq(stage_of(m, f, BIAS1), 2);
    ck_assert_int_eq(stage_of(m, f, QUERY0), 3);
    ck_assert_int_eq(stage_of(m, f, WORDS), 4);
    ck_assert_int_eq(lm_freezing_stage(f, 7, 0), 0);
    ck_assert_int_eq(lm_freezing_stage(f, 7, 9), 0);
    ck_assert_int_eq(lm_freezing_stage(f, 7, 10), 1);
    ck_assert_int_eq(lm_freezing_stage(f, 7, 49), 4);
    ck_assert_int_eq(lm_freezing_stage(f, 7, UINT64_MAX), 4);
    ck_assert(lm_freezing_apply(f, m->params, 1, &st));
    ck_assert_ptr_nonnull(lm_params_find(m->params, NORM2)->grad);
    ck_assert_ptr_null(lm_params_find(m->params, BIAS1)->grad);
    lm_freezing_free(f);

    /* epochs; what is always frozen makes no stage of its own */
    f = freezing_of(m, "embeddings,layer.1", NULL, "1.5e", &st);
    assert_ok(&st);
    ck_assert_int_eq(f->stages, 3);
    ck_assert_int_eq(stage_of(m, f, WORDS), -1);
    ck_assert_int_eq(stage_of(m, f, BIAS1), -1);
    ck_assert_int_eq(stage_of(m, f, NORM2), 1);
    ck_assert_int_eq(stage_of(m, f, QUERY0), 2);
    ck_assert_uint_eq(lm_freezing_steps(f, 7), 11);
    ck_assert_uint_eq(lm_freezing_steps(f, 0), UINT64_MAX);
    lm_freezing_free(f);
    f = freezing_of(m, NULL, NULL, NULL, &st);
    ck_assert_uint_eq(lm_freezing_steps(f, 7), 0);
    ck_assert_int_eq(lm_freezing_stage(f, 7, 1000), 0);
    lm_freezing_free(f);
    lm_model_free(m);
}
END_TEST

START_TEST(rates_fall_with_depth)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m = model_of(tiny, "classify");
    lm_freeze_options o = {.layer_decay = 0.5};
    add(&o.multipliers, "^classifier\\.=10");
    add(&o.multipliers, "bias$=2");
    add(&o.freeze, "layer.0");
    lm_freezing *f = lm_freezing_new(m, &o, &st);
    assert_ok(&st);
    static const struct {
        const char *name;
        double factor;
    } want[] = {{HEAD, 10},   {"classifier.bias", 20}, {POOLER, 1}, {NORM2, 0.5},
                {BIAS1, 0.5}, {QUERY0, 0.125},         {WORDS, 0.0625}};
    for (size_t k = 0; k < sizeof want / sizeof *want; k++)
        for (size_t i = 0; i < f->count; i++)
            if (strcmp(lm_params_at(m->params, i)->name, want[k].name) == 0)
                ck_assert_double_eq_tol(f->rates[i], want[k].factor, 1e-12);
    lm_buf table = {0};
    lm_freezing_print(f, m, 1e-3, &table);
    const char *text = lm_buf_cstr(&table);
    ck_assert_ptr_nonnull(strstr(text, "\n" HEAD "\t[2, 8]\tyes\t0.01\n"));
    ck_assert_ptr_nonnull(strstr(text, "\n" QUERY0 "\t[8, 8]\tno\t0\n"));
    ck_assert_ptr_nonnull(strstr(text, "\n" WORDS "\t[20, 8]\tyes\t6.25e-05\n"));
    lm_buf_free(&table);
    lm_freezing_free(f);
    free(o.multipliers.items);
    free(o.freeze.items);
    lm_model_free(m);
}
END_TEST

/* ------------------------------------------------------------------ copies of what is trained */

static float first_of(const lm_run *r, const char *name)
{
    return lm_params_find(r->model->params, name)->value[0];
}

/* The best values and the average hold what is ever trained; an average moves with what is trained now. */
START_TEST(copies_of_what_is_trained)
{
    lm_status st = LM_STATUS_INIT;
    lm_train_options options = {.ema = 0.5};
    lm_run r = {.model = model_of(tiny, "classify"), .o = &options};
    r.freezing = freezing_of(r.model, "embeddings", NULL, "10", &st);
    ck_assert(lm_freezing_apply(r.freezing, r.model->params, 1, &st)); /* head and layer 2 now; layers 0 and 1 later */
    ck_assert(lm_run_average_begin(&r, &st));
    assert_ok(&st);
    const char *names[] = {HEAD, NORM2, QUERY0, WORDS};
    float was[4];
    for (int i = 0; i < 4; i++)
        was[i] = first_of(&r, names[i]);
    double average = was[0];
    for (r.step = 0; r.step < 12; r.step++) { /* the decay is (1+t)/(10+t), and from step 8 on 0.5 */
        double t = (double)r.step + 1, decay = t < 8 ? (1 + t) / (10 + t) : 0.5;
        for (int i = 0; i < 4; i++)
            lm_params_find(r.model->params, names[i])->value[0] += 1;
        average = decay * average + (1 - decay) * first_of(&r, HEAD);
        lm_run_average_step(&r);
    }
    lm_kept_swap(&r, r.average);
    ck_assert_float_eq_tol(first_of(&r, HEAD), (float)average, 1e-5f);
    ck_assert_float_eq_tol(first_of(&r, NORM2), (float)(average - was[0] + was[1]), 1e-5f);
    ck_assert_float_eq(first_of(&r, QUERY0), was[2]);      /* not trained yet */
    ck_assert_float_eq(first_of(&r, WORDS), was[3] + 12); /* never: there is no copy */
    lm_kept_swap(&r, r.average);
    ck_assert_float_eq_tol(first_of(&r, HEAD), was[0] + 12, 1e-5f);

    /* through a file */
    char *dir = scratch_new(), *file = lm_format("%s/average.safetensors", dir);
    int fd = open(file, O_WRONLY | O_CREAT, 0666);
    ck_assert(lm_kept_write(&r, r.average, fd, file, &st));
    close(fd);
    r.resume_path = dir;
    float *again = lm_kept_read(&r, "average.safetensors", &st);
    assert_ok(&st);
    ck_assert_mem_eq(again, r.average, lm_run_trained(&r, true, NULL) * sizeof *again);
    lm_kept_put(&r, again);
    lm_kept_take(&r, r.average);
    ck_assert_mem_eq(again, r.average, lm_run_trained(&r, true, NULL) * sizeof *again);
    lm_freezing_free(r.freezing);
    r.freezing = freezing_of(r.model, NULL, NULL, NULL, &st); /* with the embeddings */
    ck_assert_ptr_null(lm_kept_read(&r, "average.safetensors", &st));
    assert_says(&st, "average.safetensors: bert.embeddings.word_embeddings.weight: missing or of another shape");
    free(again), free(r.average), free(file);
    scratch_discard(dir);
    lm_freezing_free(r.freezing);
    lm_model_free(r.model);
}
END_TEST

/* ------------------------------------------------------------------ the optimiser */

static void set_gradients(lm_params *params, int t)
{
    for (size_t i = 0; i < lm_params_count(params); i++) {
        lm_param *p = lm_params_at(params, i);
        for (size_t k = 0; p->grad && k < p->elements; k++)
            p->grad[k] = (float)sin((double)(k + 7 * i) + t);
    }
}

static size_t elements_of(lm_params *params)
{
    size_t n = 0;
    for (size_t i = 0; i < lm_params_count(params); i++)
        n += lm_params_at(params, i)->grad ? lm_params_at(params, i)->elements : 0;
    return n;
}

/* A parameter that joins later is trained as by an optimiser of its own, and has no states before. */
START_TEST(late_parameters_count_their_own_steps)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *a = model_of(tiny, "classify"), *b = model_of(tiny, "classify");
    lm_optimizer_options how = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01, .bias_correction = true};
    lm_freezing *f = freezing_of(a, NULL, NULL, "3", &st);
    lm_freezing_apply(f, a->params, 0, &st);
    lm_optimizer *o = lm_optimizer_new(a->params, &how, &st);
    assert_ok(&st);
    ck_assert_uint_eq(lm_optimizer_parameters(o), elements_of(a->params));
    size_t little = lm_optimizer_bytes(o);
    for (int t = 0; t < 3; t++) {
        set_gradients(a->params, t);
        ck_assert(lm_optimizer_update(o, 1e-2, 1, &st));
    }
    lm_freezing_apply(f, a->params, 1, &st);
    ck_assert(lm_optimizer_follow(o, &st));
    ck_assert_uint_gt(lm_optimizer_bytes(o), little);
    ck_assert_uint_eq(lm_optimizer_bytes(o), 8 * elements_of(a->params));

    lm_freezing_apply(f, b->params, 4, &st);
    lm_optimizer *fresh = lm_optimizer_new(b->params, &how, &st);
    for (int t = 3; t < 6; t++) {
        set_gradients(a->params, t);
        ck_assert(lm_optimizer_update(o, 1e-2, 1, &st));
        set_gradients(b->params, t);
        ck_assert(lm_optimizer_update(fresh, 1e-2, 1, &st));
    }
    const lm_param *late = lm_params_find(a->params, NORM2), *early = lm_params_find(a->params, HEAD);
    ck_assert_mem_eq(late->value, lm_params_find(b->params, NORM2)->value, late->elements * sizeof(float));
    ck_assert_mem_ne(early->value, lm_params_find(b->params, HEAD)->value, early->elements * sizeof(float));

    /* and what is frozen again gives its states up */
    lm_freezing_apply(f, a->params, 0, &st);
    ck_assert(lm_optimizer_follow(o, &st));
    ck_assert_uint_eq(lm_optimizer_bytes(o), little);
    lm_optimizer_free(o);
    lm_optimizer_free(fresh);
    lm_freezing_free(f);
    lm_model_free(a);
    lm_model_free(b);
}
END_TEST

/* Saved and loaded in the middle of gradual unfreezing: the same bits. */
START_TEST(stages_resume_exactly)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *a = model_of(tiny, "classify"), *b = model_of(tiny, "classify");
    lm_freezing *f = freezing_of(a, NULL, NULL, "2", &st);
    lm_optimizer_options how = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01, .bias_correction = true};
    lm_optimizer *o[2] = {0};
    lm_model *models[2] = {a, b};
    char *dir = scratch_new(), *file = lm_format("%s/optimizer.safetensors", dir);
    for (int which = 0; which < 2; which++) {
        for (uint64_t step = 0; step < 8; step++) {
            lm_params *params = models[which]->params;
            lm_freezing_apply(f, params, lm_freezing_stage(f, 0, step), &st);
            ck_assert(o[which] ? lm_optimizer_follow(o[which], &st)
                               : (o[which] = lm_optimizer_new(params, &how, &st)) != NULL);
            set_gradients(params, (int)step);
            ck_assert(lm_optimizer_update(o[which], 1e-2, 1, &st));
            if (which == 0 || step != 4)
                continue;
            int fd = open(file, O_WRONLY | O_CREAT, 0666);
            ck_assert(lm_optimizer_save(o[1], fd, file, &st));
            close(fd);
            lm_optimizer_free(o[1]);
            o[1] = lm_optimizer_new(params, &how, &st);
            lm_safetensors *states = lm_safetensors_open(file, &st);
            ck_assert(lm_optimizer_load(o[1], states, &st));
            lm_safetensors_close(states);
        }
        lm_optimizer_free(o[which]);
    }
    assert_ok(&st);
    for (size_t i = 0; i < lm_params_count(a->params); i++)
        ck_assert_mem_eq(lm_params_at(a->params, i)->value, lm_params_at(b->params, i)->value,
                         lm_params_at(a->params, i)->elements * sizeof(float));
    lm_freezing_free(f);
    lm_model_free(a);
    lm_model_free(b);
    free(file);
    scratch_discard(dir);
}
END_TEST

START_TEST(rates_multiply_the_update)
{
    lm_status st = LM_STATUS_INIT;
    lm_model *m[2] = {model_of(tiny, "classify"), model_of(tiny, "classify")};
    lm_freezing *f = freezing_of(m[0], NULL, NULL, NULL, &st);
    for (size_t i = 0; i < f->count; i++)
        f->rates[i] = 0.25;
    for (int k = 0; k < 2; k++) {
        lm_optimizer_options how = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.1,
                                .bias_correction = true, .rates = k ? f->rates : NULL};
        lm_freezing_apply(f, m[k]->params, 0, &st);
        lm_optimizer *o = lm_optimizer_new(m[k]->params, &how, &st);
        set_gradients(m[k]->params, 1);
        ck_assert(lm_optimizer_update(o, k ? 4e-2 : 1e-2, 1, &st));
        lm_optimizer_free(o);
    }
    for (size_t i = 0; i < f->count; i++)
        ck_assert_mem_eq(lm_params_at(m[0]->params, i)->value, lm_params_at(m[1]->params, i)->value,
                         lm_params_at(m[0]->params, i)->elements * sizeof(float));
    assert_ok(&st);
    lm_freezing_free(f);
    lm_model_free(m[0]);
    lm_model_free(m[1]);
}
END_TEST

/* ------------------------------------------------------------------ a frozen prefix */

/* The same vectors from memory and from a file, for rows of several vectors, of none, and of one each. */
START_TEST(vectors_are_kept)
{
    enum { ROWS = 50, WIDTH = 3 };
    lm_status st = LM_STATUS_INIT;
    uint32_t lengths[ROWS], total = 0;
    for (uint32_t i = 0; i < ROWS; i++)
        total += lengths[i] = i % 5;
    float *values = lm_malloc((size_t)total * WIDTH, sizeof *values);
    for (uint32_t i = 0; i < total * WIDTH; i++)
        values[i] = (float)i;
    for (int way = 0; way < 4; way++) {
        bool in_file = way & 1, one_each = way & 2;
        lm_prefix_cache *c =
            lm_prefix_cache_new(ROWS, one_each ? NULL : lengths, WIDTH, in_file ? 0 : 1 << 20, &st);
        assert_ok(&st);
        ck_assert_int_eq(lm_prefix_cache_in_memory(c), !in_file);
        ck_assert_uint_eq(lm_prefix_cache_bytes(c), (one_each ? ROWS : total) * WIDTH * sizeof(float));
        size_t at = 0;
        for (uint32_t i = 0; i < ROWS; i += 10) { /* ten rows at a time */
            ck_assert(lm_prefix_cache_add(c, 10, values + at * WIDTH, &st));
            at += one_each ? 10 : 20;
        }
        ck_assert(lm_prefix_cache_finish(c, &st));
        at = 0;
        for (uint32_t i = 0; i < ROWS; i++) {
            uint32_t count;
            const float *row = lm_prefix_cache_row(c, i, &count);
            ck_assert_uint_eq(count, one_each ? 1 : lengths[i]);
            if (count)
                ck_assert_mem_eq(row, values + at * WIDTH, count * WIDTH * sizeof *row);
            at += count;
        }
        lm_prefix_cache_free(c);
    }
    free(values);
    lm_prefix_cache *half = lm_prefix_cache_new(2, NULL, WIDTH, 1 << 20, &st);
    ck_assert(lm_prefix_cache_add(half, 1, (float[WIDTH]){0}, &st) && !lm_prefix_cache_finish(half, &st));
    assert_says(&st, "1 rows of 2");
    lm_prefix_cache_free(half);
}
END_TEST

/* The graph says which parts no gradient reaches, and what a head looks at. */
START_TEST(frozen_parts_are_found)
{
    static const struct {
        const char *freeze;
        int parts;
    } cases[] = {{NULL, 0},           {"layer.0", 0},           {"embeddings", 1},
                 {"embeddings,layer.0", 2}, {"embeddings,layer.0,layer.2", 2}, {"body", 4}, {"bert", 4}};
    lm_status st = LM_STATUS_INIT;
    lm_model *m = model_of(tiny, "classify"), *tags = model_of(tiny, "tag");
    lm_graph *g = lm_graph_new(m->params), *h = lm_graph_new(tags->params);
    ck_assert_int_eq(lm_model_parts(m), 4);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        lm_freezing *f = freezing_of(m, cases[k].freeze, NULL, NULL, &st);
        assert_ok(&st);
        ck_assert(lm_freezing_apply(f, m->params, 0, &st));
        ck_assert_int_eq(lm_model_frozen_parts(m, g, &st), cases[k].parts);
        lm_freezing_free(f);
    }
    ck_assert(lm_model_reads_first_tokens(m, g, &st));
    ck_assert(!lm_model_reads_first_tokens(tags, h, &st));
    assert_ok(&st);
    lm_graph_free(g);
    lm_graph_free(h);
    lm_model_free(m);
    lm_model_free(tags);
}
END_TEST

static float loss_of(lm_model *m, lm_graph *g, const lm_batch *batch, const float *prefix, int parts)
{
    lm_status st = LM_STATUS_INIT;
    lm_graph_begin(g, batch, (lm_step){.taping = true});
    lm_select select = {.row_logits = true};
    if (prefix) {
        select.prefix = lm_graph_input(g, prefix, batch->tokens, m->arch.width, false);
        select.prefix_parts = parts;
    }
    lm_outputs out = lm_model_forward(m, g, batch, &select);
    lm_tensor *loss = lm_cross_entropy(g, out.row_logits, (const int32_t[]){1, 0}, NULL, 0, NULL);
    lm_graph_backward(g, loss, 1);
    float value = *lm_tensor_read(g, loss);
    ck_assert(lm_graph_end(g, &st));
    return value;
}

/* A step that begins behind a prefix has the loss and the gradients of one that runs it. */
START_TEST(steps_begin_behind_a_prefix)
{
    static const int32_t splits[] = {0, 3, 5}, ids[] = {3, 7, 1, 12, 5}, types[5] = {0, 1, 0, 0, 1},
                         positions[] = {0, 1, 2, 0, 1};
    const lm_batch batch = {
        .rows = 2, .tokens = 5, .row_splits = splits, .ids = ids, .types = types, .positions = positions};
    lm_status st = LM_STATUS_INIT;
    lm_model *m = model_of(tiny, "classify");
    lm_graph *g = lm_graph_new(m->params);
    lm_freezing *f = freezing_of(m, "embeddings,layer.0-1", NULL, NULL, &st);
    ck_assert(lm_freezing_apply(f, m->params, 0, &st));
    lm_param *p = lm_params_find(m->params, NORM2);
    float whole = loss_of(m, g, &batch, NULL, 0), gradient[8], prefix[5 * 8];
    memcpy(gradient, p->grad, sizeof gradient);
    memset(p->grad, 0, sizeof gradient);
    lm_graph_begin(g, &batch, (lm_step){0});
    memcpy(prefix, lm_tensor_read(g, lm_model_prefix(m, g, &batch, 3)), sizeof prefix);
    ck_assert(lm_graph_end(g, &st));
    ck_assert_float_eq(loss_of(m, g, &batch, prefix, 3), whole);
    ck_assert_mem_eq(p->grad, gradient, sizeof gradient);
    lm_freezing_free(f);
    lm_graph_free(g);
    lm_model_free(m);
}
END_TEST

static Suite *suite(void)
{
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    Suite *s = suite_create("freeze");
    TCase *t = tcase_create("freezing");
    tcase_add_test(t, patterns);
    tcase_add_test(t, adapters_stand_with_what_they_adapt);
    tcase_add_test(t, bad_options_are_refused);
    tcase_add_test(t, stages_from_the_top);
    tcase_add_test(t, rates_fall_with_depth);
    suite_add_tcase(s, t);
    t = tcase_create("copies");
    tcase_add_test(t, copies_of_what_is_trained);
    suite_add_tcase(s, t);
    t = tcase_create("optimiser");
    tcase_add_test(t, late_parameters_count_their_own_steps);
    tcase_add_test(t, stages_resume_exactly);
    tcase_add_test(t, rates_multiply_the_update);
    suite_add_tcase(s, t);
    t = tcase_create("prefix");
    tcase_add_test(t, vectors_are_kept);
    tcase_add_test(t, frozen_parts_are_found);
    tcase_add_test(t, steps_begin_behind_a_prefix);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
