/* The classes of a classifier: words to ids. */
#ifndef LM_STREAM_LABELS_H
#define LM_STREAM_LABELS_H

#include "base/buffer.h"
#include "base/status.h"

#include <jansson.h>
#include <stdint.h>

typedef struct lm_labels lm_labels;

lm_labels *lm_labels_new(void);
void lm_labels_free(lm_labels *l);

/* Adds a word unless it is there; its id until the list is sorted. */
int lm_labels_add(lm_labels *l, lm_str word);
/* Id of a word; -1 if there is none. */
int lm_labels_find(const lm_labels *l, lm_str word);
int lm_labels_count(const lm_labels *l);
const char *lm_labels_name(const lm_labels *l, int id);
const char *const *lm_labels_names(const lm_labels *l); /* [count]; valid until a word is added */

/* Orders the classes of a collected list: by number where all are integers, else bytewise (lmstream(5),
 * Labels). */
void lm_labels_sort(lm_labels *l);
/* The list that a user gives: words separated by commas. An empty word and a word given twice fail
 * (LM_USAGE). */
lm_labels *lm_labels_parse(const char *list, lm_status *st);

/* A list of a stream's preamble (`tags`, `labels`) in terms of these classes: the id of each name, -100 for a name that
 * is none of them. NULL where `names` is no list of strings. The caller frees it. */
int32_t *lm_labels_map(const lm_labels *l, json_t *names);

#endif
