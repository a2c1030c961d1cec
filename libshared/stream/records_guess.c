/* What options leave open: a member's format and encoding, a table's header, and which fields are meant. Whatever is
 * guessed is said on the log. */
#include "base/log.h"
#include "base/utf8.h"
#include "stream/cells.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const lm_format_names[] = {"auto", "jsonl", "json", "csv", "tsv", "text", "conll", "tar", "lms", NULL};
const char *const lm_label_type_names[] = {"word", "id", "float", NULL};
const char *const lm_header_names[] = {"guess", "yes", "no", NULL};

/* ---------------------------------------------------------------------------------------------------- format */

static bool ends_with(lm_str s, const char *end)
{
    size_t n = strlen(end);
    return s.len > n && !strncasecmp(s.data + s.len - n, end, n);
}

static lm_text_format format_of_name(const char *name)
{
    static const char *const packed[] = {".gz", ".xz", ".zst", ".bz2", ".lz4", NULL};
    static const struct {
        const char *end;
        lm_text_format format;
    } known[] = {{".jsonl", LM_FORMAT_JSONL}, {".ndjson", LM_FORMAT_JSONL}, {".json", LM_FORMAT_JSON},
                 {".csv", LM_FORMAT_CSV}, {".tsv", LM_FORMAT_TSV}, {".tab", LM_FORMAT_TSV},
                 {".txt", LM_FORMAT_TEXT}, {".text", LM_FORMAT_TEXT},
                 {".conll", LM_FORMAT_CONLL}, {".conllu", LM_FORMAT_CONLL}, {".iob", LM_FORMAT_CONLL}, {".bio", LM_FORMAT_CONLL}};
    lm_str s = lm_str_of(name);
    for (size_t i = 0; packed[i]; i++)
        if (ends_with(s, packed[i]))
            s.len -= strlen(packed[i]);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (ends_with(s, known[i].end))
            return known[i].format;
    return LM_FORMAT_AUTO;
}

static bool is_json(lm_str line)
{
    lm_json j = lm_json_over(line);
    lm_str value;
    if (!lm_json_value(&j, &value))
        return false;
    lm_json_space(&j);
    return j.p == j.end;
}

static lm_str line_of(lm_str *rest)
{
    const char *lf = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    lm_str line = {rest->data, lf ? (size_t)(lf - rest->data) : rest->len};
    size_t used = line.len + (lf != NULL);
    rest->data += used;
    rest->len -= used;
    return line;
}

static bool is_object(lm_str seen)
{
    lm_str first = line_of(&seen);
    return first.len && first.data[0] == '{' && is_json(first);
}

static size_t count_byte(lm_str s, char c)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.data[i] == c;
    return n;
}

/* As CoNLL-2003 begins. */
static bool is_conll(const lm_records *r, lm_str seen)
{
    static const char mark[] = "-DOCSTART- ";
    if (seen.len < sizeof mark || memcmp(seen.data, mark, sizeof mark - 1) != 0)
        return false;
    lm_info("%s: read as CoNLL blocks, since it begins with -DOCSTART- (--input-format says otherwise)", r->file);
    return true;
}

/* By the first lines: objects and quoted fields show themselves; tabs make a table where the lines agree on them, commas
 * where there is more to it than that. */
static lm_text_format format_of_bytes(const lm_records *r, lm_str seen)
{

    size_t i = 0;
    while (i < seen.len && memchr(" \t\r\n", seen.data[i], 4))
        i++;
    lm_str rest = {seen.data + i, seen.len - i}, all = rest;
    const char *why;
    if (!rest.len)
        return LM_FORMAT_TEXT;
    char c = rest.data[0];
    if (is_conll(r, rest))
        return LM_FORMAT_CONLL;
    lm_str first = line_of(&rest), second = line_of(&rest);
    if (c == '[')
        return LM_FORMAT_JSON;
    if (c == '{')
        return is_json(first) ? LM_FORMAT_JSONL : LM_FORMAT_JSON;
    if (c == '"')
        return is_json(first) ? LM_FORMAT_JSONL : LM_FORMAT_CSV;
    size_t tabs = count_byte(first, '\t');
    if (tabs && (!second.len || count_byte(second, '\t') == tabs))
        return LM_FORMAT_TSV;
    if (!tabs && lm_looks_like_csv(all, &why)) {
        lm_info("%s: read as csv, since %s (--input-format says otherwise)", r->file, why);
        return LM_FORMAT_CSV;
    }
    return LM_FORMAT_TEXT;
}

