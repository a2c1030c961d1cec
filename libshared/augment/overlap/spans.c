#include "augment/overlap/overlap.h"

#include "augment/overlap/cuts.h"
#include "augment/overlap/words.h"
#include "stream/sorted.h"

#include <stdlib.h>
#include <xxhash.h>

/* Texts are cut into units, lines or sentences; a span is so many units in a row, or all of a text that has fewer. Places (lm_cuts)
 * are units: the first one of a span that stood before is marked. */
typedef struct spans {
    size_t length;   /* units of a span */
    bool sentences;
    lm_scratch scratch;
    lm_sorter *sorter; /* {hash, place} of the spans */
    lm_cuts cuts;
} spans;

/* ------------------------------------------------------------------ units */

/* Bytes of the character at p that ends a sentence: . ! ? and their wide forms; 0: it does not. */
static size_t full_stop(const unsigned char *p, const unsigned char *end)
{
    if (*p == '.' || *p == '!' || *p == '?')
        return 1;
    if (*p < 0xE2 || end - p < 3)
        return 0;
    uint32_t code = (uint32_t)(p[0] & 15) << 12 | (uint32_t)(p[1] & 63) << 6 | (p[2] & 63);
    return code == 0x3002 || code == 0xFF01 || code == 0xFF0E || code == 0xFF1F || code == 0x2026 ? 3 : 0;
}

