#include "augment/typos/corrector.h"

#include "augment/typos/edits.h"
#include "augment/words/case.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/unicode.h"

#include <stdlib.h>
#include <xxhash.h>

enum {
    LETTERS_LEAST = 3,    /* of a word that is looked at, */
    SYLLABLES_LEAST = 2,  /* or a Korean one */
    ESTABLISHED = 10,     /* a word that occurs so often is no slip, */
    TIMES_RARER = 10,     /* unless the word that it should be occurs so much more often */
    TIMES_LIKELIER = 2,   /* the best word than the second */
    WORDS_ENOUGH = 10000, /* of an input so large, what a word should be is expected to occur in it */
    MEMORY = 16 << 20     /* for the words that are remembered */
};

uint64_t lm_typos_hash(lm_str lower)
{
    return XXH3_64bits(lower.data, lower.len);
}

void lm_corrector_free(lm_corrector *c)
{
    lm_dictionary_close(c->dictionary);
    lm_word_counts_free(&c->seen);
    free(c->answers);
    lm_buf_free(&c->fixed);
    lm_buf_free(&c->edit);
    lm_buf_free(&c->title);
}

/* The two likeliest words so far. */
typedef struct candidates {
    lm_corrector *c;
    bool by_dictionary; /* none occurs in the input */
    int least;          /* likelihood that is looked at */
    uint64_t best_hash, best_score, best_frequency, second_score;
    lm_buf best;
} candidates;

static void consider(void *context, lm_str word, int likelihood)
{
    candidates *k = context;
    if (likelihood < k->least)
        return;
    uint64_t hash = lm_typos_hash(word), frequency = k->by_dictionary ? 1 : lm_frequency(k->c->frequencies, hash);
    uint64_t score = frequency * (uint64_t)likelihood;
    if (score == 0 || (hash == k->best_hash && score <= k->best_score))
        return;
    if (hash == k->best_hash && k->best_score) {
        k->best_score = score;
        return;
    }
    if (score <= k->second_score || !lm_dictionary_has(k->c->dictionary, word))
        return;
    if (score <= k->best_score) {
        k->second_score = score;
        return;
    }
    k->second_score = k->best_score;
    k->best_score = score;
    k->best_hash = hash;
    k->best_frequency = frequency;
    k->best.len = 0;
    lm_buf_append(&k->best, word.data, word.len);
}

/* The letters that may stand in a word: those of the keyboard for Hangul, else of the script of its first letter. */
static int letters_for(const lm_corrector *c, const lm_keys *keys, uint32_t *out)
{
    static const char typed[] = "abcdefghijklmnopqrstuvwxyzEOPQRTW";
    int count, n = 0;
    const uint32_t *all = lm_dictionary_letters(c->dictionary, &count);
    for (const char *p = typed; keys->hangul && *p; p++)
        out[n++] = (unsigned char)*p;
    for (int i = 0; !keys->hangul && i < count; i++)
        if (lm_unicode_script(all[i]) == lm_unicode_script(keys->at[0]))
            out[n++] = all[i];
    return n;
}

/* Long enough, and typed. */
static bool can_be_looked_at(lm_str word, lm_keys *keys)
{
    if (!lm_keys_of(word, keys))
        return false;
    return keys->hangul ? word.len >= 3 * SYLLABLES_LEAST : keys->count >= LETTERS_LEAST;
}

/* Also a name that somebody wrote without its capital. */
static bool is_right(lm_corrector *c, lm_str word)
{
    if (lm_dictionary_has(c->dictionary, word))
        return true;
    c->title.len = 0;
    lm_case_like(word, lm_str_of("Aa"), &c->title);
    return !lm_str_equal(lm_buf_str(&c->title), word) && lm_dictionary_has(c->dictionary, lm_buf_str(&c->title));
}

/* Looks for what a word that is not in the dictionary should be; false: it stays. */
static bool find_correction(lm_corrector *c, const lm_keys *keys, lm_str word, lm_buf *out)
{
    enum { LIKELY = 8, LETTERS_MAX = 256 };
    uint32_t letters[LETTERS_MAX];
    int letter_count = letters_for(c, keys, letters);
    uint64_t own = lm_frequency(c->frequencies, lm_typos_hash(word));
    candidates k = {.c = c};
    lm_edits(keys, letters, letter_count, &c->edit, consider, &k);
    if (!k.best_score && lm_frequencies_total(c->frequencies) < WORDS_ENOUGH) {
        k.by_dictionary = true;
        k.least = keys->hangul ? LIKELY : 0; /* the dictionary knows too many Korean words */
        lm_edits(keys, letters, letter_count, &c->edit, consider, &k);
    }
    bool found = k.best_score > 0 && k.best_score >= TIMES_LIKELIER * k.second_score &&
                 (own < ESTABLISHED ? k.by_dictionary || k.best_frequency >= own : k.best_frequency >= TIMES_RARER * own);
    if (found)
        lm_buf_append(out, k.best.data, k.best.len);
    lm_buf_free(&k.best);
    return found;
}

enum { KNOWN = 1, STAYS, FIXED };

lm_correction lm_correct(lm_corrector *c, lm_str word)
{
    if (lm_word_counts_memory(&c->seen) + c->fixed.len > MEMORY) {
        lm_word_counts_free(&c->seen);
        c->fixed.len = 0;
    }
    size_t i = (size_t)lm_word_counts_number(&c->seen, word);
    if (i >= c->answer_cap) {
        c->answer_cap = 2 * (i + 1);
        c->answers = lm_realloc(c->answers, c->answer_cap, sizeof *c->answers);
    }
    lm_counted_word *seen = &c->seen.words[i];
    if (!seen->count) {
        lm_keys keys;
        size_t from = c->fixed.len;
        seen->count = !can_be_looked_at(word, &keys) || is_right(c, word)      ? KNOWN
                      : find_correction(c, &keys, word, &c->fixed) ? FIXED
                                                                   : STAYS;
        c->answers[i] = (lm_answer){from, c->fixed.len - from};
    }
    lm_correction answer = {.known = seen->count == KNOWN};
    if (seen->count == FIXED)
        answer.word = (lm_str){c->fixed.data + c->answers[i].from, c->answers[i].len};
    return answer;
}
