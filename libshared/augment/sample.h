/* Choosing records by lot. */
#ifndef LM_AUGMENT_SAMPLE_H
#define LM_AUGMENT_SAMPLE_H

#include "augment/augment.h"

extern const lm_operation_kind lm_sample_kind; /* --sample SHARE */

#endif
