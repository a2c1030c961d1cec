/* What a run learns from, said before it begins: rows that teach nothing, ends that are never taught, and the first row
 * with what is to be learned from it. Training on the wrong tokens looks as healthy as training on the right ones. */
#include "train/run_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 160, BEFORE = 40, END_ROWS = 4096 };

/* ------------------------------------------------------------------ rows without loss */

static const char *why_none(const lm_objective *o)
{
    return o->answers == LM_ANSWERS_PAIRED ? "their two answers are the same, or one has no tokens; tok --max-length may have cut it off"
           : o->answers != LM_ANSWERS_NONE ? "their answers have no tokens; tok --max-length may have cut them off"
           : o->tokens == LM_TOKENS_TAGS ? "none of their words has a tag of the model's"
           : o->tokens == LM_TOKENS_NEXT ? "nothing of an answer is in them; tok --max-length may have cut it off"
           : o->row == LM_TARGET_SPAN    ? "their answers are not known"
           : o->tokens == LM_TOKENS_MASKED ? "nothing but special tokens is in them"
           : o->row == LM_TARGET_CLASS   ? "their labels are none of the model's classes"
                                         : "they are empty";
}

/* Whether a row teaches how a text ends: the last token that carries a loss is a special one. */
static bool teaches_end(const lm_run *r, const lm_tokens_row *row)
{
    const lm_tokenizer *t = r->tokenizer.tokenizer;
    bool second = r->objective->tokens == LM_TOKENS_TARGETS;
    if (second && r->objective->noise != LM_NOISE_NONE)
        return true; /* which ends what it hides */
    const int32_t *ids = second ? row->target_ids : row->ids;
    size_t n = second ? row->target_len : row->len;
    for (size_t i = n; i > 0; i--) {
        bool loss = second || (i > 1 && (!r->objective->masked_loss || !row->loss_mask || row->loss_mask[i - 1]));
        if (loss && lm_tokenizer_is_special(t, ids[i - 1]))
            return true;
    }
    return false;
}

static void warn_of_ends(uint64_t seen)
{
    lm_warn("nothing in the first %" PRIu64 " rows teaches where a text ends: no special token carries loss, and the model "
            "will go on and on: end the rows with tok --eos, or take a chat template that ends each turn", seen);
}

bool lm_run_check_loss(lm_run *r, lm_status *st)
{
    const lm_spool *spool = lm_data_spool(r->data);
    const lm_objective *o = r->objective;
    uint64_t rows = spool ? lm_spool_rows(spool) : 0, none = 0, seen = 0;
    bool writes = (o->tokens == LM_TOKENS_NEXT || o->tokens == LM_TOKENS_TARGETS) && o->answers != LM_ANSWERS_SAMPLED, ends = false;
    for (uint64_t i = 0; i < rows; i++) {
        lm_tokens_row row;
        lm_spool_row(spool, i, &row);
        none += !lm_targets_any(&r->targets, &row);
        if (o->answers == LM_ANSWERS_PAIRED)
            row = lm_tokens_answer_row(&row, &row.chosen);
        if (writes && !ends && seen < END_ROWS && r->tokenizer.tokenizer) {
            ends = teaches_end(r, &row);
            seen++;
        }
    }
    if (rows && none == rows)
        return lm_fail(st, LM_FAILED, "nothing to learn from in %" PRIu64 " rows: %s", rows, why_none(o));
    if (none)
        lm_warn("%" PRIu64 " of %" PRIu64 " rows teach nothing: %s", none, rows, why_none(o));
    if (seen && !ends)
        warn_of_ends(seen);
    return true;
}

/* ------------------------------------------------------------------ the first row */

typedef struct shown {
    const lm_run *r;
    const lm_tokenizer *t;
    const int32_t *ids;
    int from;   /* of the row: what stands before is left out */
    lm_buf all; /* the text so far, without marks */
    lm_buf line;
} shown;

