#include "metrics/html.h"
#include "base/tool.h"
#include "metrics/chart.h"
#include "metrics/html_style.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAT_CLASSES = 40, CONFUSIONS = 20, BESIDE = 6, TEXT_BYTES = 4000 };

static void put(lm_buf *out, const char *s)
{
    lm_buf_puts(out, s);
}

/* A section begins; one that is wide has no other beside it. */
static void heading(const char *id, const char *title, bool wide, lm_buf *out)
{
    lm_buf_printf(out, "<section%s aria-labelledby=\"%s\"><h2 id=\"%s\">%s</h2>\n",
                  wide ? " class=\"wide\"" : "", id, id, title);
}

/* A table that is too wide moves by itself, by keyboard too. */
static void scroll(const char *what, lm_buf *out)
{
    lm_buf_printf(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">", what);
}

static void put_value(const json_t *value, lm_buf *out)
{
    if (json_is_integer(value))
        lm_buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        lm_buf_printf(out, fabs(json_real_value(value)) < 1000 ? "%.4f" : "%.6g", json_real_value(value));
    else
        put(out, "undefined");
}

/* ------------------------------------------------------------------ measures */

/* Whether a name of the report is of one class: f1[sport]. */
static bool is_of_class(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && name[n - 1] == ']' && strchr(name, '[');
}

/* What a reader looks for first. */
static void print_cards(json_t *report, lm_buf *out)
{
    static const char *const names[] = {"accuracy", "macro_f1", "f1",         "exact_match", "mcc", "pearson",
                                        "spearman", "rmse",     "perplexity", "loss",        "rows"};
    int shown = 0;
    put(out, "<ul class=\"cards\">");
    for (size_t i = 0; i < sizeof names / sizeof *names && shown < 5; i++) {
        const json_t *value = json_object_get(report, names[i]);
        if (!json_is_number(value))
            continue;
        put(out, "<li><b>");
        put_value(value, out);
        lm_buf_printf(out, "</b>%s</li>", names[i]);
        shown++;
    }
    put(out, "</ul>\n");
}

static void print_measures(json_t *report, lm_buf *out)
{
    json_t *intervals = json_object_get(report, "ci"), *value;
    const char *name;
    heading("measures", "Measures", false, out);
    scroll("Measures", out);
    lm_buf_printf(out,
                  "<table><thead><tr><th scope=\"col\">measure</th><th scope=\"col\" class=\"n\">value</th>%s"
                  "</tr></thead><tbody>\n",
                  intervals ? "<th scope=\"col\" class=\"n\">confidence interval</th>" : "");
    json_object_foreach(report, name, value) {
        if (is_of_class(name) || !(json_is_number(value) || json_is_null(value)))
            continue;
        put(out, "<tr><th scope=\"row\">");
        lm_html_text(name, out);
        put(out, "</th><td class=\"n\">");
        put_value(value, out);
        json_t *ends = json_object_get(intervals, name);
        if (ends) {
            put(out, "</td><td class=\"n\">");
            put_value(json_array_get(ends, 0), out);
            put(out, " to ");
            put_value(json_array_get(ends, 1), out);
        } else if (intervals) {
            put(out, "</td><td>");
        }
        put(out, "</td></tr>\n");
    }
    put(out, "</tbody></table></div>");
    const char *signature = json_string_value(json_object_get(report, "signature"));
    if (signature) {
        put(out, "<p class=\"dim\">Signature: <code>");
        lm_html_text(signature, out);
        put(out, "</code></p>");
    }
    put(out, "</section>\n");
}

static json_t *of_class(json_t *report, const char *measure, const char *label)
{
    lm_buf name = {0};
    lm_buf_printf(&name, "%s[%s]", measure, label);
    json_t *value = json_object_get(report, lm_buf_cstr(&name));
    lm_buf_free(&name);
    return value;
}

