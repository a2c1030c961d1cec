#!/bin/bash
# gen --regex, --json-schema: answers of a form, whatever the model, the vocabulary and chance would have.
. "$(dirname "$0")/init.sh"
needs_data_ models/stories260K/tokenizer.json goldens/e2e/gpt2-lm goldens/e2e/t5-s2s
story=$data/models/stories260K
printf '%s\n' 'Once upon a time' 'The dog' 'Lily and Tom' 'One day' >prompts

# every answer matches, and is what it is whatever stands beside it; where nothing can follow it ends by itself
pattern='[A-Z][a-z]{2,8} (was|is) [a-z ]{5,30}\.'
gen -q -m "$story" --regex "$pattern" prompts >likeliest
same_ 4 "$(grep -cP "^$pattern\$" likeliest)"
gen -q -m "$story" --regex "$pattern" -b1 -j1 prompts >alone
compare_ likeliest alone
gen -q -m "$story" --regex "$pattern" --temperature 1 --top-k 1 prompts >first # by the mask, not by trying
compare_ likeliest first
gen -q -m "$story" --regex "$pattern" --temperature 1.5 -n 5 --seed 3 prompts >drawn
same_ 20 "$(grep -cP "^$pattern\$" drawn)"
gen -q -m "$story" --regex "$pattern" --temperature 1.5 -n 5 --seed 3 -b2 prompts >again
compare_ drawn again
gen -q -m "$story" --regex '(yes|no)' --json -p 'Is it?' | grep -qxE '\{"prompt":"Is it\?","text":"(yes|no)","finish_reason":"full"\}' ||
    fail_ "what is full does not end"
gen -q -m "$story" --regex '.*' --max-new-tokens 5 prompts >free
gen -q -m "$story" --max-new-tokens 5 prompts >without
compare_ without free

# characters that are several tokens
gen -q -m "$story" --regex '한국[가-힣]{2}(은|는) 😀[^a-z]' --temperature 1 -n 20 -p 'x' >korean
same_ 20 "$(grep -cP '^한국[가-힣]{2}(은|는) 😀[^a-z]$' korean)"
gen -q -m "$data/goldens/e2e/gpt2-lm" --regex '서울|부산' -p 'x' | grep -qxE '서울|부산' || fail_ "bytes as characters"
# what begins a text loses a space, which does not stand in its form
gen -q -m "$data/goldens/e2e/t5-s2s" --regex '[a-z]{3,5}( [a-z]{2,4}){2}' prompts >t5
same_ 4 "$(grep -cxE '[a-z]{3,5}( [a-z]{2,4}){2}' t5)"

# JSON, by a schema in a file
cat >person.json <<'SCHEMA'
{"type": "object",
 "properties": {
   "name": {"type": "string", "pattern": "^[A-Z][a-z]+$", "maxLength": 8},
   "age": {"type": "integer", "minimum": 3, "maximum": 99},
   "kind": {"enum": ["고양이", "dog", null]},
   "friends": {"type": "array", "items": {"$ref": "#/properties/name"}, "minItems": 1, "maxItems": 3}},
 "required": ["name", "age", "kind", "friends"]}
SCHEMA
name='"[A-Z][a-z]{1,7}"'
form="\\{ ?\"name\": ?$name, ?\"age\": ?([3-9]|[1-9][0-9]), ?\"kind\": ?(\"고양이\"|\"dog\"|null), ?\"friends\": ?\\[ ?$name(, ?$name){0,2} ?\\] ?\\}"
gen -q -m "$story" --json-schema person.json --temperature 1 -n 10 prompts >people
same_ 40 "$(grep -cxE "$form" people)"
gen -q -m "$story" --json-schema '{"type":["integer","boolean"]}' -p 'x' | grep -qxE -- '-?(0|[1-9][0-9]*)|true|false' || fail_ "a schema by itself"
# an answer that is cut says so
gen -q -m "$story" --json-schema person.json --max-new-tokens 3 --json -p x | grep -q '"finish_reason":"length"' || fail_ "a part of an answer"

# what cannot be
refuses_ 2 '--regex: at byte 2: missing closing parenthesis' gen -q -m "$story" --regex '(a' -p x
refuses_ 2 'a back reference cannot be met' gen -q -m "$story" --regex '(a)\1' -p x
refuses_ 2 'nothing meets it' gen -q -m "$story" --regex 'a(?!b)b' -p x
refuses_ 2 'only an empty answer meets it' gen -q -m "$story" --regex '' -p x
refuses_ 2 'an answer has one form' gen -q -m "$story" --regex a --json-schema '{}' -p x
refuses_ 2 'cannot write' gen -q -m "$data/goldens/e2e/t5-s2s" --regex '뷁{3}' -p x
refuses_ 2 'too many ways at a time' gen -q -m "$story" --regex '(?=.{0,5000}a.{5000}b)(?=.{0,4000}b.{4000}c).*' -p x
refuses_ 2 '--json-schema: /: "not" is not understood' gen -q -m "$story" --json-schema '{"not":{"type":"null"}}' -p x
echo '{"items":{"$ref":"#/$defs/x"}}' >wrong.json
refuses_ 1 'wrong.json: /items/0: "$ref" to "#/$defs/x", which is not in this schema' gen -q -m "$story" --json-schema wrong.json -p x
echo '{"type":' >damaged.json
refuses_ 1 'damaged.json' gen -q -m "$story" --json-schema damaged.json -p x
refuses_ 1 'none.json' gen -q -m "$story" --json-schema none.json -p x
