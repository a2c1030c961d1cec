/* Blocks of text records: written in the form that they came in. */
#include "base/atomic.h"
#include "base/memory.h"
#include "base/tool.h"
#include "stream/blocks_internal.h"

#include <stdlib.h>

static lm_row_scan row_of(const lm_form *f)
{
    return lm_row_scan_of(f->format, &f->state.options);
}

/* ---------------------------------------------------------------------------------------------------- values */

/* Without `but`, of which each byte becomes a space. */
static void write_plain(lm_str value, const char *but, lm_buf *out)
{
    size_t at = out->len;
    lm_buf_append(out, value.data, value.len);
    for (; value.len && *but; but++) {
        char *p = out->data + at, *end = out->data + out->len;
        while ((p = memchr(p, *but, (size_t)(end - p))))
            *p = ' ';
    }
}

static void write_quoted(lm_str value, lm_buf *out)
{
    const char *p = value.data, *end = p + value.len;
    lm_buf_reserve(out, value.len + 2);
    lm_buf_putc(out, '"');
    while (p < end) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        size_t n = quote ? (size_t)(quote - p) + 1 : (size_t)(end - p);
        lm_buf_append(out, p, n);
        if (quote)
            lm_buf_putc(out, '"');
        p += n;
    }
    lm_buf_putc(out, '"');
}

static bool needs_quotes(lm_str value, char separator)
{
    const char some[] = {separator, '"', '\n', '\r'};
    for (size_t i = 0; value.len && i < sizeof some; i++)
        if (memchr(value.data, some[i], value.len))
            return true;
    return false;
}

/* A cell of a table, with quotes where it needs them or had them. */
static void write_cell(const lm_form *f, lm_str value, bool quoted, lm_buf *out)
{
    lm_row_scan row = row_of(f);
    if (!row.quotes)
        write_plain(value, "\t\r\n", out);
    else if (quoted || needs_quotes(value, row.separator))
        write_quoted(value, out);
    else
        lm_buf_append(out, value.data, value.len);
}

static void write_text(const lm_source *s, const lm_source_text *t, lm_str text, lm_buf *out)
{
    if (lm_is_table(s->form->format))
        write_cell(s->form, text, t->end > t->begin && s->bytes.data[t->begin] == '"', out);
    else if (s->form->format == LM_FORMAT_TEXT)
        write_plain(text, "\r\n", out);
    else
        lm_json_string(text, out);
}

/* ---------------------------------------------------------------------------------------------------- the extra field */

/* A list with the elements of another behind its own; what is no list is replaced. */
static void write_list(lm_str old, lm_str more, lm_buf *out)
{
    bool lists = old.len >= 2 && more.len > 2 && old.data[0] == '[' && old.data[old.len - 1] == ']' && more.data[0] == '[';
    if (!lists) {
        lm_buf_append(out, more.data, more.len);
        return;
    }
    lm_json j = lm_json_over((lm_str){old.data + 1, old.len - 1});
    lm_json_space(&j);
    lm_buf_append(out, old.data, old.len - 1);
    lm_buf_puts(out, *j.p == ']' ? "" : ",");
    lm_buf_append(out, more.data + 1, more.len - 1);
}

static void write_list_cell(const lm_source *s, lm_str old, lm_str extra, lm_buf *out)
{
    bool quoted = row_of(s->form).quotes && old.len >= 2 && old.data[0] == '"';
    char *room = lm_malloc(old.len + 1, 1);
    lm_buf list = {0};
    if (quoted)
        old = lm_csv_unquote((lm_str){old.data + 1, old.len - 2}, room);
    write_list(old, extra, &list);
    write_cell(s->form, lm_buf_str(&list), quoted, out);
    lm_buf_free(&list);
    free(room);
}

static void write_member(const char *name, lm_str value, lm_buf *out)
{
    lm_json_string(lm_str_of(name), out);
    lm_buf_putc(out, ':');
    lm_buf_append(out, value.data, value.len);
}

static void write_extra(const lm_source *s, lm_str extra, lm_buf *out)
{
    lm_str old = {s->bytes.data + s->extra_begin, s->extra_end - s->extra_begin};
    switch (s->extra_place) {
    case LM_EXTRA_MEMBER:
        lm_buf_putc(out, ',');
        write_member(s->form->extra, extra, out);
        break;
    case LM_EXTRA_FIRST:
        write_member(s->form->extra, extra, out);
        break;
    case LM_EXTRA_ELEMENT:
        lm_buf_putc(out, ',');
        lm_buf_append(out, extra.data, extra.len);
        break;
    case LM_EXTRA_FIELDS:
        lm_buf_puts(out, ",\"fields\":{");
        write_member(s->form->extra, extra, out);
        lm_buf_putc(out, '}');
        break;
    case LM_EXTRA_VALUE:
        write_list(old, extra, out);
        break;
    case LM_EXTRA_CELL:
        write_list_cell(s, old, extra, out);
        break;
    default: /* a new column, which every row has */
        lm_buf_putc(out, row_of(s->form).separator);
        if (extra.data)
            write_cell(s->form, extra, false, out);
    }
}

