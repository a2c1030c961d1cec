/* Keys beside the right one, on the keyboard that most people have. */
#include "augment/noise/spoil.h"
#include "text/unicode/hangul.h"

#include <ctype.h>
#include <string.h>

enum { ROWS = 3, NEIGHBOURS_MAX = 6 };

static const char *const rows[ROWS] = {"qwertyuiop", "asdfghjkl", "zxcvbnm"};

/* The keys of initials, vowels and finals (from 1 on), in the order of lm_syllable. */
static const char initial_keys[] = "rRseEfaqQtTdwWczxvg";
static const char *const vowel_keys[LM_HANGUL_VOWELS] = {"k", "o", "i", "O", "j", "p", "u", "P", "h", "hk", "ho",
                                                        "hl", "y", "n", "nj", "np", "nl", "b", "m", "ml", "l"};
static const char *const final_keys[LM_HANGUL_FINALS] = {"",   "r",  "R",  "rt", "s",  "sw", "sg", "e", "f",  "fr",
                                                        "fa", "fq", "ft", "fx", "fv", "fg", "a",  "q", "qt", "t",
                                                        "T",  "d",  "w",  "c",  "z",  "x",  "v",  "g"};
/* The letter keys that touch a letter key (a small letter): rows are set half a key apart, or nearly. */
static int neighbours(char key, char out[NEIGHBOURS_MAX])
{
    int n = 0;
    for (int r = 0; r < ROWS; r++) {
        const char *at = strchr(rows[r], key);
        if (!at)
            continue;
        int column = (int)(at - rows[r]);
        const struct { int row, column; } beside[NEIGHBOURS_MAX] = {{r, column - 1}, {r, column + 1}, {r - 1, column},
                                                                    {r - 1, column + 1}, {r + 1, column - 1}, {r + 1, column}};
        for (int i = 0; i < NEIGHBOURS_MAX; i++) {
            int row = beside[i].row, c = beside[i].column;
            if (row >= 0 && row < ROWS && c >= 0 && c < (int)strlen(rows[row]))
                out[n++] = rows[row][c];
        }
    }
    return n;
}

/* The key that is hit in place of this one; a capital stays one. */
static char hit(char key, double share, lm_draws *draws)
{
    char beside[NEIGHBOURS_MAX];
    if (!lm_draw_chance(draws, share))
        return key;
    int n = neighbours((char)tolower((unsigned char)key), beside);
    char other = beside[lm_draw_below(draws, (uint32_t)n)];
    return isupper((unsigned char)key) ? (char)toupper((unsigned char)other) : other;
}

/* ------------------------------------------------------------------ the Korean keyboard */

void lm_syllable_keys(uint32_t syllable, char keys[LM_KEYS_MAX + 1])
{
    lm_syllable s = lm_syllable_of(syllable);
    keys[0] = initial_keys[s.initial];
    strcpy(keys + 1, vowel_keys[s.vowel]);
    strcat(keys, final_keys[s.final]);
}

static int find(const char *const *table, int from, int count, const char *first, char then)
{
    char keys[4] = {0};
    size_t n = strlen(first);
    memcpy(keys, first, n); /* of two keys at most */
    keys[n] = then;
    for (int i = from; i < count; i++)
        if (strcmp(table[i], keys) == 0)
            return i;
    return -1;
}

/* A syllable in the making. -1: there is none yet (a final: 0). */
typedef struct making {
    int initial, vowel, final;
} making;

static const making nothing = {-1, -1, 0};

static void finish(making *m, lm_codes *out)
{
    if (m->initial >= 0 && m->vowel >= 0)
        lm_codes_add(out, lm_syllable_code((lm_syllable){m->initial, m->vowel, m->final}));
    else if (m->initial >= 0)
        lm_codes_add(out, lm_initial_letter(m->initial));
    else if (m->vowel >= 0)
        lm_codes_add(out, lm_vowel_letter(m->vowel));
    *m = nothing;
}

