/* The table as --help and as a manual page. */
#include "base/option_table.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { OPTION_INDENT = 2, TEXT_COLUMN = 30, NARROWEST = 40 };

/* ---------------------------------------------------------------- --help */

/* Characters on the screen, near enough: code points. */
static int width_of(const char *s, size_t n)
{
    int width = 0;
    for (size_t i = 0; i < n; i++)
        width += ((unsigned char)s[i] & 0xC0) != 0x80;
    return width;
}

static void spaces(lm_buf *out, int n)
{
    while (n-- > 0)
        lm_buf_putc(out, ' ');
}

/* Words of `text` from column `at` on, wrapped before `columns`, further lines indented by `indent`; ends the line. */
static void wrap(lm_buf *out, const char *text, int at, int indent, int columns)
{
    int column = at;
    bool first = true;
    for (const char *p = text + strspn(text, " \n"); *p; p += strspn(p, " \n")) {
        size_t n = strcspn(p, " \n");
        int width = width_of(p, n);
        if (!first && column + 1 + width > columns) {
            lm_buf_putc(out, '\n');
            spaces(out, indent);
            column = indent;
        } else if (!first) {
            lm_buf_putc(out, ' ');
            column++;
        }
        lm_buf_append(out, p, n);
        column += width;
        first = false;
        p += n;
    }
    lm_buf_putc(out, '\n');
}

/* ": auto, always or never" */
static void list_choices(const lm_option *o, lm_buf *out)
{
    for (size_t i = 0; o->choices[i]; i++)
        lm_buf_printf(out, "%s%s", i == 0 ? ": " : o->choices[i + 1] ? ", " : " or ", o->choices[i]);
}

/* "help text [default: 3; 1 to 10]" */
static void describe(const lm_option *o, lm_buf *out)
{
    lm_buf value = {0}, range = {0};
    bool has_default = lm_option_default(o, &value), has_range = lm_option_range(o, &range);
    lm_buf_puts(out, o->help ? o->help : "");
    if (o->type == LM_OPT_CHOICE && o->value) {
        list_choices(o, out);
    }
    if (o->type == LM_OPT_STRINGS)
        lm_buf_puts(out, " (may be given several times)");
    if (o->type == LM_OPT_FLAG && has_default)
        lm_buf_printf(out, " [default: %s; --no-%s]", lm_buf_cstr(&value), o->name);
    else if (has_default && has_range)
        lm_buf_printf(out, " [default: %s; %s]", lm_buf_cstr(&value), lm_buf_cstr(&range));
    else if (has_default)
        lm_buf_printf(out, " [default: %s]", lm_buf_cstr(&value));
    else if (has_range)
        lm_buf_printf(out, " [%s]", lm_buf_cstr(&range));
    lm_buf_free(&value);
    lm_buf_free(&range);
}

static void help_option(const lm_option *o, int columns, lm_buf *out)
{
    lm_buf left = {0}, text = {0};
    spaces(&left, OPTION_INDENT);
    if (o->letter)
        lm_buf_printf(&left, "-%c, ", o->letter);
    else
        spaces(&left, 4);
    lm_buf_printf(&left, "--%s", o->name);
    if (lm_option_takes_value(o)) {
        lm_buf_puts(&left, o->optional ? "[=" : o->type == LM_OPT_CHOICE && !o->value ? "=" : " ");
        lm_option_value_name(o, &left);
        lm_buf_puts(&left, o->optional ? "]" : "");
    }
    describe(o, &text);
    int width = width_of(left.data, left.len), column = columns < 60 ? 8 : TEXT_COLUMN;
    lm_buf_append(out, left.data, left.len);
    if (width + 2 > column) {
        lm_buf_putc(out, '\n');
        spaces(out, column);
    } else {
        spaces(out, column - width);
    }
    wrap(out, lm_buf_cstr(&text), column, column, columns);
    lm_buf_free(&left);
    lm_buf_free(&text);
}