/* ---------------------------------------------------------------------------------------------------- records */

static bool is_changed(const lm_source_text *t, lm_str now)
{
    return t->changed || (now.data != t->text.data || now.len != t->text.len ? !lm_str_equal(now, t->text) : false);
}

/* What is written anew, in the order in which it stands: a text, or text_count for the extra field; -1: no more. `done`: those
 * that have been. */
static int next_edit(const lm_source *s, const lm_str *texts, bool extra, uint64_t done)
{
    int best = -1;
    size_t first = SIZE_MAX;
    for (int i = 0; i <= s->text_count; i++) {
        size_t begin = i < s->text_count ? s->texts[i].begin : s->extra_begin;
        bool wanted = i < s->text_count ? is_changed(&s->texts[i], texts[i]) : extra;
        if (wanted && !(done >> i & 1) && begin < first) {
            best = i;
            first = begin;
        }
    }
    return best;
}

/* Whether something is left that a reader takes for a record. */
static bool is_record(const lm_source *s, const lm_str *texts)
{
    if (s->text_count != 1 || !is_changed(&s->texts[0], texts[0]))
        return true;
    if (lm_is_table(s->form->format))
        return s->form->state.columns > 1 || s->extra_place == LM_EXTRA_COLUMN || texts[0].len;
    if (s->form->format != LM_FORMAT_TEXT)
        return true;
    for (size_t i = 0; i < texts[0].len; i++)
        if (!memchr(" \t\r\n", texts[0].data[i], 4))
            return true;
    return false;
}

bool lm_source_write(const lm_source *s, const lm_str *texts, lm_str extra, lm_buf *out)
{
    bool with_extra = s->extra_place == LM_EXTRA_COLUMN || (s->extra_place && extra.data);
    size_t at = 0;
    uint64_t done = 0;
    if (!is_record(s, texts))
        return false;
    if (out->len && out->data[out->len - 1] != '\n')
        lm_buf_puts(out, s->form->line_end);
    for (int i; (i = next_edit(s, texts, with_extra, done)) >= 0; done |= (uint64_t)1 << i) {
        bool text = i < s->text_count;
        size_t begin = text ? s->texts[i].begin : s->extra_begin, end = text ? s->texts[i].end : s->extra_end;
        if (begin < at)
            continue; /* within what has been written anew */
        lm_buf_append(out, s->bytes.data + at, begin - at);
        if (text)
            write_text(s, &s->texts[i], texts[i], out);
        else
            write_extra(s, extra, out);
        at = end;
    }
    lm_buf_append(out, s->bytes.data + at, s->bytes.len - at);
    return true;
}

/* ---------------------------------------------------------------------------------------------------- spools */

static void pack_str(lm_str s, lm_buf *out)
{
    lm_buf_append(out, &s.len, sizeof s.len);
    lm_buf_append(out, s.data, s.len);
}

void lm_source_pack(const lm_source *s, const lm_str *texts, lm_buf *out)
{
    lm_source fixed = *s;
    fixed.label.data = s->label.data ? "" : NULL; /* whether there is one */
    lm_buf_append(out, &fixed, sizeof fixed);
    pack_str(s->lead, out);
    pack_str(s->bytes, out);
    pack_str(s->label, out);
    for (int i = 0; i < s->text_count; i++) {
        lm_source_text t = s->texts[i];
        t.changed = is_changed(&t, texts[i]);
        lm_buf_append(out, &t, sizeof t);
        pack_str(texts[i], out);
    }
}

static bool take_bytes(lm_str *bytes, void *to, size_t n)
{
    if (bytes->len < n)
        return false;
    memcpy(to, bytes->data, n);
    *bytes = (lm_str){bytes->data + n, bytes->len - n};
    return true;
}

static bool take_str(lm_str *bytes, lm_str *s)
{
    size_t n;
    if (!take_bytes(bytes, &n, sizeof n) || bytes->len < n)
        return false;
    *s = (lm_str){bytes->data, n};
    *bytes = (lm_str){bytes->data + n, bytes->len - n};
    return true;
}

