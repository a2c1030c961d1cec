#!/bin/bash
# finetune: the tasks beside classes of rows: tags, answers, hidden tokens, next tokens, answers of conversations.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

pretrain $small --max-steps 1 -q -o mini corpus.lms 2>/dev/null
fit="-m mini -b 16 --learning-rate 3e-3"
last() { # FIELD FILE: of the last line of a log that has it
    sed -n "s/.*\"$1\":\([-0-9.e]*\).*/\1/p" "$2" | tail -n 1
}
below() { # LIMIT VALUE
    awk -v limit="$1" -v value="$2" 'BEGIN { exit !(value != "" && value < limit) }' || fail_ "$2 is not below $1"
}

# ---- tags: each word has the class of its kind; names of the classes come from the stream
tags() { # ROWS: of a csv of labels and texts
    sed -n "2,$(($2 + 1))p" "$1" | cut -d, -f2 | awk '{
        for (i = 1; i <= NF; i++) {
            tag = "O"
            if ($i ~ /^(goal|match|team|coach|cup|player|league|final|score|season)$/) tag = "B-SPORT"
            if ($i ~ /^(bank|shares|profit|market|bond|rates|investor|trade|stock|price)$/) tag = "B-MONEY"
            print $i, tag
        }
        print "" }'
}
tags train.csv 300 >train.conll
tags test.csv 60 >test.conll
tok -q -m tokdir train.conll >train-tags.lms
tok -q -m tokdir test.conll >test-tags.lms
tok -q -m tokdir --labels O,B-SPORT,B-MONEY test.conll >other-order.lms
finetune $fit -e 4 -o tagger --eval test-tags.lms --log tags.jsonl train-tags.lms 2>err
grep -q 'task: tag' err || fail_ "$(cat err)"
grep -qE 'first example \(« » carries loss\): \[CLS\]( «[a-z]*\|(O|B-SPORT|B-MONEY)»)* \[SEP\]' err || fail_ "$(grep first err)"
below 0.1 "$(last eval_loss tags.jsonl)"
grep -q '"BertForTokenClassification"' tagger/config.json
grep -q '"0": "B-MONEY"' tagger/config.json
grep -q '"O": 2' tagger/config.json
! grep -q problem_type tagger/config.json || fail_ "a problem_type, which token classification has none of"
# classes are known by name: their order in another stream does not matter
finetune $fit -e 4 -q -o tagger2 --eval other-order.lms --log tags2.jsonl train-tags.lms 2>/dev/null
cmp tagger/model.safetensors tagger2/model.safetensors
same_ "$(last eval_loss tags.jsonl)" "$(last eval_loss tags2.jsonl)"
finetune $fit -e 4 -q -o tagger3 --labels O,B-SPORT,B-MONEY --eval test-tags.lms --log tags3.jsonl train-tags.lms
grep -q '"1": "B-SPORT"' tagger3/config.json
below 0.1 "$(last eval_loss tags3.jsonl)"
# one that training has not seen
sed 's/B-MONEY/B-CASH/' test.conll | tok -q -m tokdir --input-format conll >unseen.lms
refuses_ 1 "class 'B-CASH' is none of the model's 3" finetune $fit -e 1 -q -o x --eval unseen.lms train-tags.lms
finetune $fit --max-steps 1 -o x --skip-unknown --eval unseen.lms train-tags.lms 2>err
grep -q "class 'B-CASH' is none of the model's 3: it carries no loss" err || fail_ "$(cat err)"
refuses_ 1 'tag "B-CASH" is none of the model' score -m tagger unseen.lms
score -m tagger --skip-unknown unseen.lms >report
score -m tagger test-tags.lms >all
awk '$1 == "labelled" { n[FILENAME] = $2 } END { exit !(n["report"] > 0 && n["report"] < n["all"]) }' report all || fail_ "$(cat report)"
score -m tagger other-order.lms >other
same_ "$(grep ^loss all)" "$(grep ^loss other)"
for replay in test-tags other-order; do
    finetune $fit --max-steps 3 -q -o $replay --replay $replay.lms=0.5 train-tags.lms
