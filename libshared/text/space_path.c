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
    const lm_space_path *s = &t->spaces_path;
    return code != s->space && !(lm_unicode_is(s->table, code) & (LM_CP_SPACE | LM_CP_EXTEND | LM_CP_PREPEND | LM_CP_BREAK)) &&
           (!lm_normalizer_name(&t->normalizer) || lm_precompiled_keeps(&t->normalizer.map, code));
}

void lm_space_path_prepare(lm_tokenizer *t)
{
    lm_space_path *s = &t->spaces_path;
    s->usable = (is_one_word(t, s) || is_split(t, s)) && t->model.dropout == 0 && t->added.normalized.only == -2;
    s->table = s->usable && !s->by_model ? lm_unicode_table() : NULL;
    for (uint32_t c = 0; c < 128 && s->usable; c++) {
        s->parts[c] = !s->by_model || lm_token_model_parts(&t->model, c, s->space);
        s->plain[c] = !s->by_model && is_plain(t, c);
    }
    char space[4];
    lm_str token = {space, lm_utf8_encode(s->space, space)}; /* else a part had more tokens than are kept of it */
    s->may_be_late = s->by_model && t->model.byte_fallback && lm_vocabulary_find(&t->model.tables.vocabulary, token) >= 0;
}

/* Where the character begins that ends before s[i]. */
static size_t start_of_char(lm_str text, size_t from, size_t i)
{
    size_t start = i - 1;
    while (start > from && i - start < 4 && lm_utf8_inner(text.data[start]))
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
        if (s->by_model ? !lm_token_model_parts(&t->model, code, s->space) : lm_unicode_is(s->table, code) & LM_CP_PREPEND)
            return false;
    }
    if (s->by_model || (unsigned char)text.data[next] < 0x80)
        return true;
    lm_utf8_decode(text.data + next, to - next, &code);
    return !(lm_unicode_is(s->table, code) & LM_CP_EXTEND);
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

/* A part as the model gets it, to e->word. */
static void add_part(lm_encoder *e, lm_str part)
{
    const lm_space_path *s = &e->t->spaces_path;
    char space[4];
    size_t bytes = lm_utf8_encode(s->space, space);
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
}

/* The same for several short ones, which are valid UTF-8. */
static void cut_several(lm_encoder *e, const lm_str *parts, size_t count, lm_short_tokens *out)
{
    lm_str words[LM_WORDS_LATE];
    size_t from = 0;
    e->word.len = 0;
    lm_buf_reserve(&e->word, count * 4 * (LM_WORD_BYTES + 1)); /* where they stand, they stay */
    for (size_t i = 0; i < count; i++, from = e->word.len) {
        add_part(e, parts[i]);
        words[i] = (lm_str){e->word.data + from, e->word.len - from};
    }
    lm_token_model_encode_short(&e->t->model, words, count, &e->scratch, out);
}

