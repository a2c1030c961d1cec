/* Byte pair encoding as Hugging Face's `tokenizers` has it: a word becomes symbols, a character each, or the
 * tokens of its bytes where the vocabulary lacks it, and then merges are applied by rank. */
#include "text/models/bpe.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/models/models.h"

#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

/* ---------------------------------------------------------------- reading */

static void free_bpe(lm_token_model *m)
{
    lm_bpe *b = m->own;
    if (!b)
        return;
    for (int i = 0; i < LM_CHAR_PAGES; i++)
        free(b->pages[i]);
    free(b->slots);
    free(b->merged);
    free(b->pairs);
    free(b->crossings);
    free(b);
}

static bool is_joined(lm_str token, lm_str left, lm_str right)
{
    return token.data && token.len == left.len + right.len && memcmp(token.data, left.data, left.len) == 0 &&
           memcmp(token.data + left.len, right.data, right.len) == 0;
}

/* The token that a merge makes: the left one and what is behind the prefix of the right one. *id is that of the merge before. */
static bool merged_token(const lm_token_model *m, size_t rank, int *id, lm_status *st)
{
    const lm_vocabulary *v = &m->tables.vocabulary;
    int before = *id;
    lm_str left = lm_vocabulary_get(v, m->tables.merges[rank].left),
           right = lm_vocabulary_get(v, m->tables.merges[rank].right);
    if (right.len < m->prefix.len)
        return lm_fail(st, LM_FAILED, "merge %zu: \"%.*s\" is shorter than the prefix inside words", rank + 1,
                       (int)right.len, right.data);
    right = (lm_str){right.data + m->prefix.len, right.len - m->prefix.len};
    for (*id = before; *id <= before + 1; ++*id) /* as most files have them */
        if (is_joined(lm_vocabulary_get(v, *id), left, right))
            return true;
    uint64_t hash = lm_vocabulary_hash(lm_vocabulary_hash(lm_vocabulary_hash_start(), left), right);
    *id = lm_vocabulary_probe(v, hash, left, right);
    if (*id < 0)
        lm_fail(st, LM_FAILED, "merge %zu makes \"%.*s%.*s\", which is not in the vocabulary", rank + 1,
                (int)left.len, left.data, (int)right.len, right.data);
    return lm_ok(st);
}

/* Enters the merge of a rank. What an earlier one said of the same two tokens counts no more: its place in
 * `merges` is marked. */
static void put_merge(lm_bpe *b, lm_merge *merges, size_t rank, int32_t id)
{
    lm_merge m = merges[rank];
    uint64_t hash = lm_merge_hash(m.left, m.right);
    size_t group = hash >> b->shift, i;
    const lm_merge_slot *same = lm_merge_find(b, m.left, m.right);
    unsigned free;
    if (same) {
        merges[lm_merge_rank(*same)].left = -1;
        i = (size_t)(same - b->slots);
    } else {
        while (!(free = lm_merge_group(b->tags + group * LM_MERGE_GROUP, 0)))
            group = (group + 1) & b->mask;
        i = group * LM_MERGE_GROUP + (size_t)__builtin_ctz(free);
    }
    b->tags[i] = lm_merge_tag(hash);
    b->slots[i] = lm_merge_slot_of(m.left, m.right, (uint32_t)rank);
    b->merged[rank] = id;
}

/* What a merge is found and entered by is asked of memory before it is its turn. */
static void fetch_tokens(const lm_vocabulary *v, lm_merge m)
{
    __builtin_prefetch(&v->tokens[m.left]);
    __builtin_prefetch(&v->tokens[m.right]);
}

static void fetch_merge(const lm_vocabulary *v, const lm_bpe *b, lm_merge m)
{
    size_t slot = (lm_merge_hash(m.left, m.right) >> b->shift) * LM_MERGE_GROUP;
    __builtin_prefetch(&b->tags[slot]);
    __builtin_prefetch(&b->slots[slot]);
    __builtin_prefetch(v->bytes.data + v->tokens[m.left].start);
    __builtin_prefetch(v->bytes.data + v->tokens[m.right].start);
}

static bool index_merges(lm_token_model *m, lm_bpe *b, lm_status *st)
{
    enum { AHEAD = 16 };
    lm_token_tables *t = &m->tables;
    unsigned bits = 5; /* two groups: no shift of 64 */
    if (t->vocabulary.size > LM_NO_TOKEN || t->merge_count >> LM_MERGE_RANK_BITS)
        return lm_fail(st, LM_FAILED, "BPE: %d tokens and %zu merges are more than %d and %d", t->vocabulary.size, t->merge_count,
                       LM_NO_TOKEN, 1 << LM_MERGE_RANK_BITS);
    while (((size_t)1 << bits) / 8 * 7 <= t->merge_count)
        bits++;
    size_t slots = (size_t)1 << bits;
    b->mask = slots / LM_MERGE_GROUP - 1;
    b->shift = 64 - (bits - 4);
    b->slots = lm_malloc_table(slots, sizeof *b->slots + 1);
    b->tags = (uint8_t *)(b->slots + slots);
    memset(b->tags, 0, slots);
    b->slots[0] = lm_merge_slot_of(LM_NO_TOKEN, LM_NO_TOKEN, 0); /* may be looked at before anything is in it */
    b->merged = lm_malloc_table(t->merge_count, sizeof *b->merged);
    int id = -1;
    for (size_t i = 0; i < t->merge_count; i++) {
        if (i + 2 * AHEAD < t->merge_count)
            fetch_tokens(&t->vocabulary, t->merges[i + 2 * AHEAD]);
        if (i + AHEAD < t->merge_count)
            fetch_merge(&t->vocabulary, b, t->merges[i + AHEAD]);
        if (!merged_token(m, i, &id, st))
            return false;
        put_merge(b, t->merges, i, id);
    }
    size_t kept = 0;
    for (size_t i = 0; i < t->merge_count; i++)
        if (t->merges[i].left >= 0)
            t->merges[kept++] = t->merges[i];
    t->merge_count = kept;
    return true;
}

static void index_chars(const lm_vocabulary *v, lm_bpe *b)
{
    for (int id = 0; id < v->size; id++) {
        lm_str token = lm_vocabulary_get(v, id);
        uint32_t code;
        if (token.len == 0 || token.len > 4 || lm_utf8_decode(token.data, token.len, &code) != token.len)
            continue;
        int32_t **page = &b->pages[code / LM_CHAR_PAGE];
        if (!*page) {
            *page = lm_malloc(LM_CHAR_PAGE, sizeof **page);
            memset(*page, 0xff, LM_CHAR_PAGE * sizeof **page);
        }
        (*page)[code % LM_CHAR_PAGE] = id;
    }
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
    index_chars(&m->tables.vocabulary, b);
    if (!index_merges(m, b, st))
        return false;
    lm_bpe_find_crossings(m, b);
    lm_bpe_find_bytes(m, b);
    return true;
}

static void describe_bpe(const lm_token_model *m, lm_buf *out)
{
    const lm_token_tables *t = &m->tables;
    lm_buf_printf(out, "(merges=%016" PRIx64 ",unk=%d,dropout=%g,prefix=",
                  (uint64_t)XXH3_64bits(t->merges, t->merge_count * sizeof *t->merges), m->unk_id,
                  m->dropout);
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
