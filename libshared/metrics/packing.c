#include "metrics/packing.h"

#include <limits.h>
#include <stdlib.h>

void lm_packing_free(lm_packing *p)
{
    lm_room *rooms[] = {&p->splits, &p->ids, &p->types, &p->positions};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        free(rooms[i]->data);
    *p = (lm_packing){0};
}

bool lm_packing_make(lm_packing *p, const lm_arch *arch, bool target, const lm_tokens_row *rows, int n, lm_batch *batch, lm_status *st)
{
    size_t tokens = 0, at = 0;
    for (int i = 0; i < n; i++)
        tokens += target ? rows[i].target_len : rows[i].len;
    if (tokens > INT_MAX)
        return lm_fail(st, LM_FAILED, "%zu tokens are too many for one batch", tokens);
    int32_t *splits = lm_room_make(&p->splits, (size_t)n + 1, sizeof *splits, "a batch", st);
    int32_t *ids = lm_room_make(&p->ids, tokens, sizeof *ids, "a batch", st);
    int32_t *types = target ? NULL : lm_room_make(&p->types, tokens, sizeof *types, "a batch", st);
    int32_t *positions = lm_room_make(&p->positions, tokens, sizeof *positions, "a batch", st);
    if (!lm_ok(st))
        return false;
    splits[0] = 0;
    for (int i = 0; i < n; i++) {
        const lm_tokens_row *row = &rows[i];
        for (size_t t = 0; t < (target ? row->target_len : row->len); t++, at++) {
            if (target)
                ids[at] = t ? row->target_ids[t - 1] : arch->decoder_start_id;
            else
                ids[at] = row->ids[t];
            if (types)
                types[at] = row->types ? row->types[t] : 0;
            positions[at] = (int32_t)t;
        }
        splits[i + 1] = (int32_t)at;
    }
    *batch = (lm_batch){n, (int)tokens, splits, ids, types, positions};
    return true;
}