done
cmp test-tags/model.safetensors other-order/model.safetensors
refuses_ 1 'no tags column' finetune $fit -q -o x --task token-classification --labels a,b train.lms
# nothing to learn from is no success
tok -q -m tokdir --labels O,B-SPORT,B-MONEY train.conll >all.lms
refuses_ 1 "class 'O' is none of the model's 2" finetune $fit --max-steps 1 -q -o x --labels P,Q all.lms
refuses_ 1 "nothing to learn from in 300 rows: none of their words has a tag" \
    finetune $fit --max-steps 1 -q -o x --labels P,Q --skip-unknown all.lms

# ---- classes of rows that are none of --labels
finetune $fit --max-steps 2 -o x --labels sport,weather --skip-unknown train.lms 2>err
grep -q 'of 900 rows teach nothing: their labels are none of the model' err || fail_ "$(cat err)"
finetune $fit --max-steps 1 -q -o two --labels sport,weather --skip-unknown train.lms 2>/dev/null
refuses_ 1 'label "business" is none of the model' score -m two test.lms
score -m two --skip-unknown test.lms >report
awk '$1 == "labelled" { n = $2 } END { exit !(n > 20 && n < 150) }' report || fail_ "$(cat report)"
refuses_ 1 "label 'business' is none of the model's 2" finetune $fit --max-steps 2 -q -o x --labels sport,weather train.lms

# ---- several classes: what a column says is known by its name, or refused
awk -F, 'NR > 1 { print $1 "," $2 }' test.csv | sed '1i topics,text' >topics.csv
tok -q -m tokdir --text text --label topics --label-separator ';' topics.csv >several.lms
tok -q -m tokdir --text text --label topics --label-separator ';' --labels weather,sport,business topics.csv >turned.lms
for topics in several turned; do
    finetune $fit --max-steps 6 -q -o $topics --labels sport,weather,business --eval turned.lms --log $topics.jsonl $topics.lms
done
cmp several/model.safetensors turned/model.safetensors
same_ "$(last eval_loss several.jsonl)" "$(last eval_loss turned.jsonl)"
refuses_ 1 'column 1 of multi_label is "business", and the model' score -m several several.lms
tok -q -m tokdir --text text --label topics --label-separator ';' --labels sport,weather,business topics.csv | score -m several >report
awk -v a="$(last eval_loss several.jsonl)" '$1 == "loss" { exit !((a - $2) ^ 2 < 1e-10) }' report || fail_ "$(cat report)"

# ---- answers: a goal somewhere in the text
sed 1d train.csv | cut -d, -f2 | awk '{
    gsub(/goal/, "team")
    line = ""
    at = 0
    for (i = 1; i <= NF; i++) {
        if (i == NR % NF + 1) {
            at = length(line)
            line = line "goal "
        }
        line = line $i " "
    }
    printf "{\"question\":\"what\",\"context\":\"%s\",\"answers\":{\"text\":[\"goal\"],\"answer_start\":[%d]}}\n", line, at
}' >questions.jsonl
tok -q -m tokdir --max-length 64 questions.jsonl >questions.lms
finetune $fit -e 4 -o answers --task question-answering --log qa.jsonl --eval questions.lms --best-metric exact_match --keep-best \
    questions.lms 2>err
grep -q 'first example (« » carries loss): \[CLS\] .* \[SEP\] .*«goal»' err || fail_ "$(grep first err)"
grep -q '"BertForQuestionAnswering"' answers/config.json
below 0.5 "$(last loss qa.jsonl)"
below 0.5 "$(last eval_loss qa.jsonl)"
below -0.8 "-$(last eval_exact_match qa.jsonl)"
score -m answers questions.lms >report
awk '{ v[$1] = $2 } END { exit !(v["exact_match"] > 0.8 && v["f1"] >= v["exact_match"] && v["rows"] == 900) }' report ||
    fail_ "$(cat report)"
