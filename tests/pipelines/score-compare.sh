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

# what cannot be compared
head -n 3 guess.tsv >short.tsv
refuses_ 1 "short.tsv: 3 lines, and there are 25 rows" score -q -m "$cls" --compare short.tsv texts.lms >out
same_ 0 "$(wc -c <out)"
sed '7s/^positive/sports/' guess.tsv >bad.tsv
refuses_ 1 'bad.tsv:7: "sports" is none of the model'"'"'s classes' score -q -m "$cls" --compare bad.tsv texts.lms
refuses_ 1 "nowhere.tsv" score -q -m "$cls" --compare nowhere.tsv texts.lms
refuses_ 2 "does not tag tokens" score -q -m "$cls" --scheme iob2 texts.lms
