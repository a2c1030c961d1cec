/* Adapters that become part of models, are taken out of them, stand beside quantised ones, and go to llama.cpp. */
#include "adapted.h"
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "model/adapter/merge.h"
#include "model/gguf/gguf_model.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ merging and extracting */

static char *merged(const char *base, const char *one, const char *two, lm_merge_options o, lm_merge_report *report)
{
    lm_status st = LM_STATUS_INIT;
    const char *adapters[] = {one, two};
    char *dir = scratch_new();
    lm_bundle_writer *w = lm_bundle_into(dir);
    o.base = base;
    o.adapters = adapters;
    o.count = two ? 2 : 1;
    ck_assert_msg(lm_adapter_merge(&o, w, report, &st), "%s", st.message);
    ck_assert(lm_bundle_publish(w, &st));
    return dir;
}

START_TEST(merging)
{
    char *base = new_base(adapted_llama), *one = new_adapter(base, (lm_adapter_options){.r = 2}),
         *two = new_adapter(base, (lm_adapter_options){.r = 3, .target = "v_proj,up_proj", .rslora = true});
    lm_merge_report report;
    char *whole = merged(base, one, NULL, (lm_merge_options){0}, &report);
    ck_assert_uint_eq(report.tensors, 6);
    ck_assert(report.largest > report.mean && report.mean > 0 && report.largest_ratio > 0 && report.where);
    free(report.where);
    lm_model *x = open_path(whole), *y = open_both(base, one), *plain = open_path(base);
    ck_assert_double_lt(apart(x, y), 2e-5);
    ck_assert_double_gt(apart(x, plain), 1e-3);
    lm_model_free(x);
    lm_model_free(y);
    /* the sum of both, and a TIES of one that keeps all is the same as none */
    const double weights[] = {0.75, -0.5};
    char *sum = merged(base, one, two, (lm_merge_options){.weights = weights}, &report);
    ck_assert_uint_eq(report.tensors, 9);
    free(report.where);
    char *ties = merged(base, one, NULL, (lm_merge_options){.method = LM_MERGE_TIES, .density = 1}, &report);
    free(report.where);
    lm_model *s = open_path(sum), *t = open_path(ties), *a = open_path(whole);
    ck_assert_double_lt(apart(t, a), 2e-5);
    const char *shared = "model.layers.1.self_attn.v_proj.weight";
    char *other = merged(base, two, NULL, (lm_merge_options){0}, &report);
    free(report.where);
    lm_model *b = open_path(other);
    lm_param *ps = lm_params_find(s->params, shared), *pa = lm_params_find(a->params, shared), *pb = lm_params_find(b->params, shared),
             *p0 = lm_params_find(plain->params, shared);
    lm_status st = LM_STATUS_INIT;
    ck_assert(lm_param_ready(ps, &st) && lm_param_ready(pa, &st) && lm_param_ready(pb, &st) && lm_param_ready(p0, &st));
    for (size_t i = 0; i < ps->elements; i++) {
        double want = p0->value[i] + 0.75 * (double)(pa->value[i] - p0->value[i]) - 0.5 * (double)(pb->value[i] - p0->value[i]);
        ck_assert_double_eq_tol(ps->value[i], want, 1e-5);
    }
    lm_model *all[] = {s, t, a, b, plain};
    for (size_t i = 0; i < 5; i++)
        lm_model_free(all[i]);
    char *dirs[] = {base, one, two, whole, sum, ties, other};
    for (size_t i = 0; i < 7; i++)
        scratch_discard(dirs[i]);
}
END_TEST