/* Enough of the member to see its first two lines; what comes slowly is waited for only up to the first line. */
static bool look(lm_input *in, lm_str *seen, lm_status *st)
{
    enum { LOOK = 64 * 1024 };
    *seen = (lm_str){"", 0};
    for (;;) {
        size_t before = seen->len;
        if (!lm_input_peek(in, before + 1, seen, st))
            return false;
        if (seen->len == before || seen->len >= LOOK || memchr(seen->data + before, '\n', seen->len - before))
            return true;
    }
}

/* A byte-order mark names the encoding and is no text. */
static bool begin_encoding(lm_records *r, lm_status *st)
{
    const char *encoding = r->options.encoding;
    lm_str seen;
    if (encoding && strcasecmp(encoding, "utf-8") != 0 && strcasecmp(encoding, "utf8") != 0) {
        if (!lm_input_decode(r->in, encoding, st))
            return false;
    } else {
        if (!lm_input_peek(r->in, 4, &seen, st))
            return false;
        if (seen.len >= 2 && (!memcmp(seen.data, "\xff\xfe", 2) || !memcmp(seen.data, "\xfe\xff", 2))) {
            bool wide = seen.len >= 4 && !memcmp(seen.data, "\xff\xfe\0\0", 4);
            if (!lm_input_decode(r->in, wide ? "UTF-32" : "UTF-16", st))
                return false;
        } else if (seen.len == 4 && seen.data[0] && !seen.data[1] && seen.data[2] && !seen.data[3]) {
            lm_warn("%s: this looks like UTF-16 (every second byte is 0): --encoding utf-16le reads it", r->file);
        }
    }
    if (!lm_input_peek(r->in, 3, &seen, st))
        return false;
    if (seen.len >= 3 && !memcmp(seen.data, "\xef\xbb\xbf", 3))
        lm_input_skip(r->in, 3);
    return true;
}

/* Whether a field is asked for that a line of text has not: it is one field, 1. */
static bool asks_for_fields(const lm_records_options *o)
{
    const char *const beside[] = {o->pair, o->label, o->target, o->weight};
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        if (beside[i] && *beside[i])
            return true;
    return o->text && *o->text && strcmp(o->text, "1") != 0;
}

/* Names that are known to mislead: tables with tabs called csv, and tables called txt. */
static void doubt_name(const lm_records *r, lm_text_format *format, lm_str seen)
{
    if (*format == LM_FORMAT_TEXT && is_conll(r, seen)) {
        *format = LM_FORMAT_CONLL;
        return;
    }
    lm_str first = line_of(&seen);
    size_t tabs = count_byte(first, '\t');
    if (*format == LM_FORMAT_CSV && first.len && first.data[0] != '"' && tabs > count_byte(first, ',')) {
        *format = LM_FORMAT_TSV;
        lm_info("%s: it has tabs where a csv has commas, and is read as tsv (--input-format says otherwise)", r->file);
    } else if (*format == LM_FORMAT_TEXT && tabs && asks_for_fields(&r->options)) {
        *format = LM_FORMAT_TSV;
        lm_info("%s: it has tabs, and fields are asked for: read as tsv (--input-format says otherwise)", r->file);
    } else if (*format == LM_FORMAT_TEXT && tabs) {
        lm_info("%s: read as lines of text, though there are tabs: --input-format tsv reads fields", r->file);
    }
}

