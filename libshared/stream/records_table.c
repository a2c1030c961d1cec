/* Text records from csv (RFC 4180) and tsv. */
#include "base/memory.h"
#include "base/utf8.h"
#include "stream/cells.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Where the scanner of a row stands. */
enum {
    AT_FIELD,  /* at the first byte of a field */
    AT_PLAIN,  /* within a field without quotes */
    AT_QUOTED, /* within quotes */
    AT_QUOTE,  /* behind a quote within quotes: an escaped one, or the end */
    AT_DAMAGE  /* behind what cannot be: on to the end of the line */
};

lm_row_scan lm_row_scan_of(lm_text_format format, const lm_records_options *o)
{
    return (lm_row_scan){.separator = format == LM_FORMAT_CSV ? ',' : '\t', .quotes = format == LM_FORMAT_CSV || o->tsv_quotes};
}

static void end_field(lm_row_scan *s, size_t end)
{
    size_t from = s->quoted ? s->begin + 1 : s->begin, to = s->quoted ? end - 1 : end;
    s->blank = s->fields == 0 && from == to;
    s->fields++;
    s->at = AT_FIELD;
    if (s->spans) {
        LM_GROW(s->spans->items, s->spans->count, s->spans->cap);
        s->spans->items[s->spans->count++] = (lm_span){from, to, s->quoted, s->doubled};
    }
    s->quoted = s->doubled = false;
}

/* From `from` on, the first separator (or what is given for it) or LF; row.len where there is none. */
static size_t field_end(lm_str row, size_t from, char separator)
{
    size_t i = from;
#ifdef __SSE2__
    const __m128i a = _mm_set1_epi8(separator), b = _mm_set1_epi8('\n');
    for (; i + 16 <= row.len; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(row.data + i));
        int found = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, a), _mm_cmpeq_epi8(v, b)));
        if (found)
            return i + (size_t)__builtin_ctz((unsigned)found);
    }
#endif
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    for (; i + 8 <= row.len; i += 8) {
        uint64_t w;
        memcpy(&w, row.data + i, 8);
        uint64_t s = w ^ ones * (unsigned char)separator, lf = w ^ ones * '\n';
        if ((((s - ones) & ~s) | ((lf - ones) & ~lf)) & high)
            break;
    }
    while (i < row.len && row.data[i] != separator && row.data[i] != '\n')
        i++;
    return i;
}

/* Behind a quote within quotes. 1: the row ends at s->p, 0: it goes on, -1: more bytes are needed to tell. */
static int behind_quote(lm_row_scan *s, lm_str row, bool at_end)
{
    char c = row.data[s->p];
    if (c == '"') {
        s->doubled = true;
        s->at = AT_QUOTED;
        s->p++;
        return 0;
    }
    if (c == '\r') {
        if (s->p + 1 == row.len && !at_end)
            return -1;
        if (s->p + 1 == row.len || row.data[s->p + 1] == '\n') {
            end_field(s, s->p);
            s->p++;
            return 1;
        }
    }
    if (c != s->separator && c != '\n') {
        s->at = AT_DAMAGE;
        return 0;
    }
    end_field(s, s->p);
    s->p += c != '\n';
    return c == '\n';
}

/* A row without quotes, which ends at its LF, where nobody asks for its fields; false: it is to be looked at closely. */
static bool skip_plain(lm_row_scan *s, lm_str row)
{
    size_t end = field_end(row, 0, s->quotes ? '"' : '\n');
    if (end == row.len || row.data[end] != '\n')
        return false;
    s->p = end;
    s->blank = end == 0 || (end == 1 && row.data[0] == '\r');
    return true;
}

lm_row_end lm_row_scan_on(lm_row_scan *s, lm_str row, bool at_end)
{
    const char *d = row.data, *found;
    if (!s->spans && s->p == 0 && skip_plain(s, row))
        return LM_ROW_WHOLE;
    while (s->p < row.len) {
        switch (s->at) {
        case AT_FIELD:
            s->begin = s->p;
            s->quoted = d[s->p] == '"' && s->quotes;
            s->at = s->quoted ? AT_QUOTED : AT_PLAIN;
            s->p += s->quoted;
            continue;
        case AT_PLAIN:
            s->p = field_end(row, s->p, s->separator);
            if (s->p == row.len)
                break;
            bool last = d[s->p] == '\n';
            end_field(s, last && s->p > s->begin && d[s->p - 1] == '\r' ? s->p - 1 : s->p);
            if (last)
                return LM_ROW_WHOLE;
            s->p++;
            continue;
        case AT_QUOTED:
            found = memchr(d + s->p, '"', row.len - s->p);
            s->p = found ? (size_t)(found - d) + 1 : row.len;
            s->at = found ? AT_QUOTE : AT_QUOTED;
            continue;
        case AT_QUOTE: {
            int rc = behind_quote(s, row, at_end);
            if (rc != 0)
                return rc > 0 ? LM_ROW_WHOLE : LM_ROW_CUT;
            continue;
        }
        default:
            found = memchr(d + s->p, '\n', row.len - s->p);
            s->p = found ? (size_t)(found - d) : row.len;
            if (found)
                return LM_ROW_DAMAGED;
        }
    }
    if (!at_end)
        return LM_ROW_CUT;
    if (s->at == AT_DAMAGE || s->at == AT_QUOTED)
        return LM_ROW_DAMAGED;
    if (s->at == AT_FIELD)
        s->begin = s->p;
    end_field(s, s->at == AT_PLAIN && s->p > s->begin && d[s->p - 1] == '\r' ? s->p - 1 : s->p);
    return LM_ROW_WHOLE;
}

