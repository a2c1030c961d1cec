/* GPT-2's way to write any byte as a character that can be seen: printable Latin-1 stands for itself, the
 * others are the characters from U+0100 on, in the order of the bytes. */
#ifndef LM_TEXT_BYTE_LEVEL_H
#define LM_TEXT_BYTE_LEVEL_H

#include "text/unicode/chars.h"

uint32_t lm_byte_level_char(unsigned char byte);
int lm_byte_level_byte(uint32_t code); /* -1: it stands for no byte */

enum { LM_BYTE_LEVEL_SPACE = 0x120 };

/* Writes the UTF-8 of all characters, or of those of ordinary words, as such characters. */
void lm_byte_level_chars(lm_pieces *p);
void lm_byte_level_words(lm_pieces *p);

#endif
