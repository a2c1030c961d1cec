/* Addresses and numbers of people, which a model should not learn: each becomes a word that stands for its kind. */
#include "augment/clean/clean.h"

#include "base/utf8.h"
#include "text/unicode/unicode.h"

enum { LOCAL_MAX = 64, LABELS_MAX = 253, GROUPS_MAX = 6 };

static char at(lm_str s, size_t i)
{
    return i < s.len ? s.data[i] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c) || c == '_';
}

static bool setup(lm_clean_step *step, const char *word, const char *value)
{
    step->word = strcmp(value, "drop") == 0 ? "" : *value ? value : word;
    return true;
}

/* Where the host name at i ends: labels of letters, digits and hyphens with dots between, the last one of letters alone; i:
 * there is none. */
static size_t host_end(lm_str s, size_t i)
{
    size_t from = i, end = i, dots = 0;
    while (i < s.len && i - from < LABELS_MAX) {
        size_t label = i;
        bool letters = true;
        while (is_letter(at(s, i)) || is_digit(at(s, i)) || at(s, i) == '-') {
            letters = letters && is_letter(s.data[i]);
            i++;
        }
        if (i == label || s.data[label] == '-' || s.data[i - 1] == '-')
            break;
        if (dots && letters && i - label >= 2)
            end = i;
        if (at(s, i) != '.')
            break;
        dots++;
        i++;
    }
    return end;
}

/* ---------------------------------------------------------------- URLs */

/* Characters of RFC 3986, those of the delimiters that often stand around an address left out. */
static bool is_in_url(char c)
{
    return is_word(c) || (c && strchr("-.~:/?#@!$&'()*+,;=%[]", c));
}

/* Where the rest of a URL at i ends. A letter beyond ASCII belongs to it behind a slash, an equals sign and the like (a path
 * in Korean), not behind a letter or digit (a particle). What stands before a blank as a sentence's punctuation does not. */
static size_t url_end(lm_str s, size_t i)
{
    size_t from = i;
    int open = 0;
    bool foreign = false;
    for (; i < s.len; i++) {
        char c = s.data[i];
        if ((unsigned char)c >= 0x80) {
            uint32_t code;
            size_t n = lm_utf8_decode(s.data + i, s.len - i, &code);
            if (!(lm_unicode_properties(code) & LM_CP_WORD) || !(foreign || (i > from && strchr("/=_-%?&#+", s.data[i - 1]))))
                break;
            foreign = true;
            i += n - 1;
            continue;
        }
        if (!is_in_url(c) || (c == ')' && open == 0))
            break;
        open += c == '(' ? 1 : c == ')' ? -1 : 0;
        foreign = foreign && is_word(c);
    }
    while (i > from && strchr(".,;:!?'&([", s.data[i - 1]))
        i--;
    return i;
}

/* Does a scheme end before the colon at i? Returns where it begins; i: none. */
static size_t scheme_before(lm_str s, size_t i, size_t done)
{
    static const char *const schemes[] = {"https", "http", "ftps", "ftp", "sftp"};
    for (size_t k = 0; k < sizeof schemes / sizeof *schemes; k++) {
        size_t n = strlen(schemes[k]);
        if (i >= done + n && strncasecmp(s.data + i - n, schemes[k], n) == 0 && !(i > done + n && is_word(s.data[i - n - 1])))
            return i - n;
    }
    return i;
}

/* A bare host is an address if a path follows, or it begins with www; "Amazon.com" is a company. `dot` is its first. */
static size_t bare_url(lm_str s, size_t dot, size_t done, size_t *end)
{
    size_t from = dot;
    while (from > done && dot - from < LOCAL_MAX && (is_word(s.data[from - 1]) || s.data[from - 1] == '-'))
        from--;
    if (from == dot || (from > done && strchr("@./", s.data[from - 1])))
        return dot;
    size_t host = host_end(s, from);
    bool www = dot - from == 3 && strncasecmp(s.data + from, "www", 3) == 0;
    if (host <= dot || at(s, host) == '@')
        return dot;
    if (at(s, host) == '/' && (is_word(at(s, host + 1)) || (unsigned char)at(s, host + 1) >= 0x80 || www))
        *end = url_end(s, host);
    else if (www)
        *end = host;
    else
        return dot;
    return from;
}

static bool clean_urls(const lm_clean_step *step, lm_clean_room *room, lm_str text, lm_buf *out)
{
    (void)room;
    static const lm_byte_set suspects = {{[':'] = true, ['.'] = true}};
    lm_edits e = {.text = text, .out = out};
    for (size_t i = lm_next_of(&suspects, text, 0); i < text.len; i = lm_next_of(&suspects, text, i)) {
        size_t from = i, end = i;
        if (text.data[i] == '.') {
            from = bare_url(text, i, e.done, &end);
        } else if (at(text, i + 1) == '/' && at(text, i + 2) == '/') {
            from = scheme_before(text, i, e.done);
            end = from < i ? url_end(text, i + 3) : i;
            from = end == i + 3 ? i : from;
        }
        if (from == i) {
            i++;
            continue;
        }
        lm_edits_put(&e, from, end, lm_str_of(step->word));
        i = end;
    }
    return lm_edits_end(&e);
}

