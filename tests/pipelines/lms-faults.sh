#!/bin/bash
# Damage and death: the goldens, streams that were cut, full disks, closed pipes; what is left behind.
. "$(dirname "$0")/init.sh"

awk 'BEGIN { for (i = 0; i < 5000; i++) printf "{\"text\":\"row %d\",\"label\":\"x\"}\n", i }' >rows.jsonl
lms --framed rows.jsonl >rows.lms
size=$(stat -c %s rows.lms)

# ---- a stream that was cut: status 3, the last whole record named, nothing under the final name
for cut in 1 6 63 64 100 1000 $((size / 2)) $((size - 64)) $((size - 1)); do
    head -c $cut rows.lms >cut.lms
    refuses_ 3 '' lms --check cut.lms >/dev/null
    for mode in --framed --count --view --shuf; do
        rm -f out out.partial
        refuses_ 3 '' lms $mode -o out cut.lms
        test ! -e out || fail_ "lms $mode publishes half a stream"
    done
done
head -c 100000 rows.lms >cut.lms
refuses_ 3 'the last whole record is 1560' lms -o out.lms cut.lms
test ! -e out.lms
refuses_ 3 'lms stopped after record 1560: cut.lms: the stream ends' lms --check out.lms.partial
refuses_ 3 'the last whole record is' lms --split a=0.5,b=0.5 cut.lms
test ! -e a.lms
test ! -e b.lms
test -e a.lms.partial
# the death goes through a pipe
status=0
head -c 100000 rows.lms | lms | lms | lms --check >/dev/null 2>err || status=$?
same_ 3 $status
grep -q 'stopped after record' err

# ---- damage: status 1
sed 's/"row 1234"/"row 1235"/' rows.lms >bad.lms
refuses_ 1 'the digest is' lms --check bad.lms
refuses_ 1 '' lms -o out.lms bad.lms
test ! -e out.lms
# one bad file does not hide another, nor a good one
status=0
lms --check bad.lms cut.lms rows.lms >said 2>err || status=$?
same_ 1 $status
same_ "rows.lms: good: text, 5000 records, 5000 examples" "$(cat said)"
grep -q 'bad.lms: the digest' err
grep -q 'cut.lms: the stream ends' err

# ---- an old output stays when the new one fails
echo old >kept.lms
refuses_ 3 '' lms -o kept.lms cut.lms
same_ old "$(cat kept.lms)"

# ---- outputs that fail
refuses_ 1 'No space left' lms rows.lms >/dev/full
refuses_ 1 'No space left' lms -o /dev/full rows.lms
refuses_ 1 '' lms rows.lms >&-
refuses_ 1 '' lms --count rows.lms >/dev/full
status=0
for _ in $(seq 40); do cat rows.lms; done >more.lms # more than a pipe holds
test "$(stat -c %s more.lms)" -gt 2000000
{ lms more.lms || echo $? >status; } | head -c 100 >/dev/null
same_ 141 "$(cat status)"
refuses_ 1 'cannot make a file' env TMPDIR=/nowhere "$(type -p lms)" --shuf --memory 1k rows.lms >/dev/null

# ---- a signal: 128+n, and an abort record for who reads on
mkfifo pipe
lms -o signalled.lms <pipe 2>err &
pid=$!
exec 4>pipe
head -c 100000 rows.lms >&4
sleep 0.5
kill -TERM $pid
status=0
wait $pid || status=$?
exec 4>&-
same_ 143 $status
test ! -e signalled.lms

# ---- goldens
test -n "$data" || { echo "SKIP: lms-faults: goldens: no reference data"; exit 0; }
needs_data_ goldens/lms/expected.json
count=0
while IFS=$'\t' read -r name ok status records examples; do
    count=$((count + 1))
    file=$data/goldens/lms/$name
    if test "$ok" = true; then
        lms --count "$file" >counted 2>err || fail_ "$name is refused: $(cat err)"
        grep -qx "records	$records" counted || fail_ "$name: $(cat counted)"
        test "$examples" = - || grep -qx "examples	$examples" counted || fail_ "$name: $(cat counted)"
        lms "$file" | lms --count >again
        same_ "$(grep -v streams counted)" "$(grep -v streams again)"
    else
        refuses_ "$status" "$name: " lms --check "$file"
        test -s err
    fi
done < <(awk -F'"' '
    function flush() { if (name != "") print name "\t" ok "\t" status "\t" records "\t" examples }
    /^ "/ { flush(); name = $2; ok = "?"; status = 1; records = examples = "-" }
    /^  "/ { value = $3; gsub(/[:, ]/, "", value)
        if ($2 == "ok") ok = value
        if ($2 == "exit") status = value
        if ($2 == "records") records = value
        if ($2 == "examples") examples = value }
    END { flush() }' "$data/goldens/lms/expected.json")
same_ 40 $count
# unknown members and tensors go through
lms "$data/goldens/lms/good-unknown.lms" | lms --head 1 | lms --view >seen
grep -q 'mystery \[0,1,2\]' seen
grep -q '"future":"kept"' seen
