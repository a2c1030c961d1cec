/* Blocks of records: found as the reader of records finds them, and written as they stood. */
#include "unit.h"

#include "base/log.h"
#include "base/memory.h"
#include "compared_blocks.h"

#include <sys/mman.h>
#include <unistd.h>

/* ---------------------------------------------------------------------------------------------------- comparing */

/* In blocks of all sizes, with and without --rejects. */
static void compare(const char *bytes, size_t n, lm_records_options o)
{
    static const size_t sizes[] = {1, 7, 64, 1 << 20};
    for (int rejects = 0; rejects < 2; rejects++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            o.rejects = rejects ? "yes" : NULL;
            const char *why = blocks_differ((lm_str){bytes, n}, &o, sizes[i]);
            ck_assert_msg(!why, "blocks of %zu: %s", sizes[i], why);
        }
}

#define COMPARE(bytes, ...) compare(bytes, sizeof bytes - 1, (lm_records_options){__VA_ARGS__})

START_TEST(json_lines)
{
    COMPARE("{\"text\":\"a\",\"label\":3}\n\n{\"text\":\"b \\u00e9\\n\",\"pair\":\"p\",\"label\":null}\r\n\"bare\"",
            .format = LM_FORMAT_JSONL);
    COMPARE(" {\"text\":\"a\"} \t\n \t\r\n{\"text\":\"\"}\n\n\n", .format = LM_FORMAT_JSONL);
    COMPARE("{\"text\":\"a\"}\n{\"text\":\"a\"\n{\"text\":1.50,\"label\":true}\n3\n{\"txet\":1}\n", .format = LM_FORMAT_JSONL);
    COMPARE("\n\n{\"text\":\n{\"text\":\"a\xff\",\"x\":\"\xc3\"}\n{\"text\":\"\\ud800\"}\n", .format = LM_FORMAT_JSONL);
    COMPARE("{\"text\":\"a\xff\"}\n{\"text\":\"b\"}\n", .format = LM_FORMAT_JSONL, .strict = true);
    COMPARE("{\"m\":{\"t\":[\"no\",\"yes\"],\"l\":[1]},\"x\":\"and\"}\n", .format = LM_FORMAT_JSONL, .text = ".m.t[1],x");
    COMPARE("[\"pos\",\"nice\"]\n[\"neg\"]\n", .format = LM_FORMAT_JSONL, .text = "2", .label = "1");
    COMPARE("{\"sentence1\":\"a\",\"sentence2\":\"b\",\"label\":\"-\"}\n{\"sentence1\":\"a\",\"sentence2\":\"b\",\"label\":\"x\"}\n",
            .drop_label = "-");
    COMPARE("{\"question\":\"q\",\"context\":\"c\",\"answers\":{\"text\":[\"c\"],\"answer_start\":[0]}}\n", .offset = 7);
    COMPARE("", .format = LM_FORMAT_JSONL);
    COMPARE("\n \n", .format = LM_FORMAT_JSONL);
    COMPARE("{\"text\":\"a\"}\n{\"text\":\"b\"}\n", .format = LM_FORMAT_JSON);
    COMPARE("{\"text\":\"a\"}", .format = LM_FORMAT_JSON);
}
END_TEST

