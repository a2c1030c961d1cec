/* Rows of tokens streams: writing, viewing, packing, keeping. */
#include "unit.h"

#include "base/memory.h"
#include "base/random.h"
#include "stream/lines.h"
#include "stream/rows.h"
#include "stream/spool.h"
#include "stream/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 1000 };

static char path[] = "/tmp/check_rows.XXXXXX", other[] = "/tmp/check_rows.XXXXXX";
static int path_fd, other_fd;

static void setup(void)
{
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    memcpy(other + sizeof other - 7, "XXXXXX", 6);
    path_fd = mkstemp(path);
    other_fd = mkstemp(other);
    ck_assert_int_ge(path_fd, 0);
    ck_assert_int_ge(other_fd, 0);
}

static void teardown(void)
{
    close(path_fd);
    close(other_fd);
    unlink(path);
    unlink(other);
}

/* Row i of the streams below: i % 23 tokens, all columns derived from i. */
static int32_t row_ids[64], row_word_ids[64];
static uint8_t row_types[64];
static char row_label[32], row_id[32], row_field[32];

static lm_tokens_row make_row(int i)
{
    static lm_field field;
    lm_tokens_row r = {.ids = row_ids, .types = row_types, .word_ids = row_word_ids, .len = (size_t)(i % 23)};
    for (size_t k = 0; k < r.len; k++) {
        row_ids[k] = i * 31 + (int32_t)k;
        row_types[k] = (uint8_t)(k & 1);
        row_word_ids[k] = (int32_t)k - 1;
    }
    snprintf(row_label, sizeof row_label, "l\"%d\n", i % 7);
    snprintf(row_id, sizeof row_id, "\"r%d\"", i);
    snprintf(row_field, sizeof row_field, "{\"v\":%d.50}", i);
    r.has_label_word = true;
    r.label_word = lm_str_of(row_label);
    r.has_weight = true;
    r.weight = (float)i;
    r.id = lm_str_of(row_id);
    field = (lm_field){lm_str_of("f\xc3\xa9"), lm_str_of(row_field)};
    if (i % 3) {
        r.fields = &field;
        r.field_count = 1;
    }
    return r;
}

static void write_rows(int fd, int from, int to)
{
    lm_status st = LM_STATUS_INIT;
    lm_lms_writer *w = lm_lms_writer_new(fd, "t", LM_KIND_TOKENS, NULL, NULL, "test", &st);
    lm_tokens_writer *t = lm_tokens_writer_new(w);
    for (int i = from; i < to; i++) {
        lm_tokens_row r = make_row(i);
        ck_assert(lm_tokens_writer_add(t, &r, &st));
    }
    ck_assert(lm_tokens_writer_flush(t, &st));
    ck_assert(lm_lms_writer_close(w, &st));
    assert_ok(&st);
    lm_tokens_writer_free(t);
    lm_lms_writer_free(w);
}

static void check_row(const lm_tokens_row *got, int i)
{
    lm_tokens_row want = make_row(i);
    ck_assert_uint_eq(got->len, want.len);
    ck_assert_mem_eq(got->ids, want.ids, 4 * want.len);
    ck_assert_mem_eq(got->types, want.types, want.len);
    ck_assert_mem_eq(got->word_ids, want.word_ids, 4 * want.len);
    ck_assert(got->has_label_word && lm_str_equal(got->label_word, want.label_word));
    ck_assert(got->has_weight && got->weight == want.weight);
    ck_assert(!got->loss_mask && !got->has_label_id && !got->has_doc);
}

/* Checks that a stream holds rows `order[0..n)`, with ids and fields. */
static void check_stream(const char *file, const int *order, int n)
{
    lm_status st = LM_STATUS_INIT;
    lm_input *in = lm_input_open(file, &st);
    lm_lms_reader *reader = lm_lms_reader_new(in, &st);
    assert_ok(&st);
    lm_record record;
    int i = 0;
    while (lm_lms_next(reader, &record, &st) > 0) {
        lm_tokens_view v;
        ck_assert(lm_tokens_view_read(&record, &v, &st));
        ck_assert_int_le((int)v.tokens, LM_LMS_RECORD_TOKENS);
        json_t *field = json_object_get(v.fields, "f\xc3\xa9");
        for (int64_t k = 0; k < v.n; k++, i++) {
            lm_tokens_row row;
            char id[32];
            lm_tokens_view_row(&v, k, &row);
            int want = order ? order[i] : i;
            check_row(&row, want);
            snprintf(id, sizeof id, "r%d", want);
            ck_assert_str_eq(json_string_value(json_array_get(v.id, (size_t)k)), id);
            json_t *value = json_object_get(json_array_get(field, (size_t)k), "v");
            ck_assert(want % 3 ? json_real_value(value) == want + 0.5 : json_is_null(json_array_get(field, (size_t)k)));
        }
    }
    assert_ok(&st);
    ck_assert_int_eq(i, n);
    lm_lms_reader_free(reader);
    lm_input_close(in);
}