/* A base with an adapter of its own: all of them are in the result, whatever becomes of the others. */
START_TEST(onto_an_adapted_base)
{
    char *base = new_base(adapted_llama), *one = new_adapter(base, (lm_adapter_options){.r = 2}),
         *two = new_adapter(base, (lm_adapter_options){.r = 3, .target = "v_proj,up_proj", .alpha = 9}),
         *both = lm_format("%s+%s", base, one);
    lm_merge_report report;
    for (int how = LM_MERGE_LINEAR; how <= LM_MERGE_DARE_TIES; how++) {
        char *whole = merged(both, two, NULL, (lm_merge_options){.method = (lm_merge_method)how, .density = 1}, &report);
        free(report.where);
        char *path = lm_format("%s+%s", both, two);
        lm_model *x = open_path(whole), *y = open_path(path);
        ck_assert_msg(apart(x, y) < 3e-5, "%s: %g", lm_merge_method_names[how], apart(x, y));
        lm_model_free(x);
        lm_model_free(y);
        free(path);
        scratch_discard(whole);
    }
    lm_status st = LM_STATUS_INIT;
    char *file = lm_format("%s/adapter.gguf", base);
    ck_assert(!lm_adapter_write_gguf(two, both, file, &st));
    assert_says(&st, "the base has an adapter of its own");
    free(file);
    free(both);
    char *dirs[] = {base, one, two};
    for (size_t i = 0; i < 3; i++)
        scratch_discard(dirs[i]);
}
END_TEST

/* PEFT's lora_bias: what B adds goes into the layer's bias, and is refused where there is none. */
START_TEST(biases_of_b)
{
    lm_status st = LM_STATUS_INIT;
    lm_merge_report report;
    char *base = new_base(_i ? adapted_llama : adapted_gpt2);
    lm_model *m = open_path(base);
    lm_adapter_config *c = lm_adapter_config_new(&(lm_adapter_options){.r = 2, .alpha = 6}, &st);
    c->lora_bias = true;
    ck_assert_msg(lm_model_adapt(m, c, 7, NULL, &st), "%s", st.message);
    disturb(m);
    char *adapter = written(m), *whole = NULL;
    lm_model *again = open_both(base, adapter), *plain = open_path(base);
    ck_assert_double_lt(apart(m, again), 2e-5);
    const lm_adapter *a = again->adapters[0].parts[0].adapter;
    ck_assert(a->bias && a->bias->elements == (size_t)a->b->shape.size[0]);
    if (_i) {
        ck_assert(!lm_model_merge(again, &st));
        assert_says(&st, "the adapter has a bias (lora_bias), and the layer none");
    } else {
        ck_assert_msg(lm_model_merge(again, &st), "%s", st.message);
        ck_assert_double_lt(apart(m, again), 3e-5);
        whole = merged(base, adapter, NULL, (lm_merge_options){0}, &report);
        ck_assert_uint_eq(report.tensors, 4); /* a weight and a bias in each of two blocks */
        free(report.where);
        lm_model *x = open_path(whole);
        ck_assert_double_lt(apart(m, x), 3e-5);
        const char *bias = "transformer.h.1.attn.c_attn.bias";
        lm_param *is = lm_params_find(x->params, bias), *was = lm_params_find(plain->params, bias);
        ck_assert(lm_param_ready(is, &st) && lm_param_ready(was, &st));
        ck_assert_float_eq_tol(is->value[5] - was->value[5], 3 * m->adapters[0].parts[1].adapter->bias->value[5], 1e-6f);
        lm_model_free(x);
        scratch_discard(whole);
    }
    lm_model_free(m);
    lm_model_free(again);
    lm_model_free(plain);
    scratch_discard(adapter);
    scratch_discard(base);
}
END_TEST

/* What is stored as PiSSA left it, without being converted, is no multiple of alpha. */
START_TEST(scaling_a_start)
{
    lm_status st = LM_STATUS_INIT;
    char *base = new_base(adapted_llama), *dir = new_adapter(base, (lm_adapter_options){.r = 2}), *to = scratch_new();
    lm_str config = scratch_read(dir, "adapter_config.json");
    char *changed = lm_strndup(config.data, config.len), *at = strstr(changed, "\"init_lora_weights\": true");
    char *text = lm_format("%.*s\"init_lora_weights\": \"olora\"%s", (int)(at - changed), changed, at + 25);
    scratch_write(dir, "adapter_config.json", text, strlen(text));
    lm_bundle_writer *w = lm_bundle_into(to);
    ck_assert(!lm_adapter_rescale(dir, 0.5, w, &st));
    assert_says(&st, "init_lora_weights: olora: what it began with");
    lm_bundle_discard(w, &st);
    free((char *)config.data);
    free(changed);
    free(text);
    scratch_discard(base);
    scratch_discard(dir);
    scratch_discard(to);
}
END_TEST