bool lm_clean_urls(lm_clean_step *step, const char *value, lm_status *st)
{
    (void)st;
    step->clean = clean_urls;
    return setup(step, "[URL]", value);
}

/* ---------------------------------------------------------------- e-mail */

static bool clean_emails(const lm_clean_step *step, lm_clean_room *room, lm_str text, lm_buf *out)
{
    (void)room;
    static const lm_byte_set suspects = {{['@'] = true}};
    lm_edits e = {.text = text, .out = out};
    for (size_t i = lm_next_of(&suspects, text, 0); i < text.len; i = lm_next_of(&suspects, text, i + 1)) {
        size_t from = i, end = host_end(text, i + 1);
        while (from > e.done && i - from < LOCAL_MAX && (is_word(text.data[from - 1]) || strchr(".+-%", text.data[from - 1])))
            from--;
        while (from < i && !is_word(text.data[from]))
            from++;
        if (from < i && end > i + 1 && text.data[i - 1] != '.') {
            lm_edits_put(&e, from, end, lm_str_of(step->word));
            i = end - 1;
        }
    }
    return lm_edits_end(&e);
}

bool lm_clean_emails(lm_clean_step *step, const char *value, lm_status *st)
{
    (void)st;
    step->clean = clean_emails;
    return setup(step, "[EMAIL]", value);
}

/* ---------------------------------------------------------------- phones */

/* Groups of digits and what parts them: a number as it is written. */
typedef struct number {
    size_t ends[GROUPS_MAX];     /* of the groups, in the text */
    int digits[GROUPS_MAX];      /* in each */
    int values[GROUPS_MAX];      /* of groups of up to four digits */
    char separators[GROUPS_MAX]; /* before each; 0 before the first */
    int count;
    bool plus, bracket; /* +82 ..., (02) ... */
} number;

/* A separator at *i: one of `-`, `.`, blank, hyphen or dash of Unicode's, perhaps behind `)`. */
static char separator(lm_str s, size_t *i)
{
    char c = at(s, *i);
    size_t n = 0;
    if (c == '-' || c == '.' || c == ' ')
        n = 1;
    else if (c == ')')
        n = at(s, *i + 1) == ' ' || at(s, *i + 1) == '-' ? 2 : 1;
    else if (c == '\xE2' && at(s, *i + 1) == '\x80' && at(s, *i + 2) >= '\x90' && at(s, *i + 2) <= '\x93')
        n = 3, c = '-';
    *i += n;
    return n ? c : '\0';
}

/* The number at i, as far as it goes. */
static void read_number(lm_str s, size_t i, number *x)
{
    *x = (number){.plus = at(s, i) == '+', .bracket = at(s, i) == '('};
    i += x->plus || x->bracket;
    for (char sep = 0; x->count < GROUPS_MAX; sep = separator(s, &i)) {
        if (x->count && !sep)
            break;
        if (x->plus && at(s, i) == '(' && at(s, i + 1) == '0' && at(s, i + 2) == ')') /* +82 (0)10 */
            i += 3;
        int k = x->count, digits = 0;
        for (; is_digit(at(s, i)); i++, digits++)
            x->values[k] = digits < 4 ? x->values[k] * 10 + (s.data[i] - '0') : x->values[k];
        if (!digits)
            break;
        x->separators[k] = sep;
        x->digits[k] = digits;
        x->ends[k] = i;
        x->count++;
    }
}

static int digits_of(const number *x, int groups)
{
    int sum = 0;
    for (int k = 0; k < groups; k++)
        sum += x->digits[k];
    return sum;
}

/* Are the separators of the groups from 1 on all `one` or `other`? */
static bool parted_by(const number *x, int groups, char one, char other)
{
    for (int k = 1; k < groups; k++)
        if (x->separators[k] != one && x->separators[k] != other)
            return false;
    return true;
}

static bool is_mobile(lm_str s, size_t i)
{
    return at(s, i) == '0' && at(s, i + 1) == '1' && strchr("016789", at(s, i + 2)) && at(s, i + 2);
}

/* 02-123-4567, 010 1234 5678, 031)123-4567: the first group with its zero, three or four digits, four digits. */
static bool is_korean(lm_str s, size_t i, const number *x)
{
    int first = x->values[0];
    bool area = x->digits[0] == 2 ? first == 2
                                  : x->digits[0] == 3 && (is_mobile(s, i) || (first >= 31 && first <= 33) ||
                                                          (first >= 41 && first <= 44) || (first >= 51 && first <= 55) ||
                                                          (first >= 61 && first <= 64) || first == 70 || first == 80);
    area |= x->digits[0] == 4 && first >= 502 && first <= 508 && s.data[i] == '0';
    return area && s.data[i] == '0' && (x->digits[1] == 3 || x->digits[1] == 4) && x->digits[2] == 4;
}

