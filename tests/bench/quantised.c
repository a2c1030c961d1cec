/* quantised [-j THREADS] [-s SECONDS] [-c] [-m ROWS] [-i ISA] [-l DIRECTORY] [TYPE...]: products of quantised matrices
 *
 * with one row of activations, in bytes of the matrix a second and their share of what summing a large array reads, and with
 * ROWS of them (128), in multiply-adds a second and times the rate of float32 weights. Activations are float32, and int8.
 * -l: a directory with ggml's libraries (peers/ggml.h); its products stand beside, with the same bytes, in the same process.
 * -c counts the processor's time, for a machine that others use too: of one thread. */
#include "config.h"

#include "tests/bench/peers/ggml.h"
#include "tests/bench/rate.h"

#include "base/threads.h"
#include "kernels/quantised.h"
#include "tensor/blocks.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS = 4096, TALL = 24576, SQUARE = 2048 }; /* one row of x: more than caches hold; many: of a layer */

static double seconds = 0.5;
static const lm_dtype types[] = {LM_F16,  LM_BF16, LM_I8,   LM_Q8_0, LM_Q4_0, LM_Q4_1, LM_Q5_0, LM_Q5_1,
                                 LM_Q2_K, LM_Q3_K, LM_Q4_K, LM_Q5_K, LM_Q6_K, LM_IQ4_NL, LM_NF4};

static lm_quantised make(lm_dtype t, int rows)
{
    lm_quantised w = {.type = t, .rows = rows, .columns = COLUMNS, .block = 64};
    size_t elements = (size_t)rows * COLUMNS, bytes = elements / (size_t)lm_dtype_block(t) * lm_dtype_block_bytes(t);
    uint8_t *data = lm_calloc(bytes, 1);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13) & 0x3f; /* halves of it are small */
    float *scale = lm_calloc(elements / 64, sizeof *scale);
    for (size_t i = 0; i < elements / 64; i++)
        scale[i] = 0.01f;
    w.data = data, w.scale = scale;
    return w;
}

/* Of a product. */
static double seconds_of(const lm_quantised *w, const float *x, float *y, int m, lm_activations how, float *scratch)
{
    int times = 0;
    double start = now();
    do
        lm_quantised_forward(w, 0, w->rows, x, NULL, y, m, how, scratch);
    while (times++, now() - start < seconds);
    return (now() - start) / times;
}

static double float_seconds(const float *w, const float *x, float *y, int m)
{
    int times = 0;
    double start = now();
    do
        lm_linear_forward(x, w, NULL, y, m, SQUARE, COLUMNS);
    while (times++, now() - start < seconds);
    return (now() - start) / times;
}

static double ggml_seconds(const lm_quantised *w, const float *x, int m)
{
    ggml_work work = ggml_make(w->type, w->data, lm_quantised_bytes(w), w->rows, COLUMNS, x, m);
    ggml.compute(work.context, work.graph, lm_threads());
    int times = 0;
    double start = now();
    do
        ggml.compute(work.context, work.graph, lm_threads());
    while (times++, now() - start < seconds);
    double each = (now() - start) / times;
    ggml.end(work.context);
    return each;
}

static void measure(lm_dtype t, double memory, double of_floats, const float *x, float *y, int m)
{
    static const char *const names[] = {"f32", "int8", "ggml"};
    lm_quantised w = make(t, TALL), part = w;
    part.rows = SQUARE;
    size_t one = lm_quantised_scratch(&w, 1, LM_ACTIVATIONS_INT8), many = lm_quantised_scratch(&part, m, LM_ACTIVATIONS_INT8);
    float *scratch = lm_calloc(one > many ? one : many, sizeof *scratch);
    double bytes = (double)lm_quantised_bytes(&w), work = (double)m * SQUARE * COLUMNS;
    for (int how = LM_ACTIVATIONS_F32; how <= LM_ACTIVATIONS_INT8 + 1; how++) {
        bool by_ggml = how > LM_ACTIVATIONS_INT8;
        if (by_ggml && (!ggml.path || ggml_type(t) < 0))
            continue;
        double row = by_ggml ? ggml_seconds(&w, x, 1) : seconds_of(&w, x, y, 1, (lm_activations)how, scratch);
        double rows = by_ggml ? ggml_seconds(&part, x, m) : seconds_of(&part, x, y, m, (lm_activations)how, scratch);
        printf("%-5s %-4s  1 row %5.1f GB/s (%3.0f %%)  %d rows %6.1f GMAC/s (%.2f x float32)\n", lm_dtype_name(t), names[how],
               bytes / row * 1e-9, 100 * bytes / row / memory, m, work / rows * 1e-9, of_floats / rows);
    }
    fflush(stdout);
    free((void *)w.data), free((void *)w.scale), free(scratch);
}

int main(int argc, char **argv)
{
    int m = 128;
    for (int c; (c = getopt(argc, argv, "j:s:cm:i:l:")) >= 0;) {
        switch (c) {
        case 'j': lm_threads_set(atoi(optarg)); break;
        case 's': seconds = atof(optarg); break;
        case 'c': clock_used = CLOCK_PROCESS_CPUTIME_ID; break;
        case 'm': m = atoi(optarg); break;
        case 'l':
            if (ggml_open(optarg))
                break;
            fprintf(stderr, "quantised: %s has no ggml that runs here\n", optarg);
            return 1;
        case 'i':
            if (lm_kernels_use(optarg))
                break;
            fprintf(stderr, "quantised: no %s here\n", optarg);
            return 1;
        default: return 2;
        }
    }
    if (m < 1)
        return 2;
    float *x = lm_calloc((size_t)m * COLUMNS, sizeof *x), *y = lm_calloc((size_t)m * TALL, sizeof *y);
    float *w = lm_calloc((size_t)SQUARE * COLUMNS, sizeof *w);
    for (size_t i = 0; i < (size_t)m * COLUMNS; i++)
        x[i] = (float)(i * 2654435761u % 1000) * 0.002f - 1;
    for (size_t i = 0; i < (size_t)SQUARE * COLUMNS; i++)
        w[i] = (float)(i * 2654435761u % 1000) * 0.002f - 1;
    double memory = read_rate(), of_floats = float_seconds(w, x, y, m);
    printf("%s, %d threads: reading %.1f GB/s, float32 weights %d x %d x %d %.1f GMAC/s%s%s\n", lm_kernels_isa(),
           lm_threads(), memory * 1e-9, m, SQUARE, COLUMNS, 1e-9 * m * SQUARE * COLUMNS / of_floats,
           ggml.path ? "; ggml is " : "",
           ggml.path ? ggml.path : "");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        bool chosen = optind == argc;
        for (int a = optind; a < argc; a++)
            chosen |= strcmp(argv[a], lm_dtype_name(types[i])) == 0;
        if (chosen)
            measure(types[i], memory, of_floats, x, y, m);
    }
    free(x), free(y), free(w);
    return 0;
}
