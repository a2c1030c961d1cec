/* Words of a text, synonyms, and the edits made of them. */
#include "drafts.h"
#include "scratch.h"
#include "unit.h"

#include "augment/draws.h"
#include "augment/eda/eda.h"
#include "augment/eda/josa.h"
#include "augment/eda/synonyms.h"
#include "augment/eda/wordnet.h"
#include "augment/words/case.h"
#include "augment/words/words.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ words */

/* The words of a text with bars between them, fixed ones in [], those that need no spaces in (). */
static void assert_words(const char *text, const char *expected)
{
    lm_text_words w = {0};
    lm_status st = LM_STATUS_INIT;
    lm_buf shown = {0};
    ck_assert(lm_text_words_split(&w, lm_str_of(text), NULL, NULL, &st));
    for (size_t i = 0; i < w.count; i++) {
        lm_str word = lm_text_word_str(&w, i);
        const char *marks = w.at[i].kind == LM_WORD_FIXED ? "[]" : w.at[i].kind == LM_WORD_ALONE ? "()" : NULL;
        const lm_text_chunk *chunk = &w.chunks[w.at[i].chunk];
        ck_assert(chunk->from <= w.at[i].from && w.at[i].to <= chunk->to && chunk->word <= i && i < chunk[1].word);
        lm_buf_puts(&shown, i ? "|" : "");
        if (marks)
            lm_buf_putc(&shown, marks[0]);
        lm_buf_append(&shown, word.data, word.len);
        if (marks)
            lm_buf_putc(&shown, marks[1]);
    }
    ck_assert_str_eq(lm_buf_cstr(&shown), expected);
    lm_buf_free(&shown);
    lm_text_words_free(&w);
}

START_TEST(words)
{
    assert_words("", "");
    assert_words(" \t\n ", "");
    assert_words("Hello, world!", "Hello|world");
    assert_words("don't  can\xE2\x80\x99t 'quoted' dogs'", "don't|can\xE2\x80\x99t|quoted|dogs");
    assert_words("well-known -- (U.S.) 3,000.5. 3, 4", "well|known|U|S|3,000.5|3|4");
    assert_words("5.a 7,- o'5 x\xE2\x80\x99-", "5|a|7|o|5|x");
    assert_words("see https://a.b/c?d=e, me@here.org @you #tag <URL> [MASK] [sic] a<b",
                 "see|[https://a.b/c?d=e,]|[me@here.org]|[@you]|[#tag]|[<URL>]|[[MASK]]|sic|a|b");
    assert_words("학교에서, 밥을 먹었다! ㅋㅋㅋ", "학교에서|밥을|먹었다|ㅋㅋㅋ");
    assert_words("我爱AI。カナ語", "(我)|(爱)|AI|(カ)|(ナ)|(語)");
    assert_words("caf\xC3\xA9 cafe\xCC\x81\xC2\xA0na\xC3\xAFve", "caf\xC3\xA9|cafe\xCC\x81|na\xC3\xAFve");
}
END_TEST

