/* The path of most text for GPT-2 and its heirs: no normalizer or NFC, a pre-tokenizer that cuts by one
 * expression and then writes bytes as characters (ByteLevel, or Split and ByteLevel), and BPE over these.
 * Text that NFC leaves alone is cut where it stands, and its words go to the model as bytes; any other goes
 * through the components. Ids and spans are those of the components, which a test compares. */
#include "text/byte_path.h"

#include "base/utf8.h"
#include "text/tokenizer_internal.h"
#include "text/unicode/unicode.h"
#include "text/word_starts.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The one expression by which words are cut; NULL: it is another pre-tokenizer. */
static const lm_pattern *expression_of(const lm_pre_tokenizer *t)
{
    const char *name = lm_pre_tokenizer_name(t);
    if (name && strcmp(name, "Sequence") == 0 && t->part_count == 2) {
        const lm_pre_tokenizer *split = &t->parts[0], *bytes = &t->parts[1];
        const char *first = lm_pre_tokenizer_name(split), *second = lm_pre_tokenizer_name(bytes);
        bool ours = first && second && strcmp(first, "Split") == 0 && strcmp(second, "ByteLevel") == 0 &&
                    split->behavior == LM_SPLIT_ISOLATED && split->pattern.regex && !bytes->split &&
                    !bytes->add_prefix_space;
        return ours ? &split->pattern : NULL;
    }
    bool ours = name && strcmp(name, "ByteLevel") == 0 && t->split && !t->add_prefix_space;
    return ours ? &t->pattern : NULL;
}

/* The one byte with which begin the added tokens that are matched in normalised text; -1 if there are no such
 * tokens, -2 if they begin with several. */
static int start_of_added(const lm_added_tokens *a)
{
    int start = -1;
    for (size_t i = 0; i < a->count; i++) {
        lm_str token = lm_vocabulary_get(&a->vocabulary, a->items[i].id);
        if (!a->items[i].normalized || token.len == 0)
            continue;
        int first = (unsigned char)token.data[0];
        start = start == -1 || start == first ? first : -2;
    }
    return start;
}

void lm_byte_path_prepare(lm_tokenizer *t)
{
    lm_byte_path *b = &t->bytes;
    const char *normalizer = lm_normalizer_name(&t->normalizer);
    const lm_pattern *expression = expression_of(&t->pre_tokenizer);
    bool nfc = normalizer && strcmp(normalizer, "NFC") == 0;
    b->start = start_of_added(&t->added);
    b->usable = expression && (nfc ? b->start == -1 : !normalizer && b->start > -2) &&
                lm_token_model_takes_bytes(&t->model);
    if (!b->usable)
        return;
    b->regex = expression->regex;
    b->scanner = lm_scanner_of((lm_str){expression->text, expression->text_len}, &b->digits);
    b->class = lm_char_classes();
    b->odd = (b->scanner == LM_SCAN_REGEX ? LM_CLASS_LATE : 0) | (nfc ? LM_CLASS_NFC : 0);
}

/* Whether a token that is matched in normalised text is in text[from..to), where no normaliser changes it. */
static bool has_added(const lm_tokenizer *t, lm_str text, size_t from, size_t to)
{
    const char *at;
    if (t->bytes.start < 0)
        return false;
    for (; (at = memchr(text.data + from, t->bytes.start, to - from)); from = (size_t)(at - text.data) + 1)
        for (size_t i = 0; i < t->added.count; i++) {
            lm_str token = lm_vocabulary_get(&t->added.vocabulary, t->added.items[i].id);
            if (t->added.items[i].normalized && token.len && token.len <= to - (size_t)(at - text.data) &&
                memcmp(at, token.data, token.len) == 0)
                return true;
        }
    return false;
}

/* text[from..to) normalised by itself, appended to e->word. */
static void add_normalised(lm_encoder *e, lm_str text, size_t from, size_t to)
{
    lm_pieces_read(&e->pieces, text, from, to);
    lm_normalizer_run(&e->t->normalizer, &e->pieces);
    lm_chars_utf8(&e->pieces.chars, 0, e->pieces.chars.n, &e->word);
}

