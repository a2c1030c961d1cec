/* How fast texts, a line each, become ids, in processor time of one thread: encode TOKENIZER FILE... The best of the turns counts,
 * each of which begins with nothing known. */
#include "base/log.h"
#include "base/memory.h"
#include "base/atomic.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TURNS = 7 };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool encode_lines(const lm_tokenizer *t, lm_str text, size_t *tokens, lm_status *st)
{
    lm_encoder *e = lm_encoder_new(t);
    lm_encoding row = {0};
    lm_str line;
    *tokens = 0;
    while (lm_str_take_line(&text, &line) &&
           lm_encode(e, line, (lm_str){NULL, 0}, &(lm_encode_options){.ids_only = true}, &row, st))
        *tokens += (size_t)row.len;
    lm_encoding_free(&row);
    lm_encoder_free(e);
    return lm_ok(st);
}

static bool measure(const char *tokenizer, const char *path, lm_status *st)
{
    double begin = seconds(), open, best = 1e9;
    lm_tokenizer *t = lm_tokenizer_open(tokenizer, st);
    lm_str text = {0};
    char *bytes = NULL;
    size_t tokens = 0;
    open = seconds() - begin;
    if (t && lm_file_read(path, SIZE_MAX / 2, &bytes, &text.len, st)) {
        text.data = bytes;
        for (int i = 0; i < TURNS && lm_ok(st); i++) {
            double from = seconds();
            encode_lines(t, text, &tokens, st);
            best = seconds() - from < best ? seconds() - from : best;
        }
    }
    if (lm_ok(st))
        printf("%s, %s: %.1f MB, %zu tokens: opened in %.3f s, %.1f MB/s\n", tokenizer, path, (double)text.len / 1e6, tokens, open,
               (double)text.len / best / 1e6);
    free(bytes);
    lm_tokenizer_free(t);
    return lm_ok(st);
}

int main(int argc, char **argv)
{
    lm_status st = LM_STATUS_INIT;
    lm_log_level(LM_ERROR);
    for (int i = 2; i < argc; i++)
        if (!measure(argv[1], argv[i], &st)) {
            fprintf(stderr, "%s\n", st.message);
            return EXIT_FAILURE;
        }
    return EXIT_SUCCESS;
}
