/* JSON Schema, as the set of JSON texts that a schema describes: drafts 4 to 2020-12.
 *
 * Understood are type, enum, const, anyOf, oneOf (as anyOf), allOf, $ref within the schema ($defs,
 * definitions, any pointer, $anchor); properties, required, additionalProperties, patternProperties,
 * propertyNames, minProperties, maxProperties; items, prefixItems, additionalItems, minItems, maxItems;
 * minLength, maxLength, pattern, format (date, time, date-time, uuid, ipv4, email; others are annotations);
 * minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf. What else would forbid something (not,
 * if, contains, uniqueItems, dependentRequired ...) is refused, with its place; what forbids nothing is
 * skipped.
 *
 * Of the texts that a schema describes, these are written: on one line, with one space or none behind
 * brackets, commas and colons and before closing brackets; members that are declared in the order in which
 * they are, others behind them, and these only where additionalProperties says so or nothing is declared. A
 * schema without type is of the types that its words are about. Numbers have at most 20 digits, 17 behind the
 * point, and no exponent where they are bounded. */
#ifndef LM_GENERATE_CONSTRAINT_SCHEMA_H
#define LM_GENERATE_CONSTRAINT_SCHEMA_H

#include "generate/constraint/expression.h"

/* LM_EXPR_NONE and a failed status, naming the place, where it is not understood; without, where nothing
 * meets it. */
lm_expr lm_expr_schema(lm_expressions *e, lm_str schema, lm_status *st);

#endif
