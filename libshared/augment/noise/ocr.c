/* Letters and pairs of letters that look alike to who reads print. */
#include "augment/noise/spoil.h"
#include "text/unicode/hangul.h"

#include <string.h>

/* What looks like what, in both directions. */
static const char *const alike[][2] = {
    {"m", "rn"}, {"d", "cl"}, {"w", "vv"}, {"h", "li"}, {"k", "lc"}, {"n", "ri"}, {"u", "ii"}, {"b", "lo"},
    {"l", "1"}, {"l", "I"}, {"l", "i"}, {"i", "j"}, {"I", "1"}, {"o", "0"}, {"o", "c"}, {"O", "0"}, {"O", "Q"}, {"O", "D"},
    {"e", "c"}, {"a", "o"}, {"s", "5"}, {"S", "5"}, {"z", "2"}, {"Z", "2"}, {"b", "6"}, {"G", "6"}, {"G", "C"}, {"B", "8"},
    {"g", "9"}, {"g", "q"}, {"q", "9"}, {"h", "b"}, {"n", "h"}, {"n", "u"}, {"u", "v"}, {"v", "y"}, {"f", "t"}, {"t", "r"},
    {"E", "F"}, {"P", "F"}, {"M", "N"}, {"V", "Y"}, {"U", "V"}, {"T", "7"}, {"A", "4"}, {"x", "X"}, {"c", "C"}, {"w", "W"},
};

/* Parts of syllables that look alike, as numbers of lm_syllable; in both directions. */
static const unsigned char initials[][2] = {{6, 11}, {11, 18}, {0, 15}, {3, 16}, {12, 14}, {9, 12}, {2, 3}, {7, 17}, {5, 3},
                                            {0, 1}, {3, 4}, {9, 10}, {7, 8}, {12, 13}, {0, 0}};
static const unsigned char vowels[][2] = {{0, 2}, {4, 6}, {8, 12}, {13, 17}, {1, 3}, {5, 7}, {1, 5}, {20, 0}, {20, 4}, {18, 8},
                                          {18, 13}, {9, 10}, {14, 15}, {11, 16}, {19, 16}, {0, 0}};
static const unsigned char finals[][2] = {{16, 21}, {21, 27}, {1, 24}, {7, 25}, {22, 23}, {19, 22}, {4, 7}, {17, 26}, {8, 7},
                                          {1, 2}, {19, 20}, {4, 5}, {4, 6}, {8, 9}, {8, 11}, {17, 18}, {0, 0}};

int lm_parts_like(const unsigned char pairs[][2], int part, int out[LM_LIKE_MAX])
{
    int n = 0;
    for (; (pairs[0][0] || pairs[0][1]) && n < LM_LIKE_MAX; pairs++)
        if (pairs[0][0] == part || pairs[0][1] == part)
            out[n++] = pairs[0][pairs[0][0] == part];
    return n;
}

static uint32_t syllable_like(uint32_t code, lm_draws *draws)
{
    lm_syllable s = lm_syllable_of(code);
    int *parts[] = {&s.initial, &s.vowel, &s.final}, like[3][LM_LIKE_MAX], counts[3], total = 0;
    counts[0] = lm_parts_like(initials, s.initial, like[0]);
    counts[1] = lm_parts_like(vowels, s.vowel, like[1]);
    counts[2] = s.final ? lm_parts_like(finals, s.final, like[2]) : 0;
    for (int i = 0; i < 3; i++)
        total += counts[i];
    if (total == 0)
        return code;
    int one = (int)lm_draw_below(draws, (uint32_t)total), part = 0;
    for (; one >= counts[part]; part++)
        one -= counts[part];
    *parts[part] = like[part][one];
    return lm_syllable_code(s);
}

static bool stands(const lm_codes *word, size_t i, const char *text)
{
    for (; *text; text++, i++)
        if (i >= word->count || word->at[i] != (unsigned char)*text)
            return false;
    return true;
}

/* What looks like the letters at i: rows of `alike`, and which of the two is meant. */
static int letters_like(const lm_codes *word, size_t i, const char *out[][2])
{
    int n = 0;
    for (size_t k = 0; k < sizeof alike / sizeof *alike && n < LM_LIKE_MAX; k++)
        for (int side = 0; side < 2 && n < LM_LIKE_MAX; side++) {
            const char *is = alike[k][side];
            if ((is[0] >= '0' && is[0] <= '9') || !stands(word, i, is))
                continue; /* digits stay */
            out[n][0] = is;
            out[n++][1] = alike[k][!side];
        }
    return n;
}

void lm_spoil_ocr(const lm_codes *word, double share, lm_draws *draws, lm_codes *out)
{
    for (size_t i = 0; i < word->count; i++) {
        uint32_t code = word->at[i];
        const char *like[LM_LIKE_MAX][2];
        int n = 0;
        if (!lm_draw_chance(draws, share)) {
            lm_codes_add(out, code);
        } else if (lm_is_syllable(code)) {
            lm_codes_add(out, syllable_like(code, draws));
        } else if (code < 0x80 && (n = letters_like(word, i, like)) > 0) {
            const char *const *one = like[lm_draw_below(draws, (uint32_t)n)];
            for (const char *c = one[1]; *c; c++)
                lm_codes_add(out, (unsigned char)*c);
            i += strlen(one[0]) - 1;
        } else {
            lm_codes_add(out, code);
        }
    }
}
