/* Words of texts on their way to the word cache, and out of it (words_ahead.c). */
#ifndef LM_TEXT_WORDS_AHEAD_H
#define LM_TEXT_WORDS_AHEAD_H

#include "text/word_cache.h"

/* Words on their way to the cache: where the next ones stand is fetched before the first is looked up, so that no word waits for
 * memory by itself. */
enum { LM_WORDS_AHEAD = LM_WORDS_AT_ONCE, LM_ROWS_AT_ONCE = 32 };
typedef struct lm_words_ahead {
    int n;
    struct lm_word_ahead {
        uint64_t key[3];
        lm_known_word *set; /* NULL: too long */
        lm_str text;        /* whose bytes [from, from + len) it is */
        size_t from, len;
    } at[LM_WORDS_AHEAD];
    int ended, placed; /* rows that go together: how many ends there are, and of how many it is known where they are */
    struct lm_row_end {
        int words;    /* of `at` are before it, until it is placed; then */
        int late;     /* so many of those that are late are, and */
        size_t place; /* so many tokens */
    } ends[LM_ROWS_AT_ONCE];
} lm_words_ahead;

/* Words that the cache does not know, and where among the tokens of a text theirs belong as long as they are not there. What is new
 * often comes again soon, so that there are more places than words. */
enum { LM_WORDS_LATE = 24, LM_LATE_PLACES = 2 * LM_WORDS_LATE };
typedef struct lm_late_words {
    int words, places;
    uint64_t sums[LM_WORDS_LATE]; /* of the keys of the words, which tell most of them apart */
    int first[LM_WORDS_LATE];     /* where in `at` they stand first */
    struct lm_late_place {
        struct lm_word_ahead word;
        size_t place;
        int32_t number; /* of the word in its text */
        int which;      /* of the words */
    } at[LM_LATE_PLACES];
} lm_late_words;

/* The next one, of the text's bytes [from, from + len). Its key is for the caller to fill, number by number, unless it is longer than
 * LM_WORD_BYTES. */
static inline struct lm_word_ahead *lm_words_ahead_next(lm_words_ahead *w, lm_str text, size_t from, size_t len)
{
    struct lm_word_ahead *a = &w->at[w->n++];
    a->text = text;
    a->from = from;
    a->len = len;
    a->set = NULL;
    return a;
}

/* A row ends behind the words that are there. */
static inline void lm_words_end_row(lm_words_ahead *w)
{
    w->ends[w->ended++].words = w->n;
}

static inline void lm_words_ahead_fetch(struct lm_word_ahead *a, const lm_word_cache *c)
{
    a->set = lm_word_set(c, a->key);
    lm_word_fetch(a->set);
}

#endif
