/* Conversations to tokens: records of messages (and what else people write conversations in) through a chat template,
 * with the loss on what the assistant says.
 *
 * A record is one of
 *   messages, conversations   a list of {role, content} or, as ShareGPT has it, of {from, value}; `system` and `tools`
 *                             beside it
 *   prompt and completion     each a text or such a list (also: response, answer, output); the loss is on the completion
 *   instruction, input, output, system, history         Alpaca
 *   chosen and rejected       texts or lists, with a prompt in any of the forms above, or none where both begin alike
 * The fields `tools`, `documents` and `chat_template_kwargs` reach the template as in transformers' apply_chat_template. */
#ifndef LM_TEXT_CHAT_CHAT_H
#define LM_TEXT_CHAT_CHAT_H

#include "stream/records.h"
#include "text/tokenizer.h"

/* What was asked, and answered, before: an example. */
typedef struct lm_chat_shot {
    lm_str prompt, answer;
} lm_chat_shot;

typedef struct lm_chat_options {
    const char *template;   /* a name (lm_chat_names) or a file; NULL or "" = the tokenizer's own */
    bool drop_think;        /* <think> parts are taken out of what the assistant says */
    bool generation_prompt; /* end with what opens an answer; there is no loss then */
    bool asks;              /* what the assistant says last in a record is left out: it is to be said */
    const char *system;     /* what the system says, where the record does not say; or NULL */
    const lm_chat_shot *shots; /* [shot_count] turns before those of each record */
    size_t shot_count;
    const char *text, *pair; /* fields of the user's and the assistant's words, or of the messages; NULL = those above */
} lm_chat_options;

/* What a row has beside its tokens and their loss mask, which are those of the whole conversation or, in a preference
 * pair, of the prompt (which has no loss). */
typedef struct lm_chat_row {
    lm_buf text; /* as the template writes it; spans refer to it */
    bool preference;
    struct lm_chat_row *answers[2]; /* of a preference pair: chosen, rejected */
    lm_encoding tokens;             /* of an answer: prompt and answer, masked */
    lm_field *fields;               /* those of the record's that went into no template */
    size_t field_count, field_cap;
    /* what happened on the way */
    bool left_out;    /* no token with loss is left of it by the truncation: it is no row */
    unsigned turns;   /* of the assistant's, with loss */
    unsigned unmarked; /* where they stand could not be found out */
    unsigned cut;     /* begin or end beyond the truncation */
    unsigned unended; /* end without a special token */
    unsigned extended; /* the template's generation block ends before the end-of-turn token, which got its loss anyway */
} lm_chat_row;

void lm_chat_row_free(lm_chat_row *r);

typedef struct lm_chat lm_chat;

/* Reads the template; `path` is where the tokenizer was opened. Both are borrowed. */
lm_chat *lm_chat_open(const lm_chat_options *options, const lm_tokenizer *t, const char *path, lm_status *st);
void lm_chat_free(lm_chat *c);
bool lm_chat_is_template(const char *word); /* the name of a template, or of a file that ends in .jinja */
void lm_chat_list_names(lm_buf *out);       /* "chatml, llama2, ..." */
/* What a record reader has to do differently for conversations. */
void lm_chat_prepare_records(lm_records_options *o);

/* One thread's memory. */
typedef struct lm_chat_worker lm_chat_worker;
lm_chat_worker *lm_chat_worker_new(const lm_chat *c);
void lm_chat_worker_free(lm_chat_worker *w);
/* Encodes a record into `out`, whose `chat` is set (made at the first call). Fails where the record holds no conversation,
 * the template refuses it, or no token would carry loss. */
bool lm_chat_encode(lm_chat_worker *w, lm_encoder *e, const lm_text_record *r, const lm_encode_options *options,
                    lm_encoding *out, lm_status *st);

/* Counts a row, and says at the end what all rows came to; from one thread, in order. */
void lm_chat_count(lm_chat *c, const lm_chat_row *row);
void lm_chat_report(const lm_chat *c);

#endif
