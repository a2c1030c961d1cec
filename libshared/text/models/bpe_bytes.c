/* Words given as bytes, to models whose tokens are written in byte-level characters. */
#include "text/models/bpe.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/components/byte_level.h"
#include "text/models/models.h"

void lm_bpe_find_bytes(const lm_token_model *m, lm_bpe *b)
{
    b->takes_bytes = !m->prefix.len && !m->suffix.len && m->dropout == 0;
    for (int byte = 0; byte < 256; byte++) {
        b->symbols[byte] = lm_bpe_char(b, lm_byte_level_char((unsigned char)byte));
        b->takes_bytes = b->takes_bytes && b->symbols[byte] >= 0;
        char form[4] = {0};
        lm_utf8_encode(lm_byte_level_char((unsigned char)byte), form);
        b->forms[byte] = (uint16_t)((unsigned char)form[0] | (unsigned char)form[1] << 8);
    }
}

void lm_bpe_find_pairs(lm_bpe *b)
{
    if (!b->takes_bytes)
        return;
    b->pairs = lm_malloc(256 * 256, sizeof *b->pairs);
    for (int left = 0; left < 256; left++)
        for (int right = 0; right < 256; right++) {
            const lm_merge_slot *slot = NULL;
            if (!b->parts || lm_bpe_begins(b, left, right)) /* most do not, which a trie says more quickly */
                slot = lm_merge_find(b, b->symbols[left], b->symbols[right]);
            b->pairs[left * 256 + right] = slot ? lm_merge_rank(*slot) : LM_NO_MERGE;
        }
}

bool lm_token_model_takes_bytes(const lm_token_model *m)
{
    return m->type == &lm_bpe_type && ((const lm_bpe *)m->own)->takes_bytes;
}

_Static_assert((int)LM_WORDS_AT_ONCE <= (int)LM_VOCABULARY_AT_ONCE, "the words that come together are looked up together");

/* The tokens that are whole words, -1 where there is none. */
static void find_whole(const lm_token_model *m, const lm_str *words, size_t count, lm_model_scratch *scratch, int *ids)
{
    const lm_bpe *b = m->own;
    lm_str forms[LM_WORDS_AT_ONCE];
    lm_buf *form = &scratch->form;
    size_t most = 0;
    for (size_t i = 0; i < count; i++)
        most += words[i].len <= m->tables.vocabulary.longest ? 2 * words[i].len : 0;
    form->len = 0;
    lm_buf_reserve(form, most + 1);
    for (size_t i = 0; i < count; i++) {
        char *p = form->data + form->len, *end = p;
        for (size_t k = 0; k < words[i].len && words[i].len <= m->tables.vocabulary.longest; k++) {
            uint16_t bytes = b->forms[(unsigned char)words[i].data[k]];
            end[0] = (char)bytes;
            end[1] = (char)(bytes >> 8);
            end += 1 + (bytes > 0xFF);
        }
        forms[i] = (lm_str){p, (size_t)(end - p)};
        form->len += forms[i].len;
    }
    lm_vocabulary_find_all(&m->tables.vocabulary, forms, count, ids);
}

/* To those that are a token as a whole it is given; the others move up. How many they are. */
static size_t take_whole(const lm_token_model *m, lm_str *words, lm_short_tokens **out, size_t count, lm_model_scratch *scratch)
{
    int ids[LM_WORDS_AT_ONCE];
    size_t n = 0;
    find_whole(m, words, count, scratch, ids);
    for (size_t i = 0; i < count; i++)
        if (ids[i] >= 0) {
            out[i]->ids[0] = ids[i];
            out[i]->ends = UINT32_C(1) << (words[i].len - 1);
            out[i]->n = 1;
        } else {
            words[n] = words[i];
            out[n++] = out[i];
        }
    return n;
}

static bool match_bytes(const lm_bpe *b, lm_str word, bool whole, lm_short_tokens *out)
{
    uint64_t ends = 0;
    if (!lm_bpe_looks_up(b, word))
        return false;
    out->n = lm_bpe_match(b, word, whole, out->ids, &ends);
    out->ends = (uint32_t)ends;
    return out->n;
}

