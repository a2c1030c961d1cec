/* A record's header as the scanner takes it apart, beside jansson. */
#ifndef LM_TESTS_COMPARED_HEADERS_H
#define LM_TESTS_COMPARED_HEADERS_H

#include "stream/record.h"

/* NULL where both find the same in a header line, else what they do not. *quick: the scanner was sure of it. */
const char *headers_differ(lm_str line, bool *quick);

#endif
