#include "augment/contextual/masking.h"
#include "augment/eda/josa.h"
#include "augment/words/case.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>

/* A text of a gigabyte is not tokenized at once: a piece of it ends at the last white space before so many bytes. */
enum { PIECE_BYTES = 65536 };

/* A word that one mask could stand for. */
typedef struct usable {
    int window;          /* encoding that its tokens are in, 0 for the first */
    int first, last;     /* tokens that the mask replaces */
    size_t from, to, stem;
    bool chosen;
} usable;

struct lm_masking_room {
    const lm_masking_words *how;
    lm_encoder *encoder;
    lm_encoding encoding;
    lm_text_words words;
    usable *usable;
    size_t count, cap;
    uint32_t *order;     /* [count] */
    size_t order_cap;
    lm_buf lower;
};

lm_masking_room *lm_masking_room_new(const lm_masking_words *how)
{
    lm_masking_room *r = lm_calloc(1, sizeof *r);
    r->how = how;
    r->encoder = lm_encoder_new(how->tokenizer);
    return r;
}

void lm_masking_room_free(lm_masking_room *r)
{
    if (!r)
        return;
    lm_encoder_free(r->encoder);
    lm_encoding_free(&r->encoding);
    lm_text_words_free(&r->words);
    free(r->usable);
    free(r->order);
    lm_buf_free(&r->lower);
    free(r);
}

/* ------------------------------------------------------------------ words and their tokens */

static const lm_encoding *window_of(const lm_masking_room *r, int i)
{
    return i ? &r->encoding.overflow[i - 1] : &r->encoding;
}

/* The bytes that a token stands for, without a space that it begins with. False: it is none of the text's. */
static bool span_of(const lm_encoding *e, int t, lm_str text, size_t *from, size_t *to)
{
    if (e->special[t] || e->offsets[2 * t] >= e->offsets[2 * t + 1])
        return false;
    *from = (size_t)e->offsets[2 * t];
    *to = (size_t)e->offsets[2 * t + 1];
    while (*from < *to && text.data[*from] == ' ')
        ++*from;
    return *from < *to;
}

/* Where the particles of a Korean word begin, if some of its tokens are the rest of it: the last token before them; else -1. */
static int find_stem(const lm_encoding *e, lm_str text, const usable *u, size_t *stem)
{
    size_t from, to, next_from, next_to;
    for (int t = u->first; t < u->last; t++) {
        bool verb;
        if (!span_of(e, t, text, &from, &to) || !span_of(e, t + 1, text, &next_from, &next_to) || next_from != to)
            continue; /* a syllable that is cut is no end of a word */
        lm_str noun = {text.data + u->from, to - u->from}, tail = {text.data + to, u->to - to};
        if (lm_josa_follows(noun, tail, &verb)) {
            *stem = noun.len;
            return t;
        }
    }
    return -1;
}

static void add_usable(lm_masking_room *r, usable u)
{
    LM_GROW(r->usable, r->count, r->cap);
    r->usable[r->count++] = u;
}

/* The word [from, to) of the text, whose first token is the first from *t on that begins there. False: its tokens have others' bytes,
 * or not all of its own. */
static bool find_tokens(const lm_encoding *e, lm_str text, int *t, usable *u)
{
    size_t from = 0, to = 0;
    while (*t < e->len && (!span_of(e, *t, text, &from, &to) || from < u->from))
        ++*t;
    if (*t == e->len || from != u->from)
        return false;
    u->first = u->last = *t;
    for (size_t end = to; *t < e->len; ++*t) {
        if (!span_of(e, *t, text, &from, &to) || from >= u->to)
            return end == u->to;
        if (from > end || to > u->to)
            return false;
        end = to;
        u->last = *t;
    }
    return to == u->to;
}

static bool may_change(lm_masking_room *r, lm_str word)
{
    if (!lm_is_letters(word))
        return false;
    r->lower.len = 0;
    lm_lower_case(word, &r->lower);
    return !lm_word_set_has(r->how->protect, lm_buf_str(&r->lower));
}

/* All words of a piece of a text that can be masked. */
static bool find_usable(lm_masking_room *r, lm_str text, lm_status *st)
{
    const lm_encode_options options = {.max_length = r->how->max_length, .overflow = true};
    r->count = 0;
    if (!lm_text_words_split(&r->words, text, NULL, NULL, st) ||
        !lm_encode(r->encoder, text, (lm_str){0}, &options, &r->encoding, st))
        return false;
    for (int window = 0, t = 0; window <= r->encoding.overflow_count; window++, t = 0) {
        const lm_encoding *e = window_of(r, window);
        for (size_t i = 0; i < r->words.count; i++) {
            usable u = {.window = window, .from = r->words.at[i].from, .to = r->words.at[i].to};
            u.stem = u.to - u.from;
            if (r->words.at[i].kind == LM_WORD_FIXED || !find_tokens(e, text, &t, &u) ||
                !may_change(r, lm_text_word_str(&r->words, i)))
                continue;
            int stem = lm_begins_with_syllable(lm_text_word_str(&r->words, i)) ? find_stem(e, text, &u, &u.stem) : -1;
            if (stem >= 0)
                u.last = stem;
            add_usable(r, u);
        }
    }
    return true;
}

