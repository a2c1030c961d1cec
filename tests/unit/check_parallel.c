/* Data parallel training below any launcher: when gradients are whole, the order of their sum, and a step's rows as bytes. The
 * processes are threads here, with a communicator of their own. */
#include "unit.h"

#include "base/memory.h"
#include "base/threads.h"
#include "graph/graph.h"
#include "model/model.h"
#include "train/parallel/exchange.h"
#include "train/objectives/step_rows.h"

#include <pthread.h>
#include <string.h>

/* ------------------------------------------------------------------ a communicator for threads */

enum { RANKS_MOST = 9 };

struct lm_transfer {
    lm_transfer *next; /* of the messages that nobody has taken yet, in the order in which they were sent */
    const void *data;  /* NULL of a receiver */
    void *to;
    size_t bytes;
    int peer, from, tag, rank;
    bool taken;
};

static struct {
    pthread_mutex_t lock;
    lm_transfer *messages;
    int ranks;
} network = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local int my_rank;

static bool join(int *rank, int *size, char *message, size_t room)
{
    (void)message;
    (void)room;
    *rank = my_rank;
    *size = network.ranks;
    return true;
}

static lm_transfer *begin_send(const void *data, size_t bytes, int to, int tag)
{
    lm_transfer *t = lm_calloc(1, sizeof *t);
    *t = (lm_transfer){.data = data, .bytes = bytes, .peer = to, .from = my_rank, .tag = tag};
    pthread_mutex_lock(&network.lock);
    lm_transfer **end = &network.messages;
    while (*end)
        end = &(*end)->next;
    *end = t;
    pthread_mutex_unlock(&network.lock);
    return t;
}

static lm_transfer *begin_receive(void *data, size_t bytes, int from, int tag)
{
    lm_transfer *t = lm_calloc(1, sizeof *t);
    *t = (lm_transfer){.to = data, .bytes = bytes, .peer = from, .tag = tag, .rank = my_rank};
    return t;
}

static int test(lm_transfer *t)
{
    int how = LM_TRANSFER_PENDING;
    pthread_mutex_lock(&network.lock);
    for (lm_transfer **m = &network.messages; !t->data && *m; m = &(*m)->next) {
        lm_transfer *message = *m;
        if (message->peer != t->rank || message->from != t->peer || message->tag != t->tag)
            continue;
        how = message->bytes == t->bytes ? LM_TRANSFER_DONE : LM_TRANSFER_FAILED;
        memcpy(t->to, message->data, how == LM_TRANSFER_DONE ? t->bytes : 0);
        *m = message->next;
        message->taken = true;
        break;
    }
    if (t->data && t->taken)
        how = LM_TRANSFER_DONE;
    pthread_mutex_unlock(&network.lock);
    if (how != LM_TRANSFER_PENDING)
        free(t);
    return how;
}

static void leave(void)
{
}

static const lm_communicator_plugin threads = {.magic = LM_COMMUNICATOR_MAGIC,
                                               .abi = LM_COMMUNICATOR_ABI,
                                               .join = join,
                                               .send = begin_send,
                                               .receive = begin_receive,
                                               .test = test,
                                               .leave = leave};

/* ------------------------------------------------------------------ sums */

/* What the ranks have: a large matrix of several pieces, a small one, a table by rows and one that is lazy. */
enum { LARGE, SMALL, TABLE, LAZY, PARAMS, TABLE_ROWS = 5000, WIDTH = 3, STEPS = 3 };

typedef struct rank {
    int number;
    bool dense; /* TABLE turns out to be used as a matrix here */
    lm_params *params;
    lm_status st;
    float *sum[STEPS][PARAMS], *value[STEPS][PARAMS];
} rank;

static float number_of(int r, int step, int param, size_t i)
{
    uint32_t x = ((uint32_t)(r * 7919 + step * 104729 + param * 31) + (uint32_t)i) * 2654435761u;
    return (float)(x >> 8) * 1e-7f - 0.8f; /* so that the order of a sum matters */
}

/* Which rows of a table have a gradient in a rank. */
static bool has_row(int r, int step, size_t row)
{
    return row % 61 == (size_t)(3 * r + step) || row % 409 == 5;
}

static float gradient_at(int r, int step, int param, size_t i)
{
    return param >= TABLE && !has_row(r, step, i / WIDTH) ? 0 : number_of(r, step, param, i);
}

/* The sum that the tree makes: a rank's own, then what each of its children has. */
static float tree_sum(int r, int span, int ranks, int step, int param, size_t i)
{
    float sum = gradient_at(r, step, param, i);
    for (int s = 1; s < span && r + s < ranks; s *= 2)
        sum += tree_sum(r + s, s, ranks, step, param, i);
    return sum;
}

