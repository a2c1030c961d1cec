/* Cleaning: each step by examples, against a plain implementation on random text, and on text that is made to take long; and
 * the operations that are made of them. */
#include "unit.h"

#include "augment/clean/clean.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/unicode.h"

#include <iconv.h>

static lm_clean_room room;

static const char *run(lm_clean_setup *setup, const char *value, lm_str text, lm_buf *out)
{
    lm_status st = LM_STATUS_INIT;
    lm_clean_step step = {0};
    out->len = 0;
    ck_assert_msg(setup(&step, value, &st), "%s", st.message);
    if (!step.clean(&step, &room, text, out)) {
        out->len = 0;
        lm_buf_append(out, text.data, text.len);
    }
    ck_assert_msg(lm_utf8_valid(out->data, out->len), "%.*s", (int)text.len, text.data);
    return lm_buf_cstr(out);
}

typedef struct example {
    const char *in, *out; /* NULL: as it was */
} example;

static void check_examples(lm_clean_setup *setup, const char *value, const example *e, size_t count)
{
    lm_buf out = {0};
    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(run(setup, value, lm_str_of(e[i].in), &out), e[i].out ? e[i].out : e[i].in);
    lm_buf_free(&out);
}
#define CHECK(setup, value, ...)                                                                                             \
    do {                                                                                                                     \
        static const example examples[] = {__VA_ARGS__};                                                                     \
        check_examples(setup, value, examples, sizeof examples / sizeof *examples);                                          \
    } while (0)

static void check_refused(lm_clean_setup *setup, const char *value, const char *why)
{
    lm_status st = LM_STATUS_INIT;
    lm_clean_step step = {0};
    ck_assert(!setup(&step, value, &st));
    ck_assert_int_eq(st.code, LM_USAGE);
    ck_assert_msg(strstr(st.message, why) != NULL, "%s", st.message);
}

/* ---------------------------------------------------------------- examples */

START_TEST(html)
{
    CHECK(lm_clean_html, "",
          {"<p>Hello <b>world</b></p><P CLASS=x>안녕 <a href=\"http://x.com?a>b\">링크</a></p>", "Hello world\n안녕 링크"},
          {"a < b and c > d, i <3 you, <user>, <지>, <http://a.b>, <mailto:a@b>", NULL}, {"x <a and b> y", NULL},
          {"AT amp;T said  quot;hi quot; it #39;s J amp;J", "AT&T said \"hi\" it's J&J"}, {"a;b amplify; #1; x quot y", NULL},
          {"&lt;b&gt;...&lt;/b&gt; bold", "... bold"}, {"<i>see</i> &lt;b&gt;", "see <b>"},
          {"Tom &amp; Jerry &copy 2020&#48;&#x41;&#150;&#0;&#xD800; R&D &bogus; ?a=1&copy=2",
           "Tom & Jerry © 20200A–\xEF\xBF\xBD\xEF\xBF\xBD R&D &bogus; ?a=1&copy=2"},
          {"&eacute;&Eacute;&hellip;&nbsp;&NotThis;", "éÉ…\xC2\xA0&NotThis;"},
          {"a<script>var a=\"<b>\";</scripty></SCRIPT >b<style>x", "ab"},
          {"<!-- c --><?xml version=\"1.0\"?><!DOCTYPE html>x", "x"}, {"<ul><li>하나<li>둘</ul>셋", "하나\n둘\n셋"},
          {"<tr><td>a</td><td>b</td></tr>c", "a b\nc"}, {"<o:p>x</o:p><my-tag>y", "xy"}, {"<br/>x<br>y<BR />", "x\ny"},
          {"unclosed <a href=\"x", NULL}, {"<a href=\"x>y</a>", "y"}, {"x<![CDATA[ data ]]>y", "x data y"}, {"1<!--2", NULL},
          {"<", NULL}, {"&", NULL}, {"&#", NULL}, {"&#x;", NULL}, {"<b", NULL}, {"</", NULL}, {"", NULL});
}
END_TEST