START_TEST(cases)
{
    static const struct { const char *word, *model, *expected; } rows[] = {
        {"Malus pumila", "apple", "malus pumila"}, {"hound", "Dog", "Hound"}, {"hound", "DOG", "HOUND"}, {"auto", "I", "Auto"},
        {"New York", "NYC", "NEW YORK"}, {"hound", "iPhone", "hound"}, {"\xC3\xA9tat", "Pays", "\xC3\x89tat"}, {"학원", "학교", "학원"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lm_buf out = {0};
        lm_case_like(lm_str_of(rows[i].word), lm_str_of(rows[i].model), &out);
        ck_assert_str_eq(lm_buf_cstr(&out), rows[i].expected);
        lm_buf_free(&out);
    }
}
END_TEST

/* ------------------------------------------------------------------ Korean particles */

START_TEST(josa)
{
    /* a noun, what stands behind it, another noun, and what stands behind that; NULL: it cannot stand there */
    static const struct { const char *noun, *tail, *other, *expected; } rows[] = {
        {"학교", "는", "학원", "학원은"}, {"학원", "은", "학교", "학교는"}, {"책", "이", "노래", "노래가"}, {"책", "을", "노래", "노래를"},
        {"책", "과", "노래", "노래와"}, {"집", "으로", "학교", "학교로"}, {"집", "으로", "서울", "서울로"}, {"서울", "로", "집", "집으로"},
        {"학교", "에서는", "학원", "학원에서는"}, {"학생", "들은", "아이", "아이들은"}, {"책", "이나", "노래", "노래나"},
        {"노래", "라는", "책", "책이라는"}, {"사과", "와는", "귤", "귤과는"}, {"공부", "했다", "학습", "학습했다"},
        {"연구", "되었습니다", "조사", "조사되었습니다"}, {"친구", "까지만", "벗", "벗까지만"}, {"책", "는", "노래", NULL},
        {"노래", "을", "책", NULL}, {"나", "무", "저", NULL}, {"AI", "는", "기계", "기계는"}, {"사람", "은", "human", "human은"},
        {"의사", "다", "선생", "선생이다"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool verb;
        lm_buf out = {0};
        bool follows = lm_josa_follows(lm_str_of(rows[i].noun), lm_str_of(rows[i].tail), &verb);
        ck_assert_msg(follows == (rows[i].expected != NULL), "%s + %s", rows[i].noun, rows[i].tail);
        if (!follows)
            continue;
        lm_buf_puts(&out, rows[i].other);
        lm_josa_append(lm_str_of(rows[i].other), lm_str_of(rows[i].noun), lm_str_of(rows[i].tail), &out);
        ck_assert_str_eq(lm_buf_cstr(&out), rows[i].expected);
        lm_buf_free(&out);
    }
}
END_TEST

/* ------------------------------------------------------------------ where synonyms come from */

static char *dir;

static void set_up(void)
{
    dir = scratch_new();
}

static void tear_down(void)
{
    scratch_discard(dir);
}

static const char *write_file(const char *name, const char *text)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    scratch_write(dir, name, text, strlen(text));
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static lm_augment_options with_thesaurus(const char *path)
{
    lm_augment_options o = lm_augment_defaults;
    lm_strings_add(&o.eda.thesaurus, path);
    return o;
}

/* All synonyms of a word with bars between them. */
static void assert_synonyms(const lm_augment_options *o, const char *word, const char *expected)
{
    lm_status st = LM_STATUS_INIT;
    lm_synonyms *s = lm_synonyms_open(o, &st);
    assert_ok(&st);
    lm_synonym_cache *c = lm_synonym_cache_new();
    const lm_str *list;
    size_t count;
    for (int again = 0; again < 2; again++) {
        lm_buf shown = {0};
        ck_assert(lm_synonyms_find(s, c, lm_str_of(word), &list, &count, &st));
        for (size_t i = 0; i < count; i++) {
            lm_buf_puts(&shown, i ? "|" : "");
            lm_buf_append(&shown, list[i].data, list[i].len);
        }
        ck_assert_str_eq(lm_buf_cstr(&shown), expected);
        lm_buf_free(&shown);
    }
    lm_synonym_cache_free(c);
    lm_synonyms_close(s);
}

START_TEST(thesaurus)
{
    lm_augment_options o = with_thesaurus(write_file("own", "\xEF\xBB\xBF# mine\n\nBig\tlarge, huge ,,Grand\r\n학교\t학원,교정\nbig\tvast, huge\n"
                                                            "begin, start, commence\n공부하다\t학습하다,익히다\n사과\t능금\n"));
    assert_synonyms(&o, "big", "large|huge|Grand|vast");
    assert_synonyms(&o, "large", "");
    assert_synonyms(&o, "start", "begin|commence");
    assert_synonyms(&o, "big's", "large's|huge's|Grand's|vast's");
    assert_synonyms(&o, "학교", "학원|교정");
    assert_synonyms(&o, "학교는", "학원은|교정은");
    assert_synonyms(&o, "학교에서도", "학원에서도|교정에서도");
    assert_synonyms(&o, "학교로", "학원으로|교정으로");
    assert_synonyms(&o, "공부했다", "학습했다");
    assert_synonyms(&o, "공부하다", "학습하다|익히다");
    assert_synonyms(&o, "사과했어요", "능금했어요"); /* two words that are written alike: the file says which it knows */
    assert_synonyms(&o, "학교란무엇", "");
    lm_strings_add(&o.eda.thesaurus, write_file("more", "big\ttall\n"));
    assert_synonyms(&o, "big", "large|huge|Grand|vast|tall");
    free(o.eda.thesaurus.items);
}
END_TEST

START_TEST(mythes)
{
    lm_augment_options o = with_thesaurus(
        write_file("th.dat", "ISO8859-1\nhouse|2\n(noun)|home|dwelling (generic term)|caf\xE9\n(verb)|shelter|home\nsimple|1\n-|plain\n"));
    assert_synonyms(&o, "house", "home|caf\xC3\xA9|shelter");
    assert_synonyms(&o, "simple", "plain");
    assert_synonyms(&o, "home", "");
    lm_strings_add(&o.eda.thesaurus, write_file("none.dat", "UTF-8\n"));
    lm_strings_add(&o.eda.thesaurus, write_file("none", "# nothing\n"));
    assert_synonyms(&o, "simple", "plain");
    free(o.eda.thesaurus.items);
}
END_TEST

static void assert_refused(const char *name, const char *text, const char *says)
{
    lm_augment_options o = with_thesaurus(write_file(name, text));
    lm_status st = LM_STATUS_INIT;
    ck_assert_ptr_null(lm_synonyms_open(&o, &st));
    assert_says(&st, says);
    free(o.eda.thesaurus.items);
}

START_TEST(bad_thesaurus)
{
    assert_refused("a", "big\tlarge\nsmall little\n", "a:2: neither");
    assert_refused("b", "big\tl\xFFrge\n", "b:1: not UTF-8");
    assert_refused("c", "\tlarge\n#\n", "c:1: neither");
    assert_refused("d", "UTF-8\nhouse|2\n(noun)|home\n", "d:3: the file ends within an entry");
    assert_refused("e", "UTF-8\nhouse|home\n", "e:2: not `word|number");
    assert_refused("f", "UTF-99\nhouse|1\n(noun)|home\n", "UTF-99");
    lm_augment_options o = with_thesaurus("/nowhere/at/all");
    lm_status st = LM_STATUS_INIT;
    ck_assert_ptr_null(lm_synonyms_open(&o, &st));
    assert_says(&st, "--thesaurus: ");
    free(o.eda.thesaurus.items);
}
END_TEST

/* A WordNet of a few words: offsets are those of the lines below. */
static void write_wordnet(const char *data_noun)
{
    write_file("index.noun", "  1 licence  \ndog n 2 1 @ 2 0 00000012 00000053  \nhound n 1 0 1 0 00000012  \n");
    write_file("data.noun", data_noun);
    write_file("noun.exc", "dogen dog\nfoos dogs\n");
    write_file("index.verb", "  1 licence  \ntag v 1 0 1 0 00000000  \n");
    write_file("data.verb", "00000000 35 v 02 tag 0 Dog 1 000 | follow  \n");
    write_file("verb.exc", "tug tag\n");
    write_file("index.adj", "able a 1 0 1 0 00000000  \n");
    write_file("data.adj", "00000000 00 s 02 able(p) 0 dog-eared(a) 0 000 | able  \n");
    write_file("adj.exc", "");
    write_file("index.adv", "");
    write_file("data.adv", "");
    write_file("adv.exc", "");
}

static const char good_nouns[] =
    "  1 licence\n00000012 05 n 02 dog 0 hound 0 000 | a  \n"
    "00000053 05 n 0a dog 1 cad 0 a_b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 000 | b  \n";

START_TEST(made_wordnet)
{
    write_wordnet(good_nouns);
    lm_augment_options o = lm_augment_defaults;
    o.eda.wordnet = dir;
    assert_synonyms(&o, "dog", "hound|cad|a b|c|d|e|f|g|h|i");
    assert_synonyms(&o, "dogs", "dog|hound|cad|a b|c|d|e|f|g|h|i"); /* s taken off */
    assert_synonyms(&o, "hounds", "dog|hound");
    assert_synonyms(&o, "dogen", "dog|hound|cad|a b|c|d|e|f|g|h|i"); /* an exception */
    assert_synonyms(&o, "foos", ""); /* one whose base form is no word: rules are not tried */
    assert_synonyms(&o, "tags", "tag|Dog");
    assert_synonyms(&o, "tug", "tag|Dog");
    assert_synonyms(&o, "able", "dog-eared");
    assert_synonyms(&o, "abler", "able|dog-eared");
    assert_synonyms(&o, "dogsss", "dog|hound|cad|a b|c|d|e|f|g|h|i"); /* the rules, again and again */
    for (const char *const *w = (const char *const[]){"s", "es", "cat", "do", "dogg", "licence", "1", "", "\xED\x95\x99", NULL}; *w; w++)
        assert_synonyms(&o, *w, "");
}
END_TEST

START_TEST(damaged_wordnet)
{
    static const char *const damaged[] = {
        "", "  1 licence\n00000013 05 n 02 dog 0 hound 0 000 | a  \n", "  1 licence\n00000012 05 n ff dog 0 hound 0\n",
        "  1 licence\n00000012 05 n zz dog 0 hound 0 000 | a\n", "  1 licence\n00000012", "  1 licence\n00000012 05 n 02 dog"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        write_wordnet(damaged[i]);
        lm_augment_options o = lm_augment_defaults;
        o.eda.wordnet = dir;
        lm_status st = LM_STATUS_INIT;
        drafts *d = drafts_new();
        drafts_add(d, "hounds");
        ck_assert(!drafts_try(d, &lm_synonym_kind, "", &o, 0, 0, &st));
        assert_says(&st, "`hound` is damaged");
        drafts_free(d);
    }
    unlink(write_file("index.adv", ""));
    lm_status st = LM_STATUS_INIT;
    ck_assert_ptr_null(lm_wordnet_open(dir, &st));
    assert_says(&st, "index.adv");
}
END_TEST

/* What NLTK's wordnet.synsets() leads to, by another reading of the same files (WordNet 3.0). */
START_TEST(real_wordnet)
{
    char *where = lm_wordnet_directory();
    if (!where) {
        printf("SKIP: real_wordnet: WordNet is not installed\n");
        return;
    }
    lm_augment_options o = lm_augment_defaults;
    o.eda.wordnet = where;
    assert_synonyms(&o, "apples", "apple|orchard apple tree|Malus pumila");
    assert_synonyms(&o, "quickly", "rapidly|speedily|chop-chop|apace|promptly|quick|cursorily");
    assert_synonyms(&o, "unhappiest", "unhappy|dysphoric|distressed|infelicitous");
    assert_synonyms(&o, "geese", "goose|fathead|goof|goofball|bozo|jackass|cuckoo|twat|zany");
    assert_synonyms(&o, "axes", "ax|axe|axis|bloc|axis vertebra|axis of rotation");
    assert_synonyms(&o, "s", "second|sec|sulfur|sulphur|atomic number 16|south|due south|southward|mho|siemens|reciprocal ohm|randomness|"
                             "entropy");
    assert_synonyms(&o, "buses", "bus|autobus|coach|charabanc|double-decker|jitney|motorbus|motorcoach|omnibus|passenger vehicle|bus "
                                 "topology|busbar|jalopy|heap");
    assert_synonyms(&o, "boxes", "box|loge|boxful|corner|boxwood|box seat|package");
    assert_synonyms(&o, "qwzx", "");
    free(where);
}
END_TEST

/* ------------------------------------------------------------------ the edits */

static const char *const letters_file = "a\tA1\nb\tB1\nc\tC1\nd\tD1\ne\tE1\nf\tF1\ng\tG1\nh\tH1\nq\tx,y,z,w\n";

static char *edited(const lm_operation_kind *kind, const char *value, lm_augment_options *o, uint64_t seed, const char *text)
{
    o->seed = seed;
    return drafts_one(kind, value, o, text);
}

static int count_words(const char *text, const char *word)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, word)); p += strlen(word))
        n++;
    return n;
}

