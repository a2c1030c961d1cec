/* All words of a text with their counts, in bytewise order, within a budget of memory.
 *
 * Each thread counts into a table of its own. A table that has filled its share is sorted and written away as
 * a run; at the end the runs are merged. Runs and result stand in memory as long as the budget lasts, then in
 * unlinked files in $TMPDIR or /var/tmp. The result depends on the words alone: not on the threads, not on
 * the budget. */
#ifndef LM_TEXT_TRAIN_WORDS_H
#define LM_TEXT_TRAIN_WORDS_H

#include "base/status.h"
#include "text/train/word_counts.h"

/* Bytes that are appended, and read at any place. */
typedef struct lm_word_log {
    lm_buf buffer;    /* what is not in the file */
    uint64_t flushed; /* bytes in the file */
    size_t limit;     /* of the buffer as long as there is no file */
    int fd;           /* plus one; 0 = there is none */
    char *name;
} lm_word_log;

enum { LM_WORDS_BLOCK = 1024 };

/* The result. Free with lm_words_free. */
typedef struct lm_words {
    lm_word_log log;
    uint64_t n, occurrences;
    uint64_t *blocks; /* where words 0, LM_WORDS_BLOCK, 2 LM_WORDS_BLOCK ... begin in the log */
    size_t block_count, block_cap;
} lm_words;

void lm_words_free(lm_words *w);

/* Reads words one after the other. Any number of readers may read at once. */
typedef struct lm_word_reader {
    const lm_word_log *log;
    uint64_t at, to; /* in the log: the next to come into the buffer, and the end */
    char *buffer;
    size_t pos, have, cap;
    lm_buf word;    /* the present one */
    uint64_t count; /* and how often it occurred */
} lm_word_reader;

void lm_words_read(const lm_words *w, size_t first_block, size_t end_block, lm_word_reader *r);
/* 1: there is a word; 0: no more; -1: failed. */
int lm_word_reader_next(lm_word_reader *r, lm_status *st);
void lm_word_reader_close(lm_word_reader *r);

/* The counting. */
typedef struct lm_word_counter lm_word_counter;
lm_word_counter *lm_word_counter_new(int threads, size_t memory);
void lm_word_counter_free(lm_word_counter *c);
lm_word_counts *lm_word_counter_table(lm_word_counter *c, int thread);
bool lm_word_counter_full(const lm_word_counter *c, int thread);
/* Writes a thread's table away and empties it: numbers of words are void then. Each thread may do so at any
 * time. */
bool lm_word_counter_spill(lm_word_counter *c, int thread, lm_status *st);
/* No more words: merges all runs into `out` (zero-initialised). */
bool lm_word_counter_finish(lm_word_counter *c, lm_words *out, lm_status *st);
/* Whether files were needed so far. */
bool lm_word_counter_on_disk(const lm_word_counter *c);

#endif