START_TEST(markup)
{
    CHECK(lm_clean_markup, "",
          {"# Title\n\nSome **bold** and *it* and `code` [link](http://x) ![img](a.png)\n> quote\n- item\n***\n```c\nx_y = a "
           "* b;\n```\n",
           "Title\n\nSome bold and it and code link img\nquote\n- item\nx_y = a * b;\n"},
          {"== 제목 ==\n[[서울|서울시]]는 '''굵게''' {{틀|{{안}}}}이다 [http://x.com 글] [[파일:a.png]]",
           "제목\n서울시는 굵게 이다 글 "},
          {"snake_case_name 2 * 3 * 4 don't 5*6 a [b] c {d} #tag", NULL},
          {"| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n| 1 | 2 |"},
          {"\\*not\\* [x](unclosed {{y", "*not* [x](unclosed {{y"}, {"[", NULL}, {"", NULL});
}
END_TEST

START_TEST(addresses)
{
    CHECK(lm_clean_urls, "",
          {"see http://naver.com에서, https://ko.wikipedia.org/wiki/대한민국 and www.daum.net.",
           "see [URL]에서, [URL] and [URL]."},
          {"(https://en.wikipedia.org/wiki/A_(b)) naver.com/abc", "([URL]) [URL]"},
          {"HTTPS://X.COM:80/a?b=c&d#e. 끝", "[URL]. 끝"},
          {"Amazon.com end.The xhttp://a http:// a@b.com/x 3.14/2 and/or", NULL}, {"www.", NULL}, {".", NULL}, {"", NULL});
    CHECK(lm_clean_urls, "drop", {"x http://a.b/c y", "x  y"});
    CHECK(lm_clean_urls, "<url>", {"x http://a.b/c y", "x <url> y"});
    CHECK(lm_clean_emails, "", {"메일은 abc.def@naver.com으로", "메일은 [EMAIL]으로"},
          {"<joe+x@mail.co.kr>. a@b.org", "<[EMAIL]>. [EMAIL]"}, {"a@b no @user hi x@y.z1 .@a.com a.@b.com @", NULL});
    CHECK(lm_clean_phones, "", {"전화 010-1234-5678로, 01012345678, 010 1234 5678", "전화 [PHONE]로, [PHONE], [PHONE]"},
          {"02-123-4567, 031)123-4567, (02) 123-4567, 070-1234-5678입니다", "[PHONE], [PHONE], [PHONE], [PHONE]입니다"},
          {"+82-10-1234-5678 +82 (0)10 1234 5678 +821012345678", "[PHONE] [PHONE] [PHONE]"},
          {"1588-1234 (1866-1918)", "[PHONE] (1866-1918)"},
          {"(415) 555-2671 415-555-2671 415.555.2671 1-800-555-0199", "[PHONE] [PHONE] [PHONE] [PHONE]"},
          {"03-1234-5678 090-1234-5678", "[PHONE] [PHONE]"},
          {"2024-01-02 192.168.0.1 1,234-5,678 978-89-123-4567 1234-5678-9012-3456 14:00-15:00 2004-08-12 100-200-3000 +5 50",
           NULL},
          {"0101234567 a010-1234-5678 010-1234-56789 415-555-2671-9 1,010-1234-5678", NULL}, {"+", NULL}, {"(", NULL});
}
END_TEST

START_TEST(control)
{
    CHECK(lm_clean_control, "",
          {"a\x01"
           "b\ac\x1b[1;31mred\x1b[0m\x1b]0;title\ax\x1b(By\tz\r\n",
           "abcredxy\tz\r\n"},
          {"zero\u200bwidth soft\u00adhyphen\ufeff \u202eevil\u202c \u2066x\u2069 한\u200b글\u200d어",
           "zerowidth softhyphen evil x 한글어"},
          {"می\u200cخواهم 👨\u200d👩\u200d👧 क्\u200dष 🏴\U000e0067\U000e0062\U000e007f", NULL},
          {"x\U000e0041\U000e0042y", "xy"},
          {"p\fq\vr\xC2\x85"
           "s\x1ct\xC2\x99"
           "u\x7fv\ufffe",
           "p\nq\nr\ns tuv"},
          {"\x1b", ""}, {"\x1b[", "["}, {"", NULL});
}
END_TEST

