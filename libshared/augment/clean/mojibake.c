/* Text that was decoded as what it is not.
 *
 * UTF-8 read as an encoding of one byte a character leaves sequences that no writer meant: a character that stands for the
 * first byte of a sequence, and as many behind it as it asks for. As in Speer's ftfy, a text is only touched where what
 * stands there is unlikely by itself, not because it could be read otherwise: such a sequence is proof, and with one proof in
 * a text the weaker ones beside it are taken, too. This goes on as long as there is proof, for text that was misread several
 * times.
 *
 * EUC-KR and CP949 read as Latin letters is the same in Korean: rows of accented letters whose bytes are all Hangul. */
#include "augment/clean/clean.h"
#include "augment/clean/encodings.h"

#include "base/utf8.h"
#include "text/unicode/unicode.h"

#include <utf8proc.h>

enum { LAYERS = 4, LATIN = 0 /* Windows-1252, the first of the encodings */, HANGUL_PROOF = 3 };

/* First bytes of characters that may begin a sequence; nothing in Hangul and ideographs. */
static const lm_byte_set suspects = {{[0xC2 ... 0xD2] = true, [0xE2] = true}};

/* ---------------------------------------------------------------- characters */

/* What a character is, as far as it tells likely results from others. */
typedef enum group { NO_GROUP, WESTERN, GREEK, CYRILLIC, SEMITIC, INDIC, EAST_ASIAN, TYPOGRAPHIC, EMOJI } group;

static group group_of(uint32_t c)
{
    static const struct {
        uint32_t first, last;
        group g;
    } groups[] = {
        {0xA0, 0x17F, WESTERN},        {0x192, 0x192, WESTERN},        {0x1A0, 0x1A1, WESTERN},
        {0x1AF, 0x1B0, WESTERN},       {0x1CD, 0x1DC, WESTERN},        {0x218, 0x21B, WESTERN},
        {0x2C6, 0x2DD, WESTERN},       {0x300, 0x36F, WESTERN},        {0x386, 0x3CE, GREEK},
        {0x400, 0x45F, CYRILLIC},      {0x490, 0x4FF, CYRILLIC},       {0x531, 0x58A, CYRILLIC},
        {0x5B0, 0x5F4, SEMITIC},       {0x600, 0x6FF, SEMITIC},        {0x900, 0xDFF, INDIC},
        {0xE00, 0xEFF, INDIC},         {0xF00, 0x109F, INDIC},         {0x10A0, 0x10FF, INDIC},
        {0x1100, 0x11FF, EAST_ASIAN},  {0x1200, 0x137F, INDIC},        {0x1780, 0x17FF, INDIC},
        {0x1E00, 0x1EFF, WESTERN},     {0x1F00, 0x1FFF, GREEK},        {0x2000, 0x2BFF, TYPOGRAPHIC},
        {0x3000, 0x33FF, EAST_ASIAN},  {0x3400, 0x9FFF, EAST_ASIAN},   {0xAC00, 0xD7A3, EAST_ASIAN},
        {0xF900, 0xFAFF, EAST_ASIAN},  {0xFB00, 0xFB06, WESTERN},      {0xFB50, 0xFDFF, SEMITIC},
        {0xFE00, 0xFE0F, TYPOGRAPHIC}, {0xFE30, 0xFE6F, EAST_ASIAN},   {0xFE70, 0xFEFE, SEMITIC},
        {0xFEFF, 0xFEFF, TYPOGRAPHIC}, {0xFF00, 0xFFFD, EAST_ASIAN},   {0x1D400, 0x1D7FF, EMOJI},
        {0x1F000, 0x1FAFF, EMOJI},     {0x20000, 0x323AF, EAST_ASIAN},
    };
    for (size_t i = 0; i < sizeof groups / sizeof *groups && c >= groups[i].first; i++)
        if (c <= groups[i].last)
            return groups[i].g;
    return NO_GROUP;
}

