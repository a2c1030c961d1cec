#include "augment/quality/stop_words.h"

#include "augment/words/word_lines.h"

static void add(lm_stop_words *s, lm_str word)
{
    lm_word_counts_number(&s->words, word);
    if (word.len > s->longest)
        s->longest = word.len;
}

void lm_stop_words_make(lm_stop_words *s, const char *words)
{
    for (size_t n; *words; words += n + (words[n] == ' ')) {
        n = strcspn(words, " ");
        add(s, (lm_str){words, n});
    }
}

bool lm_stop_words_read(lm_stop_words *s, const char *path, lm_status *st)
{
    lm_word_lines *lines = lm_word_lines_open(path, "--stop-words", st);
    lm_str line;
    while (lines && lm_word_lines_next(lines, &line, st))
        add(s, line);
    lm_word_lines_close(lines);
    return lm_ok(st) && (s->words.n || lm_fail(st, LM_FAILED, "%s: no stop words are in it: write one a line", path));
}

void lm_stop_words_free(lm_stop_words *s)
{
    lm_word_counts_free(&s->words);
}

/* Is it a stop word that was not found before? */
static bool is_new(const lm_stop_words *s, lm_str word, uint64_t *found, bool *is_stop)
{
    int32_t number = word.len <= s->longest ? lm_word_counts_find(&s->words, word) : -1;
    *is_stop = number >= 0;
    if (!*is_stop)
        return false;
    uint64_t bit = UINT64_C(1) << number % 64, *bits = &found[number / 64];
    bool new = !(*bits & bit);
    *bits |= bit;
    return new;
}

size_t lm_stop_words_count(const lm_stop_words *s, const lm_count_words *w, lm_str text, bool endings, size_t most,
                           uint64_t *found)
{
    memset(found, 0, (s->words.n + 63) / 64 * sizeof *found);
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