START_TEST(repetitions)
{
    CHECK(lm_clean_squeeze, "",
          {"sooooo goooood!!!!!! ㅋㅋㅋㅋㅋㅋ 하하하하하 ㅠㅠㅠㅠ ㅎㅎ", "sooo goood!!! ㅋㅋㅋ 하하하 ㅠㅠㅠ ㅎㅎ"},
          {"hahahahahaha lolololol ㅋㅎㅋㅎㅋㅎㅋㅎㅋㅎ abcdabcdabcdabcdabcd", "hahaha lololol ㅋㅎㅋㅎㅋㅎ abcdabcdabcd"},
          {"1000000 0.3333333 www.aaaa.com https://x.com/aaaaaa joeeeee@x.com      x", NULL},
          {"--------- 😂😂😂😂😂 ❤️❤️❤️❤️❤️", "--- 😂😂😂 ❤️❤️❤️"},
          {"", NULL}, {"a", NULL});
    CHECK(lm_clean_squeeze, "1", {"coffee ㅋㅋ", "cofe ㅋ"});
    check_refused(lm_clean_squeeze, "0", "a number from 1 to 1000");
    check_refused(lm_clean_squeeze, "many", "a number from 1 to 1000");
}
END_TEST

START_TEST(white_space)
{
    CHECK(lm_clean_whitespace, "", {"  a  b\t c \r\n\r\n\r\n d  \n e  ", "a b c\n\nd\ne"},
          {"전각　공백\u00a0과\u3164필러\u2028끝", "전각 공백 과 필러\n끝"}, {"a\nb\n\nc d", NULL}, {" \n ", ""}, {"", NULL});
    CHECK(lm_clean_whitespace, "line", {"a\n\nb \t c\n", "a b c"});
    check_refused(lm_clean_whitespace, "lines", "no such form");
}
END_TEST

START_TEST(normal_forms)
{
    CHECK(lm_clean_normalize, "nfc",
          {"cafe\u0301 가\u11a8 \u1112\u1161\u11ab\u1100\u1173\u11af \u212b a\u0323\u0307 a\u0307\u0323",
           "café 각 한글 Å ạ\u0307 ạ\u0307"},
          {"한글 é ﬁ ① ㅋㅋㅋ ｶﾞ", NULL}, {"\u0301x", NULL});
    CHECK(lm_clean_normalize, "nfkc", {"ﬁ ① ｶﾞ Ａ", "fi 1 ガ A"}, {"한글 é", NULL});
    CHECK(lm_clean_normalize, "nfd", {"한é", "\u1112\u1161\u11abe\u0301"}, {"ﬁ", NULL});
    CHECK(lm_clean_normalize, "nfkd", {"ﬁé각", "fie\u0301\u1100\u1161\u11a8"});
    check_refused(lm_clean_normalize, "nfx", "nfc, nfd, nfkc or nfkd");
}
END_TEST