static void print_classes(json_t *report, json_t *labels, lm_buf *out)
{
    static const char *const measures[] = {"precision", "recall", "f1", "support"};
    heading("classes", "Classes", false, out);
    scroll("Classes", out);
    put(out, "<table><thead><tr><th scope=\"col\">class</th><th scope=\"col\" class=\"n\">precision</th><th "
             "scope=\"col\" "
             "class=\"n\">recall</th><th scope=\"col\" class=\"n\">f1</th><th scope=\"col\" "
             "class=\"n\">support</th></tr></thead><tbody>\n");
    size_t i;
    json_t *label;
    json_array_foreach(labels, i, label) {
        const char *name = json_string_value(label) ? json_string_value(label) : "?";
        put(out, "<tr><th scope=\"row\" dir=\"auto\">");
        lm_html_text(name, out);
        put(out, "</th>");
        for (int k = 0; k < 4; k++) {
            const json_t *value = of_class(report, measures[k], name);
            put(out, "<td class=\"n\">");
            put_value(value, out);
            if (json_is_real(value))
                lm_buf_printf(out, "<span class=\"bar\" style=\"--v:%.3f\"></span>", json_real_value(value));
            put(out, "</td>");
        }
        put(out, "</tr>\n");
    }
    put(out, "</tbody></table></div></section>\n");
}

/* ------------------------------------------------------------------ confusion */

typedef struct matrix {
    const json_t *labels, *rows;
    size_t n;
} matrix;

static const char *label_of(const matrix *m, size_t i)
{
    const char *s = json_string_value(json_array_get(m->labels, i));
    return s ? s : "?";
}

static json_int_t count_of(const matrix *m, size_t truth, size_t prediction)
{
    return json_integer_value(json_array_get(json_array_get(m->rows, truth), prediction));
}

static void print_heat_row(const matrix *m, size_t truth, lm_buf *out)
{
    json_int_t sum = 0;
    for (size_t k = 0; k < m->n; k++)
        sum += count_of(m, truth, k);
    put(out, "<tr><th scope=\"row\" dir=\"auto\">");
    lm_html_text(label_of(m, truth), out);
    put(out, "</th>");
    for (size_t k = 0; k < m->n; k++) {
        json_int_t count = count_of(m, truth, k);
        double share = sum ? (double)count / (double)sum : 0;
        lm_buf_printf(out,
                      "<td class=\"%s%s\" style=\"--v:%.3f\">%" JSON_INTEGER_FORMAT
                      "<small>%.1f&#8239;%%</small></td>",
                      k == truth ? "d" : "", share > .55 ? " hi" : "", share, count, 100 * share);
    }
    put(out, "</tr>\n");
}

static void print_heat(const matrix *m, lm_buf *out)
{
    put(out,
        "<p class=\"dim\">A row for each label, a column for each prediction; percentages and colours are "
        "shares of the row.</p>");
    scroll("Confusion matrix", out);
    put(out, "<table class=\"heat\"><thead><tr><td></td>");
    for (size_t k = 0; k < m->n; k++) {
        put(out, "<th scope=\"col\" dir=\"auto\">");
        lm_html_text(label_of(m, k), out);
        put(out, "</th>");
    }
    put(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < m->n; i++)
        print_heat_row(m, i, out);
    put(out, "</tbody></table></div>");
}

typedef struct confusion {
    size_t truth, prediction;
    json_int_t count;
} confusion;

/* The most frequent first; of equals in the order of the classes. */
static int by_count(const void *a, const void *b)
{
    const confusion *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    if (x->truth != y->truth)
        return x->truth < y->truth ? -1 : 1;
    return x->prediction < y->prediction ? -1 : 1;
}

static void print_confusions(const matrix *m, lm_buf *out)
{
    lm_buf found = {0};
    for (size_t i = 0; i < m->n; i++) {
        for (size_t k = 0; k < m->n; k++) {
            confusion c = {i, k, count_of(m, i, k)};
            if (i != k && c.count > 0)
                lm_buf_append(&found, &c, sizeof c);
        }
    }
    size_t n = found.len / sizeof(confusion);
    confusion *c = (confusion *)(void *)found.data;
    if (n > 0)
        qsort(c, n, sizeof *c, by_count);
    scroll("Frequent confusions", out);
    put(out,
        "<table><caption>The most frequent confusions</caption><thead><tr><th scope=\"col\">label</th><th "
        "scope=\"col\">prediction</th><th scope=\"col\" class=\"n\">rows</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < n && i < CONFUSIONS; i++) {
        put(out, "<tr><td dir=\"auto\">");
        lm_html_text(label_of(m, c[i].truth), out);
        put(out, "</td><td dir=\"auto\">");
        lm_html_text(label_of(m, c[i].prediction), out);
        lm_buf_printf(out, "</td><td class=\"n\">%" JSON_INTEGER_FORMAT "</td></tr>\n", c[i].count);
    }
    put(out, "</tbody></table></div>");
    lm_buf_free(&found);
}

