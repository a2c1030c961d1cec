/* Where a word may be cut without a change of its tokens: between two characters that no merge joins. Models
 * without a pre-tokeniser (Llama 2, Gemma) get whole texts as words; cut, these are short and repeat. */
#include "text/models/bpe.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>

static uint32_t first_char(lm_str token)
{
    uint32_t code = 0;
    lm_utf8_decode(token.data, token.len, &code);
    return code;
}

static uint32_t last_char(lm_str token)
{
    size_t i = token.len - 1;
    while (i > 0 && ((unsigned char)token.data[i] & 0xC0) == 0x80)
        i--;
    return first_char((lm_str){token.data + i, token.len - i});
}

static size_t crossing_bit(const lm_bpe *b, uint32_t left, uint32_t right)
{
    return ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u >> b->crossing_shift;
}

/* Symbols that are not the characters that they stand for: what is said below of characters does not hold
 * for them. */
static bool stands_for_other(const lm_token_model *m, const lm_bpe *b, int32_t id)
{
    if (id == m->unk_id)
        return true;
    lm_str token = lm_vocabulary_get(&m->tables.vocabulary, id);
    if (token.len == 0)
        return true;
    if (m->byte_fallback && token.len == 6 && token.data[0] == '<')
        for (int i = 0; i < 256; i++)
            if (b->byte_ids[i] == id)
                return true;
    return false;
}

static bool make_crossings(const lm_token_model *m, lm_bpe *b, lm_merge_index *index)
{
    const lm_token_tables *t = &m->tables;
    unsigned bits = 12;
    while ((size_t)1 << bits < 8 * t->merge_count)
        bits++;
    b->crossing_shift = 64 - bits;
    index->crossing_count = (size_t)1 << (bits - 6);
    index->crossings = lm_calloc(index->crossing_count, sizeof *index->crossings);
    for (size_t i = 0; i < t->merge_count; i++) {
        lm_merge merge = t->merges[i];
        if (stands_for_other(m, b, merge.left) || stands_for_other(m, b, merge.right))
            return false;
        size_t bit = crossing_bit(b, last_char(lm_vocabulary_get(&t->vocabulary, merge.left)),
                                  first_char(lm_vocabulary_get(&t->vocabulary, merge.right)));
        index->crossings[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    return true;
}

void lm_bpe_find_crossings(lm_token_model *m, lm_bpe *b, bool kept)
{
    lm_merge_index *index = &m->tables.index;
    b->cuts = !m->prefix.len && !m->suffix.len && !m->ignore_merges && m->dropout == 0 &&
              (m->byte_fallback ? b->all_bytes : b->unk_named);
    if (!b->cuts)
        return;
    b->cuts = kept ? index->crossings != NULL : make_crossings(m, b, index);
    if (!b->cuts) {
        free(index->crossings);
        index->crossings = NULL;
        index->crossing_count = 0;
    } else {
        b->crossings = index->crossings;
        b->crossing_shift = 64 - (6 + (unsigned)__builtin_ctzll(index->crossing_count));
    }
}

bool lm_bpe_parts(const lm_token_model *m, uint32_t left, uint32_t right)
{
    const lm_bpe *b = m->own;
    size_t bit = crossing_bit(b, left, right);
    if (b->crossings[bit / 64] >> bit % 64 & 1)
        return false;
    return m->byte_fallback || /* unknown characters do not become one token with their neighbours */
           (lm_bpe_char(b, left) >= 0 && lm_bpe_char(b, right) >= 0);
}

size_t lm_bpe_cut(const lm_token_model *m, const lm_char *at, size_t from, size_t to)
{
    const lm_bpe *b = m->own;
    for (size_t i = from + 1; b->cuts && i < to; i++)
        if (lm_bpe_parts(m, at[i - 1].code, at[i].code))
            return i;
    return to;
}