START_TEST(written_rows_come_back)
{
    write_rows(path_fd, 0, ROWS);
    check_stream(path, NULL, ROWS);
}
END_TEST

static lm_spool *fill(const lm_spool_options *o, const char *file)
{
    lm_status st = LM_STATUS_INIT;
    lm_input *in = lm_input_open(file, &st);
    lm_lms_reader *reader = lm_lms_reader_new(in, &st);
    lm_spool *s = lm_spool_new(o, &st);
    assert_ok(&st);
    ck_assert(lm_spool_add_all(s, reader, &st));
    ck_assert(lm_spool_finish(s, lm_lms_reader_preamble(reader), &st));
    assert_ok(&st);
    lm_lms_reader_free(reader);
    lm_input_close(in);
    return s;
}

static void check_spool(const lm_spool *s)
{
    ck_assert_uint_eq(lm_spool_rows(s), ROWS);
    uint64_t tokens = 0;
    for (int k = 0; k < ROWS; k++) {
        int i = (k * 7919) % ROWS;
        lm_tokens_row row;
        lm_spool_row(s, (uint64_t)i, &row);
        check_row(&row, i);
        ck_assert_uint_eq(lm_spool_lengths(s)[i], row.len);
        tokens += row.len;
    }
    ck_assert_uint_eq(lm_spool_tokens(s), tokens);
}

START_TEST(spool_in_memory_and_file)
{
    write_rows(path_fd, 0, ROWS);
    lm_spool *memory = fill(&(lm_spool_options){0}, path);
    lm_spool *spilled = fill(&(lm_spool_options){.memory = 50000}, path);
    lm_spool *named = fill(&(lm_spool_options){.file = other}, path);
    ck_assert(lm_spool_in_memory(memory) && !lm_spool_in_memory(spilled) && !lm_spool_in_memory(named));
    check_spool(memory);
    check_spool(spilled);
    check_spool(named);
    ck_assert_uint_eq(lm_spool_digest(memory), lm_spool_digest(spilled));
    ck_assert_uint_eq(lm_spool_digest(memory), lm_spool_digest(named));
    lm_status st = LM_STATUS_INIT;
    uint64_t digest = lm_spool_digest(named);
    lm_spool_free(named);
    lm_spool *again = lm_spool_reopen(other, &digest, &st);
    assert_ok(&st);
    check_spool(again);
    ck_assert_str_eq(json_string_value(json_object_get(lm_spool_preamble(again), "kind")), "tokens");
    lm_spool_free(again);
    digest++;
    ck_assert_ptr_null(lm_spool_reopen(other, &digest, &st));
    ck_assert_ptr_nonnull(strstr(st.message, "not those of this training"));
    lm_status_clear(&st);
    char byte;
    ck_assert_int_eq((int)pread(other_fd, &byte, 1, 700), 1);
    byte ^= 1;
    ck_assert_int_eq((int)pwrite(other_fd, &byte, 1, 700), 1);
    ck_assert_ptr_null(lm_spool_reopen(other, NULL, &st));
    ck_assert_int_eq(st.code, LM_FAILED);
    lm_spool_free(memory);
    lm_spool_free(spilled);
}
END_TEST

/* The digest is of the rows, not of the records they came in. */
START_TEST(digest_of_rows_alone)
{
    lm_status st = LM_STATUS_INIT;
    write_rows(path_fd, 0, ROWS);
    lm_spool *whole = fill(&(lm_spool_options){0}, path);
    write_rows(other_fd, 0, 333);
    write_rows(other_fd, 333, 334);
    write_rows(other_fd, 334, ROWS);
    lm_spool *pieces = fill(&(lm_spool_options){0}, other);
    check_spool(pieces);
    ck_assert_uint_eq(lm_spool_digest(whole), lm_spool_digest(pieces));
    assert_ok(&st);
    lm_spool_free(whole);
    lm_spool_free(pieces);
}
END_TEST

