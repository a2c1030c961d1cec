/* Text records: from the cells of a source record to text, pair, label, id and the rest. */
#include "stream/records.h"
#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "stream/cells.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool lm_fail_record(lm_records *r, lm_status *st, const char *format, ...)
{
    char why[LM_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    bool records = r->format == LM_FORMAT_LMS || r->format == LM_FORMAT_TAR;
    return lm_fail(st, LM_FAILED, records ? "%s: record %" PRIu64 ": %s" : "%s:%" PRIu64 ": %s", r->file, r->line,
                   why);
}

bool lm_records_utf8(lm_records *r, lm_str s, bool to_arena, lm_str *out, lm_status *st)
{
    size_t good = r->valid ? s.len : lm_utf8_valid_prefix(s.data, s.len);
    *out = s;
    if (good == s.len)
        return true;
    to_arena |= r->keeps;
    if (r->options.strict)
        return lm_fail_record(r, st, "invalid UTF-8 at byte %zu (%02x): give its --encoding, or leave out --strict to have "
                              "it replaced", good + 1, (unsigned char)s.data[good]);
    r->clean.len = 0;
    lm_utf8_replace_invalid(s, &r->clean);
    *out = lm_buf_str(&r->clean);
    if (to_arena)
        *out = (lm_str){lm_arena_strndup(r->arena, out->data, out->len), out->len};
    r->replaced = true;
    return true;
}

/* ---------------------------------------------------------------------------------------------------- choosing */

/* The value of a selector in the cells in hand; NULL where it is absent. `found` is room for what a path leads to. */
const lm_cell *lm_cell_find(const lm_records *r, const lm_selector *s, lm_cell *found)
{
    if (s->number)
        return (size_t)s->number <= r->cell_count ? &r->cells[s->number - 1] : NULL;
    if (s->path) {
        lm_json_path p = lm_json_path_over(s->path);
        lm_str step;
        if (!lm_json_path_next(&p, &step))
            return NULL;
        for (size_t i = 0; i < r->cell_count; i++)
            if (r->cells[i].json && lm_str_equal(r->cells[i].name, step)) {
                *found = r->cells[i];
                found->plain = false;
                return lm_json_path_follow(&p, &found->value) ? found : NULL;
            }
        return NULL;
    }
    for (size_t i = 0; i < r->cell_count; i++)
        if (r->cells[i].name.data && lm_str_equal(r->cells[i].name, s->name))
            return &r->cells[i];
    return NULL;
}

static bool is_null(const lm_cell *c)
{
    return c->json && c->value.data[0] == 'n';
}

bool lm_cell_plain(lm_records *r, const lm_cell *c, const char *name, lm_str *out, lm_status *st)
{
    *out = c->value;
    if (!c->json)
        return true;
    if (c->value.data[0] == '{' || c->value.data[0] == '[')
        return lm_fail_record(r, st, "field `%s` is %s and not text: name what is meant by a path such as .%s%s",
                              name, c->value.data[0] == '{' ? "an object" : "a list", name,
                              c->value.data[0] == '{' ? ".NAME" : "[0]");
    if (c->value.data[0] != '"')
        return true;
    if (c->plain || !memchr(c->value.data, '\\', c->value.len)) {
        *out = (lm_str){c->value.data + 1, c->value.len - 2};
        return true;
    }
    bool whole;
    char *text = lm_arena_alloc(r->arena, c->value.len, 1);
    out->len = lm_json_unquote_to(c->value, text, &whole);
    out->data = text;
    if (!whole && r->options.strict)
        return lm_fail_record(r, st, "field `%s` has half of a surrogate pair", name);
    r->replaced |= !whole;
    return true;
}

static bool fail_missing(lm_records *r, const lm_selectors *s, lm_status *st)
{
    if (!s->count)
        return lm_fail_record(r, st, "no field is left to be the text: choose one with --text");
    lm_buf names = {0};
    for (size_t i = 0; i < r->cell_count && i < 20; i++) {
        lm_str n = r->cells[i].name;
        lm_buf_puts(&names, i ? ", " : "");
        if (n.data)
            lm_buf_append(&names, n.data, n.len < 40 ? n.len : 40);
        else
            lm_buf_printf(&names, "%zu", i + 1);
    }
    lm_fail_record(r, st, "no field `%s` (there are: %s): choose one with --text, --pair, --label", s->items[0].spelling,
                   lm_buf_cstr(&names));
    lm_buf_free(&names);
    return false;
}

static bool find_parts(lm_records *r, lm_selectors *s, lm_status *st)
{
    bool missing = s->given && s->count; /* asked for on the command line, and not even there as null */
    s->part_count = 0;
    for (size_t i = 0; i < s->count && s->part_count < LM_PARTS_MAX; i++) {
        lm_cell found;
        const lm_cell *c = lm_cell_find(r, &s->items[i], &found);
        missing &= !c;
        if (!c || is_null(c))
            continue;
        lm_part *part = &s->parts[s->part_count++];
        *part = (lm_part){.value = c->value, .cell = c == &found ? 0 : (size_t)(c - r->cells)};
        if (!lm_cell_plain(r, c, s->items[i].spelling, &part->text, st))
            return false;
    }
    return !missing || fail_missing(r, s, st);
}

bool lm_choose(lm_records *r, lm_selectors *s, lm_str *out, lm_status *st)
{
    *out = (lm_str){NULL, 0};
    if (!find_parts(r, s, st))
        return false;
    if (s->part_count == 1)
        *out = s->parts[0].text;
    if (s->part_count < 2)
        return true;
    size_t total = 0;
    for (size_t i = 0; i < s->part_count; i++)
        total += s->parts[i].text.len + 1;
    char *joined = lm_arena_alloc(r->arena, total, 1), *p = joined;
    for (size_t i = 0; i < s->part_count; i++) {
        if (i)
            *p++ = ' ';
        memcpy(p, s->parts[i].text.data, s->parts[i].text.len);
        p += s->parts[i].text.len;
    }
    *out = (lm_str){joined, (size_t)(p - joined)};
    return true;
}

static bool is_chosen(const lm_selectors *s, size_t i, const lm_cell *c)
{
    for (size_t k = 0; k < s->count; k++) {
        const lm_selector *x = &s->items[k];
        if (x->number ? (size_t)x->number == i + 1 : !x->path && c->name.data && lm_str_equal(x->name, c->name))
            return true;
    }
    return false;
}

static bool read_fields(lm_records *r, lm_text_record *out, lm_status *st)
{
    size_t count = 0;
    for (size_t i = 0; i < r->cell_count && !r->options.no_fields; i++) {
        const lm_cell *c = &r->cells[i];
        if (is_chosen(&r->text, i, c) || is_chosen(&r->pair, i, c) || is_chosen(&r->label, i, c) ||
            is_chosen(&r->id, i, c) || is_chosen(&r->target, i, c) || is_chosen(&r->weight, i, c))
            continue;
        if (out->words && !r->text.given && c->name.data && lm_str_is(c->name, "text"))
            continue; /* the same text, as we write it beside its words */
        LM_GROW(r->fields, count, r->field_cap);
        lm_field *f = &r->fields[count++];
        f->name = c->name;
        if (!f->name.data) {
            char number[24];
            f->name.len = (size_t)snprintf(number, sizeof number, "%zu", i + 1);
            f->name.data = lm_arena_strndup(r->arena, number, f->name.len);
        }
        if (c->json) {
            if (!lm_json_field(r, f->name, c->value, &f->json, st))
                return false;
            continue;
        }
        r->clean.len = 0; /* done with: values that needed it are in the arena */
        lm_json_string(c->value, &r->clean);
        f->json = (lm_str){lm_arena_strndup(r->arena, r->clean.data, r->clean.len), r->clean.len};
    }
    out->fields = r->fields;
    out->field_count = count;
    return true;
}

static bool read_id(lm_records *r, lm_text_record *out, lm_status *st)
{
    lm_cell found;
    const lm_cell *c = r->id.count ? lm_cell_find(r, &r->id.items[0], &found) : NULL;
    if (!c || is_null(c))
        return true;
    if (c->json && c->value.data[0] != '"' && c->value.data[0] != '-' &&
        (c->value.data[0] < '0' || c->value.data[0] > '9'))
        return lm_fail_record(r, st, "the id is no string and no number");
    if (c->json)
        return lm_json_field(r, lm_str_of("id"), c->value, &out->id, st);
    if (r->options.no_id)
        return true;
    r->clean.len = 0;
    lm_json_string(c->value, &r->clean);
    out->id = (lm_str){lm_arena_strndup(r->arena, r->clean.data, r->clean.len), r->clean.len};
    return true;
}

static bool make_record(lm_records *r, lm_text_record *out, lm_status *st)
{
    if (!r->guessed) {
        lm_guess_fields(r);
        r->guessed = true;
    }
    if (!lm_choose_text(r, out, st) || !lm_choose(r, &r->pair, &out->pair, st) || !lm_choose_label(r, out, st) ||
        !lm_choose_answer(r, out, st) || !lm_choose_target(r, out, st) || !lm_choose_weight(r, out, st))
        return false;
    if (!out->text.data && !r->options.textless)
        return fail_missing(r, &r->text, st);
    if (!lm_check_pair(r, out, st))
        return false;
    out->format = r->format;
    if (r->format == LM_FORMAT_JSONL && !r->replaced && !r->squad)
        out->source = r->source;
    out->members = lm_buf_str(&r->members);
    return read_id(r, out, st) && read_fields(r, out, st);
}

/* ---------------------------------------------------------------------------------------------------- lines */

/* A CR at the end of a line of text belongs to the end; JSON takes it for white space wherever it stands. */
bool lm_is_blank_line(lm_text_format format, lm_str line)
{
    size_t i = 0;
    bool text = format == LM_FORMAT_TEXT;
    if (text && line.len && line.data[line.len - 1] == '\r')
        line.len--;
    while (i < line.len && (line.data[i] == ' ' || line.data[i] == '\t' || (line.data[i] == '\r' && !text)))
        i++;
    return i == line.len;
}

size_t lm_count_lines(lm_str s)
{
    typedef uint8_t bytes16 __attribute__((vector_size(16)));
    enum { TURNS = 255 }; /* that a byte counts to */
    size_t n = 0, i = 0;
    while (i + 16 <= s.len) {
        bytes16 found = {0}, some;
        for (int t = 0; t < TURNS && i + 16 <= s.len; t++, i += 16) {
            memcpy(&some, s.data + i, 16);
            found -= (bytes16)(some == '\n');
        }
        for (int k = 0; k < 16; k++)
            n += found[k];
    }
    for (; i < s.len; i++)
        n += s.data[i] == '\n';
    return n;
}

lm_take lm_take_line(lm_records *r, lm_status *st)
{
    lm_str line;
    bool end;
    for (;;) {
        if (!lm_input_line(r->in, LM_TEXT_RECORD_MAX, &line, &end, NULL, st))
            return LM_TAKE_FAILED;
        if (end)
            return LM_TAKE_END;
        r->line = r->next_line++;
        if (r->options.blank_lines || !lm_is_blank_line(LM_FORMAT_TEXT, line))
            break;
        r->documents += r->in_document;
        r->in_document = false;
    }
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    r->in_document = true;
    r->source = line;
    if (!lm_records_utf8(r, line, true, &line, st))
        return LM_TAKE_BAD;
    *lm_cell_add(r) = (lm_cell){.value = line};
    return LM_TAKE_RECORD;
}

/* ---------------------------------------------------------------------------------------------------- reading */

static lm_take take(lm_records *r, lm_status *st)
{
    switch (r->format) {
    case LM_FORMAT_JSONL:
    case LM_FORMAT_JSON: return lm_take_json(r, st);
    case LM_FORMAT_CSV:
    case LM_FORMAT_TSV: return lm_take_table(r, st);
    case LM_FORMAT_CONLL: return lm_take_conll(r, st);
    case LM_FORMAT_TAR: return lm_take_tar(r, st);
    case LM_FORMAT_LMS: return lm_take_lms(r, st);
    default: return lm_take_line(r, st);
    }
}

void lm_reject_line(const char *file, uint64_t line, const char *why, lm_str record, lm_buf *out)
{
    const lm_str parts[] = {lm_str_of(file), lm_str_of(why), record};
    static const char *const names[] = {"{\"file\":", ",\"why\":", ",\"record\":"};
    for (int i = 0; i < 3; i++) {
        lm_buf valid = {0};
        lm_utf8_replace_invalid(parts[i], &valid);
        lm_buf_puts(out, names[i]);
        lm_json_string(lm_buf_str(&valid), out);
        lm_buf_free(&valid);
        if (i == 0)
            lm_buf_printf(out, ",\"line\":%" PRIu64, line);
    }
    lm_buf_puts(out, "}\n");
}

/* The record in hand, to --rejects: one of LMS without its padding. */
static bool put_aside(lm_records *r, const char *why, lm_status *st)
{
    lm_str record = r->source;
    lm_buf line = {0};
    while (r->lms && record.len && lm_json_is_space(record.data[record.len - 1]))
        record.len--;
    lm_reject_line(r->file, r->line, why, record, &line);
    bool ok = lm_write_all(r->rejects, line.data, line.len, r->options.rejects, st);
    lm_buf_free(&line);
    return ok;
}

/* A record that cannot be used goes to --rejects and is forgotten; without --rejects it is the end. */
static bool reject(lm_records *r, lm_status *st)
{
    if (r->rejects < 0 || st->code != LM_FAILED)
        return false;
    lm_status why = *st;
    lm_status_clear(st);
    r->rejected++;
    return put_aside(r, why.message, st);
}

void lm_say_unwanted(const lm_text_record *t, char why[128])
{
    snprintf(why, 128, "the label `%.*s` is left out (--drop-label)", (int)(t->label.len < 80 ? t->label.len : 80), t->label.data);
}

static bool drop(lm_records *r, const lm_text_record *out, lm_status *st)
{
    char why[128];
    lm_say_unwanted(out, why);
    r->dropped++;
    return r->rejects < 0 || put_aside(r, why, st);
}

void lm_warn_replaced(const char *file, uint64_t line)
{
    lm_warn("%s:%" PRIu64 ": invalid UTF-8 is replaced by U+FFFD here and wherever it comes again (--encoding says what it is, "
            "--strict refuses it)", file, line);
}

/* Moves to the next member, or within LMS text to its end, which is the end of all members. 1, 0, -1. */
static int next_member(lm_records *r, lm_status *st)
{
    if (r->format == LM_FORMAT_LMS)
        return 0; /* its reader has gone through them all */
    int rc = r->at_member ? 1 : lm_input_next_member(r->in, st);
    r->at_member = false;
    if (rc <= 0)
        return rc;
    r->documents += r->in_document;
    return lm_member_begin(r, st) ? 1 : -1;
}

static bool start_lms(lm_records *r, lm_status *st)
{
    r->lms = lm_lms_reader_new(r->in, st);
    if (!r->lms)
        return false;
    if (lm_lms_reader_kind(r->lms) != LM_KIND_TEXT)
        return lm_fail(st, LM_FAILED, "%s: this is a stream of kind %s: text is needed here", r->file,
                       lm_lms_kind_name(lm_lms_reader_kind(r->lms)));
    return true;
}

static void begin_record(lm_records *r, lm_text_record *out)
{
    lm_zero(out, sizeof *out);
    if (!r->keeps)
        lm_arena_reset(r->arena);
    r->cell_count = 0;
    r->members.len = 0;
    r->replaced = false;
    r->source = (lm_str){"", 0};
}

lm_take lm_records_take(lm_records *r, lm_text_record *out, bool *unwanted, lm_status *st)
{
    *unwanted = false;
    begin_record(r, out);
    lm_take t = take(r, st);
    if (t == LM_TAKE_FAILED || t == LM_TAKE_END)
        return t;
    out->file = r->file;
    if (t == LM_TAKE_FLUSH) {
        *out = (lm_text_record){.flush = true, .text = {"", 0}, .file = r->file};
        return t;
    }
    out->line = r->line;
    out->number = r->number++;
    out->doc = r->format == LM_FORMAT_TEXT || r->format == LM_FORMAT_CONLL ? r->documents : out->number;
    if (t == LM_TAKE_BAD || !make_record(r, out, st))
        return LM_TAKE_BAD;
    *unwanted = lm_is_unwanted(r, out);
    return t;
}

static void warn_replaced(lm_records *r)
{
    r->replaced_count += r->replaced;
    if (r->replaced && !r->warned_utf8) {
        lm_warn_replaced(r->file, r->line);
        r->warned_utf8 = true;
    }
}

static int next(lm_records *r, lm_text_record *out, lm_status *st)
{
    for (;;) {
        if (r->format == LM_FORMAT_LMS && !r->lms && !start_lms(r, st))
            return -1;
        bool unwanted;
        switch (lm_records_take(r, out, &unwanted, st)) {
        case LM_TAKE_FAILED:
            return -1;
        case LM_TAKE_FLUSH:
            return 1;
        case LM_TAKE_END: {
            int rc = next_member(r, st);
            if (rc <= 0)
                return rc;
            continue;
        }
        case LM_TAKE_BAD:
            if (!reject(r, st))
                return -1;
            continue;
        case LM_TAKE_RECORD:
            if (unwanted && !drop(r, out, st))
                return -1;
            if (unwanted)
                continue;
            r->given++;
            warn_replaced(r);
            return 1;
        }
    }
}

int lm_records_next(lm_records *r, lm_text_record *out, lm_status *st)
{
    if (r->failed || !lm_ok(st))
        return -1;
    if (r->ended)
        return 0;
    int rc = next(r, out, st);
    r->failed = rc < 0;
    r->ended = rc == 0;
    return rc;
}

/* ---------------------------------------------------------------------------------------------------- opening */

lm_records *lm_records_new(lm_input *in, const lm_records_options *options, lm_status *st)
{
    lm_records *r = lm_calloc(1, sizeof *r);
    r->in = in;
    r->options = *options;
    r->rejects = -1;
    r->number = options->offset;
    r->arena = lm_arena_new(0);
    r->names = lm_arena_new(0);
    bool ok = lm_selectors_parse(options->text, "--text", &r->text, st) &&
              lm_selectors_parse(options->pair, "--pair", &r->pair, st) &&
              lm_selectors_parse(options->label, "--label", &r->label, st) &&
              lm_selectors_parse(options->id, "--id", &r->id, st) &&
              lm_selectors_parse(options->answer, "--answer", &r->answer, st) &&
              lm_selectors_parse(options->target, "--target", &r->target, st) &&
              lm_selectors_parse(options->weight, "--weight", &r->weight, st) && lm_member_begin(r, st);
    if (ok && options->rejects) {
        r->rejects = open(options->rejects,
                          O_WRONLY | O_CREAT | O_APPEND | (options->rejects_append ? 0 : O_TRUNC) | O_CLOEXEC, 0666);
        if (r->rejects < 0)
            ok = lm_fail_errno(st, LM_FAILED, "%s: cannot write", options->rejects);
    }
    if (ok && r->format == LM_FORMAT_LMS)
        ok = start_lms(r, st);
    if (!ok) {
        lm_records_free(r);
        return NULL;
    }
    return r;
}

void lm_records_free(lm_records *r)
{
    if (!r)
        return;
    lm_lms_reader_free(r->lms);
    lm_selectors_free(&r->text);
    lm_selectors_free(&r->pair);
    lm_selectors_free(&r->label);
    lm_selectors_free(&r->id);
    lm_selectors_free(&r->answer);
    lm_squad_free(r->squad);
    lm_selectors_free(&r->target);
    lm_selectors_free(&r->weight);
    lm_buf_free(&r->clean);
    lm_buf_free(&r->members);
    lm_buf_free(&r->block);
    lm_key_set_free(r->keys);
    lm_arena_free(r->arena);
    lm_arena_free(r->names);
    free(r->cells);
    free(r->fields);
    free(r->spans.items);
    if (r->rejects >= 0)
        close(r->rejects);
    free(r);
}

json_t *lm_records_preamble(const lm_records *r)
{
    return r->lms ? lm_lms_reader_preamble(r->lms) : NULL;
}

uint64_t lm_records_count(const lm_records *r)
{
    return r->given;
}

uint64_t lm_records_rejected(const lm_records *r)
{
    return r->rejected;
}

uint64_t lm_records_dropped(const lm_records *r)
{
    return r->dropped;
}

uint64_t lm_records_replaced(const lm_records *r)
{
    return r->replaced_count;
}
