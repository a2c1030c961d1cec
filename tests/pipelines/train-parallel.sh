#!/bin/bash
# Data parallel training: several processes are one run.
. "$(dirname "$0")/init.sh"

module=$abs_top_builddir/plugins/communicators/.libs/mpi.so
if ! test -e "$module" || ! command -v mpirun >/dev/null; then
    trap - ERR
    echo "SKIP: $test_name: no MPI: neither configure nor the path has one"
    exit 77
fi
. "$abs_top_srcdir/tests/pipelines/train-words.inc"
export LMUTILS_COMMUNICATOR_PATH=$abs_top_builddir/plugins/communicators/.libs
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 # of MPI's own start

# on N COMMAND...: COMMAND in N processes
on() {
    local n=$1
    shift
    mpirun --allow-run-as-root --oversubscribe -n "$n" "$@"
}

losses() { sed -n 's/.*"loss": *\([-0-9.e+]*\).*"step": *\([0-9]*\).*/\2 \1/p' "$1"; }

# Fails unless the losses of two logs are within 1e-5 of one another, and are as many as $3 says.
same_curve() {
    paste -d ' ' <(losses "$1") <(losses "$2") | awk -v want="$3" '
        { d = $2 - $4; if (d < 0) d = -d; if ($1 != $3 || d > 1e-5) { print "step " $1 ": " $2 " " $4; bad = 1 } }
        END { if (NR != want) { print NR " losses, not " want; bad = 1 } exit bad }' || fail_ "the losses of $1 and $2 differ"
}

# ---- N processes follow the loss curve of one: 50 steps with dropout, whose micro-batches differ
options="$small -b 16 --max-steps 50 --learning-rate 1e-3 --logging-steps 1 --micro-tokens 100 -q"
pretrain $options -o one --log one.jsonl corpus.lms
for n in 2 4; do
    on $n pretrain $options -o by$n --log by$n.jsonl corpus.lms
    same_curve one.jsonl by$n.jsonl 50
done
cmp -s one/model.safetensors by4/model.safetensors && fail_ "sums in another order gave the same bits: was it one process?"

# ---- the same bytes again; only process 0 reads standard input, whatever the others are given
head -c 100000 /dev/urandom >noise
on 4 bash -c 'in=noise; test "$OMPI_COMM_WORLD_RANK" != 0 || in=corpus.lms; exec "$@" <$in' - pretrain $options -o again
cmp by4/model.safetensors again/model.safetensors
tok -m tokdir -q corpus.txt | on 2 pretrain $options -o piped
cmp by2/model.safetensors piped/model.safetensors

# ---- another number of processes goes on where one was stopped; none of them needs the input any more
steps="$small -b 16 -e 2 --learning-rate 1e-3 --logging-steps 1 -q --recompute"
pretrain $steps -o whole --log whole.jsonl corpus.lms
returns_ 5 on 3 pretrain $steps -o resumed --log resumed.jsonl --checkpoint ck --max-time 0.001 <corpus.lms 2>err
test ! -e resumed || fail_ "a run that was stopped has published something"
on 2 pretrain $steps -o resumed --log resumed.jsonl --checkpoint ck --resume
same_curve whole.jsonl resumed.jsonl 114

