/* Repetitions: "sooooo", "!!!!!!!", "hahahahaha", and Korean's laughter and tears.
 *
 * Of one to four characters that stand more than N times in a row, N times are left. White space and digits are never among
 * them (1,000,000 is a number), and words that are addresses stay whole. Where several units would do, the shortest does, at
 * the first place. */
#include "augment/clean/clean.h"

#include "base/utf8.h"
#include "text/unicode/unicode.h"

#include <endian.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { UNIT_MAX = 4, UNIT_BYTES = 16, TIMES = 3, WINDOW = 64, STRIDE = 48, RUN = WINDOW - STRIDE + 1,
       SAMPLE = 8, ROW = SAMPLE + 3 };

static size_t width_of(unsigned char lead)
{
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* No digit and no white space. */
static bool repeatable(const char *s, size_t n)
{
    unsigned char byte = (unsigned char)*s;
    if (byte < 0x80)
        return byte > ' ' && byte != 0x7F && (byte < '0' || byte > '9');
    uint32_t code;
    lm_utf8_decode(s, n, &code);
    return !(lm_unicode_properties(code) & (LM_CP_SPACE | LM_CP_NUMBER));
}

/* Of a text: the word that was looked at last, and whether it is an address. */
typedef struct address {
    size_t to;
    bool is;
} address;

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ';
}

/* Is the word around `at` one that has :// or @ in it, or begins with www.? */
static bool in_address(lm_str text, size_t at, size_t *word_from, address *a)
{
    if (at < a->to)
        return a->is;
    size_t from = at, to = at;
    while (from > *word_from && !is_blank(text.data[from - 1]))
        from--;
    while (to < text.len && !is_blank(text.data[to]))
        to++;
    const char *word = text.data + from;
    *word_from = to;
    *a = (address){to, memchr(word, '@', to - from) || memmem(word, to - from, "://", 3) ||
                           (to - from > 4 && memcmp(word, "www.", 4) == 0)};
    return a->is;
}

/* How often s[0..unit) stands at s[0..n), one behind the other. */
static size_t times(const char *s, size_t unit, size_t n)
{
    size_t count = 1;
    while ((count + 1) * unit <= n && memcmp(s + count * unit, s, unit) == 0)
        count++;
    return count;
}

static bool all_repeatable(const char *s, size_t unit, size_t n)
{
    for (size_t i = 0; i < unit; i += width_of((unsigned char)s[i]))
        if (!repeatable(s + i, n - i))
            return false;
    return true;
}

/* The bytes of the shortest unit that stands more than `most` times at s[0..n), and how often it does; 0: none does. */
static size_t repeated(const char *s, size_t n, size_t most, size_t *count)
{
    size_t unit = 0;
    for (int k = 0; k < UNIT_MAX; k++) {
        unit += width_of((unsigned char)s[unit]);
        if (unit > n / 2)
            return 0;
        /* the last byte of a character says most about it */
        if (s[2 * unit - 1] != s[unit - 1] || s[unit] != s[0])
            continue;
        if (!all_repeatable(s, unit, n)) /* first: a gigabyte of zeros is counted from none of them */
            continue;
        *count = times(s, unit, n);
        if (*count > most)
            return unit;
    }
    return 0;
}

/* ---------------------------------------------------------------- where to look */

/* Bit i: a[i] == b[i], for 64 bytes. */
static inline uint64_t equal_bytes(const char *a, const char *b)
{
    uint64_t bits = 0;
#ifdef __SSE2__
    for (int i = 0; i < WINDOW; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(a + i)),
                y = _mm_loadu_si128((const __m128i *)(const void *)(b + i));
        bits |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, y)) << i;
    }
#else
    const uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F);
    for (int i = 0; i < WINDOW; i += 8) {
        uint64_t x, y;
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        x = le64toh(x ^ y);
        x = ~(((x & low) + low) | x | low); /* 0x80 where a byte is zero */
        bits |= ((x >> 7) * UINT64_C(0x0102040810204080)) >> 56 << i;
    }
#endif
    return bits;
}