/* 1588-1234 and its like. 1866-1918 is a war, or a life. */
static bool is_korean_service(const number *x)
{
    static const short prefixes[] = {1522, 1533, 1544, 1566, 1577, 1588, 1599, 1600, 1611, 1644, 1660, 1661,
                                     1666, 1668, 1670, 1688, 1800, 1811, 1833, 1844, 1855, 1866, 1877, 1899};
    if (x->digits[0] != 4 || x->digits[1] != 4 || x->separators[1] != '-' ||
        (x->values[1] > x->values[0] && x->values[1] < 2100))
        return false;
    for (size_t k = 0; k < sizeof prefixes / sizeof *prefixes; k++)
        if (x->values[0] == prefixes[k])
            return true;
    return false;
}

/* (415) 555-2671, 1-415-555-2671, 415.555.2671: area and exchange begin with 2 to 9. */
static bool is_american(const number *x, int from)
{
    return x->digits[from] == 3 && x->digits[from + 1] == 3 && x->digits[from + 2] == 4 && x->values[from] >= 200 &&
           x->values[from + 1] >= 200;
}

/* Where the phone number at i ends; i: there is none. */
static size_t phone_end(lm_str s, size_t i)
{
    number x;
    read_number(s, i, &x);
    if (x.bracket) {
        bool closed = x.count > 1 && x.separators[1] == ')';
        if (closed && x.count >= 3 && (is_korean(s, i + 1, &x) || is_american(&x, 0)))
            return x.ends[2];
        return i;
    }
    if (x.plus) { /* E.164: a country's code and 7 to 15 digits in all */
        int groups = x.count;
        while (groups > 0 && digits_of(&x, groups) > 15)
            groups--;
        return groups && at(s, i + 1) != '0' && digits_of(&x, groups) >= (groups > 1 ? 8 : 9) ? x.ends[groups - 1] : i;
    }
    if (x.count >= 1 && is_mobile(s, i) && (x.digits[0] == 11 || (x.digits[0] == 10 && at(s, i + 2) != '0')))
        return x.ends[0];
    if (x.count >= 3 && is_korean(s, i, &x) &&
        (parted_by(&x, 3, '-', ')') || parted_by(&x, 3, ' ', ' ') || parted_by(&x, 3, '.', '.')))
        return x.ends[2];
    if (x.count >= 4 && x.digits[0] == 1 && x.values[0] == 1 && is_american(&x, 1) && parted_by(&x, 4, '-', '.'))
        return x.ends[3];
    if (x.count >= 3 && is_american(&x, 0) && (parted_by(&x, 3, '-', '-') || parted_by(&x, 3, '.', '.')))
        return x.ends[2];
    /* a trunk's zero and nine to eleven digits in three groups: Japan, Britain, France ... */
    if (x.count >= 3 && s.data[i] == '0' && x.digits[0] >= 2 && x.digits[0] <= 5 && parted_by(&x, 3, '-', '-') &&
        digits_of(&x, 3) >= 9 && digits_of(&x, 3) <= 11 && x.digits[2] >= 3)
        return x.ends[2];
    if (x.count >= 2 && is_korean_service(&x))
        return x.ends[1];
    return i;
}

static bool clean_phones(const lm_clean_step *step, lm_clean_room *room, lm_str text, lm_buf *out)
{
    (void)room;
    static const lm_byte_set suspects = {{['0' ... '9'] = true, ['+'] = true, ['('] = true}};
    lm_edits e = {.text = text, .out = out};
    for (size_t i = lm_next_of(&suspects, text, 0); i < text.len; i = lm_next_of(&suspects, text, i)) {
        char before = i > e.done ? text.data[i - 1] : ' ';
        bool within =
            is_word(before) || ((before == '-' || before == '.' || before == ',') && i > 1 && is_word(text.data[i - 2]));
        size_t end = within && text.data[i] != '+' ? i : phone_end(text, i);
        /* no part of a longer number */
        bool goes_on =
            is_word(at(text, end)) || (strchr("-.,", at(text, end)) && at(text, end) && is_digit(at(text, end + 1)));
        if (end > i && !goes_on) {
            lm_edits_put(&e, i, end, lm_str_of(step->word));
            i = end;
        } else if (is_digit(text.data[i])) {
            while (is_digit(at(text, i)))
                i++;
        } else {
            i++;
        }
    }
    return lm_edits_end(&e);
}

bool lm_clean_phones(lm_clean_step *step, const char *value, lm_status *st)
{
    (void)st;
    step->clean = clean_phones;
    return setup(step, "[PHONE]", value);
}
