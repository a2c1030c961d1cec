/* HTML made text: tags go, those that begin or end a block become a line end, entities become what they stand for.
 *
 * A tag is one of an element that HTML knows, or has a name with a hyphen or a prefix (o:p): "a < b", "<3" and "<name>" stay.
 * A text that has entities for its tags, and no tag itself, was escaped once too often and is read once more. An entity whose
 * ampersand became a blank (AG News: "AT amp;T", "it #39;s") is known as well. */
#include "augment/clean/html.h"
#include "augment/clean/clean.h"
#include "augment/clean/encodings.h"

#include "base/utf8.h"

enum { NAME_MAX = 24, READ_TWICE = 2 };

typedef enum element { UNKNOWN, INLINE, CELL, BLOCK, HIDDEN /* with all that stands in it */ } element;

/* In order of the names. */
static const struct {
    const char *name;
    element kind;
} elements[] = {
    {"a", INLINE},        {"abbr", INLINE},      {"acronym", INLINE},  {"address", BLOCK},   {"applet", INLINE},
    {"area", INLINE},     {"article", BLOCK},    {"aside", BLOCK},     {"audio", INLINE},    {"b", INLINE},
    {"base", INLINE},     {"basefont", INLINE},  {"bdi", INLINE},      {"bdo", INLINE},      {"big", INLINE},
    {"blink", INLINE},    {"blockquote", BLOCK}, {"body", BLOCK},      {"br", BLOCK},        {"button", INLINE},
    {"canvas", INLINE},   {"caption", BLOCK},    {"center", BLOCK},    {"cite", INLINE},     {"code", INLINE},
    {"col", INLINE},      {"colgroup", INLINE},  {"data", INLINE},     {"datalist", INLINE}, {"dd", BLOCK},
    {"del", INLINE},      {"details", BLOCK},    {"dfn", INLINE},      {"dialog", BLOCK},    {"dir", BLOCK},
    {"div", BLOCK},       {"dl", BLOCK},         {"dt", BLOCK},        {"em", INLINE},       {"embed", INLINE},
    {"fieldset", BLOCK},  {"figcaption", BLOCK}, {"figure", BLOCK},    {"font", INLINE},     {"footer", BLOCK},
    {"form", BLOCK},      {"frame", INLINE},     {"frameset", BLOCK},  {"h1", BLOCK},        {"h2", BLOCK},
    {"h3", BLOCK},        {"h4", BLOCK},         {"h5", BLOCK},        {"h6", BLOCK},        {"head", BLOCK},
    {"header", BLOCK},    {"hgroup", BLOCK},     {"hr", BLOCK},        {"html", BLOCK},      {"i", INLINE},
    {"iframe", HIDDEN},   {"img", INLINE},       {"input", INLINE},    {"ins", INLINE},      {"kbd", INLINE},
    {"label", INLINE},    {"legend", BLOCK},     {"li", BLOCK},        {"link", INLINE},     {"main", BLOCK},
    {"map", INLINE},      {"mark", INLINE},      {"marquee", INLINE},  {"math", INLINE},     {"menu", BLOCK},
    {"meta", INLINE},     {"meter", INLINE},     {"nav", BLOCK},       {"nobr", INLINE},     {"noembed", HIDDEN},
    {"noframes", HIDDEN}, {"noscript", INLINE},  {"object", INLINE},   {"ol", BLOCK},        {"optgroup", BLOCK},
    {"option", BLOCK},    {"output", INLINE},    {"p", BLOCK},         {"param", INLINE},    {"picture", INLINE},
    {"pre", BLOCK},       {"progress", INLINE},  {"q", INLINE},        {"rb", INLINE},       {"rp", INLINE},
    {"rt", INLINE},       {"ruby", INLINE},      {"s", INLINE},        {"samp", INLINE},     {"script", HIDDEN},
    {"section", BLOCK},   {"select", INLINE},    {"slot", INLINE},     {"small", INLINE},    {"source", INLINE},
    {"span", INLINE},     {"strike", INLINE},    {"strong", INLINE},   {"style", HIDDEN},    {"sub", INLINE},
    {"summary", BLOCK},   {"sup", INLINE},       {"svg", INLINE},      {"table", BLOCK},     {"tbody", BLOCK},
    {"td", CELL},         {"template", HIDDEN},  {"textarea", INLINE}, {"tfoot", BLOCK},     {"th", CELL},
    {"thead", BLOCK},     {"time", INLINE},      {"title", BLOCK},     {"tr", BLOCK},        {"track", INLINE},
    {"tt", INLINE},       {"u", INLINE},         {"ul", BLOCK},        {"var", INLINE},      {"video", INLINE},
    {"wbr", INLINE},
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A page on its way to text. What was looked for once and is not there is not looked for again, so that time stays in
 * proportion. */
typedef struct page {
    lm_edits e;
    bool no_end, quotes_broken;          /* from here on: no `>`; a quote that does not close; */
    bool no_comment_end, no_section_end; /* no `-->`; no `]]>` */
    bool tags;                           /* there was one */
    size_t broken_at; /* bytes of the output, the line end that a block put there included; 0: it does not end in one */
} page;

static char at(const page *p, size_t i)
{
    return i < p->e.text.len ? p->e.text.data[i] : '\0';
}

static element element_named(const char *name, size_t n)
{
    char lower[NAME_MAX];
    bool special = false;
    for (size_t i = 0; i < n; i++) {
        lower[i] = is_letter(name[i]) ? (char)(name[i] | 0x20) : name[i];
        special |= name[i] == '-' || name[i] == ':';
    }
    size_t low = 0, high = sizeof elements / sizeof *elements;
    while (low < high) {
        size_t middle = (low + high) / 2, len = strlen(elements[middle].name);
        int order = memcmp(elements[middle].name, lower, len < n ? len : n);
        if (order == 0 && len == n)
            return elements[middle].kind;
        if (order < 0 || (order == 0 && len < n))
            low = middle + 1;
        else
            high = middle;
    }
    return special ? INLINE : UNKNOWN;
}

/* Bytes of the name at i: letters and digits, hyphens between them, or one colon behind a short prefix; 0: none. */
static size_t name_at(const page *p, size_t i)
{
    size_t n = 0, colon = 0;
    if (!is_letter(at(p, i)))
        return 0;
    while (n < NAME_MAX &&
           (is_letter(at(p, i + n)) || is_digit(at(p, i + n)) || at(p, i + n) == '-' || at(p, i + n) == ':')) {
        if (at(p, i + n) == ':') {
            if (colon || n > 5 || !is_letter(at(p, i + n + 1)))
                return 0;
            colon = n;
        }
        n++;
    }
    return n < NAME_MAX && at(p, i + n - 1) != '-' ? n : 0;
}

/* Behind a tag's name, where its `>` is; 0: it has none. *attributes: there is an equals sign. */
static size_t end_of_tag(page *p, size_t i, bool *attributes)
{
    const char *s = p->e.text.data;
    size_t n = p->e.text.len, from = i;
    char quote = 0;
    *attributes = false;
    if (p->no_end)
        return 0;
    for (; i < n; i++) {
        if (quote) {
            quote = s[i] == quote ? 0 : quote;
        } else if (s[i] == '>') {
            return i;
        } else if (s[i] == '=') {
            *attributes = true;
        } else if (s[i] == '<' && !*attributes) {
            return 0;
        } else if ((s[i] == '"' || s[i] == '\'') && *attributes && !p->quotes_broken) {
            quote = s[i];
        }
    }
    if (!quote) {
        p->no_end = true;
        return 0;
    }
    p->quotes_broken = true;
    return end_of_tag(p, from, attributes);
}

/* The last byte of the output if text[..from) is copied; '\n' where there is none. */
static char before(const page *p, size_t from)
{
    if (p->e.done < from)
        return p->e.text.data[from - 1];
    return p->e.out->len ? p->e.out->data[p->e.out->len - 1] : '\n';
}

static void leave_out(page *p, size_t from, size_t to, element kind)
{
    char last = before(p, from);
    p->tags = true;
    if (kind == BLOCK && last != '\n') {
        lm_edits_put(&p->e, from, to, lm_str_of("\n"));
        p->broken_at = p->e.out->len;
    } else {
        lm_edits_put(&p->e, from, to, lm_str_of(kind == CELL && !is_blank(last) ? " " : ""));
    }
}

/* Where the element that was opened ends, behind its end tag; the end of the text where it is not closed. */
static size_t end_of_hidden(const page *p, size_t i, const char *name, size_t n)
{
    lm_str text = p->e.text;
    for (const char *s; i < text.len && (s = memmem(text.data + i, text.len - i, "</", 2)) != NULL;) {
        i = (size_t)(s - text.data) + 2;
        if (text.len - i >= n && strncasecmp(text.data + i, name, n) == 0 && !is_letter(at(p, i + n))) {
            const char *end = memchr(text.data + i, '>', text.len - i);
            return end ? (size_t)(end - text.data) + 1 : text.len;
        }
    }
    return text.len;
}

/* A comment, declaration or instruction at `<!` or `<?`; returns where to go on. */
static size_t declaration(page *p, size_t i)
{
    lm_str text = p->e.text;
    const char *s = text.data + i, *end;
    size_t left = text.len - i;
    if (left >= 9 && memcmp(s, "<![CDATA[", 9) == 0) {
        end = p->no_section_end ? NULL : memmem(s, left, "]]>", 3);
        p->no_section_end = !end;
        lm_edits_skip(&p->e, i, i + 9);
        p->tags = true;
        if (end)
            lm_edits_skip(&p->e, (size_t)(end - text.data), (size_t)(end - text.data) + 3);
        return end ? p->e.done : i + 9;
    }
    if (left >= 4 && memcmp(s, "<!--", 4) == 0) {
        end = p->no_comment_end ? NULL : memmem(s + 4, left - 4, "-->", 3);
        p->no_comment_end = !end;
        if (!end)
            return i + 4;
        leave_out(p, i, (size_t)(end - text.data) + 3, INLINE);
        return p->e.done;
    }
    if (!is_letter(at(p, i + 2)) && at(p, i + 2) != '[')
        return i + 2;
    end = p->no_end ? NULL : memchr(s, '>', left);
    p->no_end = !end;
    if (!end)
        return i + 2;
    leave_out(p, i, (size_t)(end - text.data) + 1, INLINE);
    return p->e.done;
}

/* At `<`; returns where to go on. */
static size_t tag(page *p, size_t i)
{
    if (at(p, i + 1) == '!' || at(p, i + 1) == '?')
        return declaration(p, i);
    bool closing = at(p, i + 1) == '/', attributes;
    size_t name = i + 1 + closing, n = name_at(p, name), end;
    element kind = n ? element_named(p->e.text.data + name, n) : UNKNOWN;
    char next = at(p, name + n);
    if (kind == UNKNOWN || !(next == '>' || next == '/' || is_blank(next)) || !(end = end_of_tag(p, name + n, &attributes)))
        return i + 1;
    size_t inside = name + n;
    while (inside < end && (is_blank(at(p, inside)) || at(p, inside) == '/'))
        inside++;
    if (n == 1 && inside < end && !attributes) /* "x <a and b> y" */
        return i + 1;
    if (kind == HIDDEN && !closing && at(p, end - 1) != '/')
        end = end_of_hidden(p, end + 1, p->e.text.data + name, n) - 1;
    leave_out(p, i, end + 1, kind == HIDDEN || (kind == CELL && closing) ? INLINE : kind);
    return end + 1;
}

/* ---------------------------------------------------------------- entities */

static void put_code(page *p, size_t from, size_t to, uint32_t code)
{
    char utf8[4];
    lm_edits_put(&p->e, from, to, (lm_str){utf8, lm_utf8_encode(code, utf8)});
}

/* The number behind # at i, by the rules of HTML; returns where it ends, a semicolon included; i: there is none. */
static size_t number_at(const page *p, size_t i, uint32_t *code, bool *closed)
{
    size_t from = i;
    bool hex = (at(p, i) | 0x20) == 'x';
    uint32_t value = 0;
    i += hex;
    size_t first = i;
    for (;; i++) {
        char c = at(p, i), low = (char)(c | 0x20);
        bool letter = hex && low >= 'a' && low <= 'f';
        if (!is_digit(c) && !letter)
            break;
        if (value < 0x110000)
            value = value * (hex ? 16 : 10) + (uint32_t)(letter ? low - 'a' + 10 : c - '0');
    }
    if (i == first)
        return from;
    *closed = at(p, i) == ';';
    *code = value == 0 ? 0xFFFD : lm_windows_1252(value);
    return i + *closed;
}

/* At `&`; returns where to go on. */
static size_t entity(page *p, size_t i)
{
    uint32_t code;
    bool closed, bare;
    if (at(p, i + 1) == '#') {
        size_t end = number_at(p, i + 2, &code, &closed);
        if (end == i + 2)
            return i + 1;
        put_code(p, i, end, code);
        return end;
    }
    size_t n = 0;
    while (n < NAME_MAX && (is_letter(at(p, i + 1 + n)) || is_digit(at(p, i + 1 + n))))
        n++;
    code = n ? lm_html_entity((lm_str){p->e.text.data + i + 1, n}, &bare) : 0;
    closed = at(p, i + 1 + n) == ';';
    if (!code || !(closed || (bare && at(p, i + 1 + n) != '=')))
        return i + 1;
    put_code(p, i, i + 1 + n + closed, code);
    return i + 1 + n + closed;
}

/* At `#` or behind a name at `;`: an entity whose & was lost, and mostly became the blank before it. */
static size_t lost_number(page *p, size_t i)
{
    uint32_t code;
    bool closed = false;
    size_t end = number_at(p, i + 1, &code, &closed), blank = i > p->e.done && p->e.text.data[i - 1] == ' ';
    if (end < i + 4 || end > i + 8 || !closed || !(blank || i == 0 || i == p->e.done))
        return i + 1;
    put_code(p, i - blank, end, code);
    return end;
}

static size_t lost_name(page *p, size_t i)
{
    static const struct {
        const char *name;
        uint32_t code;
    } lost[] = {{"quot", '"'}, {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"nbsp", 0xA0}, {"apos", '\''}};
    for (size_t k = 0; k < sizeof lost / sizeof *lost; k++) {
        size_t n = strlen(lost[k].name), from = i - n;
        if (i < p->e.done + n || memcmp(p->e.text.data + from, lost[k].name, n) != 0)
            continue;
        bool blank = from > p->e.done && p->e.text.data[from - 1] == ' ';
        if (blank || from == 0)
            put_code(p, from - blank, i + 1, lost[k].code);
        break;
    }
    return i + 1;
}

/* ---------------------------------------------------------------- a text */

static bool read_page(page *p)
{
    static const lm_byte_set suspects = {{['<'] = true, ['&'] = true, ['#'] = true, [';'] = true}};
    for (size_t i = lm_next_of(&suspects, p->e.text, 0); i < p->e.text.len; i = lm_next_of(&suspects, p->e.text, i)) {
        char c = p->e.text.data[i];
        i = c == '<' ? tag(p, i) : c == '&' ? entity(p, i) : c == '#' ? lost_number(p, i) : lost_name(p, i);
    }
    bool ends_so = p->broken_at && p->e.done == p->e.text.len && p->e.out->len == p->broken_at;
    bool any = lm_edits_end(&p->e);
    if (ends_so) /* a line end between blocks, none behind the last */
        p->e.out->len--;
    return any;
}

static bool clean(const lm_clean_step *step, lm_clean_room *room, lm_str text, lm_buf *out)
{
    (void)step;
    page p = {.e = {.text = text, .out = out}};
    if (!read_page(&p))
        return false;
    for (int k = 1; k < READ_TWICE && !p.tags; k++) {
        lm_buf *again = &room->spare;
        again->len = 0;
        p = (page){.e = {.text = lm_buf_str(out), .out = again}};
        if (!read_page(&p))
            break;
        lm_buf swapped = *out;
        *out = *again;
        *again = swapped;
    }
    return true;
}

bool lm_clean_html(lm_clean_step *step, const char *value, lm_status *st)
{
    (void)value, (void)st;
    step->clean = clean;
    return true;
}
