#include "augment/quality/word_rules.h"

#include "base/memory.h"

#include <pthread.h>
#include <xxhash.h>

/* Words of spaCy's English that go by no rule (lang/en/tokenizer_exceptions.py, lang/tokenizer_exceptions.py): each of `bases`, also
 * with a capital, before each of `endings`, where | cuts. */
static const struct {
    const char *bases, *endings;
} contractions[] = {
    {"i", "|'m |m |'m|a |m|a"},
    {"i you he she it we they", "|'ll |ll |'ll|'ve |ll|ve |'d |d |'d|'ve |d|ve"},
    {"i you we they", "|'ve |ve"},
    {"you we they", "|'re |re"},
    {"he she it who what when where why how there that this", "|'s |s"},
    {"who what when where why how there that this these those", "|'ll |ll |'ll|'ve |ll|ve |'d |d |'d|'ve |d|ve"},
    {"who what when where why how there these those", "|'re |re |'ve |ve"},
    {"ca could do does did had may might must need ought sha should wo would", "|n't |nt |n't|'ve |nt|ve"},
    {"could might must should would", "|'ve |ve"},
    {"ai are is was were have has dare", "|n't |nt"},
    {"not", "|'ve |ve"},
    {"can", "|not"},
    {"gon", "|na"},
    {"got", "|ta"},
    {"let", "|'s"},
    {"c'm", "|on"},
    {"how", "|'d|'y"},
    {"doin goin nothin nuthin ol somethin lovin havin", "'"},
    {"ma'am o'clock 'cause 'cos 'coz 'cuz", ""},
    {"1 2 3 4 5 6 7 8 9 10 11 12", "|a.m. |am |p.m. |pm"},
    {"y'", "|all"}, /* and "Y'all", which spaCy does not have */
    {"y", "|all"},
};

/* Left whole. */
static const char wholes[] =
    "em 'em ll 'll nuff 'nuff 'S 's \xE2\x80\x98S \xE2\x80\x98s and/or w/o 're 'bout 'd a.m. p.m. ' '' C++ "
    "Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. Jun. Kan. Kans. "
    "Ky. La. Mar. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla. Ore. Pa. S.C. Sep. "
    "Sept. Tenn. Va. Wash. Wis. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md. "
    "Messrs. Mo. Mont. Mr. Mrs. Ms. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. "
    "a. b. c. d. e. f. g. h. i. j. k. l. m. n. o. p. q. r. s. t. u. v. w. x. y. z. ä. ö. ü. "
    ":) :-) :)) :-)) :))) :-))) (: (-: =) (= :] :-] [: [-: [= =] :o) (o: :} :-} 8) 8-) (-8 ;) ;-) (; (-; :( :-( :(( :-(( "
    ":((( :-((( ): )-: =( >:( :') :'-) :'( :'-( :/ :-/ =/ =| :| :-| ]= =[ :1 :P :-P :p :-p :O :-O :o :-o :0 :-0 :() >:o :* "
    ":-* :3 :-3 =3 :> :-> :X :-X :x :-x :D :-D ;D ;-D =D xD XD xDD XDD 8D 8-D ^_^ ^__^ ^___^ >.< >.> <.< ._. ;_; -_- -__- "
    "v.v V.V v_v V_V o_o o_O O_o O_O 0_o o_0 0_0 o.O O.o O.O o.o 0.0 o.0 0.o @_@ <3 <33 <333 </3 (^_^) (-_-) (._.) (>_<) "
    "(*_*) ><(((*>";

/* Words of the language that a contraction without its apostrophe would take for one. */
static const char no_contractions[] = " Ill ill Its its Hell hell Shell shell Shed shed were Were Well well Whore whore ";

enum { SLOTS = 4096 };
static struct slot {
    char word[LM_SPECIAL_LONGEST];
    uint8_t len, cuts[2];
} *slots;
static pthread_once_t slots_once = PTHREAD_ONCE_INIT;

static struct slot *find_slot(const char *word, size_t len)
{
    size_t at = XXH3_64bits(word, len) % SLOTS;
    while (slots[at].len && !(slots[at].len == len && memcmp(slots[at].word, word, len) == 0))
        at = (at + 1) % SLOTS;
    return &slots[at];
}

/* Enters a word with its | taken out; once more with typographic apostrophes where it has any. */
static void enter(lm_str marked)
{
    for (int typographic = 0; typographic < 2; typographic++) {
        char word[2 * LM_SPECIAL_LONGEST] = {0};
        uint8_t cuts[2] = {0}, count = 0;
        size_t len = 0;
        for (size_t i = 0; i < marked.len; i++) {
            if (marked.data[i] == '|')
                cuts[count++] = (uint8_t)len;
            else if (typographic && marked.data[i] == '\'')
                memcpy(word + len, "\xE2\x80\x99", 3), len += 3;
            else
                word[len++] = marked.data[i];
        }
        struct slot *s = find_slot(word, len);
        memcpy(s->word, word, len);
        memcpy(s->cuts, cuts, sizeof cuts);
        s->len = (uint8_t)len;
        if (!memchr(marked.data, '\'', marked.len))
            return;
    }
}

static bool take_word(const char **p, lm_str *word)
{
    *p += strspn(*p, " ");
    *word = (lm_str){*p, strcspn(*p, " ")};
    *p += word->len;
    return word->len > 0;
}

static void enter_contraction(lm_str base, lm_str ending)
{
    lm_buf b = {0}, plain = {0};
    lm_buf_append(&b, base.data, base.len);
    lm_buf_append(&b, ending.data, ending.len);
    for (int capital = 0; capital < 2; capital++) {
        char *first = b.data + (*b.data == '\'');
        if (capital && *first >= 'a' && *first <= 'z')
            *first = (char)(*first - 'a' + 'A');
        plain.len = 0;
        lm_buf_putc(&plain, ' ');
        for (size_t i = 0; i < b.len; i++)
            if (b.data[i] != '|')
                lm_buf_putc(&plain, b.data[i]);
        lm_buf_putc(&plain, ' ');
        if (!strstr(no_contractions, lm_buf_cstr(&plain)))
            enter(lm_buf_str(&b));
    }
    lm_buf_free(&b);
    lm_buf_free(&plain);
}

static void make_slots(void)
{
    slots = lm_calloc(SLOTS, sizeof *slots);
    lm_str base, ending;
    for (size_t i = 0; i < sizeof contractions / sizeof *contractions; i++)
        for (const char *b = contractions[i].bases; take_word(&b, &base);) {
            const char *e = contractions[i].endings;
            if (!*e)
                enter_contraction(base, (lm_str){"", 0});
            while (take_word(&e, &ending))
                enter_contraction(base, ending);
        }
    for (const char *w = wholes; take_word(&w, &base);)
        enter(base);
}

bool lm_special_word(lm_str word, uint8_t cuts[2])
{
    if (word.len == 0 || word.len > LM_SPECIAL_LONGEST)
        return false;
    pthread_once(&slots_once, make_slots);
    const struct slot *s = find_slot(word.data, word.len);
    memcpy(cuts, s->cuts, sizeof s->cuts);
    return s->len > 0;
}
