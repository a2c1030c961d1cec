#include "augment/contextual/whole_words.h"
#include "augment/words/case.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/chars.h"
#include "text/unicode/hangul.h"
#include "text/unicode/python_text.h"
#include "text/unicode/unicode.h"

#include <stdlib.h>

void lm_whole_words_free(lm_whole_words *w)
{
    free(w->words);
    free(w->lower);
    lm_arena_free(w->arena);
    *w = (lm_whole_words){0};
}

/* The letters that syllables are made of, which are no words by themselves: ㅋㅋ, or half a syllable. */
static bool is_jamo(uint32_t code)
{
    return (code >= 0x1100 && code <= 0x11FF) || (code >= 0x3131 && code <= 0x318E) || (code >= 0xA960 && code <= 0xA97F) ||
           (code >= 0xD7B0 && code <= 0xD7FF);
}

bool lm_is_letters(lm_str word)
{
    const uint16_t *table = lm_unicode_table();
    size_t count = 0;
    uint32_t code = 0;
    for (size_t i = 0; i < word.len; count++) {
        size_t n = lm_utf8_decode(word.data + i, word.len - i, &code);
        unsigned is = lm_unicode_is(table, code);
        bool apostrophe = (code == '\'' || code == 0x2019) && i > 0 && i + n < word.len;
        bool letter = (is & LM_CP_WORD) && !(is & LM_CP_NUMBER) && code != '_' && !is_jamo(code);
        if (!letter && !apostrophe)
            return false;
        i += n;
    }
    return count > 1 || (count == 1 && code >= 0x2E80); /* from there on a character may be a word */
}

bool lm_begins_with_syllable(lm_str word)
{
    uint32_t code = 0;
    return word.len && lm_utf8_decode(word.data, word.len, &code) && lm_is_syllable(code);
}

/* How a vocabulary shows where words begin. */
typedef enum words_begin {
    EVERYWHERE,
    WITHOUT_HASHES, /* ##ing goes on */
    WITH_SPACE,     /* Ġword, as byte-level vocabularies write a space */
    WITH_METASPACE  /* ▁word */
} words_begin;

static const char *const marks[] = {"", "##", "\xC4\xA0", "\xE2\x96\x81"};

static bool has_mark(lm_str token, words_begin way)
{
    size_t n = strlen(marks[way]);
    return token.len > n && memcmp(token.data, marks[way], n) == 0;
}

static words_begin way_of(const lm_tokenizer *t, int size)
{
    int counts[4] = {0};
    words_begin most = EVERYWHERE;
    for (int id = 0; id < size; id++)
        for (int way = WITHOUT_HASHES; way <= WITH_METASPACE; way++)
            counts[way] += has_mark(lm_tokenizer_token(t, id), (words_begin)way);
    for (int way = WITHOUT_HASHES; way <= WITH_METASPACE; way++)
        if (counts[way] > counts[most])
            most = (words_begin)way;
    return most;
}

/* Room for one token after another. */
typedef struct spelling {
    lm_buf text, lower;
    lm_pieces pieces;
} spelling;

/* What the token is in a text, composed, as BERT's uncased vocabularies have Hangul in parts. */
static bool spell(const lm_tokenizer *t, int32_t id, spelling *s)
{
    lm_status st = LM_STATUS_INIT;
    s->text.len = s->lower.len = 0;
    if (!lm_decode(t, &id, 1, true, &s->text, &st))
        return false;
    lm_str text = lm_text_trim(lm_buf_str(&s->text), NULL, true, true);
    lm_pieces_read(&s->pieces, text, 0, text.len);
    lm_pieces_compose(&s->pieces, false);
    s->text.len = 0;
    lm_chars_utf8(&s->pieces.chars, 0, s->pieces.chars.n, &s->text);
    lm_lower_case(lm_buf_str(&s->text), &s->lower);
    return true;
}

static lm_str keep(lm_arena *arena, const lm_buf *text)
{
    return (lm_str){lm_arena_strndup(arena, text->data, text->len), text->len};
}

bool lm_whole_words_find(lm_whole_words *w, const lm_tokenizer *t, int size, lm_status *st)
{
    spelling s = {0};
    *w = (lm_whole_words){.size = size < lm_tokenizer_size(t) ? size : lm_tokenizer_size(t), .arena = lm_arena_new(0)};
    w->words = lm_calloc((size_t)w->size + 1, sizeof *w->words);
    w->lower = lm_calloc((size_t)w->size + 1, sizeof *w->lower);
    words_begin way = way_of(t, w->size);
    for (int id = 0; id < w->size; id++) {
        bool begins = way == EVERYWHERE || has_mark(lm_tokenizer_token(t, id), way) == (way != WITHOUT_HASHES);
        if (!begins || lm_tokenizer_is_special(t, id) || !spell(t, id, &s) || !lm_is_letters(lm_buf_str(&s.text)))
            continue;
        w->words[id] = keep(w->arena, &s.text);
        w->lower[id] = keep(w->arena, &s.lower);
        w->count++;
    }
    lm_buf_free(&s.text);
    lm_buf_free(&s.lower);
    lm_pieces_free(&s.pieces);
    return w->count || lm_fail(st, LM_FAILED, "its vocabulary has no whole words: give a model whose tokens are words or parts of words");
}
