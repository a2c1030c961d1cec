#!/bin/bash
# align: preference pairs and judged answers, what they lose, and what a model makes of them; TRL's own values through a model.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

entry() { # NAME FILE: of the first line of a log that has it
    sed -n "s|.*\"$1\":\\([-0-9.e+]*\\).*|\\1|p" "$2" | head -n 1
}
near() { # A B LIMIT
    awk -v a="$1" -v b="$2" -v limit="$3" 'BEGIN { d = a - b; exit !(a != "" && b != "" && d <= limit && -d <= limit) }' ||
        fail_ "$1 and $2 differ by more than $3"
}
above() { # A B
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a > b) }' || fail_ "$1 is not above $2"
}

# ---- pairs: what is said of a topic is preferred to what is said of another
cat >tokdir/chat_template.jinja <<'END'
{% for m in messages %}{% if m.role == "assistant" %}{% generation %}{{ m.content }} [SEP]{% endgeneration %}{% else %}{{ m.content }} {% endif %}{% endfor %}
END
make_pairs() { # ROWS SEED
    awk -v rows="$1" -v seed="$2" '
    function draw(n) { seed = seed * 16807 % 2147483647; return int(seed / 2147483647 * n) }
    function words(w,    s, j, m) { m = 2 + draw(4); s = ""; for (j = 0; j < m; j++) s = s (j ? " " : "") w[1 + draw(5)]; return s }
    BEGIN {
        split("goal match team coach cup", a, " "); split("rain wind storm cloud snow", b, " "); split("the a of in on", c, " ")
        for (i = 0; i < 10; i++) draw(1)
        for (i = 0; i < rows; i++) {
            p = words(c); good = words(a); bad = words(b)
            printf "{\"prompt\":\"%s\",\"chosen\":\"%s\",\"rejected\":\"%s\"}\n", p, good, bad
        }
    }'
}
make_pairs 160 3 >train.jsonl
make_pairs 40 4 >test.jsonl
pretrain -a gpt2 --layers 2 --width 32 --heads 2 --max-length 64 -b 16 --learning-rate 3e-3 --max-steps 30 -q -o base corpus.lms
cp tokdir/chat_template.jinja base
tok -q -m base --chat -o pairs.lms train.jsonl
tok -q -m base --chat -o held.lms test.jsonl

fit="-b 16 -j 1 -q"
align -m base $fit --learning-rate 1e-3 -e 2 --eval held.lms --logging-steps 1 --log dpo.jsonl -o dpo pairs.lms
near "$(entry loss dpo.jsonl)" 0.693147 1e-5 # it begins as its reference
near "$(entry rewards/margins dpo.jsonl)" 0 1e-5
above "$(entry eval_rewards/accuracies dpo.jsonl)" 0.95
above "$(entry eval_rewards/margins dpo.jsonl)" 0.05
grep -q '"method"' dpo/README.md || grep -q 'method' dpo/README.md || fail_ "the card does not name the method"

# the reference in the pipe, and another way to name it, are the same
score -q -m base --emit logprobs pairs.lms | tee column.lms | align -m base $fit --learning-rate 1e-3 -e 2 --logging-steps 1 --log column.jsonl -o column
near "$(entry loss column.jsonl)" 0.693147 1e-5
refuses_ 1 'held.lms: chosen: row 1: no log-probabilities of the reference' align -m base $fit --eval held.lms -o x column.lms
lms --check column.lms >got
grep -q 'good: tokens, .* 160 examples' got || fail_ "$(cat got)"
grep -aq '"rejected.logprobs":{' column.lms || fail_ "no log-probabilities"
align -m base --ref-model base $fit --learning-rate 1e-3 -e 2 -o named pairs.lms
cmp named/model.safetensors dpo/model.safetensors
# by another model they are others
align -m dpo --ref-model base $fit --max-steps 1 --logging-steps 1 --log other.jsonl -o x pairs.lms
above "$(entry rewards/margins other.jsonl)" 0.05
# the cut of a step changes nothing
align -m dpo --ref-model base $fit --max-steps 1 --micro-tokens 1 --logging-steps 1 --log cut.jsonl -o x pairs.lms
near "$(entry loss other.jsonl)" "$(entry loss cut.jsonl)" 1e-5
near "$(entry grad_norm other.jsonl)" "$(entry grad_norm cut.jsonl)" 1e-4

