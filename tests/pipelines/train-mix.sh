#!/bin/bash
# --mix: rows of several streams in given proportions, at hand and as they come; resumed, and refused.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

head -n 600 corpus.txt | tok -m tokdir -q >a.lms
tail -n 100 corpus.txt | tok -m tokdir -q >b.lms
p="pretrain $small -b 20 --learning-rate 1e-3 -q"

# ---- what an epoch reads is said, and is in the model card
pretrain $small -b 20 -e 2 -o whole --mix a.lms=0.7 b.lms=0.3 2>err
grep -q 'a.lms is 70 % of the rows: an epoch reads its 600 rows 0.817 times' err || fail_ "$(cat err)"
grep -q 'b.lms is 30 % of the rows: an epoch reads its 100 rows 2.1 times' err
grep -q 'step 70/70' err
grep -q 'a.lms=0.7 b.lms=0.3' whole/README.md
# each file may stand behind --mix, or have a --mix of its own
$p -e 2 -o same --mix a.lms=7 --mix b.lms=3 -j 1
$p -e 2 -o whole --mix a.lms=7 --mix b.lms=3 -j 2
cmp same/model.safetensors whole/model.safetensors
$p -e 2 -o other --mix a.lms=1 b.lms=1
! cmp -s other/model.safetensors whole/model.safetensors || fail_ "the weights change nothing"
$p -e 2 -o other a.lms b.lms
! cmp -s other/model.safetensors whole/model.safetensors || fail_ "--mix changes nothing"

# ---- stopped by a signal in the second epoch and gone on with: the files are not needed any more
resume="$p -e 2 -o out --checkpoint ck --save-steps 5 --keep 0"
end_at KILL 45 $resume --mix a.lms=7 b.lms=3
mkdir away
mv a.lms b.lms away
$resume --resume --mix a.lms=7 b.lms=3
cmp whole/model.safetensors out/model.safetensors
mv away/* .
refuses_ 2 '--mix' $resume --resume --mix a.lms=6 b.lms=3
refuses_ 2 '--mix' $resume --resume
for step in ck/checkpoint-*; do : >"$step/MANIFEST"; done
refuses_ 1 'remove this file' $resume --resume --mix b.lms=3 a.lms=7

# ---- as they come: the small one begins anew; a pipe is read once, and its end is the end
stream="$p -e 1 --shuffle-window 50 --max-steps 30"
$stream -o stream --mix a.lms=1 b.lms=1
$stream -o piped --mix -=1 b.lms=1 <a.lms
cmp stream/model.safetensors piped/model.safetensors
rm -rf ck out
end_at KILL 20 $stream -o out --checkpoint ck --save-steps 5 --keep 0 --mix a.lms=1 b.lms=1
mv b.lms kept
head -n 100 corpus.txt | tok -m tokdir -q >b.lms
refuses_ 1 'not the one that the run' $stream -o out --checkpoint ck --resume --mix a.lms=1 b.lms=1
mv kept b.lms
$stream -o out --checkpoint ck --save-steps 5 --keep 0 --resume --mix a.lms=1 b.lms=1
cmp stream/model.safetensors out/model.safetensors
cat b.lms | pretrain $small -b 20 -e 1 --shuffle-window 50 --max-steps 30 -o ended --mix a.lms=1 --mix -=1 2>err
grep -q '^pretrain: 1[01] steps' err || fail_ "$(cat err)"
# an endless one is never read to its end
yes "$(head -n 40 corpus.txt)" | tok -m tokdir -q 2>tok.err | $stream -o endless --mix -=3 b.lms=1 || test ${PIPESTATUS[2]} = 0

# ---- finetune: classes of all; --frac is of each; replay beside it
tail -n 40 train.csv | sed '1i label,text' >few.csv
tok -m tokdir -q --text text --label label few.csv >few.lms
finetune -m whole -q -e 1 -b 16 --mix train.lms=8 few.lms=2 --frac 50% --replay test.lms=0.1 --eval test.lms -o tuned
test -s tuned/model.safetensors
finetune -m whole -q --sweep lr=1e-3,1e-4 -e 1 -b 16 --mix train.lms=8 --mix few.lms=2 --eval test.lms -o swept >table
same_ 3 "$(wc -l <table)"

# ---- refused
refuses_ 2 'give each file its weight' $p -o x --mix a.lms=1 b.lms
refuses_ 2 'give each file its weight' $p -o x --mix a.lms=-1
refuses_ 2 'twice' $p -o x --mix a.lms=1 a.lms=2
refuses_ 2 'give --max-steps' $p -o x -e 1 --shuffle-window 10 --schedule constant --mix a.lms=1 b.lms=2
refuses_ 1 'nowhere.lms' $p -o x --mix a.lms=1 nowhere.lms=2
tok -m tokdir -q --input-format text </dev/null >empty.lms
refuses_ 1 'empty.lms' $p -o x --mix a.lms=1 empty.lms=2
refuses_ 1 'empty.lms' $p -o x --max-steps 3 -e 1 --shuffle-window 10 --mix a.lms=1 empty.lms=2
mkdir other_tok
head -n 100 tokdir/vocab.txt >other_tok/vocab.txt
tok -m other_tok -q corpus.txt >other.lms
refuses_ 1 'of another tokenizer' $p -o x --mix a.lms=1 other.lms=2
refuses_ 1 'of another tokenizer' $p -o x --max-steps 3 -e 1 --shuffle-window 10 --mix a.lms=1 other.lms=2
