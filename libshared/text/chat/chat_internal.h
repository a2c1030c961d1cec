/* What the files of --chat share. */
#ifndef LM_TEXT_CHAT_CHAT_INTERNAL_H
#define LM_TEXT_CHAT_CHAT_INTERNAL_H

#include "text/chat/chat.h"
#include "text/chat/jinja.h"

/* ---------------------------------------------------------------- named templates (named_templates.c) */

typedef struct lm_named_template {
    const char *name, *source;
} lm_named_template;

extern const lm_named_template lm_named_templates[]; /* ends with a NULL name */
const lm_named_template *lm_named_template_find(const char *name);

/* ---------------------------------------------------------------- records to messages (messages.c) */

typedef struct lm_conversation {
    lm_value messages;                    /* a list of dicts with role and content */
    size_t first;                         /* message from which on the assistant's words carry loss */
    lm_value tools, documents, arguments; /* none where absent */
    bool preference;                      /* messages: the prompt; and with an answer: */
    lm_value chosen, rejected;
} lm_conversation;

/* Marks in used[field_count] the fields that went into it. */
bool lm_conversation_read(lm_jinja_memory *m, const lm_chat_options *o, const lm_text_record *r, lm_conversation *out,
                          bool *used, lm_status *st);

/* ---------------------------------------------------------------- where loss is (loss_mask.c) */

struct lm_chat {
    lm_chat_options options;
    const lm_tokenizer *tokenizer;
    lm_jinja *main, *with_tools; /* with_tools: NULL where the tokenizer has no template of its own for them */
    int64_t now;                 /* for strftime_now */
    bool utc;
    uint64_t rows, left_out, cut_rows, unended, extended, unmarked, turns;
};

struct lm_chat_worker {
    const lm_chat *c;
    lm_jinja_run *run;
    lm_value variables; /* of the record in hand */
    lm_buf full, prefix, upto, other;
    lm_jinja_span *spans;
    size_t span_count, span_cap;
    bool *used;
    size_t used_cap;
};

/* Renders the first `count` of the messages into `out`. */
bool lm_chat_render(lm_chat_worker *w, const lm_jinja *t, lm_value messages, size_t count, bool generation_prompt,
                    lm_buf *out, lm_status *st);
/* Finds the bytes of w->full (all messages rendered, whose generation blocks are those of w->run) that carry loss:
 * w->spans. */
void lm_chat_find_spans(lm_chat_worker *w, const lm_jinja *t, lm_value messages, size_t first, lm_chat_row *row);
/* Makes the loss mask of the tokens from w->spans, and counts. */
void lm_chat_mask(lm_chat_worker *w, lm_encoding *tokens, lm_chat_row *row);
/* The next special token of the tokenizer in s at or behind `start`: its bytes [from, to). */
bool lm_chat_next_special(const lm_tokenizer *t, lm_str s, size_t start, size_t *from, size_t *to);

#endif
