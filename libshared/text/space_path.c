/* The path of SentencePiece's heirs, for ids alone: text is taken apart before spaces, where what becomes of one side does not depend on
 * the other, and the parts are kept with their tokens. Two kinds of tokenizers are so:
 *  - BPE over the whole text, in which a space becomes a character that no merge joins with the one before the space;
 *  - a pre-tokenizer that cuts at spaces, and normalisation grapheme by grapheme.
 * The ids are those of the components, which a test compares. */
#include "base/utf8.h"
#include "text/models/models.h"
#include "text/tokenizer_internal.h"
#include "text/unicode/unicode.h"

/* Bytes; what is longer the components cut into parts, if they can, unless the model does. */
enum { MOST_OF_A_WORD = LM_LONG_WORD - 8 };

static bool is_named(const char *name, const char *what)
{
    return name && strcmp(name, what) == 0;
}

/* Replace of a space by one character, which this is; else 0. */
static uint32_t replaced_space(const lm_normalizer *n)
{
    bool ours = is_named(lm_normalizer_name(n), "Replace") && n->pattern.count == 1 && n->pattern.codes[0] == ' ' && n->prefix.n == 1;
    return ours ? n->prefix.at[0].code : 0;
}

/* There is none, or it cuts at spaces, of which none are left. */
static bool never_cuts(const lm_pre_tokenizer *p)
{
    const char *name = lm_pre_tokenizer_name(p);
    return !name || (strcmp(name, "Split") == 0 && p->pattern.count == 1 && p->pattern.codes[0] == ' ' && !p->invert);
}

/* Prepend of that character and Replace, or Replace alone, and no pre-tokenizer. */
static bool is_one_word(const lm_tokenizer *t, lm_space_path *s)
{
    const lm_normalizer *n = &t->normalizer;
    bool prepends = is_named(lm_normalizer_name(n), "Sequence") && n->part_count == 2 &&
                    is_named(lm_normalizer_name(&n->parts[0]), "Prepend") && n->parts[0].prefix.n == 1;
    *s = (lm_space_path){.by_model = true, .prepends = prepends, .space = replaced_space(prepends ? &n->parts[1] : n)};
    return s->space && lm_token_model_parts(&t->model, 'a', s->space) && (!prepends || n->parts[0].prefix.at[0].code == s->space) &&
           s->space != ' ' && never_cuts(&t->pre_tokenizer);
}

static bool keeps_space(const lm_normalizer *n)
{
    lm_pieces p = {0};
    const char *name = lm_normalizer_name(n);
    if (name && strcmp(name, "Precompiled") != 0)
        return false;
    lm_pieces_read(&p, lm_str_of(" a"), 0, 2);
    lm_normalizer_run(n, &p);
    bool kept = p.chars.n == 2 && p.chars.at[0].code == ' ';
    lm_pieces_free(&p);
    return kept;
}

static bool is_split(const lm_tokenizer *t, lm_space_path *s)
{
    const lm_pre_tokenizer *p = &t->pre_tokenizer;
    bool drops = is_named(lm_pre_tokenizer_name(p), "Sequence") && p->part_count == 2 &&
                 is_named(lm_pre_tokenizer_name(&p->parts[0]), "WhitespaceSplit");
    if (drops)
        p = &p->parts[1];
    *s = (lm_space_path){.drops_space = drops, .prepends_always = p->prepend == LM_PREPEND_ALWAYS, .space = p->delimiter};
    return is_named(lm_pre_tokenizer_name(p), "Metaspace") && p->split && keeps_space(&t->normalizer);
}

/* Of a tokenizer that is split: whether the character has no influence on its neighbours, and becomes itself. */
static bool is_plain(const lm_tokenizer *t, uint32_t code)
{
    return code != t->spaces_path.space && !(lm_unicode_properties(code) & (LM_CP_SPACE | LM_CP_EXTEND | LM_CP_PREPEND | LM_CP_BREAK)) &&
           (!lm_normalizer_name(&t->normalizer) || lm_precompiled_keeps(&t->normalizer.map, code));
}

void lm_space_path_prepare(lm_tokenizer *t)
{
    lm_space_path *s = &t->spaces_path;
    s->usable = (is_one_word(t, s) || is_split(t, s)) && t->model.dropout == 0 && t->added.normalized.only == -2;
    for (uint32_t c = 0; c < 128 && s->usable; c++) {
        s->parts[c] = !s->by_model || lm_token_model_parts(&t->model, c, s->space);
        s->plain[c] = !s->by_model && is_plain(t, c);
    }
}

/* Where the character begins that ends before s[i]. */
static size_t start_of_char(lm_str text, size_t from, size_t i)
{
    size_t start = i - 1;
    while (start > from && i - start < 4 && ((unsigned char)text.data[start] & 0xC0) == 0x80)
        start--;
    return start;
}

/* Whether text[from..to) may be taken apart before the space at i, behind which the next character that is none is at `next`. */
static bool is_border(const lm_tokenizer *t, lm_str text, size_t from, size_t to, size_t i, size_t next)
{
    const lm_space_path *s = &t->spaces_path;
    uint32_t code = (unsigned char)text.data[i - 1];
    if (code < 0x80) {
        if (!s->parts[code])
            return false;
    } else {
        size_t start = start_of_char(text, from, i);
        lm_utf8_decode(text.data + start, i - start, &code);
        if (s->by_model ? !lm_token_model_parts(&t->model, code, s->space) : lm_unicode_properties(code) & LM_CP_PREPEND)
            return false;
    }
    if (s->by_model || (unsigned char)text.data[next] < 0x80)
        return true;
    lm_utf8_decode(text.data + next, to - next, &code);
    return !(lm_unicode_properties(code) & LM_CP_EXTEND);
}

