/* Hangul as people misspell it: by ear, in haste, and for fun. */
#include "augment/noise/spoil.h"
#include "text/unicode/hangul.h"

enum { IEUNG = 11 /* the initial that is silent */, HIEUT = 18, WAYS = 7 };

/* Parts that sound alike, as numbers of lm_syllable; in both directions. */
static const unsigned char vowels[][2] = {{1, 5}, {3, 7}, {5, 7}, {10, 15}, {10, 11}, {11, 15}, {19, 20}, {18, 20}, {8, 13},
                                          {4, 8}, {0, 4}, {0, 0}}; /* ㅐㅔ ㅒㅖ ㅔㅖ ㅙㅞ ㅙㅚ ㅚㅞ ㅢㅣ ㅡㅣ ㅗㅜ ㅓㅗ ㅏㅓ */
static const unsigned char initials[][2] = {{0, 1}, {3, 4}, {7, 8}, {9, 10}, {12, 13}, {0, 15}, {3, 16}, {7, 17}, {12, 14},
                                            {11, 18}, {0, 0}}; /* plain and tense, plain and aspirated, ㅎ lost between vowels */
static const unsigned char finals[][2] = {{19, 20}, {7, 19}, {19, 22}, {19, 23}, {19, 25}, {1, 2}, {1, 24}, {17, 26}, {4, 6}, {4, 5},
                                          {8, 15}, {8, 9}, {1, 9}, {16, 10}, {8, 11}, {17, 18}, {1, 3}, {19, 27}, {4, 21}, {4, 16}, {0, 0}};

/* The initial that a simple final becomes where it moves to the next syllable; -1: it does not. */
static const signed char moved[LM_HANGUL_FINALS] = {-1, 0,  1,  -1, 2,  -1, -1, 3,  5,  -1, -1, -1, -1, -1,
                                                    -1, -1, 6,  7,  -1, 9,  10, -1, 12, 14, 15, 16, 17, -1};
typedef enum way { VOWEL, INITIAL, FINAL, DROP, ADD, MOVE, APART } way;

/* The final that an initial is; 0: none is. */
static int final_of(int initial)
{
    for (int i = 1; i < LM_HANGUL_FINALS; i++)
        if (moved[i] == initial)
            return i;
    return 0;
}

/* The mistakes that can be made in a syllable, before what follows it (0: the end of the word). */
static int ways_of(lm_syllable s, uint32_t next, way out[WAYS])
{
    int n = 0, like[LM_LIKE_MAX];
    bool follows = lm_is_syllable(next);
    int begins = follows ? lm_syllable_of(next).initial : -1;
    if (lm_parts_like(vowels, s.vowel, like))
        out[n++] = VOWEL;
    if (lm_parts_like(initials, s.initial, like))
        out[n++] = INITIAL;
    if (lm_parts_like(finals, s.final, like))
        out[n++] = FINAL;
    if (s.final && s.final != 21) /* ㅇ is heard */
        out[n++] = DROP;
    if (!s.final && follows && begins != HIEUT && final_of(begins))
        out[n++] = ADD;
    if (s.final && begins == IEUNG && moved[s.final] >= 0)
        out[n++] = MOVE;
    if (!s.final)
        out[n++] = APART;
    return n;
}

static int draw_like(const unsigned char pairs[][2], int part, lm_draws *draws)
{
    int like[LM_LIKE_MAX], n = lm_parts_like(pairs, part, like);
    return like[lm_draw_below(draws, (uint32_t)n)];
}

void lm_spoil_jamo(const lm_codes *word, double share, lm_draws *draws, lm_codes *out)
{
    int carried = -1; /* the initial that the syllable before has moved here */
    for (size_t i = 0; i < word->count; i++) {
        uint32_t code = word->at[i], next = i + 1 < word->count ? word->at[i + 1] : 0;
        if (!lm_is_syllable(code)) {
            lm_codes_add(out, code);
            continue;
        }
        lm_syllable s = lm_syllable_of(code);
        if (carried >= 0) {
            s.initial = carried;
            carried = -1;
            lm_codes_add(out, lm_syllable_code(s));
            continue;
        }
        way ways[WAYS];
        int n = ways_of(s, next, ways);
        way chosen = lm_draw_chance(draws, share) && n ? ways[lm_draw_below(draws, (uint32_t)n)] : (way)-1;
        switch ((int)chosen) {
        case VOWEL:
            s.vowel = draw_like(vowels, s.vowel, draws);
            break;
        case INITIAL:
            s.initial = draw_like(initials, s.initial, draws);
            break;
        case FINAL:
            s.final = draw_like(finals, s.final, draws);
            break;
        case DROP:
            s.final = 0;
            break;
        case ADD:
            s.final = final_of(lm_syllable_of(next).initial);
            break;
        case MOVE:
            carried = moved[s.final];
            s.final = 0;
            break;
        case APART:
            lm_codes_add(out, lm_initial_letter(s.initial));
            lm_codes_add(out, lm_vowel_letter(s.vowel));
            continue;
        default:
            break;
        }
        lm_codes_add(out, lm_syllable_code(s));
    }
}
