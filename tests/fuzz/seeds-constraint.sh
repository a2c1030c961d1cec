#!/bin/bash
# Seeds of fuzz_constraint: seeds-constraint.sh DIR. A regular expression, NUL and a text; or a schema, which begins with {.
set -e -u
mkdir -p "$1"
cd "$1"
printf '(?i)a[^b-d\\s]{2,3}(?:x|yz)*?\\p{Hangul}+$\0aeeyz한국' >pattern
printf '^(?=.*[0-9])(?!.*--)(?:(?!ab).)*\\.?\\x41[[:alpha:]]\0a1-.Ab' >ahead
printf '(?x) (?<y>\\d{4}) - # year\n (?s:.)\\D|(?-x:^a$)\0002024-\nx' >options
printf '(?:(?:a|aa){1,9}){1,9}(a|b)*a.{9}\0aaaaaaaaaaaaaaaaaaaa' >many
printf 'a{,3}(b' >wrong
printf '{"type":"object","properties":{"a":{"type":"integer","minimum":-5,"exclusiveMaximum":12.5},"b":{"enum":[1,"x",null,2.5]},"c":{"$ref":"#"}},"required":["a"],"additionalProperties":{"type":"number","multipleOf":7},"maxProperties":3}' >object
printf '{"allOf":[{"type":"array","prefixItems":[{"const":[1]}],"items":{"$ref":"#/$defs/s"},"minItems":1},{"maxItems":3}],"$defs":{"s":{"type":"string","pattern":"b+\\"","minLength":2,"maxLength":9,"format":"date"}}}' >array
printf '{"patternProperties":{"^n_":{"type":"integer"},"_s$":{"type":"string"}},"propertyNames":{"maxLength":4},"minProperties":1,"anyOf":[{"required":["n_1"]},{}]}' >names
