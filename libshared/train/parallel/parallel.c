#include "config.h"

#include "train/parallel/parallel.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
#include "train/parallel/exchange.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

/* What process 0 tells the others. */
typedef enum order_kind {
    MAKE_MODEL, /* text: the run (description_of) */
    TRAIN,      /* text: 1 or 0 for each parameter: whether it is trained from now on */
    TAKE_VALUES,
    STEP, /* text: rows */
    DROP_MODEL,
    LEAVE,
    GIVE_UP
} order_kind;

typedef struct order {
    int32_t kind, ignored;
    uint64_t step;
    uint64_t bytes; /* of the text that follows */
} order;

/* What they answer. */
typedef struct result {
    int32_t code; /* of a status */
    int32_t ignored;
    double loss;
    double plain_sum;
    uint64_t plain_rows;
    char message[512];
} result;

struct lm_parallel {
    lm_communicator *c;
    lm_exchange *exchange; /* of what is trained */
    int stage;             /* that it is of; -1 = none yet */
    /* process 0 */
    bool changed;      /* weights, since the others got them */
    lm_step_rows own;  /* its part of a step */
    int *rows, *begin; /* [rows of the step] those of process p from begin[p] on; [size+1] */
    int row_cap;
    uint64_t steps;
    double spreading, dealing, waiting; /* seconds of these steps */
    lm_buf text;
    result *results;       /* [size] */
    lm_transfer **awaited; /* [size] */
    /* the others */
    order next;
    lm_transfer *coming; /* an order is always expected */
};

/* ------------------------------------------------------------------ process 0 and its orders */

static bool fail_of(const lm_parallel *p, int rank, lm_status *st)
{
    const result *x = &p->results[rank];
    return lm_fail(st, x->code, "%s: %.*s", lm_communicator_name(p->c, rank), (int)sizeof x->message, x->message);
}

/* Takes results that have come; a process that has failed does not answer in any other way. */
static bool take_results(void *context, lm_status *st)
{
    lm_parallel *p = context;
    for (int r = 1; r < lm_communicator_size(p->c); r++) {
        bool awaited = p->awaited[r] != NULL;
        if (awaited && lm_communicator_done(p->c, &p->awaited[r], st) && p->results[r].code != LM_OK)
            return fail_of(p, r, st);
    }
    return lm_ok(st);
}

static bool collect(lm_parallel *p, lm_status *st)
{
    while (take_results(p, st)) {
        bool all = true;
        for (int r = 1; r < lm_communicator_size(p->c); r++)
            all &= !p->awaited[r];
        if (all)
            return true;
        if (!lm_communicator_nap(p->c, st))
            return false;
    }
    return false;
}

static bool give_order(lm_communicator *c, int to, order what, const void *text, lm_status *st)
{
    return lm_communicator_put(c, &what, sizeof what, to, LM_TAG_ORDER, st) &&
           lm_communicator_put(c, text, (size_t)what.bytes, to, LM_TAG_TEXT, st);
}

/* The result of what is ordered next. */
static bool expect_result(lm_parallel *p, int from, lm_status *st)
{
    p->awaited[from] =
        lm_communicator_receive(p->c, &p->results[from], sizeof *p->results, from, LM_TAG_RESULT, st);
    return p->awaited[from] != NULL;
}

static bool order_all(lm_parallel *p, order what, const void *text, lm_status *st)
{
    for (int to = 1; to < lm_communicator_size(p->c); to++)
        if (!give_order(p->c, to, what, text, st))
            return false;
    return true;
}

/* Parameters by name and shape, and, where each process has read the model by itself, of its body the first bytes of each. */
static uint64_t digest_of(const lm_run *r)
{
    enum { FIRST = 64 };
    const lm_model *m = r->model;
    XXH3_state_t *state = XXH3_createState();
    XXH3_64bits_reset(state);
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        const lm_param *p = lm_params_at(m->params, i);
        bool read = r->o->adapting && i < m->head_from && (!p->owned || p->data != p->value);
        XXH3_64bits_update(state, p->name, strlen(p->name) + 1);
        XXH3_64bits_update(state, p->shape.size, (size_t)p->shape.dims * sizeof *p->shape.size);
        if (read)
            XXH3_64bits_update(state, p->data, p->elements / 8 < FIRST ? p->elements / 8 : FIRST);
    }
    uint64_t digest = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return digest;
}