/* Behind the part that begins at i: before a space, or `to`. No space from `last` on is followed by anything. */
static size_t part_end(const lm_tokenizer *t, lm_str text, size_t i, size_t last, size_t to)
{
    size_t from = i;
    while (i < last) {
        while (text.data[i] == ' ')
            i++;
        const char *space = memchr(text.data + i, ' ', last - i);
        if (!space)
            return to;
        i = (size_t)(space - text.data);
        size_t next = i + 1;
        while (text.data[next] == ' ')
            next++;
        if (is_border(t, text, from, to, i, next))
            return i;
    }
    return to;
}

/* A part's ids by the model alone, which takes a part of any length without growing with it. */
static void cut_by_model(lm_encoder *e, lm_str text, size_t from, size_t len)
{
    const lm_space_path *s = &e->t->spaces_path;
    lm_str part = {text.data + from, len};
    if (lm_utf8_valid_prefix(part.data, part.len) < part.len) {
        lm_cut_by_components(e, text, from, len);
        return;
    }
    char space[4];
    size_t bytes = lm_utf8_encode(s->space, space);
    e->word.len = 0;
    if (s->prepends)
        lm_buf_append(&e->word, space, bytes);
    while (part.len) {
        const char *next = memchr(part.data, ' ', part.len);
        size_t n = next ? (size_t)(next - part.data) : part.len;
        lm_buf_append(&e->word, part.data, n);
        if (next)
            lm_buf_append(&e->word, space, bytes);
        n += next != NULL;
        part = (lm_str){part.data + n, part.len - n};
    }
    if (e->word.len >= LM_LONG_WORD) {
        e->long_word = lm_buf_str(&e->word);
        return;
    }
    lm_token_model_encode(&e->t->model, lm_buf_str(&e->word), e->word.len, &e->scratch, &e->tokens);
    for (size_t i = 0; i < e->tokens.n; i++)
        e->tokens.at[i].end = (int32_t)i + 1;
}

/* A word of plain characters to e->word, with the space before it that it gets; false where it is something else. */
static bool plain_word(lm_encoder *e, lm_str w, size_t *chars)
{
    const lm_space_path *s = &e->t->spaces_path;
    size_t spaces = 0, i;
    while (spaces < w.len && w.data[spaces] == ' ')
        spaces++;
    if (w.len > MOST_OF_A_WORD && !lm_token_model_walks(&e->t->model))
        return false;
    if (spaces == w.len || (spaces == 0 || s->drops_space ? !s->prepends_always : spaces > 1))
        return false;
    e->word.len = 0;
    *chars = 1;
    lm_buf_reserve(&e->word, 4 + w.len);
    e->word.len += lm_utf8_encode(s->space, e->word.data);
    lm_buf_append(&e->word, w.data + spaces, w.len - spaces);
    for (i = spaces; i < w.len; ++*chars) {
        uint32_t code = (unsigned char)w.data[i];
        size_t n = code < 0x80 ? 1 : lm_utf8_decode(w.data + i, w.len - i, &code);
        if (code < 0x80 ? !s->plain[code] : code == 0xFFFD || !is_plain(e->t, code))
            return false;
        i += n;
    }
    return true;
}

/* A part's ids where a pre-tokenizer cuts it. */
static void cut_split(lm_encoder *e, lm_str text, size_t from, size_t len)
{
    size_t chars;
    if (!plain_word(e, (lm_str){text.data + from, len}, &chars)) {
        lm_cut_by_components(e, text, from, len);
        return;
    }
    if (e->word.len >= LM_LONG_WORD) {
        e->long_word = lm_buf_str(&e->word);
        return;
    }
    e->tokens.n = 0;
    lm_encode_unknown(e, lm_buf_str(&e->word), chars);
    for (size_t i = 0; i < e->tokens.n; i++)
        e->tokens.at[i].end = (int32_t)i + 1;
}

void lm_space_path_encode(lm_encoder *e, lm_str text, size_t from, size_t to, lm_side *out)
{
    enum { MOST = LM_WORD_BYTES - 1 };
    const lm_space_path *s = &e->t->spaces_path;
    lm_key_bytes k;
    e->cut = s->by_model ? cut_by_model : cut_split;
    size_t last = to;
    while (last > from && text.data[last - 1] == ' ')
        last--;
    lm_key_bytes_of(&k, text, to);
    for (size_t start = from, end; start < to && out->n <= out->limit; start = end) {
        end = part_end(e->t, text, start, last, to);
        size_t first = s->prepends && start > from ? start + 1 : start, n = end - first;
        if (e->ahead.n == LM_WORDS_AHEAD)
            lm_words_take(e, out);
        struct lm_word_ahead *a = lm_words_ahead_next(&e->ahead, text, first, n);
        if (n > MOST || (!s->prepends && start == from)) /* the first is another one than the same between others */
            continue;
        lm_word_key(lm_key_bytes_at(&k, first), n, a->key);
        a->key[2] |= LM_OWN_KEY;
        lm_words_ahead_fetch(a, &e->cache);
    }
}
