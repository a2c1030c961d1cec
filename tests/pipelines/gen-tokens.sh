#!/bin/bash
# gen --tokens: answers as a stream of tokens, which score, lms, tok and gen itself take.
. "$(dirname "$0")/init.sh"
needs_data_ models/stories260K/greedy.txt goldens/e2e/t5-s2s/golden.json
story=$data/models/stories260K

printf '%s\n' '{"prompt":"Once upon a time","id":"a","kind":1.50}' '{"prompt":"The dog","id":7,"kind":"x"}' >prompts.jsonl
gen -q -m "$story" --max-new-tokens 12 --tokens prompts.jsonl >rows.lms
lms --check rows.lms 2>said
gen -q -m "$story" --max-new-tokens 12 --echo prompts.jsonl >echoed
tok -q -d -m "$story" rows.lms >text
compare_ echoed text

# the answer is what has a loss, and a greedy one is what the model itself would say next
score -q -m "$story" rows.lms >scores
same_ 24 "$(awk '$1 == "labelled" {print $2}' scores)"
same_ 1 "$(awk '$1 == "accuracy" {print $2}' scores)"
grep -a '"id":\["a",7\]' rows.lms | grep -a '"kind":\[1.50,"x"\]' | grep -aq '"finish_reason":\["length","length"\]' ||
    fail_ "the records' fields: $(grep -a '^{"n"' rows.lms)"

# through a pipe; and with log-probabilities, which are those that score finds
gen -q -m "$story" --max-new-tokens 12 --tokens prompts.jsonl | score -q -m "$story" >piped
compare_ scores piped
gen -q -m "$story" --max-new-tokens 6 --tokens --logprobs --prompt-logprobs prompts.jsonl >known.lms
numbers() { lms -q --view "$1" | sed -n 's/^ *logprobs //p' | tr ' ' '\n'; }
numbers known.lms >known
score -q -m "$story" --emit logprobs known.lms >scored.lms
numbers scored.lms | paste known - | awk '{d = $1 - $2; if ($1 != "nan" && d * d > 1e-8) exit 1; n++} END {exit n < 14}' ||
    fail_ "log-probabilities: $(paste known <(numbers scored.lms))"
same_ 2 "$(grep -c nan known)"

# of a stream of tokens, several answers to each, whatever is written together
tok -q -m "$story" --text prompt prompts.jsonl >prompts.lms
gen -q -m "$story" --max-new-tokens 5 --tokens --seed 3 -n 2 -b1 prompts.lms | tok -q -d -m "$story" >one
gen -q -m "$story" --max-new-tokens 5 --tokens --seed 3 -n 2 -b8 prompts.lms | tok -q -d -m "$story" >all
same_ 4 "$(wc -l <one)"
compare_ one all
gen -q -m "$story" --max-new-tokens 5 --tokens --seed 3 -n 2 prompts.lms | gen -q -m "$story" --max-new-tokens 1 >on
same_ 4 "$(wc -l <on)"

# a model with an encoder answers in target_ids
echo 'summarize: one two three' | gen -q -m "$data/goldens/e2e/t5-s2s" --max-new-tokens 4 --tokens >target.lms
grep -aq '"target_ids"' target.lms || fail_ "no target_ids"
lms --check target.lms 2>said

# nobody wrote: a stream all the same; and what is refused
gen -q -m "$story" --tokens </dev/null | lms --check - 2>said
refuses_ 2 'leave out --json' gen -m "$story" --tokens --json -p x
refuses_ 2 'leave one out' gen -m "$data/goldens/e2e/t5-s2s" --tokens --logprobs -p x
printf '%s\n' '{"prompt":"Once"}' '{"prompt":' | { returns_ 1 gen -q -m "$story" --tokens --max-new-tokens 2 >broken.lms; }
returns_ 3 lms --check broken.lms
