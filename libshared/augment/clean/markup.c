/* Markdown and wiki markup made text: headings, emphasis, links, images, quotations, fences of code, rules, templates. What
 * stands between the marks stays, and so do list marks, which read as text. */
#include "augment/clean/clean.h"

enum { LINK_MAX = 512 /* bytes of a link, an image or a template; so no text takes longer than its length asks for */ };

static char at(lm_str s, size_t i)
{
    return i < s.len ? s.data[i] : '\0';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\0';
}

static bool begins(lm_str s, size_t i, const char *with)
{
    size_t n = strlen(with);
    return i + n <= s.len && memcmp(s.data + i, with, n) == 0;
}

static size_t run_of(lm_str s, size_t i, char c)
{
    size_t n = 0;
    while (at(s, i + n) == c && i + n < s.len)
        n++;
    return n;
}

static size_t end_of_line(lm_str s, size_t i)
{
    const char *lf = i < s.len ? memchr(s.data + i, '\n', s.len - i) : NULL;
    return lf ? (size_t)(lf - s.data) : s.len;
}

/* Where the bracket at i is closed; i: nowhere near. */
static size_t closing(lm_str s, size_t i, char opens, char closes)
{
    int depth = 0;
    for (size_t k = i; k < s.len && k - i < LINK_MAX; k++) {
        depth += s.data[k] == opens ? 1 : s.data[k] == closes ? -1 : 0;
        if (depth == 0)
            return k;
    }
    return i;
}

/* ---------------------------------------------------------------- what begins a line */

/* Three or more of one of -*_= with nothing else but blanks, or the rule below the head of a table. */
static bool is_rule(lm_str s, size_t from, size_t to)
{
    size_t marks = 0, bars = 0;
    char mark = 0;
    for (size_t i = from; i < to; i++) {
        char c = s.data[i];
        if (is_blank(c) || c == ':')
            continue;
        if (c == '|') {
            bars++;
            continue;
        }
        if (!strchr("-*_=", c) || (mark && c != mark))
            return false;
        mark = c;
        marks++;
    }
    return marks >= 3 || (bars && marks && mark == '-');
}

/* At the start of a line: leaves out the marks there, or all of a line that has no text. Returns where to go on. */
static size_t begin_line(lm_edits *e, size_t i)
{
    lm_str s = e->text;
    size_t to = end_of_line(s, i), from = i;
    for (;; to = end_of_line(s, i), from = i) {
        while (i < to && (s.data[i] == ' ' || s.data[i] == '\t'))
            i++;
        if (!is_rule(s, i, to) && !begins(s, i, "```") && !begins(s, i, "~~~"))
            break;
        i = to < s.len ? to + 1 : to;
        lm_edits_skip(e, from, i);
    }
    size_t marks = i;
    while (at(s, marks) == '>' && marks < to)
        marks += at(s, marks + 1) == ' ' ? 2 : 1;
    size_t heading = run_of(s, marks, '#'), wiki = run_of(s, marks, '=');
    if (heading >= 1 && heading <= 6 && is_blank(at(s, marks + heading))) {
        marks += heading;
    } else if (wiki >= 1 && wiki <= 6 && to > marks + 2 * wiki) { /* == Heading == */
        size_t end = to;
        while (end > marks && is_blank(s.data[end - 1]))
            end--;
        if (end > marks + 2 * wiki && run_of(s, end - wiki, '=') >= wiki) {
            size_t text = marks + wiki, text_end = end - wiki;
            while (text < text_end && s.data[text] == ' ')
                text++;
            while (text_end > text && s.data[text_end - 1] == ' ')
                text_end--;
            lm_edits_skip(e, from, text);
            lm_edits_skip(e, text_end, end);
            return end;
        }
    }
    if (marks == i)
        return i;
    while (marks < to && s.data[marks] == ' ')
        marks++;
    lm_edits_skip(e, from, marks);
    return marks;
}

/* ---------------------------------------------------------------- within a line */

