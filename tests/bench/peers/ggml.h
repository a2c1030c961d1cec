/* The same products by ggml, llama.cpp's library, where a directory has a built one: libggml-base.so and libggml-cpu-*.so, as
 * llama.cpp's releases and npm's @node-llama-cpp/linux-x64 (in bins/) have them, or libggml.so alone, as ik_llama.cpp is built. They
 * are opened while running; the few functions used are declared here. */
#ifndef LM_TESTS_BENCH_GGML_H
#define LM_TESTS_BENCH_GGML_H

#include "tensor/dtype.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ggml_parameters { /* of ggml_init */
    size_t bytes;
    void *memory;
    bool no_allocation;
} ggml_parameters;

static struct {
    const char *path; /* of the library for this processor; NULL = none */
    void *(*init)(ggml_parameters);
    void *(*matrix)(void *context, int type, int64_t columns, int64_t rows);
    void *(*product)(void *context, void *w, void *x);
    void *(*graph)(void *context);
    void (*add)(void *graph, void *of);
    void *(*data)(const void *of);
    void (*end)(void *context);
    int (*compute)(void *context, void *graph, int threads);
} ggml;

static void *ggml_symbol(void *library, const char *name)
{
    void *at = dlsym(library, name);
    if (!at)
        fprintf(stderr, "quantised: %s has no %s\n", ggml.path, name), exit(1);
    return at;
}

/* Of libggml-cpu*.so chooses as llama.cpp does: the highest score. NULL where there is none. */
static void *ggml_best(const char *directory, char *best, size_t size)
{
    char path[4096];
    glob_t found;
    int most = 0;
    void *cpu = NULL;
    snprintf(path, sizeof path, "%s/libggml-cpu*.so", directory);
    if (glob(path, 0, NULL, &found))
        return NULL;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        void *library = dlopen(found.gl_pathv[i], RTLD_NOW | RTLD_LOCAL);
        int (*score)(void) = library ? (int (*)(void))dlsym(library, "ggml_backend_score") : NULL;
        if (score && score() > most) {
            most = score(), cpu = library;
            snprintf(best, size, "%s", found.gl_pathv[i]);
        }
    }
    globfree(&found);
    return cpu;
}

/* False where the directory has none. */
static bool ggml_open(const char *directory)
{
    static char best[4096];
    char path[4096];
    snprintf(path, sizeof path, "%s/libggml-base.so", directory);
    void *base = dlopen(path, RTLD_NOW | RTLD_GLOBAL), *cpu = base ? ggml_best(directory, best, sizeof best) : NULL;
    if (!base) {
        snprintf(best, sizeof best, "%s/libggml.so", directory);
        base = cpu = dlopen(best, RTLD_NOW | RTLD_LOCAL);
    }
    if (!cpu)
        return false;
    ggml.path = best;
    ggml.init = (void *(*)(ggml_parameters))ggml_symbol(base, "ggml_init");
    ggml.matrix = (void *(*)(void *, int, int64_t, int64_t))ggml_symbol(base, "ggml_new_tensor_2d");
    ggml.product = (void *(*)(void *, void *, void *))ggml_symbol(base, "ggml_mul_mat");
    ggml.graph = (void *(*)(void *))ggml_symbol(base, "ggml_new_graph");
    ggml.add = (void (*)(void *, void *))ggml_symbol(base, "ggml_build_forward_expand");
    ggml.data = (void *(*)(const void *))ggml_symbol(base, "ggml_get_data");
    ggml.end = (void (*)(void *))ggml_symbol(base, "ggml_free");
    ggml.compute = (int (*)(void *, void *, int))ggml_symbol(cpu, "ggml_graph_compute_with_ctx");
    if (cpu != base)
        ((void (*)(void))ggml_symbol(cpu, "ggml_cpu_init"))();
    return true;
}

/* Its number of a type, or -1. */
static int ggml_type(lm_dtype t)
{
    static const int8_t numbers[LM_DTYPE_COUNT] = {[LM_F16] = 1,   [LM_Q4_0] = 2,  [LM_Q4_1] = 3,  [LM_Q5_0] = 6,
                                                   [LM_Q5_1] = 7,  [LM_Q8_0] = 8,  [LM_Q2_K] = 10, [LM_Q3_K] = 11,
                                                   [LM_Q4_K] = 12, [LM_Q5_K] = 13, [LM_Q6_K] = 14, [LM_BF16] = 30,
                                                   [LM_IQ4_NL] = 20};
    return numbers[t] ? numbers[t] : -1;
}

typedef struct ggml_work {
    void *context, *graph, *y;
} ggml_work;

/* Y [m, rows] = X W^T, ready to be computed. */
static ggml_work ggml_make(lm_dtype t, const void *w, size_t bytes, int rows, int columns, const float *x, int m)
{
    size_t of_x = (size_t)m * (size_t)columns * sizeof *x, of_y = (size_t)m * (size_t)rows * sizeof *x;
    ggml_work work = {.context = ggml.init((ggml_parameters){bytes + 3 * of_x + of_y + (64 << 20), NULL, false})};
    void *matrix = ggml.matrix(work.context, ggml_type(t), columns, rows), *right = ggml.matrix(work.context, 0, columns, m);
    memcpy(ggml.data(matrix), w, bytes);
    memcpy(ggml.data(right), x, of_x);
    work.y = ggml.product(work.context, matrix, right);
    work.graph = ggml.graph(work.context);
    ggml.add(work.graph, work.y);
    return work;
}

#endif
