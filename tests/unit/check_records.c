/* Text records from every format, well-formed and not. */
#include "unit.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "stream/cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What comes of `bytes`: "text|pair|label|id|name=json;...\n" a record, and the message of a failure. */
static lm_buf read_from(lm_input *in, const lm_records_options *options)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf out = {0};
    lm_text_record t;
    lm_records *r = lm_records_new(in, options, &st);
    while (r && lm_records_next(r, &t, &st) > 0) {
        lm_buf_append(&out, t.text.data, t.text.len);
        lm_buf_putc(&out, '|');
        lm_buf_append(&out, t.pair.data, t.pair.len);
        lm_buf_putc(&out, '|');
        lm_buf_append(&out, t.label.data, t.label.len);
        for (size_t i = 0; i < t.label_count; i++)
            lm_buf_printf(&out, "%s%.*s", i ? "," : t.words ? "tags " : "labels ", (int)t.labels[i].len,
                          t.labels[i].data);
        if (t.asks)
            lm_buf_printf(&out, t.has_answer ? "?%.*s" : "?unknown", (int)(t.answer_to - t.answer_from),
                          t.pair.data + t.answer_from);
        for (size_t i = 0; i < t.word_count; i++) /* slices of the text */
            ck_assert(t.words[i].data >= t.text.data && t.words[i].data + t.words[i].len <= t.text.data + t.text.len);
        lm_buf_putc(&out, '|');
        lm_buf_append(&out, t.id.data, t.id.len);
        lm_buf_putc(&out, '|');
        for (size_t i = 0; i < t.field_count; i++)
            lm_buf_printf(&out, "%.*s=%.*s;", (int)t.fields[i].name.len, t.fields[i].name.data,
                          (int)t.fields[i].json.len, t.fields[i].json.data);
        lm_buf_putc(&out, '\n');
    }
    if (!lm_ok(&st))
        lm_buf_printf(&out, "! %s\n", st.message);
    lm_records_free(r);
    lm_input_close(in);
    return out;
}

static void expect_bytes(const char *bytes, size_t n, lm_records_options o, const char *expected)
{
    lm_buf out = read_from(lm_input_memory(bytes, n, "t"), &o);
    ck_assert_str_eq(lm_buf_cstr(&out), expected);
    lm_buf_free(&out);
}

static void expect(const char *bytes, lm_records_options o, const char *expected)
{
    expect_bytes(bytes, strlen(bytes), o, expected);
}

START_TEST(jsonl)
{
    lm_records_options o = {.format = LM_FORMAT_JSONL};
    expect("{\"text\":\"a\",\"label\":3,\"id\":\"x\",\"score\":0.10,\"big\":123456789012345678901234567890}\n\n"
           "{\"text\":\"b \\u00e9\\n\\ud83d\\ude00\",\"pair\":\"p\",\"label\":null}\r\n\"bare\"",
           o,
           "a||3|\"x\"|score=0.10;big=123456789012345678901234567890;\n"
           "b \xc3\xa9\n\xf0\x9f\x98\x80|p|||\nbare||||\n");
    expect("{\"text\":\"a\"}\n{\"text\":\"a\"\n", o, "a||||\n! t:2: not JSON: the text ends within a value (byte 12)\n");
    expect("{\"text\":\"a\"} x\n", o, "! t:1: something stands behind the JSON object\n");
    expect("{\"txet\":\"a\",\"label\":1}\n", o,
           "! t:1: no field `text` (there are: txet, label): choose one with --text, --pair, --label\n");
    expect("3\n", o, "! t:1: a record is an object, a list or a string\n");
    expect("{\"text\":{\"a\":1}}\n", o,
           "! t:1: field `text` is an object and not text: name what is meant by a path such as .text.NAME\n");
    expect("{\"text\":\"a\",\"text\":\"b\",\"f\":{\"x\":1,\"x\":2},\"s\":\"\\ud800\"}\n", o,
           "b||||f={\"x\":2};s=\"\\ufffd\";\n");
    expect("{\"end\":{\"records\":1,\"examples\":1,\"xxh3\":\"0123456789abcdef\"}}", o,
           "! t:1: no field `text` (there are: end): choose one with --text, --pair, --label\n");
}
END_TEST

