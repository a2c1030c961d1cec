/* Classes: a tag for each word becomes one for each token, several labels become a row of zeros and ones. */
#include "base/memory.h"
#include "stream/json.h"
#include "stream/lines.h"
#include "text/tokenize/sinks.h"

#include <stdlib.h>
#include <unistd.h>

/* Among rows that wait: this token is not the first of its word. Class numbers stay below. */
enum { IGNORED = -100, INSIDE = 1 << 30 };

struct lm_token_classes {
    const lm_tokenize_options *o;
    lm_labels *names;   /* NULL with numbers for labels and no list */
    bool listed;        /* by --labels */
    bool tags, several; /* what came by */
    int count;          /* of classes */
    int *final;         /* by number as given while rows waited: the number in order */
    int *inside;        /* by final number: I-X for B-X, else itself */

    int fd; /* rows that wait; -1 = none do */
    char *name;
    lm_lms_writer *kept;

    int32_t *tag;
    uint8_t *multi;
    size_t tag_cap, multi_cap;
    lm_buf rewritten; /* a tag in another scheme */
};

lm_token_classes *lm_token_classes_new(const lm_tokenize_options *o, lm_status *st)
{
    lm_token_classes *c = lm_calloc(1, sizeof *c);
    *c = (lm_token_classes){.o = o, .fd = -1, .listed = o->labels != NULL};
    if (o->labels)
        c->names = lm_labels_parse(o->labels, st);
    else if (o->records.label_type == LM_LABEL_WORD)
        c->names = lm_labels_new();
    if (c->listed && c->names)
        lm_token_classes_finish(c, st);
    return c;
}

void lm_token_classes_free(lm_token_classes *c)
{
    if (!c)
        return;
    lm_lms_writer_free(c->kept);
    if (c->fd >= 0)
        close(c->fd);
    lm_labels_free(c->names);
    free(c->final);
    free(c->inside);
    free(c->name);
    free(c->tag);
    free(c->multi);
    lm_buf_free(&c->rewritten);
    free(c);
}

bool lm_token_classes_wait(const lm_token_classes *c, const lm_text_record *r)
{
    bool numbered_tags = r->words && c->o->records.label_type == LM_LABEL_ID;
    return r->labels && !c->listed && !numbered_tags;
}

lm_lms_writer *lm_token_classes_keep(lm_token_classes *c, const char *command, lm_status *st)
{
    c->fd = lm_unlinked_file(&c->name, st);
    if (c->fd >= 0)
        c->kept = lm_lms_writer_new(c->fd, c->name, LM_KIND_TOKENS, NULL, NULL, command, st);
    return c->kept;
}

/* ---------------------------------------------------------------- rows */

static bool class_of(lm_token_classes *c, const lm_text_record *r, lm_str label, int *class, lm_status *st)
{
    if (c->o->records.label_type == LM_LABEL_ID) { /* the reader has seen that it is a number */
        char digits[24] = "";
        memcpy(digits, label.data, label.len < sizeof digits - 1 ? label.len : sizeof digits - 1);
        *class = (int)strtol(digits, NULL, 10);
        if (*class >= INSIDE || (c->listed && *class >= c->count))
            return lm_fail(st, LM_FAILED, "%s:%llu: the label %d: there are the classes 0 to %d", r->file,
                           (unsigned long long)r->line, *class, c->listed ? c->count - 1 : INSIDE - 1);
        c->count = *class >= c->count ? *class + 1 : c->count;
        return true;
    }
    *class = c->listed || c->fd < 0 ? lm_labels_find(c->names, label) : lm_labels_add(c->names, label);
    if (*class < 0)
        return lm_fail(
            st, LM_FAILED, "%s:%llu: the label `%.*s` is %s", r->file, (unsigned long long)r->line,
            (int)(label.len < 80 ? label.len : 80), label.data,
            c->listed
                ? "not among --labels"
                : "one of a list, and the records before it had no lists: name all classes by --labels");
    if (!c->listed)
        c->count = lm_labels_count(c->names);
    return true;
}

bool lm_token_classes_know(const lm_token_classes *c, const lm_text_record *r, lm_status *why)
{
    for (size_t i = 0; i < r->label_count && c->listed && c->o->records.label_type != LM_LABEL_ID; i++)
        if (lm_labels_find(c->names, r->labels[i]) < 0)
            return lm_fail(why, LM_FAILED, "the label `%.*s` is not among --labels",
                           (int)(r->labels[i].len < 80 ? r->labels[i].len : 80), r->labels[i].data);
    return true;
}

