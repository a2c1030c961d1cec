/* Answers of a form: every text that matches a regular expression, or the JSON that a schema describes, and
 * no other.
 *
 * What may be written is an automaton over bytes (expression.h), from which states come as they are needed; a
 * state is dead where nothing that is allowed can follow, so that of a prefix it is known at each byte
 * whether some answer begins so. Tokens are the bytes that they add to a text (text/token_bytes.h), be they
 * parts of a character, words, or several words.
 *
 * Which tokens may follow is exact. It depends on the state alone, is found out once for each, by walking the
 * trie of the vocabulary, and kept: rows share it. A constraint is used by one thread at a time. */
#ifndef LM_GENERATE_CONSTRAINT_CONSTRAINT_H
#define LM_GENERATE_CONSTRAINT_CONSTRAINT_H

#include "base/status.h"
#include "text/tokenizer.h"

#include <stdint.h>

typedef struct lm_constraint lm_constraint;

/* How far a row has come: a number, which may be copied with the row. */
typedef uint32_t lm_constraint_state;

/* Zero-initialise; one of regex and schema. Nothing is kept of it but the tokenizer, which outlives the
 * constraint. */
typedef struct lm_constraint_options {
    lm_str regex;  /* PCRE2's syntax (pattern.h says which part of it): all of the answer matches. data NULL =
                      none */
    lm_str schema; /* JSON Schema (schema.h says which words of it); `{}` is any JSON. data NULL = none */
    const char *what; /* what messages call it: "--regex", the name of a file */
    const lm_tokenizer *tokenizer;
    int columns;         /* of the logits: tokens that the tokenizer lacks never follow */
    const int32_t *stop; /* ids that end an answer: they may follow where it is complete */
    int stop_count;
    bool begins; /* the answer begins a text (of an encoder-decoder), of which tokenizers drop the first
                    space, if they do */
} lm_constraint_options;

/* NULL: it is not understood, or nothing meets it, or nothing that these tokens can write: the message says
 * why. */
lm_constraint *lm_constraint_new(const lm_constraint_options *o, lm_status *st);
void lm_constraint_free(lm_constraint *c);

lm_constraint_state lm_constraint_start(const lm_constraint *c);

/* Whether the text so far is an answer. */
bool lm_constraint_complete(const lm_constraint *c, lm_constraint_state state);
/* Whether it is one that no token can go on from: there is no need to ask for a stop token. May fail, as below. */
bool lm_constraint_full(const lm_constraint *c, lm_constraint_state state, lm_status *st);

/* Which ids may follow: bit id%64 of word id/64, [(columns+63)/64], until the next call for the constraint.
 * There is always one unless the state is complete; NULL = failed: the tokens cannot write what would have to
 * follow, or the constraint grew beyond what memory it may take. */
const uint64_t *lm_constraint_mask(const lm_constraint *c, lm_constraint_state state, lm_status *st);

/* logits [columns]: -INFINITY for each id that may not follow. */
bool lm_constraint_apply(const lm_constraint *c, lm_constraint_state state, float *logits, lm_status *st);

/* 1: the id may follow, and *state is what comes of it (after a stop token: what it was); 0: it may not; -1:
 * failed, as above. Far cheaper than the mask where a state is new: the likeliest token is tried so first. */
int lm_constraint_step(const lm_constraint *c, lm_constraint_state *state, int32_t id, lm_status *st);

#endif
