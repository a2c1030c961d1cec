#include "augment/translate/segments.h"
#include "base/memory.h"
#include "text/unicode/python_text.h"

#include <stdlib.h>

void lm_segments_free(lm_segments *s)
{
    free(s->at);
    free(s->lines);
    lm_word_counts_free(&s->seen);
    lm_buf_free(&s->out);
    *s = (lm_segments){0};
}

/* Takes the next part off a text: a line, or all up to a NUL. */
static bool take_part(lm_str *rest, bool whole, lm_str *part)
{
    if (!whole)
        return lm_text_take_line(rest, part, NULL);
    if (!rest->len)
        return false;
    const char *nul = memchr(rest->data, 0, rest->len);
    size_t len = nul ? (size_t)(nul - rest->data) : rest->len, step = nul ? len + 1 : len;
    *part = (lm_str){rest->data, len};
    *rest = (lm_str){rest->data + step, rest->len - step};
    return true;
}

static bool find_in(lm_segments *s, lm_str text, lm_segment at, bool whole, lm_status *st)
{
    lm_str rest = text, part;
    while (take_part(&rest, whole, &part)) {
        part = lm_text_trim(part, NULL, true, true);
        if (!part.len)
            continue;
        if (part.len > INT32_MAX || s->seen.n >= INT32_MAX)
            return lm_fail(st, LM_FAILED, "a line of %zu bytes is too long for a command", part.len);
        at.line = (uint32_t)lm_word_counts_number(&s->seen, part);
        at.from = (size_t)(part.data - text.data);
        at.to = at.from + part.len;
        LM_GROW(s->at, s->count, s->cap);
        s->at[s->count++] = at;
    }
    return true;
}

bool lm_segments_find(lm_segments *s, const lm_drafts *batch, bool whole, lm_status *st)
{
    s->count = s->line_count = 0;
    lm_word_counts_free(&s->seen);
    for (size_t i = 0; i < batch->count; i++)
        for (int t = 0; t < batch->items[i]->text_count; t++)
            if (!find_in(s, batch->items[i]->texts[t], (lm_segment){.draft = (uint32_t)i, .text = (uint32_t)t}, whole, st))
                return false;
    for (size_t i = 0; i < s->seen.n; i++) {
        LM_GROW(s->lines, s->line_count, s->line_cap);
        s->lines[s->line_count++] = lm_word_counts_word(&s->seen, i);
    }
    return true;
}

void lm_segments_replace(lm_segments *s, lm_drafts *batch, const lm_str *answers)
{
    for (size_t i = 0, next; i < s->count; i = next) {
        const lm_segment *first = &s->at[i];
        lm_draft *d = batch->items[first->draft];
        lm_str text = d->texts[first->text];
        size_t copied = 0;
        s->out.len = 0;
        for (next = i; next < s->count && s->at[next].draft == first->draft && s->at[next].text == first->text; next++) {
            const lm_segment *g = &s->at[next];
            if (d->dropped)
                continue;
            lm_buf_append(&s->out, text.data + copied, g->from - copied);
            lm_buf_append(&s->out, answers[g->line].data, answers[g->line].len);
            copied = g->to;
        }
        if (d->dropped)
            continue;
        lm_buf_append(&s->out, text.data + copied, text.len - copied);
        if (!lm_str_equal(lm_buf_str(&s->out), text))
            d->texts[first->text] = (lm_str){lm_arena_strndup(batch->arena, s->out.data, s->out.len), s->out.len};
    }
}
