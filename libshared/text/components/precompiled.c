#include "text/components/precompiled.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/unicode.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- reading */

static int sextet(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

static bool decode_base64(lm_str s, lm_buf *out)
{
    uint32_t bits = 0;
    int count = 0;
    while (s.len && s.data[s.len - 1] == '=')
        s.len--;
    for (size_t i = 0; i < s.len; i++) {
        int six = sextet(s.data[i]);
        if (six < 0)
            return false;
        bits = bits << 6 | (uint32_t)six;
        count += 6;
        if (count >= 8) {
            count -= 8;
            lm_buf_putc(out, (char)(bits >> count & 255));
        }
    }
    return true;
}

static uint32_t little_endian(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static bool read_map(lm_precompiled *m, lm_str map, lm_status *st)
{
    size_t size = map.len >= 4 ? little_endian(map.data) : 0;
    if (map.len < 4 || size % 4 != 0 || size == 0 || size > map.len - 4)
        return lm_fail(st, LM_FAILED, "Precompiled: the character map's trie does not fit into it");
    m->unit_count = size / 4;
    m->units = lm_malloc(m->unit_count, sizeof *m->units);
    for (size_t i = 0; i < m->unit_count; i++)
        m->units[i] = little_endian(map.data + 4 + 4 * i);
    if (!lm_utf8_valid(map.data + 4 + size, map.len - 4 - size))
        return lm_fail(st, LM_FAILED, "Precompiled: the character map's texts are not UTF-8");
    lm_buf_append(&m->texts, map.data + 4 + size, map.len - 4 - size);
    return true;
}

bool lm_precompiled_read(lm_precompiled *m, lm_str base64, lm_status *st)
{
    lm_buf map = {0};
    bool ok = decode_base64(base64, &map)
                  ? read_map(m, lm_buf_str(&map), st)
                  : lm_fail(st, LM_FAILED, "Precompiled: the character map is not base64");
    lm_buf_free(&map);
    return ok;
}

void lm_precompiled_free(lm_precompiled *m)
{
    free(m->units);
    lm_buf_free(&m->texts);
    *m = (lm_precompiled){0};
}

/* ---------------------------------------------------------------- looking up */

static size_t child_offset(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

/* What the shortest beginning of `key` that is in the map becomes; false where there is none. The shortest,
 * and not the longest: so does the reference. */
static bool look_up(const lm_precompiled *m, const char *key, size_t len, lm_str *becomes)
{
    size_t node = child_offset(m->units[0]);
    for (size_t i = 0; i < len && key[i]; i++) {
        unsigned char byte = (unsigned char)key[i];
        node ^= byte;
        if (node >= m->unit_count)
            return false;
        uint32_t unit = m->units[node];
        if ((unit & (1u << 31 | 0xFF)) != byte)
            return false;
        node ^= child_offset(unit);
        if (node >= m->unit_count)
            return false;
        if (unit >> 8 & 1) {
            size_t start = m->units[node] & ~(1u << 31);
            if (start > m->texts.len)
                return false;
            const char *end =
                start < m->texts.len ? memchr(m->texts.data + start, 0, m->texts.len - start) : NULL;
            becomes->data = m->texts.len ? m->texts.data + start : "";
            becomes->len = end ? (size_t)(end - becomes->data) : m->texts.len - start;
            return true;
        }
    }
    return false;
}

bool lm_precompiled_keeps(const lm_precompiled *m, uint32_t code)
{
    char key[4];
    lm_str text;
    return !look_up(m, key, lm_utf8_encode(code, key), &text);
}

/* The character that is to be put next: what follows may change by how much it stands for. */
typedef struct writer {
    lm_pieces *p;
    bool any;
    uint32_t code;
    long change;
} writer;

static void put(writer *w, uint32_t code, long change)
{
    if (w->any)
        lm_pieces_put(w->p, w->code, w->change);
    *w = (writer){w->p, true, code, change};
}

/* `count` characters become a text. A text that is shorter swallows what is left over with its last
 * character, or with the one before it; at the very beginning there is none, and spans shift, as the
 * reference's do. */
static void replace(writer *w, size_t count, lm_str text)
{
    size_t n = 0;
    for (size_t at = 0; at < text.len; n++) {
        uint32_t code;
        at += lm_utf8_decode(text.data + at, text.len - at, &code);
        put(w, code, n >= count);
    }
    if (n < count)
        w->change -= (long)(count - n);
}

/* ---------------------------------------------------------------- graphemes */

enum { LONGEST_GRAPHEME = 5 }; /* bytes; the reference takes longer ones apart */

/* The end of the grapheme that begins at i. Only those of up to five bytes matter, so Hangul, emoji and
 * flags, which are longer, may be cut into characters. */
static size_t grapheme_end(const lm_chars *c, size_t i, const uint16_t *table)
{
    unsigned kind = lm_unicode_is(table, c->at[i].code);
    if (kind & LM_CP_BREAK)
        return c->at[i].code == '\r' && i + 1 < c->n && c->at[i + 1].code == '\n' ? i + 2 : i + 1;
    for (i++; i < c->n; i++) {
        unsigned next = lm_unicode_is(table, c->at[i].code);
        if (!(next & LM_CP_EXTEND) && (!(kind & LM_CP_PREPEND) || next & LM_CP_BREAK))
            break;
        kind = next;
    }
    return i;
}

static bool whole_grapheme(const lm_precompiled *m, writer *w, size_t from, size_t to)
{
    char key[4 * LONGEST_GRAPHEME + 4];
    size_t len = 0;
    for (size_t i = from; i < to && len <= LONGEST_GRAPHEME; i++)
        len += lm_utf8_encode(w->p->chars.at[i].code, key + len);
    lm_str text;
    if (len > LONGEST_GRAPHEME || !look_up(m, key, len, &text))
        return false;
    replace(w, to - from, text);
    return true;
}

void lm_precompiled_run(const lm_precompiled *m, lm_pieces *p)
{
    const uint16_t *table = lm_unicode_table();
    writer w = {.p = p};
    lm_pieces_rewrite(p);
    for (size_t i = 0; i < p->chars.n;) {
        size_t end = grapheme_end(&p->chars, i, table);
        if (end - i > 1 && whole_grapheme(m, &w, i, end)) {
            i = end;
            continue;
        }
        for (; i < end; i++) {
            char key[4];
            lm_str text;
            size_t len = lm_utf8_encode(p->chars.at[i].code, key);
            if (look_up(m, key, len, &text))
                replace(&w, 1, text);
            else
                put(&w, p->chars.at[i].code, 0);
        }
    }
    if (w.any)
        lm_pieces_put(p, w.code, w.change);
    lm_pieces_swap(p);
}