/* What TIES and DARE make of the changes of two adapters, number by number. */
START_TEST(ties_and_dare)
{
    char *base = new_base(adapted_llama), *one = new_adapter(base, (lm_adapter_options){.r = 2, .target = "q_proj"}),
         *two = new_adapter(base, (lm_adapter_options){.r = 3, .target = "q_proj", .alpha = 5});
    const char *name = "model.layers.0.self_attn.q_proj.weight";
    lm_status st = LM_STATUS_INIT;
    lm_merge_report report;
    char *dirs[] = {merged(base, one, NULL, (lm_merge_options){0}, &report), NULL, NULL, NULL, NULL};
    free(report.where);
    dirs[1] = merged(base, two, NULL, (lm_merge_options){0}, &report);
    free(report.where);
    dirs[2] = merged(base, one, two, (lm_merge_options){.method = LM_MERGE_TIES, .density = 1}, &report);
    free(report.where);
    dirs[3] = merged(base, one, NULL, (lm_merge_options){.method = LM_MERGE_DARE, .density = 0.25, .seed = 5}, &report);
    free(report.where);
    dirs[4] = merged(base, one, NULL, (lm_merge_options){.method = LM_MERGE_TIES, .density = 0.25}, &report);
    free(report.where);
    lm_model *m[6] = {open_path(base)};
    float *v[6];
    size_t n = 0;
    for (int i = 0; i < 6; i++) {
        m[i] = i ? open_path(dirs[i - 1]) : m[i];
        lm_param *p = lm_params_find(m[i]->params, name);
        ck_assert(lm_param_ready(p, &st));
        v[i] = p->value;
        n = p->elements;
    }
    size_t kept = 0, large = 0;
    double least = INFINITY, most_dropped = 0;
    for (size_t i = 0; i < n; i++) {
        double a = (double)(v[1][i] - v[0][i]), b = (double)(v[2][i] - v[0][i]), is = (double)(v[3][i] - v[0][i]);
        double want = a * b > 0 ? (a + b) / 2 : fabs(a) > fabs(b) ? a : b;
        ck_assert_double_eq_tol(is, want, 1e-5);
        double dared = (double)(v[4][i] - v[0][i]), trimmed = (double)(v[5][i] - v[0][i]);
        if (fabs(dared) > 1e-6) {
            ck_assert_double_eq_tol(dared, 4 * a, 1e-5);
            kept++;
        }
        if (fabs(trimmed) > 1e-6) {
            ck_assert_double_eq_tol(trimmed, a, 1e-5);
            least = fmin(least, fabs(a));
            large++;
        } else {
            most_dropped = fmax(most_dropped, fabs(a));
        }
    }
    ck_assert_uint_ge(kept, n / 4 - n / 8);
    ck_assert_uint_le(kept, n / 4 + n / 8);
    ck_assert_uint_eq(large, n / 4);
    ck_assert_double_ge(least, most_dropped);
    for (int i = 0; i < 6; i++)
        lm_model_free(m[i]);
    for (int i = 0; i < 5; i++)
        scratch_discard(dirs[i]);
    scratch_discard(base);
    scratch_discard(one);
    scratch_discard(two);
}
END_TEST

