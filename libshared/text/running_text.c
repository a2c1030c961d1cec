#include "text/running_text.h"

#include "base/memory.h"

#include <stdlib.h>

/* Tokens that wait for the rest of a character; more of them are no character, but bytes that mean nothing. */
enum { UNFINISHED_MAX = 4 };

/* Bytes of it before the character that is not finished, if one is not. */
static size_t finished(const lm_buf *b)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    size_t n = b->len;
    while (n >= 3 && memcmp(b->data + n - 3, replacement, 3) == 0)
        n -= 3;
    return n;
}

bool lm_text_of_tokens(const lm_tokenizer *t, const int32_t *ids, int count, lm_buf *out, lm_status *st)
{
    int32_t *known = lm_malloc((size_t)count + 1, sizeof *known);
    size_t n = 0;
    for (int i = 0; i < count; i++)
        if (ids[i] < lm_tokenizer_size(t))
            known[n++] = ids[i];
    bool ok = lm_decode(t, known, n, true, out, st);
    free(known);
    return ok;
}

/* What a token means may depend on the one before it (a space that is dropped at the start of a text), so tokens are decoded again
 * with those that came before them. */
bool lm_running_text_add(lm_running_text *r, const lm_tokenizer *t, const int32_t *ids, int count, lm_status *st)
{
    lm_buf text = {0};
    bool ok = lm_text_of_tokens(t, ids + r->from, count - r->from, &text, st);
    size_t whole = finished(&text);
    bool waits = whole < text.len && count - r->shown < UNFINISHED_MAX;
    whole = waits ? whole : text.len;
    if (ok && whole > r->taken) {
        lm_buf_append(&r->text, text.data + r->taken, whole - r->taken);
        r->taken = whole;
    }
    if (ok && !waits) {
        text.len = 0;
        ok = lm_text_of_tokens(t, ids + r->shown, count - r->shown, &text, st);
        r->from = text.len ? r->shown : r->from; /* what has no text is nothing that text could follow */
        r->taken = text.len ? text.len : r->taken;
        r->shown = count;
    }
    lm_buf_free(&text);
    return ok;
}