static void print_confusion(json_t *report, json_t *labels, lm_buf *out)
{
    matrix m = {labels, json_object_get(report, "confusion_matrix"), json_array_size(labels)};
    if (!json_is_array(m.rows) || json_array_size(m.rows) != m.n)
        return;
    heading("confusion", "Confusion matrix", m.n > BESIDE, out);
    if (m.n <= HEAT_CLASSES)
        print_heat(&m, out);
    if (m.n > CONFUSIONS / 2)
        print_confusions(&m, out);
    put(out, "</section>\n");
}

/* ------------------------------------------------------------------ calibration */

static void print_calibration(const lm_findings *f, lm_buf *out)
{
    uint64_t all = 0;
    for (int b = 0; b < LM_CALIBRATION_BINS; b++)
        all += f->predictions[b];
    if (all == 0)
        return;
    heading("calibration", "Confidence", false, out);
    put(out, "<p class=\"dim\">How often predictions of a given probability are right. Where the model is "
             "calibrated the two "
             "are alike.</p>");
    scroll("Confidence", out);
    put(out,
        "<table><thead><tr><th scope=\"col\">probability</th><th scope=\"col\" class=\"n\">rows</th><th "
        "scope=\"col\" "
        "class=\"n\">mean probability</th><th scope=\"col\" class=\"n\">accuracy</th></tr></thead><tbody>\n");
    for (int b = 0; b < LM_CALIBRATION_BINS; b++) {
        if (f->predictions[b] == 0)
            continue;
        double n = (double)f->predictions[b], confidence = f->confidence[b] / n,
               right = (double)f->right[b] / n;
        lm_buf_printf(out,
                      "<tr><th scope=\"row\">%.1f to %.1f</th><td class=\"n\">%" PRIu64 "<span class=\"bar\" "
                      "style=\"--v:%.3f\"></span></td>",
                      (double)b / LM_CALIBRATION_BINS, (double)(b + 1) / LM_CALIBRATION_BINS,
                      f->predictions[b], n / (double)all);
        const double values[] = {confidence, right};
        for (int k = 0; k < 2; k++)
            lm_buf_printf(out, "<td class=\"n\">%.4f<span class=\"bar\" style=\"--v:%.3f\"></span></td>",
                          values[k], values[k]);
        put(out, "</tr>\n");
    }
    put(out, "</tbody></table></div></section>\n");
}

/* ------------------------------------------------------------------ training */

static void add_line(lm_chart *chart, const lm_curves *curves, const char *key, const char *name)
{
    const lm_curve *line = lm_curves_find(curves, key);
    if (!line || chart->count == LM_CHART_LINES)
        return;
    chart->lines[chart->count] = line;
    chart->names[chart->count++] = name;
}

static void print_training(const lm_curves *curves, lm_buf *out)
{
    static const char *const measures[] = {"accuracy", "macro_f1", "f1",      "exact_match",
                                           "mcc",      "pearson",  "spearman"};
    lm_chart loss = {.title = "Loss", .unit = "step", .points = true};
    lm_chart measured = {.title = "Evaluation", .unit = "step", .points = true};
    lm_chart rate = {.title = "Learning rate", .unit = "step"};
    add_line(&loss, curves, "loss", "training");
    add_line(&loss, curves, "plain_loss", "training, without balance");
    add_line(&loss, curves, "eval_loss", "evaluation");
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++) {
        lm_buf key = {0};
        lm_buf_printf(&key, "eval_%s", measures[i]);
        add_line(&measured, curves, lm_buf_cstr(&key), measures[i]);
        lm_buf_free(&key);
    }
    add_line(&rate, curves, "learning_rate", "learning rate");
    heading("training", "Training", true, out);
    put(out, "<div class=\"charts\">");
    lm_chart_print(&loss, out);
    lm_chart_print(&measured, out);
    lm_chart_print(&rate, out);
    put(out, "</div></section>\n");
}

/* ------------------------------------------------------------------ mistakes */

