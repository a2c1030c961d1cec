/* Blocks of text records: cut out of the input. */
#include "stream/blocks.h"
#include "base/atomic.h"
#include "base/memory.h"
#include "stream/blocks_internal.h"

#include <inttypes.h>
#include <stdlib.h>

enum { BLOCK = 1 << 20 };

/* ---------------------------------------------------------------------------------------------------- cutting */

/* How far the bytes of a block have been looked at. */
typedef struct cut {
    size_t begin;     /* of the line or row in hand */
    size_t seen;      /* lines: bytes that have no LF from `begin` on */
    size_t end;       /* of the last record */
    uint64_t records;
    lm_row_scan row;
} cut;

static void end_record(cut *c, size_t end, bool blank)
{
    c->begin = c->seen = end;
    if (blank)
        return;
    c->end = end;
    c->records++;
}

static void cut_lines(const lm_blocks *b, cut *c, lm_str bytes, bool at_end)
{
    while (c->begin < bytes.len) {
        const char *lf = c->seen < bytes.len ? memchr(bytes.data + c->seen, '\n', bytes.len - c->seen) : NULL;
        if (!lf && !at_end) {
            c->seen = bytes.len;
            return;
        }
        size_t end = lf ? (size_t)(lf - bytes.data) : bytes.len;
        lm_str line = {bytes.data + c->begin, end - c->begin};
        end_record(c, end + (lf != NULL), lm_is_blank_line(b->head->format, line));
    }
}

static void cut_rows(const lm_blocks *b, cut *c, lm_str bytes, bool at_end)
{
    const lm_row_scan begin = lm_row_scan_of(b->head->format, &b->head->options);
    while (c->begin < bytes.len) {
        lm_str row = {bytes.data + c->begin, bytes.len - c->begin};
        lm_row_end end = lm_row_scan_on(&c->row, row, at_end);
        if (end == LM_ROW_CUT)
            return;
        bool blank = end == LM_ROW_WHOLE && c->row.blank;
        end_record(c, c->begin + c->row.p + (c->row.p < row.len), blank);
        c->row = begin;
    }
}

static bool fail_long(const lm_blocks *b, uint64_t line, lm_status *st)
{
    if (lm_is_table(b->head->format))
        return lm_fail(st, LM_FAILED, "%s:%" PRIu64 ": a row of more than %d bytes: is a quote not closed?", b->head->file, line,
                       LM_TEXT_ROW_MAX);
    return lm_fail(st, LM_FAILED, "%s:%" PRIu64 ": a line of more than %d bytes: is this text?", b->head->file, line,
                   LM_TEXT_RECORD_MAX);
}

/* Room for `size` bytes, which come from outside. */
static bool make_room(const lm_blocks *b, lm_buf *bytes, size_t size, lm_status *st)
{
    if (size <= bytes->cap)
        return true;
    char *grown = realloc(bytes->data, size);
    if (!grown)
        return lm_fail(st, LM_FAILED, "%s: no memory for a record of more than %zu bytes", b->head->file, bytes->len);
    bytes->data = grown;
    bytes->cap = size;
    return true;
}

/* Reads on, up to `target` bytes; what came before a failure is there. *at_end: of the member. */
static bool fill(lm_blocks *b, lm_buf *bytes, size_t target, bool *at_end, lm_status *st)
{
    enum { SLICE = 256 * 1024 };
    bool ok = make_room(b, bytes, target, st);
    for (*at_end = false; ok && bytes->len < target && !*at_end;) {
        size_t want = target - bytes->len < SLICE ? target - bytes->len : SLICE, got = 0;
        ok = lm_input_read(b->in, bytes->data + bytes->len, want, &got, st);
        bytes->len += got;
        *at_end = ok && got < want;
    }
    return ok;
}