/* What was merged comes out again. */
START_TEST(extracting)
{
    lm_status st = LM_STATUS_INIT;
    lm_merge_report report;
    char *base = new_base(_i ? adapted_gpt2 : adapted_llama), *adapter = new_adapter(base, (lm_adapter_options){.r = 3});
    char *full = merged(base, adapter, NULL, (lm_merge_options){0}, &report), *dir = scratch_new();
    free(report.where);
    lm_adapter_config *c = lm_adapter_config_new(&(lm_adapter_options){.r = 3}, &st);
    lm_bundle_writer *w = lm_bundle_into(dir);
    ck_assert_msg(lm_adapter_extract(full, base, c, NULL, w, &report, &st), "%s", st.message);
    ck_assert(lm_bundle_publish(w, &st));
    ck_assert_double_gt(report.largest_ratio, 0.9999);
    free(report.where);
    lm_adapter_config_free(c);
    lm_model *x = open_path(full), *y = open_both(base, dir);
    ck_assert_double_lt(apart(x, y), 1e-4);
    /* half of its change, by scale and by weight */
    char *half = scratch_new();
    w = lm_bundle_into(half);
    ck_assert_msg(lm_adapter_rescale(dir, 0.5, w, &st), "%s", st.message);
    ck_assert(lm_bundle_publish(w, &st));
    const double weight[] = {0.5};
    char *by_weight = merged(base, adapter, NULL, (lm_merge_options){.weights = weight}, &report);
    free(report.where);
    lm_model *z = open_both(base, half), *u = open_path(by_weight);
    ck_assert_double_lt(apart(z, u), 1e-4);
    ck_assert_double_gt(apart(z, x), 1e-3);
    lm_model *all[] = {x, y, z, u};
    for (int i = 0; i < 4; i++)
        lm_model_free(all[i]);
    char *dirs[] = {base, adapter, full, dir, half, by_weight};
    for (int i = 0; i < 6; i++)
        scratch_discard(dirs[i]);
}
END_TEST

/* ------------------------------------------------------------------ quantised bases, llama.cpp's form */

/* A base that stays as it is stored: adapters begin, are written and read beside it, as beside any other. */
START_TEST(quantised_base)
{
    static const lm_adapter_options ways[] = {{.r = 4, .target = "all-linear"},
                                              {.r = 4, .target = "all-linear", .dora = true},
                                              {.r = 4, .target = "q_proj,v_proj", .init = "pissa"}};
    lm_status st = LM_STATUS_INIT;
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    lm_model *m = create(adapted_llama, NULL, 3);
    char *base = scratch_new();
    lm_bundle_writer *w = lm_bundle_into(base);
    const lm_save_options half = {.dtype = LM_SAVE_F16};
    ck_assert(lm_model_write_config(m, w, &half, &st) && lm_model_write_weights(m, w, &half, &st) && lm_bundle_publish(w, &st));
    lm_model_free(m);
    lm_model *plain = open_path(base);
    m = open_path(base);
    const lm_param *q = lm_params_find(m->params, "model.layers.0.self_attn.q_proj.weight");
    ck_assert(q->quantised != NULL);
    ck_assert_msg(adapt(m, ways[_i], NULL, &st), "%s", st.message);
    ck_assert_double_lt(apart(plain, m), 3e-5);
    ck_assert(q->quantised != NULL && !q->value); /* not expanded by it */
    disturb(m);
    char *adapter = written(m);
    lm_model *again = open_both(base, adapter);
    ck_assert_double_lt(apart(m, again), 5e-5);
    lm_params_set_activations(again->params, LM_ACTIVATIONS_INT8); /* nothing that norms depend on */
    ck_assert_double_lt(apart(m, again), 5e-5);
    ck_assert(lm_model_merge(again, &st));
    ck_assert_double_lt(apart(m, again), 5e-5);
    lm_model_free(m);
    lm_model_free(plain);
    lm_model_free(again);
    scratch_discard(adapter);
    scratch_discard(base);
}
END_TEST

