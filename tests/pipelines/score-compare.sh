#!/bin/bash
# score --ci and --compare: intervals and comparisons that depend on the seed alone.
. "$(dirname "$0")/init.sh"
needs_data_ goldens/e2e/bert-cls

cls=$data/goldens/e2e/bert-cls
"$abs_top_builddir/tests/unit/golden_stream" texts "$cls" | sed '1,9s/"label":"[a-z]*"/"label":"positive"/' >texts.jsonl
tok -m "$cls" texts.jsonl >texts.lms
score -q -m "$cls" texts.lms >plain

# every value has an interval around it; counts and the signature have none
score -q -m "$cls" --ci texts.lms >ci
same_ "$(grep -v ^signature plain)" "$(grep -v ^signature ci | cut -f 1,2)"
awk -F '\t' '$1 ~ /^(rows|tokens|labelled|signature)$/ { if (NF != 2) exit 1; next }
    !(NF == 4 && $3 <= $2 && $2 <= $4) { exit 1 }' ci || fail_ "an interval does not hold its value"
grep -q "^signature	measure:classes|rows:25|data:[0-9a-f]*|classes:3|.*|ci:percentile,95,1000,42|lmutils:" ci
score -q -m "$cls" --ci --json texts.lms | grep -q '"ci": {.*"accuracy": \[0\.[0-9]*, 0\.[0-9]*\]'

# threads and batches change nothing, the seed does; a narrower level is narrower
score -q -m "$cls" --ci -j 1 --batch-tokens 1 texts.lms >again
compare_ ci again
score -q -m "$cls" --ci --seed 1 texts.lms >other
if cmp -s ci other; then fail_ "another seed, and the same intervals"; fi
score -q -m "$cls" --ci --ci-level 50% texts.lms >half
paste ci half | awk -F '\t' '$1 == "accuracy" { exit !($7 >= $3 && $8 <= $4 && $8 - $7 < $4 - $3) }' ||
    fail_ "an interval of 50 % is not narrower than one of 95 %"

# rows in another order have the same signature of data, other rows another
tac texts.jsonl | tok -m "$cls" | score -q -m "$cls" >reversed
grep -v "^loss" plain >before
grep -v "^loss" reversed >after
compare_ before after
head -n 24 texts.jsonl | tok -m "$cls" | score -q -m "$cls" >fewer
same_ 2 "$(cat plain fewer | grep -o 'data:[0-9a-f]*' | sort -u | wc -l)"

# against itself nothing differs; against a guess it does
score -q -m "$cls" --tsv texts.lms >same.tsv
score -q -m "$cls" --compare same.tsv texts.lms >itself
grep -qx "delta_accuracy	0" itself
grep -qx "p_accuracy	1" itself
grep -q "^comparison	paired-bootstrap,1000,42" itself
sed 's/^[a-z]*/positive/' same.tsv >guess.tsv
score -q -m "$cls" --ci --compare guess.tsv texts.lms >worse
accuracy=$(sed -n 's/^accuracy	\([0-9.]*\).*/\1/p' worse)
other=$(sed -n 's/^other_accuracy	//p' worse)
awk -F '\t' -v d="$(awk "BEGIN { print $accuracy - $other }")" '$1 == "delta_accuracy" { exit !($2 - d < 1e-9 && d - $2 < 1e-9 && NF == 4) }' worse ||
    fail_ "delta_accuracy is not the difference"
refuses_ 4 "delta_accuracy is" score -q -m "$cls" --compare guess.tsv --fail-under delta_accuracy=0.9 texts.lms >out

# another model: its directory, or the tokens that it has gone over, with its logits; all its measures are compared then
finetune -q -m "$cls" -o rival --max-steps 4 -b 4 --learning-rate 1e-2 texts.lms
score -q -m rival texts.lms >of-other
score -q -m "$cls" --compare rival texts.lms >directory
for name in loss accuracy roc_auc average_precision brier ece; do
    same_ "$(sed -n "s/^$name	//p" of-other)" "$(sed -n "s/^other_$name	//p" directory)"
    grep -q "^p_$name	" directory || fail_ "no p_$name"
    awk -F '\t' -v n="$name" '{ v[$1] = $2 } END { d = v[n] - v["other_" n] - v["delta_" n]; exit !(d < 1e-5 && d > -1e-5) }' \
        directory || fail_ "delta_$name"