/* Fills the block with whole records and leaves what is behind them in b->carry. *at_end: of the member. */
static bool cut_block(lm_blocks *b, struct lm_block_inside *n, cut *c, bool *at_end, lm_status *st)
{
    size_t target = b->options.bytes, most = lm_is_table(b->head->format) ? LM_TEXT_ROW_MAX : LM_TEXT_RECORD_MAX;
    lm_buf *bytes = &n->bytes;
    *c = (cut){.row = lm_row_scan_of(b->head->format, &b->head->options)};
    bytes->len = 0;
    lm_buf_append(bytes, b->carry.data, b->carry.len);
    for (;;) {
        if (target <= bytes->len)
            target = 2 * bytes->len;
        bool ok = fill(b, bytes, target, at_end, st);
        (lm_is_table(b->head->format) ? cut_rows : cut_lines)(b, c, lm_buf_str(bytes), *at_end);
        if (!ok && !c->end)
            return false;
        if (!ok) { /* what came before the failure first */
            b->failed = *st;
            lm_status_clear(st);
        }
        if (*at_end || c->end)
            break;
        if (bytes->len - c->begin > most)
            return fail_long(b, n->line + lm_count_lines((lm_str){bytes->data, c->begin}), st);
        if (c->begin >= BLOCK) { /* as many blank lines as fill a block: those that follow stay, and a record */
            n->line += lm_count_lines((lm_str){bytes->data, c->begin});
            memmove(bytes->data, bytes->data + c->begin, bytes->len - c->begin);
            bytes->len -= c->begin;
            c->seen -= c->begin;
            c->begin = 0;
        }
    }
    b->carry.len = 0;
    lm_buf_append(&b->carry, bytes->data + c->end, bytes->len - c->end);
    bytes->len = c->end;
    b->line = n->line + lm_count_lines((lm_str){bytes->data, c->end});
    return true;
}

/* Blank lines at the end of a member stand before what the next one has. */
static void begin_lines(lm_blocks *b)
{
    if (b->carry.len && b->carry.data[b->carry.len - 1] != '\n')
        lm_buf_putc(&b->carry, '\n');
    b->line = 1 - lm_count_lines(lm_buf_str(&b->carry)); /* below 1, modulo 2^64 */
}

/* 1: a block; 0: the member has no more. */
static int next_of_lines(lm_blocks *b, lm_block *block, lm_status *st)
{
    struct lm_block_inside *n = block->inside;
    cut c;
    bool at_end = false;
    while (!at_end) {
        n->line = b->line;
        if (!lm_ok(&b->failed)) {
            *st = b->failed;
            return -1;
        }
        if (!cut_block(b, n, &c, &at_end, st))
            return -1;
        if (!c.records)
            continue;
        if (!lm_form_find(b, n, st))
            return -1;
        block->records = c.records - (n->skip > 0);
        if (block->records)
            return 1;
    }
    return 0;
}

/* ---------------------------------------------------------------------------------------------------- copied records */

/* Of LMS text that was no such in the input: its members have the names of LMS. */
static lm_form *made_form(lm_blocks *b)
{
    lm_form *f = lm_form_new(b, b->head);
    lm_records *r = &f->state;
    lm_selectors *const all[] = {&r->text, &r->pair, &r->label, &r->id, &r->answer, &r->target, &r->weight};
    static const char *const names[] = {"text", "pair", "label"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        all[i]->count = 0;
        all[i]->given = false;
        if (i < 3)
            lm_selectors_set(all[i], names[i], 0);
    }
    r->options = (lm_records_options){.textless = b->options.records.textless};
    r->format = LM_FORMAT_LMS;
    r->guessed = true;
    f->framed = false;
    return f;
}

static void add_place(lm_block *block, lm_place place)
{
    struct lm_block_inside *n = block->inside;
    lm_buf_putc(&n->bytes, '\n');
    LM_GROW(n->places, n->place_count, n->place_cap);
    n->places[n->place_count++] = place;
    block->records++;
}

/* 1: a record or a flush was copied; 0: the end of all; -1: failed. */
static int copy_lms(lm_blocks *b, lm_block *block, lm_status *st)
{
    lm_record record;
    int rc = lm_lms_next(b->head->lms, &record, st);
    block->flush = rc > 0 && record.flush;
    if (rc <= 0 || record.flush)
        return rc;
    lm_str line = record.line;
    while (line.len && (line.data[line.len - 1] == ' ' || line.data[line.len - 1] == '\n'))
        line.len--;
    lm_buf_append(&block->inside->bytes, line.data, line.len);
    add_place(block, (lm_place){b->number + block->records, record.number, false});
    return rc;
}

