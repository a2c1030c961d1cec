/* Each byte has a class: letter, number, white space, other. Where a word begins follows from the classes of a byte and of its
 * neighbours, by the expressions of byte_path.h, so that shifts and logic find the beginnings of 64 bytes at once. None of the
 * expressions looks behind: the first word of the 64 bytes may be any. */
#include "text/word_starts.h"

#include "base/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef struct masks {
    uint64_t letter, number, space, newline, blank, quote; /* blank: 0x20; quote: the apostrophe */
    uint64_t high;                                         /* not ASCII */
    uint64_t inner;                                        /* of characters, but their first bytes */
    uint64_t valid;                                        /* all that is looked at */
} masks;

#ifdef __SSE2__
/* Bytes that are at most `width` above `first`. */
static inline uint64_t within(__m128i x, char first, char width)
{
    __m128i y = _mm_sub_epi8(x, _mm_set1_epi8(first));
    return (uint64_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(y, _mm_set1_epi8(width)), y));
}

static inline uint64_t equal(__m128i x, char c)
{
    return (uint64_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8(c)));
}

static inline void ascii_masks(const char *s, masks *m)
{
    for (int k = 0; k < LM_STARTS_BYTES; k += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(s + k));
        m->letter |= within(_mm_or_si128(x, _mm_set1_epi8(0x20)), 'a', 25) << k;
        m->number |= within(x, '0', 9) << k;
        m->blank |= equal(x, ' ') << k;
        m->space |= within(x, '\t', 4) << k;
        m->newline |= (equal(x, '\n') | equal(x, '\r')) << k;
        m->quote |= equal(x, '\'') << k;
        m->high |= (uint64_t)_mm_movemask_epi8(x) << k;
    }
    m->space |= m->blank;
}

/* The first bytes of characters of three that are letters, which almost all are in Korean and Chinese: U+5000 to U+8FFF, ideographs, and
 * U+AC00 to U+D77F, Hangul. Of the last byte it is not known. */
static inline uint64_t wide_letters(const char *s)
{
    uint64_t first = 0, gets_high = 0, gets_low = 0, high = 0, low = 0; /* U+A000 and U+D000: their second bytes tell */
    for (int k = 0; k < LM_STARTS_BYTES; k += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(s + k));
        first |= (within(x, (char)0xE5, 3) | within(x, (char)0xEB, 1)) << k;
        gets_high |= equal(x, (char)0xEA) << k;
        gets_low |= equal(x, (char)0xED) << k;
        high |= within(x, (char)0xB0, 0xF) << k;
        low |= within(x, (char)0x80, 0x1D) << k;
    }
    return first | (gets_high & high >> 1) | (gets_low & low >> 1);
}
#else
static inline void ascii_masks(const char *s, masks *m)
{
    for (int k = 0; k < LM_STARTS_BYTES; k++) {
        unsigned char c = (unsigned char)s[k];
        uint64_t bit = UINT64_C(1) << k;
        m->letter |= (unsigned)((c | 0x20) - 'a') < 26 ? bit : 0;
        m->number |= (unsigned)(c - '0') < 10 ? bit : 0;
        m->blank |= c == ' ' ? bit : 0;
        m->space |= c == ' ' || (unsigned)(c - '\t') < 5 ? bit : 0;
        m->newline |= c == '\n' || c == '\r' ? bit : 0;
        m->quote |= c == '\'' ? bit : 0;
        m->high |= c >= 0x80 ? bit : 0;
    }
}

static inline uint64_t wide_letters(const char *s)
{
    (void)s;
    return 0; /* they are looked at one by one */
}
#endif

/* The classes of what is not ASCII: every byte of a character has its class. There are LM_STARTS_BYTES bytes at `window`, and those that
 * count stand, whole characters, at s. Returns the bits before the first one that is white space or a number: what follows counts these
 * as bytes. */
static uint64_t add_others(const uint8_t *class, const char *window, const char *s, masks *m)
{
    uint64_t wide = wide_letters(window) & m->high, inner = wide << 1 | wide << 2;
    m->letter |= wide | inner;
    m->inner |= inner;
    for (uint64_t left = m->high & ~(wide | inner); left;) {
        size_t k = (size_t)__builtin_ctzll(left);
        uint32_t code;
        size_t bytes = lm_utf8_known(s + k, &code);
        unsigned kind = class[code] & LM_CLASS_KIND;
        if (kind == LM_CLASS_SPACE || kind == LM_CLASS_NUMBER)
            return (UINT64_C(1) << k) - 1;
        uint64_t bits = ((UINT64_C(1) << bytes) - 1) << k;
        m->letter |= kind == LM_CLASS_LETTER ? bits : 0;
        m->inner |= bits & bits << 1;
        left &= ~bits;
    }
    return UINT64_MAX;
}

