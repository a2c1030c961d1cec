#!/bin/bash
# Killed, told to end, or out of room at any call that changes a file, and gone on with: a run ends in the same bytes as one
# that was not, and leaves nothing half made. tests/faults/faults.c does the harm.
#
# A few points of each run here; `make check-kill` tries every one of them (LMUTILS_KILL_POINTS=all), and 50 at a random time.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

points=${LMUTILS_KILL_POINTS:-3}
random=${LMUTILS_KILL_RANDOM:-0}
faults=$abs_top_builddir/tests/faults/.libs/faults.so
test -e "$faults" || { echo "$test_name: no $faults"; exit 99; }
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0"

fault() { # FAULT COMMAND...: its status goes to `status`
    local how=$1
    shift
    status=0
    # bash itself has something to say where a program is killed
    { env LD_PRELOAD="$faults" LMUTILS_FAULT="$how" LMUTILS_FAULT_COUNT=calls "$@" 2>err || status=$?; } 2>killed
}

# Numbers from 1 to $1: all of them, or so many, spread evenly.
spread() {
    if test "$points" = all; then
        seq "$1"
    else
        seq "$points" | awk -v all="$1" -v n="$points" '{ print int(all * ($1 - 0.5) / n) + 1 }'
    fi
}

# What a run leaves in ck: whole checkpoints, and its rows.
tidy() {
    local left
    left=$(ls -A ck 2>/dev/null | grep -v -x -e 'checkpoint-[0-9]*' -e 'spool\.lms' || :)
    test -z "$left" || fail_ "$what: $left is left in ck"
    left=$(ls -A | grep '^\.out' || :)
    test -z "$left" || fail_ "$what: $left is left"
    test ! -e out || compare_run
}

compare_run() {
    local file
    for file in model.safetensors config.json README.md; do
        cmp -s whole/$file out/$file || fail_ "$what: $file is another one than that of a run that was not stopped"
    done
}

# The command of a run in $run, its input in $input.
try() {
    local fault=$1
    what="$name, $fault"
    rm -rf ck out
    fault "$fault" $run <$input
}
go_on() {
    $run --resume <$input 2>err || fail_ "$what, resumed: $(cat err)"
    compare_run
    tidy
    tried=$((tried + 1))
}

sweep() {
    name=$1 tried=0
    rm -rf ck out
    $run <$input
    rm -rf whole
    mv out whole
    rm -rf ck
    fault count $run <$input
    same_ 0 "$status"
    calls=$(cat calls)
    what=$name
    compare_run
    for at in $(spread "$calls"); do
        try kill:$at
        same_ 137 "$status"
        # a run that is killed again and again comes to its end, too
        test "$points" = all || fault kill:$((at / 2 + 1)) $run --resume <$input
        go_on
        try term:$at
        test "$status" = 143 || test "$status" = 0 || fail_ "$what: status $status: $(cat err)"
        tidy
        go_on
        try full:$at
        same_ 1 "$status"
        test -s err || fail_ "$what: nothing is said"
        tidy
        go_on
    done
    echo "$name: $calls calls, $tried runs were stopped and gone on with"
}

# Killed at any time, every fifth run told to end.
sweep_time() {
    local i begun seconds
    name="$1 at a random time" tried=0
    begun=$(date +%s%N)
    rm -rf ck out
    $run <$input
    seconds=$(awk -v a="$begun" -v b="$(date +%s%N)" 'BEGIN { print (b - a) / 1e9 }')
    for ((i = 0; i < random; i++)); do
        rm -rf ck out
        what="$name $i"
        $run <$input 2>err &
        pid=$!
        sleep "$(awk -v s="$seconds" -v r="$SRANDOM" 'BEGIN { print s * (r % 10000) / 10000 }')"
        { kill -$(test $((i % 5)) = 4 && echo TERM || echo KILL) $pid && wait $pid || :; } 2>killed
        go_on
    done
    echo "$name: $tried runs were killed and gone on with"
}

head -n 64 corpus.txt | tok -m tokdir -q >few.lms
head -n 49 train.csv | tok -m tokdir -q --text text --label label --input-format csv >few-train.lms
head -n 25 test.csv | tok -m tokdir -q --text text --label label --input-format csv >few-test.lms
tiny="-a bert --layers 1 --width 16 --heads 1 --inner 32 --max-length 64 --learning-rate 1e-3 -q -j 1"

input=few.lms
run="pretrain $tiny -b 8 -e 2 -o out --checkpoint ck --save-steps 5 --keep 1"
sweep "pretrain"
test "$random" = 0 || sweep_time "pretrain"

run="pretrain $tiny -b 8 -e 1 --shuffle-window 20 --max-steps 8 -o out --checkpoint ck --save-steps 3"
sweep "pretrain on a pipe"

input=few-train.lms
run="finetune $tiny -b 8 -e 2 -o out --checkpoint ck --save-steps 4 --eval few-test.lms --eval-steps 3 --keep-best"
run="$run --log log.jsonl"
sweep "finetune"
test "$random" = 0 || sweep_time "finetune"

rm -rf ck out
$run <$input
score -m out -j 1 --emit logits few-train.lms >few-taught.lms
input=few-taught.lms
run="distill $tiny -b 8 -e 2 -o out --checkpoint ck --save-steps 4"
sweep "distill"
input=few-train.lms

# ---- told to end in an evaluation, which takes most of the time here: it is made up when the run goes on
for ((i = 0; i < 12; i++)); do cat train.lms; done >long.lms
run="finetune $tiny -b 16 -e 2 -o out --checkpoint ck --save-steps 100 --eval long.lms --eval-steps 1 --keep-best"
run="$run --log log.jsonl"
name='finetune, in an evaluation' tried=0 within=0
rm -rf ck out
$run <$input 2>err
rm -rf whole ck
mv out whole
fault count $run <$input
calls=$(cat calls)
for at in $(seq $((calls / 40 + 1)) $((calls / 20 + 1)) $((calls / 2))); do
    try late:$at
    state=$(cat ck/checkpoint-*/state.json 2>/dev/null || :)
    step=$(sed -n 's/.*"total_steps".*//; s/.*"step": *\([0-9]*\),\{0,1\}$/\1/p' <<<"$state" | tail -n 1)
    evaluated=$(sed -n 's/.*"evaluated": *\([0-9]*\).*/\1/p' <<<"$state")
    test "$status" != 143 || test "${step:-0}" = "${evaluated:-0}" || within=$((within + 1))
    go_on
done
test "$within" -gt 0 || fail_ "no evaluation was interrupted"