/* max(1, floor(share * words)) distinct words, all their occurrences alike. */
START_TEST(replaced)
{
    lm_augment_options o = with_thesaurus(write_file("t", letters_file));
    for (int n = 1; n <= 10; n++) {
        char value[16];
        snprintf(value, sizeof value, "%d%%", n * 10);
        int expected = n > 7 ? 7 : n; /* of 10 words, b twice, 7 have synonyms */
        for (uint64_t seed = 0; seed < 20; seed++) {
            char *text = edited(&lm_synonym_kind, value, &o, seed, "b c d (e) F g h b, me no");
            ck_assert_int_eq(count_words(text, "1"), expected + (strstr(text, "b1") != NULL));
            ck_assert_int_eq(count_words(text, "b1") % 2, 0);
            ck_assert(strstr(text, " (e") && strstr(text, ", me no"));
            free(text);
        }
    }
    char *text = edited(&lm_synonym_kind, "0", &o, 1, "b c");
    ck_assert_str_eq(text, "b c");
    free(text);
    text = edited(&lm_synonym_kind, "1", &o, 1, "A b, Q-Q q a me the");
    ck_assert_msg(strncmp(text, "A b1, ", 6) == 0, "%s", text); /* `a` is a stop word */
    char synonym = text[10];
    ck_assert(strchr("xyzw", synonym) && text[6] == synonym - 32 && text[8] == text[6]);
    free(text);
    free(o.eda.thesaurus.items);
}
END_TEST

