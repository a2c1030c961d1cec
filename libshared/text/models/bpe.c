/* Byte pair encoding as Hugging Face's `tokenizers` has it: a word becomes symbols, a character each, or the
 * tokens of its bytes where the vocabulary lacks it, and then merges are applied by rank. */
#include "text/models/bpe.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/models/models.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- reading */

static void free_bpe(lm_token_model *m)
{
    lm_bpe *b = m->own;
    if (!b)
        return;
    free(b->pairs);
    free(b);
}

static bool read_bpe(lm_token_model *m, json_t *spec, lm_status *st)
{
    lm_str unk = lm_spec_string(spec, "unk_token", (lm_str){NULL, 0}, "BPE", st);
    lm_str prefix = lm_spec_string(spec, "continuing_subword_prefix", lm_str_of(""), "BPE", st);
    lm_str suffix = lm_spec_string(spec, "end_of_word_suffix", lm_str_of(""), "BPE", st);
    lm_buf_append(&m->prefix, prefix.data, prefix.len);
    lm_buf_append(&m->suffix, suffix.data, suffix.len);
    m->fuse_unk = lm_spec_bool(spec, "fuse_unk", false, "BPE", st);
    m->byte_fallback = lm_spec_bool(spec, "byte_fallback", false, "BPE", st);
    m->ignore_merges = lm_spec_bool(spec, "ignore_merges", false, "BPE", st);
    json_t *dropout = json_object_get(spec, "dropout");
    m->dropout = json_number_value(dropout);
    if (dropout && !json_is_null(dropout) &&
        (!json_is_number(dropout) || !(m->dropout >= 0 && m->dropout <= 1)))
        return lm_fail(st, LM_FAILED, "BPE: \"dropout\" is no number from 0 to 1");
    if (!lm_ok(st))
        return false;
    lm_bpe *b = m->own = lm_calloc(1, sizeof *b);
    b->unk_named = unk.data != NULL;
    m->unk_id = unk.data ? lm_vocabulary_find(&m->tables.vocabulary, unk) : -1;
    b->all_bytes = lm_token_model_bytes(&m->tables.vocabulary, b->byte_ids) == 256;
    bool kept = m->tables.index.slots != NULL;
    if (!lm_bpe_find_merges(m, b, st))
        return false;
    lm_bpe_find_bytes(m, b);
    lm_bpe_find_parts(m, b, kept);
    lm_bpe_find_pairs(b);
    return true;
}

static void describe_bpe(const lm_token_model *m, lm_buf *out)
{
    lm_buf_printf(out, "(merges=%016" PRIx64 ",unk=%d,dropout=%g,prefix=", m->tables.index.digest, m->unk_id, m->dropout);
    lm_buf_append(out, m->prefix.data, m->prefix.len);
    lm_buf_puts(out, ",suffix=");
    lm_buf_append(out, m->suffix.data, m->suffix.len);
    lm_buf_printf(out, ",fuse_unk=%d,byte_fallback=%d,ignore_merges=%d)", m->fuse_unk, m->byte_fallback,
                  m->ignore_merges);
}

/* ---------------------------------------------------------------- symbols */

typedef struct symbols {
    const lm_token_model *m;
    lm_symbol *at;
    size_t n;
    int32_t unknown; /* bytes of an unknown symbol that is still to be added; 0 = there is none */
} symbols;

static void add(symbols *s, int32_t id, int32_t len)
{
    s->at[s->n].id = id;
    s->at[s->n++].len = len;
}

static void add_unknown(symbols *s)
{
    if (s->unknown)
        add(s, s->m->unk_id, s->unknown);
    s->unknown = 0;
}

/* A character that is no token: the tokens of its bytes, or the unknown token, or nothing. As in the
 * reference, an unknown symbol stands back until a known one comes, and tokens of bytes overtake it. */
static void add_odd(symbols *s, lm_str form, int32_t len, lm_model_scratch *scratch)
{
    const lm_bpe *b = s->m->own;
    bool bytes = s->m->byte_fallback;
    for (size_t i = 0; i < form.len && bytes; i++)
        bytes = b->byte_ids[(unsigned char)form.data[i]] >= 0;
    if (bytes) {
        for (size_t i = 0; i < form.len; i++)
            add(s, b->byte_ids[(unsigned char)form.data[i]], 1);
    } else if (b->unk_named) {
        if (s->m->unk_id < 0)
            scratch->lacks_unk = true;
        if (!s->m->fuse_unk)
            add_unknown(s);
        s->unknown += len;
    }
}

/* The symbols of a word whose characters stand for themselves: of the first character, of which the bytes are returned. */
static inline size_t plain_symbol(symbols *s, lm_str rest, lm_model_scratch *scratch)
{
    const lm_bpe *b = s->m->own;
    uint32_t code = (unsigned char)rest.data[0];
    size_t n = code < 0x80 ? 1 : lm_utf8_decode(rest.data, rest.len, &code);
    int32_t id = lm_bpe_char(b, code);
    if (id >= 0) {
        add_unknown(s);
        add(s, id, (int32_t)n);
    } else {
        add_odd(s, (lm_str){rest.data, n}, (int32_t)n, scratch);
    }
    return n;
}

