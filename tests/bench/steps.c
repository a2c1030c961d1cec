/* Times BERT's forward pass and train step (forward, backward, clipping, AdamW) at known shapes, and says
 * what share of this machine's sgemm, measured before and after in the same run, that is.
 *
 *     steps [-c] [-j THREADS] [-t SECONDS] [-m mlm|classify] [-d DROPOUT] [-b 32x128|ag] [SHAPE ...]
 *
 * Shapes: tiny mini minilm distilbert base. Batches: 32 rows of 128 tokens, and 32 rows of the lengths of AG
 * News (46 on average, 88 at most). A line a measurement: shape, batch, what, tokens/s, GFLOP/s, share of
 * sgemm, MiB of the process at most so far. -c counts the processor's time, not the clock's: with -j 1 that
 * says something on a busy machine too. FLOPs are those of the matrices: 2 a weight and token forward, 6 for
 * a step, and attention's. */
#include "config.h"

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/blas.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "train/optimizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

typedef struct shape {
    const char *name;
    int layers, width, heads;
} shape;

static const shape shapes[] = {{"tiny", 2, 128, 2},
                               {"mini", 4, 256, 4},
                               {"minilm", 6, 384, 12},
                               {"distilbert", 6, 768, 12},
                               {"base", 12, 768, 12}};

enum { ROWS = 32, VOCAB = 30522, SHAPES = sizeof shapes / sizeof *shapes };

static double seconds = 3, dropout = 0.1;
static bool mlm;
static const char *only; /* the batch that is wanted; NULL = both */
static clockid_t clock_used = CLOCK_MONOTONIC;