START_TEST(mojibake)
{
    CHECK(lm_clean_mojibake, "",
          {"cafÃ© â€œquotedâ€\xC2\x9D"
           " itâ€™s Ã¼ber ðŸ˜€",
           "café “quoted” it’s über 😀"},
          {"ItÃ¢â‚¬â„¢s ÃƒÂ©tÃƒÂ©", "It’s été"}, {"ì•ˆë…•í•˜ì„¸ìš”", "안녕하세요"},
          {"\u00ec\xC2\x95"
           "\xC2\x88"
           "\u00eb\xC2\x85"
           "\xC2\x95"
           "",
           "안녕"},
          {"¾È³çÇÏ¼¼¿ä. ¹Ý°©½À´Ï´Ù!", "안녕하세요. 반갑습니다!"}, {"ÐŸÑ€Ð¸Ð²ÐµÑ‚", "Привет"}, {"РџСЂРёРІРµС‚", "Привет"},
          {"zaÅ¼Ã³Å‚Ä‡", "zażółć"}, {"voilÃ le travail", "voilà le travail"}, {"donÂ’t", "don’t"},
          {"it\xC2\x92"
           "s",
           "it’s"},
          {"‚Äútest‚Äù", "“test”"}, {"namedÂ x", "named x"}, {"CafÃ© Ã\uFFFD", "Café \uFFFD"});
    CHECK(lm_clean_mojibake, "", {"AHÅ™, the new sofa from IKEA", NULL}, {"NESTLÉ® requiere", NULL},
          {"no sé…” dijo „groß“", NULL}, {"RETWEET SE VOCÊ…", NULL}, {"HUHLL Õ… IRMÃ”. É¿", NULL},
          {"√π (-1/2)! 5×£35 4288×…", NULL}, {"안녕하세요 ······ ……… é", NULL}, {"Ôôô VIDA MINHA ÄÖÜäöüß", NULL},
          {"C O N C L U S Ã O", NULL}, {"Рівне «Сёстры» срећа", NULL}, {"", NULL});
}
END_TEST

/* ---------------------------------------------------------------- on real text */

static lm_map real_text(const char *data, const char *name)
{
    char *path = lm_format("%s/data/%s", data, name);
    lm_status st = LM_STATUS_INIT;
    lm_map map;
    ck_assert_msg(lm_map_open(path, &map, &st), "%s", st.message);
    free(path);
    return map;
}

/* The text in another encoding, and that read as Latin-1; false where the encoding lacks a character. */
static bool misread(lm_str text, const char *encoding, lm_buf *out)
{
    char bytes[4096], *in = (char *)text.data, *to = bytes;
    size_t left = text.len, room_left = sizeof bytes;
    iconv_t cd = iconv_open(encoding, "UTF-8");
    ck_assert(cd != (iconv_t)-1);
    bool good = iconv(cd, &in, &left, &to, &room_left) != (size_t)-1;
    iconv_close(cd);
    out->len = 0;
    for (char *b = bytes; good && b < to; b++) {
        char utf8[4];
        lm_buf_append(out, utf8, lm_utf8_encode((unsigned char)*b, utf8));
    }
    return good;
}

/* Reviews of films, misread, come back; as they are, they stay. */
START_TEST(korean_comes_back)
{
    UNIT_NEEDS_DATA(data);
    static const char *const encodings[] = {"UTF-8", "CP949"};
    lm_map map = real_text(data, "nsmc/ratings_test.rebuilt.txt");
    lm_str rest = {map.bytes, 200000}, line;
    lm_buf wrong = {0}, out = {0};
    size_t all[2] = {0}, back[2] = {0};
    while (lm_str_take_line(&rest, &line) && rest.len) {
        run(lm_clean_mojibake, "", line, &out);
        ck_assert_msg(lm_str_equal(lm_buf_str(&out), line), "%.*s", (int)line.len, line.data);
        size_t syllables = 0;
        for (size_t i = 0; i + 2 < line.len; i++)
            syllables += line.data[i] >= '\xEA' && line.data[i] <= '\xED';
        for (int k = 0; syllables >= 8 && k < 2; k++)
            if (misread(line, encodings[k], &wrong)) {
                run(lm_clean_mojibake, "", lm_buf_str(&wrong), &out);
                all[k]++;
                back[k] += lm_str_equal(lm_buf_str(&out), line);
            }
    }
    ck_assert_uint_gt(all[1], 1000);
    ck_assert_uint_eq(back[0], all[0]);
    ck_assert_uint_ge(back[1] * 1000, all[1] * 995);
    lm_buf_free(&wrong);
    lm_buf_free(&out);
    lm_map_close(&map);
}
END_TEST

