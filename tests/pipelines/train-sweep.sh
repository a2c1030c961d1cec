#!/bin/bash
# --sweep: a small grid of runs over the same rows, each what it would be by itself; the table; resuming.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

pretrain $small -b 16 --max-steps 4 -q -o mini corpus.lms
lms --head 200 train.lms >some.lms
s() {
    finetune -m mini -e 1 --eval test.lms -q "$@"
}

# ---- a grid, from a pipe; further axes may follow as words of their own
s -o grid --sweep lr=1e-3,5e-3 batch-size=8,20 --log log <some.lms >table
same_ 5 "$(wc -l <table)"
head -n 1 table | grep -q '^run	learning-rate	batch-size	steps	train_loss	eval_loss	eval_accuracy'
same_ "learning-rate=1e-3_batch-size=8 1e-3 8 25" "$(sed -n 2p table | cut -f1-4 | tr '\t' ' ')"
same_ "learning-rate=5e-3_batch-size=20 5e-3 20 10" "$(sed -n 5p table | cut -f1-4 | tr '\t' ' ')"
# each is what it would be by itself
s -o alone -b 20 --learning-rate 1e-3 --log alone.jsonl some.lms
cmp alone/model.safetensors grid/learning-rate=1e-3_batch-size=20/model.safetensors
timeless() {
    grep -v train_runtime "$1" | sed 's/"eval_[a-z_]*\(_per_second\|runtime\)":[^,]*,//g'
}
timeless alone.jsonl >a
timeless log.learning-rate=1e-3_batch-size=20 >b
compare_ a b
# best leads to the least evaluation loss
best=$(sed 1d table | sort -t'	' -g -k6 | head -n 1 | cut -f1)
same_ "$best" "$(readlink grid/best)"
score -m grid/best -q test.lms >/dev/null
# another metric, another best, perhaps; in one argument; seeds and words are values as well
s -o seeds --sweep "seed=1,2,3 schedule=linear,constant" --best-metric accuracy some.lms >table
same_ 7 "$(wc -l <table)"
best=$(sed 1d table | sort -t'	' -s -gr -k7 | head -n 1 | cut -f7)
same_ "$best" "$(grep "^$(readlink seeds/best)	" table | cut -f7)"
! cmp -s seeds/seed=1_schedule=linear/model.safetensors seeds/seed=2_schedule=linear/model.safetensors ||
    fail_ "the seed changes nothing"

# ---- --plan plans each
s --plan --sweep batch-size=8,16 some.lms >plan
same_ 2 "$(grep -c '^run	batch-size=' plan)"
same_ 2 "$(grep -c '^memory_mib	' plan)"

# ---- stopped, and resumed: the same table and models; what was done is not done again
s -o whole --sweep lr=1e-3,2e-3,3e-3 --checkpoint ck-whole some.lms >whole.table
s -o part --sweep lr=1e-3,2e-3,3e-3 --checkpoint ck <some.lms >table
compare_ whole.table table
rm -r part/learning-rate=2e-3 ck/learning-rate=2e-3
stamp=$(stat -c %Y.%i part/learning-rate=1e-3)
# the input is in the checkpoint
finetune -m mini -e 1 --eval test.lms -o part --sweep lr=1e-3,2e-3,3e-3 --checkpoint ck --resume 2>err </dev/null >table
grep -q 'learning-rate=1e-3: done before' err
grep -q 'run 2 of 3: learning-rate=2e-3$' err
compare_ whole.table table
same_ "$stamp" "$(stat -c %Y.%i part/learning-rate=1e-3)"
cmp whole/learning-rate=2e-3/model.safetensors part/learning-rate=2e-3/model.safetensors
returns_ 5 s -o timed --sweep lr=1e-3,2e-3 -e 1000 --checkpoint ck-timed --max-time 0.2 some.lms 2>err
grep -q 'resume' err

# two sweeps do not share a checkpoint: the second would take the rows away under the first
mkfifo rows
s -o first --sweep lr=1e-3,2e-3 --checkpoint ck-shared <rows >table &
first=$!
exec 3>rows
head -c 1000 some.lms >&3
for i in $(seq 600); do
    test ! -e ck-shared/spool.lms.part || break
    sleep 0.1
done
refuses_ 1 'ck-shared: another run is using it' s -o second --sweep lr=1e-3 --checkpoint ck-shared some.lms
tail -c +1001 some.lms >&3
exec 3>&-
wait $first
same_ 3 "$(wc -l <table)"

# ---- a run that diverges is one of the grid
finetune -m mini -e 2 --eval test.lms -o wild --sweep lr=1e-3,1e3 --max-grad-norm 0 --warmup-ratio 0 some.lms 2>err >table || {
    cat err >&2
    fail_ "a run that diverged ended the sweep"
}
same_ 3 "$(wc -l <table)"
same_ learning-rate=1e-3 "$(readlink wild/best)"

# ---- what cannot be
refuses_ 2 '--eval' finetune -m mini -o no --sweep lr=1e-3,2e-3 some.lms
refuses_ 2 'did you mean --epochs' s -o no --sweep epoks=1,2 some.lms
refuses_ 2 'NAME=VALUE' s -o no --sweep lr some.lms
refuses_ 2 'empty value' s -o no --sweep lr=1e-3,,2e-3 some.lms
refuses_ 2 "'many' is not a count" s -o no --sweep batch-size=8,many some.lms
refuses_ 2 'twice' s -o no --sweep lr=1e-3 learning_rate=2e-3 some.lms
refuses_ 2 'one for all runs' s -o no --sweep checkpoint=a,b some.lms
refuses_ 2 'one for all runs' s -o no --sweep task=classify,multilabel some.lms
refuses_ 2 'too alike' s -o no --sweep lr=1e-3,1e-3 some.lms
refuses_ 2 'is a model' s -o mini --sweep lr=1e-3,2e-3 some.lms
refuses_ 1 'no-such.lms' s -o no --sweep lr=1e-3,2e-3 no-such.lms
refuses_ 2 'accuracies' s -o no --sweep lr=1e-3,2e-3 --best-metric accuracies some.lms
refuses_ 2 'too long for the name' s -o no --sweep "lr=1e-3,0.$(printf '%0200d' 1)" some.lms
# a file whose name looks like an axis is a file
cp some.lms epochs=1,2
s -o file --sweep lr=1e-3,2e-3 epochs=1,2 >table
same_ 3 "$(wc -l <table)"
