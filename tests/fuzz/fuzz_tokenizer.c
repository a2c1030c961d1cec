/* tokenizer.json and vocab.txt from anywhere: refused or usable, never worse. The input's first byte chooses
 * between the two; what makes a tokenizer is then used on texts, the input itself among them. */
#include "base/log.h"
#include "text/tokenizer_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void encode_and_decode(lm_encoder *e, lm_str text)
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    lm_log_level(LM_ERROR);
    lm_status st = LM_STATUS_INIT;
    lm_str rest = {(const char *)bytes + 1, size - 1};
    lm_tokenizer *t =
        lm_tokenizer_from_bytes(rest, NULL, NULL, NULL, bytes[0] & 1 ? "vocab.txt" : "tokenizer.json", &st);
    if (t) {
        lm_encoder *e = lm_encoder_new(t);
        encode_and_decode(
            e, lm_str_of("The [MASK] caf\xC3\xA9 e\xCC\x81\xCC\x96 \xE4\xB8\xAD\xED\x95\x9C\xFF ab!?"));
        encode_and_decode(e, rest);
        lm_encoder_free(e);
    }
    lm_tokenizer_free(t);
    return 0;
}