/* Calls visit for each form of the command: the lines of `operands`. */
static void each_form(const lm_program *p, void (*visit)(const lm_program *, lm_str, lm_buf *), lm_buf *out)
{
    const char *s = p->operands ? p->operands : "";
    do {
        size_t n = strcspn(s, "\n");
        visit(p, (lm_str){s, n}, out);
        s += n + (s[n] == '\n');
    } while (*s);
}

static void help_form(const lm_program *p, lm_str operands, lm_buf *out)
{
    lm_buf_printf(out, "%s %s [OPTION]...%s%.*s\n", out->len ? "      " : "Usage:", p->name, operands.len ? " " : "",
                  (int)operands.len, operands.data);
}

void lm_options_help(const lm_program *p, int columns, lm_buf *out)
{
    if (columns < NARROWEST)
        columns = NARROWEST;
    lm_buf forms = {0};
    each_form(p, help_form, &forms);
    lm_buf_append(out, forms.data, forms.len);
    lm_buf_free(&forms);
    size_t start = out->len;
    wrap(out, p->purpose, 0, 0, columns);
    if (out->data[start] >= 'a' && out->data[start] <= 'z')
        out->data[start] = (char)(out->data[start] - 'a' + 'A');
    if (out->data[out->len - 2] != '.') {
        out->len--;
        lm_buf_puts(out, ".\n");
    }
    if (p->summary) {
        lm_buf_putc(out, '\n');
        wrap(out, p->summary, 0, 0, columns);
    }
    bool first = true;
    for (const lm_option *o = p->options; !lm_option_is_last(o); o++) {
        if (o->hidden)
            continue;
        if (o->type == LM_OPT_GROUP)
            lm_buf_printf(out, "\n%s:\n", o->name);
        else if (first)
            lm_buf_puts(out, "\nOptions:\n");
        first = false;
        if (o->type != LM_OPT_GROUP)
            help_option(o, columns, out);
    }
    for (size_t i = 0; p->examples && p->examples[i]; i += 2) {
        lm_buf_puts(out, i ? "" : "\nExamples:\n");
        lm_buf_printf(out, "  # %s\n  %s\n", p->examples[i], p->examples[i + 1]);
    }
    lm_buf_printf(out, "\nExit status: 0 done, 1 failed, 2 usage, 3 the input ended early; more in lmutils(7).\n");
    lm_buf_printf(out, "The manual: man %s. Hyphens and underscores in option names are one.\n", p->name);
}

/* ---------------------------------------------------------------- man */

/* Text for man(7). A hyphen that is typed as such (an option's, a number's) is a minus there, one within a word is not. */
static void man_text(lm_buf *out, const char *s, bool literal)
{
    if (*s == '.' || *s == '\'')
        lm_buf_puts(out, "\\&");
    bool option = false; /* within a word that begins with a hyphen */
    for (char before = ' '; *s; before = *s++) {
        if (before == ' ' || before == '(')
            option = *s == '-';
        if (*s == '\\')
            lm_buf_puts(out, "\\e");
        else if (*s == '-' && (literal || option || (s[1] >= '0' && s[1] <= '9')))
            lm_buf_puts(out, "\\-");
        else if (*s == '\'' && literal)
            lm_buf_puts(out, "\\(aq");
        else
            lm_buf_putc(out, *s);
    }
}

static void man_form(const lm_program *p, lm_str operands, lm_buf *out)
{
    char *text = lm_strndup(operands.data, operands.len);
    if (out->len)
        lm_buf_puts(out, ".br\n");
    lm_buf_printf(out, ".B %s\n[\\fIOPTION\\fR]...\n", p->name);
    for (char *word = text; *word;) { /* words in capitals are places, the rest is literal */
        size_t n = strcspn(word, " ");
        for (size_t i = 0; i < n;) {
            size_t run = 0;
            while (i + run < n && ((word[i + run] >= 'A' && word[i + run] <= 'Z') || word[i + run] == '_'))
                run++;
            if (run > 1) {
                lm_buf_printf(out, "\\fI%.*s\\fR", (int)run, word + i);
                i += run;
            } else if (word[i] == '-') {
                lm_buf_puts(out, "\\-");
                i++;
            } else {
                lm_buf_putc(out, word[i++]);
            }
        }
        lm_buf_putc(out, '\n');
        word += n + strspn(word + n, " ");
    }
    free(text);
}