START_TEST(paths)
{
    lm_records_options o = {.format = LM_FORMAT_JSONL, .text = ".m.t[1],x", .label = ".m.l", .no_fields = true};
    expect("{\"m\":{\"t\":[\"no\",\"yes\"],\"l\":true},\"x\":\"and\"}\n", o, "yes and||true||\n");
    o.text = "2";
    o.label = "1";
    expect("[\"pos\",\"nice\"]\n", o, "nice||pos||\n");
    o.text = "a,";
    expect("", o, "! --text: a field has no name behind the last comma\n");
    o.text = ".a..b";
    expect("", o, "! --text: `.a..b` is no JSON path: .name.name[0]\n");
    o.text = "0";
    expect("", o, "! --text: fields are numbered from 1\n");
}
END_TEST

START_TEST(json_values)
{
    lm_records_options o = {.format = LM_FORMAT_JSON};
    expect("[ {\"text\":\"a\"},\n {\"text\":\n\"b\", \"f\": [1,\n2]} ]\n", o, "a||||\nb||||f=[1, 2];\n");
    expect("{\"text\":\"a\"} {\"text\":\"b\"}\n", o, "a||||\nb||||\n");
    expect("[{\"text\":\"a\"}\n{\"text\":\"b\"}]", o, "a||||\n! t:2: not JSON: a comma is missing between two records\n");
    expect("[{\"text\":\"a\"},", o, "a||||\n! t:1: the file ends inside its list: it was cut\n");
    expect("[]", o, "");
    expect("[\"x\", \"y\"]", o, "x||||\ny||||\n");
    expect("[{\"text\":\"a\"},{\"text\":tru", o, "a||||\n! t:1: not JSON: not a JSON value (0 lines below)\n");
}
END_TEST

START_TEST(csv)
{
    lm_records_options o = {.format = LM_FORMAT_CSV};
    expect("\"3\",\"title\",\"desc, with \"\"quotes\"\"\nand a line\"\r\n\"4\",\"t2\",\"\"\r\n", o,
           "title desc, with \"quotes\"\nand a line||3||\nt2 ||4||\n");
    expect("label,text,n\r\n1,hello,5\n\n2,\"x\",6", o, "hello||1||n=\"5\";\nx||2||n=\"6\";\n");
    expect("\xef\xbb\xbftext\na\n", o, "a||||\n");
    expect("text,label\na,1\nb\n", o, "a||1||\n! t:3: 1 fields where line 1 has 2\n");
    expect("text,label\n\"a\nb\",1\nc,1,2\n", o, "a\nb||1||\n! t:4: 3 fields where line 1 has 2\n");
    expect("text,label\n\"a,1\nb,2\n", o, "! t:2: a quote is opened here in field 1 and never closed\n");
    expect("text,label\n\"a\"b,1\n", o,
           "! t:2: text behind the closing quote of field 1: double the quotes within it\n");
    expect("text,label\n5\" disk,1\n", o, "5\" disk||1||\n");
    expect("id,text\n7,a\n", o, "a|||\"7\"|\n");
    o.no_id = true;
    expect("id,text\n7,a\n", o, "a||||\n");
    o.header = LM_HEADER_NO;
    o.text = "2";
    o.label = "1";
    expect("label,text\na,b\n", o, "text||label||\nb||a||\n");
    o.text = "body";
    o.header = LM_HEADER_YES;
    expect("a,b\n1,2\n", o, "! t:2: no field `body` (there are: a, b): choose one with --text, --pair, --label\n");
    o.text = "";
    expect("a,b\n1,2\n", o, "! t:2: no field is left to be the text: choose one with --text\n");
    o.text = "4";
    expect("a,b\n1,2\n", o, "! t:2: no field `4` (there are: a, b): choose one with --text, --pair, --label\n");
}
END_TEST

