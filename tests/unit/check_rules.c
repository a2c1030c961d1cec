/* Rules of a file: what they do to texts, how they fail, and that none of them hangs. */
#include "unit.h"

#include "drafts.h"
#include "scratch.h"

#include "augment/rules/rules.h"
#include "base/memory.h"

#include <string.h>
#include <time.h>

static char *dir;
static lm_augment_options options;

static void begin(void)
{
    dir = scratch_new();
    options = (lm_augment_options){0};
}

static void end(void)
{
    scratch_discard(dir);
}

/* The rules, written to a file; its path, malloced. */
static char *rule_file(const char *rules)
{
    scratch_write(dir, "rules", rules, strlen(rules));
    return lm_format("%s/rules", dir);
}

static void assert_texts(const char *rules, const char *const *texts, const char *const *wanted, int count, const char *dropped)
{
    char *path = rule_file(rules);
    lm_str s[4];
    for (int i = 0; i < count; i++)
        s[i] = lm_str_of(texts[i]);
    drafts *d = drafts_new();
    lm_draft *one = drafts_add(d, "");
    one->texts = s;
    one->text_count = count;
    drafts_do(d, &lm_rules_kind, path, &options, 0);
    const char *why = drafts_dropped(d, 0), *name = why ? strstr(why, "rules:") : "";
    ck_assert_msg(name && strcmp(name, dropped) == 0, "%s: '%s', not '%s'", rules, why, dropped);
    for (int i = 0; i < count && !*dropped; i++)
        ck_assert_msg(lm_str_is(s[i], wanted[i]), "%s: '%.*s', not '%s'", rules, (int)s[i].len, s[i].data, wanted[i]);
    drafts_free(d);
    free(path);
}

static void assert_becomes(const char *rules, const char *text, const char *wanted)
{
    assert_texts(rules, &text, &wanted, 1, "");
}

static void assert_dropped(const char *rules, const char *text, const char *why)
{
    assert_texts(rules, &text, &text, 1, why);
}

START_TEST(substitutions)
{
    assert_becomes("s/a/b/", "banana", "bbnana");
    assert_becomes("s/a/b/g", "banana", "bbnbnb");
    assert_becomes("s/A/b/gi\n", "bAnana", "bbnbnb");
    assert_becomes("s|a/b|\\||", "x a/b y", "x | y");
    assert_becomes("s/\\//-/g", "a/b/c", "a-b-c");
    assert_becomes("s,\\,,;,", "a,b", "a;b");
    assert_becomes("s/(\\w+) (\\w+)/$2 \\1/", "one two three", "two one three");
    assert_becomes("s/(?<year>\\d{4})-(\\d\\d)/${2}.${year} [$&|$0]/", "on 2024-05", "on 05.2024 [2024-05|2024-05]");
    assert_becomes("s/(x)?b/[$1]/", "ab", "a[]");
    assert_becomes("s/b|(x)/[$1]/", "ab", "a[]");
    assert_becomes("s/(\\w+)/\\u\\L$1\\E$1/", "tHE", "ThetHE");
    assert_becomes("s/é+/\\U$&!/", "caféé au", "cafÉÉ! au");
    assert_becomes("s/b/\\n\\t\\x{AC00}\\$\\\\$/", "abc", "a\n\t가$\\$c");
    assert_becomes("s/c$/x/", "c\nc", "c\nx");
    assert_becomes("s/c$/x/mg", "c\nc", "x\nx");
    assert_becomes("s/a.b/x/", "a\nb", "a\nb");
    assert_becomes("s/a.b/x/s", "a\nb", "x");
    assert_becomes("s/ a b # both/y/x", "ab", "y");
    assert_becomes("s/ a b /y/", "ab", "ab");
    assert_becomes("s/x*/-/g", "axb", "-a-b-");
    assert_becomes("s/\\b/|/g", "가 나", "|가| |나|");
    assert_becomes("s/$/./", "end", "end.");
    assert_becomes("s/.+//", "all", "");
    assert_becomes("s/^/x/", "", "x");
    assert_becomes("s/a\\Kb/x/g", "abab", "axax");
}
END_TEST

