/* Times the forward pass and the train step (forward, backward, clipping, AdamW) of known models, and says what share of this
 * machine's sgemm, measured first in the same run, that is.
 *
 *     steps [-c] [-j THREADS] [-t SECONDS] [-w forward|step] [-b BATCH] [-m mlm] [-d DROPOUT] [-p GFLOP/s] [SHAPE ...]
 *     steps -l [SHAPE ...]
 *
 * Shapes and batches are those of shapes.c. A line a measurement: shape, batch, what, tokens/s of the best pass and of the
 * mean, GFLOP/s, share of sgemm, MiB of the process at most so far: so for memory, one measurement a process. A forward
 * pass is one with its loss, of all tokens where a language model is trained. -c counts the processor's time, not the
 * clock's: with -j 1 that says something on a busy machine too. -m mlm trains an encoder on every seventh token, not on
 * classes. -l lists what would be measured. -p is the rate of sgemm (4096 x 4096 x 4096), where it is known;
 * `steps sgemm` measures nothing else. */
#include "config.h"

#include "tests/bench/rate.h"
#include "tests/bench/shapes.h"

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/blas.h"
#include "train/optimizer/optimizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static double seconds = 3, dropout = -1, peak;
static bool listing;
static const char *only_batch, *only_what, *task; /* NULL = the shape's */

static void fail(const char *message)
{
    fprintf(stderr, "steps: %s\n", message);
    exit(EXIT_FAILURE);
}

/* ------------------------------------------------------------------ sgemm */

static double sgemm_rate(void)
{
    enum { N = 4096, TURNS = 3 };
    size_t n = (size_t)N * N;
    float *a = lm_calloc(3 * n, sizeof *a), *b = a + n, *c = b + n;
    double best = 0;
    for (size_t i = 0; i < n; i++) {
        a[i] = (float)(i % 7);
        b[i] = (float)(i % 5);
    }
    lm_kernels_start();
#ifdef HAVE_OPENBLAS_SET_NUM_THREADS
    openblas_set_num_threads(lm_threads());
#endif
    for (int i = 0; i < TURNS; i++) {
        double start = now();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1, a, N, b, N, 0, c, N);
        double rate = 2.0 * N * N * N / (now() - start);
        best = rate > best ? rate : best;
    }
    free(a);
    return best;
}

/* In a process of its own, so that its matrices and threads are not of ours. */
static double sgemm_apart(void)
{
    int ends[2];
    double rate = 0;
    if (pipe(ends) != 0)
        fail("no pipe");
    pid_t child = fork();
    if (child == 0) {
        rate = sgemm_rate();
        _exit(write(ends[1], &rate, sizeof rate) == sizeof rate ? 0 : 1);
    }
    close(ends[1]);
    if (child < 0 || read(ends[0], &rate, sizeof rate) != sizeof rate)
        fail("sgemm could not be measured");
    close(ends[0]);
    waitpid(child, NULL, 0);
    return rate;
}

/* ------------------------------------------------------------------ measuring */

typedef struct subject {
    const bench_shape *shape;
    const char *task;
    lm_model *model;
    lm_graph *graph;
    lm_optimizer *optimizer;
    uint64_t steps;
} subject;

static void one_step(subject *s, const bench_batch *b, bool train)
{
    lm_status st = LM_STATUS_INIT;
    bool of_tokens = strcmp(s->task, "classify") != 0;
    lm_select select = {.tokens = b->selected, .count = b->count, .token_logits = of_tokens, .row_logits = !of_tokens};
    if (b->targets.rows)
        select.target = &b->targets;
    lm_graph_begin(s->graph, &b->rows,
                   (lm_step){.training = train, .taping = train, .seed = 1, .optimiser_step = s->steps++});
    lm_outputs y = lm_model_forward(s->model, s->graph, &b->rows, &select);
    lm_tensor *logits = of_tokens ? y.token_logits : y.row_logits;
    if (!logits)
        fail("the model gives no logits");
    lm_tensor *loss = lm_cross_entropy(s->graph, logits, b->label, NULL, 0, NULL);
    if (train)
        lm_graph_backward(s->graph, loss, 1.0f / (float)(of_tokens ? b->count : b->rows.rows));
    lm_tensor_read(s->graph, loss);
    if (!lm_graph_end(s->graph, &st))
        fail(st.message);
    if (train) {
        double norm = lm_optimizer_gradient_norm(s->optimizer);
        lm_optimizer_update(s->optimizer, 1e-5, lm_clip_coefficient(norm, 1), &st);
    }
}

static const char *name_of(const subject *s, bool train)
{
    return !train ? "forward" : strcmp(s->task, "mlm") == 0 ? "mlm-step" : "step";
}