static void plain_symbols(symbols *s, lm_str word, lm_model_scratch *scratch)
{
    for (size_t i = 0; i < word.len;)
        i += plain_symbol(s, (lm_str){word.data + i, word.len - i}, scratch);
    add_unknown(s);
}

size_t lm_bpe_symbols(const lm_token_model *m, lm_str word, lm_model_scratch *scratch, lm_symbol at[LM_BPE_SHORT])
{
    enum { MOST_OF_A_CHAR = 4 };
    symbols s = {.m = m, .at = at};
    for (size_t i = 0; i < word.len && s.n + MOST_OF_A_CHAR <= LM_BPE_SHORT;)
        i += plain_symbol(&s, (lm_str){word.data + i, word.len - i}, scratch);
    return s.n;
}

/* The same where characters inside a word have a prefix, or the last one a suffix. */
static void affixed_symbols(symbols *s, lm_str word, lm_model_scratch *scratch)
{
    const lm_token_model *m = s->m;
    lm_buf *form = &scratch->form;
    for (size_t i = 0, n; i < word.len; i += n) {
        uint32_t code;
        n = lm_utf8_decode(word.data + i, word.len - i, &code);
        form->len = 0;
        if (i > 0)
            lm_buf_append(form, m->prefix.data, m->prefix.len);
        lm_buf_append(form, word.data + i, n);
        if (i + n == word.len)
            lm_buf_append(form, m->suffix.data, m->suffix.len);
        int id = lm_vocabulary_find(&m->tables.vocabulary, lm_buf_str(form));
        if (id >= 0) {
            add_unknown(s);
            add(s, id, (int32_t)n);
        } else {
            add_odd(s, lm_buf_str(form), (int32_t)n, scratch);
        }
    }
    add_unknown(s);
}

/* ---------------------------------------------------------------- encoding */

static void merge_word(const lm_token_model *m, lm_str word, size_t chars, lm_model_scratch *scratch, lm_token_list *out)
{
    bool affixed = m->prefix.len || m->suffix.len;
    size_t most = m->byte_fallback ? word.len + chars * m->prefix.len + m->suffix.len : chars;
    size_t heap = m->dropout > 0 ? 3 * most : 2 * most;
    uint64_t *room = lm_model_scratch_get(scratch, 1, heap * sizeof *room + most * sizeof(lm_symbol));
    symbols s = {.m = m, .at = (lm_symbol *)(room + heap)};
    (affixed ? affixed_symbols : plain_symbols)(&s, word, scratch);
    if (s.n == 0)
        return;
    if (s.n <= LM_BPE_SHORT && !affixed && m->dropout == 0 && !scratch->whole) {
        lm_bpe_merge_symbols(m->own, s.at, s.n, out);
        return;
    }
    lm_bpe_link(m->own, s.at, s.n);
    if (m->dropout > 0)
        lm_bpe_merge_some(m->own, s.at, s.n, room, m->dropout, scratch);
    else
        lm_bpe_merge(m->own, s.at, s.n, room);
    int64_t end = 0;
    for (int32_t i = 0; i >= 0; i = s.at[i].next) {
        end += s.at[i].len;
        lm_token_push(out, s.at[i].id, end < (int64_t)word.len ? (int32_t)end : (int32_t)word.len);
    }
}

static void merge_piece(const lm_token_model *m, lm_str piece, lm_model_scratch *scratch, lm_token_list *out)
{
    merge_word(m, piece, piece.len, scratch, out);
}

static void encode_bpe(const lm_token_model *m, lm_str word, size_t chars, lm_model_scratch *scratch, lm_token_list *out)
{
    const lm_bpe *b = m->own;
    if (m->ignore_merges && m->dropout == 0) {
        int id = lm_vocabulary_find(&m->tables.vocabulary, word);
        if (id >= 0) {
            lm_token_push(out, id, (int32_t)word.len);
            return;
        }
    }
    if (word.len > LM_BPE_SHORT && b->cuts && m->byte_fallback && !scratch->whole)
        lm_bpe_in_windows(m, word, true, merge_piece, scratch, &(lm_word_walk){.first = -(int64_t)out->n}, SIZE_MAX, out);
    else
        merge_word(m, word, chars, scratch, out);
}

static bool walk_bpe(const lm_token_model *m, lm_str word, bool bytes, lm_word_walk *walk, lm_model_scratch *scratch, lm_token_list *out)
{
    const lm_bpe *b = m->own;
    if (bytes)
        return lm_bpe_walk_bytes(m, word, walk, scratch, out);
    if (b->cuts && m->byte_fallback)
        return lm_bpe_in_windows(m, word, true, merge_piece, scratch, walk, LM_WALK_TOKENS, out);
    encode_bpe(m, word, word.len, scratch, out);
    return false;
}

const struct lm_token_model_type lm_bpe_type = {
    .read = read_bpe,
    .encode = encode_bpe,
    .walk = walk_bpe,
    .describe = describe_bpe,
    .free = free_bpe,
};