/* All that a process has to know of a run to compute gradients: the network, and what losses are. */
static char *description_of(const lm_run *r)
{
    const lm_targets *t = &r->targets;
    char digest[17];
    lm_buf config = {0};
    lm_config_print(r->model->config, &config);
    snprintf(digest, sizeof digest, "%016" PRIx64, digest_of(r));
    json_t *all =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:I, s:i, s:f, s:f}", "version", PACKAGE_VERSION, "config",
                  lm_buf_cstr(&config), "parameters", digest, "objective", r->objective->name, "seed",
                  (json_int_t)r->spec->common->seed, "micro-tokens", (json_int_t)r->micro_tokens, "recompute", r->recompute,
                  "batch-size", (json_int_t)lm_train_batch_rows(r->o), "classes", t->classes, "label-smoothing",
                  (double)t->label_smoothing, "focal-gamma", (double)t->focal_gamma);
    if (r->o->qat) {
        json_object_set_new(all, "qat", json_integer(r->o->qat));
        json_object_set_new(all, "qat-from", json_integer((json_int_t)r->o->qat_from));
    }
    for (int i = 0; t->class_weight && i < t->classes; i++) {
        if (i == 0)
            json_object_set_new(all, "class-weight", json_array());
        json_array_append_new(json_object_get(all, "class-weight"), json_real((double)t->class_weight[i]));
    }
    char *text = json_dumps(all, JSON_REAL_PRECISION(17));
    json_decref(all);
    lm_buf_free(&config);
    return text;
}

/* The values that the others do not have; of a model that they have read, those that are trained come before the first step.
 * What is quantised they have as float32, and so does this one from now on: all compute the same. */
static bool spread_all(lm_communicator *c, const lm_run *r, lm_status *st)
{
    if (r->o->adapting)
        return true;
    lm_params *params = r->model->params;
    for (size_t i = 0; i < lm_params_count(params); i++)
        if (!lm_param_ready(lm_params_at(params, i), st))
            return false;
    lm_exchange *e = lm_exchange_new(c, params, true);
    bool ok = lm_exchange_spread(e, st);
    lm_exchange_free(e);
    return ok;
}

static bool make_models(lm_parallel *p, lm_run *r, lm_status *st)
{
    char *text = description_of(r);
    for (int from = 1; from < lm_communicator_size(p->c) && lm_ok(st); from++)
        expect_result(p, from, st);
    bool ok = lm_ok(st) && order_all(p, (order){.kind = MAKE_MODEL, .bytes = strlen(text)}, text, st) && collect(p, st) &&
              spread_all(p->c, r, st);
    free(text);
    return ok;
}

lm_parallel *lm_parallel_new(lm_run *r, lm_status *st)
{
    lm_communicator *c = r->spec->communicator;
    if (!c)
        return NULL;
    if (r->frozen) {
        lm_fail(st, LM_USAGE, "--cache-frozen: several processes keep nothing of rows that they get anew: leave it out, or run "
                "one process");
        return NULL;
    }
    if (r->o->adapting && (strcmp(r->spec->common->model, "-") == 0 || r->o->sweep.count)) {
        lm_fail(st, LM_USAGE, "%s: each of several processes reads -m, and makes its adapter as the options say: give a path, and "
                "one run at a time", r->o->sweep.count ? "--sweep" : "-m -");
        return NULL;
    }
    lm_parallel *p = lm_calloc(1, sizeof *p);
    size_t size = (size_t)lm_communicator_size(c);
    p->c = c;
    p->stage = -1;
    p->changed = r->o->adapting != NULL; /* of what is trained the others know nothing yet */
    p->results = lm_calloc(size, sizeof *p->results);
    p->awaited = lm_calloc(size, sizeof(lm_transfer *));
    p->begin = lm_calloc(size + 1, sizeof *p->begin);
    int hosts = lm_communicator_hosts(c);
    lm_info("data parallel: %zu processes on %d host%s, %d thread%s here", size, hosts, hosts == 1 ? "" : "s", lm_threads(),
            lm_threads() == 1 ? "" : "s");
    for (size_t i = 1; i < size; i++)
        lm_debug("%s takes part", lm_communicator_name(c, (int)i));
    lm_communicator_watch(c, take_results, p);
    if (!make_models(p, r, st))
        lm_communicator_give_up(c);
    return p;
}

