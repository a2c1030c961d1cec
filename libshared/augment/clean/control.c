/* Characters that nobody sees. */
#include "augment/clean/clean.h"

#include "base/utf8.h"
#include "text/unicode/unicode.h"

enum { OSC_MAX = 256 };

/* The first bytes of what is looked at; Hangul's and most ideographs' are none of them. */
static const lm_byte_set suspects = {{
    [0x00 ... 0x08] = true,
    [0x0B ... 0x0C] = true,
    [0x0E ... 0x1F] = true,
    [0x7F] = true,
    [0xC2] = true,          /* C1, soft hyphen */
    [0xCD] = true,          /* combining grapheme joiner */
    [0xD8] = true,          /* Arabic letter mark */
    [0xE1] = true,          /* Mongolian vowel separator */
    [0xE2] = true,          /* zero-width, bidirectional */
    [0xEF] = true,          /* byte order mark, annotations, noncharacters */
    [0xF0 ... 0xF4] = true, /* tags, noncharacters */
}};

/* Bytes of the terminal's escape sequence at s (ECMA-48: CSI, OSC and the like, designations of character sets), which begins
 * with ESC; 1 where nothing follows that makes one. An OSC ends soon, or is none. */
static size_t escape_sequence(const char *s, size_t n)
{
    if (n < 2)
        return 1;
    if (s[1] == '[') {
        size_t i = 2;
        while (i < n && s[i] >= 0x20 && s[i] <= 0x3F)
            i++;
        return i < n && s[i] >= 0x40 && s[i] <= 0x7E ? i + 1 : 1;
    }
    if (s[1] == ']') {
        for (size_t i = 2; i < n && i < OSC_MAX; i++) {
            if (s[i] == '\a')
                return i + 1;
            if (s[i] == '\x1b' && i + 1 < n && s[i + 1] == '\\')
                return i + 2;
        }
        return 1;
    }
    return s[1] && strchr("()*+", s[1]) && n > 2 && (unsigned char)s[2] > 0x20 && (unsigned char)s[2] < 0x7F ? 3 : 1;
}

/* Zero-width joiners and non-joiners mean something between letters that join, in Arabic, in the scripts of India and around
 * them, and between the parts of an emoji. `before` is the character that stands before one. */
static bool may_join(uint32_t before)
{
    return (before >= 0x600 && before < 0x1100) || (before >= 0x1780 && before < 0x18B0) ||
           (before >= 0x1900 && before < 0x1E00) || (before >= 0xA800 && before < 0xAC00) ||
           (before >= 0xFB50 && before < 0xFE00) || (before >= 0xFE70 && before < 0xFEFF) ||
           (before >= 0x2190 && before < 0x2C00) || before == 0xFE0F || (before >= 0x10A00 && before < 0x12000) ||
           before >= 0x1E000;
}

/* Flags of England, Scotland and Wales end in tags: they stand behind a black flag, or behind another tag that does. */
static bool may_be_tagged(uint32_t before)
{
    return before == 0x1F3F4 || (before >= 0xE0020 && before <= 0xE007F);
}

/* What the character becomes: itself (false), or *with. */
static bool invisible(uint32_t code, uint32_t before, lm_str *with)
{
    *with = (lm_str){"", 0};
    switch (code) {
    case '\v':
    case '\f':
    case 0x85: /* next line */
        *with = lm_str_of("\n");
        return true;
    case 0x1C ... 0x1F: /* separators */
        *with = lm_str_of(" ");
        return true;
    case 0x200C:
    case 0x200D:
        return !may_join(before);
    case 0xE0020 ... 0xE007F:
        return !may_be_tagged(before);
    case 0xAD:              /* soft hyphen */
    case 0x34F:             /* combining grapheme joiner */
    case 0x61C:             /* Arabic letter mark */
    case 0x180E:            /* Mongolian vowel separator */
    case 0x200B:            /* zero-width space */
    case 0x200E ... 0x200F: /* marks of direction, */
    case 0x202A ... 0x202E: /* embeddings and overrides */
    case 0x2060 ... 0x206F: /* word joiner, invisible operators, isolates, deprecated ones */
    case 0xFEFF:            /* byte order mark */
    case 0xFFF9 ... 0xFFFC: /* annotations, object replacement */
    case 0xFDD0 ... 0xFDEF: /* noncharacters */
    case 0xE0001:
        return true;
    default:
        return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code & 0xFFFE) == 0xFFFE;
    }
}

static uint32_t character_before(lm_str text, size_t at)
{
    size_t from = at;
    while (from > 0 && at - from < 4 && ((unsigned char)text.data[--from] & 0xC0) == 0x80)
        ;
    uint32_t code = 0;
    if (from < at)
        lm_utf8_decode(text.data + from, at - from, &code);
    return code;
}

static bool clean(const lm_clean_step *step, lm_clean_room *room, lm_str text, lm_buf *out)
{
    (void)step, (void)room;
    lm_edits e = {.text = text, .out = out};
    for (size_t i = lm_next_of(&suspects, text, 0); i < text.len; i = lm_next_of(&suspects, text, i)) {
        uint32_t code;
        size_t n = lm_utf8_decode(text.data + i, text.len - i, &code);
        uint32_t before = e.any && e.done == i ? 0 : character_before(text, i);
        lm_str with;
        if (code == 0x1B)
            n = escape_sequence(text.data + i, text.len - i);
        if (code != '\t' && code != '\n' && code != '\r' && invisible(code, before, &with))
            lm_edits_put(&e, i, i + n, with);
        i += n;
    }
    return lm_edits_end(&e);
}

bool lm_clean_control(lm_clean_step *step, const char *value, lm_status *st)
{
    (void)value, (void)st;
    step->clean = clean;
    return true;
}
