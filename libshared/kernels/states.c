/* States of an optimiser in fewer bits. */
#include "kernels/variant.h"

#include <string.h>

void lm_states_read(const lm_states *s, bool first, size_t from, size_t n, float *to)
{
    const lm_variant *variant = lm_variant_now();
    const void *kept = first ? s->m : s->v;
    const float *scale = first ? s->m_scale : s->v_scale;
    if (!kept)
        return;
    if (s->form == LM_STATE_F32)
        memcpy(to, (const float *)kept + from, n * sizeof *to);
    if (s->form == LM_STATE_BF16)
        variant->bf16_read((const uint16_t *)kept + from, to, n);
    for (size_t at = 0; s->form == LM_STATE_8BIT && at < n; at += LM_STATE_BLOCK)
        variant->code_read((const uint8_t *)kept + from + at, scale[(from + at) / LM_STATE_BLOCK], first, to + at,
                           n - at < LM_STATE_BLOCK ? n - at : LM_STATE_BLOCK);
}

void lm_states_write(const lm_states *s, bool first, size_t from, size_t n, const float *values, uint64_t key, uint32_t row,
                     size_t place)
{
    const lm_variant *variant = lm_variant_now();
    void *kept = first ? s->m : s->v;
    float *scale = first ? s->m_scale : s->v_scale;
    const uint32_t words[2] = {(uint32_t)key, (uint32_t)(key >> 32)}, counter[3] = {row, first, (uint32_t)(place >> 35)};
    if (!kept)
        return;
    if (s->form == LM_STATE_F32)
        memcpy((float *)kept + from, values, n * sizeof *values);
    if (s->form == LM_STATE_BF16) /* a block is 8 numbers */
        variant->bf16_write(values, (uint16_t *)kept + from, n, words, counter, (uint32_t)(place / 8));
    for (size_t at = 0; s->form == LM_STATE_8BIT && at < n; at += LM_STATE_BLOCK)
        scale[(from + at) / LM_STATE_BLOCK] =
            variant->code_write(values + at, first, (uint8_t *)kept + from + at,
                                n - at < LM_STATE_BLOCK ? n - at : LM_STATE_BLOCK);
}