/* From here on the archive is read as a whole: r->file is its name. */
static bool begin_tar(lm_records *r, lm_status *st)
{
    const char *member = lm_input_member(r->in);
    lm_str seen;
    if (!member && !lm_input_peek(r->in, 1, &seen, st))
        return false;
    if (!member && seen.len)
        return lm_fail(st, LM_FAILED, "%s: this is no archive, and --input-format tar reads archives", r->file);
    lm_key_set_free(r->keys);
    r->keys = NULL;
    r->at_member = member != NULL;
    if (!member)
        return true;
    size_t n = strlen(r->file) - strlen(member) - 1;
    r->file = lm_arena_strndup(r->names, r->file, n);
    if (r->options.format == LM_FORMAT_AUTO)
        lm_info("%s: its files are grouped by key, and read as the fields of records (--input-format says otherwise)",
                r->file);
    return true;
}

bool lm_member_begin(lm_records *r, lm_status *st)
{
    bool is_lms = r->options.format == LM_FORMAT_LMS;
    lm_text_format format = r->options.format;
    r->file = lm_arena_strndup(r->names, lm_input_name(r->in), strlen(lm_input_name(r->in)));
    if (format == LM_FORMAT_AUTO) {
        bool grouped;
        if (!lm_lms_detect(r->in, &is_lms, st) || !lm_tar_is_grouped(r, &grouped, st))
            return false;
        if (is_lms)
            format = LM_FORMAT_LMS;
        else if (grouped)
            format = LM_FORMAT_TAR;
    }
    if (format == LM_FORMAT_TAR && !begin_tar(r, st))
        return false;
    if (!is_lms && r->options.require_end)
        return lm_fail(st, LM_FAILED, "%s: plain text has no end record that would show it to be whole (--require-end): "
                       "let the program before write LMS text (--framed)", r->file);
    if (!is_lms && format != LM_FORMAT_TAR && !begin_encoding(r, st))
        return false;
    if (format == LM_FORMAT_AUTO)
        format = format_of_name(r->file);
    bool sure = is_lms || format == LM_FORMAT_TAR || format == LM_FORMAT_JSONL || format == LM_FORMAT_JSON;
    if (r->options.format == LM_FORMAT_AUTO && !sure) {
        lm_str seen;
        if (!look(r->in, &seen, st))
            return false;
        if (format == LM_FORMAT_AUTO && r->options.lines)
            format = is_object(seen) ? LM_FORMAT_JSONL : LM_FORMAT_TEXT;
        else if (format == LM_FORMAT_AUTO)
            format = format_of_bytes(r, seen);
        else
            doubt_name(r, &format, seen);
    }
    r->format = format;
    r->line = 0;
    r->next_line = 1;
    r->in_document = r->json_array = r->json_later = r->guessed = false;
    r->columns = 0;
    r->conllu = false;
    r->header = NULL;
    return true;
}

/* ---------------------------------------------------------------------------------------------------- header */

static const char *const text_names[] = {"text", "sentence", "content", "document", "review", "body", "tokens", "words", "txt",
                                         NULL};
static const char *const pair_names[][2] = {
    {"sentence1", "sentence2"}, {"premise", "hypothesis"}, {"question1", "question2"}, {"text1", "text2"}};
static const char *const label_names[] = {"label", "class", "category", "gold_label", "labels", "cls", NULL};
static const char *const tag_names[] = {"tags", "ner_tags", "labels", "label", "pos_tags", NULL}; /* of split texts */
static const char *const other_names[] = {"id", "pair", "title", "description", "score", "index", "question", "answer",
                                          "source", "target", "language", "lang", "q", "a", NULL};

static bool is_one_of(lm_str s, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        if (s.len == strlen(names[i]) && !strncasecmp(s.data, names[i], s.len))
            return true;
    return false;
}

bool lm_is_field_name(lm_str s)
{
    for (size_t i = 0; i < sizeof pair_names / sizeof *pair_names; i++)
        if (is_one_of(s, (const char *const[]){pair_names[i][0], pair_names[i][1], NULL}))
            return true;
    return is_one_of(s, text_names) || is_one_of(s, label_names) || is_one_of(s, other_names);
}

