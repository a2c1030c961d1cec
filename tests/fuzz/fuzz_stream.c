/* Fuzzes what the stream floor reads: LMS, rows of tokens, and text in every format.
 *
 * The first byte of an input says what the rest is:
 *   L   an LMS stream as it is
 *   F   records to be framed: header text, LF, payload; a record ends at bytes FF FF. Headers are padded here, `@` in
 *       a header becomes the length of the payload, and the end record is made to fit, so that mutations reach what
 *       lies behind the frame
 *   R   text; the second and third byte choose format and options, and whether the first two lines are --text and
 *       --label. What blocks find of it is compared with what the reader finds */
#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "stream/records.h"
#include "stream/rows.h"
#include "stream/spool.h"

#include "compared_blocks.h"
#include "compared_headers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                                                       \
    do {                                                                                                      \
        if (!(condition)) {                                                                                   \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                   \
            abort();                                                                                          \
        }                                                                                                     \
    } while (0)

typedef struct total {
    uint64_t records, examples, rows;
} total;

/* A sink that looks at what it gets: records that the reader would take. */
static bool count_rows(void *context, lm_str members, int64_t n, const lm_column *columns, size_t count, lm_status *st)
{
    total *t = context;
    (void)members;
    (void)st;
    for (size_t i = 0; i < count; i++) {
        size_t bytes;
        must(lm_tensor_bytes(columns[i].dtype, &columns[i].shape, &bytes) && bytes == columns[i].bytes);
    }
    t->rows += (uint64_t)n;
    return true;
}

/* Takes a record apart in every way there is. */
static void use_record(const lm_record *record)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokens_view view;
    lm_tokens_row row;
    int64_t sum = 0;
    if (lm_tokens_view_read(record, &view, &st)) {
        for (int64_t i = 0; i < view.n && i < 100; i++) {
            lm_tokens_view_row(&view, i, &row);
            for (size_t k = 0; k < row.len; k++)
                sum += row.ids[k] + (row.types ? row.types[k] : 0) + (row.offsets ? row.offsets[2 * k + 1] : 0);
        }
        must(sum != INT64_MIN);
    }
    total packed = {0};
    lm_str name = {"f", 1};
    lm_rows *rows = lm_rows_new(NULL);
    lm_packer *packer = lm_packer_new(count_rows, &packed, false), *spool = lm_packer_new(count_rows, &packed, true);
    lm_status_clear(&st);
    must(lm_rows_read(rows, record, &st));
    bool cut = record->n <= 100;
    for (int64_t i = 0; i < record->n && cut; i++) {
        lm_str values[] = {lm_rows_member(rows, "labels", i), lm_rows_member(rows, "id", i),
                           lm_rows_field(rows, name, i), lm_rows_bytes(rows, "ids", i)};
        for (size_t k = 0; k < 4; k++)
            sum += values[k].len ? values[k].data[values[k].len - 1] : 0;
        cut = lm_packer_add(packer, rows, i, 1, &st);
    }
    lm_status_clear(&st);
    bool whole = lm_packer_add(spool, rows, 0, record->n, &st);
    lm_status_clear(&st);
    must(lm_packer_flush(packer, &st) && lm_packer_flush(spool, &st));
    must(!cut || !whole || packed.rows == 2 * (uint64_t)record->n);
    lm_packer_free(packer);
    lm_packer_free(spool);
    lm_rows_free(rows);
}

/* All rows, kept and read back. */
static void use_spool(lm_spool *s, lm_status *adding)
{
    lm_status st = LM_STATUS_INIT;
    if (lm_ok(adding) && lm_spool_finish(s, NULL, &st)) {
        uint64_t tokens = 0;
        lm_tokens_row row;
        for (uint64_t i = 0; i < lm_spool_rows(s) && i < 100; i++) {
            lm_spool_row(s, i, &row);
            tokens += row.len;
            must(row.len == lm_spool_lengths(s)[i]);
        }
        must(lm_spool_rows(s) > 100 || tokens == lm_spool_tokens(s));
    }
    lm_spool_free(s);
}

/* The same as strings, packed again from the last one to the first. */
static void use_strings(lm_row_strings *s, lm_lines *lines, lm_status *adding)
{
    lm_status st = LM_STATUS_INIT;
    if (lm_ok(adding) && lm_lines_finish(lines, &st)) {
        total packed = {0};
        lm_packer *packer = lm_packer_new(count_rows, &packed, false);
        for (uint64_t i = lm_lines_count(lines); i > 0; i--)
            must(lm_packer_add_string(packer, s, lm_lines_at(lines, i - 1), &st));
        must(lm_packer_flush(packer, &st) && packed.rows == lm_lines_count(lines));
        lm_packer_free(packer);
    }
    lm_row_strings_free(s);
    lm_lines_free(lines);
}

static void use_preamble(json_t *preamble)
{
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer_info info, again;
    if (!lm_tokenizer_info_read(preamble, &info, &st))
        return;
    json_t *made = lm_tokens_preamble(&info);
    must(lm_tokenizer_info_read(made, &again, &st));
    must(again.vocab_size == info.vocab_size && again.pad_id == info.pad_id && again.has_xxh3 == info.has_xxh3);
    json_decref(made);
}

