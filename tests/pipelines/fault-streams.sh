#!/bin/bash
# A stream that is cut at any byte, damaged, or not meant for the model, is refused by every program that reads it.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/fault-common.inc"
tiny_

# ---- cut anywhere (the unit tests cut at every byte): the end record is what says that a stream is whole
news_ 3 >three.csv
tok -m vocab -q three.csv >whole.lms
size=$(wc -c <whole.lms)
preamble=$(head -n 1 whole.lms | wc -c)
lms --check -q whole.lms
for ((at = 1; at < size; at += at % 64 > 60 || at % 64 < 3 ? 1 : 11)); do
    status=0
    head -c $at whole.lms | lms --check >/dev/null 2>err || status=$?
    # before the preamble is whole nothing tells a stream from anything else
    if test $at -ge "$preamble"; then
        test $status = 3 || fail_ "cut at byte $at: status $status: $(cat err)"
    else
        test $status = 1 || test $status = 3 || fail_ "cut at byte $at: status $status: $(cat err)"
    fi
    test -s err || fail_ "cut at byte $at: no message"
done

# ---- the same in a reader that computes, and in one that trains: nothing under the final name
for at in $preamble $((size / 2)) $((size - 64)) $((size - 1)); do
    head -c $at whole.lms >cut.lms
    refuses_ 3 cut.lms score -m tiny --emit logits -o logits.lms cut.lms
    test ! -e logits.lms || fail_ "score has published what it made of a cut stream"
    refuses_ 3 cut.lms finetune -m tiny -o model cut.lms
    refuses_ 3 cut.lms pretrain -m tiny -o model cut.lms
    test ! -e model || fail_ "a model has been made from a cut stream"
done

# ---- a writer that gave up in good order says why, and the reader passes it on
{
    head -c $((size - 64)) whole.lms
    printf '%-63s\n' '{"abort":{"by":"tok","why":"news.csv:17: a ragged row"}}'
} >abort.lms
refuses_ 3 "news.csv:17: a ragged row" finetune -m tiny -o model abort.lms
test ! -e model

# ---- bytes changed behind the preamble (before it is read nothing tells a stream): never accepted in silence
for ((at = preamble; at < size; at += 29)); do
    cp whole.lms damaged.lms
    printf '\001' | dd of=damaged.lms bs=1 seek=$at conv=notrunc status=none
    status=0
    lms --check damaged.lms >/dev/null 2>err || status=$?
    test $status = 1 || test $status = 3 || fail_ "byte $at damaged: status $status"
done

# ---- headers that lie: the reason is named before the digest is looked at
lie_() { # TEXT OLD NEW: a stream with OLD replaced by NEW of the same length
    test ${#2} = ${#3} || fail_ "the test itself: $2 and $3 differ in length"
    LC_ALL=C sed "s/$2/$3/" whole.lms >lie.lms
    ! cmp -s whole.lms lie.lms || fail_ "the test itself: no $2 in the stream"
    refuses_ 1 "$1" lms --check lie.lms
}
lie_ ids.splits '"shape":.4.' '"shape":[5]'
lie_ I99 '"dtype":"I32"' '"dtype":"I99"'
lie_ newer '{"lms":1' '{"lms":9'

# ---- an empty input
: >empty
for program in "tok -m vocab" "finetune -m tiny -o model" "pretrain -m tiny -o model" "score -m tiny"; do
    status=0
    $program <empty >out 2>err || status=$?
    test $status = 1 || test $status = 3 || { test "$program" = "tok -m vocab" && test $status = 0; } ||
        fail_ "$program on an empty input: status $status"
    test $status = 0 || test -s err || fail_ "$program on an empty input says nothing"
done
test ! -e model

# ---- tokens of another tokenizer, and ids that the model does not have
sed 's/ball/bale/; s/bank/bunk/' news.csv >other.csv
tok --train wordpiece --vocab-size 140 -q -o other other.csv # more words than tiny knows
tok -m other -q other.csv >other.lms
refuses_ 1 "insist with --force" score -m tiny other.lms
refuses_ 1 "insist with --force" finetune -m tiny -o model other.lms
test ! -e model
status=0
score -m tiny --force other.lms >/dev/null 2>err || status=$?
test $status = 1 || fail_ "ids beyond the vocabulary: status $status"
grep -q "not in the model.s vocabulary" err || fail_ "ids beyond the vocabulary: the message does not say so: $(cat err)"
