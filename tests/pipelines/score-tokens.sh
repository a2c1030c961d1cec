#!/bin/bash
# score on heads over tokens: entities of tags, and the texts that next tokens make.
. "$(dirname "$0")/init.sh"
needs_data_ goldens/e2e/distilbert-ner

# ---- tags, as transformers predicts them
ner=$data/goldens/e2e/distilbert-ner
cat >tags.conll <<END
John B-PER
Smith I-PER
lives O
in O
Seoul B-LOC

Samsung B-ORG
hired O
Ada B-PER
END
tok -q -m "$ner" tags.conll >tags.lms
score -q -m "$ner" --tsv tags.lms >mine.tsv
same_ "5 3" "$(cut -f 1 mine.tsv | awk '{ print NF }' | paste -s -d ' ')"
score -q -m "$ner" --per-class tags.lms >report
for name in accuracy f1 precision recall macro_f1 weighted_f1 'f1\[PER\]' 'support\[LOC\]'; do
    grep -q "^$name	" report || fail_ "no $name"
done
grep -qx 'support\[PER\]	2' report
grep -q '^signature	measure:tags|rows:2|.*|scheme:lenient' report
score -q -m "$ner" --scheme iob2 tags.lms | grep -q '|scheme:iob2'
refuses_ 2 'the model'"'"'s tag "B-PER" is none of that scheme' score -q -m "$ner" --scheme ioe2 tags.lms
# where the truth is what the model says, all is found
cut -f 1 mine.tsv | awk '{ for (i = 1; i <= NF; i++) print "w" i, $i; print "" }' >said
awk '{ print $1 }' tags.conll | paste -d ' ' - <(cut -d ' ' -f 2 said) | sed 's/^ $//' | head -n 9 >agreed.conll
tok -q -m "$ner" agreed.conll | score -q -m "$ner" >report
grep -qx 'accuracy	1' report || fail_ "$(cat agreed.conll report)"
score -q -m "$ner" --compare mine.tsv tags.lms | grep -qx 'delta_f1	0'
sed '2s/ [^ 	]*	/	/' mine.tsv >short.tsv
refuses_ 1 'is a list of fewer tags than the row has labels' score -q -m "$ner" --compare short.tsv tags.lms

# ---- next tokens, with a plugin of the tests' own
causal=$abs_top_builddir/tests/testplug/.libs/causal.so
test -e "$causal" || fail_ "$causal is missing: make check builds it"
for i in 1 2 3 4 5 6 7 8 9; do echo "the cat number $i sat on the mat and saw $i dogs run by"; done >lines.txt
head -n 4 lines.txt | paste -s -d ' ' >long.txt
tok -q --train bpe --vocab-size 280 --special '<|endoftext|>' -o causal lines.txt
size=$(tok -q -m causal lines.txt | grep -ao '"vocab_size":[0-9]*' | head -n 1 | cut -d: -f2)
echo "{\"model_type\":\"test-causal\",\"vocab_size\":$size}" >causal/config.json
tok -q -m causal lines.txt | finetune -q --plugin "$causal" -m causal --random-weights --task clm --max-steps 20 -o model
next() { score -q --plugin "$causal" -m model "$@"; }
value() { sed -n "s/^$1	//p" "$2"; }
tok -q -m model --keep-text --no-eos lines.txt | next >report
grep -q '^signature	measure:next|rows:9' report || fail_ "$(cat report)"
awk -v bytes="$(tr -d '\n' <lines.txt | wc -c)" -v words="$(wc -w <lines.txt)" '
    function near(a, b) { return (a - b) ^ 2 < 1e-8 * b * b }
    { v[$1] = $2 }
    END {
        nats = v["loss"] * v["labelled"]
        exit !(v["labelled"] == v["tokens"] - 9 && near(v["perplexity"], exp(v["loss"])) &&
            near(v["byte_perplexity"], exp(nats / bytes)) && near(v["word_perplexity"], exp(nats / words)) &&
            near(v["bits_per_byte"], nats / bytes / log(2)))
    }' report || fail_ "$(cat report)"
# without the texts there is nothing to count their bytes by
tok -q -m model --no-eos lines.txt | next >report
! grep -q byte report || fail_ "bytes of unknown texts"
# windows that overlap: each token is predicted once
tok -q -m model --no-eos --keep-text --offsets --max-length 16 --stride 8 long.txt | next >report
test "$(value rows report)" -gt 3
grep -q '|rows:1|' report || fail_ "windows of one text are several: $(cat report)"
tok -q -m model --no-eos --keep-text long.txt | next >whole
same_ "$(value labelled whole)" "$(value labelled report)"