/* Whether `found` of `times` is what a chance of p gives, within five standard deviations. */
static void assert_rate(int found, int times, double p)
{
    double deviation = sqrt(times * p * (1 - p));
    ck_assert_msg(fabs(found - times * p) <= 5 * deviation + 1e-9, "%d of %d, not %g", found, times, times * p);
}

START_TEST(rates)
{
    enum { TIMES = 4000 };
    lm_augment_options o = with_thesaurus(write_file("t", letters_file));
    int synonyms[4] = {0}, first = 0, places[4] = {0}, swapped = 0, kept_both = 0, kept_one = 0, same = 0, inserted_at_all = 0;
    for (uint64_t seed = 0; seed < TIMES; seed++) {
        char *text = edited(&lm_synonym_kind, "0.1", &o, seed, "q");
        synonyms[strchr("xyzw", *text) - "xyzw"]++;
        free(text);
        text = edited(&lm_synonym_kind, "0.1", &o, seed, "b b b b c"); /* words count once, however often they stand there */
        first += strcmp(text, "b b b b c1") == 0;
        free(text);
        text = edited(&lm_insert_kind, "0.1", &o, seed, "b me no i");
        int place = 0;
        for (const char *p = strstr(text, "b1"); p-- > text;)
            place += *p == ' ';
        ck_assert_int_lt(place, 4); /* before a word, so that it is never the last */
        places[place]++;
        free(text);
        text = edited(&lm_insert_kind, "0.1", &o, seed, "b u v w x"); /* ten words are tried */
        inserted_at_all += strlen(text) > 9;
        free(text);
        text = edited(&lm_swap_kind, "0.1", &o, seed, "b c");
        swapped += strcmp(text, "c b") == 0;
        free(text);
        text = edited(&lm_delete_kind, "0.3", &o, seed, "b c");
        kept_both += strcmp(text, "b c") == 0;
        kept_one += strlen(text) == 1;
        same += strcmp(text, "b") == 0;
        free(text);
    }
    for (int i = 0; i < 4; i++)
        assert_rate(synonyms[i], TIMES, 0.25), assert_rate(places[i], TIMES, 0.25);
    assert_rate(first, TIMES, 0.5);
    assert_rate(swapped, TIMES, 1 - 1 / 8.0); /* three draws of a second place */
    assert_rate(inserted_at_all, TIMES, 1 - pow(0.8, 10));
    assert_rate(kept_both, TIMES, 0.49);
    ck_assert_int_eq(kept_both + kept_one, TIMES);
    assert_rate(same, TIMES, 0.21 + 0.09 / 2);
    free(o.eda.thesaurus.items);
}
END_TEST

