/* A tokenizer as a SentencePiece model: for the programs that read nothing else. */
#include "text/files/files.h"

#include "base/memory.h"

#include <stdlib.h>

static void put_varint(lm_buf *b, uint64_t value)
{
    for (; value > 127; value >>= 7)
        lm_buf_putc(b, (char)((value & 127) | 128));
    lm_buf_putc(b, (char)value);
}

static void put_int(lm_buf *b, unsigned field, int64_t value)
{
    put_varint(b, field << 3);
    put_varint(b, (uint64_t)value);
}

static void put_bytes(lm_buf *b, unsigned field, lm_str bytes)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, bytes.len);
    lm_buf_append(b, bytes.data, bytes.len);
}

static void put_piece(lm_buf *b, lm_buf *piece, lm_str text, float score, int type)
{
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    piece->len = 0;
    put_bytes(piece, 1, text);
    put_varint(piece, 2 << 3 | 5);
    for (int i = 0; i < 4; i++)
        lm_buf_putc(piece, (char)(bits >> 8 * i));
    if (type != LM_PIECE_NORMAL)
        put_int(piece, 3, type);
    put_bytes(b, 1, lm_buf_str(piece));
}

/* <0x00> to <0xFF> */
static bool is_byte(lm_str s)
{
    static const char hex[] = "0123456789ABCDEF";
    return s.len == 6 && memcmp(s.data, "<0x", 3) == 0 && s.data[5] == '>' && s.data[3] &&
           strchr(hex, s.data[3]) && s.data[4] && strchr(hex, s.data[4]);
}

/* The token that a merge makes. */
static int merged(const lm_token_tables *t, const lm_merge *m)
{
    lm_str left = lm_vocabulary_get(&t->vocabulary, m->left),
           right = lm_vocabulary_get(&t->vocabulary, m->right);
    uint64_t hash = lm_vocabulary_hash(lm_vocabulary_hash(lm_vocabulary_hash_start(), left), right);
    return lm_vocabulary_probe(&t->vocabulary, hash, left, right);
}

/* Of BPE: the sooner a token is merged, the better its score. Tokens whose merges are mixed have the same
 * one, for that is how they came to be mixed. What no merge makes comes last. */
static float *scores_from_merges(const lm_token_tables *t)
{
    size_t size = (size_t)t->vocabulary.size, until = 0;
    size_t *last = lm_calloc(size, sizeof *last); /* behind the token's last merge; 0 = it has none */
    float *scores = lm_calloc(size, sizeof *scores);
    int rank = 0;
    for (size_t i = 0; i < t->merge_count; i++) {
        int id = merged(t, &t->merges[i]);
        if (id >= 0)
            last[id] = i + 1;
    }
    for (size_t i = 0; i < t->merge_count; i++) {
        int id = merged(t, &t->merges[i]);
        if (id < 0)
            continue;
        if (i >= until)
            rank++;
        if (last[id] > until)
            until = last[id];
        scores[id] = (float)(1 - rank);
    }
    for (size_t i = 0; i < size; i++)
        if (!last[i])
            scores[i] = (float)-rank++;
    free(last);
    return scores;
}

/* The bytes of the Precompiled normalizer's map, if there is one: base64 of tokenizer.json. */
static json_t *charsmap_of(json_t *normalizer)
{
    json_t *own = json_object_get(normalizer, "precompiled_charsmap"), *part, *found = NULL;
    size_t i;
    json_array_foreach(json_object_get(normalizer, "normalizers"), i, part)
        if (!found)
            found = charsmap_of(part);
    return own ? own : found;
}

static void put_base64(lm_str text, lm_buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int have = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.data[i] ? strchr(digits, text.data[i]) : NULL;
        if (!digit)
            continue;
        bits = bits << 6 | (uint32_t)(digit - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            lm_buf_putc(out, (char)(bits >> have));
        }
    }
}

bool lm_sentencepiece_print(const lm_tokenizer *t, lm_buf *out)
{
    const lm_token_tables *tables = &t->model.tables;
    const lm_vocabulary *v = &tables->vocabulary;
    bool unigram = tables->scores != NULL;
    if (v->count != v->size || t->model.unk_id < 0)
        return false;
    /* what the conversion of T5 adds itself */
    int size = v->size;
    while (size > 0 && lm_vocabulary_get(v, size - 1).len > 10 &&
           memcmp(lm_vocabulary_get(v, size - 1).data, "<extra_id_", 10) == 0)
        size--;
    float *scores = unigram ? NULL : scores_from_merges(tables);
    lm_buf piece = {0}, part = {0}, charsmap = {0};
    for (int id = 0; id < size; id++) {
        lm_str text = lm_vocabulary_get(v, id);
        const lm_added_token *added = lm_added_tokens_get(&t->added, id);
        int type = id == t->model.unk_id                     ? LM_PIECE_UNKNOWN
                   : t->model.byte_fallback && is_byte(text) ? LM_PIECE_BYTE
                   : added && added->special                 ? LM_PIECE_CONTROL
                   : added                                   ? LM_PIECE_USER_DEFINED
                                                             : LM_PIECE_NORMAL;
        float score = unigram ? (float)tables->scores[id] : scores[id];
        put_piece(out, &piece, text, type == LM_PIECE_NORMAL || unigram ? score : 0, type);
    }
    put_int(&part, 3, unigram ? LM_SENTENCEPIECE_UNIGRAM : LM_SENTENCEPIECE_BPE);
    put_int(&part, 4, size);
    put_int(&part, 35, t->model.byte_fallback);
    put_int(&part, 40, t->model.unk_id);
    put_int(&part, 41, t->roles[LM_ROLE_BOS]);
    put_int(&part, 42, t->roles[LM_ROLE_EOS]);
    put_int(&part, 43, t->roles[LM_ROLE_PAD]);
    put_bytes(&part, 45, lm_vocabulary_get(v, t->model.unk_id));
    put_bytes(out, 2, lm_buf_str(&part));
    part.len = 0;
    json_t *base64 = charsmap_of(json_object_get(t->spec, "normalizer"));
    put_bytes(&part, 1, lm_str_of(base64 ? "precompiled" : "identity"));
    if (base64) {
        put_base64((lm_str){json_string_value(base64), json_string_length(base64)}, &charsmap);
        put_bytes(&part, 2, lm_buf_str(&charsmap));
    }
    put_int(&part, 4, base64 != NULL);
    put_bytes(out, 3, lm_buf_str(&part));
    lm_buf_free(&piece);
    lm_buf_free(&part);
    lm_buf_free(&charsmap);
    free(scores);
    return true;
}
