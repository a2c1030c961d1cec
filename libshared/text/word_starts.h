/* Where words begin, 64 bytes at a time: what the scanners of byte_path.h find, as bits. */
#ifndef LM_TEXT_WORD_STARTS_H
#define LM_TEXT_WORD_STARTS_H

#include "text/byte_path.h"

enum { LM_STARTS_BYTES = 64 };

/* The words of s[i..to), the first of which begins at i, as far as the next 64 bytes tell where they end: bit k of the result says
 * that a word begins at i + k. *sure: what lies before s[*sure] is cut; *sure is i where these bytes do not tell, and `to` where
 * they reach to the end. s[i..to) is as the scanners want it. */
uint64_t lm_word_starts(const lm_byte_path *b, const char *s, size_t i, size_t to, size_t *sure);

#endif