START_TEST(tsv_and_lines)
{
    lm_records_options o = {.format = LM_FORMAT_TSV};
    expect("sentence\tlabel\nit 's \"fine\t1\n", o, "it 's \"fine||1||\n");
    o = (lm_records_options){.format = LM_FORMAT_TEXT};
    expect("a\r\n\n \nb\nc", o, "a||||\nb||||\nc||||\n");
    expect_bytes("a\0b\n", 4, o, "a");
    expect("", o, "");
}
END_TEST

/* Fields of all lengths, from all places of a vector, are ended by what ends them, whether a row comes at once or in two parts; a
 * copy of it, so that a sanitizer sees what is read behind it. */
START_TEST(fields_of_rows)
{
    static const char bytes[] = "\t\n\r\",aaaaaaaaaaaaa\x8a\x89\x0b\x08"; /* the last ones are like LF and TAB but for a bit */
    const lm_philox_key key = lm_random_key(3, LM_FOR_SHUFFLE, 0);
    for (uint64_t turn = 0; turn < 40000; turn++) {
        uint64_t draw = lm_random_u64(key, turn, 0);
        size_t len = turn % 100, first = len ? (draw >> 8) % (len + 1) : 0;
        char *row = lm_malloc(len, 1);
        for (size_t i = 0; i < len; i++) {
            uint64_t d = lm_random_u64(key, turn, i + 1);
            row[i] = d % (1 + turn % 30) ? 'x' : bytes[(d >> 32) % (sizeof bytes - 1)];
        }
        lm_spans spans = {0};
        lm_row_scan s = lm_row_scan_of(LM_FORMAT_TSV, &(lm_records_options){0});
        s.spans = &spans;
        lm_row_end end = lm_row_scan_on(&s, (lm_str){row, first}, false);
        if (end == LM_ROW_CUT)
            end = lm_row_scan_on(&s, (lm_str){row, len}, true);
        ck_assert_int_eq(end, LM_ROW_WHOLE);
        size_t fields = 0, begin = 0, i = 0;
        for (bool last = false; !last; i++) {
            last = i == len || row[i] == '\n';
            if (!last && row[i] != '\t')
                continue;
            ck_assert_uint_lt(fields, spans.count);
            ck_assert_uint_eq(spans.items[fields].begin, begin);
            ck_assert_uint_eq(spans.items[fields].end, last && i > begin && row[i - 1] == '\r' ? i - 1 : i);
            fields++;
            begin = i + 1;
        }
        ck_assert_uint_eq(fields, spans.count);
        ck_assert_uint_eq(s.p, i - 1);
        /* who wants no fields is told the same of the row */
        for (int quotes = 0; quotes < 2; quotes++) {
            lm_row_scan with = lm_row_scan_of(quotes ? LM_FORMAT_CSV : LM_FORMAT_TSV, &(lm_records_options){0}), without = with;
            spans.count = 0;
            with.spans = &spans;
            end = lm_row_scan_on(&with, (lm_str){row, len}, turn & 1);
            ck_assert_int_eq(lm_row_scan_on(&without, (lm_str){row, len}, turn & 1), end);
            ck_assert(end == LM_ROW_CUT || without.p == with.p);
            ck_assert(end != LM_ROW_WHOLE || without.blank == with.blank);
        }
        free(spans.items);
        free(row);
    }
}
END_TEST

/* LFs beside bytes like them, up to more than a byte counts to in each lane of a vector. */
START_TEST(line_counts)
{
    enum { LONGEST = 3 * 255 * 16 };
    const lm_philox_key key = lm_random_key(4, LM_FOR_SHUFFLE, 0);
    for (uint64_t turn = 0; turn < 3; turn++) { /* none, some, all */
        char *text = lm_malloc(LONGEST, 1);
        size_t len = 0, lines = 0;
        while (len < LONGEST) {
            ck_assert_uint_eq(lm_count_lines((lm_str){text, len}), lines);
            for (size_t some = len < 100 ? 1 : 61; some-- && len < LONGEST; lines += text[len++] == '\n')
                text[len] = lm_random_u64(key, turn, len) % 2 < turn ? '\n' : '\v';
        }
        free(text);
    }
}
END_TEST