/* NFC joins nothing with what stands before, but characters of its class: around text[odd], the first of these from `from` on, the
 * character before and all of them that follow. */
static lm_str cluster_at(const lm_byte_path *b, lm_str text, size_t from, size_t odd, size_t to)
{
    uint32_t code;
    size_t end = odd, n;
    while (end < to && (n = lm_utf8_known(text.data + end, &code), b->class[code] & LM_CLASS_NFC))
        end += n;
    while (odd > from && lm_utf8_inner(text.data[--odd]))
        continue;
    return (lm_str){text.data + odd, end - odd};
}

#ifdef __SSE2__
/* Of 16 bytes at s, behind which there is one more, those that begin characters of which some are of LM_CLASS_NFC: none is below U+0300,
 * from U+4000 to U+9FFF, from U+B000 to U+DFFF, or from U+FFC0 to U+FFFF. */
static inline unsigned may_begin_nfc(const char *s)
{
    __m128i c = _mm_loadu_si128((const __m128i *)(const void *)s), next = _mm_loadu_si128((const __m128i *)(const void *)(s + 1));
    if (!_mm_movemask_epi8(c))
        return 0;
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(c, _mm_set1_epi8((char)0xCB)), c);
    __m128i wide = _mm_sub_epi8(c, _mm_set1_epi8((char)0xE4)), but = _mm_cmpeq_epi8(c, _mm_set1_epi8((char)0xEA));
    wide = _mm_andnot_si128(but, _mm_cmpeq_epi8(_mm_min_epu8(wide, _mm_set1_epi8(0xED - 0xE4)), wide));
    __m128i last = _mm_and_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8((char)0xEF)), _mm_cmpeq_epi8(next, _mm_set1_epi8((char)0xBF)));
    return 0xFFFF & ~(unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(low, wide), last));
}
#endif

/* Behind characters of text[from..to) that are of none of the classes that are looked for, as is told of 16 bytes at a time; a character
 * begins there. */
static inline size_t pass_plain(const lm_byte_path *b, lm_str text, size_t from, size_t to)
{
#ifdef __SSE2__
    for (; b->odd == LM_CLASS_NFC && to - from > 16; from += 16) {
        unsigned may = may_begin_nfc(text.data + from);
        if (may)
            return from + (size_t)__builtin_ctz(may);
    }
#endif
    for (uint64_t eight; to - from >= sizeof eight; from += sizeof eight) {
        memcpy(&eight, text.data + from, sizeof eight);
        if (eight & 0x8080808080808080u)
            break;
    }
    while (from < to && lm_utf8_inner(text.data[from]))
        from++;
    return from;
}

/* The first character of text[from..to), which is valid UTF-8, of the classes that are looked for. */
static size_t first_of_class(const lm_byte_path *b, lm_str text, size_t from, size_t to)
{
    uint32_t code;
    for (size_t n; b->odd && (from = pass_plain(b, text, from, to)) < to; from += n) {
        n = lm_utf8_known(text.data + from, &code);
        if (b->class[code] & b->odd)
            return from;
    }
    return to;
}

/* The first one that has to be changed, or shown as something else. */
static size_t first_odd(lm_encoder *e, lm_str text, size_t from, size_t to)
{
    const lm_byte_path *b = &e->t->bytes;
    for (;;) {
        size_t odd = first_of_class(b, text, from, to);
        if (odd == to || b->odd != LM_CLASS_NFC)
            return odd;
        lm_str cluster = cluster_at(b, text, from, odd, to);
        size_t start = (size_t)(cluster.data - text.data);
        e->word.len = 0;
        add_normalised(e, text, start, start + cluster.len);
        if (!lm_str_equal(lm_buf_str(&e->word), cluster))
            return odd;
        from = start + cluster.len;
    }
}