static void measure(subject *s, const char *form, bool train)
{
    bench_batch b;
    if (!bench_batch_make(&b, form, s->model, s->task))
        fail("a batch is ROWSxTOKENS, ROWSxTOKENS+TARGETS or ag");
    one_step(s, &b, train);
    one_step(s, &b, train);
    double best = 1e30, start = now();
    int n = 0;
    while (n < 3 || now() - start < seconds) {
        double from = now();
        one_step(s, &b, train);
        best = now() - from < best ? now() - from : best;
        n++;
    }
    double mean = (now() - start) / n, rate = bench_flops(s->model, &b, train) / best;
    int tokens = b.rows.tokens + b.targets.tokens;
    printf("%-10s %-9s %-8s %9.0f tok/s (mean %.1f) %7.1f GFLOP/s %5.1f %% %6ld MiB\n", s->shape->name, form,
           name_of(s, train), tokens / best, tokens / mean,
           rate / 1e9, 100 * rate / peak, peak_mib());
    fflush(stdout);
}

static void measure_batches(subject *s, bool train)
{
    char forms[128];
    snprintf(forms, sizeof forms, "%s", only_batch ? only_batch : s->shape->batches);
    for (char *rest, *form = strtok_r(forms, " ", &rest); form; form = strtok_r(NULL, " ", &rest)) {
        if (listing)
            printf("%s %s %s\n", s->shape->name, form, name_of(s, train));
        else
            measure(s, form, train);
    }
}

static bool wanted(const char *what)
{
    return !only_what || strcmp(only_what, what) == 0;
}

/* The names that the families have for the same. */
static void set_dropout(lm_config *config, double p)
{
    static const char *const names[] = {"hidden_dropout_prob", "attention_probs_dropout_prob", "resid_pdrop",
                                        "embd_pdrop", "attn_pdrop", "dropout_rate"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        lm_config_set_float(config, names[i], p);
}

static void run_shape(const bench_shape *shape)
{
    lm_status st = LM_STATUS_INIT;
    subject s = {.shape = shape, .task = task ? task : shape->task};
    if (listing) {
        measure_batches(&s, false);
        measure_batches(&s, true);
        s.task = "mlm";
        if (!task && strcmp(shape->task, "classify") == 0)
            measure_batches(&s, true);
        return;
    }
    lm_config *config = lm_config_parse(lm_str_of(shape->config), shape->name, &st);
    if (!config)
        fail(st.message);
    set_dropout(config, dropout < 0 ? shape->dropout : dropout);
    lm_model_options options = {.task = s.task, .seed = 1};
    s.model = lm_model_create(config, &options, &st);
    if (!s.model)
        fail(st.message);
    s.graph = lm_graph_new(s.model->params);
    if (wanted("forward"))
        measure_batches(&s, false);
    if (wanted("step")) {
        for (size_t i = 0; i < lm_params_count(s.model->params); i++)
            if (!lm_param_train(lm_params_at(s.model->params, i), true, &st))
                fail(st.message);
        lm_optimizer_options how = {
            .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01, .bias_correction = true};
        s.optimizer = lm_optimizer_new(s.model->params, &how, &st);
        if (!s.optimizer)
            fail(st.message);
        measure_batches(&s, true);
        lm_optimizer_free(s.optimizer);
    }
    lm_graph_free(s.graph);
    lm_model_free(s.model);
}

static void read_options(int argc, char **argv)
{
    for (int c; (c = getopt(argc, argv, "clj:t:m:d:b:w:p:")) != -1;) {
        switch (c) {
        case 'b':
            only_batch = optarg;
            break;
        case 'c':
            clock_used = CLOCK_PROCESS_CPUTIME_ID;
            break;
        case 'd':
            dropout = atof(optarg);
            break;
        case 'j':
            lm_threads_set(atoi(optarg));
            break;
        case 'l':
            listing = true;
            break;
        case 'm':
            task = optarg;
            break;
        case 'p':
            peak = 1e9 * atof(optarg);
            break;
        case 't':
            seconds = atof(optarg);
            break;
        case 'w':
            only_what = optarg;
            break;
        default:
            exit(EXIT_FAILURE);
        }
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    if (!listing) {
        if (peak <= 0)
            peak = sgemm_apart();
        printf("%s, %d threads, sgemm %.1f GFLOP/s\n", lm_kernels_isa(), lm_threads(), peak / 1e9);
    }
    if (optind == argc)
        for (size_t i = 0; bench_shape_at(i); i++)
            run_shape(bench_shape_at(i));
    for (int a = optind; a < argc; a++) {
        const bench_shape *shape = bench_shape_find(argv[a]);
        if (shape)
            run_shape(shape);
        else if (strcmp(argv[a], "sgemm") != 0)
            fail("no such shape: see shapes.c");
    }
    return EXIT_SUCCESS;
}
