/* Slips of the hand: a letter too much, one too few, two that change places, a wrong one (Damerau 1964). */
#include "augment/noise/spoil.h"
#include "base/memory.h"
#include "text/unicode/hangul.h"
#include "text/unicode/unicode.h"

#include <stdlib.h>

typedef enum slip { INSERT, DELETE, SWAP, REPLACE, SLIPS } slip;

void lm_codes_add(lm_codes *c, uint32_t code)
{
    LM_GROW(c->at, c->count, c->cap);
    c->at[c->count++] = code;
}

void lm_codes_free(lm_codes *c)
{
    free(c->at);
    *c = (lm_codes){0};
}

static bool is_letter(uint32_t code)
{
    unsigned p = lm_unicode_properties(code);
    return p & LM_CP_WORD && !(p & (LM_CP_NUMBER | LM_CP_MARK));
}

/* Another letter: of the alphabet for a Latin one, in its case; the same syllable with another part for Hangul; one of the word's
 * for all others. */
static uint32_t other_letter(const lm_codes *word, uint32_t code, lm_draws *draws)
{
    if ((code | 32) >= 'a' && (code | 32) <= 'z') {
        uint32_t letter = lm_draw_below(draws, 25), base = code & 32 ? 'a' : 'A';
        return base + letter + (letter >= code - base); /* not the same */
    }
    if (!lm_is_syllable(code))
        return word->at[lm_draw_below(draws, (uint32_t)word->count)];
    lm_syllable s = lm_syllable_of(code);
    switch (lm_draw_below(draws, 3)) {
    case 0:
        s.initial = (s.initial + 1 + (int)lm_draw_below(draws, 18)) % 19;
        break;
    case 1:
        s.vowel = (s.vowel + 1 + (int)lm_draw_below(draws, LM_HANGUL_VOWELS - 1)) % LM_HANGUL_VOWELS;
        break;
    default:
        s.final = (s.final + 1 + (int)lm_draw_below(draws, LM_HANGUL_FINALS - 1)) % LM_HANGUL_FINALS;
    }
    return lm_syllable_code(s);
}

void lm_spoil_typo(const lm_codes *word, double share, lm_draws *draws, lm_codes *out)
{
    for (size_t i = 0; i < word->count; i++) {
        uint32_t code = word->at[i];
        if (!is_letter(code) || !lm_draw_chance(draws, share)) {
            lm_codes_add(out, code);
            continue;
        }
        slip how = (slip)lm_draw_below(draws, SLIPS);
        if (how == DELETE && (out->count || i + 1 < word->count)) /* something stays of a word */
            continue;
        if (how == SWAP && i + 1 < word->count && is_letter(word->at[i + 1])) {
            lm_codes_add(out, word->at[++i]);
            lm_codes_add(out, code);
            continue;
        }
        if (how == INSERT)
            lm_codes_add(out, code);
        lm_codes_add(out, other_letter(word, code, draws));
    }
}