/* Insertion, by lists that words are put into one after the other. */
START_TEST(inserted)
{
    lm_augment_options o = with_thesaurus(write_file("t", letters_file));
    static const char text[] = "b c d e f g h b c d e f g h b c";
    enum { WORDS = 16 };
    for (uint64_t seed = 0; seed < 50; seed++) {
        o.seed = seed;
        drafts *d = drafts_new();
        lm_draft *draft = drafts_add(d, text);
        draft->number = seed * 7;
        lm_draws draws = lm_draws_of(seed, 0, draft, 0);
        char list[2 * WORDS][4], sources[2 * WORDS][4], expected[256] = "";
        int n = WORDS, candidates = WORDS;
        for (int i = 0; i < WORDS; i++)
            snprintf(list[i], sizeof list[i], "%c", text[2 * i]), strcpy(sources[i], list[i]);
        for (int k = 0; k < 8; k++) {
            const char *source = "b1";
            for (int tries = 0; tries < 10 && source[1]; tries++)
                source = sources[lm_draw_below(&draws, (uint32_t)candidates)];
            if (source[1])
                continue;
            char synonym[4];
            snprintf(synonym, sizeof synonym, "%c1", *source);
            lm_draw_below(&draws, 1);
            int at = (int)lm_draw_below(&draws, (uint32_t)n);
            memmove(list[at + 1], list[at], (size_t)(n - at) * sizeof *list);
            strcpy(list[at], synonym);
            strcpy(sources[candidates++], synonym); /* which has no synonyms */
            n++;
        }
        for (int i = 0; i < n; i++)
            strcat(strcat(expected, i ? " " : ""), list[i]);
        drafts_do(d, &lm_insert_kind, "0.5", &o, 0);
        ck_assert_str_eq(drafts_text(d, 0), expected);
        drafts_free(d);
    }
    free(o.eda.thesaurus.items);
}
END_TEST