START_TEST(tables)
{
    COMPARE("\"3\",\"title\",\"desc, with \"\"quotes\"\"\nand a line\"\r\n\"4\",\"t2\",\"\"\r\n", .format = LM_FORMAT_CSV);
    COMPARE("\n\nlabel,text,n\r\n\r\n1,hello,5\n\n2,\"x\",6", .format = LM_FORMAT_CSV);
    COMPARE("\xef\xbb\xbftext\na\n\"\"\nb", .format = LM_FORMAT_CSV);
    COMPARE("text,label\na,1\nb\n\"c\"\r,2\nd,2\n\"e\"x\n\"f\",3\r\n", .format = LM_FORMAT_CSV);
    COMPARE("\"a\"b,x\ntext,label\na,1\nb,2\n", .format = LM_FORMAT_CSV);
    COMPARE("text,label\n\"a,1\nb,2\n", .format = LM_FORMAT_CSV);
    COMPARE("text,label\n5\" disk,1\n\"\"\"\",2\n\",\n\",3\n", .format = LM_FORMAT_CSV);
    COMPARE("text,label\n\"a\"b,1\nc,\"d\" \"\n\"e\",2\n", .format = LM_FORMAT_CSV);
    COMPARE("text,label\na\xff,\"b\xc3\"\"\"\n\xed\x95\x9c,c\n", .format = LM_FORMAT_CSV);
    COMPARE("text,label\na\xff,b\nc,d\n", .format = LM_FORMAT_CSV, .strict = true);
    COMPARE("text,label\n", .format = LM_FORMAT_CSV);
    COMPARE("text,text,label\na,b,1\n", .format = LM_FORMAT_CSV);
    COMPARE("sentence\tlabel\nit 's \"fine\t1\n\"a\tb\n", .format = LM_FORMAT_TSV);
    COMPARE("sentence\tlabel\n\"a\tb\"\t1\n", .format = LM_FORMAT_TSV, .tsv_quotes = true);
    COMPARE("a,b\n1,2\n", .format = LM_FORMAT_CSV, .text = "2,1", .header = LM_HEADER_NO);
}
END_TEST

START_TEST(plain_lines)
{
    COMPARE("a\r\n\n \nb\nc", .format = LM_FORMAT_TEXT);
    COMPARE("a\r\n \r\n\r\r\n\t \rb\r", .format = LM_FORMAT_TEXT);
    COMPARE("a\0b\n\xff\n", .format = LM_FORMAT_TEXT);
    COMPARE("\xc7\xd1\xb1\xdb\n\xc7", .format = LM_FORMAT_TEXT, .encoding = "cp949");
    COMPARE("\xff\xfe" "a\0\n\0", .format = LM_FORMAT_TEXT);
}
END_TEST

/* Bytes that say something in some form, put together by chance. */
START_TEST(anything)
{
    static const char *const parts[] = {"\n", "\r\n", "\"", "\"\"", ",", "\t", "a", "\xed\x95\x9c", "\xff", " ", "{\"text\":\"", "\"}",
                                        "text", "label", ",\"label\":1", "\\u0041", "\\", "[", "]", "\n\n", "\",\"", "x\"y"};
    uint64_t state = 1;
    for (int i = 0; i < 6000; i++) {
        lm_buf b = {0};
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t pieces = (size_t)(state >> 40) % 24;
        for (size_t k = 0; k < pieces; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            lm_buf_puts(&b, parts[(state >> 33) % (sizeof parts / sizeof *parts)]);
        }
        static const lm_text_format formats[] = {LM_FORMAT_JSONL, LM_FORMAT_CSV, LM_FORMAT_TSV, LM_FORMAT_TEXT};
        lm_records_options o = {.format = formats[i & 3], .strict = i >> 2 & 1, .tsv_quotes = i >> 3 & 1,
                                .header = (lm_header)((i >> 4) % 3), .rejects = i >> 6 & 1 ? "yes" : NULL};
        const char *why = blocks_differ(lm_buf_str(&b), &o, (size_t)1 << (i % 7));
        o.text = i & 3 ? "1" : "text";
        o.label = i & 3 ? "2" : "";
        o.header = LM_HEADER_NO;
        o.rejects = "/dev/null";
        if (!why)
            why = changes_lost(lm_buf_str(&b), &o, (size_t)1 << (i % 7), state);
        ck_assert_msg(!why, "input %d [%.*s]: %s", i, (int)b.len, b.data, why);
        lm_buf_free(&b);
    }
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- writing */

/* Every text becomes `text`, every record gets `extra`; what comes out. */
static lm_buf rewrite(const char *const *inputs, const lm_blocks_options *o, const char *text, const char *extra, lm_status *st)
{
    lm_buf out = {0};
    int fd = memfd_create("out", 0);
    char names[2][64];
    const char *paths[2];
    size_t count = 0;
    for (; inputs[count]; count++) {
        snprintf(names[count], sizeof names[count], "/proc/self/fd/%d", memfd_create("in", 0));
        paths[count] = names[count];
        FILE *f = fopen(names[count], "w");
        fputs(inputs[count], f);
        fclose(f);
    }
    lm_input *in = lm_input_open_all(&(lm_strings){.items = paths, .count = count}, st);
    lm_blocks *b = in ? lm_blocks_new(in, o, st) : NULL;
    lm_blocks_writer *w = b ? lm_blocks_writer_new(b, fd, "out", "augment", st) : NULL;
    lm_block block = {0};
    while (w && lm_blocks_next(b, &block, st) > 0 && lm_block_parse(&block, st)) {
        out.len = 0;
        lm_blocks_count(b, &block);
        for (size_t i = 0; i < block.count; i++) {
            lm_source *s = &block.sources[i];
            lm_str texts[32];
            for (int k = 0; k < s->text_count; k++)
                texts[k] = text ? lm_str_of(text) : s->texts[k].text;
            lm_buf_append(&out, s->lead.data, s->lead.len);
            lm_source_write(s, texts, lm_str_of(extra), &out);
        }
        lm_blocks_put(w, lm_buf_str(&out), st);
    }
    if (w)
        lm_blocks_writer_close(w, st);
    lm_blocks_writer_free(w);
    lm_block_free(&block);
    lm_blocks_free(b);
    lm_input_close(in);
    out.len = 0;
    off_t size = lseek(fd, 0, SEEK_END);
    lm_buf_reserve(&out, (size_t)size + 1);
    out.len = (size_t)pread(fd, out.data, (size_t)size, 0);
    close(fd);
    return out;
}

static void expect(const char *const *inputs, lm_blocks_options o, const char *text, const char *extra, const char *wanted)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf out = rewrite(inputs, &o, text, extra, &st);
    if (!lm_ok(&st))
        lm_buf_printf(&out, "! %s", strchr(st.message, ' ') + 1); /* without the name of the file */
    ck_assert_str_eq(lm_buf_cstr(&out), wanted);
    lm_buf_free(&out);
}

