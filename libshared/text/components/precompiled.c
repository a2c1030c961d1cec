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
    lm_buf_cstr(&m->texts); /* the last one ends, too */
    for (uint32_t c = 0; c < 128; c++)
        m->stays[c] = c != '\r' && lm_precompiled_keeps(m, c);
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
static inline bool look_up(const lm_precompiled *m, const char *key, size_t len, lm_str *becomes)
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
            size_t start = m->units[node] & ~(1u << 31), end = start;
            if (start > m->texts.len)
                return false;
            while (m->texts.data[end]) /* they are short */
                end++;
            *becomes = (lm_str){m->texts.data + start, end - start};
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

/* Whether two neighbours are in one grapheme. Only those of up to five bytes matter, so Hangul, emoji and flags, which are longer, may be
 * cut into characters. */
static inline bool stand_in_one(uint32_t left, unsigned left_is, uint32_t right, unsigned right_is)
{
    if (left_is & LM_CP_BREAK)
        return left == '\r' && right == '\n';
    return right_is & LM_CP_EXTEND || (left_is & LM_CP_PREPEND && !(right_is & LM_CP_BREAK));
}

/* The end of the grapheme that begins at i. */
static size_t grapheme_end(const lm_chars *c, size_t i, const uint16_t *table)
{
    unsigned is = lm_unicode_is(table, c->at[i].code), next;
    for (i++; i < c->n; i++, is = next) {
        next = lm_unicode_is(table, c->at[i].code);
        if (!stand_in_one(c->at[i - 1].code, is, c->at[i].code, next))
            break;
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

/* ---------------------------------------------------------------- text */

/* A character on its way, and where it ends; behind the last one stands what joins nothing. */
typedef struct seen {
    uint32_t code;
    unsigned is;
    size_t end;
} seen;

static inline seen see(lm_str text, size_t i, const uint16_t *table)
{
    seen c = {0, LM_CP_BREAK, i};
    if (i < text.len) {
        c.end += lm_utf8_known(text.data + i, &c.code);
        c.is = lm_unicode_is(table, c.code);
    }
    return c;
}

/* What a text becomes: what stays of it is put when something else comes. */
typedef struct rewriter {
    const lm_precompiled *m;
    lm_str text;
    size_t kept; /* up to here all is put */
    uint32_t code;
    lm_str becomes; /* this character, which often comes again */
    lm_buf *out;
} rewriter;

static void put_text(rewriter *r, size_t from, size_t to, lm_str becomes)
{
    lm_buf_append(r->out, r->text.data + r->kept, from - r->kept);
    lm_buf_append(r->out, becomes.data, becomes.len);
    r->kept = to;
}

static inline void put_character(rewriter *r, size_t from, size_t to, uint32_t code)
{
    if (code != r->code) {
        lm_str becomes;
        if (!look_up(r->m, r->text.data + from, to - from, &becomes))
            return;
        r->code = code;
        r->becomes = becomes;
    }
    put_text(r, from, to, r->becomes);
}

static bool put_grapheme(rewriter *r, size_t from, size_t to)
{
    lm_str becomes;
    if (to - from > LONGEST_GRAPHEME || !look_up(r->m, r->text.data + from, to - from, &becomes))
        return false;
    put_text(r, from, to, becomes);
    return true;
}

void lm_precompiled_text(const lm_precompiled *m, lm_str text, lm_buf *out)
{
    const uint16_t *table = lm_unicode_table();
    rewriter r = {.m = m, .text = text, .code = UINT32_MAX, .out = out};
    size_t i = 0;
    while (i < text.len) {
        if (m->stays[(unsigned char)text.data[i]] && i + 1 < text.len && (unsigned char)text.data[i + 1] < 0x80) {
            i++;
            continue;
        }
        seen first = see(text, i, table), c = first, next;
        while (next = see(text, c.end, table), stand_in_one(c.code, c.is, next.code, next.is))
            c = next;
        if (c.end == first.end || !put_grapheme(&r, i, c.end))
            for (; i < c.end; i = first.end, first = see(text, i, table))
                put_character(&r, i, first.end, first.code);
        i = c.end;
    }
    lm_buf_append(out, text.data + r.kept, text.len - r.kept);
}