/* What ends a reading and what it has counted is the same where text records are taken line by line, and their lines are those of the
 * records. */
static void same_by_lines(const char *bytes, size_t n, const total *t, const lm_status *st)
{
    lm_status other = LM_STATUS_INIT;
    lm_input *in = lm_input_memory(bytes, n, "fuzz");
    lm_lms_reader *r = lm_lms_reader_new(in, &other);
    lm_record record;
    lm_str lines;
    uint64_t most = n % 3, taken = 0;
    while (r && lm_lms_next(r, &record, &other) > 0) {
        taken += lm_lms_next_lines(r, most ? most : UINT64_MAX, &lines);
        must(taken == 0 || lines.len % 64 == 0);
    }
    must(other.code == st->code && strcmp(other.message, st->message) == 0);
    must(!r || (lm_lms_reader_records(r) == t->records && lm_lms_reader_examples(r) == t->examples && taken <= t->records));
    lm_lms_reader_free(r);
    lm_input_close(in);
}

static int read_lms(const char *bytes, size_t n, total *t, lm_status *st)
{
    lm_record record;
    *t = (total){0};
    *st = (lm_status)LM_STATUS_INIT;
    lm_input *in = lm_input_memory(bytes, n, "fuzz");
    lm_lms_reader *r = lm_lms_reader_new(in, st);
    lm_status adding = LM_STATUS_INIT;
    lm_spool *spool = lm_spool_new(&(lm_spool_options){0}, st);
    lm_row_strings *strings = lm_row_strings_new();
    lm_lines *lines = lm_lines_new(1 << 20);
    while (r && lm_lms_next(r, &record, st) > 0)
        if (!record.flush && lm_lms_reader_kind(r) == LM_KIND_TOKENS) {
            use_record(&record);
            if (lm_ok(&adding) && lm_spool_add(spool, &record, &adding))
                lm_row_strings_write(strings, &record, lines, &adding);
        }
    use_spool(spool, &adding);
    use_strings(strings, lines, &adding);
    if (r) {
        use_preamble(lm_lms_reader_preamble(r));
        t->records = lm_lms_reader_records(r);
        t->examples = lm_lms_reader_examples(r);
    }
    lm_lms_reader_free(r);
    lm_input_close(in);
    same_by_lines(bytes, n, t, st);
    return st->code;
}

/* ---------------------------------------------------------------------------------------------------- framing */

static void add_line(lm_buf *out, lm_str header, size_t payload)
{
    size_t begin = out->len;
    for (size_t i = 0; i < header.len; i++) {
        if (header.data[i] == '@')
            lm_buf_printf(out, "%zu", payload);
        else
            lm_buf_putc(out, header.data[i]);
    }
    while ((out->len - begin + 1) % 64)
        lm_buf_putc(out, ' ');
    lm_buf_putc(out, '\n');
    bool ignored;
    const char *why = headers_differ((lm_str){out->data + begin, out->len - begin}, &ignored);
    if (why)
        fprintf(stderr, "%s\n", why);
    must(!why);
}

static void add_record(lm_buf *out, lm_str record)
{
    const char *lf = record.len ? memchr(record.data, '\n', record.len) : NULL;
    lm_str header = {record.data, lf ? (size_t)(lf - record.data) : record.len}, payload = {NULL, 0};
    if (lf)
        payload = (lm_str){lf + 1, record.len - header.len - 1};
    add_line(out, header, payload.len);
    if (!lf)
        return;
    lm_buf_append(out, payload.data, payload.len);
    for (size_t pad = 63 - payload.len % 64; pad; pad--)
        lm_buf_putc(out, ' ');
    lm_buf_putc(out, '\n');
}

static void fuzz_framed(lm_str s)
{
    lm_buf stream = {0}, end = {0};
    total t;
    lm_status st;
    while (s.len) {
        const char *mark = memmem(s.data, s.len, "\xff\xff", 2);
        size_t n = mark ? (size_t)(mark - s.data) : s.len;
        add_record(&stream, (lm_str){s.data, n});
        n += mark ? 2 : 0;
        s.data += n;
        s.len -= n;
    }
    if (read_lms(stream.data, stream.len, &t, &st) == LM_ENDED && strstr(st.message, "without an end record")) {
        uint64_t digest = XXH3_64bits(stream.data, stream.len);
        lm_buf_printf(&end, "{\"end\":{\"records\":%" PRIu64 ",\"examples\":%" PRIu64 ",\"xxh3\":\"%016" PRIx64 "\"}}",
                      t.records, t.examples, digest);
        add_line(&stream, lm_buf_str(&end), 0);
        int code = read_lms(stream.data, stream.len, &t, &st);
        /* a stream with streams inside has another digest and other counts */
        must(code == LM_OK || memmem(stream.data + 64, stream.len - 64, "\"lms\"", 5));
    }
    lm_buf_free(&stream);
    lm_buf_free(&end);
}

/* ---------------------------------------------------------------------------------------------------- text */

