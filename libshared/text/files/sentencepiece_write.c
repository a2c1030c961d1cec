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
    float *scores = unigram ? NULL : lm_scores_from_merges(tables);
    lm_buf piece = {0}, part = {0}, charsmap = {0};
    for (int id = 0; id < size; id++) {
        lm_str text = lm_vocabulary_get(v, id);
        int type = lm_piece_type(t, id);
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
    bool mapped = lm_spec_charsmap(json_object_get(t->spec, "normalizer"), &charsmap);
    put_bytes(&part, 1, lm_str_of(mapped ? "precompiled" : "identity"));
    if (mapped)
        put_bytes(&part, 2, lm_buf_str(&charsmap));
    put_int(&part, 4, mapped);
    put_bytes(out, 3, lm_buf_str(&part));
    lm_buf_free(&piece);
    lm_buf_free(&part);
    lm_buf_free(&charsmap);
    free(scores);
    return true;
}
