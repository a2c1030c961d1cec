#include "augment/typos/edits.h"

/* Usual are neighbours of the right key, a key twice or not twice, and two keys in the wrong order; a key that is missing comes
 * next. Slips at the first key are rare (Pollock and Zamora 1984). */
enum { USUAL = 8, MISSING = 4, ODD = 2 };

static int likelihood(int at, int how)
{
    return at == 0 ? how / 2 : how;
}

static void visit_keys(const lm_keys *keys, lm_buf *word, int how_likely, lm_edit_visit *visit, void *context)
{
    word->len = 0;
    if (lm_keys_word(keys, word))
        visit(context, lm_buf_str(word), how_likely);
}

static bool is_twin(const lm_keys *keys, int i, uint32_t key)
{
    return i >= 0 && i < keys->count && keys->at[i] == key;
}

/* `key` stands too many at i, next to its own or a neighbour: the finger slipped. */
static bool is_slip(const lm_keys *keys, int i)
{
    uint32_t key = keys->at[i];
    return is_twin(keys, i - 1, key) || (i > 0 && lm_keys_touch(keys->at[i - 1], key)) ||
           (i + 1 < keys->count && lm_keys_touch(keys->at[i + 1], key));
}

void lm_edits(const lm_keys *keys, const uint32_t *letters, int letter_count, lm_buf *word, lm_edit_visit *visit, void *context)
{
    lm_keys k = *keys;
    int n = keys->count;
    for (int i = 0; i + 1 < n; i++) {
        k.at[i] = keys->at[i + 1];
        k.at[i + 1] = keys->at[i];
        visit_keys(&k, word, likelihood(i, USUAL), visit, context);
        k.at[i] = keys->at[i];
        k.at[i + 1] = keys->at[i + 1];
    }
    for (int i = 0; i < n; i++) {
        for (int c = 0; c < letter_count; c++) {
            k.at[i] = letters[c];
            if (letters[c] != keys->at[i])
                visit_keys(&k, word, likelihood(i, lm_keys_touch(letters[c], keys->at[i]) ? USUAL : ODD), visit, context);
        }
        k.at[i] = keys->at[i];
    }
    k.count = n - 1;
    for (int i = n - 1; i >= 0 && n > 1; i--) { /* without the key at i */
        visit_keys(&k, word, likelihood(i, is_slip(keys, i) ? USUAL : ODD), visit, context);
        if (i > 0)
            k.at[i - 1] = keys->at[i];
    }
    if (n == LM_KEYS_MAX)
        return;
    k = *keys;
    k.count = n + 1;
    for (int i = n; i >= 0; i--) { /* with another in front of the key at i */
        if (i < n)
            k.at[i + 1] = keys->at[i];
        for (int c = 0; c < letter_count; c++) {
            k.at[i] = letters[c];
            bool twin = is_twin(keys, i - 1, letters[c]) || is_twin(keys, i, letters[c]);
            visit_keys(&k, word, likelihood(i, twin ? USUAL : MISSING), visit, context);
        }
    }
}