#define EXPECT(input, text, extra, wanted, ...) \
    expect((const char *const[]){input, NULL}, (lm_blocks_options){__VA_ARGS__}, text, extra, wanted)

START_TEST(changed_texts)
{
    EXPECT("{ \"id\" : 1.0, \"text\":\"a\", \"z\":[1, 2] }  \n", "\"b\"\n", NULL,
           "{ \"id\" : 1.0, \"text\":\"\\\"b\\\"\\n\", \"z\":[1, 2] }  \n");
    EXPECT("{\"text\":\"a\",\"text\":\"b\"}\n", "c", NULL, "{\"text\":\"a\",\"text\":\"c\"}\n");
    EXPECT("{\"text\":\"\\u0041\"}\n", "A", NULL, "{\"text\":\"\\u0041\"}\n");
    EXPECT("{\"pair\":\"p\",\"text\":\"t\"}", "x", NULL, "{\"pair\":\"x\",\"text\":\"x\"}");
    EXPECT("text,n\r\na,\"1\"\r\n\r\n\"b\",2", "x, y", NULL, "text,n\r\n\"x, y\",\"1\"\r\n\r\n\"x, y\",2");
    EXPECT("text,n\na,1\n\"b\",2\n", "x", NULL, "text,n\nx,1\n\"x\",2\n");
    EXPECT("text\tn\n\"a\t1\n", "x\ty\n", NULL, "text\tn\nx y \t1\n");
    EXPECT("a\n\nb\r\n", "x\ny", NULL, "x y\n\nx y\r\n");
    EXPECT("a\n\nb\n", " ", NULL, "\n");
    EXPECT("text\na\nb\n", "", NULL, "text\n", .records.format = LM_FORMAT_CSV);
}
END_TEST

