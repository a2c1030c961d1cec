#!/bin/bash
# Korean from text to measures: names in sentences whose words carry particles, and answers to questions, compared as KorQuAD
# does. A vocabulary of its own, a small body, two heads on it.
. "$(dirname "$0")/init.sh"

people="철수 영희 민수 지영 현우 수진 동현 은지"
places="서울 부산 대구 광주 제주 인천 수원 강릉"
things="책 우산 사과 모자 가방 신발 시계 연필"
sentences() { # ROWS SEED: who, where and what, with tabs between
    awk -v rows="$1" -v seed="$2" -v a="$people" -v b="$places" -v c="$things" 'BEGIN {
        srand(seed); n = split(a, who, " "); split(b, where, " "); split(c, what, " ")
        for (i = 0; i < rows; i++)
            print who[1 + int(rand() * n)] "\t" where[1 + int(rand() * n)] "\t" what[1 + int(rand() * n)]
    }'
}
sentences 500 1 >train.tsv
sentences 100 2 >test.tsv
awk -F '\t' '{ print $1 "는 " $2 "에서 " $3 "을 샀다. 어디에서? 누가? 무엇을?" }' train.tsv >corpus.txt
tok -q --train wordpiece --strip-accents no --vocab-size 83 -o vocabulary corpus.txt # syllables, so that particles come off
! grep -q $'\u1109' vocabulary/* || fail_ "syllables have become jamo"
echo '철수는 서울에서 책을 샀다.' | tok -q -m vocabulary --pieces >pieces
! grep -q UNK pieces || fail_ "$(cat pieces)"
tok -q -m vocabulary corpus.txt | pretrain -q -a bert --layers 2 --width 48 --heads 2 --max-length 48 -b 32 -e 3 \
    --learning-rate 2e-3 --tokenizer vocabulary -o body

# ---- names: a word a line, the tag of the word with its particle, as KLUE has them by word
conll() {
    awk -F '\t' '{ print $1 "는 B-PS"; print $2 "에서 B-LC"; print $3 "을 O"; print "샀다 O"; print ". O"; print "" }' "$1"
}
tags=O,B-PS,I-PS,B-LC,I-LC
for part in train test; do
    conll $part.tsv | tok -q -m body --input-format conll --labels $tags --keep-text >$part-names.lms
done
finetune -q -m body --task tag -b 32 -e 3 --learning-rate 3e-3 --eval test-names.lms -o names train-names.lms
score -q -m names --per-class --fail-under f1=0.95 test-names.lms >report
grep -q '^f1\[LC\]	' report
same_ 100 "$(sed -n 's/^support\[PS\]	//p' report)"
conll test.tsv | sed -n 1,6p | tok -q -m names --input-format conll --labels $tags >one.lms
same_ 'B-PS B-LC O O O' "$(score -q -m names --tsv one.lms | cut -f 1)"

# ---- answers: the word without its particle; a document as KorQuAD has it
korquad() {
    awk -F '\t' '{
        split("누가 어디에서 무엇을", q, " "); text = $1 "는 " $2 "에서 " $3 "을 샀다."
        split("0 4 9", place, " ") # persons and places have two characters
        printf "%s{\"context\":\"%s\",\"qas\":[", (NR > 1 ? "," : "{\"version\":\"KorQuAD_v1.0\",\"data\":[{\"title\":\"t\",\"paragraphs\":["), text
        for (k = 1; k <= 3; k++)
            printf "%s{\"id\":\"%d-%d\",\"question\":\"%s?\",\"answers\":[{\"text\":\"%s\",\"answer_start\":%d}]}", (k > 1 ? "," : ""), NR, k, q[k], $k, place[k]
        print "]}"
    } END { print "]}]}" }' "$1"
}
for part in train test; do
    korquad $part.tsv >$part.json
    tok -q -m body $part.json >$part-answers.lms
done
same_ "1500 300" "$(for part in train test; do lms --count $part-answers.lms | sed -n 's/^examples	//p'; done | xargs)"
finetune -q -m body --task answer -b 32 -e 4 --dropout 0 --learning-rate 2e-3 -o answers train-answers.lms
score -q -m answers test-answers.lms >words
score -q -m answers --answers korquad --fail-under exact_match=0.9 test-answers.lms >characters
grep -q '|answers:squad|' words
grep -q '|answers:korquad|' characters
# half a model names words with their particles: no word in common, but characters
finetune -q -m body --task answer -b 32 --max-steps 12 --learning-rate 3e-3 -o half train-answers.lms
score -q -m half test-answers.lms >words
score -q -m half --answers korquad test-answers.lms >characters
awk -F '\t' '$1 == "f1" { f1[FILENAME] = $2 } END { exit !(f1["characters"] > f1["words"] && f1["words"] < 1) }' words characters ||
    fail_ "F1 over words $(grep ^f1 words), over characters $(grep ^f1 characters)"
# what is said is what stands in the text
score -q -m answers --tsv test-answers.lms | sed -n 1,3p | cut -f 1 | paste -s >said
same_ "$(head -n 1 test.tsv)" "$(cat said)"
score -q -m answers --compare half --answers korquad test-answers.lms >compared
awk -F '\t' '$1 == "delta_f1" { delta = $2 } END { exit !(delta > 0) }' compared || fail_ "$(cat compared)"
