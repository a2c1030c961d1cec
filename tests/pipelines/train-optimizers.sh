#!/bin/bash
# Every optimiser: what it learns, resumes in the same bytes, by transformers' names too; averages of weights; penalties.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

accuracy() { # DIR
    score -m "$1" -q test.lms | sed -n 's/^accuracy\t//p'
}

# ---- each learns three classes; killed and resumed, it has the same bytes as without. Plain descent is for simple networks
while read -r model options; do
    test $model = bert && network="$small -e 3" || network="-a bow --width 32 -e 3"
    learn="finetune $network -b 16 -q train.lms"
    $learn --optimizer $options -o whole
    test "$(accuracy whole | awk '{ print ($1 > 0.8) }')" = 1 || fail_ "$options: accuracy $(accuracy whole)"
    rm -rf ck out
    run="$learn --optimizer $options -o out --checkpoint ck --save-steps 30 --keep 0"
    end_at KILL 90 $run
    $run --resume
    cmp whole/model.safetensors out/model.safetensors || fail_ "$options: another model than without a stop"
    rm -rf whole
done <<'END'
bert adamw --learning-rate 5e-3
bert adamw_bnb_8bit --learning-rate 5e-3
bert adamw_torch --state-dtype bf16 --learning-rate 5e-3
bert adam --learning-rate 5e-3 --weight-decay 1e-4
bert adafactor --learning-rate 5e-3 --momentum 0.5
bert adafactor --schedule relative-step --adafactor-scale-parameter
bow paged_lion_8bit --learning-rate 1e-2
bert adamw --learning-rate 5e-3 --ema 0.95
bow lion_32bit --learning-rate 1e-2
bow lion --state-dtype bf16 --learning-rate 1e-2
bow sgd --learning-rate 0.3 --momentum 0.9 --nesterov
bow sgd --learning-rate 0.5 --momentum 0.9 --max-grad-norm 0 --max-grad-value 0.05
END
learn="finetune $small -e 3 -b 16 -q train.lms"

# ---- names of transformers are ours; the card says what it was
$learn --max-steps 3 --optim adamw_8bit -o a
$learn --max-steps 3 --optimizer adamw --state-dtype 8bit -o b
cmp a/model.safetensors b/model.safetensors
grep -q 'optimizer.*adamw-8bit' a/README.md
grep -q 'state-dtype.*8bit' b/README.md
grep -q 'adam-beta2.*0.999' a/README.md
$learn --max-steps 3 --optimizer sgd -o a
grep -q 'adam-beta' a/README.md && fail_ "the card of SGD has Adam's options"
$learn --max-steps 3 --optimizer lion -o a
grep 'adam-beta2' a/README.md | grep -qv 0.999

# ---- l1 leaves weights that are exactly 0, but no biases; l2 leaves smaller ones
zeros() { # DIR: how many of the weights are 0 bytes
    od -An -v -tx4 -w4 "$1/model.safetensors" | grep -c '00000000' || :
}
$learn -o plain --learning-rate 5e-3 --weight-decay 0
$learn -o sparse --learning-rate 5e-3 --weight-decay 0 --l1 0.05
test "$(zeros sparse)" -gt $(($(zeros plain) + 2000)) || fail_ "zeros: $(zeros plain), with l1 $(zeros sparse)"
test "$(accuracy sparse | awk '{ print ($1 > 0.8) }')" = 1

# ---- with --ema the average is evaluated, written, and kept as the best; the checkpoint has both
rm -rf ck
$learn --learning-rate 1e-2 -o swift
$learn --learning-rate 1e-2 --ema 0.98 -o mean --checkpoint ck --keep 0 --save-steps 50 --eval test.lms --eval-steps 50 --log log
cmp -s swift/model.safetensors mean/model.safetensors && fail_ "the average is the last weights"
last=$(ls ck | sed -n 's/^checkpoint-//p' | sort -n | tail -n 1)
test -s "ck/checkpoint-$last/average.safetensors"
loss=$(score -m mean -q test.lms | sed -n 's/^loss\t//p')
logged=$(grep eval_loss log | tail -n 1 | sed 's/.*"eval_loss": *\([0-9.e-]*\).*/\1/')
awk -v a="$loss" -v b="$logged" 'BEGIN { exit !(a - b < 1e-5 && b - a < 1e-5) }' || fail_ "evaluated $logged, written $loss"
$learn --learning-rate 1e-2 --ema 0.98 -o best --eval test.lms --eval-steps 50 --keep-best
score -m best -q test.lms >report
# at decay 0 it is the weights themselves
$learn --max-steps 5 -o a
$learn --max-steps 5 --ema 0 -o b
cmp a/model.safetensors b/model.safetensors

# ---- the relative step has a rate of its own
pretrain $small --optimizer adafactor --schedule relative-step --max-steps 4 -b 8 -o x --log log -q --logging-steps 1 corpus.lms
same_ '0.01 0.01 0.01 0.01' "$(sed -n 's/.*"learning_rate": *\([0-9.]*\).*/\1/p' log | tr '\n' ' ' | sed 's/ $//')"

# ---- what does not fit together is refused
refuses_ 2 '--resume: the run in ck has --optimizer' $learn --learning-rate 1e-2 --ema 0.98 -o mean --checkpoint ck --keep 0 \
    --save-steps 50 --eval test.lms --eval-steps 50 --resume --optimizer lion
refuses_ 2 '--ema' $learn --learning-rate 1e-2 --ema 0.9 -o mean --checkpoint ck --keep 0 --save-steps 50 --eval test.lms \
    --eval-steps 50 --resume
refuses_ 2 'relative-step has none' $learn --optimizer adafactor --schedule relative-step --learning-rate 1 -o x
refuses_ 2 '--optimizer' $learn --optimizer adamm -o x
refuses_ 2 'give --momentum' $learn --optimizer sgd --nesterov -o x
refuses_ 2 'has none' $learn --optimizer lion --momentum 0.9 -o x
refuses_ 2 'leave it out' $learn --optimizer adafactor --state-dtype bf16 -o x
