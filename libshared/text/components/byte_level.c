#include "text/components/byte_level.h"

#include "base/utf8.h"

static bool stands_for_itself(uint32_t byte)
{
    return (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
}

uint32_t lm_byte_level_char(unsigned char byte)
{
    if (stands_for_itself(byte))
        return byte;
    return byte <= 0x20 ? 0x100u + byte : byte < 0xA1 ? 0x121u + (byte - 0x7F) : 0x143;
}

int lm_byte_level_byte(uint32_t code)
{
    if (code < 0x100)
        return stands_for_itself(code) ? (int)code : -1;
    if (code <= 0x120)
        return (int)(code - 0x100);
    return code <= 0x142 ? (int)(code - 0x121 + 0x7F) : code == 0x143 ? 0xAD : -1;
}

static void push(lm_pieces *p, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        lm_char c = p->chars.at[i];
        if (c.code - 0x21 < 0x5E) {
            lm_chars_push(&p->spare, c.code, c.from, c.to);
            continue;
        }
        char bytes[4];
        size_t n = lm_utf8_encode(c.code, bytes);
        for (size_t k = 0; k < n; k++)
            lm_chars_push(&p->spare, lm_byte_level_char((unsigned char)bytes[k]), c.from, c.to);
    }
}

void lm_byte_level_chars(lm_pieces *p)
{
    lm_pieces_rewrite(p);
    push(p, 0, p->chars.n);
    lm_pieces_swap(p);
}

void lm_byte_level_words(lm_pieces *p)
{
    lm_pieces_rewrite(p);
    lm_chars_reserve(&p->spare, p->chars.n);
    for (size_t i = 0; i < p->word_count; i++) {
        lm_word w = p->words[i];
        size_t start = p->spare.n;
        if (w.id >= 0)
            lm_pieces_copy(p, w);
        else
            push(p, (size_t)w.from, (size_t)w.to);
        lm_pieces_close_word(p, start, w.id);
    }
    lm_pieces_swap(p);
    lm_pieces_swap_words(p);
}