static int copy_made(lm_blocks *b, lm_block *block, lm_status *st)
{
    lm_text_record t;
    int rc = lm_records_next(b->head, &t, st);
    block->flush = rc > 0 && t.flush;
    if (rc <= 0 || t.flush)
        return rc;
    lm_text_record_json(&t, true, &block->inside->bytes);
    add_place(block, (lm_place){t.number, t.line, t.asks});
    return rc;
}

/* Blocks of records that the reader of the whole input gives one by one, through all members that are left. */
static int next_of_copies(lm_blocks *b, lm_block *block, lm_status *st)
{
    struct lm_block_inside *n = block->inside;
    int rc = 1;
    n->bytes.len = 0;
    while (n->bytes.len < b->options.bytes && !block->flush && rc > 0)
        rc = b->head->lms && !b->form_made ? copy_lms(b, block, st) : copy_made(b, block, st);
    if (rc < 0 && block->records) { /* as in cut_block */
        b->failed = *st;
        lm_status_clear(st);
    } else if (rc < 0) {
        return -1;
    }
    if (b->form_made)
        n->form = b->form;
    else if (block->records && !lm_form_find(b, n, st))
        return -1;
    return block->records > 0 || block->flush;
}

/* ---------------------------------------------------------------------------------------------------- members */

/* A file of one JSON object a line is JSON Lines, whatever it is called. */
static bool is_json_lines(lm_blocks *b, lm_status *st)
{
    lm_str seen = {"", 0}, value;
    size_t before;
    const char *lf;
    do {
        before = seen.len;
        if (!lm_input_peek(b->in, before + 1, &seen, st))
            return false;
        lf = seen.len > before ? memchr(seen.data + before, '\n', seen.len - before) : NULL;
    } while (!lf && seen.len > before && seen.len <= LM_TEXT_ROW_MAX);
    size_t len = lf ? (size_t)(lf - seen.data) : seen.len;
    lm_json j = lm_json_over((lm_str){seen.data, len});
    if (!len || seen.data[0] != '{' || !lm_json_value(&j, &value))
        return false;
    lm_json_space(&j);
    return j.p == j.end && lm_input_peek(b->in, len + 2, &seen, st) && (seen.len < len + 2 || seen.data[len + 1] == '{');
}

static bool fail_form(const lm_blocks *b, lm_status *st)
{
    const char *file = b->head->file;
    switch (b->head->format) {
    case LM_FORMAT_CONLL:
        return lm_fail(st, LM_FAILED, "%s: CoNLL blocks are words with a tag each, which a text that is changed would not fit any "
                       "more", file);
    case LM_FORMAT_LMS:
        return lm_fail(st, LM_FAILED, "%s: a stream among files that are none: give --framed", file);
    default:
        return lm_fail(st, LM_FAILED, "%s: %s is not written again as it stands: give --framed, or make JSON Lines of it with "
                       "lms --plain", file, b->head->format == LM_FORMAT_TAR ? "an archive of records" : "a JSON array");
    }
}

static bool begin_member(lm_blocks *b, lm_status *st)
{
    lm_records *head = b->head;
    b->form = NULL;
    if (head->format == LM_FORMAT_JSON && !b->options.framed && is_json_lines(b, st))
        head->format = LM_FORMAT_JSONL;
    if (!lm_ok(st))
        return false;
    bool whole = head->format == LM_FORMAT_JSON || head->format == LM_FORMAT_TAR || (head->format == LM_FORMAT_LMS && !head->lms);
    b->copies = whole || head->format == LM_FORMAT_LMS;
    if (head->format == LM_FORMAT_CONLL || (whole && !b->options.framed))
        return fail_form(b, st);
    b->form_made = whole;
    if (whole) {
        b->form = made_form(b);
        head->number = b->number;
    }
    begin_lines(b);
    return true;
}