/* All rows of a file, as lines. */
static lm_row_strings *keep_strings(const char *file, lm_lines *lines)
{
    lm_status st = LM_STATUS_INIT;
    lm_row_strings *strings = lm_row_strings_new();
    lm_input *in = lm_input_open(file, &st);
    lm_lms_reader *reader = lm_lms_reader_new(in, &st);
    lm_record record;
    while (lm_lms_next(reader, &record, &st) > 0)
        ck_assert(lm_row_strings_write(strings, &record, lines, &st));
    ck_assert(lm_lines_finish(lines, &st));
    assert_ok(&st);
    lm_lms_reader_free(reader);
    lm_input_close(in);
    return strings;
}

/* Some of them, packed into a file. */
static void pack_strings(const lm_row_strings *strings, const lm_lines *lines, const int *order, int n, int fd)
{
    lm_status st = LM_STATUS_INIT;
    lm_lms_writer *w = lm_lms_writer_new(fd, "t", LM_KIND_TOKENS, NULL, NULL, NULL, &st);
    lm_packer *p = lm_packer_new(lm_write_sink, w, false);
    for (int k = 0; k < n; k++)
        ck_assert(lm_packer_add_string(p, strings, lm_lines_at(lines, (uint64_t)order[k]), &st));
    ck_assert(lm_packer_flush(p, &st) && lm_lms_writer_close(w, &st));
    assert_ok(&st);
    lm_packer_free(p);
    lm_lms_writer_free(w);
}

START_TEST(strings_pack_in_any_order)
{
    static const size_t memory[] = {0, 50000};
    int order[ROWS];
    for (int k = 0; k < ROWS; k++)
        order[k] = (k * 7919) % ROWS;
    write_rows(path_fd, 0, ROWS);
    for (int m = 0; m < 2; m++) {
        lm_lines *lines = lm_lines_new(memory[m]);
        lm_row_strings *strings = keep_strings(path, lines);
        ck_assert_uint_eq(lm_lines_count(lines), ROWS);
        ck_assert_int_eq(ftruncate(other_fd, 0), 0);
        lseek(other_fd, 0, SEEK_SET);
        pack_strings(strings, lines, order, ROWS, other_fd);
        check_stream(other, order, ROWS);
        lm_row_strings_free(strings);
        lm_lines_free(lines);
    }
}
END_TEST

