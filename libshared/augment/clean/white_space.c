/* White space: one blank between words, none at the ends of lines, paragraphs parted by one empty line. */
#include "augment/clean/clean.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The first bytes of white space. */
static const lm_byte_set suspects = {{
    ['\t' ... '\r'] = true,
    [' '] = true,
    [0xC2] = true,
    [0xE1] = true,
    [0xE2] = true,
    [0xE3] = true,
    [0xEF] = true,
}};

/* Bytes of the white space that s[0..n) begins with, 0 for none; *breaks is true where it ends a line. The Hangul fillers,
 * which are letters for Unicode, are as blank as the ideographic space. */
static size_t white(const char *s, size_t n, bool *breaks)
{
    const unsigned char *u = (const unsigned char *)s;
    *breaks = false;
    if (u[0] == ' ' || u[0] == '\t')
        return 1;
    if (u[0] >= '\n' && u[0] <= '\r') {
        *breaks = true;
        return u[0] == '\r' && n > 1 && u[1] == '\n' ? 2 : 1;
    }
    if (u[0] == 0xC2 && n > 1) {
        *breaks = u[1] == 0x85;
        return u[1] == 0x85 || u[1] == 0xA0 ? 2 : 0; /* next line, no-break space */
    }
    if ((u[0] & 0xF0) != 0xE0 || n < 3)
        return 0;
    unsigned code = (unsigned)(u[0] & 0x0F) << 12 | (unsigned)(u[1] & 0x3F) << 6 | (u[2] & 0x3F);
    switch (code) {
    case 0x2028: /* line separator */
    case 0x2029: /* paragraph separator */
        *breaks = true;
        return 3;
    case 0x1680:
    case 0x2000 ... 0x200A:
    case 0x202F:
    case 0x205F:
    case 0x3000:
    case 0x3164: /* Hangul filler, */
    case 0xFFA0: /* and its half-width form */
        return 3;
    default:
        return 0;
    }
}

/* The next place behind which there may be more than one blank between words: two blanks, the first byte of other white space.
 * A blank by itself is none. */
static size_t next_place(lm_str text, size_t at)
{
    const char *s = text.data;
#ifdef __SSE2__
    const __m128i blank = _mm_set1_epi8(' '), last = _mm_set1_epi8('\r'), four = _mm_set1_epi8((char)0xFC);
    const __m128i latin = _mm_set1_epi8((char)0xC2), three = _mm_set1_epi8((char)0xE0), wide = _mm_set1_epi8((char)0xEF);
    for (; at + 16 < text.len; at += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(s + at));
        __m128i ahead = _mm_loadu_si128((const __m128i *)(const void *)(s + at + 1));
        __m128i two = _mm_and_si128(_mm_cmpeq_epi8(x, blank), _mm_cmpeq_epi8(ahead, blank));
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(x, last), x);
        __m128i lead = _mm_or_si128(_mm_cmpeq_epi8(x, latin), _mm_cmpeq_epi8(x, wide)); /* and E0 to E3 */
        lead = _mm_or_si128(lead, _mm_cmpeq_epi8(_mm_and_si128(x, four), three));
        int any = _mm_movemask_epi8(_mm_or_si128(two, _mm_or_si128(control, lead)));
        if (any)
            return at + (size_t)__builtin_ctz((unsigned)any);
    }
#endif
    for (; at < text.len; at++)
        if (suspects.has[(unsigned char)s[at]] && (s[at] != ' ' || (at + 1 < text.len && s[at + 1] == ' ')))
            return at;
    return at;
}

/* The white space that has something to do with the place; returns where to go on. */
static size_t change_at(lm_edits *e, size_t place, int lines)
{
    lm_str text = e->text;
    size_t from = place, to, n;
    while (from > e->done && text.data[from - 1] == ' ')
        from--;
    int breaks = 0;
    bool ends;
    for (to = from; to < text.len && (n = white(text.data + to, text.len - to, &ends)); to += n)
        breaks += ends && breaks < lines;
    if (to <= place)
        return place + 1;
    lm_str with = breaks ? lm_str_of(&"\n\n"[2 - breaks]) : lm_str_of(" ");
    if (from == 0 || to == text.len)
        with.len = 0;
    if (to - from != with.len || memcmp(text.data + from, with.data, with.len) != 0)
        lm_edits_put(e, from, to, with);
    return to;
}

static bool clean(const lm_clean_step *step, lm_clean_room *room, lm_str text, lm_buf *out)
{
    (void)room;
    lm_edits e = {.text = text, .out = out};
    size_t i = text.len && text.data[0] == ' ' ? change_at(&e, 0, step->number) : 0;
    while ((i = next_place(text, i)) < text.len)
        i = change_at(&e, i, step->number);
    if (e.done < text.len && text.data[text.len - 1] == ' ')
        change_at(&e, text.len - 1, step->number);
    return lm_edits_end(&e);
}

bool lm_clean_whitespace(lm_clean_step *step, const char *value, lm_status *st)
{
    step->clean = clean;
    if (*value && strcmp(value, "paragraphs") != 0 && strcmp(value, "line") != 0)
        return lm_fail(st, LM_USAGE,
                       "--whitespace=%s: no such form: `paragraphs` keeps line ends, `line` makes a line of each text",
                       value);
    step->number = strcmp(value, "line") == 0 ? 0 : 2; /* most line ends in a row */
    return true;
}