/* Are there n ones in a row? */
static inline bool has_row(uint64_t bits, size_t n)
{
    while (n > 1 && bits) {
        size_t half = n / 2;
        bits &= bits >> half;
        n -= half;
    }
    return bits != 0;
}

/* Is there a byte of 0x80 or more among 64? */
static inline bool beyond_ascii(const char *s)
{
    uint64_t all = 0, word;
    for (int i = 0; i < WINDOW; i += 8) {
        memcpy(&word, s + i, 8);
        all |= word;
    }
    return all & UINT64_C(0x8080808080808080);
}

/* Do the four bytes at s stand there again, 1 to 16 bytes ahead? */
static inline bool recurs(const char *s)
{
    uint32_t word;
    memcpy(&word, s, 4);
#ifdef __SSE2__
    __m128i all = _mm_set1_epi32((int)word), same = _mm_setzero_si128();
    for (int i = 1; i <= 4; i++)
        same = _mm_or_si128(same, _mm_cmpeq_epi32(all, _mm_loadu_si128((const __m128i *)(const void *)(s + i))));
    return _mm_movemask_epi8(same);
#else
    bool same = false;
    for (int i = 1; i <= UNIT_BYTES; i++) {
        uint32_t other;
        memcpy(&other, s + i, 4);
        same |= other == word;
    }
    return same;
#endif
}

/* May a unit be repeated more than `most` times from one of the bytes [at, at + STRIDE) on? Then the bytes equal those a
 * unit's length ahead, for `most` units. Where these are ROW bytes or more, four of them are at a multiple of SAMPLE; in a shorter
 * row, each of them is looked at. */
static bool may_repeat(lm_str text, size_t at, size_t most)
{
    char end[WINDOW + UNIT_BYTES + 4];
    const char *s = text.data + at;
    size_t left = text.len - at;
    if (left < sizeof end) {
        memset(end, 0, sizeof end);
        s = memcpy(end, s, left);
    }
    size_t longest = UNIT_MAX, to = left < WINDOW ? left : WINDOW;
    if (beyond_ascii(s)) {
        longest = (ROW - 1) / most;
        for (size_t i = 0; i < to; i += SAMPLE)
            if (recurs(s + i))
                return true;
    }
    for (size_t unit = 1; unit <= longest && unit < left; unit++) {
        uint64_t bits = equal_bytes(s, s + unit);
        if (left - unit < WINDOW)
            bits &= (UINT64_C(1) << (left - unit)) - 1;
        if (has_row(bits, most * unit < RUN ? most * unit : RUN))
            return true;
    }
    return false;
}

static bool clean(const lm_clean_step *step, lm_clean_room *room, lm_str text, lm_buf *out)
{
    (void)room;
    size_t most = (size_t)step->number, count, word_from = 0, i = 0;
    address last = {0};
    lm_edits e = {.text = text, .out = out};
    for (size_t at = 0; at < text.len; at = i - i % STRIDE) {
        size_t to = at + STRIDE < text.len ? at + STRIDE : text.len;
        if (!may_repeat(text, at, most))
            i = to;
        while (i < text.len && ((unsigned char)text.data[i] & 0xC0) == 0x80)
            i++;
        while (i < to) {
            size_t unit = repeated(text.data + i, text.len - i, most, &count);
            if (!unit) {
                i += width_of((unsigned char)text.data[i]);
            } else if (in_address(text, i, &word_from, &last)) {
                i = last.to;
            } else {
                lm_edits_skip(&e, i + most * unit, i + count * unit);
                i += count * unit;
            }
        }
        if (i == text.len)
            break;
    }
    return lm_edits_end(&e);
}

bool lm_clean_squeeze(lm_clean_step *step, const char *value, lm_status *st)
{
    int64_t n = TIMES;
    if (*value && (!lm_parse_count(value, &n) || n < 1 || n > 1000))
        return lm_fail(st, LM_USAGE, "--squeeze=%s: how many repetitions are left: a number from 1 to 1000", value);
    step->clean = clean;
    step->number = (int)n;
    return true;
}
