/* SentencePiece models: protobuf (google/protobuf, encoding.md) with the fields of sentencepiece_model.proto.
 */
#include "text/files/files.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- protobuf */

typedef struct field {
    uint32_t number;
    unsigned wire;  /* 0: integer, 1: 8 bytes, 2: bytes, 5: 4 bytes */
    uint64_t value; /* of an integer; the bits of 4 or 8 bytes */
    lm_str bytes;
} field;

typedef struct message {
    const unsigned char *at, *end;
    bool damaged;
} message;

static message message_over(lm_str s)
{
    const unsigned char *p = (const unsigned char *)(s.data ? s.data : "");
    return (message){p, p + s.len, false};
}

static uint64_t varint(message *m)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (m->at == m->end)
            break;
        unsigned char byte = *m->at++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return value;
    }
    m->damaged = true;
    return 0;
}

static uint64_t fixed(message *m, int n)
{
    uint64_t value = 0;
    if (m->end - m->at < n) {
        m->damaged = true;
        return 0;
    }
    for (int i = n - 1; i >= 0; i--)
        value = value << 8 | m->at[i];
    m->at += n;
    return value;
}

/* False at the end, and where the message is damaged. */
static bool next_field(message *m, field *f)
{
    if (m->at == m->end || m->damaged)
        return false;
    uint64_t tag = varint(m);
    *f = (field){.number = (uint32_t)(tag >> 3), .wire = tag & 7};
    if (tag >> 3 == 0 || tag >> 3 > (1 << 29) - 1)
        m->damaged = true;
    switch (f->wire) {
    case 0:
        f->value = varint(m);
        break;
    case 1:
        f->value = fixed(m, 8);
        break;
    case 5:
        f->value = fixed(m, 4);
        break;
    case 2: {
        uint64_t n = varint(m);
        if (m->damaged || n > (uint64_t)(m->end - m->at)) {
            m->damaged = true;
            break;
        }
        f->bytes = (lm_str){(const char *)m->at, (size_t)n};
        m->at += n;
        break;
    }
    default:
        m->damaged = true;
    }
    return !m->damaged;
}

static int int_of(const field *f)
{
    int64_t v = (int64_t)f->value;
    return v < INT32_MIN ? INT32_MIN : v > INT32_MAX ? INT32_MAX : (int)v;
}

/* ---------------------------------------------------------------- the messages */

static bool read_piece(lm_sentencepiece *m, lm_str bytes)
{
    message piece = message_over(bytes);
    lm_piece p = {.type = LM_PIECE_NORMAL};
    for (field f; next_field(&piece, &f);) {
        if (f.number == 1 && f.wire == 2) {
            p.text = f.bytes;
        } else if (f.number == 2 && f.wire == 5) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(&p.score, &bits, sizeof p.score);
        } else if (f.number == 3 && f.wire == 0) {
            p.type = int_of(&f);
        }
    }
    LM_GROW(m->pieces, m->count, m->cap);
    m->pieces[m->count++] = p;
    return !piece.damaged;
}

static bool read_trainer(lm_sentencepiece *m, lm_str bytes)
{
    message trainer = message_over(bytes);
    for (field f; next_field(&trainer, &f);) {
        if (f.wire == 2 && f.number == 45)
            m->unk_piece = f.bytes;
        if (f.wire != 0)
            continue;
        switch (f.number) {
        case 3:
            m->model_type = int_of(&f);
            break;
        case 35:
            m->byte_fallback = f.value;
            break;
        case 40:
            m->unk_id = int_of(&f);
            break;
        case 41:
            m->bos_id = int_of(&f);
            break;
        case 42:
            m->eos_id = int_of(&f);
            break;
        case 43:
            m->pad_id = int_of(&f);
            break;
        default:
            break;
        }
    }
    return !trainer.damaged;
}

static bool read_normalizer(lm_sentencepiece *m, lm_str bytes)
{
    message normalizer = message_over(bytes);
    for (field f; next_field(&normalizer, &f);) {
        if (f.number == 2 && f.wire == 2)
            m->charsmap = f.bytes.len ? f.bytes : (lm_str){NULL, 0};
        else if (f.number == 3 && f.wire == 0)
            m->add_dummy_prefix = f.value;
        else if (f.number == 4 && f.wire == 0)
            m->remove_extra_whitespaces = f.value;
    }
    return !normalizer.damaged;
}

static bool check_pieces(const lm_sentencepiece *m, const char *name, lm_status *st)
{
    for (size_t i = 0; i < m->count; i++) {
        const lm_piece *p = &m->pieces[i];
        if (!p->text.len || !lm_utf8_valid(p->text.data, p->text.len))
            return lm_fail(st, LM_FAILED, "%s: piece %zu is %s: the file is damaged: fetch it again", name, i,
                           p->text.len ? "not valid UTF-8" : "empty");
        if (p->type < LM_PIECE_NORMAL || p->type > LM_PIECE_BYTE || !isfinite(p->score))
            return lm_fail(
                st, LM_FAILED,
                "%s: piece %zu, \"%.*s\", has type %d and score %g: the file is damaged: fetch it again",
                name, i, (int)p->text.len, p->text.data, p->type, (double)p->score);
    }
    return true;
}

bool lm_sentencepiece_parse(lm_sentencepiece *m, lm_str bytes, const char *name, lm_status *st)
{
    *m = (lm_sentencepiece){.model_type = LM_SENTENCEPIECE_UNIGRAM,
                            .bos_id = 1,
                            .eos_id = 2,
                            .pad_id = -1,
                            .unk_piece = lm_str_of("<unk>"),
                            .add_dummy_prefix = true,
                            .remove_extra_whitespaces = true};
    message model = message_over(bytes);
    bool whole = true;
    for (field f; whole && next_field(&model, &f);) {
        if (f.wire != 2)
            continue;
        switch (f.number) {
        case 1:
            whole = read_piece(m, f.bytes);
            break;
        case 2:
            whole = read_trainer(m, f.bytes);
            break;
        case 3:
            whole = read_normalizer(m, f.bytes);
            break;
        default:
            break;
        }
    }
    if (!whole || model.damaged)
        return m->count
                   ? lm_fail(
                         st, LM_FAILED,
                         "%s: breaks off behind piece %zu: the file is cut off or damaged: fetch it again",
                         name, m->count)
                   : lm_fail(st, LM_FAILED,
                             "%s: no SentencePiece model: name a tokenizer.json, or fetch the file again",
                             name);
    if (!m->count)
        return lm_fail(
            st, LM_FAILED,
            "%s: a SentencePiece model without pieces: the vocabulary is empty: fetch the file again", name);
    if (m->count > LM_MAX_TOKEN_ID)
        return lm_fail(st, LM_FAILED, "%s: %zu pieces, where at most %d are read", name, m->count,
                       LM_MAX_TOKEN_ID);
    return check_pieces(m, name, st);
}

void lm_sentencepiece_free(lm_sentencepiece *m)
{
    free(m->pieces);
    *m = (lm_sentencepiece){0};
}