/* Bytes of a quotation mark or bracket that closes. */
static size_t closing(const unsigned char *p, const unsigned char *end)
{
    if (*p == '"' || *p == '\'' || *p == ')' || *p == ']' || *p == '}')
        return 1;
    if (*p < 0xE2 || end - p < 3)
        return 0;
    uint32_t code = (uint32_t)(p[0] & 15) << 12 | (uint32_t)(p[1] & 63) << 6 | (p[2] & 63);
    return code == 0x2019 || code == 0x201D || code == 0x300D || code == 0x300F || code == 0x300B || code == 0xFF09 ? 3 : 0;
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Behind the line that begins at `from`, its line feed included. */
static size_t line_end(lm_str text, size_t from)
{
    const char *lf = memchr(text.data + from, '\n', text.len - from);
    return lf ? (size_t)(lf + 1 - text.data) : text.len;
}

/* Behind the sentence that begins at `from` and the blanks that follow it in its line, with the line feed. It ends at a full stop with
 * what closes behind it, where white space follows (a wide one needs none), and with its line. */
static size_t sentence_end(lm_str text, size_t from)
{
    const unsigned char *begin = (const unsigned char *)text.data, *p = begin + from, *end = begin + text.len;
    while (p < end && *p != '\n') {
        size_t stop = full_stop(p, end), n;
        if (!stop) {
            p++;
            continue;
        }
        for (p += stop; p < end && (n = full_stop(p, end)); p += n)
            stop = n > stop ? n : stop;
        while (p < end && (n = closing(p, end)))
            p += n;
        if (stop == 1 && p < end && !is_blank(*p))
            continue;
        while (p < end && is_blank(*p) && *p != '\n')
            p++;
        break;
    }
    return (size_t)(p - begin) + (p < end && *p == '\n');
}

static size_t unit_end(lm_str text, size_t from, bool sentences)
{
    return sentences ? sentence_end(text, from) : line_end(text, from);
}

/* ------------------------------------------------------------------ looking at records */

typedef struct room {
    lm_compared_words words;
    size_t *ends; /* in `words`, of a text's units */
    size_t unit_count, unit_cap;
    lm_wide *keys; /* of the batch's spans; places count from its first text */
    size_t key_count, key_cap;
    uint64_t *places; /* of its records */
    size_t place_cap;
} room;

static void room_free(void *room_)
{
    room *r = room_;
    lm_compared_words_free(&r->words);
    free(r->ends);
    free(r->keys);
    free(r->places);
    free(r);
}

/* Adds the keys of a text's spans. Returns how many units it has. */
static size_t look_at_text(const spans *s, room *r, lm_str text, uint64_t place)
{
    lm_compared_words_clear(&r->words);
    r->unit_count = 0;
    for (size_t from = 0, end; from < text.len; from = end) {
        end = unit_end(text, from, s->sentences);
        lm_compared_words_add(&r->words, (lm_str){text.data + from, end - from});
        LM_GROW(r->ends, r->unit_count, r->unit_cap);
        r->ends[r->unit_count++] = r->words.count;
    }
    for (size_t i = 0; i < r->unit_count && (i == 0 || i + s->length <= r->unit_count); i++) {
        size_t last = i + s->length < r->unit_count ? i + s->length : r->unit_count;
        size_t from = i ? r->ends[i - 1] : 0, to = r->ends[last - 1];
        if (from == to)
            continue;
        LM_GROW(r->keys, r->key_count, r->key_cap);
        r->keys[r->key_count++] = (lm_wide){XXH3_64bits(r->words.hashes + from, (to - from) * sizeof *r->words.hashes), place + i};
    }
    return r->unit_count;
}

static bool spans_observe(void *self, void *room_, const lm_drafts *batch, lm_status *st)
{
    (void)st;
    const spans *s = self;
    room *r = room_;
    uint64_t place = 0;
    r->key_count = 0;
    if (batch->count > r->place_cap) {
        r->place_cap = batch->count;
        r->places = lm_realloc(r->places, r->place_cap, sizeof *r->places);
    }
    for (size_t i = 0; i < batch->count; i++) {
        uint64_t first = place;
        for (int k = 0; k < batch->items[i]->text_count; k++)
            place += look_at_text(s, r, batch->items[i]->texts[k], place);
        r->places[i] = place - first;
    }
    return true;
}

static bool spans_collect(void *self, void *room_, const lm_drafts *batch, lm_status *st)
{
    spans *s = self;
    room *r = room_;
    for (size_t i = 0; i < r->key_count; i++)
        r->keys[i].low += s->cuts.places;
    for (size_t i = 0; i < batch->count; i++)
        if (!lm_cuts_enter(&s->cuts, r->places[i], st))
            return false;
    return lm_sorter_add(s->sorter, r->keys, r->key_count, st);
}

static bool spans_settle(void *self, lm_status *st)
{
    spans *s = self;
    if (!lm_cuts_ready(&s->cuts, st) || !lm_sorter_finish(s->sorter, st))
        return false;
    lm_wide span, first = {0};
    for (bool any = false; lm_sorter_next(s->sorter, &span); any = true) {
        if (any && span.high == first.high) {
            lm_cuts_mark(&s->cuts, span.low, span.low + 1);
            lm_scratch_touch(&s->scratch, 1);
        } else {
            first = span;
        }
    }
    lm_sorter_free(s->sorter);
    s->sorter = NULL;
    return true;
}

/* ------------------------------------------------------------------ cutting */

static void cuts_of_text(void *self, lm_str text, uint64_t *place, lm_stretches *out)
{
    const spans *s = self;
    size_t within = 0; /* units from here on that belong to a marked span */
    for (size_t from = 0, end; from < text.len; from = end) {
        end = unit_end(text, from, s->sentences);
        if (lm_cuts_next(&s->cuts, *place, *place + 1, true) == *place)
            within = s->length;
        if (within) {
            within--;
            lm_stretches_add(out, from, end);
        }
        ++*place;
    }
}

static bool spans_apply(void *self, void *room_, lm_drafts *batch, lm_status *st)
{
    (void)room_;
    (void)st;
    spans *s = self;
    lm_cuts_apply(&s->cuts, cuts_of_text, s, batch);
    return true;
}

static void spans_report(const void *self, lm_buf *out)
{
    lm_cuts_report(&((const spans *)self)->cuts, out);
}

/* ------------------------------------------------------------------ beginning and end */

static void spans_close(void *self)
{
    spans *s = self;
    lm_cuts_free(&s->cuts);
    lm_scratch_end(&s->scratch);
    lm_sorter_free(s->sorter);
    free(s);
}

static spans *spans_new(const char *name, bool sentences, size_t length, size_t memory)
{
    spans *s = lm_calloc(1, sizeof *s);
    s->sentences = sentences;
    s->length = length;
    lm_scratch_begin(&s->scratch, memory / 4);
    s->sorter = lm_sorter_new(memory - memory / 4);
    s->cuts = (lm_cuts){.name = name, .scratch = &s->scratch};
    return s;
}

static void *lines_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    (void)value;
    (void)place;
    (void)st;
    return spans_new("dedup-lines", false, 1, o->memory);
}

static void *sentences_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    (void)value;
    (void)place;
    (void)st;
    return spans_new("dedup-sentences", true, (size_t)o->overlap.sentences, o->memory);
}

#define SPANS(option, opener)                                                                                 \
    {                                                                                                         \
        .name = option, .open = opener, .close = spans_close, .room_bytes = sizeof(room), .room_free = room_free,   \
        .observe = spans_observe, .collect = spans_collect, .settle = spans_settle, .apply = spans_apply,     \
        .report = spans_report                                                                                \
    }
const lm_operation_kind lm_dedup_lines_kind = SPANS("dedup-lines", lines_open);
const lm_operation_kind lm_dedup_sentences_kind = SPANS("dedup-sentences", sentences_open);
