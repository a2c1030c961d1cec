#!/bin/bash
# score --references: texts that were written beside those that would have been right.
. "$(dirname "$0")/init.sh"

# the values are those of sacreBLEU 2.5.1; a blank line is a text, and a carriage return is not of one
printf '%s\n' 'The cat sat on the mat.' 'It costs $5.00, he said.' '' 'a b c d e f g h' >hyp.txt
printf '%s\r\n' 'The cat is on the mat.' 'It costs $5.00, she said.' '' 'c d e f a b h g x' >ref.txt
score -q -r ref.txt --metrics bleu,chrf,ter hyp.txt >lines
value() { awk -F '\t' -v name="$1" '$1 == name { print $2 }' "${2:-lines}"; }
same_ "4 49.2169 68.3774 25" "$(value rows) $(value bleu) $(value chrf) $(value ter)"
same_ "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:lmutils" "$(value bleu_signature | sed 's/-[0-9.]*$//')"
same_ "nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:lmutils" "$(value ter_signature | sed 's/-[0-9.]*$//')"
score -q -r ref.txt --metrics bleu,chrf,ter <hyp.txt >stdin
compare_ lines stdin

# records: the references in a field, one or several; a number is a text; other files, other fields
cat >gen.jsonl <<'END'
{"prompt":"2+2","text":"4","answer":4}
{"prompt":"수도는?","text":"서울","answer":["서울시","서울"]}
{"prompt":"고양이?","text":"고양이는 동물이다.","answer":["고양이는 동물입니다."]}
END
score -q --target answer --metrics exact_match,answers --answers korquad gen.jsonl >lines
same_ "3 0.666667 0.666667 nrefs" "$(value rows) $(value exact_match) $(value korquad_exact_match) nrefs"
score -q --target answer gen.jsonl 2>/dev/null >lines
same_ "nrefs:var" "$(value bleu_signature | cut -d '|' -f 1)"
printf '{"n":1,"gold":{"is":"4"}}\n{"gold":{"is":"부산"}}\n{"gold":{"is":"x"}}\n' >gold.jsonl
score -q -r gold.jsonl --target .gold.is --text text --metrics exact_match gen.jsonl >lines
same_ 0.333333 "$(value exact_match)"
printf 'answer,text\n4,4\n서울,서울\n"동물, 이다",고양이\n' >both.csv
same_ 0.666667 "$(score -q --target answer --metrics exact_match both.csv | sed -n 's/^exact_match	//p')"
# any of several files may be right
printf '%s\n' 4 부산 개 >one.txt
printf '%s\n' 5 서울 '고양이는 동물이다.' >two.txt
score -q -r one.txt -r two.txt --metrics exact_match,bleu gen.jsonl >lines
same_ "1 nrefs:2" "$(value exact_match) $(value bleu_signature | cut -d '|' -f 1)"

# Korean: what rouge-score's words do not see is said, and other words see it
score -r one.txt --metrics rouge gen.jsonl 2>err >lines
grep -q 'sees nothing in the references of 2 of 3 texts' err
score -r two.txt --metrics rouge --rouge-tokens words gen.jsonl 2>err >lines
test ! -s err || fail_ "a warning without a reason: $(cat err)"
same_ 0.666667 "$(value rouge1)"

# lines for each row: the values, its number, the text
score -q -r ref.txt --metrics chrf,ter --tsv hyp.txt >rows
same_ "4 4 4 4" "$(awk -F '\t' '{ print NF }' rows | paste -s -d ' ')"
same_ "It costs \$5.00, he said." "$(sed -n 2p rows | cut -f 4)"
same_ 2 "$(sed -n 2p rows | cut -f 3)"

# intervals and comparisons do not depend on threads; a text beside itself does not differ
for j in 1 3; do
    score -q -j $j -r ref.txt --metrics all --ci --compare hyp.txt hyp.txt >lines.$j
done
compare_ lines.1 lines.3
same_ "0 1" "$(value delta_bleu lines.1) $(value p_bleu lines.1)"
awk -F '\t' '$1 == "bleu" { exit !(NF == 4 && $3 <= $2 && $2 <= $4) }' lines.1
score -q -r ref.txt --metrics bleu --ci --seed 1 hyp.txt | grep -q '^bleu_signature	nrefs:1|bs:1000|seed:1|case'
# the order of rows changes nothing
paste hyp.txt ref.txt | tac >turned
score -q -r <(cut -f 2 turned) <(cut -f 1 turned) >turned.lines
score -q -r ref.txt hyp.txt >lines
compare_ lines turned.lines

# gates, JSON
refuses_ 4 "bleu is" score -q -r ref.txt --fail-under bleu=99 -o gated hyp.txt
grep -q '^bleu	' gated
refuses_ 2 "no such measure: there are rows, bleu" score -q -r ref.txt --metrics bleu --fail-under acc=1 hyp.txt
score -q -r ref.txt --json --metrics ter hyp.txt | grep -q '^{"rows": 4, "ter": [0-9.]*, "ter_signature": "'

# what does not fit
head -n 3 ref.txt >short.txt
refuses_ 1 "short.txt ends before hyp.txt:4" score -q -r short.txt hyp.txt
refuses_ 1 "hyp.txt:4 goes on behind the 3 texts" score -q -r hyp.txt short.txt
refuses_ 1 "gen.jsonl:1: no field \`gold\` (there are: prompt, text, answer): choose one with --target" score -q --target gold gen.jsonl
refuses_ 1 "hyp.txt:1: a line of text has no field \`answer\`" score -q --target answer hyp.txt
printf '{"text":["a","b"],"r":"a"}\n' >two.jsonl
refuses_ 1 "two.jsonl:1: field \`text\` is a list of 2 texts: one is expected" score -q --target r two.jsonl
printf '{"text":"a","r":[]}\n' >none.jsonl
refuses_ 1 "field \`r\` is a list of 0 texts" score -q --target r none.jsonl
printf '{"text":"a","r":[["a"]]}\n' >nested.jsonl
refuses_ 1 "a text is expected, and there is a list" score -q --target r nested.jsonl
refuses_ 1 "there is no text" score -q -r /dev/null /dev/null
refuses_ 1 "nowhere" score -q -r nowhere hyp.txt
refuses_ 2 "\"bleurt\" is none of them" score -q -r ref.txt --metrics bleu,bleurt hyp.txt
refuses_ 2 "--html is about a model" score -q -r ref.txt --html page.html hyp.txt
test ! -e page.html || fail_ "a page of nothing"
