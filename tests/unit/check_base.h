/* The parts of check_base, one file each. */
#ifndef LM_TESTS_CHECK_BASE_H
#define LM_TESTS_CHECK_BASE_H

#include "unit.h"

TCase *base_numbers_and_text(void);
TCase *base_files(void);
TCase *base_interrupts(void);
TCase *base_options(void);
TCase *base_progress(void);

#endif
