/* Shares of a text's words or letters, as the values of operations. */
#ifndef LM_AUGMENT_SHARE_H
#define LM_AUGMENT_SHARE_H

#include "base/status.h"

/* The share that stands behind --NAME: 0.1, 10%; `usual` where nothing does. Not a number from 0 to 1: LM_USAGE. */
bool lm_share_parse(const char *value, const char *name, double usual, double *share, lm_status *st);
/* For lm_option.optional. */
bool lm_is_share(const char *word);

#endif