START_TEST(extra_fields)
{
#define AUG .extra = "aug"
    static const char one[] = "[{\"op\":\"x\"}]";
    EXPECT("{\"text\":\"a\"} \n", NULL, one, "{\"text\":\"a\",\"aug\":[{\"op\":\"x\"}]} \n", AUG);
    EXPECT("{\"text\":\"a\",\"aug\":[ 1]}\n", NULL, one, "{\"text\":\"a\",\"aug\":[ 1,{\"op\":\"x\"}]}\n", AUG);
    EXPECT("{\"aug\":[ ],\"text\":\"a\"}\n", "b", one, "{\"aug\":[ {\"op\":\"x\"}],\"text\":\"b\"}\n", AUG);
    EXPECT("{\"aug\":null,\"text\":\"a\"}\n", NULL, one, "{\"aug\":[{\"op\":\"x\"}],\"text\":\"a\"}\n", AUG);
    EXPECT("[\"l\",\"t\"]\n", "u", one, "[\"l\",\"u\",[{\"op\":\"x\"}]]\n", AUG,
           .records = {.format = LM_FORMAT_JSONL, .text = "2", .label = "1"});
    EXPECT("\"bare\"\n", NULL, one, "! a record that is a string has no place for `aug`: give --framed", AUG);
    EXPECT("text,n\r\na,1\r\n", NULL, one, "text,n,aug\r\na,1,\"[{\"\"op\"\":\"\"x\"\"}]\"\r\n", AUG);
    EXPECT("text,n\na,1\n", NULL, NULL, "text,n,aug\na,1,\n", AUG);
    EXPECT("text,aug,n\na,,1\nb,\"[2]\",3\n", NULL, "[4]", "text,aug,n\na,[4],1\nb,\"[2,4]\",3\n", AUG);
    EXPECT("text,aug\na,\"[\"\"q\"\"]\"\n", NULL, "[4]", "text,aug\na,\"[\"\"q\"\",4]\"\n", AUG);
    EXPECT("text\tn\na\t1\n", NULL, "[1]", "text\tn\taug\na\t1\t[1]\n", AUG);
    EXPECT("plain\n", NULL, NULL, "! plain lines have no place for `aug`: give --framed", AUG);
#undef AUG
}
END_TEST

START_TEST(members)
{
    expect((const char *const[]){"text,n\na,1", "text,n\nb,2\n\n", NULL}, (lm_blocks_options){0}, NULL, NULL,
           "text,n\na,1\nb,2\n\n");
    expect((const char *const[]){"a\n\n", "b", NULL}, (lm_blocks_options){.records.format = LM_FORMAT_TEXT}, NULL, NULL, "a\n\nb");
    lm_status st = LM_STATUS_INIT;
    lm_buf out = rewrite((const char *const[]){"text,n\na,1\n", "text,m\nb,2\n", NULL}, &(lm_blocks_options){0}, NULL, NULL, &st);
    ck_assert_ptr_nonnull(strstr(st.message, "its columns are not those of"));
    lm_buf_free(&out);
    lm_status_clear(&st);
    out = rewrite((const char *const[]){"text,n\na,1\n", "{\"text\":1}\n", NULL}, &(lm_blocks_options){0}, NULL, NULL, &st);
    ck_assert_ptr_nonnull(strstr(st.message, "it is jsonl, and"));
    lm_buf_free(&out);
    lm_status_clear(&st);
    out = rewrite((const char *const[]){"[{\"text\":\"a\"}]", NULL}, &(lm_blocks_options){0}, NULL, NULL, &st);
    ck_assert_ptr_nonnull(strstr(st.message, "a JSON array is not written again as it stands: give --framed"));
    lm_buf_free(&out);
    lm_status_clear(&st);
    out = rewrite((const char *const[]){"-DOCSTART- -X- O\n\na O\n", NULL}, &(lm_blocks_options){0}, NULL, NULL, &st);
    ck_assert_ptr_nonnull(strstr(st.message, "CoNLL blocks are words with a tag each"));
    lm_buf_free(&out);
}
END_TEST

/* The records of an LMS stream, a line each, and what its preamble says of where it comes from. */
static lm_buf lms_lines(lm_str stream)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf out = {0};
    lm_record record;
    lm_input *in = lm_input_memory(stream.data, stream.len, "t");
    lm_lms_reader *r = lm_lms_reader_new(in, &st);
    assert_ok(&st);
    char *via = json_dumps(json_object_get(lm_lms_reader_preamble(r), "via"), JSON_COMPACT);
    lm_buf_puts(&out, via);
    free(via);
    while (lm_lms_next(r, &record, &st) > 0) {
        lm_str line = record.line;
        while (line.len && strchr(" \n", line.data[line.len - 1]))
            line.len--;
        lm_buf_putc(&out, '\n');
        lm_buf_append(&out, line.data, line.len);
    }
    assert_ok(&st);
    lm_lms_reader_free(r);
    lm_input_close(in);
    return out;
}

