#!/bin/bash
# augment --mlm: words by a masked language model, which learns here what stands in which place, in English and in Korean.
. "$(dirname "$0")/init.sh"

lines() { # ROWS SEED
    awk -v rows="$1" -v seed="$2" 'BEGIN {
        srand(seed)
        n = split("cat dog bird horse mouse cow", animals, " "); m = split("table chair floor roof street hill", places, " ")
        k = split("고양이 강아지 말 곰 닭 토끼", korean, " "); l = split("의자 책상 지붕 길 언덕 마당", where, " ")
        split("0 0 1 1 1 0", animal_final, " ")
        for (i = 0; i < rows; i++) {
            a = 1 + int(rand() * k)
            if (i % 2) print "the " animals[1 + int(rand() * n)] " sits on a " places[1 + int(rand() * m)] " ."
            else print korean[a] (animal_final[a] ? "이 " : "가 ") where[1 + int(rand() * l)] "에 앉는다 ."
        }
    }'
}
lines 3000 1 >corpus.txt
lines 40 2 >in.txt
tok -q --train wordpiece --strip-accents no --vocab-size 100 -o vocabulary corpus.txt
tok -q -m vocabulary corpus.txt | pretrain -q -a bert --layers 2 --width 48 --heads 2 --max-length 32 -b 32 -e 6 \
    --learning-rate 2e-3 --mlm-probability 0.25 --tokenizer vocabulary -o model

# ---- the words are of the kind that stands there, and other ones
augment -q --mlm model --mask-share 0.3 --top-k 4 in.txt >out.txt
same_ 40 "$(wc -l <out.txt)"
animals='(cat|dog|bird|horse|mouse|cow)' places='(table|chair|floor|roof|street|hill)'
good=$(grep -cE "^[a-z]+ $animals [a-z]+ [a-z]+ [a-z]+ $places [.]\$" out.txt)
test "$good" -ge 18 || fail_ "$good of 20 English lines: $(cat out.txt)"
paste -d '|' in.txt out.txt | awk -F '|' '$1 != $2 { n++ } END { exit n < 40 }' || fail_ "lines that have not changed"
# particles stay, in the form that goes with the word
! grep -E '(고양이|강아지|토끼)이 |(말|곰|닭)가 ' out.txt || fail_ "particles that do not go with their words"
good=$(grep -cE '^(고양이가|강아지가|말이|곰이|닭이|토끼가) ' out.txt)
test "$good" -ge 14 || fail_ "$good of 20 Korean lines: $(cat out.txt)"

# ---- copies, the same ones with any threads and in parts
augment -q --mlm model -n 3 -j 1 in.txt >one.txt
same_ 160 "$(wc -l <one.txt)"
augment -q --mlm model -n 3 -j 3 in.txt | compare_ one.txt -
head -n 15 in.txt | augment -q --mlm model -n 3 >parts.txt
tail -n 25 in.txt | augment -q --mlm model -n 3 --offset 15 >>parts.txt
compare_ one.txt parts.txt
augment -q --mlm model -n 3 --seed 7 in.txt >other.txt
! cmp -s one.txt other.txt || fail_ "the seed changes nothing"
echo '{"text":"The CAT sits on a Hill .","label":"cat"}' | augment -q --mlm model --mask-share 1 --provenance >one.json
grep -qE '"text":"[A-Z][a-z]+ [A-Z]+ [a-z]+ [a-z]+ [a-z]+ [A-Z][a-z]+ \."' one.json || fail_ "$(cat one.json)"
grep -q '"label":"cat"' one.json
grep -q '"aug":\[{"op":"mlm","share":1,"top_k":10,"seed":42}\]' one.json || fail_ "$(cat one.json)"
echo cat >words
augment -q --mlm model --mask-share 1 --protect words in.txt >out.txt
same_ "$(grep -c ' cat ' in.txt)" "$(paste -d ' ' <(cut -d ' ' -f 2 in.txt) <(cut -d ' ' -f 2 out.txt) | grep -c '^cat cat$')"

# ---- what is no such model
refuses_ 1 '--mlm: ' augment --mlm vocabulary in.txt
refuses_ 2 '--mlm: give a masked language model' augment --mlm '' in.txt
