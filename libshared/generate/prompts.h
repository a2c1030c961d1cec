/* What is to be answered: text records, conversations or rows of tokens, made into requests (generate.h). */
#ifndef LM_GENERATE_PROMPTS_H
#define LM_GENERATE_PROMPTS_H

#include "base/options.h"
#include "generate/generate.h"
#include "text/chat/chat.h"

/* Everything is borrowed. */
typedef struct lm_prompts_options {
    const char *given;            /* the only prompt; NULL: they are read */
    const lm_strings *operands;   /* files; none = standard input */
    lm_records_options records;
    const lm_chat_options *chat;  /* records are conversations; NULL: texts */
    lm_str before;                /* stands before each text: examples */
    int max_new_tokens;           /* for which a prompt that is cut leaves room */
    bool truncate;                /* a prompt that is too long loses its beginning, instead of being refused */
    bool force;                   /* take the tokens of another tokenizer */
} lm_prompts_options;

typedef struct lm_prompt {
    lm_request request; /* its tag is this */
    int32_t *ids;       /* of the request */
    lm_buf text;        /* as it was given; of a conversation as the template writes it */
    lm_str id;          /* of the record, as JSON, or data NULL; and the fields that it has beside the prompt */
    lm_field *fields;
    size_t field_count, field_cap;
    struct lm_prompt *next;
} lm_prompt;

typedef struct lm_prompts lm_prompts;

/* `path`: where the tokenizer was opened. */
lm_prompts *lm_prompts_open(const lm_prompts_options *o, const lm_model *m, const lm_tokenizer *t, const char *path,
                            lm_status *st);
void lm_prompts_close(lm_prompts *p);
/* 1: *out is the next one, valid until it is answered, or NULL: there is none yet, and unless `wait` nobody waits for it; what was asked
 * before is to be answered first. 0: there are no more; -1: failed. */
int lm_prompts_next(lm_prompts *p, bool wait, lm_prompt **out, lm_status *st);
/* The first of those that were given has been answered. */
void lm_prompts_answered(lm_prompts *p);

/* Examples for prompts: the records of a file, each a prompt and its answer (a field completion, output, response, answer, target,
 * summary or label), or a text that is both. */
typedef struct lm_shots {
    lm_chat_shot *items; /* answer.data NULL = the prompt holds it */
    size_t count, cap;
} lm_shots;

/* The first `most` records; fewer fail. 0 = all. */
bool lm_shots_read(lm_shots *s, const char *path, size_t most, lm_status *st);
void lm_shots_free(lm_shots *s);
/* They and a separator behind each, as text before a prompt. */
void lm_shots_print(const lm_shots *s, lm_str separator, lm_buf *out);

#endif