/* Languages of all scripts, in sentences: nothing is mended where nothing is broken, and what is misread comes back. */
START_TEST(languages_come_back)
{
    UNIT_NEEDS_DATA(data);
    lm_map map = real_text(data, "nasty/udhr_all.tsv");
    lm_str rest = {map.bytes, map.size};
    lm_buf wrong = {0}, out = {0};
    size_t all = 0, back = 0;
    while (rest.len) {
        const char *stop = memmem(rest.data, rest.len, ". ", 2);
        lm_str sentence = {rest.data, stop ? (size_t)(stop - rest.data) + 1 : rest.len};
        rest.data += sentence.len, rest.len -= sentence.len;
        run(lm_clean_mojibake, "", sentence, &out);
        ck_assert_msg(lm_str_equal(lm_buf_str(&out), sentence), "%.*s\n%s", (int)sentence.len, sentence.data,
                      lm_buf_cstr(&out));
        if (sentence.len > 2000 || !misread(sentence, "UTF-8", &wrong))
            continue;
        run(lm_clean_mojibake, "", lm_buf_str(&wrong), &out);
        all++;
        back += lm_str_equal(lm_buf_str(&out), sentence);
    }
    ck_assert_uint_gt(all, 700);
    ck_assert_uint_ge(back * 1000, all * 995);
    lm_buf_free(&wrong);
    lm_buf_free(&out);
    lm_map_close(&map);
}
END_TEST

/* ---------------------------------------------------------------- plain implementations */

enum { LONGEST = 400 };

typedef struct codes {
    uint32_t at[4 * LONGEST];
    size_t n;
} codes;

static void push(codes *c, uint32_t code)
{
    c->at[c->n++] = code;
}

static void encode(const codes *c, lm_buf *out)
{
    out->len = 0;
    for (size_t i = 0; i < c->n; i++) {
        char utf8[4];
        lm_buf_append(out, utf8, lm_utf8_encode(c->at[i], utf8));
    }
}

static uint32_t draw(uint64_t of, uint64_t at)
{
    uint32_t words[4];
    lm_random_block((lm_philox_key){{7, 11}}, of, at, words);
    return words[0];
}

/* Text of few different characters, so that they stand in each other's way, in rows. */
static void random_text(uint64_t number, codes *c)
{
    static const uint32_t characters[] = {'a',    'b',    ' ',    ' ',    '\n',   '\t',   '\r',   '0',
                                          '!',    0xE9,   0x301,  0x323,  0xA0,   0xC548, 0x3B1,  0x1F600,
                                          0x1100, 0x1161, 0x11A8, 0xAC00, 0xAC01, 0x3000, 0x3164, 0x200B,
                                          0x212B, 0xFB01, 0x1E69, 0x314B, 0xFFA0, 0x2003, 0xFF76, 0xFF9E, 0x2028, 0x85};
    enum { CHARACTERS = sizeof characters / sizeof *characters };
    size_t length = draw(number, 0) % LONGEST;
    uint32_t few = 1 + draw(number, 1) % CHARACTERS, first = draw(number, 2);
    c->n = 0;
    for (uint64_t i = 3; c->n < length; i++) {
        uint32_t word = draw(number, i), code = characters[(first + word % few) % CHARACTERS];
        for (uint32_t k = word >> 16 & 3 ? 1 : word >> 24 & 7; k-- && c->n < length;)
            push(c, code);
    }
}

static void plain_squeeze(const codes *in, size_t most, codes *out)
{
    out->n = 0;
    for (size_t i = 0; i < in->n;) {
        size_t unit, times = 0;
        for (unit = 1; unit <= 4; unit++) {
            bool good = i + unit <= in->n;
            for (size_t k = 0; good && k < unit; k++)
                good = in->at[i + k] > ' ' && !(lm_unicode_properties(in->at[i + k]) & (LM_CP_SPACE | LM_CP_NUMBER));
            for (times = 1; good && i + (times + 1) * unit <= in->n; times++)
                if (memcmp(&in->at[i], &in->at[i + times * unit], unit * sizeof *in->at) != 0)
                    break;
            if (good && times > most)
                break;
        }
        if (unit > 4) {
            push(out, in->at[i++]);
            continue;
        }
        for (size_t k = 0; k < most * unit; k++)
            push(out, in->at[i + k]);
        i += times * unit;
    }
}