/* A part's ids by the model alone, which takes a part of any length without growing with it. */
static void cut_by_model(lm_encoder *e, lm_str text, size_t from, size_t len)
{
    lm_str part = {text.data + from, len};
    if (lm_utf8_valid_prefix(part.data, part.len) < part.len) {
        lm_cut_by_components(e, text, from, len);
        return;
    }
    e->word.len = 0;
    add_part(e, part);
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

/* ---------------------------------------------------------------- parts that are not plain */

/* Words one behind the other in e->word, each with the space that it gets, which are looked up together. */
enum { WORDS = 32 };
typedef struct some_words {
    size_t n, ends[WORDS];
} some_words;

static size_t begin_of(const some_words *w, size_t i)
{
    return i ? w->ends[i - 1] : 0;
}

static void put_ids(lm_side *out, const lm_token_list *tokens)
{
    for (size_t i = 0; i < tokens->n; i++)
        lm_side_push(out, tokens->at[i].id, 0, 0, 0);
}

static void put_long(lm_encoder *e, lm_str word, lm_side *out)
{
    lm_word_walk walk = {0};
    size_t before = out->n;
    e->tokens.n = 0;
    for (bool more = true; more; put_ids(out, &e->tokens)) {
        more = lm_token_model_walk(&e->t->model, word, false, &walk, &e->scratch, &e->tokens);
        out->n = before + (size_t)walk.first;
    }
}

static void put_unknown(lm_encoder *e, lm_str word, const uint64_t key[3], lm_known_word *set, lm_side *out)
{
    e->tokens.n = 0;
    lm_encode_unknown(e, word, lm_utf8_count(word.data, word.len));
    put_ids(out, &e->tokens);
    if (set && !e->scratch.lacks_unk)
        lm_word_put_tokens(&e->cache, set, key, word.len, &e->tokens);
}

static void put_words(lm_encoder *e, some_words *w, lm_side *out)
{
    uint64_t keys[WORDS][3];
    lm_known_word *sets[WORDS];
    for (size_t i = 0; i < w->n; i++) {
        size_t from = begin_of(w, i), len = w->ends[i] - from;
        sets[i] = NULL;
        if (len > LM_WORD_BYTES)
            continue;
        lm_word_key(e->word.data + from, len, keys[i]); /* which is read as a whole */
        sets[i] = lm_word_set(&e->cache, keys[i]);
        lm_word_fetch(sets[i]);
    }
    for (size_t i = 0; i < w->n; i++) {
        lm_str word = {e->word.data + begin_of(w, i), w->ends[i] - begin_of(w, i)};
        const lm_known_word *known = sets[i] ? lm_word_find(sets[i], keys[i], word.len) : NULL;
        while (out->cap - out->n < LM_WORD_TOKENS)
            lm_side_grow(out);
        if (known) {
            lm_word_ids(known, out->ids + out->n);
            out->n += known->count;
        } else if (word.len > MOST_OF_A_WORD && lm_token_model_walks(&e->t->model)) {
            put_long(e, word, out);
        } else {
            put_unknown(e, word, keys[i], sets[i], out);
        }
    }
    w->n = e->word.len = 0;
}

static void end_word(lm_encoder *e, some_words *w)
{
    if (e->word.len > begin_of(w, w->n))
        w->ends[w->n++] = e->word.len;
    if (w->n == WORDS)
        put_words(e, w, &e->part);
}

/* The words of e->normal: white space ends them, or what becomes the space begins them. */
static void cut_normal(lm_encoder *e)
{
    const lm_space_path *s = &e->t->spaces_path;
    some_words w = {0};
    char space[4] = {0};
    size_t bytes = lm_utf8_encode(s->space, space), n;
    e->part.n = e->word.len = 0;
    lm_buf_reserve(&e->normal, sizeof space); /* so much is copied of each character, */
    lm_buf_reserve(&e->word, e->normal.len + (WORDS + 2) * sizeof space + LM_WORD_BYTES); /* and nothing grows on the way */
    for (size_t i = 0; i < e->normal.len; i += n) {
        uint32_t code;
        n = lm_utf8_known(e->normal.data + i, &code);
        bool drops = s->drops_space && lm_unicode_is(s->table, code) & LM_CP_SPACE, begins = code == s->space || code == ' ';
        if (drops || begins)
            end_word(e, &w);
        if (drops)
            continue;
        if (begins || e->word.len == begin_of(&w, w.n)) {
            memcpy(e->word.data + e->word.len, space, sizeof space);
            e->word.len += bytes;
        }
        if (begins)
            continue;
        memcpy(e->word.data + e->word.len, e->normal.data + i, sizeof space);
        e->word.len += n;
    }
    end_word(e, &w);
    put_words(e, &w, &e->part);
}

/* What the components find, where each word gets a space. */
static void cut_changed(lm_encoder *e, lm_str part)
{
    e->normal.len = e->word.len = 0;
    if (!e->valid && !lm_utf8_valid(part.data, part.len)) {
        lm_utf8_replace_invalid(part, &e->word);
        part = lm_buf_str(&e->word);
    }
    if (lm_normalizer_name(&e->t->normalizer))
        lm_precompiled_text(&e->t->normalizer.map, part, &e->normal);
    else
        lm_buf_append(&e->normal, part.data, part.len);
    cut_normal(e);
    e->tokens.n = 0;
    for (size_t i = 0; i < e->part.n; i++)
        lm_token_push(&e->tokens, e->part.ids[i], (int32_t)i + 1);
}

/* A part's ids where a pre-tokenizer cuts it. */
static void cut_split(lm_encoder *e, lm_str text, size_t from, size_t len)
{
    lm_str part = {text.data + from, len};
    size_t chars;
    if (!plain_word(e, part, &chars)) {
        if (e->t->spaces_path.prepends_always)
            cut_changed(e, part);
        else
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
    bool late = s->may_be_late && (e->valid || lm_utf8_valid(text.data + from, to - from));
    if (late != (e->cut_late != NULL))
        lm_words_finish(e, out);
    e->cut_late = late ? cut_several : NULL;
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
