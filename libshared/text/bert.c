/* The path of most text: BertNormalizer, BertPreTokenizer and WordPiece in one pass over the bytes. ASCII is
 * classified by a table; a word with other characters is looked at, and taken as it stands if nothing would
 * change it. Only words that normalisation changes go through the components one by one, alone: white space
 * and punctuation are starters, so that no character beyond them has a say. The ids and spans are those of
 * the components, which a test compares. */
#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer_internal.h"
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
    b->lower_case = n->lower_case;
    b->cut = LM_CP_SPACE | LM_CP_PUNCT | (n->cjk ? LM_CP_CJK : 0);
    b->odd = ILL_FORMED | (n->clean_text ? LM_CP_CONTROL : 0) | (n->lower_case ? LM_CP_LOWER : 0) |
             (n->strip_accents ? LM_CP_NFD | LM_CP_NONSPACING : 0);
    lm_token_list one = {0};
    lm_model_scratch scratch = {0};
    for (int c = 0; c < 256; c++) {
        unsigned p = c < 128 ? lm_unicode_properties((uint32_t)c) : 0;
        bool removed = n->clean_text && p & LM_CP_CONTROL;
        b->kind[c] = c >= 128 || removed || c == 0 ? LM_BYTE_ODD
                     : p & LM_CP_SPACE             ? LM_BYTE_SPACE
                     : ascii_punct(c)              ? LM_BYTE_PUNCT
                                                   : LM_BYTE_WORD;
        b->lower[c] = (char)(n->lower_case && c >= 'A' && c <= 'Z' ? c + 32 : c);
        if (b->kind[c] == LM_BYTE_PUNCT) {
            char byte = (char)c;
            one.n = 0;
            lm_token_model_encode(&t->model, (lm_str){&byte, 1}, 1, &scratch, &one);
            b->punct_id[c] = one.at[0].id;
        }
    }
    lm_token_list_free(&one);
    lm_model_scratch_free(&scratch);
}

/* The tokens of a word that normalisation leaves as it is but for ASCII capitals. */
static void normal_tokens(lm_encoder *e, lm_str w, size_t chars)
{
    const lm_tokenizer *t = e->t;
    e->tokens.n = 0;
    if (chars > t->model.max_chars) {
        lm_token_push(&e->tokens, t->model.unk_id, (int32_t)w.len);
        return;
    }
    if (t->normalizer.lower_case) {
        e->word.len = 0;
        lm_buf_reserve(&e->word, w.len);
        for (size_t i = 0; i < w.len; i++)
            e->word.data[i] = t->bert.lower[(unsigned char)w.data[i]];
        w.data = e->word.data;
    }
    lm_encode_word(e, w, chars);
}

/* The same of source bytes [from, to). */
static void plain_word(lm_encoder *e, lm_str text, size_t from, size_t to, size_t chars, lm_side *out)
{
    int32_t word = out->words++;
    size_t start = from;
    normal_tokens(e, (lm_str){text.data + from, to - from}, chars);
    for (size_t i = 0; i < e->tokens.n; i++) {
        size_t end = from + (size_t)e->tokens.at[i].end;
        lm_side_push(out, e->tokens.at[i].id, word, start, end);
        start = end;
    }
}

static const uint64_t ones = 0x0101010101010101u;

/* Eight ASCII bytes, A-Z made a-z. */
static inline uint64_t lower_eight(uint64_t x)
{
    uint64_t from_a = x + ones * (0x80 - 'A'), beyond_z = x + ones * (0x80 - 'Z' - 1);
    return x | ((from_a & ~beyond_z & (ones * 0x80)) >> 2);
}

/* How many of eight bytes are letters or digits before the first that is neither (the first is the lowest).
 */
static inline unsigned word_bytes(uint64_t x)
{
    uint64_t seven = x & (ones * 0x7F), small = seven | (ones * 0x20);
    uint64_t letter = (small + ones * (0x80 - 'a')) & ~(small + ones * (0x80 - 'z' - 1));
    uint64_t digit = (seven + ones * (0x80 - '0')) & ~(seven + ones * (0x80 - '9' - 1));
    uint64_t other = ~((letter | digit) & ~x) & (ones * 0x80);
    return other ? (unsigned)__builtin_ctzll(other) / 8 : 8;
}

/* A word of ASCII letters and digits. */
static void cut_ascii(lm_encoder *e, lm_str text, size_t from, size_t len)
{
    normal_tokens(e, (lm_str){text.data + from, len}, len);
}

/* Where the words of text[from..to) end that are letters and digits alone, of up to LM_WORD_BYTES, or single punctuation: the first
 * byte that is something else than such a word or white space. */
