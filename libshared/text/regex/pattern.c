#include "text/regex/pattern.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>

static void read_codes(lm_pattern *p, lm_str s)
{
    p->codes = lm_malloc(s.len, sizeof *p->codes);
    for (size_t i = 0; i < s.len;)
        i += lm_utf8_decode(s.data + i, s.len - i, &p->codes[p->count++]);
}

bool lm_pattern_read_regex(lm_pattern *p, lm_str regex, const char *what, lm_status *st)
{
    p->text = lm_strndup(regex.data, regex.len);
    p->text_len = regex.len;
    p->regex = lm_regex_new(regex, what, st);
    return p->regex != NULL;
}

bool lm_pattern_read(lm_pattern *p, json_t *spec, const char *what, lm_status *st)
{
    json_t *pattern = json_object_get(spec, "pattern");
    json_t *string = json_object_get(pattern, "String"), *regex = json_object_get(pattern, "Regex");
    json_t *either = string ? string : regex;
    if (!json_is_string(either) || (string && regex))
        return lm_fail(st, LM_FAILED, "%s: \"pattern\" is neither {\"String\": ...} nor {\"Regex\": ...}",
                       what);
    lm_str s = {json_string_value(either), json_string_length(either)};
    if (!string || s.len == 0) /* an empty string is found everywhere, which an empty expression says */
        return lm_pattern_read_regex(p, s, what, st);
    p->text = lm_strndup(s.data, s.len);
    p->text_len = s.len;
    read_codes(p, s);
    return true;
}

void lm_pattern_free(lm_pattern *p)
{
    free(p->text);
    free(p->codes);
    lm_regex_free(p->regex);
    *p = (lm_pattern){0};
}

void lm_pattern_describe(const lm_pattern *p, lm_buf *out)
{
    lm_buf_puts(out, p->regex ? "regex " : "string ");
    lm_buf_append(out, p->text, p->text_len);
}

void lm_matches_begin(lm_matches *m, const lm_pattern *pattern, lm_pieces *pieces, size_t from, size_t to)
{
    *m = (lm_matches){.pattern = pattern, .pieces = pieces, .to = to, .begin = from, .end = from};
    if (!pattern->regex)
        return;
    if (!pieces->matcher)
        pieces->matcher = lm_matcher_new();
    pieces->utf8.len = 0;
    lm_regex_text(&pieces->chars, from, to, &pieces->utf8);
    m->find.subject = lm_buf_str(&pieces->utf8);
}

static bool next_string(lm_matches *m)
{
    const lm_char *at = m->pieces->chars.at;
    const uint32_t *codes = m->pattern->codes;
    size_t n = m->pattern->count;
    for (size_t i = m->end; i + n <= m->to; i++) {
        size_t k = 0;
        while (k < n && at[i + k].code == codes[k])
            k++;
        if (k == n) {
            m->begin = i;
            m->end = i + n;
            return true;
        }
    }
    return false;
}

/* Counts characters on from *character, which begins at *byte, to the one that begins at `to`. */
static void count_on(lm_str s, size_t to, size_t *byte, size_t *character)
{
    for (; *byte < to; ++*byte)
        *character += ((unsigned char)s.data[*byte] & 0xC0) != 0x80;
}

bool lm_matches_next(lm_matches *m)
{
    if (!m->pattern->regex)
        return next_string(m);
    if (m->find.subject.len == 0 || !lm_regex_find(m->pattern->regex, m->pieces->matcher, &m->find))
        return false;
    size_t character = m->end;
    count_on(m->find.subject, m->find.from, &m->byte, &character);
    m->begin = character;
    count_on(m->find.subject, m->find.to, &m->byte, &character);
    m->end = character;
    return true;
}
