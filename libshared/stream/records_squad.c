/* Questions about texts: documents as SQuAD has them, and where an answer stands.
 *
 * A document is one JSON object, {"data":[{"title":..,"paragraphs":[{"context":..,"qas":[{"id":..,"question":..,
 * "answers":[{"text":..,"answer_start":..}]}]}]}]}; each of its questions becomes a record with the cells of `qas` and
 * the context and title that it belongs to (Rajpurkar et al. 2016, arXiv 1606.05250; KorQuAD and others take that form). */
#include "base/memory.h"
#include "stream/cells.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- documents */

enum { ARTICLES, PARAGRAPHS, QUESTIONS, LEVELS };

struct lm_squad {
    char *articles; /* the document's list, whose values the slices below are */
    lm_json at[LEVELS];
    bool first[LEVELS];
    int level; /* that is being gone through */
    lm_str title, context;
};

/* The member of an object that is a list. */
static bool find_list(lm_str object, const char *name, lm_str *list)
{
    return lm_json_find(object, lm_str_of(name), list) && list->data[0] == '[';
}

/* The cells in hand, of an object: its list of articles. */
static bool is_document(const lm_records *r, lm_str *data)
{
    lm_str article, paragraphs;
    for (size_t i = 0; i < r->cell_count; i++)
        if (r->cells[i].name.data && lm_str_is(r->cells[i].name, "data")) {
            *data = r->cells[i].value;
            return data->data[0] == '[' && lm_json_at(*data, 0, &article) && article.data[0] == '{' &&
                   find_list(article, "paragraphs", &paragraphs);
        }
    return false;
}

static void enter(struct lm_squad *s, int level, lm_str list)
{
    s->level = level;
    s->at[level] = lm_json_over(list);
    s->first[level] = true;
    lm_json_enter(&s->at[level], '[');
}

bool lm_squad_begin(lm_records *r)
{
    lm_str data;
    if (!is_document(r, &data))
        return false;
    r->squad = lm_calloc(1, sizeof *r->squad);
    r->squad->articles = lm_strndup(data.data, data.len);
    enter(r->squad, ARTICLES, (lm_str){r->squad->articles, data.len});
    r->cell_count = 0;
    return true;
}

void lm_squad_free(struct lm_squad *s)
{
    if (!s)
        return;
    free(s->articles);
    free(s);
}

static bool add_cell(lm_records *r, const char *name, lm_str value)
{
    for (size_t i = 0; i < r->cell_count; i++)
        if (lm_str_is(r->cells[i].name, name))
            return true;
    *lm_cell_add(r) = (lm_cell){.name = lm_str_of(name), .value = value, .json = true};
    return true;
}

/* The cells of a question. */
static bool take_question(lm_records *r, lm_str question, lm_status *st)
{
    struct lm_squad *s = r->squad;
    r->source = question;
    if (question.data[0] != '{' || !s->context.data)
        return lm_fail_record(r, st, "a question of a SQuAD document is no object, or its paragraph has no context");
    return lm_cells_from_json(r, question, st) && add_cell(r, "context", s->context) &&
           (!s->title.data || add_cell(r, "title", s->title));
}

lm_take lm_take_question(lm_records *r, lm_status *st)
{
    struct lm_squad *s = r->squad;
    lm_str value, list;
    for (;;) {
        int rc = lm_json_element(&s->at[s->level], &s->first[s->level], &value); /* checked: cannot fail */
        if (rc <= 0 && s->level == ARTICLES)
            break;
        if (rc <= 0) {
            s->level--;
        } else if (s->level == QUESTIONS) {
            return take_question(r, value, st) ? LM_TAKE_RECORD : LM_TAKE_BAD;
        } else if (s->level == ARTICLES && find_list(value, "paragraphs", &list)) {
            if (!lm_json_find(value, lm_str_of("title"), &s->title))
                s->title = (lm_str){NULL, 0};
            enter(s, PARAGRAPHS, list);
        } else if (s->level == PARAGRAPHS && find_list(value, "qas", &list)) {
            if (!lm_json_find(value, lm_str_of("context"), &s->context))
                s->context = (lm_str){NULL, 0};
            enter(s, QUESTIONS, list);
        }
    }
    lm_squad_free(s);
    r->squad = NULL;
    return LM_TAKE_END;
}

