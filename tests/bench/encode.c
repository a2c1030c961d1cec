/* How fast texts, a line each, become ids, in processor time of one thread: encode TOKENIZER FILE... As in tok, the texts are valid
 * UTF-8 before that is measured, and go to the encoder several at a time. The best of the turns counts, each of which begins with
 * nothing known. */
#include "base/log.h"
#include "base/memory.h"
#include "base/atomic.h"
#include "base/utf8.h"
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
    enum { ROWS = 64 };
    const lm_encode_options options = {.ids_only = true, .valid = true};
    lm_encoder *e = lm_encoder_new(t);
    lm_encoding out[ROWS] = {0};
    lm_encode_row rows[ROWS];
    size_t n, failed;
    *tokens = 0;
    do {
        for (n = 0; n < ROWS && lm_str_take_line(&text, &rows[n].text); n++)
            rows[n].out = &out[n];
        if (!lm_encode_rows(e, rows, n, &options, &failed, st))
            break;
        for (size_t i = 0; i < n; i++)
            *tokens += (size_t)out[i].len;
    } while (n == ROWS);
    for (size_t i = 0; i < ROWS; i++)
        lm_encoding_free(&out[i]);
    lm_encoder_free(e);
    return lm_ok(st);
}

static bool measure(const char *tokenizer, const char *path, lm_status *st)
{
    double begin = seconds(), open, best = 1e9;
    lm_tokenizer *t = lm_tokenizer_open(tokenizer, st);
    lm_str text = {0};
    char *bytes = NULL;
    lm_buf valid = {0};
    size_t tokens = 0;
    open = seconds() - begin;
    if (t && lm_file_read(path, SIZE_MAX / 2, &bytes, &text.len, st)) {
        text.data = bytes;
        lm_utf8_replace_invalid(text, &valid);
        text = lm_buf_str(&valid);
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
    lm_buf_free(&valid);
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