static lm_params *new_params(lm_status *st)
{
    lm_params *params = lm_params_new();
    lm_declare *d = lm_declare_begin(params);
    lm_declare_linear_nobias(d, lm_in((lm_scope){""}, "large"), 600, 500, 0.1);
    lm_declare_linear_nobias(d, lm_in((lm_scope){""}, "small"), 5, 3, 0.1);
    lm_declare_embedding(d, lm_in((lm_scope){""}, "table"), TABLE_ROWS, WIDTH, 0.1, -1);
    lm_declare_sparse_embedding(d, lm_in((lm_scope){""}, "lazy"), TABLE_ROWS, WIDTH, (lm_init){.kind = LM_INIT_ZERO});
    lm_declare_end(d, st);
    return params;
}

static void add_gradients(rank *r, int step)
{
    for (int k = 0; k < PARAMS; k++) {
        lm_param *p = lm_params_at(r->params, (size_t)k);
        p->first_use = (uint32_t)k;
        for (size_t i = 0; i < p->elements; i++) {
            int32_t row = (int32_t)(i / WIDTH), place = 0;
            if (p->row_grad && has_row(r->number, step, (size_t)row) &&
                lm_row_grad_take(p->row_grad, &row, 1, -1, &place, "test", &r->st))
                p->row_grad->value[(size_t)place * WIDTH + i % WIDTH] = gradient_at(r->number, step, k, i);
            else if (p->grad)
                p->grad[i] = gradient_at(r->number, step, k, i);
        }
    }
}

/* All of a gradient, or what an update would make of a weight. */
static float *copy_of(const lm_param *p, const float *from)
{
    float *to = lm_calloc(p->elements, sizeof *to);
    for (int i = 0; !from && i < p->row_grad->rows.count; i++)
        memcpy(to + (size_t)p->row_grad->rows.row[i] * WIDTH, p->row_grad->value + (size_t)i * WIDTH, WIDTH * sizeof *to);
    if (from)
        memcpy(to, from, p->elements * sizeof *to);
    return to;
}

static void take_step(rank *r, lm_exchange *e, int step)
{
    for (int k = 0; k < PARAMS; k++)
        lm_param_zero_grad(lm_params_at(r->params, (size_t)k));
    if (r->dense && step == 1)
        lm_param_dense(lm_params_at(r->params, TABLE), &r->st);
    lm_exchange_begin(e);
    add_gradients(r, step);
    for (uint32_t from = PARAMS; from-- > 0;) /* as backward says it */
        lm_exchange_whole(e, from);
    lm_exchange_finish(e, &r->st);
    for (int k = 0; k < PARAMS && r->number == 0; k++) {
        lm_param *p = lm_params_at(r->params, (size_t)k);
        r->sum[step][k] = copy_of(p, p->grad);
        for (size_t i = 0; i < p->elements; i++)
            p->value[i] -= r->sum[step][k][i];
    }
    lm_exchange_spread(e, &r->st);
    for (int k = 0; k < PARAMS; k++)
        r->value[step][k] = copy_of(lm_params_at(r->params, (size_t)k), lm_params_at(r->params, (size_t)k)->value);
}

static void *run_rank(void *context)
{
    rank *r = context;
    my_rank = r->number;
    lm_threads_set(1);
    lm_communicator *c = lm_communicator_over(&threads, 1, &r->st);
    r->params = new_params(&r->st);
    for (size_t k = 0; k < PARAMS; k++) {
        lm_param *p = lm_params_at(r->params, k);
        lm_param_initialise(p, (uint64_t)r->number, &r->st); /* each its own: process 0's are for all */
        lm_param_train(p, true, &r->st);
    }
    lm_exchange *all = lm_exchange_new(c, r->params, true), *e = lm_exchange_new(c, r->params, false);
    lm_exchange_spread(all, &r->st);
    for (int step = 0; step < STEPS && lm_ok(&r->st); step++)
        take_step(r, e, step);
    lm_exchange_free(all);
    lm_exchange_free(e);
    lm_communicator_leave(c);
    return NULL;
}

