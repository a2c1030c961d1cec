#include "augment/words/words.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/unicode.h"

#include <stdlib.h>

/* What a character is to this file. */
enum { OTHER, LETTER, DIGIT, SPACE, ALONE /* a word by itself */ };

static int class_of(const uint16_t *table, uint32_t code)
{
    if (code < 0x80)
        return code >= '0' && code <= '9'                                      ? DIGIT
               : (code | 32) >= 'a' && (code | 32) <= 'z'                      ? LETTER
               : code == ' ' || (code >= '\t' && code <= '\r')                 ? SPACE
                                                                               : OTHER;
    unsigned p = lm_unicode_is(table, code);
    if (p & LM_CP_SPACE)
        return SPACE;
    if (p & LM_CP_CJK || (code >= 0x3041 && code <= 0x30FF && p & LM_CP_WORD)) /* kana */
        return ALONE;
    return p & LM_CP_NUMBER ? DIGIT : p & (LM_CP_WORD | LM_CP_MARK) ? LETTER : OTHER;
}

/* The character at i and its class; returns its bytes, 0 at the end. */
static size_t look(const uint16_t *table, lm_str text, size_t i, uint32_t *code, int *class)
{
    *code = 0, *class = SPACE;
    if (i >= text.len)
        return 0;
    size_t n = 1;
    *code = (unsigned char)text.data[i];
    if (*code >= 0x80)
        n = lm_utf8_decode(text.data + i, text.len - i, code);
    *class = class_of(table, *code);
    return n;
}

static bool begins(lm_str s, const char *with)
{
    size_t n = strlen(with);
    return s.len >= n && memcmp(s.data, with, n) == 0;
}

/* Whether a chunk is taken as one word. */
static bool is_fixed(lm_str c)
{
    if (c.len < 2)
        return false;
    char first = c.data[0], last = c.data[c.len - 1];
    if ((first == '<' && memchr(c.data, '>', c.len)) || (first == '[' && last == ']' && c.data[1] >= 'A' && c.data[1] <= 'Z'))
        return true;
    if (first == '@' || first == '#' || begins(c, "www."))
        return true;
    const char *at = memchr(c.data + 1, '@', c.len - 2);
    return at || memmem(c.data, c.len, "://", 3);
}

static void add(lm_text_words *w, size_t from, size_t to, lm_word_kind kind)
{
    LM_GROW(w->at, w->count, w->cap);
    w->at[w->count++] = (lm_text_word){(uint32_t)from, (uint32_t)to, (uint32_t)w->chunk_count - 1, kind};
}

static void add_chunk(lm_text_words *w, size_t from, size_t to)
{
    LM_GROW(w->chunks, w->chunk_count, w->chunk_cap);
    w->chunks[w->chunk_count++] = (lm_text_chunk){(uint32_t)from, (uint32_t)to, (uint32_t)w->count};
}

/* The end of the word of letters and digits that begins at i. */
static size_t word_end(const uint16_t *table, lm_str text, size_t i)
{
    uint32_t code;
    int class, before = OTHER;
    for (;;) {
        size_t n = look(table, text, i, &code, &class);
        if (class == LETTER || class == DIGIT) {
            before = class;
            i += n;
            continue;
        }
        bool apostrophe = before == LETTER && (code == '\'' || code == 0x2019);
        bool point = before == DIGIT && (code == '.' || code == ',');
        int next;
        if (!apostrophe && !point)
            return i;
        look(table, text, i + n, &code, &next);
        if (next != before)
            return i;
        i += n;
    }
}

/* The words of a chunk. */
static void split_chunk(lm_text_words *w, const uint16_t *table, size_t from, size_t to, lm_longest_entry *longest,
                        const void *entries)
{
    lm_str text = {w->text.data, to};
    uint32_t code;
    int class;
    for (size_t i = from; i < to;) {
        size_t n = look(table, text, i, &code, &class), end = i + n;
        if (class == ALONE) {
            size_t known = longest ? longest(entries, (lm_str){text.data + i, to - i}) : 0;
            end = i + (known > n ? known : n);
            add(w, i, end, LM_WORD_ALONE);
        } else if (class == LETTER || class == DIGIT) {
            end = word_end(table, text, i);
            add(w, i, end, LM_WORD_PLAIN);
        }
        i = end;
    }
}

bool lm_text_words_split(lm_text_words *w, lm_str text, lm_longest_entry *longest, const void *entries, lm_status *st)
{
    const uint16_t *table = lm_unicode_table();
    w->text = text;
    w->count = w->chunk_count = 0;
    if (text.len >= UINT32_MAX)
        return lm_fail(st, LM_FAILED, "a text of %zu bytes: more than an operation on words takes: cut it into parts", text.len);
    uint32_t code;
    int class;
    for (size_t i = 0; i < text.len;) {
        size_t n = look(table, text, i, &code, &class);
        if (class == SPACE) {
            i += n;
            continue;
        }
        size_t from = i;
        while (class != SPACE) {
            i += n;
            n = look(table, text, i, &code, &class);
        }
        add_chunk(w, from, i);
        if (is_fixed((lm_str){text.data + from, i - from}))
            add(w, from, i, LM_WORD_FIXED);
        else
            split_chunk(w, table, from, i, longest, entries);
    }
    add_chunk(w, text.len, text.len);
    w->chunk_count--;
    return true;
}

void lm_text_words_free(lm_text_words *w)
{
    free(w->at);
    free(w->chunks);
    *w = (lm_text_words){0};
}
