#!/bin/bash
# tok: text in every form to tokens, the columns it adds, and the same bytes whatever the threads and the split.
. "$(dirname "$0")/init.sh"

mkdir bert
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the un '##aff' '##able' cat sat on mat dog '##s' , . ! 中 caf '##e' \
    >bert/vocab.txt
printf '{"do_lower_case": true, "model_max_length": 16}\n' >bert/tokenizer_config.json

# ---- plain lines, and how a word is cut
printf 'The unaffable cats.\n\ncafé 中, dog!\n' >plain.txt
cat >want <<'END'
[CLS] the un ##aff ##able cat ##s . [SEP]
[CLS] caf ##e 中 , dog ! [SEP]
END
tok -m bert --pieces plain.txt >got
compare_ want got
tok -m bert/vocab.txt --pieces <plain.txt >got
compare_ want got
tok --tokenizer bert --no-special --ids plain.txt >got
printf '5 6 7 8 9 14 16\n19 20 18 15 13 17\n' >want
compare_ want got

# ---- spans are of the source's bytes, words are numbered
tok -m bert --json --offsets --word-ids plain.txt | sed -n 2p >got
echo '{"row":1,"ids":[2,19,20,18,15,13,17,3],"tokens":["[CLS]","caf","##e","中",",","dog","!","[SEP]"],"word_ids":[-1,0,0,1,2,3,4,-1],"offsets":[[0,0],[0,3],[3,5],[6,9],[9,10],[11,14],[14,15],[0,0]]}' >want
compare_ want got

# ---- tokens that were added beside a vocab.txt, in the two ways of transformers
cp -r bert added
echo '{"<new>": 21, "Dog": 22}' >added/added_tokens.json
echo '{"additional_special_tokens": ["<new>"], "model_max_length": 16}' >added/tokenizer_config.json
same_ '2 21 22 12 3' "$(echo '<new>dog mat' | tok -m added --ids)"
same_ 'Dog mat' "$(echo '<new> DOG mat' | tok -m added | tok -d -m added)"
rm added/added_tokens.json
echo '{"added_tokens_decoder": {"21": {"content": "<new>", "special": true}}}' >added/tokenizer_config.json
same_ '2 21 12 3' "$(echo '<new> mat' | tok -m added --ids)"

# ---- a csv without header as AG News has it, one with, a tsv, JSON Lines with a pair: the same rows
printf '"3","The cat","sat on the ""mat"""\n"1","dog","the\nmat"\n' >news.csv
printf 'kind,title,body\n3,The cat,"sat on the ""mat"""\n1,dog,"the\nmat"\n' >header.csv
printf '{"kind":3,"title":"The cat","body":"sat on the \\"mat\\""}\n{"kind":1,"title":"dog","body":"the\\nmat"}\n' >news.jsonl
tok -q -m bert --ids news.csv >want
tok -q -m bert --ids --header yes --text title,body --label kind header.csv >got
compare_ want got
tok -q -m bert --ids --text title,body --label kind news.jsonl >got
compare_ want got
gzip -k news.jsonl
tok -q -m bert --ids --text .title,.body --label kind news.jsonl.gz >got
compare_ want got
# a table that is called .txt is one where its fields are asked for, and lines of text else
printf 'kind\ttitle\n3\tThe cat\n1\tdog\n' >table.txt
test "$(tok -m bert --ids --text title --label kind table.txt 2>err)" = "$(printf 'The cat\ndog\n' | tok -q -m bert --ids)" || fail_ "$(cat err)"
grep -q 'read as tsv' err
test "$(tok -q -m bert --ids table.txt | wc -l)" = 3 || fail_ "lines of text with tabs are a table"
tok -q -m bert news.csv | grep -aq '"labels":\["3","1"\]' || fail_ "labels are not passed as words"
tok -q -m bert --label-type id news.csv | grep -aq '"label":{"dtype":"I32","shape":\[2\]' || fail_ "no class ids"
tok -q -m bert --label-type float news.csv | grep -aq '"label":{"dtype":"F32","shape":\[2\]' || fail_ "no numbers"