# ---- each loss is another, and each finds the better answers
: >losses
for loss in sigmoid robust hinge ipo exo nca sppo apo-zero apo-down discopop aot aot-pair; do
    smooth=
    test $loss != robust || smooth="--preference-smoothing 0.1"
    align -m dpo --ref-model base $fit --loss-type $loss $smooth --learning-rate 1e-4 -e 1 --eval held.lms --logging-steps 1 --log $loss.jsonl -o x pairs.lms
    entry loss $loss.jsonl >>losses
    above "$(entry eval_rewards/accuracies $loss.jsonl)" 0.95
done
sort -u losses | wc -l >got
same_ 12 "$(cat got)"
align -m base $fit --method simpo --beta 2 --learning-rate 1e-3 -e 2 --eval held.lms --log simpo.jsonl -o x pairs.lms
above "$(entry eval_rewards/accuracies simpo.jsonl)" 0.95
align -m base $fit --method orpo --learning-rate 1e-3 -e 2 --eval held.lms --log orpo.jsonl -o x pairs.lms
above "$(entry eval_rewards/accuracies orpo.jsonl)" 0.95
align -m base $fit --reference-free --learning-rate 1e-3 -e 2 --eval held.lms --log free.jsonl -o x pairs.lms
above "$(tac free.jsonl >turned && entry eval_rewards/margins turned)" "$(entry eval_rewards/margins free.jsonl)" # answers differ in length
# with the cross-entropy of what is chosen added
align -m base $fit --sft-weight 2 --max-steps 1 --logging-steps 1 --log sft.jsonl -o x pairs.lms
above "$(entry loss sft.jsonl)" 2

# ---- a reward model, of each family that classifies
align -m base $fit --method reward -e 3 --learning-rate 1e-3 --eval held.lms --log reward.jsonl -o judge pairs.lms
above "$(entry eval_rewards/accuracies reward.jsonl)" 0.95
grep -q 'GPT2ForSequenceClassification' judge/config.json
finetune -a bert --layers 1 --width 32 --heads 2 -b 16 --max-steps 2 -q -o bert train.lms
align -m bert $fit --method reward --center-rewards 0.1 -e 4 --learning-rate 2e-3 --eval held.lms --log bert.jsonl -o x pairs.lms
above "$(entry eval_rewards/accuracies bert.jsonl)" 0.95
refuses_ 2 'clm: unknown task of bert' align -m bert $fit -o x pairs.lms

# ---- answers that were judged
sed 's/{"prompt":\("[^"]*"\),"chosen":\("[^"]*"\),"rejected":\("[^"]*"\)}/{"prompt":\1,"completion":\2,"good":true}\n{"prompt":\1,"completion":\3,"good":false}/' \
    train.jsonl >judged.jsonl
tok -q -m base --chat --label good -o judged.lms judged.jsonl
align -m base $fit --method kto --learning-rate 1e-3 -e 2 --eval judged.lms --logging-steps 1 --log kto.jsonl -o kto judged.lms
near "$(entry loss kto.jsonl)" 0.5 1e-5
above "$(entry eval_rewards/margins kto.jsonl)" 0.05
above "$(entry eval_kl kto.jsonl)" -1e-9

# ---- an adapter; and a run that was stopped ends in the same bytes
align -m base --lora -r 4 $fit --learning-rate 1e-2 -e 2 --eval held.lms --logging-steps 1 --log lora.jsonl -o adapter pairs.lms
near "$(entry loss lora.jsonl)" 0.693147 1e-5
above "$(entry eval_rewards/accuracies lora.jsonl)" 0.9
grep -q '"peft_type": "LORA"' adapter/adapter_config.json
refuses_ 2 'give --lora' align -m base -r 4 $fit -o x pairs.lms
align -m base $fit --learning-rate 1e-3 -e 2 --checkpoint ck --save-steps 7 -o whole pairs.lms
rm -r ck/checkpoint-14 # the first one is left
align -m base $fit --learning-rate 1e-3 -e 2 --checkpoint ck --save-steps 7 --keep 9 --resume -o again pairs.lms
cmp whole/model.safetensors again/model.safetensors
cmp whole/model.safetensors dpo/model.safetensors
refuses_ 2 'beta' align -m base $fit --beta 0.3 --learning-rate 1e-3 -e 2 --checkpoint ck --resume -o again pairs.lms

