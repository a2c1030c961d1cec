/* Figures about all rows: how long they are, how much of a word a token is, how much is unknown. */
#include "base/memory.h"
#include "base/terminal.h"
#include "base/utf8.h"
#include "text/tokenize/sinks.h"
#include "text/unicode/unicode.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Rows of up to SHORT tokens are counted by length, longer ones are kept one by one. */
enum { SHORT = 1 << 16 };

struct lm_token_figures {
    const lm_tokenize_options *o;
    int unknown_id;
    int limit; /* of a row, 0 = none: how many are longer */
    uint64_t rows, tokens, pieces, unknown, words, bytes, characters,
        truncated;        /* pieces: tokens but special ones */
    uint64_t *short_rows; /* [SHORT] */
    uint64_t *long_rows;
    size_t long_count, long_cap;
};

lm_token_figures *lm_token_figures_new(const lm_tokenize_options *o, const lm_tokenizer *t)
{
    lm_token_figures *f = lm_calloc(1, sizeof *f);
    f->o = o;
    f->unknown_id = lm_tokenizer_role(t, "unk");
    f->limit = o->encode.max_length < 0 ? lm_tokenize_limit(t, o->tokenizer) : o->encode.max_length;
    f->short_rows = lm_calloc(SHORT, sizeof *f->short_rows);
    return f;
}

void lm_token_figures_free(lm_token_figures *f)
{
    if (!f)
        return;
    free(f->short_rows);
    free(f->long_rows);
    free(f);
}

/* ---------------------------------------------------------------- counting */

/* Words between white space, whatever the tokenizer thinks a word is: so that tokenizers can be compared. */
static void count_text(lm_token_figures *f, lm_str s)
{
    const uint16_t *table = lm_unicode_table();
    bool inside = false;
    for (size_t i = 0; i < s.len;) {
        uint32_t code = (unsigned char)s.data[i];
        if (code < 0x80)
            i++;
        else
            i += lm_utf8_decode(s.data + i, s.len - i, &code);
        bool space = lm_unicode_is(table, code) & LM_CP_SPACE;
        f->words += !space && !inside;
        inside = !space;
        f->characters++;
    }
    f->bytes += s.len;
}

void lm_token_figures_add(lm_token_figures *f, const lm_text_record *r, const lm_encoding *e)
{
    for (int i = 0; i < e->len; i++) {
        f->pieces += !e->special[i];
        f->unknown += e->ids[i] == f->unknown_id && !e->special[i];
    }
    count_text(f, lm_token_text(r, e));
    if (r->pair.data)
        count_text(f, r->pair);
    f->rows++;
    f->tokens += (uint64_t)e->len;
    f->truncated += f->limit && e->len > f->limit;
    if (e->len < SHORT) {
        f->short_rows[e->len]++;
        return;
    }
    LM_GROW(f->long_rows, f->long_count, f->long_cap);
    f->long_rows[f->long_count++] = (uint64_t)e->len;
}

/* ---------------------------------------------------------------- lengths */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The shortest length that at least `share` of the rows do not exceed (nearest rank); the long rows are
 * sorted. */
static uint64_t quantile(const lm_token_figures *f, double share)
{
    uint64_t rank = (uint64_t)(share * (double)f->rows + 0.999999), seen = 0;
    if (!f->rows)
        return 0;
    rank = rank < 1 ? 1 : rank > f->rows ? f->rows : rank;
    for (uint64_t n = 0; n < SHORT; n++)
        if ((seen += f->short_rows[n]) >= rank)
            return n;
    return f->long_rows[rank - seen - 1];
}

static uint64_t rows_between(const lm_token_figures *f, uint64_t from, uint64_t to)
{
    uint64_t n = 0;
    for (uint64_t i = from; i < to && i < SHORT; i++)
        n += f->short_rows[i];
    for (size_t i = 0; i < f->long_count; i++)
        n += f->long_rows[i] >= from && f->long_rows[i] < to;
    return n;
}

/* ---------------------------------------------------------------- printing */

static double ratio(uint64_t a, uint64_t b)
{
    return b ? (double)a / (double)b : 0;
}

static const struct {
    const char *name;
    double share;
} quantiles[] = {{"length_min", 0},   {"length_p5", .05},  {"length_p25", .25},
                 {"length_p50", .5},  {"length_p75", .75}, {"length_p90", .9},
                 {"length_p95", .95}, {"length_p99", .99}, {"length_max", 1}};

