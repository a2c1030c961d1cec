#!/bin/bash
# Which records become rows, and what they count: weights, labels that are left out, pairs with one side missing, empty
# texts, rows that are all too long; and what becomes of them in training.
. "$(dirname "$0")/init.sh"

mkdir tokenizer
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' good bad day night 날 좋은 , . >tokenizer/vocab.txt
t() {
    tok -m tokenizer -q "$@"
}

# ---- a label that is left out, and counted, with its place among the rejects
cat >nli.tsv <<'END'
gold_label	sentence1	sentence2
neutral	good day	bad day
-	good night	bad night
entailment	day	night
-	좋은 날	good day
END
tok -m tokenizer --text sentence1 --pair sentence2 --label gold_label --drop-label - --rejects out.jsonl nli.tsv 2>err >some.lms
grep -q '2 records with the label `-` are left out' err
t --text sentence1 --pair sentence2 --label gold_label --drop-label - --json nli.tsv >json
same_ "0 2" "$(sed 's/.*"row":\([0-9]*\).*/\1/' json | paste -sd ' ')" # numbers stay those of the source
cat >want <<'END'
{"file":"nli.tsv","line":3,"why":"the label `-` is left out (--drop-label)","record":"-\tgood night\tbad night"}
{"file":"nli.tsv","line":5,"why":"the label `-` is left out (--drop-label)","record":"-\t좋은 날\tgood day"}
END
compare_ want out.jsonl
# numbers go on over several inputs
t --text sentence1 --pair sentence2 --label gold_label --drop-label - --json nli.tsv nli.tsv >json
same_ "0 2 4 6" "$(sed 's/.*"row":\([0-9]*\).*/\1/' json | paste -sd ' ')"

# a label that would be none at all may be the one that is left out
printf '{"text":"good","label":1}\n{"text":"bad","label":-1}\n' >ids.jsonl
refuses_ 1 'ids.jsonl:2: the label `-1` is no class number' t --label-type id ids.jsonl >/dev/null
same_ 1 "$(t --label-type id --drop-label -1 --json ids.jsonl | wc -l)"

# ---- weights
cat >weights.jsonl <<'END'
{"text":"good day","label":"a","w":2.5,"other":1}
{"text":"bad day","label":"b","w":"0.5","other":2}
{"text":"day","label":"b","w":0,"other":3}
END
t --weight w weights.jsonl >weights.lms
same_ "2.5 0.5 0" "$(t --weight w --json weights.jsonl | sed 's/.*"weight":\([0-9.]*\).*/\1/' | paste -sd ' ')"
lms --view weights.lms >view
grep -q '2.5' view
grep -q 'weight' view
! grep -q '"w"' view || fail_ "the weight is a field as well"
for bad in '"much"' -1 1e999 null '""'; do
    printf '{"text":"good","label":"a","w":1}\n{"text":"day","label":"a","w":%s}\n' "$bad" >bad.jsonl
    refuses_ 1 'bad.jsonl:2: the weight' t --weight w bad.jsonl >/dev/null
done
refuses_ 1 'no field `v`' t --weight v weights.jsonl >/dev/null
# a row of weight 0 teaches nothing: training is what it is without that row
awk 'NR < 3' weights.jsonl | t --weight w >two.lms
cat >config.json <<'END'
{"model_type":"bert","hidden_size":16,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":16,
 "max_position_embeddings":16,"hidden_dropout_prob":0,"attention_probs_dropout_prob":0}
END
t --no-special weights.jsonl >plain.lms
pretrain --config config.json --tokenizer tokenizer --max-steps 1 -q -o mini plain.lms
for rows in two weights; do
    finetune -m mini --no-shuffle -b 3 --max-steps 5 --learning-rate 1e-2 --warmup-ratio 0 --log $rows.log -q -o $rows $rows.lms
    sed -n 's/.*"loss":\([0-9.]*\).*/\1/p' $rows.log | awk '{ printf "%.5f\n", $1 }' >$rows.losses
done
compare_ two.losses weights.losses