static double now(void)
{
    struct timespec t;
    clock_gettime(clock_used, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ------------------------------------------------------------------ sgemm */

static double sgemm_peak(void)
{
    enum { N = 4096, M = 2048 };
    float *a = lm_calloc((size_t)M * N, sizeof *a), *b = lm_calloc((size_t)N * N, sizeof *b);
    float *c = lm_calloc((size_t)M * N, sizeof *c);
    double best = 0;
    for (int i = 0; i < M * N; i++)
        a[i] = (float)(i % 7);
    for (int i = 0; i < N * N; i++)
        b[i] = (float)(i % 5);
#ifdef HAVE_OPENBLAS_SET_NUM_THREADS
    openblas_set_num_threads(lm_threads());
#endif
    for (int i = 0; i < 4; i++) {
        double start = now();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, M, N, N, 1, a, N, b, N, 0, c, N);
        double rate = 2.0 * M * N * N / (now() - start);
        best = rate > best ? rate : best;
    }
#ifdef HAVE_OPENBLAS_SET_NUM_THREADS
    openblas_set_num_threads(lm_kernels_deterministic() ? 1 : lm_threads());
#endif
    free(a);
    free(b);
    free(c);
    return best;
}

/* ------------------------------------------------------------------ batches */

typedef struct batch {
    const char *name;
    lm_batch rows;
    int32_t *labels; /* of rows, or of chosen tokens */
    int32_t *chosen; /* every seventh token: 15 % */
    int count;
} batch;

static batch make_batch(const char *name, bool ragged)
{
    int32_t *splits = lm_calloc(ROWS + 1, sizeof *splits);
    for (int r = 0; r < ROWS; r++) /* 22 to 64 evenly, one of 88: 1.9 times the tokens if padded */
        splits[r + 1] = splits[r] + (!ragged ? 128 : r == 5 ? 88 : 22 + r * 42 / (ROWS - 1) + (r % 3));
    int tokens = splits[ROWS];
    int32_t *ids = lm_calloc((size_t)tokens, sizeof *ids),
            *positions = lm_calloc((size_t)tokens, sizeof *positions);
    batch b = {.name = name,
               .labels = lm_calloc((size_t)tokens, sizeof(int32_t)),
               .chosen = lm_calloc((size_t)tokens, sizeof(int32_t))};
    uint32_t state = 1;
    for (int r = 0; r < ROWS; r++) {
        for (int t = splits[r]; t < splits[r + 1]; t++) {
            state = state * 1664525u + 1013904223u;
            uint32_t u = state >> 8; /* small ids are frequent, as words are */
            ids[t] = (int32_t)((double)VOCAB * u / (1 << 24) * u / (1 << 24) * u / (1 << 24));
            positions[t] = t - splits[r];
            if (t % 7 == 3)
                b.chosen[b.count++] = t;
        }
    }
    for (int i = 0; i < tokens; i++)
        b.labels[i] = mlm ? ids[i] : i % 4;
    b.rows = (lm_batch){ROWS, tokens, splits, ids, lm_calloc((size_t)tokens, sizeof(int32_t)), positions};
    return b;
}

/* ------------------------------------------------------------------ measuring */

typedef struct subject {
    lm_model *model;
    lm_graph *graph;
    lm_optimizer *optimizer;
    uint64_t steps;
} subject;

static void fail(const lm_status *st)
{
    fprintf(stderr, "steps: %s\n", st->message);
    exit(EXIT_FAILURE);
}

static void one_step(subject *s, const batch *b, bool train)
{
    lm_status st = LM_STATUS_INIT;
    lm_select select = {.tokens = b->chosen, .count = b->count, .token_logits = mlm, .row_logits = !mlm};
    lm_graph_begin(s->graph, &b->rows,
                   (lm_step){.training = train, .taping = train, .seed = 1, .optimiser_step = s->steps++});
    lm_outputs y = lm_model_forward(s->model, s->graph, &b->rows, &select);
    lm_tensor *logits = mlm ? y.token_logits : y.row_logits;
    if (logits) {
        lm_tensor *loss = lm_cross_entropy(s->graph, logits, b->labels, NULL, 0, NULL);
        if (train)
            lm_graph_backward(s->graph, loss, 1.0f / ROWS);
        lm_tensor_read(s->graph, loss);
    }
    if (!lm_graph_end(s->graph, &st))
        fail(&st);
    if (train) {
        double norm = lm_optimizer_gradient_norm(s->optimizer);
        lm_optimizer_update(s->optimizer, 1e-5, lm_clip_coefficient(norm, 1));
    }
}

static double flops(const shape *s, const batch *b, bool train)
{
    double w = s->width, tokens = b->rows.tokens, n = 2 * 12 * w * w * s->layers * tokens;
    for (int r = 0; r < ROWS; r++) {
        double length = b->rows.row_splits[r + 1] - b->rows.row_splits[r];
        n += 4 * length * length * w * s->layers;
    }
    if (mlm)
        n += 2.0 * b->count * (w * w + w * VOCAB);
    return train ? 3 * n : n;
}

static void measure(subject *s, const shape *what, const batch *b, bool train, double peak)
{
    if (only && strcmp(only, b->name) != 0)
        return;
    one_step(s, b, train);
    one_step(s, b, train);
    double best = 1e30, start = now();
    int n = 0;
    while (n < 3 || now() - start < seconds) {
        double from = now();
        one_step(s, b, train);
        best = now() - from < best ? now() - from : best;
        n++;
    }
    double mean = (now() - start) / n, rate = flops(what, b, train) / best;
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf("%-10s %-7s %-8s %9.0f tok/s (mean %.0f) %7.1f GFLOP/s %5.1f %% %6ld MiB\n", what->name, b->name,
           train ? (mlm ? "mlm step" : "step") : "forward", b->rows.tokens / best, b->rows.tokens / mean,
           rate / 1e9, 100 * rate / peak, use.ru_maxrss / 1024);
    fflush(stdout);
}

static void run_shape(const shape *what, double peak)
{
    lm_status st = LM_STATUS_INIT;
    char *json =
        lm_format("{\"model_type\":\"bert\",\"hidden_size\":%d,\"num_hidden_layers\":%d,"
                  "\"num_attention_heads\":%d,\"intermediate_size\":%d,\"vocab_size\":%d,\"num_labels\":4,"
                  "\"hidden_dropout_prob\":%g,\"attention_probs_dropout_prob\":%g}",
                  what->width, what->layers, what->heads, 4 * what->width, VOCAB, dropout, dropout);
    lm_config *config = lm_config_parse(lm_str_of(json), "bench", &st);
    lm_model_options options = {.task = mlm ? "mlm" : "classify", .seed = 1};
    subject s = {.model = config ? lm_model_create(config, &options, &st) : NULL};
    if (!s.model)
        fail(&st);
    batch batches[] = {make_batch("32x128", false), make_batch("ag", true)};
    s.graph = lm_graph_new(s.model->params);
    for (int i = 0; i < 2; i++)
        measure(&s, what, &batches[i], false, peak);
    for (size_t i = 0; i < lm_params_count(s.model->params); i++)
        if (!lm_param_train(lm_params_at(s.model->params, i), true, &st))
            fail(&st);
    lm_adamw_options how = {
        .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01, .bias_correction = true};
    s.optimizer = lm_optimizer_new(s.model->params, &how, &st);
    for (int i = 0; i < 2; i++)
        measure(&s, what, &batches[i], true, peak);
    lm_optimizer_free(s.optimizer);
    lm_graph_free(s.graph);
    lm_model_free(s.model);
    free(json);
}

int main(int argc, char **argv)
{
    for (int c; (c = getopt(argc, argv, "cj:t:m:d:b:")) != -1;) {
        switch (c) {
        case 'b':
            only = optarg;
            break;
        case 'c':
            clock_used = CLOCK_PROCESS_CPUTIME_ID;
            break;
        case 'j':
            lm_threads_set(atoi(optarg));
            break;
        case 't':
            seconds = atof(optarg);
            break;
        case 'm':
            mlm = strcmp(optarg, "mlm") == 0;
            break;
        case 'd':
            dropout = atof(optarg);
            break;
        default:
            return EXIT_FAILURE;
        }
    }
    lm_kernels_start();
    double peak = sgemm_peak();
    printf("%s, %d threads, sgemm %.1f GFLOP/s\n", lm_kernels_isa(), lm_threads(), peak / 1e9);
    for (int i = 0; i < SHAPES; i++) {
        bool wanted = optind == argc;
        for (int a = optind; a < argc; a++)
            wanted |= strcmp(argv[a], shapes[i].name) == 0;
        if (wanted)
            run_shape(&shapes[i], peak);
    }
    printf("sgemm afterwards %.1f GFLOP/s\n", sgemm_peak() / 1e9);
    return EXIT_SUCCESS;
}
