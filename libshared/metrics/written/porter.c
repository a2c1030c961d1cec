/* The stemmer of ROUGE. M. Porter, "An algorithm for suffix stripping", Program 14.3 (1980), whose steps and conditions have their
 * names here, with the changes of NLTK's PorterStemmer, which rouge-score uses. */
#include "metrics/written/tokens.h"

typedef struct word {
    char *s;
    size_t n;
} word;

/* A y is a consonant at the start, and behind a vowel. */
static bool is_consonant_behind(char c, bool start, bool consonant)
{
    return c == 'y' ? start || !consonant : !strchr("aeiou", c);
}

static bool is_consonant(const char *s, size_t i)
{
    size_t from = i;
    while (from && s[from] == 'y')
        from--;
    bool consonant = is_consonant_behind(s[from], from == 0, false);
    while (from++ < i)
        consonant = !consonant; /* one y behind another */
    return consonant;
}

/* m: how often a vowel is followed by a consonant. */
static int measure(const char *s, size_t n)
{
    int m = 0;
    bool before = true;
    for (size_t i = 0; i < n; i++) {
        bool consonant = is_consonant_behind(s[i], i == 0, before);
        m += consonant && !before;
        before = consonant;
    }
    return m;
}

/* *v* */
static bool has_vowel(const char *s, size_t n)
{
    bool consonant = true;
    for (size_t i = 0; i < n && consonant; i++)
        consonant = is_consonant_behind(s[i], i == 0, true);
    return !consonant;
}

/* *d */
static bool ends_double(const char *s, size_t n)
{
    return n >= 2 && s[n - 1] == s[n - 2] && is_consonant(s, n - 1);
}

/* *o, and a word of a vowel and a consonant. */
static bool ends_cvc(const char *s, size_t n)
{
    if (n == 2)
        return !is_consonant(s, 0) && is_consonant(s, 1);
    return n > 2 && is_consonant(s, n - 3) && !is_consonant(s, n - 2) && is_consonant(s, n - 1) && !strchr("wxy", s[n - 1]);
}

static bool ends_in(const word *w, const char *suffix)
{
    size_t n = strlen(suffix);
    return w->n >= n && memcmp(w->s + w->n - n, suffix, n) == 0;
}

/* Of a word that ends in `suffix`. */
static void replace(word *w, const char *suffix, const char *with)
{
    w->n -= strlen(suffix);
    memcpy(w->s + w->n, with, strlen(with));
    w->n += strlen(with);
}

typedef struct rule {
    const char *suffix, *with;
} rule;

/* The first rule whose suffix the word has is applied if what it leaves measures more than m; no other is tried. */
static void apply(word *w, const rule *rules, size_t count, int m)
{
    for (size_t i = 0; i < count; i++) {
        if (!ends_in(w, rules[i].suffix))
            continue;
        size_t n = w->n - strlen(rules[i].suffix);
        bool behind_l = strcmp(rules[i].suffix, "logi") == 0;  /* whose l belongs to what it leaves */
        bool behind_st = strcmp(rules[i].suffix, "ion") == 0; /* that stands behind s or t alone */
        if (measure(w->s, n + behind_l) > m && (!behind_st || (n && strchr("st", w->s[n - 1]))))
            replace(w, rules[i].suffix, rules[i].with);
        return;
    }
}

#define APPLY(w, rules, m) apply(w, rules, sizeof(rules) / sizeof *(rules), m)

static void step_1a(word *w)
{
    static const rule rules[] = {{"sses", "ss"}, {"ies", "i"}, {"ss", "ss"}, {"s", ""}};
    if (w->n == 4 && ends_in(w, "ies"))
        replace(w, "ies", "ie");
    else
        APPLY(w, rules, -1);
}

static void step_1b(word *w)
{
    if (ends_in(w, "ied")) {
        replace(w, "ied", w->n == 4 ? "ie" : "i");
        return;
    }
    if (ends_in(w, "eed")) {
        if (measure(w->s, w->n - 3) > 0)
            w->n--;
        return;
    }
    size_t gone = ends_in(w, "ed") ? 2 : ends_in(w, "ing") ? 3 : 0;
    if (!gone || !has_vowel(w->s, w->n - gone))
        return;
    w->n -= gone;
    if (ends_in(w, "at") || ends_in(w, "bl") || ends_in(w, "iz"))
        w->s[w->n++] = 'e';
    else if (ends_double(w->s, w->n))
        w->n -= !strchr("lsz", w->s[w->n - 1]);
    else if (measure(w->s, w->n) == 1 && ends_cvc(w->s, w->n))
        w->s[w->n++] = 'e';
}

static void step_1c(word *w)
{
    if (ends_in(w, "y") && w->n > 2 && is_consonant(w->s, w->n - 2))
        w->s[w->n - 1] = 'i';
}

static void step_2(word *w)
{
    static const rule rules[] = {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"},   {"izer", "ize"},
                                 {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"},   {"eli", "e"},       {"ousli", "ous"},
                                 {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"},
                                 {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"},   {"biliti", "ble"},
                                 {"fulli", "ful"},   {"logi", "log"}};
    if (ends_in(w, "alli") && measure(w->s, w->n - 4) > 0)
        replace(w, "alli", "al");
    APPLY(w, rules, 0);
}

static void step_3(word *w)
{
    static const rule rules[] = {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"},
                                 {"ical", "ic"},  {"ful", ""},   {"ness", ""}};
    APPLY(w, rules, 0);
}

static void step_4(word *w)
{
    static const rule rules[] = {{"al", ""},   {"ance", ""}, {"ence", ""}, {"er", ""},  {"ic", ""},  {"able", ""}, {"ible", ""},
                                 {"ant", ""},  {"ement", ""}, {"ment", ""}, {"ent", ""}, {"ion", ""}, {"ou", ""},   {"ism", ""},
                                 {"ate", ""},  {"iti", ""},  {"ous", ""},  {"ive", ""}, {"ize", ""}};
    APPLY(w, rules, 1);
}

static void step_5(word *w)
{
    if (ends_in(w, "e")) {
        int m = measure(w->s, w->n - 1);
        w->n -= m > 1 || (m == 1 && !ends_cvc(w->s, w->n - 1));
    }
    if (ends_in(w, "ll") && measure(w->s, w->n - 1) > 1)
        w->n--;
}

size_t lm_porter_stem(char *s, size_t n)
{
    static const rule irregular[] = {{"sky", "sky"},         {"skies", "sky"},     {"dying", "die"},     {"lying", "lie"},
                                     {"tying", "tie"},       {"news", "news"},     {"innings", "inning"}, {"inning", "inning"},
                                     {"outings", "outing"},  {"outing", "outing"}, {"cannings", "canning"}, {"canning", "canning"},
                                     {"howe", "howe"},       {"proceed", "proceed"}, {"exceed", "exceed"}, {"succeed", "succeed"}};
    word w = {s, n};
    for (size_t i = 0; i < sizeof irregular / sizeof *irregular; i++)
        if (n == strlen(irregular[i].suffix) && ends_in(&w, irregular[i].suffix)) {
            replace(&w, irregular[i].suffix, irregular[i].with);
            return w.n;
        }
    if (n <= 2)
        return n;
    step_1a(&w);
    step_1b(&w);
    step_1c(&w);
    step_2(&w);
    step_3(&w);
    step_4(&w);
    step_5(&w);
    return w.n;
}