START_TEST(gguf)
{
    lm_status st = LM_STATUS_INIT;
    char *base = new_base(_i ? adapted_gpt2 : adapted_llama);
    const char *alphas[] = {"v_proj=6", "mlp.c_proj=6"};
    char *adapter = new_adapter(base, (lm_adapter_options){.r = 2, .alpha = 4, .target = "q_proj,v_proj,embed_tokens,c_attn,mlp.c_proj,wte",
                                                           .alpha_pattern = {alphas, 2, 2}});
    char *file = lm_format("%s/adapter.gguf", adapter);
    ck_assert_msg(lm_adapter_write_gguf(adapter, base, file, &st), "%s", st.message);
    lm_gguf *f = lm_gguf_open(file, &st);
    assert_ok(&st);
    double alpha = 0;
    ck_assert(lm_gguf_number(f, "adapter.lora.alpha", &alpha, &st));
    ck_assert_double_eq(alpha, 4);
    lm_model *m = open_both(base, adapter);
    ck_assert_uint_eq(lm_gguf_tensors(f), 2 * m->adapters[0].count);
    lm_gguf_names *names = lm_gguf_names_new(m->config, true, &st);
    for (size_t i = 0; i < m->adapters[0].count; i++) {
        const struct lm_adapted_part *part = &m->adapters[0].parts[i];
        const lm_adapter *a = part->adapter;
        lm_gguf_weight how;
        char *name = lm_format("%s.weight", part->module);
        ck_assert_int_eq(lm_gguf_place_of(names, name, &how), LM_GGUF_STORED);
        ck_assert(lm_param_ready(a->a, &st) && lm_param_ready(a->b, &st));
        char *of_a = lm_format("%s.lora_a", how.there), *of_b = lm_format("%s.lora_b", how.there);
        const lm_gguf_tensor *ta = NULL, *tb = NULL;
        for (size_t k = 0; k < lm_gguf_tensors(f); k++) {
            const lm_gguf_tensor *t = lm_gguf_tensor_at(f, k);
            ta = lm_str_is(t->name, of_a) ? t : ta;
            tb = lm_str_is(t->name, of_b) ? t : tb;
        }
        ck_assert_msg(ta && tb, "%s", how.there);
        /* scale / rank there times B's and A's products is scale B A here */
        bool table = a->place == LM_ADAPTS_TABLE;
        size_t in = (size_t)a->a->shape.size[1], out = (size_t)a->b->shape.size[0], r = (size_t)a->rank;
        const float *va = ta->data, *vb = tb->data;
        for (size_t o = 0; o < out; o++) {
            int height = how.heads ? (int)out / how.heads : 0, at = height ? (int)o % height : 0;
            size_t there = !height ? o : o - (size_t)at + (size_t)(at < height / 2 ? 2 * at : 2 * (at - height / 2) + 1);
            for (size_t j = 0; j < in; j++) {
                double here = 0, is = 0;
                for (size_t k = 0; k < r; k++) {
                    here += (double)a->scale * (double)a->b->value[o * r + k] * (double)a->a->value[k * in + j];
                    is += 4.0 / (double)r * (double)vb[there * r + k] * (double)(table ? va[j * r + k] : va[k * in + j]);
                }
                ck_assert_double_eq_tol(is, here, 1e-5);
            }
        }
        free(name);
        free(of_a);
        free(of_b);
    }
    lm_gguf_names_free(names);
    lm_model_free(m);
    lm_gguf_close(f);
    char *whole = new_adapter(base, (lm_adapter_options){.r = 2, .dora = true});
    ck_assert(!lm_adapter_write_gguf(whole, base, file, &st));
    assert_says(&st, "no place for DoRA's magnitudes");
    free(file);
    scratch_discard(whole);
    scratch_discard(adapter);
    scratch_discard(base);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("merging");
    TCase *t = tcase_create("merging");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, merging);
    tcase_add_test(t, onto_an_adapted_base);
    tcase_add_loop_test(t, biases_of_b, 0, 2);
    tcase_add_test(t, scaling_a_start);
    tcase_add_test(t, ties_and_dare);
    tcase_add_loop_test(t, extracting, 0, 2);
    tcase_add_loop_test(t, quantised_base, 0, 3);
    tcase_add_loop_test(t, gguf, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
