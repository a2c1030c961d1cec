#include "augment/overlap/words.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/unicode.h"

#include <stdlib.h>
#include <xxhash.h>

void lm_compared_words_free(lm_compared_words *w)
{
    free(w->hashes);
    lm_buf_free(&w->word);
    lm_buf_free(&w->composed);
    lm_pieces_free(&w->pieces);
    *w = (lm_compared_words){0};
}

static void end_word(lm_compared_words *w)
{
    if (!w->word.len)
        return;
    LM_GROW(w->hashes, w->count, w->cap);
    w->hashes[w->count++] = XXH3_64bits(w->word.data, w->word.len);
    w->word.len = 0;
}

/* ASCII letters and digits; `| 0x20` makes them lower case. */
static const bool is_word[256] = {['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true};

static bool is_conjoining_jamo(uint32_t code)
{
    return code >= 0x1160 && code <= 0x11FF;
}

/* A character beyond ASCII. False: the text has to be composed before it can be read. */
static bool add_character(lm_compared_words *w, const uint16_t *table, uint32_t code, bool composed)
{
    unsigned is = lm_unicode_is(table, code);
    if (!composed && ((is & LM_CP_NONSPACING) || is_conjoining_jamo(code)))
        return false;
    if (is & (LM_CP_SPACE | LM_CP_PUNCT)) {
        end_word(w);
        return true;
    }
    if (is & LM_CP_CONTROL)
        return true; /* zero-width and format characters are nothing */
    bool alone = (is & LM_CP_CJK) || (code >= 0x3041 && code <= 0x30FF);
    if (alone)
        end_word(w);
    uint32_t lower[2] = {code, 0};
    int n = is & LM_CP_LOWER ? lm_unicode_lower_case(code, lower) : 1;
    for (int i = 0; i < n; i++) {
        char bytes[4];
        lm_buf_append(&w->word, bytes, lm_utf8_encode(lower[i], bytes));
    }
    if (alone)
        end_word(w);
    return true;
}

static bool add(lm_compared_words *w, lm_str text, bool composed)
{
    const uint16_t *table = lm_unicode_table();
    const unsigned char *p = (const unsigned char *)text.data, *end = p + text.len;
    while (p < end) {
        const unsigned char *from = p;
        while (p < end && is_word[*p])
            p++;
        if (p > from) {
            lm_buf_reserve(&w->word, (size_t)(p - from));
            for (char *to = w->word.data + w->word.len; from < p; w->word.len++)
                *to++ = (char)(*from++ | 0x20);
            if (p == end)
                break;
        }
        if (*p < 0x80) {
            end_word(w);
            p++;
            continue;
        }
        uint32_t code;
        size_t n = lm_utf8_decode((const char *)p, (size_t)(end - p), &code);
        if (!add_character(w, table, code, composed))
            return false;
        p += n;
    }
    end_word(w);
    return true;
}

/* What is composed at once: up to the first white space behind so many bytes, since nothing composes with it. */
static size_t slice_end(lm_str text, size_t from)
{
    enum { SLICE = 1 << 16, LONGEST = 1 << 24 };
    if (text.len - from <= SLICE)
        return text.len;
    size_t end = from + SLICE, most = text.len - from > LONGEST ? from + LONGEST : text.len;
    while (end < most && text.data[end] != ' ' && text.data[end] != '\n')
        end++;
    while (end < text.len && ((unsigned char)text.data[end] & 0xC0) == 0x80)
        end++;
    return end;
}

void lm_compared_words_add(lm_compared_words *w, lm_str text)
{
    for (size_t from = 0, to; from < text.len; from = to) {
        size_t count = w->count;
        to = slice_end(text, from);
        if (add(w, (lm_str){text.data + from, to - from}, false))
            continue;
        w->count = count;
        w->word.len = 0;
        lm_pieces_read(&w->pieces, (lm_str){text.data + from, to - from}, 0, to - from);
        lm_pieces_compose(&w->pieces, false);
        w->composed.len = 0;
        lm_chars_utf8(&w->pieces.chars, 0, w->pieces.chars.n, &w->composed);
        add(w, lm_buf_str(&w->composed), true);
    }
}