/* What a packer makes of a record's rows one by one is what it makes of their strings: every kind of column, and several forms in turn. */
START_TEST(strings_are_the_rows)
{
    static const int16_t wide[] = {1, -2, 3, 4, 5, -6};
    static const double rag[] = {0.5, -1.0, 2.25};
    static const int32_t splits[] = {0, 2, 2, 3}, ids[] = {7, 8, 9, 10}, id_splits[] = {0, 1, 4, 4};
    static const uint8_t like[] = {1, 2, 3};
    const lm_column all[] = {
        {.name = "x.wide", .dtype = LM_I16, .shape = {2, {3, 2}}, .data = wide, .bytes = sizeof wide},
        {.name = "x.rag", .dtype = LM_F64, .shape = {1, {3}}, .data = rag, .bytes = sizeof rag},
        {.name = "x.rag.splits", .dtype = LM_I32, .shape = {1, {4}}, .data = splits, .bytes = sizeof splits},
        {.name = "x.like", .dtype = LM_U8, .shape = {1, {3}}, .data = like, .bytes = 3, .rows = "x.rag.splits"},
        {.name = "ids", .dtype = LM_I32, .shape = {1, {4}}, .data = ids, .bytes = sizeof ids},
        {.name = "ids.splits", .dtype = LM_I32, .shape = {1, {4}}, .data = id_splits, .bytes = sizeof id_splits}};
    static const char *const members[] = {
        "\"n\":3", "\"n\":3,\"id\":[1,\"b\",2],\"fields\":{\"f\":[{\"a\":[1]},null,2],\"g\":[\"\\u0041\",null,null]}",
        "\"n\":3,\"fields\":{\"g\":[1,2,null]}", "\"n\":3,\"labels\":[\"x\",\"\",\"\\\"\"],\"odd\":{\"a\":0.10}"};
    lm_status st = LM_STATUS_INIT;
    lm_lms_writer *w = lm_lms_writer_new(path_fd, "t", LM_KIND_TOKENS, NULL, NULL, NULL, &st);
    for (size_t i = 0; i < 12; i++)
        ck_assert(lm_lms_write_members(w, lm_str_of(members[i % 4]), 3, all, i % 3 ? 6 : 4, &st));
    ck_assert(lm_lms_writer_close(w, &st));
    lm_lms_writer_free(w);

    int order[36];
    for (int k = 0; k < 36; k++)
        order[k] = k;
    lm_lines *lines = lm_lines_new(0);
    lm_row_strings *strings = keep_strings(path, lines);
    pack_strings(strings, lines, order, 36, other_fd);

    lm_buf wanted = {0}, got = {0};
    FILE *file = fdopen(dup(other_fd), "r");
    rewind(file);
    for (int c; (c = fgetc(file)) != EOF;)
        lm_buf_putc(&got, (char)c);
    fclose(file);
    ck_assert_int_eq(ftruncate(other_fd, 0), 0);
    lseek(other_fd, 0, SEEK_SET);
    w = lm_lms_writer_new(other_fd, "t", LM_KIND_TOKENS, NULL, NULL, NULL, &st);
    lm_packer *p = lm_packer_new(lm_write_sink, w, false);
    lm_rows *rows = lm_rows_new(NULL);
    lm_input *in = lm_input_open(path, &st);
    lm_lms_reader *reader = lm_lms_reader_new(in, &st);
    lm_record record;
    while (lm_lms_next(reader, &record, &st) > 0)
        ck_assert(lm_rows_read(rows, &record, &st) && lm_packer_add(p, rows, 0, 3, &st));
    ck_assert(lm_packer_flush(p, &st) && lm_lms_writer_close(w, &st));
    assert_ok(&st);
    file = fdopen(dup(other_fd), "r");
    rewind(file);
    for (int c; (c = fgetc(file)) != EOF;)
        lm_buf_putc(&wanted, (char)c);
    fclose(file);
    ck_assert_uint_eq(got.len, wanted.len);
    ck_assert_mem_eq(got.data, wanted.data, got.len);
    lm_buf_free(&wanted);
    lm_buf_free(&got);
    lm_packer_free(p);
    lm_rows_free(rows);
    lm_lms_writer_free(w);
    lm_lms_reader_free(reader);
    lm_input_close(in);
    lm_row_strings_free(strings);
    lm_lines_free(lines);
}
END_TEST

/* Line i has a length of its own, and bytes that tell of it. */
static size_t length_of_line(size_t i)
{
    static const size_t lengths[] = {0, 1, 64, 5, (1 << 21) - 2, (1 << 21) - 1, 1 << 21, (1 << 21) + 7};
    return lengths[i % 8];
}

START_TEST(lines_in_any_order)
{
    enum { LINES = 40, FRAMED = 3, ALL = LINES + FRAMED };
    static const size_t memory[] = {256 << 20, 1 << 20, 1};
    lm_status st = LM_STATUS_INIT;
    lm_philox_key key = lm_random_key(5, LM_FOR_SHUFFLE, 0);
    uint32_t order[ALL];
    char framed[64 * 6], *bytes = lm_malloc(1 << 22, 1);
    lm_random_permutation(key, 0, order, ALL);
    memset(framed, ' ', sizeof framed);
    framed[63] = framed[64 * 4 - 1] = framed[64 * 6 - 1] = framed[70] = '\n';
    for (int m = 0; m < 3; m++) {
        lm_lines *l = lm_lines_new(memory[m]);
        for (size_t i = 0; i < LINES; i++) {
            memset(bytes, (int)i, length_of_line(i));
            ck_assert(lm_lines_add(l, (lm_str){bytes, length_of_line(i)}, &st));
        }
        ck_assert(lm_lines_add_framed(l, (lm_str){framed, sizeof framed}, &st));
        ck_assert(lm_lines_finish(l, &st));
        ck_assert_uint_eq(lm_lines_count(l), ALL);
        lm_lines_shuffle(l, key);
        for (size_t k = 0; k < ALL; k++) {
            lm_str line = lm_lines_at(l, k);
            lm_lines_expect(l, k);
            if (order[k] >= LINES) {
                static const size_t begins[] = {0, 64, 256, 384};
                const size_t *at = &begins[order[k] - LINES];
                ck_assert_uint_eq(line.len, at[1] - at[0]);
                ck_assert_mem_eq(line.data, framed + at[0], line.len);
                continue;
            }
            memset(bytes, (int)order[k], length_of_line(order[k]));
            ck_assert_uint_eq(line.len, length_of_line(order[k]));
            ck_assert_int_eq(memcmp(line.data, bytes, line.len), 0);
        }
        lm_lines_free(l);
    }
    assert_ok(&st);
    free(bytes);
}
END_TEST

