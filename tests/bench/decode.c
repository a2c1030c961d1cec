/* decode [-j THREADS] [-s SECONDS] [-c] [-p PREFIX] [-r ROWS] [-k f32|f16|q8_0] [-m MODEL] SHAPE...: how fast rows are read token by
 * token with what is remembered of a prefix (lm_decoding), for causal shapes of shapes.c with random weights, and for a model's
 * files; and how fast the prefix itself. -k: how keys and values are kept.
 *
 * Token by token is a matter of reading memory: each weight once a step, and the keys and values of each row. So the bytes a
 * second stand beside those that summing a large array reads. -c counts the processor's time of one thread, for a machine that
 * others use too. */
#include "config.h"

#include "tests/bench/rate.h"
#include "tests/bench/shapes.h"

#include "base/memory.h"
#include "base/threads.h"
#include "model/config.h"
#include "model/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double seconds = 3;
static int prefix = 128, rows = 1;
static lm_dtype kept_as = LM_F32;

static void fail(const char *message)
{
    fprintf(stderr, "decode: %s\n", message);
    exit(1);
}

/* Of the weights that each step reads: all but tables that are only looked up in. */
static double weight_bytes(lm_model *m)
{
    double n = 0, words = 0;
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        const lm_param *p = lm_params_at(m->params, i);
        bool vocabulary = p->shape.dims == 2 && p->shape.size[0] == m->arch.vocab_size;
        double bytes = p->quantised ? (double)lm_quantised_bytes(p->quantised) : (double)p->elements * 4;
        words = vocabulary ? bytes : words;
        n += vocabulary ? 0 : bytes;
    }
    return n + words; /* tied or not, the projection to the vocabulary reads one such table */
}

static const float *read_on(lm_decoding *d, int count, uint64_t seed)
{
    lm_status st = LM_STATUS_INIT;
    int32_t *splits = lm_calloc((size_t)rows + 1, sizeof *splits), *ids = lm_calloc((size_t)(rows * count), sizeof *ids);
    for (int r = 0; r <= rows; r++)
        splits[r] = r * count;
    for (int i = 0; i < rows * count; i++)
        ids[i] = (int32_t)((uint64_t)i * 7919 + seed * 104729) % lm_decoding_columns(d);
    const float *logits = lm_decoding_read(d, splits, ids, false, &st);
    if (!logits)
        fail(st.message);
    free(splits);
    free(ids);
    return logits;
}

static lm_model *make(const bench_shape *shape)
{
    lm_status st = LM_STATUS_INIT;
    lm_config *config = lm_config_parse(lm_str_of(shape->config), shape->name, &st);
    lm_model *m = config ? lm_model_create(config, &(lm_model_options){.task = shape->task, .seed = 1}, &st) : NULL;
    if (!m)
        fail(st.message);
    return m;
}

static void measure(lm_model *m, const char *name)
{
    lm_status st = LM_STATUS_INIT;
    lm_decoding *d = lm_decoding_new(m, rows, &st);
    if (!d)
        fail(st.message);
    lm_decoding_keep_as(d, kept_as);
    read_on(d, 1, 0); /* what is made ready once */
    int32_t *nothing = lm_calloc((size_t)rows, sizeof *nothing);
    for (int r = 0; r < rows; r++)
        nothing[r] = -1;
    if (!lm_decoding_select(d, nothing, rows, &st))
        fail(st.message);
    double start = now();
    read_on(d, prefix, 0);
    double first = now() - start, kept = (double)lm_decoding_bytes(d);
    int steps = 0;
    read_on(d, 1, 1);
    for (start = now(); now() - start < seconds && lm_decoding_room(d, 0) > 0; steps++)
        read_on(d, 1, (uint64_t)steps);
    double each = (now() - start) / steps;
    kept = (kept + (double)lm_decoding_bytes(d)) / 2;
    long most = peak_mib();
    double rate = (weight_bytes(m) + kept) / each, memory = read_rate();
    printf("%-11s %d x %d: prefix %7.1f tok/s, then %7.1f tok/s", name, rows, prefix, rows * prefix / first, rows / each);
    printf(": %.1f GB/s, %.0f %% of %.1f, %.1f MB kept, %ld MiB at most\n", rate * 1e-9, 100 * rate / memory, memory * 1e-9,
           kept * 1e-6, most);
    fflush(stdout);
    free(nothing);
    lm_decoding_free(d);
    lm_model_free(m);
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    for (int c; (c = getopt(argc, argv, "j:s:cp:r:k:m:")) >= 0;) {
        switch (c) {
        case 'j': lm_threads_set(atoi(optarg)); break;
        case 's': seconds = atof(optarg); break;
        case 'c': clock_used = CLOCK_PROCESS_CPUTIME_ID; break;
        case 'p': prefix = atoi(optarg); break;
        case 'r': rows = atoi(optarg); break;
        case 'k': kept_as = strcmp(optarg, "f16") == 0 ? LM_F16 : strcmp(optarg, "q8_0") == 0 ? LM_Q8_0 : LM_F32; break;
        case 'm': path = optarg; break;
        default: return 2;
        }
    }
    if (path) {
        lm_status st = LM_STATUS_INIT;
        lm_model *m = lm_model_open(path, NULL, &st);
        if (!m)
            fail(st.message);
        lm_params_set_activations(m->params, LM_ACTIVATIONS_INT8); /* as gen does */
        measure(m, "lmutils");
    }
    for (; optind < argc; optind++) {
        const bench_shape *shape = bench_shape_find(argv[optind]);
        if (!shape || strcmp(shape->task, "clm") != 0 || prefix < 1 || rows < 1)
            fail("usage: decode [-j THREADS] [-s SECONDS] [-c] [-p PREFIX] [-r ROWS] [-k TYPE] [-m MODEL] SHAPE... (gpt2, llama-0.5b)");
        measure(make(shape), shape->name);
    }
    return 0;
}