static size_t quick_words(lm_encoder *e, lm_str text, size_t from, size_t to, lm_side *out)
{
    const lm_bert_path *b = &e->t->bert;
    lm_key_bytes k;
    size_t p = from;
    lm_key_bytes_of(&k, text, to);
    while (p < to && out->n <= out->limit) {
        unsigned kind = b->kind[(unsigned char)text.data[p]];
        if (kind == LM_BYTE_SPACE) {
            p++;
            continue;
        }
        const char *at = lm_key_bytes_at(&k, p);
        uint64_t first = lm_eight_bytes(at), second = 0, third = 0;
        size_t n = kind == LM_BYTE_PUNCT ? 1 : word_bytes(first);
        if (n == 8)
            n += word_bytes(second = lm_eight_bytes(at + 8));
        if (n == 16)
            n += word_bytes(third = lm_eight_bytes(at + 16));
        unsigned next = p + n < to ? b->kind[(unsigned char)text.data[p + n]] : LM_BYTE_SPACE;
        if (n == 0 || (kind != LM_BYTE_PUNCT && (next == LM_BYTE_WORD || next == LM_BYTE_ODD)))
            break;
        if (e->ahead.n == LM_WORDS_AHEAD)
            lm_words_take(e, text, cut_ascii, NULL, out);
        struct lm_word_ahead *a = lm_words_ahead_next(&e->ahead, p, n);
        first = lm_low_bytes(first, n);
        second = n > 8 ? lm_low_bytes(second, n - 8) : 0;
        third = n > 16 ? lm_low_bytes(third, n - 16) : 0;
        a->key[0] = b->lower_case ? lower_eight(first) : first;
        a->key[1] = b->lower_case ? lower_eight(second) : second;
        a->key[2] = b->lower_case ? lower_eight(third) : third;
        lm_words_ahead_fetch(a, &e->cache);
        p += n;
    }
    lm_words_take(e, text, cut_ascii, NULL, out);
    return p;
}

static void run(lm_encoder *e, lm_str text, size_t from, size_t to, unsigned seen, size_t chars, lm_side *out)
{
    if (from == to)
        return;
    if (seen & e->t->bert.odd)
        lm_encode_components(e, text, from, to, out);
    else
        plain_word(e, text, from, to, chars, out);
}

/* A run that begins at `from` and has something else than ASCII in it; `ascii`: as many bytes at its start
 * are. Ends before the next ASCII space or punctuation, or behind the first other one. Returns where. */
static size_t odd_run(lm_encoder *e, lm_str text, size_t from, size_t ascii, size_t to, lm_side *out)
{
    const lm_bert_path *b = &e->t->bert;
    const uint16_t *table = lm_unicode_table();
    bool clean = e->t->normalizer.clean_text;
    unsigned seen = 0;
    size_t i = from + ascii, chars = ascii;
    while (i < to) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x80) {
            if (b->kind[byte] == LM_BYTE_SPACE || b->kind[byte] == LM_BYTE_PUNCT)
                break;
            if (b->kind[byte] == LM_BYTE_ODD)
                seen |= LM_CP_CONTROL;
            i++;
            chars++;
            continue;
        }
        uint32_t code;
        size_t n = lm_utf8_decode(text.data + i, to - i, &code);
        unsigned p = lm_unicode_is(table, code);
        if (code == 0xFFFD && !(n == 3 && memcmp(text.data + i, "\xEF\xBF\xBD", 3) == 0))
            p |= ILL_FORMED;
        if (p & b->cut && !(clean && p & LM_CP_CONTROL)) {
            run(e, text, from, i, seen, chars, out);
            if (!(p & LM_CP_SPACE))
                run(e, text, i, i + n, p, 1, out);
            return i + n;
        }
        seen |= p;
        i += n;
        chars++;
    }
    run(e, text, from, i, seen, chars, out);
    return i;
}

void lm_bert_encode(lm_encoder *e, lm_str text, size_t from, size_t to, lm_side *out)
{
    const lm_bert_path *b = &e->t->bert;
    size_t p = from;
    while ((p = quick_words(e, text, p, to, out)) < to && out->n <= out->limit) {
        unsigned char byte = (unsigned char)text.data[p];
        unsigned kind = b->kind[byte];
        size_t i = p;
        if (kind == LM_BYTE_SPACE) {
            p++;
            continue;
        }
        if (kind == LM_BYTE_PUNCT) {
            lm_side_push(out, e->punct_id[byte], out->words++, p, p + 1);
            p++;
            continue;
        }
        while (i < to && (kind = b->kind[(unsigned char)text.data[i]]) == LM_BYTE_WORD)
            i++;
        if (i < to && kind == LM_BYTE_ODD) {
            p = odd_run(e, text, p, i - p, to, out);
            continue;
        }
        plain_word(e, text, p, i, i - p, out);
        p = i;
    }
}