void lm_parallel_free(lm_parallel *p)
{
    lm_status st = LM_STATUS_INIT;
    if (!p)
        return;
    lm_communicator_watch(p->c, NULL, NULL);
    if (p->steps)
        lm_debug("data parallel: a step had %.2f ms of giving weights, %.2f of dealing rows and %.2f of waiting for gradients",
                 1e3 * p->spreading / (double)p->steps, 1e3 * p->dealing / (double)p->steps,
                 1e3 * p->waiting / (double)p->steps);
    if (!lm_communicator_given_up(p->c) && !order_all(p, (order){.kind = DROP_MODEL}, NULL, &st))
        lm_communicator_give_up(p->c);
    lm_exchange_free(p->exchange);
    lm_step_rows_free(&p->own);
    lm_buf_free(&p->text);
    free(p->rows);
    free(p->begin);
    free(p->results);
    free(p->awaited);
    free(p);
}

/* ------------------------------------------------------------------ steps */

/* The others train what this one trains. */
static bool follow_stage(lm_parallel *p, lm_run *r, lm_status *st)
{
    if (p->stage == r->stage)
        return true;
    lm_params *params = r->model->params;
    size_t count = lm_params_count(params);
    lm_exchange_free(p->exchange);
    p->exchange = lm_exchange_new(p->c, params, false);
    p->stage = r->stage;
    p->text.len = 0;
    for (size_t i = 0; i < count; i++)
        lm_buf_putc(&p->text, lm_param_learns(lm_params_at(params, i)));
    return order_all(p, (order){.kind = TRAIN, .bytes = count}, p->text.data, st);
}

static int64_t tokens_of(const lm_step_rows *s, int row)
{
    return (int64_t)s->row_splits[row + 1] - s->row_splits[row] + s->target_splits[row + 1] - s->target_splits[row];
}

/* Deals the rows, longest first: each to whoever has the fewest tokens. Those of a process stay in order. */
static void deal(lm_parallel *p, const lm_step_rows *s)
{
    int size = lm_communicator_size(p->c);
    if (s->rows > p->row_cap) {
        p->row_cap = s->rows;
        p->rows = lm_realloc(p->rows, (size_t)p->row_cap, sizeof *p->rows);
    }
    int64_t *tokens = lm_calloc((size_t)size, sizeof *tokens);
    int *whose = lm_malloc((size_t)s->rows + 1, sizeof *whose);
    memset(p->begin, 0, ((size_t)size + 1) * sizeof *p->begin);
    for (int r = 0; r < s->rows; r++) {
        int least = 0;
        for (int i = 1; i < size; i++)
            if (tokens[i] < tokens[least])
                least = i;
        tokens[least] += tokens_of(s, r) + 1; /* rows of no tokens are dealt, too */
        whose[r] = least;
        p->begin[least + 1]++;
    }
    for (int i = 0; i < size; i++)
        p->begin[i + 1] += p->begin[i];
    for (int r = 0; r < s->rows; r++)
        p->rows[p->begin[whose[r]]++] = r;
    memmove(p->begin + 1, p->begin, (size_t)size * sizeof *p->begin);
    p->begin[0] = 0;
    free(tokens);
    free(whose);
}

static bool send_parts(lm_parallel *p, lm_run *r, lm_status *st)
{
    for (int to = lm_communicator_size(p->c) - 1; to >= 0; to--) { /* the last is our own */
        lm_step_rows_part(&r->rows, &r->targets, p->rows + p->begin[to], p->begin[to + 1] - p->begin[to], &p->own);
        if (to == 0)
            break;
        p->text.len = 0;
        lm_step_rows_pack(&p->own, &r->targets, &p->text);
        order what = {.kind = STEP, .step = r->step, .bytes = p->text.len};
        if (!expect_result(p, to, st) || !give_order(p->c, to, what, p->text.data, st))
            return false;
    }
    return true;
}

