#!/bin/bash
# augment: records whose text was there before, exactly and nearly: the same answer whatever memory, threads and files.
. "$(dirname "$0")/init.sh"

# ---- the first of several stays, with its columns as they are; what was dropped is told with the rule and where it stood
cat >texts.jsonl <<'END'
{"text": "The cat sat on the mat.", "label": "a", "n": 1}
{"text": "안녕하세요, 세계", "n": 2.50}
{"text": "the  cat sat on THE mat.", "label": "b"}
{"text": "안녕하세요, 세계", "more": [1, {"x": null}]}
{"text": "the cat sat on the mat"}
END
sed -n '1p;2p;5p' texts.jsonl >want
augment --dedup --rejects dropped texts.jsonl >got 2>said
compare_ want got
grep -q 'dedup: 2 of 5 records are duplicates, 1 of them with another label' said || fail_ "said: $(cat said)"
same_ '3 4' "$(grep -o '"line":[0-9]*' dropped | cut -d: -f2 | paste -sd' ')"
grep -q 'duplicate of record 0, which has another label' dropped || fail_ "$(cat dropped)"
grep -q 'duplicate of record 1"' dropped || fail_ "$(cat dropped)"
sed -n '1,2p' texts.jsonl >want
augment -q --dedup case,space,punctuation texts.jsonl >got
compare_ want got
augment -q --dedup=none texts.jsonl >got
sed 4d texts.jsonl >want
compare_ want got

# ---- csv: all columns of the text together; jamo and syllables are one text
printf '"3","한글 텍스트","둘"\r\n"3","한글","텍스트 둘"\r\n"1","한글 텍스트","둘"\r\n' >news.csv
augment -q --dedup news.csv >got
head -n 2 news.csv >want
compare_ want got

# ---- bytes compared, of more texts than memory holds, as awk finds them; whatever the threads and the files
awk 'BEGIN { for (i = 0; i < 480000; i++) print "line", i * 7919 % 450001 }' >many.txt
awk '!was[$0]++' many.txt >want
for run in "-j1 --memory 16M" "-j2 --memory 16M" "-j3 --memory 1G"; do
    augment --dedup=none $run many.txt >got 2>said
    compare_ want got
    case $run in *16M) grep -q 'on disk' said || fail_ "$run: said: $(cat said)" ;; esac
done
split -n l/5 many.txt part.
augment -q -j2 --memory 16M --dedup=none part.* >got
compare_ want got

# ---- near duplicates: templates that differ in a few words, the same ones whatever the memory, the threads and the files
awk 'BEGIN {
    srand(3)
    for (i = 0; i < 3000; i++) {
        line = ""
        srand(int(i / 3))
        for (k = 0; k < 60; k++) line = line " w" sprintf("%c%c", 97 + int(26 * rand()), 97 + int(26 * rand()))
        if (i % 3) sub(" w..", i % 3 == 1 ? " other" : " another", line)
        print substr(line, 2) (i % 3 == 2 ? "!" : "")
    }
}' >near.txt
awk 'NR % 3 == 1' near.txt >want
for run in "-j1 --memory 16M" "-j2 --memory 16M" "-j3 --memory 1G"; do
    augment --near-dedup --buckets 200 $run near.txt >got 2>said
    compare_ want got
    grep -q 'near-dedup: 2000 of 3000 records are near duplicates, in 1000 clusters' said || fail_ "said: $(cat said)"
    case $run in *16M) grep -q 'on disk' said || fail_ "$run: said: $(cat said)" ;; esac
done
split -n l/4 near.txt near.
augment -q --near-dedup --memory 16M near.a? >got
compare_ want got
augment -q --near-dedup=0.8 near.txt >got
compare_ want got
augment -q --near-dedup=0.99 near.txt >got
compare_ near.txt got
augment -q --near-dedup near.txt --rejects dropped >/dev/null
same_ 2000 "$(grep -c 'near duplicate of record' dropped)"

# ---- in the order of the command line: what was dropped before is not compared
printf 'aa bb cc dd ee ff\nAA bb cc dd ee ff\naa, bb cc dd ee ff\n' >few.txt
augment --dedup --near-dedup few.txt 2>said >got
same_ 'aa bb cc dd ee ff' "$(cat got)"
grep -q 'near-dedup: 1 of 2 records' said || fail_ "said: $(cat said)"

# ---- what cannot be
refuses_ 2 "--dedup: 'cases' is nothing that can be ignored" augment --dedup=cases few.txt
refuses_ 2 '--near-dedup: 2 is no Jaccard similarity' augment --near-dedup=2 few.txt
refuses_ 2 '--ngram' augment --near-dedup --ngram 0 few.txt
refuses_ 1 'give a smaller --offset' augment -q --dedup --offset 2000000000000 few.txt
refuses_ 1 '/nowhere/at/all' env TMPDIR=/nowhere/at/all augment -q --dedup=none --memory 16M many.txt >got
augment --near-dedup=0.3 few.txt 2>said >/dev/null
grep -q 'fewer --hashes find more' said || fail_ "said: $(cat said)"

# ---- real texts
if test -n "$data"; then
    needs_data_ data/nsmc/ratings_train.rebuilt.txt data/agnews/train_subset.csv
    cut -f2 "$data/data/nsmc/ratings_train.rebuilt.txt" | grep . >reviews.txt
    awk '!was[$0]++' reviews.txt >want
    augment --dedup=none --input-format text reviews.txt >got 2>said
    compare_ want got
    augment -j2 --near-dedup "$data/data/agnews/train_subset.csv" >one
    augment -j1 --memory 16M --near-dedup "$data/data/agnews/train_subset.csv" >two
    compare_ one two
fi
