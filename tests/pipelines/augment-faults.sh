#!/bin/bash
# augment: inputs that are cut or wrong, outputs that cannot be written, signals.
. "$(dirname "$0")/init.sh"

awk 'BEGIN { for (i = 0; i < 40000; i++) printf "{\"text\":\"record %d of many, and all of them are alike\",\"n\":%d}\n", i, i }' >many.jsonl
cat many.jsonl many.jsonl many.jsonl many.jsonl >more.jsonl # of more bytes than pipes and batches hold

# ---- damaged records: file and line; with --rejects they are put aside, in their order among those that are dropped
sed '30000s/$/ trailing/; 100s/^{/[/' many.jsonl >bad.jsonl
refuses_ 1 bad.jsonl:100 augment -o out.jsonl bad.jsonl
test ! -e out.jsonl || fail_ "half a file is published"
status=0
augment bad.jsonl >out 2>err || status=$?
same_ 1 "$status"
head -n 99 many.jsonl >want
compare_ want out
augment --sample 0.5 --rejects rejects.jsonl bad.jsonl 2>err >out
same_ 2 "$(grep -vc '"why":"sample' rejects.jsonl)"
sed -n 's/.*"line":\([0-9]*\),.*/\1/p' rejects.jsonl | sort -nc || fail_ "--rejects is not in the order of the input"
grep -q '^augment: warning: 2 records rejected, see rejects.jsonl$' err || fail_ "$(cat err)"
same_ 40000 $(($(wc -l <out) + $(wc -l <rejects.jsonl)))
printf 'a,text\n1,x\n2,y,z\n' >ragged.csv
refuses_ 1 ragged.csv:3 augment ragged.csv
printf 'fine\nnot \377 fine\n' >invalid.txt
refuses_ 1 'invalid.txt:2: invalid UTF-8' augment --strict invalid.txt
same_ "$(printf 'fine\nnot \357\277\275 fine')" "$(augment -q invalid.txt 2>/dev/null)"

# ---- a stream that ends early: what came is kept beside, and says of itself that it is no whole
lms --framed -q many.jsonl >many.lms
head -c 1000000 many.lms >cut.lms
refuses_ 3 'cut.lms: the stream ends' augment -o out.lms cut.lms
test ! -e out.lms || fail_ "half a stream is published"
returns_ 3 lms --check -q out.lms.partial 2>err

# ---- outputs
test ! -w /dev/full || refuses_ 1 'No space left' augment -q many.jsonl >/dev/full
refuses_ 1 'standard output: cannot be written' bash -c 'augment -q many.jsonl >&-'
refuses_ 1 nowhere augment -q -o nowhere/out many.jsonl
refuses_ 1 nowhere augment -q --rejects nowhere/out many.jsonl
status=0
{ augment -q more.jsonl 2>err || status=$?; echo "$status" >status; } | head -n 1 >out
same_ 141 "$(cat status)"
test ! -s err || fail_ "a reader that has gone is worth no message: $(cat err)"

# ---- signals, while it waits for its input, and while its output waits for a reader; an old output stays
echo old >old.jsonl
mkfifo pipe
stopped_() { # COMMAND...: ends by SIGTERM within seconds
    "$@" 2>err &
    local pid=$! status=0
    sleep 0.3
    kill -TERM $pid
    wait $pid || status=$?
    same_ 143 "$status"
}
(sleep 20 >pipe) &
writer=$!
stopped_ augment -q -o old.jsonl pipe
kill $writer
same_ old "$(cat old.jsonl)"
exec 9<>pipe
stopped_ augment -q more.jsonl >&9
exec 9>&-
rm pipe

# ---- memory does not grow with the input
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1" # what a sanitizer keeps of memory that was freed
most_of() { # COMMAND: its largest resident set, in kilobytes
    local pid most=0 now
    "$@" >/dev/null &
    pid=$!
    while now=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && test -n "$now"; do
        most=$now
        sleep 0.01
    done
    wait $pid
    echo "$most"
}
small=$(most_of augment -q -j2 --sample 0.9 more.jsonl)
cat more.jsonl more.jsonl more.jsonl more.jsonl more.jsonl more.jsonl >large.jsonl
large=$(most_of augment -q -j2 --sample 0.9 large.jsonl)
test "$large" -lt $((small + 30000)) || fail_ "$small kB for some, $large kB for six times as much"