static void print_lines(const lm_token_figures *f, lm_buf *out)
{
    lm_buf_printf(out, "rows\t%" PRIu64 "\ntokens\t%" PRIu64 "\n", f->rows, f->tokens);
    lm_buf_printf(out, "tokens_per_row\t%.2f\n", ratio(f->tokens, f->rows));
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        lm_buf_printf(out, "%s\t%" PRIu64 "\n", quantiles[i].name, quantile(f, quantiles[i].share));
    lm_buf_printf(out, "words\t%" PRIu64 "\ntokens_per_word\t%.4f\n", f->words, ratio(f->pieces, f->words));
    lm_buf_printf(out, "characters\t%" PRIu64 "\ntokens_per_character\t%.4f\n", f->characters,
                  ratio(f->pieces, f->characters));
    lm_buf_printf(out, "bytes\t%" PRIu64 "\ntokens_per_byte\t%.4f\n", f->bytes, ratio(f->pieces, f->bytes));
    lm_buf_printf(out, "unknown_tokens\t%" PRIu64 "\nunknown_rate\t%.6f\n", f->unknown,
                  ratio(f->unknown, f->pieces));
    lm_buf_printf(out, "max_length\t%d\ntruncated_rows\t%" PRIu64 "\n", f->limit, f->truncated);
}

static void grouped(lm_buf *out, uint64_t n)
{
    if (n >= 1000) {
        grouped(out, n / 1000);
        lm_buf_printf(out, ",%03u", (unsigned)(n % 1000));
    } else {
        lm_buf_printf(out, "%u", (unsigned)n);
    }
}

/* A bar of `part` of `width` columns; in eighths of a block where the terminal shows them. */
static void bar(lm_buf *out, double part, int width, bool blocks)
{
    static const char *const eighths[] = {"",       "\u258f", "\u258e", "\u258d",
                                          "\u258c", "\u258b", "\u258a", "\u2589"};
    int n = (int)(part * width * 8 + 0.5);
    if (part > 0 && n == 0)
        n = 1;
    for (int i = 0; i < n / 8; i++)
        lm_buf_puts(out, blocks ? "\u2588" : "#");
    lm_buf_puts(out, blocks ? eighths[n % 8] : n < 8 && n ? "#" : "");
}

/* A round width for bins of lengths: 1, 2 or 5 times a power of ten. */
static uint64_t round_up(uint64_t n)
{
    static const uint64_t steps[] = {1, 2, 5};
    for (uint64_t ten = 1;; ten *= 10)
        for (int i = 0; i < 3; i++)
            if (steps[i] * ten >= n || ten > UINT64_MAX / 100)
                return steps[i] * ten;
}

static void histogram(const lm_token_figures *f, int columns, lm_buf *out)
{
    enum { BINS = 12, LABEL = 28 };
    bool blocks = lm_terminal_utf8();
    uint64_t most = 0, counts[BINS + 1], top = quantile(f, .99), width = round_up(top / BINS + 1);
    int width_of_bars = columns - LABEL > 60 ? 60 : columns - LABEL > 10 ? columns - LABEL : 10, last = 0;
    for (int i = 0; i <= BINS; i++) {
        counts[i] = rows_between(f, (uint64_t)i * width, i < BINS ? (uint64_t)(i + 1) * width : UINT64_MAX);
        most = counts[i] > most ? counts[i] : most;
        last = counts[i] ? i : last;
    }
    lm_buf_puts(out, "\ntokens a row        rows\n");
    for (int i = 0; i <= last; i++) {
        char label[32];
        if (i < BINS)
            snprintf(label, sizeof label, "%" PRIu64 " - %" PRIu64, (uint64_t)i * width,
                     (uint64_t)(i + 1) * width - 1);
        else
            snprintf(label, sizeof label, "%" PRIu64 " and more", (uint64_t)i * width);
        lm_buf_printf(out, "%15s %8" PRIu64 " ", label, counts[i]);
        bar(out, ratio(counts[i], most), width_of_bars, blocks);
        lm_buf_putc(out, '\n');
    }
}

static void print_text(const lm_token_figures *f, int columns, lm_buf *out)
{
    grouped(out, f->rows);
    lm_buf_puts(out, f->rows == 1 ? " row of " : " rows of ");
    grouped(out, f->tokens);
    lm_buf_printf(out, " tokens (special ones included), %.1f a row\n", ratio(f->tokens, f->rows));
    lm_buf_printf(out, "%.3f tokens a word, %.3f a character, %.3f a byte; ", ratio(f->pieces, f->words),
                  ratio(f->pieces, f->characters), ratio(f->pieces, f->bytes));
    if (f->unknown_id < 0)
        lm_buf_puts(out, "this tokenizer has no unknown token\n");
    else
        lm_buf_printf(out, "%.4g%% of them unknown\n", 100 * ratio(f->unknown, f->pieces));
    lm_buf_printf(out,
                  "half of the rows have up to %" PRIu64 " tokens, 95%% up to %" PRIu64
                  ", the longest %" PRIu64 "\n",
                  quantile(f, .5), quantile(f, .95), quantile(f, 1));
    if (f->limit)
        lm_buf_printf(out, "%" PRIu64 " of them (%.3g%%) are longer than %d, and would be cut\n",
                      f->truncated, 100 * ratio(f->truncated, f->rows), f->limit);
    if (f->rows)
        histogram(f, columns, out);
}

void lm_token_figures_print(const lm_token_figures *f, int columns, lm_buf *out)
{
    if (f->long_count)
        qsort(f->long_rows, f->long_count, sizeof *f->long_rows, by_value);
    if (columns > 0)
        print_text(f, columns, out);
    else
        print_lines(f, out);
}