done
lms -m rival -o rival.tar.zst
score -q -m "$cls" --compare rival.tar.zst texts.lms >archive
compare_ directory archive
gzip -k guess.tsv # which no model is
score -q -m "$cls" --compare guess.tsv.gz texts.lms >packed
score -q -m "$cls" --compare guess.tsv texts.lms | compare_ - packed
score -q -m rival --emit logits texts.lms >rival.lms
score -q -m "$cls" --compare rival.lms texts.lms >stream
compare_ directory stream
score -q -m "$cls" --compare <(score -q -m rival --emit logits texts.lms) texts.lms >pipe
compare_ directory pipe
score -q -m "$cls" --ci --compare "$cls" texts.lms >itself
same_ "delta_loss 0 0 0" "$(grep '^delta_loss' itself | tr '\t' ' ')"
grep -qx "p_roc_auc	1" itself
refuses_ 1 "has no logits of 3 numbers for each row" score -q -m "$cls" --compare texts.lms texts.lms
head -n 20 texts.jsonl | tok -m "$cls" | score -q -m rival --emit logits >fewer.lms
refuses_ 1 "fewer.lms: not of the same rows: it has 20, and there are 25" score -q -m "$cls" --compare fewer.lms texts.lms
refuses_ 1 "predicts something else" score -q -m "$cls" --compare "$data/goldens/e2e/bert-fillmask" --force texts.lms

# ---- answers: the same, beside which lines do not suffice
for i in 1 2 3 4 5 6; do
    printf '{"question":"what was %s?","context":"the place was good %s and the food was bad","answers":{"text":["good"],"answer_start":[14]}}\n' $i $i
done >qa.jsonl
tok -q -m "$cls" --keep-text qa.jsonl >qa.lms
finetune -q -m "$cls" --task answer -o qa --max-steps 1 -b 2 qa.lms
finetune -q -m "$cls" --task answer -o other-qa --max-steps 9 -b 6 --learning-rate 1e-2 qa.lms
score -q -m other-qa qa.lms >of-other
score -q -m qa --compare other-qa qa.lms >directory
for name in loss exact_match f1; do
    same_ "$(sed -n "s/^$name	//p" of-other)" "$(sed -n "s/^other_$name	//p" directory)"
done
score -q -m other-qa --emit logits qa.lms >other.lms
score -q -m qa --compare other.lms qa.lms >stream
compare_ directory stream
score -q -m other-qa --tsv qa.lms >other.tsv
refuses_ 2 "score --emit logits" score -q -m qa --compare other.tsv qa.lms

# ---- how a stream is cut into records changes nothing: rows go through the model in full batches
tok -m "$cls" --keep-text texts.jsonl >kept.lms
sed 's/"id":[^,]*,//' texts.jsonl | split -l 2 - part.
for part in part.*; do tok -q -m "$cls" --keep-text --input-format jsonl "$part" >"$part.lms"; done
lms part.*.lms >cut.lms
same_ "13 2" "$(for file in cut kept; do lms --count $file.lms | sed -n 's/^records\t//p'; done | xargs)"
score -q -m "$cls" --tsv --emit predictions,loss kept.lms >whole.tsv
score -q -m "$cls" --tsv --emit predictions,loss cut.lms >cut.tsv
compare_ whole.tsv cut.tsv

# what cannot be compared
head -n 3 guess.tsv >short.tsv
refuses_ 1 "short.tsv: 3 lines, and there are 25 rows" score -q -m "$cls" --compare short.tsv texts.lms >out
same_ 0 "$(wc -c <out)"
sed '7s/^positive/sports/' guess.tsv >bad.tsv
refuses_ 1 'bad.tsv:7: "sports" is none of the model'"'"'s classes' score -q -m "$cls" --compare bad.tsv texts.lms
refuses_ 1 "nowhere.tsv" score -q -m "$cls" --compare nowhere.tsv texts.lms
refuses_ 2 "does not tag tokens" score -q -m "$cls" --scheme iob2 texts.lms
