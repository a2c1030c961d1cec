#!/bin/bash
# What may go wrong in a trainer, and what it leaves behind: the old output whole, or nothing.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

pretrain $small -b 16 --max-steps 5 -q -o model corpus.lms
finetune -m model -b 16 --max-steps 5 -q -o old train.lms
cp -r old before
f() {
    finetune -m model -b 16 --max-steps 5 -q -o old "$@"
}
unchanged_() {
    diff -r before old >difference || fail_ "line ${BASH_LINENO[0]}: the old output has changed: $(cat difference)"
    ls -A | grep '^\.old' && fail_ "line ${BASH_LINENO[0]}: something half-made is left" || :
}

# ---- the stream ends early: status 3
size=$(stat -c %s train.lms)
for part in 0 100 $((size / 2)) $((size - 1)); do
    returns_ 3 f < <(head -c $part train.lms) 2>err
    unchanged_
done
returns_ 3 f --checkpoint ck --save-steps 1 < <(head -c $((size / 2)) train.lms) 2>err
unchanged_
test -z "$(find ck -type f)" || fail_ "half an input is kept: $(find ck)"
finetune -m model -b 16 --max-steps 5 -q -o whole --checkpoint ck --resume <train.lms
cmp old/model.safetensors whole/model.safetensors
# a single pass has trained by then: its checkpoint is kept, and the run goes on from it
rm -rf ck
status=0
head -c $(($(stat -c %s corpus.lms) / 2)) corpus.lms |
    pretrain $small -b 4 -e 1 --shuffle-window 20 --max-steps 200 -q -o out --checkpoint ck 2>err || status=$?
same_ 3 $status
test ! -e out || fail_ "half an input has made a model"
grep -q 'goes on from it' err
ls ck | grep -q '^checkpoint-[1-9]'
pretrain $small -b 4 -e 1 --shuffle-window 20 --max-steps 200 -q -o out --checkpoint ck --resume <corpus.lms
pretrain $small -b 4 -e 1 --shuffle-window 20 --max-steps 200 -q -o straight <corpus.lms
cmp out/model.safetensors straight/model.safetensors

# its writer aborts it
printf 'label,text\nsport,"goal\n' >ragged.csv
status=0
tok -m tokdir -q --text text --label label train.csv ragged.csv 2>tok.err | f 2>err || status=$?
same_ 3 $status
grep -q 'tok stopped' err
unchanged_

# ---- damaged
{ head -c 5000 train.lms; printf 'x'; tail -c +5002 train.lms; } >damaged.lms
returns_ 1 f damaged.lms 2>err
unchanged_

# ---- input that cannot be trained on
refuses_ 3 'standard input' f </dev/null
tok -m tokdir -q --input-format text </dev/null >empty.lms
refuses_ 1 'no rows' f empty.lms
refuses_ 1 'no label' f corpus.lms
refuses_ 1 "label 'weather' is none" f --labels sport,business train.lms
refuses_ 1 'one class only: sport' f < <(tok -m tokdir -q --text text --label label --input-format csv <(sed -n '1p;/^sport/p' train.csv))
sed 's/^weather/fog/' test.csv >fog.csv
tok -m tokdir -q --text text --label label fog.csv >fog.lms
refuses_ 1 "label 'fog' is none" f --eval fog.lms train.lms
refuses_ 1 'nowhere.lms' f --eval nowhere.lms train.lms
refuses_ 1 'nowhere.lms' f nowhere.lms
refuses_ 1 'tok' f train.csv
refuses_ 1 'is no number' f --task regress train.lms
refuses_ 2 'stands there twice' f --labels a,b,a train.lms
refuses_ 2 '--freeze' f --freeze no.such.module train.lms
unchanged_
# rows that are too long, and ids beyond the vocabulary
pretrain -a bert --layers 1 --width 32 --heads 2 --max-length 8 --max-steps 1 -q -o short < <(tok -m tokdir -q --max-length 8 corpus.txt)
refuses_ 1 'takes 8' finetune -m short -q -o x train.lms
sed 's/"vocab_size": [0-9]*/"vocab_size": 60/' model/config.json >model/other.json
cp -r model beyond
mv beyond/other.json beyond/config.json
refuses_ 1 'not in the vocabulary of 60' finetune -m beyond --random-weights -q -o x train.lms

# ---- another tokenizer
mkdir other
head -n 100 tokdir/vocab.txt >other/vocab.txt
tok -m other -q --text text --label label train.csv >other.lms
refuses_ 1 'not the one that the tokens were made with' f other.lms
unchanged_
finetune -m model --max-steps 2 -q --force -o forced other.lms 2>err
cp -r tokdir gone
tok -m gone -q corpus.txt >gone.lms
rm -r gone
refuses_ 1 '--tokenizer' pretrain $small --max-steps 2 -q -o x gone.lms
pretrain $small --max-steps 2 -q --tokenizer tokdir -o found gone.lms
cmp tokdir/vocab.txt found/vocab.txt
refuses_ 1 'no tokenizer' pretrain $small --max-steps 2 -q --tokenizer . -o x gone.lms

# ---- a model that is not whole
cp -r model broken
head -c 20000 model/model.safetensors >broken/model.safetensors
refuses_ 1 'broken/model.safetensors' finetune -m broken --max-steps 2 -q -o x train.lms
refuses_ 1 'nowhere' finetune -m nowhere --max-steps 2 -q -o x train.lms

# ---- output that cannot be written: seen before the first step
refuses_ 1 '/dev/full' finetune -m model -q -o /dev/full train.lms
touch file
refuses_ 1 'file' finetune -m model -q -o file train.lms
refuses_ 1 'nowhere' finetune -m model -q -o nowhere/deep/x train.lms
refuses_ 2 '-o' finetune -m model -q train.lms
refuses_ 2 'which model' pretrain -q -o x corpus.lms
refuses_ 2 'one of them' pretrain -a bert -m model -q -o x corpus.lms
refuses_ 1 'run.jsonl' f --log nowhere/run.jsonl train.lms
# a log on a full disk is given up, the run is not
f --log /dev/full train.lms 2>err
grep -q 'the log ends here' err
rm -rf old && cp -r before old

# ---- a disk that is full in the middle of it, as a limit on the size of files: of the output, and of a checkpoint
trap '' XFSZ
returns_ 1 bash -c 'ulimit -f 60; finetune -m model -b 16 --max-steps 5 -q -o old train.lms' 2>err
unchanged_
returns_ 1 bash -c 'ulimit -f 60; finetune -m model -b 16 --max-steps 5 -q -o x --checkpoint full --save-steps 2 train.lms' 2>err
test ! -e x
! ls full | grep -q checkpoint || fail_ 'half a checkpoint is left'
trap - XFSZ

# ---- a loss that is not finite stops the run
refuses_ 1 'lower --learning-rate' finetune -m model -e 30 -q --learning-rate 900 --warmup-steps 0 --max-grad-norm 0 \
    --adam-epsilon 0 --weight-decay 900 -o x train.lms
test ! -e x

# ---- memory: refused where nothing fits, else kept to
refuses_ 1 'weights and gradients take the run to' f --memory 1M train.lms
f --memory 100M --plan train.lms >plan
awk '$1 == "memory_mib" { found = 1; exit !($2 < 100) } END { exit !found }' plan || fail_ "$(cat plan)"
