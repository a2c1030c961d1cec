#!/bin/bash
# augment: passages that stood before, and records that share words with a test set: the same answer whatever memory, threads and files.
. "$(dirname "$0")/init.sh"

# ---- what is left, in each form; what is dropped is told
cat >pages.jsonl <<'EOF'
{"id": 1, "text": "Home | News | Contact\nThe cat sat on the mat all day long.\n\nSubscribe to our newsletter today!", "n": 1.50}
{"id": 2, "text": "home | news | contact\r\nA dog barked.\nsubscribe to our newsletter, today"}
{"id": 3, "text": "Subscribe to our newsletter today!\nHome | News | Contact"}
{"id": 4, "text": "첫 화면으로\n비가 왔다."}
{"id": 5, "text": "첫 화면으로\n눈이 왔다."}
EOF
augment --dedup-lines --rejects dropped pages.jsonl >got 2>said
cat >want <<'EOF'
{"id": 1, "text": "Home | News | Contact\nThe cat sat on the mat all day long.\n\nSubscribe to our newsletter today!", "n": 1.50}
{"id": 2, "text": "A dog barked."}
{"id": 4, "text": "첫 화면으로\n비가 왔다."}
{"id": 5, "text": "눈이 왔다."}
EOF
compare_ want got
same_ 3 "$(grep -o '"line":[0-9]*' dropped | cut -d: -f2 | paste -sd' ')"
grep -q 'dedup-lines: all of it stood before' dropped || fail_ "$(cat dropped)"
grep -q 'in 3 of 5 records; nothing is left of 1' said || fail_ "said: $(cat said)"

printf 'id,text\n1,"One, two. Three four. Five six. Seven."\n2,"Eight. One, two. Three four. Five six. Nine."\n' >spans.csv
augment -q --dedup-sentences spans.csv >got
printf 'id,text\n1,"One, two. Three four. Five six. Seven."\n2,"Eight. Nine."\n' >want
compare_ want got
augment -q --dedup-sentences --sentences 4 spans.csv >got
compare_ spans.csv got

printf '%s\n' 'All rights reserved by the Daily Post, 2024.' 'Rain. All rights reserved by the Daily Post, 2025.' \
    '무단 전재와 재배포를 금지합니다.' '비가 옵니다. 무단 전재와 재배포를 금지합니다!' >lines.txt
augment -q --dedup-substring 30 lines.txt >got
printf '%s\n' 'All rights reserved by the Daily Post, 2024.' 'Rain. 5.' '무단 전재와 재배포를 금지합니다.' '비가 옵니다. !' >want
compare_ want got

# ---- operations one after the other: the second sees what the first left
augment -q --dedup-lines --dedup pages.jsonl >one
augment -q --dedup-lines pages.jsonl | augment -q --dedup >two
compare_ two one

# ---- the same whatever the memory, the threads and the files; awk knows which lines stood before
awk 'BEGIN {
    srand(5)
    for (i = 0; i < 60000; i++) {
        n = int(1e5 * rand())
        printf "line %d of many with its number %d\n", n, n
    }
}' >many.txt
awk '!was[$0]++' many.txt >want
for run in "-j1 --memory 16M" "-j2 --memory 16M" "-j3 --memory 1G"; do
    augment -q --dedup-lines $run many.txt >got
    compare_ want got
    augment -q --dedup-substring 40 $run many.txt | md5sum
done >sums
test "$(sort -u sums | wc -l)" = 1 || fail_ "substrings depend on memory or threads"
split -n l/5 many.txt part.
augment -q -j2 --dedup-substring 40 part.* | md5sum >>sums
test "$(sort -u sums | wc -l)" = 1 || fail_ "substrings depend on files"

# ---- a test set in any form; the record that shares words with it goes, with the row that it shares them with
printf 'label,text\n1,"The quick brown fox jumps over the lazy dog, while the cat sleeps on the mat."\n2,"너무 재미있는 영화"\n' >test.csv
printf '%s\n' 'He wrote: the quick BROWN fox jumps over the lazy dog while the cat sleeps.' 'the quick brown fox jumps over the lazy dog' \
    '너무 재미있는 영화!' '너무 재미있는 영화 추천' >train.txt
for form in csv jsonl lms; do
    case $form in
    csv) cp test.csv set.csv ;;
    jsonl) printf '%s\n' '{"text":"The quick brown fox jumps over the lazy dog, while the cat sleeps on the mat."}' '{"text":"너무 재미있는 영화"}' >set.jsonl ;;
    lms) augment -q --framed test.csv >set.lms ;;
    esac
    augment -q --decontaminate set.$form --rejects dropped train.txt >got
    sed -n '2p;4p' train.txt >want
    compare_ want got
done
augment -q --decontaminate test.csv --rejects dropped train.txt >got
grep -q '13 words in a row stand in test.csv:2' dropped || fail_ "$(cat dropped)"
grep -q '3 words in a row stand in test.csv:3' dropped || fail_ "$(cat dropped)"
augment -q --decontaminate test.csv --decontaminate-ngram 9 train.txt >got
sed -n 4p train.txt >want
compare_ want got
# no state: parts are what the whole is
head -n 2 train.txt | augment -q --decontaminate test.csv >got
tail -n 2 train.txt | augment -q --offset 2 --decontaminate test.csv >>got
sed -n '2p;4p' train.txt >want
compare_ want got

# ---- what cannot be
refuses_ 2 'how many bytes are a repeat' augment --dedup-substring 5 train.txt
refuses_ 1 'nowhere.csv' augment --decontaminate nowhere.csv train.txt
printf '{"text":' >bad.jsonl
refuses_ 1 'bad.jsonl:1' augment --decontaminate bad.jsonl train.txt
printf '{"text":"?!"}\n' >empty.jsonl
refuses_ 1 'no words in it' augment --decontaminate empty.jsonl train.txt
printf '' | augment -q --dedup-lines --dedup-substring 100 --dedup-sentences >got
compare_ /dev/null got
