/* Drafts made by hand, and taken through one operation as a run does it: in batches, with rooms that are used again, through
 * observe, collect and settle, apply and follow.
 *
 *     drafts *d = drafts_new();
 *     drafts_add(d, "one  two");
 *     drafts_do(d, &lm_whitespace_kind, "", NULL, 0);
 *     ck_assert_str_eq(drafts_text(d, 0), "one two");
 *     drafts_free(d);
 */
#ifndef LM_TESTS_DRAFTS_H
#define LM_TESTS_DRAFTS_H

#include "augment/augment.h"
#include "augment/options.h"

typedef struct drafts {
    lm_drafts all;    /* dropped ones too */
    lm_drafts batch;  /* in hand */
    lm_arena *given;  /* what was added; its bytes must not change */
    lm_buf report;    /* of the last operation */
    lm_buf shown;
} drafts;

drafts *drafts_new(void);
void drafts_free(drafts *d);
/* A record with one text; its number is how many there are. For more, change what comes back. */
lm_draft *drafts_add(drafts *d, const char *text);
lm_draft *drafts_add_bytes(drafts *d, lm_str text);
/* A record of several texts ("a\tb\tc") and a label (NULL = none). */
lm_draft *drafts_add_texts(drafts *d, const char *texts, const char *label);
/* The record behind the last one is a copy of it. */
lm_draft *drafts_add_copy(drafts *d, uint32_t copy);

/* The operation with this value and options (NULL = the defaults), `per_batch` records at once (0: all). Records that have been
 * dropped are not given to it. May be called again for the next operation. */
void drafts_do(drafts *d, const lm_operation_kind *kind, const char *value, const lm_augment_options *o, size_t per_batch);
/* The same where it may fail; places tell operations apart that draw lots. */
bool drafts_try(drafts *d, const lm_operation_kind *kind, const char *value, const lm_augment_options *o, int place,
                size_t per_batch, lm_status *st);
/* The same of an operation of two values. */
bool drafts_try_two(drafts *d, const lm_operation_kind *kind, const char *first, const char *second,
                    const lm_augment_options *o, int place, size_t per_batch, lm_status *st);

/* The first text of record i; NULL: it was dropped. Valid until the next call. */
const char *drafts_text(drafts *d, size_t i);
const char *drafts_dropped(const drafts *d, size_t i); /* by which rule; NULL = it is kept */
bool drafts_is_untouched(const drafts *d, size_t i);   /* its first text is the very bytes that were added */
/* All texts that are kept, with \n between records and \t between texts. Valid until the next call. */
const char *drafts_all(drafts *d);
/* The first text of "text" behind the operation; NULL: dropped. Malloced. */
char *drafts_one(const lm_operation_kind *kind, const char *value, const lm_augment_options *o, const char *text);

#endif
