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
