#include "augment/words/word_set.h"

#include "augment/words/case.h"
#include "augment/words/word_lines.h"

void lm_word_set_add(lm_word_set *s, lm_str word)
{
    lm_word_counts_number(&s->words, word);
}

bool lm_word_set_read(lm_word_set *s, const char *path, const char *option, lm_status *st)
{
    lm_word_lines *lines = lm_word_lines_open(path, option, st);
    lm_buf lower = {0};
    lm_str line;
    while (lines && lm_word_lines_next(lines, &line, st)) {
        lower.len = 0;
        lm_lower_case(line, &lower);
        lm_word_set_add(s, lm_buf_str(&lower));
    }
    lm_word_lines_close(lines);
    lm_buf_free(&lower);
    return lm_ok(st);
}

bool lm_word_set_has(const lm_word_set *s, lm_str lower)
{
    return lm_word_counts_find(&s->words, lower) >= 0;
}

void lm_word_set_free(lm_word_set *s)
{
    lm_word_counts_free(&s->words);
}
