#include "augment/typos/keys.h"

#include "base/utf8.h"
#include "text/unicode/hangul.h"

#include <stdlib.h>

/* The keys of each part of a syllable, in the order of hangul.h. */
static const char *const initials[] = {"r", "R", "s", "e", "E", "f", "a", "q", "Q", "t",
                                       "T", "d", "w", "W", "c", "z", "x", "v", "g"};
static const char *const vowels[] = {"k", "o", "i", "O", "j", "p", "u", "P", "h", "hk", "ho",
                                     "hl", "y", "n", "nj", "np", "nl", "b", "m", "ml", "l"};
static const char *const finals[] = {"",   "r",  "R",  "rt", "s",  "sw", "sg", "e", "f", "fr", "fa", "fq", "ft", "fx",
                                     "fv", "fg", "a",  "q",  "qt", "t",  "T",  "d", "w", "c",  "z",  "x",  "v",  "g"};

static int find(const char *const *table, int n, const char *keys, int len)
{
    for (int i = 0; i < n; i++)
        if ((int)strlen(table[i]) == len && memcmp(table[i], keys, (size_t)len) == 0)
            return i;
    return -1;
}

static int initial_of(const char *keys)
{
    return find(initials, 19, keys, 1);
}

static int vowel_of(const char *keys, int len)
{
    return find(vowels, LM_HANGUL_VOWELS, keys, len);
}

static bool put(lm_keys *keys, const char *more)
{
    for (; *more; more++) {
        if (keys->count == LM_KEYS_MAX)
            return false;
        keys->at[keys->count++] = (unsigned char)*more;
    }
    return true;
}

bool lm_keys_of(lm_str word, lm_keys *keys)
{
    keys->count = 0;
    keys->hangul = false;
    for (size_t i = 0; i < word.len;) {
        bool first = i == 0;
        uint32_t code;
        i += lm_utf8_decode(word.data + i, word.len - i, &code);
        if (first)
            keys->hangul = lm_is_syllable(code);
        if (lm_is_syllable(code) != keys->hangul)
            return false;
        lm_syllable s = keys->hangul ? lm_syllable_of(code) : (lm_syllable){0};
        if (keys->hangul) {
            if (!put(keys, initials[s.initial]) || !put(keys, vowels[s.vowel]) || !put(keys, finals[s.final]))
                return false;
        } else {
            if (keys->count == LM_KEYS_MAX)
                return false;
            keys->at[keys->count++] = code;
        }
    }
    return true;
}

/* Where the syllable that begins at `keys` (which end with NUL) ends, by the rule of the input method: a consonant goes to the next
 * syllable if a vowel follows it. NULL: it is none. */
static const char *take_syllable(const char *keys, lm_syllable *s)
{
    s->initial = *keys ? initial_of(keys) : -1;
    if (s->initial < 0 || !keys[1])
        return NULL;
    const char *p = keys + 1;
    int len = p[1] && vowel_of(p, 2) >= 0 ? 2 : 1;
    s->vowel = vowel_of(p, len);
    if (s->vowel < 0)
        return NULL;
    p += len;
    s->final = 0;
    for (len = 2; len > 0; len--) {
        int final = p[0] && (len == 1 || p[1]) ? find(finals, LM_HANGUL_FINALS, p, len) : -1;
        if (final > 0 && !(p[len] && vowel_of(p + len, 1) >= 0)) {
            s->final = final;
            return p + len;
        }
    }
    return p;
}

bool lm_keys_word(const lm_keys *keys, lm_buf *out)
{
    size_t before = out->len;
    char typed[LM_KEYS_MAX + 1] = {0}, bytes[4];
    if (!keys->hangul) {
        for (int i = 0; i < keys->count; i++)
            lm_buf_append(out, bytes, lm_utf8_encode(keys->at[i], bytes));
        return true;
    }
    for (int i = 0; i < keys->count; i++)
        typed[i] = (char)keys->at[i];
    for (const char *p = typed; *p;) {
        lm_syllable s;
        p = take_syllable(p, &s);
        if (!p) {
            out->len = before;
            return false;
        }
        lm_buf_append(out, bytes, lm_utf8_encode(lm_syllable_code(s), bytes));
    }
    return true;
}

/* The place of a key, in quarters of its width. */
static bool place_of(uint32_t key, int *row, int *column)
{
    static const char *const rows[] = {"qwertyuiop", "asdfghjkl", "zxcvbnm"};
    static const int shift[] = {0, 1, 3};
    if (key >= 0x80)
        return false;
    int letter = key >= 'A' && key <= 'Z' ? (int)key + ('a' - 'A') : (int)key;
    for (*row = 0; *row < 3; ++*row) {
        const char *at = letter ? strchr(rows[*row], letter) : NULL;
        if (at) {
            *column = 4 * (int)(at - rows[*row]) + shift[*row];
            return true;
        }
    }
    return false;
}

bool lm_keys_touch(uint32_t a, uint32_t b)
{
    int row[2], column[2];
    if (!place_of(a, &row[0], &column[0]) || !place_of(b, &row[1], &column[1]))
        return false;
    int across = abs(column[0] - column[1]), rows = abs(row[0] - row[1]);
    return rows == 0 ? across == 4 || (across == 0 && a != b) : rows == 1 && across < 4;
}