bool lm_is_identifier(lm_str s)
{
    if (s.len == 0 || s.len > 40 || isdigit((unsigned char)s.data[0]))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!isalnum((unsigned char)s.data[i]) && !strchr("_-.", s.data[i]) && (unsigned char)s.data[i] < 0x80)
            return false;
    return true;
}

static bool names_wanted(const lm_selectors *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->given && s->items[i].name.data)
            return true;
    return false;
}

bool lm_guess_header(lm_records *r)
{
    bool known = false, all = r->cell_count > 1, likely = true;
    const char *why = "it has names that fields usually have";
    for (size_t i = 0; i < r->cell_count; i++) {
        lm_str v = r->cells[i].value;
        known |= lm_is_field_name(v);
        all &= lm_is_identifier(v);
        likely &= v.len > 0 && v.len <= 40 && !memchr(v.data, '\n', v.len) && !isdigit((unsigned char)v.data[0]);
        for (size_t k = 0; k < i; k++)
            all &= !lm_str_equal(v, r->cells[k].value);
    }
    bool asked = names_wanted(&r->text) || names_wanted(&r->pair) || names_wanted(&r->label) || names_wanted(&r->id) ||
                 names_wanted(&r->target);
    bool header = asked || (likely && (known || all));
    if (asked)
        why = "fields are asked for by name";
    else if (!known)
        why = "its fields are single words";
    if (header)
        lm_info("%s: the first line is taken for a header, since %s (--header no says otherwise)", r->file, why);
    else
        lm_info("%s: no header is seen, so the first line is a record (--header yes says otherwise)", r->file);
    return header;
}

/* ---------------------------------------------------------------------------------------------------- fields */

static bool has_cell(const lm_records *r, const char *name)
{
    for (size_t i = 0; i < r->cell_count; i++)
        if (r->cells[i].name.data && lm_str_is(r->cells[i].name, name))
            return true;
    return false;
}

/* The cell of that name, where it is a list. */
static bool is_list(const lm_records *r, const char *name)
{
    for (size_t i = 0; i < r->cell_count; i++)
        if (r->cells[i].json && r->cells[i].name.data && lm_str_is(r->cells[i].name, name))
            return r->cells[i].value.data[0] == '[';
    return false;
}

/* The fields of SQuAD, and of what has its form. */
static bool guess_question(lm_records *r)
{
    if (r->text.given || r->pair.given || r->options.prompts || has_cell(r, "text") || !has_cell(r, "question") || !has_cell(r, "context"))
        return false;
    lm_selectors_set(&r->text, "question", 0);
    lm_selectors_set(&r->pair, "context", 0);
    if (!r->answer.given)
        lm_selectors_set(&r->answer, "answers", 0);
    lm_info("%s: questions about texts: the text is the field `question`, the pair `context`, the answer `%s` (--text, --pair, "
            "--answer say otherwise)", r->file, r->answer.items[0].spelling);
    return true;
}

static void guess_text_by_name(lm_records *r)
{
    if (r->options.prompts && has_cell(r, "prompt")) {
        lm_selectors_set(&r->text, "prompt", 0);
        return;
    }
    if (is_list(r, "words")) { /* as we write them ourselves, beside the text */
        lm_selectors_set(&r->text, "words", 0);
        return;
    }
    for (size_t i = 0; text_names[i]; i++)
        if (has_cell(r, text_names[i])) {
            lm_selectors_set(&r->text, text_names[i], 0);
            if (i)
                lm_info("%s: the text is the field `%s` (--text says otherwise)", r->file, text_names[i]);
            return;
        }
    for (size_t i = 0; i < sizeof pair_names / sizeof *pair_names; i++)
        if (has_cell(r, pair_names[i][0])) {
            lm_selectors_set(&r->text, pair_names[i][0], 0);
            if (!r->pair.given && has_cell(r, pair_names[i][1]))
                lm_selectors_set(&r->pair, pair_names[i][1], 0);
            lm_info("%s: the text is the field `%s`%s%s%s (--text, --pair say otherwise)", r->file, pair_names[i][0],
                    r->pair.count ? ", the pair `" : "", r->pair.count ? pair_names[i][1] : "",
                    r->pair.count ? "`" : "");
            return;
        }
    lm_selectors_set(&r->text, "text", 0); /* which is missing: reading says so, with the names that are there */
}

