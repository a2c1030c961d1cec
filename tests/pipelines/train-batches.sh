#!/bin/bash
# --batch-tokens: steps of so many tokens, of rows at hand and as they come, mixed, grouped by length, resumed.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

mv corpus.lms rows.lms
lms --head 50 rows.lms >few.lms
tokens=$(lms --count rows.lms | awk -F '\t' '$1 == "tokens" { print $2 }')
p="pretrain $small --learning-rate 1e-3 -q"

# ---- an epoch has as few steps as leave none more tokens on average
steps() { $p --plan "$@" | awk -F '\t' '$1 == "steps_per_epoch" { print $2 }'; }
same_ $(((tokens + 299) / 300)) "$(steps --batch-tokens 300 rows.lms)"
same_ $(((tokens + 599) / 600)) "$(steps --batch-tokens 300 --gradient-accumulation 2 --group-by-length rows.lms)"
same_ 1 "$(steps --batch-tokens 100M rows.lms)"
same_ "$(lms --count rows.lms | awk -F '\t' '$1 == "examples" { print $2 }')" "$(steps --batch-tokens 1 rows.lms)"

# ---- two batches of a step are one of twice the size; rows do not matter
$p -e 2 -o one --batch-tokens 600 --log one.jsonl rows.lms
$p -e 2 -o two --batch-tokens 300 --gradient-accumulation 2 --batch-size 1 -j 1 rows.lms
cmp one/model.safetensors two/model.safetensors
test "$(grep -c '"loss"' one.jsonl)" -gt 3
$p -e 2 -o rows rows.lms
! cmp -s one/model.safetensors rows/model.safetensors || fail_ "--batch-tokens changes nothing"

# ---- stopped anywhere and resumed
stopped() { # NAME ARGUMENT...
    local name=$1
    shift
    $p "$@" -o "$name-whole"
    $p "$@" -o "$name" --checkpoint "$name-ck" --save-steps 3 --max-time 0.1s || test $? = 5
    ls "$name-ck"/checkpoint-*/MANIFEST >/dev/null
    $p "$@" -o "$name" --checkpoint "$name-ck" --save-steps 3 --resume
    cmp "$name-whole/model.safetensors" "$name/model.safetensors"
}
stopped spooled -e 2 --batch-tokens 300 --group-by-length rows.lms
stopped replayed -e 2 --batch-tokens 300 --replay few.lms=0.3 rows.lms
stopped streaming -e 1 --schedule constant --batch-tokens 300 --shuffle-window 40 --replay few.lms=0.3 rows.lms
stopped mixed -e 2 --batch-tokens 300 --mix few.lms=0.4 rows.lms=0.6
stopped mixed-streaming -e 1 --max-steps 30 --batch-tokens 300 --shuffle-window 40 --mix few.lms=0.4 rows.lms=0.6
refuses_ 2 'batch-tokens' $p -e 2 -o mixed --mix few.lms=0.4 rows.lms=0.6 --batch-tokens 200 --checkpoint mixed-ck --resume

refuses_ 2 'lower --batch-tokens' $p -o out --batch-tokens 200M --gradient-accumulation 100 rows.lms
refuses_ 2 'batch-tokens' $p -o out --batch-tokens -5 rows.lms