printf '{"text":"the cat","pair":"dog sat on the mat","id":"x7","label":"yes","source":"web"}\n' >pair.jsonl
tok -m bert --max-length 8 --pieces pair.jsonl >got
echo '[CLS] the cat [SEP] dog sat on [SEP]' >want
compare_ want got
tok -m bert --max-length 8 --truncation only_second --truncation-side left --pieces pair.jsonl >got
echo '[CLS] the cat [SEP] on the mat [SEP]' >want
compare_ want got
tok -m bert --keep-text --offsets --word-ids --documents pair.jsonl >pair.lms
for member in '"id":\["x7"\]' '"labels":\["yes"\]' '"fields":{"source":\["web"\]}' '"types"' '"offsets"' '"word_ids"' \
    '"text.splits"' '"pair.splits"' '"doc"' '"row"' '"truncated"' '"n":1' '"vocab_size":21' '"mask_id":4' \
    '"max_length":16' '"via":\["tok'; do
    grep -aq -e "$member" pair.lms || fail_ "the stream lacks $member"
done
tok -m bert --no-fields pair.jsonl | grep -aq '"fields"' && fail_ "--no-fields passes fields"
refuses_ 1 "pair.jsonl:1: truncation only_first" tok -m bert --max-length 8 --truncation only_first --ids pair.jsonl
refuses_ 2 "template alone has 3" tok -m bert --max-length 2 --ids pair.jsonl

# ---- the tokenizer's own limit, and none
awk 'BEGIN { for (i = 0; i < 8; i++) printf "the cat sat on the mat " }' >long.txt
same_ 16 "$(tok -m bert --ids long.txt | wc -w)"
same_ 50 "$(tok -m bert --ids --max-length 0 long.txt | wc -w)"
tok -m bert --stats long.txt >got
grep -qx 'tokens	50' got || fail_ "--stats counts otherwise"
grep -qx 'unknown_rate	0.000000' got || fail_ "--stats finds unknown words"

# ---- kind text in: the writers before us stay in `via`
tok -q -m bert news.csv >a.lms
printf '%-127s\n' '{"lms":1,"kind":"text","via":["augment --typos"]}' '{"text":"the cat"}' |
    tok -q -m bert >b.lms 2>err && fail_ "a text stream without its end passes"
grep -aq '"via":\["augment --typos","tok -m bert"\]' b.lms || fail_ "those before us are not in via"
grep -aq '"abort":' b.lms || fail_ "the stream that ended early is not aborted"
tok -q -m bert -o c.lms news.csv
cmp <(tail -c +1025 a.lms) <(tail -c +1025 c.lms) || fail_ "-o writes another stream"

# ---- and back
tok -d a.lms >got
printf 'the cat sat on the [UNK] mat [UNK]\ndog the mat\n' >want
tok -d --keep-special -m bert a.lms >got
printf '[CLS] the cat sat on the [UNK] mat [UNK] [SEP]\n[CLS] dog the mat [SEP]\n' >want
compare_ want got
tok -m bert --ids plain.txt | tok -d -m bert >got
printf 'the unaffable cats.\ncafe 中, dog!\n' >want
compare_ want got
tok -m bert plain.txt | tok -d --json >got
printf '{"text":"the unaffable cats."}\n{"text":"cafe 中, dog!"}\n' >want
compare_ want got
cp -r bert other; echo extra >>other/vocab.txt
refuses_ 1 "not the one that the tokens were made with" tok -d -m other a.lms
tok -d --force -m other a.lms >/dev/null
refuses_ 2 "which tokenizer" tok -d plain.txt

# ---- the same bytes for any number of threads, and for any split
awk 'BEGIN { for (i = 0; i < 20000; i++) { n = i * 7919 % 23; s = ""; for (k = 0; k <= n; k++) s = s " " \
    substr("the cat unaffables mat! 中中 café x", (i * 31 + k * 17) % 30 + 1, 4); print s } }' | iconv -c -t utf-8 | grep '[a-z]' >many.txt
for form in --ids --json --no-fields; do
    OMP_NUM_THREADS=1 tok -q -m bert $form many.txt >one
    for threads in 2 3 7; do
        OMP_NUM_THREADS=$threads tok -q -m bert $form many.txt >some
        cmp one some || fail_ "$form differs with $threads threads"
    done
done
tok -q -j 1 -m bert many.txt >one
tok -j2 --threads=2 -qm bert many.txt >some
lms --head 1 some | grep -a -q '"via":\["tok -qm bert many.txt"' || fail_ "-j stands in via"
tok --progress never -v -m bert many.txt 2>err >some
cmp one some || fail_ "the stream tells -j, -q and -v apart"
head -n 7777 many.txt >first.txt
tail -n +7778 many.txt >second.txt
tok -q -m bert --json many.txt >want
{ tok -q -m bert --json first.txt; tok -q -m bert --json --offset 7777 second.txt; } >got
cmp want got || fail_ "a split input gives other rows"
tok -q -m bert --json first.txt second.txt >got
cmp want got || fail_ "two files are not one after the other"