static int next(lm_blocks *b, lm_block *block, lm_status *st)
{
    for (;;) {
        if (!b->begun && !begin_member(b, st))
            return -1;
        b->begun = true;
        int rc = b->copies ? next_of_copies(b, block, st) : next_of_lines(b, block, st);
        if (rc != 0 || b->copies)
            return rc;
        rc = lm_input_next_member(b->in, st);
        if (rc <= 0)
            return rc;
        if (!lm_member_begin(b->head, st))
            return -1;
        b->begun = false;
    }
}

int lm_blocks_next(lm_blocks *b, lm_block *block, lm_status *st)
{
    if (!block->inside)
        block->inside = lm_calloc(1, sizeof *block->inside);
    lm_reader_end(&block->inside->reader);
    block->count = block->inside->place_count = 0;
    block->records = 0;
    block->flush = false;
    block->number = b->number;
    block->inside->rejects = b->options.records.rejects != NULL;
    if (!lm_ok(&b->failed))
        *st = b->failed;
    if (!lm_ok(st))
        return -1;
    int rc = b->ended ? 0 : next(b, block, st);
    b->ended = rc <= 0;
    if (rc <= 0)
        return rc;
    if (block->inside->place_count) {
        const lm_place *places = block->inside->places;
        block->number = places[0].number;
        b->number = places[block->records - 1].number + 1;
    } else {
        b->number += block->records;
    }
    return 1;
}

/* ---------------------------------------------------------------------------------------------------- opening */

lm_blocks *lm_blocks_new(lm_input *in, const lm_blocks_options *options, lm_status *st)
{
    lm_blocks *b = lm_calloc(1, sizeof *b);
    b->in = in;
    b->options = *options;
    b->options.bytes = options->bytes ? options->bytes : BLOCK;
    b->options.records.no_fields = b->options.records.no_id = !options->framed;
    b->number = options->records.offset;
    b->head = lm_records_new(in, &b->options.records, st);
    if (!b->head) {
        lm_blocks_free(b);
        return NULL;
    }
    return b;
}

void lm_blocks_free(lm_blocks *b)
{
    if (!b)
        return;
    while (b->forms) {
        lm_form *f = b->forms;
        b->forms = f->next;
        lm_form_free(f);
    }
    lm_records_free(b->head);
    lm_buf_free(&b->carry);
    free(b);
}

void lm_block_free(lm_block *block)
{
    struct lm_block_inside *n = block->inside;
    if (n) {
        lm_reader_free(&n->reader);
        lm_buf_free(&n->bytes);
        free(n->places);
        free(n);
    }
    free(block->sources);
    *block = (lm_block){0};
}

bool lm_blocks_framed(const lm_blocks *b)
{
    return b->options.framed || b->head->lms;
}

/* ---------------------------------------------------------------------------------------------------- counting */

void lm_blocks_count(lm_blocks *b, const lm_block *block)
{
    for (size_t i = 0; i < block->count; i++) {
        const lm_source *s = &block->sources[i];
        b->given += !s->why;
        b->rejected += s->why && !s->unwanted;
        if (s->why || !s->replaced)
            continue;
        if (!b->replaced++)
            lm_warn_replaced(s->file, s->line);
    }
}

uint64_t lm_blocks_given(const lm_blocks *b)
{
    return b->given;
}

uint64_t lm_blocks_rejected(const lm_blocks *b)
{
    return b->rejected + lm_records_rejected(b->head);
}

uint64_t lm_blocks_replaced(const lm_blocks *b)
{
    return b->replaced + lm_records_replaced(b->head);
}

bool lm_blocks_reject(lm_blocks *b, const lm_source *s, const char *why, lm_status *st)
{
    if (b->head->rejects < 0)
        return true;
    lm_str record = s->bytes;
    while (!s->why && record.len && (record.data[record.len - 1] == '\n' || record.data[record.len - 1] == '\r'))
        record.len--;
    lm_buf line = {0};
    lm_reject_line(s->file, s->line, why, record, &line);
    bool ok = lm_write_all(b->head->rejects, line.data, line.len, b->options.records.rejects, st);
    lm_buf_free(&line);
    return ok;
}