/* A token within a word that has begun: the one before it is of the same word, or lies in another window. */
static bool is_inside(const lm_text_record *r, const lm_encoding *e, int i)
{
    int32_t word = e->word_ids[i];
    if (i > 0 && e->word_ids[i - 1] == word)
        return true;
    bool first = i == 0 || e->word_ids[i - 1] < 0;
    return first && e->truncated && e->offsets[2 * i] > (int32_t)(r->words[word].data - r->text.data);
}

/* The tag of a word, of IOB1, in IOB2: there B- stands at every entity's beginning, here only where an entity follows
 * another of its type (Tjong Kim Sang and Veenstra 1999, Representing Text Chunks). */
static lm_str as_iob2(lm_token_classes *c, const lm_text_record *r, size_t word)
{
    lm_str tag = r->labels[word], before = word ? r->labels[word - 1] : (lm_str){"O", 1};
    bool within = tag.len > 2 && tag.data[0] == 'I' && tag.data[1] == '-';
    bool goes_on = before.len == tag.len && (before.data[0] == 'I' || before.data[0] == 'B') &&
                   memcmp(before.data + 1, tag.data + 1, tag.len - 1) == 0;
    if (!within || goes_on)
        return tag;
    c->rewritten.len = 0;
    lm_buf_putc(&c->rewritten, 'B');
    lm_buf_append(&c->rewritten, tag.data + 1, tag.len - 1);
    return lm_buf_str(&c->rewritten);
}

static bool tag_tokens(lm_token_classes *c, const lm_text_record *r, const lm_encoding *e, lm_tokens_row *row,
                       lm_status *st)
{
    if ((size_t)e->len > c->tag_cap || !c->tag) {
        c->tag_cap = (size_t)e->len + 256;
        c->tag = lm_realloc(c->tag, c->tag_cap, sizeof *c->tag);
    }
    for (int i = 0; i < e->len; i++) {
        int32_t word = e->word_ids[i];
        bool inside = word >= 0 && is_inside(r, e, i);
        c->tag[i] = IGNORED;
        if (word < 0 || (inside && !c->o->label_all))
            continue;
        if (!class_of(c, r, c->o->iob1 ? as_iob2(c, r, (size_t)word) : r->labels[word], &c->tag[i], st))
            return false;
        if (inside && c->tag[i] >= 0)
            c->tag[i] = c->fd >= 0 ? c->tag[i] | INSIDE : c->inside ? c->inside[c->tag[i]] : c->tag[i];
    }
    row->tags = c->tag;
    c->tags = true;
    return true;
}

static void reserve_multi(lm_token_classes *c, size_t n)
{
    if (n <= c->multi_cap && c->multi)
        return;
    c->multi = lm_realloc(c->multi, 2 * n + 64, 1);
    memset(c->multi + c->multi_cap, 0, 2 * n + 64 - c->multi_cap);
    c->multi_cap = 2 * n + 64;
}

static bool mark_labels(lm_token_classes *c, const lm_text_record *r, lm_tokens_row *row, lm_status *st)
{
    enum { MOST = 1 << 20 };
    reserve_multi(c, (size_t)c->count);
    memset(c->multi, 0, c->multi_cap);
    for (size_t i = 0; i < r->label_count; i++) {
        int class;
        if (!class_of(c, r, r->labels[i], &class, st))
            return false;
        if (class >= MOST)
            return lm_fail(st, LM_FAILED, "%s:%llu: more than %d classes", r->file,
                           (unsigned long long)r->line, MOST);
        reserve_multi(c, (size_t) class + 1);
        c->multi[class] = 1;
    }
    row->multi_label = c->multi;
    row->classes = (size_t)c->count;
    c->several = true;
    return true;
}

bool lm_token_classes_row(lm_token_classes *c, const lm_text_record *r, const lm_encoding *e,
                          lm_tokens_row *row, lm_status *st)
{
    return r->words ? tag_tokens(c, r, e, row, st) : mark_labels(c, r, row, st);
}

/* ---------------------------------------------------------------- the list */

void lm_token_classes_preamble(const lm_token_classes *c, json_t *preamble)
{
    if (!preamble || !c->names || (!c->listed && !c->tags && !c->several))
        return;
    json_t *list = json_array();
    for (int i = 0; i < lm_labels_count(c->names); i++)
        json_array_append_new(list, json_string(lm_labels_name(c->names, i)));
    if (c->listed || c->several)
        json_object_set(preamble, "labels", list);
    if (c->listed || c->tags)
        json_object_set(preamble, "tags", list);
    json_decref(list);
}