/* At `[`: [text](address), [[page|text]], [http://address text]; or ![...] with `image`. Returns where to go on. */
static size_t link_at(lm_edits *e, size_t i, bool image)
{
    lm_str s = e->text;
    size_t from = i - image, end = closing(s, i, '[', ']');
    if (end == i)
        return i + 1;
    if (at(s, i + 1) == '[' && s.data[end - 1] == ']') {
        size_t text = i + 2;
        for (size_t k = text; k < end - 1; k++)
            text = s.data[k] == '|' ? k + 1 : text;
        bool file = begins(s, i, "[[File:") || begins(s, i, "[[Image:") || begins(s, i, "[[Category:") ||
                    begins(s, i, "[[\xED\x8C\x8C\xEC\x9D\xBC:") ||
                    begins(s, i, "[[\xEB\xB6\x84\xEB\xA5\x98:"); /* Korean for File, Category */
        lm_edits_skip(e, from, file ? end + 1 : text);
        if (file)
            return end + 1;
        lm_edits_skip(e, end - 1, end + 1);
        return end + 1;
    }
    if (at(s, end + 1) == '(') {
        size_t close = closing(s, end + 1, '(', ')');
        if (close == end + 1)
            return i + 1;
        lm_edits_skip(e, from, i + 1);
        lm_edits_skip(e, end, close + 1);
        return close + 1;
    }
    if (begins(s, i, "[http://") || begins(s, i, "[https://")) {
        const char *blank = memchr(s.data + i, ' ', end - i);
        lm_edits_skip(e, from, blank ? (size_t)(blank - s.data) + 1 : end + 1);
        if (blank)
            lm_edits_skip(e, end, end + 1);
        return end + 1;
    }
    return i + 1;
}

/* At *, _, ~ or ': marks of emphasis, which have a word or a sign at one side and no blank there. An underscore or a single
 * apostrophe within a word is none, and neither is an asterisk between blanks. */
static size_t emphasis(lm_edits *e, size_t i)
{
    lm_str s = e->text;
    char c = s.data[i], before = i ? s.data[i - 1] : '\0';
    size_t n = run_of(s, i, c);
    char after = at(s, i + n);
    bool blank_before = is_blank(before), blank_after = is_blank(after), within = is_word(before) && is_word(after);
    bool marks = c == '\''  ? n == 2 || n == 3 || n == 5
                 : c == '~' ? n == 2
                            : n <= 3 && !(c == '_' && within) && !(n == 1 && within);
    if (marks && !(blank_before && blank_after))
        lm_edits_skip(e, i, i + n);
    return i + n;
}

static bool clean(const lm_clean_step *step, lm_clean_room *room, lm_str text, lm_buf *out)
{
    (void)step, (void)room;
    static const lm_byte_set suspects = {{['\n'] = true,
                                          ['['] = true,
                                          ['!'] = true,
                                          ['*'] = true,
                                          ['_'] = true,
                                          ['~'] = true,
                                          ['\''] = true,
                                          ['`'] = true,
                                          ['{'] = true,
                                          ['\\'] = true}};
    lm_edits e = {.text = text, .out = out};
    for (size_t i = begin_line(&e, 0); i < text.len; i = lm_next_of(&suspects, text, i)) {
        char c = text.data[i];
        if (c == '\n') {
            i = begin_line(&e, i + 1);
        } else if (c == '[' || (c == '!' && at(text, i + 1) == '[')) {
            i = link_at(&e, i + (c == '!'), c == '!');
        } else if (c == '`') {
            size_t n = run_of(text, i, '`');
            lm_edits_skip(&e, i, i + n);
            i += n;
        } else if (c == '{' && at(text, i + 1) == '{') {
            size_t end = closing(text, i, '{', '}');
            if (end > i)
                lm_edits_skip(&e, i, end + 1);
            i = end + (end > i ? 1 : 2);
        } else if (c == '\\' && at(text, i + 1) && strchr("*_`[]()#+-.!~>{}|\\", at(text, i + 1))) {
            lm_edits_skip(&e, i, i + 1);
            i += 2;
        } else if (strchr("*_~'", c)) {
            i = emphasis(&e, i);
        } else {
            i++;
        }
    }
    return lm_edits_end(&e);
}

bool lm_clean_markup(lm_clean_step *step, const char *value, lm_status *st)
{
    (void)value, (void)st;
    step->clean = clean;
    return true;
}
