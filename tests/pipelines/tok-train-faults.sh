#!/bin/bash
# tok --train with more words than memory: the same result; the limit is held; full disks, no place for files, signals.
. "$(dirname "$0")/init.sh"

# 500,000 different words
awk 'BEGIN { for (i = 0; i < 500000; i++) { s = s " w" (i * 7919) % 1000003 (i * 104729) % 999983; if (i % 20 == 19) { print s; s = "" } } }' | tr 0-9 a-j >text

# peak of the resident memory, in KiB, of a command (without what a sanitizer keeps of memory that was freed)
peak_() {
    ASAN_OPTIONS=quarantine_size_mb=1 "$@" &
    local pid=$! peak=0 now
    while now=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && test -n "$now"; do
        test "$now" -le "$peak" || peak=$now
        sleep 0.01
    done
    wait "$pid"
    echo "$peak" >peak
}

export OMP_NUM_THREADS=2
# the tables of unigram outgrow the memory, and come and go in pages, with far fewer words
head -n 2000 text >few
beside=80
if grep -q '^LM_CFLAGS = .*-fsanitize=' "$abs_top_builddir/Makefile"; then beside=100; fi # and what a sanitizer notes of it all
for model in wordpiece bpe unigram; do
    from=text
    test "$model" != unigram || from=few
    tok -q --train "$model" --vocab-size 400 --memory 1G -o "$model" "$from"
    peak_ tok --train "$model" --vocab-size 400 --memory 16M -o little "$from" 2>err
    test "$from" = few || grep -q 'counted on disk' err || { cat err; fail_ "$model: 500,000 words fit into 16M"; }
    diff -r "$model" little || fail_ "$model: another tokenizer for want of memory"
    # beside --memory: the program itself, the text that is being read, unicode tables, and what each thread needs
    test "$(cat peak)" -le $(((16 + beside) * 1024)) || fail_ "$model: $(cat peak) KiB with --memory 16M"
done

# no place for what does not fit
TMPDIR=$PWD/missing refuses_ 1 'TMPDIR' tok --train bpe --memory 16M -o none text
if test "$(id -u)" != 0; then
    mkdir locked && chmod a-w locked
    TMPDIR=$PWD/locked refuses_ 1 'Permission denied' tok --train bpe --memory 16M -o none text
fi
# a disk that is full, for runs and for tables
full_() (
    trap '' XFSZ
    ulimit -f "$1"
    exec tok --train bpe --memory 16M -o none text
)
for blocks in 64 5000; do
    refuses_ 1 'File too large' full_ "$blocks"
done
test ! -e none || fail_ "a failed run has left a directory"
same_ "" "$(find . -name 'lmutils-spool*' -o -name '.none*')"

# a signal while it waits for more text, and one while it learns (not SIGINT, which a shell's background jobs ignore)
for model in bpe unigram; do
    for seconds in 0 0.4; do
        mkfifo pipe
        tok -q --train "$model" --memory 16M -o none pipe 2>err &
        pid=$!
        exec 3>pipe
        cat few >&3 || :
        test "$seconds" = 0 || { exec 3>&-; sleep "$seconds"; }
        kill -TERM "$pid" 2>/dev/null || :
        status=0
        wait "$pid" || status=$?
        exec 3>&-
        rm pipe
        test "$status" = 143 || { test "$seconds" != 0 && test "$status" = 0 && rm -r none; } ||
            fail_ "$model: status $status after SIGTERM: $(cat err)"
        test ! -e none || fail_ "$model: an interrupted run has left a directory"
        same_ "" "$(find . -name '.none*')"
    done
done