static bool is_lower(uint32_t c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_letter(uint32_t c)
{
    return is_lower(c | 0x20);
}

static bool is_upper_case(uint32_t c)
{
    return c < 0x80 ? c >= 'A' && c <= 'Z' : lm_unicode_properties(c) & LM_CP_LOWER;
}

static uint32_t code_at(lm_str text, size_t at, size_t *n)
{
    uint32_t code = 0;
    *n = at < text.len ? lm_utf8_decode(text.data + at, text.len - at, &code) : 0;
    return code;
}

static uint32_t code_before(lm_str text, size_t at)
{
    uint32_t code = 0;
    size_t from = at;
    while (from > 0 && at - from < 4 && ((unsigned char)text.data[--from] & 0xC0) == 0x80)
        ;
    if (from < at)
        lm_utf8_decode(text.data + from, at - from, &code);
    return code;
}

static uint8_t byte_of(const lm_legacy_encoding *e, uint32_t code)
{
    return code < LM_LEGACY_CODES ? e->byte_of[code] : 0;
}

/* ---------------------------------------------------------------- sequences */

/* A sequence of UTF-8 in another encoding's characters. */
typedef struct sequence {
    size_t from, to; /* in the text */
    int length;      /* in bytes of UTF-8, 2 to 4 */
    uint8_t bytes[4];
    uint32_t second; /* the character that stands for the second byte */
    uint32_t becomes;
    group in;
    bool control; /* one of its characters is a control character: Latin-1, not Windows-1252 */
    bool lost;    /* one is U+FFFD: which it was, nobody knows, and so is what it becomes */
} sequence;

/* Where a no-break space, byte 0xA0, may have become a blank on the way: in characters that are common, not in all. */
static bool may_be_blank(const uint8_t *bytes, int k)
{
    uint8_t first = bytes[0];
    if (k == 1 && first < 0xE0)
        return first == 0xC2 || first == 0xC3 || first == 0xC5 || first == 0xCE || first == 0xD0 || first == 0xD9;
    return k == 1 ? first == 0xE2 || first == 0xE3 : k == 2 && first >= 0xE0 && first <= 0xE3;
}

/* How much of the blank at `at`, which was the second byte of an a with a grave, is none: it was lost where two blanks are
 * left of three, and Portuguese writes "\xC3\xA0s". */
static size_t blank_in_grave(lm_str text, size_t at)
{
    bool two = at + 1 < text.len && text.data[at + 1] == ' ';
    bool as = at + 2 < text.len && text.data[at + 1] == 's' && text.data[at + 2] == ' ';
    return two || as;
}

static bool sequence_at(const lm_legacy_encoding *e, bool latin, lm_str text, size_t at, sequence *s)
{
    *s = (sequence){.from = at, .to = at};
    size_t n;
    uint32_t code = code_at(text, at, &n);
    s->bytes[0] = byte_of(e, code);
    if (s->bytes[0] < 0xC2 || s->bytes[0] > 0xF4)
        return false;
    s->to += n;
    s->length = s->bytes[0] < 0xE0 ? 2 : s->bytes[0] < 0xF0 ? 3 : 4;
    for (int k = 1; k < s->length; k++, s->to += n) {
        code = code_at(text, s->to, &n);
        s->bytes[k] = byte_of(e, code);
        if (k == 1)
            s->second = code;
        if (latin && code == ' ' && may_be_blank(s->bytes, k)) {
            s->bytes[k] = 0xA0;
            n = s->bytes[0] == 0xC3 ? blank_in_grave(text, s->to) : s->bytes[0] != 0xC2;
        } else if (code == 0xFFFD) {
            s->bytes[k] = s->length == 2 ? 0xBF : 0xB0;
            s->lost = true;
        }
        if (s->bytes[k] < 0x80 || s->bytes[k] > 0xBF)
            return false;
        s->control |= code >= 0x80 && code < 0xA0;
    }
    if (lm_utf8_decode((const char *)s->bytes, (size_t)s->length, &s->becomes) != (size_t)s->length)
        return false;
    if (s->lost)
        s->becomes = 0xFFFD;
    else if (s->bytes[0] == 0xC2 && s->second == ' ') /* the no-break space itself: its first byte goes */
        s->becomes = 0;
    if (s->lost || !s->becomes)
        return true;
    if (s->becomes < 0xA0)
        s->becomes = lm_windows_1252(s->becomes);
    s->in = group_of(s->becomes);
    return s->in != NO_GROUP && utf8proc_category((utf8proc_int32_t)s->becomes) != UTF8PROC_CATEGORY_CN;
}

/* Second bytes that are in Windows-1252 what may well stand behind a word: ellipsis, quotation marks that close, dashes,
 * trade mark and registered sign, degree and ordinals, powers, a no-break space. */
static bool may_follow_word(uint8_t byte)
{
    return byte == 0x85 || byte == 0x92 || byte == 0x94 || (byte >= 0x96 && byte <= 0x97) || byte == 0x99 || byte == 0x9B ||
           byte == 0xA0 || byte == 0xAA || byte == 0xAE || (byte >= 0xB0 && byte <= 0xB4) || byte == 0xB7 || byte == 0xB9 ||
           byte == 0xBA || byte == 0xBB;
}

/* Second bytes that never stand behind a letter in Windows-1252: daggers, accents by themselves, signs of law, fractions. */
static bool is_stray(uint8_t byte)
{
    return (byte >= 0x86 && byte <= 0x89) || byte == 0x98 || (byte >= 0xA6 && byte <= 0xA8) || byte == 0xAC || byte == 0xAF ||
           byte == 0xB1 || byte == 0xB5 || byte == 0xB6 || byte == 0xB8 || (byte >= 0xBC && byte <= 0xBE);
}

/* Is a sequence of two bytes, which is a capital with a sign behind it in Western encodings, nothing that somebody wrote? */
static bool two_are_proof(const sequence *s, bool latin, uint32_t before, uint32_t after)
{
    uint8_t first = s->bytes[0], second = s->bytes[1];
    if (s->second >= 0x2500 && s->second < 0x2600) /* a drawing of boxes */
        return false;
    if (is_lower(before)) /* a capital within a word */
        return (s->in == WESTERN || first == 0xC2) && (s->second != ' ' || first <= 0xC3);
    if (!latin || s->second == ' ')
        return false;
    if (second == 0xA0)
        return first == 0xC3 && is_lower(after);
    bool dash = second == 0x96 || second == 0x97, joins = second == 0x92 || second == 0xB7;
    if (s->in == WESTERN && is_letter(after) && !joins && !(dash && !is_lower(after)))
        return true;
    if (first > 0xC3)
        return is_stray(second) || (is_lower(after) && second >= 0xB2 && second <= 0xB3);
    return !(may_follow_word(second) && (first == 0xC3 || is_upper_case(before)));
}

/* Is this one proof, by itself, that the text was misread? */
static bool is_proof(const sequence *s, bool latin, uint32_t before, uint32_t after)
{
    if (s->lost)
        return false;
    if (s->control || s->length == 4)
        return true;
    if (s->length == 2)
        return two_are_proof(s, latin, before, after);
    if (s->in == TYPOGRAPHIC)
        return !((may_follow_word(s->bytes[1]) || (s->bytes[1] >= 0x91 && s->bytes[1] <= 0x97)) &&
                 may_follow_word(s->bytes[2]));
    return (s->in == WESTERN && is_letter(after)) || (s->becomes >= 0xFF00 && s->becomes < 0xFFF0);
}

/* Sequences one behind the other are proof by their number, where they are of one script. */
static bool row_is_proof(const sequence *s, bool letters, int in_row)
{
    if (s->length == 2)
        return in_row >= (s->in == WESTERN && letters ? 2 : 3);
    return s->in != TYPOGRAPHIC && in_row >= 2;
}

/* Counts the sequences of a text in an encoding, long ones for more, and those that are proof; with `out`, puts what they are
 * in their place. */
static size_t read_as(const lm_legacy_encoding *e, int index, lm_str text, lm_buf *out, size_t *proofs)
{
    const lm_legacy_roles *roles = lm_legacy_roles_of();
    bool latin = index == LATIN, letters = strchr("13", e->name[strlen(e->name) - 1]) != NULL; /* Cyrillic, Greek */
    lm_edits edits = {.text = text, .out = out};
    size_t found = 0, row_end = 0, n;
    int in_row = 0;
    group row = NO_GROUP;
    for (size_t i = lm_next_of(&suspects, text, 0); i < text.len; i = lm_next_of(&suspects, text, i)) {
        uint32_t code = code_at(text, i, &n);
        sequence s;
        if (code >= LM_LEGACY_CODES || !(roles->first[code] >> index & 1) || !sequence_at(e, latin, text, i, &s)) {
            i += n;
            continue;
        }
        in_row = row_end == i && row == s.in ? in_row + 1 : 1;
        row_end = s.to, row = s.in;
        found += (size_t)s.length - 1;
        if (proofs)
            *proofs +=
                is_proof(&s, latin, code_before(text, i), code_at(text, s.to, &n)) || row_is_proof(&s, letters, in_row);
        if (out) {
            char utf8[4];
            lm_edits_put(&edits, s.from, s.to, (lm_str){utf8, s.becomes ? lm_utf8_encode(s.becomes, utf8) : 0});
        }
        i = s.to;
    }
    if (out)
        lm_edits_end(&edits);
    return found;
}

/* The encodings in which there is a sequence, as bits; quick, for most texts have none. */
static unsigned possible_encodings(lm_str text)
{
    const lm_legacy_roles *roles = lm_legacy_roles_of();
    unsigned possible = 0;
    for (size_t i = lm_next_of(&suspects, text, 0); i < text.len; i = lm_next_of(&suspects, text, i)) {
        size_t n;
        uint32_t code = code_at(text, i, &n), next;
        i += n;
        if (code >= LM_LEGACY_CODES || !roles->first[code])
            continue;
        next = code_at(text, i, &n);
        if (next < LM_LEGACY_CODES && next > 0)
            possible |= roles->first[code] & (roles->further[next] | (next == ' ' ? 1u << LATIN : 0));
    }
    return possible;
}

/* One misreading undone; false: there was none. */
static bool undo_one(lm_str text, lm_buf *out)
{
    unsigned possible = possible_encodings(text);
    if (!possible)
        return false;
    int count, best = -1;
    const lm_legacy_encoding *encodings = lm_legacy_encodings(&count);
    size_t most = 0, most_proofs = 0;
    for (int i = 0; i < count; i++) {
        size_t proofs = 0, found = possible >> i & 1 ? read_as(&encodings[i], i, text, NULL, &proofs) : 0;
        if (proofs > most_proofs || (proofs && proofs == most_proofs && found > most))
            most_proofs = proofs, most = found, best = i;
    }
    return best >= 0 && read_as(&encodings[best], best, text, out, NULL) > 0;
}

/* ---------------------------------------------------------------- Korean read as Latin */

/* The character of the two bytes that stand at `at` as Latin letters. The second one of CP949's extension may be ASCII.
 * 0: none, and *to is behind the first. *common: it is one of KS X 1001's 2350 syllables. */
static uint32_t korean_at(const lm_legacy_encoding *latin, lm_str text, size_t at, size_t *to, bool *common)
{
    size_t n, m;
    uint8_t first = byte_of(latin, code_at(text, at, &n));
    *to = at + n;
    uint32_t code = code_at(text, *to, &m);
    unsigned second = code < 0x80 ? code : byte_of(latin, code);
    uint32_t korean = first && second ? lm_cp949(first, second) : 0;
    if (korean)
        *to += m;
    *common = first >= 0xB0 && first <= 0xC8 && second >= 0xA1;
    return korean;
}

/* A row of letters beyond ASCII, without any between: Hangul where most pairs of its bytes are. With `out`, puts them in
 * place. Returns whether the text is Korean: there are different syllables enough, and hardly anything that is none. */
static bool read_korean(const lm_legacy_encoding *latin, lm_str text, lm_buf *out)
{
    lm_edits edits = {.text = text, .out = out};
    size_t hangul = 0, others = 0, rows = 0;
    uint32_t last = 0;
    for (size_t i = lm_next_of(&suspects, text, 0); i < text.len; i = lm_next_of(&suspects, text, i)) {
        size_t from = i, n, to, in_row = 0;
        while (byte_of(latin, code_at(text, i, &n))) {
            bool common;
            uint32_t code = korean_at(latin, text, i, &to, &common);
            in_row += common && code != last;
            others += !code || code >= 0xE000 || (code >= 0x3400 && code < 0xAC00); /* nothing, or an ideograph */
            last = code;
            if (out && code) {
                char utf8[4];
                lm_edits_put(&edits, i, to, (lm_str){utf8, lm_utf8_encode(code, utf8)});
            }
            i = to;
        }
        hangul += in_row;
        rows += in_row >= 2;
        i += i == from ? n : 0;
    }
    if (out)
        lm_edits_end(&edits);
    return rows && hangul >= HANGUL_PROOF && others * 10 <= hangul;
}

/* Text that has characters of its own from U+3000 to U+DFFF was not misread as a whole. */
static bool undo_korean(lm_str text, lm_buf *out)
{
    static const lm_byte_set east_asian = {{[0xE3 ... 0xED] = true}};
    int count;
    const lm_legacy_encoding *latin = lm_legacy_encodings(&count);
    if (!count || lm_next_of(&east_asian, text, 0) < text.len || !read_korean(latin, text, NULL))
        return false;
    read_korean(latin, text, out);
    return true;
}

/* ---------------------------------------------------------------- a text */

/* Control characters that only an unlucky decoder makes: what Windows-1252 has there. */
static bool replace_controls(lm_str text, lm_buf *out)
{
    static const lm_byte_set first = {{[0xC2] = true}};
    lm_edits e = {.text = text, .out = out};
    for (size_t i = lm_next_of(&first, text, 0); i < text.len; i = lm_next_of(&first, text, i)) {
        size_t n;
        uint32_t code = code_at(text, i, &n), becomes = lm_windows_1252(code);
        bool line_end = code == 0x85 && (i == 0 || (unsigned char)text.data[i - 1] <= ' ');
        if (becomes != code && !line_end) {
            char utf8[4];
            lm_edits_put(&e, i, i + n, (lm_str){utf8, lm_utf8_encode(becomes, utf8)});
        }
        i += n;
    }
    return lm_edits_end(&e);
}

/* *text becomes what is in `out`, which is empty again and has the other buffer. */
static void take(lm_str *text, lm_buf *out, lm_buf *spare)
{
    lm_buf made = *out;
    *out = *spare;
    *spare = made;
    *text = lm_buf_str(spare);
    out->len = 0;
}

static bool clean(const lm_clean_step *step, lm_clean_room *room, lm_str text, lm_buf *out)
{
    (void)step;
    if (lm_next_of(&suspects, text, lm_ascii_prefix(text.data, text.len)) == text.len)
        return false;
    bool any = false;
    for (int k = 0; k < LAYERS && (undo_korean(text, out) || undo_one(text, out)); k++) {
        take(&text, out, &room->spare);
        any = true;
    }
    if (replace_controls(text, out))
        return true;
    if (any)
        lm_buf_append(out, text.data, text.len);
    return any;
}

bool lm_clean_mojibake(lm_clean_step *step, const char *value, lm_status *st)
{
    (void)value, (void)st;
    step->clean = clean;
    return true;
}
