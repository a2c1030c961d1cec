#include "augment/noise/noise.h"

#include "augment/noise/spoil.h"
#include "augment/options.h"
#include "augment/words/case.h"
#include "augment/words/share.h"
#include "augment/words/word_set.h"
#include "augment/words/words.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>

static const double usual_share = 0.05;

typedef struct noise {
    const lm_operation_kind *kind;
    lm_spoil *spoil;
    double share;
    uint64_t seed;
    int place;
    lm_word_set protect;
} noise;

typedef struct noise_room {
    lm_text_words words;
    lm_codes codes, spoiled;
    lm_buf lower, out;
} noise_room;

static void noise_close(void *self)
{
    noise *n = self;
    lm_word_set_free(&n->protect);
    free(n);
}

static void *noise_open(const lm_operation_kind *kind, lm_spoil *spoil, const char *value, const lm_augment_options *o, int place,
                        lm_status *st)
{
    noise *n = lm_calloc(1, sizeof *n);
    *n = (noise){.kind = kind, .spoil = spoil, .seed = o->seed, .place = place};
    if (lm_share_parse(value, kind->name, usual_share, &n->share, st) &&
        (!o->protect || lm_word_set_read(&n->protect, o->protect, "--protect", st)))
        return n;
    noise_close(n);
    return NULL;
}

static void *keyboard_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    return noise_open(&lm_keyboard_kind, lm_spoil_keyboard, value, o, place, st);
}

static void *ocr_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    return noise_open(&lm_ocr_kind, lm_spoil_ocr, value, o, place, st);
}

static void *jamo_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    return noise_open(&lm_jamo_kind, lm_spoil_jamo, value, o, place, st);
}

static void *typo_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    return noise_open(&lm_typo_kind, lm_spoil_typo, value, o, place, st);
}

static void noise_room_free(void *room)
{
    noise_room *r = room;
    lm_text_words_free(&r->words);
    lm_codes_free(&r->codes);
    lm_codes_free(&r->spoiled);
    lm_buf_free(&r->lower);
    lm_buf_free(&r->out);
    free(r);
}

static bool stays(const noise *n, noise_room *r, lm_str word)
{
    if (!n->protect.words.n)
        return false;
    r->lower.len = 0;
    lm_lower_case(word, &r->lower);
    return lm_word_set_has(&n->protect, lm_buf_str(&r->lower));
}

static void spoil_word(const noise *n, noise_room *r, lm_str word, lm_draws *draws)
{
    r->codes.count = r->spoiled.count = 0;
    for (size_t i = 0; i < word.len;) {
        uint32_t code;
        i += lm_utf8_decode(word.data + i, word.len - i, &code);
        lm_codes_add(&r->codes, code);
    }
    n->spoil(&r->codes, n->share, draws, &r->spoiled);
    for (size_t i = 0; i < r->spoiled.count; i++) {
        char bytes[4];
        lm_buf_append(&r->out, bytes, lm_utf8_encode(r->spoiled.at[i], bytes));
    }
}

static bool noise_apply(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    const noise *n = self;
    noise_room *r = room;
    for (size_t i = 0; i < batch->count; i++) {
        lm_draft *d = batch->items[i];
        for (int t = 0; t < d->text_count; t++) {
            lm_str text = d->texts[t];
            lm_draws draws = lm_draws_of(n->seed, n->place, d, t);
            size_t from = 0;
            r->out.len = 0;
            if (!lm_text_words_split(&r->words, text, NULL, NULL, st))
                return false;
            for (size_t k = 0; k < r->words.count; k++) {
                lm_str word = lm_text_word_str(&r->words, k);
                if (r->words.at[k].kind == LM_WORD_FIXED || stays(n, r, word))
                    continue;
                lm_buf_append(&r->out, text.data + from, r->words.at[k].from - from);
                spoil_word(n, r, word, &draws);
                from = r->words.at[k].to;
            }
            lm_buf_append(&r->out, text.data + from, text.len - from);
            if (!lm_str_equal(lm_buf_str(&r->out), text))
                d->texts[t] = (lm_str){lm_arena_strndup(batch->arena, r->out.data, r->out.len), r->out.len};
        }
        if (d->note)
            lm_buf_printf(d->note, "\"op\":\"%s\",\"share\":%g", n->kind->name, n->share);
    }
    return true;
}

#define NOISE_KIND(long_name, opener)                                                                         \
    {.name = long_name, .varies = true, .open = opener, .close = noise_close, .room_bytes = sizeof(noise_room),      \
     .room_free = noise_room_free, .apply = noise_apply}

const lm_operation_kind lm_keyboard_kind = NOISE_KIND("keyboard", keyboard_open);
const lm_operation_kind lm_ocr_kind = NOISE_KIND("ocr", ocr_open);
const lm_operation_kind lm_jamo_kind = NOISE_KIND("jamo", jamo_open);
const lm_operation_kind lm_typo_kind = NOISE_KIND("typo", typo_open);

void lm_noise_entries(lm_augment_entries *to)
{
    const lm_option entries[] = {
        LM_ENTRY_GROUP("Noise"),
        LM_ENTRY_STEP("keyboard", "SHARE", .optional = lm_is_share,
                      .help = "let this share of the key presses hit the key beside (0.05 if none is given): QWERTY for Latin letters, "
                              "dubeolsik for Hangul"),
        LM_ENTRY_STEP("ocr", "SHARE", .optional = lm_is_share,
                      .help = "put look-alikes in place of this share of the letters that have some: rn for m, 0 for O"),
        LM_ENTRY_STEP("jamo", "SHARE", .optional = lm_is_share,
                      .help = "misspell this share of the Hangul syllables as people do: vowels and finals that sound alike, "
                              "finals left out or moved on, syllables taken apart"),
        LM_ENTRY_STEP("typo", "SHARE", .optional = lm_is_share, .aliases = "charswap",
                      .help = "insert, delete, swap or replace this share of the letters"),
        {0},
    };
    lm_augment_entries_add(to, entries);
}