static void assert_step(const rank *of, int ranks, int step)
{
    int span = 1;
    while (span < ranks)
        span *= 2;
    for (int k = 0; k < PARAMS; k++) {
        const lm_param *p = lm_params_at(of[0].params, (size_t)k);
        size_t other = 0;
        for (size_t i = 0; i < p->elements; i++)
            other += of[0].sum[step][k][i] != tree_sum(0, span, ranks, step, k, i);
        ck_assert_msg(other == 0, "%d ranks, step %d, %s: %zu of %zu sums are others", ranks, step, p->name, other, p->elements);
        for (int r = 1; r < ranks; r++)
            ck_assert_msg(memcmp(of[r].value[step][k], of[0].value[step][k], p->elements * sizeof(float)) == 0,
                          "%d ranks, step %d, %s: rank %d has other values", ranks, step, p->name, r);
    }
}

START_TEST(sums_have_one_order)
{
    int ranks = _i;
    rank of[RANKS_MOST] = {0};
    pthread_t thread[RANKS_MOST];
    network.ranks = ranks;
    for (int r = 0; r < ranks; r++) {
        of[r] = (rank){.number = r, .dense = r == ranks / 2, .st = LM_STATUS_INIT};
        ck_assert_int_eq(pthread_create(&thread[r], NULL, run_rank, &of[r]), 0);
    }
    for (int r = 0; r < ranks; r++) {
        pthread_join(thread[r], NULL);
        assert_ok(&of[r].st);
    }
    for (int step = 0; step < STEPS; step++)
        assert_step(of, ranks, step);
    for (int r = 0; r < ranks; r++) {
        for (int i = 0; i < STEPS * PARAMS; i++) {
            free(of[r].sum[i / PARAMS][i % PARAMS]);
            free(of[r].value[i / PARAMS][i % PARAMS]);
        }
        lm_params_free(of[r].params);
    }
}
END_TEST

/* ------------------------------------------------------------------ when gradients are whole */

static const struct {
    const char *config, *task;
    int early; /* parameters, at least, that are whole before backward is at its end */
} networks[] = {
    {"{\"model_type\":\"bert\",\"vocab_size\":40,\"hidden_size\":16,\"num_hidden_layers\":3,\"num_attention_heads\":2,"
     "\"intermediate_size\":24,\"max_position_embeddings\":16}", "mlm", 48},
    {"{\"model_type\":\"gpt2\",\"vocab_size\":40,\"n_embd\":16,\"n_layer\":3,\"n_head\":2,\"n_positions\":16}", "clm", 36},
    {"{\"model_type\":\"albert\",\"vocab_size\":40,\"embedding_size\":8,\"hidden_size\":16,\"num_hidden_layers\":3,"
     "\"num_attention_heads\":2,\"intermediate_size\":24,\"max_position_embeddings\":16}", "mlm", 4},
    {"{\"model_type\":\"t5\",\"vocab_size\":40,\"d_model\":16,\"d_kv\":8,\"d_ff\":24,\"num_layers\":2,\"num_heads\":2,"
     "\"decoder_start_token_id\":0}", "seq2seq", 30},
};

typedef struct whole {
    lm_params *params;
    float **then; /* [parameters] the gradient when it was said to be whole */
    int count, calls;
} whole;

static void take_whole(void *context, uint32_t from)
{
    whole *w = context;
    w->calls++;
    for (size_t i = 0; i < lm_params_count(w->params) && from > 0; i++) { /* 0: all of them, at the end */
        const lm_param *p = lm_params_at(w->params, i);
        if (w->then[i] || p->first_use < from)
            continue;
        w->then[i] = lm_malloc(p->elements, sizeof **w->then);
        memcpy(w->then[i], p->grad, p->elements * sizeof **w->then);
        w->count++;
    }
}

START_TEST(gradients_are_whole)
{
    static const int32_t splits[] = {0, 5, 9}, ids[] = {4, 7, 9, 30, 2, 11, 9, 22, 3}, positions[] = {0, 1, 2, 3, 4, 0, 1, 2, 3};
    static const int32_t labels[] = {7, 9, 30, 2, 1, 9, 22, 3, 1}, types[9];
    static const lm_batch batch = {.rows = 2, .tokens = 9, .row_splits = splits, .ids = ids, .types = types,
                                   .positions = positions};
    bool again = _i % 2;
    lm_status st = LM_STATUS_INIT;
    ck_assert_int_eq(setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1), 0);
    lm_config *config = lm_config_parse(lm_str_of(networks[_i / 2].config), "config.json", &st);
    lm_model *m = lm_model_create(config, &(lm_model_options){.task = networks[_i / 2].task, .seed = 3}, &st);
    assert_ok(&st);
    lm_graph *g = lm_graph_new(m->params);
    size_t count = lm_params_count(m->params);
    whole w = {.params = m->params, .then = lm_calloc(count, sizeof(float *))};
    for (size_t i = 0; i < count; i++)
        ck_assert(lm_param_train(lm_params_at(m->params, i), true, &st));
    lm_graph_begin(g, &batch, (lm_step){.training = true, .recompute = again, .whole = take_whole, .whole_context = &w});
    lm_outputs out = lm_model_forward(m, g, &batch, &(lm_select){.token_logits = true});
    lm_graph_backward(g, lm_cross_entropy(g, out.token_logits, labels, NULL, 0, NULL), 1);
    ck_assert_msg(lm_graph_end(g, &st), "%s", st.message);
    ck_assert_int_ge(w.count, networks[_i / 2].early);
    ck_assert_int_gt(w.calls, 8);
    for (size_t i = 0; i < count; i++) {
        const lm_param *p = lm_params_at(m->params, i);
        ck_assert_msg(!w.then[i] || memcmp(w.then[i], p->grad, p->elements * sizeof(float)) == 0,
                      "%s was not whole when it was said to be", p->name);
        free(w.then[i]);
    }
    free(w.then);
    lm_graph_free(g);
    lm_model_free(m);
}
END_TEST