# ---- pairs with one side missing: refused by name, or put aside
printf 'a,b,label\ngood,bad,x\nday,,x\n,night,y\n,,y\n' >pairs.csv
refuses_ 1 'pairs.csv:3: the second text of the pair is missing' t --text a --pair b --label label pairs.csv >/dev/null
t --text a --pair b --label label --rejects out.jsonl --json pairs.csv >json
same_ 1 "$(wc -l <json)"
same_ "3 second text 4 first text 5 first and" \
    "$(sed 's/.*"line":\([0-9]*\),"why":"[^ ]* the \([a-z]* [a-z]*\) .*/\1 \2/' out.jsonl | paste -sd ' ')"
printf '{"a":"good","b":"bad"}\n{"a":"day","b":null}\n' >pairs.jsonl
refuses_ 1 'pairs.jsonl:2: the second text of the pair is missing' t --text a --pair b pairs.jsonl >/dev/null
# where no pair was asked for, a record may have none
printf '{"text":"good","pair":"bad"}\n{"text":"day","pair":null}\n{"text":"night"}\n' >some.jsonl
same_ 3 "$(t --json some.jsonl | wc -l)"

# ---- empty texts are rows, and said
printf '{"text":"","label":"a"}\n{"text":"good","label":"a"}\n{"text":"","label":"b"}\n' >empty.jsonl
tok -m tokenizer empty.jsonl 2>err >empty.lms
grep -q '2 of 3 records have an empty text' err
finetune -m mini --max-steps 1 -q -o empty empty.lms
# even if there are no special tokens to be had
t --no-special empty.jsonl >bare.lms
finetune -m mini --max-steps 2 -q -o bare bare.lms
score -m bare -q bare.lms | grep -q '^rows	3$'

# ---- every row is too long
printf 'good day good day\nbad bad bad bad\n' >long.txt
tok -m tokenizer --max-length 4 long.txt 2>err >/dev/null
grep -q 'all 2 rows are longer than --max-length 4, and were cut' err
tok -m tokenizer --max-length 4 --stride 1 long.txt 2>err >/dev/null
! grep -q 'were cut' err || fail_ "--stride cuts nothing away"

# ---- CRLF, a byte order mark and quoted fields over lines are one text, whatever wrote them
printf '\357\273\277label,text\r\nx,"good\r\nday, ""bad"""\r\ny,night\r\n' >windows.csv
printf 'label,text\nx,"good\nday, ""bad"""\ny,night\n' >unix.csv
t --text text --label label --json windows.csv >a
t --text text --label label --json unix.csv >b
compare_ a b
same_ 2 "$(wc -l <a)"
t --text text --label label windows.csv | finetune -m mini --max-steps 1 -q -o windows
grep -q '"0": "x"' windows/config.json
grep -q '"1": "y"' windows/config.json

# ---- labels that are not among --labels are rejects as well
printf '{"text":["good","day"],"label":["O","B"]}\n{"text":["bad"],"label":["X"]}\n' >tags.jsonl
refuses_ 1 'tags.jsonl:2: the label `X` is not among --labels' t --labels O,B tags.jsonl >/dev/null
t --labels O,B --rejects out.jsonl --json tags.jsonl >json
same_ 1 "$(wc -l <json)"
grep -q '"line":2,"why":"the label `X` is not among --labels"' out.jsonl

# ---- one class only, and none
printf '{"text":"good","label":"a"}\n{"text":"bad","label":"a"}\n' | t >one.lms
refuses_ 1 'one class only: a' finetune -m mini -q -o no one.lms
finetune -m mini --labels a,b --max-steps 1 -o one one.lms 2>err
grep -q '1 of the 2 classes of --labels have nothing to learn from in the rows: b$' err
printf '{"text":"good","label":"-"}\n' | t --drop-label - >none.lms
refuses_ 1 'no rows' finetune -m mini -q -o no none.lms

# ---- and so are pairs that cannot be cut as asked
printf 'good\tbad\nday\tbad bad bad bad bad\nnight\tday\n' >long.tsv
cut_() {
    t --header no --text 1 --pair 2 --truncation only_first --max-length 8 "$@" long.tsv
}
refuses_ 1 'long.tsv:2: ' cut_ >/dev/null
cut_ --rejects out.jsonl --json >json
same_ 2 "$(wc -l <json)"
grep -q '^{"file":"long.tsv","line":2,"why":".*day.*bad bad bad' out.jsonl