/* ---------------------------------------------------------------- answers */

/* What a path leads to, as plain text; data NULL where it leads to nothing, or to null. */
static bool follow(lm_records *r, lm_str value, const char *path, lm_str *out, lm_status *st)
{
    lm_json_path p = lm_json_path_over(path);
    lm_cell found = {.value = value, .json = true};
    *out = (lm_str){NULL, 0};
    if (!lm_json_path_follow(&p, &found.value) || lm_str_is(found.value, "null"))
        return true;
    return lm_cell_plain(r, &found, path, out, st);
}

/* Its text, and the character of the context that it begins with (data NULL: not said), in the spellings of SQuAD's own
 * files and of those of `datasets`; the first of several. */
static bool read_answer(lm_records *r, lm_str value, lm_str *text, lm_str *start, lm_status *st)
{
    lm_str inner;
    *text = *start = (lm_str){NULL, 0};
    if (value.data[0] == '[' && !lm_json_at(value, 0, &value))
        return true;
    bool lists = find_list(value, "text", &inner);
    return follow(r, value, lists ? ".text[0]" : ".text", text, st) &&
           follow(r, value, lists ? ".answer_start[0]" : ".answer_start", start, st);
}

/* The byte of character n; SIZE_MAX where there are not as many. */
static size_t byte_of(lm_str text, long long n)
{
    size_t i = 0;
    for (; n > 0 && i < text.len; n--)
        do
            i++;
        while (i < text.len && ((unsigned char)text.data[i] & 0xC0) == 0x80);
    return n > 0 ? SIZE_MAX : i;
}

static bool place(lm_records *r, lm_text_record *out, lm_str text, lm_str start, lm_status *st)
{
    size_t from;
    int shown = (int)(text.len < 60 ? text.len : 60);
    if (start.data) {
        char *number = lm_arena_strndup(r->arena, start.data, start.len), *end = number;
        errno = 0;
        long long n = strtoll(number, &end, 10);
        if (errno || end == number || *end || n < 0)
            return lm_fail_record(r, st, "answer_start: `%.20s` is no number of a character", number);
        from = byte_of(out->pair, n);
        if (from == SIZE_MAX || out->pair.len - from < text.len || memcmp(out->pair.data + from, text.data, text.len) != 0)
            return lm_fail_record(r, st, "the answer `%.*s` does not stand at character %lld of the context", shown,
                                  text.data, n);
    } else {
        const char *at = memmem(out->pair.data, out->pair.len, text.data, text.len);
        if (!at)
            return lm_fail_record(r, st, "the answer `%.*s` does not stand in the context", shown, text.data);
        from = (size_t)(at - out->pair.data);
    }
    out->answer_from = from;
    out->answer_to = from + text.len;
    return true;
}

bool lm_choose_answer(lm_records *r, lm_text_record *out, lm_status *st)
{
    lm_cell found;
    const lm_cell *c = r->answer.count ? lm_cell_find(r, &r->answer.items[0], &found) : NULL;
    lm_str text, start = {NULL, 0};
    out->asks = r->answer.count > 0;
    if (!c || (c->json && lm_str_is(c->value, "null")))
        return true; /* a question whose answer is not known */
    if (!out->pair.data)
        return lm_fail_record(r, st, "an answer, and no text that it stands in: name that with --pair");
    out->has_answer = true;
    bool list = c->json && c->value.len && (c->value.data[0] == '{' || c->value.data[0] == '[');
    if (!(list ? read_answer(r, c->value, &text, &start, st)
               : lm_cell_plain(r, c, r->answer.items[0].spelling, &text, st)))
        return false;
    return !text.data || !text.len || place(r, out, text, start, st); /* without text: there is no answer */
}
