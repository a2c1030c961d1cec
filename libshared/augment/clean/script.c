/* Which language a text is in, as far as its letters tell. */
#include "augment/clean/clean.h"

#include "base/memory.h"
#include "base/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CODES = 0x110000 };

typedef struct script_filter {
    char *names; /* as they were given */
    double share;
    uint8_t *kind; /* for each character: LETTER, and OURS of those */
    atomic_uint_fast64_t records, dropped;
} script_filter;

enum { LETTER = 1, OURS = 2 };

/* Gives the characters that match the class this bit. False: PCRE2 does not know it. */
static bool paint(uint8_t *kind, const char *class, uint8_t bit, lm_buf *all)
{
    int error;
    size_t offset;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR) class, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_NO_UTF_CHECK, &error, &offset, NULL);
    if (!code)
        return false;
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    size_t *span = pcre2_get_ovector_pointer(match);
    for (size_t at = 0;
         at < all->len && pcre2_match(code, (PCRE2_SPTR)all->data, all->len, at, PCRE2_NO_UTF_CHECK, match, NULL) > 0;
         at = span[1])
        for (size_t i = span[0]; i < span[1];) {
            uint32_t c;
            i += lm_utf8_decode(all->data + i, all->len - i, &c);
            kind[c] |= bit;
        }
    pcre2_match_data_free(match);
    pcre2_code_free(code);
    return true;
}

static void every_character(lm_buf *out)
{
    lm_buf_reserve(out, 4 * (size_t)CODES);
    for (uint32_t c = 0; c < CODES; c++)
        if (c < 0xD800 || c > 0xDFFF)
            out->len += lm_utf8_encode(c, out->data + out->len);
}

/* Names of languages that their script tells, beside Unicode's names of scripts. */
static lm_str script_of(lm_str name)
{
    static const char *const languages[][2] = {
        {"ko", "Hangul"},
        {"korean", "Hangul"},
        {"ja", "Hiragana,Katakana,Han"},
        {"japanese", "Hiragana,Katakana,Han"},
        {"zh", "Han"},
        {"chinese", "Han"},
        {"ru", "Cyrillic"},
        {"russian", "Cyrillic"},
        {"el", "Greek"},
        {"ar", "Arabic"},
        {"he", "Hebrew"},
        {"th", "Thai"},
        {"hi", "Devanagari"},
    };
    for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
        if (strlen(languages[i][0]) == name.len && strncasecmp(languages[i][0], name.data, name.len) == 0)
            return lm_str_of(languages[i][1]);
    return name;
}

/* Paints each of the scripts in a list. */
static bool add_scripts(script_filter *f, lm_str list, lm_buf *all, bool languages, lm_status *st)
{
    while (list.len) {
        const char *comma = memchr(list.data, ',', list.len);
        lm_str name = {list.data, comma ? (size_t)(comma - list.data) : list.len};
        list.data += name.len + (comma != NULL), list.len -= name.len + (comma != NULL);
        lm_str known = languages ? script_of(name) : name;
        if (known.data != name.data) {
            if (!add_scripts(f, known, all, false, st))
                return false;
            continue;
        }
        bool good = name.len > 0 && name.len < 40;
        for (size_t i = 0; i < name.len; i++)
            good = good && ((name.data[i] | 0x20) >= 'a' || name.data[i] == '_') && (name.data[i] | 0x20) <= 'z';
        char class[64];
        if (good)
            snprintf(class, sizeof class, "[\\p{%c%.*s}]+", name.data[0] & ~0x20, (int)name.len - 1, name.data + 1);
        if (!good || !paint(f->kind, class, OURS, all))
            return lm_fail(
                st, LM_USAGE,
                "--script: no such script `%.*s`: Hangul, Latin, Han, Hiragana, Cyrillic and what else Unicode calls one",
                (int)(name.len < 40 ? name.len : 40), name.data);
    }
    return true;
}

static void close_filter(void *self)
{
    script_filter *f = self;
    free(f->names);
    free(f->kind);
    free(f);
}

static void *open_filter(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    (void)o, (void)place;
    const char *equals = strchr(value, '=');
    script_filter *f = lm_calloc(1, sizeof *f);
    lm_buf all = {0};
    f->names = lm_strndup(value, equals ? (size_t)(equals - value) : strlen(value));
    f->share = 0.5;
    f->kind = lm_calloc(CODES, 1);
    every_character(&all);
    paint(f->kind, "\\p{L}+", LETTER, &all);
    bool good = add_scripts(f, lm_str_of(f->names), &all, true, st);
    if (good && !*f->names)
        good = lm_fail(st, LM_USAGE, "--script=%s: which script: --script hangul=0.3", value);
    if (good && equals && (!lm_parse_float(equals + 1, &f->share) || !(f->share >= 0 && f->share <= 1)))
        good = lm_fail(st, LM_USAGE, "--script=%s: the least share of letters is a number from 0 to 1", value);
    lm_buf_free(&all);
    if (good)
        return f;
    close_filter(f);
    return NULL;
}

static void count_letters(const script_filter *f, lm_str text, uint64_t *letters, uint64_t *ours)
{
    for (size_t i = 0; i < text.len;) {
        uint32_t code = (unsigned char)text.data[i];
        i += code < 0x80 ? 1 : lm_utf8_decode(text.data + i, text.len - i, &code);
        uint8_t kind = f->kind[code];
        *letters += kind & LETTER;
        *ours += kind == (LETTER | OURS);
    }
}

/* A text without letters is in no language, and stays with a share of 0 alone. */
static bool apply(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    (void)room, (void)st;
    script_filter *f = self;
    uint64_t dropped = 0;
    for (size_t i = 0; i < batch->count; i++) {
        lm_draft *d = batch->items[i];
        uint64_t letters = 0, ours = 0;
        for (int t = 0; t < d->text_count; t++)
            count_letters(f, d->texts[t], &letters, &ours);
        double share = letters ? (double)ours / (double)letters : 0;
        if (share >= f->share)
            continue;
        char why[128];
        int n = snprintf(why, sizeof why, "script: %.60s %.3g, less than %.3g", f->names, share, f->share);
        d->dropped = lm_arena_strndup(batch->arena, why, (size_t)n < sizeof why ? (size_t)n : sizeof why - 1);
        dropped++;
    }
    atomic_fetch_add_explicit(&f->records, batch->count, memory_order_relaxed);
    atomic_fetch_add_explicit(&f->dropped, dropped, memory_order_relaxed);
    return true;
}

static void report(const void *self, lm_buf *out)
{
    const script_filter *f = self;
    lm_buf_printf(out, "script: %" PRIu64 " of %" PRIu64 " records have too few letters in %s\n", (uint64_t)f->dropped,
                  (uint64_t)f->records, f->names);
}

const lm_operation_kind lm_script_kind = {
    .name = "script", .open = open_filter, .close = close_filter, .apply = apply, .report = report};