START_TEST(training_columns)
{
    lm_status st = LM_STATUS_INIT;
    write_rows(path_fd, 0, ROWS);
    lm_spool *s = fill(&(lm_spool_options){.keep = lm_training_columns, .uniform = true}, path);
    lm_tokens_row row;
    lm_spool_row(s, 5, &row);
    ck_assert(row.ids && row.types && row.has_label_word && row.has_weight && !row.word_ids);
    lm_spool_free(s);

    lm_lms_writer *w = lm_lms_writer_new(other_fd, "t", LM_KIND_TOKENS, NULL, NULL, NULL, &st);
    lm_tokens_writer *t = lm_tokens_writer_new(w);
    lm_tokens_row one = make_row(1);
    ck_assert(lm_tokens_writer_add(t, &one, &st));
    one.has_weight = false;
    ck_assert(lm_tokens_writer_add(t, &one, &st));
    ck_assert(lm_tokens_writer_flush(t, &st) && lm_lms_writer_close(w, &st));
    lm_tokens_writer_free(t);
    lm_lms_writer_free(w);
    lm_input *in = lm_input_open(other, &st);
    lm_lms_reader *reader = lm_lms_reader_new(in, &st);
    s = lm_spool_new(&(lm_spool_options){.keep = lm_training_columns, .uniform = true}, &st);
    assert_ok(&st);
    ck_assert(!lm_spool_add_all(s, reader, &st));
    ck_assert_msg(strstr(st.message, "`weight`") != NULL, "%s", st.message);
    lm_spool_free(s);
    lm_lms_reader_free(reader);
    lm_input_close(in);
}
END_TEST

/* Unknown columns of every shape are cut with the rows; one that is not by rows forbids cutting. */
START_TEST(unknown_columns)
{
    lm_status st = LM_STATUS_INIT;
    static const int32_t ids[] = {1, 2, 3}, splits[] = {0, 2, 3}, rag[] = {7, 8, 9, 10}, rag_splits[] = {0, 0, 4};
    static const double wide[] = {0.5, 1.5, 2.5, 3.5};
    static const uint8_t like[] = {4, 5, 6};
    static const uint8_t whole[] = {1, 2, 3, 4, 5};
    lm_column c[] = {
        {.name = "ids", .dtype = LM_I32, .shape = {1, {3}}, .data = ids, .bytes = 12},
        {.name = "ids.splits", .dtype = LM_I32, .shape = {1, {3}}, .data = splits, .bytes = 12},
        {.name = "x.wide", .dtype = LM_F64, .shape = {2, {2, 2}}, .data = wide, .bytes = 32},
        {.name = "x.rag", .dtype = LM_I32, .shape = {1, {4}}, .data = rag, .bytes = 16},
        {.name = "x.rag.splits", .dtype = LM_I32, .shape = {1, {3}}, .data = rag_splits, .bytes = 12},
        {.name = "x.like", .dtype = LM_U8, .shape = {1, {3}}, .data = like, .bytes = 3, .rows = "ids.splits"},
        {.name = "x.whole", .dtype = LM_U8, .shape = {1, {5}}, .data = whole, .bytes = 5},
    };
    for (size_t count = 6; count <= 7; count++) {
        ck_assert_int_eq(ftruncate(path_fd, 0), 0);
        lseek(path_fd, 0, SEEK_SET);
        ck_assert_int_eq(ftruncate(other_fd, 0), 0);
        lseek(other_fd, 0, SEEK_SET);
        lm_lms_writer *w = lm_lms_writer_new(path_fd, "t", LM_KIND_TOKENS, NULL, NULL, NULL, &st);
        static const char members[] = "\"n\":2,\"odd\":{\"a\":[1,0.10]}";
        ck_assert(lm_lms_write_members(w, lm_str_of(members), 2, c, count, &st) && lm_lms_writer_close(w, &st));
        lm_lms_writer_free(w);
        lm_input *in = lm_input_open(path, &st);
        lm_lms_reader *reader = lm_lms_reader_new(in, &st);
        lm_record record;
        ck_assert_int_eq(lm_lms_next(reader, &record, &st), 1);
        w = lm_lms_writer_new(other_fd, "t", LM_KIND_TOKENS, NULL, NULL, NULL, &st);
        lm_packer *p = lm_packer_new(lm_write_sink, w, false);
        lm_rows *rows = lm_rows_new(NULL);
        ck_assert(lm_rows_read(rows, &record, &st));
        if (count == 7) {
            ck_assert(!lm_packer_add(p, rows, 1, 1, &st));
            ck_assert_ptr_nonnull(strstr(st.message, "`x.whole`"));
            lm_status_clear(&st);
            ck_assert(lm_packer_add(p, rows, 0, 2, &st));
        } else {
            ck_assert(lm_packer_add(p, rows, 1, 1, &st));
        }
        ck_assert(lm_packer_flush(p, &st) && lm_lms_writer_close(w, &st));
        lm_packer_free(p);
        lm_rows_free(rows);
        lm_lms_writer_free(w);
        lm_lms_reader_free(reader);
        lm_input_close(in);

        in = lm_input_open(other, &st);
        reader = lm_lms_reader_new(in, &st);
        ck_assert_int_eq(lm_lms_next(reader, &record, &st), 1);
        ck_assert_uint_eq(record.column_count, count);
        ck_assert_ptr_nonnull(memmem(record.line.data, record.line.len, "\"odd\":{\"a\":[1,0.10]}", 20));
        if (count == 6) {
            ck_assert_mem_eq(lm_record_column(&record, "x.wide")->data, wide + 2, 16);
            ck_assert_mem_eq(lm_record_column(&record, "x.rag")->data, rag, 16);
            ck_assert_mem_eq(lm_record_column(&record, "x.rag.splits")->data, ((int32_t[]){0, 4}), 8);
            ck_assert_mem_eq(lm_record_column(&record, "x.like")->data, like + 2, 1);
        } else {
            ck_assert_mem_eq(lm_record_column(&record, "x.whole")->data, whole, 5);
        }
        ck_assert_int_eq(lm_lms_next(reader, &record, &st), 0);
        lm_lms_reader_free(reader);
        lm_input_close(in);
    }
    assert_ok(&st);
}
END_TEST

