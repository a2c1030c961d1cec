#!/bin/bash
# Input that comes once: an endless pipe is trained on in memory that does not grow; more than one epoch keeps the rows in
# memory, and past the budget in a file without a name. Both give what a file gives.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

export OMP_NUM_THREADS=1
export ASAN_OPTIONS=quarantine_size_mb=1 # what a sanitizer keeps of memory that was freed
tiny="-a bert --layers 1 --width 16 --heads 1 --inner 32 --max-length 64 -q"

logged_() { # FILE STEP: waits until the log has that step; `most` is the most memory meanwhile that is no file's, in KiB
    local now
    most=0
    while ! grep -q "\"step\":$2[,}]" "$1" 2>/dev/null; do
        now=$(awk '/^RssAnon/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || fail_ "the run has ended before step $2: $(cat err)"
        test "${now:-0}" -le "$most" || most=$now
        sleep 0.02
    done
}

# ---- endless
mkfifo endless
(yes "$(cat corpus.txt)" | tok -m tokdir -q >endless 2>tok.err || :) &
pretrain $tiny -b 8 -e 1 --shuffle-window 300 --schedule constant --logging-steps 300 --log run.jsonl -o out \
    --checkpoint ck --save-steps 1000000 <endless 2>err &
pid=$!
logged_ run.jsonl 900
before=$most
logged_ run.jsonl 9000 # ten times as many
kill -TERM $pid
returns_ 143 wait $pid
# the heap's layout differs by half a MiB from run to run; 130 bytes kept of each step, or 16 of each row, would show
test "$most" -le $((before + 1024)) || fail_ "memory has grown from $before to $most KiB"
ls ck | grep -q '^checkpoint-[0-9]' || fail_ "$(cat err)"
wait || :

# ---- more than one epoch from a pipe: in memory
run="pretrain $tiny -b 64 -e 2 --max-steps 60 --log run.jsonl --logging-steps 20"
$run -o file corpus.lms
$run -o pipe < <(cat corpus.lms)
cmp file/model.safetensors pipe/model.safetensors

# ---- and past a quarter of --memory in a file that has no name any more
mkdir tmp
for ((i = 0; i < 500; i++)); do cat corpus.lms; done >many.lms
size=$(stat -c %s many.lms)
memory=$((size / 1024 * 3))K
run="${run/--max-steps 60/--max-steps 600} --memory $memory"
$run -o file2 many.lms
rm run.jsonl
cat many.lms | TMPDIR=$PWD/tmp $run -o pipe2 2>err &
pid=$!
logged_ run.jsonl 20
kill -STOP $pid # it would have ended before all is looked at
found=
for fd in /proc/$pid/fd/*; do
    case $(readlink "$fd") in "$PWD/tmp/"*' (deleted)') found=$fd ;; esac
done
test -n "$found" || fail_ "no unlinked file: $(ls -l /proc/$pid/fd)"
test "$(stat -L -c %s "$found")" -gt $((size / 2))
same_ '' "$(ls tmp)"
kill -CONT $pid
wait $pid
cmp file2/model.safetensors pipe2/model.safetensors