/* Where tokens within a word are tagged, too, those of B-X get I-X, if there is such a class. */
static void find_inside(lm_token_classes *c)
{
    c->inside = lm_malloc((size_t)c->count + 1, sizeof *c->inside);
    for (int i = 0; i < c->count; i++) {
        const char *name = lm_labels_name(c->names, i);
        char *inside = strncmp(name, "B-", 2) ? NULL : lm_format("I-%s", name + 2);
        int k = inside ? lm_labels_find(c->names, lm_str_of(inside)) : -1;
        c->inside[i] = k < 0 ? i : k;
        free(inside);
    }
}

bool lm_token_classes_finish(lm_token_classes *c, lm_status *st)
{
    if (!lm_ok(st) || !c->names)
        return lm_ok(st);
    c->count = lm_labels_count(c->names);
    char **given = lm_malloc((size_t)c->count + 1, sizeof *given);
    for (int i = 0; i < c->count; i++)
        given[i] = lm_strdup(lm_labels_name(c->names, i));
    if (!c->listed)
        lm_labels_sort(c->names);
    c->final = lm_malloc((size_t)c->count + 1, sizeof *c->final);
    for (int i = 0; i < c->count; i++) {
        c->final[i] = lm_labels_find(c->names, lm_str_of(given[i]));
        free(given[i]);
    }
    free(given);
    find_inside(c);
    return true;
}

/* ---------------------------------------------------------------- rows that waited */

static int final_of(const lm_token_classes *c, int class)
{
    return c->final ? c->final[class] : class;
}

static void finish_tags(lm_token_classes *c, lm_column *column, lm_buf *to)
{
    size_t n = column->bytes / sizeof(int32_t);
    to->len = 0;
    lm_buf_append(to, column->data, column->bytes);
    int32_t *tags = (int32_t *)(void *)to->data;
    for (size_t i = 0; i < n; i++)
        if (tags[i] != IGNORED) {
            int class = final_of(c, tags[i] & ~INSIDE);
            tags[i] = tags[i] & INSIDE && c->inside ? c->inside[class] : class;
        }
    column->data = to->data;
}

/* Rows of the classes that had come by then become rows of all. */
static void finish_multi(lm_token_classes *c, lm_column *column, lm_buf *to)
{
    int64_t n = column->shape.size[0], had = column->shape.size[1];
    const uint8_t *from = column->data;
    size_t bytes = (size_t)n * (size_t)c->count;
    to->len = 0;
    lm_buf_reserve(to, bytes + 1);
    memset(to->data, 0, bytes);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < had; k++)
            if (from[i * had + k])
                to->data[i * c->count + final_of(c, (int)k)] = 1;
    column->data = to->data;
    column->bytes = bytes;
    column->shape.size[1] = c->count;
}

/* The header's members beside those that the writer makes. */
static void copy_members(lm_str line, lm_buf *out)
{
    lm_json j = lm_json_over(line);
    lm_str name, value;
    bool first = true;
    out->len = 0;
    lm_json_enter(&j, '{');
    while (lm_json_member(&j, &first, &name, &value) > 0) {
        if (lm_str_is(name, "\"tensors\"") || lm_str_is(name, "\"bytes\""))
            continue;
        lm_buf_puts(out, out->len ? "," : "");
        lm_buf_append(out, name.data, name.len);
        lm_buf_putc(out, ':');
        lm_buf_append(out, value.data, value.len);
    }
}

bool lm_token_classes_replay(lm_token_classes *c, lm_lms_writer *out, lm_status *st)
{
    lm_record record;
    lm_buf members = {0}, tags = {0}, multi = {0};
    lm_input *in = NULL;
    lm_lms_reader *reader = NULL;
    if (lm_lms_writer_close(c->kept, st) && lseek(c->fd, 0, SEEK_SET) != 0)
        lm_fail_errno(st, LM_FAILED, "%s: cannot be read again", c->name);
    if (lm_ok(st))
        in = lm_input_fd(c->fd, c->name, st);
    if (in)
        reader = lm_lms_reader_new(in, st);
    while (reader && lm_lms_next(reader, &record, st) > 0) {
        for (size_t i = 0; i < record.column_count; i++) {
            if (!strcmp(record.columns[i].name, "tags"))
                finish_tags(c, &record.columns[i], &tags);
            if (!strcmp(record.columns[i].name, "multi_label"))
                finish_multi(c, &record.columns[i], &multi);
        }
        copy_members(record.line, &members);
        if (!lm_lms_write_members(out, lm_buf_str(&members), record.n, record.columns, record.column_count,
                                  st))
            break;
    }
    lm_lms_reader_free(reader);
    lm_input_close(in);
    lm_buf_free(&members);
    lm_buf_free(&tags);
    lm_buf_free(&multi);
    return lm_ok(st);
}