/* Our own part of the step, in place of all of it. */
static bool own_part(lm_parallel *p, lm_run *r, double *loss, lm_status *st)
{
    lm_step_rows all = r->rows;
    r->rows = p->own;
    bool ok = lm_run_gradients(r, loss, st);
    p->own = r->rows;
    r->rows = all;
    return ok;
}

static bool by_all(lm_parallel *p, lm_run *r, double *loss, lm_status *st)
{
    double begun = lm_now();
    if (!follow_stage(p, r, st) ||
        (p->changed && (!order_all(p, (order){.kind = TAKE_VALUES}, NULL, st) || !lm_exchange_spread(p->exchange, st))))
        return false;
    p->changed = true; /* by what comes of these gradients */
    double spread = lm_now();
    deal(p, &r->rows);
    if (!send_parts(p, r, st))
        return false;
    double dealt = lm_now();
    lm_exchange_begin(p->exchange);
    if (!own_part(p, r, loss, st))
        return false;
    double computed = lm_now();
    if (!lm_exchange_finish(p->exchange, st) || !collect(p, st))
        return false;
    p->steps++;
    p->spreading += spread - begun;
    p->dealing += dealt - spread;
    p->waiting += lm_now() - computed;
    for (int i = 1; i < lm_communicator_size(p->c); i++) {
        *loss += p->results[i].loss;
        r->plain.sum += p->results[i].plain_sum;
        r->plain.rows += p->results[i].plain_rows;
    }
    return true;
}

bool lm_parallel_gradients(lm_run *r, double *loss, lm_status *st)
{
    if (!r->parallel)
        return lm_run_gradients(r, loss, st);
    if (by_all(r->parallel, r, loss, st))
        return true;
    lm_communicator_give_up(r->parallel->c); /* in the middle of a step: nobody knows who waits for what */
    return false;
}

void lm_parallel_last_part(lm_parallel *p, lm_step *step)
{
    step->whole = lm_exchange_whole;
    step->whole_context = p->exchange;
}

bool lm_parallel_broken(lm_parallel *p, lm_status *st)
{
    int lost = p ? lm_communicator_lost(p->c) : -1;
    if (lost >= 0 && st->code > LM_SIGNAL) { /* a launcher ends all processes where one has ended */
        lm_status_clear(st);
        lm_fail(st, LM_FAILED, "%s has ended", lm_communicator_name(p->c, lost));
        lm_communicator_give_up(p->c);
    }
    return p && lm_communicator_given_up(p->c);
}

void lm_parallel_dismiss(lm_communicator *c)
{
    enum { TRIES = 20 };
    lm_status st = LM_STATUS_INIT;
    int size = lm_communicator_size(c);
    for (int to = 1; to < size && !lm_communicator_given_up(c); to++)
        if (!give_order(c, to, (order){.kind = LEAVE}, NULL, &st))
            lm_communicator_give_up(c);
    if (!lm_communicator_given_up(c))
        return;
    static const order stop = {.kind = GIVE_UP};
    for (int to = 1; to < size; to++) {
        lm_status_clear(&st);
        lm_transfer *t = lm_communicator_send(c, &stop, sizeof stop, to, LM_TAG_ORDER, &st);
        for (int i = 0; i < TRIES && !lm_communicator_done(c, &t, &st) && lm_ok(&st); i++)
            usleep(500); /* some may be gone: nobody waits for long */
    }
}

/* ------------------------------------------------------------------ the others */

static bool expect_order(lm_parallel *p, lm_status *st)
{
    p->coming = lm_communicator_receive(p->c, &p->next, sizeof p->next, 0, LM_TAG_ORDER, st);
    return p->coming != NULL;
}

/* In the middle of something process 0 may say that it is all over. */
static bool look_for_order(void *context, lm_status *st)
{
    lm_parallel *p = context;
    if (p->coming && lm_communicator_done(p->c, &p->coming, st) && p->next.kind == GIVE_UP)
        return lm_fail(st, LM_FAILED, "given up");
    return lm_ok(st);
}