static lm_records_options options_of(uint8_t a, uint8_t b)
{
    static const char *const texts[] = {NULL, "text", "1", ".a.b[0]", "title,text", "2,3", NULL, ".[0]"};
    static const char *const encodings[] = {NULL, NULL, "cp949", "utf-16le"};
    static const char *const others[][3] = {{NULL, NULL, NULL}, {"title", "3", "1"}};
    lm_records_options o = {.format = (lm_text_format)((a & 15) % 9), .text = texts[b & 7]};
    o.strict = b >> 3 & 1;
    o.tsv_quotes = b >> 4 & 1;
    o.label_type = (lm_label_type)((b >> 5) % 3);
    o.header = (lm_header)((a >> 4) % 3);
    o.encoding = encodings[(a >> 6) & 3];
    o.rejects = (a ^ b) & 1 ? "/dev/null" : NULL;
    o.label_separator = (a ^ b) & 2 ? ";" : NULL;
    o.pair = others[(a >> 3) & 1][0];
    o.label = others[(a >> 3) & 1][1];
    o.id = others[(a >> 3) & 1][2];
    o.weight = (a & b) & 1 ? ".w" : NULL;
    o.drop_label = (a & b) & 2 ? "-" : NULL;
    return o;
}

/* Whatever is read can be written as kind text, and that is a good stream. */
static void fuzz_text(lm_str s, lm_records_options o)
{
    lm_status st = LM_STATUS_INIT, writing = LM_STATUS_INIT;
    lm_text_record t;
    lm_buf json = {0};
    uint64_t written = 0;
    int fd = memfd_create("fuzz", 0), archive = memfd_create("archive", 0);
    must(write(archive, s.data, s.len) == (ssize_t)s.len && lseek(archive, 0, SEEK_SET) == 0);
    lm_input *in = o.format == LM_FORMAT_TAR ? lm_input_fd(archive, "fuzz.tar", &st)
                                             : lm_input_memory(s.data, s.len, "fuzz");
    lm_records *r = in ? lm_records_new(in, &o, &st) : NULL;
    lm_lms_writer *w = lm_lms_writer_new(fd, "fuzz", LM_KIND_TEXT, NULL, NULL, NULL, &writing);
    must(w);
    while (r && lm_records_next(r, &t, &st) > 0) {
        json.len = 0;
        lm_text_record_json(&t, false, &json);
        lm_status one = LM_STATUS_INIT;
        if (t.flush || lm_text_record_write(w, &t, &one))
            written += !t.flush;
        else
            must(strstr(one.message, "more than a stream can hold") || strstr(one.message, "nest deeper"));
    }
    must(lm_lms_writer_close(w, &writing));
    lm_records_free(r);
    lm_input_close(in);
    lm_lms_writer_free(w);

    lseek(fd, 0, SEEK_SET);
    lm_record record;
    uint64_t read = 0;
    in = lm_input_fd(fd, "back", &writing);
    lm_lms_reader *reader = lm_lms_reader_new(in, &writing);
    while (reader && lm_lms_next(reader, &record, &writing) > 0)
        read++;
    if (!lm_ok(&writing))
        fprintf(stderr, "%s\n", writing.message);
    must(lm_ok(&writing) && read == written);
    lm_lms_reader_free(reader);
    lm_input_close(in);
    lm_buf_free(&json);
    close(archive);
    close(fd);
}

/* `fields`: the first two lines are what --text and --label say. */
static void fuzz_text_with(lm_str s, lm_records_options o, bool fields)
{
    char *specs[2] = {NULL, NULL};
    for (int i = 0; i < 2 && fields; i++) {
        const char *lf = s.len ? memchr(s.data, '\n', s.len) : NULL;
        size_t n = lf ? (size_t)(lf - s.data) : s.len;
        specs[i] = lm_strndup(s.data, n);
        n += lf != NULL;
        s.data += n;
        s.len -= n;
    }
    if (fields) {
        o.text = specs[0];
        o.label = *specs[1] ? specs[1] : NULL;
    }
    fuzz_text(s, o);
    bool ignored;
    const char *other = o.format == LM_FORMAT_JSONL && lm_utf8_valid(s.data, s.len) ? values_differ(s, &ignored) : NULL;
    if (other)
        fprintf(stderr, "%s\n", other);
    must(!other);
    if (o.format != LM_FORMAT_TAR && o.format != LM_FORMAT_JSON) {
        const char *why = blocks_differ(s, &o, 1 + s.len % 61);
        if (why)
            fprintf(stderr, "%s\n", why);
        must(!why);
    }
    free(specs[0]);
    free(specs[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lm_log_level(LM_ERROR);
    const char *s = (const char *)data;
    total t;
    lm_status st;
    if (size >= 1 && data[0] == 'L')
        read_lms(s + 1, size - 1, &t, &st);
    else if (size >= 1 && data[0] == 'F')
        fuzz_framed((lm_str){s + 1, size - 1});
    else if (size >= 3 && data[0] == 'R')
        fuzz_text_with((lm_str){s + 3, size - 3}, options_of(data[1], data[2]), data[2] >> 7);
    return 0;
}
