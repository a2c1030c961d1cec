/* The path of most text: BertNormalizer, BertPreTokenizer and WordPiece in one pass over the bytes. White space and punctuation are
 * starters, so that what becomes of a word depends on nothing beyond it, and words are kept with their tokens: by their normalised bytes
 * where normalisation changes nothing but ASCII capitals, else by those of the source, with a mark, and without spans. Where spans are
 * asked for, words that normalisation changes go through the components one by one. The ids and spans are those of the components, which
 * a test compares. */
#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer_internal.h"
#include "text/unicode/hangul.h"
#include "text/unicode/unicode.h"

enum { ILL_FORMED = 1 << 15 };

static bool ascii_punct(int c)
{
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
}

void lm_bert_prepare(lm_tokenizer *t)
{
    lm_bert_path *b = &t->bert;
    const lm_normalizer *n = &t->normalizer;
    b->usable = lm_normalizer_is_bert(n) && lm_pre_tokenizer_is_bert(&t->pre_tokenizer) &&
                strcmp(t->model.name, "WordPiece") == 0 && t->added.normalized.only == -2;
    if (!b->usable)
        return;
    b->table = lm_unicode_table();
    b->lower_case = n->lower_case;
    b->cleans = n->clean_text;
    b->cut = LM_CP_SPACE | LM_CP_PUNCT | (n->cjk ? LM_CP_CJK : 0);
    b->odd = ILL_FORMED | (n->clean_text ? LM_CP_CONTROL : 0) | (n->lower_case ? LM_CP_LOWER : 0) |
             (n->strip_accents ? LM_CP_NFD | LM_CP_NONSPACING : 0);
    for (int c = 0; c < 256; c++) {
        unsigned p = c < 128 ? lm_unicode_properties((uint32_t)c) : 0;
        bool removed = n->clean_text && p & LM_CP_CONTROL;
        b->kind[c] = c >= 128 || removed || c == 0 ? LM_BYTE_ODD
                     : p & LM_CP_SPACE             ? LM_BYTE_SPACE
                     : ascii_punct(c)              ? LM_BYTE_PUNCT
                                                   : LM_BYTE_WORD;
        b->lower[c] = (char)(n->lower_case && c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
}

/* ---------------------------------------------------------------- characters */

static inline bool continues(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

static const uint64_t ones = 0x0101010101010101u;

/* Eight bytes, A-Z made a-z. */
static inline uint64_t lower_eight(uint64_t x)
{
    uint64_t seven = x & (ones * 0x7F), from_a = seven + ones * (0x80 - 'A'), beyond_z = seven + ones * (0x80 - 'Z' - 1);
    return x | ((from_a & ~beyond_z & ~x & (ones * 0x80)) >> 2);
}

/* How many of eight bytes are letters or digits before the first that is neither (the first is the lowest). */
static inline unsigned word_bytes(uint64_t x)
{
    uint64_t seven = x & (ones * 0x7F), small = seven | (ones * 0x20);
    uint64_t letter = (small + ones * (0x80 - 'a')) & ~(small + ones * (0x80 - 'z' - 1));
    uint64_t digit = (seven + ones * (0x80 - '0')) & ~(seven + ones * (0x80 - '9' - 1));
    uint64_t other = ~((letter | digit) & ~x) & (ones * 0x80);
    return other ? (unsigned)__builtin_ctzll(other) / 8 : 8;
}

/* Whether U+FFFD begins at s, which has n bytes more, and is cleaned away: what random bytes are full of. */
static inline bool is_lost(const lm_bert_path *b, const char *s, size_t n)
{
    const unsigned char *u = (const unsigned char *)s;
    return n >= 3 && b->cleans & (((u[0] ^ 0xEF) | (u[1] ^ 0xBF) | (u[2] ^ 0xBD)) == 0);
}

/* See `look`: of four bytes, or ill-formed. */
static size_t look_twice(const lm_bert_path *b, const char *s, size_t most, uint32_t *code, unsigned *properties)
{
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] >= 0xF0 && u[0] < 0xF4 && most >= 4 && u[1] >= (u[0] == 0xF0 ? 0x90 : 0x80) && u[1] < 0xC0 && continues(u[2]) &&
        continues(u[3])) {
        size_t n = lm_utf8_known(s, code);
        *properties = lm_unicode_is(b->table, *code);
        return n;
    }
    size_t n = lm_utf8_decode(s, most, code);
    bool is_there = n == 3 && memcmp(s, "\xEF\xBF\xBD", 3) == 0;
    *properties = lm_unicode_is(b->table, *code) | (*code == 0xFFFD && !is_there ? ILL_FORMED : 0);
    return n;
}

/* The character at text[i], which is not ASCII: its length, and what it is. */
static inline size_t look(const lm_bert_path *b, lm_str text, size_t i, size_t to, uint32_t *code, unsigned *properties)
{
    const unsigned char *s = (const unsigned char *)text.data + i;
    size_t n;
    if (s[0] >= 0xE1 && s[0] < 0xF0 && to - i >= 3 && continues(s[1]) && continues(s[2]) && !(s[0] == 0xED && s[1] >= 0xA0)) {
        *code = (s[0] & 0xFu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
        n = 3;
    } else if (s[0] >= 0xC2 && s[0] < 0xE0 && to - i >= 2 && continues(s[1])) {
        *code = (s[0] & 0x1Fu) << 6 | (s[1] & 0x3Fu);
        n = 2;
    } else {
        return look_twice(b, text.data + i, to - i, code, properties);
    }
    *properties = lm_unicode_is(b->table, *code);
    return n;
}

/* ---------------------------------------------------------------- a word that is not known */

/* A character as normalisation leaves it, to `out`, which has room for it; *chars grows by what it becomes. False where that may depend
 * on its neighbours, or parts words. */
static bool put_normal(const lm_normalizer *n, uint32_t code, unsigned properties, lm_buf *out, size_t *chars)
{
    uint32_t parts[LM_DECOMPOSITION_MAX] = {code}, lower[2];
    int count = 1;
    if (n->clean_text && properties & LM_CP_CONTROL)
        return true;
    if (n->strip_accents && properties & LM_CP_NFD)
        count = lm_unicode_decompose(code, false, parts);
    for (int i = 0; i < count; i++) {
        unsigned p = lm_unicode_properties(parts[i]);
        if (n->strip_accents && p & LM_CP_NONSPACING)
            continue;
        if ((n->strip_accents && lm_unicode_class(parts[i])) || p & (LM_CP_SPACE | LM_CP_PUNCT))
            return false;
        lower[0] = parts[i];
        int more = n->lower_case ? lm_unicode_lower_case(parts[i], lower) : 1;
        *chars += (size_t)more;
        for (int k = 0; k < more; k++)
            out->len += lm_utf8_encode(lower[k], out->data + out->len);
    }
    return true;
}

/* The letters and digits of ASCII that text[i..to) begins with to `at`, which has room for eight more; returns how many. */
static size_t put_letters(const lm_bert_path *b, lm_str text, size_t i, size_t to, char *at)
{
    size_t from = i;
    for (size_t n = 8; n == 8 && text.len - i >= 8; i += n) {
        uint64_t eight = lm_eight_bytes(text.data + i);
        n = word_bytes(eight);
        n = n < to - i ? n : to - i;
        eight = b->lower_case ? lower_eight(eight) : eight;
        memcpy(at + (i - from), &eight, 8);
    }
    return i - from;
}

/* Where `at` is in `out` then, which has room for n bytes more. */
static inline char *with_room(lm_buf *out, char *at, size_t n)
{
    out->len = (size_t)(at - out->data);
    if (out->cap - out->len < n)
        lm_buf_reserve(out, n);
    return out->data + out->len;
}

/* The word text[from..from + len) as normalisation leaves it, to e->word; false where the components have to say it. *changed: more of it
 * is other than ASCII capitals. */
static bool normalise(lm_encoder *e, lm_str text, size_t from, size_t len, size_t *chars, bool *changed)
{
    enum { MOST = 4 * 2 * LM_DECOMPOSITION_MAX }; /* bytes that a character may become */
    const lm_bert_path *b = &e->t->bert;
    bool strips = e->t->normalizer.strip_accents;
    lm_buf *out = &e->word;
    out->len = 0;
    lm_buf_reserve(out, len + MOST);
    char *at = out->data;
    size_t to = from + len, count = put_letters(b, text, from, to, at), n;
    unsigned odd = 0;
    at += count;
    for (size_t i = from + count; i < to; i += n) {
        uint32_t code = (unsigned char)text.data[i], syllable = strips ? lm_syllable_at(text.data + i, to - i) : 0;
        unsigned properties, lost = is_lost(b, text.data + i, to - i);
        if (syllable) {
            at = with_room(out, at, to - i + MOST);
            size_t bytes = lm_syllable_spell(syllable, at);
            at += bytes, count += bytes / 3, odd = 1, n = 3;
            continue;
        }
        if (lost | (code < 0x80)) { /* which of them it is, and whether it stays, cannot be foreseen */
            unsigned stays = !(lost | (b->cleans & (b->kind[code] == LM_BYTE_ODD)));
            *at = b->lower[code];
            at += stays, count += stays, odd |= !stays;
            n = 1 + 2 * lost;
            continue;
        }
        n = look(b, text, i, to, &code, &properties);
        if (properties & b->odd) {
            size_t more = 0;
            with_room(out, at, MOST);
            if (!put_normal(&e->t->normalizer, code, properties, out, &more))
                return false;
            at = with_room(out, out->data + out->len, to - i + MOST), count += more, odd = 1;
            continue;
        }
        for (size_t k = 0; k < n; k++)
            *at++ = text.data[i + k];
        count++;
    }
    out->len = (size_t)(at - out->data);
    *chars = count;
    *changed = odd;
    return true;
}

/* Of a word that normalisation changes, ids alone: what ends where is of no meaning. */
static void cut_word(lm_encoder *e, lm_str text, size_t from, size_t len)
{
    size_t chars;
    bool changed;
    if (!normalise(e, text, from, len, &chars, &changed)) {
        lm_cut_by_components(e, text, from, len);
        return;
    }
    e->tokens.n = 0;
    if (chars)
        lm_encode_unknown(e, lm_buf_str(&e->word), chars);
    for (size_t i = 0; i < e->tokens.n && changed; i++)
        e->tokens.at[i].end = (int32_t)i + 1;
}

/* ---------------------------------------------------------------- the words of a text */

/* Where the word ends of which text[i] is a part, if it is none of what parts words: before that, or at `to`. What its characters are is
 * added to *seen. Apart from its caller, most of whose words have no need of it. */
static __attribute__((noinline)) size_t word_end(const lm_encoder *e, lm_str text, size_t i, size_t to, unsigned *seen)
{
    const lm_bert_path *b = &e->t->bert;
    while (to - i >= 8 && word_bytes(lm_eight_bytes(text.data + i)) == 8)
        i += 8;
    while (i < to) {
        unsigned char byte = (unsigned char)text.data[i];
        unsigned p, lost = is_lost(b, text.data + i, to - i);
        uint32_t code;
        if (lm_syllable_at(text.data + i, to - i)) {
            *seen |= LM_CP_NFD;
            i += 3;
            continue;
        }
        if (lost | (byte < 0x80)) {
            unsigned odd = lost | (b->kind[byte] == LM_BYTE_ODD);
            if (!odd && b->kind[byte] != LM_BYTE_WORD)
                break;
            *seen |= odd * LM_CP_CONTROL;
            i += 1 + 2 * lost;
            continue;
        }
        size_t n = look(b, text, i, to, &code, &p);
        if (p & b->cut && !(b->cleans && p & LM_CP_CONTROL))
            break;
        *seen |= p;
        i += n;
    }
    return i;
}

/* Whether it is one character from U+20000 on, which is seldom seen again, and found in less time than it is remembered. */
static bool is_rare(lm_str text, size_t from, size_t n)
{
    const unsigned char *s = (const unsigned char *)text.data + from;
    return n == 4 && (s[0] > 0xF0 || (s[0] == 0xF0 && s[1] >= 0xA0));
}

/* A word of n bytes; `changed`: normalisation changes more of it than ASCII capitals. */
static inline void add_word(lm_encoder *e, lm_str text, const lm_key_bytes *k, size_t from, size_t n, bool changed, bool keep, lm_side *out)
{
    bool lower = e->t->bert.lower_case && !changed;
    if (e->ahead.n == LM_WORDS_AHEAD)
        lm_words_take(e, out);
    struct lm_word_ahead *a = lm_words_ahead_next(&e->ahead, text, from, n);
    if (n + changed > LM_WORD_BYTES || !keep)
        return;
    uint64_t key[3];
    lm_word_key(lm_key_bytes_at(k, from), n, key);
    a->key[0] = lower ? lower_eight(key[0]) : key[0];
    a->key[1] = lower ? lower_eight(key[1]) : key[1];
    a->key[2] = (lower ? lower_eight(key[2]) : key[2]) | (changed ? LM_OWN_KEY : 0);
    lm_words_ahead_fetch(a, &e->cache);
}

/* Letters and digits of ASCII from text[from] on, up to LM_WORD_BYTES. */
static inline size_t ascii_word(const lm_key_bytes *k, size_t from)
{
    const char *at = lm_key_bytes_at(k, from);
    size_t n = word_bytes(lm_eight_bytes(at));
    if (n == 8)
        n += word_bytes(lm_eight_bytes(at + 8));
    if (n == 16)
        n += word_bytes(lm_eight_bytes(at + 16));
    return n;
}

void lm_bert_encode(lm_encoder *e, lm_str text, size_t from, size_t to, lm_side *out)
{
    const lm_bert_path *b = &e->t->bert;
    bool ids_alone = out->bare && !e->counts;
    lm_key_bytes k;
    e->cut = cut_word;
    lm_key_bytes_of(&k, text, to);
    for (size_t p = from, end; p < to && out->n <= out->limit; p = end) {
        unsigned kind = b->kind[(unsigned char)text.data[p]], seen = 0;
        end = p + 1;
        if (kind == LM_BYTE_SPACE)
            continue;
        if (kind != LM_BYTE_PUNCT) {
            end = p + (kind == LM_BYTE_WORD ? ascii_word(&k, p) : 0);
            unsigned next = end < to ? b->kind[(unsigned char)text.data[end]] : LM_BYTE_SPACE;
            if (next == LM_BYTE_WORD || next == LM_BYTE_ODD)
                end = word_end(e, text, end, to, &seen);
        }
        if (end == p) { /* a character that parts words, and may be one */
            uint32_t code;
            end += look(b, text, p, to, &code, &seen);
            if (seen & LM_CP_SPACE)
                continue;
        }
        if (seen & b->odd && !ids_alone) {
            lm_encode_components(e, text, p, end, out);
        } else {
            bool keep = kind != LM_BYTE_ODD || !is_rare(text, p, end - p);
            add_word(e, text, &k, p, end - p, seen & b->odd, keep, out);
        }
    }
}
