/* The table as completions for shells. */
#include "base/option_table.h"

#include <string.h>

/* ---------------------------------------------------------------- bash */

static void bash_case(const lm_option *o, lm_buf *out)
{
    lm_buf_puts(out, "    ");
    if (o->letter)
        lm_buf_printf(out, "-%c | ", o->letter);
    lm_buf_printf(out, "--%s)\n", o->name);
    switch (o->type) {
    case LM_OPT_FILE:
        lm_buf_puts(out, "        compopt -o filenames\n        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n");
        break;
    case LM_OPT_DIR:
        lm_buf_puts(out, "        compopt -o filenames\n        mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")\n");
        break;
    case LM_OPT_CHOICE:
        lm_buf_puts(out, "        mapfile -t COMPREPLY < <(compgen -W '");
        for (size_t i = 0; o->choices[i]; i++)
            lm_buf_printf(out, "%s%s", i ? " " : "", o->choices[i]);
        lm_buf_puts(out, "' -- \"$cur\")\n");
        break;
    default:
        lm_buf_puts(out, "        COMPREPLY=()\n"); /* a number or text of the user's own */
    }
    lm_buf_puts(out, "        return\n        ;;\n");
}

static void complete_bash(const lm_program *p, lm_buf *out)
{
    lm_buf_printf(out, "# bash completion for %s(1), made from its option table\n_lmutils_%s()\n{\n", p->name, p->name);
    lm_buf_puts(out, "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
                     "    # --name=value comes as three words\n"
                     "    if [[ $cur == = ]]; then\n"
                     "        cur=\n"
                     "    elif [[ $prev == = ]]; then\n"
                     "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
                     "    fi\n"
                     "    case $prev in\n");
    for (const lm_option *o = p->options; !lm_option_is_last(o); o++)
        if (!o->hidden && lm_option_takes_value(o))
            bash_case(o, out);
    lm_buf_puts(out, "    esac\n    if [[ $cur == -* ]]; then\n        mapfile -t COMPREPLY < <(compgen -W '");
    bool first = true;
    for (const lm_option *o = p->options; !lm_option_is_last(o); o++) {
        if (o->hidden || o->type == LM_OPT_GROUP)
            continue;
        lm_buf_printf(out, "%s--%s", first ? "" : " ", o->name);
        if (o->letter)
            lm_buf_printf(out, " -%c", o->letter);
        first = false;
    }
    lm_buf_puts(out, "' -- \"$cur\")\n"
                     "    else\n"
                     "        compopt -o filenames\n"
                     "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
                     "    fi\n"
                     "}\n");
    lm_buf_printf(out, "complete -F _lmutils_%s %s\n", p->name, p->name);
}

/* ---------------------------------------------------------------- zsh and fish */

/* Text within single quotes of a shell, the characters of `special` behind a backslash. */
static void quoted(lm_buf *out, const char *s, const char *special, const char *apostrophe)
{
    for (; *s; s++) {
        if (*s == '\'')
            lm_buf_puts(out, apostrophe);
        else if (*s == '\n')
            lm_buf_putc(out, ' ');
        else {
            if (strchr(special, *s))
                lm_buf_putc(out, '\\');
            lm_buf_putc(out, *s);
        }
    }
}

static void zsh_value(const lm_option *o, lm_buf *out)
{
    lm_buf name = {0};
    if (!lm_option_takes_value(o))
        return;
    lm_option_value_name(o, &name);
    lm_buf_putc(out, ':');
    quoted(out, lm_buf_cstr(&name), "[]:\\", "'\\''");
    lm_buf_putc(out, ':');
    lm_buf_free(&name);
    if (o->type == LM_OPT_FILE) {
        lm_buf_puts(out, "_files");
    } else if (o->type == LM_OPT_DIR) {
        lm_buf_puts(out, "_files -/");
    } else if (o->type == LM_OPT_CHOICE) {
        for (size_t i = 0; o->choices[i]; i++)
            lm_buf_printf(out, "%s%s", i ? " " : "(", o->choices[i]);
        lm_buf_putc(out, ')');
    } else {
        lm_buf_putc(out, ' ');
    }
}

static void complete_zsh(const lm_program *p, lm_buf *out)
{
    lm_buf_printf(out, "#compdef %s\n# zsh completion for %s(1), made from its option table\n_arguments -s -S", p->name,
                  p->name);
    for (const lm_option *o = p->options; !lm_option_is_last(o); o++) {
        if (o->hidden || o->type == LM_OPT_GROUP)
            continue;
        const char *repeat = o->type == LM_OPT_STRINGS || o->type == LM_OPT_STEP ? "*" : "", *equals = lm_option_takes_value(o) ? "=" : "";
        lm_buf_puts(out, " \\\n    ");
        if (o->letter && *repeat)
            lm_buf_printf(out, "'*'{-%c,--%s%s}'[", o->letter, o->name, equals);
        else if (o->letter)
            lm_buf_printf(out, "'(-%c --%s)'{-%c,--%s%s}'[", o->letter, o->name, o->letter, o->name, equals);
        else
            lm_buf_printf(out, "'%s--%s%s[", repeat, o->name, equals);
        quoted(out, o->help ? o->help : "", "[]\\", "'\\''");
        lm_buf_putc(out, ']');
        zsh_value(o, out);
        lm_buf_putc(out, '\'');
    }
    lm_buf_puts(out, p->operands ? " \\\n    '*:file:_files'\n" : "\n");
}

static void complete_fish(const lm_program *p, lm_buf *out)
{
    lm_buf_printf(out, "# fish completion for %s(1), made from its option table\n", p->name);
    for (const lm_option *o = p->options; !lm_option_is_last(o); o++) {
        if (o->hidden || o->type == LM_OPT_GROUP)
            continue;
        lm_buf_printf(out, "complete -c %s", p->name);
        if (o->letter)
            lm_buf_printf(out, " -s %c", o->letter);
        lm_buf_printf(out, " -l %s", o->name);
        if (o->type == LM_OPT_FILE) {
            lm_buf_puts(out, " -r -F");
        } else if (o->type == LM_OPT_DIR) {
            lm_buf_puts(out, " -x -a '(__fish_complete_directories)'");
        } else if (o->type == LM_OPT_CHOICE) {
            lm_buf_puts(out, " -x -a '");
            for (size_t i = 0; o->choices[i]; i++)
                lm_buf_printf(out, "%s%s", i ? " " : "", o->choices[i]);
            lm_buf_putc(out, '\'');
        } else if (lm_option_takes_value(o)) {
            lm_buf_puts(out, " -x");
        }
        lm_buf_puts(out, " -d '");
        quoted(out, o->help ? o->help : "", "\\", "\\'");
        lm_buf_puts(out, "'\n");
    }
}

void lm_options_completion(const lm_program *program, const char *shell, lm_buf *out)
{
    if (strcmp(shell, "bash") == 0)
        complete_bash(program, out);
    else if (strcmp(shell, "zsh") == 0)
        complete_zsh(program, out);
    else
        complete_fish(program, out);
}