START_TEST(conll)
{
    lm_records_options o = {.format = LM_FORMAT_CONLL};
    expect("-DOCSTART- -X- O\n\nEU NNP B\nis VBZ O\n\n \nBonn NNP B", o,
           "EU is||tags B,O||2=[\"NNP\",\"VBZ\"];\nBonn||tags B||2=[\"NNP\"];\n");
    expect("EU\tB\r\na b\tO\r\n", o, "EU a b||tags B,O||\n");
    expect("one\n\ntwo\n", o, "one||||\ntwo||||\n");
    expect("# a comment here\nEU B\n# O\n", o, "EU #||tags B,O||\n");
    expect("EU B\nis\n\nBonn B\n", o, "! t:2: 1 columns where line 1 has 2\n");
    expect("", o, "");
    expect("1-2\tab\t_\t_\t_\t_\t_\t_\t_\t_\n1\ta\ta\tX\t_\t_\t0\tr\t_\t_\n", o,
           "a||tags X||ID=[\"1\"];LEMMA=[\"a\"];XPOS=[\"_\"];FEATS=[\"_\"];HEAD=[\"0\"];DEPREL=[\"r\"];"
           "DEPS=[\"_\"];MISC=[\"_\"];\n");
    o.no_fields = true;
    o.label = "2";
    expect("EU NNP B\n", o, "EU||tags NNP||\n");
    o.label_type = LM_LABEL_ID;
    expect("EU 3\nis -100\n", o, "EU is||tags 3,-100||\n");
    expect("EU 3\nis O\n", o, "! t:1: the label `O` is no class number from 0\n");
}
END_TEST

START_TEST(lists)
{
    lm_records_options o = {.format = LM_FORMAT_JSONL, .no_fields = true};
    expect("{\"tokens\":[\"a\",\"b c\"],\"ner_tags\":[0,1],\"id\":\"7\"}\n", o, "a b c||tags 0,1|\"7\"|\n");
    expect("{\"tokens\":[\"a\"],\"tags\":[]}\n", o, "! t:1: 0 tags for 1 words\n");
    expect("{\"text\":\"x\",\"labels\":[\"p\",\"q\"]}\n{\"text\":\"y\",\"labels\":[]}\n", o,
           "x||labels p,q||\ny||||\n");
    expect("{\"text\":[\"a\",{}]}\n", o, "! t:1: field `text`: element 2 of the list is an object: strings are needed\n");
    expect("{\"text\":\"x\",\"label\":[\"p\",null]}\n", o,
           "! t:1: field `label`: element 2 of the list is null: strings are needed\n");
    o.label_separator = "; ";
    expect("{\"text\":\"x\",\"label\":\"p; q;; r\"}\n{\"text\":\"y\",\"label\":\"\"}\n", o,
           "x||labels p,q;,r||\ny||||\n");
    o.label_type = LM_LABEL_FLOAT;
    expect("{\"text\":\"x\",\"label\":\"1; 2\"}\n", o,
           "! t:1: a list of labels cannot be numbers to be met: --label-type word or id\n");
}
END_TEST

START_TEST(documents)
{
    lm_status st = LM_STATUS_INIT;
    lm_records_options o = {.offset = 7};
    lm_text_record t;
    lm_input *in = lm_input_memory("\na\nb\n\n\nc\n", 9, "t.txt");
    lm_records *r = lm_records_new(in, &o, &st);
    static const struct {
        int number, doc, line;
    } want[] = {{7, 0, 2}, {8, 0, 3}, {9, 1, 6}};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(lm_records_next(r, &t, &st), 1);
        ck_assert_int_eq((int)t.number, want[i].number);
        ck_assert_int_eq((int)t.doc, want[i].doc);
        ck_assert_int_eq((int)t.line, want[i].line);
    }
    ck_assert_int_eq(lm_records_next(r, &t, &st), 0);
    lm_records_free(r);
    lm_input_close(in);
}
END_TEST

