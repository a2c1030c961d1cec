#!/bin/bash
# lms as a filter: joining, cutting, mixing and parting streams and text, and the ways back.
. "$(dirname "$0")/init.sh"

# 300 rows of text in JSON Lines; a third have a pair, labels go round, fields are kept as they are spelled
awk 'BEGIN {
    for (i = 0; i < 300; i++) {
        printf "{\"text\":\"text %d of %d words\",", i, i % 11
        if (i % 3 == 0) printf "\"pair\":\"pair %d\",", i
        printf "\"label\":\"%s\",\"id\":\"r%d\",\"page\":%d,\"score\":%d.50}\n", substr("abc", i % 3 + 1, 1), i, int(i / 10), i
    }
}' >rows.jsonl

# ---- framed and back: nothing is lost; JSON Lines go through as they stand
lms --framed rows.jsonl >rows.lms
lms --check rows.lms >said
same_ "rows.lms: good: text, 300 records, 300 examples" "$(cat said)"
test $(($(stat -c %s rows.lms) % 64)) = 0
lms --plain rows.lms >back.jsonl
compare_ rows.jsonl back.jsonl
lms rows.jsonl >same.jsonl
compare_ rows.jsonl same.jsonl
lms rows.lms >copy.lms
same_ "$(tail -n +2 rows.lms | head -n 300 | cksum)" "$(tail -n +2 copy.lms | head -n 300 | cksum)"

# ---- joining: by cat(1) and by operands
cat rows.lms rows.lms | lms --count >counted
grep -qx "streams	2" counted
grep -qx "examples	600" counted
lms rows.lms rows.lms | lms --count >counted
grep -qx "streams	1" counted
grep -qx "examples	600" counted

# ---- head
same_ 5 "$(lms --head 5 rows.jsonl | wc -l)"
lms --head 5 rows.lms | lms --plain >five
head -n 5 rows.jsonl >want
compare_ want five
lms --head 0 rows.lms | lms --check >/dev/null
lms -n 1k rows.lms | lms --count | grep -qx "examples	300"
# what it has passed on ends in good order though the rest of the input was never read
{ cat rows.lms; head -c 1000 rows.lms; } >cut.lms
lms --head 100 <cut.lms | lms --check >/dev/null

# ---- shuffling: a permutation, the same for the same seed, whatever the memory
lms --shuf rows.lms >a.lms
lms --shuf --seed 42 rows.lms >b.lms
lms --shuf --seed 7 rows.lms >c.lms
lms --shuf --memory 1k rows.lms >d.lms
for name in a b c d; do lms --plain $name.lms >$name.jsonl; done
compare_ a.jsonl b.jsonl
compare_ a.jsonl d.jsonl
! cmp -s a.jsonl c.jsonl || fail_ "two seeds, one order"
! cmp -s a.jsonl rows.jsonl || fail_ "not shuffled"
sort rows.jsonl >sorted
sort a.jsonl >a.sorted
compare_ sorted a.sorted
lms --shuf rows.jsonl >plain.jsonl
compare_ a.jsonl plain.jsonl
# of rows of tokens, with and without a second text: the order of the texts that they come from, and all that belongs to them
mkdir tokenizer
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' text of words pair {0..9} '##'{0..9} >tokenizer/vocab.txt
rows_of() { # STREAM: of its view, what does not tell where a row stood before
    lms --view "$1" | grep -v '^stream \|^row \|^  row '
}
tok -q -m tokenizer plain.jsonl >of-shuffled.lms
rows_of of-shuffled.lms >want
tok -q -m tokenizer rows.jsonl >tokens.lms
for memory in 256M 1k; do
    lms --shuf --memory $memory tokens.lms >shuffled.lms
    lms --check shuffled.lms >/dev/null
    rows_of shuffled.lms >got
    compare_ want got
done

# ---- splitting
lms --split train=0.8,test=0.2 rows.lms
lms --check train.lms test.lms >/dev/null
lms --plain train.lms test.lms | sort >both
compare_ sorted both
rows=$(lms --plain test.lms | wc -l)
test "$rows" -gt 30 && test "$rows" -lt 95 || fail_ "$rows of 300 rows are a fifth?"
# order is kept
lms --plain test.lms >test.jsonl
grep -nxFf test.jsonl rows.jsonl | cut -d: -f2- >order
compare_ order test.jsonl
# the same rows, whether framed or not, alone or among others, and in another order
lms --split train=80%,test=20% --part test rows.jsonl >part.jsonl
compare_ test.jsonl part.jsonl
lms --split train=0.8,test=0.2 --part test c.lms | lms --plain | sort >part.sorted
sort test.jsonl >test.sorted
compare_ test.sorted part.sorted
# another seed, another split; by row
lms --split train=0.8,test=0.2 --part test --seed 3 rows.jsonl >other.jsonl
! cmp -s other.jsonl test.jsonl || fail_ "two seeds, one split"
lms --split train=0.8,test=0.2 --by row -o dir- rows.jsonl
same_ 300 "$(cat dir-train.jsonl dir-test.jsonl | sort -u | wc -l)"
# by a field: pages stay together
lms --split x=0.5,y=0.5 --by page -o p- rows.lms
for part in x y; do lms --plain p-$part.lms | grep -o '"page":[0-9]*' | sort -u >$part.pages; done
test -s x.pages
test -s y.pages
same_ "" "$(comm -12 x.pages y.pages)"
# shares that leave rows out
lms --split some=0.1 -o s- rows.lms 2>err
grep -q '90 % of the rows go to no part' err
refuses_ 2 'more than the whole' lms --split a=0.9,b=0.2 rows.lms
refuses_ 2 'no NAME=FRACTION' lms --split a rows.lms
refuses_ 2 'stands twice' lms --split a=0.1,a=0.2 rows.lms
refuses_ 2 'no such part' lms --split a=0.1 --part b rows.lms
refuses_ 2 'of what?' lms --part b rows.lms
refuses_ 1 'no `author`' lms --split a=0.5,b=0.5 --by author rows.lms
test ! -e a.lms.partial || rm a.lms.partial b.lms.partial
refuses_ 2 'one of them at a time' lms --view --count rows.lms
refuses_ 2 'one of them at a time' lms --framed --plain rows.lms

# ---- viewing: no control characters reach the terminal
printf '%s\n' '{"text":"a\u001b[31mred\u0007","label":"x"}' >evil.jsonl
lms --view evil.jsonl >seen
! grep -q $'\x1b' seen || fail_ "an escape sequence goes through --view"
grep -q 'a\\x1b\[31mred\\x07' seen

# ---- flush records go through, and what is before them comes out at once
mkfifo pipe
{ cat rows.lms | head -n 11; printf '%-63s\n' '{"flush":true}'; sleep 5; } | lms 2>/dev/null >pipe &
exec 3<pipe
IFS= read -r -t 4 line <&3 || fail_ "nothing comes before the flush"
exec 3<&-
wait || :
