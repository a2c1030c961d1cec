/* Where a word may be cut without a change of its tokens: between two characters that no merge joins. Models
 * without a pre-tokeniser (Llama 2, Gemma) get whole texts as words; cut, these are short and repeat. */
#include "text/models/bpe.h"

#include "base/memory.h"
#include "base/utf8.h"

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

void lm_bpe_find_crossings(const lm_token_model *m, lm_bpe *b)
{
    const lm_token_tables *t = &m->tables;
    b->cuts = !m->prefix.len && !m->suffix.len && !m->ignore_merges && m->dropout == 0 &&
              (m->byte_fallback ? b->all_bytes : b->unk_named);
    if (!b->cuts)
        return;
    unsigned bits = 12;
    while ((size_t)1 << bits < 8 * t->merge_count)
        bits++;
    b->crossing_shift = 64 - bits;
    b->crossings = lm_calloc((size_t)1 << (bits - 6), sizeof *b->crossings);
    for (size_t i = 0; i < t->merge_count && b->cuts; i++) {
        lm_merge merge = t->merges[i];
        b->cuts = !stands_for_other(m, b, merge.left) && !stands_for_other(m, b, merge.right);
        if (!b->cuts)
            break;
        size_t bit = crossing_bit(b, last_char(lm_vocabulary_get(&t->vocabulary, merge.left)),
                                  first_char(lm_vocabulary_get(&t->vocabulary, merge.right)));
        b->crossings[bit / 64] |= UINT64_C(1) << bit % 64;
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
