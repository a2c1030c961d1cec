#!/bin/bash
# augment: records go out in the form they came in, and what happens to them depends on them and the seed alone.
. "$(dirname "$0")/init.sh"

# ---- nothing to do: the very bytes
printf 'id,text,label\r\n1,"one, ""two""\r\nthree",x\r\n2,넷,y\r\n3,  five ,"z"\r\n' >some.csv
printf 'id\ttext\n1\tone\n2\ttwo\n' >some.tsv
printf '{"id" : 1, "text":"caf\\u00e9", "n":[1,  2]}\n\n{"text":"x","id":2.0}\n' >some.jsonl
printf 'first\n\n\nsecond line\n  third\nlast without an end' >some.txt
for file in some.csv some.tsv some.jsonl some.txt; do
    augment -q "$file" >out
    compare_ "$file" out
    augment -q <"$file" >out --input-format "${file#*.}" 2>err || augment -q --input-format text <"$file" >out
    compare_ "$file" out
    gzip -c "$file" >"$file.gz"
    augment -q -j3 "$file.gz" >out
    compare_ "$file" out
done
augment -q -o out.csv some.csv
compare_ some.csv out.csv
augment -q </dev/null >out
test ! -s out || fail_ "something comes of nothing"

# ---- streams: the end is checked, and there is one; tok reads what augment writes
lms --framed -q some.csv >some.lms
augment -q some.lms | lms --check -q
same_ "$(lms --plain some.lms)" "$(augment -q some.lms | lms --plain)"
same_ "$(lms --plain some.lms)" "$(augment -q --framed some.csv | lms --plain)"
augment some.lms -q | lms --head 0 | grep -a '"via"' | grep -q '"augment some.lms"' || fail_ "via lacks augment"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' one two five >vocab.txt
mkdir bert && mv vocab.txt bert
same_ "$(tok -q -m bert --ids some.csv)" "$(augment -q some.csv | tok -q -m bert --ids --input-format csv)"

# ---- many records: drawn by number, whatever the threads, the batches, and the parts the input came in
awk 'BEGIN { print "n,text"; for (i = 0; i < 60000; i++) printf "%d,\"record %d, of 많은\"\n", i, i }' >many.csv
augment -q --sample 30% --rejects rejects.jsonl many.csv >want
kept=$(($(wc -l <want) - 1))
test "$kept" -gt 17400 || fail_ "$kept of 60000 are no 30%"
test "$kept" -lt 18600 || fail_ "$kept of 60000 are no 30%"
same_ 60000 $((kept + $(wc -l <rejects.jsonl)))
sed -n 's/.*"line":\([0-9]*\),.*/\1/p' rejects.jsonl | sort -nc || fail_ "--rejects is not in the order of the input"
grep -q '"why":"sample: was not drawn","record":"[0-9]*,\\"record ' rejects.jsonl || fail_ "$(head -n 1 rejects.jsonl)"
for j in 1 2 5; do
    augment -q -j$j --sample 30% --rejects again.jsonl <many.csv >out
    compare_ want out
    sed 's/"file":"standard input"/"file":"many.csv"/' again.jsonl | cmp -s - rejects.jsonl || fail_ "-j$j rejects others"
done
augment -q -j2 --memory 16M --sample 30% many.csv >out
compare_ want out
! augment -q --sample 30% --seed 7 many.csv | cmp -s - want || fail_ "another seed draws the same"
head -n 20001 many.csv >first.csv
(head -n 1 many.csv && tail -n +20002 many.csv) >second.csv
(augment -q --sample 30% first.csv && augment -q --sample 30% --offset 20000 second.csv | tail -n +2) >out
compare_ want out
augment -q --sample 30% first.csv second.csv >out
compare_ want out

# ---- copies stand behind their record, whatever the threads, the memory and the parts of the input
head -n 3001 many.csv >few.csv
head -n 1001 few.csv >first.csv
(head -n 1 few.csv && tail -n +1002 few.csv) >second.csv
augment -q --typo 0.2 -n 3 few.csv >want
same_ 12001 "$(wc -l <want)"
same_ "$(cat few.csv)" "$(head -n 1 want; tail -n +2 want | awk 'NR % 4 == 1')"
for j in 1 3; do
    augment -q -j$j --memory 16M --typo 0.2 -n 3 few.csv >out
    compare_ want out
done
(augment -q --typo 0.2 -n 3 first.csv && augment -q --typo 0.2 -n 3 --offset 1000 second.csv | tail -n +2) >out
compare_ want out
augment -q --typo 0.2 -n 3 --exclude-original few.csv >out
same_ "$(tail -n +2 want | awk 'NR % 4 != 1')" "$(tail -n +2 out)"
augment -q -j1 --clean --typo 0.2 -n 3 --near-dedup --ngram 3 --ngram-of characters --typo 0.1 few.csv >want # in two stages
augment -q -j3 --memory 16M --clean --typo 0.2 -n 3 --near-dedup --ngram 3 --ngram-of characters --typo 0.1 few.csv >out
compare_ want out

# ---- what was done is said, unless nobody wants to know
augment --header yes --sample 30% many.csv 2>err >out
printf 'augment: sample: %d of 60000 records dropped\naugment: 60000 records in, %d out\n' $((60000 - kept)) "$kept" >want-err
compare_ want-err err
augment -q --sample 30% many.csv 2>err >out
test ! -s err || fail_ "-q says: $(cat err)"
augment --plan --sample 30% --sample 10% many.csv >out
grep -q $'^stage 1\t--sample 30%$' out || fail_ "$(cat out)"

# ---- usage
refuses_ 2 "none of the operations draws lots" augment -n 3 some.csv
refuses_ 2 "--exclude-original: there are no copies" augment --exclude-original some.csv
refuses_ 2 "'lots' is no share of the records" augment --sample lots some.csv
refuses_ 2 "option --sample needs a value" augment --sample
