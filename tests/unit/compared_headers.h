/* What our scanners make of JSON, beside jansson. */
#ifndef LM_TESTS_COMPARED_HEADERS_H
#define LM_TESTS_COMPARED_HEADERS_H

#include "stream/record.h"

/* NULL where both find the same in a header line, else what they do not. *quick: the scanner was sure of it. */
const char *headers_differ(lm_str line, bool *quick);

/* The same of a JSON value as records of text have it: valid UTF-8; names may stand twice, numbers may be of any size and
 * surrogates alone. *good: it is one. */
const char *values_differ(lm_str value, bool *good);

#endif