static void guess_label_by_name(lm_records *r)
{
    bool split = r->text.count == 1 && !r->text.items[0].path && !r->text.items[0].number &&
                 is_list(r, r->text.items[0].spelling);
    for (size_t i = 0; split && !r->label.count && tag_names[i]; i++)
        if (is_list(r, tag_names[i]))
            lm_selectors_set(&r->label, tag_names[i], 0);
    for (size_t i = 0; !r->label.count && label_names[i]; i++)
        if (has_cell(r, label_names[i]))
            lm_selectors_set(&r->label, label_names[i], 0);
    if (!r->label.count)
        lm_selectors_set(&r->label, "label", 0);
    else if (strcmp(r->label.items[0].spelling, "label") != 0)
        lm_info("%s: the label is the field `%s` (--label says otherwise)", r->file, r->label.items[0].spelling);
}

/* The words are the first column and the tags the last, as in CoNLL-2003; in CoNLL-U, the forms and universal tags. */
static void guess_columns(lm_records *r)
{
    long word = r->conllu ? 2 : 1, tag = r->conllu ? 4 : (long)r->columns;
    if (!r->text.given)
        lm_selectors_set(&r->text, NULL, word);
    if (!r->label.given && r->columns > 1)
        lm_selectors_set(&r->label, NULL, tag);
    if ((!r->label.given || !r->text.given) && r->columns > 2)
        lm_info("%s: the words are column %ld of %zu%s%.0ld (--text, --label say otherwise)", r->file,
                r->text.given ? r->text.items[0].number : word, r->columns,
                r->label.given ? "" : ", the tags column ", r->label.given ? 0 : tag);
}

static bool looks_like_label(lm_str s)
{
    return s.len > 0 && s.len <= 32 && !memchr(s.data, ' ', s.len);
}

static bool is_selected(const lm_selectors *s, size_t column)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i].number == (long)column + 1)
            return true;
    return false;
}

/* A table without names: the first column is the label if it looks like one, what is not asked for otherwise is text. */
static void guess_by_place(lm_records *r)
{
    if (!r->label.given && !r->text.given && !r->target.given && r->cell_count > 1 && looks_like_label(r->cells[0].value))
        lm_selectors_set(&r->label, NULL, 1);
    if (r->text.given)
        return;
    lm_buf said = {0};
    for (size_t i = 0; i < r->cell_count; i++)
        if (!is_selected(&r->label, i) && !is_selected(&r->pair, i) && !is_selected(&r->id, i) &&
            !is_selected(&r->target, i)) {
            lm_selectors_set(&r->text, NULL, (long)i + 1);
            lm_buf_printf(&said, "%s%zu", said.len ? "," : "", i + 1);
        }
    if (r->cell_count > 1)
        lm_info("%s: %s%s is the text (--label, --text say otherwise)", r->file,
                !r->label.given && r->label.count ? "column 1 is the label, column " : "column ", lm_buf_cstr(&said));
    lm_buf_free(&said);
}

static void forget(lm_selectors *s)
{
    if (!s->given)
        s->count = 0;
}

void lm_guess_fields(lm_records *r)
{
    forget(&r->text);
    forget(&r->pair);
    forget(&r->label);
    forget(&r->id);
    forget(&r->answer);
    if (r->format == LM_FORMAT_CONLL) {
        guess_columns(r);
        return;
    }
    if (r->cell_count && !r->cells[0].name.data) {
        guess_by_place(r);
        return;
    }
    if (!guess_question(r) && !r->text.given)
        guess_text_by_name(r);
    if (!r->pair.given && !r->pair.count)
        lm_selectors_set(&r->pair, "pair", 0);
    if (!r->id.given)
        lm_selectors_set(&r->id, r->format == LM_FORMAT_TAR ? "__key__" : "id", 0);
    if (!r->label.given)
        guess_label_by_name(r);
}