static void merge_bytes(const lm_token_model *m, lm_str bytes, lm_model_scratch *scratch, lm_token_list *out)
{
    const lm_bpe *b = m->own;
    size_t n = bytes.len;
    if (n <= LM_SHORT_WORD) {
        lm_short_tokens tokens;
        lm_bpe_merge_bytes(b, &bytes, 1, &(lm_short_tokens *){&tokens});
        lm_token_push_all(out, tokens.ids, tokens.n, tokens.ends);
        return;
    }
    uint64_t *room = lm_model_scratch_get(scratch, n, 2 * sizeof *room + sizeof(lm_symbol));
    lm_symbol *s = (lm_symbol *)(room + 2 * n);
    const unsigned char *byte = (const unsigned char *)bytes.data;
    for (size_t i = 0; i < n; i++)
        s[i] = (lm_symbol){.id = b->symbols[byte[i]],
                           .len = 1,
                           .prev = (int32_t)i - 1,
                           .next = i + 1 < n ? (int32_t)i + 1 : -1,
                           .rank = i + 1 < n ? b->pairs[byte[i] * 256 + byte[i + 1]] : LM_NO_MERGE};
    lm_bpe_merge(b, s, n, room);
    int32_t end = 0;
    for (int32_t i = 0; i >= 0; i = s[i].next) {
        end += s[i].len;
        lm_token_push(out, s[i].id, end);
    }
}

/* A word by its longest tokens; false: nothing is added. */
static bool match_longer(const lm_token_model *m, lm_str word, lm_token_list *out)
{
    int32_t ids[LM_BPE_SHORT];
    uint64_t ends;
    uint32_t n = 0;
    if (word.len <= LM_BPE_SHORT && lm_bpe_looks_up(m->own, word))
        n = lm_bpe_match(m->own, word, m->ignore_merges, ids, &ends);
    for (uint32_t i = 0; i < n; i++, ends &= ends - 1)
        lm_token_push(out, ids[i], __builtin_ctzll(ends) + 1);
    return n;
}

static bool encode_bytes(const lm_token_model *m, lm_str bytes, lm_word_walk *walk, size_t most, lm_model_scratch *scratch,
                         lm_token_list *out)
{
    int id = -1;
    if (bytes.len == 0 || match_longer(m, bytes, out))
        return false;
    if (m->ignore_merges && walk->shortest == 0) /* it begins */
        find_whole(m, &bytes, 1, scratch, &id);
    if (id < 0 && bytes.len > LM_SHORT_WORD)
        return lm_bpe_in_windows(m, bytes, false, merge_bytes, scratch, walk, most, out);
    if (id >= 0)
        lm_token_push(out, id, (int32_t)bytes.len);
    else
        merge_bytes(m, bytes, scratch, out);
    return false;
}

void lm_token_model_encode_bytes(const lm_token_model *m, lm_str bytes, lm_model_scratch *scratch, lm_token_list *out)
{
    encode_bytes(m, bytes, &(lm_word_walk){.first = -(int64_t)out->n}, SIZE_MAX, scratch, out);
}

bool lm_bpe_walk_bytes(const lm_token_model *m, lm_str bytes, lm_word_walk *walk, lm_model_scratch *scratch, lm_token_list *out)
{
    return encode_bytes(m, bytes, walk, LM_WALK_TOKENS, scratch, out);
}

void lm_token_model_encode_words(const lm_token_model *m, const lm_str *words, size_t count, lm_model_scratch *scratch,
                                 lm_short_tokens *out)
{
    lm_str rest[LM_WORDS_AT_ONCE];
    lm_short_tokens *rest_out[LM_WORDS_AT_ONCE];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        rest[n] = words[i];
        rest_out[n] = &out[i];
        n += !match_bytes(m->own, words[i], m->ignore_merges, &out[i]);
    }
    if (m->ignore_merges && n)
        n = take_whole(m, rest, rest_out, n, scratch);
    lm_bpe_merge_bytes(m->own, rest, n, rest_out);
}
