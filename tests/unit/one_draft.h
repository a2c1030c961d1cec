/* One record through one operation that looks at nothing else. */
#ifndef LM_TESTS_ONE_DRAFT_H
#define LM_TESTS_ONE_DRAFT_H

#include "augment/augment.h"

/* Opens the operation, applies it, closes it. What the texts are afterwards stands in `texts`, malloced and NUL-terminated. Returns why
 * it was dropped, "" where it was kept; malloced. */
char *one_draft(const lm_operation_kind *kind, const char *value, const lm_augment_options *o, lm_str *texts, int count);

#endif