START_TEST(korean)
{
    assert_becomes("s/ㅋ{3,}/ㅋㅋ/g", "ㅋㅋㅋㅋㅋ 정말ㅋㅋㅋ", "ㅋㅋ 정말ㅋㅋ");
    assert_becomes("s/(\\p{Hangul}+)은\\b/[$1]은/g", "서울은 수도", "[서울]은 수도");
    assert_becomes("y/ㄱ-ㄹ/a-i/", "ㄱㄴㄷㄹ", "adgi");
    assert_becomes("y/！-～/!-~/", "Ｈｉ！　好", "Hi!　好");
    assert_dropped("keep-if /\\p{Hangul}/", "no", "rules:1: keep-if /\\p{Hangul}/");
}
END_TEST

START_TEST(characters)
{
    assert_becomes("y/abc/xyz/", "aabbccd", "xxyyzzd");
    assert_becomes("y/a-cx/A-CX/", "abcdx", "ABCdX");
    assert_becomes("y/\\/\\-\\\\\\n/1234/", "/-\\\n", "1234");
    assert_becomes("y/a-/-a/", "a-b", "-ab");
    assert_becomes("y/\\x{2018}\\x{2019}/''/", "‘x’", "'x'");
    assert_becomes("y/abc/abc/", "abc", "abc");
}
END_TEST

START_TEST(drops)
{
    assert_dropped("# spam\n\n drop-if /free money/i # of this kind\n", "Free Money now", "rules:3: drop-if /free money/i # of this kind");
    assert_becomes("drop-if /free money/i", "free time", "free time");
    assert_becomes("drop-if |a|", "", "");
    assert_dropped("keep-if |a|", "", "rules:1: keep-if |a|");
}
END_TEST

START_TEST(in_order)
{
    assert_becomes("\xEF\xBB\xBFs/a/b/g\r\ns/b/c/g\r\n", "ab", "cc");
    assert_dropped("s/a/b/\ndrop-if /b/\ns/b/c/", "a", "rules:2: drop-if /b/");
    assert_becomes("s/a/b/\nkeep-if #b#\n# comment\ny/b/c/", "a", "c");
}
END_TEST

START_TEST(fields)
{
    const char *const texts[] = {"a title", "a body"}, *const title[] = {"b title", "a body"}, *const both[] = {"b title", "b body"};
    options.records.text = "title,.meta.body";
    assert_texts("title: s/a/b/", texts, title, 2, "");
    assert_texts("s/a/b/", texts, both, 2, "");
    assert_texts("title: s/a/b/\n.meta.body:s/a/b/", texts, both, 2, "");
    assert_texts("drop-if /body/", texts, texts, 2, "rules:1: drop-if /body/");
    assert_texts("title: drop-if /body/", texts, texts, 2, "");
    assert_texts("keep-if /body/", texts, texts, 2, "");
    assert_texts("title: keep-if /body/", texts, texts, 2, "rules:1: title: keep-if /body/");
}
END_TEST

static void assert_refused(const char *rules, const char *why)
{
    lm_status st = LM_STATUS_INIT;
    char *path = rule_file(rules);
    ck_assert_msg(lm_rules_kind.open(path, &options, 0, &st) == NULL, "%s: is taken", rules);
    ck_assert_int_eq(st.code, LM_FAILED);
    const char *message = strstr(st.message, "rules:");
    ck_assert_msg(message && strncmp(message, why, strlen(why)) == 0, "%s: '%s', not '%s'", rules, st.message, why);
    free(path);
}

