#!/bin/bash
# score --tsv, --top and --pool: outputs as lines of text, and what they have to be.
. "$(dirname "$0")/init.sh"
needs_data_ goldens/e2e/bert-cls goldens/e2e/bert-fillmask goldens/models/bert-mlm

cls=$data/goldens/e2e/bert-cls
fill=$data/goldens/e2e/bert-fillmask
cut -c 1- >texts.jsonl <<'END'
{"id":"a1","text":"The service was quick and the staff were friendly.","label":"neutral"}
{"id":"a2","text":"환불은 언제\n되나요?\t감사합니다","pair":"네, \u0000내일","label":"positive"}
{"id":7,"text":"I would not recommend this film to anyone.","label":"negative"}
END
tok -m "$cls" --keep-text texts.jsonl >texts.lms
grep -v a2 texts.jsonl | sed 's/"id":[^,]*,//' | tok -m "$cls" >bare.lms

# without --emit: predictions; then id, label, text and pair, whose white space cannot break a line
score -q -m "$cls" --tsv texts.lms >lines
same_ "a1 a2 7" "$(cut -f 2 lines | paste -s -d ' ')"
same_ "neutral positive negative" "$(cut -f 3 lines | paste -s -d ' ')"
same_ "환불은 언제 되나요? 감사합니다|네,  내일" "$(sed -n 2p lines | cut -f 4,5 | tr '\t' '|')"
same_ "4 5 4" "$(awk -F '\t' '{ print NF }' lines | paste -s -d ' ')"
score -q -m "$cls" --emit predictions texts.lms | lms --view >view
same_ "$(cut -f 1 lines)" "$(sed -n 's/^  field prediction "\(.*\)"$/\1/p' view)"

# without ids and texts: numbers, and what the tokens say
score -q -m "$cls" --tsv --emit loss,predictions bare.lms >bare
same_ "1 2" "$(cut -f 3 bare | paste -s -d ' ')"
sed -n 2p bare | grep -q "	i would not recommend this film to anyone\.$"

# outputs stand in the order that is asked for, and are those of the stream
score -q -m "$cls" --tsv --emit loss --emit probs,logits texts.lms >numbers
score -q -m "$cls" --emit loss,probs,logits texts.lms | lms --view >view
check_numbers() { # FIELD COLUMN
    paste -d ' ' <(cut -f "$1" numbers) <(sed -n "s/^  $2 //p" view | tr -d '[]' | tr ',' ' ') |
        awk '{ for (i = 1; i <= NF / 2; i++) { d = $i - $(i + NF / 2); if (d * d > 1e-11) { print "line " NR ": " $0; bad = 1 } } }
            END { exit bad || NR != 3 }' || fail_ "$2 differs"
}
check_numbers 1 loss
check_numbers 2 probs
check_numbers 3 logits
same_ 3 "$(grep -c '^[0-9]\.[0-9]\{6\}	' numbers)"
# the worst comes last
score -q -m "$cls" --tsv --emit loss texts.lms | sort -n | tail -n 1 | cut -f 1 >worst
same_ "$(cut -f 1 numbers | sort -g | tail -n 1)" "$(cat worst)"

# the report stands beside it; gates hold
refuses_ 4 "accuracy is" score -m "$cls" --tsv --report report --fail-under accuracy=1.1 -o out texts.lms
compare_ lines out
score -m "$cls" texts.lms >alone
compare_ alone report

# several streams, a flush, no row
cat texts.lms bare.lms | score -q -m "$cls" --tsv >both
cat lines <(score -q -m "$cls" --tsv bare.lms | awk -F '\t' -v OFS='\t' '{ $2 += 3; print }') >expected
compare_ expected both
tok -m "$cls" --input-format jsonl </dev/null | score -q -m "$cls" --tsv >none
test ! -s none || fail_ "lines of no rows"

# words that a masked model fills in; each token by itself
printf '{"text":"The [MASK] was quick."}\n' | tok -m "$fill" >mask.lms
score -q -m "$fill" --tsv mask.lms >filled
cut -f 1 filled | grep -q '^[^ ]\+$' || fail_ "not one word: $(cat filled)"
score -q -m "$fill" --emit logprobs mask.lms | lms --view | grep '^  logprobs ' >logprobs
grep -q '^  logprobs -\?nan -[0-9.]* .* -\?nan$' logprobs || fail_ "$(cat logprobs)"

# the largest logits: as many as there are at most, in order, in the form of lmstream(5)
score -q -m "$cls" --emit logits --top 2 texts.lms >top.lms
lms --check top.lms
same_ 'logits.index logits.rest logits.top' \
    "$(grep -a '^{"' top.lms | sed -n 2p | grep -o '"logits[a-z.]*":' | tr -d '":' | sort | paste -s -d ' ')"
score -q -m "$cls" --emit logits --top 2 --tsv texts.lms | cut -f 1 >top
test "$(grep -cE '^[0-2]:-?[0-9.e-]+ [0-2]:-?[0-9.e-]+ rest:-?[0-9.e-]+$' top)" = 3 || fail_ "$(cat top)"
score -q -m "$fill" --emit logits --top 5 mask.lms | lms --head 1 | lms --check
refuses_ 2 "--top says how many" score -m "$cls" --emit loss --top 2 texts.lms
# smaller than all logits of a vocabulary
score -q -m "$fill" --emit logits mask.lms >all.lms
score -q -m "$fill" --emit logits --top 5 mask.lms >five.lms
test "$(wc -c <five.lms)" -lt "$(wc -c <all.lms)"

