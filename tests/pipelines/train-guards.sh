#!/bin/bash
# Guards: steps whose loss is not finite, jumps, or is not there at all, and tensors that no gradient reaches: the run stops
# and keeps its checkpoint, or passes over them; and a run that was killed meanwhile ends in the same bytes.
. "$(dirname "$0")/init.sh"
. "$abs_top_srcdir/tests/pipelines/train-words.inc"

# Numbers to learn, rows in their order, ten a step: in step 31 one whose square is no float any more, in step 41 ten that are
# far off.
awk -F, 'BEGIN { OFS = "," } NR == 1 { print; next } { number = $1 == "sport" ? 1 : $1 == "weather" ? 2 : 3 }
    NR == 302 { number = 1e30 } NR > 401 && NR <= 411 { number += 10 } { print number, $2 }' train.csv |
    tok -m tokdir -q --text text --label label --label-type float --input-format csv >hard.lms
pretrain $small -b 32 --max-steps 3 -q -o model corpus.lms
f="finetune -m model -e 1 -b 10 --no-shuffle --learning-rate 3e-3 --schedule constant --dropout 0 --spike-window 25"

# ---- not finite: the run stops and the checkpoint is kept, or the step is skipped
refuses_ 1 'step 31: the loss is' $f -q -o x --checkpoint ck --save-steps 10 hard.lms
grep -q 'the checkpoint of step 30 in ck is kept' err || fail_ "$(cat err)"
test ! -e x
refuses_ 0 'step 31: the loss is' $f -o skipped --on-nan skip --log skipped.jsonl hard.lms
grep -q '1 steps were skipped: 1 with' err || fail_ "$(cat err)"
same_ 1 "$(sed -n 's/.*"skipped_steps":\([0-9]*\).*/\1/p' skipped.jsonl | sort -u)"
# what is asked of the guards may be another when the run goes on
refuses_ 0 'going on from ck/checkpoint-30' $f -o resumed --checkpoint ck --save-steps 10 --on-nan skip --resume hard.lms
cmp skipped/model.safetensors resumed/model.safetensors
# nothing finite any more: skipping has an end
refuses_ 1 'all of the steps before' finetune -m model -e 30 --learning-rate 900 --warmup-steps 0 \
    --max-grad-norm 0 --adam-epsilon 0 --weight-decay 900 --on-nan skip -o x train.lms

# ---- a jump of the loss
s="$f --on-nan skip --spike-score 4"
refuses_ 0 'step 41: the loss is' $s -o warned hard.lms
cmp skipped/model.safetensors warned/model.safetensors
grep -q 'standard deviations above' err
refuses_ 1 'step 41: the loss is' $s -q -o x --on-spike stop --checkpoint ck2 --save-steps 20 hard.lms
grep -q 'the checkpoint of step 40 in ck2 is kept' err || fail_ "$(cat err)"
refuses_ 0 'skipped' $s -o passed --on-spike skip hard.lms
grep -q '2 steps were skipped: 1 with a loss or gradient that is not finite, 1 with a loss that jumped' err || fail_ "$(cat err)"
! cmp -s passed/model.safetensors warned/model.safetensors || fail_ "--on-spike skip changes nothing"
refuses_ 0 '2 steps were skipped' $s -o again --on-spike skip --checkpoint ck2 --resume hard.lms
cmp passed/model.safetensors again/model.safetensors
refuses_ 0 'going on' $s -o again --on-spike skip --checkpoint ck2 --resume hard.lms # counts are kept
grep -q '2 steps were skipped' err || fail_ "$(cat err)"
refuses_ 0 'step 31' $f -o quiet --on-nan skip --spike-score 0 hard.lms
! grep -q 'standard deviations' err || fail_ "$(cat err)"

# ---- a step without anything that carries a loss
awk -F, 'BEGIN { OFS = "," } NR == 1 { print $0, "weight"; next } { print $1, $2, (NR <= 51 || NR > 61) }' train.csv |
    tok -m tokdir -q --text text --label label --weight weight --input-format csv >blank.lms
refuses_ 0 'step 6: nothing in its rows carries a loss: skipped' $f -o blank blank.lms
refuses_ 1 'step 6: nothing in its rows' $f -q -o y --on-empty stop blank.lms

# ---- tensors that no gradient reaches: rows of one token have no other to look at
sed 1d train.csv | cut -d, -f2 | cut -d ' ' -f1 | paste -d, <(sed 1d train.csv | cut -d, -f1) - | sed '1i label,text' |
    tok -m tokdir -q --no-special --text text --label label --input-format csv --max-length 1 >one.lms
refuses_ 0 'no gradient has reached' finetune -m model -q -b 8 --max-steps 30 -o dead one.lms
grep -q 'step 20: .*encoder.layer.0.attention.self.query.weight' err || fail_ "$(cat err)"
! grep -q 'attention.self.value.weight' err || fail_ "$(cat err)"
refuses_ 1 'freeze them' finetune -m model -q -b 8 --max-steps 30 -o y --stop-at-zero-gradient one.lms
test ! -e y
finetune -m model -q -b 8 --max-steps 25 -o fine train.lms 2>err
test ! -s err || fail_ "$(cat err)"