START_TEST(guesses)
{
    lm_records_options o = {0};
    expect("{\"text\":\"a\"}\n", o, "a||||\n");
    expect("{\n\"text\":\"a\"}\n", o, "a||||\n");
    expect("[{\"text\":\"a\"}]\n", o, "a||||\n");
    expect("\"1\",\"b\"\n", o, "b||1||\n");
    expect("x\ty z\nu\tv w\n", o, "y z||x||\nv w||u||\n");
    expect("plain, text\n", o, "plain, text||||\n");
    expect("a, b\nc, d\n", o, "a, b||||\nc, d||||\n");
    expect("label,text\n1,a\n", o, "a||1||\n");
    expect("1,\"a, b\"\n2,\"c\"\n", o, "a, b||1||\nc||2||\n");
    expect("he said, \"no, never\"\nand left\n", o, "he said, \"no, never\"||||\nand left||||\n");
    expect("-DOCSTART- O\n\na O\n", o, "a||tags O||\n");
    expect("{\"premise\":\"p\",\"hypothesis\":\"h\",\"label\":\"e\"}\n", o, "p|h|e||\n");
    o.require_end = true;
    expect("x\n", o, "! t: plain text has no end record that would show it to be whole (--require-end): let the program "
           "before write LMS text (--framed)\n");
}
END_TEST

/* Answers in the spellings that there are; places are counted in characters. */
START_TEST(questions)
{
    lm_records_options o = {.no_fields = true};
    expect("{\"id\":\"q\",\"question\":\"Who?\",\"context\":\"It was Ada.\",\"answers\":{\"text\":[\"Ada\",\"It\"],"
           "\"answer_start\":[7,0]}}\n", o, "Who?|It was Ada.|?Ada|\"q\"|\n");
    expect("{\"question\":\"어디?\",\"context\":\"서울은 한국의 수도, 수도다\",\"answers\":[{\"answer_start\":12,"
           "\"text\":\"수도\"}]}\n", o,
           "어디?|서울은 한국의 수도, 수도다|?수도||\n");
    expect("{\"question\":\"q\",\"context\":\"c\",\"answers\":{\"text\":[],\"answer_start\":[]}}\n", o, "q|c|?||\n");
    expect("{\"question\":\"q\",\"context\":\"c\",\"answers\":[]}\n", o, "q|c|?||\n");
    expect("{\"question\":\"q\",\"context\":\"c\"}\n{\"question\":\"q\",\"context\":\"c\",\"answers\":null}\n", o,
           "q|c|?unknown||\nq|c|?unknown||\n");
    expect("{\"question\":\"q\",\"context\":\"abc\",\"answers\":{\"text\":[\"c\"],\"answer_start\":[1]}}\n", o,
           "! t:1: the answer `c` does not stand at character 1 of the context\n");
    expect("{\"question\":\"q\",\"context\":\"abc\",\"answers\":{\"text\":[\"c\"],\"answer_start\":[99999999999]}}\n", o,
           "! t:1: the answer `c` does not stand at character 99999999999 of the context\n");
    expect("{\"question\":\"q\",\"context\":\"abc\",\"answers\":[{\"text\":\"c\",\"answer_start\":-2}]}\n", o,
           "! t:1: answer_start: `-2` is no number of a character\n");
    o = (lm_records_options){.text = "q", .pair = "c", .answer = "a", .no_fields = true};
    expect("q,c,a\nwho,it is Ada,Ada\nwho,nobody,\n", o, "who|it is Ada|?Ada||\nwho|nobody|?||\n");
    expect("q,c,a\nwho,it is Ada,Bob\n", o, "! t:2: the answer `Bob` does not stand in the context\n");
}
END_TEST

