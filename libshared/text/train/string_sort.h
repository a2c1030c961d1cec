/* Sorting of many short strings, bytewise: multikey quicksort with eight bytes as one character (Bentley and
 * Sedgewick 1997), in place, by all threads. */
#ifndef LM_TEXT_TRAIN_STRING_SORT_H
#define LM_TEXT_TRAIN_STRING_SORT_H

#include <stddef.h>
#include <stdint.h>

typedef struct lm_sort_item {
    uint64_t key; /* scratch */
    const char *data;
    uint32_t len, tag; /* tag: the caller's, goes along */
} lm_sort_item;

/* Equal strings come in any order. */
void lm_string_sort(lm_sort_item *items, size_t n);
/* The same by this thread alone. */
void lm_string_sort_serial(lm_sort_item *items, size_t n);

#endif
