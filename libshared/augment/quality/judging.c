#include "augment/quality/judging.h"

#include <stdlib.h>

const lm_count_words *lm_judging_words(lm_judging *j)
{
    if (!j->cut)
        lm_count_words_cut(&j->words, j->text, false);
    j->cut = true;
    return &j->words;
}

void lm_judging_take(lm_judging *j)
{
    const lm_draft *d = j->draft;
    j->cut = false;
    if (d->text_count == 1) {
        j->text = d->texts[0];
        return;
    }
    j->joined.len = 0;
    for (int i = 0; i < d->text_count; i++) {
        if (i)
            lm_buf_putc(&j->joined, ' ');
        lm_buf_append(&j->joined, d->texts[i].data, d->texts[i].len);
    }
    j->text = lm_buf_str(&j->joined);
}

void lm_judging_free(lm_judging *j)
{
    lm_count_words_free(&j->words);
    lm_repeats_free(&j->repeats);
    lm_buf_free(&j->joined);
    lm_buf_free(&j->line);
    lm_buf_free(&j->lower);
    free(j->found);
    free(j->gram_words);
    *j = (lm_judging){0};
}

bool lm_take_part(lm_str *rest, size_t least, bool runs, lm_str *part)
{
    if (!rest->data)
        return false;
    const char *end = rest->data + rest->len;
    for (const char *p = rest->data; p < end && (p = memchr(p, '\n', (size_t)(end - p)));) {
        const char *from = p++;
        while (runs && p < end && *p == '\n')
            p++;
        if ((size_t)(p - from) < least)
            continue;
        *part = (lm_str){rest->data, (size_t)(from - rest->data)};
        *rest = (lm_str){p, (size_t)(end - p)};
        return true;
    }
    *part = *rest;
    *rest = (lm_str){0};
    return true;
}