/* Text without line ends of its own. */
static void add_text(lm_buf *line, lm_str text)
{
    lm_buf valid = {0};
    lm_utf8_replace_invalid(text, &valid);
    for (size_t i = 0; i < valid.len; i++)
        if (valid.data[i] == '\n')
            lm_buf_puts(line, "\\n");
        else
            lm_buf_putc(line, valid.data[i]);
    lm_buf_free(&valid);
}

/* Tokens up to `to`: what decoding adds to the text before them, so that blanks are where they belong. A mark stands
 * behind the blank. */
static void add_tokens(shown *s, int done, int to, bool marked)
{
    lm_status ignored = LM_STATUS_INIT;
    lm_buf now = {0}, alone = {0};
    lm_decode(s->t, s->ids + s->from, (size_t)(to - s->from), false, &now, &ignored);
    bool grows = now.len >= s->all.len && (!s->all.len || memcmp(now.data, s->all.data, s->all.len) == 0);
    if (!grows) /* these tokens have changed what was there: parts of one character, say */
        lm_decode(s->t, s->ids + done, (size_t)(to - done), false, &alone, &ignored);
    lm_str added = grows ? (lm_str){now.data + s->all.len, now.len - s->all.len} : lm_buf_str(&alone);
    for (; marked && added.len && added.data[0] == ' '; added.data++, added.len--)
        lm_buf_putc(&s->line, ' ');
    lm_buf_puts(&s->line, marked ? "«" : "");
    add_text(&s->line, added);
    lm_buf_free(&s->all);
    lm_buf_free(&alone);
    s->all = now;
}

/* What is to be predicted at a token of row k of the step: a class or an id of the vocabulary; LM_IGNORE where there is no
 * loss. A token that is predicted by the one before it is marked itself. */
static int32_t predicted(const lm_run *r, int k, int i)
{
    const lm_step_rows *s = &r->rows;
    const int32_t *span = s->span + 2 * (size_t)k;
    int at = s->row_splits[k] + i;
    if (r->objective->row == LM_TARGET_SPAN)
        return span[0] != LM_IGNORE && i >= span[0] && i <= span[1] ? 0 : LM_IGNORE;
    if (r->objective->tokens == LM_TOKENS_NEXT)
        return i ? s->token_label[at - 1] : LM_IGNORE;
    if (r->objective->tokens == LM_TOKENS_NONE || r->objective->tokens == LM_TOKENS_TARGETS)
        return LM_IGNORE;
    return s->token_label[at];
}

static void add_class(const lm_run *r, int32_t class, lm_buf *line)
{
    const char *name = lm_objective_has_classes(r->objective) ? lm_config_label(r->model->config, class) : NULL;
    if (name)
        add_text(line, lm_str_of(name));
    else
        lm_buf_printf(line, "%d", (int)class);
}

/* "|B-ORG", "|cat": what is to be predicted where it is not the token itself. */
static void add_annotation(shown *s, int32_t wanted)
{
    lm_status ignored = LM_STATUS_INIT;
    lm_buf text = {0};
    lm_buf_putc(&s->line, '|');
    if (s->r->objective->tokens == LM_TOKENS_TAGS) {
        add_class(s->r, wanted, &s->line);
    } else {
        lm_decode(s->t, &wanted, 1, false, &text, &ignored);
        add_text(&s->line, lm_buf_str(&text));
    }
    lm_buf_free(&text);
}

