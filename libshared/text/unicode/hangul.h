/* Hangul: a syllable and the initial, vowel and final that it is made of (The Unicode Standard, 3.12). */
#ifndef LM_TEXT_HANGUL_H
#define LM_TEXT_HANGUL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LM_HANGUL_FIRST = 0xAC00, LM_HANGUL_LAST = 0xD7A3, LM_HANGUL_INITIALS = 19, LM_HANGUL_VOWELS = 21, LM_HANGUL_FINALS = 28 };

typedef struct lm_syllable {
    int initial; /* 0..18: ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ */
    int vowel;   /* 0..20: ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ */
    int final;   /* 0: none; 1..27: ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ */
} lm_syllable;

static inline bool lm_is_syllable(uint32_t code)
{
    return code >= LM_HANGUL_FIRST && code <= LM_HANGUL_LAST;
}

static inline lm_syllable lm_syllable_of(uint32_t code)
{
    uint32_t index = code - LM_HANGUL_FIRST, vowels = index / LM_HANGUL_FINALS;
    return (lm_syllable){(int)(vowels / LM_HANGUL_VOWELS), (int)(vowels % LM_HANGUL_VOWELS), (int)(index % LM_HANGUL_FINALS)};
}

static inline uint32_t lm_syllable_code(lm_syllable s)
{
    return LM_HANGUL_FIRST + (uint32_t)((s.initial * LM_HANGUL_VOWELS + s.vowel) * LM_HANGUL_FINALS + s.final);
}

/* The syllable that begins at s, which has n bytes more: of three, EA B0 80 to ED 9E A3. 0: none does. Nothing branches on the bytes. */
static inline uint32_t lm_syllable_at(const char *s, size_t n)
{
    const unsigned char *b = (const unsigned char *)s;
    if (n < 3)
        return 0;
    uint32_t code = (b[0] & 0xFu) << 12 | (b[1] & 0x3Fu) << 6 | (b[2] & 0x3Fu), off = (b[0] ^ 0xE0u) & 0xF0;
    off |= ((b[1] ^ 0x80u) | (b[2] ^ 0x80u)) & 0xC0;
    return ((off == 0) & lm_is_syllable(code)) ? code : 0;
}

/* The two or three letters that it decomposes into; returns how many. */
static inline int lm_syllable_letters(uint32_t code, uint32_t letters[3])
{
    lm_syllable s = lm_syllable_of(code);
    letters[0] = 0x1100 + (uint32_t)s.initial;
    letters[1] = 0x1161 + (uint32_t)s.vowel;
    letters[2] = 0x11A7 + (uint32_t)s.final;
    return s.final ? 3 : 2;
}
/* One of them in UTF-8: three bytes, the first of which is the same for all. */
static inline void lm_syllable_letter(uint32_t letter, char out[3])
{
    out[0] = (char)0xE1;
    out[1] = (char)(0x80 | (letter >> 6 & 0x3F));
    out[2] = (char)(0x80 | (letter & 0x3F));
}
/* All of them; returns the bytes, of which nine are written. */
static inline size_t lm_syllable_spell(uint32_t code, char out[9])
{
    uint32_t letters[3];
    int n = lm_syllable_letters(code, letters);
    lm_syllable_letter(letters[0], out);
    lm_syllable_letter(letters[1], out + 3);
    lm_syllable_letter(letters[2], out + 6);
    return 3 * (size_t)n;
}

/* The letters of an initial and of a vowel where they stand alone: ㄱ, ㅏ. */
static inline uint32_t lm_initial_letter(int initial)
{
    static const uint16_t letters[] = {0x3131, 0x3132, 0x3134, 0x3137, 0x3138, 0x3139, 0x3141, 0x3142, 0x3143, 0x3145,
                                       0x3146, 0x3147, 0x3148, 0x3149, 0x314A, 0x314B, 0x314C, 0x314D, 0x314E};
    return letters[initial];
}
static inline uint32_t lm_vowel_letter(int vowel)
{
    return 0x314F + (uint32_t)vowel;
}

#endif
