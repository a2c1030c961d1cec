#!/bin/bash
# Text that is not what it should be: the message names file and line, and what was written so far is not taken for all.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/fault-common.inc"
tiny_

# ---- a csv with a ragged row: file and line; the stream ends with an abort, and the trainer behind it publishes nothing
{
    news_ 100
    echo 'sport,one field, and one too many'
    news_ 20 | tail -n +2
} >ragged.csv
refuses_ 1 ragged.csv:102 tok -m vocab -o ragged.lms ragged.csv
test ! -e ragged.lms || fail_ "tok has published the tokens of half a file"
status=0
tok -m vocab ragged.csv 2>tok.err | finetune -m tiny -o model 2>err || status=$?
test $status = 3 || fail_ "a trainer behind tok that failed: status $status: $(cat err)"
grep -q ragged.csv:102 err || fail_ "the trainer does not say why: $(cat err)"
test ! -e model

# ---- the same with --rejects: the row is put aside and named, the rest is used
tok -m vocab -q --rejects rejects.jsonl -o ragged.lms ragged.csv
test "$(wc -l <rejects.jsonl)" = 1
grep -q '"line":102' rejects.jsonl || fail_ "$(cat rejects.jsonl)"
lms --check -q ragged.lms

# ---- invalid UTF-8
printf 'label,text\nsport,ball \377 goal\nmoney,bank\n' >broken.csv
tok -m vocab -o broken.lms broken.csv 2>err
grep -qi 'utf-8' err || fail_ "invalid UTF-8 goes unsaid: $(cat err)"
lms --check -q broken.lms

# ---- a label that was not there in training
finetune -q -m tiny -o sorter --max-steps 4 news.lms
printf 'label,text\nsport,goal\nweather,rain\n' >unseen.csv
status=0
tok -m sorter -q unseen.csv | score -m sorter >out 2>err || status=$?
grep -q weather err || fail_ "an unseen label goes unsaid: status $status: $(cat err)"
refuses_ 1 weather finetune -m tiny -o model --labels sport,money <(tok -m vocab -q unseen.csv)
test ! -e model

# ---- full disks and closed outputs
full=/dev/full
if test -w $full; then
    refuses_ 1 "No space left" tok -m vocab -q news.csv >$full
    refuses_ 1 "No space left" lms --view news.lms >$full
    refuses_ 1 "No space left" score -m sorter --emit logits news.lms >$full
    refuses_ 1 "No space left" score -m sorter news.lms >$full
    refuses_ 1 "No space left" tok --help >$full
fi
for command in "tok -m vocab -q news.csv" "lms --view news.lms" "score -m sorter news.lms" "tok --version"; do
    status=0
    $command >&- 2>err || status=$?
    test $status = 1 || fail_ "$command >&-: status $status"
    test -s err || fail_ "$command >&- says nothing"
done

# ---- a reader that has enough: quietly, 141
news_ 20000 >long.csv
tok -m vocab -q long.csv >long.lms
for command in "tok -m vocab -q long.csv" "lms --view long.lms" "score -q -m sorter --emit logits long.lms"; do
    set +e
    { $command 2>err; echo $? >status; } | head -c 100 >/dev/null
    set -e
    test "$(cat status)" = 141 || fail_ "$command | head: status $(cat status): $(cat err)"
    test ! -s err || fail_ "$command | head: not quiet: $(cat err)"
done
