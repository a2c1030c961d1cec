#include "train/data/mixture.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The permutations of sources are other ones than those of a run without a mixture. */
static const uint64_t SITE = UINT64_C(1) << 32;

struct lm_mixture {
    size_t count;
    double *share;           /* [count] of the rows that no source before has */
    uint32_t *first;         /* [count+1] */
    const uint32_t *lengths; /* [rows] */
    bool shuffle;
    uint64_t seed;
    uint32_t *order; /* [rows] the order of each source's rows in the pass that is dealt */
    uint64_t epoch;  /* that was dealt last; UINT64_MAX = none */
    uint32_t *row, *length, *pass;
};

/* ------------------------------------------------------------------ the option */

static bool add_input(lm_mix *mix, const char *word, lm_status *st)
{
    const char *equals = strrchr(word, '=');
    double weight;
    if (!equals || equals == word || !lm_parse_float(equals + 1, &weight) || !(weight > 0 && isfinite(weight)))
        return lm_fail(st, LM_USAGE, "--mix: %.200s: give each file its weight, as in a.lms=0.7 b.lms=0.3", word);
    if (mix->inputs.count == LM_MIX_SOURCES)
        return lm_fail(st, LM_USAGE, "--mix: more than %d files: join some of them with cat", LM_MIX_SOURCES);
    char *name = lm_strndup(word, (size_t)(equals - word));
    for (size_t i = 0; i < mix->inputs.count; i++)
        if (strcmp(mix->inputs.items[i], name) == 0)
            lm_fail(st, LM_USAGE, "--mix: %s is there twice: give it one weight", name);
    mix->weights = lm_realloc(mix->weights, mix->inputs.count + 1, sizeof *mix->weights);
    mix->weights[mix->inputs.count] = weight;
    lm_strings_add(&mix->inputs, name);
    return lm_ok(st);
}

bool lm_mix_read(const lm_strings *option, const lm_strings *operands, lm_mix *mix, lm_status *st)
{
    for (size_t i = 0; i < option->count; i++)
        if (!add_input(mix, option->items[i], st))
            return false;
    for (size_t i = 0; option->count && i < operands->count; i++)
        if (!add_input(mix, operands->items[i], st))
            return false;
    return true;
}

void lm_mix_free(lm_mix *mix)
{
    for (size_t i = 0; i < mix->inputs.count; i++)
        free((char *)mix->inputs.items[i]);
    free(mix->inputs.items);
    free(mix->weights);
    *mix = (lm_mix){0};
}

/* ------------------------------------------------------------------ who is next */

lm_mixture *lm_mixture_new(const double *weights, size_t count)
{
    lm_mixture *m = lm_calloc(1, sizeof *m);
    *m = (lm_mixture){.count = count, .share = lm_malloc(count, sizeof *m->share), .epoch = UINT64_MAX};
    double left = 0;
    for (size_t i = count; i-- > 0;) {
        left += weights[i];
        m->share[i] = weights[i] / left;
    }
    return m;
}

void lm_mixture_free(lm_mixture *m)
{
    if (!m)
        return;
    free(m->share);
    free(m->first);
    free(m->order);
    free(m->row);
    free(m->length);
    free(m->pass);
    free(m);
}

void lm_mixture_counts(const lm_mixture *m, uint64_t n, uint64_t *of)
{
    uint64_t left = n;
    for (size_t i = 0; i < m->count; i++) {
        uint64_t mine = i + 1 == m->count ? left : (uint64_t)floor((double)left * m->share[i] + 1e-9);
        of[i] = mine < left ? mine : left;
        left -= of[i];
    }
}

/* ------------------------------------------------------------------ an epoch */

size_t lm_mixture_source(const lm_mixture *m, uint64_t n)
{
    uint64_t had[LM_MIX_SOURCES], has[LM_MIX_SOURCES];
    size_t source = 0;
    lm_mixture_counts(m, n, had);
    lm_mixture_counts(m, n + 1, has);
    while (has[source] == had[source])
        source++;
    return source;
}

void lm_mixture_take_rows(lm_mixture *m, const uint32_t *first, const uint32_t *lengths, bool shuffle, uint64_t seed)
{
    size_t rows = first[m->count];
    m->first = lm_malloc(m->count + 1, sizeof *m->first);
    memcpy(m->first, first, (m->count + 1) * sizeof *first);
    m->lengths = lengths;
    m->shuffle = shuffle;
    m->seed = seed;
    m->order = lm_malloc(rows, sizeof *m->order);
    m->row = lm_malloc(rows, sizeof *m->row);
    m->length = lm_malloc(rows, sizeof *m->length);
    m->pass = lm_malloc(rows, sizeof *m->pass);
    for (uint32_t i = 0; i < rows; i++)
        m->order[i] = i;
}

static uint32_t rows_of(const lm_mixture *m, size_t source)
{
    return m->first[source + 1] - m->first[source];
}

/* The order of a source's rows in a pass over it. */
static void shuffle_source(lm_mixture *m, size_t source, uint64_t pass)
{
    uint32_t *order = m->order + m->first[source];
    if (!m->shuffle)
        return;
    lm_random_permutation(lm_random_key(m->seed, LM_FOR_SHUFFLE, SITE + source), pass, order, rows_of(m, source));
    for (uint32_t i = 0; i < rows_of(m, source); i++)
        order[i] += m->first[source];
}

void lm_mixture_deal(lm_mixture *m, uint64_t epoch)
{
    uint64_t rows = m->first[m->count];
    uint64_t had[LM_MIX_SOURCES];
    if (m->epoch == epoch)
        return;
    m->epoch = epoch;
    lm_mixture_counts(m, epoch * rows, had);
    for (size_t i = 0; i < m->count; i++)
        if (had[i] % rows_of(m, i))
            shuffle_source(m, i, had[i] / rows_of(m, i));
    for (uint64_t p = 0; p < rows; p++) {
        size_t source = lm_mixture_source(m, epoch * rows + p);
        uint64_t at = had[source] % rows_of(m, source), pass = had[source] / rows_of(m, source);
        if (at == 0)
            shuffle_source(m, source, pass);
        m->row[p] = m->order[m->first[source] + at];
        m->length[p] = m->lengths[m->row[p]];
        m->pass[p] = (uint32_t)pass;
        had[source]++;
    }
}

const uint32_t *lm_mixture_row(const lm_mixture *m)
{
    return m->row;
}

const uint32_t *lm_mixture_lengths(const lm_mixture *m)
{
    return m->length;
}

const uint32_t *lm_mixture_pass(const lm_mixture *m)
{
    return m->pass;
}