bool lm_source_unpack(lm_str *bytes, lm_arena *arena, lm_source *s)
{
    if (!take_bytes(bytes, s, sizeof *s) || s->text_count < 0 || s->text_count > 2 * LM_PARTS_MAX)
        return false;
    bool label = s->label.data != NULL;
    if (!take_str(bytes, &s->lead) || !take_str(bytes, &s->bytes) || !take_str(bytes, &s->label))
        return false;
    if (!label)
        s->label.data = NULL;
    s->texts = lm_arena_alloc(arena, (size_t)s->text_count + 1, sizeof *s->texts);
    for (int i = 0; i < s->text_count; i++)
        if (!take_bytes(bytes, &s->texts[i], sizeof s->texts[i]) || !take_str(bytes, &s->texts[i].text))
            return false;
    return true;
}

/* ---------------------------------------------------------------------------------------------------- the end of the way */

struct lm_blocks_writer {
    const lm_blocks *blocks;
    lm_lms_writer *lms; /* NULL: bytes as they are */
    int fd;
    char *name;
    lm_buf out;
    bool begun;         /* the header row has been put */
    char last;          /* byte that was put */
};

lm_blocks_writer *lm_blocks_writer_new(const lm_blocks *b, int fd, const char *name, const char *command, lm_status *st)
{
    lm_blocks_writer *w = lm_calloc(1, sizeof *w);
    json_t *preamble = lm_records_preamble(b->head);
    w->blocks = b;
    w->fd = fd;
    w->name = lm_strdup(name);
    w->last = '\n';
    if (lm_blocks_framed(b) && lm_tool_refuse_terminal(fd, "streams", st))
        w->lms = lm_lms_writer_new(fd, name, LM_KIND_TEXT, preamble, json_object_get(preamble, "via"), command, st);
    if (!lm_ok(st)) {
        lm_blocks_writer_free(w);
        return NULL;
    }
    return w;
}

void lm_blocks_writer_free(lm_blocks_writer *w)
{
    if (!w)
        return;
    lm_lms_writer_free(w->lms);
    lm_buf_free(&w->out);
    free(w->name);
    free(w);
}

static bool drain(lm_blocks_writer *w, lm_status *st)
{
    size_t n = w->out.len;
    w->out.len = 0;
    return lm_write_all(w->fd, w->out.data, n, w->name, st);
}

static bool put(lm_blocks_writer *w, lm_str bytes, lm_status *st)
{
    enum { BUFFER = 256 * 1024 };
    if (!bytes.len)
        return true;
    if (w->last != '\n')
        lm_buf_putc(&w->out, '\n');
    w->last = bytes.data[bytes.len - 1];
    if (bytes.len < BUFFER)
        lm_buf_append(&w->out, bytes.data, bytes.len);
    if (w->out.len >= BUFFER || bytes.len >= BUFFER)
        if (!drain(w, st))
            return false;
    return bytes.len < BUFFER || lm_write_all(w->fd, bytes.data, bytes.len, w->name, st);
}

/* The header row, once, with the column that is added. */
static bool put_header(lm_blocks_writer *w, lm_status *st)
{
    const lm_form *f = w->blocks->headed;
    if (w->begun || !f)
        return true;
    w->begun = true;
    lm_str row = lm_buf_str(&f->head);
    size_t end = row.len;
    while (end && (row.data[end - 1] == '\n' || row.data[end - 1] == '\r'))
        end--;
    lm_buf header = {0};
    lm_buf_append(&header, row.data, end);
    if (f->extra && f->extra_column == f->state.columns) {
        lm_buf_putc(&header, row_of(f).separator);
        write_cell(f, lm_str_of(f->extra), false, &header);
    }
    lm_buf_append(&header, row.data + end, row.len - end);
    bool ok = put(w, lm_buf_str(&header), st);
    lm_buf_free(&header);
    return ok;
}

static bool put_records(lm_blocks_writer *w, lm_str lines, lm_status *st)
{
    lm_str line;
    while (lm_str_take_line(&lines, &line))
        if (!lm_lms_write_members(w->lms, (lm_str){line.data + 1, line.len - 2}, 1, NULL, 0, st))
            return false;
    return true;
}

bool lm_blocks_put(lm_blocks_writer *w, lm_str written, lm_status *st)
{
    if (w->lms)
        return put_records(w, written, st);
    return put_header(w, st) && put(w, written, st);
}

bool lm_blocks_flush(lm_blocks_writer *w, lm_status *st)
{
    return w->lms ? lm_lms_write_flush(w->lms, st) : drain(w, st);
}

bool lm_blocks_writer_close(lm_blocks_writer *w, lm_status *st)
{
    const lm_blocks *b = w->blocks;
    if (w->lms)
        return lm_lms_writer_close(w->lms, st);
    if (lm_ok(st) && put_header(w, st)) /* which is all of a table without rows */
        put(w, lm_buf_str(&b->carry), st);
    lm_status ignored = LM_STATUS_INIT; /* what has been put goes out, whatever failed */
    drain(w, lm_ok(st) ? st : &ignored);
    return lm_ok(st);
}
