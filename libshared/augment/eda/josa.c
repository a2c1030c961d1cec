#include "augment/eda/josa.h"

#include "base/utf8.h"
#include "text/unicode/hangul.h"

#include <stddef.h>

enum { RIEUL = 8, CHAIN_MAX = 4 /* particles one behind the other */ };

/* Particles behind a consonant and behind a vowel, by the standard grammar. The ones with two forms come first. */
static const struct particle {
    const char *consonant, *vowel;
} particles[] = {
    {"은", "는"}, {"이", "가"}, {"을", "를"}, {"과", "와"}, {"으로", "로"}, {"이랑", "랑"}, {"이나", "나"}, {"이라", "라"},
    {"이라고", "라고"}, {"이라는", "라는"}, {"이란", "란"}, {"이며", "며"}, {"이고", "고"}, {"이다", "다"}, {"이었다", "였다"},
    {"이었던", "였던"}, {"이에요", "예요"}, {"이든", "든"}, {"이든지", "든지"}, {"이야", "야"}, {"이나마", "나마"}, {"이여", "여"},
    {"이지만", "지만"}, {"이라도", "라도"}, {"이라면", "라면"}, {"이라서", "라서"}, {"으로서", "로서"}, {"으로써", "로써"},
    {"으로부터", "로부터"}, {"아", "야"},
    {"의", "의"}, {"에", "에"}, {"에서", "에서"}, {"에게", "에게"}, {"에게서", "에게서"}, {"한테", "한테"}, {"한테서", "한테서"},
    {"께", "께"}, {"께서", "께서"}, {"도", "도"}, {"만", "만"}, {"까지", "까지"}, {"부터", "부터"}, {"보다", "보다"},
    {"처럼", "처럼"}, {"같이", "같이"}, {"마다", "마다"}, {"조차", "조차"}, {"마저", "마저"}, {"밖에", "밖에"}, {"뿐", "뿐"},
    {"대로", "대로"}, {"만큼", "만큼"}, {"하고", "하고"}, {"들", "들"}, {"입니다", "입니다"}, {"인", "인"}, {"일", "일"},
    {"임", "임"}, {"인데", "인데"}, {"이었고", "였고"},
};

/* With which syllables the verbs begin that are made of a noun. */
static const char *const verbs[] = {"하", "한", "할", "함", "합", "했", "해", "되", "된", "될", "됨", "됩", "됐", "돼", "시키", "시켜",
                                    "시켰", "시킨", "시킬"};

/* The final of the last character; -1 where that is no Hangul syllable. */
static int final_of(lm_str word)
{
    uint32_t code;
    if (word.len < 3)
        return -1;
    if (lm_utf8_decode(word.data + word.len - 3, 3, &code) != 3 || !lm_is_syllable(code))
        return -1;
    return lm_syllable_of(code).final;
}

/* The form that goes with a word that ends so; NULL where both may (what is read is not known: AI는). */
static const char *form_behind(const struct particle *p, int final)
{
    if (final < 0)
        return NULL;
    bool vowel = final == 0 || (final == RIEUL && strncmp(p->consonant, "으로", strlen("으로")) == 0);
    return vowel ? p->vowel : p->consonant;
}

static bool begins(lm_str s, const char *with)
{
    size_t n = strlen(with);
    return s.len >= n && memcmp(s.data, with, n) == 0;
}

static lm_str behind(lm_str s, size_t n)
{
    return (lm_str){s.data + n, s.len - n};
}

/* Whether `tail` is particles, the first of which stands behind such a final. That one's row is *first, the longest that will
 * do (이나, not 이 and 나), and its bytes are *len. */
static bool is_chain(int final, lm_str tail, int most, size_t *first, size_t *len)
{
    *len = 0;
    for (size_t i = 0; most && i < sizeof particles / sizeof *particles; i++) {
        const char *form = form_behind(&particles[i], final), *forms[2] = {particles[i].consonant, particles[i].vowel};
        for (int k = 0; k < 2; k++) {
            size_t n = strlen(forms[k]), row, bytes;
            if ((form && form != forms[k]) || n <= *len || !begins(tail, forms[k]))
                continue;
            if (n < tail.len && !is_chain(final_of(lm_str_of(forms[k])), behind(tail, n), most - 1, &row, &bytes))
                continue;
            *first = i;
            *len = n;
        }
    }
    return *len > 0;
}

static bool is_verb(lm_str tail)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (begins(tail, verbs[i]))
            return true;
    return false;
}

bool lm_josa_follows(lm_str noun, lm_str tail, bool *verb)
{
    size_t row, len;
    *verb = false;
    if (tail.len == 0 || is_chain(final_of(noun), tail, CHAIN_MAX, &row, &len))
        return true;
    *verb = is_verb(tail);
    return *verb;
}

void lm_josa_append(lm_str noun, lm_str before, lm_str tail, lm_buf *out)
{
    size_t row, len;
    if (tail.len && is_chain(final_of(before), tail, CHAIN_MAX, &row, &len)) {
        const char *form = form_behind(&particles[row], final_of(noun));
        if (form) {
            lm_buf_puts(out, form);
            tail = behind(tail, len);
        }
    }
    lm_buf_append(out, tail.data, tail.len);
}
