// llama_decode BINS FILE.gguf THREADS PREFIX SECONDS [f32|f16|q8_0 [ROWS [PROMPTS]]]: llama.cpp's side of tests/bench/generate, with its
// own library. ROWS prefixes are read, then a token of each at a time: tokens a second of both, by the processor's time where THREADS is
// 1, MiB of the process at most, and how long it takes from opening the file to what follows the prefixes. Or PROMPTS are answered,
// ROWS at a time, as tests/bench/decode -n does: whenever one is done, the next one joins.
#include "../clock.h"

#include "ggml-backend.h"
#include "llama.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

enum { ANSWER = 32 }; // tokens

static void quiet(ggml_log_level level, const char *text, void *)
{
    if (level >= GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

static llama_token any_token(size_t i, int seed, int columns)
{
    return llama_token((i * 7919 + size_t(seed) * 104729) % size_t(columns));
}

static void add(llama_batch &b, llama_token token, int place, int row, bool last)
{
    int n = b.n_tokens++;
    b.token[n] = token;
    b.pos[n] = place;
    b.n_seq_id[n] = 1;
    b.seq_id[n][0] = row;
    b.logits[n] = last;
}

// Rows [first, first + rows) read `count` tokens more, from place `at` on.
static void read_on(llama_context *x, int first, int rows, int at, int count, int seed)
{
    int columns = llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(x)));
    llama_batch b = llama_batch_init(rows * count, 0, 1);
    for (int r = 0; r < rows; r++) {
        for (int i = 0; i < count; i++) {
            add(b, any_token(size_t(r * count + at + i), seed, columns), at + i, first + r, i == count - 1);
        }
    }
    if (llama_decode(x, b)) {
        fprintf(stderr, "llama_decode: failed\n");
        exit(1);
    }
    llama_get_logits_ith(x, -1);
    llama_batch_free(b);
}

static void read_prefixes(llama_context *x, int rows, int prefix, int most)
{
    for (int r = 0; r < rows; r++)
        for (int at = 0; at < prefix; at += most)
            read_on(x, r, 1, at, prefix - at < most ? prefix - at : most, r);
}

static llama_token likeliest(llama_context *x, int at, int columns)
{
    const float *logits = llama_get_logits_ith(x, at);
    return llama_token(std::max_element(logits, logits + columns) - logits);
}

// One that is being answered.
struct slot {
    int length = 0, answered = ANSWER, at = 0; // tokens so far; of them answers; where its logits are
    llama_token last = 0;
};

static void answer(llama_context *x, int prompts, int prefix, int rows)
{
    int columns = llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(x))), given = 0, done = 0;
    size_t asked = 0;
    std::vector<slot> slots(static_cast<size_t>(rows));
    llama_batch b = llama_batch_init(rows * prefix, 0, 1);
    double start = now();
    while (done < prompts) {
        b.n_tokens = 0;
        for (int r = 0; r < rows; r++) {
            slot &s = slots[size_t(r)];
            s.at = -1;
            if (s.answered < ANSWER) {
                add(b, s.last, s.length++, r, true);
            } else if (given < prompts) {
                int count = 1 + given * 37 % (prefix - 7);
                llama_memory_seq_rm(llama_get_memory(x), r, -1, -1);
                for (int i = 0; i < count; i++)
                    add(b, any_token(size_t(given % 7 + i), 0, columns), i, r, i == count - 1);
                s.length = count, s.answered = 0;
                asked += size_t(count), given++;
            } else {
                continue;
            }
            s.at = b.n_tokens - 1;
        }
        if (llama_decode(x, b)) {
            fprintf(stderr, "llama_decode: failed\n");
            exit(1);
        }
        for (slot &s : slots) {
            if (s.at < 0)
                continue;
            s.last = likeliest(x, s.at, columns);
            done += ++s.answered == ANSWER;
        }
    }
    double took = now() - start;
    printf("llama.cpp   %d prompts, %zu tokens, %d at a time: %.2f s, %.1f tokens of answers a second, %ld MiB at most\n", prompts, asked,
           rows, took, prompts * ANSWER / took, peak_mib());
    llama_batch_free(b);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    int threads = atoi(argv[3]), prefix = atoi(argv[4]);
    double seconds = atof(argv[5]);
    const char *kept = argc > 6 ? argv[6] : "f16";
    int rows = argc > 7 ? atoi(argv[7]) : 1, prompts = argc > 8 ? atoi(argv[8]) : 0;
    if (threads == 1)
        clock_used = CLOCK_PROCESS_CPUTIME_ID;
    llama_log_set(quiet, nullptr);
    ggml_backend_load_all_from_path(argv[1]);
    llama_model_params how = llama_model_default_params();
    how.n_gpu_layers = 0;
    double opened = now();
    llama_model *m = llama_model_load_from_file(argv[2], how);
    if (!m)
        return 1;
    llama_context_params p = llama_context_default_params();
    int most = prefix > 512 ? 512 : prefix;
    p.n_ctx = uint32_t(rows * (prefix + 1024));
    p.n_seq_max = uint32_t(rows);
    p.n_batch = uint32_t(prompts ? rows * prefix : most > rows ? most : rows);
    p.n_ubatch = prompts ? 512 : p.n_batch;
    p.n_threads = p.n_threads_batch = threads;
    p.type_k = p.type_v = !strcmp(kept, "f32") ? GGML_TYPE_F32 : !strcmp(kept, "q8_0") ? GGML_TYPE_Q8_0 : GGML_TYPE_F16;
    llama_context *x = llama_init_from_model(m, p);
    if (!x)
        return 1;
    if (prompts) {
        answer(x, prompts, prefix, rows);
        return 0;
    }
    read_prefixes(x, rows, prefix, most); // what is made ready once, too
    double until_first = now() - opened;
    llama_memory_clear(llama_get_memory(x), true);
    double start = now();
    read_prefixes(x, rows, prefix, most);
    double first = now() - start;
    int steps = 0;
    read_on(x, 0, rows, prefix, 1, 1);
    for (start = now(); now() - start < seconds && steps < 1000; steps++)
        read_on(x, 0, rows, prefix + 1 + steps, 1, steps);
    printf("llama.cpp %d x %d: prefix %.1f tok/s, then %.1f tok/s, %ld MiB at most", rows, prefix, rows * prefix / first,
           rows * steps / (now() - start), peak_mib());
    printf(", first token %.3f s after opening\n", until_first);
    return 0;
}
