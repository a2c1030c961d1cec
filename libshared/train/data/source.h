/* Where rows come from: the records of streams of tokens, one file after the other. */
#ifndef LM_TRAIN_SOURCE_H
#define LM_TRAIN_SOURCE_H

#include "base/options.h"
#include "stream/tokens.h"

/* What all streams of a run agree in: one tokenizer, one list of classes. Zero-initialise with LM_STREAM_FACTS_NONE. */
typedef struct lm_stream_facts {
    json_t *preamble; /* of the first stream; NULL before there is one */
    lm_tokenizer_info tokenizer; /* points into it */
} lm_stream_facts;

#define LM_STREAM_FACTS_NONE {.tokenizer = LM_TOKENIZER_INFO_NONE}

/* The preamble of one more stream, which `name` names; fails where it disagrees with those before. */
bool lm_stream_facts_take(lm_stream_facts *f, json_t *preamble, const char *name, lm_status *st);
void lm_stream_facts_clear(lm_stream_facts *f);

typedef struct lm_source lm_source;

/* Opens the first of `count` files ("-", and none at all, is standard input). The names and `facts`, which may be those
 * of several sources, are borrowed. */
lm_source *lm_source_open(const char *const *names, size_t count, lm_stream_facts *facts, lm_status *st);
void lm_source_close(lm_source *s);
/* The next record of all files, valid until the next call; *end where there is none. */
bool lm_source_next(lm_source *s, lm_record *record, bool *end, lm_status *st);
size_t lm_source_input(const lm_source *s);     /* which of the files the last record was of, from 0 */
const char *lm_source_name(const lm_source *s); /* of that file, for messages */
bool lm_source_can_restart(const lm_source *s); /* all are regular files */
bool lm_source_restart(lm_source *s, lm_status *st); /* the first record is the next one again */

#endif
