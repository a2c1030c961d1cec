/* UTF-8: validation and decoding as Unicode 15 chapter 3 defines well-formed sequences. */
#ifndef LM_BASE_UTF8_H
#define LM_BASE_UTF8_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a byte is one of a character, but not its first. */
static inline bool lm_utf8_inner(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}
/* Bytes of ASCII at the start of s. */
size_t lm_ascii_prefix(const char *s, size_t len);
/* Offset of the first byte that is not part of a well-formed sequence; len where all is well. */
size_t lm_utf8_valid_prefix(const char *s, size_t len);
static inline bool lm_utf8_valid(const char *s, size_t len)
{
    return lm_utf8_valid_prefix(s, len) == len;
}
/* Decodes one code point of n > 0 bytes; returns the bytes it took. An ill-formed sequence gives U+FFFD for its
 * maximal subpart (what Rust's from_utf8_lossy and WHATWG do). */
size_t lm_utf8_decode(const char *s, size_t n, uint32_t *code);
/* The same where it is known that s is well-formed, and does not end within the character. */
static inline size_t lm_utf8_known(const char *s, uint32_t *code)
{
    const unsigned char *b = (const unsigned char *)s;
    uint32_t c = b[0];
    size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    if (n == 2)
        c = (c & 0x1F) << 6 | (b[1] & 0x3F);
    else if (n == 3)
        c = (c & 0xF) << 12 | (b[1] & 0x3Fu) << 6 | (b[2] & 0x3F);
    else if (n == 4)
        c = (c & 7) << 18 | (b[1] & 0x3Fu) << 12 | (b[2] & 0x3Fu) << 6 | (b[3] & 0x3F);
    *code = c;
    return n;
}
size_t lm_utf8_encode(uint32_t code, char out[4]);          /* bytes written; a surrogate or a code above U+10FFFF writes U+FFFD */
size_t lm_utf8_count(const char *s, size_t len);            /* code points; an ill-formed part is one */
void lm_utf8_replace_invalid(lm_str in, lm_buf *out);       /* appends, with U+FFFD for ill-formed parts */

#endif