static bool answer(lm_parallel *p, lm_run *r, double loss, const lm_status *how, lm_status *st)
{
    result x = {.code = how->code, .loss = loss, .plain_sum = r->plain.sum, .plain_rows = r->plain.rows};
    snprintf(x.message, sizeof x.message, "%.*s", (int)sizeof x.message - 1, how->message);
    return lm_communicator_put(p->c, &x, sizeof x, 0, LM_TAG_RESULT, st);
}

static bool take_targets(lm_run *r, json_t *all, lm_status *st)
{
    json_t *weights = json_object_get(all, "class-weight");
    size_t i;
    json_t *value;
    r->objective = lm_objective_find(json_string_value(json_object_get(all, "objective")));
    if (!r->objective)
        return lm_fail(st, LM_FAILED, "another objective than are known here");
    free(r->class_weight);
    r->class_weight = weights ? lm_malloc(json_array_size(weights) + 1, sizeof *r->class_weight) : NULL;
    json_array_foreach(weights, i, value)
        r->class_weight[i] = (float)json_number_value(value);
    r->targets = (lm_targets){.objective = r->objective,
                              .classes = (int)json_integer_value(json_object_get(all, "classes")),
                              .label_smoothing = (float)json_number_value(json_object_get(all, "label-smoothing")),
                              .focal_gamma = (float)json_number_value(json_object_get(all, "focal-gamma")),
                              .class_weight = r->class_weight};
    return true;
}

/* The run's network, of weights that are to come; of a model that stays as it is, of those that each process reads. */
static bool take_model(lm_run *r, json_t *all, lm_status *st)
{
    bool adapting = r->o->adapting != NULL;
    lm_model_options options = {.task = r->objective->head,
                                .plugin_path = r->spec->common->plugin,
                                .whole_config = true,
                                .quiet = true};
    const char *digest = json_string_value(json_object_get(all, "parameters"));
    lm_config *config = lm_config_parse(lm_str_of(json_string_value(json_object_get(all, "config"))), "config.json", st);
    options.allow_missing_head = adapting;
    options.config = adapting ? config : NULL;
    r->model = !config    ? NULL
               : adapting ? lm_model_open(r->spec->common->model, &options, st)
                          : lm_model_create(config, &options, st);
    if (!r->model)
        return false;
    char mine[17];
    if (!lm_run_adapt(r, st))
        return false;
    snprintf(mine, sizeof mine, "%016" PRIx64, digest_of(r));
    if (!digest || strcmp(digest, mine) != 0)
        return lm_fail(st, LM_FAILED, "%s %s makes another network here: use one version of it everywhere",
                       adapting ? "the model" : "the plugin of", adapting ? r->spec->common->model : r->model->plugin->name);
    for (size_t i = 0; !adapting && i < lm_params_count(r->model->params); i++)
        if (!lm_param_own(lm_params_at(r->model->params, i), st))
            return false;
    r->graph = lm_graph_new(r->model->params);
    return lm_run_choose_quantised(r, st);
}

static void drop_model(lm_parallel *p, lm_run *r)
{
    lm_exchange_free(p->exchange);
    p->exchange = NULL;
    if (r->graph)
        lm_graph_free(r->graph);
    r->graph = NULL;
    lm_model_free(r->model);
    r->model = NULL;
    free(r->qat);
    r->qat = NULL;
    r->qat_begun = false;
}

/* The options of a run that matter here are those that process 0 has, which may go through a sweep. */
static bool make_model(lm_parallel *p, lm_run *r, lm_common *common, lm_train_options *options, const char *text, lm_status *st)
{
    lm_status how = LM_STATUS_INIT;
    json_t *all = json_loads(text, 0, NULL);
    const char *version = json_string_value(json_object_get(all, "version"));
    drop_model(p, r);
    common->seed = json_integer_value(json_object_get(all, "seed"));
    options->batch_size = json_integer_value(json_object_get(all, "batch-size"));
    options->qat = (int)json_integer_value(json_object_get(all, "qat"));
    options->qat_from = json_integer_value(json_object_get(all, "qat-from"));
    r->micro_tokens = json_integer_value(json_object_get(all, "micro-tokens"));
    r->recompute = json_is_true(json_object_get(all, "recompute"));
    bool ok = version && strcmp(version, PACKAGE_VERSION) == 0;
    if (!ok)
        lm_fail(&how, LM_FAILED, "is version %s of lmutils, and process 0 is %s", PACKAGE_VERSION, version ? version : "another");
    ok = ok && take_targets(r, all, &how) && take_model(r, all, &how);
    json_decref(all);
    return answer(p, r, 0, &how, st) && (!ok || spread_all(p->c, r, st));
}