static void expect_stream(const char *const *inputs, lm_blocks_options o, const char *text, const char *extra, const char *wanted)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf stream = rewrite(inputs, &o, text, extra, &st);
    assert_ok(&st);
    lm_buf lines = lms_lines(lm_buf_str(&stream));
    ck_assert_str_eq(lm_buf_cstr(&lines), wanted);
    lm_buf_free(&lines);
    lm_buf_free(&stream);
}

START_TEST(streams)
{
    lm_blocks_options framed = {.framed = true, .extra = "aug"};
    expect_stream((const char *const[]){"n,text,label\n1,\"a \"\"b\"\"\",x\n", "{\"text\":\"c\",\"pair\":\"d\"}\n", NULL}, framed, NULL,
                  "[1]",
                  "[\"augment\"]\n{\"text\":\"a \\\"b\\\"\",\"label\":\"x\",\"fields\":{\"n\":\"1\",\"aug\":[1]}}\n"
                  "{\"text\":\"c\",\"pair\":\"d\",\"fields\":{\"aug\":[1]}}");
    expect_stream((const char *const[]){"[{\"text\":\"a\",\"k\":{}},\n{\"question\":1,\"text\":\"b\"}]", NULL}, framed, "x", NULL,
                  "[\"augment\"]\n{\"text\":\"x\",\"fields\":{\"k\":{}}}\n{\"text\":\"x\",\"fields\":{\"question\":1}}");
    expect_stream((const char *const[]){"{\"question\":\"q\",\"context\":\"c\",\"answers\":[]}", NULL}, framed, "x", NULL,
                  "[\"augment\"]\n{\"text\":\"x\",\"pair\":\"c\",\"fields\":{\"answers\":[]}}");

    /* a stream goes through as one, and its unknown members and spellings with it */
    lm_status st = LM_STATUS_INIT;
    int fd = memfd_create("lms", 0);
    lm_lms_writer *w = lm_lms_writer_new(fd, "lms", LM_KIND_TEXT, NULL, NULL, "one", &st);
    lm_lms_write_members(w, lm_str_of("\"text\":\"\\u0061\",\"future\":1.50,\"fields\":{}"), 1, NULL, 0, &st);
    lm_lms_write_members(w, lm_str_of("\"text\":\"b\",\"fields\":{\"aug\":[0]},\"label\":\"l\""), 1, NULL, 0, &st);
    lm_lms_write_end(w, &st);
    lm_lms_writer_free(w);
    char stream[2048] = "";
    ck_assert_int_gt((int)pread(fd, stream, sizeof stream - 1, 0), 0);
    close(fd);
    expect_stream((const char *const[]){stream, NULL}, (lm_blocks_options){.extra = "aug"}, NULL, "[1]",
                  "[\"one\",\"augment\"]\n{\"text\":\"\\u0061\",\"future\":1.50,\"fields\":{\"aug\":[1]}}\n"
                  "{\"text\":\"b\",\"fields\":{\"aug\":[0,1]},\"label\":\"l\"}");
    expect_stream((const char *const[]){stream, NULL}, (lm_blocks_options){.bytes = 1}, "\n", NULL,
                  "[\"one\",\"augment\"]\n{\"text\":\"\\n\",\"future\":1.50,\"fields\":{}}\n"
                  "{\"text\":\"\\n\",\"fields\":{\"aug\":[0]},\"label\":\"l\"}");
}
END_TEST

static Suite *suite(void)
{
    lm_log_level(LM_ERROR);
    Suite *s = suite_create("blocks");
    TCase *c = tcase_create("blocks");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, json_lines);
    tcase_add_test(c, tables);
    tcase_add_test(c, plain_lines);
    tcase_add_test(c, anything);
    tcase_add_test(c, changed_texts);
    tcase_add_test(c, extra_fields);
    tcase_add_test(c, members);
    tcase_add_test(c, streams);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
