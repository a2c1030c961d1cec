#include "generate/running_text.h"
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>

/* Tokens that wait for the rest of a character; more of them are no character, but bytes that mean nothing. */
enum { UNFINISHED_MAX = 4 };

static bool is_unfinished(const lm_buf *b)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    return b->len >= 3 && memcmp(b->data + b->len - 3, replacement, 3) == 0;
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

/* What a token means may depend on the one before it (a space that is dropped at the start of a text), so the new text is
 * the difference of two decodings that begin there. */
bool lm_running_text_add(lm_running_text *r, const lm_tokenizer *t, const int32_t *ids, int count, lm_status *st)
{
    lm_buf before = {0}, all = {0};
    bool ok = lm_text_of_tokens(t, ids + r->from, r->shown - r->from, &before, st) &&
              lm_text_of_tokens(t, ids + r->from, count - r->from, &all, st);
    if (ok && all.len > before.len && !(is_unfinished(&all) && count - r->shown < UNFINISHED_MAX)) {
        lm_buf_append(&r->text, all.data + before.len, all.len - before.len);
        r->from = r->shown;
        r->shown = count;
    }
    lm_buf_free(&before);
    lm_buf_free(&all);
    return ok;
}

size_t lm_find_stop(lm_str text, size_t from, const char *const *strings, int count)
{
    size_t first = SIZE_MAX;
    for (int i = 0; i < count && from < text.len; i++) {
        const char *at = memmem(text.data + from, text.len - from, strings[i], strlen(strings[i]));
        if (at && (size_t)(at - text.data) < first)
            first = (size_t)(at - text.data);
    }
    return first;
}

size_t lm_before_stop(lm_str text, const char *const *strings, int count)
{
    size_t safe = text.len;
    for (int i = 0; i < count; i++) {
        size_t longest = strlen(strings[i]) - 1;
        for (size_t n = longest < text.len ? longest : text.len; n > 0; n--) {
            if (memcmp(text.data + text.len - n, strings[i], n) != 0)
                continue;
            safe = text.len - n < safe ? text.len - n : safe;
            break;
        }
    }
    return safe;
}
