#!/bin/bash
# gen: one line or record in, one out, in its order and whatever the batch; what prompts may look like, and how answers end.
. "$(dirname "$0")/init.sh"
needs_data_ models/stories260K/greedy.txt goldens/e2e/t5-s2s/golden.json
story=$data/models/stories260K

# the story of the model's notes; from GGUF, and from eight bits
gen -q -m "$story" -p '' >told
compare_ <(cat "$story/greedy.txt"; case $(tail -c 1 "$story/greedy.txt" | od -An -c) in *'\n'*) ;; *) echo ;; esac) told
quant -q -t f32 -m "$story" -o story.gguf
quant -q -t q8_0 -m "$story" -o eight.gguf
gen -q -m story.gguf -p '' >same
compare_ told same
gen -q -m eight.gguf -p '' --activations f32 --max-new-tokens 40 >eight
same_ "$(head -c 100 told)" "$(head -c 100 eight)"

# a line for each line, an empty one too; standard output has nothing else
printf '%s\n' 'Once upon a time' '' 'The dog' 'Lily and Tom went to the' >prompts
gen -m "$story" --max-new-tokens 30 prompts >answers 2>said
same_ 4 "$(wc -l <answers)"
same_ ', there was a little girl' "$(sed -n 1p answers | cut -c 1-25)"
same_ 'Once upon a time, there' "$(sed -n 2p answers | cut -c 1-23)"
gen -q -m "$story" --max-new-tokens 30 <prompts >piped
compare_ answers piped

# the same whatever is written beside it, by however many threads; and of a part of the input
for sampling in '' '--temperature 0.9 --top-p 0.95 -n 2'; do
    gen -q -m "$story" --max-new-tokens 20 -b1 -j1 $sampling prompts >one
    gen -q -m "$story" --max-new-tokens 20 -b3 -j2 $sampling prompts >three
    gen -q -m "$story" --max-new-tokens 20 -b64 $sampling prompts >all
    compare_ one three
    compare_ one all
    tail -n +3 prompts | gen -q -m "$story" --max-new-tokens 20 --offset 2 $sampling >rest
    compare_ <(tail -n "$(wc -l <rest)" one) rest
done
same_ 8 "$(wc -l <one)"
# of rounded activations, too, where a last bit could become a step; this model has rows that no block divides
quant -q -t q8_0 -m "$story" -o eight.gguf 2>/dev/null
for word in She They 'One day' 'The cat' 'His mom' Suddenly 'In the park' 'A bird'; do echo "$word wanted to"; done >wishes
gen -q -m eight.gguf --max-new-tokens 60 --temperature 0.9 -n 2 -b1 -j1 wishes >one
gen -q -m eight.gguf --max-new-tokens 60 --temperature 0.9 -n 2 -b16 -j2 wishes >all
compare_ one all
gen -q -m "$story" --max-new-tokens 20 --sample --seed 1 prompts >another
! cmp -s another <(gen -q -m "$story" --max-new-tokens 20 --sample --seed 2 prompts) || fail_ "the seed does nothing"

# answered before more is read
mkfifo asked
gen -q -m "$story" --max-new-tokens 3 <asked >heard &
exec 3>asked
echo 'Once upon a' >&3
for _ in $(seq 100); do test -s heard && break; sleep 0.1; done
same_ 'time, there' "$(cat heard)"
exec 3>&-
wait $!

# records: the prompt's field, what else they have, and objects
cat >records.jsonl <<'END'
{"id":"a","prompt":"Once upon","label":1.50,"reference":"x","text":"not this"}
{"prompt":"The dog","id":2}
END
gen -q -m "$story" --json --max-new-tokens 4 records.jsonl >objects
same_ '{"prompt":"Once upon","text":"a time, there","id":"a","label":1.50,"reference":"x","finish_reason":"length"}' "$(sed -n 1p objects)"
gen -q -m "$story" --text .label,id --json --max-new-tokens 1 records.jsonl 2>err | sed -n 1p >chosen
grep -q '"prompt":"1.50 a"' chosen || fail_ "the fields of --text: $(cat chosen)"
gen -q -m "$story" --echo --max-new-tokens 4 records.jsonl >echoed
same_ 'Once upon a time, there' "$(sed -n 1p echoed)"

# tokens
tok -q -m "$story" prompts >prompts.lms # which leaves out the empty line
gen -q -m "$story" --max-new-tokens 30 prompts.lms >of_tokens
compare_ <(sed 2d answers) of_tokens
head -c -64 prompts.lms | returns_ 3 gen -q -m "$story" --max-new-tokens 30 >whole # rows that came whole are answered
compare_ of_tokens whole
tok -q -m "$data/goldens/e2e/gpt2-lm" prompts | refuses_ 1 'vocabulary' gen -q -m "$story"

# how answers end
gen -q -m "$story" -p 'Once upon a time' --stop 'girl named' --json | grep -q '"text":", there was a little ","finish_reason":"stop_string"' ||
    fail_ "a stop string across tokens"
gen -q -m "$story" -p 'Once upon a time' --stop zzz --stop 'ttl' | grep -qx ', there was a li' || fail_ "a stop string within a token"
gen -q -m "$story" -p '' --stop '\n' >line
compare_ <(head -n 1 told) line
gen -q -m "$story" -p 'Once upon a time' --stop-token '▁there' --json | grep -q '"text":",","finish_reason":"stop"' || fail_ "a stop token"
gen -q -m "$story" -p 'Once upon a time' --stop-token 383 --min-new-tokens 3 --max-new-tokens 6 --json >least
grep -q '"finish_reason":"length"' least || fail_ "a stop token before the least: $(cat least)"
gen -q -m "$story" -p 'Once upon a time' --max-new-tokens 1000 --ignore-eos --json | grep -q '"finish_reason":"context"' || fail_ "the end of the context"
gen -q -m "$story" -p 'Once upon a time' --max-new-tokens 0 --prompt-logprobs | grep -q '"text":"","finish_reason":"length","prompt_logprob":-' ||
    fail_ "no answer at all"