static void add_consonant(making *m, int initial, lm_codes *out)
{
    char key = initial_keys[initial];
    int final = m->initial >= 0 && m->vowel >= 0 ? find(final_keys, 1, LM_HANGUL_FINALS, final_keys[m->final], key) : -1;
    if (final >= 0) {
        m->final = final;
        return;
    }
    finish(m, out);
    m->initial = initial;
}

static void add_vowel(making *m, char key, lm_codes *out)
{
    if (m->final) { /* its last consonant begins the next syllable */
        const char *keys = final_keys[m->final];
        char moved = keys[strlen(keys) - 1];
        m->final = keys[1] ? find(final_keys, 1, LM_HANGUL_FINALS, "", keys[0]) : 0;
        finish(m, out);
        m->initial = (int)(strchr(initial_keys, moved) - initial_keys);
    }
    int joined = find(vowel_keys, 0, LM_HANGUL_VOWELS, m->vowel >= 0 ? vowel_keys[m->vowel] : "", key);
    if (joined < 0) {
        finish(m, out);
        joined = find(vowel_keys, 0, LM_HANGUL_VOWELS, "", key);
    }
    m->vowel = joined;
}

/* Shift changes few keys: others write what they write without it. */
static char without_shift(char key)
{
    return strchr("QWERTOP", key) ? key : (char)tolower((unsigned char)key);
}

void lm_keys_write(const char *keys, size_t count, lm_codes *out)
{
    making m = nothing;
    for (size_t i = 0; i < count; i++) {
        char key = without_shift(keys[i]);
        const char *consonant = strchr(initial_keys, key);
        if (consonant)
            add_consonant(&m, (int)(consonant - initial_keys), out);
        else
            add_vowel(&m, key, out);
    }
    finish(&m, out);
}

/* The key of a letter that stands alone (ㅋ, ㅠ); 0 where it takes several, or is none. */
static char key_of_letter(uint32_t code)
{
    for (int i = 0; i < LM_HANGUL_INITIALS; i++)
        if (lm_initial_letter(i) == code)
            return initial_keys[i];
    for (int i = 0; i < LM_HANGUL_VOWELS; i++)
        if (lm_vowel_letter(i) == code && !vowel_keys[i][1])
            return vowel_keys[i][0];
    return 0;
}

/* ------------------------------------------------------------------ a word */

/* Syllables from i on: as one row of key presses, since a wrong one may join two of them. Returns where they end. Some of them at
 * a time, where there are very many. */
static size_t spoil_syllables(const lm_codes *word, size_t i, double share, lm_draws *draws, lm_codes *out)
{
    char keys[64 * LM_KEYS_MAX + 1];
    size_t n = 0, from = i;
    bool wrong = false;
    for (; i < word->count && lm_is_syllable(word->at[i]) && n + LM_KEYS_MAX < sizeof keys; i++) {
        lm_syllable_keys(word->at[i], keys + n);
        for (; keys[n]; n++) {
            char key = hit(keys[n], share, draws);
            wrong |= key != keys[n];
            keys[n] = key;
        }
    }
    if (wrong)
        lm_keys_write(keys, n, out);
    else
        for (; from < i; from++)
            lm_codes_add(out, word->at[from]);
    return i;
}

void lm_spoil_keyboard(const lm_codes *word, double share, lm_draws *draws, lm_codes *out)
{
    for (size_t i = 0; i < word->count;) {
        uint32_t code = word->at[i];
        if (lm_is_syllable(code)) {
            i = spoil_syllables(word, i, share, draws, out);
            continue;
        }
        char key = code >= 0x3131 && code <= 0x3163 ? key_of_letter(code) : 0;
        if (code < 0x80 && isalpha((int)code)) {
            code = (unsigned char)hit((char)code, share, draws);
        } else if (key) {
            char pressed = hit(key, share, draws);
            if (pressed != key) {
                lm_keys_write(&pressed, 1, out);
                i++;
                continue;
            }
        }
        lm_codes_add(out, code);
        i++;
    }
}