static bool train(lm_parallel *p, lm_run *r, const char *trained, size_t count, lm_status *st)
{
    lm_params *params = r->model->params;
    for (size_t i = 0; i < lm_params_count(params); i++)
        if (!lm_param_train(lm_params_at(params, i), i < count && trained[i], st))
            return false;
    lm_exchange_free(p->exchange);
    p->exchange = lm_exchange_new(p->c, params, false);
    return true;
}

static bool give_gradients(lm_parallel *p, lm_run *r, uint64_t step, const void *text, size_t bytes, lm_status *st)
{
    lm_status how = LM_STATUS_INIT;
    double loss = 0;
    r->step = step;
    r->plain = (lm_plain_loss){0};
    r->micro.plain = &r->plain;
    for (size_t i = 0; i < lm_params_count(r->model->params); i++)
        lm_param_zero_grad(lm_params_at(r->model->params, i));
    lm_exchange_begin(p->exchange);
    bool ok = lm_step_rows_unpack(&r->rows, &r->targets, text, bytes, &how) && lm_run_gradients(r, &loss, &how);
    return (!ok || lm_exchange_finish(p->exchange, st)) && lm_ok(st) && answer(p, r, loss, &how, st);
}

/* Waits for an order, and its text, which ends in a NUL. */
static bool next_order(lm_parallel *p, order *what, lm_buf *text, lm_status *st)
{
    while (p->coming)
        if (!look_for_order(p, st) || (p->coming && !lm_communicator_nap(p->c, st)))
            return false;
    *what = p->next;
    if (what->kind == GIVE_UP)
        return lm_fail(st, LM_FAILED, "given up");
    text->len = 0;
    lm_buf_reserve(text, (size_t)what->bytes + 1);
    if (!lm_communicator_get(p->c, text->data, (size_t)what->bytes, 0, LM_TAG_TEXT, st))
        return false;
    text->data[what->bytes] = '\0';
    return what->kind == LEAVE || expect_order(p, st);
}

/* A launcher that gives standard input to all shall not wait until this process reads it. */
static void close_input(void)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing >= 0) {
        dup2(nothing, STDIN_FILENO);
        close(nothing);
    }
}

bool lm_parallel_serve(lm_communicator *c, const lm_run_spec *spec, lm_status *st)
{
    lm_common common = *spec->common;
    lm_train_options options = *spec->options;
    lm_run_spec own = *spec;
    own.common = &common;
    own.options = &options;
    lm_parallel p = {.c = c};
    lm_run r = {.spec = &own, .o = &options, .parallel = &p};
    lm_buf text = {0};
    order what = {.kind = DROP_MODEL};
    close_input();
    bool ok = expect_order(&p, st);
    lm_communicator_watch(c, look_for_order, &p);
    while (ok && (ok = next_order(&p, &what, &text, st)) && what.kind != LEAVE) {
        if (what.kind == MAKE_MODEL)
            ok = make_model(&p, &r, &common, &options, text.data, st);
        else if (what.kind == TRAIN)
            ok = train(&p, &r, text.data, (size_t)what.bytes, st);
        else if (what.kind == TAKE_VALUES)
            ok = lm_exchange_spread(p.exchange, st);
        else if (what.kind == STEP)
            ok = give_gradients(&p, &r, what.step, text.data, (size_t)what.bytes, st);
        else
            drop_model(&p, &r);
    }
    lm_communicator_watch(c, NULL, NULL);
    if (!ok)
        lm_communicator_give_up(c);
    if (!ok && p.next.kind == GIVE_UP && !p.coming) { /* process 0 says why; it has the time to */
        sleep(2);
        lm_status_clear(st);
    }
    drop_model(&p, &r);
    lm_step_rows_free(&r.rows);
    lm_micro_batch_free(&r.micro);
    lm_buf_free(&text);
    free(r.class_weight);
    return lm_ok(st);
}