/* One of some outcomes, each of which comes up in so many seeds. */
static void assert_outcomes(const lm_operation_kind *kind, const char *value, lm_augment_options *o, const char *text,
                            const char *const *outcomes)
{
    int seen[16] = {0}, n = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        char *out = edited(kind, value, o, seed, text);
        for (n = 0; outcomes[n] && strcmp(outcomes[n], out) != 0; n++)
            ;
        ck_assert_msg(outcomes[n], "%s", out);
        seen[n]++;
        free(out);
    }
    for (n = 0; outcomes[n]; n++)
        ck_assert_msg(seen[n], "never: %s", outcomes[n]);
}

#define OUTCOMES(...) ((const char *const[]){__VA_ARGS__, NULL})

START_TEST(punctuation_stays)
{
    lm_augment_options o = with_thesaurus(write_file("t", "b\tB1\nc\tC1\n학교\t학원\n北京\t京城\n"));
    assert_outcomes(&lm_insert_kind, "0.1", &o, "\"no-b\" (c)!", OUTCOMES("b1 \"no-b\" (c)!", "\"no-b\" b1 (c)!", "c1 \"no-b\" (c)!",
                                                                          "\"no-b\" c1 (c)!"));
    assert_outcomes(&lm_insert_kind, "0.1", &o, "我爱北京。", OUTCOMES("我爱北京。", "京城我爱北京。", "我京城爱北京。", "我爱京城北京。"));
    assert_outcomes(&lm_synonym_kind, "1", &o, "我爱北京。", OUTCOMES("我爱京城。"));
    assert_outcomes(&lm_synonym_kind, "1", &o, "\"학교에서는\"", OUTCOMES("\"학원에서는\""));
    assert_outcomes(&lm_swap_kind, "0.1", &o, " No, (b)\n", OUTCOMES(" No, (b)\n", " b, (No)\n"));
    assert_outcomes(&lm_delete_kind, "0.5", &o, " No, (b-c)\n", OUTCOMES(" No, (b-c)\n", " (b-c)\n", " No, (b)\n", " No, (c)\n", " (c)\n",
                                                                         " (b)\n", " No,\n"));
    assert_outcomes(&lm_delete_kind, "0.5", &o, "b\nc -- d", OUTCOMES("b\nc -- d", "b\n-- d", "c -- d", "b\nc --", "-- d", "b\n--",
                                                                      "c --"));
    assert_outcomes(&lm_delete_kind, "0.5", &o, "我爱", OUTCOMES("我爱", "我", "爱"));
    assert_outcomes(&lm_delete_kind, "1", &o, "b c", OUTCOMES("b", "c"));
    assert_outcomes(&lm_delete_kind, "1", &o, "b.", OUTCOMES("b."));
    assert_outcomes(&lm_delete_kind, "1", &o, " - ", OUTCOMES(" - "));
    for (const lm_operation_kind *const *k = (const lm_operation_kind *const[]){&lm_synonym_kind, &lm_insert_kind, &lm_swap_kind,
                                                                                &lm_delete_kind, &lm_eda_kind, NULL}; *k; k++)
        assert_outcomes(*k, "0.5", &o, "", OUTCOMES(""));
    free(o.eda.thesaurus.items);
}
END_TEST

