#include "text/train/alphabet.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "base/utf8.h"

#include <stdlib.h>

static int most_frequent_first(const void *a, const void *b)
{
    const lm_letter *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return (x->code > y->code) - (x->code < y->code);
}

static int by_code(const void *a, const void *b)
{
    const lm_letter *x = a, *y = b;
    return (x->code > y->code) - (x->code < y->code);
}

/* How many of the letters, most frequent first, have to stay. */
static size_t enough(const lm_letter *letters, size_t n, const lm_alphabet_options *o)
{
    size_t kept = n;
    if (o->coverage < 1) {
        double total = 0, sum = 0;
        for (size_t i = 0; i < n; i++)
            total += letters[i].count == UINT64_MAX ? 0 : (double)letters[i].count;
        for (kept = 0; kept < n && (letters[kept].count == UINT64_MAX || sum < o->coverage * total); kept++)
            sum += letters[kept].count == UINT64_MAX ? 0 : (double)letters[kept].count;
    }
    return o->limit > 0 && kept > (size_t)o->limit ? (size_t)o->limit : kept;
}

static void count_word(lm_str word, uint64_t count, lm_letter *all)
{
    for (size_t i = 0; i < word.len;) {
        uint32_t code;
        size_t len = lm_utf8_decode(word.data + i, word.len - i, &code);
        all[code].count += count;
        all[code].inside |= i > 0;
        i += len;
    }
}

static size_t gather(lm_letter *all)
{
    size_t n = 0;
    for (uint32_t code = 0; code < LM_CODE_POINTS; code++)
        if (all[code].count) {
            lm_letter l = all[code];
            l.code = code;
            all[n++] = l;
        }
    return n;
}

bool lm_alphabet_count(const lm_words *words, const lm_alphabet_options *o, lm_alphabet *out, lm_status *st)
{
    lm_letter *all = lm_calloc(LM_CODE_POINTS, sizeof *all); /* what is not touched takes no memory */
    lm_word_reader r;
    lm_words_read(words, 0, words->block_count, &r);
    while (lm_signal_check(st) && lm_word_reader_next(&r, st) > 0)
        count_word(lm_buf_str(&r.word), r.count, all);
    lm_word_reader_close(&r);
    for (size_t i = 0; i < o->initial_count; i++)
        all[o->initial[i]].count = UINT64_MAX;
    size_t n = gather(all);
    qsort(all, n, sizeof *all, most_frequent_first);
    size_t kept = enough(all, n, o);
    if (kept < n)
        lm_info("%zu rare characters are left out of the alphabet of %zu", n - kept, kept);
    qsort(all, kept, sizeof *all, by_code);
    out->letters = lm_realloc(all, kept ? kept : 1, sizeof *all);
    out->n = kept;
    return lm_ok(st);
}

void lm_alphabet_free(lm_alphabet *a)
{
    free(a->letters);
    *a = (lm_alphabet){0};
}