void lm_options_man_synopsis(const lm_program *p, lm_buf *out)
{
    lm_buf forms = {0};
    each_form(p, man_form, &forms);
    lm_buf_append(out, forms.data, forms.len);
    lm_buf_free(&forms);
}

typedef struct alias_list {
    lm_buf *out;
    const char *before;
    const lm_option *option;
    const lm_program *program;
} alias_list;

static void man_alias(lm_str alias, void *with)
{
    alias_list *list = with;
    char *name = lm_format("--%.*s", (int)alias.len, alias.data);
    lm_buf_printf(list->out, "%s\\fB", list->before);
    man_text(list->out, name, true);
    lm_buf_puts(list->out, "\\fR");
    list->before = ", ";
    free(name);
}

static void man_description(const lm_option *o, lm_buf *out)
{
    lm_buf text = {0};
    const char *help = o->help ? o->help : "";
    lm_buf_puts(&text, help);
    if (*help >= 'a' && *help <= 'z' && help[1] != '.')
        text.data[0] = (char)(*help - 'a' + 'A');
    if (o->type == LM_OPT_CHOICE && o->value) {
        list_choices(o, &text);
    }
    lm_buf_puts(&text, ".");
    if (o->type == LM_OPT_STRINGS)
        lm_buf_puts(&text, " May be given several times.");
    lm_buf value = {0}, range = {0};
    bool has_default = lm_option_default(o, &value), has_range = lm_option_range(o, &range);
    if (has_default && o->type == LM_OPT_FLAG)
        lm_buf_printf(&text, " Default: %s; --no-%s turns it off.", lm_buf_cstr(&value), o->name);
    else if (has_default)
        lm_buf_printf(&text, " Default: %s.", lm_buf_cstr(&value));
    if (has_range)
        lm_buf_printf(&text, " Range: %s.", lm_buf_cstr(&range));
    man_text(out, lm_buf_cstr(&text), false);
    lm_buf_putc(out, '\n');
    lm_buf_free(&text);
    lm_buf_free(&value);
    lm_buf_free(&range);
    if (o->aliases && *o->aliases) {
        alias_list list = {.out = out, .before = "Also accepted: "};
        lm_option_each_alias(o, man_alias, &list);
        lm_buf_puts(out, ".\n");
    }
}

void lm_options_man_options(const lm_program *p, lm_buf *out)
{
    for (const lm_option *o = p->options; !lm_option_is_last(o); o++) {
        if (o->hidden)
            continue;
        if (o->type == LM_OPT_GROUP) {
            lm_buf_puts(out, ".SS ");
            man_text(out, o->name, false);
            lm_buf_putc(out, '\n');
            continue;
        }
        lm_buf_puts(out, ".TP\n");
        if (o->letter)
            lm_buf_printf(out, "\\fB\\-%c\\fR, ", o->letter);
        lm_buf_puts(out, "\\fB\\-\\-");
        man_text(out, o->name, true);
        lm_buf_puts(out, "\\fR");
        if (lm_option_takes_value(o)) {
            lm_buf value = {0};
            bool words = o->type == LM_OPT_CHOICE && !o->value;
            lm_option_value_name(o, &value);
            lm_buf_puts(out, o->optional ? "[=\\fI" : words ? "=\\fB" : " \\fI");
            man_text(out, lm_buf_cstr(&value), true);
            lm_buf_puts(out, o->optional ? "\\fR]" : "\\fR");
            lm_buf_free(&value);
        }
        lm_buf_putc(out, '\n');
        man_description(o, out);
    }
}

static void alias_line(lm_str alias, void *with)
{
    alias_list *list = with;
    lm_buf_printf(list->out, "--%.*s\t--%s\t%s\n", (int)alias.len, alias.data, list->option->name,
                  list->program->name);
}

void lm_options_aliases(const lm_program *p, lm_buf *out)
{
    for (const lm_option *o = p->options; !lm_option_is_last(o); o++) {
        alias_list list = {.out = out, .option = o, .program = p};
        if (!o->hidden)
            lm_option_each_alias(o, alias_line, &list);
    }
}
