/* --min-length, --max-length: records whose texts are too short or too long, in characters or in words. */
#include "augment/quality/filters.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/python_text.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef struct length_limit {
    bool most, words;
    int64_t limit;
    _Atomic uint64_t dropped;
} length_limit;

static const char *name_of(const length_limit *l)
{
    return l->most ? "max-length" : "min-length";
}

static void *open_length(const char *value, bool most, lm_status *st)
{
    length_limit *l = lm_calloc(1, sizeof *l);
    l->most = most;
    char *number = lm_strdup(value);
    size_t n = strlen(number);
    l->words = n && number[n - 1] == 'w';
    if (l->words)
        number[n - 1] = '\0';
    if (!lm_parse_count(number, &l->limit) || l->limit < 0) {
        lm_fail(st, LM_USAGE, "option --%s: '%s': give a number of characters, or of words, as in 5w", name_of(l), value);
        free(l);
        l = NULL;
    }
    free(number);
    return l;
}

static void *open_least(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    (void)o, (void)place;
    return open_length(value, false, st);
}

static void *open_most(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    (void)o, (void)place;
    return open_length(value, true, st);
}

static size_t count_words(lm_str text)
{
    size_t words = 0;
    bool within = false;
    for (size_t at = 0; at < text.len;) {
        unsigned char b = (unsigned char)text.data[at];
        uint32_t code = b;
        at += b < 0x80 ? 1 : lm_utf8_decode(text.data + at, text.len - at, &code);
        bool space = lm_is_python_space(code);
        words += !space && !within;
        within = !space;
    }
    return words;
}

static bool apply_length(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    (void)room, (void)st;
    length_limit *l = self;
    for (size_t i = 0; i < batch->count; i++) {
        lm_draft *d = batch->items[i];
        size_t length = 0;
        for (int k = 0; k < d->text_count; k++)
            length += l->words ? count_words(d->texts[k]) : lm_utf8_count(d->texts[k].data, d->texts[k].len) + (k > 0);
        bool bad = l->most ? length > (uint64_t)l->limit : length < (uint64_t)l->limit;
        if (!bad)
            continue;
        char reason[96];
        int n = snprintf(reason, sizeof reason, "%s=%" PRId64 "%s: %zu %s", name_of(l), l->limit, l->words ? "w" : "", length,
                         l->words ? "words" : "characters");
        d->dropped = lm_arena_strndup(batch->arena, reason, (size_t)n);
        atomic_fetch_add_explicit(&l->dropped, 1, memory_order_relaxed);
    }
    return true;
}

static void report_length(const void *self, lm_buf *out)
{
    const length_limit *l = self;
    lm_buf_printf(out, "%s: %" PRIu64 " records dropped that have %s than %" PRId64 " %s\n", name_of(l), l->dropped,
                  l->most ? "more" : "fewer", l->limit, l->words ? "words" : "characters");
}

const lm_operation_kind lm_min_length_kind = {
    .name = "min-length", .open = open_least, .close = free, .apply = apply_length, .report = report_length};
const lm_operation_kind lm_max_length_kind = {
    .name = "max-length", .open = open_most, .close = free, .apply = apply_length, .report = report_length};
