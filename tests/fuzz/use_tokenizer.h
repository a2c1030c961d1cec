/* What the fuzzers do with a tokenizer that was accepted: it encodes and decodes, and its spans lie in the
 * text. */
#ifndef LM_TESTS_USE_TOKENIZER_H
#define LM_TESTS_USE_TOKENIZER_H

#include "text/tokenizer_internal.h"

static inline void encode_and_decode(lm_encoder *e, lm_str text)
{
    static const lm_encode_options options[] = {
        {.max_length = 0}, {.max_length = 7}, {.max_length = 5, .left = true}};
    lm_encoding out = {0};
    lm_buf back = {0};
    for (int i = 0; i < 3; i++)
        for (int pair = 0; pair < 2; pair++) {
            lm_status st = LM_STATUS_INIT;
            back.len = 0;
            if (lm_encode(e, text, pair ? text : (lm_str){NULL, 0}, &options[i], &out, &st))
                lm_decode(e->t, out.ids, (size_t)out.len, i == 1, &back, &st);
            for (int k = 0; lm_ok(&st) && k < out.len; k++)
                if (out.offsets[2 * k] < 0 || out.offsets[2 * k] > out.offsets[2 * k + 1] ||
                    (size_t)out.offsets[2 * k + 1] > text.len)
                    __builtin_trap();
        }
    lm_buf_free(&back);
    lm_encoding_free(&out);
}

/* `t` NULL: it was refused, which the status has to say. */
static inline void use_tokenizer(const lm_tokenizer *t, lm_str own, const lm_status *st)
{
    if ((t != NULL) != lm_ok(st))
        __builtin_trap();
    if (!t)
        return;
    lm_encoder *e = lm_encoder_new(t);
    encode_and_decode(
        e,
        lm_str_of(
            "The [MASK] caf\xC3\xA9 e\xCC\x81\xCC\x96 \xE4\xB8\xAD\xED\x95\x9C\xFF ab!?  don't 12345\n<x>"));
    encode_and_decode(e, own);
    lm_encoder_free(e);
}

#endif