gen -q -m "$story" -p 'Once upon a time' --max-new-tokens 3 --logit-bias ,=-inf | grep -q '^,' && fail_ "a token that is forbidden"

# prompts that are too long
awk 'BEGIN { for (i = 0; i < 300; i++) printf "the dog was happy and " }' >long
refuses_ 1 'long:1: the prompt has' gen -q -m "$story" long
gen -q -m "$story" --truncate --max-new-tokens 5 long >cut
same_ 1 "$(wc -l <cut)"

# an encoder's; an unfinished character is one that is not known
gen -q -m "$data/goldens/e2e/t5-s2s" --max-new-tokens 12 -p 'The service was quick and the staff were friendly.' >t5
same_ 'redistribut do more otherwise otherwise placeside than@ than reproduc do' "$(cat t5)"
refuses_ 2 'does not go on from the text' gen -q -m "$data/goldens/e2e/t5-s2s" --echo -p x
gen -q -m "$data/goldens/e2e/llama-lm" -p 'The service was quick and the staff were friendly.' --max-new-tokens 1 >half
same_ "$(printf '\357\277\275')" "$(cat half)"

# masks
gen -q -m "$data/goldens/e2e/bert-fillmask" --top 5 -p 'The [MASK] was quick.' >masks
same_ '##bli ##ed ##stributi ##bution ##ր 3' "$(sed 's/.*masks//' masks | grep -o '"token":"[^"]*"' | cut -d'"' -f4 | tr '\n' ' ')$(grep -o '"position":[0-9]*' masks | cut -d: -f2)"
printf '%s\n' 'The [MASK] was quick.' '[MASK] [MASK]' | gen -q -m "$data/goldens/e2e/bert-fillmask" >filled
same_ 2 "$(wc -l <filled)"
refuses_ 1 'record 1: there is no mask in it' gen -q -m "$data/goldens/e2e/bert-fillmask" - <<<$'a [MASK]\nb'

# examples, conversations
printf '%s\n' '{"prompt":"a:","answer":" b"}' '{"prompt":"c:","completion":" d"}' '{"prompt":"never"}' >shots.jsonl
gen -q -m "$story" --few-shot shots.jsonl -k 2 --separator ' / ' --json --prompt-logprobs --max-new-tokens 0 -p 'e:' >few
gen -q -m "$story" --json --prompt-logprobs --max-new-tokens 0 -p 'a: b / c: d / e:' >spelled
same_ "$(sed 's/.*prompt_logprob//' spelled)" "$(sed 's/.*prompt_logprob//' few)"
for i in $(seq 12); do printf '{"prompt":"The number %d is a word that","completion":" begins a story %d"}\n' "$i" "$i"; done >many.jsonl
gen -q -m "$story" --few-shot many.jsonl --separator ' / ' --max-new-tokens 12 -b1 prompts >alone
gen -q -m "$story" --few-shot many.jsonl --separator ' / ' --max-new-tokens 12 -b3 prompts >together # which reads them once
compare_ alone together
gen -v -m "$story" --few-shot many.jsonl --separator ' / ' --max-new-tokens 12 -b3 --prompt-cache kept prompts >made 2>/dev/null
gen -v -m "$story" --few-shot many.jsonl --separator ' / ' --max-new-tokens 12 -b1 --prompt-cache kept prompts >again 2>err
grep -q 'tokens of .* prompts were there' err || fail_ "$(cat err)"
compare_ alone made
compare_ alone again
refuses_ 1 'kept: keys and values are kept as F32 there' gen -q -m "$story" --prompt-cache kept --kv-type f16 -p x
refuses_ 2 'not with --beams' gen -q -m "$story" --prompt-cache kept --beams 2 -p x
gen -m "$story" --prompt-cache short --max-new-tokens 1 -p x 2>err >short.txt
grep -q 'do not begin with 32 equal tokens' err || fail_ "$(cat err)"
refuses_ 1 'shots.jsonl: 3 examples, and 5 are asked for' gen -q -m "$story" --few-shot shots.jsonl -k 5 -p x
gen -q -m "$story" --chat=chatml --system S --few-shot shots.jsonl -k 1 --max-new-tokens 0 --json -p hi >talk
printf '%s\n' '{"prompt":"<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na:<|im_end|>\n<|im_start|>assistant\n b<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n","text":"","finish_reason":"length"}' >want
compare_ want talk
echo '{"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"gold"}],"k":3}' >talk.jsonl
gen -q -m "$story" --chat=chatml --max-new-tokens 0 --json talk.jsonl >asked_only
same_ '{"prompt":"<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n","text":"","k":3,"finish_reason":"length"}' "$(cat asked_only)"

# what cannot be
refuses_ 2 'no model' gen -p x
refuses_ 1 'does not predict words' gen -q -m "$data/goldens/e2e/bert-cls" -p x
refuses_ 2 'neither an id below 512 nor a token' gen -q -m "$story" --stop-token nothing -p x
refuses_ 2 'give TOKEN=NUMBER' gen -q -m "$story" --logit-bias 3 -p x
refuses_ 2 'all answers would be the same' gen -q -m "$story" --temperature 0 -n 2 -p x
refuses_ 2 'an empty text stands everywhere' gen -q -m "$story" --stop '' -p x
refuses_ 2 'give one or the other' gen -q -m "$story" -p x prompts
