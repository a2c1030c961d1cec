/* Runs that train an adapter of a model in place of the model: what is trained, kept and written is the adapter (and the head
 * of a new task), and the model stays where it is, as it is. */
#ifndef LM_TRAIN_ADAPTING_H
#define LM_TRAIN_ADAPTING_H

#include "base/options.h"
#include "model/adapter/adapter.h"

typedef struct lm_adapting {
    lm_adapter_options how;
    bool has_dropout;      /* how.dropout was given: it also holds for an adapter that is trained on */
    double b_rate;         /* LoRA+ (Hayou et al. 2024, arXiv 2402.12354): B learns so many times as fast as A; 0 = as fast */
    double table_rate;     /* and adapters of tables at this rate, whatever the others' is */
    const char *original;  /* the model that the base was quantised from, for --init loftq; NULL = none */
    const char *base_name; /* of the base, in adapter_config.json; NULL = as -m names it */
} lm_adapting;

#define LM_ADAPTING_DEFAULTS {.table_rate = 1e-6}

/* Most entries, with the closing one. */
enum { LM_ADAPTING_OPTION_MAX = 24 };

/* What can be seen to be wrong without a model (LM_USAGE). */
bool lm_adapting_check(const lm_adapting *a, lm_status *st);
/* Whether an adapter called `output` takes the place of no model: LM_USAGE. */
bool lm_adapting_spares(const char *output, lm_status *st);
/* The entries of the option table. */
void lm_adapting_entries(lm_adapting *a, lm_option table[LM_ADAPTING_OPTION_MAX]);

#endif
