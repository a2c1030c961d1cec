/* What tok does: text records to tokens, in parallel and in order, and tokens back to text. */
#ifndef LM_TEXT_TOKENIZE_H
#define LM_TEXT_TOKENIZE_H

#include "text/chat/chat.h"
#include "text/tokenize/source.h"
#include "text/tokenizer.h"

typedef enum lm_tokenize_form {
    LM_FORM_LMS,    /* a stream of kind tokens */
    LM_FORM_IDS,    /* a line of ids a row */
    LM_FORM_PIECES, /* a line of tokens a row; those that hold white space or a backslash are escaped as in
                       JSON */
    LM_FORM_JSON,   /* an object a row */
    LM_FORM_STATS   /* name, tab, value: about all rows */
} lm_tokenize_form;

typedef struct lm_tokenize_options {
    const char *tokenizer; /* directory or file */
    const char *output;    /* NULL = standard output */
    const char *command;   /* for the stream's `via` */
    const lm_strings *operands;
    lm_records_options records;
    const lm_chat_options *chat; /* records are conversations; NULL: texts */
    lm_encode_options encode; /* max_length < 0: the tokenizer's or the model's own limit */
    int max_target_length;    /* of the text that records.target names; < 0: as encode.max_length */
    lm_tokenize_form form;
    bool offsets, word_ids, keep_text, documents, no_fields;
    bool truncation_given, stride_given; /* else a question's context is cut into rows that overlap */
    const char *labels; /* the classes of tags and of several labels, a,b,c; NULL: found out */
    bool iob1;          /* tags are IOB1, and become IOB2 */
    bool label_all;     /* every token of a word gets its tag; else the first */
    int64_t pack;       /* tokens of a packed row; 0 = rows are not packed */
    bool best_fit;      /* by best fit; else the texts are one run of tokens, which is cut */
    bool drop_last;     /* without the last row, where it is shorter */
    int end;            /* each text ends with the tokenizer's end of text: 1 yes, 0 no, -1 where texts are packed */
    double mlm;         /* share of the tokens that is hidden in the rows, for good; 0 = none */
    int64_t copies;     /* of each row, masked in different ways */
    bool keep_special; /* detokenize: special tokens too */
    bool json;         /* detokenize: an object a row */
    bool force;        /* detokenize: although the tokens are another tokenizer's */
} lm_tokenize_options;

/* Reads text from the operands (or standard input), writes the form to the output; a failure leaves an abort
 * record. */
bool lm_tokenize(const lm_tokenize_options *o, lm_status *st);
/* Reads tokens, or lines of ids; writes a line of text a row (line ends in it become spaces), or JSON. */
bool lm_detokenize(const lm_tokenize_options *o, lm_status *st);

/* The longest row for a tokenizer at `path`: model_max_length, or what config.json beside it has positions
 * for; 0 where neither is known. */
int lm_tokenize_limit(const lm_tokenizer *t, const char *path);

/* Where rows go (text/tokenize/sinks.c). */
typedef struct lm_token_sink lm_token_sink;
lm_token_sink *lm_token_sink_new(const lm_tokenize_options *o, const lm_tokenizer *t, json_t *upstream,
                                 int fd, const char *name, lm_status *st);
/* Whether the record's labels are classes that the sink can have; `why` says which is not. */
bool lm_token_sink_knows(const lm_token_sink *s, const lm_text_record *r, lm_status *why);
/* `target`: what is to be written for the record's text; NULL = nothing. */
bool lm_token_sink_put(lm_token_sink *s, const lm_text_record *r, const lm_encoding *e, const lm_encoding *target,
                       lm_status *st);
/* Writes what is left and the end, or an abort where st has failed. Returns lm_ok(st). */
bool lm_token_sink_close(lm_token_sink *s, lm_status *st);
void lm_token_sink_free(lm_token_sink *s);

#endif