/* ------------------------------------------------------------------ rows as bytes */

static void fill_rows(lm_step_rows *s, const lm_targets *t)
{
    static const int32_t ids[] = {5, 6, 7, 8, 9, 10, 11};
    lm_status st = LM_STATUS_INIT;
    lm_step_rows_begin(s, t, 1, 1);
    for (int i = 0; i < 5; i++) {
        lm_tokens_row row = {.ids = ids, .len = (size_t)(7 - i), .target_ids = ids + 1, .target_len = (size_t)(2 + i % 3),
                             .has_label_id = true, .label_id = i % 3, .has_weight = true, .weight = (float)i / 2};
        ck_assert_msg(lm_step_rows_add(s, t, &row, 0, (uint64_t)i, 10 + i, &st), "%s", st.message);
    }
}

START_TEST(rows_travel)
{
    static const char *const objectives[] = {"classify", "seq2seq", "clm"};
    static const int some[] = {1, 4};
    lm_targets t = {.objective = lm_objective_find(objectives[_i]), .classes = 3, .vocab_size = 20};
    lm_step_rows all = {0}, part = {0}, back = {0};
    lm_buf bytes = {0};
    lm_status st = LM_STATUS_INIT;
    fill_rows(&all, &t);
    lm_step_rows_part(&all, &t, some, 2, &part);
    lm_step_rows_pack(&part, &t, &bytes);
    ck_assert_msg(lm_step_rows_unpack(&back, &t, bytes.data, bytes.len, &st), "%s", st.message);
    ck_assert_int_eq(back.rows, 2);
    ck_assert_int_eq(back.tokens, 6 + 3);
    ck_assert(back.token_count == all.token_count && back.row_count == all.row_count && back.weighted == all.weighted);
    for (int i = 0; i < 2; i++) {
        int r = some[i], n = all.row_splits[r + 1] - all.row_splits[r];
        ck_assert_int_eq(back.row_splits[i + 1] - back.row_splits[i], n);
        ck_assert_int_eq(back.place[i], 10 + r);
        ck_assert(back.weight[i] == (float)r / 2);
        ck_assert_mem_eq(back.ids + back.row_splits[i], all.ids + all.row_splits[r], (size_t)n * sizeof *all.ids);
        if (_i == 0)
            ck_assert_int_eq(back.row_class[i], r % 3);
        if (_i == 1)
            ck_assert_mem_eq(back.target_label + back.target_splits[i], all.target_label + all.target_splits[r],
                             (size_t)(all.target_splits[r + 1] - all.target_splits[r]) * sizeof *all.target_label);
        if (_i == 2)
            ck_assert_mem_eq(back.token_label + back.row_splits[i], all.token_label + all.row_splits[r],
                             (size_t)n * sizeof *all.token_label);
    }
    /* bytes of another program are refused */
    for (size_t cut = 0; cut < bytes.len; cut += 7) {
        ck_assert(!lm_step_rows_unpack(&back, &t, bytes.data, cut, &st));
        lm_status_clear(&st);
    }
    lm_step_rows_free(&all);
    lm_step_rows_free(&part);
    lm_step_rows_free(&back);
    lm_buf_free(&bytes);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("parallel");
    TCase *t = tcase_create("parallel");
    tcase_add_loop_test(t, sums_have_one_order, 2, RANKS_MOST);
    tcase_add_loop_test(t, gradients_are_whole, 0, 2 * (int)(sizeof networks / sizeof *networks));
    tcase_add_loop_test(t, rows_travel, 0, 3);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
