/* The options of augment: their values, and their entries in the option table.
 *
 * The entries of a family of operations are made by a function of its own, `lm_NAME_entries`, and appended in options.c. */
#ifndef LM_AUGMENT_OPTIONS_H
#define LM_AUGMENT_OPTIONS_H

#include "augment/augment.h"

enum { LM_AUGMENT_OPTION_MAX = 256 };

typedef struct lm_augment_entries {
    lm_augment_options *options; /* where values go */
    lm_option_steps *steps;      /* where operations go */
    lm_option *table;
    size_t count;
} lm_augment_entries;

/* What --help shows. */
extern const lm_augment_options lm_augment_defaults;

/* Fills table[LM_AUGMENT_OPTION_MAX] with the entries of all, which point into the options and steps. */
void lm_augment_option_table(lm_augment_options *o, lm_option_steps *steps, lm_option *table);
/* Appends entries, which end with a zero one. */
void lm_augment_entries_add(lm_augment_entries *to, const lm_option *entries);

/* For LM_ENTRY_ABOUT: notes the option, and returns what its `given` points to. */
bool *lm_augment_about(lm_augment_entries *to, const char *option, const char *operations);
/* Fails (LM_USAGE) where an option was given that is about operations of which none is among the steps. */
bool lm_augment_details_check(const lm_augment_options *o, const lm_option_steps *steps, lm_status *st);

/* In a function `void lm_NAME_entries(lm_augment_entries *to)`, as elements of a `const lm_option entries[]`: a heading, an
 * operation (`shows` is its value, or NULL), and an option that says more about operations, `field` of lm_augment_options. */
#define LM_ENTRY_GROUP(title) {.name = title, .type = LM_OPT_GROUP}
#define LM_ENTRY_STEP(long_name, shows, ...)                                                                  \
    {.name = long_name, .type = LM_OPT_STEP, .target = to->steps, .value = shows, __VA_ARGS__}
#define LM_ENTRY(long_name, kind, field, shows, ...)                                                          \
    {.name = long_name, .type = kind, .target = &to->options->field, .value = shows, __VA_ARGS__}

/* The same of an option that is about these operations (names between blanks): refused where none of them is given. */
#define LM_ENTRY_ABOUT(operations, long_name, kind, field, shows, ...)                                        \
    LM_ENTRY(long_name, kind, field, shows, .given = lm_augment_about(to, long_name, operations), __VA_ARGS__)

#endif