START_TEST(wrong_rules)
{
    assert_refused("s/a/b/\n  s/(x/y/\n", "rules:2:7: missing closing parenthesis");
    assert_refused("s/가[나/y/", "rules:1:6: missing terminating ] for character class");
    assert_refused("s/a/b", "rules:1:6: no '/' behind the second part");
    assert_refused("s/a\\/b", "rules:1:7: no '/' behind the first part");
    assert_refused("s/a/\\", "rules:1:6: no '/'");
    assert_refused("s//b/", "rules:1:3: the expression is empty");
    assert_refused("s/a/b/q", "rules:1:7: flags are g, i, m, s and x");
    assert_refused("drop-if /a/g", "rules:1:12: flags are i, m, s and x");
    assert_refused("s/a/b/ s/c/d/", "rules:1:8: this is behind the end of the rule");
    assert_refused("s/a/$1/", "rules:1:6: the expression has no group '1'");
    assert_refused("s/(a)/\\2/", "rules:1:8: the expression has no group '2'");
    assert_refused("s/(a)/${b}/", "rules:1:8: the expression has no group 'b'");
    assert_refused("s/(a)/${b/", "rules:1:8: no '}'");
    assert_refused("s/(a)/\\x{110000}/", "rules:1:8: \\x{...} wants");
    assert_refused("s/a\\Cb/x/", "rules:1:");
    assert_refused("y/abc/xy/", "rules:1:5: these are more characters");
    assert_refused("y/ab/xyz/", "rules:1:8: these are more characters");
    assert_refused("y/aba/xyz/", "rules:1:3: U+0061 stands twice");
    assert_refused("y/c-a/x-z/", "rules:1:6: the range before this ends before it begins");
    assert_refused("remove /x/", "rules:1:1: a rule is s/.../.../");
    assert_refused("title: s/a/b/", "rules:1:1: a rule is");
    assert_refused("sab", "rules:1:2: here a '/' is missing");
    assert_refused("drop-if", "rules:1:8: here a '/' is missing");
    assert_refused("# nothing\n\n", "rules: no rules are in it");
    assert_refused("s/\xFF/x/", "rules:1: this is not UTF-8");
}
END_TEST

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The text is one character n times; the rule gives up, and soon. */
static void assert_gives_up(const char *rules, char of, size_t n)
{
    char *text = lm_malloc(n + 1, 1);
    memset(text, of, n);
    text[n] = '\0';
    double before = seconds();
    char *why = lm_format("rules:1: gives up, which costs too much on this text: %s", rules);
    assert_dropped(rules, text, why);
    ck_assert_msg(seconds() - before < 30, "%s: %g s", rules, seconds() - before);
    free(why);
    free(text);
}

START_TEST(nothing_hangs)
{
    assert_gives_up("drop-if /(a+)+[bc]/", 'a', 60);
    assert_gives_up("drop-if /^(a|aa)+[bc]/", 'a', 100);
    assert_gives_up("s/a.*a.*a.*a.*[bc]/x/", 'a', 2000);
    assert_gives_up("drop-if /a[^bc]*[bc]/", 'a', 300000);   /* each place of a text to its end */
    assert_gives_up("s/(a*)*[bc]/x/g", 'a', 1000);
    assert_gives_up("drop-if /(?R)?a(?R)?[bc]/", 'a', 50);
    assert_gives_up("s/a/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/g", 'a',
                    100000);
    /* what is merely long is done */
    char *text = lm_malloc((4 << 20) + 1, 1);
    memset(text, 'a', 4 << 20);
    memset(text + (2 << 20), ' ', 1 << 10);
    text[4 << 20] = '\0';
    assert_dropped("s/\\s+$//\ns/(\\w+) +(\\w+)/$1 $2/g\nkeep-if /a{100} a{100}$/", text, "rules:3: keep-if /a{100} a{100}$/");
    free(text);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rules");
    TCase *tc = tcase_create("rules");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, substitutions);
    tcase_add_test(tc, korean);
    tcase_add_test(tc, characters);
    tcase_add_test(tc, drops);
    tcase_add_test(tc, in_order);
    tcase_add_test(tc, fields);
    tcase_add_test(tc, wrong_rules);
    tcase_add_test(tc, nothing_hangs);
    suite_add_tcase(s, tc);
    return s;
}

UNIT_MAIN(suite)
