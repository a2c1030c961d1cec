/* Blocks of records beside the reader of records: both have to find the same, and what is written has to be what was read. */
#ifndef LM_TESTS_COMPARED_BLOCKS_H
#define LM_TESTS_COMPARED_BLOCKS_H

#include "stream/blocks.h"

/* NULL where all is well, else what is not; valid until the next call. `bytes`: of a block. */
const char *blocks_differ(lm_str input, const lm_records_options *o, size_t bytes);
/* Changes texts into nasty ones, writes them, and reads them back. For options that leave nothing to be guessed: --text is
 * given, and whether there is a header; the label is none of the texts. */
const char *changes_lost(lm_str input, const lm_records_options *o, size_t bytes, uint64_t seed);

#endif