START_TEST(tokenizer_info_comes_back)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer_info a = LM_TOKENIZER_INFO_NONE, b;
    a.path = "dir";
    a.has_xxh3 = true;
    a.xxh3 = 0xfedcba9876543210u;
    a.vocab_size = 30522;
    a.pad_id = 0;
    a.cls_id = 101;
    json_t *preamble = lm_tokens_preamble(&a);
    ck_assert(lm_tokenizer_info_read(preamble, &b, &st));
    ck_assert(b.present && b.has_xxh3 && !b.has_behaviour && b.xxh3 == a.xxh3 && b.vocab_size == 30522);
    ck_assert(b.pad_id == 0 && b.cls_id == 101 && b.mask_id == -1 && b.max_length == 0);
    ck_assert_str_eq(b.path, "dir");
    json_object_set_new(json_object_get(preamble, "tokenizer"), "xxh3", json_string("short"));
    ck_assert(!lm_tokenizer_info_read(preamble, &b, &st));
    json_decref(preamble);
}
END_TEST

START_TEST(ids_beyond_the_vocabulary)
{
    lm_status st = LM_STATUS_INIT;
    static const int32_t ids[] = {0, 9, 10, -1};
    ck_assert(lm_tokens_check_ids(ids, 2, 10, "row 3", &st));
    ck_assert(!lm_tokens_check_ids(ids, 3, 10, "row 3", &st));
    ck_assert_ptr_nonnull(strstr(st.message, "row 3: token 2: id 10 "));
    lm_status_clear(&st);
    ck_assert(!lm_tokens_check_ids(ids + 3, 1, 10, "row 3", &st));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rows");
    TCase *c = tcase_create("rows");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, written_rows_come_back);
    tcase_add_test(c, spool_in_memory_and_file);
    tcase_add_test(c, digest_of_rows_alone);
    tcase_add_test(c, strings_pack_in_any_order);
    tcase_add_test(c, strings_are_the_rows);
    tcase_add_test(c, lines_in_any_order);
    tcase_add_test(c, training_columns);
    tcase_add_test(c, unknown_columns);
    tcase_add_test(c, tokenizer_info_comes_back);
    tcase_add_test(c, ids_beyond_the_vocabulary);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
