/* Texts that a hostile hand would write, to standard output: hostile KIND MEGABYTES
 * What they are made of is drawn, and the same every time. */
#include "base/buffer.h"
#include "base/random.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct source {
    lm_philox_key key;
    uint64_t drawn;
} source;

static uint32_t draw(source *s, size_t below)
{
    return (uint32_t)lm_random_below(s->key, 0, s->drawn++, below);
}

static void add_char(lm_buf *out, uint32_t code)
{
    char bytes[4];
    lm_buf_append(out, bytes, lm_utf8_encode(code >= 0xD800 && code < 0xE000 ? 'x' : code, bytes));
}

static void letter(source *s, lm_buf *out)
{
    lm_buf_putc(out, (char)('a' + draw(s, 26)));
}

static void letters(source *s, lm_buf *out) /* words of them, in lines */
{
    for (uint32_t n = 1 + draw(s, 30); n > 0; n--)
        letter(s, out);
    lm_buf_putc(out, draw(s, 20) ? ' ' : '\n');
}

static void same(source *s, lm_buf *out)
{
    (void)s;
    lm_buf_putc(out, 'a');
}

static void byte(source *s, lm_buf *out)
{
    lm_buf_putc(out, (char)draw(s, 256));
}

static void character(source *s, lm_buf *out) /* words of one */
{
    add_char(out, 0x21 + draw(s, 0x110000 - 0x21));
    lm_buf_putc(out, draw(s, 100) ? ' ' : '\n');
}

static void in_order(source *s, lm_buf *out)
{
    add_char(out, 0x21 + (uint32_t)(s->drawn++ % (0x30000 - 0x21)));
    lm_buf_putc(out, s->drawn % 100 ? ' ' : '\n');
}

static void hangul(source *s, lm_buf *out)
{
    add_char(out, 0xAC00 + draw(s, 11172));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*add)(source *s, lm_buf *out);
    } kinds[] = {{"word", letter}, {"words", letters}, {"same", same}, {"bytes", byte}, {"characters", character},
                 {"order", in_order}, {"hangul", hangul}};
    source s = {.key = lm_random_key(13, LM_FOR_SAMPLING, 0)};
    lm_buf out = {0};
    double bytes = argc == 3 ? strtod(argv[2], NULL) * 1e6 : 0;
    for (size_t k = 0; argc == 3 && k < sizeof kinds / sizeof *kinds; k++)
        if (lm_str_is(lm_str_of(argv[1]), kinds[k].name)) {
            for (double written = 0; written < bytes; written += (double)out.len) {
                for (out.len = 0; out.len < 1 << 16;)
                    kinds[k].add(&s, &out);
                fwrite(out.data, 1, out.len, stdout);
            }
            lm_buf_free(&out);
            return putchar('\n') == EOF || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
        }
    fprintf(stderr, "hostile KIND MEGABYTES: word, words, same, bytes, characters, order, hangul\n");
    return 2;
}