START_TEST(protected_words)
{
    lm_augment_options o = with_thesaurus(write_file("t", letters_file));
    o.protect = write_file("p", "B\n# c\n\nD\n");
    for (uint64_t seed = 0; seed < 30; seed++) {
        char *text = edited(&lm_synonym_kind, "1", &o, seed, "b c D http://e");
        ck_assert_str_eq(text, "b c1 D http://e");
        free(text);
        text = edited(&lm_swap_kind, "1", &o, seed, "b c d e");
        ck_assert(text[0] == 'b' && text[4] == 'd');
        free(text);
        text = edited(&lm_delete_kind, "1", &o, seed, "b c d e");
        ck_assert_str_eq(text, "b d");
        free(text);
        text = edited(&lm_insert_kind, "1", &o, seed, "b d");
        ck_assert_str_eq(text, "b d");
        free(text);
    }
    o.stop_words = write_file("s", "c\n");
    char *text = edited(&lm_synonym_kind, "1", &o, 1, "a b c e");
    ck_assert_str_eq(text, "a1 b c e1"); /* it stands in place of the English list */
    free(text);
    free(o.eda.thesaurus.items);
}
END_TEST

/* ------------------------------------------------------------------ the mixture, and copies */

/* The edits of N copies, from their notes. */
static void assert_shares(lm_augment_options *o, uint32_t copies, int most, int fewest)
{
    drafts *d = drafts_new();
    o->copies = copies;
    o->provenance = true;
    for (int i = 0; i < 20; i++) {
        drafts_add(d, "b c d e f g h");
        for (uint32_t k = 1; k <= copies; k++)
            drafts_add_copy(d, k)->number = (uint64_t)i;
    }
    drafts_do(d, &lm_eda_kind, "0.2", o, 7);
    static const char *const names[] = {"synonym", "insert", "swap", "delete"};
    bool differ = false;
    for (size_t i = 1; i < 20; i++)
        differ |= strcmp(lm_buf_cstr(d->all.items[1]->note), lm_buf_cstr(d->all.items[i * (copies + 1) + 1]->note)) != 0;
    ck_assert_msg(differ, "the first copy of each record is edited alike");
    for (size_t i = 0; i < 20; i++)
        for (int e = 0; e < 4; e++) {
            int n = 0;
            char note[80];
            snprintf(note, sizeof note, "\"op\":\"eda\",\"edit\":\"%s\",\"share\":0.2", names[e]);
            for (uint32_t k = 1; k <= copies; k++)
                n += strcmp(lm_buf_cstr(d->all.items[i * (copies + 1) + k]->note), note) == 0;
            ck_assert_msg(n <= most && n >= fewest, "%s: %d times", names[e], n);
        }
    drafts_free(d);
}

