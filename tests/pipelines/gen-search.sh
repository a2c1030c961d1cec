#!/bin/bash
# gen: beams, drafts, and keys and values in fewer bits.
. "$(dirname "$0")/init.sh"
needs_data_ models/stories260K/greedy.txt goldens/e2e/bert-fillmask/golden.json
story=$data/models/stories260K
printf '%s\n' 'Once upon a time' 'The dog' 'Lily and Tom went to the' >prompts
gen -q -m "$story" --max-new-tokens 24 prompts >greedy

# as many lines as answers are asked for, the likeliest first, the same in any batch
gen -q -m "$story" --num_beams 4 -n 3 --logprobs --max-new-tokens 12 prompts >beams
same_ 9 "$(wc -l <beams)"
gen -q -m "$story" --beams 4 -n 3 --logprobs --max-new-tokens 12 -b 12 prompts >together
compare_ beams together
sed 's/.*"logprob":\(-[0-9.e-]*\),"tokens.*/\1/' beams | awk 'NR % 3 != 1 && $1 > before + 1e-6 { exit 1 } { before = $1 }' ||
    fail_ "of answers of one length the likeliest is not the first"
gen -q -m "$story" --logprobs --max-new-tokens 12 prompts | sed 's/.*"logprob":\(-[0-9.e-]*\),"tokens.*/\1/' >alone
sed -n '1~3p' beams | sed 's/.*"logprob":\(-[0-9.e-]*\),"tokens.*/\1/' | paste alone - | awk '$2 < $1 - 1e-6 { exit 1 }' ||
    fail_ "four beams found less than none"
gen -q -m "$story" --beams 1 --max-new-tokens 24 prompts | compare_ greedy -

# of a form, they are all of that form
gen -q -m "$story" --beams 3 -n 3 --regex '( [a-z]{2,6}){2}[.]' --max-new-tokens 20 prompts >formed
grep -Evn '^( [a-z]{2,6}){2}[.]$' formed && fail_ "lines of another form"
same_ 9 "$(wc -l <formed)"

# with a draft the answers are the same, by chance too
quant -q -t q4_0 -m "$story" -o rough.gguf
gen -m "$story" --draft rough.gguf --activations f32 --max-new-tokens 24 -v prompts 2>said | compare_ <(gen -q -m "$story" --activations f32 --max-new-tokens 24 prompts) -
grep -Eq '[0-9]+ steps; of [0-9]+ tokens of the draft [1-9][0-9]* were kept' said || fail_ "nothing of the draft was kept: $(cat said)"
gen -q -m "$story" --activations f32 --sample -n 2 --max-new-tokens 24 prompts >drawn
gen -q -m "$story" --assistant_model rough.gguf --draft-tokens 2 --activations f32 --sample -n 2 --max-new-tokens 24 prompts |
    compare_ drawn -

# keys and values rounded: the story begins as it did
for type in f16 q8_0; do
    gen -q -m "$story" --kv-type $type --max-new-tokens 24 prompts >rounded
    same_ "$(cut -c 1-20 greedy)" "$(cut -c 1-20 rounded)"
done

refused_() {
    status=0
    gen -q -m "$story" "${@:2}" prompts >out 2>err || status=$?
    same_ 2 $status
    grep -q -e "$1" err || fail_ "$* says: $(cat err)"
}
refused_ 'nothing is drawn by chance' --beams 2 --sample
refused_ 'nothing is drawn by chance' --beams 2 --top-k 5
refused_ 'ask for fewer answers' --beams 2 -n 3
refused_ 'leave out one of them' --beams 2 --draft rough.gguf
refused_ 'leave out --beams' --beams 2 --max-new-tokens 0
refused_ 'kv-type' --kv-type q4_0
status=0
gen -q -m "$data/goldens/e2e/bert-fillmask" --beams 2 -p 'a [MASK]' >out 2>err || status=$?
same_ 2 $status
grep -q 'fills masks, and writes no answers' err || fail_ "a model of masks says: $(cat err)"