static void add_row(shown *s, int k)
{
    const lm_run *r = s->r;
    bool annotated = r->objective->tokens == LM_TOKENS_TAGS || r->objective->tokens == LM_TOKENS_MASKED;
    int n = r->rows.row_splits[k + 1] - r->rows.row_splits[k], first = 0;
    s->ids = r->rows.ids + r->rows.row_splits[k];
    while (first < n && predicted(r, k, first) == LM_IGNORE)
        first++;
    s->from = first < n && first > SHOWN - BEFORE ? first - BEFORE : 0;
    int last = n - s->from > SHOWN ? s->from + SHOWN : n;
    lm_buf_puts(&s->line, s->from ? "... " : "");
    for (int i = s->from; i < last;) {
        int32_t wanted = predicted(r, k, i);
        int to = i + 1;
        while (to < last && (wanted == LM_IGNORE) == (predicted(r, k, to) == LM_IGNORE) &&
               (wanted == LM_IGNORE || !annotated))
            to++;
        add_tokens(s, i, to, wanted != LM_IGNORE);
        if (wanted != LM_IGNORE && annotated)
            add_annotation(s, wanted);
        lm_buf_puts(&s->line, wanted != LM_IGNORE ? "»" : "");
        i = to;
    }
    lm_buf_puts(&s->line, last < n ? " ..." : "");
}

/* " -> World": what is to be predicted of the whole row. */
static void add_row_target(shown *s, int k)
{
    const lm_step_rows *rows = &s->r->rows;
    const float *value = rows->row_value ? rows->row_value + (size_t)k * (size_t)s->r->targets.classes : NULL;
    int from = rows->target_splits[k], n = rows->target_splits[k + 1] - from, several = 0;
    switch (s->r->objective->row) {
    case LM_TARGET_CLASS:
        lm_buf_puts(&s->line, " -> ");
        if (rows->row_class[k] != LM_IGNORE)
            add_class(s->r, rows->row_class[k], &s->line);
        break;
    case LM_TARGET_CLASSES:
        lm_buf_puts(&s->line, " ->");
        for (int c = 0; c < s->r->targets.classes; c++)
            if (value[c] > 0) {
                lm_buf_puts(&s->line, several++ ? ", " : " ");
                add_class(s->r, c, &s->line);
            }
        break;
    case LM_TARGET_VALUE:
        lm_buf_printf(&s->line, " -> %g", (double)*value);
        break;
    case LM_TARGET_SPAN:
    case LM_TARGET_NONE:
        break;
    }
    if (n) {
        lm_status ignored = LM_STATUS_INIT;
        lm_buf text = {0};
        lm_decode(s->t, rows->target_label + from, (size_t)(n < SHOWN ? n : SHOWN), false, &text, &ignored);
        lm_buf_puts(&s->line, " -> «");
        add_text(&s->line, lm_buf_str(&text));
        lm_buf_puts(&s->line, n < SHOWN ? "»" : " ...»");
        lm_buf_free(&text);
    }
}

/* Whether row k of the step carries a loss. */
static bool carries(const lm_run *r, int k)
{
    const lm_step_rows *s = &r->rows;
    bool any = (r->objective->row == LM_TARGET_CLASS && s->row_class[k] != LM_IGNORE) ||
               r->objective->row == LM_TARGET_CLASSES || r->objective->row == LM_TARGET_VALUE ||
               s->target_splits[k + 1] > s->target_splits[k];
    for (int i = 0; !any && i < s->row_splits[k + 1] - s->row_splits[k]; i++)
        any = predicted(r, k, i) != LM_IGNORE;
    return any;
}

void lm_run_show_example(const lm_run *r)
{
    shown s = {.r = r, .t = r->tokenizer.tokenizer};
    int best = -1;
    for (int k = 0; k < r->rows.rows; k++)
        if (carries(r, k) && (best < 0 || r->rows.place[k] < r->rows.place[best]))
            best = k;
    if (best < 0 || !s.t || !lm_log_shows(LM_INFO))
        return;
    add_row(&s, best);
    add_row_target(&s, best);
    lm_info("first example (%s): %s",
            r->objective->tokens != LM_TOKENS_NONE || r->objective->row == LM_TARGET_SPAN ? "« » carries loss" :
                                                                                            "text -> what is to be predicted",
            lm_buf_cstr(&s.line));
    lm_buf_free(&s.all);
    lm_buf_free(&s.line);
}