# pooling
score -q -m "$cls" --emit pooled,hidden --pool cls --tsv texts.lms >pooled
awk -F '\t' '{ split($2, token, " "); gsub(",", " ", token[1]); if (token[1] != $1) exit 1 }' pooled || fail_ "cls is not the first token"
score -q -m "$cls" --emit pooled --pool mean --tsv texts.lms | cut -f 1 >mean
score -q -m "$cls" --emit pooled --tsv texts.lms | cut -f 1 >pooler
! cmp -s mean pooler || fail_ "the mean is the pooler"
score -q -m "$fill" --emit pooled --tsv mask.lms | cut -f 1 >fill-auto
score -q -m "$fill" --emit pooled --pool mean --tsv mask.lms | cut -f 1 >fill-mean
compare_ fill-mean fill-auto
refuses_ 2 "has no pooler: take --pool mean" score -m "$fill" --emit pooled --pool pooler mask.lms
refuses_ 2 "it goes with --emit pooled" score -m "$fill" --emit logits --pool mean mask.lms
refuses_ 2 "predicts no tokens" score -q -m "$cls" --emit logprobs texts.lms

# tags of words: as many as the text has, those of the stream by its own names, whatever their numbers are in the model
printf '%s\n' 'The O' 'team O' 'of O' 'Seoul B-LOC' 'won O' '' 'Kim B-PER' 'Yuna I-PER' 'skates O' '' >train.conll
printf '%s\n' 'Kim B-PER' 'won O' '' 'Seoul B-LOC' 'won O' '' >test.conll
tok -q -m "$cls" --input-format conll train.conll | finetune -q -m "$cls" --task tag --max-steps 1 -o tagger 2>err
tok -q -m tagger --input-format conll test.conll >tags.lms
score -q -m tagger --tsv --emit predictions,loss tags.lms >lines
same_ "B-PER O|B-LOC O" "$(cut -f 4 lines | paste -s -d '|')"
same_ "2 2" "$(cut -f 1 lines | awk '{ print NF }' | paste -s -d ' ')"
score -q -m tagger --emit predictions tags.lms | lms --view | grep 'field prediction' | cut -d '"' -f 2 >words
cut -f 1 lines >predicted
compare_ predicted words
score -q -m tagger --html tags.html tags.lms >report
grep -qF 'B-LOC O</td>' tags.html

# answers: parts of the text, or nothing; two tokens a row in the stream
printf '%s\n' '{"question":"who won?","context":"the team of Seoul won the cup","answers":{"text":["the team"],"answer_start":[0]}}' \
    '{"question":"where?","context":"환불은 서울에서 됩니다 <b>","answers":{"text":["서울에서"],"answer_start":[4]}}' >qa.jsonl
tok -q -m "$cls" --keep-text --offsets qa.jsonl >qa.lms
finetune -q -m "$cls" --task answer --max-steps 1 -o reader qa.lms 2>err
score -q -m reader --tsv --emit predictions,loss qa.lms >lines
same_ "the team|서울에서" "$(cut -f 4 lines | paste -s -d '|')"
awk -F '\t' 'NF != 6 || ($1 != "" && !index($6, $1)) { print; bad = 1 } END { exit bad }' lines || fail_ "no part of the text"
score -q -m reader --emit predictions,logits qa.lms >answers.lms
lms --check answers.lms
same_ 2 "$(lms --view answers.lms | grep -c '^  predictions \[[0-9]*,[0-9]*\]')"
score -q -m reader --html answers.html qa.lms >report
grep -qF '서울에서</td>' answers.html || grep -q '^exact_match	1' report
refuses_ 2 "take predictions, logits or loss" score -q -m reader --emit probs qa.lms


# a causal model: each token given those before it; their mean is the loss
causal=$abs_top_builddir/tests/testplug/.libs/causal.so
test -e "$causal" || fail_ "$causal is missing: make check builds it"
mkdir causal
cp "$cls"/*.json "$cls"/vocab.txt causal
size=$(grep -ao '"vocab_size":[0-9]*' texts.lms | head -n 1 | cut -d : -f 2)
echo "{\"model_type\":\"test-causal\",\"vocab_size\":$size}" >causal/config.json
finetune --plugin "$causal" -q -m causal --random-weights -o writer --task clm --max-steps 1 texts.lms 2>err
score -q --plugin "$causal" -m writer --tsv --emit loss,logprobs texts.lms >lines
awk -F '\t' '{ n = split($2, p, " "); sum = 0; for (i = 2; i <= n; i++) sum += p[i]; d = $1 + sum / (n - 1)
        if (p[1] !~ /nan/ || n < 5 || d * d > 1e-8) { print; bad = 1 } } END { exit bad || NR != 3 }' lines || fail_ "logprobs"
score -q --plugin "$causal" -m writer --emit loss,logprobs,logits --top 3 --html causal.html --report report texts.lms | lms --check
grep -q '^perplexity' report