static bool is_letter(char c)
{
    return (unsigned)((c | 0x20) - 'a') < 26;
}

static bool is_visible(char c)
{
    return c > ' ' && c < 0x7F;
}

/* In ASCII, a space between a visible character and a letter, the first of some digits behind a visible character, or what is neither
 * letter nor digit behind a letter: the scanners cut before it, and neither added tokens that are not there nor normalisation join what
 * is on its two sides. */
static bool is_border(const char *s)
{
    if (s[0] == ' ')
        return is_visible(s[-1]) && is_letter(s[1]);
    if ((unsigned)(s[0] - '0') < 10)
        return is_visible(s[-1]) && (unsigned)(s[-1] - '0') >= 10;
    return is_visible(s[0]) && !is_letter(s[0]) && is_letter(s[-1]);
}

/* Around text[odd], within text[*from..*to): narrowed to what may go another way than the rest. */
static void narrow(const lm_byte_path *b, lm_str text, size_t odd, size_t *from, size_t *to)
{
    size_t low = odd, high = odd;
    if (b->scanner == LM_SCAN_REGEX)
        return;
    while (low > *from + 1 && !is_border(text.data + low - 1))
        low--;
    while (high + 1 < *to && !is_border(text.data + high))
        high++;
    *from = low > *from + 1 ? low - 1 : *from;
    *to = high + 1 < *to ? high : *to;
}

static void cut_word(lm_encoder *e, lm_str text, size_t from, size_t len)
{
    lm_str word = {text.data + from, len};
    if (len >= LM_LONG_WORD)
        e->long_word = word;
    else
        lm_token_model_encode_bytes(&e->t->model, word, &e->scratch, &e->tokens);
}

static void cut_words(lm_encoder *e, const lm_str *words, size_t count, lm_short_tokens *out)
{
    lm_token_model_encode_words(&e->t->model, words, count, &e->scratch, out);
}

/* The word text[from..to). */
static inline void add_word(lm_encoder *e, lm_str text, const lm_key_bytes *k, size_t from, size_t to, lm_side *out)
{
    size_t n = to - from;
    if (e->ahead.n == LM_WORDS_AHEAD)
        lm_words_take(e, out);
    struct lm_word_ahead *a = lm_words_ahead_next(&e->ahead, text, from, n);
    if (n > LM_WORD_BYTES)
        return;
    lm_word_key(lm_key_bytes_at(k, from), n, a->key);
    lm_words_ahead_fetch(a, &e->cache);
}

static void cut_by_regex(lm_encoder *e, lm_str text, const lm_key_bytes *k, size_t from, size_t to, lm_side *out)
{
    if (!e->pieces.matcher)
        e->pieces.matcher = lm_matcher_new();
    lm_find f = {.subject = {text.data + from, to - from}};
    size_t done = 0; /* what lies between matches is a word, too */
    while (out->n <= out->limit && lm_regex_find(e->t->bytes.regex, e->pieces.matcher, &f)) {
        if (done < f.from)
            add_word(e, text, k, from + done, from + f.from, out);
        if (f.from < f.to)
            add_word(e, text, k, from + f.from, from + f.to, out);
        done = f.to;
    }
    if (from + done < to && out->n <= out->limit)
        add_word(e, text, k, from + done, to, out);
}

/* Where not every processor has an instruction for it, compilers call a function. */
static inline size_t count_bits(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    return (size_t)(((x + (x >> 4)) & 0x0F0F0F0F0F0F0F0Fu) * 0x0101010101010101u >> 56);
}

/* The places of the bits, counted from `from`, to `out`; how many there are. Written some at a time, which may be more: it cannot be
 * foreseen how many there are. */
enum { PLACES = 8 };
static inline size_t put_bits(uint64_t bits, size_t from, size_t *out)
{
    size_t n = count_bits(bits);
    for (size_t i = 0; i < n; i += PLACES)
        for (size_t k = 0; k < PLACES; k++, bits &= bits - 1)
            out[i + k] = from + (size_t)__builtin_ctzll(bits | UINT64_C(1) << 63);
    return n;
}