/* The next row's bytes and spans, line end consumed. */
static lm_take take_row(lm_records *r, lm_str *row, lm_status *st)
{
    lm_row_scan s = lm_row_scan_of(r->format, &r->options);
    size_t want = 1;
    s.spans = &r->spans;
    r->spans.count = 0;
    r->line = r->next_line;
    for (;;) {
        if (!lm_input_peek(r->in, want, row, st))
            return LM_TAKE_FAILED;
        bool at_end = row->len < want;
        if (row->len == 0)
            return LM_TAKE_END;
        lm_row_end end = lm_row_scan_on(&s, *row, at_end);
        if (end == LM_ROW_CUT && row->len <= LM_TEXT_ROW_MAX) {
            want = row->len + 1;
            continue;
        }
        if (end == LM_ROW_CUT) {
            lm_fail_record(r, st, "a row of more than %d bytes: is a quote not closed?", LM_TEXT_ROW_MAX);
            return LM_TAKE_FAILED;
        }
        if (end == LM_ROW_DAMAGED)
            lm_fail_record(r, st, s.at == AT_QUOTED ? "a quote is opened here in field %zu and never closed"
                                                    : "text behind the closing quote of field %zu: double the quotes within it",
                           s.fields + 1);
        size_t used = s.p < row->len ? s.p + 1 : s.p; /* with the LF */
        bool quoted = end != LM_ROW_WHOLE;
        for (size_t i = 0; i < r->spans.count; i++)
            quoted |= r->spans.items[i].quoted;
        r->next_line += quoted ? lm_count_lines((lm_str){row->data, used}) : used > s.p;
        lm_input_skip(r->in, used);
        row->len = end == LM_ROW_WHOLE ? s.p : used;
        r->source.data = row->data; /* by its members, as they are not written long enough to be read as one */
        r->source.len = row->len;
        return end == LM_ROW_WHOLE ? LM_TAKE_RECORD : LM_TAKE_BAD;
    }
}

lm_str lm_csv_unquote(lm_str v, char *out)
{
    char *o = out;
    const char *p = v.data, *end = p + v.len;
    while (p < end) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        size_t n = quote ? (size_t)(quote - p) + 1 : (size_t)(end - p);
        memcpy(o, p, n);
        o += n;
        p += n + (quote != NULL); /* the second one */
    }
    return (lm_str){out, (size_t)(o - out)};
}

/* The value of a span: as it stands, or with its doubled quotes made single. */
static lm_str value_of(lm_records *r, lm_str row, const lm_span *span)
{
    lm_str v = {row.data + span->begin, span->end - span->begin};
    return span->doubled ? lm_csv_unquote(v, lm_arena_alloc(r->arena, v.len + 1, 1)) : v;
}

static bool make_cells(lm_records *r, lm_str row, lm_status *st)
{
    bool clean = r->valid || lm_utf8_valid(row.data, row.len); /* field by field only where something is wrong */
    if (r->spans.count > LM_TEXT_FIELDS_MAX)
        return lm_fail_record(r, st, "more than %d fields", LM_TEXT_FIELDS_MAX);
    for (size_t i = 0; i < r->spans.count; i++) {
        lm_str value = value_of(r, row, &r->spans.items[i]);
        lm_cell *c = lm_cell_add(r);
        c->value = value;
        if (!clean && !lm_records_utf8(r, value, true, &c->value, st))
            return false;
        if (r->header && i < r->columns)
            c->name = r->header[i];
    }
    return true;
}

/* A NUL, which no name can have, becomes a question mark. */
static lm_str keep_name(lm_records *r, lm_str v)
{
    char *name = lm_arena_strndup(r->names, v.data, v.len), *nul = name;
    while ((nul = memchr(nul, '\0', v.len - (size_t)(nul - name))))
        *nul = '?';
    return (lm_str){name, v.len};
}

