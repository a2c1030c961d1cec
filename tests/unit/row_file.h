/* A stream of tokens in a file, for tests that read one. */
#ifndef LM_TESTS_ROW_FILE_H
#define LM_TESTS_ROW_FILE_H

#include "stream/tokens.h"

typedef struct row_file row_file;

row_file *row_file_new(const char *path); /* what stands there is replaced */
void row_file_add(row_file *f, const lm_tokens_row *row);
void row_file_close(row_file *f); /* to its good end */

#endif
