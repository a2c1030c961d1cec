/* decode [-j THREADS] [-s SECONDS] [-c] [-p PREFIX] [-r ROWS] [-n PROMPTS] [-k f32|f16|q8_0] [-m MODEL] SHAPE...: how fast rows are read
 * token by token with what is remembered of a prefix (lm_decoding), for causal shapes of shapes.c with random weights, and for a model's
 * files; and how fast the prefix itself; and of files how long it takes from opening them to what follows the prefix. -k: how keys and
 * values are kept. -n: instead, so many prompts of other lengths, about PREFIX / 2, are answered with ANSWER tokens each by lm_generate,
 * ROWS at a time.
 *
 * Token by token is a matter of reading memory: each weight once a step, and the keys and values of each row. So the bytes a
 * second stand beside those that summing a large array reads. -c counts the processor's time of one thread, for a machine that
 * others use too. */
#include "config.h"

#include "tests/bench/rate.h"
#include "tests/bench/shapes.h"

#include "base/memory.h"
#include "base/threads.h"
#include "generate/generate.h"
#include "model/config.h"
#include "model/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER = 32 };

static double seconds = 3, opened; /* when a model's files were begun with; 0: there are none */
static int prefix = 128, rows = 1, prompts;
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

static int32_t any_token(size_t i, uint64_t seed, int columns)
{
    return (int32_t)((i * 7919 + seed * 104729) % (uint64_t)columns);
}

static const float *read_on(lm_decoding *d, int count, uint64_t seed)
{
    lm_status st = LM_STATUS_INIT;
    int32_t *splits = lm_calloc((size_t)rows + 1, sizeof *splits), *ids = lm_calloc((size_t)(rows * count), sizeof *ids);
    for (int r = 0; r <= rows; r++)
        splits[r] = r * count;
    for (int i = 0; i < rows * count; i++)
        ids[i] = any_token((size_t)i, seed, lm_decoding_columns(d));
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
    read_on(d, prefix, 0); /* what is made ready once, too */
    double until_first = now() - opened;
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
    printf(": %.1f GB/s, %.0f %% of %.1f, %.1f MB kept, %ld MiB at most", rate * 1e-9, 100 * rate / memory, memory * 1e-9,
           kept * 1e-6, most);
    printf(opened > 0 ? ", first token %.3f s after opening\n" : "\n", until_first);
    fflush(stdout);
    free(nothing);
    lm_decoding_free(d);
    lm_model_free(m);
}

/* ------------------------------------------------------------------ prompts that are answered together */

typedef struct crowd {
    lm_request *requests;
    int given, answered;
} crowd;

static int next_prompt(void *context, bool wait, const lm_request **r, lm_status *st)
{
    crowd *c = context;
    (void)wait, (void)st;
    *r = c->given < prompts ? &c->requests[c->given] : NULL;
    return c->given++ < prompts;
}

static bool count_answers(void *context, const lm_answer *answers, int count, lm_status *st)
{
    crowd *c = context;
    (void)st;
    for (int i = 0; i < count; i++)
        c->answered += answers[i].count;
    return true;
}

static void answer(lm_model *m, const char *name)
{
    lm_status st = LM_STATUS_INIT;
    int columns = lm_model_token_columns(m);
    size_t asked = 0;
    crowd c = {.requests = lm_calloc((size_t)prompts, sizeof *c.requests)};
    int32_t *ids = lm_calloc((size_t)prefix, sizeof *ids);
    for (int i = 0; i < prefix; i++)
        ids[i] = any_token((size_t)i, 0, columns);
    for (int i = 0; i < prompts; i++, asked += (size_t)c.requests[i - 1].count)
        c.requests[i] = (lm_request){.ids = ids + i % 7, .count = 1 + i * 37 % (prefix - 7), .record = (uint64_t)i};
    lm_generate_options o = {.batch = rows, .max_new_tokens = ANSWER, .kept = kept_as};
    double start = now();
    if (!lm_generate(m, &o, &(lm_generate_calls){.context = &c, .next = next_prompt, .done = count_answers}, &st))
        fail(st.message);
    double took = now() - start;
    printf("%-11s %d prompts, %zu tokens, %d at a time: %.2f s, %.1f tokens of answers a second, %ld MiB at most\n", name, prompts, asked,
           rows, took, c.answered / took, peak_mib());
    free(c.requests);
    free(ids);
    lm_model_free(m);
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    for (int c; (c = getopt(argc, argv, "j:s:cp:r:n:k:m:")) >= 0;) {
        switch (c) {
        case 'j': lm_threads_set(atoi(optarg)); break;
        case 's': seconds = atof(optarg); break;
        case 'c': clock_used = CLOCK_PROCESS_CPUTIME_ID; break;
        case 'p': prefix = atoi(optarg); break;
        case 'r': rows = atoi(optarg); break;
        case 'n': prompts = atoi(optarg); break;
        case 'k': kept_as = strcmp(optarg, "f16") == 0 ? LM_F16 : strcmp(optarg, "q8_0") == 0 ? LM_Q8_0 : LM_F32; break;
        case 'm': path = optarg; break;
        default: return 2;
        }
    }
    void (*work)(lm_model *m, const char *name) = prompts > 0 ? answer : measure;
    if (prompts > 0 && prefix < 8)
        fail("-n: -p 8 at least");
    if (path) {
        lm_status st = LM_STATUS_INIT;
        opened = now();
        lm_model *m = lm_model_open(path, NULL, &st);
        if (!m)
            fail(st.message);
        lm_params_set_activations(m->params, LM_ACTIVATIONS_INT8); /* as gen does */
        work(m, "lmutils");
        opened = 0;
    }
    for (; optind < argc; optind++) {
        const bench_shape *shape = bench_shape_find(argv[optind]);
        if (!shape || strcmp(shape->task, "clm") != 0 || prefix < 1 || rows < 1)
            fail("usage: decode [-j THREADS] [-s SECONDS] [-c] [-p PREFIX] [-r ROWS] [-k TYPE] [-m MODEL] SHAPE... (gpt2, llama-0.5b)");
        work(make(shape), shape->name);
    }
    return 0;
}