# ---- all trainers: tables whose gradient is by rows, unfrozen step by step; a table of which rows move alone; a second stack;
# ---- and several runs, one after the other
cp -r tokdir large
seq -f 'unused%.0f' 4200 >>large/vocab.txt # a table that large has a gradient by rows
for text in train test; do tok -m large -q --text text --label label $text.csv >$text-large.lms; done
tune="$small -b 30 --max-steps 20 --learning-rate 1e-3 --logging-steps 1 -q"
finetune $tune --unfreeze-every 6 --eval test-large.lms -o f1 --log f1.jsonl train-large.lms
on 3 finetune $tune --unfreeze-every 6 --eval test-large.lms -o f3 --log f3.jsonl train-large.lms
same_curve f1.jsonl f3.jsonl 20
tune="-a bow -b 30 --max-steps 20 --learning-rate 1e-1 --logging-steps 1 -q"
finetune $tune -o b1 --log b1.jsonl train.lms
on 3 finetune $tune -o b3 --log b3.jsonl train.lms
same_curve b1.jsonl b3.jsonl 20
awk '{ print } NR % 5 == 0 { print "" }' corpus.txt >paragraphs.txt
tok -m tokdir -q --documents paragraphs.txt >documents.lms
tune="$small -b 20 --max-steps 12 --learning-rate 1e-3 --logging-steps 1 -q --objective pretrain --optimizer adafactor --ema 0.9"
pretrain $tune -o n1 --log n1.jsonl documents.lms
on 2 pretrain $tune -o n2 --log n2.jsonl documents.lms
same_curve n1.jsonl n2.jsonl 12
awk -F, 'NR > 1 { n = split($2, w, " "); print "{\"text\":\"" $2 "\",\"target\":\"" w[n] " " w[1] "\"}" }' train.csv >pairs.jsonl
tok -m tokdir -q --target target pairs.jsonl >pairs.lms
tune="-a t5 --size tiny --layers 1 --width 16 --heads 2 --inner 32 -b 20 --max-steps 12 --logging-steps 1 -q"
finetune $tune --sweep lr=1e-3,3e-3 --eval pairs.lms -o s1 --log s1.jsonl pairs.lms >table1
on 2 finetune $tune --sweep lr=1e-3,3e-3 --eval pairs.lms -o s2 --log s2.jsonl pairs.lms >table2
same_curve "$(ls s1.jsonl.*3e-3)" "$(ls s2.jsonl.*3e-3)" 12
# an adapter of a model that each process reads by itself
pretrain $small --max-steps 2 -q -o mini corpus.lms
tune="-m mini -b 16 --max-steps 12 --learning-rate 3e-3 --logging-steps 1 -q --dropout 0.1 --dora"
lora $tune -o l1 --log l1.jsonl train.lms
on 3 lora $tune -o l3 --log l3.jsonl train.lms
same_curve l1.jsonl l3.jsonl 12
refuses_ 2 'each of several processes reads -m' on 2 lora $tune --sweep rank=2,4 --eval test.lms -o swept train.lms

# ---- a process that dies ends the job with its name; the checkpoint is one to go on from
long="$small -b 16 -e 3000 --learning-rate 1e-3"
export OMPI_MCA_odls_base_sigkill_timeout=8 # a busy machine takes longer than the second that process 0 has else
for signal in KILL TERM; do
    rm -rf ck err
    on 3 pretrain -v $long -o never --checkpoint ck corpus.lms 2>err &
    job=$!
    until grep -qs 'step 8/' err; do
        kill -0 $job || fail_ "the job has ended: $(cat err)"
        sleep 0.05
    done
    kill -$signal "$(sed -n 's/.*rank 1 (process \([0-9]*\) on .*/\1/p' err | head -n 1)"
    ! wait $job || fail_ "a job without a process has status 0"
    grep -q 'rank 1 (process [0-9]* on .*the checkpoint of step [0-9]* is in ck: --resume goes on' err || fail_ "$(cat err)"
    step=$(sed -n 's/.*the checkpoint of step \([0-9]*\) is in ck.*/\1/p' err)
    test -e "ck/checkpoint-$step/MANIFEST"
    test "$step" -ge 8
    test ! -e never
done

unset OMPI_MCA_odls_base_sigkill_timeout

# ---- what fails is said once, and ends all
refuses_ 1 'nowhere.lms' on 3 pretrain $options -o never nowhere.lms
test "$(grep -c nowhere.lms err)" = 1 || fail_ "$(cat err)"
refuses_ 2 '--cache-frozen: several processes' on 2 finetune $small -o never --freeze body --cache-frozen train.lms
for method in dpo reward kto; do refuses_ 2 'run one process' on 2 align -m mini --method $method -o never pairs.lms; done
refuses_ 2 'run one process' on 2 align -m mini --method grpo --reward think -o never pairs.lms
refuses_ 1 'model_type "bert": no plugin serves it' on 2 bash -c '
    test "$OMPI_COMM_WORLD_RANK" = 0 || export LMUTILS_PLUGIN_PATH=/nowhere
    exec "$@"' - pretrain $options -o never corpus.lms
grep -q 'pretrain: rank 1 (process [0-9]* on [^)]*): model_type' err || fail_ "$(cat err)"
LMUTILS_COMMUNICATOR_PATH=/nowhere refuses_ 1 'no communicator "mpi" (tried /nowhere/mpi.so)' \
    on 2 pretrain $options -o never corpus.lms
echo 'no shared object' >mpi.so
LMUTILS_COMMUNICATOR_PATH=$PWD refuses_ 1 'cannot load the communicator' pretrain $options --communicator mpi -o never corpus.lms
test ! -e never

# ---- alone: the launcher's processes are not joined, and one that was asked for is joined by nobody
on 1 pretrain $options -o alone corpus.lms
pretrain $options --communicator mpi -o alone2 corpus.lms
on 2 bash -c 'exec "$@" -o none$OMPI_COMM_WORLD_RANK' - pretrain $options --communicator none corpus.lms
for dir in alone alone2 none0 none1; do cmp one/model.safetensors $dir/model.safetensors; done