/* ------------------------------------------------------------------ choosing, and rows */

static void choose(lm_masking_room *r, lm_draws *draws)
{
    size_t wanted = (size_t)(r->how->share * (double)r->count);
    wanted = wanted < 1 ? 1 : wanted;
    if (r->how->share <= 0)
        return;
    if (r->count > r->order_cap) {
        r->order_cap = r->count;
        r->order = lm_realloc(r->order, r->count, sizeof *r->order);
    }
    for (size_t i = 0; i < r->count; i++)
        r->order[i] = (uint32_t)i;
    for (size_t i = 0; i < wanted && i < r->count; i++) {
        size_t other = i + lm_draw_below(draws, (uint32_t)(r->count - i));
        uint32_t which = r->order[other];
        r->order[other] = r->order[i];
        r->order[i] = which;
        r->usable[which].chosen = true;
    }
}

/* Returns the number of the mask. */
static size_t add_word(lm_masked_words *words, const usable *u, lm_masked_word at, lm_str text, size_t piece, lm_draws *draws,
                       lm_masking_room *r, lm_arena *arena)
{
    lm_str noun = {text.data + u->from, u->stem};
    r->lower.len = 0;
    lm_lower_case(noun, &r->lower);
    at.from = piece + u->from;
    at.to = piece + u->to;
    at.stem = u->stem;
    LM_GROW(words->at, words->count, words->cap);
    LM_GROW(words->masks, words->count, words->mask_cap);
    words->at[words->count] = at;
    words->masks[words->count] = (lm_mask){.not_this = {lm_arena_strndup(arena, r->lower.data, r->lower.len), r->lower.len},
                                           .syllable = lm_begins_with_syllable(noun),
                                           .unit = lm_draw(draws) * 0x1p-32,
                                           .token = -1};
    return words->count++;
}

/* The rows of the windows in which words were chosen. usable[] is in the order of the text, and of the windows. */
static bool add_rows(lm_masking_room *r, lm_str text, size_t piece, lm_masked_word at, lm_draws *draws, lm_masked_words *words,
                     lm_masked_rows *rows, lm_arena *arena, lm_status *st)
{
    for (size_t i = 0; i < r->count;) {
        if (!r->usable[i].chosen) {
            i++;
            continue;
        }
        int window = r->usable[i].window;
        const lm_encoding *e = window_of(r, window);
        lm_masked_rows_begin(rows);
        for (int t = 0; t < e->len; t++) {
            while (i < r->count && r->usable[i].window == window && (!r->usable[i].chosen || r->usable[i].last < t))
                i++;
            const usable *u = i < r->count && r->usable[i].window == window ? &r->usable[i] : NULL;
            if (!u || t < u->first)
                lm_masked_rows_add(rows, e->ids[t], e->types[t], -1);
            else if (t == u->first)
                lm_masked_rows_add(rows, r->how->mask_id, e->types[t],
                                   (int64_t)add_word(words, u, at, text, piece, draws, r, arena));
        }
        while (i < r->count && r->usable[i].window == window)
            i++;
        if (!lm_masked_rows_end(rows, words->masks, st))
            return false;
    }
    return true;
}

/* How much of a text is looked at together. */
static size_t piece_of(lm_str text)
{
    size_t n = PIECE_BYTES;
    if (text.len <= n)
        return text.len;
    while (n && text.data[n] != ' ' && text.data[n] != '\n')
        n--;
    if (!n) /* no white space: at a character */
        for (n = PIECE_BYTES; n && ((unsigned char)text.data[n] & 0xC0) == 0x80; n--)
            ;
    return n;
}

bool lm_masking_text(lm_masking_room *r, lm_str text, lm_masked_word at, lm_draws *draws, lm_masked_words *words,
                     lm_masked_rows *rows, lm_arena *arena, lm_status *st)
{
    for (size_t done = 0; done < text.len;) {
        lm_str piece = {text.data + done, text.len - done};
        piece.len = piece_of(piece);
        if (!find_usable(r, piece, st))
            return false;
        choose(r, draws);
        if (!add_rows(r, piece, done, at, draws, words, rows, arena, st))
            return false;
        done += piece.len;
    }
    return true;
}
