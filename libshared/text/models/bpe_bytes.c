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
    if (!b->takes_bytes)
        return;
    b->pairs = lm_malloc(256 * 256, sizeof *b->pairs);
    for (int left = 0; left < 256; left++)
        for (int right = 0; right < 256; right++) {
            const lm_merge_slot *slot = lm_merge_find(b, b->symbols[left], b->symbols[right]);
            b->pairs[left * 256 + right] = slot ? (lm_bpe_pair){slot->rank, slot->id} : (lm_bpe_pair){LM_NO_MERGE, -1};
        }
}

bool lm_token_model_takes_bytes(const lm_token_model *m)
{
    return m->type == &lm_bpe_type && ((const lm_bpe *)m->own)->takes_bytes;
}

/* The token that is the whole word; -1 if there is none, which its hash says of most words. */
static int whole(const lm_token_model *m, lm_str bytes, lm_model_scratch *scratch)
{
    const lm_bpe *b = m->own;
    lm_buf *form = &scratch->form;
    uint64_t hash = lm_vocabulary_hash_start();
    form->len = 0;
    if (bytes.len > m->tables.vocabulary.longest)
        return -1;
    for (size_t i = 0; i < bytes.len; i++) {
        uint16_t bits = b->forms[(unsigned char)bytes.data[i]];
        hash = lm_vocabulary_hash_byte(hash, (unsigned char)bits);
        if (bits >> 8)
            hash = lm_vocabulary_hash_byte(hash, (unsigned char)(bits >> 8));
    }
    if (!lm_vocabulary_may_have(&m->tables.vocabulary, hash))
        return -1;
    lm_buf_reserve(form, 2 * bytes.len);
    for (size_t i = 0; i < bytes.len; i++)
        form->len += lm_utf8_encode(lm_byte_level_char((unsigned char)bytes.data[i]), form->data + form->len);
    return lm_vocabulary_probe(&m->tables.vocabulary, hash, (lm_str){NULL, 0}, lm_buf_str(form));
}

static void merge_bytes(const lm_token_model *m, lm_str bytes, lm_model_scratch *scratch, lm_token_list *out)
{
    const lm_bpe *b = m->own;
    size_t n = bytes.len;
    if (n <= LM_BPE_SHORT && m->tables.merge_count < LM_BPE_SHORT_MERGES) {
        lm_bpe_merge_bytes(b, (const unsigned char *)bytes.data, n, out);
        return;
    }
    uint64_t *room = lm_model_scratch_get(scratch, n, 2 * sizeof *room + sizeof(lm_symbol));
    lm_symbol *s = (lm_symbol *)(room + 2 * n);
    const unsigned char *byte = (const unsigned char *)bytes.data;
    for (size_t i = 0; i < n; i++) {
        lm_bpe_pair pair = i + 1 < n ? b->pairs[byte[i] * 256 + byte[i + 1]] : (lm_bpe_pair){LM_NO_MERGE, -1};
        s[i] = (lm_symbol){.id = b->symbols[byte[i]],
                           .len = 1,
                           .prev = (int32_t)i - 1,
                           .next = i + 1 < n ? (int32_t)i + 1 : -1,
                           .rank = pair.rank,
                           .merged = pair.id};
    }
    lm_bpe_merge(b, s, n, room);
    int32_t end = 0;
    for (int32_t i = 0; i >= 0; i = s[i].next) {
        end += s[i].len;
        lm_token_push(out, s[i].id, end);
    }
}

void lm_token_model_encode_bytes(const lm_token_model *m, lm_str bytes, lm_model_scratch *scratch,
                                 lm_token_list *out)
{
    int id = m->ignore_merges ? whole(m, bytes, scratch) : -1;
    if (id >= 0)
        lm_token_push(out, id, (int32_t)bytes.len);
    else if (bytes.len <= LM_BPE_SHORT)
        merge_bytes(m, bytes, scratch, out);
    else
        lm_bpe_in_windows(m, bytes, false, merge_bytes, scratch, out);
}