static void keep_valid(masks *m, uint64_t valid)
{
    m->letter &= valid;
    m->number &= valid;
    m->space &= valid;
    m->newline &= valid;
    m->blank &= valid;
    m->quote &= valid;
    m->valid = valid;
}

static inline uint64_t after(uint64_t bits)
{
    return bits << 1;
}

/* The first of each run. */
static inline uint64_t firsts(uint64_t bits)
{
    return bits & ~after(bits);
}

/* Letters, numbers and others take the space before them; of white space before something else the last character is by itself. */
static uint64_t starts_gpt2(const masks *m, uint64_t other, uint64_t before_word)
{
    uint64_t words = firsts(m->letter) | firsts(m->number) | firsts(other);
    return (words & ~after(m->blank)) | firsts(m->space) | (m->space & before_word);
}

/* Numbers of more digits than these are cut. */
static uint64_t number_cuts(uint64_t number, size_t digits)
{
    uint64_t cuts = 0, late = number; /* late: so many digits are before it, or more */
    for (size_t k = 1; k <= digits; k++)
        late &= number << k;
    while (late) {
        uint64_t cut = late & -late;
        cuts |= cut;
        late &= ~((cut << digits) - cut);
    }
    return cuts;
}

/* Letters take one character before them, unless it is a line end or belongs to others; others take the space before them and the line
 * ends behind. Line ends come first in white space here. */
static uint64_t starts_cl100k(const masks *m, uint64_t other, uint64_t before_word, size_t digits)
{
    uint64_t blanks = m->space & ~m->newline;
    uint64_t others = firsts(other) & ~after(m->blank), first = others; /* first: all of the first character's bytes */
    for (int k = 1; k < 4; k++)
        first |= after(first) & m->inner;
    uint64_t letters = firsts(m->letter) & ~after(blanks | first);
    uint64_t spaces = (firsts(m->space) & ~after(other)) | (blanks & (after(m->newline | other) | before_word));
    return letters | others | spaces | firsts(m->number) | number_cuts(m->number, digits);
}

/* A contraction is a word, and behind it another one begins. */
static uint64_t add_contractions(const char *s, size_t n, uint64_t quotes, bool any_case, uint64_t starts)
{
    for (quotes &= starts; quotes; quotes &= quotes - 1) {
        size_t k = (size_t)__builtin_ctzll(quotes), letters = lm_contraction(s, k, n, any_case), next = k + 1 + letters;
        if (!letters)
            continue;
        starts &= ~(UINT64_C(2) << k);
        starts |= next < LM_STARTS_BYTES && next < n ? UINT64_C(1) << next : 0;
    }
    return starts;
}

/* Without what the next bytes decide: how white space at the end goes on. */
static uint64_t without_unsure(const masks *m, uint64_t starts)
{
    uint64_t words = m->valid & ~m->space;
    size_t last = words ? 64 - (size_t)__builtin_clzll(words) : 0; /* where white space begins, if there is some at the end */
    return last >= 63 ? starts : starts & ((UINT64_C(2) << last) - 1);
}

uint64_t lm_word_starts(const lm_byte_path *b, const char *s, size_t i, size_t to, size_t *sure)
{
    char padded[LM_STARTS_BYTES];
    const char *window = s + i;
    size_t n = to - i;
    uint64_t whole = n < LM_STARTS_BYTES ? (UINT64_C(1) << n) - 1 : UINT64_MAX, valid = whole;
    bool gpt2 = b->scanner == LM_SCAN_GPT2;
    masks m = {0};
    if (n < LM_STARTS_BYTES)
        window = memcpy(padded, s + i, n);
    ascii_masks(window, &m);
    m.high &= whole;
    if (m.high)
        valid &= add_others(b->class, window, s + i, &m);
    uint64_t late = gpt2 ? 0 : m.newline & after(m.space & ~m.newline) & valid; /* line ends behind other white space */
    if (late)
        valid &= (late & -late) - 1;
    keep_valid(&m, valid);
    uint64_t other = valid & ~(m.letter | m.number | m.space), before_word = (valid & ~m.space) >> 1;
    uint64_t starts = (gpt2 ? starts_gpt2(&m, other, before_word) : starts_cl100k(&m, other, before_word, b->digits)) | 1;
    if (m.quote)
        starts = add_contractions(s + i, n, m.quote, !gpt2, starts);
    bool end = n <= LM_STARTS_BYTES && valid == whole;
    if (!end)
        starts = without_unsure(&m, starts);
    *sure = end ? to : i + 63 - (size_t)__builtin_clzll(starts);
    return starts;
}