static bool is_white(uint32_t c)
{
    return lm_unicode_properties(c) & LM_CP_SPACE || c == 0x3164 || c == 0xFFA0;
}

static void plain_white_space(const codes *in, codes *out)
{
    out->n = 0;
    for (size_t i = 0; i < in->n;) {
        if (!is_white(in->at[i])) {
            push(out, in->at[i++]);
            continue;
        }
        bool first = i == 0;
        int breaks = 0;
        for (; i < in->n && is_white(in->at[i]); i++) {
            uint32_t c = in->at[i];
            breaks += (c >= '\n' && c <= '\r' && !(c == '\r' && i + 1 < in->n && in->at[i + 1] == '\n')) || c == 0x85 ||
                      c == 0x2028 || c == 0x2029;
        }
        if (first || i == in->n)
            continue;
        for (int k = 0; k < breaks && k < 2; k++)
            push(out, '\n');
        if (!breaks)
            push(out, ' ');
    }
}

START_TEST(plainly_the_same)
{
    enum { TEXTS = 3000 };
    static const char *const forms[] = {"nfc", "nfd", "nfkc", "nfkd"}, *const times[] = {"1", "2", "3", "5"};
    lm_buf in = {0}, out = {0}, want = {0};
    lm_pieces pieces = {0};
    for (uint64_t number = 0; number < TEXTS; number++) {
        codes text, made;
        random_text(number, &text);
        encode(&text, &in);
        plain_squeeze(&text, (size_t)atoi(times[number % 4]), &made);
        encode(&made, &want);
        ck_assert_str_eq(run(lm_clean_squeeze, times[number % 4], lm_buf_str(&in), &out), lm_buf_cstr(&want));
        plain_white_space(&text, &made);
        encode(&made, &want);
        ck_assert_str_eq(run(lm_clean_whitespace, "", lm_buf_str(&in), &out), lm_buf_cstr(&want));
        for (int form = 0; form < 4; form++) {
            lm_pieces_read(&pieces, lm_buf_str(&in), 0, in.len);
            (form % 2 ? lm_pieces_decompose : lm_pieces_compose)(&pieces, form >= 2);
            want.len = 0;
            lm_chars_utf8(&pieces.chars, 0, pieces.chars.n, &want);
            ck_assert_str_eq(run(lm_clean_normalize, forms[form], lm_buf_str(&in), &out), lm_buf_cstr(&want));
        }
    }
    lm_pieces_free(&pieces);
    lm_buf_free(&in);
    lm_buf_free(&out);
    lm_buf_free(&want);
}
END_TEST

static lm_clean_setup *const steps[] = {lm_clean_mojibake, lm_clean_html,    lm_clean_markup,
                                        lm_clean_urls,     lm_clean_emails,  lm_clean_phones,
                                        lm_clean_control,  lm_clean_squeeze, lm_clean_whitespace};
enum { STEPS = sizeof steps / sizeof *steps };

/* Text made of what steps look for: what comes out is UTF-8 (run says so), and cleaning cleaned text changes nothing where
 * that is promised. */