# ---- bad input
{ cat train.jsonl; echo '{"prompt":"the","chosen":[{"role":"assistant","content":"goal"}],"rejected":[{"role":"assistant","content":"GOAL"}]}'; } |
    tok -q -m base --chat - | align -m base -b 16 -j 1 --max-steps 1 -o x 2>err
grep -q '1 of 161 rows teach nothing: their two answers are the same' err || fail_ "$(cat err)"
for i in 1 2 3; do echo '{"prompt":"the","chosen":"goal","rejected":"goal"}'; done | tok -q -m base --chat - >equal.lms
refuses_ 1 'nothing to learn from in 3 rows: their two answers are the same' align -m base $fit -o x equal.lms
# the end alone is an answer
{ head -n 15 train.jsonl; echo '{"prompt":"the","chosen":"","rejected":"goal"}'; } | tok -q -m base --chat - >empty.lms
align -m base $fit --max-steps 1 --logging-steps 1 --log empty.jsonl -o x empty.lms
near "$(entry loss empty.jsonl)" 0.693147 1e-5
refuses_ 2 'of rows with one text' align -m base $fit --packing wrapped -o x nowhere.lms
refuses_ 2 'of labels' align -m base $fit --label-smoothing 0.1 -o x nowhere.lms
refuses_ 1 'no chosen.ids and rejected.ids' align -m base $fit -o x corpus.lms
refuses_ 1 'no loss_mask column' align -m base $fit --method kto -o x pairs.lms
tok -q -m base --chat judged.jsonl >mute.lms
refuses_ 1 'nothing says whether the answer is a good one' align -m base $fit --method kto -o x mute.lms
sed 's/"good":true/"good":"maybe"/' judged.jsonl | tok -q -m base --chat --label good - >maybe.lms
refuses_ 1 "label 'maybe' does not say" align -m base $fit --method kto -o x maybe.lms
refuses_ 2 'no use for it' align -m base $fit --method orpo --loss-type ipo -o x pairs.lms
refuses_ 2 'leave one of them out' align -m base $fit --reference-free --ref-model base -o x pairs.lms
refuses_ 2 'simpo has no use for it' align -m base $fit --method simpo --ref-model base -o x pairs.lms
tok --train wordpiece --vocab-size 90 -q -o other corpus.txt
tok -q -m other --max-length 60 corpus.txt | pretrain -a gpt2 --layers 1 --width 32 --heads 2 --max-length 64 --max-steps 1 -q -o other
refuses_ 1 'ref-model: other: its vocabulary' align -m base $fit --ref-model other -o x pairs.lms
printf '{"prompt":"%s","chosen":"goal","rejected":"rain"}\n' "$(printf 'the %.0s' {1..80})" | tok -q -m base --chat --max-length 200 - >long.lms
refuses_ 1 'chosen: row 1: 82 tokens, and the model takes 64' align -m base $fit -o x long.lms
head -c 3000 pairs.lms >cut.lms
refuses_ 3 'ends' align -m base $fit -o none cut.lms
test ! -e none

# ---- TRL's own values
needs_data_ goldens/losses/golden.json goldens/models/llama-gqa goldens/lora/llama-lora-qv
"$abs_top_builddir/tests/unit/golden_stream" pairs "$data/goldens/losses" >golden.lms
llama=$data/goldens/models/llama-gqa
align -m "$llama+$data/goldens/lora/llama-lora-qv" --lora --ref-model "$llama" -b 8 -j 1 -q --max-steps 1 --max-grad-norm 0 --logging-steps 1 --log golden.jsonl \
    -o tuned golden.lms 2>err || fail_ "$(cat err)"
near "$(entry loss golden.jsonl)" 1.08905721 1e-5
near "$(entry logps/chosen golden.jsonl)" "$(awk 'BEGIN { print (-40.5951195 - 61.1301804 - 10.2178535) / 3 }')" 1e-4
near "$(entry rewards/accuracies golden.jsonl)" 0.6666667 1e-4
norm=$(grep -o '"adapter_grad_norms": *{[^}]*}' "$data/goldens/losses/golden.json" | tr ',}' '\n\n' | awk -F : '{ s += $NF * $NF } END { printf "%.6f", sqrt(s) }')
near "$(entry grad_norm golden.jsonl)" "$norm" 1e-4
