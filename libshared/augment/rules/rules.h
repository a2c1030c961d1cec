/* --rules FILE: what a user wants done to texts, in PCRE2's regular expressions.
 *
 *   s/EXPRESSION/REPLACEMENT/FLAGS   replaces the first match, with g all of them
 *   y/CHARACTERS/OTHERS/             replaces characters one by one; a-z is a range
 *   drop-if /EXPRESSION/FLAGS        drops records of which a text has a match
 *   keep-if /EXPRESSION/FLAGS        drops records of which no text has one
 *
 * one a line, done in their order to each record. FIELD: before a rule says to which of the fields of --text it goes. What begins
 * with # is a comment, also behind a rule. Any ASCII punctuation may stand for the slashes; behind a backslash it is itself.
 * Flags are Perl's: i, m, s, x, and g. Expressions are Unicode's (\w and \b know Hangul). A replacement has $1 or \1, ${1}, ${name},
 * $& or $0, \n, \t, \x{HEX}, and Perl's \U \L \E \u \l. As in sed, an empty match that touches the one before it is none.
 *
 * No rule can hang: a match may cost so much for each byte of the text, counted by PCRE2's callouts, so that it is the
 * same on every machine. Where it costs more, or the text grows without measure, the record is dropped, and the reason says so. */
#ifndef LM_AUGMENT_RULES_H
#define LM_AUGMENT_RULES_H

#include "augment/options.h"

extern const lm_operation_kind lm_rules_kind;
void lm_rules_entries(lm_augment_entries *to);

#endif