START_TEST(nothing_breaks)
{
    static const char *const scraps[] = {"<",
                                         "</",
                                         "<b",
                                         ">",
                                         "<a href=",
                                         "\"",
                                         "<script>",
                                         "<!--",
                                         "-->",
                                         "&",
                                         "lt;",
                                         "&#",
                                         "#39;",
                                         "x",
                                         " ",
                                         "\n",
                                         "한",
                                         "[",
                                         "]",
                                         "(",
                                         ")",
                                         "{{",
                                         "}}",
                                         "*",
                                         "_",
                                         "'",
                                         "`",
                                         "#",
                                         "=",
                                         "http:",
                                         "//",
                                         "www.",
                                         "a.com",
                                         "/",
                                         "@",
                                         "010",
                                         "-",
                                         "1234",
                                         "+82",
                                         "\x1b[",
                                         "m",
                                         "\u200d",
                                         "\U000e0041",
                                         "\xC2\x85",
                                         "Ã",
                                         "©",
                                         "â",
                                         "€",
                                         "\uFFFD",
                                         "Â",
                                         "¾È",
                                         "³ç",
                                         "¼¼",
                                         "├",
                                         "√",
                                         "Р",
                                         "џ",
                                         "\xF0\x9F\x98\x80",
                                         "0",
                                         "."};
    enum { SCRAPS = sizeof scraps / sizeof *scraps };
    lm_buf in = {0}, out = {0}, again = {0};
    for (uint64_t number = 0; number < 8000; number++) {
        in.len = 0;
        for (uint64_t i = 0, n = draw(number, 0) % 24; i < n; i++)
            lm_buf_puts(&in, scraps[draw(number, i + 1) % SCRAPS]);
        for (int k = 0; k < STEPS; k++)
            run(steps[k], "", lm_buf_str(&in), &out);
        run(lm_clean_whitespace, "", lm_buf_str(&in), &out);
        ck_assert_str_eq(run(lm_clean_whitespace, "", lm_buf_str(&out), &again), lm_buf_cstr(&out));
        run(lm_clean_normalize, "nfc", lm_buf_str(&in), &out);
        ck_assert_str_eq(run(lm_clean_normalize, "nfc", lm_buf_str(&out), &again), lm_buf_cstr(&out));
    }
    lm_buf_free(&in);
    lm_buf_free(&out);
    lm_buf_free(&again);
}
END_TEST

/* A quarter of a megabyte of each; a step that looks at the rest of the text for each of them would not come to an end. */
START_TEST(takes_no_longer)
{
    static const char *const scraps[] = {
        "<",      "<a ",        "<a \"",  "<a x=\"", "<![CDATA[", "<!--", "<!a", "<script>", "&",    "&#",     "[",
        "[[",     "![",         "{{",     "*",       "`",         "0",    "0-",  "a.",       "a.b/", "@",      "a@",
        "1-",     "+1 ",        "(",      "((0)",    "http://",   "://",  "Ã",   "Ã ",       "¾È",   "\x1b]",  "\x1b[1",
        "\u200d", "\U000e0041", "\u0301", "aaaa@",   "hahaha",    " ",    "\n",  "\n#",      "한",   "\u1100", "√"};
    lm_buf in = {0}, out = {0};
    for (size_t i = 0; i < sizeof scraps / sizeof *scraps; i++) {
        in.len = 0;
        while (in.len < 1 << 18)
            lm_buf_puts(&in, scraps[i]);
        for (int k = 0; k < STEPS; k++)
            run(steps[k], "", lm_buf_str(&in), &out);
        run(lm_clean_normalize, "nfkc", lm_buf_str(&in), &out);
    }
    lm_buf_free(&in);
    lm_buf_free(&out);
}
END_TEST

/* ---------------------------------------------------------------- operations */

static lm_draft draft_of(lm_str *texts, int count)
{
    return (lm_draft){.texts = texts, .text_count = count};
}

