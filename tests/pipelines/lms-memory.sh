#!/bin/bash
# Memory does not grow with the input: lms and tok, through pipes, at the end of a stream and of one ten times as long.
# Both have the same few words: tok keeps those that came by, up to 16 MB of them for each thread.
. "$(dirname "$0")/init.sh"
mkdir bert
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' the cat sat on mat >bert/vocab.txt
awk 'BEGIN { for (i = 0; i < 10000; i++) { printf "{\"text\":\"the cat %d sat\\n\",\"id\":%d,\"more\":\"", i % 1000, i; for (k = 0; k < i % 40; k++) printf "on the mat "; print "\"}" } }' >some
cat some some >few.jsonl
for _ in $(seq 10); do cat few.jsonl; done >many.jsonl
for name in few many; do
    lms --framed $name.jsonl >$name.text
    tok -q -m bert --max-length 0 $name.jsonl >$name.tokens
done

# What it holds when all but the end of its input has been read, in KiB: its input is kept open meanwhile.
held_() { # INPUT COMMAND...
    local input=$1 pid held before=
    shift
    rm -f pipe && mkfifo pipe
    ASAN_OPTIONS=quarantine_size_mb=1 "$@" <pipe >/dev/null 2>err &
    pid=$!
    exec 3>pipe
    cat "$input" >&3 || fail_ "$*: $(cat err)"
    held=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status")
    while test "$held" != "$before"; do # what was left in the pipe is read
        before=$held
        sleep 0.1
        held=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status")
    done
    exec 3>&-
    wait $pid || fail_ "$*: $(cat err)"
    echo "$held"
}
flat_() { # KIND COMMAND...
    local kind=$1 few many
    shift
    few=$(held_ "few.$kind" "$@") many=$(held_ "many.$kind" "$@")
    test "$many" -le $((few + 8192)) || fail_ "$kind: $*: $few KiB, and $many of ten times as much"
}
for kind in jsonl text tokens; do
    for mode in "" --check --count "--head 1000000" --view "--split a=0.5,b=0.5 --part a"; do
        # shellcheck disable=SC2086
        flat_ $kind lms $mode
    done
done
for kind in jsonl text; do
    flat_ $kind tok -q -j1 -m bert --max-length 0
    flat_ $kind tok -q -j2 -m bert --max-length 128 --stride 16
done
flat_ tokens tok -q -d -m bert
# a shuffle keeps all, but no more of it in memory than it may: what is in a file is cache
test "$(lms --shuf --memory 1M many.text | lms --count | sed -n 's/examples\t//p')" = 200000