/* A SQuAD document is a record for each question, on one line or several. */
START_TEST(squad_documents)
{
    lm_records_options o = {0};
    static const char one[] =
        "{\"version\":\"1.1\",\"data\":[{\"title\":\"T\",\"paragraphs\":[{\"context\":\"a b\",\"qas\":[{\"id\":\"1\",\"question\":"
        "\"q\",\"answers\":[{\"answer_start\":2,\"text\":\"b\"}]},{\"id\":\"2\",\"question\":\"r\",\"is_impossible\":true,\"answers\":"
        "[]}]},{\"qas\":[],\"context\":\"none\"}]},{\"paragraphs\":[{\"qas\":[{\"id\":3,\"question\":\"s\",\"answers\":[{\"text\":"
        "\"x\",\"answer_start\":0}]}],\"context\":\"x y\"}]}]}\n";
    static const char wanted[] = "q|a b|?b|\"1\"|answers=[{\"answer_start\":2,\"text\":\"b\"}];title=\"T\";\n"
                                 "r|a b|?|\"2\"|is_impossible=true;answers=[];title=\"T\";\n"
                                 "s|x y|?x|3|answers=[{\"text\":\"x\",\"answer_start\":0}];\n";
    expect(one, o, wanted);
    char lines[2 * sizeof one] = "";
    for (size_t i = 0, n = 0; one[i]; i++) {
        lines[n++] = one[i];
        if (one[i] == '{' || one[i] == ',')
            lines[n++] = '\n';
    }
    o.no_fields = true;
    expect(lines, o, "q|a b|?b|\"1\"|\nr|a b|?|\"2\"|\ns|x y|?x|3|\n");
    expect("{\"data\":[{\"paragraphs\":[{\"qas\":[{\"question\":\"q\"}]}]}]}\n", o,
           "! t:1: a question of a SQuAD document is no object, or its paragraph has no context\n");
    expect("{\"data\":[{\"paragraphs\":[]}]}\n{\"text\":\"after\"}\n", o, "after||||\n");
    expect("{\"paragraphs\":1,\"text\":\"no document\"}\n", o, "no document||||\n");
}
END_TEST

START_TEST(encodings)
{
    lm_records_options o = {.format = LM_FORMAT_TEXT};
    static const char utf16[] = "\xff\xfe" "a\0\x5c\xd5\n\0";
    expect_bytes(utf16, 8, o, "a\xed\x95\x9c||||\n");
    static const char utf16be[] = "\xfe\xff\0a\xd5\x5c\0\n";
    expect_bytes(utf16be, 8, o, "a\xed\x95\x9c||||\n");
    expect("a\xff" "b\n", o, "a\xef\xbf\xbd" "b||||\n");
    o.encoding = "cp949";
    expect("\xc7\xd1\xb1\xdb\n", o, "\xed\x95\x9c\xea\xb8\x80||||\n");
    expect("\xc7\xd1\xc7", o, "\xed\x95\x9c\xef\xbf\xbd||||\n");
    o.encoding = "euc-kr";
    expect("\xc7\xd1\n", o, "\xed\x95\x9c||||\n");
    o.encoding = "no-such";
    expect("a", o, "! t: unknown encoding `no-such`: `iconv -l` lists those there are\n");
    o = (lm_records_options){.format = LM_FORMAT_TEXT, .strict = true};
    expect("a\nb\xc3(\n", o, "a||||\n! t:2: invalid UTF-8 at byte 2 (c3): give its --encoding, or leave out --strict to "
           "have it replaced\n");
    o.format = LM_FORMAT_CSV;
    expect("text,label\na,b\xff\n", o, "! t:2: invalid UTF-8 at byte 2 (ff): give its --encoding, or leave out --strict to "
           "have it replaced\n");
}
END_TEST

