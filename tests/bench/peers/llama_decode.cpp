// llama_decode BINS FILE.gguf THREADS PREFIX SECONDS [f32|f16|q8_0]: llama.cpp's side of tests/bench/generate, with its own library.
// A prefix is read, then tokens one by one: tokens a second of both, by the processor's time where THREADS is 1.
#include "ggml-backend.h"
#include "llama.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

static clockid_t clock_used = CLOCK_MONOTONIC;

static double now()
{
    timespec t;
    clock_gettime(clock_used, &t);
    return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

static void quiet(ggml_log_level level, const char *text, void *)
{
    if (level >= GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

static void read_on(llama_context *x, std::vector<llama_token> ids)
{
    if (llama_decode(x, llama_batch_get_one(ids.data(), int32_t(ids.size())))) {
        fprintf(stderr, "llama_decode: failed\n");
        exit(1);
    }
    llama_get_logits_ith(x, -1);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    int threads = atoi(argv[3]), prefix = atoi(argv[4]);
    double seconds = atof(argv[5]);
    const char *kept = argc > 6 ? argv[6] : "f16";
    if (threads == 1)
        clock_used = CLOCK_PROCESS_CPUTIME_ID;
    llama_log_set(quiet, nullptr);
    ggml_backend_load_all_from_path(argv[1]);
    llama_model_params how = llama_model_default_params();
    how.n_gpu_layers = 0;
    llama_model *m = llama_model_load_from_file(argv[2], how);
    if (!m)
        return 1;
    int columns = llama_vocab_n_tokens(llama_model_get_vocab(m));
    llama_context_params p = llama_context_default_params();
    p.n_ctx = uint32_t(prefix + 1024);
    p.n_batch = p.n_ubatch = uint32_t(prefix > 512 ? 512 : prefix);
    p.n_threads = p.n_threads_batch = threads;
    p.type_k = p.type_v = !strcmp(kept, "f32") ? GGML_TYPE_F32 : !strcmp(kept, "q8_0") ? GGML_TYPE_Q8_0 : GGML_TYPE_F16;
    llama_context *x = llama_init_from_model(m, p);
    if (!x)
        return 1;
    std::vector<llama_token> ids(size_t(p.n_batch), 1);
    read_on(x, {1}); // what is made ready once
    llama_memory_clear(llama_get_memory(x), true);
    double start = now();
    for (int at = 0; at < prefix; at += int(p.n_batch)) {
        ids.resize(size_t(prefix - at < int(p.n_batch) ? prefix - at : int(p.n_batch)));
        for (size_t i = 0; i < ids.size(); i++)
            ids[i] = llama_token((size_t(at) + i) * 7919 % size_t(columns));
        read_on(x, ids);
    }
    double first = now() - start;
    int steps = 0;
    for (start = now(); now() - start < seconds && steps < 1000; steps++)
        read_on(x, {llama_token(size_t(steps) * 104729 % size_t(columns))});
    printf("llama.cpp 1 x %d: prefix %.1f tok/s, then %.1f tok/s\n", prefix, prefix / first, steps / (now() - start));
    return 0;
}
