#include "model/card.h"
#include "base/atomic.h"
#include "base/buffer.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* What the hub calls the task of a head. */
static const char *pipeline_tag(const char *task)
{
    static const struct {
        const char *task, *tag;
    } tags[] = {{"classify", "text-classification"}, {"mlm", "fill-mask"},
                {"pretrain", "fill-mask"},           {"tag", "token-classification"},
                {"causal", "text-generation"},       {"seq2seq", "text2text-generation"},
                {"qa", "question-answering"}};
    for (size_t i = 0; task && i < sizeof tags / sizeof *tags; i++) {
        if (strcmp(task, tags[i].task) == 0)
            return tags[i].tag;
    }
    return NULL;
}

/* A YAML double-quoted scalar. */
static void put_yaml(const char *s, lm_buf *out)
{
    lm_buf_putc(out, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            lm_buf_putc(out, '\\');
        if ((unsigned char)*s < 0x20)
            lm_buf_printf(out, "\\x%02x", (unsigned char)*s);
        else
            lm_buf_putc(out, *s);
    }
    lm_buf_putc(out, '"');
}

static bool is_number(const char *s)
{
    char *end;
    strtod(s, &end);
    return end != s && !*end && strspn(s, "0123456789+-.eE") == strlen(s);
}

/* A model-index entry: the hub takes none without a data set. */
static void model_index(const lm_card *card, const char *name, const char *tag, lm_buf *out)
{
    lm_buf_puts(out, "model-index:\n- name: ");
    put_yaml(name, out);
    lm_buf_printf(out, "\n  results:\n  - task:\n      type: %s\n    dataset:\n      name: ", tag ? tag : "other");
    put_yaml(card->eval_data ? card->eval_data : "other", out);
    lm_buf_puts(out, "\n      type: ");
    put_yaml(card->eval_data ? card->eval_data : "other", out);
    lm_buf_puts(out, "\n    metrics:\n");
    for (size_t i = 0; i < card->metric_count; i++) {
        const lm_card_item *m = &card->metrics[i];
        lm_buf_puts(out, "    - name: ");
        put_yaml(m->name, out);
        lm_buf_puts(out, "\n      type: ");
        put_yaml(strncmp(m->name, "eval_", 5) == 0 ? m->name + 5 : m->name, out);
        lm_buf_puts(out, "\n      value: ");
        if (is_number(m->value))
            lm_buf_puts(out, m->value);
        else
            put_yaml(m->value, out);
        lm_buf_putc(out, '\n');
    }
}

static void front_matter(const lm_card *card, const char *name, lm_buf *out)
{
    const char *tag = pipeline_tag(card->task);
    lm_buf_puts(out, "---\n");
    if (card->base_model) {
        lm_buf_puts(out, "base_model: ");
        put_yaml(card->base_model, out);
        lm_buf_putc(out, '\n');
    }
    if (card->adapter)
        lm_buf_puts(out, "base_model_relation: adapter\n");
    lm_buf_printf(out, "library_name: %s\n", card->adapter ? "peft" : "transformers");
    if (tag)
        lm_buf_printf(out, "pipeline_tag: %s\n", tag);
    lm_buf_printf(out, "tags:\n%s- lmutils\n- generated_from_trainer\n", card->adapter ? "- lora\n" : "");
    if (card->metric_count)
        model_index(card, name, tag, out);
    lm_buf_puts(out, "---\n\n");
}

/* One line; in a table's cell a bar is escaped. */
static void put_line(const char *s, bool cell, lm_buf *out)
{
    for (; *s; s++) {
        if (cell && *s == '|')
            lm_buf_putc(out, '\\');
        lm_buf_putc(out, (unsigned char)*s < 0x20 ? ' ' : *s);
    }
}

static void table(const char *title, const char *left, const char *right, const lm_card_item *items, size_t n,
                  lm_buf *out)
{
    if (!n)
        return;
    lm_buf_printf(out, "## %s\n\n| %s | %s |\n|---|---|\n", title, left, right);
    for (size_t i = 0; i < n; i++) {
        lm_buf_puts(out, "| ");
        put_line(items[i].name, true, out);
        lm_buf_puts(out, " | ");
        put_line(items[i].value, true, out);
        lm_buf_puts(out, " |\n");
    }
    lm_buf_putc(out, '\n');
}

/* How training went. */
static void results(const lm_card *card, lm_buf *out)
{
    if (!card->row_count)
        return;
    lm_buf_puts(out, "## Training results\n\n|");
    for (size_t k = 0; k < card->column_count; k++)
        lm_buf_printf(out, " %s |", card->columns[k]);
    lm_buf_puts(out, "\n|");
    for (size_t k = 0; k < card->column_count; k++)
        lm_buf_puts(out, "---|");
    for (size_t i = 0; i < card->row_count; i++) {
        lm_buf_puts(out, "\n|");
        for (size_t k = 0; k < card->column_count; k++)
            lm_buf_printf(out, " %s |", card->cells[i * card->column_count + k]);
    }
    lm_buf_puts(out, "\n\n");
}

/* An indented block keeps backquotes and everything else as it is. */
static void command(const char *line, lm_buf *out)
{
    lm_buf_puts(out, "    ");
    put_line(line, false, out);
    lm_buf_putc(out, '\n');
}

bool lm_card_write(const lm_card *card, lm_bundle_writer *to, lm_status *st)
{
    const char *name = card->name ? card->name : "model";
    lm_buf out = {0};
    front_matter(card, name, &out);
    lm_buf_printf(&out, "# %s\n\n", name);
    if (card->program)
        lm_buf_printf(&out, "Made by `%s`%s%s%s.\n\n", card->program,
                      card->base_model ? " from `" : " from random weights",
                      card->base_model ? card->base_model : "", card->base_model ? "`" : "");
    if (card->data)
        lm_buf_printf(&out, "## Data\n\n%s\n\n", card->data);
    if (card->command_line) {
        lm_buf_puts(&out, "## Command\n\n");
        for (size_t i = 0; i < card->via_count; i++)
            command(card->via[i], &out);
        command(card->command_line, &out);
        lm_buf_putc(&out, '\n');
    }
    table("Hyper-parameters", "name", "value", card->settings, card->setting_count, &out);
    results(card, &out);
    table("Evaluation", "metric", "value", card->metrics, card->metric_count, &out);
    bool ok = lm_bundle_put(to, "README.md", out.data, out.len, st);
    lm_buf_free(&out);
    return ok;
}
