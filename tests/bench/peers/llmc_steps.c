/* Times llm.c's GPT-2 124M (train_gpt2.c of github.com/karpathy/llm.c) in the form of `steps`: the peer of its shape gpt2.
 *
 *     cc -Ofast -march=native -fopenmp -DOMP -I LLM.C -o llmc llmc_steps.c -lm
 *     llmc [-c] [-t SECONDS] [-w forward|step] [-b ROWSxTOKENS] CHECKPOINT
 *
 * These are the flags of its Makefile. CHECKPOINT is a file to be written, with random weights; OMP_NUM_THREADS says how many
 * threads. A step is its own: forward, zero_grad, backward, update; it clips nothing. */
#define TESTING
#include "train_gpt2.c"

#include <string.h>
#include <unistd.h>

static clockid_t clock_used = CLOCK_MONOTONIC;

static double now(void)
{
    struct timespec t;
    clock_gettime(clock_used, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void write_checkpoint(const char *file)
{
    int header[256] = {20240326, 3, 1024, 50257, 12, 12, 768, 50304};
    GPT2Config config = {1024, 50257, 50304, 12, 12, 768};
    size_t sizes[NUM_PARAMETER_TENSORS];
    fill_in_parameter_sizes(sizes, config);
    FILE *f = fopenCheck(file, "wb");
    fwrite(header, sizeof header, 1, f);
    unsigned state = 1;
    for (int i = 0; i < NUM_PARAMETER_TENSORS; i++) {
        for (size_t at = 0; at < sizes[i];) {
            float part[4096];
            size_t n = sizes[i] - at < 4096 ? sizes[i] - at : 4096;
            for (size_t k = 0; k < n; k++) {
                state = state * 1664525u + 1013904223u;
                part[k] = 0.04f * ((float)(state >> 8) / (1 << 24) - 0.5f);
            }
            fwrite(part, sizeof *part, n, f);
            at += n;
        }
    }
    fcloseCheck(f);
}

static void one_step(GPT2 *model, int *ids, int *labels, int rows, int tokens, int step)
{
    gpt2_forward(model, ids, labels, rows, tokens);
    if (!step)
        return;
    gpt2_zero_grad(model);
    gpt2_backward(model);
    gpt2_update(model, 1e-5f, 0.9f, 0.999f, 1e-8f, 0.01f, step);
}

static long peak_mib(void)
{
    char line[128];
    long kib = 0;
    FILE *f = fopenCheck("/proc/self/status", "r");
    while (fgets(line, sizeof line, f))
        sscanf(line, "VmHWM: %ld", &kib);
    fcloseCheck(f);
    return kib / 1024;
}

int main(int argc, char **argv)
{
    double seconds = 3, best = 1e30;
    const char *what = "step", *form = "4x64";
    for (int c; (c = getopt(argc, argv, "ct:w:b:")) != -1;) {
        if (c == 'c')
            clock_used = CLOCK_PROCESS_CPUTIME_ID;
        else if (c == 't')
            seconds = atof(optarg);
        else if (c == 'w')
            what = optarg;
        else if (c == 'b')
            form = optarg;
        else
            return EXIT_FAILURE;
    }
    int rows, tokens;
    if (optind + 1 != argc || sscanf(form, "%dx%d", &rows, &tokens) != 2)
        return EXIT_FAILURE;
    write_checkpoint(argv[optind]);
    FILE *said = stdout;
    stdout = fopenCheck("/dev/null", "w"); /* it prints its sizes */
    GPT2 model;
    gpt2_build_from_checkpoint(&model, argv[optind]);
    int n = rows * tokens, *ids = mallocCheck(n * sizeof(int)), *labels = mallocCheck(n * sizeof(int));
    for (int i = 0; i < n; i++) {
        ids[i] = (int)(i * 7919LL % 50257);
        labels[i] = (int)(i * 104729LL % 50257);
    }
    int train = strcmp(what, "step") == 0, count = 0;
    one_step(&model, ids, labels, rows, tokens, train);
    double start = now();
    while (count < 3 || now() - start < seconds) {
        double from = now();
        one_step(&model, ids, labels, rows, tokens, train ? count + 2 : 0);
        best = now() - from < best ? now() - from : best;
        count++;
    }
    double mean = (now() - start) / count;
    fprintf(said, "%-10s %-9s %-8s %9.0f tok/s (mean %.1f) %ld MiB\n", "gpt2", form, what, n / best, n / mean, peak_mib());
    fflush(said);
    _exit(EXIT_SUCCESS);
}