START_TEST(the_sum)
{
    const lm_operation_kind *kind = lm_operation_find("clean");
    lm_augment_options o = {0};
    lm_status st = LM_STATUS_INIT;
    void *self = kind->open("", &o, 0, &st), *own = lm_operation_room(kind, self);
    static const char *const dirty = "&lt;p&gt;CafÃ©&nbsp;\u200b  ㅋㅋㅋㅋㅋ!!!!!! \u1112\u1161\u11ab&lt;/p&gt;";
    lm_str texts[] = {lm_str_of(dirty), lm_str_of("clean 한글"), lm_str_of("clean"), lm_str_of("x  y")};
    lm_draft drafts[] = {draft_of(texts, 2), draft_of(texts + 2, 1), draft_of(texts + 3, 1)};
    lm_draft *items[] = {drafts, drafts + 1, drafts + 2};
    lm_drafts batch = {.items = items, .count = 3, .arena = lm_arena_new(0)};
    const char *untouched = texts[1].data;
    ck_assert(kind->apply(self, own, &batch, &st));
    ck_assert(lm_str_is(texts[0], "Café ㅋㅋㅋ!!! 한"));
    ck_assert_ptr_eq(texts[1].data, untouched);
    ck_assert(lm_str_is(texts[3], "x y"));
    lm_buf said = {0};
    kind->report(self, &said);
    ck_assert_str_eq(lm_buf_cstr(&said), "clean: 2 of 3 records changed: fix-mojibake 1, normalize 1, strip-html 1, "
                                         "strip-control 1, squeeze 1, whitespace 2\n");
    lm_buf_free(&said);
    lm_arena_free(batch.arena);
    kind->room_free(own);
    kind->close(self);
}
END_TEST

static const char *dropped_by(const char *value, const char *text, lm_arena *arena)
{
    const lm_operation_kind *kind = lm_operation_find("script");
    lm_augment_options o = {0};
    lm_status st = LM_STATUS_INIT;
    void *self = kind->open(value, &o, 0, &st);
    ck_assert_msg(self != NULL, "%s", st.message);
    lm_str texts[] = {lm_str_of(text)};
    lm_draft draft = draft_of(texts, 1), *items[] = {&draft};
    lm_drafts batch = {.items = items, .count = 1, .arena = arena};
    ck_assert(kind->apply(self, NULL, &batch, &st));
    kind->close(self);
    return draft.dropped;
}

START_TEST(scripts)
{
    lm_arena *arena = lm_arena_new(0);
    ck_assert_ptr_null(dropped_by("hangul=0.3", "한글 text", arena));
    ck_assert_str_eq(dropped_by("hangul=0.4", "한글 text", arena), "script: hangul 0.333, less than 0.4");
    ck_assert_ptr_null(dropped_by("Hangul,Latin", "한글 text 123!", arena));
    ck_assert_ptr_nonnull(dropped_by("ko", "only English", arena));
    ck_assert_ptr_null(dropped_by("ja", "日本語のテキスト", arena));
    ck_assert_ptr_nonnull(dropped_by("latin", "123 !?", arena));
    ck_assert_ptr_null(dropped_by("latin=0", "123 !?", arena));
    ck_assert_ptr_null(dropped_by("cyrillic", "Привет", arena));
    static const char *const bad[] = {"klingon", "", "latin=2", "latin=x", "lat]in", ","};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lm_status st = LM_STATUS_INIT;
        ck_assert_ptr_null(lm_operation_find("script")->open(bad[i], NULL, 0, &st));
        ck_assert_int_eq(st.code, LM_USAGE);
    }
    lm_arena_free(arena);
}
END_TEST

static void tear_down(void)
{
    lm_clean_room_free(&room);
    room = (lm_clean_room){0};
}

static Suite *suite(void)
{
    Suite *s = suite_create("clean");
    TCase *t = tcase_create("steps");
    tcase_add_checked_fixture(t, NULL, tear_down);
    tcase_add_test(t, html);
    tcase_add_test(t, markup);
    tcase_add_test(t, addresses);
    tcase_add_test(t, control);
    tcase_add_test(t, repetitions);
    tcase_add_test(t, white_space);
    tcase_add_test(t, normal_forms);
    tcase_add_test(t, mojibake);
    tcase_add_test(t, korean_comes_back);
    tcase_add_test(t, languages_come_back);
    tcase_add_test(t, plainly_the_same);
    tcase_add_test(t, nothing_breaks);
    tcase_add_test(t, takes_no_longer);
    suite_add_tcase(s, t);
    t = tcase_create("operations");
    tcase_add_test(t, the_sum);
    tcase_add_test(t, scripts);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
