#include "compared_blocks.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static char said[2 * LM_MESSAGE_MAX + 64];

#define say(...) (snprintf(said, sizeof said, __VA_ARGS__), said)

/* ---------------------------------------------------------------------------------------------------- files in memory */

static int file_new(char path[64])
{
    int fd = memfd_create("blocks", 0);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static lm_buf file_bytes(int fd)
{
    lm_buf b = {0};
    off_t size = lseek(fd, 0, SEEK_END);
    lm_buf_reserve(&b, (size_t)size + 1);
    b.len = (size_t)pread(fd, b.data, (size_t)size, 0);
    close(fd);
    return b;
}

/* ---------------------------------------------------------------------------------------------------- what is found */

/* A record's label and texts, as a line. */
static void show(lm_buf *out, lm_str label, const lm_str *texts, size_t count)
{
    lm_buf_printf(out, "%s%.*s", label.data ? "=" : "-", (int)label.len, label.data);
    for (size_t i = 0; i < count; i++) {
        lm_buf_putc(out, ' ');
        lm_buf_append(out, texts[i].data, texts[i].len);
    }
    lm_buf_putc(out, '\n');
}

static void show_place(lm_buf *out, uint64_t number, uint64_t line)
{
    lm_buf_printf(out, "%" PRIu64 ":%" PRIu64 " ", number, line);
}

/* What the reader of records finds. */
static lm_buf read_records(lm_str input, const lm_records_options *o, lm_status *st)
{
    lm_buf out = {0};
    lm_text_record t;
    lm_input *in = lm_input_memory(input.data, input.len, "t");
    lm_records *r = lm_records_new(in, o, st);
    while (r && lm_records_next(r, &t, st) > 0) {
        if (t.flush)
            continue;
        if (t.words || t.labels) { /* which blocks refuse, or have as they stand */
            lm_fail(st, LM_FAILED, "lists");
            break;
        }
        lm_str texts[2] = {t.text, t.pair};
        show_place(&out, t.number, t.line);
        show(&out, t.label, texts, t.pair.data && !t.asks ? 2 : 1);
    }
    lm_records_free(r);
    lm_input_close(in);
    return out;
}

/* What a run over blocks comes to. */
typedef struct run {
    lm_buf found;   /* as read_records has it */
    lm_buf content; /* the same without places, as it is written */
    lm_buf written;
    uint64_t bad;
    uint64_t seed;  /* of changes; 0 = none */
} run;

static void run_free(run *r)
{
    lm_buf_free(&r->found);
    lm_buf_free(&r->content);
    lm_buf_free(&r->written);
}

/* Another text in place of one, or the same. */
static lm_str changed(run *out, lm_str old)
{
    static const char *const nasty[] = {"", "a,b", "say \"no\"", "\xec\xa4\x84\n\xeb\xb0\x94\xea\xbf\x88", "\t", "x\r", " \xed\x95\x9c ",
                                        "\"", "\\u0041\\", "\r\n", "[1]", "-", "null", "{\"text\":1}"};
    if (!out->seed)
        return old;
    out->seed = out->seed * 6364136223846793005u + 1442695040888963407u;
    size_t which = out->seed >> 33;
    return which % 3 ? lm_str_of(nasty[which / 3 % (sizeof nasty / sizeof *nasty)]) : old;
}

/* What a form cannot hold is a space. */
static void hold(lm_str s, const lm_records_options *o, lm_buf *out)
{
    bool tsv = o->format == LM_FORMAT_TSV && !o->tsv_quotes, lines = tsv || o->format == LM_FORMAT_TEXT;
    for (size_t i = 0; i < s.len; i++)
        lm_buf_putc(out, lines && strchr(tsv ? "\t\r\n" : "\r\n", s.data[i]) && s.data[i] ? ' ' : s.data[i]);
}

/* Writes a record, and once more by way of a spool. */
static bool use_source(run *out, const lm_source *s, const lm_records_options *o)
{
    lm_str texts[32], old[32];
    lm_buf spool = {0}, again = {0}, one = {0}, held = {0};
    lm_source back = {0};
    lm_arena *arena = lm_arena_new(0);
    for (int i = 0; i < s->text_count; i++) {
        old[i] = s->texts[i].text;
        texts[i] = changed(out, old[i]);
        lm_buf_puts(&held, i ? " " : "");
        hold(texts[i], o, &held);
    }
    show_place(&out->found, s->number, s->line);
    show(&out->found, s->label, old, (size_t)s->text_count);
    bool whole = lm_source_write(s, texts, (lm_str){NULL, 0}, &one);
    lm_str held_text = lm_buf_str(&held);
    if (whole)
        show(&out->content, s->label, &held_text, 1);
    lm_source_pack(s, texts, &spool);
    lm_str rest = lm_buf_str(&spool);
    bool ok = lm_source_unpack(&rest, arena, &back) && !rest.len && lm_str_equal(back.lead, s->lead);
    for (int i = 0; ok && i < s->text_count; i++)
        texts[i] = back.texts[i].text;
    ok = ok && lm_source_write(&back, texts, (lm_str){NULL, 0}, &again) == whole && lm_str_equal(lm_buf_str(&one), lm_buf_str(&again));
    if (out->written.len && out->written.data[out->written.len - 1] != '\n' && one.len)
        lm_buf_putc(&out->written, '\n');
    lm_buf_append(&out->written, one.data, one.len);
    lm_arena_free(arena);
    lm_buf_free(&spool);
    lm_buf_free(&again);
    lm_buf_free(&one);
    lm_buf_free(&held);
    return ok;
}

static bool use_block(lm_blocks *b, run *out, lm_block *block, const lm_records_options *o, lm_status *st)
{
    bool ok = lm_block_parse(block, st);
    if (ok && block->count != block->records)
        lm_fail(st, LM_USAGE, "a block was cut as %" PRIu64 " records and has %zu", block->records, block->count);
    lm_blocks_count(b, block);
    for (size_t i = 0; i < block->count; i++) {
        const lm_source *s = &block->sources[i];
        lm_buf_append(&out->written, s->lead.data, s->lead.len);
        out->bad += s->why != NULL;
        if (s->why)
            lm_blocks_reject(b, s, s->why, st);
        else if (!use_source(out, s, o))
            return lm_fail(st, LM_USAGE, "record %" PRIu64 " is not the same behind a spool", s->number);
    }
    return ok;
}

static run read_blocks(lm_str input, const lm_records_options *records, size_t bytes, uint64_t seed, lm_status *st)
{
    run out = {.seed = seed};
    char path[64];
    int fd = file_new(path);
    lm_input *in = lm_input_memory(input.data, input.len, "t");
    lm_blocks *b = lm_blocks_new(in, &(lm_blocks_options){.records = *records, .bytes = bytes}, st);
    lm_block block = {0};
    lm_blocks_writer *w = b ? lm_blocks_writer_new(b, fd, "out", NULL, st) : NULL;
    while (w && lm_blocks_next(b, &block, st) > 0) {
        out.written.len = 0;
        if (!use_block(b, &out, &block, records, st) || !lm_blocks_put(w, lm_buf_str(&out.written), st))
            break;
    }
    if (w)
        lm_blocks_writer_close(w, st);
    lm_blocks_writer_free(w);
    lm_block_free(&block);
    lm_blocks_free(b);
    lm_input_close(in);
    lm_buf_free(&out.written);
    out.written = file_bytes(fd);
    return out;
}

/* ---------------------------------------------------------------------------------------------------- comparing */

static bool same(const lm_buf *a, const lm_buf *b)
{
    return lm_str_equal(lm_buf_str(a), lm_buf_str(b));
}

/* Blocks take less than readers do: the run ended so, or records were put aside. */
static bool is_refused(const char *message)
{
    static const char *const whys[] = {"--framed", "CoNLL", "a list of words", "lists"};
    for (size_t i = 0; i < sizeof whys / sizeof *whys; i++)
        if (strstr(message, whys[i]))
            return true;
    return false;
}

const char *blocks_differ(lm_str input, const lm_records_options *o, size_t bytes)
{
    char one[64], two[64];
    int first = file_new(one), second = file_new(two);
    lm_records_options plain = *o, in_blocks = *o;
    lm_status st = LM_STATUS_INIT, blocks_st = LM_STATUS_INIT;
    plain.rejects = o->rejects ? one : NULL;
    in_blocks.rejects = o->rejects ? two : NULL;
    plain.no_fields = true;
    lm_buf wanted = read_records(input, &plain, &st);
    run got = read_blocks(input, &in_blocks, bytes, 0, &blocks_st);
    lm_buf rejects = file_bytes(first), block_rejects = file_bytes(second);
    const char *why = NULL;
    bool bom = input.len >= 3 && !memcmp(input.data, "\xef\xbb\xbf", 3);
    lm_str unchanged = bom ? (lm_str){input.data + 3, input.len - 3} : input;
    if (is_refused(st.message) || is_refused(blocks_st.message) || is_refused(lm_buf_cstr(&block_rejects)))
        ;
    else if (strcmp(st.message, blocks_st.message) != 0)
        why = say("`%s` became `%s`", st.message, blocks_st.message);
    else if (!same(&wanted, &got.found))
        why = say("records differ: [%s] became [%s]", lm_buf_cstr(&wanted), lm_buf_cstr(&got.found));
    else if (!same(&rejects, &block_rejects))
        why = say("rejects differ: [%s] became [%s]", lm_buf_cstr(&rejects), lm_buf_cstr(&block_rejects));
    else if (lm_ok(&blocks_st) && !got.bad && lm_utf8_valid(input.data, input.len) && !o->encoding && o->format != LM_FORMAT_LMS &&
             !lm_str_equal(lm_buf_str(&got.written), unchanged))
        why = say("unchanged, [%.*s] became [%s]", (int)input.len, input.data, lm_buf_cstr(&got.written));
    lm_buf_free(&wanted);
    lm_buf_free(&rejects);
    lm_buf_free(&block_rejects);
    run_free(&got);
    return why;
}

const char *changes_lost(lm_str input, const lm_records_options *o, size_t bytes, uint64_t seed)
{
    lm_status st = LM_STATUS_INIT;
    const char *why = NULL;
    run out = read_blocks(input, o, bytes, seed | 1, &st);
    if (lm_ok(&st)) {
        run back = read_blocks(lm_buf_str(&out.written), o, bytes, 0, &st);
        if (!lm_ok(&st) || !same(&out.content, &back.content))
            why = say("[%s] was written as [%s] and read as [%s] %s", lm_buf_cstr(&out.content), lm_buf_cstr(&out.written),
                      lm_buf_cstr(&back.content), st.message);
        run_free(&back);
    }
    run_free(&out);
    return why;
}