START_TEST(label_types)
{
    lm_records_options o = {.format = LM_FORMAT_JSONL, .label_type = LM_LABEL_ID};
    expect("{\"text\":\"a\",\"label\":\"2\"}\n{\"text\":\"a\",\"label\":-1}\n", o,
           "a||2||\n! t:2: the label `-1` is no class number from 0\n");
    o.label_type = LM_LABEL_FLOAT;
    expect("{\"text\":\"a\",\"label\":2.5}\n{\"text\":\"a\",\"label\":\"x\"}\n", o,
           "a||2.5||\n! t:2: the label `x` is no number\n");
}
END_TEST

START_TEST(rejects)
{
    char path[] = "/tmp/check_records.XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    lm_records_options o = {.format = LM_FORMAT_CSV, .rejects = path, .strict = true};
    expect("text,label\na,1\nb\nc\xff,2\n\"d\"e,3\nf,4\n", o, "a||1||\nf||4||\n");
    char got[1024] = "";
    ck_assert_int_gt((int)pread(fd, got, sizeof got - 1, 0), 0);
    ck_assert_ptr_nonnull(strstr(got, "{\"file\":\"t\",\"line\":3,\"why\":\"t:3: 1 fields where line 1 has 2\",\"record\":\"b\"}\n"));
    ck_assert_ptr_nonnull(strstr(got, "\"line\":4,"));
    ck_assert_ptr_nonnull(strstr(got, "\"line\":5,"));
    ck_assert_ptr_null(strstr(got, "\"line\":6,"));
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(framed_and_back)
{
    lm_status st = LM_STATUS_INIT;
    char path[] = "/tmp/check_records.XXXXXX";
    int fd = mkstemp(path);
    static const char source[] = "{\"text\":\"a\\u0000\\\"\",\"pair\":\"p\","
                                 "\"label\":\"l\",\"id\":1.50,\"x\":[0.10],\"fields\":{\"k\":1}}\n";
    lm_records_options o = {.format = LM_FORMAT_JSONL};
    lm_text_record t;
    lm_input *in = lm_input_memory(source, strlen(source), "t");
    lm_records *r = lm_records_new(in, &o, &st);
    lm_lms_writer *w = lm_lms_writer_new(fd, path, LM_KIND_TEXT, NULL, NULL, "test", &st);
    while (lm_records_next(r, &t, &st) > 0)
        ck_assert(lm_text_record_write(w, &t, &st));
    ck_assert(lm_lms_writer_close(w, &st));
    lm_lms_writer_free(w);
    lm_records_free(r);
    lm_input_close(in);
    in = lm_input_open(path, &st);
    o.format = LM_FORMAT_AUTO;
    r = lm_records_new(in, &o, &st);
    assert_ok(&st);
    lm_buf out = {0};
    ck_assert_int_eq(lm_records_next(r, &t, &st), 1);
    lm_text_record_json(&t, false, &out);
    lm_buf_putc(&out, '\n');
    ck_assert_str_eq(lm_buf_cstr(&out), source);
    ck_assert_int_eq(lm_records_next(r, &t, &st), 0);
    assert_ok(&st);
    lm_buf_free(&out);
    lm_records_free(r);
    lm_input_close(in);
    close(fd);
    unlink(path);
}
END_TEST

static Suite *suite(void)
{
    lm_log_level(LM_ERROR);
    Suite *s = suite_create("records");
    TCase *c = tcase_create("records");
    tcase_add_test(c, jsonl);
    tcase_add_test(c, paths);
    tcase_add_test(c, json_values);
    tcase_add_test(c, csv);
    tcase_add_test(c, tsv_and_lines);
    tcase_add_test(c, fields_of_rows);
    tcase_add_test(c, line_counts);
    tcase_add_test(c, conll);
    tcase_add_test(c, lists);
    tcase_add_test(c, documents);
    tcase_add_test(c, guesses);
    tcase_add_test(c, questions);
    tcase_add_test(c, squad_documents);
    tcase_add_test(c, encodings);
    tcase_add_test(c, label_types);
    tcase_add_test(c, rejects);
    tcase_add_test(c, framed_and_back);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
