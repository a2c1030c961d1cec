/* Inside --rules: one rule, compiled. */
#ifndef LM_AUGMENT_RULE_H
#define LM_AUGMENT_RULE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/status.h"
#include "stream/input.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdatomic.h>
#include <stdint.h>

typedef enum lm_rule_verb { LM_RULE_SUBSTITUTE, LM_RULE_TRANSLITERATE, LM_RULE_DROP_IF, LM_RULE_KEEP_IF } lm_rule_verb;

/* A piece of a replacement. */
typedef struct lm_rule_piece {
    enum { LM_PIECE_TEXT, LM_PIECE_GROUP, LM_PIECE_CASE } kind;
    lm_str text;    /* of LM_PIECE_TEXT */
    uint32_t group; /* of LM_PIECE_GROUP */
    char letter;    /* of LM_PIECE_CASE: U L E u l */
} lm_rule_piece;

/* Characters first ... last become those from `to` on. */
typedef struct lm_rule_range {
    uint32_t first, last, to;
} lm_rule_range;

typedef struct lm_rule {
    lm_rule_verb verb;
    int field;          /* among the texts of a record; -1 = all */
    char *where;        /* "rules.txt:3" */
    char *source;       /* the line */
    pcre2_code *code;
    bool jit, global;
    lm_rule_piece *pieces;
    size_t piece_count, piece_cap;
    lm_rule_range *ranges; /* sorted */
    size_t range_count, range_cap;
    _Atomic uint64_t done, gave_up; /* records */
} lm_rule;

typedef struct lm_rules {
    lm_rule *items;
    size_t count, cap;
    lm_arena *arena; /* of pieces' texts */
} lm_rules;

/* All rules of an input, into an empty list; `fields` as in --text, NULL for the default. Of a rule that is wrong the line and
 * a caret under what is wrong go to the log, before the failure. */
bool lm_rules_read(lm_rules *r, lm_input *in, const char *fields, lm_status *st);
void lm_rules_free(lm_rules *r);

/* Room for matching, one a thread. */
typedef struct lm_rule_room {
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    uint64_t left;        /* of what the match in hand may cost */
    size_t last;          /* where it was */
    uint32_t groups;      /* of the last match, itself one of them */
    lm_buf out;
} lm_rule_room;

lm_rule_room *lm_rule_room_new(const lm_rules *rules);
void lm_rule_room_free(lm_rule_room *room);

typedef enum lm_rule_outcome { LM_RULE_NOTHING, LM_RULE_DONE, LM_RULE_GIVES_UP } lm_rule_outcome;

/* Is there a match (DONE)? */
lm_rule_outcome lm_rule_matches(const lm_rule *rule, lm_rule_room *room, lm_str text);
/* What a substitution or transliteration makes of a text: DONE where it made another, in the arena. `most`: bytes it may have. */
lm_rule_outcome lm_rule_change(const lm_rule *rule, lm_rule_room *room, lm_str *text, size_t most, lm_arena *arena);

#endif
