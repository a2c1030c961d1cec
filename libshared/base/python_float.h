/* A float as Python writes it, so that our JSON files and templates say what Python's would. */
#ifndef LM_BASE_PYTHON_FLOAT_H
#define LM_BASE_PYTHON_FLOAT_H

#include "base/buffer.h"

/* Appends Python's repr: the shortest digits that read back the same, and always a point or an exponent. What is not
 * finite is spelt as in Python's JSON: NaN, Infinity, -Infinity. */
void lm_python_float(double value, lm_buf *out);

#endif