grep -q 'measure:answers|rows:900' report || fail_ "$(cat report)"
tok -q -m answers --max-length 16 --stride 4 questions.jsonl | score -m answers >report # a question's windows are one
grep -q 'measure:answers|rows:900' report || fail_ "$(cat report)"
awk '{ v[$1] = $2 } END { exit !(v["rows"] > 1000 && v["exact_match"] > 0.5) }' report || fail_ "$(cat report)"
refuses_ 2 '--labels: answer has no classes' finetune $fit -q -o x --labels a,b questions.lms

# ---- hidden tokens, on from a model
finetune $fit -e 1 -o masked --task fill-mask --mlm-probability 0.3 corpus.lms 2>err
grep -q '«\[MASK\]|[a-z]*»' err || fail_ "$(grep first err)"
grep -q '"BertForMaskedLM"' masked/config.json

# ---- next tokens, with a plugin of the tests' own
causal=$abs_top_builddir/tests/testplug/.libs/causal.so
test -e "$causal" || fail_ "$causal is missing: make check builds it"
for a in 1 2 3 4 5 6 7 8; do
    for b in 1 2 3 4 5; do echo "{\"prompt\":\"$a + $b =\",\"completion\":\"$((a + b))\"}"; done
done >sums.jsonl
cut -d'"' -f4 sums.jsonl | tok -q --train bpe --vocab-size 280 --special '<|im_start|>' --special '<|im_end|>' \
    --special '<|endoftext|>' -o causal
size=$(tok -q -m causal --chat chatml sums.jsonl | grep -ao '"vocab_size":[0-9]*' | head -n 1 | cut -d: -f2)
echo "{\"model_type\":\"test-causal\",\"vocab_size\":$size}" >causal/config.json
write="--plugin $causal -m causal --random-weights --learning-rate 5e-3 -b 8"
tok -q -m causal --chat chatml sums.jsonl >sft.lms
finetune $write -e 30 -o sums --log sft.jsonl sft.lms 2>err
grep -q 'task: sft' err || fail_ "$(cat err)"
grep -q 'first example.*assistant\\n«[0-9]*<|im_end|>\\n»$' err || fail_ "$(grep first err)"
! grep -q 'teaches where a text ends' err || fail_ "turns end with <|im_end|>"
below 0.8 "$(last loss sft.jsonl)"
grep -q '"TestCausalLM"' sums/config.json
# all of the text is more than the answers
finetune $write -e 1 -o x --task text_generation sft.lms 2>err
grep -q 'first example.*<|im_start|>«user' err || fail_ "$(grep first err)"
# an end that nothing teaches
cut -d'"' -f4 sums.jsonl | tok -q -m causal --no-eos >endless.lms
finetune $write -e 1 -o x --task clm endless.lms 2>err
grep -q 'nothing in the first 40 rows teaches where a text ends' err || fail_ "$(cat err)"
cut -d'"' -f4 sums.jsonl | tok -q -m causal --eos >ends.lms
finetune $write -e 1 -o x --task clm ends.lms 2>err
! grep -q 'teaches where' err || fail_ "$(cat err)"
refuses_ 1 'no loss_mask column' finetune $write -q -o x --task sft endless.lms
refuses_ 1 'there is no task in them' finetune $write -q -o x endless.lms
refuses_ 2 'seq2seq: unknown task of test-causal' finetune $write -q -o x --task seq2seq endless.lms
refuses_ 2 "did you mean" finetune $write -q -o x --task sftt endless.lms
# micro-batches and a resume change nothing
finetune $write -e 2 -q -o whole --log whole.jsonl sft.lms
finetune $write -e 2 -q -o parts --log parts.jsonl --micro-tokens 30 --gradient-accumulation 2 -b 4 sft.lms
awk -v a="$(last loss whole.jsonl)" -v b="$(last loss parts.jsonl)" 'BEGIN { exit !((a - b) ^ 2 < 1e-8) }' ||
    fail_ "$(last loss whole.jsonl) and $(last loss parts.jsonl)"
finetune $write -e 2 -q -o half --checkpoint ck --save-steps 3 sft.lms
rm -r half
finetune $write -e 2 -q -o half --checkpoint ck --save-steps 3 --resume sft.lms
cmp whole/model.safetensors half/model.safetensors
