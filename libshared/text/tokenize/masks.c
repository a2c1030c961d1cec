/* Rows with masks that stay: hidden tokens in `ids`, what they were in `mlm_labels`. */
#include "text/masking.h"
#include "text/tokenize/sinks.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

struct lm_token_masks {
    lm_masking how;
    int special[8];
    lm_arena *room;
    int32_t *ids, *label;
    int cap;
};

lm_token_masks *lm_token_masks_new(const lm_tokenize_options *o, const lm_tokenizer *t, lm_status *st)
{
    static const char *const roles[] = {"pad", "cls", "sep", "mask", "unk", "bos", "eos"};
    int mask = lm_tokenizer_role(t, "mask");
    if (mask < 0) {
        lm_fail(st, LM_FAILED, "--mlm: the tokenizer has no mask token: use one that has");
        return NULL;
    }
    lm_token_masks *m = lm_calloc(1, sizeof *m);
    m->how = (lm_masking){.recipe = LM_MASK_EACH, .probability = o->mlm, .replaced = 0.8, .random = 0.1, .mask_id = mask,
                          .vocab_size = lm_tokenizer_size(t), .special = m->special, .seed = o->encode.seed};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (lm_tokenizer_role(t, roles[i]) >= 0)
            m->special[m->how.special_count++] = lm_tokenizer_role(t, roles[i]);
    m->room = lm_arena_new(0);
    return m;
}

void lm_token_masks_free(lm_token_masks *m)
{
    if (!m)
        return;
    lm_arena_free(m->room);
    free(m->ids);
    free(m->label);
    free(m);
}

void lm_token_masks_row(lm_token_masks *m, uint64_t number, uint64_t copy, lm_tokens_row *row)
{
    int n = (int)row->len;
    if (n > m->cap) {
        m->cap = n > 2 * m->cap ? n : 2 * m->cap;
        m->ids = lm_realloc(m->ids, (size_t)m->cap, sizeof *m->ids);
        m->label = lm_realloc(m->label, (size_t)m->cap, sizeof *m->label);
    }
    if (n)
        memcpy(m->ids, row->ids, (size_t)n * sizeof *m->ids);
    lm_mask_row(&m->how, copy, number, n, m->ids, NULL, m->label, m->room);
    row->ids = m->ids;
    row->mlm_labels = m->label;
}
