/* A table of words and how often each occurred: what one thread counts into. */
#ifndef LM_TEXT_WORD_COUNTS_H
#define LM_TEXT_WORD_COUNTS_H

#include "base/buffer.h"

#include <stdint.h>

typedef struct lm_counted_word {
    size_t start; /* in bytes.data */
    uint32_t len, tag;
    uint64_t count;
} lm_counted_word;

/* Zero-initialise. Words are numbered from 0 in the order of their coming. */
typedef struct lm_word_counts {
    lm_buf bytes;
    lm_counted_word *words;
    size_t n, cap;
    int32_t *slots; /* -1 = free */
    size_t slot_count;
} lm_word_counts;

void lm_word_counts_free(lm_word_counts *c);
/* The number of a word, which becomes known with count 0 if it is new. */
int32_t lm_word_counts_number(lm_word_counts *c, lm_str word);
int32_t lm_word_counts_find(const lm_word_counts *c, lm_str word); /* -1 where it is not known */
static inline lm_str lm_word_counts_word(const lm_word_counts *c, size_t i)
{
    return (lm_str){c->bytes.data + c->words[i].start, c->words[i].len};
}
/* The memory that it uses, and would use while being sorted. */
size_t lm_word_counts_memory(const lm_word_counts *c);

#endif