/* Where the words of text[*from..to) begin, or some first ones of them; the last ends at *from then. Where 64 bytes do not tell where the
 * first word ends, it is scanned by itself. */
enum { STARTS = 256 };
static size_t find_starts(const lm_byte_path *b, lm_str text, size_t *from, size_t to, size_t *starts)
{
    size_t n = 0, i = *from;
    while (i < to && n < STARTS - LM_STARTS_BYTES) {
        size_t sure;
        uint64_t bits = lm_word_starts(b, text.data, i, to, &sure);
        if (sure == i) {
            bits = 1;
            sure = b->scanner == LM_SCAN_GPT2 ? lm_scan_gpt2(b->class, text.data, i, to)
                                              : lm_scan_cl100k(b->class, text.data, i, to, b->digits);
        } else if (sure < to) {
            bits &= (UINT64_C(1) << (sure - i)) - 1;
        }
        n += put_bits(bits, i, starts + n);
        i = sure;
    }
    *from = i;
    return n;
}

static void cut_by_scanner(lm_encoder *e, lm_str text, const lm_key_bytes *k, size_t from, size_t to, lm_side *out)
{
    size_t starts[STARTS + PLACES];
    while (from < to && out->n <= out->limit) {
        size_t n = find_starts(&e->t->bytes, text, &from, to, starts);
        starts[n] = from;
        for (size_t i = 0; i < n; i++)
            add_word(e, text, k, starts[i], starts[i + 1], out);
    }
}

static void encode_plain(lm_encoder *e, lm_str text, size_t from, size_t to, lm_side *out)
{
    lm_key_bytes k;
    lm_key_bytes_of(&k, text, to);
    if (e->t->bytes.scanner == LM_SCAN_REGEX)
        cut_by_regex(e, text, &k, from, to, out);
    else
        cut_by_scanner(e, text, &k, from, to, out);
}

/* The same as the components, for ids alone, of what is valid UTF-8 and has characters that NFC may change: the rest stays as it is. */
static void encode_changed(lm_encoder *e, lm_str text, size_t from, size_t to, lm_side *out)
{
    const lm_byte_path *b = &e->t->bytes;
    lm_words_finish(e, out);
    e->word.len = 0;
    while (from < to) {
        size_t odd = first_of_class(b, text, from, to);
        lm_str cluster = cluster_at(b, text, from, odd, to);
        size_t start = (size_t)(cluster.data - text.data);
        lm_buf_append(&e->word, text.data + from, start - from);
        add_normalised(e, text, start, start + cluster.len);
        from = start + cluster.len;
    }
    encode_plain(e, lm_buf_str(&e->word), 0, e->word.len, out);
    lm_words_finish(e, out); /* the text goes */
}

void lm_byte_path_encode(lm_encoder *e, lm_str text, size_t from, size_t to, lm_side *out)
{
    const lm_byte_path *b = &e->t->bytes;
    e->cut = cut_word;
    e->cut_late = cut_words;
    if (has_added(e->t, text, from, to)) {
        lm_encode_components(e, text, from, to, out);
        return;
    }
    size_t valid = e->valid ? to : from; /* text[from..valid) is valid UTF-8 */
    while (from < to && out->n <= out->limit) {
        if (valid <= from)
            valid = from + lm_utf8_valid_prefix(text.data + from, to - from);
        size_t odd = first_odd(e, text, from, valid), odd_from = from, odd_to = to;
        if (odd == to) {
            encode_plain(e, text, from, to, out);
            return;
        }
        narrow(b, text, odd, &odd_from, &odd_to);
        if (from < odd_from)
            encode_plain(e, text, from, odd_from, out);
        bool alone = out->bare && b->odd == LM_CLASS_NFC && odd_to <= valid;
        (alone ? encode_changed : lm_encode_components)(e, text, odd_from, odd_to, out);
        from = odd_to;
    }
}
