/* Text records from CoNLL blocks: a word and what is said of it a line, in columns; a blank line behind each
 * sentence.
 *
 * Columns are parted by tabs where the first line has one, else by white space. Those of CoNLL-U are known:
 * its comments, words that stand for several (3-4) and empty nodes (3.1) are no words. A column becomes a
 * cell that is a JSON list. */
#include "stream/cells.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static lm_str trim(lm_str s)
{
    while (s.len && is_space(s.data[s.len - 1]))
        s.len--;
    while (s.len && (s.data[0] == ' ' || s.data[0] == '\r'))
        s = (lm_str){s.data + 1, s.len - 1};
    return s;
}

/* The next column of a line; false where there is none. */
static bool next_column(char separator, lm_str *rest, lm_str *column)
{
    size_t n = 0;
    if (!rest->data)
        return false;
    if (separator) {
        while (n < rest->len && rest->data[n] != separator)
            n++;
        *column = (lm_str){rest->data, n};
        *rest = n < rest->len ? (lm_str){rest->data + n + 1, rest->len - n - 1} : (lm_str){NULL, 0};
        return true;
    }
    while (rest->len && is_space(rest->data[0]))
        *rest = (lm_str){rest->data + 1, rest->len - 1};
    while (n < rest->len && !is_space(rest->data[n]))
        n++;
    *column = (lm_str){rest->data, n};
    *rest = (lm_str){rest->data + n, rest->len - n};
    return n > 0;
}

static size_t count_columns(char separator, lm_str line)
{
    lm_str column;
    size_t n = 0;
    while (next_column(separator, &line, &column))
        n++;
    return n;
}

/* The first line with a word says what the others have to look like. */
static void learn_columns(lm_records *r, lm_str line)
{
    r->separator = memchr(line.data, '\t', line.len) ? '\t' : '\0';
    r->columns = count_columns(r->separator, line);
    r->columns_line = r->line;
    r->conllu = r->columns == 10 && r->separator && isdigit((unsigned char)line.data[0]);
}

/* A comment: in tables with tabs, a line that has none; in others, one with another number of columns. */
static bool is_comment(const lm_records *r, lm_str line)
{
    if (line.data[0] != '#')
        return false;
    if (r->separator)
        return !memchr(line.data, '\t', line.len);
    return line.len > 1 && line.data[1] == ' ' && count_columns('\0', line) != r->columns;
}

/* CoNLL-U: a range of words, or an empty node. */
static bool is_no_word(const lm_records *r, lm_str line)
{
    lm_str number;
    return r->conllu && next_column('\t', &line, &number) &&
           (memchr(number.data, '-', number.len) || memchr(number.data, '.', number.len));
}

static bool is_document_start(lm_str line)
{
    static const char mark[] = "-DOCSTART-";
    return line.len >= sizeof mark - 1 && !memcmp(line.data, mark, sizeof mark - 1) &&
           (line.len == sizeof mark - 1 || is_space(line.data[sizeof mark - 1]));
}

/* A line of the sentence into r->block, less what is no word. */
static bool take_word(lm_records *r, lm_str line, lm_status *st)
{
    if (!lm_records_utf8(r, line, false, &line, st))
        return false;
    if (is_document_start(line)) {
        r->documents += r->in_document;
        r->in_document = false;
        return true;
    }
    if (is_comment(r, line))
        return true;
    if (!r->columns)
        learn_columns(r, line);
    if (r->columns > LM_TEXT_FIELDS_MAX)
        return lm_fail_record(r, st, "more than %d columns", LM_TEXT_FIELDS_MAX);
    if (is_no_word(r, line))
        return true;
    size_t n = count_columns(r->separator, line);
    if (n != r->columns)
        return lm_fail_record(r, st, "%zu columns where line %" PRIu64 " has %zu", n, r->columns_line,
                              r->columns);
    if (r->block.len + line.len >= LM_TEXT_RECORD_MAX)
        return lm_fail_record(r, st, "a sentence of more than %d bytes: is a blank line missing?",
                              LM_TEXT_RECORD_MAX);
    lm_buf_append(&r->block, line.data, line.len);
    lm_buf_putc(&r->block, '\n');
    return true;
}

/* The lines of the next sentence; once one is wrong, the others are only passed over. */
static lm_take take_lines(lm_records *r, lm_status *st)
{
    uint64_t first = 0, wrong = 0;
    lm_str line;
    bool end;
    r->block.len = 0;
    for (;;) {
        if (!lm_input_line(r->in, LM_TEXT_RECORD_MAX, &line, &end, NULL, lm_ok(st) ? st : &(lm_status){0}))
            return LM_TAKE_FAILED;
        if (end && !r->block.len && !wrong)
            return LM_TAKE_END;
        if (!end)
            r->line = r->next_line++;
        line = trim(line);
        if (end || !line.len) {
            if (!r->block.len && !wrong)
                continue; /* one of several blank lines */
            r->line = wrong ? wrong : first;
            return wrong ? LM_TAKE_BAD : LM_TAKE_RECORD;
        }
        if (!wrong && !take_word(r, line, st)) {
            wrong = r->line;
            r->source = (lm_str){lm_arena_strndup(r->arena, line.data, line.len), line.len};
        }
        if (!first && r->block.len)
            first = r->line;
    }
}

/* Column `wanted` of all lines as a JSON list. */
static lm_str list_of(lm_records *r, size_t wanted)
{
    lm_buf *b = &r->clean;
    lm_str rest = lm_buf_str(&r->block), line, column = {"", 0};
    b->len = 0;
    while (lm_str_take_line(&rest, &line)) {
        for (size_t i = 0; i <= wanted; i++)
            next_column(r->separator, &line, &column);
        lm_buf_putc(b, b->len ? ',' : '[');
        lm_json_string(column, b);
    }
    lm_buf_putc(b, ']');
    return (lm_str){lm_arena_strndup(r->arena, b->data, b->len), b->len};
}

lm_take lm_take_conll(lm_records *r, lm_status *st)
{
    static const char *const names[10] = {"ID",    "FORM", "LEMMA",  "UPOS", "XPOS",
                                          "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"};
    lm_take take = take_lines(r, st);
    if (take != LM_TAKE_RECORD)
        return take;
    r->in_document = true;
    r->source = lm_buf_str(&r->block);
    for (size_t i = 0; i < r->columns; i++) {
        lm_str list = list_of(r, i);
        *lm_cell_add(r) = (lm_cell){.name = lm_str_of(r->conllu ? names[i] : NULL), .value = list, .json = true};
    }
    return LM_TAKE_RECORD;
}
