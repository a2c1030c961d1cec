/* White space: one blank between words, none at the ends of lines, paragraphs parted by one empty line. */
#include "augment/clean/clean.h"

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

static bool clean(const lm_clean_step *step, lm_clean_room *room, lm_str text, lm_buf *out)
{
    (void)room;
    int lines = step->number; /* most line ends in a row */
    lm_edits e = {.text = text, .out = out};
    for (size_t i = lm_next_of(&suspects, text, 0); i < text.len; i = lm_next_of(&suspects, text, i)) {
        if (text.data[i] == ' ' && i > 0 && i + 1 < text.len &&
            !suspects.has[(unsigned char)text.data[i + 1]]) { /* the usual one */
            i += 2;
            continue;
        }
        size_t from = i, n;
        int breaks = 0;
        bool ends;
        while (i < text.len && (n = white(text.data + i, text.len - i, &ends))) {
            i += n;
            breaks += ends && breaks < 2;
        }
        if (i == from) { /* not white at all */
            i++;
            continue;
        }
        lm_str with = breaks == 0 || lines == 0 ? lm_str_of(" ") : lm_str_of(&"\n\n"[2 - (breaks < lines ? breaks : lines)]);
        if (from == 0 || i == text.len)
            with.len = 0;
        if (i - from != with.len || memcmp(text.data + from, with.data, with.len) != 0)
            lm_edits_put(&e, from, i, with);
    }
    return lm_edits_end(&e);
}

bool lm_clean_whitespace(lm_clean_step *step, const char *value, lm_status *st)
{
    step->clean = clean;
    if (*value && strcmp(value, "paragraphs") != 0 && strcmp(value, "line") != 0)
        return lm_fail(st, LM_USAGE,
                       "--whitespace=%s: no such form: `paragraphs` keeps line ends, `line` makes a line of each text",
                       value);
    step->number = strcmp(value, "line") == 0 ? 0 : 2;
    return true;
}
