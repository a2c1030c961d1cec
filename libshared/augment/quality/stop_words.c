#include "augment/quality/stop_words.h"

#include "base/arena.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "stream/input.h"
#include "text/unicode/python_text.h"

#include <stdlib.h>
#include <xxhash.h>

static uint32_t *slot_of(const lm_stop_words *s, lm_str word)
{
    size_t at = XXH3_64bits(word.data, word.len) & s->mask;
    while (s->slots[at] && !lm_str_equal(s->items[s->slots[at] - 1], word))
        at = (at + 1) & s->mask;
    return &s->slots[at];
}

static void index_words(lm_stop_words *s)
{
    size_t cap = 16;
    while (cap < 2 * s->count + 1)
        cap *= 2;
    s->slots = lm_calloc(cap, sizeof *s->slots);
    s->mask = cap - 1;
    for (size_t i = 0; i < s->count; i++) {
        *slot_of(s, s->items[i]) = (uint32_t)i + 1;
        if (s->items[i].len > s->longest)
            s->longest = s->items[i].len;
    }
}

static void add(lm_stop_words *s, lm_str word)
{
    LM_GROW(s->items, s->count, s->cap);
    s->items[s->count++] = word;
}

void lm_stop_words_make(lm_stop_words *s, const char *words)
{
    for (size_t n; *words; words += n + (words[n] == ' ')) {
        n = strcspn(words, " ");
        add(s, (lm_str){words, n});
    }
    index_words(s);
}

bool lm_stop_words_read(lm_stop_words *s, const char *path, lm_status *st)
{
    enum { LINE_MOST = 1 << 16 };
    lm_input *in = lm_input_open(path, st);
    s->arena = lm_arena_new(0);
    lm_str line;
    bool end = false;
    for (size_t number = 1; in && lm_input_line(in, LINE_MOST, &line, &end, NULL, st) && !end; number++) {
        if (!lm_utf8_valid(line.data, line.len)) {
            lm_fail(st, LM_FAILED, "%s:%zu: this is not UTF-8: write stop words in UTF-8, one a line", path, number);
            break;
        }
        line = lm_text_trim(line, NULL, true, true);
        if (line.len)
            add(s, (lm_str){lm_arena_strndup(s->arena, line.data, line.len), line.len});
    }
    lm_input_close(in);
    if (lm_ok(st) && !s->count)
        lm_fail(st, LM_FAILED, "%s: no stop words are in it: write one a line", path);
    index_words(s);
    return lm_ok(st);
}

void lm_stop_words_free(lm_stop_words *s)
{
    free(s->items);
    free(s->slots);
    lm_arena_free(s->arena);
    *s = (lm_stop_words){0};
}

/* Is it a stop word that was not found before? */
static bool is_new(const lm_stop_words *s, lm_str word, uint64_t *found, bool *is_stop)
{
    uint32_t slot = word.len <= s->longest ? *slot_of(s, word) : 0;
    *is_stop = slot > 0;
    if (!slot)
        return false;
    uint64_t bit = UINT64_C(1) << (slot - 1) % 64, *bits = &found[(slot - 1) / 64];
    bool new = !(*bits & bit);
    *bits |= bit;
    return new;
}

size_t lm_stop_words_count(const lm_stop_words *s, const lm_count_words *w, lm_str text, bool endings, size_t most,
                           uint64_t *found)
{
    memset(found, 0, (s->count + 63) / 64 * sizeof *found);
    size_t count = 0;
    for (size_t i = 0; i < w->count && count < most; i++) {
        lm_str word = {text.data + w->items[i].from, w->items[i].len};
        bool is_stop;
        count += is_new(s, word, found, &is_stop);
        if (!endings || !(w->items[i].is & LM_WORD_HANGUL) || is_stop)
            continue;
        size_t skip = word.len > s->longest ? word.len - s->longest : 1;
        for (; skip < word.len && !is_stop; skip++)
            if (((unsigned char)word.data[skip] & 0xC0) != 0x80)
                count += is_new(s, (lm_str){word.data + skip, word.len - skip}, found, &is_stop);
    }
    return count;
}