/* Hangul says which of the forms of a Chinese character are meant, and where lines may break. */
static bool is_korean(const char *s)
{
    for (; *s; s++) {
        const unsigned char *u = (const unsigned char *)s;
        if (u[0] >= 0xea && u[0] <= 0xed && (u[0] > 0xea || u[1] >= 0xb0) && (u[0] < 0xed || u[1] <= 0x9e))
            return true; /* U+AC00 to U+D7BF */
    }
    return false;
}

static void print_text(const char *s, const char *class, lm_buf *out)
{
    size_t n = strlen(s);
    bool cut = n > TEXT_BYTES;
    for (n = cut ? TEXT_BYTES : n; cut && n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80; n--)
        ;
    lm_buf_printf(out, "<div%s dir=\"auto\" lang=\"%s\">", class, is_korean(s) ? "ko" : "");
    lm_html_escape((lm_str){s, n}, out);
    put(out, cut ? "&#8230;</div>" : "</div>");
}

static void print_mistake(const lm_mistake *m, bool probabilities, lm_buf *out)
{
    put(out, "<tr><td class=\"n\">");
    if (m->id)
        lm_html_text(m->id, out);
    else
        lm_buf_printf(out, "%" PRIu64, m->number);
    put(out, "</td><td dir=\"auto\">");
    lm_html_text(m->truth, out);
    put(out, "</td><td dir=\"auto\">");
    lm_html_text(m->prediction, out);
    if (probabilities)
        lm_buf_printf(out, "</td><td class=\"n\">%.4f", m->probability);
    lm_buf_printf(out, "</td><td class=\"n\">%.4f</td><td class=\"text\">", m->loss);
    print_text(m->text, "", out);
    if (*m->pair)
        print_text(m->pair, " class=\"pair\"", out);
    put(out, "</td></tr>\n");
}

static void print_mistakes(const lm_page *p, lm_buf *out)
{
    const lm_findings *f = p->findings;
    if (f->count == 0)
        return;
    bool probabilities = !isnan(f->mistakes[0].probability);
    heading("mistakes", "Most confident mistakes", true, out);
    lm_buf_printf(
        out, "<p class=\"dim\">%s %d rows in which %s. A label that is wrong is often among them.%s</p>",
        f->count < f->most ? "The" : "The first", f->count,
        probabilities ? "the prediction is most surely not the label" : "the loss is largest",
        p->texts ? "" : " Texts are shown where the stream keeps them (<code>tok --keep-text</code>).");
    scroll("Most confident mistakes", out);
    lm_buf_printf(out,
                  "<table><thead><tr><th scope=\"col\" class=\"n\">row</th><th scope=\"col\">label</th><th "
                  "scope=\"col\">prediction</th>%s<th scope=\"col\" class=\"n\">loss</th><th "
                  "scope=\"col\">text</th></tr></thead><tbody>\n",
                  probabilities ? "<th scope=\"col\" class=\"n\">probability</th>" : "");
    for (int i = 0; i < f->count; i++)
        print_mistake(&f->mistakes[i], probabilities, out);
    put(out, "</tbody></table></div></section>\n");
}

/* ------------------------------------------------------------------ page */

static void print_head(const lm_page *p, lm_buf *out)
{
    put(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
             "'unsafe-inline'\">\n"
             "<title>");
    lm_html_text(p->model, out);
    lm_buf_printf(out, " - score</title>\n<style>%s</style>\n</head>\n<body>\n<header><h1>", lm_html_style);
    lm_html_text(p->model, out);
    put(out, "</h1><p class=\"dim\">");
    lm_html_text(p->architecture, out);
    lm_buf_printf(out, ", %.4g million parameters. Made by %s:</p><p><code>", (double)p->parameters / 1e6,
                  lm_tool_producer());
    lm_html_text(p->command_line, out);
    put(out, "</code></p></header>\n<main>\n");
}

void lm_page_print(const lm_page *p, lm_buf *out)
{
    json_t *labels = json_object_get(p->report, "labels");
    print_head(p, out);
    print_cards(p->report, out);
    print_measures(p->report, out);
    if (json_is_array(labels)) {
        print_classes(p->report, labels, out);
        print_confusion(p->report, labels, out);
    }
    if (p->findings)
        print_calibration(p->findings, out);
    if (p->curves)
        print_training(p->curves, out);
    if (p->findings)
        print_mistakes(p, out);
    put(out, "</main>\n</body>\n</html>\n");
}
