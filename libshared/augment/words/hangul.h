/* Hangul: a syllable and the initial, vowel and final that it is made of (The Unicode Standard, 3.12). */
#ifndef LM_AUGMENT_HANGUL_H
#define LM_AUGMENT_HANGUL_H

#include <stdbool.h>
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
    int index = (int)(code - LM_HANGUL_FIRST);
    return (lm_syllable){index / (LM_HANGUL_VOWELS * LM_HANGUL_FINALS), index / LM_HANGUL_FINALS % LM_HANGUL_VOWELS,
                         index % LM_HANGUL_FINALS};
}

static inline uint32_t lm_syllable_code(lm_syllable s)
{
    return LM_HANGUL_FIRST + (uint32_t)((s.initial * LM_HANGUL_VOWELS + s.vowel) * LM_HANGUL_FINALS + s.final);
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
