#include "train/masking.h"

#include "base/random.h"

static bool is_special(const lm_masking *how, int32_t id)
{
    for (int i = 0; i < how->special_count; i++)
        if (how->special[i] == id)
            return true;
    return false;
}

int lm_mask_row(const lm_masking *how, uint64_t epoch, uint64_t row, int n, int32_t *ids, int32_t *label)
{
    lm_philox_key key = lm_random_key(how->seed, LM_FOR_MASKING, 0);
    const double unit = 1.0 / 4294967296.0; /* 2^-32: a word becomes a number in [0,1) */
    int chosen = 0;
    for (int i = 0; i < n; i++) {
        label[i] = LM_IGNORE;
        if (is_special(how, ids[i]))
            continue;
        const uint32_t counter[4] = {(uint32_t)i, (uint32_t)row, (uint32_t)(row >> 32), (uint32_t)epoch};
        uint32_t word[4];
        lm_philox(key, counter, word);
        if (word[0] * unit >= how->probability)
            continue;
        label[i] = ids[i];
        chosen++;
        double kind = word[1] * unit;
        if (kind < 0.8) {
            ids[i] = how->mask_id;
        } else if (kind < 0.9) {
            uint64_t draw = (uint64_t)word[2] << 32 | word[3];
            ids[i] = (int32_t)((unsigned __int128)draw * (uint64_t)how->vocab_size >> 64);
        }
    }
    return chosen;
}