static void keep_header(lm_records *r)
{
    r->header = lm_arena_alloc(r->names, r->cell_count, sizeof *r->header);
    for (size_t i = 0; i < r->cell_count; i++) {
        lm_str v = keep_name(r, r->cells[i].value);
        r->header[i] = v;
        for (size_t k = 0; k < i; k++)
            if (lm_str_equal(r->header[k], v)) { /* a name that stands twice: the column's number tells them apart */
                char *name = lm_format("%.*s.%zu", (int)v.len, v.data, i + 1);
                r->header[i] = (lm_str){lm_arena_strndup(r->names, name, strlen(name)), strlen(name)};
                free(name);
                break;
            }
    }
}

/* The first row fixes the number of columns, and may be the header. */
static bool first_row(lm_records *r)
{
    r->columns = r->cell_count;
    r->columns_line = r->line;
    bool header = r->options.header == LM_HEADER_YES;
    if (r->options.header == LM_HEADER_GUESS)
        header = lm_guess_header(r);
    if (header)
        keep_header(r);
    return header;
}

lm_take lm_take_table(lm_records *r, lm_status *st)
{
    for (;;) {
        lm_str row;
        r->cell_count = 0;
        lm_take take = take_row(r, &row, st);
        if (take != LM_TAKE_RECORD)
            return take;
        if (r->spans.count == 1 && r->spans.items[0].begin == r->spans.items[0].end)
            continue; /* a blank line */
        if (r->header && r->line == r->columns_line)
            continue; /* the header, which who reads this block has been given */
        if (!make_cells(r, row, st))
            return LM_TAKE_BAD;
        if (!r->columns && first_row(r)) {
            r->header_end = (size_t)lm_input_offset(r->in);
            continue;
        }
        if (r->cell_count != r->columns) {
            lm_fail_record(r, st, "%zu fields where line %" PRIu64 " has %zu", r->cell_count, r->columns_line, r->columns);
            return LM_TAKE_BAD;
        }
        return LM_TAKE_RECORD;
    }
}

/* ---------------------------------------------------------------------------------------------------- guessing */

/* The fields of a csv line that begins at *p; -1: it is none (a quote that is not closed, text behind a quote). What is cut
 * by the end of what was seen is passed over: 0. *names: all fields are words, some known ones; *quoted: some field is. */
static int count_fields(lm_str seen, size_t *p, bool *known, bool *words, bool *quoted)
{
    int n = 0;
    *known = *quoted = false;
    *words = true;
    for (;;) {
        size_t begin = *p, end;
        bool quote = begin < seen.len && seen.data[begin] == '"';
        if (quote) {
            *quoted = true;
            for (++*p; *p < seen.len && !(seen.data[*p] == '"' && (*p + 1 == seen.len || seen.data[*p + 1] != '"')); ++*p)
                *p += seen.data[*p] == '"';
            if (*p >= seen.len)
                return 0;
            begin++;
            end = (*p)++;
            if (*p < seen.len && seen.data[*p] == '\r')
                ++*p;
            if (*p < seen.len && seen.data[*p] != ',' && seen.data[*p] != '\n')
                return -1;
        } else {
            while (*p < seen.len && seen.data[*p] != ',' && seen.data[*p] != '\n')
                ++*p;
            end = *p > begin && seen.data[*p - 1] == '\r' ? *p - 1 : *p;
        }
        lm_str field = {seen.data + begin, end - begin};
        *known |= lm_is_field_name(field);
        *words &= lm_is_identifier(field);
        n++;
        if (*p >= seen.len)
            return n;
        if (seen.data[(*p)++] == '\n')
            return n;
    }
}

bool lm_looks_like_csv(lm_str seen, const char **why)
{
    enum { LINES = 20 };
    bool known, words, quoted, header, more_known, more_words, some_quoted;
    size_t p = 0;
    int fields = count_fields(seen, &p, &known, &words, &quoted), lines = 1;
    header = words && known;
    some_quoted = quoted;
    if (fields < 2)
        return false;
    while (p < seen.len && lines < LINES) {
        size_t start = p;
        int n = count_fields(seen, &p, &more_known, &more_words, &quoted);
        if (n == 0 || (p == seen.len && seen.data[p - 1] != '\n' && n < fields))
            break; /* the last line may be cut */
        if (p - start <= 2 && n == 1)
            continue; /* blank */
        if (n != fields)
            return false;
        some_quoted |= quoted;
        lines++;
    }
    *why = header ? "its first line has names that fields usually have, parted by commas"
                  : "commas part its lines into equal numbers of fields, some of them in quotes";
    return header || (some_quoted && lines > 1);
}
