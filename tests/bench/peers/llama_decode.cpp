// llama_decode BINS FILE.gguf THREADS PREFIX SECONDS [f32|f16|q8_0 [ROWS]]: llama.cpp's side of tests/bench/generate, with its own
// library. ROWS prefixes are read, then a token of each at a time: tokens a second of both, by the processor's time where THREADS is 1,
// and MiB of the process at most.
#include "../clock.h"

#include "ggml-backend.h"
#include "llama.h"

#include <cstdlib>
#include <cstring>
#include <vector>

static void quiet(ggml_log_level level, const char *text, void *)
{
    if (level >= GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

// Rows [first, first + rows) read `count` tokens more, from place `at` on.
static void read_on(llama_context *x, int first, int rows, int at, int count, int seed)
{
    int columns = llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(x)));
    llama_batch b = llama_batch_init(rows * count, 0, 1);
    for (int r = 0; r < rows; r++) {
        for (int i = 0; i < count; i++) {
            int n = b.n_tokens++;
            b.token[n] = llama_token((size_t(r * count + at + i) * 7919 + size_t(seed) * 104729) % size_t(columns));
            b.pos[n] = at + i;
            b.n_seq_id[n] = 1;
            b.seq_id[n][0] = first + r;
            b.logits[n] = i == count - 1;
        }
    }
    if (llama_decode(x, b)) {
        fprintf(stderr, "llama_decode: failed\n");
        exit(1);
    }
    llama_get_logits_ith(x, -1);
    llama_batch_free(b);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    int threads = atoi(argv[3]), prefix = atoi(argv[4]);
    double seconds = atof(argv[5]);
    const char *kept = argc > 6 ? argv[6] : "f16";
    int rows = argc > 7 ? atoi(argv[7]) : 1;
    if (threads == 1)
        clock_used = CLOCK_PROCESS_CPUTIME_ID;
    llama_log_set(quiet, nullptr);
    ggml_backend_load_all_from_path(argv[1]);
    llama_model_params how = llama_model_default_params();
    how.n_gpu_layers = 0;
    llama_model *m = llama_model_load_from_file(argv[2], how);
    if (!m)
        return 1;
    llama_context_params p = llama_context_default_params();
    int most = prefix > 512 ? 512 : prefix;
    p.n_ctx = uint32_t(rows * (prefix + 1024));
    p.n_seq_max = uint32_t(rows);
    p.n_batch = p.n_ubatch = uint32_t(most > rows ? most : rows);
    p.n_threads = p.n_threads_batch = threads;
    p.type_k = p.type_v = !strcmp(kept, "f32") ? GGML_TYPE_F32 : !strcmp(kept, "q8_0") ? GGML_TYPE_Q8_0 : GGML_TYPE_F16;
    llama_context *x = llama_init_from_model(m, p);
    if (!x)
        return 1;
    read_on(x, 0, 1, 0, 1, 0); // what is made ready once
    llama_memory_clear(llama_get_memory(x), true);
    double start = now();
    for (int r = 0; r < rows; r++)
        for (int at = 0; at < prefix; at += most)
            read_on(x, r, 1, at, prefix - at < most ? prefix - at : most, r);
    double first = now() - start;
    int steps = 0;
    read_on(x, 0, rows, prefix, 1, 1);
    for (start = now(); now() - start < seconds && steps < 1000; steps++)
        read_on(x, 0, rows, prefix + 1 + steps, 1, steps);
    printf("llama.cpp %d x %d: prefix %.1f tok/s, then %.1f tok/s, %ld MiB at most\n", rows, prefix, rows * prefix / first,
           rows * steps / (now() - start), peak_mib());
    return 0;
}
