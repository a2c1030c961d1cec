/* The model card: README.md of a model directory, with the YAML front matter that the Hugging Face hub reads.
 */
#ifndef LM_MODEL_CARD_H
#define LM_MODEL_CARD_H

#include "base/status.h"
#include "stream/bundle.h"

#include <stddef.h>

/* A row of a table; value as text. */
typedef struct lm_card_item {
    const char *name, *value;
} lm_card_item;

/* NULL and 0 where something is not known: its part is left out. */
typedef struct lm_card {
    const char *name;       /* of the model: the last part of the output's path */
    const char *base_model; /* -m; NULL = trained from random weights */
    bool adapter;           /* of it, not a model */
    const char *task;       /* lm_head.name: gives pipeline_tag */
    const char *program;    /* "finetune 0.1.0" */
    const char *command_line;
    const char *const *via; /* command lines that made the data, first one first */
    size_t via_count;
    const char *data;             /* a sentence: "2,000 rows, 81,234 tokens" */
    const lm_card_item *settings; /* hyper-parameters */
    size_t setting_count;
    const lm_card_item *metrics; /* name and value; numbers go into model-index too */
    size_t metric_count;
    const char *eval_data;      /* what they were measured on */
    const char *const *columns; /* [column_count] names, of a table of how training went */
    const char *const *cells;   /* [row_count, column_count] */
    size_t column_count, row_count;
} lm_card;

/* Writes README.md. */
bool lm_card_write(const lm_card *card, lm_bundle_writer *to, lm_status *st);

#endif