START_TEST(mixture)
{
    lm_augment_options o = with_thesaurus(write_file("t", letters_file));
    assert_shares(&o, 9, 3, 0); /* of 12 that are shuffled, 3 of each */
    assert_shares(&o, 12, 4, 0);
    assert_shares(&o, 200, 52, 48);
    lm_status st = LM_STATUS_INIT;
    o.eda.alpha_sr = o.eda.alpha_ri = o.eda.alpha_rs = 0;
    drafts *d = drafts_new();
    drafts_add(d, "b c");
    drafts_do(d, &lm_eda_kind, "1", &o, 0);
    ck_assert_uint_eq(strlen(drafts_text(d, 0)), 1); /* deletion alone is left */
    o.eda.alpha_rd = 0;
    ck_assert(!drafts_try(d, &lm_eda_kind, "1", &o, 0, 0, &st));
    assert_says(&st, "every technique has strength 0");
    for (const char *const *bad = (const char *const[]){"1.5", "-1", "nan", "x", "inf", NULL}; *bad; bad++) {
        ck_assert(!drafts_try(d, &lm_swap_kind, *bad, &o, 0, 0, &st));
        ck_assert_int_eq(st.code, LM_USAGE);
        assert_says(&st, "--swap: ");
    }
    drafts_free(d);
    free(o.eda.thesaurus.items);
}
END_TEST

/* What becomes of a record depends on nothing but seed, place, number, copy and text. */
START_TEST(reproducible)
{
    lm_augment_options o = with_thesaurus(write_file("t", letters_file));
    o.copies = 2;
    char *all[3];
    for (int way = 0; way < 3; way++) {
        drafts *d = drafts_new();
        for (uint64_t i = way == 2 ? 30 : 0; i < 60; i++) {
            drafts_add_texts(d, "b c d e f g h q q b\tb c d e f g h q q b", "label")->number = i;
            drafts_add_copy(d, 1);
            drafts_add_copy(d, 2);
        }
        drafts_do(d, &lm_eda_kind, "0.3", &o, way == 1 ? 7 : 0);
        all[way] = lm_strdup(drafts_all(d));
        drafts_free(d);
    }
    ck_assert_str_eq(all[0], all[1]);
    ck_assert_str_eq(strstr(all[0], all[2]), all[2]); /* the second half is that of the whole */
    const char *tab = strchr(all[0], '\t'), *end = strchr(all[0], '\n');
    ck_assert(tab - all[0] != end - tab - 1 || memcmp(all[0], tab + 1, (size_t)(end - tab - 1)) != 0); /* texts draw for themselves */
    for (int way = 0; way < 3; way++)
        free(all[way]);
    free(o.eda.thesaurus.items);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("eda");
    TCase *words_case = tcase_create("words"), *sources = tcase_create("synonyms"), *edits = tcase_create("edits");
    tcase_add_test(words_case, words);
    tcase_add_test(words_case, cases);
    tcase_add_test(words_case, josa);
    tcase_add_checked_fixture(sources, set_up, tear_down);
    tcase_add_test(sources, thesaurus);
    tcase_add_test(sources, mythes);
    tcase_add_test(sources, bad_thesaurus);
    tcase_add_test(sources, made_wordnet);
    tcase_add_test(sources, damaged_wordnet);
    tcase_add_test(sources, real_wordnet);
    tcase_add_checked_fixture(edits, set_up, tear_down);
    tcase_set_timeout(edits, 60);
    tcase_add_test(edits, replaced);
    tcase_add_test(edits, rates);
    tcase_add_test(edits, inserted);
    tcase_add_test(edits, punctuation_stays);
    tcase_add_test(edits, protected_words);
    tcase_add_test(edits, mixture);
    tcase_add_test(edits, reproducible);
    suite_add_tcase(s, words_case);
    suite_add_tcase(s, sources);
    suite_add_tcase(s, edits);
    return s;
}

UNIT_MAIN(suite)
