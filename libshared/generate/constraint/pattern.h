/* Regular expressions in PCRE2's syntax, as sets of texts (expression.h).
 *
 * Understood are literals, escapes, classes and properties, the dot, groups, alternatives, repetitions,
 * inline options, `^` where a text may begin, `$` \A \z \Z, and looking ahead. What stands for one character
 * is given to PCRE2 itself, which says for each character whether it matches. Not understood, and refused
 * with its place, is what makes a set that no automaton accepts (back references, recursion), what depends on
 * how a match is searched for (atomic groups, possessive repetitions, verbs), and what looks back (\b, (?<=).
 *
 * Searching an answer with PCRE2's own partial matching instead would begin anew for each token that is
 * tried, and allows what can only fail later. */
#ifndef LM_GENERATE_CONSTRAINT_PATTERN_H
#define LM_GENERATE_CONSTRAINT_PATTERN_H

#include "generate/constraint/expression.h"

typedef enum lm_pattern_use {
    LM_PATTERN_WHOLE, /* texts that match from end to end; \d and \w are Unicode's, as with PCRE2_UTF and
                         PCRE2_UCP */
    LM_PATTERN_STRING /* contents of JSON strings, escaped, that have a match somewhere; in ECMAScript's
                         words, as JSON Schema says */
} lm_pattern_use;

/* What patterns of one use have asked of PCRE2: sets of characters, which serve any expressions. Zero-initialise with the use;
 * lm_classes_free. */
typedef struct lm_classes {
    lm_pattern_use use;
    lm_buf subject; /* every character there is */
    struct lm_class *sets;
    int count, cap;
} lm_classes;

void lm_classes_free(lm_classes *c);

/* LM_EXPR_NONE and a failed status, naming the place, where it is not understood; without, where nothing
 * matches. */
lm_expr lm_expr_pattern(lm_expressions *e, lm_classes *c, lm_str pattern, lm_status *st);

/* Whether a text has a match, in ECMAScript's words: of names of members. */
bool lm_pattern_finds(lm_str pattern, lm_str text, bool *found, lm_status *st);

#endif
